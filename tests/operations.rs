//! Every operation of the table, under each of its names: values in `f32` and `f64` against plain `f64`, derivatives
//! against finite differences, and the conventions at the edges.

#![allow(clippy::type_complexity, clippy::needless_range_loop, reason = "rows of arrays, compared by component")]

mod harness;

use std::collections::HashSet;

use harness::{Exact, Random, assert_identical, assert_near, epsilon, slope_rows, times};
use keops::{Element, prelude::*};

keops! {
    /// Element-wise operations under KeOps' names, of s and t, which have any sign, and q, which is positive.
    pub fn elementwise(x: Vi<3>, y: Vj<3>) -> Sum<j> {
        let v = x + y;
        let s = Elem(v, 0);
        let q = Elem(v, 1);
        let t = Elem(v, 2);
        let functions = Concat(Exp(s), Concat(Log(q), Concat(Sin(s), Concat(Cos(s), Concat(Sqrt(q), Concat(Rsqrt(q), Inv(q)))))));
        let steps = Concat(Abs(s), Concat(Sign(s), Concat(Step(s), Concat(ReLU(s), XLogX(q)))));
        let powers = Concat(Square(s), Concat(Pow(s, 3), Concat(Pow(q, -2), Concat(Pow(s, 0), Powf(q, s)))));
        let arithmetic = Concat(Add(s, t), Concat(Subtract(s, t), Concat(Mult(s, t), Concat(Divide(s, q), Minus(s)))));
        let choices = Concat(IfElse(s, q, t), Clamp(s, t, q));
        let order = Concat(Equal(s, t), Concat(NotEqual(s, t), Concat(LessThan(s, t), LessOrEqual(s, t))));
        Concat(functions, Concat(steps, Concat(powers, Concat(arithmetic, Concat(choices, order)))))
    }

    /// More names, signs and orders of writing.
    pub fn rest(x: Vi<3>, y: Vj<3>) -> Sum<j> {
        let v = x + y;
        let s = Elem(v, 0);
        let q = Elem(v, 1);
        let t = Elem(v, 2);
        let a = Concat(s - t, Concat(s * t, Concat(s / q, Concat(-s, Concat(s > t, s >= t)))));
        let b = Concat(pow(q, s), Concat(power(q, s), Concat(Scal(s, t), Concat(q ** 2.5, Concat(2 ** s, 1 / q)))));
        let c = Concat(-s**2, Concat((-s)**3, Concat(q**-1, Concat(s - t - q, Concat(s / q / q, +s)))));
        Concat(a, Concat(b, c))
    }
}

