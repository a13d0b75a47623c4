//! Calls on a CUDA device against the same calls on the processor: every kind of reduction, derivative and dimension.
//!
//! Needs the feature `cuda`, kernels made by `cargo xtask build-ptx tests/cuda.rs` (their folder in `KEOPS_PTX_DIR`
//! while this is compiled), and a driver: NVIDIA's with a device, or the emulator of `xtask/testing/keops-emulator`.

mod harness;

use harness::{Exact, Random, assert_near, epsilon};
use keops::{Device, Element, prelude::*};

const CUDA: Device = Device::Cuda(0);

/// Shapes around the numbers of threads and tiles, and few targets against many sources.
const SHAPES: [(usize, usize); 9] =
    [(0, 0), (0, 3), (3, 0), (1, 1), (2, 127), (129, 128), (130, 300), (5, 1030), (600, 9)];

keops! {
    #[keops(order = 2)]
    fn gaussian_product(g: Pm<1>, x: Vi<3>, y: Vj<3>, b: Vj<2>) -> Sum<j> { exp(-g * sqdist(x, y)) * b }
    #[keops(order = 0)]
    fn unit_gaussian(x: Vi<2>, y: Vj<2>) -> Sum<j> { exp(-sqdist(x, y)) }
    #[keops(order = 0)]
    fn outer(x: Vi<200>, y: Vj<250>) -> Sum<j> { tensorprod(x, y) }
    fn over_i(x: Vi<2>, y: Vj<2>, a: Vi<1>, m: Pm<4>) -> Sum<i> { cauchy(x, y) * a * mat_vec(m, y) }
    fn log_sum(g: Pm<1>, x: Vi<3>, y: Vj<3>) -> LogSumExp<j> { -g * sqdist(x, y) }
    fn log_weighted(x: Vi<2>, y: Vj<2>, b: Vj<3>) -> LogSumExp<i> { ((x | y), exp(b)) }
    fn soft_max(x: Vi<2>, y: Vj<2>, b: Vj<3>) -> SumSoftMaxWeight<j> { (3 * (x | y), b) }
    fn mean_shift(x: Vi<3>, y: Vj<3>) -> SumSoftMaxWeight<j> { (-0.5 * sqdist(x, y), y) }
    #[keops(order = 0)]
    fn beside(g: Pm<1>, x: Vi<3>, y: Vj<3>) -> Sum<j> { concat(exp(-g * sqdist(x, y)), y) }
    fn min(x: Vi<2>, y: Vj<2>) -> Min<j> { x * y }
    fn max_arg_max(x: Vi<2>, y: Vj<2>) -> MaxArgMax<j> { x * y }
    fn nearest(x: Vi<3>, y: Vj<3>) -> ArgKMin<4, j> { sqdist(x, y) }
    fn nearest_too(x: Vi<3>, y: Vj<3>) -> KMinArgKMin<10, i> { sqdist(x, y) }
    #[keops(cuda(D = 1), cuda(D = 40), cuda(D = 300))]
    fn wide<const D: usize>(x: Vi<D>, y: Vj<D>, b: Vj<1>) -> Sum<j> { exp(-sqdist(x, y) / 40) * b }
    #[keops(order = 0, cuda(D = 31), cuda(D = 32), cuda(D = 33), cuda(D = 1000))]
    fn wide_value<const D: usize>(x: Vi<D>, y: Vj<D>, b: Vj<1>) -> Sum<j> { exp(-sqdist(x, y) / 40) * b }
    #[keops(order = 0, cuda(D = 17), cuda(D = 50), cuda(D = 1000))]
    fn wide_nearest<const D: usize>(x: Vi<D>, y: Vj<D>) -> ArgKMin<5, j> { sqdist(x, y) }
    #[keops(order = 0, cuda(D = 37))]
    fn wide_log_sum<const D: usize>(x: Vi<D>, y: Vj<D>) -> LogSumExp<i> { (x | y) }
    #[keops(order = 1, cuda(D = 40))]
    fn wide_mean<const D: usize>(x: Vi<D>, y: Vj<D>, b: Vj<6>) -> SumSoftMaxWeight<j> { ((x | y), b) }
    #[keops(order = 0)]
    fn many_weighted(x: Vi<1>, y: Vj<1>, b: Vj<70>) -> SumSoftMaxWeight<j> { (x * y, b) }
    #[keops(order = 0)]
    fn log_many_weighted(x: Vi<1>, y: Vj<1>, b: Vj<70>) -> LogSumExp<j> { (x * y, b) }
    #[keops(order = 0)]
    fn attention(x: Vi<34>, y: Vj<34>, b: Vj<40>) -> SumSoftMaxWeight<j> { ((x | y), b) }
    #[keops(order = 0, cuda(D = 70))]
    fn long_right<const D: usize>(g: Pm<1>, x: Vi<3>, y: Vj<3>, b: Vj<D>) -> Sum<j> { exp(-g * sqdist(x, y)) * b }
    #[keops(order = 0, cuda(D = 50))]
    fn without_contractions<const D: usize>(p: Pm<1>, x: Vi<D>, y: Vj<D>) -> Sum<i> { p * sin(x * y) }
    #[keops(order = 0, cuda(D = 40))]
    fn short_source<const D: usize>(x: Vi<D>, y: Vj<1>) -> Sum<j> { sin(y * x) }
    #[keops(order = 0, cuda(D = 40))]
    fn no_source<const D: usize>(x: Vi<D>) -> Sum<j> { x * cos(x) }
    #[keops(order = 0, cuda(D = 35))]
    fn two_contractions<const D: usize>(p: Pm<2>, a: Vi<3>, x: Vi<D>, u: Vi<17>, b: Vj<2>, y: Vj<D>, v: Vj<17>)
        -> Sum<j> { exp(-p * sqdist(x, y)) * (u | v) * b * sum(a) }
    fn alone(p: Pm<2>, y: Vj<2>) -> Sum<j> { exp(-sqdist(p, y)) * y }
    fn single(p: Pm<2>, x: Vi<2>) -> Sum<j> { exp(-sqdist(p, x)) * x }
    #[keops(order = 0)]
    fn functions(x: Vi<2>, y: Vj<2>) -> Sum<j> {
        let s = sin(x) * cos(y) + log(2 + x * y) * rsqrt(2 + x);
        let t = sqrt(2 + y) / (3 + x) + abs(x - y) + (2 + x) ** 1.7 + exp(y);
        let u = if_else(x - y, x, y) + clamp(3 * x, -1, 1) + sign(x) * step(y) + x ** 3;
        s + t + u
    }
    #[keops(order = 0, precise)]
    fn precise(x: Vi<1>, y: Vj<1>) -> Sum<j> { sin(100 * x) * log(2 + x * y) + exp(3 * y) }
    #[keops(order = 0)]
    fn without_instances<const D: usize>(x: Vi<D>, y: Vj<D>) -> Sum<j> { x * y }
}

