//! Selections without all pairs: the smallest values of f, by bounds of f on boxes of points.
//!
//! Targets and sources are sorted into trees of boxes ([`crate::tree`]), and bounds of f over all pairs of two boxes come from
//! the formula itself, computed with intervals ([`crate::bounds`]). A leaf of targets takes the leaves of sources in the order
//! of their lower bounds ("best first"):
//!
//! ```text
//! queue = { all sources, with their lower bound }
//! while a part of the sources with the least lower bound is taken from the queue:
//!     if its lower bound exceeds what every target of the leaf has already: stop
//!     if it is a leaf: reduce all its pairs with the leaf of targets, by the loop over pairs
//!     else: add both halves to the queue, unless their lower bounds exceed that too
//! ```
//!
//! What every target has already is the largest of their K-th smallest values. Parts whose lower bound equals it are taken, so
//! equal values go to the lowest row number as without a tree: the results are the same to the bit, except where values
//! themselves depend on the tile that a pair is in, as long contractions do (the module `contract`).
//!
//! The targets of a leaf are sorted further, so that rows of lanes have boxes of their own: a row that cannot select any source
//! of a leaf sits it out.
//!
//! Whether this pays is tried on a few leaves of targets: in calls that are not large, of a sample of the points first.
//!
//! Ranges make groups of targets that meet the same parts of the sources (the module `groups`). The parts are sorted by
//! themselves, and the queue of a leaf of targets begins with all parts that its group meets.

