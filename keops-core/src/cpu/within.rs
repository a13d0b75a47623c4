//! Lists of all sources within a radius.
//!
//! Blocks of targets find their pairs, by bounds where these pay and else by all pairs, and put them in order. The lists of all
//! blocks are then copied to their places in the result. What a block finds is kept until then while that is not too much;
//! the other blocks only count, and find their pairs again when it is known how many there are and that there is memory for them.

use core::ops::Range;
use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use pulp::Arch;

#[cfg(feature = "tracing")]
use crate::cpu::event;
use crate::{
    cpu::{
        best_first::{Memory, OfLeaf},
        by_bounds,
        collect::{Found, Pair},
        over_sources,
        over_targets::TargetBlock,
        plan,
        prepare::Work,
        threads,
        units::{Cut, Kept, Units},
    },
    data::{Error, Neighbours, Pattern, room},
    lanes::{Common, Vectorized},
    problem::Pruning,
};

/// The most pairs that blocks keep before all are counted, in all batches.
pub(super) fn kept(pruning: Pruning) -> usize {
    // So that tests with few pairs find some of them again.
    if pruning.is_forced() { 1 << 12 } else { 1 << 26 }
}

/// About how many pairs are found again before they are copied.
const AGAIN: usize = 1 << 24;

/// The pairs of a block of targets: the numbers of each target's pairs, and the lists if they were kept.
struct OfBlock<T> {
    counts: Vec<u32>,
    lists: Option<(Vec<u32>, Vec<T>)>,
}

/// Finds the pairs of a batch, of which up to `kept` are kept before all are counted. `indices` are their numbers for each target.
///
/// # Errors
/// [`Error::TooManyPairs`].
pub(super) fn run<T: Vectorized>(
    (arch, common): (Arch, Option<Common>),
    work: &Work<'_, T>,
    (pattern, pruning): (Option<&Pattern>, Pruning),
    kept: usize,
    indices: &mut [u32],
) -> Result<Neighbours<T>, Error> {
    let by_bounds = if pattern.is_some() { Pruning::Never } else { pruning };
    let searched = by_bounds::searched(arch, work, by_bounds, |search, always| {
        let search = if always || search.has_few_targets() { search } else { search.that_pays()? };
        let targets = search.trees[0];
        let leaves: Vec<usize> = targets.leaves().collect();
        let blocks: Vec<_> = leaves.iter().map(|&leaf| targets.rows(leaf)).collect();
        let find = |number: usize, kept: usize| {
            let OfLeaf { block, met, inside } =
                search.of_leaf(leaves[number], usize::MAX, kept, &mut Memory::default());
            let count = targets.rows(leaves[number]).len();
            Met::of(search.work, block, count, met * count).with(inside)
        };
        Some(Blocks { work: search.work, blocks, order: Some(search.order), find: &find }.run(kept, indices))
    });
    if let Some(result) = searched {
        return result;
    }
    let shape = work.shape;
    if let Some(common) = common {
        let find = |_: usize, kept: usize| {
            let (counts, found) = over_sources::lists(common, work, kept);
            Met { counts, found, pairs: shape.targets * shape.sources }
        };
        return Blocks { work, blocks: vec![0..shape.targets; 1], order: None, find: &find }.run(kept, indices);
    }
    let step = plan::block_targets::<T>(&work.layout, shape).min(plan::listing_targets(shape));
    let units = match pattern {
        Some(pattern) => {
            let cut = Cut { targets: shape.targets, step, lanes: work.kernel.lanes(arch), scattered: None };
            Kept::get(pattern, cut)
        }
        None => Units::dense(shape.targets, 0..shape.sources, step).into(),
    };
    let blocks = units.units.iter().map(|unit| unit.targets.clone()).collect();
    let find = |number: usize, kept: usize| {
        let unit = &units.units[number];
        let mut block = TargetBlock::new(arch, work, unit.targets.clone());
        if let Some(found) = &mut block.found {
            *found = Found::new(unit.targets.len(), kept);
        }
        for (targets, sources) in units.met(unit, work.layout.compares) {
            block.meet(targets.start - unit.targets.start..targets.end - unit.targets.start, sources);
        }
        Met::of(work, block, unit.targets.len(), units.pairs(unit))
    };
    Blocks { work, blocks, order: None, find: &find }.run(kept, indices)
}

/// The pairs within the radii of a block of targets.
struct Met<T> {
    /// How many each target has.
    counts: Vec<u32>,
    found: Found<T>,
    /// How many pairs were computed.
    pairs: usize,
}

