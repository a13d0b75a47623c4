//! The derivation of the calls of an item, one order of derivatives after another.

use super::{
    Call, Calls, Derivative, Output, Part, Pass, PassReduction, Selected, Side,
    kind::{Arguments, Kind},
    operator::operators,
    saved::{Reduced, Source},
    selection::Selecting,
};
use crate::{
    ir::{
        differentiate::grad,
        dim::Dim,
        graph::{Category, Graph, Id, VarId},
        reduction::{Reduction, Row},
        table::Fun,
    },
    lower::{self, Program},
};

/// The state of the derivation: the graph, and the calls and saved rows so far.
pub(super) struct Derive {
    pub(super) graph: Graph,
    pub(super) saved: Vec<Source>,
    /// The arguments of the value.
    pub(super) inputs: Vec<VarId>,
    /// The index of the rows of the value.
    pub(super) target: Category,
    /// The name of the type of sums in `keops_core::reduction`.
    pub(super) sum: &'static str,
    /// The selection of pairs, for derivatives of selected values.
    pub(super) selecting: Option<Selecting>,
    pub(super) calls: Vec<Call>,
}

/// The formula that a call sums, and the arguments of the call.
struct Sum {
    formula: Id,
    arguments: Vec<VarId>,
}

/// A call, as far as its derivatives are derived from it.
pub(super) struct Rule {
    pub(super) of: Reduced,
    pub(super) kind: Kind,
    pub(super) arguments: Vec<VarId>,
    pub(super) target: Side,
    /// If the result has the rows of an argument, the number of this argument: the result is the gradient in it, or a
    /// change of that gradient.
    pub(super) gradient: Option<usize>,
    pub(super) out: Dim,
}

impl Derive {
    pub(super) fn new(graph: Graph, inputs: Vec<VarId>, target: Category, sum: &'static str) -> Self {
        Self { graph, saved: vec![], inputs, target, sum, selecting: None, calls: vec![] }
    }

    pub(super) fn finish(self) -> Calls {
        let saved = self.saved.into_iter().map(|source| source.saved).collect();
        let selection = self.selecting.map(|selecting| selecting.pass);
        Calls { calls: self.calls, saved, selection, requirements: self.graph.requirements }
    }

