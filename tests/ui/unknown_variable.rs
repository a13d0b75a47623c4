use keops::keops;

keops! {
    pub fn nearest_name(sigma: Pm<1>, x: Vi<3>, y: Vj<3>) -> Sum<j> { exp(-sigmma * sqdist(x, y)) + sigma }
    pub fn binding(x: Vi<3>, y: Vj<3>) -> Sum<j> { let distance = norm2(x - y); exp(-distence) }
    pub fn before_its_binding(x: Vi<3>, y: Vj<3>) -> Sum<j> { let a = b; let b = x * y; a }
    pub fn operation(x: Vi<3>, y: Vj<3>) -> Sum<j> { x * y + exp }
}

fn main() {}
