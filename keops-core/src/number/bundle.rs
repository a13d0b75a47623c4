//! Several numbers that go through every operation in step.
//!
//! On a GPU, the numbers of a bundle belong to several targets of a thread: what is read of a source is read once for
//! all of these targets, and their chains of operations hide each other's latency. Where f has many components, the
//! numbers belong to the pairs of one target (on the CPU, of one row of lanes of targets) with several sources: each
//! sum is read and written once for all of these pairs.

use core::slice;

use crate::number::{Packed, Real};

/// `B` numbers.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct Bundle<R, const B: usize>(pub [R; B]);

/// The array of the values that an expression has for each number `b`.
macro_rules! each {
    ($b:ident, $first:expr => $value:expr) => {{
        let mut out = [$first; B];
        let mut $b = 0;
        while $b < B {
            out[$b] = $value;
            $b += 1;
        }
        out
    }};
}

macro_rules! numbers {
    ($( $name:ident($($arg:ident),+); )*) => {$(
        #[inline(always)]
        fn $name(cx: R::Cx, $($arg: Self),+) -> Self {
            Bundle(each!(b, R::lit(cx, 0.0) => R::$name(cx, $($arg.0[b]),+)))
        }
    )*};
}

macro_rules! comparisons {
    ($( $name:ident; )*) => {$(
        #[inline(always)]
        fn $name(cx: R::Cx, x: Self, y: Self) -> Self::Mask {
            each!(b, R::$name(cx, x.0[0], y.0[0]) => R::$name(cx, x.0[b], y.0[b]))
        }
    )*};
}

impl<R: Real, const B: usize> Real for Bundle<R, B> {
    type Cx = R::Cx;
    type Scalar = R::Scalar;
    type Mask = [R::Mask; B];

    numbers! {
        add(x, y);
        sub(x, y);
        mul(x, y);
        div(x, y);
        neg(x);
        mul_add(x, y, z);
        add_scaled_difference(scale, x, y, sum);
        neg_mul_add(x, y, z);
        abs(x);
        sqrt(x);
        inv(x);
        inv_sqrt(x);
        min(x, y);
        max(x, y);
        round(x);
        pow2_integer(n);
        exp2(x);
        exp(x);
        log2(x);
        log(x);
        sin(x);
        cos(x);
        pow(x, y);
        asin(x);
        acos(x);
        atan(x);
        atan2(y, x);
        log10(x);
        exp_m1(x);
        ln_1p(x);
        tan(x);
        sinh(x);
        cosh(x);
        tanh(x);
        asinh(x);
        acosh(x);
        atanh(x);
        erf(x);
        erfc(x);
        cbrt(x);
    }
    comparisons! {
        lt;
        le;
        eq;
    }

    #[inline(always)]
    fn and(cx: R::Cx, x: Self::Mask, y: Self::Mask) -> Self::Mask {
        each!(b, x[0] => R::and(cx, x[b], y[b]))
    }
    #[inline(always)]
    fn or(cx: R::Cx, x: Self::Mask, y: Self::Mask) -> Self::Mask {
        each!(b, x[0] => R::or(cx, x[b], y[b]))
    }
    #[inline(always)]
    fn not(cx: R::Cx, x: Self::Mask) -> Self::Mask {
        each!(b, x[0] => R::not(cx, x[b]))
    }

    #[inline(always)]
    fn splat(cx: R::Cx, value: R::Scalar) -> Self {
        Bundle([R::splat(cx, value); B])
    }
    #[inline(always)]
    fn any(cx: R::Cx, mask: Self::Mask) -> bool {
        let mut all = mask[0];
        let mut b = 1;
        while b < B {
            all = R::or(cx, all, mask[b]);
            b += 1;
        }
        R::any(cx, all)
    }
    #[inline(always)]
    fn select(cx: R::Cx, mask: Self::Mask, yes: Self, no: Self) -> Self {
        Bundle(each!(b, no.0[0] => R::select(cx, mask[b], yes.0[b], no.0[b])))
    }
    #[inline(always)]
    fn split_exponent(cx: R::Cx, x: Self) -> (Self, Self) {
        let (mut mantissa, mut exponent) = (x, x);
        let mut b = 0;
        while b < B {
            (mantissa.0[b], exponent.0[b]) = R::split_exponent(cx, x.0[b]);
            b += 1;
        }
        (mantissa, exponent)
    }
    #[inline(always)]
    fn apart<O>(cx: R::Cx, f: impl FnOnce(R::Cx) -> O) -> O {
        R::apart(cx, f)
    }
}

