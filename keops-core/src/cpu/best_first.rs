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
//! Whether this pays is tried on a few leaves of targets: in calls that are not large, of a sample of the points first.

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
        output::{self, Totals},
        over_targets::TargetBlock,
        plan,
        prepare::Work,
        threads,
    },
    formula::{Role, width},
    lanes::Vectorized,
    number::Real,
    problem::{HostPiece, Place, Pruning, Shape},
    reduction::Selects,
    tree::{LEAF, Tree},
};

/// Where best first meets this share of the pairs, it does not pay.
const SHARE: f64 = 0.4;

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
    pruning: Pruning,
    pieces: &mut [HostPiece<'_, T>],
    indices: &mut [u32],
) -> Option<Totals> {
    let shape = work.shape;
    let always = pruning == Pruning::Always;
    let kept = work.kept(Role::Source).is_some();
    let selects = work.layout.selects.filter(|_| plan::has_boxes(&work.layout, shape))?;
    if !(always || kept || plan::may_search(&work.layout, shape)) {
        return None;
    }
    if pieces.iter().any(|piece| piece.place == Place::Total) {
        return None;
    }
    let bounds = work.kernel.bounds()?;
    if !always && !kept && plan::tries_sample(shape) {
        let sample =
            |count: usize, most: usize| (0..count as u32).step_by(count.div_ceil(most).max(1)).collect::<Vec<_>>();
        let rows = [sample(shape.targets, SAMPLE[0]), sample(shape.sources, SAMPLE[1])];
        let sorted = Sorted([OfRole::new(work, Role::Target, &rows[0]), OfRole::new(work, Role::Source, &rows[1])]);
        if !sorted.search(arch, work, bounds, selects, |search| search.that_pays().is_some()) {
            return None;
        }
    }
    let sorted = Sorted::all(work);
    let (values, found) = sorted.search(arch, work, bounds, selects, |search| {
        if always { search.all(usize::MAX) } else { search.all_if_it_pays() }
    })?;
    write(&sorted.0[0].tree, (&values, &found), pieces, indices);
    Some(Totals::new(pieces))
}

/// Targets and sources in the orders of their trees.
struct Sorted<'w, T: Vectorized>([OfRole<'w, T>; 2]);

/// The rows of a role in the order of their tree.
struct OfRole<'w, T: Vectorized> {
    tree: Cow<'w, Tree<T>>,
    /// The row numbers.
    order: Cow<'w, [u32]>,
    /// The numbers of each variable of a row.
    numbers: Vec<Cow<'w, [T]>>,
}

impl<'w, T: Vectorized> OfRole<'w, T> {
    /// Sorts the rows of these numbers.
    fn new(work: &Work<'_, T>, role: Role, rows: &[u32]) -> Self {
        let dim = width(work.layout.signature.variables, role);
        let (leaf, all) = match role {
            Role::Target => (plan::leaf_targets(work.shape), work.shape.targets),
            _ => (LEAF, work.shape.sources),
        };
        // The boxes of a sample are as large as those of all rows.
        let leaf = (leaf * rows.len()).div_ceil(all.max(1));
        let tree = Tree::new(&work.points(role, rows), dim, leaf);
        let order: Vec<u32> = tree.order().iter().map(|&place| rows[place as usize]).collect();
        let numbers = work.reordered(role, &order);
        Self { tree: Cow::Owned(tree), order: Cow::Owned(order), numbers }
    }

    /// All rows, sorted if they do not keep a tree.
    fn all(work: &Work<'w, T>, role: Role) -> Self {
        if let Some(points) = work.kept(role) {
            return Self {
                tree: Cow::Borrowed(points.tree()),
                order: Cow::Borrowed(points.tree().order()),
                numbers: vec![Cow::Borrowed(points.sorted())],
            };
        }
        let count = if role == Role::Target { work.shape.targets } else { work.shape.sources };
        Self::new(work, role, &(0..count as u32).collect::<Vec<_>>())
    }
}

impl<'w, T: Vectorized> Sorted<'w, T> {
    /// All rows.
    fn all(work: &Work<'w, T>) -> Self {
        let [targets, sources] = [Role::Target, Role::Source].map(|role| move || OfRole::all(work, role));
        if plan::in_parallel(work.shape) && work.kept(Role::Source).is_none() {
            let (targets, sources) = rayon::join(targets, sources);
            return Self([targets, sources]);
        }
        Self([targets(), sources()])
    }

