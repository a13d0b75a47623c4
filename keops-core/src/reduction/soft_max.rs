//! Means weighted by a softmax.

use super::{
    Exponential, Outcome,
    log_sum_exp::{log_of, saved},
};
use crate::real::Element;

/// Σ_j 2^(f_0) f_c / Σ_j 2^(f_0) for the components c = 1, 2, .. of f.
///
/// NaN (0/0) if there are no sources or all exponents are -infinity.
pub type SumSoftMaxWeight = Exponential<Mean>;

/// log Σ_j 2^(f_0) (a natural logarithm), then the row of [`SumSoftMaxWeight`]: what the derivatives of a softmax
/// need of it. Both are finite where all exponents are -infinity, so that such a target counts for nothing.
pub type SoftMaxSaved = Exponential<LogAndMean>;

/// See [`SumSoftMaxWeight`].
#[derive(Clone, Copy, Debug)]
pub struct Mean;

/// See [`SoftMaxSaved`].
#[derive(Clone, Copy, Debug)]
pub struct LogAndMean;

impl Outcome for Mean {
    const WEIGHTS: bool = true;

    fn values(components: usize) -> usize {
        components - 1
    }

    fn finish<T: Element>(_shift: f64, _components: usize, sum: impl Fn(usize) -> f64, values: &mut [T]) {
        let weights = sum(0);
        for (c, value) in values.iter_mut().enumerate() {
            *value = T::from_f64(sum(c + 1) / weights);
        }
    }
}

impl Outcome for LogAndMean {
    const WEIGHTS: bool = true;

    fn values(components: usize) -> usize {
        components
    }

    fn finish<T: Element>(shift: f64, components: usize, sum: impl Fn(usize) -> f64, values: &mut [T]) {
        if let Some((log, mean)) = values.split_first_mut() {
            *log = saved(T::from_f64(log_of(shift, sum(0))));
            if sum(0) == 0.0 {
                mean.fill(T::zero());
            } else {
                Mean::finish(shift, components, sum, mean);
            }
        }
    }
}