keops! {
    /// Operations under two names each: all of this is 0.
    pub fn other_names(x: Vi<3>, y: Vj<3>) -> Sum<j> {
        let v = x + y;
        let s = elem(v, 0);
        let q = elem(v, 1);
        let t = elem(v, 2);
        let functions = concat(exp(s) - Exp(s), log(q) - Log(q)).concat(q.ln() - Log(q)).concat(sin(s) - Sin(s))
            .concat(s.cos() - Cos(s)).concat(q.sqrt() - Sqrt(q)).concat(q ** 0.5 - Sqrt(q)).concat(rsqrt(q) - Rsqrt(q))
            .concat(q ** -0.5 - Rsqrt(q)).concat(inv(q) - Inv(q)).concat(recip(q) - Inv(q)).concat(q ** -1 - Inv(q));
        let steps = concat(abs(s) - Abs(s), s.sign() - Sign(s)).concat(signum(s) - Sign(s)).concat(step(s) - Step(s))
            .concat(relu(s) - ReLU(s)).concat(xlogx(q) - XLogX(q));
        let powers = concat(s.square() - Square(s), s ** 2 - Square(s)).concat(s * s - Square(s)).concat(s ** 3 - Pow(s, 3))
            .concat(powi(s, 3) - Pow(s, 3)).concat(s.powi(-2) - Pow(s, -2)).concat(s ** -2 - Pow(s, -2))
            .concat(powf(q, s) - Powf(q, s)).concat(q.pow(s) - Powf(q, s)).concat(power(q, s) - Powf(q, s))
            .concat(q ** s - Powf(q, s));
        let arithmetic = concat(add(s, t) - Add(s, t), s + t - Add(s, t)).concat(subtract(s, t) - Subtract(s, t))
            .concat(sub(s, t) - Subtract(s, t)).concat((s - t) - Subtract(s, t)).concat(mult(s, t) - Mult(s, t))
            .concat(mul(s, t) - Mult(s, t)).concat(Scal(s, t) - Mult(s, t)).concat(s * t - Mult(s, t))
            .concat(divide(s, q) - Divide(s, q)).concat(div(s, q) - Divide(s, q)).concat(s / q - Divide(s, q))
            .concat(minus(s) - Minus(s)).concat(neg(s) - Minus(s)).concat(-s - Minus(s));
        let choices = concat(ifelse(s, q, t) - IfElse(s, q, t), s.if_else(q, t) - IfElse(s, q, t))
            .concat(clamp(s, t, q) - Clamp(s, t, q)).concat(equal(s, t) - Equal(s, t)).concat((s == t) - Equal(s, t))
            .concat(not_equal(s, t) - NotEqual(s, t)).concat((s != t) - NotEqual(s, t))
            .concat(less_than(s, t) - LessThan(s, t)).concat((s < t) - LessThan(s, t)).concat((t > s) - LessThan(s, t))
            .concat(less_or_equal(s, t) - LessOrEqual(s, t)).concat((s <= t) - LessOrEqual(s, t))
            .concat((t >= s) - LessOrEqual(s, t));
        functions.concat(steps).concat(powers).concat(arithmetic).concat(choices)
    }

    /// The same for vectors.
    pub fn other_vector_names(x: Vi<3>, y: Vj<3>) -> Sum<j> {
        let c = x * y;
        let sums = concat(sum(c) - Sum(c), scalprod(x, y) - Scalprod(x, y)).concat(dot(x, y) - Scalprod(x, y))
            .concat((x | y) - Scalprod(x, y)).concat(sqnorm2(c) - SqNorm2(c)).concat(norm2(c) - Norm2(c))
            .concat(c.norm() - Norm2(c)).concat(normalize(c) - Normalize(c)).concat(sqdist(x, y) - SqDist(x, y))
            .concat((x - y).sqnorm2() - SqDist(x, y));
        let metrics = concat(weighted_sqnorm(x, c) - WeightedSqNorm(x, c), weightedsqnorm(x, c) - WeightedSqNorm(x, c))
            .concat(weighted_sqdist(c, x, y) - WeightedSqDist(c, x, y))
            .concat(weightedsqdist(c, x, y) - WeightedSqDist(c, x, y));
        let parts = concat(elem(c, 1) - Elem(c, 1), extract(c, 1, 2) - Extract(c, 1, 2))
            .concat(sum_t(sum(c), 2) - SumT(sum(c), 2)).concat(broadcast(sum(c), 2) - SumT(sum(c), 2))
            .concat(zero(2)).concat(concat(c, x) - Concat(c, x)).concat(2 / 7 - RatCst(2, 7)).concat(1 / 3 - IntInv(3));
        let m = Concat(c, x);
        let matrices = concat(matvecmult(m, y) - MatVecMult(m, y), mat_vec(m, y) - MatVecMult(m, y))
            .concat(vecmatmult(y, m) - VecMatMult(y, m)).concat(vec_mat(y, m) - VecMatMult(y, m))
            .concat(tensorprod(x, c) - TensorProd(x, c)).concat(outer(x, c) - TensorProd(x, c));
        let k = gaussian(x, y);
        let derivatives = concat(grad(k, x, k) - Grad(k, x, k), diff(k, x, c) - Diff(k, x, c))
            .concat(divergence(c, x) - Divergence(c, x)).concat(laplacian(k, x) - Laplacian(k, x))
            .concat(exponential(x, y) - laplacian(x, y)).concat(exp(-sqdist(x, y)) - k);
        sums.concat(metrics).concat(parts).concat(matrices).concat(derivatives)
    }
}

/// What [`elementwise`] gives.
const ELEMENTWISE: usize = 28;

fn elementwise_oracle([s, q, t]: [f64; 3]) -> [f64; ELEMENTWISE] {
    let is = |b: bool| f64::from(u8::from(b));
    let functions = [s.exp(), q.ln(), s.sin(), s.cos(), q.sqrt(), 1.0 / q.sqrt(), 1.0 / q];
    let steps = [s.abs(), s.signum(), is(s >= 0.0), s.max(0.0), q * q.ln()];
    let powers = [s * s, s * s * s, 1.0 / (q * q), 1.0, q.powf(s)];
    let arithmetic = [s + t, s - t, s * t, s / q, -s];
    let choices = [if s >= 0.0 { q } else { t }, s.max(t).min(q)];
    let order = [is(s == t), is(s != t), is(s < t), is(s <= t)];
    let all = [&functions[..], &steps, &powers, &arithmetic, &choices, &order].concat();
    all.try_into().expect("28 numbers")
}

fn rest_oracle([s, q, t]: [f64; 3]) -> [f64; 18] {
    let is = |b: bool| f64::from(u8::from(b));
    let power = q.powf(s);
    [
        [s - t, s * t, s / q, -s, is(s > t), is(s >= t)],
        [power, power, s * t, q.powf(2.5), s.exp2(), 1.0 / q],
        [-s * s, -s * s * s, 1.0 / q, s - t - q, s / q / q, s],
    ]
    .concat()
    .try_into()
    .expect("18 numbers")
}

