//! What a call takes and gives: kinds of arguments, inference of the element type, results, errors, devices, threads.

#![allow(clippy::needless_range_loop, reason = "rows of arrays, compared by component")]
#![allow(clippy::needless_borrows_for_generic_args, reason = "references are arguments of their own")]

mod harness;

use std::{
    borrow::Cow,
    rc::Rc,
    sync::{Arc, Mutex},
};

use harness::{Random, assert_identical, assert_rows, large};
use keops::{AsParameter, AsRows, Element, View, bf16, f16, prelude::*};

keops! {
    /// a_i = Σ_j exp(-g |x_i - y_j|² s_i) (b_j | p)
    fn product(g: Pm<1>, x: Vi<3>, s: Vi<1>, y: Vj<3>, b: Vj<2>, p: Pm<2>) -> Sum<j> {
        exp(-g * sqdist(x, y) * s) * (b | p)
    }

    #[keops(precise)]
    fn gaussian(g: Pm<1>, x: Vi<3>, y: Vj<3>, b: Vj<2>) -> Sum<j> {
        exp(-g * sqdist(x, y)) * b
    }

    fn nearest(x: Vi<3>, y: Vj<3>) -> ArgMin<j> {
        sqdist(x, y)
    }

    #[keops(cuda(D = 1), cuda(D = 2), cuda(D = 3), cuda(D = 4))]
    fn density<const D: usize>(x: Vi<D>, y: Vj<D>) -> LogSumExp<j> {
        -sqdist(x, y)
    }
}

const N: usize = 19;
const M: usize = 45;

/// Arguments of [`product`].
struct Arguments<T> {
    g: T,
    x: Vec<[T; 3]>,
    s: Vec<[T; 1]>,
    y: Vec<[T; 3]>,
    b: Vec<[T; 2]>,
    p: [T; 2],
}

impl<T: Element> Arguments<T> {
    fn new() -> Self {
        let mut random = Random::new();
        Arguments {
            g: random.number(0.5..1.0),
            x: random.cloud(N),
            s: random.rows(N, 0.5..1.0),
            y: random.cloud(M),
            b: random.cloud(M),
            p: random.cloud(1)[0],
        }
    }

    fn eval(&self) -> Rows<T, 1> {
        product(self.g, &self.x, &self.s, &self.y, &self.b, self.p).eval().unwrap()
    }
}

fn every_kind_of_argument<T: Element>() {
    let all = Arguments::<T>::new();
    let Arguments { g, x, s, y, b, p } = &all;
    let expected = all.eval();
    let check = |call: product::Call<'_, T, product::Value>, what: &str| {
        assert_identical(&call.eval().unwrap(), &expected, what);
    };
    // rows: vectors, slices, arrays, results
    let array: [[T; 3]; N] = x.as_slice().try_into().unwrap();
    let (rows, boxed): (Rows<T, 3>, Box<[[T; 2]]>) = (x.clone().into(), b.clone().into());
    check(product(*g, x.as_slice(), s, &y[..], b, *p), "slices");
    check(product(*g, &array, s, y, &*boxed, *p), "an array, a box");
    check(product(*g, &rows, s, y, b, *p), "a result");
    check(product(*g, &*rows, &s[..], y, b, *p), "a result as a slice");
    let longer = [[T::one(); 3]].into_iter().chain(y.iter().copied()).collect::<Vec<_>>();
    check(product(*g, x, s, &longer[1..], b, *p), "a part of a slice");
    // flat: vectors, slices, arrays
    let (flat_x, flat_s): (Vec<T>, Vec<T>) = (x.as_flattened().to_vec(), s.as_flattened().to_vec());
    let flat_array: [T; 3 * N] = flat_x.as_slice().try_into().unwrap();
    check(product(*g, &flat_x, &flat_s, y.as_flattened(), b.as_flattened(), *p), "flat");
    check(product(*g, &flat_array, s.as_flattened(), y, b, *p), "a flat array");
    check(product(*g, &flat_x[..], s, y, b, *p), "a flat slice");
    // parameters
    let slice = [*g];
    let (one, two): (Rows<T, 1>, Rows<T, 2>) = (vec![[*g]].into(), vec![*p].into());
    check(product([*g], x, s, y, b, p), "arrays");
    check(product(&slice[..], x, s, y, b, &p[..]), "slices as parameters");
    check(product(&vec![*g], x, s, y, b, &p.to_vec()), "vectors as parameters");
    check(product(&one, x, s, y, b, &two), "rows as parameters");
    check(product(g, x, s, y, b, p), "a reference to a number");
    check(product([[*g]], x, s, y, b, [*p]), "one row by value");
    check(product(&[[*g]], x, s, y, b, &[*p]), "a reference to one row");
    check(product(&[[*g]][..], x, s, y, b, &[*p][..]), "a slice of one row");
    check(product(&vec![[*g]], x, s, y, b, &vec![*p]), "a vector of one row");
    check(product(&vec![vec![*g]], x, s, y, b, &[&p[..]][..]), "a list of one list");
    check(product(View::scalar(*g), x, s, y, b, View::from_rows(&[*p])), "views");
    check(product(batched(&[[*g]], [1]), x, s, y, b, batched(p, [1])), "batches of one parameter");
    check(product(&&[*g], x, s, y, b, &&vec![*p]), "references to references");
    let (boxed_p, shared_p): (Box<[T]>, Box<[T; 2]>) = (Box::new(*p), Box::new(*p));
    check(product(*g, x, s, y, b, &boxed_p), "a box of numbers");
    check(product(*g, x, s, y, b, &shared_p), "a box of an array");
    // pointers to rows
    let (list, slices): (Vec<Vec<T>>, Vec<&[T]>) =
        (x.iter().map(|x| x.to_vec()).collect(), b.iter().map(|b| &b[..]).collect());
    check(product(*g, &&x, &&s[..], &&&y, &boxed, *p), "references to references, a box");
    check(product(*g, &Arc::new(x.clone()), &Rc::new(&s[..]), y, &Box::new(b.clone()), *p), "shared");
    check(product(*g, &Cow::Borrowed(&x[..]), &Cow::Borrowed(s), y, b, *p), "borrowed or owned");
    let lent = &mut x.clone();
    check(product(*g, &lent, s, y, b, *p), "a reference to a mutable one");
    check(product(*g, &list, s, y, &slices, *p), "rows that are lists");
    check(product(*g, &list[..], s, y, &slices[..], *p), "slices of lists");
}

