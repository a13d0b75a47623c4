//! Calls of operations: the row of the operation, and the number and kinds of the arguments.

use proc_macro2::Ident;

use super::Checker;
use crate::{
    ir::{
        graph::{Id, VarId},
        table::{self, Arguments, Integer, Kind, Operation},
    },
    syntax::{
        ast::{BinaryOp, Expr, ExprKind, IntegerArg},
        dimension,
        parse::MODULES,
        words,
    },
};

impl Checker<'_> {
    pub(super) fn call(&mut self, name: &Ident, args: &[Expr]) -> Option<Id> {
        if let Some((module, args)) = self.of_a_module(args) {
            let axis = match args {
                [f, axis] if ["max", "min"].iter().any(|known| name == known) => {
                    matches!(self.written(axis).and_then(|axis| axis.number()), Some(-1 | 1 | 2)).then_some(f)
                }
                _ => None,
            };
            let message = match axis {
                Some(f) => format!("`{module}.{name}` over the components is `{name}({f})` here, without an axis"),
                None => words::of_a_module(module, name),
            };
            self.errors.push(name.span(), message);
            args.iter().for_each(|arg| self.mention(arg));
            return None;
        }
        let Some(row) = self.operation(name, args) else {
            // a binding whose value has a fault may have been a function
            if self.lets.iter().any(|(bound, value)| *bound == name && value.is_none()) {
                args.iter().for_each(|arg| self.mention(arg));
                return None;
            }
            // faults in the arguments are reported too, behind this one; a list may be right there
            let faults = std::mem::take(&mut self.errors);
            let nodes: Vec<Option<Id>> = args.iter().flat_map(items).map(|arg| self.formula(arg)).collect();
            let behind = std::mem::replace(&mut self.errors, faults);
            let message = self.no_operation(&name.to_string(), nodes.first().copied().flatten());
            self.errors.push(name.span(), message);
            if let Some(behind) = behind.into_option() {
                self.errors.append(behind);
            }
            return None;
        };
        // any number of vectors stand one behind the other, also in a list
        let joined = row.name == "Concat";
        let args: Vec<&Expr> = if joined { args.iter().flat_map(items).collect() } else { args.iter().collect() };
        let (least, most) = (row.args.len() - row.optional, row.args.len());
        if args.len() < least || args.len() > most && !joined {
            let expected = match least == most {
                true if joined => format!("{most} or more"),
                true => most.to_string(),
                false => format!("{least} or {most}"),
            };
            let plural = if most == 1 { "" } else { "s" };
            let given = args.len();
            self.errors.push(name.span(), format!("`{name}` takes {expected} argument{plural}, not {given}"));
            args.iter().for_each(|arg| self.mention(arg));
            return None;
        }
        let mut arguments = Arguments::default();
        let mut complete = true;
        for (k, arg) in args.into_iter().enumerate() {
            match row.args[k.min(most - 1)] {
                Kind::Formula => match self.formula(arg) {
                    Some(id) => {
                        arguments.formulas.push(id);
                        arguments.spelled.push(arg.to_string());
                    }
                    None => complete = false,
                },
                Kind::Integer => match self.integer(name, arg) {
                    Some(n) => arguments.integers.push(n),
                    None => complete = false,
                },
                Kind::List => match self.list(name, arg) {
                    Some(list) => arguments.lists.push(list),
                    None => complete = false,
                },
                Kind::Variable => match self.variable(name, arg) {
                    Some(v) => arguments.variables.push(v),
                    None => complete = false,
                },
            }
        }
        if complete { self.apply(row, &arguments, name.span()) } else { None }
    }

    /// The row of the operation that is called.
    fn operation(&mut self, name: &Ident, args: &[Expr]) -> Option<&'static Operation> {
        let text = name.to_string();
        if text == "laplacian" && self.is_laplace_operator(args) {
            return table::find("Laplacian");
        }
        table::find(&text)
    }

    /// The message for a call of a name that is not an operation; `first` is its first argument.
    fn no_operation(&self, name: &str, first: Option<Id>) -> String {
        if self.item.names.iter().any(|known| known == name) {
            return format!("`{name}` is a formula of its own, which no other can call: write out what it computes");
        }
        let dim = first.map_or("n".to_owned(), |first| self.graph.dim(first).to_string());
        let single = dim.chars().all(|c| c.is_alphanumeric() || c == '_');
        let n = if single { dim } else { format!("({dim})") };
        words::of_components(name, &n).unwrap_or_else(|| words::operation(name))
    }

    /// Whether an expression is the name of a module of Python, which no variable has.
    pub(super) fn is_module(&self, expr: &Expr) -> bool {
        self.of_a_module(std::slice::from_ref(expr)).is_some()
    }

    /// The module and the arguments of a call like `np.exp(x)`, which was read as a method of `np`.
    fn of_a_module<'e>(&self, args: &'e [Expr]) -> Option<(&'e Ident, &'e [Expr])> {
        let (Expr { kind: ExprKind::Name(module), .. }, args) = args.split_first()? else { return None };
        let known = self.find_variable(module).is_some()
            || self.item.generics.contains(module)
            || self.lets.iter().any(|(bound, _)| *bound == module);
        (!known && MODULES.iter().any(|name| module == name)).then_some((module, args))
    }

    /// Whether `laplacian(f, x)` is the sum of second derivatives: x is a variable that the scalar f depends on, and
    /// f is not a variable itself. Else it is the kernel exp(-|x - y|).
    fn is_laplace_operator(&mut self, args: &[Expr]) -> bool {
        let [f, Expr { kind: ExprKind::Name(x), .. }] = args else { return false };
        if matches!(f.kind, ExprKind::Name(_)) && self.lets.iter().all(|(name, _)| f.to_string() != name.to_string()) {
            return false;
        }
        // faults in the arguments are dropped here: the call itself checks these again, and reports them once
        let faults = std::mem::take(&mut self.errors);
        let node = self.formula(f);
        self.errors = faults;
        let (Some(node), Some(v)) = (node, self.find_variable(x)) else { return false };
        self.graph.is_scalar(node) && self.graph.depends(node, v)
    }

    /// An integer argument: a literal, which may have a minus, a const generic, or a sum or product of these.
    fn integer(&mut self, call: &Ident, arg: &Expr) -> Option<Integer> {
        let Some(written) = self.written(arg) else {
            self.mention(arg);
            // `Pow` is KeOps' name for the fixed power
            let hint = if call == "Pow" { ", `Powf` and `**` take any exponent" } else { "" };
            self.errors.push(arg.span, format!("`{call}` needs an integer here, not `{arg}`{hint}"));
            return None;
        };
        if let Some(n) = written.number() {
            return Some(Integer::Number(n));
        }
        match dimension::written(&written) {
            Ok(dim) => Some(dim.value().map_or(Integer::Symbol(dim), |n| Integer::Number(n.cast_signed()))),
            Err((span, message)) => {
                self.errors.push(span, message);
                None
            }
        }
    }

    /// An expression of integers and const generics, as an integer.
    fn written(&self, arg: &Expr) -> Option<IntegerArg> {
        Some(match &arg.kind {
            ExprKind::Integer(n) => IntegerArg::Number(*n, arg.span),
            ExprKind::Neg(inner) => match inner.kind {
                ExprKind::Integer(n) => IntegerArg::Number(-n, arg.span),
                _ => return None,
            },
            ExprKind::Name(name) if self.item.generics.contains(name) => IntegerArg::Symbol(name.clone()),
            ExprKind::Binary(op @ (BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Div), a, b) => {
                IntegerArg::Operation(*op, arg.span, Box::new(self.written(a)?), Box::new(self.written(b)?))
            }
            _ => return None,
        })
    }

    /// A list argument: literals in square brackets, none of them negative.
    fn list(&mut self, call: &Ident, arg: &Expr) -> Option<Vec<u64>> {
        let number = |item: &Expr| match item.kind {
            ExprKind::Integer(n) => u64::try_from(n).ok(),
            _ => None,
        };
        let list = match &arg.kind {
            ExprKind::List(items) => items.iter().map(number).collect(),
            _ => None,
        };
        if list.is_none() {
            self.mention(arg);
            self.errors.push(arg.span, format!("`{call}` needs a list of integers here, like `[2, 3]`, not `{arg}`"));
        }
        list
    }

    fn variable(&mut self, call: &Ident, arg: &Expr) -> Option<VarId> {
        if let ExprKind::Name(name) = &arg.kind {
            let id = self.name(name)?;
            if let Some(v) = self.as_variable(id) {
                return Some(v);
            }
        }
        self.mention(arg);
        self.errors.push(arg.span, format!("`{call}` needs the name of a variable here, not `{arg}`"));
        None
    }
}

/// The items of a list; another expression itself.
fn items(expr: &Expr) -> &[Expr] {
    match &expr.kind {
        ExprKind::List(items) => items,
        _ => std::slice::from_ref(expr),
    }
}
