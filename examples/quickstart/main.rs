//! Ten nearest neighbours, a kernel density and its gradient, on labelled points from a CSV file.
//!
//! ```text
//! cargo run --release --example quickstart [path.csv [picture.png]]
//! ```
//!
//! Without a path it takes the 1797 handwritten digits of `examples/data/digits.csv`. It
//!
//! 1. gives every point the label that most of its ten nearest neighbours have, and counts how often that is right;
//! 2. computes a Gaussian kernel density at every point, and its gradient;
//! 3. moves the points uphill (mean shift), and looks at how the density rises;
//! 4. checks a sample of these results against plain `f64` loops, and fails if they differ;
//! 5. says how many pairs a second that took, and draws a picture: `quickstart.png` in the current directory unless
//!    another path is given.
//!
//! Other files: see `table.rs` for what is read. The number of components is part of a keops formula's type, so this
//! example is compiled for the numbers of columns in [`DIMENSIONS`]; points with other numbers of columns are filled up with
//! zeros, which changes no distance.

mod classify;
mod oracle;
mod picture;
mod speed;
mod table;

use classify::{Classification, VOTERS};
use keops::prelude::*;
use std::{
    error::Error,
    path::{Path, PathBuf},
    process::ExitCode,
};
use table::Table;

keops! {
    /// The 11 nearest points; the first is the point itself, or one equal to it.
    pub fn neighbours<const D: usize>(x: Vi<D>, y: Vj<D>) -> ArgKMin<11, j> { sqdist(x, y) }

    /// Gaussian kernel density: a_i = Σ_j exp(-g |x_i - y_j|²).
    pub fn density<const D: usize>(g: Pm<1>, x: Vi<D>, y: Vj<D>) -> Sum<j> { exp(-g * sqdist(x, y)) }
}

