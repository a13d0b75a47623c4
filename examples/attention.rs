//! Softmax attention over 100,000 keys, and its gradient, in memory for the rows alone.
//!
//! ```text
//! a_i = Σ_j exp(s (q_i|k_j)) v_j / Σ_j exp(s (q_i|k_j))
//! ```
//!
//! is `SumSoftMaxWeight<j>` of `(s * (q | k), v)`: queries, keys and values of 64 numbers. Here attention is a memory that
//! completes images: keys are upper halves of noisy digits, made to length 1, values the whole digits, and queries the upper
//! halves of digits that the memory has not seen. The larger s, the fewer keys have a say; which s is best is
//! found by its gradient.
//!
//! ```text
//! cargo run --release --example attention [keys [picture.png]]
//! ```
//!
//! A sample of the rows, and of the gradient in the queries, is compared with plain `f64` loops. Times are measured for
//! fewer keys, too. pykeops has no tutorial of attention.
//!
//! On two cores of an AMD EPYC (AVX-512): 7 s; 800 queries take 0.16 s, 510 million pairs a second, all gradients 0.67 s.

use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use keops::prelude::*;
use plotters::{prelude::*, style::register_font};

keops! {
    /// Σ_j exp(s (q_i|k_j)) v_j / Σ_j exp(s (q_i|k_j))
    fn attention(s: Pm<1>, q: Vi<64>, k: Vj<64>, v: Vj<64>) -> SumSoftMaxWeight<j> { (s * (q | k), v) }
}

type Rows64 = Vec<[f32; 64]>;

/// Images that the memory has not seen: one half of them tunes s, the other half says how well that went.
const QUERIES: usize = 800;
/// Keys that tune.
const FEW: usize = 5000;
/// Rows that are compared with plain loops.
const SAMPLE: usize = 10;

fn dot(x: &[f32; 64], y: &[f32; 64]) -> f64 {
    x.iter().zip(y).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum()
}

fn normalized(x: [f32; 64]) -> [f32; 64] {
    let length = dot(&x, &x).sqrt() as f32;
    x.map(|x| x / length)
}

fn read_digits() -> Result<Rows64> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/digits.csv");
    let mut images = vec![];
    for record in csv::ReaderBuilder::new().has_headers(false).from_path(path).context(path)?.deserialize() {
        let numbers: Vec<f32> = record.context(path)?;
        images.push(*numbers.first_chunk().with_context(|| format!("{path}: fewer than 64 pixels"))?);
    }
    Ok(images)
}

/// The mean squared error of the lower halves, and its gradient in the results.
fn error(a: &[[f32; 64]], truth: &[[f32; 64]]) -> (f64, Rows64) {
    let count = (32 * a.len()) as f32;
    let off = |(a, truth): (&[f32; 64], &[f32; 64])| -> [f32; 64] {
        std::array::from_fn(|p| if p < 32 { 0.0 } else { a[p] - truth[p] })
    };
    let off: Rows64 = a.iter().zip(truth).map(off).collect();
    let squares: f64 = off.iter().map(|off| dot(off, off)).sum();
    (squares / f64::from(count), off.iter().map(|off| off.map(|off| 2.0 * off / count)).collect())
}

/// The larger of two errors; that a NaN is one, `f64::max` would forget.
fn worse(a: f64, b: f64) -> f64 {
    if b.is_nan() || b > a { b } else { a }
}