impl<T: Vectorized> Met<T> {
    /// Those of a block of `count` targets, for which so many pairs were computed.
    fn of(work: &Work<'_, T>, block: TargetBlock<'_, T>, count: usize, pairs: usize) -> Self {
        let mut counts = vec![0; count];
        work.kernel.finish(block.states.numbers(), block.lanes, count, &mut [], &mut counts);
        Self { counts, found: block.found.unwrap_or(Found::new(count, 0)), pairs }
    }

    /// These, and as many more for each target.
    fn with(mut self, more: u32) -> Self {
        self.counts.iter_mut().for_each(|count| *count += more);
        self
    }
}

/// Blocks of targets, and how their pairs are found.
struct Blocks<'a, T: Vectorized> {
    work: &'a Work<'a, T>,
    /// The places of the targets of each block, which follow each other.
    blocks: Vec<Range<usize>>,
    /// The number of the target in each place, if it is not the place.
    order: Option<&'a [u32]>,
    /// Finds the pairs within the radii of a block, and keeps them if they are not more than so many.
    find: &'a (dyn Fn(usize, usize) -> Met<T> + Sync),
}

impl<T: Vectorized> Blocks<'_, T> {
    fn run(&self, kept: usize, indices: &mut [u32]) -> Result<Neighbours<T>, Error> {
        let found: Vec<_> = self.blocks.iter().map(|_| Mutex::new(OfBlock { counts: vec![], lists: None })).collect();
        let (total, met) = (AtomicUsize::new(0), AtomicUsize::new(0));
        // Each lock is taken by the one thread that has the block.
        threads::for_each(0..found.len(), true, &|number| {
            let left = kept.saturating_sub(total.load(Ordering::Relaxed));
            let (of_block, pairs) = self.of_block(number, left);
            total.fetch_add(of_block.counts.iter().map(|&count| count as usize).sum(), Ordering::Relaxed);
            met.fetch_add(pairs, Ordering::Relaxed);
            let by_bounds = self.order.is_some();
            self.work.met(if by_bounds { self.blocks[number].len() * self.work.shape.sources } else { pairs });
            *found[number].lock().unwrap_or_else(PoisonError::into_inner) = of_block;
        });
        #[cfg(feature = "tracing")]
        if self.order.is_some() {
            event::best_first(self.work.layout.signature.name, self.work.shape, met.into_inner());
        }
        let mut found: Vec<_> =
            found.into_iter().map(|block| block.into_inner().unwrap_or_else(PoisonError::into_inner)).collect();
        let counts = found.iter().flat_map(|block| &block.counts);
        (0..).zip(counts).for_each(|(place, &count)| indices[self.target(place)] = count);
        let too_many = || Error::TooManyPairs { pairs: total.load(Ordering::Relaxed) as u64 };
        let mut starts = room(indices.len() + 1, 1)?;
        let mut end = 0;
        for (start, &count) in starts[1..].iter_mut().zip(&*indices) {
            end += count as usize;
            *start = end;
        }
        let mut row_numbers = room(end, 1).map_err(|_| too_many())?;
        let mut values = room(end, 1).map_err(|_| too_many())?;
        let mut first = 0;
        while first < found.len() {
            // As many blocks as are kept, or as were found again.
            let (mut last, mut again, mut pairs) = (first, Vec::new(), 0);
            while last < found.len() && (pairs < AGAIN || found[last].lists.is_some()) {
                if found[last].lists.is_none() {
                    pairs += found[last].counts.iter().map(|&count| count as usize).sum::<usize>();
                    again.push(last);
                }
                last += 1;
            }
            let lists: Vec<_> = again.iter().map(|_| Mutex::new(None)).collect();
            threads::for_each(0..again.len(), true, &|number| {
                let (of_block, _) = self.of_block(again[number], usize::MAX);
                *lists[number].lock().unwrap_or_else(PoisonError::into_inner) = of_block.lists;
            });
            for (&number, lists) in again.iter().zip(lists) {
                found[number].lists = lists.into_inner().unwrap_or_else(PoisonError::into_inner);
            }
            if found[first..last].iter().any(|block| block.lists.is_none()) {
                return Err(too_many());
            }
            self.copy(first, &found[first..last], &starts, (&mut row_numbers, &mut values));
            found[first..last].iter_mut().for_each(|block| block.lists = None);
            first = last;
        }
        Ok(Neighbours::new(starts, row_numbers, values))
    }

    /// The number of the target in a place.
    fn target(&self, place: usize) -> usize {
        self.order.map_or(place, |order| order[place] as usize)
    }

    /// Finds the pairs of a block.
    fn of_block(&self, number: usize, kept: usize) -> (OfBlock<T>, usize) {
        let Met { counts, found, pairs } = (self.find)(number, kept);
        let lists = (!found.is_full).then(|| in_order(found.pairs(), &counts, self.work.shape.sources)).flatten();
        (OfBlock { counts, lists }, pairs)
    }

    /// Copies the lists of blocks, the first of which is number `first`, to their places.
    fn copy(
        &self,
        first: usize,
        found: &[OfBlock<T>],
        starts: &[usize],
        (row_numbers, values): (&mut [u32], &mut [T]),
    ) {
        /// Into how many parts the result is cut. Each of them looks at all blocks.
        const PARTS: usize = 8;
        let targets = starts.len() - 1;
        let step = targets.div_ceil(PARTS).max(1);
        let (mut row_numbers, mut values, mut parts) = (row_numbers, values, Vec::new());
        for begin in (0..targets).step_by(step) {
            let end = targets.min(begin + step);
            let count = starts[end] - starts[begin];
            let to = (row_numbers.split_off_mut(..count), values.split_off_mut(..count));
            parts.push(Mutex::new((begin..end, to.0.unwrap_or_default(), to.1.unwrap_or_default())));
        }
        // Each lock is taken by the one thread that has the part.
        threads::for_each(0..parts.len(), true, &|part| {
            let (targets, row_numbers, values) = &mut *parts[part].lock().unwrap_or_else(PoisonError::into_inner);
            for (block, places) in found.iter().zip(&self.blocks[first..]) {
                let Some((from_numbers, from_values)) = &block.lists else { continue };
                let mut from = 0;
                for (place, &count) in places.clone().zip(&block.counts) {
                    let (target, count) = (self.target(place), count as usize);
                    if targets.contains(&target) {
                        let to = starts[target] - starts[targets.start];
                        row_numbers[to..to + count].copy_from_slice(&from_numbers[from..from + count]);
                        values[to..to + count].copy_from_slice(&from_values[from..from + count]);
                    }
                    from += count;
                }
            }
        });
    }
}

