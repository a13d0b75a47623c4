//! A plan carried out: sums over nodes, and over pairs.

use pulp::Arch;
use rayon::prelude::*;

use super::{FarFormula, Reads, clouds::Clouds, plan::Plan};
use crate::{
    cpu::{Cpu, output::Totals, over_targets, prepare::Work},
    data::{Error, Ranges, View},
    far::{AXES, Cell, Nodes, OfCell},
    formula::Role,
    lanes::Vectorized,
    problem::{Engine, HostPiece, Outputs, Pairs, Piece, Place, Problem, Pruning, Shape},
    reduction::Total,
};

/// A batch whose plan is carried out.
pub(super) struct Far<'a, T: Vectorized> {
    pub(super) arch: Arch,
    pub(super) work: &'a Work<'a, T>,
    pub(super) formula: &'a FarFormula,
    pub(super) reads: &'a Reads,
    pub(super) clouds: &'a Clouds,
}

/// For each cell, whether it or a cell in it is one of these.
fn has(cells: &[Cell], these: impl Iterator<Item = u32>) -> [Vec<bool>; 2] {
    let mut own = vec![false; cells.len()];
    these.for_each(|cell| own[cell as usize] = true);
    let mut all = own.clone();
    for number in (0..cells.len()).rev() {
        all[number] |= cells[number].parts.clone().any(|part| all[part]);
    }
    [own, all]
}

