//! Bounds of f on pairs of cells, and of the errors of interpolations.

use std::collections::HashMap;

use super::{Reads, clouds::Clouds};
use crate::{
    bounds::{Along, Bounds, Interval, Rounding, Scratch, SeriesScratch},
    cpu::prepare::Work,
    far::MOST_NODES,
    formula::Role,
    lanes::Vectorized,
};

/// The most nodes along an axis.
const ORDER: usize = 18;

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

/// The times to look a certificate up, to bound f, and to bound a derivative, in pairs that are computed.
const SPENT: [f64; 3] = [3e2, 6e3, 1e5];

/// The certificates of pairs of cells.
pub(super) struct Certificates<'a> {
    bounds: &'a Bounds<f64>,
    pub(super) reads: &'a Reads,
    clouds: &'a Clouds,
    /// Whether errors are bounded, and not estimated.
    certain: bool,
    rounding: Rounding<f64>,
    parameters: Vec<Interval<f64>>,
    /// The box of each side, as a row of all of its variables.
    rows: [Vec<Interval<f64>>; 2],
    /// Whether the least |f| follows from the bounds: what f is linear in are numbers, or each component of f has its own.
    has_least: bool,
    known: HashMap<[i64; 5], Certificate>,
    /// The time that certificates took so far, in pairs that are computed.
    pub(super) spent: f64,
    prepared: [Vec<Interval<f64>>; 2],
    values: Vec<Interval<f64>>,
    scratch: Scratch<f64>,
    series: SeriesScratch<f64>,
    coefficients: Vec<f64>,
}

