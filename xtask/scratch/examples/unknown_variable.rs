// error: unknown variable `sigmma`, did you mean `sigma`?
use keops::prelude::*;

keops! {
    pub fn near(sigma: Pm<1>, x: Vi<3>, y: Vj<3>) -> Sum<j> { sigma * exp(-sigmma * sqdist(x, y)) }
}

fn main() {}
