//! Conjugate gradients for (αI + K) a = b, where K a is a sum over j that is linear in a.
//!
//! The call's method `solve_b(alpha)` gives a [`Solve`], whose `eval` gives a [`Solution`]. K has to be symmetric and
//! positive definite, or semi-definite with α > 0: f(x_i, y_j) = f(x_j, y_i), and the same points on both sides.
//!
//! # What the residual means
//! All vectors are f64. Products with K are computed as the call computes them, in the type of its arguments; the
//! residual b - (αI + K) a that decides when to stop, and that the [`Report`] states, is computed by the same formula
//! in f64. For f32 this is iterative refinement: the residual of the recurrence is replaced by the true one whenever it
//! has fallen by a factor of 3000, which is about as much as products in f32 can resolve; if the true residual stops
//! falling, products are computed in f64. A call with a tolerance has products within it, and residuals without. The
//! solution is f64 too, because rounding it to f32 alone costs a relative residual of up to 6e-8 (1 + ‖K‖ ‖a‖/‖b‖),
//! which is more than 1e-6 for many points.
//!
//! With a CUDA device, the vectors are copied to the host between the products.
//!
//! ```
//! use keops::prelude::*;
//!
//! keops! {
//!     /// (K b)_i = Σ_j exp(-|x_i - y_j|²) b_j
//!     pub fn gaussian(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) * b }
//! }
//!
//! # fn main() -> Result<(), Error> {
//! let (x, b) = ([[0.0_f64], [1.0], [3.0]], [[1.0], [0.0], [2.0]]);
//! let solution = gaussian(&x, &x, &b).solve_b(0.1).tolerance(1e-10).eval()?;
//! // insert the solution: α a + K a = b
//! let a = &solution.values;
//! let k_a = gaussian(&x, &x, a).eval()?;
//! assert!((0..3).all(|i| (0.1 * a[i][0] + k_a[i][0] - b[i][0]).abs() < 1e-9));
//! # Ok(())
//! # }
//! ```

mod columns;
mod conjugate_gradients;
mod dynamic;
mod equations;
#[cfg(feature = "nystrom")]
mod nystrom;
mod precondition;
mod report;
mod solution;
mod system;

use core::ops::ControlFlow;

pub use dynamic::{DynSolution, DynSolve};
use equations::{Callback, Equations, Limits};
pub use precondition::Preconditioner;
pub use report::{Progress, Report, Stop};
pub use solution::{Solution, SolutionGradients};

use crate::{
    call::{Element, OnePass, Plan},
    data::{Error, Host, Rows, View},
    problem::Settings,
};

/// A function that stores the gradient in the variable among all gradients.
type Put<T, G, const E: usize> = fn(&mut <G as Plan>::Output<T, Host>, Rows<T, E>);

/// Equations (αI + K) a = b to be solved by `eval`; see the [module](self). `F` is the formula of K a, `G` the formula
/// of all its gradients, `E` the number of components of a row of b, and `'p` the lifetime of the callback.
///
/// If each pair multiplies a by a number, the E components of b are separate right-hand sides: they share the products
/// with K, but each has its own conjugate gradients, and a solution that has converged does not change any more.
/// Otherwise b is one vector of N E numbers.
///
/// ```
/// use keops::{prelude::*, solve::Preconditioner};
///
/// keops! {
///     /// (K b)_i = Σ_j exp(-|x_i - y_j|²) b_j, for two columns of b
///     pub fn gaussian(x: Vi<1>, y: Vj<1>, b: Vj<2>) -> Sum<j> { exp(-sqdist(x, y)) * b }
/// }
///
/// # fn main() -> Result<(), Error> {
/// let (x, b) = ([[0.0_f32], [1.0], [3.0]], [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]);
/// let solution = gaussian(&x, &x, &b)
///     .solve_b(0.5) // α
///     .tolerance(1e-8)
///     .max_iterations(100)
///     .preconditioner(Preconditioner::Jacobi)
///     .eval()?;
/// assert_eq!(solution.report.residuals.len(), 2); // one for each column
/// assert!(solution.report.converged());
/// # Ok(())
/// # }
/// ```
#[must_use = "equations are not solved before `eval`"]
pub struct Solve<'a, 'p, T: Element, F, G: Plan, const E: usize> {
    equations: Equations<'a, 'p, T, F>,
    put: Put<T, G, E>,
}

impl<'a, 'p, T: Element, F: OnePass, G: Plan, const E: usize> Solve<'a, 'p, T, F, G, E> {
    #[doc(hidden)]
    pub fn __new(
        views: Vec<View<'a, T>>,
        settings: Settings,
        variable: (usize, bool),
        alpha: f64,
        put: Put<T, G, E>,
    ) -> Self {
        Self { equations: Equations::new(views, settings, variable, E, alpha), put }
    }

