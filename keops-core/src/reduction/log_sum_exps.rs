//! Logarithms of sums of exponentials, one for each component of f.
//!
//! As in [`super::Exponential`], with a shift for each component: components may be far from each other, as a row's
//! distances to several sets of points are, and one shift would leave nothing of all but the largest.

use super::{
    Reduction, compensated, components,
    exponential::{raised, rescale},
    log_sum_exp::{log_of, reciprocal},
};
use crate::{
    formula::{Chain, Components, Formula},
    number::{Real, Scalar},
};

/// log Σ_j 2^(f_c) for each component c of f.
///
/// Natural logarithms of sums with exponents to base 2. -infinity where there are no sources, or all exponents of the component are
/// -infinity.
pub type LogSumExps = Exponentials<false>;

/// What the derivatives of [`LogSumExps`] read: for each component c a whole number m_c near the largest exponent; then for each
/// component 1 / Σ_j 2^(f_c - m_c), or 0 where the sum is 0.
pub type LogSumExpsSaved = Exponentials<true>;

/// See [`LogSumExps`], and with `SAVED` [`LogSumExpsSaved`].
#[derive(Clone, Copy, Debug)]
pub struct Exponentials<const SAVED: bool>;

/// The shifts, and the sums since the run began.
pub struct ExponentialsRun<F: Formula, R: Real> {
    shifts: F::Output<R>,
    sums: F::Output<R>,
}

impl<const SAVED: bool> Reduction for Exponentials<SAVED> {
    /// The shifts, then the totals in two terms.
    type State<F: Formula, R: Real> = Chain<F::Output<R>, Chain<F::Output<R>, F::Output<R>>>;
    type Run<F: Formula, R: Real> = ExponentialsRun<F, R>;
    type Kept<R: Real> = ();
    const BUNDLES: bool = true;
    const HANDS_NAN_ON: bool = true;
    const REGISTERS: usize = 1;
    const REGISTERS_PER_COMPONENT: usize = 1;

    #[inline(always)]
    fn init<F: Formula, R: Real>(cx: R::Cx) -> Self::State<F, R> {
        let lowest = <R::Scalar as num_traits::Float>::min_value();
        Chain(F::Output::<R>::splat(R::splat(cx, lowest)), Chain::splat(R::lit(cx, 0.0)))
    }

    #[inline(always)]
    fn begin<F: Formula, R: Real>(cx: R::Cx, state: &Self::State<F, R>) -> ExponentialsRun<F, R> {
        ExponentialsRun { shifts: state.0, sums: F::Output::<R>::splat(R::lit(cx, 0.0)) }
    }

    #[inline(always)]
    fn keep<R: Real>(_cx: R::Cx) {}

    #[inline(always)]
    fn push<F: Formula, R: Real>(
        cx: R::Cx,
        _state: &mut Self::State<F, R>,
        run: &mut ExponentialsRun<F, R>,
        _kept: &mut (),
        _index: R::Index,
        c: usize,
        value: R,
    ) {
        let (shift, sum) = (&mut run.shifts.as_mut_slice()[c], &mut run.sums.as_mut_slice()[c]);
        let beyond = R::lt(cx, *shift, value);
        if R::any(cx, beyond) {
            let (to, scale) = raised(cx, *shift, beyond, value);
            *sum = R::mul(cx, *sum, scale);
            *shift = to;
        }
        *sum = R::add(cx, *sum, R::exp2(cx, R::sub(cx, value, *shift)));
    }

    #[inline(always)]
    fn flush<F: Formula, R: Real>(cx: R::Cx, state: &mut Self::State<F, R>, run: &ExponentialsRun<F, R>) {
        let Chain(shifts, Chain(high, low)) = state;
        let (shifts, high, low) = (shifts.as_mut_slice(), high.as_mut_slice(), low.as_mut_slice());
        let (to, sums) = (run.shifts.as_slice(), run.sums.as_slice());
        let mut c = 0;
        while c < components::<F>() {
            let scale = rescale(cx, shifts[c], to[c]);
            shifts[c] = to[c];
            high[c] = R::mul(cx, high[c], scale);
            low[c] = R::mul(cx, low[c], scale);
            compensated::add(cx, &mut high[c], &mut low[c], sums[c]);
            c += 1;
        }
    }

    fn merge<T: Scalar>(components: usize, state: &mut [T], other: &[T]) {
        for c in 0..components {
            let [shift, high, low] = [c, components + c, 2 * components + c];
            let to = if state[shift] < other[shift] { other[shift] } else { state[shift] };
            let (mine, theirs) = (rescale((), state[shift], to), rescale((), other[shift], to));
            state[shift] = to;
            let (mut sum, mut rest) = (state[high] * mine, state[low] * mine);
            compensated::add((), &mut sum, &mut rest, other[high] * theirs);
            state[high] = sum;
            state[low] = rest + other[low] * theirs;
        }
    }

    fn values(components: usize) -> usize {
        if SAVED { 2 * components } else { components }
    }

    fn indices(_components: usize) -> usize {
        0
    }

    fn finish<T: Scalar>(components: usize, state: &[T], values: &mut [T], _indices: &mut [u32]) {
        let (shifts, sums) = state.split_at(components);
        let sum = |c: usize| compensated::value(sums[c], sums[components + c]);
        if SAVED {
            let (to, reciprocals) = values.split_at_mut(components);
            to.copy_from_slice(shifts);
            reciprocals.iter_mut().enumerate().for_each(|(c, to)| *to = T::of_f64(reciprocal(sum(c))));
        } else {
            for (c, value) in values.iter_mut().enumerate() {
                *value = T::of_f64(log_of(shifts[c].as_f64(), sum(c)));
            }
        }
    }
}
