//! Dimensions from 1 to 1000, literal and const generic; formulas that lack some kind of variable; accuracy in `f32`.

#![allow(clippy::needless_range_loop, reason = "rows of arrays, compared by component")]
#![allow(clippy::needless_borrows_for_generic_args, reason = "references are arguments of their own")]

mod harness;

use harness::{Exact, Random, assert_near, assert_rows, dot, few, large, squared_distance, wide};
use keops::{DeviceMatrix, Element, Matrix, f16, operator::LinearOperator, prelude::*};

/// The numbers of points: lanes are left over.
const N: usize = 27;
/// See [`N`].
const M: usize = 41;

keops! {
    /// (K s)_i = Σ_j exp(-|x_i - y_j|²) s_j
    #[keops(cuda(D = 2))]
    fn smooth<const D: usize>(x: Vi<D>, y: Vj<D>, s: Vj<D * D>) -> Sum<j> { exp(-sqdist(x, y)) * s }
    /// The same, with the mean of all components added to each.
    #[keops(cuda(D = 2))]
    fn turned<const D: usize>(x: Vi<D>, y: Vj<D>, s: Vj<D * D>) -> Sum<j> { exp(-sqdist(x, y)) * (s + 0.25 * sum(s)) }

    /// a_i = Σ_j exp(-g |x_i - y_j|²) b_j
    #[keops(cuda(D = 0), cuda(D = 1), cuda(D = 2), cuda(D = 3), cuda(D = 16), cuda(D = 64), cuda(D = 784), cuda(D = 1000))]
    fn gauss<const D: usize>(g: Pm<1>, x: Vi<D>, y: Vj<D>, b: Vj<1>) -> Sum<j> {
        exp(-g * sqdist(x, y)) * b
    }
}

fn check_gauss<const D: usize>() {
    let mut random = Random::new();
    let g = 1.0 / D as f64;
    let (x, y): (Vec<[f64; D]>, Vec<[f64; D]>) = (random.cloud(N), random.cloud(M));
    let b: Vec<[f64; 1]> = random.cloud(M);
    let k = |i: usize, j: usize| (-g * squared_distance(&x[i], &y[j])).exp() * b[j][0];
    let expected: Vec<[f64; 1]> = (0..N).map(|i| [(0..M).map(|j| k(i, j)).sum()]).collect();
    assert_rows(&gauss(g, &x, &y, &b).eval().unwrap(), &expected, 1e-14, "value");
}

fn check_gauss_gradient<const D: usize>() {
    let mut random = Random::new();
    let g = 1.0 / D as f64;
    let (x, y): (Vec<[f64; D]>, Vec<[f64; D]>) = (random.cloud(N), random.cloud(M));
    let (b, e): (Vec<[f64; 1]>, Vec<[f64; 1]>) = (random.cloud(M), random.cloud(N));
    let k = |i: usize, j: usize| (-g * squared_distance(&x[i], &y[j])).exp() * b[j][0] * e[i][0];
    let in_x: Vec<[f64; D]> = (0..N)
        .map(|i| {
            let mut sum = [0.0; D];
            for j in 0..M {
                let weight = -2.0 * g * k(i, j);
                (0..D).for_each(|d| sum[d] += weight * (x[i][d] - y[j][d]));
            }
            sum
        })
        .collect();
    assert_rows(&gauss(g, &x, &y, &b).vjp_x(&e).eval().unwrap(), &in_x, 1e-14, "gradient");
}

#[test]
fn every_dimension() {
    check_gauss::<1>();
    check_gauss::<2>();
    check_gauss::<3>();
    check_gauss::<16>();
    check_gauss::<64>();
    check_gauss::<784>();
    check_gauss::<1000>();
    check_gauss_gradient::<1>();
    check_gauss_gradient::<64>();
    check_gauss_gradient::<1000>();
}

keops! {
    /// Rows of f that are taken in parts, with pieces that begin inside of one.
    fn long_rows(x: Vi<300>, y: Vj<300>) -> Sum<j> {
        let k = exp(-sqdist(x, y) / 300);
        concat(k, concat(k * (x - y), concat(k * k, k * y)))
    }
    /// The same with every rounding kept.
    #[keops(order = 0, sum = compensated)]
    fn long_rows_compensated(x: Vi<300>, y: Vj<300>) -> Sum<j> {
        let k = exp(-sqdist(x, y) / 300);
        concat(k, concat(k * (x - y), concat(k * k, k * y)))
    }
}

#[test]
fn long_rows_in_parts() {
    let mut random = Random::new();
    let (x, y): (Vec<[f64; 300]>, Vec<[f64; 300]>) = (random.cloud(N), random.cloud(M));
    let term = |i: usize, j: usize| -> [f64; 602] {
        let k = (-squared_distance(&x[i], &y[j]) / 300.0).exp();
        let differences: [f64; 300] = std::array::from_fn(|d| k * (x[i][d] - y[j][d]));
        [&[k][..], &differences, &[k * k], &y[j].map(|y| k * y)].concat().try_into().unwrap()
    };
    let sum = |i: usize| {
        let terms = (0..M).map(|j| term(i, j));
        terms.fold([0.0; 602], |sum, term| std::array::from_fn(|c| sum[c] + term[c]))
    };
    let expected: Vec<[f64; 602]> = (0..N).map(sum).collect();
    assert_rows(&long_rows(&x, &y).eval().unwrap(), &expected, 1e-14, "in parts");
    assert_rows(&long_rows_compensated(&x, &y).eval().unwrap(), &expected, 1e-14, "compensated, in parts");
}

keops! {
    /// A wide right-hand side, which may have no columns.
    #[keops(order = 0, cuda(D = 0))]
    fn no_component<const D: usize>(x: Vi<64>, y: Vj<64>, b: Vj<D>) -> Sum<j> { exp(-sqdist(x, y)) * b }
}

#[test]
fn dimension_0() {
    // no component: all distances are 0
    let found = gauss(1.0, &[[0.0; 0]; 3], &[[0.0; 0]; 2], &[[1.0], [2.0]]).eval().unwrap();
    assert_eq!(found.as_flat(), [3.0; 3]);
    // no component of the result, with a contraction that is a matrix product
    let found = no_component(&[[0.0; 64]; 3], &[[0.0; 64]; 2], &[[0.0; 0]; 2]).eval().unwrap();
    assert_eq!(found.len(), 3);
}

