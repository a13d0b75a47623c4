use keops::prelude::*;

keops! {
    pub fn product(x: Vi<3>, y: Vj<3>) -> Sum<j> { x * y }
}

fn dimension(x: &[[f32; 3]], wide: &[[f32; 2]]) {
    let _ = product(x, wide);
}

fn element_type(x: &[[f32; 3]], double: &[[f64; 3]]) {
    let _ = product(x, double);
}

fn cotangent(x: &[[f32; 3]], wide: &[[f32; 2]]) {
    let _ = product(x, x).vjp_y(wide);
}

fn main() {}
