//! The calls of a formula: its value, and its derivatives up to the order asked for.
//!
//! A call computes, for each row t of its *target* index, a_t = Reduction of f over the other indices. The target is
//! i for a reduction over j, and j for one over i; the gradient of a parameter has no target index (P), and is a sum
//! over all pairs. Sums are closed under differentiation:
//!
//! - `vjp_v(e)` is Σ (∂f/∂v)ᵀ e, where e has the old target index; the new target index is that of v.
//! - `jvp_v(u)` is Σ (∂f/∂v) u, where u has the index of v; the target index stays.
//!
//! Derivatives of the exponential reductions need the result itself: for a = log Σ exp(f) g the derivative is the sum
//! of exp(f - a) (g df + dg), and a is one more variable, whose rows are *saved* by a first pass. A further
//! derivative needs a derivative of a, which is a sum again and is saved by a further pass: [`saved`].
//!
//! A value that a reduction selects (the least, the K least) depends on one source only. Its derivatives are those of
//! this one term; the same rules give them, for rows that are gathered: [`selection`].

mod derive;
mod kind;
pub mod operator;
mod product;
mod saved;
mod selection;

use crate::{
    ir::{
        dim::Dim,
        graph::{Category, Requirement, VarId},
        reduction::{Reduction, Scheme},
    },
    lower::Program,
    syntax::{ast::Item, check::Checked},
};
use derive::Derive;
pub(crate) use derive::adjoint_name;
pub use kind::Arguments;
use operator::Operator;

/// The value of a formula or one of its derivatives, which the user can call.
pub struct Call {
    /// The name of the call's marker type: `Value`, `Vjp_x`, `Vjp_x__Jvp_y`.
    pub name: String,
    /// What the call computes, for its documentation.
    pub doc: String,
    /// The passes over the pairs: one, or two for all gradients at once.
    pub passes: Vec<Pass>,
    /// The result.
    pub output: Output,
    /// The saved rows that the call's formulas read after the arguments, by their numbers in [`Calls::saved`].
    pub saved: Vec<usize>,
    /// Centred rows that the call's formulas read in the place of an argument: the numbers of the argument and of the
    /// rows in [`Calls::saved`].
    pub replaced: Vec<(usize, usize)>,
    /// Whose rows the arguments and the results have, for a derivative of selected values.
    pub selected: Option<Selected>,
    /// The methods of the call that give its derivatives.
    pub derivatives: Vec<Derivative>,
    /// The sum as a linear operator, for each variable that it runs over and is linear in.
    pub operators: Vec<Operator>,
}

/// A method of a call that gives one of its derivatives.
pub struct Derivative {
    /// The name of the method, as `vjp_x`.
    pub method: String,
    /// What the derivative is, for the documentation of the method.
    pub doc: String,
    /// The marker type of the derivative.
    pub call: String,
    /// The argument of the method: name, category and dimension.
    pub argument: (&'static str, Category, Dim),
    /// How the arguments of the derivative are made of the arguments of the call and the argument of the method.
    pub arguments: Arguments,
}

/// The result of a call.
pub enum Output {
    /// Rows of values.
    Values(Dim),
    /// Rows of row numbers.
    Indices(Dim),
    /// Rows of values and rows of as many row numbers.
    ValuesAndIndices(Dim),
    /// Lists of row numbers and values, of different lengths.
    Lists,
    /// A gradient for each variable.
    Gradients(Vec<(String, Dim)>),
}

/// A pass over all pairs.
pub struct Pass {
    /// The name of the formula's marker type: that of the call, with the index of the pass if there are several.
    pub name: String,
    /// The lowered formula.
    pub program: Program,
    /// The reduction.
    pub reduction: PassReduction,
    /// The parts of a row of the result, in order.
    pub parts: Vec<Part>,
}

/// The reduction of a pass: a type of `keops_core::reduction`.
#[derive(Clone)]
pub struct PassReduction {
    /// The name of the type.
    pub path: &'static str,
    /// The value of the type's const generic, if it has one: the number K of a K-min, or the number of blocks of a
    /// saved product.
    pub k: Option<Dim>,
}

impl PassReduction {
    fn new(path: &'static str, k: Option<Dim>) -> Self {
        Self { path, k }
    }

    /// Whether the reduction has no kernels for devices.
    pub fn is_on_host(&self) -> bool {
        matches!(self.path, "Within" | "CountWithin")
    }
}

/// Consecutive components of a row of a pass's result, which go to one output of the call.
pub struct Part {
    /// The output, as a number of [`Output::Gradients`]; 0 for other results.
    pub field: usize,
    /// The number of components.
    pub dim: Dim,
    /// Whether the output is the sum over all targets.
    pub total: bool,
    /// If the output has the rows of an argument of the call, the number of this argument: the output is the gradient
    /// in it, or a change of that gradient.
    pub gradient: Option<usize>,
}

/// Whose rows the arguments and the results of a derivative of selected values have; see [`selection`].
pub struct Selected {
    /// The side of each argument.
    pub arguments: Vec<Side>,
    /// The side of each part of the result.
    pub parts: Vec<Side>,
}

/// What the rows of an argument or of a result belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The rows of i, the rows of j, or the one row of a parameter.
    Index(Category),
    /// One number for each selected pair.
    Pair,
}

