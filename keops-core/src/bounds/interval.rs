//! The interval of all values of a number, and arithmetic on it.
//!
//! Sums, products, quotients and square roots are rounded to the nearest number, and rounding is monotone: the results of
//! the engine lie between the rounded results at the ends, with nothing to be added. In f32 the ends are computed in f64 and
//! then rounded, which for these operations is the same as rounding once (Figueroa 1995).
//!
//! -0 counts as less than 0: an interval from 0 has no number with a sign, so that its reciprocal is not negative.

use core::marker::PhantomData;

use super::{
    functions, identity,
    identity::word,
    truth::{Compared, Kind, Truth},
};
use crate::{
    formula::Role,
    number::{Real, Scalar},
};

/// How the engine rounds numbers of type `T`: the context of intervals.
#[derive(Clone, Copy, Debug)]
pub struct Rounding<T> {
    /// The largest relative error of a rounded operation.
    pub(super) unit: f64,
    /// The smallest normal number.
    pub(super) least: f64,
    /// Whether intervals have the numbers without roundings, too.
    pub(super) outward: bool,
    pub(super) element: PhantomData<T>,
}

impl<T: Scalar> Rounding<T> {
    /// The rounding of engines.
    #[must_use]
    pub fn engine() -> Self {
        let least = T::min_positive_value().as_f64();
        Self { unit: T::epsilon().as_f64() / 2.0, least, outward: false, element: PhantomData }
    }
    /// No rounding: bounds of exact values, but for the roundings of their own computation, which are those of f64.
    #[must_use]
    pub fn none() -> Self {
        Self { unit: 0.0, least: 0.0, outward: false, element: PhantomData }
    }
    /// The same rounding, with intervals of numbers which are rounded or not, or in between.
    pub(super) fn outward(self) -> Self {
        Self { outward: true, ..self }
    }

    /// A number that was computed in f64, rounded to the element type.
    #[inline(always)]
    pub(super) fn round(self, value: f64) -> f64 {
        if self.unit == 0.0 { value } else { T::of_f64(value).as_f64() }
    }

    /// The interval from lo - `errors[0]` to hi + `errors[1]`, rounded.
    #[inline(always)]
    pub(super) fn widened(self, [lo, hi]: [f64; 2], errors: [f64; 2], nan: bool, id: u64) -> Interval<T> {
        let lo = if lo.is_finite() { lo - errors[0] } else { lo };
        let hi = if hi.is_finite() { hi + errors[1] } else { hi };
        self.rounded([lo, hi], nan, id)
    }

    /// The interval between two numbers, rounded; an end that is NaN is unknown.
    #[inline(always)]
    pub(super) fn rounded(self, [lo, hi]: [f64; 2], nan: bool, id: u64) -> Interval<T> {
        if self.outward {
            return self.around([lo, hi], nan, id);
        }
        let lo = if lo.is_nan() { f64::NEG_INFINITY } else { self.round(lo) };
        let hi = if hi.is_nan() { f64::INFINITY } else { self.round(hi) };
        Interval { lo, hi, nan, id, element: PhantomData }
    }
}

impl<T: Scalar> Rounding<T> {
    /// The interval of all numbers between two, rounded and not. The signs of its ends are those of the two, since a rounding
    /// does not change the sign, and 0 remains 0: underflow is an error like any other.
    fn around(self, [lo, hi]: [f64; 2], nan: bool, id: u64) -> Interval<T> {
        let (unit, most) = (3.0 * self.unit.max(f64::EPSILON / 2.0), T::max_value().as_f64());
        let below = |x: f64| {
            let y = x - x.abs() * unit - self.least;
            match x {
                _ if x == 0.0 => x,
                _ if x.is_nan() || y < -most => f64::NEG_INFINITY,
                _ if x.is_sign_positive() => greatest(y.min(most), 0.0),
                _ => y,
            }
        };
        let (lo, hi) = (below(lo), -below(-hi));
        Interval { lo, hi, nan, id, element: PhantomData }
    }
}

/// The number of a component of a role, for [`Interval`]'s `id`.
pub(super) fn component(role: Role, number: usize) -> u64 {
    identity::of(const { word("component") }, role as u64, number as u64)
}

