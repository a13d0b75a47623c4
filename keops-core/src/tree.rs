//! Points in k-d order: the boxes of halves of halves of them.
//!
//! A [`Tree`] sorts points such that those which are close to each other follow each other, and has the box of each part: a
//! box is cut in half where it is longest, until a part is a *leaf* of at most as many points as were asked for. Where parts
//! begin and end depends on the number of points only, never on the points: each cut is at a whole number of leaves, and every
//! leaf but the last is full. Nor does anything depend on the number of threads.

use core::ops::Range;

use crate::number::Scalar;

/// The points of a leaf for selections by bounds.
pub const LEAF: usize = 64;

/// From this number of points on, the halves of a part are sorted on two threads.
const FOR_THREADS: usize = 8192;

/// Points in k-d order.
#[derive(Clone, Debug)]
pub struct Tree<T> {
    dim: usize,
    order: Vec<u32>,
    nodes: Vec<Node>,
    /// For each node the least coordinates of its points, then the largest ones. NaN is left out.
    boxes: Vec<T>,
}

/// A part of the points.
#[derive(Clone, Debug, Default)]
struct Node {
    rows: Range<u32>,
    /// The number of the node of the second half; the first one follows the node itself. 0 for a leaf.
    second: u32,
    /// Whether a coordinate of a point is NaN.
    nan: bool,
}

impl<T: Scalar> Tree<T> {
    /// Sorts points of `dim` coordinates, row by row, into leaves of `leaf` points. There must be fewer than 2^32 points.
    #[must_use]
    pub fn new(points: &[T], dim: usize, leaf: usize) -> Self {
        let count = points.len().checked_div(dim).unwrap_or(0);
        let (leaf, leaves) = (leaf.max(1), count.div_ceil(leaf.max(1)));
        let mut nodes = vec![Node::default(); (2 * leaves).saturating_sub(1)];
        let mut boxes = vec![T::zero(); nodes.len() * 2 * dim];
        let order = match dim {
            1 => sorted::<T, 1>(points, leaf, &mut nodes, &mut boxes),
            2 => sorted::<T, 2>(points, leaf, &mut nodes, &mut boxes),
            3 => sorted::<T, 3>(points, leaf, &mut nodes, &mut boxes),
            _ => {
                let mut rows: Vec<u32> = (0..count as u32).collect();
                let parts = Parts { leaf, dim, first: 0, at: 0, nodes: &mut nodes, boxes: &mut boxes };
                sort(&mut rows, &|&row: &u32, c| points[row as usize * dim + c], parts);
                rows
            }
        };
        Self { dim, order, nodes, boxes }
    }

    /// For each place in the order of the tree, the number of the point.
    #[must_use]
    pub fn order(&self) -> &[u32] {
        &self.order
    }

    /// The number of nodes. Node 0 has all points.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// The places of the points of a node.
    #[must_use]
    pub fn rows(&self, node: usize) -> Range<usize> {
        let Range { start, end } = self.nodes[node].rows;
        start as usize..end as usize
    }

    /// The nodes of the two halves of a node; `None` for a leaf.
    #[must_use]
    pub fn halves(&self, node: usize) -> Option<[usize; 2]> {
        let second = self.nodes[node].second as usize;
        (second > 0).then_some([node + 1, second])
    }

    /// The numbers of the leaves, in the order of their points.
    pub fn leaves(&self) -> impl Iterator<Item = usize> {
        (0..self.nodes.len()).filter(|&node| self.nodes[node].second == 0)
    }

    /// The box of a node: its least and its largest coordinates, without NaN. A coordinate that is NaN for all points has
    /// +infinity and -infinity.
    #[must_use]
    pub fn bounds(&self, node: usize) -> (&[T], &[T]) {
        self.boxes[node * 2 * self.dim..][..2 * self.dim].split_at(self.dim)
    }

    /// Whether a coordinate of a point of a node is NaN.
    #[must_use]
    pub fn has_nan(&self, node: usize) -> bool {
        self.nodes[node].nan
    }
}

/// Points that keep their tree, for many calls.
#[derive(Clone, Debug)]
pub struct Points<T> {
    numbers: Vec<T>,
    tree: Tree<T>,
    sorted: Vec<T>,
}

impl<T: Scalar> Points<T> {
    /// Sorts points of `dim` coordinates, row by row. There must be fewer than 2^32 points.
    #[must_use]
    pub fn new(numbers: Vec<T>, dim: usize) -> Self {
        let tree = Tree::new(&numbers, dim, LEAF);
        let mut sorted = vec![T::zero(); tree.order().len() * dim];
        for (&row, to) in tree.order().iter().zip(sorted.chunks_exact_mut(dim.max(1))) {
            to.copy_from_slice(&numbers[row as usize * dim..][..dim]);
        }
        Self { numbers, tree, sorted }
    }

    /// The coordinates, row by row, in the order in which they were given.
    #[must_use]
    pub fn numbers(&self) -> &[T] {
        &self.numbers
    }

    /// The tree.
    #[must_use]
    pub fn tree(&self) -> &Tree<T> {
        &self.tree
    }

    /// The coordinates in the order of the tree.
    #[must_use]
    pub fn sorted(&self) -> &[T] {
        &self.sorted
    }
}

/// A point that moves with its number: sorting rows of a few coordinates is faster than sorting numbers of rows.
#[derive(Clone, Copy)]
struct Moving<T, const D: usize> {
    point: [T; D],
    row: u32,
}

