//! Spectral embedding: the slowest modes of a random walk between points are new coordinates of the points.
//!
//! The walk goes from a point to another with a probability in proportion to the affinity
//!
//! ```text
//! k_ij = exp(-g |x_i - x_j|²)                    d_i = Σ_j k_ij
//! ```
//!
//! Its modes are φ = v / √d with the eigenvectors v of k_ij / √(d_i d_j) that have the largest eigenvalues. Lanczos'
//! method finds them by products with that matrix only, each a `Sum<j>` of `exp(-g * sqdist(x, y)) * b` that `operator_b`
//! makes a linear operator of; the first one is known, v = √d with the eigenvalue 1.
//!
//! ```text
//! cargo run --release --example embedding [points [picture.png]]
//! ```
//!
//! Two clouds: 8000 points (unless told otherwise) of a rolled-up strip, whose slowest mode has to be monotone along the
//! strip, and the digits of `examples/data/digits.csv`. Eigenvectors are checked with plain loops on a sample of rows.
//!
//! Answers the pykeops tutorial "Linking KeOps with scipy.sparse.linalg",
//! <https://www.kernel-operations.io/keops/_auto_tutorials/backends/plot_scipy.html>.
//!
//! On two cores of an AMD EPYC (AVX-512): 11 s; 1.7 billion pairs a second for points of 3 numbers, 0.25 for 64, in `f64`.

use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use keops::prelude::*;
use plotters::{prelude::*, style::register_font};

keops! {
    /// Σ_j exp(-g |x_i - y_j|²) b_j
    fn affinity<const D: usize>(g: Pm<1>, x: Vi<D>, y: Vj<D>, b: Vj<1>) -> Sum<j> { exp(-g * sqdist(x, y)) * b }

    /// The nearest point; the first is the point itself.
    #[keops(order = 0)]
    fn nearest<const D: usize>(x: Vi<D>, y: Vj<D>) -> ArgKMin<2, j> { sqdist(x, y) }
}

/// Modes that are computed, the constant one among them.
const MODES: usize = 10;
/// Rows of the matrix that are compared with plain loops.
const SAMPLE: usize = 50;

/// Eigenvalues in descending order, and the modes: `modes[k][i]`.
struct Embedding {
    eigenvalues: Vec<f64>,
    modes: Vec<Vec<f64>>,
}

impl Embedding {
    fn new<const D: usize>(x: &[[f64; D]], g: f64, products: usize) -> Result<Self> {
        let (n, start) = (x.len(), Instant::now());
        ensure!(n > products && products > MODES, "{n} points are too few");
        let ones = vec![1.0; n];
        let degrees = affinity(g, x, x, &ones).eval()?;
        let root: Vec<f64> = degrees.iter().map(|d| d[0].sqrt()).collect();
        let operator = affinity(g, x, x, &ones).operator_b()?;
        let multiply = |v: &[f64]| -> Result<Vec<f64>> {
            let scaled: Vec<f64> = v.iter().zip(&root).map(|(v, root)| v / root).collect();
            Ok(operator.apply(&scaled)?.iter().zip(&root).map(|(a, root)| a[0] / root).collect())
        };
        let (eigenvalues, vectors) = lanczos(n, products, multiply)?;
        let (time, pairs) = (start.elapsed(), (products + 1) as f64 * (n * n) as f64);
        println!(
            "{n} points of {D} numbers, {products} products: {time:.2?}, {:.2} billion pairs a second",
            pairs / time.as_secs_f64() / 1e9
        );
        let shown: Vec<String> = eigenvalues.iter().take(5).map(|value| format!("{value:.5}")).collect();
        println!("eigenvalues {} ..", shown.join(" "));

        ensure!((eigenvalues[0] - 1.0).abs() < 1e-10, "the largest eigenvalue is {}, not 1", eigenvalues[0]);
        let mut error = 0.0_f64;
        for i in (0..n).step_by(n.div_ceil(SAMPLE)) {
            let kernel = |y: &[f64; D]| (-g * x[i].iter().zip(y).map(|(a, b)| (a - b).powi(2)).sum::<f64>()).exp();
            let row: Vec<f64> = x.iter().zip(&root).map(|(y, root_j)| kernel(y) / (root[i] * root_j)).collect();
            for (value, v) in eigenvalues.iter().zip(&vectors) {
                error = worse(error, (dot(&row, v) - value * v[i]).abs());
            }
        }
        println!("{MODES} eigenvectors of length 1: A v - λ v is at most {error:.1e}, by plain loops");
        ensure!(error < 1e-6, "Lanczos' method has not converged: it needs more products");
        // in units in which the first mode is 1 everywhere
        let unit = dot(&root, &root).sqrt();
        let mode = |v: &Vec<f64>| v.iter().zip(&root).map(|(v, root)| unit * v / root).collect();
        Ok(Self { eigenvalues, modes: vectors.iter().map(mode).collect() })
    }
}

