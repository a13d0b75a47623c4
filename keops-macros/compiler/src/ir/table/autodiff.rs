//! Derivatives inside formulas. Each is replaced by ordinary nodes at once, so that they can be nested.

use super::{Arguments, F, Fault, Kind, Operation, VAR, Value, scalar, too_large};
use crate::ir::{
    differentiate,
    dim::Dim,
    graph::{Graph, Id},
    view::View,
};

/// The most rows or columns of a matrix of derivatives, each of which is written out.
const WRITTEN_OUT: u64 = 64;

const fn row(
    name: &'static str,
    aliases: &'static [&'static str],
    args: &'static [Kind],
    build: fn(&mut Graph, &Arguments) -> Result<Id, Fault>,
) -> Operation {
    Operation { name, aliases, args, optional: 0, value: Value::Built(build), range: (-1.0, 1.0) }
}

/// Checks that an argument has this dimension, or dimension 1 if `broadcasts`.
fn of_dimension(g: &Graph, a: &Arguments, k: usize, dim: &Dim, broadcasts: bool) -> Result<(), Fault> {
    let found = g.dim(a.formulas[k]);
    if found == dim || broadcasts && found.is_one() {
        return Ok(());
    }
    let expected = if broadcasts && !dim.is_one() { format!("1 or {dim}") } else { dim.to_string() };
    Err(Fault(format!("`{}` must have dimension {expected}, it has dimension {found}", a.spelled[k])))
}

/// Checks that the first argument is linear in the variable.
fn linear(g: &mut Graph, a: &Arguments) -> Result<(), Fault> {
    if differentiate::is_linear(g, a.formulas[0], a.variables[0]) {
        return Ok(());
    }
    Err(Fault(format!("`{}` is not linear in `{}`", a.spelled[0], g.variable(a.variables[0]).name)))
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
    // ∂f/∂v, row-major: the gradients of the components of f one after another
    row("GradMatrix", &["grad_matrix"], &[F, VAR], |g, a| {
        let (f, v) = (a.formulas[0], a.variables[0]);
        let (rows, columns) = (g.dim(f).clone(), g.variable(v).dim.clone());
        let parts = match (rows.value(), columns.value()) {
            (Some(n @ 0..=WRITTEN_OUT), m) if m.is_none_or(|m| n <= m) => {
                let unit = |g: &mut Graph, k: u64| g.unit(k, rows.clone());
                let row = |g: &mut Graph, k: u64| {
                    let e = unit(g, k);
                    differentiate::grad(g, f, v, e)
                };
                (0..n).map(|k| row(g, k)).collect::<Vec<Id>>()
            }
            (_, Some(m @ 0..=WRITTEN_OUT)) => {
                let column = |g: &mut Graph, k: u64| {
                    let u = g.unit(k, columns.clone());
                    differentiate::diff(g, f, v, u)
                };
                (0..m).map(|k| column(g, k)).collect()
            }
            _ => {
                return Err(Fault(format!(
                    "a matrix of derivatives needs a literal dimension of at most {WRITTEN_OUT} on one side, \
                     `{}` has dimension {rows} and `{}` has dimension {columns}",
                    a.spelled[0],
                    g.variable(v).name
                )));
            }
        };
        let by_rows = Some(parts.len() as u64) == rows.value();
        let matrix = g.concat(&parts).ok_or_else(too_large)?;
        Ok(if by_rows { matrix } else { g.view(matrix, View::transpose(&columns, &rows)) })
    }),
    // the trace of a formula that is linear in v, with weights of the components; a scalar weight stands for all
    // components
    Operation {
        optional: 1,
        ..row("TraceOperator", &["trace_operator"], &[F, VAR, F], |g, a| {
            let dim = g.variable(a.variables[0]).dim.clone();
            of_dimension(g, a, 0, &dim, true)?;
            linear(g, a)?;
            if a.formulas.len() > 1 {
                of_dimension(g, a, 1, &dim, true)?;
            }
            let weight = a.formulas.get(1).copied().unwrap_or_else(|| g.constant(1.0));
            differentiate::trace(g, a.formulas[0], a.variables[0], weight)
        })
    },
    // L' u for a formula L(v) that is linear in v
    row("AdjointOperator", &["adjoint_operator"], &[F, VAR, F], |g, a| {
        linear(g, a)?;
        of_dimension(g, a, 1, &g.dim(a.formulas[0]).clone(), false)?;
        Ok(differentiate::grad(g, a.formulas[0], a.variables[0], a.formulas[1]))
    }),
    // Σ_kl w_k L_kl u_l for a formula L(v) that is linear in v: all entries of its matrix, weighted
    Operation {
        optional: 2,
        ..row("SumLinOperator", &["sum_lin_operator"], &[F, VAR, F, F], |g, a| {
            linear(g, a)?;
            let (rows, columns) = (g.dim(a.formulas[0]).clone(), g.variable(a.variables[0]).dim.clone());
            for (k, dim) in [(1, &rows), (2, &columns)].into_iter().take(a.formulas.len() - 1) {
                of_dimension(g, a, k, dim, true)?;
            }
            let one = g.constant(1.0);
            let weight = |k: usize| a.formulas.get(k).copied().unwrap_or(one);
            let u = g.broadcast(weight(2), &columns);
            let image = differentiate::diff(g, a.formulas[0], a.variables[0], u);
            Ok(g.dot(weight(1), image))
        })
    },
    // common expressions are computed once anyway
    row("Factorize", &["factorize"], &[F, F], |_, a| Ok(a.formulas[0])),
    row("AutoFactorize", &["auto_factorize"], &[F], |_, a| Ok(a.formulas[0])),
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
    // Σ_k ∂²f/∂v_k²; `laplacian(f, x)` is also the name of a kernel, from which the arguments tell it
    row("Laplacian", &[], &[F, VAR], |g, a| {
        scalar(g, a, 0)?;
        let one = g.constant(1.0);
        let gradient = differentiate::grad(g, a.formulas[0], a.variables[0], one);
        differentiate::divergence(g, gradient, a.variables[0])
    }),
];
