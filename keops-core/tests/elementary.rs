//! Accuracy of the elementary functions, in units in the last place (ULP), on every instruction set of this machine.
//!
//! In f32 the reference is the f64 function of the standard library, whose error is a billion times smaller. By default
//! every 997th of the 2^32 arguments is tried, and all arguments near special ones. Trying all arguments takes some
//! minutes:
//!
//!     KEOPS_EXHAUSTIVE=1 cargo test --release -p keops-core --test elementary -- --nocapture
//!
//! In f64 the arguments are random, and the reference is again the standard library, whose error (0.5 to 0.6 ULP with
//! glibc) adds to the errors that are found. The largest errors are printed; docs/elementary-functions.md has the
//! table.

use std::{marker::PhantomData, sync::Mutex};

use keops_core::{
    call::Element,
    lanes::Lanes,
    number::{Packed, ops},
};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

/// A function under test.
trait Function: Send + Sync {
    const NAME: &'static str;
    /// The largest error allowed, in ULP: f32, f64.
    const BOUNDS: [f64; 2];
    /// Whether a result below twice the smallest normal number may be any number from 0 to twice the smallest normal
    /// number.
    const FLUSHES: bool = false;
    fn lanes<R: Packed>(cx: R::Cx, x: R, y: R) -> R;
    fn reference(x: f64, y: f64) -> f64;
}

macro_rules! functions {
    ($( $name:ident: $lanes:expr, $reference:expr, bounds: $bounds:expr $(, flushes: $flushes:literal)?; )*) => {$(
        struct $name;
        impl Function for $name {
            const NAME: &'static str = stringify!($name);
            const BOUNDS: [f64; 2] = $bounds;
            $( const FLUSHES: bool = $flushes; )?
            #[inline(always)]
            fn lanes<R: Packed>(cx: R::Cx, x: R, y: R) -> R {
                ($lanes)(cx, x, y)
            }
            fn reference(x: f64, y: f64) -> f64 {
                ($reference)(x, y)
            }
        }
    )*};
}

functions! {
    Exp2: |cx, x, _| R::exp2(cx, x), |x: f64, _| x.exp2(), bounds: [1.3, 3.0], flushes: true;
    Exp: |cx, x, _| R::exp(cx, x), |x: f64, _| x.exp(), bounds: [1.2, 3.0], flushes: true;
    Log2: |cx, x, _| R::log2(cx, x), |x: f64, _| x.log2(), bounds: [1.45, 3.0];
    Log: |cx, x, _| R::log(cx, x), |x: f64, _| x.ln(), bounds: [0.95, 3.0];
    Sin: |cx, x, _| R::sin(cx, x), |x: f64, _| x.sin(), bounds: [1.6, 3.0];
    Cos: |cx, x, _| R::cos(cx, x), |x: f64, _| x.cos(), bounds: [1.6, 3.0];
    Pow: |cx, x, y| R::pow(cx, x, y), |x: f64, y| x.powf(y), bounds: [1.3, 3.0], flushes: true;
    Asin: |cx, x, _| R::asin(cx, x), |x: f64, _| x.asin(), bounds: [1.25, 3.0];
    Acos: |cx, x, _| R::acos(cx, x), |x: f64, _| x.acos(), bounds: [1.2, 3.0];
    Atan: |cx, x, _| R::atan(cx, x), |x: f64, _| x.atan(), bounds: [1.55, 3.0];
    Hypot: |cx, x, y| ops::hypot(cx, x, y), hypot, bounds: [1.15, 2.0];
    Direction: |cx, x, y| ops::direction(cx, x, y), direction, bounds: [1.95, 3.0];
    OverSquare: |cx, x, y| ops::over_square(cx, x, y), |x: f64, y: f64| if x == 0.0 && y == 0.0 { 0.0 } else { x / (x * x + y * y) }, bounds: [2.2, 0.0];
    Atan2: |cx, y, x| R::atan2(cx, y, x), |y: f64, x| y.atan2(x), bounds: [1.65, 3.0];
    Log10: |cx, x, _| R::log10(cx, x), |x: f64, _| x.log10(), bounds: [1.7, 3.0];
    ExpM1: |cx, x, _| R::exp_m1(cx, x), |x: f64, _| x.exp_m1(), bounds: [1.2, 3.0];
    Ln1p: |cx, x, _| R::ln_1p(cx, x), |x: f64, _| x.ln_1p(), bounds: [0.95, 3.0];
    Tan: |cx, x, _| R::tan(cx, x), |x: f64, _| x.tan(), bounds: [2.05, 3.0];
    Sinh: |cx, x, _| R::sinh(cx, x), |x: f64, _| x.sinh(), bounds: [1.7, 3.0];
    Cosh: |cx, x, _| R::cosh(cx, x), |x: f64, _| x.cosh(), bounds: [1.6, 3.0];
    Tanh: |cx, x, _| R::tanh(cx, x), |x: f64, _| x.tanh(), bounds: [1.45, 3.0];
    Asinh: |cx, x, _| R::asinh(cx, x), |x: f64, _| libm::asinh(x), bounds: [1.4, 3.0];
    Acosh: |cx, x, _| R::acosh(cx, x), |x: f64, _| if x < 1.0 { f64::NAN } else { libm::acosh(x) }, bounds: [1.2, 3.0];
    Atanh: |cx, x, _| R::atanh(cx, x), |x: f64, _| libm::atanh(x), bounds: [1.1, 3.0];
    Erf: |cx, x, _| R::erf(cx, x), |x: f64, _| libm::erf(x), bounds: [1.3, 3.0];
    Erfc: |cx, x, _| R::erfc(cx, x), |x: f64, _| libm::erfc(x), bounds: [3.8, 5.0], flushes: true;
    Cbrt: |cx, x, _| R::cbrt(cx, x), |x: f64, _| x.cbrt(), bounds: [0.65, 3.0];
    Sigmoid: |cx, x, _| ops::sigmoid(cx, x), |x: f64, _| 1.0 / (1.0 + (-x).exp()), bounds: [2.3, 3.0], flushes: true;
    Softplus: |cx, x, _| ops::softplus(cx, x), |x: f64, _| x.max(0.0) + (-x.abs()).exp().ln_1p(), bounds: [1.75, 3.0], flushes: true;
    Sech: |cx, x, _| ops::sech(cx, x), |x: f64, _| 1.0 / x.cosh(), bounds: [2.5, 4.0], flushes: true;
}

