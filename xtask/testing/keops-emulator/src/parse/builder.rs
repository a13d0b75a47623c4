//! Names of one function, bound to slots, and the code that grows from its statements.
//!
//! Contract: every operand becomes a slot or an error; a register must have the size (and, unless one of both is
//! untyped, the kind) that the instruction asks for, as `ptxas` demands.

use std::collections::HashMap;

use super::syntax::{Operand, Statement};
use crate::error::Error;
use crate::program::{Fixed, Formal, Function, Instruction, Kind, NO_SLOT, Op, Slot, Space, Special, Type, Variable};

/// What a name means.
#[derive(Clone, Copy, Debug)]
pub(super) enum Symbol {
    Register(Slot, Type),
    /// `%r<n>`: the first slot and the number of registers.
    Range(Slot, u32, Type),
    Parameter(Formal),
    Local(u64),
    Variable(u32),
}

/// What all functions of the module can name.
#[derive(Default)]
pub(super) struct Globals<'a> {
    pub(super) variables: Vec<Variable>,
    pub(super) names: HashMap<&'a str, u32>,
    /// Functions with a body.
    pub(super) functions: HashMap<&'a str, u32>,
    /// Results and parameters of each function.
    pub(super) formals: Vec<(Vec<Formal>, Vec<Formal>)>,
}

struct Scope<'a> {
    number: usize,
    names: HashMap<&'a str, Symbol>,
}

/// A jump whose label may come later.
struct Jump<'a> {
    /// The instruction, or the table and the entry in it.
    place: Result<usize, (usize, usize)>,
    scope: usize,
    label: &'a str,
    line: u32,
}

/// The function that is being decoded.
pub(super) struct Builder<'a, 'g> {
    pub(super) globals: &'g mut Globals<'a>,
    pub(super) function: Function,
    pub(super) line: u32,
    guard: (Slot, bool),
    scopes: Vec<Scope<'a>>,
    /// The scope around each scope.
    parents: Vec<usize>,
    constants: HashMap<Fixed, Slot>,
    carry: Option<Slot>,
    labels: HashMap<(usize, &'a str), u32>,
    tables: HashMap<&'a str, u32>,
    jumps: Vec<Jump<'a>>,
}

impl<'a, 'g> Builder<'a, 'g> {
    pub(super) fn new(globals: &'g mut Globals<'a>, function: Function) -> Self {
        Self {
            globals,
            function,
            line: 0,
            guard: (NO_SLOT, false),
            scopes: vec![Scope { number: 0, names: HashMap::new() }],
            parents: vec![0],
            constants: HashMap::new(),
            carry: None,
            labels: HashMap::new(),
            tables: HashMap::new(),
            jumps: Vec::new(),
        }
    }

    pub(super) fn fail<T>(&self, text: impl std::fmt::Display) -> Result<T, Error> {
        Err(Error::ptx(self.line, text))
    }

    pub(super) fn open(&mut self) {
        let parent = self.scope();
        self.scopes.push(Scope { number: self.parents.len(), names: HashMap::new() });
        self.parents.push(parent);
    }

    pub(super) fn close(&mut self) {
        // The parser has matched the braces, the outermost scope stays.
        if self.scopes.len() > 1 {
            self.scopes.pop();
        }
    }

    fn scope(&self) -> usize {
        self.scopes.last().map_or(0, |scope| scope.number)
    }

    pub(super) fn declare(&mut self, name: &'a str, symbol: Symbol) -> Result<(), Error> {
        let old = self.scopes.last_mut().and_then(|scope| scope.names.insert(name, symbol));
        if old.is_some() { self.fail(format!("{name} is declared twice")) } else { Ok(()) }
    }

    /// New slots for registers.
    pub(super) fn slots(&mut self, count: u32) -> Slot {
        let first = self.function.slots;
        self.function.slots += count;
        first
    }

    /// A new slot that no name means.
    pub(super) fn scratch(&mut self) -> Slot {
        self.slots(1)
    }

    /// The slot of the carry flag.
    pub(super) fn carry(&mut self) -> Slot {
        let next = self.function.slots;
        let slot = *self.carry.get_or_insert(next);
        self.function.slots = self.function.slots.max(slot + 1);
        slot
    }

    pub(super) fn label(&mut self, name: &'a str) -> Result<(), Error> {
        let key = (self.scope(), name);
        match self.labels.insert(key, self.function.code.len() as u32) {
            None => Ok(()),
            Some(_) => self.fail(format!("label {name} is set twice")),
        }
    }

