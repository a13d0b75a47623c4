//! The operations of formulas, for numbers of any kind, under the names that the operation table of the compiler gives
//! them.
//!
//! Edge conventions are those of KeOps: 1/√0 = 0, 0 log 0 = 0, step(0) = 1. NaN propagates, except through
//! comparisons, which are false for it.

use num_traits::Float;

use crate::number::{Real, Scalar};

/// Operations that [`Real`] has under the same name.
macro_rules! forward {
    ($($(#[$doc:meta])* $name:ident($($arg:ident),+);)+) => {
        $(
            $(#[$doc])*
            #[inline(always)]
            pub fn $name<R: Real>(cx: R::Cx, $($arg: R),+) -> R {
                R::$name(cx, $($arg),+)
            }
        )+
    };
}

forward! {
    /// a + b
    add(a, b);
    /// a - b
    sub(a, b);
    /// a b
    mul(a, b);
    /// a / b
    div(a, b);
    /// -a
    neg(a);
    /// e^x
    exp(x);
    /// 2^x
    exp2(x);
    /// ln x
    log(x);
    /// sin x
    sin(x);
    /// cos x
    cos(x);
    /// √x
    sqrt(x);
    /// |x|
    abs(x);
    /// x^y
    pow(x, y);
    /// arc sine
    asin(x);
    /// arc cosine
    acos(x);
    /// arc tangent
    atan(x);
    /// The angle of the point (x, y).
    atan2(y, x);
    /// log2 x
    log2(x);
    /// log10 x
    log10(x);
    /// e^x - 1
    exp_m1(x);
    /// ln(1 + x)
    ln_1p(x);
    /// tan x
    tan(x);
    /// hyperbolic sine
    sinh(x);
    /// hyperbolic cosine
    cosh(x);
    /// hyperbolic tangent
    tanh(x);
    /// inverse hyperbolic sine
    asinh(x);
    /// inverse hyperbolic cosine
    acosh(x);
    /// inverse hyperbolic tangent
    atanh(x);
    /// error function
    erf(x);
    /// 1 - erf x
    erfc(x);
    /// ∛x
    cbrt(x);
    /// The largest integer that is not above x.
    floor(x);
}

/// 1 where the mask is true, 0 elsewhere.
#[inline(always)]
fn indicator<R: Real>(cx: R::Cx, mask: R::Mask) -> R {
    R::select(cx, mask, R::lit(cx, 1.0), R::lit(cx, 0.0))
}

/// 1/x
#[inline(always)]
pub fn inv<R: Real>(cx: R::Cx, x: R) -> R {
    R::inv(cx, x)
}

/// 1/√x, but 0 at 0.
#[inline(always)]
pub fn rsqrt<R: Real>(cx: R::Cx, x: R) -> R {
    let zero = R::lit(cx, 0.0);
    R::select(cx, R::eq(cx, x, zero), zero, R::inv_sqrt(cx, x))
}

/// 0 where x is 0, else y: for slopes that are infinite at x = 0.
#[inline(always)]
pub fn unless_zero<R: Real>(cx: R::Cx, y: R, x: R) -> R {
    let zero = R::lit(cx, 0.0);
    R::select(cx, R::eq(cx, x, zero), zero, y)
}

/// x, but 0 where it is infinite: for factors of slopes that leave the range.
#[inline(always)]
pub fn unless_infinite<R: Real>(cx: R::Cx, x: R) -> R {
    let infinite = R::eq(cx, R::abs(cx, x), R::splat(cx, R::Scalar::infinity()));
    R::select(cx, infinite, R::lit(cx, 0.0), x)
}

/// x, but at most 0.65 times the largest number if it is finite, so that x log2(e) and a sum with it are finite: a term
/// of an exponent.
#[inline(always)]
pub fn bounded<R: Real>(cx: R::Cx, x: R) -> R {
    let most = R::splat(cx, R::Scalar::max_value());
    let bound = R::mul(cx, most, R::lit(cx, 0.65));
    let cut = clamp(cx, x, R::neg(cx, bound), bound);
    R::select(cx, R::le(cx, R::abs(cx, x), most), cut, x)
}

/// x times a constant that may be out of the range of `f32`. The constant is applied in as many factors as it takes, so
/// that a product inside the range is right. A product beyond the range is the largest number, which compares as the
/// product would.
#[inline(always)]
pub fn times<R: Real>(cx: R::Cx, x: R, factor: f64) -> R {
    /// 2^100
    const STEP: f64 = (1_u128 << 100) as f64;
    let (least, most) = (R::Scalar::min_positive_value(), R::Scalar::max_value());
    let (mut left, mut product) = (factor, x);
    while left.abs() < least.as_f64() {
        product = R::mul(cx, product, R::lit(cx, 1.0 / STEP));
        left *= STEP;
    }
    while left.abs() > most.as_f64() {
        product = R::mul(cx, product, R::lit(cx, STEP));
        left /= STEP;
    }
    product = R::mul(cx, product, R::lit(cx, left));
    if factor.abs() <= most.as_f64() {
        return product;
    }
    let most = R::splat(cx, most);
    let cut = clamp(cx, product, R::neg(cx, most), most);
    R::select(cx, R::le(cx, R::abs(cx, x), most), cut, product)
}

/// Three powers of two that scale two numbers such that the square of the larger one is in range: a factor for small
/// numbers, a factor for large numbers, and the factor that undoes them. All are 1 where the square is in range
/// already.
#[inline(always)]
fn into_range<R: Real>(cx: R::Cx, a: R, b: R) -> [R; 3] {
    let (far, scale) = if R::Scalar::epsilon().as_f64() > 1e-10 { (50, 90) } else { (400, 700) };
    let larger = R::max(cx, R::abs(cx, a), R::abs(cx, b));
    let (one, up, down) = (R::lit(cx, 1.0), power_of_two(cx, scale), power_of_two(cx, -scale));
    let small = R::lt(cx, larger, power_of_two(cx, -far));
    let large = R::lt(cx, power_of_two(cx, far), larger);
    let back = R::select(cx, small, down, R::select(cx, large, up, one));
    [R::select(cx, small, up, one), R::select(cx, large, down, one), back]
}

/// 2^n, for an n that is known at compile time.
#[inline(always)]
fn power_of_two<R: Real>(cx: R::Cx, n: i32) -> R {
    R::lit(cx, f64::from_bits(u64::from((1023 + n).unsigned_abs()) << 52))
}

/// √(a² + b²), also where the squares are out of range. Error: 1.11 ULP in f32.
#[inline(always)]
pub fn hypot<R: Real>(cx: R::Cx, a: R, b: R) -> R {
    let [up, down, back] = into_range(cx, a, b);
    let scale = R::mul(cx, up, down);
    let (a, b) = (R::mul(cx, a, scale), R::mul(cx, b, scale));
    let square = R::add(cx, R::mul(cx, a, a), R::mul(cx, b, b));
    R::mul(cx, R::sqrt(cx, square), back)
}

/// a / √(a² + b²), also where the squares are out of range; 0 at the origin. Error: 1.89 ULP in f32.
#[inline(always)]
pub fn direction<R: Real>(cx: R::Cx, a: R, b: R) -> R {
    let [up, down, _] = into_range(cx, a, b);
    let (a, b) = (R::mul(cx, a, up), R::mul(cx, b, up));
    let (x, y) = (R::mul(cx, a, down), R::mul(cx, b, down));
    let length = R::sqrt(cx, R::add(cx, R::mul(cx, x, x), R::mul(cx, y, y)));
    // The factor for large numbers comes last, so that a number that is small beside the other one is not lost.
    let quotient = R::mul(cx, R::div(cx, a, length), down);
    unless_zero(cx, quotient, length)
}

/// a / (a² + b²), also where the squares are out of range; 0 at the origin. Error: 2.13 ULP in f32.
#[inline(always)]
pub fn over_square<R: Real>(cx: R::Cx, a: R, b: R) -> R {
    let [up, down, _] = into_range(cx, a, b);
    let scale = R::mul(cx, up, down);
    let (a, b) = (R::mul(cx, a, scale), R::mul(cx, b, scale));
    let square = R::add(cx, R::mul(cx, a, a), R::mul(cx, b, b));
    let quotient = R::mul(cx, R::div(cx, a, square), scale);
    unless_zero(cx, quotient, square)
}

/// x^n by repeated multiplication. n is known at compile time, and the loop unrolls.
#[inline(always)]
pub fn powi<R: Real>(cx: R::Cx, x: R, n: i32) -> R {
    let (mut left, mut square) = (n.unsigned_abs(), x);
    let mut power: Option<R> = None;
    while left > 0 {
        if left & 1 == 1 {
            power = Some(match power {
                Some(p) => R::mul(cx, p, square),
                None => square,
            });
        }
        left >>= 1;
        if left > 0 {
            square = R::mul(cx, square, square);
        }
    }
    let power = power.unwrap_or_else(|| R::lit(cx, 1.0));
    if n < 0 { inv(cx, power) } else { power }
}

/// -1, 0 or 1; NaN for NaN.
#[inline(always)]
pub fn sign<R: Real>(cx: R::Cx, x: R) -> R {
    let zero = R::lit(cx, 0.0);
    let negative = R::select(cx, R::lt(cx, x, zero), R::lit(cx, -1.0), x);
    R::select(cx, R::lt(cx, zero, x), R::lit(cx, 1.0), negative)
}

/// 1 if x >= 0, else 0.
#[inline(always)]
pub fn step<R: Real>(cx: R::Cx, x: R) -> R {
    indicator(cx, R::le(cx, R::lit(cx, 0.0), x))
}

/// max(x, 0); NaN for NaN.
#[inline(always)]
pub fn relu<R: Real>(cx: R::Cx, x: R) -> R {
    let zero = R::lit(cx, 0.0);
    R::select(cx, R::lt(cx, x, zero), zero, x)
}

/// The larger of two numbers; NaN if one of them is.
#[inline(always)]
pub fn maximum<R: Real>(cx: R::Cx, a: R, b: R) -> R {
    R::select(cx, R::eq(cx, a, a), R::max(cx, a, b), a)
}

/// The smaller of two numbers; NaN if one of them is.
#[inline(always)]
pub fn minimum<R: Real>(cx: R::Cx, a: R, b: R) -> R {
    R::select(cx, R::eq(cx, a, a), R::min(cx, a, b), a)
}

/// 1/(1 + e^-x)
#[inline(always)]
pub fn sigmoid<R: Real>(cx: R::Cx, x: R) -> R {
    R::inv(cx, R::add(cx, R::lit(cx, 1.0), R::exp(cx, R::neg(cx, x))))
}

/// ln(1 + e^x)
#[inline(always)]
pub fn softplus<R: Real>(cx: R::Cx, x: R) -> R {
    let falling = R::exp(cx, R::neg(cx, R::abs(cx, x)));
    R::add(cx, relu(cx, x), R::ln_1p(cx, falling))
}

/// 1/cosh x
#[inline(always)]
pub fn sech<R: Real>(cx: R::Cx, x: R) -> R {
    R::inv(cx, R::cosh(cx, x))
}

/// m 2^e / f, for a factor f of the product m 2^e that is not 0, and m in ±[√½, √2): the product of the other factors.
/// The result is in range wherever that product is, whatever the factors are.
#[inline(always)]
pub fn others<R: Real>(cx: R::Cx, f: R, m: R, e: R) -> R {
    let single = R::Scalar::epsilon().as_f64() > 1e-10;
    let (up, most) = if single { (24.0, 126.0) } else { (54.0, 1022.0) };
    // The scaled factor is a normal number.
    let large = R::le(cx, R::lit(cx, 1.0), R::abs(cx, f));
    let scale = R::select(cx, large, R::lit(cx, 0.25), power_of_two(cx, up as i32));
    let less = R::select(cx, large, R::lit(cx, 2.0), R::lit(cx, -up));
    let scaled = R::mul(cx, f, scale);
    let (mantissa, exponent) = R::split_exponent(cx, R::abs(cx, scaled));
    let mantissa = R::select(cx, R::lt(cx, f, R::lit(cx, 0.0)), R::neg(cx, mantissa), mantissa);
    let quotient = R::div(cx, m, mantissa);
    // 2^n in two steps, each of which is in range; an n that two steps do not reach is out of range for every quotient.
    let n = R::sub(cx, e, R::add(cx, exponent, less));
    let cut = |n: R| R::max(cx, R::lit(cx, -most), R::min(cx, R::lit(cx, most), n));
    let first = cut(n);
    let power = R::mul(cx, quotient, R::pow2_integer(cx, first));
    let result = R::mul(cx, power, R::pow2_integer(cx, cut(R::sub(cx, n, first))));
    // For an infinite or NaN factor f, m is infinite or NaN, too.
    let finite = R::lt(cx, R::abs(cx, f), R::lit(cx, f64::INFINITY));
    R::select(cx, finite, result, R::div(cx, m, f))
}

/// x ln x, but 0 at 0.
#[inline(always)]
pub fn x_log_x<R: Real>(cx: R::Cx, x: R) -> R {
    let zero = R::lit(cx, 0.0);
    R::select(cx, R::eq(cx, x, zero), zero, R::mul(cx, x, R::log(cx, x)))
}

/// x rounded to `decimals` decimals, ties away from 0, as C's `round` of x 10^decimals does.
#[inline(always)]
pub fn round<R: Real>(cx: R::Cx, x: R, decimals: i32) -> R {
    if decimals == 0 {
        return R::nearest(cx, x);
    }
    let mut power = 1.0;
    let mut k = 0;
    while k < decimals.unsigned_abs() {
        power *= 10.0;
        k += 1;
    }
    if !R::Scalar::of_f64(power).is_finite() {
        // `decimals` is beyond the digits of the type: of the digits before the point all are rounded off, of those
        // after it none.
        let zero = R::mul(cx, x, R::lit(cx, 0.0));
        let finite = R::lt(cx, R::abs(cx, x), R::lit(cx, f64::INFINITY));
        return if decimals < 0 { R::select(cx, finite, zero, x) } else { x };
    }
    let power = R::lit(cx, power);
    if decimals < 0 {
        return R::mul(cx, R::nearest(cx, R::div(cx, x, power)), power);
    }
    let product = R::mul(cx, x, power);
    let rounded = R::div(cx, R::nearest(cx, product), power);
    // x is an integer already, or x 10^decimals is out of range.
    let integers = R::splat(cx, R::Scalar::epsilon().recip());
    R::select(cx, R::lt(cx, R::abs(cx, product), integers), rounded, x)
}

/// g_n(x) = (1/x d/dx)^n (sin(x) / x), for n = `order`; g_0 is sin(x) / x, and 1 at 0. The derivative of g_n is x
/// g_{n+1}, and all g_n are even functions without a pole.
///
/// g_n is (-1)^n j_n(x) / x^n with the spherical Bessel function j_n (Abramowitz and Stegun 1964, section 10.1): For
/// |x| > n + 2 it is computed by the recurrence in n, which is stable there, else by the power series, which divides by
/// no small number and needs no sine, whose absolute error would count there.
#[inline(always)]
pub fn sin_x_div_x<R: Real>(cx: R::Cx, x: R, order: i32) -> R {
    let (one, square) = (R::lit(cx, 1.0), R::mul(cx, x, x));
    let mut far = R::div(cx, R::sin(cx, x), x);
    let mut before = if order > 0 { R::neg(cx, R::cos(cx, x)) } else { one };
    let mut n = 0;
    while n < order {
        let next = R::mul_add(cx, R::lit(cx, f64::from(2 * n + 1)), far, before);
        (before, far) = (far, R::div(cx, R::neg(cx, next), square));
        n += 1;
    }

    // The factor from each term of the series to the next one.
    let terms = order + if R::Scalar::epsilon().as_f64() > 1e-10 { 8 } else { 13 };
    let mut near = one;
    let mut k = terms;
    while k > 0 {
        let factor = R::lit(cx, 0.5 / f64::from(k * (2 * (order + k) + 1)));
        near = R::neg_mul_add(cx, R::mul(cx, square, factor), near, one);
        k -= 1;
    }
    let mut first = 1.0;
    let mut n = 1;
    while n <= order {
        first /= -f64::from(2 * n + 1);
        n += 1;
    }
    let near = R::mul(cx, R::lit(cx, first), near);
    R::select(cx, R::lt(cx, R::lit(cx, f64::from(order + 2)), R::abs(cx, x)), far, near)
}

/// [`Real::exp2`], compiled as a separate function: for formulas with so many exponentials that inlined copies would be
/// most of their code.
#[inline(always)]
pub fn exp2_apart<R: Real>(cx: R::Cx, x: R) -> R {
    R::apart(
        cx,
        #[inline(always)]
        |cx| R::exp2(cx, x),
    )
}

/// [`Real::exp`], compiled as a separate function like [`exp2_apart`].
#[inline(always)]
pub fn exp_apart<R: Real>(cx: R::Cx, x: R) -> R {
    R::apart(
        cx,
        #[inline(always)]
        |cx| R::exp(cx, x),
    )
}

/// -γ ln(e^(-a/γ) + e^(-b/γ) + e^(-c/γ)): a smooth minimum of three numbers. It is compiled as a separate function.
#[inline(always)]
pub fn soft_min<R: Real>(cx: R::Cx, a: R, b: R, c: R, gamma: R) -> R {
    R::apart(
        cx,
        #[inline(always)]
        |cx| soft_min_inline(cx, a, b, c, gamma),
    )
}

#[inline(always)]
fn soft_min_inline<R: Real>(cx: R::Cx, a: R, b: R, c: R, gamma: R) -> R {
    // The numbers are sorted, so one of the exponentials is 1 and no other is larger.
    let (low, high) = (R::min(cx, a, b), R::max(cx, a, b));
    let least = R::min(cx, low, c);
    let (middle, most) = (R::max(cx, low, R::min(cx, high, c)), R::max(cx, high, c));
    let weight = |x: R| R::exp(cx, R::div(cx, R::sub(cx, least, x), gamma));
    let sum = R::add(cx, R::lit(cx, 1.0), R::add(cx, weight(middle), weight(most)));
    R::neg_mul_add(cx, gamma, R::log(cx, sum), least)
}

/// -∞, where the search for a largest number starts.
#[inline(always)]
pub fn lowest<R: Real>(cx: R::Cx) -> R {
    R::splat(cx, R::Scalar::neg_infinity())
}

/// The larger of x and the best number so far; a NaN x is skipped.
#[inline(always)]
pub fn larger<R: Real>(cx: R::Cx, best: R, x: R) -> R {
    R::select(cx, R::lt(cx, best, x), x, best)
}

/// `here` if x is larger than the best so far, else `place`.
#[inline(always)]
pub fn place_of_larger<R: Real>(cx: R::Cx, best: R, x: R, place: R, here: R) -> R {
    R::select(cx, R::lt(cx, best, x), here, place)
}

/// y if x >= 0, else z.
#[inline(always)]
pub fn if_else<R: Real>(cx: R::Cx, x: R, y: R, z: R) -> R {
    R::select(cx, R::le(cx, R::lit(cx, 0.0), x), y, z)
}

/// x, but at least `low` and at most `high`; NaN for NaN.
#[inline(always)]
pub fn clamp<R: Real>(cx: R::Cx, x: R, low: R, high: R) -> R {
    let raised = R::select(cx, R::lt(cx, x, low), low, x);
    R::select(cx, R::lt(cx, high, raised), high, raised)
}

/// 1 if x = y, else 0.
#[inline(always)]
pub fn equal<R: Real>(cx: R::Cx, x: R, y: R) -> R {
    indicator(cx, R::eq(cx, x, y))
}

/// 1 if x ≠ y, else 0.
#[inline(always)]
pub fn not_equal<R: Real>(cx: R::Cx, x: R, y: R) -> R {
    R::select(cx, R::eq(cx, x, y), R::lit(cx, 0.0), R::lit(cx, 1.0))
}

/// 1 if x < y, else 0.
#[inline(always)]
pub fn less_than<R: Real>(cx: R::Cx, x: R, y: R) -> R {
    indicator(cx, R::lt(cx, x, y))
}

/// 1 if x <= y, else 0.
#[inline(always)]
pub fn less_or_equal<R: Real>(cx: R::Cx, x: R, y: R) -> R {
    indicator(cx, R::le(cx, x, y))
}
