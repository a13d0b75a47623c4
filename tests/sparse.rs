//! Block-sparse ranges and batches, by themselves and together, against plain loops over the pairs that count.

mod harness;

use std::ops::Range;

use harness::{Exact, Random, assert_rows, dot, epsilon, squared_distance, times, wide};
use keops::{Element, Error, prelude::*};

keops! {
    /// a_i = Σ_j exp(-g |x_i - y_j|²) b_j
    #[keops(order = 2)]
    fn gaussian(g: Pm<1>, x: Vi<3>, y: Vj<3>, b: Vj<2>) -> Sum<j> { exp(-g * sqdist(x, y)) * b }
    /// The same with the roles of i and j exchanged.
    #[keops(order = 0)]
    fn gaussian_over_i(g: Pm<1>, x: Vj<3>, y: Vi<3>, b: Vi<2>) -> Sum<i> { exp(-g * sqdist(x, y)) * b }
    fn log_sum(x: Vi<3>, y: Vj<3>) -> LogSumExp<j> { -sqdist(x, y) }
    fn mean(x: Vi<3>, y: Vj<3>, b: Vj<2>) -> SumSoftMaxWeight<j> { (-sqdist(x, y), b) }
    #[keops(order = 0)]
    fn nearest(x: Vi<3>, y: Vj<3>) -> KMinArgKMin<3, j> { sqdist(x, y) }
    #[keops(order = 0)]
    fn largest(x: Vi<3>, y: Vj<3>) -> Max<j> { (x | y) }
    fn least(p: Pm<1>, x: Vi<3>, y: Vj<3>) -> KMin<2, j> { p * sqdist(x, y) }
    /// Long enough for matrix products.
    #[keops(order = 0)]
    fn many_components(x: Vi<40>, y: Vj<40>, b: Vj<1>) -> Sum<j> { exp(-sqdist(x, y) / 20) * b }
    /// Wide enough for several sources at a time.
    #[keops(order = 0)]
    fn wide_right(x: Vi<3>, y: Vj<3>, b: Vj<20>) -> Sum<j> { exp(-sqdist(x, y)) * b }
}

/// Pairs of rows of `n` and `m`: some blocks, a triangle, a band, single pairs here and there, or short clusters.
fn random_ranges(random: &mut Random, n: usize, m: usize, kind: usize) -> Ranges {
    let ranges = match kind {
        0 => {
            let mut range = |rows: usize| {
                let (a, b) = (random.integer(0..rows + 1), random.integer(0..rows + 1));
                a.min(b)..a.max(b)
            };
            Ranges::new((0..6).map(|_| (range(n), range(m))))
        }
        1 => Ranges::band([n, m], n.max(m), 0),
        2 => Ranges::band([n, m], 3, 5),
        3 => {
            // Some rows meet none and some a few more than the others; some pairs come twice.
            let mut blocks = Vec::new();
            for i in (0..n).rev().filter(|i| i % 9 != 4) {
                for _ in 0..random.integer(1..if i % 17 == 0 { 40 } else { 8 }) {
                    let j = random.integer(0..m);
                    blocks.extend([(i..i + 1, j..j + 1), (i..i + 1, j..j + 1)]);
                }
            }
            Ranges::new(blocks)
        }
        _ => {
            let cut = |rows: usize| (0..rows).step_by(7).map(|start| start..rows.min(start + 7)).collect::<Vec<_>>();
            Ranges::from_clusters(&cut(n), &cut(m), |_, _| random.integer(0..3) == 0)
        }
    };
    ranges.expect("they are in order")
}

/// The rows j of each row i.
fn rows_of(ranges: &Ranges, n: usize) -> Vec<Vec<usize>> {
    let mut rows = vec![Vec::new(); n];
    for segment in ranges.by_i().segments() {
        for i in segment.rows.first..segment.rows.end {
            for range in ranges.by_i().ranges_of(segment) {
                rows[i as usize].extend(range.first as usize..range.end as usize);
            }
        }
    }
    rows
}

/// A Gaussian product over the pairs that count, and its gradients for the cotangent `e`.
struct Gaussian {
    value: Vec<[f64; 2]>,
    g: f64,
    x: Vec<[f64; 3]>,
    y: Vec<[f64; 3]>,
    b: Vec<[f64; 2]>,
}