/// Rows that are computed before the passes of a call, which read them as one more variable.
pub enum Saved {
    /// A row for each target, which is the result of a pass.
    Pass {
        /// The pass.
        pass: Pass,
        /// The number of arguments that the pass takes, which are the first ones of the call.
        arguments: usize,
        /// The earlier saved rows that the pass reads after these arguments.
        reads: Vec<usize>,
    },
    /// A row for each source: the value of a formula of the source alone, less what these values have in common.
    Centred {
        /// The arguments that the formula reads.
        of: Vec<usize>,
        /// The arguments that the rows are multiplied with in an exponent. The rows stay as they are if one of these
        /// has a number that is not finite, and if they are on a device. `None` if nothing is asked of others.
        beside: Option<Vec<usize>>,
        /// The formula, as a pass without a reduction; `None` if the value is the argument itself.
        pass: Option<Pass>,
    },
    /// A row for each target: the number of sources that it meets, which takes no pass.
    Counts {
        /// The number of arguments that decide the number of sources, which are the first ones of the call.
        arguments: usize,
    },
}

impl Saved {
    /// The earlier saved rows that these rows are computed from.
    pub fn reads(&self) -> &[usize] {
        match self {
            Saved::Pass { reads, .. } => reads,
            Saved::Centred { .. } | Saved::Counts { .. } => &[],
        }
    }

    /// The pass or the formula that computes the rows, if there is one.
    pub fn pass(&self) -> Option<&Pass> {
        match self {
            Saved::Pass { pass, .. } => Some(pass),
            Saved::Centred { pass, .. } => pass.as_ref(),
            Saved::Counts { .. } => None,
        }
    }

    /// Whether the rows are computed by a pass over all pairs.
    pub fn is_of_pairs(&self) -> bool {
        matches!(self, Saved::Pass { .. })
    }
}

/// All calls of an item.
pub struct Calls {
    /// The calls; the first one is the value.
    pub calls: Vec<Call>,
    /// The saved rows that calls read, each after the saved rows that it is computed from.
    pub saved: Vec<Saved>,
    /// The pass that finds the row numbers of selected values, if the derivatives need them. It takes the arguments
    /// of the value.
    pub selection: Option<Pass>,
    /// Conditions on the const generics.
    pub requirements: Vec<Requirement>,
}

impl Calls {
    /// The numbers in [`Self::saved`] of the rows that a call needs, directly or through other rows, in ascending
    /// order.
    pub fn needed(&self, call: &Call) -> Vec<usize> {
        let mut needed = vec![false; self.saved.len()];
        call.saved.iter().for_each(|&k| needed[k] = true);
        for k in (0..needed.len()).rev() {
            if needed[k] {
                self.saved[k].reads().iter().for_each(|&earlier| needed[earlier] = true);
            }
        }
        needed.iter().enumerate().filter(|(_, needed)| **needed).map(|(k, _)| k).collect()
    }

    /// The number of passes over the pairs that run for a call.
    pub fn passes(&self, call: &Call) -> usize {
        let saved = self.needed(call).into_iter().filter(|&k| self.saved[k].is_of_pairs());
        saved.count() + call.passes.len()
    }
}

/// Derives the calls of a checked item.
pub fn calls(item: &Item, checked: Checked) -> syn::Result<Calls> {
    let Checked { mut graph, mut values, reduction, k } = checked;
    let target = if item.reduction.over == Category::J { Category::I } else { Category::J };
    let out = graph.dim(*values.last().expect("a formula")).clone();
    let width = match reduction.reduction {
        Reduction::KMin { .. } => out.checked_mul(&k),
        Reduction::MaxSumShiftExp => out.checked_add(&Dim::number(1)),
        _ => Some(out.clone()),
    };
    let Some(width) = width else {
        return Err(syn::Error::new(item.body.span, "the result has too many components to count"));
    };
    let variables: Vec<VarId> = graph.variable_ids().collect();
    let scheme = item.scheme.map_or(Scheme::Blocked, |(scheme, _)| scheme);
    let value = match reduction.reduction {
        Reduction::Sum => scheme.path(),
        Reduction::Mean => scheme.mean_path(),
        _ => reduction.path,
    };
    let sum = match reduction.reduction {
        // of the value and of its derivatives
        Reduction::Zero => {
            values = vec![graph.zero(out)];
            reduction.path
        }
        _ => scheme.path(),
    };
    let mut derive = Derive::new(graph, variables, target, sum);
    derive.forward(reduction, (value, &k), &values, width, item.order);
    Ok(derive.finish())
}
