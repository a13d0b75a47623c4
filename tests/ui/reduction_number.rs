use keops::keops;

keops! {
    pub fn takes_none(x: Vi<3>, y: Vj<3>) -> Sum<3, j> { sqdist(x, y) }
    pub fn needs_one(x: Vi<3>, y: Vj<3>) -> ArgKMin<j> { sqdist(x, y) }
    pub fn zero(x: Vi<3>, y: Vj<3>) -> KMin<0, j> { sqdist(x, y) }
    pub fn negative(x: Vi<3>, y: Vj<3>) -> KMin<-1, j> { sqdist(x, y) }
    pub fn undeclared(x: Vi<3>, y: Vj<3>) -> KMin<K, j> { sqdist(x, y) }
    pub fn genred = Genred("SqDist(X,Y)", ["X = Vi(3)", "Y = Vj(3)"], reduction_op = "KMin", axis = 1);
}

fn main() {}
