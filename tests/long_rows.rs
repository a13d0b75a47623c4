//! Rows that are larger than the stack of a thread.

mod harness;

use harness::{Random, assert_near};
use keops::{Error, prelude::*};

keops! {
    #[keops(order = 0)]
    fn outer(x: Vi<200>, y: Vj<250>) -> Sum<j> { TensorProd(x, y) }
    #[keops(order = 0)]
    fn matrices(a: Pm<4096>, x: Vi<64>, y: Vj<64>) -> Sum<j> { MatVecMult(a, x - y) * exp(-sqdist(x, y)) }
}

/// 50,000 sums in vectors are larger than the stack of a test, and so are eight copies of a matrix of parameters.
#[test]
fn rows_that_are_larger_than_a_stack() -> Result<(), Error> {
    let mut random = Random::new();
    let (x, y): (Vec<[f32; 200]>, Vec<[f32; 250]>) = (random.cloud(2), random.cloud(3));
    for _ in 0..2 {
        let found = outer(&x, &y).eval()?;
        for (i, c, d) in [(0, 0, 0), (1, 199, 249), (1, 77, 101)] {
            let expected: f64 = y.iter().map(|y| f64::from(x[i][c]) * f64::from(y[d])).sum();
            assert_near(f64::from(found[i][c * 250 + d]), expected, 1e-5, (i, c, d));
        }
    }
    let a: Vec<[f64; 4096]> = random.cloud(1);
    let (x, y): (Vec<[f64; 64]>, Vec<[f64; 64]>) = (random.cloud(3), random.cloud(20));
    let found = matrices(a[0], &x, &y).eval()?;
    for (x, found) in x.iter().zip(found.iter()) {
        for r in [0, 63] {
            let term = |y: &[f64; 64]| {
                let product: f64 = (0..64).map(|c| a[0][r * 64 + c] * (x[c] - y[c])).sum();
                product * (-harness::squared_distance(x, y)).exp()
            };
            assert_near(found[r], y.iter().map(term).sum(), 1e-12, r);
        }
    }
    Ok(())
}
