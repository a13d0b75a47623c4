use keops::prelude::*;

keops! {
    pub fn product(p: Pm<2>, x: Vi<2>, y: Vj<2>) -> Sum<j> { p * x * y }
}

fn main() {
    let x = vec![[0.0_f32; 2]; 2];
    let _ = product([1.0_f32, 2.0, 3.0], &x, &x);
}
