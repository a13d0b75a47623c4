//! Taylor series of f along one coordinate, on intervals: bounds of its higher derivatives.
//!
//! The k-th coefficient of a number is the interval of all (d/dx)^k / k! of it, at all points of a box of targets and a box of
//! sources, along one coordinate x of either. A list of operations is run once more for them, by the recurrences of automatic
//! differentiation (Griewank and Walther, *Evaluating Derivatives*, chapter 13): a product takes k^2 / 2 products of intervals.
//!
//! A number that jumps, or has a kink, somewhere in the box has no series there: its coefficients are unknown.

use super::{
    Bounds, Reads, Stage,
    eval::Values,
    interval::{Interval, Rounding},
    slopes::Slope,
    tape::{Function, Op, Tape},
};
use crate::{
    formula::{Contraction, ContractionKind, Role},
    number::Scalar,
};

/// A number along a coordinate: its coefficients from the zeroth on, or none where it stays the same.
#[derive(Clone, Debug, Default)]
struct Series(Vec<Slope>);

/// Memory for series, to be used again and again.
#[derive(Clone, Debug)]
pub struct SeriesScratch<T: Scalar> {
    stage: Values<T>,
    pair: Values<T>,
    series: Vec<Series>,
    pair_series: Vec<Series>,
}

impl<T: Scalar> Default for SeriesScratch<T> {
    fn default() -> Self {
        Self { stage: Values::default(), pair: Values::default(), series: Vec::new(), pair_series: Vec::new() }
    }
}

/// Of which coordinate a series is, and how many coefficients it has.
#[derive(Clone, Copy, Debug)]
pub struct Along {
    /// The role of the coordinate.
    pub role: Role,
    /// The component of the row.
    pub component: usize,
    /// The last coefficient.
    pub order: usize,
}

impl<T: Scalar> Bounds<T> {
    /// The largest absolute value of each coefficient from 1 to `along.order`, of all components of f, on a box: `to` is replaced.
    /// `parameters` are prepared, `rows` are the boxes of the variables of targets and sources. Coefficients that are not known are
    /// infinite.
    ///
    /// # Panics
    /// If there are fewer intervals than components.
    pub fn coefficients(
        &self,
        cx: Rounding<T>,
        along: Along,
        parameters: &[Interval<T>],
        rows: [&[Interval<T>]; 2],
        scratch: &mut SeriesScratch<T>,
        to: &mut Vec<f64>,
    ) {
        let order = along.order;
        let SeriesScratch { stage: values, pair, series, pair_series } = scratch;
        let p = self.parameters.tape.outputs.len();
        pair.numbers.clear();
        pair.numbers.extend_from_slice(&parameters[..p]);
        pair_series.clear();
        pair_series.resize(p, Series::default());
        let mut first = [0; 2];
        for (side, role) in [Role::Target, Role::Source].into_iter().enumerate() {
            let Stage { tape, row, .. } = self.stage(role);
            first[side] = pair.numbers.len();
            values.numbers.clear();
            values.numbers.extend_from_slice(&parameters[..p]);
            values.numbers.extend_from_slice(&rows[side][..*row]);
            series.clear();
            series.resize(tape.inputs, Series::default());
            if along.role == role {
                series[p + along.component] = Series::variable(values.numbers[p + along.component].into(), order);
            }
            tape.intervals(cx, values);
            tape.series(order, values, series);
            for &place in &tape.outputs {
                pair.numbers.push(values.numbers[place as usize]);
                pair_series.push(series[place as usize].clone());
            }
        }
        super::contraction::contract(cx, self.contractions, false, first, &mut pair.numbers);
        let behind = pair.numbers.len() - self.contractions.len();
        for (contraction, &value) in self.contractions.iter().zip(&pair.numbers[behind..]) {
            let mut contracted = contract(contraction, order, first, &pair.numbers, pair_series);
            if let Some(zeroth) = contracted.0.first_mut() {
                *zeroth = value.into();
            }
            pair_series.push(contracted);
        }
        if self.reads == Reads::Contractions {
            // The stage has no rows among its inputs.
            pair.numbers.drain(p..behind);
            pair_series.drain(p..behind);
        }
        self.pair.intervals(cx, pair);
        self.pair.series(order, pair, pair_series);
        to.clear();
        to.resize(order, 0.0);
        for &place in &self.pair.outputs {
            let nan = pair.numbers[place as usize].may_be_nan();
            for (to, coefficient) in to.iter_mut().zip(pair_series[place as usize].0.iter().skip(1)) {
                let size = if nan || coefficient.size().is_nan() { f64::INFINITY } else { coefficient.size() };
                *to = to.max(size);
            }
        }
    }
}

