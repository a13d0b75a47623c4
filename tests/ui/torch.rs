//! Lines that users of PyTorch and GeomLoss write first.

use keops::keops;

keops! {
    fn largest(x: Vi<3>, y: Vj<3>) -> Sum<j> { abs(x - y).max(-1) + x.min(1) + max(x, y, dim=-1) + torch.max(y, -1) }
    fn undeclared(x: Vi<3>, y: Vj<3>) -> Sum<j> { exp(-sqdist(x, y) / (2 * sigma**2)) + (x | y) / sqrt(D) + z_j }
    fn means(x: Vi<3>, y: Vj<3>) -> Sum<j> { (x - y).square().mean(-1) + x.prod() + y.std(-1) }
    fn functional(x: Vi<3>, y: Vj<3>) -> Sum<j> { F.relu(x - y) * F.cosine_similarity(x, y, dim=-1) }
    fn joined(x: Vi<3>, y: Vj<3>) -> Sum<j> { torch.cat([x, y], -1) + cat((x, y), dim=0) + concat(x) }
    fn kept(x: Vi<3>, y: Vj<3>) -> Sum<j> { (x - y).sum(-1, keepdim=True) + x.sum(-1, True) }
    fn norms(x: Vi<3>, y: Vj<3>) -> Sum<j> { (x - y).norm(p=1) + x.norm(1) + |x - y| + ||x - y||**2 }
    fn bounds(x: Vi<3>, y: Vj<3>) -> Sum<j> { x.clamp(0) + y.clamp(min=0) + clamp_min(x, 0) + torch.clamp(y, max=1) }
    fn losses(x: Vi<3>, y: Vj<3>) -> Sum<j> { huber_loss(x, y) + mse_loss(x, y) + logaddexp(x, y) + gelu(y) }
    fn closures(x: Vi<3>, y: Vj<3>) -> Sum<j> { let f = |a| a * y; let g = |a, b| (a | b); f(x) + g(x, y) }
    fn chain(x: Vi<3>, y: Vj<3>) -> Sum<j> { 0 < x - y < 1 }
    fn largest_k(x: Vi<3>, y: Vj<3>) -> KMax<3, j> { x - y }
    fn soft_min(x: Vi<3>, y: Vj<3>) -> SoftMin<j> { sqdist(x, y) }
    fn element(x: Vi<f32, 3>, y: Vj<3>) -> Sum<j> { x - y }
    fn generic<const D: usize> = Genred("X", ["X = Vi(3)"]);
    fn formatted = Genred("X * {}".format(2), ["X = Vi(3)"]);
    fn nearest = generic_argkmin("SqDist(X, Y)", "a = Vi(3)", "X = Vi(3)", "Y = Vj(3)");
}
keops! {
    K_ij = (-((x_i - y_j) ** 2).sum(-1)).exp()
}

fn main() {}
