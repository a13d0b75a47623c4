//! Every reduction over j and over i: all shapes around the numbers of lanes, few against many points, ties, nothing
//! to reduce, and values that are not finite.

#![allow(clippy::needless_range_loop, reason = "rows of arrays, compared by component")]

mod harness;

use harness::{Exact, Random, assert_near, epsilon, large, squared_distance, wide};
use keops::{Element, prelude::*};

/// Numbers of rows: none, around the numbers of lanes, and several blocks.
const SIZES: [usize; 19] = [0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 257, 1000];
/// The number of missing neighbours.
const MISSING: u32 = u32::MAX;

/// [`SIZES`], or fewer.
fn sizes() -> impl Iterator<Item = usize> {
    SIZES.into_iter().filter(|&rows| rows <= large(1000))
}

keops! {
    #[keops(order = 0)]
    fn sum(x: Vi<2>, y: Vj<2>, b: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) * b }
    #[keops(order = 0)]
    fn sum_over_i(y: Vi<2>, b: Vi<1>, x: Vj<2>) -> Sum<i> { exp(-sqdist(x, y)) * b }

    #[keops(order = 0)]
    fn log_sum(x: Vi<2>, y: Vj<2>) -> LogSumExp<j> { -sqdist(x, y) }
    #[keops(order = 0)]
    fn log_sum_over_i(y: Vi<2>, x: Vj<2>) -> LogSumExp<i> { -sqdist(x, y) }
    #[keops(order = 0)]
    fn log_sum_of_one(x: Vi<2>, y: Vj<2>, b: Vj<1>) -> LogSumExp<j> { (-sqdist(x, y), b) }
    #[keops(order = 0)]
    fn log_sum_of_five(x: Vi<2>, y: Vj<2>, b: Vj<5>) -> LogSumExpWeight<j> { (-sqdist(x, y), b) }
    #[keops(order = 0)]
    fn mean(x: Vi<2>, y: Vj<2>, b: Vj<5>) -> SumSoftMaxWeight<j> { (-sqdist(x, y), b) }
    #[keops(order = 0)]
    fn mean_over_i(y: Vi<2>, b: Vi<5>, x: Vj<2>) -> SoftMax<i> { (-sqdist(x, y), b) }
}

/// Compares the sums of every shape with plain loops; `T` is that of the calls.
fn check_sums<T: Element>(error: f64) {
    let mut random = Random::new();
    let (x, y): (Vec<[T; 2]>, Vec<[T; 2]>) = (random.cloud(1000), random.cloud(1000));
    let (a, b): (Vec<[T; 1]>, Vec<[T; 5]>) = (random.cloud(1000), random.rows(1000, 0.2..1.0));
    let one: Vec<[T; 1]> = b.iter().map(|b| [b[0]]).collect();
    let (wide_x, wide_y, wide_a, wide_b) = (wide(&x), wide(&y), wide(&a), wide(&b));
    for m in sizes() {
        // Σ_j k (1, a, b, |a|)
        let sums: Vec<[f64; 8]> = (wide_x.iter())
            .map(|x| {
                let mut sums = [0.0; 8];
                for j in 0..m {
                    let k = (-squared_distance(x, &wide_y[j])).exp();
                    let [b0, b1, b2, b3, b4] = wide_b[j];
                    let terms = [1.0, wide_a[j][0], b0, b1, b2, b3, b4, wide_a[j][0].abs()];
                    sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += k * term);
                }
                sums
            })
            .collect();
        for n in sizes() {
            let (x, y) = (&x[..n], &y[..m]);
            let (a, b, one) = (&a[..m], &b[..m], &one[..m]);
            let what = |name: &'static str, i: usize| (name, n, m, i);
            let found = sum(x, y, a).eval().unwrap();
            let over_i = sum_over_i(y, a, x).eval().unwrap();
            let logs = log_sum(x, y).eval().unwrap();
            let logs_over_i = log_sum_over_i(y, x).eval().unwrap();
            let logs_of_one = log_sum_of_one(x, y, one).eval().unwrap();
            let logs_of_five = log_sum_of_five(x, y, b).eval().unwrap();
            let means = mean(x, y, b).eval().unwrap();
            let means_over_i = mean_over_i(y, b, x).eval().unwrap();
            let rows =
                [found.len(), over_i.len(), logs.len(), logs_over_i.len(), logs_of_one.len(), logs_of_five.len()];
            assert_eq!((rows, means.len(), means_over_i.len()), ([n; 6], n, n), "rows for {n} x {m}");
            for i in 0..n {
                let [weights, sum, of_b @ .., size] = sums[i];
                assert_near(found[i][0].exact(), sum, error * size, what("Sum", i));
                assert_near(over_i[i][0].exact(), sum, error * size, what("Sum over i", i));
                let log_error = error * (1.0 + weights.ln().abs());
                assert_near(logs[i][0].exact(), weights.ln(), log_error, what("LogSumExp", i));
                assert_near(logs_over_i[i][0].exact(), weights.ln(), log_error, what("LogSumExp over i", i));
                assert_near(logs_of_one[i][0].exact(), of_b[0].ln(), log_error, what("LogSumExp, weight", i));
                for c in 0..5 {
                    assert_near(logs_of_five[i][c].exact(), of_b[c].ln(), log_error, what("LogSumExp, weights", i));
                    // both sums are rounded
                    let (mean, mean_error) = (of_b[c] / weights, error * (1.0 + (of_b[c] / weights).abs()));
                    assert_near(means[i][c].exact(), mean, mean_error, what("SumSoftMaxWeight", i));
                    assert_near(means_over_i[i][c].exact(), mean, mean_error, what("SoftMax over i", i));
                }
            }
        }
    }
}

