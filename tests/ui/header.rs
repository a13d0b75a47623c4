//! What stands before the body. One item hides no other.

use keops::keops;

keops! {
    fn no_reduction(x: Vi<3>, y: Vj<3>) { x * y }
    fn no_body(x: Vi<3>, y: Vj<3>) -> Sum<j>;
    fn round_brackets(x: Vi<3>, y: Vj<3>) -> Sum(j) { x * y }
    fn other_index(x: Vi<3>, y: Vj<3>) -> Sum<k> { x * y }
    fn vector(x: Vi<3>, y: Vj<3>) -> Vec<[f64; 3]> { x * y }
    fn array(x: Vi<3>, y: Vj<3>) -> [f64; 3] { x * y }
    fn nothing() -> Sum<j> { 1 }
    fn no_arguments -> Sum<j> { 1 }
    fn untyped(x, y) -> Sum<j> { x * y }
    fn types(s: f64, x: &[f64], y: Vec<[f64; 3]>) -> Sum<j> { s * x * y }
    fn dimensions(x: Vi, y: Vj(3)) -> Sum<j> { x * y }
    fn receiver(&self, mut x: Vi<3>) -> Sum<j> { x }
    fn type_parameter<T: Float>(x: Vi<3>, y: Vj<3>) -> Sum<j> { x * y }
    fn bounds<const D: usize>(x: Vi<D>, y: Vj<D>) -> Sum<j> where T: Float { x * y }
    async fn later(x: Vi<3>, y: Vj<3>) -> Sum<j> { x * y }
    const fn early(x: Vi<3>, y: Vj<3>) -> Sum<j> { x * y }
    pub unsafe extern "C" fn abi(x: Vi<3>, y: Vj<3>) -> Sum<j> { x * y };
    impl Model { fn method(x: Vi<3>, y: Vj<3>) -> Sum<j> { x * y } }
    pub const SIGMA: f64 = 0.5;
    pub use std::f64::consts::PI;
    pub struct NotAFunction;
    #[unknown]
    fn attribute(x: Vi<3>, y: Vj<3>) -> Sum<j> { x * y }
    pub(crate) fn last(x: Vi<3>, y: Vj<3>) -> Sum<j> { exq(x * y) }
}

fn main() {}