/// The largest error of the results, and that of gradients in the queries for the cotangent `e`, relative to the sizes of
/// their terms, against plain loops over all keys.
fn check(s: f32, q: &Rows64, k: &Rows64, v: &Rows64, e: &Rows64, a: &[[f32; 64]], slope: &[[f32; 64]]) -> [f64; 2] {
    let mut errors = [0.0_f64; 2];
    for i in (0..q.len()).step_by(q.len().div_ceil(SAMPLE)) {
        let s = f64::from(s);
        let exponents: Vec<f64> = k.iter().map(|k| s * dot(&q[i], k)).collect();
        let top = exponents.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = exponents.iter().map(|x| (x - top).exp()).sum();
        let weights: Vec<f64> = exponents.iter().map(|x| (x - top).exp() / total).collect();
        let mean =
            |rows: &Rows64, d: usize| weights.iter().zip(rows).map(|(w, row)| w * f64::from(row[d])).sum::<f64>();
        let along: Vec<f64> = v.iter().map(|v| dot(&e[i], v)).collect();
        let mean_along: f64 = weights.iter().zip(&along).map(|(w, along)| w * along).sum();
        for d in 0..64 {
            errors[0] = worse(errors[0], (mean(v, d) - f64::from(a[i][d])).abs());
            let terms = weights.iter().zip(&along).zip(k);
            let terms = terms.map(|((w, along), k)| s * w * (along - mean_along) * f64::from(k[d]));
            let (sum, size) = terms.fold((0.0, 0.0), |(sum, size), term| (sum + term, size + term.abs()));
            errors[1] = worse(errors[1], (sum - f64::from(slope[i][d])).abs() / f64::max(size, 1e-3));
        }
    }
    errors
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let keys: usize = arguments.next().map_or(Ok(100_000), |keys| keys.parse()).context("how many keys?")?;
    ensure!(keys >= 100, "{keys} keys are too few to time");
    let png = arguments.next().unwrap_or_else(|| "attention.png".into());

    let images = read_digits()?;
    ensure!(images.len() > QUERIES, "too few images");
    let (truth, seen) = images.split_at(QUERIES);
    let mut random = fastrand::Rng::with_seed(9);
    let upper_half = |image: [f32; 64]| std::array::from_fn(|p| if p < 32 { image[p] } else { 0.0 });
    let v: Rows64 = (0..keys).map(|j| seen[j % seen.len()]).collect();
    // grey values are from 0 to 16
    let k: Rows64 = v.iter().map(|v| normalized(upper_half(v.map(|v| v + 4.0 * (random.f32() - 0.5))))).collect();
    let q: Rows64 = truth.iter().map(|image| normalized(upper_half(*image))).collect();

    let (tuning, test) = (0..QUERIES / 2, QUERIES / 2..QUERIES);
    let few = keys.min(FEW);
    let (some_q, some_k, some_v) = (&q[tuning.clone()], &k[..few], &v[..few]);
    let (mut log_s, mut step, mut last) = (1.0_f32, 0.5, None);
    for _ in 0..20 {
        let s = log_s.exp();
        let a = attention(s, some_q, some_k, some_v).eval()?;
        let (_, e) = error(&a, &truth[tuning.clone()]);
        let slope = attention(s, some_q, some_k, some_v).vjp_s(&e).eval()?[0][0];
        // steps along one number: halved where the slope has changed its sign
        if last.is_some_and(|last: f32| last * slope < 0.0) {
            step *= 0.5;
        }
        (log_s, last) = (log_s - step * slope.signum(), Some(slope));
    }
    let s = log_s.exp();

    let a = attention(s, &q, &k, &v).eval()?;
    let rms = |a: &[[f32; 64]]| error(&a[test.clone()], &truth[test.clone()]).0.sqrt();
    let mean: [f32; 64] = std::array::from_fn(|p| seen.iter().map(|image| image[p]).sum::<f32>() / seen.len() as f32);
    let (found, by_mean) = (rms(&a), rms(&vec![mean; QUERIES]));
    println!(
        "s = {s:.1}: the lower halves are off by {found:.2} of 16 (root mean square); their mean, by {by_mean:.2}"
    );
    ensure!(found < by_mean, "attention does not help");

    let e: Rows64 = a.iter().zip(truth).map(|(a, t)| std::array::from_fn(|p| a[p] - t[p])).collect();
    let gradient = attention(s, &q, &k, &v).vjp_q(&e).eval()?;
    let [worst, worst_slope] = check(s, &q, &k, &v, &e, &a, &gradient);
    println!("largest errors against f64 loops: {worst:.1e}, gradient {worst_slope:.1e} of its terms");
    // grey values are up to 16
    ensure!(worst < 1e-4 && worst_slope < 1e-4, "that is too large");

    let mut times = vec![];
    for keys in (0..4).map(|power| keys / 4_usize.pow(power)).filter(|&keys| keys > 0).rev() {
        let (k, v) = (&k[..keys], &v[..keys]);
        // the better of two: caches are warm then
        let mut best = [f64::INFINITY; 2];
        for _ in 0..2 {
            let start = Instant::now();
            attention(s, &q, k, v).eval()?;
            best[0] = best[0].min(start.elapsed().as_secs_f64());
            let start = Instant::now();
            attention(s, &q, k, v).vjp(&e).eval()?;
            best[1] = best[1].min(start.elapsed().as_secs_f64());
        }
        let rate = |time: f64| (QUERIES * keys) as f64 / time / 1e6;
        println!(
            "{QUERIES} queries, {keys:6} keys: {:.3} s, {:.0} million pairs a second; all gradients {:.3} s, {:.0} million; the \
             matrix would have {:.2} GB",
            best[0],
            rate(best[0]),
            best[1],
            rate(best[1]),
            (4 * QUERIES * keys) as f64 / 1e9
        );
        times.push((keys as f64, best));
    }
    draw(&png, &q, &a, truth, &times).with_context(|| format!("cannot draw {png}"))?;
    println!("picture: {png}");
    Ok(())
}

