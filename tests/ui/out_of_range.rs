use keops::keops;

keops! {
    pub fn component(x: Vi<3>, y: Vj<3>) -> Sum<j> { elem(x, 3) * y }
    pub fn components(x: Vi<3>, y: Vj<3>) -> Sum<j> { extract(x * y, 2, 2) }
    pub fn negative(x: Vi<3>, y: Vj<3>) -> Sum<j> { y.elem(-1) * x }
    pub fn none(x: Vi<3>, y: Vj<3>) -> Sum<j> { extract(x, 0, 0) * y }
    pub fn parts<const D: usize>(x: Vi<D>, y: Vj<D>) -> Sum<j> { extract(x * y, 1, D) }
    pub fn padded<const D: usize>(x: Vi<D>, y: Vj<1>) -> Sum<j> { elem_t(y, D, 1) * x }
}

fn main() {}
