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

/// Operations that put vectors one behind the other, of a list or of several arguments.
const JOINED: [&str; 4] = ["concat", "concatenate", "cat", "Concat"];

/// What reads a call, without `keepdim`.
type Read = fn(Ident, Vec<Expr>, expr::Named) -> syn::Result<Expr>;

/// A call, with its named arguments.
pub(super) fn call(name: Ident, args: Vec<Expr>, named: expr::Named) -> syn::Result<Expr> {
    without_keepdim(name, args, named, with_axis)
}

/// A call of a method, whose receiver is the first argument.
pub(super) fn method(name: Ident, args: Vec<Expr>, named: expr::Named) -> syn::Result<Expr> {
    without_keepdim(name, args, named, of_a_receiver)
}

/// Takes `keepdim = True` out of a call, also as its last argument without a name, as a fault of its own.
fn without_keepdim(name: Ident, mut args: Vec<Expr>, mut named: expr::Named, read: Read) -> syn::Result<Expr> {
    let key = named.iter().position(|(key, _)| key == "keepdim" || key == "keepdims");
    let mut found = key.map(|k| named.remove(k).0);
    let text = name.to_string();
    let over_axes = ["max", "min", "mean", "std", "var", "prod", "logsumexp"].contains(&text.as_str());
    if let [.., axis, Expr { kind: ExprKind::Name(last), .. }] = args.as_slice()
        && (over_axes || OVER_AXES.contains(&text.as_str()))
        && (last == "True" || last == "False")
        && literal(axis).is_some()
    {
        found = Some(last.clone());
        args.pop();
    }
    let call = read(name, args, named)?;
    match found {
        Some(key) => {
            let message = format!("leave out `{key}`: one number for each pair goes with any number of components");
            foreign::fault(key.span(), message, vec![call])
        }
        None => Ok(call),
    }
}

/// A call of a method.
///
/// `f.max(-1)` is the largest component in PyTorch, and would be the larger of f and -1 here; so would `f.max(2)` and
/// `f.max(1)`, which are axes of a LazyTensor. None of them is guessed. `f.max(0)` is a common maximum of two.
fn of_a_receiver(name: Ident, args: Vec<Expr>, named: expr::Named) -> syn::Result<Expr> {
    let extremum = ["max", "min", "Max", "Min"].iter().any(|known| name == known);
    if let ([receiver, last], true, true) = (args.as_slice(), extremum, named.is_empty())
        && let Some(number @ (-1 | 1 | 2)) = literal(last)
    {
        let reduction = match reduction::like(&name.to_string()) {
            Some(row) if number == 1 => format!("over j it is the reduction `-> {}<j>`, ", row.name),
            _ => String::new(),
        };
        let message = format!(
            "`{name}({number})` may mean an axis or an operand: {reduction}over the components it is \
             `{name}({receiver})`, with the number `{name}({receiver}, {number}.0)`"
        );
        return foreign::fault(last.span, message, args);
    }
    with_axis(name, args, named)
}

/// A call that may have an axis, a norm's exponent or bounds by name.
fn with_axis(name: Ident, mut args: Vec<Expr>, mut named: expr::Named) -> syn::Result<Expr> {
    let text = name.to_string();
    if let Some((span, message)) = exponent(&text, &mut args, &mut named) {
        return foreign::fault(span, message, args);
    }
    if let Some((span, message)) = bounds(&name, &mut args, &mut named) {
        return foreign::fault(span, message, args);
    }
    let operation = table::find(&text);
    let mut axis = None;
    let mut rest = Vec::new();
    for (key, value) in named {
        if let (true, ExprKind::List(_)) = (key == "dim" || key == "axis", &value.kind) {
            let message = "one axis at a time: that of the components is -1, i and j are those of a reduction, which \
                           stands behind the arrow";
            return foreign::fault(key.span(), message, args);
        }
        match (key == "dim" || key == "axis", literal(&value)) {
            (true, Some(number)) if axis.is_none() => axis = Some((number, key.span())),
            _ => rest.push((key, value)),
        }
    }
    let joined = JOINED.contains(&text.as_str());
    if let (true, [Expr { kind: ExprKind::List(_), .. }, last]) = (joined && axis.is_none(), args.as_slice())
        && let Some(number) = literal(last)
    {
        axis = Some((number, last.span));
        args.pop();
    }
    if let (true, Some((0 | 1, span))) = (joined, axis) {
        let items = |arg: Expr| if let ExprKind::List(items) = arg.kind { items } else { vec![arg] };
        let args = args.into_iter().flat_map(items).collect();
        return wrong_axis(&name, span, args);
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
        Some((_, span)) if args.len() == 2 && !is_module(&args[0]) && BY_NAME.contains(&text.as_str()) => {
            let (f, g) = (&args[0], &args[1]);
            let message = format!(
                "`{name}` of two formulas has no axis: it is `{name}({f}, {g})`, component by component; over the \
                 components it is `{name}(f)` of one"
            );
            foreign::fault(span, message, args)
        }
        Some((-1 | 2, _)) if takes_axis || joined || BY_NAME.contains(&text.as_str()) => expr::call(name, args),
        Some(_) if args.first().is_some_and(is_module) => expr::call(name, args),
        Some((-1 | 2, span)) if operation.is_some() => {
            foreign::fault(span, format!("`{name}` has no axis: leave it out"), args)
        }
        Some((_, span)) if operation.is_some() => wrong_axis(&name, span, args),
        _ => expr::call(name, args),
    }
}

