//! A graph of ten neighbours a point, given as a range for each pair, against dense calls of as many pairs: times and ratios.
//!
//! Neighbours are drawn near each point's own number, as of a cloud that is sorted in space, or anywhere.
//!
//! ```text
//! cargo run --release --example neighbour_graph [threads] [repeats]
//! ```

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use keops::prelude::*;

keops! {
    /// a_i = Σ_j exp(-g |x_i - y_j|²) b_j
    fn gaussian(g: Pm<1>, x: Vi<3>, y: Vj<3>, b: Vj<1>) -> Sum<j> { exp(-g * sqdist(x, y)) * b }
    /// a_i = log Σ_j exp(-|x_i - y_j|²)
    #[keops(order = 0)]
    fn log_sum(x: Vi<3>, y: Vj<3>) -> LogSumExp<j> { -sqdist(x, y) }
    /// The nearest five.
    #[keops(order = 0)]
    fn nearest(x: Vi<3>, y: Vj<3>) -> ArgKMin<5, j> { sqdist(x, y) }
}

/// How many points, and how many neighbours each has.
const POINTS: usize = 100_000;
const NEIGHBOURS: usize = 10;

/// How far from its own number the neighbours of a point are, if they are near.
const NEAR: usize = 100;

/// How often all run before their times count.
const WARM_UP: usize = 2;

/// What is compared by name, of which the first is a dense call: how long it takes.
type Group<'a> = Vec<(&'static str, Box<dyn Fn() -> Result<Duration> + 'a>)>;

fn main() -> Result<()> {
    let number = |place, default| std::env::args().nth(place).map_or(Ok(default), |number| number.parse::<usize>());
    let threads = number(1, 1).context("how many threads?")?;
    let repeats = number(2, 31).context("how many repeats?")?;
    ensure!(repeats > 0, "nothing to repeat");
    rayon::ThreadPoolBuilder::new().num_threads(threads).build()?.install(|| compare(repeats))
}

