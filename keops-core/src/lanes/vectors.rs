//! The operations of one SIMD vector that a tile needs, under the same names for `f32` and `f64`: `pulp` has the
//! element type in the names of its methods.

use pulp::{Simd, bytemuck, cast};

pub(super) use super::named::has_tables;
use super::{
    memory::{Pool, Small},
    named,
};
use crate::number::Scalar;

/// The pool of an element type.
macro_rules! pool {
    ($t:ident) => {
        fn pool() -> &'static Pool<$t> {
            std::thread_local! {
                static SMALL: Small<$t> = const { Small::new() };
            }
            static POOL: Pool<$t> = Pool::new(&SMALL);
            &POOL
        }
    };
}

/// Declares the trait and its two implementations from one table: a row is a method of this trait and its two names
/// in `pulp`. `N` are vectors of numbers, `U` of unsigned integers as wide, `M` of truth values.
macro_rules! vectors {
    (
        { $( $name:ident($($arg:ident: $ty:ident),*) -> $out:ident = $f32:ident, $f64:ident; )* }
        trait { $($trait:tt)* }
        f32 { $($of_f32:tt)* }
        f64 { $($of_f64:tt)* }
    ) => {
        /// An element type with vectors: `f32` or `f64`.
        #[allow(missing_docs, reason = "the operations of `Packed` and of `pulp`, under the same names")]
        pub trait Vectorized: Scalar + bytemuck::Pod {
            /// A vector of numbers.
            type N<S: Simd>: bytemuck::Pod + core::fmt::Debug + Send + Sync;
            /// A vector of unsigned integers, one for each number and as wide.
            type U<S: Simd>: bytemuck::Pod + core::fmt::Debug + Send + Sync;
            /// A truth value for each number.
            type M<S: Simd>: bytemuck::Zeroable + bytemuck::NoUninit + core::fmt::Debug + Send + Sync;

            /// The memory that calls of this element type keep for the next ones.
            #[doc(hidden)]
            fn pool() -> &'static Pool<Self>;

            $( fn $name<S: Simd>(simd: S, $($arg: Self::$ty<S>),*) -> Self::$out<S>; )*
            $($trait)*
        }
        impl Vectorized for f32 {
            type N<S: Simd> = S::f32s;
            type U<S: Simd> = S::u32s;
            type M<S: Simd> = S::m32s;

            pool!(f32);

            $(
                #[inline(always)]
                fn $name<S: Simd>(simd: S, $($arg: Self::$ty<S>),*) -> Self::$out<S> {
                    simd.$f32($($arg),*)
                }
            )*
            $($of_f32)*
        }
        impl Vectorized for f64 {
            type N<S: Simd> = S::f64s;
            type U<S: Simd> = S::u64s;
            type M<S: Simd> = S::m64s;

            pool!(f64);

            $(
                #[inline(always)]
                fn $name<S: Simd>(simd: S, $($arg: Self::$ty<S>),*) -> Self::$out<S> {
                    simd.$f64($($arg),*)
                }
            )*
            $($of_f64)*
        }
    };
}

