//! Batches by bounds: whether a selection is searched for, of which rows, and where its results go.
//!
//! Ranges make groups of targets that meet the same parts of the sources (the module `groups`). The parts are sorted by
//! themselves, and the queue of a leaf of targets begins with all parts that its group meets.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use pulp::Arch;

#[cfg(feature = "tracing")]
use crate::cpu::event;
use crate::{
    bounds::Bounds,
    cpu::{
        best_first::{Memory, OfLeaf, Search, are_few},
        groups::Groups,
        output::{self, Totals},
        over_targets, plan,
        prepare::{KeptOrder, Work},
        sorted::Sorted,
        threads,
        trial::SHARE,
        units::Kept,
    },
    data::Pattern,
    formula::Role,
    lanes::Vectorized,
    problem::{HostPiece, Place, Pruning, Shape},
};

/// How many leaves of targets a thread takes at a time.
const TOGETHER: usize = 4;

/// The fewest leaves of targets for several threads: fewer take about as long as handing them out.
pub(super) const FOR_THREADS: usize = 16;

/// Runs a batch, if the reduction selects values and bounds pay. Else the result is `None`, and nothing is written.
pub(super) fn run<T: Vectorized>(
    arch: Arch,
    work: &Work<'_, T>,
    (pattern, pruning): (Option<&Pattern>, Pruning),
    pieces: &mut [HostPiece<'_, T>],
    indices: &mut [u32],
) -> Option<Totals> {
    if pieces.iter().any(|piece| piece.place == Place::Total) {
        return None;
    }
    if let Some(pattern) = pattern {
        return of_groups(arch, work, (pattern, pruning), pieces, indices);
    }
    searched(arch, work, pruning, |search, always| {
        let (order, targets) = (search.order, search.work.shape.targets);
        let (values, found) = if always { search.all(false) } else { search.all_if_it_pays() }?;
        write(order, targets, (&values, &found), pieces, indices);
        Some(Totals::new(pieces))
    })
}

/// The formula on boxes, if the reduction selects by it and it has coordinates.
fn bounds<'a, T: Vectorized>(work: &Work<'a, T>, pruning: Pruning) -> Option<&'a Bounds<T>> {
    let by_bounds = work.layout.selects.is_some() || work.layout.within;
    let has_boxes = by_bounds && plan::has_boxes(&work.layout, work.shape);
    if pruning == Pruning::Never || !has_boxes { None } else { work.kernel.stages().map(Bounds::of_stages) }
}

/// Calls `run` with a search of a batch by bounds, unless the reduction or the shape is not one for it, or a sample shows that
/// it does not pay. `run` is told whether the search runs in any case, and else has to find out whether it pays.
pub(super) fn searched<T: Vectorized, R>(
    arch: Arch,
    work: &Work<'_, T>,
    pruning: Pruning,
    run: impl FnOnce(Search<'_, T>, bool) -> Option<R>,
) -> Option<R> {
    let always = pruning.is_forced();
    let bounds = bounds(work, pruning)?;
    let Shape { targets, sources, .. } = work.shape;
    let searches = plan::may_search(&work.layout, work.shape);
    // An order by some of the coordinates is worse than one by all, which takes longer to make.
    let by_some = always || !searches;
    let is_sorted = |kept: KeptOrder<'_, T>| match kept.alone {
        true => sources >= plan::SORTED,
        false => by_some && plan::may_search_sorted(work.shape),
    };
    let sorted_sources = work.kept(Role::Source).is_some_and(is_sorted);
    if !(always || searches || sorted_sources) {
        return None;
    }
    if !always && !sorted_sources && plan::tries_sample(targets.saturating_mul(sources), targets + sources) {
        let rows = [targets, sources].map(|count| (0..count as u32).collect::<Vec<_>>());
        let sample = Sorted::sample(work, [&rows[0], &rows[1]]);
        if !sample.search(arch, work, bounds, |search| search.that_pays().is_some()) {
            return None;
        }
    }
    Sorted::all(work, by_some).search(arch, work, bounds, |mut search| {
        search.narrow = pruning == Pruning::Narrowly && bounds.narrows();
        run(search, always)
    })
}