/// Element types that follow from their bound only.
fn through_a_bound<T: Element>(g: T, x: &[[T; 3]]) -> Rows<T, 2> {
    let b = vec![[T::one(); 2]; x.len()];
    let by_value = gaussian(g, x, x, &b).eval().unwrap();
    assert_identical(&gaussian(&g, x, x, &b).eval().unwrap(), &by_value, "a reference");
    by_value
}

/// As a function of a user may take them.
fn by_traits<'a>(g: impl AsParameter<'a, f64, 1>, x: impl AsRows<'a, f64, 3> + Copy) -> Rows<f64, 2> {
    gaussian(g, x, x, &[[1.0; 2]]).eval().unwrap()
}

#[test]
fn parameters_are_inferred() {
    let x = vec![[0.0_f32, 1.0, 0.5]];
    let b = vec![[1.0, 2.0]];
    let expected = Rows::from(b.clone());
    // literals
    for found in [
        gaussian(0.5, &x, &x, &b).eval(),
        gaussian(&0.5, &x, &x, &b).eval(),
        gaussian(&&0.5, &x, &x, &b).eval(),
        gaussian(-0.5, &x, &x, &b).eval(),
        gaussian([0.5], &x, &x, &b).eval(),
        gaussian([[0.5]], &x, &x, &b).eval(),
        gaussian(&[[0.5]], &x, &x, &b).eval(),
        gaussian(&vec![0.5], &x, &x, &b).eval(),
        gaussian(&vec![[0.5]], &x, &x, &b).eval(),
        gaussian(&Box::new(0.5), &x, &x, &b).eval(),
        gaussian(f16::from_f32(0.5), &x, &x, &b).eval(),
        gaussian(&bf16::from_f32(0.5), &x, &x, &b).eval(),
    ] {
        assert_eq!(found.unwrap(), expected);
    }
    // nothing but literals: f64, and numbers that arithmetic takes
    let a = gaussian(&0.5, &[[0.0, 0.0, 1.0]], &[[0.0, 0.0, 1.0]], &[[3.0, 4.0]]).eval().unwrap();
    let difference: f64 = a[0][0] - 3.0;
    assert!(difference.abs() < 1e-15);
    let a = gaussian(0.5, &[0.0, 0.0, 1.0], &[0.0, 0.0, 1.0], &[3.0, 4.0]).eval().unwrap();
    let difference: f64 = a[0][1] - 4.0;
    assert!(difference.abs() < 1e-15);
    // the parameter decides, and the result
    let a = gaussian(&0.5_f32, &[[0.0; 3]], &[[0.0; 3]], &[[3.0, 4.0]]).eval().unwrap();
    assert_eq!(a.as_flat(), [3.0_f32, 4.0]);
    let a: Rows<f32, 2> = gaussian(&0.5, &[[0.0; 3]], &[[0.0; 3]], &[[3.0, 4.0]]).eval().unwrap();
    assert_eq!(a.as_flat(), [3.0, 4.0]);
    // by a bound
    assert_eq!(through_a_bound(0.5, &[[0.0_f32; 3]]).as_flat(), [1.0; 2]);
    assert_eq!(through_a_bound(0.5_f64, &[[0.0; 3]]).as_flat(), [1.0; 2]);
    assert_eq!(by_traits(&vec![[0.5]], &[[0.0; 3]]), by_traits(0.5, &vec![0.0; 3]));
}

