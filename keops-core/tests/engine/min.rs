//! Smallest values and their row numbers: ties, too few sources, NaN.

use keops_core::{
    call::Element,
    data::View,
    reduction::{ArgKMin, ArgMax, ArgMin, KMin, KMinArgKMin, MISSING, Max, MaxArgMax, Min, MinArgMin, Reduction},
};

use crate::{
    formulas::{SquaredDistance, Values},
    harness::{Outcome, Random, SHAPES, run_all},
};

/// The K best of `values` by (value, row number), NaN left out, filled up.
fn k_best<T: Element>(values: impl Iterator<Item = T>, k: usize) -> Vec<(T, u32)> {
    let mut all: Vec<(T, u32)> = values.zip(0..).filter(|(value, _)| !value.is_nan()).collect();
    all.sort_by(|a, b| a.partial_cmp(b).unwrap());
    all.resize(all.len().max(k), (T::infinity(), MISSING));
    all.truncate(k);
    all
}

/// Checks a reduction to the K best of (u + v, u - v) for all targets.
fn check<T: Element, R: Reduction>(u: &[T], v: &[T], k: usize, values: bool, indices: bool) {
    run_all::<T, Values, R>(&[View::from_flat(u, 1), View::from_flat(v, 1)], |outcome: &Outcome<T>| {
        assert_eq!(outcome.values.len(), if values { 2 * k * u.len() } else { 0 });
        assert_eq!(outcome.indices.len(), if indices { 2 * k * u.len() } else { 0 });
        for (i, &u) in u.iter().enumerate() {
            let best = [k_best(v.iter().map(|&v| u + v), k), k_best(v.iter().map(|&v| u - v), k)];
            for (c, best) in best.iter().enumerate() {
                for (place, &(value, index)) in best.iter().enumerate() {
                    let at = i * 2 * k + 2 * place + c;
                    if values {
                        assert_eq!(outcome.values[at], value, "value {place} of target {i}, component {c}");
                    }
                    if indices {
                        assert_eq!(outcome.indices[at], index, "index {place} of target {i}, component {c}");
                    }
                }
            }
        }
    });
}

fn shapes<T: Element>() {
    for &(n, m) in SHAPES {
        let mut random = Random::new((n * 31 + m) as u64);
        // Whole numbers, so that there are ties and sums are exact.
        let (u, v) = (random.whole::<T>(n, 9.0), random.whole::<T>(m, 50.0));
        check::<T, Min>(&u, &v, 1, true, false);
        check::<T, ArgMin>(&u, &v, 1, false, true);
        check::<T, MinArgMin>(&u, &v, 1, true, true);
        check::<T, KMin<3>>(&u, &v, 3, true, false);
        check::<T, ArgKMin<10>>(&u, &v, 10, false, true);
        check::<T, KMinArgKMin<17>>(&u, &v, 17, true, true);
    }
}

/// One component, whose sources are filtered before they are inserted: ties, infinities, NaN, values that fall.
fn one_component<T: Element>(n: usize, v: &[T]) {
    fn check<T: Element, R: Reduction>(u: &[T], v: &[T], k: usize) {
        let views = [View::from_flat(u, 1), View::from_flat(v, 1)];
        run_all::<T, SquaredDistance<1>, R>(&views, |outcome: &Outcome<T>| {
            for (i, &u) in u.iter().enumerate() {
                let best = k_best(v.iter().map(|&v| (u - v) * (u - v)), k);
                let values: Vec<_> = best.iter().map(|best| best.0).collect();
                let indices: Vec<_> = best.iter().map(|best| best.1).collect();
                assert_eq!(outcome.values[i * k..][..k], values, "target {i}");
                assert_eq!(outcome.indices[i * k..][..k], indices, "target {i}");
            }
        });
    }
    let u = Random::new(v.len() as u64).whole::<T>(n, 40.0);
    check::<T, KMinArgKMin<2>>(&u, v, 2);
    check::<T, KMinArgKMin<10>>(&u, v, 10);
}

