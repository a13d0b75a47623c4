//! Sums within a tolerance, from fewer than all pairs.
//!
//! | where | what |
//! |---|---|
//! | `reads` | what f reads: positions, what it is linear in, and factors |
//! | `clouds` | targets and sources in cells |
//! | `evaluation` | f and its derivatives on boxes and at points |
//! | `certificates`, `plan` | what is known of pairs of cells, and what becomes of each |
//! | `axes`, `grid` | the same for products of functions of one axis each |
//! | `far` | a plan carried out |
//! | `exponentials` | `LogSumExp` and softmax |
//! | `formula` | what is compiled of a formula |
//!
//! Targets and sources are sorted into cells ([`crate::far`]). Beginning with all of both, a pair of cells is
//!
//! - *skipped*, if f is so small on it that it may be left out,
//! - *interpolated*, if f is so smooth on it that the nodes of both cells may stand for their points,
//! - *cut* into pairs of smaller cells, or
//! - *computed*, pair by pair, if both cells are leaves, or if nothing else can take less time.
//!
//! What may be left out follows from the tolerance t. With w_j the size of what f is linear in (1 if there is nothing), a target in a
//! cell A may be off by t S, where S is the least sum of |f| that a target of A can have. The share of a pair of A and B is
//! t S w(B) / w(all), with w(B) = Σ_j w_j over the sources of B; shares add up to t S at most. Most pairs need far less than theirs, so
//! a pair may take a multiple of it: it is skipped if |f| / w is at most that multiple of t S / w(all), and interpolated if the error
//! of f / w is. The multiple is found on a sample of targets. The errors of every target are added up, and a plan of which one exceeds
//! t S is made again with half of the multiple.
//!
//! Bounds of |f|, and of the error, come from the formula itself ([`crate::bounds`]): intervals of f on the two boxes, and of its
//! p-th derivatives along each coordinate. They hold for all points of the boxes, so the result is certified. Where f reads nothing
//! but differences of positions, they are made once for each offset of two cells.
//!
//! Estimates instead of bounds of the errors come from the coefficients of Chebyshev polynomials, on lines through the middle
//! and the corners of the boxes.
//!
//! An f that is a product of functions of one axis each takes another way, which is faster by far: `grid`.
//!
//! Which f can be interpolated: one that depends on up to three coordinates of a target and of a source, and is linear in what else it
//! reads of a source (b), and of a target (e), or has functions of that as factors. The sources of a cell become weights of its nodes, f runs on nodes by the engine
//! itself, in `f64`, for unit vectors e, and polynomials give the values for the targets.

mod axes;
mod certificates;
mod clouds;
mod evaluation;
mod exponentials;
mod far;
mod formula;
mod grid;
mod plan;
mod reads;

pub use formula::FarFormula;

use core::ops::Range;

use pulp::Arch;

use crate::{
    cpu::{output::Totals, plan as plans, prepare::Work},
    data::Error,
    lanes::Vectorized,
    problem::{HostPiece, Tolerance, ToleranceReport},
};
use axes::Axes;
use certificates::Certificates;
use clouds::Clouds;
use evaluation::Evaluation;
use far::Far;
use plan::{Planner, sums};
use reads::Reads;

/// Runs a batch within a tolerance, if that is faster than all pairs, or `always`; else the result is `None`, and nothing is
/// written.
///
/// # Errors
/// No memory.
pub(super) fn run<T: Vectorized>(
    arch: Arch,
    work: &Work<'_, T>,
    (tolerance, formula, always): (Tolerance, &FarFormula, bool),
    pieces: &mut [HostPiece<'_, T>],
) -> Result<Option<(Totals, ToleranceReport)>, Error> {
    if !(always || plans::may_approximate(work.shape)) {
        return Ok(None);
    }
    let components = (formula.bounds)().components();
    let (t, certain) = (tolerance.relative(), tolerance.is_certain());
    match formula.exponents {
        None => {
            let how = (t, certain, always);
            let Some(sums) = Sums::new(arch, work, formula, 0..components, how)? else { return Ok(None) };
            let values = sums.far().computed(&sums.blocks, &sums.values)?;
            let totals = sums.far().write(&values, pieces);
            work.met(sums.report.computed as usize);
            Ok(Some((totals, sums.report)))
        }
        Some((_, weights)) => exponentials::run(arch, work, (t, certain, always), (formula, weights), pieces),
    }
}

/// Some components of the sums over a batch, but for what is computed pair by pair.
struct Sums<'a, T: Vectorized> {
    arch: Arch,
    work: &'a Work<'a, T>,
    formula: &'a FarFormula,
    reads: Reads,
    clouds: Clouds,
    /// Rows of these components, in the order of the cells.
    values: Vec<f64>,
    /// What is computed pair by pair: places of targets and of sources.
    blocks: Vec<(Range<usize>, Range<usize>)>,
    report: ToleranceReport,
}