keops! {
    /// Vectors and matrices whose dimensions are sums and products of const generics.
    #[keops(cuda(D = 1, E = 1), cuda(D = 5, E = 3), cuda(D = 16, E = 1))]
    fn polynomials<const D: usize, const E: usize>(x: Vi<D>, y: Vj<D>, u: Vi<E>, v: Vj<E>) -> Sum<j> {
        let all = concat(x * y, u * v);
        let tail = extract(all, D, E);
        let head = extract(all, 0, D);
        let matrix = outer(tail, head);
        let image = mat_vec(matrix, x);
        let back = vec_mat(v, matrix);
        (sqnorm2(all) + sum(head)) * image + (back | y) * tail + sqdist(concat(x, u), concat(y, v)) * v
    }
}

fn check_polynomials<const D: usize, const E: usize>() {
    let mut random = Random::new();
    let (x, y): (Vec<[f64; D]>, Vec<[f64; D]>) = (random.cloud(N), random.cloud(M));
    let (u, v): (Vec<[f64; E]>, Vec<[f64; E]>) = (random.cloud(N), random.cloud(M));
    let term = |i: usize, j: usize| -> [f64; E] {
        let head: [f64; D] = std::array::from_fn(|d| x[i][d] * y[j][d]);
        let tail: [f64; E] = std::array::from_fn(|c| u[i][c] * v[j][c]);
        let norm = dot(&head, &head) + dot(&tail, &tail) + head.iter().sum::<f64>();
        let distance = squared_distance(&x[i], &y[j]) + squared_distance(&u[i], &v[j]);
        let (image, back) = (dot(&head, &x[i]), dot(&tail, &v[j]) * dot(&head, &y[j]));
        std::array::from_fn(|c| norm * tail[c] * image + back * tail[c] + distance * v[j][c])
    };
    let sum = |i: usize| {
        let terms = (0..M).map(|j| term(i, j));
        terms.fold([0.0; E], |sum, term| std::array::from_fn(|c| sum[c] + term[c]))
    };
    let found = polynomials(&x, &y, &u, &v).eval().unwrap();
    assert_rows(&found, &(0..N).map(sum).collect::<Vec<_>>(), 1e-14, "polynomials");
    // along x and back again
    let (e, t): (Vec<[f64; E]>, Vec<[f64; D]>) = (random.cloud(N), random.cloud(N));
    let along = polynomials(&x, &y, &u, &v).jvp_x(&t).eval().unwrap();
    let gradient = polynomials(&x, &y, &u, &v).vjp_x(&e).eval().unwrap();
    let value = |h: f64| polynomials(&harness::moved(&x, h, &t), &y, &u, &v).eval().unwrap().into_vec();
    assert_rows(&along, &harness::slope_rows(value), 1e-9, "along x");
    let scale = 1.0 + harness::inner(&along, &e).abs();
    assert_near(harness::inner(&gradient, &t), harness::inner(&along, &e), 1e-11 * scale, "gradient in x");
}

#[test]
fn dimensions_that_are_polynomials() {
    check_polynomials::<1, 1>();
    check_polynomials::<5, 3>();
    check_polynomials::<16, 1>();
}

keops! {
    /// Literal dimensions: matrices that are no squares, parts of parts, parts of all stages.
    fn matrices(p: Pm<2>, x: Vi<3>, m: Vi<12>, y: Vj<4>, w: Vj<12>) -> Sum<j> {
        let image = mat_vec(m, y);
        let back = vec_mat(x, w);
        let product = outer(image, back);
        let parts = concat(extract(extract(product, 2, 9), 3, 4), concat(elem(m, 11), elem(p, 1)));
        let mixed = concat(p, concat(image, concat(back, 2 * x)));
        concat(mat_vec(product, y), concat(parts, concat(extract(mixed, 1, 9), elem(mixed, 11) * p)))
    }
}

#[test]
fn literal_dimensions() {
    let mut random = Random::new();
    let p: [f64; 2] = random.cloud(1)[0];
    let (x, m): (Vec<[f64; 3]>, Vec<[f64; 12]>) = (random.cloud(N), random.cloud(N));
    let (y, w): (Vec<[f64; 4]>, Vec<[f64; 12]>) = (random.cloud(M), random.cloud(M));
    let term = |i: usize, j: usize| -> [f64; 20] {
        let image: [f64; 3] = std::array::from_fn(|r| (0..4).map(|c| m[i][4 * r + c] * y[j][c]).sum());
        let back: [f64; 4] = std::array::from_fn(|c| (0..3).map(|r| x[i][r] * w[j][4 * r + c]).sum());
        let product: [f64; 12] = std::array::from_fn(|k| image[k / 4] * back[k % 4]);
        let mixed = [&p[..], &image, &back, &x[i].map(|x| 2.0 * x)].concat();
        let first: [f64; 3] = std::array::from_fn(|r| (0..4).map(|c| product[4 * r + c] * y[j][c]).sum());
        let parts = [&product[5..9], &[m[i][11], p[1]]].concat();
        [&first[..], &parts, &mixed[1..10], &p.map(|p| p * mixed[11])].concat().try_into().unwrap()
    };
    let sum = |i: usize| {
        let terms = (0..M).map(|j| term(i, j));
        terms.fold([0.0; 20], |sum, term| std::array::from_fn(|c| sum[c] + term[c]))
    };
    let found = matrices(p, &x, &m, &y, &w).eval().unwrap();
    assert_rows(&found, &(0..N).map(sum).collect::<Vec<_>>(), 1e-14, "matrices");
    let e: Vec<[f64; 20]> = random.cloud(N);
    let (tp, tm, tw) = (random.cloud::<f64, 2>(1), random.cloud::<f64, 12>(N), random.cloud::<f64, 12>(M));
    let all = matrices(p, &x, &m, &y, &w).vjp(&e).eval().unwrap();
    let value = |p: &[[f64; 2]], m: &Vec<[f64; 12]>, w: &Vec<[f64; 12]>| {
        harness::inner(&matrices(p[0], &x, m, &y, w).eval().unwrap(), &e)
    };
    let by_p = harness::slope(|h| value(&harness::moved(&[p], h, &tp), &m, &w));
    assert_near(harness::inner(&all.p, &tp), by_p, 1e-8, "p");
    let by_m = harness::slope(|h| value(&[p], &harness::moved(&m, h, &tm), &w));
    assert_near(harness::inner(&all.m, &tm), by_m, 1e-8, "m");
    let by_w = harness::slope(|h| value(&[p], &m, &harness::moved(&w, h, &tw)));
    assert_near(harness::inner(&all.w, &tw), by_w, 1e-8, "w");
}

