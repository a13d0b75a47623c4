//! Sums within a tolerance: no row is off by more than the tolerance times its sum of |f|, beside roundings.

use fastrand::Rng;
use keops::{Tolerance, ToleranceReport, prelude::*};
use keops_core::problem::Pruning;

keops! {
    /// A Gaussian product.
    pub fn gaussian(g: Pm<1>, x: Vi<3>, y: Vj<3>, b: Vj<1>) -> Sum<j> { exp(-g * sqdist(x, y)) * b }
}
keops! {
    /// Without weights.
    #[keops(sum = compensated)]
    pub fn density(g: Pm<1>, x: Vi<2>, y: Vj<2>) -> Sum<j> { exp(-g * sqdist(x, y)) }
}
keops! {
    /// Weights of several components.
    pub fn momenta(g: Pm<1>, x: Vi<3>, y: Vj<3>, b: Vj<3>) -> Sum<j> { b / (1 + g * sqdist(x, y)) }
}
keops! {
    /// With a kink where points meet.
    #[keops(order = 0, sum = direct)]
    pub fn laplacian(g: Pm<1>, x: Vi<1>, y: Vj<1>, b: Vj<1>) -> Sum<j> { exp(-g * abs(x - y)) * b }
}
keops! {
    /// With a pole, and pairs that are left out.
    #[keops(order = 0)]
    pub fn coulomb(g: Pm<1>, x: Vi<3>, y: Vj<3>, b: Vj<1>) -> Sum<j> { ifelse(-sqdist(x, y), 0, g * rsqrt(sqdist(x, y))) * b }
}
keops! {
    /// Not of differences, and with other dimensions of targets and sources.
    #[keops(order = 0)]
    pub fn mixed(g: Pm<1>, x: Vi<1>, y: Vj<2>, b: Vj<1>) -> Sum<j> { cos(g * x * y[0]) * exp(-y[1] * x) * b }
}
keops! {
    /// With kinks and jumps.
    #[keops(order = 0)]
    pub fn jumps(g: Pm<1>, x: Vi<2>, y: Vj<2>, b: Vj<1>) -> Sum<j> {
        (ifelse(sqdist(x, y) - 0.3, 2, 1) + max(0.1, x[0] - y[1]) + sqrt(g * sqdist(x, y))) * b
    }
}

keops! {
    /// A step of Sinkhorn's algorithm, with potentials of both sides.
    pub fn soft(g: Pm<1>, x: Vi<3>, f: Vi<1>, y: Vj<3>, h: Vj<1>) -> LogSumExp<j> { f + h - g * sqdist(x, y) }
}
keops! {
    /// Not a product of functions of one axis.
    #[keops(order = 0)]
    pub fn cornered(g: Pm<1>, x: Vi<2>, y: Vj<2>, h: Vj<1>) -> LogSumExp<j> { h - g * norm2(x - y) }
}
keops! {
    /// Sums weighted by exponentials and by numbers.
    #[keops(order = 0)]
    pub fn weighted(g: Pm<1>, x: Vi<2>, y: Vj<2>, b: Vj<3>) -> LogSumExp<j> { (-g * sqdist(x, y), b) }
}
keops! {
    /// A mean shift.
    #[keops(order = 0)]
    pub fn mean(g: Pm<1>, x: Vi<3>, y: Vj<3>, h: Vj<1>, b: Vj<3>) -> SumSoftMaxWeight<j> { (h - g * sqdist(x, y), b) }
}
keops! {
    /// A sum with factors of rows of both sides that it is not linear in.
    #[keops(order = 0)]
    pub fn factors(g: Pm<1>, x: Vi<3>, f: Vi<1>, y: Vj<3>, h: Vj<1>, b: Vj<1>) -> Sum<j> {
        exp(h + sin(f) - g * sqdist(x, y)) * b * (1 + h * h)
    }
}

/// A call with the tolerance, wherever there is a way, and what was done; and the same call exactly.
macro_rules! both {
    ($call:expr, $t:expr) => {{
        let (mut some, all) = ($call.tolerance($t), $call);
        some.__settings().pruning = Pruning::Always;
        let (rows, report) = some.eval_with_report().unwrap();
        (rows, all.eval().unwrap(), report)
    }};
}

/// Points of a kind of cloud, and weights.
struct Cloud {
    points: Vec<Vec<f64>>,
    weights: Vec<f64>,
}