    /// Adds the call of the value, and its derivatives.
    pub(super) fn forward(
        &mut self,
        row: &'static Row,
        (path, k): (&'static str, &Dim),
        values: &[Id],
        width: Dim,
        order: u32,
    ) {
        let (f, weight) = (values[0], values.get(1).copied());
        let out = self.graph.dim(weight.unwrap_or(f)).clone();
        let (terms, saved, replaced) = match row.reduction {
            Reduction::SumSoftMaxWeight => self.centred_mean(values),
            _ => (values.to_vec(), vec![], vec![]),
        };
        let roots = lower_values(&mut self.graph, row.reduction, &terms, self.target);
        let exponential = row.reduction.is_exponential();
        let path = match row.reduction {
            // each component has a shift of its own
            Reduction::LogSumExp if weight.is_none() && !self.graph.is_scalar(f) => "LogSumExps",
            _ => path,
        };
        let inputs = self.inputs.clone();
        let variables = self.variables(&inputs, &saved);
        let pass = Pass {
            name: "Value".to_owned(),
            program: lower::lower(&mut self.graph, &roots, &variables, self.target, exponential),
            reduction: PassReduction::new(path, row.takes_k.then(|| k.clone())),
            parts: vec![Part { field: 0, dim: width.clone(), total: false, gradient: None }],
        };
        let output = match row.reduction {
            Reduction::KMin { values: true, indices: true } => Output::ValuesAndIndices(width.clone()),
            Reduction::KMin { indices: true, .. } => Output::Indices(width.clone()),
            Reduction::Within { lists: true } => Output::Lists,
            Reduction::Within { lists: false } => Output::Indices(width.clone()),
            _ => Output::Values(width.clone()),
        };
        self.calls.push(Call {
            name: "Value".to_owned(),
            doc: "The value of the formula.".to_owned(),
            passes: vec![pass],
            output,
            saved,
            replaced,
            selected: None,
            derivatives: vec![],
            operators: vec![],
        });
        if matches!(row.reduction, Reduction::Sum | Reduction::Mean) {
            self.calls[0].operators = operators(&mut self.graph, f, &inputs, self.target);
        }
        if order == 0 {
            return;
        }
        let of = match row.reduction {
            Reduction::Sum | Reduction::Zero => Reduced::Sum(f),
            Reduction::Mean => {
                let count = self.count();
                let inverse = self.graph.fun(Fun::Inv, &[count]);
                Reduced::Sum(self.graph.mul(inverse, f))
            }
            Reduction::Prod => self.save_product(f, order),
            Reduction::LogSumExp => self.save_sums(f, weight),
            Reduction::SumSoftMaxWeight => self.save_mean(f, values[1]),
            Reduction::MaxSumShiftExp | Reduction::Within { .. } => return,
            Reduction::Min | Reduction::KMin { .. } => {
                if let Some(path) = row.selection() {
                    self.select(PassReduction::new(path, row.takes_k.then(|| k.clone())), &width, f, order);
                }
                return;
            }
        };
        let kind = Kind::value(inputs.len());
        let (target, arguments) = (Side::Index(self.target), inputs.clone());
        self.derivatives(Rule { of, kind, arguments, target, gradient: None, out: out.clone() }, order);
        if row.reduction == Reduction::Mean {
            let places: Vec<usize> = self.calls[0].operators.iter().map(|operator| operator.place).collect();
            places.into_iter().for_each(|place| self.adjoint(f, inputs[place], &out));
        }
    }

    /// Adds the derivatives of the value, call number 0, one order after another.
    pub(super) fn derivatives(&mut self, value: Rule, order: u32) {
        let names = value.arguments.iter().map(|&v| self.graph.variable(v).name.trim_start_matches("r#").to_owned());
        let names: Vec<String> = names.collect();
        let mut last = vec![(0, value)];
        for _ in 0..order {
            let mut next = Vec::new();
            for (number, rule) in last {
                let e = self.fresh(&rule.arguments, "cotangent", rule.target, rule.out.clone());
                let with_e = [&rule.arguments[..], &[e]].concat();
                let cotangent = self.graph.var(e);
                let gradients = self.gradients(rule.of, cotangent, &rule.arguments, &with_e);
                self.calls[number].derivatives = self.methods(&rule, &names);
                for (v, &gradient) in gradients.iter().enumerate().take(names.len()) {
                    if rule.kind.order() == 0 {
                        let sum = Sum { formula: gradient, arguments: with_e.clone() };
                        let of = (rule.kind.vjp(v).0, self.side(rule.arguments[v]), Some(v));
                        next.push(self.derivative(sum, of, &names));
                    }
                    if rule.kind.next().contains(&v) {
                        let variable = rule.arguments[v];
                        let side = self.side(variable);
                        let dim = self.width(side, &self.graph.variable(variable).dim.clone());
                        let u = self.fresh(&rule.arguments, "tangent", side, dim);
                        let with_u = [&rule.arguments[..], &[u]].concat();
                        let tangent = self.graph.var(u);
                        let formula = self.tangent(rule.of, variable, tangent, &with_u);
                        let sum = Sum { formula, arguments: with_u };
                        next.push(self.derivative(sum, (rule.kind.jvp(v).0, rule.target, rule.gradient), &names));
                    }
                }
                let all = self.all_name(number);
                self.all_gradients(all, &rule, &gradients, &with_e);
            }
            last = next;
        }
    }

    /// The name of the call that gives all gradients of call `number`.
    fn all_name(&self, number: usize) -> String {
        if number == 0 { "Vjp".to_owned() } else { format!("{}__Vjp", self.calls[number].name) }
    }

    /// The methods that give the derivatives of a call.
    fn methods(&self, rule: &Rule, names: &[String]) -> Vec<Derivative> {
        let category = self.category(rule.target);
        let mut methods = Vec::new();
        for (number, &v) in rule.arguments.iter().enumerate() {
            let variable = self.graph.variable(v);
            // `r#in` gives `vjp_in`
            let name = variable.name.trim_start_matches("r#");
            let (kind, arguments) = rule.kind.vjp(number);
            methods.push(Derivative {
                method: format!("vjp_{name}"),
                doc: format!("(∂a/∂{name})ᵀ e: the gradient in `{name}`, for the cotangent `e` of this call."),
                call: kind.name(names),
                argument: ("e", category, rule.out.clone()),
                arguments,
            });
            let (kind, arguments) = rule.kind.jvp(number);
            methods.push(Derivative {
                method: format!("jvp_{name}"),
                doc: format!("(∂a/∂{name}) u: the change of this call along the tangent `u` of `{name}`."),
                call: kind.name(names),
                argument: ("u", variable.category, self.width(self.side(v), &variable.dim)),
                arguments,
            });
        }
        methods.push(Derivative {
            method: "vjp".to_owned(),
            doc: "(∂a/∂v)ᵀ e for every variable v at once, in as few passes as there are indices among them."
                .to_owned(),
            call: if rule.kind.order() == 0 { "Vjp".to_owned() } else { format!("{}__Vjp", rule.kind.name(names)) },
            argument: ("e", category, rule.out.clone()),
            arguments: Arguments { without: None, place: rule.arguments.len() },
        });
        methods
    }

    /// Adds the call for the transpose of a mean as an operator on `v`. It takes the cotangent already divided by the
    /// number of terms, so that it is a sum that reads no saved rows.
    fn adjoint(&mut self, f: Id, v: VarId, out: &Dim) {
        let e = self.fresh(&self.inputs.clone(), "cotangent", Side::Index(self.target), out.clone());
        let cotangent = self.graph.var(e);
        let formula = grad(&mut self.graph, f, v, cotangent);
        let variable = self.graph.variable(v);
        let name = adjoint_name(variable.name.trim_start_matches("r#"));
        let target = Side::Index(variable.category);
        let gradient = self.inputs.iter().position(|&input| input == v);
        let arguments = [self.inputs.as_slice(), &[e]].concat();
        self.sum(name, &Sum { formula, arguments }, target, gradient);
    }

    /// Adds the call of a derivative that is a sum. `of` are the kind of the derivative, the side of its rows, and
    /// the argument that it is a gradient in. Returns the number of the call, and the rule for its own derivatives.
    fn derivative(&mut self, sum: Sum, of: (Kind, Side, Option<usize>), names: &[String]) -> (usize, Rule) {
        let (kind, target, gradient) = of;
        let number = self.sum(kind.name(names), &sum, target, gradient);
        let dim = self.width(target, &self.graph.dim(sum.formula).clone());
        (number, Rule { of: Reduced::Sum(sum.formula), kind, arguments: sum.arguments, target, gradient, out: dim })
    }

    /// Adds the call of a sum with rows of this side; `gradient` is the argument that it is a gradient in. Returns
    /// the number of the call.
    fn sum(&mut self, name: String, sum: &Sum, target: Side, gradient: Option<usize>) -> usize {
        let dim = self.width(target, &self.graph.dim(sum.formula).clone());
        let (program, reads, total) = match self.selecting {
            Some(_) => (self.lower_selected(&[sum.formula], &sum.arguments), vec![], false),
            None => self.lower_sum(sum, target),
        };
        self.calls.push(Call {
            name: name.clone(),
            doc: "A derivative, see the method that gives it.".to_owned(),
            passes: vec![Pass {
                name,
                program,
                reduction: PassReduction::new(self.sum, None),
                parts: vec![Part { field: 0, dim: dim.clone(), total, gradient }],
            }],
            output: Output::Values(dim.clone()),
            saved: reads,
            replaced: vec![],
            selected: self.selected(&sum.arguments, vec![target]),
            derivatives: vec![],
            operators: vec![],
        });
        self.calls.len() - 1
    }

    /// Lowers a sum. Returns the program, the saved rows that it reads, and whether the result is one row.
    fn lower_sum(&mut self, sum: &Sum, target: Side) -> (Program, Vec<usize>, bool) {
        let category = self.category(target);
        let total = category == Category::P;
        let over = if total { self.index_of(&sum.arguments) } else { category };
        let reads = self.reads(&[sum.formula]);
        let variables = self.variables(&sum.arguments, &reads);
        let program = lower::lower(&mut self.graph, &[sum.formula], &variables, over, false);
        (program, reads, total)
    }

    /// Adds the call that gives all gradients. The gradients in variables of i take one pass, those in variables of j
    /// another; the gradients in parameters join the pass for i, or the pass for j if there are no variables of i.
    fn all_gradients(&mut self, name: String, rule: &Rule, gradients: &[Id], arguments: &[VarId]) {
        if self.selecting.is_some() {
            return self.all_selected(name, rule, gradients, arguments);
        }
        let categories: Vec<Category> = rule.arguments.iter().map(|&v| self.graph.variable(v).category).collect();
        let home = self.index_of(&rule.arguments);
        let reads = self.reads(gradients);
        let variables = self.variables(arguments, &reads);
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
            let parts = here
                .iter()
                .map(|&k| Part {
                    field: k,
                    dim: self.graph.variable(rule.arguments[k]).dim.clone(),
                    total: categories[k] == Category::P,
                    gradient: Some(k),
                })
                .collect();
            let suffix = if index == Category::I { "I" } else { "J" };
            let reduction = PassReduction::new(self.sum, None);
            passes.push(Pass { name: format!("{name}{suffix}"), program, reduction, parts });
        }
        self.push_gradients(name, passes, &rule.arguments, reads, None);
    }

