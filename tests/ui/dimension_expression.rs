use keops::keops;

keops! {
    pub fn difference<const D: usize>(x: Vi<D - 1>, y: Vj<D>) -> Sum<j> { sum(x) * y }
    pub fn quotient<const D: usize>(x: Vi<{ D / 2 }>, y: Vj<D>) -> Sum<j> { sum(x) * y }
    pub fn negative<const D: usize>(x: Vi<D * -2>, y: Vj<2 - 3>) -> Sum<j> { sum(x) * y }
    pub fn zero<const D: usize>(x: Vi<D * 0>, y: Vj<D>) -> Sum<j> { sum(x) * y }
    pub fn too_large<const D: usize>(x: Vi<5000 * 5000>, y: Vj<D * D * 20000000>) -> Sum<j> { sum(x) * y }
    pub fn unknown<const D: usize>(x: Vi<N * N>, y: Vj<D + DIM>) -> Sum<j> { sum(x) * y }
    pub fn number_of_neighbours<const K: usize>(x: Vi<3>, y: Vj<3>) -> KMin<2 * K, j> { sqdist(x, y) }
    pub fn component<const D: usize>(x: Vi<D>, y: Vj<D>) -> Sum<j> { elem(x, D - 1) * y }
    pub fn beyond<const D: usize>(x: Vi<D>, y: Vj<2 * D>) -> Sum<j> { extract(y, D + 1, D) * x }
    pub fn metric<const D: usize, const E: usize>(s: Pm<D * E>, x: Vi<D>, y: Vj<D>) -> Sum<j> {
        weighted_sqdist(s, x, y)
    }
    pub fn matrix<const D: usize, const E: usize>(a: Pm<D * D>, x: Vi<E>) -> Sum<j> { mat_vec(a, x) }
}
keops! {
    pub fn power<const D: usize>(x: Vi<D**2>, y: Vj<D>) -> Sum<j> { sum(x) * y }
}
keops! {
    pub fn no_operator<const D: usize>(x: Vi<D % 2>, y: Vj<D>) -> Sum<j> { sum(x) * y }
}
keops! {
    pub fn no_product<const D: usize>(x: Vi<2D>, y: Vj<D>) -> Sum<j> { sum(x) * y }
}
keops! {
    pub fn unfinished<const D: usize>(x: Vi<D * >, y: Vj<D>) -> Sum<j> { sum(x) * y }
}
keops! {
    pub fn two<const D: usize, const E: usize>(x: Vi<D, E>, y: Vj<D>) -> Sum<j> { sum(x) * y }
}
keops! {
    pub fn a_string = Genred("SqNorm2(x) * y", ["x = Vi(3 - 3)", "y = Vj(7 / 2)"], axis = 1);
}

fn main() {}
