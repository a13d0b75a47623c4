//! The sum of all terms.
//!
//! A run is summed in the element type, where the last product of the formula and the addition are one fused
//! operation; its end moves it into a compensated total. The error of the total stays that of one run, about 1e-7 of
//! Σ|terms| in f32, whatever the number of terms.

use super::{Reduction, compensated, components};
use crate::{
    formula::{Chain, Components, Formula},
    number::{Real, Scalar},
};

/// Σ_j f(p, x_i, y_j), for each component. 0 if there are no sources.
#[derive(Clone, Copy, Debug)]
pub struct Sum;

impl Reduction for Sum {
    /// The total, in two terms.
    type State<F: Formula, R: Real> = Chain<F::Output<R>, F::Output<R>>;
    /// What it has summed so far.
    type Run<F: Formula, R: Real> = F::Output<R>;
    type Kept<R: Real> = ();
    const BUNDLES: bool = true;
    const ADDS: bool = true;
    const HANDS_NAN_ON: bool = true;
    const REGISTERS: usize = 0;
    const REGISTERS_PER_COMPONENT: usize = 1;

    #[inline(always)]
    fn init<F: Formula, R: Real>(cx: R::Cx) -> Self::State<F, R> {
        Chain::splat(R::lit(cx, 0.0))
    }

    #[inline(always)]
    fn begin<F: Formula, R: Real>(cx: R::Cx, _state: &Self::State<F, R>) -> F::Output<R> {
        F::Output::<R>::splat(R::lit(cx, 0.0))
    }

    #[inline(always)]
    fn keep<R: Real>(_cx: R::Cx) {}

    #[inline(always)]
    fn push<F: Formula, R: Real>(
        cx: R::Cx,
        _state: &mut Self::State<F, R>,
        run: &mut F::Output<R>,
        _kept: &mut (),
        _index: R::Index,
        c: usize,
        value: R,
    ) {
        let sum = &mut run.as_mut_slice()[c];
        *sum = R::add(cx, *sum, value);
    }

    #[inline(always)]
    fn push_product<F: Formula, R: Real>(
        cx: R::Cx,
        _state: &mut Self::State<F, R>,
        run: &mut F::Output<R>,
        _kept: &mut (),
        _index: R::Index,
        c: usize,
        (a, b): (R, R),
    ) {
        let sum = &mut run.as_mut_slice()[c];
        *sum = R::mul_add(cx, a, b, *sum);
    }

    #[inline(always)]
    fn flush<F: Formula, R: Real>(cx: R::Cx, state: &mut Self::State<F, R>, run: &F::Output<R>) {
        let (high, low, sums) = (state.0.as_mut_slice(), state.1.as_mut_slice(), run.as_slice());
        let mut c = 0;
        while c < components::<F>() {
            compensated::add(cx, &mut high[c], &mut low[c], sums[c]);
            c += 1;
        }
    }

    fn merge<T: Scalar>(components: usize, state: &mut [T], other: &[T]) {
        let (high, low) = state.split_at_mut(components);
        let (other_high, other_low) = other.split_at(components);
        for c in 0..components {
            compensated::add((), &mut high[c], &mut low[c], other_high[c]);
            low[c] = low[c] + other_low[c];
        }
    }

    fn values(components: usize) -> usize {
        components
    }

    fn indices(_components: usize) -> usize {
        0
    }

    fn finish<T: Scalar>(components: usize, state: &[T], values: &mut [T], _indices: &mut [u32]) {
        let (high, low) = state.split_at(components);
        for (c, value) in values.iter_mut().enumerate() {
            *value = T::of_f64(compensated::value(high[c], low[c]));
        }
    }
}
