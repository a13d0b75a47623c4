// The methods are those of the variables, to the order asked for: rustc's own messages.
use keops::prelude::*;

keops! {
    pub fn product(x: Vi<3>, y: Vj<3>) -> Sum<j> { x * y }
}

fn main() -> Result<(), Error> {
    let x = vec![[0.0_f64; 3]; 2];
    product(&x, &x).vjp_z(&x).eval()?;
    product(&x, &x).vjp_x(&x).vjp_x(&x).eval()?;
    Ok(())
}
