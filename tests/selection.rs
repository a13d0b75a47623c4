//! Derivatives of the reductions that select: those of the selected terms, against finite differences of these terms at
//! row numbers that plain loops found.

mod harness;

use harness::{Exact, Random, assert_identical, assert_near, assert_rows, inner, moved, slope, slope_rows, wide};
use keops::{Element, prelude::*};

keops! {
    #[keops(order = 2)]
    fn min(g: Pm<1>, x: Vi<3>, y: Vj<3>) -> Min<j> { sqdist(g * x, y) }
    #[keops(order = 2)]
    fn max_over_i(g: Pm<1>, x: Vj<3>, y: Vi<3>) -> Max<i> { sqdist(g * x, y) }
    #[keops(order = 2)]
    fn max(g: Pm<1>, x: Vi<2>, y: Vj<2>) -> Max<j> { sin(g * x) * y + square(y) }
    #[keops(order = 2)]
    fn min_arg_min(g: Pm<1>, x: Vi<2>, y: Vj<2>) -> MinArgMin<j> { sin(g * x) * y + square(y) }
    #[keops(order = 2)]
    fn max_arg_max_over_i(g: Pm<1>, x: Vj<2>, y: Vi<2>) -> MaxArgMax<i> { sin(g * x) * y + square(y) }
    #[keops(order = 2)]
    fn k_min(g: Pm<1>, x: Vi<3>, y: Vj<3>) -> KMin<4, j> { sqdist(g * x, y) }
    #[keops(order = 2)]
    fn k_min_of_two(g: Pm<1>, x: Vi<2>, y: Vj<2>) -> KMin<3, j> { sin(g * x) * y + square(y) }
    #[keops(order = 2)]
    fn k_min_over_i(g: Pm<1>, x: Vj<2>, y: Vi<2>) -> KMinArgKMin<i, 3> { sin(g * x) * y + square(y) }
    fn two_of_each(x: Vi<2>, y: Vj<2>) -> KMin<2, j> { square(x - y) }
    #[keops(cuda(D = 2))]
    fn of_any_dimension<const D: usize>(x: Vi<D>, y: Vj<D>) -> Min<j> { square(x - y) }
}

/// |g x - y|²
fn distance(g: f64, x: &[f64; 3], y: &[f64; 3]) -> [f64; 1] {
    [(0..3).map(|d| (g * x[d] - y[d]).powi(2)).sum()]
}

/// sin(g x) y + y²
fn wave(g: f64, x: &[f64; 2], y: &[f64; 2]) -> [f64; 2] {
    std::array::from_fn(|d| (g * x[d]).sin() * y[d] + y[d] * y[d])
}

/// Which term is number `k * C + c` of the row of a target, for the K least ones of each component of `sign` times the
/// terms: the row of the source, if there is one.
fn selected<const D: usize, const C: usize>(
    term: impl Fn(&[f64; D], &[f64; D]) -> [f64; C],
    (sign, k): (f64, usize),
    x: &[[f64; D]],
    y: &[[f64; D]],
) -> Vec<Vec<Option<usize>>> {
    let row = |x: &[f64; D]| {
        let mut row = vec![None; k * C];
        for c in 0..C {
            let mut order: Vec<usize> = (0..y.len()).collect();
            order.sort_by(|&a, &b| (sign * term(x, &y[a])[c]).total_cmp(&(sign * term(x, &y[b])[c])));
            order.into_iter().take(k).enumerate().for_each(|(place, j)| row[place * C + c] = Some(j));
        }
        row
    };
    x.iter().map(row).collect()
}

