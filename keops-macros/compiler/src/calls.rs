//! What a user can call: the value, and its derivatives up to the order asked for.
//!
//! A call computes, for each row t of its *target* index,  a_t = Reduction over the other indices of f. Its target is
//! i or j for a reduction over the other one, or nothing (P) for the gradient of a parameter, which is a sum over all
//! pairs. Sums are closed under differentiation:
//!
//! - `vjp_v(e)`:  Σ (∂f/∂v)ᵀ e, with e indexed by the old target, and the index of v as the new target;
//! - `jvp_v(u)`:  Σ (∂f/∂v) u, with u indexed like v, and the old target.
//!
//! The exponential reductions need their own result first: with a = log Σ exp(f) g the derivative is a sum of
//! exp(f - a) (g df + dg), and a is one more variable, *saved* by a first pass.

use crate::{
    ast::Item,
    check::Checked,
    differentiate::{diff, grads},
    dim::Dim,
    graph::{Category, Graph, Id, VarId},
    lower::{self, Program},
    operator::{Operator, operators},
    reduction::{Reduction, Row},
    table::Fun,
};

/// One thing that a user can call.
pub struct Call {
    /// The name of its marker type: `Value`, `Vjp_x`, `Vjp_x__Jvp_y`.
    pub name: String,
    /// What it computes, for its documentation.
    pub doc: String,
    /// Passes over the pairs: one, or two for all gradients at once.
    pub passes: Vec<Pass>,
    /// The result.
    pub output: Output,
    /// The marker type whose saved result this call computes first, and how many of its arguments that takes.
    pub saved: Option<usize>,
    /// The derivatives of this call.
    pub derivatives: Vec<Derivative>,
    /// The variables that are reduced over and in which it is linear.
    pub operators: Vec<Operator>,
}

