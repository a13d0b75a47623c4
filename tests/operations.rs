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

/// Tests of a formula of x and y, of `$d` components each: values against an oracle in `f32` and `f64`, within `$error`
/// roundings, and its derivatives by x.
macro_rules! group {
    ($tests:ident: $name:ident, $d:literal, $out:literal, $oracle:ident, $x:expr, $y:expr, $error:expr) => {
        mod $tests {
            use super::*;

            fn values<T: Element>() {
                let mut random = Random::new();
                let x: Vec<[T; $d]> = (0..200).map(|_| $x(&mut random).map(T::from_f64)).collect();
                let y: [[T; $d]; 1] = [$y(&mut random).map(T::from_f64)];
                let found = $name(&x, &y).eval().unwrap();
                for (x, found) in x.iter().zip(found.iter()) {
                    let expected: [f64; $out] = $oracle(x.map(T::exact), y[0].map(T::exact));
                    for (c, (&found, expected)) in found.iter().zip(expected).enumerate() {
                        let error = $error * epsilon::<T>() * expected.abs().max(1.0);
                        assert_near(found.exact(), expected, error, (c, x));
                    }
                }
            }

            #[test]
            fn values_f64() {
                values::<f64>();
            }

            #[test]
            fn values_f32() {
                values::<f32>();
            }

            #[test]
            fn derivatives() {
                let mut random = Random::new();
                let x: Vec<[f64; $d]> = (0..times(10)).map(|_| $x(&mut random)).collect();
                let y = [$y(&mut random)];
                check_jacobian::<$d, $out>(
                    stringify!($name),
                    1e-7,
                    |k, h| $name(&stepped(&x, k, h), &y).eval().unwrap().into_vec(),
                    |e| $name(&x, &y).vjp_x(&vec![e; x.len()]).eval().unwrap().into_vec(),
                    // the compiler's own tests hold forward against reverse mode, for every row
                    None,
                );
            }
        }
    };
}

keops! {
    /// Operations that KeOps has not, of s, which has any sign, q, which is positive, and t between -1 and 1.
    pub fn more(x: Vi<3>, y: Vj<3>) -> Sum<j> {
        let v = x + y;
        let s = Elem(v, 0);
        let q = Elem(v, 1);
        let t = Elem(v, 2);
        let powers = Concat(Exp2(s), Concat(Expm1(s), Concat(Log2(q), Concat(Log10(q), Log1p(q - 0.9)))));
        let hyperbolic = Concat(Tan(t), Concat(Sinh(s), Concat(Cosh(s), Concat(Tanh(s), Sech(s)))));
        let areas = Concat(Asinh(s), Concat(Acosh(1 + q), Atanh(t)));
        let errors = Concat(Erf(s), Concat(Erfc(s), Concat(Sigmoid(s), Softplus(s))));
        let lengths = Concat(Cbrt(s), Concat(Hypot(s, q), Concat(Max(s, t), Concat(Min(s, t), MulAdd(s, q, t)))));
        let steps = Concat(Ceil(s), Concat(Trunc(s), Concat(Fract(s), Concat(RemEuclid(s, -q), Concat(ToRadians(s), ToDegrees(s))))));
        let scalars = Concat(powers, Concat(hyperbolic, Concat(areas, Concat(errors, Concat(lengths, steps)))));
        Concat(scalars, Cross(v, y + 1))
    }
}

fn more_inputs(random: &mut Random) -> [f64; 3] {
    loop {
        let [s, q, t]: [f64; 3] = [random.number(-2.5..2.5), random.number(0.5..2.5), random.number(-0.9..0.9)];
        if [s, s / q].into_iter().all(|x| to_integer(x) > 0.05) && (s - t).abs() > 0.05 {
            return [s, q, t];
        }
    }
}

/// The error function, by its series times e^(-x²).
fn erf(x: f64) -> f64 {
    let (mut term, mut sum) = (x, 0.0);
    for k in 1..100 {
        sum += term;
        term *= 2.0 * x * x / f64::from(2 * k + 1);
    }
    std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp() * sum
}

fn more_oracle([s, q, t]: [f64; 3], _: [f64; 3]) -> [f64; 31] {
    let powers = [s.exp2(), s.exp_m1(), q.log2(), q.log10(), (q - 0.9).ln_1p()];
    let hyperbolic = [t.tan(), s.sinh(), s.cosh(), s.tanh(), s.cosh().recip()];
    let areas = [s.asinh(), (1.0 + q).acosh(), t.atanh()];
    let errors = [erf(s), 1.0 - erf(s), 1.0 / (1.0 + (-s).exp()), s.exp().ln_1p()];
    let lengths = [s.cbrt(), s.hypot(q), s.max(t), s.min(t), s * q + t];
    let steps = [s.ceil(), s.trunc(), s.fract(), s.rem_euclid(-q), s.to_radians(), s.to_degrees()];
    let cross = [q - t, t - s, s - q];
    let all = [&powers[..], &hyperbolic, &areas, &errors, &lengths, &steps, &cross].concat();
    all.try_into().expect("31 numbers")
}

/// What changes nothing when it is added.
fn nothing<const D: usize>(_: &mut Random) -> [f64; D] {
    [-0.0; D]
}

fn numbers<const D: usize>(random: &mut Random, range: std::ops::Range<f64>) -> [f64; D] {
    std::array::from_fn(|_| random.number(range.clone()))
}

