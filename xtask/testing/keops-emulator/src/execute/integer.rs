//! Integer arithmetic, logic, shifts, bit fields and comparisons.
//!
//! Contract: as in PTX. Where PTX leaves a result open, it is fixed here: a division or remainder by zero has all bits
//! set, and the division of the smallest signed number by -1 wraps.

use crate::program::{Binary, Kind, Quaternary, Ternary, Type, Unary, mask};

/// A function whose body sees its arguments as one type; `T` names the type.
macro_rules! typed {
    ($alias:ty, $type:ty, $unsigned:ty, |$($x:ident),+| $body:expr) => {{
        let f: $alias = |$($x),+| {
            #[allow(dead_code, reason = "only some bodies name the type")]
            type T = $type;
            $(let $x = $x as $type;)+
            ($body) as $unsigned as u64
        };
        Some(f)
    }};
}

/// A function for each integer type.
macro_rules! each {
    ($kind:expr, $alias:ty, |$($x:ident),+| $body:expr) => {{
        let kind: Type = $kind;
        match (kind.signed(), kind.bits) {
            (false, 16) => typed!($alias, u16, u16, |$($x),+| $body),
            (true, 16) => typed!($alias, i16, u16, |$($x),+| $body),
            (false, 32) => typed!($alias, u32, u32, |$($x),+| $body),
            (true, 32) => typed!($alias, i32, u32, |$($x),+| $body),
            (false, 64) => typed!($alias, u64, u64, |$($x),+| $body),
            (true, 64) => typed!($alias, i64, u64, |$($x),+| $body),
            _ => None,
        }
    }};
}

/// `mul.wide` and `mad.wide`: the product has twice the bits.
macro_rules! wide {
    ($kind:expr, $alias:ty, |$($x:ident),+| $body:expr, $c:ident) => {{
        let kind: Type = $kind;
        let f: $alias = match (kind.signed(), kind.bits) {
            (false, 16) => |$($x),+, $c| { $(let $x = $x as u16 as u32;)+ u64::from(($body).wrapping_add($c as u32)) },
            (true, 16) => |$($x),+, $c| {
                $(let $x = $x as i16 as i32;)+
                u64::from(($body).wrapping_add($c as i32) as u32)
            },
            (false, 32) => |$($x),+, $c| { $(let $x = $x as u32 as u64;)+ ($body).wrapping_add($c) },
            (true, 32) => |$($x),+, $c| { $(let $x = $x as i32 as i64;)+ ($body).wrapping_add($c as i64) as u64 },
            _ => return None,
        };
        Some(f)
    }};
}

/// Functions of one operand. The results of `clz`, `popc` and `bfind` have 32 bits.
pub(crate) fn unary(opcode: &str, kind: Type) -> Option<Unary> {
    match (opcode, kind.kind, kind.bits) {
        ("not", Kind::Predicate, _) => Some(|a| a & 1 ^ 1),
        ("not", Kind::Bits, _) => each!(kind, Unary, |a| !a),
        ("cnot", Kind::Bits, _) => each!(kind, Unary, |a| a == 0),
        ("neg", Kind::Signed, _) => each!(kind, Unary, |a| (0 as T).wrapping_sub(a)),
        ("abs", Kind::Signed, 16) => Some(|a| u64::from((a as i16).wrapping_abs() as u16)),
        ("abs", Kind::Signed, 32) => Some(|a| u64::from((a as i32).wrapping_abs() as u32)),
        ("abs", Kind::Signed, 64) => Some(|a| (a as i64).wrapping_abs() as u64),
        ("brev", Kind::Bits, 32) => Some(|a| u64::from((a as u32).reverse_bits())),
        ("brev", Kind::Bits, 64) => Some(u64::reverse_bits),
        ("clz", Kind::Bits, 32) => Some(|a| u64::from((a as u32).leading_zeros())),
        ("clz", Kind::Bits, 64) => Some(|a| u64::from(a.leading_zeros())),
        ("popc", Kind::Bits, 32) => Some(|a| u64::from((a as u32).count_ones())),
        ("popc", Kind::Bits, 64) => Some(|a| u64::from(a.count_ones())),
        ("bfind", Kind::Unsigned, 32) => Some(|a| highest(u64::from(a as u32))),
        ("bfind", Kind::Unsigned, 64) => Some(highest),
        ("bfind", Kind::Signed, 32) => Some(|a| highest(u64::from((a as i32 ^ (a as i32 >> 31)) as u32))),
        ("bfind", Kind::Signed, 64) => Some(|a| highest((a as i64 ^ (a as i64 >> 63)) as u64)),
        _ => None,
    }
}

