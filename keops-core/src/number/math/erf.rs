//! The error function and its complement.
//!
//! For |x| < 1, erf x = x + x P(x²). Beyond, the complement of a positive number is e^(-x²) H(t) / (x + k), where t =
//! (x - k) / (x + k) maps all of them to an interval on which H, a scaled complement times x + k, is a polynomial of
//! moderate degree (the map is that of Shepherd and Laframboise 1981). x² is taken in two terms, since its rounding
//! would be an error of e^(-x²) that grows with it. Polynomials are minimax fits.

use super::{
    exp::{Exp, scaled},
    fast_two_sum,
    hyperbolic::signed,
    polynomial,
};
use crate::number::Packed;

/// The constants of an element type.
pub(crate) struct Erf<E, const N: usize, const H: usize> {
    /// erf x / x - 1 as a polynomial in x², for |x| up to 1.
    near: [E; N],
    /// k
    centre: E,
    /// From this x on, the complement is 0.
    end: E,
    /// H(t), for x from 1 to `end`.
    scaled: [E; H],
}

/// Polynomials of error 0.01 and 0.1 ULP.
pub(crate) const F32: Erf<f32, 7, 9> = Erf {
    near: [0.128_379_17, -0.376_126_26, 0.112_835_79, -0.026_853_347, 0.005_187_162, -0.000_799_785_3, 7.806_903e-5],
    centre: 3.0,
    end: 10.5,
    scaled: [
        1.074_006_9,
        -0.883_394_4,
        0.590_228_56,
        -0.310_469_27,
        0.119_523_644,
        -0.026_798_6,
        -0.001_190_810_6,
        0.002_882_187,
        -0.000_557_100_3,
    ],
};

/// Polynomials of error 0.05 and 0.4 ULP.
pub(crate) const F64: Erf<f64, 13, 20> = Erf {
    near: [
        0.128_379_167_095_512_6,
        -0.376_126_389_031_841,
        0.112_837_916_709_710_98,
        -0.026_866_170_648_031_096,
        0.005_223_977_652_691_308,
        -0.000_854_832_853_566_937_4,
        0.000_120_553_861_863_685_03,
        -1.492_688_123_947_418_6e-5,
        1.648_105_438_996_490_4e-6,
        -1.655_707_330_704_591_7e-7,
        1.601_279_559_706_982_2e-8,
        -1.646_287_857_891_469_1e-9,
        1.434_011_288_943_102_7e-10,
    ],
    centre: 4.0,
    end: 27.5,
    scaled: [
        1.095_995_661_000_491,
        -0.976_548_729_080_881_9,
        0.773_208_702_265_239_5,
        -0.540_853_831_313_256_2,
        0.330_851_587_877_839_2,
        -0.174_010_937_238_903_87,
        0.076_381_514_913_912_62,
        -0.026_370_053_363_339_06,
        0.006_112_055_596_808_71,
        -0.000_280_958_586_006_681_8,
        -0.000_455_052_291_384_721_37,
        0.000_176_810_818_696_881_78,
        -3.636_457_530_051_084e-6,
        -1.885_222_138_506_732e-5,
        4.695_393_324_417_283e-6,
        1.401_858_948_598_314e-6,
        -8.401_242_865_432_708e-7,
        -4.406_225_135_486_198e-8,
        1.063_143_196_350_187_7e-7,
        -1.771_318_620_863_960_5e-8,
    ],
};

/// erf x. Largest errors: [`Scalar::erf_real`](crate::number::Scalar::erf_real).
#[inline(always)]
pub(crate) fn erf<R: Packed, const N: usize, const H: usize, const K: usize>(
    cx: R::Cx,
    x: R,
    c: &Erf<R::Scalar, N, H>,
    exp: &Exp<R::Scalar, K>,
) -> R {
    let one = R::lit(cx, 1.0);
    let size = R::abs(cx, x);
    let inner = R::mul_add(cx, x, polynomial(cx, R::mul(cx, x, x), &c.near), x);
    let outer = R::sub(cx, one, complement(cx, size, c, exp));
    R::select(cx, R::lt(cx, size, one), inner, signed(cx, x, outer))
}

/// 1 - erf x. Largest errors: [`Scalar::erfc_real`](crate::number::Scalar::erfc_real).
#[inline(always)]
pub(crate) fn erfc<R: Packed, const N: usize, const H: usize, const K: usize>(
    cx: R::Cx,
    x: R,
    c: &Erf<R::Scalar, N, H>,
    exp: &Exp<R::Scalar, K>,
) -> R {
    let one = R::lit(cx, 1.0);
    let size = R::abs(cx, x);
    let (less, lost) = fast_two_sum(cx, one, R::neg(cx, x));
    let rest = R::neg_mul_add(cx, x, polynomial(cx, R::mul(cx, x, x), &c.near), lost);
    let inner = R::add(cx, less, rest);
    let outer = complement(cx, size, c, exp);
    let negative = R::lt(cx, x, R::lit(cx, 0.0));
    let outer = R::select(cx, negative, R::sub(cx, R::lit(cx, 2.0), outer), outer);
    R::select(cx, R::lt(cx, size, one), inner, outer)
}

/// 1 - erf x for x >= 1.
#[inline(always)]
fn complement<R: Packed, const N: usize, const H: usize, const K: usize>(
    cx: R::Cx,
    x: R,
    c: &Erf<R::Scalar, N, H>,
    exp: &Exp<R::Scalar, K>,
) -> R {
    // x comes second, where NaN is kept.
    let x = R::min(cx, R::splat(cx, c.end), x);
    let (square, low) = R::two_product(cx, x, x);
    let bell = scaled(cx, R::neg(cx, square), Some(R::neg(cx, low)), 0.0, exp);
    let centre = R::splat(cx, c.centre);
    let sum = R::add(cx, x, centre);
    let t = R::div(cx, R::sub(cx, x, centre), sum);
    R::mul(cx, bell, R::div(cx, polynomial(cx, t, &c.scaled), sum))
}
