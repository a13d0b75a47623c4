//! Lanes over sources: few targets against many sources.
//!
//! The sources are cut into chunks, one unit of work each. A unit copies its sources into rows of lanes, a tile at a
//! time, and reduces the pairs of every target with the tile. In the end the lanes of each target's state are merged,
//! and then the states of the chunks, in their order. The last sources of a chunk, which do not fill a row of lanes,
//! have a separate state, whose surplus lanes repeat the last source and are not merged.

use core::ops::Range;
use std::sync::OnceLock;

use crate::{
    cpu::{
        collect::Found,
        contract::Sources,
        lanes::{fill_lanes, lane, to_lanes},
        output::{self, Totals},
        plan,
        prepare::Work,
        sweep::{SourceNumbers, Tile},
        threads,
    },
    formula::Role,
    lanes::{Common, Vectorized, memory::Aligned},
    problem::HostPiece,
};

/// Runs all chunks. The result are the totals, which are not written yet.
pub(super) fn run<T: Vectorized>(
    common: Common,
    work: &Work<'_, T>,
    pieces: &mut [HostPiece<'_, T>],
    indices: &mut [u32],
) -> Totals {
    let Work { kernel, layout, shape, .. } = work;
    let (targets, fresh) = targets_and_states(work);

    let step = plan::chunk_sources(*shape);
    let chunks: Vec<_> = (0..shape.sources.div_ceil(step)).map(|_| OnceLock::new()).collect();
    threads::for_each(0..chunks.len(), plan::in_parallel(*shape), &|number| {
        let first = number * step;
        let sources = first..shape.sources.min(first + step);
        let count = sources.len();
        chunks[number].get_or_init(|| unit(common, work, targets.numbers(), sources, &fresh, &mut None));
        work.met(shape.targets.saturating_mul(count));
    });

    let mut joined = fresh;
    for (target, state) in joined.chunks_exact_mut(layout.state).enumerate() {
        work.begun(target).into_iter().for_each(|begun| state.copy_from_slice(begun));
    }
    for states in chunks.iter().filter_map(OnceLock::get) {
        for target in 0..shape.targets {
            let at = target * layout.state..(target + 1) * layout.state;
            kernel.merge(&mut joined[at.clone()], &states[at]);
        }
    }
    let mut totals = Totals::new(pieces);
    for mut block in output::blocks(pieces, indices, shape.targets, [shape.targets].into_iter()) {
        block.finish(*kernel, layout, &joined, 1, shape.targets);
        totals.add(&block.take_totals());
    }
    totals
}

/// The prepared targets, and their states that have seen no source.
fn targets_and_states<T: Vectorized>(work: &Work<'_, T>) -> (Aligned<T>, Vec<T>) {
    let Work { kernel, layout, shape, .. } = work;
    let mut targets = Aligned::default();
    work.prepare(Role::Target, 0..shape.targets, &mut targets);
    let mut state = vec![T::zero(); layout.state];
    kernel.init(&mut state);
    (targets, state.iter().copied().cycle().take(state.len() * shape.targets).collect())
}

/// The pairs within the radii of all targets, kept or only counted, and how many each target has.
pub(super) fn lists<T: Vectorized>(common: Common, work: &Work<'_, T>, kept: usize) -> (Vec<u32>, Found<T>) {
    let Work { kernel, layout, shape, .. } = work;
    let (targets, fresh) = targets_and_states(work);
    let step = plan::chunk_sources(*shape);
    let chunks: Vec<_> = (0..shape.sources.div_ceil(step)).map(|_| OnceLock::new()).collect();
    threads::for_each(0..chunks.len(), plan::in_parallel(*shape), &|number| {
        let sources = number * step..shape.sources.min((number + 1) * step);
        chunks[number].get_or_init(|| {
            let mut found = Some(Found::new(shape.targets, kept));
            (unit(common, work, targets.numbers(), sources, &fresh, &mut found), found)
        });
    });
    let (mut joined, mut all) = (fresh, Found::new(shape.targets, kept));
    for (number, (states, found)) in chunks.iter().filter_map(OnceLock::get).enumerate() {
        for (joined, state) in joined.chunks_exact_mut(layout.state).zip(states.chunks_exact(layout.state)) {
            kernel.merge(joined, state);
        }
        if let Some(found) = found {
            all.append(found, shape.sources.min((number + 1) * step) as u32);
        }
    }
    let mut counts = vec![0; shape.targets];
    kernel.finish(&joined, 1, shape.targets, &mut [], &mut counts);
    (counts, all)
}

/// A unit of work: all targets against a chunk of sources. The result are the states of the targets; `fresh` are the
/// states that have seen no source.
fn unit<T: Vectorized>(
    common: Common,
    work: &Work<'_, T>,
    targets: &[T],
    chunk: Range<usize>,
    fresh: &[T],
    found: &mut Option<Found<T>>,
) -> Vec<T> {
    let Work { kernel, layout, shape, .. } = work;
    let lanes = kernel.lanes(common.arch());
    let most = plan::lane_tile::<T>(layout, lanes) * lanes;
    let mut joined = fresh.to_vec();
    let mut scratch = Aligned::default();
    let mut state = vec![T::zero(); layout.state];
    let (mut parameters, mut sources, mut states) = (Aligned::default(), Aligned::default(), Aligned::default());
    fill_lanes(&work.parameters, 1, lanes, &mut parameters);
    let mut same = Aligned::default();
    fill_lanes(targets, 1, lanes, &mut same);

    // Whole rows of lanes first; then, with fresh states, the remaining sources.
    let whole = chunk.end - chunk.len() % lanes;
    for (part, valid) in [(chunk.start..whole, lanes), (whole..chunk.end, chunk.end - whole)] {
        if part.is_empty() {
            continue;
        }
        fill_lanes(&fresh[..layout.state], shape.targets, lanes, &mut states);
        let mut first = part.start;
        while first < part.end {
            let Sources { rows, count, .. } = work.sources(first..part.end, most, &mut scratch);
            to_lanes(Some(common), rows, layout.source, count, lanes, &mut sources);
            kernel.over_sources(
                common,
                Tile {
                    parameters: parameters.numbers(),
                    targets: same.numbers(),
                    target_rows: shape.targets,
                    target_count: shape.targets,
                    sources: sources.numbers(),
                    source_rows: count.div_ceil(lanes),
                    // Row numbers fit: `shape` saw to it, and whoever begins with states.
                    numbers: SourceNumbers { first: work.first_number() + first as u32, listed: &[], any_order: false },
                    contracted: None,
                    states: states.numbers_mut(),
                    found: found.as_mut(),
                },
            );
            first += count;
        }
        for target in 0..shape.targets {
            let joined = &mut joined[target * layout.state..][..layout.state];
            for number in 0..valid {
                lane(states.numbers(), target, number, lanes, &mut state);
                kernel.merge(joined, &state);
            }
        }
    }
    joined
}