#[test]
fn sums_of_all_shapes_f64() {
    check_sums::<f64>(5e-15);
}

#[test]
fn sums_of_all_shapes_f32() {
    check_sums::<f32>(1e-6);
}

keops! {
    fn min(x: Vi<2>, y: Vj<2>) -> Min<j> { x * y }
    fn arg_min(x: Vi<2>, y: Vj<2>) -> ArgMin<j> { x * y }
    fn min_arg_min(x: Vi<2>, y: Vj<2>) -> MinArgMin<j> { x * y }
    fn max(x: Vi<2>, y: Vj<2>) -> Max<j> { x * y }
    fn arg_max(x: Vi<2>, y: Vj<2>) -> ArgMax<j> { x * y }
    fn max_arg_max(x: Vi<2>, y: Vj<2>) -> MaxArgMax<j> { x * y }
    fn k_min(x: Vi<2>, y: Vj<2>) -> KMin<3, j> { x * y }
    fn arg_k_min(x: Vi<2>, y: Vj<2>) -> ArgKMin<3, j> { x * y }
    fn k_min_arg_k_min(x: Vi<2>, y: Vj<2>) -> KMinArgKMin<j, 3> { x * y }

    fn max_over_i(y: Vi<2>, x: Vj<2>) -> Max<i> { x * y }
    fn min_arg_min_over_i(y: Vi<2>, x: Vj<2>) -> MinArgMin<i> { x * y }
    fn arg_k_min_over_i(y: Vi<2>, x: Vj<2>) -> ArgKMin<i, 3> { x * y }

    fn neighbours(x: Vi<3>, y: Vj<3>) -> KMinArgKMin<10, j> { sqdist(x, y) }
}

/// The K least of `values`, NaN left out, the first of equal ones first; infinity and [`MISSING`] where there are
/// none.
fn least<const K: usize>(values: impl Iterator<Item = f64>) -> ([f64; K], [u32; K]) {
    let (mut best, mut places) = ([f64::INFINITY; K], [MISSING; K]);
    for (j, value) in values.enumerate().filter(|(_, value)| !value.is_nan()) {
        let after = (0..K).find(|&k| value < best[k] || value == best[k] && places[k] == MISSING);
        if let Some(at) = after {
            best[at..].rotate_right(1);
            places[at..].rotate_right(1);
            (best[at], places[at]) = (value, j as u32);
        }
    }
    (best, places)
}