/// The series of a contraction, but for its zeroth coefficient.
fn contract<T: Scalar>(
    contraction: &Contraction,
    order: usize,
    [i, j]: [usize; 2],
    numbers: &[Interval<T>],
    series: &[Series],
) -> Series {
    let &Contraction { kind, target, source, len } = contraction;
    let mut sum = Series::default();
    for d in 0..len {
        let (u, w) = (i + target + d, j + source + d);
        if !(series[u].moves() || series[w].moves()) {
            continue;
        }
        let term = match kind {
            ContractionKind::Dot => product(order, (&series[u], numbers[u].into()), (&series[w], numbers[w].into())),
            ContractionKind::SquaredDistance => {
                let (a, b) = (Slope::from(numbers[u]), Slope::from(numbers[w]));
                let difference = sum_of(order, (&series[u], a), (&series[w], b), true);
                square(order, &difference)
            }
        };
        sum = if sum.moves() { sum_of(order, (&sum, Slope::ZERO), (&term, Slope::ZERO), false) } else { term };
    }
    sum
}

impl Series {
    /// The coordinate itself.
    fn variable(value: Slope, order: usize) -> Self {
        let mut coefficients = vec![Slope::ZERO; order + 1];
        coefficients[0] = value;
        if order > 0 {
            coefficients[1] = Slope::ONE;
        }
        Self(coefficients)
    }

    fn unknown(order: usize) -> Self {
        Self(vec![Slope::ANY; order + 1])
    }

    fn moves(&self) -> bool {
        !self.0.is_empty()
    }

    /// Coefficient `k`, for a number with this value.
    fn at(&self, k: usize, value: Slope) -> Slope {
        match self.0.get(k) {
            Some(&coefficient) => coefficient,
            None if k == 0 => value,
            None => Slope::ZERO,
        }
    }
}

type Valued<'s> = (&'s Series, Slope);

fn sum_of(order: usize, (a, x): Valued<'_>, (b, y): Valued<'_>, minus: bool) -> Series {
    let sign = |s: Slope| if minus { s.negative() } else { s };
    Series((0..=order).map(|k| a.at(k, x).add(sign(b.at(k, y)))).collect())
}

fn square(order: usize, a: &Series) -> Series {
    let at = |k: usize| a.at(k, Slope::ZERO);
    let coefficient = |k: usize| {
        let twice = (0..k.div_ceil(2)).fold(Slope::ZERO, |sum, j| plus(sum, at(j).times(at(k - j))));
        let middle = if k.is_multiple_of(2) { at(k / 2).square() } else { Slope::ZERO };
        plus(twice.scaled(2.0), middle)
    };
    Series((0..=order).map(coefficient).collect())
}

fn product(order: usize, (a, x): Valued<'_>, (b, y): Valued<'_>) -> Series {
    if !a.moves() || !b.moves() {
        let (moving, factor) = if a.moves() { (a, y) } else { (b, x) };
        return Series((0..=order).map(|k| moving.at(k, Slope::ZERO).times(factor)).collect());
    }
    let coefficient = |k: usize| (0..=k).fold(Slope::ZERO, |sum, j| plus(sum, a.0[j].times(b.0[k - j])));
    Series((0..=order).map(coefficient).collect())
}

