use keops::keops;

keops! {
    pub fn shape(x: Vi<6>, y: Vj<6>) -> Sum<j> { tensordot(x, y, [2, 2], [3, 2], [1], [1]) }
    pub fn axis(x: Vi<6>, y: Vj<6>) -> Sum<j> { tensordot(x, y, [2, 3], [3, 2], [2], [0]) }
    pub fn lengths(x: Vi<6>, y: Vj<6>) -> Sum<j> { tensordot(x, y, [2, 3], [3, 2], [1], [1]) }
    pub fn order(x: Vi<6>, y: Vj<6>) -> Sum<j> { tensordot(x, y, [2, 3], [3, 2], [1], [0], [1, 1]) }
    pub fn ranks(x: Vi<6>, y: Vj<6>) -> Sum<j> { kron(x, y, [2, 3], [6]) }
    pub fn no_list(x: Vi<6>, y: Vj<6>) -> Sum<j> { kron(x, y, 6, [-6]) }
    pub fn list(x: Vi<6>, y: Vj<6>) -> Sum<j> { (x | y) + [1] }
}

fn main() {}
