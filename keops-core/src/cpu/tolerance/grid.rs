//! Sums of an f that is a product of functions of one axis each.
//!
//! All cells are of one level, and a sum over all of their pairs is one axis after another:
//!
//! ```text
//! for each axis a { out[.., x_a, ..] = Σ_(y_a) φ_a(x_a, y_a) in[.., y_a, ..] }
//! ```
//!
//! for cells as for the nodes in them: of n cells along each of D axes, that takes D n^(D + 1) steps instead of n^(2 D). No pair of points is
//! computed, however near: f is as smooth there. What is left out are pairs of places along an axis where φ is so small that all pairs of
//! points together are a small part of the tolerance.
//!
//! The bounds of sums and of errors are such sums, too, with the numbers that are known of φ_a instead of its values. So the error of each
//! cell of targets is known before anything is computed, for each level and number of nodes, and the plan is the fastest one of these.

use core::ops::Range;

use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    axes::{Axes, Axis, LEAST},
    certificates::{ORDER, PIECES},
    clouds::Clouds,
    far::Far,
};
use crate::{
    far::{AXES, Arrays, Cell, Nodes},
    lanes::Vectorized,
    problem::ToleranceReport,
};

/// The place of a cell: along the axes that were summed over that of a cell of targets, along the others that of a cell of sources.
type Place = [u32; AXES];

/// A sum along an axis.
struct Step {
    /// The numbers of the first term of each result, and behind them the number of all terms.
    starts: Vec<u32>,
    /// What is summed: the number of a result of the step before, and that of the axis of pairs of cells.
    terms: Vec<[u32; 2]>,
}

impl Step {
    fn len(&self) -> usize {
        self.starts.len() - 1
    }

    fn terms(&self, result: usize) -> &[[u32; 2]] {
        &self.terms[self.starts[result] as usize..self.starts[result + 1] as usize]
    }
}

/// The cells of a level.
struct Grid {
    cells: [Vec<Cell>; 2],
    steps: Vec<Step>,
    /// For each result of the last step, the number of its cell of targets.
    targets: Vec<u32>,
}

/// The axes in the order of the steps: the arrays of nodes begin with the last coordinate.
fn in_turn(dim: usize) -> impl Iterator<Item = usize> {
    [dim - 1].into_iter().chain(0..dim - 1)
}

/// Where cells of targets, and of sources, are along an axis.
fn along(cells: &[Vec<Cell>; 2], axis: usize) -> [Vec<u32>; 2] {
    [0, 1].map(|side| {
        let mut places: Vec<u32> = cells[side].iter().map(|cell| cell.at[axis]).collect();
        places.sort_unstable();
        places.dedup();
        places
    })
}

impl Grid {
    /// The sums over what is not left out: `keeps` says so for an axis of pairs of cells.
    fn new(
        axes: &mut Axes<'_, '_>,
        level: u32,
        cells: [Vec<Cell>; 2],
        dim: usize,
        keeps: impl Fn(&Axis) -> bool,
    ) -> Self {
        Self::with(axes, level, cells, dim, |axes, number| keeps(&axes.known()[number as usize]))
    }

    /// [`Self::new`], with axes by their numbers.
    fn with(
        axes: &mut Axes<'_, '_>,
        level: u32,
        cells: [Vec<Cell>; 2],
        dim: usize,
        keeps: impl Fn(&Axes<'_, '_>, u32) -> bool,
    ) -> Self {
        let mut at: Vec<Place> = cells[1].iter().map(|cell| cell.at).collect();
        let mut steps = Vec::new();
        let mut summed = [false; AXES];
        for axis in in_turn(dim) {
            let only = |at: Place, summed: [bool; AXES]| core::array::from_fn(|k| if summed[k] { at[k] } else { 0 });
            // where targets are along this axis, for their places along those before
            let mut wanted: FxHashMap<Place, Vec<u32>> = FxHashMap::default();
            for cell in &cells[0] {
                wanted.entry(only(cell.at, summed)).or_default().push(cell.at[axis]);
            }
            wanted.values_mut().for_each(|places| {
                places.sort_unstable();
                places.dedup();
            });
            // lines of what is the same but for this axis
            let mut lines: Vec<(Place, u32, u32)> = (0..)
                .zip(&at)
                .map(|(number, &at)| {
                    let mut line = at;
                    line[axis] = 0;
                    (line, at[axis], number)
                })
                .collect();
            lines.sort_unstable();
            let mut step = Step { starts: vec![0], terms: Vec::new() };
            let mut next = Vec::new();
            for line in lines.chunk_by(|a, b| a.0 == b.0) {
                let Some(places) = wanted.get(&only(line[0].0, summed)) else { continue };
                for &target in places {
                    for &(_, source, number) in line {
                        let of_axis = axes.number(level, axis, [target, source]);
                        if keeps(axes, of_axis) {
                            step.terms.push([number, of_axis]);
                        }
                    }
                    if step.terms.len() > step.starts[step.len()] as usize {
                        let mut place = line[0].0;
                        place[axis] = target;
                        next.push(place);
                        step.starts.push(step.terms.len() as u32);
                    }
                }
            }
            at = next;
            steps.push(step);
            summed[axis] = true;
        }
        let numbers: FxHashMap<Place, u32> = (0..).zip(&cells[0]).map(|(number, cell)| (cell.at, number)).collect();
        let targets = at.iter().map(|at| numbers[at]).collect();
        Self { cells, steps, targets }
    }

