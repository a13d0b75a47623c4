//! Saved rows: results of passes that the formulas of further passes read, and their derivatives.
//!
//! The formula of a call may read rows that depend on the inputs through all sources, as s_t = log Σ exp f does. Such
//! rows are a variable of the graph, so the derivative of the formula has a part through them, and the derivative of
//! s is itself a sum over the same pairs. A second derivative is therefore a chain of passes, each of which reads the
//! rows that earlier passes left:
//!
//! - In forward mode, s changes by a sum ds_t over the pairs of target t. It is saved before the pass that reads it.
//! - In reverse mode, the cotangent of s is the sum Σ (∂F/∂s)ᵀ e. It is saved, and then handed on to the formula that
//!   s was computed from.
//!
//! Derivatives of a mean read the number of sources that each target meets, which is known without a pass and has no
//! derivatives.
//!
//! Every pass has the targets and the sources of the value, and saves one row for each target, so memory stays O(N +
//! M) at any order.

use super::{Part, Pass, PassReduction, Saved, derive::Derive, product};
use crate::{
    ir::{
        differentiate::{diff, grads, is_linear},
        dim::Dim,
        graph::{Category, Graph, Id, Op, VarId},
        table::Fun,
    },
    lower,
};

/// How a row of a result, or a saved row, depends on formulas: what its derivatives are derived from.
#[derive(Clone, Copy)]
pub(super) enum Reduced {
    /// The row is the sum of the formula.
    Sum(Id),
    /// The row is that of an exponential reduction: the row that a pass saves of it, or the row that the user sees.
    Exponential(Exponential),
    /// The row belongs to a source: it is the value of the formula there, less what these values have in common.
    Source(Id),
    /// The row is that of a product of `f`. A pass saves the mantissa, the exponent and the number of factors 0 of
    /// each component, then `sums` power sums of these factors. With `all` the row is this saved row, else the
    /// product that the user sees.
    Product { f: Id, row: Id, sums: u64, all: bool },
    /// The row has no derivatives: the number of sources, or the rounding error of a saved row.
    Constant,
}

/// An exponential reduction, with the weights w = 2^(e - m) r of its terms. A pass saves the shift m and the
/// reciprocal r: see `LogSumExpSaved` and `SoftMaxSaved` in `keops_core::reduction`.
#[derive(Clone, Copy)]
pub(super) struct Exponential {
    /// Whether the result is the mean Σ w g of the weight g; else it is log Σ exp(f) g.
    mean: bool,
    f: Id,
    /// The exponent e to base 2, without the part of f that all sources of a target have in common.
    exponent: Id,
    /// A factor that is 1, or 0 for a target whose exponents are all -infinity because their common part is. `None`
    /// if it is 1 for all targets.
    counts: Option<Id>,
    weight: Option<Id>,
    /// The weight of a mean without the part that all sources of a target have in common. The saved mean is the mean
    /// of these centred weights.
    centred: Option<Id>,
    /// The exact mean of the centred weights less the saved one, which was rounded. `None` where all terms of the
    /// weights are centred: the saved mean is then small, and so is its rounding error.
    rest: Option<Id>,
    row: Id,
    /// Whether this is the row that the pass saves; else it is the row that the user sees.
    saved: bool,
}

/// A variable of the sources by whose common part an exponent changes by the same number for all sources of a target.
struct Shift {
    variable: VarId,
    /// What it is multiplied with: nodes of targets and parameters.
    factors: Vec<Id>,
}

/// Saved rows, and what their derivatives are derived from; see the [module](self).
pub(super) struct Source {
    variable: VarId,
    of: Reduced,
    arguments: Vec<VarId>,
    pub(super) saved: Saved,
}

impl Derive {
    /// The numbers of the saved rows that the formulas read.
    pub(super) fn reads(&self, formulas: &[Id]) -> Vec<usize> {
        let reads = |source: &Source| formulas.iter().any(|&f| self.graph.depends(f, source.variable));
        (0..self.saved.len()).filter(|&k| reads(&self.saved[k])).collect()
    }

