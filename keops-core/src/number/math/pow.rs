//! x^y = 2^(y log2 |x|), with the special cases of C's `pow`.
//!
//! The error of the exponent y log2 |x|, which reaches 128 (f64: 1024), is a relative error of the result; so the
//! logarithm is made of two numbers, and so is its product with y. With |x| = m 2^e, m in [sqrt(1/2), sqrt(2)),
//! s = (m - 1) / (m + 1) and z = s², log2 m = 2/ln 2 · artanh s, where artanh s = s + s (z/3 + z² P(z)): s and z/3
//! are two numbers each, z² P(z) is small enough for one.

use num_traits::Float;

use super::{
    exp2::{Exp2, exp2_sum},
    fast_two_sum, polynomial,
};
use crate::number::Packed;

/// The constants of an element type.
pub(crate) struct Pow<E, const N: usize> {
    /// 2 / ln 2 in two terms.
    scale: [E; 2],
    /// 1/3 in two terms.
    third: [E; 2],
    /// P(z).
    polynomial: [E; N],
    /// A power of two that makes every subnormal number normal, and its exponent.
    up: [E; 2],
    /// Larger |y| are cut to this: every x but 1 is then far out of range, and no product overflows.
    largest_y: E,
}

/// Polynomial of relative error 2^-36 of the logarithm.
pub(crate) const F32: Pow<f32, 3> = Pow {
    scale: [2.885_39, 3.851_926e-8],
    third: [0.333_333_34, -9.934_108e-9],
    polynomial: [0.200_000_76, 0.142_735_45, 0.117_098_17],
    up: [16_777_216.0, 24.0],
    largest_y: 1_099_511_627_776.0,
};

/// Polynomial of relative error 2^-66 of the logarithm.
pub(crate) const F64: Pow<f64, 7> = Pow {
    scale: [2.885_390_081_777_926_8, 4.071_054_748_186_206_6e-17],
    third: [0.333_333_333_333_333_3, 1.850_371_707_708_594e-17],
    polynomial: [
        0.200_000_000_000_011_28,
        0.142_857_142_850_498_28,
        0.111_111_112_599_502_76,
        0.090_908_921_848_451_94,
        0.076_933_785_940_945_41,
        0.066_284_107_933_304_11,
        0.065_981_444_333_107_14,
    ],
    up: [18_014_398_509_481_984.0, 54.0],
    largest_y: 1_180_591_620_717_411_303_424.0,
};

/// x^y. Largest errors: [`Scalar::pow_real`](crate::number::Scalar::pow_real).
#[inline(always)]
pub(crate) fn pow<R: Packed, const N: usize, const K: usize, const H: usize>(
    cx: R::Cx,
    x: R,
    y: R,
    c: &Pow<R::Scalar, N>,
    exp2: &Exp2<R::Scalar, K, H>,
) -> R {
    let smallest = R::splat(cx, R::Scalar::min_positive_value());
    let infinity = R::splat(cx, R::Scalar::infinity());
    let largest_y = R::splat(cx, c.largest_y);
    let usual = R::and(cx, R::le(cx, smallest, x), R::lt(cx, x, infinity));
    let usual = R::and(cx, usual, R::le(cx, R::abs(cx, y), largest_y));
    if !R::any(cx, R::not(cx, usual)) {
        let (m, e) = R::split_exponent(cx, x);
        return usual_pow(cx, m, e, y, c, exp2);
    }

    let size = R::abs(cx, x);
    let small = R::lt(cx, size, smallest);
    let (m, e) = R::split_exponent(cx, R::select(cx, small, R::mul(cx, size, R::splat(cx, c.up[0])), size));
    let e = R::select(cx, small, R::sub(cx, e, R::splat(cx, c.up[1])), e);
    let cut = R::min(cx, largest_y, R::max(cx, R::neg(cx, largest_y), y));
    special_pow(cx, x, y, usual_pow(cx, m, e, cut, c, exp2))
}