/// The smaller number; -0 is less than 0.
#[inline(always)]
pub(super) fn least(a: f64, b: f64) -> f64 {
    if a < b || (a == b && a.is_sign_negative()) { a } else { b }
}

/// The larger number; 0 is larger than -0.
#[inline(always)]
pub(super) fn greatest(a: f64, b: f64) -> f64 {
    if a > b || (a == b && a.is_sign_positive()) { a } else { b }
}

/// The values of an operation at the four corners of two intervals: the smallest and the largest. NaN there comes of 0
/// times infinity, 0 / 0 and the like, around which the values are 0 or, at another corner, infinite.
#[inline(always)]
fn corners<T: Scalar>(a: Interval<T>, b: Interval<T>, f: impl Fn(f64, f64) -> f64) -> [f64; 2] {
    let at = |x: f64, y: f64| {
        let value = f(x, y);
        let zero = if x.is_sign_negative() == y.is_sign_negative() { 0.0 } else { -0.0 };
        if value.is_nan() { zero } else { value }
    };
    let [p, q, r, s] = [at(a.lo, b.lo), at(a.lo, b.hi), at(a.hi, b.lo), at(a.hi, b.hi)];
    [least(least(p, q), least(r, s)), greatest(greatest(p, q), greatest(r, s))]
}

/// All values of a number: those from `lo` to `hi`, and NaN if it may be NaN. `T` is the element type in which the engine
/// computes the number.
#[derive(Clone, Copy, Debug)]
pub struct Interval<T: Scalar> {
    pub(super) lo: f64,
    pub(super) hi: f64,
    pub(super) nan: bool,
    /// Which value it is: equal ids are equal numbers; see `identity`.
    pub(super) id: u64,
    pub(super) element: PhantomData<T>,
}

impl<T: Scalar> Interval<T> {
    /// Component `number` of the variables of a role, which lies between `lo` and `hi` for all points of a box. It may be
    /// NaN, or any number, if one of these is NaN.
    ///
    /// It may be a component of prepared rows, too, if these are those that the engine prepared: elsewhere they may have other
    /// roundings.
    #[must_use]
    pub fn component(role: Role, number: usize, lo: T, hi: T) -> Self {
        let id = component(role, number);
        if lo.is_nan() || hi.is_nan() {
            return Self { id, ..Self::unknown() };
        }
        Self { id, ..Self::coordinate(lo, hi, false) }
    }
    /// A coordinate of the points of a box, without its number: between two numbers, and NaN if `nan` says that it may be. One that
    /// is NaN for all points has +infinity and -infinity.
    #[inline(always)]
    pub(super) fn coordinate(low: T, high: T, nan: bool) -> Self {
        let (lo, hi) = if low > high { (0.0, 0.0) } else { (low.as_f64(), high.as_f64()) };
        // Either zero may stand for the other one where points were compared.
        let (lo, hi) = (if lo == 0.0 { -0.0 } else { lo }, if hi == 0.0 { 0.0 } else { hi });
        Self { lo, hi, nan, id: const { word("coordinate") }, element: PhantomData }
    }
    /// The same interval of a number that may also be NaN.
    #[must_use]
    pub fn or_nan(self) -> Self {
        Self { nan: true, ..self }
    }
    /// No value is less.
    #[must_use]
    pub fn lo(&self) -> f64 {
        self.lo
    }
    /// No value is larger.
    #[must_use]
    pub fn hi(&self) -> f64 {
        self.hi
    }
    /// Whether the number may be NaN.
    #[must_use]
    pub fn may_be_nan(&self) -> bool {
        self.nan
    }