fn plain_gaussian(g: f64, [x, y]: [&[[f64; 3]]; 2], [b, e]: [&[[f64; 2]]; 2], pairs: &[Vec<usize>]) -> Gaussian {
    let mut all = Gaussian {
        value: vec![[0.0; 2]; x.len()],
        g: 0.0,
        x: vec![[0.0; 3]; x.len()],
        y: vec![[0.0; 3]; y.len()],
        b: vec![[0.0; 2]; y.len()],
    };
    for (i, columns) in pairs.iter().enumerate() {
        for &j in columns {
            let distance = squared_distance(&x[i], &y[j]);
            let k = (-g * distance).exp();
            let inner = k * dot(&b[j], &e[i]);
            all.g -= distance * inner;
            for c in 0..2 {
                all.value[i][c] += k * b[j][c];
                all.b[j][c] += k * e[i][c];
            }
            for d in 0..3 {
                let slope = -2.0 * g * (x[i][d] - y[j][d]) * inner;
                all.x[i][d] += slope;
                all.y[j][d] -= slope;
            }
        }
    }
    all
}

/// The first of some rows of `i` and `j`; less if small ones are wanted.
fn shapes() -> impl Iterator<Item = (usize, usize)> {
    [(70, 45), (3, 130), (1, 1), (130, 40), (300, 257)].into_iter().take(1 + times(4))
}

fn ranges_of_sums<T: Element>() {
    let mut random = Random::new();
    let error = 100.0 * epsilon::<T>();
    for (n, m) in shapes() {
        for kind in 0..5 {
            let ranges = random_ranges(&mut random, n, m, kind);
            let what = format!("{n} by {m}, kind {kind}");
            let g = random.number::<T>(0.5..2.0);
            let (x, y) = (random.cloud::<T, 3>(n), random.cloud::<T, 3>(m));
            let (b, e) = (random.cloud::<T, 2>(m), random.cloud::<T, 2>(n));
            let plain = plain_gaussian(g.exact(), [&wide(&x), &wide(&y)], [&wide(&b), &wide(&e)], &rows_of(&ranges, n));
            let call = || gaussian(g, &x, &y, &b).ranges(&ranges);
            assert_rows(&call().eval().unwrap(), &plain.value, error, &what);
            let mut rows = vec![[T::nan(); 2]; n];
            call().into_rows(&mut rows).unwrap();
            assert_rows(&rows, &plain.value, error, &what);
            let over_i = gaussian_over_i(g, &x, &y, &b).ranges(&ranges.transpose()).eval().unwrap();
            assert_rows(&over_i, &plain.value, error, &what);

            let all = call().vjp(&e).eval().unwrap();
            for (g, x, y) in [
                (all.g, all.x, all.y),
                (call().vjp_g(&e).eval().unwrap(), call().vjp_x(&e).eval().unwrap(), call().vjp_y(&e).eval().unwrap()),
            ] {
                assert_rows(&g, &[[plain.g]], 10.0 * error, &what);
                assert_rows(&x, &plain.x, error, &what);
                assert_rows(&y, &plain.y, error, &what);
            }
            assert_rows(&all.b, &plain.b, error, &what);
            // the value is linear in b
            assert_rows(&call().jvp_b(&b).eval().unwrap(), &plain.value, error, &what);
        }
    }
}

#[test]
fn sums_run_over_ranges() {
    ranges_of_sums::<f32>();
    ranges_of_sums::<f64>();
}

