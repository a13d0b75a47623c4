//! A Gaussian product over neighbouring clusters against the same product over all pairs: time and error.
//!
//! Points in the unit square are sorted into the cells of a grid. Pairs of cells that are farther apart than a few
//! standard deviations are left out.
//!
//! ```text
//! cargo run --release --example block_sparse [points]
//! ```

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use keops::{
    cluster::{centroids, cluster_ranges, grid_cluster, radii, sort_clusters},
    prelude::*,
};

keops! {
    /// a_i = Σ_j exp(-g |x_i - x_j|²) b_j
    #[keops(order = 0)]
    fn smooth(g: Pm<1>, x: Vi<2>, y: Vj<2>, b: Vj<1>) -> Sum<j> { exp(-g * sqdist(x, y)) * b }
}

/// The standard deviation of the kernel exp(-|x - y|² / 2 σ²).
const SIGMA: f32 = 0.05;
/// The edge of a cell.
const CELL: f32 = 0.02;
/// How far apart the nearest points of two cells may be: the kernel is exp(-3² / 2) = 0.01 there.
const REACH: f32 = 3.1 * SIGMA;

/// The relative error that the pairs left out may cost; docs/performance.md has what it is.
const MOST: f64 = 0.005;

/// How often both are computed.
const REPEATS: usize = 5;

fn main() -> Result<()> {
    let points = std::env::args().nth(1).map_or(Ok(100_000), |points| points.parse()).context("how many points?")?;
    let mut numbers = fastrand::Rng::with_seed(1);
    let x: Vec<[f32; 2]> = (0..points).map(|_| [numbers.f32(), numbers.f32()]).collect();
    let b: Vec<[f32; 1]> = (0..points).map(|_| [numbers.f32()]).collect();
    let g = 0.5 / (SIGMA * SIGMA);

    let start = Instant::now();
    let order = sort_clusters(&grid_cluster(&x, CELL)?)?;
    let (sorted, sorted_b) = (order.apply(&x)?, order.apply(&b)?);
    let labels = grid_cluster(&sorted, CELL)?;
    let clusters = cluster_ranges(&labels)?;
    let centres = centroids(&sorted, &labels)?;
    let radii = radii(&sorted, &labels, &centres)?;
    let side = (&clusters[..], &centres[..], &radii[..]);
    let ranges = Ranges::from_neighbours(side, side, REACH)?;
    let prepare_time = start.elapsed();

    // One after the other, since a machine is not always as fast; the medians count.
    let (mut dense, mut sparse) = (Rows::default(), Rows::default());
    let (mut dense_times, mut sparse_times) = (Vec::new(), Vec::new());
    for _ in 0..REPEATS {
        let start = Instant::now();
        dense = smooth(g, &x, &x, &b).device(Device::Cpu).eval()?;
        dense_times.push(start.elapsed());
        let start = Instant::now();
        sparse = smooth(g, &sorted, &sorted, &sorted_b).ranges(&ranges).device(Device::Cpu).eval()?;
        sparse_times.push(start.elapsed());
    }
    let [dense_time, sparse_time] = [dense_times, sparse_times].map(|mut times| {
        times.sort();
        times[REPEATS / 2]
    });

    let sparse = order.apply_inverse(&sparse)?;
    let error: f64 = dense.iter().zip(&sparse).map(|(a, b)| f64::from((a[0] - b[0]).abs())).sum();
    let norm: f64 = dense.iter().map(|a| f64::from(a[0].abs())).sum();
    let pairs = 100.0 * ranges.pairs() as f64 / (points as f64 * points as f64);
    println!("{} clusters, {pairs:.1} % of the pairs", clusters.len());
    println!("all pairs {dense_time:.2?}; clusters and ranges {prepare_time:.1?}, their pairs {sparse_time:.1?}");
    println!("{:.1} times as fast", dense_time.as_secs_f64() / sparse_time.as_secs_f64());
    println!("relative L1 error {:.2e}", error / norm);
    ensure!(error < MOST * norm, "that is more than {MOST}");
    Ok(())
}
