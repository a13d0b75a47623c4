//! The K smallest values of each component, with their row numbers.
//!
//! The list of a component is sorted by (value, row number), so equal values go to the lowest row number in whatever
//! order states merge. A place that no source has taken holds NaN. No value compares as larger than NaN, so the
//! comparison "not (place <= value)" lets every value pass such a place, +infinity too. In the result the place is
//! +infinity with the row number [`MISSING`]. A value that is NaN is skipped.
//!
//! Most pairs only compare their value with the worst value of the list, which is in a register. An insertion happens
//! about K log(M / K) times for each target, and moves only the places after the new one.

use super::{Reduction, Selecting, Selects};
use crate::{
    formula::{Chain, Components, Formula, Grid},
    number::{Packed, Scalar},
};

/// The row number of a place that no source has taken: there were fewer than K sources (NaN not counted).
pub const MISSING: u32 = u32::MAX;

/// The K smallest values of each component: with `VALUES` the values, with `INDICES` their row numbers.
#[derive(Clone, Copy, Debug)]
pub struct Best<const K: usize, const VALUES: bool, const INDICES: bool>;

/// The row number j at which each component of f(p, x_i, y_j) is smallest; the first one if there are several.
/// NaN is skipped; [`MISSING`] if there are no sources.
pub type ArgMin = Best<1, false, true>;
/// The values of [`super::Min`] and the row numbers of [`ArgMin`].
pub type MinArgMin = Best<1, true, true>;
/// The K smallest values of each component, ascending: component c of the k-th is number k `components` + c of the
/// row. Filled up with +infinity where there are fewer than K sources.
pub type KMin<const K: usize> = Best<K, true, false>;
/// The row numbers of the values of [`KMin`], in the same order. Equal values are in the order of their row numbers.
/// Filled up with [`MISSING`] where there are fewer than K sources.
pub type ArgKMin<const K: usize> = Best<K, false, true>;
/// The values of [`KMin`] and the row numbers of [`ArgKMin`].
pub type KMinArgKMin<const K: usize> = Best<K, true, true>;

/// The sorted lists: values, then row numbers as bits. Component c of place k is number k `components` + c of each.
type State<F, R, const K: usize> = Chain<Grid<<F as Formula>::Output<R>, K>, Grid<<F as Formula>::Output<R>, K>>;

/// The worst value of each list, and whether sources come in any order.
pub struct BestRun<F: Formula, R: Packed>(F::Output<R>, bool);

impl<F: Formula, R: Packed> BestRun<F, R> {
    /// The largest value that is inserted, given the worst value of a list: +infinity where the last place is not
    /// taken.
    #[inline(always)]
    fn admit(cx: R::Cx, worst: R) -> R {
        R::select(cx, R::eq(cx, worst, worst), worst, R::lit(cx, f64::INFINITY))
    }
}

/// The most places of a list that may be in registers.
const WRITTEN_OUT: usize = 4;

/// Inserts component `c` of source `index` in the lanes of `candidates`, none of which is NaN. Where sources come in the order of
/// their row numbers, of equal values the one that is in the list stays before the new one; in `any_order` their row numbers tell.
#[inline(always)]
fn insert<F: Formula, R: Packed, const K: usize>(
    cx: R::Cx,
    state: &mut State<F, R, K>,
    (candidates, any_order): (R::Mask, bool),
    index: R::Index,
    c: usize,
    value: R,
) {
    // From the last place up: each place gets what is in the place above it if that moves down too, or else the new
    // source. Among equal values the new source comes last.
    let (Grid(values), Grid(indices)) = (&mut state.0, &mut state.1);
    let row = index;
    let moves = |place: R| R::and(cx, candidates, R::not(cx, R::le(cx, place, value)));
    let index = R::index_to_bits(cx, row);
    let mut k = K - 1;
    let mut place = values[k].as_slice()[c];
    let mut moving = moves(place);
    // The lanes in which it came after an equal value.
    let mut equal = R::lt(cx, value, value);
    if any_order {
        let last = R::index_from_bits(cx, indices[k].as_slice()[c]);
        let earlier = R::not(cx, R::index_le(cx, last, row));
        moving = R::or(cx, moving, R::and(cx, R::and(cx, candidates, R::eq(cx, place, value)), earlier));
    }
    while R::any(cx, moving) {
        let place_index = indices[k].as_slice()[c];
        let (mut new, mut new_index) = (value, index);
        let (mut above, mut above_moving) = (place, moving);
        if k > 0 {
            above = values[k - 1].as_slice()[c];
            above_moving = moves(above);
            equal = R::or(cx, equal, R::and(cx, moving, R::eq(cx, above, value)));
            new = R::select(cx, above_moving, above, value);
            new_index = R::select(cx, above_moving, indices[k - 1].as_slice()[c], index);
        }
        values[k].as_mut_slice()[c] = R::select(cx, moving, new, place);
        indices[k].as_mut_slice()[c] = R::select(cx, moving, new_index, place_index);
        if k == 0 {
            break;
        }
        k -= 1;
        (place, moving) = (above, above_moving);
    }
    if any_order && R::any(cx, equal) {
        // It goes up past the equal values of later sources. Equal values are rare, so the loop above does not compare row numbers,
        // and this one is not written out for all places of a long list.
        let mut k = if const { K > WRITTEN_OUT } { core::hint::black_box(K).min(K) } else { K } - 1;
        while k > 0 {
            let (below, above) = (indices[k].as_slice()[c], indices[k - 1].as_slice()[c]);
            let same = R::eq(cx, values[k].as_slice()[c], values[k - 1].as_slice()[c]);
            let in_order = R::index_le(cx, R::index_from_bits(cx, above), R::index_from_bits(cx, below));
            let swap = R::and(cx, same, R::not(cx, in_order));
            indices[k].as_mut_slice()[c] = R::select(cx, swap, above, below);
            indices[k - 1].as_mut_slice()[c] = R::select(cx, swap, below, above);
            k -= 1;
        }
    }
}

