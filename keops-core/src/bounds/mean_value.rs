//! Narrow bounds, by the mean value theorem.
//!
//! Where an operand occurs several times, bounds are those of operands which vary each by itself. The mean value form knows
//! better: for a point c of the box and slopes g on it,
//!
//! ```text
//! f(x) >= f(c) + Σ_d min g_d (x_d - c_d)
//! ```
//!
//! whose error shrinks with the square of the box. For the lower bound, c is where the sum loses least (Baumann 1988): a corner,
//! in all coordinates along which f is monotone, and the sum loses nothing there. What the variables x are depends on the formula:
//!
//! - Of a pair stage that reads nothing but contractions, such as a kernel of a distance, they are the contractions, whose intervals
//!   are as narrow as can be. The pieces where the bound is worst are cut in half a few times.
//! - Else they are the coordinates of the two boxes, and what is free ([`slopes`](super::slopes)).
//!
//! All of this is about exact values; those of an engine differ by the effect of its roundings, which comes with the slopes.
//! For that the intervals have the numbers with and without roundings ([`Rounding::outward`]).

use super::{
    Bounds, Reads, Stage,
    contraction::{contract, contract_rows, error},
    eval::Values,
    interval::{Interval, Rounding, component},
    slopes::{Slope, Slopes},
};
use crate::{
    formula::{ContractionKind, Role},
    number::Scalar,
};

/// Memory for bounds, to be used again and again.
#[derive(Clone, Debug)]
pub struct Scratch<T: Scalar> {
    pub(super) pair: Values<T>,
    stages: [Values<T>; 2],
    of_pair: Slopes,
    of_stages: [Slopes; 2],
    free: Vec<(u32, f64)>,
    point: Vec<f64>,
    prepared: [Vec<f64>; 2],
    pieces: Vec<Piece<T>>,
}

impl<T: Scalar> Default for Scratch<T> {
    fn default() -> Self {
        Self {
            pair: Values::default(),
            stages: [Values::default(), Values::default()],
            of_pair: Slopes::default(),
            of_stages: [Slopes::default(), Slopes::default()],
            free: Vec::new(),
            point: Vec::new(),
            prepared: [Vec::new(), Vec::new()],
            pieces: Vec::new(),
        }
    }
}

/// Which end of an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// No value is less.
    Lower,
    /// No value is larger.
    Upper,
}

impl End {
    /// Whether one bound is narrower than another.
    fn narrower(self, bound: f64, than: f64) -> bool {
        if self == Self::Lower { bound > than } else { bound < than }
    }

    fn of<T: Scalar>(self, interval: Interval<T>) -> f64 {
        if self == Self::Lower { interval.lo } else { interval.hi }
    }
}

/// What a bound loses by the variables so far.
#[derive(Clone, Copy, Debug)]
struct Loss {
    end: End,
    sum: f64,
}

impl Loss {
    fn new(end: End) -> Self {
        Self { end, sum: 0.0 }
    }

    /// The value at which a variable is taken, and adds what the bound loses by it.
    fn take<T: Scalar>(&mut self, slope: Slope, range: Interval<T>) -> f64 {
        let Interval { lo: low, hi: high, .. } = range;
        let Slope { lo, hi } = if self.end == End::Lower { slope } else { slope.negative() };
        if lo >= 0.0 || low == high {
            return low;
        }
        if hi <= 0.0 {
            return high;
        }
        let centre = ((hi * low - lo * high) / (hi - lo)).clamp(low, high);
        self.sum += (lo * (high - centre)).min(hi * (low - centre));
        centre
    }

    /// [`Self::take`] for the numbers of a list that have a value of their own: their places and these values.
    fn take_free<T: Scalar>(&mut self, slopes: &Slopes, values: &Values<T>, free: &mut Vec<(u32, f64)>) {
        let of = |&place: &u32| {
            let number = place as usize;
            (place, self.take(slopes.of[number], values.numbers[number]))
        };
        free.clear();
        free.extend(slopes.free.iter().map(of));
    }

    /// The bound, from the value at the point and the effect of the roundings.
    fn bound<T: Scalar>(self, cx: Rounding<T>, value: f64, error: f64) -> f64 {
        // The value at the point was computed in f64.
        let own = f64::EPSILON / 2.0 / cx.unit.max(f64::EPSILON / 2.0);
        let loss = (error * (1.0 + own) - self.sum) * (1.0 + 1e-12) + 1e-15 * value.abs();
        let bound = match self.end {
            End::Lower => value - loss,
            End::Upper => value + loss,
        };
        // beyond the range of the element type
        let most = T::max_value().as_f64();
        match self.end {
            _ if bound.is_nan() => f64::NEG_INFINITY,
            End::Lower if bound > most => most,
            End::Upper if bound < -most => -most,
            _ => bound,
        }
    }
}

