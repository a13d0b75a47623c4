//! A graph evaluated in f64, node by node, straight from the meaning of each operation.

use std::collections::HashMap;

use crate::{
    dim::Dim,
    graph::{Graph, Id, Op},
    table::Fun,
};

/// The number of components: `D` is 3 and `E` is 5 in all tests.
pub(super) fn size(dim: &Dim) -> usize {
    let symbol = |name: &str| match name {
        "D" => 3,
        "E" => 5,
        other => panic!("the tests know no const generic {other}"),
    };
    usize::try_from(dim.at(symbol)).unwrap()
}

/// The values of all nodes that some roots need.
pub(super) struct Evaluation {
    values: HashMap<Id, Vec<f64>>,
    /// On which side of each kink and singularity the point lies.
    pub(super) sides: Vec<i8>,
}

impl Evaluation {
    pub(super) fn get(&self, id: Id) -> &[f64] {
        &self.values[&id]
    }

    /// Whether no node overflows or is undefined, so that the order of operations does not matter.
    pub(super) fn is_tame(&self) -> bool {
        self.values.values().flatten().all(|x| x.abs() < 1e9)
    }

    /// Whether the point lies on no kink and no singularity.
    pub(super) fn is_smooth(&self) -> bool {
        !self.sides.contains(&0)
    }
}

/// Evaluates the roots; `variables` holds a row for each variable of the graph.
pub(super) fn evaluate(g: &Graph, roots: &[Id], variables: &[Vec<f64>]) -> Evaluation {
    let mut evaluation = Evaluation { values: HashMap::new(), sides: Vec::new() };
    for id in g.reachable(roots) {
        let args: Vec<&[f64]> = g.args(id).iter().map(|a| evaluation.values[a].as_slice()).collect();
        let sides = sides(g.op(id), &args);
        let value = node(g, id, &args, variables);
        assert_eq!(value.len(), size(g.dim(id)), "{:?}", g.node(id));
        evaluation.values.insert(id, value);
        evaluation.sides.extend(sides);
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
        Op::Sum => vec![args[0].iter().sum()],
        Op::Broadcast => vec![args[0][0]; len],
        Op::Extract(start) => args[0][size(start)..][..len].to_vec(),
        Op::Pad(start) => {
            let mut padded = vec![0.0; len];
            padded[size(start)..][..args[0].len()].copy_from_slice(args[0]);
            padded
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

fn fun(f: Fun, x: &[f64]) -> f64 {
    let truth = |holds: bool| if holds { 1.0 } else { 0.0 };
    match f {
        Fun::Exp => x[0].exp(),
        Fun::Exp2 => x[0].exp2(),
        Fun::Log => x[0].ln(),
        Fun::Sin => x[0].sin(),
        Fun::Cos => x[0].cos(),
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
        Fun::IfElse if x[0] >= 0.0 => x[1],
        Fun::IfElse => x[2],
        Fun::Clamp => x[0].max(x[1]).min(x[2]),
        Fun::Equal => truth(x[0] == x[1]),
        Fun::NotEqual => truth(x[0] != x[1]),
        Fun::LessThan => truth(x[0] < x[1]),
        Fun::LessOrEqual => truth(x[0] <= x[1]),
    }
}

/// The signs of what is 0 on the kinks and singularities of an operation.
fn sides(op: &Op, args: &[&[f64]]) -> Vec<i8> {
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
    let each = |f: &dyn Fn(usize) -> f64| (0..len).map(|c| sign(f(c))).collect();
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
            | Fun::Sqrt
            | Fun::Rsqrt
            | Fun::Inv
            | Fun::XLogX
            | Fun::Pow,
        ) => each(&|c| at(0, c)),
        Op::Fun(Fun::Equal | Fun::NotEqual | Fun::LessThan | Fun::LessOrEqual) => each(&|c| at(0, c) - at(1, c)),
        Op::Fun(Fun::Clamp) => {
            let ends = [each(&|c| at(0, c) - at(1, c)), each(&|c| at(0, c) - at(2, c))];
            // with its ends crossed it has no derivative that is worth a rule
            let crossed: Vec<i8> = each(&|c| (at(2, c) - at(1, c)).max(0.0));
            [ends.concat(), crossed].concat()
        }
        _ => Vec::new(),
    }
}
