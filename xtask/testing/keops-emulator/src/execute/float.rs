//! Float arithmetic, functions and comparisons.
//!
//! Contract: `.rn` is exact IEEE arithmetic and `fma` is fused. The `.approx` functions are computed in `f64` and
//! rounded once, so they are better than on a device, never worse. With `.ftz` subnormal `f32` arguments and results
//! become zeros with the same sign. `min` and `max` give the argument that is a number, and -0 is less than +0.

use crate::program::{Binary, Kind, Ternary, Type, Unary};

fn single(bits: u64) -> f32 {
    f32::from_bits(bits as u32)
}

fn double(bits: u64) -> f64 {
    f64::from_bits(bits)
}

/// A zero of the same sign instead of a subnormal number.
pub(crate) fn flush(x: f32) -> f32 {
    if x.is_subnormal() { 0f32.copysign(x) } else { x }
}

/// A function for each float type: plain `f32`, `f32` with `.ftz`, `f64`.
macro_rules! each {
    ($kind:expr, $flush:expr, $alias:ty, |$($x:ident),+| $body:expr) => {{
        let kind: Type = $kind;
        let f: $alias = match (kind.kind, kind.bits, $flush) {
            (Kind::Float, 32, false) => |$($x),+| { $(let $x = single($x);)+ u64::from(f32::to_bits($body)) },
            (Kind::Float, 32, true) => {
                |$($x),+| { $(let $x = flush(single($x));)+ u64::from(flush($body).to_bits()) }
            }
            (Kind::Float, 64, false) => |$($x),+| { $(let $x = double($x);)+ f64::to_bits($body) },
            _ => return None,
        };
        Some(f)
    }};
}

/// As `each!`, with a body in `f64` for both types.
macro_rules! through_double {
    ($kind:expr, $flush:expr, $alias:ty, |$($x:ident),+| $body:expr) => {{
        let kind: Type = $kind;
        let f: $alias = match (kind.kind, kind.bits, $flush) {
            (Kind::Float, 32, false) => {
                |$($x),+| { $(let $x = f64::from(single($x));)+ u64::from((($body) as f32).to_bits()) }
            }
            (Kind::Float, 32, true) => {
                |$($x),+| { $(let $x = f64::from(flush(single($x)));)+ u64::from(flush(($body) as f32).to_bits()) }
            }
            (Kind::Float, 64, _) => |$($x),+| { $(let $x = double($x);)+ f64::to_bits($body) },
            _ => return None,
        };
        Some(f)
    }};
}

/// A comparison for each float type.
macro_rules! relation {
    ($kind:expr, $flush:expr, |$a:ident, $b:ident| $body:expr) => {{
        let kind: Type = $kind;
        let f: Binary = match (kind.kind, kind.bits, $flush) {
            (Kind::Float, 32, false) => |$a, $b| {
                let ($a, $b) = (single($a), single($b));
                u64::from($body)
            },
            (Kind::Float, 32, true) => |$a, $b| {
                let ($a, $b) = (flush(single($a)), flush(single($b)));
                u64::from($body)
            },
            (Kind::Float, 64, false) => |$a, $b| {
                let ($a, $b) = (double($a), double($b));
                u64::from($body)
            },
            _ => return None,
        };
        Some(f)
    }};
}

/// The sign is a bit operation, on numbers that are not numbers too.
pub(crate) fn unary(opcode: &str, kind: Type, flush_subnormal: bool) -> Option<Unary> {
    match opcode {
        "abs" => each!(kind, flush_subnormal, Unary, |a| a.abs()),
        "neg" => each!(kind, flush_subnormal, Unary, |a| -a),
        "sqrt" => each!(kind, flush_subnormal, Unary, |a| a.sqrt()),
        "rcp" => through_double!(kind, flush_subnormal, Unary, |a| 1.0 / a),
        "rsqrt" => through_double!(kind, flush_subnormal, Unary, |a| {
            // The function has a pole with the sign of the zero.
            if a == 0.0 { f64::INFINITY.copysign(a) } else { 1.0 / a.sqrt() }
        }),
        "ex2" if kind.bits == 32 => through_double!(kind, flush_subnormal, Unary, |a| a.exp2()),
        "lg2" if kind.bits == 32 => through_double!(kind, flush_subnormal, Unary, |a| a.log2()),
        "sin" if kind.bits == 32 => through_double!(kind, flush_subnormal, Unary, |a| a.sin()),
        "cos" if kind.bits == 32 => through_double!(kind, flush_subnormal, Unary, |a| a.cos()),
        "tanh" if kind.bits == 32 => through_double!(kind, flush_subnormal, Unary, |a| a.tanh()),
        // Not an opcode: the modifier `.sat` of other instructions.
        "sat" => each!(kind, false, Unary, |a| if a > 0.0 { a.min(1.0) } else { 0.0 }),
        _ => None,
    }
}

