//! Dimensions from 1 to 1000, literal and const generic; formulas that lack some kind of variable; accuracy in `f32`.

#![allow(clippy::needless_range_loop, reason = "rows of arrays, compared by component")]

mod harness;

use harness::{Exact, Random, assert_near, assert_rows, dot, few, large, squared_distance, wide};
use keops::prelude::*;

/// The numbers of points: lanes are left over.
const N: usize = 27;
/// See [`N`].
const M: usize = 41;

keops! {
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