/// The most contractions whose intervals are cut in pieces.
pub(super) const CUT: usize = 3;

/// A piece of the intervals of contractions, with the bound on it.
#[derive(Clone, Copy, Debug)]
struct Piece<T: Scalar> {
    contractions: [Interval<T>; CUT],
    bound: f64,
}

/// An interval without what is beyond a bound; a bound that is not finite says nothing.
fn cut<T: Scalar>(to: &mut Interval<T>, end: End, bound: f64) {
    if !bound.is_finite() {
        return;
    }
    match end {
        End::Lower if bound > to.lo => to.lo = bound.min(to.hi),
        End::Upper if bound < to.hi => to.hi = bound.max(to.lo),
        _ => {}
    }
}

impl<T: Scalar> Bounds<T> {
    fn stages(&self) -> [&Stage; 2] {
        [&self.target, &self.source]
    }

    /// Narrows an end of the bounds that [`Self::pair`] has found, which takes several times as long. Of each component, a
    /// bound beyond the number in `enough` is as good as any; NaN if none is.
    ///
    /// # Panics
    /// As [`Self::pair`].
    #[expect(clippy::too_many_arguments, reason = "those of `pair`, and what is wanted")]
    pub fn narrow(
        &self,
        cx: Rounding<T>,
        parameters: &[Interval<T>],
        target: &[Interval<T>],
        source: &[Interval<T>],
        (end, enough): (End, &[f64]),
        scratch: &mut Scratch<T>,
        to: &mut [Interval<T>],
    ) {
        // An infinite bound is reached already, or never.
        if self.pair.ops.is_empty() || enough.iter().all(|enough| enough.is_infinite()) {
            return;
        }
        let cx = cx.outward();
        let [p, i] = [&self.parameters, &self.target].map(|stage| stage.tape.outputs.len());
        let parameters = &parameters[..p];
        let inputs = &mut scratch.pair.numbers;
        inputs.clear();
        inputs.extend_from_slice(parameters);
        if self.reads == Reads::Contractions {
            let all = self.contractions.iter().enumerate();
            inputs.extend(all.map(|one| contract_rows(cx, one, self.products, [target, source])));
        } else {
            // The stages again: their numbers are read for slopes, and have those without roundings.
            for ((values, row), stage) in scratch.stages.iter_mut().zip([target, source]).zip(self.stages()) {
                let before = if stage.copies { 0 } else { stage.tape.outputs.len() };
                values.numbers.clear();
                values.numbers.extend_from_slice(parameters);
                values.numbers.extend_from_slice(&row[before..][..stage.row]);
                stage.tape.intervals(cx, values);
            }
            for ((values, role), stage) in scratch.stages.iter().zip([Role::Target, Role::Source]).zip(self.stages()) {
                inputs.extend(stage.tape.outputs.iter().enumerate().map(|(number, &place)| Interval {
                    id: component(role, number),
                    ..values.numbers[place as usize]
                }));
            }
            contract(cx, self.contractions, self.products, [p, p + i], inputs);
            // The value at the middle of the boxes may show that no bound is enough.
            if scratch.pair.truths.is_empty() && self.is_beyond(scratch, (end, enough)) {
                return;
            }
            self.pair.intervals(cx, &mut scratch.pair);
        }
        for (c, (to, &enough)) in to.iter_mut().zip(enough).enumerate().take(self.components()) {
            if to.nan || to.lo >= to.hi || !to.size().is_finite() || end.narrower(end.of(*to), enough) {
                continue;
            }
            if self.reads == Reads::Contractions {
                self.by_pieces(cx, c, (end, enough), scratch, to);
            } else if self.slopes_of(cx, c, scratch) && self.by_stages(cx, scratch) {
                self.by_coordinates(cx, c, end, scratch, to);
            }
        }
    }