/// Runs a call on the processor and on the device, and compares the values.
macro_rules! compare {
    ($error:expr, $what:expr, $call:expr) => {{
        let (cpu, cuda) = ($call.device(Device::Cpu).eval().unwrap(), $call.device(CUDA).eval().unwrap());
        compare_rows(&cpu, &cuda, $error, &format!("{}, {:?}", stringify!($call), $what));
    }};
}

fn compare_rows<T: Element, const D: usize>(cpu: &[[T; D]], cuda: &[[T; D]], error: f64, what: &str) {
    assert_eq!(cpu.len(), cuda.len(), "{what}");
    let finite = cpu.iter().flatten().map(|number| number.exact().abs()).filter(|size| size.is_finite());
    let scale = finite.fold(1.0, f64::max);
    for (i, (a, b)) in cpu.iter().zip(cuda).enumerate() {
        for c in 0..D {
            assert_near(b[c].exact(), a[c].exact(), error * scale, (what, i, c));
        }
    }
}

fn sums<T: Element>(error: f64) {
    let mut random = Random::new();
    let g: T = random.number(0.5..1.0);
    for (n, m) in SHAPES {
        let (x, y): (Vec<[T; 3]>, Vec<[T; 3]>) = (random.cloud(n), random.cloud(m));
        let (b, e): (Vec<[T; 2]>, Vec<[T; 2]>) = (random.cloud(m), random.cloud(n));
        let u: Vec<[T; 3]> = random.cloud(n);
        let shape = (n, m);
        compare!(error, shape, gaussian_product(g, &x, &y, &b));
        compare!(error, shape, gaussian_product(g, &x, &y, &b).vjp_g(&e));
        compare!(error, shape, gaussian_product(g, &x, &y, &b).vjp_x(&e));
        compare!(error, shape, gaussian_product(g, &x, &y, &b).vjp_y(&e));
        compare!(error, shape, gaussian_product(g, &x, &y, &b).jvp_x(&u));
        compare!(error, shape, gaussian_product(g, &x, &y, &b).vjp_x(&e).jvp_x(&u));
        let all = gaussian_product(g, &x, &y, &b).vjp(&e).device(CUDA).eval().unwrap();
        let cpu = gaussian_product(g, &x, &y, &b).vjp(&e).device(Device::Cpu).eval().unwrap();
        compare_rows(&cpu.g, &all.g, error, "g of all");
        compare_rows(&cpu.x, &all.x, error, "x of all");
        compare_rows(&cpu.y, &all.y, error, "y of all");
        compare_rows(&cpu.b, &all.b, error, "b of all");
    }
}

