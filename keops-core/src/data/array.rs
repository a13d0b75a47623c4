//! Numbers that stay on a device between calls.
//!
//! A call copies its arguments to a CUDA device and its result back. What several calls use can be left there:
//! [`DeviceRows`] are the rows of an argument or of a result, in the memory of a device or in that of the host.
//! [`Storage`](crate::data::Storage) says in which of the two kinds of memory a call leaves its result.
//!
//! ```
//! use keops::prelude::*;
//!
//! keops! {
//!     /// a_i = Σ_j exp(-|x_i - y_j|²) b_j
//!     pub fn gaussian(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) * b }
//! }
//!
//! # fn main() -> Result<(), Error> {
//! let x = Device::Auto.upload(&[[0.0_f64], [1.0]])?; // copied once
//! let b = Device::Auto.upload(&[[1.0], [2.0]])?;
//! let a = gaussian(&x, &x, &b).eval_on_device()?;
//! let all = gaussian(&x, &x, &b).vjp(&a).eval_on_device()?; // a and all gradients stay there
//! let in_b: Rows<f64, 1> = all.b.download()?; // only these are copied back
//! assert_eq!((in_b.len(), all.b.device()), (2, x.device()));
//! # Ok(())
//! # }
//! ```

use core::{any::Any, fmt::Debug};
use std::sync::Arc;

use crate::data::{Buffer, Device, Error, Matrix, Rows, View};

/// Memory of a CUDA device, which is freed when the value is dropped.
pub trait Memory: Debug + Send + Sync {
    /// The number of the device.
    fn ordinal(&self) -> usize;
    /// Copies all numbers to `to`, which must have the same length.
    ///
    /// # Errors
    /// An error of the device; a slice of another length.
    fn read_f32(&self, to: &mut [f32]) -> Result<(), Error>;
    /// As [`Self::read_f32`].
    ///
    /// # Errors
    /// As [`Self::read_f32`].
    fn read_f64(&self, to: &mut [f64]) -> Result<(), Error>;
    /// As [`Self::read_f32`].
    ///
    /// # Errors
    /// As [`Self::read_f32`].
    fn read_u32(&self, to: &mut [u32]) -> Result<(), Error>;
    /// The value itself, by which the engine that made it finds its own type.
    fn as_any(&self) -> &dyn Any;
}

/// A number as it is stored in memory: `f32`, `f64`, or a row number.
pub trait Stored: Copy + Default + Debug + Send + Sync + 'static {
    /// Copies numbers from a CUDA device.
    ///
    /// # Errors
    /// An error of the device.
    #[doc(hidden)]
    fn copy_from_device(memory: &dyn Memory, to: &mut [Self]) -> Result<(), Error>;
}

macro_rules! stored {
    ($($t:ident: $read:ident;)*) => {$(
        impl Stored for $t {
            fn copy_from_device(memory: &dyn Memory, to: &mut [$t]) -> Result<(), Error> {
                memory.$read(to)
            }
        }
    )*};
}

stored! {
    f32: read_f32;
    f64: read_f64;
    u32: read_u32;
}

/// Numbers on the host or on a CUDA device. They never change, so clones share them.
///
/// ```
/// use keops_core::data::{Array, Device};
///
/// let numbers = Array::Host(vec![1.0_f32, 2.0].into());
/// assert_eq!((numbers.len(), numbers.is_empty(), numbers.device()), (2, false, Device::Cpu));
/// ```
#[derive(Clone, Debug)]
pub enum Array<T> {
    /// On the host.
    Host(Arc<Vec<T>>),
    /// On a CUDA device: the memory, and how many numbers are in it.
    Cuda(Arc<dyn Memory>, usize),
}

impl<T> Default for Array<T> {
    fn default() -> Self {
        Self::Host(Arc::default())
    }
}

impl<T> Array<T> {
    /// How many numbers.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Host(numbers) => numbers.len(),
            Self::Cuda(_, len) => *len,
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where they are.
    #[must_use]
    pub fn device(&self) -> Device {
        match self {
            Self::Host(_) => Device::Cpu,
            Self::Cuda(memory, _) => Device::Cuda(memory.ordinal()),
        }
    }
}

