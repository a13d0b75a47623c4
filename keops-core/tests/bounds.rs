//! Bounds of every operation: random intervals, and random numbers in them through the engine's own code, on plain
//! numbers and on the lanes of every instruction set that the machine has. Each result lies within the bounds, and is NaN
//! only where they say so.
//!
//! By default about 10^5 results of each operation and element type are checked; this checks 10^7 of each, in some minutes:
//!
//!     KEOPS_EXHAUSTIVE=1 cargo test --release -p keops-core --test bounds
//!
//! Bounds that leave the roundings out must fail: the last test says so for each kind of operation that rounds.

use std::marker::PhantomData;

use keops_core::{
    bounds::{Interval, Rounding},
    call::Element,
    formula::Role,
    lanes::Lanes,
    number::{Packed, Real, Scalar, ops},
};
use num_traits::Float;
use pulp::{Simd, WithSimd};

/// How many operands an operation has at most.
const OPERANDS: usize = 3;

/// An operation under test.
trait Operation: Send + Sync {
    const NAME: &'static str;
    fn of<R: Real>(cx: R::Cx, x: [R; OPERANDS]) -> R;
}

/// The operations, and one test for each.
macro_rules! operations {
    ($($name:ident: |$cx:ident, $($arg:ident),+| $value:expr;)*) => {
        #[allow(non_camel_case_types, reason = "named like the operations")]
        mod operation {
            $( pub(super) enum $name {} )*
        }
        $(
            impl Operation for operation::$name {
                const NAME: &'static str = stringify!($name);
                #[inline(always)]
                fn of<R: Real>($cx: R::Cx, x: [R; OPERANDS]) -> R {
                    operands!(x, $($arg),+);
                    $value
                }
            }
            #[test]
            fn $name() {
                within_bounds::<operation::$name, f32>();
                within_bounds::<operation::$name, f64>();
            }
        )*
    };
}

macro_rules! operands {
    ($x:ident, $a:ident) => {
        let [$a, ..] = $x;
    };
    ($x:ident, $a:ident, $b:ident) => {
        let [$a, $b, _] = $x;
    };
    ($x:ident, $a:ident, $b:ident, $c:ident) => {
        let [$a, $b, $c] = $x;
    };
}

