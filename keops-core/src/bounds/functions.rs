//! Elementary functions of intervals.
//!
//! Where a function is monotone its values lie between those at the ends, which are computed by the function for f64 that
//! the engine itself has, and then widened by the largest errors of docs/elementary-functions.md. In f32 that is the
//! error of the engine's f32; in f64 that of the engine twice, since the ends are as wrong as the results between, and that of
//! the standard library, from which it was measured, twice. The widening has an absolute part, eight of the smallest
//! normal number, for results that are 0 because they are small.

use std::f64::consts::PI;

use super::{
    identity,
    identity::word,
    interval::{Interval, Rounding, greatest, least},
};
use crate::number::{Real, Scalar};

/// The largest error of any function but `erfc` in ULP, f32 (unfused) and f64.
pub(super) const ULPS: f64 = 2.0;
/// That of `erfc`.
pub(super) const ULPS_ERFC: f64 = 4.0;
/// The largest error of the standard library in f64.
const ULPS_OF_REFERENCE: f64 = 1.0;

/// Methods of [`Real`] for the functions of one argument here.
macro_rules! forward {
    ($($name:ident),*) => {$(
        #[inline]
        fn $name(cx: Rounding<T>, x: Self) -> Self {
            functions::$name(cx, x)
        }
    )*};
}
pub(super) use forward;

/// The interval between two values of a function, widened by its error of so many ULP.
fn inexact<T: Scalar>(cx: Rounding<T>, [lo, hi]: [f64; 2], ulps: f64, nan: bool, id: u64) -> Interval<T> {
    let single = T::epsilon().as_f64() > 1e-10;
    let ulps = if single { ulps } else { 2.0 * (ulps + ULPS_OF_REFERENCE) };
    // The computed ends may be infinite where results are not yet.
    let most = T::max_value().as_f64();
    let (lo, hi) = (least(lo, most), greatest(hi, -most));
    // A unit in the last place is at most two roundings.
    let error = |x: f64| 2.0 * cx.unit * ulps * x.abs() + 8.0 * cx.least;
    cx.widened([lo, hi], [error(lo), error(hi)], nan, id)
}

impl<T: Scalar> Interval<T> {
    /// The part of an argument on which the function is defined; it is NaN elsewhere. None if it is NaN everywhere.
    fn defined(self, lo: f64, hi: f64) -> Option<Self> {
        let nan = self.nan || self.lo < lo || self.hi > hi;
        let part = Self {
            lo: if self.lo < lo { lo } else { self.lo },
            hi: if self.hi > hi { hi } else { self.hi },
            nan,
            ..self
        };
        (part.lo <= part.hi).then_some(part)
    }
}

/// Increasing functions: the domain; whether the result has the sign of x, that of zero included; the range; the error.
macro_rules! increasing {
    ($($name:ident: $low:expr, $high:expr, odd: $odd:literal, $least:expr, $most:expr, $ulps:expr;)*) => {$(
        pub(super) fn $name<T: Scalar>(cx: Rounding<T>, x: Interval<T>) -> Interval<T> {
            let id = identity::of(const { word(stringify!($name)) }, x.id, 0);
            let Some(part) = x.defined($low, $high) else { return Interval { id, ..Interval::unknown() } };
            let f = |x: f64| <f64 as Real>::$name((), x);
            let y = inexact(cx, [f(part.lo), f(part.hi)], $ulps, part.nan, id);
            let lo = if $odd && part.lo.is_sign_positive() { 0.0 } else { $least };
            let hi = if $odd && part.hi.is_sign_negative() { -0.0 } else { $most };
            y.within(lo, hi)
        }
    )*};
}

