//! Sums within a tolerance, from fewer than all pairs.
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
//! Which f can be interpolated: one that depends on up to three coordinates of a target and of a source, and is linear in what else it
//! reads of a source (b), and of a target (e). The sources of a cell become weights of its nodes, f runs on nodes by the engine
//! itself, in `f64`, for unit vectors e, and polynomials give the values for the targets.

mod axes;
mod certificates;
mod clouds;
mod evaluation;
mod far;
mod formula;
mod grid;
mod plan;

pub use formula::FarFormula;

use core::ops::Range;

use pulp::Arch;

use crate::{
    bounds::Bounds,
    cpu::{output::Totals, plan as plans, prepare::Work},
    data::Error,
    far::AXES,
    formula::{Role, Variable},
    lanes::Vectorized,
    problem::{HostPiece, Tolerance, ToleranceReport},
};
use axes::Axes;
use certificates::Certificates;
use clouds::Clouds;
use evaluation::Evaluation;
use far::Far;
use plan::{Planner, sums};

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
    let bounds = (formula.bounds)();
    let Some(reads) = Reads::new(bounds, work.layout.signature.variables) else { return Ok(None) };
    let Some(clouds) = Clouds::new(work, &reads) else { return Ok(None) };
    let far = Far { arch, work, formula, reads: &reads, clouds: &clouds };
    // Some of the tolerance is for the roundings of polynomials.
    let (t, certain) = (0.98 * tolerance.relative(), tolerance.is_certain());
    let mut evaluation = Evaluation::new(bounds, work, &reads);
    let along_axes = along_axes(&far, &mut evaluation, (t, certain, always))?;
    let Some((values, report)) =
        along_axes.map_or_else(|| by_cells(&far, evaluation, (t, certain, always)), |done| Ok(Some(done)))?
    else {
        return Ok(None);
    };
    let totals = far.write(&values, pieces);
    work.met(report.computed as usize);
    Ok(Some((totals, report)))
}

/// Sums one axis after another, if f is a product of functions of these and it is worth it: rows in the order of the cells.
fn along_axes<'a, T: Vectorized>(
    far: &Far<'a, T>,
    evaluation: &mut Evaluation<'a>,
    (tolerance, certain, always): (f64, bool, bool),
) -> Result<Option<(Vec<f64>, ToleranceReport)>, Error> {
    let Far { reads, clouds, work, .. } = *far;
    let components = [work.layout.components, reads.components(1)];
    if !(reads.separates && reads.has_least()) {
        return Ok(None);
    }
    let Some(axes) = Axes::new(evaluation, reads, clouds, components[0]) else { return Ok(None) };
    let (every, dim) = (reads.components(1) > 1, reads.dim(0));
    let arguments = work.shape.targets * reads.widths[0] + work.shape.sources * reads.widths[1];
    let room = ROOM * (arguments * size_of::<T>()) as f64;
    let mut planner = grid::Planner { axes, clouds, tolerance, certain, components, every, room, always, dim };
    let all = far.pairs() as f64;
    let Some(plan) = planner.best(WORTH * all) else { return Ok(None) };
    let mut values = plan.interpolated(far, &mut planner.axes);
    far.computed(plan.blocks(clouds).into_iter(), &mut values)?;
    let in_cells = clouds.0.iter().map(|cloud| cloud.rows() as u64).product();
    Ok(Some((values, plan.report(&planner.axes, far.pairs(), in_cells))))
}

/// Sums over pairs of cells of all sizes, if it is worth it.
fn by_cells<'a, T: Vectorized>(
    far: &Far<'a, T>,
    evaluation: Evaluation<'a>,
    (tolerance, certain, always): (f64, bool, bool),
) -> Result<Option<(Vec<f64>, ToleranceReport)>, Error> {
    let Far { reads, clouds, work, .. } = *far;
    let mut certificates = Certificates::new(evaluation, (reads, clouds), certain);
    let all = far.pairs() as f64;
    let sums = sums(&mut certificates, clouds, if always { f64::INFINITY } else { 0.005 * all.min(FOR_SUMS) });
    let components = work.layout.components;
    let mut planner = Planner { certificates: &mut certificates, clouds, tolerance, sums, components, always };
    let Some(plan) = planner.best() else { return Ok(None) };
    let mut values = far.interpolated(&plan)?;
    far.computed(plan.blocks(clouds), &mut values)?;
    Ok(Some((values, plan.report(work.shape))))
}

/// Numbers of nodes have at most so many times the memory of the rows.
const ROOM: f64 = 6.0;

/// A plan takes at most this part of the time of all pairs.
const WORTH: f64 = 0.8;

/// The time of this many pairs is the most of which a part goes to the sums of cells.
const FOR_SUMS: f64 = 1e11;

/// What f reads of a target and of a source.
struct Reads {
    /// The components of a row that are positions.
    positions: [Vec<usize>; 2],
    /// The variable that f is linear in: its number, and the components of the row.
    linear: [Option<(usize, Range<usize>)>; 2],
    /// The number of components of a row.
    widths: [usize; 2],
    /// Whether positions are read as differences only.
    differences: bool,
    /// Whether f is a product of functions of one axis each.
    separates: bool,
    /// Whether each component of f depends on one component of what f is linear in of a source.
    diagonal: bool,
}

impl Reads {
    /// None if f cannot be interpolated.
    fn new(bounds: &Bounds<f64>, variables: &[Variable]) -> Option<Self> {
        let dependence = bounds.dependence(variables);
        let mut reads = Self {
            positions: [vec![], vec![]],
            linear: [None, None],
            widths: [0; 2],
            differences: false,
            separates: false,
            diagonal: false,
        };
        for (side, role) in [Role::Target, Role::Source].into_iter().enumerate() {
            reads.widths[side] = crate::formula::width(variables, role);
            let of_role = |&number: &usize| variables[number].role == role;
            let linear = dependence.linear.iter().copied().filter(of_role).max_by_key(|&number| variables[number].dim);
            reads.linear[side] = linear.map(|number| (number, Bounds::<f64>::components_of(variables, number)));
            let rest = dependence.linear.iter().copied().filter(|&number| Some(number) != linear);
            let others = dependence.other.iter().copied().chain(rest).filter(of_role);
            reads.positions[side] = others.flat_map(|number| Bounds::<f64>::components_of(variables, number)).collect();
            reads.positions[side].sort_unstable();
            if !(1..=AXES).contains(&reads.positions[side].len()) {
                return None;
            }
        }
        let [targets, sources] = &reads.positions;
        if targets.len() == sources.len() {
            let pairs: Vec<_> = targets.iter().zip(sources).map(|(&target, &source)| [target, source]).collect();
            reads.differences = bounds.reads_differences(&pairs);
            reads.separates = bounds.separates(&pairs);
        }
        let linear = reads.linear[1].as_ref();
        reads.diagonal = linear.is_some_and(|&(number, _)| bounds.is_diagonal(variables, number));
        Some(reads)
    }

    fn dim(&self, side: usize) -> usize {
        self.positions[side].len()
    }

    /// Whether bounds of f give its least sum: what f is linear in are numbers, or each component of f has its own.
    fn has_least(&self) -> bool {
        self.components(0) == 1 && (self.components(1) == 1 || self.diagonal)
    }

    /// How many components f is linear in: at least one, since a weight is as good.
    fn components(&self, side: usize) -> usize {
        self.linear[side].as_ref().map_or(1, |(_, range)| range.len())
    }
}
