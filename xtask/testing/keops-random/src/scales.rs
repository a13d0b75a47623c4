//! Formulas of numbers with units, at magnitudes near the ends of the range of their type: a change of units multiplies
//! the result and its derivatives by powers of 2, and nothing else.

use std::borrow::Cow;

use anyhow::Result;
use fastrand::Rng;
use keops::{Device, Element};
use keops_compiler::oracle::Formula;

use crate::{
    Derivative, Outcome, Seen, Subject,
    derivatives::Directions,
    points::{Kind, Points},
    reduce::{Expected, expected},
    special::{Found, Oracle},
    values::{compare, epsilon, narrow, wide},
};

/// The powers of two basic units in a value.
pub type Unit = [i32; 2];

/// The units of a formula.
#[derive(Clone, Debug)]
pub struct Units {
    /// The units of the variables.
    pub variables: Cow<'static, [Unit]>,
    /// The units of the values that are made of the variables; the last is the unit of the result.
    pub parts: Cow<'static, [Unit]>,
    /// The units of vectors whose lengths are taken as roots of squares, and of divisors: for both the language promises a smaller
    /// range.
    pub lengths: Cow<'static, [Unit]>,
}

/// The values of the two units, as binary exponents in `f32`, and times 8 in `f64`: 1e-30, 1e-25, 1e-20, 1e-15, 1, 1e15,
/// 4e19, 1e25 and 1e30. The squares of most of them are beyond the range.
const EXPONENTS: [i32; 9] = [-100, -83, -66, -50, 0, 50, 65, 83, 100];
/// The range of all computed values, which leaves room for the factors that do not depend on the units.
const LARGEST: i32 = 105;
/// The range of lengths, and the smaller one for second derivatives, which have the cubes of their inverses.
const LENGTHS: [i32; 2] = [52, 32];
const SHAPE: (usize, usize) = (5, 19);
const ROUNDS: usize = 6;

pub(crate) fn check<S: Subject>(formula: &Formula, rng: &mut Rng, cuda: bool, seen: &mut Seen) -> Result<()> {
    let Some(units) = S::units() else { return Ok(()) };
    let device = if cuda { Device::Cuda(0) } else { Device::Cpu };
    for kind in [Kind::Generic, Kind::Coincident, Kind::Lattice] {
        let points = Points::of(kind, rng, formula, SHAPE);
        for _ in 0..ROUNDS {
            // within the range, if a few attempts find any
            let found = (0..20).find_map(|_| {
                let exponents = [0, 1].map(|_| EXPONENTS[rng.usize(0..EXPONENTS.len())]);
                Scales::new(&units, exponents, device).map(|scales| (exponents, scales))
            });
            if let Some((exponents, scales)) = found {
                let context = || format!("{kind:?}, in units of 2^{exponents:?}, of 8 times as much for f64");
                scales.at::<S>(formula, &points, rng, seen).map_err(|error| error.context(context()))?;
            }
        }
    }
    Ok(())
}

/// Numbers times a power of 2; for `f64` the exponent is 8 times as large.
fn scaled<T: Element>(x: f64, exponent: i32) -> f64 {
    x * 2.0_f64.powi(exponent * if epsilon::<T>() < 1e-10 { 8 } else { 1 })
}

fn all_scaled<T: Element>(row: &[f64], exponent: i32) -> Vec<f64> {
    row.iter().map(|&x| scaled::<T>(x, exponent)).collect()
}

/// The binary exponents of the units.
struct Scales {
    variables: Vec<i32>,
    parts: Vec<i32>,
    /// The largest size of an exponent of a length.
    lengths: i32,
    result: i32,
    device: Device,
}

impl Scales {
    /// `None` where a value is beyond the range.
    fn new(units: &Units, exponents: [i32; 2], device: Device) -> Option<Self> {
        let of = |units: &[Unit]| units.iter().map(|u| u[0] * exponents[0] + u[1] * exponents[1]).collect::<Vec<i32>>();
        let (variables, parts) = (of(&units.variables), of(&units.parts));
        let result = *parts.last()?;
        let within = variables.iter().chain(&parts).all(|exponent| exponent.abs() <= LARGEST);
        let lengths = of(&units.lengths).iter().map(|exponent| exponent.abs()).max().unwrap_or(0);
        (within && lengths <= LENGTHS[0]).then_some(Self { variables, parts, lengths, result, device })
    }