#[test]
fn every_kind_of_argument_f64() {
    every_kind_of_argument::<f64>();
}

#[test]
fn every_kind_of_argument_f32() {
    every_kind_of_argument::<f32>();
}

#[test]
fn element_types_follow_from_any_argument() {
    // literals without a type anywhere else
    let x = vec![[0.0, 0.0, 1.0]];
    let single: Rows<f32, 1> = density(&x, &vec![[0.0, 0.0, 1.0_f32]]).eval().unwrap();
    assert_eq!(single.as_flat(), [0.0]);
    let x = vec![[0.0, 0.0, 1.0]];
    let double: Rows<f64, 1> = density(&x, &x).eval().unwrap();
    assert_eq!(double.as_flat(), [0.0]);
    // from the parameter
    let e1 = (-1.0_f64).exp();
    let found = product(1.0_f64, &[[0.0; 3]], &[[1.0]], &[[1.0, 0.0, 0.0]], &[[1.0, 0.0]], [1.0, 1.0]).eval().unwrap();
    assert_rows(&found, &[[e1]], 1e-15, "f64");
    // flat, with the dimension given
    let flat = [0.0_f32, 0.0, 1.0, 0.0];
    assert_eq!(density::<2, _>(&flat, &flat).eval().unwrap().len(), 2);
    assert_eq!(density::<4, _>(&flat, &flat).eval().unwrap().as_flat(), [0.0]);
    // and for derivatives
    let found = density(&[[0.0_f32]], &[[2.0]]).vjp_x(&[[0.5]]).eval().unwrap();
    assert_eq!(found.as_flat(), [2.0_f32]);
    let mean = |rows: Rows<f64, 1>| rows.iter().map(|row| row[0]).sum::<f64>() / rows.len() as f64;
    assert_eq!(mean(density(&x, &x).eval().unwrap()), 0.0);
}

#[test]
fn results_are_rows() {
    let all = Arguments::<f32>::new();
    let mut rows = all.eval();
    assert_eq!(rows.len(), N);
    assert_eq!(rows.as_flat().len(), N);
    assert_eq!(rows[3], [rows.as_flat()[3]]);
    assert_eq!(rows.iter().count(), N);
    assert_eq!((&rows).into_iter().count(), N);
    assert_eq!(rows.clone().into_iter().collect::<Rows<f32, 1>>(), rows);
    assert_eq!(rows.first(), Some(&rows[0]));
    assert_eq!(rows.clone().into_flat(), rows.as_flat());
    assert_eq!(Vec::from(rows.clone()), rows.clone().into_vec());
    assert_eq!(rows.as_ref() as &[[f32; 1]], &rows[..]);
    assert_eq!(format!("{:?}", Rows::from(vec![[1.0_f32, 2.0]])), "[[1.0, 2.0]]");
    rows[0] = [7.0];
    rows.as_flat_mut()[1] = 8.0;
    rows.iter_mut().skip(2).for_each(|row| *row = [9.0]);
    assert_eq!(rows.as_flat()[..4], [7.0, 8.0, 9.0, 9.0]);
    assert!(Rows::<f64, 3>::default().is_empty());
    // a result is an argument again
    let places: Rows<u32, 1> = nearest(&all.x, &all.y).eval().unwrap();
    let chosen: Rows<f32, 3> = places.iter().map(|&[j]| all.y[j as usize]).collect();
    let again = nearest(&chosen, &all.y).eval().unwrap();
    assert_eq!(again, places);
}

