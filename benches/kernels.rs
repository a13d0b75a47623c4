//! Pairs a second of the most used kernels, at D = 3 and 64, in f32 and f64.
//!
//! Before a kernel is timed, some rows of its result are compared with plain `f64` loops; a wrong result panics.
//! `cargo bench --bench kernels`, and `cargo bench --bench kernels -- --test` for the comparison alone.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use keops::prelude::*;
use std::time::Duration;

keops! {
    /// a_i = Σ_j exp(-g |x_i - y_j|²) b_j
    #[keops(cuda(D = 3), cuda(D = 64))]
    pub fn gaussian<const D: usize>(g: Pm<1>, x: Vi<D>, y: Vj<D>, b: Vj<1>) -> Sum<j> { exp(-g * sqdist(x, y)) * b }

    /// a_i = log Σ_j exp(-g |x_i - y_j|²)
    #[keops(cuda(D = 3), cuda(D = 64))]
    pub fn soft_minimum<const D: usize>(g: Pm<1>, x: Vi<D>, y: Vj<D>) -> LogSumExp<j> { -g * sqdist(x, y) }

    /// a_i = Σ_j exp(-|x_i - y_j| / s) b_j, where g is 1 / s
    #[keops(order = 0)]
    pub fn laplacian_product(g: Pm<1>, x: Vi<3>, y: Vj<3>, b: Vj<1>) -> Sum<j> { exp(-g * norm2(x - y)) * b }

    /// a_i = Σ_j exp(-g |x_i - y_j|²) b_j / Σ_j exp(-g |x_i - y_j|²)
    #[keops(order = 0)]
    pub fn soft_max(g: Pm<1>, x: Vi<3>, y: Vj<3>, b: Vj<1>) -> SumSoftMaxWeight<j> { (-g * sqdist(x, y), b) }

    /// The ten nearest y_j of each x_i.
    #[keops(cuda(D = 3), cuda(D = 64))]
    pub fn nearest<const D: usize>(x: Vi<D>, y: Vj<D>) -> ArgKMin<10, j> { sqdist(x, y) }
}

/// Targets, and as many sources.
const POINTS: usize = 2_000;
/// Rows that are compared with plain loops.
const CHECKED: [usize; 5] = [0, 1, 777, 1_500, POINTS - 1];
/// Neighbours in a row.
const NEIGHBOURS: usize = 10;

/// Random points and weights, the same ones every time.
struct Data<const D: usize> {
    g: f64,
    x: Vec<[f64; D]>,
    y: Vec<[f64; D]>,
    b: Vec<[f64; 1]>,
}

impl<const D: usize> Data<D> {
    fn new() -> Self {
        let mut random = fastrand::Rng::with_seed(D as u64);
        // Numbers with few digits are the same in f32 and f64.
        let mut rows = || (0..POINTS).map(|_| [(); D].map(|()| f64::from(random.u16(..)) / 65_536.0)).collect();
        let (x, y) = (rows(), rows());
        let b = (0..POINTS).map(|_| [f64::from(random.u16(..)) / 65_536.0]).collect();
        // A power of two, for the same reason; at these all terms matter.
        Data { g: if D > 8 { 0.03125 } else { 0.5 }, x, y, b }
    }

    fn squared_distance(&self, i: usize, j: usize) -> f64 {
        (0..D).map(|d| (self.x[i][d] - self.y[j][d]).powi(2)).sum()
    }

    fn weight(&self, i: usize, j: usize) -> f64 {
        (-self.g * self.squared_distance(i, j)).exp()
    }

    fn gaussian(&self, i: usize) -> f64 {
        (0..POINTS).map(|j| self.weight(i, j) * self.b[j][0]).sum()
    }

    /// Component `d` of the gradient of row i with respect to x_i.
    fn gradient(&self, i: usize, d: usize) -> f64 {
        let term = |j: usize| 2.0 * self.g * self.weight(i, j) * self.b[j][0] * (self.y[j][d] - self.x[i][d]);
        (0..POINTS).map(term).sum()
    }

    fn soft_minimum(&self, i: usize) -> f64 {
        (0..POINTS).map(|j| self.weight(i, j)).sum::<f64>().ln()
    }

    /// Of the weights exp(-|x_i - y_j| / s), where `slope` is 1 / s.
    fn laplacian_product(&self, slope: f64, i: usize) -> f64 {
        (0..POINTS).map(|j| (-slope * self.squared_distance(i, j).sqrt()).exp() * self.b[j][0]).sum()
    }