operations! {
    add: |cx, a, b| ops::add(cx, a, b);
    sub: |cx, a, b| ops::sub(cx, a, b);
    mul: |cx, a, b| ops::mul(cx, a, b);
    div: |cx, a, b| ops::div(cx, a, b);
    neg: |cx, a| ops::neg(cx, a);
    mul_add: |cx, a, b, c| R::mul_add(cx, a, b, c);
    neg_mul_add: |cx, a, b, c| R::neg_mul_add(cx, a, b, c);
    add_scaled_difference: |cx, a, b, c| R::add_scaled_difference(cx, a, b, c, b);
    abs: |cx, a| ops::abs(cx, a);
    inv: |cx, a| ops::inv(cx, a);
    inv_sqrt: |cx, a| R::inv_sqrt(cx, a);
    sqrt: |cx, a| ops::sqrt(cx, a);
    min: |cx, a, b| R::min(cx, a, b);
    max: |cx, a, b| R::max(cx, a, b);
    round_even: |cx, a| R::round(cx, a);
    exp2: |cx, a| ops::exp2(cx, a);
    exp: |cx, a| ops::exp(cx, a);
    log2: |cx, a| ops::log2(cx, a);
    log: |cx, a| ops::log(cx, a);
    sin: |cx, a| ops::sin(cx, a);
    cos: |cx, a| ops::cos(cx, a);
    pow: |cx, a, b| ops::pow(cx, a, b);
    pow_integer: |cx, a, b| ops::pow(cx, a, R::round(cx, b));
    pow_constant: |cx, a| {
        let power = |y: f64| ops::pow(cx, a, R::lit(cx, y));
        R::add(cx, R::add(cx, power(2.0), power(3.0)), R::add(cx, power(-1.0), power(0.5)))
    };
    asin: |cx, a| ops::asin(cx, a);
    acos: |cx, a| ops::acos(cx, a);
    atan: |cx, a| ops::atan(cx, a);
    atan2: |cx, a, b| ops::atan2(cx, a, b);
    log10: |cx, a| ops::log10(cx, a);
    exp_m1: |cx, a| ops::exp_m1(cx, a);
    ln_1p: |cx, a| ops::ln_1p(cx, a);
    tan: |cx, a| ops::tan(cx, a);
    sinh: |cx, a| ops::sinh(cx, a);
    cosh: |cx, a| ops::cosh(cx, a);
    tanh: |cx, a| ops::tanh(cx, a);
    asinh: |cx, a| ops::asinh(cx, a);
    acosh: |cx, a| ops::acosh(cx, a);
    atanh: |cx, a| ops::atanh(cx, a);
    erf: |cx, a| ops::erf(cx, a);
    erfc: |cx, a| ops::erfc(cx, a);
    cbrt: |cx, a| ops::cbrt(cx, a);
    // n must lie between the exponents of the type
    pow2_integer: |cx, a| {
        let most = R::lit(cx, if R::Scalar::epsilon().as_f64() > 1e-10 { 127.0 } else { 1023.0 });
        let n = R::round(cx, ops::clamp(cx, a, R::neg(cx, most), most));
        R::pow2_integer(cx, R::select(cx, R::eq(cx, n, n), n, most))
    };
    // of normal numbers only
    split_exponent: |cx, a| {
        let size = ops::clamp(cx, R::abs(cx, a), R::splat(cx, R::Scalar::min_positive_value()), R::splat(cx, R::Scalar::max_value()));
        let (m, e) = R::split_exponent(cx, R::select(cx, R::eq(cx, size, size), size, R::lit(cx, 1.0)));
        R::add(cx, R::mul(cx, m, R::lit(cx, 0.25)), e)
    };
    lt: |cx, a, b| ops::less_than(cx, a, b);
    le: |cx, a, b| ops::less_or_equal(cx, a, b);
    eq: |cx, a, b| ops::equal(cx, a, b);
    ne: |cx, a, b| ops::not_equal(cx, a, b);
    and: |cx, a, b, c| R::select(cx, R::and(cx, R::lt(cx, a, b), R::le(cx, b, c)), b, c);
    or: |cx, a, b, c| R::select(cx, R::or(cx, R::lt(cx, a, b), R::le(cx, b, c)), a, b);
    not: |cx, a, b| R::select(cx, R::not(cx, R::lt(cx, a, b)), a, b);
    not_equal_or: |cx, a, b, c| R::select(cx, R::not(cx, R::or(cx, R::not(cx, R::eq(cx, a, b)), R::lt(cx, c, b))), a, c);
    select_negative: |cx, a, b| R::select(cx, R::le(cx, a, b), R::neg(cx, a), R::neg(cx, b));
    rsqrt: |cx, a| ops::rsqrt(cx, a);
    unless_zero: |cx, a, b| ops::unless_zero(cx, a, b);
    unless_infinite: |cx, a| ops::unless_infinite(cx, a);
    bounded: |cx, a| ops::bounded(cx, a);
    times: |cx, a| ops::times(cx, ops::times(cx, a, 1e-60), 3e45);
    hypot: |cx, a, b| ops::hypot(cx, a, b);
    direction: |cx, a, b| ops::direction(cx, a, b);
    over_square: |cx, a, b| ops::over_square(cx, a, b);
    powi: |cx, a| R::add(cx, ops::powi(cx, a, 5), R::add(cx, ops::powi(cx, a, -2), ops::powi(cx, a, 4)));
    sign: |cx, a| ops::sign(cx, a);
    step: |cx, a| ops::step(cx, a);
    relu: |cx, a| ops::relu(cx, a);
    maximum: |cx, a, b| ops::maximum(cx, a, b);
    minimum: |cx, a, b| ops::minimum(cx, a, b);
    sigmoid: |cx, a| ops::sigmoid(cx, a);
    softplus: |cx, a| ops::softplus(cx, a);
    sech: |cx, a| ops::sech(cx, a);
    others: |cx, a, b| {
        let (m, e) = R::split_exponent(cx, R::lit(cx, 3.0));
        R::add(cx, ops::others(cx, a, m, e), b)
    };
    x_log_x: |cx, a| ops::x_log_x(cx, a);
    floor: |cx, a| ops::floor(cx, a);
    round: |cx, a| ops::round(cx, a, 0);
    round_decimals: |cx, a| R::add(cx, ops::round(cx, a, 2), R::add(cx, ops::round(cx, a, -1), ops::round(cx, a, 40)));
    sin_x_div_x: |cx, a| ops::sin_x_div_x(cx, a, 0);
    sin_x_div_x_2: |cx, a| ops::sin_x_div_x(cx, a, 2);
    exp_apart: |cx, a, b| R::sub(cx, ops::exp_apart(cx, a), ops::exp2_apart(cx, b));
    soft_min: |cx, a, b, c| ops::soft_min(cx, a, b, c, R::lit(cx, 0.5));
    soft_min_of: |cx, a, b, c| ops::soft_min(cx, a, b, R::lit(cx, 1.0), c);
    larger: |cx, a, b| ops::larger(cx, ops::larger(cx, ops::lowest(cx), a), b);
    place_of_larger: |cx, a, b, c| ops::place_of_larger(cx, a, b, c, R::lit(cx, 7.0));
    if_else: |cx, a, b, c| ops::if_else(cx, a, b, c);
    if_else_same: |cx, a, b| ops::if_else(cx, a, ops::sqrt(cx, a), ops::if_else(cx, R::neg(cx, a), a, b));
    clamp: |cx, a, b, c| ops::clamp(cx, a, b, c);
    // the same number more than once
    square: |cx, a, b| R::mul(cx, R::sub(cx, a, b), R::sub(cx, a, b));
    square_turned: |cx, a, b| R::mul(cx, R::sub(cx, a, b), R::sub(cx, b, a));
    nothing: |cx, a, b| R::sub(cx, R::mul(cx, a, b), R::mul(cx, b, a));
    rounding_error: |cx, a, b| R::mul_add(cx, a, b, R::neg(cx, R::mul(cx, a, b)));
    quotient: |cx, a, b| R::div(cx, R::add(cx, a, b), R::add(cx, b, a));
    same_compared: |cx, a, b, c| R::select(cx, R::lt(cx, R::add(cx, a, b), R::add(cx, b, a)), b, R::select(cx, R::le(cx, c, c), a, c));
}

