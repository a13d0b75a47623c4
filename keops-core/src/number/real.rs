//! The number a formula computes with.
//!
//! A formula is written once, generic over [`Real`]. One `Real` is
//!
//! - `f32` or `f64` (the module `plain`): the host's scalar path, and one thread on the GPU;
//! - a *tile* ([`crate::lanes`]): Q SIMD vectors that go through every operation in step, so that Q independent
//!   chains hide latency and a constant is splat once for all of them.
//!
//! What a formula asks of its numbers is `Real`: arithmetic, comparisons, elementary functions. What engines, reductions and
//! the elementary functions themselves ask of numbers in registers and memory is [`Packed`], on top of it: loads and stores,
//! lanes, row numbers, bits. So a number that only means something, such as the interval of all values that f takes on two boxes
//! of points, need not be one that a processor could hold.
//!
//! Every operation takes the context `cx` first: a `Copy` proof of what the processor can do (a `pulp` token on the
//! CPU, `()` for plain numbers). It is an argument and not an operator overload because a vector of lanes carries no
//! such proof by itself.
//!
//! Operations are `#[inline(always)]` in every implementation: the one place that carries target features is the
//! dispatcher in [`crate::cpu`], and code that is not inlined into it would be compiled for the baseline.

use num_traits::Float;