/// The length of (x, y), and NaN where C's function prefers infinity.
fn hypot(x: f64, y: f64) -> f64 {
    if x.is_nan() || y.is_nan() { f64::NAN } else { x.hypot(y) }
}

/// x divided by the length of (x, y), and 0 at the origin.
fn direction(x: f64, y: f64) -> f64 {
    if x == 0.0 && y == 0.0 {
        return 0.0;
    }
    let scale = match x.abs().max(y.abs()) {
        large if large > 1e300 => 1e-20,
        small if small < 1e-280 => 1e280,
        _ => 1.0,
    };
    x / hypot(scale * x, scale * y) * scale
}

/// Applies a function to whole slices on one instruction set.
struct Apply<'a, F, T>(&'a [T], &'a [T], &'a mut [T], PhantomData<F>);

impl<F: Function, T: Element> WithSimd for Apply<'_, F, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        tiles::<F, Lanes<T, S, 8>>(simd, self.0, self.1, self.2);
    }
}

#[inline(always)]
fn tiles<F: Function, R: Packed>(cx: R::Cx, x: &[R::Scalar], y: &[R::Scalar], to: &mut [R::Scalar]) {
    // Not by iterators over chunks: the library's debug checks on each chunk take most of the test's time.
    for k in (0..x.len()).step_by(R::LANES) {
        F::lanes(cx, R::load(cx, &x[k..]), R::load(cx, &y[k..])).store(cx, &mut to[k..]);
    }
}

/// The number of results that are checked at a time; a multiple of the lanes of every tile.
const BLOCK: usize = 4096;

#[derive(Clone, Copy)]
enum Engine {
    Plain,
    Scalar,
    #[cfg(target_arch = "x86_64")]
    V3(pulp::x86::V3),
    #[cfg(target_arch = "x86_64")]
    V4(pulp::x86::V4),
    #[cfg(not(target_arch = "x86_64"))]
    Best,
}

