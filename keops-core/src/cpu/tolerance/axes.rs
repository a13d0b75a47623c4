//! Pairs of cells of an f that is a product of functions of one axis each.
//!
//! f(x, y) = f(r) Π_a φ_a(x_a, y_a), where φ_a is f over f(r) at the reference r, but for axis a. What is known of a pair of cells is the
//! product of what is known of its axes, and these are few: of n cells along an axis, 2 n - 1 offsets, where differences are read. Sums over
//! nodes go along one axis after the other, which takes D p^(D + 1) products instead of p^(2 D) values of f.

use rustc_hash::FxHashMap;

use super::{
    Reads,
    certificates::{HOPE, ORDER, PIECES, SAFETY},
    clouds::Clouds,
    evaluation::{Evaluation, of_half, one_after_another},
};
use crate::far::{AXES, Cell, Matrix, Nodes};

/// An axis of a pair of cells: its number, the levels of both cells, and their places along it, or the difference of these and
/// [`DIFFERENCE`].
pub(super) type Key = [i64; 5];

/// Stands in a key where there is a difference.
const DIFFERENCE: i64 = -1;

/// What is known of an axis of a pair of cells, for the components that share a reference: of the functions φ.
struct Known {
    most: f64,
    least: f64,
    /// The errors of interpolations by p nodes, number p - 1, and how many pieces they were made of; made when they are needed.
    errors: Option<(usize, [f64; ORDER])>,
}

/// Numbers by keys. Those of large cells are looked up most often, and are in arrays.
#[derive(Default)]
pub(super) struct Places {
    /// For an axis and two levels, the places of cells, or their differences, along the axis; [`ABSENT`] where there is none.
    arrays: Vec<Vec<u32>>,
    others: FxHashMap<Key, u32>,
}

const ABSENT: u32 = u32::MAX;

/// The levels whose cells have places in arrays.
const LEVELS: i64 = 6;

impl Places {
    /// The number of the array of a key, its length, and the place in it.
    fn of(key: Key) -> Option<[usize; 3]> {
        let [axis, a, b, x, y] = key;
        let [to, len] = if y == DIFFERENCE { [x + (1 << a.max(b)), 2 << a.max(b)] } else { [x << b | y, 1 << (a + b)] };
        (a < LEVELS && b < LEVELS).then(|| [(axis * LEVELS + a) * LEVELS + b, len, to].map(|x| x as usize))
    }

    pub(super) fn get(&self, key: Key) -> Option<u32> {
        match Self::of(key) {
            Some([array, _, place]) => self.arrays.get(array)?.get(place).copied().filter(|&number| number != ABSENT),
            None => self.others.get(&key).copied(),
        }
    }

    pub(super) fn insert(&mut self, key: Key, number: u32) {
        match Self::of(key) {
            Some([array, len, place]) => {
                if array >= self.arrays.len() {
                    self.arrays.resize(array + 1, Vec::new());
                }
                let array = &mut self.arrays[array];
                array.resize(len, ABSENT);
                array[place] = number;
            }
            None => {
                self.others.insert(key, number);
            }
        }
    }
}

/// Components of f with the same reference.
struct Group {
    components: Vec<usize>,
    /// The coordinates of the reference: of a target, and of a source.
    reference: [[f64; AXES]; 2],
    /// f there, of each component.
    values: Vec<f64>,
    /// The largest |f| there.
    scale: f64,
    /// What is known, and its places.
    known: Vec<Known>,
    places: Places,
}

/// What is known of single axes.
pub(super) struct Axes {
    dim: usize,
    groups: Vec<Group>,
}

/// Where |f| is least beside that of the reference, products of functions might be too small for a number.
const LEAST: f64 = 1e-200;

