//! The cases of KeOps' own tests (`pykeops/test`), with their formulas and shapes: each test has the name of theirs, and
//! compares with plain loops in `f64`. What they test of Python alone (pickling, strides, devices by name) is not here.

#![allow(clippy::needless_range_loop, reason = "rows of arrays, compared by component")]

mod harness;

use harness::{Exact, Random, assert_near, assert_rows, dot, inner, moved, slope, squared_distance, times, wide};
use keops::{Element, cluster, f16, prelude::*};

/// The number of targets in most cases.
const M: usize = 10;
/// The number of sources.
const N: usize = 6;
/// The numbers of batches.
const A: usize = 5;
/// See [`A`].
const B: usize = 3;

/// A row for each target: a sum over the sources.
fn sums<const D: usize>(targets: usize, sources: usize, f: impl Fn(usize, usize) -> [f64; D]) -> Vec<[f64; D]> {
    (0..targets)
        .map(|i| {
            (0..sources).fold([0.0; D], |sum, j| {
                let value = f(i, j);
                std::array::from_fn(|d| sum[d] + value[d])
            })
        })
        .collect()
}

/// 2 a, the cotangent of Σ |a_i|².
fn twice<const D: usize>(rows: &[[f64; D]]) -> Vec<[f64; D]> {
    rows.iter().map(|row| row.map(|x| 2.0 * x)).collect()
}

/// Checks that `gradient` is the slope of `f` at `x`, along one direction.
#[track_caller]
fn assert_gradient<const D: usize>(
    random: &mut Random,
    gradient: &[[f64; D]],
    x: &[[f64; D]],
    f: impl Fn(&[[f64; D]]) -> f64,
    what: &str,
) {
    assert_eq!(gradient.len(), x.len(), "{what}: number of rows");
    // of about length 1 a row, so that the fourth differences are small
    let length = (D as f64).sqrt();
    let direction = random.rows::<f64, D>(x.len(), -1.0 / length..1.0 / length);
    let expected = slope(|h| f(&moved(x, h, &direction)));
    let size = expected.abs().max(f(x).abs()).max(1.0);
    assert_near(inner(gradient, &direction), expected, 1e-8 * size, what);
}

fn square_norm<const D: usize>(rows: &[[f64; D]]) -> f64 {
    inner(rows, rows)
}

keops! {
    #[keops(order = 0)]
    fn generic_syntax = Genred("Square(p-a)*Exp(x+y)", ["p=Pm(1)", "a=Vj(1)", "x=Vi(3)", "y=Vj(3)"], axis = 1);
    #[keops(order = 0)]
    fn generic_softmax = Genred("Square(p-a)*Exp(-SqNorm2(x-y))", ["p=Pm(1)", "a=Vj(1)", "x=Vi(3)", "y=Vj(3)"],
        reduction_op = "SumSoftMaxWeight", axis = 1, formula2 = "y");
    #[keops(order = 0)]
    fn generic_simple = Genred("Pow((X|Y),2) * ((Elem(P,0) * X) + (Elem(P,1) * Y))",
        ["P = Pm(2)", "X = Vi(3) ", "Y = Vj(3) "], reduction_op = "Sum", axis = 1);
    #[keops(order = 0)]
    fn heterogeneous = Genred("Square(p-Var(3,1,1))*Exp(-SqNorm2(y-x))", ["p=Pm(0,1)", "x=Vi(1,3)", "y=Vj(2,3)"],
        reduction_op = "Sum", axis = 1);
    #[keops(order = 0)]
    fn softmax = Genred("SqDist(x,y)", ["x = Vi(3)", "y = Vj(3)", "b = Vj(3)"], reduction_op = "SumSoftMaxWeight",
        axis = 1, formula2 = "b");
    #[keops(order = 0)]
    fn simplified = Genred("Grad(Grad(x + Var(1,3,1), x, Var(2,3,0)),x, Var(3,3,0))", ["x=Vi(0,3)"],
        reduction_op = "Sum", axis = 1);
    #[keops(order = 0)]
    fn three_nearest = Genred("SqDist(x,y)", ["x = Vi(3)", "y = Vj(3)"], reduction_op = "ArgKMin", axis = 1, opt_arg = 3);
}

fn generic_case<T: Element>() {
    let mut random = Random::new();
    let (p, a) = (random.number::<T>(0.0..1.0), random.rows::<T, 1>(N, 0.0..1.0));
    let (x, y) = (random.rows::<T, 3>(M, 0.0..1.0), random.rows::<T, 3>(N, 0.0..1.0));
    let found = generic_syntax(p, &a, &x, &y).eval().unwrap();
    let (p, a, x, y) = (p.exact(), wide(&a), wide(&x), wide(&y));
    let square = |j: usize| (p - a[j][0]) * (p - a[j][0]);
    let expected = sums(M, N, |i, j| std::array::from_fn(|d| square(j) * (x[i][d] + y[j][d]).exp()));
    assert_rows(&found, &expected, 10.0 * harness::epsilon::<T>(), "Square(p-a)*Exp(x+y)");
}

#[test]
fn generic_syntax_float_and_double() {
    generic_case::<f32>();
    generic_case::<f64>();
}

#[test]
fn generic_syntax_softmax() {
    let mut random = Random::new();
    let (p, a) = (random.number::<f64>(0.0..1.0), random.rows::<f64, 1>(N, 0.0..1.0));
    let (x, y) = (random.rows::<f64, 3>(M, 0.0..1.0), random.rows::<f64, 3>(N, 0.0..1.0));
    let weight = |i: usize, j: usize| ((p - a[j][0]).powi(2) * (-squared_distance(&x[i], &y[j])).exp()).exp();
    let total = sums(M, N, |i, j| [weight(i, j)]);
    let expected = sums(M, N, |i, j| y[j].map(|y| weight(i, j) * y / total[i][0]));
    assert_rows(&generic_softmax(p, &a, &x, &y).eval().unwrap(), &expected, 1e-14, "SumSoftMaxWeight");

    let b = random.rows::<f64, 3>(N, 0.0..1.0);
    let weight = |i: usize, j: usize| squared_distance(&x[i], &y[j]).exp();
    let total = sums(M, N, |i, j| [weight(i, j)]);
    let expected = sums(M, N, |i, j| b[j].map(|b| weight(i, j) * b / total[i][0]));
    assert_rows(&softmax(&x, &y, &b).eval().unwrap(), &expected, 1e-14, "of SqDist");
}

#[test]
fn generic_syntax_simple() {
    let mut random = Random::new();
    let p = random.rows::<f64, 2>(1, 0.0..1.0)[0];
    let (x, y) = (random.rows::<f64, 3>(M, 0.0..1.0), random.rows::<f64, 3>(N, 0.0..1.0));
    let expected = sums(M, N, |i, j| {
        let square = dot(&x[i], &y[j]).powi(2);
        std::array::from_fn(|d| square * (p[0] * x[i][d] + p[1] * y[j][d]))
    });
    assert_rows(&generic_simple(p, &x, &y).eval().unwrap(), &expected, 1e-14, "Pow((X|Y),2)");
}

#[test]
fn heterogeneous_var_aliases() {
    let mut random = Random::new();
    let (p, g) = (random.number::<f64>(0.0..1.0), random.rows::<f64, 1>(N, 0.0..1.0));
    let (x, y) = (random.rows::<f64, 3>(M, 0.0..1.0), random.rows::<f64, 3>(N, 0.0..1.0));
    let expected = sums(M, N, |i, j| [(p - g[j][0]).powi(2) * (-squared_distance(&x[i], &y[j])).exp()]);
    assert_rows(&heterogeneous(p, &x, &y, &g).eval().unwrap(), &expected, 1e-14, "Var(3,1,1)");
}

#[test]
fn formula_simplification() {
    let mut random = Random::new();
    let (x, y) = (random.cloud::<f64, 3>(M), random.cloud::<f64, 3>(N));
    assert_eq!(simplified(&x, &y, &x, &x).eval().unwrap().into_vec(), [[0.0; 3]; M]);
}

