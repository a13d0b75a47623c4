use keops::keops;

keops! {
    pub fn variable(g: Pm<1>, x: Vi<3>, y: Vj<3>) -> Sum<j> { exp(-sqdist(x, y)) }
    pub fn shadowed(x: Vi<3>, y: Vj<3>) -> Sum<j> { let x = y; x }
    pub fn alias = Genred("SqDist(X, Y)", ["X = Vi(3)", "Y = Vj(3)", "Z = Vj(3)"], axis = 1);
}

fn main() {}