impl<'a> Certificates<'a> {
    pub(super) fn new<T: Vectorized>(
        bounds: &'a Bounds<f64>,
        work: &Work<'_, T>,
        (reads, clouds): (&'a Reads, &'a Clouds),
        certain: bool,
    ) -> Self {
        let rounding = Rounding::none();
        let points = work.points(Role::Parameter, &[0]);
        let component = |(number, x): (usize, &T)| Interval::component(Role::Parameter, number, x.as_f64(), x.as_f64());
        let of_call: Vec<_> = points.iter().enumerate().map(component).collect();
        let mut parameters = Vec::new();
        bounds.prepare(rounding, Role::Parameter, &[], &of_call, &mut parameters);
        let rows = [(0, Role::Target), (1, Role::Source)].map(|(side, role)| {
            let mut row: Vec<_> =
                (0..reads.widths[side]).map(|number| Interval::component(role, number, 0.0, 0.0)).collect();
            if let Some((_, range)) = &reads.linear[side] {
                let one = range.len() == 1 || side == 1 && reads.diagonal;
                let ends = if one { [1.0, 1.0] } else { [-1.0, 1.0] };
                range.clone().for_each(|number| row[number] = Interval::component(role, number, ends[0], ends[1]));
            }
            row
        });
        let zero = Interval::component(Role::Parameter, 0, 0.0, 0.0);
        Self {
            bounds,
            reads,
            clouds,
            certain,
            rounding,
            parameters,
            rows,
            has_least: reads.components(0) == 1 && (reads.components(1) == 1 || reads.diagonal),
            known: HashMap::new(),
            spent: 0.0,
            prepared: [Vec::new(), Vec::new()],
            values: vec![zero; bounds.components()],
            scratch: Scratch::default(),
            series: SeriesScratch::default(),
            coefficients: Vec::new(),
        }
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

    /// Sets the boxes of a pair of cells. Where only differences are read, all of them are those of a box of targets from one source.
    fn place(&mut self, pair: [u32; 2]) {
        let reaches = [0, 1].map(|side| {
            let cells = &self.clouds.0[side].cells;
            // Points may be outside of their cell by roundings.
            0.5 * cells.edge(cells.cells()[pair[side] as usize].level) * (1.0 + 1e-6)
        });
        for (side, role) in [Role::Target, Role::Source].into_iter().enumerate() {
            let cells = &self.clouds.0[side].cells;
            let centre = cells.centre(&cells.cells()[pair[side] as usize]);
            let reach = match (self.reads.differences, side) {
                (false, _) => reaches[side],
                (true, 0) => reaches[0] + reaches[1],
                (true, _) => 0.0,
            };
            for (&component, centre) in self.reads.positions[side].iter().zip(centre) {
                let reach = if reach == 0.0 { 0.0 } else { reach + centre.abs() * 1e-14 };
                self.rows[side][component] = Interval::component(role, component, centre - reach, centre + reach);
            }
        }
    }

    /// The largest and the least |f| on a pair of cells.
    pub(super) fn sizes(&mut self, pair: [u32; 2]) -> [f64; 2] {
        let key = self.key(pair);
        self.spent += SPENT[0];
        if let Some(known) = self.known.get(&key) {
            return [known.most, known.least];
        }
        self.place(pair);
        self.spent += SPENT[1];
        self.bounds_here();
        // Of a source whose components are alone, the largest may be in any component.
        let every = self.reads.components(1) > 1;
        let (mut most, mut least) = (0.0_f64, if every { f64::INFINITY } else { 0.0 });
        for value in &self.values {
            let size = value.lo().abs().max(value.hi().abs());
            most = most.max(if value.may_be_nan() || size.is_nan() { f64::INFINITY } else { size });
            let of_value = if value.may_be_nan() { 0.0 } else { value.lo().max(-value.hi()).max(0.0) };
            least = if every { least.min(of_value) } else { least.max(of_value) };
        }
        let least = if self.has_least && least.is_finite() { least } else { 0.0 };
        self.known.insert(key, Certificate { most, least, errors: None });
        [most, least]
    }

    /// The largest error of an interpolation by `nodes` nodes along each axis on a pair of cells, whose sizes were asked for: any
    /// larger number where it is above `share`.
    pub(super) fn error(&mut self, pair: [u32; 2], nodes: usize, share: f64) -> f64 {
        /// The most pieces that a side is cut into, and how much smaller an error may become by two pieces instead of one.
        const PIECES: usize = 16;
        const HOPE: f64 = 100.0;
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
        let halves = [0, 1].map(|side| {
            let cells = &self.clouds.0[side].cells;
            0.5 * cells.edge(cells.cells()[pair[side] as usize].level) * (1.0 + 1e-6)
        });
        // of each coordinate, for each number of nodes
        let mut each: Vec<[f64; ORDER]> = Vec::new();
        for (side, role) in [Role::Target, Role::Source].into_iter().enumerate() {
            if side == 1 && self.reads.differences {
                break;
            }
            for axis in 0..self.reads.dim(side) {
                let component = self.reads.positions[side][axis];
                let coefficients = self.coefficients_along(role, component, pieces);
                // |f - p(f)| <= 2 (h / 2)^p max |f^(p)| / p! for the Chebyshev nodes of an interval of half length h
                let mut of_half = |half: f64| {
                    let mut power = 2.0;
                    each.push(coefficients.map(|coefficient| {
                        power *= 0.5 * half;
                        power * coefficient
                    }));
                };
                of_half(halves[side]);
                // Of a difference, the derivatives by a source are those by a target, but for the sign.
                if self.reads.differences {
                    of_half(halves[1]);
                }
            }
        }
        core::array::from_fn(|number| {
            let mut of_nodes: Vec<f64> = each.iter().map(|errors| errors[number]).collect();
            of_nodes.sort_unstable_by(|a, b| b.total_cmp(a));
            // What is interpolated along an axis is f interpolated along those before it, which is larger by this factor at most.
            let lebesgue = 1.0 + core::f64::consts::FRAC_2_PI * (number as f64 + 2.0).ln();
            let sum = of_nodes.iter().rev().fold(0.0, |sum, error| sum * lebesgue + error);
            if sum.is_nan() { f64::INFINITY } else { sum }
        })
    }

    /// Estimates of the errors of interpolations: on some lines through the boxes, of the coefficients of Chebyshev polynomials that are
    /// left out.
    fn estimates(&mut self, pair: [u32; 2]) -> [f64; ORDER] {
        /// More than there are nodes, so that the next coefficients are seen.
        const POINTS: usize = ORDER + 6;
        const SAFETY: f64 = 4.0;
        let [bound, _] = self.sizes(pair);
        self.place(pair);
        let boxes = self.rows.clone();
        let halves = [0, 1].map(|side| {
            let cells = &self.clouds.0[side].cells;
            0.5 * cells.edge(cells.cells()[pair[side] as usize].level)
        });
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
        let angle = |point: usize| (2 * point + 1) as f64 * core::f64::consts::PI / (2 * POINTS) as f64;
        // the polynomials of degree n + 1 at the points
        let waves: [[f64; POINTS]; POINTS - 1] =
            core::array::from_fn(|n| core::array::from_fn(|point| ((n + 1) as f64 * angle(point)).cos()));
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
            // Through the middle, and through all corners: f may be large near one of them only.
            for line in 0..=corners {
                let place = |number: usize| match line {
                    0 => 0.0,
                    _ if (line - 1) >> number & 1 == 1 => 1.0,
                    _ => -1.0,
                };
                for (number, &[of_side, of_row]) in free.iter().enumerate() {
                    let of_box = &boxes[of_side][of_row];
                    let x = 0.5 * (of_box.lo() + of_box.hi()) + 0.5 * (of_box.hi() - of_box.lo()) * place(number);
                    let role = if of_side == 0 { Role::Target } else { Role::Source };
                    self.rows[of_side][of_row] = Interval::component(role, of_row, x, x);
                }
                self.linear_ones();
                let of_axis = &boxes[side][component];
                let middle = 0.5 * (of_axis.lo() + of_axis.hi()) + around * place(free.len());
                let mut values = Vec::with_capacity(POINTS);
                for point in 0..POINTS {
                    let x = middle + half * angle(point).cos();
                    let role = if side == 0 { Role::Target } else { Role::Source };
                    self.rows[side][component] = Interval::component(role, component, x, x);
                    let of_point = self.values_here();
                    largest = of_point.iter().fold(largest, |largest, x| largest.max(x.abs()));
                    values.push(of_point);
                }
                for c in 0..self.values.len() {
                    let mut rest = 0.0;
                    for (n, waves) in waves.iter().enumerate().rev() {
                        let terms = values.iter().zip(waves).map(|(row, wave)| row[c] * wave);
                        rest += 2.0 / POINTS as f64 * terms.sum::<f64>().abs();
                        if n < ORDER {
                            most[n] = if rest.is_nan() { f64::INFINITY } else { most[n].max(rest) };
                        }
                    }
                }
            }
            // f may be larger elsewhere, and so may errors.
            let scale = times * SAFETY * (bound / (2.0 * largest)).max(1.0);
            let scale = if scale.is_nan() { f64::INFINITY } else { scale };
            sums.iter_mut().zip(most).for_each(|(sum, most)| *sum += scale * most);
        }
        sums.iter_mut().filter(|sum| sum.is_nan()).for_each(|sum| *sum = f64::INFINITY);
        self.rows = boxes;
        sums
    }

