//! A checked call, which every engine takes.
//!
//! A [`Problem`] is made once for a pass over the pairs, and all faults of the arguments are found when it is made.
//! Engines implement one trait, [`Engine`], take a problem and [`Outputs`], and check nothing again. The module
//! [`crate::call`] chooses the engine.
//!
//! | where | what |
//! |---|---|
//! | `shape` | arguments against the formula: N, M, batches |
//! | `outputs` | results: rows, and totals over all rows |
//! | `states` | the states of all targets, as data |
//! | `progress` | how many pairs of a call are done |
//! | `ranks` | calls over several processes |
//! | `settings` | the device of a call, its ranges, and its progress callback |
//! | `tolerance` | how far a sum may be off |
//! | [`cuda`] | engines on CUDA devices, as calls know them |

pub mod cuda;
mod outputs;
mod progress;
mod ranks;
mod settings;
mod shape;
mod states;
mod tolerance;

pub use outputs::{Begin, HostPiece, Outputs, Piece, Place};
pub use progress::{Meter, Pairs, Watch};
pub(crate) use ranks::digest;
pub use ranks::{Exchange, Messages, Over, Work};
pub use settings::{Pruning, Settings, Sweep};
pub use shape::{Batches, Shape, shape};
pub(crate) use shape::{check_ranges, shape_and_batches};
pub use states::States;
pub use tolerance::{Approximation, Tolerance, ToleranceReport};

use crate::{
    data::{Error, View},
    formula::{Formula, Index, Role, Variable},
    reduction::{Reduction, components},
};

/// The arguments and the result row of a formula with its reduction.
#[derive(Clone, Copy, Debug)]
pub struct Signature {
    /// The name of the formula, for messages.
    pub name: &'static str,
    /// The variables, in the order of the arguments.
    pub variables: &'static [Variable],
    /// The index of the targets.
    pub targets: Index,
    /// The number of values in a row of the result.
    pub values: usize,
    /// The number of row numbers in a row of the result.
    pub indices: usize,
}

impl Signature {
    /// The signature of `F` with the reduction `R`.
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
    /// Checks the arguments, in the order of the variables, and the pairs of a call.
    ///
    /// # Errors
    /// A view that does not consist of whole rows or has the wrong dimension; row counts that differ between variables
    /// of one role; more rows than can be numbered; the wrong number of views; batches that do not go together; ranges
    /// beyond the last row.
    pub fn new(signature: Signature, views: &'a [View<'_, T>], pairs: Pairs<'a>) -> Result<Self, Error> {
        let (shape, batches) = shape_and_batches(signature.name, signature.variables, views)?;
        if let Some(pattern) = pairs.pattern {
            shape::check_ranges(signature.name, signature.targets, pattern, shape)?;
        }
        Ok(Self { signature, views, shape, batches, pairs })
    }

    /// The signature of the formula with its reduction.
    #[must_use]
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The arguments, in the order of the variables.
    #[must_use]
    pub fn views(&self) -> &'a [View<'a, T>] {
        self.views
    }

    /// The numbers of targets, sources and batches.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The batches: which batch of each argument belongs to which batch of the call.
    #[must_use]
    pub fn batches(&self) -> &Batches {
        &self.batches
    }

    /// The pairs that the reduction runs over, and the callback for their progress.
    #[must_use]
    pub fn pairs(&self) -> Pairs<'a> {
        self.pairs
    }

    /// The number of rows of the result or, given the number of an argument, of the gradient in that argument, in all
    /// batches.
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

/// An engine, with the code that was compiled for a formula and its reduction.
pub trait Engine<T> {
    /// Computes a_i = Reduction_j f(p, x_i, y_j) for all targets i.
    ///
    /// # Errors
    /// Arguments on a device that the engine does not run on; errors of the device; no memory.
    fn reduce(&self, problem: &Problem<'_, T>, outputs: &mut Outputs<'_, '_, T>) -> Result<(), Error>;
}
