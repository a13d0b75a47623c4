//! Elementary functions on any [`Packed`]: one algorithm for plain numbers and for tiles, with a table of constants for
//! each element type.
//!
//! No function needs a fused multiply-add to be accurate: where a product must be exact, its factors are short enough.
//! Polynomials are minimax fits in the error measure that counts (Remez exchange in 50 digits; coefficients are
//! rounded one by one, the rest fitted again each time). The stated errors are the largest found by
//! `tests/elementary.rs`: over all arguments in f32, over random and special ones in f64.

use crate::number::Packed;

pub(crate) mod area;
pub(crate) mod asin;
pub(crate) mod atan;
pub(crate) mod cbrt;
pub(crate) mod erf;
pub(crate) mod exp;
pub(crate) mod exp2;
pub(crate) mod hyperbolic;
pub(crate) mod log;
pub(crate) mod pow;
pub(crate) mod sin;

/// c\[0\] + c\[1\] x + c\[2\] x² + ..., by Horner's rule, which takes the fewest operations; tiles hide its latency.
#[inline(always)]
pub(crate) fn polynomial<R: Packed, const N: usize>(cx: R::Cx, x: R, c: &[R::Scalar; N]) -> R {
    // The steps are written out, because the time that the optimiser takes for a loop grows with the length of the
    // function around it.
    macro_rules! steps {
        ($sum:ident: $($k:literal)+) => {{
            $(if const { $k + 1 < N } {
                $sum = R::mul_add(cx, $sum, x, R::splat(cx, c[$k]));
            })+
        }};
    }
    const { assert!(N <= 24) };
    let mut sum = R::splat(cx, c[N - 1]);
    steps!(sum: 22 21 20 19 18 17 16 15 14 13 12 11 10 9 8 7 6 5 4 3 2 1 0);
    sum
}

/// The rounded sum a + b and its rounding error, for |a| >= |b| or a = 0 (Dekker 1971).
#[inline(always)]
pub(crate) fn fast_two_sum<R: Packed>(cx: R::Cx, a: R, b: R) -> (R, R) {
    let sum = R::add(cx, a, b);
    (sum, R::sub(cx, b, R::sub(cx, sum, a)))
}

/// [`Packed::two_product`] without a fused operation (Dekker 1971, with the halves of Veltkamp 1968).
///
/// `splitter` is 2^s + 1, s half the bits of a mantissa. Factors beyond the largest number / 2^s overflow.
#[inline(always)]
pub(crate) fn dekker_product<R: Packed>(cx: R::Cx, a: R, b: R, splitter: f64) -> (R, R) {
    let (a_high, a_low) = halves(cx, a, splitter);
    let (b_high, b_low) = halves(cx, b, splitter);
    let product = R::mul(cx, a, b);
    let mut error = R::sub(cx, R::mul(cx, a_high, b_high), product);
    error = R::add(cx, error, R::mul(cx, a_high, b_low));
    error = R::add(cx, error, R::mul(cx, a_low, b_high));
    (product, R::add(cx, error, R::mul(cx, a_low, b_low)))
}

/// Two numbers with half of the bits each, whose sum is `a`.
#[inline(always)]
fn halves<R: Packed>(cx: R::Cx, a: R, splitter: f64) -> (R, R) {
    let shifted = R::mul(cx, a, R::lit(cx, splitter));
    let high = R::sub(cx, shifted, R::sub(cx, shifted, a));
    (high, R::sub(cx, a, high))
}