/// The position of the highest set bit, or all ones.
fn highest(a: u64) -> u64 {
    if a == 0 { u64::from(u32::MAX) } else { u64::from(63 - a.leading_zeros()) }
}

/// Functions of two operands; `mul.lo`, `mul.hi` and `mul.wide` are named `mul.lo` and so on.
pub(crate) fn binary(opcode: &str, kind: Type) -> Option<Binary> {
    if kind.kind == Kind::Predicate {
        return match opcode {
            "and" => Some(|a, b| a & b & 1),
            "or" => Some(|a, b| (a | b) & 1),
            "xor" => Some(|a, b| (a ^ b) & 1),
            _ => None,
        };
    }
    if kind.float() || kind.kind == Kind::Bits && !matches!(opcode, "and" | "or" | "xor" | "shl" | "shr") {
        return None;
    }
    match opcode {
        "add" => each!(kind, Binary, |a, b| a.wrapping_add(b)),
        "sub" => each!(kind, Binary, |a, b| a.wrapping_sub(b)),
        "mul.lo" => each!(kind, Binary, |a, b| a.wrapping_mul(b)),
        "mul.hi" => each!(kind, Binary, |a, b| ((a as i128).wrapping_mul(b as i128) >> T::BITS) as T),
        "mul.wide" => match (kind.signed(), kind.bits) {
            (false, 16) => Some(|a, b| u64::from(a as u16) * u64::from(b as u16)),
            (true, 16) => Some(|a, b| u64::from((i32::from(a as i16) * i32::from(b as i16)) as u32)),
            (false, 32) => Some(|a, b| u64::from(a as u32) * u64::from(b as u32)),
            (true, 32) => Some(|a, b| (i64::from(a as i32) * i64::from(b as i32)) as u64),
            _ => None,
        },
        "div" => each!(kind, Binary, |a, b| if b == 0 { !0 } else { a.wrapping_div(b) }),
        "rem" => each!(kind, Binary, |a, b| if b == 0 { !0 } else { a.wrapping_rem(b) }),
        "min" => each!(kind, Binary, |a, b| a.min(b)),
        "max" => each!(kind, Binary, |a, b| a.max(b)),
        "and" => each!(kind, Binary, |a, b| a & b),
        "or" => each!(kind, Binary, |a, b| a | b),
        "xor" => each!(kind, Binary, |a, b| a ^ b),
        _ => None,
    }
}

/// Shifts: the amount always has 32 bits, and amounts beyond the width count as the width.
pub(crate) fn shift(opcode: &str, kind: Type) -> Option<Binary> {
    match (opcode, kind.kind, kind.bits) {
        ("shl", Kind::Bits, 16) => Some(|a, n| if n as u32 > 15 { 0 } else { a << n & 0xffff }),
        ("shl", Kind::Bits, 32) => Some(|a, n| if n as u32 > 31 { 0 } else { u64::from((a as u32) << n as u32) }),
        ("shl", Kind::Bits, 64) => Some(|a, n| if n as u32 > 63 { 0 } else { a << n as u32 }),
        ("shr", Kind::Bits | Kind::Unsigned, 16) => {
            Some(|a, n| if n as u32 > 15 { 0 } else { (a & 0xffff) >> n as u32 })
        }
        ("shr", Kind::Bits | Kind::Unsigned, 32) => {
            Some(|a, n| if n as u32 > 31 { 0 } else { u64::from(a as u32 >> n as u32) })
        }
        ("shr", Kind::Bits | Kind::Unsigned, 64) => Some(|a, n| if n as u32 > 63 { 0 } else { a >> n as u32 }),
        ("shr", Kind::Signed, 16) => Some(|a, n| u64::from((a as i16 >> (n as u32).min(15)) as u16)),
        ("shr", Kind::Signed, 32) => Some(|a, n| u64::from((a as i32 >> (n as u32).min(31)) as u32)),
        ("shr", Kind::Signed, 64) => Some(|a, n| (a as i64 >> (n as u32).min(63)) as u64),
        _ => None,
    }
}

