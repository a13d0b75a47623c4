//! Means and products: their values over all shapes, ranges and batches, and their derivatives, also where factors are 0.

#![allow(clippy::type_complexity, clippy::needless_range_loop, reason = "rows of arrays, compared by component")]

mod harness;

use harness::{Exact, Random, assert_near, epsilon, large, slope_rows, wide};
use keops::{Element, prelude::*, solve::Preconditioner};

keops! {
    /// The mean of a kernel times a vector, over j and over i.
    #[keops(order = 2)]
    fn mean(g: Pm<1>, x: Vi<2>, y: Vj<2>, b: Vj<3>) -> Mean<j> { exp(-g * sqdist(x, y)) * b }
    fn mean_over_i(y: Vi<2>, b: Vi<3>, x: Vj<2>) -> Mean<i> { exp(-sqdist(x, y)) * b }
    #[keops(order = 0, sum = compensated)]
    fn compensated(x: Vi<2>, y: Vj<2>) -> Mean<j> { x * y }
    #[keops(order = 0, sum = direct)]
    fn direct(x: Vi<2>, y: Vj<2>) -> Mean<j> { x * y }
    /// A row that is too long for registers.
    #[keops(order = 0)]
    fn mean_of_many(x: Vi<2>, y: Vj<2>, b: Vj<40>) -> Mean<j> { exp(-sqdist(x, y)) * b }
    /// A symmetric matrix over the number of points.
    fn smoothed(x: Vi<2>, y: Vj<2>, b: Vj<1>) -> Mean<j> { exp(-sqdist(x, y)) * b }
    fn mean_of_strings = Genred("X * Y", ["X = Vi(2)", "Y = Vj(2)"], reduction_op = "Mean", axis = 1);

    /// The product of differences, over j and over i.
    #[keops(order = 2)]
    fn product(g: Pm<1>, x: Vi<2>, y: Vj<2>) -> Prod<j> { g * (x - y) }
    fn product_over_i(y: Vi<2>, x: Vj<2>) -> Prod<i> { x - y }
    #[keops(order = 3)]
    fn factors(x: Vi<1>, y: Vj<1>) -> Prod<j> { x * y }
    #[keops(order = 0)]
    fn product_of_many(x: Vi<1>, y: Vj<1>, b: Vj<40>) -> Prod<j> { x * y + b }
    /// Of any dimension.
    #[keops(cuda(D = 3), cuda(D = 5), order = 2)]
    fn generic<const D: usize>(x: Vi<D>, y: Vj<D>) -> Prod<j> { x - y }
    #[keops(cuda(D = 3), cuda(D = 5), order = 2)]
    fn generic_mean<const D: usize>(x: Vi<D>, y: Vj<D>) -> Mean<j> { x * y * sqdist(x, y) }
    fn product_of_strings = Genred("X - Y", ["X = Vi(2)", "Y = Vj(2)"], reduction_op = "Prod", axis = 1);
}

/// Numbers of rows around the numbers of lanes, and more than a run has.
const SIZES: [usize; 7] = [0, 1, 2, 7, 16, 33, 400];

fn means_of<T: Element>() {
    let mut random = Random::new();
    for n in SIZES.into_iter().filter(|&n| n <= large(1000)) {
        for m in SIZES.into_iter().filter(|&m| m <= large(1000)) {
            let (x, y): (Vec<[T; 2]>, Vec<[T; 2]>) = (random.cloud(n), random.cloud(m));
            let b: Vec<[T; 3]> = random.cloud(m);
            let found = mean(T::from_f64(0.5), &x, &y, &b).eval().unwrap();
            let over_i = mean_over_i(&y, &b, &x).eval().unwrap();
            let [plain, strings] = [compensated(&x, &y).eval(), mean_of_strings(&x, &y).eval()].map(Result::unwrap);
            let (x, y, b) = (wide(&x), wide(&y), wide(&b));
            for i in 0..n {
                let kernel = |g: f64, j: usize| (-g * harness::squared_distance(&x[i], &y[j])).exp();
                for c in 0..3 {
                    for (found, g) in [(&found, 0.5), (&over_i, 1.0)] {
                        let expected = (0..m).map(|j| kernel(g, j) * b[j][c]).sum::<f64>() / m as f64;
                        let value = found[i][c].exact();
                        // 0/0 of no rows
                        assert!(value.is_nan() == (m == 0), "{value} of {m}");
                        assert!(m == 0 || (value - expected).abs() < 30.0 * epsilon::<T>(), "{value}, {expected}");
                    }
                }
                for c in (0..2).filter(|_| m > 0) {
                    let expected = (0..m).map(|j| x[i][c] * y[j][c]).sum::<f64>() / m as f64;
                    assert_near(plain[i][c].exact(), expected, 2.0 * epsilon::<T>(), ("compensated", n, m));
                    assert_near(strings[i][c].exact(), expected, 20.0 * epsilon::<T>(), ("strings", n, m));
                }
            }
        }
    }
}

