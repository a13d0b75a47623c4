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
            self.errors.push(name.span(), words::of_a_module(module, name));
            args.iter().for_each(|arg| self.mention(arg));
            return None;
        }
        let Some(row) = self.operation(name, args) else {
            // faults in the arguments are reported too, except that a const generic may be right there
            for arg in args {
                let generic = matches!(&arg.kind, ExprKind::Name(name) if self.item.generics.contains(name));
                if !generic {
                    self.formula(arg);
                }
            }
            return None;
        };
        let (least, most) = (row.args.len() - row.optional, row.args.len());
        if !(least..=most).contains(&args.len()) {
            let expected = if least == most { most.to_string() } else { format!("{least} or {most}") };
            let plural = if most == 1 { "" } else { "s" };
            let given = args.len();
            self.errors.push(name.span(), format!("`{name}` takes {expected} argument{plural}, not {given}"));
            args.iter().for_each(|arg| self.mention(arg));
            return None;
        }
        let mut arguments = Arguments::default();
        let mut complete = true;
        for (kind, arg) in row.args.iter().zip(args) {
            match kind {
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
        if let Some(row) = table::find(&text) {
            return Some(row);
        }
        let message = if self.item.names.contains(&text) {
            format!("`{text}` is a formula of its own, which no other can call: write out what it computes")
        } else {
            words::operation(&text)
        };
        self.errors.push(name.span(), message);
        None
    }

    /// The module and the arguments of a call like `np.exp(x)`, which was read as a method of `np`.
    fn of_a_module<'e>(&self, args: &'e [Expr]) -> Option<(&'e Ident, &'e [Expr])> {
        let (Expr { kind: ExprKind::Name(module), .. }, args) = args.split_first()? else { return None };
        let known = self.find_variable(module).is_some() || self.lets.iter().any(|(bound, _)| *bound == module);
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