/// Whether (value, index) comes before (other, other_index) in a list. A place that is not taken comes last.
fn before<T: Scalar>(value: T, index: u32, other: T, other_index: u32) -> bool {
    let tie = value == other && index < other_index;
    value < other || tie || (other.is_nan() && !value.is_nan())
}

impl<const K: usize, const VALUES: bool, const INDICES: bool> Reduction for Best<K, VALUES, INDICES> {
    type State<F: Formula, R: Packed> = State<F, R, K>;
    type Run<F: Formula, R: Packed> = BestRun<F, R>;
    type Kept<R: Packed> = ();
    const COMPARES: bool = true;
    const FILTERS: bool = K > 1;
    const SELECTS: Option<Selects> = Some(Selects { count: K, negated: false, numbered: true });
    const PUSHES_TO_STATE: bool = true;
    // The list is in memory, but an insertion goes through it for all vectors of a tile, and most tiles have one in the
    // first few hundred sources: a tile of one vector is two to three times as fast as one of four.
    const REGISTERS: usize = if K > 1 { 64 } else { 0 };
    const REGISTERS_PER_COMPONENT: usize = 1;

    #[inline(always)]
    fn init<F: Formula, R: Packed>(cx: R::Cx) -> Self::State<F, R> {
        let missing = R::index_to_bits(cx, R::index_splat(cx, MISSING));
        Chain(Grid::splat(R::lit(cx, f64::NAN)), Grid::splat(missing))
    }

    #[inline(always)]
    fn begin<F: Formula, R: Packed>(cx: R::Cx, state: &Self::State<F, R>) -> BestRun<F, R> {
        const { assert!(K > 0, "K must be at least 1") };
        let mut run: BestRun<F, R> = BestRun(state.0.0[K - 1], false);
        for worst in run.0.as_mut_slice() {
            *worst = BestRun::<F, R>::admit(cx, *worst);
        }
        run
    }

    #[inline(always)]
    fn in_any_order<F: Formula, R: Packed>(run: &mut BestRun<F, R>) {
        run.1 = true;
    }

    #[inline(always)]
    fn keep<R: Packed>(_cx: R::Cx) {}

    #[inline(always)]
    fn admits<F: Formula, R: Packed>(cx: R::Cx, run: &BestRun<F, R>, value: R) -> R::Mask {
        // Not `lt`, which would refuse +infinity a place that is not taken.
        R::le(cx, value, run.0.as_slice()[0])
    }

    #[inline(always)]
    fn push<F: Formula, R: Packed>(
        cx: R::Cx,
        state: &mut Self::State<F, R>,
        run: &mut BestRun<F, R>,
        _kept: &mut (),
        index: R::Index,
        c: usize,
        value: R,
    ) {
        let worst = run.0.as_slice()[c];
        // Not `lt`, which would refuse +infinity a place that is not taken.
        let candidates = R::le(cx, value, worst);
        if R::any(cx, candidates) {
            insert::<F, R, K>(cx, state, (candidates, run.1), index, c, value);
            run.0.as_mut_slice()[c] = BestRun::<F, R>::admit(cx, state.0.0[K - 1].as_slice()[c]);
        }
    }

    #[inline(always)]
    fn flush<F: Formula, R: Packed>(_cx: R::Cx, _state: &mut Self::State<F, R>, _run: &BestRun<F, R>) {}

    fn merge<T: Scalar>(components: usize, state: &mut [T], other: &[T]) {
        // Both lists are sorted. First this counts how many entries of each list are among the K first ones of both.
        // Then it writes these from the last one to the first, so that nothing is overwritten that is still to be read.
        let at = |list: &[T], c: usize, k: usize| {
            let place = k * components + c;
            (list[place], T::index_from_bits((), list[K * components + place]))
        };
        for c in 0..components {
            let (mut mine, mut theirs) = (0, 0);
            while mine + theirs < K {
                let ((a, a_index), (b, b_index)) = (at(state, c, mine), at(other, c, theirs));
                if before(b, b_index, a, a_index) {
                    theirs += 1;
                } else {
                    mine += 1;
                }
            }
            while theirs > 0 {
                let (b, b_index) = at(other, c, theirs - 1);
                let own = mine.checked_sub(1).map(|last| at(state, c, last));
                let own = own.filter(|&(a, a_index)| before(b, b_index, a, a_index));
                let (value, index) = own.unwrap_or((b, b_index));
                let place = (mine + theirs - 1) * components + c;
                state[place] = value;
                state[K * components + place] = T::index_to_bits((), index);
                if own.is_some() {
                    mine -= 1;
                } else {
                    theirs -= 1;
                }
            }
        }
    }

    fn values(components: usize) -> usize {
        if VALUES { K * components } else { 0 }
    }

    fn indices(components: usize) -> usize {
        if INDICES { K * components } else { 0 }
    }

    #[inline(always)]
    fn if_selecting<O>(selecting: impl Selecting<Output = O>) -> Option<O> {
        Some(selecting.selects())
    }

    fn finish<T: Scalar>(components: usize, state: &[T], values: &mut [T], indices: &mut [u32]) {
        let (best, places) = state.split_at(K * components);
        if VALUES {
            for (to, value) in values.iter_mut().zip(best) {
                *to = if value.is_nan() { T::infinity() } else { *value };
            }
        }
        if INDICES {
            for (to, &place) in indices.iter_mut().zip(places) {
                *to = T::index_from_bits((), place);
            }
        }
    }
}