keops! {
    /// No variable of i: one row.
    fn without_i(p: Pm<2>, y: Vj<2>) -> Sum<j> { exp(-sqdist(p, y)) * y }
    /// No variable of j: one term.
    fn without_j(p: Pm<2>, x: Vi<2>) -> Sum<j> { exp(-sqdist(p, x)) * x }
    /// No variable of i, reduced over i: one term for each j.
    fn without_i_over_i(p: Pm<2>, y: Vj<2>) -> Sum<i> { exp(-sqdist(p, y)) * y }
    /// No parameter.
    fn without_parameter(x: Vi<2>, y: Vj<2>) -> LogSumExp<j> { (x | y) }
    /// Only parameters: one row of one term.
    fn only_parameters(p: Pm<2>, q: Pm<2>) -> Sum<j> { exp(-sqdist(p, q)) * p }
    /// Only parameters, over i.
    fn only_parameters_over_i(p: Pm<2>, q: Pm<2>) -> LogSumExp<i> { (p | q) }
    /// One variable of j only.
    fn total(y: Vj<1>) -> Sum<j> { y }
    /// One variable of j only.
    fn smallest(y: Vj<1>) -> MinArgMin<j> { y }
    /// Neither component nor number depends on anything: the number of sources.
    fn count(y: Vj<1>) -> Sum<j> { 1 + 0 * y }
}

#[test]
fn formulas_that_lack_variables() {
    let mut random = Random::new();
    let (p, q): ([f64; 2], [f64; 2]) = (random.cloud(1)[0], random.cloud(1)[0]);
    let (x, y): (Vec<[f64; 2]>, Vec<[f64; 2]>) = (random.cloud(N), random.cloud(M));
    let term = |y: &[f64; 2]| y.map(|c| c * (-squared_distance(&p, y)).exp());
    let terms: Vec<[f64; 2]> = y.iter().map(term).collect();
    let sum = terms.iter().fold([0.0; 2], |sum, term| [sum[0] + term[0], sum[1] + term[1]]);
    assert_rows(&without_i(p, &y).eval().unwrap(), &[sum], 1e-14, "without i");
    assert_rows(&without_j(p, &x).eval().unwrap(), &x.iter().map(term).collect::<Vec<_>>(), 1e-14, "without j");
    assert_rows(&without_i_over_i(p, &y).eval().unwrap(), &terms, 1e-14, "without i, over i");
    let logs: Vec<[f64; 1]> = x.iter().map(|x| [y.iter().map(|y| dot(x, y).exp()).sum::<f64>().ln()]).collect();
    assert_rows(&without_parameter(&x, &y).eval().unwrap(), &logs, 1e-14, "without a parameter");
    let k = (-squared_distance(&p, &q)).exp();
    assert_rows(&only_parameters(p, q).eval().unwrap(), &[p.map(|p| p * k)], 1e-15, "only parameters");
    assert_rows(&only_parameters_over_i(p, q).eval().unwrap(), &[[dot(&p, &q)]], 1e-15, "only parameters, over i");

    // and their gradients
    let e: [[f64; 2]; 1] = [random.cloud(1)[0]];
    let in_y: Vec<[f64; 2]> = y
        .iter()
        .map(|y| {
            let k = (-squared_distance(&p, y)).exp();
            std::array::from_fn(|d| k * (e[0][d] + 2.0 * (p[d] - y[d]) * dot(y, &e[0])))
        })
        .collect();
    assert_rows(&without_i(p, &y).vjp_y(&e).eval().unwrap(), &in_y, 1e-14, "gradient without i");
    let by_p = |y: &[f64; 2]| -> [f64; 2] {
        let k = (-squared_distance(&p, y)).exp();
        std::array::from_fn(|d| -2.0 * (p[d] - y[d]) * k * dot(y, &e[0]))
    };
    let in_p = y.iter().map(by_p).fold([0.0; 2], |sum, term| [sum[0] + term[0], sum[1] + term[1]]);
    assert_rows(&without_i(p, &y).vjp_p(&e).eval().unwrap(), &[in_p], 1e-14, "gradient in p without i");
    let ones = vec![e[0]; N];
    let in_p = x.iter().map(by_p).fold([0.0; 2], |sum, term| [sum[0] + term[0], sum[1] + term[1]]);
    assert_rows(&without_j(p, &x).vjp_p(&ones).eval().unwrap(), &[in_p], 1e-14, "gradient in p without j");
    let all = only_parameters(p, q).vjp(&e).eval().unwrap();
    let in_q: [f64; 2] = std::array::from_fn(|d| 2.0 * (p[d] - q[d]) * k * dot(&p, &e[0]));
    assert_rows(&all.q, &[in_q], 1e-15, "gradient of parameters alone");
    assert_rows(&all.p, &[std::array::from_fn(|d| k * e[0][d] - in_q[d])], 1e-15, "gradient of parameters alone");
    let along = only_parameters_over_i(p, q).jvp_p(q).eval().unwrap();
    assert_rows(&along, &[[dot(&q, &q)]], 1e-15, "along p");
}

#[test]
fn one_variable_alone() {
    let y = Random::new().cloud::<f64, 1>(large(100_000));
    let sum: f64 = y.iter().map(|y| y[0]).sum();
    let size: f64 = y.iter().map(|y| y[0].abs()).sum();
    assert_near(total(&y).eval().unwrap()[0][0], sum, 1e-15 * size, "total");
    assert_eq!(total(&y).vjp_y(&[[2.0]]).eval().unwrap().into_flat(), vec![2.0; y.len()]);
    let (value, place) = smallest(&y).eval().unwrap();
    let least = (0..y.len()).min_by(|&a, &b| y[a][0].total_cmp(&y[b][0])).unwrap();
    assert_eq!((value[0][0], place[0][0]), (y[least][0], least as u32));
    assert_eq!(count(&y).eval().unwrap().as_flat(), [y.len() as f64]);
    assert_eq!(count(&[[0.0_f32]; 0]).eval().unwrap().as_flat(), [0.0]);
}

/// The sum in f32 against f64, relative to Σ_j |K b|, for data around `offset`.
fn check_accuracy<const D: usize>(targets: usize, sources: usize, offset: f64) {
    let mut random = Random::new();
    let range = offset - 1.0..offset + 1.0;
    let (x, y): (Vec<[f32; D]>, Vec<[f32; D]>) = (random.rows(targets, range.clone()), random.rows(sources, range));
    let b: Vec<[f32; 1]> = random.cloud(sources);
    let g = 1.0 / D as f32;
    let found = gauss(g, &x, &y, &b).eval().unwrap();
    let (x, y, b) = (wide(&x), wide(&y), wide(&b));
    for i in (0..targets).step_by(1 + targets / 10) {
        let (mut sum, mut size) = (0.0, 0.0);
        for j in 0..sources {
            let term = (-f64::from(g) * squared_distance(&x[i], &y[j])).exp() * b[j][0];
            sum += term;
            size += term.abs();
        }
        assert_near(found[i][0].exact(), sum, 1e-6 * size, (D, targets, sources, offset, i));
    }
}

