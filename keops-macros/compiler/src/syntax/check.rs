//! The checker, from a syntax tree to a graph: it resolves names, and checks numbers of arguments and dimensions. All
//! faults of an item are reported at once, each at the user's token. After this phase only [`crate::calls`] can fail,
//! by a result with too many components.

mod call;
mod declarations;

use std::collections::HashSet;

use proc_macro2::Ident;

use crate::{
    ir::{
        dim::Dim,
        graph::{Category, Graph, Id, Op, VarId},
        reduction::{self, Reduction, Weight},
        table::{self, Arguments, Operation},
    },
    syntax::{
        ast::{self, BinaryOp, Expr, ExprKind, Foreign, Item},
        error::{Errors, nearest},
        parse::constant,
        words,
    },
};

/// A checked item: the graph, the formulas that are reduced, and the reduction.
pub struct Checked {
    /// The graph. Its variables are in the order of the function's arguments.
    pub graph: Graph,
    /// The formula f, and the weight if there is one.
    pub values: Vec<Id>,
    /// The row of the reduction.
    pub reduction: &'static reduction::Row,
    /// The number K of a K-min; 1 for an arg-min.
    pub k: Dim,
}

/// Checks one item.
pub fn check(item: &Item) -> syn::Result<Checked> {
    let errors = Errors::from(item.faults.clone());
    let mut checker = Checker { item, graph: Graph::default(), used: HashSet::new(), lets: vec![], errors };
    checker.declarations();
    let values = checker.block(&item.body);
    let (row, k) = checker.reduction();
    if let (Some(values), Some(row)) = (&values, row) {
        checker.reduced(row, values);
    }
    checker.unused();
    let Checker { graph, errors, .. } = checker;
    errors.into_result()?;
    match (values, row, k) {
        (Some(values), Some(reduction), Some(k)) => Ok(Checked { graph, values, reduction, k }),
        _ => Err(syn::Error::new(item.name.span(), "this formula could not be checked")),
    }
}

struct Checker<'a> {
    item: &'a Item,
    graph: Graph,
    used: HashSet<VarId>,
    /// The bindings so far, the latest last; `None` where the value has a fault.
    lets: Vec<(&'a Ident, Option<Id>)>,
    errors: Errors,
}

impl<'a> Checker<'a> {
    fn block(&mut self, block: &'a ast::Body) -> Option<Vec<Id>> {
        for (name, value) in &block.lets {
            let value = self.formula(value);
            self.lets.push((name, value));
        }
        let values: Vec<Option<Id>> = block.values.iter().map(|value| self.formula(value)).collect();
        values.into_iter().collect()
    }

    /// The node of an expression; `None` if it has a fault, which is then among `errors`.
    fn formula(&mut self, expr: &Expr) -> Option<Id> {
        match &expr.kind {
            ExprKind::Integer(n) => Some(self.graph.constant(*n as f64)),
            ExprKind::Float(x) => Some(self.graph.constant(*x)),
            ExprKind::Name(name) => self.name(name),
            ExprKind::Neg(operand) => {
                let operand = self.formula(operand)?;
                Some(self.graph.neg(operand))
            }
            ExprKind::Binary(op, a, b) => self.binary(expr, *op, a, b),
            ExprKind::Call(name, args) => self.call(name, args),
            ExprKind::List(items) => {
                items.iter().for_each(|item| self.mention(item));
                self.errors.push(expr.span, "a list stands only where an operation takes one".to_owned());
                None
            }
            ExprKind::Foreign(foreign) => {
                self.errors.push(expr.span, &foreign.message);
                self.mention(expr);
                for part in foreign.parts.iter().filter(|part| !self.is_module(part)).collect::<Vec<_>>() {
                    self.formula(part);
                }
                None
            }
        }
    }

    fn name(&mut self, name: &Ident) -> Option<Id> {
        if let Some((_, value)) = self.lets.iter().rev().find(|(bound, _)| *bound == name) {
            return *value;
        }
        if let Some(v) = self.find_variable(name) {
            self.used.insert(v);
            return Some(self.graph.var(v));
        }
        if self.item.generics.contains(name) {
            // where no integer belongs it is a number like any other
            return Some(self.graph.count(&Dim::symbol(&name.to_string())));
        }
        if let Some(value) = constant(&name.to_string()) {
            return Some(self.graph.constant(value));
        }
        let message = if table::find(&name.to_string()).is_some() {
            format!("`{name}` is an operation: it needs arguments")
        } else {
            self.unknown(&name.to_string())
        };
        self.errors.push(name.span(), message);
        None
    }

