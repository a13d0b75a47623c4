//! Bounds of f on pairs of cells, and of the errors of interpolations.

use rustc_hash::FxHashMap;

use super::{
    Reads,
    clouds::Clouds,
    evaluation::{Evaluation, of_half, one_after_another},
};
use crate::far::MOST_NODES;

/// The most nodes along an axis.
pub(super) const ORDER: usize = 18;

/// The most pieces that a side is cut into for a bound of an error.
pub(super) const PIECES: usize = 16;

/// How much smaller an error may become by two pieces instead of one.
pub(super) const HOPE: f64 = 100.0;

/// By what estimates of errors are multiplied.
pub(super) const SAFETY: f64 = 4.0;

/// What is known of f on a pair of cells, for linear arguments of size 1.
struct Certificate {
    /// The largest |f| of any component.
    most: f64,
    /// The least of the largest |f| of any component.
    least: f64,
    /// The largest error of an interpolation by p nodes along each axis, number p - 1, and how many pieces it was made of; made when
    /// it is needed.
    errors: Option<(usize, [f64; ORDER])>,
}

/// The time to look a certificate up, in pairs that are computed.
const SPENT: f64 = 1e2;

/// The certificates of pairs of cells.
pub(super) struct Certificates<'a> {
    pub(super) reads: &'a Reads,
    clouds: &'a Clouds,
    /// Whether errors are bounded, and not estimated.
    certain: bool,
    evaluation: Evaluation<'a>,
    /// Whether the least |f| follows from the bounds: what f is linear in are numbers, or each component of f has its own.
    has_least: bool,
    known: FxHashMap<[i64; 5], Certificate>,
}

impl<'a> Certificates<'a> {
    pub(super) fn new(evaluation: Evaluation<'a>, (reads, clouds): (&'a Reads, &'a Clouds), certain: bool) -> Self {
        let has_least = reads.has_least();
        Self { reads, clouds, certain, evaluation, has_least, known: FxHashMap::default() }
    }

    /// The time that certificates took so far, in pairs that are computed.
    pub(super) fn spent(&self) -> f64 {
        self.evaluation.spent
    }

    /// What a certificate depends on.
    fn key(&self, pair: [u32; 2]) -> [i64; 5] {
        if !self.reads.differences {
            return [i64::from(pair[0]), i64::from(pair[1]), -1, 0, 0];
        }
        let [a, b] = [0, 1].map(|side| &self.clouds.cells(side)[pair[side] as usize]);
        let finest = a.level.max(b.level);
        let offset =
            |axis: usize| (i64::from(a.at[axis]) << (finest - a.level)) - (i64::from(b.at[axis]) << (finest - b.level));
        [i64::from(a.level), i64::from(b.level), offset(0), offset(1), offset(2)]
    }

    /// How far the points of the cell of each side are from its centre.
    fn halves(&self, pair: [u32; 2]) -> [f64; 2] {
        [0, 1].map(|side| {
            let cells = &self.clouds.0[side].cells;
            cells.reach(cells.cells()[pair[side] as usize].level)
        })
    }

    /// Sets the boxes of a pair of cells. Where only differences are read, all of them are those of a box of targets from one source.
    fn place(&mut self, pair: [u32; 2]) {
        let reaches = self.halves(pair);
        for side in 0..2 {
            let cells = &self.clouds.0[side].cells;
            let centre = cells.centre(&cells.cells()[pair[side] as usize]);
            let reach = match (self.reads.differences, side) {
                (false, _) => reaches[side],
                (true, 0) => reaches[0] + reaches[1],
                (true, _) => 0.0,
            };
            for (axis, centre) in centre.into_iter().enumerate().take(self.reads.dim(side)) {
                let reach = if reach == 0.0 { 0.0 } else { reach + centre.abs() * 1e-14 };
                self.evaluation.set_axis(side, axis, centre - reach, centre + reach);
            }
        }
    }

    /// The largest and the least |f| on a pair of cells.
    pub(super) fn sizes(&mut self, pair: [u32; 2]) -> [f64; 2] {
        self.evaluation.spent += SPENT;
        // Of a source whose components are alone, the largest may be in any component.
        let every = self.reads.components(1) > 1;
        let key = self.key(pair);
        if let Some(known) = self.known.get(&key) {
            return [known.most, known.least];
        }
        self.place(pair);
        let (mut most, mut least) = (0.0_f64, if every { f64::INFINITY } else { 0.0 });
        for [of_component, least_of_component] in self.evaluation.sizes_here() {
            most = most.max(of_component);
            least = if every { least.min(least_of_component) } else { least.max(least_of_component) };
        }
        let least = if self.has_least && least.is_finite() { least } else { 0.0 };
        self.known.insert(key, Certificate { most, least, errors: None });
        [most, least]
    }