/// Some queries, what attention makes of them, the images they were; and the times.
fn draw(png: &str, q: &Rows64, a: &[[f32; 64]], truth: &[[f32; 64]], times: &[(f64, [f64; 2])]) -> Result<()> {
    register_font("sans-serif", FontStyle::Normal, dejavu::sans::regular()).map_err(|_| anyhow!("no font"))?;
    let (blue, red) = (RGBColor(38, 84, 150), RGBColor(217, 119, 54));
    let picture = BitMapBackend::new(png, (900, 360)).into_drawing_area();
    picture.fill(&WHITE)?;
    let (left, right) = picture.split_horizontally(500);
    let font = ("sans-serif", 17).into_font();
    for (row, (name, images)) in [("queries", &q[..]), ("attention", a), ("images", truth)].into_iter().enumerate() {
        let top = 44 + 104 * row as i32;
        left.draw(&Text::new(name, (12, top + 30), font.clone()))?;
        for (column, image) in images.iter().skip(QUERIES / 2).take(5).enumerate() {
            let most = image.iter().copied().fold(0.0, f32::max);
            for (p, value) in image.iter().enumerate() {
                let corner = (104 + 78 * column as i32 + p as i32 % 8 * 8, top + p as i32 / 8 * 8);
                let grey = 255 - (235.0 * value.max(0.0) / most) as u8;
                let end = (corner.0 + 8, corner.1 + 8);
                left.draw(&Rectangle::new([corner, end], RGBColor(grey, grey, grey).filled()))?;
            }
        }
    }
    let (first, last) = (times[0], times[times.len() - 1]);
    let mut chart = ChartBuilder::on(&right)
        .margin(10)
        .caption(format!("seconds for {QUERIES} queries"), font)
        .x_label_area_size(40)
        .y_label_area_size(50)
        .build_cartesian_2d(
            (0.8 * first.0..1.25 * last.0).log_scale(),
            (0.7 * first.1[0]..1.5 * last.1[1]).log_scale(),
        )?;
    chart
        .configure_mesh()
        .disable_mesh()
        .x_desc("keys")
        .x_label_formatter(&|keys| format!("{keys:.0}"))
        .label_style(("sans-serif", 13))
        .draw()?;
    for (which, name, colour) in [(0, "attention", blue), (1, "all its gradients", red)] {
        let points: Vec<(f64, f64)> = times.iter().map(|(keys, times)| (*keys, times[which])).collect();
        chart.draw_series(points.iter().map(|&point| Circle::new(point, 4, colour.filled())))?;
        chart
            .draw_series([PathElement::new(points, colour.stroke_width(2))])?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    let corner = SeriesLabelPosition::LowerRight;
    chart.configure_series_labels().position(corner).background_style(WHITE).label_font(("sans-serif", 14)).draw()?;
    picture.present()?;
    Ok(())
}