/// The lists of a block, those of its targets one after another and each in the order of the row numbers. `None` without memory
/// for them.
fn in_order<T: Vectorized>(pairs: &[Pair<T>], counts: &[u32], sources: usize) -> Option<(Vec<u32>, Vec<T>)> {
    /// A list with one of so many sources, or more, is put in order by marks for all sources.
    const MANY: usize = 32;
    let mut next = Vec::with_capacity(counts.len());
    let mut end = 0;
    for &count in counts {
        next.push(end);
        end += count as usize;
    }
    let (mut row_numbers, mut values) = (room(end, 1).ok()?, room(end, 1).ok()?);
    let mut sorted: Vec<(u32, T)> = room_of(end)?;
    for pair in pairs {
        let place = &mut next[pair.target as usize];
        sorted[*place] = (pair.source, pair.value);
        *place += 1;
    }
    let mut marks = Marks::default();
    let mut rest = &mut sorted[..];
    for &count in counts {
        let list = rest.split_off_mut(..count as usize).unwrap_or_default();
        if list.is_sorted_by_key(|&(row, _)| row) {
            continue;
        }
        if list.len() > sources / MANY {
            marks.sort(list, sources);
        } else {
            list.sort_unstable_by_key(|&(row, _)| row);
        }
    }
    for ((&(row, value), number), to) in sorted.iter().zip(&mut row_numbers).zip(&mut values) {
        (*number, *to) = (row, value);
    }
    Some((row_numbers, values))
}

/// Marks for all sources, by which long lists are put in order: faster than comparisons.
#[derive(Default)]
struct Marks<T> {
    /// A bit for each source.
    bits: Vec<u64>,
    values: Vec<T>,
}

impl<T: Vectorized> Marks<T> {
    /// Puts a list in the order of its row numbers, which are different and below `sources`.
    fn sort(&mut self, list: &mut [(u32, T)], sources: usize) {
        self.bits.resize(sources.div_ceil(64), 0);
        self.values.resize(sources, T::zero());
        for &(row, value) in &*list {
            self.bits[row as usize / 64] |= 1 << (row % 64);
            self.values[row as usize] = value;
        }
        let mut to = list.iter_mut();
        for (first, bits) in (0..).step_by(64).zip(&mut self.bits) {
            while *bits != 0 {
                let row = first + bits.trailing_zeros();
                *bits &= *bits - 1;
                if let Some(to) = to.next() {
                    *to = (row, self.values[row as usize]);
                }
            }
        }
    }
}

/// Memory for `count` pairs of a row number and a value.
fn room_of<T: Vectorized>(count: usize) -> Option<Vec<(u32, T)>> {
    let mut room = Vec::new();
    room.try_reserve_exact(count).ok()?;
    room.resize(count, (0, T::zero()));
    Some(room)
}
