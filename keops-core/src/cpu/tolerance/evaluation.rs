//! f, and its derivatives, on boxes and at points.

use super::{Reads, certificates::ORDER};
use crate::{
    bounds::{Along, Bounds, Interval, PointScratch, Rounding, Scratch, SeriesScratch},
    cpu::prepare::Work,
    formula::Role,
    lanes::Vectorized,
};

/// The times to bound f, to bound a derivative, and to compute f, in pairs that are computed.
const SPENT: [f64; 3] = [6e3, 1e5, 1e3];

/// How many points of a line an estimate takes: more than there are nodes, so that the next coefficients are seen.
pub(super) const POINTS: usize = ORDER + 6;

/// The roles of both sides.
pub(super) const ROLES: [Role; 2] = [Role::Target, Role::Source];

/// f on boxes that are set component by component.
pub(super) struct Evaluation<'a> {
    bounds: &'a Bounds<f64>,
    reads: &'a Reads,
    rounding: Rounding<f64>,
    parameters: Vec<Interval<f64>>,
    parameters_at: Vec<f64>,
    /// The box of each side, as a row of all of its variables.
    pub(super) rows: [Vec<Interval<f64>>; 2],
    /// The time that was spent so far, in pairs that are computed.
    pub(super) spent: f64,
    prepared: [Vec<Interval<f64>>; 2],
    values: Vec<Interval<f64>>,
    at: [Vec<f64>; 2],
    points: PointScratch,
    scratch: Scratch<f64>,
    series: SeriesScratch<f64>,
    coefficients: Vec<f64>,
    /// The Chebyshev polynomials of degree n + 1 at the points of a line.
    waves: Vec<[f64; POINTS]>,
}

/// The angle of a point of a line, whose place is the cosine.
pub(super) fn angle(point: usize) -> f64 {
    (2 * point + 1) as f64 * core::f64::consts::PI / (2 * POINTS) as f64
}

impl<'a> Evaluation<'a> {
    /// With what f is linear in of size 1.
    pub(super) fn new<T: Vectorized>(bounds: &'a Bounds<f64>, work: &Work<'_, T>, reads: &'a Reads) -> Self {
        let rounding = Rounding::none();
        let points = work.points(Role::Parameter, &[0]);
        let component = |(number, x): (usize, &T)| Interval::component(Role::Parameter, number, x.as_f64(), x.as_f64());
        let of_call: Vec<_> = points.iter().enumerate().map(component).collect();
        let mut parameters = Vec::new();
        bounds.prepare(rounding, Role::Parameter, &[], &of_call, &mut parameters);
        let of_call: Vec<f64> = points.iter().map(|x| x.as_f64()).collect();
        let rows = [0, 1].map(|side| {
            let role = ROLES[side];
            let reference = reads.reference[side].iter().enumerate();
            let mut row: Vec<_> = reference.map(|(number, &x)| Interval::component(role, number, x, x)).collect();
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
            rounding,
            parameters,
            parameters_at: bounds.parameters_at(&of_call),
            rows,
            spent: 0.0,
            prepared: [Vec::new(), Vec::new()],
            values: vec![zero; bounds.components()],
            at: [Vec::new(), Vec::new()],
            points: PointScratch::default(),
            scratch: Scratch::default(),
            series: SeriesScratch::default(),
            coefficients: Vec::new(),
            waves: (1..POINTS).map(|n| core::array::from_fn(|point| (n as f64 * angle(point)).cos())).collect(),
        }
    }

    /// Sets a component of a side's row.
    pub(super) fn set(&mut self, side: usize, component: usize, lo: f64, hi: f64) {
        self.rows[side][component] = Interval::component(ROLES[side], component, lo, hi);
    }

    /// Sets a coordinate of a side's position.
    pub(super) fn set_axis(&mut self, side: usize, axis: usize, lo: f64, hi: f64) {
        self.set(side, self.reads.positions[side][axis], lo, hi);
    }

    /// Sets what f is linear in to 1.
    pub(super) fn linear_ones(&mut self) {
        for side in 0..2 {
            if let Some((_, range)) = &self.reads.linear[side] {
                range.clone().for_each(|number| self.set(side, number, 1.0, 1.0));
            }
        }
    }

    /// The values of f at a point: the boxes that are set have no size.
    pub(super) fn values_here(&mut self) -> Vec<f64> {
        self.spent += SPENT[2];
        for (at, row) in self.at.iter_mut().zip(&self.rows) {
            at.clear();
            at.extend(row.iter().map(|x| x.lo()));
        }
        let mut values = Vec::new();
        let rows = self.at.each_ref().map(|row| &row[..]);
        self.bounds.at_point(&self.parameters_at, rows, &mut self.points, &mut values);
        values.truncate(self.reads.block.end);
        values.drain(..self.reads.block.start);
        values
    }

    /// Bounds of the components of f on the boxes that are set.
    pub(super) fn bounds_here(&mut self) -> &[Interval<f64>] {
        self.spent += SPENT[0];
        let (cx, bounds) = (self.rounding, self.bounds);
        let [target, source] = &mut self.prepared;
        bounds.prepare(cx, Role::Target, &self.parameters, &self.rows[0], target);
        bounds.prepare(cx, Role::Source, &self.parameters, &self.rows[1], source);
        bounds.pair(cx, &self.parameters, target, source, &mut self.scratch, &mut self.values);
        &self.values[self.reads.block.clone()]
    }

    /// The largest and the least |f| of each component on the boxes that are set.
    pub(super) fn sizes_here(&mut self) -> impl Iterator<Item = [f64; 2]> + '_ {
        self.bounds_here().iter().map(|value| {
            let size = value.lo().abs().max(value.hi().abs());
            let most = if value.may_be_nan() || size.is_nan() { f64::INFINITY } else { size };
            [most, if value.may_be_nan() { 0.0 } else { value.lo().max(-value.hi()).max(0.0) }]
        })
    }

