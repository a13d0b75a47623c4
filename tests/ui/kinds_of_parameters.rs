use keops::prelude::*;

keops! {
    pub fn gauss(g: Pm<1>, x: Vi<2>, y: Vj<2>) -> Sum<j> { exp(-g * sqdist(x, y)) }
    pub fn metric(s: Pm<4>, x: Vi<2>, y: Vj<2>) -> Sum<j> { weighted_sqdist(s, x, y) }
    pub fn any_metric<const D: usize>(s: Pm<D * D>, x: Vi<D>, y: Vj<D>) -> Sum<j> { weighted_sqdist(s, x, y) }
}

fn main() {
    let x = vec![[0.0_f32; 2]; 2];
    let _ = gauss(1, &x, &x);
    let _ = gauss(0.5_f64, &x, &x);
    let _ = gauss("0.5", &x, &x);
    let _ = gauss(&vec![[0.5, 0.5]], &x, &x);
    let _ = gauss(vec![0.5], &x, &x);
    let _ = metric(1.0, &x, &x);
    let _ = metric([[1.0, 0.0], [0.0, 1.0]], &x, &x);
    let _ = any_metric("1", &x, &x);
}
