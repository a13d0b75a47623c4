//! Neighbourhoods in six metrics: all points within a radius, the ten nearest, and the time that bounds save.
//!
//! A metric is a formula of two points, and `keops!` is told nothing else about it:
//!
//! ```text
//! Euclidean    |x - y|                          weighted     √((x - y)ᵀ S (x - y))
//! Manhattan    Σ_d |x_d - y_d|                  periodic     √Σ_d min(|x_d - y_d|, 1 - |x_d - y_d|)²
//! haversine    2 asin √(sin²((φ - φ')/2) + cos φ cos φ' sin²((λ - λ')/2))
//! hyperbolic   acosh(1 + 2 |x - y|² / ((1 - |x|²)(1 - |y|²)))
//! ```
//!
//! Bounds are of boxes around the points, and a box near the rim of the disk reaches beyond it. That 1 - |x|² is positive is therefore
//! written into the formula, as `max(1 - sqnorm2(x), 1e-5)`.
//!
//! ```text
//! cargo run --release --example neighbourhoods [points [picture.png]]
//! ```
//!
//! In each metric, the program lists for 20,000 points (unless told otherwise) the points within a radius, once with the help of
//! bounds and once from all pairs, and prints both times. The lists must be the same, `Count` must count them, a sample must be
//! what plain `f64` loops find, and within the distance of the tenth nearest there must be ten points. The picture shows three
//! neighbourhoods for each metric.

use std::{f32::consts::TAU, time::Instant};

use anyhow::{Context, Result, anyhow, ensure};
use keops::{Neighbours, prelude::*};
use plotters::{coord::Shift, prelude::*, style::register_font};

type Point = [f32; 2];

/// A call for points, points and radii, and one for points and points.
type WithRadii<R> = fn(&[Point], &[Point], &[[f32; 1]]) -> Result<R, Error>;
type OfNearest<R> = fn(&[Point], &[Point]) -> Result<R, Error>;

/// What the program knows of a metric: the calls, and what its points and radii are in the picture.
struct Metric {
    name: &'static str,
    near: WithRadii<Neighbours<f32>>,
    /// The same from all pairs.
    of_all_pairs: WithRadii<Neighbours<f32>>,
    degree: WithRadii<Rows<u32, 1>>,
    nearest: OfNearest<(Rows<f32, 10>, Rows<u32, 10>)>,
    /// The metric in plain Rust, for the check.
    distance: fn([f64; 2], [f64; 2]) -> f64,
    space: Space,
    /// The radius in the picture.
    radius: f32,
}

/// Where points are.
#[derive(Clone, Copy)]
enum Space {
    Square,
    /// Latitude and longitude.
    Sphere,
    Disk,
}

/// The formulas of a metric, and the metric.
macro_rules! metric {
    ($module:ident: $name:literal, $space:expr, $radius:literal, |$x:ident, $y:ident| $formula:expr, $distance:expr) => {
        mod $module {
            use keops::keops;

            keops! {
                #[keops(order = 0)]
                fn near($x: Vi<2>, $y: Vj<2>, r: Vi<1>) -> Within<j> { ($formula, r) }
                #[keops(order = 0)]
                fn degree($x: Vi<2>, $y: Vj<2>, r: Vi<1>) -> Count<j> { ($formula, r) }
                #[keops(order = 0)]
                fn nearest($x: Vi<2>, $y: Vj<2>) -> KMinArgKMin<10, j> { $formula }
            }

            pub(super) const METRIC: super::Metric = super::Metric {
                name: $name,
                near: |x, y, r| near(x, y, r).eval(),
                of_all_pairs: |x, y, r| near(x, y, r).exhaustive().eval(),
                degree: |x, y, r| degree(x, y, r).eval(),
                nearest: |x, y| nearest(x, y).eval(),
                distance: $distance,
                space: $space,
                radius: $radius,
            };
        }
    };
}

metric!(euclidean: "Euclidean", super::Space::Square, 0.16, |x, y| norm2(x - y),
    |[a, b], [c, d]| (a - c).hypot(b - d));
metric!(manhattan: "Manhattan", super::Space::Square, 0.16, |x, y| sum(abs(x - y)),
    |[a, b], [c, d]| (a - c).abs() + (b - d).abs());
