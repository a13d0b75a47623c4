//! The derivatives of a graph along a direction, node by node, from the derivatives of each function as books have
//! them: nothing is shared with the rules by which the compiler differentiates. At kinks and infinite slopes,
//! derivatives are those that the documentation of the language defines.

use std::collections::HashMap;

use crate::{
    ir::{
        graph::{Graph, Id, Op},
        table::Fun,
    },
    oracle::{Evaluation, arg_max, exact::Certain, places, size, spherical},
};

/// The derivatives that the language defines at a point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Known {
    /// None: a value is infinite or undefined.
    Nothing,
    /// None, but they are finite.
    Finite,
    /// The first derivative; the second is finite.
    First,
    /// Both derivatives.
    #[default]
    Second,
}

/// The derivatives of a component along a direction.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Slope {
    /// The first derivative.
    pub first: f64,
    /// The second derivative.
    pub second: f64,
    /// The derivatives that the language defines.
    pub known: Known,
}

/// The value of a component and its derivatives.
#[derive(Clone, Copy)]
struct Jet {
    value: f64,
    exact: bool,
    slope: Slope,
}

impl Jet {
    /// Whether the component is 0 along the whole direction.
    fn is_zero(self) -> bool {
        self.exact && self.value == 0.0 && self.slope == Slope::default()
    }
}

/// The product of two numbers, which is 0 if one of them is 0, whatever the other is.
fn times(a: f64, b: f64) -> f64 {
    if a == 0.0 || b == 0.0 { 0.0 } else { a * b }
}

/// A sum of terms of a first and a second derivative, and the sums of their sizes.
#[derive(Default)]
struct Total {
    slope: Slope,
    sizes: [f64; 2],
}

impl Total {
    fn add(&mut self, [first, second]: [f64; 2], known: Known) {
        self.slope.first += first;
        self.slope.second += second;
        self.sizes[0] += first.abs();
        self.sizes[1] += second.abs();
        self.slope.known = self.slope.known.min(known);
    }

    /// Adds the derivatives of the product of a and b.
    fn add_product(&mut self, a: Jet, b: Jet) {
        let (x, y) = (a.slope, b.slope);
        let known = x.known.min(y.known);
        if known > Known::Nothing && (a.is_zero() || b.is_zero()) {
            return;
        }
        self.add([times(x.first, b.value), times(x.second, b.value)], known);
        self.add([times(a.value, y.first), times(a.value, y.second)], known);
        self.add([0.0, 2.0 * times(x.first, y.first)], known);
    }

    fn rounded(mut self, noise: &mut impl FnMut() -> f64) -> Slope {
        self.slope.first += noise() * self.sizes[0];
        self.slope.second += noise() * self.sizes[1];
        self.slope
    }
}

/// The derivatives of a function of up to four numbers, and how far they are known.
struct Taylor {
    first: [f64; 4],
    second: [[f64; 4]; 4],
    known: Known,
}

impl Taylor {
    fn one(first: f64, second: f64) -> Self {
        let mut taylor = Taylor { first: [first, 0.0, 0.0, 0.0], second: [[0.0; 4]; 4], known: Known::Second };
        taylor.second[0][0] = second;
        taylor
    }

    fn two([a, b]: [f64; 2], [aa, ab, bb]: [f64; 3]) -> Self {
        let mut second = [[0.0; 4]; 4];
        (second[0][0], second[0][1], second[1][0], second[1][1]) = (aa, ab, ab, bb);
        Taylor { first: [a, b, 0.0, 0.0], second, known: Known::Second }
    }

    /// The derivatives of a function with an infinite slope. The slope is 0 by convention; about its own slope
    /// nothing is defined.
    fn steep() -> Self {
        Taylor { known: Known::First, ..Self::one(0.0, 0.0) }
    }

    fn flat() -> Self {
        Self::one(0.0, 0.0)
    }
}

fn step(holds: bool) -> f64 {
    if holds { 1.0 } else { 0.0 }
}

