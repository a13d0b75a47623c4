//! Arrays, points and matrices of other crates as arguments and results; what is written and read; events.
//!
//! Every layout gives the very result of plain rows, and what does not fit is an error that names the variable and both
//! numbers.

#![allow(clippy::needless_borrows_for_generic_args, reason = "references are arguments of their own")]

#[path = "../harness/mod.rs"]
mod harness;

mod events;
mod faer;
mod nalgebra;
mod ndarray;
mod serde;

use harness::Random;
use keops::prelude::*;

keops! {
    /// a_i = Σ_j exp(-(x_i - y_j)ᵀ S (x_i - y_j)) b_j
    fn product(s: Pm<4>, x: Vi<2>, y: Vj<2>, b: Vj<1>) -> Sum<j> {
        exp(-weighted_sqdist(s, x, y)) * b
    }
}

keops! {
    /// The same with a metric for each source, of a dimension that is known at run time.
    fn metrics<const D: usize>(s: Vj<D * D>, p: Pm<D * D>, x: Vi<D>, y: Vj<D>, b: Vj<1>) -> Sum<j> {
        exp(-weighted_sqdist(s * p, x, y)) * b
    }
}

const N: usize = 7;
const M: usize = 12;

/// Arguments of [`product`], and what it makes of them.
struct Case {
    s: [f64; 4],
    x: Vec<[f64; 2]>,
    y: Vec<[f64; 2]>,
    b: Vec<[f64; 1]>,
    expected: Rows<f64, 1>,
}

impl Case {
    fn new() -> Self {
        let mut random = Random::new();
        // not symmetric, so that an exchange of rows and columns shows
        let s = [1.0, 0.3, -0.2, 0.7];
        let (x, y, b) = (random.cloud(N), random.cloud(M), random.cloud(M));
        let expected = product(s, &x, &y, &b).eval().unwrap();
        Self { s, x, y, b, expected }
    }

    /// The metric S for each source; with ones as the parameter [`metrics`] is what [`product`] is.
    fn rows_of_s(&self) -> Rows<f64, 4> {
        Rows::from(vec![self.s; M])
    }

    #[track_caller]
    fn check_metrics(&self, call: metrics::Call<'_, f64, metrics::Value<2>>) {
        for (found, expected) in call.eval().unwrap().iter().zip(self.expected.iter()) {
            harness::assert_near(found[0], expected[0], 1e-13, "a metric");
        }
    }

    #[track_caller]
    fn check(&self, call: product::Call<'_, f64, product::Value>) {
        assert_eq!(call.eval().unwrap(), self.expected);
    }
}

#[track_caller]
fn assert_error(call: product::Call<'_, f64, product::Value>, message: &str) {
    assert_eq!(call.eval().unwrap_err().to_string(), message);
}