#[test]
fn sums_in_f32_are_accurate() {
    for offset in [0.0, 100.0, 1000.0, 10_000.0] {
        for targets in [1, 3, 64, 100] {
            check_accuracy::<3>(targets, large(200_000), offset);
        }
        check_accuracy::<3>(few(3000), large(20_000), offset);
        check_accuracy::<3>(large(20_000), 3, offset);
        check_accuracy::<64>(100, large(1000), offset);
    }
}

/// The gradient in x in f32 against f64, as vectors relative to the terms of ∂a/∂x_i = Σ_j s_ij (x_i - y_j), for data around
/// `offset` of which every other point is in a cluster of a certain `width`. That in y is the same with x and y exchanged.
fn check_gradient_accuracy<const D: usize>(offset: f64, width: f64) {
    let mut random = Random::new();
    let mut cloud = |rows: usize| {
        let spread: Vec<[f32; D]> = random.rows(rows, offset - 1.0..offset + 1.0);
        let cluster: Vec<[f32; D]> = random.rows(rows, offset + 0.5..offset + 0.5 + width);
        cluster.iter().zip(&spread).enumerate().map(|(i, (a, b))| if i % 2 == 0 { *a } else { *b }).collect::<Vec<_>>()
    };
    let (x, mut y) = (cloud(70), cloud(130));
    // some points are in both clouds
    y[3] = x[4];
    y[77] = x[5];
    let (b, e): (Vec<[f32; 1]>, Vec<[f32; 1]>) = (random.cloud(y.len()), random.cloud(x.len()));
    let g = (1.0 / (D as f64 * width * width)) as f32;
    let in_x = gauss(g, &x, &y, &b).vjp_x(&e).eval().unwrap();
    let in_y = gauss(g, &y, &x, &e).vjp_y(&b).eval().unwrap();
    let (x, y, b, e) = (wide(&x), wide(&y), wide(&b), wide(&e));
    for i in 0..x.len() {
        let (mut sum, mut size) = ([0.0; D], 0.0);
        for j in 0..y.len() {
            let distance = squared_distance(&x[i], &y[j]);
            let scale = -2.0 * f64::from(g) * (-f64::from(g) * distance).exp() * e[i][0] * b[j][0];
            (0..D).for_each(|d| sum[d] += scale * (x[i][d] - y[j][d]));
            // an exponential hands on the error of its exponent
            size += scale.abs() * distance.sqrt() * (1.0 + f64::from(g) * distance);
        }
        for (found, name) in [(&in_x, "x"), (&in_y, "y")] {
            let error = (0..D).map(|d| (found[i][d].exact() - sum[d]).powi(2)).sum::<f64>().sqrt();
            assert!(error <= 1e-6 * size + 1e-30, "in {name}: {error:.1e} of {size:.1e} {:?}", (D, offset, width, i));
        }
    }
}

#[test]
fn gradients_in_f32_are_accurate() {
    for offset in [0.0, 1000.0] {
        for width in [1.0, 0.125, 0.01] {
            check_gradient_accuracy::<3>(offset, width);
            check_gradient_accuracy::<64>(offset, width);
        }
    }
}

#[test]
fn gradients_may_be_infinite() {
    const D: usize = 64;
    let mut random = Random::new();
    let (x, y): (Vec<[f32; D]>, Vec<[f32; D]>) = (random.cloud(20), random.cloud(24));
    let (wide_x, wide_y) = (wide(&x), wide(&y));
    for weight in [f32::INFINITY, f32::NEG_INFINITY, f32::MAX] {
        let mut b: Vec<[f32; 1]> = random.cloud(y.len());
        b[9][0] = weight;
        let found = gauss(1.0, &x, &y, &b).vjp_x(&vec![[1.0]; x.len()]).eval().unwrap();
        for i in 0..x.len() {
            let scale = |j: usize| -2.0 * (-squared_distance(&wide_x[i], &wide_y[j])).exp() * b[j][0].exact();
            let scales: Vec<f64> = (0..y.len()).map(scale).collect();
            for d in 0..D {
                let term = |j: usize| scales[j] * (x[i][d] - y[j][d]).exact();
                let sum: f64 = (0..y.len()).map(term).sum();
                let size: f64 = (0..y.len()).map(|j| term(j).abs()).sum();
                if sum.is_infinite() {
                    assert_eq!(found[i][d].exact(), sum, "{:?}", (weight, i, d));
                } else {
                    assert_near(found[i][d].exact(), sum, 1e-4 * size, (weight, i, d));
                }
            }
        }
    }
}

keops! {
    /// a_i = Σ_j exp(-(x_i - y_j)ᵀ S_j (x_i - y_j)) b_j for full metrics of any dimension.
    #[keops(order = 2, cuda(D = 1), cuda(D = 2), cuda(D = 3))]
    fn full_metrics<const D: usize>(s: Vj<D * D>, x: Vi<D>, y: Vj<D>, b: Vj<1>) -> Sum<j> {
        exp(-weighted_sqdist(s, x, y)) * b
    }
    /// The same with a number, whose rows have a type.
    #[keops(order = 2)]
    fn metrics_of_three(s: Vj<3 * 3>, x: Vi<3>, y: Vj<{ 1 + 2 }>, b: Vj<(1)>) -> Sum<j> {
        exp(-weighted_sqdist(s, x, y)) * b
    }
    /// All that takes a metric.
    #[keops(cuda(D = 1), cuda(D = 2))]
    fn all_metrics<const D: usize>(s: Pm<{ D * D }>, x: Vi<D>, y: Vj<D>) -> Sum<j> {
        weighted_sqnorm(s, x) + sym_sqnorm(s, y) + gaussian(x, y, s) + laplacian(x, y, s) + cauchy(x, y, s)
            + inverse_multiquadric(x, y, s) + distance(x, y, s) + linear(x, y, s)
    }
    /// Products with matrices of D by E numbers, and of D by D + 1.
    #[keops(cuda(D = 2, E = 3))]
    fn images<const D: usize, const E: usize>(a: Vj<D*E>, c: Pm<D*D + D>, x: Vi<D>, y: Vj<E>) -> Sum<j> {
        (x * mat_vec(a, y)) * elem(vec_mat(x, c), D) + vec_mat(y, outer(y, x)) * extract(c, D * D, D)
    }
    /// The tensor product: a row of D*E numbers.
    #[keops(order = 2, cuda(D = 2, E = 1), cuda(D = 2, E = 3))]
    fn tensor<const D: usize, const E: usize>(x: Vi<D>, y: Vj<E>) -> Sum<j> { outer(x, y) }
    /// What saves a row of D + 1 numbers.
    #[keops(cuda(D = 2))]
    fn soft<const D: usize>(x: Vi<D>, y: Vj<D>, v: Vj<D + 1>) -> SumSoftMaxWeight<j> { ((x | y), v) }
    /// Values and row numbers of K*D numbers, which are selected.
    #[keops(cuda(D = 2, K = 3))]
    fn nearest<const D: usize, const K: usize>(x: Vi<2 * D>, y: Vj<D + D>) -> KMinArgKMin<K, j> { (x - y)**2 }
    #[keops(cuda(D = 2))]
    fn first<const D: usize>(x: Vi<D + 1>, y: Vj<D + 1>) -> ArgMin<j> { x * y }
    fn of_a_string = Genred("WeightedSqDist(s, x, y)", ["s = Vj(3*3)", "x = Vi(3)", "y = Vj(2 + 1)"], axis = 1);
}