#[test]
fn results_go_into_rows_of_the_caller() {
    let all = Arguments::<f64>::new();
    let Arguments { g, x, s, y, b, p } = &all;
    let expected = all.eval();
    let mut out = vec![[f64::NAN; 1]; N];
    product(*g, x, s, y, b, *p).into_rows(&mut out).unwrap();
    assert_identical(&out, &expected, "a vector");
    let mut rows = Rows::<f64, 1>::zeros(N + 2).unwrap();
    product(*g, x, s, y, b, *p).into_rows(&mut rows[1..=N]).unwrap();
    assert_identical(&rows[1..=N], &expected, "a part of rows");
    assert_eq!((rows[0], rows[N + 1]), ([0.0], [0.0]));
    // derivatives too, and the gradient of a parameter, which is one row
    let e = vec![[1.0]; N];
    let mut gradient = [[f64::NAN; 2]; M];
    product(*g, x, s, y, b, *p).vjp_b(&e).into_rows(&mut gradient).unwrap();
    assert_identical(&gradient, &product(*g, x, s, y, b, *p).vjp_b(&e).eval().unwrap(), "a gradient");
    let mut gradient = [[f64::NAN; 2]];
    product(*g, x, s, y, b, *p).vjp_p(&e).into_rows(&mut gradient).unwrap();
    assert_identical(&gradient, &product(*g, x, s, y, b, *p).vjp_p(&e).eval().unwrap(), "a parameter's gradient");
    // those of the exponential reductions, which go through the points twice
    let mut out = vec![[f64::NAN; 3]; N];
    density(x, y).vjp_x(&e).into_rows(&mut out).unwrap();
    assert_identical(&out, &density(x, y).vjp_x(&e).eval().unwrap(), "a gradient of log Σ exp");

    for wrong in [0, 1, N - 1, N + 1, 1000] {
        let mut out = vec![[7.0; 1]; wrong];
        let error = product(*g, x, s, y, b, *p).into_rows(&mut out).unwrap_err();
        assert_eq!(error, Error::OutputLength { rows: N, width: 1, found: wrong });
        let message = format!("the output holds {wrong} numbers, but the result has {N} rows of 1");
        assert_eq!(error.to_string(), message);
        assert!(out.iter().all(|row| *row == [7.0]), "an output of the wrong length is left alone");
        let mut out = vec![[7.0; 3]; wrong];
        let error = density(x, y).vjp_x(&e).into_rows(&mut out).unwrap_err();
        assert_eq!(error, Error::OutputLength { rows: N, width: 3, found: 3 * wrong });
    }
}

/// Checks that the call fails and that the message has all `parts`.
#[track_caller]
fn assert_error<R: std::fmt::Debug>(result: Result<R, Error>, expected: Error, parts: &[&str]) {
    let error = result.unwrap_err();
    assert_eq!(error, expected);
    for part in parts {
        assert!(error.to_string().contains(part), "no {part:?} in {:?}", error.to_string());
    }
}

#[test]
fn row_counts_that_differ() {
    let all = Arguments::<f32>::new();
    let Arguments { g, x, s, y, b, p } = &all;
    let differ = |variable, rows, other, other_rows| Error::RowCount { variable, rows, other, other_rows };
    let result = product(*g, x, &s[1..], y, b, *p).eval();
    assert_error(result, differ("s", N - 1, "x", N), &["`s`", "18 rows", "`x`", "has 19"]);
    let result = product(*g, x, s, y, &b[..5], *p).eval();
    assert_error(result, differ("b", 5, "y", M), &["`b`", "5 rows", "`y`", "has 45"]);
    let result = product(*g, x, s, &y[..0], b, *p).eval();
    assert_error(result, differ("b", M, "y", 0), &["`b`", "`y`", "has 0"]);
    let result = product(*g, &x[..0], s, y, b, *p).eval();
    assert_error(result, differ("s", N, "x", 0), &["`s`", "`x`", "has 0"]);
    // swapped arguments are found where their numbers of rows differ
    let result = nearest(y, x).eval().unwrap();
    assert_eq!(result.len(), M);
    // cotangents and tangents
    let e = vec![[1.0]; N + 1];
    let expected = differ("cotangent", N + 1, "x", N);
    assert_error(product(*g, x, s, y, b, *p).vjp_x(&e).eval(), expected.clone(), &["`cotangent`", "20 rows", "`x`"]);
    assert_error(product(*g, x, s, y, b, *p).vjp_y(&e).eval(), expected.clone(), &["`cotangent`"]);
    assert_error(product(*g, x, s, y, b, *p).vjp_p(&e).eval(), expected.clone(), &["`cotangent`"]);
    assert_error(product(*g, x, s, y, b, *p).vjp(&e).eval(), expected.clone(), &["`cotangent`"]);
    assert_error(density(x, y).vjp_y(&e).eval(), expected, &["`cotangent`"]);
    let u = vec![[1.0; 3]; M - 1];
    let expected = differ("tangent", M - 1, "y", M);
    assert_error(product(*g, x, s, y, b, *p).jvp_y(&u).eval(), expected.clone(), &["`tangent`", "44 rows", "`y`"]);
    assert_error(density(x, y).jvp_y(&u).eval(), expected, &["`tangent`"]);
}

