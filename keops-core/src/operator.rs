//! A sum that is linear in one of its variables, as a matrix that is never stored.
//!
//! With a_i = Σ_j f(p, x_i, y_j, b_j) linear in b, a = K b for a matrix K of (N C) × (M B) numbers, where rows of a
//! have C components and rows of b have B. The call's method `operator_b` gives K as an [`Operator`]: a product with K
//! is the call, a product with its transpose is the call's derivative `vjp_b`.
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
//! // power iteration: the largest eigenvalue of K, which is 1 + exp(-1)
//! let x = [[0.0_f64], [1.0]];
//! let mut v = Rows::from([[1.0], [0.0]]);
//! let k = gaussian(&x, &x, &[[0.0]; 2]).operator_b()?; // of b only the number of rows matters
//! let mut largest = 0.0;
//! for _ in 0..40 {
//!     v = k.apply(&v)?;
//!     largest = v[0][0].hypot(v[1][0]);
//!     v.iter_mut().for_each(|row| row[0] /= largest);
//! }
//! assert!((largest - 1.0 - (-1.0_f64).exp()).abs() < 1e-12);
//! # Ok(())
//! # }
//! ```

mod dynamic;
mod linear_sum;

use core::{fmt, marker::PhantomData};

pub use crate::data::Matrix;
pub use dynamic::DynOperator;
pub(crate) use linear_sum::LinearSum;

use crate::{
    arguments::AsRows,
    call::{Element, OnePass},
    data::{Error, Rows, View},
    problem::Settings,
};

/// A linear map on flat vectors, for iterative methods of any kind.
///
/// ```
/// use keops::{operator::LinearOperator, prelude::*};
///
/// /// The largest singular value: the root of the largest eigenvalue of Kᵀ K, by power iteration.
/// fn norm(k: &impl LinearOperator<f64>) -> Result<f64, Error> {
///     let (mut v, mut w) = (vec![1.0; k.cols()], vec![0.0; k.rows()]);
///     let mut square = 0.0;
///     for _ in 0..50 {
///         k.apply_into(&v, &mut w)?; // K v
///         k.apply_transpose_into(&w, &mut v)?; // Kᵀ K v
///         square = v.iter().map(|v| v * v).sum::<f64>().sqrt();
///         v.iter_mut().for_each(|v| *v /= square);
///     }
///     Ok(square.sqrt())
/// }
///
/// keops! { pub fn product(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> Sum<j> { x * y * b } }
///
/// // K = x yᵀ has the one singular value |x| |y|
/// let (x, y) = ([[3.0], [4.0]], [[1.0], [2.0], [2.0]]);
/// let k = product(&x, &y, &[[0.0]; 3]).operator_b()?;
/// assert!((norm(&k)? - 5.0 * 3.0).abs() < 1e-12);
/// # Ok::<(), Error>(())
/// ```
pub trait LinearOperator<T: Element> {
    /// The number of rows of K: the length of K v.
    ///
    /// ```
    /// # use keops::{operator::LinearOperator, prelude::*};
    /// # keops! { pub fn product(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> Sum<j> { x * y * b } }
    /// # let (x, y) = ([[1.0_f64], [2.0]], [[3.0], [4.0], [5.0]]);
    /// let k = product(&x, &y, &[[0.0]; 3]).operator_b()?; // x yᵀ for x = (1, 2), y = (3, 4, 5)
    /// assert_eq!(k.rows(), 2);
    /// # Ok::<(), Error>(())
    /// ```
    fn rows(&self) -> usize;
    /// The number of columns of K: the length of v.
    ///
    /// ```
    /// # use keops::{operator::LinearOperator, prelude::*};
    /// # keops! { pub fn product(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> Sum<j> { x * y * b } }
    /// # let (x, y) = ([[1.0_f64], [2.0]], [[3.0], [4.0], [5.0]]);
    /// let k = product(&x, &y, &[[0.0]; 3]).operator_b()?; // x yᵀ for x = (1, 2), y = (3, 4, 5)
    /// assert_eq!(k.cols(), 3);
    /// # Ok::<(), Error>(())
    /// ```
    fn cols(&self) -> usize;
    /// Writes K v to `out`.
    ///
    /// # Errors
    /// Vectors of another length; the errors of the call.
    ///
    /// ```
    /// # use keops::{operator::LinearOperator, prelude::*};
    /// # keops! { pub fn product(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> Sum<j> { x * y * b } }
    /// # let (x, y) = ([[1.0_f64], [2.0]], [[3.0], [4.0], [5.0]]);
    /// let k = product(&x, &y, &[[0.0]; 3]).operator_b()?; // x yᵀ for x = (1, 2), y = (3, 4, 5)
    /// let mut a = [0.0; 2];
    /// k.apply_into(&[1.0, 0.0, 1.0], &mut a)?;
    /// assert_eq!(a, [8.0, 16.0]);
    /// # Ok::<(), Error>(())
    /// ```
    fn apply_into(&self, v: &[T], out: &mut [T]) -> Result<(), Error>;
    /// Writes Kᵀ w to `out`.
    ///
    /// # Errors
    /// Vectors of another length; the errors of the call.
    ///
    /// ```
    /// # use keops::{operator::LinearOperator, prelude::*};
    /// # keops! { pub fn product(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> Sum<j> { x * y * b } }
    /// # let (x, y) = ([[1.0_f64], [2.0]], [[3.0], [4.0], [5.0]]);
    /// let k = product(&x, &y, &[[0.0]; 3]).operator_b()?; // x yᵀ for x = (1, 2), y = (3, 4, 5)
    /// let mut b = [0.0; 3];
    /// k.apply_transpose_into(&[10.0, 0.0], &mut b)?;
    /// assert_eq!(b, [30.0, 40.0, 50.0]);
    /// assert!(k.apply_transpose_into(&[1.0; 3], &mut b).is_err()); // Kᵀ takes 2 numbers
    /// # Ok::<(), Error>(())
    /// ```
    fn apply_transpose_into(&self, w: &[T], out: &mut [T]) -> Result<(), Error>;
}

