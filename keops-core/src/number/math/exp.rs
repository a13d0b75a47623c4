//! e^x, as in [`super::exp2`] with a two-term reduction.
//!
//! n is the integer nearest to x / ln 2 and r = x - n ln 2. Taking ln 2 in two terms (Cody and Waite 1980), of which
//! the first is so short that its product with n is exact, keeps r accurate where x is large. 2·e^r is a polynomial
//! whose first two coefficients are exact. Results below sqrt(2) times the smallest normal number are 0.

use super::{fast_two_sum, polynomial};
use crate::number::{Packed, Scalar};

/// The constants of an element type.
pub(crate) struct Exp<E, const N: usize> {
    /// For x up to this number the result is 0.
    low: E,
    /// For x from this number on the result is infinite.
    high: E,
    /// [`Scalar::ROUND`] + the exponent field of 1/2, so that [`Packed::shift_to_exponent`] gives 2^(n-1).
    shift: E,
    log2_e: E,
    /// ln 2 in two terms.
    ln_2: [E; 2],
    /// 2·e^r for |r| up to ln(2)/2.
    polynomial: [E; N],
}

/// Polynomial of error 0.05 ULP.
pub(crate) const F32: Exp<f32, 7> = Exp {
    low: -87.5,
    high: 89.0,
    shift: f32::ROUND + 126.0,
    log2_e: core::f32::consts::LOG2_E,
    ln_2: LN_2_F32,
    polynomial: [
        2.0,
        2.0,
        2.0 * 0.499_999_94,
        2.0 * 0.166_665_17,
        2.0 * 0.041_668_106,
        2.0 * 0.008_369_131,
        2.0 * 0.001_383_643_5,
    ],
};

/// Polynomial of error 0.04 ULP.
pub(crate) const F64: Exp<f64, 12> = Exp {
    low: -708.5,
    high: 710.0,
    shift: f64::ROUND + 1022.0,
    log2_e: core::f64::consts::LOG2_E,
    ln_2: LN_2_F64,
    polynomial: [
        2.0,
        2.0,
        2.0 * 0.500_000_000_000_001_1,
        2.0 * 0.166_666_666_666_664_3,
        2.0 * 0.041_666_666_666_525_66,
        2.0 * 0.008_333_333_333_479_487,
        2.0 * 0.001_388_888_894_492_603,
        2.0 * 0.000_198_412_695_475_932_56,
        2.0 * 2.480_149_163_710_621_8e-5,
        2.0 * 2.755_754_232_455_347e-6,
        2.0 * 2.763_081_592_446_889e-7,
        2.0 * 2.501_637_528_225_090_4e-8,
    ],
};

/// ln 2 as a number of 16 bits and a rest.
pub(super) const LN_2_F32: [f32; 2] = [0.693_145_75, 1.428_606_8e-6];
/// ln 2 as a number of 42 bits and a rest.
pub(super) const LN_2_F64: [f64; 2] = [0.693_147_180_559_890_3, 5.497_923_018_708_371e-14];

/// e^x. Largest errors: [`Scalar::exp_real`](crate::number::Scalar::exp_real).
#[inline(always)]
pub(crate) fn exp<R: Packed, const N: usize>(cx: R::Cx, x: R, c: &Exp<R::Scalar, N>) -> R {
    scaled(cx, x, None, 0.0, c)
}

/// e^(x + low) / 2^`halvings` for a `low` that is small beside 1, and one or no halving, which moves the end of the
/// range.
#[inline(always)]
pub(super) fn scaled<R: Packed, const N: usize>(
    cx: R::Cx,
    x: R,
    low: Option<R>,
    halvings: f64,
    c: &Exp<R::Scalar, N>,
) -> R {
    let halvings = R::Scalar::of_f64(halvings);
    // x comes second, where NaN is kept.
    let x = R::max(cx, R::splat(cx, c.low), x);
    let x = R::min(cx, R::splat(cx, c.high + halvings), x);
    let shift = R::splat(cx, c.shift - halvings);
    let t = R::mul_add(cx, x, R::splat(cx, c.log2_e), shift);
    let mut r = reduced(cx, x, R::sub(cx, shift, t), c);
    if let Some(low) = low {
        r = R::add(cx, r, low);
    }
    R::mul(cx, polynomial(cx, r, &c.polynomial), R::shift_to_exponent(cx, t))
}

/// x + n ln 2, where n is the negative of the integer that is nearest to x / ln 2: in this order the steps that round
/// use one constant, one register less.
#[inline(always)]
fn reduced<R: Packed, const N: usize>(cx: R::Cx, x: R, n: R, c: &Exp<R::Scalar, N>) -> R {
    let r = R::mul_add(cx, n, R::splat(cx, c.ln_2[0]), x);
    R::mul_add(cx, n, R::splat(cx, c.ln_2[1]), r)
}

/// e^x - 1. Largest errors: [`Scalar::exp_m1_real`](crate::number::Scalar::exp_m1_real).
///
/// With x = n ln 2 + r it is 2^n r + (2^n - 1), whose rounding is kept, and 2^n (e^r - 1 - r), which is small beside
/// it. Half of it is computed, which does not overflow before the result does.
#[inline(always)]
pub(crate) fn exp_m1<R: Packed, const N: usize, const K: usize>(
    cx: R::Cx,
    x: R,
    rest: &[R::Scalar; K],
    c: &Exp<R::Scalar, N>,
) -> R {
    let cut = R::min(cx, R::splat(cx, c.high), R::max(cx, R::splat(cx, c.low), x));
    let shift = R::splat(cx, c.shift);
    let t = R::mul_add(cx, cut, R::splat(cx, c.log2_e), shift);
    let n = R::sub(cx, shift, t);
    let first = R::mul_add(cx, n, R::splat(cx, c.ln_2[0]), cut);
    let r = R::mul_add(cx, n, R::splat(cx, c.ln_2[1]), first);
    let lost = R::mul_add(cx, n, R::splat(cx, c.ln_2[1]), R::sub(cx, first, r));
    let rest = R::mul_add(cx, R::mul(cx, r, r), polynomial(cx, r, rest), lost);
    let scale = R::shift_to_exponent(cx, t);
    let (high, low) = fast_two_sum(cx, R::sub(cx, scale, R::lit(cx, 0.5)), R::mul(cx, scale, r));
    let half = R::add(cx, high, R::mul_add(cx, scale, rest, low));
    // For a small x the result is x itself: halving a subnormal number would round, and -0 is kept.
    let tiny = R::lt(cx, R::abs(cx, x), R::lit(cx, 1e-20));
    R::select(cx, tiny, x, R::add(cx, half, half))
}

/// (e^r - 1 - r) / r² for |r| up to ln(2)/2. Error 0.12 ULP of e^r - 1.
pub(crate) const REST_F32: [f32; 5] = [0.5, 0.166_665_48, 0.041_666_84, 0.008_366_127_5, 0.001_389_959];
/// (e^r - 1 - r) / r² for |r| up to ln(2)/2. Error 0.01 ULP of e^r - 1.
pub(crate) const REST_F64: [f64; 11] = [
    0.5,
    0.166_666_666_666_666_77,
    0.041_666_666_666_666_505,
    0.008_333_333_333_321_612,
    0.001_388_888_888_896_284_7,
    0.000_198_412_698_861_983_8,
    2.480_158_717_192_134_7e-5,
    2.755_724_411_270_613_3e-6,
    2.755_740_288_250_798e-7,
    2.510_907_874_016_922_8e-8,
    2.087_534_536_464_227e-9,
];