impl Cloud {
    fn new(numbers: &mut Rng, count: usize, dim: usize) -> Self {
        let kind = numbers.u8(..7);
        let centres: Vec<Vec<f64>> = (0..5).map(|_| (0..dim).map(|_| numbers.f64()).collect()).collect();
        let points = (0..count).map(|number| match kind {
            // clusters
            0 => centres[numbers.usize(..5)].iter().map(|c| c + 0.02 * (numbers.f64() - 0.5)).collect(),
            // on a line
            1 => {
                let along = numbers.f64();
                (0..dim).map(|axis| 0.2 + along * (axis as f64 - 0.5)).collect()
            }
            // one of them far away
            2 if number == 17 => vec![100.0; dim],
            // coincident
            3 => (0..dim).map(|_| f64::from(numbers.u8(..4)) / 4.0).collect(),
            _ => (0..dim).map(|_| numbers.f64()).collect::<Vec<_>>(),
        });
        let points: Vec<Vec<f64>> =
            points.map(|point: Vec<f64>| point.iter().map(|&x| f64::from(x as f32)).collect()).collect();
        let decades = if numbers.bool() { 10.0 } else { 1.0 };
        let signed = numbers.u8(..4) == 0;
        let weights = (0..3 * count).map(|_| {
            let size = 10.0_f64.powf(-decades * numbers.f64());
            f64::from((if signed && numbers.bool() { -size } else { size }) as f32)
        });
        Self { points, weights: weights.collect() }
    }

    fn rows<T: keops::Element, const D: usize>(&self) -> Vec<[T; D]> {
        self.points.iter().map(|point| std::array::from_fn(|c| T::from_f64(point[c]))).collect()
    }

    fn weights<T: keops::Element, const D: usize>(&self) -> Vec<[T; D]> {
        self.weights.chunks(3).map(|row| std::array::from_fn(|c| T::from_f64(row[c]))).collect()
    }
}

/// Checks rows against the exact sums of `f`, which gives the components for a pair. `all` are the rows by all pairs, which have
/// roundings, too.
fn check(
    what: &str,
    (rows, all, tolerance, unit): (&[f64], &[f64], f64, f64),
    (x, y): (&Cloud, &Cloud),
    components: usize,
    f: impl Fn(usize, usize) -> Vec<f64>,
) {
    let (n, m) = (x.points.len(), y.points.len());
    assert_eq!(rows.len(), n * components, "{what}");
    for i in (0..40).map(|k| k * (n - 1) / 39).chain([17.min(n - 1)]) {
        let (mut exact, mut size) = (vec![0.0; components], 0.0);
        for j in 0..m {
            let terms = f(i, j);
            size += terms.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
            exact.iter_mut().zip(&terms).for_each(|(sum, x)| *sum += x);
        }
        let of_row = i * components..(i + 1) * components;
        for ((found, all), exact) in rows[of_row.clone()].iter().zip(&all[of_row]).zip(&exact) {
            let (off, of_all) = ((found - exact).abs(), (all - exact).abs());
            let most = (tolerance + unit) * size + 2.0 * of_all;
            assert!(
                off <= most,
                "{what}: row {i}: {found}, by all pairs {all}, exactly {exact} of {size}: {:e}",
                off / size
            );
        }
    }
}

