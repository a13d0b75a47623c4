//! Targets and sources in cells.

use rayon::prelude::*;

use super::{Reads, reads::BEYOND};
use crate::{
    cpu::prepare::Work,
    far::{Cell, Cells, Cube},
    formula::Role,
    lanes::Vectorized,
};

/// The points of a side, in cells.
pub(super) struct Cloud {
    pub(super) cells: Cells,
    /// The coordinates of the points in the order of the cells.
    pub(super) points: Vec<f64>,
    /// What f is linear in, in this order, or 1 for each point.
    pub(super) linear: Vec<f64>,
    /// The rows in the order of the cells, and behind them those with a number that is NaN or infinite, or nearly so, which are in no cell.
    pub(super) order: Vec<u32>,
    /// For each cell, the sum of the sizes of `linear` of its points.
    pub(super) sizes: Vec<f64>,
}

impl Cloud {
    pub(super) fn rows(&self) -> usize {
        self.cells.order().len()
    }
}

/// Both sides.
pub(super) struct Clouds(pub(super) [Cloud; 2]);

/// The most points of a cell that is not cut.
const LEAF: usize = 256;

/// How many rows a thread takes at a time, at least.
const FEW: usize = 4096;

impl Clouds {
    pub(super) fn new<T: Vectorized>(work: &Work<'_, T>, reads: &Reads) -> Option<Self> {
        let sides = [(0, Role::Target, work.shape.targets), (1, Role::Source, work.shape.sources)];
        let read = sides.map(|(side, role, count)| {
            let rows: Vec<u32> = (0..count as u32).collect();
            let (all, width) = (work.points(role, &rows), reads.widths[side]);
            let of = |components: &[usize]| -> Vec<f64> {
                let mut numbers = vec![0.0; count * components.len()];
                let to = numbers.par_chunks_mut(components.len()).with_min_len(FEW);
                to.zip(all.par_chunks(width)).for_each(|(to, row)| {
                    to.iter_mut().zip(components).for_each(|(to, &c)| *to = row[c].as_f64());
                });
                numbers
            };
            let points = of(&reads.positions[side]);
            let mut linear = match &reads.linear[side] {
                Some((_, range)) => of(&range.clone().collect::<Vec<_>>()),
                None => vec![1.0; count],
            };
            let (dim, components) = (reads.dim(side), reads.components(side));
            for (numbers, factor) in linear.chunks_exact_mut(components).zip(&reads.factors[side]) {
                numbers.iter_mut().for_each(|number| *number *= factor);
            }
            let exponents = if side == 0 { &reads.exponents[..] } else { &[] };
            let regular = |row: usize| {
                let numbers = points[row * dim..][..dim].iter().chain(&linear[row * components..][..components]);
                let numbers = numbers.chain(exponents.get(row));
                numbers.fold(0.0, |sum, x| sum + x.abs()) < BEYOND
            };
            let (regular, irregular): (Vec<u32>, Vec<u32>) =
                if (0..count).into_par_iter().with_min_len(FEW).all(regular) {
                    (rows, Vec::new())
                } else {
                    rows.into_iter().partition(|&row| regular(row as usize))
                };
            (points, linear, regular, irregular)
        });
        let cube = |side: usize| {
            let (points, _, regular, _) = &read[side];
            Cube::around(points, reads.dim(side), regular)
        };
        let mut cubes = [cube(0), cube(1)];
        if reads.differences {
            cubes = [cubes[0].with(cubes[1], reads.dim(0)); 2];
        }
        let [targets, sources] = read;
        let cloud = |side: usize, (points, linear, regular, irregular): (Vec<f64>, Vec<f64>, Vec<u32>, Vec<u32>)| {
            let (dim, components) = (reads.dim(side), reads.components(side));
            let cells = Cells::new(&points, dim, &regular, cubes[side], LEAF);
            let in_order = |from: &[f64], width: usize| -> Vec<f64> {
                let mut numbers = vec![0.0; cells.order().len() * width];
                let to = numbers.par_chunks_mut(width).with_min_len(FEW);
                to.zip(cells.order()).for_each(|(to, &row)| to.copy_from_slice(&from[row as usize * width..][..width]));
                numbers
            };
            let (points, linear) = (in_order(&points, dim), in_order(&linear, components));
            // Each from its own points: a difference of sums of all points would not keep the digits of small ones.
            let mut sizes = vec![0.0; cells.cells().len()];
            for (number, cell) in cells.cells().iter().enumerate().rev() {
                let of_point = |numbers: &[f64]| numbers.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
                sizes[number] = if cell.is_leaf() {
                    let rows = cell.rows.start * components..cell.rows.end * components;
                    linear[rows].chunks_exact(components).map(of_point).sum()
                } else {
                    sizes[cell.parts.clone()].iter().sum()
                };
            }
            let order = [cells.order(), &irregular].concat();
            Cloud { cells, points, linear, order, sizes }
        };
        let (targets, sources) = rayon::join(|| cloud(0, targets), || cloud(1, sources));
        (targets.rows() > 0 && sources.rows() > 0).then_some(Self([targets, sources]))
    }

    pub(super) fn cells(&self, side: usize) -> &[Cell] {
        self.0[side].cells.cells()
    }
}
