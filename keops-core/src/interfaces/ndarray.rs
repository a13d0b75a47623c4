//! Arrays of the crate `ndarray`.
//!
//! An array of shape (N, D) is N rows of a variable of dimension D. An array of shape (N) is N rows of dimension 1.
//! Axes before these two are batch dimensions, as [`batched`](crate::arguments::batched) makes them: (B, N, D) is B
//! batches of N rows.
//!
//! A parameter of D components may be an array of any shape with D numbers, in row-major order: an array of shape (3,
//! 3) is an argument for `Pm<9>`.
//!
//! Arrays in the standard layout are borrowed. Other arrays (transposed, Fortran order, every second row, reversed
//! axes) are copied in row-major order. Rows become an `Array2` without copying, and [`rows_mut`] lends the rows of an
//! array to `into_rows`.
//!
//! ```
//! use keops::prelude::*;
//! use ndarray::{Array2, array, s};
//!
//! keops! {
//!     /// a_i = Σ_j (x_i | y_j)
//!     pub fn product(x: Vi<2>, y: Vj<2>) -> Sum<j> { (x | y) }
//! }
//!
//! let points = array![[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]];
//! let a: Array2<f64> = product(&points, &points.slice(s![..2, ..])).eval()?.into();
//! assert_eq!(a, array![[4.0], [16.0], [28.0]]);
//! # Ok::<(), Error>(())
//! ```
//!
//! Rows without a call:
//!
//! ```
//! use keops::{Error, Rows};
//! use ndarray::{Array2, array};
//!
//! let points = array![[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]];
//! let rows = Rows::<f32, 2>::try_from(&points)?;
//! assert_eq!(rows[2], [4.0, 5.0]);
//! assert_eq!(Array2::from(rows), points);
//! let error = Rows::<f32, 3>::try_from(&points).unwrap_err();
//! assert_eq!(error.to_string(), "`rows` has dimension 3, but its rows hold 2 numbers");
//! # Ok::<(), Error>(())
//! ```

use std::borrow::Cow;

use ndarray::{Array2, ArrayBase, ArrayRef, ArrayView, Data, DataMut, Dimension, Ix2};

use crate::{
    arguments::{AsDynParameter, AsDynRows, AsParameter, AsRows},
    call::Element,
    data::{Error, Matrix, Rows, View},
};

/// The numbers in row-major order.
fn numbers<T: Element, N: Dimension>(array: ArrayView<'_, T, N>) -> Cow<'_, [T]> {
    match array.to_slice() {
        Some(numbers) => Cow::Borrowed(numbers),
        None => Cow::Owned(array.iter().copied().collect()),
    }
}

/// An array as rows of a variable of dimension `dim`.
fn rows<T: Element, N: Dimension>(array: ArrayView<'_, T, N>, dim: usize) -> View<'_, T> {
    let (batch, rows, width) = match array.shape() {
        [] => (&[][..], 1, 1),
        &[rows] => (&[][..], rows, 1),
        [batch @ .., rows, width] => (batch, *rows, *width),
    };
    let all = batch.iter().fold(rows, |product, &size| product.saturating_mul(size));
    let batch = batch.to_vec();
    let view = View::from_table(numbers(array), [all, width], dim);
    if batch.is_empty() { view } else { view.batched(&batch) }
}

impl<'a, T: Element, S: Data<Elem = T>, N: Dimension, const D: usize> AsRows<'a, T, D> for &'a ArrayBase<S, N> {
    fn as_rows(self) -> View<'a, T> {
        rows(self.view(), D)
    }
}

impl<'a, T: Element, S: Data<Elem = T>, N: Dimension> AsDynRows<'a, T> for &'a ArrayBase<S, N> {
    fn as_dyn_rows(self, dim: usize) -> View<'a, T> {
        rows(self.view(), dim)
    }
}

impl<'a, T: Element, N: Dimension, const D: usize> AsRows<'a, T, D> for &'a ArrayRef<T, N> {
    fn as_rows(self) -> View<'a, T> {
        rows(self.view(), D)
    }
}

impl<'a, T: Element, N: Dimension> AsDynRows<'a, T> for &'a ArrayRef<T, N> {
    fn as_dyn_rows(self, dim: usize) -> View<'a, T> {
        rows(self.view(), dim)
    }
}

