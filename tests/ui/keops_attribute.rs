use keops::keops;

keops! {
    #[keops(order = 5)]
    pub fn order(x: Vi<3>, y: Vj<3>) -> Sum<j> { x * y }
}
keops! {
    #[keops(orders = 2)]
    pub fn unknown(x: Vi<3>, y: Vj<3>) -> Sum<j> { x * y }
}
keops! {
    #[keops(order = "two")]
    pub fn string(x: Vi<3>, y: Vj<3>) -> Sum<j> { x * y }
}
keops! {
    #[keops(order = -1)]
    pub fn negative(x: Vi<3>, y: Vj<3>) -> Sum<j> { x * y }
}
keops! {
    #[keops(order = 1, order = 2)]
    pub fn twice(x: Vi<3>, y: Vj<3>) -> Sum<j> { x * y }
}

fn main() {}