    /// The variables of a pass that reads these saved rows: the arguments, then the saved rows.
    pub(super) fn variables(&self, arguments: &[VarId], reads: &[usize]) -> Vec<VarId> {
        arguments.iter().copied().chain(reads.iter().map(|&k| self.saved[k].variable)).collect()
    }

    /// Saves the rows that derivatives of a LogSumExp need. Returns the row that the user sees.
    pub(super) fn save_sums(&mut self, f: Id, weight: Option<Id>) -> Reduced {
        let (path, dim) = match weight {
            None if !self.graph.is_scalar(f) => ("LogSumExpsSaved", self.graph.dim(f).checked_mul(&Dim::number(2))),
            _ => ("LogSumExpSaved", self.graph.dim(weight.unwrap_or(f)).checked_add(&Dim::number(1))),
        };
        self.save_exponential((path, dim), f, weight, None, false)
    }

    /// Saves the rows that derivatives of a softmax need. Returns the row that the user sees.
    pub(super) fn save_mean(&mut self, f: Id, weight: Id) -> Reduced {
        let (centred, small) = self.centred(weight);
        let dim = self.graph.dim(weight).checked_add(&Dim::number(2));
        let mean = self.save_exponential(("SoftMaxSaved", dim), f, Some(weight), Some(centred), true);
        if small { mean } else { self.with_rest(mean) }
    }

    /// Saves the rounding error of the saved mean by one more pass: the mean of the differences from it. Weights that
    /// are large and near each other differ from each other by less than this error.
    fn with_rest(&mut self, mean: Reduced) -> Reduced {
        let (Reduced::Exponential(of), Some(last)) = (mean, self.saved.len().checked_sub(1)) else { return mean };
        let Reduced::Exponential(saved) = self.saved[last].of else { return mean };
        let g = &mut self.graph;
        let Some(slope) = saved.less_mean(g) else { return mean };
        let (shift, reciprocal, _) = saved.parts(g, saved.row);
        let w = saved.power(g, shift);
        let w = g.mul(reciprocal, w);
        let difference = saved.counted(g, w, slope);
        let arguments = self.inputs.clone();
        let rest = Some(self.save_sum(difference, &arguments, Reduced::Constant));
        self.saved[last].of = Reduced::Exponential(Exponential { rest, ..saved });
        Reduced::Exponential(Exponential { rest, ..of })
    }