/// Functions of two operands; `min.nan` and `max.nan` give NaN for any NaN.
pub(crate) fn binary(opcode: &str, kind: Type, flush_subnormal: bool) -> Option<Binary> {
    match opcode {
        "add" => each!(kind, flush_subnormal, Binary, |a, b| a + b),
        "sub" => each!(kind, flush_subnormal, Binary, |a, b| a - b),
        "mul" => each!(kind, flush_subnormal, Binary, |a, b| a * b),
        "div" => each!(kind, flush_subnormal, Binary, |a, b| a / b),
        "min" => each!(kind, flush_subnormal, Binary, |a, b| {
            if a.is_nan() || b < a || (a == b && b.is_sign_negative()) { b } else { a }
        }),
        "max" => each!(kind, flush_subnormal, Binary, |a, b| {
            if a.is_nan() || b > a || (a == b && b.is_sign_positive()) { b } else { a }
        }),
        "min.nan" => each!(kind, flush_subnormal, Binary, |a, b| {
            if a.is_nan() || (a <= b && !(a == b && b.is_sign_negative())) { a } else { b }
        }),
        "max.nan" => each!(kind, flush_subnormal, Binary, |a, b| {
            if a.is_nan() || (a >= b && !(a == b && b.is_sign_positive())) { a } else { b }
        }),
        // PTX: the sign of `a` with the magnitude of `b`.
        "copysign" => each!(kind, false, Binary, |a, b| b.copysign(a)),
        _ => None,
    }
}

/// Functions of three operands.
pub(crate) fn ternary(opcode: &str, kind: Type, flush_subnormal: bool) -> Option<Ternary> {
    match opcode {
        "fma" => each!(kind, flush_subnormal, Ternary, |a, b, c| a.mul_add(b, c)),
        _ => None,
    }
}

/// Tests of one number, with the result 0 or 1.
pub(crate) fn test(property: &str, kind: Type) -> Option<Unary> {
    let f: Unary = match (property, kind.bits) {
        ("finite", 32) => |a| u64::from(single(a).is_finite()),
        ("finite", 64) => |a| u64::from(double(a).is_finite()),
        ("infinite", 32) => |a| u64::from(single(a).is_infinite()),
        ("infinite", 64) => |a| u64::from(double(a).is_infinite()),
        ("number", 32) => |a| u64::from(!single(a).is_nan()),
        ("number", 64) => |a| u64::from(!double(a).is_nan()),
        ("notanumber", 32) => |a| u64::from(single(a).is_nan()),
        ("notanumber", 64) => |a| u64::from(double(a).is_nan()),
        // In PTX zero is a normal number.
        ("normal", 32) => |a| u64::from(single(a).is_normal() || single(a) == 0.0),
        ("normal", 64) => |a| u64::from(double(a).is_normal() || double(a) == 0.0),
        ("subnormal", 32) => |a| u64::from(single(a).is_subnormal()),
        ("subnormal", 64) => |a| u64::from(double(a).is_subnormal()),
        _ => return None,
    };
    Some(f)
}

/// Comparisons; the ones with a `u` are true where an argument is not a number.
pub(crate) fn compare(name: &str, kind: Type, flush_subnormal: bool) -> Option<Binary> {
    match name {
        "eq" => relation!(kind, flush_subnormal, |a, b| a == b),
        "ne" => relation!(kind, flush_subnormal, |a, b| !a.is_nan() && !b.is_nan() && a != b),
        "lt" => relation!(kind, flush_subnormal, |a, b| a < b),
        "le" => relation!(kind, flush_subnormal, |a, b| a <= b),
        "gt" => relation!(kind, flush_subnormal, |a, b| a > b),
        "ge" => relation!(kind, flush_subnormal, |a, b| a >= b),
        "equ" => relation!(kind, flush_subnormal, |a, b| a.is_nan() || b.is_nan() || a == b),
        "neu" => relation!(kind, flush_subnormal, |a, b| a != b),
        "ltu" => relation!(kind, flush_subnormal, |a, b| a.is_nan() || b.is_nan() || a < b),
        "leu" => relation!(kind, flush_subnormal, |a, b| a.is_nan() || b.is_nan() || a <= b),
        "gtu" => relation!(kind, flush_subnormal, |a, b| a.is_nan() || b.is_nan() || a > b),
        "geu" => relation!(kind, flush_subnormal, |a, b| a.is_nan() || b.is_nan() || a >= b),
        "num" => relation!(kind, flush_subnormal, |a, b| !a.is_nan() && !b.is_nan()),
        "nan" => relation!(kind, flush_subnormal, |a, b| a.is_nan() || b.is_nan()),
        _ => None,
    }
}