    /// Any number, or NaN.
    pub(super) fn unknown() -> Self {
        let id = const { word("unknown") };
        Self { lo: f64::NEG_INFINITY, hi: f64::INFINITY, nan: true, id, element: PhantomData }
    }
    /// One number.
    #[inline(always)]
    pub(super) fn point(value: f64) -> Self {
        Self { lo: value, hi: value, nan: false, id: identity::constant(value), element: PhantomData }
    }
    #[inline(always)]
    pub(super) fn contains_zero(&self) -> bool {
        self.lo <= 0.0 && self.hi >= 0.0
    }
    #[inline(always)]
    fn is_bounded(&self) -> bool {
        self.lo.is_finite() && self.hi.is_finite()
    }
    #[inline(always)]
    pub(super) fn negative(self) -> Self {
        Self { lo: -self.hi, hi: -self.lo, id: !self.id, ..self }
    }
    #[inline(always)]
    pub(super) fn magnitude(self) -> Self {
        let id = identity::of(const { word("abs") }, identity::unsigned(self.id).0, 0);
        if self.lo.is_sign_positive() {
            self
        } else if self.hi.is_sign_negative() {
            self.negative()
        } else {
            Self { lo: 0.0, hi: self.hi.max(-self.lo), id, ..self }
        }
    }
    /// The smallest interval that contains both.
    #[inline(always)]
    pub(super) fn hull(self, other: Self, id: u64) -> Self {
        let (lo, hi) = (least(self.lo, other.lo), greatest(self.hi, other.hi));
        Self { lo, hi, nan: self.nan | other.nan, id, ..self }
    }

    /// The part between two numbers, which the value is known to lie between.
    #[inline(always)]
    pub(super) fn within(self, lo: f64, hi: f64) -> Self {
        Self { lo: greatest(self.lo, lo), hi: least(self.hi, hi), ..self }
    }

    /// The product before it is rounded, and whether it may be NaN.
    #[inline(always)]
    pub(super) fn product(self, b: Self) -> ([f64; 2], bool) {
        let nan = self.nan | b.nan;
        if identity::unsigned(self.id).0 == identity::unsigned(b.id).0 {
            let size = self.magnitude();
            let [lo, hi] = [size.lo * size.lo, size.hi * size.hi];
            return (if self.id == b.id { [lo, hi] } else { [-hi, -lo] }, nan);
        }
        let meets = |a: Self, b: Self| a.contains_zero() && !b.is_bounded();
        (corners(self, b, |x, y| x * y), nan | meets(self, b) | meets(b, self))
    }

    /// The sum before it is rounded, and whether it may be NaN.
    #[inline(always)]
    fn sum(self, b: Self) -> ([f64; 2], bool) {
        let meets = |a: Self, b: Self| a.hi == f64::INFINITY && b.lo == f64::NEG_INFINITY;
        ([self.lo + b.lo, self.hi + b.hi], self.nan | b.nan | meets(self, b) | meets(b, self))
    }
}

impl<T: Scalar> Interval<T> {
    /// One of several pieces of the interval, which are as long as the others; they meet at their ends.
    pub(super) fn piece(self, number: usize, pieces: usize) -> Self {
        let end = |k: usize| match k {
            0 => self.lo,
            k if k == pieces => self.hi,
            k => {
                let part = k as f64 / pieces as f64;
                self.lo * (1.0 - part) + self.hi * part
            }
        };
        Self { lo: end(number), hi: end(number + 1), ..self }
    }
}

impl<T: Scalar> Real for Interval<T> {
    type Cx = Rounding<T>;
    type Scalar = T;
    type Mask = Truth<T>;

    #[inline]
    fn splat(_: Rounding<T>, value: T) -> Self {
        if value.is_nan() { Self::unknown() } else { Self::point(value.as_f64()) }
    }

