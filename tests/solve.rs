//! Sums as linear operators, and equations with them: against dense matrices and finite differences.

mod harness;

use std::ops::ControlFlow;

use harness::{Random, assert_near, assert_rows, few, inner, squared_distance};
use keops::{
    f16,
    operator::LinearOperator,
    prelude::*,
    solve::{Preconditioner, Report, Stop},
};

keops! {
    /// Σ_j exp(-g |x_i - y_j|²) b_j
    #[keops(cuda(E = 1), cuda(E = 2), cuda(E = 4))]
    fn gaussian_product<const E: usize>(g: Pm<1>, x: Vi<3>, y: Vj<3>, b: Vj<E>) -> Sum<j> {
        exp(-g * sqdist(x, y)) * b
    }

    /// A matrix for each pair, which mixes components.
    fn field(x: Vi<2>, y: Vj<2>, b: Vj<2>) -> Sum<j> {
        exp(-sqdist(x, y)) * (b + (y | b) * x)
    }

    /// The same, over i.
    fn gaussian_over_i(g: Pm<1>, x: Vi<3>, y: Vj<3>, b: Vi<2>) -> Sum<i> {
        exp(-g * sqdist(x, y)) * b
    }

    /// Linear in b and in y, which have other components than the result, and not in x; over i.
    fn over_i(x: Vj<3>, y: Vi<3>, b: Vi<1>) -> Sum<i> {
        exp(x) * (y | x) * b
    }

    /// Other factors for other components.
    fn factors(x: Vi<1>, y: Vj<1>, w: Pm<2>, b: Vj<2>) -> Sum<j> {
        w * b / (1 + sqdist(x, y))
    }

    /// With weights of very different size on both sides.
    fn weighted(x: Vi<3>, s: Vi<1>, y: Vj<3>, t: Vj<1>, b: Vj<1>) -> Sum<j> {
        exp(-sqdist(x, y)) * s * t * b
    }
}

/// The matrix of `gaussian_product`.
fn gaussian(g: f64, x: &[[f64; 3]], y: &[[f64; 3]]) -> Vec<Vec<f64>> {
    x.iter().map(|x| y.iter().map(|y| (-g * squared_distance(x, y)).exp()).collect()).collect()
}

#[test]
fn operators_are_matrices() {
    let mut random = Random::new();
    let (x, y): (Vec<[f64; 3]>, Vec<[f64; 3]>) = (random.cloud(7), random.cloud(11));
    let (b, v): (Vec<[f64; 2]>, Vec<[f64; 2]>) = (random.cloud(11), random.cloud(11));
    let w: Vec<[f64; 2]> = random.cloud(7);
    let operator = gaussian_product(0.7, &x, &y, &b).operator_b().unwrap();
    let dense = operator.to_dense().unwrap();
    assert_eq!((dense.rows(), dense.cols()), (7, 11), "one block for both components");
    let expected = gaussian(0.7, &x, &y);
    for (i, row) in expected.iter().enumerate() {
        for (j, k) in row.iter().enumerate() {
            assert_near(dense[(i, j)], *k, 1e-15, (i, j));
        }
        assert_eq!(dense.row(i).unwrap(), &dense.as_flat()[11 * i..][..11]);
    }
    assert_eq!(dense.row(7), None);
    // b is not used, v is
    let product = operator.apply(&v).unwrap();
    let rows: Vec<[f64; 2]> =
        expected.iter().map(|row| [0, 1].map(|c| row.iter().zip(&v).map(|(k, v)| k * v[c]).sum())).collect();
    assert_rows(&product, &rows, 1e-14, "K v");
    let transposed = operator.apply_transpose(&w).unwrap();
    assert_near(inner(&product, &w), inner(&transposed, &v), 1e-13, "(w | K v) = (Kᵀ w | v)");
    // flat, for methods that know nothing of rows
    let flat: &dyn LinearOperator<f64> = &operator;
    assert_eq!((flat.rows(), flat.cols()), (14, 22));
    let (mut a, mut t) = (vec![0.0; 14], vec![0.0; 22]);
    flat.apply_into(v.as_flattened(), &mut a).unwrap();
    flat.apply_transpose_into(w.as_flattened(), &mut t).unwrap();
    assert_eq!((&a[..], &t[..]), (product.as_flat(), transposed.as_flat()));
    let error = flat.apply_into(&a, &mut t).unwrap_err();
    assert_eq!(error.to_string(), "`b` has 7 rows, but `y`, which is indexed alike, has 11");
    let error = operator.apply_transpose(&v).unwrap_err();
    assert_eq!(error.to_string(), "`cotangent` has 11 rows, but `x`, which is indexed alike, has 7");
}