#[test]
fn one_component_in_every_order() {
    fn all<T: Element>() {
        for &(n, m) in SHAPES.iter().filter(|shape| shape.0 > 0) {
            let mut v = Random::new((n * 13 + m) as u64).whole::<T>(m, 50.0);
            one_component(n, &v);
            for (j, v) in v.iter_mut().enumerate() {
                match j % 7 {
                    1 => *v = T::nan(),
                    2 | 5 => *v = T::infinity(),
                    _ => {}
                }
            }
            one_component(n, &v);
        }
        let falling: Vec<T> = (0..3000).map(|j| T::from_f64(f64::from(3000 - j))).collect();
        one_component(20, &falling);
        one_component(20, &[T::nan(); 300]);
    }
    all::<f32>();
    all::<f64>();
}

/// Few targets, and more sources than one unit of work has.
#[test]
fn few_targets_and_many_sources() {
    one_component(40, &Random::new(3).whole::<f32>(140_000, 1000.0));
}

#[test]
fn shapes_f32() {
    shapes::<f32>();
}

#[test]
fn shapes_f64() {
    shapes::<f64>();
}

#[test]
fn large_k() {
    let mut random = Random::new(8);
    for (n, m) in [(3, 30), (70, 1000), (2, 9000)] {
        let (u, v) = (random.whole::<f64>(n, 9.0), random.whole::<f64>(m, 300.0));
        check::<f64, KMinArgKMin<100>>(&u, &v, 100, true, true);
    }
}

#[test]
fn infinity_sorts_before_missing_and_nan_is_skipped() {
    let (inf, nan) = (f32::INFINITY, f32::NAN);
    for v in [
        vec![inf, 1.0, nan, inf, -inf],
        vec![nan; 5],
        vec![inf; 3],
        [vec![nan; 70], vec![inf; 3], vec![2.0], vec![inf; 5000], vec![nan; 9], vec![1.0]].concat(),
    ] {
        for n in [1, 40] {
            let u = vec![0.0; n];
            check::<f32, KMinArgKMin<6>>(&u, &v, 6, true, true);
            check::<f32, MinArgMin>(&u, &v, 1, true, true);
            check::<f32, Min>(&u, &v, 1, true, false);
        }
    }
}

#[test]
fn largest() {
    for (n, m) in [(40, 100), (3, 5000), (4, 0)] {
        let mut random = Random::new(10);
        let (u, v) = (random.whole::<f32>(n, 9.0), random.whole::<f32>(m, 50.0));
        let views = [View::from_flat(&u, 1), View::from_flat(&v, 1)];
        // Row by row and component by component: the first of the largest.
        let expected: Vec<(f32, u32)> = u
            .iter()
            .flat_map(|&u| [(u, 1.0), (u, -1.0)])
            .map(|(u, sign)| k_best(v.iter().map(|v| -(u + sign * v)), 1)[0])
            .map(|(value, index)| (-value, index))
            .collect();
        let (values, indices): (Vec<_>, Vec<_>) = expected.into_iter().unzip();
        run_all::<f32, Values, Max>(&views, |outcome| assert_eq!(outcome.values, values));
        run_all::<f32, Values, ArgMax>(&views, |outcome| assert_eq!(outcome.indices, indices));
        run_all::<f32, Values, MaxArgMax>(&views, |outcome| {
            assert_eq!((&outcome.values, &outcome.indices), (&values, &indices));
        });
    }
}

#[test]
fn nearest_neighbours() {
    let mut random = Random::new(11);
    let (x, y) = (random.numbers::<f32>(3 * 500), random.numbers::<f32>(3 * 2000));
    run_all::<f32, SquaredDistance<3>, KMinArgKMin<10>>(&[View::from_flat(&x, 3), View::from_flat(&y, 3)], |outcome| {
        let rows = outcome.values.chunks(10).zip(outcome.indices.chunks(10));
        for (x, (values, indices)) in x.chunks(3).zip(rows) {
            let distance = |y: &[f32]| x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum::<f32>();
            assert!(values.is_sorted());
            let worst = values[9];
            for (value, &index) in values.iter().zip(indices) {
                assert!((value - distance(&y[3 * index as usize..][..3])).abs() < 1e-6);
            }
            let closer = y.chunks(3).filter(|y| distance(y) < worst - 1e-6).count();
            let within = y.chunks(3).filter(|y| distance(y) < worst + 1e-6).count();
            assert!(closer <= 10 && within >= 10);
        }
    });
}
