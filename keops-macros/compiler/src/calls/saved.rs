//! What a pass saves for each target, and its derivatives.
//!
//! The formula of a call may read rows that depend on the inputs through all sources: s_t = log Σ exp f, say. They are
//! variables of the graph, so the derivative of the formula has a part through each of them, and the derivative of s
//! itself is a sum over the same pairs. A second derivative is therefore a chain of passes, each of which reads the rows
//! that the earlier ones left:
//!
//! - forwards, s changes by ds_t = Σ (its tangent in f), which is saved before the sum that reads it;
//! - in reverse, the cotangent of s is Σ (∂F/∂s)ᵀ e, which is saved, and then handed to the f that s was made of.
//!
//! Every pass has the targets and the sources of the value, and saves one row for each target: O(N + M) memory, at any
//! order.

use super::{Pass, PassReduction, Piece, Saved, derive::Derive};
use crate::{
    differentiate::{diff, grads},
    dim::Dim,
    graph::{Graph, Id, VarId},
    lower,
    reduction::Reduction,
    table::Fun,
};

/// What is reduced to a row of a result, as far as its derivatives go.
#[derive(Clone, Copy)]
pub(super) enum Reduced {
    /// Σ of the formula.
    Sum(Id),
    /// The row that a pass saved of an exponential reduction. `all` is what the pass saved, else what the user sees of
    /// it: (log Σ exp f, a) and a, for a softmax.
    Exponential { reduction: Reduction, f: Id, weight: Option<Id>, row: Id, all: bool },
}

/// See the [module](self).
pub(super) struct Source {
    variable: VarId,
    of: Reduced,
    arguments: Vec<VarId>,
    pub(super) saved: Saved,
}

impl Derive {
    /// Which saved rows the formulas read.
    pub(super) fn reads(&self, formulas: &[Id]) -> Vec<usize> {
        let reads = |source: &Source| formulas.iter().any(|&f| self.graph.depends(f, source.variable));
        (0..self.saved.len()).filter(|&k| reads(&self.saved[k])).collect()
    }

    /// The variables of formulas that read these rows besides the arguments.
    pub(super) fn variables(&self, arguments: &[VarId], reads: &[usize]) -> Vec<VarId> {
        arguments.iter().copied().chain(reads.iter().map(|&k| self.saved[k].variable)).collect()
    }

    /// Saves what derivatives need of the result of an exponential reduction of `roots`, which are f and the weight with the
    /// exponent to base 2; the result, as the user sees it.
    pub(super) fn save_value(&mut self, reduction: Reduction, f: Id, weight: Option<Id>, roots: &[Id]) -> Reduced {
        let out = self.graph.dim(weight.unwrap_or(f)).clone();
        let (path, dim) = match reduction {
            Reduction::SumSoftMaxWeight => {
                ("SoftMaxSaved", out.checked_add(&Dim::number(1)).expect("a dimension that was checked"))
            }
            _ => ("LogSumExpSaved", out),
        };
        let variable = self.new_variable(dim.clone());
        let row = self.graph.var(variable);
        let arguments = self.inputs.clone();
        let pass = Pass {
            name: "Saved".to_owned(),
            program: lower::lower(&mut self.graph, roots, &arguments, self.target, true),
            reduction: PassReduction::Named(path, None),
            pieces: vec![Piece { field: 0, dim, total: false, gradient: None }],
        };
        let saved = Saved { pass, arguments: arguments.len(), reads: vec![] };
        let of = |all| Reduced::Exponential { reduction, f, weight, row, all };
        self.saved.push(Source { variable, of: of(true), arguments, saved });
        of(false)
    }

    /// Saves Σ `formula` for each target, or finds where that was done; the rows, as a node.
    fn save(&mut self, formula: Id, arguments: &[VarId]) -> Id {
        // what the formula does not need is left out, but for the inputs, which tell the number of rows
        let last = arguments.iter().rposition(|&v| self.graph.depends(formula, v)).map_or(0, |last| last + 1);
        let arguments = &arguments[..last.max(self.inputs.len())];
        let same =
            |source: &&Source| matches!(source.of, Reduced::Sum(f) if f == formula) && source.arguments == arguments;
        if let Some(source) = self.saved.iter().find(same) {
            return self.graph.var(source.variable);
        }
        let reads = self.reads(&[formula]);
        let variables = self.variables(arguments, &reads);
        let dim = self.graph.dim(formula).clone();
        let program = lower::lower(&mut self.graph, &[formula], &variables, self.target, false);
        let pass = Pass {
            name: format!("Saved{}", self.saved.len() + 1),
            program,
            reduction: PassReduction::Named(self.sum, None),
            pieces: vec![Piece { field: 0, dim: dim.clone(), total: false, gradient: None }],
        };
        let saved = Saved { pass, arguments: arguments.len(), reads };
        let variable = self.new_variable(dim);
        self.saved.push(Source { variable, of: Reduced::Sum(formula), arguments: arguments.to_vec(), saved });
        self.graph.var(variable)
    }

    /// A variable for rows that are saved, with a name that no other has.
    pub(super) fn new_variable(&mut self, dim: Dim) -> VarId {
        let taken = |name: &String| self.graph.variables.iter().any(|variable| variable.name == *name);
        let name = (self.saved.len() + 1..)
            .map(|n| if n == 1 { "saved".to_owned() } else { format!("saved{n}") })
            .find(|name| !taken(name))
            .expect("integers do not end");
        self.graph.push_variable(name, self.target, dim)
    }

