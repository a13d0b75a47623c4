// error: unknown operation `sqdst`, did you mean `sqdist`?
use keops::prelude::*;

keops! {
    pub fn near(x: Vi<3>, y: Vj<3>) -> Sum<j> { exp(-sqdst(x, y)) }
}

fn main() {}
