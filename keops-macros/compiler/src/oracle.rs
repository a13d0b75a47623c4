//! The oracle for tests: it evaluates a graph in f64, node by node, by the meaning of each operation. It is used by
//! tests of this crate and, with the feature `testing`, by tests of the engines.

mod exact;
#[cfg(feature = "testing")]
mod item;
pub(crate) mod slopes;

use std::collections::HashMap;

#[cfg(feature = "testing")]
pub use item::{Category, Derivatives, Formula, Rules, Term};
pub use slopes::{Known, Slope};

use crate::{
    ir::{
        dim::Dim,
        graph::{Graph, Id, Op},
        table::Fun,
        view::View,
    },
    oracle::exact::Certain,
};

/// The number of components of a dimension. The const generics of all tests are `D`, which is 3, and `E`, which is 5.
pub(crate) fn size(dim: &Dim) -> usize {
    let symbol = |name: &str| match name {
        "D" => 3,
        "E" => 5,
        other => panic!("the tests know no const generic {other}"),
    };
    usize::try_from(dim.at(symbol)).unwrap()
}

/// The values of some roots and of all nodes that they need.
pub(crate) struct Evaluation {
    values: HashMap<Id, Vec<f64>>,
    /// The certainty that every engine has about each component.
    certain: HashMap<Id, Vec<Certain>>,
    /// The side of each kink and singularity on which the point lies; 0 on one.
    pub(crate) sides: Vec<i8>,
    /// The distance to the nearest kink or singularity, among those which an engine may see the point on the other
    /// side of.
    pub(crate) distance: f64,
}

impl Evaluation {
    pub(crate) fn get(&self, id: Id) -> &[f64] {
        &self.values[&id]
    }

    /// Whether no node overflows or is undefined, so that the order of operations does not matter.
    #[cfg(test)]
    pub(crate) fn is_tame(&self) -> bool {
        self.values.values().flatten().all(|x| x.abs() < 1e9)
    }

    /// The largest value of all nodes, whose rounding error remains where other values cancel.
    #[cfg(test)]
    pub(crate) fn largest(&self) -> f64 {
        self.values.values().flatten().fold(0.0, |largest: f64, x| largest.max(x.abs()))
    }

    /// Whether the point lies on no kink and no singularity.
    #[cfg(test)]
    pub(crate) fn is_smooth(&self) -> bool {
        !self.sides.contains(&0)
    }
}

/// Evaluates the roots; `variables` holds a row for each variable of the graph.
pub(crate) fn evaluate(g: &Graph, roots: &[Id], variables: &[Vec<f64>]) -> Evaluation {
    evaluate_rounded(g, roots, variables, |x, _| x)
}

/// Evaluates as [`evaluate`] does, with every component of every node rounded by `round`. Its second argument is the
/// number of roundings that the component may be off by: 0 if every engine has it exactly.
pub(crate) fn evaluate_rounded(
    g: &Graph,
    roots: &[Id],
    variables: &[Vec<f64>],
    mut round: impl FnMut(f64, f64) -> f64,
) -> Evaluation {
    let (values, certain) = (HashMap::new(), HashMap::new());
    let mut evaluation = Evaluation { values, certain, sides: Vec::new(), distance: f64::INFINITY };
    for id in g.reachable(roots) {
        let args: Vec<&[f64]> = g.args(id).iter().map(|a| evaluation.values[a].as_slice()).collect();
        let certain: Vec<&[Certain]> = g.args(id).iter().map(|a| evaluation.certain[a].as_slice()).collect();
        let len = args.iter().map(|a| a.len()).max().unwrap_or(1);
        for (n, (side, distance)) in sides(g.op(id), &args).into_iter().enumerate() {
            evaluation.sides.push(side);
            if !exact::side(g.op(id), &certain, n % len) {
                evaluation.distance = evaluation.distance.min(distance);
            }
        }
        let mut value = node(g, id, &args, variables);
        assert_eq!(value.len(), size(g.dim(id)), "{:?}", g.node(id));
        let certain = exact::components(g.op(id), &args, &certain, &value);
        for (c, (x, &certain)) in value.iter_mut().zip(&certain).enumerate() {
            let roundings = match g.op(id) {
                _ if certain == Certain::Exact => 0.0,
                // engines compute a power of 2, whose exponent is rounded
                Op::Fun(Fun::Exp | Fun::Pow) => 1.0 + args[0][if args[0].len() == 1 { 0 } else { c }].abs().min(100.0),
                _ => 1.0,
            };
            *x = round(*x, roundings);
        }
        evaluation.values.insert(id, value);
        evaluation.certain.insert(id, certain);
    }
    evaluation
}