#[test]
fn matrices_that_mix_components() {
    let mut random = Random::new();
    let (x, y): (Vec<[f64; 2]>, Vec<[f64; 2]>) = (random.cloud(5), random.cloud(4));
    let b = vec![[0.0; 2]; 4];
    let dense = field(&x, &y, &b).operator_b().unwrap().to_dense().unwrap();
    assert_eq!((dense.rows(), dense.cols()), (10, 8));
    for (i, x) in x.iter().enumerate() {
        for (j, y) in y.iter().enumerate() {
            let k = (-squared_distance(x, y)).exp();
            for (c, d) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                let identity = if c == d { 1.0 } else { 0.0 };
                let expected = k * (identity + x[c] * y[d]);
                assert_near(dense[(2 * i + c, 2 * j + d)], expected, 1e-15, (i, j, c, d));
            }
        }
    }
    // each component by itself, but not in the same way
    let (x, y) = ([[0.0], [1.0]], [[2.0]]);
    let dense = factors(&x, &y, [3.0, 5.0], &[[0.0; 2]]).operator_b().unwrap().to_dense().unwrap();
    assert_eq!(dense.into_flat(), [0.6, 0.0, 0.0, 1.0, 1.5, 0.0, 0.0, 2.5]);
}

#[test]
fn operators_of_sums_over_i() {
    let mut random = Random::new();
    let (x, y): (Vec<[f64; 3]>, Vec<[f64; 3]>) = (random.cloud(3), random.cloud(4));
    let b: Vec<[f64; 1]> = random.cloud(4);
    let in_b = over_i(&x, &y, &b).operator_b().unwrap().to_dense().unwrap();
    assert_eq!((in_b.rows(), in_b.cols()), (9, 4));
    let in_y = over_i(&x, &y, &b).operator_y().unwrap().to_dense().unwrap();
    assert_eq!((in_y.rows(), in_y.cols()), (9, 12));
    let dot = |i: usize, j: usize| harness::dot(&x[i], &y[j]);
    for i in 0..3 {
        for j in 0..4 {
            for c in 0..3 {
                assert_near(in_b[(3 * i + c, j)], x[i][c].exp() * dot(i, j), 1e-14, (i, j, c));
                for d in 0..3 {
                    assert_near(in_y[(3 * i + c, 3 * j + d)], x[i][c].exp() * x[i][d] * b[j][0], 1e-14, (i, j, c, d));
                }
            }
        }
    }
    // y has the components of the result: its equations could be solved, if the matrix were symmetric
    let error = over_i(&x, &y, &b).solve_y(1.0).eval().unwrap_err();
    assert_eq!(error, Error::NotSquare { rows: 3, cols: 4 });
}

/// |b - (αI + K) a| / |b| for each column, by plain loops.
fn residuals<const E: usize>(k: &[Vec<f64>], alpha: f64, a: &[[f64; E]], b: &[[f64; E]]) -> [f64; E] {
    std::array::from_fn(|c| {
        let residual = |i: usize| b[i][c] - alpha * a[i][c] - k[i].iter().zip(a).map(|(k, a)| k * a[c]).sum::<f64>();
        let squared: f64 = (0..b.len()).map(|i| residual(i).powi(2)).sum();
        let length = b.iter().map(|b| b[c] * b[c]).sum::<f64>();
        if length > 0.0 { (squared / length).sqrt() } else { squared.sqrt() }
    })
}

/// Checks a report: what it says is true, and the equations are solved.
#[track_caller]
fn assert_solved<const E: usize>(report: &Report, residuals: [f64; E], tolerance: f64) {
    assert!(report.converged(), "{report:?}");
    assert_eq!(report.residuals.len(), E);
    for (reported, found) in report.residuals.iter().zip(residuals) {
        assert!(*reported <= tolerance, "{report:?}");
        assert_near(*reported, found, 1e-3 * tolerance + 1e-14, "the residual is the one reported");
    }
}

