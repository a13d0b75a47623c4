//! The comparison of results with the oracle, in both precisions, on every instruction set.

use anyhow::{Result, ensure};
use fastrand::Rng;
use keops::{Device, Element};
use keops_compiler::oracle::Formula;
use pulp::Arch;

use crate::{
    Outcome, Seen, Subject,
    points::Points,
    reduce::{Expected, expected, selection, sides},
};

/// Shapes (N, M) around the numbers of lanes, and with few rows against many.
const SHAPES: &[(usize, usize)] = &[(1, 1), (3, 15), (16, 17), (33, 8), (70, 130), (2, 4100), (4100, 2)];
/// Shapes around the numbers of threads, for an interpreter.
const CUDA_SHAPES: &[(usize, usize)] = &[(1, 1), (5, 130), (129, 9)];

/// Every instruction set of the processor.
fn archs() -> Vec<Arch> {
    let mut archs = vec![Arch::Scalar, Arch::new()];
    #[cfg(target_arch = "x86_64")]
    archs.extend(pulp::x86::V3::try_new().map(Arch::V3));
    archs
}

/// Numbers as elements of a type that has them.
pub(crate) fn narrow<T: Element>(rows: &[Vec<f64>]) -> Vec<Vec<T>> {
    rows.iter().map(|row| row.iter().map(|&x| T::from_f64(x)).collect()).collect()
}

/// Numbers as `f64`.
pub(crate) fn wide<T: Element>(row: &[T]) -> Vec<f64> {
    row.iter().map(|&x| Element::to_f64(x)).collect()
}

/// The precision of a type.
pub(crate) fn epsilon<T: Element>() -> f64 {
    Element::to_f64(T::epsilon())
}

pub(crate) fn check<S: Subject>(formula: &Formula, rng: &mut Rng, cuda: bool, seen: &mut Seen) -> Result<()> {
    for &shape in if cuda { CUDA_SHAPES } else { SHAPES } {
        let points = Points::new(rng, formula, shape);
        at::<S>(formula, &points, &expected(formula, &points), cuda, seen)?;
    }
    Ok(())
}

/// Compares the results at these points.
pub(crate) fn at<S: Subject>(
    formula: &Formula,
    points: &Points,
    expected: &Expected,
    cuda: bool,
    seen: &mut Seen,
) -> Result<()> {
    in_precision::<S, f32>(formula, points, expected, cuda, seen)?;
    in_precision::<S, f64>(formula, points, expected, cuda, seen)
}

fn in_precision<S: Subject, T: Element>(
    formula: &Formula,
    points: &Points,
    expected: &Expected,
    cuda: bool,
    seen: &mut Seen,
) -> Result<()> {
    let rows = narrow::<T>(&points.rows);
    let mut judge = |outcome: &Outcome<T>, what: &str| -> Result<()> {
        let outcome = Outcome { values: wide(&outcome.values), indices: outcome.indices.clone() };
        seen.values += compare(formula, points.shape, expected, &outcome, epsilon::<T>()).map_err(|error| {
            error.context(format!("{what}, {}, (N, M) = {:?}", core::any::type_name::<T>(), points.shape))
        })?;
        Ok(())
    };
    if cuda {
        return judge(&S::value(&rows, Device::Cuda(0))?, "on a CUDA device");
    }
    judge(&S::value(&rows, Device::Cpu)?, "called")?;
    for arch in archs() {
        if let Some(outcome) = S::on(&rows, arch)? {
            judge(&outcome, &format!("on {arch:?}"))?;
        }
    }
    Ok(())
}

/// Compares a result, and returns the number of its numbers.
pub(crate) fn compare(
    formula: &Formula,
    shape: (usize, usize),
    expected: &Expected,
    outcome: &Outcome<f64>,
    epsilon: f64,
) -> Result<usize> {
    let width = expected.rows[0].values.len();
    let (targets, sources) = sides(formula, shape);
    let lens = (outcome.values.len(), outcome.indices.len());
    ensure!(lens.0.max(lens.1) == targets * width, "{lens:?} numbers for {targets} rows of {width}");
    let mut compared = 0;
    for (target, row) in expected.rows.iter().enumerate() {
        // a value so near to a step may be rounded to its other side
        if row.distance < 64.0 * epsilon * (1.0 + expected.rounding()) {
            continue;
        }
        // NaN is never selected, and which of an infinite and an undefined number there is depends on the engine
        if row.terms.iter().any(|term| term.value.iter().chain(&term.weight).any(|x| x.is_nan())) {
            continue;
        }
        for c in 0..width {
            let (value, allowed) = (row.values[c], epsilon * row.errors[c]);
            let at = target * width + c;
            let mut near = |found: f64, what: &str| {
                // beyond the range of `f32` it is infinite there
                let overflows = epsilon > 1e-10 && value.abs() > f64::from(f32::MAX);
                let value = if overflows { value * f64::INFINITY } else { value };
                let same = found == value || found.is_nan() && value.is_nan();
                compared += 1;
                ensure!(
                    same || (found - value).abs() <= allowed || allowed == f64::INFINITY,
                    "{what} {c} of row {target} is {found:e} and not {value:e}: off by {:e} where {allowed:e} is allowed",
                    (found - value).abs()
                );
                Ok(())
            };
            if let Some(&found) = outcome.values.get(at) {
                near(found, "number")?;
            }
            if let Some(&found) = outcome.indices.get(at) {
                ensure!(selection(formula).is_some(), "row numbers of what is no selection");
                let dim = formula.dims()[0];
                let earlier = outcome.indices[target * width..at].iter().skip(c % dim).step_by(dim);
                match row.terms.get(found as usize) {
                    Some(term) => {
                        near(term.value[c % dim], "the value at row number")?;
                        ensure!(earlier.clone().all(|&index| index != found), "row number {found} stands twice");
                    }
                    None => ensure!(found == u32::MAX && c / dim >= sources, "row number {found} of {sources}"),
                }
            }
        }
    }
    Ok(compared)
}