/// g in units of one over the squared distance that is typical for the tenth neighbour, so that a few neighbours count at
/// every point.
const SHARPNESS: f32 = 2.5;
/// Mean-shift steps that the picture shows after the first one.
const MORE_STEPS: usize = 9;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let csv =
        arguments.next().unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/digits.csv").into());
    let png = arguments.next().unwrap_or_else(|| "quickstart.png".into());
    let result = match arguments.next() {
        Some(_) => Err("usage: quickstart [path.csv [picture.png]]".into()),
        None => Table::read(&csv).map_err(Box::from).and_then(|table| dispatch(&table, &png)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Defines [`DIMENSIONS`] and [`dispatch`], which picks the first dimension that has room for the table's columns.
macro_rules! dimensions {
    ($($dimension:literal)*) => {
        /// The numbers of columns that this example is compiled for.
        const DIMENSIONS: &[usize] = &[$($dimension),*];

        fn dispatch(table: &Table, png: &Path) -> Result<(), Box<dyn Error>> {
            $(if table.columns <= $dimension {
                return run::<$dimension>(table, png);
            })*
            Err(format!(
                "{}: {} columns of numbers; this example is compiled for up to {}, see `dimensions!` in its main.rs",
                table.path.display(),
                table.columns,
                DIMENSIONS[DIMENSIONS.len() - 1],
            )
            .into())
        }
    };
}
dimensions!(4 16 64 256 784);

fn run<const D: usize>(table: &Table, png: &Path) -> Result<(), Box<dyn Error>> {
    let x = table.points::<D>();
    println!("{} points of {} numbers (computed with {D}), {} labels", x.len(), table.columns, table.names.len());

    if !squared_extent(&x).is_finite() {
        let path = table.path.display();
        return Err(format!("{path}: numbers too far apart for squared distances in single precision").into());
    }

    let nearest = neighbours(&x, &x).eval()?;
    let classification = Classification::new(&nearest, &table.classes, table.names.len());
    println!("{VOTERS} nearest neighbours, leave one out: accuracy {:.4}", classification.accuracy());

    let g = sharpness(&x, &nearest).map_err(|fault| format!("{}: {fault}", table.path.display()))?;
    let (before, slope) = density_and_slope(g, &x, &x)?;
    let once = step_uphill(g, &x, &slope);
    let after = density(g, &once, &x).eval()?;

    let rises: Vec<f64> = before.iter().zip(&*after).map(|([b], [a])| f64::from(*a) / f64::from(*b)).collect();
    println!("Gaussian density with g = {g:.3e}: median {:.3}", median(before.iter().map(|[a]| f64::from(*a))));
    println!(
        "one mean-shift step: points move {:.3} on average; the density rises {:.2}-fold (median), at {} of {} points",
        x.iter().zip(&once).map(|(x, y)| squared_distance(x, y).sqrt()).sum::<f64>() / x.len() as f64,
        median(rises.iter().copied()),
        rises.iter().filter(|&&rise| rise >= 1.0).count(),
        x.len(),
    );

    let errors = oracle::check(g, &x, &nearest, &before, &slope);
    println!(
        "largest relative errors against f64 loops on {} points: neighbours {:.1e}, density {:.1e}, gradient {:.1e}",
        oracle::SAMPLE.min(x.len()),
        errors.neighbours,
        errors.density,
        errors.gradient
    );
    if !errors.pass() {
        return Err(format!("an error is larger than {:.0e}", oracle::BOUND).into());
    }

    let mut many = once.clone();
    for _ in 0..MORE_STEPS {
        let (_, slope) = density_and_slope(g, &many, &x)?;
        many = step_uphill(g, &many, &slope);
    }

    speed::report(&x, g)?;

    picture::draw(
        png,
        &picture::Content {
            table,
            classification: &classification,
            before: before.as_flat(),
            after: after.as_flat(),
            x: &x,
            once: &once,
            many: &many,
            many_steps: 1 + MORE_STEPS,
        },
    )?;
    println!("picture: {}", png.display());
    Ok(())
}

/// The squared diagonal of the box around the points: no squared distance is larger.
fn squared_extent<const D: usize>(x: &[[f32; D]]) -> f32 {
    let extent = |d: usize| {
        let ends = |(low, high): (f32, f32), row: &[f32; D]| (low.min(row[d]), high.max(row[d]));
        let (low, high) = x.iter().fold((f32::INFINITY, f32::NEG_INFINITY), ends);
        high - low
    };
    (0..D).map(|d| extent(d).powi(2)).sum()
}

/// The kernel's g for these points, see [`SHARPNESS`]; an error if too many points are equal.
fn sharpness<const D: usize>(x: &[[f32; D]], nearest: &[[u32; VOTERS + 1]]) -> Result<f32, &'static str> {
    let farthest = x.iter().zip(nearest).map(|(x_i, row)| squared_distance(x_i, &x[row[VOTERS] as usize]));
    let g = SHARPNESS / median(farthest) as f32;
    g.is_finite().then_some(g).ok_or("most points have ten others at no distance: there is no scale for a density")
}

/// The density of the points `x` at the points `at`, and the gradient of its logarithm there.
fn density_and_slope<const D: usize>(
    g: f32,
    at: &[[f32; D]],
    x: &[[f32; D]],
) -> Result<(Rows<f32, 1>, Rows<f32, D>), keops::Error> {
    let a = density(g, at, x).eval()?;
    // The gradient of log a_i is that of a_i times 1 / a_i.
    let inverse: Vec<[f32; 1]> = a.iter().map(|[a]| [1.0 / a]).collect();
    let slope = density(g, at, x).vjp_x(&inverse).eval()?;
    Ok((a, slope))
}

/// One mean-shift step, x + ∇ log a / (2 g): to the mean of all points, weighted with the kernel.
fn step_uphill<const D: usize>(g: f32, x: &[[f32; D]], slope: &[[f32; D]]) -> Vec<[f32; D]> {
    let step = |(x, slope): (&[f32; D], &[f32; D])| std::array::from_fn(|d| x[d] + slope[d] / (2.0 * g));
    x.iter().zip(slope).map(step).collect()
}

fn squared_distance<const D: usize>(x: &[f32; D], y: &[f32; D]) -> f64 {
    x.iter().zip(y).map(|(a, b)| f64::from(a - b).powi(2)).sum()
}

/// The middle one of the values in ascending order, the upper one of two.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
