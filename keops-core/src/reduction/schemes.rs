//! Sums with other roundings than [`Sum`]: one addition a term, or none lost.

use super::{Reduction, Sum, compensated, components};
use crate::{
    formula::{Chain, Components, Formula},
    number::{Real, Scalar},
};

/// Σ_j f(p, x_i, y_j), for each component, by one addition in the element type for each term. 0 if there are no sources.
///
/// KeOps' `direct_sum`. The error grows with the number of terms, up to 6e-8 of Σ|terms| for each of them in f32; lanes,
/// threads and GPU blocks have a sum each, and their sums are added.
#[derive(Clone, Copy, Debug)]
pub struct DirectSum;

/// Σ_j f(p, x_i, y_j), for each component, with the rounding of every addition kept. 0 if there are no sources.
///
/// KeOps' `kahan_scheme`, by Knuth's TwoSum, which unlike Kahan's needs no order of sizes; the rounding of a product that
/// is the last operation of f is kept too. A run of a few hundred terms is off by less than 1e-9 of Σ|terms| in f32, and
/// so is the total, which is rounded once: where that shows, an accumulator in f64 is off by as much after 10^7 terms.
/// Eight operations a term instead of one.
#[derive(Clone, Copy, Debug)]
pub struct CompensatedSum;

impl Reduction for DirectSum {
    type State<F: Formula, R: Real> = F::Output<R>;
    type Run<F: Formula, R: Real> = F::Output<R>;
    type Kept<R: Real> = ();
    const BUNDLES: bool = true;
    const HANDS_NAN_ON: bool = true;
    const REGISTERS: usize = 0;
    const REGISTERS_PER_COMPONENT: usize = 1;

    #[inline(always)]
    fn init<F: Formula, R: Real>(cx: R::Cx) -> F::Output<R> {
        F::Output::<R>::splat(R::lit(cx, 0.0))
    }

    #[inline(always)]
    fn begin<F: Formula, R: Real>(_cx: R::Cx, state: &F::Output<R>) -> F::Output<R> {
        *state
    }

    #[inline(always)]
    fn keep<R: Real>(_cx: R::Cx) {}

    #[inline(always)]
    fn push<F: Formula, R: Real>(
        cx: R::Cx,
        _state: &mut F::Output<R>,
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
        _state: &mut F::Output<R>,
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
    fn flush<F: Formula, R: Real>(_cx: R::Cx, state: &mut F::Output<R>, run: &F::Output<R>) {
        *state = *run;
    }

    fn merge<T: Scalar>(_components: usize, state: &mut [T], other: &[T]) {
        state.iter_mut().zip(other).for_each(|(sum, &other)| *sum = *sum + other);
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

impl Reduction for CompensatedSum {
    /// The total, in two terms.
    type State<F: Formula, R: Real> = Chain<F::Output<R>, F::Output<R>>;
    type Run<F: Formula, R: Real> = Chain<F::Output<R>, F::Output<R>>;
    type Kept<R: Real> = ();
    const BUNDLES: bool = true;
    const HANDS_NAN_ON: bool = true;
    const REGISTERS: usize = 0;
    const REGISTERS_PER_COMPONENT: usize = 2;

    #[inline(always)]
    fn init<F: Formula, R: Real>(cx: R::Cx) -> Self::State<F, R> {
        Chain::splat(R::lit(cx, 0.0))
    }

    #[inline(always)]
    fn begin<F: Formula, R: Real>(cx: R::Cx, _state: &Self::State<F, R>) -> Self::Run<F, R> {
        Chain::splat(R::lit(cx, 0.0))
    }

    #[inline(always)]
    fn keep<R: Real>(_cx: R::Cx) {}

    #[inline(always)]
    fn push<F: Formula, R: Real>(
        cx: R::Cx,
        _state: &mut Self::State<F, R>,
        run: &mut Self::Run<F, R>,
        _kept: &mut (),
        _index: R::Index,
        c: usize,
        value: R,
    ) {
        compensated::add(cx, &mut run.0.as_mut_slice()[c], &mut run.1.as_mut_slice()[c], value);
    }

    #[inline(always)]
    fn push_product<F: Formula, R: Real>(
        cx: R::Cx,
        _state: &mut Self::State<F, R>,
        run: &mut Self::Run<F, R>,
        _kept: &mut (),
        _index: R::Index,
        c: usize,
        (a, b): (R, R),
    ) {
        let (product, rest) = R::two_product(cx, a, b);
        // NaN where the product overflows, and near there without fused operations
        let rest = R::select(cx, R::eq(cx, rest, rest), rest, R::lit(cx, 0.0));
        let low = &mut run.1.as_mut_slice()[c];
        *low = R::add(cx, *low, rest);
        compensated::add(cx, &mut run.0.as_mut_slice()[c], low, product);
    }

    #[inline(always)]
    fn flush<F: Formula, R: Real>(cx: R::Cx, state: &mut Self::State<F, R>, run: &Self::Run<F, R>) {
        let (high, low) = (state.0.as_mut_slice(), state.1.as_mut_slice());
        let (run_high, run_low) = (run.0.as_slice(), run.1.as_slice());
        let mut c = 0;
        while c < components::<F>() {
            compensated::add_pair(cx, &mut high[c], &mut low[c], (run_high[c], run_low[c]));
            c += 1;
        }
    }

    fn merge<T: Scalar>(components: usize, state: &mut [T], other: &[T]) {
        let (high, low) = state.split_at_mut(components);
        let (other_high, other_low) = other.split_at(components);
        for c in 0..components {
            compensated::add_pair((), &mut high[c], &mut low[c], (other_high[c], other_low[c]));
        }
    }

    fn values(components: usize) -> usize {
        components
    }

    fn indices(_components: usize) -> usize {
        0
    }

    fn finish<T: Scalar>(components: usize, state: &[T], values: &mut [T], indices: &mut [u32]) {
        Sum::finish(components, state, values, indices);
    }
}
