//! Second derivatives of the exponential reductions, which are chains of passes: against finite differences of the
//! first ones, and in both modes.

mod harness;

use harness::{Random, assert_near, assert_rows, inner, moved, slope, slope_rows, wide};
use keops::prelude::*;

/// The numbers of points: lanes are left over.
const N: usize = 13;
/// See [`N`].
const M: usize = 18;

keops! {
    /// log Σ_j exp(-g |x_i - y_j|² + b_j1 x_i2)
    #[keops(order = 2)]
    pub fn log_sum(g: Pm<1>, x: Vi<2>, y: Vj<2>, b: Vj<2>) -> LogSumExp<j> {
        -g * sqdist(x, y) + elem(b, 0) * elem(x, 1)
    }

    /// The same over i.
    #[keops(order = 2)]
    pub fn log_sum_over_i(g: Pm<1>, x: Vj<2>, y: Vi<2>, b: Vi<2>) -> LogSumExp<i> {
        -g * sqdist(x, y) + elem(b, 0) * elem(x, 1)
    }

    /// log Σ_j exp(-g |x_i - y_j|²) (b_j² + x_i² / 10)
    #[keops(order = 2)]
    pub fn weighted(g: Pm<1>, x: Vi<2>, y: Vj<2>, b: Vj<2>) -> LogSumExpWeight<j> {
        (-g * sqdist(x, y), b**2 + 0.1 * square(x))
    }

    /// Σ_j exp(-g |x_i - y_j|²) b_j (x_i1 + x_i2) / Σ_j exp(-g |x_i - y_j|²)
    #[keops(order = 2)]
    pub fn mean(g: Pm<1>, x: Vi<2>, y: Vj<2>, b: Vj<2>) -> SumSoftMaxWeight<j> {
        (-g * sqdist(x, y), b * sum(x))
    }

    /// The same over i.
    #[keops(order = 2)]
    pub fn mean_over_i(g: Pm<1>, x: Vj<2>, y: Vi<2>, b: Vi<2>) -> SumSoftMaxWeight<i> {
        (-g * sqdist(x, y), b * sum(x))
    }
}

type Cloud = Vec<[f64; 2]>;

/// Checks the second derivatives of a reduction with N rows of so many numbers.
macro_rules! check {
    ($call:ident, $out:literal) => {{
        let mut random = Random::new();
        // numbers that `f32` has too
        let g = f64::from(random.number::<f32>(0.5..2.0));
        let mut cloud = |rows: usize| wide::<f32, 2>(&random.cloud(rows));
        let (x, y, ux, uy, ub): (Cloud, Cloud, Cloud, Cloud, Cloud) =
            (cloud(N), cloud(M), cloud(N), cloud(M), cloud(M));
        let b: Cloud = cloud(M).iter().map(|b| b.map(|b| b + 1.5)).collect();
        let e: Vec<[f64; $out]> = wide::<f32, $out>(&random.cloud(N));
        let first = |g: f64, x: &Cloud, y: &Cloud, b: &Cloud| $call(g, x, y, b).vjp_x(&e).eval().unwrap().into_vec();

        // the Hessian in x, in all four modes
        let hessian = $call(g, &x, &y, &b).vjp_x(&e).jvp_x(&ux).eval().unwrap();
        assert_rows(&hessian, &slope_rows(|h| first(g, &moved(&x, h, &ux), &y, &b)), 1e-8, "H u");
        let reverse = $call(g, &x, &y, &b).vjp_x(&e).vjp_x(&ux).eval().unwrap();
        assert_rows(&reverse, &hessian, 1e-11, "reverse over reverse");
        let forward = $call(g, &x, &y, &b).jvp_x(&ux).vjp_x(&e).eval().unwrap();
        assert_rows(&forward, &hessian, 1e-11, "reverse over forward");
        let twice = $call(g, &x, &y, &b).jvp_x(&ux).jvp_x(&ux).eval().unwrap();
        assert_near(inner(&twice, &e), inner(&hessian, &ux), 1e-9, "forward over forward");

        // x with the other arguments
        let all = $call(g, &x, &y, &b).vjp_x(&e).vjp(&ux).eval().unwrap();
        assert_rows(&all.x, &hessian, 1e-11, "all: x");
        let along = |change: &dyn Fn(f64) -> Cloud| slope(|h| inner(&change(h), &ux));
        let in_y = along(&|h| first(g, &x, &moved(&y, h, &uy), &b));
        assert_near(inner(&all.y, &uy), in_y, 1e-7, "x y");
        assert_near(inner(&all.b, &ub), along(&|h| first(g, &x, &y, &moved(&b, h, &ub))), 1e-7, "x b");
        assert_near(all.g[0][0], along(&|h| first(g + h, &x, &y, &b)), 1e-7, "x g");
        let tangent = $call(g, &x, &y, &b).jvp_x(&ux).eval().unwrap();
        assert_rows(&all.cotangent, &tangent, 1e-11, "x cotangent");
        let alone = $call(g, &x, &y, &b).vjp_x(&e).vjp_y(&ux).eval().unwrap();
        assert_rows(&alone, &all.y, 1e-11, "x y, alone");
        // the other way round: symmetric
        let swapped = $call(g, &x, &y, &b).vjp_y(&e).jvp_x(&ux).eval().unwrap();
        assert_rows(&swapped, &all.y, 1e-11, "y x");
        let mixed = $call(g, &x, &y, &b).jvp_y(&uy).jvp_x(&ux).eval().unwrap();
        assert_near(inner(&mixed, &e), inner(&all.y, &uy), 1e-9, "forward, y x");
        let of_b = $call(g, &x, &y, &b).vjp_b(&e).vjp_x(&ub).eval().unwrap();
        assert_near(inner(&of_b, &ux), inner(&all.b, &ub), 1e-9, "b x");

        // through the parameter
        let of_g = |g: f64| $call(g, &x, &y, &b).vjp_g(&e).eval().unwrap()[0][0];
        let g_g = $call(g, &x, &y, &b).vjp_g(&e).vjp_g(1.0).eval().unwrap();
        assert_near(g_g[0][0], slope(|h| of_g(g + h)), 1e-7, "g g");
        let g_x = $call(g, &x, &y, &b).vjp_g(&e).vjp_x(1.0).eval().unwrap();
        assert_near(inner(&g_x, &ux), all.g[0][0], 1e-9, "g x");
        let along_g = $call(g, &x, &y, &b).jvp_g(1.0).jvp_x(&ux).eval().unwrap();
        assert_near(inner(&along_g, &e), all.g[0][0], 1e-9, "forward, g x");

        // in single precision
        macro_rules! narrow {
            ($rows:expr) => {
                $rows.iter().map(|row| row.map(|x| x as f32)).collect::<Vec<_>>()
            };
        }
        let (g, x, y, b) = (g as f32, narrow!(x), narrow!(y), narrow!(b));
        let (e, u) = (narrow!(e), narrow!(ux));
        let single = $call(g, &x, &y, &b).vjp_x(&e).vjp(&u).eval().unwrap();
        assert_rows(&single.x, &all.x, 2e-5, "f32: x x");
        assert_rows(&single.y, &all.y, 2e-5, "f32: x y");
        assert_rows(&single.b, &all.b, 2e-5, "f32: x b");
        assert_rows(&single.g, &all.g, 2e-4, "f32: x g");
        let single = $call(g, &x, &y, &b).jvp_x(&u).jvp_x(&u).eval().unwrap();
        assert_rows(&single, &twice, 2e-5, "f32: forward over forward");
    }};
}

