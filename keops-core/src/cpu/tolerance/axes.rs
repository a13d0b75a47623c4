//! What is known of an f that is a product of functions of one axis each.
//!
//! f(x, y) = f(r) Π_a φ_a(x_a, y_a), where φ_a is f over f(r) at the reference r, but for axis a. What is known of a pair of cells is the
//! product of what is known of its axes, and these are few: of n cells along an axis, 2 n - 1 offsets, where differences are read.

use rustc_hash::FxHashMap;

use super::{
    Reads,
    certificates::{ORDER, SAFETY},
    clouds::Clouds,
    evaluation::{Evaluation, of_half, one_after_another},
};
use crate::far::{AXES, Matrix, Nodes};

/// The functions φ of the components that share a reference, on an axis of a pair of cells.
pub(super) struct Known {
    pub(super) most: f64,
    pub(super) least: f64,
    /// The errors of interpolations by p nodes, number p - 1, and how many pieces they were made of; made when they are needed.
    errors: Option<(usize, [f64; ORDER])>,
}

impl Known {
    /// The error of an interpolation, which was made.
    pub(super) fn error(&self, nodes: usize) -> f64 {
        self.errors.as_ref().map_or(f64::INFINITY, |(_, errors)| errors[nodes - 1])
    }
}

/// An axis of pairs of cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    axis: usize,
    level: u32,
    /// The place of the target's cell along the axis, or what it is more than that of the source's.
    target: i64,
    /// The place of the source's cell, if it matters.
    source: Option<u32>,
}

/// An axis of pairs of cells, and what is known of it for each group.
pub(super) struct Axis {
    pub(super) axis: usize,
    level: u32,
    /// The places along the axis of a target's cell and a source's: of some pair.
    at: [u32; 2],
    pub(super) groups: Vec<Known>,
}

impl Axis {
    pub(super) fn level(&self) -> u32 {
        self.level
    }
}

/// Components of f with the same reference.
struct Group {
    components: Vec<usize>,
    /// The coordinates of the reference: of a target, and of a source.
    reference: [[f64; AXES]; 2],
    /// f there, of each component.
    values: Vec<f64>,
    /// The largest |f| there.
    scale: f64,
}

/// What is known of all axes.
pub(super) struct Axes<'e, 'a> {
    evaluation: &'e mut Evaluation<'a>,
    reads: &'a Reads,
    clouds: &'a Clouds,
    dim: usize,
    groups: Vec<Group>,
    known: Vec<Axis>,
    numbers: FxHashMap<Key, u32>,
}

/// Where |f| is less than that at the reference times this, products of functions might be too small for a number.
pub(super) const LEAST: f64 = 1e-200;

impl<'e, 'a> Axes<'e, 'a> {
    /// None if there is no reference: no place was found where a component is not 0.
    pub(super) fn new(
        evaluation: &'e mut Evaluation<'a>,
        reads: &'a Reads,
        clouds: &'a Clouds,
        components: usize,
    ) -> Option<Self> {
        /// How many places are tried along a cube, and how many differences of either sign.
        const PLACES: usize = 9;
        const NEAR: usize = 30;
        /// How many of all places are tried before.
        const STARTS: usize = 24;
        let dim = reads.dim(0);
        evaluation.linear_ones();
        let candidate = |axis: usize, number: usize| {
            let [(x, half_x), (y, half_y)] = [0, 1].map(|side| {
                let cells = &clouds.0[side].cells;
                (cells.middle(0, axis, 0), 0.5 * cells.edge(0))
            });
            if number < PLACES * PLACES {
                let part = |k: usize| (2.0 * k as f64 - (PLACES - 1) as f64) / PLACES as f64;
                // No two are the same.
                [x + half_x * part(number / PLACES), y + half_y * (part(number % PLACES) + 0.03)]
            } else {
                let near = number - PLACES * PLACES;
                let sign = if near.is_multiple_of(2) { 1.0 } else { -1.0 };
                [y + sign * 0.5_f64.powi((near / 2) as i32) * (half_x + half_y), y]
            }
        };
        let all = PLACES * PLACES + 2 * NEAR;
        let mut values_at = |reference: &[[f64; AXES]; 2]| {
            (0..2).for_each(|side| {
                (0..dim).for_each(|axis| {
                    evaluation.set_axis(side, axis, reference[side][axis], reference[side][axis]);
                })
            });
            evaluation.values_here()
        };
        let with = |mut reference: [[f64; AXES]; 2], axis: usize, number: usize| {
            let places = candidate(axis, number);
            (0..2).for_each(|side| reference[side][axis] = places[side]);
            reference
        };
        let starts: Vec<_> = (0..STARTS + 2 * NEAR)
            .map(|start| {
                // far ones in some order, and near ones one after another
                let number = |axis: usize| match start.checked_sub(STARTS) {
                    None => start * (17 + 14 * axis) % (PLACES * PLACES),
                    Some(near) => PLACES * PLACES + (near + axis) % (2 * NEAR),
                };
                let reference = (0..dim).fold([[0.0; AXES]; 2], |reference, axis| with(reference, axis, number(axis)));
                (reference, values_at(&reference))
            })
            .collect();
        let mut groups: Vec<Group> = Vec::new();
        for component in 0..components {
            let size = |values: &[f64]| if values[component].is_finite() { values[component].abs() } else { 0.0 };
            let best = starts.iter().max_by(|a, b| size(&a.1).total_cmp(&size(&b.1)));
            let (mut reference, mut values) = best?.clone();
            let enough = 0.5 * size(&values).max(2.0 * LEAST);
            if let Some(group) = groups.iter_mut().find(|group| size(&group.values) >= enough) {
                group.components.push(component);
                continue;
            }
            for axis in 0..dim {
                for number in 0..all {
                    let other = with(reference, axis, number);
                    let of_other = values_at(&other);
                    if size(&of_other) > size(&values) {
                        (reference, values) = (other, of_other);
                    }
                }
            }
            if size(&values) < LEAST {
                return None;
            }
            groups.push(Group { components: vec![component], reference, values, scale: 0.0 });
        }
        for group in &mut groups {
            group.scale = group.components.iter().fold(0.0, |most, &c| group.values[c].abs().max(most));
        }
        Some(Self { evaluation, reads, clouds, dim, groups, known: Vec::new(), numbers: FxHashMap::default() })
    }