fn square(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// Random clouds and tolerances for all formulas; how many pairs were not computed.
fn random<T: keops::Element>(numbers: &mut Rng, unit: f64, what: &str) -> (u64, u64) {
    let (mut saved, mut all) = (0, 0);
    let mut count = |report: ToleranceReport, tolerance: f64| {
        assert!(report.bound <= tolerance, "{what}: {report:?}");
        saved += report.skipped + report.interpolated;
        all += report.skipped + report.interpolated + report.computed;
    };
    let t = 10.0_f64.powf(-2.0 - 5.0 * numbers.f64());
    let exponent = 4.0 * numbers.f64() - 1.0;
    let g = f64::from(10.0_f64.powf(exponent) as f32);
    let (n, m) = (numbers.usize(1..1200), numbers.usize(1..1500));
    let to = |rows: &[T]| rows.iter().map(|&x| keops::Element::to_f64(x)).collect::<Vec<f64>>();
    let of_g = T::from_f64(g);
    let (kind, certain) = (numbers.u8(..9), numbers.bool());
    let tolerance = if certain { Tolerance::new(t) } else { Tolerance::estimated(t) };
    let what = format!("{what}, formula {kind}, g {g}, {tolerance:?}, {n} x {m}");
    let unit = unit * (1.0 + g);
    // What is estimated may be more, by little.
    let t = if certain { t } else { 1.5 * t };
    match kind {
        0 | 1 | 2 | 8 => {
            let (x, y) = (Cloud::new(numbers, n, 3), Cloud::new(numbers, m, 3));
            let (px, py, b, e) = (x.rows::<T, 3>(), y.rows::<T, 3>(), y.weights::<T, 1>(), x.weights::<T, 1>());
            let value = |i: usize, j: usize| (-g * square(&x.points[i], &y.points[j])).exp() * y.weights[3 * j];
            let call = gaussian(of_g, &px, &py, &b);
            match kind {
                0 => {
                    let (rows, all, report) = both!(call.clone(), tolerance);
                    count(report, t);
                    check(&what, (&to(rows.as_flat()), &to(all.as_flat()), t, unit), (&x, &y), 1, |i, j| {
                        vec![value(i, j)]
                    });
                }
                1 => {
                    // The tolerance may come before the derivative, or after it.
                    let (rows, all, report) = both!(call.clone().vjp_x(&e), tolerance);
                    count(report, t);
                    let gradient = |i: usize, j: usize| -> Vec<f64> {
                        let (x_i, y_j) = (&x.points[i], &y.points[j]);
                        let scale = -2.0 * g * value(i, j) * x.weights[3 * i];
                        x_i.iter().zip(y_j).map(|(x, y)| scale * (x - y)).collect()
                    };
                    check(&what, (&to(rows.as_flat()), &to(all.as_flat()), t, unit), (&x, &y), 3, gradient);
                }
                2 => {
                    let (rows, all, report) = both!(call.clone().vjp_b(&e), tolerance);
                    count(report, t);
                    let gradient =
                        |j: usize, i: usize| vec![(-g * square(&x.points[i], &y.points[j])).exp() * x.weights[3 * i]];
                    check(&what, (&to(rows.as_flat()), &to(all.as_flat()), t, unit), (&y, &x), 1, gradient);
                }
                _ => {
                    let (some, all, report) = both!(call.clone().vjp(&e), tolerance);
                    count(report, t);
                    let gradient = |j: usize, i: usize| -> Vec<f64> {
                        let (x_i, y_j) = (&x.points[i], &y.points[j]);
                        let scale = 2.0 * g * value(i, j) * x.weights[3 * i];
                        x_i.iter().zip(y_j).map(|(x, y)| scale * (x - y)).collect()
                    };
                    check(&what, (&to(some.y.as_flat()), &to(all.y.as_flat()), t, unit), (&y, &x), 3, gradient);
                    let (mut total, mut size) = (0.0, 0.0);
                    for i in 0..n {
                        for j in 0..m {
                            let term = -square(&x.points[i], &y.points[j]) * value(i, j) * x.weights[3 * i];
                            (total, size) = (total + term, size + term.abs());
                        }
                    }
                    let [found, by_all] = [&some, &all].map(|gradients| keops::Element::to_f64(gradients.g[0][0]));
                    let most = (t + unit) * size + 2.0 * (by_all - total).abs();
                    assert!((found - total).abs() <= most, "{what}: {found}, not {total}");
                }
            }
        }
        3 => {
            let (x, y) = (Cloud::new(numbers, n, 2), Cloud::new(numbers, m, 2));
            let (px, py) = (x.rows(), y.rows());
            let (rows, all, report) = both!(density(of_g, &px, &py), tolerance);
            count(report, t);
            let value = |i: usize, j: usize| vec![(-g * square(&x.points[i], &y.points[j])).exp()];
            check(&what, (&to(rows.as_flat()), &to(all.as_flat()), t, unit), (&x, &y), 1, value);
        }
        4 => {
            let (x, y) = (Cloud::new(numbers, n, 3), Cloud::new(numbers, m, 3));
            let (px, py, b) = (x.rows(), y.rows(), y.weights());
            let (rows, all, report) = both!(momenta(of_g, &px, &py, &b), tolerance);
            count(report, t);
            let value = |i: usize, j: usize| {
                let scale = 1.0 / (1.0 + g * square(&x.points[i], &y.points[j]));
                y.weights[3 * j..][..3].iter().map(|b| scale * b).collect()
            };
            check(&what, (&to(rows.as_flat()), &to(all.as_flat()), t, unit), (&x, &y), 3, value);
        }
        5 => {
            let (x, y) = (Cloud::new(numbers, n, 1), Cloud::new(numbers, m, 1));
            let (px, py, b) = (x.rows(), y.rows(), y.weights());
            let (rows, all, report) = both!(laplacian(of_g, &px, &py, &b), tolerance);
            count(report, t);
            let value =
                |i: usize, j: usize| vec![(-g * (x.points[i][0] - y.points[j][0]).abs()).exp() * y.weights[3 * j]];
            check(&what, (&to(rows.as_flat()), &to(all.as_flat()), t, unit * 60.0), (&x, &y), 1, value);
        }
        6 => {
            let (x, y) = (Cloud::new(numbers, n, 3), Cloud::new(numbers, m, 3));
            let (px, py, b) = (x.rows(), y.rows(), y.weights());
            let (rows, all, report) = both!(coulomb(of_g, &px, &py, &b), tolerance);
            count(report, t);
            let value = |i: usize, j: usize| {
                let square = square(&x.points[i], &y.points[j]);
                vec![if square == 0.0 { 0.0 } else { g / square.sqrt() * y.weights[3 * j] }]
            };
            check(&what, (&to(rows.as_flat()), &to(all.as_flat()), t, unit), (&x, &y), 1, value);
        }
        _ => {
            let (x, y) = (Cloud::new(numbers, n, 1), Cloud::new(numbers, m, 2));
            let (px, py, b) = (x.rows(), y.rows(), y.weights());
            let (rows, all, report) = both!(mixed(of_g, &px, &py, &b), tolerance);
            count(report, t);
            let value = |i: usize, j: usize| {
                let (x, b, y) = (x.points[i][0], y.weights[3 * j], &y.points[j]);
                vec![(g * x * y[0]).cos() * (-y[1] * x).exp() * b]
            };
            check(&what, (&to(rows.as_flat()), &to(all.as_flat()), t, unit * 200.0), (&x, &y), 1, value);
        }
    }
    (saved, all)
}

/// How many random calls are made: some, or as many as KEOPS_ROUNDS says.
fn rounds() -> usize {
    std::env::var("KEOPS_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(24)
}

#[test]
fn sums_are_within_their_tolerance() {
    let seed = Rng::new().u64(..);
    let mut numbers = Rng::with_seed(seed);
    let (mut saved, mut all) = (0, 0);
    for round in 0..rounds() {
        let (of_round, pairs) = if numbers.bool() {
            random::<f32>(&mut numbers, 2e-6, &format!("seed {seed}, round {round}, f32"))
        } else {
            random::<f64>(&mut numbers, 1e-13, &format!("seed {seed}, round {round}, f64"))
        };
        (saved, all) = (saved + of_round, all + pairs);
    }
    assert!(50 * saved > all, "seed {seed}: {saved} of {all} pairs were not computed");
}

/// Random clouds and tolerances for sums weighted by exponentials; how many pairs were not computed.
fn random_exponentials<T: keops::Element>(numbers: &mut Rng, unit: f64, what: &str) -> (u64, u64) {
    let t = 10.0_f64.powf(-2.0 - 4.0 * numbers.f64());
    let exponent = 4.0 * numbers.f64() - 1.0;
    let g = f64::from(10.0_f64.powf(exponent) as f32);
    let (n, m) = (numbers.usize(2..900), numbers.usize(2..1200));
    let of_g = T::from_f64(g);
    let (kind, certain) = (numbers.u8(..6), numbers.bool());
    let tolerance = if certain { Tolerance::new(t) } else { Tolerance::estimated(t) };
    let what = format!("{what}, kind {kind}, g {g}, {tolerance:?}, {n} x {m}");
    let slack = if certain { t } else { 1.5 * t };
    let dim = if matches!(kind, 1 | 2) { 2 } else { 3 };
    let (x, y) = (Cloud::new(numbers, n, dim), Cloud::new(numbers, m, dim));
    let size = *numbers.choice(&[0.0, 1.0, 30.0]).unwrap();
    let mut potential = |count: usize| -> Vec<[T; 1]> {
        (0..count).map(|_| [T::from_f64(f64::from((size * (numbers.f64() - 0.5)) as f32))]).collect()
    };
    let (f, h) = (potential(n), potential(m));
    let of = |rows: &[[T; 1]], k: usize| keops::Element::to_f64(rows[k][0]);
    let b = y.weights::<T, 3>();
    let (px, py) = if dim == 3 { (x.rows::<T, 3>(), y.rows::<T, 3>()) } else { (vec![], vec![]) };
    let unit = unit * (10.0 + g + size);
    // log Σ exp, and sums of weights with numbers and with their sizes
    let exact = |exponent: &dyn Fn(usize) -> f64, number: &dyn Fn(usize) -> Vec<f64>| {
        let most = (0..m).map(exponent).fold(f64::NEG_INFINITY, f64::max);
        let (mut sum, mut size, mut sums) = (0.0, 0.0, vec![0.0; number(0).len()]);
        for j in 0..m {
            let (weight, numbers) = ((exponent(j) - most).exp(), number(j));
            sum += weight;
            size += weight * numbers.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
            sums.iter_mut().zip(numbers).for_each(|(sum, x)| *sum += weight * x);
        }
        (most, sum, sums, size)
    };
    let squared = |i: usize, j: usize| -g * square(&x.points[i], &y.points[j]);
    let numbers_of = |j: usize| y.weights[3 * j..][..3].to_vec();
    let to = |rows: &[T]| rows.iter().map(|&x| keops::Element::to_f64(x)).collect::<Vec<f64>>();
    let sample = (0..30).map(|k| k * (n - 1) / 29).chain([17.min(n - 1)]);
    let near = |found: f64, all: f64, exact: f64, most: f64, row: usize| {
        let same = found == exact || found.is_nan() && all.is_nan();
        let (off, of_all) = ((found - exact).abs(), (all - exact).abs());
        assert!(same || off <= most + 2.0 * of_all, "{what}: row {row}: {found}, by all pairs {all}, exactly {exact}");
    };
    let report = match kind {
        0 | 1 => {
            let exponent = |i: usize, j: usize| match kind {
                0 => of(&f, i) + of(&h, j) + squared(i, j),
                _ => of(&h, j) - g * square(&x.points[i], &y.points[j]).sqrt(),
            };
            let (rows, all, report) = if kind == 0 {
                both!(soft(of_g, &px, &f, &py, &h), tolerance)
            } else {
                let (px, py) = (x.rows::<T, 2>(), y.rows::<T, 2>());
                both!(cornered(of_g, &px, &py, &h), tolerance)
            };
            let (rows, all) = (to(rows.as_flat()), to(all.as_flat()));
            for i in sample {
                let (most, sum, _, _) = exact(&|j| exponent(i, j), &|_| vec![]);
                near(rows[i], all[i], most + sum.ln(), slack + unit, i);
            }
            report
        }
        2 => {
            let (px, py) = (x.rows::<T, 2>(), y.rows::<T, 2>());
            let (rows, all, report) = both!(weighted(of_g, &px, &py, &b), tolerance);
            let (rows, all) = (to(rows.as_flat()), to(all.as_flat()));
            for i in sample {
                let (most, _, sums, _) = exact(&|j| squared(i, j), &numbers_of);
                for c in (0..3).filter(|&c| sums[c] > 0.0 && y.weights.iter().all(|&b| b >= 0.0)) {
                    near(rows[3 * i + c], all[3 * i + c], most + sums[c].ln(), slack + unit, i);
                }
            }
            report
        }
        3 => {
            let (rows, all, report) = both!(mean(of_g, &px, &py, &h, &b), tolerance);
            let (rows, all) = (to(rows.as_flat()), to(all.as_flat()));
            for i in sample {
                let (_, sum, sums, size) = exact(&|j| of(&h, j) + squared(i, j), &numbers_of);
                for c in 0..3 {
                    near(rows[3 * i + c], all[3 * i + c], sums[c] / sum, (slack + unit) * size / sum, i);
                }
            }
            report
        }
        4 => {
            let (e, x_weights) = (x.weights::<T, 1>(), &x.weights);
            let (rows, all, report) = both!(soft(of_g, &px, &f, &py, &h).vjp_x(&e), tolerance);
            let (rows, all) = (to(rows.as_flat()), to(all.as_flat()));
            for i in sample {
                let slope = |j: usize| -> Vec<f64> {
                    let of_axes = x.points[i].iter().zip(&y.points[j]);
                    of_axes.map(|(x, y)| -2.0 * g * (x - y) * x_weights[3 * i]).collect()
                };
                let (_, sum, sums, size) = exact(&|j| of(&h, j) + squared(i, j), &slope);
                for c in 0..3 {
                    near(rows[3 * i + c], all[3 * i + c], sums[c] / sum, (slack + unit) * size / sum, i);
                }
            }
            report
        }
        _ => {
            let b = y.weights::<T, 1>();
            let (rows, all, report) = both!(factors(of_g, &px, &f, &py, &h, &b), tolerance);
            let (rows, all) = (to(rows.as_flat()), to(all.as_flat()));
            for i in sample {
                let (mut sum, mut size) = (0.0, 0.0);
                for j in 0..m {
                    let h = of(&h, j);
                    let term = (h + of(&f, i).sin() + squared(i, j)).exp() * y.weights[3 * j] * (1.0 + h * h);
                    (sum, size) = (sum + term, size + term.abs());
                }
                near(rows[i], all[i], sum, (slack + unit) * size, i);
            }
            report
        }
    };
    assert!(report.bound <= t, "{what}: {report:?}");
    (report.skipped + report.interpolated, report.skipped + report.interpolated + report.computed)
}

#[test]
fn sums_weighted_by_exponentials_are_within_their_tolerance() {
    let seed = Rng::new().u64(..);
    let mut numbers = Rng::with_seed(seed);
    let (mut saved, mut all) = (0, 0);
    for round in 0..rounds() {
        let (of_round, pairs) = if numbers.bool() {
            random_exponentials::<f32>(&mut numbers, 1e-6, &format!("seed {seed}, round {round}, f32"))
        } else {
            random_exponentials::<f64>(&mut numbers, 1e-13, &format!("seed {seed}, round {round}, f64"))
        };
        (saved, all) = (saved + of_round, all + pairs);
    }
    assert!(10 * saved > all, "seed {seed}: {saved} of {all} pairs were not computed");
}

#[test]
fn what_has_kinks_and_jumps_is_right() {
    let seed = Rng::new().u64(..);
    let mut numbers = Rng::with_seed(seed);
    for _ in 0..12 {
        let (x, y) = (Cloud::new(&mut numbers, 700, 2), Cloud::new(&mut numbers, 700, 2));
        let (px, py, b) = (x.rows::<f64, 2>(), y.rows::<f64, 2>(), y.weights::<f64, 1>());
        let (rows, all, _) = both!(jumps(1.5, &px, &py, &b), 1e-4);
        let value = |i: usize, j: usize| {
            let (x, y) = (&x.points[i], &y.points[j]);
            let square = square(x, y);
            let step = if square - 0.3 > 0.0 { 2.0 } else { 1.0 };
            vec![(step + (x[0] - y[1]).max(0.1) + (1.5 * square).sqrt()) * b[j][0]]
        };
        check(&format!("seed {seed}"), (rows.as_flat(), all.as_flat(), 1e-4, 1e-12), (&x, &y), 1, value);
    }
}

#[test]
fn rows_that_are_not_finite_give_what_all_pairs_give() {
    let seed = Rng::new().u64(..);
    let mut numbers = Rng::with_seed(seed);
    let cloud = |numbers: &mut Rng| -> Vec<[f64; 2]> { (0..1000).map(|_| [numbers.f64(), numbers.f64()]).collect() };
    let (mut x, mut y) = (cloud(&mut numbers), cloud(&mut numbers));
    x[3][0] = f64::NAN;
    x[7][1] = f64::INFINITY;
    y[5][0] = f64::INFINITY;
    let (rows, exact, report) = both!(density(0.7, &x, &y), 1e-6);
    assert!(report.interpolated > 0, "seed {seed}: {report:?}");
    for (i, (row, exact)) in rows.iter().zip(exact.iter()).enumerate() {
        let same = row[0] == exact[0] || (row[0].is_nan() && exact[0].is_nan());
        assert!(same || (row[0] - exact[0]).abs() <= 1e-6 * exact[0], "seed {seed}: row {i}: {row:?}, not {exact:?}");
    }
    y[9][1] = f64::NAN;
    let (rows, _, _) = both!(density(0.7, &x, &y), 1e-6);
    assert!(rows.iter().all(|row| row[0].is_nan()), "seed {seed}");
}

#[test]
fn few_rows_are_computed() {
    for (n, m) in [(0, 5), (5, 0), (1, 1), (100, 100)] {
        let (x, y) = (vec![[0.5_f32, 0.5]; n], vec![[0.25_f32, 0.5]; m]);
        let (rows, report) = density(1.0, &x, &y).tolerance(0.1).eval_with_report().unwrap();
        assert_eq!(*rows, *density(1.0, &x, &y).eval().unwrap());
        assert_eq!(report, ToleranceReport { computed: (n * m) as u64, ..ToleranceReport::default() });
    }
}

#[test]
fn batches_and_ranges_keep_the_tolerance() {
    let seed = Rng::new().u64(..);
    let mut numbers = Rng::with_seed(seed);
    let cloud = |numbers: &mut Rng, rows: usize| -> Vec<[f64; 2]> {
        (0..rows).map(|_| [numbers.f64(), numbers.f64()]).collect()
    };
    let (x, y) = (cloud(&mut numbers, 1000), cloud(&mut numbers, 2 * 1000));
    let (rows, exact, report) = both!(density(0.7, batched(&x, [1]), batched(&y, [2])), 1e-5);
    assert!(report.interpolated > 0, "seed {seed}: {report:?}");
    let close = |a: &[[f64; 1]], b: &[[f64; 1]]| a.iter().zip(b).all(|(a, b)| (a[0] - b[0]).abs() <= 1e-5 * b[0]);
    assert!(close(&rows, &exact), "seed {seed}");
    let ranges = Ranges::lower_triangle(1000).unwrap();
    let (rows, exact, report) = both!(density(0.7, &x, &y[..1000]).ranges(&ranges), 1e-5);
    assert_eq!((rows, report.computed), (exact, ranges.pairs()));
}

#[test]
fn operators_and_equations_have_products_within_a_tolerance() {
    let seed = Rng::new().u64(..);
    let mut numbers = Rng::with_seed(seed);
    let (n, g, t) = (1200, 3.0, 1e-4);
    let mut cloud = || -> Vec<[f32; 3]> { (0..n).map(|_| std::array::from_fn(|_| numbers.f32())).collect() };
    let (x, y) = (cloud(), cloud());
    let b: Vec<[f32; 1]> = (0..n).map(|_| [0.5 + numbers.f32()]).collect();
    let within = |x, y| {
        let mut call = gaussian(g, x, y, &b).tolerance(t);
        call.__settings().pruning = Pruning::Always;
        call
    };
    let products = [gaussian(g, &x, &y, &b).operator_b().unwrap(), within(&x, &y).operator_b().unwrap()];
    let [exact, some] = products.each_ref().map(|k| k.apply(&b).unwrap());
    let [exact_transpose, some_transpose] = products.each_ref().map(|k| k.apply_transpose(&b).unwrap());
    assert!(exact != some && exact_transpose != some_transpose, "seed {seed}");
    for (some, exact) in some.iter().zip(&*exact).chain(some_transpose.iter().zip(&*exact_transpose)) {
        assert!((some[0] - exact[0]).abs() <= (t as f32 + 1e-5) * exact[0], "seed {seed}: {some:?}, not {exact:?}");
    }
    // The residual is that of exact products.
    let exact = gaussian(g, &x, &x, &b).solve_b(5.0).tolerance(1e-9).eval().unwrap();
    let some = within(&x, &x).solve_b(5.0).tolerance(1e-9).eval().unwrap();
    assert!(some.report.residual() <= 1e-9 && some.values != exact.values, "seed {seed}: {:?}", some.report);
    for (some, exact) in some.values.iter().zip(&exact.values) {
        assert!((some[0] - exact[0]).abs() <= 1e-6, "seed {seed}: {some:?}, not {exact:?}");
    }
    let error = gaussian(g, &x, &x, &b).tolerance(2.0).solve_b(5.0).eval().unwrap_err();
    assert!(matches!(error, Error::Tolerance { .. }), "{error}");
}

#[test]
fn a_tolerance_is_between_0_and_1() {
    for t in [0.0, -1e-3, 1.0, f64::NAN, f64::INFINITY] {
        let error = density(1.0, &[[0.0_f64; 2]], &[[0.0; 2]]).tolerance(t).eval().unwrap_err();
        assert!(
            matches!(error, Error::Tolerance { .. }) && error.to_string().contains("above 0 and below 1"),
            "{error}"
        );
    }
}
