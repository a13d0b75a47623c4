//! Hyperbolic sine, cosine and tangent.
//!
//! Near 0, sinh x = x + x z P(z) and tanh x = x - x z P(z) with z = x², by minimax polynomials. Beyond, both, and the
//! cosine everywhere, are made of e^|x| / 2, which reaches the end of the range, or of e^|2x|.

use super::{
    exp::{Exp, scaled},
    polynomial,
};
use crate::number::Packed;

/// For |x| up to this number the hyperbolic tangent is a polynomial.
const TANH_END: f64 = 0.625;

/// (sinh x - x) / x³ as a polynomial in x², for |x| up to 1. Error 0.003 ULP.
pub(crate) const SINH_F32: [f32; 4] = [0.166_666_67, 0.008_333_310_5, 0.000_198_428_96, 2.782_213_2e-6];
/// (sinh x - x) / x³ as a polynomial in x², for |x| up to 1. Error 0.001 ULP.
pub(crate) const SINH_F64: [f64; 7] = [
    0.166_666_666_666_666_69,
    0.008_333_333_333_332_912,
    0.000_198_412_698_415_933_3,
    2.755_731_910_681_976_4e-6,
    2.505_213_098_174_222_2e-8,
    1.605_666_107_465_112_6e-10,
    7.776_523_880_704_007e-13,
];
/// (x - tanh x) / x³ as a polynomial in x². Error 0.04 ULP.
pub(crate) const TANH_F32: [f32; 5] = [0.333_332_8, -0.133_314_04, 0.053_736_314, -0.020_627_592, 0.005_692_063_4];
/// (x - tanh x) / x³ as a polynomial in x². Error 0.002 ULP.
pub(crate) const TANH_F64: [f64; 12] = [
    0.333_333_333_333_333_15,
    -0.133_333_333_333_299_6,
    0.053_968_253_966_149_38,
    -0.021_869_488_470_694_944,
    0.008_863_234_338_650_534,
    -0.003_592_114_221_078_133_6,
    0.001_455_727_199_059_186,
    -0.000_589_456_565_194_072_1,
    0.000_237_023_818_642_773_94,
    -9.157_797_824_368_21e-5,
    3.020_550_830_021_780_7e-5,
    -6.049_978_600_009_096e-6,
];

/// e^|x| / 2 and e^-|x| / 2.
#[inline(always)]
fn halves<R: Packed, const N: usize>(cx: R::Cx, size: R, exp: &Exp<R::Scalar, N>) -> (R, R) {
    let rising = scaled(cx, size, None, 1.0, exp);
    (rising, R::div(cx, R::lit(cx, 0.25), rising))
}

/// cosh x. Largest errors: [`Scalar::cosh_real`](crate::number::Scalar::cosh_real).
#[inline(always)]
pub(crate) fn cosh<R: Packed, const N: usize>(cx: R::Cx, x: R, exp: &Exp<R::Scalar, N>) -> R {
    let (rising, falling) = halves(cx, R::abs(cx, x), exp);
    R::add(cx, rising, falling)
}

/// sinh x. Largest errors: [`Scalar::sinh_real`](crate::number::Scalar::sinh_real).
#[inline(always)]
pub(crate) fn sinh<R: Packed, const N: usize, const K: usize>(
    cx: R::Cx,
    x: R,
    near: &[R::Scalar; K],
    exp: &Exp<R::Scalar, N>,
) -> R {
    let size = R::abs(cx, x);
    let z = R::mul(cx, x, x);
    let inner = R::mul_add(cx, x, R::mul(cx, z, polynomial(cx, z, near)), x);
    let (rising, falling) = halves(cx, size, exp);
    let outer = signed(cx, x, R::sub(cx, rising, falling));
    R::select(cx, R::le(cx, size, R::lit(cx, 1.0)), inner, outer)
}

/// tanh x. Largest errors: [`Scalar::tanh_real`](crate::number::Scalar::tanh_real).
#[inline(always)]
pub(crate) fn tanh<R: Packed, const N: usize, const K: usize>(
    cx: R::Cx,
    x: R,
    near: &[R::Scalar; K],
    exp: &Exp<R::Scalar, N>,
) -> R {
    let (one, two) = (R::lit(cx, 1.0), R::lit(cx, 2.0));
    let size = R::abs(cx, x);
    let z = R::mul(cx, x, x);
    // This is 0 - z P and not -(z P), so that the sum below is -0 where x is -0.
    let less = R::neg_mul_add(cx, z, polynomial(cx, z, near), R::lit(cx, 0.0));
    let inner = R::mul_add(cx, x, less, x);
    let grown = scaled(cx, R::add(cx, size, size), None, 0.0, exp);
    let outer = R::sub(cx, one, R::div(cx, two, R::add(cx, grown, one)));
    R::select(cx, R::le(cx, size, R::lit(cx, TANH_END)), inner, signed(cx, x, outer))
}

/// `size` with the sign of x, which is not 0.
#[inline(always)]
pub(super) fn signed<R: Packed>(cx: R::Cx, x: R, size: R) -> R {
    R::select(cx, R::lt(cx, x, R::lit(cx, 0.0)), R::neg(cx, size), size)
}
