//! The operations of formulas on numbers of any kind, under the names that the operation table gives them.
//!
//! Edge conventions are those of KeOps: 1/√0 = 0, 0 log 0 = 0, step(0) = 1. NaN propagates, except through
//! comparisons, which are false for it.

use crate::real::Real;

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

/// 1/√x, and 0 at 0.
#[inline(always)]
pub fn rsqrt<R: Real>(cx: R::Cx, x: R) -> R {
    let zero = R::lit(cx, 0.0);
    R::select(cx, R::eq(cx, x, zero), zero, R::inv_sqrt(cx, x))
}

/// x^n by repeated multiplication: n is known while compiling, and the loop unrolls.
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

/// x ln x, and 0 at 0.
#[inline(always)]
pub fn x_log_x<R: Real>(cx: R::Cx, x: R) -> R {
    let zero = R::lit(cx, 0.0);
    R::select(cx, R::eq(cx, x, zero), zero, R::mul(cx, x, R::log(cx, x)))
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
