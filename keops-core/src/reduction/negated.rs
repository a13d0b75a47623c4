//! The largest values of f, computed as the smallest values of -f.

use super::{ArgMin, Min, MinArgMin, Reduction, Selecting, Selects};
use crate::{
    formula::Formula,
    number::{Packed, Scalar},
};

/// The negated result of the reduction `N` of -f.
#[derive(Clone, Copy, Debug)]
pub struct Negated<N>(N);

/// max_j f(p, x_i, y_j), for each component. NaN is skipped; -infinity if there are no sources.
pub type Max = Negated<Min>;
/// The first row number at which each component of f is largest. [`super::MISSING`] if there are no sources.
pub type ArgMax = Negated<ArgMin>;
/// The values of [`Max`] and the row numbers of [`ArgMax`].
pub type MaxArgMax = Negated<MinArgMin>;

impl<N: Reduction> Reduction for Negated<N> {
    type State<F: Formula, R: Packed> = N::State<F, R>;
    type Run<F: Formula, R: Packed> = N::Run<F, R>;
    type Kept<R: Packed> = N::Kept<R>;
    const COMPARES: bool = N::COMPARES;
    const FILTERS: bool = N::FILTERS;
    const SELECTS: Option<Selects> = match N::SELECTS {
        Some(Selects { count, negated, numbered }) => Some(Selects { count, negated: !negated, numbered }),
        None => None,
    };
    const PUSHES_TO_STATE: bool = N::PUSHES_TO_STATE;
    const REGISTERS: usize = N::REGISTERS;
    const REGISTERS_PER_COMPONENT: usize = N::REGISTERS_PER_COMPONENT;

    #[inline(always)]
    fn init<F: Formula, R: Packed>(cx: R::Cx) -> Self::State<F, R> {
        N::init::<F, R>(cx)
    }

    #[inline(always)]
    fn begin<F: Formula, R: Packed>(cx: R::Cx, state: &Self::State<F, R>) -> Self::Run<F, R> {
        N::begin::<F, R>(cx, state)
    }

    #[inline(always)]
    fn in_any_order<F: Formula, R: Packed>(run: &mut Self::Run<F, R>) {
        N::in_any_order::<F, R>(run);
    }

    #[inline(always)]
    fn keep<R: Packed>(cx: R::Cx) -> N::Kept<R> {
        N::keep(cx)
    }

    #[inline(always)]
    fn admits<F: Formula, R: Packed>(cx: R::Cx, run: &Self::Run<F, R>, value: R) -> R::Mask {
        N::admits::<F, R>(cx, run, R::neg(cx, value))
    }

    #[inline(always)]
    fn push<F: Formula, R: Packed>(
        cx: R::Cx,
        state: &mut Self::State<F, R>,
        run: &mut Self::Run<F, R>,
        kept: &mut N::Kept<R>,
        index: R::Index,
        c: usize,
        value: R,
    ) {
        N::push::<F, R>(cx, state, run, kept, index, c, R::neg(cx, value));
    }

    #[inline(always)]
    fn flush<F: Formula, R: Packed>(cx: R::Cx, state: &mut Self::State<F, R>, run: &Self::Run<F, R>) {
        N::flush::<F, R>(cx, state, run);
    }

    fn merge<T: Scalar>(components: usize, state: &mut [T], other: &[T]) {
        N::merge(components, state, other);
    }

    fn values(components: usize) -> usize {
        N::values(components)
    }

    fn indices(components: usize) -> usize {
        N::indices(components)
    }

    #[inline(always)]
    fn if_selecting<O>(selecting: impl Selecting<Output = O>) -> Option<O> {
        N::if_selecting(selecting)
    }

    fn finish<T: Scalar>(components: usize, state: &[T], values: &mut [T], indices: &mut [u32]) {
        N::finish(components, state, values, indices);
        for value in values {
            // no negative zero, as in the results of minima
            *value = T::zero() - *value;
        }
    }
}
