//! Log-sum-exp and softmax.

use std::f64::consts::LN_2;

use keops_core::{
    call::Element,
    data::View,
    reduction::{LogSumExp, LogSumExpSaved, LogSumExps, LogSumExpsSaved, SoftMaxSaved, Sum, SumSoftMaxWeight, Total},
};

use crate::{
    formulas::{Exponent, Values, Weighted, Wide},
    harness::{Random, SHAPES, assert_close, epsilon, run_all, to_f64},
};

/// log Σ e^f, and the shift by the largest f.
fn log_sum(f: impl Iterator<Item = f64> + Clone) -> f64 {
    let top = f.clone().fold(f64::NEG_INFINITY, f64::max);
    if top.is_infinite() {
        return top;
    }
    top + f.map(|f| (f - top).exp()).sum::<f64>().ln()
}

fn weighted<T: Element>(spread: f64) {
    for &(n, m) in SHAPES {
        let mut random = Random::new((n * 77 + m) as u64);
        let u: Vec<T> = (0..n).map(|_| T::from_f64(spread * random.next())).collect();
        let v = random.numbers::<T>(m);
        let w: Vec<T> = (0..2 * m).map(|_| T::from_f64(1.5 + random.next())).collect();
        let views = [View::from_flat(&u, 1), View::from_flat(&v, 1), View::from_flat(&w, 2)];
        let (u, v, w) = (to_f64(&u), to_f64(&v), to_f64(&w));
        // The exponent has a rounding error relative to its size.
        let error = epsilon::<T>() * (4.0 * spread + 20.0);

        let log = |u: f64| log_sum(v.iter().map(|v| u * v));
        let mean = |u: f64, g: &dyn Fn(usize) -> f64| {
            let log = log(u);
            v.iter().enumerate().map(|(j, v)| (u * v - log).exp() * g(j)).sum::<f64>()
        };
        let empty = if m == 0 { f64::NAN } else { 0.0 };
        run_all::<T, Weighted, SumSoftMaxWeight>(&views, |outcome| {
            assert_eq!(outcome.values.len(), 2 * n);
            for (row, &u) in outcome.values.chunks(2).zip(&u) {
                assert_close(Element::to_f64(row[0]), empty + mean(u, &|j| w[2 * j]), 2.0 * error);
                assert_close(Element::to_f64(row[1]), empty + mean(u, &|j| w[2 * j + 1] * v[j]), 2.0 * error);
            }
        });
        run_all::<T, Weighted, SoftMaxSaved>(&views, |outcome| {
            assert_eq!(outcome.values.len(), 4 * n);
            for (row, &u) in outcome.values.chunks(4).zip(&u) {
                let (shift, reciprocal) = (Element::to_f64(row[0]), Element::to_f64(row[1]));
                // Saved rows have 0 where a sum is 0.
                if m == 0 {
                    assert_eq!(reciprocal, 0.0);
                } else {
                    assert_eq!(shift.fract(), 0.0);
                    assert_close(shift * LN_2 - reciprocal.ln(), log(u), error);
                }
                assert_close(Element::to_f64(row[2]), mean(u, &|j| w[2 * j]), 2.0 * error);
            }
        });
        run_all::<T, Weighted, LogSumExp>(&views, |outcome| {
            assert_eq!(outcome.values.len(), 2 * n);
            for (row, &u) in outcome.values.chunks(2).zip(&u) {
                let expected = log_sum(v.iter().zip(w.chunks(2)).map(|(v, w)| u * v + w[0].ln()));
                assert_close(Element::to_f64(row[0]), expected, error);
            }
        });
    }
}

#[test]
fn weighted_f32() {
    weighted::<f32>(3.0);
    weighted::<f32>(200.0);
}

#[test]
fn weighted_f64() {
    weighted::<f64>(3.0);
    weighted::<f64>(2000.0);
}

fn exponent_alone<T: Element>(v: &[f64], error: f64) {
    for n in [1, 100] {
        let u = vec![T::zero(); n];
        let v: Vec<T> = v.iter().map(|&v| T::from_f64(v)).collect();
        let expected = log_sum(to_f64(&v).into_iter());
        run_all::<T, Exponent, LogSumExp>(&[View::from_flat(&u, 1), View::from_flat(&v, 1)], |outcome| {
            assert_eq!(outcome.values.len(), n);
            for &found in &outcome.values {
                assert_close(Element::to_f64(found), expected, error * expected.abs().max(1.0));
            }
        });
    }
}

/// Exponents far beyond what exp can take, in order, in reverse, and in between.
#[test]
fn no_overflow() {
    let up: Vec<f64> = (0..10_000).map(|k| f64::from(k) * 0.1 - 200.0).collect();
    let down: Vec<f64> = up.iter().rev().copied().collect();
    let mut random = Random::new(9);
    let mixed: Vec<f64> = (0..10_000).map(|_| 500.0 * random.next()).collect();
    for v in [up, down, mixed, vec![1e30; 5], vec![-1e30; 5], vec![88.0; 100_000]] {
        exponent_alone::<f32>(&v, 1e-6);
        exponent_alone::<f64>(&v, 1e-14);
    }
}