/// (m 2^e)^y for m in [sqrt(1/2), sqrt(2)).
#[inline(always)]
fn usual_pow<R: Packed, const N: usize, const K: usize, const H: usize>(
    cx: R::Cx,
    m: R,
    e: R,
    y: R,
    c: &Pow<R::Scalar, N>,
    exp2: &Exp2<R::Scalar, K, H>,
) -> R {
    // s: the quotient's remainder, with the rounding of m + 1, makes its second term.
    let one = R::lit(cx, 1.0);
    let f = R::sub(cx, m, one);
    let (g, g_low) = sum_with_one(cx, m);
    let reciprocal = R::div(cx, one, g);
    let s = R::mul(cx, f, reciprocal);
    let (product, error) = R::two_product(cx, s, g);
    let remainder = R::sub(cx, R::sub(cx, f, product), error);
    let remainder = R::neg_mul_add(cx, s, g_low, remainder);
    let s_low = R::mul(cx, remainder, reciprocal);

    // w = z/3 + z² P(z)
    let (z, z_low) = R::two_product(cx, s, s);
    let z_low = R::mul_add(cx, R::add(cx, s, s), s_low, z_low);
    let third = R::splat(cx, c.third[0]);
    let (w, w_low) = R::two_product(cx, z, third);
    let w_low = R::mul_add(cx, z, R::splat(cx, c.third[1]), w_low);
    let w_low = R::mul_add(cx, z_low, third, w_low);
    let (w, error) = fast_two_sum(cx, w, R::mul(cx, R::mul(cx, z, z), polynomial(cx, z, &c.polynomial)));
    let w_low = R::add(cx, w_low, error);

    // artanh s = s + s w
    let (d, d_low) = R::two_product(cx, s, w);
    let d_low = R::mul_add(cx, s, w_low, d_low);
    let d_low = R::mul_add(cx, s_low, w, d_low);
    let (a, error) = fast_two_sum(cx, s, d);
    let a_low = R::add(cx, R::add(cx, d_low, s_low), error);

    // log2 x = e + 2/ln 2 artanh s
    let scale = R::splat(cx, c.scale[0]);
    let (h, h_low) = R::two_product(cx, a, scale);
    let h_low = R::mul_add(cx, a, R::splat(cx, c.scale[1]), h_low);
    let h_low = R::mul_add(cx, a_low, scale, h_low);
    let (h, error) = fast_two_sum(cx, e, h);
    let h_low = R::add(cx, h_low, error);

    let (exponent, low) = R::two_product(cx, y, h);
    let low = R::mul_add(cx, y, h_low, low);
    // Out of range the exponent will be cut, and the second term means nothing.
    let in_range = R::le(cx, R::abs(cx, exponent), R::splat(cx, exp2.high));
    let low = R::select(cx, in_range, low, R::lit(cx, 0.0));
    exp2_sum(cx, exponent, Some(low), exp2)
}

/// The rounded sum m + 1 and its rounding error, for m in [sqrt(1/2), sqrt(2)).
#[inline(always)]
fn sum_with_one<R: Packed>(cx: R::Cx, m: R) -> (R, R) {
    // m + 1 is at least 1.7, so m is recovered from it exactly: no order of the two matters.
    let sum = R::add(cx, m, R::lit(cx, 1.0));
    (sum, R::sub(cx, m, R::sub(cx, sum, R::lit(cx, 1.0))))
}

/// The special cases of C's `pow`; `result` is |x|^y, right where |x| is neither 0, infinite nor NaN.
#[inline(always)]
fn special_pow<R: Packed>(cx: R::Cx, x: R, y: R, result: R) -> R {
    let zero = R::lit(cx, 0.0);
    let one = R::lit(cx, 1.0);
    let infinity = R::splat(cx, R::Scalar::infinity());
    let nan = R::splat(cx, R::Scalar::nan());
    let size = R::abs(cx, x);

    let falls = R::lt(cx, y, zero);
    let result = R::select(cx, R::eq(cx, size, zero), R::select(cx, falls, infinity, zero), result);
    let result = R::select(cx, R::eq(cx, size, infinity), R::select(cx, falls, zero, infinity), result);

    // -0 counts as negative here, and only its reciprocal tells.
    let negative = R::lt(cx, x, zero);
    let signed = R::or(cx, negative, R::lt(cx, R::div(cx, one, x), zero));
    let integer = R::eq(cx, R::round(cx, y), y);
    let half = R::mul(cx, y, R::lit(cx, 0.5));
    let odd = R::and(cx, integer, R::not(cx, R::eq(cx, R::round(cx, half), half)));
    let result = R::select(cx, R::and(cx, signed, odd), R::neg(cx, result), result);
    let finite = R::lt(cx, size, infinity);
    let no_root = R::and(cx, R::and(cx, negative, finite), R::not(cx, integer));
    let result = R::select(cx, no_root, nan, result);

    let numbers = R::and(cx, R::eq(cx, x, x), R::eq(cx, y, y));
    let result = R::select(cx, numbers, result, nan);
    R::select(cx, R::or(cx, R::eq(cx, x, one), R::eq(cx, y, zero)), one, result)
}
