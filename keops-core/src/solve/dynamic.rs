//! Equations on rows whose dimension stable Rust cannot name in a type.

use core::{fmt, ops::ControlFlow};

use super::{
    Preconditioner, Progress, Report, SolutionGradients,
    equations::{Callback, Equations, Gradients, Outcome, Solved},
};
use crate::{
    arguments::AsDynRows,
    call::{Element, OnePass, Plan},
    data::{Buffer, Error, Host, Matrix, View},
    problem::Settings,
};

/// A function that stores the gradient in the variable among all gradients.
type Put<T, G> = fn(&mut <G as Plan>::Output<T, Host>, Matrix<T>);

/// Equations as those of [`Solve`](super::Solve), where a row of b has a dimension that stable Rust cannot name in a type, as D*D for a const
/// generic D. The solution is a matrix of such rows.
///
/// ```
/// use keops::prelude::*;
///
/// keops! {
///     /// (K s)_i = Σ_j exp(-|x_i - y_j|²) s_j for matrices s_j, row-major
///     pub fn gaussian<const D: usize>(x: Vi<D>, y: Vj<D>, s: Vj<D * D>) -> Sum<j> { exp(-sqdist(x, y)) * s }
/// }
///
/// # fn main() -> Result<(), Error> {
/// let x = [[0.0_f64, 0.0], [1.0, 0.0], [0.0, 2.0]];
/// let s = [[1.0, 0.0, 0.0, 1.0], [2.0, 1.0, 1.0, 2.0], [0.0, 1.0, -1.0, 0.0]];
/// let solution = gaussian(&x, &x, &s).solve_s(0.1).tolerance(1e-10).eval()?;
/// // put it in: α a + K a = s
/// let a = &solution.values;
/// let k_a = gaussian(&x, &x, a).eval()?;
/// assert!((0..3).all(|i| (0..4).all(|c| (0.1 * a[(i, c)] + k_a[(i, c)] - s[i][c]).abs() < 1e-9)));
/// // as any solution it has gradients, and that in s solves the same equations
/// let gradients = solution.vjp(&s)?;
/// assert!((gradients.arguments.s[(1, 2)] - a[(1, 2)]).abs() < 1e-9);
/// # Ok(())
/// # }
/// ```
#[must_use = "equations are not solved before `eval`"]
pub struct DynSolve<'a, 'p, T: Element, F, G: Plan> {
    equations: Equations<'a, 'p, T, F>,
    dim: usize,
    put: Put<T, G>,
}

impl<'a, 'p, T: Element, F: OnePass, G: Plan> DynSolve<'a, 'p, T, F, G> {
    #[doc(hidden)]
    pub fn __new(
        views: Vec<View<'a, T>>,
        settings: Settings,
        variable: (usize, bool),
        dim: usize,
        alpha: f64,
        put: Put<T, G>,
    ) -> Self {
        Self { equations: Equations::new(views, settings, variable, dim, alpha), dim, put }
    }

    /// The relative residual at which a right-hand side is solved: see [`Solve::tolerance`](super::Solve::tolerance).
    pub fn tolerance(mut self, tolerance: f64) -> Self {
        self.equations.limits.tolerance = tolerance;
        self
    }

    /// The most iterations, each of which takes one product with K: see [`Solve::max_iterations`](super::Solve::max_iterations).
    pub fn max_iterations(mut self, iterations: usize) -> Self {
        self.equations.limits.iterations = iterations;
        self
    }

    /// The preconditioner, which reduces the number of iterations: see [`Solve::preconditioner`](super::Solve::preconditioner).
    pub fn preconditioner(mut self, preconditioner: Preconditioner) -> Self {
        self.equations.preconditioner = preconditioner;
        self
    }

    /// Calls a function after each iteration: see [`Solve::progress`](super::Solve::progress).
    pub fn progress<'c>(
        self,
        callback: impl FnMut(&Progress<'_>) -> ControlFlow<()> + 'c,
    ) -> DynSolve<'a, 'c, T, F, G> {
        let callback: Callback<'c> = Box::new(callback);
        DynSolve { equations: self.equations.watched(callback), dim: self.dim, put: self.put }
    }

    /// Solves the equations: see [`Solve::eval`](super::Solve::eval).
    ///
    /// # Errors
    /// Those of [`Solve::eval`](super::Solve::eval).
    pub fn eval(self) -> Result<DynSolution<'a, T, F, G>, Error> {
        let Self { equations, dim, put } = self;
        let Outcome { values, report, solved } = equations.solve()?;
        Ok(DynSolution { values: in_rows(&values, dim)?, report, solved, put })
    }
}

/// The solution a of (αI + K) a = b for the equations of a [`DynSolve`]; else as [`Solution`](super::Solution).
pub struct DynSolution<'a, T: Element, F, G: Plan> {
    /// The solution a, in f64 for arguments of any type: see the [module](super).
    pub values: Matrix<f64>,
    /// How the equations were solved.
    pub report: Report,
    solved: Solved<'a, T, F>,
    put: Put<T, G>,
}

impl<T: Element, F: OnePass, G: Plan> DynSolution<'_, T, F, G> {
    /// The solution a, rounded to the type of the arguments.
    ///
    /// # Errors
    /// [`Error::OutputTooLarge`] if there is no memory for a second matrix.
    pub fn rounded(&self) -> Result<Matrix<T>, Error> {
        in_rows(self.values.as_flat(), self.values.cols())
    }

    /// (∂a/∂v)ᵀ e for every argument v of the call and for α: see [`Solution::vjp`](super::Solution::vjp).
    ///
    /// # Errors
    /// Those of [`Solution::vjp`](super::Solution::vjp); rows of e with another number of components than b has.
    pub fn vjp<'e>(&self, e: impl AsDynRows<'e, T>) -> Result<SolutionGradients<G::Output<T, Host>>, Error> {
        let dim = self.values.cols();
        let rounded = self.rounded()?;
        let e = e.as_dyn_rows(dim);
        let view = View::from_flat(rounded.as_flat(), dim);
        let Gradients { mut arguments, b, alpha, report } =
            self.solved.gradients::<G>(self.values.as_flat(), view, &e)?;
        (self.put)(&mut arguments, in_rows(&b, dim)?);
        Ok(SolutionGradients { arguments, alpha, report })
    }
}

impl<T: Element, F, G: Plan> fmt::Debug for DynSolution<'_, T, F, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynSolution")
            .field("values", &self.values)
            .field("report", &self.report)
            .finish_non_exhaustive()
    }
}

/// The numbers as rows of `dim` numbers of type `T`.
fn in_rows<T: Element>(numbers: &[f64], dim: usize) -> Result<Matrix<T>, Error> {
    let mut rows = Matrix::room(numbers.len() / dim.max(1), dim)?;
    rows.as_flat_mut().iter_mut().zip(numbers).for_each(|(to, &number)| *to = T::from_f64(number));
    Ok(rows)
}