/// Rows (s, q, t), with no two of s, t, q and 0 so close that a step of the finite differences would cross a kink;
/// in some rows s = t, if ties are wanted.
fn elementwise_inputs<T: Element>(random: &mut Random, rows: usize, ties: bool) -> Vec<[T; 3]> {
    let mut inputs = Vec::with_capacity(rows);
    while inputs.len() < rows {
        let [s, q, t] = [random.number(-2.0..2.0), random.number(0.5..2.5), random.number(-2.0..0.4)].map(|x: f64| x);
        let apart = [s, s - t, s - q].iter().all(|d| d.abs() > 0.01);
        if apart {
            let t = if ties && inputs.len() % 4 == 0 { s.min(0.4) } else { t };
            inputs.push([s, q, t].map(T::from_f64));
        }
    }
    inputs
}

fn elementwise_values<T: Element>() {
    let mut random = Random::new();
    let x: Vec<[T; 3]> = elementwise_inputs(&mut random, 500, true);
    // adding the row of y changes nothing, which the compiler of formulas cannot know
    let y = [[-T::zero(); 3]];
    let found = elementwise(&x, &y).eval().unwrap();
    let more = rest(&x, &y).eval().unwrap();
    for (i, x) in x.iter().enumerate() {
        let x = x.map(T::exact);
        let (expected, expected_more) = (elementwise_oracle(x), rest_oracle(x));
        for (c, (&found, &expected)) in found[i].iter().zip(&expected).enumerate() {
            // two roundings, or those of an elementary function
            assert_near(found.exact(), expected, 3.0 * epsilon::<T>() * expected.abs().max(0.1), (c, x));
        }
        for (c, (&found, &expected)) in more[i].iter().zip(&expected_more).enumerate() {
            // s - t - q may cancel
            assert_near(found.exact(), expected, 3.0 * epsilon::<T>() * expected.abs().max(1.0), (c, x));
        }
    }
}

#[test]
fn elementwise_values_f64() {
    elementwise_values::<f64>();
}

#[test]
fn elementwise_values_f32() {
    elementwise_values::<f32>();
}

#[test]
fn names_of_one_operation_are_one() {
    let mut random = Random::new();
    let x = elementwise_inputs::<f64>(&mut random, 20, true);
    let y = random.cloud(1);
    let zeros = other_names(&x, &y).eval().unwrap();
    assert!(zeros.as_flat().iter().all(|&zero| zero == 0.0), "{zeros:?}");
    let zeros = other_vector_names(&x, &y).eval().unwrap();
    assert!(zeros.as_flat().iter().all(|&zero| zero == 0.0), "{zeros:?}");
}

/// The rows of the Jacobian from cotangents and its columns from tangents, against finite differences.
///
/// For one row of variables, `value` gives the components at the variables moved by h along component k, `vjp` the
/// gradient for a cotangent, and `jvp`, if there is one, the change along component k.
fn check_jacobian<const D: usize, const OUT: usize>(
    what: &str,
    error: f64,
    value: impl Fn(usize, f64) -> Vec<[f64; OUT]>,
    vjp: impl Fn([f64; OUT]) -> Vec<[f64; D]>,
    jvp: Option<&dyn Fn([f64; D]) -> Vec<[f64; OUT]>>,
) {
    let slopes: Vec<Vec<[f64; OUT]>> = (0..D).map(|k| slope_rows(|h| value(k, h))).collect();
    for c in 0..OUT {
        let mut e = [0.0; OUT];
        e[c] = 1.0;
        for (i, gradient) in vjp(e).iter().enumerate() {
            for k in 0..D {
                let expected = slopes[k][i][c];
                assert_near(gradient[k], expected, error * expected.abs().max(1.0), (what, "vjp", c, k, i));
            }
        }
    }
    let Some(jvp) = jvp else { return };
    for (k, slopes) in slopes.iter().enumerate() {
        let mut u = [0.0; D];
        u[k] = 1.0;
        for (i, change) in jvp(u).iter().enumerate() {
            for c in 0..OUT {
                let expected = slopes[i][c];
                assert_near(change[c], expected, error * expected.abs().max(1.0), (what, "jvp", c, k, i));
            }
        }
    }
}

/// `rows` with h added to component k.
fn stepped<const D: usize>(rows: &[[f64; D]], k: usize, h: f64) -> Vec<[f64; D]> {
    let mut rows = rows.to_vec();
    rows.iter_mut().for_each(|row| row[k] += h);
    rows
}

