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
    /// The smallest cube that has the points in these rows of `dim` coordinates, none of which is NaN or infinite, and a little more.
    #[must_use]
    pub fn around(points: &[f64], dim: usize, rows: &[u32]) -> Self {
        let none = || ([f64::INFINITY; AXES], [f64::NEG_INFINITY; AXES]);
        let with = |(mut low, mut high): ([f64; AXES], [f64; AXES]), &row: &u32| {
            let point = &points[row as usize * dim..][..dim];
            for ((low, high), &x) in low.iter_mut().zip(&mut high).zip(point) {
                *low = low.min(x);
                *high = high.max(x);
            }
            (low, high)
        };
        let joined = |a: ([f64; AXES], [f64; AXES]), b: ([f64; AXES], [f64; AXES])| {
            (core::array::from_fn(|k| a.0[k].min(b.0[k])), core::array::from_fn(|k| a.1[k].max(b.1[k])))
        };
        let (low, high) = rows.par_iter().with_min_len(4096).fold(none, with).reduce(none, joined);
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
        Self::around(&points, dim, &[0, 1, 2, 3])
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
    /// For the point in each place, the bits of its place among the smallest cells, those of all axes in turn.
    keys: Vec<u64>,
    order: Vec<u32>,
}

/// The bits of a number below 2^21, with `dim - 1` zeros between them.
fn spread(bits: u32, dim: usize) -> u64 {
    // Halves of what is together are moved apart, and again the halves of these.
    let steps: &[(u32, u64)] = match dim {
        2 => &[
            (16, 0x0000_ffff_0000_ffff),
            (8, 0x00ff_00ff_00ff_00ff),
            (4, 0x0f0f_0f0f_0f0f_0f0f),
            (2, 0x3333_3333_3333_3333),
            (1, 0x5555_5555_5555_5555),
        ],
        3 => &[
            (32, 0x001f_0000_0000_ffff),
            (16, 0x001f_0000_ff00_00ff),
            (8, 0x100f_00f0_0f00_f00f),
            (4, 0x10c3_0c30_c30c_30c3),
            (2, 0x1249_2492_4924_9249),
        ],
        _ => &[],
    };
    steps.iter().fold(u64::from(bits), |bits, &(by, mask)| (bits | bits << by) & mask)
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
        let (keys, order) = keys.into_iter().unzip();
        Self { dim, cube, cells, keys, order }
    }

    /// The cells of a level that have points, in the order of these, whether or not larger cells were cut.
    #[must_use]
    pub fn of_level(&self, level: u32) -> Vec<Cell> {
        let shift = (DEEPEST - level.min(DEEPEST)) as usize * self.dim;
        let mut cells = Vec::new();
        let mut start = 0;
        while start < self.keys.len() {
            let key = self.keys[start] >> shift;
            let end = start + self.keys[start..].partition_point(|&other| other >> shift <= key);
            let bits = |axis: usize| {
                (0..level).fold(0, |at, bit| at | ((key >> (bit as usize * self.dim + axis)) as u32 & 1) << bit)
            };
            let at = core::array::from_fn(|axis| if axis < self.dim { bits(axis) } else { 0 });
            cells.push(Cell { rows: start..end, level, at, parts: 0..0 });
            start = end;
        }
        cells
    }

    /// The middle of the cells of a level at a place along an axis.
    #[must_use]
    pub fn middle(&self, level: u32, axis: usize, at: u32) -> f64 {
        self.cube.low[axis] + (f64::from(at) + 0.5) * self.edge(level)
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

    /// How far points of a cell of a level may be from its centre along an axis: roundings may place them outside of it.
    #[must_use]
    pub fn reach(&self, level: u32) -> f64 {
        0.5 * self.edge(level) * (1.0 + 1e-6)
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
    fn bits_are_spread() {
        for dim in 1..=AXES {
            for bits in [0, 1, 0x15_5555, 0x1f_ffff, 0x12_3456] {
                let plain = (0..21).fold(0, |all, bit| all | u64::from(bits >> bit & 1) << (bit as usize * dim));
                assert_eq!(spread(bits, dim), plain, "{bits} {dim}");
            }
        }
    }

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
                let rows: Vec<u32> = (0..count as u32).collect();
                let cube = Cube::around(&points, dim, &rows);
                let cells = Cells::new(&points, dim, &rows, cube, 10);
                let mut order = cells.order().to_vec();
                order.sort_unstable();
                assert_eq!(order, rows, "seed {seed}");
                for level in [0, 3] {
                    let of_level = cells.of_level(level);
                    let mut end = 0;
                    for cell in &of_level {
                        assert_eq!((cell.rows.start, cell.level), (end, level), "seed {seed}");
                        end = cell.rows.end;
                        let centre: [f64; AXES] = core::array::from_fn(|axis| cells.middle(level, axis, cell.at[axis]));
                        for place in cell.rows.clone() {
                            let point = &points[cells.order()[place] as usize * dim..][..dim];
                            let off = |(x, centre): (&f64, f64)| (x - centre).abs() / cells.reach(level);
                            assert!(point.iter().zip(centre).map(off).all(|off| off <= 1.0), "seed {seed}: {cell:?}");
                        }
                    }
                    assert_eq!(end, count, "seed {seed}");
                }
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