#[test]
fn lengths_that_do_not_fit() {
    let all = Arguments::<f64>::new();
    let Arguments { g, x, s, y, b, p } = &all;
    let flat = |variable, len, dim| Error::FlatLength { variable, len, dim };
    let wrong = vec![0.5; 3 * N + 1];
    let result = product(*g, &wrong, s, y, b, *p).eval();
    assert_error(result, flat("x", 3 * N + 1, 3), &["`x`", "58 numbers", "dimension 3"]);
    let result = product(*g, x, s, y, &wrong[..3], *p).eval();
    assert_error(result, flat("b", 3, 2), &["`b`", "3 numbers", "dimension 2"]);
    let result = product(*g, x, s, y, b, *p).vjp_y(&wrong[..N - 1]).eval();
    assert_eq!(result.unwrap_err(), Error::RowCount { variable: "cotangent", rows: N - 1, other: "x", other_rows: N });
    let result = product(*g, x, s, y, b, *p).jvp_y(&wrong[..2]).eval();
    assert_error(result, flat("tangent", 2, 3), &["`tangent`", "2 numbers"]);
    assert_error(density::<7, _>(&wrong, &wrong).eval(), flat("x", 58, 7), &["`x`", "58", "7"]);
    // no rows are no fault
    assert!(density::<7, _>(&wrong[..0], &wrong[..56]).eval().unwrap().is_empty());
    // a dimension of 0 has no rows in a flat slice
    assert_error(density::<0, _>(&wrong, &wrong).eval(), flat("x", 58, 0), &["`x`", "58", "0"]);

    let parameter = |variable, len, dim| Error::ParameterLength { variable, len, dim };
    let result = product(*g, x, s, y, b, &[1.0, 2.0, 3.0][..]).eval();
    assert_error(result, parameter("p", 3, 2), &["`p`", "3 numbers", "dimension 2"]);
    let result = product(&wrong[..0], x, s, y, b, *p).eval();
    assert_error(result, parameter("g", 0, 1), &["`g`", "0 numbers", "dimension 1"]);
    let result = product(*g, x, s, y, b, &vec![1.0]).eval();
    assert_error(result, parameter("p", 1, 2), &["`p`", "1 numbers"]);
    let two_rows: Rows<f64, 2> = vec![*p, *p].into();
    let result = product(*g, x, s, y, b, &two_rows).eval();
    assert_error(result, parameter("p", 4, 2), &["`p`", "4 numbers"]);
    let result = product(*g, x, s, y, b, *p).jvp_p(&wrong[..5]).eval();
    assert_error(result, parameter("tangent", 5, 2), &["`tangent`", "5 numbers"]);
    // one row of the right length is a parameter, and nothing else
    for rows in [0, 2, 3] {
        let (rows, len) = (vec![*p; rows], 2 * rows);
        let lists: Vec<Vec<f64>> = rows.iter().map(|row| row.to_vec()).collect();
        for result in [
            product(*g, x, s, y, b, &rows).eval(),
            product(*g, x, s, y, b, &rows[..]).eval(),
            product(*g, x, s, y, b, &Rows::from(rows.clone())).eval(),
            product(*g, x, s, y, b, &lists).eval(),
            product(*g, x, s, y, b, View::from_rows(&rows)).eval(),
        ] {
            assert_error(result, parameter("p", len, 2), &["`p`", &format!("{len} numbers"), "dimension 2"]);
        }
    }
    assert_error(product(*g, x, s, y, b, &[*p; 3]).eval(), parameter("p", 6, 2), &["`p`", "6 numbers"]);
    assert_error(product(*g, x, s, y, b, [*p; 3]).eval(), parameter("p", 6, 2), &["`p`", "6 numbers"]);
    let result = product(*g, x, s, y, b, &vec![vec![0.5]; 2]).eval();
    assert_error(result, Error::Dimension { variable: "p", dim: 2, found: 1 }, &["`p`", "dimension 2", "1 numbers"]);
    // rows that are lists, each of its own length
    let mut lists = vec![vec![0.5; 3]; N];
    lists[4].pop();
    let dimension = |variable, dim, found| Error::Dimension { variable, dim, found };
    assert_error(product(*g, &lists, s, y, b, *p).eval(), dimension("x", 3, 2), &["`x`", "dimension 3", "2 numbers"]);
    lists[4].extend([0.5; 5]);
    assert_error(product(*g, &lists[..], s, y, b, *p).eval(), dimension("x", 3, 7), &["7 numbers"]);
    assert_error(
        product(*g, &lists[..3], s, y, b, *p).eval(),
        Error::RowCount { variable: "s", rows: N, other: "x", other_rows: 3 },
        &[],
    );
}

