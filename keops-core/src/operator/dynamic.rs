//! Operators on rows whose dimension stable Rust cannot name in a type.

use core::{fmt, marker::PhantomData};

use super::{LinearOperator, LinearSum};
use crate::data::Matrix;
use crate::{
    arguments::AsDynRows,
    call::{Element, OnePass},
    data::{Buffer, Error, View},
    problem::Settings,
};

/// An [`Operator`](super::Operator) for which a row of the argument or of the result has a dimension that stable Rust
/// cannot name in a type, as D*D for a const generic D. Results are matrices of such rows.
///
/// ```
/// use keops::prelude::*;
///
/// keops! {
///     /// a_i = Σ_j S_j x_i for matrices S_j, row-major
///     pub fn images<const D: usize>(x: Vi<D>, s: Vj<D * D>) -> Sum<j> { mat_vec(s, x) }
/// }
///
/// # fn main() -> Result<(), Error> {
/// let k = images(&[[1.0, 2.0]], &[[0.0; 4]; 3]).operator_s()?; // of s only the number of rows matters
/// let s = [[1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 1.0, 0.0], [0.0; 4]];
/// assert_eq!(k.apply(&s)?.as_flat(), [3.0, 3.0]); // (1, 2) and (2, 1)
/// assert_eq!(k.apply_transpose(&[[1.0, 0.0]])?.row(2), Some(&[1.0, 2.0, 0.0, 0.0][..]));
/// assert_eq!((k.to_dense()?.rows(), k.to_dense()?.cols()), (2, 3 * 4));
/// # Ok(())
/// # }
/// ```
pub struct DynOperator<'a, T, F, A> {
    sum: LinearSum<'a, T, F>,
    adjoint: PhantomData<A>,
}

impl<T: Element, F, A> Clone for DynOperator<'_, T, F, A> {
    fn clone(&self) -> Self {
        Self { sum: self.sum.clone(), adjoint: PhantomData }
    }
}

impl<T: fmt::Debug, F, A> fmt::Debug for DynOperator<'_, T, F, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynOperator").field("sum", &self.sum).finish()
    }
}

impl<'a, T: Element, F: OnePass, A: OnePass> DynOperator<'a, T, F, A> {
    #[doc(hidden)]
    pub fn __new(
        views: Vec<View<'a, T>>,
        settings: Settings,
        variable: (usize, bool),
        dims: [usize; 2],
    ) -> Result<Self, Error> {
        let sum = settings.clone().agreed(|| LinearSum::new(views, settings, variable, dims))?;
        Ok(Self { sum, adjoint: PhantomData })
    }

    /// K v, as rows of the call's result.
    ///
    /// # Errors
    /// Another number of rows or components than the variable has; the errors of the call.
    pub fn apply<'v>(&self, v: impl AsDynRows<'v, T>) -> Result<Matrix<T>, Error> {
        let [dim, width] = self.sum.dims;
        self.sum.settings.agreed(|| {
            let mut out = Matrix::room(self.sum.shape.targets, width)?;
            self.sum.apply(v.as_dyn_rows(dim), out.as_flat_mut())?;
            Ok(out)
        })
    }

    /// Kᵀ w, as rows of the variable.
    ///
    /// # Errors
    /// Another number of rows or components than the result has; the errors of the call.
    pub fn apply_transpose<'v>(&self, w: impl AsDynRows<'v, T>) -> Result<Matrix<T>, Error> {
        let [dim, width] = self.sum.dims;
        self.sum.settings.agreed(|| {
            let mut out = Matrix::room(self.sum.shape.sources, dim)?;
            self.sum.apply_transpose::<A>(w.as_dyn_rows(width), out.as_flat_mut())?;
            Ok(out)
        })
    }

    /// The dense matrix K: see [`Operator::to_dense`](super::Operator::to_dense).
    ///
    /// # Errors
    /// [`Error::OutputTooLarge`] if the matrix does not fit into memory; the errors of the call.
    pub fn to_dense(&self) -> Result<Matrix<T>, Error> {
        self.sum.settings.agreed(|| self.sum.to_dense())
    }
}

impl<T: Element, F: OnePass, A: OnePass> LinearOperator<T> for DynOperator<'_, T, F, A> {
    fn rows(&self) -> usize {
        self.sum.shape.targets * self.sum.dims[1]
    }

    fn cols(&self) -> usize {
        self.sum.shape.sources * self.sum.dims[0]
    }

    fn apply_into(&self, v: &[T], out: &mut [T]) -> Result<(), Error> {
        self.sum.settings.agreed(|| self.sum.apply(View::from_flat(v, self.sum.dims[0]), out))
    }

    fn apply_transpose_into(&self, w: &[T], out: &mut [T]) -> Result<(), Error> {
        self.sum.settings.agreed(|| self.sum.apply_transpose::<A>(View::from_flat(w, self.sum.dims[1]), out))
    }
}