/// A scalar type of plain numbers: `f32` or `f64`.
///
/// Holds what differs between the two beyond the width of a register: the polynomials of the elementary functions. The
/// documentation of each function states its largest error over all arguments, in units in the last place (ULP). In f32
/// it is the distance from the true result, with fused multiply-add and, where it differs, without ("unfused"); in f64
/// it is the distance from the result of the standard library. `tests/elementary.rs` measures these errors;
/// docs/elementary-functions.md says how.
///
/// No method has the name of a method of `Element`, the trait by which users know these types: both traits are in scope
/// for a user's `T: Element`, and a call by a common name would be ambiguous.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the element type of an argument, which is `f32` or `f64`",
    label = "expected numbers of type `f32` or `f64`",
    note = "points are arrays, as `[f32; 3]`; a type of yours becomes rows by implementing `keops::AsRows` for references to it"
)]
pub trait Scalar:
    Float + Packed<Cx = (), Scalar = Self, Index = u32> + Default + core::fmt::Debug + core::fmt::Display
{
    /// `f32` or `f64`.
    const TYPE_NAME: &'static str;

    /// 1.5 * 2^23 (f64: 1.5 * 2^52). x + `ROUND` holds the integer nearest to x (ties to even) in its low bits, and
    /// x + `ROUND` - `ROUND` is that integer, for |x| <= 2^22 (f64: 2^51).
    const ROUND: Self;

    /// The value nearest to `value`.
    fn of_f64(value: f64) -> Self;
    /// The exact value as `f64`.
    fn as_f64(self) -> f64;

    /// 2^x. Error: 1.25 ULP in f32 with AVX-512, 0.84 with other fused multiply-add, 1.12 without; 1 in f64. See
    /// [`Real::exp2`].
    fn exp2_real<R: Packed<Scalar = Self>>(cx: R::Cx, x: R) -> R;
    /// e^x. Error: 0.90 ULP in f32 (1.17 unfused), 1 in f64. See [`Real::exp`].
    fn exp_real<R: Packed<Scalar = Self>>(cx: R::Cx, x: R) -> R;
    /// Logarithm to base 2. Error: 1.26 ULP in f32 (1.41 unfused), 1 in f64. See [`Real::log2`].
    fn log2_real<R: Packed<Scalar = Self>>(cx: R::Cx, x: R) -> R;
    /// Natural logarithm. Error: 0.87 ULP in f32 (0.91 unfused), 1 in f64. See [`Real::log`].
    fn log_real<R: Packed<Scalar = Self>>(cx: R::Cx, x: R) -> R;
    /// Sine of x radians. Error: 1.53 ULP in f32 (1.55 unfused), 2 in f64. See [`Real::sin`].
    fn sin_real<R: Packed<Scalar = Self>>(cx: R::Cx, x: R) -> R;
    /// Cosine of x radians. Error: 1.53 ULP in f32 (1.54 unfused), 2 in f64. See [`Real::cos`].
    fn cos_real<R: Packed<Scalar = Self>>(cx: R::Cx, x: R) -> R;
    /// x^y. Error: 0.96 ULP in f32 (1.24 unfused), 1 in f64. See [`Real::pow`].
    fn pow_real<R: Packed<Scalar = Self>>(cx: R::Cx, x: R, y: R) -> R;
    /// Arc sine. Error: 1.19 ULP in f32 (1.20 unfused), 1 in f64. See [`Real::asin`].
    fn asin_real<R: Packed<Scalar = Self>>(cx: R::Cx, x: R) -> R;
    /// Arc cosine. Error: 1.16 ULP in f32 (1.16 unfused), 1 in f64. See [`Real::acos`].
    fn acos_real<R: Packed<Scalar = Self>>(cx: R::Cx, x: R) -> R;
    /// Arc tangent. Error: 1.34 ULP in f32 (1.51 unfused), 2 in f64. See [`Real::atan`].
    fn atan_real<R: Packed<Scalar = Self>>(cx: R::Cx, x: R) -> R;
    /// Angle of the point (x, y). Error: 1.52 ULP in f32 (1.58 unfused), 2 in f64. See [`Real::atan2`].
    fn atan2_real<R: Packed<Scalar = Self>>(cx: R::Cx, y: R, x: R) -> R;
    /// Logarithm to base 10. Error: 0.86 ULP in f32 (1.60 unfused), 2 in f64. See [`Real::log10`].
    fn log10_real<R: Packed<Scalar = Self>>(cx: R::Cx, x: R) -> R;
    /// e^x - 1. Error: 1.02 ULP in f32 (1.11 unfused), 1 in f64. See [`Real::exp_m1`].
    fn exp_m1_real<R: Packed<Scalar = Self>>(cx: R::Cx, x: R) -> R;
    /// ln(1 + x). Error: 0.84 ULP in f32, 1 in f64. See [`Real::ln_1p`].
    fn ln_1p_real<R: Packed<Scalar = Self>>(cx: R::Cx, x: R) -> R;
    /// Tangent of x radians. Error: 1.88 ULP in f32, 2 in f64. See [`Real::tan`].
    fn tan_real<R: Packed<Scalar = Self>>(cx: R::Cx, x: R) -> R;
    /// Hyperbolic sine. Error: 1.52 ULP in f32 (1.58 unfused), 2 in f64. See [`Real::sinh`].
    fn sinh_real<R: Packed<Scalar = Self>>(cx: R::Cx, x: R) -> R;
    /// Hyperbolic cosine. Error: 1.28 ULP in f32 (1.46 unfused), 2 in f64. See [`Real::cosh`].
    fn cosh_real<R: Packed<Scalar = Self>>(cx: R::Cx, x: R) -> R;
    /// Hyperbolic tangent. Error: 1.30 ULP in f32, 2 in f64. See [`Real::tanh`].
    fn tanh_real<R: Packed<Scalar = Self>>(cx: R::Cx, x: R) -> R;
    /// Inverse hyperbolic sine. Error: 1.25 ULP in f32, 2 in f64. See [`Real::asinh`].
    fn asinh_real<R: Packed<Scalar = Self>>(cx: R::Cx, x: R) -> R;
    /// Inverse hyperbolic cosine. Error: 1.04 ULP in f32, 2 in f64. See [`Real::acosh`].
    fn acosh_real<R: Packed<Scalar = Self>>(cx: R::Cx, x: R) -> R;
    /// Inverse hyperbolic tangent. Error: 0.99 ULP in f32, 1 in f64. See [`Real::atanh`].
    fn atanh_real<R: Packed<Scalar = Self>>(cx: R::Cx, x: R) -> R;
    /// Error function. Error: 0.96 ULP in f32 (1.15 unfused), 1 in f64. See [`Real::erf`].
    fn erf_real<R: Packed<Scalar = Self>>(cx: R::Cx, x: R) -> R;
    /// 1 - erf x. Error: 3.37 ULP in f32, 4 in f64. See [`Real::erfc`].
    fn erfc_real<R: Packed<Scalar = Self>>(cx: R::Cx, x: R) -> R;
    /// Cube root. Error: 0.58 ULP in f32, 1 in f64. See [`Real::cbrt`].
    fn cbrt_real<R: Packed<Scalar = Self>>(cx: R::Cx, x: R) -> R;
}