impl Engine {
    fn all() -> Vec<(&'static str, Engine)> {
        let mut all = vec![("plain", Engine::Plain), ("scalar", Engine::Scalar)];
        #[cfg(not(target_arch = "x86_64"))]
        all.push(("best", Engine::Best));
        #[cfg(target_arch = "x86_64")]
        {
            all.extend(pulp::x86::V3::try_new().map(|v3| ("AVX2", Engine::V3(v3))));
            all.extend(pulp::x86::V4::try_new().map(|v4| ("AVX-512", Engine::V4(v4))));
        }
        all
    }

    fn apply<F: Function, T: Element>(self, x: &[T], y: &[T], to: &mut [T]) {
        let apply = Apply::<F, T>(x, y, to, PhantomData);
        match self {
            Engine::Plain => tiles::<F, T>((), x, y, to),
            Engine::Scalar => pulp::Scalar::new().vectorize(apply),
            #[cfg(target_arch = "x86_64")]
            Engine::V3(simd) => Simd::vectorize(simd, apply),
            #[cfg(target_arch = "x86_64")]
            Engine::V4(simd) => Simd::vectorize(simd, apply),
            #[cfg(not(target_arch = "x86_64"))]
            Engine::Best => pulp::Arch::new().dispatch(apply),
        }
    }
}

/// `num_traits` has a method of the same name that gives an option.
fn wide<T: Element>(value: T) -> f64 {
    Element::to_f64(value)
}

/// Distance of `found` from `exact` in ULP of the element type; infinite if only one of them is NaN.
fn ulps<T: Element>(found: T, exact: f64, flushes: bool) -> f64 {
    let found = wide(found);
    if found.is_nan() || exact.is_nan() {
        return if found.is_nan() && exact.is_nan() { 0.0 } else { f64::INFINITY };
    }
    if found == exact {
        return 0.0;
    }
    let smallest = wide(T::min_positive_value());
    if flushes && (0.0..=2.0 * smallest).contains(&found) && exact.abs() < 2.0 * smallest {
        return 0.0;
    }
    // Infinity counts as the first number out of range. In f64 that number is out of range itself, so large numbers are
    // halved.
    let scale = if exact.abs() > 1.0 { 0.5 } else { 1.0 };
    let overflow = wide(T::max_value()) * scale * (1.0 + wide(T::epsilon()) * 0.5);
    let cut = |v: f64| (v * scale).clamp(-overflow, overflow);
    let binade = f64::from_bits(exact.abs().clamp(smallest, wide(T::max_value())).to_bits() & (0x7ff << 52));
    (cut(found) - cut(exact)).abs() / (binade * scale) / wide(T::epsilon())
}

#[derive(Clone, Copy, Default)]
struct Worst {
    ulps: f64,
    at: (f64, f64),
    found: f64,
}

impl Worst {
    fn max(self, other: Worst) -> Worst {
        if other.ulps > self.ulps { other } else { self }
    }
}

/// Checks all engines on blocks of arguments, prints the largest error of each and asserts the bound.
fn judge<F: Function, T: Element>(bound: f64, blocks: impl ParallelIterator<Item = (Vec<T>, Vec<T>)>) {
    let engines = Engine::all();
    let worst = Mutex::new(vec![Worst::default(); engines.len()]);
    blocks.for_each(|(mut x, mut y)| {
        x.resize(x.len().next_multiple_of(BLOCK), T::one());
        y.resize(x.len(), T::one());
        let exact: Vec<f64> = x.iter().zip(&y).map(|(&x, &y)| F::reference(wide(x), wide(y))).collect();
        let mut found = vec![T::zero(); x.len()];
        for (k, (_, engine)) in engines.iter().enumerate() {
            // Scalar lanes compute the same as plain numbers, and are slow in debug builds, which check every cast:
            // fewer arguments are tried.
            let fewer = matches!(engine, Engine::Scalar) && !exhaustive() && x.len() == BLOCK;
            let tried = if fewer { BLOCK / 8 } else { x.len() };
            engine.apply::<F, T>(&x[..tried], &y[..tried], &mut found);
            let mut here = Worst::default();
            for (i, &exact) in exact[..tried].iter().enumerate() {
                let at = (wide(x[i]), wide(y[i]));
                here = here.max(Worst { ulps: ulps(found[i], exact, F::FLUSHES), at, found: wide(found[i]) });
            }
            let mut worst = worst.lock().unwrap();
            worst[k] = worst[k].max(here);
        }
    });
    for ((name, _), worst) in engines.iter().zip(worst.into_inner().unwrap()) {
        let Worst { ulps, at, found } = worst;
        let ty = std::any::type_name::<T>();
        println!("{:5} {ty} {name:8} {ulps:.3} ULP at {at:?}: {found:e}", F::NAME);
        assert!(ulps <= bound, "{} {ty} {name}: {ulps} ULP at {at:?}: {found:e}", F::NAME);
    }
}