#[test]
fn more_rows_than_can_be_numbered() {
    // rows of dimension 0 take no memory
    const MANY: usize = 1 << 33;
    let many = vec![[0.0_f32; 0]; MANY];
    let expected = |variable| Error::TooManyRows { variable, rows: MANY, limit: u32::MAX as usize - 1 };
    assert_error(density(&many, &[[0.0; 0]; 3]).eval(), expected("x"), &["`x`", "8589934592 rows", "4294967294"]);
    assert_error(density(&[[0.0; 0]; 3], &many).eval(), expected("y"), &["`y`"]);
}

#[test]
fn several_faults_give_one_error() {
    let wrong = vec![0.5_f64; 7];
    let result = product(&wrong, &wrong, &wrong, &wrong, &wrong, &wrong).vjp(&wrong).eval();
    assert_eq!(result.unwrap_err(), Error::ParameterLength { variable: "g", len: 7, dim: 1 });
}

#[test]
fn errors_and_calls_go_through_threads() {
    fn assert_error<E: std::error::Error + Send + Sync + Clone + 'static>() {}
    fn assert_threads<C: Send + Sync>(_: &C) {}
    assert_error::<Error>();
    let x = [[0.0, 1.0]];
    let call = density(&x, &x);
    assert_threads(&call);
    let found = std::thread::scope(|scope| scope.spawn(|| call.eval()).join().unwrap());
    assert_eq!(found.unwrap().as_flat(), [0.0]);
}

// with the feature, see tests/cuda.rs
#[cfg(not(feature = "cuda"))]
#[test]
fn devices() {
    let all = Arguments::<f64>::new();
    let Arguments { g, x, s, y, b, p } = &all;
    let expected = all.eval();
    for device in [Device::Auto, Device::Cpu, Device::default()] {
        assert_identical(&product(*g, x, s, y, b, *p).device(device).eval().unwrap(), &expected, "device");
    }
    let cuda = Device::Cuda(0);
    let result = product(*g, x, s, y, b, *p).device(cuda).eval();
    assert_error(result, Error::BuiltWithoutCuda, &["built without CUDA"]);
    let mut out = vec![[7.0]; N];
    assert_eq!(product(*g, x, s, y, b, *p).device(cuda).into_rows(&mut out), Err(Error::BuiltWithoutCuda));
    // the settings go with the derivatives
    let e = vec![[1.0]; N];
    assert_eq!(product(*g, x, s, y, b, *p).device(cuda).vjp_b(&e).eval(), Err(Error::BuiltWithoutCuda));
    assert!(product(*g, x, s, y, b, *p).vjp(&e).device(cuda).eval().is_err());
    assert_eq!(density(x, y).device(cuda).vjp_x(&e).eval(), Err(Error::BuiltWithoutCuda));
    // the last one counts
    assert!(product(*g, x, s, y, b, *p).device(cuda).device(Device::Cpu).eval().is_ok());
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let mut random = Random::new();
    // enough pairs for several threads, with lanes over targets and over sources
    for (n, m) in [(2000, 1500), (5, large(150_000)), (large(100_000), 7)] {
        let (x, y): (Vec<[f32; 3]>, Vec<[f32; 3]>) = (random.cloud(n), random.cloud(m));
        let (s, b): (Vec<[f32; 1]>, Vec<[f32; 2]>) = (random.rows(n, 0.5..1.0), random.cloud(m));
        let e: Vec<[f32; 1]> = random.cloud(n);
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let call = || product(0.7, &x, &s, &y, &b, [0.3, -0.2]).device(Device::Cpu);
                let logs = density(&x, &y).device(Device::Cpu).eval().unwrap();
                let places = nearest(&x, &y).device(Device::Cpu).eval().unwrap();
                (
                    call().eval().unwrap(),
                    call().vjp_p(&e).eval().unwrap(),
                    call().vjp_b(&e).eval().unwrap(),
                    logs,
                    places,
                )
            })
        };
        let (value, in_p, in_b, logs, places) = run(1);
        for threads in [2, 3] {
            let again = run(threads);
            assert_identical(&again.0, &value, "value");
            assert_identical(&again.1, &in_p, "gradient in a parameter");
            assert_identical(&again.2, &in_b, "gradient in b");
            assert_identical(&again.3, &logs, "log Σ exp");
            assert_eq!(again.4, places);
        }
    }
}