    /// Calls `run` with a search of these rows.
    fn search<R>(
        &self,
        arch: Arch,
        work: &Work<'_, T>,
        bounds: &Bounds<T>,
        selects: Selects,
        run: impl FnOnce(Search<'_, T>) -> R,
    ) -> R {
        let [targets, sources] = &self.0;
        let shape = Shape { targets: targets.order.len(), sources: sources.order.len(), ..work.shape };
        let sorted = work.with_rows(&targets.numbers, &sources.numbers, shape, &sources.order);
        let search = Search::new(arch, &sorted, bounds, selects, [&targets.tree, &sources.tree]);
        run(Search { of: work.shape.sources, ..search })
    }
}

/// The trees of a batch whose rows are in their order, with what bounds read of each part.
struct Search<'a, T: Vectorized> {
    arch: Arch,
    work: &'a Work<'a, T>,
    bounds: &'a Bounds<T>,
    selects: Selects,
    /// How many sources there are, of which these may be a sample.
    of: usize,
    /// Whether bounds are as narrow as they can be, which takes several times as long.
    narrow: bool,
    rounding: Rounding<T>,
    trees: [&'a Tree<T>; 2],
    parameters: Vec<Interval<T>>,
    /// The prepared box of each part of the sources, one after another. Empty for a few targets, which meet a few parts.
    sources: Vec<Interval<T>>,
}

/// A part of the sources in the queue, with its lower and its upper bound. The least lower bound comes first, and of equal
/// ones, such as those of boxes that overlap, the least upper bound, which fills the lists with small values.
type Queued = Reverse<(u64, u64, u32)>;

impl<'a, T: Vectorized> Search<'a, T> {
    fn new(
        arch: Arch,
        work: &'a Work<'a, T>,
        bounds: &'a Bounds<T>,
        selects: Selects,
        trees: [&'a Tree<T>; 2],
    ) -> Self {
        let rounding = Rounding::engine();
        let mut search = Self {
            arch,
            work,
            bounds,
            selects,
            of: work.shape.sources,
            narrow: false,
            rounding,
            trees,
            parameters: Vec::new(),
            sources: Vec::new(),
        };
        let points = work.points(Role::Parameter, &[0]);
        let component = |(number, &x): (usize, &T)| Interval::component(Role::Parameter, number, x, x);
        let parameters: Vec<_> = points.iter().enumerate().map(component).collect();
        bounds.prepare(rounding, Role::Parameter, &[], &parameters, &mut search.parameters);
        let each = bounds.prepared(Role::Source);
        let nodes = trees[1].nodes();
        if trees[0].nodes().saturating_mul(MET) < nodes {
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
            let mut prepared = Vec::new();
            for (node, to) in (part * TOGETHER..).zip(to.chunks_exact_mut(each.max(1))) {
                search.prepare(Role::Source, &search.of_node(Role::Source, node), &mut prepared);
                to.copy_from_slice(&prepared);
            }
        });
        drop(parts);
        search.sources = sources;
        search
    }

    /// The box of a part, as a row of all variables of the role.
    fn of_node(&self, role: Role, node: usize) -> Vec<Interval<T>> {
        let tree = self.trees[usize::from(role == Role::Source)];
        let (low, high) = tree.bounds(node);
        let nan = tree.has_nan(node);
        let coordinates = low.iter().zip(high).enumerate();
        let interval = |(number, (&low, &high)): (usize, (&T, &T))| {
            // all of them are NaN
            let (low, high) = if low > high { (T::zero(), T::zero()) } else { (low, high) };
            let interval = Interval::component(role, number, low, high);
            if nan { interval.or_nan() } else { interval }
        };
        coordinates.map(interval).collect()
    }

