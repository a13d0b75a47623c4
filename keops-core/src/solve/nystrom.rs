//! The randomized Nyström preconditioner.
//!
//! Frangella, Tropp and Udell, "Randomized Nyström preconditioning", SIAM J. Matrix Anal. Appl. 44 (2023): algorithms
//! 2.1 and 5.3. A sketch Y = K Ω of K with orthonormal random vectors Ω gives the approximation U Λ Uᵀ = Y (Ωᵀ Y)⁻¹ Yᵀ,
//! whose small matrices are factored by nalgebra. With λ the least eigenvalue in Λ,
//!
//! P⁻¹ = (λ + α) U (Λ + αI)⁻¹ Uᵀ + (I - U Uᵀ).
//!
//! A small multiple νI is added to K before the factorization, and ν is subtracted from the eigenvalues again, so that
//! rounded products do not make the factorization fail.

use core::f64::consts::TAU;

use nalgebra::{Cholesky, DMatrix, DVector, Dyn};

use super::{
    precondition::Precondition,
    system::{Precision, System, sum},
};
use crate::data::Error;

/// How often ν is made ten times larger before K counts as indefinite.
const ATTEMPTS: usize = 8;

/// See the [module](self).
pub(super) struct Nystrom {
    /// U
    vectors: DMatrix<f64>,
    /// (λ + α) / (Λ + α) - 1
    factors: DVector<f64>,
    /// The number of right-hand sides that are preconditioned together.
    columns: usize,
}

impl Nystrom {
    /// Computes the preconditioner from a sketch of K with `rank` random vectors.
    pub(super) fn new(system: &dyn System, rank: usize, seed: u64) -> Result<Self, Error> {
        if rank == 0 {
            return Err(Error::Option { what: "rank", value: 0.0 });
        }
        let columns = system.columns();
        let len = system.len().checked_div(columns).unwrap_or(0);
        let Rows { first, all } = Rows::of(system, len)?;
        let rank = rank.min(all);
        if rank == 0 {
            return Ok(Self { vectors: DMatrix::zeros(len, 0), factors: DVector::zeros(0), columns });
        }
        // The vectors are the same however their rows are spread over ranks.
        let mut random = fastrand::Rng::with_seed(seed);
        let mut test = DMatrix::zeros(len, rank);
        for column in 0..rank {
            for row in 0..all {
                let number = normal(&mut random);
                if let Some(place) = row.checked_sub(first).filter(|&place| place < len) {
                    test[(place, column)] = number;
                }
            }
        }
        let (test, _) = qr(system, test)?;
        let mut sketch = products(system, &test)?;

        let epsilon = if system.is_exact() { f64::EPSILON } else { f64::from(f32::EPSILON) };
        let norm = sum(system, vec![sketch.norm_squared()])?[0].sqrt();
        let least = epsilon * norm.max(f64::MIN_POSITIVE);
        let (factor, shift) = factor(system, &test, &mut sketch, least)?;
        // B = Y C⁻¹ for the factor C = Lᵀ: Bᵀ = L⁻¹ Yᵀ
        let Some(b) = factor.l_dirty().solve_lower_triangular(&sketch.transpose()) else {
            return Err(Error::NotFiniteValue { what: "the sketch of K" });
        };
        // The singular values of the small factor R of B are the singular values of B.
        let (q, r) = qr(system, b.transpose())?;
        let Some(small) = r.try_svd(true, false, f64::EPSILON, 0) else {
            return Err(Error::NotFiniteValue { what: "the sketch of K" });
        };
        let Some(u) = small.u else { return Err(Error::NotFiniteValue { what: "the sketch of K" }) };
        let values = small.singular_values.map(|s| (s * s - shift).max(0.0));
        let bottom = values.min() + system.alpha();
        let factors = values.map(|value| {
            let pivot = value + system.alpha();
            if pivot > 0.0 && bottom > 0.0 { bottom / pivot - 1.0 } else { 0.0 }
        });
        Ok(Self { vectors: q * u, factors, columns })
    }
}

/// The rows of vectors on this rank.
struct Rows {
    /// The number of the first of them.
    first: usize,
    /// The number of rows of all ranks.
    all: usize,
}

impl Rows {
    fn of(system: &dyn System, own: usize) -> Result<Self, Error> {
        let lengths: Vec<usize> = system.each(vec![own as f64])?.concat().iter().map(|&rows| rows as usize).collect();
        Ok(Self { first: lengths[..system.rank()].iter().sum(), all: lengths.iter().sum() })
    }
}

