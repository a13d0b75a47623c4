//! The comparison of results and derivatives where there are no finite differences: at equal points and other kinks, with weights
//! of 0, with a large common part. The derivatives are those of the oracle, and their bounds follow from the rounding of each of its
//! operations: a difference of numbers that both types have costs no more than its own rounding.

use anyhow::{Result, bail, ensure};
use fastrand::Rng;
use keops::Device;
use keops_compiler::{
    oracle::{Category, Formula, Known, Slope},
    reduction::Reduction,
};

use crate::{
    Derivative, Seen, Subject,
    derivatives::Directions,
    partials::{Partial, partials, softmax},
    points::{Kind, Points, SPECIAL, count},
    reduce::{Expected, Row, expected, pair, sides},
    values::{self, epsilon, narrow, wide},
};

/// The numbers of i and j, which are no multiples of lanes.
const SHAPE: (usize, usize) = (9, 13);
/// The most components of a gradient that are compared. A gradient of no more components is searched for NaN as well.
const COMPONENTS: usize = 10;
/// The most components of the gradient of a parameter that are compared: each of them takes all pairs.
const OF_PARAMETERS: usize = 3;
/// The number of times that a derivative is computed with other roundings.
const ROUNDED: usize = 2;

pub(crate) fn check<S: Subject>(formula: &Formula, rng: &mut Rng, cuda: bool, seen: &mut Seen) -> Result<()> {
    for kind in SPECIAL {
        let rounds = if matches!(kind, Kind::Coincident | Kind::Lattice) { 2 } else { 1 };
        for _ in 0..rounds {
            let points = Points::of(kind, rng, formula, SHAPE);
            at::<S>(formula, &points, rng, cuda, seen).map_err(|error| error.context(format!("{kind:?}")))?;
        }
    }
    Ok(())
}

fn at<S: Subject>(formula: &Formula, points: &Points, rng: &mut Rng, cuda: bool, seen: &mut Seen) -> Result<()> {
    let expected = expected(formula, points);
    values::at::<S>(formula, points, &expected, cuda, seen)?;
    if S::ORDER == 0 {
        return Ok(());
    }
    let device = if cuda { Device::Cuda(0) } else { Device::Cpu };
    let oracle = Oracle::new(formula, points, &expected);
    let directions = Directions::new(formula, rng, points)?;
    for (k, (name, ..)) in formula.variables().enumerate() {
        let arguments = directions.arguments(points, k);
        let found = Found::new::<S>(k, &arguments, device)?;
        oracle.gradient(&found, &directions, k, rng, seen).map_err(|error| error.context(format!("by {name}")))?;
        oracle.change(&found, &directions, k, rng, seen).map_err(|error| error.context(format!("by {name}")))?;
        if S::ORDER > 1 {
            oracle
                .second(
                    |arguments| Ok(S::second(Derivative::JvpOfVjp(k), arguments, device)?),
                    &directions,
                    k,
                    rng,
                    seen,
                )
                .map_err(|error| error.context(format!("by {name}, second order")))?;
        }
    }
    Ok(())
}