#[test]
fn elementwise_derivatives() {
    let mut random = Random::new();
    let (x, y) = (elementwise_inputs::<f64>(&mut random, 40, false), [[0.0; 3]]);
    check_jacobian::<3, ELEMENTWISE>(
        "elementwise",
        1e-9,
        |k, h| elementwise(&stepped(&x, k, h), &y).eval().unwrap().into_vec(),
        |e| elementwise(&x, &y).vjp_x(&vec![e; x.len()]).eval().unwrap().into_vec(),
        Some(&|u| elementwise(&x, &y).jvp_x(&vec![u; x.len()]).eval().unwrap().into_vec()),
    );
    check_jacobian::<3, 18>(
        "rest",
        1e-9,
        |k, h| rest(&stepped(&x, k, h), &y).eval().unwrap().into_vec(),
        |e| rest(&x, &y).vjp_x(&vec![e; x.len()]).eval().unwrap().into_vec(),
        None,
    );
}

keops! {
    /// Operations on vectors under KeOps' names.
    pub fn vectors(a: Vi<3>, s: Vi<1>, b: Vj<3>, m: Vj<6>, d: Pm<3>, g: Pm<9>) -> Sum<j> {
        let c = a * b;
        let sums = Concat(Sum(c), Concat(Scalprod(c, b), Concat(Scalprod(s, c), Concat(SqNorm2(c), Norm2(c)))));
        let norms = Concat(Normalize(c), Concat(SqDist(a, b), SqDist(s, b)));
        let metrics = Concat(WeightedSqNorm(s, c), Concat(WeightedSqNorm(d, c), WeightedSqNorm(g, c)));
        let distances = Concat(WeightedSqDist(s, a, b), Concat(WeightedSqDist(d, a, b), WeightedSqDist(g, a, b)));
        let parts = Concat(Elem(c, 1), Concat(Extract(c, 1, 2), SumT(s, 2)));
        let matrices = Concat(MatVecMult(m, a), Concat(VecMatMult(c, m), TensorProd(c, d)));
        let constants = Concat(IntCst(3), Concat(RatCst(-22, 7), Concat(IntInv(3), Zero(2))));
        Concat(sums, Concat(norms, Concat(metrics, Concat(distances, Concat(parts, Concat(matrices, constants))))))
    }
}

/// What [`vectors`] gives.
const VECTORS: usize = 39;

/// Where [`vectors`] has the squared distance in a full metric.
const FULL_METRIC: usize = 15;

/// The variables of [`vectors`]: one row of each.
#[derive(Clone, Copy)]
struct Variables<T> {
    a: [T; 3],
    s: [T; 1],
    b: [T; 3],
    m: [T; 6],
    d: [T; 3],
    g: [T; 9],
}

impl<T: Element> Variables<T> {
    fn new(random: &mut Random) -> Self {
        fn row<T: Element, const D: usize>(random: &mut Random) -> [T; D] {
            std::array::from_fn(|_| random.number(0.5..2.0))
        }
        Variables { a: row(random), s: row(random), b: row(random), m: row(random), d: row(random), g: row(random) }
    }

    fn wide(&self) -> Variables<f64> {
        Variables {
            a: self.a.map(T::exact),
            s: self.s.map(T::exact),
            b: self.b.map(T::exact),
            m: self.m.map(T::exact),
            d: self.d.map(T::exact),
            g: self.g.map(T::exact),
        }
    }

    fn value(&self) -> [T; VECTORS] {
        vectors(&[self.a], &[self.s], &[self.b], &[self.m], self.d, self.g).eval().unwrap()[0]
    }
}

fn vectors_oracle(v: &Variables<f64>) -> [f64; VECTORS] {
    let Variables { a, s: [s], b, m, d, g } = *v;
    let c: [f64; 3] = std::array::from_fn(|k| a[k] * b[k]);
    let difference: [f64; 3] = std::array::from_fn(|k| a[k] - b[k]);
    let square = |x: &[f64; 3], w: &dyn Fn(usize) -> f64| (0..3).map(|k| w(k) * x[k] * x[k]).sum::<f64>();
    let full = |x: &[f64; 3]| (0..9).map(|k| x[k / 3] * g[k] * x[k % 3]).sum::<f64>();
    let norm2 = square(&c, &|_| 1.0);
    let mut out = vec![c.iter().sum(), harness::dot(&c, &b), s * c.iter().sum::<f64>(), norm2, norm2.sqrt()];
    out.extend(c.map(|x| x / norm2.sqrt()));
    out.extend([square(&difference, &|_| 1.0), b.iter().map(|b| (s - b) * (s - b)).sum()]);
    out.extend([square(&c, &|_| s), square(&c, &|k| d[k]), full(&c)]);
    out.extend([square(&difference, &|_| s), square(&difference, &|k| d[k]), full(&difference)]);
    out.extend([c[1], c[1], c[2], s, s]);
    out.extend((0..2).map(|r| (0..3).map(|k| m[3 * r + k] * a[k]).sum::<f64>()));
    out.extend((0..2).map(|r| (0..3).map(|k| c[k] * m[2 * k + r]).sum::<f64>()));
    out.extend((0..9).map(|k| c[k / 3] * d[k % 3]));
    out.extend([3.0, -22.0 / 7.0, 1.0 / 3.0, 0.0, 0.0]);
    out.try_into().expect("39 numbers")
}