    /// The sum for each cell of targets, of a number for each cell of sources, with a factor for each axis of pairs of cells.
    fn sums(&self, of_sources: &[f64], axes: &[Axis], factor: impl Fn(&Axis) -> f64) -> Vec<f64> {
        let factors: Vec<f64> = axes.iter().map(factor).collect();
        let mut sums = of_sources.to_vec();
        for step in &self.steps {
            let of = |result: usize| {
                step.terms(result).iter().map(|&[k, of_axis]| sums[k as usize] * factors[of_axis as usize]).sum()
            };
            sums = (0..step.len()).map(of).collect();
        }
        let mut of_targets = vec![0.0; self.cells[0].len()];
        self.targets.iter().zip(sums).for_each(|(&target, sum)| of_targets[target as usize] = sum);
        of_targets
    }

    /// The sums for some of the targets at a time: those of a part have other places along the axis of the first step than those of
    /// all others, so that no step is done twice.
    fn parts(&self, axes: &mut Axes<'_, '_>, dim: usize, count: usize) -> Vec<Self> {
        let mut kept = vec![false; axes.known().len()];
        self.axes().into_iter().for_each(|number| kept[number as usize] = true);
        let level = self.cells[0].first().map_or(0, |cell| cell.level);
        let places = along(&self.cells, dim - 1)[0].clone();
        places
            .chunks(places.len().div_ceil(count).max(1))
            .map(|places| {
                let of_part = |cell: &&Cell| places.contains(&cell.at[dim - 1]);
                let targets = self.cells[0].iter().filter(of_part).cloned().collect();
                let cells = [targets, self.cells[1].clone()];
                let keeps = |number: u32| kept.get(number as usize).copied().unwrap_or(false);
                Self::with(axes, level, cells, dim, |_, number| keeps(number))
            })
            .collect()
    }

    /// The number of terms of all steps.
    fn terms(&self) -> usize {
        self.steps.iter().map(|step| step.terms.len()).sum()
    }

    /// The axes of pairs of cells that are not left out.
    fn axes(&self) -> Vec<u32> {
        let mut numbers: Vec<u32> = self.steps.iter().flat_map(|step| &step.terms).map(|term| term[1]).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }
}

/// A plan.
pub(super) struct Plan {
    grid: Grid,
    nodes: usize,
    /// In how many parts targets are taken: the more, the less memory.
    parts: usize,
    /// The cells of targets that are computed, pair by pair.
    left: Vec<bool>,
    /// The largest error of a target, relative to its sum of |f|.
    bound: f64,
    cost: f64,
}

/// The time of a node for each point whose cell has it, that of a product in a step, and that of a term of it, in pairs of points.
const COST: [f64; 3] = [0.35, 0.25, 100.0];

/// Fewer nodes than these are hardly ever enough.
const LEAST_NODES: usize = 3;

/// The last level that is looked at.
const DEEPEST: u32 = 12;

/// What planning knows.
pub(super) struct Planner<'p, 'e, 'a> {
    pub(super) axes: Axes<'e, 'a>,
    pub(super) clouds: &'p Clouds,
    pub(super) tolerance: f64,
    pub(super) certain: bool,
    /// The number of components of f, and that of what it is linear in of a source.
    pub(super) components: [usize; 2],
    /// Whether the error of a row is one of every component by itself, and not the largest.
    pub(super) every: bool,
    /// How many bytes numbers of nodes may have at a time.
    pub(super) room: f64,
    /// Whether there is a plan for any time it takes: for tests.
    pub(super) always: bool,
    pub(super) dim: usize,
}