    fn soft_max(&self, i: usize) -> f64 {
        self.gaussian(i) / (0..POINTS).map(|j| self.weight(i, j)).sum::<f64>()
    }

    /// The distances to the nearest points, ascending.
    fn nearest(&self, i: usize) -> Vec<f64> {
        let mut distances: Vec<f64> = (0..POINTS).map(|j| self.squared_distance(i, j)).collect();
        distances.sort_by(f64::total_cmp);
        distances.truncate(NEIGHBOURS);
        distances
    }
}

/// Panics if a result is further from what plain loops give than `bound` times `size`.
fn check(what: &str, i: usize, result: f64, expected: f64, size: f64, bound: f64) {
    let error = (result - expected).abs() / size;
    assert!(error <= bound, "{what}, row {i}: {result} instead of {expected}, error {error:.1e} > {bound:.0e}");
}

/// The kernels in one element type and dimension.
macro_rules! kernels {
    ($criterion:expr, $element:ident, $dimension:literal, $bound:expr) => {{
        type T = $element;
        const D: usize = $dimension;
        let data = Data::<D>::new();
        let rows = |rows: &[[f64; D]]| -> Vec<[T; D]> { rows.iter().map(|row| row.map(|value| value as T)).collect() };
        let (g, x, y) = (data.g as T, rows(&data.x), rows(&data.y));
        let b: Vec<[T; 1]> = data.b.iter().map(|[b]| [*b as T]).collect();
        let e = vec![[1.0 as T]; POINTS];
        let name = concat!(stringify!($element), ", D = ", $dimension);

        let sums = gaussian(g, &x, &y, &b).eval().expect("equal row counts");
        let gradients = gaussian(g, &x, &y, &b).vjp_x(&e).eval().expect("equal row counts");
        let minima = soft_minimum(g, &x, &y).eval().expect("equal row counts");
        let neighbours = nearest(&x, &y).eval().expect("equal row counts");
        for i in CHECKED {
            let sum = data.gaussian(i);
            check(name, i, f64::from(sums[i][0]), sum, sum, $bound);
            for d in 0..D {
                // Of the size of the sum: the terms of a component cancel.
                check(name, i, f64::from(gradients[i][d]), data.gradient(i, d), 2.0 * data.g * sum, $bound);
            }
            check(name, i, f64::from(minima[i][0]), data.soft_minimum(i), 1.0, $bound * 10.0);
            for (&j, expected) in neighbours[i].iter().zip(data.nearest(i)) {
                check(name, i, data.squared_distance(i, j as usize), expected, expected, $bound);
            }
        }

        let mut group = $criterion.benchmark_group(name);
        group.throughput(Throughput::Elements((POINTS * POINTS) as u64));
        group.bench_function("gaussian product", |bench| bench.iter(|| gaussian(g, &x, &y, &b).eval()));
        group.bench_function("its x gradient", |bench| bench.iter(|| gaussian(g, &x, &y, &b).vjp_x(&e).eval()));
        group.bench_function("log-sum-exp", |bench| bench.iter(|| soft_minimum(g, &x, &y).eval()));
        group.bench_function("10 nearest", |bench| bench.iter(|| nearest(&x, &y).eval()));
        group.finish();
    }};
}