#[test]
fn equations_in_f64() {
    let (mut random, n) = (Random::new(), few(300));
    let x: Vec<[f64; 3]> = random.cloud(n);
    let mut b: Vec<[f64; 4]> = random.cloud(n);
    // one right-hand side is zero, one is solved at once: K is nearly constant on it
    b.iter_mut().for_each(|b| (b[1], b[2]) = (0.0, 1.0));
    let k = gaussian(3.0, &x, &x);
    for (alpha, tolerance) in [(10.0, 1e-6), (0.1, 1e-6), (0.1, 1e-12), (1e-4, 1e-8)] {
        let solution =
            gaussian_product(3.0, &x, &x, &b).solve_b(alpha).tolerance(tolerance).max_iterations(3000).eval().unwrap();
        assert_solved(&solution.report, residuals(&k, alpha, &solution.values, &b), tolerance);
        assert!(solution.values.iter().all(|a| a[1] == 0.0));
        assert_eq!(solution.report.residuals[1], 0.0);
    }
}

#[test]
fn equations_in_f32_are_solved_as_in_f64() {
    let (mut random, n) = (Random::new(), few(400));
    let x: Vec<[f32; 3]> = random.cloud(n);
    let b: Vec<[f32; 2]> = random.cloud(n);
    let (wide_x, wide_b) = (harness::wide(&x), harness::wide(&b));
    let k = gaussian(2.0, &wide_x, &wide_x);
    for (alpha, tolerance) in [(0.1, 1e-6), (1e-3, 1e-6), (0.1, 1e-11)] {
        let solution =
            gaussian_product(2.0, &x, &x, &b).solve_b(alpha).tolerance(tolerance).max_iterations(3000).eval().unwrap();
        assert_solved(&solution.report, residuals(&k, alpha, &solution.values, &wide_b), tolerance);
        assert!(solution.report.renewals > 1, "{:?}", solution.report);
        let rounded: Rows<f32, 2> = solution.rounded();
        assert_eq!(rounded[7][1], solution.values[7][1] as f32);
    }
}

#[test]
fn equations_over_i() {
    let (mut random, n) = (Random::new(), few(100));
    let (x, b): (Vec<[f32; 3]>, Vec<[f32; 2]>) = (random.cloud(n), random.cloud(n));
    let e: Vec<[f32; 2]> = random.cloud(n);
    let over_i = gaussian_over_i(1.0, &x, &x, &b).solve_b(0.1).eval().unwrap();
    let over_j = gaussian_product(1.0, &x, &x, &b).solve_b(0.1).eval().unwrap();
    // residuals of 1e-6 |b| with eigenvalues from 0.1 on
    assert_rows(&over_i.values, &harness::wide(&over_j.values), 1e-4, "the matrix is symmetric");
    let (in_i, in_j) = (over_i.vjp(&e).unwrap().arguments, over_j.vjp(&e).unwrap().arguments);
    // what stands on the other side here stands on this side there
    assert_rows(&in_i.x, &harness::wide(&in_j.y), 1e-3, "the gradient in the points that are summed over");
    assert_rows(&in_i.y, &harness::wide(&in_j.x), 1e-3, "the gradient in the others");
    assert_rows(&in_i.b, &harness::wide(&in_j.b), 1e-4, "the gradient in b");
}

#[test]
fn equations_that_mix_components() {
    let mut random = Random::new();
    let x: Vec<[f64; 2]> = random.cloud(100);
    let b: Vec<[f64; 2]> = random.cloud(100);
    let solution = field(&x, &x, &b).solve_b(0.5).tolerance(1e-9).eval().unwrap();
    assert!(solution.report.converged());
    assert_eq!(solution.report.residuals.len(), 1, "one vector of 200 numbers");
    let product = field(&x, &x, &*solution.values).eval().unwrap();
    let expected: Vec<[f64; 2]> = (0..100).map(|i| [0, 1].map(|c| b[i][c] - 0.5 * solution.values[i][c])).collect();
    assert_rows(&product, &expected, 1e-8, "K a = b - αa");
}

