//! Approximate inverses of αI + K, which make the iterations fewer.

use super::system::System;
use crate::error::Error;

/// What makes conjugate gradients converge in fewer iterations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Preconditioner {
    /// Nothing.
    #[default]
    None,
    /// Division by the diagonal of αI + K, which takes N pairs. It helps where points have weights of very different size;
    /// the diagonal of a kernel like the Gaussian is constant, and there it changes nothing.
    Jacobi,
    /// The randomized Nyström preconditioner (Frangella, Tropp and Udell, SIAM J. Matrix Anal. Appl. 44, 2023): the
    /// largest eigenvalues of K, as a sketch of it with random vectors finds them, are brought near to the others. It
    /// takes `rank` products with K (fewer if b has several components) and N rank numbers of memory, and pays where there
    /// are more iterations than that without it: K has eigenvalues far above α, of which `rank` are most.
    #[cfg(feature = "nystrom")]
    Nystrom {
        /// How many random vectors.
        rank: usize,
        /// The same seed gives the same vectors.
        seed: u64,
    },
}

/// A symmetric positive definite matrix near to the inverse of αI + K.
pub(super) trait Precondition: Send + Sync {
    /// z = P⁻¹ r
    fn apply(&self, r: &[f64], z: &mut [f64]);
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

/// A diagonal entry that is not positive, or no number.
fn not_positive(pivot: f64) -> Error {
    if pivot.is_nan() {
        return Error::NotFiniteValue { what: "the diagonal of K" };
    }
    Error::NotPositiveDefinite { curvature: pivot }
}

struct Identity;

impl Precondition for Identity {
    fn apply(&self, r: &[f64], z: &mut [f64]) {
        z.copy_from_slice(r);
    }
}

/// The inverse of the diagonal.
struct Jacobi(Vec<f64>);

impl Precondition for Jacobi {
    fn apply(&self, r: &[f64], z: &mut [f64]) {
        z.iter_mut().zip(r).zip(&self.0).for_each(|((z, r), d)| *z = r * d);
    }
}
