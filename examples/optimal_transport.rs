//! Optimal transport between two clouds: the Sinkhorn divergence in the log domain, and its gradient flow.
//!
//! With the cost |x - y|²/2, weights 1/N and 1/M and the temperature ε, Sinkhorn's iterations are
//!
//! ```text
//! f_i = -ε log Σ_j exp((g_j - |x_i - y_j|²/2) / ε) / M      g_j = -ε log Σ_i exp((f_i - |x_i - y_j|²/2) / ε) / N
//! ```
//!
//! each a `LogSumExp` of `h - c * sqdist(x, y)` with c = 1/2ε. They start at a large ε, which is made smaller from one
//! iteration to the next. The divergence S = OT(x, y) - OT(x, x)/2 - OT(y, y)/2 is a sum of such potentials; since these
//! are optimal, its gradient in x_i is that of the last iteration with the potentials held fixed, which is `vjp_x`. The
//! points of one cloud follow -∇S until they have the shape of the other.
//!
//! ```text
//! cargo run --release --example optimal_transport [points [picture.png]]
//! ```
//!
//! A disc of 2000 points (unless told otherwise) flows to two crescents. Checked: the iteration against plain loops, the
//! gradient against differences of S, and S of a cloud and itself moved by t, which is |t|²/2.
//!
//! Answers what pykeops' tutorials leave to GeomLoss, "Gradient flows in 2D",
//! <https://www.kernel-operations.io/geomloss/_auto_examples/comparisons/plot_gradient_flows_2D.html>.
//!
//! On two cores of an AMD EPYC (AVX-512): 2.9 s; 2.6 billion pairs a second in `f64`.

use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use keops::prelude::*;
use plotters::{prelude::*, style::register_font};

keops! {
    /// log Σ_j exp(h_j - c |x_i - y_j|²)
    fn log_sum(c: Pm<1>, x: Vi<2>, y: Vj<2>, h: Vj<1>) -> LogSumExp<j> { h - c * sqdist(x, y) }
}

type Cloud = Vec<[f64; 2]>;

/// The standard deviation of the blur: ε is its square.
const BLUR: f64 = 0.05;
/// What the blur is multiplied by from one iteration to the next, at first.
const SCALING: f64 = 0.7;
/// Steps of the flow, and the time that each takes.
const STEPS: usize = 20;
const TIME: f64 = 0.2;
/// The steps that are drawn.
const SHOWN: [usize; 6] = [0, 1, 3, 6, 10, 20];

/// h_j = g_j/ε - log M
fn exponents(g: &[f64], epsilon: f64) -> Vec<f64> {
    g.iter().map(|g_j| g_j / epsilon - (g.len() as f64).ln()).collect()
}

/// The potential on `x` that belongs to the potential `g` on `y`.
fn soft_minimum(x: &Cloud, y: &Cloud, g: &[f64], epsilon: f64) -> Result<Vec<f64>> {
    let sums = log_sum(0.5 / epsilon, x, y, &exponents(g, epsilon)).eval()?;
    Ok(sums.iter().map(|sum| -epsilon * sum[0]).collect())
}

/// The gradient of that potential in each point of `x`, with `g` held fixed.
fn slope(x: &Cloud, y: &Cloud, g: &[f64], epsilon: f64) -> Result<Cloud> {
    Ok(log_sum(0.5 / epsilon, x, y, &exponents(g, epsilon)).vjp_x(&vec![-epsilon; x.len()]).eval()?.into_vec())
}

/// The larger of two errors; that a NaN is one, `f64::max` would forget.
fn worse(a: f64, b: f64) -> f64 {
    if b.is_nan() || b > a { b } else { a }
}

/// The potentials on two clouds, and those of each cloud with itself.
struct Potentials {
    between: [Vec<f64>; 2],
    within: [Vec<f64>; 2],
    /// How many soft minima that took.
    minima: usize,
}

impl Potentials {
    fn new(x: &Cloud, y: &Cloud, tolerance: f64) -> Result<Self> {
        let [f, g] = [x, y].map(|cloud| vec![0.0; cloud.len()]);
        let mut potentials = Self { between: [f.clone(), g.clone()], within: [f, g], minima: 0 };
        potentials.iterate(x, y, 0.5, tolerance)?;
        Ok(potentials)
    }

