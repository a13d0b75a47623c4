//! How much a list of operations changes with each of its numbers: reverse differentiation on intervals.
//!
//! The slope of a number is the interval of all derivatives of the result by it, for all points of the box. With it comes the
//! effect of the roundings: each operation is off by its largest error, which moves the result by at most this error times
//! the slope of the operation's result.
//!
//! A number that jumps, such as a rounded one or a selection that goes either way, has no derivative by its operands. It is
//! *free* then: a variable of its own, which lies anywhere in its interval.

use super::{
    eval::Values,
    functions::{ULPS, ULPS_ERFC},
    interval::{Interval, Rounding},
    tape::{Function, Op, Tape},
};
use crate::number::Scalar;

/// All numbers from `lo` to `hi`, rounded outwards.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slope {
    pub(super) lo: f64,
    pub(super) hi: f64,
}

impl Slope {
    pub(super) const ZERO: Self = Self { lo: 0.0, hi: 0.0 };
    pub(super) const ONE: Self = Self { lo: 1.0, hi: 1.0 };
    pub(super) const ANY: Self = Self { lo: f64::NEG_INFINITY, hi: f64::INFINITY };

    /// The interval, widened by a few roundings.
    #[inline]
    pub(super) fn new(lo: f64, hi: f64) -> Self {
        /// A few roundings of `f64`, and of its elementary functions.
        const ROUNDINGS: f64 = 8.0 * f64::EPSILON;
        if lo.is_nan() || hi.is_nan() {
            return Self::ANY;
        }
        Self { lo: lo - lo.abs() * ROUNDINGS, hi: hi + hi.abs() * ROUNDINGS }
    }

    #[inline]
    pub(super) fn is_zero(self) -> bool {
        self.lo == 0.0 && self.hi == 0.0
    }
    /// The largest absolute value.
    #[inline]
    pub(super) fn size(self) -> f64 {
        self.hi.max(-self.lo)
    }
    #[inline]
    pub(super) fn add(self, b: Self) -> Self {
        Self::new(self.lo + b.lo, self.hi + b.hi)
    }
    #[inline]
    pub(super) fn negative(self) -> Self {
        Self { lo: -self.hi, hi: -self.lo }
    }
    #[inline]
    pub(super) fn times(self, b: Self) -> Self {
        if self.is_zero() || b.is_zero() {
            return Self::ZERO;
        }
        let [p, q, r, s] = [self.lo * b.lo, self.lo * b.hi, self.hi * b.lo, self.hi * b.hi];
        if (p + q + r + s).is_nan() {
            return Self::ANY;
        }
        Self::new(p.min(q).min(r.min(s)), p.max(q).max(r.max(s)))
    }
    #[inline]
    pub(super) fn scaled(self, factor: f64) -> Self {
        self.times(Self { lo: factor, hi: factor })
    }
    /// 1 / x; anything if x may be 0, but of the sign of x if it has one.
    pub(super) fn inverse(self) -> Self {
        if self.lo > 0.0 || self.hi < 0.0 {
            Self::new(1.0 / self.hi, 1.0 / self.lo)
        } else if self.lo == 0.0 && self.hi > 0.0 {
            Self { hi: f64::INFINITY, ..Self::new(1.0 / self.hi, 0.0) }
        } else {
            Self::ANY
        }
    }
    pub(super) fn square(self) -> Self {
        let nearest = self.lo.max(-self.hi).max(0.0);
        Self::new(nearest * nearest, self.size() * self.size())
    }
    /// The slopes of |x|.
    fn sign(self) -> Self {
        Self { lo: if self.lo >= 0.0 { 1.0 } else { -1.0 }, hi: if self.hi <= 0.0 { -1.0 } else { 1.0 } }
    }
    pub(super) fn plus(self, constant: f64) -> Self {
        Self::new(self.lo + constant, self.hi + constant)
    }
    /// 1 / √x, for the positive part of x.
    fn inverse_root(self) -> Self {
        let (lo, hi) = (self.lo.max(0.0), self.hi.max(0.0));
        Self::new(1.0 / hi.sqrt(), 1.0 / lo.sqrt())
    }
}

impl<T: Scalar> From<Interval<T>> for Slope {
    fn from(x: Interval<T>) -> Self {
        Self { lo: x.lo, hi: x.hi }
    }
}

impl<T: Scalar> Interval<T> {
    /// The largest absolute value.
    pub(super) fn size(self) -> f64 {
        self.hi.max(-self.lo)
    }
}

