//! Lines of pykeops that stand in another place here.

use keops::keops;

keops! {
    fn declared(x: Vi<3>, y: Vj<3>) -> Sum<j> { LazyTensor(x[:, None, :]) - LazyTensor(y[None, :, :]) }
    fn categories(x: Vi<3>, y: Vj<3>) -> Sum<j> { Vi(x) - Vj(0, 3) }
    fn names(x: Vi<3>, y: Vj<3>) -> Sum<j> { ((x_i - y_j) ** 2).sum(-1) }
    fn axis(x: Vi<3>, y: Vj<3>) -> Sum<j> { x.sum(dim=1) + y.sum(0) + x.sum(axis=1) }
    fn log_sum_exp(x: Vi<3>, y: Vj<3>) -> Sum<j> { sqdist(x, y).logsumexp(dim=1) }
    fn neighbours(x: Vi<3>, y: Vj<3>) -> Sum<j> { sqdist(x, y).argKmin(7, dim=1) + x.min_argmin(1) }
    fn other_axis(x: Vi<3>, y: Vj<3>) -> Sum<j> { (x * y).sum(dim=4) }
    fn named(x: Vi<3>, y: Vj<3>) -> Sum<j> { (x * y).clamp(min=0) }
    fn index(x: Vi<3>, y: Vj<3>) -> Sum<j> { x[-1] + y[j] + x[1:] + y[3] + x[0, 1] }
    fn transposed(x: Vi<3>, y: Vj<3>) -> Sum<j> { x.T @ y }
    fn solved(x: Vi<3>, y: Vj<3>) -> Sum<j> { x.solve(y) }
}

fn main() {}
