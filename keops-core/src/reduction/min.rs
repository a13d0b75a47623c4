//! The smallest value of each component, without its row number.

use super::{Reduction, components, each_lane};
use crate::{
    components::Components,
    formula::Formula,
    real::{Element, Real},
};

/// min_j f(p, x_i, y_j), for each component. NaN is skipped; +infinity if there are no sources.
#[derive(Clone, Copy, Debug)]
pub struct Min;

/// The smallest values so far.
#[derive(Clone, Copy)]
pub struct MinState<F: Formula, R: Real>(F::Out<R>);

/// The smaller of both; `old` if `new` is NaN, which `Real::min` leaves open.
#[inline(always)]
fn smaller<R: Real>(cx: R::Cx, new: R, old: R) -> R {
    R::select(cx, R::lt(cx, new, old), new, old)
}

impl Reduction for Min {
    type State<F: Formula, R: Real> = MinState<F, R>;
    type Run<F: Formula, R: Real> = MinState<F, R>;
    const REGISTERS: usize = 0;
    const REGISTERS_PER_COMPONENT: usize = 1;

    #[inline(always)]
    fn init<F: Formula, R: Real>(cx: R::Cx) -> MinState<F, R> {
        MinState(F::Out::<R>::splat(R::lit(cx, f64::INFINITY)))
    }

    #[inline(always)]
    fn begin<F: Formula, R: Real>(_cx: R::Cx, state: &MinState<F, R>) -> MinState<F, R> {
        *state
    }

    #[inline(always)]
    fn push<F: Formula, R: Real>(
        cx: R::Cx,
        _state: &mut MinState<F, R>,
        run: &mut MinState<F, R>,
        _index: R::Index,
        c: usize,
        value: R,
    ) {
        let best = &mut run.0.as_mut_slice()[c];
        *best = smaller(cx, value, *best);
    }

    #[inline(always)]
    fn flush<F: Formula, R: Real>(_cx: R::Cx, state: &mut MinState<F, R>, run: &MinState<F, R>) {
        *state = *run;
    }

    #[inline(always)]
    fn unpack<F: Formula, R: Real>(cx: R::Cx, state: &MinState<F, R>, to: &mut [MinState<F, R::Scalar>]) {
        for c in 0..components::<F>() {
            each_lane(cx, state.0.as_slice()[c], to, c, |lane, c, number| lane.0.as_mut_slice()[c] = number);
        }
    }

    fn merge<F: Formula, T: Element>(state: &mut MinState<F, T>, other: &MinState<F, T>) {
        for (best, &new) in state.0.as_mut_slice().iter_mut().zip(other.0.as_slice()) {
            *best = smaller((), new, *best);
        }
    }

    fn values(components: usize) -> usize {
        components
    }

    fn indices(_components: usize) -> usize {
        0
    }

    fn finish<F: Formula, T: Element>(state: &MinState<F, T>, values: &mut [T], _indices: &mut [u32]) {
        values.copy_from_slice(state.0.as_slice());
    }
}
