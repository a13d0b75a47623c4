//! Conjugate gradients for several right-hand sides, with residuals that are replaced by the true ones.
//!
//! ```text
//! r = b, x = 0
//! until |r| <= tolerance |b|:
//!     z = P⁻¹ r,  p = z + ((r|z) / last (r|z)) p
//!     q = αp + K p
//!     x += s p,  r -= s q   with s = (r|z) / (p|q)
//!     now and then: r = b - αx - K x in f64
//! ```
//!
//! - The recurrence for r uses rounded products, so r drifts away from the true residual. r is renewed, that is,
//!   replaced by the true residual, when it has fallen by as much as products of their type can resolve, and always
//!   before the iterations end. The directions are kept unless most of r was drift: new directions would lose the
//!   conjugacy to earlier ones.
//! - Neighbouring directions are conjugate, (p|q) = 0 for p of the last iteration, if and only if the matrix is
//!   symmetric; checking this costs one inner product.

use core::ops::ControlFlow;

use super::{
    Limits,
    columns::{add_scaled, dots, scale_and_add},
    precondition::Precondition,
    report::{Progress, Report, Stop},
    system::{Precision, System, sum},
};
use crate::data::Error;

/// With products in f32, the residual is renewed when it has fallen to this fraction; its drift is then still small
/// enough for the directions.
const FALL_IN_F32: f64 = 3e-4;
/// With products within a tolerance, the fraction is at least this multiple of that.
const FALL_OF_TOLERANCE: f64 = 30.0;
/// The fraction for products in f64.
const FALL_IN_F64: f64 = 1e-10;
/// The most iterations with products in f32 between renewals.
const LONGEST: usize = 100;
/// If the drift is more than this fraction of the length of the renewed residual, the directions start anew.
const FOREIGN: f64 = 0.1;
/// The recurrence continues to this fraction of the tolerance, so that the true residual is below the tolerance too.
const MARGIN: f64 = 0.95;
/// In how many iterations the conjugacy of directions is checked, and the deviation that is allowed.
const SYMMETRY: (usize, f64) = (10, 1e-3);
/// A negative curvature beyond this fraction of the largest curvature is no rounding error.
const NEGATIVE: f64 = 1e-10;