/// The slopes of the numbers of a list, the free numbers among them, and what the roundings change.
#[derive(Clone, Debug, Default)]
pub(super) struct Slopes {
    pub(super) of: Vec<Slope>,
    /// In descending order.
    pub(super) free: Vec<u32>,
    pub(super) error: f64,
}

impl Slopes {
    /// All slopes are 0.
    pub(super) fn clear(&mut self, numbers: usize) {
        self.of.clear();
        self.of.resize(numbers, Slope::ZERO);
        self.free.clear();
        self.error = 0.0;
    }

    fn add(&mut self, place: u32, slope: Slope) {
        let sum = &mut self.of[place as usize];
        *sum = if sum.is_zero() { slope } else { sum.add(slope) };
    }
}

impl Tape {
    /// Hands the slopes of the outputs on to all numbers. False if a number that matters may be NaN, or infinite.
    pub(super) fn slopes<T: Scalar>(&self, cx: Rounding<T>, values: &Values<T>, slopes: &mut Slopes) -> bool {
        let unit = cx.unit.max(f64::EPSILON / 2.0);
        let mut place = self.numbers();
        for &op in self.ops.iter().rev() {
            if op.is_truth() {
                continue;
            }
            place -= 1;
            let (s, r) = (slopes.of[place], values.numbers[place]);
            if s.is_zero() {
                continue;
            }
            if r.nan || !r.size().is_finite() || !s.size().is_finite() {
                return false;
            }
            let of = |place: u32| Slope::from(values.numbers[place as usize]);
            let rounding = r.size() * unit + cx.least;
            let error = match op {
                Op::Add(..)
                | Op::Sub(..)
                | Op::Residue(..)
                | Op::Fold(..)
                | Op::Mul(..)
                | Op::Div(..)
                | Op::Sqrt(_) => rounding,
                // with one rounding or two
                Op::MulAdd(a, b, _) | Op::NegMulAdd(a, b, _) => rounding + of(a).times(of(b)).size() * unit + cx.least,
                Op::Of(Function::Erfc, _) => 2.0 * ULPS_ERFC * unit * r.size() + 8.0 * cx.least,
                Op::Pow(..) | Op::Atan2(..) => 2.0 * ULPS * unit * r.size() + 8.0 * cx.least,
                Op::Of(function, _) if !function.jumps() => 2.0 * ULPS * unit * r.size() + 8.0 * cx.least,
                _ => 0.0,
            };
            slopes.error += s.size() * error;
            match op {
                Op::Add(a, b) => {
                    slopes.add(a, s);
                    slopes.add(b, s);
                }
                // A multiple that is the same in the whole box.
                Op::Residue(a, b, _) if of(b).hi - of(b).lo <= 1e-4 * of(b).size() => {
                    slopes.add(a, s);
                    slopes.add(b, s.negative());
                }
                Op::Fold(a, b, _) if of(b).hi - of(b).lo <= 1e-4 * of(b).size() => {
                    let s = s.times(of(a).add(of(b).negative()).sign());
                    slopes.add(a, s);
                    slopes.add(b, s.negative());
                }
                Op::Sub(a, b) => {
                    slopes.add(a, s);
                    slopes.add(b, s.negative());
                }
                Op::Mul(a, b) if a == b => slopes.add(a, s.times(of(a)).scaled(2.0)),
                Op::Mul(a, b) => {
                    slopes.add(a, s.times(of(b)));
                    slopes.add(b, s.times(of(a)));
                }
                Op::Div(a, b) => {
                    let over = s.times(of(b).inverse());
                    slopes.add(a, over);
                    slopes.add(b, over.times(Slope::from(r)).negative());
                }
                Op::Neg(a) => slopes.add(a, s.negative()),
                Op::MulAdd(a, b, c) | Op::NegMulAdd(a, b, c) => {
                    slopes.add(c, s);
                    let s = if matches!(op, Op::MulAdd(..)) { s } else { s.negative() };
                    if a == b {
                        slopes.add(a, s.times(of(a)).scaled(2.0));
                    } else {
                        slopes.add(a, s.times(of(b)));
                        slopes.add(b, s.times(of(a)));
                    }
                }
                Op::Abs(a) => {
                    slopes.add(a, s.times(of(a).sign()));
                }
                Op::Sqrt(a) => slopes.add(a, s.times(Slope::from(r).inverse()).scaled(0.5)),
                Op::Min(a, b) | Op::Max(a, b) => {
                    let (less, more) = if matches!(op, Op::Min(..)) { (a, b) } else { (b, a) };
                    if of(less).hi <= of(more).lo {
                        slopes.add(a, s);
                    } else if of(more).hi <= of(less).lo {
                        slopes.add(b, s);
                    } else {
                        let part = s.times(Slope { lo: 0.0, hi: 1.0 });
                        slopes.add(a, part);
                        slopes.add(b, part);
                    }
                }
                Op::Select(mask, yes, no) => {
                    let truth = &values.truths[mask as usize];
                    match (truth.yes, truth.no) {
                        (_, false) => slopes.add(yes, s),
                        (false, _) => slopes.add(no, s),
                        _ => slopes.free.push(place as u32),
                    }
                }
                Op::Pow(x, y) if of(x).lo > 0.0 => {
                    let r = Slope::from(r);
                    slopes.add(x, s.times(of(y)).times(r.times(of(x).inverse())));
                    let log = Slope::new(of(x).lo.ln(), of(x).hi.ln());
                    slopes.add(y, s.times(r).times(log));
                }
                Op::Atan2(y, x) if of(x).lo > 0.0 || of(y).lo > 0.0 || of(y).hi < 0.0 => {
                    let (b, a) = (of(y), of(x));
                    let over = s.times(a.square().add(b.square()).inverse());
                    slopes.add(y, over.times(a));
                    slopes.add(x, over.times(b).negative());
                }
                Op::Of(function, a) if !function.jumps() => {
                    slopes.add(a, s.times(function.slope(cx, values.numbers[a as usize], r)));
                }
                Op::Residue(..) | Op::Fold(..) | Op::Of(..) | Op::Pow(..) | Op::Atan2(..) => {
                    slopes.free.push(place as u32)
                }
                Op::Constant(_)
                | Op::Less(..)
                | Op::LessOrEqual(..)
                | Op::Equal(..)
                | Op::And(..)
                | Op::Or(..)
                | Op::Not(_) => {}
            }
        }
        slopes.error.is_finite()
    }
}

