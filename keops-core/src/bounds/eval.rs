//! Lists of operations on intervals, and at points.

use super::{
    interval::{Interval, Rounding},
    tape::{Function, Multiple, Op, Tape},
    truth::Truth,
};
use crate::number::{Real, Scalar};

/// The numbers and truths of a list.
#[derive(Clone, Debug)]
pub(super) struct Values<T: Scalar> {
    pub(super) numbers: Vec<Interval<T>>,
    pub(super) truths: Vec<Truth<T>>,
}

impl<T: Scalar> Default for Values<T> {
    fn default() -> Self {
        Self { numbers: Vec::new(), truths: Vec::new() }
    }
}

impl Tape {
    /// Evaluates the list on intervals, of which those of the inputs are there.
    pub(super) fn intervals<T: Scalar>(&self, cx: Rounding<T>, values: &mut Values<T>) {
        debug_assert_eq!(values.numbers.len(), self.inputs, "the inputs");
        values.truths.clear();
        values.numbers.reserve(self.ops.len());
        let Values { numbers: v, truths } = values;
        for &op in &self.ops {
            let of = |place: u32| v[place as usize];
            let place = v.len() - self.inputs;
            let truth = |place: u32| truths[place as usize];
            let number = match op {
                Op::Constant(bits) if f64::from_bits(bits).is_nan() => Interval::unknown(),
                Op::Constant(bits) => Interval::point(f64::from_bits(bits)),
                Op::Add(a, b) => Interval::add(cx, of(a), of(b)),
                Op::Sub(a, b) => Interval::sub(cx, of(a), of(b)),
                Op::Mul(a, b) => Interval::mul(cx, of(a), of(b)),
                Op::Div(a, b) => Interval::div(cx, of(a), of(b)),
                Op::Neg(a) => Interval::neg(cx, of(a)),
                Op::MulAdd(a, b, c) => Interval::mul_add(cx, of(a), of(b), of(c)),
                Op::NegMulAdd(a, b, c) => Interval::neg_mul_add(cx, of(a), of(b), of(c)),
                Op::Residue(a, b, multiple) => {
                    let half = multiple.half(cx, of(a), of);
                    let difference = Interval::sub(cx, of(a), of(b));
                    if half.is_nan() { difference } else { difference.within(-half, half) }
                }
                Op::Fold(a, b, multiple) => {
                    let half = multiple.half(cx, of(a), of);
                    let difference = Interval::sub(cx, of(a), of(b));
                    let mut size =
                        Interval::abs(cx, if half.is_nan() { difference } else { difference.within(-half, half) });
                    size.lo = size.lo.max(multiple.nearest(cx, of(a), of).min(size.hi));
                    size
                }
                Op::Abs(a) => Interval::abs(cx, of(a)),
                Op::Sqrt(a) => Interval::sqrt(cx, of(a)),
                Op::Min(a, b) => Interval::min(cx, of(a), of(b)),
                Op::Max(a, b) => Interval::max(cx, of(a), of(b)),
                Op::Select(mask, yes, no) => Interval::select(cx, truth(mask), of(yes), of(no)),
                Op::Pow(x, y) => Interval::pow(cx, of(x), of(y)),
                Op::Atan2(y, x) => Interval::atan2(cx, of(y), of(x)),
                Op::Of(function, a) => function.of(cx, of(a)),
                Op::Less(a, b) => {
                    let less = Interval::lt(cx, of(a), of(b));
                    truths.push(less);
                    continue;
                }
                Op::LessOrEqual(a, b) => {
                    let less = Interval::le(cx, of(a), of(b));
                    truths.push(less);
                    continue;
                }
                Op::Equal(a, b) => {
                    let equal = Interval::eq(cx, of(a), of(b));
                    truths.push(equal);
                    continue;
                }
                Op::And(a, b) => {
                    let both = Interval::and(cx, truth(a), truth(b));
                    truths.push(both);
                    continue;
                }
                Op::Or(a, b) => {
                    let any = Interval::or(cx, truth(a), truth(b));
                    truths.push(any);
                    continue;
                }
                Op::Not(a) => {
                    let not = truth(a).not();
                    truths.push(not);
                    continue;
                }
            };
            // That of an operand, or its complement, says more.
            let kept =
                matches!(op, Op::Neg(_) | Op::Abs(_) | Op::Min(..) | Op::Max(..) | Op::Select(..) | Op::Constant(_));
            v.push(if kept { number } else { Interval { id: self.ids[place], ..number } });
        }
    }

    /// Evaluates the list at a point of the intervals, of whose numbers those of the inputs are there, in `f64`. `free` are the
    /// numbers that have a value of their own, in descending order of their places.
    pub(super) fn at<T: Scalar>(&self, v: &mut Vec<f64>, values: &Values<T>, free: &[(u32, f64)]) {
        let mut free = free.iter().rev().copied().peekable();
        for &op in &self.ops {
            if op.is_truth() {
                continue;
            }
            if let Some((_, value)) = free.next_if(|&(place, _)| place as usize == v.len()) {
                v.push(value);
                continue;
            }
            let of = |place: u32| v[place as usize];
            let number = match op {
                Op::Constant(bits) => f64::from_bits(bits),
                Op::Add(a, b) => of(a) + of(b),
                Op::Sub(a, b) | Op::Residue(a, b, _) => of(a) - of(b),
                Op::Mul(a, b) => of(a) * of(b),
                Op::Div(a, b) => of(a) / of(b),
                Op::Neg(a) => -of(a),
                Op::MulAdd(a, b, c) => of(a) * of(b) + of(c),
                Op::NegMulAdd(a, b, c) => of(c) - of(a) * of(b),
                Op::Fold(a, b, _) => (of(a) - of(b)).abs(),
                Op::Abs(a) => of(a).abs(),
                Op::Sqrt(a) => of(a).sqrt(),
                Op::Min(a, b) => of(a).min(of(b)),
                Op::Max(a, b) => of(a).max(of(b)),
                // The branch is the same in the whole box.
                Op::Select(mask, yes, no) => of(if values.truths[mask as usize].yes { yes } else { no }),
                Op::Pow(x, y) => <f64 as Real>::pow((), of(x), of(y)),
                Op::Atan2(y, x) => <f64 as Real>::atan2((), of(y), of(x)),
                Op::Of(function, a) => function.of((), of(a)),
                Op::Less(..) | Op::LessOrEqual(..) | Op::Equal(..) | Op::And(..) | Op::Or(..) | Op::Not(_) => continue,
            };
            v.push(number);
        }
    }
}