    fn at<S: Subject>(&self, formula: &Formula, points: &Points, rng: &mut Rng, seen: &mut Seen) -> Result<()> {
        let expected = expected(formula, points);
        self.value::<S, f32>(formula, points, &expected, seen).map_err(|error| error.context("in f32"))?;
        self.value::<S, f64>(formula, points, &expected, seen).map_err(|error| error.context("in f64"))?;
        if S::ORDER == 0 {
            return Ok(());
        }
        let oracle = Oracle::new(formula, points, &expected);
        let directions = Directions::new(formula, rng, points)?;
        for (k, (name, ..)) in formula.variables().enumerate() {
            let variable = self.variables[k];
            // every slope of a part by the variable, and of the result by a part
            let slopes = || self.parts.iter().flat_map(|part| [part - variable, self.result - part]);
            let within = |exponent: i32| exponent.abs() <= LARGEST;
            if !slopes().all(within) {
                continue;
            }
            let context = |error: anyhow::Error| error.context(format!("by {name}"));
            let mut found = Found::default();
            self.derivatives::<S, f32>(&mut found, ["gradient in f32", "tangent in f32"], points, &directions, k)?;
            self.derivatives::<S, f64>(&mut found, ["gradient in f64", "tangent in f64"], points, &directions, k)?;
            oracle.gradient(&found, &directions, k, rng, seen).map_err(context)?;
            // a tangent may be multiplied with any other factor of its row first
            if !self.parts.iter().all(|part| within(variable + self.result - part)) {
                continue;
            }
            oracle.change(&found, &directions, k, rng, seen).map_err(context)?;
            if S::ORDER > 1 && self.lengths <= LENGTHS[1] && slopes().all(|slope| within(slope - variable)) {
                let second = |arguments: &[Vec<f64>]| {
                    let arguments = self.arguments::<f64>(arguments, k);
                    let second = S::second(Derivative::JvpOfVjp(k), &arguments, self.device)?;
                    Ok(all_scaled::<f64>(&second, variable - self.result))
                };
                oracle.second(second, &directions, k, rng, seen).map_err(context)?;
            }
        }
        Ok(())
    }

    /// Rows, a cotangent of unit 1, and a tangent of variable k, in these units.
    fn arguments<T: Element>(&self, arguments: &[Vec<f64>], k: usize) -> Vec<Vec<f64>> {
        let exponents = self.variables.iter().copied().chain([0, self.variables[k]]);
        arguments.iter().zip(exponents).map(|(row, exponent)| all_scaled::<T>(row, exponent)).collect()
    }

    fn value<S: Subject, T: Element>(
        &self,
        formula: &Formula,
        points: &Points,
        expected: &Expected,
        seen: &mut Seen,
    ) -> Result<()> {
        let rows = self.arguments::<T>(&points.rows, 0);
        let Outcome { values, indices } = S::value::<T>(&narrow(&rows), self.device)?;
        let values = all_scaled::<T>(&wide(&values), -self.result);
        seen.scaled += compare(formula, points.shape, expected, &Outcome { values, indices }, epsilon::<T>())?;
        Ok(())
    }

    fn derivatives<S: Subject, T: Element>(
        &self,
        found: &mut Found,
        what: [&'static str; 2],
        points: &Points,
        directions: &Directions,
        k: usize,
    ) -> Result<()> {
        let arguments = narrow::<T>(&self.arguments::<T>(&directions.arguments(points, k), k));
        let of = |of| Ok::<_, keops::Error>(wide(&S::derivative::<T>(of, &arguments, self.device)?));
        let gradient = all_scaled::<T>(&of(Derivative::Vjp(k))?, self.variables[k] - self.result);
        let change = all_scaled::<T>(&of(Derivative::Jvp(k))?, -self.result);
        found.gradients.push((what[0], epsilon::<T>(), gradient));
        found.changes.push((what[1], epsilon::<T>(), change));
        Ok(())
    }
}
