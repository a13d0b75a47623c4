use keops::keops;

keops! {
    pub fn nearest_name(x: Vi<3>, y: Vj<3>) -> Sum<j> { exp(-sqdst(x, y)) }
    pub fn keops_spelling(x: Vi<3>, y: Vj<3>) -> Sum<j> { Exp(-SqDst(x, y)) }
    pub fn method(x: Vi<3>, y: Vj<3>) -> Sum<j> { (x - y).sqrnorm2() }
    pub fn nothing_is_near(x: Vi<3>, y: Vj<3>) -> Sum<j> { erfinv(x * y) }
}

fn main() {}