/// Checks the derivatives of a reduction of n targets and m sources with `$width` numbers in a row: the `$k` least ones of
/// `$sign` times `$term`.
macro_rules! check {
    ($call:ident, $term:ident, $dim:literal, $sign:literal, $k:literal, $width:literal, $n:expr, $m:expr) => {{
        let mut random = Random::new();
        // numbers that `f32` has too
        let g = f64::from(random.number::<f32>(0.5..2.0));
        type Cloud = Vec<[f64; $dim]>;
        let mut cloud = |rows: usize| wide::<f32, $dim>(&random.cloud(rows));
        let (x, y, ux, uy): (Cloud, Cloud, Cloud, Cloud) = (cloud($n), cloud($m), cloud($n), cloud($m));
        let e: Vec<[f64; $width]> = wide::<f32, $width>(&random.cloud($n));
        let places = selected(|x, y| $term(g, x, y), ($sign, $k), &x, &y);
        // the selected terms, and 0 where there is none
        let terms = |g: f64, x: &Cloud, y: &Cloud| -> Vec<[f64; $width]> {
            let components = $term(1.0, &[0.0; $dim], &[0.0; $dim]).len();
            let term = |i: usize, q: usize| places[i][q].map_or(0.0, |j| $term(g, &x[i], &y[j])[q % components]);
            (0..$n).map(|i| std::array::from_fn(|q| term(i, q))).collect()
        };
        let what = (stringify!($call), $n, $m);
        let total = |g: f64, x: &Cloud, y: &Cloud| inner(&terms(g, x, y), &e);

        let call = || $call(g, &x, &y);
        let all = call().vjp(&e).eval().unwrap();
        assert_near(inner(&all.x, &ux), slope(|h| total(g, &moved(&x, h, &ux), &y)), 1e-8, (what, "x"));
        assert_near(inner(&all.y, &uy), slope(|h| total(g, &x, &moved(&y, h, &uy))), 1e-8, (what, "y"));
        assert_near(all.g[0][0], slope(|h| total(g + h, &x, &y)), 1e-8, (what, "g"));
        assert_rows(&call().vjp_x(&e).eval().unwrap(), &all.x, 1e-14, "x alone");
        assert_rows(&call().vjp_y(&e).eval().unwrap(), &all.y, 1e-14, "y alone");
        assert_rows(&call().vjp_g(&e).eval().unwrap(), &all.g, 1e-14, "g alone");
        assert_identical(&call().vjp(&e).eval().unwrap().y, &all.y, "another run");
        let along = call().jvp_x(&ux).eval().unwrap();
        assert_rows(&along, &slope_rows(|h| terms(g, &moved(&x, h, &ux), &y)), 1e-9, "along x");
        let along = call().jvp_y(&uy).eval().unwrap();
        assert_rows(&along, &slope_rows(|h| terms(g, &x, &moved(&y, h, &uy))), 1e-9, "along y");
        let mut rows = vec![[0.0; $width]; $n];
        call().jvp_g(1.0).into_rows(&mut rows).unwrap();
        assert_rows(&rows, &slope_rows(|h| terms(g + h, &x, &y)), 1e-9, "along g");

        // second derivatives
        let mixed = slope(|s| slope(|t| total(g, &moved(&x, s, &ux), &moved(&y, t, &uy))));
        let x_y = call().vjp_x(&e).jvp_y(&uy).eval().unwrap();
        assert_near(inner(&x_y, &ux), mixed, 1e-5, (what, "x y"));
        let y_x = call().vjp_x(&e).vjp(&ux).eval().unwrap();
        assert_near(inner(&y_x.y, &uy), inner(&x_y, &ux), 1e-10, (what, "y x"));
        assert_rows(&y_x.cotangent, &call().jvp_x(&ux).eval().unwrap().into_vec(), 1e-14, "cotangent");
        let forward = call().jvp_x(&ux).jvp_y(&uy).eval().unwrap();
        assert_near(inner(&forward, &e), inner(&x_y, &ux), 1e-10, (what, "forward"));
        let backward = call().jvp_y(&uy).vjp_x(&e).eval().unwrap();
        assert_near(inner(&backward, &ux), inner(&x_y, &ux), 1e-10, (what, "reverse over forward"));
        let g_x = call().vjp_g(&e).vjp_x(1.0).eval().unwrap();
        let in_g = slope(|s| slope(|t| total(g + s, &moved(&x, t, &ux), &y)));
        assert_near(inner(&g_x, &ux), in_g, 1e-5, (what, "g x"));

        // in single precision, whose roundings may swap neighbours that are almost equally far
        macro_rules! narrow {
            ($rows:expr) => {
                $rows.iter().map(|row| row.map(|x| x as f32)).collect::<Vec<_>>()
            };
        }
        let single = $call(g as f32, &narrow!(x), &narrow!(y)).jvp_y(&narrow!(uy)).eval().unwrap();
        let double = call().jvp_y(&uy).eval().unwrap();
        let single = wide(&single);
        let off = single.iter().zip(&double).filter(|(a, b)| (0..$width).any(|q| (a[q] - b[q]).abs() > 1e-4));
        assert!(off.count() <= 2, "{what:?}: f32");
    }};
}

#[test]
fn least_and_greatest_values() {
    for (n, m) in [(13, 40), (40, 13), (1, 1), (100, 300)] {
        check!(min, distance, 3, 1.0, 1, 1, n, m);
        check!(max_over_i, distance, 3, -1.0, 1, 1, n, m);
        check!(max, wave, 2, -1.0, 1, 2, n, m);
        check!(min_arg_min, wave, 2, 1.0, 1, 2, n, m);
        check!(max_arg_max_over_i, wave, 2, -1.0, 1, 2, n, m);
    }
}

