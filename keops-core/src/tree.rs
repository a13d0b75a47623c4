//! Points in k-d order: the boxes of halves of halves of them.
//!
//! A [`Tree`] sorts points such that those which are close to each other follow each other, and has the box of each part: a
//! box is cut in half where it is longest, until a part is a *leaf* of at most as many points as were asked for. Where parts
//! begin and end depends on the number of points only, never on the points: each cut is at a whole number of leaves, and every
//! leaf but the last is full. Nor does anything depend on the number of threads.
//!
//! Points that are never looked for together, such as those of different ranges, are trees of their own, one after another in
//! the same lists: each of them has a root.

use core::ops::Range;

use rayon::prelude::*;

use crate::number::Scalar;

/// The points of a leaf for selections by bounds.
pub const LEAF: usize = 64;

/// The points of a cell of a leaf of targets: as many as a row of lanes often has.
pub const CELL: usize = 16;

/// Of parts with more points than this, some of these tell where they are longest.
const SAMPLED: usize = 1024;

/// Every so many of them.
const STEP: usize = 8;

/// From this number of points on, the halves of a part are sorted on two threads.
const FOR_THREADS: usize = 8192;

/// Points in k-d order.
#[derive(Clone, Debug)]
pub struct Tree<T> {
    dim: usize,
    order: Vec<u32>,
    /// The numbers of the nodes that have all points of their tree.
    roots: Vec<u32>,
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

/// Points that are sorted by themselves.
#[derive(Clone, Copy, Debug)]
pub struct Apart {
    /// How many points.
    pub count: usize,
    /// The most points of a leaf.
    pub leaf: usize,
    /// The points of a leaf are sorted further, into cells of this many points, which follow each other and have no nodes. A
    /// multiple of it should be a leaf.
    pub cell: usize,
}

impl<T: Scalar> Tree<T> {
    /// Sorts points of `dim` coordinates, row by row, into leaves of `leaf` points. There must be fewer than 2^32 points.
    #[must_use]
    pub fn new(points: &[T], dim: usize, leaf: usize) -> Self {
        let count = points.len().checked_div(dim).unwrap_or(0);
        Self::apart(points, dim, &[Apart { count, leaf, cell: leaf }])
    }

    /// Sorts points of `dim` coordinates, row by row, each of these parts of them by itself: the first points are the first part,
    /// and so on. There must be fewer than 2^32 points.
    #[must_use]
    pub fn apart(points: &[T], dim: usize, parts: &[Apart]) -> Self {
        Self::apart_with_points(points, dim, parts).0
    }

    /// [`Self::apart`], with the points in the order of the tree.
    #[must_use]
    pub fn apart_with_points(points: &[T], dim: usize, parts: &[Apart]) -> (Self, Vec<T>) {
        let count = points.len().checked_div(dim).unwrap_or(0);
        if let &[Apart { count: 1, .. }] = parts {
            // Calls for one row after another pay for each allocation.
            let mut boxes = [points, points].concat();
            let (low, high) = boxes.split_at_mut(dim);
            let node = Node { rows: 0..1, second: 0, nan: enclose(points, low, high) };
            return (Self { dim, order: vec![0], roots: vec![0], nodes: vec![node], boxes }, points.to_vec());
        }
        let (mut roots, mut end) = (Vec::with_capacity(parts.len()), 0);
        for part in parts {
            roots.push(end as u32);
            end += part.nodes();
        }
        let mut nodes = vec![Node::default(); end];
        let mut boxes = vec![T::zero(); nodes.len() * 2 * dim];
        let (order, sorted) = match dim {
            1 => sorted::<T, 1>(points, parts, &mut nodes, &mut boxes),
            2 => sorted::<T, 2>(points, parts, &mut nodes, &mut boxes),
            3 => sorted::<T, 3>(points, parts, &mut nodes, &mut boxes),
            4 => sorted::<T, 4>(points, parts, &mut nodes, &mut boxes),
            _ => {
                let mut rows: Vec<u32> = (0..count as u32).collect();
                let coordinate = |&row: &u32, c| points[row as usize * dim + c];
                sort_apart(&mut rows, &coordinate, parts, dim, (&mut nodes, &mut boxes));
                let mut sorted = vec![T::zero(); rows.len() * dim];
                for (&row, to) in rows.iter().zip(sorted.chunks_exact_mut(dim.max(1))) {
                    to.copy_from_slice(&points[row as usize * dim..][..dim]);
                }
                (rows, sorted)
            }
        };
        (Self { dim, order, roots, nodes, boxes }, sorted)
    }