#[test]
fn argkmin() {
    let mut random = Random::new();
    let (x, y) = (random.cloud::<f64, 3>(M), random.cloud::<f64, 3>(N));
    let found = three_nearest(&x, &y).eval().unwrap();
    for i in 0..M {
        let mut order: Vec<usize> = (0..N).collect();
        order.sort_by(|&j, &k| squared_distance(&x[i], &y[j]).total_cmp(&squared_distance(&x[i], &y[k])));
        assert_eq!(found[i].map(|j| j as usize), order[..3]);
    }
}

keops! {
    #[keops(order = 0)]
    fn log_gaussian(s: Pm<1>, x: Vi<3>, y: Vj<3>, w: Vj<1>) -> LogSumExp<j> { (-s.square().inv() * x.sqdist(y), w) }
    #[keops(order = 0)]
    fn log_laplacian(s: Pm<1>, x: Vi<3>, y: Vj<3>, w: Vj<1>) -> LogSumExp<j> {
        (-(s.square().inv() * x.sqdist(y)).sqrt(), w)
    }
    #[keops(order = 0)]
    fn log_cauchy(s: Pm<1>, x: Vi<3>, y: Vj<3>, w: Vj<1>) -> LogSumExp<j> {
        ((1 + s.square().inv() * x.sqdist(y)).power(-1).log(), w)
    }
    #[keops(order = 0)]
    fn log_inverse_multiquadric(s: Pm<1>, x: Vi<3>, y: Vj<3>, w: Vj<1>) -> LogSumExp<j> {
        ((1 + s.square().inv() * x.sqdist(y)).sqrt().power(-1).log(), w)
    }
    fn log_affine = Genred("(Elem(P,0) * X) + (Elem(P,1) * Y)", ["P = Pm(2)", "X = Vi(1) ", "Y = Vj(1) "],
        reduction_op = "LogSumExp", axis = 1);
}

#[test]
#[allow(non_snake_case, reason = "KeOps' name")]
fn logSumExp_kernels_feature() {
    let mut random = Random::new();
    let s = 0.4;
    let (x, y) = (random.rows::<f64, 3>(M, 0.0..1.0), random.rows::<f64, 3>(N, 0.0..1.0));
    let w: Vec<_> = random.rows::<f64, 1>(N, 0.0..1.0).iter().map(|[g]| [g.exp()]).collect();
    let check = |found: Result<Rows<f64, 1>, Error>, kernel: fn(f64) -> f64, what: &str| {
        let total = sums(M, N, |i, j| [kernel(squared_distance(&x[i], &y[j]) / (s * s)) * w[j][0]]);
        let expected: Vec<_> = total.iter().map(|[total]| [total.ln()]).collect();
        assert_rows(&found.unwrap(), &expected, 1e-14, what);
    };
    check(log_gaussian(s, &x, &y, &w).eval(), |r2| (-r2).exp(), "gaussian");
    check(log_laplacian(s, &x, &y, &w).eval(), |r2| (-r2.sqrt()).exp(), "laplacian");
    check(log_cauchy(s, &x, &y, &w).eval(), |r2| 1.0 / (1.0 + r2), "cauchy");
    check(log_inverse_multiquadric(s, &x, &y, &w).eval(), |r2| 1.0 / (1.0 + r2).sqrt(), "inverse multiquadric");
}

#[test]
#[allow(non_snake_case, reason = "KeOps' name")]
fn logSumExp_gradient_kernels_feature() {
    let mut random = Random::new();
    let p = random.rows::<f64, 2>(1, 0.0..1.0)[0];
    let (f, g) = (random.rows::<f64, 1>(M, 0.0..1.0), random.rows::<f64, 1>(N, 0.0..1.0));
    let all = log_affine(p, &f, &g).vjp(&[[1.0]; M]).eval().unwrap();
    assert_rows(&all.X, &[[p[0]]; M], 1e-14, "X");
    let weight = |i: usize, j: usize| (p[0] * f[i][0] + p[1] * g[j][0]).exp();
    let total = sums(M, N, |i, j| [weight(i, j)]);
    assert_rows(&all.Y, &sums(N, M, |j, i| [p[1] * weight(i, j) / total[i][0]]), 1e-14, "Y");
}

keops! {
    fn conv(g: Pm<1>, x: Vi<3>, y: Vj<3>, b: Vj<3>) -> Sum<j> { exp(-g * sqdist(x, y)) * b }
}

/// Solves A u = b by elimination with pivots.
fn eliminate<const E: usize>(mut a: Vec<Vec<f64>>, mut b: Vec<[f64; E]>) -> Vec<[f64; E]> {
    let n = b.len();
    for k in 0..n {
        let pivot = (k..n).max_by(|&p, &q| a[p][k].abs().total_cmp(&a[q][k].abs())).unwrap();
        a.swap(k, pivot);
        b.swap(k, pivot);
        for i in (0..n).filter(|&i| i != k) {
            let factor = a[i][k] / a[k][k];
            for l in k..n {
                a[i][l] -= factor * a[k][l];
            }
            b[i] = std::array::from_fn(|e| b[i][e] - factor * b[k][e]);
        }
    }
    (0..n).map(|i| b[i].map(|b| b / a[i][i])).collect()
}

#[test]
fn invkernel() {
    let mut random = Random::new();
    let (g, alpha) = (0.4, 0.1);
    let x = random.rows::<f64, 3>(M, 0.0..1.0);
    let (b, e) = (random.rows::<f64, 3>(M, 0.0..1.0), random.rows::<f64, 3>(M, 0.0..1.0));
    let dense = |x: &[[f64; 3]]| {
        let entry = |i: usize, j: usize| (-g * squared_distance(&x[i], &x[j])).exp() + if i == j { alpha } else { 0.0 };
        eliminate((0..M).map(|i| (0..M).map(|j| entry(i, j)).collect()).collect(), b.clone())
    };
    let solution = conv(g, &x, &x, &b).solve_b(alpha).tolerance(1e-12).eval().unwrap();
    assert!(solution.report.converged());
    assert_rows(&solution.values, &dense(&x), 1e-8, "solution");
    // x stands on both sides
    let gradients = solution.vjp(&e).unwrap().arguments;
    let gradient: Vec<[f64; 3]> =
        gradients.x.iter().zip(gradients.y.iter()).map(|(a, b)| std::array::from_fn(|d| a[d] + b[d])).collect();
    let direction = random.cloud::<f64, 3>(M);
    let expected = slope(|h| inner(&dense(&moved(&x, h, &direction)), &e));
    assert_near(inner(&gradient, &direction), expected, 1e-6, "gradient");
}

keops! {
    #[keops(order = 2)]
    fn lazy_sum(x: Vi<3>, l: Vi<1>, y: Vj<3>, s: Pm<1>) -> Sum<j> {
        exp(-(0.5 * (l * x - y)**2 / s).sum())
    }
    #[keops(order = 0)]
    fn lazy_sum_numpy(x: Vi<3>, l: Vi<1>, y: Vj<3>, s: Pm<1>) -> Sum<j> { 1 / (1 + ((l + x * y)**2 + s).sum()).exp() }
    #[keops(order = 2)]
    fn lazy_logsumexp(x: Vi<3>, l: Vi<1>, y: Vj<3>, s: Pm<1>) -> LogSumExp<j> {
        -1 / (1 + ((l * x + y).relu() * s / 9).sum())
    }
    #[keops(order = 0)]
    fn lazy_min(x: Vi<3>, l: Vi<1>, y: Vj<3>, s: Pm<1>) -> MinArgMin<i> {
        let d = (1 + ((l * x + y).relu() * s)**2).log().sum();
        (d**1.5 + 1).cos() * (d * (3.2 + s)).sin()
    }
}

/// x of batches (A, B), l of (A, 1), y of (1, B), s of (A, B). No number is near 0.
struct Lazy {
    x: Vec<[f64; 3]>,
    l: Vec<[f64; 1]>,
    y: Vec<[f64; 3]>,
    s: Vec<[f64; 1]>,
}

