use keops::keops;

keops! {
    pub fn component(x: Vi<3>, y: Vj<3>) -> Sum<j> { elem(x, 1.5) * y }
    pub fn power(x: Vi<3>, y: Vj<3>) -> Sum<j> { Pow(x * y, 0.5) }
    pub fn expression(x: Vi<3>, y: Vj<3>) -> Sum<j> { extract(x, 1 + x, 1) * y }
    pub fn variable(x: Vi<3>, y: Vj<3>) -> Sum<j> { Elem(x, y) }
    pub fn generic_exponent<const N: usize>(x: Vi<N>, y: Vj<N>) -> Sum<j> { powi(x * y, N) }
    pub fn too_large(x: Vi<3>, y: Vj<3>) -> Sum<j> { powi(x * y, 3000000000) }
    pub fn no_denominator(x: Vi<3>, y: Vj<3>) -> Sum<j> { RatCst(1, 0) * x * y + IntInv(0) }
}

fn main() {}