fn node(g: &Graph, id: Id, args: &[&[f64]], variables: &[Vec<f64>]) -> Vec<f64> {
    let len = size(g.dim(id));
    let at = |k: usize, c: usize| args[k][if args[k].len() == 1 { 0 } else { c }];
    let each = |f: &dyn Fn(usize) -> f64| (0..len).map(f).collect();
    match g.op(id) {
        Op::Var(v) => variables[v.0 as usize].clone(),
        Op::Const(bits) => vec![f64::from_bits(*bits)],
        Op::Zero => vec![0.0; len],
        Op::Unit(k) => each(&|c| if c as u64 == *k { 1.0 } else { 0.0 }),
        Op::Add => each(&|c| at(0, c) + at(1, c)),
        Op::Sub => each(&|c| at(0, c) - at(1, c)),
        Op::Mul => each(&|c| at(0, c) * at(1, c)),
        Op::Div => each(&|c| at(0, c) / at(1, c)),
        Op::Neg => each(&|c| -at(0, c)),
        Op::Powi(n) => each(&|c| at(0, c).powi(*n)),
        Op::Fun(f) => each(&|c| {
            let numbers: Vec<f64> = (0..args.len()).map(|k| at(k, c)).collect();
            fun(*f, &numbers)
        }),
        Op::Places => each(&|c| c as f64),
        Op::Sum => args[0].chunks(args[0].len() / len).map(|block| block.iter().sum()).collect(),
        Op::Max => vec![args[0].iter().copied().fold(f64::NEG_INFINITY, f64::max)],
        Op::ArgMax => vec![arg_max(args[0]) as f64],
        Op::Broadcast => vec![args[0][0]; len],
        Op::View(view) => places(view).map(|k| args[0][k]).collect(),
        Op::Spread(view) => {
            let mut spread = vec![0.0; len];
            for (k, x) in places(view).zip(args[0]) {
                assert_eq!(std::mem::replace(&mut spread[k], *x), 0.0, "{view:?} has a place twice");
            }
            spread
        }
        Op::Concat => args.concat(),
        Op::MatVec => {
            let columns = args[1].len();
            each(&|row| (0..columns).map(|k| args[0][row * columns + k] * args[1][k]).sum())
        }
        Op::VecMat => each(&|column| (0..args[0].len()).map(|k| args[0][k] * args[1][k * len + column]).sum()),
        Op::Outer => args[0].iter().flat_map(|a| args[1].iter().map(move |b| a * b)).collect(),
    }
}

/// The components of the underlying vector that a view has.
fn places(view: &View) -> impl Iterator<Item = usize> + use<> {
    let list = view.axes.iter().fold(vec![size(&view.start)], |list, axis| {
        let (len, stride) = (size(&axis.len), size(&axis.stride));
        list.iter().flat_map(|first| (0..len).map(move |k| first + k * stride)).collect()
    });
    list.into_iter()
}

/// The place of the first largest number.
fn arg_max(x: &[f64]) -> usize {
    // the sum makes zeros of both signs equal
    let number = |c: usize| x[c] + 0.0;
    (0..x.len()).rev().max_by(|&a, &b| number(a).total_cmp(&number(b))).expect("a component")
}

/// The function (1/x d/dx)^n sin(x)/x: near 0 by 40 terms of its power series, elsewhere, where these would cancel,
/// by the recurrence of spherical Bessel functions.
pub(crate) fn spherical(n: i32, x: f64) -> f64 {
    if x.abs() > 2.0 * f64::from(n) + 2.0 {
        let (mut before, mut value) = (-x.cos(), x.sin() / x);
        for k in 0..n {
            (before, value) = (value, (-f64::from(2 * k + 1) * value - before) / (x * x));
        }
        return value;
    }
    let (mut term, mut sum) = ((1..=n).fold(1.0, |product, k| -product / f64::from(2 * k + 1)), 0.0);
    for k in 1..40 {
        sum += term;
        term *= -x * x / f64::from(2 * k * (2 * n + 2 * k + 1));
    }
    sum
}

