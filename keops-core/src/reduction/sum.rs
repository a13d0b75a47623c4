//! The sum of all terms.
//!
//! A run is summed in the element type, where the last product of the formula and the addition are one fused operation.
//! At its end the sum of the run is added to a compensated total. The error of the total is no larger than that of a
//! run, about 1e-7 of Σ|terms| in f32, whatever the number of terms.

use super::{Componentwise, Numbers, compensated};
use crate::number::{Packed, Scalar};

/// Σ_j f(p, x_i, y_j), for each component. 0 if there are no sources.
#[derive(Clone, Copy, Debug)]
pub struct Sum;

impl Componentwise for Sum {
    /// The total, in two terms.
    type State = Numbers<2>;
    type Run = Numbers<1>;
    const SUMS: bool = true;
    const BUNDLES: bool = true;
    const ADDS: bool = true;
    const HANDS_NAN_ON: bool = true;

    #[inline(always)]
    fn init<R: Packed>(cx: R::Cx) -> [R; 2] {
        [R::lit(cx, 0.0); 2]
    }

    #[inline(always)]
    fn begin<R: Packed>(cx: R::Cx, _state: [R; 2]) -> [R; 1] {
        [R::lit(cx, 0.0)]
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
    fn flush<R: Packed>(cx: R::Cx, [mut high, mut low]: [R; 2], [sum]: [R; 1]) -> [R; 2] {
        compensated::add(cx, &mut high, &mut low, sum);
        [high, low]
    }

    fn merge<T: Scalar>([mut high, mut low]: [T; 2], [other_high, other_low]: [T; 2]) -> [T; 2] {
        compensated::add((), &mut high, &mut low, other_high);
        [high, low + other_low]
    }

    fn finish<T: Scalar>([high, low]: [T; 2], _number: usize) -> T {
        T::of_f64(compensated::value(high, low))
    }
}