/// Rows of `D` numbers each on a device: made by `Device::upload` (the trait `Upload`) or by `eval_on_device`, and
/// taken by calls as any other rows.
///
/// A call with such arguments runs on their device; it is an error to ask for another one. Cloning copies nothing.
///
/// A device is a CUDA device or the processor, so that a program is the same on a machine without a GPU.
///
/// ```
/// use keops::prelude::*;
///
/// keops! {
///     /// a_i = Σ_j exp(-|x_i - y_j|²) b_j
///     pub fn gaussian(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) * b }
/// }
///
/// # fn main() -> Result<(), Error> {
/// let x: DeviceRows<f64, 1> = Device::Auto.upload(&[[0.0], [1.0]])?;
/// let mut v = Device::Auto.upload(&[[1.0], [0.0]])?;
/// for _ in 0..3 {
///     v = gaussian(&x, &x, &v).eval_on_device()?; // nothing is copied
/// }
/// let v = v.download()?;
/// let k = (-1.0_f64).exp();
/// assert!((v[0][0] - (1.0 + 3.0 * k * k)).abs() < 1e-12);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct DeviceRows<T, const D: usize> {
    array: Array<T>,
}

impl<T, const D: usize> Default for DeviceRows<T, D> {
    fn default() -> Self {
        Self { array: Array::default() }
    }
}

impl<T, const D: usize> DeviceRows<T, D> {
    /// As rows of an argument.
    pub(crate) fn view(&self) -> View<'_, T>
    where
        T: Clone,
    {
        View::from_array(self.array.clone(), D)
    }

    pub(super) fn array_mut(&mut self) -> &mut Array<T> {
        &mut self.array
    }
}

impl<T: Stored, const D: usize> DeviceRows<T, D> {
    /// The rows that an array holds, one after another, without the numbers after the last whole row.
    ///
    /// ```
    /// # use keops_core::data::{Array, DeviceRows};
    /// let rows = DeviceRows::<f32, 2>::from_array(Array::Host(vec![0.0, 1.0, 2.0, 3.0].into()));
    /// assert_eq!(*rows.download()?, [[0.0, 1.0], [2.0, 3.0]]);
    /// # Ok::<(), keops::Error>(())
    /// ```
    #[must_use]
    pub fn from_array(array: Array<T>) -> Self {
        Self { array }
    }

    /// How many rows.
    ///
    /// ```
    /// # use keops::prelude::*;
    /// let rows: DeviceRows<f32, 3> = Device::Auto.upload(&[[0.0; 3]; 5])?;
    /// assert_eq!(rows.len(), 5);
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.array.len().checked_div(D).unwrap_or(0)
    }

    /// Whether there is none.
    ///
    /// ```
    /// # use keops::prelude::*;
    /// assert!(DeviceRows::<f32, 3>::default().is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where they are: [`Device::Cuda`] or [`Device::Cpu`].
    ///
    /// ```
    /// # use keops::prelude::*;
    /// let rows: DeviceRows<f32, 1> = Device::Cpu.upload(&[[1.0], [2.0]])?;
    /// assert_eq!(rows.device(), Device::Cpu);
    /// let anywhere: DeviceRows<f32, 1> = Device::Auto.upload(&[[1.0], [2.0]])?;
    /// assert!(matches!(anywhere.device(), Device::Cuda(0) | Device::Cpu)); // the first GPU, if there is one
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn device(&self) -> Device {
        self.array.device()
    }

    /// Copies them to the host.
    ///
    /// # Errors
    /// [`Error::Cuda`], if the driver fails; [`Error::OutputTooLarge`].
    ///
    /// ```
    /// # use keops::prelude::*;
    /// let on_device = Device::Auto.upload(&[[1.0_f32, 2.0], [3.0, 4.0]])?;
    /// let rows: Rows<f32, 2> = on_device.download()?;
    /// assert_eq!(rows[1], [3.0, 4.0]);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn download(&self) -> Result<Rows<T, D>, Error> {
        let mut rows = Rows::zeros(self.len())?;
        self.download_into(&mut rows)?;
        Ok(rows)
    }

    /// Copies the rows to rows of the caller.
    ///
    /// # Errors
    /// [`Error::OutputLength`] if `rows` has another number of rows; [`Error::Cuda`] if the driver fails.
    ///
    /// ```
    /// # use keops::prelude::*;
    /// let on_device: DeviceRows<f32, 2> = Device::Auto.upload(&[[1.0, 2.0], [3.0, 4.0]])?;
    /// let mut rows = [[0.0; 2]; 2];
    /// on_device.download_into(&mut rows)?;
    /// assert_eq!(rows, [[1.0, 2.0], [3.0, 4.0]]);
    /// let error = on_device.download_into(&mut rows[..1]).unwrap_err();
    /// assert_eq!(error.to_string(), "the output holds 2 numbers, but the result has 2 rows of 2");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn download_into(&self, rows: &mut [[T; D]]) -> Result<(), Error> {
        let to = rows.as_flattened_mut();
        if to.len() != self.array.len() {
            return Err(Error::OutputLength { rows: self.len(), width: D, found: to.len() });
        }
        match &self.array {
            Array::Host(numbers) => to.copy_from_slice(numbers),
            Array::Cuda(memory, _) => T::copy_from_device(&**memory, to)?,
        }
        Ok(())
    }
}

