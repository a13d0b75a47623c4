//! 2^x: the innermost function of most kernels.
//!
//! With n the integer nearest to x and f = x - n, 2^x = 2·2^f · 2^(n-1). The first factor is a polynomial on
//! [-1/2, 1/2]; the second is made from the bits of x + shift, which rounds x in the same step: twelve operations and
//! one shift in f32.
//!
//! Halving the second factor lets it reach every normal result at the top, where n is one more than the largest
//! exponent. The price is at the bottom: results below sqrt(2) times the smallest normal number are 0. Nothing is ever
//! subnormal, which would slow down what is computed with it.

use core::f32::consts::LN_2 as LN_2_F32;
use core::f64::consts::LN_2 as LN_2_F64;

use super::polynomial;
use crate::real::{Element, Real};

/// The constants of an element type.
pub(crate) struct Exp2<E, const N: usize> {
    /// Here and below the result is 0.
    low: E,
    /// Here and above the result is infinite.
    pub(super) high: E,
    /// [`Element::ROUND`] + the exponent field of 1/2, so that [`Real::shift_to_exponent`] gives 2^(n-1).
    pub(super) shift: E,
    /// 2·2^f. The first is exact, and so are powers of two.
    pub(super) polynomial: [E; N],
}

/// Polynomial of error 0.06 ULP.
pub(crate) const F32: Exp2<f32, 7> = Exp2 {
    low: -126.0,
    high: 128.0,
    shift: f32::ROUND + 126.0,
    polynomial: [
        2.0,
        2.0 * LN_2_F32,
        2.0 * 0.240_226_5,
        2.0 * 0.055_503_78,
        2.0 * 0.009_618_464,
        2.0 * 0.001_338_396_3,
        2.0 * 0.000_152_852_14,
    ],
};

/// Polynomial of error 0.05 ULP.
pub(crate) const F64: Exp2<f64, 12> = Exp2 {
    low: -1022.0,
    high: 1024.0,
    shift: f64::ROUND + 1022.0,
    polynomial: [
        2.0,
        2.0 * LN_2_F64,
        2.0 * 0.240_226_506_959_101_08,
        2.0 * 0.055_504_108_664_820_445,
        2.0 * 0.009_618_129_107_602_154,
        2.0 * 0.001_333_355_814_695_215,
        2.0 * 0.000_154_035_304_474_914_2,
        2.0 * 1.525_273_321_816_508_1e-5,
        2.0 * 1.321_543_994_435_350_5e-6,
        2.0 * 1.017_833_277_156_124_5e-7,
        2.0 * 7.073_000_229_879_664_5e-9,
        2.0 * 4.413_587_623_368_458_4e-10,
    ],
};

/// 2^x. Largest errors: [`Element::exp2_real`](crate::real::Element::exp2_real).
#[inline(always)]
pub(crate) fn exp2<R: Real, const N: usize>(cx: R::Cx, x: R, c: &Exp2<R::Scalar, N>) -> R {
    exp2_sum(cx, x, None, c)
}

/// 2^(x + low) for a `low` that is small beside 1; it is not used where x is out of range.
#[inline(always)]
pub(super) fn exp2_sum<R: Real, const N: usize>(cx: R::Cx, x: R, low: Option<R>, c: &Exp2<R::Scalar, N>) -> R {
    // x comes second, where NaN is kept.
    let x = R::max(cx, R::splat(cx, c.low), x);
    let x = R::min(cx, R::splat(cx, c.high), x);
    let shift = R::splat(cx, c.shift);
    let t = R::add(cx, x, shift);
    // In this order both steps use the same constant, one register less.
    let mut f = R::add(cx, x, R::sub(cx, shift, t));
    if let Some(low) = low {
        f = R::add(cx, f, low);
    }
    R::mul(cx, polynomial(cx, f, &c.polynomial), R::shift_to_exponent(cx, t))
}
