//! A checked call, which every engine takes.
//!
//! A [`Problem`] is made once for a pass over the pairs, and what can be wrong with its arguments is found there: engines
//! take it and [`Outputs`] through one trait, [`Engine`], and check nothing again. Which engine that is, is decided above
//! them, in [`crate::call`].
//!
//! | where | what |
//! |---|---|
//! | `shape` | arguments against the formula: N, M, batches |
//! | `outputs` | results: rows, and totals over all rows |
//! | `progress` | how far a call is |
//! | `settings` | where a call runs, on which pairs, and who is told |
//! | [`cuda`] | engines on CUDA devices, as calls know them |

pub mod cuda;
mod outputs;
mod progress;
mod settings;
mod shape;

pub use outputs::{HostPiece, Outputs, Piece, Place};
pub use progress::{Meter, Pairs, Watch};
pub use settings::Settings;
pub(crate) use shape::shape_and_batches;
pub use shape::{Batches, Shape, shape};

use crate::{
    data::{Error, View},
    formula::{Formula, Index, Role, Variable},
    reduction::{Reduction, components},
};

/// What a call of a formula with its reduction takes and gives.
#[derive(Clone, Copy, Debug)]
pub struct Signature {
    /// The name of the formula, for messages.
    pub name: &'static str,
    /// The variables, in the order of the arguments.
    pub variables: &'static [Variable],
    /// Which index the targets are.
    pub targets: Index,
    /// Values in a row of the result.
    pub values: usize,
    /// Row numbers in a row of the result.
    pub indices: usize,
}

impl Signature {
    /// What a call of `F` with `R` takes and gives.
    #[must_use]
    pub fn of<F: Formula, R: Reduction>() -> Self {
        let components = components::<F>();
        let (values, indices) = (R::values(components), R::indices(components));
        Self { name: F::NAME, variables: F::VARIABLES, targets: F::TARGETS, values, indices }
    }
}

/// A call whose arguments fit the formula and each other.
#[derive(Clone, Debug)]
pub struct Problem<'a, T> {
    signature: Signature,
    views: &'a [View<'a, T>],
    shape: Shape,
    batches: Batches,
    pairs: Pairs<'a>,
}

impl<'a, T> Problem<'a, T> {
    /// A call with these arguments, in the order of the variables, for these pairs.
    ///
    /// # Errors
    /// A view that does not consist of whole rows or has the wrong dimension; row counts that differ between variables of
    /// one role; more rows than can be numbered; the wrong number of views; batches that do not go together; ranges of rows
    /// that there are not.
    pub fn new(signature: Signature, views: &'a [View<'_, T>], pairs: Pairs<'a>) -> Result<Self, Error> {
        let (shape, batches) = shape_and_batches(signature.name, signature.variables, views)?;
        if let Some(pattern) = pairs.pattern {
            shape::check_ranges(signature.name, signature.targets, pattern, shape)?;
        }
        Ok(Self { signature, views, shape, batches, pairs })
    }

    /// What the call takes and gives.
    #[must_use]
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The arguments, in the order of the variables.
    #[must_use]
    pub fn views(&self) -> &'a [View<'a, T>] {
        self.views
    }

    /// How many rows there are on both sides, and batches.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Which batch of each argument serves for which of the call.
    #[must_use]
    pub fn batches(&self) -> &Batches {
        &self.batches
    }

    /// The pairs that count, and who wants to know how many of them are done.
    #[must_use]
    pub fn pairs(&self) -> Pairs<'a> {
        self.pairs
    }

    /// How many rows the result has, or the gradient of an argument: those of all its batches.
    #[must_use]
    pub fn rows_of(&self, gradient: Option<usize>) -> usize {
        match gradient {
            None => self.shape.rows(),
            Some(view) if self.is_parameter(view) => self.views[view].batches(),
            Some(view) => self.views[view].batches() * self.shape.targets,
        }
    }

    /// Whether an argument is a parameter.
    pub(crate) fn is_parameter(&self, view: usize) -> bool {
        self.signature.variables[view].role == Role::Parameter
    }
}

/// An engine with what was compiled of a formula and its reduction.
pub trait Engine<T> {
    /// Computes a_i = Reduction_j f(p, x_i, y_j) for all targets i.
    ///
    /// # Errors
    /// Arguments on a device that is not the engine's; whatever the device says; no memory.
    fn reduce(&self, problem: &Problem<'_, T>, outputs: &mut Outputs<'_, '_, T>) -> Result<(), Error>;
}
