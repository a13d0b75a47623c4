//! One statement, decoded: modifiers, control flow, and the way to the other families.
//!
//! Contract: an opcode, modifier or number of operands that is not known is an error with the line and the text of the
//! instruction; nothing is ignored but cache hints, scopes and memory orders, which mean nothing where threads run one
//! after the other.

use super::builder::{Builder, Symbol};
use super::syntax::{Operand, Statement};
use super::{arithmetic, transfer};
use crate::error::Error;
use crate::program::{CallSite, Formal, Kind, Op, Type};

/// The type of a predicate.
pub(super) const PREDICATE: Type = Type { kind: Kind::Predicate, bits: 1 };

/// The modifiers of an instruction. Decoding takes known modifiers out; any that remain are an error.
pub(super) struct Modifiers<'a> {
    list: Vec<&'a str>,
}

impl<'a> Modifiers<'a> {
    /// Takes a modifier out if it is there.
    pub(super) fn take(&mut self, name: &str) -> bool {
        let found = self.list.iter().position(|modifier| *modifier == name);
        if let Some(at) = found {
            self.list.remove(at);
        }
        found.is_some()
    }

    /// Takes the first of the names that is there.
    pub(super) fn any(&mut self, names: &[&'static str]) -> Option<&'static str> {
        names.iter().copied().find(|name| self.take(name))
    }

    /// Takes all that the test accepts.
    pub(super) fn drop(&mut self, test: impl Fn(&str) -> bool) {
        self.list.retain(|modifier| !test(modifier));
    }

    /// Takes the next modifier for which the function has a value.
    pub(super) fn map<T>(&mut self, function: impl Fn(&str) -> Option<T>) -> Option<T> {
        let (at, value) =
            self.list.iter().enumerate().find_map(|(at, name)| function(name).map(|value| (at, value)))?;
        self.list.remove(at);
        Some(value)
    }

    /// Takes the next type.
    pub(super) fn kind(&mut self) -> Option<Type> {
        self.map(Type::named)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

/// The error for an instruction that the emulator does not have.
pub(super) fn unknown<T>(builder: &Builder<'_, '_>, statement: &Statement<'_>) -> Result<T, Error> {
    let mut name = statement.opcode.to_owned();
    for modifier in &statement.modifiers {
        name.push('.');
        name.push_str(modifier);
    }
    builder.fail(format!("unknown instruction {name} with {} operands", statement.operands.len()))
}

/// Decodes a statement into one or more instructions.
pub(super) fn decode<'a>(builder: &mut Builder<'a, '_>, statement: &Statement<'a>) -> Result<(), Error> {
    builder.begin(statement)?;
    let mut modifiers = Modifiers { list: statement.modifiers.clone() };
    let known = control(builder, statement, &mut modifiers)?
        || transfer::decode(builder, statement, &mut modifiers)?
        || arithmetic::decode(builder, statement, &mut modifiers)?;
    if !known || !modifiers.is_empty() {
        return unknown(builder, statement);
    }
    Ok(())
}

/// Jumps, calls, barriers, fences; false: not one of them.
fn control<'a>(
    builder: &mut Builder<'a, '_>,
    statement: &Statement<'a>,
    modifiers: &mut Modifiers<'a>,
) -> Result<bool, Error> {
    let operands = &statement.operands[..];
    match (statement.opcode, operands) {
        ("bra", [Operand::Name(label, None)]) => {
            modifiers.take("uni");
            builder.jump(label);
        }
        ("brx", [index, Operand::Name(label, None)]) if modifiers.take("idx") => {
            modifiers.take("uni");
            let index = builder.read(index, Type { kind: Kind::Unsigned, bits: 32 }, false)?;
            let Some(table) = builder.table(label) else { return builder.fail(format!("no targets {label}")) };
            builder.emit(Op::Indexed(index, table));
        }
        ("call", _) => {
            modifiers.take("uni");
            call(builder, operands)?;
        }
        ("ret", []) => {
            modifiers.take("uni");
            builder.emit(Op::Return);
        }
        ("exit", []) => builder.emit(Op::Exit),
        ("trap" | "brkpt", []) => builder.emit(Op::Trap),
        ("membar" | "fence", []) => {
            modifiers.drop(|name| {
                name.starts_with("proxy")
                    || matches!(
                        name,
                        "gl" | "cta" | "sys" | "gpu" | "cluster" | "sc" | "acq_rel" | "acquire" | "release"
                    )
            });
            builder.emit(Op::Nothing);
        }
        ("nanosleep", [_]) if modifiers.take("u32") => builder.emit(Op::Nothing),
        ("bar", [_]) if statement.modifiers == ["warp", "sync"] => {
            modifiers.drop(|_| true);
            builder.emit(Op::Nothing);
        }
        ("bar" | "barrier", [Operand::Integer(0..=15)]) if modifiers.take("sync") => {
            modifiers.take("cta");
            modifiers.take("aligned");
            builder.emit(Op::Barrier);
        }
        // `or` over the predicates of all threads
        ("bar" | "barrier", [to, Operand::Integer(0..=15), says]) if modifiers.take("red") => {
            modifiers.take("cta");
            modifiers.take("aligned");
            if !(modifiers.take("or") && modifiers.take("pred")) {
                return Ok(false);
            }
            let says = builder.read(says, PREDICATE, false)?;
            let (to, _) = builder.write(to, PREDICATE, false)?;
            builder.emit(Op::Say(says));
            builder.emit(Op::Barrier);
            builder.emit(Op::AnySaid(to));
        }
        ("prefetch" | "prefetchu" | "discard" | "applypriority", _) => {
            modifiers.drop(|_| true);
            builder.emit(Op::Nothing);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// `call (result), name, (arguments)`, with or without results and arguments.
fn call<'a>(builder: &mut Builder<'a, '_>, operands: &[Operand<'a>]) -> Result<(), Error> {
    let (results, name, arguments): (&[_], _, &[_]) = match operands {
        [Operand::Group(results), Operand::Name(name, None), Operand::Group(arguments)] => (results, *name, arguments),
        [Operand::Name(name, None), Operand::Group(arguments)] => (&[], *name, arguments),
        [Operand::Group(results), Operand::Name(name, None)] => (results, *name, &[]),
        [Operand::Name(name, None)] => (&[], *name, &[]),
        _ => return builder.fail("a call that the emulator does not know (is it indirect?)"),
    };
    let Some(&function) = builder.globals.functions.get(name) else {
        return builder.fail(format!("call of {name}, which is defined nowhere"));
    };
    let (result_formals, argument_formals) = builder.globals.formals[function as usize].clone();
    let arguments =
        pieces(builder, name, arguments, &argument_formals, |mine, its| (mine.offset, its.offset, its.size))?;
    let results = pieces(builder, name, results, &result_formals, |mine, its| (mine.offset, its.offset, its.size))?;
    let number = builder.function.calls.len() as u32;
    builder.function.calls.push(CallSite { function, arguments, results });
    builder.emit(Op::Call(number));
    Ok(())
}

fn pieces<'a>(
    builder: &Builder<'a, '_>,
    callee: &str,
    operands: &[Operand<'a>],
    formals: &[Formal],
    piece: impl Fn(Formal, Formal) -> (u64, u64, u64),
) -> Result<Vec<(u64, u64, u64)>, Error> {
    if operands.len() != formals.len() {
        return builder.fail(format!("call of {callee} with {} instead of {} values", operands.len(), formals.len()));
    }
    let mut list = Vec::new();
    for (operand, formal) in operands.iter().zip(formals) {
        match operand {
            Operand::Name(name, None) => match builder.find(name) {
                Some(Symbol::Parameter(mine)) if mine.size == formal.size => list.push(piece(mine, *formal)),
                _ => return builder.fail(format!("{name} is not a parameter of the size that {callee} wants")),
            },
            other => return builder.fail(format!("operand {other:?} of a call is not a parameter")),
        }
    }
    Ok(list)
}
