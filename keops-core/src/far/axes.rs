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

use super::{
    cells::AXES,
    nodes::{MOST, Nodes},
};

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

/// A term of a sum: the weights of nodes, and a matrix for each axis.
#[derive(Clone, Copy, Debug)]
pub struct Term<'a> {
    /// The weights.
    pub weights: &'a [f64],
    /// The matrices, of the axes that there are.
    pub matrices: [&'a Matrix; AXES],
}

/// [`Nodes::along_axes`], as a function for an instruction set.
struct Along<'a> {
    count: usize,
    dim: usize,
    terms: &'a [Term<'a>],
    to: &'a mut [f64],
}

impl NullaryFnOnce for Along<'_> {
    type Output = ();
    #[inline(always)]
    fn call(self) {
        match self.count.div_ceil(WIDE) {
            1 => self.run::<1>(),
            2 => self.run::<2>(),
            _ => self.run::<3>(),
        }
    }
}

const _: () = assert!(MOST <= 3 * WIDE, "a row of a matrix has three vectors at most");

impl Along<'_> {
    #[inline(always)]
    fn run<const L: usize>(self) {
        let Self { count, dim, terms, to } = self;
        let all = count.pow(dim as u32);
        let rest = all / count;
        // Behind the array there is room for what is read and written for r that are not there.
        let room = all + TOGETHER * count + L * WIDE;
        let (mut from, mut turned) = (vec![0.0; room], vec![0.0; room]);
        for term in terms {
            from[..all].copy_from_slice(&term.weights[..all]);
            for axis in [dim - 1].into_iter().chain(0..dim - 1) {
                turn::<L>(count, rest, &from, &term.matrices[axis].rows, &mut turned);
                core::mem::swap(&mut from, &mut turned);
            }
            to.iter_mut().zip(&from).for_each(|(to, value)| *to += value);
        }
    }
}

/// A step: the outermost axis of `count` numbers becomes the innermost one.
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
            // What is behind the row is written over by the next one.
            let to = &mut to[(r + number) * count..][..L * WIDE];
            to.as_chunks_mut::<WIDE>().0.copy_from_slice(sums);
        }
        r += TOGETHER;
    }
}

impl Nodes {
    /// Adds a sum of terms to the values at nodes.
    ///
    /// # Panics
    /// If weights, values or matrices are of another number of nodes.
    pub fn along_axes(&self, arch: Arch, dim: usize, terms: &[Term<'_>], to: &mut [f64]) {
        arch.dispatch(Along { count: self.count(), dim, terms, to });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
                let terms: Vec<Term<'_>> = (0..2)
                    .map(|k| Term {
                        weights: &weights[k],
                        matrices: core::array::from_fn(|axis| &matrices[k * AXES + axis]),
                    })
                    .collect();
                let mut sums = vec![1.0; all];
                Nodes::new(count).along_axes(Arch::new(), dim, &terms, &mut sums);
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
