// All faults of a formula, and of all formulas, at once.
use keops::keops;

keops! {
    pub fn first(g: Pm<2>, x: Vi<3>, y: Vj<D>, unused: Vj<1>) -> Summ<j> {
        let r2 = sqdst(x, y);
        let scale = g + elem(x, 3);
        exp(-scale * r2) * b
    }
    pub fn second(x: Vi<3>, y: Vj<2>) -> Sum<j> { sqdist(x, y) + expp(x) + (x | y) }
}

fn main() {}