/// The distance to the nearest integer.
fn to_integer(x: f64) -> f64 {
    (x - x.round()).abs()
}

keops! {
    /// Angles, and what is flat between steps.
    pub fn circular(x: Vi<3>, y: Vj<3>) -> Sum<j> {
        let v = x + y;
        let s = Elem(v, 0);
        let q = Elem(v, 1);
        let t = Elem(v, 2);
        let angles = Concat(Asin(s / 3), Concat(Acos(s / 3), Concat(Atan(s), Concat(Atan2(s, t), SinXDivX(s)))));
        let steps = Concat(Floor(s), Concat(Round(s, 1), Concat(Round(100 * t, -1), Round(q))));
        let rest = Concat(Mod(s, q), Concat(Mod(s, q, t), Concat(ClampInt(s, -1, 1), DiffClampInt(s, -1, 1))));
        Concat(angles, Concat(steps, rest))
    }
}

fn circular_inputs(random: &mut Random) -> [f64; 3] {
    loop {
        let [s, q, t]: [f64; 3] = [random.number(-2.5..2.5), random.number(0.5..2.5), random.number(-2.0..2.0)];
        let steps = [s, 10.0 * s + 0.5, 10.0 * t + 0.5, q + 0.5, s / q, (s - t) / q];
        if steps.into_iter().all(|x| to_integer(x) > 0.05) {
            return [s, q, t];
        }
    }
}

fn circular_oracle([s, q, t]: [f64; 3], _: [f64; 3]) -> [f64; 13] {
    let inside = f64::from(u8::from(s.abs() <= 1.0));
    [
        (s / 3.0).asin(),
        (s / 3.0).acos(),
        s.atan(),
        s.atan2(t),
        s.sin() / s,
        s.floor(),
        (s * 10.0).round() / 10.0,
        (t * 10.0).round() * 10.0,
        q.round(),
        s - q * (s / q).floor(),
        s - q * ((s - t) / q).floor(),
        s.clamp(-1.0, 1.0),
        inside,
    ]
}

group!(circular_of_points: circular, 3, 13, circular_oracle, circular_inputs, nothing, 6.0);

keops! {
    /// Places of components, metrics and tensors: f is 2 x 3 and g is 3 x 2.
    pub fn tensors(x: Vi<12>, y: Vj<12>) -> Sum<j> {
        let v = x + y;
        let f = Extract(v, 0, 6);
        let g = Extract(v, 6, 6);
        let most = Concat(Max(f), Concat(Min(f), Concat(ArgMax(f), Concat(ArgMin(f), OneHot(ArgMax(f), 6)))));
        let parts = Concat(ElemT(Elem(f, 0), 3, 1), ExtractT(Extract(f, 1, 2), 1, 4));
        let metrics = Concat(SqNormIso(Elem(f, 0), g), Concat(SqNormDiag(f, g), SymSqNorm(Extract(f, 0, 4), Extract(g, 0, 2))));
        let products = Concat(TensorDot(f, g, [2, 3], [3, 2], [1], [0]), TensorDot(f, g, [2, 3], [3, 2], [1], [0], [1, 0]));
        let more = Concat(TensorDot(f, g, [2, 3], [3, 2], [0, 1], [1, 0]), TensorDot(f, g, [3, 2, 1], [1, 2, 3], [1], [1], [3, 0, 2, 1]));
        Concat(most, Concat(parts, Concat(metrics, Concat(products, Concat(more, Kron(f, g, [2, 3], [3, 2]))))))
    }
}

/// Numbers of which the first six are apart, so that the largest stays the largest.
fn tensor_inputs(random: &mut Random) -> [f64; 12] {
    loop {
        let v: [f64; 12] = numbers(random, -1.5..1.5);
        if (0..6).all(|a| (0..a).all(|b| (v[a] - v[b]).abs() > 0.01)) {
            return v;
        }
    }
}

fn tensors_oracle(v: [f64; 12], _: [f64; 12]) -> [f64; 74] {
    let (f, g) = v.split_at(6);
    let place = |sign: f64| (0..6).max_by(|&a, &b| (sign * f[a]).total_cmp(&(sign * f[b]))).unwrap();
    let (most, least) = (place(1.0), place(-1.0));
    let mut out = vec![f[most], f[least], most as f64, least as f64];
    out.extend((0..6).map(|k| if k == most { 1.0 } else { 0.0 }));
    out.extend([0.0, f[0], 0.0, 0.0, f[1], f[2], 0.0]);
    out.push(g.iter().map(|x| f[0] * x * x).sum());
    out.push((0..6).map(|k| f[k] * g[k] * g[k]).sum());
    out.push((0..4).map(|k| g[k / 2] * f[k] * g[k % 2]).sum());
    let product = |r: usize, c: usize| (0..3).map(|k| f[3 * r + k] * g[2 * k + c]).sum::<f64>();
    out.extend([product(0, 0), product(0, 1), product(1, 0), product(1, 1)]);
    out.extend([product(0, 0), product(1, 0), product(0, 1), product(1, 1)]);
    out.push((0..6).map(|k| f[k] * g[2 * (k % 3) + k / 3]).sum());
    // the axes of length 3 that are left, of f last and of g before it
    out.extend((0..9).map(|n| (0..2).map(|k| f[2 * (n % 3) + k] * g[3 * k + n / 3]).sum::<f64>()));
    // of shape 6 x 6: rows (r, s) of f and g, columns likewise
    out.extend((0..36).map(|n| {
        let (row, column) = (n / 6, n % 6);
        f[3 * (row / 3) + column / 2] * g[2 * (row % 3) + column % 2]
    }));
    out.try_into().expect("74 numbers")
}