impl Planner<'_, '_, '_> {
    /// In how many parts targets are taken at most.
    const MOST_PARTS: usize = 16;

    /// The cells of a level, unless they have fewer than two points each.
    fn cells(&self, level: u32) -> Option<[Vec<Cell>; 2]> {
        let cells = [0, 1].map(|side| self.clouds.0[side].cells.of_level(level));
        let few = |side: usize| {
            let (all, points) = (cells[side].len(), self.clouds.0[side].rows());
            level == 0 || 2 * all <= points || self.always && level < 4
        };
        (few(0) && few(1)).then_some(cells)
    }

    /// For each cell of sources, the sum of the sizes of what f is linear in.
    fn weights(&self, cells: &[Cell]) -> Vec<f64> {
        let (cloud, components) = (&self.clouds.0[1], self.components[1]);
        let of_point = |numbers: &[f64]| numbers.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
        let of_cell = |cell: &Cell| {
            let rows = cell.rows.start * components..cell.rows.end * components;
            cloud.linear[rows].chunks_exact(components).map(of_point).sum()
        };
        cells.par_iter().map(of_cell).collect()
    }

    /// Sums for each group, multiplied by its scale: the largest, or the least of them.
    fn over_groups(&self, sums: impl Fn(usize) -> Vec<f64>, least: bool) -> Vec<f64> {
        let all = self.axes.scales().into_iter().enumerate().map(|(group, scale)| {
            let mut sums = sums(group);
            sums.iter_mut().for_each(|sum| *sum *= scale);
            sums
        });
        let either = |a: f64, b: f64| if (b < a) == least { b } else { a };
        all.reduce(|a, b| a.into_iter().zip(b).map(|(a, b)| either(a, b)).collect()).unwrap_or_default()
    }

    /// A level whose cells are so small that φ does not vary much in most of them, and the least sum of |f| of a target of each of its
    /// cells, for a linear argument of size 1.
    fn least_sums(&mut self) -> Option<(Vec<Cell>, Vec<f64>)> {
        /// The part of the sum along an axis that its bounds leave.
        const ENOUGH: f64 = 0.35;
        /// The part with which it is worth to look at cells of few points.
        const HOPELESS: f64 = 0.05;
        /// What is left out beside the largest.
        const SMALL: f64 = 1e-3;
        /// The most pairs of places along an axis.
        const MOST: usize = 1 << 16;
        let mut level = 0;
        let mut cells = self.cells(level)?;
        loop {
            // The largest and the least of φ, over all pairs of places along an axis.
            let mut ratio = f64::INFINITY;
            for axis in 0..self.dim {
                let mut of_groups = vec![[0.0; 2]; self.axes.scales().len()];
                let [targets, sources] = along(&cells, axis);
                for &target in &targets {
                    for &source in &sources {
                        let number = self.axes.number(level, axis, [target, source]);
                        for (sums, known) in of_groups.iter_mut().zip(&self.axes.known()[number as usize].groups) {
                            *sums = [sums[0] + known.least, sums[1] + known.most];
                        }
                    }
                }
                ratio = of_groups.iter().fold(ratio, |ratio, [least, most]| ratio.min(least / most));
            }
            let few = cells.iter().zip(&self.clouds.0).all(|(cells, cloud)| 4 * cells.len() <= cloud.rows());
            let Some(next) = self.cells(level + 1).filter(|_| level < DEEPEST) else { break };
            let pairs = (0..self.dim).map(|axis| along(&next, axis).map(|places| places.len()).iter().product());
            if ratio >= if few { ENOUGH } else { HOPELESS } || pairs.max().is_some_and(|pairs: usize| pairs > MOST) {
                break;
            }
            (level, cells) = (level + 1, next);
        }
        let largest = self.largest(level);
        let keeps =
            |axis: &Axis| axis.groups.iter().zip(&largest[axis.axis]).any(|(known, most)| known.most >= SMALL * most);
        let weights = self.weights(&cells[1]);
        let grid = Grid::new(&mut self.axes, level, cells, self.dim, keeps);
        let known = self.axes.known();
        let sums = |group: usize| grid.sums(&weights, known, |axis| axis.groups[group].least);
        let mut sums = self.over_groups(sums, self.every);
        sums.iter_mut().for_each(|sum| *sum *= 1.0 - 1e-9);
        let [targets, _] = grid.cells;
        Some((targets, sums))
    }

    /// For each axis, and each group, the largest |φ| of a level.
    fn largest(&self, level: u32) -> Vec<Vec<f64>> {
        let mut largest = vec![vec![0.0_f64; self.axes.scales().len()]; self.dim];
        for axis in self.axes.known().iter().filter(|axis| axis.level() == level) {
            largest[axis.axis].iter_mut().zip(&axis.groups).for_each(|(most, known)| *most = most.max(known.most));
        }
        largest
    }

    /// Makes all axes of pairs of a level known.
    fn know(&mut self, level: u32, cells: &[Vec<Cell>; 2]) {
        for axis in 0..self.dim {
            let [targets, sources] = along(cells, axis);
            for &target in &targets {
                sources.iter().for_each(|&source| {
                    self.axes.number(level, axis, [target, source]);
                });
            }
        }
    }

    /// The time of a term of a step.
    fn of_term(&self, nodes: usize) -> f64 {
        COST[1] * (nodes as f64).powi(self.dim as i32 + 1) + COST[2]
    }

    /// The fastest plan, if it takes less than this time.
    pub(super) fn best(&mut self, most_cost: f64) -> Option<Plan> {
        let (fine, fine_sums) = self.least_sums()?;
        let largest = fine_sums.iter().fold(0.0_f64, |most, &sum| most.max(sum));
        let mut best: Option<Plan> = None;
        for level in 0..=DEEPEST {
            let Some(cells) = self.cells(level) else { break };
            let fits = Arrays::bytes(LEAST_NODES, self.dim, cells[1].len()) as f64 <= self.room;
            if !(fits || self.always || level == 0) {
                break;
            }
            let Some(plan) = self.of_level(level, cells, (&fine, &fine_sums, largest)) else { continue };
            // The steps of the next level have more terms by this factor at least, if points do not lie on a few lines.
            let terms = (2_usize << self.dim.min(2)) as f64 * plan.grid.terms() as f64;
            if best.as_ref().is_none_or(|best| plan.cost < best.cost) {
                best = Some(plan);
            }
            let least = terms * self.of_term(LEAST_NODES);
            if best.as_ref().is_some_and(|best| least > best.cost) {
                break;
            }
        }
        best.filter(|best| self.always || best.cost < most_cost)
    }

    /// The plan of a level with the fewest nodes that are enough, if any are.
    fn of_level(
        &mut self,
        level: u32,
        cells: [Vec<Cell>; 2],
        (fine, fine_sums, largest_sum): (&[Cell], &[f64], f64),
    ) -> Option<Plan> {
        /// The part of the tolerance for what is left out.
        const FOR_SMALL: f64 = 1.0 / 16.0;
        /// A target whose sum is less than the largest times this is computed.
        const FAINT: f64 = 1e-40;
        // Of cells that are cut the least of their parts, of parts that of the whole.
        let mut sums = vec![f64::INFINITY; cells[0].len()];
        let (mut k, mut l) = (0, 0);
        while k < fine.len() && l < sums.len() {
            sums[l] = sums[l].min(fine_sums[k]);
            let (end, fine_end) = (cells[0][l].rows.end, fine[k].rows.end);
            k += usize::from(fine_end <= end);
            l += usize::from(end <= fine_end);
        }
        let mut left: Vec<bool> = sums.iter().map(|&sum| sum.is_nan() || sum <= FAINT * largest_sum).collect();
        let least_sum =
            sums.iter().zip(&left).filter(|(_, left)| !**left).fold(f64::INFINITY, |least, (&sum, _)| least.min(sum));
        let weights = self.weights(&cells[1]);
        let all_weights: f64 = weights.iter().sum();
        if !least_sum.is_finite() || all_weights == 0.0 {
            return None;
        }
        self.know(level, &cells);
        let (largest, scales) = (self.largest(level), self.axes.scales());
        // Whatever is left out, all pairs of a target together are within a part of its tolerance.
        let small = FOR_SMALL * self.tolerance * least_sum / all_weights;
        if scales.iter().any(|scale| small < LEAST * scale) {
            return None;
        }
        let keeps = |axis: &Axis| {
            (0..scales.len()).any(|group| {
                let others = (0..largest.len()).filter(|&other| other != axis.axis).map(|other| largest[other][group]);
                let most = scales[group] * axis.groups[group].most * others.product::<f64>();
                most.is_nan() || most > small
            })
        };
        let grid = Grid::new(&mut self.axes, level, cells, self.dim, keeps);
        let kept = grid.axes();
        let mut enough: Option<(usize, Vec<f64>)> = None;
        let mut pieces = if self.certain { 2 } else { PIECES };
        while pieces <= PIECES {
            kept.iter().for_each(|&number| self.axes.look(number, pieces, self.certain));
            // errors of targets, relative to their sums
            let errors = |nodes: usize| {
                let known = self.axes.known();
                let of_group = |group: usize| {
                    // Π (|φ| + e) - Π |φ|
                    let most = |axis: &Axis| axis.groups[group].most;
                    let with_errors = grid.sums(&weights, known, |axis| most(axis) + axis.groups[group].error(nodes));
                    let without = grid.sums(&weights, known, most);
                    with_errors
                        .into_iter()
                        .zip(without)
                        .map(|(with, without)| (with - without) + 1e-13 * with)
                        .collect()
                };
                let mut errors = self.over_groups(of_group, false);
                for (error, sum) in errors.iter_mut().zip(&sums) {
                    *error = *error / sum + FOR_SMALL * self.tolerance * (least_sum / sum);
                }
                errors
            };
            let keeps =
                |errors: &[f64]| errors.iter().zip(&left).all(|(&error, &left)| left || error <= self.tolerance);
            let most = enough.as_ref().map_or(ORDER, |(nodes, _)| nodes - 1);
            let (mut low, mut high) = (1, most + 1);
            let mut found = None;
            // Errors are smaller with more nodes.
            while low < high {
                let nodes = (low + high) / 2;
                let errors = errors(nodes);
                if keeps(&errors) {
                    (high, found) = (nodes, Some((nodes, errors)));
                } else {
                    low = nodes + 1;
                }
            }
            // Where more pieces do not help, still more do not either.
            if found.is_none() && enough.is_some() {
                break;
            }
            enough = found.or(enough);
            pieces *= 2;
        }
        let (nodes, errors) = enough?;
        let bound =
            errors.iter().zip(&left).filter(|(_, left)| !**left).fold(0.0, |most: f64, (&error, _)| most.max(error));
        let each = (nodes as f64).powi(self.dim as i32);
        let points = |side: usize| self.clouds.0[side].rows() as f64;
        let [components, of_sources] = self.components.map(|components| components as f64);
        let steps = grid.terms() as f64 * components * self.of_term(nodes);
        // What is there at a time: all weights, and two arrays of a part of the targets.
        let arrays = grid.steps.iter().map(|step| step.len()).max().unwrap_or(0);
        let bytes = |arrays: usize| Arrays::bytes(nodes, self.dim, arrays) as f64;
        let room = self.room - bytes(grid.cells[1].len());
        let parts = if self.always { 2 } else { (bytes(2 * arrays) / room).ceil().max(1.0) as usize };
        if !self.always && (room <= 0.0 || parts > Self::MOST_PARTS) {
            return None;
        }
        let rows_left: usize =
            grid.cells[0].iter().zip(&left).filter(|(_, left)| **left).map(|(cell, _)| cell.rows.len()).sum();
        let cost =
            COST[0] * each * (points(0) * components + points(1) * of_sources) + steps + rows_left as f64 * points(1);
        // A cell without a result has nothing that counts.
        left.resize(grid.cells[0].len(), false);
        Some(Plan { grid, nodes, parts, left, bound, cost })
    }
}

