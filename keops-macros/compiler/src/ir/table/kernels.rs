//! The named kernels of KeOps' high-level syntax. With the optional parameter g of dimension 1, D or D*D the squared
//! distance is r² = (x - y)' G (x - y); g is an inverse squared scale, 1 if left out.

use super::{Arguments, F, Fault, Fun, Operation, Value, same, too_large, vectors};
use crate::ir::graph::{Graph, Id};

const fn kernel(
    name: &'static str,
    aliases: &'static [&'static str],
    build: fn(&mut Graph, &Arguments) -> Result<Id, Fault>,
) -> Operation {
    Operation { name, aliases, args: &[F, F, F], optional: 1, value: Value::Built(build), range: (0.2, 1.0) }
}

/// The squared distance r² of a kernel's arguments.
fn squared_distance(g: &mut Graph, a: &Arguments) -> Result<Id, Fault> {
    same(g, a, 0, 1)?;
    if a.formulas.len() == 2 {
        return vectors::sq_dist(g, a, 0, 1);
    }
    let difference = g.sub(a.formulas[0], a.formulas[1]);
    vectors::weighted_sq_norm(g, a, 2, difference)
}

fn one_plus_squared_distance(g: &mut Graph, a: &Arguments) -> Result<Id, Fault> {
    let (one, r2) = (g.constant(1.0), squared_distance(g, a)?);
    Ok(g.add(one, r2))
}

pub(super) const OPERATIONS: &[Operation] = &[
    kernel("gaussian", &[], |g, a| {
        let r2 = squared_distance(g, a)?;
        let exponent = g.neg(r2);
        Ok(g.fun(Fun::Exp, &[exponent]))
    }),
    kernel("laplacian", &["exponential"], |g, a| {
        let r2 = squared_distance(g, a)?;
        let r = g.fun(Fun::Sqrt, &[r2]);
        let exponent = g.neg(r);
        Ok(g.fun(Fun::Exp, &[exponent]))
    }),
    kernel("cauchy", &[], |g, a| {
        let sum = one_plus_squared_distance(g, a)?;
        Ok(g.fun(Fun::Inv, &[sum]))
    }),
    kernel("inverse_multiquadric", &[], |g, a| {
        let sum = one_plus_squared_distance(g, a)?;
        Ok(g.fun(Fun::Rsqrt, &[sum]))
    }),
    kernel("distance", &[], |g, a| {
        let r2 = squared_distance(g, a)?;
        Ok(g.fun(Fun::Sqrt, &[r2]))
    }),
    Operation {
        name: "linear",
        aliases: &[],
        args: &[F, F, F],
        optional: 1,
        value: Value::Built(|g, a| {
            same(g, a, 0, 1)?;
            let [x, y] = [a.formulas[0], a.formulas[1]];
            let Some(&metric) = a.formulas.get(2) else { return Ok(g.dot(x, y)) };
            // x' G y, for G of the same shapes as for the other kernels
            let dim = g.dim(x).clone();
            if g.is_scalar(metric) || *g.dim(metric) == dim {
                let image = g.mul(metric, y);
                return Ok(g.dot(x, image));
            }
            let full = dim.checked_mul(&dim).ok_or_else(too_large)?;
            if *g.dim(metric) == full {
                let image = g.mat_vec(metric, y, dim);
                return Ok(g.dot(x, image));
            }
            Err(Fault(format!(
                "the metric `{}` must have dimension 1, {dim} or {full}, it has dimension {}",
                a.spelled[2],
                g.dim(metric)
            )))
        }),
        range: (-2.0, 2.0),
    },
];