group!(tensors_of_points: tensors, 12, 74, tensors_oracle, tensor_inputs, nothing, 8.0);

keops! {
    /// Complex numbers: two of them, f, and one, h, whose components are two real numbers as well.
    pub fn complexes(x: Vi<6>, y: Vj<6>) -> Sum<j> {
        let v = x + y;
        let f = Extract(v, 0, 4);
        let h = Extract(v, 4, 2);
        let parts = Concat(ComplexReal(f), Concat(ComplexImag(f), Concat(Real2Complex(h), Concat(Imag2Complex(h), Conj(f)))));
        let sums = Concat(ComplexAdd(f, h), Concat(ComplexSubtract(h, f), Concat(ComplexSum(f), ComplexSumT(h, 6))));
        let products = Concat(ComplexMult(f, h), ComplexDivide(f, h));
        let scaled = Concat(ComplexRealScal(Elem(h, 0), f), Concat(ComplexRealScal(f, Elem(h, 0)), ComplexRealScal(h, f)));
        let polar = Concat(ComplexSquareAbs(f), Concat(ComplexAbs(f), ComplexAngle(f)));
        let exponentials = Concat(ComplexExp(f), ComplexExp1j(h));
        Concat(parts, Concat(sums, Concat(products, Concat(scaled, Concat(polar, exponentials)))))
    }
}

/// Three complex numbers away from 0 and from the negative numbers.
fn complex_inputs(random: &mut Random) -> [f64; 6] {
    let polar: [(f64, f64); 3] = std::array::from_fn(|_| (random.number(0.7..1.5), random.number(-3.0..3.0)));
    std::array::from_fn(|k| {
        let (size, angle) = polar[k / 2];
        size * if k % 2 == 0 { angle.cos() } else { angle.sin() }
    })
}

fn complexes_oracle(v: [f64; 6], _: [f64; 6]) -> [f64; 66] {
    type Complex = [f64; 2];
    let ([a, b], h): ([Complex; 2], Complex) = ([[v[0], v[1]], [v[2], v[3]]], [v[4], v[5]]);
    let times = |x: Complex, y: Complex| [x[0] * y[0] - x[1] * y[1], x[0] * y[1] + x[1] * y[0]];
    let square = |x: Complex| x[0] * x[0] + x[1] * x[1];
    let over = |x: Complex, y: Complex| times(x, [y[0], -y[1]]).map(|part| part / square(y));
    let exp = |x: Complex| [x[0].exp() * x[1].cos(), x[0].exp() * x[1].sin()];
    let mut out = vec![a[0], b[0], a[1], b[1], h[0], 0.0, h[1], 0.0, 0.0, h[0], 0.0, h[1], a[0], -a[1], b[0], -b[1]];
    let mut put = |x: &[Complex]| out.extend(x.iter().flatten());
    put(&[a, b].map(|x| [x[0] + h[0], x[1] + h[1]]));
    put(&[a, b].map(|x| [h[0] - x[0], h[1] - x[1]]));
    put(&[[a[0] + b[0], a[1] + b[1]], h, h, h]);
    put(&[times(a, h), times(b, h), over(a, h), over(b, h)]);
    put(&[a, b].map(|x| x.map(|part| h[0] * part)));
    put(&[a, b].map(|x| x.map(|part| h[0] * part)));
    put(&[a.map(|part| h[0] * part), b.map(|part| h[1] * part)]);
    put(&[[square(a), square(b)], [square(a).sqrt(), square(b).sqrt()], [a[1].atan2(a[0]), b[1].atan2(b[0])]]);
    put(&[exp(a), exp(b), exp([0.0, h[0]]), exp([0.0, h[1]])]);
    out.try_into().expect("66 numbers")
}

group!(complexes_of_points: complexes, 6, 66, complexes_oracle, complex_inputs, nothing, 16.0);

keops! {
    /// Splines over seven knots at p.
    pub fn splines(x: Vi<8>, y: Vj<8>) -> Sum<j> {
        let v = x + y;
        let knots = Extract(v, 0, 7);
        let p = Elem(v, 7);
        Concat(BSpline(knots, p, 0), Concat(BSpline(knots, p, 2), BSpline(knots, p, 3)))
    }
    /// The warping of a onto b with the smoothness c.
    pub fn sequences(x: Vi<6>, y: Vj<6>) -> Sum<j> {
        let v = x + y;
        let c = Elem(v, 0);
        let a = Extract(v, 1, 2);
        let b = Extract(v, 3, 3);
        Concat(SoftDTW_SqDist(a, b, c), SoftDTW_SqDist(Elem(v, 1), b, c))
    }
}

