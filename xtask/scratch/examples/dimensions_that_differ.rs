// error: `x` has dimension 3, `y` has dimension 2
use keops::prelude::*;

keops! {
    pub fn near(x: Vi<3>, y: Vj<2>) -> Sum<j> { exp(-sqdist(x, y)) }
}

fn main() {}