/// The error function, as e^(-x²) times a series in which nothing cancels; 1 where it rounds to 1.
pub(crate) fn erf(x: f64) -> f64 {
    if x.abs() > 6.0 {
        return x.signum();
    }
    let (mut term, mut sum) = (x, 0.0);
    for k in 1..200 {
        sum += term;
        term *= 2.0 * x * x / f64::from(2 * k + 1);
    }
    std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp() * sum
}

fn fun(f: Fun, x: &[f64]) -> f64 {
    let truth = |holds: bool| if holds { 1.0 } else { 0.0 };
    match f {
        Fun::Exp => x[0].exp(),
        Fun::Exp2 => x[0].exp2(),
        Fun::Log => x[0].ln(),
        Fun::ExpM1 => x[0].exp_m1(),
        Fun::Log2 => x[0].log2(),
        Fun::Log10 => x[0].log10(),
        Fun::Ln1p => x[0].ln_1p(),
        Fun::Tan => x[0].tan(),
        Fun::Sinh => x[0].sinh(),
        Fun::Cosh => x[0].cosh(),
        Fun::Tanh => x[0].tanh(),
        Fun::Sech => x[0].cosh().recip(),
        Fun::Asinh => x[0].asinh(),
        Fun::Acosh => x[0].acosh(),
        Fun::Atanh => x[0].atanh(),
        Fun::Erf => erf(x[0]),
        Fun::Erfc => 1.0 - erf(x[0]),
        Fun::Sigmoid => 1.0 / (1.0 + (-x[0]).exp()),
        Fun::Softplus => x[0].exp().ln_1p(),
        Fun::Cbrt => x[0].cbrt(),
        Fun::Max => x[0].max(x[1]),
        Fun::Min => x[0].min(x[1]),
        Fun::Sin => x[0].sin(),
        Fun::Cos => x[0].cos(),
        Fun::Asin => x[0].asin(),
        Fun::Acos => x[0].acos(),
        Fun::Atan => x[0].atan(),
        Fun::Atan2 => x[0].atan2(x[1]),
        Fun::SinXDivX(n) => spherical(n, x[0]),
        Fun::Floor => x[0].floor(),
        Fun::Round(decimals) => (x[0] * 10_f64.powi(decimals)).round() / 10_f64.powi(decimals),
        Fun::SoftMin => -x[3] * x[..3].iter().map(|k| (-k / x[3]).exp()).sum::<f64>().ln(),
        Fun::Others => x[1] * x[2].exp2() / x[0],
        Fun::Sqrt => x[0].sqrt(),
        Fun::Rsqrt if x[0] == 0.0 => 0.0,
        Fun::Rsqrt => 1.0 / x[0].sqrt(),
        Fun::Inv => 1.0 / x[0],
        Fun::Abs => x[0].abs(),
        Fun::Sign => truth(x[0] > 0.0) - truth(x[0] < 0.0),
        Fun::Step => truth(x[0] >= 0.0),
        Fun::Relu => x[0].max(0.0),
        Fun::XLogX if x[0] == 0.0 => 0.0,
        Fun::XLogX => x[0] * x[0].ln(),
        Fun::Pow => x[0].powf(x[1]),
        Fun::UnlessInfinite if x[0].is_infinite() => 0.0,
        Fun::Bounded | Fun::UnlessInfinite => x[0],
        Fun::UnlessZero if x[1] == 0.0 => 0.0,
        Fun::UnlessZero => x[0],
        Fun::Hypot => x[0].hypot(x[1]),
        Fun::Direction if x[0] == 0.0 && x[1] == 0.0 => 0.0,
        Fun::Direction => x[0] / x[0].hypot(x[1]),
        Fun::OverSquare if x[0] == 0.0 && x[1] == 0.0 => 0.0,
        Fun::OverSquare => x[0] / x[0].hypot(x[1]) / x[0].hypot(x[1]),
        Fun::IfElse if x[0] >= 0.0 => x[1],
        Fun::IfElse => x[2],
        Fun::Clamp => x[0].max(x[1]).min(x[2]),
        Fun::Equal => truth(x[0] == x[1]),
        Fun::NotEqual => truth(x[0] != x[1]),
        Fun::LessThan => truth(x[0] < x[1]),
        Fun::LessOrEqual => truth(x[0] <= x[1]),
    }
}