fn spline_inputs(random: &mut Random) -> [f64; 8] {
    let mut v = [0.0; 8];
    for k in 0..7 {
        // far enough apart for the finite differences, whose error grows with the sixth power of 1 / gap
        v[k] = k as f64 / 2.0 + random.number::<f64>(0.0..0.15);
    }
    // in the middle of the gap after a knot
    let gap = random.integer(0..6);
    v[7] = v[gap] + (v[gap + 1] - v[gap]) * random.number::<f64>(0.2..0.8);
    v
}

fn sequence_inputs(random: &mut Random) -> [f64; 6] {
    let mut v: [f64; 6] = numbers(random, -1.0..1.0);
    v[0] = random.number(0.3..2.0);
    v
}

fn spline(knots: &[f64], x: f64, i: usize, degree: usize) -> f64 {
    if degree == 0 {
        return f64::from(u8::from(knots[i] <= x && x < knots[i + 1]));
    }
    let ratio = |i: usize| {
        let width = knots[i + degree] - knots[i];
        if width == 0.0 { 0.0 } else { (x - knots[i]) / width }
    };
    ratio(i) * spline(knots, x, i, degree - 1) + (1.0 - ratio(i + 1)) * spline(knots, x, i + 1, degree - 1)
}

/// The soft minimum over all ways through the grid, each written out.
fn warping(a: &[f64], b: &[f64], gamma: f64) -> f64 {
    fn ways(a: &[f64], b: &[f64], so_far: f64, sums: &mut Vec<f64>) {
        let sum = so_far + (a[0] - b[0]) * (a[0] - b[0]);
        match (a.len(), b.len()) {
            (1, 1) => sums.push(sum),
            (1, _) => ways(a, &b[1..], sum, sums),
            (_, 1) => ways(&a[1..], b, sum, sums),
            _ => {
                ways(a, &b[1..], sum, sums);
                ways(&a[1..], b, sum, sums);
                ways(&a[1..], &b[1..], sum, sums);
            }
        }
    }
    let mut sums = Vec::new();
    ways(a, b, 0.0, &mut sums);
    -gamma * sums.iter().map(|sum| (-sum / gamma).exp()).sum::<f64>().ln()
}

fn splines_oracle(v: [f64; 8], _: [f64; 8]) -> [f64; 13] {
    let (knots, p) = (&v[..7], v[7]);
    let out: Vec<f64> = [0, 2, 3].iter().flat_map(|&d| (0..6 - d).map(move |i| spline(knots, p, i, d))).collect();
    out.try_into().expect("13 numbers")
}

fn sequences_oracle(v: [f64; 6], _: [f64; 6]) -> [f64; 2] {
    [warping(&v[1..3], &v[3..], v[0]), warping(&v[1..2], &v[3..], v[0])]
}

group!(splines_of_points: splines, 8, 13, splines_oracle, spline_inputs, nothing, 30.0);
group!(sequences_of_points: sequences, 6, 2, sequences_oracle, sequence_inputs, nothing, 30.0);

group!(more_functions: more, 3, 31, more_oracle, more_inputs, nothing, 60.0);

keops! {
    /// The same under their other names: all of this is 0.
    #[keops(order = 0)]
    pub fn more_names(x: Vi<3>, y: Vj<3>) -> Sum<j> {
        let v = x + y;
        let s = elem(v, 0);
        let q = elem(v, 1);
        let t = elem(v, 2);
        let powers = concat(s.exp2() - Exp2(s), expm1(s) - Expm1(s)).concat(s.exp_m1() - Expm1(s)).concat(q.log2() - Log2(q))
            .concat(log10(q) - Log10(q)).concat(log1p(q) - Log1p(q)).concat(q.ln_1p() - Log1p(q));
        let angles = concat(tan(t) - Tan(t), arcsin(t) - Asin(t)).concat(arccos(t) - Acos(t)).concat(arctan(s) - Atan(s))
            .concat(arctan2(s, q) - Atan2(s, q)).concat(to_radians(s) - ToRadians(s)).concat(deg2rad(s) - ToRadians(s))
            .concat(s.to_degrees() - ToDegrees(s)).concat(rad2deg(s) - ToDegrees(s));
        let hyperbolic = concat(sinh(s) - Sinh(s), cosh(s) - Cosh(s)).concat(s.tanh() - Tanh(s)).concat(sech(s) - Sech(s))
            .concat(asinh(s) - Asinh(s)).concat(arcsinh(s) - Asinh(s)).concat(acosh(1 + q) - Acosh(1 + q))
            .concat(arccosh(1 + q) - Acosh(1 + q)).concat(atanh(t) - Atanh(t)).concat(arctanh(t) - Atanh(t));
        let errors = concat(erf(s) - Erf(s), s.erfc() - Erfc(s)).concat(sigmoid(s) - Sigmoid(s)).concat(softplus(s) - Softplus(s));
        let lengths = concat(s.cbrt() - Cbrt(s), hypot(s, q) - Hypot(s, q)).concat(max(s, t) - Max(s, t)).concat(min(s, t) - Min(s, t))
            .concat(maximum(s, t) - Max(s, t)).concat(s.minimum(t) - Min(s, t)).concat(s.max(0.0) - ReLU(s)).concat(s.mul_add(q, t) - MulAdd(s, q, t));
        let steps = concat(ceil(s) - Ceil(s), s.trunc() - Trunc(s)).concat(s.fract() - Fract(s)).concat(frac(s) - Fract(s))
            .concat(rem_euclid(s, q) - RemEuclid(s, q));
        powers.concat(angles).concat(hyperbolic).concat(errors).concat(lengths).concat(steps).concat(cross(v, y) - Cross(v, y))
    }
}

