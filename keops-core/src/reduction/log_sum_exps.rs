//! Logarithms of sums of exponentials, one for each component of f.
//!
//! The method is that of [`super::Exponential`], with a shift for each component. Components may be far from each
//! other, as the distances of a row to several sets of points are, and with one common shift all but the largest would
//! underflow.

use super::{
    Componentwise, Numbers, compensated,
    exponential::{raised, rescale},
    log_sum_exp::{log_of, reciprocal, uncut},
};
use crate::number::{Packed, Scalar};

/// log Σ_j 2^(f_c) for each component c of f.
///
/// Natural logarithms of sums with exponents to base 2. -infinity where there are no sources, or all exponents of the
/// component are -infinity.
pub type LogSumExps = Exponentials<false>;

/// The saved row that derivatives of [`LogSumExps`] read: for each component c a whole number m_c near the largest
/// exponent; then for each component 1 / Σ_j 2^(f_c - m_c), or 0 where the sum is 0.
pub type LogSumExpsSaved = Exponentials<true>;

/// See [`LogSumExps`], and with `SAVED` [`LogSumExpsSaved`].
#[derive(Clone, Copy, Debug)]
pub struct Exponentials<const SAVED: bool>;

impl<const SAVED: bool> Componentwise for Exponentials<SAVED> {
    /// The shift, then the total in two terms.
    type State = Numbers<3>;
    /// The shift, and the sum since the run began.
    type Run = Numbers<2>;
    const BUNDLES: bool = true;
    const HANDS_NAN_ON: bool = true;
    // The shift is only read, from the first-level cache if need be.
    const REGISTERS: usize = 1;
    const REGISTERS_PER_COMPONENT: usize = 1;
    const VALUES: usize = if SAVED { 2 } else { 1 };

    #[inline(always)]
    fn init<R: Packed>(cx: R::Cx) -> [R; 3] {
        let (lowest, zero) = (<R::Scalar as num_traits::Float>::min_value(), R::lit(cx, 0.0));
        [R::splat(cx, lowest), zero, zero]
    }

    #[inline(always)]
    fn begin<R: Packed>(cx: R::Cx, [shift, ..]: [R; 3]) -> [R; 2] {
        [shift, R::lit(cx, 0.0)]
    }

    #[inline(always)]
    fn push<R: Packed>(cx: R::Cx, [shift, sum]: [&mut R; 2], value: R) {
        let beyond = R::lt(cx, *shift, value);
        if R::any(cx, beyond) {
            let (to, scale) = raised(cx, *shift, beyond, value);
            *sum = R::mul(cx, *sum, scale);
            *shift = to;
        }
        *sum = R::add(cx, *sum, R::exp2(cx, R::sub(cx, value, *shift)));
    }

    #[inline(always)]
    fn flush<R: Packed>(cx: R::Cx, [shift, high, low]: [R; 3], [to, sum]: [R; 2]) -> [R; 3] {
        let scale = rescale(cx, shift, to);
        let (mut high, mut low) = (R::mul(cx, high, scale), R::mul(cx, low, scale));
        compensated::add(cx, &mut high, &mut low, sum);
        [to, high, low]
    }

    fn merge<T: Scalar>([shift, high, low]: [T; 3], [other_shift, other_high, other_low]: [T; 3]) -> [T; 3] {
        let to = if shift < other_shift { other_shift } else { shift };
        let (mine, theirs) = (rescale((), shift, to), rescale((), other_shift, to));
        let (mut high, mut low) = (high * mine, low * mine);
        compensated::add((), &mut high, &mut low, other_high * theirs);
        [to, high, low + other_low * theirs]
    }

    fn finish<T: Scalar>([shift, high, low]: [T; 3], number: usize) -> T {
        let sum = compensated::value(high, low);
        match (SAVED, number) {
            (false, _) => uncut(log_of(shift.as_f64(), sum)),
            (true, 0) => shift,
            (true, _) => T::of_f64(reciprocal(sum)),
        }
    }
}