/// Matrices near the unit matrix.
fn metrics<T: Element, const D: usize>(random: &mut Random, rows: usize) -> Vec<[[T; D]; D]> {
    let near = |random: &mut Random, a, b| random.number::<T>(-0.3..0.3) + if a == b { T::one() } else { T::zero() };
    (0..rows).map(|_| std::array::from_fn(|a| std::array::from_fn(|b| near(random, a, b)))).collect()
}

/// (x - y)ᵀ S (x - y)
fn weighted<const D: usize>(s: &[[f64; D]; D], x: &[f64; D], y: &[f64; D]) -> f64 {
    let u: [f64; D] = std::array::from_fn(|d| x[d] - y[d]);
    (0..D).map(|a| u[a] * dot(&s[a], &u)).sum()
}

fn check_full_metrics<T: Element, const D: usize>(error: f64) {
    let mut random = Random::new();
    let (s, b): (Vec<[[T; D]; D]>, Vec<[T; 1]>) = (metrics(&mut random, M), random.cloud(M));
    let (x, y): (Vec<[T; D]>, Vec<[T; D]>) = (random.cloud(N), random.cloud(M));
    let e: Vec<[T; 1]> = random.cloud(N);
    let matrices: Vec<[[f64; D]; D]> = s.iter().map(|s| s.map(|row| row.map(Exact::exact))).collect();
    let (wide_x, wide_y, wide_b, wide_e) = (wide(&x), wide(&y), wide(&b), wide(&e));
    let k = |i: usize, j: usize| (-weighted(&matrices[j], &wide_x[i], &wide_y[j])).exp() * wide_b[j][0];
    let expected: Vec<[f64; 1]> = (0..N).map(|i| [(0..M).map(|j| k(i, j)).sum()]).collect();
    let call = || full_metrics(&s, &x, &y, &b);
    assert_rows(&call().eval().unwrap(), &expected, error, "value");
    // every way to give the matrices
    let flat: Vec<T> = s.as_flattened().as_flattened().to_vec();
    let lists: Vec<Vec<T>> = flat.chunks_exact(D * D).map(<[T]>::to_vec).collect();
    for found in [
        full_metrics(&s[..], &x, &y, &b).eval(),
        full_metrics(&flat, &x, &y, &b).eval(),
        full_metrics(&flat[..], &x, &y, &b).eval(),
        full_metrics(&lists, &x, &y, &b).eval(),
        full_metrics(&&Box::new(s.clone()), &x, &y, &b).eval(),
    ] {
        assert_rows(&found.unwrap(), &expected, error, "another kind of argument");
    }
    // the gradient by the matrices, a row of D*D numbers for each j
    let in_s: Matrix<T> = call().vjp_s(&e).eval().unwrap();
    assert_eq!((in_s.rows(), in_s.cols()), (M, D * D));
    for j in 0..M {
        for (a, b) in (0..D).flat_map(|a| (0..D).map(move |b| (a, b))) {
            let term = |i: usize| {
                let u = |d: usize| wide_x[i][d] - wide_y[j][d];
                -wide_e[i][0] * k(i, j) * u(a) * u(b)
            };
            assert_near(in_s[(j, a * D + b)].exact(), (0..N).map(term).sum(), 10.0 * error, ("vjp_s", j, a, b));
        }
    }
    assert_eq!(call().vjp(&e).eval().unwrap().s, in_s);
    let mut out = vec![T::nan(); M * D * D];
    call().vjp_s(&e).into_rows(&mut out).unwrap();
    assert_eq!(out, in_s.as_flat());
    let on_device: DeviceMatrix<T> = call().vjp_s(&e).eval_on_device().unwrap();
    assert_eq!((on_device.rows(), on_device.cols(), &on_device.download().unwrap()), (M, D * D, &in_s));
    // forward: (e | J t) = (Jᵀ e | t), for a tangent of any kind
    let tangent: Vec<[[T; D]; D]> = metrics(&mut random, M);
    let change = call().jvp_s(&tangent).eval().unwrap();
    let forward: f64 = change.iter().zip(&wide_e).map(|(a, e)| a[0].exact() * e[0]).sum();
    let numbers = tangent.as_flattened().as_flattened();
    let reverse: f64 = in_s.as_flat().iter().zip(numbers).map(|(g, t)| g.exact() * t.exact()).sum();
    assert_near(forward, reverse, 1e3 * error, "jvp_s");
    // what is on a device, or is a result, is an argument
    let along = call().jvp_s(&on_device).eval().unwrap();
    assert_eq!(along, call().jvp_s(&in_s).eval().unwrap());
    // of two orders: Σ_b of the Hessian by s times a tangent, against differences
    let second = call().vjp_s(&e).jvp_s(&tangent).eval().unwrap();
    let mixed = call().vjp_s(&e).vjp_x(&second).eval().unwrap();
    assert_eq!((second.rows(), second.cols(), mixed.len()), (M, D * D, N));
    for j in 0..M {
        let along = |a: usize, b: usize| tangent[j][a][b].exact();
        for (a, b) in (0..D).flat_map(|a| (0..D).map(move |b| (a, b))) {
            let term = |i: usize| {
                let u = |d: usize| wide_x[i][d] - wide_y[j][d];
                let slope: f64 =
                    (0..D).flat_map(|a| (0..D).map(move |b| (a, b))).map(|(a, b)| along(a, b) * u(a) * u(b)).sum();
                wide_e[i][0] * k(i, j) * u(a) * u(b) * slope
            };
            assert_near(
                second[(j, a * D + b)].exact(),
                (0..N).map(term).sum(),
                100.0 * error,
                ("vjp_s.jvp_s", j, a, b),
            );
        }
    }
}