#[test]
fn sums_f64() {
    sums::<f64>(1e-13);
}

#[test]
fn sums_f32() {
    // gradients are sums of terms of both signs
    sums::<f32>(2e-5);
}

fn reductions<T: Element>(error: f64) {
    let mut random = Random::new();
    for (n, m) in SHAPES {
        let (x, y): (Vec<[T; 2]>, Vec<[T; 2]>) = (random.cloud(n), random.cloud(m));
        let (x3, y3): (Vec<[T; 3]>, Vec<[T; 3]>) = (random.cloud(n), random.cloud(m));
        let (a, b): (Vec<[T; 1]>, Vec<[T; 3]>) = (random.cloud(n), random.cloud(m));
        let (e1, e2): (Vec<[T; 1]>, Vec<[T; 2]>) = (random.cloud(n), random.cloud(m));
        let e3: Vec<[T; 3]> = random.cloud(m);
        let matrix: [T; 4] = random.cloud(1)[0];
        let shape = (n, m);
        compare!(error, shape, over_i(&x, &y, &a, matrix));
        compare!(error, shape, over_i(&x, &y, &a, matrix).vjp_m(&e2));
        compare!(error, shape, log_sum(T::one(), &x3, &y3));
        compare!(error, shape, log_sum(T::one(), &x3, &y3).vjp_x(&e1));
        compare!(error, shape, log_weighted(&x, &y, &b));
        compare!(error, shape, log_weighted(&x, &y, &b).vjp_b(&e3));
        compare!(error, shape, soft_max(&x, &y, &b));
        compare!(error, shape, min(&x, &y));
    }
}

#[test]
fn reductions_f64() {
    reductions::<f64>(1e-13);
}

#[test]
fn reductions_f32() {
    reductions::<f32>(2e-5);
}

/// Points of a lattice: distances are exact, and many are equal.
fn lattice<T: Element, const D: usize>(random: &mut Random, rows: usize) -> Vec<[T; D]> {
    (0..rows).map(|_| std::array::from_fn(|_| T::from_f64(random.integer(0..9) as f64))).collect()
}

fn neighbours<T: Element>() {
    let mut random = Random::new();
    for (n, m) in SHAPES {
        let (x, y): (Vec<[T; 3]>, Vec<[T; 3]>) = (lattice(&mut random, n), lattice(&mut random, m));
        let cpu = nearest(&x, &y).device(Device::Cpu).eval().unwrap();
        assert_eq!(nearest(&x, &y).device(CUDA).eval().unwrap(), cpu, "{n} x {m}");
        let cpu = nearest_too(&x, &y).device(Device::Cpu).eval().unwrap();
        assert_eq!(nearest_too(&x, &y).device(CUDA).eval().unwrap(), cpu, "{n} x {m}");
        let (x, y): (Vec<[T; 2]>, Vec<[T; 2]>) = (lattice(&mut random, n), lattice(&mut random, m));
        let cpu = max_arg_max(&x, &y).device(Device::Cpu).eval().unwrap();
        assert_eq!(max_arg_max(&x, &y).device(CUDA).eval().unwrap(), cpu, "{n} x {m}");
    }
}

/// Sources in more parts than the merge kernel joins at a time, and the first of many that are equally near.
#[test]
fn one_target_and_many_sources() {
    let mut random = Random::new();
    let (x, y): (Vec<[f32; 3]>, Vec<[f32; 3]>) = (lattice(&mut random, 1), lattice(&mut random, 40_000));
    let cpu = nearest(&x, &y).device(Device::Cpu).eval().unwrap();
    assert_eq!(nearest(&x, &y).device(CUDA).eval().unwrap(), cpu);
}

#[test]
fn neighbours_f64() {
    neighbours::<f64>();
}

#[test]
fn neighbours_f32() {
    neighbours::<f32>();
}

