//! DBSCAN: clusters of any shape in a million points, and the noise between them.
//!
//! A point is a core point if at least `LEAST` points are within the distance ε of it, itself among them. Core points within ε of
//! each other are of one cluster; another point within ε of a core point is of the cluster of the nearest one, and what is left is
//! noise (Ester, Kriegel, Sander and Xu, "A density-based algorithm for discovering clusters", KDD 1996). Each step is a call:
//!
//! ```text
//! core points     Count_j |x_i - x_j| <= ε
//! pairs of them   Within_j |x_i - x_j| <= ε, part by part, into a union-find structure
//! border points   MinArgMin_j |x_i - x_j| over the core points
//! ```
//!
//! ```text
//! cargo run --release --example dbscan [points [picture.png]]
//! ```
//!
//! The points (a million, unless told otherwise) are two moons, two rings and three blobs in the unit square, and a tenth of them
//! is spread evenly over it. Each shape must be one cluster that has nearly all of its points and hardly any others; the
//! counts of a sample must be those of a plain loop, and the clusters of every 200th point, with a larger ε, those of plain
//! DBSCAN.

use std::{
    collections::HashMap,
    f32::consts::{PI, TAU},
    time::Instant,
};

use anyhow::{Context, Result, anyhow, ensure};
use keops::{cluster::Tree, prelude::*};
use plotters::{prelude::*, style::register_font};

keops! {
    /// How many points are within the distance ε.
    #[keops(order = 0)]
    fn degree(epsilon: Pm<1>, x: Vi<2>, y: Vj<2>) -> Count<j> { (norm2(x - y), epsilon) }

    /// Which points these are.
    #[keops(order = 0)]
    fn near(epsilon: Pm<1>, x: Vi<2>, y: Vj<2>) -> Within<j> { (norm2(x - y), epsilon) }

    /// The distance of the nearest point, and its number.
    #[keops(order = 0)]
    fn nearest(x: Vi<2>, y: Vj<2>) -> MinArgMin<j> { norm2(x - y) }
}

/// So many points within ε, itself among them, make a point a core point.
const LEAST: u32 = 8;
/// Core points whose pairs are in memory at a time.
const PART: usize = 1 << 17;
/// Shapes, and the share of the points that is noise.
const SHAPES: usize = 7;
const NOISE: f32 = 0.1;
/// Points whose counts are compared with plain loops.
const SAMPLE: usize = 50;

type Point = [f32; 2];

/// Sets of numbers that were joined: each number points to another one of its set, and the root to itself.
struct Sets(Vec<u32>);

impl Sets {
    fn new(count: usize) -> Self {
        Self((0..count as u32).collect())
    }

    fn root(&mut self, mut number: u32) -> u32 {
        while self.0[number as usize] != number {
            let parent = self.0[number as usize];
            self.0[number as usize] = self.0[parent as usize];
            number = self.0[number as usize];
        }
        number
    }

    /// Joins two sets; the least number becomes the root.
    fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b) as usize] = a.min(b);
    }
}

/// The clusters of points: a number for each point, from 0 in the order of first core points; `None` for noise.
fn dbscan(x: &[Point], epsilon: f32, report: &dyn Fn(&str)) -> Result<Vec<Option<u32>>> {
    let degrees = degree(epsilon, x, x).eval()?;
    let (core, other): (Vec<u32>, Vec<u32>) = (0..x.len() as u32).partition(|&i| degrees[i as usize][0] >= LEAST);
    let pairs: u64 = degrees.iter().map(|degree| u64::from(degree[0])).sum();
    report(&format!("{pairs} pairs within ε, {} core points", core.len()));

    // sorted once, for all calls that follow
    let points: Vec<Point> = core.iter().map(|&i| x[i as usize]).collect();
    let tree = Tree::new(&points)?;
    let mut sets = Sets::new(points.len());
    for (part, targets) in points.chunks(PART).enumerate() {
        let lists = near(epsilon, targets, &tree).eval()?;
        for (i, (rows, _)) in ((part * PART) as u32..).zip(lists.iter()) {
            rows.iter().take_while(|&&j| j < i).for_each(|&j| sets.join(i, j));
        }
        report(&format!("{} core points are joined", part * PART + targets.len()));
    }

    let mut labels = vec![None; x.len()];
    let mut numbers = HashMap::new();
    for (place, &i) in (0..).zip(&core) {
        let next = numbers.len() as u32;
        labels[i as usize] = Some(*numbers.entry(sets.root(place)).or_insert(next));
    }
    if !core.is_empty() {
        let points: Vec<Point> = other.iter().map(|&i| x[i as usize]).collect();
        let (distances, rows) = nearest(&points, &tree).eval()?;
        for (&i, (distance, row)) in other.iter().zip(distances.iter().zip(&rows)) {
            if distance[0] <= epsilon {
                labels[i as usize] = labels[core[row[0] as usize] as usize];
            }
        }
    }
    report(&format!("{} clusters", numbers.len()));
    Ok(labels)
}

