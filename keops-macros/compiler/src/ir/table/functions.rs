//! Functions that KeOps does not have: the other functions of Rust's `f64`, and functions of models of neurons and of
//! particles.
//!
//! Derivatives keep their digits and stay finite where a function levels off: the derivative of tanh is 1/cosh², not
//! 1 - tanh². A slope that is infinite at a point which pairs of equal points reach (∛0, the length of (0, 0)) is 0
//! there, as the slope of √ is.

use std::f64::consts::{FRAC_2_SQRT_PI, LN_2, LOG2_E, LOG10_E};

use super::{
    Arguments, F, Fault, Fun, Operation, Value,
    elementwise::{lanes, unary},
    same_or_scalar,
};
use crate::ir::graph::{Graph, Id};

/// The product of a constant and a node.
fn times(g: &mut Graph, c: f64, x: Id) -> Id {
    let c = g.constant(c);
    g.mul(c, x)
}

/// The sum 1 + x.
fn one_and(g: &mut Graph, x: Id) -> Id {
    let one = g.constant(1.0);
    g.add(one, x)
}

/// The slope 2/√π e^(-x²) of the error function.
fn bell(g: &mut Graph, x: Id) -> Id {
    let square = g.powi(x, 2);
    let exponent = g.neg(square);
    let exp = g.fun(Fun::Exp, &[exponent]);
    times(g, FRAC_2_SQRT_PI, exp)
}

fn ceil(g: &mut Graph, x: Id) -> Id {
    let mirrored = g.neg(x);
    let below = g.fun(Fun::Floor, &[mirrored]);
    g.neg(below)
}

fn trunc(g: &mut Graph, x: Id) -> Id {
    let (below, above) = (g.fun(Fun::Floor, &[x]), ceil(g, x));
    g.fun(Fun::IfElse, &[x, below, above])
}

/// The remainder x - |m| floor(x / |m|).
fn rem_euclid(g: &mut Graph, a: &Arguments) -> Result<Id, Fault> {
    same_or_scalar(g, a)?;
    let size = g.fun(Fun::Abs, &[a.formulas[1]]);
    let quotient = g.div(a.formulas[0], size);
    let steps = g.fun(Fun::Floor, &[quotient]);
    let whole = g.mul(size, steps);
    Ok(g.sub(a.formulas[0], whole))
}