    /// Saves rows of this dimension by a pass with this reduction. Returns the row that the user sees.
    fn save_exponential(
        &mut self,
        (reduction, dim): (&'static str, Option<Dim>),
        f: Id,
        weight: Option<Id>,
        centred: Option<Id>,
        mean: bool,
    ) -> Reduced {
        let (differences, counts) = self.differences(f);
        let exponent = lower::bounded_terms(&mut self.graph, differences, self.target);
        let exponent = lower::to_base_two(&mut self.graph, exponent, self.target);
        let roots: Vec<Id> = std::iter::once(exponent).chain(centred.or(weight)).collect();
        let dim = dim.expect("a dimension that was checked");
        let variable = self.new_variable(self.target, dim.clone());
        let row = self.graph.var(variable);
        let arguments = self.inputs.clone();
        let reads = self.reads(&roots);
        let variables = self.variables(&arguments, &reads);
        let pass = Pass {
            name: "Saved".to_owned(),
            program: lower::lower(&mut self.graph, &roots, &variables, self.target, true),
            reduction: PassReduction::new(reduction, None),
            parts: vec![Part { field: 0, dim, total: false, gradient: None }],
        };
        let saved = Saved::Pass { pass, arguments: arguments.len(), reads };
        // a mean depends on differences of exponents only, a sum on the exponents themselves
        let of = if mean { differences } else { f };
        let result = Exponential { mean, f: of, exponent, counts, weight, centred, rest: None, row, saved: false };
        // the saved row was computed from formulas without their common part, so its derivatives are derived from
        // these
        let of = Exponential { f: differences, weight: centred.or(weight), saved: true, ..result };
        self.saved.push(Source { variable, of: Reduced::Exponential(of), arguments, saved });
        Reduced::Exponential(result)
    }

    /// The exponent and the weight of a mean, as its value takes them, the saved rows that they read, and those that
    /// they read in the place of an argument. The mean does not depend on what the exponents of all sources have in
    /// common, so rows of the sources that the exponent is linear in are centred.
    ///
    /// Terms of the target stay, since the difference from them may be exact. An exponent that has such terms is left as
    /// it is.
    pub(super) fn centred_mean(&mut self, values: &[Id]) -> (Vec<Id>, Vec<usize>, Vec<(usize, usize)>) {
        let mut values = values.to_vec();
        let mut replaced = Vec::new();
        for shift in self.shifts(values[0]) {
            let Some(argument) = self.inputs.iter().position(|&v| v == shift.variable) else { continue };
            let variable = self.graph.var(shift.variable);
            let rows = self.centred_factor(&shift);
            if values.get(1).is_some_and(|&weight| self.graph.depends(weight, shift.variable)) {
                let rows = self.graph.var(self.saved[rows].variable);
                values[0] = self.graph.substitute(values[0], variable, rows);
            } else {
                replaced.push((argument, rows));
            }
        }
        let saved = self.reads(&values);
        (values, saved, replaced)
    }

    /// An exponent with the centred rows in the place of those that are multiplied with something of the target, as k in
    /// (q | k).
    fn of_centred_factors(&mut self, mut f: Id) -> Id {
        for shift in self.shifts(f).into_iter().filter(|shift| !shift.factors.is_empty()) {
            let variable = self.graph.var(shift.variable);
            let rows = self.centred_factor(&shift);
            let rows = self.graph.var(self.saved[rows].variable);
            f = self.graph.substitute(f, variable, rows);
        }
        f
    }

    /// The number of the saved rows that are those of a variable of the sources, less what they have in common.
    fn centred_factor(&mut self, shift: &Shift) -> usize {
        let of_factors = |v: VarId| shift.factors.iter().any(|&factor| self.graph.depends(factor, v));
        let beside = (0..self.inputs.len()).filter(|&k| of_factors(self.inputs[k])).collect();
        let variable = self.graph.var(shift.variable);
        self.centred_source(variable, Some(beside))
    }

    /// The variables of the sources that an exponent is linear in, times numbers or what is linear in the target. None if
    /// the exponent has terms without a source: k - c may be exact where k is near c, and would not be so any more.
    fn shifts(&mut self, f: Id) -> Vec<Shift> {
        let of_sources = self.graph.dependence(f).iter().filter(|&v| self.graph.variable(v).category == self.source());
        let mut shifts = Vec::new();
        for variable in of_sources.collect::<Vec<_>>() {
            let mut factors = Vec::new();
            if self.is_shift(f, variable, &[], &mut factors) {
                factors.sort_unstable();
                factors.dedup();
                shifts.push(Shift { variable, factors });
            }
        }
        let of_target = |g: &Graph, v: VarId, target| g.variable(v).category == target;
        shifts.retain(|shift| {
            shift.factors.iter().all(|&factor| {
                let rows: Vec<VarId> = self.graph.dependence(factor).iter().collect();
                rows.into_iter()
                    .all(|v| !of_target(&self.graph, v, self.target) || is_linear(&mut self.graph, factor, v))
            })
        });
        shifts
    }

    /// Whether `f` is a sum of `variable`, times `around` and other factors of the target, and of terms of other variables
    /// of the sources; adds the factors to `factors`.
    fn is_shift(&self, f: Id, variable: VarId, around: &[Id], factors: &mut Vec<Id>) -> bool {
        if !self.is_of_sources(f) {
            return self.graph.is_zero(f);
        }
        if !self.graph.depends(f, variable) {
            let is_sum = matches!(self.graph.op(f), Op::Add | Op::Sub | Op::Neg);
            return !is_sum || self.graph.args(f).iter().all(|&arg| self.is_shift(arg, variable, around, factors));
        }
        if *self.graph.op(f) == Op::Var(variable) {
            factors.extend_from_slice(around);
            return true;
        }
        let Some(linear) = self.linear_in(f) else { return false };
        let args = self.graph.args(f);
        let others = || args.iter().enumerate().filter(|(k, _)| !linear.contains(k)).map(|(_, &arg)| arg);
        let of_target =
            |&id: &Id| self.graph.dependence(id).iter().any(|v| self.graph.variable(v).category == self.target);
        if *self.graph.op(f) == Op::Div && others().any(|id| of_target(&id)) {
            return false;
        }
        let around: Vec<Id> = around.iter().copied().chain(others().filter(of_target)).collect();
        let is_concat = *self.graph.op(f) == Op::Concat;
        linear
            .clone()
            .all(|k| is_concat && !self.is_of_sources(args[k]) || self.is_shift(args[k], variable, &around, factors))
    }

    /// An exponent without the part that all sources of a target have in common, whose size would take digits from
    /// the differences: f without terms that are the same for all sources, and with variables of the sources replaced
    /// by centred ones where f is linear in them. The second value is [`Exponential::counts`]: 1, or 0 for a target
    /// all of whose exponents are -infinity because of the terms left out.
    fn differences(&mut self, f: Id) -> (Id, Option<Id>) {
        if !self.is_of_sources(f) {
            return (f, None);
        }
        let f = self.of_centred_factors(f);
        let (own, common) = self.own_and_common(f, true);
        if own == f {
            return (f, None);
        }
        let g = &mut self.graph;
        // sign(1/t)², which is NaN where t is NaN and 0 where t is infinite
        let counts = (!g.is_zero(common) && g.constant_value(common).is_none()).then(|| {
            let inverse = g.fun(Fun::Inv, &[common]);
            let sign = g.fun(Fun::Sign, &[inverse]);
            g.powi(sign, 2)
        });
        (own, counts)
    }

    /// An exponent, or a part that it is linear in, as two terms: one of the differences between sources, and one that
    /// is the same for all sources of a target. The first is built as `f` is, so it costs no more; it is `f` itself
    /// if nothing is left out. `is_term` is false for factors of something of the target, whose rows stay as they are
    /// here: see [`Self::of_centred_factors`].
    fn own_and_common(&mut self, f: Id, is_term: bool) -> (Id, Id) {
        let zero = self.graph.zero(self.graph.dim(f).clone());
        if !self.is_of_sources(f) {
            return (zero, f);
        }
        let args = self.graph.args(f).to_vec();
        let Some(linear) = self.linear_in(f) else {
            return (if is_term { self.centred_term(f) } else { f }, zero);
        };
        let is_sum = matches!(self.graph.op(f), Op::Add | Op::Sub);
        let of_target =
            |&id: &Id| self.graph.dependence(id).iter().any(|v| self.graph.variable(v).category == self.target);
        let is_term =
            is_sum || is_term && !args.iter().enumerate().any(|(k, id)| !linear.contains(&k) && of_target(id));
        let (mut own, mut common) = (args.clone(), args.clone());
        let mut has_common = false;
        for k in linear {
            (own[k], common[k]) = self.own_and_common(args[k], is_term);
            has_common |= !self.graph.is_zero(common[k]);
        }
        if own == args {
            return (f, zero);
        }
        (self.graph.rebuild(f, &own), if has_common { self.graph.rebuild(f, &common) } else { zero })
    }

    /// The arguments in which an operation is linear, all together, its other arguments being the same for all
    /// sources; `None` if it is linear in none.
    fn linear_in(&self, f: Id) -> Option<std::ops::Range<usize>> {
        match (self.graph.op(f), self.graph.args(f)) {
            (
                Op::Add | Op::Sub | Op::Neg | Op::Sum | Op::Broadcast | Op::View(_) | Op::Spread(_) | Op::Concat,
                args,
            ) => Some(0..args.len()),
            (Op::Mul | Op::MatVec | Op::VecMat | Op::Outer, &[a, _]) if !self.is_of_sources(a) => Some(1..2),
            (Op::Mul | Op::Div | Op::MatVec | Op::VecMat | Op::Outer, &[_, b]) if !self.is_of_sources(b) => Some(0..1),
            _ => None,
        }
    }

    /// The index of the sources, which the value reduces over.
    fn source(&self) -> Category {
        if self.target == Category::I { Category::J } else { Category::I }
    }

    /// Whether a formula depends on the source.
    fn is_of_sources(&self, f: Id) -> bool {
        self.graph.dependence(f).iter().any(|v| self.graph.variable(v).category == self.source())
    }

    /// A term of an exponent, with a variable of the sources replaced by the centred one if this variable is the only
    /// one besides parameters and the term is linear in it; else the term itself.
    fn centred_term(&mut self, term: Id) -> Id {
        let of_rows: Vec<VarId> =
            (self.graph.dependence(term).iter()).filter(|&v| self.graph.variable(v).category != Category::P).collect();
        let &[v] = of_rows.as_slice() else { return term };
        if !is_linear(&mut self.graph, term, v) {
            return term;
        }
        let variable = self.graph.var(v);
        let centred = self.centred_rows(variable);
        self.graph.substitute(term, variable, centred)
    }

    /// The centred weight: without terms of the target alone, and with terms of the source alone replaced by centred
    /// ones. The mean of large numbers near each other is rounded to fewer digits than their differences have. The
    /// second value is false if the weight has other terms, which may be large for all sources of a target.
    fn centred(&mut self, weight: Id) -> (Id, bool) {
        if !self.is_of_sources(weight) {
            return (self.graph.zero(self.graph.dim(weight).clone()), true);
        }
        let of_target = |v| self.graph.variable(v).category == self.target;
        if !self.graph.dependence(weight).iter().any(of_target) {
            return (self.centred_rows(weight), true);
        }
        let args = self.graph.args(weight).to_vec();
        let Some(linear) = self.linear_in(weight) else { return (weight, false) };
        let (mut parts, mut small) = (args.clone(), true);
        for k in linear {
            let part = self.centred(args[k]);
            parts[k] = part.0;
            small &= part.1;
        }
        (if parts == args { weight } else { self.graph.rebuild(weight, &parts) }, small)
    }

    /// The node of the saved rows that have the values of a formula of the source alone, less what these values have
    /// in common.
    fn centred_rows(&mut self, weight: Id) -> Id {
        let number = self.centred_source(weight, None);
        self.graph.var(self.saved[number].variable)
    }

    /// The number of the saved rows of [`Self::centred_rows`]; `beside` is that of [`Saved::Centred`].
    fn centred_source(&mut self, weight: Id, beside: Option<Vec<usize>>) -> usize {
        let of: Vec<usize> = (0..self.inputs.len()).filter(|&k| self.graph.depends(weight, self.inputs[k])).collect();
        let same = |source: &Source| {
            matches!(source.of, Reduced::Source(of) if of == weight)
                && matches!(&source.saved, Saved::Centred { beside: others, .. } if *others == beside)
        };
        if let Some(number) = self.saved.iter().position(same) {
            return number;
        }
        let dim = self.graph.dim(weight).clone();
        let pass = (!matches!(self.graph.op(weight), Op::Var(_))).then(|| {
            let variables: Vec<VarId> = of.iter().map(|&k| self.inputs[k]).collect();
            let is_formula = |source: &&Source| matches!(source.saved, Saved::Centred { pass: Some(_), .. });
            let name = match self.saved.iter().filter(is_formula).count() {
                0 => "Weight".to_owned(),
                n => format!("Weight{}", n + 1),
            };
            Pass {
                name,
                program: lower::lower_rows(&mut self.graph, &[weight], &variables),
                reduction: PassReduction::new("Sum", None),
                parts: vec![],
            }
        });
        let variable = self.new_variable(self.source(), dim);
        let arguments = self.inputs.clone();
        let saved = Saved::Centred { of, beside, pass };
        self.saved.push(Source { variable, of: Reduced::Source(weight), arguments, saved });
        self.saved.len() - 1
    }

    /// Saves the rows that derivatives up to this order of the product of `f` need. Returns the row that the user
    /// sees.
    pub(super) fn save_product(&mut self, f: Id, order: u32) -> Reduced {
        let sums = u64::from(order - 1);
        let blocks = Dim::number(3 + sums);
        let dim = self.graph.dim(f).checked_mul(&blocks).expect("few times a dimension of a variable");
        let variable = self.new_variable(self.target, dim.clone());
        let row = self.graph.var(variable);
        let arguments = self.inputs.clone();
        let pass = Pass {
            name: "Saved".to_owned(),
            program: lower::lower(&mut self.graph, &[f], &arguments, self.target, false),
            reduction: PassReduction::new("ProdSaved", Some(blocks)),
            parts: vec![Part { field: 0, dim, total: false, gradient: None }],
        };
        let saved = Saved::Pass { pass, arguments: arguments.len(), reads: vec![] };
        let of = |all| Reduced::Product { f, row, sums, all };
        self.saved.push(Source { variable, of: of(true), arguments, saved });
        of(false)
    }

    /// The node of the number of sources that each target meets, which is known without a pass.
    pub(super) fn count(&mut self) -> Id {
        let variable = self.new_variable(self.target, Dim::number(1));
        let saved = Saved::Counts { arguments: self.inputs.len() };
        self.saved.push(Source { variable, of: Reduced::Constant, arguments: self.inputs.clone(), saved });
        self.graph.var(variable)
    }

    /// Saves the sum of a formula for each target, unless such a sum is saved already. Returns the node of the rows.
    fn save(&mut self, formula: Id, arguments: &[VarId]) -> Id {
        // later arguments that the formula does not read are left out, but not the inputs, which decide the numbers
        // of rows
        let last = arguments.iter().rposition(|&v| self.graph.depends(formula, v)).map_or(0, |last| last + 1);
        let arguments = &arguments[..last.max(self.inputs.len())];
        let same =
            |source: &&Source| matches!(source.of, Reduced::Sum(f) if f == formula) && source.arguments == arguments;
        if let Some(source) = self.saved.iter().find(same) {
            return self.graph.var(source.variable);
        }
        self.save_sum(formula, arguments, Reduced::Sum(formula))
    }

    /// Saves the sum of a formula for each target; the derivatives of the rows are derived from `of`. Returns the
    /// node of the rows.
    fn save_sum(&mut self, formula: Id, arguments: &[VarId], of: Reduced) -> Id {
        let reads = self.reads(&[formula]);
        let variables = self.variables(arguments, &reads);
        let dim = self.graph.dim(formula).clone();
        let program = lower::lower(&mut self.graph, &[formula], &variables, self.target, false);
        let pass = Pass {
            name: format!("Saved{}", self.saved.len() + 1),
            program,
            reduction: PassReduction::new(self.sum, None),
            parts: vec![Part { field: 0, dim: dim.clone(), total: false, gradient: None }],
        };
        let saved = Saved::Pass { pass, arguments: arguments.len(), reads };
        let variable = self.new_variable(self.target, dim);
        self.saved.push(Source { variable, of, arguments: arguments.to_vec(), saved });
        self.graph.var(variable)
    }

    /// A new variable for saved rows, with a name of its own.
    pub(super) fn new_variable(&mut self, category: Category, dim: Dim) -> VarId {
        let taken = |name: &String| self.graph.variables.iter().any(|variable| variable.name == *name);
        let name = (self.saved.len() + 1..)
            .map(|n| if n == 1 { "saved".to_owned() } else { format!("saved{n}") })
            .find(|name| !taken(name))
            .expect("integers do not end");
        self.graph.push_variable(name, category, dim)
    }

    /// The gradients in all arguments for the cotangent `e` of the result, as formulas to be summed.
    pub(super) fn gradients(&mut self, of: Reduced, e: Id, arguments: &[VarId], with_e: &[VarId]) -> Vec<Id> {
        let mut cotangents = self.cotangents(of, e);
        for k in (0..self.saved.len()).rev() {
            let Source { variable, of, .. } = self.saved[k];
            let is_read = cotangents.iter().any(|&(f, _)| self.graph.depends(f, variable));
            if !is_read || matches!(of, Reduced::Constant) {
                continue;
            }
            let part = grads(&mut self.graph, &cotangents, &[variable])[0];
            if !self.graph.is_zero(part) {
                // the cotangent of a target's row is a sum over its pairs, and is saved; a source's row gets its part
                // in each pair
                let e = if let Reduced::Source(_) = of { part } else { self.save(part, with_e) };
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
                let of_source = matches!(self.saved[k].of, Reduced::Source(_));
                let change = if of_source { change } else { self.save(change, with_u) };
                tangents.push((self.saved[k].variable, change));
            }
        }
        self.change(of, &tangents)
    }

    /// The numbers of the saved rows that `of` depends on, directly or through others, each after the rows that it
    /// depends on.
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

    /// The formulas that a row depends on, each with its cotangent for the cotangent `e` of the row.
    fn cotangents(&mut self, of: Reduced, e: Id) -> Vec<(Id, Id)> {
        let g = &mut self.graph;
        let of = match of {
            Reduced::Sum(f) | Reduced::Source(f) => return vec![(f, e)],
            Reduced::Constant => return vec![],
            Reduced::Product { f, row, sums, all } => {
                let part = if all {
                    product::parts_back(g, f, row, sums, e)
                } else {
                    product::times_others(g, f, row, sums, e)
                };
                return vec![(f, part)];
            }
            Reduced::Exponential(of) => of,
        };
        let (shift, reciprocal, _) = of.parts(g, of.row);
        let w = of.power(g, shift);
        let reciprocal = of.counts.map_or(reciprocal, |counts| g.mul(counts, reciprocal));
        let parts = of.saved.then(|| of.parts(g, e));
        match (of.weight, of.less_mean(g)) {
            (Some(weight), Some(difference)) => {
                // r = 1 / Σ 2^(e - m) changes by -r w df
                let (of_sum, e) = parts.map_or((g.constant(0.0), e), |(_, of_sum, e)| (g.neg(of_sum), e));
                let (e, of_sum) = (g.mul(reciprocal, e), squared(g, reciprocal, of_sum));
                let inner = g.dot(e, difference);
                let inner = g.add(of_sum, inner);
                vec![(of.f, of.counted(g, w, inner)), (weight, scaled(g, w, e))]
            }
            (weight, _) => {
                // log S changes by dS / S, and 1 / S by -dS / S²
                let e = match parts {
                    None => g.mul(reciprocal, e),
                    Some((_, e, _)) => {
                        let e = squared(g, reciprocal, e);
                        g.neg(e)
                    }
                };
                let Some(weight) = weight else { return vec![(of.f, of.counted(g, w, e))] };
                let inner = g.dot(e, weight);
                vec![(of.f, of.counted(g, w, inner)), (weight, g.mul(w, e))]
            }
        }
    }

    /// The term of a pair in the change of a row along tangents of variables.
    fn change(&mut self, of: Reduced, tangents: &[(VarId, Id)]) -> Id {
        let g = &mut self.graph;
        let along = |g: &mut Graph, f: Id| {
            let zero = g.zero(g.dim(f).clone());
            tangents.iter().fold(zero, |sum, &(v, u)| {
                let part = diff(g, f, v, u);
                g.add(sum, part)
            })
        };
        let of = match of {
            Reduced::Sum(f) | Reduced::Source(f) => return along(g, f),
            Reduced::Constant => return g.zero(Dim::number(1)),
            Reduced::Product { f, row, sums, all } => {
                let df = along(g, f);
                return if all {
                    product::parts(g, f, row, sums, df)
                } else {
                    product::times_others(g, f, row, sums, df)
                };
            }
            Reduced::Exponential(of) => of,
        };
        let (shift, reciprocal, _) = of.parts(g, of.row);
        let w = of.power(g, shift);
        let reciprocal = of.counts.map_or(reciprocal, |counts| g.mul(counts, reciprocal));
        let df = along(g, of.f);
        let df = of.counted(g, w, df);
        let sum = match of.weight {
            Some(weight) => {
                let slope = of.less_mean(g).unwrap_or(weight);
                let (part, dg) = (g.mul(slope, df), along(g, weight));
                let dg = g.mul(w, dg);
                let sum = g.add(part, dg);
                g.broadcast(sum, &g.dim(weight).clone())
            }
            None => df,
        };
        let change = g.mul(reciprocal, sum);
        if !of.saved {
            return change;
        }
        // m does not change
        let zero = g.zero(g.dim(of.exponent).clone());
        let parts = if of.mean {
            let of_sum = squared(g, reciprocal, df);
            vec![zero, g.neg(of_sum), change]
        } else {
            let change = g.mul(reciprocal, change);
            vec![zero, g.neg(change)]
        };
        g.concat(&parts).expect("the dimension of the row")
    }
}

impl Exponential {
    /// The parts of a row that is laid out like the saved one: the shift m, the reciprocal r of the sum, and the
    /// mean. Without a mean, the reciprocals stand for it.
    fn parts(&self, g: &mut Graph, row: Id) -> (Id, Id, Id) {
        let shifts = g.dim(self.exponent).clone();
        let dim = g.dim(self.weight.unwrap_or(self.exponent)).clone();
        let shift = g.extract(row, Dim::default(), shifts.clone());
        if self.mean {
            let (reciprocal, mean) = (g.extract(row, shifts.clone(), shifts), g.extract(row, Dim::number(2), dim));
            (shift, reciprocal, mean)
        } else {
            let reciprocals = g.extract(row, shifts, dim);
            (shift, reciprocals, reciprocals)
        }
    }