use core::{cmp::Reverse, ops::Range};
use std::{
    borrow::Cow,
    collections::BinaryHeap,
    slice,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use pulp::Arch;

#[cfg(feature = "tracing")]
use crate::cpu::event;
use crate::{
    bounds::{Bounds, End, Interval, Rounding, Scratch},
    cpu::{
        collect::Found,
        groups::{Group, Groups},
        output::{self, Totals},
        over_targets::{self, TargetBlock},
        plan,
        prepare::{KeptOrder, Work},
        threads,
        units::Kept,
    },
    data::Pattern,
    formula::{Role, width},
    lanes::Vectorized,
    number::Real,
    problem::{HostPiece, Place, Pruning, Shape},
    reduction::Selects,
    tree::{Apart, CELL, LEAF, Tree, enclose},
};

/// Where best first meets this share of the pairs, it does not pay.
const SHARE: f64 = 0.4;

/// The same where a group of targets meets several parts of the sources, each of which has a part that is close.
const SHARE_OF_PARTS: f64 = 0.2;

/// The fewest pairs for which narrow bounds are tried, and for which a trial may take some milliseconds.
const MANY: usize = 1 << 32;

/// The same with narrow bounds, which take several times as long.
const SHARE_NARROW: f64 = 0.1;

/// About as many parts of the sources are met by a leaf of targets.
const MET: usize = 128;

/// The most parts of the targets that are few.
const FEW: usize = 3;

/// The most targets and sources of a sample.
const SAMPLE: [usize; 2] = [1 << 9, 1 << 12];

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
        let (values, found) = if always { search.all(usize::MAX) } else { search.all_if_it_pays() }?;
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
    let is_sorted = |kept: KeptOrder<'_, T>| kept.alone || by_some && plan::may_search_sorted(work.shape);
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
    Sorted::all(work, by_some).search(arch, work, bounds, |search| {
        let narrow = pruning == Pruning::Narrowly && bounds.narrows();
        run(Search { narrow, ..search }, always)
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
    let (values, found) = sorted
        .search(arch, work, bounds, |search| if always { search.all(usize::MAX) } else { search.all_if_it_pays() })?;
    let mut totals = Totals::new(pieces);
    if groups.targets.len() < work.shape.targets {
        totals = over_targets::run(arch, work, Some(&groups.rest), pieces, indices);
    }
    write(&sorted.roles[0].order, work.shape.targets, (&values, &found), pieces, indices);
    Some(totals)
}

/// Targets and sources in the orders of their trees.
struct Sorted<'w, T: Vectorized> {
    roles: [OfRole<'w, T>; 2],
    /// Which parts of the sources the targets meet.
    groups: Cow<'w, [Group]>,
    /// How many sources there are, of which these may be a sample.
    of: usize,
    /// How many pairs there are in all.
    pairs: usize,
}

/// The rows of a role in the order of their tree.
struct OfRole<'w, T: Vectorized> {
    tree: Cow<'w, Tree<T>>,
    /// The row numbers.
    order: Cow<'w, [u32]>,
    /// The numbers of each variable of a row.
    numbers: Vec<Cow<'w, [T]>>,
}

impl<'w, T: Vectorized> OfRole<'w, T> {
    /// Sorts the rows of these numbers, in parts that follow each other.
    fn new(work: &Work<'_, T>, role: Role, rows: &[u32], parts: &[Apart]) -> Self {
        let dim = width(work.layout.signature.variables, role);
        let (tree, sorted) = Tree::apart_with_points(&work.points(role, rows), dim, parts);
        let order: Vec<u32> = tree.order().iter().map(|&place| rows[place as usize]).collect();
        let variables = work.layout.signature.variables.iter().filter(|variable| variable.role == role);
        let numbers =
            if variables.count() == 1 { vec![Cow::Owned(sorted)] } else { work.reordered(role, &order, None) };
        Self { tree: Cow::Owned(tree), order: Cow::Owned(order), numbers }
    }

    /// All rows of a role, in the order of their tree if they keep one: a tree of all coordinates, or also of some of them.
    fn all(work: &Work<'w, T>, role: Role, by_some: bool) -> Self {
        let Shape { targets, sources, .. } = work.shape;
        let Some(kept) = work.kept(role).filter(|kept| kept.alone || by_some) else {
            let (count, part) = if role == Role::Target {
                (targets, of_targets(targets, sources))
            } else {
                (sources, of_sources(sources))
            };
            return Self::new(work, role, &(0..count as u32).collect::<Vec<_>>(), &[part]);
        };
        let (tree, sorted) = (kept.points.tree(), kept.points.sorted());
        if kept.alone {
            let numbers = vec![Cow::Borrowed(sorted)];
            return Self { tree: Cow::Borrowed(tree), order: Cow::Borrowed(tree.order()), numbers };
        }
        let numbers = work.reordered(role, tree.order(), Some((kept.variable, sorted)));
        let dim = width(work.layout.signature.variables, role);
        let count = tree.order().len().max(1);
        let tree = tree.with_coordinates(dim, |place, to| {
            let mut to = to;
            for numbers in &numbers {
                let dim = numbers.len() / count;
                if let Some(to) = to.split_off_mut(..dim) {
                    to.copy_from_slice(&numbers[place * dim..][..dim]);
                }
            }
        });
        Self { tree: Cow::Owned(tree), order: Cow::Borrowed(kept.points.tree().order()), numbers }
    }
}

/// How targets that meet so many sources are sorted.
fn of_targets(count: usize, sources: usize) -> Apart {
    Apart { count, leaf: plan::leaf_targets(count, sources), cell: CELL }
}

/// How sources are sorted.
fn of_sources(count: usize) -> Apart {
    Apart { count, leaf: LEAF, cell: LEAF }
}

impl<'w, T: Vectorized> Sorted<'w, T> {
    /// All rows, see [`OfRole::all`].
    fn all(work: &Work<'w, T>, by_some: bool) -> Self {
        let Shape { targets, sources, .. } = work.shape;
        let roles = [Role::Target, Role::Source].map(|role| move || OfRole::all(work, role, by_some));
        let parallel = plan::in_parallel(work.shape) && !work.kept(Role::Source).is_some_and(|kept| kept.alone);
        Self {
            roles: both(roles, parallel),
            groups: vec![Group::whole(targets, sources)].into(),
            of: sources,
            pairs: targets.saturating_mul(sources),
        }
    }

    /// The rows of some groups.
    fn groups(work: &Work<'_, T>, groups: &'w Groups) -> Self {
        let targets: Vec<_> =
            groups.groups.iter().map(|group| of_targets(group.targets.len(), group.sources)).collect();
        let sources: Vec<_> = groups.parts.iter().map(|&count| of_sources(count)).collect();
        let all = [(Role::Target, &groups.targets, &targets), (Role::Source, &groups.sources, &sources)];
        let roles = all.map(|(role, rows, parts)| move || OfRole::new(work, role, rows, parts));
        let of = groups.sources.len();
        Self {
            roles: both(roles, plan::in_parallel(work.shape)),
            groups: Cow::Borrowed(&groups.groups),
            of,
            pairs: groups.pairs(),
        }
    }

    /// A sample of targets and sources that all meet each other.
    fn sample(work: &Work<'_, T>, [targets, sources]: [&[u32]; 2]) -> Self {
        let sample = |rows: &[u32], most: usize| {
            rows.iter().copied().step_by(rows.len().div_ceil(most).max(1)).collect::<Vec<_>>()
        };
        let (some_targets, some_sources) = (sample(targets, SAMPLE[0]), sample(sources, SAMPLE[1]));
        // The boxes of a sample are as large as those of all rows, if there is time for as many boxes.
        let scales = targets.len().saturating_mul(sources.len()) >= MANY;
        let scaled = |part: Apart, some: usize, all: usize| {
            let of_sample = |points: usize| if scales { (points * some).div_ceil(all.max(1)).max(1) } else { points };
            Apart { count: some, leaf: of_sample(part.leaf), cell: of_sample(part.cell) }
        };
        let parts = [
            scaled(of_targets(targets.len(), sources.len()), some_targets.len(), targets.len()),
            scaled(of_sources(sources.len()), some_sources.len(), sources.len()),
        ];
        let roles = [
            OfRole::new(work, Role::Target, &some_targets, &parts[..1]),
            OfRole::new(work, Role::Source, &some_sources, &parts[1..]),
        ];
        let groups = vec![Group::whole(some_targets.len(), some_sources.len())];
        Self { roles, groups: groups.into(), of: sources.len(), pairs: targets.len().saturating_mul(sources.len()) }
    }

    /// Calls `run` with a search of these rows.
    fn search<R>(&self, arch: Arch, work: &Work<'_, T>, bounds: &Bounds<T>, run: impl FnOnce(Search<'_, T>) -> R) -> R {
        let [targets, sources] = &self.roles;
        let shape = Shape { targets: targets.order.len(), sources: sources.order.len(), ..work.shape };
        let keeps = !are_few([&targets.tree, &sources.tree]);
        let sorted = work.with_rows(&targets.numbers, &sources.numbers, shape, (&sources.order, keeps));
        let search = Search::new((arch, &sorted), bounds, &targets.order, [&targets.tree, &sources.tree], &self.groups);
        run(Search { of: self.of, pairs: self.pairs, ..search })
    }
}

