//! The inputs of a workload, and its results by plain loops in f64.

use super::workload::{BATCHES, Element, Family, Kind, NEIGHBOURS, Variable, Workload};
use anyhow::{Context, Result, ensure};
use serde::Serialize;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The most rows of each part of a result that are compared with plain loops.
pub(super) const CHECKED_ROWS: usize = 50;
/// The approximate number of multiplications of the plain loops of a part. Where rows are long, few rows are compared.
const CHECKED_WORK: usize = 300_000_000;

/// Rows of equal length.
struct Array {
    values: Vec<f64>,
    dim: usize,
}

impl Array {
    fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.dim..][..self.dim]
    }

    fn len(&self) -> usize {
        self.values.len() / self.dim
    }

    /// Moves rows of numbers from 0 to 1 to where the points of a family are.
    fn place(&mut self, family: Family, single: bool) {
        for row in self.values.chunks_exact_mut(self.dim) {
            match family {
                // Four of them say where a point is on a curved surface, which it is close to.
                Family::NeighboursManifold => {
                    let t: [f64; 4] = std::array::from_fn(|k| row[k]);
                    for (d, x) in row.iter_mut().enumerate() {
                        let along: f64 = (0..4).map(|k| ((3 * k + 2 * d) as f64).cos() * t[k]).sum();
                        *x = along + 0.3 * (2.0 * t[d % 4]).sin() + 0.02 * (*x - 0.5);
                    }
                }
                // Latitudes and longitudes of points that are spread evenly.
                Family::NeighboursHaversine => {
                    row[0] = (2.0 * row[0] - 1.0).asin();
                    row[1] = std::f64::consts::TAU * (row[1] - 0.5);
                }
                _ => return,
            }
            if single {
                row.iter_mut().for_each(|x| *x = f64::from(*x as f32));
            }
        }
    }
}

/// The arrays of a workload, as numbers of its element type, in the order of its variables.
pub(super) struct Inputs(Vec<Array>);

/// An array in a file: numbers of the element type, row after row, little-endian.
#[derive(Serialize)]
pub(super) struct File {
    path: PathBuf,
    rows: usize,
    dim: usize,
}

/// A row of a result by plain loops.
pub(super) struct Expected {
    /// The place of the row in the result.
    start: usize,
    /// The number of the row in its part.
    row: usize,
    /// The value of each component, and the size that errors are relative to.
    components: Vec<(f64, f64)>,
}

impl Inputs {
    /// Random arrays, which are the same in every run.
    pub(super) fn random(workload: &Workload) -> Self {
        let mut random = fastrand::Rng::with_seed(1);
        let single = workload.element == Element::Float32;
        let array = |variable: Variable| {
            let mut value = || match variable.kind {
                Kind::Pm(value) if single => f64::from(value as f32),
                Kind::Pm(value) => value,
                Kind::Vi | Kind::Vj if single => f64::from(random.f32()),
                Kind::Vi | Kind::Vj => random.f64(),
            };
            let count = workload.rows_of(variable.kind) * variable.dim;
            Array { values: (0..count).map(|_| value()).collect(), dim: variable.dim }
        };
        let mut inputs = Inputs(workload.variables().into_iter().map(array).collect());
        inputs.0.iter_mut().for_each(|array| array.place(workload.family, single));
        inputs
    }

    /// Writes a file for each array. The files of the next workload replace them.
    pub(super) fn write(&self, element: Element, folder: &Path) -> Result<Vec<File>> {
        let write = |(number, array): (usize, &Array)| {
            let path = folder.join(format!("input-{number}.bin"));
            let bytes: Vec<u8> = match element {
                Element::Float32 => array.values.iter().flat_map(|&value| (value as f32).to_le_bytes()).collect(),
                Element::Float64 => array.values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            };
            fs::write(&path, bytes).with_context(|| format!("{} cannot be written", path.display()))?;
            Ok(File { path, rows: array.len(), dim: array.dim })
        };
        self.0.iter().enumerate().map(write).collect()
    }

