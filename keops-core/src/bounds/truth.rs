//! Comparisons of intervals: true, false, or either.

use super::interval::{Interval, greatest, least};
use crate::number::Scalar;

/// Whether a comparison may be true and whether it may be false, and what was compared.
#[derive(Clone, Copy, Debug)]
pub struct Truth<T: Scalar> {
    pub(super) yes: bool,
    pub(super) no: bool,
    pub(super) id: u64,
    pub(super) compared: Option<Compared<T>>,
}

/// A comparison of two numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Compared<T: Scalar> {
    pub(super) kind: Kind,
    pub(super) a: Interval<T>,
    pub(super) b: Interval<T>,
    /// Whether the truth is that of the comparison, and not that of its opposite.
    pub(super) direct: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Less,
    LessOrEqual,
    Equal,
}

impl<T: Scalar> Truth<T> {
    /// A truth that no selection can learn from.
    pub(super) fn plain(yes: bool, no: bool, id: u64) -> Self {
        Self { yes, no, id, compared: None }
    }

    pub(super) fn not(self) -> Self {
        let compared = self.compared.map(|compared| Compared { direct: !compared.direct, ..compared });
        Self { yes: self.no, no: self.yes, id: !self.id, compared }
    }

    /// The two operands of a selection, as far as the truth says more about them: where a < b holds, a is less than
    /// the largest b.
    pub(super) fn narrow(&self, yes: &mut Interval<T>, no: &mut Interval<T>) {
        let Some(Compared { kind, a, b, direct }) = self.compared else { return };
        let (holds, fails) = if direct { (yes, no) } else { (no, yes) };
        holds.learn(a, |x| {
            x.at_most(b.hi, kind == Kind::Less);
            x.nan = false;
            if kind == Kind::Equal {
                x.at_least(b.lo, false);
            }
        });
        holds.learn(b, |x| {
            x.at_least(a.lo, kind == Kind::Less);
            x.nan = false;
            if kind == Kind::Equal {
                x.at_most(a.hi, false);
            }
        });
        // A comparison with NaN fails, and says nothing about the other operand.
        if kind != Kind::Equal {
            if !b.nan {
                fails.learn(a, |x| x.at_least(b.lo, kind == Kind::LessOrEqual));
            }
            if !a.nan {
                fails.learn(b, |x| x.at_most(a.hi, kind == Kind::LessOrEqual));
            }
        }
    }
}

impl<T: Scalar> Interval<T> {
    /// Applies `rule`, which holds for the value of `known`, if this is that value or its negative.
    fn learn(&mut self, known: Interval<T>, rule: impl Fn(&mut Interval<T>)) {
        if self.id == known.id {
            rule(self);
        } else if self.id == !known.id {
            *self = self.negative();
            rule(self);
            *self = self.negative();
        }
    }

    /// Cuts off what is above `bound`; if `strict`, also the bound if it is 0. Both zeros compare as equal.
    fn at_most(&mut self, bound: f64, strict: bool) {
        let bound = if bound == 0.0 { if strict { -0.0 } else { 0.0 } } else { bound };
        self.hi = if self.hi == bound { least(self.hi, bound) } else { self.hi.min(bound) };
        self.lo = least(self.lo, self.hi);
    }

    fn at_least(&mut self, bound: f64, strict: bool) {
        let bound = if bound == 0.0 { if strict { 0.0 } else { -0.0 } } else { bound };
        self.lo = if self.lo == bound { greatest(self.lo, bound) } else { self.lo.max(bound) };
        self.hi = greatest(self.hi, self.lo);
    }
}
