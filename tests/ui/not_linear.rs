//! Only a sum that is linear in a variable that it sums over can be solved for it.

use keops::prelude::*;

keops! {
    fn product(x: Vi<3>, y: Vj<3>, b: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) * b }
    fn wide(x: Vi<3>, b: Vj<1>) -> Sum<j> { x * b }
    #[keops(order = 0)]
    fn plain(x: Vi<3>, b: Vj<1>) -> Sum<j> { sqnorm2(x) * b }
    fn other(x: Vi<3>, b: Vj<1>) -> LogSumExp<j> { sqnorm2(x) * b }
}

fn main() -> Result<(), Error> {
    let (x, b) = ([[1.0_f64, 2.0, 3.0]], [[1.0]]);
    let _ = product(&x, &x, &b).solve_y(0.1).tolerance(1e-6).eval()?;
    let _ = product(&x, &x, &b).operator_x()?.apply(&b)?;
    let _ = product(&x, &x, &b).vjp_b(&b).operator_b();
    let _ = product(&x, &x, &b).vjp(&b).solve_b(0.1).eval()?;
    let _ = wide(&x, &b).solve_b(0.1).eval()?;
    let _ = plain(&x, &b).operator_b()?.to_dense()?;
    let _ = plain(&x, &b).solve_b(0.1).eval()?;
    let _ = other(&x, &b).operator_b()?;
    Ok(())
}