#[test]
fn means_f64() {
    means_of::<f64>();
}

#[test]
fn means_f32() {
    means_of::<f32>();
}

#[test]
fn means_of_long_rows() {
    let mut random = Random::new();
    let (x, y): (Vec<[f64; 2]>, Vec<[f64; 2]>) = (random.cloud(30), random.cloud(77));
    let b: Vec<[f64; 40]> = random.cloud(77);
    let found = mean_of_many(&x, &y, &b).eval().unwrap();
    for i in 0..30 {
        for c in 0..40 {
            let terms = (0..77).map(|j| (-harness::squared_distance(&x[i], &y[j])).exp() * b[j][c]);
            assert_near(found[i][c], terms.sum::<f64>() / 77.0, 1e-14, (i, c));
        }
    }
    let z: Vec<[f64; 1]> = random.rows(30, 0.5..1.0);
    let w: Vec<[f64; 1]> = random.rows(77, 0.5..1.0);
    let found = product_of_many(&z, &w, &b).eval().unwrap();
    for i in 0..30 {
        for c in 0..40 {
            let expected: f64 = (0..77).map(|j| z[i][0] * w[j][0] + b[j][c]).product();
            assert_near(found[i][c], expected, 1e-12 * expected.abs(), (i, c));
        }
    }
}

/// Blocks of rows that meet different numbers of others; row 5 meets none.
fn blocks() -> Ranges {
    Ranges::new([(0..3, 0..4), (3..5, 2..6), (3..5, 9..10), (6..8, 0..10)]).unwrap()
}

#[test]
fn means_and_products_over_ranges() {
    let mut random = Random::new();
    let (x, y): (Vec<[f64; 2]>, Vec<[f64; 2]>) = (random.cloud(8), random.cloud(10));
    let (b, e): (Vec<[f64; 3]>, Vec<[f64; 3]>) = (random.cloud(10), random.cloud(8));
    let ranges = blocks();
    let met = |i: usize| (0..10).filter(|&j| blocks().by_i().contains(i, j)).collect::<Vec<usize>>();
    let found = mean(0.5, &x, &y, &b).ranges(&ranges).eval().unwrap();
    let products = product(1.0, &x, &y).ranges(&ranges).eval().unwrap();
    let gradient = mean(0.5, &x, &y, &b).ranges(&ranges).vjp_b(&e).eval().unwrap();
    let mut expected_gradient = vec![[0.0; 3]; 10];
    for i in 0..8 {
        let kernel = |j: usize| (-0.5 * harness::squared_distance(&x[i], &y[j])).exp();
        let count = met(i).len() as f64;
        for c in 0..3 {
            let expected = met(i).iter().map(|&j| kernel(j) * b[j][c]).sum::<f64>() / count;
            assert!((found[i][c].is_nan() && count == 0.0) || (found[i][c] - expected).abs() < 1e-14, "{i}");
            met(i).iter().for_each(|&j| expected_gradient[j][c] += kernel(j) * e[i][c] / count);
        }
        for c in 0..2 {
            let expected: f64 = met(i).iter().map(|&j| x[i][c] - y[j][c]).product();
            assert_near(products[i][c], expected, 1e-13 * expected.abs(), i);
        }
    }
    assert_eq!(products[5], [1.0; 2]);
    for j in 0..10 {
        (0..3).for_each(|c| assert_near(gradient[j][c], expected_gradient[j][c], 1e-14, (j, c)));
    }
    let all = mean(0.5, &x, &y, &b).ranges(&ranges).vjp(&e).eval().unwrap();
    assert!(all.x.as_flat().iter().chain(all.y.as_flat()).all(|slope| slope.is_finite()), "a row that meets none");
}

