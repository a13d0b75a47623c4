//! Shape registration by geodesic shooting (LDDMM): one closed curve is deformed onto another, and the plane with it.
//!
//! Points q_i of the curve move with momenta p_i by the Hamiltonian of a Gaussian kernel,
//!
//! ```text
//! H(q, p) = Σ_ij exp(-g |q_i - q_j|²) (p_i|p_j) / 2          q' = ∂H/∂p          p' = -∂H/∂q
//! ```
//!
//! ∂H/∂p is the call `velocity(g, q, q, p)`, and ∂H/∂q its `vjp_x(p)`. The momenta at the start are chosen to make
//! E = H + w |curve at time 1 - other curve|² least, in the norm of varifolds, which sees where pieces of a curve are and
//! where they point to. The gradient of E goes back through the steps in time; where these have a first
//! derivative it has a second one: `velocity(..).vjp_x(p).vjp(..)`, with `#[keops(order = 2)]`. L-BFGS does the rest.
//!
//! ```text
//! cargo run --release --example registration [points [picture.png]]
//! ```
//!
//! Two curves of 500 points (unless told otherwise) by a formula. Checked: the gradient of E against differences, that
//! the geodesic keeps H, and that E falls.
//!
//! Answers the pykeops tutorial "Surface registration",
//! <https://www.kernel-operations.io/keops/_auto_tutorials/surface_registration/plot_LDDMM_Surface.html>, on curves.
//!
//! On two cores of an AMD EPYC (AVX-512): 2 s, 85 shots with gradients.

use std::{collections::VecDeque, f64::consts::TAU, time::Instant};

use anyhow::{Context, Result, anyhow, ensure};
use keops::prelude::*;
use plotters::{prelude::*, style::register_font};

keops! {
    /// The velocity at x_i: Σ_j exp(-g |x_i - q_j|²) p_j
    #[keops(order = 2)]
    fn velocity(g: Pm<1>, x: Vi<2>, q: Vj<2>, p: Vj<2>) -> Sum<j> { exp(-g * sqdist(x, q)) * p }

    /// The product of varifolds: Σ_j exp(-g |x_i - y_j|²) (u_i|v_j)² / |u_i||v_j|, with pieces u_i at x_i and v_j at y_j
    fn varifold(g: Pm<1>, x: Vi<2>, u: Vi<2>, y: Vj<2>, v: Vj<2>) -> Sum<j> {
        exp(-g * sqdist(x, y)) * (u | v)**2 * rsqrt(sqnorm2(u) * sqnorm2(v))
    }
}

type Points = Vec<[f64; 2]>;

/// 1 / 2 σ² of the kernel that deforms, with σ = 0.25.
const DEFORM: f64 = 8.0;
/// The same of the kernel that compares, with σ = 0.2.
const COMPARE: f64 = 12.5;
/// The weight w of the comparison.
const WEIGHT: f64 = 30.0;
/// Steps in time.
const STEPS: usize = 10;
const ITERATIONS: usize = 80;

/// a + s b
fn add(a: &[[f64; 2]], s: f64, b: &[[f64; 2]]) -> Points {
    a.iter().zip(b).map(|(a, b)| [a[0] + s * b[0], a[1] + s * b[1]]).collect()
}

fn dot(a: &[[f64; 2]], b: &[[f64; 2]]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a[0] * b[0] + a[1] * b[1]).sum()
}

/// Places and momenta, or a change of both, or a gradient in both.
#[derive(Clone)]
struct State {
    q: Points,
    p: Points,
}

impl State {
    fn plus(&self, s: f64, other: &State) -> State {
        State { q: add(&self.q, s, &other.q), p: add(&self.p, s, &other.p) }
    }

    /// (∂H/∂p, -∂H/∂q)
    fn change(&self) -> Result<State> {
        let Self { q, p } = self;
        let force = velocity(DEFORM, q, q, p).vjp_x(p).eval()?;
        let minus = force.iter().map(|force| force.map(|force| -force)).collect();
        Ok(State { q: velocity(DEFORM, q, q, p).eval()?.into_vec(), p: minus })
    }