pub(super) const OPERATIONS: &[Operation] = &[
    lanes("Exp2", &["exp2"], Fun::Exp2, "exp2", |g, _, y, _| times(g, LN_2, y), (-2.0, 2.0)),
    lanes(
        "Log2",
        &["log2"],
        Fun::Log2,
        "log2",
        |g, a, _, _| {
            let inverse = g.finite_inverse(a[0]);
            times(g, LOG2_E, inverse)
        },
        (0.2, 3.0),
    ),
    lanes(
        "Log10",
        &["log10"],
        Fun::Log10,
        "log10",
        |g, a, _, _| {
            let inverse = g.finite_inverse(a[0]);
            times(g, LOG10_E, inverse)
        },
        (0.2, 3.0),
    ),
    lanes("Expm1", &["expm1", "exp_m1"], Fun::ExpM1, "exp_m1", |g, a, _, _| g.fun(Fun::Exp, &[a[0]]), (-2.0, 2.0)),
    lanes(
        "Log1p",
        &["log1p", "ln_1p"],
        Fun::Ln1p,
        "ln_1p",
        |g, a, _, _| {
            let sum = one_and(g, a[0]);
            g.finite_inverse(sum)
        },
        (-0.7, 3.0),
    ),
    lanes(
        "Tan",
        &["tan"],
        Fun::Tan,
        "tan",
        |g, _, y, _| {
            let square = g.powi(y, 2);
            one_and(g, square)
        },
        (-1.2, 1.2),
    ),
    lanes("Sinh", &["sinh"], Fun::Sinh, "sinh", |g, a, _, _| g.fun(Fun::Cosh, &[a[0]]), (-2.0, 2.0)),
    lanes("Cosh", &["cosh"], Fun::Cosh, "cosh", |g, a, _, _| g.fun(Fun::Sinh, &[a[0]]), (-2.0, 2.0)),
    lanes(
        "Tanh",
        &["tanh"],
        Fun::Tanh,
        "tanh",
        |g, a, _, _| {
            let sech = g.fun(Fun::Sech, &[a[0]]);
            g.powi(sech, 2)
        },
        (-2.0, 2.0),
    ),
    lanes(
        "Sech",
        &["sech"],
        Fun::Sech,
        "sech",
        |g, a, y, _| {
            let tanh = g.fun(Fun::Tanh, &[a[0]]);
            let product = g.mul(tanh, y);
            g.neg(product)
        },
        (-2.0, 2.0),
    ),
    lanes(
        "Asinh",
        &["asinh", "arcsinh"],
        Fun::Asinh,
        "asinh",
        |g, a, _, _| {
            let one = g.constant(1.0);
            let root = g.fun(Fun::Hypot, &[a[0], one]);
            g.fun(Fun::Inv, &[root])
        },
        (-2.0, 2.0),
    ),
    // the derivative 1/√(x² - 1) is a product of two roots, which is in range where x² is not; it is 0 at 1, as 1/√0
    // is
    lanes(
        "Acosh",
        &["acosh", "arccosh"],
        Fun::Acosh,
        "acosh",
        |g, a, _, _| {
            let one = g.constant(1.0);
            let (less, more) = (g.sub(a[0], one), g.add(a[0], one));
            let (less, more) = (g.fun(Fun::Rsqrt, &[less]), g.fun(Fun::Rsqrt, &[more]));
            g.mul(less, more)
        },
        (1.2, 3.0),
    ),
    lanes(
        "Atanh",
        &["atanh", "arctanh"],
        Fun::Atanh,
        "atanh",
        |g, a, _, _| {
            let one = g.constant(1.0);
            let (less, more) = (g.sub(one, a[0]), g.add(one, a[0]));
            let product = g.mul(less, more);
            g.finite_inverse(product)
        },
        (-0.8, 0.8),
    ),
    lanes("Erf", &["erf"], Fun::Erf, "erf", |g, a, _, _| bell(g, a[0]), (-2.0, 2.0)),
    lanes(
        "Erfc",
        &["erfc"],
        Fun::Erfc,
        "erfc",
        |g, a, _, _| {
            let bell = bell(g, a[0]);
            g.neg(bell)
        },
        (-2.0, 2.0),
    ),
    lanes(
        "Cbrt",
        &["cbrt"],
        Fun::Cbrt,
        "cbrt",
        |g, _, y, _| {
            let power = g.finite_powi(y, -2);
            times(g, 1.0 / 3.0, power)
        },
        (0.2, 3.0),
    ),
    lanes("Hypot", &["hypot"], Fun::Hypot, "hypot", |g, a, _, k| g.fun(Fun::Direction, &[a[k], a[1 - k]]), (0.3, 2.0)),
    // the derivative is σ(x) σ(-x): 1 - σ(x) has no digits where σ(x) is 1
    lanes(
        "Sigmoid",
        &["sigmoid"],
        Fun::Sigmoid,
        "sigmoid",
        |g, a, y, _| {
            let mirrored = g.neg(a[0]);
            let other = g.fun(Fun::Sigmoid, &[mirrored]);
            g.mul(y, other)
        },
        (-2.0, 2.0),
    ),
    lanes("Softplus", &["softplus"], Fun::Softplus, "softplus", |g, a, _, _| g.fun(Fun::Sigmoid, &[a[0]]), (-2.0, 2.0)),
    unary("Ceil", &["ceil"], |g, a| Ok(ceil(g, a.formulas[0])), (-2.0, 2.0)),
    unary("Trunc", &["trunc"], |g, a| Ok(trunc(g, a.formulas[0])), (-2.0, 2.0)),
    unary(
        "Fract",
        &["fract", "frac"],
        |g, a| {
            let whole = trunc(g, a.formulas[0]);
            Ok(g.sub(a.formulas[0], whole))
        },
        (-2.0, 2.0),
    ),
    Operation {
        name: "RemEuclid",
        aliases: &["rem_euclid"],
        args: &[F, F],
        optional: 0,
        value: Value::Built(rem_euclid),
        range: (0.5, 3.0),
    },
    Operation {
        name: "MulAdd",
        aliases: &["mul_add"],
        args: &[F, F, F],
        optional: 0,
        value: Value::Built(|g, a| {
            same_or_scalar(g, a)?;
            let product = g.mul(a.formulas[0], a.formulas[1]);
            Ok(g.add(product, a.formulas[2]))
        }),
        range: (-2.0, 2.0),
    },
    unary(
        "ToRadians",
        &["to_radians", "deg2rad"],
        |g, a| Ok(times(g, std::f64::consts::PI / 180.0, a.formulas[0])),
        (-2.0, 2.0),
    ),
    unary(
        "ToDegrees",
        &["to_degrees", "rad2deg"],
        |g, a| Ok(times(g, 180.0 / std::f64::consts::PI, a.formulas[0])),
        (-2.0, 2.0),
    ),
];