/// DBSCAN by plain loops, in the same order.
fn plain(x: &[Point], epsilon: f32) -> Vec<Option<u32>> {
    let distance = |i: usize, j: usize| ((x[i][0] - x[j][0]).powi(2) + (x[i][1] - x[j][1]).powi(2)).sqrt();
    let near = |i: usize| (0..x.len()).filter(|&j| distance(i, j) <= epsilon).collect::<Vec<_>>();
    let lists: Vec<Vec<usize>> = (0..x.len()).map(near).collect();
    let is_core = |i: usize| lists[i].len() >= LEAST as usize;
    let mut labels = vec![None; x.len()];
    let mut count = 0;
    for first in (0..x.len()).filter(|&i| is_core(i)) {
        if labels[first].is_some() {
            continue;
        }
        let mut left = vec![first];
        while let Some(i) = left.pop() {
            labels[i] = Some(count);
            left.extend(lists[i].iter().filter(|&&j| is_core(j) && labels[j].is_none()));
        }
        count += 1;
    }
    for i in (0..x.len()).filter(|&i| !is_core(i)) {
        let core = lists[i].iter().copied().filter(|&j| is_core(j));
        let nearest = core.min_by(|&a, &b| distance(i, a).total_cmp(&distance(i, b)));
        labels[i] = nearest.and_then(|j| labels[j]);
    }
    labels
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let points: usize = arguments.next().map_or(Ok(1_000_000), |points| points.parse()).context("how many points?")?;
    ensure!(points >= 20_000, "{points} points leave gaps in the shapes, 20000 do not");
    let png = arguments.next().unwrap_or_else(|| "dbscan.png".into());

    let (x, shapes) = cloud(points);
    // so that the number of neighbours does not depend on the number of points
    let epsilon = 1.3 / (points as f32).sqrt();
    let start = Instant::now();
    let labels = dbscan(&x, epsilon, &|what| println!("{:6.2} s: {what}", start.elapsed().as_secs_f64()))?;
    println!("DBSCAN of {points} points, ε = {epsilon:.5}: {:.2?}", start.elapsed());

    check_counts(&x, epsilon)?;
    check_shapes(&labels, &shapes)?;
    let few: Vec<Point> = x.iter().step_by((points / 5_000).max(1)).copied().collect();
    let wide = 1.3 / (few.len() as f32).sqrt();
    ensure!(dbscan(&few, wide, &|_| ())? == plain(&few, wide), "plain loops find other clusters");
    println!("{} of the points: the same clusters as by plain loops", few.len());

    draw(&png, &x, &labels).with_context(|| format!("cannot draw {png}"))?;
    println!("picture: {png}");
    Ok(())
}

/// The counts of a sample, by plain loops.
fn check_counts(x: &[Point], epsilon: f32) -> Result<()> {
    let sample: Vec<Point> = x.iter().step_by(x.len().div_ceil(SAMPLE)).copied().collect();
    for (a, count) in sample.iter().zip(&degree(epsilon, &sample, x).eval()?) {
        let distance = |b: &Point| f64::from(a[0] - b[0]).hypot(f64::from(a[1] - b[1]));
        // one rounding at ε may decide
        let within = |least: f64| x.iter().filter(|b| distance(b) <= least * f64::from(epsilon)).count() as u32;
        ensure!((within(1.0 - 1e-6)..=within(1.0 + 1e-6)).contains(&count[0]), "{a:?} has not {} neighbours", count[0]);
    }
    Ok(())
}

