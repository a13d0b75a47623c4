//! Long contractions, which are matrix products: as accurate as sums over the components, whatever the points.

use keops_core::{
    call::Element,
    data::View,
    reduction::{KMinArgKMin, Sum},
};

use crate::{
    formulas::{EmptyContractions, SquaredDistance, TwoContractions},
    harness::{Random, epsilon, run_all, to_f64},
};

/// Σ_d (x_d - y_d)² in `f64`, for the given numbers.
fn distance(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum()
}

/// The three nearest rows of `y` to each row of `x`, against plain loops: the distances have a relative `error`.
fn nearest<T: Element, const D: usize>(x: &[T], y: &[T], error: f64, what: &str) {
    let (wide_x, wide_y) = (to_f64(x), to_f64(y));
    let views = [View::from_flat(x, D), View::from_flat(y, D)];
    run_all::<T, SquaredDistance<D>, KMinArgKMin<3>>(&views, |found| {
        for (i, x) in wide_x.chunks_exact(D).enumerate() {
            let mut expected: Vec<f64> = wide_y.chunks_exact(D).map(|y| distance(x, y)).collect();
            let all = expected.clone();
            expected.sort_by(f64::total_cmp);
            for k in 0..3.min(expected.len()) {
                let value = Element::to_f64(found.values[i * 3 + k]);
                let bound = error * expected[k];
                assert!((value - expected[k]).abs() <= bound, "{what}: {value:e} is not {:e}, D = {D}", expected[k]);
                // The row number belongs to a row at that distance.
                let there = all[found.indices[i * 3 + k] as usize];
                assert!((there - value).abs() <= error * there, "{what}: row {k} of {i}");
            }
        }
    });
}

fn clouds<T: Element, const D: usize>() {
    // The error of a sum of D terms, times the loss by cancellation that is allowed before a pair is computed again.
    let error = (8.0 + D as f64 / 4.0) * epsilon::<T>();
    for (n, m) in [(1, 1), (70, 3), (40, 49), (129, 100), (3, 4100)] {
        let mut random = Random::new(n as u64 * 1000 + m as u64);
        let mut cloud = |rows: usize, scale: f64, shift: f64| -> Vec<T> {
            random.numbers::<T>(rows * D).iter().map(|&x| T::from_f64(Element::to_f64(x) * scale + shift)).collect()
        };
        let (x, y) = (cloud(n, 1.0, 0.0), cloud(m, 1.0, 0.0));
        nearest::<T, D>(&x, &y, error, "a cloud");
        nearest::<T, D>(&cloud(n, 1.0, 1000.0), &cloud(m, 1.0, 1000.0), error, "far from 0");
        nearest::<T, D>(&cloud(n, 1.0, 1000.0), &cloud(m, 1.0, -1000.0), error, "far from each other");
        nearest::<T, D>(&cloud(n, 1e-12, 0.0), &cloud(m, 1e-12, 0.0), error, "small");
        // Rows that are close or equal to rows of the other side.
        let mut close = x.clone();
        close.resize(m.min(4 * n) * D, T::one());
        for (number, x) in close.iter_mut().enumerate() {
            let noise = if (number / D).is_multiple_of(3) { 0.0 } else { (number % 7) as f64 * 1e-4 };
            *x = T::from_f64(Element::to_f64(*x) + noise);
        }
        nearest::<T, D>(&x, &close, error, "close");
    }
}

#[test]
fn squared_distances() {
    clouds::<f32, 19>();
    clouds::<f32, 20>();
    clouds::<f32, 37>();
    clouds::<f32, 128>();
    clouds::<f32, 300>();
    clouds::<f64, 21>();
    clouds::<f64, 129>();
    clouds::<f64, 257>();
}