#[test]
fn infinite_and_nan_exponents() {
    let (inf, low, nan) = (f64::INFINITY, f64::NEG_INFINITY, f64::NAN);
    for m in [4, 5000] {
        let mut v = vec![low; m];
        exponent_alone::<f32>(&v, 0.0);
        exponent_alone::<f64>(&v, 0.0);
        v[m - 2] = 1.0;
        exponent_alone::<f32>(&v, 1e-6);
        v[2] = -3.0;
        exponent_alone::<f64>(&v, 1e-14);
        v[1] = inf;
        exponent_alone::<f32>(&v, 0.0);
        exponent_alone::<f64>(&v, 0.0);
        v[3] = nan;
        let (u, v) = (vec![0.0_f32; 3], v.iter().map(|&v| v as f32).collect::<Vec<_>>());
        run_all::<f32, Exponent, LogSumExp>(&[View::from_flat(&u, 1), View::from_flat(&v, 1)], |outcome| {
            assert!(outcome.values.iter().all(|value| value.is_nan()));
        });
    }
}

/// One target with an infinite exponent does not disturb its neighbours in the tile.
#[test]
fn lanes_are_independent() {
    let u: Vec<f32> = (0..64).map(|i| if i % 7 == 0 { f32::INFINITY } else { i as f32 * 30.0 }).collect();
    let v: Vec<f32> = (0..300).map(|j| j as f32 * 0.1).collect();
    run_all::<f32, Exponent, LogSumExp>(&[View::from_flat(&u, 1), View::from_flat(&v, 1)], |outcome| {
        for (&u, &found) in u.iter().zip(&outcome.values) {
            let expected = f64::from(u) + log_sum(v.iter().map(|&v| f64::from(v)));
            assert_close(f64::from(found), expected, 1e-6 * expected);
        }
    });
}

/// The reference, which is rounded no more often than the result.
fn sum(terms: impl Iterator<Item = f64>) -> f64 {
    let mut total = Total::default();
    terms.for_each(|term| total.add(term));
    total.value()
}

/// Long rows, whose sums go in bundles of sources, with exponents that rise within a bundle.
fn wide<T: Element>(exponents: impl Fn(usize) -> f64, m: usize) {
    let (n, mut random) = (37, Random::new(m as u64));
    let u = random.numbers::<T>(n);
    let v: Vec<T> = (0..m).map(|j| T::from_f64(exponents(j))).collect();
    let w: Vec<T> = (0..20 * m).map(|_| T::from_f64(1.5 + random.next())).collect();
    let views = [View::from_flat(&u, 1), View::from_flat(&v, 1), View::from_flat(&w, 20)];
    let (u, v, w) = (to_f64(&u), to_f64(&v), to_f64(&w));
    let top = v.iter().copied().filter(|v| v.is_finite()).fold(0.0, |top: f64, v| top.max(v.abs()));
    let error = epsilon::<T>() * (4.0 * top + 30.0);
    let term = |j: usize, c: usize| w[20 * j + c] * (v[j] + 1.0);

    run_all::<T, Wide, Sum>(&views, |outcome| {
        for (row, &u) in outcome.values.chunks(21).zip(&u) {
            let exponents = v.iter().map(|v| (u + v) * std::f64::consts::LOG2_E);
            let size = exponents.clone().map(f64::abs).sum::<f64>();
            assert_close(Element::to_f64(row[0]), sum(exponents), error * size);
            for (c, &found) in row[1..].iter().enumerate() {
                let size = (0..m).map(|j| term(j, c).abs()).sum::<f64>();
                assert_close(Element::to_f64(found), sum((0..m).map(|j| term(j, c))), error * size);
            }
        }
    });
    run_all::<T, Wide, SoftMaxSaved>(&views, |outcome| {
        for (row, &u) in outcome.values.chunks(22).zip(&u) {
            let log = log_sum(v.iter().map(|v| u + v));
            let (shift, reciprocal) = (Element::to_f64(row[0]), Element::to_f64(row[1]));
            assert_close(shift * LN_2 - reciprocal.ln(), log, error * log.abs().max(1.0));
            for (c, &found) in row[2..].iter().enumerate() {
                let weights = v.iter().map(|v| (u + v - log).exp());
                // A weight of 0 makes no term, whatever it would have multiplied.
                let terms = weights.enumerate().filter(|&(_, w)| w != 0.0).map(|(j, w)| w * term(j, c));
                let size = terms.clone().map(f64::abs).sum::<f64>();
                assert_close(Element::to_f64(found), sum(terms), 2.0 * error * size);
            }
        }
    });
}

