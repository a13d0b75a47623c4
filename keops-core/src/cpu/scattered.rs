//! Scattered pairs: lanes over targets, each of which has its own sources.
//!
//! The targets of a unit are sorted by the number of sources that they meet, so that the targets of a row of lanes meet
//! about as many. The first sources of these targets make a row of lanes, their second sources another one, and so on.
//! These rows are gathered from the prepared sources, and the pairs are reduced as with lanes over sources. Where only
//! some targets of a row have a further source, the states of the other lanes are restored afterwards.
//!
//! Meanwhile the row numbers in the state of a reduction are places in the list of gathered sources. For each target
//! these places are in the order of the row numbers, so that ties go to the lowest row number. In the end they are
//! replaced by row numbers.

use core::ops::Range;

use crate::{
    cpu::{
        lanes::{FOUR, fill_lanes, lane},
        output::BlockOutput,
        plan,
        prepare::{Spaced, Work},
        sweep::{SourceNumbers, Tile},
    },
    data::{Pattern, Segment},
    formula::Role,
    lanes::{self, Common, Vectorized, memory::Aligned},
    reduction::MISSING,
};

/// The sources of consecutive targets, in the order in which lanes read them. A function of the pattern and the lanes,
/// which is kept with the pattern.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Lists {
    lanes: usize,
    /// The targets, those with the most sources first, each by its place among them; then, up to a whole row of lanes,
    /// the first one of the last row again.
    targets: Vec<u32>,
    /// How many sources each of them meets.
    counts: Vec<u32>,
    /// For each row of targets as many rows of lanes as its first target meets sources. Lanes without a source repeat
    /// the first lane's.
    sources: Vec<u32>,
}

impl Lists {
    /// The pairs of these segments of a pattern, whose targets are in a range.
    pub(super) fn new(pattern: &Pattern, segments: &[Segment], targets: Range<usize>, lanes: usize) -> Self {
        // How many sources each target meets, and by which segment.
        let mut met = vec![(0_u32, 0_u32); targets.len()];
        for (number, segment) in segments.iter().enumerate() {
            let count = pattern.ranges_of(segment).iter().map(|range| range.end - range.first).sum();
            let rows = segment.rows.first as usize - targets.start..segment.rows.end as usize - targets.start;
            met[rows].fill((count, number as u32));
        }
        let mut order = by_count(&met);
        let counts: Vec<u32> = order.iter().map(|&target| met[target as usize].0).collect();
        let of_row = |targets: &[u32]| met[targets[0] as usize].0 as usize * lanes;
        let mut sources = vec![0; order.chunks(lanes).map(of_row).sum()];
        let mut rest = &mut sources[..];
        for targets in order.chunks(lanes) {
            let (row, after) = rest.split_at_mut(of_row(targets));
            rest = after;
            for lane in 0..lanes {
                let mut place = lane;
                if let Some(&target) = targets.get(lane)
                    && let (1.., number) = met[target as usize]
                {
                    for range in pattern.ranges_of(&segments[number as usize]) {
                        for source in range.first..range.end {
                            row[place] = source;
                            place += lanes;
                        }
                    }
                }
                while place < row.len() {
                    row[place] = row[place - lane];
                    place += lanes;
                }
            }
        }
        if let Some(&first) = order.chunks(lanes).next_back().and_then(<[u32]>::first) {
            order.resize(order.len().next_multiple_of(lanes), first);
        }
        Self { lanes, targets: order, counts, sources }
    }

    /// How many pairs.
    pub(super) fn pairs(&self) -> usize {
        self.counts.iter().map(|&count| count as usize).sum()
    }