fn dimension<T: Element, const D: usize>(error: f64) {
    let mut random = Random::new();
    for (n, m) in [(3, 20), (130, 70)] {
        let (x, y): (Vec<[T; D]>, Vec<[T; D]>) = (random.rows(n, 0.0..0.5), random.rows(m, 0.0..0.5));
        let (b, e): (Vec<[T; 1]>, Vec<[T; 1]>) = (random.cloud(m), random.cloud(n));
        compare!(error, D, wide(&x, &y, &b));
        compare!(error, D, wide(&x, &y, &b).vjp_x(&e));
    }
}

#[test]
fn dimensions() {
    dimension::<f64, 1>(1e-13);
    dimension::<f32, 1>(2e-6);
    dimension::<f64, 40>(1e-13);
    dimension::<f32, 40>(4e-6);
    dimension::<f64, 300>(1e-13);
    dimension::<f32, 300>(2e-5);
}

fn long_results<T: Element>(error: f64) {
    let mut random = Random::new();
    for (n, m) in [(3, 130), (130, 13)] {
        let (x, y): (Vec<[T; 40]>, Vec<[T; 1]>) = (random.cloud(n), random.cloud(m));
        compare!(error, (n, m), short_source(&x, &y));
        compare!(error, (n, m), no_source(&x));
    }
    for (n, m) in WIDE_SHAPES {
        let shape = (n, m);
        let g: T = random.number(0.5..1.0);
        let (x, y): (Vec<[T; 3]>, Vec<[T; 3]>) = (random.cloud(n), random.cloud(m));
        let b: Vec<[T; 70]> = random.cloud(m);
        compare!(error, shape, long_right(g, &x, &y, &b));
        let (x, y): (Vec<[T; 40]>, Vec<[T; 40]>) = (random.rows(n, 0.0..0.5), random.rows(m, 0.0..0.5));
        let (b, e): (Vec<[T; 1]>, Vec<[T; 1]>) = (random.cloud(m), random.cloud(n));
        compare!(error, shape, wide(&x, &y, &b).vjp_x(&e));
        compare!(error, shape, wide(&x, &y, &b).vjp_y(&e));
        let all = wide(&x, &y, &b).vjp(&e).device(CUDA).eval().unwrap();
        let cpu = wide(&x, &y, &b).vjp(&e).device(Device::Cpu).eval().unwrap();
        compare_rows(&cpu.y, &all.y, error, "y of all");
        compare_rows(&cpu.b, &all.b, error, "b of all");
        let (x, y): (Vec<[T; 50]>, Vec<[T; 50]>) = (random.cloud(n), random.cloud(m));
        compare!(error, shape, without_contractions(g, &x, &y));
    }
}

#[test]
fn rows_longer_than_registers() {
    long_results::<f32>(2e-5);
    long_results::<f64>(1e-13);
}

/// Around whole groups of sources, whole tiles, and several blocks of targets.
const WIDE_SHAPES: [(usize, usize); 5] = [(1, 1), (3, 12), (2, 13), (5, 40), (130, 25)];

fn wide_values<T: Element, const D: usize>(error: f64) {
    let mut random = Random::new();
    for (n, m) in &WIDE_SHAPES[..if D < 100 { 5 } else { 4 }] {
        let (x, y): (Vec<[T; D]>, Vec<[T; D]>) = (random.rows(*n, 0.0..0.5), random.rows(*m, 0.0..0.5));
        let b: Vec<[T; 1]> = random.cloud(*m);
        compare!(error, (D, n, m), wide_value(&x, &y, &b));
    }
}

#[test]
fn long_targets() {
    wide_values::<f32, 31>(2e-6);
    wide_values::<f32, 32>(2e-6);
    wide_values::<f32, 33>(2e-6);
    wide_values::<f32, 1000>(2e-5);
    wide_values::<f64, 31>(1e-13);
    wide_values::<f64, 32>(1e-13);
    wide_values::<f64, 33>(1e-13);
    wide_values::<f64, 1000>(1e-13);
}

