//! Natural logarithm, also of 1 + x, and logarithms to base 2 and 10.
//!
//! x = m 2^e with m = 1 + f in [sqrt(1/2), sqrt(2)). With s = f / (2 + f) and z = s²,
//! ln m = 2 artanh s = 2 s + s z P(z), written as f - (f²/2 - s (f²/2 + z P(z))): the leading term f is exact, so the
//! result is accurate near 1, and everything else is a small correction (the form is that of fdlibm's log, Sun
//! Microsystems 1993).

use num_traits::Float;

use super::{
    exp::{LN_2_F32, LN_2_F64},
    polynomial,
};
use crate::number::Packed;

/// The constants of an element type.
pub(crate) struct Log<E, const N: usize> {
    /// ln 2 in two terms; the product of the first with an exponent is exact.
    ln_2: [E; 2],
    log2_e: E,
    /// log2(e) - 1, with more digits than the difference has.
    log2_e_rest: E,
    /// log10(e) in two terms.
    log10_e: [E; 2],
    /// log10(2) in two terms; the product of the first with an exponent is exact.
    log10_2: [E; 2],
    /// A power of two that makes every subnormal number normal, and its exponent.
    up: [E; 2],
    /// P(z).
    polynomial: [E; N],
}

/// Polynomial of error 0.01 ULP.
pub(crate) const F32: Log<f32, 3> = Log {
    ln_2: LN_2_F32,
    log2_e: core::f32::consts::LOG2_E,
    log2_e_rest: 0.442_695_05,
    log10_e: [core::f32::consts::LOG10_E, -1.010_305e-8],
    log10_2: [0.301_033_02, -3.024_355_6e-6],
    up: [16_777_216.0, 24.0],
    polynomial: [0.666_667_76, 0.399_775_83, 0.298_707_96],
};

/// Polynomial of error 0.01 ULP.
pub(crate) const F64: Log<f64, 7> = Log {
    ln_2: LN_2_F64,
    log2_e: core::f64::consts::LOG2_E,
    log2_e_rest: 0.442_695_040_888_963_4,
    log10_e: [core::f64::consts::LOG10_E, 1.098_319_650_216_765e-17],
    log10_2: [0.301_029_995_663_952_83, 2.836_339_455_104_496_4e-14],
    up: [18_014_398_509_481_984.0, 54.0],
    polynomial: [
        0.666_666_666_666_673_4,
        0.399_999_999_994_166_4,
        0.285_714_287_420_281_27,
        0.222_221_986_050_699_32,
        0.181_835_628_498_261_07,
        0.153_140_848_978_239_43,
        0.147_956_325_877_737_1,
    ],
};

/// ln x. Largest errors: [`Scalar::log_real`](crate::number::Scalar::log_real).
#[inline(always)]
pub(crate) fn log<R: Packed, const N: usize>(cx: R::Cx, x: R, c: &Log<R::Scalar, N>) -> R {
    reduced(cx, x, c, |f, correction, e| {
        let low = R::neg_mul_add(cx, e, R::splat(cx, c.ln_2[1]), correction);
        R::mul_add(cx, e, R::splat(cx, c.ln_2[0]), R::sub(cx, f, low))
    })
}

/// log2 x. Largest errors: [`Scalar::log2_real`](crate::number::Scalar::log2_real).
#[inline(always)]
pub(crate) fn log2<R: Packed, const N: usize>(cx: R::Cx, x: R, c: &Log<R::Scalar, N>) -> R {
    // f log2(e) = f + f (log2(e) - 1): the leading term is exact here, too.
    reduced(cx, x, c, |f, correction, e| {
        let less = R::neg(cx, R::mul(cx, correction, R::splat(cx, c.log2_e)));
        let rest = R::mul_add(cx, f, R::splat(cx, c.log2_e_rest), less);
        R::add(cx, R::add(cx, f, rest), e)
    })
}

/// log10 x. Largest errors: [`Scalar::log10_real`](crate::number::Scalar::log10_real).
#[inline(always)]
pub(crate) fn log10<R: Packed, const N: usize>(cx: R::Cx, x: R, c: &Log<R::Scalar, N>) -> R {
    reduced(cx, x, c, |f, correction, e| {
        let term = |terms: &[R::Scalar; 2], k: usize| R::splat(cx, terms[k]);
        let rest = R::mul_add(cx, e, term(&c.log10_2, 1), R::mul(cx, f, term(&c.log10_e, 1)));
        let rest = R::neg_mul_add(cx, correction, term(&c.log10_e, 0), rest);
        R::mul_add(cx, e, term(&c.log10_2, 0), R::mul_add(cx, f, term(&c.log10_e, 0), rest))
    })
}

