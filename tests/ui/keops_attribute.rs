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

keops! {
    #[keops(cuda(E = 3))]
    pub fn not_a_generic<const D: usize>(x: Vi<D>, y: Vj<D>) -> Sum<j> { x * y }
}
keops! {
    #[keops(cuda(D = 3))]
    pub fn missing<const D: usize, const E: usize>(x: Vi<D>, y: Vj<E>) -> Sum<j> { sum(x) * y }
}
keops! {
    #[keops(cuda(D = 3, D = 4))]
    pub fn instance_twice<const D: usize>(x: Vi<D>, y: Vj<D>) -> Sum<j> { x * y }
}
keops! {
    #[keops(precise, precise)]
    pub fn precise_twice(x: Vi<3>, y: Vj<3>) -> Sum<j> { x * y }
}

fn main() {}
