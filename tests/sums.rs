//! How sums are rounded: the schemes, their names in pykeops, and derivatives, which inherit them.

mod harness;

use harness::{Exact, Random, epsilon, large};
use keops::{Element, prelude::*};

keops! {
    #[keops(sum = direct)]
    fn direct(x: Vi<1>, y: Vj<1>) -> Sum<j> { x * y }
    #[keops(sum = blocked)]
    fn blocked(x: Vi<1>, y: Vj<1>) -> Sum<j> { x * y }
    #[keops(sum = compensated, order = 2)]
    fn compensated(x: Vi<1>, y: Vj<1>) -> Sum<j> { x * y }
    fn default(x: Vi<1>, y: Vj<1>) -> Sum<j> { x * y }
    #[keops(sum = compensated)]
    fn compensated_over_i(y: Vi<1>, x: Vj<1>) -> Sum<i> { x * y }
    #[keops(sum = direct)]
    fn direct_over_i(y: Vi<1>, x: Vj<1>) -> Sum<i> { x * y }
    #[keops(sum = blocked)]
    fn logs(x: Vi<1>, y: Vj<1>) -> LogSumExp<j> { x * y }
}

/// The relative error of the sums of so many numbers.
fn off<T: Element>(found: &[[T; 1]], exact: f64) -> f64 {
    found.iter().map(|row| (row[0].exact() / exact - 1.0).abs()).fold(0.0, f64::max)
}

/// The schemes on `count` terms of 0.1, for a few targets and for many.
fn tenths<T: Element>(targets: usize, count: usize) {
    let tenth = T::from_f64(0.1);
    let (x, y) = (vec![[T::one()]; targets], vec![[tenth]; count]);
    let exact = tenth.exact() * count as f64;
    // one rounding, and in `f64` that of the exact sum
    let once = 1.01 * epsilon::<T>();
    assert!(off(&compensated(&x, &y).eval().unwrap(), exact) <= once);
    assert!(off(&compensated_over_i(&y, &x).eval().unwrap(), exact) <= once);
    // the roundings of a run of 256 equal terms all go the same way
    assert!(off(&blocked(&x, &y).eval().unwrap(), exact) <= 128.0 * epsilon::<T>());
    // with one addition a term there are thousands, whatever the order
    let few = count < 100_000;
    for direct in [direct(&x, &y).eval().unwrap(), direct_over_i(&y, &x).eval().unwrap()] {
        let off = off(&direct, exact);
        assert!(few || off > 20.0 * epsilon::<T>(), "off by {off:e} only");
        assert!(off < count as f64 * epsilon::<T>());
    }
    // derivatives are sums with the same roundings: of x it is the sum of y
    let e = vec![[T::one()]; targets];
    assert!(off(&compensated(&x, &y).vjp_x(&e).eval().unwrap(), exact) <= once);
    assert!(off(&compensated(&x, &y).vjp(&e).eval().unwrap().x, exact) <= once);
    assert!(off(&compensated(&x, &y).jvp_x(&e).eval().unwrap(), exact) <= once);
    assert!(off(&compensated(&x, &y).vjp_x(&e).vjp_cotangent(&e).eval().unwrap(), exact) <= once);
    assert!(few || off(&direct(&x, &y).vjp_x(&e).eval().unwrap(), exact) > 20.0 * epsilon::<T>());
    assert!(few || off(&direct(&x, &y).vjp(&e).eval().unwrap().x, exact) > 20.0 * epsilon::<T>());
}

#[test]
fn ten_million_tenths() {
    tenths::<f32>(1, large(10_000_000));
    tenths::<f32>(70, large(200_000));
    tenths::<f64>(1, large(10_000_000));
}

keops! {
    fn auto_sum = Genred("X * Y", ["X = Vi(1)", "Y = Vj(1)"], axis = 1, sum_scheme = "auto", dtype_acc = "auto");
    fn direct_sum = Genred("X * Y", ["X = Vi(1)", "Y = Vj(1)"], axis = 1, sum_scheme = "direct_sum",
        use_double_acc = False);
    fn block_sum = Genred("X * Y", ["X = Vi(1)", "Y = Vj(1)"], axis = 1, sum_scheme = "block_sum",
        dtype_acc = "float64");
    fn kahan_scheme = Genred("X * Y", ["X = Vi(1)", "Y = Vj(1)"], axis = 1, sum_scheme = "kahan_scheme",
        dtype_acc = "float32");
    fn double_acc = Genred("X * Y", ["X = Vi(1)", "Y = Vj(1)"], axis = 1, use_double_acc = True);
    fn double_direct = Genred("X * Y", ["X = Vi(1)", "Y = Vj(1)"], axis = 1, sum_scheme = "direct_sum",
        dtype_acc = "float64");
    #[keops(sum = direct)]
    fn own_option = Genred("X * Y", ["X = Vi(1)", "Y = Vj(1)"], axis = 1);
}

#[test]
fn names_of_pykeops() {
    // so many terms that the schemes differ in some row
    let mut random = Random::new();
    let (x, y): (Vec<[f32; 1]>, Vec<[f32; 1]>) = (random.rows(50, 0.5..1.0), random.rows(3000, 0.1..1.0));
    let rows = |found: Result<Rows<f32, 1>, Error>| found.unwrap().into_vec();
    let [direct, blocked] = [rows(direct(&x, &y).eval()), rows(blocked(&x, &y).eval())];
    let compensated = rows(compensated(&x, &y).eval());
    assert!(direct != blocked && blocked != compensated && direct != compensated);
    assert_eq!(rows(default(&x, &y).eval()), blocked);
    assert_eq!(rows(auto_sum(&x, &y).eval()), blocked);
    assert_eq!(rows(direct_sum(&x, &y).eval()), direct);
    assert_eq!(rows(own_option(&x, &y).eval()), direct);
    assert_eq!(rows(block_sum(&x, &y).eval()), blocked);
    assert_eq!(rows(kahan_scheme(&x, &y).eval()), compensated);
    // an accumulator in `f64` is what a compensated sum is at least
    assert_eq!(rows(double_acc(&x, &y).eval()), compensated);
    assert_eq!(rows(double_direct(&x, &y).eval()), compensated);
}

#[test]
fn exponential_sums_are_blocked() {
    let found = logs(&[[1.0]], &[[0.0], [0.0]]).vjp_y(&[[1.0]]).eval().unwrap();
    assert_eq!(found.as_flat(), [0.5, 0.5]);
}
