//! The solution of equations, and its derivatives.

use core::fmt;

use super::{
    Put, Report,
    equations::{Gradients, Outcome, Solved},
};
use crate::{
    arguments::AsRows,
    call::{Element, OnePass, Plan},
    data::{Error, Host, Rows, View},
};

/// The solution a of (αI + K) a = b; made by [`Solve::eval`](super::Solve::eval).
///
/// ```
/// # use keops::prelude::*;
/// # keops! { pub fn gaussian(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) * b } }
/// let (x, b) = ([[0.0_f32]], [[3.0]]); // one point: K = 1
/// let solution = gaussian(&x, &x, &b).solve_b(1.0).eval()?;
/// let a: &Rows<f64, 1> = &solution.values; // f64, and x is f32
/// assert!(solution.report.converged() && (a[0][0] - 1.5).abs() < 1e-6);
/// # Ok::<(), Error>(())
/// ```
pub struct Solution<'a, T: Element, F, G: Plan, const E: usize> {
    /// The solution a, in f64 for arguments of any type: see the [module](super).
    pub values: Rows<f64, E>,
    /// How the equations were solved.
    pub report: Report,
    solved: Solved<'a, T, F>,
    put: Put<T, G, E>,
}

/// The gradients of a solution, from [`Solution::vjp`]. `G` is the struct of all gradients of the call.
///
/// ```
/// # use keops::prelude::*;
/// # keops! { pub fn gaussian(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) * b } }
/// let (x, b) = ([[0.0], [0.7]], [[1.0], [2.0_f64]]);
/// let gradients = gaussian(&x, &x, &b).solve_b(0.1).eval()?.vjp(&[[1.0], [1.0]])?;
/// let all = gradients.arguments;
/// assert_eq!((all.x.len(), all.y.len(), all.b.len()), (2, 2, 2));
/// // the points stand on both sides of K: their gradient is the sum
/// let in_points: Vec<f64> = all.x.iter().zip(&all.y).map(|(x, y)| x[0] + y[0]).collect();
/// assert!((in_points[0] + in_points[1]).abs() < 1e-6); // to shift all points changes nothing
/// assert!(gradients.report.converged());
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SolutionGradients<G> {
    /// The gradients in the arguments of the call; the right-hand side is one of them.
    pub arguments: G,
    /// The gradient in α.
    pub alpha: f64,
    /// How the equations of the gradients were solved.
    pub report: Report,
}

impl<'a, T: Element, F: OnePass, G: Plan, const E: usize> Solution<'a, T, F, G, E> {
    pub(super) fn new(outcome: Outcome<'a, T, F>, put: Put<T, G, E>) -> Self {
        let Outcome { values, report, solved } = outcome;
        Self { values: in_rows(&values), report, solved, put }
    }

    /// The solution a, rounded to the type of the arguments.
    ///
    /// ```
    /// # use keops::prelude::*;
    /// # keops! { pub fn gaussian(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) * b } }
    /// let (x, b) = ([[0.0_f32]], [[3.0]]);
    /// let a: Rows<f32, 1> = gaussian(&x, &x, &b).solve_b(1.0).eval()?.rounded();
    /// let k_a = gaussian(&x, &x, &a).eval()?; // as an argument beside x
    /// assert!((k_a[0][0] + a[0][0] - 3.0).abs() < 1e-5);
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn rounded(&self) -> Rows<T, E> {
        in_rows(self.values.as_flat())
    }

    /// (∂a/∂v)ᵀ e for every argument v of the call and for α, by the implicit function theorem. With u the solution of
    /// (αI + K) u = e, which is computed as a was, the gradient in b is u, the gradient in α is -(u|a), and the
    /// gradient in every other argument v is -∂(u|K a)/∂v, for which the call is differentiated once. Points that are
    /// arguments for both i and j have two gradients, to be added.
    ///
    /// # Errors
    /// The errors of [`Solve::eval`](super::Solve::eval); [`Error::RowCount`] for another number of rows than b has.
    ///
    /// ```
    /// # use keops::prelude::*;
    /// # keops! { pub fn gaussian(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) * b } }
    /// // one point: a = b / (α + 1)
    /// let solution = gaussian(&[[0.0]], &[[0.0]], &[[3.0_f64]]).solve_b(1.0).eval()?;
    /// let gradients = solution.vjp(&[[1.0]])?;
    /// assert!((gradients.arguments.b[0][0] - 0.5).abs() < 1e-6); // 1 / (α + 1)
    /// assert!((gradients.alpha + 0.75).abs() < 1e-6); // -b / (α + 1)²
    /// # Ok::<(), Error>(())
    /// ```
    pub fn vjp<'e>(&self, e: impl AsRows<'e, T, E>) -> Result<SolutionGradients<G::Output<T, Host>>, Error> {
        let rounded = self.rounded();
        let (e, view) = (e.as_rows(), View::from_rows(&rounded));
        let Gradients { mut arguments, b, alpha, report } =
            self.solved.gradients::<G>(self.values.as_flat(), view, &e)?;
        (self.put)(&mut arguments, in_rows(&b));
        Ok(SolutionGradients { arguments, alpha, report })
    }
}

impl<T: Element, F, G: Plan, const E: usize> fmt::Debug for Solution<'_, T, F, G, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Solution").field("values", &self.values).field("report", &self.report).finish_non_exhaustive()
    }
}

/// The numbers as rows of `E` numbers of type `T`.
fn in_rows<T: Element, const E: usize>(numbers: &[f64]) -> Rows<T, E> {
    numbers.as_chunks().0.iter().map(|row| row.map(T::from_f64)).collect()
}