/// A number, or a tile of numbers that are computed in step.
pub trait Real: Copy + Send + Sync + 'static {
    /// Proof of what the processor can do, passed to every operation.
    type Cx: Copy + Send + Sync;
    /// The type of one lane.
    type Scalar: Scalar;
    /// The result of a comparison, one truth value a lane.
    type Mask: Copy;

    /// The same number in every lane.
    fn splat(cx: Self::Cx, value: Self::Scalar) -> Self;
    /// A constant of the formula, rounded to the element type, in every lane. A finite constant beyond the range of the
    /// type becomes the largest number of the type, so that a constant like 1e300 which stands for "very far" still
    /// compares as such. A constant other than 0 that is closer to 0 than any normal number becomes the smallest normal
    /// number, so that a division by 1e-300 is no division by 0. Both keep their sign.
    #[inline(always)]
    fn lit(cx: Self::Cx, value: f64) -> Self {
        let (least, most) = (Self::Scalar::min_positive_value(), Self::Scalar::max_value());
        let size = value.abs();
        let within = if size > most.as_f64() && size.is_finite() {
            most
        } else if size < least.as_f64() && size > 0.0 {
            least
        } else {
            return Self::splat(cx, Self::Scalar::of_f64(value));
        };
        Self::splat(cx, if value < 0.0 { -within } else { within })
    }

    /// a + b
    fn add(cx: Self::Cx, a: Self, b: Self) -> Self;
    /// a - b
    fn sub(cx: Self::Cx, a: Self, b: Self) -> Self;
    /// a b
    fn mul(cx: Self::Cx, a: Self, b: Self) -> Self;
    /// a / b
    fn div(cx: Self::Cx, a: Self, b: Self) -> Self;
    /// -a
    fn neg(cx: Self::Cx, a: Self) -> Self;
    /// a b + c, fused where the processor does that, else with two roundings.
    fn mul_add(cx: Self::Cx, a: Self, b: Self, c: Self) -> Self;
    /// c - a b, fused like [`Self::mul_add`].
    fn neg_mul_add(cx: Self::Cx, a: Self, b: Self, c: Self) -> Self;
    /// `sum` + `scale` (a - b), the difference rounded, the rest fused like [`Self::mul_add`].
    #[inline(always)]
    fn add_scaled_difference(cx: Self::Cx, scale: Self, a: Self, b: Self, sum: Self) -> Self {
        Self::mul_add(cx, scale, Self::sub(cx, a, b), sum)
    }
    /// The absolute value; clears the sign bit.
    fn abs(cx: Self::Cx, a: Self) -> Self;
    /// 1 / a
    #[inline(always)]
    fn inv(cx: Self::Cx, a: Self) -> Self {
        Self::div(cx, Self::lit(cx, 1.0), a)
    }
    /// 1 / √a
    #[inline(always)]
    fn inv_sqrt(cx: Self::Cx, a: Self) -> Self {
        Self::inv(cx, Self::sqrt(cx, a))
    }
    /// The square root, correctly rounded.
    fn sqrt(cx: Self::Cx, a: Self) -> Self;
    /// The smaller of two numbers. NaN if `b` is NaN; if only `a` is NaN, either NaN or `b`.
    fn min(cx: Self::Cx, a: Self, b: Self) -> Self;
    /// The larger of two numbers. NaN if `b` is NaN; if only `a` is NaN, either NaN or `b`.
    fn max(cx: Self::Cx, a: Self, b: Self) -> Self;
    /// The nearest integer, ties to even.
    fn round(cx: Self::Cx, a: Self) -> Self;

    /// The nearest integer, ties away from 0.
    #[inline(always)]
    fn nearest(cx: Self::Cx, a: Self) -> Self {
        // The difference is exact, so it tells which ties were rounded towards 0.
        let even = Self::round(cx, a);
        let (left, half) = (Self::sub(cx, a, even), Self::lit(cx, 0.5));
        let signed = |size: f64| {
            Self::select(cx, Self::lt(cx, a, Self::lit(cx, 0.0)), Self::lit(cx, -size), Self::lit(cx, size))
        };
        let short = Self::and(cx, Self::eq(cx, Self::abs(cx, left), half), Self::eq(cx, left, signed(0.5)));
        Self::select(cx, short, Self::add(cx, even, signed(1.0)), even)
    }
    /// The largest integer that is not above a.
    #[inline(always)]
    fn floor(cx: Self::Cx, a: Self) -> Self {
        let nearest = Self::round(cx, a);
        Self::select(cx, Self::lt(cx, a, nearest), Self::sub(cx, nearest, Self::lit(cx, 1.0)), nearest)
    }

    /// a < b; false if either is NaN.
    fn lt(cx: Self::Cx, a: Self, b: Self) -> Self::Mask;
    /// a <= b; false if either is NaN.
    fn le(cx: Self::Cx, a: Self, b: Self) -> Self::Mask;
    /// a == b; false if either is NaN.
    fn eq(cx: Self::Cx, a: Self, b: Self) -> Self::Mask;
    /// Whether both are true, lane by lane.
    fn and(cx: Self::Cx, a: Self::Mask, b: Self::Mask) -> Self::Mask;
    /// Whether at least one is true, lane by lane.
    fn or(cx: Self::Cx, a: Self::Mask, b: Self::Mask) -> Self::Mask;
    /// Whether the mask is false, lane by lane.
    fn not(cx: Self::Cx, a: Self::Mask) -> Self::Mask;
    /// Whether any lane is true.
    fn any(cx: Self::Cx, mask: Self::Mask) -> bool;
    /// `yes` where the mask is true, `no` elsewhere: the bits of one or the other, never arithmetic on both.
    fn select(cx: Self::Cx, mask: Self::Mask, yes: Self, no: Self) -> Self;

    /// Calls `f`, a piece of a long formula, which is compiled as a separate function where that makes compilation
    /// faster. `f` must be `inline(always)`.
    #[inline(always)]
    fn apart<O>(cx: Self::Cx, f: impl FnOnce(Self::Cx) -> O) -> O {
        f(cx)
    }

    /// 2^x. Infinity above the normal range, NaN for NaN. 0 where the result is below 2^-125.5 (f64: 2^-1021.5), with
    /// AVX-512 below 2^-125 (f64: 2^-1021); never subnormal, nor is anything on the way.
    fn exp2(cx: Self::Cx, x: Self) -> Self;
    /// e^x. Infinity above the normal range, 0 where the result is below 2^-125.5 (f64: 2^-1021.5); NaN for NaN.
    fn exp(cx: Self::Cx, x: Self) -> Self;
    /// The logarithm to base 2. -infinity at 0, NaN for negative numbers; subnormal numbers are handled.
    fn log2(cx: Self::Cx, x: Self) -> Self;
    /// The natural logarithm. -infinity at 0, NaN for negative numbers; subnormal numbers are handled.
    fn log(cx: Self::Cx, x: Self) -> Self;
    /// The sine of x radians, for every finite x; NaN at infinity.
    fn sin(cx: Self::Cx, x: Self) -> Self;
    /// The cosine of x radians, for every finite x; NaN at infinity.
    fn cos(cx: Self::Cx, x: Self) -> Self;
    /// x^y with the special cases of C's `pow`. Results out of range are as those of [`Self::exp2`].
    fn pow(cx: Self::Cx, x: Self, y: Self) -> Self;
    /// The arc sine, between -π/2 and π/2; NaN beyond ±1.
    fn asin(cx: Self::Cx, x: Self) -> Self;
    /// The arc cosine, between 0 and π; NaN beyond ±1.
    fn acos(cx: Self::Cx, x: Self) -> Self;
    /// The arc tangent, between -π/2 and π/2.
    fn atan(cx: Self::Cx, x: Self) -> Self;
    /// The angle of the point (x, y), between -π and π, with the special cases of C's `atan2`, signs of zeros included.
    fn atan2(cx: Self::Cx, y: Self, x: Self) -> Self;
    /// The logarithm to base 10. -infinity at 0, NaN for negative numbers; subnormal numbers are handled.
    fn log10(cx: Self::Cx, x: Self) -> Self;
    /// e^x - 1, accurate also near 0. Infinity above the range; NaN for NaN.
    fn exp_m1(cx: Self::Cx, x: Self) -> Self;
    /// ln(1 + x), accurate also near 0. -infinity at -1, NaN below.
    fn ln_1p(cx: Self::Cx, x: Self) -> Self;
    /// The tangent of x radians, for every finite x; NaN at infinity.
    fn tan(cx: Self::Cx, x: Self) -> Self;
    /// The hyperbolic sine; infinite only where the result is out of range.
    fn sinh(cx: Self::Cx, x: Self) -> Self;
    /// The hyperbolic cosine; infinite only where the result is out of range.
    fn cosh(cx: Self::Cx, x: Self) -> Self;
    /// The hyperbolic tangent, between -1 and 1.
    fn tanh(cx: Self::Cx, x: Self) -> Self;
    /// The inverse hyperbolic sine.
    fn asinh(cx: Self::Cx, x: Self) -> Self;
    /// The inverse hyperbolic cosine, from 0 on; NaN below 1.
    fn acosh(cx: Self::Cx, x: Self) -> Self;
    /// The inverse hyperbolic tangent. Infinite at ±1, NaN beyond.
    fn atanh(cx: Self::Cx, x: Self) -> Self;
    /// The error function 2/√π ∫_0^x exp(-t²) dt, between -1 and 1.
    fn erf(cx: Self::Cx, x: Self) -> Self;
    /// 1 - erf x, accurate also where the result is small. Results out of range are as those of [`Self::exp2`].
    fn erfc(cx: Self::Cx, x: Self) -> Self;
    /// The cube root; it has the sign of x.
    fn cbrt(cx: Self::Cx, x: Self) -> Self;

    /// 2^n for integers n, also beyond the range of normal numbers: 0 for n <= -127 (f64: -1023), infinity for
    /// n >= 128 (f64: 1024). `n` must lie in -127..=128 (f64: -1023..=1024).
    fn pow2_integer(cx: Self::Cx, n: Self) -> Self;
    /// Mantissa and exponent of positive normal numbers: x = m 2^e with m in [sqrt(1/2), sqrt(2)). For other arguments
    /// the two numbers are unspecified, and nothing traps.
    fn split_exponent(cx: Self::Cx, x: Self) -> (Self, Self);
}