/// What `.progress` is told while `run` runs a call that has this callback.
fn told(run: impl FnOnce(Box<dyn Fn(u64, u64) + Send + Sync>)) -> Vec<(u64, u64)> {
    let all: Arc<Mutex<Vec<(u64, u64)>>> = Arc::default();
    let to = Arc::clone(&all);
    run(Box::new(move |done, of| to.lock().unwrap().push((done, of))));
    all.lock().unwrap().clone()
}

#[test]
fn progress_goes_up_to_all_pairs() {
    let mut random = Random::new();
    // lanes over targets, over sources, sources in parts, several launches on a GPU, one block, none
    let sizes = [(2000, 1500), (5, 150_000), (70, 200_000), (1_500_000, 2), (3, 4), (0, 7), (7, 0)];
    // a device with few multiprocessors, as the emulator is, has several launches sooner
    let sizes = sizes.map(|(n, m)| (large(n), large(m))).into_iter().chain([(40_000, 3)]);
    for (n, m) in sizes {
        let (x, y): (Vec<[f32; 3]>, Vec<[f32; 3]>) = (random.cloud(n), random.cloud(m));
        let (b, e): (Vec<[f32; 2]>, Vec<[f32; 2]>) = (random.cloud(m), random.cloud(n));
        let pairs = (n * m) as u64;
        let check = |told: Vec<(u64, u64)>, passes: u64, what: &str| {
            let all = passes * pairs;
            assert!(told.is_sorted(), "{what}: {told:?}");
            assert!(told.iter().all(|told| told.1 == all), "{what}, {n} x {m}: {told:?}");
            assert_eq!(told.last(), Some(&(all, all)), "{what}");
            assert_eq!(told.iter().filter(|told| told.0 == all).count(), 1, "{what}: the end comes once");
            // on the processor there are several units
            assert!(cfg!(feature = "cuda") || pairs < 1_000_000 || told.len() > 1, "{what}: {told:?}");
        };
        let expected = gaussian(0.5, &x, &y, &b).eval().unwrap();
        let value = |progress| {
            assert_identical(&gaussian(0.5, &x, &y, &b).progress(progress).eval().unwrap(), &expected, "a value");
        };
        check(told(value), 1, "a value");
        let into = |progress| gaussian(0.5, &x, &y, &b).progress(progress).into_rows(&mut vec![[0.0; 2]; n]).unwrap();
        check(told(into), 1, "into rows");
        let one = |progress| drop(gaussian(0.5, &x, &y, &b).progress(progress).vjp_y(&e).eval().unwrap());
        check(told(one), 1, "a gradient");
        let all = |progress| drop(gaussian(0.5, &x, &y, &b).vjp(&e).progress(progress).eval().unwrap());
        check(told(all), 2, "all gradients: over j and over i");
        let minus = vec![[1.0]; n];
        let saved = |progress| drop(density(&x, &y).progress(progress).vjp_x(&minus).eval().unwrap());
        check(told(saved), 2, "a gradient that needs what a pass saved");
        let triangle = Ranges::new([(0..n / 2, 0..m), (n / 2..n, 0..m / 3)]).unwrap();
        let found =
            told(|progress| drop(gaussian(0.5, &x, &y, &b).ranges(&triangle).progress(progress).eval().unwrap()));
        assert_eq!(found.last(), Some(&(triangle.pairs(), triangle.pairs())));
    }
    let (x, y): (Vec<[f32; 3]>, Vec<[f32; 3]>) = (random.cloud(600), random.cloud(1000));
    let found =
        told(|progress| drop(nearest(batched(&x, [2, 3]), batched(&y, [2, 1])).progress(progress).eval().unwrap()));
    assert!(found.is_sorted() && found.last() == Some(&(6 * 100 * 500, 6 * 100 * 500)), "{found:?}");
}