impl Lazy {
    fn new(random: &mut Random) -> Self {
        Self {
            x: random.rows(A * B * M, 0.05..1.0),
            l: random.rows(A * M, 0.05..1.0),
            y: random.rows(B * N, 0.05..1.0),
            s: random.rows(A * B, 1.0..2.0),
        }
    }

    /// The values for the pairs of each target: `f(x_i, l_i, y_j, s)` for each j.
    fn pairs(&self, f: impl Fn([f64; 3], f64, [f64; 3], f64) -> f64) -> Vec<Vec<f64>> {
        let targets = (0..A).flat_map(|a| (0..B).flat_map(move |b| (0..M).map(move |i| (a, b, i))));
        targets
            .map(|(a, b, i)| {
                let batch = a * B + b;
                let of = |j: usize| f(self.x[batch * M + i], self.l[a * M + i][0], self.y[b * N + j], self.s[batch][0]);
                (0..N).map(of).collect()
            })
            .collect()
    }
}

/// The call with the batches of [`Lazy`].
macro_rules! call {
    ($name:ident, $of:expr) => {
        $name(batched(&$of.x, [A, B]), batched(&$of.l, [A, 1]), batched(&$of.y, [1, B]), batched(&$of.s, [A, B]))
    };
}

fn component_sum(f: impl Fn(usize) -> f64) -> f64 {
    (0..3).map(f).sum()
}

#[test]
#[allow(non_snake_case, reason = "KeOps' name")]
fn LazyTensor_sum() {
    let mut random = Random::new();
    let of = Lazy::new(&mut random);
    let plain = |of: &Lazy| -> Vec<[f64; 1]> {
        let pairs = of.pairs(|x, l, y, s| (-component_sum(|d| 0.5 * (l * x[d] - y[d]).powi(2) / s)).exp());
        pairs.iter().map(|pairs| [pairs.iter().sum()]).collect()
    };
    let a = call!(lazy_sum, of).eval().unwrap();
    assert_rows(&a, &plain(&of), 1e-14, "sum");

    // the gradients of Σ a²
    let e = twice(&a);
    let all = call!(lazy_sum, of).vjp(batched(&e, [A, B])).eval().unwrap();
    let of_x = |x: &[[f64; 3]]| Lazy { x: x.to_vec(), l: of.l.clone(), y: of.y.clone(), s: of.s.clone() };
    let of_y = |y: &[[f64; 3]]| Lazy { y: y.to_vec(), ..of_x(&of.x) };
    let of_s = |s: &[[f64; 1]]| Lazy { s: s.to_vec(), ..of_x(&of.x) };
    assert_gradient(&mut random, &all.x, &of.x, |x| square_norm(&plain(&of_x(x))), "x");
    assert_gradient(&mut random, &all.y, &of.y, |y| square_norm(&plain(&of_y(y))), "y");
    assert_gradient(&mut random, &all.s, &of.s, |s| square_norm(&plain(&of_s(s))), "s");

    // and that of Σ |∂/∂x|²: twice the Hessian times the gradient
    let u = twice(&all.x);
    let change = call!(lazy_sum, of).jvp_x(batched(&u, [A, B])).eval().unwrap();
    let outer = call!(lazy_sum, of).vjp_x(batched(&twice(&change), [A, B])).eval().unwrap();
    let curved = call!(lazy_sum, of).vjp_x(batched(&e, [A, B])).jvp_x(batched(&u, [A, B])).eval().unwrap();
    let second: Vec<[f64; 3]> =
        outer.iter().zip(curved.iter()).map(|(a, b)| std::array::from_fn(|d| a[d] + b[d])).collect();
    let gradient = |x: &[[f64; 3]]| {
        let of = of_x(x);
        let e = twice(&plain(&of));
        square_norm(&call!(lazy_sum, of).vjp_x(batched(&e, [A, B])).eval().unwrap())
    };
    assert_gradient(&mut random, &second, &of.x, gradient, "x x");
}

#[test]
#[allow(non_snake_case, reason = "KeOps' name")]
fn LazyTensor_sum_numpy() {
    let of = Lazy::new(&mut Random::new());
    let pairs = of.pairs(|x, l, y, s| (-1.0 - component_sum(|d| (l + x[d] * y[d]).powi(2) + s)).exp());
    let expected: Vec<[f64; 1]> = pairs.iter().map(|pairs| [pairs.iter().sum()]).collect();
    assert_rows(&call!(lazy_sum_numpy, of).eval().unwrap(), &expected, 1e-14, "sum");
}

#[test]
#[allow(non_snake_case, reason = "KeOps' name")]
fn LazyTensor_logsumexp() {
    let mut random = Random::new();
    let of = Lazy::new(&mut random);
    let plain = |of: &Lazy| -> Vec<[f64; 1]> {
        let pairs = of.pairs(|x, l, y, s| -1.0 / (1.0 + component_sum(|d| (l * x[d] + y[d]).max(0.0) * s / 9.0)));
        pairs.iter().map(|pairs| [pairs.iter().map(|value| value.exp()).sum::<f64>().ln()]).collect()
    };
    assert_rows(&call!(lazy_logsumexp, of).eval().unwrap(), &plain(&of), 1e-14, "log sum");
    let e = vec![[1.0]; A * B * M];
    let all = call!(lazy_logsumexp, of).vjp(batched(&e, [A, B])).eval().unwrap();
    let total = |of: &Lazy| plain(of).iter().map(|row| row[0]).sum::<f64>();
    let of_x = |x: &[[f64; 3]]| Lazy { x: x.to_vec(), l: of.l.clone(), y: of.y.clone(), s: of.s.clone() };
    let of_y = |y: &[[f64; 3]]| Lazy { y: y.to_vec(), ..of_x(&of.x) };
    let of_s = |s: &[[f64; 1]]| Lazy { s: s.to_vec(), ..of_x(&of.x) };
    // nothing is near the corner of ReLU
    assert_gradient(&mut random, &all.x, &of.x, |x| total(&of_x(x)), "x");
    assert_gradient(&mut random, &all.y, &of.y, |y| total(&of_y(y)), "y");
    assert_gradient(&mut random, &all.s, &of.s, |s| total(&of_s(s)), "s");

    // of Σ |∂/∂x| by s
    let signs: Vec<[f64; 3]> = all.x.iter().map(|row| row.map(f64::signum)).collect();
    let mixed = call!(lazy_logsumexp, of).vjp_x(batched(&e, [A, B])).vjp_s(batched(&signs, [A, B])).eval().unwrap();
    let size = |s: &[[f64; 1]]| {
        let of = of_s(s);
        let gradient = call!(lazy_logsumexp, of).vjp_x(batched(&e, [A, B])).eval().unwrap();
        gradient.iter().flatten().map(|x| x.abs()).sum::<f64>()
    };
    assert_gradient(&mut random, &mixed, &of.s, size, "x s");
}

#[test]
#[allow(non_snake_case, reason = "KeOps' name")]
fn LazyTensor_min() {
    let of = Lazy::new(&mut Random::new());
    let pairs = of.pairs(|x, l, y, s| {
        let d = component_sum(|d| (1.0 + ((l * x[d] + y[d]).max(0.0) * s).powi(2)).ln());
        (d.powf(1.5) + 1.0).cos() * (d * (3.2 + s)).sin()
    });
    let (values, places) = call!(lazy_min, of).eval().unwrap();
    assert_eq!(values.len(), A * B * N);
    for batch in 0..A * B {
        for j in 0..N {
            let of_j = |i: usize| pairs[batch * M + i][j];
            let least = (0..M).map(of_j).fold(f64::INFINITY, f64::min);
            assert_near(values[batch * N + j][0], least, 1e-12, (batch, j));
            // rows that are equally far but for rounding do not count as another answer
            assert_near(of_j(places[batch * N + j][0] as usize), least, 1e-12, (batch, j));
        }
    }
}

keops! {
    #[keops(order = 0)]
    fn min_chunked(x: Vi<990>, y: Vj<990>) -> MinArgMin<i> { exp(-(x + y)**2).sum() }
    #[keops(order = 2)]
    fn chunked(x: Vi<300>, y: Vj<300>, b: Vj<1>) -> Sum<j> { exp(-(x - y).square().sum()) * b }
    fn final_chunks(x: Vi<3>, y: Vj<3>, b: Vj<300>) -> Sum<j> { exp(-(x - y).square().sum()) * b }
}