/// The derivatives by a variable: in `f64`, in `f32`, and with those by all others.
#[derive(Default)]
pub(crate) struct Found {
    /// The name of each derivative, its precision, and its numbers.
    pub(crate) gradients: Vec<(&'static str, f64, Vec<f64>)>,
    pub(crate) changes: Vec<(&'static str, f64, Vec<f64>)>,
}

impl Found {
    fn new<S: Subject>(k: usize, arguments: &[Vec<f64>], device: Device) -> Result<Self> {
        let (double, single) = (epsilon::<f64>(), epsilon::<f32>());
        let (vjp, jvp) = (Derivative::Vjp(k), Derivative::Jvp(k));
        let narrow = narrow(arguments);
        let in_single = |of| Ok::<_, keops::Error>(wide(&S::derivative::<f32>(of, &narrow, device)?));
        Ok(Self {
            gradients: vec![
                ("gradient", double, S::derivative::<f64>(vjp, arguments, device)?),
                ("gradient with the others", double, S::gradients(arguments, device)?.swap_remove(k)),
                ("gradient in f32", single, in_single(vjp)?),
            ],
            changes: vec![
                ("tangent", double, S::derivative::<f64>(jvp, arguments, device)?),
                ("tangent in f32", single, in_single(jvp)?),
            ],
        })
    }
}

/// A derivative, with the bound of its rounding error as a multiple of the precision of the elements.
#[derive(Clone, Copy, Debug)]
struct Sum {
    value: f64,
    error: f64,
    size: f64,
    known: Known,
    distance: f64,
}

impl Sum {
    fn new() -> Self {
        Sum { value: 0.0, error: 0.0, size: 0.0, known: Known::Second, distance: f64::INFINITY }
    }

    /// Adds a slope times a factor and a weight. Slope and factor have a bound of their errors each.
    fn add(&mut self, weight: f64, (factor, lost): (f64, f64), (slope, off): (f64, f64)) {
        let part = weight * factor * slope;
        self.value += part;
        self.size += part.abs();
        for (a, b) in [(factor, off), (lost, slope)] {
            self.error += if a == 0.0 || b == 0.0 { 0.0 } else { (weight * a * b).abs() };
        }
    }
}

/// The derivatives of a component along a direction, and how far rounding moves each.
type Jet = (Slope, [f64; 2]);

/// The terms and the partial derivatives of all pairs.
pub(crate) struct Oracle<'a> {
    formula: &'a Formula,
    points: &'a Points,
    expected: &'a Expected,
    /// The partial derivatives of each target; `None` where its result is undefined, or its selection is not known.
    partials: Vec<Option<Vec<Partial>>>,
    width: usize,
}

impl<'a> Oracle<'a> {
    pub(crate) fn new(formula: &'a Formula, points: &'a Points, expected: &'a Expected) -> Self {
        let partials = expected.rows.iter().map(|row| partials(formula, points, row, expected.rounding)).collect();
        Oracle { formula, points, expected, partials, width: expected.rows[0].values.len() }
    }

    /// The derivatives of f and of the weight at a pair.
    fn jets(&self, (target, source): (usize, usize), tangents: &[Vec<f64>], rng: &mut Rng) -> [Vec<Jet>; 2] {
        let at = pair(self.formula, target, source);
        let rows = self.points.pair(self.formula, at);
        let moved = Points { shape: self.points.shape, rows: tangents.to_vec() }.pair(self.formula, at);
        let exact = self.formula.slopes(&rows, &moved, || 0.0);
        let mut jets = exact.map(|slopes| slopes.into_iter().map(|slope| (slope, [0.0_f64; 2])).collect::<Vec<Jet>>());
        let unit = epsilon::<f32>();
        for _ in 0..ROUNDED {
            let rounded = self.formula.slopes(&rows, &moved, || unit * (2.0 * rng.f64() - 1.0));
            for ((slope, off), rounded) in jets.iter_mut().flatten().zip(rounded.into_iter().flatten()) {
                let changes = [slope.first - rounded.first, slope.second - rounded.second];
                for (off, change) in off.iter_mut().zip(changes) {
                    *off = if change.is_nan() { f64::INFINITY } else { off.max(8.0 * change.abs() / unit) };
                }
            }
        }
        jets
    }

    /// The pairs that a row of a variable is in.
    fn pairs(&self, category: Category, row: usize) -> Vec<(usize, usize)> {
        let (targets, sources) = sides(self.formula, self.points.shape);
        let over = self.formula.over();
        match category {
            Category::P => (0..targets).flat_map(|t| (0..sources).map(move |s| (t, s))).collect(),
            _ if category == over => (0..targets).map(|t| (t, row)).collect(),
            _ => (0..sources).map(|s| (row, s)).collect(),
        }
    }

    /// Adds the change of the result by a pair, for these weights of its numbers.
    fn add(
        &self,
        sum: &mut [Sum],
        at: (usize, usize),
        tangents: &[Vec<f64>],
        rng: &mut Rng,
        into: impl Fn(usize) -> (usize, f64),
    ) {
        let (target, source) = at;
        let none = |sum: &mut Sum| sum.known = Known::Nothing;
        let Some(partials) = &self.partials[target] else {
            return sum.iter_mut().for_each(none);
        };
        // minima are differentiated at the pairs that they select, and at no others
        let mut partials = partials.iter().filter(|partial| partial.source == source).peekable();
        if partials.peek().is_none() {
            return;
        }
        let jets = self.jets(at, tangents, rng);
        for partial in partials {
            let (slope, off) = jets[partial.input][partial.component];
            let (place, weight) = into(partial.out);
            let sum = &mut sum[place];
            sum.add(weight, (partial.value, partial.error), (slope.first, off[0]));
            sum.known = sum.known.min(slope.known);
        }
        let distance = self.expected.rows[target].distance;
        sum.iter_mut().for_each(|sum| sum.distance = sum.distance.min(distance));
    }