/// The results of two functions, computed on two threads or one after the other.
fn both<R: Send>([a, b]: [impl FnOnce() -> R + Send; 2], parallel: bool) -> [R; 2] {
    if parallel {
        let (a, b) = rayon::join(a, b);
        return [a, b];
    }
    [a(), b()]
}

/// The trees of a batch whose rows are in their order, with what bounds read of each part.
pub(super) struct Search<'a, T: Vectorized> {
    arch: Arch,
    pub(super) work: &'a Work<'a, T>,
    bounds: &'a Bounds<T>,
    /// The number of the target in each place.
    pub(super) order: &'a [u32],
    /// How many sources there are, of which these may be a sample.
    of: usize,
    /// How many pairs there are in all.
    pairs: usize,
    /// Whether bounds are as narrow as they can be, which takes several times as long.
    narrow: bool,
    rounding: Rounding<T>,
    pub(super) trees: [&'a Tree<T>; 2],
    /// Which parts of the sources the targets meet.
    groups: &'a [Group],
    parameters: Vec<Interval<T>>,
    /// The prepared box of each part of the sources, one after another. Empty for a few targets, which meet a few parts.
    sources: Vec<Interval<T>>,
}

/// Whether targets are so few that they meet few of the parts of the sources.
fn are_few<T: Vectorized>([targets, sources]: [&Tree<T>; 2]) -> bool {
    targets.nodes().saturating_mul(MET) < sources.nodes()
}