/// A sum, of which a term that is 0 leaves the other one as it is.
fn plus(a: Slope, b: Slope) -> Slope {
    if a.is_zero() {
        b
    } else if b.is_zero() {
        a
    } else {
        a.add(b)
    }
}

/// The series y with y_0 = `first` and y' = a' g, where coefficient k of g follows from those of y up to k.
fn integrated(order: usize, a: &Series, first: Slope, g: impl Fn(usize, &[Slope]) -> Slope) -> Series {
    let mut y = Vec::with_capacity(order + 1);
    y.push(first);
    let mut factor = Vec::with_capacity(order);
    for k in 1..=order {
        factor.push(g(k - 1, &y));
        let sum =
            (1..=k).fold(Slope::ZERO, |sum, j| plus(sum, a.at(j, Slope::ZERO).times(factor[k - j]).scaled(j as f64)));
        y.push(sum.scaled(1.0 / k as f64));
    }
    Series(y)
}

/// a / b
fn quotient(order: usize, (a, x): Valued<'_>, (b, y): Valued<'_>, first: Slope) -> Series {
    let over = y.inverse();
    let mut q = Vec::with_capacity(order + 1);
    q.push(first);
    for k in 1..=order {
        let sum = (1..=k).fold(Slope::ZERO, |sum, j| plus(sum, b.at(j, y).times(q[k - j])));
        q.push(plus(a.at(k, x), sum.negative()).times(over));
    }
    Series(q)
}

/// x^c for a constant c, and an x that does not meet 0.
fn power(order: usize, a: &Series, exponent: Slope, first: Slope) -> Series {
    let x = a.0[0];
    let over = x.inverse();
    let mut p = Vec::with_capacity(order + 1);
    p.push(first);
    for k in 1..=order {
        let sum = (1..=k).fold(Slope::ZERO, |sum, j| {
            let factor = exponent.scaled(j as f64).plus(-((k - j) as f64));
            plus(sum, factor.times(a.0[j]).times(p[k - j]))
        });
        p.push(sum.times(over).scaled(1.0 / k as f64));
    }
    Series(p)
}

/// Sine and cosine, or their hyperbolic kind: two series of which each is the derivative of the other, but for the sign.
fn waves(order: usize, a: &Series, [sine, cosine]: [Slope; 2], sign: f64) -> [Series; 2] {
    let (mut s, mut c) = (vec![sine], vec![cosine]);
    for k in 1..=order {
        let sum = |of: &[Slope]| {
            (1..=k)
                .fold(Slope::ZERO, |sum, j| plus(sum, a.0[j].times(of[k - j]).scaled(j as f64)))
                .scaled(1.0 / k as f64)
        };
        let (next_s, next_c) = (sum(&c), sum(&s).scaled(sign));
        s.push(next_s);
        c.push(next_c);
    }
    [Series(s), Series(c)]
}

impl Tape {
    /// Adds the series of the numbers behind the inputs, whose intervals are there.
    fn series<T: Scalar>(&self, order: usize, values: &Values<T>, series: &mut Vec<Series>) {
        for op in &self.ops {
            if op.is_truth() {
                continue;
            }
            let place = series.len();
            let value = Slope::from(values.numbers[place]);
            let of = |place: u32| (&series[place as usize], Slope::from(values.numbers[place as usize]));
            let moves = |place: u32| series[place as usize].moves();
            // A selection that goes either way may jump, though neither of its operands moves.
            let jumps = match *op {
                Op::Select(mask, ..) => values.truths[mask as usize].yes && values.truths[mask as usize].no,
                _ => false,
            };
            let still = !jumps && !op.operands().iter().any(|&place| moves(place));
            let new = if still {
                Series::default()
            } else {
                let mut new = of_op(*op, order, value, values, of);
                if let Some(zeroth) = new.0.first_mut() {
                    *zeroth = value;
                }
                new
            };
            series.push(new);
        }
    }
}