/// Applies an operation to whole slices on one instruction set.
struct Apply<'a, O, T>(&'a [Vec<T>; OPERANDS], &'a mut [T], PhantomData<O>);

impl<O: Operation, T: Element> WithSimd for Apply<'_, O, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        tiles::<O, Lanes<T, S, 1>>(simd, self.0, self.1);
    }
}

#[inline(always)]
fn tiles<O: Operation, R: Packed>(cx: R::Cx, x: &[Vec<R::Scalar>; OPERANDS], to: &mut [R::Scalar]) {
    for k in (0..to.len()).step_by(R::LANES) {
        O::of(cx, [0, 1, 2].map(|n: usize| R::load(cx, &x[n][k..]))).store(cx, &mut to[k..]);
    }
}

/// How many numbers of an interval are tried: the lanes of every tile fit.
const SAMPLES: usize = 32;

/// The results of an operation on plain numbers and on lanes.
fn engines<O: Operation, T: Element>(x: &[Vec<T>; OPERANDS], found: &mut Vec<T>) {
    found.clear();
    let mut with = |run: &dyn Fn(&mut [T])| {
        let from = found.len();
        found.resize(from + SAMPLES, T::zero());
        run(&mut found[from..]);
    };
    with(&|to| tiles::<O, T>((), x, to));
    with(&|to| pulp::Scalar::new().vectorize(Apply::<O, T>(x, to, PhantomData)));
    with(&|to| pulp::Arch::new().dispatch(Apply::<O, T>(x, to, PhantomData)));
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        with(&|to| Simd::vectorize(simd, Apply::<O, T>(x, to, PhantomData)));
    }
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
    fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }
    fn below(&mut self, n: usize) -> usize {
        (self.bits() % n as u64) as usize
    }

    /// A number of any size, or one where something happens.
    fn number<T: Element>(&mut self) -> T {
        let sign = if self.bits() & 1 == 0 { 1.0 } else { -1.0 };
        let (least, most) = (wide(T::min_positive_value()), wide(T::max_value()));
        let special = [
            0.0,
            0.5,
            1.0,
            2.0,
            std::f64::consts::PI,
            least,
            least / 8.0,
            most,
            f64::INFINITY,
            88.0,
            126.0,
            709.0,
            1022.0,
        ];
        let range = most.log2();
        let size = match self.below(10) {
            0 => special[self.below(special.len())],
            1 => (self.unit() * 2.0 - 1.0).mul_add(range, 0.0).exp2(),
            2 => (self.unit() * 20.0 - 10.0).exp2(),
            3 => self.below(12) as f64,
            4 => self.unit() * 200.0,
            5 => 1.0 + (self.unit() - 0.5) * 1e-3,
            _ => self.unit() * 4.0,
        };
        T::of_f64(sign * size)
    }

    /// An interval: a point, a few roundings wide, up to a number of any size, or from a number to another.
    fn interval<T: Element>(&mut self) -> [T; 2] {
        let a: T = self.number();
        let b = match self.below(6) {
            0 => a,
            1 => a + a * T::epsilon() * T::of_f64(8.0 * self.unit()),
            2 => a + T::of_f64(self.unit() * 0.2),
            3 => a + a * T::of_f64(self.unit() * 0.1),
            4 => -a,
            _ => self.number(),
        };
        let b = if b.is_nan() { a } else { b };
        if b < a { [b, a] } else { [a, b] }
    }

    /// A number of an interval: one of the ends, a special number, or any.
    fn of<T: Element>(&mut self, [lo, hi]: [T; 2]) -> T {
        let x = match self.below(8) {
            0 => lo,
            1 => hi,
            2 => self.number(),
            3 => T::of_f64(self.below(7) as f64 - 3.0),
            4 => T::zero() * lo.signum(),
            // of any size: evenly in the bits
            5 if lo >= T::zero() => {
                let (a, b) = (wide(lo).max(1e-300).ln(), wide(hi).min(1e300).ln());
                T::of_f64((a + (b - a) * self.unit()).exp())
            }
            _ => {
                let part = T::of_f64(self.unit());
                lo * (T::one() - part) + hi * part
            }
        };
        if x.is_nan() { lo } else { Float::max(lo, Float::min(hi, x)) }
    }
}

