//! Matrices of the crate `faer`.
//!
//! A matrix, or a view of a matrix with any strides, is an argument whose rows are the rows of the matrix. It is copied
//! row by row, since it is stored by columns. A column is rows of dimension 1. A parameter of D components may be a
//! column or a matrix of D numbers, in row-major order.
//!
//! ```
//! use faer::{Mat, mat};
//! use keops::prelude::*;
//!
//! keops! {
//!     /// a_i = Σ_j (x_i | y_j)
//!     pub fn product(x: Vi<2>, y: Vj<2>) -> Sum<j> { (x | y) }
//! }
//!
//! let points = mat![[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]];
//! let a: Mat<f64> = product(&points, points.get(..2, ..)).eval()?.into();
//! assert_eq!(a, mat![[4.0], [16.0], [28.0]]);
//! # Ok::<(), Error>(())
//! ```
//!
//! Rows without a call:
//!
//! ```
//! use faer::mat;
//! use keops::{Error, Rows};
//!
//! let points = mat![[0.0_f32, 1.0], [2.0, 3.0], [4.0, 5.0]];
//! let rows = Rows::<f32, 2>::try_from(&points)?;
//! assert_eq!(rows[2], [4.0, 5.0]);
//! assert_eq!(faer::Mat::from(rows), points);
//! let error = Rows::<f32, 3>::try_from(points.as_ref()).unwrap_err();
//! assert_eq!(error.to_string(), "`rows` has dimension 3, but its rows hold 2 numbers");
//! # Ok::<(), Error>(())
//! ```

use faer::{Col, ColRef, Mat, MatRef, Shape, Stride};

use crate::{
    arguments::{AsDynParameter, AsDynRows, AsParameter, AsRows},
    call::Element,
    data::{Error, Matrix, Rows, View},
};

/// The numbers row by row.
fn numbers<T: Element>(matrix: MatRef<'_, T>) -> Vec<T> {
    let (rows, cols) = matrix.shape();
    (0..rows).flat_map(|row| (0..cols).map(move |col| matrix[(row, col)])).collect()
}

/// A matrix as rows of a variable of dimension `dim`.
fn rows<'a, T: Element>(matrix: MatRef<'_, T>, dim: usize) -> View<'a, T> {
    View::from_table(numbers(matrix).into(), [matrix.nrows(), matrix.ncols()], dim)
}

impl<'a, T: Element, R: Shape, C: Shape, RS: Stride, CS: Stride, const D: usize> AsRows<'a, T, D>
    for MatRef<'_, T, R, C, RS, CS>
{
    fn as_rows(self) -> View<'a, T> {
        rows(self.as_dyn().as_dyn_stride(), D)
    }
}

impl<'a, T: Element, R: Shape, C: Shape, RS: Stride, CS: Stride> AsDynRows<'a, T> for MatRef<'_, T, R, C, RS, CS> {
    fn as_dyn_rows(self, dim: usize) -> View<'a, T> {
        rows(self.as_dyn().as_dyn_stride(), dim)
    }
}

impl<'a, T: Element, R: Shape, C: Shape, const D: usize> AsRows<'a, T, D> for &Mat<T, R, C> {
    fn as_rows(self) -> View<'a, T> {
        rows(self.as_dyn().as_dyn_stride(), D)
    }
}

impl<'a, T: Element, R: Shape, C: Shape> AsDynRows<'a, T> for &Mat<T, R, C> {
    fn as_dyn_rows(self, dim: usize) -> View<'a, T> {
        rows(self.as_dyn().as_dyn_stride(), dim)
    }
}

impl<'a, T: Element, R: Shape, RS: Stride, const D: usize> AsRows<'a, T, D> for ColRef<'_, T, R, RS> {
    fn as_rows(self) -> View<'a, T> {
        rows(self.as_mat().as_dyn().as_dyn_stride(), D)
    }
}

impl<'a, T: Element, R: Shape, RS: Stride> AsDynRows<'a, T> for ColRef<'_, T, R, RS> {
    fn as_dyn_rows(self, dim: usize) -> View<'a, T> {
        rows(self.as_mat().as_dyn().as_dyn_stride(), dim)
    }
}

impl<'a, T: Element, R: Shape, const D: usize> AsRows<'a, T, D> for &Col<T, R> {
    fn as_rows(self) -> View<'a, T> {
        rows(self.as_ref().as_mat().as_dyn().as_dyn_stride(), D)
    }
}