fn exhaustive() -> bool {
    std::env::var_os("KEOPS_EXHAUSTIVE").is_some_and(|v| v == "1")
}

/// Every f32, or every 997th and the numbers near the special ones.
fn judge_f32<F: Function>() {
    let step: u64 = if exhaustive() { 1 } else { 997 };
    let blocks = (1u64 << 32) / step / BLOCK as u64 + 1;
    let block = |k: u64| {
        let first = k * BLOCK as u64 * step;
        let x: Vec<f32> = (0..BLOCK as u64).map(|i| f32::from_bits((first + i * step) as u32)).collect();
        (x, vec![])
    };
    let blocks = (0..blocks as usize).into_par_iter().map(|k| block(k as u64));
    judge::<F, f32>(F::BOUNDS[0], blocks.chain(rayon::iter::once((special_f32(), vec![]))));
}

/// Special numbers, where algorithms change over, and their neighbours.
fn special_f32() -> Vec<f32> {
    let mut centres =
        vec![f32::NAN, f32::INFINITY, f32::MAX, f32::MIN_POSITIVE, 0.0, 1e-45, 88.722_84, 87.336_55, 89.0];
    centres.extend((-149..128).map(|e| 2f64.powi(e) as f32));
    centres.extend((1..300).map(|n| n as f32 / 2.0));
    centres.extend((1..8000).map(|n| (f64::from(n) * std::f64::consts::FRAC_PI_2) as f32));
    centres.extend([12_000.0, std::f32::consts::SQRT_2, std::f32::consts::FRAC_1_SQRT_2]);
    let around = |c: f32| (-4..=4).map(move |d: i32| f32::from_bits(c.to_bits().wrapping_add(d as u32)));
    centres.into_iter().flat_map(around).flat_map(|x| [x, -x]).collect()
}

/// SplitMix64 (Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Random f64 over all bit patterns and over each range, and special ones.
fn judge_f64<F: Function>(ranges: &[(f64, f64)]) {
    let blocks = if exhaustive() { 10_000 } else { 15 };
    let block = |k: usize| {
        let mut random = Random(k as u64);
        let mut x: Vec<f64> = (0..BLOCK / 4).map(|_| f64::from_bits(random.bits())).collect();
        while x.len() < BLOCK {
            x.extend(ranges.iter().map(|&(low, high)| random.between(low, high)));
        }
        (x, vec![])
    };
    let blocks = (0..blocks).into_par_iter().map(block);
    judge::<F, f64>(F::BOUNDS[1], blocks.chain(rayon::iter::once((special_f64(), vec![]))));
}

fn special_f64() -> Vec<f64> {
    let mut centres = vec![f64::NAN, f64::INFINITY, f64::MAX, f64::MIN_POSITIVE, 0.0, 5e-324];
    centres.extend([709.782_712_893_384, 708.396_418_532_264, 1.6e6]);
    centres.extend((-1074..1024).map(|e| 2f64.powi(e)));
    centres.extend((1..2100).map(|n| f64::from(n) / 2.0));
    centres.extend((1..8000).map(|n| f64::from(n) * std::f64::consts::FRAC_PI_2));
    centres.extend([std::f64::consts::SQRT_2, std::f64::consts::FRAC_1_SQRT_2]);
    let around = |c: f64| (-4..=4).map(move |d: i64| f64::from_bits(c.to_bits().wrapping_add(d as u64)));
    centres.into_iter().flat_map(around).flat_map(|x| [x, -x]).collect()
}