/// The derivatives of a function at the point `x`, where its value is `y`.
fn taylor(f: Fun, x: &[f64], y: f64) -> Taylor {
    let a = x[0];
    match f {
        Fun::Exp => Taylor::one(y, y),
        Fun::Exp2 => {
            let log = std::f64::consts::LN_2;
            Taylor::one(log * y, log * log * y)
        }
        Fun::ExpM1 => Taylor::one(a.exp(), a.exp()),
        Fun::Log => Taylor::one(1.0 / a, -1.0 / (a * a)),
        Fun::Log2 | Fun::Log10 => {
            let scale = if f == Fun::Log2 { std::f64::consts::LOG2_E } else { std::f64::consts::LOG10_E };
            Taylor::one(scale / a, -scale / (a * a))
        }
        Fun::Ln1p => Taylor::one(1.0 / (1.0 + a), -1.0 / ((1.0 + a) * (1.0 + a))),
        Fun::Tan => Taylor::one(1.0 + y * y, 2.0 * y * (1.0 + y * y)),
        Fun::Sinh => Taylor::one(a.cosh(), y),
        Fun::Cosh => Taylor::one(a.sinh(), y),
        Fun::Tanh => {
            let square = a.cosh().powi(-2);
            Taylor::one(square, -2.0 * y * square)
        }
        Fun::Sech => {
            let tanh = a.tanh();
            Taylor::one(-y * tanh, y * (tanh * tanh - y * y))
        }
        Fun::Acosh if a == 1.0 => Taylor::steep(),
        Fun::Asinh | Fun::Acosh | Fun::Atanh | Fun::Atan => of_inverse(f, a),
        Fun::Erf | Fun::Erfc => {
            let sign = if f == Fun::Erf { 1.0 } else { -1.0 };
            let bell = sign * std::f64::consts::FRAC_2_SQRT_PI * (-a * a).exp();
            Taylor::one(bell, -2.0 * a * bell)
        }
        Fun::Sigmoid => Taylor::one(y * (1.0 - y), y * (1.0 - y) * (1.0 - 2.0 * y)),
        Fun::Softplus => {
            let sigmoid = 1.0 / (1.0 + (-a).exp());
            Taylor::one(sigmoid, sigmoid * (1.0 - sigmoid))
        }
        Fun::Cbrt if a == 0.0 => Taylor::steep(),
        Fun::Cbrt => Taylor::one(1.0 / (3.0 * y * y), -2.0 / (9.0 * a * y * y)),
        Fun::Hypot | Fun::Direction | Fun::OverSquare if x == [0.0, 0.0] => Taylor::steep(),
        Fun::Hypot => {
            let (b, cube) = (x[1], y.powi(3));
            Taylor::two([a / y, b / y], [b * b / cube, -a * b / cube, a * a / cube])
        }
        Fun::Direction | Fun::OverSquare => of_length(f, a, x[1]),
        Fun::Bounded | Fun::UnlessInfinite => Taylor::one(1.0, 0.0),
        Fun::UnlessZero if x[1] == 0.0 => Taylor { known: Known::First, ..Taylor::flat() },
        Fun::UnlessZero => Taylor::one(1.0, 0.0),
        // of equal arguments the first is taken
        Fun::Max | Fun::Min => {
            let second = if f == Fun::Max { a < x[1] } else { a > x[1] };
            Taylor::two([step(!second), step(second)], [0.0; 3])
        }
        // only derivatives have this function, and formulas do not
        Fun::Others => Taylor { known: Known::Nothing, ..Taylor::flat() },
        Fun::Sin => Taylor::one(a.cos(), -y),
        Fun::Cos => Taylor::one(-a.sin(), -y),
        Fun::Asin | Fun::Acos if a.abs() == 1.0 => Taylor::steep(),
        Fun::Asin | Fun::Acos => of_inverse(f, a),
        Fun::Atan2 if x == [0.0, 0.0] => Taylor::steep(),
        // on the half-line at which the angle jumps
        Fun::Atan2 if a == 0.0 && x[1] < 0.0 => Taylor { known: Known::Nothing, ..Taylor::flat() },
        Fun::Atan2 => of_length(f, a, x[1]),
        Fun::SinXDivX(n) => {
            let (next, second) = (spherical(n + 1, a), spherical(n + 2, a));
            Taylor::one(a * next, next + a * a * second)
        }
        Fun::SoftMin => soft_min([x[0], x[1], x[2]], x[3], y),
        Fun::Sqrt | Fun::Rsqrt | Fun::XLogX if a == 0.0 => Taylor::steep(),
        Fun::Sqrt => Taylor::one(0.5 / y, -0.25 / (a * y)),
        Fun::Rsqrt => Taylor::one(-0.5 * y / a, 0.75 * y / (a * a)),
        Fun::XLogX => Taylor::one(a.ln() + 1.0, 1.0 / a),
        Fun::Inv => Taylor::one(-1.0 / (a * a), 2.0 / (a * a * a)),
        Fun::Abs => Taylor::one(step(a > 0.0) - step(a < 0.0), 0.0),
        Fun::Relu => Taylor::one(step(a >= 0.0), 0.0),
        Fun::Pow => power(a, x[1], y),
        Fun::Clamp if x[1] > x[2] => Taylor { known: Known::Finite, ..Taylor::flat() },
        Fun::Clamp => {
            let taken = if a < x[1] { 1 } else { 2 * usize::from(a > x[2]) };
            let mut taylor = Taylor::flat();
            taylor.first[taken] = 1.0;
            taylor
        }
        Fun::Floor | Fun::Round(_) | Fun::Sign | Fun::Step => Taylor::flat(),
        Fun::Equal | Fun::NotEqual | Fun::LessThan | Fun::LessOrEqual => Taylor::flat(),
        Fun::IfElse => unreachable!("the side that is taken is looked at alone"),
    }
}