    /// Some rows of each part of the result.
    pub(super) fn expected(&self, workload: &Workload) -> Vec<Expected> {
        let mut expected = Vec::new();
        let mut start = 0;
        for (part, (rows, width)) in workload.results().into_iter().enumerate() {
            let pairs_of_row = workload.pairs() as usize / rows;
            let sample = (CHECKED_WORK / (pairs_of_row * workload.dim)).clamp(1, CHECKED_ROWS);
            for row in (0..rows).step_by(rows.div_ceil(sample)) {
                let components = self.row(workload.family, part, row);
                expected.push(Expected { start: start + row * width, row, components });
            }
            start += rows * width;
        }
        expected
    }

    /// The largest error of a result, relative to the sizes in [`Expected`].
    pub(super) fn largest_error(&self, workload: &Workload, expected: &[Expected], result: &[f64]) -> Result<f64> {
        let length: usize = workload.results().iter().map(|(rows, width)| rows * width).sum();
        ensure!(result.len() == length, "the result has {} numbers instead of {length}", result.len());
        let mut worst = 0.0_f64;
        for Expected { start, row, components } in expected {
            for (&found, (value, size)) in result[*start..].iter().zip(components) {
                // Neighbours at equal distances may come in any order, so their distances count.
                let found =
                    if workload.family.is_search() { self.distance_to(workload.family, *row, found)? } else { found };
                let error = (found - value).abs() / size;
                worst = if error.is_nan() { f64::NAN } else { worst.max(error) };
            }
        }
        Ok(worst)
    }

    fn distance_to(&self, family: Family, i: usize, j: f64) -> Result<f64> {
        let [x, y] = self.arrays();
        ensure!(j >= 0.0 && j < y.len() as f64, "a neighbour has the number {j}");
        Ok(distance(family, x.row(i), y.row(j as usize)))
    }

    /// A row of a part of the result: each component, and the size that errors are relative to.
    fn row(&self, family: Family, part: usize, row: usize) -> Vec<(f64, f64)> {
        match family {
            Family::Gaussian => self.kernel_product(row, |g, d| (-g * d).exp()),
            Family::GaussianBatches => {
                let [g, x, y, b] = self.arrays();
                let sources = y.len() / BATCHES;
                let first = row / (x.len() / BATCHES) * sources;
                sums(b.dim, sources, |j, terms| {
                    let weight = (-g.row(0)[0] * squared_distance(x.row(row), y.row(first + j))).exp();
                    terms.iter_mut().zip(b.row(first + j)).for_each(|(term, b)| *term = weight * b);
                })
            }
            Family::Laplacian => self.kernel_product(row, |g, d| (-g * d.sqrt()).exp()),
            Family::Matern => self.kernel_product(row, |g, d| (1.0 + g * d.sqrt()) * (-g * d.sqrt()).exp()),
            Family::Cauchy => self.kernel_product(row, |g, d| 1.0 / (1.0 + g * d)),
            Family::GaussianX | Family::GaussianAll => self.gaussian_gradient(part, row),
            Family::SoftMinimum => {
                let [g, x, y] = self.arrays();
                let exponents = (0..y.len()).map(|j| (-g.row(0)[0] * squared_distance(x.row(row), y.row(j))).exp());
                let value = exponents.sum::<f64>().ln();
                vec![(value, value.abs().max(1.0))]
            }
            Family::Attention => {
                let [g, x, y, b] = self.arrays();
                let mut total = 0.0;
                let mut sums = sums(b.dim, y.len(), |j, terms| {
                    let product: f64 = x.row(row).iter().zip(y.row(j)).map(|(x, y)| x * y).sum();
                    let weight = (g.row(0)[0] * product).exp();
                    total += weight;
                    terms.iter_mut().zip(b.row(j)).for_each(|(term, b)| *term = weight * b);
                });
                sums.iter_mut().for_each(|(sum, size)| (*sum, *size) = (*sum / total, *size / total));
                sums
            }
            Family::Neighbours
            | Family::NeighboursManifold
            | Family::NeighboursManhattan
            | Family::NeighboursHaversine
            | Family::NeighboursOneByOne => {
                let [x, y] = self.arrays();
                let mut distances: Vec<f64> = (0..y.len()).map(|j| distance(family, x.row(row), y.row(j))).collect();
                distances.sort_unstable_by(f64::total_cmp);
                distances[..NEIGHBOURS].iter().map(|&distance| (distance, distances[NEIGHBOURS - 1])).collect()
            }
        }
    }