/// A method of a call that gives a derivative.
pub struct Derivative {
    /// `vjp_x`
    pub method: String,
    /// What it computes.
    pub doc: String,
    /// The marker type of the derivative.
    pub call: String,
    /// The argument: its name, its category and its dimension.
    pub argument: (&'static str, Category, Dim),
}

/// The result of a call.
pub enum Output {
    /// Rows of values.
    Values(Dim),
    /// Rows of row numbers.
    Indices(Dim),
    /// Both.
    ValuesAndIndices(Dim),
    /// A gradient for each variable.
    Gradients(Vec<(String, Dim)>),
}

/// A pass over all pairs.
pub struct Pass {
    /// The name of its formula: that of the call, with a number if there are several passes.
    pub name: String,
    /// The compiled formula.
    pub program: Program,
    /// The reduction, as a row of the table.
    pub reduction: PassReduction,
    /// Parts of the result row, in order: which field of the result, how wide, and whether it is summed over targets.
    pub pieces: Vec<Piece>,
}

/// What a pass reduces with.
#[derive(Clone)]
pub enum PassReduction {
    /// A type of `keops_core::reduction`, with K if it has one.
    Named(&'static str, Option<Dim>),
}

/// See [`Pass::pieces`].
pub struct Piece {
    /// Which gradient of [`Output::Gradients`].
    pub field: usize,
    /// Components.
    pub dim: Dim,
    /// Summed over all targets.
    pub total: bool,
}

/// All calls of an item.
pub struct Calls {
    /// The value first.
    pub calls: Vec<Call>,
    /// For the exponential reductions, the pass that saves what their derivatives need.
    pub saved: Option<Pass>,
}

/// Derives the calls of a checked item.
pub fn calls(item: &Item, checked: Checked) -> syn::Result<Calls> {
    let Checked { graph, values, reduction, k } = checked;
    let target = if item.reduction.over == Category::J { Category::I } else { Category::J };
    let exponential = matches!(reduction.reduction, Reduction::LogSumExp | Reduction::SumSoftMaxWeight);
    let fault = |message: String| Err(syn::Error::new(item.reduction.name.span(), message));
    if exponential && item.order > 1 {
        return fault(format!("derivatives of `{}` beyond the first order are not built yet", reduction.name));
    }
    let out = graph.dim(*values.last().expect("a formula")).clone();
    let width = match reduction.reduction {
        Reduction::KMin { .. } => out.checked_mul(&k),
        _ => Some(out.clone()),
    };
    let width = match width {
        Some(width) if width.const_argument().is_some() => width,
        width => {
            let why = match width {
                Some(width) => {
                    format!("dimension {width}, which stable Rust cannot name in a type: use literal dimensions")
                }
                None => "too many components to count".to_owned(),
            };
            return Err(syn::Error::new(item.body.span, format!("the result has {why}")));
        }
    };
    let variables: Vec<VarId> = graph.variable_ids().collect();
    let mut derive = Derive { graph, calls: vec![], saved: None };
    derive.forward(reduction, &k, &values, &variables, target, width, item.order);
    Ok(Calls { calls: derive.calls, saved: derive.saved })
}

struct Derive {
    graph: Graph,
    calls: Vec<Call>,
    saved: Option<Pass>,
}

/// A call of a sum, which can be differentiated again.
#[derive(Clone)]
struct Sum {
    name: String,
    integrand: Id,
    variables: Vec<VarId>,
    target: Category,
    saved: Option<usize>,
}

/// f and its weight in a reduction that is differentiated: the cotangents or the tangent, given that of the result.
struct Rule<'a> {
    values: &'a [Id],
    variables: &'a [VarId],
    target: Category,
    out: &'a Dim,
    saved: Option<(usize, VarId, Reduction)>,
}

impl Derive {
    #[expect(clippy::too_many_arguments, reason = "the parts of a checked item, taken apart once")]
    fn forward(
        &mut self,
        row: &'static Row,
        k: &Dim,
        values: &[Id],
        variables: &[VarId],
        target: Category,
        width: Dim,
        order: u32,
    ) {
        let out = self.graph.dim(*values.last().expect("a formula")).clone();
        let reduction = PassReduction::Named(row.path, row.takes_k.then(|| k.clone()));
        let program = |g: &mut Graph, values: &[Id]| {
            let roots = lower_values(g, row.reduction, values);
            let exponential = matches!(row.reduction, Reduction::LogSumExp | Reduction::SumSoftMaxWeight);
            lower::lower(g, &roots, variables, target, exponential)
        };
        let pass = Pass {
            name: "Value".to_owned(),
            program: program(&mut self.graph, values),
            reduction,
            pieces: vec![Piece { field: 0, dim: width.clone(), total: false }],
        };
        let output = match row.reduction {
            Reduction::KMin { values: true, indices: true } => Output::ValuesAndIndices(width),
            Reduction::KMin { indices: true, .. } => Output::Indices(width),
            _ => Output::Values(width),
        };
        self.calls.push(Call {
            name: "Value".to_owned(),
            doc: "The value of the formula.".to_owned(),
            passes: vec![pass],
            output,
            saved: None,
            derivatives: vec![],
            operators: vec![],
        });
        let saved = match row.reduction {
            Reduction::Sum => None,
            Reduction::LogSumExp => Some(("LogSumExp", out.clone())),
            Reduction::SumSoftMaxWeight => {
                Some(("SoftMaxSaved", out.checked_add(&Dim::number(1)).expect("a dimension that was checked")))
            }
            Reduction::Min | Reduction::KMin { .. } => return,
        };
        if order == 0 {
            return;
        }
        let saved = saved.map(|(path, dim)| {
            let v = self.fresh(variables, "saved", target, dim.clone());
            self.saved = Some(Pass {
                name: "Saved".to_owned(),
                program: program(&mut self.graph, values),
                reduction: PassReduction::Named(path, None),
                pieces: vec![Piece { field: 0, dim, total: false }],
            });
            (variables.len(), v, row.reduction)
        });
        let rule = Rule { values, variables, target, out: &out, saved };
        self.derivatives(0, "", &rule, order);
        if row.reduction == Reduction::Sum {
            self.calls[0].operators = operators(&mut self.graph, values[0], variables, target);
        }
    }

