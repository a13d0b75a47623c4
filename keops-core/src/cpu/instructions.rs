//! The instruction sets that a formula is compiled for.
//!
//! Compiling the loop over pairs takes longer than everything else about a formula, and it is compiled again for each
//! instruction set and each direction of lanes. Nearly all calls run with lanes over targets, so these are compiled for
//! every instruction set; lanes over sources are compiled for the one that nearly all processors have.

use core::marker::PhantomData;

use pulp::{Arch, Simd, WithSimd};

use crate::{
    cpu::plan,
    formula::Formula,
    lanes::{Common, Lanes, Vectorized},
    number::Packed,
    reduction::Reduction,
};

/// Code that runs on the lanes of any instruction set.
pub(super) trait OnLanes<T: Vectorized, F: Formula, Red: Reduction>: Sized {
    /// Runs on one kind of lanes.
    fn run<R: Packed<Scalar = T>>(self, cx: R::Cx);

    /// Runs with the instructions of `arch`.
    #[inline(always)]
    fn dispatch(self, arch: Arch) {
        match arch {
            #[cfg(target_arch = "x86_64")]
            Arch::V4(simd) => Simd::vectorize(simd, Tiled::<T, F, Red, _>(self, PhantomData)),
            #[cfg(target_arch = "x86_64")]
            Arch::V3(simd) => Simd::vectorize(simd, Tiled::<T, F, Red, _>(self, PhantomData)),
            #[cfg(target_arch = "aarch64")]
            Arch::Neon(simd) => Simd::vectorize(simd, Tiled::<T, F, Red, _>(self, PhantomData)),
            #[cfg(target_arch = "wasm32")]
            Arch::Simd128(simd) => Simd::vectorize(simd, Tiled::<T, F, Red, _>(self, PhantomData)),
            // Plain numbers are one lane.
            _ => self.run::<T>(()),
        }
    }

    /// Runs with the common instructions.
    #[inline(always)]
    fn dispatch_common(self, common: Common) {
        #[cfg(target_arch = "x86_64")]
        Simd::vectorize(common.simd(), Tiled::<T, F, Red, _>(self, PhantomData));
        #[cfg(not(target_arch = "x86_64"))]
        self.dispatch(common.arch());
    }
}

/// Chooses how many vectors make a tile.
struct Tiled<T, F, Red, Op>(Op, PhantomData<(T, F, Red)>);

impl<T: Vectorized, F: Formula, Red: Reduction, Op: OnLanes<T, F, Red>> WithSimd for Tiled<T, F, Red, Op> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // Branches on constants: only one of the three is ever compiled.
        if const { plan::tile_vectors::<S, F, Red>() == 4 } {
            self.0.run::<Lanes<T, S, 4>>(simd);
        } else if const { plan::tile_vectors::<S, F, Red>() == 2 } {
            self.0.run::<Lanes<T, S, 2>>(simd);
        } else {
            self.0.run::<Lanes<T, S, 1>>(simd);
        }
    }
}

/// The bytes of a vector; 0 for scalar code.
pub(super) fn vector_bytes(arch: Arch) -> usize {
    match arch {
        #[cfg(target_arch = "x86_64")]
        Arch::V4(_) => 64,
        #[cfg(target_arch = "x86_64")]
        Arch::V3(_) => 32,
        #[cfg(target_arch = "aarch64")]
        Arch::Neon(_) => 16,
        #[cfg(target_arch = "wasm32")]
        Arch::Simd128(_) => 16,
        _ => 0,
    }
}

/// How many lanes [`OnLanes::dispatch`] runs on.
pub(super) const fn lanes<T: Vectorized, F: Formula, Red: Reduction>(arch: Arch) -> usize {
    const fn of<T: Vectorized, S: Simd, F: Formula, Red: Reduction>() -> usize {
        match plan::tile_vectors::<S, F, Red>() {
            4 => <Lanes<T, S, 4> as Packed>::LANES,
            2 => <Lanes<T, S, 2> as Packed>::LANES,
            _ => <Lanes<T, S, 1> as Packed>::LANES,
        }
    }
    match arch {
        #[cfg(target_arch = "x86_64")]
        Arch::V4(_) => of::<T, pulp::x86::V4, F, Red>(),
        #[cfg(target_arch = "x86_64")]
        Arch::V3(_) => of::<T, pulp::x86::V3, F, Red>(),
        #[cfg(target_arch = "aarch64")]
        Arch::Neon(_) => of::<T, pulp::aarch64::Neon, F, Red>(),
        #[cfg(target_arch = "wasm32")]
        Arch::Simd128(_) => of::<T, pulp::wasm::Simd128, F, Red>(),
        _ => 1,
    }
}