fn vector_values<T: Element>() {
    let mut random = Random::new();
    for _ in 0..50 {
        let v = Variables::<T>::new(&mut random);
        let (found, wide) = (v.value(), v.wide());
        for (c, (&found, expected)) in found.iter().zip(vectors_oracle(&wide)).enumerate() {
            // differences round, and so do the up to nine terms of a sum; those of a full metric may cancel
            let size = if c == FULL_METRIC { 10.0 } else { 0.5 };
            assert_near(found.exact(), expected, 8.0 * epsilon::<T>() * expected.abs().max(size), c);
        }
    }
}

#[test]
fn vector_values_f64() {
    vector_values::<f64>();
}

#[test]
fn vector_values_f32() {
    vector_values::<f32>();
}

#[test]
fn rational_constants_are_exact_in_f64() {
    let found = Variables::<f64>::new(&mut Random::new()).value();
    assert_eq!(found[VECTORS - 5..], [3.0, -22.0 / 7.0, 1.0 / 3.0, 0.0, 0.0]);
}

#[test]
fn vector_derivatives() {
    let mut random = Random::new();
    for _ in 0..times(5) {
        let v = Variables::<f64>::new(&mut random);
        let all = |e: [f64; VECTORS]| vectors(&[v.a], &[v.s], &[v.b], &[v.m], v.d, v.g).vjp(&[e]).eval().unwrap();
        let at = |change: &dyn Fn(&mut Variables<f64>)| {
            let mut v = v;
            change(&mut v);
            vec![v.value()]
        };
        let e = 1e-9;
        check_jacobian::<3, VECTORS>("a", e, |k, h| at(&|v| v.a[k] += h), |e| all(e).a.into_vec(), None);
        check_jacobian::<1, VECTORS>("s", e, |k, h| at(&|v| v.s[k] += h), |e| all(e).s.into_vec(), None);
        let along_b =
            |u: [f64; 3]| vectors(&[v.a], &[v.s], &[v.b], &[v.m], v.d, v.g).jvp_b(&[u]).eval().unwrap().into_vec();
        check_jacobian::<3, VECTORS>("b", e, |k, h| at(&|v| v.b[k] += h), |e| all(e).b.into_vec(), Some(&along_b));
        let along_m =
            |u: [f64; 6]| vectors(&[v.a], &[v.s], &[v.b], &[v.m], v.d, v.g).jvp_m(&[u]).eval().unwrap().into_vec();
        check_jacobian::<6, VECTORS>("m", e, |k, h| at(&|v| v.m[k] += h), |e| all(e).m.into_vec(), Some(&along_m));
        check_jacobian::<3, VECTORS>("d", e, |k, h| at(&|v| v.d[k] += h), |e| all(e).d.into_vec(), None);
        check_jacobian::<9, VECTORS>("g", e, |k, h| at(&|v| v.g[k] += h), |e| all(e).g.into_vec(), None);
    }
}

keops! {
    /// The named kernels, without a parameter and with one of dimension 1, D and D*D.
    pub fn kernels(x: Vi<2>, y: Vj<2>, g: Pm<1>, d: Pm<2>, m: Pm<4>) -> Sum<j> {
        let gaussians = concat(gaussian(x, y), gaussian(x, y, g)).concat(gaussian(x, y, d)).concat(gaussian(x, y, m));
        let laplacians = concat(laplacian(x, y), laplacian(x, y, g)).concat(exponential(x, y, d)).concat(laplacian(x, y, m));
        let cauchys = concat(cauchy(x, y), cauchy(x, y, g)).concat(cauchy(x, y, d)).concat(cauchy(x, y, m));
        let imqs = concat(inverse_multiquadric(x, y), inverse_multiquadric(x, y, g))
            .concat(inverse_multiquadric(x, y, d)).concat(inverse_multiquadric(x, y, m));
        let distances = concat(distance(x, y), distance(x, y, g)).concat(distance(x, y, d)).concat(distance(x, y, m));
        let linears = concat(linear(x, y), linear(x, y, g)).concat(linear(x, y, d)).concat(linear(x, y, m));
        gaussians.concat(laplacians).concat(cauchys).concat(imqs).concat(distances).concat(linears)
    }
}