/// Distances of whole numbers are exact, so that ties go to the first row.
#[test]
fn ties() {
    fn of<T: Element, const D: usize>() {
        let mut random = Random::new(D as u64);
        let (x, y) = (random.whole::<T>(50 * D, 3.0), random.whole::<T>(300 * D, 3.0));
        let (wide_x, wide_y) = (to_f64(&x), to_f64(&y));
        let views = [View::from_flat(&x, D), View::from_flat(&y, D)];
        run_all::<T, SquaredDistance<D>, KMinArgKMin<3>>(&views, |found| {
            for (i, x) in wide_x.chunks_exact(D).enumerate() {
                let mut all: Vec<(f64, u32)> = wide_y.chunks_exact(D).map(|y| distance(x, y)).zip(0..).collect();
                all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
                let expected: Vec<u32> = all[..3].iter().map(|nearest| nearest.1).collect();
                assert_eq!(found.indices[3 * i..][..3], expected);
            }
        });
    }
    of::<f32, 20>();
    of::<f32, 64>();
    of::<f64, 40>();
}

/// Numbers that are not finite, or whose squares are not finite: the sum of all distances is that of plain arithmetic.
#[test]
fn infinities() {
    const D: usize = 24;
    let mut random = Random::new(5);
    let plain = random.numbers::<f32>(40 * D);
    for special in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 1e25, -3e38] {
        for equal in [false, true] {
            let (mut x, mut y) = (plain.clone(), random.numbers::<f32>(60 * D));
            x[7 * D + 3] = special;
            if equal {
                y[20 * D..21 * D].copy_from_slice(&x[7 * D..8 * D]);
            }
            let views = [View::from_flat(&x, D), View::from_flat(&y, D)];
            run_all::<f32, SquaredDistance<D>, Sum>(&views, |found| {
                for (i, x) in x.chunks_exact(D).enumerate() {
                    let of_pair = |y: &[f32]| x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum::<f32>();
                    let expected: f32 = y.chunks_exact(D).map(of_pair).sum();
                    let value = found.values[i];
                    let same = value.is_nan() == expected.is_nan() && value.is_infinite() == expected.is_infinite();
                    assert!(same, "{special}: {value} is not {expected}");
                }
            });
        }
    }
}

#[test]
fn two_contractions_at_odd_places() {
    fn of<T: Element>(n: usize, m: usize) {
        let mut random = Random::new(9);
        let (a, x, u) = (random.numbers::<T>(n), random.numbers::<T>(n * 30), random.numbers::<T>(n * 21));
        let (y, v) = (random.numbers::<T>(m * 30), random.numbers::<T>(m * 21));
        let views = [
            View::from_flat(&a, 1),
            View::from_flat(&x, 30),
            View::from_flat(&u, 21),
            View::from_flat(&y, 30),
            View::from_flat(&v, 21),
        ];
        let [a, x, u, y, v] = [&a, &x, &u, &y, &v].map(|numbers| to_f64(numbers));
        run_all::<T, TwoContractions, Sum>(&views, |found| {
            for i in 0..n {
                let (mut sum, mut size) = (0.0, 1.0);
                for (y, v) in y.chunks_exact(30).zip(v.chunks_exact(21)) {
                    let dot: f64 = u[i * 21..][..21].iter().zip(v).map(|(u, v)| u * v).sum();
                    let term = a[i] * distance(&x[i * 30..][..30], y) * dot;
                    sum += term;
                    size += term.abs();
                }
                let value = Element::to_f64(found.values[i]);
                assert!((value - sum).abs() <= 30.0 * epsilon::<T>() * size, "{value} is not {sum}");
            }
        });
    }
    for (n, m) in [(1, 1), (130, 77), (5, 300)] {
        of::<f32>(n, m);
        of::<f64>(n, m);
    }
}

/// A contraction of no components is 0, whatever the memory of the results held before.
#[test]
fn no_components() {
    let mut random = Random::new(11);
    let (x, y) = (random.whole::<f32>(70 * 16, 9.0), random.whole::<f32>(90 * 16, 9.0));
    let views = [View::from_flat(&x, 16), View::from_flat(&y, 16)];
    for _ in 0..2 {
        run_all::<f32, EmptyContractions, Sum>(&views, |found| {
            for (i, x) in x.chunks_exact(16).enumerate() {
                let dots = y.chunks_exact(16).map(|y| x.iter().zip(y).map(|(x, y)| x * y).sum::<f32>());
                assert_eq!(found.values[i], dots.sum::<f32>());
            }
        });
    }
}