/// The larger of two errors; that a NaN is one, `f64::max` would forget.
fn worse(a: f64, b: f64) -> f64 {
    if b.is_nan() || b > a { b } else { a }
}

fn dot(u: &[f64], v: &[f64]) -> f64 {
    u.iter().zip(v).map(|(u, v)| u * v).sum()
}

/// The largest eigenvalues of a symmetric matrix and their eigenvectors, by Lanczos' method: the matrix becomes tridiagonal in
/// a basis that each product makes larger by a vector.
fn lanczos(
    n: usize,
    products: usize,
    multiply: impl Fn(&[f64]) -> Result<Vec<f64>>,
) -> Result<(Vec<f64>, Vec<Vec<f64>>)> {
    let mut random = fastrand::Rng::with_seed(6);
    let mut next: Vec<f64> = (0..n).map(|_| random.f64() - 0.5).collect();
    let (mut basis, mut small): (Vec<Vec<f64>>, _) = (vec![], vec![vec![0.0; products]; products]);
    for k in 0..products {
        let length = dot(&next, &next).sqrt();
        ensure!(length > 1e-12, "the points are in clusters that have nothing to do with each other");
        next.iter_mut().for_each(|next| *next /= length);
        if k > 0 {
            (small[k][k - 1], small[k - 1][k]) = (length, length);
        }
        basis.push(next);
        next = multiply(&basis[k])?;
        small[k][k] = dot(&next, &basis[k]);
        // against all vectors and twice: rounding lets those that converged come back otherwise
        for v in basis.iter().chain(&basis) {
            let along = dot(&next, v);
            next.iter_mut().zip(v).for_each(|(next, v)| *next -= along * v);
        }
    }
    let (values, columns) = jacobi(small);
    let mut order: Vec<usize> = (0..products).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
    order.truncate(MODES);
    let vector = |&k: &usize| {
        let mut vector = vec![0.0; n];
        for (row, v) in basis.iter().enumerate() {
            vector.iter_mut().zip(v).for_each(|(sum, v)| *sum += columns[row][k] * v);
        }
        vector
    };
    Ok((order.iter().map(|&k| values[k]).collect(), order.iter().map(vector).collect()))
}

/// Eigenvalues and, as columns, eigenvectors of a small symmetric matrix: Jacobi's rotations.
fn jacobi(mut a: Vec<Vec<f64>>) -> (Vec<f64>, Vec<Vec<f64>>) {
    let n = a.len();
    let mut v: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| f64::from(u8::from(i == j))).collect()).collect();
    for _ in 0..30 {
        let mut rotations = 0;
        for p in 0..n {
            for q in p + 1..n {
                if a[p][q].abs() <= 1e-17 {
                    continue;
                }
                rotations += 1;
                let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
                let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
                let (c, s) = (1.0 / t.hypot(1.0), t / t.hypot(1.0));
                let turn = |row: &mut Vec<f64>| (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
                a.iter_mut().chain(&mut v).for_each(turn);
                let (upper, lower) = a.split_at_mut(q);
                for (x, y) in upper[p].iter_mut().zip(&mut lower[0]) {
                    (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
                }
            }
        }
        if rotations == 0 {
            break;
        }
    }
    ((0..n).map(|i| a[i][i]).collect(), v)
}

/// Points of a strip that is rolled up to a spiral, and how far along the strip each one is.
fn roll(points: usize) -> (Vec<[f64; 3]>, Vec<f64>) {
    let mut random = fastrand::Rng::with_seed(8);
    // the length of an Archimedean spiral of radius t
    let length = |t: f64| (t * t.hypot(1.0) + t.asinh()) / 2.0;
    let point = |_| {
        let t = 1.5 * std::f64::consts::PI * (1.0 + 2.0 * random.f64());
        ([t * t.cos(), 21.0 * random.f64(), t * t.sin()], length(t))
    };
    (0..points).map(point).unzip()
}

/// The images and their classes.
fn read_digits() -> Result<(Vec<[f64; 64]>, Vec<usize>)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/digits.csv");
    let (mut images, mut classes) = (vec![], vec![]);
    for record in csv::ReaderBuilder::new().has_headers(false).from_path(path).context(path)?.deserialize() {
        let numbers: Vec<f64> = record.context(path)?;
        let (class, pixels) = numbers.split_last().context("an empty line")?;
        images.push(pixels.try_into().with_context(|| format!("{path}: not 64 pixels"))?);
        classes.push(*class as usize);
    }
    Ok((images, classes))
}

