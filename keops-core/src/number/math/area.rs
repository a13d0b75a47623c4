//! The inverse hyperbolic functions, by ln(1 + ..).
//!
//! asinh x = ln(1 + x + x² / (1 + √(1 + x²))) and acosh x = ln(1 + t + √(t (t + 2))) with t = x - 1: the term that is
//! added to 1 is accurate where it is small. The rounding errors of the sums and roots in it are kept. Where x² could
//! overflow, both are ln x + ln 2. For |x| <= 1/2, atanh x = x + x z P(z) with z = x², by a minimax polynomial; beyond,
//! it is ln(1 + 2x / (1 - x)) / 2.

use num_traits::Float;

use super::{
    fast_two_sum,
    hyperbolic::signed,
    log::{Log, ln_1p_sum},
    polynomial,
};
use crate::number::{Packed, Scalar};

/// (atanh x - x) / x³ as a polynomial in x², for |x| up to 1/2. Error 0.01 ULP.
pub(crate) const ATANH_F32: [f32; 6] =
    [0.333_333_02, 0.200_024_53, 0.142_237_84, 0.118_164_11, 0.051_603_056, 0.176_380_74];
/// (atanh x - x) / x³ as a polynomial in x², for |x| up to 1/2. Error 0.03 ULP.
pub(crate) const ATANH_F64: [f64; 13] = [
    0.333_333_333_333_339_75,
    0.199_999_999_997_978_82,
    0.142_857_143_078_357_2,
    0.111_111_098_960_863_96,
    0.090_909_483_176_721_91,
    0.076_914_971_750_541_75,
    0.066_779_210_816_869_94,
    0.057_745_471_731_603_965,
    0.059_817_472_368_735_26,
    0.014_583_399_664_765_809,
    0.144_895_882_584_729_77,
    -0.152_866_083_336_768_4,
    0.224_767_939_613_181_06,
];

/// Below √ε, asinh x is x; above 1/√ε, both functions are ln 2x.
#[inline(always)]
fn root_of_epsilon<R: Packed>(cx: R::Cx, power: f64) -> R {
    let epsilon: f64 = R::Scalar::epsilon().as_f64();
    // 2^-12 and 2^-26
    let root = if epsilon > 1e-10 { 1.0 / 4096.0 } else { 1.0 / 67_108_864.0 };
    R::lit(cx, if power < 0.0 { 1.0 / root } else { root * 0.5 })
}

/// ln(1 + y + low), or ln 2x where x is large.
#[inline(always)]
fn log_of<R: Packed, const N: usize>(cx: R::Cx, x: R, (y, low): (R, R), c: &Log<R::Scalar, N>) -> R {
    let zero = R::lit(cx, 0.0);
    let large = R::lt(cx, root_of_epsilon(cx, -1.0), x);
    let y = R::select(cx, large, R::sub(cx, x, R::lit(cx, 1.0)), y);
    let log = ln_1p_sum(cx, y, R::select(cx, large, zero, low), c);
    R::add(cx, log, R::select(cx, large, R::lit(cx, core::f64::consts::LN_2), zero))
}

/// asinh x. Largest errors: [`Scalar::asinh_real`](crate::number::Scalar::asinh_real).
#[inline(always)]
pub(crate) fn asinh<R: Packed, const N: usize>(cx: R::Cx, x: R, c: &Log<R::Scalar, N>) -> R {
    let one = R::lit(cx, 1.0);
    let size = R::abs(cx, x);
    let square = R::mul(cx, x, x);
    let root = R::sqrt(cx, R::add(cx, one, square));
    let y = fast_two_sum(cx, size, R::div(cx, square, R::add(cx, one, root)));
    let result = signed(cx, x, log_of(cx, size, y, c));
    R::select(cx, R::lt(cx, size, root_of_epsilon(cx, 1.0)), x, result)
}

/// acosh x. Largest errors: [`Scalar::acosh_real`](crate::number::Scalar::acosh_real).
#[inline(always)]
pub(crate) fn acosh<R: Packed, const N: usize>(cx: R::Cx, x: R, c: &Log<R::Scalar, N>) -> R {
    let (zero, one) = (R::lit(cx, 0.0), R::lit(cx, 1.0));
    let t = R::sub(cx, x, one);
    // √(t (x + 1)), with the rounding errors of its three operations.
    let (sum, sum_low) = fast_two_sum(cx, x, one);
    let (product, product_low) = R::two_product(cx, t, sum);
    let product_low = R::mul_add(cx, t, sum_low, product_low);
    let root = R::sqrt(cx, product);
    let (square, square_low) = R::two_product(cx, root, root);
    let rest = R::add(cx, R::sub(cx, R::sub(cx, product, square), square_low), product_low);
    let root_low = R::div(cx, rest, R::add(cx, root, root));
    let root_low = R::select(cx, R::eq(cx, root, zero), zero, root_low);
    let (y, low) = fast_two_sum(cx, root, t);
    let result = log_of(cx, x, (y, R::add(cx, low, root_low)), c);
    R::select(cx, R::lt(cx, x, one), R::splat(cx, R::Scalar::nan()), result)
}

/// atanh x. Largest errors: [`Scalar::atanh_real`](crate::number::Scalar::atanh_real).
#[inline(always)]
pub(crate) fn atanh<R: Packed, const N: usize, const K: usize>(
    cx: R::Cx,
    x: R,
    near: &[R::Scalar; K],
    c: &Log<R::Scalar, N>,
) -> R {
    let half = R::lit(cx, 0.5);
    let size = R::abs(cx, x);
    let z = R::mul(cx, x, x);
    let inner = R::mul_add(cx, x, R::mul(cx, z, polynomial(cx, z, near)), x);
    // 1 - x is exact for x > 1/2.
    let y = R::div(cx, R::add(cx, size, size), R::sub(cx, R::lit(cx, 1.0), size));
    let outer = R::mul(cx, half, ln_1p_sum(cx, y, R::lit(cx, 0.0), c));
    R::select(cx, R::le(cx, size, half), inner, signed(cx, x, outer))
}