/// The step that each number lies on (from 1 to 100, as steps repeat), or 0 at an edge, and the distance of the
/// nearest edge.
fn stairs(x: impl Iterator<Item = f64>) -> Vec<(i8, f64)> {
    let step = |x: f64| if x.fract() == 0.0 { 0 } else { 1 + x.floor().rem_euclid(100.0) as i8 };
    x.map(|x| (step(x), (x - x.round()).abs())).collect()
}

/// The side of each kink and singularity of an operation on which the arguments lie, and the distance.
fn sides(op: &Op, args: &[&[f64]]) -> Vec<(i8, f64)> {
    let len = args.iter().map(|a| a.len()).max().unwrap_or(0);
    let at = |k: usize, c: usize| args[k][if args[k].len() == 1 { 0 } else { c }];
    let sign = |x: f64| {
        if x > 0.0 {
            1
        } else if x < 0.0 {
            -1
        } else {
            0
        }
    };
    let each = |f: &dyn Fn(usize) -> f64| (0..len).map(|c| (sign(f(c)), f(c).abs())).collect();
    match op {
        Op::Div => each(&|c| at(1, c)),
        Op::Powi(..0) => each(&|c| at(0, c)),
        Op::Fun(
            Fun::Abs
            | Fun::Sign
            | Fun::Step
            | Fun::Relu
            | Fun::IfElse
            | Fun::Log
            | Fun::Log2
            | Fun::Log10
            | Fun::Cbrt
            | Fun::Sqrt
            | Fun::Rsqrt
            | Fun::Inv
            | Fun::XLogX
            | Fun::Pow,
        ) => each(&|c| at(0, c)),
        Op::Fun(Fun::Equal | Fun::NotEqual | Fun::LessThan | Fun::LessOrEqual) => each(&|c| at(0, c) - at(1, c)),
        Op::Fun(Fun::Max | Fun::Min) => each(&|c| at(0, c) - at(1, c)),
        Op::Fun(Fun::Ln1p) => each(&|c| 1.0 + at(0, c)),
        Op::Fun(Fun::Acosh) => each(&|c| at(0, c) - 1.0),
        Op::Fun(Fun::Asin | Fun::Acos | Fun::Atanh) => each(&|c| 1.0 - at(0, c).abs()),
        Op::Fun(Fun::UnlessZero) => each(&|c| at(1, c)),
        Op::Fun(Fun::Hypot | Fun::Direction | Fun::OverSquare) => each(&|c| at(0, c).abs() + at(1, c).abs()),
        // the origin, and the half-line at which the angle jumps
        Op::Fun(Fun::Atan2) => each(&|c| if at(1, c) > 0.0 { at(0, c).abs() + at(1, c) } else { at(0, c) }),
        Op::Fun(Fun::SoftMin) => each(&|c| at(3, c)),
        Op::Fun(Fun::Floor) => stairs(args[0].iter().copied()),
        // the steps are half way between numbers
        Op::Fun(Fun::Round(decimals)) => stairs(args[0].iter().map(|x| x * 10_f64.powi(*decimals) + 0.5)),
        Op::Max | Op::ArgMax => {
            let first = arg_max(args[0]);
            let tie = (0..len).any(|c| c != first && args[0][c] == args[0][first]);
            let others = (0..len).filter(|&c| c != first).map(|c| args[0][first] - args[0][c]);
            vec![(if tie { 0 } else { 1 + first as i8 }, others.fold(f64::INFINITY, f64::min))]
        }
        Op::Fun(Fun::Clamp) => {
            let ends = [each(&|c| at(0, c) - at(1, c)), each(&|c| at(0, c) - at(2, c))];
            // if the bounds are crossed, there is no rule for derivatives
            let crossed: Vec<(i8, f64)> = each(&|c| (at(2, c) - at(1, c)).max(0.0));
            [ends.concat(), crossed].concat()
        }
        _ => Vec::new(),
    }
}
