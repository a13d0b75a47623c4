//! Which instruction sets a formula is compiled for.
//!
//! Compiling the loop over pairs takes longer than everything else about a formula, and it is compiled again for each
//! instruction set and each direction of lanes. Lanes over targets is what nearly all calls run, so it has every
//! instruction set; lanes over sources has the one that nearly all processors have.

use core::marker::PhantomData;

use pulp::{Arch, Simd, WithSimd};

use crate::{
    cpu::plan,
    formula::Formula,
    real::{Element, Real},
    reduction::Reduction,
};

/// The instruction set for lanes over sources, which the processor has.
#[derive(Clone, Copy, Debug)]
pub struct Common(#[cfg(target_arch = "x86_64")] pulp::x86::V3, #[cfg(not(target_arch = "x86_64"))] Arch);

impl Common {
    /// The common instruction set, if the processor has it.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn of(arch: Arch) -> Option<Self> {
        match arch {
            Arch::V4(simd) => Some(Self(*simd)),
            Arch::V3(simd) => Some(Self(simd)),
            _ => None,
        }
    }
    /// The common instruction set: there are only two, and one of them is scalar.
    #[cfg(not(target_arch = "x86_64"))]
    pub(super) fn of(arch: Arch) -> Option<Self> {
        Some(Self(arch))
    }

    /// The instructions.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn simd(self) -> pulp::x86::V3 {
        self.0
    }

    #[cfg(target_arch = "x86_64")]
    pub(super) fn arch(self) -> Arch {
        Arch::V3(self.0)
    }
    #[cfg(not(target_arch = "x86_64"))]
    pub(super) fn arch(self) -> Arch {
        self.0
    }
}

/// What runs on the lanes of an instruction set.
pub(super) trait OnLanes<T: Element, F: Formula, Red: Reduction>: Sized {
    /// Runs on one kind of lanes.
    fn run<R: Real<Scalar = T>>(self, cx: R::Cx);

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
        Simd::vectorize(common.0, Tiled::<T, F, Red, _>(self, PhantomData));
        #[cfg(not(target_arch = "x86_64"))]
        self.dispatch(common.0);
    }
}

/// Chooses how many vectors make a tile.
struct Tiled<T, F, Red, Op>(Op, PhantomData<(T, F, Red)>);

impl<T: Element, F: Formula, Red: Reduction, Op: OnLanes<T, F, Red>> WithSimd for Tiled<T, F, Red, Op> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // Branches on constants: only one of the three is ever compiled.
        if const { plan::tile_vectors::<S, F, Red>() == 4 } {
            self.0.run::<T::Lanes<S, 4>>(simd);
        } else if const { plan::tile_vectors::<S, F, Red>() == 2 } {
            self.0.run::<T::Lanes<S, 2>>(simd);
        } else {
            self.0.run::<T::Lanes<S, 1>>(simd);
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
pub(super) const fn lanes<T: Element, F: Formula, Red: Reduction>(arch: Arch) -> usize {
    const fn of<T: Element, S: Simd, F: Formula, Red: Reduction>() -> usize {
        match plan::tile_vectors::<S, F, Red>() {
            4 => <T::Lanes<S, 4> as Real>::LANES,
            2 => <T::Lanes<S, 2> as Real>::LANES,
            _ => <T::Lanes<S, 1> as Real>::LANES,
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
