//! Matrices of faer.

use faer::{Col, Mat};
use keops::prelude::*;

use super::{Case, M, N, assert_error, metrics, product};

#[test]
fn every_layout_is_rows() {
    let case = Case::new();
    let Case { s, x, y, b, .. } = &case;
    let (mx, my) = (Mat::from(&Rows::from(&x[..])), Mat::from(Rows::from(&y[..])));
    let mb = Col::from_fn(M, |j| b[j][0]);
    case.check(product(*s, &mx, &my, &mb));
    case.check(product(*s, mx.as_ref(), my.as_ref(), mb.as_ref()));
    let transposed = Mat::from_fn(2, N, |d, i| x[i][d]);
    case.check(product(*s, transposed.transpose(), &my, b));
    let backwards = Mat::from_fn(N, 2, |i, d| x[N - 1 - i][1 - d]);
    case.check(product(*s, backwards.as_ref().reverse_rows().reverse_cols(), &my, b));
    let large =
        Mat::from_fn(N + 2, 5, |i, d| if i > 0 && i <= N && (2..4).contains(&d) { x[i - 1][d - 2] } else { 9.0 });
    case.check(product(*s, large.submatrix(1, 2, N, 2), &my, b));
    case.check(product(&Mat::from_fn(2, 2, |i, j| s[2 * i + j]), &mx, &my, b));
    case.check(product(Mat::from_fn(2, 2, |i, j| s[2 * j + i]).transpose(), &mx, &my, b));
    case.check(product(&Col::from_fn(4, |k| s[k]), &mx, &my, b));
    case.check(product(Col::from_fn(4, |k| s[k]).as_ref(), &mx, &my, b));
    let metrics_of = Mat::from(case.rows_of_s());
    case.check_metrics(metrics(&metrics_of, &Mat::ones(2, 2), &mx, &my, b));
    case.check_metrics(metrics(metrics_of.as_ref(), Col::ones(4).as_ref(), &mx, &my, b));
    assert!(product(*s, &Mat::zeros(0, 2), &my, b).eval().unwrap().is_empty());
}

#[test]
fn what_does_not_fit_is_an_error() {
    let case = Case::new();
    let Case { s, x, y, b, .. } = &case;
    let wide = Mat::<f64>::zeros(N, 3);
    assert_error(product(*s, &wide, y, b), "`x` has dimension 2, but its rows hold 3 numbers");
    assert_error(product(*s, wide.transpose(), y, b), "`x` has dimension 2, but its rows hold 7 numbers");
    assert_error(product(*s, x, &Col::zeros(M), b), "`y` has dimension 2, but its rows hold 1 numbers");
    assert_error(product(*s, x, y, &Mat::zeros(5, 1)), "`b` has 5 rows, but `y`, which is indexed alike, has 12");
    assert_error(product(&wide, x, y, b), "the parameter `s` has dimension 4, but holds 21 numbers");
    assert!(Rows::<f64, 2>::try_from(&wide).is_err() && Rows::<f64, 2>::try_from(wide.as_ref()).is_err());
}

#[test]
fn results_are_matrices() {
    let case = Case::new();
    let Case { s, x, y, b, expected } = &case;
    let matrix: Mat<f64> = expected.clone().into();
    assert_eq!((matrix.nrows(), matrix.ncols()), (N, 1));
    assert_eq!(Rows::<f64, 1>::try_from(&matrix).unwrap(), *expected);
    let dense: Mat<f64> = product(*s, x, y, b).operator_b().unwrap().to_dense().unwrap().into();
    let by_matrix = dense * Col::from_fn(M, |j| b[j][0]);
    assert!((0..N).all(|i| (by_matrix[i] - expected[i][0]).abs() < 1e-12));
}
