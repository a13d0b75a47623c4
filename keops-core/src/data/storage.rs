//! The memory that results are written to.

use core::fmt::Debug;
use std::sync::Arc;

use crate::data::{Array, DeviceMatrix, DeviceRows, Error, Matrix, Rows, Stored};

/// The memory that the numbers of a result are written to.
#[derive(Debug)]
pub enum To<'a, T> {
    /// Memory of the host.
    Host(&'a mut [T]),
    /// An array, which the engine makes where the call runs.
    Array(&'a mut Array<T>),
}

impl<T> Default for To<'_, T> {
    fn default() -> Self {
        To::Host(&mut [])
    }
}

impl<'a, T> From<&'a mut [T]> for To<'a, T> {
    fn from(to: &'a mut [T]) -> Self {
        To::Host(to)
    }
}

impl<'a, T> From<&'a mut Vec<T>> for To<'a, T> {
    fn from(to: &'a mut Vec<T>) -> Self {
        To::Host(to)
    }
}

impl<'a, T, const N: usize> From<&'a mut [T; N]> for To<'a, T> {
    fn from(to: &'a mut [T; N]) -> Self {
        To::Host(to)
    }
}

impl<T> To<'_, T> {
    /// The same memory, borrowed for a shorter time.
    pub fn reborrow(&mut self) -> To<'_, T> {
        match self {
            To::Host(numbers) => To::Host(numbers),
            To::Array(array) => To::Array(array),
        }
    }
}

impl<T: Copy + Default> To<'_, T> {
    /// The memory of the host for `rows` rows of `width` numbers; an array gets its memory here.
    ///
    /// # Errors
    /// [`Error::OutputTooLarge`].
    pub fn host(&mut self, rows: usize, width: usize) -> Result<&mut [T], Error> {
        let array = match self {
            To::Host(data) => return Ok(data),
            To::Array(array) => array,
        };
        **array = Array::Host(Arc::new(room(rows, width)?));
        match &mut **array {
            Array::Host(data) => Ok(Arc::get_mut(data).map_or(&mut [], Vec::as_mut_slice)),
            Array::Cuda(..) => Ok(&mut []),
        }
    }
}

/// Room for `rows` rows of `width` numbers on the host.
///
/// # Errors
/// [`Error::OutputTooLarge`].
pub fn room<T: Copy + Default>(rows: usize, width: usize) -> Result<Vec<T>, Error> {
    let too_large = || Error::OutputTooLarge { rows, width };
    let len = rows.checked_mul(width).ok_or_else(too_large)?;
    // The memory is reserved and freed first, because `vec!` would abort if there were none. `vec!` itself takes memory
    // that is zero already, whose pages are then first touched by the threads that write them.
    Vec::<T>::new().try_reserve_exact(len).map_err(|_| too_large())?;
    Ok(vec![T::default(); len])
}

/// The rows of a result, in one kind of storage.
pub trait Buffer<T>: Default + Clone + Debug {
    /// Memory for `rows` rows of `width` numbers.
    ///
    /// # Errors
    /// [`Error::OutputTooLarge`] if there is no memory for them.
    fn room(rows: usize, width: usize) -> Result<Self, Error>;
    /// The memory that the engine writes the rows to.
    fn to(&mut self) -> To<'_, T>;
}

impl<T: Stored, const D: usize> Buffer<T> for Rows<T, D> {
    fn room(rows: usize, _width: usize) -> Result<Self, Error> {
        Self::zeros(rows)
    }

    fn to(&mut self) -> To<'_, T> {
        To::Host(self.as_flat_mut())
    }
}

impl<T: Stored, const D: usize> Buffer<T> for DeviceRows<T, D> {
    /// Allocates nothing: the engine does, on a device that is not known here.
    fn room(_rows: usize, _width: usize) -> Result<Self, Error> {
        Ok(Self::default())
    }

    fn to(&mut self) -> To<'_, T> {
        To::Array(self.array_mut())
    }
}

impl<T: Stored> Buffer<T> for Matrix<T> {
    fn room(rows: usize, width: usize) -> Result<Self, Error> {
        Ok(Self::new(rows, width, room(rows, width)?))
    }

    fn to(&mut self) -> To<'_, T> {
        To::Host(self.as_flat_mut())
    }
}

impl<T: Stored> Buffer<T> for DeviceMatrix<T> {
    /// Allocates nothing: the engine does, on a device that is not known here.
    fn room(_rows: usize, width: usize) -> Result<Self, Error> {
        Ok(Self::of_width(width))
    }

    fn to(&mut self) -> To<'_, T> {
        To::Array(self.array_mut())
    }
}

/// Where the results of calls are: [`Host`] or [`OnDevice`].
pub trait Storage: Clone + Debug + 'static {
    /// Rows of a result.
    type Rows<T: Stored, const D: usize>: Buffer<T>;
    /// Rows of a result whose dimension stable Rust cannot name in a type.
    type Matrix<T: Stored>: Buffer<T>;
}

/// Results are [`Rows`].
#[derive(Clone, Copy, Debug)]
pub enum Host {}

/// Results are [`DeviceRows`].
#[derive(Clone, Copy, Debug)]
pub enum OnDevice {}

impl Storage for Host {
    type Rows<T: Stored, const D: usize> = Rows<T, D>;
    type Matrix<T: Stored> = Matrix<T>;
}

impl Storage for OnDevice {
    type Rows<T: Stored, const D: usize> = DeviceRows<T, D>;
    type Matrix<T: Stored> = DeviceMatrix<T>;
}