    /// The message for an unknown name. The variable that the name was meant for, if one is near, counts as used.
    fn unknown(&mut self, name: &str) -> String {
        let names = self.graph.variables.iter().map(|v| v.name.clone());
        let names: Vec<String> = names.chain(self.lets.iter().map(|l| l.0.to_string())).collect();
        // names as in pykeops: `x_i`
        let bare = name.strip_suffix("_i").or_else(|| name.strip_suffix("_j"));
        let bare = bare.and_then(|bare| names.iter().map(String::as_str).find(|known| *known == bare));
        match bare.or_else(|| nearest(name, names.iter().map(String::as_str))) {
            Some(meant) => {
                self.used.extend(self.graph.variable_ids().find(|&v| self.graph.variable(v).name == meant));
                format!("unknown variable `{name}`, did you mean `{meant}`?")
            }
            None => words::variable(name),
        }
    }

    fn find_variable(&self, name: &Ident) -> Option<VarId> {
        self.graph.variable_ids().find(|&v| name == &self.graph.variable(v).name)
    }

    fn binary(&mut self, expr: &Expr, op: BinaryOp, a: &Expr, b: &Expr) -> Option<Id> {
        if op == BinaryOp::Power {
            return self.power(expr, a, b);
        }
        let (x, y) = (self.formula(a), self.formula(b));
        let (name, swap) = match op {
            BinaryOp::Equal => ("Equal", false),
            BinaryOp::NotEqual => ("NotEqual", false),
            BinaryOp::Less => ("LessThan", false),
            BinaryOp::Greater => ("LessThan", true),
            BinaryOp::LessEqual => ("LessOrEqual", false),
            BinaryOp::GreaterEqual => ("LessOrEqual", true),
            BinaryOp::Dot => ("Scalprod", false),
            BinaryOp::Add => ("Add", false),
            BinaryOp::Sub => ("Subtract", false),
            BinaryOp::Mul => ("Mult", false),
            BinaryOp::Div => ("Divide", false),
            BinaryOp::Power => unreachable!("taken above"),
        };
        let (mut formulas, mut spelled) = (vec![x?, y?], vec![a.to_string(), b.to_string()]);
        if swap {
            formulas.reverse();
            spelled.reverse();
        }
        let row = table::find(name).expect("the operators have rows");
        self.apply(row, &Arguments { formulas, spelled, ..Arguments::default() }, expr.span)
    }

    /// The node of `f ** g`: an integer exponent becomes a fixed power, 0.5 and -0.5 become square roots, others the
    /// general power.
    fn power(&mut self, expr: &Expr, a: &Expr, b: &Expr) -> Option<Id> {
        let (x, y) = (self.formula(a), self.formula(b));
        let (x, y) = (x?, y?);
        let fixed = |n: f64| (n.fract() == 0.0 && n.abs() < f64::from(i32::MAX)).then_some(n as i32);
        let root = match self.graph.constant_value(y) {
            Some(n) if fixed(n).is_some() => return Some(self.graph.powi(x, fixed(n)?)),
            Some(0.5) => "Sqrt",
            Some(-0.5) => "Rsqrt",
            _ => "Powf",
        };
        let mut args = Arguments { formulas: vec![x], spelled: vec![a.to_string()], ..Arguments::default() };
        if root == "Powf" {
            args.formulas.push(y);
            args.spelled.push(b.to_string());
        }
        self.apply(table::find(root).expect("the powers have rows"), &args, expr.span)
    }

    fn apply(&mut self, row: &Operation, args: &Arguments, span: proc_macro2::Span) -> Option<Id> {
        match row.apply(&mut self.graph, args) {
            Ok(id) => Some(id),
            Err(fault) => {
                self.errors.push(span, fault.0);
                None
            }
        }
    }