    pub(super) fn targets(&mut self, label: &'a str, targets: &[&'a str]) {
        let table = self.function.tables.len();
        self.function.tables.push(vec![0; targets.len()]);
        self.tables.insert(label, table as u32);
        for (entry, label) in targets.iter().enumerate() {
            let scope = self.scope();
            self.jumps.push(Jump { place: Err((table, entry)), scope, label, line: self.line });
        }
    }

    pub(super) fn table(&self, label: &str) -> Option<u32> {
        self.tables.get(label).copied()
    }

    /// Sets the guard of the instructions that follow.
    pub(super) fn begin(&mut self, statement: &Statement<'a>) -> Result<(), Error> {
        self.line = statement.line;
        self.guard = match statement.guard {
            None => (NO_SLOT, false),
            Some((name, negate)) => match self.find(name) {
                Some(Symbol::Register(slot, kind)) if kind.kind == Kind::Predicate => (slot, negate),
                _ => return self.fail(format!("{name} is not a predicate")),
            },
        };
        Ok(())
    }

    pub(super) fn emit(&mut self, op: Op) {
        self.function.code.push(Instruction { guard: self.guard.0, negate: self.guard.1, op });
        self.function.lines.push(self.line);
    }

    pub(super) fn jump(&mut self, label: &'a str) {
        let place = Ok(self.function.code.len());
        self.jumps.push(Jump { place, scope: self.scope(), label, line: self.line });
        self.emit(Op::Branch(0));
    }

    /// Sets the targets of all jumps.
    pub(super) fn finish(mut self) -> Result<Function, Error> {
        for jump in &self.jumps {
            let mut scope = jump.scope;
            let target = loop {
                if let Some(target) = self.labels.get(&(scope, jump.label)) {
                    break *target;
                }
                if scope == 0 {
                    return Err(Error::ptx(jump.line, format!("label {} does not exist", jump.label)));
                }
                scope = self.parents[scope];
            };
            match jump.place {
                Ok(at) => self.function.code[at].op = Op::Branch(target),
                Err((table, entry)) => self.function.tables[table][entry] = target,
            }
        }
        Ok(self.function)
    }

    /// What a name means here, innermost scope first.
    pub(super) fn find(&self, name: &str) -> Option<Symbol> {
        for scope in self.scopes.iter().rev() {
            match scope.names.get(name) {
                Some(Symbol::Range(..)) | None => {}
                Some(symbol) => return Some(*symbol),
            }
            let digits = name.bytes().rev().take_while(u8::is_ascii_digit).count();
            for cut in name.len() - digits..name.len() {
                if let Some(Symbol::Range(first, count, kind)) = scope.names.get(&name[..cut])
                    && let Ok(index) = name[cut..].parse::<u32>()
                    && index < *count
                {
                    return Some(Symbol::Register(first + index, *kind));
                }
            }
        }
        self.globals.names.get(name).map(|variable| Symbol::Variable(*variable))
    }

    /// The slot of a value that is known before the function runs.
    pub(super) fn fixed(&mut self, value: Fixed) -> Slot {
        if let Some(slot) = self.constants.get(&value) {
            return *slot;
        }
        let slot = self.slots(1);
        self.constants.insert(value, slot);
        self.function.fixed.push((slot, value));
        slot
    }

    pub(super) fn constant(&mut self, value: u64) -> Slot {
        self.fixed(Fixed::Value(value))
    }

    fn agree(&self, name: &str, register: Type, wanted: Type, wider: bool) -> Result<(), Error> {
        let size = register.bits == wanted.bits || wider && register.bits > wanted.bits && register.bits > 1;
        let open = register.kind == Kind::Bits || wanted.kind == Kind::Bits || wider;
        if !size || !open && register.float() != wanted.float() {
            let text = format!("register {name} ({:?}{}) in the place of", register.kind, register.bits);
            return self.fail(format!("{text} {:?}{}", wanted.kind, wanted.bits));
        }
        Ok(())
    }

