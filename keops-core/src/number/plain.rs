//! Plain numbers: `f32` and `f64` as [`Real`].
//!
//! These are the numbers of the scalar code on the host, and of one thread on a GPU. Without `std` the few operations
//! that `core` lacks come from `libm` through `num_traits`.

#[cfg(not(target_arch = "nvptx64"))]
use num_traits::Float;

use crate::number::{Packed, Real, Scalar, math};

/// Whether `mul_add` is one instruction; elsewhere it is a library call, ten times slower than two roundings.
const FUSED: bool =
    cfg!(any(target_arch = "nvptx64", all(feature = "std", any(target_feature = "fma", target_arch = "aarch64"))));

/// a b + c in one rounding.
macro_rules! fused {
    ($intrinsic:ident, $a:expr, $b:expr, $c:expr) => {{
        #[cfg(target_arch = "nvptx64")]
        let fused = core::intrinsics::$intrinsic($a, $b, $c);
        #[cfg(not(target_arch = "nvptx64"))]
        let fused = Float::mul_add($a, $b, $c);
        fused
    }};
}

/// The square root. On a GPU it is an instruction, which `num_traits` does not use.
macro_rules! root {
    ($intrinsic:ident, $a:expr) => {{
        #[cfg(target_arch = "nvptx64")]
        let root = core::intrinsics::$intrinsic($a);
        #[cfg(not(target_arch = "nvptx64"))]
        let root = Float::sqrt($a);
        root
    }};
}

/// Elementary functions that are compiled once, in this crate, and not again for each formula; on GPUs, too.
macro_rules! compiled_once {
    ($t:ident; $($name:ident => $function:ident($($arg:ident),+)),+) => {$(
        #[cfg_attr(target_arch = "nvptx64", inline(never))]
        #[cfg_attr(not(any(feature = "std", target_arch = "nvptx64")), inline(always))]
        fn $name(cx: (), $($arg: $t),+) -> $t {
            $t::$function(cx, $($arg),+)
        }
    )+};
}