    /// Whether a value between the ends of the boxes shows, for each component, that no bound is enough.
    fn is_beyond(&self, scratch: &mut Scratch<T>, (end, enough): (End, &[f64])) -> bool {
        let Scratch { pair, stages, point, prepared, .. } = scratch;
        let middle = |x: &Interval<T>| 0.5 * (x.lo + x.hi);
        let p = self.parameters.tape.outputs.len();
        point.clear();
        point.extend(pair.numbers[..p].iter().map(middle));
        for ((values, Stage { tape, .. }), numbers) in stages.iter().zip(self.stages()).zip(prepared.iter_mut()) {
            numbers.clear();
            numbers.extend(values.numbers[..tape.inputs].iter().map(middle));
            tape.at(numbers, values, &[]);
            point.extend(tape.outputs.iter().map(|&place| numbers[place as usize]));
        }
        self.contract_at(point);
        self.pair.at(point, pair, &[]);
        self.pair.outputs.iter().zip(enough).all(|(&place, &enough)| end.narrower(enough, point[place as usize]))
    }

    /// Adds the contractions to the numbers that the pair stage reads at a point.
    fn contract_at(&self, point: &mut Vec<f64>) {
        let p = self.parameters.tape.outputs.len();
        let i = p + self.target.tape.outputs.len();
        for contraction in self.contractions {
            let (u, w) = (&point[p + contraction.target..], &point[i + contraction.source..]);
            let terms = u.iter().zip(w).take(contraction.len).map(|(u, w)| match contraction.kind {
                ContractionKind::Dot => u * w,
                ContractionKind::SquaredDistance => (u - w) * (u - w),
            });
            let sum = terms.sum();
            point.push(sum);
        }
    }

    /// The slopes of what the pair stage reads. False if there are none.
    fn slopes_of(&self, cx: Rounding<T>, c: usize, scratch: &mut Scratch<T>) -> bool {
        let Scratch { pair, of_pair, .. } = scratch;
        of_pair.clear(self.pair.numbers());
        of_pair.of[self.pair.outputs[c] as usize] = Slope::ONE;
        self.pair.slopes(cx, pair, of_pair)
    }

    /// Cuts the bounds of a component, on pieces of the contractions.
    fn by_pieces(
        &self,
        cx: Rounding<T>,
        c: usize,
        (end, enough): (End, f64),
        scratch: &mut Scratch<T>,
        to: &mut Interval<T>,
    ) {
        /// How many pieces are cut in half.
        const CUTS: usize = 6;
        let first = self.pair.inputs - self.contractions.len();
        let mut whole = [Interval::unknown(); CUT];
        let count = self.contractions.len();
        whole[..count].copy_from_slice(&scratch.pair.numbers[first..self.pair.inputs]);
        if !whole[..count].iter().all(|c| c.size().is_finite()) {
            return;
        }
        scratch.pieces.clear();
        let Some(bound) = self.of_piece(cx, c, (end, enough), &whole[..count], scratch) else { return };
        scratch.pieces.push(Piece { contractions: whole, bound });
        for _ in 0..CUTS {
            let worst = |pieces: &[Piece<T>]| {
                (1..pieces.len())
                    .fold(0, |k, other| if end.narrower(pieces[k].bound, pieces[other].bound) { other } else { k })
            };
            let piece = scratch.pieces[worst(&scratch.pieces)];
            if end.narrower(piece.bound, enough) {
                break;
            }
            let length = |k: usize| piece.contractions[k].hi - piece.contractions[k].lo;
            let longest = (1..count).fold(0, |best, k| if length(k) > length(best) { k } else { best });
            let place = worst(&scratch.pieces);
            scratch.pieces.swap_remove(place);
            for half in 0..2 {
                let mut contractions = piece.contractions;
                contractions[longest] = contractions[longest].piece(half, 2);
                let bound = self.of_piece(cx, c, (end, enough), &contractions[..count], scratch);
                let Some(bound) = bound else { return };
                // A part is not worse than the whole.
                let bound = if end.narrower(piece.bound, bound) { piece.bound } else { bound };
                scratch.pieces.push(Piece { contractions, bound });
            }
        }
        let bounds = scratch.pieces.iter().map(|piece| piece.bound);
        let bound = match end {
            End::Lower => bounds.fold(f64::INFINITY, f64::min),
            End::Upper => bounds.fold(f64::NEG_INFINITY, f64::max),
        };
        cut(to, end, bound);
    }