#[test]
fn more_names_are_names_of_one_operation() {
    let mut random = Random::new();
    let (x, y): (Vec<[f64; 3]>, Vec<[f64; 3]>) = (random.rows(10, 0.1..0.4), random.rows(1, 0.1..0.4));
    let zeros = more_names(&x, &y).eval().unwrap();
    assert!(zeros.as_flat().iter().all(|&zero| zero == 0.0), "{zeros:?}");
}

keops! {
    /// Where these operations have conventions, and where their derivatives could lose their digits.
    #[keops(order = 2)]
    pub fn levels(x: Vi<1>, y: Vj<1>) -> Sum<j> {
        let a = x + y;
        let choices = Concat(Max(a, 0), Concat(Min(a, 1), Concat(Max(0, a), Max(-1 / (a * a), 2))));
        let lengths = Concat(Cbrt(a), Concat(Hypot(a, 0 * a), Asinh(a)));
        Concat(choices, Concat(lengths, Concat(Tanh(a), Concat(Sigmoid(a), Concat(Softplus(a), Concat(Erfc(a), Sech(a)))))))
    }
}

#[test]
fn derivatives_where_functions_level_off() {
    let of = |x: f64, c: usize| {
        let mut e = [0.0; 12];
        e[c] = 1.0;
        let slope = levels(&[[x]], &[[-0.0]]).vjp_x(&[e]).eval().unwrap()[0][0];
        let change = levels(&[[x]], &[[-0.0]]).jvp_x(&[[1.0]]).eval().unwrap()[0][c];
        assert_near(change, slope, 0.0, ("forward and reverse mode", c, x));
        let curvature = levels(&[[x]], &[[-0.0]]).vjp_x(&[e]).jvp_x(&[[1.0]]).eval().unwrap()[0][0];
        assert!(curvature.is_finite(), "component {c} at {x}: {curvature}");
        (levels(&[[x]], &[[-0.0]]).eval().unwrap()[0][c], slope)
    };
    let slopes = |x: f64, cs: std::ops::Range<usize>| cs.map(|c| of(x, c).1).collect::<Vec<f64>>();
    // of two equal numbers the first has the slope; one that is not taken may have an infinite slope
    assert_eq!(slopes(0.0, 0..4), [1.0, 1.0, 0.0, 0.0]);
    assert_eq!(slopes(1.0, 0..3), [1.0, 1.0, 1.0]);
    // ∛ and a length are flat at 0, as √ is
    assert_eq!(slopes(0.0, 4..6), [0.0, 0.0]);
    assert_eq!([of(-2.0, 5), of(0.0, 6)], [(2.0, -1.0), (0.0, 1.0)]);
    assert_near(of(1e200, 6).1, 1e-200, 1e-215, "1/√(1 + x²) for large x");
    let sech2 = 4.0 * (-60.0_f64).exp();
    for x in [30.0, -30.0] {
        assert_near(of(x, 7).1, sech2, 1e-14 * sech2, "1 - tanh² has no digits here");
        let small = (-30.0_f64).exp();
        assert_near(of(x, 8).1, small, 1e-12 * small, "nor has 1 - σ");
    }
    let (value, slope) = of(-30.0, 9);
    assert_near(value, (-30.0_f64).exp().ln_1p(), 1e-28, "softplus of a negative number");
    assert_near(slope, 1.0 / (1.0 + 30.0_f64.exp()), 1e-28, "its slope");
    let (value, slope) = of(10.0, 10);
    assert_near(value, 2.088_487_583_762_545e-45, 1e-59, "erfc 10");
    assert_near(slope, -std::f64::consts::FRAC_2_SQRT_PI * (-100.0_f64).exp(), 1e-57, "its slope");
    for x in [-1000.0, 1000.0] {
        assert_eq!([of(x, 7).1, of(x, 8).1, of(x, 11).0, of(x, 11).1], [0.0; 4]);
    }
}

#[test]
fn the_larger_and_the_smaller_of_two_hand_nan_on() {
    let both = |a: f64| levels(&[[a]], &[[-0.0]]).eval().unwrap();
    assert!(both(f64::NAN)[0][..3].iter().all(|x| x.is_nan()));
    assert_eq!(both(f64::NEG_INFINITY)[0][..3], [0.0, f64::NEG_INFINITY, 0.0]);
    assert_eq!(both(f64::INFINITY)[0][..3], [f64::INFINITY, 1.0, f64::INFINITY]);
}

keops! {
    /// Operators on formulas.
    pub fn operators(x: Vi<3>, y: Vj<3>) -> Sum<j> {
        let f = y * SqDist(x, y);
        let l = y * (x | y) + 2 * x;
        let matrices = Concat(GradMatrix(f, x), GradMatrix(TensorProd(x, Extract(x, 1, 2)), x));
        let traces = Concat(TraceOperator(l, x), Concat(TraceOperator(l, x, y), AdjointOperator(l, x, x)));
        let sums = Concat(SumLinOperator(l, x), Concat(SumLinOperator(l, x, y), SumLinOperator(l, x, y, x)));
        Concat(matrices, Concat(traces, Concat(sums, Concat(Factorize(f, x), AutoFactorize(f)))))
    }
}