#[test]
#[allow(non_snake_case, reason = "KeOps' name")]
fn LazyTensor_min_chunked() {
    let mut random = Random::new();
    let (x, y) = (random.rows::<f64, 990>(M, 0.0..1.0), random.rows::<f64, 990>(N, 0.0..1.0));
    let (values, places) = min_chunked(&x, &y).eval().unwrap();
    for j in 0..N {
        let of_j = |i: usize| (0..990).map(|d| (-(x[i][d] + y[j][d]).powi(2)).exp()).sum::<f64>();
        let least = (0..M).min_by(|&i, &k| of_j(i).total_cmp(&of_j(k))).unwrap();
        assert_near(values[j][0], of_j(least), 1e-11, j);
        assert_eq!(places[j][0] as usize, least);
    }
}

#[test]
fn chunks() {
    let mut random = Random::new();
    let (n, m, scale) = (harness::few(70), harness::few(90), 1.0 / 300.0_f64.sqrt());
    let (x, y) = (random.rows::<f64, 300>(n, 0.0..scale), random.rows::<f64, 300>(m, 0.0..scale));
    let b = random.cloud::<f64, 1>(m);
    let plain = |x: &[[f64; 300]], y: &[[f64; 300]], b: &[[f64; 1]]| {
        sums(n, m, |i, j| [(-squared_distance(&x[i], &y[j])).exp() * b[j][0]])
    };
    let a = chunked(&x, &y, &b).eval().unwrap();
    assert_rows(&a, &plain(&x, &y, &b), 1e-13, "value");
    let e = twice(&a);
    let all = chunked(&x, &y, &b).vjp(&e).eval().unwrap();
    assert_gradient(&mut random, &all.x, &x, |x| square_norm(&plain(x, &y, &b)), "x");
    assert_gradient(&mut random, &all.y, &y, |y| square_norm(&plain(&x, y, &b)), "y");
    assert_gradient(&mut random, &all.b, &b, |b| square_norm(&plain(&x, &y, b)), "b");
    // the gradient of Σ |∂/∂b|², as in their test of the second order
    let u = twice(&all.b);
    let outer = chunked(&x, &y, &u).eval().unwrap();
    let second = chunked(&x, &y, &b).vjp_b(&twice(&outer)).eval().unwrap();
    let gradient = |b: &[[f64; 1]]| {
        let e = twice(&plain(&x, &y, b));
        square_norm(&sums(m, n, |j, i| [(-squared_distance(&x[i], &y[j])).exp() * e[i][0]]))
    };
    assert_gradient(&mut random, &second, &b, gradient, "b b");
    let curved = chunked(&x, &y, &b).vjp_x(&e).vjp_b(&x).eval().unwrap();
    let along = |b: &[[f64; 1]]| inner(&chunked(&x, &y, b).vjp_x(&e).eval().unwrap(), &x);
    assert_gradient(&mut random, &curved, &b, along, "x b");
}

/// The shapes of their tests of chunks with batches: x of (2, 3), y of (2, 1), b of (1, 3).
#[test]
fn chunk_ranges_and_finalchunks_ranges() {
    let mut random = Random::new();
    let (n, m) = (harness::few(50), harness::few(75));
    let batches = [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]];

    let scale = 1.0 / 300.0_f64.sqrt();
    let (x, y) = (random.rows::<f32, 300>(6 * n, 0.0..scale), random.rows::<f32, 300>(2 * m, 0.0..scale));
    let b = random.cloud::<f32, 1>(3 * m);
    let found = chunked(batched(&x, [2, 3]), batched(&y, [2, 1]), batched(&b, [1, 3])).eval().unwrap();
    let (x, y, b) = (wide(&x), wide(&y), wide(&b));
    let of = |[p, q]: [usize; 2]| {
        let (x, y, b) = (&x[(3 * p + q) * n..][..n], &y[p * m..][..m], &b[q * m..][..m]);
        sums(n, m, |i, j| [(-squared_distance(&x[i], &y[j])).exp() * b[j][0]])
    };
    assert_rows(&found, &batches.map(of).concat(), 1e-5, "many components");

    let (x, y) = (random.rows::<f32, 3>(6 * n, 0.0..0.6), random.rows::<f32, 3>(2 * m, 0.0..0.6));
    let b = random.cloud::<f32, 300>(3 * m);
    let found = final_chunks(batched(&x, [2, 3]), batched(&y, [2, 1]), batched(&b, [1, 3])).eval().unwrap();
    let (x, y, b) = (wide(&x), wide(&y), wide(&b));
    let of = |[p, q]: [usize; 2]| {
        let (x, y, b) = (&x[(3 * p + q) * n..][..n], &y[p * m..][..m], &b[q * m..][..m]);
        sums(n, m, |i, j| b[j].map(|b| (-squared_distance(&x[i], &y[j])).exp() * b))
    };
    assert_rows(&found, &batches.map(of).concat(), 1e-5, "wide rows");
}

keops! {
    fn fourier(x: Vj<2>, p: Vj<1>, f: Vi<1>) -> Sum<j> {
        let turn = -6.283185307179586 * p * f;
        complex_mult(x, complex_exp(imag2complex(turn)))
    }
    #[keops(order = 0)]
    fn fourier_of_angles(x: Vj<2>, p: Vj<1>, f: Vi<1>) -> Sum<j> { complex_mult(x, exp1j(-6.283185307179586 * p * f)) }
}

#[test]
fn complex() {
    let mut random = Random::new();
    let (n, m) = (harness::few(200), harness::few(100));
    let x = random.rows::<f64, 2>(n, 0.0..1.0);
    let (p, f) = (random.rows::<f64, 1>(n, 0.0..1.0), random.rows::<f64, 1>(m, 0.0..1.0));
    let plain = |x: &[[f64; 2]]| {
        sums(m, n, |i, j| {
            let (sin, cos) = (-std::f64::consts::TAU * p[j][0] * f[i][0]).sin_cos();
            [x[j][0] * cos - x[j][1] * sin, x[j][0] * sin + x[j][1] * cos]
        })
    };
    let found = fourier(&x, &p, &f).eval().unwrap();
    assert_rows(&found, &plain(&x), 1e-13, "transform");
    assert_rows(&fourier_of_angles(&x, &p, &f).eval().unwrap(), &plain(&x), 1e-13, "with exp1j");
    let gradient = fourier(&x, &p, &f).vjp_x(&twice(&found)).eval().unwrap();
    assert_gradient(&mut random, &gradient, &x, |x| square_norm(&plain(x)), "x");
}

keops! {
    #[keops(order = 2)]
    fn cosines(x: Vi<3>, y: Vj<1>, b: Vj<1>) -> Sum<j> { (x.cos() - y).sum() * b }
    #[keops(order = 0)]
    fn modulo(x: Vi<3>, y: Vj<1>, b: Vj<1>) -> Sum<j> { ((x - 0.5).mod(1, 0.2) - y).sum() * b }
    fn clamped(x: Vi<3>, y: Vj<3>) -> Sum<j> { exp(-(x * y).clamp(-1.23, 1.54).sum()**2) }
    fn sinc(x: Vi<1>) -> Sum<i> { sinxdivx(3.141592653589793 * x) }
    #[keops(order = 0)]
    fn matrix_product(a: Pm<28>, b: Pm<7>, one: Vj<1>) -> Sum<j> { one * TensorDot(a, b, [4, 7], [7], [1], [0]) }
}

