//! Derivatives of calls, of the first and of higher orders, and inside formulas: against finite differences in `f64`
//! and against each other.

mod harness;

use harness::{Random, assert_near, assert_rows, dot, inner, moved, slope, squared_distance};
use keops::prelude::*;

const N: usize = 7;
const M: usize = 11;

keops! {
    /// Every kind of variable, and a result of two components.
    #[keops(order = 2)]
    fn smooth(g: Pm<2>, x: Vi<3>, y: Vj<3>, b: Vj<2>) -> Sum<j> {
        exp(-elem(g, 0) * sqdist(x, y)) * b + sin(g) * (x | y)
    }
    /// The same over the other index.
    fn smooth_over_i(g: Pm<2>, x: Vi<3>, y: Vj<3>, b: Vj<2>) -> Sum<i> {
        exp(-elem(g, 0) * sqdist(x, y)) * b + sin(g) * (x | y)
    }
    #[keops(order = 3)]
    fn cubic(x: Vi<1>, y: Vj<1>) -> Sum<j> { (x + y) ** 4 }
    #[keops(order = 0)]
    fn underived(x: Vi<1>, y: Vj<1>) -> Sum<j> { x * y }
    fn log_sum(g: Pm<1>, x: Vi<2>, y: Vj<2>) -> LogSumExp<j> { g * (x | y) }
    fn weighted_log_sum(x: Vi<2>, y: Vj<2>, w: Vj<3>) -> LogSumExp<j> { ((x | y), exp(w)) }
    fn soft_max(x: Vi<2>, y: Vj<2>, w: Vj<3>) -> SumSoftMaxWeight<j> { ((x | y), w) }
    /// Derivatives of a Gaussian inside a formula: gradient, change, Laplacian, divergence of the gradient.
    fn inside<const D: usize>(g: Pm<1>, x: Vi<D>, y: Vj<D>, u: Vi<D>) -> Sum<j> {
        let k = exp(-g * sqdist(x, y));
        let first = concat((grad(k, x, 1) | u), diff(k, x, u));
        first.concat(laplacian(k, x)).concat(divergence(grad(k, x, 1), x))
    }
    /// The gradient of a Laplacian: three orders nested.
    fn nested<const D: usize>(x: Vi<D>, y: Vj<D>) -> Sum<j> {
        grad(laplacian(exp(-sqdist(x, y)), x), y, 1)
    }
}

/// The variables of [`smooth`].
struct Point {
    g: [f64; 2],
    x: Vec<[f64; 3]>,
    y: Vec<[f64; 3]>,
    b: Vec<[f64; 2]>,
}

impl Point {
    fn new(random: &mut Random) -> Self {
        Self { g: [0.7, 0.3], x: random.cloud(N), y: random.cloud(M), b: random.cloud(M) }
    }

    /// This point moved by h along a direction.
    fn moved(&self, h: f64, to: &Point) -> Point {
        Point {
            g: [0, 1].map(|k| self.g[k] + h * to.g[k]),
            x: moved(&self.x, h, &to.x),
            y: moved(&self.y, h, &to.y),
            b: moved(&self.b, h, &to.b),
        }
    }

    /// A direction in which only some variables move: `which` has a bit for each of g, x, y, b.
    fn direction(random: &mut Random, which: u8) -> Point {
        let mut point = Point { g: [random.number(-1.0..1.0), 0.4], ..Point::new(random) };
        if which & 1 == 0 {
            point.g = [0.0; 2];
        }
        for (bit, rows) in [(2, &mut point.x), (4, &mut point.y)] {
            if which & bit == 0 {
                rows.fill([0.0; 3]);
            }
        }
        if which & 8 == 0 {
            point.b.fill([0.0; 2]);
        }
        point
    }
}

/// The derivative of (e | call) along `to`, by finite differences.
fn slope_of<const D: usize>(at: &Point, to: &Point, e: &[[f64; D]], call: impl Fn(&Point) -> Vec<[f64; D]>) -> f64 {
    slope(|h| inner(&call(&at.moved(h, to)), e))
}

