//! Nothing at all.

use super::Reduction;
use crate::{
    formula::{Components, Formula},
    number::{Real, Scalar},
};

/// 0 for each component of f, which is not computed.
#[derive(Clone, Copy, Debug)]
pub struct Zero;

impl Reduction for Zero {
    type State<F: Formula, R: Real> = F::Output<R>;
    type Run<F: Formula, R: Real> = ();
    type Kept<R: Real> = ();
    const REGISTERS: usize = 0;
    const REGISTERS_PER_COMPONENT: usize = 0;

    #[inline(always)]
    fn init<F: Formula, R: Real>(cx: R::Cx) -> F::Output<R> {
        F::Output::<R>::splat(R::lit(cx, 0.0))
    }

    #[inline(always)]
    fn begin<F: Formula, R: Real>(_cx: R::Cx, _state: &F::Output<R>) {}

    #[inline(always)]
    fn keep<R: Real>(_cx: R::Cx) {}

    #[inline(always)]
    fn push<F: Formula, R: Real>(
        _cx: R::Cx,
        _state: &mut F::Output<R>,
        _run: &mut (),
        _kept: &mut (),
        _index: R::Index,
        _c: usize,
        _value: R,
    ) {
    }

    #[inline(always)]
    fn flush<F: Formula, R: Real>(_cx: R::Cx, _state: &mut F::Output<R>, _run: &()) {}

    fn merge<T: Scalar>(_components: usize, _state: &mut [T], _other: &[T]) {}

    fn values(components: usize) -> usize {
        components
    }

    fn indices(_components: usize) -> usize {
        0
    }

    fn finish<T: Scalar>(_components: usize, _state: &[T], values: &mut [T], _indices: &mut [u32]) {
        values.fill(T::zero());
    }
}