#[test]
fn means_and_products_of_batches() {
    let mut random = Random::new();
    let (x, y): (Vec<[f64; 2]>, Vec<[f64; 2]>) = (random.cloud(5), random.cloud(3 * 7));
    let (b, e): (Vec<[f64; 3]>, Vec<[f64; 3]>) = (random.cloud(7), random.cloud(3 * 5));
    let found = mean(0.5, &x, batched(&y, [3]), &b).eval().unwrap();
    let of_x = mean(0.5, &x, batched(&y, [3]), &b).vjp_x(batched(&e, [3])).eval().unwrap();
    let products = product(1.0, &x, batched(&y, [3])).eval().unwrap();
    let mut sum = [[0.0; 2]; 5];
    for k in 0..3 {
        let y = &y[7 * k..][..7];
        let rows = 5 * k..5 * k + 5;
        let alone = mean(0.5, &x, y, &b).eval().unwrap();
        assert_eq!(found[rows.clone()], alone[..], "batch {k}");
        assert_eq!(products[rows.clone()], product(1.0, &x, y).eval().unwrap()[..], "batch {k}");
        let of_batch = mean(0.5, &x, y, &b).vjp_x(&e[rows]).eval().unwrap();
        sum.iter_mut().zip(of_batch.iter()).for_each(|(sum, row)| (0..2).for_each(|c| sum[c] += row[c]));
    }
    for i in 0..5 {
        (0..2).for_each(|c| assert_near(of_x[i][c], sum[i][c], 1e-14, (i, c)));
    }
}

#[test]
fn means_have_derivatives() {
    let mut random = Random::new();
    let (x, y): (Vec<[f64; 2]>, Vec<[f64; 2]>) = (random.cloud(6), random.cloud(9));
    let (b, e, u): (Vec<[f64; 3]>, Vec<[f64; 3]>, Vec<[f64; 2]>) = (random.cloud(9), random.cloud(6), random.cloud(6));
    let moved =
        |h: f64| -> Vec<[f64; 2]> { x.iter().zip(&u).map(|(x, u)| std::array::from_fn(|k| x[k] + h * u[k])).collect() };
    let change = mean(0.5, &x, &y, &b).jvp_x(&u).eval().unwrap();
    let slopes = slope_rows(|h| mean(0.5, &moved(h), &y, &b).eval().unwrap().into_vec());
    for i in 0..6 {
        (0..3).for_each(|c| assert_near(change[i][c], slopes[i][c], 1e-9, ("first", i, c)));
    }
    let gradient = |h: f64| mean(0.5, &moved(h), &y, &b).vjp_y(&e).eval().unwrap().into_vec();
    let (slopes, change) = (slope_rows(gradient), mean(0.5, &x, &y, &b).vjp_y(&e).jvp_x(&u).eval().unwrap());
    for j in 0..9 {
        (0..2).for_each(|c| assert_near(change[j][c], slopes[j][c], 1e-9, ("second", j, c)));
    }
    let of_g = mean(0.5, &x, &y, &b).vjp_g(&e).eval().unwrap();
    let pairing = |g: f64| -> f64 {
        let value = mean(g, &x, &y, &b).eval().unwrap();
        value.as_flat().iter().zip(e.as_flattened()).map(|(a, e)| a * e).sum()
    };
    let slope = slope_rows(|h| vec![[pairing(0.5 + h)]])[0][0];
    assert_near(of_g[0][0], slope, 1e-9, "of the parameter");
}

