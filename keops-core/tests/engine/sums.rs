//! Sums: against plain loops, at many terms, with totals, with very many components.

use keops_core::{
    call::{Element, reduce, reduce_on},
    data::View,
    problem::{Piece, Place, Settings},
    reduction::Sum,
};
use pulp::Arch;

use crate::{
    formulas::{Gauss, Linear, NoSources, NoTargets},
    harness::{Random, SHAPES, archs, assert_close, epsilon, run, run_all, to_f64},
};

/// Σ_j exp(-g |x_i - y_j|²) b_j and Σ_j exp(..) |b_j| for each i.
fn gauss(g: f64, x: &[f64], y: &[f64], b: &[f64], dim: usize) -> Vec<(f64, f64)> {
    let row = |x: &[f64]| {
        y.chunks(dim).zip(b).fold((0.0, 0.0), |(sum, size), (y, b)| {
            let d2: f64 = x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum();
            let k = (-g * d2).exp();
            (sum + k * b, size + k * b.abs())
        })
    };
    x.chunks(dim).map(row).collect()
}

fn gauss_shapes<T: Element>() {
    for &(n, m) in SHAPES {
        let mut random = Random::new((n * 1000 + m) as u64);
        let (x, y, b) = (random.numbers::<T>(3 * n), random.numbers::<T>(3 * m), random.numbers::<T>(m));
        let g = T::from_f64(0.7);
        let views = [View::scalar(g), View::from_flat(&x, 3), View::from_flat(&y, 3), View::from_flat(&b, 1)];
        let expected = gauss(Element::to_f64(g), &to_f64(&x), &to_f64(&y), &to_f64(&b), 3);
        run_all::<T, Gauss<3>, Sum>(&views, |outcome| {
            assert_eq!(outcome.values.len(), n);
            for (&found, &(sum, size)) in outcome.values.iter().zip(&expected) {
                assert_close(Element::to_f64(found), sum, 8.0 * epsilon::<T>() * size);
            }
        });
    }
}

#[test]
fn gauss_f32() {
    gauss_shapes::<f32>();
}

#[test]
fn gauss_f64() {
    gauss_shapes::<f64>();
}

/// Terms of one sign, where plain summation in f32 loses four digits.
#[test]
fn many_terms_keep_their_digits() {
    let m = 200_000;
    for n in [3, 70] {
        let mut random = Random::new(5);
        let (x, y) = (random.numbers::<f32>(3 * n), random.numbers::<f32>(3 * m));
        let b: Vec<f32> = random.numbers::<f32>(m).iter().map(|b| b.abs()).collect();
        let views = [View::scalar(0.5), View::from_flat(&x, 3), View::from_flat(&y, 3), View::from_flat(&b, 1)];
        let outcome = run::<f32, Gauss<3>, Sum>(Arch::new(), &views).unwrap();
        // All targets if there are few, else a sample of them.
        let expected = gauss(0.5, &to_f64(&x)[..9], &to_f64(&y), &to_f64(&b), 3);
        for (&found, (sum, size)) in outcome.values.iter().zip(expected) {
            assert_close(f64::from(found), sum, 2e-7 * size);
        }
    }
}

/// Far more components than there are registers, and states that are large for the stack of a thread.
fn thousand_components<T: Element>(n: usize, m: usize) {
    const D: usize = 1000;
    let mut random = Random::new(1);
    let (x, y) = (random.numbers::<T>(D * n), random.numbers::<T>(D * m));
    let views = [View::from_flat(&x, D), View::from_flat(&y, D)];
    let (x, y) = (to_f64(&x), to_f64(&y));
    let mut expected = vec![0.0; D * n];
    for (x, sum) in x.chunks(D).zip(expected.chunks_mut(D)) {
        for y in y.chunks(D) {
            let dot: f64 = x.iter().zip(y).map(|(x, y)| x * y).sum();
            sum.iter_mut().zip(y).for_each(|(sum, y)| *sum += dot * y);
        }
    }
    let error = 40.0 * epsilon::<T>() * (D as f64).sqrt() * m as f64;
    run_all::<T, Linear<D>, Sum>(&views, |outcome| {
        for (&found, &expected) in outcome.values.iter().zip(&expected) {
            assert_close(Element::to_f64(found), expected, error);
        }
    });
}

#[test]
fn thousand_components_f32() {
    thousand_components::<f32>(70, 40);
    thousand_components::<f32>(1, 4100);
}

#[test]
fn thousand_components_f64() {
    thousand_components::<f64>(70, 40);
    thousand_components::<f64>(1, 4100);
}

