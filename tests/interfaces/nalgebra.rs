//! Points and matrices of nalgebra.

use keops::{
    interfaces::nalgebra::{points, vectors},
    prelude::*,
};
use nalgebra::{DMatrix, DVector, Matrix2, OMatrix, Point2, Point3, U2, Vector1, Vector2, Vector4};

use super::{Case, M, N, assert_error, metrics, product};

#[test]
fn points_are_rows() {
    let case = Case::new();
    let Case { s, x, y, b, .. } = &case;
    let vectors: Vec<Vector2<f64>> = x.iter().copied().map(Vector2::from).collect();
    let points: Vec<Point2<f64>> = y.iter().copied().map(Point2::from).collect();
    let weights: Vec<Vector1<f64>> = b.iter().copied().map(Vector1::from).collect();
    case.check(product(*s, &vectors, &points, &weights));
    let array: [Vector2<f64>; N] = vectors.clone().try_into().unwrap();
    case.check(product(Vector4::from(*s), &array, &points[..], &weights[..]));
    case.check(product(&Vector4::from(*s), &vectors, y, b));
    case.check(product(&Matrix2::from_row_slice(s), &vectors, y, b));
    // one row is a parameter
    case.check(product(&[Vector4::from(*s)], &vectors, &points, b));
    case.check(product(&vec![Vector4::from(*s)], &&vectors, &Box::new(points.clone()), b));
    let two = vec![Vector4::from(*s); 2];
    assert_error(product(&two, x, y, b), "the parameter `s` has dimension 4, but holds 8 numbers");
    let metrics_of = vec![Vector4::from(*s); M];
    case.check_metrics(metrics(&metrics_of, Vector4::repeat(1.0), &vectors, &points, b));
    case.check_metrics(metrics(&metrics_of[..], &Matrix2::repeat(1.0), &vectors, &points, b));
    let error = metrics(&vectors, Vector4::repeat(1.0), x, y, b).eval().unwrap_err();
    assert_eq!(error.to_string(), "`s` has dimension 4, but its rows hold 2 numbers");
    assert_eq!(product(*s, &vectors[..0], &points, b).eval().unwrap(), Rows::default());
}

#[test]
fn matrices_are_rows() {
    let case = Case::new();
    let Case { s, x, y, b, .. } = &case;
    let (mx, my) = (DMatrix::from(&Rows::from(&x[..])), DMatrix::from(Rows::from(&y[..])));
    let mb = DVector::from(Rows::from(&b[..]));
    case.check(product(*s, &mx, &my, &mb));
    case.check(product(&DVector::from_row_slice(s), &mx, &my, &mb));
    // views: a part of a larger matrix, every second row, a transpose
    let mut large = DMatrix::from_element(2 * N + 1, 5, 9.0);
    large.view_mut((1, 2), (N, 2)).copy_from(&mx);
    case.check(product(*s, &large.view((1, 2), (N, 2)), &my, &mb));
    large.view_with_steps_mut((0, 1), (N, 2), (1, 1)).copy_from(&mx);
    case.check(product(*s, &large.view_with_steps((0, 1), (N, 2), (1, 1)), &my, &mb));
    case.check(product(*s, &mx.transpose().transpose(), &my, &mb.column(0)));
    let ones = DMatrix::from_element(2, 2, 1.0);
    case.check_metrics(metrics(&DMatrix::from(case.rows_of_s()), &ones, &mx, &my, &mb));
    let columns: OMatrix<f64, nalgebra::Dyn, U2> = OMatrix::<f64, nalgebra::Dyn, U2>::from_fn(N, |i, d| x[i][d]);
    case.check(product(*s, &columns, &my, &mb));
    assert!(product(*s, &DMatrix::zeros(0, 2), &my, &mb).eval().unwrap().is_empty());
}

#[test]
fn what_does_not_fit_is_an_error() {
    let case = Case::new();
    let Case { s, x, y, b, .. } = &case;
    let wide = DMatrix::<f64>::zeros(N, 3);
    assert_error(product(*s, &wide, y, b), "`x` has dimension 2, but its rows hold 3 numbers");
    assert_error(product(*s, &DMatrix::zeros(2, N), y, b), "`x` has dimension 2, but its rows hold 7 numbers");
    assert_error(product(*s, x, &DVector::zeros(2 * M), b), "`y` has dimension 2, but its rows hold 1 numbers");
    assert_error(
        product(*s, &[Vector2::zeros(); 3], y, &b[1..]),
        "`b` has 11 rows, but `y`, which is indexed alike, has 12",
    );
    assert_error(product(&wide, x, y, b), "the parameter `s` has dimension 4, but holds 21 numbers");
    assert!(Rows::<f64, 2>::try_from(&wide).is_err());
}

#[test]
fn results_are_points_and_matrices() {
    let case = Case::new();
    let Case { s, x, y, b, expected } = &case;
    let slopes = product(*s, x, y, b).vjp_x(expected).eval().unwrap();
    let matrix = DMatrix::from(&slopes);
    assert_eq!(matrix.shape(), (N, 2));
    assert_eq!(Rows::<f64, 2>::try_from(&matrix).unwrap(), slopes);
    let place = slopes.as_ptr().cast::<f64>();
    let as_points: Vec<Point2<f64>> = points(slopes.clone());
    assert!(as_points.iter().zip(&slopes).all(|(point, row)| point.coords.as_slice() == row));
    assert_eq!(Rows::copied_from(&as_points).unwrap(), slopes);
    // without copying
    let as_vectors: Vec<Vector2<f64>> = vectors(slopes.clone());
    assert_eq!(Rows::copied_from(&as_vectors).unwrap(), slopes);
    let as_vectors = vectors(slopes);
    assert_eq!(as_vectors.as_ptr().cast::<f64>(), place);
    let dense: DMatrix<f64> = product(*s, x, y, b).operator_b().unwrap().to_dense().unwrap().into();
    let by_matrix = dense * DVector::from(Rows::from(&b[..]));
    assert!((by_matrix - DVector::from(expected.clone())).amax() < 1e-12);
    assert_eq!(points(Rows::from([[1_u32, 2, 3]])), [Point3::new(1, 2, 3)]);
}
