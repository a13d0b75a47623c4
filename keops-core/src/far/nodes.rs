//! The nodes of a cell, and polynomials by their values there.
//!
//! The values of a cell's nodes are an array with an axis of p numbers for each coordinate, the last coordinate first: node number
//! n Q + q, with Q = p^(D - 1), has the last coordinate at Chebyshev node n.

use pulp::{Arch, NullaryFnOnce};

use super::cells::AXES;

/// The Chebyshev nodes of an interval: the p zeros of the polynomial T_p.
#[derive(Clone, Debug)]
pub struct Nodes {
    points: Vec<f64>,
    /// The polynomial that is 1 at node k and 0 at the others, as a sum of Chebyshev polynomials: number n p + k is the factor of T_n.
    factors: Vec<f64>,
    /// For the lower and the upper half of an interval: number c p + k is that polynomial of the whole at node c of the half.
    halves: [Vec<f64>; 2],
}

impl Nodes {
    /// `count` nodes, at least one.
    #[must_use]
    pub fn new(count: usize) -> Self {
        let p = count as f64;
        let angle = |k: usize| (2.0 * k as f64 + 1.0) * core::f64::consts::PI / (2.0 * p);
        let points: Vec<f64> = (0..count).map(|k| angle(k).cos()).collect();
        let factor = |n: usize, k: usize| (n as f64 * angle(k)).cos() * if n == 0 { 1.0 } else { 2.0 } / p;
        let factors = (0..count * count).map(|number| factor(number / count, number % count)).collect();
        let mut nodes = Self { points, factors, halves: [Vec::new(), Vec::new()] };
        nodes.halves = [-0.5, 0.5].map(|centre| {
            let mut rows = vec![0.0; count * count];
            for (row, &point) in rows.chunks_exact_mut(count).zip(&nodes.points) {
                nodes.at(centre + 0.5 * point, row);
            }
            rows
        });
        nodes
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.points.len()
    }

    /// The places of the nodes in the interval from -1 to 1.
    #[must_use]
    pub fn points(&self) -> &[f64] {
        &self.points
    }

    /// The coordinates of the nodes of a cell of `dim` coordinates.
    pub fn of_cell(&self, dim: usize, centre: [f64; AXES], half: f64) -> impl Iterator<Item = [f64; AXES]> + '_ {
        let (p, outer) = (self.count(), self.count().pow(dim.saturating_sub(1) as u32));
        (0..p * outer).map(move |node| {
            let mut place = [0.0; AXES];
            let mut rest = node % outer;
            for axis in (0..dim - 1).rev() {
                place[axis] = centre[axis] + half * self.points[rest % p];
                rest /= p;
            }
            place[dim - 1] = centre[dim - 1] + half * self.points[node / outer];
            place
        })
    }

    /// The polynomials of all nodes at a place of the interval from -1 to 1.
    #[inline(always)]
    fn at(&self, place: f64, to: &mut [f64]) {
        let p = self.points.len();
        let to = &mut to[..p];
        to.fill(0.0);
        let (mut this, mut next) = (1.0, place);
        for factors in self.factors.chunks_exact(p) {
            for (to, factor) in to.iter_mut().zip(factors) {
                *to += factor * this;
            }
            (this, next) = (next, 2.0 * place * next - this);
        }
    }
}

/// The most nodes along an axis.
pub const MOST: usize = 20;

/// The points of a cell: rows of `dim` coordinates.
#[derive(Clone, Copy, Debug)]
pub struct OfCell<'a> {
    /// The number of coordinates.
    pub dim: usize,
    /// The centre of the cell.
    pub centre: [f64; AXES],
    /// Half of its edge.
    pub half: f64,
    /// The coordinates.
    pub points: &'a [f64],
}

/// [`Nodes::gather`], as a function for an instruction set.
struct Gather<'a> {
    nodes: &'a Nodes,
    cell: OfCell<'a>,
    weights: &'a [f64],
    to: &'a mut [f64],
}