/// Checks all reductions to extrema of x_i * y_j, component by component; results are exact.
fn check_extrema<T: Element>(x: &[[T; 2]], y: &[[T; 2]]) {
    let what = (x.len(), y.len());
    let k = k_min(x, y).eval().unwrap();
    let places = arg_k_min(x, y).eval().unwrap();
    let (k_too, places_too) = k_min_arg_k_min(x, y).eval().unwrap();
    let places_over_i = arg_k_min_over_i(y, x).eval().unwrap();
    let (low, first) = (min(x, y).eval().unwrap(), arg_min(x, y).eval().unwrap());
    let (low_too, first_too) = min_arg_min(x, y).eval().unwrap();
    let (low_over_i, first_over_i) = min_arg_min_over_i(y, x).eval().unwrap();
    let (high, last) = (max(x, y).eval().unwrap(), arg_max(x, y).eval().unwrap());
    let (high_too, last_too) = max_arg_max(x, y).eval().unwrap();
    let high_over_i = max_over_i(y, x).eval().unwrap();
    assert_eq!([k.len(), places.len(), low.len(), last_too.len(), high_over_i.len()], [x.len(); 5], "{what:?}");
    for i in 0..x.len() {
        for c in 0..2 {
            let values = || y.iter().map(|y| (x[i][c] * y[c]).exact());
            let (expected, expected_places) = least::<3>(values());
            let (negated, largest_place) = least::<1>(values().map(|value| -value));
            // neighbour k of component c stands at 2 k + c
            let at = |k: usize| 2 * k + c;
            for n in 0..3 {
                let what = (what, i, c, n);
                assert_eq!((k[i][at(n)].exact(), places[i][at(n)]), (expected[n], expected_places[n]), "{what:?}");
                assert_eq!(
                    (k_too[i][at(n)].exact(), places_too[i][at(n)]),
                    (expected[n], expected_places[n]),
                    "{what:?}"
                );
                assert_eq!(places_over_i[i][at(n)], expected_places[n], "{what:?}, over i");
            }
            let what = (what, i, c);
            assert_eq!((low[i][c].exact(), first[i][c]), (expected[0], expected_places[0]), "{what:?}");
            assert_eq!((low_too[i][c].exact(), first_too[i][c]), (expected[0], expected_places[0]), "{what:?}");
            assert_eq!((low_over_i[i][c].exact(), first_over_i[i][c]), (expected[0], expected_places[0]), "{what:?}");
            assert_eq!((high[i][c].exact(), last[i][c]), (-negated[0], largest_place[0]), "{what:?}");
            assert_eq!((high_too[i][c].exact(), last_too[i][c]), (-negated[0], largest_place[0]), "{what:?}");
            assert_eq!(high_over_i[i][c].exact(), -negated[0], "{what:?}");
        }
    }
}

/// Whole numbers, so that there are ties.
fn whole<T: Element>(random: &mut Random, rows: usize) -> Vec<[T; 2]> {
    let mut number = || T::from_f64(random.integer(0..41) as f64 - 20.0);
    (0..rows).map(|_| [number(), number()]).collect()
}

fn extrema_of_all_shapes<T: Element>() {
    let mut random = Random::new();
    let (x, y): (Vec<[T; 2]>, Vec<[T; 2]>) = (whole(&mut random, 1000), whole(&mut random, 1000));
    for n in sizes() {
        for m in sizes() {
            check_extrema(&x[..n], &y[..m]);
        }
    }
}

#[test]
fn extrema_of_all_shapes_f64() {
    extrema_of_all_shapes::<f64>();
}

#[test]
fn extrema_of_all_shapes_f32() {
    extrema_of_all_shapes::<f32>();
}

#[test]
fn extrema_skip_nan_and_take_infinities() {
    let mut random = Random::new();
    for (n, m) in [(1, 1), (3, 5), (40, 70), (2, 300), (1, large(9000)), (20, large(5000)), (300, 20)] {
        let (mut x, mut y): (Vec<[f64; 2]>, Vec<[f64; 2]>) = (whole(&mut random, n), whole(&mut random, m));
        for special in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0] {
            // 0 times infinity is NaN
            for _ in 0..1 + m / 10 {
                y[random.integer(0..m)][random.integer(0..2)] = special;
            }
            x[random.integer(0..n)][random.integer(0..2)] = special;
        }
        check_extrema(&x, &y);
        check_extrema(&x, &vec![[f64::NAN; 2]; m]);
        check_extrema(&vec![[1.0; 2]; n], &vec![[f64::INFINITY; 2]; m]);
        check_extrema(&vec![[1.0; 2]; n], &vec![[f64::NEG_INFINITY; 2]; m]);
    }
}

#[test]
fn ties_go_to_the_first_row() {
    for m in [1, 2, 40, 500, large(70_000)] {
        check_extrema(&[[1.0, 0.0], [-1.0, f64::NAN]], &vec![[3.0; 2]; m]);
        // all equal but one
        let mut y = vec![[3.0_f32; 2]; m];
        y[m / 2] = [2.0, 4.0];
        check_extrema(&[[1.0, 1.0], [-1.0, -1.0]], &y);
    }
}