/// Room for a box as a row of all variables of a role, and for what is prepared of it.
struct Prepared<T: Vectorized> {
    row: Vec<Interval<T>>,
    prepared: Vec<Interval<T>>,
}

impl<T: Vectorized> Default for Prepared<T> {
    fn default() -> Self {
        Self { row: Vec::new(), prepared: Vec::new() }
    }
}

/// What was computed for the targets of a leaf.
pub(super) struct OfLeaf<'a, T: Vectorized> {
    /// The targets and their states.
    pub(super) block: TargetBlock<'a, T>,
    /// How many sources they met.
    pub(super) met: usize,
    /// How many other sources are within the radii of all of them, as bounds show.
    pub(super) inside: u32,
}

/// A part of the sources in the queue, with its lower and its upper bound. The least lower bound comes first, and of equal
/// ones, such as those of boxes that overlap, the least upper bound, which fills the lists with small values.
type Queued = Reverse<(u64, u64, u32)>;

impl<'a, T: Vectorized> Search<'a, T> {
    fn new(
        (arch, work): (Arch, &'a Work<'a, T>),
        bounds: &'a Bounds<T>,
        order: &'a [u32],
        trees: [&'a Tree<T>; 2],
        groups: &'a [Group],
    ) -> Self {
        let rounding = Rounding::engine();
        let mut search = Self {
            arch,
            work,
            bounds,
            order,
            of: work.shape.sources,
            pairs: work.shape.targets.saturating_mul(work.shape.sources),
            narrow: false,
            rounding,
            trees,
            groups,
            parameters: Vec::new(),
            sources: Vec::new(),
        };
        let points = work.points(Role::Parameter, &[0]);
        let component = |(number, &x): (usize, &T)| Interval::component(Role::Parameter, number, x, x);
        let parameters: Vec<_> = points.iter().enumerate().map(component).collect();
        bounds.prepare(rounding, Role::Parameter, &[], &parameters, &mut search.parameters);
        let each = bounds.prepared(Role::Source);
        let nodes = trees[1].nodes();
        if are_few(trees) {
            return search;
        }
        let zero = Interval::component(Role::Source, 0, T::zero(), T::zero());
        let mut sources = vec![zero; nodes * each];
        /// How many boxes are prepared at a time.
        const TOGETHER: usize = 256;
        // Each lock is taken by the one thread that has the boxes.
        let parts: Vec<_> = sources.chunks_mut((each * TOGETHER).max(1)).map(Mutex::new).collect();
        threads::for_each(0..parts.len(), true, &|part| {
            let mut to = parts[part].lock().unwrap_or_else(PoisonError::into_inner);
            let mut prepared = Prepared::default();
            for (node, to) in (part * TOGETHER..).zip(to.chunks_exact_mut(each.max(1))) {
                search.of_node(Role::Source, node, &mut prepared);
                to.copy_from_slice(&prepared.prepared);
            }
        });
        drop(parts);
        search.sources = sources;
        search
    }

    /// Prepares the box of a part.
    fn of_node(&self, role: Role, node: usize, to: &mut Prepared<T>) {
        let tree = self.trees[usize::from(role == Role::Source)];
        let (low, high) = tree.bounds(node);
        self.of_box(role, (low, high), tree.has_nan(node), to);
    }

    /// Prepares a box, in which there may be NaN.
    fn of_box(&self, role: Role, (low, high): (&[T], &[T]), nan: bool, to: &mut Prepared<T>) {
        let interval = |(number, (&low, &high)): (usize, (&T, &T))| {
            // all of them are NaN
            let (low, high) = if low > high { (T::zero(), T::zero()) } else { (low, high) };
            let interval = Interval::component(role, number, low, high);
            if nan { interval.or_nan() } else { interval }
        };
        to.row.clear();
        to.row.extend(low.iter().zip(high).enumerate().map(interval));
        self.bounds.prepare(self.rounding, role, &self.parameters, &to.row, &mut to.prepared);
    }

    /// The prepared boxes of the rows of `lanes` targets that a leaf consists of.
    fn of_rows(&self, targets: Range<usize>, lanes: usize) -> Vec<Interval<T>> {
        let numbers: Vec<u32> = targets.map(|target| target as u32).collect();
        let points = self.work.points(Role::Target, &numbers);
        let dim = points.len() / numbers.len().max(1);
        let (mut low, mut high) = (vec![T::zero(); dim], vec![T::zero(); dim]);
        let (mut to, mut all) = (Prepared::default(), Vec::new());
        for row in points.chunks((lanes * dim).max(1)) {
            let nan = enclose(row, &mut low, &mut high);
            self.of_box(Role::Target, (&low, &high), nan, &mut to);
            all.extend_from_slice(&to.prepared);
        }
        all
    }

    /// The prepared box of a part of the sources, which is prepared in `scratch` if it was not before.
    fn source<'s>(&'s self, node: usize, scratch: &'s mut Prepared<T>) -> &'s [Interval<T>] {
        let each = self.bounds.prepared(Role::Source);
        if self.sources.is_empty() {
            self.of_node(Role::Source, node, scratch);
            return &scratch.prepared;
        }
        &self.sources[node * each..][..each]
    }

    /// The group of the targets of a leaf.
    fn group(&self, leaf: usize) -> &'a Group {
        let first = self.trees[0].rows(leaf).start;
        &self.groups[self.groups.partition_point(|group| group.targets.end <= first)]
    }

