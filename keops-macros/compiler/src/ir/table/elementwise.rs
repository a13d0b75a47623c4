//! Arithmetic and element-wise functions.
//!
//! Conventions of KeOps at the edges are: 1/√0 = 0, 0 ln 0 = 0, and the derivatives of steps are 0. One convention is
//! our own: an infinite slope counts as 0, as KeOps has it for √x and norms at 0.
//!
//! Slopes are therefore products of factors that are finite at every point. A factor that is infinite at 0, a
//! negative power or a logarithm, is replaced by its [`Graph::unless_zero`], whose own slope is such a product again.
//! Nothing infinite is then left that the chain rule, in any order and mode, would multiply with a slope of 0. A base
//! that is known not to be 0, and a power that is finite at 0, need no such guard and pay nothing for it.

use super::{Arguments, F, Fault, Fun, INT, Operation, Value, same_or_scalar};
use crate::ir::graph::{Graph, Id, Op};

type Partial = fn(&mut Graph, &[Id], Id, usize) -> Id;

pub(super) const fn lanes(
    name: &'static str,
    aliases: &'static [&'static str],
    fun: Fun,
    method: &'static str,
    partial: Partial,
    range: (f64, f64),
) -> Operation {
    let args = match fun {
        Fun::IfElse | Fun::Clamp => &[F, F, F] as &[_],
        Fun::Pow | Fun::Atan2 | Fun::Hypot | Fun::Equal | Fun::NotEqual | Fun::LessThan | Fun::LessOrEqual => &[F, F],
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

pub(super) const fn unary(
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

/// The slope 1/√(1 - x²), with 1 - x² as a product: as a difference it cancels near ±1.
fn slope_of_asin(g: &mut Graph, x: Id) -> Id {
    let one = g.constant(1.0);
    let (less, more) = (g.sub(one, x), g.add(one, x));
    let product = g.mul(less, more);
    g.fun(Fun::Rsqrt, &[product])
}

/// The step that is 0 where a < b, else 1.
fn unless_less(g: &mut Graph, a: Id, b: Id) -> Id {
    let (one, less) = (g.constant(1.0), g.fun(Fun::LessThan, &[a, b]));
    g.sub(one, less)
}

/// The step that is 1 where low <= x <= high, else 0.
fn inside(g: &mut Graph, x: Id, low: Id, high: Id) -> Id {
    let (above_low, below_high) = (unless_less(g, x, low), unless_less(g, high, x));
    g.mul(above_low, below_high)
}

/// The two integer arguments as the bounds of an interval.
fn bounds(g: &mut Graph, a: &Arguments) -> Result<(Id, Id), Fault> {
    let (low, high) = (a.integers[0].number("the lower bound")?, a.integers[1].number("the upper bound")?);
    if low > high {
        return Err(Fault(format!("the lower bound {low} is above the upper bound {high}")));
    }
    Ok((g.constant(low as f64), g.constant(high as f64)))
}

/// Functions that are not operations by themselves: operations, derivatives or the lowering use them. Each has its
/// name in `keops_core::number::ops` and its partial derivatives.
pub(super) const PARTS: &[(Fun, &str, Partial)] = &[
    // the derivative by the mantissa divides by it, which is never 0; the exponent is a step
    (Fun::Others, "others", |g, a, y, k| match k {
        0 => {
            let slope = g.div(y, a[0]);
            g.neg(slope)
        }
        1 => g.div(y, a[1]),
        _ => g.constant(0.0),
    }),
    (Fun::Max, "maximum", |_, _, _, _| unreachable!("differentiation takes each side apart")),
    (Fun::Min, "minimum", |_, _, _, _| unreachable!("differentiation takes each side apart")),
    (Fun::Round(0), "round", flat),
    (Fun::UnlessInfinite, "unless_infinite", |g, _, _, _| g.constant(1.0)),
    // only the lowering makes it, for exponents whose derivatives are those of the term itself
    (Fun::Bounded, "bounded", |g, _, _, _| g.constant(1.0)),
    // the slope of a guarded value is 0 by itself where y is 0
    (Fun::UnlessZero, "unless_zero", |g, _, _, k| g.constant(if k == 0 { 1.0 } else { 0.0 })),
    // for the direction (u, v) and the length r, the derivative is v² / r by x and -u v / r by y
    (Fun::Direction, "direction", |g, a, u, k| {
        let (v, r) = (g.fun(Fun::Direction, &[a[1], a[0]]), g.fun(Fun::Hypot, &[a[0], a[1]]));
        let inverse = g.finite_inverse(r);
        if k == 0 {
            let square = g.powi(v, 2);
            return g.mul(square, inverse);
        }
        let product = g.mul(u, v);
        let slope = g.mul(product, inverse);
        g.neg(slope)
    }),
    // for v = y / (x² + y²), the derivative is v² - u² by x and -2 u v by y
    (Fun::OverSquare, "over_square", |g, a, u, k| {
        let v = g.fun(Fun::OverSquare, &[a[1], a[0]]);
        if k == 0 {
            let squares = [v, u].map(|x| g.powi(x, 2));
            return g.sub(squares[0], squares[1]);
        }
        let (double, product) = (g.constant(-2.0), g.mul(u, v));
        g.mul(double, product)
    }),
    // for the value s, the derivative is e^((s - x)/γ) by each number x, and (s - Σ_x x e^((s - x)/γ)) / γ by γ
    (Fun::SoftMin, "soft_min", |g, a, s, k| {
        let weight = |g: &mut Graph, x: Id| {
            let difference = g.sub(s, x);
            let exponent = g.div(difference, a[3]);
            g.fun(Fun::Exp, &[exponent])
        };
        if k < 3 {
            return weight(g, a[k]);
        }
        let mean = a[..3].iter().fold(g.constant(0.0), |sum, &x| {
            let weight = weight(g, x);
            let part = g.mul(weight, x);
            g.add(sum, part)
        });
        let difference = g.sub(s, mean);
        g.div(difference, a[3])
    }),
];

pub(super) const OPERATIONS: &[Operation] = &[
    binary("Add", &["add"], |g, a| same_or_scalar(g, a).map(|()| g.add(a.formulas[0], a.formulas[1])), (-2.0, 2.0)),
    binary(
        "Subtract",
        &["subtract", "sub", "difference_matrix"],
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
    // d/dx x^y = y x^(y-1) and d/dy x^y = log(x) x^y, with factors that are 0 where these are infinite
    lanes(
        "Powf",
        &["powf", "pow", "power"],
        Fun::Pow,
        "pow",
        |g, a, y, k| {
            if k == 1 {
                let log = g.fun(Fun::Log, &[a[0]]);
                let (log, power) = (g.unless_zero(log, a[0]), g.finite_pow(y, a[0], a[1]));
                return g.mul(log, power);
            }
            let one = g.constant(1.0);
            let less = g.sub(a[1], one);
            let power = match g.constant_value(less) {
                Some(n) if n.fract() == 0.0 && n.abs() < 64.0 => g.finite_powi(a[0], n as i32),
                Some(0.5) => g.fun(Fun::Sqrt, &[a[0]]),
                Some(-0.5) => g.fun(Fun::Rsqrt, &[a[0]]),
                _ => {
                    let power = g.fun(Fun::Pow, &[a[0], less]);
                    g.finite_pow(power, a[0], less)
                }
            };
            g.mul(a[1], power)
        },
        (0.5, 2.0),
    ),
    lanes("Exp", &["exp"], Fun::Exp, "exp", |_, _, y, _| y, (-2.0, 2.0)),
    lanes("Log", &["log", "ln"], Fun::Log, "log", |g, a, _, _| g.finite_inverse(a[0]), (0.2, 3.0)),
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
    lanes("Asin", &["asin", "arcsin"], Fun::Asin, "asin", |g, a, _, _| slope_of_asin(g, a[0]), (-0.9, 0.9)),
    lanes(
        "Acos",
        &["acos", "arccos"],
        Fun::Acos,
        "acos",
        |g, a, _, _| {
            let slope = slope_of_asin(g, a[0]);
            g.neg(slope)
        },
        (-0.9, 0.9),
    ),
    lanes(
        "Atan",
        &["atan", "arctan"],
        Fun::Atan,
        "atan",
        |g, a, _, _| {
            let (one, square) = (g.constant(1.0), g.powi(a[0], 2));
            let sum = g.add(one, square);
            g.fun(Fun::Inv, &[sum])
        },
        (-3.0, 3.0),
    ),
    // the gradient is (x, -y) / (x² + y²), and 0 at the origin
    lanes(
        "Atan2",
        &["atan2", "arctan2"],
        Fun::Atan2,
        "atan2",
        |g, a, _, k| {
            let slope = g.fun(Fun::OverSquare, &[a[1 - k], a[k]]);
            if k == 0 { slope } else { g.neg(slope) }
        },
        (0.3, 2.0),
    ),
    // the derivative is x times the function of the next order: without a quotient, it is right at 0 too
    lanes(
        "SinXDivX",
        &["sinxdivx", "sinc"],
        Fun::SinXDivX(0),
        "sin_x_div_x",
        |g, a, y, _| {
            let Op::Fun(Fun::SinXDivX(n)) = *g.op(y) else { unreachable!("the value is that of the function") };
            let next = g.fun(Fun::SinXDivX(n + 1), &[a[0]]);
            g.mul(a[0], next)
        },
        (-4.0, 4.0),
    ),
    // by 1/√x, which is 0 at 0: the derivative of a distance at distance 0 is 0
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
            let cube = g.unless_infinite(cube);
            g.mul(c, cube)
        },
        (0.2, 3.0),
    ),
    lanes(
        "Inv",
        &["inv", "recip"],
        Fun::Inv,
        "inv",
        |g, a, _, _| {
            let inverse = g.finite_inverse(a[0]);
            let square = g.powi(inverse, 2);
            let square = g.unless_infinite(square);
            g.neg(square)
        },
        (0.2, 3.0),
    ),
    lanes("Abs", &["abs"], Fun::Abs, "abs", |g, a, _, _| g.fun(Fun::Sign, &[a[0]]), (-2.0, 2.0)),
    lanes("Sign", &["sign", "signum"], Fun::Sign, "sign", flat, (-2.0, 2.0)),
    lanes("Floor", &["floor"], Fun::Floor, "floor", flat, (-2.0, 2.0)),
    Operation {
        name: "Round",
        aliases: &["round"],
        args: &[F, INT],
        optional: 1,
        value: Value::Built(|g, a| {
            let decimals = a.integers.first().map_or(Ok(0), |d| d.number("the number of decimals"))?;
            match i32::try_from(decimals) {
                Ok(d @ -300..=300) => Ok(g.fun(Fun::Round(d), &[a.formulas[0]])),
                _ => Err(Fault(format!("no number has {decimals} decimals"))),
            }
        }),
        range: (-2.0, 2.0),
    },
    // f - m floor((f - offset) / m)
    Operation {
        name: "Mod",
        aliases: &["mod", "rem"],
        args: &[F, F, F],
        optional: 1,
        value: Value::Built(|g, a| {
            same_or_scalar(g, a)?;
            let (f, modulus) = (a.formulas[0], a.formulas[1]);
            let above = a.formulas.get(2).map_or(f, |&offset| g.sub(f, offset));
            let quotient = g.div(above, modulus);
            let steps = g.fun(Fun::Floor, &[quotient]);
            let whole = g.mul(modulus, steps);
            Ok(g.sub(f, whole))
        }),
        range: (0.5, 3.0),
    },
    lanes("Step", &["step"], Fun::Step, "step", flat, (-2.0, 2.0)),
    lanes(
        "ReLU",
        &["relu"],
        Fun::Relu,
        "relu",
        |_, _, _, _| unreachable!("differentiation takes each side apart"),
        (-2.0, 2.0),
    ),
    lanes(
        "XLogX",
        &["xlogx"],
        Fun::XLogX,
        "x_log_x",
        |g, a, _, _| {
            let (log, one) = (g.fun(Fun::Log, &[a[0]]), g.constant(1.0));
            let slope = g.add(log, one);
            g.unless_zero(slope, a[0])
        },
        (0.2, 3.0),
    ),
    lanes(
        "IfElse",
        &["ifelse", "if_else"],
        Fun::IfElse,
        "if_else",
        |_, _, _, _| unreachable!("differentiation takes each side apart"),
        (-2.0, 2.0),
    ),
    // the slope is 1 inside, bounds included, as in KeOps
    lanes(
        "Clamp",
        &["clamp"],
        Fun::Clamp,
        "clamp",
        |_, _, _, _| unreachable!("differentiation takes each side apart"),
        (-2.0, 2.0),
    ),
    Operation {
        name: "ClampInt",
        aliases: &["clamp_int"],
        args: &[F, INT, INT],
        optional: 0,
        value: Value::Built(|g, a| {
            let (low, high) = bounds(g, a)?;
            Ok(g.fun(Fun::Clamp, &[a.formulas[0], low, high]))
        }),
        range: (-2.0, 4.0),
    },
    // the derivative of `ClampInt`: 1 inside, bounds included
    Operation {
        name: "DiffClampInt",
        aliases: &["diff_clamp_int"],
        args: &[F, INT, INT],
        optional: 0,
        value: Value::Built(|g, a| {
            let (low, high) = bounds(g, a)?;
            Ok(inside(g, a.formulas[0], low, high))
        }),
        range: (-2.0, 4.0),
    },
    lanes("Equal", &["equal"], Fun::Equal, "equal", flat, (-2.0, 2.0)),
    lanes("NotEqual", &["not_equal"], Fun::NotEqual, "not_equal", flat, (-2.0, 2.0)),
    lanes("LessThan", &["less_than"], Fun::LessThan, "less_than", flat, (-2.0, 2.0)),
    lanes("LessOrEqual", &["less_or_equal"], Fun::LessOrEqual, "less_or_equal", flat, (-2.0, 2.0)),
];
