//! Derivatives of calls, of every order, and derivatives inside formulas: against closed forms, finite differences
//! and each other.

#![allow(clippy::needless_range_loop, reason = "rows of arrays, compared by component")]

mod harness;

use harness::{
    Random, assert_identical, assert_near, assert_rows, dot, inner, moved, slope, slope_rows, squared_distance,
};
use keops::prelude::*;

/// The numbers of points: lanes are left over.
const N: usize = 21;
/// See [`N`].
const M: usize = 34;

/// What sums over all pairs may be off by, relative to the largest.
const ERROR: f64 = 1e-13;
/// What inner products of such sums may be off by.
const PRODUCTS: f64 = 1e-11;
/// What finite differences may be off by.
const DIFFERENCES: f64 = 1e-9;

keops! {
    /// a_i = Σ_j exp(-g |x_i - y_j|²) b_j
    #[keops(order = 2)]
    pub fn product(g: Pm<1>, x: Vi<3>, y: Vj<3>, b: Vj<2>) -> Sum<j> {
        exp(-g * sqdist(x, y)) * b
    }
}

/// Random arguments of [`product`], and a cotangent of its result.
struct Arguments {
    g: f64,
    x: Vec<[f64; 3]>,
    y: Vec<[f64; 3]>,
    b: Vec<[f64; 2]>,
    e: Vec<[f64; 2]>,
    random: Random,
}

/// The gradients of Σ_i (a_i | e_i).
struct Gradients {
    g: [f64; 1],
    x: Vec<[f64; 3]>,
    y: Vec<[f64; 3]>,
    b: Vec<[f64; 2]>,
}

impl Arguments {
    fn new() -> Self {
        let mut random = Random::new();
        let g = random.number(0.5..2.0);
        let (x, y, b, e) = (random.cloud(N), random.cloud(M), random.cloud(M), random.cloud(N));
        Arguments { g, x, y, b, e, random }
    }

    fn gradients(&self) -> Gradients {
        let Arguments { g, x, y, b, e, .. } = self;
        let mut all = Gradients { g: [0.0], x: vec![[0.0; 3]; N], y: vec![[0.0; 3]; M], b: vec![[0.0; 2]; M] };
        for i in 0..N {
            for j in 0..M {
                let r2 = squared_distance(&x[i], &y[j]);
                let (k, weight) = ((-g * r2).exp(), dot(&b[j], &e[i]));
                all.g[0] -= r2 * k * weight;
                for d in 0..3 {
                    let slope = -2.0 * g * (x[i][d] - y[j][d]) * k * weight;
                    all.x[i][d] += slope;
                    all.y[j][d] -= slope;
                }
                for c in 0..2 {
                    all.b[j][c] += k * e[i][c];
                }
            }
        }
        all
    }
}

#[test]
fn gradients_of_a_sum() {
    let arguments = Arguments::new();
    let (Arguments { g, x, y, b, e, .. }, expected) = (&arguments, arguments.gradients());
    let call = || product(*g, x, y, b);
    let (dg, dx) = (call().vjp_g(e).eval().unwrap(), call().vjp_x(e).eval().unwrap());
    let (dy, db) = (call().vjp_y(e).eval().unwrap(), call().vjp_b(e).eval().unwrap());
    assert_rows(&dg, &[expected.g], ERROR, "g");
    assert_rows(&dx, &expected.x, ERROR, "x");
    assert_rows(&dy, &expected.y, ERROR, "y");
    assert_rows(&db, &expected.b, ERROR, "b");
    // all at once: the same sums, in other programs
    let all = call().vjp(e).eval().unwrap();
    assert_rows(&all.g, &dg, ERROR, "g of all");
    assert_rows(&all.x, &dx, ERROR, "x of all");
    assert_rows(&all.y, &dy, ERROR, "y of all");
    assert_rows(&all.b, &db, ERROR, "b of all");
}

