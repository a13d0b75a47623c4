use keops::keops;

keops! {
    pub fn odd(x: Vi<3>, y: Vj<3>) -> Sum<j> { conj(x + y) }
    pub fn unequal(x: Vi<4>, y: Vj<6>) -> Sum<j> { complex_mult(x, y) }
    pub fn real(x: Vi<3>, y: Vj<4>) -> Sum<j> { complex_real_scal(x, y) }
    pub fn broadcast(x: Vi<2>, y: Vj<2>) -> Sum<j> { complex_sum_t(x + y, 5) }
}

fn main() {}