/// A sum as a linear operator on one of its variables; see the [module](self). `F` is the formula of the sum and `A`
/// the formula of its transpose. Rows of the variable have `B` components, rows of the result `C`.
///
/// The operator has the settings of the call. On a CUDA device, arguments and results are copied for each product.
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
/// let (x, y) = ([[0.0_f64], [1.0]], [[0.0], [1.0], [2.0]]);
/// let k = gaussian(&x, &y, &[[0.0]; 3]).operator_b()?; // of b only the number of rows matters
/// let (v, w) = ([[1.0], [2.0], [3.0]], [[4.0], [5.0]]);
/// let (k_v, kt_w) = (k.apply(&v)?, k.apply_transpose(&w)?);
/// let inner = |a: &[[f64; 1]], b: &[[f64; 1]]| a.iter().zip(b).map(|(a, b)| a[0] * b[0]).sum::<f64>();
/// assert!((inner(&w, &k_v) - inner(&kt_w, &v)).abs() < 1e-12); // (w | K v) = (Kᵀ w | v)
/// # Ok(())
/// # }
/// ```
pub struct Operator<'a, T, F, A, const B: usize, const C: usize> {
    sum: LinearSum<'a, T, F>,
    adjoint: PhantomData<A>,
}

impl<T: Element, F, A, const B: usize, const C: usize> Clone for Operator<'_, T, F, A, B, C> {
    fn clone(&self) -> Self {
        Self { sum: self.sum.clone(), adjoint: PhantomData }
    }
}

impl<T: fmt::Debug, F, A, const B: usize, const C: usize> fmt::Debug for Operator<'_, T, F, A, B, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operator").field("sum", &self.sum).finish()
    }
}

impl<'a, T: Element, F: OnePass, A: OnePass, const B: usize, const C: usize> Operator<'a, T, F, A, B, C> {
    #[doc(hidden)]
    pub fn __new(views: Vec<View<'a, T>>, settings: Settings, variable: (usize, bool)) -> Result<Self, Error> {
        let sum = settings.clone().agreed(|| LinearSum::new(views, settings, variable, [B, C]))?;
        Ok(Self { sum, adjoint: PhantomData })
    }

