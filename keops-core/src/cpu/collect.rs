//! The loop over pairs of reductions that list the sources within a radius.
//!
//! Most pairs only compare their value with the radius. The few that are within it are appended to one list for a block of
//! targets, in the order in which they are met.

use crate::{
    cpu::sweep::{Direction, SourceNumbers, contract},
    formula::{Components, Formula, Sink},
    lanes::Vectorized,
    number::{Packed, Real, Scalar},
    reduction::Reduction,
};

/// The most lanes: `plan::tile_vectors` chooses one vector for reductions that list sources.
const LANES: usize = 16;

/// The number of sources whose comparisons are recorded in one number.
const TURN: usize = 4;

/// A pair within its radius.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair<T> {
    /// The number of the target in its block.
    pub(super) target: u32,
    /// The row number of the source.
    pub(super) source: u32,
    /// The value of the formula.
    pub(super) value: T,
}

/// The pairs of a block of targets that are within their radii, in the order in which they were found.
#[derive(Debug)]
pub struct Found<T> {
    /// How many targets the block has: further ones fill up the last row of lanes.
    targets: usize,
    /// The number of the first target of the next tile in its block.
    pub(super) first: usize,
    /// The most pairs that are kept.
    most: usize,
    /// Whether there were more pairs than that, or no memory for them. Then none are kept.
    pub(super) is_full: bool,
    pairs: Vec<Pair<T>>,
    count: usize,
}

impl<T: Scalar> Found<T> {
    /// No pairs of so many targets so far, of which up to `most` are kept; 0 says that they are only counted.
    pub(super) fn new(targets: usize, most: usize) -> Self {
        Self { targets, first: 0, most, is_full: most == 0, pairs: Vec::new(), count: 0 }
    }

    /// Appends the pairs of others, but for those with a source from number `end` on, which fill up a row of lanes.
    pub(super) fn append(&mut self, others: &Self, end: u32) {
        self.is_full |= others.is_full;
        self.room(others.count);
        if !self.is_full {
            for pair in others.pairs().iter().filter(|pair| pair.source < end) {
                self.pairs[self.count] = *pair;
                self.count += 1;
            }
        }
    }

    /// The pairs.
    pub(super) fn pairs(&self) -> &[Pair<T>] {
        &self.pairs[..self.count]
    }

    /// How many pairs there are.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Leaves out pairs from number `first` on whose target is not one of these.
    pub(super) fn retain(&mut self, first: usize, targets: &core::ops::Range<usize>) {
        let mut count = first;
        for number in first..self.count {
            let pair = self.pairs[number];
            if targets.contains(&(pair.target as usize)) {
                self.pairs[count] = pair;
                count += 1;
            }
        }
        self.count = count;
    }

    /// Room for so many more pairs, which may be fewer. If there are too many, those that were found are forgotten.
    #[inline(never)]
    fn room(&mut self, more: usize) -> &mut [Pair<T>] {
        let (needed, none) = (self.count + more, Pair { target: 0, source: 0, value: T::of_f64(0.0) });
        if !self.is_full && self.count > self.most {
            (self.is_full, self.pairs) = (true, Vec::new());
        }
        if !self.is_full && needed > self.pairs.len() {
            let wanted = needed.next_power_of_two();
            if self.pairs.try_reserve_exact(wanted - self.pairs.len()).is_ok() {
                self.pairs.resize(wanted, none);
            } else {
                (self.is_full, self.pairs) = (true, Vec::new());
            }
        }
        if self.is_full {
            self.count = 0;
            self.pairs.resize(self.pairs.len().max(more), none);
        }
        &mut self.pairs[self.count..]
    }
}

/// Whether the kernel of `Red` for these lanes has this loop.
pub(super) const fn collects<R: Packed, Red: Reduction>() -> bool {
    Red::LISTS && R::LANES <= LANES
}

/// A sink that holds the value of a pair and the radius.
struct ValueAndRadius<R>([R; 2]);

impl<R: Real> Sink<R> for ValueAndRadius<R> {
    #[inline(always)]
    fn put(&mut self, _cx: R::Cx, c: usize, value: R) {
        self.0[c] = value;
    }
    #[inline(always)]
    fn put_product(&mut self, cx: R::Cx, c: usize, a: R, b: R) {
        self.0[c] = R::mul(cx, a, b);
    }
}

/// Takes all pairs of row number `row` of the targets of a tile, as `sweep::sweep_target` does, and appends those within the radius
/// to `found`.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "the operands of the loop over pairs")]
pub(super) fn sweep_target<F: Formula, R: Packed<Scalar: Vectorized>, Red: Reduction, D: Direction<F, R>>(
    cx: R::Cx,
    parameters: &F::Parameters<R>,
    target: &[R],
    sources: &[D::Source],
    contracted: &[F::Contractions<R>],
    (numbers, row): (SourceNumbers<'_>, usize),
    state: &mut Red::State<F, R>,
    found: &mut Found<R::Scalar>,
) {
    let first = found.first as u32;
    let in_use = D::in_use(found.targets.saturating_sub(found.first), row);
    let to = found.room(sources.len() * R::LANES);
    let mut run = Red::begin::<F, R>(cx, state);
    let mut values = [[R::Scalar::of_f64(0.0); LANES]; TURN];
    let (mut count, mut begin) = (0, 0);
    while begin < sources.len() {
        let end = if begin + TURN < sources.len() { begin + TURN } else { sources.len() };
        // The lanes of each source that are within the radius, with the lanes of the first source in the lowest bits.
        let (mut lanes, mut k) = (0_u64, 0);
        while begin + k < end {
            let source = begin + k;
            let contractions = contract::<F, R, D>(cx, target, &sources[source], contracted, source);
            let stored = D::source(&sources[source]);
            let mut sink = ValueAndRadius([R::lit(cx, 0.0); 2]);
            F::pair::<R>(cx, parameters.as_slice(), &target, &stored, contractions.as_slice(), &mut sink);
            let ValueAndRadius([value, radius]) = sink;
            let (mut kept, index) = (Red::keep::<R>(cx), D::index::<Red>(cx, numbers, source));
            Red::push::<F, R>(cx, state, &mut run, &mut kept, index, 0, value);
            Red::push::<F, R>(cx, state, &mut run, &mut kept, index, 1, radius);
            value.store(cx, &mut values[k % TURN]);
            let within = R::le(cx, value, radius);
            let bits = if const { R::SIMD } { R::truths(cx, within) } else { u64::from(R::any(cx, within)) };
            lanes |= (bits & in_use) << (k * LANES);
            k += 1;
        }
        while lanes != 0 {
            let place = lanes.trailing_zeros() as usize;
            lanes &= lanes - 1;
            let (ahead, lane) = (place / LANES % TURN, place % LANES);
            let source = D::number(numbers, begin + ahead, lane);
            to[count] = Pair { target: first + D::target(row, lane), source, value: values[ahead][lane] };
            count += 1;
        }
        begin = end;
    }
    Red::flush::<F, R>(cx, state, &run);
    found.count += count;
}
