use keops::keops;

keops! {
    pub fn too_few(x: Vi<3>, y: Vj<3>) -> Sum<j> { sqdist(x) * y }
    pub fn too_many(x: Vi<3>, y: Vj<3>) -> Sum<j> { exp(x, y) }
    pub fn method(x: Vi<3>, y: Vj<3>) -> Sum<j> { x.sqdist(x, y) }
    pub fn optional(g: Pm<1>, x: Vi<3>, y: Vj<3>) -> Sum<j> { gaussian(x, y, g, g) }
    pub fn none(x: Vi<3>, y: Vj<3>) -> Sum<j> { x * y * exp() }
}

fn main() {}