/// Numbers as they lie in registers and memory: one number, or the lanes of a tile.
pub trait Packed: Real {
    /// A row number a lane: an integer at least 32 bits wide.
    type Index: Copy + Send + Sync + 'static;
    /// How many numbers one `Self` holds.
    const LANES: usize;
    /// Whether the numbers are lanes of SIMD vectors, so that a branch is taken for all of them together.
    const SIMD: bool = false;
    /// Reads the first [`Self::LANES`] numbers of `from`; panics if there are fewer.
    fn load(cx: Self::Cx, from: &[Self::Scalar]) -> Self;
    /// Memory as values of this type, [`Self::LANES`] numbers each. Numbers after the last whole value are left out.
    fn view(from: &[Self::Scalar]) -> &[Self];
    /// The mutable form of [`Self::view`].
    fn view_mut(from: &mut [Self::Scalar]) -> &mut [Self];
    /// Writes the lanes to the front of `to`; panics if it is shorter than [`Self::LANES`].
    fn store(self, cx: Self::Cx, to: &mut [Self::Scalar]);
    /// The mask as a number with one bit for each lane; lane 0 is the lowest bit. Called only where [`Self::SIMD`] is
    /// true.
    #[inline(always)]
    fn truths(_cx: Self::Cx, _mask: Self::Mask) -> u64 {
        unreachable!("these are no lanes of a processor")
    }

