//! k-means with a metric of one's own: Lloyd's iterations, of which the assignment is one reduction.
//!
//! Each point goes to its nearest centre, `MinArgMin_j d(x_i, c_j)`, and each centre to the place where the sum of the
//! distances of its points is least: the mean for |x - c|², the median of each component for Σ_d |x_d - c_d|, the mean
//! direction for 1 - cos(x, c). The formula of the metric is all that `keops!` has to be told. The first centres are
//! drawn with the probability that k-means++ gives them, with the same reduction; for the digits that is done 20 times.
//!
//! ```text
//! cargo run --release --example k_means [points [picture.png]]
//! ```
//!
//! Two metrics on points of the plane that are drawn from a mixture of Gaussians (200,000 if no number is given), the
//! cosine on the digits of `examples/data/digits.csv`. The sum of the distances must not rise in any iteration, and a
//! sample of the points must have the centre that plain `f64` loops find.
//!
//! Answers the pykeops tutorial "K-means clustering - NumPy API",
//! <https://www.kernel-operations.io/keops/_auto_tutorials/kmeans/plot_kmeans_numpy.html>.
//!
//! On two cores of an AMD EPYC (AVX-512): 0.8 s; an assignment runs at 4.2 billion pairs a second for |x - c|², 3.8 for
//! Manhattan.

use anyhow::{Context, Result, anyhow, ensure};
use keops::prelude::*;
use plotters::{prelude::*, style::register_font};
use std::{path::Path, time::Instant};

keops! {
    /// The squared distance to the nearest centre, and its number.
    #[keops(order = 0)]
    fn euclidean(x: Vi<2>, c: Vj<2>) -> MinArgMin<j> { sqdist(x, c) }

    /// The same along the axes.
    #[keops(order = 0)]
    fn manhattan(x: Vi<2>, c: Vj<2>) -> MinArgMin<j> { sum(abs(x - c)) }

    /// The same for angles; `normalize` is computed once for each row, not for each pair.
    #[keops(order = 0)]
    fn cosine(x: Vi<64>, c: Vj<64>) -> MinArgMin<j> { 1 - (normalize(x) | normalize(c)) }
}

/// Centres on the plane.
const CENTRES: usize = 40;
/// The most iterations.
const ITERATIONS: usize = 40;
/// Points that are compared with plain loops.
const SAMPLE: usize = 200;

/// For each point the distance to its nearest centre, and the centre's number.
type Assignment = Result<(Rows<f32, 1>, Rows<u32, 1>), Error>;

/// From points and centres.
type Assign<const D: usize> = fn(&[[f32; D]], &[[f32; D]]) -> Assignment;

/// What k-means has to know of a distance.
struct Metric<const D: usize> {
    name: &'static str,
    nearest: Assign<D>,
    /// The place with the least sum of distances to these points.
    centre: fn(&mut [[f32; D]]) -> [f32; D],
    /// The distance in plain Rust, for the check.
    distance: fn(&[f32; D], &[f32; D]) -> f64,
}

struct Clusters<const D: usize> {
    centres: Vec<[f32; D]>,
    /// The number of each point's centre.
    labels: Rows<u32, 1>,
    /// The sum of the distances.
    sum: f64,
}

impl<const D: usize> Metric<D> {
    /// The best clusters of several starts.
    fn k_means(&self, x: &[[f32; D]], k: usize, starts: usize, random: &mut fastrand::Rng) -> Result<Clusters<D>> {
        let start = Instant::now();
        let mut best = self.descend(x, self.first_centres(x, k, random)?)?;
        for _ in 1..starts {
            let next = self.descend(x, self.first_centres(x, k, random)?)?;
            if next.sum < best.sum {
                best = next;
            }
        }
        println!(
            "{} distance: {} points of {D} numbers, {k} centres, starts: {starts}: {:.2?}, mean distance {:.4}",
            self.name,
            x.len(),
            start.elapsed(),
            best.sum / x.len() as f64
        );
        let (start, repeats) = (Instant::now(), 10);
        for _ in 0..repeats {
            (self.nearest)(x, &best.centres)?;
        }
        let pairs = (repeats * x.len() * k) as f64;
        println!("  an assignment: {:.2} billion pairs a second", pairs / start.elapsed().as_secs_f64() / 1e9);
        for i in (0..x.len()).step_by(x.len().div_ceil(SAMPLE)) {
            let least = best.centres.iter().map(|c| (self.distance)(&x[i], c)).fold(f64::INFINITY, f64::min);
            let found = (self.distance)(&x[i], &best.centres[best.labels[i][0] as usize]);
            ensure!(found <= least + 1e-5, "{}: point {i} is {found} from its centre, not {least}", self.name);
        }
        Ok(best)
    }