/// Functions of three operands.
pub(crate) fn ternary(opcode: &str, kind: Type) -> Option<Ternary> {
    if kind.float() || kind.kind == Kind::Predicate {
        return None;
    }
    match opcode {
        "mad.lo" => each!(kind, Ternary, |a, b, c| a.wrapping_mul(b).wrapping_add(c)),
        "mad.hi" => {
            each!(kind, Ternary, |a, b, c| (((a as i128).wrapping_mul(b as i128) >> T::BITS) as T).wrapping_add(c))
        }
        "mad.wide" => wide!(kind, Ternary, |a, b| a.wrapping_mul(b), c),
        "sad" => {
            each!(kind, Ternary, |a, b, c| c.wrapping_add(if a > b { a.wrapping_sub(b) } else { b.wrapping_sub(a) }))
        }
        "bfe" => match (kind.signed(), kind.bits) {
            (false, 32) => Some(|a, at, n| extract(u64::from(a as u32), at, n, 32, false)),
            (true, 32) => Some(|a, at, n| extract(u64::from(a as u32), at, n, 32, true)),
            (false, 64) => Some(|a, at, n| extract(a, at, n, 64, false)),
            (true, 64) => Some(|a, at, n| extract(a, at, n, 64, true)),
            _ => None,
        },
        "shf.l.wrap" => Some(|a, b, n| u64::from(((b << 32 | a & 0xffff_ffff) << (n & 31) >> 32) as u32)),
        "shf.r.wrap" => Some(|a, b, n| u64::from(((b << 32 | a & 0xffff_ffff) >> (n & 31)) as u32)),
        "shf.l.clamp" => Some(|a, b, n| u64::from(((b << 32 | a & 0xffff_ffff) << (n as u32).min(32) >> 32) as u32)),
        "shf.r.clamp" => Some(|a, b, n| u64::from(((b << 32 | a & 0xffff_ffff) >> (n as u32).min(32)) as u32)),
        "prmt" => Some(permute),
        _ => None,
    }
}

/// Functions of four operands.
pub(crate) fn quaternary(opcode: &str, kind: Type) -> Option<Quaternary> {
    match (opcode, kind.kind, kind.bits) {
        ("bfi", Kind::Bits, 32) => Some(|a, b, at, n| insert(a, b, at, n, 32)),
        ("bfi", Kind::Bits, 64) => Some(|a, b, at, n| insert(a, b, at, n, 64)),
        ("lop3", Kind::Bits, 32) => Some(|a, b, c, table| {
            let mut result = 0;
            for row in 0..8 {
                if table >> row & 1 == 1 {
                    let pick = |x: u64, bit: u32| if row >> bit & 1 == 1 { x } else { !x };
                    result |= pick(a, 2) & pick(b, 1) & pick(c, 0);
                }
            }
            result & 0xffff_ffff
        }),
        _ => None,
    }
}