fn wide_reductions<T: Element>(error: f64) {
    let mut random = Random::new();
    for (n, m) in WIDE_SHAPES {
        let shape = (n, m);
        let (x, y): (Vec<[T; 37]>, Vec<[T; 37]>) = (random.cloud(n), random.cloud(m));
        compare!(error, shape, wide_log_sum(&x, &y));
        let (x, y): (Vec<[T; 40]>, Vec<[T; 40]>) = (random.cloud(n), random.cloud(m));
        let (b, e): (Vec<[T; 6]>, Vec<[T; 6]>) = (random.cloud(m), random.cloud(n));
        compare!(error, shape, wide_mean(&x, &y, &b));
        compare!(error, shape, wide_mean(&x, &y, &b).vjp_x(&e));
        compare!(error, shape, wide_mean(&x, &y, &b).vjp_y(&e));
        let p = [T::from_f64(0.02), T::from_f64(0.03)];
        let (x, y): (Vec<[T; 35]>, Vec<[T; 35]>) = (random.cloud(n), random.cloud(m));
        let (a, b): (Vec<[T; 3]>, Vec<[T; 2]>) = (random.cloud(n), random.cloud(m));
        let (u, v): (Vec<[T; 17]>, Vec<[T; 17]>) = (random.cloud(n), random.cloud(m));
        compare!(error, shape, two_contractions(p, &a, &x, &u, &b, &y, &v));
    }
}

#[test]
fn reductions_over_long_targets() {
    wide_reductions::<f32>(4e-5);
    wide_reductions::<f64>(1e-13);
}

/// Exponents that rise or fall by up to 62 from source to source, in sums over bundles of sources.
fn steep_exponents<T: Element>(error: f64) {
    let mut random = Random::new();
    let (inf, nan) = (f64::INFINITY, f64::NAN);
    let x: Vec<[T; 1]> =
        [1.0, -1.0, 0.0, 0.3, 2.5, -0.01, 1e-3].iter().cycle().take(140).map(|&x| [T::from_f64(x)]).collect();
    for m in [1, 7, 8, 37] {
        let b: Vec<[T; 70]> = random.rows(m, 0.5..1.5);
        for special in
            [&[][..], &[(0, -inf)], &[(3, inf)], &[(5, nan)], &[(0, -inf), (9, -inf), (33, inf)], &[(30, nan)]]
        {
            let mut exponents: Vec<f64> = (0..m).map(|j| 25.0 * (j as f64 - 10.0)).collect();
            for &(j, exponent) in special {
                if let Some(at) = exponents.get_mut(j) {
                    *at = exponent;
                }
            }
            let y: Vec<[T; 1]> = exponents.iter().map(|&y| [T::from_f64(y)]).collect();
            compare!(error, special, many_weighted(&x, &y, &b));
            compare!(error, special, log_many_weighted(&x, &y, &b));
        }
        let y = vec![[T::neg_infinity()]; m];
        compare!(error, m, many_weighted(&x, &y, &b));
        compare!(error, m, log_many_weighted(&x, &y, &b));
    }
    for (n, m) in WIDE_SHAPES {
        let (x, y): (Vec<[T; 34]>, Vec<[T; 34]>) = (random.cloud(n), random.cloud(m));
        let b: Vec<[T; 40]> = random.cloud(m);
        compare!(error, (n, m), attention(&x, &y, &b));
    }
}

#[test]
fn exponentials_of_many_components() {
    steep_exponents::<f32>(4e-5);
    steep_exponents::<f64>(1e-13);
}

fn wide_neighbours<T: Element, const D: usize>() {
    let mut random = Random::new();
    for (n, m) in [(1, 1), (3, 12), (130, 37)] {
        let (x, y): (Vec<[T; D]>, Vec<[T; D]>) = (lattice(&mut random, n), lattice(&mut random, m));
        let cpu = wide_nearest(&x, &y).device(Device::Cpu).eval().unwrap();
        assert_eq!(wide_nearest(&x, &y).device(CUDA).eval().unwrap(), cpu, "{D}: {n} x {m}");
    }
}

#[test]
fn neighbours_of_long_targets() {
    wide_neighbours::<f32, 17>();
    wide_neighbours::<f64, 17>();
    wide_neighbours::<f32, 50>();
    wide_neighbours::<f64, 50>();
    wide_neighbours::<f32, 1000>();
    wide_neighbours::<f64, 1000>();
}

#[test]
fn formulas_that_lack_variables() {
    let mut random = Random::new();
    let p: [f64; 2] = random.cloud(1)[0];
    let y: Vec<[f64; 2]> = random.cloud(700);
    let e: Vec<[f64; 2]> = random.cloud(1);
    compare!(1e-13, (), alone(p, &y));
    compare!(1e-13, (), alone(p, &y).vjp_p(&e));
    compare!(1e-13, (), alone(p, &y).vjp_y(&e));
    compare!(1e-13, (), single(p, &y));
}