fn check_neighbours<T: Element>(n: usize, m: usize) {
    let mut random = Random::new();
    // a lattice: its distances are exact, and many are equal
    let mut points = |rows: usize| -> Vec<[T; 3]> {
        (0..rows).map(|_| std::array::from_fn(|_| T::from_f64(random.integer(0..30) as f64))).collect()
    };
    let (x, y) = (points(n), points(m));
    let (values, places) = neighbours(&x, &y).eval().unwrap();
    let (x, y) = (wide(&x), wide(&y));
    for i in 0..n {
        let expected = least::<10>(y.iter().map(|y| squared_distance(&x[i], y)));
        assert_eq!((values[i].map(T::exact), places[i]), expected, "row {i} of {n} x {m}");
    }
}

#[test]
fn ten_neighbours() {
    for (n, m) in [(5, 0), (5, 4), (5, 9), (5, 10), (5, 11), (100, 100), (1, 200_000), (7, 30_000), (20_000, 12)] {
        check_neighbours::<f64>(large(n), large(m));
        check_neighbours::<f32>(large(n), large(m));
    }
}

#[test]
fn few_against_many() {
    let mut random = Random::new();
    let rows = large(200_000);
    let many: Vec<[f64; 2]> = random.cloud(rows);
    let weights: Vec<[f64; 5]> = random.rows(rows, 0.2..1.0);
    let signed: Vec<[f64; 1]> = weights.iter().map(|b| [b[0] - 0.5]).collect();
    for few in [1, 3, 64, 70] {
        let x: Vec<[f64; 2]> = random.cloud(few);
        // few targets, many sources
        let found = sum(&x, &many, &signed).eval().unwrap();
        let logs = log_sum_of_five(&x, &many, &weights).eval().unwrap();
        let means = mean(&x, &many, &weights).eval().unwrap();
        for i in 0..few {
            let (mut total, mut size, mut all, mut of_b) = (0.0, 0.0, 0.0, [0.0; 5]);
            for j in 0..rows {
                let k = (-squared_distance(&x[i], &many[j])).exp();
                total += k * signed[j][0];
                size += k * signed[j][0].abs();
                all += k;
                (0..5).for_each(|c| of_b[c] += k * weights[j][c]);
            }
            // the plain loop rounds 200,000 times, each time by 1e-16 of the total or less
            assert_near(found[i][0], total, 1e-13 * size, ("Sum", few, i));
            for c in 0..5 {
                assert_near(logs[i][c], of_b[c].ln(), 1e-12, ("LogSumExp", few, i));
                assert_near(means[i][c], of_b[c] / all, 1e-12, ("SumSoftMaxWeight", few, i));
            }
        }
        // many targets, few sources
        let (a, b) = (&signed[..few], &weights[..few]);
        let found = sum(&many, &x, a).eval().unwrap();
        let over_i = sum_over_i(&x, a, &many).eval().unwrap();
        let means = mean(&many, &x, b).eval().unwrap();
        for i in (0..rows).step_by(97).chain([rows - 1]) {
            let k: Vec<f64> = x.iter().map(|x| (-squared_distance(x, &many[i])).exp()).collect();
            let total: f64 = k.iter().zip(a).map(|(k, a)| k * a[0]).sum();
            assert_near(found[i][0], total, 1e-14 * few as f64, ("Sum", few, i));
            assert_near(over_i[i][0], total, 1e-14 * few as f64, ("Sum over i", few, i));
            let weighted: f64 = k.iter().zip(b).map(|(k, b)| k * b[4]).sum();
            assert_near(means[i][4], weighted / k.iter().sum::<f64>(), 1e-14, ("SumSoftMaxWeight", few, i));
        }
    }
    check_extrema(&whole::<f64>(&mut random, 3), &whole(&mut random, rows));
    check_extrema(&whole::<f32>(&mut random, large(20_000)), &whole(&mut random, 3));
}

