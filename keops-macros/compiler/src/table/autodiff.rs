//! Derivatives inside formulas. Each is replaced by an ordinary formula at once, so they nest at will.

use super::{Arguments, F, Fault, Kind, Operation, VAR, Value, scalar};
use crate::{
    differentiate,
    graph::{Graph, Id},
};

const fn row(
    name: &'static str,
    aliases: &'static [&'static str],
    args: &'static [Kind],
    build: fn(&mut Graph, &Arguments) -> Result<Id, Fault>,
) -> Operation {
    Operation { name, aliases, args, optional: 0, value: Value::Built(build), range: (-1.0, 1.0) }
}

pub(super) const OPERATIONS: &[Operation] = &[
    // (∂f/∂v)' e
    row("Grad", &["grad"], &[F, VAR, F], |g, a| {
        let (f, e) = (a.formulas[0], a.formulas[1]);
        if g.dim(f) != g.dim(e) {
            return Err(Fault(format!(
                "the cotangent `{}` must have the dimension {} of `{}`, it has dimension {}",
                a.spelled[1],
                g.dim(f),
                a.spelled[0],
                g.dim(e)
            )));
        }
        Ok(differentiate::grad(g, f, a.variables[0], e))
    }),
    // (∂f/∂v) u
    row("Diff", &["diff"], &[F, VAR, F], |g, a| {
        let (v, u) = (a.variables[0], a.formulas[1]);
        if g.variable(v).dim != *g.dim(u) {
            return Err(Fault(format!(
                "the tangent `{}` must have the dimension {} of `{}`, it has dimension {}",
                a.spelled[1],
                g.variable(v).dim,
                g.variable(v).name,
                g.dim(u)
            )));
        }
        Ok(differentiate::diff(g, a.formulas[0], v, u))
    }),
    // Σ_k ∂f_k/∂v_k
    row("Divergence", &["divergence"], &[F, VAR], |g, a| {
        let v = a.variables[0];
        if g.variable(v).dim != *g.dim(a.formulas[0]) {
            return Err(Fault(format!(
                "`{}` has dimension {}, the variable `{}` has dimension {}",
                a.spelled[0],
                g.dim(a.formulas[0]),
                g.variable(v).name,
                g.variable(v).dim
            )));
        }
        differentiate::divergence(g, a.formulas[0], v)
    }),
    // Σ_k ∂²f/∂v_k²; written `laplacian(f, x)`, it is told from the kernel of that name by its arguments
    row("Laplacian", &[], &[F, VAR], |g, a| {
        scalar(g, a, 0)?;
        let one = g.constant(1.0);
        let gradient = differentiate::grad(g, a.formulas[0], a.variables[0], one);
        differentiate::divergence(g, gradient, a.variables[0])
    }),
];
