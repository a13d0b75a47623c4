//! A formula is a function and a module, which no `impl` has.

struct Model;

impl Model {
    keops::keops! {
        pub fn product(x: Vi<3>, y: Vj<3>) -> Sum<j> { x * y }
    }
}

fn main() {}