    #[inline]
    fn add(cx: Rounding<T>, a: Self, b: Self) -> Self {
        if a.id == !b.id && a.is_bounded() {
            return Self { nan: a.nan, ..Self::point(0.0) };
        }
        let (ends, nan) = a.sum(b);
        cx.rounded(ends, nan, identity::sum(a.id, b.id))
    }
    #[inline]
    fn sub(cx: Rounding<T>, a: Self, b: Self) -> Self {
        Self::add(cx, a, b.negative())
    }
    #[inline]
    fn mul(cx: Rounding<T>, a: Self, b: Self) -> Self {
        let (ends, nan) = a.product(b);
        cx.rounded(ends, nan, identity::product(const { word("mul") }, a.id, b.id, true))
    }
    #[inline]
    fn div(cx: Rounding<T>, a: Self, b: Self) -> Self {
        let id = identity::product(const { word("div") }, a.id, b.id, false);
        let nan = a.nan | b.nan | (a.contains_zero() && b.contains_zero()) | !(a.is_bounded() || b.is_bounded());
        if b.lo.is_sign_negative() && b.hi.is_sign_positive() {
            return Self { nan, id, ..Self::unknown() };
        }
        if a.id == b.id && a.is_bounded() && !a.contains_zero() {
            return Self { nan, ..Self::point(1.0) };
        }
        cx.rounded(corners(a, b, |x, y| x / y), nan, id)
    }
    #[inline]
    fn neg(_: Rounding<T>, a: Self) -> Self {
        a.negative()
    }
    /// One rounding or two: the ends are those of both, with the error of computing them in f64 twice.
    #[inline]
    fn mul_add(cx: Rounding<T>, a: Self, b: Self, c: Self) -> Self {
        let ([low, high], nan) = a.product(b);
        let id = identity::product(const { word("mul") }, a.id, b.id, true);
        let (two, sum_is_nan) = cx.rounded([low, high], nan, id).sum(c);
        let (two, nan) = (cx.rounded(two, sum_is_nan, id), nan | sum_is_nan);
        // An exact product is finite if its factors are.
        let (low, high) = (low.min(f64::MAX), high.max(f64::MIN));
        let (lo, hi) = (low + c.lo, high + c.hi);
        // Nor is the sum, with one rounding, wherever it is infinite with two.
        let lo = if lo == f64::INFINITY && c.lo < f64::INFINITY { f64::MAX } else { lo };
        let hi = if hi == f64::NEG_INFINITY && c.hi > f64::NEG_INFINITY { f64::MIN } else { hi };
        let error = |sum: f64, product: f64| 3.0 * cx.unit * (sum.abs() + product.abs()) + cx.least;
        let id = identity::of(const { word("mul_add") }, id, c.id);
        let one = cx.widened([lo, hi], [error(lo, low), error(hi, high)], nan, id);
        let both = one.hull(two, id);
        // two terms without a sign
        let lo = if low.is_sign_positive() && c.lo.is_sign_positive() { greatest(both.lo, 0.0) } else { both.lo };
        let hi = if high.is_sign_negative() && c.hi.is_sign_negative() { least(both.hi, -0.0) } else { both.hi };
        Self { lo, hi, ..both }
    }
    #[inline]
    fn neg_mul_add(cx: Rounding<T>, a: Self, b: Self, c: Self) -> Self {
        Self::mul_add(cx, a.negative(), b, c)
    }
    #[inline]
    fn abs(_: Rounding<T>, a: Self) -> Self {
        a.magnitude()
    }
    #[inline]
    fn sqrt(cx: Rounding<T>, a: Self) -> Self {
        let id = identity::of(const { word("sqrt") }, a.id, 0);
        if a.hi < 0.0 {
            return Self { id, ..Self::unknown() };
        }
        cx.rounded([greatest(a.lo, -0.0).sqrt(), a.hi.sqrt()], a.nan | (a.lo < 0.0), id)
    }
    /// NaN as the first operand may leave the second one.
    #[inline]
    fn min(_: Rounding<T>, a: Self, b: Self) -> Self {
        if a.id == b.id {
            return a;
        }
        let hi = if a.nan || a.hi == b.hi { greatest(a.hi, b.hi) } else { least(a.hi, b.hi) };
        let id = identity::of(const { word("min") }, a.id, b.id);
        Self { lo: least(a.lo, b.lo), hi, nan: a.nan | b.nan, id, ..a }
    }
    #[inline]
    fn max(_: Rounding<T>, a: Self, b: Self) -> Self {
        if a.id == b.id {
            return a;
        }
        let lo = if a.nan || a.lo == b.lo { least(a.lo, b.lo) } else { greatest(a.lo, b.lo) };
        let id = identity::of(const { word("max") }, a.id, b.id);
        Self { lo, hi: greatest(a.hi, b.hi), nan: a.nan | b.nan, id, ..a }
    }
    #[inline]
    fn round(_: Rounding<T>, a: Self) -> Self {
        let id = identity::of(const { word("round") }, a.id, 0);
        Self { lo: a.lo.round_ties_even(), hi: a.hi.round_ties_even(), id, ..a }
    }

