//! Sums with other roundings than [`Sum`]: with one rounding for each term, and with all rounding errors kept.

use super::{Componentwise, Numbers, Sum, compensated};
use crate::number::{Packed, Scalar};

/// Σ_j f(p, x_i, y_j), for each component, by one addition in the element type for each term. 0 if there are no
/// sources.
///
/// KeOps' `direct_sum`. The error grows with the number of terms, up to 6e-8 of Σ|terms| for each of them in f32;
/// lanes, threads and GPU blocks have a sum each, and their sums are added.
#[derive(Clone, Copy, Debug)]
pub struct DirectSum;

/// Σ_j f(p, x_i, y_j), for each component, with the rounding of every addition kept. 0 if there are no sources.
///
/// KeOps' `kahan_scheme`, by Knuth's TwoSum, which unlike Kahan's needs no order of sizes; the rounding of a product
/// that is the last operation of f is kept too. A run of a few hundred terms is off by less than 1e-9 of Σ|terms| in
/// f32, and so is the total, which is rounded once: where that shows, an accumulator in f64 is off by as much after
/// 10^7 terms. A term takes eight operations instead of one.
#[derive(Clone, Copy, Debug)]
pub struct CompensatedSum;

impl Componentwise for DirectSum {
    type State = Numbers<1>;
    type Run = Numbers<1>;
    const BUNDLES: bool = true;
    const SUMS: bool = true;
    const HANDS_NAN_ON: bool = true;

    #[inline(always)]
    fn init<R: Packed>(cx: R::Cx) -> [R; 1] {
        [R::lit(cx, 0.0)]
    }

    #[inline(always)]
    fn begin<R: Packed>(_cx: R::Cx, state: [R; 1]) -> [R; 1] {
        state
    }

    #[inline(always)]
    fn push<R: Packed>(cx: R::Cx, [sum]: [&mut R; 1], value: R) {
        *sum = R::add(cx, *sum, value);
    }

    #[inline(always)]
    fn push_product<R: Packed>(cx: R::Cx, [sum]: [&mut R; 1], (a, b): (R, R)) {
        *sum = R::mul_add(cx, a, b, *sum);
    }

    #[inline(always)]
    fn flush<R: Packed>(_cx: R::Cx, _state: [R; 1], run: [R; 1]) -> [R; 1] {
        run
    }

    fn merge<T: Scalar>([sum]: [T; 1], [other]: [T; 1]) -> [T; 1] {
        [sum + other]
    }

    fn finish<T: Scalar>([sum]: [T; 1], _number: usize) -> T {
        sum
    }
}

impl Componentwise for CompensatedSum {
    /// The total, in two terms.
    type State = Numbers<2>;
    /// The sum of the run, in two terms.
    type Run = Numbers<2>;
    const BUNDLES: bool = true;
    const SUMS: bool = true;
    const HANDS_NAN_ON: bool = true;

    #[inline(always)]
    fn init<R: Packed>(cx: R::Cx) -> [R; 2] {
        [R::lit(cx, 0.0); 2]
    }

    #[inline(always)]
    fn begin<R: Packed>(cx: R::Cx, _state: [R; 2]) -> [R; 2] {
        [R::lit(cx, 0.0); 2]
    }

    #[inline(always)]
    fn push<R: Packed>(cx: R::Cx, [high, low]: [&mut R; 2], value: R) {
        compensated::add(cx, high, low, value);
    }

    #[inline(always)]
    fn push_product<R: Packed>(cx: R::Cx, [high, low]: [&mut R; 2], (a, b): (R, R)) {
        let (product, rest) = R::two_product(cx, a, b);
        // The rest is NaN where the product overflows, and without fused operations also a little before that.
        let rest = R::select(cx, R::eq(cx, rest, rest), rest, R::lit(cx, 0.0));
        *low = R::add(cx, *low, rest);
        compensated::add(cx, high, low, product);
    }

    #[inline(always)]
    fn flush<R: Packed>(cx: R::Cx, [mut high, mut low]: [R; 2], [run_high, run_low]: [R; 2]) -> [R; 2] {
        compensated::add_pair(cx, &mut high, &mut low, (run_high, run_low));
        [high, low]
    }

    fn merge<T: Scalar>(state: [T; 2], other: [T; 2]) -> [T; 2] {
        <Self as Componentwise>::flush((), state, other)
    }

    fn finish<T: Scalar>(state: [T; 2], number: usize) -> T {
        <Sum as Componentwise>::finish(state, number)
    }
}