    /// The same order and the same parts of points with `dim` other coordinates, which `copy` copies, given the place of a point in
    /// the order. Points that are close by their further coordinates need not be so in the order, and boxes are wider than they
    /// would be sorted.
    #[must_use]
    pub fn with_coordinates(&self, dim: usize, copy: impl Fn(usize, &mut [T])) -> Self {
        let mut nodes = self.nodes.clone();
        let mut boxes = vec![T::zero(); nodes.len() * 2 * dim];
        let mut point = vec![T::zero(); dim];
        // The halves of a node come after it.
        for node in (0..nodes.len()).rev() {
            let (before, after) = boxes.split_at_mut((node + 1) * 2 * dim);
            let (low, high) = before[node * 2 * dim..].split_at_mut(dim);
            low.fill(T::infinity());
            high.fill(T::neg_infinity());
            let mut nan = false;
            if let Some(halves) = self.halves(node) {
                for half in halves {
                    let (lower, upper) = after[(half - node - 1) * 2 * dim..][..2 * dim].split_at(dim);
                    unite((low, high), (lower, upper));
                    nan |= nodes[half].nan;
                }
            } else {
                for place in self.rows(node) {
                    copy(place, &mut point);
                    nan |= widen(low, high, &point);
                }
            }
            nodes[node].nan = nan;
        }
        Self { dim, order: self.order.clone(), roots: self.roots.clone(), nodes, boxes }
    }

    /// For each place in the order of the tree, the number of the point.
    #[must_use]
    pub fn order(&self) -> &[u32] {
        &self.order
    }

    /// For each part that was sorted by itself, the number of the node that has all of its points, if there are any. A tree of
    /// one part has node 0.
    #[must_use]
    pub fn roots(&self) -> &[u32] {
        &self.roots
    }