impl NullaryFnOnce for Gather<'_> {
    type Output = ();
    #[inline(always)]
    fn call(self) {
        self.nodes.gathered(self.cell, self.weights, self.to);
    }
}

/// [`Nodes::scatter`], likewise.
struct Scatter<'a> {
    nodes: &'a Nodes,
    cell: OfCell<'a>,
    values: &'a [f64],
    to: &'a mut [f64],
}

impl NullaryFnOnce for Scatter<'_> {
    type Output = ();
    #[inline(always)]
    fn call(self) {
        self.nodes.scattered(self.cell, self.values, self.to);
    }
}

/// How many points are taken together: the values at nodes are read once for all of them.
const TOGETHER: usize = 4;

/// How many numbers are taken together: a vector, or several.
const WIDE: usize = 8;

/// The polynomials at a point, and behind those of the other coordinates zeros up to a multiple of [`WIDE`].
struct Basis {
    last: [f64; MOST],
    outer: Vec<f64>,
}

impl Nodes {
    fn basis(&self, dim: usize) -> [Basis; TOGETHER] {
        let outer = self.outer(dim).next_multiple_of(WIDE);
        core::array::from_fn(|_| Basis { last: [0.0; MOST], outer: vec![0.0; outer] })
    }

    /// How many nodes have the same last coordinate.
    fn outer(&self, dim: usize) -> usize {
        self.count().pow(dim as u32 - 1)
    }

    /// The polynomials at a point of the cell: those of the last coordinate, and the products of those of the others.
    #[inline(always)]
    fn of_point(&self, point: &[f64], centre: [f64; AXES], scale: f64, basis: &mut Basis) {
        let p = self.count();
        let last = point.len() - 1;
        let place = |axis: usize| (point[axis] - centre[axis]) * scale;
        self.at(place(last), &mut basis.last);
        let mut axis = [0.0; MOST];
        match last {
            0 => basis.outer[0] = 1.0,
            1 => self.at(place(0), &mut basis.outer),
            _ => {
                self.at(place(1), &mut axis);
                let mut first = [0.0; MOST];
                self.at(place(0), &mut first);
                for (outer, &factor) in basis.outer.chunks_exact_mut(p).zip(&first[..p]) {
                    outer.iter_mut().zip(&axis).for_each(|(outer, x)| *outer = factor * x);
                }
            }
        }
    }

    /// Adds the weights of points to those of the nodes of their cell: node after node for each component. `points` are rows of
    /// `dim` coordinates, and `weights` rows of as many components as `to` has arrays.
    pub fn gather(&self, arch: Arch, cell: OfCell<'_>, weights: &[f64], to: &mut [f64]) {
        arch.dispatch(Gather { nodes: self, cell, weights, to });
    }

    #[inline(always)]
    fn gathered(&self, OfCell { dim, centre, half, points }: OfCell<'_>, weights: &[f64], to: &mut [f64]) {
        let mut bases = self.basis(dim);
        let (outer, wide) = (self.outer(dim), bases[0].outer.len());
        let nodes = self.count() * outer;
        let components = to.len() / nodes;
        let mut sums = vec![0.0; components * self.count() * wide];
        for (points, weights) in points.chunks(TOGETHER * dim).zip(weights.chunks(TOGETHER * components)) {
            for (point, basis) in points.chunks_exact(dim).zip(&mut bases) {
                self.of_point(point, centre, 1.0 / half, basis);
            }
            for (component, sums) in sums.chunks_exact_mut(self.count() * wide).enumerate() {
                // Points that are not there have no weight.
                let weights: [f64; TOGETHER] =
                    core::array::from_fn(|k| weights.get(k * components + component).copied().unwrap_or(0.0));
                let [first, second, third, fourth] = bases.each_ref().map(|basis| basis.outer.as_chunks::<WIDE>().0);
                for (last, sums) in sums.chunks_exact_mut(wide).enumerate() {
                    let [a, b, c, d] = core::array::from_fn(|k| weights[k] * bases[k].last[last]);
                    let outer = first.iter().zip(second).zip(third.iter().zip(fourth));
                    for (to, ((x, y), (z, w))) in sums.as_chunks_mut::<WIDE>().0.iter_mut().zip(outer) {
                        for k in 0..WIDE {
                            to[k] = w[k].mul_add(d, z[k].mul_add(c, y[k].mul_add(b, x[k].mul_add(a, to[k]))));
                        }
                    }
                }
            }
        }
        for (to, sums) in to.chunks_exact_mut(outer).zip(sums.chunks_exact(wide)) {
            to.iter_mut().zip(sums).for_each(|(to, sum)| *to += sum);
        }
    }

