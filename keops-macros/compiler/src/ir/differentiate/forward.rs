//! Forward mode: tangents flow from a variable to the value.

use std::collections::HashMap;

use super::{regular, reverse};
use crate::ir::{
    graph::{Category, Graph, Id, Op, VarId},
    table::{self, Fun},
};

/// The change (∂f/∂v) u of f along the tangent `u` of v: a vector of the dimension of f, for a `u` of the dimension
/// of v.
pub(crate) fn diff(g: &mut Graph, f: Id, v: VarId, u: Id) -> Id {
    if regular::has_root(g, f, v)
        && let Some(tangent) = by_transposition(g, f, v, u)
    {
        return tangent;
    }
    let node = g.var(v);
    let mut tangents = HashMap::from([(node, u)]);
    for id in g.reachable(&[f]) {
        if id != node && g.depends(id, v) {
            let tangent = push_forward(g, id, &tangents);
            let tangent = g.broadcast(tangent, &g.dim(id).clone());
            tangents.insert(id, tangent);
        }
    }
    tangents.get(&f).copied().unwrap_or_else(|| g.zero(g.dim(f).clone()))
}

/// The same by reverse mode, if there are slopes that are regular in reverse mode only, since all factors of a root meet in
/// its cotangent: (∂f/∂v) u is the gradient of ((∂f/∂v)ᵀ e | u) in the cotangent e.
fn by_transposition(g: &mut Graph, f: Id, v: VarId, u: Id) -> Option<Id> {
    let mut trial = g.clone();
    let cotangent = trial.push_variable(String::new(), Category::I, g.dim(f).clone());
    let e = trial.var(cotangent);
    let (gradients, regular) = reverse::grads_and_regular(&mut trial, &[(f, e)], &[v]);
    if !regular {
        return None;
    }
    let (product, one) = (trial.dot(gradients[0], u), trial.constant(1.0));
    let tangent = reverse::grad(&mut trial, product, cotangent, one);
    trial.variables.pop();
    *g = trial;
    Some(tangent)
}

/// The tangent of the node `id`, given the tangents of its arguments; an argument without one has the tangent 0. A
/// tangent of dimension 1 stands for its broadcast.
pub(super) fn push_forward(g: &mut Graph, id: Id, tangents: &HashMap<Id, Id>) -> Id {
    let node = g.node(id).clone();
    let args = &node.args;
    let tangent = |g: &mut Graph, k: usize| match tangents.get(&args[k]) {
        Some(&t) => t,
        None => g.zero(g.dim(args[k]).clone()),
    };
    match node.op {
        Op::Var(_) | Op::Const(_) | Op::Zero | Op::Unit(_) | Op::Places | Op::ArgMax => g.zero(node.dim),
        Op::Add | Op::Sub | Op::Neg | Op::Sum | Op::Broadcast | Op::View(_) | Op::Spread(_) | Op::Concat => {
            let images: Vec<Id> = (0..args.len()).map(|k| tangent(g, k)).collect();
            g.rebuild(id, &images)
        }
        Op::Max => {
            let t = tangent(g, 0);
            let place = g.arg_max(args[0]);
            let there = g.one_hot(place, g.dim(args[0]).clone());
            if !g.is_steep(args[0]) {
                return g.dot(there, t);
            }
            let (taken, zero) = (reverse::above_half(g, there), g.zero(g.dim(args[0]).clone()));
            let chosen = g.fun(Fun::IfElse, &[taken, t, zero]);
            g.sum(chosen)
        }
        Op::Powi(n) => {
            let (slope, t) = (g.slope_of_powi(args[0], n), tangent(g, 0));
            g.slope_times(slope, t)
        }
        // the tangents of the two sides are not added up: the one that is not taken may be infinite
        Op::Fun(Fun::IfElse) => {
            let sides = [tangent(g, 1), tangent(g, 2)];
            g.fun(Fun::IfElse, &[args[0], sides[0], sides[1]])
        }
        Op::Fun(fun @ (Fun::Max | Fun::Min)) => {
            let first = fun.takes(g, args, 0).expect("it takes one of two");
            let sides = [tangent(g, 0), tangent(g, 1)];
            g.fun(Fun::IfElse, &[first, sides[0], sides[1]])
        }
        Op::Fun(fun @ (Fun::Relu | Fun::Clamp)) => (0..args.len()).fold(g.zero(node.dim), |sum, k| {
            let t = tangent(g, k);
            if g.is_zero(t) {
                return sum;
            }
            let (taken, zero) = (fun.takes(g, args, k).expect("it takes one of them"), g.zero(g.dim(t).clone()));
            let part = g.fun(Fun::IfElse, &[taken, t, zero]);
            g.add(sum, part)
        }),
        Op::Fun(Fun::Abs) if g.is_steep(args[0]) => {
            let (sign, there, t) = (g.fun(Fun::Sign, args), reverse::unless_zero(g, args[0]), tangent(g, 0));
            let (part, zero) = (g.mul(sign, t), g.zero(node.dim));
            g.fun(Fun::IfElse, &[there, part, zero])
        }
        Op::Fun(fun) => (0..args.len()).fold(g.zero(node.dim), |sum, k| {
            let t = tangent(g, k);
            if g.is_zero(t) {
                return sum;
            }
            let slope = table::lanes(fun).1(g, args, id, k);
            let part = g.slope_times(slope, t);
            g.add(sum, part)
        }),
        Op::Div if g.is_nonzero(args[1]) => {
            let (t, s, quotient) = (tangent(g, 0), tangent(g, 1), g.finite(id));
            let loss = g.slope_times(quotient, s);
            let change = g.sub(t, loss);
            g.slope_over(change, args[1])
        }
        Op::Div => {
            let (t, s) = (tangent(g, 0), tangent(g, 1));
            let inverse = g.finite_inverse(args[1]);
            let numerator = g.finite(args[0]);
            let quotient = g.slope_times(numerator, inverse);
            let loss = g.slope_times(quotient, s);
            let change = g.sub(t, loss);
            g.slope_times(inverse, change)
        }
        // the product rule
        Op::Mul | Op::MatVec | Op::VecMat | Op::Outer => {
            let (t, s) = (tangent(g, 0), tangent(g, 1));
            let (a, b) = (g.finite(args[0]), g.finite(args[1]));
            let (left, right) = (g.rebuild(id, &[t, b]), g.rebuild(id, &[a, s]));
            g.add(left, right)
        }
    }
}