    /// The slot of an operand that is read as this type; `wider`: the register may have more bits.
    pub(super) fn read(&mut self, operand: &Operand<'a>, kind: Type, wider: bool) -> Result<Slot, Error> {
        match operand {
            Operand::Integer(value) if kind.float() => {
                self.fail(format!("the integer {value} in the place of a float"))
            }
            Operand::Integer(value) => Ok(self.constant(value & kind.mask())),
            Operand::Single(bits) if kind.bits == 32 => Ok(self.constant(u64::from(*bits))),
            Operand::Double(bits) if kind.bits == 64 => Ok(self.constant(*bits)),
            Operand::Double(bits) if kind.float() => {
                Ok(self.constant(u64::from((f64::from_bits(*bits) as f32).to_bits())))
            }
            Operand::Name(name, Some(part)) => match special(name, part) {
                Some(special) => Ok(self.fixed(Fixed::Special(special))),
                None => self.fail(format!("unknown register {name}.{part}")),
            },
            Operand::Name(name, None) => match self.find(name) {
                Some(Symbol::Register(slot, register)) => {
                    self.agree(name, register, kind, wider)?;
                    Ok(slot)
                }
                Some(_) => self.address(name, 0),
                None => match *name {
                    "%laneid" => Ok(self.fixed(Fixed::Special(Special::Lane))),
                    "%warpid" => Ok(self.fixed(Fixed::Special(Special::Warp))),
                    "%dynamic_smem_size" => Ok(self.fixed(Fixed::Special(Special::DynamicShared))),
                    "%smid" | "%gridid" => Ok(self.constant(0)),
                    "%nsmid" => Ok(self.constant(4)),
                    "WARP_SZ" => Ok(self.constant(32)),
                    _ => self.fail(format!("unknown name {name}")),
                },
            },
            Operand::Sum(name, offset) => self.address(name, *offset),
            Operand::Not(name) => {
                let from = self.read(&Operand::Name(name, None), kind, false)?;
                if kind.kind != Kind::Predicate {
                    return self.fail("'!' before a register that is not a predicate");
                }
                let to = self.scratch();
                self.emit(Op::Unary(|p| p & 1 ^ 1, to, from));
                Ok(to)
            }
            other => self.fail(format!("operand {other:?} has no place here")),
        }
    }

    /// The slot of the address of a symbol.
    fn address(&mut self, name: &str, offset: i64) -> Result<Slot, Error> {
        match self.find(name) {
            Some(Symbol::Variable(variable)) => Ok(self.fixed(Fixed::Variable(variable, offset))),
            Some(Symbol::Local(start)) => Ok(self.fixed(Fixed::Local(start.wrapping_add(offset as u64)))),
            Some(Symbol::Parameter(formal)) => {
                Ok(self.fixed(Fixed::Parameter(formal.offset.wrapping_add(offset as u64))))
            }
            _ => self.fail(format!("{name} has no address")),
        }
    }

    /// The slot of a destination and the type of its register.
    pub(super) fn write(&mut self, operand: &Operand<'a>, kind: Type, wider: bool) -> Result<(Slot, Type), Error> {
        match operand {
            Operand::Name("_", None) => Ok((self.scratch(), kind)),
            Operand::Name(name, None) => match self.find(name) {
                Some(Symbol::Register(slot, register)) => {
                    self.agree(name, register, kind, wider)?;
                    Ok((slot, register))
                }
                _ => self.fail(format!("{name} is not a register")),
            },
            other => self.fail(format!("operand {other:?} is not a register")),
        }
    }

    /// The base of an address: its slot, whether the register has 32 bits only, and the space of a symbol.
    pub(super) fn base(&mut self, operand: &Operand<'a>) -> Result<(Slot, bool, Option<Space>), Error> {
        match operand {
            Operand::Integer(value) => Ok((self.constant(*value), false, None)),
            Operand::Name(name, None) => match self.find(name) {
                Some(Symbol::Register(slot, kind)) if !kind.float() && kind.bits >= 32 => {
                    Ok((slot, kind.bits == 32, None))
                }
                Some(Symbol::Variable(number)) => {
                    let space = self.globals.variables[number as usize].space;
                    Ok((self.address(name, 0)?, false, Some(space)))
                }
                Some(Symbol::Local(_)) => Ok((self.address(name, 0)?, false, Some(Space::Local))),
                Some(Symbol::Parameter(_)) => Ok((self.address(name, 0)?, false, Some(Space::Parameter))),
                _ => self.fail(format!("{name} is not an address")),
            },
            other => self.fail(format!("operand {other:?} is not an address")),
        }
    }
}

fn special(name: &str, part: &str) -> Option<Special> {
    let axis = match part {
        "x" => 0,
        "y" => 1,
        "z" => 2,
        _ => return None,
    };
    Some(match name {
        "%tid" => Special::Thread(axis),
        "%ntid" => Special::Threads(axis),
        "%ctaid" => Special::Block(axis),
        "%nctaid" => Special::Blocks(axis),
        _ => return None,
    })
}