    /// K v, as rows of the call's result.
    ///
    /// # Errors
    /// [`Error::RowCount`] for another number of rows than the variable has; the errors of the call.
    ///
    /// ```
    /// # use keops::prelude::*;
    /// # keops! { pub fn gaussian(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) * b } }
    /// let k = gaussian(&[[0.0], [1.0]], &[[0.0], [1.0], [2.0]], &[[0.0]; 3]).operator_b()?;
    /// let a = k.apply(&[[0.0], [0.0], [5.0_f64]])?; // 5 times the last column
    /// assert!((a[1][0] - 5.0 * (-1.0_f64).exp()).abs() < 1e-12);
    /// assert!(k.apply(&[[1.0]; 2]).is_err()); // K has 3 columns
    /// # Ok::<(), Error>(())
    /// ```
    pub fn apply<'v>(&self, v: impl AsRows<'v, T, B>) -> Result<Rows<T, C>, Error> {
        self.sum.settings.agreed(|| {
            let mut out = Rows::zeros(self.sum.shape.targets)?;
            self.sum.apply(v.as_rows(), out.as_flat_mut())?;
            Ok(out)
        })
    }

    /// Kᵀ w, as rows of the variable.
    ///
    /// # Errors
    /// [`Error::RowCount`] for another number of rows than the result has; the errors of the call.
    ///
    /// ```
    /// # use keops::prelude::*;
    /// # keops! { pub fn gaussian(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) * b } }
    /// let k = gaussian(&[[0.0], [1.0]], &[[0.0], [1.0], [2.0]], &[[0.0]; 3]).operator_b()?;
    /// let b = k.apply_transpose(&[[0.0_f64], [5.0]])?; // 5 times the last row
    /// assert_eq!(b.len(), 3);
    /// assert!((b[2][0] - 5.0 * (-1.0_f64).exp()).abs() < 1e-12);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn apply_transpose<'v>(&self, w: impl AsRows<'v, T, C>) -> Result<Rows<T, B>, Error> {
        self.sum.settings.agreed(|| {
            let mut out = Rows::zeros(self.sum.shape.sources)?;
            self.sum.apply_transpose::<A>(w.as_rows(), out.as_flat_mut())?;
            Ok(out)
        })
    }

    /// The dense matrix K, for small problems. It has N × M numbers if each pair multiplies b by a number, whatever the
    /// dimension of b; else (N C) × (M B), row i C + c for component c of the result's row i, and column j B + d in the
    /// same way.
    ///
    /// It is computed by M (or M B) products with K, so it is right for every engine and all settings.
    ///
    /// # Errors
    /// [`Error::OutputTooLarge`] if the matrix does not fit into memory; the errors of the call.
    ///
    /// ```
    /// # use keops::prelude::*;
    /// # keops! { pub fn gaussian(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) * b } }
    /// let k = gaussian(&[[0.0_f64], [1.0]], &[[0.0], [1.0], [2.0]], &[[0.0]; 3]).operator_b()?.to_dense()?;
    /// assert_eq!((k.rows(), k.cols()), (2, 3));
    /// assert!((k[(0, 2)] - (-4.0_f64).exp()).abs() < 1e-15); // exp(-|x_0 - y_2|²)
    /// # Ok::<(), Error>(())
    /// ```
    pub fn to_dense(&self) -> Result<Matrix<T>, Error> {
        self.sum.settings.agreed(|| self.sum.to_dense())
    }
}

impl<T: Element, F: OnePass, A: OnePass, const B: usize, const C: usize> LinearOperator<T>
    for Operator<'_, T, F, A, B, C>
{
    fn rows(&self) -> usize {
        self.sum.shape.targets * C
    }

    fn cols(&self) -> usize {
        self.sum.shape.sources * B
    }

    fn apply_into(&self, v: &[T], out: &mut [T]) -> Result<(), Error> {
        self.sum.settings.agreed(|| self.sum.apply(View::from_flat(v, B), out))
    }

    fn apply_transpose_into(&self, w: &[T], out: &mut [T]) -> Result<(), Error> {
        self.sum.settings.agreed(|| self.sum.apply_transpose::<A>(View::from_flat(w, C), out))
    }
}