/// The parameters of [`kernels`]: a scale, a diagonal and a positive matrix.
fn metrics<T: Element>(random: &mut Random) -> ([T; 1], [T; 2], [T; 4]) {
    let root: [f64; 4] = std::array::from_fn(|_| random.number(-0.5..0.5));
    let entry = |r: usize, c: usize| (0..2).map(|k| root[2 * r + k] * root[2 * c + k]).sum::<f64>() + f64::from(r == c);
    let full = std::array::from_fn(|k| T::from_f64(entry(k / 2, k % 2)));
    ([random.number(0.3..2.0)], std::array::from_fn(|_| random.number(0.3..2.0)), full)
}

fn kernels_oracle(x: &[f64; 2], y: &[f64; 2], g: f64, d: &[f64; 2], m: &[f64; 4]) -> [f64; 24] {
    let metric = |k: usize, r: usize, c: usize| match k {
        0 => f64::from(r == c),
        1 => g * f64::from(r == c),
        2 => d[r] * f64::from(r == c),
        _ => m[2 * r + c],
    };
    let form = |k: usize, u: &[f64; 2], v: &[f64; 2]| -> f64 {
        (0..4).map(|n| u[n / 2] * metric(k, n / 2, n % 2) * v[n % 2]).sum()
    };
    let difference: [f64; 2] = std::array::from_fn(|k| x[k] - y[k]);
    let r2: [f64; 4] = std::array::from_fn(|k| form(k, &difference, &difference));
    let linear: [f64; 4] = std::array::from_fn(|k| form(k, x, y));
    let all = [
        r2.map(|r2| (-r2).exp()),
        r2.map(|r2| (-r2.sqrt()).exp()),
        r2.map(|r2| 1.0 / (1.0 + r2)),
        r2.map(|r2| 1.0 / (1.0 + r2).sqrt()),
        r2.map(f64::sqrt),
        linear,
    ];
    all.concat().try_into().expect("24 numbers")
}

fn kernel_values<T: Element>() {
    let mut random = Random::new();
    let (g, d, m) = metrics::<T>(&mut random);
    let (x, y): (Vec<[T; 2]>, Vec<[T; 2]>) = (random.cloud(60), random.cloud(7));
    let found = kernels(&x, &y, g, d, m).eval().unwrap();
    let (g, d, m) = (g[0].exact(), d.map(T::exact), m.map(T::exact));
    let y = harness::wide(&y);
    for (i, x) in harness::wide(&x).iter().enumerate() {
        let mut expected = [0.0; 24];
        for y in &y {
            let terms = kernels_oracle(x, y, g, &d, &m);
            expected.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
        }
        for c in 0..24 {
            // seven terms, each of size 10 at most with the roundings of about nine operations
            assert_near(found[i][c].exact(), expected[c], 60.0 * epsilon::<T>(), (i, c));
        }
    }
}

#[test]
fn kernel_values_f64() {
    kernel_values::<f64>();
}

#[test]
fn kernel_values_f32() {
    kernel_values::<f32>();
}

#[test]
fn kernel_derivatives() {
    let mut random = Random::new();
    for _ in 0..times(5) {
        let (g, d, m) = metrics::<f64>(&mut random);
        // apart, so that distances are smooth
        let (x, y): (Vec<[f64; 2]>, Vec<[f64; 2]>) = (random.rows(1, 0.3..1.0), random.rows(1, -1.0..-0.3));
        let all = |e: [f64; 24]| kernels(&x, &y, g, d, m).vjp(&[e]).eval().unwrap();
        let value = |x: &[[f64; 2]], y: &[[f64; 2]], g: &[f64], d: &[f64], m: &[f64]| {
            kernels(x, y, g, d, m).eval().unwrap().into_vec()
        };
        let e = 1e-9;
        check_jacobian::<2, 24>(
            "x",
            e,
            |k, h| value(&stepped(&x, k, h), &y, &g, &d, &m),
            |e| all(e).x.into_vec(),
            None,
        );
        check_jacobian::<2, 24>(
            "y",
            e,
            |k, h| value(&x, &stepped(&y, k, h), &g, &d, &m),
            |e| all(e).y.into_vec(),
            None,
        );
        check_jacobian::<1, 24>(
            "g",
            e,
            |k, h| value(&x, &y, &stepped(&[g], k, h)[0], &d, &m),
            |e| all(e).g.into_vec(),
            None,
        );
        check_jacobian::<2, 24>(
            "d",
            e,
            |k, h| value(&x, &y, &g, &stepped(&[d], k, h)[0], &m),
            |e| all(e).d.into_vec(),
            None,
        );
        check_jacobian::<4, 24>(
            "m",
            e,
            |k, h| value(&x, &y, &g, &d, &stepped(&[m], k, h)[0]),
            |e| all(e).m.into_vec(),
            None,
        );
    }
}