/// Solves (αI + K) x = b.
pub(super) fn conjugate_gradients(
    system: &dyn System,
    b: &[f64],
    limits: Limits,
    precondition: &dyn Precondition,
    progress: &mut dyn FnMut(&Progress<'_>) -> ControlFlow<()>,
) -> Result<(Vec<f64>, Report), Error> {
    // The equations are scaled to numbers around 1, since squares of other numbers, and numbers in the products, may be
    // out of range.
    let powers = powers(system, b)?;
    let b = &scaled(b, &powers, |b, power| b / power)[..];
    let (x, report) = iterate(system, b, limits, precondition, progress)?;
    Ok((scaled(&x, &powers, |x, power| x * power), report))
}

/// A power of two near the largest number of each column: dividing by it rounds nothing.
fn powers(system: &dyn System, b: &[f64]) -> Result<Vec<f64>, Error> {
    let columns = system.columns();
    let mut own = vec![0.0_f64; columns];
    for row in b.chunks(columns.max(1)) {
        own.iter_mut().zip(row).for_each(|(largest, b)| *largest = largest.max(b.abs()));
    }
    let mut largest = vec![0.0_f64; columns];
    for rank in system.each(own)? {
        largest.iter_mut().zip(rank).for_each(|(largest, other)| *largest = largest.max(other));
    }
    let power = |largest: f64| if largest > 0.0 && largest.is_finite() { largest.log2().floor() } else { 0.0 };
    Ok(largest.into_iter().map(|largest| power(largest).clamp(-1000.0, 1000.0).exp2()).collect())
}

fn scaled(x: &[f64], powers: &[f64], scale: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    x.iter().zip(powers.iter().cycle()).map(|(&x, &power)| scale(x, power)).collect()
}

fn iterate(
    system: &dyn System,
    b: &[f64],
    limits: Limits,
    precondition: &dyn Precondition,
    progress: &mut dyn FnMut(&Progress<'_>) -> ControlFlow<()>,
) -> Result<(Vec<f64>, Report), Error> {
    let mut run = Run::new(system, b, limits)?;
    let mut called = ControlFlow::Continue(());
    loop {
        let out_of_time = called.is_break() || run.iterations >= limits.iterations;
        let mut lost = false;
        if run.since > 0 && (out_of_time || run.is_due()) {
            lost = run.renew()?;
        }
        let stop = match () {
            () if run.is_solved() => Some(Stop::Converged),
            () if called.is_break() => Some(Stop::Callback),
            () if out_of_time => Some(Stop::MaxIterations),
            () if lost && run.precision == Precision::Exact => Some(Stop::Stagnated),
            () => None,
        };
        if let Some(stop) = stop {
            return Ok(run.end(stop));
        }
        if lost {
            run.be_exact();
        }
        run.turn(precondition)?;
        match run.go()? {
            Step::Taken => {
                let residuals = run.relative();
                let own = progress(&Progress { iteration: run.iterations, residuals: &residuals });
                // a callback ends the iterations of all ranks
                let all = system.each(vec![f64::from(u8::from(own.is_break()))])?;
                called = if all.concat().contains(&1.0) { ControlFlow::Break(()) } else { own };
            }
            Step::Flat if run.precision == Precision::Given => {
                run.renew()?;
                run.be_exact();
            }
            Step::Flat => {
                run.renew()?;
                let stop = if run.is_solved() { Stop::Converged } else { Stop::Stagnated };
                return Ok(run.end(stop));
            }
        }
    }
}

/// The outcome of a step.
enum Step {
    Taken,
    /// The curvature along the direction is 0, up to rounding.
    Flat,
}

/// The state of the iterations.
struct Run<'s> {
    system: &'s dyn System,
    limits: Limits,
    columns: usize,
    b: &'s [f64],
    b_norms: Vec<f64>,
    x: Vec<f64>,
    r: Vec<f64>,
    z: Vec<f64>,
    p: Vec<f64>,
    /// The last direction, while symmetry is checked.
    p_before: Vec<f64>,
    q: Vec<f64>,
    /// (r|z) of the last direction.
    rz: Vec<f64>,
    /// The columns that the last step changed.
    moving: Vec<bool>,
    /// The length of r.
    lengths: Vec<f64>,
    /// The length of r when it was last renewed.
    seen: Vec<f64>,
    /// The largest |q| / |p|, a lower bound of the norm of the matrix.
    norm: f64,
    precision: Precision,
    iterations: usize,
    renewals: usize,
    /// Iterations since r was last renewed.
    since: usize,
}

impl<'s> Run<'s> {
    fn new(system: &'s dyn System, b: &'s [f64], limits: Limits) -> Result<Self, Error> {
        let columns = system.columns();
        let b_norms = norms(&products(system, [(b, b)])?[0]);
        let zeros = vec![0.0; b.len()];
        Ok(Self {
            system,
            limits,
            columns,
            b,
            lengths: b_norms.clone(),
            seen: b_norms.clone(),
            b_norms,
            r: b.to_vec(),
            z: zeros.clone(),
            p: zeros.clone(),
            p_before: zeros.clone(),
            q: zeros.clone(),
            x: zeros,
            rz: vec![0.0; columns],
            moving: vec![false; columns],
            norm: 0.0,
            precision: if system.is_exact() { Precision::Exact } else { Precision::Given },
            iterations: 0,
            renewals: 0,
            since: 0,
        })
    }

    /// Whether each column needs more iterations, for residuals of these lengths.
    fn active(&self, lengths: &[f64]) -> Vec<bool> {
        let goal = MARGIN * self.limits.tolerance;
        lengths.iter().zip(&self.b_norms).map(|(r, b)| *r > goal * b).collect()
    }

    /// Whether every column is solved; r must be the true residual.
    fn is_solved(&self) -> bool {
        let solved = |(r, b): (&f64, &f64)| *r <= self.limits.tolerance * b;
        self.since == 0 && self.seen.iter().zip(&self.b_norms).all(solved)
    }

    /// |r| / |b| of each column.
    fn relative(&self) -> Vec<f64> {
        let relative = |(&r, &b): (&f64, &f64)| if b > 0.0 { r / b } else { 0.0 };
        self.lengths.iter().zip(&self.b_norms).map(relative).collect()
    }

    /// Whether r is to be renewed.
    fn is_due(&self) -> bool {
        let lengths = &self.lengths;
        let active = self.active(lengths);
        let (fall, longest) = match self.precision {
            Precision::Given => (FALL_IN_F32.max(FALL_OF_TOLERANCE * self.system.tolerance()).min(0.3), LONGEST),
            Precision::Exact => (FALL_IN_F64, usize::MAX),
        };
        let fallen = (0..self.columns).any(|c| active[c] && lengths[c] <= fall * self.seen[c]);
        fallen || self.since >= longest || !active.contains(&true)
    }

    /// Renews r = b - (αI + K) x in f64. True if a column made no progress, so that its residual is the error of the
    /// products.
    fn renew(&mut self) -> Result<bool, Error> {
        let mut truth = vec![0.0; self.r.len()];
        self.system.product(Precision::Exact, &mut self.x, &mut truth)?;
        let alpha = self.system.alpha();
        for (((t, x), b), r) in truth.iter_mut().zip(&self.x).zip(self.b).zip(&mut self.r) {
            *t = b - (alpha * x + *t);
            *r -= *t;
        }
        let [drifts, lengths] =
            products(self.system, [(&self.r, &self.r), (&truth, &truth)])?.map(|squares| norms(&squares));
        if lengths.iter().any(|length| !length.is_finite()) {
            return Err(Error::NotFiniteValue { what: "the product with K" });
        }
        let lost = (0..self.columns).any(|c| {
            let unsolved = lengths[c] > self.limits.tolerance * self.b_norms[c];
            unsolved && lengths[c] > 0.5 * self.seen[c] && drifts[c] > 0.5 * lengths[c]
        });
        // A direction that belongs to another residual makes no progress.
        for c in 0..self.columns {
            self.moving[c] &= drifts[c] <= FOREIGN * lengths[c];
        }
        self.r = truth;
        self.lengths.clone_from(&lengths);
        self.seen = lengths;
        self.since = 0;
        self.renewals += 1;
        Ok(lost)
    }

    /// Computes products in f64 from now on, with new directions.
    fn be_exact(&mut self) {
        self.precision = Precision::Exact;
        self.moving.fill(false);
    }

    /// Computes the next direction.
    fn turn(&mut self, precondition: &dyn Precondition) -> Result<(), Error> {
        precondition.apply(self.system, &self.r, &mut self.z)?;
        let [rz] = products(self.system, [(&self.r, &self.z)])?;
        let factor = |c: usize| if self.moving[c] && self.rz[c] > 0.0 { rz[c] / self.rz[c] } else { 0.0 };
        let factors: Vec<f64> = (0..self.columns).map(factor).collect();
        self.p_before.clone_from(&self.p);
        scale_and_add(&mut self.p, &factors, &self.z);
        self.rz = rz;
        Ok(())
    }

    /// Takes the step along the direction.
    fn go(&mut self) -> Result<Step, Error> {
        self.system.product(self.precision, &mut self.p, &mut self.q)?;
        add_scaled(&mut self.q, &vec![self.system.alpha(); self.columns], &self.p);
        let (p, q) = (&self.p[..], &self.q[..]);
        let [p, q, curvature] = products(self.system, [(p, p), (q, q), (p, q)])?;
        let (p, q) = (norms(&p), norms(&q));
        if q.iter().chain(&self.rz).any(|number| !number.is_finite()) {
            return Err(Error::NotFiniteValue { what: "the product with K" });
        }
        let stretch = |c: usize| if p[c] > 0.0 { q[c] / p[c] } else { 0.0 };
        self.norm = (0..self.columns).map(stretch).fold(self.norm, f64::max);
        let active = self.active(&self.lengths);
        self.check_symmetry(&active, &p)?;

        let mut steps = vec![0.0; self.columns];
        for c in (0..self.columns).filter(|&c| active[c]) {
            if curvature[c] <= 0.0 {
                let relative = curvature[c] / (p[c] * p[c]);
                if self.precision == Precision::Exact && relative < -NEGATIVE * self.norm {
                    return Err(Error::NotPositiveDefinite { curvature: relative });
                }
                return Ok(Step::Flat);
            }
            steps[c] = self.rz[c] / curvature[c];
        }
        add_scaled(&mut self.x, &steps, &self.p);
        steps.iter_mut().for_each(|step| *step = -*step);
        add_scaled(&mut self.r, &steps, &self.q);
        let [squares] = products(self.system, [(&self.r, &self.r)])?;
        self.lengths = norms(&squares);
        self.moving = active;
        self.iterations += 1;
        self.since += 1;
        Ok(Step::Taken)
    }

    /// Checks the symmetry of K by (p|q), for the last direction p and this product q.
    fn check_symmetry(&self, active: &[bool], p: &[f64]) -> Result<(), Error> {
        let (times, largest) = SYMMETRY;
        // Just after r was renewed, the drift disturbs the conjugacy.
        if self.iterations >= times || self.since == 0 {
            return Ok(());
        }
        let before = &self.p_before[..];
        let [products, before] = products(self.system, [(before, &self.q), (before, before)])?;
        let before = norms(&before);
        for c in (0..self.columns).filter(|&c| active[c] && self.moving[c]) {
            let asymmetry = products[c].abs() / (before[c] * p[c] * self.norm);
            if asymmetry > largest {
                return Err(Error::NotSymmetric { asymmetry });
            }
        }
        Ok(())
    }

    fn end(self, stop: Stop) -> (Vec<f64>, Report) {
        let residuals = self.relative();
        (self.x, Report { iterations: self.iterations, renewals: self.renewals, residuals, stop })
    }
}

/// (x | y) of all rows of all ranks, for each column, of several pairs of vectors.
fn products<const N: usize>(system: &dyn System, pairs: [(&[f64], &[f64]); N]) -> Result<[Vec<f64>; N], Error> {
    let columns = system.columns();
    let own = pairs.iter().flat_map(|(x, y)| dots(x, y, columns)).collect();
    let all = sum(system, own)?;
    Ok(core::array::from_fn(|k| all[k * columns..][..columns].to_vec()))
}

/// Lengths from their squares.
fn norms(squares: &[f64]) -> Vec<f64> {
    squares.iter().map(|square| square.sqrt()).collect()
}