/// The QR factorization of a matrix whose rows are spread over ranks: its factors R, one below another, are factored
/// again (TSQR).
fn qr(system: &dyn System, matrix: DMatrix<f64>) -> Result<(DMatrix<f64>, DMatrix<f64>), Error> {
    let columns = matrix.ncols();
    let (q, r) = if matrix.nrows() == 0 {
        (DMatrix::zeros(0, 0), DMatrix::zeros(0, columns))
    } else {
        let own = matrix.qr();
        (own.q(), own.r())
    };
    let mut padded = DMatrix::zeros(columns, columns);
    padded.rows_mut(0, r.nrows()).copy_from(&r);
    let ranks = system.each(padded.as_slice().to_vec())?;
    if ranks.len() == 1 {
        return Ok((q, r));
    }
    let mut stacked = DMatrix::zeros(ranks.len() * columns, columns);
    for (rank, numbers) in ranks.iter().enumerate() {
        stacked.rows_mut(rank * columns, columns).copy_from_slice(numbers);
    }
    let all = stacked.qr();
    let place = system.rank() * columns;
    Ok((q * all.q().rows(place, r.nrows()), all.r()))
}

/// Aᵀ B of matrices whose rows are spread over ranks.
fn tr_mul(system: &dyn System, a: &DMatrix<f64>, b: &DMatrix<f64>) -> Result<DMatrix<f64>, Error> {
    let own = a.tr_mul(b);
    Ok(DMatrix::from_vec(own.nrows(), own.ncols(), sum(system, own.as_slice().to_vec())?))
}

/// K times each column of `test`, for as many columns at a time as there are right-hand sides.
fn products(system: &dyn System, test: &DMatrix<f64>) -> Result<DMatrix<f64>, Error> {
    let columns = system.columns();
    let mut sketch = DMatrix::zeros(test.nrows(), test.ncols());
    let (mut p, mut q) = (vec![0.0; system.len()], vec![0.0; system.len()]);
    for first in (0..test.ncols()).step_by(columns) {
        let some = first..test.ncols().min(first + columns);
        for (c, number) in some.clone().enumerate() {
            for (row, &value) in test.column(number).iter().enumerate() {
                p[row * columns + c] = value;
            }
        }
        system.product(Precision::Given, &mut p, &mut q)?;
        for (c, number) in some.enumerate() {
            for (row, value) in sketch.column_mut(number).iter_mut().enumerate() {
                *value = q[row * columns + c];
            }
        }
    }
    if sketch.iter().any(|value| !value.is_finite()) {
        return Err(Error::NotFiniteValue { what: "the product with K" });
    }
    Ok(sketch)
}

/// The Cholesky factor of Ωᵀ (Y + νΩ), and ν; Y becomes Y + νΩ.
fn factor(
    system: &dyn System,
    test: &DMatrix<f64>,
    sketch: &mut DMatrix<f64>,
    least: f64,
) -> Result<(Cholesky<f64, Dyn>, f64), Error> {
    let (mut shift, mut added) = (least, 0.0);
    for _ in 0..ATTEMPTS {
        *sketch += test * (shift - added);
        added = shift;
        let small = tr_mul(system, test, sketch)?;
        let symmetric = (&small + small.transpose()) * 0.5;
        if let Some(factor) = Cholesky::new(symmetric) {
            return Ok((factor, shift));
        }
        shift *= 10.0;
    }
    // The eigenvalues of a compression of K lie between the least and the largest eigenvalue of K.
    let small = tr_mul(system, test, sketch)?;
    let eigenvalues = ((&small + small.transpose()) * 0.5).symmetric_eigenvalues();
    Err(Error::NotPositiveDefinite { curvature: eigenvalues.min() - added })
}

/// A normally distributed number, by the method of Box and Muller.
fn normal(random: &mut fastrand::Rng) -> f64 {
    let radius = (-2.0 * (1.0 - random.f64()).ln()).sqrt();
    radius * (TAU * random.f64()).cos()
}

impl Precondition for Nystrom {
    fn apply(&self, system: &dyn System, r: &[f64], z: &mut [f64]) -> Result<(), Error> {
        z.copy_from_slice(r);
        let columns = self.columns.max(1);
        for c in 0..self.columns {
            let column = DVector::from_iterator(self.vectors.nrows(), r.iter().skip(c).step_by(columns).copied());
            let weights = DVector::from_vec(sum(system, self.vectors.tr_mul(&column).as_slice().to_vec())?);
            let weights = weights.component_mul(&self.factors);
            let change = &self.vectors * weights;
            z.iter_mut().skip(c).step_by(columns).zip(change.iter()).for_each(|(z, change)| *z += change);
        }
        Ok(())
    }
}
