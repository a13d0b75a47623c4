//! Derivatives of selected values: of the least, the greatest, the K least.
//!
//! Number q of the result of target i is f_c(p, x_i, y_j) for a component c of f and the j that the reduction found.
//! With this j fixed, its derivative is that of the one term. The formulas of derivatives are the ordinary ones, for
//! the selected pairs (i, j) instead of all pairs: the rows of both ends are gathered, so that all variables are
//! targets, and the value of the formula for a pair is added to the row that it belongs to
//! (`keops_core::call::selection`). A cotangent of the value is one number for each pair, and so is a change of the
//! value, so derivatives of any order have this form.
//!
//! If f has several components, the formula reads the component of a pair from one more variable, whose row is 1 at
//! this component and 0 elsewhere.

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

/// The selection of an item, see the [module](self).
pub(super) struct Selecting {
    /// The pass that finds the row numbers.
    pub(super) pass: Pass,
    /// The variables that have one number for each pair.
    pub(super) pairs: Vec<VarId>,
    /// The variable that tells the component of a pair, if f has several components.
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

    /// Lowers formulas of selected pairs.
    pub(super) fn lower_selected(&mut self, formulas: &[Id], arguments: &[VarId]) -> Program {
        let component = self.selecting.as_ref().and_then(|selecting| selecting.component);
        let variables: Vec<VarId> = arguments.iter().copied().chain(component).collect();
        lower::lower_rows(&mut self.graph, formulas, &variables)
    }

    /// Adds the call that gives all gradients, in one pass over the selected pairs.
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

    /// Whose rows the arguments and the results of a call have, if it is of selected pairs.
    pub(super) fn selected(&self, arguments: &[VarId], parts: Vec<Side>) -> Option<Selected> {
        let arguments = || arguments.iter().map(|&v| self.side(v)).collect();
        self.selecting.as_ref().map(|_| Selected { arguments: arguments(), parts })
    }

    /// The side of a variable.
    pub(super) fn side(&self, v: VarId) -> Side {
        match &self.selecting {
            Some(selecting) if selecting.pairs.contains(&v) => Side::Pair,
            _ => Side::Index(self.graph.variable(v).category),
        }
    }

    /// The category of an argument or a result of this side, as a variable of a formula.
    pub(super) fn category(&self, side: Side) -> Category {
        match side {
            Side::Index(category) => category,
            Side::Pair => self.target,
        }
    }

    /// The numbers in a row of an argument or a result that has this dimension in a formula.
    pub(super) fn width(&self, side: Side, dim: &Dim) -> Dim {
        match (side, &self.selecting) {
            (Side::Pair, Some(selecting)) => selecting.width.clone(),
            _ => dim.clone(),
        }
    }
}