/// Sorts points of `D` coordinates. The result are their numbers, in the order of the tree.
fn sorted<T: Scalar, const D: usize>(points: &[T], leaf: usize, nodes: &mut [Node], boxes: &mut [T]) -> Vec<u32> {
    let numbered = (0..).zip(points.as_chunks::<D>().0);
    let mut rows: Vec<_> = numbered.map(|(row, &point)| Moving { point, row }).collect();
    sort(&mut rows, &|row: &Moving<T, D>, c| row.point[c], Parts { leaf, dim: D, first: 0, at: 0, nodes, boxes });
    rows.iter().map(|moving| moving.row).collect()
}

/// What [`sort`] writes: the nodes of some points and their boxes.
struct Parts<'a, T> {
    leaf: usize,
    dim: usize,
    /// The place of the first point.
    first: u32,
    /// The number of the first node.
    at: u32,
    nodes: &'a mut [Node],
    boxes: &'a mut [T],
}

/// Sorts points, whose coordinates `coordinate` reads.
fn sort<T: Scalar, R: Send>(rows: &mut [R], coordinate: &(impl Fn(&R, usize) -> T + Sync), parts: Parts<'_, T>) {
    let Parts { leaf, dim, first, at, nodes, boxes } = parts;
    let (Some((node, nodes)), Some((of_node, boxes))) = (nodes.split_first_mut(), boxes.split_at_mut_checked(2 * dim))
    else {
        return;
    };
    let (low, high) = of_node.split_at_mut(dim);
    low.fill(T::infinity());
    high.fill(T::neg_infinity());
    let mut nan = false;
    for row in &*rows {
        for c in 0..dim {
            let x = coordinate(row, c);
            low[c] = if x < low[c] { x } else { low[c] };
            high[c] = if x > high[c] { x } else { high[c] };
            nan |= x.is_nan();
        }
    }
    *node = Node { rows: first..first + rows.len() as u32, second: 0, nan };
    if rows.len() <= leaf {
        return;
    }
    // not a difference of infinities, which is NaN
    let length = |c: usize| if high[c] > low[c] { high[c] - low[c] } else { T::zero() };
    let longest = (1..dim).fold(0, |best, c| if length(c) > length(best) { c } else { best });
    let half = rows.len().div_ceil(leaf) / 2 * leaf;
    // NaN comes last, beside which any order is as good
    rows.select_nth_unstable_by(half, |a, b| {
        let (a, b) = (coordinate(a, longest), coordinate(b, longest));
        a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
    });
    let (left, right) = rows.split_at_mut(half);
    let count = 2 * (half / leaf) - 1;
    let (left_nodes, right_nodes) = nodes.split_at_mut(count);
    let (left_boxes, right_boxes) = boxes.split_at_mut(count * 2 * dim);
    node.second = at + 1 + count as u32;
    let second = node.second;
    let parallel = left.len() >= FOR_THREADS;
    let left_parts = Parts { leaf, dim, first, at: at + 1, nodes: left_nodes, boxes: left_boxes };
    let right_parts =
        Parts { leaf, dim, first: first + half as u32, at: second, nodes: right_nodes, boxes: right_boxes };
    let (sort_left, sort_right) = (|| sort(left, coordinate, left_parts), || sort(right, coordinate, right_parts));
    if parallel {
        rayon::join(sort_left, sort_right);
    } else {
        sort_left();
        sort_right();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks a tree of random points with repeated and missing coordinates.
    fn check(count: usize, dim: usize, leaf: usize) {
        let coordinate = |_| match fastrand::u8(..) {
            0 => f32::NAN,
            1 => f32::INFINITY,
            2..60 => f32::from(fastrand::u8(..4)),
            _ => fastrand::f32(),
        };
        let points: Vec<f32> = (0..count * dim).map(coordinate).collect();
        let tree = Tree::new(&points, dim, leaf);
        let mut seen = tree.order().to_vec();
        seen.sort_unstable();
        assert!(seen.iter().copied().eq(0..count as u32), "{count} {dim} {leaf}");
        let mut next = 0;
        for node in tree.leaves() {
            let rows = tree.rows(node);
            assert_eq!(rows.start, next);
            next = rows.end;
            assert!(rows.len() == leaf || rows.end == count, "{rows:?} of {count}, {leaf}");
        }
        assert_eq!(next, count);
        for node in 0..tree.nodes() {
            let (low, high) = tree.bounds(node);
            let mut nan = false;
            let (mut least, mut most) = (vec![f32::INFINITY; dim], vec![f32::NEG_INFINITY; dim]);
            for place in tree.rows(node) {
                for c in 0..dim {
                    let x = points[tree.order()[place] as usize * dim + c];
                    nan |= x.is_nan();
                    (least[c], most[c]) = (least[c].min(x), most[c].max(x));
                }
            }
            assert_eq!((low, high, tree.has_nan(node)), (&least[..], &most[..], nan), "{count} {dim} {leaf}");
            if let Some([a, b]) = tree.halves(node) {
                assert_eq!((tree.rows(a).start, tree.rows(b).end), (tree.rows(node).start, tree.rows(node).end));
                assert_eq!(tree.rows(a).end, tree.rows(b).start);
            }
        }
    }

    #[test]
    fn trees_have_all_points_in_their_boxes() {
        for dim in [1, 2, 3, 5] {
            for count in [0, 1, 7, 8, 9, 100, 1000] {
                check(count, dim, 8);
            }
        }
        check(40_000, 3, 64);
        check(40_000, 4, 100);
    }

    #[test]
    fn trees_do_not_depend_on_threads() {
        let points: Vec<f64> = (0..60_000).map(|_| f64::from(fastrand::u8(..))).collect();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let alone = pool.install(|| Tree::new(&points, 2, 16));
        let shared = Tree::new(&points, 2, 16);
        assert_eq!(alone.order(), shared.order());
    }
}