#[test]
fn exp2_f32() {
    judge_f32::<Exp2>();
}
#[test]
fn exp2_f64() {
    judge_f64::<Exp2>(&[(-1080.0, 1030.0), (-1.0, 1.0), (-30.0, 0.0)]);
}
#[test]
fn exp_f32() {
    judge_f32::<Exp>();
}
#[test]
fn exp_f64() {
    judge_f64::<Exp>(&[(-750.0, 715.0), (-1.0, 1.0), (-30.0, 0.0)]);
}
#[test]
fn log2_f32() {
    judge_f32::<Log2>();
}
#[test]
fn log2_f64() {
    judge_f64::<Log2>(&[(0.5, 2.0), (0.9, 1.1), (0.0, 100.0)]);
}
#[test]
fn log_f32() {
    judge_f32::<Log>();
}
#[test]
fn log_f64() {
    judge_f64::<Log>(&[(0.5, 2.0), (0.9, 1.1), (0.0, 100.0)]);
}
#[test]
fn sin_f32() {
    judge_f32::<Sin>();
}
#[test]
fn sin_f64() {
    judge_f64::<Sin>(&[(-1.6, 1.6), (-100.0, 100.0), (-1.7e6, 1.7e6)]);
}
#[test]
fn cos_f32() {
    judge_f32::<Cos>();
}
#[test]
fn cos_f64() {
    judge_f64::<Cos>(&[(-1.6, 1.6), (-100.0, 100.0), (-1.7e6, 1.7e6)]);
}

#[test]
fn asin_f32() {
    judge_f32::<Asin>();
}
#[test]
fn asin_f64() {
    judge_f64::<Asin>(&[(-1.0, 1.0), (0.49, 0.51), (-1e-3, 1e-3)]);
}
#[test]
fn acos_f32() {
    judge_f32::<Acos>();
}
#[test]
fn acos_f64() {
    judge_f64::<Acos>(&[(-1.0, 1.0), (0.49, 0.51), (0.99, 1.0)]);
}
#[test]
fn atan_f32() {
    judge_f32::<Atan>();
}
#[test]
fn atan_f64() {
    judge_f64::<Atan>(&[(-1.1, 1.1), (0.99, 1.01), (-30.0, 30.0)]);
}

#[test]
fn log10_f32() {
    judge_f32::<Log10>();
}
#[test]
fn log10_f64() {
    judge_f64::<Log10>(&[(0.5, 2.0), (0.9, 1.1), (0.0, 100.0)]);
}
#[test]
fn exp_m1_f32() {
    judge_f32::<ExpM1>();
}
#[test]
fn exp_m1_f64() {
    judge_f64::<ExpM1>(&[(-750.0, 715.0), (-1.0, 1.0), (-1e-3, 1e-3)]);
}
#[test]
fn ln_1p_f32() {
    judge_f32::<Ln1p>();
}
#[test]
fn ln_1p_f64() {
    judge_f64::<Ln1p>(&[(-1.0, 2.0), (-1e-3, 1e-3), (0.0, 100.0)]);
}
#[test]
fn tan_f32() {
    judge_f32::<Tan>();
}
#[test]
fn tan_f64() {
    judge_f64::<Tan>(&[(-1.6, 1.6), (-100.0, 100.0), (-1.7e6, 1.7e6)]);
}
#[test]
fn sinh_f32() {
    judge_f32::<Sinh>();
}
#[test]
fn sinh_f64() {
    judge_f64::<Sinh>(&[(-1.1, 1.1), (-30.0, 30.0), (-715.0, 715.0)]);
}
#[test]
fn cosh_f32() {
    judge_f32::<Cosh>();
}
#[test]
fn cosh_f64() {
    judge_f64::<Cosh>(&[(-1.0, 1.0), (-30.0, 30.0), (-715.0, 715.0)]);
}
#[test]
fn tanh_f32() {
    judge_f32::<Tanh>();
}
#[test]
fn tanh_f64() {
    judge_f64::<Tanh>(&[(-1.0, 1.0), (0.6, 0.65), (-20.0, 20.0)]);
}
#[test]
fn asinh_f32() {
    judge_f32::<Asinh>();
}
#[test]
fn asinh_f64() {
    judge_f64::<Asinh>(&[(-1.0, 1.0), (-1e-3, 1e-3), (-100.0, 100.0)]);
}
#[test]
fn acosh_f32() {
    judge_f32::<Acosh>();
}
#[test]
fn acosh_f64() {
    judge_f64::<Acosh>(&[(1.0, 2.0), (1.0, 1.001), (1.0, 100.0)]);
}
#[test]
fn atanh_f32() {
    judge_f32::<Atanh>();
}
#[test]
fn atanh_f64() {
    judge_f64::<Atanh>(&[(-1.0, 1.0), (0.49, 0.51), (-1e-3, 1e-3)]);
}
#[test]
fn erf_f32() {
    judge_f32::<Erf>();
}
#[test]
fn erf_f64() {
    judge_f64::<Erf>(&[(-1.1, 1.1), (-6.0, 6.0), (-1e-3, 1e-3)]);
}
#[test]
fn erfc_f32() {
    judge_f32::<Erfc>();
}
#[test]
fn erfc_f64() {
    judge_f64::<Erfc>(&[(-1.0, 1.0), (-6.0, 10.0), (5.0, 27.0)]);
}
#[test]
fn cbrt_f32() {
    judge_f32::<Cbrt>();
}
#[test]
fn cbrt_f64() {
    judge_f64::<Cbrt>(&[(-8.0, 8.0), (0.9, 1.1), (-1e3, 1e3)]);
}
#[test]
fn sigmoid_f32() {
    judge_f32::<Sigmoid>();
}
#[test]
fn sigmoid_f64() {
    judge_f64::<Sigmoid>(&[(-750.0, 40.0), (-1.0, 1.0), (-30.0, 30.0)]);
}
#[test]
fn softplus_f32() {
    judge_f32::<Softplus>();
}
#[test]
fn softplus_f64() {
    judge_f64::<Softplus>(&[(-750.0, 40.0), (-1.0, 1.0), (-30.0, 30.0)]);
}
#[test]
fn sech_f32() {
    judge_f32::<Sech>();
}
#[test]
fn sech_f64() {
    judge_f64::<Sech>(&[(-715.0, 715.0), (-1.0, 1.0), (-30.0, 30.0)]);
}