/// Each shape is the most of one cluster.
fn check_shapes(labels: &[Option<u32>], shapes: &[Option<usize>]) -> Result<()> {
    let mut common: HashMap<_, usize> = HashMap::new();
    labels.iter().zip(shapes).for_each(|pair| *common.entry(pair).or_default() += 1);
    let sizes = |pick: &dyn Fn(&Option<u32>, &Option<usize>) -> bool| -> usize {
        common.iter().filter(|((label, shape), _)| pick(label, shape)).map(|(_, count)| count).sum()
    };
    let mut found: Vec<u32> = vec![];
    for shape in 0..SHAPES {
        let of_shape = common.iter().filter(|((label, of), _)| **of == Some(shape) && label.is_some());
        let ((label, _), &most) = of_shape.max_by_key(|(_, count)| **count).context("a shape without a cluster")?;
        let (all, members) = (sizes(&|_, of| *of == Some(shape)), sizes(&|of, _| of == *label));
        println!(
            "  shape {shape}: {:.1} % are in one cluster, of which they are {:.1} %",
            100.0 * most as f64 / all as f64,
            100.0 * most as f64 / members as f64
        );
        ensure!(most as f64 > 0.85 * all as f64 && most as f64 > 0.9 * members as f64, "shape {shape} is no cluster");
        found.extend(*label);
    }
    found.sort_unstable();
    found.dedup();
    ensure!(found.len() == SHAPES, "two shapes are one cluster");
    let noise = sizes(&|label, shape| label.is_none() && shape.is_none());
    println!("  noise: {:.1} % are in no cluster", 100.0 * noise as f64 / sizes(&|_, shape| shape.is_none()) as f64);
    Ok(())
}

/// Points in any order, and the shape of each that is no noise.
fn cloud(points: usize) -> (Vec<Point>, Vec<Option<usize>>) {
    let mut random = fastrand::Rng::with_seed(5);
    let point = |_| {
        let shape = (random.f32() >= NOISE).then(|| random.usize(..SHAPES));
        let angle = random.f32() * TAU;
        let (far, turn) = (random.f32(), random.f32() * TAU);
        let around = |[x, y]: Point, radius: f32| [x + radius * turn.cos(), y + radius * turn.sin()];
        let bent = |[x, y]: Point, radius: f32, angle: f32| {
            around([x + radius * angle.cos(), y + radius * angle.sin()], 0.024 * far.sqrt())
        };
        let blob = |centre: Point, spread: f32| around(centre, spread * (-2.0 * (1.0 - far).ln()).sqrt());
        let place = match shape {
            None => [random.f32(), random.f32()],
            Some(0) => bent([0.23, 0.7], 0.15, angle / 2.0),
            Some(1) => bent([0.38, 0.77], 0.15, PI + angle / 2.0),
            Some(2) => bent([0.27, 0.28], 0.2, angle),
            Some(3) => bent([0.27, 0.28], 0.09, angle),
            Some(4) => blob([0.72, 0.78], 0.03),
            Some(5) => blob([0.87, 0.55], 0.02),
            Some(_) => blob([0.72, 0.25], 0.035),
        };
        (place, shape)
    };
    (0..points).map(point).unzip()
}

/// All points, and those of clusters in the colours of these.
fn draw(png: &str, x: &[Point], labels: &[Option<u32>]) -> Result<()> {
    const SIDE: f32 = 440.0;
    register_font("sans-serif", FontStyle::Normal, dejavu::sans::regular()).map_err(|_| anyhow!("no font"))?;
    let picture = BitMapBackend::new(png, (940, 500)).into_drawing_area();
    picture.fill(&WHITE)?;
    let mut sizes: HashMap<u32, usize> = HashMap::new();
    labels.iter().flatten().for_each(|label| *sizes.entry(*label).or_default() += 1);
    let mut largest: Vec<u32> = sizes.keys().copied().collect();
    largest.sort_unstable_by_key(|label| (std::cmp::Reverse(sizes[label]), *label));
    let colours: HashMap<u32, HSLColor> =
        (0..SHAPES).zip(largest).map(|(place, label)| (label, colour(place))).collect();
    let grey = HSLColor(0.6, 0.12, 0.62);
    for (left, title) in [(20, "points"), (480, "clusters and noise")] {
        picture.draw(&Text::new(title, (left, 10), ("sans-serif", 18).into_font()))?;
        // so many that shapes are not filled
        for (x, label) in x.iter().zip(labels).step_by(x.len().div_ceil(40_000)) {
            let at = (left + (SIDE * x[0]) as i32, 40 + (SIDE * (1.0 - x[1])) as i32);
            let of_cluster = label.and_then(|label| colours.get(&label).copied());
            picture.draw_pixel(at, &if left == 20 { grey } else { of_cluster.unwrap_or(grey) })?;
        }
        picture.draw(&Rectangle::new([(left, 40), (left + SIDE as i32, 40 + SIDE as i32)], grey))?;
    }
    picture.present()?;
    Ok(())
}

/// Hues far from each other.
fn colour(place: usize) -> HSLColor {
    HSLColor(place as f64 * 0.618 % 1.0, 0.75, 0.45)
}
