use keops::keops;

keops! {
    #[keops(sum = kahan)]
    pub fn unknown(x: Vi<3>, y: Vj<3>) -> Sum<j> { x * y }
}
keops! {
    #[keops(sum = direct, sum = blocked)]
    pub fn twice(x: Vi<3>, y: Vj<3>) -> Sum<j> { x * y }
}
keops! {
    #[keops(sum = direct)]
    pub fn exponential(x: Vi<3>, y: Vj<3>) -> LogSumExp<j> { (x | y) }
    #[keops(sum = blocked)]
    pub fn no_sum(x: Vi<3>, y: Vj<3>) -> KMin<3, j> { x * y }
}
keops! {
    pub fn scheme = Genred("X * Y", ["X = Vi(3)", "Y = Vj(3)"], sum_scheme = "blocked_sum");
}
keops! {
    pub fn accumulator = Genred("X * Y", ["X = Vi(3)", "Y = Vj(3)"], dtype_acc = "float16");
}
keops! {
    pub fn truth = Genred("X * Y", ["X = Vi(3)", "Y = Vj(3)"], use_double_acc = true);
}
keops! {
    pub fn contradiction = Genred("X * Y", ["X = Vi(3)", "Y = Vj(3)"], use_double_acc = True, dtype_acc = "float32");
}
keops! {
    #[keops(sum = direct)]
    pub fn both = Genred("X * Y", ["X = Vi(3)", "Y = Vj(3)"], sum_scheme = "direct_sum");
}
keops! {
    pub fn double_min = Genred("X * Y", ["X = Vi(3)", "Y = Vj(3)"], reduction_op = "Min", use_double_acc = True);
}

fn main() {}
