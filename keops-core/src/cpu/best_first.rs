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

use core::{cmp::Reverse, mem, ops::Range, slice};
use std::{
    collections::BinaryHeap,
    sync::{Mutex, PoisonError},
};

use pulp::Arch;

use crate::{
    bounds::{Bounds, End, Interval, Rounding, Scratch},
    cpu::{collect::Found, groups::Group, over_targets::TargetBlock, prepare::Work, sorted::Sorted, threads},
    formula::Role,
    lanes::Vectorized,
    number::Real,
    reduction::Selects,
    tree::{LEAF, Tree, enclose},
};

/// About as many parts of the sources are met by a leaf of targets.
const MET: usize = 128;

/// The trees of a batch whose rows are in their order, with what bounds read of each part.
pub(super) struct Search<'a, T: Vectorized> {
    arch: Arch,
    pub(super) work: &'a Work<'a, T>,
    pub(super) bounds: &'a Bounds<T>,
    /// The number of the target in each place.
    pub(super) order: &'a [u32],
    /// How many sources there are, of which these may be a sample.
    pub(super) of: usize,
    /// How many pairs there are in all.
    pub(super) pairs: usize,
    /// Whether targets meet so few parts of the sources that these have to come from memory.
    few: bool,
    /// Whether bounds are as narrow as they can be, which takes several times as long.
    pub(super) narrow: bool,
    rounding: Rounding<T>,
    pub(super) trees: [&'a Tree<T>; 2],
    /// Which parts of the sources the targets meet.
    pub(super) groups: &'a [Group],
    parameters: Vec<Interval<T>>,
    /// The prepared box of each part of the sources, one after another. Empty for a few targets, which meet a few parts, and where
    /// boxes are read as they are.
    sources: Vec<Interval<T>>,
}

