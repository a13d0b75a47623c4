//! Tiles of lanes: `Q` SIMD vectors as one [`Real`].
//!
//! Every operation goes through the `Q` vectors in step, so that `Q` independent chains hide each other's latency and
//! a constant is loaded once for all of them. The context is a `pulp` token, the proof that the processor has the
//! instructions; every function is inlined into the dispatcher that carries them.
//!
//! Loops over the vectors are `while` loops and not closures: a closure is a separate function, which lacks the
//! dispatcher's processor features until the optimiser has inlined it.

use pulp::{Simd, WithSimd, bytemuck};

use crate::number::{Packed, Real, math};

mod common;
mod gather;
pub(crate) mod memory;
mod named;
#[cfg(test)]
mod tests;
mod vectors;

pub use common::Common;
pub(crate) use gather::gather;
pub(crate) use named::transposed;
pub use vectors::Vectorized;

/// A tile of `Q` vectors of `f32`.
pub type F32Lanes<S, const Q: usize> = Lanes<f32, S, Q>;
/// A tile of `Q` vectors of `f64`.
pub type F64Lanes<S, const Q: usize> = Lanes<f64, S, Q>;

/// A tile of `Q` vectors of `T` under the instruction set `S`.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct Lanes<T: Vectorized, S: Simd, const Q: usize>([T::N<S>; Q]);

// SAFETY: a transparent wrapper of an array of vectors, for which all of this holds.
unsafe impl<T: Vectorized, S: Simd, const Q: usize> bytemuck::Zeroable for Lanes<T, S, Q> {}
// SAFETY: as for `Zeroable`.
unsafe impl<T: Vectorized, S: Simd, const Q: usize> bytemuck::Pod for Lanes<T, S, Q> {}

/// A truth value for each number of a [`Lanes`].
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct Truths<T: Vectorized, S: Simd, const Q: usize>([T::M<S>; Q]);

/// A row number for each number of a [`Lanes`].
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct RowNumbers<T: Vectorized, S: Simd, const Q: usize>([T::U<S>; Q]);

/// The array of the values that an expression has for each vector `q` of the tile. It is written out for the sizes that
/// tiles have, because the time that the optimiser takes for a loop grows with the length of the function around it.
/// Only one of the branches is compiled.
macro_rules! each {
    ($q:ident => $value:expr) => {{
        let mut out = zeroed::<_, Q>();
        let $q = 0;
        out[$q] = $value;
        if const { Q >= 2 } {
            let $q = 1;
            out[$q] = $value;
        }
        if const { Q >= 3 } {
            let $q = 2;
            out[$q] = $value;
        }
        if const { Q >= 4 } {
            let $q = 3;
            out[$q] = $value;
        }
        if const { Q > 4 } {
            let mut $q = 4;
            while $q < Q {
                out[$q] = $value;
                $q += 1;
            }
        }
        out
    }};
}

/// An array of zeros, made without the loop that `[zero; Q]` would be.
#[inline(always)]
fn zeroed<T: bytemuck::Zeroable, const Q: usize>() -> [T; Q] {
    // SAFETY: an array of what may be zero.
    unsafe { core::mem::zeroed() }
}

/// Functions of [`Real`] that are one operation on each vector.
macro_rules! forward {
    ($( $name:ident($($arg:ident: $ty:ty),*) -> $out:ident; )*) => {$(
        #[inline(always)]
        fn $name(cx: S, $($arg: $ty),*) -> $out<T, S, Q> {
            $out(each!(q => <T as Vectorized>::$name(cx, $($arg.0[q]),*)))
        }
    )*};
}