fn compare(repeats: usize) -> Result<()> {
    let mut numbers = fastrand::Rng::with_seed(1);
    let mut cloud = |rows: usize| -> Vec<[f32; 3]> { (0..rows).map(|_| [(); 3].map(|()| numbers.f32())).collect() };
    let (x, y) = (&cloud(POINTS)[..], &cloud(POINTS)[..]);
    let b = &(0..POINTS).map(|_| [numbers.f32()]).collect::<Vec<_>>()[..];
    let ones = &vec![[1.0_f32]; POINTS][..];
    let mut graph = |neighbour: &dyn Fn(&mut fastrand::Rng, usize) -> usize| -> Vec<[usize; 2]> {
        let point = |pair| pair / NEIGHBOURS;
        (0..POINTS * NEIGHBOURS).map(|pair| [point(pair), neighbour(&mut numbers, point(pair))]).collect()
    };
    let near = graph(&|numbers, i| numbers.usize(i.saturating_sub(NEAR)..POINTS.min(i + NEAR)));
    let far = graph(&|numbers, _| numbers.usize(0..POINTS));
    let (mut sorted, mut shuffled) = (far.clone(), far.clone());
    sorted.sort_unstable();
    numbers.shuffle(&mut shuffled);
    let ranges = |pairs: &[[usize; 2]]| Ranges::new(pairs.iter().map(|&[i, j]| (i..i + 1, j..j + 1)));
    let (of_near, of_far) = (&ranges(&near)?, &ranges(&far)?);
    ensure!(ranges(&shuffled)? == *of_far && ranges(&sorted)? == *of_far, "the order of pairs does not matter");

    let few = NEIGHBOURS;
    let sum = |ranges: &Ranges| timed(|| gaussian(0.5, x, y, b).ranges(ranges).eval());
    let dense = move || timed(|| gaussian(0.5, x, &y[..few], &b[..few]).eval());
    let sums: Group<'_> = vec![
        ("dense, 100,000 x 10", Box::new(dense)),
        ("dense, 1000 x 1000", Box::new(|| timed(|| gaussian(0.5, &x[..1000], &y[..1000], &b[..1000]).eval()))),
        ("near", Box::new(|| sum(of_near))),
        ("anywhere", Box::new(|| sum(of_far))),
        ("anywhere, new ranges", Box::new(|| sum(&ranges(&far)?))),
    ];
    report("Gaussian sum", &sums, repeats)?;
    let other_side = |pairs: &[[usize; 2]]| {
        let ranges = ranges(pairs)?;
        timed(|| Ok(ranges.by_j().segments().len()))
    };
    let making: Group<'_> = vec![
        ("dense, 100,000 x 10", Box::new(dense)),
        ("near", Box::new(|| timed(|| ranges(&near)))),
        ("anywhere", Box::new(|| timed(|| ranges(&far)))),
        ("sorted", Box::new(|| timed(|| ranges(&sorted)))),
        ("pairs in any order", Box::new(|| timed(|| ranges(&shuffled)))),
        ("the other side, near", Box::new(|| other_side(&near))),
        ("the other side, anywhere", Box::new(|| other_side(&far))),
    ];
    report("Making the ranges", &making, repeats)?;
    let by_x = |ranges: &Ranges| timed(|| gaussian(0.5, x, y, b).ranges(ranges).vjp_x(ones).eval());
    let slopes: Group<'_> = vec![
        ("dense, 100,000 x 10", Box::new(|| timed(|| gaussian(0.5, x, &y[..few], &b[..few]).vjp_x(ones).eval()))),
        ("near", Box::new(|| by_x(of_near))),
        ("anywhere", Box::new(|| by_x(of_far))),
    ];
    report("Gradient by x", &slopes, repeats)?;
    let by_y = |ranges: &Ranges| timed(|| gaussian(0.5, x, y, b).ranges(ranges).vjp_y(ones).eval());
    let slopes: Group<'_> = vec![
        ("dense, 10 x 100,000", Box::new(|| timed(|| gaussian(0.5, &x[..few], y, b).vjp_y(&ones[..few]).eval()))),
        ("near", Box::new(|| by_y(of_near))),
        ("anywhere", Box::new(|| by_y(of_far))),
    ];
    report("Gradient by y", &slopes, repeats)?;
    let logs: Group<'_> = vec![
        ("dense, 100,000 x 10", Box::new(|| timed(|| log_sum(x, &y[..few]).eval()))),
        ("near", Box::new(|| timed(|| log_sum(x, y).ranges(of_near).eval()))),
        ("anywhere", Box::new(|| timed(|| log_sum(x, y).ranges(of_far).eval()))),
    ];
    report("LogSumExp", &logs, repeats)?;
    let least: Group<'_> = vec![
        ("dense, 100,000 x 10", Box::new(|| timed(|| nearest(x, &y[..few]).eval()))),
        ("near", Box::new(|| timed(|| nearest(x, y).ranges(of_near).eval()))),
        ("anywhere", Box::new(|| timed(|| nearest(x, y).ranges(of_far).eval()))),
    ];
    report("ArgKMin, K = 5", &least, repeats)
}

/// How long something takes, without letting its result go.
fn timed<R>(run: impl FnOnce() -> Result<R, Error>) -> Result<Duration> {
    let start = Instant::now();
    let result = black_box(run()?);
    let time = start.elapsed();
    drop(result);
    Ok(time)
}

/// Runs all of a group in turn, since a machine is not always as fast, and prints the median and the least time of each.
fn report(what: &str, group: &Group<'_>, repeats: usize) -> Result<()> {
    let mut times = vec![Vec::new(); group.len()];
    for repeat in 0..WARM_UP + repeats {
        for ((_, run), times) in group.iter().zip(&mut times) {
            let time = run()?;
            if repeat >= WARM_UP {
                times.push(1e3 * time.as_secs_f64());
            }
        }
    }
    println!("{what}");
    let mut dense = None;
    for ((name, _), mut times) in group.iter().zip(times) {
        times.sort_by(f64::total_cmp);
        let [median, least] = [times[times.len() / 2], times[0]];
        let [of_median, of_least] = *dense.get_or_insert([median, least]);
        let ratios = format!("{:5.2} times as long (least {:.2})", median / of_median, least / of_least);
        println!("  {name:24} {median:6.2} ms (least {least:.2}), {ratios}");
    }
    Ok(())
}
