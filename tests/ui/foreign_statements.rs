//! Statements and expressions of Rust that formulas have not. What follows is checked all the same.

use keops::keops;

keops! {
    fn returned(x: Vi<3>, y: Vj<3>) -> Sum<j> { return x * y; }
    fn typed(x: Vi<3>, y: Vj<3>) -> Sum<j> { let r: f64 = sqdist(x, y); exq(-r) }
    fn mutable(x: Vi<3>, y: Vj<3>) -> Sum<j> { let mut r = x; r += y; r }
    fn assigned(x: Vi<3>, y: Vj<3>) -> Sum<j> { r = x - y; r }
    fn constant(x: Vi<3>, y: Vj<3>) -> Sum<j> { const R: f64 = 0.5; R * x * y }
    fn pattern(x: Vi<3>, y: Vj<3>) -> Sum<j> { let (a, b) = (x, y); a * b }
    fn no_semicolon(x: Vi<3>, y: Vj<3>) -> Sum<j> { let r = x - y exp(-r) }
    fn semicolon(x: Vi<3>, y: Vj<3>) -> Sum<j> { x * y; }
    fn choice(x: Vi<3>, y: Vj<3>) -> Sum<j> { if x < y { x } else { y } }
    fn ternary(x: Vi<3>, y: Vj<3>) -> Sum<j> { x if x < y else y }
    fn matched(x: Vi<3>, y: Vj<3>) -> Sum<j> { match x { _ => y } }
    fn looped(x: Vi<3>, y: Vj<3>) -> Sum<j> { for k in 0..3 { x += y } }
    fn closure(x: Vi<3>, y: Vj<3>) -> Sum<j> { (|a| a * y)(x) }
    fn block(x: Vi<3>, y: Vj<3>) -> Sum<j> { x * { let d = x - y; d } }
    fn invoked(x: Vi<3>, y: Vj<3>) -> Sum<j> { x * y * vec![1, 2, 3] }
    fn attribute(x: Vi<3>, y: Vj<3>) -> Sum<j> { #[inline] x * y }
    fn comment(x: Vi<3>, y: Vj<3>) -> Sum<j> {
        /// of both
        let d = x - y;
        d
    }
    fn field(x: Vi<3>, y: Vj<3>) -> Sum<j> { x.0 * y.z }
    fn turbofish(x: Vi<3>, y: Vj<3>) -> Sum<j> { x + exp::<f64>(y) }
}

fn main() {}