#[test]
fn tangents_of_a_sum() {
    let mut arguments = Arguments::new();
    let expected = arguments.gradients();
    let (ux, uy, ub) = (arguments.random.cloud(N), arguments.random.cloud(M), arguments.random.cloud(M));
    let Arguments { g, x, y, b, e, .. } = &arguments;
    // (J u | e) = (u | Jᵀ e)
    let along_g = product(*g, x, y, b).jvp_g(0.7).eval().unwrap();
    assert_near(inner(&along_g, e), 0.7 * expected.g[0], PRODUCTS, "g");
    let along_x = product(*g, x, y, b).jvp_x(&ux).eval().unwrap();
    assert_near(inner(&along_x, e), inner(&ux, &expected.x), PRODUCTS, "x");
    let along_y = product(*g, x, y, b).jvp_y(&uy).eval().unwrap();
    assert_near(inner(&along_y, e), inner(&uy, &expected.y), PRODUCTS, "y");
    let along_b = product(*g, x, y, b).jvp_b(&ub).eval().unwrap();
    assert_near(inner(&along_b, e), inner(&ub, &expected.b), PRODUCTS, "b");
    let slopes = slope_rows(|h| product(*g, &moved(x, h, &ux), y, b).eval().unwrap().into_vec());
    assert_rows(&along_x, &slopes, DIFFERENCES, "x, by differences");
}

#[test]
fn second_derivatives() {
    let mut arguments = Arguments::new();
    let (u, w): (Vec<[f64; 3]>, Vec<[f64; 3]>) = (arguments.random.cloud(N), arguments.random.cloud(M));
    let Arguments { g, x, y, b, e, .. } = &arguments;
    let gradient = |x: &Vec<[f64; 3]>, y: &Vec<[f64; 3]>| product(*g, x, y, b).vjp_x(e).eval().unwrap().into_vec();

    // H u in both modes, for the Hessian H of (a|e) in x
    let forward = product(*g, x, y, b).vjp_x(e).jvp_x(&u).eval().unwrap();
    assert_rows(&forward, &slope_rows(|h| gradient(&moved(x, h, &u), y)), DIFFERENCES, "H u");
    let reverse = product(*g, x, y, b).vjp_x(e).vjp_x(&u).eval().unwrap();
    assert_rows(&reverse, &forward, ERROR, "uᵀ H");
    // forward over forward is the tangent of a tangent
    let twice = product(*g, x, y, b).jvp_x(&u).jvp_x(&u).eval().unwrap();
    assert_near(inner(&twice, e), inner(&forward, &u), PRODUCTS, "(u | H u)");
    // reverse over forward
    let mixed = product(*g, x, y, b).jvp_x(&u).vjp_x(e).eval().unwrap();
    assert_rows(&mixed, &forward, ERROR, "reverse over forward");

    // across variables, also all at once
    let across = product(*g, x, y, b).vjp_x(e).vjp_y(&u).eval().unwrap();
    let slope_y = slope(|h| inner(&gradient(x, &moved(y, h, &w)), &u));
    assert_near(inner(&across, &w), slope_y, DIFFERENCES * 10.0, "y");
    let all = product(*g, x, y, b).vjp_x(e).vjp(&u).eval().unwrap();
    assert_rows(&all.x, &forward, ERROR, "all: x");
    assert_rows(&all.y, &across, ERROR, "all: y");
    let of_g = |h: f64| inner(&product(g + h, x, y, b).vjp_x(e).eval().unwrap(), &u);
    assert_near(all.g[0][0], slope(of_g), DIFFERENCES * 10.0, "all: g");
    // what is linear in its cotangent or tangent has the first derivative as that derivative
    let along = product(*g, x, y, b).jvp_x(&u).eval().unwrap();
    assert_rows(&all.cotangent, &along, ERROR, "all: cotangent");
    let direct = product(*g, x, y, b).vjp_x(e).vjp_cotangent(&u).eval().unwrap();
    assert_rows(&direct, &along, ERROR, "cotangent");
    let tangent = product(*g, x, y, b).jvp_x(&u).vjp_tangent(e).eval().unwrap();
    assert_rows(&tangent, &gradient(x, y), ERROR, "tangent");
}