fn operators_oracle(x: [f64; 3], y: [f64; 3]) -> [f64; 41] {
    let r2 = harness::squared_distance(&x, &y);
    let is = |b: bool| f64::from(u8::from(b));
    let mut out: Vec<f64> = (0..9).map(|n| 2.0 * y[n / 3] * (x[n % 3] - y[n % 3])).collect();
    // component (r, c) of the product is x_r x_(c + 1)
    out.extend((0..18).map(|n| {
        let (r, c, k) = (n / 6, n / 3 % 2 + 1, n % 3);
        is(r == k) * x[c] + is(c == k) * x[r]
    }));
    let entry = |r: usize, c: usize| y[r] * y[c] + 2.0 * is(r == c);
    out.push((0..3).map(|k| entry(k, k)).sum());
    out.push((0..3).map(|k| y[k] * entry(k, k)).sum());
    out.extend((0..3).map(|c| (0..3).map(|r| entry(r, c) * x[r]).sum::<f64>()));
    out.push((0..9).map(|n| entry(n / 3, n % 3)).sum());
    out.push((0..9).map(|n| y[n / 3] * entry(n / 3, n % 3)).sum());
    out.push((0..9).map(|n| y[n / 3] * entry(n / 3, n % 3) * x[n % 3]).sum());
    out.extend([y.map(|y| y * r2), y.map(|y| y * r2)].concat());
    out.try_into().expect("41 numbers")
}

fn triple(random: &mut Random) -> [f64; 3] {
    numbers(random, -1.5..1.5)
}

group!(operators_of_points: operators, 3, 41, operators_oracle, triple, triple, 30.0);

keops! {
    /// Operations under two names each: all of this is 0.
    #[keops(order = 0)]
    pub fn still_other_names(x: Vi<6>, y: Vj<6>) -> Sum<j> {
        let c = x + y;
        let s = elem(c, 0);
        let q = elem(c, 1);
        let functions = concat(asin(s) - Asin(s), acos(s) - Acos(s)).concat(s.atan() - Atan(s)).concat(atan2(s, q) - Atan2(s, q))
            .concat(sinxdivx(s) - SinXDivX(s)).concat(sinc(s) - SinXDivX(s)).concat(floor(c) - Floor(c))
            .concat(c.round(2) - Round(c, 2)).concat(mod(c, q) - Mod(c, q)).concat(c.rem(q, s) - Mod(c, q, s))
            .concat(clamp_int(c, -1, 1) - ClampInt(c, -1, 1)).concat(diff_clamp_int(c, -1, 1) - DiffClampInt(c, -1, 1));
        let vectors = concat(sqnorm_iso(s, c) - SqNormIso(s, c), sqnorm_diag(c, x) - SqNormDiag(c, x))
            .concat(sym_sqnorm(extract(c, 0, 4), extract(x, 0, 2)) - SymSqNorm(extract(c, 0, 4), extract(x, 0, 2)))
            .concat(max(c) - Max(c)).concat(c.min() - Min(c)).concat(argmax(c) - ArgMax(c)).concat(argmin(c) - ArgMin(c))
            .concat(one_hot(3 * q, 4) - OneHot(3 * q, 4)).concat(elem_t(q, 3, 1) - ElemT(q, 3, 1))
            .concat(extract_t(c, 1, 8) - ExtractT(c, 1, 8));
        let tensors = concat(tensordot(c, x, [2, 3], [2, 3], [0], [0]) - TensorDot(c, x, [2, 3], [2, 3], [0], [0]),
            keops_tensordot(c, x, [6], [6], [], []) - TensorDot(c, x, [6], [6], [], []))
            .concat(kron(c, x, [6], [6]) - Kron(c, x, [6], [6])).concat(keops_kron(c, x, [2, 3], [3, 2]) - Kron(c, x, [2, 3], [3, 2]))
            .concat(bspline(c, s, 2) - BSpline(c, s, 2)).concat(softdtw_sqdist(c, x, q) - SoftDTW_SqDist(c, x, q));
        let h = extract(c, 2, 2);
        let complexes = concat(complex_real(c) - ComplexReal(c), real(c) - ComplexReal(c)).concat(complex_imag(c) - ComplexImag(c))
            .concat(c.imag() - ComplexImag(c)).concat(real2complex(c) - Real2Complex(c)).concat(imag2complex(c) - Imag2Complex(c))
            .concat(conj(c) - Conj(c)).concat(complex_add(c, h) - ComplexAdd(c, h)).concat(complex_subtract(c, h) - ComplexSubtract(c, h))
            .concat(complex_mult(c, h) - ComplexMult(c, h)).concat(complex_divide(c, h) - ComplexDivide(c, h))
            .concat(complex_real_scal(s, c) - ComplexRealScal(s, c)).concat(complex_square_abs(c) - ComplexSquareAbs(c))
            .concat(complex_abs(c) - ComplexAbs(c)).concat(complex_angle(c) - ComplexAngle(c)).concat(c.angle() - ComplexAngle(c))
            .concat(complex_sum(c) - ComplexSum(c)).concat(complex_sum_t(h, 4) - ComplexSumT(h, 4))
            .concat(complex_exp(c) - ComplexExp(c)).concat(complex_exp1j(c) - ComplexExp1j(c)).concat(c.exp1j() - ComplexExp1j(c));
        let l = x * s;
        let operators = concat(grad_matrix(x * q, x) - GradMatrix(x * q, x), trace_operator(y * x, x) - TraceOperator(y * x, x))
            .concat(adjoint_operator(y * x, x, c) - AdjointOperator(y * x, x, c)).concat(sum_lin_operator(y * x, x) - SumLinOperator(y * x, x))
            .concat(factorize(l, c) - Factorize(l, c)).concat(auto_factorize(l) - AutoFactorize(l));
        functions.concat(vectors).concat(tensors).concat(complexes).concat(operators)
    }
}