/// Runs a batch whose targets meet ranges of sources: the groups by bounds, and the other targets by all of their pairs.
fn of_groups<T: Vectorized>(
    arch: Arch,
    work: &Work<'_, T>,
    (pattern, pruning): (&Pattern, Pruning),
    pieces: &mut [HostPiece<'_, T>],
    indices: &mut [u32],
) -> Option<Totals> {
    let (always, bounds) = (pruning.is_forced(), bounds(work, pruning)?);
    let every = always.then(|| Groups::new(pattern, [1, 1])).flatten();
    let groups = match &every {
        Some(groups) => groups,
        None if plan::has_small_boxes(&work.layout) => pattern.kept::<Kept>()?.groups.get(pattern)?,
        None => return None,
    };
    if !always && plan::tries_sample(groups.pairs(), groups.targets.len() + groups.sources.len()) {
        let largest = groups.groups.iter().max_by_key(|group| group.pairs())?;
        let sample = Sorted::sample(work, [&groups.targets[largest.targets.clone()], &groups.sources_of(largest)]);
        if !sample.search(arch, work, bounds, |search| search.that_pays().is_some()) {
            return None;
        }
    }
    let sorted = Sorted::groups(work, groups);
    let (values, found) =
        sorted.search(arch, work, bounds, |search| if always { search.all(false) } else { search.all_if_it_pays() })?;
    let mut totals = Totals::new(pieces);
    if groups.targets.len() < work.shape.targets {
        totals = over_targets::run(arch, work, Some(&groups.rest), pieces, indices);
    }
    write(sorted.roles[0].order(), work.shape.targets, (&values, &found), pieces, indices);
    Some(totals)
}

impl<T: Vectorized> Sorted<'_, T> {
    /// Calls `run` with a search of these rows.
    fn search<R>(&self, arch: Arch, work: &Work<'_, T>, bounds: &Bounds<T>, run: impl FnOnce(Search<'_, T>) -> R) -> R {
        let [targets, sources] = &self.roles;
        let shape = Shape { targets: targets.order().len(), sources: sources.order().len(), ..work.shape };
        let keeps = !are_few([&targets.tree, &sources.tree]);
        let sorted = work.with_rows(
            &targets.numbers,
            &sources.numbers,
            shape,
            ([targets.order(), sources.order()], keeps, bounds.copies_sources()),
        );
        run(Search::new((arch, &sorted), bounds, self))
    }
}

impl<T: Vectorized> Search<'_, T> {
    /// The results of all targets, if best first pays.
    fn all_if_it_pays(self) -> Option<(Vec<T>, Vec<u32>)> {
        if self.may_narrow() { self.that_pays()?.all(false) } else { self.all(true) }
    }

    /// The values and the row numbers of all targets, in their order in the tree. `None` if a few leaves, which are `tried` first,
    /// show that best first does not pay.
    fn all(&self, tried: bool) -> Option<(Vec<T>, Vec<u32>)> {
        let Work { layout, shape, .. } = self.work;
        let widths = [layout.signature.values, layout.signature.indices];
        let (mut values, mut found) = (vec![T::zero(); shape.targets * widths[0]], vec![0; shape.targets * widths[1]]);
        let mut piece = [HostPiece { width: widths[0], place: Place::Rows, data: &mut values }];
        let targets = self.trees[0];
        let leaves: Vec<usize> = targets.leaves().collect();
        let counts = leaves.iter().map(|&leaf| targets.rows(leaf).len());
        let blocks = output::blocks(&mut piece, &mut found, shape.targets, counts);
        // Each lock is taken by the one thread that has the leaf. What is written is taken out.
        let blocks: Vec<_> = blocks.into_iter().map(|block| Mutex::new(Some(block))).collect();
        let met = AtomicUsize::new(0);
        let run = |number: usize, most: f64, memory: &mut Memory<T>| {
            let (leaf, mut output) = (leaves[number], blocks[number].lock().unwrap_or_else(PoisonError::into_inner));
            let Some(mut to) = output.take() else { return 0 };
            let OfLeaf { block, met: sources, inside } = self.of_leaf(leaf, most as usize, 0, memory);
            if sources as f64 > most {
                *output = Some(to);
                return sources;
            }
            let count = targets.rows(leaf).len();
            to.finish(self.work.kernel, layout, block.states.numbers(), block.lanes, count);
            to.count_more(inside);
            self.work.met(count * self.group(leaf).sources);
            met.fetch_add(count * sources, Ordering::Relaxed);
            sources
        };
        let parallel = leaves.len() >= FOR_THREADS;
        if tried && self.share_met(&leaves, SHARE, parallel, &run) >= SHARE {
            return None;
        }
        threads::for_each(0..leaves.len().div_ceil(TOGETHER), parallel, &|part| {
            let mut memory = Memory::default();
            for number in part * TOGETHER..leaves.len().min((part + 1) * TOGETHER) {
                run(number, f64::INFINITY, &mut memory);
            }
        });
        drop(blocks);
        #[cfg(feature = "tracing")]
        event::best_first(layout.signature.name, *shape, met.into_inner());
        Some((values, found))
    }
}

/// Writes the rows of these numbers, of `targets` in all. The others stay as they are.
fn write<T: Vectorized>(
    order: &[u32],
    targets: usize,
    (values, found): (&[T], &[u32]),
    pieces: &mut [HostPiece<'_, T>],
    indices: &mut [u32],
) {
    /// Of so many rows, the places are not looked up on several threads.
    const FEW: usize = 1024;
    let count = order.len().max(1);
    let (all, width) = (values.len() / count, found.len() / count);
    if order.len() <= FEW {
        output::scatter(found, width, order, indices, width, 0);
        let mut at = 0;
        for piece in pieces {
            output::scatter(values, all, order, piece.data, piece.width, at);
            at += piece.width;
        }
        return;
    }
    let mut places = vec![output::NOWHERE; targets];
    (0..).zip(order).for_each(|(place, &row)| places[row as usize] = place);
    output::gather(found, width, &places, indices, width, 0);
    let mut at = 0;
    for piece in pieces {
        output::gather(values, all, &places, piece.data, piece.width, at);
        at += piece.width;
    }
}