    /// The bound on a piece; `None` if a value shows that no bound is enough.
    fn of_piece(
        &self,
        cx: Rounding<T>,
        c: usize,
        (end, enough): (End, f64),
        contractions: &[Interval<T>],
        scratch: &mut Scratch<T>,
    ) -> Option<f64> {
        let first = self.pair.inputs - contractions.len();
        scratch.pair.numbers.truncate(self.pair.inputs);
        scratch.pair.numbers[first..].copy_from_slice(contractions);
        self.pair.intervals(cx, &mut scratch.pair);
        let place = self.pair.outputs[c] as usize;
        let mut found = scratch.pair.numbers[place];
        if found.nan {
            return None;
        }
        if found.lo < found.hi && !end.narrower(end.of(found), enough) && self.slopes_of(cx, c, scratch) {
            let Scratch { pair, of_pair, free, point, .. } = scratch;
            let mut loss = Loss::new(end);
            point.clear();
            let variables = of_pair.of.iter().zip(&pair.numbers).take(self.pair.inputs);
            point.extend(variables.map(|(&slope, &range)| loss.take(slope, range)));
            loss.take_free(of_pair, pair, free);
            if loss.sum.is_finite() {
                self.pair.at(point, pair, free);
                let value = point[place];
                if free.is_empty() && contractions.len() == 1 && end.narrower(enough, value) {
                    return None;
                }
                cut(&mut found, end, loss.bound(cx, value, of_pair.error));
            }
        }
        Some(end.of(found))
    }

    /// Hands the slopes of what the pair stage reads on to the coordinates. False if there are none.
    fn by_stages(&self, cx: Rounding<T>, scratch: &mut Scratch<T>) -> bool {
        let Scratch { pair, stages, of_pair, of_stages, .. } = scratch;
        if !of_pair.error.is_finite() {
            return false;
        }
        let (p, i) = (self.parameters.tape.outputs.len(), self.target.tape.outputs.len());
        let first = self.pair.inputs - self.contractions.len();
        for (number, contraction) in self.contractions.iter().enumerate() {
            let slope = of_pair.of[first + number];
            if slope.is_zero() {
                continue;
            }
            let mut size = 0.0;
            for d in 0..contraction.len {
                let places = [p + contraction.target + d, p + i + contraction.source + d];
                let [u, w] = places.map(|place| Slope::from(pair.numbers[place]));
                let by = match contraction.kind {
                    ContractionKind::Dot => {
                        size += u.size() * w.size();
                        [slope.times(w), slope.times(u)]
                    }
                    ContractionKind::SquaredDistance => {
                        let difference = u.add(w.negative());
                        size += difference.size() * difference.size();
                        let by = slope.times(difference).scaled(2.0);
                        [by, by.negative()]
                    }
                };
                for (place, by) in places.into_iter().zip(by) {
                    of_pair.of[place] = of_pair.of[place].add(by);
                }
            }
            of_pair.error += slope.size() * error(cx, contraction, self.products, size);
        }
        let mut first = p;
        for ((slopes, values), Stage { tape, .. }) in of_stages.iter_mut().zip(stages.iter()).zip(self.stages()) {
            slopes.clear(tape.numbers());
            for (number, &place) in tape.outputs.iter().enumerate() {
                let sum = &mut slopes.of[place as usize];
                *sum = sum.add(of_pair.of[first + number]);
            }
            if !tape.slopes(cx, values, slopes) {
                return false;
            }
            for number in 0..p {
                of_pair.of[number] = of_pair.of[number].add(slopes.of[number]);
            }
            of_pair.error += slopes.error;
            first += tape.outputs.len();
        }
        of_pair.error.is_finite()
    }

    /// Cuts the bounds of a component by the coordinates.
    fn by_coordinates(&self, cx: Rounding<T>, c: usize, end: End, scratch: &mut Scratch<T>, to: &mut Interval<T>) {
        let Scratch { pair, stages, of_pair, of_stages, free, point, prepared, .. } = scratch;
        let p = self.parameters.tape.outputs.len();
        let mut loss = Loss::new(end);
        point.clear();
        point.extend((0..p).map(|number| loss.take(of_pair.of[number], pair.numbers[number])));
        let stages = stages.iter().zip(of_stages.iter()).zip(self.stages());
        for (((values, slopes), &Stage { ref tape, row: len, .. }), numbers) in stages.zip(prepared.iter_mut()) {
            numbers.clear();
            numbers.extend_from_slice(&point[..p]);
            numbers.extend((p..p + len).map(|number| loss.take(slopes.of[number], values.numbers[number])));
            loss.take_free(slopes, values, free);
            tape.at(numbers, values, free);
            point.extend(tape.outputs.iter().map(|&place| numbers[place as usize]));
        }
        self.contract_at(point);
        loss.take_free(of_pair, pair, free);
        if loss.sum.is_finite() {
            self.pair.at(point, pair, free);
            cut(to, end, loss.bound(cx, point[self.pair.outputs[c] as usize], of_pair.error));
        }
    }
}
