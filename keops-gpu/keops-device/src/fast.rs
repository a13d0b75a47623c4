//! `f32` with the elementary functions of the hardware.
//!
//! | function | instruction | error |
//! |---|---|---|
//! | 2^x | `ex2.approx.ftz` | 2 ULP; subnormal results are 0 |
//! | e^x | `ex2.approx.ftz` of x log2(e) | 2 ULP and a relative |x| 2^-24 |
//! | log2 x, ln x | `lg2.approx.ftz` | 2^-22 absolute for x in [0.5, 2], else 1 ULP |
//! | 1/√x | `rsqrt.approx.ftz` | 2^-22.9 relative |
//! | √x | `sqrt.approx.ftz` | 2^-23 relative |
//! | a/b | `div.full` | 2 ULP |
//! | 1/x | `rcp.approx.ftz` | 1 ULP |
//! | sin, cos | `sin.approx.ftz`, `cos.approx.ftz` of x reduced to [-π, π] | 2^-20.5 absolute; for |x| > 8192 as on the CPU |
//!
//! The errors of the instructions are those of NVIDIA's PTX ISA, for results in the normal range; subnormal arguments
//! count as 0. All other operations are those of `f32`.

use core::{arch::asm, slice};

use keops_core::number::{Packed, Real};

use crate::rows::Number;

/// An `f32` whose elementary functions are instructions of the hardware.
#[derive(Clone, Copy, Debug, Default)]
#[repr(transparent)]
pub struct Fast(pub f32);

/// An instruction on one number.
macro_rules! instruction {
    ($text:literal, $x:expr) => {{
        let y: f32;
        // SAFETY: arithmetic on registers.
        unsafe { asm!($text, out(reg32) y, in(reg32) $x, options(pure, nomem, nostack)) };
        Fast(y)
    }};
}

/// Methods of a trait that are those of `f32`, grouped by their types.
macro_rules! forward {
    ($trait:ident; $( $arguments:tt -> $result:tt: $($name:ident)*; )*) => {
        $($( forward!(@method $trait $name $arguments $result); )*)*
    };
    (@method $trait:ident $name:ident ($($x:ident: $type:tt),*) $result:tt) => {
        #[inline(always)]
        fn $name(_: (), $($x: $type),*) -> $result {
            forward!(@wrap $result, <f32 as $trait>::$name((), $(forward!(@unwrap $type, $x)),*))
        }
    };
    (@unwrap Self, $x:expr) => { $x.0 };
    (@unwrap $type:tt, $x:expr) => { $x };
    (@wrap Self, $value:expr) => { Fast($value) };
    (@wrap (Self, Self), $value:expr) => {{
        let (first, second) = $value;
        (Fast(first), Fast(second))
    }};
    (@wrap $type:tt, $value:expr) => { $value };
}

/// The largest argument of a sine or a cosine that is reduced here; larger ones are reduced as on the CPU.
const REDUCED: f32 = 8192.0;

/// x - 2π k for the integer k nearest to x / 2π, for |x| up to [`REDUCED`].
#[inline(always)]
fn reduced(x: f32) -> f32 {
    use core::f64::consts::TAU;
    // 2π in two parts; k times the first is exact in the fused operation
    const HIGH: f32 = TAU as f32;
    const LOW: f32 = (TAU - HIGH as f64) as f32;
    let k = Real::round((), x * (1.0 / TAU) as f32);
    Real::neg_mul_add((), k, LOW, Real::neg_mul_add((), k, HIGH, x))
}

// SAFETY: a transparent wrapper of its scalar.
unsafe impl Number for Fast {
    const SCALES: bool = true;
}

impl Real for Fast {
    type Cx = ();
    type Scalar = f32;
    type Mask = bool;

    forward! {
        Real;
        (value: f32) -> Self: splat;
        (a: Self) -> Self: abs round pow2_integer;
        (a: Self, b: Self) -> Self: add sub mul min max;
        (a: Self, b: Self, c: Self) -> Self: mul_add neg_mul_add;
        (a: Self, b: Self) -> bool: lt le eq;
        (a: bool, b: bool) -> bool: and or;
        (mask: bool) -> bool: not any;
        (mask: bool, yes: Self, no: Self) -> Self: select;
        (x: Self) -> Self: tan asin acos atan sinh cosh tanh asinh acosh atanh;
        (x: Self) -> Self: exp_m1 ln_1p log10 erf erfc cbrt;
        (x: Self, y: Self) -> Self: pow atan2;
        (x: Self) -> (Self, Self): split_exponent;
    }

