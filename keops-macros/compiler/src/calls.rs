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
//! exp(f - a) (g df + dg), and a is one more variable, *saved* by a first pass. What a further derivative asks of it is
//! a sum again, saved by a further pass: [`saved`].
//!
//! What a reduction selects (the least, the K least) depends on one source only: its derivatives are those of this one
//! term, and the same rules give them, of rows that were gathered: [`selection`].

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
    /// Which of [`Calls::saved`] its formulas read, behind the arguments.
    pub saved: Vec<usize>,
    /// For a derivative of what was selected, how it goes from rows to pairs and back.
    pub selected: Option<Selected>,
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
    /// Where it goes.
    pub arguments: Arguments,
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
    pub parts: Vec<Part>,
}

/// The reduction of a pass: a type of `keops_core::reduction`.
#[derive(Clone)]
pub struct PassReduction {
    /// The name of the type.
    pub path: &'static str,
    /// The number K of a K-min, or the blocks of a saved product: the type's const generic, if it has one.
    pub k: Option<Dim>,
}

impl PassReduction {
    fn new(path: &'static str, k: Option<Dim>) -> Self {
        Self { path, k }
    }
}

/// See [`Pass::parts`].
pub struct Part {
    /// Which gradient of [`Output::Gradients`].
    pub field: usize,
    /// Components.
    pub dim: Dim,
    /// Summed over all targets.
    pub total: bool,
    /// If its rows are those of an argument of the call, which: that it is the gradient of, or the change of the gradient.
    pub gradient: Option<usize>,
}

/// See [`selection`].
pub struct Selected {
    /// Of each argument.
    pub arguments: Vec<Side>,
    /// Of each part of the pass.
    pub parts: Vec<Side>,
}

/// What the rows of an argument or of a result belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// An index, or nothing, for a parameter.
    Index(Category),
    /// One number for each pair that was selected.
    Pair,
}

/// Rows that are made before the passes of a call, and are one more variable.
pub enum Saved {
    /// One for each target, by a pass.
    Pass {
        /// The pass.
        pass: Pass,
        /// How many of the call's arguments it takes.
        arguments: usize,
        /// Which earlier ones it reads, behind these arguments.
        reads: Vec<usize>,
    },
    /// One for each source: the value of a formula of it, less what all of them have in common.
    Centred {
        /// The arguments that the formula reads.
        of: Vec<usize>,
        /// The formula, of rows and without a reduction; `None` if it is the one argument.
        pass: Option<Pass>,
    },
    /// One for each target: how many sources it meets, which takes no pass.
    Counts {
        /// How many of the call's arguments tell it.
        arguments: usize,
    },
}

impl Saved {
    /// Which earlier ones it reads.
    pub fn reads(&self) -> &[usize] {
        match self {
            Saved::Pass { reads, .. } => reads,
            Saved::Centred { .. } | Saved::Counts { .. } => &[],
        }
    }

    /// Its pass, if it has one.
    pub fn pass(&self) -> Option<&Pass> {
        match self {
            Saved::Pass { pass, .. } => Some(pass),
            Saved::Centred { pass, .. } => pass.as_ref(),
            Saved::Counts { .. } => None,
        }
    }

    /// Whether it is a pass over all pairs.
    pub fn is_of_pairs(&self) -> bool {
        matches!(self, Saved::Pass { .. })
    }
}

/// All calls of an item.
pub struct Calls {
    /// The value first.
    pub calls: Vec<Call>,
    /// What their derivatives need to know of all sources, each after those that it reads.
    pub saved: Vec<Saved>,
    /// For derivatives of what was selected, the pass over the arguments of the value that finds the row numbers.
    pub selection: Option<Pass>,
    /// What const generics must be like.
    pub requirements: Vec<Requirement>,
}

impl Calls {
    /// Those of [`Self::saved`] that a call needs, directly or not, in their order.
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

    /// How many passes run for a call.
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
        // all of it, and of its derivatives
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
