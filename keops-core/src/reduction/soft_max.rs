//! Means weighted by a softmax.

use super::{Exponential, Outcome, log_sum_exp::reciprocal};
use crate::number::Scalar;

/// Σ_j 2^(f_0) f_c / Σ_j 2^(f_0) for the components c = 1, 2, .. of f.
///
/// NaN (0/0) if there are no sources or all exponents are -infinity.
pub type SumSoftMaxWeight = Exponential<WeightedMean>;

/// The saved row that derivatives of a softmax read: m and 1 / Σ_j 2^(f_0 - m) as in [`super::LogSumExpSaved`], then
/// the row of [`SumSoftMaxWeight`]. Where all exponents are -infinity, the reciprocal and the row are 0, so that such a
/// target contributes nothing to a derivative.
pub type SoftMaxSaved = Exponential<ShiftReciprocalAndMean>;

/// See [`SumSoftMaxWeight`].
#[derive(Clone, Copy, Debug)]
pub struct WeightedMean;

/// See [`SoftMaxSaved`].
#[derive(Clone, Copy, Debug)]
pub struct ShiftReciprocalAndMean;

impl Outcome for WeightedMean {
    const WEIGHTS: bool = true;

    fn values(components: usize) -> usize {
        components - 1
    }

    fn finish<T: Scalar>(_shift: f64, _components: usize, sum: impl Fn(usize) -> f64, values: &mut [T]) {
        let weights = sum(0);
        for (c, value) in values.iter_mut().enumerate() {
            *value = T::of_f64(sum(c + 1) / weights);
        }
    }
}

impl Outcome for ShiftReciprocalAndMean {
    const WEIGHTS: bool = true;

    fn values(components: usize) -> usize {
        2 + WeightedMean::values(components)
    }

    fn finish<T: Scalar>(shift: f64, components: usize, sum: impl Fn(usize) -> f64, values: &mut [T]) {
        let Some(([to, of_sum], mean)) = values.split_first_chunk_mut() else { return };
        *to = T::of_f64(shift);
        *of_sum = T::of_f64(reciprocal(sum(0)));
        if sum(0) == 0.0 {
            mean.fill(T::zero());
        } else {
            WeightedMean::finish(shift, components, sum, mean);
        }
    }
}