/// Random bit patterns, directions, and quotients near 1.
fn judge_points<F: Function, T: Element>(bound: f64, blocks: usize, any: impl Fn(&mut Random) -> T + Sync) {
    let number = |x: f64| <T as Element>::from_f64(x);
    judge::<F, T>(
        bound,
        (0..blocks).into_par_iter().map(|k| {
            let mut random = Random(k as u64);
            (0..BLOCK)
                .map(|i| match i % 4 {
                    0 => (any(&mut random), any(&mut random)),
                    1 => (number(random.between(-1.0, 1.0)), number(random.between(-1.0, 1.0))),
                    2 => {
                        let y = random.between(-20.0, 20.0).exp2();
                        (number(y), number(y * random.between(0.99, 1.01)))
                    }
                    _ => (number(random.between(-9.0, 9.0).round()), number(random.between(-9.0, 9.0).round())),
                })
                .unzip()
        }),
    );
}

#[test]
fn atan2_f32() {
    let blocks = if exhaustive() { 300_000 } else { 300 };
    judge_points::<Atan2, f32>(Atan2::BOUNDS[0], blocks, |random| f32::from_bits(random.bits() as u32));
}

#[test]
fn atan2_f64() {
    let blocks = if exhaustive() { 10_000 } else { 30 };
    judge_points::<Atan2, f64>(Atan2::BOUNDS[1], blocks, |random| f64::from_bits(random.bits()));
}

/// Lengths and directions of points whose squares are out of range, too.
#[test]
fn hypot_and_direction() {
    let blocks = if exhaustive() { 10_000 } else { 30 };
    let (narrow, wide) = (
        |random: &mut Random| f32::from_bits(random.bits() as u32),
        |random: &mut Random| f64::from_bits(random.bits()),
    );
    judge_points::<Hypot, f32>(Hypot::BOUNDS[0], blocks, narrow);
    judge_points::<Hypot, f64>(Hypot::BOUNDS[1], blocks, wide);
    // For f64 there is no reference in a wider type.
    judge_points::<OverSquare, f32>(OverSquare::BOUNDS[0], blocks, narrow);
    judge_points::<Direction, f32>(Direction::BOUNDS[0], blocks, narrow);
    judge_points::<Direction, f64>(Direction::BOUNDS[1], blocks, wide);
}

/// Random pairs whose power mostly is in range, and random bit patterns.
#[test]
fn pow_f32() {
    let blocks = if exhaustive() { 300_000 } else { 300 };
    judge::<Pow, f32>(
        Pow::BOUNDS[0],
        (0..blocks).into_par_iter().map(|k| {
            let mut random = Random(k as u64);
            (0..BLOCK)
                .map(|i| match i % 4 {
                    0 => (f32::from_bits(random.bits() as u32), f32::from_bits(random.bits() as u32)),
                    1 => (random.between(0.5, 2.0) as f32, random.between(-130.0, 130.0) as f32),
                    2 => {
                        let x = random.between(-20.0, 20.0).exp2();
                        (x as f32, (random.between(-127.0, 128.0) / x.log2()) as f32)
                    }
                    _ => (random.between(-9.0, 9.0) as f32, random.between(-20.0, 20.0).round() as f32),
                })
                .unzip()
        }),
    );
}