    /// The gradient in each of the arguments, as formulas to be summed, for the cotangent `e` of the result.
    pub(super) fn gradients(&mut self, of: Reduced, e: Id, arguments: &[VarId], with_e: &[VarId]) -> Vec<Id> {
        let mut cotangents = self.cotangents(of, e);
        for k in (0..self.saved.len()).rev() {
            let Source { variable, of, .. } = self.saved[k];
            if !cotangents.iter().any(|&(f, _)| self.graph.depends(f, variable)) {
                continue;
            }
            let part = grads(&mut self.graph, &cotangents, &[variable])[0];
            if !self.graph.is_zero(part) {
                let e = self.save(part, with_e);
                let more = self.cotangents(of, e);
                cotangents.extend(more);
            }
        }
        grads(&mut self.graph, &cotangents, arguments)
    }

    /// The change of the result along the tangent `u` of `v`, as a formula to be summed.
    pub(super) fn tangent(&mut self, of: Reduced, v: VarId, u: Id, with_u: &[VarId]) -> Id {
        let mut tangents = vec![(v, u)];
        for k in self.chain(of) {
            let change = self.change(self.saved[k].of, &tangents);
            if !self.graph.is_zero(change) {
                let change = self.save(change, with_u);
                tangents.push((self.saved[k].variable, change));
            }
        }
        self.change(of, &tangents)
    }

    /// The saved rows that the formulas of `of` depend on, directly or not, each after those that it depends on.
    fn chain(&self, of: Reduced) -> Vec<usize> {
        let mut formulas = of.formulas();
        let mut chain = Vec::new();
        for k in (0..self.saved.len()).rev() {
            if formulas.iter().any(|&f| self.graph.depends(f, self.saved[k].variable)) {
                formulas.extend(self.saved[k].of.formulas());
                chain.push(k);
            }
        }
        chain.reverse();
        chain
    }

    /// The cotangents of the formulas under a reduction, for the cotangent `e` of its row.
    fn cotangents(&mut self, of: Reduced, e: Id) -> Vec<(Id, Id)> {
        let g = &mut self.graph;
        let (reduction, f, weight, row, all) = match of {
            Reduced::Sum(f) => return vec![(f, e)],
            Reduced::Exponential { reduction, f, weight, row, all } => (reduction, f, weight, row, all),
        };
        match weight {
            Some(weight) if reduction == Reduction::SumSoftMaxWeight => {
                let (w, centred) = soft_max_parts(g, f, weight, row);
                let zero = g.constant(0.0);
                let (of_log, e) = if all { split(g, e, weight) } else { (zero, e) };
                let (weight_part, inner) = (g.mul(w, e), g.dot(e, centred));
                let inner = g.add(of_log, inner);
                vec![(f, g.mul(w, inner)), (weight, weight_part)]
            }
            Some(weight) => {
                let w = shifted_exp(g, f, row);
                let e = g.mul(w, e);
                vec![(f, g.dot(e, weight)), (weight, e)]
            }
            None => {
                let w = shifted_exp(g, f, row);
                vec![(f, g.mul(w, e))]
            }
        }
    }

    /// The term of the change of a row, along the tangents of variables.
    fn change(&mut self, of: Reduced, tangents: &[(VarId, Id)]) -> Id {
        let g = &mut self.graph;
        let along = |g: &mut Graph, f: Id| {
            let zero = g.zero(g.dim(f).clone());
            tangents.iter().fold(zero, |sum, &(v, u)| {
                let part = diff(g, f, v, u);
                g.add(sum, part)
            })
        };
        let (reduction, f, weight, row, all) = match of {
            Reduced::Sum(f) => return along(g, f),
            Reduced::Exponential { reduction, f, weight, row, all } => (reduction, f, weight, row, all),
        };
        let df = along(g, f);
        let Some(weight) = weight else {
            let w = shifted_exp(g, f, row);
            return g.mul(w, df);
        };
        let dg = along(g, weight);
        let soft_max = reduction == Reduction::SumSoftMaxWeight;
        let (w, slope) = if soft_max { soft_max_parts(g, f, weight, row) } else { (shifted_exp(g, f, row), weight) };
        let change = g.mul(slope, df);
        let change = g.add(change, dg);
        let change = g.mul(w, change);
        let change = g.broadcast(change, &g.dim(weight).clone());
        if soft_max && all {
            let of_log = g.mul(w, df);
            return g.concat(&[of_log, change]).expect("the dimension of the row");
        }
        change
    }
}

impl Reduced {
    /// The formulas that it depends on.
    fn formulas(self) -> Vec<Id> {
        match self {
            Reduced::Sum(f) => vec![f],
            Reduced::Exponential { f, weight, .. } => std::iter::once(f).chain(weight).collect(),
        }
    }
}

/// exp(f - a)
fn shifted_exp(g: &mut Graph, f: Id, a: Id) -> Id {
    let exponent = g.sub(f, a);
    g.fun(Fun::Exp, &[exponent])
}

/// exp(f - log Σ exp f) and g - a, from what the pass saved: (log Σ exp f, a).
fn soft_max_parts(g: &mut Graph, f: Id, weight: Id, row: Id) -> (Id, Id) {
    let (log_sum, mean) = split(g, row, weight);
    (shifted_exp(g, f, log_sum), g.sub(weight, mean))
}

/// The two parts of a row that was saved for a softmax with this weight.
fn split(g: &mut Graph, row: Id, weight: Id) -> (Id, Id) {
    let (one, dim) = (Dim::number(1), g.dim(weight).clone());
    (g.extract(row, Dim::default(), one.clone()), g.extract(row, one, dim))
}
