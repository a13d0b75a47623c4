//! Strings of Python in single quotes are no tokens of Rust: rustc says so before the macro is called.

use keops::keops;

keops! {
    pub fn product = Genred("SqDist(X, Y)", ["X = Vi(3)", "Y = Vj(3)"], reduction_op = 'Sum', axis = 1);
}

fn main() {}