    /// Adds the derivatives of call number `parent`.
    fn derivatives(&mut self, parent: usize, prefix: &str, rule: &Rule, order: u32) {
        let mut sums = Vec::new();
        let mut methods = Vec::new();
        let e = self.fresh(rule.variables, "cotangent", rule.target, rule.out.clone());
        let cotangents = self.cotangents(rule, e);
        let arguments = |extra: VarId| -> Vec<VarId> {
            rule.variables.iter().copied().chain([extra]).chain(rule.saved.map(|s| s.1)).collect()
        };
        let gradients = grads(&mut self.graph, &cotangents, rule.variables);
        for (&v, &gradient) in rule.variables.iter().zip(&gradients) {
            let mut variable = self.graph.variable(v).clone();
            // `r#in` gives `vjp_in`
            variable.name = variable.name.trim_start_matches("r#").to_owned();
            let call = format!("{prefix}Vjp_{}", variable.name);
            methods.push(Derivative {
                method: format!("vjp_{}", variable.name),
                doc: format!("(∂a/∂{0})ᵀ e: the gradient in `{0}`, for the cotangent `e` of this call.", variable.name),
                call: call.clone(),
                argument: ("e", rule.target, rule.out.clone()),
            });
            sums.push(Sum {
                name: call,
                integrand: gradient,
                variables: arguments(e),
                target: variable.category,
                saved: rule.saved.map(|s| s.0),
            });

            let u = self.fresh(rule.variables, "tangent", variable.category, variable.dim.clone());
            let tangent = self.graph.var(u);
            let integrand = self.tangent(rule, v, tangent);
            let call = format!("{prefix}Jvp_{}", variable.name);
            methods.push(Derivative {
                method: format!("jvp_{}", variable.name),
                doc: format!("(∂a/∂{0}) u: the change of this call along the tangent `u` of `{0}`.", variable.name),
                call: call.clone(),
                argument: ("u", variable.category, variable.dim),
            });
            sums.push(Sum {
                name: call,
                integrand,
                variables: arguments(u),
                target: rule.target,
                saved: rule.saved.map(|s| s.0),
            });
        }
        let all = format!("{prefix}Vjp");
        methods.push(Derivative {
            method: "vjp".to_owned(),
            doc: "(∂a/∂v)ᵀ e for every variable v at once, in as few passes as there are indices among them."
                .to_owned(),
            call: all.clone(),
            argument: ("e", rule.target, rule.out.clone()),
        });
        self.calls[parent].derivatives = methods;
        for sum in sums {
            self.sum(sum, order - 1);
        }
        self.all_gradients(all, rule, &gradients, arguments(e));
    }

    /// Adds the call of a sum, and its derivatives.
    fn sum(&mut self, sum: Sum, order: u32) {
        let dim = self.graph.dim(sum.integrand).clone();
        let total = sum.target == Category::P;
        let over = if total { self.index_of(&sum.variables) } else { sum.target };
        let program = lower::lower(&mut self.graph, &[sum.integrand], &sum.variables, over, false);
        self.calls.push(Call {
            name: sum.name.clone(),
            doc: "A derivative, see the method that gives it.".to_owned(),
            passes: vec![Pass {
                name: sum.name.clone(),
                program,
                reduction: PassReduction::Named("Sum", None),
                pieces: vec![Piece { field: 0, dim: dim.clone(), total }],
            }],
            output: Output::Values(dim.clone()),
            saved: sum.saved,
            derivatives: vec![],
            operators: vec![],
        });
        if order > 0 {
            let parent = self.calls.len() - 1;
            let rule = Rule {
                values: &[sum.integrand],
                variables: &sum.variables,
                target: sum.target,
                out: &dim,
                saved: None,
            };
            self.derivatives(parent, &format!("{}__", sum.name), &rule, order);
        }
    }

    /// Adds the call that gives all gradients: parameters join the pass over i, or that over j if nothing is indexed
    /// by i.
    fn all_gradients(&mut self, name: String, rule: &Rule, gradients: &[Id], variables: Vec<VarId>) {
        let categories: Vec<Category> = rule.variables.iter().map(|&v| self.graph.variable(v).category).collect();
        let home = self.index_of(rule.variables);
        let mut passes = Vec::new();
        for index in [Category::I, Category::J] {
            let here: Vec<usize> = (0..categories.len())
                .filter(|&k| categories[k] == index || categories[k] == Category::P && home == index)
                .collect();
            if here.is_empty() {
                continue;
            }
            let roots: Vec<Id> = here.iter().map(|&k| gradients[k]).collect();
            let program = lower::lower(&mut self.graph, &roots, &variables, index, false);
            let pieces = here
                .iter()
                .map(|&k| Piece {
                    field: k,
                    dim: self.graph.variable(rule.variables[k]).dim.clone(),
                    total: categories[k] == Category::P,
                })
                .collect();
            let suffix = if index == Category::I { "I" } else { "J" };
            let reduction = PassReduction::Named("Sum", None);
            passes.push(Pass { name: format!("{name}{suffix}"), program, reduction, pieces });
        }
        let fields = rule.variables.iter().map(|&v| {
            let variable = self.graph.variable(v);
            (variable.name.clone(), variable.dim.clone())
        });
        let output = Output::Gradients(fields.collect());
        let doc = "All gradients, see the method `vjp`.".to_owned();
        let saved = rule.saved.map(|s| s.0);
        self.calls.push(Call { name, doc, passes, output, saved, derivatives: vec![], operators: vec![] });
    }

