//! Arithmetic and element-wise functions. KeOps' conventions at the edges: 1/√0 = 0, 0 ln 0 = 0, the derivatives of
//! steps are 0.

use super::{Arguments, F, Fault, Fun, INT, Operation, Value, same_or_scalar};
use crate::graph::{Graph, Id};

type Partial = fn(&mut Graph, &[Id], Id, usize) -> Id;

const fn lanes(
    name: &'static str,
    aliases: &'static [&'static str],
    fun: Fun,
    method: &'static str,
    partial: Partial,
    range: (f64, f64),
) -> Operation {
    let args = match fun {
        Fun::IfElse | Fun::Clamp => &[F, F, F] as &[_],
        Fun::Pow | Fun::Equal | Fun::NotEqual | Fun::LessThan | Fun::LessOrEqual => &[F, F],
        _ => &[F],
    };
    Operation { name, aliases, args, optional: 0, value: Value::Lanes(fun, method, partial), range }
}

const fn binary(
    name: &'static str,
    aliases: &'static [&'static str],
    build: fn(&mut Graph, &Arguments) -> Result<Id, Fault>,
    range: (f64, f64),
) -> Operation {
    Operation { name, aliases, args: &[F, F], optional: 0, value: Value::Built(build), range }
}

const fn unary(
    name: &'static str,
    aliases: &'static [&'static str],
    build: fn(&mut Graph, &Arguments) -> Result<Id, Fault>,
    range: (f64, f64),
) -> Operation {
    Operation { name, aliases, args: &[F], optional: 0, value: Value::Built(build), range }
}

fn flat(g: &mut Graph, _: &[Id], _: Id, _: usize) -> Id {
    g.constant(0.0)
}