#[test]
fn lazytensor_grad() {
    let mut random = Random::new();
    let (n, m) = (harness::few(100), harness::few(100));
    let (x, y, b) = (random.rows::<f64, 3>(n, 0.0..1.0), random.rows::<f64, 1>(m, 0.0..1.0), random.cloud::<f64, 1>(m));
    let plain = |x: &[[f64; 3]]| sums(n, m, |i, j| [component_sum(|d| x[i][d].cos() - y[j][0]) * b[j][0]]);
    let a = cosines(&x, &y, &b).eval().unwrap();
    assert_rows(&a, &plain(&x), 1e-13, "value");
    let gradient = cosines(&x, &y, &b).vjp_x(&twice(&a)).eval().unwrap();
    assert_gradient(&mut random, &gradient, &x, |x| square_norm(&plain(x)), "x");
    // Σ |gradient|²
    let u = twice(&gradient);
    let change = cosines(&x, &y, &b).jvp_x(&u).eval().unwrap();
    let outer = cosines(&x, &y, &b).vjp_x(&twice(&change)).eval().unwrap();
    let curved = cosines(&x, &y, &b).vjp_x(&twice(&a)).vjp_x(&u).eval().unwrap();
    let second: Vec<[f64; 3]> =
        outer.iter().zip(curved.iter()).map(|(a, b)| std::array::from_fn(|d| a[d] + b[d])).collect();
    let total = b.iter().map(|b| b[0]).sum::<f64>();
    let size = |x: &[[f64; 3]]| {
        let a = plain(x);
        (0..n).map(|i| component_sum(|d| (2.0 * a[i][0] * total * x[i][d].sin()).powi(2))).sum::<f64>()
    };
    assert_gradient(&mut random, &second, &x, size, "x x");

    let below = |x: f64| x - ((x - 0.2) / 1.0).floor();
    let expected = sums(n, m, |i, j| [component_sum(|d| below(x[i][d] - 0.5) - y[j][0]) * b[j][0]]);
    assert_rows(&modulo(&x, &y, &b).eval().unwrap(), &expected, 1e-13, "mod");
}

#[test]
fn lazytensor_clamp() {
    let mut random = Random::new();
    let (n, m) = (harness::few(300), harness::few(300));
    for _ in 0..times(3) {
        let (x, y) = (random.rows::<f64, 3>(n, -3.0..3.0), random.rows::<f64, 3>(m, -3.0..3.0));
        let clamp = |i: usize, j: usize, d: usize| (x[i][d] * y[j][d]).clamp(-1.23, 1.54);
        let sum = |i: usize, j: usize| component_sum(|d| clamp(i, j, d));
        let expected = sums(n, m, |i, j| [(-sum(i, j).powi(2)).exp()]);
        let a = clamped(&x, &y).eval().unwrap();
        assert_rows(&a, &expected, 1e-13, "value");
        let gradient = clamped(&x, &y).vjp_x(&twice(&a)).eval().unwrap();
        let slope = |i: usize, j: usize, d: usize| {
            let inside = (-1.23..=1.54).contains(&(x[i][d] * y[j][d]));
            if inside { -2.0 * sum(i, j) * (-sum(i, j).powi(2)).exp() * y[j][d] } else { 0.0 }
        };
        let expected = sums(n, m, |i, j| std::array::from_fn(|d| 2.0 * a[i][0] * slope(i, j, d)));
        assert_rows(&gradient, &expected, 1e-13, "gradient");
    }
}

#[test]
fn sinc_and_its_gradient() {
    let mut random = Random::new();
    let mut x = random.rows::<f64, 1>(5, 0.0..std::f64::consts::TAU);
    x.push([0.0]);
    let plain = |x: f64| if x == 0.0 { 1.0 } else { (std::f64::consts::PI * x).sin() / (std::f64::consts::PI * x) };
    let slope = |x: f64| if x == 0.0 { 0.0 } else { ((std::f64::consts::PI * x).cos() - plain(x)) / x };
    let expected: f64 = x.iter().map(|x| plain(x[0])).sum();
    assert_rows(&sinc(&x).eval().unwrap(), &[[expected]], 1e-13, "sinc");
    let gradient: Vec<[f64; 1]> = x.iter().map(|x| [slope(x[0])]).collect();
    assert_rows(&sinc(&x).vjp_x(&[[1.0]]).eval().unwrap(), &gradient, 1e-13, "gradient");
}

#[test]
fn transpose() {
    let mut random = Random::new();
    let (x, y) = (random.cloud::<f64, 3>(harness::few(100)), random.cloud::<f64, 3>(harness::few(200)));
    let w = random.rows::<f64, 3>(x.len(), 0.0..1.0);
    // the matrix does not depend on the vectors it multiplies
    let any = vec![[0.0; 3]; y.len()];
    let operator = conv(1.0, &x, &y, &any).operator_b().unwrap();
    let expected = sums(y.len(), x.len(), |j, i| w[i].map(|w| (-squared_distance(&x[i], &y[j])).exp() * w));
    assert_rows(&operator.apply_transpose(&w).unwrap(), &expected, 1e-13, "transpose");
}

/// x of batches (1, 4), y of (3, 4), b of (3, 1).
#[test]
fn lazytensor_gaussian_batch() {
    let mut random = Random::new();
    let (n, m) = (20, 25);
    let (x, y) = (random.rows::<f64, 3>(4 * n, 0.0..0.6), random.rows::<f64, 3>(12 * m, 0.0..0.6));
    let b = random.cloud::<f64, 3>(3 * m);
    let plain = |b: &[[f64; 3]]| -> Vec<[f64; 3]> {
        let of = |batch: usize| {
            let (p, q) = (batch / 4, batch % 4);
            let (x, y, b) = (&x[q * n..][..n], &y[batch * m..][..m], &b[p * m..][..m]);
            sums(n, m, |i, j| b[j].map(|b| (-squared_distance(&x[i], &y[j])).exp() * b))
        };
        (0..12).flat_map(of).collect()
    };
    let call = || conv(1.0, batched(&x, [1, 4]), batched(&y, [3, 4]), batched(&b, [3, 1]));
    let a = call().eval().unwrap();
    assert_rows(&a, &plain(&b), 1e-13, "value");
    let gradient = call().vjp_b(batched(&twice(&a), [3, 4])).eval().unwrap();
    assert_gradient(&mut random, &gradient, &b, |b| square_norm(&plain(b)), "b");
}

keops! {
    fn func(x: Vi<2>, y: Vj<2>, b: Vj<1>, p: Pm<1>) -> Sum<j> { exp(-p * ((x - y)**2).sum()) * b }
    fn func_logsumexp(x: Vi<2>, y: Vj<2>, b: Vj<1>) -> LogSumExp<j> { (((x - y)**2).sum(), b) }
}

/// The norm of the result and its gradients, with x of batches (5, 4), y of (5, 1), b of (5, 4), p of (5, 1): what
/// they get from `torch.func.grad`, `vjp` and `jvp`.
#[test]
fn torch_func() {
    let mut random = Random::new();
    let (n, m) = (10, 20);
    let (x, y) = (random.cloud::<f64, 2>(20 * n), random.cloud::<f64, 2>(5 * m));
    let (b, p) = (random.rows::<f64, 1>(20 * m, 0.1..1.0), random.rows::<f64, 1>(5, 0.0..1.0));
    let value = |x: &[[f64; 2]], y: &[[f64; 2]], b: &[[f64; 1]], p: &[[f64; 1]]| -> Vec<[f64; 1]> {
        let of = |batch: usize| {
            let p = p[batch / 4][0];
            let (x, y, b) = (&x[batch * n..][..n], &y[batch / 4 * m..][..m], &b[batch * m..][..m]);
            sums(n, m, |i, j| [(-p * squared_distance(&x[i], &y[j])).exp() * b[j][0]])
        };
        (0..20).flat_map(of).collect()
    };
    let norm = |rows: &[[f64; 1]]| square_norm(rows).sqrt();
    let call = || func(batched(&x, [5, 4]), batched(&y, [5, 1]), batched(&b, [5, 4]), batched(&p, [5, 1]));
    let a = call().eval().unwrap();
    assert_rows(&a, &value(&x, &y, &b, &p), 1e-13, "value");
    let e: Vec<[f64; 1]> = a.iter().map(|row| [row[0] / norm(&a)]).collect();
    let all = call().vjp(batched(&e, [5, 4])).eval().unwrap();
    assert_gradient(&mut random, &all.x, &x, |x| norm(&value(x, &y, &b, &p)), "x");
    assert_gradient(&mut random, &all.y, &y, |y| norm(&value(&x, y, &b, &p)), "y");
    assert_gradient(&mut random, &all.b, &b, |b| norm(&value(&x, &y, b, &p)), "b");
    assert_gradient(&mut random, &all.p, &p, |p| norm(&value(&x, &y, &b, p)), "p");
    let dx = random.cloud::<f64, 2>(20 * n);
    let along = call().jvp_x(batched(&dx, [5, 4])).eval().unwrap();
    assert_near(inner(&along, &e), inner(&all.x, &dx), 1e-12, "jvp");
}

