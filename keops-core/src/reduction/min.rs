//! The smallest value of each component, without its row number.

use super::Reduction;
use crate::{
    formula::{Components, Formula},
    number::{Real, Scalar},
};

/// min_j f(p, x_i, y_j), for each component. NaN is skipped; +infinity if there are no sources.
#[derive(Clone, Copy, Debug)]
pub struct Min;

/// The smallest values so far.
pub struct MinRun<F: Formula, R: Real>(F::Output<R>);

/// The smaller of both; `old` if `new` is NaN, which `Real::min` leaves open.
#[inline(always)]
fn smaller<R: Real>(cx: R::Cx, new: R, old: R) -> R {
    R::select(cx, R::lt(cx, new, old), new, old)
}

impl Reduction for Min {
    type State<F: Formula, R: Real> = F::Output<R>;
    type Run<F: Formula, R: Real> = MinRun<F, R>;
    type Kept<R: Real> = ();
    const COMPARES: bool = true;
    const REGISTERS: usize = 0;
    const REGISTERS_PER_COMPONENT: usize = 1;

    #[inline(always)]
    fn init<F: Formula, R: Real>(cx: R::Cx) -> F::Output<R> {
        F::Output::<R>::splat(R::lit(cx, f64::INFINITY))
    }

    #[inline(always)]
    fn begin<F: Formula, R: Real>(_cx: R::Cx, state: &F::Output<R>) -> MinRun<F, R> {
        MinRun(*state)
    }

    #[inline(always)]
    fn keep<R: Real>(_cx: R::Cx) {}

    #[inline(always)]
    fn push<F: Formula, R: Real>(
        cx: R::Cx,
        _state: &mut F::Output<R>,
        run: &mut MinRun<F, R>,
        _kept: &mut (),
        _index: R::Index,
        c: usize,
        value: R,
    ) {
        let best = &mut run.0.as_mut_slice()[c];
        *best = smaller(cx, value, *best);
    }

    #[inline(always)]
    fn flush<F: Formula, R: Real>(_cx: R::Cx, state: &mut F::Output<R>, run: &MinRun<F, R>) {
        *state = run.0;
    }

    fn merge<T: Scalar>(_components: usize, state: &mut [T], other: &[T]) {
        for (best, &new) in state.iter_mut().zip(other) {
            *best = smaller((), new, *best);
        }
    }

    fn values(components: usize) -> usize {
        components
    }

    fn indices(_components: usize) -> usize {
        0
    }

    fn finish<T: Scalar>(_components: usize, state: &[T], values: &mut [T], _indices: &mut [u32]) {
        values.copy_from_slice(state);
    }
}
