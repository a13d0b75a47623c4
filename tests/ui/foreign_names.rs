//! Words with another name, or none, are looked up by what they mean: no near spelling is offered for another function.

use keops::keops;

const SIGMA: f64 = 0.5;

fn kernel(r: f64) -> f64 {
    (-r).exp()
}

keops! {
    fn of_the_scope(x: Vi<3>, y: Vj<3>) -> Sum<j> { exp(-sqdist(x, y) / SIGMA) + self::SIGMA }
    fn function(x: Vi<3>, y: Vj<3>) -> Sum<j> { kernel(sqdist(x, y)) + crate::kernel(x) }
    fn formula(x: Vi<3>, y: Vj<3>) -> Sum<j> { function(x, y) }
    fn infinite(x: Vi<3>, y: Vj<3>) -> Sum<j> { ifelse(x - y, f64::INFINITY, f32::NAN) }
    fn constants(x: Vi<3>, y: Vj<3>) -> Sum<j> { pi * x + E * y + f64::PI }
    fn module(x: Vi<3>, y: Vj<3>) -> Sum<j> { np.exp(x) * torch.nn.functional.relu(y) * math.pi }
    fn of_the_type(x: Vi<3>, y: Vj<3>) -> Sum<j> { f64::exp(x) * f64::tan(y) }
    fn numpy(x: Vi<3>, y: Vj<3>) -> Sum<j> { where(x < y, arctan2(x, y), heaviside(x)) + clip(x, 0, 1) }
    fn matlab(x: Vi<3>, y: Vj<3>) -> Sum<j> { tan(x) + log10(y) + cosd(x) + sgn(y) }
    fn norms(x: Vi<3>, y: Vj<3>) -> Sum<j> { norm1(x) + l2(y) + cdist(x, y) + manhattan(x, y) + sqeuclidean(x, y) }
    fn kernels(x: Vi<3>, y: Vj<3>) -> Sum<j> { rbf(x, y) + matern(x, y) }
    fn products(x: Vi<3>, y: Vj<3>) -> Sum<j> { inner(x, y) + einsum(x, y) + x.transpose() + stack(x, y) }
    fn reductions(x: Vi<3>, y: Vj<3>) -> Sum<j> { softmax(x) + logsumexp(y) + topk(x, 3) }
    fn other_functions(x: Vi<3>, y: Vj<3>) -> Sum<j> { lgamma(x) + norm3(y) + selu(x) }
    fn underscores(x: Vi<3>, y: Vj<3>) -> Sum<j> { sq_dist(x, y) + Norm_2(x) }
    fn unknown_reduction(x: Vi<3>, y: Vj<3>) -> TopK<3, j> { sqdist(x, y) }
    fn other_case(x: Vi<3>, y: Vj<3>) -> logsumexp<j> { sqdist(x, y) }
}

fn main() {}