#[test]
fn elementary_functions() {
    let mut random = Random::new();
    let (x, y): (Vec<[f64; 2]>, Vec<[f64; 2]>) = (random.cloud(50), random.cloud(20));
    compare!(1e-13, (), functions(&x, &y));
    let (x, y): (Vec<[f32; 2]>, Vec<[f32; 2]>) = (random.cloud(50), random.cloud(20));
    compare!(4e-6, (), functions(&x, &y));
    let (x, y): (Vec<[f32; 1]>, Vec<[f32; 1]>) = (random.rows(50, -300.0..300.0), random.cloud(20));
    let (x, y) = (&x.iter().map(|x| [x[0] / 300.0]).collect::<Vec<_>>(), &y);
    compare!(20.0 * epsilon::<f32>(), (), precise(x, y));
}

#[test]
fn infinities_and_nan_are_those_of_the_processor() {
    let special = [0.0, 1.0, -1.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1e300];
    let x: Vec<[f64; 2]> = special.iter().flat_map(|&a| special.iter().map(move |&b| [a, b])).collect();
    let b: Vec<[f64; 3]> = x.iter().map(|x| [x[0].abs().min(2.0), 0.5, 1.0]).collect();
    compare!(1e-13, (), min(&x, &x));
    compare!(1e-13, (), soft_max(&x, &x, &b));
    compare!(1e-13, (), log_weighted(&x, &x, &b));
    let y: Vec<[f64; 3]> = x.iter().map(|x| [x[0], x[1], 0.0]).collect();
    compare!(1e-13, (), log_sum(1.0, &y, &y));
}

/// Numbers of either type, those near the end of the range of `f32` as if they were all the same.
fn in_range<T: Element, const D: usize>(rows: &[[T; D]]) -> Vec<[f64; D]> {
    rows.iter().map(|row| row.map(|number| number.exact().clamp(-1e38, 1e38))).collect()
}

/// The fast kernels scale coordinates by the root of the factor of a Gaussian's exponent. Whatever the factor, and where
/// that overflows, the result is that of `f64`.
#[test]
fn scaled_exponents() {
    let mut random = Random::new();
    let same = |g: f32, x: &Vec<[f32; 3]>, y: &Vec<[f32; 3]>, what: &str| {
        let (b, wide_b) = (vec![[1.0_f32, -0.5]; y.len()], vec![[1.0, -0.5]; y.len()]);
        let what = format!("{what}, g = {g:e}");
        let (wide_g, wide_x, wide_y) = (f64::from(g), harness::wide(x), harness::wide(y));
        let cpu = gaussian_product(wide_g, &wide_x, &wide_y, &wide_b).device(Device::Cpu).eval().unwrap();
        let cuda = gaussian_product(g, x, y, &b).device(CUDA).eval().unwrap();
        compare_rows(&in_range(&cpu), &in_range(&cuda), 2e-5, &what);
        let cpu = log_sum(wide_g, &wide_x, &wide_y).device(Device::Cpu).eval().unwrap();
        compare_rows(&in_range(&cpu), &in_range(&log_sum(g, x, y).device(CUDA).eval().unwrap()), 2e-5, &what);
    };
    let (x, y): (Vec<[f32; 3]>, Vec<[f32; 3]>) = (random.cloud(40), random.cloud(140));
    for g in [0.0, -0.0, 1e-40, 1e-20, 0.3, 100.0, 1e20, 1e38, -0.3, -10.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN]
    {
        same(g, &x, &y, "a cloud");
    }
    // equal rows whose scaled coordinates overflow, and rows that are far from each other
    for size in [1e10_f32, 1e20, 1e30, 3e38] {
        let rows = |rows: &[[f32; 3]]| rows.iter().map(|row| row.map(|c| c * size)).collect::<Vec<_>>();
        let (x, mut y) = (rows(&x), rows(&y));
        y[7] = x[3];
        y[139] = x[39];
        for g in [1e-38, 1e-20, 1.0, 1e10, 1e30] {
            same(g, &x, &y, "far from 0");
        }
    }
    let mut x = x;
    x[5] = [f32::NAN, 0.0, 0.0];
    x[6] = [f32::INFINITY, 0.0, 0.0];
    same(0.7, &x, &y, "not finite");
    same(0.7, &y, &x, "not finite");
    // in one dimension and with a constant factor
    let (x, y): (Vec<[f32; 2]>, Vec<[f32; 2]>) = (random.rows(300, -2e30..2e30), random.rows(9, -2e30..2e30));
    let y: Vec<[f32; 2]> = y.into_iter().chain(x.iter().copied().step_by(20)).collect();
    compare!(2e-5, (), unit_gaussian(&x, &y));
}