keops! {
    #[keops(order = 0)]
    fn total(x: Vi<1>, y: Vj<1>) -> Sum<j> { x + y }
    #[keops(order = 0)]
    fn logs(x: Vi<1>, y: Vj<1>) -> LogSumExp<j> { x + y }
    #[keops(order = 0)]
    fn weighted_logs(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> LogSumExp<j> { (x + y, b) }
    #[keops(order = 0)]
    fn means(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> SumSoftMaxWeight<j> { (x + y, b) }
}

/// What the reductions of y + 0 and of the weights b give, from formulas that go through the largest exponent.
fn plain(y: &[[f64; 1]], b: &[[f64; 1]]) -> [f64; 4] {
    let total = compensated(y.iter().map(|y| y[0]));
    let nan = y.iter().any(|y| y[0].is_nan());
    let top = if nan { f64::NAN } else { y.iter().map(|y| y[0]).fold(f64::NEG_INFINITY, f64::max) };
    // relative to an infinite exponent nothing is left to compute with
    let shift = if top.is_finite() { top } else { 0.0 };
    let all = compensated(y.iter().map(|y| (y[0] - shift).exp()));
    let of_b = compensated(y.iter().zip(b).map(|(y, b)| (y[0] - shift).exp() * b[0]));
    [total, all.ln() + shift, of_b.ln() + shift, of_b / all]
}

/// The sum, with the roundings of the additions added at the end (Neumaier 1974), so that what is compared with it is
/// not judged by the roundings of a plain loop.
fn compensated(terms: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut lost) = (0.0_f64, 0.0);
    for term in terms {
        let next = sum + term;
        lost += if sum.abs() >= term.abs() { (sum - next) + term } else { (term - next) + sum };
        sum = next;
    }
    if sum.is_finite() { sum + lost } else { sum }
}

fn check_plain<T: Element>(y: &[[f64; 1]], b: &[[f64; 1]], what: &str) {
    let narrow = |rows: &[[f64; 1]]| -> Vec<[T; 1]> { rows.iter().map(|row| [T::from_f64(row[0])]).collect() };
    let (y, b) = (narrow(y), narrow(b));
    let expected = plain(&wide(&y), &wide(&b));
    let finite = || y.iter().map(|y| y[0].exact().abs()).filter(|y| y.is_finite());
    let (largest, size) = (finite().fold(1.0, f64::max), finite().fold(1.0, |sum, y| sum + y));
    for n in [1, 3, 70] {
        let x = vec![[T::zero()]; n];
        let found = total(&x, &y).eval().unwrap();
        let log = logs(&x, &y).eval().unwrap();
        let weighted = weighted_logs(&x, &y, &b).eval().unwrap();
        let mean = means(&x, &y, &b).eval().unwrap();
        for i in 0..n {
            let what = |name: &'static str| (what, name, n, y.len(), i);
            let error = 4.0 * epsilon::<T>() * largest;
            if size <= T::max_value().exact() {
                // the roundings of a run of at most 256 terms, which add up as a random walk does
                let error = (4.0 + (y.len().min(256) as f64).sqrt()) * epsilon::<T>() * size;
                assert_near(found[i][0].exact(), expected[0], error, what("Sum"));
            }
            // a logarithm is rounded relative to itself, which log m may make larger than all exponents
            let of_log = |log: f64| if log.is_finite() { 4.0 * error + 2.0 * epsilon::<T>() * log.abs() } else { 0.0 };
            assert_near(log[i][0].exact(), expected[1], of_log(expected[1]), what("LogSumExp"));
            assert_near(weighted[i][0].exact(), expected[2], of_log(expected[2]), what("LogSumExp, weight"));
            // exponents in base 2 are rounded
            assert_near(mean[i][0].exact(), expected[3], 4.0 * error, what("SumSoftMaxWeight"));
        }
    }
}

#[test]
fn values_that_are_not_finite_act_as_in_the_formula() {
    let mut random = Random::new();
    let (nan, inf) = (f64::NAN, f64::INFINITY);
    for m in [1, 5, 64, 300, 2000].into_iter().filter(|&m| m <= large(5000)) {
        let y: Vec<[f64; 1]> = random.cloud(m);
        let b: Vec<[f64; 1]> = random.rows(m, 0.5..1.0);
        check_plain::<f64>(&y, &b, "finite");
        check_plain::<f32>(&y, &b, "finite");
        for at in [0, 1, m / 2, m - 1] {
            let at = at.min(m - 1);
            for special in [nan, inf, -inf] {
                let mut with = y.clone();
                with[at] = [special];
                check_plain::<f64>(&with, &b, "one");
                check_plain::<f32>(&with, &b, "one");
                let mut weights = b.clone();
                weights[at] = [special];
                check_plain::<f64>(&y, &weights, "one weight");
                with[m / 3] = [-inf];
                check_plain::<f64>(&with, &b, "two");
                with[m / 3] = [inf];
                check_plain::<f64>(&with, &b, "two");
            }
        }
        check_plain::<f64>(&vec![[-inf]; m], &b, "all -infinity");
        check_plain::<f32>(&vec![[-inf]; m], &b, "all -infinity");
        check_plain::<f64>(&vec![[inf]; m], &b, "all +infinity");
        check_plain::<f64>(&y, &vec![[0.0]; m], "no weight");
        check_plain::<f64>(&y, &vec![[-1.0]; m], "negative weight");
        // -infinity first, and for long, before anything finite
        let mut late = vec![[-inf]; m];
        late[m - 1] = [-3.0];
        check_plain::<f64>(&late, &b, "late");
        check_plain::<f32>(&late, &b, "late");
    }
}

#[test]
fn large_exponents_do_not_overflow() {
    let mut random = Random::new();
    for m in [1, 7, 100, 5000].into_iter().filter(|&m| m <= large(5000)) {
        let b: Vec<[f64; 1]> = random.rows(m, 0.5..1.0);
        for size in [1e3, 1e4, 1e6, 1e30, 1e38] {
            // with a gap to the largest one, which is then what the sum is
            let y: Vec<[f64; 1]> = random.rows(m, -size..size);
            let top = random.integer(0..m);
            let mut gap = y.clone();
            gap[top] = [1.5 * size];
            check_plain::<f64>(&gap, &b, "large");
            check_plain::<f32>(&gap, &b, "large");
            assert_near(means(&[[0.0]], &gap, &b).eval().unwrap()[0][0], b[top][0], 1e-15, "the weight of the largest");
            check_plain::<f64>(&y.iter().map(|y| [y[0] - 2.0 * size]).collect::<Vec<_>>(), &vec![[1.0]; m], "small");
        }
        // ascending and descending, so that the largest one changes all the time
        let up: Vec<[f64; 1]> = (0..m).map(|j| [j as f64 * 3.0 - 700.0]).collect();
        check_plain::<f64>(&up, &b, "ascending");
        let down: Vec<[f64; 1]> = up.iter().rev().copied().collect();
        check_plain::<f64>(&down, &b, "descending");
    }
    // beyond the range of exponentials, but close together
    for shift in [-1e4, -800.0, 800.0, 1e4] {
        let y: Vec<[f64; 1]> = random.rows(large(1000), shift..shift + 1.0);
        let b: Vec<[f64; 1]> = random.rows(y.len(), 0.5..1.0);
        check_plain::<f64>(&y, &b, "shifted");
        check_plain::<f32>(&y, &b, "shifted");
    }
}

#[test]
fn sums_overflow_to_infinity() {
    for m in [2, 3, 300, 5000] {
        let found = total(&[[0.0]], &vec![[f64::MAX]; m]).eval().unwrap();
        assert_eq!(found.as_flat(), [f64::INFINITY], "{m}");
        let found = total(&[[0.0]], &vec![[-f32::MAX]; m]).eval().unwrap();
        assert_eq!(found.as_flat(), [f32::NEG_INFINITY], "{m}");
        // and not before
        let found = total(&[[0.0]], &vec![[f64::MAX / 5001.0]; m]).eval().unwrap();
        let expected = f64::MAX / 5001.0 * m as f64;
        // the roundings of a run of 256 equal terms all go the same way
        assert_near(found[0][0] / expected, 1.0, 128.0 * f64::EPSILON, m);
    }
}

keops! {
    fn raw(x: Vi<1>, y: Vj<1>) -> Max_SumShiftExp<j> { 100 * x * y }
    fn raw_weighted(x: Vi<1>, y: Vj<1>, b: Vj<2>) -> MaxSumShiftExpWeight<j> { (100 * x * y, b) }
    fn zeros(x: Vi<2>, y: Vj<2>) -> Zero<j> { x / y }
    fn raw_over_i = Genred("IntCst(100) * X * Y", ["Y = Vi(1)", "X = Vj(1)", "B = Vi(2)"],
        reduction_op = "Max_SumShiftExpWeight", formula2 = "B", axis = 0);
    fn zeros_over_i = Genred("X / Y", ["Y = Vi(2)", "X = Vj(2)"], reduction_op = "Zero", axis = 0);
}

fn check_raw<T: Element>() {
    let mut random = Random::new();
    for (n, m) in [(1, 1), (20, 33), (3, large(9000)), (70, 500)] {
        let (x, y): (Vec<[T; 1]>, Vec<[T; 1]>) = (random.cloud(n), random.cloud(m));
        let b: Vec<[T; 2]> = random.rows(m, 0.2..1.0);
        let found = raw(&x, &y).eval().unwrap();
        let weighted = raw_weighted(&x, &y, &b).eval().unwrap();
        let over_i = raw_over_i(&y, &x, &b).eval().unwrap();
        let (x, y, b) = (wide(&x), wide(&y), wide(&b));
        for i in 0..n {
            let exponent = |j: usize| 100.0 * x[i][0] * y[j][0];
            let top = (0..m).map(exponent).fold(f64::NEG_INFINITY, f64::max);
            let sum = |weight: &dyn Fn(usize) -> f64| (0..m).map(|j| (exponent(j) - top).exp() * weight(j)).sum();
            let sums: [f64; 3] = [sum(&|_| 1.0), sum(&|j| b[j][0]), sum(&|j| b[j][1])];
            // exponents are rounded, relative to their own size
            let error = 1000.0 * epsilon::<T>();
            let what = |name: &'static str| (name, n, m, i);
            for row in [found[i].as_slice(), &weighted[i], &over_i[i]] {
                assert_near(row[0].exact(), top, error, what("the largest exponent"));
            }
            assert_near(found[i][1].exact(), sums[0], error * sums[0], what("Σ exp(f - m)"));
            for c in 0..2 {
                assert_near(weighted[i][c + 1].exact(), sums[c + 1], error * sums[c + 1], what("with a weight"));
                assert_near(over_i[i][c + 1].exact(), sums[c + 1], error * sums[c + 1], what("over i"));
            }
        }
    }
}

#[test]
fn sums_in_two_parts() {
    check_raw::<f64>();
    check_raw::<f32>();
}

#[test]
fn zero_is_zero() {
    let (x, y) = (vec![[f64::NAN, 1.0]; 3], vec![[0.0; 2]; 5]);
    assert_eq!(zeros(&x, &y).eval().unwrap().as_flat(), [0.0; 6]);
    assert_eq!(zeros_over_i(&y, &x).eval().unwrap().as_flat(), [0.0; 6]);
    let all = zeros(&x, &y).vjp(&x).eval().unwrap();
    assert_eq!((all.x.as_flat(), all.y.as_flat()), (&[0.0; 6][..], &[0.0; 10][..]));
    assert_eq!(zeros(&x, &y).jvp_x(&x).eval().unwrap().as_flat(), [0.0; 6]);
}

#[test]
fn nothing_to_reduce() {
    let (x, none): (Vec<[f64; 2]>, Vec<[f64; 2]>) = (vec![[1.0; 2]; 3], vec![]);
    assert_eq!(sum(&x, &none, &Vec::<[f64; 1]>::new()).eval().unwrap().as_flat(), [0.0; 3]);
    assert_eq!(log_sum(&x, &none).eval().unwrap().as_flat(), [f64::NEG_INFINITY; 3]);
    assert_eq!(log_sum_of_five(&x, &none, &Vec::<[f64; 5]>::new()).eval().unwrap().as_flat(), [f64::NEG_INFINITY; 15]);
    let means = mean(&x, &none, &Vec::<[f64; 5]>::new()).eval().unwrap();
    assert!(means.as_flat().iter().all(|mean| mean.is_nan()), "0/0: {means:?}");
    assert_eq!(min(&x, &none).eval().unwrap().as_flat(), [f64::INFINITY; 6]);
    assert_eq!(max(&x, &none).eval().unwrap().as_flat(), [f64::NEG_INFINITY; 6]);
    assert_eq!(arg_min(&x, &none).eval().unwrap().as_flat(), [MISSING; 6]);
    assert_eq!(arg_max(&x, &none).eval().unwrap().as_flat(), [MISSING; 6]);
    let none_of_one: Vec<[f64; 1]> = vec![];
    assert_eq!(raw(&[[1.0]], &none_of_one).eval().unwrap().as_flat(), [f64::NEG_INFINITY, 0.0]);
    let (values, places) = k_min_arg_k_min(&x, &none).eval().unwrap();
    assert_eq!((values.as_flat(), places.as_flat()), (&[f64::INFINITY; 18][..], &[MISSING; 18][..]));
    assert!(min(&none, &x).eval().unwrap().is_empty() && min(&none, &none).eval().unwrap().is_empty());
}
