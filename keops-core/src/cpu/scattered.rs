//! Pairs here and there: lanes over targets, each of which has sources of its own.
//!
//! The targets of a unit are taken in the order of how many sources they meet, so that those that share a row of lanes meet
//! about as many. The first sources of all of them make a row of lanes, the second ones another, and so on: gathered from
//! the prepared sources, they are swept as if lanes ran over sources. Where only some targets of a row have a source left, the
//! lanes of the others get back the state that they had before.
//!
//! What a reduction keeps as a row number is a place in such a tile meanwhile. It grows with the row number of a target's
//! sources, so that ties go to the lowest, and is replaced in the end.

use core::ops::Range;

use crate::{
    cpu::{instructions::Common, lanes::fill_lanes, memory::Aligned, output::Block, plan, prepare::Work, sweep::Tile},
    formula::Role,
    ranges::{Pattern, Segment},
    real::Element,
    reduction::MISSING,
};

/// The sources of consecutive targets.
pub(super) struct Scattered {
    targets: Range<usize>,
    /// Row numbers, those of a segment one after another.
    sources: Vec<u32>,
    /// Which of them each target meets.
    lists: Vec<[u32; 2]>,
}

impl Scattered {
    /// The pairs of these segments of a pattern, whose targets are in a range.
    pub(super) fn new(pattern: &Pattern, segments: &[Segment], targets: Range<usize>) -> Self {
        let ranges = match (segments.first(), segments.last()) {
            (Some(first), Some(last)) => &pattern.ranges()[first.first..last.first + last.count],
            _ => &[],
        };
        let mut lists = vec![[0; 2]; targets.len()];
        let rows =
            |segment: &Segment| segment.rows.first as usize - targets.start..segment.rows.end as usize - targets.start;
        let pairs: u64 = ranges.iter().map(|range| u64::from(range.end - range.first)).sum();
        if pairs == ranges.len() as u64 {
            let base = segments.first().map_or(0, |segment| segment.first);
            for segment in segments {
                let first = (segment.first - base) as u32;
                let list = [first, first + segment.count as u32];
                match rows(segment) {
                    // what most segments are, without a loop
                    Range { start, end } if end - start == 1 => lists[start] = list,
                    rows => lists[rows].fill(list),
                }
            }
            return Self { targets, sources: ranges.iter().map(|range| range.first).collect(), lists };
        }
        let mut sources = Vec::with_capacity(2 * ranges.len());
        for segment in segments {
            let first = sources.len() as u32;
            pattern.ranges_of(segment).iter().for_each(|range| sources.extend(range.first..range.end));
            lists[rows(segment)].fill([first, sources.len() as u32]);
        }
        Self { targets, sources, lists }
    }

    fn list(&self, target: u32) -> &[u32] {
        let [first, end] = self.lists[target as usize];
        &self.sources[first as usize..end as usize]
    }

    fn count(&self, target: u32) -> u32 {
        let [first, end] = self.lists[target as usize];
        end - first
    }

    /// How many pairs.
    pub(super) fn pairs(&self) -> usize {
        self.lists.iter().map(|[first, end]| (end - first) as usize).sum()
    }

