//! Constants, and operations on the components of vectors.

use super::{Arguments, F, Fault, Fun, INT, Integer, Kind, Operation, Value, same, same_or_scalar, scalar, too_large};
use crate::ir::{
    dim::Dim,
    graph::{Graph, Id, Requirement},
    view::View,
};

type Build = fn(&mut Graph, &Arguments) -> Result<Id, Fault>;

const fn row(name: &'static str, aliases: &'static [&'static str], args: &'static [Kind], build: Build) -> Operation {
    Operation { name, aliases, args, optional: 0, value: Value::Built(build), range: (-2.0, 2.0) }
}

/// A row for an operation on one or two formulas.
const fn choice(name: &'static str, aliases: &'static [&'static str], build: Build) -> Operation {
    Operation { name, aliases, args: &[F, F], optional: 1, value: Value::Built(build), range: (-2.0, 2.0) }
}

/// The larger or the smaller of two formulas, component by component.
fn larger(g: &mut Graph, a: &Arguments, fun: Fun) -> Result<Id, Fault> {
    same_or_scalar(g, a)?;
    Ok(g.fun(fun, &a.formulas))
}

/// The vector product of two vectors of three components.
fn cross(g: &mut Graph, a: &Arguments) -> Result<Id, Fault> {
    for (k, &f) in a.formulas.iter().enumerate() {
        let dim = g.dim(f);
        if dim.value() != Some(3) {
            return Err(Fault(format!("`{}` must have dimension 3, it has dimension {dim}", a.spelled[k])));
        }
    }
    let mut turned = |f: Id, first: u64| {
        let mut part = |k: u64| g.extract(f, Dim::number((first + k) % 3), Dim::number(1));
        let parts = [part(0), part(1), part(2)];
        g.concat(&parts).ok_or_else(too_large)
    };
    let [x, y] = [a.formulas[0], a.formulas[1]];
    // the product is (x_2, x_3, x_1) (y_3, y_1, y_2) - (x_3, x_1, x_2) (y_2, y_3, y_1)
    let (x_next, y_last) = (turned(x, 1)?, turned(y, 2)?);
    let (x_last, y_next) = (turned(x, 2)?, turned(y, 1)?);
    let (plus, minus) = (g.mul(x_next, y_last), g.mul(x_last, y_next));
    Ok(g.sub(plus, minus))
}

/// The squared norm Σ_d f_d².
pub(super) fn sq_norm2(g: &mut Graph, f: Id) -> Id {
    let square = g.powi(f, 2);
    g.sum(square)
}

/// The squared distance |f - g|², for equal dimensions.
pub(super) fn sq_dist(g: &mut Graph, a: &Arguments, x: usize, y: usize) -> Result<Id, Fault> {
    same_or_scalar_pair(g, a, x, y)?;
    let difference = g.sub(a.formulas[x], a.formulas[y]);
    Ok(sq_norm2(g, difference))
}

fn same_or_scalar_pair(g: &Graph, a: &Arguments, x: usize, y: usize) -> Result<(), Fault> {
    if g.is_scalar(a.formulas[x]) || g.is_scalar(a.formulas[y]) { Ok(()) } else { same(g, a, x, y) }
}

/// The weighted squared norm f' S f, for a metric S of dimension 1 (isotropic), D (diagonal) or D*D (full).
pub(super) fn weighted_sq_norm(g: &mut Graph, a: &Arguments, s: usize, f: Id) -> Result<Id, Fault> {
    let (metric, dim) = (a.formulas[s], g.dim(f).clone());
    let full = dim.checked_mul(&dim).ok_or_else(too_large)?;
    if g.is_scalar(metric) || *g.dim(metric) == dim {
        let square = g.powi(f, 2);
        Ok(g.dot(metric, square))
    } else if *g.dim(metric) == full {
        let image = g.mat_vec(metric, f, dim);
        Ok(g.dot(f, image))
    } else {
        Err(Fault(format!(
            "the metric `{}` must have dimension 1, {dim} or {full}, it has dimension {}",
            a.spelled[s],
            g.dim(metric)
        )))
    }
}

/// Checks that the first argument is a full metric for argument `f`.
fn full_metric(g: &Graph, a: &Arguments, f: usize) -> Result<(), Fault> {
    let dim = g.dim(a.formulas[f]);
    let full = dim.checked_mul(dim).ok_or_else(too_large)?;
    if *g.dim(a.formulas[0]) == full {
        return Ok(());
    }
    let found = g.dim(a.formulas[0]);
    Err(Fault(format!("the metric `{}` must have dimension {full}, it has dimension {found}", a.spelled[0])))
}

/// Checks that the part `start..start + dim` lies inside the argument. If const generics decide that, it becomes a
/// requirement on them.
fn inside(g: &mut Graph, a: &Arguments, start: &Dim, dim: &Dim) -> Result<(), Fault> {
    let end = start.checked_add(dim).ok_or_else(too_large)?;
    let whole = g.dim(a.formulas[0]).clone();
    let (part, verb) =
        if dim.is_one() { (format!("component {start}"), "is") } else { (format!("components {start}..{end}"), "are") };
    let message = format!("{part} {verb} out of range, `{}` has dimension {whole}", a.spelled[0]);
    let beyond = whole.checked_add(&Dim::number(1)).and_then(|whole| whole.at_most(&end)) == Some(true);
    match end.at_most(&whole) {
        Some(true) => {}
        Some(false) => return Err(Fault(message)),
        None if beyond => return Err(Fault(message)),
        None => {
            let requirement = Requirement { end, whole, message };
            if !g.requirements.contains(&requirement) {
                g.requirements.push(requirement);
            }
        }
    }
    Ok(())
}

/// A vector of `dim` zeros, with the argument from component `start` on.
fn padded(g: &mut Graph, a: &Arguments, start: Dim, dim: Dim) -> Result<Id, Fault> {
    let part = g.dim(a.formulas[0]).clone();
    let end = start.checked_add(&part).ok_or_else(too_large)?;
    match end.at_most(&dim) {
        Some(true) => Ok(g.spread(a.formulas[0], View::part(start, part), dim)),
        Some(false) => Err(Fault(format!("components {start}..{end} do not fit into dimension {dim}"))),
        None => Err(Fault(format!(
            "whether components {start}..{end} fit into dimension {dim} depends on the const generics"
        ))),
    }
}

fn positive(dim: Dim) -> Result<Dim, Fault> {
    if dim.value() == Some(0) { Err(Fault("a dimension must be at least 1".to_owned())) } else { Ok(dim) }
}

/// An integer as a constant, rounded if it is beyond 2^53.
fn integer(k: &Integer, what: &str) -> Result<f64, Fault> {
    Ok(k.number(what)? as f64)
}

pub(super) const OPERATIONS: &[Operation] = &[
    row("IntCst", &[], &[INT], |g, a| Ok(g.constant(integer(&a.integers[0], "the constant")?))),
    row("RatCst", &[], &[INT, INT], |g, a| {
        let (p, q) = (integer(&a.integers[0], "the numerator")?, integer(&a.integers[1], "the denominator")?);
        if q == 0.0 { Err(Fault("the denominator is 0".to_owned())) } else { Ok(g.constant(p / q)) }
    }),
    row("IntInv", &[], &[INT], |g, a| {
        let n = integer(&a.integers[0], "the denominator")?;
        if n == 0.0 { Err(Fault("the denominator is 0".to_owned())) } else { Ok(g.constant(1.0 / n)) }
    }),
    row("Zero", &["zero"], &[INT], |g, a| {
        let dim = positive(a.integers[0].dim("the dimension")?)?;
        Ok(g.zero(dim))
    }),
    row("Sum", &["sum"], &[F], |g, a| Ok(g.sum(a.formulas[0]))),
    row("SumT", &["sum_t", "broadcast"], &[F, INT], |g, a| {
        scalar(g, a, 0)?;
        let dim = positive(a.integers[0].dim("the dimension")?)?;
        Ok(g.broadcast(a.formulas[0], &dim))
    }),
    row("Scalprod", &["scalprod", "dot"], &[F, F], |g, a| {
        same_or_scalar(g, a)?;
        Ok(g.dot(a.formulas[0], a.formulas[1]))
    }),
    row("SqNorm2", &["sqnorm2"], &[F], |g, a| Ok(sq_norm2(g, a.formulas[0]))),
    row("Norm2", &["norm2", "norm"], &[F], |g, a| {
        let square = sq_norm2(g, a.formulas[0]);
        Ok(g.fun(Fun::Sqrt, &[square]))
    }),
    row("Normalize", &["normalize"], &[F], |g, a| {
        let square = sq_norm2(g, a.formulas[0]);
        let inverse = g.fun(Fun::Rsqrt, &[square]);
        Ok(g.mul(inverse, a.formulas[0]))
    }),
    row("Cross", &["cross"], &[F, F], cross),
    row("SqDist", &["sqdist"], &[F, F], |g, a| sq_dist(g, a, 0, 1)),
    row("WeightedSqNorm", &["weighted_sqnorm", "weightedsqnorm"], &[F, F], |g, a| {
        weighted_sq_norm(g, a, 0, a.formulas[1])
    }),
    // the same norms, each with one shape of the metric
    row("SqNormIso", &["sqnorm_iso"], &[F, F], |g, a| {
        scalar(g, a, 0)?;
        weighted_sq_norm(g, a, 0, a.formulas[1])
    }),
    row("SqNormDiag", &["sqnorm_diag"], &[F, F], |g, a| {
        same(g, a, 0, 1)?;
        weighted_sq_norm(g, a, 0, a.formulas[1])
    }),
    row("SymSqNorm", &["sym_sqnorm"], &[F, F], |g, a| {
        full_metric(g, a, 1)?;
        weighted_sq_norm(g, a, 0, a.formulas[1])
    }),
    row("WeightedSqDist", &["weighted_sqdist", "weightedsqdist"], &[F, F, F], |g, a| {
        same(g, a, 1, 2)?;
        let difference = g.sub(a.formulas[1], a.formulas[2]);
        weighted_sq_norm(g, a, 0, difference)
    }),
    row("SymSqDist", &["sym_sqdist"], &[F, F, F], |g, a| {
        same(g, a, 1, 2)?;
        full_metric(g, a, 1)?;
        let difference = g.sub(a.formulas[1], a.formulas[2]);
        weighted_sq_norm(g, a, 0, difference)
    }),
    row("Elem", &["elem"], &[F, INT], |g, a| {
        let start = a.integers[0].dim("the component")?;
        inside(g, a, &start, &Dim::number(1))?;
        Ok(g.extract(a.formulas[0], start, Dim::number(1)))
    }),
    row("Extract", &["extract"], &[F, INT, INT], |g, a| {
        let (start, dim) = (a.integers[0].dim("the start")?, positive(a.integers[1].dim("the dimension")?)?);
        inside(g, a, &start, &dim)?;
        Ok(g.extract(a.formulas[0], start, dim))
    }),
    row("ElemT", &["elem_t"], &[F, INT, INT], |g, a| {
        scalar(g, a, 0)?;
        let (dim, place) = (positive(a.integers[0].dim("the dimension")?)?, a.integers[1].dim("the component")?);
        padded(g, a, place, dim)
    }),
    row("ExtractT", &["extract_t"], &[F, INT, INT], |g, a| {
        let (start, dim) = (a.integers[0].dim("the start")?, positive(a.integers[1].dim("the dimension")?)?);
        padded(g, a, start, dim)
    }),
    // the largest component of one vector, or the larger components of two
    choice("Max", &["max", "maximum"], |g, a| {
        if a.formulas.len() == 2 {
            return larger(g, a, Fun::Max);
        }
        Ok(g.max(a.formulas[0]))
    }),
    // -max(-f): changes of sign round nothing, and leave ties and NaN as they are
    choice("Min", &["min", "minimum"], |g, a| {
        if a.formulas.len() == 2 {
            return larger(g, a, Fun::Min);
        }
        let mirrored = g.neg(a.formulas[0]);
        let most = g.max(mirrored);
        Ok(g.neg(most))
    }),
    row("ArgMax", &["argmax"], &[F], |g, a| Ok(g.arg_max(a.formulas[0]))),
    row("ArgMin", &["argmin"], &[F], |g, a| {
        let mirrored = g.neg(a.formulas[0]);
        Ok(g.arg_max(mirrored))
    }),
    // the component at the integer nearest to the argument
    row("OneHot", &["one_hot"], &[F, INT], |g, a| {
        scalar(g, a, 0)?;
        let dim = positive(a.integers[0].dim("the dimension")?)?;
        let half = g.constant(0.5);
        let above = g.add(a.formulas[0], half);
        let place = g.fun(Fun::Floor, &[above]);
        Ok(g.one_hot(place, dim))
    }),
    row("Concat", &["concat", "concatenate", "cat"], &[F, F], |g, a| g.concat(&a.formulas).ok_or_else(too_large)),
];