/// The place of each value among all of them.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    order.iter().enumerate().for_each(|(rank, &i)| ranks[i] = rank as f64 - (values.len() - 1) as f64 / 2.0);
    ranks
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let points: usize = arguments.next().map_or(Ok(8000), |points| points.parse()).context("how many points?")?;
    // a walk that seldom finds a way across gaps has many modes that are nearly as slow as the constant one
    ensure!(points >= 4000, "{points} points leave gaps in the strip, 4000 do not");
    let png = arguments.next().unwrap_or_else(|| "embedding.png".into());

    let (x, along) = roll(points);
    let strip = Embedding::new(&x, 0.5, 200)?;
    let (a, b) = (ranks(&strip.modes[1]), ranks(&along));
    let correlation = (dot(&a, &b) / dot(&a, &a)).abs();
    println!("rank correlation of the slowest mode and the place along the strip: {correlation:.5}");
    ensure!(correlation > 0.99, "the strip is not unrolled");

    let (images, classes) = read_digits()?;
    let digits = Embedding::new(&images, 1.0 / 500.0, 200)?;
    // as far apart as the walk is after some steps
    let coordinates: Vec<[f64; MODES - 1]> = (0..images.len())
        .map(|i| std::array::from_fn(|k| digits.eigenvalues[k + 1].powi(4) * digits.modes[k + 1][i]))
        .collect();
    let neighbours = nearest(&coordinates, &coordinates).eval()?;
    let right = neighbours.iter().zip(&classes).filter(|(pair, class)| classes[pair[1] as usize] == **class).count();
    let share = 100.0 * right as f64 / images.len() as f64;
    println!("{share:.1} % of the digits have a nearest neighbour of their class in {} coordinates", MODES - 1);

    draw(&png, &x, &strip, &along, &digits, &classes).with_context(|| format!("cannot draw {png}"))?;
    println!("picture: {png}");
    Ok(())
}

/// The roll in the colours of its slowest mode, that mode along the strip, and two coordinates of the digits.
fn draw(
    png: &str,
    x: &[[f64; 3]],
    strip: &Embedding,
    along: &[f64],
    digits: &Embedding,
    classes: &[usize],
) -> Result<()> {
    register_font("sans-serif", FontStyle::Normal, dejavu::sans::regular()).map_err(|_| anyhow!("no font"))?;
    let picture = BitMapBackend::new(png, (900, 480)).into_drawing_area();
    picture.fill(&WHITE)?;
    let (left, right) = picture.split_horizontally(400);
    let (above, below) = left.split_vertically(270);
    let range = |mode: &[f64]| {
        let (low, high) = mode.iter().fold((0.0_f64, 0.0_f64), |(low, high), &a| (low.min(a), high.max(a)));
        1.05 * low..1.05 * high
    };
    let colour = |mode: f64| HSLColor(0.4 + (mode * 8.0).round() / 32.0, 0.8, 0.42);
    let some = (0..x.len()).take(2500);
    let mut chart = ChartBuilder::on(&above)
        .margin(8)
        .caption("a roll, and its slowest mode", ("sans-serif", 17))
        .build_cartesian_2d(-24.0..24.0, -14.0..16.0)?;
    // seen from above the front
    let seen = |x: &[f64; 3]| (1.2 * x[0] + 0.3 * (x[1] - 10.5), x[2] + 0.2 * (x[1] - 10.5));
    chart.draw_series(some.clone().map(|i| Circle::new(seen(&x[i]), 1, colour(strip.modes[1][i]).filled())))?;
    let longest = along.iter().copied().fold(0.0, f64::max);
    let mut chart = ChartBuilder::on(&below)
        .margin(8)
        .x_label_area_size(36)
        .y_label_area_size(36)
        .build_cartesian_2d(0.0..longest, range(&strip.modes[1]))?;
    chart
        .configure_mesh()
        .disable_mesh()
        .x_desc("place along the strip")
        .y_labels(5)
        .label_style(("sans-serif", 13))
        .draw()?;
    chart
        .draw_series(some.map(|i| Circle::new((along[i], strip.modes[1][i]), 1, colour(strip.modes[1][i]).filled())))?;

    let [horizontal, vertical] = [1, 2].map(|k| &digits.modes[k]);
    let mut chart = ChartBuilder::on(&right)
        .margin(8)
        .caption("digits: the two slowest modes", ("sans-serif", 17))
        .build_cartesian_2d(range(horizontal), range(vertical))?;
    chart.draw_series(classes.iter().enumerate().map(|(i, &class)| {
        let style = ("sans-serif", 11).into_font().color(&HSLColor(class as f64 / 10.0, 0.8, 0.38));
        Text::new(class.to_string(), (horizontal[i], vertical[i]), style)
    }))?;
    picture.present()?;
    Ok(())
}
