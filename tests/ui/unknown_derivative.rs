// The methods are those of the variables, to the order asked for.
use keops::prelude::*;

keops! {
    pub fn product(x: Vi<3>, y: Vj<3>) -> Sum<j> { x * y }
    pub fn nearest(x: Vi<3>, y: Vj<3>) -> ArgMin<j> { sqdist(x, y) }
    #[keops(order = 0)]
    pub fn plain(x: Vi<3>, y: Vj<3>) -> Sum<j> { x * y }
}

fn main() -> Result<(), Error> {
    let x = vec![[0.0_f64; 3]; 2];
    product(&x, &x).vjp_z(&x).eval()?;
    product(&x, &x).vjp_x(&x).vjp_x(&x).eval()?;
    product(&x, &x).jvp_x(&x).vjp(&x).eval()?;
    product(&x, &x).vjp(&x).jvp_x(&x).eval()?;
    nearest(&x, &x).vjp_x(&x).eval()?;
    plain(&x, &x).vjp_x(&x).eval()?;
    Ok(())
}