/// The derivatives of the inverses of trigonometric and hyperbolic functions, which are algebraic.
fn of_inverse(f: Fun, a: f64) -> Taylor {
    let square = match f {
        Fun::Asinh | Fun::Atan => 1.0 + a * a,
        Fun::Acosh => (a - 1.0) * (a + 1.0),
        _ => (1.0 - a) * (1.0 + a),
    };
    let root = square.sqrt();
    match f {
        Fun::Asinh | Fun::Acosh => Taylor::one(1.0 / root, -a / (square * root)),
        Fun::Atanh => Taylor::one(1.0 / square, 2.0 * a / (square * square)),
        Fun::Asin => Taylor::one(1.0 / root, a / (square * root)),
        Fun::Acos => Taylor::one(-1.0 / root, -a / (square * root)),
        Fun::Atan => Taylor::one(1.0 / square, -2.0 * a / (square * square)),
        _ => unreachable!("not an inverse of these"),
    }
}

/// The derivatives of the functions that divide by the length of (a, b), or by its square, where that is not 0.
fn of_length(f: Fun, a: f64, b: f64) -> Taylor {
    let s = a * a + b * b;
    let (square, cube) = (s.powi(2), s.powi(3));
    match f {
        Fun::Direction => {
            let r = a.hypot(b);
            let (cube, fifth) = (r.powi(3), r.powi(5));
            Taylor::two(
                [b * b / cube, -a * b / cube],
                [-3.0 * a * b * b / fifth, b * (2.0 * a * a - b * b) / fifth, a * (2.0 * b * b - a * a) / fifth],
            )
        }
        Fun::OverSquare => Taylor::two(
            [(b * b - a * a) / square, -2.0 * a * b / square],
            [
                2.0 * a * (a * a - 3.0 * b * b) / cube,
                2.0 * b * (3.0 * a * a - b * b) / cube,
                2.0 * a * (3.0 * b * b - a * a) / cube,
            ],
        ),
        Fun::Atan2 => {
            let mixed = 2.0 * a * b / square;
            Taylor::two([b / s, -a / s], [-mixed, (a * a - b * b) / square, mixed])
        }
        _ => unreachable!("not a function of a length"),
    }
}

/// The derivatives of a^b, whose value is `y`.
fn power(a: f64, b: f64, y: f64) -> Taylor {
    if a < 0.0 || a == 0.0 && b < 0.0 {
        return Taylor { known: Known::Nothing, ..Taylor::flat() };
    }
    if a > 0.0 {
        let log = a.ln();
        return Taylor::two(
            [b * y / a, log * y],
            [b * (b - 1.0) * y / (a * a), (1.0 + b * log) * y / a, log * log * y],
        );
    }
    match b {
        // x^b jumps here as a function of b
        0.0 => Taylor { known: Known::Finite, ..Taylor::flat() },
        1.0 => Taylor { known: Known::First, ..Taylor::one(1.0, 0.0) },
        2.0 => Taylor::one(0.0, 2.0),
        _ if b < 1.0 => Taylor::steep(),
        _ if b < 2.0 => Taylor::one(0.0, f64::INFINITY),
        _ => Taylor::flat(),
    }
}

/// The derivatives of s = -γ ln Σ_k e^(-x_k/γ).
fn soft_min(x: [f64; 3], gamma: f64, s: f64) -> Taylor {
    let p = x.map(|x| ((s - x) / gamma).exp());
    let moment = |f: &dyn Fn(f64) -> f64| p.iter().zip(x).map(|(&p, x)| times(p, f(x))).sum::<f64>();
    let mean = moment(&|x| x);
    let mut taylor = Taylor::flat();
    for k in 0..3 {
        taylor.first[k] = p[k];
        for l in 0..3 {
            taylor.second[k][l] = (p[k] * p[l] - if k == l { p[k] } else { 0.0 }) / gamma;
        }
        let mixed = times(p[k], (x[k] - mean) / (gamma * gamma));
        (taylor.second[k][3], taylor.second[3][k]) = (mixed, mixed);
    }
    taylor.first[3] = (s - mean) / gamma;
    taylor.second[3][3] = -moment(&|x| (x - mean) * (x - mean)) / (gamma * gamma * gamma);
    taylor
}