    /// The index that the gradient of a parameter runs over as rows: i, if anything is indexed by it.
    fn index_of(&self, variables: &[VarId]) -> Category {
        let has = |c: Category| variables.iter().any(|&v| self.graph.variable(v).category == c);
        if has(Category::I) || !has(Category::J) { Category::I } else { Category::J }
    }

    /// A variable of this category and dimension that is not among `taken`, with a name that none of them has.
    fn fresh(&mut self, taken: &[VarId], name: &str, category: Category, dim: Dim) -> VarId {
        let name = (1..)
            .map(|n| if n == 1 { name.to_owned() } else { format!("{name}{n}") })
            .find(|name| taken.iter().all(|&v| self.graph.variable(v).name != *name))
            .expect("integers do not end");
        let found = self.graph.variable_ids().find(|&v| {
            let variable = self.graph.variable(v);
            !taken.contains(&v) && variable.name == name && variable.category == category && variable.dim == dim
        });
        found.unwrap_or_else(|| self.graph.push_variable(name, category, dim))
    }

    /// The cotangents of the formulas under the reduction, for the cotangent `e` of the result.
    fn cotangents(&mut self, rule: &Rule, e: VarId) -> Vec<(Id, Id)> {
        let g = &mut self.graph;
        let e = g.var(e);
        let Some((_, saved, reduction)) = rule.saved else { return vec![(rule.values[0], e)] };
        let saved = g.var(saved);
        let (f, weight) = (rule.values[0], rule.values.get(1).copied());
        if reduction == Reduction::SumSoftMaxWeight {
            let g_value = weight.unwrap_or(f);
            let (w, centred) = soft_max_parts(g, f, g_value, saved, rule.out);
            let (weight_part, inner) = (g.mul(w, e), g.dot(e, centred));
            let exponent_part = g.mul(w, inner);
            return vec![(f, exponent_part), (g_value, weight_part)];
        }
        let w = shifted_exp(g, f, saved);
        let e = g.mul(w, e);
        match weight {
            None => vec![(f, e)],
            Some(weight) => vec![(f, g.dot(e, weight)), (weight, e)],
        }
    }

    /// The term of the result's change along the tangent of `v`.
    fn tangent(&mut self, rule: &Rule, v: VarId, u: Id) -> Id {
        let g = &mut self.graph;
        let df = diff(g, rule.values[0], v, u);
        let Some((_, saved, reduction)) = rule.saved else { return df };
        let saved = g.var(saved);
        let (f, weight) = (rule.values[0], rule.values.get(1).copied());
        let dg = weight.map(|weight| diff(g, weight, v, u));
        let (w, slope) = if reduction == Reduction::SumSoftMaxWeight {
            soft_max_parts(g, f, weight.unwrap_or(f), saved, rule.out)
        } else {
            let one = g.constant(1.0);
            (shifted_exp(g, f, saved), weight.unwrap_or(one))
        };
        let change = g.mul(slope, df);
        let change = match dg {
            Some(dg) => g.add(change, dg),
            None => change,
        };
        let term = g.mul(w, change);
        g.broadcast(term, rule.out)
    }
}

/// exp(f - a)
fn shifted_exp(g: &mut Graph, f: Id, a: Id) -> Id {
    let exponent = g.sub(f, a);
    g.fun(Fun::Exp, &[exponent])
}

/// exp(f - log Σ exp f) and g - a, from what the first pass saved: (log Σ exp f, a).
fn soft_max_parts(g: &mut Graph, f: Id, weight: Id, saved: Id, out: &Dim) -> (Id, Id) {
    let one = Dim::number(1);
    let log_sum = g.extract(saved, Dim::default(), one.clone());
    let mean = g.extract(saved, one, out.clone());
    (shifted_exp(g, f, log_sum), g.sub(weight, mean))
}

/// What the engine's reduction expects: the exponential ones take their exponent in base 2.
fn lower_values(g: &mut Graph, reduction: Reduction, values: &[Id]) -> Vec<Id> {
    let mut values = values.to_vec();
    if matches!(reduction, Reduction::LogSumExp | Reduction::SumSoftMaxWeight) {
        let log2_e = g.constant(std::f64::consts::LOG2_E);
        values[0] = g.mul(log2_e, values[0]);
    }
    values
}