    #[inline]
    fn nearest(_: Rounding<T>, a: Self) -> Self {
        let id = identity::of(const { word("nearest") }, a.id, 0);
        Self { lo: a.lo.round(), hi: a.hi.round(), id, ..a }
    }
    #[inline]
    fn floor(_: Rounding<T>, a: Self) -> Self {
        let id = identity::of(const { word("floor") }, a.id, 0);
        Self { lo: a.lo.floor(), hi: a.hi.floor(), id, ..a }
    }

    #[inline]
    fn lt(_: Rounding<T>, a: Self, b: Self) -> Truth<T> {
        let same = a.id == b.id;
        let id = identity::of(const { word("lt") }, a.id, b.id);
        let compared = Some(Compared { kind: Kind::Less, a, b, direct: true });
        Truth { yes: a.lo < b.hi && !same, no: a.hi >= b.lo || a.nan || b.nan || same, id, compared }
    }
    #[inline]
    fn le(_: Rounding<T>, a: Self, b: Self) -> Truth<T> {
        let same = a.id == b.id;
        let id = identity::of(const { word("le") }, a.id, b.id);
        let compared = Some(Compared { kind: Kind::LessOrEqual, a, b, direct: true });
        Truth { yes: a.lo <= b.hi, no: (a.hi > b.lo && !same) || a.nan || b.nan, id, compared }
    }
    #[inline]
    fn eq(_: Rounding<T>, a: Self, b: Self) -> Truth<T> {
        let one = a.id == b.id || (a.lo == a.hi && b.lo == b.hi && a.lo == b.lo);
        let id = identity::symmetric(const { word("eq") }, a.id, b.id);
        let compared = Some(Compared { kind: Kind::Equal, a, b, direct: true });
        Truth { yes: a.lo <= b.hi && b.lo <= a.hi, no: !one || a.nan || b.nan, id, compared }
    }
    #[inline]
    fn and(_: Rounding<T>, a: Truth<T>, b: Truth<T>) -> Truth<T> {
        match (a.no, b.no) {
            (false, _) => b,
            (_, false) => a,
            _ => {
                let id = identity::symmetric(const { word("and") }, a.id, b.id);
                Truth::plain(a.yes && b.yes, true, id)
            }
        }
    }
    #[inline]
    fn or(cx: Rounding<T>, a: Truth<T>, b: Truth<T>) -> Truth<T> {
        Self::and(cx, a.not(), b.not()).not()
    }
    #[inline]
    fn not(_: Rounding<T>, a: Truth<T>) -> Truth<T> {
        a.not()
    }
    #[inline]
    fn any(_: Rounding<T>, mask: Truth<T>) -> bool {
        mask.yes
    }
    #[inline]
    fn select(_: Rounding<T>, mask: Truth<T>, mut yes: Self, mut no: Self) -> Self {
        if !mask.no || yes.id == no.id {
            return yes;
        }
        if !mask.yes {
            return no;
        }
        let which = identity::of(const { word("select") }, mask.id, yes.id);
        let id = identity::of(which, no.id, 0);
        mask.narrow(&mut yes, &mut no);
        yes.hull(no, id)
    }

    functions::forward! {
        exp2, exp, log2, log, log10, sin, cos, tan, asin, acos, atan, exp_m1, ln_1p, sinh, cosh, tanh, asinh, acosh, atanh, erf,
        erfc, cbrt, pow2_integer
    }
    #[inline]
    fn pow(cx: Rounding<T>, x: Self, y: Self) -> Self {
        functions::pow(cx, x, y)
    }
    #[inline]
    fn atan2(cx: Rounding<T>, y: Self, x: Self) -> Self {
        functions::atan2(cx, y, x)
    }
    #[inline]
    fn split_exponent(cx: Rounding<T>, x: Self) -> (Self, Self) {
        functions::split_exponent(cx, x)
    }
}