/// `num_traits` has a method of the same name that gives an option.
fn wide<T: Element>(value: T) -> f64 {
    Element::to_f64(value)
}

fn exhaustive() -> bool {
    std::env::var_os("KEOPS_EXHAUSTIVE").is_some_and(|v| v == "1")
}

/// The results outside of their bounds, of how many, and the first of them.
fn violations<O: Operation, T: Element>(cx: Rounding<T>, intervals: usize) -> (usize, usize, String) {
    let (mut random, mut found) = (Random(7), Vec::new());
    let (mut wrong, mut count, mut first) = (0, 0, String::new());
    for _ in 0..intervals {
        let mut x: [Vec<T>; OPERANDS] = Default::default();
        let mut operands = [Interval::<T>::component(Role::Target, 0, T::zero(), T::zero()); OPERANDS];
        let may_be_nan = random.below(8) == 0;
        for n in 0..OPERANDS {
            let ends = random.interval();
            operands[n] = Interval::component(Role::Target, n, ends[0], ends[1]);
            x[n] = (0..SAMPLES).map(|_| random.of(ends)).collect();
            if may_be_nan && random.below(2) == 0 {
                operands[n] = operands[n].or_nan();
                x[n][random.below(SAMPLES)] = T::nan();
            }
        }
        let bound = O::of(cx, operands);
        engines::<O, T>(&x, &mut found);
        for (k, &value) in found.iter().enumerate() {
            let value = wide(value);
            let within = if value.is_nan() { bound.may_be_nan() } else { bound.lo() <= value && value <= bound.hi() };
            count += 1;
            if !within {
                let at = [0, 1, 2].map(|n: usize| wide(x[n][k % SAMPLES]));
                let lanes = k / SAMPLES;
                if wrong == 0 {
                    first = format!("{value:e} at {at:?}, lanes {lanes}, is not in {bound:?} of {operands:?}");
                }
                wrong += 1;
            }
        }
    }
    (wrong, count, first)
}