#[test]
fn other_reductions_run_over_ranges() {
    let mut random = Random::new();
    for (n, m) in shapes() {
        for kind in 0..5 {
            let ranges = random_ranges(&mut random, n, m, kind);
            let pairs = rows_of(&ranges, n);
            let (x, y, b) = (random.cloud::<f64, 3>(n), random.cloud::<f64, 3>(m), random.cloud::<f64, 2>(m));
            let e = random.cloud::<f64, 1>(n);
            let what = format!("{n} by {m}, kind {kind}");

            let sums = log_sum(&x, &y).ranges(&ranges).eval().unwrap();
            let means = mean(&x, &y, &b).ranges(&ranges).eval().unwrap();
            let slopes = log_sum(&x, &y).ranges(&ranges).vjp_y(&e).eval().unwrap();
            let (values, rows) = nearest(&x, &y).ranges(&ranges).eval().unwrap();
            let most = largest(&x, &y).ranges(&ranges).eval().unwrap();
            let mut plain_slopes = vec![[0.0; 3]; m];
            for (i, columns) in pairs.iter().enumerate() {
                let weights: Vec<f64> = columns.iter().map(|&j| (-squared_distance(&x[i], &y[j])).exp()).collect();
                let total: f64 = weights.iter().sum();
                assert_rows(&[sums[i]], &[[total.ln()]], 1e-13, &what);
                for (&j, w) in columns.iter().zip(&weights) {
                    for d in 0..3 {
                        plain_slopes[j][d] += e[i][0] * w / total * 2.0 * (x[i][d] - y[j][d]);
                    }
                }
                if !columns.is_empty() {
                    let weighted = columns.iter().zip(&weights).map(|(&j, w)| b[j].map(|b| b * w / total));
                    let mean = weighted.fold([0.0; 2], |sum, term| [sum[0] + term[0], sum[1] + term[1]]);
                    assert_rows(&[means[i]], &[mean], 1e-13, &what);
                }
                let mut sorted: Vec<_> = columns.iter().map(|&j| (squared_distance(&x[i], &y[j]), j)).collect();
                sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
                for k in 0..3 {
                    let (value, row) = sorted.get(k).copied().unwrap_or((f64::INFINITY, u32::MAX as usize));
                    assert_eq!(rows[i][k] as usize, row, "{what}");
                    assert_rows(&[[values[i][k]]], &[[value]], 1e-13, &what);
                }
                let dots = columns.iter().map(|&j| dot(&x[i], &y[j]));
                let largest = dots.fold(f64::NEG_INFINITY, f64::max);
                assert_rows(&[most[i]], &[[largest]], 1e-13, &what);
            }
            assert_rows(&slopes, &plain_slopes, 1e-12, &what);
        }
    }
}

#[test]
fn long_contractions_and_wide_rows_run_over_ranges() {
    let mut random = Random::new();
    let (n, m) = (70 * times(3), 70);
    for kind in 0..5 {
        let ranges = random_ranges(&mut random, n, m, kind);
        let pairs = rows_of(&ranges, n);
        let (x, y, b) = (random.cloud::<f32, 40>(n), random.cloud::<f32, 40>(m), random.cloud::<f32, 1>(m));
        let found = many_components(&x, &y, &b).ranges(&ranges).eval().unwrap();
        let [wide_x, wide_y] = [&x, &y].map(|rows| wide(rows));
        let term = |i: usize, j: usize| (-squared_distance(&wide_x[i], &wide_y[j]) / 20.0).exp() * b[j][0].exact();
        let expected: Vec<_> = (0..n).map(|i| [pairs[i].iter().map(|&j| term(i, j)).sum::<f64>()]).collect();
        assert_rows(&found, &expected, 1e-5, &format!("kind {kind}"));

        let (x, y, b) = (random.cloud::<f64, 3>(n), random.cloud::<f64, 3>(m), random.cloud::<f64, 20>(m));
        let found = wide_right(&x, &y, &b).ranges(&ranges).eval().unwrap();
        let mut expected = vec![[0.0; 20]; n];
        for (i, columns) in pairs.iter().enumerate() {
            for &j in columns {
                let k = (-squared_distance(&x[i], &y[j])).exp();
                (0..20).for_each(|c| expected[i][c] += k * b[j][c]);
            }
        }
        assert_rows(&found, &expected, 1e-13, &format!("kind {kind}"));
    }
}