#[test]
fn torch_func_logsumexp() {
    let mut random = Random::new();
    let (n, m) = (10, 20);
    let (x, y) = (random.cloud::<f64, 2>(20 * n), random.cloud::<f64, 2>(5 * m));
    let b = random.rows::<f64, 1>(20 * m, 0.1..1.0);
    let value = |x: &[[f64; 2]], y: &[[f64; 2]], b: &[[f64; 1]]| -> Vec<[f64; 1]> {
        let of = |batch: usize| {
            let (x, y, b) = (&x[batch * n..][..n], &y[batch / 4 * m..][..m], &b[batch * m..][..m]);
            sums(n, m, |i, j| [squared_distance(&x[i], &y[j]).exp() * b[j][0]]).into_iter().map(|[s]| [s.ln()])
        };
        (0..20).flat_map(of).collect()
    };
    let norm = |rows: &[[f64; 1]]| square_norm(rows).sqrt();
    let call = || func_logsumexp(batched(&x, [5, 4]), batched(&y, [5, 1]), batched(&b, [5, 4]));
    let a = call().eval().unwrap();
    assert_rows(&a, &value(&x, &y, &b), 1e-13, "value");
    let e: Vec<[f64; 1]> = a.iter().map(|row| [row[0] / norm(&a)]).collect();
    let all = call().vjp(batched(&e, [5, 4])).eval().unwrap();
    assert_gradient(&mut random, &all.x, &x, |x| norm(&value(x, &y, &b)), "x");
    assert_gradient(&mut random, &all.y, &y, |y| norm(&value(&x, y, &b)), "y");
    assert_gradient(&mut random, &all.b, &b, |b| norm(&value(&x, &y, b)), "b");
    let dx = random.cloud::<f64, 2>(20 * n);
    let along = call().jvp_x(batched(&dx, [5, 4])).eval().unwrap();
    assert_near(inner(&along, &e), inner(&all.x, &dx), 1e-12, "jvp");
}

#[test]
fn tensordot() {
    let mut random = Random::new();
    let (a, b) = (random.rows::<f64, 28>(1, -1.0..1.0)[0], random.rows::<f64, 7>(1, -1.0..1.0)[0]);
    let expected: [f64; 4] = std::array::from_fn(|r| (0..7).map(|c| 10.0 * a[7 * r + c] * b[c]).sum());
    assert_rows(&matrix_product(a, b, &[[1.0]; 10]).eval().unwrap(), &[expected], 1e-13, "10 times the product");
}

keops! {
    fn permuted(x: Vi<96>, y: Vj<288>) -> Sum<j> {
        TensorDot(x, y, [2, 3, 2, 2, 4], [2, 4, 2, 3, 2, 3], [4, 0, 2], [1, 4, 2], [4, 3, 2, 0, 1])
    }
    #[keops(order = 0)]
    fn kron_of_matrices = Genred("Kron(x, y, [4, 5], [4, 4])", ["x=Vi(0,20)", "y=Vj(1,16)"], reduction_op = "Sum", axis = 1);
    #[keops(order = 0)]
    fn kron_of_many = Genred("Kron(x, y, [3, 5, 3, 2], [3, 3, 5, 4])", ["x=Vi(0,90)", "y=Vj(1,180)"], reduction_op = "Sum", axis = 1);
    #[keops(order = 0)]
    fn kron_as_tensordot = Genred("TensorDot(x, y, [4, 5], [4, 4], [], [], [0, 2, 1, 3])", ["x=Vi(0,20)", "y=Vj(1,16)"],
        reduction_op = "Sum", axis = 1);
}

/// The places of all multi-indices of a shape, in row-major order.
fn indices(shape: &[usize]) -> Vec<Vec<usize>> {
    shape.iter().fold(vec![vec![]], |all, &n| {
        all.iter().flat_map(|index| (0..n).map(move |k| [&index[..], &[k]].concat())).collect()
    })
}

fn place(index: &[usize], shape: &[usize]) -> usize {
    index.iter().zip(shape).fold(0, |place, (k, n)| place * n + k)
}

#[test]
#[allow(non_snake_case, reason = "KeOps' name")]
fn TensorDot_with_permute() {
    let mut random = Random::new();
    let (shape_f, shape_g) = ([2, 3, 2, 2, 4], [2, 4, 2, 3, 2, 3]);
    let (axes_f, axes_g, places) = ([4, 0, 2], [1, 4, 2], [4, 3, 2, 0, 1]);
    let kept_f: Vec<usize> = (0..5).filter(|axis| !axes_f.contains(axis)).collect();
    let kept_g: Vec<usize> = (0..6).filter(|axis| !axes_g.contains(axis)).collect();
    let kept: Vec<usize> = kept_f.iter().map(|&a| shape_f[a]).chain(kept_g.iter().map(|&a| shape_g[a])).collect();
    let mut shape = [0; 5];
    (0..5).for_each(|k| shape[places[k]] = kept[k]);
    let plain = |x: &[[f64; 96]], y: &[[f64; 288]]| -> Vec<[f64; 108]> {
        // every term: its places in x, y and the result
        let mut terms = vec![];
        for f in indices(&shape_f) {
            for g in indices(&shape_g).into_iter().filter(|g| (0..3).all(|k| f[axes_f[k]] == g[axes_g[k]])) {
                let rest: Vec<usize> = kept_f.iter().map(|&a| f[a]).chain(kept_g.iter().map(|&a| g[a])).collect();
                let mut to = [0; 5];
                (0..5).for_each(|k| to[places[k]] = rest[k]);
                terms.push((place(&f, &shape_f), place(&g, &shape_g), place(&to, &shape)));
            }
        }
        sums(x.len(), y.len(), |i, j| {
            let mut row = [0.0; 108];
            terms.iter().for_each(|&(f, g, to)| row[to] += x[i][f] * y[j][g]);
            row
        })
    };
    let (x, y) = (random.cloud::<f64, 96>(M), random.cloud::<f64, 288>(N));
    assert_rows(&permuted(&x, &y).eval().unwrap(), &plain(&x, &y), 1e-13, "value");
    let e = random.cloud::<f64, 108>(M);
    let all = permuted(&x, &y).vjp(&e).eval().unwrap();
    assert_gradient(&mut random, &all.x, &x, |x| inner(&plain(x, &y), &e), "x");
    assert_gradient(&mut random, &all.y, &y, |y| inner(&plain(&x, y), &e), "y");
}

#[test]
fn kron() {
    let mut random = Random::new();
    let (x, y) = (random.rows::<f64, 20>(11, 0.0..1.0), random.rows::<f64, 16>(15, 0.0..1.0));
    let expected: Vec<[f64; 320]> = sums(11, 15, |i, j| {
        std::array::from_fn(|k| {
            let (row, column) = (k / 20, k % 20);
            x[i][row / 4 * 5 + column / 4] * y[j][row % 4 * 4 + column % 4]
        })
    });
    assert_rows(&kron_of_matrices(&x, &y).eval().unwrap(), &expected, 1e-13, "Kron");
    assert_rows(&kron_as_tensordot(&x, &y).eval().unwrap(), &expected, 1e-13, "TensorDot");
}