    /// The gradient of (e|change) in this state.
    fn pulled_back(&self, e: &State) -> Result<State> {
        let Self { q, p } = self;
        let first = velocity(DEFORM, q, q, p).vjp(&e.q).eval()?;
        let second = velocity(DEFORM, q, q, p).vjp_x(p).vjp(&e.p).eval()?;
        // q stands on both sides of the kernel, and p in its sum and in the product with it
        let in_q = add(&add(&first.x, 1.0, &first.q), -1.0, &add(&second.x, 1.0, &second.q));
        let in_p = add(&first.p, -1.0, &add(&second.p, 1.0, &second.cotangent));
        Ok(State { q: in_q, p: in_p })
    }

    fn energy(&self) -> Result<f64> {
        Ok(0.5 * dot(&velocity(DEFORM, &self.q, &self.q, &self.p).eval()?, &self.p))
    }
}

/// The states from time 0 to 1, and in the middle of each step: z <- z + h f(z + h/2 f(z)).
fn shoot(start: State) -> Result<Vec<State>> {
    let mut states = vec![start];
    for _ in 0..STEPS {
        let now = &states[states.len() - 1];
        let middle = now.plus(0.5 / STEPS as f64, &now.change()?);
        let next = now.plus(1.0 / STEPS as f64, &middle.change()?);
        states.extend([middle, next]);
    }
    Ok(states)
}

/// The middles of a curve's pieces, and the pieces.
fn pieces(q: &Points) -> (Points, Points) {
    let ends = q.iter().zip(q.iter().cycle().skip(1));
    ends.map(|(a, b)| ([(a[0] + b[0]) / 2.0, (a[1] + b[1]) / 2.0], [b[0] - a[0], b[1] - a[1]])).unzip()
}

/// The squared distance of two curves as varifolds, and its gradient in the points of the first.
fn compare(q: &Points, target: &Points) -> Result<(f64, Points)> {
    let ((x, u), (y, v)) = (pieces(q), pieces(target));
    let total = |sums: Rows<f64, 1>| sums.as_flat().iter().sum::<f64>();
    let own = total(varifold(COMPARE, &x, &u, &x, &u).eval()?);
    let both = total(varifold(COMPARE, &x, &u, &y, &v).eval()?);
    let other = total(varifold(COMPARE, &y, &v, &y, &v).eval()?);
    let ones = vec![1.0; x.len()];
    // the product is symmetric: half of the gradient of the first term is in x, half in what x is compared with
    let own_slope = varifold(COMPARE, &x, &u, &x, &u).vjp(&ones).eval()?;
    let both_slope = varifold(COMPARE, &x, &u, &y, &v).vjp(&ones).eval()?;
    let (in_x, in_u) = (add(&own_slope.x, -1.0, &both_slope.x), add(&own_slope.u, -1.0, &both_slope.u));
    let before = |k: usize| (k + q.len() - 1) % q.len();
    let component = |k: usize, d: usize| in_x[before(k)][d] + in_x[k][d] + 2.0 * (in_u[before(k)][d] - in_u[k][d]);
    Ok((own - 2.0 * both + other, (0..q.len()).map(|k| [component(k, 0), component(k, 1)]).collect()))
}

/// H, the squared distance at time 1, and the gradient of H + w times that in the momenta at the start.
fn objective(source: &Points, target: &Points, p: &Points) -> Result<(f64, f64, Points)> {
    let states = shoot(State { q: source.clone(), p: p.clone() })?;
    let (distance, slope) = compare(&states[2 * STEPS].q, target)?;
    let scaled = slope.iter().map(|slope| slope.map(|slope| WEIGHT * slope)).collect();
    let mut e = State { q: scaled, p: vec![[0.0; 2]; p.len()] };
    let step = 1.0 / STEPS as f64;
    for k in (0..STEPS).rev() {
        let in_middle = states[2 * k + 1].pulled_back(&e)?;
        let in_now = states[2 * k].pulled_back(&in_middle)?;
        e = e.plus(step, &in_middle).plus(0.5 * step * step, &in_now);
    }
    // H is a quadratic form of the momenta
    let speed = velocity(DEFORM, source, source, p).eval()?;
    Ok((0.5 * dot(&speed, p), distance, add(&e.p, 1.0, &speed)))
}

