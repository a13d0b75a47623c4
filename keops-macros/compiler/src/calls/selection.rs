//! Derivatives of what a reduction selects: the least, the greatest, the K least.
//!
//! Number q of the result of target i is f_c(p, x_i, y_j) for the j that the reduction found, and a component c of f.
//! At a fixed j its derivative is that of this term. The formulas of derivatives are the ordinary ones, of the pairs
//! (i, j) that were selected instead of all: rows of both ends are gathered, so that all of them are targets, and what
//! a formula gives for each pair is added to the rows that it belongs to (`keops_core::call::selection`). A cotangent of the
//! value is one number for each pair, and so is what the value changes by. That is closed under differentiation.
//!
//! A formula of several components reads the component of a pair from one more variable: a row of zeros with 1 there.

use super::{
    Part, Pass, PassReduction, Selected, Side,
    derive::{Derive, Rule},
    kind::Kind,
    saved::Reduced,
};
use crate::{
    ir::{
        dim::Dim,
        graph::{Category, Id, VarId},
    },
    lower::{self, Program},
};

/// See the [module](self).
pub(super) struct Selecting {
    /// The pass that finds the row numbers.
    pub(super) pass: Pass,
    /// The variables that have one number for each pair.
    pub(super) pairs: Vec<VarId>,
    /// What tells the component of a pair, if f has several.
    component: Option<VarId>,
    /// Numbers in a row of the value.
    width: Dim,
}

impl Derive {
    /// Adds the pass that finds the row numbers, and the derivatives of the value.
    pub(super) fn select(&mut self, reduction: PassReduction, width: &Dim, f: Id, order: u32) {
        let inputs = self.inputs.clone();
        let program = lower::lower(&mut self.graph, &[f], &inputs, self.target, false);
        let pass = Pass { name: "Selection".to_owned(), program, reduction, parts: vec![] };
        let component = (!self.graph.is_scalar(f)).then(|| self.new_variable(self.target, self.graph.dim(f).clone()));
        let formula = match component {
            Some(component) => {
                let there = self.graph.var(component);
                self.graph.dot(there, f)
            }
            None => f,
        };
        self.selecting = Some(Selecting { pass, pairs: vec![], component, width: width.clone() });
        let (of, kind) = (Reduced::Sum(formula), Kind::value(inputs.len()));
        let rule = Rule { of, kind, arguments: inputs, target: Side::Pair, gradient: None, out: width.clone() };
        self.derivatives(rule, order);
    }

    /// The program of formulas of pairs.
    pub(super) fn lower_selected(&mut self, formulas: &[Id], arguments: &[VarId]) -> Program {
        let component = self.selecting.as_ref().and_then(|selecting| selecting.component);
        let variables: Vec<VarId> = arguments.iter().copied().chain(component).collect();
        lower::lower_rows(&mut self.graph, formulas, &variables)
    }

    /// The call that gives all gradients, in one pass over the pairs.
    pub(super) fn all_selected(&mut self, name: String, rule: &Rule, gradients: &[Id], arguments: &[VarId]) {
        let program = self.lower_selected(gradients, arguments);
        let part = |(field, &v): (usize, &VarId)| {
            let dim = self.width(self.side(v), &self.graph.variable(v).dim);
            Part { field, dim, total: false, gradient: Some(field) }
        };
        let parts = rule.arguments.iter().enumerate().map(part).collect();
        let pass = Pass { name: format!("{name}Pairs"), program, reduction: PassReduction::new("Sum", None), parts };
        let selected = self.selected(arguments, rule.arguments.iter().map(|&v| self.side(v)).collect());
        self.push_gradients(name, vec![pass], &rule.arguments, vec![], selected);
    }

    /// See [`Selected`]; nothing where all pairs are summed.
    pub(super) fn selected(&self, arguments: &[VarId], parts: Vec<Side>) -> Option<Selected> {
        let arguments = || arguments.iter().map(|&v| self.side(v)).collect();
        self.selecting.as_ref().map(|_| Selected { arguments: arguments(), parts })
    }

    /// What a variable's rows belong to.
    pub(super) fn side(&self, v: VarId) -> Side {
        match &self.selecting {
            Some(selecting) if selecting.pairs.contains(&v) => Side::Pair,
            _ => Side::Index(self.graph.variable(v).category),
        }
    }

    /// The index of an argument or of a result.
    pub(super) fn category(&self, side: Side) -> Category {
        match side {
            Side::Index(category) => category,
            Side::Pair => self.target,
        }
    }

    /// Numbers in a row of an argument or of a result, which in a formula has this dimension.
    pub(super) fn width(&self, side: Side, dim: &Dim) -> Dim {
        match (side, &self.selecting) {
            (Side::Pair, Some(selecting)) => selecting.width.clone(),
            _ => dim.clone(),
        }
    }
}