#[test]
fn kernels_of_equal_points_have_finite_derivatives() {
    let (g, d, m) = metrics::<f64>(&mut Random::new());
    let x = [[0.3, -0.7]];
    let mut e = [1.0; 24];
    // x and y are equal, and so all but the linear kernels are flat: the slope of a distance at 0 is taken as 0
    e[20..].fill(0.0);
    let all = kernels(&x, &x, g, d, m).vjp(&[e]).eval().unwrap();
    assert_identical(&all.x, &[[0.0; 2]], "x");
    assert_identical(&all.y, &[[0.0; 2]], "y");
    assert_identical(&all.m, &[[0.0; 4]], "m");
}

keops! {
    /// Derivatives inside a formula, under KeOps' names.
    #[keops(order = 2)]
    pub fn inside(x: Vi<3>, y: Vj<3>, u: Vj<3>, b: Vj<1>) -> Sum<j> {
        let k = Exp(-SqDist(x, y));
        Concat(Grad(k, x, b), Concat(Diff(k, x, u), Concat(Divergence(x * SqDist(x, y), x), Laplacian(k, x))))
    }
}

fn inside_oracle(x: &[f64; 3], y: &[f64; 3], u: &[f64; 3], b: f64) -> [f64; 6] {
    let r: [f64; 3] = std::array::from_fn(|k| x[k] - y[k]);
    let r2 = harness::dot(&r, &r);
    let k = (-r2).exp();
    let gradient = r.map(|r| -2.0 * r * k * b);
    [
        gradient[0],
        gradient[1],
        gradient[2],
        -2.0 * harness::dot(&r, u) * k,
        3.0 * r2 + 2.0 * harness::dot(x, &r),
        (4.0 * r2 - 6.0) * k,
    ]
}

#[test]
fn derivatives_inside_formulas() {
    let mut random = Random::new();
    let x: Vec<[f64; 3]> = random.cloud(40);
    let (y, u, b): (Vec<[f64; 3]>, Vec<[f64; 3]>, Vec<[f64; 1]>) = (random.cloud(1), random.cloud(1), random.cloud(1));
    let found = inside(&x, &y, &u, &b).eval().unwrap();
    let expected: Vec<[f64; 6]> = x.iter().map(|x| inside_oracle(x, &y[0], &u[0], b[0][0])).collect();
    harness::assert_rows(&found, &expected, 1e-14, "inside");
    check_jacobian::<3, 6>(
        "inside",
        1e-9,
        |k, h| stepped(&x, k, h).iter().map(|x| inside_oracle(x, &y[0], &u[0], b[0][0])).collect(),
        |e| inside(&x, &y, &u, &b).vjp_x(&vec![e; x.len()]).eval().unwrap().into_vec(),
        Some(&|t| inside(&x, &y, &u, &b).jvp_x(&vec![t; x.len()]).eval().unwrap().into_vec()),
    );
}

keops! {
    /// Where operations have conventions.
    pub fn edges(x: Vi<2>, y: Vj<1>) -> Sum<j> {
        let v = x + y;
        let a = Elem(v, 0);
        let b = Elem(v, 1);
        let roots = Concat(Sqrt(a), Concat(Rsqrt(a), Concat(a ** 0.5, Concat(a ** -0.5, Inv(a)))));
        let functions = Concat(Log(a), Concat(XLogX(a), Concat(Exp(a), Concat(Sin(a), Cos(a)))));
        let steps = Concat(Abs(a), Concat(Sign(a), Concat(Step(a), Concat(ReLU(a), IfElse(a, 1, 2)))));
        let powers = Concat(Pow(a, 0), Concat(Pow(a, -1), Concat(Pow(a, -3), Concat(Pow(a, 3), Powf(a, b)))));
        let order = Concat(a == b, Concat(a != b, Concat(a < b, Concat(a <= b, Concat(a > b, a >= b)))));
        Concat(roots, Concat(functions, Concat(steps, Concat(powers, Concat(order, Concat(a / b, Clamp(a, -1, b)))))))
    }
}

/// Where [`edges`] has its exponential.
const EXP: usize = 7;

fn edges_oracle(a: f64, b: f64) -> [f64; 28] {
    let is = |b: bool| f64::from(u8::from(b));
    let or = |x: f64, y: f64| if a == 0.0 { x } else { y };
    let (root, inverse_root) = (a.sqrt(), or(0.0, 1.0 / a.sqrt()));
    let low = if a < -1.0 { -1.0 } else { a };
    [
        vec![root, inverse_root, root, inverse_root, 1.0 / a],
        vec![a.ln(), or(0.0, a * a.ln()), a.exp(), a.sin(), a.cos()],
        vec![
            a.abs(),
            if a > 0.0 {
                1.0
            } else if a < 0.0 {
                -1.0
            } else {
                a
            },
            is(a >= 0.0),
            if a < 0.0 { 0.0 } else { a },
            if a >= 0.0 { 1.0 } else { 2.0 },
        ],
        vec![1.0, 1.0 / a, 1.0 / (a * a * a), a * a * a, a.powf(b)],
        vec![is(a == b), is(a != b), is(a < b), is(a <= b), is(a > b), is(a >= b)],
        vec![a / b, if b < low { b } else { low }],
    ]
    .concat()
    .try_into()
    .expect("28 numbers")
}

