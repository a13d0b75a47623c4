use keops::keops;

keops! {
    pub fn brackets = Genred("Exp(-SqDist(X, Y)", ["X = Vi(3)", "Y = Vj(3)"]);
}
keops! {
    pub fn character = Genred("Exp(-SqDist(X, Y))'", ["X = Vi(3)", "Y = Vj(3)"]);
}
keops! {
    pub fn syntax = Genred("Exp(-SqDist(X, Y)) * ", ["X = Vi(3)", "Y = Vj(3)"]);
}
keops! {
    pub fn two_formulas = Genred("SqDist(X, Y) X", ["X = Vi(3)", "Y = Vj(3)"]);
}
keops! {
    pub fn operation = Genred("Exp(-SqDst(X, Y))", ["X = Vi(3)", "Y = Vj(3)"]);
}
keops! {
    pub fn variable = Genred("SqDist(X, Z)", ["X = Vi(3)", "Y = Vj(3)"]);
}
keops! {
    pub fn dimension = Genred("SqDist(X, Y)", ["X = Vi(3)", "Y = Vj(2)"]);
}

fn main() {}