/// 16,200 components.
#[test]
fn kron_of_four_axes() {
    let mut random = Random::new();
    let (shape_f, shape_g) = ([3, 5, 3, 2], [3, 3, 5, 4]);
    let (x, y) = (random.rows::<f64, 90>(3, 0.0..1.0), random.rows::<f64, 180>(4, 0.0..1.0));
    let found = kron_of_many(&x, &y).eval().unwrap();
    let shape: [usize; 4] = std::array::from_fn(|a| shape_f[a] * shape_g[a]);
    for f in indices(&shape_f) {
        for g in indices(&shape_g) {
            let at: [usize; 4] = std::array::from_fn(|a| f[a] * shape_g[a] + g[a]);
            let (to, f, g) = (place(&at, &shape), place(&f, &shape_f), place(&g, &shape_g));
            for i in 0..3 {
                let expected = (0..4).map(|j| x[i][f] * y[j][g]).sum();
                assert_near(found[i][to], expected, 1e-13, (i, to));
            }
        }
    }
}

/// Two noisy clouds, clusters of a grid, and pairs of clusters that are near: at most 0.2 % are lost. They keep centres
/// within 4 standard deviations, which is not always enough.
#[test]
fn block_sparse_reduction() {
    let mut random = Random::new();
    let n = harness::few(500);
    let mut noise = || (0..4).map(|_| random.number::<f64>(-1.0..1.0)).sum::<f64>() * 0.87;
    let angle = |i: usize| std::f64::consts::TAU * i as f64 / n as f64;
    let x: Vec<[f64; 2]> = (0..n)
        .map(|i| [0.4 + 0.4 * angle(i).cos() + 0.01 * noise(), 0.5 + 0.3 * angle(i).sin() + 0.01 * noise()])
        .collect();
    let y: Vec<[f64; 2]> = (0..n).map(|_| [0.6 + 0.1 * noise(), 0.6 + 0.1 * noise()]).collect();
    let (cell, sigma) = (0.05_f64, 0.05_f64);
    let sorted = |points: &[[f64; 2]]| {
        let order = cluster::sort_clusters(&cluster::grid_cluster(points, cell).unwrap()).unwrap();
        let points = order.apply(points).unwrap();
        let labels = cluster::grid_cluster(&points, cell).unwrap();
        let centres = cluster::centroids(&points, &labels).unwrap();
        (cluster::cluster_ranges(&labels).unwrap(), centres, points)
    };
    let ((of_x, x_centres, x), (of_y, y_centres, y)) = (sorted(&x), sorted(&y));
    let near = |a: &[f64; 2], b: &[f64; 2]| squared_distance(a, b) < (5.0 * sigma).powi(2);
    let keep: Vec<bool> = x_centres.iter().flat_map(|a| y_centres.iter().map(move |b| near(a, b))).collect();
    let ranges = Ranges::from_matrix(&of_x, &of_y, &keep).unwrap();
    let b = random.cloud::<f64, 1>(n);
    let g = 0.5 / (sigma * sigma);
    let (dense, sparse) =
        (smooth(g, &x, &y, &b).eval().unwrap(), smooth(g, &x, &y, &b).ranges(&ranges).eval().unwrap());
    let size = dense.iter().map(|row| row[0].abs()).sum::<f64>();
    let off = dense.iter().zip(sparse.iter()).map(|(a, b)| (a[0] - b[0]).abs()).sum::<f64>();
    assert!(off < 2e-3 * size, "{off:e} of {size:e}");
    assert!(ranges.pairs() < (n * n) as u64 * 3 / 4, "hardly anything was left out");
}

keops! {
    #[keops(order = 0)]
    fn smooth(g: Pm<1>, x: Vi<2>, y: Vj<2>, b: Vj<1>) -> Sum<j> { exp(-g * sqdist(x, y)) * b }
    #[keops(order = 0)]
    fn parameter_alone = Genred("param", ["param=Pm(1)"], axis = 1);
    #[keops(order = 0)]
    fn three_of_one = Genred("y + z + l", ["y=Vj(1)", "z=Vi(1)", "l=Vj(1)"], axis = 1);
}

#[test]
fn shape_regression() {
    assert_eq!(parameter_alone(0.4_f32).eval().unwrap().into_vec(), [[0.4]]);
    // a flat slice is a column
    let x = [0.1_f64, 0.2, 0.3];
    let found = three_of_one(&[[0.1], [0.2], [0.3]], &[[0.1], [0.2], [0.3]], &x[..]).eval().unwrap();
    assert_rows(&found, &x.map(|z| [3.0 * z + 1.2]), 1e-15, "flat");
}

#[test]
fn float16() {
    let mut random = Random::new();
    let (x, y) = (random.rows::<f32, 2>(10, 0.0..1.0), random.rows::<f32, 2>(1000, 0.0..1.0));
    let halves = |rows: &[[f32; 2]]| -> Vec<[f16; 2]> { rows.iter().map(|row| row.map(f16::from_f32)).collect() };
    let b = random.cloud::<f32, 1>(1000);
    let found = smooth(1.0, &halves(&x), &halves(&y), &b).eval().unwrap();
    let expected = smooth(1.0, &x, &y, &b).eval().unwrap();
    for (found, expected) in found.iter().zip(expected.iter()) {
        assert_near(found[0].exact(), expected[0].exact(), 0.05, "f16");
    }
}

// What is different on purpose, in docs/guide/src/from-pykeops.md: the values here, and what KeOps 2.3 gives.

keops! {
    fn at_the_edges(x: Vi<1>, low: Vj<1>, high: Vj<1>) -> Sum<j> {
        concat(step(x), concat(sign(x), concat(clamp(x, low, high), concat(sinxdivx(x), concat(xlogx(x), atan2(x, x))))))
    }
    #[keops(order = 0)]
    fn as_keops(x: Vi<1>, low: Vj<1>, high: Vj<1>) -> Sum<j> {
        concat(1 - (x < 0), concat((x > 0) - (x < 0), ifelse(x - low, clamp(x, low, high), low)))
    }
    #[keops(order = 0)]
    fn largest_component(x: Vi<3>, y: Vj<1>) -> Sum<j> { y * concat(max(x), min(x)) }
    fn exponents(x: Vi<1>, y: Vj<1>) -> LogSumExp<j> { x * y }
    fn mean_by_exponents(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> SumSoftMaxWeight<j> { (x * y, b) }
    fn splines(x: Vi<1>, t: Pm<9>) -> Sum<i> { bspline(t, x, 3) }
    #[keops(order = 0)]
    fn powers(x: Vi<1>, y: Vj<1>) -> Sum<j> { x ** y }
    #[keops(order = 0)]
    fn two_nearest(x: Vi<1>, y: Vj<1>) -> KMinArgKMin<2, j> { sqdist(x, y) }
    #[keops(order = 0)]
    fn nearest(x: Vi<1>, y: Vj<1>) -> MinArgMin<j> { sqdist(x, y) }
    #[keops(order = 0)]
    fn sum_of_two(x: Vi<1>, y: Vj<1>) -> Sum<j> { x + y }
    fn gaussian_product(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) * b }
}