impl<'a, T: Element, R: Shape> AsDynRows<'a, T> for &Col<T, R> {
    fn as_dyn_rows(self, dim: usize) -> View<'a, T> {
        rows(self.as_ref().as_mat().as_dyn().as_dyn_stride(), dim)
    }
}

impl<'a, T: Element, R: Shape, C: Shape, RS: Stride, CS: Stride, const D: usize> AsParameter<'a, T, D>
    for MatRef<'_, T, R, C, RS, CS>
{
    fn as_parameter(self) -> View<'a, T> {
        View::parameter_of(numbers(self.as_dyn().as_dyn_stride()).into(), D)
    }
}

impl<'a, T: Element, R: Shape, C: Shape, RS: Stride, CS: Stride> AsDynParameter<'a, T> for MatRef<'_, T, R, C, RS, CS> {
    fn as_dyn_parameter(self, dim: usize) -> View<'a, T> {
        View::parameter_of(numbers(self.as_dyn().as_dyn_stride()).into(), dim)
    }
}

impl<'a, T: Element, R: Shape, C: Shape, const D: usize> AsParameter<'a, T, D> for &Mat<T, R, C> {
    fn as_parameter(self) -> View<'a, T> {
        AsParameter::<T, D>::as_parameter(self.as_ref())
    }
}

impl<'a, T: Element, R: Shape, C: Shape> AsDynParameter<'a, T> for &Mat<T, R, C> {
    fn as_dyn_parameter(self, dim: usize) -> View<'a, T> {
        AsDynParameter::as_dyn_parameter(self.as_ref(), dim)
    }
}

impl<'a, T: Element, R: Shape, RS: Stride, const D: usize> AsParameter<'a, T, D> for ColRef<'_, T, R, RS> {
    fn as_parameter(self) -> View<'a, T> {
        AsParameter::<T, D>::as_parameter(self.as_mat())
    }
}

impl<'a, T: Element, R: Shape, RS: Stride> AsDynParameter<'a, T> for ColRef<'_, T, R, RS> {
    fn as_dyn_parameter(self, dim: usize) -> View<'a, T> {
        AsDynParameter::as_dyn_parameter(self.as_mat(), dim)
    }
}

impl<'a, T: Element, R: Shape, const D: usize> AsParameter<'a, T, D> for &Col<T, R> {
    fn as_parameter(self) -> View<'a, T> {
        AsParameter::<T, D>::as_parameter(self.as_ref())
    }
}

impl<'a, T: Element, R: Shape> AsDynParameter<'a, T> for &Col<T, R> {
    fn as_dyn_parameter(self, dim: usize) -> View<'a, T> {
        AsDynParameter::as_dyn_parameter(self.as_ref(), dim)
    }
}

/// A matrix of N rows and D columns.
impl<T: Clone, const D: usize> From<&Rows<T, D>> for Mat<T> {
    fn from(rows: &Rows<T, D>) -> Self {
        Self::from_fn(rows.len(), D, |row, col| rows[row][col].clone())
    }
}

/// A matrix of N rows and D columns.
impl<T: Clone, const D: usize> From<Rows<T, D>> for Mat<T> {
    fn from(rows: Rows<T, D>) -> Self {
        (&rows).into()
    }
}

/// The same matrix.
impl<T: Clone> From<Matrix<T>> for Mat<T> {
    fn from(matrix: Matrix<T>) -> Self {
        Self::from_fn(matrix.rows(), matrix.cols(), |row, col| matrix[(row, col)].clone())
    }
}

/// Copies a matrix of D columns.
///
/// # Errors
/// [`Error::Dimension`] for another number of columns.
impl<T: Element, R: Shape, C: Shape, RS: Stride, CS: Stride, const D: usize> TryFrom<MatRef<'_, T, R, C, RS, CS>>
    for Rows<T, D>
{
    type Error = Error;
    fn try_from(matrix: MatRef<'_, T, R, C, RS, CS>) -> Result<Self, Error> {
        Self::copied_from(matrix)
    }
}

/// Copies a matrix of D columns.
///
/// # Errors
/// [`Error::Dimension`] for another number of columns.
impl<T: Element, R: Shape, C: Shape, const D: usize> TryFrom<&Mat<T, R, C>> for Rows<T, D> {
    type Error = Error;
    fn try_from(matrix: &Mat<T, R, C>) -> Result<Self, Error> {
        Self::copied_from(matrix)
    }
}