#[test]
fn wide_rows() {
    for m in [1, 7, 8, 9, 100, 5003] {
        wide::<f32>(|j| (j % 13) as f64 / 13.0, m);
        wide::<f64>(|j| (j % 13) as f64 / 13.0, m);
        // The exponents rise by 25 for each source, then fall.
        wide::<f32>(|j| 25.0 * (j % 17) as f64, m);
        wide::<f64>(|j| 25.0 * (16 - j % 17) as f64, m);
    }
}

/// Few targets, and more sources than one unit of work has: the parts have different shifts.
#[test]
fn few_targets_and_many_sources() {
    let m = 140_000;
    let u: Vec<f64> = (0..40).map(|i| f64::from(i) * 0.1).collect();
    let v: Vec<f64> = (0..m).map(|j| f64::from(j) * 0.01).collect();
    let top = log_sum(v.iter().copied());
    run_all::<f64, Exponent, LogSumExp>(&[View::from_flat(&u, 1), View::from_flat(&v, 1)], |outcome| {
        for (&u, &found) in u.iter().zip(&outcome.values) {
            assert_close(found, u + top, 1e-12 * top);
        }
    });
}

/// A source of exponent -infinity counts for nothing, and one NaN makes all of a row NaN.
#[test]
fn wide_rows_with_infinite_and_nan_exponents() {
    let (n, m) = (40, 21);
    let u = vec![0.0_f32; n];
    let w = vec![2.0_f32; 20 * m];
    let run = |v: &[f32], check: &dyn Fn(&[f32])| {
        let views = [View::from_flat(&u, 1), View::from_flat(v, 1), View::from_flat(&w, 20)];
        run_all::<f32, Wide, LogSumExp>(&views, |outcome| outcome.values.chunks(20).for_each(check));
    };
    for place in [0, 3, 8, 20] {
        let mut v = vec![0.5_f32; m];
        v[place] = f32::NAN;
        run(&v, &|row| assert!(row.iter().all(|value| value.is_nan()), "{place}: {row:?}"));
        // exp(200) is out of the range of f32; one term is nearly all of the sum.
        v[place] = 200.0;
        let expected = 200.0 + (2.0_f64 * 201.0).ln();
        run(&v, &|row| row.iter().for_each(|&value| assert_close(f64::from(value), expected, 1e-4)));
    }
}

/// u + v and u - v as exponents to base 2, far from each other.
fn by_component<T: Element>(spread: f64) {
    let mut random = Random::new(17);
    for &(n, m) in SHAPES {
        let [u, v] = [n, m].map(|count| -> Vec<T> {
            random.numbers::<T>(count).into_iter().map(|x| T::from_f64(spread * Element::to_f64(x))).collect()
        });
        let views = [View::from_flat(&u, 1), View::from_flat(&v, 1)];
        let (u, v) = (to_f64(&u), to_f64(&v));
        let error = epsilon::<T>() * (8.0 * spread + 20.0);
        let logs = |u: f64| [1.0, -1.0].map(|sign| log_sum(v.iter().map(|v| (u + sign * v) * LN_2)));
        run_all::<T, Values, LogSumExps>(&views, |outcome| {
            assert_eq!(outcome.values.len(), 2 * n);
            for (row, &u) in outcome.values.chunks(2).zip(&u) {
                row.iter().zip(logs(u)).for_each(|(&found, log)| assert_close(Element::to_f64(found), log, error));
            }
        });
        run_all::<T, Values, LogSumExpsSaved>(&views, |outcome| {
            assert_eq!(outcome.values.len(), 4 * n);
            for (row, &u) in outcome.values.chunks(4).zip(&u) {
                let row: Vec<f64> = row.iter().map(|&x| Element::to_f64(x)).collect();
                for (c, log) in logs(u).into_iter().enumerate() {
                    if m == 0 {
                        assert_eq!(row[2 + c], 0.0);
                    } else {
                        assert_eq!(row[c].fract(), 0.0);
                        assert_close(row[c] * LN_2 - row[2 + c].ln(), log, error);
                    }
                }
            }
        });
    }
}

#[test]
fn components_by_themselves() {
    by_component::<f32>(1.0);
    by_component::<f32>(300.0);
    by_component::<f64>(1.0);
    by_component::<f64>(5000.0);
}

#[test]
fn sums_that_are_0_have_no_reciprocal() {
    let (u, v) = ([1.0_f32, 2.0], [1.0_f32, 1.0]);
    // One sum is 0 by its terms, one by cancellation, and one is negative.
    for (w, expected) in [([0.0, 1.0, 0.0, -1.0], [0.0, 0.0]), ([0.0, -1.0, 0.0, 0.5], [0.0, f64::NAN])] {
        let views = [View::from_flat(&u, 1), View::from_flat(&v, 1), View::from_flat(&w, 2)];
        run_all::<f32, Weighted, LogSumExpSaved>(&views, |outcome| {
            for row in outcome.values.chunks(3) {
                for (&found, expected) in row[1..].iter().zip(expected) {
                    assert!(f64::from(found) == expected || found.is_nan() && expected.is_nan(), "{row:?}");
                }
            }
        });
    }
}
