use keops::prelude::*;

keops! {
    pub fn product(x: Vi<2>, y: Vj<2>) -> Sum<j> { x * y }
    pub fn images<const D: usize>(x: Vi<D>, s: Vj<D * D>) -> Sum<j> { mat_vec(s, x) }
}

struct Point {
    _x: f32,
    _y: f32,
}

fn main() {
    let mut x = vec![[0.0_f32; 2]; 2];
    let _ = product(x.clone(), &x);
    let _ = product(&vec![(0.0_f32, 1.0_f32)], &x);
    let _ = product(&vec![Point { _x: 0.0, _y: 1.0 }], &x);
    let _ = product(x.iter(), &x);
    let _ = product(&x, &[[0, 1]]);
    let _ = product(&mut x, &[[0.0, 1.0]]);
    let _ = images(&x, vec![[0.0; 4]]);
    let _ = images(&x, &[[0.0_f64; 4]]);
}
