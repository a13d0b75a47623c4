//! Targets and sources in cells.

use super::Reads;
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
    /// The rows in the order of the cells, and behind them those with a coordinate that is NaN or infinite, which are in no cell.
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

impl Clouds {
    pub(super) fn new<T: Vectorized>(work: &Work<'_, T>, reads: &Reads) -> Option<Self> {
        let sides = [(0, Role::Target, work.shape.targets), (1, Role::Source, work.shape.sources)];
        let read = sides.map(|(side, role, count)| {
            let rows: Vec<u32> = (0..count as u32).collect();
            let (all, width) = (work.points(role, &rows), reads.widths[side]);
            let of = |components: &[usize]| -> Vec<f64> {
                let rows = all.chunks_exact(width);
                rows.flat_map(|row| components.iter().map(|&c| row[c].as_f64())).collect()
            };
            let points = of(&reads.positions[side]);
            let linear = match &reads.linear[side] {
                Some((_, range)) => of(&range.clone().collect::<Vec<_>>()),
                None => vec![1.0; count],
            };
            let (dim, components) = (reads.dim(side), reads.components(side));
            let regular = |row: &u32| {
                let row = *row as usize;
                let numbers = points[row * dim..][..dim].iter().chain(&linear[row * components..][..components]);
                numbers.fold(0.0, |sum, x| sum + x.abs()).is_finite()
            };
            let (regular, irregular): (Vec<u32>, Vec<u32>) = rows.into_iter().partition(regular);
            (points, linear, regular, irregular)
        });
        let cube = |side: usize| {
            let (points, _, regular, _) = &read[side];
            let dim = reads.dim(side);
            let points = regular.iter().flat_map(|&row| &points[row as usize * dim..][..dim]).copied();
            Cube::around(&points.collect::<Vec<_>>(), dim)
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
                cells.order().iter().flat_map(|&row| &from[row as usize * width..][..width]).copied().collect()
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