    /// The largest error of an interpolation by `nodes` nodes along each axis on a pair of cells, whose sizes were asked for: any
    /// larger number where it is above `share`.
    pub(super) fn error(&mut self, pair: [u32; 2], nodes: usize, share: f64) -> f64 {
        let key = self.key(pair);
        if !self.certain {
            if let Some(Certificate { errors: Some((_, errors)), .. }) = self.known.get(&key) {
                return errors[nodes - 1];
            }
            let errors = self.estimates(pair);
            if let Some(known) = self.known.get_mut(&key) {
                known.errors = Some((1, errors));
            }
            return errors[nodes - 1];
        }
        loop {
            let known = self.known.get(&key).and_then(|certificate| certificate.errors.as_ref());
            let pieces = match known {
                Some((_, errors)) if errors[nodes - 1] <= share || errors[nodes - 1] > HOPE * share => {
                    return errors[nodes - 1];
                }
                Some((pieces, errors)) if *pieces == PIECES => return errors[nodes - 1],
                Some((pieces, _)) => pieces * 2,
                None => 2,
            };
            let errors = self.errors(pair, pieces);
            if let Some(known) = self.known.get_mut(&key) {
                known.errors = Some((pieces, errors));
            }
        }
    }

    /// The largest errors of interpolations, for each number of nodes, with the coordinate of which a derivative is cut into pieces.
    fn errors(&mut self, pair: [u32; 2], pieces: usize) -> [f64; ORDER] {
        self.place(pair);
        let halves = self.halves(pair);
        // of each coordinate, for each number of nodes
        let mut each: Vec<[f64; ORDER]> = Vec::new();
        for side in 0..2 {
            if side == 1 && self.reads.differences {
                break;
            }
            for &component in &self.reads.positions[side] {
                let coefficients = self.evaluation.coefficients_along(side, component, pieces);
                each.push(of_half(&coefficients, halves[side]));
                // Of a difference, the derivatives by a source are those by a target, but for the sign.
                if self.reads.differences {
                    each.push(of_half(&coefficients, halves[1]));
                }
            }
        }
        core::array::from_fn(|number| {
            let mut of_nodes: Vec<f64> = each.iter().map(|errors| errors[number]).collect();
            one_after_another(&mut of_nodes, number)
        })
    }

    /// Estimates of the errors of interpolations: on some lines through the boxes, of the coefficients of Chebyshev polynomials that are
    /// left out.
    fn estimates(&mut self, pair: [u32; 2]) -> [f64; ORDER] {
        /// Where lines beside corners are, from the middle.
        const BESIDE: f64 = 0.9;
        let [bound, _] = self.sizes(pair);
        self.place(pair);
        let boxes = self.evaluation.rows.clone();
        let halves = self.halves(pair);
        // Along which axis of which side's box, how far the points of a line are from its middle, how far that is from the middle of
        // the box, and how often it counts. Differences are those of a box of targets, for nodes of either side.
        let mut lines = Vec::new();
        for side in 0..2 {
            for axis in 0..self.reads.dim(side) {
                lines.push(match self.reads.differences {
                    false => (side, axis, halves[side], 0.0, 1.0),
                    true if halves[0] != halves[1] => (0, axis, halves[side], halves[1 - side], 1.0),
                    true if side == 0 => (0, axis, halves[0], halves[1], 2.0),
                    true => continue,
                });
            }
        }
        let mut sums = [0.0; ORDER];
        for (side, axis, half, around, times) in lines {
            let component = self.reads.positions[side][axis];
            let free: Vec<[usize; 2]> = (0..2)
                .flat_map(|side| self.reads.positions[side].iter().map(move |&component| [side, component]))
                .filter(|&place| {
                    place != [side, component] && boxes[place[0]][place[1]].lo() < boxes[place[0]][place[1]].hi()
                })
                .collect();
            let corners = 1_usize << (free.len() + usize::from(around > 0.0));
            let (mut most, mut largest) = ([0.0_f64; ORDER], 0.0_f64);
            // Through the middle, and through all corners: f may be large near one of them only. And beside the corners: where a kink is
            // in a corner, f is smooth along the edges.
            for line in 0..=2 * corners {
                let place = |number: usize| match line.checked_sub(1) {
                    None => 0.0,
                    Some(line) => {
                        let size = if line < corners { 1.0 } else { BESIDE };
                        if ((line % corners) >> number) & 1 == 1 { size } else { -size }
                    }
                };
                for (number, &[of_side, of_row]) in free.iter().enumerate() {
                    let of_box = &boxes[of_side][of_row];
                    let x = 0.5 * (of_box.lo() + of_box.hi()) + 0.5 * (of_box.hi() - of_box.lo()) * place(number);
                    self.evaluation.set(of_side, of_row, x, x);
                }
                self.evaluation.linear_ones();
                let of_axis = &boxes[side][component];
                let middle = 0.5 * (of_axis.lo() + of_axis.hi()) + around * place(free.len());
                let values = self.evaluation.line(side, component, middle, half);
                largest = values.as_slice().iter().flatten().fold(largest, |largest, x| largest.max(x.abs()));
                for c in 0..values[0].len() {
                    let tails = self.evaluation.tails(&values, c);
                    most.iter_mut().zip(tails).for_each(|(most, tail)| *most = most.max(tail));
                }
            }
            // f may be larger elsewhere, and so may errors.
            let scale = times * SAFETY * (bound / (2.0 * largest)).max(1.0);
            let scale = if scale.is_nan() { f64::INFINITY } else { scale };
            sums.iter_mut().zip(most).for_each(|(sum, most)| *sum += scale * most);
        }
        sums.iter_mut().filter(|sum| sum.is_nan()).for_each(|sum| *sum = f64::INFINITY);
        self.evaluation.rows = boxes;
        sums
    }
}

const _: () = assert!(ORDER <= MOST_NODES, "polynomials of a point fit");
