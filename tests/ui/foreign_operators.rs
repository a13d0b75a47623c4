//! Operators of Rust, Python and MATLAB that formulas have not.

use keops::keops;

keops! {
    fn remainder(x: Vi<3>, y: Vj<3>) -> Sum<j> { x * y % 2 }
    fn caret(x: Vi<3>, y: Vj<3>) -> Sum<j> { -x^2 * y }
    fn matrix(x: Vi<3>, y: Vj<3>) -> Sum<j> { x @ y }
    fn and(x: Vi<3>, y: Vj<3>) -> Sum<j> { x < y && y < 1 }
    fn or(x: Vi<3>, y: Vj<3>) -> Sum<j> { x < y || y < 1 }
    fn bitwise(x: Vi<3>, y: Vj<3>) -> Sum<j> { (x < y) & (y < 1) }
    fn words(x: Vi<3>, y: Vj<3>) -> Sum<j> { not x < y and y < 1 or x < 1 }
    fn negation(x: Vi<3>, y: Vj<3>) -> Sum<j> { !(x < y) }
    fn reference(x: Vi<3>, y: Vj<3>) -> Sum<j> { sqdist(&x, &y) }
    fn cast(x: Vi<3>, y: Vj<3>) -> Sum<j> { x as f64 * y }
    fn range(x: Vi<3>, y: Vj<3>) -> Sum<j> { (x - y) * 0..3 }
    fn point(x: Vi<3>, y: Vj<3>) -> Sum<j> { .5 * x * y }
    fn suffixes(x: Vi<3>, y: Vj<3>) -> Sum<j> { 2.0m * x + 3j * y }
    fn truth(x: Vi<3>, y: Vj<3>) -> Sum<j> { (x < y) == true }
    fn several(x: Vi<3>, y: Vj<3>) -> Sum<j> { x % 2 + exq(y) }
}

fn main() {}