#[test]
fn second_derivatives_through_a_parameter() {
    let mut arguments = Arguments::new();
    let u: Vec<[f64; 3]> = arguments.random.cloud(N);
    let Arguments { g, x, y, b, e, .. } = &arguments;
    let of_g = |g: f64, x: &Vec<[f64; 3]>| product(g, x, y, b).vjp_g(e).eval().unwrap()[0][0];
    // the gradient of a parameter is one row, and so is its cotangent
    let in_x = product(*g, x, y, b).vjp_g(e).vjp_x(2.0).eval().unwrap();
    assert_near(inner(&in_x, &u), 2.0 * slope(|h| of_g(*g, &moved(x, h, &u))), DIFFERENCES * 10.0, "g x");
    let in_g = product(*g, x, y, b).vjp_g(e).vjp_g([1.0]).eval().unwrap();
    assert_near(in_g[0][0], slope(|h| of_g(g + h, x)), DIFFERENCES * 10.0, "g g");
    let along_x = product(*g, x, y, b).vjp_g(e).jvp_x(&u).eval().unwrap();
    assert_eq!(along_x.len(), 1);
    assert_near(along_x[0][0], inner(&in_x, &u) / 2.0, PRODUCTS, "along x");
    let along_g = product(*g, x, y, b).vjp_g(e).jvp_g(1.0).eval().unwrap();
    assert_eq!(along_g.len(), 1);
    assert_near(along_g[0][0], in_g[0][0], PRODUCTS, "along g");
    let cotangent = product(*g, x, y, b).vjp_g(e).vjp_cotangent(1.0).eval().unwrap();
    let along_g = product(*g, x, y, b).jvp_g(1.0).eval().unwrap();
    assert_rows(&cotangent, &along_g, ERROR, "cotangent");
    let all = product(*g, x, y, b).vjp_g(e).vjp(2.0).eval().unwrap();
    assert_rows(&all.x, &in_x, ERROR, "all: x");
    assert_near(all.g[0][0], 2.0 * in_g[0][0], PRODUCTS, "all: g");
}

/// The change of a gradient has rows like the gradient: of arguments that batches share the sum over these.
#[test]
fn changes_of_gradients_are_summed_over_batches() {
    let mut arguments = Arguments::new();
    let (v, u): (Vec<[f64; 2]>, Vec<[f64; 3]>) = (arguments.random.cloud(2 * N), arguments.random.cloud(N));
    let Arguments { g, x, y, b, .. } = &arguments;
    let twice = [y.as_slice(), y].concat();
    let call = || product(*g, x, batched(&twice, [2]), b);
    let (first, second) = v.split_at(N);
    let single = |e: &[[f64; 2]]| {
        let of = || product(*g, x, y, b);
        (of().vjp_x(e).jvp_x(&u).eval().unwrap().into_vec(), of().vjp_g(e).jvp_x(&u).eval().unwrap()[0][0])
    };
    let ((x_first, g_first), (x_second, g_second)) = (single(first), single(second));
    let of_x = call().vjp_x(batched(&v, [2])).jvp_x(&u).eval().unwrap();
    assert_rows(&of_x, &moved(&x_first, 1.0, &x_second), ERROR, "x, along x");
    let of_g = call().vjp_g(batched(&v, [2])).jvp_x(&u).eval().unwrap();
    assert_eq!(of_g.len(), 1);
    assert_near(of_g[0][0], g_first + g_second, PRODUCTS, "g, along x");
}

keops! {
    /// Three times.
    #[keops(order = 3)]
    pub fn wave(x: Vi<1>, y: Vj<1>) -> Sum<j> {
        sin(x * y)
    }

    /// None.
    #[keops(order = 0)]
    pub fn value_only(x: Vi<1>, y: Vj<1>) -> Sum<j> {
        sin(x * y)
    }
}

#[test]
fn third_derivatives() {
    let mut random = Random::new();
    let (x, y): (Vec<[f64; 1]>, Vec<[f64; 1]>) = (random.cloud(N), random.cloud(M));
    let ones = vec![[1.0]; N];
    let sum = |f: &dyn Fn(f64, f64) -> f64| -> Vec<[f64; 1]> {
        x.iter().map(|x| [y.iter().map(|y| f(x[0], y[0])).sum::<f64>()]).collect()
    };
    assert_rows(&value_only(&x, &y).eval().unwrap(), &sum(&|x, y| (x * y).sin()), ERROR, "order 0");
    let reverse = wave(&x, &y).vjp_x(&ones).vjp_x(&ones).vjp_x(&ones).eval().unwrap();
    assert_rows(&reverse, &sum(&|x, y| -y.powi(3) * (x * y).cos()), ERROR, "order 3, reverse");
    let forward = wave(&x, &y).jvp_x(&ones).jvp_x(&ones).jvp_x(&ones).eval().unwrap();
    assert_rows(&forward, &reverse, ERROR, "order 3, forward");
    let mixed = wave(&x, &y).vjp_x(&ones).jvp_y(&[[1.0]; M]).jvp_x(&ones).eval().unwrap();
    let expected = sum(&|x, y| -2.0 * y * (x * y).sin() - x * y * y * (x * y).cos());
    assert_rows(&mixed, &expected, ERROR, "order 3, mixed");
}

