use keops::keops;

keops! {
    pub fn mat_vec(a: Pm<7>, x: Vi<3>, y: Vj<3>) -> Sum<j> { MatVecMult(a, x) * y }
    pub fn vec_mat(a: Pm<7>, x: Vi<3>, y: Vj<3>) -> Sum<j> { (x * y).vec_mat(a) }
    pub fn generic<const D: usize>(a: Pm<9>, x: Vi<D>, y: Vj<D>) -> Sum<j> { mat_vec(a, x) * y }
}

fn main() {}
