use keops::keops;

keops! {
    pub fn two_of_one(x: Vi<3>, y: Vj<3>) -> Sum<j> { (x, y) }
    pub fn weight_missing(x: Vi<3>, y: Vj<3>) -> SumSoftMaxWeight<j> { (x | y) }
    pub fn three(x: Vi<3>, y: Vj<3>) -> LogSumExp<j> { ((x | y), x, y) }
    pub fn exponent(x: Vi<3>, y: Vj<3>) -> LogSumExp<j> { (x * y, x) }
    pub fn largest_exponent(x: Vi<3>, y: Vj<3>) -> MaxSumShiftExp<j> { x * y }
    pub fn exponent_before_a_weight(x: Vi<3>, y: Vj<3>) -> SumSoftMaxWeight<j> { (x, y) }
}

fn main() {}