keops! {
    /// b_j = Σ_i exp(-g |x_i - y_j|) a_i, over i, with distances.
    pub fn over_i(g: Pm<1>, x: Vi<2>, y: Vj<2>, a: Vi<1>) -> Sum<i> {
        exp(-g * norm2(x - y)) * a
    }
}

#[test]
fn gradients_of_a_sum_over_i() {
    let mut random = Random::new();
    let g: f64 = random.number(0.5..2.0);
    let (x, y): (Vec<[f64; 2]>, Vec<[f64; 2]>) = (random.cloud(N), random.cloud(M));
    let (a, e): (Vec<[f64; 1]>, Vec<[f64; 1]>) = (random.cloud(N), random.cloud(M));
    let (mut dg, mut da) = (0.0, vec![[0.0]; N]);
    let (mut dx, mut dy) = (vec![[0.0; 2]; N], vec![[0.0; 2]; M]);
    for i in 0..N {
        for j in 0..M {
            let r = squared_distance(&x[i], &y[j]).sqrt();
            let k = (-g * r).exp();
            dg -= r * k * a[i][0] * e[j][0];
            da[i][0] += k * e[j][0];
            for d in 0..2 {
                let slope = -g * k * a[i][0] * e[j][0] * (x[i][d] - y[j][d]) / r;
                dx[i][d] += slope;
                dy[j][d] -= slope;
            }
        }
    }
    let all = over_i(g, &x, &y, &a).vjp(&e).eval().unwrap();
    assert_rows(&all.g, &[[dg]], ERROR, "g");
    assert_rows(&all.x, &dx, ERROR, "x");
    assert_rows(&all.y, &dy, ERROR, "y");
    assert_rows(&all.a, &da, ERROR, "a");
    assert_rows(&over_i(g, &x, &y, &a).vjp_x(&e).eval().unwrap(), &dx, ERROR, "x alone");
    let u: Vec<[f64; 2]> = random.cloud(M);
    let along = over_i(g, &x, &y, &a).jvp_y(&u).eval().unwrap();
    assert_near(inner(&along, &e), inner(&u, &dy), PRODUCTS, "along y");
}

#[test]
fn equal_points_do_not_spoil_gradients() {
    // sources among the targets: their distance 0 has slope 0, and the rest of the sum stays
    let mut random = Random::new();
    let x: Vec<[f64; 2]> = random.cloud(N);
    let (a, e): (Vec<[f64; 1]>, Vec<[f64; 1]>) = (random.cloud(N), random.cloud(N));
    let found = over_i(1.0, &x, &x, &a).vjp_y(&e).eval().unwrap();
    let expected: Vec<[f64; 2]> = (0..N)
        .map(|j| {
            let mut sum = [0.0; 2];
            for i in (0..N).filter(|&i| i != j) {
                let r = squared_distance(&x[i], &x[j]).sqrt();
                (0..2).for_each(|d| sum[d] += (-r).exp() * a[i][0] * e[j][0] * (x[i][d] - x[j][d]) / r);
            }
            sum
        })
        .collect();
    assert_rows(&found, &expected, ERROR, "gradient at equal points");
}

keops! {
    /// log Σ_j exp(-g |x_i - y_j|² + b_j1 + b_j2)
    pub fn log_sum(g: Pm<1>, x: Vi<2>, y: Vj<2>, b: Vj<2>) -> LogSumExp<j> {
        -g * sqdist(x, y) + sum(b)
    }

    /// log Σ_j exp(-g |x_i - y_j|²) (b_j² + x_i² / 10), for two components; x is in both parts.
    pub fn weighted_log_sum(g: Pm<1>, x: Vi<2>, y: Vj<2>, b: Vj<2>) -> LogSumExp<j> {
        (-g * sqdist(x, y), b**2 + 0.1 * square(x))
    }

    /// Σ_j exp(-g |x_i - y_j|²) b_j (x_i1 + x_i2) / Σ_j exp(-g |x_i - y_j|²)
    pub fn mean(g: Pm<1>, x: Vi<2>, y: Vj<2>, b: Vj<2>) -> SumSoftMaxWeight<j> {
        (-g * sqdist(x, y), b * sum(x))
    }

    /// The same over i.
    pub fn mean_over_i(x: Vi<2>, y: Vj<2>) -> SumSoftMaxWeight<i> {
        (-sqdist(x, y), x - y)
    }
}