keops! {
    /// More of them, by themselves: a formula of this many operations takes long to compile.
    #[keops(order = 0)]
    pub fn names_of_differences(x: Vi<6>, y: Vj<6>) -> Sum<j> {
        let c = x + y;
        let a = extract(x, 0, 2);
        let b = extract(y, 1, 2);
        let distances = concat(sym_sqdist(extract(c, 0, 4), a, b) - SymSqDist(extract(c, 0, 4), a, b),
            SymSqDist(extract(c, 0, 4), a, b) - SymSqNorm(extract(c, 0, 4), difference_matrix(a, b)));
        distances.concat(cat(c, x) - Concat(c, x)).concat(concatenate(x, a) - Concat(x, a))
    }
}

#[test]
fn names_of_differences_are_names_of_one_operation() {
    let mut random = Random::new();
    let (x, y): (Vec<[f64; 6]>, Vec<[f64; 6]>) = (random.rows(10, 0.1..0.4), random.rows(1, 0.1..0.4));
    let zeros = names_of_differences(&x, &y).eval().unwrap();
    assert!(zeros.as_flat().iter().all(|&zero| zero == 0.0), "{zeros:?}");
}

#[test]
fn still_other_names_are_names_of_one_operation() {
    let mut random = Random::new();
    let (x, y): (Vec<[f64; 6]>, Vec<[f64; 6]>) = (random.rows(10, 0.1..0.4), random.rows(1, 0.1..0.4));
    let zeros = still_other_names(&x, &y).eval().unwrap();
    assert!(zeros.as_flat().iter().all(|&zero| zero == 0.0), "{zeros:?}");
}

keops! {
    /// The structure factor of points, a complex number: no code of it depends on D.
    #[keops(cuda(D = 3), cuda(D = 5))]
    pub fn structure<const D: usize>(x: Vi<D>, y: Vj<D>) -> Sum<j> { ComplexSum(ComplexMult(exp1j(x), conj(exp1j(y)))) }
}

fn structure_of<const D: usize>(random: &mut Random) {
    let (x, y): (Vec<[f64; D]>, Vec<[f64; D]>) = (random.cloud(20), random.cloud(30));
    let found = structure(&x, &y).eval().unwrap();
    for (x, found) in x.iter().zip(found.iter()) {
        let terms = || y.iter().flat_map(|y| (0..D).map(|d| x[d] - y[d]));
        assert_near(found[0], terms().map(f64::cos).sum(), 1e-12, "real part");
        assert_near(found[1], terms().map(f64::sin).sum(), 1e-12, "imaginary part");
    }
}

#[test]
fn complex_numbers_of_any_dimension() {
    let mut random = Random::new();
    structure_of::<3>(&mut random);
    structure_of::<5>(&mut random);
}

keops! {
    /// Where the newer operations have conventions, at a and b.
    pub fn corners(x: Vi<2>, y: Vj<1>) -> Sum<j> {
        let v = x + y;
        let a = Elem(v, 0);
        let b = Elem(v, 1);
        let angles = Concat(Asin(a), Concat(Acos(a), Concat(Atan(a), Concat(Atan2(a, b), SinXDivX(a)))));
        let steps = Concat(Floor(a), Concat(Round(a), Concat(Round(a, 2), ClampInt(a, -1, 1))));
        Concat(angles, Concat(steps, Concat(Max(v), Concat(ArgMax(v), Concat(Min(v), OneHot(a, 3))))))
    }
}

fn corners_oracle(a: f64, b: f64) -> [f64; 15] {
    let sinc = if a == 0.0 { 1.0 } else { a.sin() / a };
    // NaN is skipped
    let (most, least) = (f64::NEG_INFINITY.max(a).max(b), f64::INFINITY.min(a).min(b));
    let place = if b > a || (a.is_nan() && b > f64::NEG_INFINITY) { 1.0 } else { 0.0 };
    let hot = |k: f64| f64::from(u8::from((a + 0.5).floor() == k));
    let low = if a < -1.0 { -1.0 } else { a };
    let clamped = if low > 1.0 { 1.0 } else { low };
    let decimals = if a.abs() < 1e15 { (a * 100.0).round() / 100.0 } else { a };
    let angles = [a.asin(), a.acos(), a.atan(), a.atan2(b), sinc];
    let steps = [a.floor(), a.round(), decimals, clamped, most, place, least, hot(0.0), hot(1.0), hot(2.0)];
    [angles.as_slice(), &steps].concat().try_into().expect("15 numbers")
}

