use keops::prelude::*;

keops! {
    pub fn no_radius(x: Vi<3>, y: Vj<3>) -> Within<j> { sqdist(x, y) }
    pub fn compared(x: Vi<3>, y: Vj<3>, r: Pm<1>) -> Count<j> { sqdist(x, y) <= r }
    pub fn of_each_axis(x: Vi<3>, y: Vj<3>, r: Pm<3>) -> Count<j> { ((x - y)**2, r) }
    pub fn of_the_source(x: Vi<3>, y: Vj<3>, r: Vj<1>) -> Within<j> { (sqdist(x, y), 2 * r) }
    pub fn of_the_other_source(x: Vi<3>, y: Vj<3>, r: Vi<1>) -> Within<i> { (sqdist(x, y), r) }
    pub fn reversed(x: Vi<3>, y: Vj<3>, r: Pm<1>) -> Within<j> { (r, sqdist(x, y)) }
    pub fn with_number(x: Vi<3>, y: Vj<3>, r: Pm<1>) -> Within<5, j> { (sqdist(x, y), r) }
    pub fn with_radius(x: Vi<3>, y: Vj<3>) -> Within<0.5, j> { sqdist(x, y) }
    #[keops(cuda(D = 3))]
    pub fn with_kernels<const D: usize>(x: Vi<D>, y: Vj<D>, r: Pm<1>) -> Count<j> { (sqdist(x, y), r) }
    pub fn radius_search(x: Vi<3>, y: Vj<3>) -> RadiusSearch<j> { (sqdist(x, y), 1) }
    pub fn of_keops = Genred("SqDist(x,y)", ["x = Vi(3)", "y = Vj(3)"], reduction_op = "Within", axis = 1);
}

keops! {
    pub fn near(x: Vi<3>, y: Vj<3>, r: Pm<1>) -> Within<j> { (sqdist(x, y), r) }
}

fn main() -> Result<(), Error> {
    let x = [[0.0_f32; 3]];
    near(&x, &x, 1.0).vjp_x(&[[1.0]]).eval()?;
    near(&x, &x, 1.0).into_rows(&mut [[0.0]])?;
    Ok(())
}
