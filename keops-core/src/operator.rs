//! A sum that is linear in one of its variables, as a matrix that is never stored.
//!
//! With a_i = Σ_j f(p, x_i, y_j, b_j) linear in b, a = K b for a matrix K of (N C) × (M B) numbers, where rows of a have C
//! components and rows of b have B. The call's method `operator_b` gives K as an [`Operator`]: a product with K is the
//! call, a product with its transpose is the call's derivative `vjp_b`.

mod linear_sum;
mod matrix;

use core::{fmt, marker::PhantomData};

pub(crate) use linear_sum::LinearSum;
pub use matrix::Matrix;

use crate::{
    arguments::{AsRows, View},
    call::OnePass,
    cpu::room,
    error::Error,
    real::Element,
    rows::Rows,
    settings::Settings,
};

/// A linear map on flat vectors, for iterative methods of any kind.
pub trait LinearOperator<T: Element> {
    /// The numbers of a result.
    fn rows(&self) -> usize;
    /// The numbers of an argument.
    fn cols(&self) -> usize;
    /// K v
    ///
    /// # Errors
    /// Vectors of another length; whatever the product says.
    fn apply_into(&self, v: &[T], out: &mut [T]) -> Result<(), Error>;
    /// Kᵀ w
    ///
    /// # Errors
    /// Vectors of another length; whatever the product says.
    fn apply_transpose_into(&self, w: &[T], out: &mut [T]) -> Result<(), Error>;
}

/// A sum as a linear operator on one of its variables; see the [module](self). `F` is its formula and `A` that of its
/// transpose; rows have `B` components in the argument and `C` in the result.
///
/// It has the settings of the call. On a CUDA device arguments and results are copied for each product.
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
        Ok(Self { sum: LinearSum::new(views, settings, variable, [B, C])?, adjoint: PhantomData })
    }

    /// K v: rows of the call's result.
    ///
    /// # Errors
    /// Another number of rows than the variable has; what the call says.
    pub fn apply<'v>(&self, v: impl AsRows<'v, T, B>) -> Result<Rows<T, C>, Error> {
        let mut out = Rows::zeros(self.sum.shape.targets)?;
        self.sum.apply(v.as_rows(), out.as_flat_mut())?;
        Ok(out)
    }

    /// Kᵀ w: rows of the variable.
    ///
    /// # Errors
    /// Another number of rows than the result has; what the call says.
    pub fn apply_transpose<'v>(&self, w: impl AsRows<'v, T, C>) -> Result<Rows<T, B>, Error> {
        let mut out = Rows::zeros(self.sum.shape.sources)?;
        self.sum.apply_transpose::<A>(w.as_rows(), out.as_flat_mut())?;
        Ok(out)
    }

    /// K itself, to look at small problems: N × M numbers if each pair multiplies b by a number, whatever the dimension
    /// of b; else (N C) × (M B), row i C + c for component c of the result's row i, and column j B + d in the same way.
    ///
    /// It is M (or M B) products with K, so that it holds for every engine and setting.
    ///
    /// # Errors
    /// [`Error::OutputTooLarge`] if the matrix does not fit into memory; what the call says.
    pub fn to_dense(&self) -> Result<Matrix<T>, Error> {
        let LinearSum { shape, multiple, .. } = self.sum;
        // all components of a row are alike: one of them is enough
        let [b, c] = if multiple { [1, 1] } else { [B, C] };
        let too_large = || Error::OutputTooLarge { rows: shape.targets, width: shape.sources };
        let rows = shape.targets.checked_mul(c).ok_or_else(too_large)?;
        let cols = shape.sources.checked_mul(b).ok_or_else(too_large)?;
        let mut values = room(rows, cols)?;
        let (mut unit, mut column) = (room(shape.sources, B)?, room(shape.targets, C)?);
        for col in 0..cols {
            let place = if multiple { col * B } else { col };
            unit[place] = T::one();
            self.sum.apply(View::from_flat(&unit, B), &mut column)?;
            unit[place] = T::zero();
            let column = column.iter().step_by(if multiple { C } else { 1 });
            column.enumerate().for_each(|(row, &value)| values[row * cols + col] = value);
        }
        Ok(Matrix::new(rows, cols, values))
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
        self.sum.apply(View::from_flat(v, B), out)
    }

    fn apply_transpose_into(&self, w: &[T], out: &mut [T]) -> Result<(), Error> {
        self.sum.apply_transpose::<A>(View::from_flat(w, C), out)
    }
}
