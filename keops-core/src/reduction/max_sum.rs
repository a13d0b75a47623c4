//! The largest exponent, and the sums of weights relative to it: what a logarithm of a sum is made of, in two parts.

use core::f64::consts::LN_2;

use super::{Exponential, LogOfSum, Outcome, Reduction, exponential::sums, log_sum_exp::uncut};
use crate::{
    formula::{Chain, Formula},
    number::{Packed, Real, Scalar},
};

/// The weighted sums. Their shift is a number near the largest exponent, but not that exponent.
type Sums = Exponential<LogOfSum>;

/// m = max_j f_0 log 2, then Σ_j 2^(f_0) e^(-m) f_c for the components c = 1, 2, .. of f; if f has only component 0,
/// then Σ_j 2^(f_0) e^(-m).
///
/// (-infinity, 0, ..) if there are no sources or all exponents are -infinity; an exponent of +infinity makes the sums
/// NaN.
#[derive(Clone, Copy, Debug)]
pub struct MaxSumShiftExp;

impl Reduction for MaxSumShiftExp {
    /// The largest exponent, then the sums.
    type State<F: Formula, R: Packed> = Chain<[R; 1], <Sums as Reduction>::State<F, R>>;
    type Run<F: Formula, R: Packed> = (R, <Sums as Reduction>::Run<F, R>);
    type Kept<R: Packed> = R;
    const BUNDLES: bool = Sums::BUNDLES;
    const HANDS_NAN_ON: bool = Sums::HANDS_NAN_ON;
    const REGISTERS: usize = Sums::REGISTERS + 1;
    const REGISTERS_PER_COMPONENT: usize = Sums::REGISTERS_PER_COMPONENT;

    #[inline(always)]
    fn init<F: Formula, R: Packed>(cx: R::Cx) -> Self::State<F, R> {
        Chain([R::lit(cx, f64::NEG_INFINITY)], Sums::init::<F, R>(cx))
    }

    #[inline(always)]
    fn begin<F: Formula, R: Packed>(cx: R::Cx, state: &Self::State<F, R>) -> Self::Run<F, R> {
        let [largest] = state.0;
        (largest, Sums::begin::<F, R>(cx, &state.1))
    }

    #[inline(always)]
    fn keep<R: Packed>(cx: R::Cx) -> R {
        Sums::keep(cx)
    }

    #[inline(always)]
    fn lead<F: Formula, R: Packed>(cx: R::Cx, run: &mut Self::Run<F, R>, largest: R) {
        Sums::lead::<F, R>(cx, &mut run.1, largest);
    }

    #[inline(always)]
    fn push<F: Formula, R: Packed>(
        cx: R::Cx,
        state: &mut Self::State<F, R>,
        run: &mut Self::Run<F, R>,
        weight: &mut R,
        index: R::Index,
        c: usize,
        value: R,
    ) {
        if c == 0 {
            run.0 = R::select(cx, R::lt(cx, run.0, value), value, run.0);
        }
        Sums::push::<F, R>(cx, &mut state.1, &mut run.1, weight, index, c, value);
    }

    #[inline(always)]
    fn flush<F: Formula, R: Packed>(cx: R::Cx, state: &mut Self::State<F, R>, run: &Self::Run<F, R>) {
        state.0 = [run.0];
        Sums::flush::<F, R>(cx, &mut state.1, &run.1);
    }

    fn merge<T: Scalar>(components: usize, state: &mut [T], other: &[T]) {
        if state[0] < other[0] {
            state[0] = other[0];
        }
        Sums::merge(components, &mut state[1..], &other[1..]);
    }

    fn values(components: usize) -> usize {
        1 + LogOfSum::values(components)
    }

    fn finish<T: Scalar>(components: usize, state: &[T], values: &mut [T], _indices: &mut [u32]) {
        let largest = state[0].as_f64();
        let (shift, sum) = sums(components, &state[1..]);
        let Some((first, rest)) = values.split_first_mut() else { return };
        *first = uncut(largest * LN_2);
        for (c, value) in rest.iter_mut().enumerate() {
            let sum = sum(usize::from(components > 1) + c);
            // Where all exponents are -infinity, there is no largest one to relate the sum to.
            let nothing = largest == f64::NEG_INFINITY && !sum.is_nan();
            let scaled = sum * <f64 as Real>::exp2((), shift - largest);
            *value = T::of_f64(if nothing { 0.0 } else { scaled });
        }
    }
}