fn extract(a: u64, at: u64, count: u64, bits: u32, signed: bool) -> u64 {
    let (at, count) = (at as u32 & 255, count as u32 & 255);
    let sign = match (signed, count) {
        (false, _) | (_, 0) => 0,
        _ => a >> (at + count - 1).min(bits - 1) & 1,
    };
    let field = if at >= bits { 0 } else { a >> at };
    // Bits beyond the end of the field, or of the number, are copies of the sign.
    let have = count.min(bits.saturating_sub(at));
    let low = field & mask(have);
    if sign == 1 { (low | !mask(have)) & mask(bits) } else { low }
}

fn insert(a: u64, b: u64, at: u64, count: u64, bits: u32) -> u64 {
    let (at, count) = (at as u32 & 255, count as u32 & 255);
    if at >= bits {
        return b & mask(bits);
    }
    let field = mask(count) << at;
    ((b & !field) | (a << at & field)) & mask(bits)
}

fn permute(a: u64, b: u64, selector: u64) -> u64 {
    let bytes = b << 32 | a & 0xffff_ffff;
    let mut result = 0;
    for place in 0..4 {
        let choice = selector >> (4 * place) & 15;
        let mut byte = bytes >> (8 * (choice & 7)) & 255;
        if choice & 8 != 0 {
            byte = if byte & 128 != 0 { 255 } else { 0 };
        }
        result |= byte << (8 * place);
    }
    result
}

/// Comparisons, with the result 0 or 1.
pub(crate) fn compare(relation: &str, kind: Type) -> Option<Binary> {
    if kind.float() {
        return None;
    }
    if kind.kind == Kind::Bits && !matches!(relation, "eq" | "ne") {
        return None;
    }
    match relation {
        "eq" => each!(kind, Binary, |a, b| a == b),
        "ne" => each!(kind, Binary, |a, b| a != b),
        "lt" | "lo" => each!(kind, Binary, |a, b| a < b),
        "le" | "ls" => each!(kind, Binary, |a, b| a <= b),
        "gt" | "hi" => each!(kind, Binary, |a, b| a > b),
        "ge" | "hs" => each!(kind, Binary, |a, b| a >= b),
        _ => None,
    }
}

/// The new value of an atomic instruction from the old one and its operands.
pub(crate) fn atomic(opcode: &str, kind: Type) -> Option<Ternary> {
    match (opcode, kind.kind) {
        ("exch", Kind::Bits) => Some(|_, b, _| b),
        ("cas", Kind::Bits) => match kind.bits {
            16 => Some(|a, b, c| if a as u16 == b as u16 { c } else { a }),
            32 => Some(|a, b, c| if a as u32 == b as u32 { c } else { a }),
            64 => Some(|a, b, c| if a == b { c } else { a }),
            _ => None,
        },
        ("and", Kind::Bits) => Some(|a, b, _| a & b),
        ("or", Kind::Bits) => Some(|a, b, _| a | b),
        ("xor", Kind::Bits) => Some(|a, b, _| a ^ b),
        ("add", Kind::Unsigned | Kind::Signed) => Some(|a, b, _| a.wrapping_add(b)),
        ("add", Kind::Float) if kind.bits == 32 => {
            Some(|a, b, _| u64::from((f32::from_bits(a as u32) + f32::from_bits(b as u32)).to_bits()))
        }
        ("add", Kind::Float) => Some(|a, b, _| (f64::from_bits(a) + f64::from_bits(b)).to_bits()),
        ("min", Kind::Unsigned | Kind::Signed) => each!(kind, Ternary, |a, b, _c| a.min(b)),
        ("max", Kind::Unsigned | Kind::Signed) => each!(kind, Ternary, |a, b, _c| a.max(b)),
        ("inc", Kind::Unsigned) if kind.bits == 32 => {
            Some(|a, b, _| if a as u32 >= b as u32 { 0 } else { u64::from(a as u32 + 1) })
        }
        ("dec", Kind::Unsigned) if kind.bits == 32 => {
            Some(|a, b, _| if a as u32 == 0 || a as u32 > b as u32 { b } else { u64::from(a as u32 - 1) })
        }
        _ => None,
    }
}