metric!(weighted: "weighted", super::Space::Square, 0.16, |x, y| sqrt(weighted_sqdist(concat(3, 1.5, 1.5, 1.5), x, y)),
    |[a, b], [c, d]| (3.0 * (a - c).powi(2) + 3.0 * (a - c) * (b - d) + 1.5 * (b - d).powi(2)).sqrt());
metric!(periodic: "periodic box", super::Space::Square, 0.16,
    |x, y| sqrt(sum(min(abs(x - y), 1 - abs(x - y))**2)),
    |[a, b], [c, d]| (a - c - (a - c).round()).hypot(b - d - (b - d).round()));
metric!(haversine: "haversine", super::Space::Sphere, 0.35, |x, y| (
    2 * asin(sqrt(min(1, sin((x[0] - y[0]) / 2)**2 + cos(x[0]) * cos(y[0]) * sin((x[1] - y[1]) / 2)**2)))
), |[a, b], [c, d]| {
    2.0 * (((a - c) / 2.0).sin().powi(2) + a.cos() * c.cos() * ((b - d) / 2.0).sin().powi(2)).min(1.0).sqrt().asin()
});
metric!(hyperbolic: "hyperbolic", super::Space::Disk, 0.8, |x, y| (
    acosh(1 + 2 * sqdist(x, y) / (max(1 - sqnorm2(x), 1e-5) * max(1 - sqnorm2(y), 1e-5)))
), |[a, b], [c, d]| {
    let area = (1.0 - a * a - b * b) * (1.0 - c * c - d * d);
    (1.0 + 2.0 * ((a - c).powi(2) + (b - d).powi(2)) / area).acosh()
});

const METRICS: [Metric; 6] =
    [euclidean::METRIC, manhattan::METRIC, weighted::METRIC, periodic::METRIC, haversine::METRIC, hyperbolic::METRIC];

/// Points that are compared with plain loops.
const SAMPLE: usize = 50;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let points: usize = arguments.next().map_or(Ok(20_000), |points| points.parse()).context("how many points?")?;
    ensure!(points >= 100, "{points} points are too few");
    let png = arguments.next().unwrap_or_else(|| "neighbourhoods.png".into());
    for metric in &METRICS {
        metric.compare(points).with_context(|| metric.name)?;
    }
    draw(&png).with_context(|| format!("cannot draw {png}"))?;
    println!("picture: {png}");
    Ok(())
}

impl Metric {
    /// Lists of neighbours by bounds and from all pairs: the times, and what must hold.
    fn compare(&self, points: usize) -> Result<()> {
        let x = self.space.points(points);
        // some thirty in each neighbourhood: as many more than ten as its area is larger
        let (distances, rows) = (self.nearest)(&x, &x)?;
        let mut tenth: Vec<f32> = distances.iter().map(|row| row[9]).collect();
        tenth.sort_by(f32::total_cmp);
        let radius = 3.0_f32.sqrt() * tenth[points / 2];
        let r = vec![[radius]; points];

        let start = Instant::now();
        let lists = (self.near)(&x, &x, &r)?;
        let (time, start) = (start.elapsed(), Instant::now());
        let all = (self.of_all_pairs)(&x, &x, &r)?;
        println!(
            "{:12} {:8} pairs of {points} points: {time:7.1?}, from all {:7.1?}",
            self.name,
            lists.pairs(),
            start.elapsed()
        );

        ensure!(lists == all, "bounds find other pairs than there are");
        let degrees = (self.degree)(&x, &x, &r)?;
        ensure!(
            lists.iter().zip(&degrees).all(|((rows, _), degree)| rows.len() == degree[0] as usize),
            "counts differ"
        );
        for i in (0..points).step_by(points.div_ceil(SAMPLE)) {
            let near = lists.of(i).0;
            for (j, y) in (0..).zip(&x) {
                let exact = (self.distance)(x[i].map(f64::from), y.map(f64::from));
                // one rounding at the radius may decide
                let close = (exact - f64::from(radius)).abs() < 1e-3 * f64::from(radius);
                ensure!(close || near.contains(&j) == (exact < f64::from(radius)), "{i} and {j} are {exact} apart");
            }
        }
        // the radius that a selection gave includes the point that it came from
        let r: Vec<[f32; 1]> = distances.iter().map(|row| [row[9]]).collect();
        let ten = (self.near)(&x, &x, &r)?;
        let includes = |list: &[u32], nearest: &[u32; 10]| nearest.iter().all(|row| list.contains(row));
        ensure!(
            ten.iter().zip(&rows).all(|((list, _), nearest)| includes(list, nearest)),
            "the tenth nearest is beyond its own distance"
        );
        Ok(())
    }
}