vectors! {
    {
        add(a: N, b: N) -> N = add_f32s, add_f64s;
        sub(a: N, b: N) -> N = sub_f32s, sub_f64s;
        mul(a: N, b: N) -> N = mul_f32s, mul_f64s;
        div(a: N, b: N) -> N = div_f32s, div_f64s;
        sqrt(a: N) -> N = sqrt_f32s, sqrt_f64s;
        // The `_e` forms are fused only where that is fast.
        mul_add(a: N, b: N, c: N) -> N = mul_add_e_f32s, mul_add_e_f64s;
        neg_mul_add(a: N, b: N, c: N) -> N = negate_mul_add_e_f32s, negate_mul_add_e_f64s;
        fused_mul_add(a: N, b: N, c: N) -> N = mul_add_f32s, mul_add_f64s;
        vector_min(a: N, b: N) -> N = min_f32s, min_f64s;
        vector_max(a: N, b: N) -> N = max_f32s, max_f64s;

        lt(a: N, b: N) -> M = less_than_f32s, less_than_f64s;
        le(a: N, b: N) -> M = less_than_or_equal_f32s, less_than_or_equal_f64s;
        eq(a: N, b: N) -> M = equal_f32s, equal_f64s;
        and(a: M, b: M) -> M = and_m32s, and_m64s;
        or(a: M, b: M) -> M = or_m32s, or_m64s;
        not(a: M) -> M = not_m32s, not_m64s;
        index_select(mask: M, yes: U, no: U) -> U = select_u32s, select_u64s;

        integer_add(a: U, b: U) -> U = add_u32s, add_u64s;
        integer_eq(a: U, b: U) -> M = equal_u32s, equal_u64s;
        index_le(a: U, b: U) -> M = less_than_or_equal_u32s, less_than_or_equal_u64s;
        integer_and(a: U, b: U) -> U = and_u32s, and_u64s;
        integer_or(a: U, b: U) -> U = or_u32s, or_u64s;
        integer_xor(a: U, b: U) -> U = xor_u32s, xor_u64s;
    }

    trait {
        /// The number of bits of the mantissa that are stored.
        const MANTISSA_BITS: u32;
        /// Splits the mantissa for `math::dekker_product`.
        const SPLITTER: f64;
        /// The sign bit.
        const SIGN: u64;
        /// The bits of 1.
        const ONE: u64;
        /// The bits of sqrt(1/2).
        const ROOT_HALF: u64;
        /// The bits of 2^23 (f64: 2^52): with a small integer or-ed in they are the sum of the two.
        const COUNT: u64;

        /// The numbers of `from` as vectors, without those after the last whole vector.
        fn as_vectors<S: Simd>(from: &[Self]) -> &[Self::N<S>];
        fn as_vectors_mut<S: Simd>(to: &mut [Self]) -> &mut [Self::N<S>];
        fn splat<S: Simd>(simd: S, value: Self) -> Self::N<S>;

        fn bits<S: Simd>(a: Self::N<S>) -> Self::U<S>;
        fn from_bits<S: Simd>(a: Self::U<S>) -> Self::N<S>;
        /// An integer in every lane; `f32` takes its low half.
        fn integer<S: Simd>(simd: S, value: u64) -> Self::U<S>;
        fn shift_left<S: Simd>(simd: S, a: Self::U<S>, by: u32) -> Self::U<S>;
        fn shift_right<S: Simd>(simd: S, a: Self::U<S>, by: u32) -> Self::U<S>;

        /// The smaller of two numbers; `b` or NaN if either is NaN.
        #[inline(always)]
        fn min<S: Simd>(simd: S, a: Self::N<S>, b: Self::N<S>) -> Self::N<S> {
            // The scalar function of pulp ignores NaN.
            if S::IS_SCALAR {
                <Self as Vectorized>::select(simd, <Self as Vectorized>::lt(simd, a, b), a, b)
            } else {
                Self::vector_min(simd, a, b)
            }
        }
        /// The larger of two numbers; `b` or NaN if either is NaN.
        #[inline(always)]
        fn max<S: Simd>(simd: S, a: Self::N<S>, b: Self::N<S>) -> Self::N<S> {
            if S::IS_SCALAR {
                <Self as Vectorized>::select(simd, <Self as Vectorized>::lt(simd, b, a), a, b)
            } else {
                Self::vector_max(simd, a, b)
            }
        }
        #[inline(always)]
        fn select<S: Simd>(simd: S, mask: Self::M<S>, yes: Self::N<S>, no: Self::N<S>) -> Self::N<S> {
            let bits = <Self as Vectorized>::index_select(simd, mask, Self::bits::<S>(yes), Self::bits::<S>(no));
            Self::from_bits::<S>(bits)
        }

        /// The entry of the table of 2^(j/16) whose number is in the lowest four bits of each integer; see
        /// `math::exp2`. Called only where `has_tables` is true.
        fn table<S: Simd>(simd: S, bits: Self::U<S>) -> Self::U<S>;
        /// 0 where `x` is below `low`, else `value`. Called only where `has_tables` is true.
        fn unless_below<S: Simd>(simd: S, x: Self::N<S>, low: Self, value: Self::N<S>) -> Self::N<S>;
        /// t = x + `shift`, but at most `high` + `shift`; and x - (t - `shift`), which is NaN for NaN, and x - `high`
        /// where t was limited. Called only where `has_tables` is true.
        fn shifted<S: Simd>(simd: S, x: Self::N<S>, shift: Self, high: Self) -> (Self::N<S>, Self::N<S>);

        /// The mask as a number with one bit for each lane; lane 0 is the lowest bit.
        fn truths<S: Simd>(simd: S, mask: Self::M<S>) -> u64;

        /// The same row number in every lane.
        fn row<S: Simd>(simd: S, row: u32) -> Self::U<S>;
        /// `first`, `first + 1`, ..., wrapping at 2^32.
        fn rows_from<S: Simd>(simd: S, first: u32) -> Self::U<S>;
    }

    f32 {
        const MANTISSA_BITS: u32 = 23;
        const SPLITTER: f64 = 4097.0;
        const SIGN: u64 = 1 << 31;
        const ONE: u64 = 1f32.to_bits() as u64;
        const ROOT_HALF: u64 = core::f32::consts::FRAC_1_SQRT_2.to_bits() as u64;
        const COUNT: u64 = 8_388_608f32.to_bits() as u64;

        #[inline(always)]
        fn as_vectors<S: Simd>(from: &[f32]) -> &[S::f32s] {
            S::as_simd_f32s(from).0
        }
        #[inline(always)]
        fn as_vectors_mut<S: Simd>(to: &mut [f32]) -> &mut [S::f32s] {
            S::as_mut_simd_f32s(to).0
        }
        #[inline(always)]
        fn splat<S: Simd>(simd: S, value: f32) -> S::f32s {
            simd.splat_f32s(value)
        }

        #[inline(always)]
        fn bits<S: Simd>(a: S::f32s) -> S::u32s {
            cast(a)
        }
        #[inline(always)]
        fn from_bits<S: Simd>(a: S::u32s) -> S::f32s {
            cast(a)
        }
        #[inline(always)]
        fn integer<S: Simd>(simd: S, value: u64) -> S::u32s {
            simd.splat_u32s(value as u32)
        }
        #[inline(always)]
        fn shift_left<S: Simd>(simd: S, a: S::u32s, by: u32) -> S::u32s {
            simd.wrapping_dyn_shl_u32s(a, simd.splat_u32s(by))
        }
        #[inline(always)]
        fn shift_right<S: Simd>(simd: S, a: S::u32s, by: u32) -> S::u32s {
            simd.wrapping_dyn_shr_u32s(a, simd.splat_u32s(by))
        }

        #[inline(always)]
        fn table<S: Simd>(simd: S, bits: S::u32s) -> S::u32s {
            named::entries_f32(simd, bits)
        }
        #[inline(always)]
        fn unless_below<S: Simd>(simd: S, x: S::f32s, low: f32, value: S::f32s) -> S::f32s {
            named::unless_below_f32(simd, x, low, value)
        }
        #[inline(always)]
        fn shifted<S: Simd>(simd: S, x: S::f32s, shift: f32, high: f32) -> (S::f32s, S::f32s) {
            // The minimum is that of the bits as whole numbers, for which Zen 4 has a unit besides those of additions.
            // As a whole number a negative sum is large; it comes from an x so low that the result is 0 anyway.
            let t = simd.add_f32s(x, simd.splat_f32s(shift));
            let most = cast(simd.splat_f32s(shift + high));
            let t = cast(named::integer_min_u32(simd, cast(t), most));
            (t, simd.add_f32s(x, simd.sub_f32s(simd.splat_f32s(shift), t)))
        }

        #[inline(always)]
        fn truths<S: Simd>(simd: S, mask: S::m32s) -> u64 {
            named::signs_f32(simd, mask).unwrap_or_else(|| truths(&mask, size_of::<S::f32s>() / size_of::<f32>()))
        }

        #[inline(always)]
        fn row<S: Simd>(simd: S, row: u32) -> S::u32s {
            simd.splat_u32s(row)
        }
        #[inline(always)]
        fn rows_from<S: Simd>(simd: S, first: u32) -> S::u32s {
            const RAMP: [u32; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
            simd.add_u32s(simd.splat_u32s(first), S::as_simd_u32s(&RAMP).0[0])
        }
    }

    f64 {
        const MANTISSA_BITS: u32 = 52;
        const SPLITTER: f64 = 134_217_729.0;
        const SIGN: u64 = 1 << 63;
        const ONE: u64 = 1f64.to_bits();
        const ROOT_HALF: u64 = core::f64::consts::FRAC_1_SQRT_2.to_bits();
        const COUNT: u64 = 4_503_599_627_370_496f64.to_bits();

        #[inline(always)]
        fn as_vectors<S: Simd>(from: &[f64]) -> &[S::f64s] {
            S::as_simd_f64s(from).0
        }
        #[inline(always)]
        fn as_vectors_mut<S: Simd>(to: &mut [f64]) -> &mut [S::f64s] {
            S::as_mut_simd_f64s(to).0
        }
        #[inline(always)]
        fn splat<S: Simd>(simd: S, value: f64) -> S::f64s {
            simd.splat_f64s(value)
        }

        #[inline(always)]
        fn bits<S: Simd>(a: S::f64s) -> S::u64s {
            cast(a)
        }
        #[inline(always)]
        fn from_bits<S: Simd>(a: S::u64s) -> S::f64s {
            cast(a)
        }
        #[inline(always)]
        fn integer<S: Simd>(simd: S, value: u64) -> S::u64s {
            simd.splat_u64s(value)
        }
        // pulp has no shift of 64-bit lanes; where it has no name here, the optimiser makes one vector shift of the
        // loop.
        #[inline(always)]
        fn shift_left<S: Simd>(simd: S, a: S::u64s, by: u32) -> S::u64s {
            named::shift_left(simd, a, by).unwrap_or_else(
                #[inline(always)]
                || each_word::<S>(a, |word| word << by),
            )
        }
        #[inline(always)]
        fn shift_right<S: Simd>(simd: S, a: S::u64s, by: u32) -> S::u64s {
            named::shift_right(simd, a, by).unwrap_or_else(
                #[inline(always)]
                || each_word::<S>(a, |word| word >> by),
            )
        }

        #[inline(always)]
        fn table<S: Simd>(simd: S, bits: S::u64s) -> S::u64s {
            named::entries_f64(simd, bits)
        }
        #[inline(always)]
        fn unless_below<S: Simd>(simd: S, x: S::f64s, low: f64, value: S::f64s) -> S::f64s {
            named::unless_below_f64(simd, x, low, value)
        }
        #[inline(always)]
        fn shifted<S: Simd>(simd: S, x: S::f64s, shift: f64, high: f64) -> (S::f64s, S::f64s) {
            // A minimum of 64-bit whole numbers would take the unit of multiplications, so this is that of numbers. x
            // comes second, where NaN is kept.
            let x = <f64 as Vectorized>::min(simd, simd.splat_f64s(high), x);
            let shift = simd.splat_f64s(shift);
            let t = simd.add_f64s(x, shift);
            (t, simd.add_f64s(x, simd.sub_f64s(shift, t)))
        }

        #[inline(always)]
        fn truths<S: Simd>(simd: S, mask: S::m64s) -> u64 {
            named::signs_f64(simd, mask).unwrap_or_else(|| truths(&mask, size_of::<S::f64s>() / size_of::<f64>()))
        }

        #[inline(always)]
        fn row<S: Simd>(simd: S, row: u32) -> S::u64s {
            simd.splat_u64s(u64::from(row))
        }
        #[inline(always)]
        fn rows_from<S: Simd>(simd: S, first: u32) -> S::u64s {
            const RAMP: [u64; 8] = [0, 1, 2, 3, 4, 5, 6, 7];
            let rows = simd.add_u64s(simd.splat_u64s(u64::from(first)), S::as_simd_u64s(&RAMP).0[0]);
            simd.and_u64s(rows, simd.splat_u64s(u64::from(u32::MAX)))
        }
    }
}

/// The vector of the results of a function for each 64-bit word.
#[inline(always)]
fn each_word<S: Simd>(mut a: S::u64s, f: impl Fn(u64) -> u64) -> S::u64s {
    for word in bytemuck::cast_slice_mut::<S::u64s, u64>(core::slice::from_mut(&mut a)) {
        *word = f(*word);
    }
    a
}

/// Whether any lane is true: the mask read as integers, which becomes one test instruction.
#[inline(always)]
pub(super) fn any<M: bytemuck::NoUninit>(mask: &M) -> bool {
    let (words, rest) = bytemuck::bytes_of(mask).as_chunks::<8>();
    let mut bits = 0;
    for &word in words {
        bits |= u64::from_ne_bytes(word);
    }
    for &byte in rest {
        bits |= u64::from(byte);
    }
    bits != 0
}

/// The mask as a number with one bit for each of `lanes` lanes. In memory a mask has either these bits or a word for
/// each lane.
#[inline(always)]
fn truths<M: bytemuck::NoUninit>(mask: &M, lanes: usize) -> u64 {
    let bytes = bytemuck::bytes_of(mask);
    let width = bytes.len() / lanes;
    // In the mask of fewer than eight lanes, the other bits of the byte are unspecified.
    let used = u64::MAX >> (64 - lanes);
    if bytes.len() == 1 && width == 0 {
        return u64::from(bytes[0]) & used;
    }
    if bytes.len() == 2 && width == 0 {
        return u64::from(u16::from_ne_bytes([bytes[0], bytes[1]])) & used;
    }
    let mut bits = 0;
    let mut l = 0;
    while l < lanes {
        bits |= u64::from(bytes[l * width] & 1) << l;
        l += 1;
    }
    bits
}
