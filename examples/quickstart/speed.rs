//! How many pairs a second: each formula over and over, on a larger copy of the data.

use crate::{density, median, neighbours};
use std::time::{Duration, Instant};

/// Points in the larger copy, if they have few components.
const POINTS: usize = 20_000;
/// Components times pairs that one run may take; with more components there are fewer points.
const WORK: usize = 16 * POINTS * POINTS;
/// A formula runs at least so often ...
const RUNS: usize = 3;
/// ... and at least so long in all.
const TIME: Duration = Duration::from_secs(1);

/// Times the three formulas and prints a line for each.
pub(crate) fn report<const D: usize>(x: &[[f32; D]], g: f32) -> Result<(), keops::Error> {
    let count = POINTS.min((WORK / D).isqrt());
    let x = replicate(x, count, g);
    let e = vec![[1.0_f32]; count];
    println!("speed: {count} points x {count} points, made of these, {D} components, f32, {} threads", threads());
    line("neighbours", count, || neighbours(&x, &x).eval().map(drop))?;
    line("density", count, || density(g, &x, &x).eval().map(drop))?;
    line("gradient", count, || density(g, &x, &x).vjp_x(&e).eval().map(drop))
}

/// Times one formula: the median of several runs, after one that does not count.
fn line(name: &str, count: usize, mut run: impl FnMut() -> Result<(), keops::Error>) -> Result<(), keops::Error> {
    run()?;
    let (start, mut seconds) = (Instant::now(), Vec::new());
    while seconds.len() < RUNS || start.elapsed() < TIME {
        let run_start = Instant::now();
        run()?;
        seconds.push(run_start.elapsed().as_secs_f64());
    }
    let runs = seconds.len();
    let seconds = median(seconds.into_iter());
    let pairs = (count * count) as f64 / seconds;
    println!("  {name:<10} {:>8.3} Gpairs/s   ({seconds:.3} s, median of {runs} runs)", pairs / 1e9);
    Ok(())
}

/// `count` points: those of `x` again and again, each moved a little, the same way in every run of the program.
fn replicate<const D: usize>(x: &[[f32; D]], count: usize, g: f32) -> Vec<[f32; D]> {
    let mut random = fastrand::Rng::with_seed(1);
    let reach = 0.2 / (g * D as f32).sqrt();
    let moved = |value: f32, random: &mut fastrand::Rng| value + reach * (random.f32() - 0.5);
    (0..count).map(|i| x[i % x.len()].map(|value| moved(value, &mut random))).collect()
}

fn threads() -> usize {
    rayon::current_num_threads()
}
