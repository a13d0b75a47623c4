use keops::keops;

keops! {
    pub fn unknown<const D: usize>(x: Vi<D>, y: Vj<D>) -> Sum<j> { x * y / F }
    pub fn sum_of_generics<const D: usize, const F: usize>(x: Vi<D>, y: Vj<F>) -> Sum<j> { concat(x, y) + D * x }
    pub fn product<const D: usize>(x: Vi<D>, y: Vj<D>) -> Sum<j> { outer(x, y) * y }
    pub fn k_rows<const K: usize>(x: Vi<3>, y: Vj<3>) -> KMin<K + 1, j> { x * y }
}
keops! {
    pub fn type_parameter<T>(x: Vi<3>, y: Vj<3>) -> Sum<j> { x * y }
}
keops! {
    pub fn lifetime<'a>(x: Vi<3>, y: Vj<3>) -> Sum<j> { x * y }
}
keops! {
    pub fn not_usize<const D: u32>(x: Vi<D>, y: Vj<D>) -> Sum<j> { x * y }
}

fn main() {}