#[test]
fn first_order_over_j() {
    let mut random = Random::new();
    let at = Point::new(&mut random);
    let e = random.cloud::<f64, 2>(N);
    let call = |p: &Point| smooth(p.g, &p.x, &p.y, &p.b).eval().unwrap().into_vec();
    let Point { g, x, y, b } = &at;
    let all = smooth(*g, x, y, b).vjp(&e).eval().unwrap();
    for which in 0..4 {
        let to = Point::direction(&mut random, 1 << which);
        let expected = slope_of(&at, &to, &e, call);
        let (single, together, forward) = match which {
            0 => (
                inner(&smooth(*g, x, y, b).vjp_g(&e).eval().unwrap(), &[to.g]),
                inner(&all.g, &[to.g]),
                smooth(*g, x, y, b).jvp_g(to.g).eval().unwrap(),
            ),
            1 => (
                inner(&smooth(*g, x, y, b).vjp_x(&e).eval().unwrap(), &to.x),
                inner(&all.x, &to.x),
                smooth(*g, x, y, b).jvp_x(&to.x).eval().unwrap(),
            ),
            2 => (
                inner(&smooth(*g, x, y, b).vjp_y(&e).eval().unwrap(), &to.y),
                inner(&all.y, &to.y),
                smooth(*g, x, y, b).jvp_y(&to.y).eval().unwrap(),
            ),
            _ => (
                inner(&smooth(*g, x, y, b).vjp_b(&e).eval().unwrap(), &to.b),
                inner(&all.b, &to.b),
                smooth(*g, x, y, b).jvp_b(&to.b).eval().unwrap(),
            ),
        };
        let error = 1e-7 * expected.abs().max(1.0);
        assert_near(single, expected, error, ("vjp of one", which));
        assert_near(together, single, 1e-12 * single.abs().max(1.0), ("vjp of all", which));
        assert_near(inner(&forward, &e), expected, error, ("jvp", which));
    }
}

#[test]
fn first_order_over_i() {
    let mut random = Random::new();
    let at = Point::new(&mut random);
    let e = random.cloud::<f64, 2>(M);
    let call = |p: &Point| smooth_over_i(p.g, &p.x, &p.y, &p.b).eval().unwrap().into_vec();
    let to = Point::direction(&mut random, 15);
    let expected = slope_of(&at, &to, &e, call);
    let Point { g, x, y, b } = &at;
    let all = smooth_over_i(*g, x, y, b).vjp(&e).eval().unwrap();
    let found = inner(&all.g, &[to.g]) + inner(&all.x, &to.x) + inner(&all.y, &to.y) + inner(&all.b, &to.b);
    assert_near(found, expected, 1e-7 * expected.abs().max(1.0), "all gradients");
    let found = inner(&smooth_over_i(*g, x, y, b).vjp_x(&e).eval().unwrap(), &to.x)
        + inner(&smooth_over_i(*g, x, y, b).vjp_y(&e).eval().unwrap(), &to.y)
        + inner(&smooth_over_i(*g, x, y, b).jvp_g(to.g).eval().unwrap(), &e)
        + inner(&smooth_over_i(*g, x, y, b).jvp_b(&to.b).eval().unwrap(), &e);
    assert_near(found, expected, 1e-7 * expected.abs().max(1.0), "one by one");
}

