//! Mean shift on an image: every pixel climbs to a maximum of the kernel density of places and colours.
//!
//! A pixel is a point y_j of five numbers: its place in units of the radius σ, its colour in units of the spread of colours
//! that belong together. A step takes each point to the mean of all pixels, weighted with a Gaussian around the point,
//!
//! ```text
//! x_i  <-  Σ_j exp(-|x_i - y_j|² / 2) y_j / Σ_j exp(-|x_i - y_j|² / 2)
//! ```
//!
//! which is `SumSoftMaxWeight<j>` of `(-0.5 * sqdist(x, y), y)`, and x_i + ∇ log density(x_i): the program computes that
//! gradient with `vjp_x` as well and compares. The density, a `LogSumExp`, must not fall anywhere in any step. Pixels
//! that end near each other are a segment.
//!
//! ```text
//! cargo run --release --example mean_shift [image.png [picture.png]]
//! ```
//!
//! Without a path it takes `examples/data/coffee.png`, 21,600 pixels; all are compared with all. pykeops has no such
//! tutorial; densities of a cloud are what "Fitting a Gaussian Mixture Model" is about,
//! <https://www.kernel-operations.io/keops/_auto_tutorials/gaussian_mixture/plot_gaussian_mixture.html>.
//!
//! On two cores of an AMD EPYC (AVX-512): 2.7 s; 0.11 s a step, 4.3 billion pairs a second.

use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use image::{RgbImage, imageops};
use keops::prelude::*;
use plotters::{prelude::*, style::register_font};

keops! {
    /// log Σ_j exp(-|x_i - y_j|² / 2)
    fn log_density(x: Vi<5>, y: Vj<5>) -> LogSumExp<j> { -0.5 * sqdist(x, y) }

    /// Where mean shift takes x_i.
    #[keops(order = 0)]
    fn shifted(x: Vi<5>, y: Vj<5>) -> SumSoftMaxWeight<j> { (-0.5 * sqdist(x, y), y) }
}

/// The radius σ in pixels.
const RADIUS: f32 = 7.0;
/// The spread of colours, of which each component is between 0 and 1.
const COLOURS: f32 = 0.085;
const STEPS: usize = 20;
/// Neighbouring pixels are of one segment if they end this near to each other.
const NEAR: f32 = 0.5;
/// Pixels that are compared with plain loops.
const SAMPLE: usize = 20;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let path =
        arguments.next().unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/coffee.png").into());
    let png = arguments.next().unwrap_or_else(|| "mean_shift.png".into());
    let image = image::open(&path).with_context(|| path.clone())?.into_rgb8();
    let y: Vec<[f32; 5]> = image
        .enumerate_pixels()
        .map(|(column, row, colour)| {
            let [r, g, b] = colour.0.map(|c| f32::from(c) / 255.0 / COLOURS);
            [column as f32 / RADIUS, row as f32 / RADIUS, r, g, b]
        })
        .collect();
    println!("{path}: {} x {} pixels", image.width(), image.height());

    let density = log_density(&y, &y).eval()?;
    check(&y, &density)?;
    let (mut x, mut height) = (Rows::from(y.clone()), density.clone());
    let mut times = vec![];
    for step in 1..=STEPS {
        let start = Instant::now();
        x = shifted(&x, &y).eval()?;
        times.push(start.elapsed().as_secs_f64());
        // looked at now and then, since that costs as much as a step
        if step == 1 || step % 5 == 0 {
            let higher = log_density(&x, &y).eval()?;
            let falls = height.iter().zip(&higher).map(|(before, after)| f64::from(before[0] - after[0]));
            let fall = falls.fold(0.0, worse);
            ensure!(fall < 1e-4, "the density falls by a factor of exp({fall})");
            let rise: f32 = higher.iter().zip(&density).map(|(after, first)| after[0] - first[0]).sum();
            println!("after {step:2} steps: log density {:.4} higher on average", rise / y.len() as f32);
            height = higher;
        }
    }
    times.sort_by(f64::total_cmp);
    let pairs = (y.len() * y.len()) as f64;
    println!("{:.3} s a step (median): {:.2} billion pairs a second", times[STEPS / 2], pairs / times[STEPS / 2] / 1e9);

    let segments = segments(&x, image.width() as usize);
    let mut sizes = vec![0; y.len()];
    segments.iter().for_each(|&segment| sizes[segment] += 1);
    println!("{} segments of 20 pixels or more", sizes.iter().filter(|&&size| size >= 20).count());
    draw(&png, &image, &x, &density, &segments).with_context(|| format!("cannot draw {png}"))?;
    println!("picture: {png}");
    Ok(())
}

/// The larger of two errors; that a NaN is one, `f64::max` would forget.
fn worse(a: f64, b: f64) -> f64 {
    if b.is_nan() || b > a { b } else { a }
}

