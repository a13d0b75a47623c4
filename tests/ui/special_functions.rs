//! Functions that PyTorch and SciPy have and a formula does not.

use keops::keops;

keops! {
    fn poisson(x: Vi<1>, y: Vj<1>) -> Sum<j> { y * log(x) - x - lgamma(y + 1) }
    fn matern(n: Pm<1>, x: Vi<3>, y: Vj<3>) -> Sum<j> { besselk(n, norm2(x - y)) * torch.special.i0(n) }
    fn score(x: Vi<1>, y: Vj<1>) -> Sum<j> { x.digamma() * erfinv(y) }
}

fn main() {}