/// Functions of [`Real`] that are called and not inlined. They are dozens to hundreds of instructions, so a call costs
/// little beside them, and a formula with several of them inlined would take minutes to compile.
macro_rules! outlined {
    ($($name:ident => $function:ident($($arg:ident),+)),+) => {$(
        #[inline(always)]
        fn $name(cx: S, $($arg: Self),+) -> Self {
            struct Outlined<T: Vectorized, S: Simd, const Q: usize>(S, [Lanes<T, S, Q>; [$(stringify!($arg)),+].len()]);
            impl<T: Vectorized, S: Simd, const Q: usize> WithSimd for Outlined<T, S, Q> {
                type Output = Lanes<T, S, Q>;
                #[inline(always)]
                fn with_simd<Same: Simd>(self, _: Same) -> Lanes<T, S, Q> {
                    let [$($arg),+] = self.1;
                    T::$function(self.0, $($arg),+)
                }
            }
            // The function is not inlined, but has the dispatcher's processor features, which `vectorize` gives to the
            // function that it calls.
            #[inline(never)]
            fn scalar<T: Vectorized, S: Simd, const Q: usize>(call: Outlined<T, S, Q>) -> Lanes<T, S, Q> {
                let cx = call.0;
                call.with_simd(cx)
            }
            let call = Outlined(cx, [$($arg),+]);
            if S::IS_SCALAR { scalar(call) } else { cx.vectorize(call) }
        }
    )+};
}

/// Calls `f`, which is inlined into a function that has the dispatcher's processor features. The optimiser may inline
/// that function if it has only one caller, but not into this one, which lacks these features.
#[inline(never)]
fn apart<S: Simd, O, F: FnOnce(S) -> O>(cx: S, f: F) -> O {
    struct Apart<S, F>(S, F);
    impl<S, O, F: FnOnce(S) -> O> WithSimd for Apart<S, F> {
        type Output = O;
        #[inline(always)]
        fn with_simd<Same: Simd>(self, _: Same) -> O {
            self.1(self.0)
        }
    }
    cx.vectorize(Apart(cx, f))
}

impl<T: Vectorized, S: Simd, const Q: usize> Real for Lanes<T, S, Q> {
    type Cx = S;
    type Scalar = T;
    type Mask = Truths<T, S, Q>;

    #[inline(always)]
    fn splat(cx: S, value: T) -> Self {
        let vector = <T as Vectorized>::splat(cx, value);
        Self(each!(_q => vector))
    }

    forward! {
        add(a: Self, b: Self) -> Lanes;
        sub(a: Self, b: Self) -> Lanes;
        mul(a: Self, b: Self) -> Lanes;
        div(a: Self, b: Self) -> Lanes;
        sqrt(a: Self) -> Lanes;
        mul_add(a: Self, b: Self, c: Self) -> Lanes;
        neg_mul_add(a: Self, b: Self, c: Self) -> Lanes;
        min(a: Self, b: Self) -> Lanes;
        max(a: Self, b: Self) -> Lanes;
        lt(a: Self, b: Self) -> Truths;
        le(a: Self, b: Self) -> Truths;
        eq(a: Self, b: Self) -> Truths;
        and(a: Self::Mask, b: Self::Mask) -> Truths;
        or(a: Self::Mask, b: Self::Mask) -> Truths;
        not(a: Self::Mask) -> Truths;
        select(mask: Self::Mask, yes: Self, no: Self) -> Lanes;
    }

    #[inline(always)]
    fn neg(cx: S, a: Self) -> Self {
        let sign = T::integer(cx, T::SIGN);
        Self(each!(q => T::from_bits(T::integer_xor(cx, T::bits(a.0[q]), sign))))
    }
    #[inline(always)]
    fn abs(cx: S, a: Self) -> Self {
        let magnitude = T::integer(cx, T::SIGN - 1);
        Self(each!(q => T::from_bits(T::integer_and(cx, T::bits(a.0[q]), magnitude))))
    }
    #[inline(always)]
    fn round(cx: S, a: Self) -> Self {
        // Adding and subtracting 2^23 (2^52) leaves no room for fractional bits; larger numbers have none.
        let limit = Self::splat(cx, T::of_f64((1u64 << T::MANTISSA_BITS) as f64));
        let size = Self::abs(cx, a);
        let rounded = Self::sub(cx, Self::add(cx, size, limit), limit);
        let rounded = Self::select(cx, Self::lt(cx, size, limit), rounded, size);
        let sign = T::integer(cx, T::SIGN);
        Self(each!(q => {
            let sign = T::integer_and(cx, T::bits(a.0[q]), sign);
            T::from_bits(T::integer_or(cx, T::bits(rounded.0[q]), sign))
        }))
    }