/// Exponentials by bandwidth, from one where nearly all weights are 0 to one where none is: no bandwidth is to be slower than another.
macro_rules! bandwidths {
    ($criterion:expr, $element:ident, $bound:expr) => {{
        type T = $element;
        let mut data = Data::<3>::new();
        let rows = |rows: &[[f64; 3]]| -> Vec<[T; 3]> { rows.iter().map(|row| row.map(|value| value as T)).collect() };
        let (x, y) = (rows(&data.x), rows(&data.y));
        let b: Vec<[T; 1]> = data.b.iter().map(|[b]| [*b as T]).collect();
        let mut group = $criterion.benchmark_group(concat!(stringify!($element), ", D = 3, bandwidth"));
        group.throughput(Throughput::Elements((POINTS * POINTS) as u64));
        // what is below the normal numbers may be 0
        let smallest = POINTS as f64 * 2.0 * f64::from(T::MIN_POSITIVE);
        // 1 / 2σ² as powers of two, then 1 / s
        for (sigma, g, slope) in [(0.0055, 16_384.0, 256.0), (0.044, 256.0, 32.0), (0.18, 16.0, 8.0), (0.71, 1.0, 2.0)]
        {
            data.g = g;
            let sums = gaussian(g as T, &x, &y, &b).eval().expect("equal row counts");
            let laplacians = laplacian_product(slope as T, &x, &y, &b).eval().expect("equal row counts");
            let minima = soft_minimum(g as T, &x, &y).eval().expect("equal row counts");
            let means = soft_max(g as T, &x, &y, &b).eval().expect("equal row counts");
            for i in CHECKED {
                let minimum = data.soft_minimum(i);
                check("bandwidth", i, f64::from(minima[i][0]), minimum, 1.0 + minimum.abs(), 10.0 * $bound);
                let mean = data.soft_max(i);
                check("bandwidth", i, f64::from(means[i][0]), mean, mean, 1e2 * $bound);
                // an exponent of 1000 has a rounding of its own
                for (result, sum) in [(&sums, data.gaussian(i)), (&laplacians, data.laplacian_product(slope, i))] {
                    check("bandwidth", i, f64::from(result[i][0]), sum, sum + smallest, 1e3 * $bound);
                }
            }
            group.bench_function(format!("{sigma}"), |bench| bench.iter(|| gaussian(g as T, &x, &y, &b).eval()));
            group.bench_function(format!("log-sum-exp, {sigma}"), |bench| {
                bench.iter(|| soft_minimum(g as T, &x, &y).eval())
            });
            group.bench_function(format!("softmax, {sigma}"), |bench| {
                bench.iter(|| soft_max(g as T, &x, &y, &b).eval())
            });
            group.bench_function(format!("laplacian, {:.4}", 1.0 / slope), |bench| {
                bench.iter(|| laplacian_product(slope as T, &x, &y, &b).eval())
            });
        }
        group.finish();
    }};
}

/// Ten pairs here and there for each target, as in a graph of nearest neighbours.
macro_rules! graph {
    ($criterion:expr, $element:ident, $bound:expr) => {{
        type T = $element;
        let data = Data::<3>::new();
        let rows = |rows: &[[f64; 3]]| -> Vec<[T; 3]> { rows.iter().map(|row| row.map(|value| value as T)).collect() };
        let (g, x, y) = (data.g as T, rows(&data.x), rows(&data.y));
        let b: Vec<[T; 1]> = data.b.iter().map(|[b]| [*b as T]).collect();
        let e = vec![[1.0 as T]; POINTS];
        let mut random = fastrand::Rng::with_seed(3);
        let pairs: Vec<[usize; 2]> =
            (0..POINTS * NEIGHBOURS).map(|k| [k / NEIGHBOURS, random.usize(0..POINTS)]).collect();
        let new = || Ranges::new(pairs.iter().map(|&[i, j]| (i..i + 1, j..j + 1))).expect("few rows");
        let ranges = new();
        let sums = gaussian(g, &x, &y, &b).ranges(&ranges).eval().expect("equal row counts");
        for i in CHECKED {
            let mut met: Vec<usize> = pairs.iter().filter(|pair| pair[0] == i).map(|pair| pair[1]).collect();
            met.sort_unstable();
            met.dedup();
            let sum = met.iter().map(|&j| data.weight(i, j) * data.b[j][0]).sum();
            check("graph", i, f64::from(sums[i][0]), sum, sum, $bound);
        }
        let mut group = $criterion.benchmark_group(concat!(stringify!($element), ", D = 3, graph"));
        group.throughput(Throughput::Elements(ranges.pairs()));
        let call = || gaussian(g, &x, &y, &b).ranges(&ranges);
        group.bench_function("gaussian product", |bench| bench.iter(|| call().eval()));
        group.bench_function("its y gradient", |bench| bench.iter(|| call().vjp_y(&e).eval()));
        group.bench_function("its ranges, both ways", |bench| bench.iter(|| new().by_j().segments().len()));
        group.finish();
    }};
}

fn kernels(criterion: &mut Criterion) {
    graph!(criterion, f32, 1e-5);
    graph!(criterion, f64, 1e-12);
    bandwidths!(criterion, f32, 1e-5);
    bandwidths!(criterion, f64, 1e-12);
    kernels!(criterion, f32, 3, 1e-5);
    kernels!(criterion, f64, 3, 1e-12);
    kernels!(criterion, f32, 64, 1e-5);
    kernels!(criterion, f64, 64, 1e-12);
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = kernels
}
criterion_main!(benches);
