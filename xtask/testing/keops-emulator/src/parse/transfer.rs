//! Moves, loads, stores, atomic instructions and addresses, decoded.
//!
//! Contract: see `instruction`; the address of a symbol carries its own state space where the instruction names none.

use super::builder::Builder;
use super::instruction::{Modifiers, PREDICATE};
use super::module::space_of;
use super::syntax::{Operand, Statement};
use crate::error::Error;
use crate::execute::integer;
use crate::execute::memory::{LOCAL_WINDOW, PARAMETER_WINDOW, SHARED_WINDOW};
use crate::program::{Access, Kind, Op, Space, Type, Unary};

const WIDE: Type = Type { kind: Kind::Bits, bits: 64 };

/// Decodes an instruction of this family; false: it is none.
pub(super) fn decode<'a>(
    builder: &mut Builder<'a, '_>,
    statement: &Statement<'a>,
    modifiers: &mut Modifiers<'a>,
) -> Result<bool, Error> {
    match (statement.opcode, &statement.operands[..]) {
        ("mov", [to, from]) => {
            let Some(kind) = modifiers.kind() else { return Ok(false) };
            mov(builder, kind, to, from)?;
        }
        ("ld" | "ldu", [to, address @ Operand::Address(..)]) => {
            let (mut access, kind) = access(builder, modifiers, address)?;
            access.signed = kind.signed();
            let mut slots = [0; 4];
            let mut wide = kind.mask();
            let parts = lanes(builder, to, access.lanes)?;
            for (slot, part) in slots.iter_mut().zip(parts) {
                let (found, register) = builder.write(part, kind, true)?;
                *slot = found;
                wide = register.mask();
            }
            builder.emit(Op::Load { access, to: slots, mask: wide });
        }
        ("st", [address @ Operand::Address(..), from]) => {
            let (access, kind) = access(builder, modifiers, address)?;
            let mut slots = [0; 4];
            let parts = lanes(builder, from, access.lanes)?;
            for (slot, part) in slots.iter_mut().zip(parts) {
                *slot = builder.read(part, kind, true)?;
            }
            builder.emit(Op::Store { access, from: slots });
        }
        ("atom", [to, address @ Operand::Address(..), values @ ..]) if matches!(values.len(), 1 | 2) => {
            return atomic(builder, modifiers, Some(to), address, values);
        }
        ("red", [address @ Operand::Address(..), values @ ..]) if values.len() == 1 => {
            return atomic(builder, modifiers, None, address, values);
        }
        ("cvta", [to, from]) => {
            let back = modifiers.take("to");
            let Some(space) = modifiers.map(space_of) else { return Ok(false) };
            let Some(kind @ Type { bits: 64, .. }) = modifiers.kind() else { return Ok(false) };
            let from = builder.read(from, kind, false)?;
            let (to, _) = builder.write(to, kind, false)?;
            let window = match space {
                Space::Shared => SHARED_WINDOW,
                Space::Local => LOCAL_WINDOW,
                Space::Parameter => PARAMETER_WINDOW,
                Space::Global | Space::Constant | Space::Generic => 0,
            };
            if window == 0 {
                builder.emit(Op::Move(to, from));
            } else {
                let shift = builder.constant(if back { window.wrapping_neg() } else { window });
                builder.emit(Op::AddU64(to, [from, shift]));
            }
        }
        ("isspacep", [to, from]) => {
            let Some(space) = modifiers.map(space_of) else { return Ok(false) };
            let test: Unary = match space {
                Space::Shared => |a| u64::from(a >> 32 == SHARED_WINDOW >> 32),
                Space::Local => |a| u64::from(a >> 32 == LOCAL_WINDOW >> 32),
                Space::Parameter => |a| u64::from(a >> 32 == PARAMETER_WINDOW >> 32),
                _ => |a| {
                    let window = [SHARED_WINDOW, LOCAL_WINDOW, PARAMETER_WINDOW].map(|w| w >> 32);
                    u64::from(!window.contains(&(a >> 32)))
                },
            };
            let from = builder.read(from, WIDE, false)?;
            let (to, _) = builder.write(to, PREDICATE, false)?;
            builder.emit(Op::Unary(test, to, from));
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn mov<'a>(builder: &mut Builder<'a, '_>, kind: Type, to: &Operand<'a>, from: &Operand<'a>) -> Result<(), Error> {
    match (to, from) {
        (Operand::Vector(parts), from) if matches!(parts.len(), 2 | 4) && !matches!(from, Operand::Vector(_)) => {
            let bits = kind.bits / parts.len() as u32;
            let source = builder.read(from, kind, false)?;
            // A copy keeps the source whole, should it be one of the destinations.
            let copy = builder.scratch();
            builder.emit(Op::Move(copy, source));
            let part_kind = Type { kind: Kind::Bits, bits };
            for (number, part) in parts.iter().enumerate() {
                let (slot, _) = builder.write(part, part_kind, false)?;
                let shifted = builder.scratch();
                let amount = builder.constant(u64::from(bits) * number as u64);
                let lowest = builder.constant(part_kind.mask());
                builder.emit(Op::Binary(|a, n| a >> (n & 63), shifted, [copy, amount]));
                builder.emit(Op::Binary(|a, b| a & b, slot, [shifted, lowest]));
            }
        }
        (to, Operand::Vector(parts)) if matches!(parts.len(), 2 | 4) => {
            let bits = kind.bits / parts.len() as u32;
            let mut slots = [0; 4];
            for (slot, part) in slots.iter_mut().zip(parts) {
                *slot = builder.read(part, Type { kind: Kind::Bits, bits }, false)?;
            }
            let (to, _) = builder.write(to, kind, false)?;
            builder.emit(Op::Pack { to, parts: slots, count: parts.len() as u8, bits: bits as u8 });
        }
        (to, from) => {
            let from = builder.read(from, kind, false)?;
            let (to, _) = builder.write(to, kind, false)?;
            builder.emit(Op::Move(to, from));
        }
    }
    Ok(())
}

/// The parts of a vector operand, or the operand itself.
fn lanes<'o, 'a>(builder: &Builder<'a, '_>, operand: &'o Operand<'a>, lanes: u8) -> Result<&'o [Operand<'a>], Error> {
    let parts = match operand {
        Operand::Vector(parts) => &parts[..],
        other => std::slice::from_ref(other),
    };
    if parts.len() == usize::from(lanes) { Ok(parts) } else { builder.fail(format!("{lanes} registers are wanted")) }
}

/// Space, type, vector and address of a memory instruction.
fn access<'a>(
    builder: &mut Builder<'a, '_>,
    modifiers: &mut Modifiers<'a>,
    operand: &Operand<'a>,
) -> Result<(Access, Type), Error> {
    modifiers.drop(|name| {
        name.starts_with("L1::")
            || name.starts_with("L2::")
            || matches!(name, "weak" | "volatile" | "relaxed" | "acquire" | "release" | "acq_rel" | "mmio")
            || matches!(name, "sys" | "gpu" | "cta" | "cluster" | "nc" | "ca" | "cg" | "cs" | "lu" | "cv" | "wb" | "wt")
    });
    let lanes = match modifiers.any(&["v2", "v4"]) {
        Some("v2") => 2,
        Some(_) => 4,
        None => 1,
    };
    let space = modifiers.map(space_of);
    let Some(kind) = modifiers.kind().filter(|kind| kind.kind != Kind::Predicate) else {
        return builder.fail("a memory instruction without a type");
    };
    let Operand::Address(base, offset) = operand else { return builder.fail("an address is wanted") };
    let (address, narrow, own) = builder.base(base)?;
    let space = match (space, own) {
        (Some(space), Some(own)) if space != own => return builder.fail("the symbol is in another state space"),
        (Some(space), _) | (None, Some(space)) => space,
        (None, None) => Space::Generic,
    };
    let bytes = kind.bytes() as u8;
    Ok((Access { space, bytes, lanes, signed: false, narrow, address, offset: *offset }, kind))
}

fn atomic<'a>(
    builder: &mut Builder<'a, '_>,
    modifiers: &mut Modifiers<'a>,
    to: Option<&Operand<'a>>,
    address: &Operand<'a>,
    values: &[Operand<'a>],
) -> Result<bool, Error> {
    let Some(name) = modifiers.any(&["add", "min", "max", "exch", "cas", "and", "or", "xor", "inc", "dec"]) else {
        return Ok(false);
    };
    let (access, kind) = access(builder, modifiers, address)?;
    let Some(function) = integer::atomic(name, kind) else { return Ok(false) };
    if access.lanes != 1 || values.len() != 1 + usize::from(name == "cas") {
        return Ok(false);
    }
    let first = builder.read(&values[0], kind, false)?;
    let second = match values.get(1) {
        Some(value) => builder.read(value, kind, false)?,
        None => first,
    };
    let to = match to {
        Some(to) => builder.write(to, kind, false)?.0,
        None => builder.scratch(),
    };
    builder.emit(Op::Atomic { access, function, to, from: [first, second] });
    Ok(true)
}