impl<'a, T: Vectorized> Sums<'a, T> {
    /// None if it is not worth it.
    fn new(
        arch: Arch,
        work: &'a Work<'a, T>,
        formula: &'a FarFormula,
        components: Range<usize>,
        (tolerance, certain, always): (f64, bool, bool),
    ) -> Result<Option<Self>, Error> {
        let Some(reads) = Reads::new(formula, work, components) else { return Ok(None) };
        let Some(clouds) = Clouds::new(work, &reads) else { return Ok(None) };
        let far = Far { arch, work, formula, reads: &reads, clouds: &clouds };
        let mut evaluation = Evaluation::new((formula.bounds)(), work, &reads);
        // Some of the tolerance is for the roundings of polynomials.
        let how = (0.98 * tolerance, certain, always);
        let done = match along_axes(&far, &mut evaluation, how)? {
            Some(done) => Some(done),
            None => by_cells(&far, evaluation, how)?,
        };
        Ok(done.map(|(values, blocks, report)| Self { arch, work, formula, reads, clouds, values, blocks, report }))
    }

    fn far(&self) -> Far<'_, T> {
        let Self { arch, work, formula, ref reads, ref clouds, .. } = *self;
        Far { arch, work, formula, reads, clouds }
    }
}

/// Sums in the order of the cells, what is computed pair by pair, and what was done.
type Done = (Vec<f64>, Vec<(Range<usize>, Range<usize>)>, ToleranceReport);

/// Sums one axis after another, if f is a product of functions of these and it is worth it: rows in the order of the cells.
fn along_axes<'a, T: Vectorized>(
    far: &Far<'a, T>,
    evaluation: &mut Evaluation<'a>,
    (tolerance, certain, always): (f64, bool, bool),
) -> Result<Option<Done>, Error> {
    let Far { reads, clouds, work, .. } = *far;
    let components = [reads.block.len(), reads.components(1)];
    if !(reads.separates && reads.has_least()) {
        return Ok(None);
    }
    let Some(axes) = Axes::new(evaluation, reads, clouds, components[0]) else { return Ok(None) };
    let (every, dim) = (reads.components(1) > 1, reads.dim(0));
    let arguments = work.shape.targets * reads.widths[0] + work.shape.sources * reads.widths[1];
    let room = (ROOM * (arguments * size_of::<T>()) as f64).max(LEAST_ROOM);
    let mut planner = grid::Planner { axes, clouds, tolerance, certain, components, every, room, always, dim };
    let all = far.pairs() as f64;
    let Some(plan) = planner.best(WORTH * all) else { return Ok(None) };
    let values = plan.interpolated(far, &mut planner.axes);
    let in_cells = clouds.0.iter().map(|cloud| cloud.rows() as u64).product();
    Ok(Some((values, plan.blocks(clouds), plan.report(&planner.axes, far.pairs(), in_cells))))
}

/// Sums over pairs of cells of all sizes, if it is worth it.
fn by_cells<'a, T: Vectorized>(
    far: &Far<'a, T>,
    evaluation: Evaluation<'a>,
    (tolerance, certain, always): (f64, bool, bool),
) -> Result<Option<Done>, Error> {
    let Far { reads, clouds, work, .. } = *far;
    let mut certificates = Certificates::new(evaluation, (reads, clouds), certain);
    let all = far.pairs() as f64;
    let sums = sums(&mut certificates, clouds, if always { f64::INFINITY } else { 0.005 * all.min(FOR_SUMS) });
    let components = reads.block.len();
    let faint = if far.formula.exponents.is_some() { FAINT } else { -1.0 };
    let certificates = &mut certificates;
    let mut planner = Planner { certificates, clouds, tolerance, sums, faint, components, always };
    let Some(plan) = planner.best() else { return Ok(None) };
    let values = far.interpolated(&plan)?;
    Ok(Some((values, plan.blocks(clouds).collect(), plan.report(work.shape))))
}

/// Sums of exponentials that are less may have terms that are too small for a number.
const FAINT: f64 = 1e-200;

/// Numbers of nodes have at most so many times the memory of the rows.
const ROOM: f64 = 6.0;

/// The memory that they may have in any case, in bytes.
const LEAST_ROOM: f64 = 6.4e7;

/// A plan takes at most this part of the time of all pairs.
const WORTH: f64 = 0.8;

/// The time of this many pairs is the most of which a part goes to the sums of cells.
const FOR_SUMS: f64 = 1e11;