    pub(super) fn push_gradients(
        &mut self,
        name: String,
        passes: Vec<Pass>,
        of: &[VarId],
        saved: Vec<usize>,
        selected: Option<Selected>,
    ) {
        let fields = of.iter().map(|&v| {
            let variable = self.graph.variable(v);
            (variable.name.clone(), self.width(self.side(v), &variable.dim))
        });
        let output = Output::Gradients(fields.collect());
        let doc = "All gradients, see the method `vjp`.".to_owned();
        let (replaced, derivatives, operators) = (vec![], vec![], vec![]);
        self.calls.push(Call { name, doc, passes, output, saved, replaced, selected, derivatives, operators });
    }

    /// The index of the targets over which a parameter's gradient is summed: i, unless the variables have index j
    /// only.
    fn index_of(&self, variables: &[VarId]) -> Category {
        let has = |c: Category| variables.iter().any(|&v| self.graph.variable(v).category == c);
        if has(Category::I) || !has(Category::J) { Category::I } else { Category::J }
    }

    /// A variable for a cotangent or a tangent with this side and dimension: one that is not among `taken`, and has
    /// another name than each of these.
    fn fresh(&mut self, taken: &[VarId], name: &str, side: Side, dim: Dim) -> VarId {
        let name = (1..)
            .map(|n| if n == 1 { name.to_owned() } else { format!("{name}{n}") })
            .find(|name| taken.iter().all(|&v| self.graph.variable(v).name != *name))
            .expect("integers do not end");
        let dim = if side == Side::Pair { Dim::number(1) } else { dim };
        let found = self.graph.variable_ids().find(|&v| {
            let variable = self.graph.variable(v);
            !taken.contains(&v) && variable.name == name && variable.dim == dim && self.side(v) == side
        });
        found.unwrap_or_else(|| {
            let v = self.graph.push_variable(name, self.category(side), dim);
            if let (Side::Pair, Some(selecting)) = (side, &mut self.selecting) {
                selecting.pairs.push(v);
            }
            v
        })
    }
}

/// The name of the call for the transpose of a mean as an operator on a variable.
pub(crate) fn adjoint_name(variable: &str) -> String {
    format!("Adjoint_{variable}")
}

/// The formulas that the engine's reduction takes: exponential reductions take their exponent to base 2.
fn lower_values(g: &mut Graph, reduction: Reduction, values: &[Id], target: Category) -> Vec<Id> {
    let mut values = values.to_vec();
    if reduction.is_exponential() {
        let log2_e = g.constant(std::f64::consts::LOG2_E);
        let exponent = lower::bounded_terms(g, values[0], target);
        values[0] = g.mul(log2_e, exponent);
    }
    values
}
