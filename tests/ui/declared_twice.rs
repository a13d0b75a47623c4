use keops::keops;

keops! {
    pub fn variable(x: Vi<3>, x: Vj<3>) -> Sum<j> { exp(x) }
    pub fn generic<const x: usize>(x: Vi<x>, y: Vj<3>) -> Sum<j> { sum(x) * y }
    pub fn generics<const D: usize, const D: usize>(x: Vi<D>, y: Vj<D>) -> Sum<j> { x * y }
}

fn main() {}
