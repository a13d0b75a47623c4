//! Sums weighted by exponentials, in one pass, without overflow: the core of [`super::LogSumExp`] and
//! [`super::SumSoftMaxWeight`].
//!
//! Component 0 of f is an exponent e_j to base 2; the other components are weighted by 2^(e_j). With a shift m, the
//! sums Σ_j 2^(e_j - m) (1, f_1, ..) are kept in compensated totals. The shift starts at the lowest finite number. When
//! an exponent exceeds it, it is raised to [`SLACK`] above that exponent, so that rescaling is rare. No weight is above
//! 1, so that the product with a large f_c is finite. m is a whole number, so rescaling multiplies by a power of two
//! and rounds nothing.
//!
//! e = -infinity gives the weight 0, e = +infinity an infinite one, NaN spreads; none of them needs a test, since m
//! is always finite.

use core::marker::PhantomData;

use super::{Reduction, compensated, components};
use crate::{
    formula::{Chain, Components, Formula},
    number::{Packed, Scalar},
};

/// How far above an exponent the shift is raised.
pub(super) const SLACK: f64 = 8.0;

/// What a tolerance of a result of weighted sums is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weights {
    /// Every sum: of weights, if f has no other component, or else of products with these, which are to be positive.
    Sum,
    /// The sum of the weights, and that of the products with the other components of f, relative to that of their sizes.
    Mean,
}

/// The result row, as a function of the weighted sums.
pub trait Outcome: Copy + Send + Sync + 'static {
    /// Whether the result needs the sum of the weights alone, even if f has components besides the exponent.
    const WEIGHTS: bool;
    /// How many values the result row has, for a formula of `components` components.
    fn values(components: usize) -> usize;
    /// Writes the result row, given the shift and `sum(c)` = Σ_j 2^(e_j - shift) f_c, where f_0 stands for 1.
    fn finish<T: Scalar>(shift: f64, components: usize, sum: impl Fn(usize) -> f64, values: &mut [T]);
}

/// A reduction with weights 2^(f_0).
#[derive(Clone, Copy, Debug)]
pub struct Exponential<O>(PhantomData<O>);

/// The shift, and the weighted sums since the run began.
pub struct ExponentialRun<F: Formula, R: Packed> {
    shift: R,
    sums: F::Output<R>,
}

/// 2^(from - to) for whole numbers from <= to; 0 where the result is not a normal number.
#[inline(always)]
pub(super) fn rescale<R: Packed>(cx: R::Cx, from: R, to: R) -> R {
    let lowest = if size_of::<R::Scalar>() == 4 { -127.0 } else { -1023.0 };
    R::pow2_integer(cx, R::max(cx, R::sub(cx, from, to), R::lit(cx, lowest)))
}

/// Whether component 0 of the totals, the sum of the weights, is needed.
const fn weights<F: Formula, O: Outcome>() -> bool {
    O::WEIGHTS || components::<F>() == 1
}

/// The shift, raised in the lanes `beyond`, whose exponent exceeds it; and the factor by which sums relative to the old
/// shift become sums relative to the new one.
#[inline(always)]
pub(super) fn raised<R: Packed>(cx: R::Cx, shift: R, beyond: R::Mask, exponent: R) -> (R, R) {
    let highest = R::splat(cx, <R::Scalar as num_traits::Float>::max_value());
    let raised = R::add(cx, R::round(cx, R::min(cx, exponent, highest)), R::lit(cx, SLACK));
    let to = R::select(cx, beyond, raised, shift);
    (to, rescale(cx, shift, to))
}

/// Raises the shift in the lanes `beyond`, whose exponent exceeds it, and rescales the sums of the run.
#[inline(always)]
fn raise<F: Formula, R: Packed>(cx: R::Cx, run: &mut ExponentialRun<F, R>, beyond: R::Mask, exponent: R) {
    let (shift, scale) = raised(cx, run.shift, beyond, exponent);
    for sum in run.sums.as_mut_slice() {
        *sum = R::mul(cx, *sum, scale);
    }
    run.shift = shift;
}