/// Checks the gradients and tangents of an exponential reduction of g, x, y and b.
macro_rules! check_exponential {
    ($call:ident, $out:literal) => {{
        let mut random = Random::new();
        let g: f64 = random.number(0.5..2.0);
        type Cloud = Vec<[f64; 2]>;
        let (x, y, b): (Cloud, Cloud, Cloud) = (random.cloud(N), random.cloud(M), random.rows(M, 0.5..1.5));
        let e: Vec<[f64; $out]> = random.cloud(N);
        let (ux, uy, ub): (Cloud, Cloud, Cloud) = (random.cloud(N), random.cloud(M), random.cloud(M));
        let ug: f64 = random.number(-1.0..1.0);
        let value = |g: f64, x: &Cloud, y: &Cloud, b: &Cloud| inner(&$call(g, x, y, b).eval().unwrap(), &e);
        let all = $call(g, &x, &y, &b).vjp(&e).eval().unwrap();
        let slope_x = slope(|h| value(g, &moved(&x, h, &ux), &y, &b));
        assert_near(inner(&all.x, &ux), slope_x, DIFFERENCES * 10.0, "x");
        let slope_y = slope(|h| value(g, &x, &moved(&y, h, &uy), &b));
        assert_near(inner(&all.y, &uy), slope_y, DIFFERENCES * 10.0, "y");
        let slope_b = slope(|h| value(g, &x, &y, &moved(&b, h, &ub)));
        assert_near(inner(&all.b, &ub), slope_b, DIFFERENCES * 10.0, "b");
        let slope_g = slope(|h| value(g + ug * h, &x, &y, &b));
        assert_near(all.g[0][0] * ug, slope_g, DIFFERENCES * 10.0, "g");
        let along = $call(g, &x, &y, &b).jvp_x(&ux).eval().unwrap();
        assert_near(inner(&along, &e), inner(&all.x, &ux), PRODUCTS, "along x");
        let along = $call(g, &x, &y, &b).jvp_b(&ub).eval().unwrap();
        assert_near(inner(&along, &e), inner(&all.b, &ub), PRODUCTS, "along b");
        let alone = $call(g, &x, &y, &b).vjp_y(&e).eval().unwrap();
        assert_rows(&alone, &all.y, ERROR, "y alone");
    }};
}

#[test]
fn derivatives_of_log_sum_exp() {
    check_exponential!(log_sum, 1);
}

#[test]
fn derivatives_of_weighted_log_sum_exp() {
    check_exponential!(weighted_log_sum, 2);
}

#[test]
fn derivatives_of_soft_max() {
    check_exponential!(mean, 2);
}

#[test]
fn derivatives_of_soft_max_over_i() {
    let mut random = Random::new();
    let (x, y): (Vec<[f64; 2]>, Vec<[f64; 2]>) = (random.cloud(N), random.cloud(M));
    let e: Vec<[f64; 2]> = random.cloud(M);
    let (ux, uy): (Vec<[f64; 2]>, Vec<[f64; 2]>) = (random.cloud(N), random.cloud(M));
    let value = |x: &Vec<[f64; 2]>, y: &Vec<[f64; 2]>| inner(&mean_over_i(x, y).eval().unwrap(), &e);
    let all = mean_over_i(&x, &y).vjp(&e).eval().unwrap();
    assert_near(inner(&all.x, &ux), slope(|h| value(&moved(&x, h, &ux), &y)), DIFFERENCES * 10.0, "x");
    assert_near(inner(&all.y, &uy), slope(|h| value(&x, &moved(&y, h, &uy))), DIFFERENCES * 10.0, "y");
}

#[test]
fn gradients_of_log_sum_exp_do_not_overflow() {
    // exponents of -40,000 and less: the gradient is that of the nearest point alone. Its weight exp(f - a) has the
    // rounding errors of f and a, so the error is relative to their size
    let x = vec![[100.0, 100.0], [-150.0, 100.0]];
    let y = vec![[0.0, 0.0], [-100.0, 0.0], [300.0, 300.0]];
    let found = log_sum(2.0, &x, &y, &[[0.0; 2]; 3]).vjp_x(&[[1.0], [1.0]]).eval().unwrap();
    assert_rows(&found, &[[-400.0, -400.0], [200.0, -400.0]], 4e4 * f64::EPSILON, "gradient");
    let (x, y, b) = ([[100.0_f32, 100.0]], [[0.0, 0.0], [-100.0, 0.0]], [[0.0; 2]; 2]);
    let found = log_sum(2.0, &x, &y, &b).vjp_y(&[[1.0]]).eval().unwrap();
    assert_rows(&found, &[[400.0, 400.0], [0.0, 0.0]], 4e4 * f64::from(f32::EPSILON), "gradient in f32");
}