/// The largest distance of a function of two numbers from 1, at the corners.
fn corner_most<T: Scalar>(a: Interval<T>, b: Interval<T>, f: impl Fn(f64, f64) -> f64) -> f64 {
    let corners = [f(a.lo, b.lo), f(a.lo, b.hi), f(a.hi, b.lo), f(a.hi, b.hi)];
    corners.iter().fold(0.0, |most: f64, x| if (x - 1.0).abs() <= most { most } else { (x - 1.0).abs() })
}

impl Multiple {
    /// The largest |a - b|, for the a that is rounded to b.
    fn half<T: Scalar>(self, cx: Rounding<T>, a: Interval<T>, of: impl Fn(u32) -> Interval<T>) -> f64 {
        match self {
            Self::One => 0.5,
            Self::Quotient { c, d } => cx.half(a, of(c), corner_most(of(c), of(d), |c, d| c / d)),
            Self::Product { c, k } => cx.half(a, of(c), corner_most(of(c), of(k), |c, k| c * k)),
        }
    }
}

impl Multiple {
    /// The least |a - b|, for the a that is rounded to b.
    fn nearest<T: Scalar>(self, cx: Rounding<T>, a: Interval<T>, of: impl Fn(u32) -> Interval<T>) -> f64 {
        let c = match self {
            Self::One => Interval::point(1.0),
            Self::Quotient { c, .. } | Self::Product { c, .. } => of(c),
        };
        if c.contains_zero() || !a.size().is_finite() || !c.size().is_finite() {
            return 0.0;
        }
        // b is a whole number of c, and the distance of a / c from these is least at an end, if there is none between the ends.
        let ends = [a.lo / c.lo, a.lo / c.hi, a.hi / c.lo, a.hi / c.hi];
        let (lo, hi) =
            (ends.iter().copied().fold(f64::INFINITY, f64::min), ends.iter().copied().fold(-f64::INFINITY, f64::max));
        if lo.ceil() <= hi.floor() {
            return 0.0;
        }
        let of_end = |x: f64| (x - x.round_ties_even()).abs();
        let error = 4.0 * cx.unit.max(f64::EPSILON) * (a.size() + c.size()) + 4.0 * cx.least;
        (of_end(lo).min(of_end(hi)) * c.magnitude().lo * (1.0 - f64::EPSILON) - error).max(0.0)
    }
}

impl<T: Scalar> Rounding<T> {
    /// The largest |a - c n|, for n the integer nearest to q, which is a q' with a rounding and |c q' - 1| at most `off`: half of
    /// |c|, and what q, the product and the difference are off.
    fn half(self, a: Interval<T>, c: Interval<T>, off: f64) -> f64 {
        let unit = self.unit.max(f64::EPSILON);
        let [size, c] = [a, c].map(|x| x.lo.abs().max(x.hi.abs()));
        0.5 * c * (1.0 + 4.0 * unit) + size * (off + 4.0 * unit * (1.0 + off)) + 4.0 * (1.0 + c) * self.least
    }
}

impl Function {
    /// The function, on numbers of any kind.
    pub(super) fn of<R: Real>(self, cx: R::Cx, x: R) -> R {
        match self {
            Self::Round => R::round(cx, x),
            Self::Nearest => R::nearest(cx, x),
            Self::Floor => R::floor(cx, x),
            Self::Exp2 => R::exp2(cx, x),
            Self::Exp => R::exp(cx, x),
            Self::Log2 => R::log2(cx, x),
            Self::Log => R::log(cx, x),
            Self::Log10 => R::log10(cx, x),
            Self::Sin => R::sin(cx, x),
            Self::Cos => R::cos(cx, x),
            Self::Tan => R::tan(cx, x),
            Self::Asin => R::asin(cx, x),
            Self::Acos => R::acos(cx, x),
            Self::Atan => R::atan(cx, x),
            Self::ExpM1 => R::exp_m1(cx, x),
            Self::Ln1p => R::ln_1p(cx, x),
            Self::Sinh => R::sinh(cx, x),
            Self::Cosh => R::cosh(cx, x),
            Self::Tanh => R::tanh(cx, x),
            Self::Asinh => R::asinh(cx, x),
            Self::Acosh => R::acosh(cx, x),
            Self::Atanh => R::atanh(cx, x),
            Self::Erf => R::erf(cx, x),
            Self::Erfc => R::erfc(cx, x),
            Self::Cbrt => R::cbrt(cx, x),
            Self::Pow2Integer => R::pow2_integer(cx, x),
            Self::Mantissa => R::split_exponent(cx, x).0,
            Self::Exponent => R::split_exponent(cx, x).1,
        }
    }
}