#[test]
fn full_metrics_of_any_dimension() {
    check_full_metrics::<f64, 1>(1e-13);
    check_full_metrics::<f64, 2>(1e-13);
    check_full_metrics::<f64, 3>(1e-13);
    check_full_metrics::<f32, 3>(2e-5);
}

#[test]
fn a_product_of_numbers_is_a_number() {
    let mut random = Random::new();
    let (s, b): (Vec<[f64; 9]>, Vec<[f64; 1]>) = (random.cloud(M), random.cloud(M));
    let (x, y): (Vec<[f64; 3]>, Vec<[f64; 3]>) = (random.cloud(N), random.cloud(M));
    let e: Vec<[f64; 1]> = random.cloud(N);
    let (any, three) = (|| full_metrics(&s, &x, &y, &b), || metrics_of_three(&s, &x, &y, &b));
    assert_eq!(any().eval().unwrap(), three().eval().unwrap());
    let (found, expected) = (any().vjp(&e).eval().unwrap(), three().vjp(&e).eval().unwrap());
    let in_s: &Rows<f64, 9> = &expected.s;
    assert_eq!(found.s.as_flat(), in_s.as_flat());
    assert_eq!((found.x, found.y, found.b), (expected.x, expected.y, expected.b));
    let (found, expected) = (any().jvp_s(&s).vjp_s(&e), three().jvp_s(&s).vjp_s(&e));
    assert_eq!(found.eval().unwrap().as_flat(), expected.eval().unwrap().as_flat());
    let sums = of_a_string(&s, &x, &y).eval().unwrap();
    let matrices: &[[[f64; 3]; 3]] = s.as_flattened().as_chunks().0.as_chunks().0;
    let sum = |i: usize| [(0..M).map(|j| weighted(&matrices[j], &x[i], &y[j])).sum()];
    assert_rows(&sums, &(0..N).map(sum).collect::<Vec<_>>(), 1e-13, "of a string");
}

#[test]
fn everything_that_takes_a_metric() {
    let mut random = Random::new();
    let s = metrics::<f64, 2>(&mut random, 1)[0];
    let s = [s[0], [s[0][1], s[1][1]]]; // symmetric
    let (x, y): (Vec<[f64; 2]>, Vec<[f64; 2]>) = (random.cloud(N), random.cloud(M));
    let sum = |i: usize| {
        let origin = [0.0; 2];
        let term = |j: usize| {
            let (r2, image) = (weighted(&s, &x[i], &y[j]), [dot(&s[0], &y[j]), dot(&s[1], &y[j])]);
            let own = weighted(&s, &x[i], &origin) + weighted(&s, &y[j], &origin) + dot(&x[i], &image);
            own + (-r2).exp() + (-r2.sqrt()).exp() + 1.0 / (1.0 + r2) + 1.0 / (1.0 + r2).sqrt() + r2.sqrt()
        };
        [(0..M).map(term).sum()]
    };
    let expected: Vec<[f64; 1]> = (0..N).map(sum).collect();
    let flat = [s[0][0], s[0][1], s[1][0], s[1][1]];
    for found in [
        all_metrics(s, &x, &y).eval(),
        all_metrics(&s, &x, &y).eval(),
        all_metrics(flat, &x, &y).eval(),
        all_metrics(&flat, &x, &y).eval(),
        all_metrics(&flat[..], &x, &y).eval(),
        all_metrics(&flat.to_vec(), &x, &y).eval(),
        all_metrics(&vec![flat], &x, &y).eval(),
        all_metrics([flat], &x, &y).eval(),
        all_metrics(&&flat, &x, &y).eval(),
        all_metrics(&Rows::from([flat]), &x, &y).eval(),
        all_metrics(batched(&[s], [1]), &x, &y).eval(),
    ] {
        assert_rows(&found.unwrap(), &expected, 1e-13, "a parameter");
    }
    // of dimension 1 a number will do
    let one = all_metrics(2.0, &[[0.5]], &[[1.0]]).eval().unwrap();
    assert_eq!(all_metrics(&2.0, &[[0.5]], &[[1.0]]).eval().unwrap(), one);
    // the gradient of a parameter is one row
    let e = vec![[1.0]; N];
    let slope: Matrix<f64> = all_metrics(s, &x, &y).vjp_s(&e).eval().unwrap();
    assert_eq!((slope.rows(), slope.cols()), (1, 4));
    let h = 1e-6;
    for k in 0..4 {
        let moved = |h: f64| {
            let mut flat = flat;
            flat[k] += h;
            all_metrics(flat, &x, &y).eval().unwrap().iter().map(|a| a[0]).sum::<f64>()
        };
        let difference = (moved(h) - moved(-h)) / (2.0 * h);
        assert_near(slope[(0, k)], difference, 1e-6 * (1.0 + difference.abs()), k);
    }
}

#[test]
fn matrices_of_two_const_generics() {
    let mut random = Random::new();
    let (a, c): (Vec<[f64; 6]>, [f64; 6]) = (random.cloud(M), random.cloud(1)[0]);
    let (x, y): (Vec<[f64; 2]>, Vec<[f64; 3]>) = (random.cloud(N), random.cloud(M));
    let sum = |i: usize| {
        let last = x[i][0] * c[2] + x[i][1] * c[5]; // xᵀ C, for C of 2 rows and 3 columns
        let term = |d: usize, j: usize| {
            let image = dot(&[a[j][3 * d], a[j][3 * d + 1], a[j][3 * d + 2]], &y[j]);
            x[i][d] * image * last + dot(&y[j], &y[j]) * x[i][d] * c[4 + d]
        };
        [0, 1].map(|d| (0..M).map(|j| term(d, j)).sum())
    };
    let expected: Vec<[f64; 2]> = (0..N).map(sum).collect();
    assert_rows(&images(&a, c, &x, &y).eval().unwrap(), &expected, 1e-13, "of rows");
    let square: [[f64; 3]; 2] = [[c[0], c[1], c[2]], [c[3], c[4], c[5]]];
    let matrices: Vec<[[f64; 3]; 2]> = a.iter().map(|a| [[a[0], a[1], a[2]], [a[3], a[4], a[5]]]).collect();
    assert_rows(&images(&matrices, square, &x, &y).eval().unwrap(), &expected, 1e-13, "of matrices");
    // given where nothing tells them
    let (flat_x, flat_y) = (x.as_flattened(), y.as_flattened());
    assert_rows(&images::<2, 3, _>(&a, c, flat_x, flat_y).eval().unwrap(), &expected, 1e-13, "explicit");
    let e: Vec<[f64; 2]> = random.cloud(N);
    let all = images(&a, c, &x, &y).vjp(&e).eval().unwrap();
    assert_eq!((all.a.rows(), all.a.cols(), all.c.rows(), all.c.cols()), (M, 6, 1, 6));
    let along = images(&a, c, &x, &y).jvp_c(c).eval().unwrap();
    assert_near(dot(&c, all.c.as_flat().try_into().unwrap()), harness::inner(&along, &e), 1e-11, "jvp_c");
}

