//! Arc sine and arc cosine.
//!
//! For |x| <= 1/2, asin x = x + x z P(z) with z = x². Beyond, the angle is measured from the nearer end: with
//! z = (1 - |x|) / 2, which is exact, acos |x| = 2 asin √z (fdlibm's reduction, Sun Microsystems 1993). P is a minimax
//! polynomial, and π/2 is taken in two terms, so that the last addition alone rounds by half a unit.

use super::{
    atan::{FRAC_PI_2_F32, FRAC_PI_2_F64},
    fast_two_sum, polynomial,
};
use crate::number::Packed;

/// The constants of an element type.
pub(crate) struct Asin<E, const N: usize> {
    /// π/2 in two terms.
    frac_pi_2: [E; 2],
    /// P(z).
    polynomial: [E; N],
}

/// Polynomial of error 0.08 ULP.
pub(crate) const F32: Asin<f32, 5> = Asin {
    frac_pi_2: FRAC_PI_2_F32,
    polynomial: [0.166_667_52, 0.074_953_094, 0.045_469_142, 0.024_184_86, 0.042_158_09],
};

/// Polynomial of error 0.13 ULP.
pub(crate) const F64: Asin<f64, 12> = Asin {
    frac_pi_2: FRAC_PI_2_F64,
    polynomial: [
        0.166_666_666_666_654_08,
        0.075_000_000_003_371_44,
        0.044_642_856_828_213_37,
        0.030_381_959_141_957_914,
        0.022_371_757_925_930_453,
        0.017_359_706_703_120_245,
        0.013_885_215_760_815_655,
        0.012_169_344_303_303_44,
        0.006_527_388_061_500_485,
        0.019_529_907_780_169_223,
        -0.016_226_884_690_114_123,
        0.031_914_110_142_139_34,
    ],
};

/// asin x. Largest errors: [`Scalar::asin_real`](crate::number::Scalar::asin_real).
#[inline(always)]
pub(crate) fn asin<R: Packed, const N: usize>(cx: R::Cx, x: R, c: &Asin<R::Scalar, N>) -> R {
    let Reduced { outer, sine, excess } = reduced(cx, x, c);
    let inner = R::add(cx, x, excess);
    // π/2 - 2 (√z + excess), of the sign of x
    let from_end = subtract_twice(cx, c, 1.0, sine, excess);
    let from_end = R::select(cx, R::lt(cx, x, R::lit(cx, 0.0)), R::neg(cx, from_end), from_end);
    R::select(cx, outer, from_end, inner)
}

/// acos x. Largest errors: [`Scalar::acos_real`](crate::number::Scalar::acos_real).
#[inline(always)]
pub(crate) fn acos<R: Packed, const N: usize>(cx: R::Cx, x: R, c: &Asin<R::Scalar, N>) -> R {
    let Reduced { outer, sine, excess } = reduced(cx, x, c);
    let rest = R::sub(cx, excess, R::splat(cx, c.frac_pi_2[1]));
    let inner = R::sub(cx, R::splat(cx, c.frac_pi_2[0]), R::add(cx, x, rest));
    let twice = R::add(cx, sine, excess);
    let near = R::add(cx, twice, twice);
    let far = subtract_twice(cx, c, 2.0, sine, excess);
    let from_end = R::select(cx, R::lt(cx, x, R::lit(cx, 0.0)), far, near);
    R::select(cx, outer, from_end, inner)
}

/// A number s of at most 1/2, and asin s - s.
struct Reduced<R: Packed> {
    /// Whether s is √((1 - |x|) / 2) and not x.
    outer: R::Mask,
    sine: R,
    excess: R,
}

#[inline(always)]
fn reduced<R: Packed, const N: usize>(cx: R::Cx, x: R, c: &Asin<R::Scalar, N>) -> Reduced<R> {
    let half = R::lit(cx, 0.5);
    let size = R::abs(cx, x);
    let outer = R::lt(cx, half, size);
    // 1 - |x| is exact for |x| > 1/2. For |x| > 1, z is negative and its root NaN.
    let z = R::mul(cx, R::sub(cx, R::lit(cx, 1.0), size), half);
    let z = R::select(cx, outer, z, R::mul(cx, x, x));
    let sine = R::select(cx, outer, R::sqrt(cx, z), x);
    let excess = R::mul(cx, sine, R::mul(cx, z, polynomial(cx, z, &c.polynomial)));
    Reduced { outer, sine, excess }
}

/// `quarters` π/2 - 2 (s + excess)
#[inline(always)]
fn subtract_twice<R: Packed, const N: usize>(cx: R::Cx, c: &Asin<R::Scalar, N>, quarters: f64, s: R, excess: R) -> R {
    let term = |k: usize| R::mul(cx, R::splat(cx, c.frac_pi_2[k]), R::lit(cx, quarters));
    let (high, lost) = fast_two_sum(cx, term(0), R::neg(cx, R::add(cx, s, s)));
    let low = R::add(cx, lost, R::sub(cx, term(1), R::add(cx, excess, excess)));
    R::add(cx, high, low)
}