    /// Sets what f is linear in to 1.
    fn linear_ones(&mut self) {
        for (side, role) in [Role::Target, Role::Source].into_iter().enumerate() {
            if let Some((_, range)) = &self.reads.linear[side] {
                range.clone().for_each(|number| self.rows[side][number] = Interval::component(role, number, 1.0, 1.0));
            }
        }
    }

    /// The values of f at a point: the boxes that are set have no size.
    fn values_here(&mut self) -> Vec<f64> {
        self.spent += SPENT[1];
        self.bounds_here();
        self.values
            .iter()
            .map(|value| if value.may_be_nan() { f64::NAN } else { 0.5 * (value.lo() + value.hi()) })
            .collect()
    }

    /// Bounds of f on the boxes that are set.
    fn bounds_here(&mut self) {
        let (cx, bounds) = (self.rounding, self.bounds);
        let [target, source] = &mut self.prepared;
        bounds.prepare(cx, Role::Target, &self.parameters, &self.rows[0], target);
        bounds.prepare(cx, Role::Source, &self.parameters, &self.rows[1], source);
        bounds.pair(cx, &self.parameters, target, source, &mut self.scratch, &mut self.values);
    }

    /// The largest coefficients of the series along a coordinate, on the boxes that are set.
    fn coefficients_along(&mut self, role: Role, component: usize, pieces: usize) -> [f64; ORDER] {
        let side = usize::from(role == Role::Source);
        let whole = self.rows[side][component];
        let mut most = [0.0_f64; ORDER];
        // Pieces overlap, so that what is not smooth where two of them meet is so inside of one.
        const OVERLAP: f64 = 1e-3;
        for piece in 0..pieces {
            let end = |k: f64| {
                let end = whole.lo() + (whole.hi() - whole.lo()) * k / pieces as f64;
                end.clamp(whole.lo(), whole.hi())
            };
            let ends = [piece as f64 - OVERLAP, piece as f64 + 1.0 + OVERLAP].map(end);
            self.rows[side][component] = Interval::component(role, component, ends[0], ends[1]);
            let along = Along { role, component, order: ORDER };
            let (bounds, rows) = (self.bounds, [&self.rows[0][..], &self.rows[1][..]]);
            self.spent += SPENT[2];
            let to = &mut self.coefficients;
            bounds.coefficients(self.rounding, along, &self.parameters, rows, &mut self.series, to);
            most.iter_mut().zip(&*to).for_each(|(most, &coefficient)| *most = most.max(coefficient));
        }
        self.rows[side][component] = whole;
        most
    }
}

const _: () = assert!(ORDER <= MOST_NODES, "polynomials of a point fit");