#[test]
fn means_are_operators() {
    let mut random = Random::new();
    let (x, y): (Vec<[f64; 2]>, Vec<[f64; 2]>) = (random.cloud(6), random.cloud(9));
    let (v, w): (Vec<[f64; 1]>, Vec<[f64; 1]>) = (random.cloud(9), random.cloud(6));
    let none = vec![[0.0]; 9];
    let k = smoothed(&x, &y, &none).operator_b().unwrap();
    let dense = k.to_dense().unwrap();
    let (image, back) = (k.apply(&v).unwrap(), k.apply_transpose(&w).unwrap());
    for i in 0..6 {
        for j in 0..9 {
            let entry = (-harness::squared_distance(&x[i], &y[j])).exp() / 9.0;
            assert_near(dense[(i, j)], entry, 1e-15, (i, j));
        }
        assert_near(image[i][0], (0..9).map(|j| dense[(i, j)] * v[j][0]).sum(), 1e-14, i);
    }
    for j in 0..9 {
        assert_near(back[j][0], (0..6).map(|i| dense[(i, j)] * w[i][0]).sum(), 1e-14, j);
    }

    for preconditioner in [Preconditioner::None, Preconditioner::Jacobi] {
        let call = || smoothed(&y, &y, &v).solve_b(0.1).tolerance(1e-12).preconditioner(preconditioner);
        let solution = call().eval().unwrap();
        assert!(solution.report.converged());
        let a = &solution.values;
        let residual = smoothed(&y, &y, a).eval().unwrap();
        for j in 0..9 {
            assert_near(0.1 * a[j][0] + residual[j][0], v[j][0], 1e-9, (preconditioner, j));
        }
        let e: Vec<[f64; 1]> = (0..9).map(|j| [f64::from(j) - 3.0]).collect();
        let of_y = solution.vjp(&e).unwrap().arguments.y;
        let pairing = |h: f64| {
            let mut moved = y.clone();
            moved[2][0] += h;
            let a = smoothed(&y, &moved, &v).operator_b().unwrap().to_dense().unwrap();
            // the change of K a by y_2 alone, at the solution
            let image: Vec<f64> = (0..9).map(|i| (0..9).map(|j| a[(i, j)] * solution.values[j][0]).sum()).collect();
            vec![[image.iter().zip(&adjoint(&y, &e)).map(|(a, u)| a * u).sum::<f64>()]]
        };
        assert_near(of_y[2][0], -slope_rows(pairing)[0][0], 1e-6, "of the points");
    }
}

/// The solution u of (α + K)ᵀ u = e, for the matrix of [`smoothed`].
fn adjoint(y: &[[f64; 2]], e: &[[f64; 1]]) -> Vec<f64> {
    let solution = smoothed(y, y, e).solve_b(0.1).tolerance(1e-13).eval().unwrap();
    solution.values.iter().map(|row| row[0]).collect()
}