#[test]
fn results_whose_dimension_has_no_name() {
    let mut random = Random::new();
    let (x, y): (Vec<[f64; 2]>, Vec<[f64; 3]>) = (random.cloud(N), random.cloud(M));
    let total: [f64; 3] = std::array::from_fn(|d| y.iter().map(|y| y[d]).sum());
    let found: Matrix<f64> = tensor(&x, &y).eval().unwrap();
    assert_eq!((found.rows(), found.cols()), (N, 6));
    for (i, d, e) in (0..N).flat_map(|i| (0..6).map(move |k| (i, k / 3, k % 3))) {
        assert_near(found[(i, 3 * d + e)], x[i][d] * total[e], 1e-13, (i, d, e));
    }
    let mut flat = vec![0.0; 6 * N];
    tensor(&x, &y).into_rows(&mut flat).unwrap();
    assert_eq!(flat, found.as_flat());
    let error = tensor(&x, &y).into_rows(&mut flat[1..]).unwrap_err();
    assert_eq!(error, Error::OutputLength { rows: N, width: 6, found: 6 * N - 1 });
    // cotangents and tangents of it, of any kind
    let in_x = tensor(&x, &y).vjp_x(&found).eval().unwrap();
    assert_eq!(tensor(&x, &y).vjp_x(&flat).eval().unwrap(), in_x);
    assert_near(in_x[0][1], dot(&total, found.row(0).unwrap()[3..].try_into().unwrap()), 1e-12, "vjp_x");
    let again: Rows<f64, 3> = tensor(&x, &y).vjp_x(&found).vjp_y(&x).eval().unwrap();
    assert_eq!(again.len(), M);
    let error = tensor(&x, &y).vjp_x(&x).eval().unwrap_err();
    assert_eq!(error, Error::Dimension { variable: "cotangent", dim: 6, found: 2 });
    // saved rows, row numbers, batches
    let v: Vec<[f64; 3]> = random.cloud(M);
    let y: Vec<[f64; 2]> = random.cloud(M);
    let mean = soft(&x, &y, &v).eval().unwrap();
    let weight = |i: usize, j: usize| dot(&x[i], &y[j]).exp();
    for (i, c) in (0..N).flat_map(|i| (0..3).map(move |c| (i, c))) {
        let sum = |f: &dyn Fn(usize) -> f64| (0..M).map(|j| weight(i, j) * f(j)).sum::<f64>();
        assert_near(mean[(i, c)], sum(&|j| v[j][c]) / sum(&|_| 1.0), 1e-13, ("softmax", i, c));
    }
    let gradients = soft(&x, &y, &v).vjp(&mean).eval().unwrap();
    assert_eq!((gradients.x.len(), gradients.v.rows(), gradients.v.cols()), (N, M, 3));
    let (x, y): (Vec<[f64; 4]>, Vec<[f64; 4]>) = (random.cloud(N), random.cloud(M));
    let (values, rows) = nearest::<2, 3, _>(&x, &y).eval().unwrap();
    assert_eq!((values.cols(), rows.cols()), (12, 12));
    for (i, k) in (0..N).flat_map(|i| (0..12).map(move |k| (i, k))) {
        let difference = x[i][k % 4] - y[rows[(i, k)] as usize][k % 4];
        assert_near(values[(i, k)], difference * difference, 1e-15, ("selected", i, k));
    }
    let slopes = nearest::<2, 3, _>(&x, &y).vjp_x(&values).eval().unwrap();
    assert_eq!((slopes.rows(), slopes.cols()), (N, 4));
    let places: Matrix<u32> = first::<2, _>(&[[1.0, 1.0, -1.0]], &[[2.0, 0.0, 1.0], [1.0, 3.0, 2.0]]).eval().unwrap();
    assert_eq!(places.as_flat(), [1, 0, 1]);
    let two = tensor(batched(&[[1.0, 0.0], [0.0, 1.0]], [2]), &[[2.0]]).eval().unwrap();
    assert_eq!(two.as_flat(), [2.0, 0.0, 0.0, 2.0]);
}

#[test]
fn operators_on_rows_whose_dimension_has_no_name() {
    let mut random = Random::new();
    let (a, c): (Vec<[f64; 6]>, [f64; 6]) = (random.cloud(4), random.cloud(1)[0]);
    let (x, y): (Vec<[f64; 2]>, Vec<[f64; 3]>) = (random.cloud(5), random.cloud(4));
    let tensors = tensor(&x, &y).operator_y().unwrap();
    let dense = tensors.to_dense().unwrap();
    assert_eq!((dense.rows(), dense.cols(), tensors.rows(), tensors.cols()), (5 * 6, 4 * 3, 30, 12));
    let found = tensors.apply(&y).unwrap();
    assert_eq!(found, tensor(&x, &y).eval().unwrap());
    for row in 0..30 {
        let expected: f64 = dense.row(row).unwrap().iter().zip(y.as_flattened()).map(|(k, y)| k * y).sum();
        assert_near(found.as_flat()[row], expected, 1e-13, row);
    }
    let transposed = tensors.apply_transpose(&found).unwrap();
    let (left, right): (f64, f64) = (
        found.as_flat().iter().map(|a| a * a).sum(),
        transposed.as_flat().iter().zip(y.as_flattened()).map(|(a, b)| a * b).sum(),
    );
    assert_near(left, right, 1e-12, "transpose");
    let error = tensors.apply(&x).unwrap_err();
    assert_eq!(error, Error::Dimension { variable: "y", dim: 3, found: 2 });
    assert_eq!(images(&a, c, &x, &y).eval().unwrap().len(), 5);
}

