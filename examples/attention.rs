//! Softmax attention over 100,000 keys, and its gradient, in memory for the rows alone.
//!
//! ```text
//! a_i = Σ_j exp(s (q_i|k_j)) v_j / Σ_j exp(s (q_i|k_j))
//! ```
//!
//! is `SumSoftMaxWeight<j>` of `(s * (q | k), v)`: queries, keys and values of 64 numbers. Here attention is a memory: keys
//! are noisy images of digits in some length 1, values the clean images, and the queries are images that the memory has not seen,
//! with their lower half missing. The sharper s, the fewer keys have a say.
//!
//! ```text
//! cargo run --release --example attention [keys [picture.png]]
//! ```
//!
//! A sample of the rows, and of the gradient in the queries, is compared with plain `f64` loops. Times are measured for
//! fewer and fewer keys, too. pykeops has no such tutorial; its nearest is "A wrapper for NumPy and PyTorch arrays",
//! <https://www.kernel-operations.io/keops/_auto_tutorials/a_LazyTensors/plot_lazytensors_a.html>.
//! TIMING

use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use keops::prelude::*;
use plotters::{prelude::*, style::register_font};

keops! {
    /// Σ_j exp(s (q_i|k_j)) v_j / Σ_j exp(s (q_i|k_j))
    fn attention(s: Pm<1>, q: Vi<64>, k: Vj<64>, v: Vj<64>) -> SumSoftMaxWeight<j> { (s * (q | k), v) }
}

type Rows64 = Vec<[f32; 64]>;

/// How sharp the attention is: the length that queries have if keys have length 1.
const SHARPNESS: f32 = 40.0;
const QUERIES: usize = 1000;
/// Images that the memory has not seen.
const UNSEEN: usize = 100;
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

/// The error of results and of gradients in the queries for the cotangent `e`, against plain loops over all keys.
fn check(q: &Rows64, k: &Rows64, v: &Rows64, e: &Rows64, a: &[[f32; 64]], slope: &[[f32; 64]]) -> [f64; 2] {
    let mut errors = [0.0_f64; 2];
    for i in (0..q.len()).step_by(q.len().div_ceil(SAMPLE)) {
        let s = f64::from(SHARPNESS);
        let exponents: Vec<f64> = k.iter().map(|k| s * dot(&q[i], k)).collect();
        let top = exponents.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = exponents.iter().map(|x| (x - top).exp()).sum();
        let weights: Vec<f64> = exponents.iter().map(|x| (x - top).exp() / total).collect();
        let mean =
            |rows: &Rows64, d: usize| weights.iter().zip(rows).map(|(w, row)| w * f64::from(row[d])).sum::<f64>();
        let along: Vec<f64> = v.iter().map(|v| dot(&e[i], v)).collect();
        let mean_along: f64 = weights.iter().zip(&along).map(|(w, along)| w * along).sum();
        for d in 0..64 {
            errors[0] = errors[0].max((mean(v, d) - f64::from(a[i][d])).abs());
            let terms =
                weights.iter().zip(&along).zip(k).map(|((w, along), k)| s * w * (along - mean_along) * f64::from(k[d]));
            errors[1] = errors[1].max((terms.sum::<f64>() - f64::from(slope[i][d])).abs());
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
    let (seen, unseen) = images.split_at(images.len().saturating_sub(UNSEEN));
    ensure!(!seen.is_empty(), "too few images");
    let mut random = fastrand::Rng::with_seed(9);
    let v: Rows64 = (0..keys).map(|j| seen[j % seen.len()]).collect();
    // grey values are from 0 to 16
    let k: Rows64 = v.iter().map(|v| normalized(v.map(|v| v + 4.0 * (random.f32() - 0.5)))).collect();
    let erased = |image: &[f32; 64]| std::array::from_fn(|p| if p < 32 { image[p] } else { 0.0 });
    let q: Rows64 = (0..QUERIES).map(|i| normalized(erased(&unseen[i % unseen.len()]))).collect();
    let truth: Rows64 = (0..QUERIES).map(|i| unseen[i % unseen.len()]).collect();

    let a = attention(SHARPNESS, &q, &k, &v).eval()?;
    let off = |a: &[[f32; 64]]| -> f64 {
        let squares = a.iter().zip(&truth).flat_map(|(a, t)| (32..64).map(|p| f64::from(a[p] - t[p]).powi(2)));
        (squares.sum::<f64>() / (32 * QUERIES) as f64).sqrt()
    };
    let mean: [f32; 64] = std::array::from_fn(|p| seen.iter().map(|image| image[p]).sum::<f32>() / seen.len() as f32);
    println!(
        "missing pixels are off by {:.2} of 16 (root mean square); by {:.2}, if filled in with the mean of all images",
        off(&a),
        off(&vec![mean; QUERIES])
    );
    // half of the gradient of the squared error
    let e: Rows64 = a.iter().zip(&truth).map(|(a, t)| std::array::from_fn(|p| a[p] - t[p])).collect();
    let gradient = attention(SHARPNESS, &q, &k, &v).vjp(&e).eval()?;
    let [error, slope_error] = check(&q, &k, &v, &e, &a, &gradient.q);
    println!("largest errors against f64 loops: {error:.1e}, gradient {slope_error:.1e}");
    // grey values up to 16, slopes up to some hundreds
    ensure!(error < 1e-4 && slope_error < 1e-2, "that is too large");
    println!("slope of the squared error in the sharpness: {:.3}", gradient.s[0][0]);

    let mut times = vec![];
    for keys in (0..4).map(|power| keys / 4_usize.pow(power)).filter(|&keys| keys > 0).rev() {
        let (k, v) = (&k[..keys], &v[..keys]);
        // the better of two: caches are warm then
        let mut best = [f64::INFINITY; 2];
        for _ in 0..2 {
            let start = Instant::now();
            attention(SHARPNESS, &q, k, v).eval()?;
            best[0] = best[0].min(start.elapsed().as_secs_f64());
            let start = Instant::now();
            attention(SHARPNESS, &q, k, v).vjp(&e).eval()?;
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
    draw(&png, &q, &a, &truth, &times)?;
    println!("picture: {png}");
    Ok(())
}

/// Some queries, what attention makes of them, the images they were; and the times.
fn draw(png: &str, q: &Rows64, a: &[[f32; 64]], truth: &Rows64, times: &[(f64, [f64; 2])]) -> Result<()> {
    register_font("sans-serif", FontStyle::Normal, dejavu::sans::regular()).map_err(|_| anyhow!("no font"))?;
    let (blue, red) = (RGBColor(38, 84, 150), RGBColor(217, 119, 54));
    let picture = BitMapBackend::new(png, (900, 360)).into_drawing_area();
    picture.fill(&WHITE)?;
    let (left, right) = picture.split_horizontally(500);
    let font = ("sans-serif", 17).into_font();
    for (row, (name, images)) in [("queries", &q[..]), ("attention", a), ("images", &truth[..])].into_iter().enumerate()
    {
        let top = 44 + 104 * row as i32;
        left.draw(&Text::new(name, (12, top + 30), font.clone()))?;
        for (column, image) in images.iter().take(5).enumerate() {
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
    chart.configure_mesh().disable_mesh().x_desc("keys").label_style(("sans-serif", 13)).draw()?;
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