/// What is beside an exponential may read the vectors of the squared distance in it, which are not scaled then.
#[test]
fn vectors_of_squared_distances() {
    let mut random = Random::new();
    for (n, m) in SHAPES {
        let (x, y): (Vec<[f32; 3]>, Vec<[f32; 3]>) = (random.cloud(n), random.cloud(m));
        if m > 0 {
            compare!(1e-5, (n, m), mean_shift(&x, &y));
            compare!(1e-5, (n, m), mean_shift(&x, &y).vjp_x(&x));
        }
        compare!(1e-5, (n, m), beside(0.3_f32, &x, &y));
    }
}

/// Arguments and results that stay on the device give the bits of those that do not.
#[test]
fn arrays() -> Result<(), Error> {
    let mut random = Random::new();
    let g: f32 = random.number(0.5..1.0);
    for (n, m) in SHAPES {
        let (x, y): (Vec<[f32; 3]>, Vec<[f32; 3]>) = (random.cloud(n), random.cloud(m));
        let (b, e): (Vec<[f32; 2]>, Vec<[f32; 2]>) = (random.cloud(m), random.cloud(n));
        let (gd, xd, yd) = (CUDA.upload(&[[g]])?, CUDA.upload(&x)?, CUDA.upload(&y)?);
        let (bd, ed) = (CUDA.upload(&b)?, CUDA.upload(&e)?);
        assert_eq!((xd.device(), xd.len(), xd.download()?.into_vec()), (CUDA, n, x.clone()));

        let host = gaussian_product(g, &x, &y, &b).device(CUDA).eval()?;
        assert_eq!(gaussian_product(&gd, &xd, &yd, &bd).eval()?, host);
        let left = gaussian_product(g, &xd, &y, &bd).eval_on_device()?;
        assert_eq!((left.device(), left.len(), left.download()?), (CUDA, n, host));

        let host = gaussian_product(g, &x, &y, &b).vjp(&e).device(CUDA).eval()?;
        let left = gaussian_product(&gd, &xd, &yd, &bd).vjp(&ed).eval_on_device()?;
        assert_eq!((left.g.download()?, left.x.download()?), (host.g, host.x));
        assert_eq!((left.y.download()?, left.b.download()?), (host.y, host.b));

        let (values, indices) = nearest_too(&x, &y).device(CUDA).eval()?;
        let (left_values, left_indices) = nearest_too(&xd, &yd).eval_on_device()?;
        assert_eq!((left_values.download()?, left_indices.download()?), (values, indices));

        let u: Vec<[f32; 1]> = random.cloud(n);
        let host = log_sum(g, &x, &y).vjp_x(&u).device(CUDA).eval()?;
        assert_eq!(log_sum(&gd, &xd, &yd).vjp_x(&u).eval_on_device()?.download()?, host);
    }
    Ok(())
}

#[test]
fn arrays_elsewhere() -> Result<(), Error> {
    let x = [[1.0_f64, 2.0], [3.0, 4.0]];
    let on_device = CUDA.upload(&x)?;
    let error = min(&on_device, &x).device(Device::Cpu).eval().unwrap_err();
    assert_eq!(error, Error::OtherDevice { variable: "x", place: CUDA, device: Device::Cpu });
    let error = min(&x, &on_device).device(Device::Cuda(1)).eval().unwrap_err();
    assert_eq!(error, Error::OtherDevice { variable: "y", place: CUDA, device: Device::Cuda(1) });
    assert_eq!(
        min(&x, &on_device).device(Device::AllCuda).eval_on_device().unwrap_err().to_string(),
        "`y` is on the CUDA device 0, but the call runs on all CUDA devices"
    );
    assert_eq!(min(&x, &x).device(Device::AllCuda).eval_on_device().unwrap_err(), Error::NotOnePlace);
    assert_eq!(Device::AllCuda.upload(&x).unwrap_err(), Error::NotOnePlace);
    // a call whose formula has no kernel cannot take them, and says which
    let error = without_instances(&on_device, &x).eval().unwrap_err();
    assert!(matches!(error, Error::NoKernel { .. }), "{error}");
    // there and back
    let here = Device::Cpu.upload(&on_device)?;
    assert_eq!((here.device(), here.download()?.into_vec()), (Device::Cpu, x.to_vec()));
    assert_eq!(min(&here, &x).device(CUDA).eval()?, min(&x, &x).device(CUDA).eval()?);
    let flat: Result<DeviceRows<f64, 2>, _> = CUDA.upload(&[1.0, 2.0, 3.0]);
    assert_eq!(flat.unwrap_err(), Error::FlatLength { variable: "rows", len: 3, dim: 2 });
    assert!(matches!(Device::Cuda(9).upload(&x).unwrap_err(), Error::NoCudaDevice { ordinal: 9, .. }));
    Ok(())
}

