//! Points and matrices of the crate `nalgebra`.
//!
//! Slices, vectors and arrays of `SVector<T, D>` or `Point<T, D>` are rows. They are borrowed, because nalgebra
//! promises by [`Pod`] that their memory is that of `[T; D]`; so `T` must be known to be `Pod`, as `f32` and `f64` are.
//!
//! A matrix, or a view of a matrix, is an argument whose rows are the rows of the matrix. It is copied, since it is
//! stored by columns. A column vector is rows of dimension 1. A parameter of D components may be a vector, a point or a
//! matrix of D numbers, in row-major order: `&Matrix3<T>` is an argument for `Pm<9>`.
//!
//! ```
//! use keops::{interfaces::nalgebra::vectors, prelude::*};
//! use nalgebra::{Point2, Vector2};
//!
//! keops! {
//!     /// a_i = Σ_j y_j - x_i
//!     pub fn pull(x: Vi<2>, y: Vj<2>) -> Sum<j> { y - x }
//! }
//!
//! let points = vec![Point2::new(0.0_f32, 1.0), Point2::new(2.0, 3.0)];
//! let a: Vec<Vector2<f32>> = vectors(pull(&points, &points).eval()?);
//! assert_eq!(points[0] + a[0], points[1]);
//! # Ok::<(), Error>(())
//! ```
//!
//! Rows without a call:
//!
//! ```
//! use keops::{Error, Rows, interfaces::nalgebra::vectors};
//! use nalgebra::{DMatrix, Vector2};
//!
//! let points = vec![Vector2::new(0.0_f32, 1.0), Vector2::new(2.0, 3.0)];
//! let rows = Rows::<f32, 2>::copied_from(&points)?;
//! assert_eq!(rows[1], [2.0, 3.0]);
//! let matrix = DMatrix::from(&rows);
//! assert_eq!(matrix, DMatrix::from_row_slice(2, 2, &[0.0, 1.0, 2.0, 3.0]));
//! assert_eq!(Rows::<f32, 2>::try_from(&matrix)?, rows);
//! assert_eq!(vectors(rows), points); // nothing is copied
//! # Ok::<(), Error>(())
//! ```

use bytemuck::{Pod, allocation::try_cast_vec, must_cast_slice};
use nalgebra::{DMatrix, DVector, Dim, Matrix as NMatrix, Point, RawStorage, SVector, Scalar};

use crate::{
    arguments::{AsDynParameter, AsDynRows, AsParameter, AsRows},
    call::Element,
    data::{Error, Matrix, Rows, View},
};

macro_rules! points {
    ($points:ident) => {
        points!($points, [] [$points<T, D>]);
        points!($points, [] Vec<$points<T, D>>);
        points!($points, [N] [$points<T, D>; N]);

        impl<'a, T: Element, const D: usize> AsParameter<'a, T, D> for $points<T, D> {
            fn as_parameter(self) -> View<'a, T> {
                View::array(self.into())
            }
        }

        impl<'a, T: Element, const D: usize> AsDynParameter<'a, T> for $points<T, D> {
            fn as_dyn_parameter(self, dim: usize) -> View<'a, T> {
                View::parameter_of(<[T; D]>::from(self).to_vec().into(), dim)
            }
        }
    };
    // rows; a parameter is one of them
    ($points:ident, [$($n:ident)?] $type:ty) => {
        impl<'a, T: Element + Pod, const D: usize $(, const $n: usize)?> AsRows<'a, T, D> for &'a $type {
            fn as_rows(self) -> View<'a, T> {
                View::from_rows(must_cast_slice::<$points<T, D>, [T; D]>(self))
            }
        }

        impl<'a, T: Element + Pod, const D: usize $(, const $n: usize)?> AsParameter<'a, T, D> for &'a $type {
            fn as_parameter(self) -> View<'a, T> {
                must_cast_slice::<$points<T, D>, [T; D]>(self).as_parameter()
            }
        }

        impl<'a, T: Element + Pod, const D: usize $(, const $n: usize)?> AsDynRows<'a, T> for &'a $type {
            fn as_dyn_rows(self, dim: usize) -> View<'a, T> {
                must_cast_slice::<$points<T, D>, [T; D]>(self).as_dyn_rows(dim)
            }
        }

        impl<'a, T: Element + Pod, const D: usize $(, const $n: usize)?> AsDynParameter<'a, T> for &'a $type {
            fn as_dyn_parameter(self, dim: usize) -> View<'a, T> {
                must_cast_slice::<$points<T, D>, [T; D]>(self).as_dyn_parameter(dim)
            }
        }
    };
}

points!(SVector);
points!(Point);