fn check_corners<T: Element>() {
    let tiny = T::min_positive_value().exact();
    let mut special = vec![0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, 0.25, 1.75, 3.0, 1e6, tiny, -tiny];
    special.extend([f64::INFINITY, f64::NEG_INFINITY, f64::NAN, T::max_value().exact()]);
    let x: Vec<[T; 2]> = special.iter().flat_map(|&a| special.iter().map(move |&b| [a, b].map(T::from_f64))).collect();
    let found = corners(&x, &[[-T::zero()]]).eval().unwrap();
    for (x, found) in x.iter().zip(found.iter()) {
        let [a, b] = x.map(T::exact);
        for (c, (&found, expected)) in found.iter().zip(corners_oracle(a, b)).enumerate() {
            assert_near(found.exact(), expected, 3.0 * epsilon::<T>() * expected.abs() + tiny, (c, a, b));
        }
    }
}

#[test]
fn corners_f64() {
    check_corners::<f64>();
}

#[test]
fn corners_f32() {
    check_corners::<f32>();
}

#[test]
fn derivatives_at_corners() {
    let slopes = |a: f64, b: f64, c: usize| {
        let mut e = [0.0; 15];
        e[c] = 1.0;
        let gradient = corners(&[[a, b]], &[[-0.0]]).vjp_x(&[e]).eval().unwrap();
        gradient[0]
    };
    // asin and acos are flat at their ends as roots are at 0, and so is the angle of the origin
    for (c, a) in [(0, 1.0), (0, -1.0), (1, 1.0), (1, -1.0), (3, 0.0)] {
        assert_eq!(slopes(a, 0.0, c), [0.0; 2], "component {c} at {a}");
    }
    // the ends of a clamp are inside; the first of two largest has the slope
    assert_eq!([slopes(1.0, 0.0, 8), slopes(-1.0, 0.0, 8)], [[1.0, 0.0]; 2]);
    assert_eq!([slopes(0.5, 0.5, 9), slopes(0.5, 0.5, 11)], [[1.0, 0.0]; 2]);
    // sin(x)/x is 1 - x²/6 + ...
    for a in [0.0, 1e-200, 1e-9, 1e-4] {
        assert_near(slopes(a, 0.0, 4)[0], -a / 3.0, 1e-9 * a, ("slope of sin(x)/x", a));
        let curvature = wave(&[[a]], &[[-0.0]]).vjp_x(&[[1.0]]).jvp_x(&[[1.0]]).eval().unwrap();
        assert_near(curvature[0][0], -1.0 / 3.0, 1e-8, ("curvature of sin(x)/x", a));
    }
}

keops! {
    /// Splines over knots that coincide at both ends.
    pub fn clamped_splines(k: Pm<8>, x: Vi<1>, y: Vj<1>) -> Sum<j> { BSpline(k, x + y, 2) }
    /// A wave that is differentiated twice.
    #[keops(order = 2)]
    pub fn wave(x: Vi<1>, y: Vj<1>) -> Sum<j> { SinXDivX(x + y) }
    /// A warping that is differentiated twice.
    #[keops(order = 2)]
    pub fn warped(a: Vi<3>, b: Vj<4>, c: Pm<1>) -> Sum<j> { SoftDTW_SqDist(a, b, c) }
}

#[test]
fn clamped_splines_are_a_partition_of_unity() {
    let knots = [0.0, 0.0, 0.0, 0.3, 0.7, 1.0, 1.0, 1.0];
    let x: Vec<[f64; 1]> = (0..100).map(|k| [f64::from(k) / 100.0]).collect();
    let (found, e) = (clamped_splines(knots, &x, &[[0.0]]).eval().unwrap(), vec![[1.0; 5]; x.len()]);
    let all = clamped_splines(knots, &x, &[[0.0]]).vjp(&e).eval().unwrap();
    for (i, splines) in found.iter().enumerate() {
        for (k, &value) in splines.iter().enumerate() {
            assert_near(value, spline(&knots, x[i][0], k, 2), 1e-15, (i, k));
        }
        assert_near(splines.iter().sum(), 1.0, 1e-15, i);
        assert_near(all.x[i][0], 0.0, 1e-13, ("the slopes cancel", i));
    }
    assert!(all.k.as_flat().iter().all(|slope| slope.is_finite()), "{:?}", all.k);
}

#[test]
fn a_warping_has_second_derivatives() {
    let mut random = Random::new();
    let (a, b, u): ([[f64; 3]; 1], [[f64; 4]; 1], [f64; 4]) =
        ([numbers(&mut random, -1.0..1.0)], [numbers(&mut random, -1.0..1.0)], numbers(&mut random, -1.0..1.0));
    let c: f64 = random.number(0.4..1.5);
    let gradient = |b: [[f64; 4]; 1], c: f64| warped(&a, &b, c).vjp_a(&[[1.0]]).eval().unwrap().into_vec();
    let along_b = slope_rows(|h| gradient([std::array::from_fn(|k| b[0][k] + h * u[k])], c));
    let found = warped(&a, &b, c).vjp_a(&[[1.0]]).jvp_b(&[u]).eval().unwrap();
    let along_c = slope_rows(|h| gradient(b, c + h));
    let found_c = warped(&a, &b, c).vjp_a(&[[1.0]]).jvp_c([1.0]).eval().unwrap();
    for k in 0..3 {
        assert_near(found[0][k], along_b[0][k], 1e-8, ("by a and b", k));
        assert_near(found_c[0][k], along_c[0][k], 1e-8, ("by a and γ", k));
    }
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