    /// Takes all pairs, of targets from number `first` on with these prepared sources, and writes the results.
    pub(super) fn run<T: Vectorized>(
        &self,
        common: Common,
        work: &Work<'_, T>,
        (first, sources): (usize, &Spaced<T>),
        block: impl FnOnce(&mut dyn FnMut(&mut BlockOutput<'_, T>)),
    ) {
        let Work { kernel, layout, .. } = work;
        let lanes = self.lanes;
        let mut targets = Spaced::default();
        work.prepare_spaced(Role::Target, first..first + self.counts.len(), &mut targets);
        let mut init = Aligned::default();
        init.resize(layout.state);
        kernel.init(init.numbers_mut());
        let (mut parameters, mut states) = (Aligned::default(), Aligned::default());
        fill_lanes(&work.parameters, 1, lanes, &mut parameters);
        fill_lanes(init.numbers(), self.targets.len() / lanes, lanes, &mut states);
        let (mut row, mut tile, mut before) = (Aligned::default(), Aligned::default(), Aligned::default());
        let step = plan::lane_tile::<T>(layout, lanes);
        row.resize(layout.target * lanes);
        tile.resize(step * layout.source * lanes);
        before.resize(layout.state * lanes);

        let mut rest = &self.sources[..];
        for ((number, counts), order) in self.counts.chunks(lanes).enumerate().zip(self.targets.chunks_exact(lanes)) {
            let list;
            (list, rest) = rest.split_at(counts[0] as usize * lanes);
            if list.is_empty() {
                // So are those behind it.
                break;
            }
            gather(common, &targets, order, row.numbers_mut(), lanes);
            let states = &mut states.numbers_mut()[number * layout.state * lanes..][..layout.state * lanes];
            let mut done = 0;
            while done < counts[0] as usize {
                let active = counts.partition_point(|&count| count as usize > done);
                let count = (counts[active - 1] as usize - done).min(step);
                let tile = &mut tile.numbers_mut()[..count * layout.source * lanes];
                gather(common, sources, &list[done * lanes..(done + count) * lanes], tile, lanes);
                let others = active < counts.len();
                if others {
                    before.numbers_mut().copy_from_slice(states);
                }
                kernel.over_sources(
                    common,
                    Tile {
                        parameters: parameters.numbers(),
                        targets: row.numbers(),
                        target_rows: 1,
                        target_count: lanes,
                        sources: tile,
                        source_rows: count,
                        // Lists are short enough.
                        numbers: SourceNumbers { first: (done * lanes) as u32, listed: &[], any_order: false },
                        contracted: None,
                        states: &mut *states,
                        found: None,
                    },
                );
                if others {
                    let all = states.chunks_exact_mut(lanes).zip(before.numbers().chunks_exact(lanes));
                    all.for_each(|(after, before)| after[active..].copy_from_slice(&before[active..]));
                }
                done += count;
            }
        }
        let order = &self.targets[..self.counts.len()];
        if work.has_begun() {
            let (mut joined, mut other) =
                (Vec::with_capacity(order.len() * layout.state), vec![T::zero(); layout.state]);
            for (place, &target) in order.iter().enumerate() {
                lane(states.numbers(), place / lanes, place % lanes, lanes, &mut other);
                let mut state = work.begun(first + target as usize).unwrap_or(init.numbers()).to_vec();
                kernel.merge(&mut state, &other);
                joined.extend_from_slice(&state);
            }
            return block(&mut |block| block.finish_in_order(*kernel, layout, (&joined, 1), order, &|_| {}));
        }
        let name = |indices: &mut [u32]| {
            // Numbers of sources are no places.
            if !layout.within {
                self.name(indices);
            }
        };
        block(&mut |block| block.finish_in_order(*kernel, layout, (states.numbers(), lanes), order, &name));
    }

    /// Replaces places in the lists of all targets, in their order here, by row numbers.
    fn name(&self, indices: &mut [u32]) {
        let width = indices.len() / self.counts.len().max(1);
        let mut first = 0;
        for (counts, indices) in self.counts.chunks(self.lanes).zip(indices.chunks_mut((self.lanes * width).max(1))) {
            for index in indices.iter_mut().filter(|index| **index != MISSING) {
                *index = self.sources[first + *index as usize];
            }
            first += counts[0] as usize * self.lanes;
        }
    }
}

/// The numbers of those that meet something, the ones with the highest counts first.
fn by_count(met: &[(u32, u32)]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..met.len() as u32).collect();
    let most = met.iter().map(|&(count, _)| count).max().unwrap_or(0);
    if most as usize > 4 * order.len() {
        order.sort_by_key(|&number| core::cmp::Reverse(met[number as usize].0));
        return order;
    }
    // How many have more than that: where the first that has it goes.
    let mut places = vec![0_u32; most as usize + 1];
    met.iter().for_each(|&(count, _)| places[count as usize] += 1);
    let mut before = 0;
    for place in places.iter_mut().rev() {
        before += core::mem::replace(place, before);
    }
    for (number, &(count, _)) in met.iter().enumerate() {
        let place = &mut places[count as usize];
        order[*place as usize] = number as u32;
        *place += 1;
    }
    order
}

/// Rows of lanes from rows, of which `list` has the numbers, a row of lanes after another.
fn gather<T: Vectorized>(common: Common, rows: &Spaced<T>, list: &[u32], to: &mut [T], lanes: usize) {
    let from = rows.numbers();
    match (rows.width, lanes.is_multiple_of(FOUR)) {
        (0, _) => {}
        (3, true) => gather_fours::<T, 3, 1>(common, from, list, to, lanes),
        (4, true) => gather_fours::<T, 4, 1>(common, from, list, to, lanes),
        (5, true) => gather_fours::<T, 5, 2>(common, from, list, to, lanes),
        (6, true) => gather_fours::<T, 6, 2>(common, from, list, to, lanes),
        (7, true) => gather_fours::<T, 7, 2>(common, from, list, to, lanes),
        (8, true) => gather_fours::<T, 8, 2>(common, from, list, to, lanes),
        (1, _) => {
            let numbers = list.iter().map(|&row| from[row as usize]);
            to.iter_mut().zip(numbers).for_each(|(to, number)| *to = number);
        }
        (width, _) => {
            for (to, list) in to.chunks_exact_mut(width * lanes).zip(list.chunks_exact(lanes)) {
                let (fours, rest) = list.as_chunks::<FOUR>();
                for (number, &[a, b, c, d]) in fours.iter().enumerate() {
                    let row = |row: u32| &from[row as usize * rows.stride..][..width];
                    let numbers = row(a).iter().zip(row(b)).zip(row(c).iter().zip(row(d)));
                    for (((&a, &b), (&c, &d)), to) in numbers.zip(to.chunks_exact_mut(lanes)) {
                        to[number * FOUR..][..FOUR].copy_from_slice(&[a, b, c, d]);
                    }
                }
                for (&row, lane) in rest.iter().zip(fours.len() * FOUR..) {
                    let row = &from[row as usize * rows.stride..][..width];
                    row.iter().zip(to.chunks_exact_mut(lanes)).for_each(|(&from, to)| to[lane] = from);
                }
            }
        }
    }
}

/// [`gather`] for rows of `WIDTH` numbers, each in `PARTS` times four.
fn gather_fours<T: Vectorized, const WIDTH: usize, const PARTS: usize>(
    common: Common,
    rows: &[T],
    list: &[u32],
    to: &mut [T],
    lanes: usize,
) {
    lanes::gather::<T, WIDTH, PARTS>(common, rows.as_chunks::<FOUR>().0.as_chunks::<PARTS>().0, list, to, lanes);
}