/// Whether targets are so few that they meet few of the parts of the sources.
pub(super) fn are_few<T: Vectorized>([targets, sources]: [&Tree<T>; 2]) -> bool {
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

/// How many parts of the sources a queue has room for from the beginning.
const QUEUED: usize = 64;

/// Memory for one leaf of targets after another.
pub(super) struct Memory<T: Vectorized> {
    /// The box of the targets.
    whole: Prepared<T>,
    /// A box of sources.
    source: Prepared<T>,
    bounds: Scratch<T>,
    values: Vec<Interval<T>>,
    queue: BinaryHeap<Queued>,
    /// For each row of lanes, if there are several, and each component, the largest of the values that the targets have selected last.
    worst_of_rows: Vec<f64>,
    /// The same for all rows.
    worst: Vec<f64>,
    /// Which rows of lanes meet a part of the sources.
    meeting: Vec<bool>,
}

impl<T: Vectorized> Default for Memory<T> {
    fn default() -> Self {
        Self {
            whole: Prepared::default(),
            source: Prepared::default(),
            bounds: Scratch::default(),
            values: Vec::new(),
            queue: BinaryHeap::new(),
            worst_of_rows: Vec::new(),
            worst: Vec::new(),
            meeting: Vec::new(),
        }
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
    pub(super) fn new((arch, work): (Arch, &'a Work<'a, T>), bounds: &'a Bounds<T>, sorted: &'a Sorted<'_, T>) -> Self {
        let rounding = Rounding::engine();
        let [targets, sources] = &sorted.roles;
        let trees = [&*targets.tree, &*sources.tree];
        let mut search = Self {
            arch,
            work,
            bounds,
            order: targets.order(),
            of: sorted.of,
            pairs: sorted.pairs,
            few: are_few(trees),
            narrow: false,
            rounding,
            trees,
            groups: &sorted.groups,
            parameters: Vec::new(),
            sources: Vec::new(),
        };
        let points = work.points(Role::Parameter, &[0]);
        let component = |(number, &x): (usize, &T)| Interval::component(Role::Parameter, number, x, x);
        let parameters: Vec<_> = points.iter().enumerate().map(component).collect();
        bounds.prepare(rounding, Role::Parameter, &[], &parameters, &mut search.parameters);
        let each = bounds.prepared(Role::Source);
        let nodes = trees[1].nodes();
        if search.few || bounds.reads_boxes() {
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

    /// The group of the targets of a leaf.
    pub(super) fn group(&self, leaf: usize) -> &'a Group {
        let first = self.trees[0].rows(leaf).start;
        &self.groups[self.groups.partition_point(|group| group.targets.end <= first)]
    }

    /// Takes the sources that matter to the targets of a leaf, but not many more than `most`. Pairs within a radius are kept
    /// if there are up to `kept` of them, for a reduction that lists them.
    pub(super) fn of_leaf(&self, leaf: usize, most: usize, kept: usize, memory: &mut Memory<T>) -> OfLeaf<'a, T> {
        memory.values.resize(self.work.layout.components, Interval::component(Role::Source, 0, T::zero(), T::zero()));
        self.of_node(Role::Target, leaf, &mut memory.whole);
        match self.work.layout.selects {
            Some(selects) => self.selecting(leaf, most, selects, memory),
            None => self.within(leaf, most, kept, memory),
        }
    }

    /// The sources within the radii of the targets of a leaf, in the order of the tree.
    fn within(&self, leaf: usize, most: usize, kept: usize, memory: &mut Memory<T>) -> OfLeaf<'a, T> {
        let [targets, sources] = self.trees;
        let mut block = TargetBlock::new(self.arch, self.work, targets.rows(leaf));
        let whole = mem::take(&mut memory.whole);
        // A lower bound of f that exceeds the radius, which the first box tells, is narrow enough; that of the radius is not asked.
        let mut enough = [f64::INFINITY, f64::NEG_INFINITY];
        let (mut ranges, mut met, mut inside): (Vec<Range<usize>>, _, _) = (Vec::new(), 0, 0);
        let roots = self.group(leaf).parts.iter().flat_map(|parts| &sources.roots()[parts.clone()]);
        let mut left: Vec<usize> = roots.map(|&root| root as usize).collect();
        left.reverse();
        while let Some(node) = left.pop().filter(|_| met <= most) {
            self.least(&whole.prepared, node, &enough, memory);
            let (value, radius) = (&memory.values[0], &memory.values[1]);
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
        memory.whole = whole;
        if let Some(found) = &mut block.found {
            *found = Found::new(targets.rows(leaf).len(), kept);
        }
        block.meet_all(&ranges);
        OfLeaf { block, met, inside }
    }

    /// The sources with the smallest values for the targets of a leaf. As many are met as a row of lanes meets on average.
    fn selecting(&self, leaf: usize, most: usize, selects: Selects, memory: &mut Memory<T>) -> OfLeaf<'a, T> {
        /// While a target has not selected as many values as it is to, nothing can be left out. If so after this part of the
        /// sources, and as many leaves of them, its values are NaN, as those of missing points are: the rest is taken at once.
        const HOPELESS: usize = 16;
        let [targets, sources] = self.trees;
        let (group, components) = (self.group(leaf), self.work.layout.components);
        let mut block = TargetBlock::new(self.arch, self.work, targets.rows(leaf));
        let rows = block.rows();
        let of_rows = if rows > 1 { self.of_rows(targets.rows(leaf), block.lanes) } else { Vec::new() };
        let whole = mem::take(&mut memory.whole);
        let (mut worst_of_rows, mut worst) = (mem::take(&mut memory.worst_of_rows), mem::take(&mut memory.worst));
        let (mut queue, mut meeting) = (mem::take(&mut memory.queue), mem::take(&mut memory.meeting));
        queue.clear();
        queue.reserve(QUEUED);
        let of_each = if rows > 1 { rows * components } else { 0 };
        for (worst, count) in [(&mut worst_of_rows, of_each), (&mut worst, components)] {
            worst.clear();
            worst.resize(count, f64::INFINITY);
        }
        if self.work.has_begun() {
            block.worst(selects, 0..rows, if rows > 1 { &mut worst_of_rows } else { &mut worst });
            if rows > 1 {
                largest(&worst_of_rows, components, &mut worst);
            }
        }
        // as many as one of the rows meets on average, times the rows
        let mut met = 0;
        let most = most.saturating_mul(rows);
        for &root in group.parts.iter().flat_map(|parts| &sources.roots()[parts.clone()]) {
            queue.extend(self.queued(&whole.prepared, root as usize, &worst, memory));
        }
        // A half of the part before that would be the first in the queue.
        let mut next: Option<Queued> = None;
        while let Some(Reverse((bound, _, node))) = next.take().or_else(|| queue.pop()) {
            let (least, node) = (worst.iter().copied().fold(f64::NEG_INFINITY, f64::max), node as usize);
            if bound > ordered(least) || met > most {
                break;
            }
            if least == f64::INFINITY && met >= rows * (group.sources / HOPELESS).max(HOPELESS * LEAF) {
                // The part is the first of those that are left; together they are a few long ranges.
                let left = queue.drain().map(|Reverse((_, _, node))| node as usize).chain([node]);
                let mut left: Vec<_> = left.map(|node| sources.rows(node)).collect();
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
            if let Some([a, b]) = sources.halves(node) {
                let a = self.queued(&whole.prepared, a, &worst, memory);
                let b = self.queued(&whole.prepared, b, &worst, memory);
                let [first, second] = if a >= b { [a, b] } else { [b, a] };
                queue.extend(second);
                // It need not go through the queue.
                let (now, later) = if queue.peek() > first.as_ref() { (None, first) } else { (first, None) };
                queue.extend(later);
                next = now;
                continue;
            }
            let part = sources.rows(node);
            if rows == 1 {
                block.meet_rows(0..1, slice::from_ref(&part));
                block.worst(selects, 0..1, &mut worst);
                met += part.len();
                continue;
            }
            meeting.clear();
            meeting.extend((0..rows).map(|row| {
                let worst = &worst_of_rows[row * components..][..components];
                if worst.contains(&f64::INFINITY) {
                    return true;
                }
                let each = self.bounds.prepared(Role::Target);
                self.least(&of_rows[row * each..][..each], node, worst, memory);
                !beyond(&memory.values, worst)
            }));
            let mut first = 0;
            for some in meeting.chunk_by(|a, b| a == b) {
                if some[0] {
                    block.meet_rows(first..first + some.len(), slice::from_ref(&part));
                    block.worst(selects, first..first + some.len(), &mut worst_of_rows);
                    met += some.len() * part.len();
                }
                first += some.len();
            }
            largest(&worst_of_rows, components, &mut worst);
        }
        (memory.whole, memory.queue, memory.meeting) = (whole, queue, meeting);
        (memory.worst_of_rows, memory.worst) = (worst_of_rows, worst);
        OfLeaf { block, met: met.div_ceil(rows), inside: 0 }
    }

    /// A part of the sources for the queue, unless its lower bounds exceed what the targets have already.
    fn queued(&self, target: &[Interval<T>], node: usize, worst: &[f64], memory: &mut Memory<T>) -> Option<Queued> {
        self.least(target, node, worst, memory);
        if beyond(&memory.values, worst) {
            return None;
        }
        let bound = memory.values.iter().map(|value| value.lo()).fold(f64::INFINITY, f64::min);
        let most = memory.values.iter().map(|value| value.hi()).fold(f64::INFINITY, f64::min);
        if self.few && self.trees[1].halves(node).is_none() {
            self.work.fetch(self.trees[1].rows(node));
        }
        Some(Reverse((ordered(bound), ordered(most), node as u32)))
    }

    /// The components of f, or of -f if the reduction selects its largest values, on a box of targets and the box of a part of the
    /// sources. Of lower bounds that exceed `worst`, any is as good.
    fn least(&self, target: &[Interval<T>], node: usize, worst: &[f64], memory: &mut Memory<T>) {
        let (cx, parameters) = (self.rounding, &self.parameters);
        let Memory { source: scratch, bounds: room, values, .. } = memory;
        let negated = self.work.layout.selects.is_some_and(|selects| selects.negated);
        if self.bounds.reads_boxes() && !self.narrow {
            let tree = self.trees[1];
            self.bounds.pair_with_box(cx, parameters, target, (tree.bounds(node), tree.has_nan(node)), room, values);
        } else {
            let source = if self.sources.is_empty() {
                self.of_node(Role::Source, node, scratch);
                &scratch.prepared
            } else {
                let each = self.bounds.prepared(Role::Source);
                &self.sources[node * each..][..each]
            };
            self.bounds.pair(cx, parameters, target, source, room, values);
            if self.narrow && negated {
                let worst: Vec<f64> = worst.iter().map(|worst| -worst).collect();
                self.bounds.narrow(cx, parameters, target, source, (End::Upper, &worst), room, values);
            } else if self.narrow {
                self.bounds.narrow(cx, parameters, target, source, (End::Lower, worst), room, values);
            }
        }
        if negated {
            values.iter_mut().for_each(|value| *value = Interval::neg(cx, *value));
        }
    }
}

/// The largest of all rows, for each component.
fn largest(of_rows: &[f64], components: usize, to: &mut [f64]) {
    to.fill(f64::NEG_INFINITY);
    for of_row in of_rows.chunks_exact(components) {
        to.iter_mut().zip(of_row).for_each(|(to, &of_row)| *to = to.max(of_row));
    }
}

/// Whether all lower bounds exceed what the targets have already.
fn beyond<T: Vectorized>(values: &[Interval<T>], worst: &[f64]) -> bool {
    values.iter().zip(worst).all(|(value, &worst)| value.lo() > worst)
}

/// Bits that are in the order of the numbers, none of which is NaN. Both zeros have the same.
fn ordered(x: f64) -> u64 {
    let bits = (x + 0.0).to_bits();
    if bits >> 63 == 0 { bits | 1 << 63 } else { !bits }
}