/// Rows as vectors: the same memory, nothing is copied.
///
/// This is a function and no implementation of [`From`], because `Vec::from(rows)` has to stay a vector of arrays when
/// this feature is added.
///
/// ```
/// use keops::{Rows, interfaces::nalgebra::vectors};
/// use nalgebra::Vector2;
///
/// let rows = Rows::from([[0.0, 1.0], [3.0, 4.0]]);
/// let rows: Vec<Vector2<f64>> = vectors(rows);
/// assert_eq!(rows[1].norm(), 5.0);
/// ```
#[must_use]
pub fn vectors<T: Scalar + Pod, const D: usize>(rows: Rows<T, D>) -> Vec<SVector<T, D>> {
    try_cast_vec(rows.into_vec()).unwrap_or_else(|(_, rows)| rows.into_iter().map(SVector::from).collect())
}

/// Rows as points: the same memory, nothing is copied.
///
/// ```
/// use keops::{Rows, interfaces::nalgebra::points};
/// use nalgebra::{Point3, Vector3};
///
/// let rows = Rows::from([[0.0_f32, 1.0, 2.0]]);
/// let points: Vec<Point3<f32>> = points(rows);
/// assert_eq!(points[0] + Vector3::x(), Point3::new(1.0, 1.0, 2.0));
/// ```
#[must_use]
pub fn points<T: Scalar + Pod, const D: usize>(rows: Rows<T, D>) -> Vec<Point<T, D>> {
    try_cast_vec(rows.into_vec()).unwrap_or_else(|(_, rows)| rows.into_iter().map(Point::from).collect())
}

/// The numbers row by row.
fn numbers<T: Scalar + Copy, R: Dim, C: Dim, S: RawStorage<T, R, C>>(matrix: &NMatrix<T, R, C, S>) -> Vec<T> {
    let (rows, cols) = matrix.shape();
    (0..rows).flat_map(|row| (0..cols).map(move |col| matrix[(row, col)])).collect()
}

impl<'a, T: Element, R: Dim, C: Dim, S: RawStorage<T, R, C>, const D: usize> AsRows<'a, T, D>
    for &'a NMatrix<T, R, C, S>
{
    fn as_rows(self) -> View<'a, T> {
        View::from_table(numbers(self).into(), [self.nrows(), self.ncols()], D)
    }
}

impl<'a, T: Element, R: Dim, C: Dim, S: RawStorage<T, R, C>> AsDynRows<'a, T> for &'a NMatrix<T, R, C, S> {
    fn as_dyn_rows(self, dim: usize) -> View<'a, T> {
        View::from_table(numbers(self).into(), [self.nrows(), self.ncols()], dim)
    }
}

impl<'a, T: Element, R: Dim, C: Dim, S: RawStorage<T, R, C>> AsDynParameter<'a, T> for &'a NMatrix<T, R, C, S> {
    fn as_dyn_parameter(self, dim: usize) -> View<'a, T> {
        View::parameter_of(numbers(self).into(), dim)
    }
}

impl<'a, T: Element, R: Dim, C: Dim, S: RawStorage<T, R, C>, const D: usize> AsParameter<'a, T, D>
    for &'a NMatrix<T, R, C, S>
{
    fn as_parameter(self) -> View<'a, T> {
        View::parameter_of(numbers(self).into(), D)
    }
}

impl<'a, T: Element, const D: usize> AsParameter<'a, T, D> for &'a Point<T, D> {
    fn as_parameter(self) -> View<'a, T> {
        View::array((*self).into())
    }
}

impl<'a, T: Element, const D: usize> AsDynParameter<'a, T> for &'a Point<T, D> {
    fn as_dyn_parameter(self, dim: usize) -> View<'a, T> {
        (*self).as_dyn_parameter(dim)
    }
}

/// A matrix of N rows and D columns.
impl<T: Scalar, const D: usize> From<&Rows<T, D>> for DMatrix<T> {
    fn from(rows: &Rows<T, D>) -> Self {
        Self::from_row_slice(rows.len(), D, rows.as_flat())
    }
}

/// A matrix of N rows and D columns.
impl<T: Scalar, const D: usize> From<Rows<T, D>> for DMatrix<T> {
    fn from(rows: Rows<T, D>) -> Self {
        (&rows).into()
    }
}

/// A vector of N numbers, without copying.
impl<T: Scalar> From<Rows<T, 1>> for DVector<T> {
    fn from(rows: Rows<T, 1>) -> Self {
        rows.into_flat().into()
    }
}

/// The same matrix.
impl<T: Scalar> From<Matrix<T>> for DMatrix<T> {
    fn from(matrix: Matrix<T>) -> Self {
        Self::from_row_slice(matrix.rows(), matrix.cols(), matrix.as_flat())
    }
}

/// Copies a matrix of D columns.
///
/// # Errors
/// [`Error::Dimension`] for another number of columns.
impl<T: Element, R: Dim, C: Dim, S: RawStorage<T, R, C>, const D: usize> TryFrom<&NMatrix<T, R, C, S>> for Rows<T, D> {
    type Error = Error;
    fn try_from(matrix: &NMatrix<T, R, C, S>) -> Result<Self, Error> {
        Self::copied_from(matrix)
    }
}
