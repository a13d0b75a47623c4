//! Derivatives: gradients against finite differences of the oracle, tangents against gradients by the inner product,
//! second derivatives against finite differences of gradients.

use anyhow::{Result, ensure};
use fastrand::Rng;
use keops::Device;
use keops_compiler::oracle::Formula;

use crate::{
    Derivative, Seen, Subject,
    points::{Points, numbers},
    reduce::{expected, sides, values},
    values::{epsilon, narrow, wide},
};

/// The numbers of rows for finite differences in every component; they are no multiples of lanes.
const SMALL: (usize, usize) = (5, 7);
/// The numbers of rows for checks that cost one call.
const LARGER: (usize, usize) = (17, 33);

pub(crate) fn check<S: Subject>(formula: &Formula, rng: &mut Rng, cuda: bool, seen: &mut Seen) -> Result<()> {
    let device = if cuda { Device::Cuda(0) } else { Device::Cpu };
    for shape in [SMALL, LARGER] {
        let Some(points) = smooth(formula, rng, shape) else { continue };
        let directions = Directions::new(formula, rng, &points)?;
        if shape == SMALL {
            slopes::<S>(formula, &points, &directions, device, seen)?;
            second::<S>(formula, &points, &directions, device)?;
        }
        adjoint::<S>(formula, &points, &directions, device)?;
        single::<S>(formula, rng, &points, &directions, device)?;
    }
    Ok(())
}

/// Points that lie far enough from every kink for `f32`.
fn smooth(formula: &Formula, rng: &mut Rng, shape: (usize, usize)) -> Option<Points> {
    (0..20).find_map(|_| {
        let points = Points::new(rng, formula, shape);
        let expected = expected(formula, &points);
        let distance = expected.rows.iter().map(|row| row.distance).fold(f64::INFINITY, f64::min);
        (distance > 64.0 * epsilon::<f32>() * (1.0 + expected.rounding())).then_some(points)
    })
}

/// A cotangent and a tangent of each variable.
pub(crate) struct Directions {
    pub(crate) cotangent: Vec<f64>,
    pub(crate) tangents: Vec<Vec<f64>>,
}

impl Directions {
    pub(crate) fn new(formula: &Formula, rng: &mut Rng, points: &Points) -> Result<Self> {
        // the width of a row is that of the oracle's
        let (targets, _) = sides(formula, points.shape);
        let len = values(formula, points).0.len();
        ensure!(len.is_multiple_of(targets), "{len} numbers for {targets} rows");
        let tangents = points.rows.iter().map(|rows| numbers(rng, rows.len())).collect();
        Ok(Self { cotangent: numbers(rng, len), tangents })
    }

