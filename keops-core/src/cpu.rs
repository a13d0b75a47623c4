//! The CPU engine: [`Cpu`] runs any formula with any reduction on SIMD lanes and threads.
//!
//! The work is cut into units, an i-block × a list of ranges of sources, so small that they balance over threads and
//! so large that their cost is all in the loop over pairs. Nothing of size N × M is ever stored: beyond inputs and
//! outputs there are the prepared sources (at most 16 MiB, or 256 MiB for the pairs of a pattern, else a tile of them at a
//! time; of each batch that is being computed) and, for each thread, the prepared targets and states of one block. Where
//! the sources of few blocks are taken in parts, the states of all parts. A pattern keeps its units, for pairs here and there a
//! row number for each pair, of the last four kinds of calls.
//!
//! | where | what |
//! |---|---|
//! | `plan` | how the work is cut, and how many vectors make a tile: functions of the shape and the formula only |
//! | `kernel` | what is compiled for each formula; all the rest is compiled once, with this crate |
//! | `instructions` | the instruction sets that formulas are compiled for |
//! | `sweep` | the loop over pairs |
//! | `contract`, `products` | contractions of many components, as matrix products |
//! | `prepare` | the hoisted stages of the formula, on plain numbers |
//! | `lanes` | rows of lanes from rows, and back |
//! | `memory` | what calls keep for the next ones: for each element type at most 32 MiB, and 512 KiB a thread |
//! | `units` | which targets meet which sources |
//! | `over_targets` | lanes over targets: a block of targets against all sources |
//! | `over_sources` | lanes over sources: few targets against a chunk of many sources |
//! | `scattered` | lanes over targets, each with sources of its own: pairs here and there |
//! | `threads` | hands out units, on stacks that are large enough |
//! | `output` | the outputs of a block of targets, and totals over all rows |
//! | `event` | with the feature `tracing`: what ran, and how it was cut |
//!
//! Batches are problems of their own, which threads take as they take blocks. A block-sparse pattern is another list of
//! units.
//!
//! Results do not depend on the number of threads: neither how the work is cut nor the order in which parts are
//! merged does. They may differ in the last digits between processors with different vector widths.

mod contract;
#[cfg(feature = "tracing")]
mod event;
mod filter;
mod instructions;
mod kernel;
mod lanes;
mod output;
mod over_sources;
mod over_targets;
mod plan;
mod prepare;
mod products;
mod scattered;
mod sweep;
mod threads;
mod units;

pub use kernel::{Compiled, Kernel, Layout};
pub use sweep::Tile;

use std::sync::{Mutex, PoisonError};

use pulp::Arch;

use crate::{
    data::Error,
    lanes::{Common, Vectorized},
    problem::{Engine, HostPiece, Outputs, Problem, Shape},
};

/// The engine, with what was compiled of a formula and its reduction.
pub struct Cpu<'k, T: Vectorized> {
    /// The instruction set, which the processor has: a value of `Arch` is the proof of it.
    pub arch: Arch,
    /// What was compiled.
    pub kernel: &'k dyn Kernel<T>,
    /// Its sizes.
    pub layout: Layout,
}

impl<T: Vectorized> Engine<T> for Cpu<'_, T> {
    fn reduce(&self, problem: &Problem<'_, T>, outputs: &mut Outputs<'_, '_, T>) -> Result<(), Error> {
        match plan::stack(&self.layout) {
            None => self.run(problem, outputs),
            Some(bytes) => threads::with_stacks(bytes, || self.run(problem, outputs)),
        }
    }
}

impl<T: Vectorized> Cpu<'_, T> {
    fn run(&self, problem: &Problem<'_, T>, outputs: &mut Outputs<'_, '_, T>) -> Result<(), Error> {
        let Self { arch, kernel, layout } = *self;
        let (shape, pairs) = (problem.shape(), problem.pairs());
        let pattern = pairs.pattern;
        let pieces = outputs.pieces.iter_mut().map(|piece| piece.host(shape)).collect::<Result<Vec<_>, _>>()?;
        let indices = outputs.indices.host(shape.rows(), layout.signature.indices)?;
        let pieces = &mut { pieces }[..];
        let meter = pairs.meter(shape);
        let mut totals = output::Totals::new(pieces);
        if shape.targets > 0 {
            let over_sources =
                pattern.is_none() && plan::lanes_over_sources::<T>(&layout, Shape { batches: 1, ..shape });
            let common = Common::of(arch).filter(|_| over_sources);
            #[cfg(feature = "tracing")]
            event::pass(self, common, pairs, shape);
            let run = |batch: usize, pieces: &mut [HostPiece<'_, T>], indices: &mut [u32]| {
                let shape = Shape { batches: 1, ..shape };
                let kept = if common.is_some() { 0 } else { plan::prepared_bytes(pattern.is_some()) };
                let work = prepare::Work::new((kernel, layout), (problem, batch), shape, kept, meter.as_ref())?;
                Ok(match common {
                    Some(common) => over_sources::run(common, &work, pieces, indices),
                    None => over_targets::run(arch, &work, pattern, pieces, indices),
                })
            };
            if shape.batches == 1 {
                totals = run(0, pieces, indices)?;
            } else {
                let of_batches = output::batches(pieces, indices, shape.batches);
                // Each lock is taken by the one thread that has the batch.
                let of_batches: Vec<_> = of_batches.into_iter().map(|outputs| Mutex::new((outputs, None))).collect();
                threads::for_each(0..shape.batches, plan::in_parallel(shape), &|batch| {
                    let mut outputs = of_batches[batch].lock().unwrap_or_else(PoisonError::into_inner);
                    let ((pieces, indices), result) = &mut *outputs;
                    *result = Some(run(batch, pieces, indices));
                });
                for outputs in of_batches {
                    let (_, result) = outputs.into_inner().unwrap_or_else(PoisonError::into_inner);
                    if let Some(result) = result {
                        totals.join(&result?);
                    }
                }
            }
        }
        totals.write(pieces);
        if let Some(meter) = meter {
            meter.finish();
        }
        Ok(())
    }
}
