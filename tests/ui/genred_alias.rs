use keops::keops;

keops! {
    pub fn form = Genred("SqDist(X, Y)", ["X = Vi(3)", "Y : Vj(3)"]);
}
keops! {
    pub fn category = Genred("SqDist(X, Y)", ["X = Vi(3)", "Y = Vk(3)"]);
}
keops! {
    pub fn arguments = Genred("SqDist(X, Y)", ["X = Vi(0, 3, 0)", "Y = Vj()"]);
}
keops! {
    pub fn raw_category = Genred("SqDist(X, Y)", ["X = Var(0, 3, 0)", "Y = Var(1, 3, 7)"]);
}
keops! {
    pub fn position_twice = Genred("SqDist(X, Y)", ["X = Vi(0, 3)", "Y = Vj(0, 3)"]);
}
keops! {
    pub fn gap = Genred("SqDist(X, Y)", ["X = Vi(0, 3)", "Y = Vj(2, 3)"]);
}
keops! {
    pub fn negative_position = Genred("SqDist(X, Y)", ["X = Vi(-1, 3)", "Y = Vj(0, 3)"]);
}
keops! {
    pub fn differs = Genred("SqDist(X, Var(1, 2, 1))", ["X = Vi(0, 3)", "Y = Vj(1, 3)"]);
}
keops! {
    pub fn raw_differs = Genred("SqDist(Var(0, 3, 0), Var(1, 3, 1)) + Var(1, 3, 0)", []);
}
keops! {
    pub fn raw_form = Genred("SqDist(Var(0, 3), X)", ["X = Vi(3)"]);
}
keops! {
    pub fn name_twice = Genred("SqDist(X, X)", ["X = Vi(3)", "X = Vj(3)"]);
}
keops! {
    pub fn dimension = Genred("SqDist(X, Y)", ["X = Vi(0)", "Y = Vj(1.5)"]);
}
keops! {
    pub fn several = Genred("SqDist(X, Y)", ["X = Vi()", "Y = Vj()"]);
}

fn main() {}