/// The first density, its gradient and the first step on a sample of the pixels, against plain `f64` loops.
fn check(y: &[[f32; 5]], density: &[[f32; 1]]) -> Result<()> {
    let sample: Vec<usize> = (0..y.len()).step_by(y.len().div_ceil(SAMPLE)).collect();
    let x: Vec<[f32; 5]> = sample.iter().map(|&i| y[i]).collect();
    let step = shifted(&x, y).eval()?;
    let gradient = log_density(&x, y).vjp_x(&vec![[1.0]; x.len()]).eval()?;
    let mut errors = [0.0_f64; 3];
    for (k, &i) in sample.iter().enumerate() {
        let weight = |y: &[f32; 5]| (-0.5 * (0..5).map(|d| f64::from(x[k][d] - y[d]).powi(2)).sum::<f64>()).exp();
        let total: f64 = y.iter().map(weight).sum();
        errors[0] = worse(errors[0], (f64::from(density[i][0]) - total.ln()).abs());
        for d in 0..5 {
            let mean = y.iter().map(|y| weight(y) * f64::from(y[d])).sum::<f64>() / total;
            errors[1] = worse(errors[1], (f64::from(step[k][d]) - mean).abs());
            errors[2] = worse(errors[2], (f64::from(x[k][d] + gradient[k][d]) - mean).abs());
        }
    }
    let [density, step, gradient] = errors;
    println!("errors against f64 loops: log density {density:.1e}, step {step:.1e}, gradient {gradient:.1e}");
    // numbers of up to 180 / 7 in single precision
    ensure!(errors.iter().all(|&error| error < 1e-4), "an error is larger than 1e-4");
    Ok(())
}

/// A number for each pixel: neighbours that end near each other are of one segment, and so are those that these are near to.
fn segments(x: &[[f32; 5]], width: usize) -> Vec<usize> {
    let near = |i: usize, k: usize| x[i].iter().zip(&x[k]).map(|(a, b)| (a - b).powi(2)).sum::<f32>() < NEAR * NEAR;
    let (mut segments, mut count) = (vec![usize::MAX; x.len()], 0);
    for first in 0..x.len() {
        if segments[first] != usize::MAX {
            continue;
        }
        let mut open = vec![first];
        segments[first] = count;
        while let Some(i) = open.pop() {
            let column = i % width;
            let sides = [(column > 0).then(|| i - 1), (column + 1 < width).then_some(i + 1)];
            let ends = [i.checked_sub(width), Some(i + width).filter(|&k| k < x.len())];
            for k in sides.into_iter().chain(ends).flatten() {
                if segments[k] == usize::MAX && near(i, k) {
                    segments[k] = count;
                    open.push(k);
                }
            }
        }
        count += 1;
    }
    segments
}

/// The image, its density, where the colours went, and the borders of the segments.
fn draw(png: &str, image: &RgbImage, x: &[[f32; 5]], density: &[[f32; 1]], segments: &[usize]) -> Result<()> {
    register_font("sans-serif", FontStyle::Normal, dejavu::sans::regular()).map_err(|_| anyhow!("no font"))?;
    let (width, height) = image.dimensions();
    let zoom = (400 / width).max(1);
    let (wide, high) = (width * zoom, height * zoom);
    let colour = |i: usize| -> [u8; 3] {
        std::array::from_fn(|c| (x[i][c + 2] * COLOURS * 255.0).round().clamp(0.0, 255.0) as u8)
    };
    let at = |column: u32, row: u32| (row * width + column) as usize;
    let filtered = RgbImage::from_fn(width, height, |column, row| image::Rgb(colour(at(column, row))));
    let ends = |(low, high): (f32, f32), a: &[f32; 1]| (low.min(a[0]), high.max(a[0]));
    let (low, top) = density.iter().fold((f32::INFINITY, f32::NEG_INFINITY), ends);
    let heat = RgbImage::from_fn(width, height, |column, row| {
        let share = (density[at(column, row)][0] - low) / (top - low).max(f32::MIN_POSITIVE);
        // a few shades: the file is half as large
        let share = (share * 8.0).round() / 8.0;
        image::Rgb([255.0 - 247.0 * share, 255.0 - 207.0 * share, 255.0 - 148.0 * share].map(|c| c as u8))
    });
    let mut sums = vec![[0_u32; 4]; segments.len()];
    for (i, &segment) in segments.iter().enumerate() {
        colour(i).iter().zip(&mut sums[segment]).for_each(|(&c, sum)| *sum += u32::from(c));
        sums[segment][3] += 1;
    }
    let means: Vec<[u8; 3]> =
        sums.iter().map(|&[r, g, b, count]| [r, g, b].map(|c| (c / count.max(1)) as u8)).collect();
    let borders = RgbImage::from_fn(width, height, |column, row| {
        let own = segments[at(column, row)];
        let (right, below) = ((column + 1).min(width - 1), (row + 1).min(height - 1));
        let inside = own == segments[at(right, row)] && own == segments[at(column, below)];
        image::Rgb(if inside { means[own] } else { [255; 3] })
    });

    let picture = BitMapBackend::new(png, (2 * wide + 60, 2 * high + 100)).into_drawing_area();
    picture.fill(&WHITE)?;
    let panels = [
        ("image", image),
        ("log density of its pixels (dark: high)", &heat),
        ("after mean shift", &filtered),
        ("segments", &borders),
    ];
    for (k, (title, panel)) in panels.into_iter().enumerate() {
        let corner = (20 + (k as u32 % 2 * (wide + 20)) as i32, 36 + (k as u32 / 2 * (high + 42)) as i32);
        picture.draw(&Text::new(title, (corner.0, corner.1 - 24), ("sans-serif", 17).into_font()))?;
        let zoomed = imageops::resize(panel, wide, high, imageops::FilterType::Nearest);
        let element = BitMapElement::with_owned_buffer(corner, (wide, high), zoomed.into_raw());
        picture.draw(&element.context("a panel of another size")?)?;
    }
    picture.present()?;
    Ok(())
}