keops! {
    /// Derivatives inside formulas, nested, of the Gaussian.
    #[keops(order = 0, cuda(D = 1), cuda(D = 2), cuda(D = 7))]
    pub fn nested<const D: usize>(g: Pm<1>, x: Vi<D>, y: Vj<D>, u: Vj<D>) -> Sum<j> {
        let k = exp(-g * sqdist(x, y));
        let gradient = grad(k, x, 1);
        let first = concat(laplacian(k, x), concat(divergence(gradient, x), divergence(gradient, y)));
        let along = (gradient | u);
        let second = concat(along, concat(diff(k, x, u), concat(diff(along, x, u), sum(grad(along, y, 1)))));
        let third = concat(grad(k, g, 1), concat(laplacian(laplacian(k, x), x), divergence(k * x, x)));
        concat(first, concat(second, concat(third, sum(grad(laplacian(k, x), y, 1)))))
    }
}

fn nested_oracle<const D: usize>(g: f64, x: &[f64; D], y: &[f64; D], u: &[f64; D]) -> [f64; 11] {
    let (n, s) = (D as f64, squared_distance(x, y));
    let k = (-g * s).exp();
    let r: [f64; D] = std::array::from_fn(|d| x[d] - y[d]);
    let (ru, uu, total_r, total_u) = (dot(&r, u), dot(u, u), r.iter().sum::<f64>(), u.iter().sum::<f64>());
    let laplacian = (4.0 * g * g * s - 2.0 * g * n) * k;
    [
        laplacian,
        laplacian,
        -laplacian,
        -2.0 * g * ru * k,
        -2.0 * g * ru * k,
        (4.0 * g * g * ru * ru - 2.0 * g * uu) * k,
        // the sum over d of d/dy_d (-2 g (x - y | u) k)
        2.0 * g * total_u * k - 4.0 * g * g * ru * total_r * k,
        -s * k,
        (16.0 * g.powi(4) * s * s - 16.0 * (n + 2.0) * g.powi(3) * s + 4.0 * n * (n + 2.0) * g * g) * k,
        n * k - 2.0 * g * dot(&r, x) * k,
        // d/ds of the Laplacian, times the sum over d of ds/dy_d = -2 r_d
        (4.0 * g * g * k - g * laplacian) * -2.0 * total_r,
    ]
}

fn check_nested<const D: usize>() {
    let mut random = Random::new();
    let g: f64 = random.number(0.5..1.5);
    let (x, y): (Vec<[f64; D]>, Vec<[f64; D]>) = (random.cloud(N), random.cloud(M));
    let u: Vec<[f64; D]> = random.cloud(M);
    let found = nested(g, &x, &y, &u).eval().unwrap();
    let sum = |x: &[f64; D]| {
        let terms = y.iter().zip(&u).map(|(y, u)| nested_oracle(g, x, y, u));
        terms.fold([0.0; 11], |sum, term| std::array::from_fn(|c| sum[c] + term[c]))
    };
    assert_rows(&found, &x.iter().map(sum).collect::<Vec<_>>(), ERROR, "nested");
}

#[test]
fn derivatives_inside_formulas_nest() {
    check_nested::<1>();
    check_nested::<2>();
    check_nested::<7>();
}

keops! {
    /// Divergences that mix components.
    #[keops(order = 0)]
    pub fn mixed(x: Vi<3>, y: Vj<3>, m: Vj<9>) -> Sum<j> {
        let image = mat_vec(m, x);
        let turned = concat(extract(x * y, 1, 2), elem(exp(x), 0));
        let fields = concat(divergence(image, x), concat(divergence(vec_mat(x * x, m), x), divergence(turned, x)));
        let norms = concat(divergence(sqnorm2(x) * y, x), concat(divergence(normalize(x), x), laplacian(sqnorm2(x)**2, x)));
        let others = concat(laplacian((x | image), x), divergence(ifelse(y, x**2, -x), x));
        concat(fields, concat(norms, concat(divergence(extract(outer(x, y), 2, 3), x), others)))
    }
}

