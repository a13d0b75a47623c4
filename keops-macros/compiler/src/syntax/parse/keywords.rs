//! Named arguments and axes, as Python has them: `f.sum(dim = -1)`.
//!
//! The last axis of a LazyTensor, -1 or 2, is that of the components, and calls an operation. Axes 0 and 1 are i and
//! j, and call a reduction, which an item has after its arrow.

use proc_macro2::{Ident, Span};

use super::{expr, foreign};
use crate::{
    ir::{reduction, table},
    syntax::ast::{Expr, ExprKind},
};

/// Operations that take an axis as their second argument in Python, and have one argument here.
const OVER_AXES: [&str; 4] = ["sum", "argmax", "argmin", "norm"];
/// Operations that take an axis by name only, since a second argument is an operand.
const BY_NAME: [&str; 3] = ["max", "min", "norm2"];

/// A call, with its named arguments.
pub(super) fn call(name: Ident, mut args: Vec<Expr>, named: expr::Named) -> syn::Result<Expr> {
    let text = name.to_string();
    let operation = table::find(&text);
    let mut axis = None;
    let mut rest = Vec::new();
    for (key, value) in named {
        match (key == "dim" || key == "axis", literal(&value)) {
            (true, Some(number)) if axis.is_none() => axis = Some((number, key.span())),
            _ => rest.push((key, value)),
        }
    }
    let takes_axis = OVER_AXES.contains(&text.as_str());
    let reduction = reduction::like(&text);
    if axis.is_none() && (takes_axis && args.len() == 2 || operation.is_none() && reduction.is_some() && args.len() > 1)
    {
        axis = args.last().and_then(|last| Some((literal(last)?, last.span)));
        if axis.is_some() {
            args.pop();
        }
    }
    if let Some((number @ (0 | 1), _)) = axis {
        args.extend(rest.into_iter().map(|(_, value)| value));
        let index = if number == 0 { "i" } else { "j" };
        return over_rows(name, reduction, args, index);
    }
    if let Some((key, _)) = rest.first() {
        let (span, names) = (key.span(), operation.is_some());
        args.extend(rest.into_iter().map(|(_, value)| value));
        if names {
            return foreign::fault(span, format!("`{name}` takes its arguments in order, without names"), args);
        }
    }
    match axis {
        Some((-1 | 2, _)) if takes_axis || BY_NAME.contains(&text.as_str()) => expr::call(name, args),
        Some((_, span)) if operation.is_some() => wrong_axis(&name, span, args),
        _ => expr::call(name, args),
    }
}

/// The fault of an axis that is neither that of the components nor that of a reduction.
fn wrong_axis(name: &Ident, span: Span, args: Vec<Expr>) -> syn::Result<Expr> {
    foreign::fault(span, format!("`{name}` has no such axis: that of the components is -1, and may be left out"), args)
}

/// The fault of a call that is a reduction in Python.
fn over_rows(
    name: Ident,
    reduction: Option<&'static reduction::Row>,
    args: Vec<Expr>,
    index: &str,
) -> syn::Result<Expr> {
    let message = match reduction {
        Some(row) => {
            let k = args.get(1).and_then(literal).map_or("10".to_owned(), |k| k.to_string());
            let k = if row.takes_k { format!("{k}, ") } else { String::new() };
            let name = row.name;
            format!("a reduction over {index} stands behind the arrow: `-> {name}<{k}{index}>`")
        }
        None => format!("only a reduction goes over {index}, and stands behind the arrow, like `-> Sum<{index}>`"),
    };
    foreign::fault(name.span(), message, args)
}

/// The value of an integer literal, which may have a minus.
fn literal(expr: &Expr) -> Option<i64> {
    match &expr.kind {
        ExprKind::Integer(n) => Some(*n),
        ExprKind::Neg(inner) => match inner.kind {
            ExprKind::Integer(n) => Some(-n),
            _ => None,
        },
        _ => None,
    }
}
