use keops::keops;

keops! {
    pub fn no_variable(x: Vi<3>, y: Vj<3>) -> Sum<j> { grad(sqdist(x, y), z, 1) }
    pub fn expression(x: Vi<3>, y: Vj<3>) -> Sum<j> { grad(sqdist(x, y), x - y, 1) }
    pub fn binding(x: Vi<3>, y: Vj<3>) -> Sum<j> { let d = x - y; grad(sqnorm2(d), d, 1) }
    pub fn cotangent(x: Vi<3>, y: Vj<3>) -> Sum<j> { grad(sqdist(x, y), x, y) }
    pub fn tangent(x: Vi<3>, y: Vj<3>) -> Sum<j> { diff(sqdist(x, y), x, 1) }
    pub fn divergence_of_a_scalar(x: Vi<3>, y: Vj<3>) -> Sum<j> { divergence(sqdist(x, y), x) }
    pub fn laplacian_of_a_vector(x: Vi<3>, y: Vj<3>) -> Sum<j> { Laplacian(x * y, x) }
    pub fn mixed<const D: usize>(a: Pm<9>, x: Vi<D>, y: Vj<D>) -> Sum<j> {
        divergence(mat_vec(outer(x, y), y), x) + divergence(extract(concat(y, x), D, D), y) + sum(a)
    }
    pub fn too_wide(x: Vi<65>, y: Vj<65>) -> Sum<j> { divergence(mat_vec(outer(y, y), exp(x)), x) }
}

fn main() {}
