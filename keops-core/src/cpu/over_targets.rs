//! Lanes over targets: a block of targets against ranges of sources.
//!
//! A block prepares its targets once, as rows of lanes, each with its state. Then, for each tile of sources, which is
//! small enough for the first-level cache, the pairs of every row of targets with the tile are reduced. Where only some
//! targets of a block meet a range, the states of the other lanes are restored afterwards.
//!
//! Where there are too few blocks for many threads, but many sources, each block is as many units of work as there are
//! parts of the sources, whose states are merged in their order.

use core::{ops::Range, slice};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use pulp::Arch;

use crate::{
    cpu::{
        collect::Found,
        contract::{Contracted, Contractor, Sources, is_long},
        lanes::{fill_lanes, lane, to_lanes},
        output::{self, Totals},
        plan,
        prepare::Work,
        sweep::{SourceNumbers, Tile},
        threads,
        units::{Cut, Kept, Unit, Units},
    },
    data::Pattern,
    formula::Role,
    lanes::{Common, Vectorized, memory::Aligned},
    problem::HostPiece,
    reduction::Selects,
};

/// Runs all blocks, for the pairs of a pattern if there is one. The result are the totals, which are not written yet.
pub(super) fn run<T: Vectorized>(
    arch: Arch,
    work: &Work<'_, T>,
    pattern: Option<&Pattern>,
    pieces: &mut [HostPiece<'_, T>],
    indices: &mut [u32],
) -> Totals {
    let shape = work.shape;
    let step = plan::block_targets::<T>(&work.layout, shape);
    // With one lane gathering gains nothing.
    let lanes = |common: &Common| work.kernel.lanes(common.arch()) > 1;
    // Scattered pairs need all sources prepared, which is worth it only if there are enough pairs.
    let some = |pattern: &Pattern| shape.sources <= plan::sources_for_ranges(pattern.ranges().len());
    // The row numbers in states that are an output are numbers, and not places in lists.
    let listed = work.begin.is_none() || !work.layout.keeps_numbers();
    let common = Common::of(arch).filter(|_| work.keeps_sources() && pattern.is_some_and(some)).filter(lanes);
    let common = common.filter(|_| listed);
    let units = if let Some(pattern) = pattern {
        let scattered = common.map(|common| work.kernel.lanes(common.arch()));
        let cut = Cut { targets: shape.targets, step, lanes: work.kernel.lanes(arch), scattered };
        Kept::get(pattern, cut)
    } else {
        let part = plan::part_sources(shape, shape.targets.div_ceil(step));
        if part < shape.sources {
            return run_parts(arch, work, pieces, indices, [step, part]);
        }
        Arc::new(Units::dense(shape.targets, 0..shape.sources, step))
    };
    let is_scattered = units.units.iter().any(Unit::is_scattered);
    let sources = is_scattered.then(|| work.all_sources(plan::in_parallel(shape)));
    let mut totals = Totals::new(pieces);
    let counts = units.units.iter().map(|unit| unit.targets.len());
    let blocks = output::blocks(pieces, indices, shape.targets, counts);
    // Each lock is taken by the one thread that has the block, and again when it is done.
    let blocks: Vec<_> = blocks.into_iter().map(Mutex::new).collect();
    let lock = |number: usize| blocks[number].lock().unwrap_or_else(PoisonError::into_inner);
    let wave = plan::wave(totals.len());
    for start in (0..blocks.len()).step_by(wave) {
        let end = blocks.len().min(start + wave);
        threads::for_each(start..end, plan::in_parallel(shape), &|number| {
            let unit = &units.units[number];
            if let (Some(common), Some(pattern), Some(sources), false) =
                (common, pattern, &sources, !unit.is_scattered())
            {
                let lists = unit.lists(pattern, work.kernel.lanes(common.arch()));
                lists.run(common, work, (unit.targets.start, sources), |finish| finish(&mut lock(number)));
                return work.met(lists.pairs());
            }
            let mut block = TargetBlock::new(arch, work, unit.targets.clone());
            for (targets, sources) in units.met(unit, work.layout.compares) {
                block.meet(targets.start - unit.targets.start..targets.end - unit.targets.start, sources);
            }
            let (states, lanes) = (block.states.numbers(), block.lanes);
            lock(number).finish(work.kernel, &work.layout, states, lanes, unit.targets.len());
            work.met(units.pairs(unit));
        });
        (start..end).for_each(|number| totals.add(&lock(number).take_totals()));
    }
    totals
}

/// Runs all blocks of `step` targets, each in parts of `part` sources. The result are the totals, which are not written
/// yet.
fn run_parts<T: Vectorized>(
    arch: Arch,
    work: &Work<'_, T>,
    pieces: &mut [HostPiece<'_, T>],
    indices: &mut [u32],
    [step, part]: [usize; 2],
) -> Totals {
    let Work { kernel, layout, shape, .. } = work;
    let parts = shape.sources.div_ceil(part);
    let targets = |block: usize| block * step..shape.targets.min((block + 1) * step);
    let units: Vec<_> = (0..parts * shape.targets.div_ceil(step)).map(|_| OnceLock::new()).collect();
    threads::for_each(0..units.len(), plan::in_parallel(*shape), &|number| {
        let first = number % parts * part;
        let sources = first..shape.sources.min(first + part);
        units[number].get_or_init(|| {
            let mut block = TargetBlock::with(arch, work, targets(number / parts), false);
            block.meet_all(slice::from_ref(&sources));
            block.states
        });
        work.met(targets(number / parts).len().saturating_mul(sources.len()));
    });

    let lanes = kernel.lanes(arch);
    let mut totals = Totals::new(pieces);
    let (mut state, mut other) = (vec![T::zero(); layout.state], vec![T::zero(); layout.state]);
    let counts = (0..shape.targets.div_ceil(step)).map(|number| targets(number).len());
    for (number, mut block) in output::blocks(pieces, indices, shape.targets, counts).into_iter().enumerate() {
        let count = targets(number).len();
        let mut joined = Vec::with_capacity(count * layout.state);
        let units = || units[number * parts..][..parts].iter().filter_map(OnceLock::get);
        for target in 0..count {
            let (row, place) = (target / lanes, target % lanes);
            match work.begun(number * step + target) {
                Some(begun) => state.copy_from_slice(begun),
                None => kernel.init(&mut state),
            }
            for states in units() {
                lane(states.numbers(), row, place, lanes, &mut other);
                kernel.merge(&mut state, &other);
            }
            joined.extend_from_slice(&state);
        }
        block.finish(*kernel, layout, &joined, 1, count);
        totals.add(&block.take_totals());
    }
    totals
}

/// The states that targets begin with, as rows of lanes.
#[cold]
fn fill_begun<T: Vectorized>(work: &Work<'_, T>, targets: Range<usize>, lanes: usize, to: &mut Aligned<T>) {
    let count = targets.len();
    let mut states = Vec::with_capacity(count * work.layout.state);
    targets.filter_map(|target| work.begun(target)).for_each(|state| states.extend_from_slice(state));
    to_lanes(None, &states, work.layout.state, count, lanes, to);
}

/// A block of targets, as rows of lanes, and their states.
pub(super) struct TargetBlock<'a, T: Vectorized> {
    work: &'a Work<'a, T>,
    arch: Arch,
    pub(super) lanes: usize,
    /// The number of targets, without the repeated ones that fill up the last row of lanes.
    count: usize,
    parameters: Aligned<T>,
    targets: Aligned<T>,
    pub(super) states: Aligned<T>,
    /// The numbers of the sources of a tile, if the reduction keeps row numbers and the sources are in their order.
    numbers: Vec<u32>,
    contractor: Option<Contractor<'a, T>>,
    /// The pairs that were found, if the reduction lists them.
    pub(super) found: Option<Found<T>>,
    scratch: Aligned<T>,
}

impl<'a, T: Vectorized> TargetBlock<'a, T> {
    /// A block whose states are those that the targets begin with.
    pub(super) fn new(arch: Arch, work: &'a Work<'a, T>, targets: Range<usize>) -> Self {
        Self::with(arch, work, targets, work.has_begun())
    }

    /// A block whose states are those that the targets begin with, or have seen no source if it `begins` with none.
    fn with(arch: Arch, work: &'a Work<'a, T>, targets: Range<usize>, begins: bool) -> Self {
        let Work { kernel, layout, .. } = work;
        let lanes = kernel.lanes(arch);
        let count = targets.len();
        let mut scratch = Aligned::default();
        work.prepare(Role::Target, targets.clone(), &mut scratch);
        let mut states = Aligned::default();
        if begins {
            fill_begun(work, targets, lanes, &mut states);
        } else {
            let mut state = Aligned::default();
            state.resize(layout.state);
            kernel.init(state.numbers_mut());
            fill_lanes(state.numbers(), count.div_ceil(lanes), lanes, &mut states);
        }
        let (mut parameters, mut targets) = (Aligned::default(), Aligned::default());
        fill_lanes(&work.parameters, 1, lanes, &mut parameters);
        to_lanes(Common::of(arch), scratch.numbers(), layout.target, count, lanes, &mut targets);
        let contractor = is_long(layout.contractions).then(|| {
            let widths = [layout.target, layout.source];
            Contractor::new(layout.contractions, &work.centres, arch, lanes, widths, targets.numbers())
        });
        let (numbers, found) = (Vec::new(), layout.lists.then(|| Found::new(count, usize::MAX)));
        Self { work, arch, lanes, count, parameters, targets, states, numbers, contractor, found, scratch }
    }

    /// The number of rows of lanes.
    pub(super) fn rows(&self) -> usize {
        self.count.div_ceil(self.lanes)
    }

    /// For some rows of lanes and each component of f, the largest of the values that the last one selected of a target has:
    /// larger ones change nothing. +infinity where a target has not selected as many values. `worst` has a place for each
    /// component of each row.
    pub(super) fn worst(&self, selects: Selects, rows: Range<usize>, worst: &mut [f64]) {
        let (state, components) = (self.work.layout.state * self.lanes, self.work.layout.components);
        for row in rows {
            let numbers = &self.states.numbers()[row * state..][..state];
            let of_row = self.lanes.min(self.count - row * self.lanes);
            for (c, worst) in worst[row * components..][..components].iter_mut().enumerate() {
                let last = ((selects.count - 1) * components + c) * self.lanes;
                *worst = f64::NEG_INFINITY;
                for value in &numbers[last..last + of_row] {
                    let value = if value.is_nan() { f64::INFINITY } else { value.as_f64() };
                    *worst = worst.max(value);
                }
            }
        }
    }

    /// Reduces all pairs of all targets with these sources.
    pub(super) fn meet_all(&mut self, sources: &[Range<usize>]) {
        self.meet_rows(0..self.rows(), sources);
    }

    /// Reduces all pairs of some targets with these sources, and leaves the states of the other targets as they are.
    pub(super) fn meet(&mut self, targets: Range<usize>, sources: &[Range<usize>]) {
        let lanes = self.lanes;
        if targets == (0..self.count) {
            return self.meet_all(sources);
        }
        let rows = targets.start / lanes..targets.end.div_ceil(lanes);
        let size = self.work.layout.state * lanes;
        let numbers = rows.start * size..rows.end * size;
        let before = self.states.numbers()[numbers.clone()].to_vec();
        let listed = self.found.as_ref().map_or(0, Found::len);
        self.meet_rows(rows.clone(), sources);
        if let Some(found) = &mut self.found {
            found.retain(listed, &targets);
        }
        let after = self.states.numbers_mut()[numbers].chunks_exact_mut(lanes);
        for (number, (after, before)) in after.zip(before.chunks_exact(lanes)).enumerate() {
            let first = (rows.start + number / self.work.layout.state) * lanes;
            for (lane, (after, before)) in after.iter_mut().zip(before).enumerate() {
                if !targets.contains(&(first + lane)) {
                    *after = *before;
                }
            }
        }
    }

    /// Reduces all pairs of some rows of lanes with these sources.
    pub(super) fn meet_rows(&mut self, rows: Range<usize>, sources: &[Range<usize>]) {
        let Self { work, arch, lanes, count, parameters, targets, states, numbers: ramp, contractor, found, scratch } =
            self;
        let Work { kernel, layout, .. } = work;
        let (parameters, arch) = (parameters.numbers(), *arch);
        let [target, state] = [layout.target * *lanes, layout.state * *lanes];
        let targets = &targets.numbers()[rows.start * target..rows.end * target];
        let states = &mut states.numbers_mut()[rows.start * state..rows.end * state];
        for range in sources {
            let mut first = range.start;
            while first < range.end {
                let tile = work.sources(first..range.end, plan::source_tile::<T>(layout), scratch);
                let Sources { rows: sources, count: source_rows, .. } = tile;
                // Row numbers fit: `shape` saw to it, and whoever begins with states.
                let from = work.first_number();
                let all = from + first as u32..from + (first + source_rows) as u32;
                let listed = match work.order {
                    _ if !layout.keeps_numbers() => &[][..],
                    Some(order) if from == 0 => &order[first..first + source_rows],
                    Some(order) => {
                        ramp.clear();
                        ramp.extend(order[first..first + source_rows].iter().map(|number| from + number));
                        &ramp[..]
                    }
                    None => {
                        ramp.clear();
                        ramp.extend(all.clone());
                        &ramp[..]
                    }
                };
                let numbers = SourceNumbers { first: all.start, listed, any_order: work.any_order() };
                let mut take =
                    |targets: &[T], rows: Range<usize>, contracted: Option<Contracted<'_, T>>, states: &mut [T]| {
                        let mut found = found.as_mut();
                        if let Some(found) = &mut found {
                            found.first = rows.start * *lanes;
                        }
                        let (target_rows, target_count) = (rows.len(), count.saturating_sub(rows.start * *lanes));
                        let tile = Tile {
                            parameters,
                            targets,
                            target_rows,
                            target_count,
                            sources,
                            source_rows,
                            numbers,
                            contracted,
                            states,
                            found,
                        };
                        kernel.over_targets(arch, tile);
                    };
                if let Some(contractor) = contractor {
                    // A row or two at a time, so that their contractions stay in the first-level cache.
                    contractor.meet(tile);
                    let together = contractor.together();
                    let of_rows = targets.chunks(together * target).zip(states.chunks_mut((together * state).max(1)));
                    for (row, (targets, states)) in rows.clone().step_by(together).zip(of_rows) {
                        let contracted = contractor.rows(row, targets, tile);
                        take(targets, row..row + targets.len() / target, Some(contracted), states);
                    }
                } else {
                    take(targets, rows.clone(), None, states);
                }
                first += source_rows;
            }
        }
    }
}