const ANY: f64 = f64::INFINITY;
increasing! {
    exp2: -ANY, ANY, odd: false, 0.0, ANY, ULPS;
    exp: -ANY, ANY, odd: false, 0.0, ANY, ULPS;
    exp_m1: -ANY, ANY, odd: true, -ANY, ANY, ULPS;
    log2: 0.0, ANY, odd: false, -ANY, ANY, ULPS;
    log: 0.0, ANY, odd: false, -ANY, ANY, ULPS;
    log10: 0.0, ANY, odd: false, -ANY, ANY, ULPS;
    ln_1p: -1.0, ANY, odd: true, -ANY, ANY, ULPS;
    asin: -1.0, 1.0, odd: true, -ANY, ANY, ULPS;
    atan: -ANY, ANY, odd: true, -ANY, ANY, ULPS;
    sinh: -ANY, ANY, odd: true, -ANY, ANY, ULPS;
    tanh: -ANY, ANY, odd: true, -1.0, 1.0, ULPS;
    asinh: -ANY, ANY, odd: true, -ANY, ANY, ULPS;
    acosh: 1.0, ANY, odd: false, -0.0, ANY, ULPS;
    atanh: -1.0, 1.0, odd: true, -ANY, ANY, ULPS;
    erf: -ANY, ANY, odd: true, -1.0, 1.0, ULPS;
    cbrt: -ANY, ANY, odd: true, -ANY, ANY, ULPS;
}

pub(super) fn acos<T: Scalar>(cx: Rounding<T>, x: Interval<T>) -> Interval<T> {
    let id = identity::of(const { word("acos") }, x.id, 0);
    let Some(part) = x.defined(-1.0, 1.0) else { return Interval { id, ..Interval::unknown() } };
    let f = |x: f64| <f64 as Real>::acos((), x);
    inexact(cx, [f(part.hi), f(part.lo)], ULPS, part.nan, id).within(-0.0, ANY)
}

pub(super) fn erfc<T: Scalar>(cx: Rounding<T>, x: Interval<T>) -> Interval<T> {
    let id = identity::of(const { word("erfc") }, x.id, 0);
    let f = |x: f64| <f64 as Real>::erfc((), x);
    inexact(cx, [f(x.hi), f(x.lo)], ULPS_ERFC, x.nan, id).within(0.0, ANY)
}

pub(super) fn cosh<T: Scalar>(cx: Rounding<T>, x: Interval<T>) -> Interval<T> {
    let size = x.magnitude();
    let id = identity::of(const { word("cosh") }, size.id, 0);
    let f = |x: f64| <f64 as Real>::cosh((), x);
    inexact(cx, [f(size.lo), f(size.hi)], ULPS, x.nan, id)
}

/// Whether there may be an integer n with n π + `shift` π in the interval, even or odd.
fn meets<T: Scalar>(x: Interval<T>, shift: f64) -> [bool; 2] {
    // The quotients are off by some roundings.
    let [lo, hi] = [x.lo / PI - shift, x.hi / PI - shift];
    let error = 1e-15 * (1.0 + lo.abs().max(hi.abs()));
    let (lo, hi) = ((lo - error) / 2.0, (hi + error) / 2.0);
    [hi.floor() >= lo.ceil(), (hi - 0.5).floor() >= (lo - 0.5).ceil()]
}

/// Sine or cosine, whose largest values are at 2 n π + `shift` π, and the smallest ones half a period on.
fn wave<T: Scalar>(cx: Rounding<T>, x: Interval<T>, shift: f64, f: fn(f64) -> f64, id: u64) -> Interval<T> {
    if !x.lo.is_finite() || !x.hi.is_finite() {
        return cx.rounded([-1.0, 1.0], true, id);
    }
    let [above, below] = meets(x, shift);
    let (a, b) = (f(x.lo), f(x.hi));
    let lo = if below { -1.0 } else { least(a, b) };
    let hi = if above { 1.0 } else { greatest(a, b) };
    inexact(cx, [lo, hi], ULPS, x.nan, id).within(-1.0, 1.0)
}

pub(super) fn sin<T: Scalar>(cx: Rounding<T>, x: Interval<T>) -> Interval<T> {
    let id = identity::of(const { word("sin") }, x.id, 0);
    wave(cx, x, 0.5, |x| <f64 as Real>::sin((), x), id)
}

pub(super) fn cos<T: Scalar>(cx: Rounding<T>, x: Interval<T>) -> Interval<T> {
    let id = identity::of(const { word("cos") }, x.id, 0);
    wave(cx, x, 0.0, |x| <f64 as Real>::cos((), x), id)
}

