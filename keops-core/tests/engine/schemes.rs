//! Sums that are rounded in other ways, no sum at all, and sums relative to the largest exponent.

use keops_core::{
    call::Element,
    data::View,
    reduction::{CompensatedSum, DirectSum, MaxSumShiftExp, Reduction, Zero},
};

use crate::{
    formulas::{Exponent, Gauss, Linear, Weighted},
    harness::{Random, SHAPES, assert_close, epsilon, run_all, to_f64},
};

/// Checks a sum of every shape with plain loops; the error is relative to Σ|terms|, and depends on the number of terms.
fn check<T: Element, R: Reduction>(error: impl Fn(usize) -> f64) {
    for &(n, m) in SHAPES {
        let mut random = Random::new((n * 1000 + m) as u64);
        let (x, y, b) = (random.numbers::<T>(3 * n), random.numbers::<T>(3 * m), random.numbers::<T>(m));
        let views = [View::scalar(T::one()), View::from_flat(&x, 3), View::from_flat(&y, 3), View::from_flat(&b, 1)];
        let (x, y, b) = (to_f64(&x), to_f64(&y), to_f64(&b));
        let rows = x.chunks(3).map(|x| {
            y.chunks(3).zip(&b).fold((0.0, 0.0), |(sum, size), (y, b)| {
                let k = (-x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum::<f64>()).exp();
                (sum + k * b, size + k * b.abs())
            })
        });
        let expected: Vec<(f64, f64)> = rows.collect();
        run_all::<T, Gauss<3>, R>(&views, |outcome| {
            assert_eq!(outcome.values.len(), n);
            for (&found, &(sum, size)) in outcome.values.iter().zip(&expected) {
                assert_close(Element::to_f64(found), sum, error(m) * epsilon::<T>() * size);
            }
        });
    }
}

#[test]
fn sums_of_all_shapes() {
    check::<f32, CompensatedSum>(|_| 6.0);
    check::<f64, CompensatedSum>(|m| 6.0 + (m as f64).sqrt());
    check::<f32, DirectSum>(|m| 6.0 + (m as f64).sqrt());
    check::<f64, DirectSum>(|m| 6.0 + (m as f64).sqrt());
}

/// A square with a large rounding error.
fn square_that_is_rounded() -> f32 {
    let lost = |y: f32| (f64::from(y) * f64::from(y) - f64::from(y * y)).abs();
    (1..1000).map(|k| 1.0 + k as f32 * 1e-3).find(|&y| lost(y) > 0.4 * f64::from(f32::EPSILON)).unwrap()
}

#[test]
fn compensated_sums_are_rounded_once() {
    let y = square_that_is_rounded();
    for (n, m) in [(3, 5000), (100, 700), (1, 100_000)] {
        // (x|y) y = y²
        let (x, y) = ([1.0, 0.0].repeat(n), [y, 0.0].repeat(m));
        let exact = m as f64 * f64::from(y[0]).powi(2);
        run_all::<f32, Linear<2>, CompensatedSum>(&[View::from_flat(&x, 2), View::from_flat(&y, 2)], |outcome| {
            assert_eq!(outcome.values, [exact as f32, 0.0].repeat(n));
        });
    }
}

fn infinities<T: Element, R: Reduction>() {
    for (special, expected) in [(f64::INFINITY, f64::INFINITY), (f64::NAN, f64::NAN), (1e300, 1e300)] {
        let mut b = vec![T::zero(); 300];
        b[7] = T::from_f64(special);
        let (x, y) = (vec![T::zero(); 3 * 5], vec![T::zero(); 3 * 300]);
        let views = [View::scalar(T::one()), View::from_flat(&x, 3), View::from_flat(&y, 3), View::from_flat(&b, 1)];
        let expected = Element::to_f64(T::from_f64(expected));
        run_all::<T, Gauss<3>, R>(&views, |outcome| {
            outcome.values.iter().for_each(|&value| assert_close(Element::to_f64(value), expected, 0.0));
        });
    }
}