impl Plan {
    /// What is computed pair by pair: places of targets and of sources.
    pub(super) fn blocks(&self, clouds: &Clouds) -> Vec<(Range<usize>, Range<usize>)> {
        let left = self.grid.cells[0].iter().zip(&self.left).filter(|(_, left)| **left);
        left.map(|(cell, _)| (cell.rows.clone(), 0..clouds.0[1].rows())).collect()
    }

    /// What is done, of this many pairs in cells.
    pub(super) fn report(&self, axes: &Axes<'_, '_>, pairs: u64, in_cells: u64) -> ToleranceReport {
        let points: Vec<f64> = self.grid.cells[1].iter().map(|cell| cell.rows.len() as f64).collect();
        let sums = self.grid.sums(&points, axes.known(), |_| 1.0);
        let all: f64 = points.iter().sum();
        let (mut interpolated, mut computed) = (0.0, 0.0);
        for ((cell, &left), sum) in self.grid.cells[0].iter().zip(&self.left).zip(sums) {
            let rows = cell.rows.len() as f64;
            if left {
                computed += rows * all;
            } else {
                interpolated += rows * sum;
            }
        }
        let [interpolated, computed] = [interpolated as u64, computed as u64 + (pairs - in_cells)];
        ToleranceReport { skipped: pairs - interpolated - computed, interpolated, computed, bound: self.bound }
    }