    /// The arguments of a derivative by variable k.
    pub(crate) fn arguments(&self, points: &Points, k: usize) -> Vec<Vec<f64>> {
        let mut rows = points.rows.clone();
        rows.extend([self.cotangent.clone(), self.tangents[k].clone()]);
        rows
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn largest(a: &[f64]) -> f64 {
    a.iter().fold(0.0, |most, x| most.max(x.abs()))
}

/// f'(0) by differences over five points; `None` where these do not lie on one smooth piece, or two steps disagree.
fn slope(f: impl Fn(f64) -> (f64, Vec<i64>)) -> Option<f64> {
    let (value, places) = f(0.0);
    let at = |t: f64| Some(f(t)).filter(|(_, there)| *there == places).map(|(value, _)| value);
    [1e-3, 1e-4].into_iter().find_map(|h| {
        let (a, b, c) = (at(h)? - at(-h)?, at(2.0 * h)? - at(-2.0 * h)?, at(0.5 * h)? - at(-0.5 * h)?);
        let (coarse, fine) = ((8.0 * a - b) / (12.0 * h), (8.0 * c - a) / (6.0 * h));
        ((coarse - fine).abs() <= 1e-7 * (1.0 + fine.abs() + value.abs())).then_some(fine)
    })
}

/// Compares every component of every gradient.
fn slopes<S: Subject>(
    formula: &Formula,
    points: &Points,
    directions: &Directions,
    device: Device,
    seen: &mut Seen,
) -> Result<()> {
    let all = S::gradients(&directions.arguments(points, 0), device)?;
    for (k, (name, ..)) in formula.variables().enumerate() {
        let gradient = S::derivative::<f64>(Derivative::Vjp(k), &directions.arguments(points, k), device)?;
        ensure!(gradient.len() == points.rows[k].len(), "the gradient by {name} has {} numbers", gradient.len());
        let size = 1.0 + largest(&gradient);
        for (at, &found) in gradient.iter().enumerate() {
            let moved = |t: f64| {
                let mut moved = points.clone();
                moved.rows[k][at] += t;
                let (values, places) = values(formula, &moved);
                (dot(&values, &directions.cotangent), places)
            };
            match slope(moved) {
                Some(slope) => {
                    seen.slopes += 1;
                    ensure!(
                        (found - slope).abs() <= 1e-5 * size,
                        "number {at} of the gradient by {name} is {found:e}, the finite difference {slope:e}"
                    );
                }
                None => seen.rough += 1,
            }
            let together = all[k][at];
            ensure!(
                (together - found).abs() <= 1e-9 * size || together.is_nan() && found.is_nan(),
                "number {at} of the gradient by {name} is {found:e}, and {together:e} with the others"
            );
        }
    }
    Ok(())
}

/// Checks that ⟨e, J u⟩ = ⟨Jᵀ e, u⟩.
fn adjoint<S: Subject>(formula: &Formula, points: &Points, directions: &Directions, device: Device) -> Result<()> {
    for (k, (name, ..)) in formula.variables().enumerate() {
        let arguments = directions.arguments(points, k);
        let gradient = S::derivative::<f64>(Derivative::Vjp(k), &arguments, device)?;
        let change = S::derivative::<f64>(Derivative::Jvp(k), &arguments, device)?;
        let (e, u) = (&directions.cotangent, &directions.tangents[k]);
        let (backward, forward) = (dot(&gradient, u), dot(&change, e));
        let size = 1.0 + gradient.iter().chain(&change).map(|x| x.abs()).sum::<f64>();
        ensure!(
            (backward - forward).abs() <= 1e-9 * size || backward.is_nan() && forward.is_nan(),
            "{:?}: by {name} the cotangent gives {backward:e}, the tangent {forward:e}",
            points.shape
        );
    }
    Ok(())
}

/// Compares the derivatives in `f32` with those in `f64`. The effect of rounding the arguments is estimated by arguments that are off by many times as
/// much; the effect of rounding in operations, by how `f64` answers to arguments that are off by a rounding: where terms
/// cancel whatever the arguments are, such as in the derivative of x / (x / y) by x, only the second is seen.
fn single<S: Subject>(
    formula: &Formula,
    rng: &mut Rng,
    points: &Points,
    directions: &Directions,
    device: Device,
) -> Result<()> {
    for (k, (name, ..)) in formula.variables().enumerate() {
        let arguments = directions.arguments(points, k);
        for of in [Derivative::Vjp(k), Derivative::Jvp(k)] {
            let exact = S::derivative::<f64>(of, &arguments, device)?;
            let found = wide(&S::derivative::<f32>(of, &narrow(&arguments), device)?);
            let mut change = 0.0_f64;
            let (narrow_epsilon, wide_epsilon) = (epsilon::<f32>(), epsilon::<f64>());
            for (by, times) in [(64.0 * narrow_epsilon, 1.0), (wide_epsilon, narrow_epsilon / wide_epsilon)] {
                for _ in 0..3 {
                    let mut off = arguments.clone();
                    for x in off.iter_mut().flatten() {
                        *x *= 1.0 + by * (2.0 * rng.f64() - 1.0);
                    }
                    let there = S::derivative::<f64>(of, &off, device)?;
                    change = exact.iter().zip(&there).map(|(a, b)| (a - b).abs() * times).fold(change, f64::max);
                }
            }
            let allowed = 1e-4 * (1.0 + largest(&exact)) + 4.0 * change;
            for (at, (&found, &exact)) in found.iter().zip(&exact).enumerate() {
                ensure!(
                    (found - exact).abs() <= allowed || found.is_nan() && exact.is_nan(),
                    "{:?}: number {at} of {of:?} (by {name}) is {found:e} in f32, {exact:e} in f64",
                    points.shape
                );
            }
        }
    }
    Ok(())
}

/// Compares the change of each gradient along a tangent with differences of the gradient.
fn second<S: Subject>(formula: &Formula, points: &Points, directions: &Directions, device: Device) -> Result<()> {
    if S::ORDER < 2 {
        return Ok(());
    }
    for (k, (name, ..)) in formula.variables().enumerate() {
        let arguments = directions.arguments(points, k);
        let change = S::second(Derivative::JvpOfVjp(k), &arguments, device)?;
        let u = &directions.tangents[k];
        let mut failure = None;
        let moved = |t: f64| {
            let mut there = points.clone();
            there.rows[k].iter_mut().zip(u).for_each(|(x, u)| *x += t * u);
            let places = values(formula, &there).1;
            let gradient = S::derivative::<f64>(Derivative::Vjp(k), &directions.arguments(&there, k), device);
            (gradient.map_or(f64::NAN, |gradient| dot(&gradient, u)), places)
        };
        if let Some(slope) = slope(moved) {
            let found = dot(&change, u);
            let size = 1.0 + change.iter().map(|x| x.abs()).sum::<f64>();
            if (found - slope).abs() > 1e-5 * size || found.is_nan() {
                failure = Some((found, slope));
            }
        }
        ensure!(failure.is_none(), "the second derivative by {name} and its finite difference: {failure:?}");
    }
    Ok(())
}
