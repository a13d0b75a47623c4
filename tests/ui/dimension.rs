use keops::keops;

keops! {
    pub fn zero(x: Vi<0>, y: Vj<0>) -> Sum<j> { x * y }
    pub fn negative(x: Vi<-3>, y: Vj<3>) -> Sum<j> { x * y }
    pub fn too_large(x: Vi<100000000>, y: Vj<1>) -> Sum<j> { x * y }
    pub fn undeclared(x: Vi<D>, y: Vj<D>) -> Sum<j> { x * y }
    pub fn misspelt<const DIM: usize>(x: Vi<DIM>, y: Vj<DMI>) -> Sum<j> { x * y }
    pub fn zeros(x: Vi<3>, y: Vj<3>) -> Sum<j> { concat(x * y, Zero(0)) }
}
keops! {
    pub fn fraction(x: Vi<1.5>, y: Vj<3>) -> Sum<j> { x * y }
}
keops! {
    pub fn expression(x: Vi<2 + 1>, y: Vj<3>) -> Sum<j> { x * y }
}
keops! {
    pub fn missing(x: Vi, y: Vj<3>) -> Sum<j> { x * y }
}
keops! {
    pub fn category(x: Vk<3>, y: Vj<3>) -> Sum<j> { x * y }
}

fn main() {}