    /// The sums over what is interpolated: rows of all components of f, in the order of the cells.
    pub(super) fn interpolated<T: Vectorized>(&self, far: &Far<'_, T>, axes: &mut Axes<'_, '_>) -> Vec<f64> {
        let (dim, components, of_sources) = (far.reads.dim(0), far.reads.block.len(), far.reads.components(1));
        let [targets, sources] = &far.clouds.0;
        let nodes = Nodes::new(self.nodes);
        let each = self.nodes.pow(dim as u32);
        let (kept, mut matrices) = (self.grid.axes(), Vec::new());
        // Cells that are computed are left out.
        let left = self.grid.cells[0].iter().zip(&self.left).filter(|(_, left)| **left);
        let left: FxHashSet<usize> = left.map(|(cell, _)| cell.rows.start).collect();
        let cut: Vec<Grid> = match self.parts {
            1 => vec![],
            parts => self.grid.parts(axes, dim, parts),
        };
        let parts: Vec<&Grid> = if cut.is_empty() { vec![&self.grid] } else { cut.iter().collect() };
        let mut values = vec![0.0; targets.rows() * components];
        let mut gathered: Option<Arrays> = None;
        for c in 0..components {
            let of_kept = axes.matrices(&kept, &nodes, c);
            matrices.resize(axes.known().len(), crate::far::Matrix::zero(self.nodes));
            kept.iter().zip(of_kept).for_each(|(&number, matrix)| matrices[number as usize] = matrix);
            // Where f is linear in numbers, all components have the same weights.
            let number = if of_sources > 1 { c } else { 0 };
            let weights = match gathered.take() {
                Some(weights) if of_sources == 1 => weights,
                _ => {
                    let mut weights = Arrays::zeros(self.nodes, dim, self.grid.cells[1].len());
                    weights.par_iter_mut().zip(&self.grid.cells[1]).for_each(|(to, cell)| {
                        let points = &sources.points[cell.rows.start * dim..cell.rows.end * dim];
                        let linear = &sources.linear[cell.rows.start * of_sources..cell.rows.end * of_sources];
                        if of_sources == 1 {
                            nodes.gather(far.arch, far.of_points(1, cell, points), linear, to);
                        } else {
                            let linear: Vec<f64> = linear[number..].iter().step_by(of_sources).copied().collect();
                            nodes.gather(far.arch, far.of_points(1, cell, points), &linear, to);
                        }
                    });
                    weights
                }
            };
            for grid in &parts {
                let mut fields: Option<Arrays> = None;
                for step in &grid.steps {
                    let from = fields.as_ref().unwrap_or(&weights);
                    fields = Some(from.turned(far.arch, step.len(), |result| step.terms(result), &matrices));
                }
                let Some(fields) = fields else { continue };
                // Rows of targets, in their order, each with its field.
                let mut field_of = vec![u32::MAX; grid.cells[0].len()];
                (0..).zip(&grid.targets).for_each(|(result, &target)| field_of[target as usize] = result);
                let mut rest = &mut values[..];
                let mut at = 0;
                let mut cells = Vec::with_capacity(field_of.len());
                for (cell, &field) in grid.cells[0].iter().zip(&field_of) {
                    let (_, behind) = rest.split_at_mut((cell.rows.start - at) * components);
                    let (own, behind) = behind.split_at_mut(cell.rows.len() * components);
                    (rest, at) = (behind, cell.rows.end);
                    if field != u32::MAX && !left.contains(&cell.rows.start) {
                        cells.push((cell, field, own));
                    }
                }
                cells.into_par_iter().for_each(|(cell, field, to)| {
                    let points = &targets.points[cell.rows.start * dim..cell.rows.end * dim];
                    let linear = &targets.linear[cell.rows.clone()];
                    let mut of_points = vec![0.0; cell.rows.len()];
                    let field = &fields.array(field as usize)[..each];
                    nodes.scatter(far.arch, far.of_points(0, cell, points), field, &mut of_points);
                    for ((to, value), linear) in to[c..].iter_mut().step_by(components).zip(of_points).zip(linear) {
                        *to += linear * value;
                    }
                });
            }
            gathered = Some(weights);
        }
        values
    }
}