    /// The search, with narrow bounds if these are worth their time, if it pays.
    pub(super) fn that_pays(mut self) -> Option<Self> {
        let plain = self.share_met(SHARE);
        if plain > 0.5 * SHARE_NARROW && self.pairs >= MANY && self.bounds.narrows() {
            self.narrow = true;
            let narrow = self.share_met(SHARE_NARROW);
            if narrow < SHARE_NARROW && narrow < 0.4 * plain {
                return Some(self);
            }
            self.narrow = false;
        }
        (plain < SHARE).then_some(self)
    }

    /// The share of the pairs that best first meets, by a few leaves of targets, which stop at `most`. Of a sample, that of all
    /// pairs. Where a group of targets meets several parts of the sources, a share counts for more.
    fn share_met(&self, most: f64) -> f64 {
        /// The leaves that are tried, of few and of many pairs.
        const LEAVES: [usize; 2] = [3, 5];
        /// It does not pay either where it meets so many of a sample.
        const MOST: f64 = 0.8;
        // Of denser points, more are met, but a smaller share of them: neither as many nor the same share.
        let Shape { sources, .. } = self.work.shape;
        let of_all = (self.of as f64 / sources as f64).sqrt().min(MOST / most);
        let of_leaf = |leaf: usize| {
            let group = self.group(leaf);
            let of_all = if group.parts_met() > 1 { of_all.min(1.0) * SHARE_OF_PARTS / SHARE } else { of_all };
            of_all * group.sources as f64
        };
        let leaves: Vec<usize> = self.trees[0].leaves().collect();
        let tried: Vec<usize> = leaves
            .iter()
            .copied()
            .step_by(leaves.len().div_ceil(LEAVES[usize::from(self.pairs >= MANY)]).max(1))
            .collect();
        let met = AtomicUsize::new(0);
        threads::for_each(0..tried.len(), true, &|number| {
            let leaf = tried[number];
            met.fetch_add(self.of_leaf(leaf, (most * of_leaf(leaf)) as usize, 0).met, Ordering::Relaxed);
        });
        met.into_inner() as f64 / tried.iter().map(|&leaf| of_leaf(leaf)).sum::<f64>()
    }