/// The series of a number of which an operand moves, with any zeroth coefficient.
fn of_op<'s, T: Scalar>(
    op: Op,
    order: usize,
    value: Slope,
    values: &Values<T>,
    of: impl Fn(u32) -> Valued<'s>,
) -> Series {
    let unknown = || Series::unknown(order);
    let scaled = |(a, _): Valued<'_>, factor: f64| Series(a.0.iter().map(|s| s.scaled(factor)).collect());
    // The operand that a minimum or a selection always is; it may stay the same.
    let copy = |place: u32| of(place).0.clone();
    match op {
        Op::Add(a, b) => sum_of(order, of(a), of(b), false),
        Op::Sub(a, b) => sum_of(order, of(a), of(b), true),
        Op::Neg(a) => scaled(of(a), -1.0),
        Op::Mul(a, b) if a == b => square(order, of(a).0),
        Op::Mul(a, b) => product(order, of(a), of(b)),
        Op::MulAdd(a, b, c) | Op::NegMulAdd(a, b, c) => {
            let moves = of(a).0.moves() || of(b).0.moves();
            let term = match moves {
                false => Series::default(),
                true if a == b => square(order, of(a).0),
                true => product(order, of(a), of(b)),
            };
            sum_of(order, of(c), (&term, Slope::ZERO), matches!(op, Op::NegMulAdd(..)))
        }
        Op::Div(a, b) => quotient(order, of(a), of(b), value),
        // what was rounded is the same everywhere
        Op::Residue(a, b, _) if !of(b).0.moves() => sum_of(order, of(a), of(b), true),
        Op::Abs(a) => match of(a).1 {
            x if x.lo >= 0.0 => copy(a),
            x if x.hi <= 0.0 => scaled(of(a), -1.0),
            _ => unknown(),
        },
        Op::Sqrt(a) if of(a).1.lo > 0.0 => power(order, of(a).0, Slope { lo: 0.5, hi: 0.5 }, value),
        Op::Min(a, b) | Op::Max(a, b) => {
            let (less, more) = if matches!(op, Op::Min(..)) { (a, b) } else { (b, a) };
            if of(less).1.hi <= of(more).1.lo {
                copy(a)
            } else if of(more).1.hi <= of(less).1.lo {
                copy(b)
            } else {
                unknown()
            }
        }
        Op::Select(mask, yes, no) => {
            let truth = &values.truths[mask as usize];
            match (truth.yes, truth.no) {
                (_, false) => copy(yes),
                (false, _) => copy(no),
                _ => unknown(),
            }
        }
        Op::Pow(x, y) if !of(y).0.moves() && of(x).1.lo > 0.0 => power(order, of(x).0, of(y).1, value),
        Op::Of(function, a) => function.series(order, of(a), value, values.numbers[a as usize]),
        _ => unknown(),
    }
}