/// Graphs, of which rows of lanes are made of targets with about as many neighbours, and of many more than a tile holds.
#[test]
fn graphs_are_summed_and_searched() {
    let mut random = Random::new();
    let (n, m) = (1200 * times(2), 900);
    let mut blocks = Vec::new();
    for i in 0..n {
        let count = if i % 300 == 7 { 1300 } else { random.integer(0..12) };
        blocks.extend((0..count).map(|_| random.integer(0..m)).map(|j| (i..i + 1, j..j + 1)));
    }
    let ranges = Ranges::new(blocks).unwrap();
    let pairs = rows_of(&ranges, n);
    // On a grid, so that many distances are the same.
    let mut grid =
        |rows: usize| -> Vec<[f64; 3]> { (0..rows).map(|_| [(); 3].map(|()| random.integer(0..4) as f64)).collect() };
    let (x, y) = (grid(n), grid(m));
    let (b, e) = (random.cloud::<f64, 2>(m), random.cloud::<f64, 2>(n));
    let of_threads = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let call = || gaussian(0.25, &x, &y, &b).ranges(&ranges);
            let (sums, slopes) = (call().eval().unwrap(), call().vjp(&e).eval().unwrap());
            let (values, rows) = nearest(&x, &y).ranges(&ranges).eval().unwrap();
            (sums, slopes.g, slopes.x, slopes.y, values, rows)
        })
    };
    let (sums, of_g, of_x, of_y, values, rows) = of_threads(1);
    assert!(of_threads(3) == (sums.clone(), of_g.clone(), of_x.clone(), of_y.clone(), values.clone(), rows.clone()));
    let plain = plain_gaussian(0.25, [&x, &y], [&b, &e], &pairs);
    assert_rows(&sums, &plain.value, 1e-13, "a graph");
    assert_rows(&of_g, &[[plain.g]], 1e-11, "a graph, by g");
    assert_rows(&of_x, &plain.x, 1e-12, "a graph, by x");
    assert_rows(&of_y, &plain.y, 1e-12, "a graph, by y");
    for (i, columns) in pairs.iter().enumerate() {
        let mut sorted: Vec<_> = columns.iter().map(|&j| (squared_distance(&x[i], &y[j]), j)).collect();
        sorted.sort_by(|a, b| a.partial_cmp(b).unwrap());
        for k in 0..3 {
            let (value, row) = sorted.get(k).copied().unwrap_or((f64::INFINITY, u32::MAX as usize));
            assert_eq!((values[i][k], rows[i][k] as usize), (value, row), "row {i}, neighbour {k}");
        }
    }
}

/// Near graphs and others with rows of four, five and eight numbers, and lists that are short or long, as lanes gather them.
#[test]
fn rows_of_all_widths_are_gathered() {
    fn check<T: Element>(random: &mut Random, ranges: &Ranges, [n, m]: [usize; 2]) {
        let pairs = rows_of(ranges, n);
        let error = 30.0 * epsilon::<T>();
        macro_rules! check_width {
            ($($name:ident $width:literal)*) => {$({
                let (x, y) = (random.cloud::<T, $width>(n), random.cloud::<T, $width>(m));
                let b = random.cloud::<T, 1>(m);
                let (wide_x, wide_y, wide_b) = (wide(&x), wide(&y), wide(&b));
                let term = |i: usize, j: usize| (-squared_distance(&wide_x[i], &wide_y[j])).exp() * wide_b[j][0];
                let of_row = |(i, columns): (usize, &Vec<usize>)| [columns.iter().map(|&j| term(i, j)).sum::<f64>()];
                let expected: Vec<_> = pairs.iter().enumerate().map(of_row).collect();
                let found = $name(&x, &y, &b).ranges(ranges).eval().unwrap();
                assert_rows(&found, &expected, error, &format!("{n} x {m}, {} numbers", $width + 1));
            })*};
        }
        check_width!(of_three 3 of_four 4 of_seven 7);
    }
    keops! {
        #[keops(order = 0)]
        fn of_three(x: Vi<3>, y: Vj<3>, b: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) * b }
        #[keops(order = 0)]
        fn of_four(x: Vi<4>, y: Vj<4>, b: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) * b }
        #[keops(order = 0)]
        fn of_seven(x: Vi<7>, y: Vj<7>, b: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) * b }
    }
    let mut random = Random::new();
    for (n, m, most) in [(400, 300, 2), (400, 300, 12), (37, 500, 60)] {
        let mut blocks = Vec::new();
        for i in (0..n).rev() {
            for _ in 0..random.integer(0..most) {
                // The last one too.
                let j = (i * m / n + random.integer(0..40)).min(m - 1);
                blocks.push((i..i + 1, j..m.min(j + random.integer(1..3))));
            }
        }
        let ranges = Ranges::new(blocks).unwrap();
        check::<f32>(&mut random, &ranges, [n, m]);
        check::<f64>(&mut random, &ranges, [n, m]);
        check::<f64>(&mut random, &ranges.transpose(), [m, n]);
    }
}