impl Space {
    /// Points that are spread evenly.
    fn points(self, count: usize) -> Vec<Point> {
        let mut random = fastrand::Rng::with_seed(3);
        let mut point = || {
            let (a, b) = (random.f32(), random.f32());
            match self {
                Self::Square => [a, b],
                Self::Sphere => [(2.0 * a - 1.0).asin(), TAU * (b - 0.5)],
                Self::Disk => [0.97 * a.sqrt() * (TAU * b).cos(), 0.97 * a.sqrt() * (TAU * b).sin()],
            }
        };
        (0..count).map(|_| point()).collect()
    }

    /// The points whose neighbourhoods are drawn.
    fn centres(self) -> [Point; 3] {
        match self {
            Self::Square => [[0.25, 0.7], [0.6, 0.35], [0.97, 0.95]],
            Self::Sphere => [[0.0, -1.7], [0.8, 0.1], [1.35, 1.8]],
            Self::Disk => [[0.0, 0.0], [0.6, 0.3], [-0.4, -0.8]],
        }
    }

    /// The place in a picture of edge 1, from its upper left corner.
    fn place(self, [a, b]: Point) -> [f32; 2] {
        match self {
            Self::Square => [a, 1.0 - b],
            Self::Sphere => [b / TAU + 0.5, 0.5 - 2.0 * a / TAU],
            Self::Disk => [(1.0 + a) / 2.0, (1.0 - b) / 2.0],
        }
    }
}

/// A panel for each metric.
fn draw(png: &str) -> Result<()> {
    register_font("sans-serif", FontStyle::Normal, dejavu::sans::regular()).map_err(|_| anyhow!("no font"))?;
    let picture = BitMapBackend::new(png, (900, 640)).into_drawing_area();
    picture.fill(&WHITE)?;
    for (area, metric) in picture.split_evenly((2, 3)).iter().zip(&METRICS) {
        metric.draw(&area.margin(0, 12, 14, 14))?;
    }
    picture.present()?;
    Ok(())
}

impl Metric {
    /// Three neighbourhoods in the colours of their centres; the ten nearest are dark.
    fn draw(&self, area: &DrawingArea<BitMapBackend<'_>, Shift>) -> Result<()> {
        const SIDE: f32 = 270.0;
        let (x, centres) = (self.space.points(3_000), self.space.centres());
        let lists = (self.near)(&centres, &x, &[[self.radius]; 3])?;
        let (_, nearest) = (self.nearest)(&centres, &x)?;
        let at = |point: Point| {
            let [a, b] = self.space.place(point);
            ((SIDE * a) as i32, 30 + (SIDE * b) as i32)
        };
        area.draw(&Text::new(format!("{}: r = {}", self.name, self.radius), (0, 6), ("sans-serif", 17).into_font()))?;
        let grey = RGBColor(190, 196, 204);
        for point in &x {
            area.draw(&Circle::new(at(*point), 1, grey.filled()))?;
        }
        match self.space {
            Space::Disk => area.draw(&Circle::new(at([0.0, 0.0]), SIDE as i32 / 2, grey))?,
            Space::Square | Space::Sphere => {
                area.draw(&Rectangle::new([(0, 30), (SIDE as i32, 30 + SIDE as i32)], grey))?;
            }
        }
        for (k, (list, _)) in lists.iter().enumerate() {
            let hue = [0.58, 0.08, 0.38][k];
            for &j in list {
                area.draw(&Circle::new(at(x[j as usize]), 2, HSLColor(hue, 0.75, 0.62).filled()))?;
            }
            for &j in &nearest[k] {
                area.draw(&Circle::new(at(x[j as usize]), 2, HSLColor(hue, 0.9, 0.3).filled()))?;
            }
            area.draw(&Circle::new(at(centres[k]), 2, BLACK.filled()))?;
        }
        Ok(())
    }
}