fn chain(f: Fun, value: f64, jets: &[Jet], noise: &mut impl FnMut() -> f64) -> Slope {
    let numbers: Vec<f64> = jets.iter().map(|jet| jet.value).collect();
    let Taylor { first, second, known } = taylor(f, &numbers, value);
    let least = jets.iter().map(|jet| jet.slope.known).min().unwrap_or_default();
    let mut total = Total::default();
    total.slope.known = least;
    if jets.iter().all(|jet| jet.slope.first == 0.0 && jet.slope.second == 0.0) {
        // a function of constants is a constant
        total.slope.known = least.min(if known == Known::Nothing { known } else { Known::Second });
        return total.slope;
    }
    total.slope.known = least.min(known);
    for (k, a) in jets.iter().enumerate() {
        total.add([times(first[k], a.slope.first), times(first[k], a.slope.second)], Known::Second);
        for (l, b) in jets.iter().enumerate() {
            let curvature = times(second[k][l], times(a.slope.first, b.slope.first));
            if curvature.is_finite() {
                total.add([0.0, curvature], Known::Second);
            } else {
                total.slope.known = total.slope.known.min(Known::First);
            }
        }
    }
    total.rounded(noise)
}

/// The derivatives of some roots and of all nodes that they need, along a tangent of each variable. `noise` gives the
/// error of each sum, relative to the sum of the sizes of its terms.
pub(crate) fn slopes(
    g: &Graph,
    roots: &[Id],
    evaluation: &Evaluation,
    tangents: &[Vec<f64>],
    mut noise: impl FnMut() -> f64,
) -> HashMap<Id, Vec<Slope>> {
    let mut all: HashMap<Id, Vec<Slope>> = HashMap::new();
    for id in g.reachable(roots) {
        let values = &evaluation.values[&id];
        let mut slopes = node(g, id, evaluation, &all, tangents, &mut noise);
        for (slope, &value) in slopes.iter_mut().zip(values) {
            // -∞ is defined as an exponent, and where such an exponent is computed
            let carried = matches!(
                g.op(id),
                Op::Fun(Fun::Log | Fun::IfElse) | Op::Add | Op::Sub | Op::Neg | Op::Sum | Op::Broadcast | Op::View(_)
            );
            let fine = value.is_finite() || value == f64::NEG_INFINITY && carried;
            if !fine || !slope.first.is_finite() {
                slope.known = Known::Nothing;
            } else if !slope.second.is_finite() {
                slope.known = slope.known.min(Known::First);
            }
        }
        all.insert(id, slopes);
    }
    all
}

/// The derivatives of a sum.
fn sum(summands: impl IntoIterator<Item = Slope>, noise: &mut impl FnMut() -> f64) -> Slope {
    let mut total = Total::default();
    summands.into_iter().for_each(|slope| total.add([slope.first, slope.second], slope.known));
    total.rounded(noise)
}

/// The derivatives of a constant times something.
fn scaled(factor: f64, slope: Slope) -> Slope {
    Slope { first: factor * slope.first, second: factor * slope.second, ..slope }
}

/// The derivatives of the quotient q of a and b, from a = q b.
fn quotient(a: Jet, b: Jet, q: f64, noise: &mut impl FnMut() -> f64) -> Slope {
    let Slope { first, second, known } = b.slope;
    let slope = (a.slope.first - times(q, first)) / b.value;
    let mut total = Total::default();
    total.add([a.slope.first / b.value, a.slope.second / b.value], known.min(a.slope.known));
    total.add([-times(q, first) / b.value, -times(q, second) / b.value], known);
    total.add([0.0, -2.0 * times(slope, first) / b.value], known);
    total.rounded(noise)
}

/// The derivatives of a power with a fixed exponent.
fn fixed_power(Jet { value, slope, .. }: Jet, n: i32, noise: &mut impl FnMut() -> f64) -> Slope {
    let mut total = Total::default();
    let (one, two) = (f64::from(n) * value.powi(n - 1), f64::from(n) * f64::from(n - 1) * value.powi(n - 2));
    total.add([times(one, slope.first), times(one, slope.second)], slope.known);
    total.add([0.0, times(two, slope.first * slope.first)], slope.known);
    total.rounded(noise)
}