    /// The targets, those with the most sources first.
    fn order(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.lists.len() as u32).collect();
        let most = (0..order.len() as u32).map(|target| self.count(target)).max().unwrap_or(0);
        if most as usize > 4 * order.len() {
            order.sort_by_key(|&target| core::cmp::Reverse(self.count(target)));
            return order;
        }
        // how many have more than that
        let mut places = vec![0_u32; most as usize + 1];
        (0..order.len() as u32).for_each(|target| places[self.count(target) as usize] += 1);
        let mut before = 0;
        for place in places.iter_mut().rev() {
            before += core::mem::replace(place, before);
        }
        for target in 0..order.len() as u32 {
            let place = &mut places[self.count(target) as usize];
            order[*place as usize] = target;
            *place += 1;
        }
        order
    }

    /// The states of all targets after they met their sources, which are among these prepared ones; one after another.
    pub(super) fn states<T: Element>(&self, common: Common, work: &Work<'_, T>, sources: &[T]) -> Vec<T> {
        let Work { kernel, layout, .. } = work;
        let lanes = kernel.lanes(common.arch());
        let mut init = vec![T::zero(); layout.state];
        kernel.init(&mut init);
        let (mut parameters, mut fresh, mut states) = (Aligned::default(), Aligned::default(), Aligned::default());
        fill_lanes(&work.parameters, 1, lanes, &mut parameters);
        fill_lanes(&init, 1, lanes, &mut fresh);
        fill_lanes(&init, 1, lanes, &mut states);
        let (mut rows, mut row) = (Aligned::default(), Aligned::default());
        let (mut room, mut tile) = (Aligned::default(), Aligned::default());
        work.prepare(Role::Target, self.targets.clone(), &mut rows);
        row.resize(layout.target * lanes);
        let step = plan::lane_tile::<T>(layout, lanes);
        tile.resize(step * layout.source * lanes);
        room.resize(step * layout.source * lanes);
        let mut before = vec![T::zero(); layout.state * lanes];

        let mut finished = vec![T::zero(); self.lists.len() * layout.state];
        for targets in self.order().chunks(lanes) {
            // Lanes without a target repeat the first one.
            for lane in 0..lanes {
                let target = *targets.get(lane).unwrap_or(&targets[0]) as usize;
                let from = &rows.numbers()[target * layout.target..][..layout.target];
                from.iter().enumerate().for_each(|(c, &number)| row.numbers_mut()[c * lanes + lane] = number);
            }
            states.numbers_mut().copy_from_slice(fresh.numbers());
            let (mut done, mut active) = (0, targets.len());
            while let Some(&last) = targets[..active].last() {
                let left = self.count(last) as usize - done;
                if left == 0 {
                    active -= 1;
                    continue;
                }
                let count = left.min(step);
                let tile = &mut tile.numbers_mut()[..count * layout.source * lanes];
                let list = |lane: usize| {
                    let target = if lane < active { targets[lane] } else { targets[0] };
                    &self.list(target)[done..done + count]
                };
                gather((sources, layout.source), list, room.numbers_mut(), tile, lanes);
                let others = active < lanes;
                if others {
                    before.copy_from_slice(states.numbers());
                }
                kernel.over_sources(
                    common,
                    Tile {
                        parameters: parameters.numbers(),
                        targets: row.numbers(),
                        target_rows: 1,
                        sources: tile,
                        source_rows: count,
                        // Lists are short enough.
                        first: (done * lanes) as u32,
                        contracted: None,
                        states: states.numbers_mut(),
                    },
                );
                if others {
                    let all = states.numbers_mut().chunks_exact_mut(lanes).zip(before.chunks_exact(lanes));
                    all.for_each(|(after, before)| after[active..].copy_from_slice(&before[active..]));
                }
                done += count;
            }
            for (lane, &target) in targets.iter().enumerate() {
                let state = &mut finished[target as usize * layout.state..][..layout.state];
                state.iter_mut().enumerate().for_each(|(c, to)| *to = states.numbers()[c * lanes + lane]);
            }
        }
        finished
    }

    /// Writes the results.
    pub(super) fn finish<T: Element>(
        &self,
        common: Common,
        work: &Work<'_, T>,
        states: &[T],
        block: &mut Block<'_, T>,
    ) {
        let Work { kernel, layout, .. } = work;
        block.finish(*kernel, layout, states, 1, self.lists.len());
        if layout.indices > 0 {
            let lanes = kernel.lanes(common.arch());
            for (target, row) in block.indices_mut().chunks_exact_mut(layout.indices).enumerate() {
                let list = self.list(target as u32);
                for index in row.iter_mut().filter(|index| **index != MISSING) {
                    *index = list[*index as usize / lanes];
                }
            }
        }
    }
}

/// How many lanes are written at a time: a vector of every instruction set.
const FOUR: usize = 4;

/// Rows of `width` numbers to rows of lanes, the lists of all lanes being of one length. `room` is for what is gathered.
///
/// The rows are copied first, one after another: so short a loop waits for many of them at the same time.
fn gather<'l, T: Element>(
    (rows, width): (&[T], usize),
    list: impl Fn(usize) -> &'l [u32],
    room: &mut [T],
    to: &mut [T],
    lanes: usize,
) {
    match width {
        0 => {}
        1 => gather_rows::<T, 1>(rows, list, room, to, lanes),
        2 => gather_rows::<T, 2>(rows, list, room, to, lanes),
        3 => gather_rows::<T, 3>(rows, list, room, to, lanes),
        4 => gather_rows::<T, 4>(rows, list, room, to, lanes),
        5 => gather_rows::<T, 5>(rows, list, room, to, lanes),
        6 => gather_rows::<T, 6>(rows, list, room, to, lanes),
        7 => gather_rows::<T, 7>(rows, list, room, to, lanes),
        8 => gather_rows::<T, 8>(rows, list, room, to, lanes),
        _ => {
            for lane in 0..lanes {
                for (&source, to) in list(lane).iter().zip(room[lane * to.len() / lanes..].chunks_exact_mut(width)) {
                    to.copy_from_slice(&rows[source as usize * width..][..width]);
                }
            }
            // Each lane's numbers follow each other as those of the rows of lanes do.
            transpose(room, to, lanes);
        }
    }
}

/// [`gather`] for rows of a few numbers, which are copied without calls.
fn gather_rows<'l, T: Element, const WIDTH: usize>(
    rows: &[T],
    list: impl Fn(usize) -> &'l [u32],
    room: &mut [T],
    to: &mut [T],
    lanes: usize,
) {
    let (rows, count) = (rows.as_chunks::<WIDTH>().0, to.len() / (WIDTH * lanes));
    let gathered = room.as_chunks_mut::<WIDTH>().0;
    for lane in 0..lanes {
        let to = &mut gathered[lane * count..][..count];
        list(lane).iter().zip(to).for_each(|(&source, to)| *to = rows[source as usize]);
    }
    transpose(room, to, lanes);
}

/// What `from` has of each lane, one lane after another, to rows of lanes.
fn transpose<T: Element>(from: &[T], to: &mut [T], lanes: usize) {
    let count = to.len() / lanes;
    let mut lane = 0;
    while lane + FOUR <= lanes {
        let [a, b, c, d] = [0, 1, 2, 3].map(|l| &from[(lane + l) * count..][..count]);
        let numbers = a.iter().zip(b).zip(c.iter().zip(d));
        for (((&a, &b), (&c, &d)), to) in numbers.zip(to.chunks_mut(lanes)) {
            to[lane..lane + FOUR].copy_from_slice(&[a, b, c, d]);
        }
        lane += FOUR;
    }
    for lane in lane..lanes {
        from[lane * count..][..count].iter().zip(to.chunks_mut(lanes)).for_each(|(&from, to)| to[lane] = from);
    }
}