impl<T: Vectorized> Far<'_, T> {
    fn cube(&self, side: usize, cell: &Cell) -> ([f64; AXES], f64) {
        let cells = &self.clouds.0[side].cells;
        (cells.centre(cell), 0.5 * cells.edge(cell.level))
    }

    fn of_points<'p>(&self, side: usize, cell: &Cell, points: &'p [f64]) -> OfCell<'p> {
        let (centre, half) = self.cube(side, cell);
        OfCell { dim: self.reads.dim(side), centre, half, points }
    }

    /// The places of the parts of a cell: in which half of it each is.
    fn part(part: &Cell) -> [usize; AXES] {
        part.at.map(|at| at as usize & 1)
    }

    /// The numbers of points in the cell, of a list with so many for each.
    fn of_cell<'n>(numbers: &'n [f64], cell: &Cell, width: usize) -> &'n [f64] {
        &numbers[cell.rows.start * width..cell.rows.end * width]
    }

    /// The weights of the nodes of these cells of sources, and of those in them that it takes.
    fn weights(&self, nodes: &Nodes, these: impl Iterator<Item = u32>) -> Vec<Vec<f64>> {
        let (cells, cloud) = (self.clouds.cells(1), &self.clouds.0[1]);
        let (dim, components) = (self.reads.dim(1), self.reads.components(1));
        let [own, all] = has(cells, these);
        let by_parts = |number: usize| cells[number].parts.clone().any(|part| all[part]);
        let mut wanted = own;
        for number in 0..cells.len() {
            if wanted[number] && by_parts(number) {
                cells[number].parts.clone().for_each(|part| wanted[part] = true);
            }
        }
        let each = components * nodes.count().pow(dim as u32);
        let mut weights: Vec<Vec<f64>> = vec![Vec::new(); cells.len()];
        // The cells of a level follow each other, and those in them come later.
        let mut end = cells.len();
        while end > 0 {
            let level = cells[end - 1].level;
            let start = cells[..end].partition_point(|cell| cell.level < level);
            let (before, behind) = weights.split_at_mut(end);
            before[start..].par_iter_mut().enumerate().filter(|(number, _)| wanted[start + number]).for_each(
                |(number, to)| {
                    let cell = &cells[start + number];
                    to.resize(each, 0.0);
                    if by_parts(start + number) {
                        for part in cell.parts.clone() {
                            nodes.hand(dim, Self::part(&cells[part]), true, &behind[part - end], to);
                        }
                    } else {
                        let (points, linear) =
                            (Self::of_cell(&cloud.points, cell, dim), Self::of_cell(&cloud.linear, cell, components));
                        nodes.gather(self.arch, self.of_points(1, cell, points), linear, to);
                    }
                },
            );
            end = start;
        }
        weights
    }

    /// The sums over what is interpolated: rows of all components of f, in the order of the cells.
    pub(super) fn interpolated(&self, plan: &Plan) -> Result<Vec<f64>, Error> {
        let [targets, _] = &self.clouds.0;
        let components = self.work.layout.components;
        let mut values = vec![0.0; targets.rows() * components];
        if plan.interpolated.is_empty() {
            return Ok(values);
        }
        let nodes = Nodes::new(plan.nodes);
        let weights = self.weights(&nodes, plan.interpolated.iter().map(|pair| pair[1]));
        let fields = self.fields(plan, &nodes, &weights)?;
        self.values(&nodes, fields, &mut values);
        Ok(values)
    }

    /// For each cell of targets that interpolates, the values at its nodes: arrays for each component of f, for each component of what f is
    /// linear in.
    fn fields(&self, plan: &Plan, nodes: &Nodes, weights: &[Vec<f64>]) -> Result<Vec<Vec<f64>>, Error> {
        let variables = (self.formula.layout)().signature.variables;
        let components = self.work.layout.components;
        let of_target = self.reads.components(0);
        let each = [0, 1].map(|side| nodes.count().pow(self.reads.dim(side) as u32));
        // the cells that have nodes, and their places among these
        let numbered = |side: usize| {
            let mut these: Vec<u32> = plan.interpolated.iter().map(|pair| pair[side]).collect();
            these.sort_unstable();
            these.dedup();
            let mut places = vec![u32::MAX; self.clouds.cells(side).len()];
            (0..).zip(&these).for_each(|(place, &cell)| places[cell as usize] = place);
            (these, places)
        };
        let (targets, places_of_targets) = numbered(0);
        let (sources, places_of_sources) = numbered(1);
        // One row for each node of a target, and unit vector.
        let mut rows: [Vec<f64>; 2] = [Vec::new(), Vec::new()];
        for &cell in &targets {
            let (centre, half) = self.cube(0, &self.clouds.cells(0)[cell as usize]);
            for unit in 0..of_target {
                for node in nodes.of_cell(self.reads.dim(0), centre, half) {
                    self.row(0, &node, |k| if k == unit { 1.0 } else { 0.0 }, &mut rows[0]);
                }
            }
        }
        let of_source = self.reads.components(1);
        let mut alone = Vec::new();
        for &cell in &sources {
            let (centre, half) = self.cube(1, &self.clouds.cells(1)[cell as usize]);
            let weights = &weights[cell as usize];
            for (number, node) in nodes.of_cell(self.reads.dim(1), centre, half).enumerate() {
                self.row(1, &node, |k| weights[k * each[1] + number], &mut rows[1]);
                alone.push(if self.reads.linear[1].is_some() { 1.0 } else { weights[number] });
            }
        }
        debug_assert!(of_source > 0, "a weight is a component");
        let parameters: Vec<f64> = self.work.points(Role::Parameter, &[0]).iter().map(|x| x.as_f64()).collect();
        let mut at = [0; 3];
        let views: Vec<View<'_, f64>> = variables[..variables.len() - 1]
            .iter()
            .map(|variable| {
                let (slot, numbers) = match variable.role {
                    Role::Parameter => (2, &parameters),
                    Role::Target => (0, &rows[0]),
                    Role::Source => (1, &rows[1]),
                };
                let from = at[slot];
                at[slot] += variable.dim;
                if variable.role == Role::Parameter {
                    return View::from_owned(numbers[from..from + variable.dim].to_vec(), variable.dim)
                        .into_parameters();
                }
                let width = self.reads.widths[slot];
                let column = numbers.chunks_exact(width).flat_map(|row| &row[from..from + variable.dim]).copied();
                View::from_owned(column.collect(), variable.dim)
            })
            .chain([View::from_owned(alone, 1)])
            .collect();
        let step = [each[0] * of_target, each[1]];
        let block = |place: u32, side: usize| place as usize * step[side]..(place as usize + 1) * step[side];
        let ranges = Ranges::new(
            plan.interpolated
                .iter()
                .map(|&[a, b]| (block(places_of_targets[a as usize], 0), block(places_of_sources[b as usize], 1))),
        )?;
        let layout = (self.formula.layout)();
        let pairs = Pairs { pattern: Some(ranges.by_i()), watch: None, pruning: Pruning::Never };
        let problem = Problem::new(layout.signature, &views, pairs)?;
        let mut out = vec![0.0; targets.len() * step[0] * components];
        let mut pieces = [Piece::rows(components, &mut out[..])];
        let mut outputs = Outputs::new(&problem, &mut pieces, None)?;
        Cpu { arch: self.arch, kernel: self.formula.kernel, layout, approximation: None }
            .reduce(&problem, &mut outputs)?;
        let mut fields = vec![Vec::new(); self.clouds.cells(0).len()];
        for (&cell, rows) in targets.iter().zip(out.chunks_exact(step[0] * components)) {
            // rows of components become arrays
            let units = rows.chunks_exact(each[0] * components);
            let arrays = units.flat_map(|unit| (0..components).flat_map(|c| unit[c..].iter().step_by(components)));
            fields[cell as usize] = arrays.copied().collect();
        }
        Ok(fields)
    }

    /// Adds a row of all variables of a side: a position, and what f is linear in.
    fn row(&self, side: usize, position: &[f64], linear: impl Fn(usize) -> f64, to: &mut Vec<f64>) {
        let first = to.len();
        to.resize(first + self.reads.widths[side], 0.0);
        let row = &mut to[first..];
        self.reads.positions[side].iter().zip(position).for_each(|(&component, &x)| row[component] = x);
        if let Some((_, range)) = &self.reads.linear[side] {
            range.clone().enumerate().for_each(|(k, component)| row[component] = linear(k));
        }
    }

    /// Adds the values for targets from those at the nodes of their cells.
    fn values(&self, nodes: &Nodes, mut fields: Vec<Vec<f64>>, values: &mut [f64]) {
        let (cells, cloud) = (self.clouds.cells(0), &self.clouds.0[0]);
        let (dim, of_target, components) = (self.reads.dim(0), self.reads.components(0), self.work.layout.components);
        let each = nodes.count().pow(dim as u32);
        let own = (0..).zip(&fields).filter(|(_, field)| !field.is_empty()).map(|(number, _)| number);
        let [_, all] = has(cells, own);
        let mut leaves = Vec::new();
        for number in 0..cells.len() {
            let field = core::mem::take(&mut fields[number]);
            if field.is_empty() {
                continue;
            }
            if cells[number].parts.clone().any(|part| all[part]) {
                let parts = cells[number].parts.clone();
                fields[parts.clone()].par_iter_mut().enumerate().for_each(|(k, to)| {
                    to.resize(field.len(), 0.0);
                    for (from, to) in field.chunks_exact(each).zip(to.chunks_exact_mut(each)) {
                        nodes.hand(dim, Self::part(&cells[parts.start + k]), false, from, to);
                    }
                });
            } else {
                leaves.push((number, field));
            }
        }
        leaves.sort_unstable_by_key(|(number, _)| cells[*number].rows.start);
        let mut rest = values;
        let mut at = 0;
        let mut parts = Vec::new();
        for (number, field) in leaves {
            let rows = cells[number].rows.clone();
            let (_, behind) = rest.split_at_mut((rows.start - at) * components);
            let (own, behind) = behind.split_at_mut(rows.len() * components);
            (rest, at) = (behind, rows.end);
            parts.push((&cells[number], field, own));
        }
        parts.into_par_iter().for_each(|(cell, field, to)| {
            let points = Self::of_cell(&cloud.points, cell, dim);
            let linear = Self::of_cell(&cloud.linear, cell, of_target);
            let arrays = field.len() / each;
            let mut of_points = vec![0.0; cell.rows.len() * arrays];
            nodes.scatter(self.arch, self.of_points(0, cell, points), &field, &mut of_points);
            let rows = of_points.chunks_exact(arrays).zip(linear.chunks_exact(of_target));
            for (to, (arrays, linear)) in to.chunks_exact_mut(components).zip(rows) {
                for (arrays, linear) in arrays.chunks_exact(components).zip(linear) {
                    to.iter_mut().zip(arrays).for_each(|(to, value)| *to += linear * value);
                }
            }
        });
    }

    /// Adds what is computed pair by pair, and the rows that are in no cell.
    pub(super) fn computed(&self, plan: &Plan, values: &mut Vec<f64>) -> Result<(), Error> {
        let [targets, sources] = &self.clouds.0;
        let components = self.work.layout.components;
        values.resize(targets.order.len() * components, 0.0);
        let near = plan.computed.iter().map(|pair| {
            let [a, b] = [0, 1].map(|side| self.clouds.cells(side)[pair[side] as usize].rows.clone());
            (a, b)
        });
        let [all_targets, all_sources] = [targets, sources].map(|cloud| cloud.order.len());
        let irregular = [(0..all_targets, sources.rows()..all_sources), (targets.rows()..all_targets, 0..all_sources)];
        let blocks = near.chain(irregular).filter(|(a, b)| !a.is_empty() && !b.is_empty());
        let ranges = Ranges::new(blocks.collect::<Vec<_>>())?;
        if ranges.pairs() == 0 {
            return Ok(());
        }
        let rows = [(Role::Target, targets), (Role::Source, sources)]
            .map(|(role, cloud)| self.work.reordered(role, &cloud.order, None));
        let shape = Shape { targets: all_targets, sources: all_sources, ..self.work.shape };
        let sorted = self.work.with_rows(&rows[0], &rows[1], shape, ([&targets.order, &sources.order], true, false));
        let mut near = vec![T::zero(); all_targets * components];
        let mut piece = [HostPiece { width: components, place: Place::Rows, data: &mut near }];
        over_targets::run(self.arch, &sorted, Some(ranges.by_i()), &mut piece, &mut []);
        values.iter_mut().zip(&near).for_each(|(value, near)| *value += near.as_f64());
        Ok(())
    }

    /// Writes the values to the outputs.
    pub(super) fn write(&self, values: &[f64], pieces: &mut [HostPiece<'_, T>]) -> Totals {
        let order = &self.clouds.0[0].order;
        let width = self.work.layout.components;
        let (mut totals, mut sums) = (Totals::new(pieces), Vec::new());
        let mut at = 0;
        for piece in pieces {
            let rows =
                order.iter().zip(values.chunks_exact(width)).map(|(&row, values)| (row, &values[at..at + piece.width]));
            if piece.place == Place::Rows {
                for (row, values) in rows {
                    let to = &mut piece.data[row as usize * piece.width..][..piece.width];
                    to.iter_mut().zip(values).for_each(|(to, &value)| *to = T::of_f64(value));
                }
            } else {
                let mut sum = vec![Total::default(); piece.width];
                rows.for_each(|(_, values)| sum.iter_mut().zip(values).for_each(|(sum, &value)| sum.add(value)));
                sums.extend(sum);
            }
            at += piece.width;
        }
        totals.add(&sums);
        totals
    }
}