    /// As k-means++ draws them: each with a probability in proportion to its distance from those before.
    fn first_centres(&self, x: &[[f32; D]], k: usize, random: &mut fastrand::Rng) -> Result<Vec<[f32; D]>> {
        let mut centres = vec![x[random.usize(..x.len())]];
        while centres.len() < k {
            let (distances, _) = (self.nearest)(x, &centres)?;
            let total: f64 = distances.iter().map(|d| f64::from(d[0])).sum();
            let mut left = random.f64() * total;
            let drawn = distances.iter().position(|d| {
                left -= f64::from(d[0]);
                left < 0.0
            });
            centres.push(x[drawn.unwrap_or(x.len() - 1)]);
        }
        Ok(centres)
    }

    /// Lloyd's iterations, until the sum of the distances hardly falls.
    fn descend(&self, x: &[[f32; D]], mut centres: Vec<[f32; D]>) -> Result<Clusters<D>> {
        let mut last = f64::INFINITY;
        let mut passes = 0;
        loop {
            passes += 1;
            let (distances, labels) = (self.nearest)(x, &centres)?;
            let sum: f64 = distances.iter().map(|d| f64::from(d[0])).sum();
            ensure!(sum <= last * (1.0 + 1e-5), "{}: the sum of distances rose from {last} to {sum}", self.name);
            if sum > last * (1.0 - 1e-5) || passes == ITERATIONS {
                return Ok(Clusters { centres, labels, sum });
            }
            last = sum;
            let mut members = vec![vec![]; centres.len()];
            x.iter().zip(&labels).for_each(|(x, label)| members[label[0] as usize].push(*x));
            for (centre, points) in centres.iter_mut().zip(&mut members).filter(|(_, points)| !points.is_empty()) {
                *centre = (self.centre)(points);
            }
        }
    }
}

fn mean<const D: usize>(points: &mut [[f32; D]]) -> [f32; D] {
    std::array::from_fn(|d| points.iter().map(|x| f64::from(x[d])).sum::<f64>() as f32 / points.len() as f32)
}

fn median<const D: usize>(points: &mut [[f32; D]]) -> [f32; D] {
    let middle = points.len() / 2;
    std::array::from_fn(|d| points.select_nth_unstable_by(middle, |x, y| x[d].total_cmp(&y[d])).1[d])
}

fn mean_direction<const D: usize>(points: &mut [[f32; D]]) -> [f32; D] {
    points.iter_mut().for_each(|x| {
        let length = x.iter().map(|x| x * x).sum::<f32>().sqrt();
        x.iter_mut().for_each(|x| *x /= length);
    });
    mean(points)
}

fn dot<const D: usize>(x: &[f32; D], y: &[f32; D]) -> f64 {
    x.iter().zip(y).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum()
}

const EUCLIDEAN: Metric<2> = Metric {
    name: "squared Euclidean",
    nearest: |x, c| euclidean(x, c).eval(),
    centre: mean,
    distance: |x, c| (0..2).map(|d| f64::from(x[d] - c[d]).powi(2)).sum(),
};
const MANHATTAN: Metric<2> = Metric {
    name: "Manhattan",
    nearest: |x, c| manhattan(x, c).eval(),
    centre: median,
    distance: |x, c| (0..2).map(|d| f64::from(x[d] - c[d]).abs()).sum(),
};
const COSINE: Metric<64> = Metric {
    name: "cosine",
    nearest: |x, c| cosine(x, c).eval(),
    centre: mean_direction,
    distance: |x, c| 1.0 - dot(x, c) / (dot(x, x) * dot(c, c)).sqrt(),
};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let points: usize = arguments.next().map_or(Ok(200_000), |points| points.parse()).context("how many points?")?;
    ensure!(points >= CENTRES, "{points} points are fewer than {CENTRES} centres");
    let png = arguments.next().unwrap_or_else(|| "k_means.png".into());

    let mut random = fastrand::Rng::with_seed(7);
    // places and standard deviations
    let mut blob = || [0.1 + 0.8 * random.f32(), 0.1 + 0.8 * random.f32(), 0.07 + 0.04 * random.f32()];
    let blobs: Vec<[f32; 3]> = (0..12).map(|_| blob()).collect();
    let x: Vec<[f32; 2]> = (0..points).map(|_| in_blob(&blobs[random.usize(..12)], &mut random)).collect();
    let euclidean = EUCLIDEAN.k_means(&x, CENTRES, 1, &mut random)?;
    let manhattan = MANHATTAN.k_means(&x, CENTRES, 1, &mut random)?;

    let (digits, classes) = read_digits()?;
    let clusters = COSINE.k_means(&digits, 10, 20, &mut random)?;
    let mut counts = [[0; 10]; 10];
    clusters.labels.iter().zip(&classes).for_each(|(label, &class)| counts[label[0] as usize][class] += 1);
    let most: usize = counts.iter().map(|counts| counts.iter().max().unwrap_or(&0)).sum();
    println!("{:.1} % of the digits are of their cluster's commonest class", 100.0 * most as f64 / digits.len() as f64);

    draw(Path::new(&png), &x, [(EUCLIDEAN, euclidean), (MANHATTAN, manhattan)], &clusters.centres)
        .with_context(|| format!("cannot draw {png}"))?;
    println!("picture: {png}");
    Ok(())
}

