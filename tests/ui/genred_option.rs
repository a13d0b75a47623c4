use keops::keops;

keops! {
    pub fn axis_2 = Genred("SqDist(X, Y)", ["X = Vi(3)", "Y = Vj(3)"], axis = 2);
}
keops! {
    pub fn twice = Genred("SqDist(X, Y)", ["X = Vi(3)", "Y = Vj(3)"], axis = 1, axis = 0);
}
keops! {
    pub fn unknown = Genred("SqDist(X, Y)", ["X = Vi(3)", "Y = Vj(3)"], reduction_opt = "Sum");
}
keops! {
    pub fn reduction = Genred("SqDist(X, Y)", ["X = Vi(3)", "Y = Vj(3)"], reduction_op = "Summ");
}
keops! {
    pub fn reduction_name = Genred("SqDist(X, Y)", ["X = Vi(3)", "Y = Vj(3)"], reduction_op = "Sum over j");
}
keops! {
    pub fn not_a_string = Genred("SqDist(X, Y)", ["X = Vi(3)", "Y = Vj(3)"], reduction_op = Sum);
}
keops! {
    pub fn not_a_number = Genred("SqDist(X, Y)", ["X = Vi(3)", "Y = Vj(3)"], reduction_op = "KMin", opt_arg = "10");
}
keops! {
    pub fn form = GenRed("SqDist(X, Y)", ["X = Vi(3)", "Y = Vj(3)"]);
}

fn main() {}