    /// For each group, the largest |f| at its reference.
    pub(super) fn scales(&self) -> Vec<f64> {
        self.groups.iter().map(|group| group.scale).collect()
    }

    pub(super) fn known(&self) -> &[Axis] {
        &self.known
    }

    /// The number of an axis of pairs of cells of a level, at these places along it; its errors may not be known.
    pub(super) fn number(&mut self, level: u32, axis: usize, [target, source]: [u32; 2]) -> u32 {
        let key = if self.reads.differences {
            Key { axis, level, target: i64::from(target) - i64::from(source), source: None }
        } else {
            Key { axis, level, target: i64::from(target), source: Some(source) }
        };
        if let Some(&number) = self.numbers.get(&key) {
            return number;
        }
        let at = [target, source];
        let groups = (0..self.groups.len()).map(|group| {
            self.place(group, (level, axis, at));
            let group = &self.groups[group];
            let sizes: Vec<[f64; 2]> = self.evaluation.sizes_here().collect();
            let (mut most, mut least) = (0.0_f64, f64::INFINITY);
            for &c in &group.components {
                most = most.max(sizes[c][0] / group.values[c].abs());
                least = least.min(sizes[c][1] / group.scale);
            }
            // The values at the reference are rounded.
            Known { most: most * (1.0 + 1e-12), least: least * (1.0 - 1e-12), errors: None }
        });
        let groups = groups.collect();
        self.known.push(Axis { axis, level, at, groups });
        let number = self.known.len() as u32 - 1;
        self.numbers.insert(key, number);
        number
    }

    /// Makes errors, from this many pieces of boxes if they are bounds, unless they were made.
    pub(super) fn look(&mut self, number: u32, pieces: usize, certain: bool) {
        let Axis { axis, level, at, .. } = self.known[number as usize];
        for group in 0..self.groups.len() {
            let known = &self.known[number as usize].groups[group];
            if known.errors.as_ref().is_some_and(|&(made, _)| made >= pieces) {
                continue;
            }
            self.place(group, (level, axis, at));
            let reaches = [0, 1].map(|side| self.clouds.0[side].cells.reach(level));
            let errors =
                if certain { self.bounded(group, reaches, axis, pieces) } else { self.estimated(group, reaches, axis) };
            self.known[number as usize].groups[group].errors = Some((pieces, errors));
        }
    }

    /// Sets the reference of a group, but for an axis, which gets the box of pairs of cells at these places.
    fn place(&mut self, group: usize, (level, axis, at): (u32, usize, [u32; 2])) {
        self.groups[group].refer(self.evaluation, self.dim);
        let cells = [0, 1].map(|side| &self.clouds.0[side].cells);
        let reaches = cells.map(|cells| cells.reach(level));
        for side in 0..2 {
            let middle = cells[side].middle(level, axis, at[side]);
            let reach = match (self.reads.differences, side) {
                (false, _) => reaches[side],
                (true, 0) => reaches[0] + reaches[1],
                (true, _) => 0.0,
            };
            let reach = if reach == 0.0 { 0.0 } else { reach + middle.abs() * 1e-14 };
            self.evaluation.set_axis(side, axis, middle - reach, middle + reach);
        }
    }