    #[inline(always)]
    fn any(cx: S, mask: Self::Mask) -> bool {
        let mut all = mask.0[0];
        let mut q = 1;
        while q < Q {
            all = <T as Vectorized>::or(cx, all, mask.0[q]);
            q += 1;
        }
        vectors::any(&all)
    }

    #[inline(always)]
    fn apart<O>(cx: S, f: impl FnOnce(S) -> O) -> O {
        apart(cx, f)
    }

    #[inline(always)]
    fn exp2(cx: S, x: Self) -> Self {
        T::exp2_real(cx, x)
    }
    #[inline(always)]
    fn exp(cx: S, x: Self) -> Self {
        T::exp_real(cx, x)
    }

    outlined! {
        log2 => log2_real(x), log => log_real(x), sin => sin_real(x), cos => cos_real(x), pow => pow_real(x, y),
        asin => asin_real(x), acos => acos_real(x), atan => atan_real(x), atan2 => atan2_real(y, x),
        log10 => log10_real(x), exp_m1 => exp_m1_real(x), ln_1p => ln_1p_real(x), tan => tan_real(x), sinh => sinh_real(x), cosh => cosh_real(x), tanh => tanh_real(x), asinh => asinh_real(x), acosh => acosh_real(x), atanh => atanh_real(x), erf => erf_real(x), erfc => erfc_real(x), cbrt => cbrt_real(x)
    }

    #[inline(always)]
    fn pow2_integer(cx: S, n: Self) -> Self {
        let one = Self::splat(cx, T::ROUND + T::of_f64((T::ONE >> T::MANTISSA_BITS) as f64));
        Self::shift_to_exponent(cx, Self::add(cx, n, one))
    }
    #[inline(always)]
    fn split_exponent(cx: S, x: Self) -> (Self, Self) {
        // Counting exponents from sqrt(1/2) instead of from 1 puts the mantissa in [sqrt(1/2), sqrt(2)).
        let root_half = T::integer(cx, T::ROOT_HALF);
        let offset = T::integer(cx, T::ONE - T::ROOT_HALF);
        let field = T::integer(cx, (1 << T::MANTISSA_BITS) - 1);
        let count = T::integer(cx, T::COUNT);
        let one = Self::lit(cx, (1u64 << T::MANTISSA_BITS) as f64 + (T::ONE >> T::MANTISSA_BITS) as f64);
        let shifted: [T::U<S>; Q] = each!(q => T::integer_add(cx, T::bits(x.0[q]), offset));
        let mantissa = Self(each!(q => {
            T::from_bits(T::integer_add(cx, T::integer_and(cx, shifted[q], field), root_half))
        }));
        let exponent = Self(each!(q => {
            T::from_bits(T::integer_or(cx, T::shift_right(cx, shifted[q], T::MANTISSA_BITS), count))
        }));
        (mantissa, Self::sub(cx, exponent, one))
    }
}

impl<T: Vectorized, S: Simd, const Q: usize> Packed for Lanes<T, S, Q> {
    forward! {
        index_select(mask: Truths<T, S, Q>, yes: Self::Index, no: Self::Index) -> RowNumbers;
        index_le(a: Self::Index, b: Self::Index) -> Truths;
    }
    type Index = RowNumbers<T, S, Q>;
    const LANES: usize = Q * (size_of::<T::N<S>>() / size_of::<T>());
    const SIMD: bool = size_of::<T::N<S>>() > size_of::<T>();
    #[inline(always)]
    fn load(_: S, from: &[T]) -> Self {
        let vectors = &T::as_vectors::<S>(from)[..Q];
        Self(each!(q => vectors[q]))
    }
    #[inline(always)]
    fn view(from: &[T]) -> &[Self] {
        bytemuck::cast_slice(&from[..from.len() / Self::LANES * Self::LANES])
    }
    #[inline(always)]
    fn view_mut(from: &mut [T]) -> &mut [Self] {
        let whole = from.len() / Self::LANES * Self::LANES;
        bytemuck::cast_slice_mut(&mut from[..whole])
    }
    #[inline(always)]
    fn store(self, _: S, to: &mut [T]) {
        T::as_vectors_mut::<S>(to)[..Q].copy_from_slice(&self.0);
    }