#[test]
fn infinite_terms_make_infinite_sums() {
    infinities::<f32, CompensatedSum>();
    infinities::<f64, CompensatedSum>();
    infinities::<f32, DirectSum>();
    infinities::<f64, DirectSum>();
}

#[test]
fn nothing_is_zero() {
    for &(n, m) in SHAPES {
        let (x, y) = (vec![f64::NAN; 2 * n], vec![1.0; 2 * m]);
        run_all::<f64, Linear<2>, Zero>(&[View::from_flat(&x, 2), View::from_flat(&y, 2)], |outcome| {
            assert_eq!(outcome.values, vec![0.0; 2 * n]);
        });
    }
}

fn largest_and_sums<T: Element>(spread: f64) {
    for &(n, m) in SHAPES {
        let mut random = Random::new((n * 77 + m) as u64);
        let u: Vec<T> = (0..n).map(|_| T::from_f64(spread * random.next())).collect();
        let v = random.numbers::<T>(m);
        let w: Vec<T> = (0..2 * m).map(|_| T::from_f64(1.5 + random.next())).collect();
        let views = [View::from_flat(&u, 1), View::from_flat(&v, 1), View::from_flat(&w, 2)];
        let (wide_u, wide_v, w) = (to_f64(&u), to_f64(&v), to_f64(&w));
        // The exponent has a rounding error relative to its size.
        let error = epsilon::<T>() * (4.0 * spread + 20.0);
        let top = |f: &dyn Fn(f64) -> f64| wide_v.iter().map(|&v| f(v)).fold(f64::NEG_INFINITY, f64::max);
        run_all::<T, Weighted, MaxSumShiftExp>(&views, |outcome| {
            assert_eq!(outcome.values.len(), 3 * n);
            for (row, &u) in outcome.values.chunks(3).zip(&wide_u) {
                let top = top(&|v| u * v);
                let sum = |weight: &dyn Fn(usize) -> f64| -> f64 {
                    wide_v.iter().enumerate().map(|(j, v)| (u * v - top).exp() * weight(j)).sum()
                };
                assert_close(Element::to_f64(row[0]), top, error);
                assert_close(Element::to_f64(row[1]), sum(&|j| w[2 * j]), error * sum(&|j| w[2 * j]));
                let size = sum(&|j| (w[2 * j + 1] * wide_v[j]).abs());
                assert_close(Element::to_f64(row[2]), sum(&|j| w[2 * j + 1] * wide_v[j]), error * size);
            }
        });
        run_all::<T, Exponent, MaxSumShiftExp>(&views[..2], |outcome| {
            assert_eq!(outcome.values.len(), 2 * n);
            for (row, &u) in outcome.values.chunks(2).zip(&wide_u) {
                let top = top(&|v| u + v);
                let sum: f64 = wide_v.iter().map(|v| (u + v - top).exp()).sum();
                assert_close(Element::to_f64(row[0]), top, error);
                assert_close(Element::to_f64(row[1]), sum, error * sum);
            }
        });
    }
}

#[test]
fn sums_relative_to_the_largest_exponent() {
    for spread in [1.0, 100.0] {
        largest_and_sums::<f32>(spread);
        largest_and_sums::<f64>(spread);
    }
}

#[test]
fn exponents_that_are_not_finite() {
    let (inf, nan) = (f64::INFINITY, f64::NAN);
    for (v, expected) in [
        (vec![-inf; 40], [-inf, 0.0]),
        (vec![-inf, 3.0, -inf], [3.0, 1.0]),
        (vec![0.0, inf, 1.0], [inf, nan]),
        (vec![0.0, -1e30, 2.0], [2.0, 1.0 + (-2.0_f64).exp()]),
        (vec![-1e30; 3], [-1e30, 3.0]),
    ] {
        run_all::<f64, Exponent, MaxSumShiftExp>(&[View::from_flat(&[0.0], 1), View::from_flat(&v, 1)], |outcome| {
            assert_close(outcome.values[0], expected[0], 1e-15 * expected[0].abs());
            assert_close(outcome.values[1], expected[1], 1e-15);
        });
    }
}
