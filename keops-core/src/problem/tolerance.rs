//! How far a sum may be off, and what was done for it.

use core::any::{Any, TypeId};
use std::sync::{Arc, Mutex, PoisonError};

use crate::{data::Error, formula::Formula};

/// How far a sum may be off: each row of the result by at most t times the row's sum of |f|, beside roundings.
///
/// ```
/// use keops::{Tolerance, prelude::*};
///
/// keops! { pub fn product(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) * b } }
///
/// let points: Vec<[f64; 1]> = (0..1000).map(|k| [f64::from(k) / 1000.0]).collect();
/// let ones = vec![[1.0]; 1000];
/// let sums = product(&points, &points, &ones).tolerance(Tolerance::new(1e-6)).eval()?;
/// let exact = product(&points, &points, &ones).eval()?;
/// assert!((sums[0][0] - exact[0][0]).abs() <= 1e-6 * exact[0][0]);
/// assert!(product(&points, &points, &ones).tolerance(-1.0).eval().is_err());
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    relative: f64,
    certain: bool,
}

impl Tolerance {
    /// The tolerance `t`, which is above 0 and below 1; anything else is an error of the call. That it is kept is certain, by bounds of
    /// the formula.
    #[must_use]
    pub fn new(t: f64) -> Self {
        Self { relative: t, certain: true }
    }

    /// The tolerance `t`, which is above 0 and below 1, and is kept as far as can be told from values of the formula: errors of
    /// interpolations are estimated from some of them, with a factor for safety. This takes less time than [`Tolerance::new`], whose
    /// bounds are larger than the errors, often by far. What is skipped is certain in either case.
    ///
    /// ```
    /// use keops::{Tolerance, prelude::*};
    ///
    /// keops! { pub fn density(x: Vi<1>, y: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) } }
    ///
    /// let points: Vec<[f64; 1]> = (0..1000).map(|k| [f64::from(k) / 1000.0]).collect();
    /// let some = density(&points, &points).tolerance(Tolerance::estimated(1e-3)).eval()?;
    /// let all = density(&points, &points).eval()?;
    /// assert!(some.iter().zip(all.iter()).all(|(some, all)| (some[0] - all[0]).abs() <= 1e-3 * all[0]));
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn estimated(t: f64) -> Self {
        Self { relative: t, certain: false }
    }

    /// Whether it is certain that the tolerance is kept.
    #[must_use]
    pub fn is_certain(self) -> bool {
        self.certain
    }

    /// The number t.
    #[must_use]
    pub fn relative(self) -> f64 {
        self.relative
    }
}

impl From<f64> for Tolerance {
    fn from(t: f64) -> Self {
        Self::new(t)
    }
}

/// What was done for a sum within a tolerance.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ToleranceReport {
    /// The number of pairs that were left out, because f is small on them.
    pub skipped: u64,
    /// The number of pairs for which nodes of cells stand, because f is smooth on them.
    pub interpolated: u64,
    /// The number of pairs that were computed.
    pub computed: u64,
    /// No row of the result is off by more than this number times its sum of |f|, beside roundings; as far as can be told, if errors
    /// were estimated.
    pub bound: f64,
}

impl ToleranceReport {
    /// All pairs were computed.
    pub(crate) fn all(pairs: u64) -> Self {
        Self { computed: pairs, ..Self::default() }
    }

    /// Adds what was done for other pairs.
    pub(crate) fn add(&mut self, other: Self) {
        self.skipped += other.skipped;
        self.interpolated += other.interpolated;
        self.computed += other.computed;
        self.bound = self.bound.max(other.bound);
    }
}

/// The tolerance of a call, and what an engine needs for it of each of its formulas.
#[derive(Clone, Debug)]
pub struct Approximation {
    tolerance: Tolerance,
    /// How many passes after each other have a part in it.
    passes: u32,
    formulas: Vec<(TypeId, &'static (dyn Any + Send + Sync))>,
    report: Arc<Mutex<ToleranceReport>>,
}

impl Approximation {
    /// No formula yet.
    #[must_use]
    pub fn new(tolerance: Tolerance) -> Self {
        Self { tolerance, passes: 1, formulas: Vec::new(), report: Arc::default() }
    }

    /// The tolerance of a pass.
    ///
    /// # Errors
    /// [`Error::Tolerance`].
    pub fn tolerance(&self) -> Result<Tolerance, Error> {
        let t = self.tolerance.relative;
        if !(t > 0.0 && t < 1.0) {
            return Err(Error::Tolerance { found: t });
        }
        let passes = f64::from(self.passes);
        // Two errors of e relative to their sums are one of 2 e + e^2.
        Ok(if self.passes == 1 { self.tolerance } else { Tolerance { relative: t / (passes + t), ..self.tolerance } })
    }

    /// Says how many passes after each other have a part in the tolerance.
    pub fn share(&mut self, passes: u32) {
        self.passes = passes;
    }

    /// Adds what an engine needs of `F`.
    pub fn add<F: Formula>(&mut self, of_formula: &'static (dyn Any + Send + Sync)) {
        self.formulas.push((TypeId::of::<F>(), of_formula));
    }

    /// What the engine that knows the type `E` needs of `F`.
    #[must_use]
    pub fn of<F: Formula, E: 'static>(&self) -> Option<&'static E> {
        let found = self.formulas.iter().find(|(formula, _)| *formula == TypeId::of::<F>());
        found.and_then(|(_, of_formula)| of_formula.downcast_ref())
    }

    /// What was done so far.
    #[must_use]
    pub fn report(&self) -> ToleranceReport {
        *self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what was done in a pass.
    pub(crate) fn told(&self, report: ToleranceReport) {
        self.report.lock().unwrap_or_else(PoisonError::into_inner).add(report);
    }
}
