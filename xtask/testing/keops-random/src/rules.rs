//! The rules of derivatives at special points, without a compiler of Rust: the graphs that the compiler of formulas
//! differentiates are evaluated pair by pair. That takes a millisecond where a compiled formula takes seconds.

use anyhow::{Result, ensure};
use fastrand::Rng;
use keops_compiler::oracle::{Formula, Known, Rules, Slope};

use crate::{
    draw::draw,
    points::{Points, SPECIAL, numbers},
};

const SHAPE: (usize, usize) = (3, 4);
/// The noise that is added to each operation, to estimate the effect of rounding.
const NOISE: f64 = 1e-13;
/// The steepest slope that is compared.
const STEEPEST: f64 = 1e100;

/// Checks the rules of the formula of a seed, and returns the number of numbers that were compared.
///
/// # Errors
/// The first disagreement.
pub fn check(seed: u64) -> Result<usize> {
    let drawn = draw(seed);
    if drawn.order == 0 {
        return Ok(0);
    }
    of_item(&drawn.item, seed)
}

/// Checks the rules of an item at the points of a seed, and returns the number of numbers that were compared.
///
/// # Errors
/// The first disagreement.
pub fn of_item(item: &str, seed: u64) -> Result<usize> {
    let formula = Formula::new(item)?;
    let (mut rng, mut seen) = (Rng::with_seed(!seed), 0);
    let rules = Rules::new(&formula);
    for kind in SPECIAL {
        let points = Points::of(kind, &mut rng, &formula, SHAPE);
        for (i, j) in (0..SHAPE.0).flat_map(|i| (0..SHAPE.1).map(move |j| (i, j))) {
            let rows = points.pair(&formula, (i, j));
            seen += at(&formula, &rules, &rows, &mut rng)
                .map_err(|error| error.context(format!("{kind:?}, at the rows {rows:?}")))?;
        }
    }
    Ok(seen)
}

/// Compares one of the two derivatives.
type Order = fn(&Slope) -> f64;

fn dot(a: &[f64], b: impl Iterator<Item = f64>) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn at(formula: &Formula, rules: &Rules, rows: &[Vec<f64>], rng: &mut Rng) -> Result<usize> {
    let term = formula.term(rows);
    if term.distance < 1e-6 || term.value.iter().chain(&term.weight).any(|x| !x.is_finite()) {
        return Ok(0);
    }
    let mut arguments = rows.to_vec();
    let cotangents: Vec<Vec<f64>> = formula.dims().iter().map(|&dim| numbers(rng, dim)).collect();
    let tangents: Vec<Vec<f64>> = rows.iter().map(|row| numbers(rng, row.len())).collect();
    arguments.extend(cotangents.iter().cloned().chain(tangents.iter().cloned()));
    let mut seen = 0;
    for (k, (name, ..)) in formula.variables().enumerate() {
        let mut moved: Vec<Vec<f64>> = rows.iter().map(|row| vec![0.0; row.len()]).collect();
        moved[k].clone_from(&tangents[k]);
        let exact = formula.slopes(rows, &moved, || 0.0);
        let rounded = formula.slopes(rows, &moved, || NOISE * (2.0 * rng.f64() - 1.0));
        let known = exact.iter().flatten().map(|slope| slope.known).min().unwrap_or_default();
        // second derivatives of slopes whose squares overflow do so, too
        let steep = exact.iter().flatten().any(|slope| slope.first.abs() > STEEPEST);
        if known == Known::Nothing || steep {
            continue;
        }
        let found = rules.by(k, &arguments);
        let along = |slopes: &[Vec<Slope>; 2], of: Order| -> f64 {
            cotangents.iter().zip(slopes).map(|(e, slopes)| dot(e, slopes.iter().map(of))).sum()
        };
        let size = |of: Order| exact.iter().flatten().map(|slope| of(slope).abs()).sum::<f64>();
        let changes: f64 = cotangents.iter().zip(&found.changes).map(|(e, u)| dot(e, u.iter().copied())).sum();
        let (first, second): (Order, Order) = (|slope| slope.first, |slope| slope.second);
        let all = [
            ("the tangent", &found.changes.concat(), changes, first, Known::First),
            ("the gradient", &found.gradient, dot(&tangents[k], found.gradient.iter().copied()), first, Known::First),
            (
                "the second derivative",
                &found.second,
                dot(&tangents[k], found.second.iter().copied()),
                second,
                Known::Second,
            ),
        ];
        for (what, numbers, sum, of, needed) in all {
            ensure!(numbers.iter().all(|x| x.is_finite()), "{what} by {name} is {numbers:?}");
            if known < needed {
                continue;
            }
            let value = along(&exact, of);
            let allowed = 1e-9 * (1e-3 + size(of)) + 1e3 * (along(&rounded, of) - value).abs();
            seen += 1;
            ensure!(
                (sum - value).abs() <= allowed || allowed.is_nan(),
                "{what} by {name} is {sum:e} and not {value:e}"
            );
        }
    }
    Ok(seen)
}