#[test]
fn log_sum_exp() {
    check!(log_sum, 1);
    check!(log_sum_over_i, 1);
}

#[test]
fn weighted_log_sum_exp() {
    check!(weighted, 2);
}

#[test]
fn soft_max() {
    check!(mean, 2);
    check!(mean_over_i, 2);
}

keops! {
    /// log Σ_j exp(s x_i y_j), the cumulants of y: derivatives of every order have closed forms.
    #[keops(order = 3)]
    pub fn cumulants(x: Vi<1>, y: Vj<1>) -> LogSumExp<j> { x * y }
}

#[test]
fn third_derivatives_are_the_third_cumulants() {
    let mut random = Random::new();
    let (x, y): (Vec<[f64; 1]>, Vec<[f64; 1]>) = (random.cloud(N), random.cloud(M));
    let ones = vec![[1.0]; N];
    let expected: Vec<[f64; 1]> = (x.iter())
        .map(|x| {
            let weights: Vec<f64> = y.iter().map(|y| (x[0] * y[0]).exp()).collect();
            let total: f64 = weights.iter().sum();
            let mean = |f: &dyn Fn(f64) -> f64| weights.iter().zip(&y).map(|(w, y)| w * f(y[0])).sum::<f64>() / total;
            let first = mean(&|y| y);
            [mean(&|y| (y - first).powi(3))]
        })
        .collect();
    let reverse = cumulants(&x, &y).vjp_x(&ones).vjp_x(&ones).vjp_x(&ones).eval().unwrap();
    assert_rows(&reverse, &expected, 1e-13, "reverse");
    let forward = cumulants(&x, &y).jvp_x(&ones).jvp_x(&ones).jvp_x(&ones).eval().unwrap();
    assert_rows(&forward, &expected, 1e-13, "forward");
    let mixed = cumulants(&x, &y).vjp_x(&ones).jvp_x(&ones).vjp_x(&ones).eval().unwrap();
    assert_rows(&mixed, &expected, 1e-13, "mixed");
}

#[test]
fn of_no_points() {
    let none: Vec<[f64; 1]> = vec![];
    let x = vec![[1.0]; 3];
    // no targets
    let found = cumulants(&none, &x).vjp_y(&none).jvp_y(&x).eval().unwrap();
    assert_eq!(found.as_flat(), [0.0; 3]);
    // no sources: sums of nothing
    let found = cumulants(&x, &none).vjp_x(&x).jvp_x(&x).eval().unwrap();
    assert_eq!(found.as_flat(), [0.0; 3]);
}