    /// Σ_j kernel(g, |x_i - y_j|²) b_j.
    fn kernel_product(&self, i: usize, kernel: impl Fn(f64, f64) -> f64) -> Vec<(f64, f64)> {
        let [g, x, y, b] = self.arrays();
        sums(b.dim, y.len(), |j, terms| {
            let weight = kernel(g.row(0)[0], squared_distance(x.row(i), y.row(j)));
            terms.iter_mut().zip(b.row(j)).for_each(|(term, b)| *term = weight * b);
        })
    }

    /// A row of the gradient of Σ_i e_i Σ_j exp(-g |x_i - y_j|²) b_j by x, y, b or g.
    fn gaussian_gradient(&self, by: usize, row: usize) -> Vec<(f64, f64)> {
        let [g, x, y, b, e] = self.arrays();
        let g = g.row(0)[0];
        let pair = |i: usize, j: usize| {
            let distance = squared_distance(x.row(i), y.row(j));
            (distance, (-g * distance).exp() * e.row(i)[0])
        };
        let differences = |terms: &mut [f64], weight: f64, from: &[f64], to: &[f64]| {
            terms.iter_mut().zip(from.iter().zip(to)).for_each(|(term, (from, to))| *term = weight * (to - from));
        };
        match by {
            0 => sums(x.dim, y.len(), |j, terms| {
                differences(terms, 2.0 * g * pair(row, j).1 * b.row(j)[0], x.row(row), y.row(j));
            }),
            1 => sums(x.dim, x.len(), |i, terms| {
                differences(terms, 2.0 * g * pair(i, row).1 * b.row(row)[0], y.row(row), x.row(i));
            }),
            2 => sums(1, x.len(), |i, terms| terms[0] = pair(i, row).1),
            _ => sums(1, x.len() * y.len(), |pair_number, terms| {
                let (i, j) = (pair_number / y.len(), pair_number % y.len());
                let (distance, weight) = pair(i, j);
                terms[0] = -distance * weight * b.row(j)[0];
            }),
        }
    }

    /// All arrays, of which there must be `N`.
    fn arrays<const N: usize>(&self) -> [&Array; N] {
        assert_eq!(self.0.len(), N, "a workload has another number of variables than its loop");
        std::array::from_fn(|k| &self.0[k])
    }
}

/// Sums of terms, and of their absolute values.
fn sums(dim: usize, count: usize, mut terms_of: impl FnMut(usize, &mut [f64])) -> Vec<(f64, f64)> {
    let mut sums = vec![(0.0, 0.0); dim];
    let mut terms = vec![0.0; dim];
    for number in 0..count {
        terms_of(number, &mut terms);
        for ((sum, size), term) in sums.iter_mut().zip(&terms) {
            *sum += term;
            *size += term.abs();
        }
    }
    sums
}

fn squared_distance(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| (x - y).powi(2)).sum()
}

/// What a search orders points by.
fn distance(family: Family, x: &[f64], y: &[f64]) -> f64 {
    match family {
        Family::NeighboursManhattan => x.iter().zip(y).map(|(x, y)| (x - y).abs()).sum(),
        Family::NeighboursHaversine => {
            let [latitude, longitude] = [0, 1].map(|c| ((x[c] - y[c]) / 2.0).sin().powi(2));
            latitude + x[0].cos() * y[0].cos() * longitude
        }
        _ => squared_distance(x, y),
    }
}
