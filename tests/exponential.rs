//! Exponential reductions where there is nothing to sum, where numbers have large parts in common, and of vectors.
#![allow(missing_docs, reason = "tests")]

mod harness;

use harness::{Random, assert_near, assert_rows, epsilon, inner, moved, slope, slope_rows, wide};
use keops::{Element, Ranges, prelude::*};

type Rows<T, const D: usize> = Vec<[T; D]>;

keops! {
    #[keops(order = 2)]
    fn alike(x: Vi<1>, y: Vj<1>, l: Vi<1>, m: Vj<1>) -> LogSumExp<j> { (-sqdist(x, y), (l == m)) }
    #[keops(order = 2)]
    fn weighted(x: Vi<1>, y: Vj<1>, b: Vj<2>) -> LogSumExpWeight<j> { (x * y, b) }
    #[keops(order = 2)]
    fn of_logs(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> LogSumExp<j> { log(b) - sqdist(x, y) }
    fn mean_of_logs(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> SoftMax<i> { (log(b) - sqdist(x, y), x) }
    fn parts(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> MaxSumShiftExp<j> { (x * y, b) }

    #[keops(order = 2, cuda(D = 1), cuda(D = 3), cuda(D = 16), cuda(D = 64))]
    fn soft<const D: usize>(x: Vi<1>, y: Vj<1>, v: Vj<D>) -> SumSoftMaxWeight<j> { (-sqdist(x, y), v) }
    /// Weights that are no variable.
    fn soft_two(x: Vi<1>, y: Vj<1>, v: Vj<1>) -> SumSoftMaxWeight<j> { (-sqdist(x, y), concat(2 * v, v)) }
    #[keops(order = 2)]
    fn soft_sum(x: Vi<1>, y: Vj<1>, u: Vi<2>, v: Vj<2>) -> SumSoftMaxWeight<j> { (-sqdist(x, y), v + u) }
    fn soft_scaled(x: Vi<1>, y: Vj<1>, u: Vi<2>, v: Vj<2>) -> SumSoftMaxWeight<j> { (-sqdist(x, y), concat(u * v, 2 * v[0] - u[1])) }
    fn soft_product(x: Vi<1>, y: Vj<1>, u: Vi<2>, v: Vj<2>) -> SumSoftMaxWeight<j> { (-sqdist(x, y), (u | v)) }
    #[keops(order = 2)]
    fn soft_masked(x: Vi<1>, y: Vj<1>, u: Vi<2>, v: Vj<2>) -> SumSoftMaxWeight<j> { (-sqdist(x, y), step(v[1] - u[0]) * v[0]) }
    fn soft_both(x: Vi<1>, y: Vj<1>, u: Vi<2>, v: Vj<2>) -> SumSoftMaxWeight<i> { (-sqdist(x, y), v + u + sqdist(x, y)) }
    fn mean_shift(x: Vj<3>, y: Vi<3>) -> SumSoftMaxWeight<i> { (-sqdist(x, y), y) }
    /// Terms of all sources of a target, and of a source.
    #[keops(order = 2)]
    fn quotient(g: Pm<1>, x: Vi<2>, y: Vj<2>, u: Vi<1>, h: Vj<1>) -> LogSumExp<j> { (h - sqdist(x, y) + u) / g }
    #[keops(order = 2)]
    fn product(g: Pm<1>, x: Vi<2>, y: Vj<2>, u: Vi<1>, h: Vj<1>) -> LogSumExp<j> { -(sqdist(x, y) - u - h) * g }
    fn constant(g: Pm<1>, x: Vi<2>, y: Vj<2>, u: Vi<1>, h: Vj<1>) -> LogSumExp<j> { (h - sqdist(x, y)) / 0.01 + g * u }
    fn nested(g: Pm<1>, x: Vi<2>, y: Vj<2>, u: Vi<1>, h: Vj<1>) -> LogSumExp<j> { 20 * (g + 3 * ((h - sqdist(x, y)) / g)) / (u**2 + 1) }
    fn by_part(g: Pm<1>, x: Vi<2>, y: Vj<2>, u: Vi<1>, h: Vj<1>) -> LogSumExp<j> { ((h / 2 - (x - y)**2) / g).sum() + u }
    fn each_scaled(g: Pm<1>, x: Vi<2>, y: Vj<2>, u: Vi<2>, h: Vj<1>) -> LogSumExp<j> { (h - (x - y)**2 + u) / g }
    #[keops(order = 2)]
    fn of_target(g: Pm<1>, x: Vi<2>, y: Vj<2>, u: Vi<1>, h: Vj<1>) -> LogSumExp<j> { exp(u / 100) * (g * h - sqdist(x, y)) }
    #[keops(order = 2)]
    fn plan(g: Pm<1>, x: Vi<2>, y: Vj<2>, u: Vi<1>, h: Vj<1>) -> SumSoftMaxWeight<j> { ((h - sqdist(x, y) + u) / g, y) }
    fn plan_constant(g: Pm<1>, x: Vi<2>, y: Vj<2>, u: Vi<1>, h: Vj<1>) -> SumSoftMaxWeight<j> { ((h - sqdist(x, y)) / 0.01, g * (y + u) / 4) }
    #[keops(order = 2)]
    fn plan_of_both(g: Pm<1>, x: Vi<2>, y: Vj<2>, u: Vi<1>, h: Vj<1>) -> SumSoftMaxWeight<j> { (-(sqdist(x, y) - h) / g, 2 * ((h - u) / g - y)) }

    /// Exponents that are linear in rows of the sources.
    #[keops(order = 2)]
    fn attention(s: Pm<1>, q: Vi<4>, k: Vj<4>, v: Vj<2>) -> SumSoftMaxWeight<j> { (s * (q | k), v) }
    #[keops(order = 2)]
    fn attention_of_log(s: Pm<1>, q: Vi<4>, k: Vj<4>, v: Vj<2>) -> LogSumExp<j> { ((q | k) / s, exp(v)) }
    fn attention_over_i(s: Pm<1>, q: Vj<4>, k: Vi<4>, v: Vi<2>) -> SumSoftMaxWeight<i> { (s * ((2 * q) | concat(k[1], k[..1], k[2..4])), v) }
    fn attention_and_bias(s: Pm<1>, q: Vi<4>, k: Vj<4>, v: Vj<2>) -> SumSoftMaxWeight<j> { (s * (q | k) - sqdist(q[0], v[0]) + v[1], v) }
    #[keops(order = 2)]
    fn of_themselves(s: Pm<1>, q: Vi<4>, k: Vj<4>, v: Vj<2>) -> SumSoftMaxWeight<j> { ((q | k) * s, concat(k, v)) }
    fn decay(s: Pm<1>, q: Vi<4>, k: Vj<4>, v: Vj<2>) -> SumSoftMaxWeight<j> { ((-k[2] - sqdist(q[0], v[0])) / s, v) }
    fn differences(h: Vi<1>, d: Vj<1>, v: Vj<1>) -> SumSoftMaxWeight<j> { ((h - d) / 0.01, v) }
    fn from_a_number(c: Pm<1>, q: Vi<1>, k: Vj<1>, v: Vj<1>) -> SumSoftMaxWeight<j> { (q * (k - c), v) }

    fn potentials(c: Pm<1>, x: Vi<1>, y: Vj<1>, u: Vi<1>, h: Vj<1>) -> LogSumExp<j> { c + u - (sqdist(x, y) - h) }

    #[keops(order = 2, cuda(D = 1), cuda(D = 2), cuda(D = 3), cuda(D = 40))]
    fn each<const D: usize>(g: Pm<1>, x: Vi<D>, y: Vj<D>) -> LogSumExp<j> { x * y - g * (x - y)**2 }
    fn each_over_i(x: Vj<2>, y: Vi<2>) -> LogSumExp<i> { concat((x | y), x * y) }
    fn each_by_genred = Genred("X * Y", ["X = Vi(3)", "Y = Vj(3)"], reduction_op = "LogSumExp", axis = 1);
}

#[test]
fn a_target_of_which_nothing_counts_has_no_gradient() {
    let (x, y, l, m) = ([[0.0], [5.0]], [[1.0], [2.0]], [[0.0], [7.0]], [[0.0], [0.0]]);
    let all = alike(&x, &y, &l, &m).vjp(&[[1.0], [1.0]]).eval().unwrap();
    assert_rows(&all.x, &[[2.0948517463551335], [0.0]], 1e-15, "x");
    assert_rows(&all.y, &[[-1.9051482536448665], [-0.1897034927102671]], 1e-15, "y");
    let change = alike(&x, &y, &l, &m).jvp_x(&[[1.0], [1.0]]).eval().unwrap();
    assert_rows(&change, &[[2.0948517463551335], [0.0]], 1e-15, "along x");
    assert_eq!(alike(&x, &y, &l, &m).eval().unwrap()[1], [f64::NEG_INFINITY]);
    // the first target's alone
    let second = alike(&x, &y, &l, &m).vjp_x(&[[1.0], [1.0]]).vjp(&[[1.0], [1.0]]).eval().unwrap();
    let one = alike(&x[..1], &y, &l[..1], &m).vjp_x(&[[1.0]]).vjp(&[[1.0]]).eval().unwrap();
    assert_eq!((second.x[0], second.x[1], &second.y[..]), (one.x[0], [0.0], &one.y[..]));
    // a batch of which nothing counts
    let far = [[7.0], [7.0]];
    let (twice, labels) = ([x, x].concat(), [l, far].concat());
    let of_batches = alike(batched(&twice, [2]), &y, batched(&labels, [2]), &m);
    let all_batches = of_batches.vjp(batched(&[[1.0]; 4], [2])).eval().unwrap();
    assert_eq!((&all_batches.x[..2], &all_batches.x[2..]), (&all.x[..], &[[0.0]; 2][..]));
    assert_eq!(all_batches.y, all.y);
    // targets without sources
    let ranges = Ranges::new([(0..1, 0..2), (1..2, 0..0)]).unwrap();
    let some = alike(&x, &y, &[[0.0]; 2], &m).ranges(&ranges).vjp(&[[1.0], [1.0]]).eval().unwrap();
    assert_eq!((some.x, some.y), (all.x, all.y));
}

#[test]
fn weights_that_add_up_to_nothing() {
    let (x, y) = ([[0.5], [0.0]], [[1.0], [-2.0], [3.0]]);
    let e = [[1.0, 2.0], [3.0, 4.0]];
    for b in [[[1.0, 0.0], [2.0, 0.0], [0.5, 0.0]], [[1.0, 1.0], [2.0, -2.0], [0.5, 1.0]], [[0.0; 2]; 3]] {
        let of_first = |x: &[[f64; 1]]| -> Rows<f64, 1> {
            let value = |x: f64| y.iter().zip(&b).map(|([y], b)| (x * y).exp() * b[0]).sum::<f64>().ln();
            x.iter().map(|&[x]| [value(x)]).collect()
        };
        let value = weighted(&x, &y, &b).eval().unwrap();
        let all = weighted(&x, &y, &b).vjp(&e).eval().unwrap();
        let along = weighted(&x, &y, &b).jvp_x(&[[1.0]; 2]).eval().unwrap();
        let second = weighted(&x, &y, &b).vjp_x(&e).vjp(&[[1.0]; 2]).eval().unwrap();
        let numbers = [&all.x[..], &all.y, &second.x, &second.y].concat().concat();
        assert!(numbers.iter().chain(all.b.iter().flatten()).all(|x| x.is_finite()), "{b:?}");
        assert!(along.iter().chain(second.b.iter()).flatten().all(|x| x.is_finite()), "{b:?}");
        // the second target has weights of both signs
        assert_eq!(value[1][1], f64::NEG_INFINITY, "{b:?}");
        assert_eq!(along[1][1], 0.0, "{b:?}");
        if b[0][0] != 0.0 {
            let slopes = slope_rows(|h| of_first(&moved(&x, h, &[[1.0]; 2])));
            assert_near(along[0][0], slopes[0][0], 1e-8, "the other component");
        }
    }
    // what both have in common, and +1 - 1 at equal points
    let b = [[1.0_f32, -1.0], [1.0, 1.0]];
    let all = weighted(&[[0.5_f32]], &[[2.0], [2.0]], &b).vjp(&[[0.0, 1.0]]).eval().unwrap();
    assert_eq!((&all.x[..], &all.y[..], &all.b[..]), (&[[0.0]][..], &[[0.0]; 2][..], &[[0.0; 2]; 2][..]));
}

#[test]
fn logarithms_of_nothing() {
    let (x, y) = ([[0.0_f32], [1.0]], [[1.0], [0.5]]);
    let nothing = of_logs(&x, &y, &[[0.0], [0.0]]).vjp(&[[1.0], [1.0]]).eval().unwrap();
    assert_eq!((&nothing.x[..], &nothing.y[..], &nothing.b[..]), (&[[0.0]; 2][..], &[[0.0]; 2][..], &[[0.0]; 2][..]));
    let along = of_logs(&x, &y, &[[0.0], [0.0]]).jvp_b(&[[1.0], [1.0]]).eval().unwrap();
    assert_eq!(&along[..], &[[0.0], [0.0]]);
    let second = of_logs(&x, &y, &[[0.0], [0.0]]).vjp_b(&[[1.0], [1.0]]).vjp(&[[1.0], [1.0]]).eval().unwrap();
    assert_eq!((&second.x[..], &second.b[..]), (&[[0.0]; 2][..], &[[0.0]; 2][..]));
    // a term that is none, beside one that is
    let some = of_logs(&x, &y, &[[0.0], [2.0]]).vjp(&[[1.0], [1.0]]).eval().unwrap();
    assert_rows(&some.x, &[[1.0], [-1.0]], 1e-6, "x");
    assert_rows(&some.b, &[[0.0], [1.0]], 1e-6, "b");
    let mean = mean_of_logs(&x, &y, &[[0.0], [2.0]]).vjp(&[[1.0], [1.0]]).eval().unwrap();
    assert!(mean.x.iter().chain(&mean.y[..]).chain(&mean.b[..]).all(|[x]| x.is_finite()));
    assert_eq!(mean.b[0], [0.0]);
    let none: Rows<f32, 1> = vec![];
    let empty = mean_of_logs(&none, &y, &[[1.0], [2.0]]).vjp(&[[1.0], [1.0]]).eval().unwrap();
    assert_eq!((&empty.y[..], &empty.b[..]), (&[[0.0]; 2][..], &[[0.0]; 2][..]));
    assert_eq!(&parts(&x, &y, &[[0.0], [0.0]]).eval().unwrap()[..], &[[0.0, 0.0], [1.0, 0.0]]);
}

/// w_j / Σ w and the mean of rows near `common`, less that.
fn soft_max<const D: usize>(x: f64, y: &[[f64; 1]], v: &[[f64; D]], common: f64) -> (Vec<f64>, [f64; D]) {
    let weights: Vec<f64> = y.iter().map(|[y]| (-(x - y).powi(2)).exp()).collect();
    let sum: f64 = weights.iter().sum();
    let weights: Vec<f64> = weights.iter().map(|w| w / sum).collect();
    let mean = std::array::from_fn(|d| weights.iter().zip(v).map(|(w, v)| w * (v[d] - common)).sum());
    (weights, mean)
}

/// Derivatives of a softmax of values near `common` are as good as those of small values.
fn common_part<T: Element, const D: usize>(common: f64, bound: f64) {
    let count = 512;
    let sign = |d: usize| if d.is_multiple_of(2) { 1.0 } else { -1.0 };
    let one = |x: f64| [T::from_f64(x)];
    let y: Rows<T, 1> = (0..count).map(|j| one(j as f64 / 512.0)).collect();
    let value = |j: usize, d: usize| T::from_f64(sign(d) * (common + ((j * (d + 1)) % 512) as f64 / 512.0));
    let v: Rows<T, D> = (0..count).map(|j| std::array::from_fn(|d| value(j, d))).collect();
    let e: Rows<T, D> = vec![std::array::from_fn(|d| T::from_f64(1.0 / (d + 1) as f64))];
    let x = [one(0.875)];
    // with positive numbers throughout, whose differences are exact
    let (ys, es) = (wide(&y), wide(&e));
    let vs: Rows<f64, D> = wide(&v).into_iter().map(|row| std::array::from_fn(|d| sign(d) * row[d])).collect();
    let (w, mean) = soft_max(0.875, &ys, &vs, common);
    let off = |j: usize| (0..D).map(|d| es[0][d] * sign(d) * (vs[j][d] - common - mean[d])).sum::<f64>();
    let in_x: f64 = (0..count).map(|j| 2.0 * w[j] * (ys[j][0] - 0.875) * off(j)).sum();
    let in_y: Rows<f64, 1> = (0..count).map(|j| [2.0 * w[j] * (0.875 - ys[j][0]) * off(j)]).collect();
    let size: f64 = in_y.iter().map(|[g]| g.abs()).fold(0.0, f64::max);

    let call = || soft(&x, &y, &v);
    let all = call().vjp(&e).eval().unwrap();
    assert_near(Element::to_f64(all.x[0][0]), in_x, bound * in_x.abs(), (D, common, "x"));
    for j in 0..count {
        assert_near(Element::to_f64(all.y[j][0]), in_y[j][0], bound * size, (D, common, "y", j));
        let of_v = es[0][0] * w[j];
        assert_near(Element::to_f64(all.v[j][0]), of_v, 4.0 * bound * of_v, (D, common, "v", j));
    }
    let along = call().jvp_x(&[one(1.0)]).eval().unwrap();
    let along: f64 = (0..D).map(|d| Element::to_f64(along[0][d]) * es[0][d]).sum();
    assert_near(along, in_x, bound * in_x.abs(), (D, common, "along x"));

    // the third cumulant of the slopes 2 (y - x) of the exponents, twice, and of (e | v)
    let slope_of = |j: usize| 2.0 * (ys[j][0] - 0.875);
    let mean_slope: f64 = (0..count).map(|j| w[j] * slope_of(j)).sum();
    let in_x_x: f64 = (0..count).map(|j| w[j] * off(j) * (slope_of(j) - mean_slope).powi(2)).sum();
    let twice = call().vjp_x(&e).jvp_x(&[one(1.0)]).eval().unwrap();
    assert_near(Element::to_f64(twice[0][0]), in_x_x, 20.0 * bound * in_x.abs(), (D, common, "x x"));
    // the value is rounded where it is large
    let value = Element::to_f64(call().eval().unwrap()[0][0]);
    assert_near(value, common + mean[0], 8.0 * epsilon::<T>() * common.max(1.0), (D, common, "value"));
}

#[test]
fn values_with_a_large_part_in_common() {
    for common in [0.0, 1e4, 5e5] {
        common_part::<f32, 1>(common, 4e-6);
    }
    common_part::<f32, 3>(1e4, 4e-6);
    common_part::<f32, 16>(1e4, 4e-6);
    common_part::<f32, 64>(1e4, 4e-6);
    common_part::<f64, 1>(1e12, 1e-14);
    common_part::<f64, 3>(1e12, 1e-14);
}

#[test]
fn formulas_and_batches_with_a_large_part_in_common() {
    let y: Rows<f32, 1> = (0..64).map(|j| [j as f32 / 64.0]).collect();
    let v: Rows<f32, 1> = (0..64).map(|j| [(j % 32) as f32 / 64.0 + if j < 32 { 2e4 } else { -3e4 }]).collect();
    let (x, e) = ([[0.25_f32], [0.75]], [[1.0_f32], [1.0]]);
    let (xs, ys, vs) = (wide(&x), wide(&y), wide(&v));
    // two batches, with parts of both signs
    let call = soft(batched(&x, [2]), batched(&y, [2]), batched(&v, [2]));
    let found = call.vjp_x(batched(&e, [2])).eval().unwrap();
    let call = soft(batched(&xs, [2]), batched(&ys, [2]), batched(&vs, [2]));
    assert_rows(&found, &call.vjp_x(batched(&[[1.0]; 2], [2])).eval().unwrap(), 4e-6, "batches");
    let e = [[1.0_f32, 0.5], [0.25, 1.0]];
    let found = soft_two(&x, &y[..32], &v[..32]).vjp(&e).eval().unwrap();
    let expected = soft_two(&xs, &ys[..32], &vs[..32]).vjp(&wide(&e)).eval().unwrap();
    assert_rows(&found.x, &expected.x, 4e-6, "a formula: x");
    assert_rows(&found.y, &expected.y, 4e-6, "a formula: y");
    assert_rows(&found.v, &expected.v, 4e-6, "a formula: v");

    let mut random = Random::new();
    let y: Rows<f32, 3> = random.rows(40, 9_999.0..10_001.0);
    let x: Rows<f32, 3> = random.rows(3, 9_999.0..10_001.0);
    let e: Rows<f32, 3> = random.cloud(3);
    let found = mean_shift(&x, &y).vjp(&e).eval().unwrap();
    let expected = mean_shift(&wide(&x), &wide(&y)).vjp(&wide(&e)).eval().unwrap();
    assert_rows(&found.x, &expected.x, 1e-5, "mean shift: x");
    assert_rows(&found.y, &expected.y, 1e-5, "mean shift: y");
}

/// Checks that a derivative of these calls is in `f32` what it is in `f64`.
macro_rules! as_in_double {
    ($found:expr, $exact:expr, $bound:expr, |$call:ident, $e:ident, $ty:ident| $derivative:expr) => {{
        let found = {
            let ($call, $e, $ty) = $found;
            $derivative
        };
        let exact = {
            let ($call, $e, $ty) = $exact;
            $derivative
        };
        assert_rows(&found.eval().unwrap(), &exact.eval().unwrap(), $bound, stringify!($derivative));
    }};
}

macro_rules! both_ends {
    ($formula:ident, $rows:expr, $out:literal, $over_j:literal, $bound:expr $(, $twice:ident)?) => {{
        let mut random = Random::new();
        let (n, m) = (5, 333);
        let (u, v): (Rows<f32, 2>, Rows<f32, 2>) = (random.rows(n, $rows.0), random.rows(m, $rows.1));
        let (x, y): (Rows<f32, 1>, Rows<f32, 1>) = (random.rows(n, -1.0..1.0), random.rows(m, -1.0..1.0));
        let (e, ty): (Rows<f32, $out>, Rows<f32, 1>) = (random.cloud(if $over_j { n } else { m }), random.cloud(m));
        let (xs, ys, us, vs, es, tys) = (wide(&x), wide(&y), wide(&u), wide(&v), wide(&e), wide(&ty));
        macro_rules! check {
            ($times:literal, |$call:ident, $e_:ident, $ty_:ident| $derivative:expr) => {
                as_in_double!(
                    ($formula(&x, &y, &u, &v), &e, &ty), ($formula(&xs, &ys, &us, &vs), &es, &tys), $times * $bound,
                    |$call, $e_, $ty_| $derivative
                )
            };
        }
        check!(1.0, |call, e, _ty| call.vjp_x(e));
        check!(1.0, |call, e, _ty| call.vjp_y(e));
        check!(1.0, |call, e, _ty| call.vjp_u(e));
        check!(1.0, |call, e, _ty| call.vjp_v(e));
        check!(1.0, |call, _e, ty| call.jvp_y(ty));
        $({
            let _ = stringify!($twice);
            check!(5.0, |call, e, ty| call.vjp_x(e).jvp_y(ty));
            check!(5.0, |call, e, ty| call.vjp_y(e).vjp_y(ty));
        })?
    }};
}

#[test]
fn values_of_both_ends_with_a_large_part_in_common() {
    for common in [0.0, 1e4, -3e5] {
        let near = common..common + 1.0;
        both_ends!(soft_sum, (near.clone(), near.clone()), 2, true, 4e-6, twice);
        both_ends!(soft_scaled, (0.5..1.5, near.clone()), 3, true, 4e-6);
        both_ends!(soft_product, (0.5..1.5, near.clone()), 1, true, 4e-6);
        // Most of the second numbers are beyond the first of a target. Where some are not, the terms are as large as the common
        // part, and their roundings too.
        let bound = 4e-6_f64.max(f64::from(f32::EPSILON) * f64::abs(common));
        both_ends!(soft_masked, (common - 1.0..common + 0.2, near.clone()), 1, true, bound, twice);
        both_ends!(soft_both, (near.clone(), 0.0..1.0), 2, false, 4e-6);
    }
}

#[test]
fn exponents_with_a_large_part_in_common() {
    let y: Rows<f32, 1> = (0..256).map(|j| [j as f32 / 256.0]).collect();
    let x = [[0.25_f32], [0.75]];
    let e = [[1.0_f32], [0.5]];
    for common in [0.0, 1e4, -1e4, 3e6] {
        let h: Rows<f32, 1> = (0..256).map(|j| [common + ((7 * j) % 256) as f32 / 256.0]).collect();
        let u = [[common], [-common]];
        let found = potentials(common, &x, &y, &u, &h).vjp(&e).eval().unwrap();
        let (xs, ys, us, hs, es) = (wide(&x), wide(&y), wide(&u), wide(&h), wide(&e));
        let expected = potentials(f64::from(common), &xs, &ys, &us, &hs).vjp(&es).eval().unwrap();
        let rows = [(&found.x[..], &expected.x[..]), (&found.u[..], &expected.u[..])];
        for (found, expected) in rows.into_iter().chain([(&found.c[..], &expected.c[..])]) {
            assert_rows(found, expected, 2e-6, "of targets");
        }
        for (found, expected) in [(&found.y, &expected.y), (&found.h, &expected.h)] {
            assert!(found.iter().zip(expected.iter()).all(|(f, e)| (f64::from(f[0]) - e[0]).abs() < 2e-8), "{common}");
        }
    }
    // -infinity in common: nothing counts
    let masked = [[f32::NEG_INFINITY], [0.0]];
    let all = potentials(0.0, &x, &y, &masked, &y).vjp(&e).eval().unwrap();
    assert_eq!((all.x[0], all.u[0]), ([0.0], [0.0]));
    assert_near(f64::from(all.u[1][0]), 0.5, 1e-6, "the other target");
    let none = potentials(f32::NEG_INFINITY, &x, &y, &[[0.0]; 2], &y).vjp(&e).eval().unwrap();
    assert_eq!((&none.x[..], none.c[0]), (&[[0.0]; 2][..], [0.0]));
    let unknown = potentials(f32::NAN, &x, &y, &[[0.0]; 2], &y).vjp_x(&e).eval().unwrap();
    assert!(unknown[0][0].is_nan());
}

/// All first derivatives of a formula of points, potentials and a scale, and some second ones, with potentials near
/// `common`.
macro_rules! scaled_exponents {
    ($formula:ident, $scale:expr, $u:literal, $out:literal, $common:expr $(, $twice:ident)?) => {{
        let mut random = Random::new();
        let (n, m) = (6, 200);
        let near = |common: f64| common - 0.5..common + 0.5;
        let (x, y): (Rows<f32, 2>, Rows<f32, 2>) = (random.rows(n, near(0.0)), random.rows(m, near(0.0)));
        let (u, h): (Rows<f32, $u>, Rows<f32, 1>) = (random.rows(n, near($common)), random.rows(m, near($common)));
        let (e, tx): (Rows<f32, $out>, Rows<f32, 2>) = (random.cloud(n), random.cloud(n));
        let (ty, th): (Rows<f32, 2>, Rows<f32, 1>) = (random.cloud(m), random.cloud(m));
        let g: f32 = $scale;
        let (xs, ys, us, hs) = (wide(&x), wide(&y), wide(&u), wide(&h));
        let (es, txs, tys, ths) = (wide(&e), wide(&tx), wide(&ty), wide(&th));
        let found = || $formula(g, &x, &y, &u, &h);
        let exact = || $formula(f64::from(g), &xs, &ys, &us, &hs);
        macro_rules! check {
            ($bound:literal, $first:expr, $second:expr, $what:literal) => {
                let (found, exact) = ($first.eval().unwrap(), $second.eval().unwrap());
                let what = format!("{} {} {}: {}", stringify!($formula), $scale, $common, $what);
                near_largest(&found, &exact, $bound, &what);
            };
        }
        let all = (found().vjp(&e).eval().unwrap(), exact().vjp(&es).eval().unwrap());
        for (found, exact, what) in [(&all.0.x, &all.1.x, "x"), (&all.0.y, &all.1.y, "y")] {
            near_largest(found, exact, 3e-4, &format!("{} {}: all, {what}", stringify!($formula), $common));
        }
        check!(3e-4, found().vjp_x(&e), exact().vjp_x(&es), "in x");
        check!(3e-4, found().vjp_y(&e), exact().vjp_y(&es), "in y");
        check!(3e-4, found().vjp_u(&e), exact().vjp_u(&es), "in u");
        check!(3e-4, found().vjp_h(&e), exact().vjp_h(&es), "in h");
        check!(3e-4, found().jvp_g(1.0), exact().jvp_g(1.0), "along g");
        // the terms of the targets may cancel
        let of_targets = exact().jvp_g(1.0).eval().unwrap();
        let size: f64 = of_targets.iter().zip(&es).map(|(row, e)| inner(&[*row], &[*e]).abs()).sum();
        let (in_g, exact_in_g) = (found().vjp_g(&e).eval().unwrap(), exact().vjp_g(&es).eval().unwrap());
        assert_near(f64::from(in_g[0][0]), exact_in_g[0][0], 1e-3 * size, (stringify!($formula), $common, "in g"));
        check!(3e-4, found().jvp_x(&tx), exact().jvp_x(&txs), "along x");
        check!(3e-4, found().jvp_y(&ty), exact().jvp_y(&tys), "along y");
        check!(3e-4, found().jvp_h(&th), exact().jvp_h(&ths), "along h");
        $({
            let _ = stringify!($twice);
            check!(1e-3, found().vjp_x(&e).vjp_y(&tx), exact().vjp_x(&es).vjp_y(&txs), "in x and y");
            check!(1e-3, found().vjp_x(&e).jvp_h(&th), exact().vjp_x(&es).jvp_h(&ths), "in x along h");
        })?
    }};
}

/// Checks rows against others, relative to the largest number of these.
fn near_largest<const D: usize>(found: &[[f32; D]], exact: &[[f64; D]], bound: f64, what: &str) {
    near_terms(found, exact, 0.0, bound, what);
}

/// [`near_largest`], but relative to the size of the terms that they are sums of, if that is larger.
fn near_terms<const D: usize>(found: &[[f32; D]], exact: &[[f64; D]], size: f64, bound: f64, what: &str) {
    let largest = exact.iter().flatten().fold(size, |largest: f64, value| largest.max(value.abs()));
    let pairs = found.iter().flatten().zip(exact.iter().flatten());
    let error = pairs.fold(0.0, |error: f64, (&found, exact)| {
        let off = (f64::from(found) - exact).abs();
        if off.is_nan() { f64::INFINITY } else { error.max(off) }
    });
    assert_eq!(found.len(), exact.len(), "{what}");
    assert!(error <= bound * largest, "{what}: off by {error:e} where {largest:e} is the largest");
}

#[test]
fn scaled_exponents_with_a_large_part_in_common() {
    for common in [0.0, 100.0, 1e4, -1e6] {
        scaled_exponents!(quotient, 0.01, 1, 1, common, twice);
        scaled_exponents!(product, 100.0, 1, 1, common, twice);
        scaled_exponents!(constant, 0.01, 1, 1, common);
        scaled_exponents!(by_part, 0.01, 1, 1, common);
        scaled_exponents!(each_scaled, 0.01, 2, 2, common);
        scaled_exponents!(of_target, 2.0, 1, 1, f64::min(f64::abs(common), 100.0), twice);
        scaled_exponents!(plan, 0.01, 1, 2, common, twice);
        scaled_exponents!(plan_constant, 0.01, 1, 2, common);
        scaled_exponents!(plan_of_both, 0.01, 1, 2, common, twice);
    }
    for common in [0.0, 10.0] {
        scaled_exponents!(nested, 0.1, 1, 1, common);
    }
}

/// The value and the first derivatives of a formula of queries, keys and values, and some second ones, with keys near
/// `common`.
macro_rules! near_keys {
    ($formula:ident, $scale:expr, $out:literal, $common:expr, $twice:ident) => {
        near_keys!($formula, $scale, $out, $common, terms |_, _, _, _, _| 0.0, $twice)
    };
    ($formula:ident, $scale:expr, $out:literal, $common:expr) => {
        near_keys!($formula, $scale, $out, $common, terms |_, _, _, _, _| 0.0)
    };
    ($formula:ident, $scale:expr, $out:literal, $common:expr, terms $size:expr $(, $twice:ident)?) => {{
        let mut random = Random::new();
        let (n, m) = (6, 200);
        let common: f64 = $common;
        // of the terms of derivatives in queries and along them, given cotangents or tangents
        let size: fn(f64, &[[f64; 4]], &[[f64; 4]], &[[f64; 2]], &dyn Fn(usize) -> f64) -> f64 = $size;
        let q: Rows<f32, 4> = random.rows(n, -2.0..2.0);
        let k: Rows<f32, 4> = random.rows(m, common - 1.0..common + 1.0);
        let v: Rows<f32, 2> = random.rows(m, -1.0..1.0);
        let (e, tq): (Rows<f32, $out>, Rows<f32, 4>) = (random.rows(n, 0.5..1.0), random.cloud(n));
        let (tk, tv): (Rows<f32, 4>, Rows<f32, 2>) = (random.cloud(m), random.cloud(m));
        let s: f32 = $scale;
        let (qs, ks, vs, es, tqs, tks, tvs) = (wide(&q), wide(&k), wide(&v), wide(&e), wide(&tq), wide(&tk), wide(&tv));
        let found = || $formula(s, &q, &k, &v);
        let exact = || $formula(f64::from(s), &qs, &ks, &vs);
        macro_rules! check {
            ($bound:expr, $first:expr, $second:expr, $what:literal) => {
                check!($bound, $first, $second, $what, 0.0);
            };
            ($bound:expr, $first:expr, $second:expr, $what:literal, $terms:expr) => {
                let (found, exact) = ($first.eval().unwrap(), $second.eval().unwrap());
                near_terms(&found, &exact, $terms, $bound, &format!("{} {common}: {}", stringify!($formula), $what));
            };
        }
        let in_q = size($scale, &qs, &ks, &vs, &|i| es[i].iter().map(|e| e.abs()).sum());
        let along_q = size($scale, &qs, &ks, &vs, &|i| tqs[i][0].abs());
        check!(1e-5, found(), exact(), "value");
        let all = (found().vjp(&e).eval().unwrap(), exact().vjp(&es).eval().unwrap());
        near_largest(&all.0.k, &all.1.k, 1e-5, &format!("{} {common}: all, k", stringify!($formula)));
        check!(2e-5, found().vjp_q(&e), exact().vjp_q(&es), "in q", in_q);
        check!(1e-5, found().vjp_k(&e), exact().vjp_k(&es), "in k");
        check!(1e-5, found().vjp_v(&e), exact().vjp_v(&es), "in v");
        check!(2e-5, found().jvp_q(&tq), exact().jvp_q(&tqs), "along q", along_q);
        check!(2e-5, found().jvp_k(&tk), exact().jvp_k(&tks), "along k");
        check!(1e-5, found().jvp_v(&tv), exact().jvp_v(&tvs), "along v");
        $({
            let _ = stringify!($twice);
            check!(1e-4, found().vjp_q(&e).vjp_k(&tq), exact().vjp_q(&es).vjp_k(&tqs), "in q and k");
            check!(1e-4, found().vjp_k(&e).jvp_k(&tk), exact().vjp_k(&es).jvp_k(&tks), "in k along k");
            check!(1e-4, found().vjp_q(&e).jvp_v(&tv), exact().vjp_q(&es).jvp_v(&tvs), "in q along v");
        })?
    }};
}

/// The largest size of the terms w_j |v_j - a| |df/dq| of a target, times that of its cotangent or tangent: they nearly cancel.
fn terms_of_decay(s: f64, q: &[[f64; 4]], k: &[[f64; 4]], v: &[[f64; 2]], of_target: &dyn Fn(usize) -> f64) -> f64 {
    let of_query = |(i, q): (usize, &[f64; 4])| {
        let exponent = |j: usize| (-k[j][2] - (q[0] - v[j][0]).powi(2)) / s;
        let most = (0..k.len()).map(exponent).fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = (0..k.len()).map(|j| (exponent(j) - most).exp()).collect();
        let sum: f64 = weights.iter().sum();
        let mean: [f64; 2] = std::array::from_fn(|c| weights.iter().zip(v).map(|(w, v)| w * v[c]).sum::<f64>() / sum);
        let terms = weights.iter().zip(v).map(|(w, v)| {
            let apart = (v[0] - mean[0]).abs().max((v[1] - mean[1]).abs());
            w / sum * apart * (2.0 * (q[0] - v[0]) / s).abs()
        });
        of_target(i) * terms.sum::<f64>()
    };
    q.iter().enumerate().map(of_query).fold(0.0, f64::max)
}

#[test]
fn keys_with_a_large_part_in_common() {
    for common in [0.0, 100.0, 1e4, -3e5] {
        near_keys!(attention, 2.0, 2, common, twice);
        near_keys!(attention_of_log, 0.5, 2, common);
        near_keys!(attention_over_i, 2.0, 2, common);
        near_keys!(attention_and_bias, 2.0, 2, common);
        near_keys!(of_themselves, 2.0, 6, common, twice);
    }
    for common in [0.0, 100.0, 1e4, -3e5] {
        near_keys!(decay, 0.1, 2, common, terms terms_of_decay);
    }
}

#[test]
fn keys_in_batches_and_targets_that_are_not_finite() {
    let mut random = Random::new();
    let (q, v): (Rows<f32, 4>, Rows<f32, 2>) = (random.cloud(6), random.cloud(80));
    let key = |j: usize, number: f32| number + if j < 40 { 1e4 } else { -2e4 };
    let k: Rows<f32, 4> =
        random.cloud(80).into_iter().enumerate().map(|(j, row)| row.map(|number| key(j, number))).collect();
    let found = attention(2.0, batched(&q, [2]), batched(&k, [2]), batched(&v, [2])).eval().unwrap();
    let (qs, ks, vs) = (wide(&q), wide(&k), wide(&v));
    let exact = attention(2.0, batched(&qs, [2]), batched(&ks, [2]), batched(&vs, [2])).eval().unwrap();
    near_largest(&found, &exact, 1e-5, "batches");

    // all exponents of the first target are -infinity
    let mut masked = q;
    masked[0] = [f32::NEG_INFINITY; 4];
    let call = attention(2.0, &masked, &k[..40], &v[..40]);
    assert!(call.clone().eval().unwrap()[0][0].is_nan());
    let all = call.vjp(&vec![[1.0; 2]; 6]).eval().unwrap();
    assert_eq!(all.q[0], [0.0; 4]);
    let others = attention(2.0, &wide(&masked[1..]), &ks[..40], &vs[..40]).vjp(&vec![[1.0; 2]; 5]).eval().unwrap();
    // the keys are as they are then
    near_largest(&all.v, &others.v, 0.1, "the other targets");
}

#[test]
fn differences_that_are_exact_stay_so() {
    let mut random = Random::new();
    for range in [9_999.95..10_000.05, 4_000.0..10_000.0] {
        let d: Rows<f32, 1> = random.rows(300, range.clone());
        let (h, v): (Rows<f32, 1>, Rows<f32, 1>) = (vec![[range.start as f32]; 3], random.cloud(300));
        let (hs, ds, vs) = (wide(&h), wide(&d), wide(&v));
        let (found, exact) = (differences(&h, &d, &v), differences(&hs, &ds, &vs));
        near_largest(&found.eval().unwrap(), &exact.eval().unwrap(), 1e-5, "of two ends");
        let q: Rows<f32, 1> = random.rows(3, 50.0..100.0);
        let found = from_a_number(range.start as f32, &q, &d, &v).eval().unwrap();
        let exact = from_a_number(f64::from(range.start as f32), &wide(&q), &ds, &vs).eval().unwrap();
        near_largest(&found, &exact, 1e-5, "from a number");
    }
}

/// log Σ_j exp f_d for each component d, and its gradients for the cotangent e.
fn by_component<const D: usize>(
    g: f64,
    (x, y): (&[[f64; D]], &[[f64; D]]),
    pairs: impl Fn(usize, usize) -> bool,
    e: &[[f64; D]],
) -> (Rows<f64, D>, Rows<f64, D>, Rows<f64, D>) {
    let (mut logs, mut in_x, mut in_y) = (vec![[0.0; D]; x.len()], vec![[0.0; D]; x.len()], vec![[0.0; D]; y.len()]);
    for (i, x) in x.iter().enumerate() {
        for d in 0..D {
            let exponent = |j: usize| x[d] * y[j][d] - g * (x[d] - y[j][d]).powi(2);
            let met: Vec<usize> = (0..y.len()).filter(|&j| pairs(i, j)).collect();
            let most = met.iter().map(|&j| exponent(j)).fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = met.iter().map(|&j| (exponent(j) - most).exp()).sum();
            logs[i][d] = if met.is_empty() { most } else { most + sum.ln() };
            for j in met {
                let weight = e[i][d] * (exponent(j) - most).exp() / sum;
                let slope = 2.0 * g * (x[d] - y[j][d]);
                in_x[i][d] += weight * (y[j][d] - slope);
                in_y[j][d] += weight * (x[d] + slope);
            }
        }
    }
    (logs, in_x, in_y)
}

fn check_each<T: Element, const D: usize>((n, m): (usize, usize), spread: f64) {
    let mut random = Random::new();
    let (x, y): (Rows<T, D>, Rows<T, D>) = (random.rows(n, -spread..spread), random.rows(m, -spread..spread));
    let e: Rows<T, D> = random.cloud(n);
    let g: T = random.number(0.5..2.0);
    let bound = epsilon::<T>() * (40.0 + 16.0 * spread * spread);
    let (ranges, half) = (Ranges::new([(0..n / 2, 0..m / 3), (n / 2..n - 1, m / 4..m)]).unwrap(), n / 2);
    let met = |i: usize, j: usize| if i < half { j < m / 3 } else { i < n - 1 && j >= m / 4 };
    for sparse in [false, true] {
        let all = |i: usize, j: usize| !sparse || met(i, j);
        let (logs, in_x, in_y) = by_component(Element::to_f64(g), (&wide(&x), &wide(&y)), all, &wide(&e));
        let call = || if sparse { each(g, &x, &y).ranges(&ranges) } else { each(g, &x, &y) };
        assert_rows(&call().eval().unwrap(), &logs, bound, "values");
        let all = call().vjp(&e).eval().unwrap();
        assert_rows(&all.x, &in_x, bound * spread.max(1.0), "x");
        assert_rows(&all.y, &in_y, bound * spread.max(1.0) * n as f64, "y");
        let along = call().jvp_x(&e).eval().unwrap();
        let ones: Rows<T, D> = vec![[T::one(); D]; n];
        let (in_ones, u) = (call().vjp_x(&ones).eval().unwrap(), wide(&e));
        let expected: Rows<f64, D> =
            wide(&in_ones).iter().zip(&u).map(|(g, u)| std::array::from_fn(|d| g[d] * u[d])).collect();
        assert_rows(&along, &expected, 2.0 * bound * spread.max(1.0), "along x");
    }
}

#[test]
fn components_by_themselves() {
    for (shape, spread) in [((7, 30), 1.0), ((70, 300), 1.0), ((5, 40), 8.0), ((2, 9000), 1.0)] {
        check_each::<f64, 1>(shape, spread);
        check_each::<f64, 3>(shape, spread);
        check_each::<f32, 3>(shape, spread);
    }
    check_each::<f64, 40>((20, 100), 1.0);
    check_each::<f32, 40>((20, 100), 4.0);
    check_each::<f32, 1>((20, 100), 1.0);
}

#[test]
fn components_far_apart() {
    let (x, y) = ([[0.0_f32, 100.0, -200.0]], [[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]]);
    let logs = each_by_genred(&x, &y).eval().unwrap();
    assert_rows(&logs, &[[2.0_f64.ln(), 200.0, -200.0]], 1e-6, "each has a shift of its own");
    let (x, y) = ([[1.0, 2.0]], [[3.0, 5.0], [f64::NEG_INFINITY, 1.0]]);
    let found = each_over_i(&x, &y[..1]).eval().unwrap();
    assert_rows(&found, &[[13.0, 3.0, 10.0]], 1e-15, "one term");
    let none: Rows<f64, 2> = vec![];
    assert_eq!(each_over_i(&x, &none).eval().unwrap()[0], [f64::NEG_INFINITY; 3]);
    let all = each_over_i(&x, &none).vjp_x(&[[1.0; 3]]).eval().unwrap();
    assert_eq!(all[0], [0.0; 2]);
    // one component has a term that is none
    let found = each(1.0, &x, &y).eval().unwrap();
    assert_near(found[0][0], 3.0 - 4.0, 1e-14, "of one term");
}

#[test]
fn second_derivatives_of_components() {
    let mut random = Random::new();
    let (x, y): (Rows<f64, 3>, Rows<f64, 3>) = (random.cloud(4), random.cloud(6));
    let (e, u): (Rows<f64, 3>, Rows<f64, 3>) = (random.cloud(4), random.cloud(4));
    let uy: Rows<f64, 3> = random.cloud(6);
    let first = |g: f64, x: &Rows<f64, 3>, y: &Rows<f64, 3>| each(g, x, y).vjp_x(&e).eval().unwrap().to_vec();
    let hessian = each(0.7, &x, &y).vjp_x(&e).jvp_x(&u).eval().unwrap();
    assert_rows(&hessian, &slope_rows(|h| first(0.7, &moved(&x, h, &u), &y)), 1e-8, "x x");
    let all = each(0.7, &x, &y).vjp_x(&e).vjp(&u).eval().unwrap();
    assert_rows(&all.x, &hessian, 1e-12, "reverse over reverse");
    let along = |change: &dyn Fn(f64) -> Rows<f64, 3>| slope(|h| inner(&change(h), &u));
    assert_near(inner(&all.y, &uy), along(&|h| first(0.7, &x, &moved(&y, h, &uy))), 1e-7, "x y");
    assert_near(all.g[0][0], along(&|h| first(0.7 + h, &x, &y)), 1e-7, "x g");
    let twice = each(0.7, &x, &y).jvp_x(&u).jvp_x(&u).eval().unwrap();
    assert_near(inner(&twice, &e), inner(&hessian, &u), 1e-10, "forward over forward");
}

#[test]
fn batches_of_components() {
    let mut random = Random::new();
    let (x, y): (Rows<f64, 3>, Rows<f64, 3>) = (random.cloud(6), random.cloud(5));
    let e: Rows<f64, 3> = random.cloud(6);
    let found = each(0.5, batched(&x, [2]), &y).vjp(batched(&e, [2])).eval().unwrap();
    let all = each(0.5, &x, &y).vjp(&e).eval().unwrap();
    assert_rows(&found.x, &all.x, 1e-13, "x");
    assert_rows(&found.y, &all.y, 1e-13, "y, of both batches");
    let error = each(0.5, &x, &y[..0]).vjp_x(&e[..2]).eval().unwrap_err();
    assert!(error.to_string().contains("2 rows"), "{error}");
}
