//! What the end-to-end tests share: random inputs whose seed is printed when a test fails, comparisons, and finite
//! differences.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use std::{fmt::Debug, ops::Range};

use keops::Element;

/// Random numbers. Every run has other ones; the seed is printed when a test panics, and `KEOPS_TEST_SEED` sets it.
pub struct Random {
    seed: u64,
    numbers: fastrand::Rng,
}

impl Random {
    /// Fresh numbers.
    pub fn new() -> Self {
        let seed = std::env::var("KEOPS_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| fastrand::u64(..));
        Self { seed, numbers: fastrand::Rng::with_seed(seed) }
    }

    /// A number of the range, which is one of type `T` also as `f64`.
    pub fn number<T: Element>(&mut self, range: Range<f64>) -> T {
        T::from_f64(range.start + (range.end - range.start) * self.numbers.f64())
    }

    /// Rows of such numbers.
    pub fn rows<T: Element, const D: usize>(&mut self, rows: usize, range: Range<f64>) -> Vec<[T; D]> {
        (0..rows).map(|_| std::array::from_fn(|_| self.number(range.clone()))).collect()
    }

    /// Rows of numbers between -1 and 1.
    pub fn cloud<T: Element, const D: usize>(&mut self, rows: usize) -> Vec<[T; D]> {
        self.rows(rows, -1.0..1.0)
    }

    /// An integer of the range.
    pub fn integer(&mut self, range: Range<usize>) -> usize {
        self.numbers.usize(range)
    }
}

impl Drop for Random {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("to run with the same numbers: KEOPS_TEST_SEED={}", self.seed);
        }
    }
}

/// Numbers as `f64`.
pub trait Exact: Copy {
    /// The same value as `f64`.
    fn exact(self) -> f64;
}

impl<T: Element> Exact for T {
    fn exact(self) -> f64 {
        // `num_traits` has another function of this name
        Element::to_f64(self)
    }
}

/// Whether `KEOPS_TEST_SIZES=small` is set: for an emulated device.
fn small() -> bool {
    std::env::var_os("KEOPS_TEST_SIZES").is_some_and(|sizes| sizes == "small")
}

/// Whether the loops over pairs were compiled without optimization, as `cargo test` does; see Cargo.toml.
const SLOW: bool = cfg!(debug_assertions);

/// A large number of rows; without optimization at most 20,000, and if small ones are wanted 600, still several blocks.
pub fn large(rows: usize) -> usize {
    match (small(), SLOW) {
        (true, _) => rows.min(600),
        (false, true) => rows.min(20_000),
        (false, false) => rows,
    }
}

/// A number of rows that all take part in many calls; without optimization at most 120, and if small ones are wanted 40.
pub fn few(rows: usize) -> usize {
    match (small(), SLOW) {
        (true, _) => rows.min(40),
        (false, true) => rows.min(120),
        (false, false) => rows,
    }
}

/// How often to repeat a test with other numbers; once if small ones are wanted.
pub fn times(repeats: usize) -> usize {
    if small() { 1 } else { repeats }
}

/// The rounding error of one operation.
pub fn epsilon<T: Element>() -> f64 {
    T::epsilon().exact()
}

/// The same numbers as `f64`, for the plain loops.
pub fn wide<T: Element, const D: usize>(rows: &[[T; D]]) -> Vec<[f64; D]> {
    rows.iter().map(|row| row.map(T::exact)).collect()
}

/// Panics unless `found` is within `error` of `expected`, or is the same infinity, or both are NaN.
#[track_caller]
pub fn assert_near(found: f64, expected: f64, error: f64, what: impl Debug) {
    let same = found == expected || found.is_nan() && expected.is_nan();
    assert!(
        same || (found - expected).abs() <= error,
        "{what:?}: {found:e} is not {expected:e}, off by {:e} where {error:e} is allowed",
        (found - expected).abs()
    );
}

/// [`assert_near`] for each number of each row; `error` is relative to the largest of the expected numbers and to 1.
#[track_caller]
pub fn assert_rows<T: Element, const D: usize>(found: &[[T; D]], expected: &[[f64; D]], error: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}: number of rows");
    let finite = expected.iter().flatten().filter(|x| x.is_finite());
    let scale = finite.fold(1.0, |scale: f64, x| scale.max(x.abs()));
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        for d in 0..D {
            assert_near(found[d].exact(), expected[d], error * scale, (what, i, d));
        }
    }
}

/// Panics unless all bits agree; NaN is NaN.
#[track_caller]
pub fn assert_identical<T: Element, const D: usize>(found: &[[T; D]], expected: &[[T; D]], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}: number of rows");
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        for d in 0..D {
            let (a, b) = (a[d].exact(), b[d].exact());
            assert!(
                a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan(),
                "{what}: row {i}, component {d}: {a:e}, {b:e}"
            );
        }
    }
}

/// |a - b|²
pub fn squared_distance<const D: usize>(a: &[f64; D], b: &[f64; D]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// (a | b)
pub fn dot<const D: usize>(a: &[f64; D], b: &[f64; D]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Σ_r (a_r | b_r), the inner product of two lists of rows.
pub fn inner<const D: usize>(a: &[[f64; D]], b: &[[f64; D]]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| dot(a, b)).sum()
}

/// `rows` + h `direction`
pub fn moved<const D: usize>(rows: &[[f64; D]], h: f64, direction: &[[f64; D]]) -> Vec<[f64; D]> {
    rows.iter().zip(direction).map(|(row, u)| std::array::from_fn(|d| row[d] + h * u[d])).collect()
}

/// The derivative of `f` at 0 by central differences of the fourth order: error about 1e-11 for smooth functions of
/// size 1.
pub fn slope(f: impl Fn(f64) -> f64) -> f64 {
    let h = 1e-3;
    (8.0 * (f(h) - f(-h)) - (f(2.0 * h) - f(-2.0 * h))) / (12.0 * h)
}

/// [`slope`] of each number of each row.
pub fn slope_rows<const D: usize>(f: impl Fn(f64) -> Vec<[f64; D]>) -> Vec<[f64; D]> {
    let h = 1e-3;
    let [a, b, c, d] = [2.0 * h, h, -h, -2.0 * h].map(f);
    let at = |i: usize, k: usize| (8.0 * (b[i][k] - c[i][k]) - (a[i][k] - d[i][k])) / (12.0 * h);
    (0..a.len()).map(|i| std::array::from_fn(|k| at(i, k))).collect()
}