/// What a pattern keeps for later calls depends on their formula, element type and number of rows.
#[test]
fn the_same_ranges_serve_calls_of_all_kinds() {
    fn check<T: Element>(random: &mut Random, ranges: &Ranges, rows: [usize; 2]) {
        let pairs = rows_of(ranges, rows[0]);
        let g = random.number::<T>(0.5..2.0);
        let (x, y) = (random.cloud::<T, 3>(rows[0]), random.cloud::<T, 3>(rows[1]));
        let (b, e) = (random.cloud::<T, 2>(rows[1]), random.cloud::<T, 2>(rows[0]));
        let plain = plain_gaussian(g.exact(), [&wide(&x), &wide(&y)], [&wide(&b), &wide(&e)], &pairs);
        let error = 100.0 * epsilon::<T>();
        let call = || gaussian(g, &x, &y, &b).ranges(ranges);
        assert_rows(&call().eval().unwrap(), &plain.value, error, "sums");
        assert_rows(&call().vjp_x(&e).eval().unwrap(), &plain.x, error, "by x");
        assert_rows(&call().vjp_y(&e).eval().unwrap(), &plain.y, error, "by y");
    }
    let mut random = Random::new();
    let (n, m) = (300 * times(2), 200);
    let blocks = (0..n).flat_map(|i| (0..5).map(move |k| (i, k)).filter(move |_| i % 40 != 3));
    let blocks: Vec<_> = blocks.map(|(i, k)| (i, (i * 31 + k * k * 17) % m)).collect();
    let ranges = Ranges::new(blocks.into_iter().map(|(i, j)| (i..i + 1, j..j + 1))).unwrap();
    for round in 0..2 {
        check::<f32>(&mut random, &ranges, [n, m]);
        check::<f64>(&mut random, &ranges, [n, m]);
        check::<f64>(&mut random, &ranges, [n + 70 * round, m + 9]);
        check::<f64>(&mut random, &ranges.transpose(), [m, n]);
    }
}

#[test]
fn ranges_beyond_the_rows_are_refused() {
    let (x, y) = (vec![[0.0_f64; 3]; 5], vec![[0.0; 3]; 7]);
    let error = |blocks: [(Range<usize>, Range<usize>); 1]| {
        let ranges = Ranges::new(blocks).unwrap();
        log_sum(&x, &y).ranges(&ranges).eval().map(|_| ()).unwrap_err()
    };
    let Error::RangeBeyond { index, end, rows, .. } = error([(0..6, 0..7)]) else { panic!("another error") };
    assert_eq!((index, end, rows), ('i', 6, 5));
    let Error::RangeBeyond { index, end, rows, .. } = error([(0..5, 1..8)]) else { panic!("another error") };
    assert_eq!((index, end, rows), ('j', 8, 7));
    let transposed = Ranges::new([(0..5, 0..7)]).unwrap().transpose();
    assert!(log_sum(&x, &y).ranges(&transposed).vjp_y(&vec![[1.0]; 5]).eval().is_err());
}

/// Batch number (p, q) of two dimensions, of which a variable has `own`: those of size 1 serve for all.
fn part<A>(rows: &[A], own: [usize; 2], [p, q]: [usize; 2]) -> &[A] {
    let number = p % own[0] * own[1] + q % own[1];
    let each = rows.len() / (own[0] * own[1]);
    &rows[number * each..][..each]
}