#[test]
fn pow_f64() {
    let blocks = if exhaustive() { 10_000 } else { 30 };
    judge::<Pow, f64>(
        Pow::BOUNDS[1],
        (0..blocks).into_par_iter().map(|k| {
            let mut random = Random(k as u64);
            (0..BLOCK)
                .map(|i| match i % 4 {
                    0 => (f64::from_bits(random.bits()), f64::from_bits(random.bits())),
                    1 => (random.between(0.5, 2.0), random.between(-1030.0, 1030.0)),
                    2 => {
                        let x = random.between(-200.0, 200.0).exp2();
                        (x, random.between(-1023.0, 1024.0) / x.log2())
                    }
                    _ => (random.between(-9.0, 9.0), random.between(-200.0, 200.0).round()),
                })
                .unzip()
        }),
    );
}

/// Every pair of special numbers, and the sign of a zero.
fn special_pairs<F: Function, T: Element>(bound: f64) {
    let numbers = [
        0.0,
        1e-320,
        1e-42,
        1e-30,
        0.25,
        0.5,
        1.0,
        1.5,
        2.0,
        3.0,
        4.0,
        7.0,
        1e7,
        16_777_216.0,
        16_777_217.0,
        1e19,
        1e30,
    ];
    let mut all: Vec<T> = numbers.iter().flat_map(|&v| [T::from_f64(v), T::from_f64(-v)]).collect();
    all.extend([T::infinity(), T::neg_infinity(), T::nan(), T::max_value(), T::min_positive_value(), T::epsilon()]);
    let (x, y): (Vec<T>, Vec<T>) = all.iter().flat_map(|&x| all.iter().map(move |&y| (x, y))).unzip();
    let mut found = vec![T::zero(); x.len().next_multiple_of(BLOCK)];
    let (mut x, mut y) = (x, y);
    x.resize(found.len(), T::one());
    y.resize(found.len(), T::one());
    for (name, engine) in Engine::all() {
        engine.apply::<F, T>(&x, &y, &mut found);
        for i in 0..x.len() {
            let exact = F::reference(wide(x[i]), wide(y[i]));
            let error = ulps(found[i], exact, F::FLUSHES);
            assert!(error <= bound, "{} {name}: of {} and {} it is {}, not {exact}", F::NAME, x[i], y[i], found[i]);
            let sign = found[i].is_nan() || found[i].is_sign_negative() == exact.is_sign_negative();
            assert!(sign, "{} {name}: of {} and {} it is {}, not {exact}", F::NAME, x[i], y[i], found[i]);
        }
    }
}