    /// Whether trying a few leaves of targets would be most of the work.
    pub(super) fn has_few_targets(&self) -> bool {
        self.trees[0].nodes() <= FEW && self.groups.len() == 1
    }

    /// The results of all targets, if best first pays. A few targets are not tried on before.
    fn all_if_it_pays(self) -> Option<(Vec<T>, Vec<u32>)> {
        if self.has_few_targets() {
            return self.all((SHARE * self.of as f64) as usize);
        }
        self.that_pays()?.all(usize::MAX)
    }

    /// The values and the row numbers of all targets, in their order in the tree; `None` if a leaf of them meets more than `most`
    /// sources.
    fn all(&self, most: usize) -> Option<(Vec<T>, Vec<u32>)> {
        let Work { layout, shape, .. } = self.work;
        let widths = [layout.signature.values, layout.signature.indices];
        let (mut values, mut found) = (vec![T::zero(); shape.targets * widths[0]], vec![0; shape.targets * widths[1]]);
        let mut piece = [HostPiece { width: widths[0], place: Place::Rows, data: &mut values }];
        let targets = self.trees[0];
        let leaves: Vec<usize> = targets.leaves().collect();
        let counts = leaves.iter().map(|&leaf| targets.rows(leaf).len());
        let blocks = output::blocks(&mut piece, &mut found, shape.targets, counts);
        let (met, beyond) = (AtomicUsize::new(0), AtomicBool::new(false));
        // Each lock is taken by the one thread that has the leaf.
        let blocks: Vec<_> = blocks.into_iter().map(Mutex::new).collect();
        threads::for_each(0..leaves.len(), true, &|number| {
            let OfLeaf { block, met: sources, inside } = self.of_leaf(leaves[number], most, 0);
            let count = targets.rows(leaves[number]).len();
            let mut output = blocks[number].lock().unwrap_or_else(PoisonError::into_inner);
            output.finish(self.work.kernel, layout, block.states.numbers(), block.lanes, count);
            output.count_more(inside);
            self.work.met(count * self.group(leaves[number]).sources);
            met.fetch_add(count * sources, Ordering::Relaxed);
            beyond.fetch_or(sources > most, Ordering::Relaxed);
        });
        drop(blocks);
        if beyond.into_inner() {
            return None;
        }
        #[cfg(feature = "tracing")]
        event::best_first(layout.signature.name, *shape, met.into_inner());
        Some((values, found))
    }