    /// The search, with narrow bounds if it takes these, if it pays.
    fn that_pays(mut self) -> Option<Self> {
        let plain = self.share_met(SHARE);
        if plain > 0.5 * SHARE_NARROW && self.bounds.narrows() {
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
    /// pairs.
    fn share_met(&self, most: f64) -> f64 {
        /// The leaves that are tried.
        const LEAVES: usize = 5;
        /// It does not pay either where it meets so many of a sample.
        const MOST: f64 = 0.8;
        // Of denser points, more are met, but a smaller share of them: neither as many nor the same share.
        let Shape { sources, .. } = self.work.shape;
        let of_all = (self.of as f64 / sources as f64).sqrt().min(MOST / most);
        let leaves: Vec<usize> = self.trees[0].leaves().collect();
        let tried: Vec<usize> = leaves.iter().copied().step_by(leaves.len().div_ceil(LEAVES).max(1)).collect();
        let most = (most * of_all * sources as f64) as usize;
        let met = AtomicUsize::new(0);
        threads::for_each(0..tried.len(), true, &|number| {
            met.fetch_add(self.of_leaf(tried[number], most).1, Ordering::Relaxed);
        });
        met.into_inner() as f64 / (of_all * (sources * tried.len()) as f64)
    }

    /// The results of all targets, if best first pays. A few targets are not tried on before.
    fn all_if_it_pays(self) -> Option<(Vec<T>, Vec<u32>)> {
        if self.trees[0].nodes() <= FEW {
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
            let (block, sources) = self.of_leaf(leaves[number], most);
            let count = targets.rows(leaves[number]).len();
            let mut output = blocks[number].lock().unwrap_or_else(PoisonError::into_inner);
            output.finish(self.work.kernel, layout, block.states.numbers(), block.lanes, count);
            self.work.met(count * shape.sources);
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

    fn prepare(&self, role: Role, row: &[Interval<T>], to: &mut Vec<Interval<T>>) {
        self.bounds.prepare(self.rounding, role, &self.parameters, row, to);
    }

    /// The states of the targets of a leaf, and the number of sources that they met. Stops after `most` sources.
    fn of_leaf(&self, leaf: usize, most: usize) -> (TargetBlock<'a, T>, usize) {
        /// While a target has not selected as many values as it is to, nothing can be left out. If so after this part of the
        /// sources, and as many leaves of them, its values are NaN, as those of missing points are: the rest is taken at once.
        const HOPELESS: usize = 16;
        let [targets, sources] = self.trees;
        let components = self.work.layout.components;
        let mut block = TargetBlock::new(self.arch, self.work, targets.rows(leaf));
        let corner = self.of_node(Role::Target, leaf);
        let mut whole = Vec::new();
        self.prepare(Role::Target, &corner, &mut whole);
        let mut worst = vec![f64::INFINITY; components];
        let mut values = vec![Interval::component(Role::Parameter, 0, T::zero(), T::zero()); components];
        let mut queue: BinaryHeap<Queued> = BinaryHeap::new();
        let (mut scratch, mut room) = (Vec::new(), Scratch::default());
        let mut met = 0;
        let mut push = |queue: &mut BinaryHeap<Queued>, node: usize, worst: &[f64]| {
            let each = self.bounds.prepared(Role::Source);
            let source = if self.sources.is_empty() {
                self.prepare(Role::Source, &self.of_node(Role::Source, node), &mut scratch);
                &scratch[..]
            } else {
                &self.sources[node * each..][..each]
            };
            self.least(&whole, source, worst, &mut room, &mut values);
            let beyond = |(value, &worst): (&Interval<T>, &f64)| value.lo() > worst;
            if values.iter().zip(worst).all(beyond) {
                return;
            }
            let bound = values.iter().map(|value| value.lo()).fold(f64::INFINITY, f64::min);
            let most = values.iter().map(|value| value.hi()).fold(f64::INFINITY, f64::min);
            queue.push(Reverse((ordered(bound), ordered(most), node as u32)));
        };
        if sources.nodes() > 0 {
            push(&mut queue, 0, &worst);
        }
        while let Some(Reverse((bound, _, node))) = queue.pop() {
            let least = worst.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            if bound > ordered(least) || met > most {
                break;
            }
            if least == f64::INFINITY && met >= (sources.rows(0).len() / HOPELESS).max(HOPELESS * LEAF) {
                // The part is the first of those that are left; together they are a few long ranges.
                let left = queue.drain().map(|Reverse((_, _, node))| node).chain([node]);
                let mut left: Vec<_> = left.map(|node| sources.rows(node as usize)).collect();
                left.sort_unstable_by_key(|rows| rows.start);
                left.dedup_by(|next, rows| {
                    let follows = next.start == rows.end;
                    rows.end = if follows { next.end } else { rows.end };
                    follows
                });
                met += left.iter().map(Range::len).sum::<usize>();
                block.meet_all(&left);
                break;
            }
            match sources.halves(node as usize) {
                Some(halves) => halves.into_iter().for_each(|half| push(&mut queue, half, &worst)),
                None => {
                    let rows = sources.rows(node as usize);
                    met += rows.len();
                    block.meet_all(slice::from_ref(&rows));
                    block.worst(self.selects, &mut worst);
                }
            }
        }
        (block, met)
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
        let (cx, parameters, negated) = (self.rounding, &self.parameters, self.selects.negated);
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

/// Writes rows that are in the order of a tree.
fn write<T: Vectorized>(
    tree: &Tree<T>,
    (values, found): (&[T], &[u32]),
    pieces: &mut [HostPiece<'_, T>],
    indices: &mut [u32],
) {
    let order = tree.order();
    let count = order.len().max(1);
    let (all, width) = (values.len() / count, found.len() / count);
    let mut places = vec![0_u32; order.len()];
    (0..).zip(order).for_each(|(place, &row)| places[row as usize] = place);
    output::gather(found, width, &places, indices, width, 0);
    let mut at = 0;
    for piece in pieces {
        output::gather(values, all, &places, piece.data, piece.width, at);
        at += piece.width;
    }
}