#[test]
fn functions_of_special_pairs() {
    special_pairs::<Pow, f32>(Pow::BOUNDS[0]);
    special_pairs::<Pow, f64>(Pow::BOUNDS[1]);
    special_pairs::<Atan2, f32>(Atan2::BOUNDS[0]);
    special_pairs::<Atan2, f64>(Atan2::BOUNDS[1]);
    special_pairs::<Hypot, f32>(Hypot::BOUNDS[0]);
    special_pairs::<Hypot, f64>(Hypot::BOUNDS[1]);
    special_pairs::<OverSquare, f32>(OverSquare::BOUNDS[0]);
    special_pairs::<Direction, f32>(Direction::BOUNDS[0]);
    special_pairs::<Direction, f64>(Direction::BOUNDS[1]);
    // This is a function of the first number alone.
    special_pairs::<Asin, f32>(Asin::BOUNDS[0]);
    special_pairs::<Asin, f64>(Asin::BOUNDS[1]);
    special_pairs::<Acos, f32>(Acos::BOUNDS[0]);
    special_pairs::<Acos, f64>(Acos::BOUNDS[1]);
    special_pairs::<Atan, f32>(Atan::BOUNDS[0]);
    special_pairs::<Atan, f64>(Atan::BOUNDS[1]);
    special_pairs::<ExpM1, f32>(ExpM1::BOUNDS[0]);
    special_pairs::<ExpM1, f64>(ExpM1::BOUNDS[1]);
    special_pairs::<Ln1p, f32>(Ln1p::BOUNDS[0]);
    special_pairs::<Ln1p, f64>(Ln1p::BOUNDS[1]);
    special_pairs::<Tan, f32>(Tan::BOUNDS[0]);
    special_pairs::<Tan, f64>(Tan::BOUNDS[1]);
    special_pairs::<Sinh, f32>(Sinh::BOUNDS[0]);
    special_pairs::<Sinh, f64>(Sinh::BOUNDS[1]);
    special_pairs::<Cosh, f32>(Cosh::BOUNDS[0]);
    special_pairs::<Cosh, f64>(Cosh::BOUNDS[1]);
    special_pairs::<Tanh, f32>(Tanh::BOUNDS[0]);
    special_pairs::<Tanh, f64>(Tanh::BOUNDS[1]);
    special_pairs::<Asinh, f32>(Asinh::BOUNDS[0]);
    special_pairs::<Asinh, f64>(Asinh::BOUNDS[1]);
    special_pairs::<Atanh, f32>(Atanh::BOUNDS[0]);
    special_pairs::<Atanh, f64>(Atanh::BOUNDS[1]);
    special_pairs::<Erf, f32>(Erf::BOUNDS[0]);
    special_pairs::<Erf, f64>(Erf::BOUNDS[1]);
    special_pairs::<Erfc, f32>(Erfc::BOUNDS[0]);
    special_pairs::<Erfc, f64>(Erfc::BOUNDS[1]);
    special_pairs::<Cbrt, f32>(Cbrt::BOUNDS[0]);
    special_pairs::<Cbrt, f64>(Cbrt::BOUNDS[1]);
}

/// Special values that the documentation promises, on every engine.
fn promises<T: Element>(lowest: f64) {
    let value = |engine: Engine, f: fn(Engine, &[T], &mut [T]), x: T| {
        let mut to = vec![T::zero(); BLOCK];
        f(engine, &[x; BLOCK], &mut to);
        assert!(to.iter().all(|&v| wide(v).to_bits() == wide(to[0]).to_bits()), "lanes differ at {x}");
        to[0]
    };
    for (name, engine) in Engine::all() {
        let exp2 = |x: f64| wide(value(engine, |e, x, to| e.apply::<Exp2, T>(x, x, to), T::from_f64(x)));
        let exp = |x: f64| wide(value(engine, |e, x, to| e.apply::<Exp, T>(x, x, to), T::from_f64(x)));
        let log = |x: f64| wide(value(engine, |e, x, to| e.apply::<Log, T>(x, x, to), T::from_f64(x)));
        for n in (lowest as i32 + 1)..=(-lowest as i32 + 1) {
            assert_eq!(exp2(f64::from(n)), 2f64.powi(n), "{name}: exp2({n})");
        }
        for below in [lowest - 1.0, 2.0 * lowest, -1e30, f64::NEG_INFINITY] {
            assert_eq!((exp2(below), exp(below)), (0.0, 0.0), "{name}: {below}");
        }
        for step in -2000..=2000 {
            let x = lowest + f64::from(step) / 500.0;
            for (of, found) in [("exp2", exp2(x)), ("exp", exp(x * std::f64::consts::LN_2))] {
                let normal = found == 0.0 || found >= wide(T::min_positive_value());
                assert!(normal, "{name}: {of} is {found:e}, a subnormal number, for 2^{x}");
            }
        }
        for above in [2.0 - lowest, 1e30, f64::INFINITY] {
            assert_eq!((exp2(above), exp(above)), (f64::INFINITY, f64::INFINITY), "{name}: {above}");
        }
        assert_eq!((exp(0.0), exp(-0.0), exp2(-0.0)), (1.0, 1.0, 1.0), "{name}");
        assert_eq!((log(1.0), log(0.0), log(-0.0)), (0.0, f64::NEG_INFINITY, f64::NEG_INFINITY), "{name}");
        assert!(log(-1.0).is_nan() && exp(f64::NAN).is_nan() && exp2(f64::NAN).is_nan(), "{name}");
    }
}

#[test]
fn promised_values() {
    promises::<f32>(-126.0);
    promises::<f64>(-1022.0);
}