    /// Takes the sources that matter to the targets of a leaf, but not many more than `most`. Pairs within a radius are kept
    /// if there are up to `kept` of them, for a reduction that lists them.
    pub(super) fn of_leaf(&self, leaf: usize, most: usize, kept: usize) -> OfLeaf<'a, T> {
        match self.work.layout.selects {
            Some(selects) => self.selecting(leaf, most, selects),
            None => self.within(leaf, most, kept),
        }
    }

    /// The sources within the radii of the targets of a leaf, in the order of the tree.
    fn within(&self, leaf: usize, most: usize, kept: usize) -> OfLeaf<'a, T> {
        let [targets, sources] = self.trees;
        let mut block = TargetBlock::new(self.arch, self.work, targets.rows(leaf));
        let (mut whole, mut scratch) = (Prepared::default(), Prepared::default());
        self.of_node(Role::Target, leaf, &mut whole);
        let mut values = values_of(self.work.layout.components);
        // A lower bound of f that exceeds the radius, which the first box tells, is narrow enough; that of the radius is not asked.
        let (mut enough, mut room) = ([f64::INFINITY, f64::NEG_INFINITY], Scratch::default());
        let (mut ranges, mut met, mut inside): (Vec<Range<usize>>, _, _) = (Vec::new(), 0, 0);
        let roots = self.group(leaf).parts.iter().flat_map(|parts| &sources.roots()[parts.clone()]);
        let mut left: Vec<usize> = roots.map(|&root| root as usize).collect();
        left.reverse();
        while let Some(node) = left.pop().filter(|_| met <= most) {
            self.least(&whole.prepared, self.source(node, &mut scratch), &enough, &mut room, &mut values);
            let (value, radius) = (&values[0], &values[1]);
            enough[0] = radius.hi();
            // a pair with a NaN is not within any radius
            if value.lo() > radius.hi() {
                continue;
            }
            let rows = sources.rows(node);
            let all = value.hi() <= radius.lo() && !value.may_be_nan() && !radius.may_be_nan();
            if all && kept == 0 {
                inside += rows.len() as u32;
                continue;
            }
            match sources.halves(node).filter(|_| !all) {
                Some([first, second]) => left.extend([second, first]),
                None => {
                    met += rows.len();
                    match ranges.last_mut().filter(|last| last.end == rows.start) {
                        Some(last) => last.end = rows.end,
                        None => ranges.push(rows),
                    }
                }
            }
        }
        if let Some(found) = &mut block.found {
            *found = Found::new(targets.rows(leaf).len(), kept);
        }
        block.meet_all(&ranges);
        OfLeaf { block, met, inside }
    }

    /// The sources with the smallest values for the targets of a leaf. As many are met as a row of lanes meets on average.
    fn selecting(&self, leaf: usize, most: usize, selects: Selects) -> OfLeaf<'a, T> {
        /// While a target has not selected as many values as it is to, nothing can be left out. If so after this part of the
        /// sources, and as many leaves of them, its values are NaN, as those of missing points are: the rest is taken at once.
        const HOPELESS: usize = 16;
        let [targets, sources] = self.trees;
        let (group, components) = (self.group(leaf), self.work.layout.components);
        let mut block = TargetBlock::new(self.arch, self.work, targets.rows(leaf));
        let rows = block.rows();
        let of_rows = if rows > 1 { self.of_rows(targets.rows(leaf), block.lanes) } else { Vec::new() };
        let mut whole = Prepared::default();
        self.of_node(Role::Target, leaf, &mut whole);
        // for each row, and for all of them
        let (mut worst_of_rows, mut worst) = (vec![f64::INFINITY; rows * components], vec![f64::INFINITY; components]);
        let mut values = values_of(components);
        let mut queue: BinaryHeap<Queued> = BinaryHeap::new();
        let (mut scratch, mut room) = (Prepared::default(), Scratch::default());
        // as many as one of the rows meets on average, times the rows
        let mut met = 0;
        let most = most.saturating_mul(rows);
        let beyond = |values: &[Interval<T>], worst: &[f64]| values.iter().zip(worst).all(|(value, &w)| value.lo() > w);
        let mut push = |queue: &mut BinaryHeap<Queued>, node: usize, worst: &[f64]| {
            self.least(&whole.prepared, self.source(node, &mut scratch), worst, &mut room, &mut values);
            if beyond(&values, worst) {
                return;
            }
            let bound = values.iter().map(|value| value.lo()).fold(f64::INFINITY, f64::min);
            let most = values.iter().map(|value| value.hi()).fold(f64::INFINITY, f64::min);
            queue.push(Reverse((ordered(bound), ordered(most), node as u32)));
        };
        for &root in group.parts.iter().flat_map(|parts| &sources.roots()[parts.clone()]) {
            push(&mut queue, root as usize, &worst);
        }
        let (mut of_source, mut row_values) = (Prepared::default(), values_of(components));
        let mut of_row = Scratch::default();
        while let Some(Reverse((bound, _, node))) = queue.pop() {
            let least = worst.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            if bound > ordered(least) || met > most {
                break;
            }
            if least == f64::INFINITY && met >= rows * (group.sources / HOPELESS).max(HOPELESS * LEAF) {
                // The part is the first of those that are left; together they are a few long ranges.
                let left = queue.drain().map(|Reverse((_, _, node))| node).chain([node]);
                let mut left: Vec<_> = left.map(|node| sources.rows(node as usize)).collect();
                left.sort_unstable_by_key(|part| part.start);
                left.dedup_by(|next, part| {
                    let follows = next.start == part.end;
                    part.end = if follows { next.end } else { part.end };
                    follows
                });
                met += rows * left.iter().map(Range::len).sum::<usize>();
                block.meet_rows(0..rows, &left);
                break;
            }
            if let Some(halves) = sources.halves(node as usize) {
                halves.into_iter().for_each(|half| push(&mut queue, half, &worst));
                continue;
            }
            let part = sources.rows(node as usize);
            let mut meets = |row: usize| {
                if rows == 1 || worst_of_rows[row * components..][..components].contains(&f64::INFINITY) {
                    return true;
                }
                let each = self.bounds.prepared(Role::Target);
                let source = self.source(node as usize, &mut of_source);
                let worst = &worst_of_rows[row * components..][..components];
                self.least(&of_rows[row * each..][..each], source, worst, &mut of_row, &mut row_values);
                !beyond(&row_values, worst)
            };
            let meeting: Vec<bool> = (0..rows).map(&mut meets).collect();
            let mut first = 0;
            for some in meeting.chunk_by(|a, b| a == b) {
                if some[0] {
                    block.meet_rows(first..first + some.len(), slice::from_ref(&part));
                    block.worst(selects, first..first + some.len(), &mut worst_of_rows);
                    met += some.len() * part.len();
                }
                first += some.len();
            }
            worst.fill(f64::NEG_INFINITY);
            for of_row in worst_of_rows.chunks_exact(components) {
                worst.iter_mut().zip(of_row).for_each(|(worst, &of_row)| *worst = worst.max(of_row));
            }
        }
        OfLeaf { block, met: met.div_ceil(rows), inside: 0 }
    }

    /// The components of f, or of -f if the reduction selects its largest values, on a box of targets and one of sources. Of
    /// lower bounds that exceed `worst`, any is as good.
    fn least(
        &self,
        target: &[Interval<T>],
        source: &[Interval<T>],
        worst: &[f64],
        room: &mut Scratch<T>,
        values: &mut [Interval<T>],
    ) {
        let (cx, parameters) = (self.rounding, &self.parameters);
        let negated = self.work.layout.selects.is_some_and(|selects| selects.negated);
        self.bounds.pair(cx, parameters, target, source, room, values);
        if self.narrow && negated {
            let worst: Vec<f64> = worst.iter().map(|worst| -worst).collect();
            self.bounds.narrow(cx, parameters, target, source, (End::Upper, &worst), room, values);
        } else if self.narrow {
            self.bounds.narrow(cx, parameters, target, source, (End::Lower, worst), room, values);
        }
        if negated {
            values.iter_mut().for_each(|value| *value = Interval::neg(cx, *value));
        }
    }
}

/// Bits that are in the order of the numbers, none of which is NaN. Both zeros have the same.
fn ordered(x: f64) -> u64 {
    let bits = (x + 0.0).to_bits();
    if bits >> 63 == 0 { bits | 1 << 63 } else { !bits }
}

/// Room for the values of the components of f on boxes.
fn values_of<T: Vectorized>(components: usize) -> Vec<Interval<T>> {
    vec![Interval::component(Role::Parameter, 0, T::zero(), T::zero()); components]
}

/// Writes the rows of these numbers, of `targets` in all. The others stay as they are.
fn write<T: Vectorized>(
    order: &[u32],
    targets: usize,
    (values, found): (&[T], &[u32]),
    pieces: &mut [HostPiece<'_, T>],
    indices: &mut [u32],
) {
    let count = order.len().max(1);
    let (all, width) = (values.len() / count, found.len() / count);
    let mut places = vec![output::NOWHERE; targets];
    (0..).zip(order).for_each(|(place, &row)| places[row as usize] = place);
    output::gather(found, width, &places, indices, width, 0);
    let mut at = 0;
    for piece in pieces {
        output::gather(values, all, &places, piece.data, piece.width, at);
        at += piece.width;
    }
}
