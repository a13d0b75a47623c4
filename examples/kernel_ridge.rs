//! Kernel ridge regression, the mean of a Gaussian process, with its kernel's width and its ridge tuned by gradient.
//!
//! Noisy values t_i at points x_i are fitted by
//!
//! ```text
//! f(z) = Σ_j exp(-g |z - x_j|²) a_j      where      α a_i + Σ_j exp(-g |x_i - x_j|²) a_j = t_i
//! ```
//!
//! The equations are the call `kernel(g, &x, &x, &t).solve_b(alpha)`: conjugate gradients without a matrix. g and α are
//! chosen to make the error of f at other points least, whose gradient is `vjp` of the sum for f, and of the solution by
//! the rule of implicit functions: one more system of equations, whatever the number of parameters.
//!
//! ```text
//! cargo run --release --example kernel_ridge [points [picture.png]]
//! ```
//!
//! 20,000 points (unless told otherwise) of a known curve with noise. 2000 of them tune, as many more say how well, and
//! the last fit is to all of them. Checked: the gradient against differences, the equations against plain loops,
//! and the fit against the curve.
//!
//! Answers the pykeops tutorial "Kernel interpolation - NumPy API",
//! <https://www.kernel-operations.io/keops/_auto_tutorials/interpolation/plot_RBF_interpolation_numpy.html>, and the tuning
//! of "Linking KeOps with GPytorch", <https://www.kernel-operations.io/keops/_auto_tutorials/backends/plot_gpytorch.html>.
//!
//! On two cores of an AMD EPYC (AVX-512): 11 s, of which 3 s tune and 7.5 s solve the large system, at 5.1 billion pairs a
//! second.

use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use keops::prelude::*;
use plotters::{prelude::*, style::register_font};

keops! {
    /// f(z_i) = Σ_j exp(-g |z_i - x_j|²) b_j
    fn kernel(g: Pm<1>, z: Vi<1>, x: Vj<1>, b: Vj<1>) -> Sum<j> { exp(-g * sqdist(z, x)) * b }
}

type Numbers = Vec<[f64; 1]>;

/// The standard deviation of the noise.
const NOISE: f64 = 0.4;
/// Points for tuning, and as many for the error.
const FEW: usize = 2000;
const STEPS: usize = 15;

/// Points with values.
struct Data {
    x: Numbers,
    t: Numbers,
}

/// What is to be found.
fn curve(x: f64) -> f64 {
    (std::f64::consts::TAU * x * (2.0 + 3.0 * x)).sin() + 0.5 * (20.0 * (x - 0.4)).tanh()
}

impl Data {
    /// As many numbers between 0 and 1, the curve there, and noise on it.
    fn new(points: usize, random: &mut fastrand::Rng) -> Self {
        let x: Numbers = (0..points).map(|_| [random.f64()]).collect();
        // normal, by Box and Muller
        let mut normal = || (-2.0 * (1.0 - random.f64()).ln()).sqrt() * (std::f64::consts::TAU * random.f64()).cos();
        let t = x.iter().map(|x| [curve(x[0]) + NOISE * normal()]).collect();
        Self { x, t }
    }

    fn part(&self, rows: std::ops::Range<usize>) -> Self {
        Self { x: self.x[rows.clone()].to_vec(), t: self.t[rows].to_vec() }
    }
}

/// The mean squared error at points of `test` of the fit to `train`, and its gradient in log g and log α.
fn error(train: &Data, test: &Data, [log_g, log_alpha]: [f64; 2], tolerance: f64) -> Result<(f64, [f64; 2])> {
    let (g, alpha) = (log_g.exp(), log_alpha.exp());
    let solution = kernel(g, &train.x, &train.x, &train.t).solve_b(alpha).tolerance(tolerance).eval()?;
    ensure!(solution.report.converged(), "g = {g}, alpha = {alpha}: {:?}", solution.report);
    let a = &solution.values;
    let fit = kernel(g, &test.x, &train.x, a).eval()?;
    let off: Vec<f64> = fit.iter().zip(&test.t).map(|(f, t)| f[0] - t[0]).collect();
    let n = off.len() as f64;

    // first the sum for f, then the equations that its a comes from
    let cotangent: Numbers = off.iter().map(|off| [2.0 * off / n]).collect();
    let of_fit = kernel(g, &test.x, &train.x, a).vjp(&cotangent).eval()?;
    let of_solution = solution.vjp(&of_fit.b)?;
    let in_g = of_fit.g[0][0] + of_solution.arguments.g[0][0];
    Ok((off.iter().map(|off| off * off).sum::<f64>() / n, [g * in_g, alpha * of_solution.alpha]))
}