/// Long rows in both directions of lanes.
#[test]
fn thousand_coordinates() {
    const D: usize = 1000;
    for (n, m) in [(70, 40), (2, 4100)] {
        let mut random = Random::new(12);
        let (x, y, b) = (random.numbers::<f64>(D * n), random.numbers::<f64>(D * m), random.numbers::<f64>(m));
        let views = [View::scalar(0.01), View::from_flat(&x, D), View::from_flat(&y, D), View::from_flat(&b, 1)];
        let expected = gauss(0.01, &x, &y, &b, D);
        run_all::<f64, Gauss<D>, Sum>(&views, |outcome| {
            for (&found, &(sum, size)) in outcome.values.iter().zip(&expected) {
                assert_close(found, sum, 1e-13 * size);
            }
        });
    }
}

#[test]
fn no_targets() {
    for m in [0, 1, 50, 5000, 100_001] {
        let v = Random::new(2).numbers::<f32>(m);
        let expected: f64 = to_f64(&v).iter().map(|v| 3.0 * v * v).sum();
        let views = [View::scalar(3.0), View::from_flat(&v, 1)];
        run_all::<f32, NoTargets, Sum>(&views, |outcome| {
            assert_eq!(outcome.values.len(), 1);
            assert_close(f64::from(outcome.values[0]), expected, 4e-7 * expected);
        });
    }
}

#[test]
fn no_sources() {
    let u = Random::new(3).numbers::<f64>(333);
    run_all::<f64, NoSources, Sum>(&[View::from_flat(&u, 1)], |outcome| {
        let expected: Vec<f64> = u.iter().map(|u| u * u * u).collect();
        outcome.values.iter().zip(expected).for_each(|(&found, expected)| assert_close(found, expected, 1e-15));
    });
}

#[test]
fn infinite_and_nan_terms() {
    let x = [[0.0_f32; 3]; 70];
    let y = [[0.0_f32; 3]; 9];
    for (bad, expected) in
        [(f32::INFINITY, f32::INFINITY), (f32::NEG_INFINITY, f32::NEG_INFINITY), (f32::NAN, f32::NAN)]
    {
        let mut b = [1.0; 9];
        b[4] = bad;
        let views = [View::scalar(1.0), View::from_rows(&x), View::from_rows(&y), View::from_flat(&b, 1)];
        run_all::<f32, Gauss<3>, Sum>(&views, |outcome| {
            for &found in &outcome.values {
                assert_close(f64::from(found), f64::from(expected), 0.0);
            }
        });
    }
}

/// Pieces of a row go to several outputs, as rows or as totals over all targets.
#[test]
fn pieces_and_totals() {
    for (n, m) in [(0, 3), (1, 1), (40, 30), (700, 300), (2, 9000)] {
        let mut random = Random::new(4);
        let (x, y) = (random.numbers::<f32>(3 * n), random.numbers::<f32>(3 * m));
        let views = [View::from_flat(&x, 3), View::from_flat(&y, 3)];
        for arch in archs() {
            let whole = run::<f32, Linear<3>, Sum>(arch, &views).unwrap();
            let (mut rows, mut total) = (vec![9.0; 2 * n], [9.0; 1]);
            let mut pieces = [
                Piece { width: 2, place: Place::Rows, to: (&mut rows).into() },
                Piece { width: 1, place: Place::Total, to: (&mut total).into() },
            ];
            reduce_on::<f32, Linear<3>, Sum>(arch, &views, &mut pieces, None).unwrap();
            let expected: Vec<f32> = whole.values.chunks(3).flat_map(|row| [row[0], row[1]]).collect();
            assert_eq!(rows, expected);
            let sum: f64 = whole.values.chunks(3).map(|row| f64::from(row[2])).sum();
            assert_close(f64::from(total[0]), sum, 6e-8 * sum.abs());
        }
    }
}

/// The same bits on one thread and on many.
#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn threads_do_not_change_results() {
    for (n, m) in [(1500, 700), (5, 60_000)] {
        let mut random = Random::new(6);
        let (x, y) = (random.numbers::<f32>(3 * n), random.numbers::<f32>(3 * m));
        let views = [View::from_flat(&x, 3), View::from_flat(&y, 3)];
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let (mut rows, mut total) = (vec![0.0; 2 * n], [0.0; 1]);
            let mut pieces = [
                Piece { width: 2, place: Place::Rows, to: (&mut rows).into() },
                Piece { width: 1, place: Place::Total, to: (&mut total).into() },
            ];
            pool.install(|| reduce::<f32, Linear<3>, Sum>(&views, &Settings::default(), &mut pieces, None)).unwrap();
            (rows, total)
        };
        let one = on(1);
        assert_eq!(one, on(2));
        assert_eq!(one, on(7));
    }
}
