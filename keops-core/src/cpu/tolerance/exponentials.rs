//! Sums weighted by exponentials, within a tolerance.
//!
//! Σ_j 2^(f_0) (1, f_1, ..) are sums of products with 2^(f_0), each of which has a tolerance of its own; what f_0 has of a target or of a
//! source alone, such as the potentials of optimal transport, are factors of these, of any size. Sums become states as those of
//! [`Exponential`](crate::reduction::Exponential): a shift, and sums in two terms. So what is computed pair by pair is merged as in any
//! call, and results are made of states as there.

use pulp::Arch;

use super::{FarFormula, Sums};
use crate::{
    cpu::{
        output::Totals,
        prepare::Work,
        states::{self, AsStates},
    },
    data::Error,
    lanes::Vectorized,
    problem::{HostPiece, ToleranceReport},
    reduction::Weights,
};

/// A sum: the number times two to the power of the exponent.
#[derive(Clone, Copy)]
struct Scaled {
    number: f64,
    exponent: f64,
}

impl Scaled {
    const ZERO: Self = Self { number: 0.0, exponent: 0.0 };

    /// The logarithm to base 2 of its size.
    fn size(self) -> f64 {
        if self.number == 0.0 { f64::NEG_INFINITY } else { self.number.abs().log2() + self.exponent }
    }

    /// The number that is to be multiplied by two to the power of another exponent.
    fn at(self, exponent: f64) -> f64 {
        if self.number == 0.0 { 0.0 } else { self.number * (self.exponent - exponent).exp2() }
    }
}

/// See [`run`](super::run).
pub(super) fn run<T: Vectorized>(
    arch: Arch,
    work: &Work<'_, T>,
    (t, certain, always): (f64, bool, bool),
    (formula, weights): (&FarFormula, Weights),
    pieces: &mut [HostPiece<'_, T>],
) -> Result<Option<(Totals, ToleranceReport)>, Error> {
    let layout = &work.layout;
    let components = layout.components;
    // |log(1 + e)| <= t for |e| <= 1 - exp(-t); a quotient of sums that are off by e times those of sizes is off by 2 e / (1 - e) times
    // their quotient.
    let of_sum = match weights {
        Weights::Sum => -(-t).exp_m1(),
        Weights::Mean => t / (2.0 + t),
    };
    // of the weights, and of what they are multiplied by
    let blocks = match weights {
        Weights::Sum if components > 1 => [0..0, 1..components],
        _ => [0..1, 1..components],
    };
    let of_states = AsStates(work.kernel);
    // of each target, what is far, and what is near
    let mut sums = vec![[Scaled::ZERO; 2]; work.shape.targets * components];
    let mut report = ToleranceReport::default();
    for block in blocks.into_iter().filter(|block| !block.is_empty()) {
        let Some(of_block) = Sums::new(arch, work, formula, block.clone(), (of_sum, certain, always))? else {
            return Ok(None);
        };
        let (far, width) = (of_block.far(), block.len());
        // The logarithm of a sum that may be of either sign is not known from that of sizes.
        if weights == Weights::Sum && components > 1 && of_block.clouds.0[1].linear.iter().any(|&x| x < 0.0) {
            return Ok(None);
        }
        let order = &of_block.clouds.0[0].order;
        for (&row, values) in order.iter().zip(of_block.values.chunks_exact(width)) {
            let exponent = of_block.reads.exponent(row as usize);
            for (c, &number) in block.clone().zip(values) {
                sums[row as usize * components + c][0] = Scaled { number, exponent };
            }
        }
        let near = far.near(&of_block.blocks, (&of_states, layout.of_states()))?;
        for (&row, state) in order.iter().zip(near.iter().flat_map(|near| near.chunks_exact(layout.state))) {
            let (high, low) = state[1..].split_at(components);
            for c in block.clone() {
                let number = high[c].as_f64() + low[c].as_f64();
                sums[row as usize * components + c][1] = Scaled { number, exponent: state[0].as_f64() };
            }
        }
        // Tolerances are of results, and every block has a part of that.
        let of_result = |bound: f64| match weights {
            Weights::Sum => -(-bound).ln_1p(),
            Weights::Mean => 2.0 * bound / (1.0 - bound),
        };
        let of_block = ToleranceReport { bound: of_result(of_block.report.bound), ..of_block.report };
        report = if report == ToleranceReport::default() {
            of_block
        } else {
            // What was computed in either was computed.
            let computed = report.computed.max(of_block.computed);
            let interpolated = report.interpolated.max(of_block.interpolated).min(pairs(work) - computed);
            let skipped = pairs(work) - computed - interpolated;
            ToleranceReport { skipped, interpolated, computed, bound: report.bound.max(of_block.bound) }
        };
    }
    let mut all = vec![T::zero(); work.shape.targets * layout.state];
    for (state, sums) in all.chunks_exact_mut(layout.state).zip(sums.chunks_exact(components)) {
        let size = sums.iter().flatten().map(|sum| sum.size()).fold(f64::NEG_INFINITY, f64::max);
        let shift = if size.is_finite() { T::of_f64(size.round()) } else { T::min_value() };
        state[0] = shift;
        let (high, low) = state[1..].split_at_mut(components);
        for ((high, low), [far, near]) in high.iter_mut().zip(low).zip(sums) {
            let sum = far.at(shift.as_f64()) + near.at(shift.as_f64());
            *high = T::of_f64(sum);
            *low = T::of_f64(sum - high.as_f64());
        }
    }
    let totals = states::finish((work.kernel, layout), work.shape.targets, &all, pieces, &mut []);
    work.met(report.computed as usize);
    Ok(Some((totals, report)))
}

/// The number of pairs of the batch.
fn pairs<T: Vectorized>(work: &Work<'_, T>) -> u64 {
    work.shape.targets as u64 * work.shape.sources as u64
}
