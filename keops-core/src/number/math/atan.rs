//! Arc tangent, of a number and of a quotient.
//!
//! A quotient of numbers is turned so that a = smaller / larger lies in [-1, 1]: one division, correctly rounded. There
//! atan a = a - a z P(z) with z = a², where P is a minimax polynomial, and π/2 or π, in two terms, leads back (Cody and
//! Waite 1980). With one polynomial on the whole interval there is no second reduction, whose rounding would count.

use num_traits::Float;

use super::polynomial;
use crate::number::Packed;

/// The constants of an element type.
pub(crate) struct Atan<E, const N: usize> {
    /// π/2 in two terms.
    frac_pi_2: [E; 2],
    /// The number of the sign bit.
    sign_bit: u32,
    /// P(z).
    polynomial: [E; N],
}

/// π/2 and what is missing to it.
pub(super) const FRAC_PI_2_F32: [f32; 2] = [core::f32::consts::FRAC_PI_2, -4.371_139e-8];
/// π/2 and what is missing to it.
pub(super) const FRAC_PI_2_F64: [f64; 2] = [core::f64::consts::FRAC_PI_2, 6.123_233_995_736_766e-17];

/// Polynomial of error 0.04 ULP.
pub(crate) const F32: Atan<f32, 9> = Atan {
    frac_pi_2: FRAC_PI_2_F32,
    sign_bit: 31,
    polynomial: [
        0.333_333,
        -0.199_985_3,
        0.142_640_14,
        -0.109_508_604,
        0.083_992_02,
        -0.057_878_688,
        0.031_093_264,
        -0.010_866_078,
        0.001_782_090_2,
    ],
};

/// Polynomial of error 0.1 ULP.
pub(crate) const F64: Atan<f64, 20> = Atan {
    frac_pi_2: FRAC_PI_2_F64,
    sign_bit: 63,
    polynomial: [
        0.333_333_333_333_330_7,
        -0.199_999_999_999_517_56,
        0.142_857_142_825_887_5,
        -0.111_111_110_073_648_88,
        0.090_909_070_082_235_74,
        -0.076_922_798_939_169_19,
        0.066_664_044_641_192_08,
        -0.058_805_300_614_044_26,
        0.052_535_281_045_692_356,
        -0.047_223_544_247_564_31,
        0.042_192_670_945_910_345,
        -0.036_643_889_139_871_25,
        0.029_907_484_809_362_44,
        -0.021_990_191_912_493_545,
        0.013_906_713_352_507_089,
        -0.007_201_879_419_524_876,
        0.002_888_331_144_257_548_2,
        -0.000_832_798_537_219_418_3,
        0.000_152_549_041_967_859_37,
        -1.327_173_673_867_821_5e-05,
    ],
};

/// atan x. Largest errors: [`Scalar::atan_real`](crate::number::Scalar::atan_real).
#[inline(always)]
pub(crate) fn atan<R: Packed, const N: usize>(cx: R::Cx, x: R, c: &Atan<R::Scalar, N>) -> R {
    let one = R::lit(cx, 1.0);
    let steep = R::lt(cx, one, R::abs(cx, x));
    // The quotient keeps the sign, so that -0 gives -0.
    let above = R::select(cx, steep, R::lit(cx, -1.0), x);
    let below = R::select(cx, steep, x, one);
    let a = R::div(cx, above, below);
    let angle = of_quotient(cx, a, c);
    let signed = |term: usize| {
        let quarter = R::splat(cx, c.frac_pi_2[term]);
        R::select(cx, R::lt(cx, x, R::lit(cx, 0.0)), R::neg(cx, quarter), quarter)
    };
    let turned = R::add(cx, signed(0), R::add(cx, angle, signed(1)));
    R::select(cx, steep, turned, angle)
}

/// The angle of the point (x, y), with the special cases of C's `atan2`. Largest errors:
/// [`Scalar::atan2_real`](crate::number::Scalar::atan2_real).
#[inline(always)]
pub(crate) fn atan2<R: Packed, const N: usize>(cx: R::Cx, y: R, x: R, c: &Atan<R::Scalar, N>) -> R {
    let (zero, one) = (R::lit(cx, 0.0), R::lit(cx, 1.0));
    let (width, height) = (R::abs(cx, x), R::abs(cx, y));
    let steep = R::lt(cx, width, height);
    let small = R::select(cx, steep, width, height);
    let large = R::select(cx, steep, height, width);
    // For 0/0 the quotient counts as 0 and for ∞/∞ as 1, which gives the multiples of π/4 that C's `atan2` has.
    let a = R::div(cx, small, R::select(cx, R::eq(cx, large, zero), one, large));
    let infinity = R::splat(cx, R::Scalar::infinity());
    let corner = R::and(cx, R::eq(cx, small, infinity), R::eq(cx, large, infinity));
    let a = R::select(cx, corner, one, a);
    let angle = of_quotient(cx, a, c);

    let term = |k: usize, times: f64| R::mul(cx, R::splat(cx, c.frac_pi_2[k]), R::lit(cx, times));
    let steeper = R::add(cx, R::sub(cx, term(0, 1.0), angle), term(1, 1.0));
    let angle = R::select(cx, steep, steeper, angle);
    let behind = R::add(cx, R::sub(cx, term(0, 2.0), angle), term(1, 2.0));
    let angle = R::select(cx, R::bit(cx, x, c.sign_bit), behind, angle);
    R::select(cx, R::bit(cx, y, c.sign_bit), R::neg(cx, angle), angle)
}

/// atan a for |a| <= 1.
#[inline(always)]
fn of_quotient<R: Packed, const N: usize>(cx: R::Cx, a: R, c: &Atan<R::Scalar, N>) -> R {
    let z = R::mul(cx, a, a);
    // This is 0 - z P and not -(z P), so that the sum below is -0 where a is -0.
    let less = R::neg_mul_add(cx, z, polynomial(cx, z, &c.polynomial), R::lit(cx, 0.0));
    R::mul_add(cx, a, less, a)
}
