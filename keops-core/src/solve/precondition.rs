//! Approximate inverses of αI + K, which reduce the number of iterations.

use super::system::System;
use crate::data::Error;

/// A preconditioner, with which conjugate gradients converge in fewer iterations.
///
/// ```
/// use keops::{prelude::*, solve::Preconditioner};
///
/// keops! {
///     /// Points have weights s on one side and t on the other.
///     pub fn weighted(x: Vi<1>, y: Vj<1>, s: Vi<1>, t: Vj<1>, b: Vj<1>) -> Sum<j> { s * exp(-sqdist(x, y)) * t * b }
/// }
///
/// # fn main() -> Result<(), Error> {
/// let x: Vec<[f64; 1]> = (0..10).map(|k| [3.0 * f64::from(k)]).collect();
/// let w: Vec<[f64; 1]> = (0..10).map(|k| [2.0_f64.powi(k)]).collect(); // from 1 to 512
/// let b = vec![[1.0]; 10];
/// let solve = |which| weighted(&x, &x, &w, &w, &b).solve_b(0.1).preconditioner(which).eval();
/// let (plain, jacobi) = (solve(Preconditioner::None)?, solve(Preconditioner::Jacobi)?);
/// assert!(plain.report.iterations > jacobi.report.iterations);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Preconditioner {
    /// No preconditioner.
    #[default]
    None,
    /// Division by the diagonal of αI + K, which costs N pairs. It helps if points have weights of very different size.
    /// It changes nothing if the diagonal is constant, as that of a Gaussian kernel is.
    Jacobi,
    /// The randomized Nyström preconditioner (Frangella, Tropp and Udell, SIAM J. Matrix Anal. Appl. 44, 2023): the
    /// largest eigenvalues of K, found by a sketch of K with random vectors, are brought near to the other ones. It
    /// costs `rank` products with K (fewer if b has several components) and memory for N rank numbers. It pays if there
    /// would be more than `rank` iterations without it, that is, if many eigenvalues of K are far above α and `rank`
    /// random vectors find most of these.
    ///
    /// ```
    /// # use keops::{prelude::*, solve::*};
    /// # keops! { pub fn gaussian(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) * b } }
    /// # let x: Vec<[f64; 1]> = (0..20).map(|k| [0.1 * f64::from(k)]).collect();
    /// # let b = vec![[1.0]; 20];
    /// let equations = || gaussian(&x, &x, &b).solve_b(1e-6);
    /// let plain = equations().eval()?;
    /// let solution = equations().preconditioner(Preconditioner::Nystrom { rank: 8, seed: 0 }).eval()?;
    /// assert!(solution.report.iterations < plain.report.iterations);
    /// # Ok::<(), Error>(())
    /// ```
    #[cfg(feature = "nystrom")]
    Nystrom {
        /// The number of random vectors.
        rank: usize,
        /// The same seed gives the same vectors.
        seed: u64,
    },
}

/// A symmetric positive definite matrix that approximates the inverse of αI + K.
pub(super) trait Precondition: Send + Sync {
    /// z = P⁻¹ r
    fn apply(&self, system: &dyn System, r: &[f64], z: &mut [f64]) -> Result<(), Error>;
}

pub(super) fn build(which: Preconditioner, system: &dyn System) -> Result<Box<dyn Precondition>, Error> {
    match which {
        Preconditioner::None => Ok(Box::new(Identity)),
        Preconditioner::Jacobi => {
            let inverse = |k: f64| {
                let pivot = k + system.alpha();
                if pivot > 0.0 { Ok(1.0 / pivot) } else { Err(not_positive(pivot)) }
            };
            Ok(Box::new(Jacobi(system.diagonal()?.into_iter().map(inverse).collect::<Result<_, _>>()?)))
        }
        #[cfg(feature = "nystrom")]
        Preconditioner::Nystrom { rank, seed } => Ok(Box::new(super::nystrom::Nystrom::new(system, rank, seed)?)),
    }
}

/// The error for a diagonal entry that is not positive, or not finite.
fn not_positive(pivot: f64) -> Error {
    if pivot.is_nan() {
        return Error::NotFiniteValue { what: "the diagonal of K" };
    }
    Error::NotPositiveDefinite { curvature: pivot }
}

struct Identity;

impl Precondition for Identity {
    fn apply(&self, _: &dyn System, r: &[f64], z: &mut [f64]) -> Result<(), Error> {
        z.copy_from_slice(r);
        Ok(())
    }
}

/// The inverse of the diagonal.
struct Jacobi(Vec<f64>);

impl Precondition for Jacobi {
    fn apply(&self, _: &dyn System, r: &[f64], z: &mut [f64]) -> Result<(), Error> {
        z.iter_mut().zip(r).zip(&self.0).for_each(|((z, r), d)| *z = r * d);
        Ok(())
    }
}