    /// The difference of a weight from the mean of the weights; `None` if the result is no mean.
    fn less_mean(&self, g: &mut Graph) -> Option<Id> {
        let centred = self.centred?;
        let (.., mean) = self.parts(g, self.row);
        let difference = g.sub(centred, mean);
        Some(self.rest.map_or(difference, |rest| g.sub(difference, rest)))
    }

    /// 2^(e - m) from the exponent that the pass used, so that the weights add up to 1 even though exponents were
    /// rounded.
    fn power(&self, g: &mut Graph, shift: Id) -> Id {
        let exponent = g.sub(self.exponent, shift);
        g.fun(Fun::Exp2, &[exponent])
    }

    /// The weight `w` times the cotangent or the change of its exponent. The product is 0 where the exponent is
    /// -infinity because of a logarithm of 0: such a term counts for nothing, though the slope of its exponent is
    /// infinite.
    fn counted(&self, g: &mut Graph, w: Id, of_exponent: Id) -> Id {
        let product = g.mul(w, of_exponent);
        let has_log = g.reachable(&[self.f]).iter().any(|&id| *g.op(id) == Op::Fun(Fun::Log));
        if !has_log {
            return product;
        }
        let w = self.counts.map_or(w, |counts| g.mul(counts, w));
        unless_zero(g, w, product)
    }
}

impl Reduced {
    /// The formulas that the row depends on.
    fn formulas(self) -> Vec<Id> {
        match self {
            Reduced::Sum(f) | Reduced::Source(f) | Reduced::Product { f, .. } => vec![f],
            Reduced::Constant => vec![],
            Reduced::Exponential(of) => std::iter::once(of.f).chain(of.weight).collect(),
        }
    }
}

/// The scalar w times e, without the constructor that would move factors out of e: e is computed once for a row, and
/// may be in other products too.
fn scaled(g: &mut Graph, w: Id, e: Id) -> Id {
    if g.is_scalar(e) || g.is_zero(e) { g.mul(w, e) } else { g.intern(Op::Mul, vec![w, e], g.dim(e).clone()) }
}

/// r² a
fn squared(g: &mut Graph, r: Id, a: Id) -> Id {
    let square = g.powi(r, 2);
    g.mul(square, a)
}

/// `value` where x is not 0, else 0. Derivatives of this choice choose in the same way, while [`Graph::unless_zero`]
/// is for values whose slope is 0 there by itself.
fn unless_zero(g: &mut Graph, x: Id, value: Id) -> Id {
    let (zero, half) = (g.constant(0.0), g.constant(0.5));
    let is_zero = g.fun(Fun::Equal, &[x, zero]);
    let is_not = g.sub(half, is_zero);
    g.fun(Fun::IfElse, &[is_not, value, zero])
}