fn batches_of_sums<T: Element>(ranges: bool) {
    let mut random = Random::new();
    let error = 100.0 * epsilon::<T>();
    let shapes = [
        // g, x, y, b
        [[3, 2]; 4],
        [[1, 1], [3, 2], [3, 2], [3, 2]],
        [[1, 2], [3, 1], [3, 2], [1, 1]],
        [[3, 2], [1, 1], [1, 2], [3, 1]],
        [[3, 1], [1, 1], [1, 1], [1, 1]],
    ];
    for (n, m) in [(20, 30), (1, 1), (5, 4200)].into_iter().take(if ranges { 2 } else { times(3) }) {
        for [of_g, of_x, of_y, of_b] in shapes {
            let count = |[p, q]: [usize; 2]| p * q;
            let dims = [0, 1].map(|d| [of_g, of_x, of_y, of_b].into_iter().map(|dims| dims[d]).max().unwrap_or(1));
            let what = format!("{n} by {m}, {of_g:?}, {of_x:?}, {of_y:?}, {of_b:?}");
            let pattern = ranges.then(|| random_ranges(&mut random, n, m, 3));
            let pairs = pattern.as_ref().map_or_else(|| vec![(0..m).collect(); n], |ranges| rows_of(ranges, n));
            let g = random.rows::<T, 1>(count(of_g), 0.5..2.0);
            let (x, y) = (random.cloud::<T, 3>(n * count(of_x)), random.cloud::<T, 3>(m * count(of_y)));
            let (b, e) = (random.cloud::<T, 2>(m * count(of_b)), random.cloud::<T, 2>(n * count(dims)));
            let call = || {
                let call = gaussian(batched(&g, of_g), batched(&x, of_x), batched(&y, of_y), batched(&b, of_b));
                match &pattern {
                    Some(ranges) => call.ranges(ranges),
                    None => call,
                }
            };
            let value = call().eval().unwrap();
            let all = call().vjp(batched(&e, dims)).eval().unwrap();
            assert_eq!([all.g.len(), all.x.len(), all.y.len(), all.b.len()], [g.len(), x.len(), y.len(), b.len()]);

            let mut expected = Gaussian {
                value: vec![],
                g: 0.0,
                x: vec![[0.0; 3]; x.len()],
                y: vec![[0.0; 3]; y.len()],
                b: vec![[0.0; 2]; b.len()],
            };
            let mut expected_g = vec![[0.0]; g.len()];
            for batch in (0..dims[0]).flat_map(|p| (0..dims[1]).map(move |q| [p, q])) {
                let one = plain_gaussian(
                    part(&g, of_g, batch)[0][0].exact(),
                    [&wide(part(&x, of_x, batch)), &wide(part(&y, of_y, batch))],
                    [&wide(part(&b, of_b, batch)), &wide(part(&e, dims, batch))],
                    &pairs,
                );
                expected.value.extend(one.value);
                let number = |[p, q]: [usize; 2]| batch[0] % p * q + batch[1] % q;
                expected_g[number(of_g)][0] += one.g;
                add(&mut expected.x, number(of_x), &one.x);
                add(&mut expected.y, number(of_y), &one.y);
                add(&mut expected.b, number(of_b), &one.b);
            }
            assert_rows(&value, &expected.value, error, &what);
            assert_rows(&all.g, &expected_g, 10.0 * error, &what);
            assert_rows(&all.x, &expected.x, error, &what);
            assert_rows(&all.y, &expected.y, error, &what);
            assert_rows(&all.b, &expected.b, error, &what);
            assert_rows(&call().vjp_g(batched(&e, dims)).eval().unwrap(), &expected_g, 10.0 * error, &what);
            assert_rows(&call().vjp_x(batched(&e, dims)).eval().unwrap(), &expected.x, error, &what);
            let on_device = call().vjp_x(batched(&e, dims)).eval_on_device().unwrap();
            assert_rows(&on_device.download().unwrap(), &expected.x, error, &what);
        }
    }
}

fn add<const D: usize>(to: &mut [[f64; D]], number: usize, rows: &[[f64; D]]) {
    for (to, row) in to[number * rows.len()..].iter_mut().zip(rows) {
        to.iter_mut().zip(row).for_each(|(to, number)| *to += number);
    }
}

#[test]
fn batches_are_broadcast() {
    batches_of_sums::<f32>(false);
    batches_of_sums::<f64>(false);
}