impl Axes {
    /// None if no references are found.
    pub(super) fn new(
        evaluation: &mut Evaluation<'_>,
        reads: &Reads,
        clouds: &Clouds,
        components: usize,
    ) -> Option<Self> {
        let dim = reads.dim(0);
        evaluation.linear_ones();
        let cubes = [0, 1].map(|side| {
            let cells = &clouds.0[side].cells;
            (cells.centre(&cells.cells()[0]), cells.half(0))
        });
        let set = |evaluation: &mut Evaluation<'_>, [target, source]: [[f64; AXES]; 2]| {
            for axis in 0..dim {
                evaluation.set_axis(0, axis, target[axis], target[axis]);
                evaluation.set_axis(1, axis, source[axis], source[axis]);
            }
        };
        // Places in a cube, and differences of all sizes.
        let place = |side: usize, axis: usize, part: f64| cubes[side].0[axis] + cubes[side].1 * part;
        let mut pairs: Vec<[f64; 2]> = Vec::new();
        for k in 0..9 {
            pairs.extend((0..9).map(|l| [k, l].map(|k| (2.0 * f64::from(k) - 8.0) / 9.0)).map(|[a, b]| [a, b + 0.03]));
        }
        let near = (0..30).flat_map(|k| [1.0, -1.0].map(|sign| sign * 0.7_f64.powi(2 * k)));
        let near: Vec<f64> = near.collect();
        let candidates: Vec<Vec<[f64; 2]>> = (0..dim)
            .map(|axis| {
                let far = pairs.iter().map(|&[a, b]| [place(0, axis, a), place(1, axis, b)]);
                let near = near.iter().map(|part| {
                    let y = cubes[1].0[axis];
                    [y + part * (cubes[0].1 + cubes[1].1), y]
                });
                far.chain(near).collect()
            })
            .collect();
        let mut starts: Vec<([[f64; AXES]; 2], Vec<f64>)> = Vec::new();
        let of_all = |axis: usize, number: usize| candidates[axis][number % candidates[axis].len()];
        for start in 0..24 + near.len() {
            let mut at = [[0.0; AXES]; 2];
            for axis in 0..dim {
                // far ones in some order, and near ones one after another
                let number = if start < 24 {
                    start * (17 + 14 * axis) % pairs.len()
                } else {
                    pairs.len() + (start - 24 + axis) % near.len()
                };
                let [x, y] = of_all(axis, number);
                (at[0][axis], at[1][axis]) = (x, y);
            }
            set(evaluation, at);
            starts.push((at, evaluation.values_here()));
        }
        let mut groups: Vec<Group> = Vec::new();
        for component in 0..components {
            let size = |values: &[f64]| if values[component].is_finite() { values[component].abs() } else { 0.0 };
            let (mut reference, mut values) =
                starts.iter().max_by(|a, b| size(&a.1).total_cmp(&size(&b.1))).cloned()?;
            let enough = 0.5 * size(&values).max(2.0 * LEAST);
            if let Some(group) = groups.iter_mut().find(|group| size(&group.values) >= enough) {
                group.components.push(component);
                continue;
            }
            for axis in 0..dim {
                for &[x, y] in &candidates[axis] {
                    let mut at = reference;
                    (at[0][axis], at[1][axis]) = (x, y);
                    set(evaluation, at);
                    let here = evaluation.values_here();
                    if size(&here) > size(&values) {
                        (reference, values) = (at, here);
                    }
                }
            }
            if size(&values) < LEAST {
                return None;
            }
            let scale = values[component].abs();
            groups.push(Group {
                components: vec![component],
                reference,
                values,
                scale,
                known: Vec::new(),
                places: Places::default(),
            });
        }
        for group in &mut groups {
            group.scale = group.components.iter().fold(0.0, |most, &c| group.values[c].abs().max(most));
        }
        Some(Self { dim, groups })
    }

    /// The keys of the axes of a pair of cells.
    pub(super) fn key(reads: &Reads, [a, b]: [&Cell; 2], axis: usize) -> Key {
        let head = [axis as i64, i64::from(a.level), i64::from(b.level)];
        let [x, y] = [a.at[axis], b.at[axis]].map(i64::from);
        if reads.differences {
            let finest = a.level.max(b.level);
            [head[0], head[1], head[2], (x << (finest - a.level)) - (y << (finest - b.level)), DIFFERENCE]
        } else {
            [head[0], head[1], head[2], x, y]
        }
    }

    /// The largest and the least |f| of a pair of cells: of any component, or of `every` one.
    pub(super) fn sizes(
        &mut self,
        evaluation: &mut Evaluation<'_>,
        (reads, clouds): (&Reads, &Clouds),
        pair: [u32; 2],
        every: bool,
    ) -> [f64; 2] {
        let (mut most, mut least) = (0.0_f64, if every { f64::INFINITY } else { 0.0 });
        for group in &mut self.groups {
            let [mut of_most, mut of_least] = [group.scale; 2];
            for axis in 0..self.dim {
                let place = group.place_of(evaluation, (reads, clouds), pair, axis);
                let known = &group.known[place];
                (of_most, of_least) = (of_most * known.most, of_least * known.least);
            }
            most = most.max(if of_most.is_nan() { f64::INFINITY } else { of_most });
            least = if every { least.min(of_least) } else { least.max(of_least) };
        }
        [most, if least.is_finite() { least } else { 0.0 }]
    }

    /// The largest error of an interpolation by `nodes` nodes along each axis on a pair of cells: any larger number where it is above
    /// `share`.
    pub(super) fn error(
        &mut self,
        evaluation: &mut Evaluation<'_>,
        (reads, clouds): (&Reads, &Clouds),
        pair: [u32; 2],
        (nodes, share, certain): (usize, f64, bool),
    ) -> f64 {
        let mut most = 0.0_f64;
        // The pieces of a box at first, and at most.
        let [first_pieces, most_pieces] = if certain { [2, PIECES] } else { [1, 1] };
        for group in &mut self.groups {
            if share < LEAST * group.scale {
                return f64::INFINITY;
            }
            let mut places = [0; AXES];
            for (axis, place) in places.iter_mut().enumerate().take(self.dim) {
                *place = group.place_of(evaluation, (reads, clouds), pair, axis);
                if group.known[*place].errors.is_none() {
                    group.look(evaluation, (reads, clouds), pair, (axis, *place, first_pieces, certain));
                }
            }
            loop {
                // Π (|φ| + e) - Π |φ|, without the difference of numbers that are nearly the same
                let (mut product, mut error) = (group.scale, 0.0);
                // the axis whose error counts most, of those that can be looked at again
                let mut next = None;
                for (axis, &place) in places.iter().enumerate().take(self.dim) {
                    let Known { most, errors, .. } = &group.known[place];
                    let (pieces, e) = errors.as_ref().map_or((0, f64::INFINITY), |(pieces, e)| (*pieces, e[nodes - 1]));
                    error = error * (most + e) + product * e;
                    product *= most;
                    let relative = e / most.max(1e-300);
                    if pieces < most_pieces && next.is_none_or(|(_, _, most)| relative > most) {
                        next = Some((axis, 2 * pieces, relative));
                    }
                }
                if error <= share {
                    most = most.max(error);
                    break;
                }
                match next {
                    Some((axis, pieces, _)) if error <= HOPE * share => {
                        group.look(evaluation, (reads, clouds), pair, (axis, places[axis], pieces, certain));
                    }
                    _ => return f64::INFINITY,
                }
            }
        }
        most
    }

    /// The matrices of an axis of a pair, one for each component of f: from weights of the nodes of sources to values at those of
    /// targets. Those of the first axis have f at the reference as a factor.
    pub(super) fn matrices(
        &self,
        evaluation: &mut Evaluation<'_>,
        clouds: &Clouds,
        (nodes, pair, axis): (&Nodes, [u32; 2], usize),
    ) -> Vec<Matrix> {
        let components = self.groups.iter().map(|group| group.components.len()).sum::<usize>();
        let mut matrices = vec![Matrix::zero(nodes.count()); components];
        let places = [0, 1].map(|side| {
            let cells = &clouds.0[side].cells;
            let centre = cells.centre(&cells.cells()[pair[side] as usize])[axis];
            let half = cells.half(pair[side]);
            nodes.points().iter().map(|node| centre + half * node).collect::<Vec<_>>()
        });
        for group in &self.groups {
            group.refer(evaluation, self.dim);
            for (from, &source) in places[1].iter().enumerate() {
                evaluation.set_axis(1, axis, source, source);
                for (to, &target) in places[0].iter().enumerate() {
                    evaluation.set_axis(0, axis, target, target);
                    let values = evaluation.values_here();
                    for &c in &group.components {
                        matrices[c].set(to, from, if axis == 0 { values[c] } else { values[c] / group.values[c] });
                    }
                }
            }
        }
        matrices
    }
}