#[test]
fn progress_of_products_starts_anew() {
    let x: Vec<[f32; 3]> = Random::new().cloud(20);
    let b = vec![[1.0; 2]; 20];
    let found = told(|progress| {
        let operator = gaussian(0.5, &x, &x, &b).progress(progress).operator_b().unwrap();
        for _ in 0..3 {
            operator.apply(&b).unwrap();
        }
    });
    assert_eq!(found, [(400, 400); 3]);
    let failed = told(|progress| drop(gaussian(0.5, &x, &x, &b[1..]).progress(progress).eval().unwrap_err()));
    assert!(failed.is_empty(), "a call that cannot run is never done");
}

/// Numbers that both kinds of 16 bits hold exactly.
fn short<const D: usize>(random: &mut Random, rows: usize) -> Vec<[f32; D]> {
    let row = |random: &mut Random| std::array::from_fn(|_| (random.integer(0..128) as f32 - 64.0) / 32.0);
    (0..rows).map(|_| row(random)).collect()
}

#[test]
fn rows_of_16_bits_are_computed_as_f32() {
    let mut random = Random::new();
    for (n, m) in [(1, 1), (70, 200), (3, 5000)] {
        let m = large(m);
        let (x, y) = (short::<3>(&mut random, n), short::<3>(&mut random, m));
        let b = short::<2>(&mut random, m);
        let p = [0.5_f32];
        let expected = gaussian(0.5_f32, &x, &y, &b).eval().unwrap();
        let e = short::<2>(&mut random, n);
        let slopes = gaussian(0.5_f32, &x, &y, &b).vjp_y(&e).eval().unwrap();

        let half_x: Vec<[f16; 3]> = x.iter().map(|row| row.map(f16::from_f32)).collect();
        let half_y: Vec<[bf16; 3]> = y.iter().map(|row| row.map(bf16::from_f32)).collect();
        let half_b: Vec<bf16> = b.iter().flatten().copied().map(bf16::from_f32).collect();
        let half_p = p.map(f16::from_f32);
        // all, some, and one of them; rows and flat; a parameter in each form
        let found = gaussian(half_p[0], &half_x, &half_y, &half_b).eval().unwrap();
        assert_identical(&found, &expected, "all");
        let found = gaussian(&half_p, &half_x[..], &y, &half_b[..]).eval().unwrap();
        assert_identical(&found, &expected, "some");
        let found = gaussian(&half_p[..], &x, &half_y, &b).vjp_y(&e).eval().unwrap();
        assert_identical(&found, &slopes, "a gradient");
        for found in [
            gaussian(&half_p[0], &half_x, &y, &half_b).eval(),
            gaussian(half_p, &half_x, &y, &half_b).eval(),
            gaussian([half_p], &half_x, &y, &half_b).eval(),
            gaussian(&[half_p], &half_x, &y, &half_b).eval(),
            gaussian(&[half_p][..], &half_x, &y, &half_b).eval(),
            gaussian(&vec![half_p], &half_x, &&half_y, &Box::new(half_b.clone())).eval(),
            gaussian(batched(&half_p, [1]), &half_x, &y, &half_b).eval(),
        ] {
            assert_identical(&found.unwrap(), &expected, "a parameter");
        }
        let half_e: Vec<[f16; 2]> = e.iter().map(|row| row.map(f16::from_f32)).collect();
        let found = gaussian(0.5, &x, &half_y, &b).vjp_y(&half_e).eval().unwrap();
        assert_identical(&found, &slopes, "a cotangent");
        let on_device = Device::Auto.upload(&half_x).unwrap();
        let found = gaussian(0.5, &on_device, &half_y, &b).eval().unwrap();
        assert_identical(&found, &expected, "on a device");
        let found = gaussian(0.5, &x, batched(&half_y, [1]), &b).eval().unwrap();
        assert_identical(&found, &expected, "a batch");
    }
    let odd = vec![f16::ONE; 7];
    let error = gaussian(0.5, &odd, &[[0.0_f32; 3]], &[[0.0_f32; 2]]).eval().unwrap_err();
    assert_eq!(error, Error::FlatLength { variable: "x", len: 7, dim: 3 });
}
