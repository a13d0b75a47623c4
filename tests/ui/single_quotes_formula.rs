//! The same in a formula, whose brackets are read as code.

use keops::keops;

keops! {
    pub fn product = Genred('SqDist(X, Y)', ['X = Vi(3)', 'Y = Vj(3)'], axis = 1);
}

fn main() {}
