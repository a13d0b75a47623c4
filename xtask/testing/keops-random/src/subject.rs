//! The interface by which the checks call a compiled formula.

use fastrand::Rng;
use keops::{
    __private::{Components, Element, Formula, View},
    Device, Error,
};
use keops_core::{
    call::reduce_on,
    problem::{Piece, Place, shape},
    reduction::Reduction,
};
use pulp::Arch;

use crate::{boxes::Bounded, scales::Units};

/// A result: its values and its row numbers, as far as it has them, row after row.
#[derive(Clone, Debug, Default)]
pub struct Outcome<T> {
    /// The values.
    pub values: Vec<T>,
    /// The row numbers.
    pub indices: Vec<u32>,
}

/// A derivative of a call. Its arguments come after the variables: the cotangent, then the tangent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Derivative {
    /// (∂a/∂v)ᵀ e for the variable of this place.
    Vjp(usize),
    /// (∂a/∂v) u
    Jvp(usize),
    /// The change of the former gradient along u.
    JvpOfVjp(usize),
}

/// A formula that `keops!` has compiled.
pub trait Subject {
    /// The seed that the formula was drawn from.
    const SEED: u64;
    /// The item.
    const ITEM: &'static str;
    /// The number of times that it can be differentiated.
    const ORDER: u32;

    /// The units of the formula, if it is right in any units.
    fn units() -> Option<Units> {
        None
    }

    /// The result.
    ///
    /// # Errors
    /// The call fails.
    fn value<T: Element>(rows: &[Vec<T>], device: Device) -> Result<Outcome<T>, Error>;

    /// The result on one instruction set, if it has no row numbers.
    ///
    /// # Errors
    /// The call fails.
    fn on<T: Element>(rows: &[Vec<T>], arch: Arch) -> Result<Option<Outcome<T>>, Error>;

    /// A derivative of the first order.
    ///
    /// # Errors
    /// The call fails.
    fn derivative<T: Element>(of: Derivative, rows: &[Vec<T>], device: Device) -> Result<Vec<T>, Error>;

    /// A derivative of the second order.
    ///
    /// # Errors
    /// The call fails.
    fn second(of: Derivative, rows: &[Vec<f64>], device: Device) -> Result<Vec<f64>, Error>;

    /// Compares values of the formula, and of its derivatives as far as they are formulas, with bounds on boxes; nothing where no
    /// formula was compiled.
    ///
    /// # Errors
    /// A value is not within its bounds.
    fn within_bounds<T: Element>(_rng: &mut Rng) -> anyhow::Result<Bounded> {
        Ok(Bounded::default())
    }

    /// All gradients at once.
    ///
    /// # Errors
    /// The call fails.
    fn gradients(rows: &[Vec<f64>], device: Device) -> Result<Vec<Vec<f64>>, Error>;
}

/// The values of a formula on one instruction set.
///
/// # Errors
/// The engine fails.
pub fn on<T: Element, F: Formula, R: Reduction>(arch: Arch, views: &[View<'_, T>]) -> Result<Outcome<T>, Error> {
    let shape = shape(F::NAME, F::VARIABLES, views)?;
    let width = R::values(<F::Output<T> as Components<T>>::LEN);
    let mut values = vec![T::nan(); shape.targets * width];
    let mut pieces = [Piece { width, place: Place::Rows, to: (&mut values[..]).into() }];
    reduce_on::<T, F, R>(arch, views, &mut pieces, None)?;
    Ok(Outcome { values, indices: Vec::new() })
}