macro_rules! plain {
    (
        $t:ident, $bits:ident, mantissa_bits: $mantissa_bits:literal, round: $round:literal, exponent_bias: $bias:literal,
        fma: $fma:ident, sqrt: $sqrt:ident, two_product: $two_product:expr, constants: $constants:ident,
        near: [$rest:ident, $sinh:ident, $tanh:ident, $atanh:ident, $tan:ident]
    ) => {
        impl Real for $t {
            type Cx = ();
            type Scalar = $t;
            type Mask = bool;

            #[inline(always)]
            fn splat(_: (), value: $t) -> $t {
                value
            }

            #[inline(always)]
            fn add(_: (), a: $t, b: $t) -> $t {
                a + b
            }
            #[inline(always)]
            fn sub(_: (), a: $t, b: $t) -> $t {
                a - b
            }
            #[inline(always)]
            fn mul(_: (), a: $t, b: $t) -> $t {
                a * b
            }
            #[inline(always)]
            fn div(_: (), a: $t, b: $t) -> $t {
                a / b
            }
            #[inline(always)]
            fn neg(_: (), a: $t) -> $t {
                -a
            }
            #[inline(always)]
            fn mul_add(_: (), a: $t, b: $t, c: $t) -> $t {
                if FUSED { fused!($fma, a, b, c) } else { a * b + c }
            }
            #[inline(always)]
            fn neg_mul_add(_: (), a: $t, b: $t, c: $t) -> $t {
                Real::mul_add((), -a, b, c)
            }
            #[inline(always)]
            fn abs(_: (), a: $t) -> $t {
                $t::from_bits(a.to_bits() & ($bits::MAX >> 1))
            }
            #[inline(always)]
            fn sqrt(_: (), a: $t) -> $t {
                root!($sqrt, a)
            }
            #[inline(always)]
            fn min(_: (), a: $t, b: $t) -> $t {
                if a < b { a } else { b }
            }
            #[inline(always)]
            fn max(_: (), a: $t, b: $t) -> $t {
                if a > b { a } else { b }
            }
            #[inline(always)]
            fn round(_: (), a: $t) -> $t {
                // Adding and subtracting 2^23 (2^52) leaves no room for fractional bits; larger numbers have none.
                let limit = ((1 as $bits) << $mantissa_bits) as $t;
                let size = Real::abs((), a);
                let rounded = if size < limit { size + limit - limit } else { size };
                $t::from_bits(rounded.to_bits() | (a.to_bits() & !($bits::MAX >> 1)))
            }

            #[inline(always)]
            fn lt(_: (), a: $t, b: $t) -> bool {
                a < b
            }
            #[inline(always)]
            fn le(_: (), a: $t, b: $t) -> bool {
                a <= b
            }
            #[inline(always)]
            fn eq(_: (), a: $t, b: $t) -> bool {
                a == b
            }
            #[inline(always)]
            fn and(_: (), a: bool, b: bool) -> bool {
                a & b
            }
            #[inline(always)]
            fn or(_: (), a: bool, b: bool) -> bool {
                a | b
            }
            #[inline(always)]
            fn not(_: (), a: bool) -> bool {
                !a
            }
            #[inline(always)]
            fn any(_: (), mask: bool) -> bool {
                mask
            }
            #[inline(always)]
            fn select(_: (), mask: bool, yes: $t, no: $t) -> $t {
                if mask { yes } else { no }
            }
            // On a GPU a call stores the registers in memory, so the piece is inlined there.
            #[cfg(not(target_arch = "nvptx64"))]
            #[inline(never)]
            fn apart<O>(_: (), f: impl FnOnce(()) -> O) -> O {
                f(())
            }

            #[cfg_attr(not(feature = "std"), inline(always))]
            fn exp2(cx: (), x: $t) -> $t {
                <$t>::exp2_real(cx, x)
            }
            compiled_once! {
                $t;
                exp => exp_real(x), log2 => log2_real(x), log => log_real(x), sin => sin_real(x), cos => cos_real(x),
                pow => pow_real(x, y), asin => asin_real(x), acos => acos_real(x), atan => atan_real(x),
                atan2 => atan2_real(y, x), log10 => log10_real(x), exp_m1 => exp_m1_real(x), ln_1p => ln_1p_real(x),
                tan => tan_real(x), sinh => sinh_real(x), cosh => cosh_real(x), tanh => tanh_real(x),
                asinh => asinh_real(x), acosh => acosh_real(x), atanh => atanh_real(x), erf => erf_real(x),
                erfc => erfc_real(x), cbrt => cbrt_real(x)
            }

            #[inline(always)]
            fn pow2_integer(_: (), n: $t) -> $t {
                Packed::shift_to_exponent((), n + ($round + $bias))
            }
            #[inline(always)]
            fn split_exponent(_: (), x: $t) -> ($t, $t) {
                // Counting exponents from sqrt(1/2) instead of from 1 puts the mantissa in [sqrt(1/2), sqrt(2)).
                const ROOT_HALF: $bits = core::$t::consts::FRAC_1_SQRT_2.to_bits();
                const ONE: $bits = (1.0 as $t).to_bits();
                // 2^23 (2^52): its bits with an integer or-ed in are the sum of the two.
                const COUNT: $bits = (((1 as $bits) << $mantissa_bits) as $t).to_bits();
                let shifted = x.to_bits().wrapping_add(ONE - ROOT_HALF);
                let mantissa = (shifted & ((1 << $mantissa_bits) - 1)) + ROOT_HALF;
                let exponent = $t::from_bits(shifted >> $mantissa_bits | COUNT) - ($t::from_bits(COUNT) + $bias);
                ($t::from_bits(mantissa), exponent)
            }
        }

        impl Packed for $t {
            type Index = u32;
            const LANES: usize = 1;
            #[inline(always)]
            fn load(_: (), from: &[$t]) -> $t {
                from[0]
            }
            #[inline(always)]
            fn view(from: &[$t]) -> &[$t] {
                from
            }
            #[inline(always)]
            fn view_mut(from: &mut [$t]) -> &mut [$t] {
                from
            }
            #[inline(always)]
            fn store(self, _: (), to: &mut [$t]) {
                to[0] = self;
            }

            #[inline(always)]
            fn index_splat(_: (), index: u32) -> u32 {
                index
            }
            #[inline(always)]
            fn index_ramp(_: (), first: u32) -> u32 {
                first
            }
            #[inline(always)]
            fn index_select(_: (), mask: bool, yes: u32, no: u32) -> u32 {
                if mask { yes } else { no }
            }
            #[inline(always)]
            fn index_le(_: (), a: u32, b: u32) -> bool {
                a <= b
            }
            #[inline(always)]
            fn index_to_bits(_: (), index: u32) -> $t {
                $t::from_bits($bits::from(index))
            }
            #[inline(always)]
            fn index_from_bits(_: (), bits: $t) -> u32 {
                // In f64 a row number is in the lower half of the bits, and the upper half is 0.
                bits.to_bits() as u32
            }
            #[inline(always)]
            fn shift_to_exponent(_: (), t: $t) -> $t {
                $t::from_bits(t.to_bits() << $mantissa_bits)
            }
            #[inline(always)]
            fn bit(_: (), t: $t, bit: u32) -> bool {
                t.to_bits() & (1 << bit) != 0
            }
            #[inline(always)]
            fn two_product(_: (), a: $t, b: $t) -> ($t, $t) {
                $two_product(a, b)
            }
            #[inline(always)]
            fn map(_: (), x: $t, f: impl Fn($t) -> $t) -> $t {
                f(x)
            }
        }

        #[diagnostic::do_not_recommend]
        impl Scalar for $t {
            const TYPE_NAME: &'static str = stringify!($t);
            const ROUND: $t = $round;

            #[inline(always)]
            fn of_f64(value: f64) -> $t {
                value as $t
            }
            #[inline(always)]
            fn as_f64(self) -> f64 {
                self as f64
            }

            #[inline(always)]
            fn exp2_real<R: Packed<Scalar = $t>>(cx: R::Cx, x: R) -> R {
                math::exp2::exp2(cx, x, &math::exp2::$constants)
            }
            #[inline(always)]
            fn exp_real<R: Packed<Scalar = $t>>(cx: R::Cx, x: R) -> R {
                math::exp::exp(cx, x, &math::exp::$constants)
            }
            #[inline(always)]
            fn log2_real<R: Packed<Scalar = $t>>(cx: R::Cx, x: R) -> R {
                math::log::log2(cx, x, &math::log::$constants)
            }
            #[inline(always)]
            fn log_real<R: Packed<Scalar = $t>>(cx: R::Cx, x: R) -> R {
                math::log::log(cx, x, &math::log::$constants)
            }
            #[inline(always)]
            fn sin_real<R: Packed<Scalar = $t>>(cx: R::Cx, x: R) -> R {
                math::sin::sin(cx, x, &math::sin::$constants)
            }
            #[inline(always)]
            fn cos_real<R: Packed<Scalar = $t>>(cx: R::Cx, x: R) -> R {
                math::sin::cos(cx, x, &math::sin::$constants)
            }
            #[inline(always)]
            fn pow_real<R: Packed<Scalar = $t>>(cx: R::Cx, x: R, y: R) -> R {
                math::pow::pow(cx, x, y, &math::pow::$constants, &math::exp2::$constants)
            }
            #[inline(always)]
            fn asin_real<R: Packed<Scalar = $t>>(cx: R::Cx, x: R) -> R {
                math::asin::asin(cx, x, &math::asin::$constants)
            }
            #[inline(always)]
            fn acos_real<R: Packed<Scalar = $t>>(cx: R::Cx, x: R) -> R {
                math::asin::acos(cx, x, &math::asin::$constants)
            }
            #[inline(always)]
            fn atan_real<R: Packed<Scalar = $t>>(cx: R::Cx, x: R) -> R {
                math::atan::atan(cx, x, &math::atan::$constants)
            }
            #[inline(always)]
            fn atan2_real<R: Packed<Scalar = $t>>(cx: R::Cx, y: R, x: R) -> R {
                math::atan::atan2(cx, y, x, &math::atan::$constants)
            }
            #[inline(always)]
            fn log10_real<R: Packed<Scalar = $t>>(cx: R::Cx, x: R) -> R {
                math::log::log10(cx, x, &math::log::$constants)
            }
            #[inline(always)]
            fn exp_m1_real<R: Packed<Scalar = $t>>(cx: R::Cx, x: R) -> R {
                math::exp::exp_m1(cx, x, &math::exp::$rest, &math::exp::$constants)
            }
            #[inline(always)]
            fn ln_1p_real<R: Packed<Scalar = $t>>(cx: R::Cx, x: R) -> R {
                math::log::ln_1p(cx, x, &math::log::$constants)
            }
            #[inline(always)]
            fn tan_real<R: Packed<Scalar = $t>>(cx: R::Cx, x: R) -> R {
                math::sin::tan(cx, x, &math::sin::$tan, &math::sin::$constants)
            }
            #[inline(always)]
            fn sinh_real<R: Packed<Scalar = $t>>(cx: R::Cx, x: R) -> R {
                math::hyperbolic::sinh(cx, x, &math::hyperbolic::$sinh, &math::exp::$constants)
            }
            #[inline(always)]
            fn cosh_real<R: Packed<Scalar = $t>>(cx: R::Cx, x: R) -> R {
                math::hyperbolic::cosh(cx, x, &math::exp::$constants)
            }
            #[inline(always)]
            fn tanh_real<R: Packed<Scalar = $t>>(cx: R::Cx, x: R) -> R {
                math::hyperbolic::tanh(cx, x, &math::hyperbolic::$tanh, &math::exp::$constants)
            }
            #[inline(always)]
            fn asinh_real<R: Packed<Scalar = $t>>(cx: R::Cx, x: R) -> R {
                math::area::asinh(cx, x, &math::log::$constants)
            }
            #[inline(always)]
            fn acosh_real<R: Packed<Scalar = $t>>(cx: R::Cx, x: R) -> R {
                math::area::acosh(cx, x, &math::log::$constants)
            }
            #[inline(always)]
            fn atanh_real<R: Packed<Scalar = $t>>(cx: R::Cx, x: R) -> R {
                math::area::atanh(cx, x, &math::area::$atanh, &math::log::$constants)
            }
            #[inline(always)]
            fn erf_real<R: Packed<Scalar = $t>>(cx: R::Cx, x: R) -> R {
                math::erf::erf(cx, x, &math::erf::$constants, &math::exp::$constants)
            }
            #[inline(always)]
            fn erfc_real<R: Packed<Scalar = $t>>(cx: R::Cx, x: R) -> R {
                math::erf::erfc(cx, x, &math::erf::$constants, &math::exp::$constants)
            }
            #[inline(always)]
            fn cbrt_real<R: Packed<Scalar = $t>>(cx: R::Cx, x: R) -> R {
                math::cbrt::cbrt(cx, x)
            }
        }
    };
}

plain!(
    f32, u32, mantissa_bits: 23, round: 12_582_912.0, exponent_bias: 127.0,
    fma: fmaf32, sqrt: sqrtf32, two_product: two_product_f32, constants: F32,
    near: [REST_F32, SINH_F32, TANH_F32, ATANH_F32, TAN_F32]
);
plain!(
    f64, u64, mantissa_bits: 52, round: 6_755_399_441_055_744.0, exponent_bias: 1023.0,
    fma: fmaf64, sqrt: sqrtf64, two_product: two_product_f64, constants: F64,
    near: [REST_F64, SINH_F64, TANH_F64, ATANH_F64, TAN_F64]
);

/// The product of two `f32`, which is exact in `f64`.
#[inline(always)]
fn two_product_f32(a: f32, b: f32) -> (f32, f32) {
    let exact = f64::from(a) * f64::from(b);
    let product = exact as f32;
    (product, (exact - f64::from(product)) as f32)
}

#[inline(always)]
fn two_product_f64(a: f64, b: f64) -> (f64, f64) {
    if FUSED {
        let product = a * b;
        (product, fused!(fmaf64, a, b, -product))
    } else {
        math::dekker_product::<f64>((), a, b, 134_217_729.0)
    }
}