fn products_of<T: Element>() {
    let mut random = Random::new();
    for n in SIZES.into_iter().filter(|&n| n <= large(1000)) {
        for m in SIZES.into_iter().filter(|&m| m <= large(1000)) {
            let (x, y): (Vec<[T; 2]>, Vec<[T; 2]>) = (random.cloud(n), random.cloud(m));
            let found = product(T::from_f64(1.5), &x, &y).eval().unwrap();
            let (over_i, strings) =
                (product_over_i(&y, &x).eval().unwrap(), product_of_strings(&x, &y).eval().unwrap());
            let error = (3.0 + 2.0 * m as f64) * epsilon::<T>();
            for i in 0..n {
                for c in 0..2 {
                    let differences = || (0..m).map(|j| (x[i][c] - y[j][c]).exact());
                    // in the range of f64 by logarithms
                    let size: f64 = differences().map(|d| d.abs().ln()).sum();
                    let sign: f64 = differences().map(f64::signum).product();
                    for (found, factor) in [(&found, 1.5_f64), (&over_i, 1.0), (&strings, 1.0)] {
                        let expected = T::from_f64(sign * (size + m as f64 * factor.ln()).exp()).exact();
                        let slack = (error + 1e-12 * size.abs()) * expected.abs() + T::min_positive_value().exact();
                        let value = found[i][c].exact();
                        assert!(
                            (value - expected).abs() <= slack || value == expected,
                            "{value}, not {expected}: {n} {m}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn products_f64() {
    products_of::<f64>();
}

#[test]
fn products_f32() {
    products_of::<f32>();
}

#[test]
fn partial_products_do_not_leave_the_range() {
    let y: Vec<[f32; 1]> = (0..40).map(|k| [if k < 20 { 1e-20 } else { 1e20 }]).collect();
    assert_near(f64::from(factors(&[[1.0_f32]], &y).eval().unwrap()[0][0]), 1.0, 1e-5, "f32");
    let y: Vec<[f64; 1]> = (0..2000).map(|k| [if k % 3 == 0 { 1e-300 } else { 1e150 }]).collect();
    assert_near(factors(&[[1.0]], &y[..1998]).eval().unwrap()[0][0], 1.0, 1e-9, "f64");
    // the smallest numbers, and results that are subnormal, too large or too small
    let tiny = f32::from_bits(1);
    let one = |y: &[[f32; 1]]| factors(&[[1.0_f32]], y).eval().unwrap()[0][0];
    let square = (f64::from(tiny) * 1e38).powi(2);
    assert_near(f64::from(one(&[[tiny], [tiny], [1e38], [1e38]])), square, 1e-6 * square, "subnormal factors");
    assert_eq!(one(&[[tiny], [1e30], [1e-30]]), tiny);
    assert_eq!(one(&[[f32::MAX], [-2.0]]), f32::NEG_INFINITY);
    assert_eq!(one(&[[1e-30], [1e-30]]), 0.0);
    // what is no number stays none
    assert_eq!(one(&[[f32::INFINITY], [-2.0]]), f32::NEG_INFINITY);
    assert_eq!(one(&[[0.0], [3.0], [4.0]]), 0.0);
    assert!(one(&[[f32::INFINITY], [0.0]]).is_nan() && one(&[[f32::NAN], [0.0]]).is_nan());
    // an infinite product has derivatives in range
    let gradient = factors(&[[1.0_f32]], &[[1e30], [1e30], [1e-30]]).vjp_y(&[[1.0]]).eval().unwrap();
    assert_near(f64::from(gradient[0][0]), 1.0, 1e-6, "1e30 1e-30");
    assert_eq!(gradient[2][0], f32::INFINITY);
}

/// The derivatives of Π_j x y_j by y in the directions of `along`: the sum, over all ways to give each direction a factor of
/// its own, of the product of the other factors.
fn derivative(x: f64, y: &[f64], along: &[&[f64]]) -> f64 {
    let Some((first, rest)) = along.split_first() else { return y.iter().map(|y| x * y).product() };
    let one = |j: usize| {
        let others =
            |from: &[f64]| -> Vec<f64> { from.iter().enumerate().filter(|(k, _)| *k != j).map(|(_, &y)| y).collect() };
        let rest: Vec<Vec<f64>> = rest.iter().map(|u| others(u)).collect();
        x * first[j] * derivative(x, &others(y), &rest.iter().map(Vec::as_slice).collect::<Vec<_>>())
    };
    (0..y.len()).map(one).sum()
}

fn column(rows: &[f64]) -> Vec<[f64; 1]> {
    rows.iter().map(|&y| [y]).collect()
}

#[test]
fn products_have_derivatives_where_factors_are_zero() {
    let (x, at_x) = (1.25, [[1.25]]);
    let (u, v, w) = ([0.5, -1.0, 2.0, 0.25, 1.5], [1.0, 2.0, -0.5, 3.0, -1.0], [2.0, 0.5, 1.0, -1.0, 0.75]);
    for zeros in 0..=5 {
        let mut y = [2.0, -3.0, 0.5, 4.0, -1.5];
        y[..zeros].fill(0.0);
        let rows = column(&y);
        let call = || factors(&at_x, &rows);
        let gradient = call().vjp_y(&[[1.0]]).eval().unwrap();
        for j in 0..5 {
            let mut unit = [0.0; 5];
            unit[j] = 1.0;
            assert_near(gradient[j][0], derivative(x, &y, &[&unit]), 1e-13, ("gradient", zeros, j));
            let second = call().vjp_y(&[[1.0]]).jvp_y(&column(&u)).eval().unwrap();
            assert_near(second[j][0], derivative(x, &y, &[&unit, &u]), 1e-12, ("reverse, forward", zeros, j));
            let second = call().jvp_y(&column(&u)).vjp_y(&[[1.0]]).eval().unwrap();
            assert_near(second[j][0], derivative(x, &y, &[&unit, &u]), 1e-12, ("forward, reverse", zeros, j));
            let second = call().vjp_y(&[[1.0]]).vjp_y(&column(&u)).eval().unwrap();
            assert_near(second[j][0], derivative(x, &y, &[&unit, &u]), 1e-12, ("reverse, reverse", zeros, j));
            let third = call().vjp_y(&[[1.0]]).jvp_y(&column(&u)).jvp_y(&column(&v)).eval().unwrap();
            assert_near(third[j][0], derivative(x, &y, &[&unit, &u, &v]), 1e-12, ("third", zeros, j));
        }
        let change = call().jvp_y(&column(&u)).eval().unwrap()[0][0];
        assert_near(change, derivative(x, &y, &[&u]), 1e-13, ("change", zeros));
        let third = call().jvp_y(&column(&u)).jvp_y(&column(&v)).jvp_y(&column(&w)).eval().unwrap()[0][0];
        assert_near(third, derivative(x, &y, &[&u, &v, &w]), 1e-12, ("third change", zeros));
        // all factors are 0 at x = 0
        let at_zero = factors(&[[0.0]], &rows).vjp(&[[1.0]]).eval().unwrap();
        assert!(at_zero.x.as_flat().iter().chain(at_zero.y.as_flat()).all(|&slope| slope == 0.0));
    }
}

#[test]
fn products_have_derivatives_of_every_variable() {
    let mut random = Random::new();
    let (x, mut y): (Vec<[f64; 2]>, Vec<[f64; 2]>) = (random.rows(5, 0.5..1.5), random.rows(6, -1.5..-0.5));
    // one factor of target 1 is 0
    y[3] = x[1];
    let e: Vec<[f64; 2]> = random.cloud(5);
    let all = product(1.5, &x, &y).vjp(&e).eval().unwrap();
    let pairing = |g: f64, x: &[[f64; 2]], y: &[[f64; 2]]| -> Vec<[f64; 1]> {
        let value = product(g, x, y).eval().unwrap();
        vec![[value.as_flat().iter().zip(e.as_flattened()).map(|(a, e)| a * e).sum::<f64>()]]
    };
    let moved = |rows: &[[f64; 2]], i: usize, c: usize, h: f64| {
        let mut rows = rows.to_vec();
        rows[i][c] += h;
        rows
    };
    for c in 0..2 {
        for i in 0..5 {
            let slope = slope_rows(|h| pairing(1.5, &moved(&x, i, c, h), &y))[0][0];
            assert_near(all.x[i][c], slope, 1e-7 * (1.0 + slope.abs()), ("x", i, c));
        }
        for j in 0..6 {
            let slope = slope_rows(|h| pairing(1.5, &x, &moved(&y, j, c, h)))[0][0];
            assert_near(all.y[j][c], slope, 1e-7 * (1.0 + slope.abs()), ("y", j, c));
        }
    }
    let slope = slope_rows(|h| pairing(1.5 + h, &x, &y))[0][0];
    assert_near(all.g[0][0], slope, 1e-7 * (1.0 + slope.abs()), "g");
}

#[test]
fn means_and_products_stay_on_a_device() {
    let mut random = Random::new();
    let (x, y): (Vec<[f64; 2]>, Vec<[f64; 2]>) = (random.cloud(6), random.cloud(9));
    let (b, e): (Vec<[f64; 3]>, Vec<[f64; 3]>) = (random.cloud(9), random.cloud(6));
    let host = mean(0.5, &x, &y, &b).vjp_y(&e).eval().unwrap();
    let there = mean(0.5, &x, &y, &b).vjp_y(&e).eval_on_device().unwrap();
    assert_eq!(there.download().unwrap()[..], host[..]);
    let host = product(0.5, &x, &y).vjp_y(&x).eval().unwrap();
    let there = product(0.5, &x, &y).vjp_y(&x).eval_on_device().unwrap();
    assert_eq!(there.download().unwrap()[..], host[..]);
}

fn derivatives_of_any_dimension<const D: usize>() {
    let mut random = Random::new();
    let (x, y, e): (Vec<[f64; D]>, Vec<[f64; D]>, Vec<[f64; D]>) = (random.cloud(4), random.cloud(5), random.cloud(4));
    let u: Vec<[f64; D]> = random.cloud(5);
    let moved = |h: f64| harness::moved(&y, h, &u);
    let slopes = slope_rows(|h| generic(&x, &moved(h)).vjp_x(&e).eval().unwrap().into_vec());
    let change = generic(&x, &y).vjp_x(&e).jvp_y(&u).eval().unwrap();
    let mean_slopes = slope_rows(|h| generic_mean(&x, &moved(h)).vjp_x(&e).eval().unwrap().into_vec());
    let mean_change = generic_mean(&x, &y).vjp_x(&e).jvp_y(&u).eval().unwrap();
    for i in 0..4 {
        for c in 0..D {
            assert_near(change[i][c], slopes[i][c], 1e-7 * (1.0 + slopes[i][c].abs()), ("product", i, c));
            assert_near(mean_change[i][c], mean_slopes[i][c], 1e-8, ("mean", i, c));
        }
    }
}

#[test]
fn means_and_products_of_any_dimension_have_derivatives() {
    derivatives_of_any_dimension::<3>();
    derivatives_of_any_dimension::<5>();
}

#[test]
fn direct_sums_have_means() {
    let found = direct(&[[1.0, 2.0]], &[[3.0, 4.0], [5.0, 8.0]]).eval().unwrap();
    assert_eq!(found[0], [4.0, 12.0]);
}
