use keops::keops;

keops! {
    pub fn function(x: Vi<3>, y: Vj<2>) -> Sum<j> { sqdist(x, y) }
    pub fn operator(x: Vi<3>, y: Vj<2>) -> Sum<j> { exp(x) * (y + 1) }
    pub fn dot(x: Vi<3>, y: Vj<2>) -> Sum<j> { (x | y) }
    pub fn three(x: Vi<3>, y: Vj<2>) -> Sum<j> { ifelse(norm2(x), x, y) }
    pub fn kernel(x: Vi<3>, y: Vj<2>) -> Sum<j> { gaussian(x, y) }
    pub fn kernel_of_a_scalar(x: Vi<3>, y: Vj<1>) -> Sum<j> { gaussian(x, y) }
    pub fn generic<const D: usize>(x: Vi<D>, y: Vj<3>) -> Sum<j> { x - y }
    pub fn generics<const D: usize, const F: usize>(x: Vi<D>, y: Vj<F>) -> Sum<j> { x * y }
    pub fn broadcast_of_a_vector(x: Vi<3>, y: Vj<3>) -> Sum<j> { broadcast(x * y, 3) }
    pub fn cross_of_two(x: Vi<2>, y: Vj<2>) -> Sum<j> { cross(x, y) }
    pub fn cross_of_any<const D: usize>(x: Vi<3>, y: Vj<D>) -> Sum<j> { x.cross(y) }
    pub fn larger(x: Vi<3>, y: Vj<2>) -> Sum<j> { max(x, y) }
}

fn main() {}