    /// Writes the values at points of a cell from those at its nodes, which are arrays as in [`Self::gather`]: rows of as many
    /// components as there are arrays.
    pub fn scatter(&self, arch: Arch, cell: OfCell<'_>, values: &[f64], to: &mut [f64]) {
        arch.dispatch(Scatter { nodes: self, cell, values, to });
    }

    #[inline(always)]
    fn scattered(&self, OfCell { dim, centre, half, points }: OfCell<'_>, values: &[f64], to: &mut [f64]) {
        let mut bases = self.basis(dim);
        let (outer, wide) = (self.outer(dim), bases[0].outer.len());
        let lines = self.count() * wide;
        let arrays = values.len() / (self.count() * outer);
        let mut padded = vec![0.0; values.len() / outer * wide];
        for (to, values) in padded.chunks_exact_mut(wide).zip(values.chunks_exact(outer)) {
            to[..outer].copy_from_slice(values);
        }
        for (block, points) in points.chunks(TOGETHER * dim).enumerate() {
            for (point, basis) in points.chunks_exact(dim).zip(&mut bases) {
                self.of_point(point, centre, 1.0 / half, basis);
            }
            for (array, values) in padded.chunks_exact(lines).enumerate() {
                let mut sums = [[0.0; WIDE]; TOGETHER];
                let outer = bases.each_ref().map(|basis| basis.outer.as_chunks::<WIDE>().0);
                for part in 0..wide / WIDE {
                    // A few numbers of each line of nodes, for the points together.
                    let mut of_part = [[0.0; WIDE]; TOGETHER];
                    for last in 0..self.count() {
                        let values = &values.as_chunks::<WIDE>().0[last * (wide / WIDE) + part];
                        for (to, basis) in of_part.iter_mut().zip(&bases) {
                            for k in 0..WIDE {
                                to[k] = values[k].mul_add(basis.last[last], to[k]);
                            }
                        }
                    }
                    for ((sum, of_part), outer) in sums.iter_mut().zip(&of_part).zip(&outer) {
                        for k in 0..WIDE {
                            sum[k] = of_part[k].mul_add(outer[part][k], sum[k]);
                        }
                    }
                }
                for (row, sum) in sums.iter().enumerate().take(points.len() / dim) {
                    to[(block * TOGETHER + row) * arrays + array] = sum.iter().sum();
                }
            }
        }
    }

    /// Multiplies one axis of an array by the matrix of a half: to the nodes of the whole from those of the half (`up`), or the
    /// other way.
    fn along(&self, half: usize, up: bool, inner: usize, from: &[f64], to: &mut [f64]) {
        let p = self.count();
        let matrix = &self.halves[half];
        to.fill(0.0);
        for (from, to) in from.chunks_exact(p * inner).zip(to.chunks_exact_mut(p * inner)) {
            for (a, to) in to.chunks_exact_mut(inner).enumerate() {
                for (b, from) in from.chunks_exact(inner).enumerate() {
                    let factor = if up { matrix[b * p + a] } else { matrix[a * p + b] };
                    to.iter_mut().zip(from).for_each(|(to, x)| *to += factor * x);
                }
            }
        }
    }

