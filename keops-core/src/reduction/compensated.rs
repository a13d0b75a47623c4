//! Sums in two terms: the second term holds the rounding errors of the first.
//!
//! A run of a few hundred additions in the element type loses little. What loses digits is adding many runs to a large
//! total. The totals here keep these digits in a second term, and are rounded once, at the end.

use crate::number::{Packed, Scalar};

/// The rounded sum s of a and b, and its rounding error e: s + e = a + b exactly, for finite s (Knuth's TwoSum).
#[inline(always)]
pub(super) fn two_sum<R: Packed>(cx: R::Cx, a: R, b: R) -> (R, R) {
    let s = R::add(cx, a, b);
    let b_in_s = R::sub(cx, s, a);
    let a_in_s = R::sub(cx, s, b_in_s);
    let e = R::add(cx, R::sub(cx, a, a_in_s), R::sub(cx, b, b_in_s));
    (s, e)
}

/// Adds a run to the total `high + low`.
#[inline(always)]
pub(super) fn add<R: Packed>(cx: R::Cx, high: &mut R, low: &mut R, run: R) {
    let (s, e) = two_sum(cx, *high, run);
    *high = s;
    *low = R::add(cx, *low, e);
}

/// Adds the run a + b, which is in two terms too, to the total `high + low`, and renormalizes the total: `low` stays at
/// most a rounding of `high` after any number of runs. A low part that is NaN, because a sum was infinite, is left out.
#[inline(always)]
pub(super) fn add_pair<R: Packed>(cx: R::Cx, high: &mut R, low: &mut R, (a, b): (R, R)) {
    let (s, e) = two_sum(cx, *high, a);
    let rest = R::add(cx, *low, R::add(cx, b, e));
    let rest = R::select(cx, R::eq(cx, rest, rest), rest, R::lit(cx, 0.0));
    (*high, *low) = two_sum(cx, s, rest);
}

/// `high + low` as `f64`. The low part of an infinite or NaN total is meaningless, and left out.
#[inline(always)]
pub(super) fn value<T: Scalar>(high: T, low: T) -> f64 {
    if high.is_finite() { high.as_f64() + low.as_f64() } else { high.as_f64() }
}

/// A compensated sum of many numbers in `f64`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Total {
    high: f64,
    low: f64,
}

impl Total {
    /// Adds a number.
    #[inline]
    pub fn add(&mut self, number: f64) {
        add((), &mut self.high, &mut self.low, number);
    }

    /// Adds another sum.
    #[inline]
    pub fn merge(&mut self, other: &Self) {
        self.add(other.high);
        self.low += other.low;
    }

    /// The two terms.
    #[inline]
    #[must_use]
    pub fn parts(&self) -> (f64, f64) {
        (self.high, self.low)
    }

    /// The sum of two terms.
    #[inline]
    #[must_use]
    pub fn from_parts(high: f64, low: f64) -> Self {
        Self { high, low }
    }

    /// The sum, rounded once.
    #[must_use]
    pub fn value(&self) -> f64 {
        value(self.high, self.low)
    }
}