#[test]
fn jacobi_saves_iterations() {
    let (mut random, n) = (Random::new(), few(300));
    // far from each other, so that the matrix is nearly its diagonal
    let x: Vec<[f64; 3]> = random.rows(n, -10.0..10.0);
    let b: Vec<[f64; 1]> = random.cloud(n);
    let s: Vec<[f64; 1]> = (0..n).map(|_| [10f64.powf(random.number(-1.0..1.0))]).collect();
    let k = |i: usize, j: usize| (-squared_distance(&x[i], &x[j])).exp() * s[i][0] * s[j][0];
    let k: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| k(i, j)).collect()).collect();
    let solve = |preconditioner| {
        let call = weighted(&x, &s, &x, &s, &b).solve_b(1e-2).tolerance(1e-8).max_iterations(5000);
        let solution = call.preconditioner(preconditioner).eval().unwrap();
        assert_solved(&solution.report, residuals(&k, 1e-2, &solution.values, &b), 1e-8);
        solution.report.iterations
    };
    let (plain, jacobi) = (solve(Preconditioner::None), solve(Preconditioner::Jacobi));
    assert!(3 * jacobi < plain, "{jacobi} iterations, {plain} without");
}

#[cfg(feature = "nystrom")]
#[test]
fn nystrom_saves_iterations() {
    let (mut random, n) = (Random::new(), few(300));
    let x: Vec<[f64; 3]> = random.cloud(n);
    let b: Vec<[f64; 2]> = random.cloud(n);
    let k = gaussian(1.0, &x, &x);
    let solve = |preconditioner| {
        let call = gaussian_product(1.0, &x, &x, &b).solve_b(1e-4).tolerance(1e-8).max_iterations(5000);
        let solution = call.preconditioner(preconditioner).eval().unwrap();
        assert_solved(&solution.report, residuals(&k, 1e-4, &solution.values, &b), 1e-8);
        (solution.report.iterations, solution.values)
    };
    let plain = solve(Preconditioner::None).0;
    let nystrom = solve(Preconditioner::Nystrom { rank: 150, seed: 1 });
    assert!(5 * nystrom.0 < plain, "{} iterations, {plain} without", nystrom.0);
    assert_eq!(nystrom, solve(Preconditioner::Nystrom { rank: 150, seed: 1 }), "the seed says it all");
    assert_ne!(nystrom.1, solve(Preconditioner::Nystrom { rank: 150, seed: 2 }).1);

    // f32, and a matrix that mixes components
    let (narrow, c): (Vec<[f32; 3]>, Vec<[f32; 2]>) = (random.cloud(n), random.cloud(n));
    let k = gaussian(1.0, &harness::wide(&narrow), &harness::wide(&narrow));
    let preconditioner = Preconditioner::Nystrom { rank: 100, seed: 7 };
    let call = gaussian_product(1.0, &narrow, &narrow, &c).solve_b(1e-2).preconditioner(preconditioner);
    let solution = call.eval().unwrap();
    assert_solved(&solution.report, residuals(&k, 1e-2, &solution.values, &harness::wide(&c)), 1e-6);
    assert!(solution.report.iterations < 40, "{:?}", solution.report);
    let points: Vec<[f64; 2]> = random.cloud(n);
    let mixed = field(&points, &points, &b).solve_b(1e-3).preconditioner(preconditioner).eval().unwrap();
    assert!(mixed.report.converged() && mixed.report.iterations < 40, "{:?}", mixed.report);
}

/// Where the unknown has other components, the diagonal has too.
#[test]
fn jacobi_with_components() {
    let mut random = Random::new();
    let x: Vec<[f64; 2]> = random.cloud(40);
    let b: Vec<[f64; 2]> = random.cloud(40);
    let solution =
        field(&x, &x, &b).solve_b(0.5).preconditioner(Preconditioner::Jacobi).tolerance(1e-9).eval().unwrap();
    let plain = field(&x, &x, &b).solve_b(0.5).tolerance(1e-9).eval().unwrap();
    assert_rows(&solution.values, &plain.values, 1e-6, "with Jacobi");
    let (points, b) = ([[0.0], [1.0]], [[1.0, 1.0], [0.0, 0.0]]);
    // K is diag(3, 5) (1 1/2; 1/2 1): two systems of two equations
    let solved = factors(&points, &points, [3.0, 5.0], &b).solve_b(0.0).preconditioner(Preconditioner::Jacobi);
    let expected = [[4.0 / 9.0, 4.0 / 15.0], [-2.0 / 9.0, -2.0 / 15.0]];
    assert_rows(&solved.tolerance(1e-12).eval().unwrap().values, &expected, 1e-11, "by hand");
}