impl Function {
    /// Whether the function is constant but for jumps, or has no rule for its slope.
    fn jumps(self) -> bool {
        matches!(self, Self::Round | Self::Nearest | Self::Floor | Self::Pow2Integer | Self::Mantissa | Self::Exponent)
    }

    /// All derivatives of the function on the interval `x`, on which its values are `y`.
    fn slope<T: Scalar>(self, cx: Rounding<T>, x: Interval<T>, y: Interval<T>) -> Slope {
        use std::f64::consts::{FRAC_2_SQRT_PI, LN_2, LN_10};
        let of = |function: Self| Slope::from(function.of(cx, x));
        let (a, r) = (Slope::from(x), Slope::from(y));
        match self {
            Self::Exp2 => r.scaled(LN_2),
            Self::Exp => r,
            Self::Log2 => a.inverse().scaled(1.0 / LN_2),
            Self::Log => a.inverse(),
            Self::Log10 => a.inverse().scaled(1.0 / LN_10),
            Self::Sin => of(Self::Cos),
            Self::Cos => of(Self::Sin).negative(),
            Self::Tan => r.square().plus(1.0),
            Self::Asin => a.square().negative().plus(1.0).inverse_root(),
            Self::Acos => a.square().negative().plus(1.0).inverse_root().negative(),
            Self::Atan => a.square().plus(1.0).inverse(),
            Self::ExpM1 => of(Self::Exp),
            Self::Ln1p => a.plus(1.0).inverse(),
            Self::Sinh => of(Self::Cosh),
            Self::Cosh => of(Self::Sinh),
            Self::Tanh => of(Self::Cosh).square().inverse(),
            Self::Asinh => a.square().plus(1.0).inverse_root(),
            Self::Acosh => a.square().plus(-1.0).inverse_root(),
            Self::Atanh => a.square().negative().plus(1.0).inverse(),
            Self::Erf | Self::Erfc => {
                let square = a.square();
                let bell = Slope::new((-square.hi).exp(), (-square.lo).exp()).scaled(FRAC_2_SQRT_PI);
                if self == Self::Erf { bell } else { bell.negative() }
            }
            Self::Cbrt => r.square().inverse().scaled(1.0 / 3.0),
            Self::Round | Self::Nearest | Self::Floor | Self::Pow2Integer | Self::Mantissa | Self::Exponent => {
                Slope::ANY
            }
        }
    }
}
