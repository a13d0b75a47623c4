use keops::keops;

keops! {
    pub fn none(x: Vi<3>, y: Vj<3>) -> KMin<10> { sqdist(x, y) }
}
keops! {
    pub fn twice(x: Vi<3>, y: Vj<3>) -> Sum<j, i> { sqdist(x, y) }
}
keops! {
    pub fn brackets(x: Vi<3>, y: Vj<3>) -> Sum { sqdist(x, y) }
}
keops! {
    pub fn numbers(x: Vi<3>, y: Vj<3>) -> KMin<3, 4, j> { sqdist(x, y) }
}

fn main() {}