impl<O: Outcome> Reduction for Exponential<O> {
    /// The shift, then the totals in two terms. Component 0 of the totals is the sum of the weights, if it is needed.
    type State<F: Formula, R: Packed> = Chain<[R; 1], Chain<F::Output<R>, F::Output<R>>>;
    type Run<F: Formula, R: Packed> = ExponentialRun<F, R>;
    /// The weight.
    type Kept<R: Packed> = R;
    const BUNDLES: bool = true;
    const HANDS_NAN_ON: bool = true;
    const WEIGHTS: Option<Weights> = Some(if O::WEIGHTS { Weights::Mean } else { Weights::Sum });
    // The weight. The shift is only read, from the first-level cache if need be.
    const REGISTERS: usize = 1;
    const REGISTERS_PER_COMPONENT: usize = 1;

    #[inline(always)]
    fn init<F: Formula, R: Packed>(cx: R::Cx) -> Self::State<F, R> {
        let lowest = <R::Scalar as num_traits::Float>::min_value();
        Chain([R::splat(cx, lowest)], Chain::splat(R::lit(cx, 0.0)))
    }

    #[inline(always)]
    fn begin<F: Formula, R: Packed>(cx: R::Cx, state: &Self::State<F, R>) -> ExponentialRun<F, R> {
        let [shift] = state.0;
        ExponentialRun { shift, sums: F::Output::<R>::splat(R::lit(cx, 0.0)) }
    }

    #[inline(always)]
    fn keep<R: Packed>(cx: R::Cx) -> R {
        R::lit(cx, 0.0)
    }

    #[inline(always)]
    fn lead<F: Formula, R: Packed>(cx: R::Cx, run: &mut ExponentialRun<F, R>, largest: R) {
        let beyond = R::lt(cx, run.shift, largest);
        if R::any(cx, beyond) {
            raise::<F, R>(cx, run, beyond, largest);
        }
    }

    #[inline(always)]
    fn push<F: Formula, R: Packed>(
        cx: R::Cx,
        _state: &mut Self::State<F, R>,
        run: &mut ExponentialRun<F, R>,
        weight: &mut R,
        _index: R::Index,
        c: usize,
        value: R,
    ) {
        if c == 0 {
            *weight = R::exp2(cx, R::sub(cx, value, run.shift));
            if const { weights::<F, O>() } {
                let sum = &mut run.sums.as_mut_slice()[0];
                *sum = R::add(cx, *sum, *weight);
            }
        } else {
            let sum = &mut run.sums.as_mut_slice()[c];
            *sum = R::mul_add(cx, *weight, value, *sum);
        }
    }

    #[inline(always)]
    fn flush<F: Formula, R: Packed>(cx: R::Cx, state: &mut Self::State<F, R>, run: &ExponentialRun<F, R>) {
        let Chain([shift], Chain(high, low)) = state;
        let scale = rescale(cx, *shift, run.shift);
        *shift = run.shift;
        let (high, low, sums) = (high.as_mut_slice(), low.as_mut_slice(), run.sums.as_slice());
        let mut c = 0;
        while c < components::<F>() {
            high[c] = R::mul(cx, high[c], scale);
            low[c] = R::mul(cx, low[c], scale);
            compensated::add(cx, &mut high[c], &mut low[c], sums[c]);
            c += 1;
        }
    }

    fn merge<T: Scalar>(components: usize, state: &mut [T], other: &[T]) {
        let shift = if state[0] < other[0] { other[0] } else { state[0] };
        let (mine, theirs) = (rescale((), state[0], shift), rescale((), other[0], shift));
        state[0] = shift;
        let (high, low) = state[1..].split_at_mut(components);
        let (other_high, other_low) = other[1..].split_at(components);
        for c in 0..components {
            high[c] = high[c] * mine;
            low[c] = low[c] * mine;
            compensated::add((), &mut high[c], &mut low[c], other_high[c] * theirs);
            low[c] = low[c] + other_low[c] * theirs;
        }
    }

    fn values(components: usize) -> usize {
        O::values(components)
    }

    fn finish<T: Scalar>(components: usize, state: &[T], values: &mut [T], _indices: &mut [u32]) {
        let (shift, sum) = sums(components, state);
        O::finish(shift, components, sum, values);
    }
}

/// The shift of a state, and a function that gives its sums: `sum(c)` = Σ_j 2^(e_j - shift) f_c, where f_0 stands for
/// 1.
pub(super) fn sums<T: Scalar>(components: usize, state: &[T]) -> (f64, impl Fn(usize) -> f64) {
    let (high, low) = state[1..].split_at(components);
    (state[0].as_f64(), move |c| compensated::value(high[c], low[c]))
}