#[test]
fn gradients_of_solutions() {
    let mut random = Random::new();
    let (n, g, alpha) = (30, 1.3, 0.4);
    let x: Vec<[f64; 3]> = random.cloud(n);
    let (b, e): (Vec<[f64; 2]>, Vec<[f64; 2]>) = (random.cloud(n), random.cloud(n));
    let value = |g: f64, x: &[[f64; 3]], b: &[[f64; 2]], alpha: f64| {
        let solution = gaussian_product(g, x, x, b).solve_b(alpha).tolerance(1e-14).eval().unwrap();
        inner(&solution.values, &e)
    };
    let solution = gaussian_product(g, &x, &x, &b).solve_b(alpha).tolerance(1e-13).eval().unwrap();
    let gradients = solution.vjp(&e).unwrap();
    assert!(gradients.report.converged());
    let slope = |f: &dyn Fn(f64) -> f64| harness::slope(f);
    let arguments = &gradients.arguments;
    let found = slope(&|h| value(g, &x, &b, alpha + h));
    assert_near(gradients.alpha, found, 1e-8, "alpha");
    assert_near(arguments.g[0][0], slope(&|h| value(g + h, &x, &b, alpha)), 1e-8, "g");
    let u: Vec<[f64; 2]> = random.cloud(n);
    let found = slope(&|h| value(g, &x, &harness::moved(&b, h, &u), alpha));
    assert_near(inner(&arguments.b, &u), found, 1e-8, "b");
    // the points stand on both sides
    let u: Vec<[f64; 3]> = random.cloud(n);
    let found = slope(&|h| value(g, &harness::moved(&x, h, &u), &b, alpha));
    assert_near(inner(&arguments.x, &u) + inner(&arguments.y, &u), found, 1e-7, "x and y");
    assert!(found.abs() > 1e-3, "the slope says something");

    let error = solution.vjp(&e[1..]).unwrap_err();
    assert_eq!(error.to_string(), "`cotangent` has 29 rows, but `b`, which is indexed alike, has 30");
    let error = solution.vjp(&vec![[f64::INFINITY; 2]; n]).unwrap_err();
    assert_eq!(error.to_string(), "component 0 of row 0 of `cotangent` is not a finite number");
}

