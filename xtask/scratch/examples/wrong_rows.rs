// error: is not rows of dimension 3 with elements of type `f32`
use keops::prelude::*;

keops! {
    pub fn near(x: Vi<3>, y: Vj<3>) -> Sum<j> { exp(-sqdist(x, y)) }
}

fn main() -> Result<(), Error> {
    let x = vec![[0.0_f32; 3]; 4];
    let y = vec![[0.0_f32; 2]; 5];
    near(&x, &y).eval()?;
    Ok(())
}