    /// Iterates until no potential changes by more than `tolerance`, from the blur `first` on.
    fn iterate(&mut self, x: &Cloud, y: &Cloud, first: f64, tolerance: f64) -> Result<()> {
        let blurs = || std::iter::successors(Some(first), |blur| Some(SCALING * blur)).take(5000);
        let change = |old: &[f64], new: &[f64]| old.iter().zip(new).map(|(a, b)| (a - b).abs()).fold(0.0, worse);
        self.minima = 0;
        // the soft minimum overshoots where both sides are one potential: the mean of old and new does not
        for (cloud, f) in [x, y].into_iter().zip(&mut self.within) {
            let mut last = f64::INFINITY;
            for blur in blurs() {
                let new = soft_minimum(cloud, cloud, f, blur.max(BLUR).powi(2))?;
                last = change(f, &new);
                f.iter_mut().zip(new).for_each(|(f, new)| *f = 0.5 * (*f + new));
                self.minima += 1;
                if blur <= BLUR && last < tolerance {
                    break;
                }
            }
            ensure!(last < tolerance, "the potentials of a cloud with itself do not converge");
        }
        let [f, g] = &mut self.between;
        for blur in blurs() {
            let epsilon = blur.max(BLUR).powi(2);
            *f = soft_minimum(x, y, g, epsilon)?;
            let new = soft_minimum(y, x, f, epsilon)?;
            let change = change(g, &new);
            *g = new;
            self.minima += 2;
            if blur <= BLUR && change < tolerance {
                return Ok(());
            }
        }
        Err(anyhow!("the potentials do not converge"))
    }

    fn divergence(&self) -> f64 {
        let mean = |k: usize| {
            let differences = self.between[k].iter().zip(&self.within[k]).map(|(between, within)| between - within);
            differences.sum::<f64>() / self.between[k].len() as f64
        };
        mean(0) + mean(1)
    }

    /// N times the gradient of the divergence in the points of x.
    fn gradient(&self, x: &Cloud, y: &Cloud) -> Result<Cloud> {
        let between = slope(x, y, &self.between[1], BLUR * BLUR)?;
        let within = slope(x, x, &self.within[0], BLUR * BLUR)?;
        Ok(between.iter().zip(&within).map(|(b, w)| [b[0] - w[0], b[1] - w[1]]).collect())
    }
}

fn moved(x: &Cloud, step: f64, along: &Cloud) -> Cloud {
    x.iter().zip(along).map(|(x, u)| [x[0] + step * u[0], x[1] + step * u[1]]).collect()
}

/// Points all over a disc, and two crescents.
fn clouds(points: usize) -> (Cloud, Cloud) {
    let mut random = fastrand::Rng::with_seed(3);
    let disc = (0..points).map(|i| {
        // the golden angle: points are nowhere denser than elsewhere
        let (radius, angle) = (0.22 * ((i as f64 + 0.5) / points as f64).sqrt(), 2.399_963_2 * i as f64);
        [0.28 + radius * angle.cos(), 0.5 + radius * angle.sin()]
    });
    let crescents = (0..points).map(|i| {
        let angle = std::f64::consts::PI * random.f64();
        let radius = 0.2 + 0.07 * angle.sin() * (random.f64() - 0.5);
        let side = if i % 2 == 0 { 1.0 } else { -1.0 };
        [0.68 - 0.1 * side + side * radius * angle.cos(), 0.5 - 0.04 * side + side * radius * angle.sin()]
    });
    (disc.collect(), crescents.collect())
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let points: usize = arguments.next().map_or(Ok(2000), |points| points.parse()).context("how many points?")?;
    ensure!(points > 0, "no points");
    let png = arguments.next().unwrap_or_else(|| "optimal_transport.png".into());
    check()?;

    let (mut x, y) = clouds(points);
    let (start, tolerance) = (Instant::now(), 0.01 * BLUR * BLUR);
    let mut potentials = Potentials::new(&x, &y, tolerance)?;
    let (mut shown, mut last, mut minima) = (vec![], f64::INFINITY, 0);
    for step in 0..=STEPS {
        let divergence = potentials.divergence();
        // near the end nothing is left but the tolerance of the potentials
        ensure!(divergence < last + tolerance, "S rises from {last} to {divergence}");
        (last, minima) = (divergence, minima + potentials.minima);
        if SHOWN.contains(&step) {
            println!("t = {:.1}: S = {divergence:.6}, {} soft minima", TIME * step as f64, potentials.minima);
            shown.push((step, x.clone(), divergence));
        }
        x = moved(&x, -TIME, &potentials.gradient(&x, &y)?);
        // points have moved a little, and so have the potentials
        potentials.iterate(&x, &y, BLUR, tolerance)?;
    }
    let time = start.elapsed();
    let pairs = (minima + 2 * (STEPS + 1)) as f64 * (points * points) as f64;
    println!(
        "{} divergences with gradients of {points} points, {minima} soft minima in all: {time:.2?}, {:.2} billion pairs a \
         second",
        STEPS + 1,
        pairs / time.as_secs_f64() / 1e9
    );
    draw(&png, &shown, &y).with_context(|| format!("cannot draw {png}"))?;
    println!("picture: {png}");
    Ok(())
}