/// The direction of L-BFGS: minus the gradient, times the inverse of the Hessian as the last steps show it.
fn direction(gradient: &Points, memory: &VecDeque<(Points, Points)>) -> Points {
    let mut d = add(&vec![[0.0; 2]; gradient.len()], -1.0, gradient);
    let mut shares = vec![];
    for (step, change) in memory.iter().rev() {
        shares.push(dot(step, &d) / dot(step, change));
        d = add(&d, -shares[shares.len() - 1], change);
    }
    if let Some((step, change)) = memory.back() {
        let scale = dot(step, change) / dot(change, change) - 1.0;
        d = add(&d, scale, &d);
    }
    for ((step, change), share) in memory.iter().zip(shares.iter().rev()) {
        d = add(&d, share - dot(change, &d) / dot(step, change), step);
    }
    d
}

/// The slope of the objective along a direction, against differences.
fn check(source: &Points, target: &Points) -> Result<()> {
    let mut random = fastrand::Rng::with_seed(2);
    let mut points = |scale: f64| -> Points {
        source.iter().map(|_| [scale * (random.f64() - 0.5), scale * (random.f64() - 0.5)]).collect()
    };
    let (p, u) = (points(0.1), points(1.0));
    let (_, _, gradient) = objective(source, target, &p)?;
    let at =
        |h: f64| objective(source, target, &add(&p, h, &u)).map(|(energy, distance, _)| energy + WEIGHT * distance);
    let difference = (at(1e-5)? - at(-1e-5)?) / 2e-5;
    let slope = dot(&gradient, &u);
    println!("slope of E: {slope:.8}, by differences {difference:.8}");
    ensure!((slope - difference).abs() < 1e-6 * difference.abs(), "the gradient is wrong");
    Ok(())
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let points: usize = arguments.next().map_or(Ok(500), |points| points.parse()).context("how many points?")?;
    ensure!(points > 10, "{points} points do not make a curve");
    let png = arguments.next().unwrap_or_else(|| "registration.png".into());
    let angles = || (0..points).map(|k| TAU * k as f64 / points as f64);
    let source: Points = angles().map(|a| [0.8 * a.cos(), 0.3 * a.sin()]).collect();
    // bent, with a thick and a thin end
    let bent = |a: f64| [0.85 * a.cos(), 0.38 * (2.7 * a.cos()).sin() + (0.2 + 0.1 * a.cos()) * a.sin()];
    let target: Points = angles().map(bent).collect();
    check(&source, &target)?;

    let (start, mut evaluations) = (Instant::now(), 1);
    let mut p = vec![[0.0; 2]; points];
    let (mut energy, mut distance, mut gradient) = objective(&source, &target, &p)?;
    let (first, mut memory) = (distance, VecDeque::new());
    let mut path = vec![WEIGHT * distance];
    'descent: for _ in 0..ITERATIONS {
        let (value, d) = (path[path.len() - 1], direction(&gradient, &memory));
        let slope = dot(&gradient, &d);
        let mut size = if memory.is_empty() { 0.01 / dot(&d, &d).sqrt() } else { 1.0 };
        loop {
            let next = add(&p, size, &d);
            let (new_energy, new_distance, new_gradient) = objective(&source, &target, &next)?;
            evaluations += 1;
            let new = new_energy + WEIGHT * new_distance;
            if new <= value + 1e-4 * size * slope {
                let (step, change) = (add(&next, -1.0, &p), add(&new_gradient, -1.0, &gradient));
                if dot(&step, &change) > 0.0 {
                    memory.push_back((step, change));
                }
                memory.drain(..memory.len().saturating_sub(12));
                (p, energy, distance, gradient) = (next, new_energy, new_distance, new_gradient);
                path.push(new);
                break;
            }
            size *= 0.5;
            if size < 1e-8 {
                break 'descent;
            }
        }
    }
    let time = start.elapsed();
    println!("E = {:.4} -> {:.4} in {} iterations", path[0], path[path.len() - 1], path.len() - 1);
    println!("H = {energy:.4}, squared distance {first:.5} -> {distance:.5}");
    println!("{evaluations} shots with gradients of {points} points in {STEPS} steps: {time:.2?}");
    ensure!(distance < 0.01 * first, "the curves have not met");
    let states = shoot(State { q: source, p })?;
    let last = states[2 * STEPS].energy()?;
    println!("H at time 1 is {last:.4}");
    ensure!((last / energy - 1.0).abs() < 1e-2, "H is not kept");
    draw(&png, &states, &target, &path).with_context(|| format!("cannot draw {png}"))?;
    println!("picture: {png}");
    Ok(())
}

