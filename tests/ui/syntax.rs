use keops::keops;

keops! {
    pub fn chained(x: Vi<1>, y: Vj<1>) -> Sum<j> { x < y < 1 }
}
keops! {
    pub fn operand(x: Vi<3>, y: Vj<3>) -> Sum<j> { x + }
}
keops! {
    pub fn operator(x: Vi<3>, y: Vj<3>) -> Sum<j> { x y }
}
keops! {
    pub fn in_brackets(x: Vi<3>, y: Vj<3>) -> Sum<j> { (x y) * 2 }
}
keops! {
    pub fn argument(x: Vi<3>, y: Vj<3>) -> Sum<j> { sqdist(x y) }
}
keops! {
    pub fn empty(x: Vi<3>, y: Vj<3>) -> Sum<j> {}
}
keops! {
    pub fn string(x: Vi<3>, y: Vj<3>) -> Sum<j> { x * y * "2" }
}
keops! {
    pub fn field(x: Vi<3>, y: Vj<3>) -> Sum<j> { x.dim * y }
}
keops! {
    pub fn number(x: Vi<3>, y: Vj<3>) -> Sum<j> { x * y * 1e999 }
}

fn main() {}