impl<'a, T: Element, N: Dimension, const D: usize> AsRows<'a, T, D> for ArrayView<'a, T, N> {
    fn as_rows(self) -> View<'a, T> {
        rows(self, D)
    }
}

impl<'a, T: Element, N: Dimension> AsDynRows<'a, T> for ArrayView<'a, T, N> {
    fn as_dyn_rows(self, dim: usize) -> View<'a, T> {
        rows(self, dim)
    }
}

impl<'a, T: Element, S: Data<Elem = T>, N: Dimension, const D: usize> AsParameter<'a, T, D> for &'a ArrayBase<S, N> {
    fn as_parameter(self) -> View<'a, T> {
        View::parameter_of(numbers(self.view()), D)
    }
}

impl<'a, T: Element, S: Data<Elem = T>, N: Dimension> AsDynParameter<'a, T> for &'a ArrayBase<S, N> {
    fn as_dyn_parameter(self, dim: usize) -> View<'a, T> {
        View::parameter_of(numbers(self.view()), dim)
    }
}

impl<'a, T: Element, N: Dimension, const D: usize> AsParameter<'a, T, D> for &'a ArrayRef<T, N> {
    fn as_parameter(self) -> View<'a, T> {
        View::parameter_of(numbers(self.view()), D)
    }
}

impl<'a, T: Element, N: Dimension> AsDynParameter<'a, T> for &'a ArrayRef<T, N> {
    fn as_dyn_parameter(self, dim: usize) -> View<'a, T> {
        View::parameter_of(numbers(self.view()), dim)
    }
}

impl<'a, T: Element, N: Dimension, const D: usize> AsParameter<'a, T, D> for ArrayView<'a, T, N> {
    fn as_parameter(self) -> View<'a, T> {
        View::parameter_of(numbers(self), D)
    }
}

impl<'a, T: Element, N: Dimension> AsDynParameter<'a, T> for ArrayView<'a, T, N> {
    fn as_dyn_parameter(self, dim: usize) -> View<'a, T> {
        View::parameter_of(numbers(self), dim)
    }
}

/// An array of shape (N, D), without copying.
impl<T, const D: usize> From<Rows<T, D>> for Array2<T> {
    fn from(rows: Rows<T, D>) -> Self {
        let shape = (rows.len(), D);
        Self::from_shape_vec(shape, rows.into_flat()).expect("rows in memory are as many numbers as their array has")
    }
}

/// An array of the same shape, without copying.
impl<T> From<Matrix<T>> for Array2<T> {
    fn from(matrix: Matrix<T>) -> Self {
        let shape = (matrix.rows(), matrix.cols());
        Self::from_shape_vec(shape, matrix.into_flat()).expect("a matrix has as many numbers as its array")
    }
}

/// Copies an array of shape (N, D), or (N) if D is 1.
///
/// # Errors
/// [`Error::Dimension`] for another number of columns.
impl<T: Element, S: Data<Elem = T>, N: Dimension, const D: usize> TryFrom<&ArrayBase<S, N>> for Rows<T, D> {
    type Error = Error;
    fn try_from(array: &ArrayBase<S, N>) -> Result<Self, Error> {
        Self::copied_from(array)
    }
}

/// The rows of an array as memory for a result: `call.into_rows(rows_mut(&mut array)?)`.
///
/// ```
/// use keops::interfaces::ndarray::rows_mut;
///
/// let mut array = ndarray::Array2::<f32>::zeros((2, 3));
/// let rows: &mut [[f32; 3]] = rows_mut(&mut array)?;
/// rows[1] = [1.0, 2.0, 3.0];
/// assert_eq!(array[(1, 2)], 3.0);
/// # Ok::<(), keops::Error>(())
/// ```
///
/// # Errors
/// [`Error::Dimension`] if the array does not have `D` columns; [`Error::NotRowMajor`] if its rows do not follow each
/// other in memory.
pub fn rows_mut<T, S: DataMut<Elem = T>, const D: usize>(
    array: &mut ArrayBase<S, Ix2>,
) -> Result<&mut [[T; D]], Error> {
    let found = array.ncols();
    if found != D {
        return Err(Error::Dimension { variable: "out", dim: D, found });
    }
    let numbers = array.as_slice_mut().ok_or(Error::NotRowMajor { variable: "out" })?;
    Ok(numbers.as_chunks_mut().0)
}
