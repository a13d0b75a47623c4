//! The CPU engine: [`Cpu`] runs any formula with any reduction on SIMD lanes and threads.
//!
//! The work is cut into units, each a block of targets and a list of ranges of sources. Units are small enough to
//! balance over threads, and large enough that nearly all of their time is spent in the loop over pairs. Nothing of
//! size N × M is ever stored. Besides inputs and outputs, the memory of a call holds the prepared sources of each batch
//! that is being computed (all of them if they take at most 16 MiB, or 256 MiB for the pairs of a pattern, else one
//! tile at a time); for each thread, the prepared targets and the states of one block; and, where the sources of few
//! blocks are divided into parts, the states of all parts. A pattern keeps the units of the last four kinds of calls;
//! for scattered pairs these contain a row number for each pair. For selections it keeps its groups of targets.
//!
//! | where | what |
//! |---|---|
//! | `plan` | how the work is cut, and how many vectors make a tile: functions of the shape and the formula only |
//! | `kernel` | the code that is compiled for each formula; everything else is compiled once, with this crate |
//! | `instructions` | the instruction sets that formulas are compiled for |
//! | `sweep` | the loop over pairs |
//! | `contract`, `products` | contractions of many components, as matrix products |
//! | `prepare` | the hoisted stages of the formula, on plain numbers |
//! | `lanes` | rows of lanes from rows, and back |
//! | `lanes::memory` | memory that calls keep for later ones: at most 32 MiB for each element type, and 512 KiB for each thread |
//! | `by_bounds` | batches without all pairs, by bounds on boxes of points |
//! | `best_first` | which pairs are left out |
//! | `sorted`, `trial` | points in the order of their trees, and whether a search of them pays |
//! | `groups` | targets that meet the same ranges of sources, for these |
//! | `filter` | the loop over pairs of the K smallest values |
//! | `units` | the units of work: which targets are paired with which sources |
//! | `over_targets` | lanes over targets: a block of targets against all sources |
//! | `over_sources` | lanes over sources: few targets against a chunk of many sources |
//! | `scattered` | lanes over targets, each with its own sources: scattered pairs |
//! | `tolerance` | sums within a tolerance |
//! | `within`, `collect` | lists of all sources within a radius, and their loop over pairs |
//! | `threads` | runs units on threads, whose stacks are large enough |
//! | `states` | states as the output of a pass, and results from states |
//! | `output` | the outputs of a block of targets, and totals over all rows |
//! | `event` | with the feature `tracing`: an event for each pass |
//!
//! Each batch is computed as a separate problem; threads take batches as they take blocks. A block-sparse pattern only
//! changes the list of units.
//!
//! Results do not depend on the number of threads, because neither the cut into units nor the order in which parts are
//! merged depends on it. Results may differ in the last digits between processors with different vector widths.

mod best_first;
mod by_bounds;
mod collect;
mod contract;
#[cfg(feature = "tracing")]
mod event;
mod filter;
mod groups;
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
mod sorted;
mod states;
mod sweep;
mod threads;
mod tolerance;
mod trial;
mod units;
mod within;

pub use collect::Found;
pub use kernel::{Compiled, Kernel, Layout};
pub use sweep::{SourceNumbers, Tile};
pub use tolerance::FarFormula;

use std::sync::{Mutex, PoisonError};

use pulp::Arch;

use crate::{
    data::{Error, Neighbours, Pattern, room},
    lanes::{Common, Vectorized},
    problem::{Approximation, Begin, Engine, HostPiece, Outputs, Place, Problem, Shape, ToleranceReport},
};

