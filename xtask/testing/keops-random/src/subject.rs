//! A compiled formula, as the checks call it.

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

use crate::scales::Units;

/// A result: what there is of values and of row numbers, row after row.
#[derive(Clone, Debug, Default)]
pub struct Outcome<T> {
    /// The values.
    pub values: Vec<T>,
    /// The row numbers.
    pub indices: Vec<u32>,
}

/// A derivative of a call. Its arguments stand behind the variables: the cotangent, then the tangent.
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
    /// What it was drawn from.
    const SEED: u64;
    /// The item.
    const ITEM: &'static str;
    /// How often it can be differentiated.
    const ORDER: u32;

    /// The units of the formula, if it is right in any.
    fn units() -> Option<Units> {
        None
    }

    /// The result.
    ///
    /// # Errors
    /// Those of the call.
    fn value<T: Element>(rows: &[Vec<T>], device: Device) -> Result<Outcome<T>, Error>;

    /// The result on one instruction set, if it has no row numbers.
    ///
    /// # Errors
    /// Those of the call.
    fn on<T: Element>(rows: &[Vec<T>], arch: Arch) -> Result<Option<Outcome<T>>, Error>;

    /// A derivative of the first order.
    ///
    /// # Errors
    /// Those of the call.
    fn derivative<T: Element>(of: Derivative, rows: &[Vec<T>], device: Device) -> Result<Vec<T>, Error>;

    /// One of the second order.
    ///
    /// # Errors
    /// Those of the call.
    fn second(of: Derivative, rows: &[Vec<f64>], device: Device) -> Result<Vec<f64>, Error>;

    /// All gradients at once.
    ///
    /// # Errors
    /// Those of the call.
    fn gradients(rows: &[Vec<f64>], device: Device) -> Result<Vec<Vec<f64>>, Error>;
}

/// The values of a formula on one instruction set.
///
/// # Errors
/// Those of the engine.
pub fn on<T: Element, F: Formula, R: Reduction>(arch: Arch, views: &[View<'_, T>]) -> Result<Outcome<T>, Error> {
    let shape = shape(F::NAME, F::VARIABLES, views)?;
    let width = R::values(<F::Output<T> as Components<T>>::LEN);
    let mut values = vec![T::nan(); shape.targets * width];
    let mut pieces = [Piece { width, place: Place::Rows, to: (&mut values[..]).into() }];
    reduce_on::<T, F, R>(arch, views, &mut pieces, None)?;
    Ok(Outcome { values, indices: Vec::new() })
}
