// error: `Sum` needs the index that it reduces over, `Sum<j>` or `Sum<i>`
use keops::prelude::*;

keops! {
    pub fn near(x: Vi<3>, y: Vj<3>) -> Sum { exp(-sqdist(x, y)) }
}

fn main() {}