/// The gradient against differences, for a few points.
fn check(random: &mut fastrand::Rng) -> Result<()> {
    let (train, test, at) = (Data::new(300, random), Data::new(200, random), [4.0, -0.5]);
    let (_, gradient) = error(&train, &test, at, 1e-12)?;
    for k in 0..2 {
        let moved = |h: f64| {
            let mut at = at;
            at[k] += h;
            error(&train, &test, at, 1e-12).map(|(error, _)| error)
        };
        let difference = (moved(1e-4)? - moved(-1e-4)?) / 2e-4;
        let off = (gradient[k] / difference - 1.0).abs();
        println!("slope {k}: {:.8}, by differences {difference:.8}", gradient[k]);
        ensure!(off < 1e-5, "slope {k} differs by {off} from the differences'");
    }
    Ok(())
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let points: usize = arguments.next().map_or(Ok(20_000), |points| points.parse()).context("how many points?")?;
    ensure!(points >= 2 * FEW, "{points} points are fewer than the {} for tuning", 2 * FEW);
    let png = arguments.next().unwrap_or_else(|| "kernel_ridge.png".into());
    let mut random = fastrand::Rng::with_seed(5);
    check(&mut random)?;

    let data = Data::new(points, &mut random);
    let (train, test) = (data.part(0..FEW), data.part(FEW..2 * FEW));
    let start = Instant::now();
    // far too wide a kernel
    let mut at = [3.0, 2.0];
    let mut path: Vec<([f64; 2], f64)> = vec![];
    let (mut value, mut gradient) = error(&train, &test, at, 1e-6)?;
    let mut step = 1.0;
    for _ in 0..STEPS {
        path.push((at, value));
        // downhill by a step that is halved until the error is less
        loop {
            let scale: f64 = step / gradient.iter().map(|g| g * g).sum::<f64>().sqrt().max(1.0);
            let next = [at[0] - scale * gradient[0], at[1] - scale * gradient[1]];
            let (lower, slope) = error(&train, &test, next, 1e-6)?;
            if lower < value || step < 1e-3 {
                (at, value, gradient, step) = (next, lower, slope, 2.0 * step);
                break;
            }
            step *= 0.5;
        }
    }
    path.push((at, value));
    let (g, alpha) = (at[0].exp(), at[1].exp());
    for (at, value) in path.iter().step_by(5) {
        println!("g = {:8.2}, alpha = {:.4}: mean squared error {value:.5}", at[0].exp(), at[1].exp());
    }
    println!("{FEW} points, {STEPS} steps: {:.2?}; the noise alone is {:.5}", start.elapsed(), NOISE * NOISE);

    // the points once more, in single precision: products are twice as fast, and the residual is that of f64 all the same
    let narrow = |rows: &Numbers| -> Vec<[f32; 1]> { rows.iter().map(|row| [row[0] as f32]).collect() };
    let (x, t, start) = (narrow(&data.x), narrow(&data.t), Instant::now());
    let solution = kernel(g as f32, &x, &x, &t).solve_b(alpha).tolerance(1e-5).eval()?;
    let (time, report) = (start.elapsed(), &solution.report);
    ensure!(report.converged(), "{report:?}");
    let pairs = report.iterations as f64 * (points * points) as f64;
    println!(
        "{points} points: {} iterations, residual {:.1e}, {time:.2?}: {:.2} billion pairs a second",
        report.iterations,
        report.residual(),
        pairs / time.as_secs_f64() / 1e9
    );
    let a = &solution.values;
    let rows = (0..points).step_by(points.div_ceil(100));
    let residual = rows.clone().map(|i| {
        let terms =
            x.iter().zip(a).map(|(y, a)| (-f64::from(g as f32) * f64::from(x[i][0] - y[0]).powi(2)).exp() * a[0]);
        (f64::from(t[i][0]) - alpha * a[i][0] - terms.sum::<f64>()).powi(2)
    });
    let residual = (residual.sum::<f64>() / rows.map(|i| f64::from(t[i][0]).powi(2)).sum::<f64>()).sqrt();
    ensure!(residual < 3e-5, "plain loops find a residual of {residual}");

    let z: Numbers = (0..=800).map(|i| [f64::from(i) / 800.0]).collect();
    let fit = kernel(g, &z, &data.x, a).eval()?;
    let off = z.iter().zip(&fit).map(|(z, f)| (f[0] - curve(z[0])).powi(2)).sum::<f64>() / z.len() as f64;
    println!("the fit is {:.4} from the curve (root mean square), the values are {NOISE}", off.sqrt());
    ensure!(off.sqrt() < 0.1 * NOISE, "that is too far");
    draw(&png, &data, &z, &fit, &path).with_context(|| format!("cannot draw {png}"))?;
    println!("picture: {png}");
    Ok(())
}

