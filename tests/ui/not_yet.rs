use keops::keops;

keops! {
    pub fn reduction(x: Vi<3>, y: Vj<3>) -> Max_SumShiftExp<j> { sqdist(x, y) }
    #[keops(order = 2)]
    pub fn second_order(x: Vi<3>, y: Vj<3>) -> LogSumExp<j> { sqdist(x, y) }
}

fn main() {}
