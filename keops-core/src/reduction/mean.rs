//! The mean of all terms: their sum, and their number.

use core::marker::PhantomData;

use super::{CompensatedSum, DirectSum, Reduction, Sum, compensated};
use crate::{
    formula::{Chain, Formula},
    number::{Packed, Scalar},
};

/// Σ_j f(p, x_i, y_j) / n for each component, where n is the number of sources: all of them, or those that ranges pair
/// with the target. NaN (0/0) if there are none.
pub type Mean = Averaged<Sum>;
/// [`Mean`], summed as [`DirectSum`] does it.
pub type DirectMean = Averaged<DirectSum>;
/// [`Mean`], summed as [`CompensatedSum`] does it.
pub type CompensatedMean = Averaged<CompensatedSum>;

/// The sum `S`, divided by the number of its terms.
#[derive(Clone, Copy, Debug)]
pub struct Averaged<S>(PhantomData<S>);

impl<S: Reduction> Reduction for Averaged<S> {
    /// The number of sources as a sum in two terms, then the state of the sum.
    type State<F: Formula, R: Packed> = Chain<[R; 2], S::State<F, R>>;
    /// The number of sources in the run, and the run of the sum.
    type Run<F: Formula, R: Packed> = (R, S::Run<F, R>);
    type Kept<R: Packed> = S::Kept<R>;
    // `ADDS` is false: parts of a component would each count as a term.
    const BUNDLES: bool = S::BUNDLES;
    const HANDS_NAN_ON: bool = S::HANDS_NAN_ON;
    const DIVIDES: bool = true;
    const REGISTERS: usize = S::REGISTERS + 1;
    const REGISTERS_PER_COMPONENT: usize = S::REGISTERS_PER_COMPONENT;

    #[inline(always)]
    fn init<F: Formula, R: Packed>(cx: R::Cx) -> Self::State<F, R> {
        Chain([R::lit(cx, 0.0); 2], S::init::<F, R>(cx))
    }

    #[inline(always)]
    fn begin<F: Formula, R: Packed>(cx: R::Cx, state: &Self::State<F, R>) -> Self::Run<F, R> {
        (R::lit(cx, 0.0), S::begin::<F, R>(cx, &state.1))
    }

    #[inline(always)]
    fn keep<R: Packed>(cx: R::Cx) -> S::Kept<R> {
        S::keep(cx)
    }

    #[inline(always)]
    fn push<F: Formula, R: Packed>(
        cx: R::Cx,
        state: &mut Self::State<F, R>,
        run: &mut Self::Run<F, R>,
        kept: &mut S::Kept<R>,
        index: R::Index,
        c: usize,
        value: R,
    ) {
        if c == 0 {
            run.0 = R::add(cx, run.0, R::lit(cx, 1.0));
        }
        S::push::<F, R>(cx, &mut state.1, &mut run.1, kept, index, c, value);
    }

    #[inline(always)]
    fn push_product<F: Formula, R: Packed>(
        cx: R::Cx,
        state: &mut Self::State<F, R>,
        run: &mut Self::Run<F, R>,
        kept: &mut S::Kept<R>,
        index: R::Index,
        c: usize,
        product: (R, R),
    ) {
        if c == 0 {
            run.0 = R::add(cx, run.0, R::lit(cx, 1.0));
        }
        S::push_product::<F, R>(cx, &mut state.1, &mut run.1, kept, index, c, product);
    }

    #[inline(always)]
    fn flush<F: Formula, R: Packed>(cx: R::Cx, state: &mut Self::State<F, R>, run: &Self::Run<F, R>) {
        let [high, low] = &mut state.0;
        compensated::add(cx, high, low, run.0);
        S::flush::<F, R>(cx, &mut state.1, &run.1);
    }

    fn merge<T: Scalar>(components: usize, state: &mut [T], other: &[T]) {
        let (count, sum) = state.split_at_mut(2);
        let (other_count, other_sum) = other.split_at(2);
        if let [high, low] = count {
            compensated::add((), high, low, other_count[0]);
            *low = *low + other_count[1];
        }
        S::merge(components, sum, other_sum);
    }

    fn values(components: usize) -> usize {
        S::values(components)
    }

    fn finish<T: Scalar>(components: usize, state: &[T], values: &mut [T], indices: &mut [u32]) {
        let (count, sum) = state.split_at(2);
        S::finish(components, sum, values, indices);
        let count = compensated::value(count[0], count[1]);
        for value in values {
            *value = T::of_f64(value.as_f64() / count);
        }
    }
}