#[test]
fn equations_on_rows_whose_dimension_has_no_name() {
    const N: usize = 12;
    let mut random = Random::new();
    let x: Vec<[f64; 2]> = random.cloud(N);
    let [s, e]: [Vec<[f64; 4]>; 2] = [random.cloud(N), random.cloud(N)];
    // the matrices share the products, and their numbers are right-hand sides of their own
    let solution = smooth(&x, &x, &s).solve_s(0.3).tolerance(1e-12).eval().unwrap();
    assert_eq!(solution.report.residuals.len(), 4);
    let product = smooth(&x, &x, &solution.values).eval().unwrap();
    for (k, s) in s.as_flattened().iter().enumerate() {
        assert_near(0.3 * solution.values.as_flat()[k] + product.as_flat()[k], *s, 1e-11, k);
    }
    // the equations of the cotangent are the same, K being symmetric
    let gradients = solution.vjp(&e).unwrap();
    let of_cotangent = smooth(&x, &x, &e).solve_s(0.3).tolerance(1e-12).eval().unwrap();
    assert_matrix_near(&gradients.arguments.s, of_cotangent.values.as_flat(), 1e-10);
    let inner: f64 = gradients.arguments.s.as_flat().iter().zip(solution.values.as_flat()).map(|(u, a)| u * a).sum();
    assert_near(gradients.alpha, -inner, 1e-12 * (1.0 + inner.abs()), "alpha");
    let (t, mut moved) = (1e-5, [x.clone(), x.clone()]);
    moved[0][3][1] += t;
    moved[1][3][1] -= t;
    let of = |x: &Vec<[f64; 2]>| {
        let a = smooth(x, x, &s).solve_s(0.3).tolerance(1e-13).eval().unwrap();
        a.values.as_flat().iter().zip(e.as_flattened()).map(|(a, e)| a * e).sum::<f64>()
    };
    let slope = (of(&moved[0]) - of(&moved[1])) / (2.0 * t);
    assert_near(gradients.arguments.x[3][1] + gradients.arguments.y[3][1], slope, 1e-6, "by the points");

    // one vector of 4 N numbers, where the components of a row act on each other
    let (x, s) = (&x[..5], &s[..5]);
    let coupled = turned(x, x, s).solve_s(2.0).tolerance(1e-12).eval().unwrap();
    assert_eq!(coupled.report.residuals.len(), 1);
    let product = turned(x, x, &coupled.values).eval().unwrap();
    for (k, s) in s.as_flattened().iter().enumerate() {
        assert_near(2.0 * coupled.values.as_flat()[k] + product.as_flat()[k], *s, 1e-11, k);
    }
    let narrow: Vec<[f32; 4]> = s.iter().map(|s| s.map(|s| s as f32)).collect();
    let points: Vec<[f32; 2]> = x.iter().map(|x| x.map(|x| x as f32)).collect();
    let solution = smooth(&points, &points, &narrow).solve_s(0.3).eval().unwrap();
    assert!(solution.report.converged());
    assert_matrix_near(
        &solution.rounded().unwrap(),
        &solution.values.as_flat().iter().map(|&a| a as f32).collect::<Vec<_>>(),
        0.0,
    );
    // what does not fit
    let error = smooth(&x[1..], x, s).solve_s(0.3).eval().unwrap_err();
    assert_eq!(error, Error::NotSquare { rows: 4, cols: 5 });
    let solution = smooth(x, x, s).solve_s(0.3).max_iterations(1).eval().unwrap();
    assert!(!solution.report.converged());
    assert_eq!(
        solution.vjp(&s[1..]).unwrap_err(),
        Error::RowCount { variable: "cotangent", rows: 4, other: "s", other_rows: 5 }
    );
    let nan = [[1.0, 2.0, f64::NAN, 0.0]; 5];
    let error = smooth(x, x, &nan).solve_s(0.3).eval().unwrap_err();
    assert_eq!(error, Error::NotFinite { what: "s", row: 0, component: 2 });
}

fn assert_matrix_near<T: keops::Element>(found: &Matrix<T>, expected: &[T], tolerance: f64) {
    assert_eq!(found.as_flat().len(), expected.len());
    for (k, (found, expected)) in found.as_flat().iter().zip(expected).enumerate() {
        assert_near(keops::Element::to_f64(*found), keops::Element::to_f64(*expected), tolerance, k);
    }
}

#[test]
fn rows_of_another_dimension() {
    let (x, y, b) = ([[0.0_f32; 2]; 3], [[0.0; 2]; 4], [[1.0]; 4]);
    let dimension = |found| Error::Dimension { variable: "s", dim: 4, found };
    let error = |s: &[f32]| full_metrics(s, &x, &y, &b).eval().unwrap_err();
    assert_eq!(full_metrics(&[[1.0; 3]; 4], &x, &y, &b).eval().unwrap_err(), dimension(3));
    assert_eq!(full_metrics(&[[[1.0; 3]; 2]; 4], &x, &y, &b).eval().unwrap_err(), dimension(6));
    assert_eq!(full_metrics(&vec![vec![1.0; 5]; 4], &x, &y, &b).eval().unwrap_err(), dimension(5));
    assert_eq!(full_metrics(&[[f16::ONE; 2]; 4], &x, &y, &b).eval().unwrap_err(), dimension(2));
    assert_eq!(error(&[1.0; 15]), Error::FlatLength { variable: "s", len: 15, dim: 4 });
    assert_eq!(error(&[1.0; 12]), Error::RowCount { variable: "y", rows: 4, other: "s", other_rows: 3 });
    assert_eq!(error(&[1.0; 12]).to_string(), "`y` has 4 rows, but `s`, which is indexed alike, has 3");
    let halves = full_metrics(&[[f16::ONE; 4]; 4], &x, &y, &b).eval().unwrap();
    assert_eq!(halves, full_metrics(&[[1.0; 4]; 4], &x, &y, &b).eval().unwrap());
    let parameter = |len| Error::ParameterLength { variable: "s", len, dim: 4 };
    assert_eq!(all_metrics([1.0; 3], &x, &y).eval().unwrap_err(), parameter(3));
    assert_eq!(all_metrics([[1.0; 3]; 2], &x, &y).eval().unwrap_err(), parameter(6));
    assert_eq!(all_metrics(&vec![[1.0; 4]; 2], &x, &y).eval().unwrap_err(), parameter(8));
    assert_eq!(all_metrics(2.0, &x, &y).eval().unwrap_err(), parameter(1));
    let error = all_metrics(2.0, &x, &y).eval().unwrap_err();
    assert_eq!(error.to_string(), "the parameter `s` has dimension 4, but holds 1 numbers");
}
