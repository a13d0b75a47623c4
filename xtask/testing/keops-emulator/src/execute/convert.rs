//! Conversions between integers and floats of all widths.
//!
//! Contract: as `cvt` in PTX. Integers are truncated, or clamped with `.sat`; floats become integers by the rounding of
//! the instruction and are clamped to the range; `.rn`, `.rz`, `.rm` and `.rp` are exact.

use super::float::flush;
use crate::program::{Conversion, Kind, Rounding, Type, Unary, mask};

/// The function of a conversion that is used often enough for one of its own.
pub(crate) fn direct(c: &Conversion) -> Option<Unary> {
    if c.flush || c.saturate || c.integral || c.mask != c.to.mask() {
        return None;
    }
    let name = |t: Type| match (t.kind, t.bits) {
        (Kind::Unsigned, 32) => "u32",
        (Kind::Signed, 32) => "s32",
        (Kind::Unsigned, 64) => "u64",
        (Kind::Signed, 64) => "s64",
        (Kind::Float, 32) => "f32",
        (Kind::Float, 64) => "f64",
        _ => "",
    };
    let f: Unary = match (name(c.to), name(c.from)) {
        ("u64" | "s64" | "u32" | "s32", "u32") | ("u32" | "s32", "s32" | "u64" | "s64") => |a| u64::from(a as u32),
        ("u64" | "s64", "s32") => |a| a as i32 as i64 as u64,
        ("u64" | "s64", "u64" | "s64") => |a| a,
        ("f64", "f32") => |a| f64::from(f32::from_bits(a as u32)).to_bits(),
        ("f32", "f64") if c.rounding == Rounding::Nearest => |a| u64::from((f64::from_bits(a) as f32).to_bits()),
        ("f32", "u32") if c.rounding == Rounding::Nearest => |a| u64::from((a as u32 as f32).to_bits()),
        ("f32", "s32") if c.rounding == Rounding::Nearest => |a| u64::from((a as i32 as f32).to_bits()),
        ("f64", "u32") => |a| f64::from(a as u32).to_bits(),
        ("f64", "s32") => |a| f64::from(a as i32).to_bits(),
        _ => return None,
    };
    Some(f)
}

/// Any conversion.
pub(crate) fn convert(c: &Conversion, bits: u64) -> u64 {
    let result = match (c.from.float(), c.to.float()) {
        (false, false) => integer_to_integer(c, bits),
        (false, true) => integer_to_float(c, integer(c.from, bits)),
        (true, false) => float_to_integer(c, bits),
        (true, true) => float_to_float(c, bits),
    };
    // A signed result is extended to a register that is wider than its type.
    let wide = if c.to.signed() { integer(c.to, result) as u64 } else { result };
    wide & c.mask
}

fn integer(kind: Type, bits: u64) -> i128 {
    let low = bits & mask(kind.bits);
    let negative = kind.signed() && low >> (kind.bits - 1) & 1 == 1;
    i128::from(low) - if negative { 1 << kind.bits } else { 0 }
}

/// The least and the greatest number of an integer type.
fn range(kind: Type) -> (i128, i128) {
    if kind.signed() { (-(1 << (kind.bits - 1)), (1 << (kind.bits - 1)) - 1) } else { (0, (1 << kind.bits) - 1) }
}

fn integer_to_integer(c: &Conversion, bits: u64) -> u64 {
    let value = integer(c.from, bits);
    let (least, greatest) = range(c.to);
    let value = if c.saturate { value.clamp(least, greatest) } else { value };
    value as u64 & c.to.mask()
}

/// The neighbour of a nearest `f32` on the side that the rounding asks for; `above`: it is greater than the exact
/// value.
fn directed(rounding: Rounding, near: f32, above: bool, below: bool) -> f32 {
    match rounding {
        Rounding::Nearest => near,
        Rounding::Down if above => near.next_down(),
        Rounding::Up if below => near.next_up(),
        Rounding::Zero if above && near > 0.0 => near.next_down(),
        Rounding::Zero if below && near < 0.0 => near.next_up(),
        _ => near,
    }
}

fn integer_to_float(c: &Conversion, value: i128) -> u64 {
    if c.to.bits == 32 {
        let near = value as f32;
        let back = near as i128;
        let x = directed(c.rounding, near, back > value, back < value);
        return u64::from(saturated(c, x).to_bits());
    }
    let near = value as f64;
    let back = near as i128;
    let x = match c.rounding {
        Rounding::Down if back > value => near.next_down(),
        Rounding::Up if back < value => near.next_up(),
        Rounding::Zero if back > value && near > 0.0 => near.next_down(),
        Rounding::Zero if back < value && near < 0.0 => near.next_up(),
        _ => near,
    };
    (if c.saturate { x.clamp(0.0, 1.0) } else { x }).to_bits()
}

fn saturated(c: &Conversion, x: f32) -> f32 {
    match c.saturate {
        true if x > 0.0 => x.min(1.0),
        true => 0.0,
        false => x,
    }
}

fn float(c: &Conversion, bits: u64) -> f64 {
    if c.from.bits == 64 {
        return f64::from_bits(bits);
    }
    let x = f32::from_bits(bits as u32);
    f64::from(if c.flush { flush(x) } else { x })
}

fn whole(rounding: Rounding, x: f64) -> f64 {
    match rounding {
        Rounding::Nearest => x.round_ties_even(),
        Rounding::Zero => x.trunc(),
        Rounding::Down => x.floor(),
        Rounding::Up => x.ceil(),
    }
}

fn float_to_integer(c: &Conversion, bits: u64) -> u64 {
    let x = float(c, bits);
    if x.is_nan() {
        let zero = c.from.bits != 64 && c.to.bits != 64;
        return if zero { 0 } else { 1 << (c.to.bits - 1) };
    }
    let (least, greatest) = range(c.to);
    // The cast to i128 is exact or clamps beyond any of the ranges.
    (whole(c.rounding, x) as i128).clamp(least, greatest) as u64 & c.to.mask()
}

fn float_to_float(c: &Conversion, bits: u64) -> u64 {
    let mut x = float(c, bits);
    if c.integral {
        x = whole(c.rounding, x);
    }
    if c.to.bits == 64 {
        if c.saturate {
            x = if x > 0.0 { x.min(1.0) } else { 0.0 };
        }
        return x.to_bits();
    }
    let near = x as f32;
    let rounding = if c.integral { Rounding::Nearest } else { c.rounding };
    let back = f64::from(near);
    let result = saturated(c, directed(rounding, near, back > x, back < x));
    u64::from((if c.flush { flush(result) } else { result }).to_bits())
}