/// Takes the exponent of a norm out of a call: `p = 1` or `ord = 1`, or the number before the axis. Returns the fault of
/// an exponent that is not 2.
fn exponent(name: &str, args: &mut Vec<Expr>, named: &mut expr::Named) -> Option<(Span, String)> {
    if name != "norm" {
        return None;
    }
    let p = if let Some(k) = named.iter().position(|(key, _)| key == "p" || key == "ord") {
        named.remove(k).1
    } else {
        let infinite = |p: &Expr| matches!(&p.kind, ExprKind::Name(name) if name == "inf");
        let number = |p: &Expr| matches!(p.kind, ExprKind::Float(_)) || literal(p).is_some();
        match args.as_slice() {
            [_, p, axis] if (number(p) || infinite(p)) && literal(axis).is_some() => args.remove(1),
            [_, p] if infinite(p) || number(p) && !matches!(literal(p), Some(-1 | 0 | 2)) => args.remove(1),
            _ => return None,
        }
    };
    let f = args.first().map_or("f".to_owned(), Expr::to_string);
    let other = match (&p.kind, literal(&p)) {
        (_, Some(2)) => return None,
        (ExprKind::Float(2.0), _) => return None,
        (_, Some(1)) | (ExprKind::Float(1.0), _) => format!("sum(abs({f}))"),
        (ExprKind::Name(name), _) if name == "inf" => format!("max(abs({f}))"),
        (ExprKind::Foreign(_) | ExprKind::Call(..), _) => format!("max(abs({f}))"),
        _ => format!("sum(abs({f})**{p})**(1/{p})"),
    };
    Some((p.span, format!("`norm` is the Euclidean norm, this one is `{other}`")))
}

/// Puts the bounds of `clamp(min = 0, max = 1)` in their order. Returns the fault of a call with one bound.
fn bounds(name: &Ident, args: &mut Vec<Expr>, named: &mut expr::Named) -> Option<(Span, String)> {
    if name != "clamp" && name != "Clamp" {
        return None;
    }
    let module = args.len() == 2 && is_module(&args[0]);
    let mut keys: Vec<&Ident> = named.iter().map(|(key, _)| key).collect();
    keys.sort_by_key(|key| *key != "min");
    let f = args.get(usize::from(module)).map_or("f".to_owned(), Expr::to_string);
    let value = |key: &str| named.iter().find(|(known, _)| known == key).map(|(_, value)| value);
    match (args.len() - usize::from(module), keys.as_slice()) {
        (1, [min, max]) if *min == "min" && *max == "max" => {
            named.sort_by_key(|(key, _)| key != "min");
            args.extend(named.drain(..).map(|(_, value)| value));
            None
        }
        (2, [max]) if *max == "max" => {
            args.extend(named.drain(..).map(|(_, value)| value));
            None
        }
        (1, [key]) if *key == "min" || *key == "max" => {
            let other = if *key == "min" { "max" } else { "min" };
            let bound = value(&key.to_string()).map_or("0".to_owned(), Expr::to_string);
            let fault = (key.span(), format!("`{name}` has two bounds: one alone is `{other}({f}, {bound})`"));
            args.extend(named.drain(..).map(|(_, value)| value));
            Some(fault)
        }
        (2, []) if !module => {
            let bound = &args[1];
            let message = format!(
                "`{name}` has two bounds: a lower one alone is `max({f}, {bound})`, an upper one `min({f}, {bound})`"
            );
            Some((name.span(), message))
        }
        _ => None,
    }
}

/// Whether an expression may be a module of Python, whose functions are read as its methods.
fn is_module(expr: &Expr) -> bool {
    matches!(&expr.kind, ExprKind::Name(name)
        if name != foreign::FUNCTIONAL && foreign::MODULES.iter().any(|known| name == known))
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