#[test]
fn second_order() {
    let mut random = Random::new();
    let at = Point::new(&mut random);
    let Point { g, x, y, b } = &at;
    let e = random.cloud::<f64, 2>(N);
    let v = random.cloud::<f64, 3>(N);
    let to = Point::direction(&mut random, 15);
    // (v | vjp_x(e)) as a function of all variables
    let gradient = |p: &Point| smooth(p.g, &p.x, &p.y, &p.b).vjp_x(&e).eval().unwrap().into_vec();
    let expected = slope_of(&at, &to, &v, gradient);
    let all = smooth(*g, x, y, b).vjp_x(&e).vjp(&v).eval().unwrap();
    let found = inner(&all.g, &[to.g]) + inner(&all.x, &to.x) + inner(&all.y, &to.y) + inner(&all.b, &to.b);
    assert_near(found, expected, 1e-6 * expected.abs().max(1.0), "vjp of vjp_x");
    // linear in the cotangent: its gradient, on the other side, is the forward derivative along v
    let change = smooth(*g, x, y, b).jvp_x(&v).eval().unwrap();
    assert_rows(&all.cotangent, &change, 1e-12, "gradient in the cotangent");
    let hessian = smooth(*g, x, y, b).vjp_x(&e).jvp_y(&to.y).eval().unwrap();
    let other = smooth(*g, x, y, b).vjp_x(&e).vjp_y(&v).eval().unwrap();
    assert_near(inner(&hessian, &v), inner(&other, &to.y), 1e-10, "the Hessian is symmetric");
    // a parameter's gradient is a sum over all pairs, and so are its derivatives
    let gradient = |p: &Point| smooth(p.g, &p.x, &p.y, &p.b).vjp_g(&e).eval().unwrap().into_vec();
    let w = [[0.3, -1.2]];
    let expected = slope_of(&at, &to, &w, gradient);
    let all = smooth(*g, x, y, b).vjp_g(&e).vjp(w[0]).eval().unwrap();
    let found = inner(&all.g, &[to.g]) + inner(&all.x, &to.x) + inner(&all.y, &to.y) + inner(&all.b, &to.b);
    assert_near(found, expected, 1e-6 * expected.abs().max(1.0), "vjp of vjp_g");
}

#[test]
fn third_order() {
    let (x, y) = ([[0.5], [-0.25]], [[0.125], [2.0], [-1.0]]);
    let one = [[1.0]; 2];
    let found = cubic(&x, &y).jvp_x(&one).jvp_x(&one).jvp_x(&one).eval().unwrap();
    let back = cubic(&x, &y).vjp_x(&one).vjp_x(&one).vjp_x(&one).eval().unwrap();
    for (i, x) in x.iter().enumerate() {
        let expected: f64 = y.iter().map(|y| 24.0 * (x[0] + y[0])).sum();
        assert_near(found[i][0], expected, 1e-12, ("forward", i));
        assert_near(back[i][0], expected, 1e-12, ("reverse", i));
    }
    assert_eq!(underived(&[[2.0]], &[[3.0]]).eval().unwrap()[0], [6.0]);
}