pub(super) const OPERATIONS: &[Operation] = &[
    binary("Add", &["add"], |g, a| same_or_scalar(g, a).map(|()| g.add(a.formulas[0], a.formulas[1])), (-2.0, 2.0)),
    binary(
        "Subtract",
        &["subtract", "sub"],
        |g, a| same_or_scalar(g, a).map(|()| g.sub(a.formulas[0], a.formulas[1])),
        (-2.0, 2.0),
    ),
    binary(
        "Mult",
        &["mult", "mul", "Scal"],
        |g, a| same_or_scalar(g, a).map(|()| g.mul(a.formulas[0], a.formulas[1])),
        (-2.0, 2.0),
    ),
    binary(
        "Divide",
        &["divide", "div"],
        |g, a| same_or_scalar(g, a).map(|()| g.div(a.formulas[0], a.formulas[1])),
        (0.5, 2.0),
    ),
    unary("Minus", &["minus", "neg"], |g, a| Ok(g.neg(a.formulas[0])), (-2.0, 2.0)),
    unary("Square", &["square"], |g, a| Ok(g.powi(a.formulas[0], 2)), (-2.0, 2.0)),
    Operation {
        name: "Pow",
        aliases: &["powi"],
        args: &[F, INT],
        optional: 0,
        value: Value::Built(|g, a| {
            let n = a.integers[0].number("the exponent")?;
            let n = i32::try_from(n).map_err(|_| Fault(format!("the exponent {n} does not fit into 32 bits")))?;
            Ok(g.powi(a.formulas[0], n))
        }),
        range: (0.5, 2.0),
    },
    // d/dx x^y = y x^(y-1), d/dy x^y = log(x) x^y
    lanes(
        "Powf",
        &["powf", "pow", "power"],
        Fun::Pow,
        "pow",
        |g, a, y, k| {
            if k == 1 {
                let log = g.fun(Fun::Log, &[a[0]]);
                return g.mul(log, y);
            }
            let one = g.constant(1.0);
            let less = g.sub(a[1], one);
            let power = match g.constant_value(less) {
                Some(n) if n.fract() == 0.0 && n.abs() < 64.0 => g.powi(a[0], n as i32),
                _ => g.fun(Fun::Pow, &[a[0], less]),
            };
            g.mul(a[1], power)
        },
        (0.5, 2.0),
    ),
    lanes("Exp", &["exp"], Fun::Exp, "exp", |_, _, y, _| y, (-2.0, 2.0)),
    lanes("Log", &["log", "ln"], Fun::Log, "log", |g, a, _, _| g.fun(Fun::Inv, &[a[0]]), (0.2, 3.0)),
    lanes("Sin", &["sin"], Fun::Sin, "sin", |g, a, _, _| g.fun(Fun::Cos, &[a[0]]), (-4.0, 4.0)),
    lanes(
        "Cos",
        &["cos"],
        Fun::Cos,
        "cos",
        |g, a, _, _| {
            let sin = g.fun(Fun::Sin, &[a[0]]);
            g.neg(sin)
        },
        (-4.0, 4.0),
    ),
    // through 1/√x, which is 0 at 0: the derivative of a distance at distance 0 is 0
    lanes(
        "Sqrt",
        &["sqrt"],
        Fun::Sqrt,
        "sqrt",
        |g, a, _, _| {
            let (half, r) = (g.constant(0.5), g.fun(Fun::Rsqrt, &[a[0]]));
            g.mul(half, r)
        },
        (0.2, 3.0),
    ),
    lanes(
        "Rsqrt",
        &["rsqrt"],
        Fun::Rsqrt,
        "rsqrt",
        |g, _, y, _| {
            let (c, cube) = (g.constant(-0.5), g.powi(y, 3));
            g.mul(c, cube)
        },
        (0.2, 3.0),
    ),
    lanes(
        "Inv",
        &["inv", "recip"],
        Fun::Inv,
        "inv",
        |g, _, y, _| {
            let square = g.powi(y, 2);
            g.neg(square)
        },
        (0.2, 3.0),
    ),
    lanes("Abs", &["abs"], Fun::Abs, "abs", |g, a, _, _| g.fun(Fun::Sign, &[a[0]]), (-2.0, 2.0)),
    lanes("Sign", &["sign", "signum"], Fun::Sign, "sign", flat, (-2.0, 2.0)),
    lanes("Step", &["step"], Fun::Step, "step", flat, (-2.0, 2.0)),
    lanes("ReLU", &["relu"], Fun::Relu, "relu", |g, a, _, _| g.fun(Fun::Step, &[a[0]]), (-2.0, 2.0)),
    lanes(
        "XLogX",
        &["xlogx"],
        Fun::XLogX,
        "x_log_x",
        |g, a, _, _| {
            let (log, one) = (g.fun(Fun::Log, &[a[0]]), g.constant(1.0));
            g.add(log, one)
        },
        (0.2, 3.0),
    ),
    // the untaken side gets 0, not 0 times its cotangent
    lanes(
        "IfElse",
        &["ifelse", "if_else"],
        Fun::IfElse,
        "if_else",
        |g, a, _, k| {
            let (zero, one) = (g.constant(0.0), g.constant(1.0));
            match k {
                0 => zero,
                1 => g.fun(Fun::IfElse, &[a[0], one, zero]),
                _ => g.fun(Fun::IfElse, &[a[0], zero, one]),
            }
        },
        (-2.0, 2.0),
    ),
    // 1 inside, ends included, as in KeOps
    lanes(
        "Clamp",
        &["clamp"],
        Fun::Clamp,
        "clamp",
        |g, a, _, k| {
            let below = g.fun(Fun::LessThan, &[a[0], a[1]]);
            let above = g.fun(Fun::LessThan, &[a[2], a[0]]);
            match k {
                0 => {
                    let (one, outside) = (g.constant(1.0), g.add(below, above));
                    g.sub(one, outside)
                }
                1 => below,
                _ => above,
            }
        },
        (-2.0, 2.0),
    ),
    lanes("Equal", &["equal"], Fun::Equal, "equal", flat, (-2.0, 2.0)),
    lanes("NotEqual", &["not_equal"], Fun::NotEqual, "not_equal", flat, (-2.0, 2.0)),
    lanes("LessThan", &["less_than"], Fun::LessThan, "less_than", flat, (-2.0, 2.0)),
    lanes("LessOrEqual", &["less_or_equal"], Fun::LessOrEqual, "less_or_equal", flat, (-2.0, 2.0)),
];