impl Group {
    /// Sets the reference.
    fn refer(&self, evaluation: &mut Evaluation<'_>, dim: usize) {
        evaluation.linear_ones();
        for side in 0..2 {
            for axis in 0..dim {
                let x = self.reference[side][axis];
                evaluation.set_axis(side, axis, x, x);
            }
        }
    }

    /// Sets the reference, but for an axis, which gets its box of the pair.
    fn place(&self, evaluation: &mut Evaluation<'_>, (reads, clouds): (&Reads, &Clouds), pair: [u32; 2], axis: usize) {
        self.refer(evaluation, reads.dim(0));
        let halves = [0, 1].map(|side| clouds.0[side].cells.reach(pair[side]));
        for side in 0..2 {
            let cells = &clouds.0[side].cells;
            let centre = cells.centre(&cells.cells()[pair[side] as usize])[axis];
            let reach = match (reads.differences, side) {
                (false, _) => halves[side],
                (true, 0) => halves[0] + halves[1],
                (true, _) => 0.0,
            };
            let reach = if reach == 0.0 { 0.0 } else { reach + centre.abs() * 1e-14 };
            evaluation.set_axis(side, axis, centre - reach, centre + reach);
        }
    }

    /// The least |f| at the reference of a component of the group.
    fn least_value(&self) -> f64 {
        self.components.iter().fold(f64::INFINITY, |least, &c| self.values[c].abs().min(least))
    }

