use keops::keops;

keops! {
    pub fn distance(s: Pm<4>, x: Vi<3>, y: Vj<3>) -> Sum<j> { weighted_sqdist(s, x, y) }
    pub fn kernel(s: Pm<4>, x: Vi<3>, y: Vj<3>) -> Sum<j> { gaussian(x, y, s) }
    pub fn product(s: Pm<4>, x: Vi<3>, y: Vj<3>) -> Sum<j> { linear(x, y, s) }
    pub fn generic<const D: usize>(s: Pm<4>, x: Vi<D>, y: Vj<D>) -> Sum<j> { cauchy(x, y, s) }
}

fn main() {}