    /// The values of f on a line: for each of its points, those of all components. The other boxes that are set have no size.
    pub(super) fn line(&mut self, side: usize, component: usize, middle: f64, half: f64) -> Vec<Vec<f64>> {
        let points = (0..POINTS).map(|point| {
            let x = middle + half * angle(point).cos();
            self.set(side, component, x, x);
            self.values_here()
        });
        points.collect()
    }

    /// Of a component of the values on a line, the sums of its coefficients from number p on, for each number p of nodes.
    pub(super) fn tails(&self, line: &[Vec<f64>], component: usize) -> [f64; ORDER] {
        let (mut rest, mut tails) = (0.0, [0.0; ORDER]);
        for (n, wave) in self.waves.iter().enumerate().rev() {
            let terms = line.iter().zip(wave).map(|(values, wave)| values[component] * wave);
            rest += 2.0 / POINTS as f64 * terms.sum::<f64>().abs();
            if n < ORDER {
                tails[n] = if rest.is_nan() { f64::INFINITY } else { rest };
            }
        }
        tails
    }

    /// The largest coefficients of the series of any component along a coordinate, on the boxes that are set.
    pub(super) fn coefficients_along(&mut self, side: usize, component: usize, pieces: usize) -> [f64; ORDER] {
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
            self.set(side, component, ends[0], ends[1]);
            let along = Along { role: ROLES[side], component, order: ORDER };
            let rows = [&self.rows[0][..], &self.rows[1][..]];
            self.spent += SPENT[1];
            let to = &mut self.coefficients;
            self.bounds.coefficients(self.rounding, along, &self.parameters, rows, &mut self.series, to);
            most.iter_mut().zip(&*to).for_each(|(most, &coefficient)| *most = most.max(coefficient));
        }
        self.rows[side][component] = whole;
        most
    }
}

/// Bounds of the errors of interpolations in an interval of half length `half`, for each number of nodes, from those of the
/// coefficients of the series: |f - p(f)| <= 2 (h / 2)^p max |f^(p)| / p! for p Chebyshev nodes.
pub(super) fn of_half(coefficients: &[f64; ORDER], half: f64) -> [f64; ORDER] {
    let mut power = 2.0;
    coefficients.map(|coefficient| {
        power *= 0.5 * half;
        power * coefficient
    })
}

/// The error of interpolations along several axes by `number` + 1 nodes, of which these are the errors: what is interpolated along an
/// axis is f interpolated along those before it, which is larger by the Lebesgue constant at most.
pub(super) fn one_after_another(errors: &mut [f64], number: usize) -> f64 {
    errors.sort_unstable_by(|a, b| b.total_cmp(a));
    let lebesgue = 1.0 + core::f64::consts::FRAC_2_PI * (number as f64 + 2.0).ln();
    let sum = errors.iter().rev().fold(0.0, |sum, error| sum * lebesgue + error);
    if sum.is_nan() { f64::INFINITY } else { sum }
}
