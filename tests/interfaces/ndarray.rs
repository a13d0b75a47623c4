//! Arrays of ndarray.

use keops::{Element, interfaces::ndarray::rows_mut, prelude::*};
use ndarray::{Array, Array1, Array2, Array3, ArrayD, ArrayView2, Axis, ShapeBuilder, arr0, s};

use super::{Case, M, N, assert_error, metrics, product};

fn array<T: Element, const D: usize>(rows: &[[T; D]]) -> Array2<T> {
    Array2::from(Rows::from(rows))
}

#[test]
fn every_layout_is_rows() {
    let case = Case::new();
    let Case { s, x, y, b, .. } = &case;
    let (ax, ay, ab) = (array(x), array(y), array(b));
    case.check(product(s, &ax, &ay, &ab));
    case.check(product(*s, ax.view(), ay.view(), &b[..]));
    case.check(product(*s, &*ax, &ay.to_shared(), &Array1::from_iter(b.iter().map(|b| b[0]))));
    case.check(product(*s, &ax.view(), ay.clone().into_dyn().view(), &ab));
    let dynamic: ArrayD<f64> = ax.clone().into_dyn();
    case.check(product(*s, &dynamic, &ay, &ab));

    let fortran = Array2::from_shape_fn((N, 2).f(), |(i, d)| x[i][d]);
    assert!(fortran.as_slice().is_none());
    case.check(product(*s, &fortran, &ay, &ab));
    let transposed = Array2::from_shape_fn((2, M), |(d, j)| y[j][d]);
    case.check(product(*s, &ax, transposed.t(), &ab));
    let mut wide = Array2::<f64>::from_elem((2 * N, 5), 9.0);
    wide.slice_mut(s![..;2, 1..4;2]).assign(&ax);
    case.check(product(*s, wide.slice(s![..;2, 1..4;2]), &ay, &ab));
    case.check(product(*s, &wide.slice(s![..;2, 1..4;2]), &ay, &ab));
    // reversed rows, components and numbers
    let mut reversed = ax.clone();
    reversed.invert_axis(Axis(0));
    let backwards: Array2<f64> = array(&x.iter().rev().copied().collect::<Vec<_>>());
    assert_eq!(reversed, backwards);
    case.check(product(*s, backwards.slice(s![..;-1, ..]), &ay, &ab));
    let swapped = Array2::from_shape_fn((N, 2), |(i, d)| x[i][1 - d]);
    case.check(product(*s, swapped.slice(s![.., ..;-1]), &ay, &ab));
    let last_first = Array1::from_iter(b.iter().rev().map(|b| b[0]));
    case.check(product(*s, &ax, &ay, last_first.slice(s![..;-1])));
    // one row for all: a stride of 0
    let same = ax.slice(s![..1, ..]);
    let repeated = product(*s, same.broadcast((N, 2)).unwrap(), &ay, &ab).eval().unwrap();
    assert_eq!(repeated[..], [case.expected[0]; N]);

    // a parameter of any shape, row-major
    let metric = Array::from_shape_vec((2, 2), s.to_vec()).unwrap();
    case.check(product(&metric, &ax, &ay, &ab));
    case.check(product(metric.view(), &ax, &ay, &ab));
    let columns = Array2::from_shape_fn((2, 2), |(i, j)| s[2 * j + i]);
    case.check(product(columns.t(), &ax, &ay, &ab));
    case.check(product(&Array1::from_iter(*s), &ax, &ay, &ab));
    case.check(product(&array(&[*s]), &&ax, &Box::new(ay.clone()), &ab));
    // where the dimension is known at run time
    let (metrics_of, ones) = (Array2::from(case.rows_of_s()), Array2::from_elem((2, 2), 1.0));
    case.check_metrics(metrics(&metrics_of, &ones, &ax, &ay, &ab));
    case.check_metrics(metrics(metrics_of.view(), ones.view(), &ax, &ay, &ab));
    let error = metrics(&ay, &ones, x, y, b).eval().unwrap_err();
    assert_eq!(error.to_string(), "`s` has dimension 4, but its rows hold 2 numbers");
}

#[test]
fn axes_before_the_rows_are_batches() {
    let case = Case::new();
    let Case { s, x, y, b, .. } = &case;
    let twice: Array3<f64> = ndarray::stack(Axis(0), &[array(y).view(), array(&[[0.5; 2]; M]).view()]).unwrap();
    let found = product(*s, x, &twice, b).eval().unwrap();
    let by_hand = y.iter().copied().chain([[0.5; 2]; M]).collect::<Vec<_>>();
    assert_eq!(found, product(*s, x, batched(&by_hand, [2]), b).eval().unwrap());
    assert_eq!(found[..N], case.expected[..]);
    // cotangents of batches too, and an array that is batched by hand
    let e = Array3::from_elem((2, N, 1), 1.0);
    let slopes = product(*s, x, &twice, b).vjp_x(&e).eval().unwrap();
    assert_eq!(
        slopes,
        product(*s, x, batched(&array(&by_hand), [2]), b).vjp_x(batched(&[[1.0]; 2 * N], [2])).eval().unwrap()
    );
    let none = Array3::<f64>::zeros((0, M, 2));
    assert_error(product(*s, x, &none, b), "`y` has 0 rows, which are no batches of shape [0]");
}