    /// Adds weights of the nodes of a part to those of the cell that it is a part of (`up`), or the values at the nodes of the cell
    /// to those of the part: any number of arrays. `part` says for each coordinate in which half it is.
    pub fn hand(&self, dim: usize, part: [usize; AXES], up: bool, from: &[f64], to: &mut [f64]) {
        let p = self.count();
        let (mut a, mut b) = (from.to_vec(), vec![0.0; from.len()]);
        let mut inner = 1;
        // The axes from the innermost: coordinates dim - 2, .., 0, and the last one.
        let axes = (0..dim - 1).rev().chain([dim - 1]);
        for axis in axes {
            self.along(part[axis], up, inner, &a, &mut b);
            core::mem::swap(&mut a, &mut b);
            inner *= p;
        }
        to.iter_mut().zip(&a).for_each(|(to, x)| *to += x);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A polynomial of degree below 4 in each coordinate.
    fn polynomial(point: &[f64]) -> f64 {
        point
            .iter()
            .enumerate()
            .map(|(axis, x)| (1.0 + x * (0.3 - x * (0.2 + 0.5 * x))) * (axis as f64 + 1.0))
            .product()
    }

    #[test]
    fn polynomials_are_exact() {
        let seed = fastrand::u64(..);
        let mut numbers = fastrand::Rng::with_seed(seed);
        for dim in 1..=AXES {
            for count in [4, 5, 8] {
                let nodes = Nodes::new(count);
                let (centre, half) = ([0.3, -0.2, 0.5], 0.7);
                let each = count.pow(dim as u32);
                let values: Vec<f64> = nodes.of_cell(dim, centre, half).map(|node| polynomial(&node[..dim])).collect();
                assert_eq!(values.len(), each);
                let points: Vec<f64> =
                    (0..20 * dim).map(|number| centre[number % dim] + half * (2.0 * numbers.f64() - 1.0)).collect();
                let cell = OfCell { dim, centre, half, points: &points };
                let mut at_points = vec![0.0; 20];
                nodes.scatter(Arch::new(), cell, &values, &mut at_points);
                for (value, point) in at_points.iter().zip(points.chunks(dim)) {
                    let exact = polynomial(point);
                    assert!((value - exact).abs() < 1e-13 * (1.0 + exact.abs()), "seed {seed}: {value} {exact}");
                }
                // weights are the transpose of values
                let weights: Vec<f64> = (0..40).map(|_| numbers.f64()).collect();
                let mut gathered = vec![0.0; 2 * each];
                nodes.gather(Arch::new(), cell, &weights, &mut gathered);
                for component in 0..2 {
                    let sum: f64 = gathered[component * each..][..each].iter().zip(&values).map(|(x, y)| x * y).sum();
                    let rows = points.chunks(dim).zip(weights.chunks(2));
                    let exact: f64 = rows.map(|(point, weights)| weights[component] * polynomial(point)).sum();
                    assert!((sum - exact).abs() < 1e-12 * exact.abs(), "seed {seed}: {sum} {exact}");
                }
                // the nodes of a part
                let part: [usize; AXES] = core::array::from_fn(|_| numbers.usize(..2));
                let of_part = core::array::from_fn(|axis| centre[axis] + half * (part[axis] as f64 - 0.5));
                let mut down = vec![0.0; each];
                nodes.hand(dim, part, false, &values, &mut down);
                for (value, node) in down.iter().zip(nodes.of_cell(dim, of_part, 0.5 * half)) {
                    let exact = polynomial(&node[..dim]);
                    assert!((value - exact).abs() < 1e-13 * (1.0 + exact.abs()), "seed {seed}: {value} {exact}");
                }
                let weights: Vec<f64> = (0..each).map(|_| numbers.f64()).collect();
                let mut up = vec![0.0; each];
                nodes.hand(dim, part, true, &weights, &mut up);
                let (a, b): (f64, f64) = (
                    up.iter().zip(&values).map(|(x, y)| x * y).sum(),
                    weights.iter().zip(&down).map(|(x, y)| x * y).sum(),
                );
                assert!((a - b).abs() < 1e-12 * a.abs(), "seed {seed}: {a} {b}");
            }
        }
    }
}