/// Rows on a device, as [`DeviceRows`], whose number of components stable Rust cannot name in a type: a result of
/// dimension D*D, say, for a const generic D.
///
/// ```
/// use keops::{DeviceMatrix, Matrix, prelude::*};
///
/// keops! {
///     /// a_i = Σ_j y_j y_jᵀ, row-major
///     pub fn moments<const D: usize>(x: Vi<1>, y: Vj<D>) -> Sum<j> { x * outer(y, y) }
/// }
///
/// # fn main() -> Result<(), Error> {
/// let on_device: DeviceMatrix<f64> = moments(&[[1.0]], &[[2.0, 3.0]]).eval_on_device()?;
/// assert_eq!((on_device.rows(), on_device.cols()), (1, 4));
/// let matrix: Matrix<f64> = on_device.download()?;
/// assert_eq!(matrix.row(0), Some(&[4.0, 6.0, 6.0, 9.0][..]));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct DeviceMatrix<T> {
    array: Array<T>,
    cols: usize,
}

impl<T> Default for DeviceMatrix<T> {
    fn default() -> Self {
        Self { array: Array::default(), cols: 0 }
    }
}

impl<T> DeviceMatrix<T> {
    /// An array without rows, for rows of `cols` numbers that an engine will store in it.
    pub(super) fn of_width(cols: usize) -> Self {
        Self { array: Array::default(), cols }
    }

    /// As rows of an argument.
    pub(crate) fn view(&self) -> View<'_, T>
    where
        T: Clone,
    {
        View::from_array(self.array.clone(), self.cols)
    }

    pub(super) fn array_mut(&mut self) -> &mut Array<T> {
        &mut self.array
    }
}

impl<T: Stored> DeviceMatrix<T> {
    /// How many rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.array.len().checked_div(self.cols).unwrap_or(0)
    }

    /// The number of numbers in a row.
    #[must_use]
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Where they are: [`Device::Cuda`] or [`Device::Cpu`].
    #[must_use]
    pub fn device(&self) -> Device {
        self.array.device()
    }

    /// Copies them to the host.
    ///
    /// # Errors
    /// [`Error::Cuda`], if the driver fails; [`Error::OutputTooLarge`].
    pub fn download(&self) -> Result<Matrix<T>, Error> {
        let mut matrix = Matrix::room(self.rows(), self.cols)?;
        match &self.array {
            Array::Host(numbers) => matrix.as_flat_mut().copy_from_slice(numbers),
            Array::Cuda(memory, _) => T::copy_from_device(&**memory, matrix.as_flat_mut())?,
        }
        Ok(matrix)
    }
}
