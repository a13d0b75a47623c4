//! Sine, cosine and tangent.
//!
//! With n the integer nearest to x / (π/2) and r = x - n π/2, sin x is sin r, cos r, -sin r or -cos r as n is 0, 1, 2
//! or 3 modulo 4, and cos x is that of n + 1; tan x is tan r or -1 / tan r. π/2 is taken in four terms (Cody and Waite
//! 1980); the products of n with the first three are exact. Beyond the range where they are, which is rare, numbers go
//! through the scalar library function one by one.

use num_traits::Float;

use super::{fast_two_sum, polynomial};
use crate::number::{Packed, Scalar};

/// The constants of an element type.
pub(crate) struct Sin<E, const N: usize, const K: usize> {
    /// The largest argument for the reduction.
    limit: E,
    frac_2_pi: E,
    /// π/2 in four terms.
    frac_pi_2: [E; 4],
    /// (sin r - r) / r³ as a polynomial in r², for |r| up to π/4.
    sin: [E; N],
    /// (1 - cos r) / r² as a polynomial in r².
    cos: [E; K],
}

/// π/2 in three terms of 11 bits and one of 24. Polynomials of error 0.06 and 0.002 ULP.
pub(crate) const F32: Sin<f32, 3, 4> = Sin {
    limit: 12_000.0,
    frac_2_pi: core::f32::consts::FRAC_2_PI,
    frac_pi_2: [1.570_312_5, 0.000_483_751_3, 7.549_533_6e-8, 2.563_344e-12],
    sin: [-0.166_666_55, 0.008_332_191, -0.000_195_185_99],
    cos: [0.5, -0.041_666_646, 0.001_388_730_1, -2.443_067e-5],
};

/// π/2 in three terms of 33 bits and one of 53. Polynomials of error 0.03 and 0.0004 ULP.
pub(crate) const F64: Sin<f64, 6, 7> = Sin {
    limit: 1_600_000.0,
    frac_2_pi: core::f64::consts::FRAC_2_PI,
    frac_pi_2: [
        1.570_796_326_734_125_6,
        6.077_100_506_303_966e-11,
        2.022_266_248_711_166_5e-21,
        8.478_427_660_368_9e-32,
    ],
    sin: [
        -0.166_666_666_666_666_32,
        0.008_333_333_333_322_472,
        -0.000_198_412_698_298_356_47,
        2.755_731_369_731_385_7e-6,
        -2.505_075_848_319_099_6e-8,
        1.589_679_587_421_442_4e-10,
    ],
    cos: [
        0.5,
        -0.041_666_666_666_666_6,
        0.001_388_888_888_887_445_7,
        -2.480_158_728_965_286_5e-5,
        2.755_731_439_387_249e-7,
        -2.087_572_811_181_429_4e-9,
        1.135_986_505_933_894_5e-11,
    ],
};

/// sin x. Largest errors: [`Scalar::sin_real`](crate::number::Scalar::sin_real).
#[inline(always)]
pub(crate) fn sin<R: Packed, const N: usize, const K: usize>(cx: R::Cx, x: R, c: &Sin<R::Scalar, N, K>) -> R {
    quadrant(cx, x, 0.0, Float::sin, c)
}

/// cos x. Largest errors: [`Scalar::cos_real`](crate::number::Scalar::cos_real).
#[inline(always)]
pub(crate) fn cos<R: Packed, const N: usize, const K: usize>(cx: R::Cx, x: R, c: &Sin<R::Scalar, N, K>) -> R {
    quadrant(cx, x, 1.0, Float::cos, c)
}

/// sin(x + quarter π/2), which is `scalar(x)`.
#[inline(always)]
fn quadrant<R: Packed, const N: usize, const K: usize>(
    cx: R::Cx,
    x: R,
    quarter: f64,
    scalar: impl Fn(R::Scalar) -> R::Scalar,
    c: &Sin<R::Scalar, N, K>,
) -> R {
    let (r, t) = reduced(cx, x, c);
    let z = R::mul(cx, r, r);
    let sine = R::mul_add(cx, r, R::mul(cx, z, polynomial(cx, z, &c.sin)), r);
    let cosine = R::neg_mul_add(cx, z, polynomial(cx, z, &c.cos), R::lit(cx, 1.0));

    let t = if quarter == 0.0 { t } else { R::add(cx, t, R::lit(cx, quarter)) };
    let size = R::select(cx, R::bit(cx, t, 0), cosine, sine);
    let result = R::select(cx, R::bit(cx, t, 1), R::neg(cx, size), size);

    covered_or(cx, x, result, scalar, c)
}

