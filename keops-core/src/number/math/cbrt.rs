//! Cube root.
//!
//! x = w 2^(3n) with w in [√(1/8), √8). A polynomial is a first approximation y of ∛w, and Halley's iteration, which
//! triples its digits, is y + y (w - y³) / (2 y³ + w): of the difference every digit is kept, so that the last addition
//! alone rounds.

use num_traits::Float;

use super::polynomial;
use crate::number::{Packed, Scalar};

/// ∛w for w in [√(1/8), √8). Relative error 0.002.
const START: [f32; 5] = [0.443_547_3, 0.898_366_03, -0.473_765_55, 0.153_222_59, -0.019_527_255];

/// ∛x. Largest errors: [`Scalar::cbrt_real`](crate::number::Scalar::cbrt_real).
#[inline(always)]
pub(crate) fn cbrt<R: Packed>(cx: R::Cx, x: R) -> R {
    let (zero, one, two) = (R::lit(cx, 0.0), R::lit(cx, 1.0), R::lit(cx, 2.0));
    let single = R::Scalar::epsilon().as_f64() > 1e-10;
    // A power of 8 that makes every subnormal number normal.
    let up = if single { 24.0 } else { 54.0 };
    let size = R::abs(cx, x);
    let small = R::lt(cx, size, R::splat(cx, R::Scalar::min_positive_value()));
    let scale = R::select(cx, small, R::pow2_integer(cx, R::lit(cx, up)), one);
    let (m, e) = R::split_exponent(cx, R::mul(cx, size, scale));
    let n = R::round(cx, R::mul(cx, e, R::lit(cx, 1.0 / 3.0)));
    let left = R::neg_mul_add(cx, n, R::lit(cx, 3.0), e);
    let factor = R::select(cx, R::lt(cx, left, zero), R::lit(cx, 0.5), one);
    let factor = R::select(cx, R::lt(cx, zero, left), two, factor);
    let w = R::mul(cx, m, factor);

    let start: [R::Scalar; 5] = START.map(|c| R::Scalar::of_f64(f64::from(c)));
    let mut y = polynomial(cx, w, &start);
    if !single {
        let cube = R::mul(cx, y, R::mul(cx, y, y));
        let quotient = R::div(cx, R::sub(cx, w, cube), R::mul_add(cx, two, cube, w));
        y = R::mul_add(cx, y, quotient, y);
    }
    let (square, square_low) = R::two_product(cx, y, y);
    let (cube, cube_low) = R::two_product(cx, square, y);
    let cube_low = R::mul_add(cx, square_low, y, cube_low);
    let rest = R::sub(cx, R::sub(cx, w, cube), cube_low);
    let quotient = R::div(cx, rest, R::mul_add(cx, two, cube, w));
    y = R::mul_add(cx, y, quotient, y);

    let n = R::sub(cx, n, R::select(cx, small, R::lit(cx, up / 3.0), zero));
    let root = R::mul(cx, y, R::pow2_integer(cx, n));
    let root = R::select(cx, R::lt(cx, x, zero), R::neg(cx, root), root);
    // 0, infinity and NaN are their own cube roots.
    let number = R::and(cx, R::lt(cx, zero, size), R::lt(cx, size, R::splat(cx, R::Scalar::infinity())));
    R::select(cx, number, root, x)
}