/// The curve and a grid at three times, and how E fell.
fn draw(png: &str, states: &[State], target: &Points, path: &[f64]) -> Result<()> {
    register_font("sans-serif", FontStyle::Normal, dejavu::sans::regular()).map_err(|_| anyhow!("no font"))?;
    let (grey, blue, red) = (RGBColor(190, 195, 202), RGBColor(38, 84, 150), RGBColor(217, 119, 54));
    let picture = BitMapBackend::new(png, (900, 640)).into_drawing_area();
    picture.fill(&WHITE)?;
    let areas = picture.split_evenly((2, 2));
    let closed = |q: &Points| -> Vec<(f64, f64)> { q.iter().chain(q.first()).map(|q| (q[0], q[1])).collect() };
    // the lines of a grid, all in one cloud, which moves with the velocities that the curve's momenta make
    let place = |line: usize, dot: usize| (line as f64 / 14.0 - 1.0, (dot as f64 / 50.0 - 1.0) * 0.8);
    let across = (0..29).flat_map(|line| (0..=100).map(move |dot| (line, dot)));
    let mut grid: Points = across.clone().map(|(line, dot)| place(line, dot)).map(|(x, y)| [1.25 * x, y]).collect();
    grid.extend(
        across.take(19 * 101).map(|(line, dot)| [1.25 * (dot as f64 / 50.0 - 1.0), (line as f64 / 9.0 - 1.0) * 0.8]),
    );
    let mut panels = areas.iter();
    for step in 0..=STEPS {
        let now = &states[2 * step];
        if step % (STEPS / 2) == 0 {
            let mut chart = ChartBuilder::on(panels.next().context("three panels")?)
                .margin(6)
                .caption(format!("t = {:.1}", step as f64 / STEPS as f64), ("sans-serif", 17))
                .build_cartesian_2d(-1.3..1.3, -0.85..0.85)?;
            for line in grid.chunks(101) {
                chart.draw_series([PathElement::new(line.iter().map(|x| (x[0], x[1])).collect::<Vec<_>>(), grey)])?;
            }
            chart.draw_series([PathElement::new(closed(target), red.stroke_width(3))])?;
            chart.draw_series([PathElement::new(closed(&now.q), blue.stroke_width(2))])?;
        }
        if step < STEPS {
            let (h, middle) = (1.0 / STEPS as f64, &states[2 * step + 1]);
            let half = add(&grid, 0.5 * h, &velocity(DEFORM, &grid, &now.q, &now.p).eval()?);
            grid = add(&grid, h, &velocity(DEFORM, &half, &middle.q, &middle.p).eval()?);
        }
    }
    let last = path[path.len() - 1];
    let mut chart = ChartBuilder::on(&areas[3])
        .margin(6)
        .caption("E = H + w |difference of the curves|²", ("sans-serif", 17))
        .x_label_area_size(36)
        .y_label_area_size(46)
        .build_cartesian_2d(0..path.len(), (0.8 * last..1.2 * path[0]).log_scale())?;
    chart.configure_mesh().disable_mesh().x_desc("iterations").label_style(("sans-serif", 13)).draw()?;
    chart
        .draw_series([PathElement::new(path.iter().copied().enumerate().collect::<Vec<_>>(), blue.stroke_width(2))])?;
    picture.present()?;
    Ok(())
}
