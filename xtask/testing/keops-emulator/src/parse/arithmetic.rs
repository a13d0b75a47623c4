//! Arithmetic, logic, comparisons, selections and conversions, decoded.
//!
//! Contract: see `instruction`. Modifiers that change a result and are not modelled (directed rounding of float
//! arithmetic, `.sat` of integers, `.relu`) are errors, never ignored.

use super::builder::Builder;
use super::instruction::{Modifiers, PREDICATE};
use super::syntax::{Operand, Statement};
use crate::error::Error;
use crate::execute::{convert, float, integer};
use crate::program::{Binary, Conversion, Kind, Op, Quaternary, Rounding, Slot, Ternary, Type, Unary};

const WORD: Type = Type { kind: Kind::Bits, bits: 32 };

/// A function of any number of operands.
enum Any {
    One(Unary),
    Two(Binary),
    Three(Ternary),
    Four(Quaternary),
}

/// Decodes an instruction of this family; false: it is none.
pub(super) fn decode<'a>(
    builder: &mut Builder<'a, '_>,
    statement: &Statement<'a>,
    modifiers: &mut Modifiers<'a>,
) -> Result<bool, Error> {
    match (statement.opcode, &statement.operands[..]) {
        ("setp" | "set", operands) if operands.len() >= 3 => {
            return compare(builder, statement.opcode == "set", operands, modifiers);
        }
        ("selp", [to, a, b, p]) => {
            let Some(kind) = modifiers.kind() else { return Ok(false) };
            let from =
                [builder.read(a, kind, false)?, builder.read(b, kind, false)?, builder.read(p, PREDICATE, false)?];
            let (to, _) = builder.write(to, kind, false)?;
            builder.emit(Op::Ternary(|a, b, p| if p & 1 == 1 { a } else { b }, to, from));
        }
        ("slct", [to, a, b, c]) => {
            let flush = modifiers.take("ftz");
            let (Some(kind), Some(by)) = (modifiers.kind(), modifiers.kind()) else { return Ok(false) };
            let choose: Ternary = match (by.kind, by.bits, flush) {
                (Kind::Signed, 32, false) => |a, b, c| if c as i32 >= 0 { a } else { b },
                (Kind::Float, 32, false) => |a, b, c| if f32::from_bits(c as u32) >= 0.0 { a } else { b },
                (Kind::Float, 32, true) => |a, b, c| if float::flush(f32::from_bits(c as u32)) >= 0.0 { a } else { b },
                _ => return Ok(false),
            };
            let from = [builder.read(a, kind, false)?, builder.read(b, kind, false)?, builder.read(c, by, false)?];
            let (to, _) = builder.write(to, kind, false)?;
            builder.emit(Op::Ternary(choose, to, from));
        }
        ("testp", [to, from]) => {
            let properties = ["finite", "infinite", "number", "notanumber", "normal", "subnormal"];
            let (Some(property), Some(kind)) = (modifiers.any(&properties), modifiers.kind()) else { return Ok(false) };
            let Some(test) = float::test(property, kind).filter(|_| kind.float()) else { return Ok(false) };
            let from = builder.read(from, kind, false)?;
            let (to, _) = builder.write(to, PREDICATE, false)?;
            builder.emit(Op::Unary(test, to, from));
        }
        ("cvt", [to, from]) => return conversion(builder, to, from, modifiers),
        (opcode @ ("add" | "sub" | "addc" | "subc"), [to, a, b])
            if statement.modifiers.contains(&"cc") || opcode.ends_with('c') =>
        {
            return carry(builder, opcode, to, [a, b], modifiers);
        }
        (_, [to, from @ ..]) if (1..=4).contains(&from.len()) => {
            return plain(builder, statement.opcode, to, from, modifiers);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// Instructions `name d, a, ...` of which all operands have the type of the instruction, and shifts and the like.
fn plain<'a>(
    builder: &mut Builder<'a, '_>,
    opcode: &str,
    to: &Operand<'a>,
    from: &[Operand<'a>],
    modifiers: &mut Modifiers<'a>,
) -> Result<bool, Error> {
    let Some(kind) = modifiers.kind() else { return Ok(false) };
    let flush = kind.float() && modifiers.take("ftz");
    let saturate = kind.float() && matches!(opcode, "add" | "sub" | "mul" | "fma" | "mad") && modifiers.take("sat");
    let part = part(opcode, kind, modifiers);
    let function = if kind.float() {
        let name = if opcode == "mad" { "fma" } else { opcode };
        let name = part.map_or(name.to_owned(), |part| format!("{name}.{part}"));
        match from.len() {
            1 if name != "sat" => float::unary(&name, kind, flush).map(Any::One),
            2 => float::binary(&name, kind, flush).map(Any::Two),
            3 => float::ternary(&name, kind, flush).map(Any::Three),
            _ => None,
        }
    } else {
        let name = part.map_or(opcode.to_owned(), |part| format!("{opcode}.{part}"));
        match (opcode, from.len()) {
            (_, 1) => integer::unary(&name, kind).map(Any::One),
            ("shl" | "shr", 2) => integer::shift(&name, kind).map(Any::Two),
            (_, 2) => integer::binary(&name, kind).map(Any::Two),
            ("shf" | "prmt", 3) if kind != WORD => None,
            (_, 3) => integer::ternary(&name, kind).map(Any::Three),
            (_, _) => integer::quaternary(&name, kind).map(Any::Four),
        }
    };
    let Some(function) = function else { return Ok(false) };
    // Some operands do not have the type of the instruction.
    let result = match opcode {
        "clz" | "popc" | "bfind" => WORD,
        _ if part == Some("wide") => Type { kind: kind.kind, bits: kind.bits * 2 },
        _ => kind,
    };
    let mut slots = [0; 4];
    for (number, (slot, operand)) in slots.iter_mut().zip(from).enumerate() {
        let operand_kind = match (opcode, number) {
            ("shl" | "shr", 1) | ("bfe", 1 | 2) | ("bfi", 2 | 3) | ("lop3", 3) => WORD,
            ("mad", 2) => result,
            _ => kind,
        };
        *slot = builder.read(operand, operand_kind, false)?;
    }
    let (to, _) = builder.write(to, result, false)?;
    builder.emit(operation(function, opcode, kind, flush, to, slots));
    if saturate && let Some(function) = float::unary("sat", kind, false) {
        builder.emit(Op::Unary(function, to, to));
    }
    Ok(true)
}

/// Takes the modifiers that only some opcodes have; gives the one that selects the function.
fn part(opcode: &str, kind: Type, modifiers: &mut Modifiers<'_>) -> Option<&'static str> {
    if kind.float() {
        // All of these compute the nearest number, or better than is asked for.
        let precision: &[&str] = match opcode {
            "add" | "sub" | "mul" | "fma" | "mad" => &["rn"],
            "div" => &["rn", "approx", "full"],
            "sqrt" | "rcp" => &["rn", "approx"],
            "rsqrt" | "ex2" | "lg2" | "sin" | "cos" | "tanh" => &["approx"],
            _ => &[],
        };
        modifiers.any(precision);
        return Some("nan").filter(|_| matches!(opcode, "min" | "max") && modifiers.take("NaN"));
    }
    match opcode {
        "mul" | "mad" => modifiers.any(&["lo", "hi", "wide"]),
        "shf" => match (modifiers.any(&["l", "r"])?, modifiers.any(&["wrap", "clamp"])?) {
            ("l", "wrap") => Some("l.wrap"),
            ("l", _) => Some("l.clamp"),
            (_, "wrap") => Some("r.wrap"),
            (_, _) => Some("r.clamp"),
        },
        _ => None,
    }
}

/// The operation, for the commonest ones without a function.
fn operation(function: Any, opcode: &str, kind: Type, flush: bool, to: Slot, [a, b, c, d]: [Slot; 4]) -> Op {
    let whole = matches!(kind.kind, Kind::Unsigned | Kind::Signed);
    let float = kind.float() && !flush;
    match (function, opcode, kind.bits) {
        (_, "add", 32) if whole => Op::AddU32(to, [a, b]),
        (_, "add", 64) if whole => Op::AddU64(to, [a, b]),
        (_, "add", 32) if float => Op::AddF32(to, [a, b]),
        (_, "sub", 32) if float => Op::SubF32(to, [a, b]),
        (_, "mul", 32) if float => Op::MulF32(to, [a, b]),
        (_, "fma" | "mad", 32) if float => Op::FmaF32(to, [a, b, c]),
        (_, "add", 64) if float => Op::AddF64(to, [a, b]),
        (_, "sub", 64) if float => Op::SubF64(to, [a, b]),
        (_, "mul", 64) if float => Op::MulF64(to, [a, b]),
        (_, "fma" | "mad", 64) if float => Op::FmaF64(to, [a, b, c]),
        (Any::One(f), ..) => Op::Unary(f, to, a),
        (Any::Two(f), ..) => Op::Binary(f, to, [a, b]),
        (Any::Three(f), ..) => Op::Ternary(f, to, [a, b, c]),
        (Any::Four(f), ..) => Op::Quaternary(f, to, [a, b, c, d]),
    }
}

/// `add.cc`, `addc`, `sub.cc`, `subc`: the carry lives in a slot of its own that no name means.
fn carry<'a>(
    builder: &mut Builder<'a, '_>,
    opcode: &str,
    to: &Operand<'a>,
    from: [&Operand<'a>; 2],
    modifiers: &mut Modifiers<'a>,
) -> Result<bool, Error> {
    let sets = modifiers.take("cc");
    let Some(kind) = modifiers.kind().filter(|kind| matches!(kind.bits, 32 | 64) && !kind.float()) else {
        return Ok(false);
    };
    // Sum and carry by width; `add` and `sub` read no carry.
    let (sum, over): (Ternary, Ternary) = match (&opcode[..3], kind.bits) {
        ("add", 32) => (
            |a, b, c| u64::from((a as u32).wrapping_add(b as u32).wrapping_add(c as u32)),
            |a, b, c| ((a & 0xffff_ffff) + (b & 0xffff_ffff) + c) >> 32,
        ),
        ("add", _) => (
            |a, b, c| a.wrapping_add(b).wrapping_add(c),
            |a, b, c| ((u128::from(a) + u128::from(b) + u128::from(c)) >> 64) as u64,
        ),
        (_, 32) => (
            |a, b, c| u64::from((a as u32).wrapping_sub(b as u32).wrapping_sub(c as u32)),
            |a, b, c| u64::from((a & 0xffff_ffff) < (b & 0xffff_ffff) + c),
        ),
        _ => (
            |a, b, c| a.wrapping_sub(b).wrapping_sub(c),
            |a, b, c| u64::from(u128::from(a) < u128::from(b) + u128::from(c)),
        ),
    };
    let flag = builder.carry();
    let before = if opcode.ends_with('c') { flag } else { builder.constant(0) };
    let from = [builder.read(from[0], kind, false)?, builder.read(from[1], kind, false)?, before];
    let (to, _) = builder.write(to, kind, false)?;
    // The destination may be one of the operands, so the carry is computed first and set last.
    let after = builder.scratch();
    if sets {
        builder.emit(Op::Ternary(over, after, from));
    }
    builder.emit(Op::Ternary(sum, to, from));
    if sets {
        builder.emit(Op::Move(flag, after));
    }
    Ok(true)
}

/// `setp` with one or two predicates and a boolean operation, and `set`.
fn compare<'a>(
    builder: &mut Builder<'a, '_>,
    set: bool,
    operands: &[Operand<'a>],
    modifiers: &mut Modifiers<'a>,
) -> Result<bool, Error> {
    let flush = modifiers.take("ftz");
    let names = [
        "eq", "ne", "lt", "le", "gt", "ge", "lo", "ls", "hi", "hs", "equ", "neu", "ltu", "leu", "gtu", "geu", "num",
        "nan",
    ];
    let Some(relation) = modifiers.any(&names) else { return Ok(false) };
    let combine = modifiers.any(&["and", "or", "xor"]);
    let result = if set { modifiers.kind() } else { Some(PREDICATE) };
    let (Some(result), Some(kind)) = (result, modifiers.kind()) else { return Ok(false) };
    let function = if kind.float() {
        float::compare(relation, kind, flush)
    } else {
        integer::compare(relation, kind).filter(|_| !flush)
    };
    let (Some(function), true) = (function, operands.len() == 3 + usize::from(combine.is_some())) else {
        return Ok(false);
    };
    let from = [builder.read(&operands[1], kind, false)?, builder.read(&operands[2], kind, false)?];
    if set {
        let all = match (result.kind, result.bits) {
            (Kind::Float, 32) => u64::from(1f32.to_bits()),
            (Kind::Unsigned | Kind::Signed, 32) => result.mask(),
            _ => return Ok(false),
        };
        let (to, _) = builder.write(&operands[0], result, false)?;
        let mut truth = builder.scratch();
        builder.emit(Op::Binary(function, truth, from));
        if let Some(name) = combine {
            truth = join(builder, name, truth, &operands[3])?;
        }
        let values = [builder.constant(all), builder.constant(0), truth];
        builder.emit(Op::Ternary(|a, b, p| if p & 1 == 1 { a } else { b }, to, values));
        return Ok(true);
    }
    let (first, second) = match &operands[0] {
        Operand::Pair(first, second) => (Operand::Name(first, None), Some(Operand::Name(second, None))),
        other => (other.clone(), None),
    };
    let (to, _) = builder.write(&first, PREDICATE, false)?;
    if combine.is_none() && second.is_none() {
        builder.emit(Op::Binary(function, to, from));
        return Ok(true);
    }
    // The destinations may be operands too: both results are computed before one is set.
    let truth = builder.scratch();
    builder.emit(Op::Binary(function, truth, from));
    let opposite = builder.scratch();
    builder.emit(Op::Unary(|p| p & 1 ^ 1, opposite, truth));
    let (mut positive, mut negative) = (truth, opposite);
    if let Some(name) = combine {
        positive = join(builder, name, truth, &operands[3])?;
        negative = join(builder, name, opposite, &operands[3])?;
    }
    builder.emit(Op::Move(to, positive));
    if let Some(second) = second {
        let (to, _) = builder.write(&second, PREDICATE, false)?;
        builder.emit(Op::Move(to, negative));
    }
    Ok(true)
}

/// The result of a comparison joined with a predicate.
fn join<'a>(builder: &mut Builder<'a, '_>, name: &str, truth: Slot, operand: &Operand<'a>) -> Result<Slot, Error> {
    let other = builder.read(operand, PREDICATE, false)?;
    let Some(function) = integer::binary(name, PREDICATE) else { return builder.fail("unknown boolean operation") };
    let joined = builder.scratch();
    builder.emit(Op::Binary(function, joined, [truth, other]));
    Ok(joined)
}

fn conversion<'a>(
    builder: &mut Builder<'a, '_>,
    to: &Operand<'a>,
    from: &Operand<'a>,
    modifiers: &mut Modifiers<'a>,
) -> Result<bool, Error> {
    let (flush, saturate) = (modifiers.take("ftz"), modifiers.take("sat"));
    let name = modifiers.any(&["rni", "rzi", "rmi", "rpi", "rn", "rz", "rm", "rp"]);
    let (Some(result), Some(source)) = (modifiers.kind(), modifiers.kind()) else { return Ok(false) };
    let numbers = |kind: Type| !matches!(kind.kind, Kind::Bits | Kind::Predicate);
    if !numbers(result) || !numbers(source) || flush && result.bits != 32 && source.bits != 32 {
        return Ok(false);
    }
    let integral = name.is_some_and(|name| name.ends_with('i'));
    // PTX demands a rounding where a number may change, and refuses it elsewhere.
    let fits = match (source.float(), result.float()) {
        (false, false) => name.is_none(),
        (false, true) => name.is_some() && !integral,
        (true, false) => integral,
        (true, true) if source.bits > result.bits => name.is_some() && !integral,
        (true, true) => name.is_none() || integral && source.bits == result.bits,
    };
    if !fits {
        return builder.fail("a conversion with a rounding that it may not have, or without one that it needs");
    }
    let rounding = match name.map(|name| name.as_bytes()[1]) {
        Some(b'z') => Rounding::Zero,
        Some(b'm') => Rounding::Down,
        Some(b'p') => Rounding::Up,
        _ => Rounding::Nearest,
    };
    let from = builder.read(from, source, true)?;
    let (to, register) = builder.write(to, result, true)?;
    let mask = if result.float() { result.mask() } else { register.mask() };
    let conversion = Conversion { to: result, from: source, rounding, integral, flush, saturate, mask };
    match convert::direct(&conversion) {
        Some(function) => builder.emit(Op::Unary(function, to, from)),
        None => {
            let number = builder.function.conversions.len() as u32;
            builder.function.conversions.push(conversion);
            builder.emit(Op::Convert(number, to, from));
        }
    }
    Ok(true)
}