#[test]
fn batches_have_the_same_ranges() {
    batches_of_sums::<f32>(true);
    batches_of_sums::<f64>(true);
}

#[test]
fn row_numbers_are_those_of_the_batch() {
    let mut random = Random::new();
    let (n, m, batches) = (20, 50, 7);
    let (x, y) = (random.cloud::<f32, 3>(n), random.cloud::<f32, 3>(m * batches));
    let (values, rows) = nearest(&x, batched(&y, [batches])).eval().unwrap();
    let log_sums = log_sum(&x, batched(&y, [batches])).eval().unwrap();
    let slopes = log_sum(&x, batched(&y, [batches])).vjp_x(batched(&log_sums, [batches])).eval().unwrap();
    let mut expected_slopes = vec![[0.0; 3]; n];
    for batch in 0..batches {
        let y = &y[batch * m..][..m];
        let (one_values, one_rows) = nearest(&x, y).eval().unwrap();
        assert_eq!(rows[batch * n..][..n], one_rows[..]);
        assert_rows(&values[batch * n..][..n], &wide(&one_values), 1e-6, "values");
        let one = log_sum(&x, y).eval().unwrap();
        assert_rows(&log_sums[batch * n..][..n], &wide(&one), 1e-6, "logarithms");
        add(&mut expected_slopes, 0, &wide(&log_sum(&x, y).vjp_x(&one).eval().unwrap()));
    }
    assert_rows(&slopes, &expected_slopes, 1e-5, "gradients in what the batches share");
}

#[test]
fn batches_that_do_not_fit_are_refused() {
    let x = vec![[0.0_f32; 3]; 12];
    let error = log_sum(batched(&x, [5]), &x).eval().unwrap_err();
    assert_eq!(error, Error::BatchRows { variable: "x", rows: 12, batch: vec![5] });
    let error = log_sum(batched(&x, [4]), batched(&x, [2, 3])).eval().unwrap_err();
    assert_eq!(error, Error::BatchShape { variable: "y", batch: vec![2, 3], other: vec![4] });
    let b = vec![[0.0_f32; 2]; 12];
    let error = gaussian(batched(&[1.0, 2.0], [1]), &x, &x, &b).eval().unwrap_err();
    assert_eq!(error, Error::BatchRows { variable: "g", rows: 2, batch: vec![1] });
    let error = log_sum(batched(&x, [2]), batched(&x, [3])).eval().unwrap_err();
    assert_eq!(error.to_string(), "`y` has batches of shape [3], which do not broadcast with [2]");
}

#[test]
fn what_is_selected_has_derivatives_in_batches_and_ranges() {
    let mut random = Random::new();
    let (n, m, batches) = (20, 30, 3);
    let ranges = random_ranges(&mut random, n, m, 2);
    let p = random.rows::<f64, 1>(batches, 0.5..2.0);
    let (x, y) = (random.cloud::<f64, 3>(n), random.cloud::<f64, 3>(m * batches));
    let e = random.cloud::<f64, 2>(n * batches);
    let call = || least(batched(&p, [batches]), &x, batched(&y, [batches])).ranges(&ranges);
    let all = call().vjp(batched(&e, [batches])).eval().unwrap();
    let mut slopes_x = vec![[0.0; 3]; n];
    for batch in 0..batches {
        let (y, e) = (&y[batch * m..][..m], &e[batch * n..][..n]);
        let one = least(p[batch][0], &x, y).ranges(&ranges).vjp(e).eval().unwrap();
        // by hand
        let (_, rows) = nearest(&x, y).ranges(&ranges).eval().unwrap();
        let mut by_hand = vec![[0.0; 3]; m];
        for i in 0..n {
            for k in 0..2 {
                let j = rows[i][k] as usize;
                (0..3).for_each(|d| by_hand[j][d] -= 2.0 * p[batch][0] * (x[i][d] - y[j][d]) * e[i][k]);
            }
        }
        assert_rows(&one.y, &by_hand, 1e-13, "by hand");
        assert_rows(&all.y[batch * m..][..m], &one.y, 1e-13, "y");
        assert_rows(&all.p[batch..][..1], &one.p, 1e-13, "p");
        add(&mut slopes_x, 0, &one.x);
        let tangent = call().jvp_y(batched(&all.y, [batches])).eval().unwrap();
        let of_batch = least(p[batch][0], &x, y).ranges(&ranges).jvp_y(&one.y).eval().unwrap();
        assert_rows(&tangent[batch * n..][..n], &of_batch, 1e-13, "a tangent");
    }
    assert_rows(&all.x, &slopes_x, 1e-13, "x, which the batches share");
    assert_rows(&call().vjp_x(batched(&e, [batches])).eval().unwrap(), &slopes_x, 1e-13, "x alone");
    let error = least(p[0][0], &x, &y[..m]).vjp_x(batched(&e, [batches])).eval().unwrap_err();
    let expected = Error::BatchShape { variable: "cotangent", batch: vec![batches], other: vec![] };
    assert_eq!(error, expected);
}