#[test]
fn least_values() {
    // also with fewer sources than neighbours
    for (n, m) in [(13, 40), (40, 13), (5, 2), (3, 0), (0, 3)] {
        check!(k_min, distance, 3, 1.0, 4, 4, n, m);
        check!(k_min_of_two, wave, 2, 1.0, 3, 6, n, m);
        check!(k_min_over_i, wave, 2, 1.0, 3, 6, n, m);
    }
}

fn check_components<T: Element>() {
    let number = T::from_f64;
    let x = [[number(0.0), number(10.0)]];
    let y = [[number(1.0), number(8.0)], [number(3.0), number(9.0)], [number(2.0), number(0.0)]];
    let e = [[1.0, 10.0, 100.0, 1000.0].map(number)];
    let all = two_of_each(&x, &y).vjp(&e).eval().unwrap();
    // component 0: sources 0 and 2, at distances 1 and 2; component 1: sources 1 and 0, at -1 and -2
    assert_eq!(wide(&all.x), [[-2.0 - 400.0, 20.0 + 4000.0]]);
    assert_eq!(wide(&all.y), [[2.0, -4000.0], [0.0, -20.0], [400.0, 0.0]]);
    let e = [[number(1.0), number(10.0)]];
    let all = of_any_dimension(&x, &y).vjp(&e).eval().unwrap();
    assert_eq!((wide(&all.x), wide(&all.y)), (vec![[-2.0, 20.0]], vec![[2.0, 0.0], [0.0, -20.0], [0.0, 0.0]]));
}

#[test]
fn a_component_has_neighbours_of_its_own() {
    check_components::<f64>();
    check_components::<f32>();
}

#[test]
fn what_is_missing_contributes_nothing() {
    // infinite values, and infinite cotangents of what is not there
    let (x, y) = (vec![[1.0, 2.0, 3.0]; 2], vec![[1.0; 3]]);
    let e = vec![[1.0, f64::INFINITY, f64::NAN, 0.0]; 2];
    let all = k_min(1.0, &x, &y).vjp(&e).eval().unwrap();
    assert_eq!(all.x.as_flat(), [0.0, 2.0, 4.0, 0.0, 2.0, 4.0]);
    assert_eq!(all.y.as_flat(), [0.0, -4.0, -8.0]);
    let along = k_min(1.0, &x, &y).jvp_y(&[[1.0; 3]]).eval().unwrap();
    assert_eq!(along.as_flat(), [-6.0, 0.0, 0.0, 0.0, -6.0, 0.0, 0.0, 0.0]);
    // a source that is NaN is never a neighbour
    let with_nan = vec![[f64::NAN; 3], [1.0; 3]];
    let found = k_min(1.0, &x, &with_nan).vjp_x(&e).eval().unwrap();
    assert_identical(&found, &all.x, "NaN");
}

#[test]
fn arguments_are_checked() {
    let (x, y) = (vec![[1.0; 3]; 2], vec![[1.0; 3]; 5]);
    let error = k_min(1.0, &x, &y).vjp_x(&[[1.0; 4]; 3]).eval().unwrap_err();
    assert_eq!(error.to_string(), "`cotangent` has 3 rows, but `x`, which is indexed alike, has 2");
    let error = k_min(1.0, &x, &y).jvp_y(&x).eval().unwrap_err();
    assert_eq!(error.to_string(), "`tangent` has 2 rows, but `y`, which is indexed alike, has 5");
    let mut rows = vec![[0.0; 4]; 3];
    let error = k_min(1.0, &x, &y).jvp_x(&x).into_rows(&mut rows).unwrap_err();
    assert_eq!(error, Error::OutputLength { rows: 2, width: 4, found: 12 });
}

#[test]
fn results_stay_where_the_call_runs() {
    let mut random = Random::new();
    let (x, y): (Vec<[f32; 3]>, Vec<[f32; 3]>) = (random.cloud(20), random.cloud(30));
    let e: Vec<[f32; 4]> = random.cloud(20);
    let host = k_min(1.0, &x, &y).vjp(&e).eval().unwrap();
    let [x, y] = [&x, &y].map(|rows| Device::Auto.upload(rows).unwrap());
    let e = Device::Auto.upload(&e).unwrap();
    let there = k_min(1.0, &x, &y).vjp(&e).eval_on_device().unwrap();
    assert_eq!(there.y.device(), y.device());
    assert_rows(&there.y.download().unwrap(), &wide(&host.y), 1e-6, "y");
    // and go on to the next call
    let moved = k_min(1.0, &x, &there.y).eval().unwrap();
    assert!(moved.as_flat().iter().all(|value| value.exact() >= 0.0));
}