/// A point with a normal distribution around the blob's centre, inside the unit square.
fn in_blob(&[x, y, spread]: &[f32; 3], random: &mut fastrand::Rng) -> [f32; 2] {
    loop {
        let (radius, angle) = ((-2.0 * (1.0 - random.f32()).ln()).sqrt(), random.f32() * std::f32::consts::TAU);
        let point = [x + spread * radius * angle.cos(), y + spread * radius * angle.sin()];
        if point.iter().all(|x| (0.0..1.0).contains(x)) {
            return point;
        }
    }
}

/// The images and their classes.
fn read_digits() -> Result<(Vec<[f32; 64]>, Vec<usize>)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/digits.csv");
    let (mut images, mut classes) = (vec![], vec![]);
    for record in csv::ReaderBuilder::new().has_headers(false).from_path(path).context(path)?.deserialize() {
        let numbers: Vec<f32> = record.context(path)?;
        let (class, pixels) = numbers.split_last().context("an empty line")?;
        images.push(pixels.try_into().with_context(|| format!("{path}: not 64 pixels"))?);
        classes.push(*class as usize);
    }
    Ok((images, classes))
}

/// Two planes in the colours of the cells, and the digits' centres below.
fn draw(png: &Path, x: &[[f32; 2]], plane: [(Metric<2>, Clusters<2>); 2], digits: &[[f32; 64]]) -> Result<()> {
    const SIDE: i32 = 420;
    register_font("sans-serif", FontStyle::Normal, dejavu::sans::regular()).map_err(|_| anyhow!("no font"))?;
    let picture = BitMapBackend::new(png, (900, 590)).into_drawing_area();
    picture.fill(&WHITE)?;
    let title = ("sans-serif", 18).into_font();
    let pixel = |p: [f32; 2]| ((p[0] * SIDE as f32) as i32, ((1.0 - p[1]) * SIDE as f32) as i32);
    // every pixel goes to its nearest centre, by the very same call
    let middle = |p: i32| (p as f32 + 0.5) / SIDE as f32;
    let pixels: Vec<[f32; 2]> = (0..SIDE * SIDE).map(|p| [middle(p % SIDE), 1.0 - middle(p / SIDE)]).collect();
    for ((metric, clusters), left) in plane.into_iter().zip([20, 460]) {
        let area = picture.clone().shrink((left, 36), (SIDE as u32, SIDE as u32));
        picture.draw(&Text::new(format!("{} distance", metric.name), (left, 12), title.clone()))?;
        let (_, cells) = (metric.nearest)(&pixels, &clusters.centres)?;
        for (p, cell) in cells.iter().enumerate() {
            // hues far from each other for centres that follow each other
            let hue = f64::from(cell[0]) * 0.618 % 1.0;
            let at = (p as i32 % SIDE, p as i32 / SIDE);
            area.draw_pixel(at, &HSLColor(hue, 0.55, 0.82 + 0.06 * f64::from(cell[0] % 2)))?;
        }
        for x in x.iter().step_by(x.len().div_ceil(4000)) {
            area.draw_pixel(pixel(*x), &RGBColor(70, 80, 95))?;
        }
        for &centre in &clusters.centres {
            area.draw(&Circle::new(pixel(centre), 5, WHITE.filled()))?;
            area.draw(&Circle::new(pixel(centre), 4, RGBColor(200, 40, 40).filled()))?;
        }
    }
    picture.draw(&Text::new("digits: the centres of 10 clusters, cosine distance", (20, 470), title))?;
    for (k, centre) in digits.iter().enumerate() {
        let most = centre.iter().copied().fold(0.0, f32::max);
        for (p, value) in centre.iter().enumerate() {
            let corner = (20 + 87 * k as i32 + p as i32 % 8 * 10, 496 + p as i32 / 8 * 10);
            let grey = 255 - (235.0 * value / most) as u8;
            let end = (corner.0 + 10, corner.1 + 10);
            picture.draw(&Rectangle::new([corner, end], RGBColor(grey, grey, grey).filled()))?;
        }
    }
    picture.present()?;
    Ok(())
}