/// The rows of several devices come in their order.
#[test]
fn all_devices() -> Result<(), Error> {
    let mut random = Random::new();
    for (n, m) in SHAPES.into_iter().chain([(2000, 40)]) {
        let (x, y): (Vec<[f64; 3]>, Vec<[f64; 3]>) = (random.cloud(n), random.cloud(m));
        let (b, e): (Vec<[f64; 2]>, Vec<[f64; 2]>) = (random.cloud(m), random.cloud(n));
        let one = |device| gaussian_product(0.7, &x, &y, &b).device(device).eval();
        compare_rows(&one(Device::Cpu)?, &one(Device::AllCuda)?, 1e-13, "all devices");
        let all = |device| gaussian_product(0.7, &x, &y, &b).vjp(&e).device(device).eval();
        let (cpu, cuda) = (all(Device::Cpu)?, all(Device::AllCuda)?);
        compare_rows(&cpu.g, &cuda.g, 1e-13, "g");
        compare_rows(&cpu.x, &cuda.x, 1e-13, "x");
        compare_rows(&cpu.y, &cuda.y, 1e-13, "y");
        let near = |device| nearest(&x, &y).device(device).eval();
        assert_eq!(near(Device::Cpu)?, near(Device::AllCuda)?);
        let u: Vec<[f64; 1]> = random.cloud(n);
        let log = |device| log_sum(0.7, &x, &y).vjp_x(&u).device(device).eval();
        compare_rows(&log(Device::Cpu)?, &log(Device::AllCuda)?, 1e-13, "x of log");
    }
    Ok(())
}

#[test]
fn errors() {
    let x = vec![[1.0_f64; 2]; 3];
    let no_kernel = without_instances(&x, &x).device(CUDA).eval().unwrap_err();
    assert!(matches!(no_kernel, Error::NoKernel { .. }), "{no_kernel}");
    assert!(no_kernel.to_string().contains("[2] f64"), "{no_kernel}");
    // the processor takes what the device cannot
    assert_eq!(without_instances(&x, &x).eval().unwrap().len(), 3);
    let error = min(&x, &x).device(Device::Cuda(1000)).eval().unwrap_err();
    assert!(matches!(error, Error::NoCudaDevice { ordinal: 1000, .. }), "{error}");
    let error = gaussian_product(1.0, &[[0.0; 3]; 2], &[[0.0; 3]; 4], &[[0.0; 2]; 5]).device(CUDA).eval().unwrap_err();
    assert_eq!(error, Error::RowCount { variable: "b", rows: 5, other: "y", other_rows: 4 });
}

/// 50,000 components, of which a thread of a device can have none of its sums.
#[test]
fn rows_too_long() {
    let (x, y) = ([[0.5_f32; 200]; 2], [[2.0; 250]; 3]);
    let error = outer(&x, &y).device(CUDA).eval().unwrap_err();
    assert!(matches!(error, Error::LongRows { needed, most, .. } if needed > most), "{error}");
    // the processor takes them
    assert!(outer(&x, &y).eval().unwrap().as_flat().iter().all(|&sum| sum == 3.0));
}

/// `cargo xtask test-cuda --no-device`: without a driver, or with one that finds no device.
#[test]
#[ignore = "needs a machine without a device"]
fn without_a_device() {
    let (x, y) = (vec![[1.0_f64, 2.0]; 3], vec![[3.0, 4.0]; 5]);
    let cpu = min(&x, &y).device(Device::Cpu).eval().unwrap();
    assert_eq!(min(&x, &y).eval().unwrap(), cpu);
    assert_eq!(min(&x, &y).device(Device::Auto).eval().unwrap(), cpu);
    for ordinal in [0, 3] {
        let error = min(&x, &y).device(Device::Cuda(ordinal)).eval().unwrap_err();
        println!("{error}");
        assert!(matches!(error, Error::NoCudaDevice { ordinal: found, .. } if found == ordinal), "{error}");
    }
}
