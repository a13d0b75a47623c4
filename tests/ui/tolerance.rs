//! Tolerances of what has none.

use keops::prelude::*;

keops! { pub fn nearest(x: Vi<1>, y: Vj<1>) -> ArgMin<j> { sqdist(x, y) } }
keops! { pub fn gaussian(x: Vi<1>, y: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) } }

fn main() {
    let x = [[0.0_f32]];
    let _ = nearest(&x, &x).tolerance(1e-4).eval();
    let _ = gaussian(&x, &x).tolerance("small").eval();
    let _ = gaussian(&x, &x).eval_with_report();
}