/// KeOps: step(NaN) = 1, sign(NaN) = 0, and clamp(0.5, 1, 0) = 1; slopes at 0 are NaN, -inf and NaN.
fn edges<T: Element>() {
    let number = T::from_f64;
    let row = |x: f64, low: f64, high: f64| {
        at_the_edges(&[[number(x)]], &[[number(low)]], &[[number(high)]]).eval().unwrap()[0].map(Exact::exact)
    };
    let nan = row(f64::NAN, 0.0, 1.0);
    assert!(nan[0] == 0.0 && nan[1..].iter().all(|x| x.is_nan()), "{nan:?}");
    assert_eq!(row(0.5, 1.0, 0.0)[2], 0.0);
    assert_eq!(row(2.0, 1.0, 0.0)[2], 0.0);
    assert_eq!(row(0.0, -1.0, 1.0), [1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
    let (zero, low, high, one) = ([[number(0.0)]], [[number(-1.0)]], [[number(1.0)]], [[number(1.0)]]);
    let slopes = at_the_edges(&zero, &low, &high).jvp_x(&one).eval().unwrap();
    assert_eq!(slopes[0].map(Exact::exact), [0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
    let gradient = at_the_edges(&zero, &low, &high).vjp_x(&[[number(1.0); 6]]).eval().unwrap();
    assert_eq!(gradient[0][0].exact(), 1.0);
    // what the guide says for those who want KeOps' values
    let of = |x: f64, low: f64, high: f64| {
        as_keops(&[[number(x)]], &[[number(low)]], &[[number(high)]]).eval().unwrap()[0].map(Exact::exact)
    };
    assert_eq!(of(f64::NAN, 0.0, 1.0)[..2], [1.0, 0.0]);
    for (x, low, high, clamped) in
        [(0.5, 1.0, 0.0, 1.0), (2.0, 1.0, 0.0, 0.0), (-2.0, -1.0, 1.0, -1.0), (0.5, 0.0, 1.0, 0.5)]
    {
        let signum = if x < 0.0 { -1.0 } else { 1.0 };
        assert_eq!(of(x, low, high), [f64::from(x >= 0.0), signum, clamped]);
    }
}

#[test]
fn different_at_the_edges_of_functions() {
    edges::<f32>();
    edges::<f64>();
    // KeOps: NaN
    let components = largest_component(&[[f64::NAN, 1.0, 2.0], [1.0, f64::NAN, 2.0]], &[[1.0]]).eval().unwrap();
    assert_eq!(components.into_vec(), [[2.0, 1.0]; 2]);
}

/// KeOps: NaN where the row is a multiple of ⌊√M⌋ (of 100 where M < 10), in the gradients too.
fn one_row_of_minus_infinity<T: Element>() {
    let bound = 10.0 * harness::epsilon::<T>();
    let one = [[T::from_f64(1.0)]];
    for m in [2, 5, 9, 10, 12, 16, 17, 50] {
        let root = (m as f64).sqrt() as usize;
        for row in (0..m).filter(|row| *row < 2 || row % root < 2) {
            let mut y = vec![one[0]; m];
            y[row] = [T::from_f64(f64::NEG_INFINITY)];
            let what = format!("row {row} of {m}");
            let expected = ((m - 1) as f64).ln() + 1.0;
            assert_near(exponents(&one, &y).eval().unwrap()[0][0].exact(), expected, bound, &what);
            let b: Vec<[T; 1]> = (0..m).map(|j| [T::from_f64(if j == row { 1000.0 } else { 2.0 })]).collect();
            assert_near(mean_by_exponents(&one, &y, &b).eval().unwrap()[0][0].exact(), 2.0, bound, &what);
            let gradient = exponents(&one, &y).vjp_y(&one).eval().unwrap();
            for (j, slope) in gradient.iter().enumerate() {
                let expected = if j == row { 0.0 } else { 1.0 / (m - 1) as f64 };
                assert_near(slope[0].exact(), expected, bound, &what);
            }
        }
    }
    let none = vec![[T::from_f64(f64::NEG_INFINITY)]; 16];
    assert_eq!(exponents(&one, &none).eval().unwrap()[0][0].exact(), f64::NEG_INFINITY);
}

#[test]
fn different_for_minus_infinity_in_logsumexp() {
    one_row_of_minus_infinity::<f32>();
    one_row_of_minus_infinity::<f64>();
}

/// KeOps: 0 for the row numbers of what is not there, and a sum over overlapping ranges counts pairs twice.
#[test]
fn different_in_ranges_and_row_numbers() {
    let (x, y) = ([[0.0]; 4], [[5.0], [2.0], [1.0]]);
    let two = Ranges::new([(0..2, 0..3)]).unwrap();
    let inf = f64::INFINITY;
    let (values, rows) = two_nearest(&x, &y).ranges(&two).eval().unwrap();
    assert_eq!(values.into_vec(), [[1.0, 4.0], [1.0, 4.0], [inf; 2], [inf; 2]]);
    assert_eq!(rows.into_vec(), [[2, 1], [2, 1], [u32::MAX; 2], [u32::MAX; 2]]);
    let (values, rows) = nearest(&x, &y).ranges(&two).eval().unwrap();
    assert_eq!(values.into_vec(), [[1.0], [1.0], [inf], [inf]]);
    assert_eq!(rows.into_vec(), [[2], [2], [u32::MAX], [u32::MAX]]);
    let (values, rows) = two_nearest(&x[..1], &y[..1]).eval().unwrap();
    assert_eq!((values.into_vec(), rows.into_vec()), (vec![[25.0, inf]], vec![[0, u32::MAX]]));
    let twice = Ranges::new([(0..4, 0..3), (0..4, 1..3)]).unwrap();
    assert_eq!(sum_of_two(&x, &y).ranges(&twice).eval().unwrap().into_vec(), [[8.0]; 4]);
}

/// KeOps refuses `f64`, and has no derivatives.
#[test]
fn different_in_precision() {
    let t = std::array::from_fn(|k| k as f64);
    // the cubic B-spline over knots 0 to 4, which is the same over all integers
    let spline = |t: f64| match t {
        0.0..1.0 => t.powi(3) / 6.0,
        1.0..2.0 => (4.0 - 12.0 * t + 12.0 * t * t - 3.0 * t.powi(3)) / 6.0,
        2.0..3.0 => (3.0 * t.powi(3) - 24.0 * t * t + 60.0 * t - 44.0) / 6.0,
        3.0..4.0 => (4.0 - t).powi(3) / 6.0,
        _ => 0.0,
    };
    for x in [3.3, 4.1, 10.0 / 3.0] {
        let expected: [f64; 5] = std::array::from_fn(|k| spline(x - k as f64));
        assert_rows(&splines(&[[x]], t).eval().unwrap(), &[expected], 1e-14, "splines");
        let change = splines(&[[x]], t).jvp_x(&[[1.0]]).eval().unwrap();
        for k in 0..5 {
            assert_near(change[0][k], slope(|h| spline(x + h - k as f64)), 1e-9, "slopes of splines");
        }
    }
    // KeOps: 6e-8 off
    let found: f64 = powers(&[[1.1]], &[[1.1]]).eval().unwrap()[0][0];
    assert_near(found, 1.1_f64.powf(1.1), 1e-15, "power");
}

/// KeOps: the first two cells are one, and it has none of four dimensions; clusters are not sorted stably.
#[test]
fn different_in_clusters() {
    let cells = [[0.5, 1024.5], [1.5, 0.5], [0.5, -1999.5], [1.5, -1999.5]];
    assert_eq!(cluster::grid_cluster(&cells, 1.0).unwrap(), [1, 3, 0, 2]);
    assert_eq!(cluster::grid_cluster(&[[0.5, 0.5, 1024.5], [0.5, 1.5, 0.5]], 1.0).unwrap(), [0, 1]);
    assert_eq!(cluster::grid_cluster(&[[0.5, 0.5, 0.5, 7.5], [0.5, 0.5, 0.5, 1.5]], 1.0).unwrap(), [1, 0]);
    let labels: Vec<usize> = (0..40).map(|row| (row + 1) % 2).collect();
    let expected: Vec<usize> = (0..20).map(|k| 2 * k + 1).chain((0..20).map(|k| 2 * k)).collect();
    assert_eq!(cluster::sort_clusters(&labels).unwrap().order(), expected);
}

/// KeOps: the smallest right-hand side is solved by 0, since its `eps` is compared with the residual itself.
#[test]
fn different_in_the_tolerance_of_equations() {
    let n = 8;
    let x: Vec<[f64; 1]> = (0..n).map(|k| [3.0 / 7.0 * k as f64]).collect();
    let solve = |size: f64| {
        let b: Vec<[f64; 1]> = (0..n).map(|k| [size * (k as f64).cos()]).collect();
        let solution = gaussian_product(&x, &x, &b).solve_b(0.1).tolerance(1e-6).eval().unwrap();
        assert!(solution.report.residual() < 1e-6, "{size:e}");
        (solution.report.iterations, solution.values.clone())
    };
    let (iterations, of_one) = solve(1.0);
    for size in [1e-12, 1e-7, 1e9] {
        let (found, values) = solve(size);
        assert_eq!(found, iterations, "{size:e}");
        for (a, of_one) in values.iter().zip(of_one.iter()) {
            assert_near(a[0] / size, of_one[0], 1e-9, size);
        }
    }
}
