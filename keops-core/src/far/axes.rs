//! Sums over nodes along one axis after another.
//!
//! The matrix from the weights of p^D nodes to the values at p^D others that is a product of a p × p matrix for each axis takes
//! D p^(D + 1) multiplications. Each step multiplies the outermost axis of an array and makes it the innermost one:
//!
//! ```text
//! for each axis { to[r, l] = Σ_k from[k, r] matrix[k, l] }
//! ```
//!
//! After D steps the axes are in their order again. The numbers l are a vector, and from[k, r] is a number for all of its lanes.

use pulp::{Arch, NullaryFnOnce};
use rayon::prelude::*;

use super::nodes::MOST;

/// The numbers of a vector, or of several.
const WIDE: usize = 8;

/// How many r are taken together: that many sums do not wait for each other.
const TOGETHER: usize = 4;

/// A matrix of an axis.
#[derive(Clone, Debug)]
pub struct Matrix {
    /// For each node of sources, the numbers of all nodes of targets, and zeros up to a multiple of [`WIDE`].
    rows: Vec<[f64; WIDE]>,
    /// The number of vectors of a row.
    wide: usize,
}

impl Matrix {
    /// All numbers are 0, for `count` nodes.
    #[must_use]
    pub fn zero(count: usize) -> Self {
        let wide = count.div_ceil(WIDE);
        Self { rows: vec![[0.0; WIDE]; count * wide], wide }
    }

    /// Sets the number by which the weight of node `from` is multiplied in the value at node `to`.
    ///
    /// # Panics
    /// If there are fewer nodes.
    pub fn set(&mut self, to: usize, from: usize, value: f64) {
        self.rows[from * self.wide + to / WIDE][to % WIDE] = value;
    }
}

/// The arrays of the numbers at the nodes of cells, one behind another.
#[derive(Clone, Debug)]
pub struct Arrays {
    count: usize,
    dim: usize,
    numbers: Vec<f64>,
}

impl Arrays {
    /// So many arrays of zeros, for `count` nodes along each of `dim` axes.
    #[must_use]
    pub fn zeros(count: usize, dim: usize, arrays: usize) -> Self {
        Self { count, dim, numbers: vec![0.0; arrays * stride(count, dim)] }
    }

    /// The bytes of so many arrays.
    #[must_use]
    pub fn bytes(count: usize, dim: usize, arrays: usize) -> usize {
        arrays.saturating_mul(stride(count, dim) * size_of::<f64>())
    }

    /// The numbers of an array.
    ///
    /// # Panics
    /// If there are fewer arrays.
    #[must_use]
    pub fn array(&self, number: usize) -> &[f64] {
        &self.numbers[number * stride(self.count, self.dim)..][..self.count.pow(self.dim as u32)]
    }

    /// All arrays, to be written.
    pub fn par_iter_mut(&mut self) -> impl IndexedParallelIterator<Item = &mut [f64]> {
        let all = self.count.pow(self.dim as u32);
        self.numbers.par_chunks_mut(stride(self.count, self.dim)).map(move |array| &mut array[..all])
    }

    /// A step: array k of the result is the sum over its terms, of which each is an array and a matrix.
    ///
    /// # Panics
    /// If there are fewer arrays or matrices, or any of another number of nodes.
    #[must_use]
    pub fn turned<'t>(
        &self,
        arch: Arch,
        arrays: usize,
        terms: impl Fn(usize) -> &'t [[u32; 2]] + Sync,
        matrices: &[Matrix],
    ) -> Self {
        let mut turned = Self::zeros(self.count, self.dim, arrays);
        turned.numbers.par_chunks_mut(stride(self.count, self.dim)).enumerate().for_each(|(number, to)| {
            arch.dispatch(Turn { from: self, terms: terms(number), matrices, to });
        });
        turned
    }
}

/// From an array to the next: behind it there is room for what is read and written for r that are not there.
fn stride(count: usize, dim: usize) -> usize {
    count.pow(dim as u32) + TOGETHER * count + MOST.next_multiple_of(WIDE)
}

/// [`Arrays::turned`] for an array, as a function for an instruction set.
struct Turn<'a> {
    from: &'a Arrays,
    terms: &'a [[u32; 2]],
    matrices: &'a [Matrix],
    to: &'a mut [f64],
}

impl NullaryFnOnce for Turn<'_> {
    type Output = ();
    #[inline(always)]
    fn call(self) {
        match self.from.count.div_ceil(WIDE) {
            1 => self.run::<1>(),
            2 => self.run::<2>(),
            _ => self.run::<3>(),
        }
    }
}