#[test]
fn exponential_reductions() {
    let mut random = Random::new();
    let (x, y, w) = (random.cloud::<f64, 2>(N), random.cloud::<f64, 2>(M), random.cloud::<f64, 3>(M));
    let (u, v, t) = (random.cloud::<f64, 2>(N), random.cloud::<f64, 2>(M), random.cloud::<f64, 3>(M));
    let (e1, e3) = (random.cloud::<f64, 1>(N), random.cloud::<f64, 3>(N));

    let value = |g: f64, x: &[[f64; 2]], y: &[[f64; 2]]| log_sum(g, x, y).eval().unwrap();
    let expected = slope(|h| inner(&value(1.5 + h, &moved(&x, h, &u), &moved(&y, h, &v)), &e1));
    let all = log_sum(1.5, &x, &y).vjp(&e1).eval().unwrap();
    assert_near(all.g[0][0] + inner(&all.x, &u) + inner(&all.y, &v), expected, 1e-7, "log of a sum");
    let forward = [
        log_sum(1.5, &x, &y).jvp_g(1.0).eval().unwrap(),
        log_sum(1.5, &x, &y).jvp_x(&u).eval().unwrap(),
        log_sum(1.5, &x, &y).jvp_y(&v).eval().unwrap(),
    ];
    let found: f64 = forward.iter().map(|part| inner(part, &e1)).sum();
    assert_near(found, expected, 1e-7, "forward, log of a sum");
    let one = log_sum(1.5, &x, &y).vjp_x(&e1).eval().unwrap();
    assert_rows(&one, &all.x, 1e-13, "one gradient");

    let value = |x: &[[f64; 2]], y: &[[f64; 2]], w: &[[f64; 3]]| weighted_log_sum(x, y, w).eval().unwrap();
    let expected = slope(|h| inner(&value(&moved(&x, h, &u), &moved(&y, h, &v), &moved(&w, h, &t)), &e3));
    let all = weighted_log_sum(&x, &y, &w).vjp(&e3).eval().unwrap();
    let found = inner(&all.x, &u) + inner(&all.y, &v) + inner(&all.w, &t);
    assert_near(found, expected, 1e-7, "log of a weighted sum");
    let found = inner(&weighted_log_sum(&x, &y, &w).jvp_x(&u).eval().unwrap(), &e3)
        + inner(&weighted_log_sum(&x, &y, &w).jvp_y(&v).eval().unwrap(), &e3)
        + inner(&weighted_log_sum(&x, &y, &w).jvp_w(&t).eval().unwrap(), &e3);
    assert_near(found, expected, 1e-7, "forward, log of a weighted sum");

    let value = |x: &[[f64; 2]], y: &[[f64; 2]], w: &[[f64; 3]]| soft_max(x, y, w).eval().unwrap();
    let expected = slope(|h| inner(&value(&moved(&x, h, &u), &moved(&y, h, &v), &moved(&w, h, &t)), &e3));
    let all = soft_max(&x, &y, &w).vjp(&e3).eval().unwrap();
    let found = inner(&all.x, &u) + inner(&all.y, &v) + inner(&all.w, &t);
    assert_near(found, expected, 1e-7, "soft max");
    let found = inner(&soft_max(&x, &y, &w).jvp_x(&u).eval().unwrap(), &e3)
        + inner(&soft_max(&x, &y, &w).jvp_w(&t).eval().unwrap(), &e3)
        + inner(&soft_max(&x, &y, &w).jvp_y(&v).eval().unwrap(), &e3);
    assert_near(found, expected, 1e-7, "forward, soft max");
}

#[test]
fn inside_formulas() {
    let mut random = Random::new();
    let (x, y, u) = (random.cloud::<f64, 4>(N), random.cloud::<f64, 4>(M), random.cloud::<f64, 4>(N));
    let g = 0.8;
    let found = inside(g, &x, &y, &u).eval().unwrap();
    let expected: Vec<[f64; 4]> = (0..N)
        .map(|i| {
            let mut sum = [0.0; 4];
            for y in &y {
                let r2 = squared_distance(&x[i], y);
                let k = (-g * r2).exp();
                let difference: [f64; 4] = std::array::from_fn(|d| x[i][d] - y[d]);
                let change = -2.0 * g * k * dot(&difference, &u[i]);
                let laplacian = k * (4.0 * g * g * r2 - 2.0 * g * 4.0);
                for (sum, term) in sum.iter_mut().zip([change, change, laplacian, laplacian]) {
                    *sum += term;
                }
            }
            sum
        })
        .collect();
    assert_rows(&found, &expected, 1e-12, "derivatives of a Gaussian");

    let found = nested(&x, &y).eval().unwrap();
    let expected: Vec<[f64; 4]> = (0..N)
        .map(|i| {
            std::array::from_fn(|d| {
                y.iter()
                    .map(|y| {
                        let r2 = squared_distance(&x[i], y);
                        // d/dr² of exp(-r²) (4 r² - 8), times dr²/dy_d = -2 (x_d - y_d)
                        (-r2).exp() * (4.0 - (4.0 * r2 - 8.0)) * -2.0 * (x[i][d] - y[d])
                    })
                    .sum()
            })
        })
        .collect();
    assert_rows(&found, &expected, 1e-12, "gradient of a Laplacian");
}
