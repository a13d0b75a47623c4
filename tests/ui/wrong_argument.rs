use keops::prelude::*;

keops! {
    pub fn product(g: Pm<1>, x: Vi<3>, y: Vj<3>) -> Sum<j> { g * x * y }
}

fn main() -> Result<(), Error> {
    let (x, flat, wide) = (vec![[0.0_f32; 3]; 2], vec![0.0_f64; 6], vec![[0.0_f32; 2]; 2]);
    product(1.0, &x, &wide).eval()?;
    product(1.0, &x, &flat).eval()?;
    product(1.0, x.clone(), &x).eval()?;
    product([1.0, 2.0], &x, &x).eval()?;
    product(1, &x, &x).eval()?;
    product(1.0, &x, &x).vjp_y(&wide).eval()?;
    Ok(())
}