const _: () = assert!(MOST <= 3 * WIDE, "a row of a matrix has three vectors at most");

impl Turn<'_> {
    #[inline(always)]
    fn run<const L: usize>(self) {
        let Self { from: &Arrays { count, dim, ref numbers }, terms, matrices, to } = self;
        let rest = count.pow(dim as u32 - 1);
        for &[array, matrix] in terms {
            let from = &numbers[array as usize * stride(count, dim)..][..stride(count, dim)];
            turn::<L>(count, rest, from, &matrices[matrix as usize].rows, to);
        }
    }
}

/// Adds the product of the outermost axis and a matrix.
#[inline(always)]
fn turn<const L: usize>(count: usize, rest: usize, from: &[f64], matrix: &[[f64; WIDE]], to: &mut [f64]) {
    let mut r = 0;
    while r < rest {
        let mut sums = [[[0.0_f64; WIDE]; L]; TOGETHER];
        for (k, row) in matrix.as_chunks::<L>().0.iter().enumerate() {
            let numbers = &from[k * rest + r..][..TOGETHER];
            for (sums, &number) in sums.iter_mut().zip(numbers) {
                for (sum, row) in sums.iter_mut().zip(row) {
                    for lane in 0..WIDE {
                        sum[lane] = row[lane].mul_add(number, sum[lane]);
                    }
                }
            }
        }
        for (number, sums) in sums.iter().enumerate() {
            // Zeros are added to what is behind the row.
            let to = &mut to[(r + number) * count..][..L * WIDE];
            for (to, sum) in to.as_chunks_mut::<WIDE>().0.iter_mut().zip(sums) {
                for lane in 0..WIDE {
                    to[lane] += sum[lane];
                }
            }
        }
        r += TOGETHER;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::far::AXES;

    #[test]
    fn sums_along_axes_are_those_over_all_nodes() {
        let seed = fastrand::u64(..);
        let mut numbers = fastrand::Rng::with_seed(seed);
        for dim in 1..=AXES {
            for count in [1_usize, 3, 5, 8, 9, 17] {
                let all = count.pow(dim as u32);
                let plain: Vec<Vec<f64>> =
                    (0..2 * AXES).map(|_| (0..count * count).map(|_| numbers.f64() - 0.4).collect()).collect();
                let matrices: Vec<Matrix> = plain
                    .iter()
                    .map(|plain| {
                        let mut matrix = Matrix::zero(count);
                        (0..count * count).for_each(|k| matrix.set(k / count, k % count, plain[k]));
                        matrix
                    })
                    .collect();
                let weights: Vec<Vec<f64>> = (0..2).map(|_| (0..all).map(|_| numbers.f64()).collect()).collect();
                let mut sums = vec![1.0; all];
                for (k, weights) in weights.iter().enumerate() {
                    let mut arrays = Arrays::zeros(count, dim, 2);
                    arrays.par_iter_mut().for_each(|to| to.copy_from_slice(weights));
                    for axis in [dim - 1].into_iter().chain(0..dim - 1) {
                        // twice a half, from either of two arrays that are the same
                        let matrix = (k * AXES + axis) as u32;
                        let terms = [[0, matrix], [1, matrix]];
                        arrays = arrays.turned(Arch::new(), 2, |_| &terms, &matrices);
                        arrays.par_iter_mut().for_each(|to| to.iter_mut().for_each(|x| *x *= 0.5));
                    }
                    sums.iter_mut().zip(arrays.array(1)).for_each(|(sum, x)| *sum += x);
                }
                // the coordinates of a node: the last one is outermost
                let outer = all / count;
                let coordinates = |node: usize| {
                    let mut at = [0; AXES];
                    let mut rest = node % outer;
                    for axis in (0..dim - 1).rev() {
                        (at[axis], rest) = (rest % count, rest / count);
                    }
                    at[dim - 1] = node / outer;
                    at
                };
                for target in (0..all).step_by(1 + all / 50) {
                    let mut exact = 1.0;
                    for k in 0..2 {
                        for (source, weight) in weights[k].iter().enumerate() {
                            let [to, from] = [target, source].map(coordinates);
                            let factors = (0..dim).map(|axis| plain[k * AXES + axis][to[axis] * count + from[axis]]);
                            exact += weight * factors.product::<f64>();
                        }
                    }
                    assert!((sums[target] - exact).abs() < 1e-12 * (all as f64), "seed {seed}");
                }
            }
        }
    }
}
