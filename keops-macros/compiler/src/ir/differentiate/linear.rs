//! Formulas that are linear in a variable, and whether they treat its components alike.

use super::{forward, trace::with_tangent};
use crate::ir::{
    graph::{Graph, Id, Op, VarId},
    table::Fun,
};

/// The longest path that the rules follow, which takes recursion.
const DEEPEST: usize = 500;

/// Whether f is linear in v, as far as differentiation and simplification show it.
pub(crate) fn is_linear(g: &mut Graph, f: Id, v: VarId) -> bool {
    // a value at 0 is less work than a derivative, and most formulas need no more to be found not linear
    let (node, zero) = (g.var(v), g.zero(g.variable(v).dim.clone()));
    // steps are not linear, though their derivatives are 0 by convention
    let jumps = |g: &Graph, id: Id| {
        let of = |k: usize| match g.op(id) {
            Op::Fun(fun) => fun.jumps(k),
            Op::ArgMax => true,
            _ => false,
        };
        g.args(id).iter().enumerate().any(|(k, &arg)| of(k) && g.depends(arg, v))
    };
    if g.reachable(&[f]).into_iter().any(|id| jumps(g, id)) {
        return false;
    }
    let at_zero = g.substitute(f, node, zero);
    g.is_zero(at_zero)
        && with_tangent(g, v, |g, u| {
            let image = forward::diff(g, f, v, u);
            !g.depends(image, v)
        })
}

/// Whether f, which is linear in v, is a number times v. Then it treats all components alike, and mixes none of them.
pub(crate) fn is_multiple(g: &mut Graph, f: Id, v: VarId) -> bool {
    if *g.dim(f) != g.variable(v).dim {
        return false;
    }
    if g.is_scalar(f) {
        return true;
    }
    with_tangent(g, v, |g, u| {
        let image = forward::diff(g, f, v, u);
        let Op::Var(tangent) = *g.op(u) else { return false };
        multiple(g, image, u, tangent, 0)
    })
}

fn multiple(g: &Graph, image: Id, u: Id, tangent: VarId, depth: usize) -> bool {
    if image == u {
        return true;
    }
    let args = g.args(image);
    let of = |arg: Id| depth < DEEPEST && multiple(g, arg, u, tangent, depth + 1);
    let number = |arg: Id| g.is_scalar(arg) && !g.depends(arg, tangent);
    match (g.op(image), args) {
        (Op::Add | Op::Sub, &[a, b]) => of(a) && of(b),
        (Op::Neg, &[a]) => of(a),
        (Op::Mul, &[a, b]) => number(a) && of(b) || number(b) && of(a),
        (Op::Div, &[a, b]) => number(b) && of(a),
        (Op::Fun(Fun::IfElse), &[c, a, b]) => number(c) && [a, b].into_iter().all(|side| g.is_zero(side) || of(side)),
        _ => false,
    }
}
