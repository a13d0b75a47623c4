//! How the iterations went.

/// What the callback of [`Solve::progress`](super::Solve::progress) sees, after an iteration.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Progress<'r> {
    /// How many iterations there were.
    pub iteration: usize,
    /// The relative residual of each right-hand side, as the recurrence has it: a little off the true one.
    pub residuals: &'r [f64],
}

/// Why the iterations ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Stop {
    /// Every right-hand side is solved to the tolerance.
    Converged,
    /// There were as many iterations as were allowed.
    MaxIterations,
    /// The callback said so.
    Callback,
    /// The residual does not become smaller: α and the tolerance are beyond what f64 can tell of this K.
    Stagnated,
}

/// How the equations were solved.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Report {
    /// Iterations, each of one product with K in the type of the arguments, or in f64 where that did not suffice.
    pub iterations: usize,
    /// How often the residual was computed anew, by a product in f64 each.
    pub renewals: usize,
    /// |b - (αI + K) a| / |b| of each right-hand side, in f64, for the solution that is returned; 0 where b = 0.
    pub residuals: Vec<f64>,
    /// Why the iterations ended.
    pub stop: Stop,
}

impl Report {
    /// Whether every right-hand side is solved to the tolerance.
    #[must_use]
    pub fn converged(&self) -> bool {
        self.stop == Stop::Converged
    }

    /// The largest of the residuals.
    #[must_use]
    pub fn residual(&self) -> f64 {
        self.residuals.iter().copied().fold(0.0, f64::max)
    }
}