    /// The same row number in every lane.
    fn index_splat(cx: Self::Cx, index: u32) -> Self::Index;
    /// The row numbers `first`, `first + 1`, ..., one in each lane, wrapping at 2^32.
    fn index_ramp(cx: Self::Cx, first: u32) -> Self::Index;
    /// `yes` where the mask is true, `no` elsewhere.
    fn index_select(cx: Self::Cx, mask: Self::Mask, yes: Self::Index, no: Self::Index) -> Self::Index;
    /// Whether a <= b, for row numbers.
    fn index_le(cx: Self::Cx, a: Self::Index, b: Self::Index) -> Self::Mask;
    /// Row numbers as the bits of numbers, so that they can be stored in memory for numbers.
    fn index_to_bits(cx: Self::Cx, index: Self::Index) -> Self;
    /// The row numbers in bits that [`Self::index_to_bits`] made.
    fn index_from_bits(cx: Self::Cx, bits: Self) -> Self::Index;
    /// The bits of `t`, shifted left so that the integer in its low bits becomes the exponent: one instruction.
    ///
    /// For t = [`Scalar::ROUND`] + n + k with an integer n and k = 127 (f64: 1023) it is 2^n as in
    /// [`Real::pow2_integer`]; exponentials have t at hand, since adding `ROUND` is how they round.
    fn shift_to_exponent(cx: Self::Cx, t: Self) -> Self;
    /// Whether [`Self::pow2_sixteenths`], [`Self::shift_to_sixteenths`] and [`Self::unless_below`] are implemented.
    const SIXTEENTHS: bool = false;
    /// 2^n for multiples n of 1/16, from a table in registers: the low bits of t = [`Scalar::ROUND`] / 16 + n + k count
    /// sixteenths, and the result is scaled as that of [`Self::shift_to_exponent`]. The result is wrong for n from -k +
    /// 1/16 to -k + 15/16. Called only where [`Self::SIXTEENTHS`] is true.
    #[inline(always)]
    fn pow2_sixteenths(_cx: Self::Cx, _t: Self) -> Self {
        unreachable!("there is no table of powers for these lanes")
    }
    /// The t for [`Self::pow2_sixteenths`] where n is the multiple of 1/16 nearest to x or, if that is less, `high`,
    /// given `shift` = [`Scalar::ROUND`] / 16 + k; and something that is x - n for x up to `high`, not less than 0
    /// beyond, and NaN for NaN. Called only where [`Self::SIXTEENTHS`] is true.
    #[inline(always)]
    fn shift_to_sixteenths(_cx: Self::Cx, _x: Self, _shift: Self::Scalar, _high: Self::Scalar) -> (Self, Self) {
        unreachable!("there is no table of powers for these lanes")
    }
    /// 0 where x < `low`, whatever `value` is there, else `value`. Called only where [`Self::SIXTEENTHS`] is true.
    #[inline(always)]
    fn unless_below(_cx: Self::Cx, _x: Self, _low: Self::Scalar, _value: Self) -> Self {
        unreachable!("there is no table of powers for these lanes")
    }
    /// Whether bit `bit` of `t` is set, 0 being the lowest: for t = [`Scalar::ROUND`] + n, that bit of the integer n.
    fn bit(cx: Self::Cx, t: Self, bit: u32) -> Self::Mask;
    /// The rounded product a b and its rounding error: their sum is a b exactly, barring overflow and underflow.
    fn two_product(cx: Self::Cx, a: Self, b: Self) -> (Self, Self);
    /// Applies a scalar function to each lane, for the rare arguments that an algorithm on lanes does not cover.
    fn map(cx: Self::Cx, x: Self, f: impl Fn(Self::Scalar) -> Self::Scalar) -> Self;
}