/// `result` where the reduction covers x, elsewhere `scalar(x)`.
#[inline(always)]
fn covered_or<R: Packed, const N: usize, const K: usize>(
    cx: R::Cx,
    x: R,
    result: R,
    scalar: impl Fn(R::Scalar) -> R::Scalar,
    c: &Sin<R::Scalar, N, K>,
) -> R {
    let limit = c.limit;
    let covered = R::le(cx, R::abs(cx, x), R::splat(cx, limit));
    if R::any(cx, R::not(cx, covered)) {
        // The function is called only for the numbers that `result` does not cover.
        let exact = R::map(cx, x, |x| if Float::abs(x) <= limit { x } else { scalar(x) });
        return R::select(cx, covered, result, exact);
    }
    result
}

/// r, and a number whose low bits are those of n.
#[inline(always)]
fn reduced<R: Packed, const N: usize, const K: usize>(cx: R::Cx, x: R, c: &Sin<R::Scalar, N, K>) -> (R, R) {
    let shift = R::splat(cx, R::Scalar::ROUND);
    let t = R::mul_add(cx, x, R::splat(cx, c.frac_2_pi), shift);
    let n = R::sub(cx, t, shift);
    let term = |k: usize| R::splat(cx, c.frac_pi_2[k]);
    let r = R::neg_mul_add(cx, n, term(1), R::neg_mul_add(cx, n, term(0), x));
    // The rounding error of the third step is added in the last one, so that r is rounded once.
    let next = R::neg_mul_add(cx, n, term(2), r);
    let lost = R::neg_mul_add(cx, n, term(2), R::sub(cx, r, next));
    (R::add(cx, next, R::neg_mul_add(cx, n, term(3), lost)), t)
}

/// (tan r - r) / r³ as a polynomial in r², for |r| up to π/4. Error 0.01 ULP.
pub(crate) const TAN_F32: [f32; 7] =
    [0.333_333_5, 0.133_326_75, 0.054_058_917, 0.021_286_167, 0.010_827_604, 9.797_969e-5, 0.004_372_857];
/// (tan r - r) / r³ as a polynomial in r², for |r| up to π/4. Error 0.1 ULP.
pub(crate) const TAN_F64: [f64; 14] = [
    0.333_333_333_333_327_9,
    0.133_333_333_334_138_3,
    0.053_968_253_926_972_194,
    0.021_869_489_602_859_74,
    0.008_863_219_239_357_77,
    0.003_592_288_478_477_963_8,
    0.001_454_761_244_949_295,
    0.000_595_052_204_946_181_7,
    0.000_222_413_795_732_905_32,
    0.000_136_460_497_674_492_63,
    -2.630_022_304_573_717_3e-5,
    8.937_776_525_552_992e-5,
    -4.483_833_239_127_813e-5,
    2.085_448_709_364_010_5e-5,
];

/// tan x. Largest errors: [`Scalar::tan_real`](crate::number::Scalar::tan_real).
#[inline(always)]
pub(crate) fn tan<R: Packed, const N: usize, const K: usize, const H: usize>(
    cx: R::Cx,
    x: R,
    tan: &[R::Scalar; H],
    c: &Sin<R::Scalar, N, K>,
) -> R {
    let (r, t) = reduced(cx, x, c);
    let z = R::mul(cx, r, r);
    let (even, low) = fast_two_sum(cx, r, R::mul(cx, r, R::mul(cx, z, polynomial(cx, z, tan))));
    // -1 / (even + low), with the remainder of the quotient
    let quotient = R::div(cx, R::lit(cx, -1.0), even);
    let (product, error) = R::two_product(cx, quotient, even);
    let rest = R::add(cx, R::add(cx, product, R::lit(cx, 1.0)), error);
    let odd = R::mul_add(cx, quotient, R::mul_add(cx, quotient, low, rest), quotient);
    let result = R::select(cx, R::bit(cx, t, 0), odd, even);
    let result = R::select(cx, R::eq(cx, x, R::lit(cx, 0.0)), x, result);
    covered_or(cx, x, result, Float::tan, c)
}
