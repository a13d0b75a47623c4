//! Points sorted into cubes.

use core::ops::Range;

use rayon::prelude::*;

/// The most coordinates of points.
pub const AXES: usize = 3;

/// How often the root is cut at most.
const DEEPEST: u32 = 20;

/// A cube that has all points of a cloud.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cube {
    low: [f64; AXES],
    edge: f64,
    /// The least edge of cells in it: the roundings of coordinates are small beside it.
    least: f64,
}

impl Cube {
    /// The smallest cube that has these points of `dim` coordinates, none of which is NaN or infinite, and a little more.
    #[must_use]
    pub fn around(points: &[f64], dim: usize) -> Self {
        let (mut low, mut high) = ([f64::INFINITY; AXES], [f64::NEG_INFINITY; AXES]);
        for point in points.chunks_exact(dim.max(1)) {
            for ((low, high), &x) in low.iter_mut().zip(&mut high).zip(point) {
                *low = low.min(x);
                *high = high.max(x);
            }
        }
        let all = low.iter().zip(&high);
        let (mut edge, mut size) = (0.0_f64, 0.0_f64);
        for (low, high) in all.filter(|(low, high)| low <= high) {
            edge = edge.max(high - low);
            size = size.max(low.abs().max(high.abs()));
        }
        // Cubes of equal points have an edge, too, and the last point is in the last cell.
        let least = (size * 1e-8).max(1e-100);
        let edge = (edge * (1.0 + 1e-9)).max(least);
        Self { low: low.map(|low| if low.is_finite() { low } else { 0.0 }), edge, least }
    }

    /// The smallest cube that has both, and a little more.
    #[must_use]
    pub fn with(self, other: Self, dim: usize) -> Self {
        let corners = |cube: Self| [cube.low, cube.low.map(|low| low + cube.edge)];
        let points = [corners(self), corners(other)];
        let points: Vec<f64> = points.as_flattened().iter().flat_map(|point| point[..dim].iter().copied()).collect();
        Self::around(&points, dim)
    }
}

/// A cube of some points.
#[derive(Clone, Debug)]
pub struct Cell {
    /// The places of its points.
    pub rows: Range<usize>,
    /// How often the root was cut.
    pub level: u32,
    /// Its place among the cells of its level, along each axis.
    pub at: [u32; AXES],
    /// The numbers of the cells that it is cut into: those that have points.
    pub parts: Range<usize>,
}

impl Cell {
    /// Whether it is not cut.
    #[must_use]
    pub fn is_leaf(&self) -> bool {
        self.parts.is_empty()
    }
}

/// A cloud of points in cells.
#[derive(Clone, Debug)]
pub struct Cells {
    /// The number of coordinates.
    pub dim: usize,
    cube: Cube,
    cells: Vec<Cell>,
    order: Vec<u32>,
}

/// The bits of a number, with `dim - 1` zeros between them.
fn spread(bits: u32, dim: usize) -> u64 {
    (0..=DEEPEST).fold(0, |all, bit| all | u64::from(bits >> bit & 1) << (bit as usize * dim))
}