pub(super) fn tan<T: Scalar>(cx: Rounding<T>, x: Interval<T>) -> Interval<T> {
    let id = identity::of(const { word("tan") }, x.id, 0);
    let finite = x.lo.is_finite() && x.hi.is_finite();
    if !finite || meets(x, 0.5) != [false; 2] {
        return Interval { nan: x.nan || !finite, id, ..Interval::unknown() };
    }
    let f = |x: f64| <f64 as Real>::tan((), x);
    inexact(cx, [f(x.lo), f(x.hi)], ULPS, x.nan, id)
}

/// The smallest and the largest of the values at the four corners.
fn corners<T: Scalar>(a: Interval<T>, b: Interval<T>, f: fn(f64, f64) -> f64) -> [f64; 2] {
    let [p, q, r, s] = [f(a.lo, b.lo), f(a.lo, b.hi), f(a.hi, b.lo), f(a.hi, b.hi)];
    [least(least(p, q), least(r, s)), greatest(greatest(p, q), greatest(r, s))]
}

/// x^y is monotone in x and in y for x >= 0. A negative x needs an integer y, and gives the power of |x| or, if y is odd,
/// its negative.
pub(super) fn pow<T: Scalar>(cx: Rounding<T>, x: Interval<T>, y: Interval<T>) -> Interval<T> {
    let id = identity::of(const { word("pow") }, x.id, y.id);
    let ends = corners(x.magnitude(), y, |x, y| <f64 as Real>::pow((), x, y));
    let size = inexact(cx, ends, ULPS, x.nan | y.nan, id).within(0.0, ANY);
    if x.lo.is_sign_positive() {
        return size;
    }
    let integer = y.lo == y.hi && y.lo.round_ties_even() == y.lo;
    let even = integer && (y.lo / 2.0).round_ties_even() == y.lo / 2.0;
    if even {
        return size;
    }
    let (lo, hi) = (-size.hi, if x.hi.is_sign_negative() && integer { -size.lo } else { size.hi });
    Interval { lo, hi, nan: size.nan || (x.lo < 0.0 && !integer), ..size }
}

/// The angle of a rectangle that does not meet the negative half of the first axis, where it jumps, is least and largest
/// at corners.
pub(super) fn atan2<T: Scalar>(cx: Rounding<T>, y: Interval<T>, x: Interval<T>) -> Interval<T> {
    let id = identity::of(const { word("atan2") }, y.id, x.id);
    let jumps = x.lo.is_sign_negative() && y.lo.is_sign_negative() && y.hi.is_sign_positive();
    let ends = if jumps { [-PI, PI] } else { corners(y, x, |y, x| <f64 as Real>::atan2((), y, x)) };
    inexact(cx, ends, ULPS, x.nan | y.nan, id)
}

pub(super) fn pow2_integer<T: Scalar>(_: Rounding<T>, n: Interval<T>) -> Interval<T> {
    let id = identity::of(const { word("pow2_integer") }, n.id, 0);
    let most = if T::epsilon().as_f64() > 1e-10 { 128.0 } else { 1024.0 };
    let power = |n: f64| T::pow2_integer((), T::of_f64(n.max(1.0 - most).min(most))).as_f64();
    Interval { lo: power(n.lo), hi: power(n.hi), id, ..n }
}

pub(super) fn split_exponent<T: Scalar>(_: Rounding<T>, x: Interval<T>) -> (Interval<T>, Interval<T>) {
    let [m, e] = [const { word("mantissa") }, const { word("exponent") }].map(|part| identity::of(part, x.id, 0));
    let normal = T::min_positive_value().as_f64()..=T::max_value().as_f64();
    if x.nan || !normal.contains(&x.lo) || !normal.contains(&x.hi) {
        return (Interval { id: m, ..Interval::unknown() }, Interval { id: e, ..Interval::unknown() });
    }
    let [low, high] = [x.lo, x.hi].map(|end| T::split_exponent((), T::of_f64(end)));
    let (first, last) = (low.1.as_f64(), high.1.as_f64());
    let root = T::of_f64(std::f64::consts::FRAC_1_SQRT_2).as_f64();
    let mantissa = if first == last { [low.0.as_f64(), high.0.as_f64()] } else { [root, 2.0 * root] };
    (Interval { lo: mantissa[0], hi: mantissa[1], id: m, ..x }, Interval { lo: first, hi: last, id: e, ..x })
}