/// What is known of smaller clouds.
fn check() -> Result<()> {
    let (x, y) = clouds(200);
    let potentials = Potentials::new(&x, &y, 1e-13)?;
    let (g, epsilon) = (&potentials.between[1], BLUR * BLUR);
    let mut error = 0.0_f64;
    for (x, f) in x.iter().zip(soft_minimum(&x, &y, g, epsilon)?) {
        let cost = |y: &[f64; 2]| ((x[0] - y[0]).powi(2) + (x[1] - y[1]).powi(2)) / 2.0;
        let sum: f64 = y.iter().zip(g).map(|(y, g)| ((g - cost(y)) / epsilon).exp()).sum();
        error = worse(error, (f + epsilon * (sum / y.len() as f64).ln()).abs());
    }
    ensure!(error < 1e-12, "plain loops differ by {error}");

    let mut random = fastrand::Rng::with_seed(4);
    let u: Cloud = x.iter().map(|_| [random.f64() - 0.5, random.f64() - 0.5]).collect();
    let at = |h: f64| Ok::<_, anyhow::Error>(Potentials::new(&moved(&x, h, &u), &y, 1e-13)?.divergence());
    let difference = (at(1e-4)? - at(-1e-4)?) / 2e-4;
    let gradient = potentials.gradient(&x, &y)?;
    let along = gradient.iter().zip(&u).map(|(g, u)| g[0] * u[0] + g[1] * u[1]).sum::<f64>() / x.len() as f64;
    ensure!((along - difference).abs() < 1e-6 * difference.abs(), "slope {along}, by differences {difference}");

    let away: Cloud = x.iter().map(|x| [x[0] + 0.3, x[1] - 0.4]).collect();
    let divergence = Potentials::new(&x, &away, 1e-12)?.divergence();
    ensure!((divergence - 0.125).abs() < 1e-8, "S is {divergence}, not 0.5²/2");
    println!(
        "errors: iteration {error:.1e}, slope {:.1e}, S of a move {:.1e}",
        (along / difference - 1.0).abs(),
        (divergence - 0.125).abs()
    );
    Ok(())
}

/// The moving cloud at some times, in the colours of where it came from, on the other one.
fn draw(png: &str, shown: &[(usize, Cloud, f64)], y: &Cloud) -> Result<()> {
    register_font("sans-serif", FontStyle::Normal, dejavu::sans::regular()).map_err(|_| anyhow!("no font"))?;
    let picture = BitMapBackend::new(png, (900, 430)).into_drawing_area();
    picture.fill(&WHITE)?;
    let first = &shown[0].1;
    for (area, (step, x, divergence)) in picture.split_evenly((2, 3)).iter().zip(shown) {
        let title = format!("t = {:.1}   S = {divergence:.5}", TIME * *step as f64);
        let mut chart = ChartBuilder::on(area)
            .margin(8)
            .caption(title, ("sans-serif", 17))
            .build_cartesian_2d(0.02..0.98, 0.24..0.76)?;
        let grey = RGBColor(205, 208, 214);
        chart.draw_series(y.iter().map(|y| Circle::new((y[0], y[1]), 2, grey.filled())))?;
        chart.draw_series(x.iter().zip(first).map(|(x, from)| {
            let turn = (from[1] - 0.5).atan2(from[0] - 0.28) / std::f64::consts::TAU + 0.5;
            // few colours: a small file
            let hue = (24.0 * turn).round() / 24.0;
            Circle::new((x[0], x[1]), 1, HSLColor(hue, 0.8, 0.42).filled())
        }))?;
    }
    picture.present()?;
    Ok(())
}