    /// Compares components of the gradient by variable k.
    pub(crate) fn gradient(
        &self,
        found: &Found,
        directions: &Directions,
        k: usize,
        rng: &mut Rng,
        seen: &mut Seen,
    ) -> Result<()> {
        let Some((_, category, dim)) = self.formula.variables().nth(k) else { bail!("no variable {k}") };
        let len = count(category, self.points.shape) * dim;
        for (what, _, numbers) in &found.gradients {
            ensure!(numbers.len() == len, "the {what} has {} numbers and not {len}", numbers.len());
        }
        let mut places: Vec<usize> = (0..len).collect();
        rng.shuffle(&mut places);
        places.truncate(if category == Category::P { OF_PARAMETERS } else { COMPONENTS });
        // first the components that show a fault
        let odd = |at: &usize| found.gradients.iter().any(|(.., numbers)| !numbers[*at].is_finite());
        let suspects: Vec<usize> = (0..len).filter(odd).collect();
        let mut tangents = self.still();
        for at in suspects.into_iter().chain(places) {
            tangents[k][at] = 1.0;
            let mut sum = [Sum::new()];
            for (target, source) in self.pairs(category, at / dim) {
                let e = &directions.cotangent[target * self.width..];
                self.add(&mut sum, (target, source), &tangents, rng, |out| (0, e[out]));
            }
            tangents[k][at] = 0.0;
            for (what, epsilon, numbers) in &found.gradients {
                self.judge(&sum[0], numbers[at], *epsilon, seen)
                    .map_err(|e| e.context(format!("number {at} of the {what}")))?;
            }
        }
        Ok(())
    }

    fn still(&self) -> Vec<Vec<f64>> {
        self.points.rows.iter().map(|rows| vec![0.0; rows.len()]).collect()
    }

    /// Compares the change of the result as variable k moves along its tangent.
    pub(crate) fn change(
        &self,
        found: &Found,
        directions: &Directions,
        k: usize,
        rng: &mut Rng,
        seen: &mut Seen,
    ) -> Result<()> {
        let (targets, sources) = sides(self.formula, self.points.shape);
        let mut tangents = self.still();
        tangents[k].clone_from(&directions.tangents[k]);
        for target in 0..targets {
            let mut sums = vec![Sum::new(); self.width];
            (0..sources).for_each(|source| self.add(&mut sums, (target, source), &tangents, rng, |out| (out, 1.0)));
            for (out, sum) in sums.iter().enumerate() {
                for (what, epsilon, numbers) in &found.changes {
                    self.judge(sum, numbers[target * self.width + out], *epsilon, seen)
                        .map_err(|e| e.context(format!("number {out} of row {target} of the {what}")))?;
                }
            }
        }
        Ok(())
    }

    fn judge(&self, sum: &Sum, found: f64, epsilon: f64, seen: &mut Seen) -> Result<()> {
        let near = sum.distance < 64.0 * epsilon * (1.0 + self.expected.rounding());
        let beyond = epsilon > 1e-10 && sum.size > 1e35;
        if sum.known == Known::Nothing || near || beyond || !sum.size.is_finite() {
            return Ok(());
        }
        let Sum { value, error, size, .. } = *sum;
        ensure!(found.is_finite(), "is {found} and not {value:e}");
        seen.kinks += 1;
        let wide = self.formula.variables().any(|(.., dim)| dim >= 16);
        let error = if wide { 8.0 * (error + size) } else { error };
        let allowed = (epsilon * (error + size + 1.0)).max(1e-10 * size);
        ensure!(
            sum.known < Known::First || (found - value).abs() <= allowed || allowed.is_nan(),
            "is {found:e} and not {value:e}: off by {:e} where {allowed:e} is allowed",
            (found - value).abs()
        );
        Ok(())
    }

