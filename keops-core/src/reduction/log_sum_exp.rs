//! The logarithm of a sum of exponentials.

use core::f64::consts::LN_2;

use super::{Exponential, Outcome, exponential::SLACK};
use crate::number::{Real, Scalar};

/// log Σ_j 2^(f_0) f_c for the components c = 1, 2, .. of f; if f has only component 0, log Σ_j 2^(f_0).
///
/// Natural logarithms of sums with exponents to base 2. -infinity if there are no sources or all exponents are
/// -infinity; NaN where the weighted sum is negative.
pub type LogSumExp = Exponential<LogOfSum>;

/// See [`LogSumExp`].
#[derive(Clone, Copy, Debug)]
pub struct LogOfSum;

/// The saved row that derivatives of [`LogSumExp`] read: a whole number m near the largest exponent, then 1 / Σ_j
/// 2^(f_0 - m) f_c for the components c = 1, 2, .. of f; if f has only component 0, 1 / Σ_j 2^(f_0 - m).
///
/// The weight of a source is 2^(f_0 - m) times such a reciprocal. The weight has all digits of f_0 - m, a difference
/// that is exact where both are large; the logarithm of the sum would have been rounded to fewer digits. Where a sum is
/// 0, 0 stands in the place of its reciprocal, so that the component contributes nothing to a derivative. NaN where a
/// sum is negative.
pub type LogSumExpSaved = Exponential<ShiftAndReciprocals>;

/// See [`LogSumExpSaved`].
#[derive(Clone, Copy, Debug)]
pub struct ShiftAndReciprocals;

/// The reciprocal of a sum, by which derivatives multiply instead of dividing by the sum; 0 for 0, NaN for a negative
/// sum.
pub(super) fn reciprocal(sum: f64) -> f64 {
    if sum == 0.0 {
        0.0
    } else if sum < 0.0 {
        f64::NAN
    } else {
        1.0 / sum
    }
}

/// The natural logarithm of `sum` 2^`shift`. The two parts are added in f64 before the one rounding to the element
/// type, so that a large shift does not cost the digits of the sum.
pub(super) fn log_of(shift: f64, sum: f64) -> f64 {
    // The slack is moved from the shift to the sum, so that the two terms do not cancel where the sum is little more
    // than its largest term.
    (shift - SLACK + <f64 as Real>::log2((), sum * <f64 as Real>::exp2((), SLACK))) * LN_2
}

/// The value in the element type. One that is as large as terms of exponents are cut to, see
/// [`bounded`](crate::number::ops::bounded), stands for the largest number with its sign: a mask of all sources is one.
pub(super) fn uncut<T: Scalar>(value: f64) -> T {
    let most = T::max_value().as_f64();
    let cut = value.is_finite() && value.abs() > 0.6499 * most;
    T::of_f64(if cut { most.copysign(value) } else { value })
}

impl Outcome for LogOfSum {
    const WEIGHTS: bool = false;

    fn values(components: usize) -> usize {
        if components > 1 { components - 1 } else { 1 }
    }

    fn finish<T: Scalar>(shift: f64, components: usize, sum: impl Fn(usize) -> f64, values: &mut [T]) {
        let first = usize::from(components > 1);
        for (c, value) in values.iter_mut().enumerate() {
            *value = uncut(log_of(shift, sum(first + c)));
        }
    }
}

impl Outcome for ShiftAndReciprocals {
    const WEIGHTS: bool = LogOfSum::WEIGHTS;

    fn values(components: usize) -> usize {
        1 + LogOfSum::values(components)
    }

    fn finish<T: Scalar>(shift: f64, components: usize, sum: impl Fn(usize) -> f64, values: &mut [T]) {
        let first = usize::from(components > 1);
        let Some((to, reciprocals)) = values.split_first_mut() else { return };
        *to = T::of_f64(shift);
        for (c, value) in reciprocals.iter_mut().enumerate() {
            *value = T::of_f64(reciprocal(sum(first + c)));
        }
    }
}