#[test]
fn iterations_end_when_they_should() {
    let (mut random, n) = (Random::new(), few(200));
    let x: Vec<[f64; 3]> = random.cloud(n);
    let b: Vec<[f64; 1]> = random.cloud(n);
    let k = gaussian(3.0, &x, &x);
    let solve = || gaussian_product(3.0, &x, &x, &b).solve_b(1e-3).tolerance(1e-8);
    let solution = solve().max_iterations(5).eval().unwrap();
    assert_eq!((solution.report.iterations, solution.report.stop), (5, Stop::MaxIterations));
    assert!(!solution.report.converged());
    let [found] = residuals(&k, 1e-3, &solution.values, &b);
    assert_near(solution.report.residual(), found, 1e-12, "the residual of what is returned");
    assert!(found > 1e-8);

    let mut seen = Vec::new();
    let solution = solve()
        .progress(|progress| {
            seen.push((progress.iteration, progress.residuals[0]));
            if progress.residuals[0] < 0.01 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .eval()
        .unwrap();
    assert_eq!(solution.report.stop, Stop::Callback);
    assert_eq!(seen.iter().map(|s| s.0).collect::<Vec<_>>(), (1..=solution.report.iterations).collect::<Vec<_>>());
    assert_near(seen.last().unwrap().1, solution.report.residual(), 1e-10, "the callback's residual");
    // no iteration at all
    let solution = solve().max_iterations(0).eval().unwrap();
    assert_eq!((solution.report.residual(), solution.report.stop), (1.0, Stop::MaxIterations));
    assert!(solution.values.iter().all(|a| a[0] == 0.0));
    let zero = vec![[0.0; 1]; n];
    let solution = gaussian_product(3.0, &x, &x, &zero).solve_b(1e-3).eval().unwrap();
    assert_eq!((solution.report.iterations, solution.report.converged()), (0, true));
    // beyond what f64 can tell
    let solution = solve().tolerance(0.0).max_iterations(10_000).eval().unwrap();
    assert_eq!(solution.report.stop, Stop::Stagnated);
    assert!(solution.report.residual() < 1e-10, "{:?}", solution.report);
}

#[test]
fn equations_that_cannot_be_solved() {
    let mut random = Random::new();
    let (x, y): (Vec<[f64; 3]>, Vec<[f64; 3]>) = (random.cloud(50), random.cloud(50));
    let b: Vec<[f64; 1]> = random.cloud(50);
    // other points on the two sides
    let error = gaussian_product(1.0, &x, &y, &b).solve_b(10.0).eval().unwrap_err();
    assert!(matches!(error, Error::NotSymmetric { asymmetry } if asymmetry > 1e-3), "{error}");
    assert!(error.to_string().starts_with("the matrix is not symmetric"));
    let error = gaussian_product(1.0, &x, &y[1..], &b[1..]).solve_b(10.0).eval().unwrap_err();
    assert_eq!(error.to_string(), "equations need as many rows on both sides, but there are 50 and 49");
    // a negative matrix: exp(-|x - y|²) s t with s = -t
    let (s, t): (Vec<[f64; 1]>, Vec<[f64; 1]>) = (vec![[1.0]; 50], vec![[-1.0]; 50]);
    let error = weighted(&x, &s, &x, &t, &b).solve_b(0.1).eval().unwrap_err();
    assert!(matches!(error, Error::NotPositiveDefinite { curvature } if curvature < 0.0), "{error}");
    let jacobi = weighted(&x, &s, &x, &t, &b).solve_b(0.1).preconditioner(Preconditioner::Jacobi);
    assert_eq!(jacobi.eval().unwrap_err(), Error::NotPositiveDefinite { curvature: 0.1 - 1.0 });
    let single: Vec<[f32; 1]> = vec![[1.0]; 50];
    let (narrow, minus): (Vec<[f32; 3]>, Vec<[f32; 1]>) = (random.cloud(50), vec![[-1.0]; 50]);
    let error = weighted(&narrow, &single, &narrow, &minus, &single).solve_b(0.1).eval().unwrap_err();
    assert!(matches!(error, Error::NotPositiveDefinite { .. }), "{error}");
    // NaN
    let solve = |x: &Vec<[f64; 3]>, b: &Vec<[f64; 1]>, alpha: f64| {
        gaussian_product(1.0, x, x, b).solve_b(alpha).eval().unwrap_err().to_string()
    };
    let mut wrong = x.clone();
    wrong[3][1] = f64::NAN;
    assert_eq!(solve(&wrong, &b, 0.1), "the product with K is not finite");
    let jacobi = gaussian_product(1.0, &wrong, &wrong, &b).solve_b(0.1).preconditioner(Preconditioner::Jacobi);
    assert_eq!(jacobi.eval().unwrap_err().to_string(), "the diagonal of K is not finite");
    let mut wrong = b.clone();
    wrong[3][0] = f64::NAN;
    assert_eq!(solve(&x, &wrong, 0.1), "component 0 of row 3 of `b` is not a finite number");
    assert_eq!(solve(&x, &b, f64::NAN), "`alpha` cannot be NaN");
    assert_eq!(solve(&x, &b, -1.0), "`alpha` cannot be -1");
    let tolerance = gaussian_product(1.0, &x, &x, &b).solve_b(0.1).tolerance(f64::NAN).eval();
    assert_eq!(tolerance.unwrap_err().to_string(), "`tolerance` cannot be NaN");
    #[cfg(feature = "nystrom")]
    {
        let nystrom = |x: &Vec<[f64; 3]>, rank| {
            let solve = gaussian_product(1.0, x, x, &b).solve_b(0.1);
            solve.preconditioner(Preconditioner::Nystrom { rank, seed: 1 }).eval().map(|solution| solution.report)
        };
        assert_eq!(nystrom(&x, 0).unwrap_err().to_string(), "`rank` cannot be 0");
        assert!(nystrom(&x, 1000).unwrap().converged(), "a rank is at most the number of rows");
    }
    // no rows, no equations
    let none = gaussian_product(1.0, &[[0.0; 3]; 0], &[[0.0; 3]; 0], &[[0.0; 1]; 0]).solve_b(0.1).eval().unwrap();
    assert!(none.report.converged() && none.values.is_empty());
}

/// Checks the report of `Solve` for 20,000 points against a sum in f64 by plain loops.
fn many_points<T: keops::Element>(preconditioner: Preconditioner) {
    const N: usize = 20_000;
    let (sigma, alpha) = (0.2, 0.1);
    let mut random = Random::new();
    let x: Vec<[T; 3]> = random.rows(N, 0.0..1.0);
    let b: Vec<[T; 1]> = random.cloud(N);
    let g = T::from_f64(1.0 / (2.0 * sigma * sigma));
    let start = std::time::Instant::now();
    let solution = gaussian_product(g, &x, &x, &b).solve_b(alpha).preconditioner(preconditioner).eval().unwrap();
    let time = start.elapsed();
    let (x, b, g) = (harness::wide(&x), harness::wide(&b), keops::Element::to_f64(g));
    let squared: f64 = (0..N)
        .map(|i| {
            let terms = x.iter().zip(&solution.values).map(|(y, a)| (-g * squared_distance(&x[i], y)).exp() * a[0]);
            (b[i][0] - alpha * solution.values[i][0] - terms.sum::<f64>()).powi(2)
        })
        .sum();
    let found = (squared / inner(&b, &b)).sqrt();
    println!("{} {preconditioner:?} {time:.1?}: {:?}, plain loops find {found:e}", T::NAME, solution.report);
    assert_solved(&solution.report, [found], 1e-6);
}

#[test]
#[ignore = "minutes: cargo test --release --features nystrom --test solve -- --ignored --nocapture"]
fn equations_of_many_points() {
    many_points::<f32>(Preconditioner::None);
    many_points::<f64>(Preconditioner::None);
    #[cfg(feature = "nystrom")]
    {
        many_points::<f32>(Preconditioner::Nystrom { rank: 300, seed: 1 });
        many_points::<f64>(Preconditioner::Nystrom { rank: 300, seed: 1 });
    }
}

#[test]
fn equations_over_ranges_and_of_rows_of_16_bits() {
    let mut random = Random::new();
    let n = 24;
    let x: Vec<[f16; 3]> = (0..n).map(|_| std::array::from_fn(|_| f16::from_f64(random.number(-1.0..1.0)))).collect();
    let b: Vec<[f32; 2]> = random.cloud(n);
    // two blocks; rows 20.. have no pair, and so no entry on the diagonal
    let ranges = Ranges::new([(0..8, 0..8), (8..20, 8..20)]).unwrap();
    let call = || gaussian_product(0.75, &x, &x, &b).ranges(&ranges);
    let exact: Vec<[f64; 3]> = x.iter().map(|row| row.map(f64::from)).collect();
    let mut k = gaussian(0.75, &exact, &exact);
    for (i, row) in k.iter_mut().enumerate() {
        for (j, k) in row.iter_mut().enumerate() {
            *k *= f64::from(u8::from(i < 8 && j < 8 || (8..20).contains(&i) && (8..20).contains(&j)));
        }
    }
    let dense = call().operator_b().unwrap().to_dense().unwrap();
    for (i, row) in k.iter().enumerate() {
        row.iter().enumerate().for_each(|(j, &k)| assert_near(dense[(i, j)].into(), k, 1e-6, (i, j)));
    }
    let operator = call().operator_b().unwrap();
    let (e, found) = (harness::wide(&b), operator.apply_transpose(&b).unwrap());
    let expected: Vec<[f64; 2]> =
        (0..n).map(|j| [0, 1].map(|c| k.iter().zip(&e).map(|(row, e)| row[j] * e[c]).sum())).collect();
    assert_rows(&found, &expected, 1e-6, "the transpose has the same pairs");
    for preconditioner in [Preconditioner::None, Preconditioner::Jacobi] {
        let solution = call().solve_b(0.5).tolerance(1e-8).preconditioner(preconditioner).eval().unwrap();
        let b: Vec<[f64; 2]> = b.iter().map(|row| row.map(f64::from)).collect();
        assert_solved(&solution.report, residuals(&k, 0.5, &solution.values, &b), 1e-8);
    }
    let error = gaussian_product(0.75, batched(&x, [2]), batched(&x, [2]), batched(&b, [2])).operator_b().unwrap_err();
    assert_eq!(error, Error::Batches { what: "a linear operator" });
}