    /// Compares the change of the gradient by variable k along a tangent of one of its rows, times that tangent.
    pub(crate) fn second(
        &self,
        change: impl Fn(&[Vec<f64>]) -> Result<Vec<f64>>,
        directions: &Directions,
        k: usize,
        rng: &mut Rng,
        seen: &mut Seen,
    ) -> Result<()> {
        let Some((_, category, dim)) = self.formula.variables().nth(k) else { bail!("no variable {k}") };
        let rows = count(category, self.points.shape);
        for row in 0..rows {
            let range = row * dim..(row + 1) * dim;
            let mut tangents = self.still();
            tangents[k][range.clone()].copy_from_slice(&directions.tangents[k][range.clone()]);
            let mut arguments = directions.arguments(self.points, k);
            let last = arguments.len() - 1;
            arguments[last].clone_from(&tangents[k]);
            let found = change(&arguments)?;
            let Some(sum) = self.curvature(directions, category, row, &tangents, rng) else { continue };
            if sum.known == Known::Nothing || sum.distance < 64.0 * epsilon::<f64>() * (1.0 + self.expected.rounding())
            {
                continue;
            }
            seen.kinks += 1;
            let own = &found[range.clone()];
            ensure!(own.iter().all(|x| x.is_finite()), "row {row} is {own:?}");
            let found: f64 = own.iter().zip(&tangents[k][range]).map(|(a, b)| a * b).sum();
            let allowed = (epsilon::<f64>() * sum.error).max(1e-8 * sum.size) + epsilon::<f64>();
            ensure!(
                sum.known < Known::Second || (found - sum.value).abs() <= allowed || allowed.is_nan(),
                "along row {row} it is {found:e} and not {:e}: off by {:e} where {allowed:e} is allowed",
                sum.value,
                (found - sum.value).abs()
            );
        }
        Ok(())
    }

    /// The second derivative of ⟨e, a⟩ along a tangent of one row.
    fn curvature(
        &self,
        directions: &Directions,
        category: Category,
        row: usize,
        tangents: &[Vec<f64>],
        rng: &mut Rng,
    ) -> Option<Sum> {
        let mut sum = Sum::new();
        let mut pairs = self.pairs(category, row);
        pairs.sort_unstable();
        for pairs in pairs.chunk_by(|a, b| a.0 == b.0) {
            let target = pairs[0].0;
            let e = &directions.cotangent[target * self.width..(target + 1) * self.width];
            let (partials, row) = (self.partials[target].as_ref()?, &self.expected.rows[target]);
            sum.distance = sum.distance.min(row.distance);
            // terms that do not move have slopes of 0
            let mut jets: Vec<Option<[Vec<Jet>; 2]>> = vec![None; row.terms.len()];
            for &at in pairs {
                if partials.iter().any(|partial| partial.source == at.1) {
                    jets[at.1] = Some(self.jets(at, tangents, rng));
                }
            }
            let at = |source: usize, input: usize, c: usize| match &jets[source] {
                Some(jets) => jets[input].get(c).copied().unwrap_or_default(),
                None => Jet::default(),
            };
            // Σ of the partials times the second derivatives, for every reduction
            for partial in partials {
                let (slope, off) = at(partial.source, partial.input, partial.component);
                sum.add(e[partial.out], (partial.value, partial.error), (slope.second, off[1]));
                sum.known = sum.known.min(slope.known);
            }
            if self.formula.reduction().reduction.is_exponential() {
                for (out, &e) in e.iter().enumerate() {
                    self.bend(row, partials, out, &at).into_iter().for_each(|part| sum.add(e, (1.0, 1e3), (part, 0.0)));
                }
            }
        }
        Some(sum)
    }

    /// The part of the second derivatives of an exponential reduction besides those of its terms: with r_s = w_s (g_s f_s' + g_s')
    /// for the normalised w, Σ w (g f'² + 2 f' g') - (Σ r)² of a logarithm, and Σ p (f' - mean f') ((g - a) f' + 2 g') of a mean,
    /// less a' Σ p f'.
    fn bend(&self, row: &Row, partials: &[Partial], out: usize, at: &dyn Fn(usize, usize, usize) -> Jet) -> Vec<f64> {
        let mine: Vec<&Partial> = partials.iter().filter(|partial| partial.out == out).collect();
        let mut parts = Vec::new();
        let weighted = self.formula.dims().len() > 1;
        let first =
            |source: usize, input: usize| at(source, input, if input == 0 && weighted { 0 } else { out }).0.first;
        let changed: f64 = mine.iter().map(|p| p.value * first(p.source, p.input)).sum();
        if self.formula.reduction().reduction == Reduction::LogSumExp {
            for p in &mine {
                let (f, other) = (first(p.source, 0), first(p.source, p.input));
                parts.push(p.value * f * if p.input == 0 { f } else { 2.0 * other });
            }
            parts.push(-changed * changed);
        } else {
            let weights = softmax(row, 0);
            let mean: f64 = weights.iter().enumerate().map(|(source, p)| p * first(source, 0)).sum();
            for p in &mine {
                let (f, other) = (first(p.source, 0) - mean, first(p.source, p.input));
                parts.push(p.value * other * if p.input == 0 { f } else { f + first(p.source, 0) });
            }
            parts.push(-changed * mean);
        }
        parts
    }
}
