//! The sources within a radius: how many they are, and which.
//!
//! The formula has two components, the value f of a pair and the radius r of its target. A pair counts if f <= r, so a pair
//! with f = r does, and one with a NaN does not. The state of a target is the number of its pairs; lists of them have no fixed
//! size, and are written beside the states (`cpu::within`).

use super::{Reduction, Selecting, compensated};
use crate::{
    formula::Formula,
    number::{Packed, Scalar},
};

/// The number of sources with f <= r and, with `LISTS`, their row numbers and values.
#[derive(Clone, Copy, Debug)]
pub struct Radius<const LISTS: bool>;

/// The row numbers j with f(p, x_i, y_j) <= r(p, x_i), and the values of f.
pub type Within = Radius<true>;
/// How many row numbers there are in [`Within`].
pub type CountWithin = Radius<false>;

impl<const LISTS: bool> Reduction for Radius<LISTS> {
    /// The number of pairs, in two terms: exact up to 2^47.
    type State<F: Formula, R: Packed> = [R; 2];
    /// The number of pairs of the run.
    type Run<F: Formula, R: Packed> = R;
    /// The value of the pair.
    type Kept<R: Packed> = R;
    const COMPARES: bool = true;
    const WITHIN: bool = true;
    const LISTS: bool = LISTS;
    // A list is written by a loop for one vector.
    const REGISTERS: usize = if LISTS { 64 } else { 1 };
    const REGISTERS_PER_COMPONENT: usize = 0;

    #[inline(always)]
    fn init<F: Formula, R: Packed>(cx: R::Cx) -> [R; 2] {
        [R::lit(cx, 0.0); 2]
    }

    #[inline(always)]
    fn begin<F: Formula, R: Packed>(cx: R::Cx, _state: &[R; 2]) -> R {
        R::lit(cx, 0.0)
    }

    #[inline(always)]
    fn keep<R: Packed>(cx: R::Cx) -> R {
        R::lit(cx, f64::NAN)
    }

    #[inline(always)]
    fn push<F: Formula, R: Packed>(
        cx: R::Cx,
        _state: &mut [R; 2],
        count: &mut R,
        kept: &mut R,
        _index: R::Index,
        c: usize,
        value: R,
    ) {
        if c == 0 {
            *kept = value;
        } else {
            let more = R::add(cx, *count, R::lit(cx, 1.0));
            *count = R::select(cx, R::le(cx, *kept, value), more, *count);
        }
    }

    #[inline(always)]
    fn flush<F: Formula, R: Packed>(cx: R::Cx, [high, low]: &mut [R; 2], count: &R) {
        compensated::add(cx, high, low, *count);
    }

    fn merge<T: Scalar>(_components: usize, state: &mut [T], other: &[T]) {
        let (mut high, mut low) = (state[0], state[1]);
        compensated::add((), &mut high, &mut low, other[0]);
        low = low + other[1];
        state.copy_from_slice(&[high, low]);
    }

    fn values(_components: usize) -> usize {
        0
    }

    fn indices(_components: usize) -> usize {
        1
    }

    #[inline(always)]
    fn if_selecting<O>(selecting: impl Selecting<Output = O>) -> Option<O> {
        Some(selecting.selects())
    }

    fn finish<T: Scalar>(_components: usize, state: &[T], _values: &mut [T], indices: &mut [u32]) {
        // There are fewer sources than numbers of this type.
        indices[0] = compensated::value(state[0], state[1]) as u32;
    }
}