impl Function {
    /// The series of the function of an x that moves, which has the values `y`.
    fn series<T: Scalar>(self, order: usize, (a, x): Valued<'_>, y: Slope, interval: Interval<T>) -> Series {
        use std::f64::consts::{FRAC_2_SQRT_PI, LN_2, LN_10};
        let constant = |value: f64| (Series::default(), Slope { lo: value, hi: value });
        let value = |function: Self| Slope::from(function.of(Rounding::none(), interval));
        let unknown = || Series::unknown(order);
        let exponential = |scale: f64, first: Slope| integrated(order, a, first, |k, y| y[k].scaled(scale));
        let logarithm = |scale: f64| {
            let one = constant(1.0);
            let over = quotient(order, (&one.0, one.1), (a, x), x.inverse());
            integrated(order, a, y, |k, _| over.0[k].scaled(scale))
        };
        // 1 + sign a^2, or a^2 - 1
        let with_square = |constant: f64, sign: f64| {
            let mut with = square(order, a);
            with.0.iter_mut().for_each(|s| *s = s.scaled(sign));
            with.0[0] = with.0[0].plus(constant);
            with
        };
        let over = |of: Series, exponent: f64| {
            let x = of.0[0];
            if x.lo <= 0.0 || x.lo.is_nan() {
                return unknown();
            }
            let first = Slope::new(x.hi.powf(exponent), x.lo.powf(exponent));
            power(order, &of, Slope { lo: exponent, hi: exponent }, first)
        };
        let by = |derivative: &Series, sign: f64| {
            if derivative.0.is_empty() {
                unknown()
            } else {
                integrated(order, a, y, |k, _| derivative.0[k].scaled(sign))
            }
        };
        match self {
            Self::Exp2 => exponential(LN_2, y),
            Self::Exp => exponential(1.0, y),
            Self::ExpM1 => {
                let mut whole = exponential(1.0, y.plus(1.0));
                whole.0[0] = y;
                whole
            }
            Self::Log | Self::Log2 | Self::Log10 if x.lo <= 0.0 || x.lo.is_nan() => unknown(),
            Self::Log => logarithm(1.0),
            Self::Log2 => logarithm(1.0 / LN_2),
            Self::Log10 => logarithm(1.0 / LN_10),
            Self::Ln1p => {
                let mut moved = a.clone();
                moved.0[0] = moved.0[0].plus(1.0);
                if moved.0[0].lo <= 0.0 || moved.0[0].lo.is_nan() {
                    return unknown();
                }
                by(&over(moved, -1.0), 1.0)
            }
            Self::Sin | Self::Cos => {
                let [s, c] = waves(order, a, [value(Self::Sin), value(Self::Cos)], -1.0);
                if self == Self::Sin { s } else { c }
            }
            Self::Sinh | Self::Cosh => {
                let [s, c] = waves(order, a, [value(Self::Sinh), value(Self::Cosh)], 1.0);
                if self == Self::Sinh { s } else { c }
            }
            Self::Tan | Self::Tanh => {
                if !y.size().is_finite() {
                    return unknown();
                }
                let sign = if self == Self::Tan { 1.0 } else { -1.0 };
                integrated(order, a, y, |k, y| {
                    let of = Series(y.to_vec());
                    let square = (0..=k).fold(Slope::ZERO, |sum, j| plus(sum, of.0[j].times(of.0[k - j]))).scaled(sign);
                    if k == 0 { square.plus(1.0) } else { square }
                })
            }
            Self::Asin => by(&over(with_square(1.0, -1.0), -0.5), 1.0),
            Self::Acos => by(&over(with_square(1.0, -1.0), -0.5), -1.0),
            Self::Atan => by(&over(with_square(1.0, 1.0), -1.0), 1.0),
            Self::Asinh => by(&over(with_square(1.0, 1.0), -0.5), 1.0),
            Self::Acosh => by(&over(with_square(-1.0, 1.0), -0.5), 1.0),
            Self::Atanh => by(&over(with_square(1.0, -1.0), -1.0), 1.0),
            Self::Erf | Self::Erfc => {
                let mut exponent = square(order, a);
                exponent.0.iter_mut().for_each(|s| *s = s.negative());
                let first = Slope::new(exponent.0[0].lo.exp(), exponent.0[0].hi.exp());
                let bell = integrated(order, &exponent, first, |k, y| y[k]);
                by(&bell, if self == Self::Erf { FRAC_2_SQRT_PI } else { -FRAC_2_SQRT_PI })
            }
            Self::Cbrt if x.lo > 0.0 || x.hi < 0.0 => power(order, a, Slope::new(1.0 / 3.0, 1.0 / 3.0), y),
            // the same whole number everywhere
            Self::Round | Self::Nearest | Self::Floor if y.lo == y.hi => Series::default(),
            _ => unknown(),
        }
    }
}
