//! The formula of the README and its gradient, on three sources, against the sum written out.

use keops::prelude::*;

keops! {
    /// Gaussian kernel product: a_i = Σ_j exp(-g |x_i - y_j|²) b_j.
    pub fn gaussian_product(g: Pm<1>, x: Vi<3>, y: Vj<3>, b: Vj<1>) -> Sum<j> {
        exp(-g * sqdist(x, y)) * b
    }
}

fn main() -> Result<(), Error> {
    let g = 0.5;
    let x = vec![[0.0, 0.0, 0.0], [1.0, 2.0, 3.0]];
    let y = vec![[0.0, 0.5, 0.0], [1.0, 2.0, 2.0], [9.0; 3]];
    let b = vec![[1.0], [2.0], [3.0]];
    let e = vec![[1.0], [-2.0]];
    let a = gaussian_product(g, &x, &y, &b).eval()?;
    let dx = gaussian_product(g, &x, &y, &b).vjp_x(&e).eval()?;
    for i in 0..x.len() {
        let (mut value, mut gradient) = (0.0_f64, [0.0_f64; 3]);
        for j in 0..y.len() {
            let difference: [f64; 3] = std::array::from_fn(|d| x[i][d] - y[j][d]);
            let square: f64 = difference.iter().map(|d| d * d).sum();
            let term = (-g * square).exp() * b[j][0];
            value += term;
            for d in 0..3 {
                gradient[d] -= 2.0 * g * difference[d] * term * e[i][0];
            }
        }
        assert!((a[i][0] - value).abs() < 1e-14, "{} is not {value}", a[i][0]);
        for d in 0..3 {
            assert!((dx[i][d] - gradient[d]).abs() < 1e-14, "{:?} is not {gradient:?}", dx[i]);
        }
    }
    println!("value and gradient are right");
    Ok(())
}