    /// The place of what is known of an axis of a pair.
    fn place_of(
        &mut self,
        evaluation: &mut Evaluation<'_>,
        (reads, clouds): (&Reads, &Clouds),
        pair: [u32; 2],
        axis: usize,
    ) -> usize {
        let key = Axes::key(reads, [0, 1].map(|side| &clouds.cells(side)[pair[side] as usize]), axis);
        if let Some(place) = self.places.get(key) {
            return place as usize;
        }
        self.place(evaluation, (reads, clouds), pair, axis);
        let (mut most, mut least) = (0.0_f64, f64::INFINITY);
        let sizes: Vec<[f64; 2]> = evaluation.sizes_here().collect();
        for &c in &self.components {
            most = most.max(sizes[c][0] / self.values[c].abs());
            least = least.min(sizes[c][1] / self.scale);
        }
        // The values at the reference are rounded.
        let known = Known { most: most * (1.0 + 1e-12), least: least * (1.0 - 1e-12), errors: None };
        self.known.push(known);
        let place = self.known.len() - 1;
        self.places.insert(key, place as u32);
        place
    }

    /// Makes the errors of an axis, or makes them again with more pieces.
    fn look(
        &mut self,
        evaluation: &mut Evaluation<'_>,
        (reads, clouds): (&Reads, &Clouds),
        pair: [u32; 2],
        (axis, known, pieces, certain): (usize, usize, usize, bool),
    ) {
        self.place(evaluation, (reads, clouds), pair, axis);
        let halves = [0, 1].map(|side| clouds.0[side].cells.reach(pair[side]));
        let errors = if certain {
            let mut each: Vec<[f64; ORDER]> = Vec::new();
            for side in 0..if reads.differences { 1 } else { 2 } {
                let coefficients = evaluation.coefficients_along(side, reads.positions[side][axis], pieces);
                each.push(of_half(&coefficients, halves[side]));
                if reads.differences {
                    each.push(of_half(&coefficients, halves[1]));
                }
            }
            let scale = 1.0 / self.least_value();
            core::array::from_fn(|number| {
                let mut of_nodes: Vec<f64> = each.iter().map(|errors| scale * errors[number]).collect();
                one_after_another(&mut of_nodes, number)
            })
        } else {
            self.estimates(evaluation, reads, halves, axis)
        };
        self.known[known].errors = Some((pieces, errors));
    }

    /// Estimates of the errors, from the coefficients on lines through the box that is set: its middle and its ends.
    fn estimates(&self, evaluation: &mut Evaluation<'_>, reads: &Reads, halves: [f64; 2], axis: usize) -> [f64; ORDER] {
        let components = [0, 1].map(|side| reads.positions[side][axis]);
        let boxes = [0, 1].map(|side| evaluation.rows[side][components[side]]);
        let middles = boxes.map(|of_box| 0.5 * (of_box.lo() + of_box.hi()));
        let mut sums = [0.0; ORDER];
        for side in 0..2 {
            let mut most = [0.0_f64; ORDER];
            for end in [0.0, -1.0, 1.0] {
                let off = halves[1 - side] * end;
                // Of differences, the box is one of targets.
                let line = if reads.differences {
                    evaluation.line(0, components[0], middles[0] + off, halves[side])
                } else {
                    let other = middles[1 - side] + off;
                    evaluation.set(1 - side, components[1 - side], other, other);
                    evaluation.line(side, components[side], middles[side], halves[side])
                };
                for &c in &self.components {
                    let tails = evaluation.tails(&line, c);
                    let scale = 1.0 / self.values[c].abs();
                    most.iter_mut().zip(tails).for_each(|(most, tail)| *most = most.max(scale * tail));
                }
            }
            sums.iter_mut().zip(most).for_each(|(sum, most)| *sum += SAFETY * most);
        }
        sums
    }
}
