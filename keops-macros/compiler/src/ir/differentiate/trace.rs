//! The divergence: the trace of a Jacobian, without forming the matrix.
//!
//! With L(u) = (∂f/∂v) u the trace is Σ_k (L(e_k))_k. L is linear in u, so it is a sum over paths from u to the
//! result, and the trace of each path follows from rules: a product of a vector a with L weighs the trace by a, and a
//! product of a vector a with a scalar form s(u) has the trace s(a). Both cost no more than L itself. If a path mixes
//! components (by a view, a concatenation, a matrix), the sum over the unit vectors is written out.

use super::forward;
use crate::ir::{
    dim::Dim,
    graph::{Graph, Id, Op, VarId},
    table::{Fault, Fun},
};

/// The largest dimension for which the sum over the unit vectors is written out.
const WRITTEN_OUT: u64 = 64;
/// The longest path that the rules follow, which takes recursion.
const DEEPEST: usize = 500;

/// The divergence Σ_k ∂f_k/∂v_k of a formula f of the dimension of v.
pub(crate) fn divergence(g: &mut Graph, f: Id, v: VarId) -> Result<Id, Fault> {
    let one = g.constant(1.0);
    trace(g, f, v, one)
}

/// The weighted divergence Σ_k w_k ∂f_k/∂v_k of a formula f of the dimension of v. The weight w has this dimension or
/// is a scalar.
pub(crate) fn trace(g: &mut Graph, f: Id, v: VarId, weight: Id) -> Result<Id, Fault> {
    let dim = g.variable(v).dim.clone();
    with_tangent(g, v, |g, u| {
        let image = forward::diff(g, f, v, u);
        let weight = g.broadcast(weight, &dim);
        if let Some(trace) = weighted_trace(g, image, u, weight, 0) {
            return Ok(trace);
        }
        let Some(n @ 0..=WRITTEN_OUT) = dim.value() else {
            return Err(Fault(format!(
                "the divergence of a formula that mixes components needs a literal dimension of at most \
                 {WRITTEN_OUT}, `{}` has dimension {dim}",
                g.variable(v).name
            )));
        };
        let zero = g.constant(0.0);
        Ok((0..n).fold(zero, |sum, k| {
            let unit = g.unit(k, dim.clone());
            let column = g.substitute(image, u, unit);
            let [diagonal, weight] = [column, weight].map(|of| g.extract(of, Dim::number(k), Dim::number(1)));
            let part = g.mul(weight, diagonal);
            g.add(sum, part)
        }))
    })
}

/// Runs `action` with a variable for a tangent of v that exists only meanwhile: the result must not depend on it.
pub(super) fn with_tangent<T>(g: &mut Graph, v: VarId, action: impl FnOnce(&mut Graph, Id) -> T) -> T {
    let (category, dim) = (g.variable(v).category, g.variable(v).dim.clone());
    let tangent = g.push_variable("tangent".to_owned(), category, dim);
    let u = g.var(tangent);
    let result = action(g, u);
    // the tangent is the newest variable
    g.variables.pop();
    result
}

/// The weighted trace Σ_k w_k (L(e_k))_k by the rules, for L = `image` as a function of `u`; `None` if no rule
/// applies. `depth` is the length of the path so far.
fn weighted_trace(g: &mut Graph, image: Id, u: Id, weight: Id, depth: usize) -> Option<Id> {
    if depth > DEEPEST {
        return None;
    }
    let trace_of = |g: &mut Graph, image: Id, weight: Id| weighted_trace(g, image, u, weight, depth + 1);
    if image == u {
        return Some(g.sum(weight));
    }
    let Op::Var(tangent) = *g.op(u) else { return None };
    if !g.depends(image, tangent) {
        return Some(g.constant(0.0));
    }
    // the trace of a scalar form s, broadcast, is Σ_k w_k s(e_k) = s(w)
    if g.is_scalar(image) {
        return Some(g.substitute(image, u, weight));
    }
    let node = g.node(image).clone();
    let args = &node.args;
    let depends = |g: &Graph, k: usize| g.depends(args[k], tangent);
    match node.op {
        Op::Add | Op::Sub => {
            let (a, b) = (trace_of(g, args[0], weight)?, trace_of(g, args[1], weight)?);
            Some(if node.op == Op::Add { g.add(a, b) } else { g.sub(a, b) })
        }
        Op::Neg => {
            let trace = trace_of(g, args[0], weight)?;
            Some(g.neg(trace))
        }
        Op::Broadcast => trace_of(g, args[0], weight),
        Op::Mul => {
            let k = usize::from(depends(g, 1));
            let weight = g.mul(args[1 - k], weight);
            let weight = g.broadcast(weight, &g.dim(u).clone());
            trace_of(g, args[k], weight)
        }
        Op::Div if !depends(g, 1) => {
            let weight = g.div(weight, args[1]);
            trace_of(g, args[0], weight)
        }
        Op::Fun(Fun::IfElse) if !depends(g, 0) && g.is_scalar(args[0]) => {
            let (a, b) = (trace_of(g, args[1], weight)?, trace_of(g, args[2], weight)?);
            Some(g.fun(Fun::IfElse, &[args[0], a, b]))
        }
        Op::Fun(Fun::IfElse) if !depends(g, 0) => {
            let zero = g.constant(0.0);
            let (yes, no) =
                (g.fun(Fun::IfElse, &[args[0], weight, zero]), g.fun(Fun::IfElse, &[args[0], zero, weight]));
            let (a, b) = (trace_of(g, args[1], yes)?, trace_of(g, args[2], no)?);
            Some(g.add(a, b))
        }
        _ => None,
    }
}
