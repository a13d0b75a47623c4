//! Progress bars for a long call, for all of its gradients, and for equations.
//!
//! Points in the unit square carry values of a smooth function. A kernel smoother averages them, its gradients take two
//! more passes over all pairs, and kernel ridge regression solves (αI + K) a = b. Each shows a bar; what it has cost comes
//! behind it.
//!
//! ```text
//! cargo run --release --example progress [points]
//! ```

use std::{ops::ControlFlow, time::Duration};

use anyhow::{Context, Result, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use keops::{prelude::*, solve::Stop};

keops! {
    /// a_i = Σ_j exp(-g |x_i - y_j|²) b_j
    fn smooth(g: Pm<1>, x: Vi<2>, y: Vj<2>, b: Vj<1>) -> Sum<j> { exp(-g * sqdist(x, y)) * b }
}

/// The standard deviation of the kernel exp(-|x - y|² / 2 σ²).
const SIGMA: f32 = 0.05;
/// α, in parts of the number of unknowns: how far the regression may be from the values.
const ALPHA: f64 = 1e-2;
/// The points that the equations have, at most: they take a product for each iteration.
const MOST_UNKNOWNS: usize = 20_000;

/// A bar that a call moves: how many pairs are done, of how many.
fn bar(title: &'static str) -> Result<(ProgressBar, impl Fn(u64, u64) + Send + Sync + 'static)> {
    let style = ProgressStyle::with_template("{msg:<10} {bar:40} {percent:>3} % of {human_len} pairs, {elapsed}")?;
    let bar = ProgressBar::new(0).with_style(style).with_message(title);
    // A handle of the same bar: the call keeps its callback.
    let handle = bar.clone();
    let update = move |done, all| {
        handle.set_length(all);
        handle.set_position(done);
    };
    Ok((bar, update))
}

fn main() -> Result<()> {
    let points: usize =
        std::env::args().nth(1).map_or(Ok(100_000), |points| points.parse()).context("how many points?")?;
    let mut numbers = fastrand::Rng::with_seed(1);
    let x: Rows<f32, 2> = (0..points).map(|_| [numbers.f32(), numbers.f32()]).collect();
    let b: Rows<f32, 1> = x.iter().map(|[x, y]| [(9.0 * x).sin() * (7.0 * y).cos()]).collect();
    let g = 0.5 / (SIGMA * SIGMA);

    let (value, update) = bar("value")?;
    let smoothed = smooth(g, &x, &x, &b).progress(update).eval()?;
    value.finish();

    let (gradients, update) = bar("gradients")?;
    let slopes = smooth(g, &x, &x, &b).vjp(&b).progress(update).eval()?;
    gradients.finish();
    let inner: f64 = smoothed.iter().zip(&b).map(|(a, b)| f64::from(a[0]) * f64::from(b[0])).sum();
    println!("(a | b) = {inner:.4e}; in g it changes by {:.4e}", slopes.g[0][0]);

    // The residual goes down to the tolerance, evenly on a scale of decades.
    let unknowns = points.min(MOST_UNKNOWNS);
    let (x, b) = (&x[..unknowns], &b[..unknowns]);
    let tolerance: f64 = 1e-5;
    let bar = ProgressBar::new(100).with_message("equations");
    bar.set_style(ProgressStyle::with_template("{msg:<10} {bar:40} iteration {prefix}, {elapsed}")?);
    bar.enable_steady_tick(Duration::from_millis(200));
    let solution = smooth(g, x, x, b)
        .solve_b(ALPHA * unknowns as f64)
        .tolerance(tolerance)
        .progress(|progress| {
            let residual = progress.residuals.iter().copied().fold(0.0, f64::max);
            bar.set_position((100.0 * residual.ln() / tolerance.ln()).clamp(0.0, 100.0) as u64);
            bar.set_prefix(format!("{}, residual {residual:.1e}", progress.iteration));
            ControlFlow::Continue(())
        })
        .eval()?;
    bar.finish();
    let report = &solution.report;
    ensure!(report.stop == Stop::Converged, "the equations are not solved: {report:?}");
    println!("{:?} after {} iterations, residual {:.1e}", report.stop, report.iterations, report.residual());
    Ok(())
}
