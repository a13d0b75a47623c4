//! What is exact, and what is finite, at the edges: choices whose other side is infinite, quotients that are whole numbers,
//! constants beyond the range, bounds that are crossed, equal values in a pattern, and weights of large numbers.

mod harness;

use harness::{Random, assert_near, assert_rows};
use keops::{Element, Error, Ranges, prelude::*};

keops! {
    /// y for all x that are not 0
    fn sign_of_norm(x: Vi<2>, y: Vj<1>) -> Sum<j> { normalize(norm2(x)) * y }

    /// A force of all points but itself.
    fn repulsion(x: Vi<3>, y: Vj<3>) -> Sum<j> { let r2 = sqdist(x, y); ifelse(r2 - 1e-6, 1 / r2, 0) }
    /// Each component chooses.
    fn roots(x: Vi<2>, y: Vj<2>) -> Sum<j> { ifelse(x, sqrt(x), 0) * y }
    /// Two choices, one in the other, and their other uses.
    fn nested(x: Vi<1>, y: Vj<1>) -> Sum<j> { ifelse(x, ifelse(y, log(x) + 1 / y, x), y) + ifelse(y, x / y, x) }

    #[keops(order = 0)]
    fn quotients(x: Vi<1>, y: Vj<1>) -> Sum<j> { let s = x + y; Concat(Mod(s, 41), Concat(floor(s / 49), floor(s / 49 - 1))) }
    #[keops(order = 0)]
    fn products_of_constants(x: Vi<1>, y: Vj<1>) -> Sum<j> {
        Concat(1e-25 * (1e-25 * (x * y)), Concat(1e30 * (1e30 * (x * y)), 1e25 * x * (1e25 * y) * 1e-30 * 1e-20))
    }
    #[keops(order = 0)]
    fn beyond_all_numbers(x: Vi<1>, y: Vj<1>) -> Sum<j> { x * 1e200 * 1e200 * y + (1e308 + 1e308) * (x - y) }
    #[keops(order = 0)]
    fn decimals(x: Vi<1>, y: Vj<1>) -> Sum<j> {
        let s = x + y;
        Concat(round(s, 40), Concat(round(s, 35), Concat(round(s, 3), Concat(round(s, -2), round(s, -40)))))
    }

    fn crossed(x: Vi<1>, y: Vj<1>, low: Pm<1>, high: Pm<1>) -> Sum<j> { clamp(x + y, low, high) }
    #[keops(order = 2)]
    fn power(p: Pm<1>, x: Vi<3>, y: Vj<3>) -> Sum<j> { sqdist(x, y) ** p }
    #[keops(order = 2)]
    fn cube(x: Vi<3>, y: Vj<3>) -> Sum<j> { sqdist(x, y) ** 1.5 }
    fn thin_plate(x: Vi<3>, y: Vj<3>) -> Sum<j> { 0.5 * xlogx(sqdist(x, y)) }
    /// Some targets and sources are masked: m is 0 or -infinity.
    fn masked(x: Vi<1>, y: Vj<1>, m: Vi<1>) -> LogSumExp<j> { x * y + m }
    fn masked_mean(x: Vi<1>, y: Vj<1>, m: Vi<1>, b: Vj<2>) -> SumSoftMaxWeight<j> { (x * y + m, b) }
    /// Keys that are masked by a large number: m is 1 for those that count.
    fn kept(x: Vi<1>, y: Vj<1>, m: Vj<1>, b: Vj<1>) -> SumSoftMaxWeight<j> { (-sqdist(x, y) - 3.4028235e38 * (1 - m), b) }
    fn log_of_kept(x: Vi<1>, y: Vj<1>, m: Vj<1>) -> LogSumExp<j> { -sqdist(x, y) - 3.4028235e38 * (1 - m) }
    #[keops(order = 0)]
    fn kept_of_all(x: Vi<1>, y: Vj<1>, m: Vj<1>, b: Vj<1>) -> SumSoftMaxWeight<j> { (-sqdist(x, y) - 1e300 * (1 - m), b) }
    #[keops(order = 0)]
    fn shifted(x: Vi<1>, y: Vj<1>, m: Vj<1>, n: Vi<1>, b: Vj<1>) -> SumSoftMaxWeight<j> { (n - sqdist(x, y) + m, b) }
    #[keops(order = 0)]
    fn log_of_shifted(x: Vi<1>, y: Vj<1>, m: Vj<1>) -> LogSumExp<j> { m - sqdist(x, y) }
    /// Masked for each pair: a source counts for targets that it is not above.
    #[keops(order = 0)]
    fn causal(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> SumSoftMaxWeight<j> { (-sqdist(x, y) - 3.4028235e38 * (y > x), b) }
    #[keops(order = 0)]
    fn causal_by_choice(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> SumSoftMaxWeight<j> { (ifelse(x - y, -sqdist(x, y), -3e38), b) }
    fn product(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) * b }
    #[keops(order = 0)]
    fn trace_of_a_form(x: Vi<3>, y: Vj<3>) -> Sum<j> { Concat(TraceOperator((x | y), x), TraceOperator((x | y), x, y)) }
    #[keops(cuda(S = 3))]
    fn of_dimension_s<const S: usize>(x: Vi<S>, y: Vj<S>) -> Sum<j> { exp(-sqdist(x, y)) }

    /// The form of Lorentz, of which component 0 is time.
    #[keops(cuda(D = 1), cuda(D = 4))]
    fn lorentz<const D: usize>(x: Vi<D>, y: Vj<D>) -> Sum<j> { exp((x | y) - 2 * elem(x, 0) * elem(y, 0)) }

    #[keops(order = 0)]
    fn first(x: Vi<1>, y: Vj<1>) -> ArgMin<j> { x * y }
    #[keops(order = 0)]
    fn first_two(x: Vi<1>, y: Vj<1>) -> ArgKMin<2, j> { x * y }
    #[keops(order = 0)]
    fn last(x: Vi<1>, y: Vj<1>) -> MaxArgMax<j> { x * y }
    fn least(x: Vi<1>, y: Vj<1>) -> Min<j> { x * y }

    #[keops(order = 0)]
    fn mean(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> SumSoftMaxWeight<j> { (x * y, b) }
    #[keops(order = 0)]
    fn log_of_weighted(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> LogSumExp<j> { (x * y, b) }
    #[keops(order = 0)]
    fn small_distances(x: Vi<64>, y: Vj<64>) -> Sum<j> { sqdist(x, y) }
}

#[test]
fn a_side_that_is_not_taken_has_no_derivative() {
    let mut random = Random::new();
    let x: Vec<[f64; 3]> = random.cloud(7);
    let e: Vec<[f64; 1]> = random.cloud(7);
    let mut expected = vec![[0.0; 3]; 7];
    for i in 0..7 {
        for j in (0..7).filter(|&j| j != i) {
            let r2: f64 = (0..3).map(|d| (x[i][d] - x[j][d]).powi(2)).sum();
            (0..3).for_each(|d| expected[i][d] -= 2.0 * e[i][0] * (x[i][d] - x[j][d]) / (r2 * r2));
        }
    }
    assert_rows(&repulsion(&x, &x).vjp_x(&e).eval().unwrap(), &expected, 1e-10, "forces");
    let u: Vec<[f64; 3]> = random.cloud(7);
    let change = repulsion(&x, &x).jvp_x(&u).eval().unwrap();
    let pairing: f64 = change.iter().zip(&e).map(|(change, e)| change[0] * e[0]).sum();
    assert_near(pairing, harness::inner(&expected, &u), 1e-9 * pairing.abs().max(1.0), "forward");

    let roots = |x: [f64; 2]| roots(&[x], &[[3.0, 5.0]]).vjp_x(&[[1.0, 1.0]]).eval().unwrap()[0];
    assert_eq!(roots([4.0, -1.0]), [0.75, 0.0]);
    assert_eq!(roots([-1.0, 1.0]), [0.0, 2.5]);
    let nested = |x: f64, y: f64| {
        let all = nested(&[[x]], &[[y]]).vjp(&[[1.0]]).eval().unwrap();
        [all.x[0][0], all.y[0][0]]
    };
    assert_eq!(nested(2.0, 4.0), [0.5 + 0.25, -1.0 / 16.0 - 2.0 / 16.0]);
    assert_eq!(nested(2.0, -1.0), [1.0 + 1.0, 0.0]);
    assert_eq!(nested(-1.0, -1.0), [1.0, 1.0]);
}

#[test]
fn quotients_that_are_whole_numbers() {
    for s in [41.0_f32, 82.0, 49.0, 98.0, 103.0 * 41.0, 107.0 * 49.0] {
        let expected = [s % 41.0, (s / 49.0).floor(), (s / 49.0).floor() - 1.0];
        assert_eq!(quotients(&[[s]], &[[0.0]]).eval().unwrap()[0], expected, "{s}");
        let wide = f64::from(s);
        let expected = expected.map(f64::from);
        assert_eq!(quotients(&[[wide]], &[[0.0]]).eval().unwrap()[0], expected, "{s}");
    }
}

#[test]
fn constants_beyond_the_range() {
    let row = |x: f32, y: f32| products_of_constants(&[[x]], &[[y]]).eval().unwrap()[0];
    let [small, zero, one] = row(1e15, 1e15);
    assert_near(f64::from(small), 1e-20, 1e-26, "1e-50, which f32 does not have");
    assert_eq!((zero, one), (f32::INFINITY, f32::INFINITY), "1e90");
    assert_eq!(row(0.0, 1.0), [0.0; 3], "not 0 times infinity");
    let found = beyond_all_numbers(&[[0.5], [0.0]], &[[0.5]]).eval().unwrap();
    assert_eq!(found[0][0], f64::INFINITY);
    assert_near(found[1][0], -1e308, 1e293, "2e308 times a half");
    let decimals = |s: f32| decimals(&[[s]], &[[0.0]]).eval().unwrap()[0];
    assert_eq!(decimals(1234.5678), [1234.5678, 1234.5678, 1234.568, 1200.0, 0.0]);
    assert_eq!(decimals(1e7), [1e7, 1e7, 1e7, 1e7, 0.0]);
    assert_eq!(decimals(f32::INFINITY), [f32::INFINITY; 5]);
    assert!(decimals(f32::NAN).iter().all(|x| x.is_nan()));
}

#[test]
fn crossed_bounds() {
    let slopes = |x: f64, low: f64, high: f64| {
        let all = crossed(&[[x]], &[[0.0]], low, high).vjp(&[[1.0]]).eval().unwrap();
        [all.x[0][0], all.low[0][0], all.high[0][0]]
    };
    assert_eq!([0.5, 1.5, 2.5].map(|x| slopes(x, 2.0, 1.0)), [[0.0, 0.0, 1.0]; 3], "the upper bound is the value");
    assert_eq!(slopes(0.5, 1.0, 2.0), [0.0, 1.0, 0.0]);
    assert_eq!([1.0, 1.5, 2.0].map(|x| slopes(x, 1.0, 2.0)), [[1.0, 0.0, 0.0]; 3]);
    assert_eq!(slopes(2.5, 1.0, 2.0), [0.0, 0.0, 1.0]);
}

#[test]
fn a_power_of_nothing_by_its_exponent() {
    let (x, y) = ([[1.0, 2.0, 3.0]], [[1.0, 2.0, 3.0], [1.0, 2.0, 5.0]]);
    let slope = power(1.5, &x, &y).vjp_p(&[[1.0]]).eval().unwrap();
    assert_near(slope[0][0], 8.0 * 4.0_f64.ln(), 1e-13, "4^1.5 log 4, and 0 for equal points");
    for p in [0.0, 1.0] {
        let second = power(p, &x, &x).vjp_x(&[[1.0]]).vjp_x(&[[1.0; 3]]).eval().unwrap();
        assert_eq!(second[0], [2.0 * p; 3], "of 1 and of the squared distance, for equal points");
    }
    let second = cube(&x, &y).vjp_x(&[[1.0]]).vjp_x(&[[0.0, 0.0, 1.0]]).eval().unwrap();
    assert_eq!(second[0], [0.0, 0.0, 12.0], "of |x - y|³, 0 for equal points");
    let gradient = thin_plate(&x, &y).vjp_x(&[[1.0]]).eval().unwrap();
    assert_near(gradient[0][2], -2.0 * (4.0_f64.ln() + 1.0), 1e-13, "0 for equal points");
}

#[test]
fn masked_targets_count_for_nothing() {
    let (x, y, m) = ([[0.5], [0.25]], [[1.0], [2.0]], [[0.0], [f64::NEG_INFINITY]]);
    let all = masked(&x, &y, &m).vjp(&[[1.0], [0.0]]).eval().unwrap();
    let one = masked(&x[..1], &y, &m[..1]).vjp(&[[1.0]]).eval().unwrap();
    assert_eq!((&all.y[..], all.x[0], all.x[1]), (&one.y[..], one.x[0], [0.0]));
    assert_eq!(masked(&x, &y, &m).eval().unwrap()[1], [f64::NEG_INFINITY]);
    let b = [[1.0, 2.0], [3.0, 5.0]];
    let e = [[1.0, 2.0], [0.0, 0.0]];
    let all = masked_mean(&x, &y, &m, &b).vjp(&e).eval().unwrap();
    let one = masked_mean(&x[..1], &y, &m[..1], &b).vjp(&e[..1]).eval().unwrap();
    assert_eq!((&all.y[..], &all.b[..], all.x[0], all.x[1]), (&one.y[..], &one.b[..], one.x[0], [0.0]));
    let x = x.map(|x| x.map(|x| x as f32));
    let (y, m, b, e) = ([[1.0_f32]], [[0.0], [f32::NEG_INFINITY]], [[1.0, 2.0]], [[1.0, 2.0], [0.0, 0.0]]);
    assert!(masked_mean(&x, &y, &m, &b).vjp(&e).eval().unwrap().y[0][0].is_finite());
}

#[test]
fn right_hand_sides_of_any_size() {
    let x: [[f64; 1]; 6] = std::array::from_fn(|k| [0.3 * k as f64]);
    let solve = |size: f64| product(&x, &x, &[[size]; 6]).solve_b(1.0).eval().unwrap().values.into_vec();
    let expected = solve(1.0);
    for size in [1e155, 1e300, 1e-162, 1e-300] {
        for (found, expected) in solve(size).iter().zip(&expected) {
            assert_near(found[0] / size, expected[0], 1e-5, size);
        }
    }
    let (x, b) = (x.map(|x| x.map(|x| x as f32)), [[1e-40_f32]; 6]);
    let found = product(&x, &x, &b).solve_b(1.0).eval().unwrap();
    for (found, expected) in found.values.iter().zip(&expected) {
        assert_near(found[0], 1e-40 * expected[0], 1e-44, "f32");
    }
}

#[test]
fn traces_of_scalars() {
    let (x, y) = ([[0.5, 0.25, 1.0]], [[1.0, 2.0, 3.0]]);
    assert_eq!(trace_of_a_form(&x, &y).eval().unwrap()[0], [6.0, 14.0]);
    let found = of_dimension_s(&x, &y).vjp(&[[1.0_f64]]).eval().unwrap();
    assert!(found.x[0].iter().zip(&found.y[0]).all(|(x, y)| *x == -*y && *x > 0.0));
}

#[test]
fn components_of_any_dimension() {
    fn check<const D: usize>() {
        let mut random = Random::new();
        let (x, y): (Vec<[f64; D]>, Vec<[f64; D]>) = (random.cloud(5), random.cloud(7));
        let form = |x: &[f64; D], y: &[f64; D]| harness::dot(x, y) - 2.0 * x[0] * y[0];
        let expected: Vec<[f64; 1]> = x.iter().map(|x| [y.iter().map(|y| form(x, y).exp()).sum()]).collect();
        assert_rows(&lorentz(&x, &y).eval().unwrap(), &expected, 1e-13, "value");
        let of = |x: &[f64; D]| {
            std::array::from_fn(|d| {
                let sign = if d == 0 { -1.0 } else { 1.0 };
                y.iter().map(|y| form(x, y).exp() * sign * y[d]).sum()
            })
        };
        let expected: Vec<[f64; D]> = x.iter().map(of).collect();
        assert_rows(&lorentz(&x, &y).vjp_x(&vec![[1.0]; 5]).eval().unwrap(), &expected, 1e-13, "gradient");
    }
    check::<1>();
    check::<4>();
}

/// The first of equal values, whatever the order in which the pairs of a pattern are computed.
#[test]
fn ties_in_a_pattern() {
    let mut random = Random::new();
    let mut patterns = vec![
        (2, 2, Ranges::new([(0..1, 1..2), (1..2, 0..2)]).unwrap()),
        (4, 4, Ranges::band([4, 4], 1, 1).unwrap()),
        (300, 300, Ranges::band([300, 300], 40, 7).unwrap()),
        (300, 300, Ranges::lower_triangle(300).unwrap().transpose()),
    ];
    for _ in 0..20 {
        let (n, m) = (random.integer(1..200), random.integer(1..90));
        let mut range = |rows: usize| {
            let (a, b) = (random.integer(0..rows + 1), random.integer(0..rows + 1));
            a.min(b)..a.max(b)
        };
        let blocks: Vec<_> = (0..12).map(|_| (range(n), range(m))).collect();
        patterns.push((n, m, Ranges::new(blocks).unwrap()));
    }
    for (n, m, ranges) in patterns {
        let (x, y) = (vec![[0.0_f32]; n], vec![[1.0_f32]; m]);
        let expected: Vec<Vec<u32>> = (0..n)
            .map(|i| (0..m).filter(|&j| ranges.by_i().contains(i, j)).map(|j| j as u32).take(2).collect())
            .collect();
        let first = first(&x, &y).ranges(&ranges).eval().unwrap();
        let two = first_two(&x, &y).ranges(&ranges).eval().unwrap();
        let last = last(&x, &y).ranges(&ranges).eval().unwrap();
        let derivative = least(&x, &y).ranges(&ranges).vjp_y(&vec![[1.0]; n]).eval();
        assert!(derivative.is_ok());
        for i in 0..n {
            let place = |k: usize| expected[i].get(k).copied().unwrap_or(u32::MAX);
            assert_eq!(first[i], [place(0)], "row {i} of {n} x {m}");
            assert_eq!(last.1[i], [place(0)], "row {i} of {n} x {m}");
            assert_eq!(two[i], [place(0), place(1)], "row {i} of {n} x {m}");
        }
    }
}

#[test]
fn weights_of_large_numbers() {
    for [y, w] in [[0.0_f32, 5.4], [5.4, 0.0], [0.0, 80.0], [3.0, 8.0]] {
        for b in [1e37_f32, 3e38] {
            let found = mean(&[[1.0]], &[[y], [w]], &[[b], [b]]).eval().unwrap()[0][0];
            // the sum of both is within the range only if one of them weighs little
            if b < 2e38 || (y - w).abs() > 20.0 {
                assert_near(f64::from(found / b), 1.0, 1e-6, (y, w, b));
            }
            let log = log_of_weighted(&[[1.0]], &[[y], [w]], &[[1e37_f32], [1e37]]).eval().unwrap()[0][0];
            let (y, w) = (f64::from(y), f64::from(w));
            let expected = y.max(w) + (1.0 + (-(y - w).abs()).exp()).ln() + 37.0 * 10.0_f64.ln();
            assert_near(f64::from(log), expected, 2e-5, (y, w));
        }
    }
}

#[test]
fn normalized_norms_of_short_rows() {
    // f does not depend on the length of x; 1/|x|³ is beyond the range of f32
    let x = [[1.5e-15_f32, -2e-15], [3e-15, 0.0], [0.0, 0.0]];
    let gradient = sign_of_norm(&x, &[[2.0]]).vjp_x(&[[1.0]; 3]).eval().unwrap();
    assert!(gradient.iter().all(|row| *row == [0.0; 2]), "{gradient:?}");
    let along = sign_of_norm(&x, &[[2.0]]).jvp_x(&x).eval().unwrap();
    assert!(along.iter().all(|row| *row == [0.0]), "{along:?}");
}

#[test]
fn distances_of_tiny_rows() {
    for size in [1e-23_f32, 1e-20, 1e-18] {
        let (x, y) = ([[size; 64]], [[size; 64], [-size; 64]]);
        let found = small_distances(&x, &y[..1]).eval().unwrap();
        assert_eq!(found[0], [0.0], "equal rows of {size}");
        let found = small_distances(&x, &y).eval().unwrap();
        let expected = 256.0 * f64::from(size) * f64::from(size);
        assert_near(f64::from(found[0][0]), expected, 1e-5 * expected + 64.0 * 1.5e-45, size);
    }
}

#[test]
fn patterns_and_results_that_are_too_large() {
    assert!(matches!(Ranges::lower_triangle(1 << 33), Err(Error::RangeEnd { .. })));
    assert!(matches!(Ranges::band([usize::MAX, 4], 0, 0), Err(Error::RangeEnd { .. })));
    assert!(matches!(Ranges::band([4, usize::MAX], 0, 0), Err(Error::RangeEnd { .. })));
    assert_eq!(Ranges::band([1_000_000, 4], 0, 2).unwrap().pairs(), 3 + 3 + 2 + 1);
    #[allow(clippy::reversed_empty_ranges, reason = "it is what must be refused")]
    let reversed = Ranges::from_matrix(std::slice::from_ref(&(0..1)), &[0..5, 5..3], &[true, true]);
    assert!(matches!(reversed, Err(Error::RangeEnd { .. })));
}

#[test]
fn masks_of_large_numbers_that_all_sources_have() {
    fn check<T: Element>() {
        let number = T::from_f64;
        let column = |numbers: &[f64]| -> Vec<[T; 1]> { numbers.iter().map(|&x| [number(x)]).collect() };
        let (x, y, b) = (column(&[0.0, 5.0]), column(&[1.0, 2.0, 3.0]), column(&[1.0, 2.0, 4.0]));
        let error = 40.0 * harness::epsilon::<T>();
        let wide = harness::epsilon::<T>() < 1e-10;
        let mean = [[7.0 / 3.0]; 2];
        let (none, one) = (column(&[0.0; 3]), column(&[0.0, 1.0, 0.0]));
        assert_rows(&kept(&x, &y, &none, &b).eval().unwrap(), &mean, error, "all are masked");
        assert_rows(&kept(&x, &y, &one, &b).eval().unwrap(), &[[2.0]; 2], error, "one is not");
        assert_rows(&kept_of_all(&x, &y, &none, &b).eval().unwrap(), &mean, error, "a constant of f64");
        assert_rows(
            &kept_of_all(&x, &y, &one, &b).eval().unwrap(),
            &[[2.0]; 2],
            error,
            "a constant of f64, one is not",
        );
        let log = log_of_kept(&x, &y, &none).eval().unwrap();
        assert!(log.iter().all(|row| (-3.5e38..-2e38).contains(&Element::to_f64(row[0]))), "{log:?}");
        assert_rows(&log_of_kept(&x, &y, &one).eval().unwrap(), &[[-4.0], [-9.0]], error, "the logarithm, one is not");
        // Derivatives leave out what all exponents have in common, here the mask: they are those without it.
        let slope = kept(&x, &y, &none, &b).vjp_x(&column(&[1.0; 2])).eval().unwrap();
        let all = kept(&x, &y, &column(&[1.0; 3]), &b).vjp_x(&column(&[1.0; 2])).eval().unwrap();
        assert_rows(
            &slope,
            &all.iter().map(|row| row.map(Element::to_f64)).collect::<Vec<_>>(),
            1e3 * error,
            "the gradient of the mean",
        );

        let zero = column(&[0.0; 2]);
        let masks = if wide { [-3e307, f64::MIN] } else { [-3e38, f64::from(f32::MIN)] };
        for mask in masks {
            let all = column(&[mask; 3]);
            assert_rows(&shifted(&x, &y, &all, &zero, &b).eval().unwrap(), &mean, error, "the mask of all sources");
            let found = shifted(&x, &y, &column(&[mask, 0.0, mask]), &zero, &b).eval().unwrap();
            assert_rows(&found, &[[2.0]; 2], error, "the mask of two sources");
            let found = shifted(&x, &y, &column(&[0.0; 3]), &column(&[mask, 0.0]), &b).eval().unwrap();
            assert_near(Element::to_f64(found[0][0]), 7.0 / 3.0, error, "the mask of a target");
            let log = log_of_shifted(&x, &y, &all).eval().unwrap();
            assert!(log.iter().all(|row| Element::to_f64(row[0]) < mask * 0.6 && row[0].is_finite()), "{log:?}");
        }
        let infinite = [[T::neg_infinity()]; 3];
        let log = log_of_shifted(&x, &y, &infinite).eval().unwrap();
        assert!(log.iter().all(|row| row[0] == T::neg_infinity()), "an infinite mask stays infinite");

        for found in [causal(&x, &y, &b).eval().unwrap(), causal_by_choice(&x, &y, &b).eval().unwrap()] {
            assert_near(Element::to_f64(found[0][0]), 7.0 / 3.0, error, "a target that all sources are above");
            let weights = [16.0, 9.0, 4.0].map(|s: f64| (4.0 - s).exp());
            let near = (weights[0] + 2.0 * weights[1] + 4.0 * weights[2]) / weights.iter().sum::<f64>();
            assert_near(Element::to_f64(found[1][0]), near, error, "a target that is above all");
        }
    }
    check::<f32>();
    check::<f64>();
}
