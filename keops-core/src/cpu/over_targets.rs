//! Lanes over targets: a block of targets against ranges of sources.
//!
//! A block prepares its targets once, as rows of lanes, each with its state. Then, for each tile of sources, small
//! enough for the first-level cache, every row of targets takes all of its pairs.
//!
//! Where there are too few blocks for many threads, but many sources, each block is as many units of work as there are
//! parts of the sources, whose states are merged in their order.

use core::{ops::Range, slice};
use std::sync::{Mutex, OnceLock, PoisonError};

use pulp::Arch;

use crate::{
    cpu::{
        contract::{Contractor, Sources, is_long},
        lanes::{Aligned, fill_lanes, lane, to_lanes},
        output::{self, HostPiece, Totals},
        plan,
        prepare::Work,
        sweep::Tile,
        threads,
    },
    formula::Role,
    real::Element,
};

/// Runs all blocks.
pub(super) fn run<T: Element>(arch: Arch, work: &Work<'_, T>, pieces: &mut [HostPiece<'_, T>], indices: &mut [u32]) {
    let shape = work.shape;
    let step = plan::block_targets::<T>(&work.layout, shape);
    let part = plan::part_sources(shape, shape.targets.div_ceil(step));
    if part < shape.sources {
        return run_parts(arch, work, pieces, indices, [step, part]);
    }
    let sources = 0..shape.sources;
    let mut totals = Totals::new(pieces);
    let blocks = output::blocks(pieces, indices, shape.targets, step);
    // Each lock is taken by the one thread that has the block, and again when it is done.
    let blocks: Vec<_> = blocks.into_iter().map(Mutex::new).collect();
    let lock = |number: usize| blocks[number].lock().unwrap_or_else(PoisonError::into_inner);
    let wave = plan::wave(totals.len());
    for start in (0..blocks.len()).step_by(wave) {
        let end = blocks.len().min(start + wave);
        threads::for_each(start..end, plan::in_parallel(shape), &|number| {
            let first = number * step;
            let targets = first..shape.targets.min(first + step);
            let count = targets.len();
            let states = unit(arch, work, targets, slice::from_ref(&sources));
            lock(number).finish(work.kernel, &work.layout, states.numbers(), work.kernel.lanes(arch), count);
        });
        (start..end).for_each(|number| totals.add(&lock(number).take_totals()));
    }
    drop(blocks);
    totals.write(pieces);
}

/// Runs all blocks of `step` targets, each in parts of `part` sources.
fn run_parts<T: Element>(
    arch: Arch,
    work: &Work<'_, T>,
    pieces: &mut [HostPiece<'_, T>],
    indices: &mut [u32],
    [step, part]: [usize; 2],
) {
    let Work { kernel, layout, shape, .. } = work;
    let parts = shape.sources.div_ceil(part);
    let targets = |block: usize| block * step..shape.targets.min((block + 1) * step);
    let units: Vec<_> = (0..parts * shape.targets.div_ceil(step)).map(|_| OnceLock::new()).collect();
    threads::for_each(0..units.len(), plan::in_parallel(*shape), &|number| {
        let first = number % parts * part;
        let sources = first..shape.sources.min(first + part);
        units[number].get_or_init(|| unit(arch, work, targets(number / parts), slice::from_ref(&sources)));
    });

    let lanes = kernel.lanes(arch);
    let mut totals = Totals::new(pieces);
    let (mut state, mut other) = (vec![T::zero(); layout.state], vec![T::zero(); layout.state]);
    for (number, mut block) in output::blocks(pieces, indices, shape.targets, step).into_iter().enumerate() {
        let count = targets(number).len();
        let mut joined = Vec::with_capacity(count * layout.state);
        let units = || units[number * parts..][..parts].iter().filter_map(OnceLock::get);
        for target in 0..count {
            let (row, place) = (target / lanes, target % lanes);
            kernel.init(&mut state);
            for states in units() {
                lane(states.numbers(), row, place, lanes, &mut other);
                kernel.merge(&mut state, &other);
            }
            joined.extend_from_slice(&state);
        }
        block.finish(*kernel, layout, &joined, 1, count);
        totals.add(&block.take_totals());
    }
    totals.write(pieces);
}

/// A unit of work: a block of targets against ranges of sources. The states, in rows of lanes.
fn unit<T: Element>(arch: Arch, work: &Work<'_, T>, targets: Range<usize>, sources: &[Range<usize>]) -> Aligned<T> {
    let Work { kernel, layout, .. } = work;
    let lanes = kernel.lanes(arch);
    let count = targets.len();
    let rows = count.div_ceil(lanes);
    let mut scratch = Vec::new();
    work.prepare(Role::Target, targets, &mut scratch);
    let (mut parameters, mut targets, mut states) = (Aligned::default(), Aligned::default(), Aligned::default());
    fill_lanes(&work.parameters, 1, lanes, &mut parameters);
    to_lanes(&scratch, layout.target, count, lanes, &mut targets);
    let mut state = vec![T::zero(); layout.state];
    kernel.init(&mut state);
    fill_lanes(&state, rows, lanes, &mut states);

    let mut contractor = is_long(layout.contractions).then(|| {
        let widths = [layout.target, layout.source];
        Contractor::new(layout.contractions, &work.centres, arch, lanes, widths, targets.numbers())
    });
    for range in sources {
        let mut first = range.start;
        while first < range.end {
            let tile = work.sources(first..range.end, plan::source_tile::<T>(layout), &mut scratch);
            let Sources { rows: sources, count: source_rows, .. } = tile;
            let parameters = parameters.numbers();
            let take = |targets: &[T], target_rows: usize, contracted: &[T], states: &mut [T]| {
                // Row numbers fit: `shape` saw to it.
                let first = first as u32;
                let tile = Tile { parameters, targets, target_rows, sources, source_rows, first, contracted, states };
                kernel.over_targets(arch, tile);
            };
            if let Some(contractor) = &mut contractor {
                // Row by row, so that the contractions of a row stay in the first-level cache.
                contractor.meet(tile);
                let targets = targets.numbers().chunks_exact(layout.target * lanes);
                let states = states.numbers_mut().chunks_exact_mut(layout.state * lanes);
                for (row, (targets, states)) in targets.zip(states).enumerate() {
                    let contracted = contractor.row(row, targets, tile);
                    take(targets, 1, contracted, states);
                }
            } else {
                take(targets.numbers(), rows, &[], states.numbers_mut());
            }
            first += source_rows;
        }
    }
    states
}
