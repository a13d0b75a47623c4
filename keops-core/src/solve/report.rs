//! Reports on the iterations.

/// The argument of the callback of [`Solve::progress`](super::Solve::progress): the state after an iteration.
///
/// ```
/// use std::ops::ControlFlow;
///
/// # use keops::{prelude::*, solve::*};
/// # keops! { pub fn gaussian(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) * b } }
/// # let x: Vec<[f64; 1]> = (0..20).map(|k| [0.3 * f64::from(k)]).collect();
/// # let b = vec![[1.0]; 20];
/// let mut last = 0;
/// let show = |progress: &Progress<'_>| {
///     println!("iteration {}: {:.1e}", progress.iteration, progress.residuals[0]);
///     last = progress.iteration;
///     ControlFlow::Continue(())
/// };
/// let report = gaussian(&x, &x, &b).solve_b(0.1).progress(show).eval()?.report;
/// assert_eq!(report.iterations, last);
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Progress<'r> {
    /// The number of iterations so far.
    pub iteration: usize,
    /// The relative residual of each right-hand side by the recurrence, which differs a little from the true residual.
    pub residuals: &'r [f64],
}

/// Why the iterations ended.
///
/// ```
/// # use keops::{prelude::*, solve::*};
/// # keops! { pub fn gaussian(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) * b } }
/// # let x: Vec<[f64; 1]> = (0..20).map(|k| [0.3 * f64::from(k)]).collect();
/// # let b = vec![[1.0]; 20];
/// let solve = |iterations| gaussian(&x, &x, &b).solve_b(0.1).max_iterations(iterations).eval();
/// match solve(3)?.report.stop {
///     Stop::MaxIterations => {} // it may be enough for what the solution is for
///     other => panic!("{other:?}"),
/// }
/// assert_eq!(solve(100)?.report.stop, Stop::Converged);
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Stop {
    /// Every right-hand side is solved to the tolerance.
    Converged,
    /// The largest number of iterations was reached.
    MaxIterations,
    /// The callback returned `ControlFlow::Break`.
    Callback,
    /// The residual no longer becomes smaller: f64 does not suffice for this K, α and tolerance.
    Stagnated,
}

/// How the equations were solved.
///
/// ```
/// # use keops::{prelude::*, solve::*};
/// # keops! { pub fn gaussian(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) * b } }
/// # let x: Vec<[f64; 1]> = (0..20).map(|k| [0.3 * f64::from(k)]).collect();
/// # let b = vec![[1.0]; 20];
/// let report = gaussian(&x, &x, &b).solve_b(0.1).eval()?.report;
/// assert_eq!((report.stop, report.residuals.len()), (Stop::Converged, 1));
/// assert!(report.iterations > 1 && report.iterations <= 20); // as many as unknowns, were it not for rounding
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Report {
    /// The number of iterations. Each takes one product with K in the type of the arguments, or in f64 where that type
    /// did not suffice.
    pub iterations: usize,
    /// How often the residual was replaced by the true one, which takes a product in f64.
    pub renewals: usize,
    /// |b - (αI + K) a| / |b| of each right-hand side, computed in f64 for the returned solution; 0 where b = 0.
    pub residuals: Vec<f64>,
    /// Why the iterations ended.
    pub stop: Stop,
}

impl Report {
    /// Whether every right-hand side is solved to the tolerance.
    ///
    /// ```
    /// # use keops::{prelude::*, solve::*};
    /// # keops! { pub fn gaussian(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) * b } }
    /// # let x: Vec<[f64; 1]> = (0..20).map(|k| [0.3 * f64::from(k)]).collect();
    /// # let b = vec![[1.0]; 20];
    /// let solve = |iterations| gaussian(&x, &x, &b).solve_b(0.1).max_iterations(iterations).eval();
    /// assert!(!solve(1)?.report.converged());
    /// assert!(solve(100)?.report.converged());
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn converged(&self) -> bool {
        self.stop == Stop::Converged
    }

    /// The largest of the residuals.
    ///
    /// ```
    /// # use keops::{prelude::*, solve::*};
    /// # keops! { pub fn gaussian(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) * b } }
    /// # let x: Vec<[f64; 1]> = (0..20).map(|k| [0.3 * f64::from(k)]).collect();
    /// # let b = vec![[1.0]; 20];
    /// let report = gaussian(&x, &x, &b).solve_b(0.1).tolerance(1e-8).eval()?.report;
    /// assert!(report.residual() <= 1e-8);
    /// assert_eq!(report.residual(), report.residuals[0]); // there is one right-hand side
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn residual(&self) -> f64 {
        self.residuals.iter().copied().fold(0.0, f64::max)
    }
}