    /// An instruction in assembly, which the assembler makes part of the next instruction. For an operand of other assembly, LLVM
    /// would flip the sign bit, which takes an instruction.
    #[inline(always)]
    fn neg(_: (), x: Self) -> Self {
        instruction!("neg.f32 {0}, {1};", x.0)
    }

    #[inline(always)]
    fn div(_: (), a: Self, b: Self) -> Self {
        let y: f32;
        // SAFETY: arithmetic on registers.
        unsafe {
            asm!("div.full.f32 {0}, {1}, {2};", out(reg32) y, in(reg32) a.0, in(reg32) b.0, options(pure, nomem, nostack));
        }
        Fast(y)
    }
    #[inline(always)]
    fn inv(_: (), x: Self) -> Self {
        instruction!("rcp.approx.ftz.f32 {0}, {1};", x.0)
    }
    #[inline(always)]
    fn sqrt(_: (), a: Self) -> Self {
        instruction!("sqrt.approx.ftz.f32 {0}, {1};", a.0)
    }
    #[inline(always)]
    fn inv_sqrt(_: (), x: Self) -> Self {
        instruction!("rsqrt.approx.ftz.f32 {0}, {1};", x.0)
    }
    #[inline(always)]
    fn exp2(_: (), x: Self) -> Self {
        instruction!("ex2.approx.ftz.f32 {0}, {1};", x.0)
    }
    #[inline(always)]
    fn exp(cx: (), x: Self) -> Self {
        Self::exp2(cx, Fast(x.0 * core::f32::consts::LOG2_E))
    }
    #[inline(always)]
    fn log2(_: (), x: Self) -> Self {
        instruction!("lg2.approx.ftz.f32 {0}, {1};", x.0)
    }
    #[inline(always)]
    fn log(cx: (), x: Self) -> Self {
        Fast(Self::log2(cx, x).0 * core::f32::consts::LN_2)
    }
    #[inline(always)]
    fn sin(_: (), x: Self) -> Self {
        if Real::abs((), x.0) <= REDUCED {
            instruction!("sin.approx.ftz.f32 {0}, {1};", reduced(x.0))
        } else {
            Fast(Real::sin((), x.0))
        }
    }
    #[inline(always)]
    fn cos(_: (), x: Self) -> Self {
        if Real::abs((), x.0) <= REDUCED {
            instruction!("cos.approx.ftz.f32 {0}, {1};", reduced(x.0))
        } else {
            Fast(Real::cos((), x.0))
        }
    }
}

impl Packed for Fast {
    forward! {
        Packed;
        (a: Self) -> Self: shift_to_exponent;
        (index: u32) -> u32: index_splat index_ramp;
        (mask: bool, yes: u32, no: u32) -> u32: index_select;
        (a: u32, b: u32) -> bool: index_le;
        (index: u32) -> Self: index_to_bits;
        (bits: Self) -> u32: index_from_bits;
        (t: Self, bit: u32) -> bool: bit;
        (a: Self, b: Self) -> (Self, Self): two_product;
    }
    type Index = u32;
    const LANES: usize = 1;
    #[inline(always)]
    fn load(_: (), from: &[f32]) -> Self {
        Fast(from[0])
    }
    #[inline(always)]
    fn view(from: &[f32]) -> &[Self] {
        // SAFETY: a transparent wrapper of f32.
        unsafe { slice::from_raw_parts(from.as_ptr().cast(), from.len()) }
    }
    #[inline(always)]
    fn view_mut(from: &mut [f32]) -> &mut [Self] {
        // SAFETY: a transparent wrapper of f32.
        unsafe { slice::from_raw_parts_mut(from.as_mut_ptr().cast(), from.len()) }
    }
    #[inline(always)]
    fn store(self, _: (), to: &mut [f32]) {
        to[0] = self.0;
    }
    #[inline(always)]
    fn map(_: (), x: Self, f: impl Fn(f32) -> f32) -> Self {
        Fast(f(x.0))
    }
}