/// The CPU engine, with the code that was compiled for a formula and its reduction.
pub struct Cpu<'k, T: Vectorized> {
    /// The instruction set. A value of `Arch` is the proof that the processor has it.
    pub arch: Arch,
    /// The code that was compiled.
    pub kernel: &'k dyn Kernel<T>,
    /// The sizes of the kernel.
    pub layout: Layout,
    /// How far a sum may be off, and the formula as that needs it.
    pub approximation: Option<(&'k Approximation, &'static FarFormula)>,
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
        let Self { arch, kernel, layout, approximation } = *self;
        let begin = outputs.begin;
        let of_states = states::AsStates(kernel);
        let layout_of_states = begin.is_some().then(|| layout.of_states());
        let (kernel, layout): (&dyn Kernel<T>, &Layout) =
            layout_of_states.as_ref().map_or((kernel, &self.layout), |layout| (&of_states, layout));
        let (shape, pairs) = (problem.shape(), problem.pairs());
        let pattern = pairs.pattern;
        let pieces = outputs.pieces.iter_mut().map(|piece| piece.host(shape)).collect::<Result<Vec<_>, _>>()?;
        let indices = outputs.indices.host(shape.rows(), layout.signature.indices)?;
        let pieces = &mut { pieces }[..];
        let meter = pairs.meter(shape);
        let mut totals = output::Totals::new(pieces);
        let mut lists = Vec::new();
        if shape.targets > 0 {
            let over_sources =
                pattern.is_none() && plan::lanes_over_sources::<T>(layout, Shape { batches: 1, ..shape });
            let common = Common::of(arch).filter(|_| over_sources);
            #[cfg(feature = "tracing")]
            event::pass(self, common, pairs, shape);
            let run = |batch: usize, pieces: &mut [HostPiece<'_, T>], indices: &mut [u32]| -> Result<_, Error> {
                let shape = Shape { batches: 1, ..shape };
                let kept = if common.is_some() { 0 } else { plan::prepared_bytes(pattern.is_some()) };
                let begin = begin.map(|begin| {
                    let size = shape.targets * layout.state;
                    let states = begin.states.and_then(|states| states.get(batch * size..)?.get(..size));
                    Begin { states, ..begin }
                });
                let of_batch = (problem, batch, begin);
                let work = prepare::Work::new((kernel, *layout), of_batch, shape, kept, meter.as_ref())?;
                if layout.lists {
                    let kept = within::kept(pairs.pruning) / problem.shape().batches;
                    let lists = within::run((arch, common), &work, (pattern, pairs.pruning), kept, indices)?;
                    return Ok((output::Totals::new(pieces), Some(lists)));
                }
                if let Some((approximation, formula)) = approximation {
                    let tolerance = approximation.tolerance()?;
                    let forced = pairs.pruning.is_forced();
                    let found = match (pattern, begin) {
                        (Some(_), _) => None,
                        (None, None) => tolerance::run(arch, &work, (tolerance, formula, forced), pieces)?,
                        // States of exponentials have more than the sums.
                        (None, Some(_)) if formula.weights().is_some() => None,
                        (None, Some(begin)) => {
                            let results = (self.kernel, self.layout);
                            let width = results.1.signature.values;
                            let work = prepare::Work::new(results, (problem, batch, None), shape, kept, None)?;
                            let mut values = room(shape.targets, width)?;
                            let of_values = &mut [HostPiece { width, place: Place::Rows, data: &mut values }];
                            let found = tolerance::run(arch, &work, (tolerance, formula, forced), of_values)?;
                            if found.is_some() {
                                states::of_sums(&work, &values, begin, pieces);
                            }
                            found
                        }
                    };
                    let every = pattern.map_or(shape.targets as u64 * shape.sources as u64, Pattern::pairs);
                    approximation.told(found.as_ref().map_or(ToleranceReport::all(every), |(_, report)| *report));
                    if let Some((totals, _)) = found {
                        return Ok((totals, None));
                    }
                }
                if let Some(totals) = by_bounds::run(arch, &work, (pattern, pairs.pruning), pieces, indices) {
                    return Ok((totals, None));
                }
                let totals = match common {
                    Some(common) => over_sources::run(common, &work, pieces, indices),
                    None => over_targets::run(arch, &work, pattern, pieces, indices),
                };
                Ok((totals, None))
            };
            if shape.batches == 1 {
                let of_batch = run(0, pieces, indices)?;
                totals = of_batch.0;
                lists.extend(of_batch.1);
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
                        let (of_batch, of_lists) = result?;
                        totals.join(&of_batch);
                        lists.extend(of_lists);
                    }
                }
            }
        }
        if let Some(to) = &mut outputs.lists {
            **to = Neighbours::join(lists)?.with(layout.signature.targets, shape.batches);
        }
        totals.write(pieces);
        if let Some(meter) = meter {
            meter.finish();
        }
        Ok(())
    }
}