fn within_bounds<O: Operation, T: Element>() {
    let intervals = if exhaustive() { 80_000 } else { 800 };
    let (wrong, count, first) = violations::<O, T>(Rounding::engine(), intervals);
    assert_eq!(wrong, 0, "{} {} of {count}: {first}", O::NAME, T::TYPE_NAME);
}

/// How narrow bounds are, for a few arguments of each kind.
#[test]
fn narrow() {
    let x = |lo: f32, hi: f32| Interval::<f32>::component(Role::Target, 0, lo, hi);
    let cx = Rounding::engine();
    let ends = |of: Interval<f32>| (of.lo(), of.hi());
    assert_eq!(ends(Interval::mul(cx, x(-1.0, 2.0), x(-1.0, 2.0))), (0.0, 4.0));
    assert_eq!(ends(Interval::sub(cx, x(-1.0, 2.0), x(-1.0, 2.0))), (0.0, 0.0));
    assert_eq!(ends(ops::relu(cx, x(-1.0, 2.0))), (0.0, 2.0));
    assert_eq!(ends(ops::clamp(cx, x(-1.0, 2.0), Interval::lit(cx, 0.0), Interval::lit(cx, 1.0))), (0.0, 1.0));
    assert_eq!(ends(ops::if_else(cx, x(-3.0, 2.0), x(-3.0, 2.0), Interval::neg(cx, x(-3.0, 2.0)))), (0.0, 3.0));
    assert_eq!(ends(ops::inv(cx, Interval::abs(cx, x(-4.0, 2.0)))), (0.25, f64::INFINITY));
    assert_eq!(
        ends(ops::atan2(cx, x(0.0, 0.0), Interval::abs(cx, x(-4.0, 2.0)))).1,
        8.0 * f64::from(f32::MIN_POSITIVE)
    );
    assert!(!Interval::sub(cx, x(-1.0, 2.0), x(-1.0, 2.0)).may_be_nan());
    assert!(Interval::sub(cx, x(-1.0, f32::INFINITY), x(-1.0, f32::INFINITY)).may_be_nan());
    let (lo, hi) = ends(Interval::exp(cx, x(0.0, 1.0)));
    assert!((1.0 - 1e-6..=1.0).contains(&lo) && (1f64.exp()..1f64.exp() + 1e-6).contains(&hi), "{lo} {hi}");
    let (lo, hi) = ends(Interval::sin(cx, x(1.0, 2.0)));
    assert!((1f64.sin() - 1e-6..=1f64.sin()).contains(&lo) && hi == 1.0, "{lo} {hi}");
}

/// Without the roundings the bounds of what rounds are too narrow, and these tests would find it.
#[test]
fn roundings_count() {
    fn assert_found<O: Operation>() {
        let (wrong, count, _) = violations::<O, f32>(Rounding::none(), 800);
        println!("{} without roundings: {wrong} of {count} outside", O::NAME);
        assert!(wrong > 0, "{} without roundings: all {count} inside", O::NAME);
    }
    assert_found::<operation::add>();
    assert_found::<operation::mul>();
    assert_found::<operation::div>();
    assert_found::<operation::mul_add>();
    assert_found::<operation::sqrt>();
    assert_found::<operation::exp>();
    assert_found::<operation::exp2>();
    assert_found::<operation::log>();
    assert_found::<operation::sin>();
    assert_found::<operation::tan>();
    assert_found::<operation::pow>();
    assert_found::<operation::atan2>();
    assert_found::<operation::erf>();
    assert_found::<operation::erfc>();
    assert_found::<operation::cosh>();
    assert_found::<operation::sigmoid>();
}