    /// The relative residual |b - (αI + K) a| / |b| at which a right-hand side counts as solved. The default is 1e-6.
    ///
    /// ```
    /// # use keops::{prelude::*, solve::*};
    /// # keops! { pub fn gaussian(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) * b } }
    /// # let x: Vec<[f64; 1]> = (0..20).map(|k| [0.3 * f64::from(k)]).collect();
    /// # let b = vec![[1.0]; 20];
    /// let solve = |tolerance| gaussian(&x, &x, &b).solve_b(0.1).tolerance(tolerance).eval();
    /// let (rough, fine) = (solve(1e-2)?.report, solve(1e-10)?.report);
    /// assert!(rough.residual() <= 1e-2 && fine.residual() <= 1e-10);
    /// assert!(rough.iterations < fine.iterations);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn tolerance(mut self, tolerance: f64) -> Self {
        self.equations.limits.tolerance = tolerance;
        self
    }

    /// The most iterations, each of which takes one product with K. The default is 1000.
    ///
    /// ```
    /// # use keops::{prelude::*, solve::*};
    /// # keops! { pub fn gaussian(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) * b } }
    /// # let x: Vec<[f64; 1]> = (0..20).map(|k| [0.3 * f64::from(k)]).collect();
    /// # let b = vec![[1.0]; 20];
    /// let report = gaussian(&x, &x, &b).solve_b(0.1).max_iterations(2).eval()?.report;
    /// assert_eq!((report.iterations, report.stop), (2, Stop::MaxIterations));
    /// assert!(report.residual() > 1e-6); // the tolerance
    /// # Ok::<(), Error>(())
    /// ```
    pub fn max_iterations(mut self, iterations: usize) -> Self {
        self.equations.limits.iterations = iterations;
        self
    }

    /// The preconditioner, which reduces the number of iterations. The default is none.
    ///
    /// ```
    /// # use keops::{prelude::*, solve::*};
    /// # keops! { pub fn gaussian(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) * b } }
    /// # let x: Vec<[f64; 1]> = (0..20).map(|k| [0.3 * f64::from(k)]).collect();
    /// # let b = vec![[1.0]; 20];
    /// let equations = || gaussian(&x, &x, &b).solve_b(0.1);
    /// let plain = equations().eval()?;
    /// let solution = equations().preconditioner(Preconditioner::Jacobi).eval()?;
    /// // the diagonal of this K is constant, so that nothing is gained, and nothing lost
    /// assert!(solution.report.iterations <= plain.report.iterations + 1);
    /// assert!((solution.values[0][0] - plain.values[0][0]).abs() < 1e-4);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn preconditioner(mut self, preconditioner: Preconditioner) -> Self {
        self.equations.preconditioner = preconditioner;
        self
    }

    /// Calls a function after each iteration, which may end them: `ControlFlow::Break(())`.
    ///
    /// ```
    /// use std::ops::ControlFlow;
    ///
    /// # use keops::{prelude::*, solve::*};
    /// # keops! { pub fn gaussian(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) * b } }
    /// # let x: Vec<[f64; 1]> = (0..20).map(|k| [0.3 * f64::from(k)]).collect();
    /// # let b = vec![[1.0]; 20];
    /// let mut residuals = Vec::new();
    /// let solution = gaussian(&x, &x, &b)
    ///     .solve_b(0.1)
    ///     .progress(|progress| {
    ///         residuals.push(progress.residuals[0]);
    ///         if progress.iteration == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    ///     })
    ///     .eval()?;
    /// assert_eq!((residuals.len(), solution.report.stop), (3, Stop::Callback));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn progress<'c>(
        self,
        callback: impl FnMut(&Progress<'_>) -> ControlFlow<()> + 'c,
    ) -> Solve<'a, 'c, T, F, G, E> {
        let callback: Callback<'c> = Box::new(callback);
        Solve { equations: self.equations.watched(callback), put: self.put }
    }

    /// Solves the equations. It is no error if the iterations do not converge: the solution is then the last iterate,
    /// and [`Report::converged`] is false.
    ///
    /// # Errors
    /// Arguments that do not fit together; [`Error::NotSquare`]; [`Error::NotSymmetric`] and
    /// [`Error::NotPositiveDefinite`], if the iterations detect it; [`Error::NotFinite`] for b, α and products that are
    /// infinite or NaN; [`Error::Option`] for a tolerance or an α that is negative, or a rank of 0.
    ///
    /// ```
    /// # use keops::{prelude::*, solve::*};
    /// # keops! { pub fn gaussian(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) * b } }
    /// # let x: Vec<[f64; 1]> = (0..20).map(|k| [0.3 * f64::from(k)]).collect();
    /// # let b = vec![[1.0]; 20];
    /// let solution = gaussian(&x, &x, &b).solve_b(0.1).eval()?;
    /// assert!(solution.report.converged());
    /// assert_eq!(solution.values.len(), 20);
    /// let error = gaussian(&x[1..], &x, &b).solve_b(0.1).eval().unwrap_err();
    /// assert_eq!(error, Error::NotSquare { rows: 19, cols: 20 });
    /// # Ok::<(), Error>(())
    /// ```
    pub fn eval(self) -> Result<Solution<'a, T, F, G, E>, Error> {
        Ok(Solution::new(self.equations.solve()?, self.put))
    }
}