/// The derivatives of a node, from those of its arguments in `all`.
fn node(
    g: &Graph,
    id: Id,
    evaluation: &Evaluation,
    all: &HashMap<Id, Vec<Slope>>,
    tangents: &[Vec<f64>],
    noise: &mut impl FnMut() -> f64,
) -> Vec<Slope> {
    let (args, len) = (g.args(id), size(g.dim(id)));
    let lens: Vec<usize> = args.iter().map(|a| all[a].len()).collect();
    let jet = |k: usize, c: usize| {
        let (c, arg) = (if lens[k] == 1 { 0 } else { c }, args[k]);
        Jet {
            value: evaluation.values[&arg][c],
            exact: evaluation.certain[&arg][c] == Certain::Exact,
            slope: all[&arg][c],
        }
    };
    let value = &evaluation.values[&id];
    let products = |noise: &mut _, pairs: &mut dyn Iterator<Item = (Jet, Jet)>| {
        let mut total = Total::default();
        pairs.for_each(|(a, b)| total.add_product(a, b));
        total.rounded(noise)
    };
    let still = Slope::default();
    match g.op(id) {
        Op::Var(v) => tangents[v.0 as usize].iter().map(|&first| Slope { first, ..still }).collect(),
        Op::Const(_) | Op::Zero | Op::Unit(_) | Op::Places | Op::ArgMax => vec![still; len],
        op @ (Op::Add | Op::Sub) => {
            let sign = if matches!(op, Op::Add) { 1.0 } else { -1.0 };
            (0..len).map(|c| sum([jet(0, c).slope, scaled(sign, jet(1, c).slope)], noise)).collect()
        }
        Op::Mul => (0..len).map(|c| products(noise, &mut std::iter::once((jet(0, c), jet(1, c))))).collect(),
        Op::Div => (0..len).map(|c| quotient(jet(0, c), jet(1, c), value[c], noise)).collect(),
        Op::Neg => (0..len).map(|c| scaled(-1.0, jet(0, c).slope)).collect(),
        Op::Powi(n) => (0..len).map(|c| fixed_power(jet(0, c), *n, noise)).collect(),
        Op::Fun(Fun::IfElse) => {
            let taken = |c| {
                let condition = jet(0, c);
                let side = jet(if condition.value >= 0.0 { 1 } else { 2 }, c).slope;
                let known = if condition.slope.known == Known::Nothing { Known::Nothing } else { side.known };
                Slope { known, ..side }
            };
            (0..len).map(taken).collect()
        }
        Op::Fun(f) => {
            let of = |c| {
                let jets: Vec<Jet> = (0..args.len()).map(|k| jet(k, c)).collect();
                chain(*f, value[c], &jets, noise)
            };
            (0..len).map(of).collect()
        }
        Op::Sum => {
            let block = lens[0] / len;
            (0..len).map(|c| sum((c * block..(c + 1) * block).map(|k| jet(0, k).slope), noise)).collect()
        }
        Op::Max => {
            let least = all[&args[0]].iter().map(|slope| slope.known).min().unwrap_or_default();
            let chosen = all[&args[0]][arg_max(&evaluation.values[&args[0]])];
            vec![Slope {
                known: chosen.known.min(if least == Known::Nothing { least } else { chosen.known }),
                ..chosen
            }]
        }
        Op::Broadcast => vec![all[&args[0]][0]; len],
        Op::View(view) => places(view).map(|k| all[&args[0]][k]).collect(),
        Op::Spread(view) => {
            let mut spread = vec![still; len];
            places(view).zip(&all[&args[0]]).for_each(|(k, &slope)| spread[k] = slope);
            spread
        }
        Op::Concat => args.iter().flat_map(|a| all[a].iter().copied()).collect(),
        Op::MatVec => {
            let columns = lens[1];
            (0..len)
                .map(|row| products(noise, &mut (0..columns).map(|k| (jet(0, row * columns + k), jet(1, k)))))
                .collect()
        }
        Op::VecMat => {
            let rows = lens[0];
            (0..len)
                .map(|column| products(noise, &mut (0..rows).map(|k| (jet(0, k), jet(1, k * len + column)))))
                .collect()
        }
        Op::Outer => {
            let columns = lens[1];
            (0..len)
                .map(|c| products(noise, &mut std::iter::once((jet(0, c / columns), jet(1, c % columns)))))
                .collect()
        }
    }
}