#[test]
fn divergences_of_formulas_that_mix_components() {
    let mut random = Random::new();
    let (x, y, m): ([f64; 3], [f64; 3], [f64; 9]) = (random.cloud(1)[0], random.cloud(1)[0], random.cloud(1)[0]);
    let found = mixed(&[x], &[y], &[m]).eval().unwrap();
    let trace = m[0] + m[4] + m[8];
    let x2 = dot(&x, &x);
    let branch = |d: usize| if y[d] >= 0.0 { 2.0 * x[d] } else { -1.0 };
    let expected = [
        trace,
        (0..3).map(|d| 2.0 * x[d] * m[4 * d]).sum(),
        // (x1 y1, x2 y2, exp x0) has no component d that depends on x_d
        0.0,
        2.0 * dot(&x, &y),
        2.0 / x2.sqrt(),
        // Δ r⁴ = 4 (n + 2) r²
        20.0 * x2,
        // components 2, 3, 4 of the rows (x0 y), (x1 y), (x2 y): x0 y2, x1 y0, x1 y1
        y[2] + y[0],
        2.0 * trace,
        (0..3).map(branch).sum(),
    ];
    assert_rows(&found, &[expected], 1e-14, "divergences");
}

keops! {
    /// Wide outputs in many dimensions.
    #[keops(cuda(D = 19, E = 23))]
    pub fn wide<const D: usize, const E: usize>(x: Vi<D>, y: Vj<D>, b: Vj<E>) -> Sum<j> {
        exp(-0.5 * sqdist(x, y)) * b
    }
}

#[test]
fn wide_outputs_have_gradients() {
    const D: usize = 19;
    const E: usize = 23;
    let mut random = Random::new();
    let (x, y): (Vec<[f64; D]>, Vec<[f64; D]>) = (random.rows(N, -0.3..0.3), random.rows(M, -0.3..0.3));
    let (b, e): (Vec<[f64; E]>, Vec<[f64; E]>) = (random.cloud(M), random.cloud(N));
    let k = |i: usize, j: usize| (-0.5 * squared_distance(&x[i], &y[j])).exp();
    let in_x: Vec<[f64; D]> = (0..N)
        .map(|i| {
            let along = |d: usize| (0..M).map(|j| -(x[i][d] - y[j][d]) * k(i, j) * dot(&b[j], &e[i])).sum();
            std::array::from_fn(along)
        })
        .collect();
    let in_b: Vec<[f64; E]> =
        (0..M).map(|j| std::array::from_fn(|c| (0..N).map(|i| k(i, j) * e[i][c]).sum())).collect();
    let all = wide(&x, &y, &b).vjp(&e).eval().unwrap();
    assert_rows(&all.x, &in_x, ERROR, "x");
    assert_rows(&all.b, &in_b, ERROR, "b");
    let u: Vec<[f64; D]> = random.cloud(M);
    let along = wide(&x, &y, &b).jvp_y(&u).eval().unwrap();
    assert_near(inner(&along, &e), inner(&u, &all.y), PRODUCTS, "along y");
}

#[test]
fn derivatives_of_no_points() {
    let none: Vec<[f64; 3]> = vec![];
    let (x, b): (Vec<[f64; 3]>, Vec<[f64; 2]>) = (vec![[1.0; 3]; 2], vec![]);
    let e = vec![[1.0; 2]; 2];
    // no sources: the sum is 0, and so are its gradients
    let all = product(1.0, &x, &none, &b).vjp(&e).eval().unwrap();
    assert_identical(&all.g, &[[0.0]], "g");
    assert_identical(&all.x, &[[0.0; 3]; 2], "x");
    assert!(all.y.is_empty() && all.b.is_empty());
    assert_eq!(product(1.0, &x, &none, &b).vjp_g(&e).eval().unwrap().as_flat(), [0.0]);
    // no targets
    let all = product(1.0, &none, &x, &e).vjp(&b).eval().unwrap();
    assert_identical(&all.g, &[[0.0]], "g");
    assert_identical(&all.y, &[[0.0; 3]; 2], "y");
    assert!(all.x.is_empty());
    assert_eq!(product(1.0, &none, &x, &e).vjp_g(&b).eval().unwrap().as_flat(), [0.0]);
}