/// The oracle's arithmetic is that of `f64`; what is beyond the range of `T` is infinite or 0 there.
fn check_edges<T: Element>(more: [f64; 4]) {
    let (tiny, huge) = (T::min_positive_value().exact(), T::max_value().exact());
    let mut special = vec![0.0, -0.0, 1.0, -1.0, 0.5, -2.0, 3.0, -3.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
    special.extend([tiny, -tiny, tiny / 8.0, huge, -huge]);
    special.extend(more);
    let x: Vec<[T; 2]> = special.iter().flat_map(|&a| special.iter().map(move |&b| [a, b].map(T::from_f64))).collect();
    let found = edges(&x, &[[-T::zero()]]).eval().unwrap();
    for (x, found) in x.iter().zip(found.iter()) {
        let [a, b] = x.map(T::exact);
        for (c, (&found, expected)) in found.iter().zip(edges_oracle(a, b)).enumerate() {
            let expected = T::from_f64(expected).exact();
            // an exponential is one to base 2, of its exponent times log2(e), rounded
            let operations = if c == EXP { 4.0 + a.abs() } else { 4.0 };
            // results that are not normal numbers may be 0
            let error = operations * epsilon::<T>() * expected.abs() + tiny;
            assert_near(found.exact(), expected, error, (c, a, b));
        }
    }
}

#[test]
fn edges_f64() {
    check_edges::<f64>([1e22, 709.0, -745.0, 1e-300]);
}

#[test]
fn edges_f32() {
    check_edges::<f32>([1e22, 88.0, -104.0, 1e-30]);
}

keops! {
    /// Where derivatives have conventions.
    pub fn kinks(x: Vi<1>, y: Vj<1>) -> Sum<j> {
        let a = x + y;
        let roots = Concat(Sqrt(a), Concat(a ** 0.5, Concat(Norm2(Concat(a, 2 * a)), Rsqrt(a))));
        let steps = Concat(Abs(a), Concat(ReLU(a), Concat(Step(a), Concat(Sign(a), Concat(Clamp(a, -1, 1), IfElse(a, 3*a, 2*a))))));
        let powers = Concat(Pow(a, 2), Concat(Pow(a, 1), Concat(Pow(a, 0), Concat(a < 1, a == 1))));
        Concat(roots, Concat(steps, powers))
    }
}

#[test]
fn derivatives_at_kinks() {
    let slopes = |x: f64| -> [f64; 15] {
        std::array::from_fn(|c| {
            let mut e = [0.0; 15];
            e[c] = 1.0;
            let gradient = kinks(&[[x]], &[[-0.0]]).vjp_x(&[e]).eval().unwrap();
            let change = kinks(&[[x]], &[[-0.0]]).jvp_x(&[[1.0]]).eval().unwrap();
            assert_near(change[0][c], gradient[0][0], 0.0, ("forward and reverse mode", c, x));
            gradient[0][0]
        })
    };
    // √' and (1/√)' are 0 at 0, the slopes of max(x, 0) and of the branch x >= 0 count at 0, Clamp's ends are inside
    assert_eq!(slopes(0.0), [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 3.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
    let at_one = slopes(1.0);
    assert_near(at_one[2], 5.0_f64.sqrt(), 1e-15, "norm");
    assert_eq!(at_one[..2], [0.5, 0.5]);
    assert_eq!(at_one[3..], [-0.5, 1.0, 1.0, 0.0, 0.0, 1.0, 3.0, 2.0, 1.0, 0.0, 0.0, 0.0]);
    let beyond = slopes(4.0);
    assert_eq!(beyond[4..10], [1.0, 1.0, 0.0, 0.0, 0.0, 3.0]);
}

/// The names of the operations called inside the formulas of this file.
fn called() -> HashSet<String> {
    let mut names = HashSet::new();
    for block in include_str!("operations.rs").split("\nkeops! {\n").skip(1) {
        let block = block.split("\n}\n").next().unwrap_or_default();
        let mut rest = block;
        while let Some(at) = rest.find('(') {
            let name = rest[..at].rsplit(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
            names.insert(name.to_owned());
            rest = &rest[at + 1..];
        }
    }
    names
}

#[test]
fn every_name_of_the_table_is_tested_here() {
    let called = called();
    for row in keops_compiler::table::operations() {
        for name in std::iter::once(&row.name).chain(row.aliases) {
            assert!(called.contains(*name), "`{name}` of {row:?} stands in no formula of tests/operations.rs");
        }
    }
}