    /// Checks the number of formulas, and the dimension of an exponent, against the reduction.
    fn reduced(&mut self, row: &reduction::Row, values: &[Id]) {
        let body = &self.item.body;
        match (row.weight, values.len()) {
            (Weight::None, 1) | (Weight::Optional, 1 | 2) | (Weight::Required, 2) => {}
            (Weight::Radius, 2) => self.radius(row, values),
            (Weight::None, n) => self.errors.push(body.span, format!("`{}` reduces one formula, not {n}", row.name)),
            (Weight::Optional, _) => {
                self.errors.push(body.span, format!("`{}` reduces `f` or `(f, weight)`", row.name))
            }
            (Weight::Required, _) => {
                self.errors.push(body.span, format!("`{}` needs two formulas, `(f, weight)`", row.name));
            }
            (Weight::Radius, _) => {
                let compared = match &body.values[..] {
                    [Expr { kind: ExprKind::Binary(BinaryOp::LessEqual | BinaryOp::Less, a, b), .. }] => Some((a, b)),
                    [Expr { kind: ExprKind::Binary(BinaryOp::GreaterEqual | BinaryOp::Greater, a, b), .. }] => {
                        Some((b, a))
                    }
                    _ => None,
                };
                let meant = compared.map(|(f, radius)| format!(": write `({f}, {radius})`")).unwrap_or_default();
                self.errors.push(body.span, format!("`{}` needs two formulas, `(f, radius)`{meant}", row.name));
            }
        }
        let by_component = row.reduction == Reduction::LogSumExp && values.len() == 1;
        if row.reduction.is_exponential() && !by_component && !self.graph.is_scalar(values[0]) {
            let dim = self.graph.dim(values[0]).clone();
            let span = body.values[0].span;
            // without a weight the exponent may be a vector
            let with = if row.weight == Weight::Optional && row.reduction == Reduction::LogSumExp {
                " with a weight"
            } else {
                ""
            };
            let message =
                format!("`{}`{with} needs an exponent of dimension 1, this one has dimension {dim}", row.name);
            self.errors.push(span, message);
        }
    }

    /// Checks a formula and its radius.
    fn radius(&mut self, row: &reduction::Row, values: &[Id]) {
        for ((&value, expr), what) in values.iter().zip(&self.item.body.values).zip(["a formula", "a radius"]) {
            if !self.graph.is_scalar(value) {
                let dim = self.graph.dim(value).clone();
                let message = format!("`{}` needs {what} of dimension 1, this one has dimension {dim}", row.name);
                self.errors.push(expr.span, message);
            }
        }
        let over = self.item.reduction.over;
        let varying = |value| self.graph.dependence(value).iter().find(|&v| self.graph.variable(v).category == over);
        if let Some(v) = varying(values[1]) {
            if varying(values[0]).is_none() {
                let message = format!("the radius of `{}` is the second formula: `(f, radius)`", row.name);
                return self.errors.push(self.item.body.values[0].span, message);
            }
            let (name, index) = (&self.graph.variable(v).name, if over == Category::J { 'j' } else { 'i' });
            let message = format!(
                "the radius of `{}` is the same for all {index}, but `{name}` varies with {index}: compare `f - radius` with 0, as in \
                 `(f - radius, 0)`",
                row.name
            );
            self.errors.push(self.item.body.values[1].span, message);
        }
    }

    /// Counts the variables in an expression as used, for an expression that a fault keeps from being checked.
    fn mention(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Name(name) => self.used.extend(self.find_variable(name)),
            ExprKind::Integer(_) | ExprKind::Float(_) => {}
            ExprKind::Neg(operand) => self.mention(operand),
            ExprKind::Binary(_, a, b) => [a, b].into_iter().for_each(|operand| self.mention(operand)),
            ExprKind::Call(_, args) | ExprKind::List(args) => args.iter().for_each(|arg| self.mention(arg)),
            ExprKind::Foreign(Foreign { parts, names, .. }) => {
                self.used.extend(names.iter().filter_map(|name| self.find_variable(name)).collect::<Vec<_>>());
                parts.iter().for_each(|part| self.mention(part));
            }
        }
    }

    fn unused(&mut self) {
        for (v, decl) in self.graph.variable_ids().zip(&self.item.variables) {
            // of two variables with one name, which is a fault of its own, the second cannot be used
            if !self.used.contains(&v) && self.find_variable(&decl.name) == Some(v) {
                self.errors.push(decl.name.span(), format!("variable `{}` is never used", decl.name));
            }
        }
    }

    /// The variable that a node is, if it is one.
    fn as_variable(&self, id: Id) -> Option<VarId> {
        if let Op::Var(v) = *self.graph.op(id) { Some(v) } else { None }
    }
}