/// ln(1 + x). Largest errors: [`Scalar::ln_1p_real`](crate::number::Scalar::ln_1p_real).
#[inline(always)]
pub(crate) fn ln_1p<R: Packed, const N: usize>(cx: R::Cx, x: R, c: &Log<R::Scalar, N>) -> R {
    let zero = R::lit(cx, 0.0);
    R::select(cx, R::eq(cx, x, zero), x, ln_1p_sum(cx, x, zero, c))
}

/// ln(1 + x + low) for a `low` of at most a few roundings of x.
///
/// Where 1 + x is near 1, f is x itself; elsewhere what rounding takes from 1 + x is a term of first order.
#[inline(always)]
pub(super) fn ln_1p_sum<R: Packed, const N: usize>(cx: R::Cx, x: R, low: R, c: &Log<R::Scalar, N>) -> R {
    let (zero, one) = (R::lit(cx, 0.0), R::lit(cx, 1.0));
    let sum = R::add(cx, one, x);
    let (m, e) = R::split_exponent(cx, sum);
    let near = R::eq(cx, e, zero);
    let x_in_sum = R::sub(cx, sum, one);
    let lost = R::add(cx, R::sub(cx, one, R::sub(cx, sum, x_in_sum)), R::sub(cx, x, x_in_sum));
    let f = R::select(cx, near, x, R::sub(cx, m, one));
    let low = R::add(cx, low, R::select(cx, near, zero, lost));
    // Beyond that exponent the rounding error of 1 + x is negligible.
    let scale = R::pow2_integer(cx, R::max(cx, R::lit(cx, -100.0), R::neg(cx, e)));
    let low = R::div(cx, R::mul(cx, low, scale), m);
    let less = R::neg_mul_add(cx, e, R::splat(cx, c.ln_2[1]), correction(cx, f, c));
    let less = R::sub(cx, less, low);
    let result = R::mul_add(cx, e, R::splat(cx, c.ln_2[0]), R::sub(cx, f, less));

    let infinity = R::splat(cx, R::Scalar::infinity());
    let result = R::select(cx, R::lt(cx, x, infinity), result, x);
    let result = R::select(cx, R::lt(cx, sum, zero), R::splat(cx, R::Scalar::nan()), result);
    R::select(cx, R::eq(cx, sum, zero), R::splat(cx, R::Scalar::neg_infinity()), result)
}

/// Takes x apart, has `combine(f, correction, e)` make the logarithm of (1 + f) 2^e, where ln(1 + f) = f - correction,
/// and sees to the arguments that are not positive normal numbers.
#[inline(always)]
fn reduced<R: Packed, const N: usize>(cx: R::Cx, x: R, c: &Log<R::Scalar, N>, combine: impl Fn(R, R, R) -> R) -> R {
    let smallest = R::splat(cx, R::Scalar::min_positive_value());
    let infinity = R::splat(cx, R::Scalar::infinity());
    let normal = R::and(cx, R::le(cx, smallest, x), R::lt(cx, x, infinity));
    if !R::any(cx, R::not(cx, normal)) {
        let (m, e) = R::split_exponent(cx, x);
        let (f, correction) = near_one(cx, m, c);
        return combine(f, correction, e);
    }

    let zero = R::lit(cx, 0.0);
    let small = R::lt(cx, x, smallest);
    let (m, e) = R::split_exponent(cx, R::select(cx, small, R::mul(cx, x, R::splat(cx, c.up[0])), x));
    let e = R::sub(cx, e, R::select(cx, small, R::splat(cx, c.up[1]), zero));
    let (f, correction) = near_one(cx, m, c);
    // Infinity and NaN are their own logarithms.
    let result = R::select(cx, R::lt(cx, x, infinity), combine(f, correction, e), x);
    let result = R::select(cx, R::lt(cx, x, zero), R::splat(cx, R::Scalar::nan()), result);
    R::select(cx, R::eq(cx, x, zero), R::splat(cx, R::Scalar::neg_infinity()), result)
}

/// f = m - 1, and f - ln m.
#[inline(always)]
fn near_one<R: Packed, const N: usize>(cx: R::Cx, m: R, c: &Log<R::Scalar, N>) -> (R, R) {
    let f = R::sub(cx, m, R::lit(cx, 1.0));
    (f, correction(cx, f, c))
}

/// f - ln(1 + f)
#[inline(always)]
fn correction<R: Packed, const N: usize>(cx: R::Cx, f: R, c: &Log<R::Scalar, N>) -> R {
    let s = R::div(cx, f, R::add(cx, f, R::lit(cx, 2.0)));
    let z = R::mul(cx, s, s);
    let half_square = R::mul(cx, f, R::mul(cx, f, R::lit(cx, 0.5)));
    let rest = R::mul_add(cx, z, polynomial(cx, z, &c.polynomial), half_square);
    R::neg_mul_add(cx, s, rest, half_square)
}
