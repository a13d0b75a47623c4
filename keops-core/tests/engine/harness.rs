//! Runs a formula on every instruction set of the processor, and makes inputs.

use keops_core::{
    call::{Element, reduce_on},
    data::{Error, View},
    formula::{Components, Formula},
    problem::{Piece, Place, shape},
    reduction::Reduction,
};
use pulp::Arch;

/// Shapes (N, M) around the numbers of lanes, and both directions of lanes.
pub(crate) const SHAPES: &[(usize, usize)] = &[
    (0, 0),
    (0, 5),
    (3, 0),
    (1, 1),
    (3, 15),
    (15, 3),
    (16, 16),
    (17, 33),
    (31, 100),
    (32, 1),
    (63, 257),
    (64, 64),
    (65, 256),
    (100, 1000),
    (129, 513),
    (1000, 100),
    (1300, 70),
    // Few targets, many sources.
    (1, 4095),
    (1, 4096),
    (1, 4097),
    (7, 8193),
    (64, 4160),
];

/// Every instruction set of this processor.
pub(crate) fn archs() -> Vec<Arch> {
    #[cfg(target_arch = "x86_64")]
    let common = pulp::x86::V3::try_new().map(Arch::V3);
    #[cfg(not(target_arch = "x86_64"))]
    let common = None;
    [Arch::Scalar, Arch::new()].into_iter().chain(common).collect()
}

/// A result: rows of values and rows of row numbers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outcome<T> {
    pub(crate) values: Vec<T>,
    pub(crate) indices: Vec<u32>,
}

/// The whole result, computed on one instruction set.
pub(crate) fn run<T: Element, F: Formula, R: Reduction>(
    arch: Arch,
    views: &[View<'_, T>],
) -> Result<Outcome<T>, Error> {
    let shape = shape(F::NAME, F::VARIABLES, views)?;
    let components = <F::Output<T> as Components<T>>::LEN;
    let width = R::values(components);
    let mut values = vec![T::nan(); shape.targets * width];
    let mut indices = vec![7; shape.targets * R::indices(components)];
    let mut pieces = [Piece { width, place: Place::Rows, to: (&mut values).into() }];
    reduce_on::<T, F, R>(arch, views, &mut pieces, Some((&mut indices).into()))?;
    Ok(Outcome { values, indices })
}

/// Computes the result on every instruction set, and calls `check` for each.
pub(crate) fn run_all<T: Element, F: Formula, R: Reduction>(views: &[View<'_, T>], check: impl Fn(&Outcome<T>)) {
    for arch in archs() {
        check(&run::<T, F, R>(arch, views).unwrap());
    }
}

/// Repeatable numbers in [-1, 1).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_add(0x9e37_79b9_7f4a_7c15))
    }

    pub(crate) fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mixed = (self.0 ^ (self.0 >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((mixed ^ (mixed >> 32)) >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    pub(crate) fn numbers<T: Element>(&mut self, count: usize) -> Vec<T> {
        (0..count).map(|_| T::from_f64(self.next())).collect()
    }

    /// Whole numbers from 0 to `below`, so that there are ties.
    pub(crate) fn whole<T: Element>(&mut self, count: usize, below: f64) -> Vec<T> {
        (0..count).map(|_| T::from_f64(((self.next() + 1.0) / 2.0 * below).floor())).collect()
    }
}

pub(crate) fn to_f64<T: Element>(numbers: &[T]) -> Vec<f64> {
    numbers.iter().map(|&number| Element::to_f64(number)).collect()
}

/// Rounding of one operation.
pub(crate) fn epsilon<T: Element>() -> f64 {
    Element::to_f64(T::epsilon())
}

/// Panics unless `found` is within `error` of `expected`, or both are the same infinity or NaN.
#[track_caller]
pub(crate) fn assert_close(found: f64, expected: f64, error: f64) {
    let same = found == expected || (found.is_nan() && expected.is_nan());
    assert!(same || (found - expected).abs() <= error, "{found} is not {expected} ± {error}");
}
