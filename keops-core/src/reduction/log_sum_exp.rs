//! The logarithm of a sum of exponentials.

use core::f64::consts::LN_2;

use super::{Exponential, Outcome, exponential::SLACK};
use crate::real::{Element, Real};

/// log Σ_j 2^(f_0) f_c for the components c = 1, 2, .. of f; if f has only component 0, log Σ_j 2^(f_0).
///
/// Natural logarithms of sums with exponents to base 2. -infinity if there are no sources or all exponents are
/// -infinity; NaN where the weighted sum is negative.
pub type LogSumExp = Exponential<LogOfSum>;

/// See [`LogSumExp`].
#[derive(Clone, Copy, Debug)]
pub struct LogOfSum;

/// log Σ_j 2^(f_0) f_c as [`LogSumExp`] has it, for its derivatives: where it is -infinity, a finite number takes its place, so
/// that a weight exp(f_0 - log Σ) is 0 for f_0 = -infinity too, and not NaN.
pub type LogSumExpSaved = Exponential<LogSaved>;

/// See [`LogSumExpSaved`].
#[derive(Clone, Copy, Debug)]
pub struct LogSaved;

/// A logarithm that derivatives read.
pub(super) fn saved<T: Element>(log: T) -> T {
    // to base 2 it must be finite as well
    if log == T::neg_infinity() { T::min_value() / T::from_f64(4.0) } else { log }
}

/// The natural logarithm of `sum` 2^`shift`. The two parts are added in f64 before the one rounding to the element
/// type, so that a large shift does not cost the digits of the sum.
pub(super) fn log_of(shift: f64, sum: f64) -> f64 {
    // for the largest exponent alone both terms are small
    (shift - SLACK + <f64 as Real>::log2((), sum * <f64 as Real>::exp2((), SLACK))) * LN_2
}

impl Outcome for LogOfSum {
    const WEIGHTS: bool = false;

    fn values(components: usize) -> usize {
        if components > 1 { components - 1 } else { 1 }
    }

    fn finish<T: Element>(shift: f64, components: usize, sum: impl Fn(usize) -> f64, values: &mut [T]) {
        let first = usize::from(components > 1);
        for (c, value) in values.iter_mut().enumerate() {
            *value = T::from_f64(log_of(shift, sum(first + c)));
        }
    }
}

impl Outcome for LogSaved {
    const WEIGHTS: bool = LogOfSum::WEIGHTS;

    fn values(components: usize) -> usize {
        LogOfSum::values(components)
    }

    fn finish<T: Element>(shift: f64, components: usize, sum: impl Fn(usize) -> f64, values: &mut [T]) {
        LogOfSum::finish(shift, components, sum, values);
        values.iter_mut().for_each(|log| *log = saved(*log));
    }
}