#[test]
fn second_derivatives_have_the_rows_of_what_they_are_of() {
    let mut random = Random::new();
    let (n, m, batches) = (20, 30, 3);
    let g = random.rows::<f64, 1>(batches, 0.5..2.0);
    let (x, y) = (random.cloud::<f64, 3>(n), random.cloud::<f64, 3>(m * batches));
    let (b, e) = (random.cloud::<f64, 2>(m), random.cloud::<f64, 2>(n * batches));
    let u = random.cloud::<f64, 3>(m * batches);
    let call = || gaussian(batched(&g, [batches]), &x, batched(&y, [batches]), &b);
    let of_g = call().vjp_g(batched(&e, [batches])).jvp_y(batched(&u, [batches])).eval().unwrap();
    let of_x = call().vjp_x(batched(&e, [batches])).jvp_y(batched(&u, [batches])).eval().unwrap();
    let back = call().vjp_x(batched(&e, [batches])).vjp_y(&x).eval().unwrap();
    let mut expected = vec![[0.0; 3]; n];
    for batch in 0..batches {
        let (y, u, e) = (&y[batch * m..][..m], &u[batch * m..][..m], &e[batch * n..][..n]);
        let one = || gaussian(g[batch][0], &x, y, &b);
        assert_rows(&of_g[batch..][..1], &one().vjp_g(e).jvp_y(u).eval().unwrap(), 1e-12, "g");
        add(&mut expected, 0, &one().vjp_x(e).jvp_y(u).eval().unwrap());
        assert_rows(&back[batch * m..][..m], &one().vjp_x(e).vjp_y(&x).eval().unwrap(), 1e-12, "y");
    }
    assert_rows(&of_x, &expected, 1e-12, "x, which the batches share");
}

#[test]
fn masks_of_clusters_of_triangles_and_of_bands() {
    let mut random = Random::new();
    let n = 40;
    let (x, b) = (random.cloud::<f64, 3>(n), random.cloud::<f64, 2>(n));
    let clusters = [0..7, 7..20, 20..n];
    let keep = [true, false, true, false, true, true, false, false, true];
    let of = |row: usize| clusters.iter().position(|cluster| cluster.contains(&row)).unwrap();
    type Mask<'m> = (&'m str, Ranges, &'m dyn Fn(usize, usize) -> bool);
    let masks: [Mask<'_>; 3] = [
        ("clusters", Ranges::from_matrix(&clusters, &clusters, &keep).unwrap(), &|i, j| keep[3 * of(i) + of(j)]),
        ("triangle", Ranges::lower_triangle(n).unwrap(), &|i, j| j <= i),
        ("band", Ranges::band([n, n], 4, 2).unwrap(), &|i, j| j + 4 >= i && j <= i + 2),
    ];
    for (what, ranges, counts) in masks {
        let found = gaussian(0.5, &x, &x, &b).ranges(&ranges).eval().unwrap();
        let pairs: Vec<Vec<usize>> = (0..n).map(|i| (0..n).filter(|&j| counts(i, j)).collect()).collect();
        let plain = plain_gaussian(0.5, [&x, &x], [&b, &b], &pairs);
        assert_rows(&found, &plain.value, 1e-13, what);
    }
}