/// The fit to a part of the points, and how the error fell.
fn draw(png: &str, data: &Data, z: &Numbers, fit: &[[f64; 1]], path: &[([f64; 2], f64)]) -> Result<()> {
    register_font("sans-serif", FontStyle::Normal, dejavu::sans::regular()).map_err(|_| anyhow!("no font"))?;
    let (grey, blue, red) = (RGBColor(175, 180, 188), RGBColor(38, 84, 150), RGBColor(217, 119, 54));
    let line = |f: &dyn Fn(usize) -> f64| -> Vec<(f64, f64)> { (0..z.len()).map(|i| (z[i][0], f(i))).collect() };
    let picture = BitMapBackend::new(png, (900, 400)).into_drawing_area();
    picture.fill(&WHITE)?;
    let (left, right) = picture.split_horizontally(570);
    let mut chart = ChartBuilder::on(&left)
        .margin(10)
        .caption(format!("{} points (some are drawn)", data.x.len()), ("sans-serif", 17))
        .x_label_area_size(26)
        .y_label_area_size(34)
        .build_cartesian_2d(0.0..1.0, -2.5..2.5)?;
    chart.configure_mesh().disable_mesh().label_style(("sans-serif", 13)).draw()?;
    let some = data.x.iter().zip(&data.t).take(2500);
    chart.draw_series(some.map(|(x, t)| Circle::new((x[0], t[0]), 1, grey.filled())))?;
    chart
        .draw_series([PathElement::new(line(&|i| curve(z[i][0])), red.stroke_width(4))])?
        .label("curve")
        .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], red.stroke_width(4)));
    chart
        .draw_series([PathElement::new(line(&|i| fit[i][0]), blue.stroke_width(2))])?
        .label("fit")
        .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], blue.stroke_width(2)));
    let corner = SeriesLabelPosition::LowerLeft;
    chart.configure_series_labels().position(corner).background_style(WHITE).label_font(("sans-serif", 14)).draw()?;

    let top = path.iter().map(|step| step.1).fold(0.0, f64::max);
    let mut chart = ChartBuilder::on(&right)
        .margin(10)
        .caption("mean squared error elsewhere", ("sans-serif", 17))
        .x_label_area_size(40)
        .y_label_area_size(40)
        .build_cartesian_2d(0..path.len() - 1, 0.0..1.1 * top)?;
    chart.configure_mesh().disable_mesh().x_desc("steps").label_style(("sans-serif", 13)).draw()?;
    chart
        .draw_series([PathElement::new([(0, NOISE * NOISE), (path.len() - 1, NOISE * NOISE)], red.stroke_width(2))])?
        .label("noise")
        .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], red.stroke_width(2)));
    let points: Vec<(usize, f64)> = path.iter().map(|step| step.1).enumerate().collect();
    chart.draw_series([PathElement::new(points.clone(), blue.stroke_width(2))])?;
    chart.draw_series(points.iter().map(|&point| Circle::new(point, 3, blue.filled())))?;
    chart.configure_series_labels().background_style(WHITE).label_font(("sans-serif", 14)).draw()?;
    picture.present()?;
    Ok(())
}