    #[inline(always)]
    fn truths(cx: S, mask: Truths<T, S, Q>) -> u64 {
        let width = Self::LANES / Q;
        let mut all = 0;
        let mut q = 0;
        while q < Q {
            all |= <T as Vectorized>::truths(cx, mask.0[q]) << (q * width);
            q += 1;
        }
        all
    }

    #[inline(always)]
    fn index_splat(cx: S, index: u32) -> Self::Index {
        let vector = T::row(cx, index);
        RowNumbers(each!(_q => vector))
    }
    #[inline(always)]
    fn index_ramp(cx: S, first: u32) -> Self::Index {
        let width = (Self::LANES / Q) as u32;
        RowNumbers(each!(q => T::rows_from(cx, first.wrapping_add(q as u32 * width))))
    }
    #[inline(always)]
    fn index_to_bits(_: S, index: Self::Index) -> Self {
        Self(each!(q => T::from_bits::<S>(index.0[q])))
    }
    #[inline(always)]
    fn index_from_bits(_: S, bits: Self) -> Self::Index {
        RowNumbers(each!(q => T::bits::<S>(bits.0[q])))
    }
    #[inline(always)]
    fn shift_to_exponent(cx: S, t: Self) -> Self {
        Self(each!(q => T::from_bits(T::shift_left(cx, T::bits(t.0[q]), T::MANTISSA_BITS))))
    }
    const SIXTEENTHS: bool = vectors::has_tables::<S>();
    #[inline(always)]
    fn pow2_sixteenths(cx: S, t: Self) -> Self {
        Self(each!(q => {
            let bits = T::bits(t.0[q]);
            let exponent = T::shift_left(cx, bits, T::MANTISSA_BITS - 4);
            T::from_bits(T::integer_add(cx, T::table(cx, bits), exponent))
        }))
    }
    #[inline(always)]
    fn shift_to_sixteenths(cx: S, x: Self, shift: T, high: T) -> (Self, Self) {
        let both: [(T::N<S>, T::N<S>); Q] = each!(q => T::shifted(cx, x.0[q], shift, high));
        (Self(each!(q => both[q].0)), Self(each!(q => both[q].1)))
    }
    #[inline(always)]
    fn unless_below(cx: S, x: Self, low: T, value: Self) -> Self {
        Self(each!(q => <T as Vectorized>::unless_below(cx, x.0[q], low, value.0[q])))
    }
    #[inline(always)]
    fn bit(cx: S, t: Self, bit: u32) -> Truths<T, S, Q> {
        let one = T::integer(cx, 1 << bit);
        Truths(each!(q => T::integer_eq(cx, T::integer_and(cx, T::bits(t.0[q]), one), one)))
    }
    #[inline(always)]
    fn two_product(cx: S, a: Self, b: Self) -> (Self, Self) {
        if S::IS_SCALAR || cfg!(target_arch = "wasm32") {
            // There the fused operation is a library call.
            return math::dekker_product(cx, a, b, T::SPLITTER);
        }
        let product = Self::mul(cx, a, b);
        let less = Self::neg(cx, product);
        (product, Self(each!(q => T::fused_mul_add(cx, a.0[q], b.0[q], less.0[q]))))
    }
    #[inline(always)]
    fn map(_: S, mut x: Self, f: impl Fn(T) -> T) -> Self {
        for number in bytemuck::cast_slice_mut::<T::N<S>, T>(&mut x.0) {
            *number = f(*number);
        }
        x
    }
}