    /// The number of nodes.
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
        let count = numbers.len().checked_div(dim).unwrap_or(0);
        let parts = [Apart { count, leaf: LEAF, cell: CELL }];
        let (tree, sorted) = Tree::apart_with_points(&numbers, dim, &parts);
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

impl Apart {
    /// The number of its nodes.
    fn nodes(&self) -> usize {
        (2 * self.count.div_ceil(self.leaf.max(1))).saturating_sub(1)
    }
}

/// Makes a box wide enough for a point, whose coordinates that are NaN are left out: whether there are any.
fn widen<T: Scalar>(low: &mut [T], high: &mut [T], point: &[T]) -> bool {
    let mut nan = false;
    for ((&x, low), high) in point.iter().zip(low).zip(high) {
        *low = if x < *low { x } else { *low };
        *high = if x > *high { x } else { *high };
        nan |= x.is_nan();
    }
    nan
}

/// Makes a box wide enough for another one.
fn unite<T: Scalar>((low, high): (&mut [T], &mut [T]), (lower, upper): (&[T], &[T])) {
    low.iter_mut().zip(lower).for_each(|(low, &lower)| *low = if lower < *low { lower } else { *low });
    high.iter_mut().zip(upper).for_each(|(high, &upper)| *high = if upper > *high { upper } else { *high });
}

/// Sorts points of `D` coordinates. The result are their numbers and the points, in the order of the tree.
fn sorted<T: Scalar, const D: usize>(
    points: &[T],
    parts: &[Apart],
    nodes: &mut [Node],
    boxes: &mut [T],
) -> (Vec<u32>, Vec<T>) {
    let numbered = (0..).zip(points.as_chunks::<D>().0);
    let mut rows: Vec<_> = numbered.map(|(row, &point)| Moving { point, row }).collect();
    sort_apart(&mut rows, &|row: &Moving<T, D>, c| row.point[c], parts, D, (nodes, boxes));
    let points = rows.iter().flat_map(|moving| moving.point).collect();
    (rows.iter().map(|moving| moving.row).collect(), points)
}

/// Sorts the points of each part.
fn sort_apart<T: Scalar, R: Send>(
    rows: &mut [R],
    coordinate: &(impl Fn(&R, usize) -> T + Sync),
    parts: &[Apart],
    dim: usize,
    (nodes, boxes): (&mut [Node], &mut [T]),
) {
    let (mut rows, mut nodes, mut boxes) = (rows, nodes, boxes);
    let (mut first, mut at, mut each) = (0, 0, Vec::with_capacity(parts.len()));
    for part in parts {
        let &Apart { count, leaf, cell } = part;
        let own = part.nodes();
        let of_part = Parts {
            leaf: leaf.max(1),
            cell: cell.max(1),
            dim,
            first,
            at,
            nodes: nodes.split_off_mut(..own).unwrap_or_default(),
            boxes: boxes.split_off_mut(..own * 2 * dim).unwrap_or_default(),
        };
        each.push((rows.split_off_mut(..count).unwrap_or_default(), of_part));
        (first, at) = (first + count as u32, at + own as u32);
    }
    if each.len() == 1 {
        each.into_iter().for_each(|(rows, of_part)| sort(rows, coordinate, of_part));
    } else {
        each.into_par_iter().for_each(|(rows, of_part)| sort(rows, coordinate, of_part));
    }
}

/// What [`sort`] writes: the nodes of some points and their boxes.
struct Parts<'a, T> {
    leaf: usize,
    cell: usize,
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
    let Parts { leaf, cell, dim, first, at, nodes, boxes } = parts;
    let (Some((node, nodes)), Some((of_node, boxes))) = (nodes.split_first_mut(), boxes.split_at_mut_checked(2 * dim))
    else {
        return;
    };
    let (low, high) = of_node.split_at_mut(dim);
    *node = Node { rows: first..first + rows.len() as u32, second: 0, nan: false };
    let step = if rows.len() > SAMPLED { STEP } else { 1 };
    node.nan = enclose_rows(rows.iter().step_by(step), coordinate, low, high);
    if rows.len() <= leaf {
        if step > 1 {
            node.nan = enclose_rows(rows.iter(), coordinate, low, high);
        }
        return sort_cells(rows, coordinate, cell, (low, high));
    }
    let half = rows.len().div_ceil(leaf) / 2 * leaf;
    halve(rows, coordinate, half, (low, high));
    let (left, right) = rows.split_at_mut(half);
    let count = 2 * (half / leaf) - 1;
    let (left_nodes, right_nodes) = nodes.split_at_mut(count);
    let (left_boxes, right_boxes) = boxes.split_at_mut(count * 2 * dim);
    node.second = at + 1 + count as u32;
    let second = node.second;
    let parallel = left.len() >= FOR_THREADS;
    let left_parts = Parts { leaf, cell, dim, first, at: at + 1, nodes: left_nodes, boxes: left_boxes };
    let right_parts =
        Parts { leaf, cell, dim, first: first + half as u32, at: second, nodes: right_nodes, boxes: right_boxes };
    let (sort_left, sort_right) = (|| sort(left, coordinate, left_parts), || sort(right, coordinate, right_parts));
    if parallel {
        rayon::join(sort_left, sort_right);
    } else {
        sort_left();
        sort_right();
    }
    if step > 1 {
        // The box is what both halves have.
        low.fill(T::infinity());
        high.fill(T::neg_infinity());
        for half in [0, count] {
            let (lower, upper) = boxes[half * 2 * dim..][..2 * dim].split_at(dim);
            unite((low, high), (lower, upper));
        }
        node.nan = nodes[0].nan || nodes[count].nan;
    }
}

/// Writes the box of some points, given row by row, to its least and its largest coordinates: whether there is any NaN, which is
/// left out.
pub fn enclose<T: Scalar>(points: &[T], low: &mut [T], high: &mut [T]) -> bool {
    low.fill(T::infinity());
    high.fill(T::neg_infinity());
    points.chunks_exact(low.len().max(1)).fold(false, |nan, point| widen(low, high, point) | nan)
}

/// [`enclose`] for points whose coordinates `coordinate` reads.
fn enclose_rows<'r, T: Scalar, R: 'r>(
    rows: impl Iterator<Item = &'r R>,
    coordinate: &impl Fn(&R, usize) -> T,
    low: &mut [T],
    high: &mut [T],
) -> bool {
    low.fill(T::infinity());
    high.fill(T::neg_infinity());
    let mut nan = false;
    for row in rows {
        for c in 0..low.len() {
            let x = coordinate(row, c);
            low[c] = if x < low[c] { x } else { low[c] };
            high[c] = if x > high[c] { x } else { high[c] };
            nan |= x.is_nan();
        }
    }
    nan
}

/// Puts the first `half` of some points before the others, in the direction in which their box is longest.
fn halve<T: Scalar, R>(rows: &mut [R], coordinate: &impl Fn(&R, usize) -> T, half: usize, (low, high): (&[T], &[T])) {
    // not a difference of infinities, which is NaN
    let length = |c: usize| if high[c] > low[c] { high[c] - low[c] } else { T::zero() };
    let longest = (1..low.len()).fold(0, |best, c| if length(c) > length(best) { c } else { best });
    // NaN comes last, beside which any order is as good
    rows.select_nth_unstable_by(half, |a, b| {
        let (a, b) = (coordinate(a, longest), coordinate(b, longest));
        a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
    });
}

/// Sorts the points of a leaf, which have this box, into cells.
fn sort_cells<T: Scalar, R>(
    rows: &mut [R],
    coordinate: &impl Fn(&R, usize) -> T,
    cell: usize,
    (low, high): (&[T], &[T]),
) {
    if rows.len() <= cell {
        return;
    }
    let half = rows.len().div_ceil(cell) / 2 * cell;
    halve(rows, coordinate, half, (low, high));
    let (left, right) = rows.split_at_mut(half);
    let (mut low, mut high) = (low.to_vec(), high.to_vec());
    for part in [left, right] {
        if part.len() > cell {
            enclose_rows(part.iter(), coordinate, &mut low, &mut high);
            sort_cells(part, coordinate, cell, (&low, &high));
        }
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
        let mut points: Vec<f32> = (0..count * dim).map(coordinate).collect();
        points.chunks_mut(dim).skip(count / 4).step_by(3).for_each(|point| point[0] = f32::NAN);
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
    fn parts_are_trees_of_their_own() {
        let points: Vec<f32> = (0..2 * 1000).map(|_| fastrand::f32()).collect();
        let counts = [0, 300, 1, 0, 64, 635, 0];
        let parts = counts.map(|count| Apart { count, leaf: 64, cell: 16 });
        let tree = Tree::apart(&points, 2, &parts);
        assert_eq!(tree.roots().len(), counts.len());
        let (mut start, mut nodes) = (0, 0);
        for (part, &root) in parts.iter().zip(tree.roots()) {
            assert_eq!(root as usize, nodes);
            let end = start + part.count;
            if part.count > 0 {
                assert_eq!(tree.rows(root as usize), start..end);
                let alone = Tree::apart(&points[2 * start..2 * end], 2, std::slice::from_ref(part));
                let numbers: Vec<u32> = alone.order().iter().map(|&row| row + start as u32).collect();
                assert_eq!(tree.order()[start..end], numbers);
                for node in 0..alone.nodes() {
                    assert_eq!(alone.bounds(node), tree.bounds(nodes + node));
                    let halves = alone.halves(node).map(|halves| halves.map(|half| half + nodes));
                    assert_eq!(halves, tree.halves(nodes + node));
                }
            }
            (start, nodes) = (end, nodes + part.nodes());
        }
        assert_eq!((start, nodes), (1000, tree.nodes()));
    }

    #[test]
    fn cells_are_sorted_like_leaves() {
        let points: Vec<f32> = (0..3 * 640).map(|_| fastrand::f32()).collect();
        let count = points.len() / 3;
        let coarse = Tree::apart(&points, 3, &[Apart { count, leaf: 64, cell: 16 }]);
        for leaf in coarse.leaves() {
            let rows = &coarse.order()[coarse.rows(leaf)];
            let of_leaf: Vec<f32> = rows.iter().flat_map(|&row| &points[3 * row as usize..][..3]).copied().collect();
            let cells = Tree::new(&of_leaf, 3, 16);
            assert_eq!(cells.leaves().count(), 4);
            for (number, cell) in cells.leaves().enumerate() {
                let mut fine: Vec<_> =
                    cells.order()[cells.rows(cell)].iter().map(|&place| rows[place as usize]).collect();
                let mut own = rows[16 * number..][..16].to_vec();
                fine.sort_unstable();
                own.sort_unstable();
                assert_eq!(own, fine);
            }
        }
    }

    #[test]
    fn other_coordinates_have_boxes() {
        let points: Vec<f32> = (0..2 * 500).map(|_| fastrand::f32()).collect();
        let tree = Tree::new(&points, 2, 16);
        let others: Vec<f32> =
            (0..500).map(|k| if k % 50 == 7 || points[2 * k] < 0.3 { f32::NAN } else { fastrand::f32() }).collect();
        let coordinates = |row: usize| [points[2 * row], others[row], points[2 * row + 1]];
        let copy = |place: usize, to: &mut [f32]| to.copy_from_slice(&coordinates(tree.order()[place] as usize));
        let both = tree.with_coordinates(3, copy);
        assert_eq!(both.order(), tree.order());
        for node in 0..both.nodes() {
            let ((low, high), (two_low, two_high)) = (both.bounds(node), tree.bounds(node));
            assert_eq!(([low[0], low[2]], [high[0], high[2]]), ([two_low[0], two_low[1]], [two_high[0], two_high[1]]));
            let of_node: Vec<f32> = tree.rows(node).map(|place| others[tree.order()[place] as usize]).collect();
            assert_eq!(low[1], of_node.iter().copied().fold(f32::INFINITY, f32::min));
            assert_eq!(high[1], of_node.iter().copied().fold(f32::NEG_INFINITY, f32::max));
            assert_eq!(both.has_nan(node), of_node.iter().any(|x| x.is_nan()));
            assert_eq!(both.halves(node), tree.halves(node));
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