    /// Bounds of the errors on the box that is set.
    fn bounded(&mut self, group: usize, reaches: [f64; 2], axis: usize, pieces: usize) -> [f64; ORDER] {
        let reads = self.reads;
        let mut each: Vec<[f64; ORDER]> = Vec::new();
        for side in 0..if reads.differences { 1 } else { 2 } {
            let coefficients = self.evaluation.coefficients_along(side, reads.positions[side][axis], pieces);
            each.push(of_half(&coefficients, reaches[side]));
            // Of a difference, the derivatives by a source are those by a target, but for the sign.
            if reads.differences {
                each.push(of_half(&coefficients, reaches[1]));
            }
        }
        let group = &self.groups[group];
        let least = group.components.iter().fold(f64::INFINITY, |least, &c| group.values[c].abs().min(least));
        core::array::from_fn(|number| {
            let mut of_nodes: Vec<f64> = each.iter().map(|errors| errors[number] / least).collect();
            one_after_another(&mut of_nodes, number)
        })
    }

    /// Estimates of the errors, from the coefficients on lines through the box that is set: its middle and its ends.
    fn estimated(&mut self, group: usize, reaches: [f64; 2], axis: usize) -> [f64; ORDER] {
        let reads = self.reads;
        let components = [0, 1].map(|side| reads.positions[side][axis]);
        let boxes = [0, 1].map(|side| self.evaluation.rows[side][components[side]]);
        let middles = boxes.map(|of_box| 0.5 * (of_box.lo() + of_box.hi()));
        let mut sums = [0.0; ORDER];
        // Of differences, the box is one of targets, and both sides have cells of the same size.
        let sides = if reads.differences { 1 } else { 2 };
        for side in 0..sides {
            let mut most = [0.0_f64; ORDER];
            for end in [0.0, -1.0, 1.0] {
                let off = reaches[1 - side] * end;
                let line = if reads.differences {
                    self.evaluation.line(0, components[0], middles[0] + off, reaches[side])
                } else {
                    let other = middles[1 - side] + off;
                    self.evaluation.set(1 - side, components[1 - side], other, other);
                    self.evaluation.line(side, components[side], middles[side], reaches[side])
                };
                let group = &self.groups[group];
                for &c in &group.components {
                    let tails = self.evaluation.tails(&line, c);
                    let scale = 1.0 / group.values[c].abs();
                    most.iter_mut().zip(tails).for_each(|(most, tail)| *most = most.max(scale * tail));
                }
            }
            let times = 2.0 / sides as f64 * SAFETY;
            sums.iter_mut().zip(most).for_each(|(sum, most)| *sum += times * most);
        }
        sums
    }

    /// The matrices of these axes, one for each number: from weights of the nodes of sources to values at those of targets, for a
    /// component of f. Those of the first axis have f at the reference as a factor.
    pub(super) fn matrices(&mut self, numbers: &[u32], nodes: &Nodes, component: usize) -> Vec<Matrix> {
        let Some(group) = self.groups.iter().find(|group| group.components.contains(&component)) else { return vec![] };
        let mut matrices = Vec::new();
        group.refer(self.evaluation, self.dim);
        for &number in numbers {
            let Axis { axis, level, at, .. } = self.known[number as usize];
            let places = [0, 1].map(|side| {
                let cells = &self.clouds.0[side].cells;
                let (middle, half) = (cells.middle(level, axis, at[side]), 0.5 * cells.edge(level));
                nodes.points().iter().map(|node| middle + half * node).collect::<Vec<_>>()
            });
            let scale = if axis == 0 { 1.0 } else { 1.0 / group.values[component] };
            let mut matrix = Matrix::zero(nodes.count());
            for (from, &source) in places[1].iter().enumerate() {
                self.evaluation.set_axis(1, axis, source, source);
                for (to, &target) in places[0].iter().enumerate() {
                    self.evaluation.set_axis(0, axis, target, target);
                    matrix.set(to, from, scale * self.evaluation.values_here()[component]);
                }
            }
            for side in 0..2 {
                let x = group.reference[side][axis];
                self.evaluation.set_axis(side, axis, x, x);
            }
            matrices.push(matrix);
        }
        matrices
    }
}

impl Group {
    /// Sets the reference.
    fn refer(&self, evaluation: &mut Evaluation<'_>, dim: usize) {
        evaluation.linear_ones();
        for side in 0..2 {
            for axis in 0..dim {
                let x = self.reference[side][axis];
                evaluation.set_axis(side, axis, x, x);
            }
        }
    }
}