#[test]
fn what_does_not_fit_is_an_error() {
    let case = Case::new();
    let Case { s, x, y, b, .. } = &case;
    let wide = Array2::<f64>::zeros((N, 3));
    assert_error(product(*s, &wide, y, b), "`x` has dimension 2, but its rows hold 3 numbers");
    assert_error(product(*s, wide.t(), y, b), "`x` has dimension 2, but its rows hold 7 numbers");
    assert_error(product(*s, x, &Array1::zeros(M), b), "`y` has dimension 2, but its rows hold 1 numbers");
    assert_error(product(*s, x, y, &arr0(1.0)), "`b` has 1 rows, but `y`, which is indexed alike, has 12");
    // as many numbers as there should be, in other rows
    assert_error(product(*s, &Array2::zeros((2, N)), y, b), "`x` has dimension 2, but its rows hold 7 numbers");
    assert_error(product(*s, x, y, &Array2::zeros((1, M))), "`b` has dimension 1, but its rows hold 12 numbers");
    assert_error(product(*s, x, y, &Array2::zeros((0, 3))), "`b` has dimension 1, but its rows hold 3 numbers");
    let parameter = "the parameter `s` has dimension 4, but holds 3 numbers";
    assert_error(product(&Array1::zeros(3), x, y, b), parameter);
    assert_error(product(Array2::zeros((3, 1)).view(), x, y, b), parameter);
    let wrong = product(*s, x, y, b).vjp_x(&wide).eval().unwrap_err();
    assert_eq!(wrong.to_string(), "`cotangent` has dimension 1, but its rows hold 3 numbers");
    let wrong = keops::cluster::grid_cluster::<f64, 2>(&wide, 0.1).unwrap_err();
    assert_eq!(wrong.to_string(), "`points` has dimension 2, but its rows hold 3 numbers");
    let wrong = Upload::upload::<f64, 2>(Device::Cpu, &wide).unwrap_err();
    assert_eq!(wrong.to_string(), "`rows` has dimension 2, but its rows hold 3 numbers");
}

#[test]
fn no_rows_are_no_fault() {
    let case = Case::new();
    let Case { s, x, b, .. } = &case;
    let none = Array2::<f64>::zeros((0, 2));
    assert_eq!(product(*s, x, &none, &b[..0]).eval().unwrap()[..], [[0.0]; N]);
    assert!(product(*s, &none, &case.y, b).eval().unwrap().is_empty());
    assert_eq!(Array2::from(Rows::<f64, 2>::default()), none);
    assert_eq!(Rows::<f64, 2>::try_from(&none).unwrap(), Rows::default());
}

#[test]
fn results_are_arrays() {
    let case = Case::new();
    let Case { s, x, y, b, expected } = &case;
    let mut out = Array2::zeros((N, 1));
    product(*s, x, y, b).into_rows(rows_mut(&mut out).unwrap()).unwrap();
    assert_eq!(out, Array2::from(expected.clone()));
    let mut part = Array2::zeros((2 * N, 1));
    let mut view = part.slice_mut(s![N.., ..]);
    product(*s, x, y, b).into_rows(rows_mut(&mut view).unwrap()).unwrap();
    assert_eq!(part.slice(s![N.., ..]), out);
    let error = rows_mut::<f64, _, 1>(&mut part.slice_mut(s![..;2, ..])).unwrap_err();
    assert_eq!(error.to_string(), "`out` is not row-major, so that nothing can be computed into its rows");
    let error = rows_mut::<f64, _, 2>(&mut part).unwrap_err();
    assert_eq!(error.to_string(), "`out` has dimension 2, but its rows hold 1 numbers");
    let error = product(*s, x, y, b).into_rows(rows_mut(&mut part).unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "the output holds 14 numbers, but the result has 7 rows of 1");

    let slopes: Array2<f64> = product(*s, x, y, b).vjp_x(&expected.clone()).eval().unwrap().into();
    assert_eq!(slopes.dim(), (N, 2));
    let back: Rows<f64, 2> = (&slopes).try_into().unwrap();
    assert_eq!(Array2::from(back), slopes);
    let dense: Array2<f64> = product(*s, x, y, b).operator_b().unwrap().to_dense().unwrap().into();
    let by_matrix = dense.dot(&array(b));
    assert!((by_matrix - &out).iter().all(|difference| difference.abs() < 1e-12));
    let view: ArrayView2<'_, f64> = out.view();
    assert_eq!(Rows::<f64, 1>::copied_from(view).unwrap(), *expected);
}

#[test]
fn the_element_type_follows_from_arrays() {
    let x = Array2::<f32>::from_elem((3, 2), 0.5);
    let a: Rows<f32, 1> = product([1.0, 0.0, 0.0, 1.0], &x, &x, &[[1.0]; 3]).eval().unwrap();
    assert_eq!(a[..], [[3.0]; 3]);
}
