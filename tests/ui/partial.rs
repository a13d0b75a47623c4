//! Partial results of what has none.

use keops::{Partial, prelude::*};

keops! { pub fn lowest(x: Vi<1>, y: Vj<1>) -> Min<j> { sqdist(x, y) } }
keops! { pub fn gaussian(x: Vi<1>, y: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) } }

fn main() {
    let x = [[0.0_f32]];
    let _ = lowest(&x, &x).vjp_x(&x).partial();
    let one = lowest(&x, &x).partial().unwrap();
    let _ = gaussian(&x, &x).partial_after(one);
    let other: Partial<gaussian::Value, f64> = gaussian(&x, &x).partial().unwrap();
    let _ = gaussian(&x, &x).partial().unwrap().merge(gaussian(&x, &x).vjp_x(&x).partial().unwrap());
}
