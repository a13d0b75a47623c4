use keops::keops;

keops! {
    pub fn trace(x: Vi<3>, y: Vj<3>) -> Sum<j> { trace_operator(x * x * y, x) }
    pub fn affine(x: Vi<3>, y: Vj<3>) -> Sum<j> { adjoint_operator(x + y, x, y) }
    pub fn weight(x: Vi<3>, y: Vj<2>) -> Sum<j> { sum_lin_operator(2 * x, x, y) }
    pub fn matrix<const D: usize>(x: Vi<D>, y: Vj<D>) -> Sum<j> { sum(grad_matrix(x * y, x)) }
    pub fn knots(x: Vi<3>, y: Vj<1>) -> Sum<j> { bspline(x, y, 2) }
    pub fn metric(x: Vi<3>, y: Vj<3>) -> Sum<j> { SymSqNorm(x, y) }
    pub fn decimals(x: Vi<3>, y: Vj<3>) -> Sum<j> { round(x + y, 400) }
    pub fn bounds(x: Vi<3>, y: Vj<3>) -> Sum<j> { clamp_int(x + y, 2, 1) }
    pub fn part(x: Vi<3>, y: Vj<3>) -> Sum<j> { extract_t(x + y, 2, 4) }
}

fn main() {}