impl Cells {
    /// Sorts the points in these rows of `dim` coordinates, all of which are in the cube. A cell of more than `most` points is cut.
    #[must_use]
    pub fn new(points: &[f64], dim: usize, rows: &[u32], cube: Cube, most: usize) -> Self {
        let scale = f64::from(1_u32 << DEEPEST) / cube.edge;
        let key = |row: u32| {
            let point = &points[row as usize * dim..][..dim];
            let place = |axis: usize| {
                let place = (point[axis] - cube.low[axis]) * scale;
                // It is neither negative nor NaN.
                (place as u32).min((1 << DEEPEST) - 1)
            };
            (0..dim).fold(0, |all, axis| all | spread(place(axis), dim) << axis)
        };
        let mut keys: Vec<(u64, u32)> = rows.par_iter().map(|&row| (key(row), row)).collect();
        keys.par_sort_unstable();
        let root = Cell { rows: 0..keys.len(), level: 0, at: [0; AXES], parts: 0..0 };
        let mut cells = vec![root];
        let mut next = 0;
        while next < cells.len() {
            let Cell { rows, level, at, .. } = cells[next].clone();
            let edge = cube.edge / f64::from(1_u32 << level);
            if rows.len() > most && level < DEEPEST && 0.5 * edge >= cube.least {
                let shift = (DEEPEST - 1 - level) as usize * dim;
                let first = cells.len();
                let mut start = rows.start;
                for part in 0..1_u32 << dim {
                    let of_part = |&(key, _): &(u64, u32)| (key >> shift) as u32 & ((1 << dim) - 1) <= part;
                    let end = start + keys[start..rows.end].partition_point(of_part);
                    if end > start {
                        let mut place = at.map(|at| 2 * at);
                        (0..dim).for_each(|axis| place[axis] += part >> axis & 1);
                        cells.push(Cell { rows: start..end, level: level + 1, at: place, parts: 0..0 });
                    }
                    start = end;
                }
                cells[next].parts = first..cells.len();
            }
            next += 1;
        }
        Self { dim, cube, cells, order: keys.into_iter().map(|(_, row)| row).collect() }
    }

    /// The row of the point in each place.
    #[must_use]
    pub fn order(&self) -> &[u32] {
        &self.order
    }

    /// All cells; the first is the root, and each comes before those that it is cut into.
    #[must_use]
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// The edge of the cells of a level.
    #[must_use]
    pub fn edge(&self, level: u32) -> f64 {
        self.cube.edge / f64::from(1_u32 << level)
    }

    /// Half of the edge of a cell.
    #[must_use]
    pub fn half(&self, number: u32) -> f64 {
        0.5 * self.edge(self.cells[number as usize].level)
    }

    /// How far points of a cell may be from its centre along an axis: roundings may place them outside of it.
    #[must_use]
    pub fn reach(&self, number: u32) -> f64 {
        self.half(number) * (1.0 + 1e-6)
    }

    /// The centre of a cell.
    #[must_use]
    pub fn centre(&self, cell: &Cell) -> [f64; AXES] {
        let edge = self.edge(cell.level);
        core::array::from_fn(|axis| self.cube.low[axis] + (f64::from(cell.at[axis]) + 0.5) * edge)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_in_their_cells() {
        let seed = fastrand::u64(..);
        let mut numbers = fastrand::Rng::with_seed(seed);
        for dim in 1..=AXES {
            for count in [0, 1, 5, 3000] {
                let kind = numbers.u8(..3);
                let mut points: Vec<f64> = (0..count * dim).map(|_| numbers.f64() - 0.3).collect();
                match kind {
                    0 => points.iter_mut().for_each(|x| *x = 4.0),
                    1 => points.iter_mut().skip(dim * (count / 2)).for_each(|x| *x *= 1e-4),
                    _ => {}
                }
                let cube = Cube::around(&points, dim);
                let rows: Vec<u32> = (0..count as u32).collect();
                let cells = Cells::new(&points, dim, &rows, cube, 10);
                let mut order = cells.order().to_vec();
                order.sort_unstable();
                assert_eq!(order, rows, "seed {seed}");
                for cell in cells.cells() {
                    let least = cell.level == DEEPEST || cells.edge(cell.level) < 2.0 * cube.least;
                    assert!(cell.rows.len() <= 10 || !cell.is_leaf() || least, "seed {seed}");
                    let (centre, half) = (cells.centre(cell), 0.5 * cells.edge(cell.level));
                    for place in cell.rows.clone() {
                        let point = &points[cells.order()[place] as usize * dim..][..dim];
                        for (x, centre) in point.iter().zip(centre) {
                            let off = (x - centre).abs() / half;
                            assert!(off <= 1.0 + 1e-6, "seed {seed}: {off} of {cell:?}");
                        }
                    }
                    let parts = &cells.cells()[cell.parts.clone()];
                    let mut at = cell.rows.start;
                    for part in parts {
                        assert_eq!((part.rows.start, part.level), (at, cell.level + 1));
                        at = part.rows.end;
                    }
                    assert!(parts.is_empty() || at == cell.rows.end);
                }
            }
        }
    }
}