impl<R: Packed, const B: usize> Packed for Bundle<R, B> {
    numbers! {
        shift_to_exponent(t);
    }
    type Index = [R::Index; B];
    const LANES: usize = B * R::LANES;
    #[inline(always)]
    fn load(cx: R::Cx, from: &[R::Scalar]) -> Self {
        Bundle(each!(b, R::lit(cx, 0.0) => R::load(cx, &from[b * R::LANES..])))
    }
    #[inline(always)]
    fn view(from: &[R::Scalar]) -> &[Self] {
        let numbers = R::view(from);
        // SAFETY: a transparent wrapper of B numbers; as many as there are.
        unsafe { slice::from_raw_parts(numbers.as_ptr().cast(), numbers.len() / B) }
    }
    #[inline(always)]
    fn view_mut(from: &mut [R::Scalar]) -> &mut [Self] {
        let numbers = R::view_mut(from);
        // SAFETY: a transparent wrapper of B numbers; as many as there are.
        unsafe { slice::from_raw_parts_mut(numbers.as_mut_ptr().cast(), numbers.len() / B) }
    }
    #[inline(always)]
    fn store(self, cx: R::Cx, to: &mut [R::Scalar]) {
        let mut b = 0;
        while b < B {
            self.0[b].store(cx, &mut to[b * R::LANES..]);
            b += 1;
        }
    }
    #[inline(always)]
    fn index_splat(cx: R::Cx, index: u32) -> Self::Index {
        [R::index_splat(cx, index); B]
    }
    #[inline(always)]
    fn index_ramp(cx: R::Cx, first: u32) -> Self::Index {
        each!(b, R::index_splat(cx, first) => R::index_ramp(cx, first.wrapping_add((b * R::LANES) as u32)))
    }
    #[inline(always)]
    fn index_select(cx: R::Cx, mask: Self::Mask, yes: Self::Index, no: Self::Index) -> Self::Index {
        each!(b, no[0] => R::index_select(cx, mask[b], yes[b], no[b]))
    }
    #[inline(always)]
    fn index_le(cx: R::Cx, x: Self::Index, y: Self::Index) -> Self::Mask {
        each!(b, R::index_le(cx, x[0], y[0]) => R::index_le(cx, x[b], y[b]))
    }
    #[inline(always)]
    fn index_to_bits(cx: R::Cx, index: Self::Index) -> Self {
        Bundle(each!(b, R::lit(cx, 0.0) => R::index_to_bits(cx, index[b])))
    }
    #[inline(always)]
    fn index_from_bits(cx: R::Cx, bits: Self) -> Self::Index {
        each!(b, R::index_splat(cx, 0) => R::index_from_bits(cx, bits.0[b]))
    }
    #[inline(always)]
    fn bit(cx: R::Cx, t: Self, bit: u32) -> Self::Mask {
        each!(b, R::bit(cx, t.0[0], bit) => R::bit(cx, t.0[b], bit))
    }
    #[inline(always)]
    fn two_product(cx: R::Cx, x: Self, y: Self) -> (Self, Self) {
        let (mut product, mut error) = (x, x);
        let mut b = 0;
        while b < B {
            (product.0[b], error.0[b]) = R::two_product(cx, x.0[b], y.0[b]);
            b += 1;
        }
        (product, error)
    }
    #[inline(always)]
    fn map(cx: R::Cx, x: Self, f: impl Fn(R::Scalar) -> R::Scalar) -> Self {
        Bundle(each!(b, x.0[0] => R::map(cx, x.0[b], &f)))
    }
}
