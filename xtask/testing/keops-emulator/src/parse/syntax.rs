//! PTX as it is written: declarations and statements with names, before any name is bound.
//!
//! Contract: plain data between the parser (`module`, `statement`) and the decoder (`function`, `instruction`).

use crate::program::{Space, Type};

/// The text of one module.
#[derive(Debug, Default)]
pub(super) struct Module<'a> {
    pub(super) variables: Vec<Variable<'a>>,
    pub(super) functions: Vec<Function<'a>>,
}

/// A declared variable of any state space.
#[derive(Debug, Clone)]
pub(super) struct Variable<'a> {
    pub(super) line: u32,
    pub(super) name: &'a str,
    pub(super) space: Space,
    pub(super) size: u64,
    pub(super) align: u64,
    /// Declared here, defined elsewhere: for `.shared` this is the dynamic part of the launch.
    pub(super) external: bool,
    /// Values with their offsets and sizes in bytes.
    pub(super) initial: Vec<(u64, u64, Initial<'a>)>,
}

/// One value of an initialiser.
#[derive(Debug, Clone, Copy)]
pub(super) enum Initial<'a> {
    Number(u64),
    /// `(symbol + addend) & mask`, moved down to the lowest bit of the mask.
    Address {
        symbol: &'a str,
        addend: i64,
        mask: u64,
    },
}

/// `.entry` or `.func`.
#[derive(Debug)]
pub(super) struct Function<'a> {
    pub(super) line: u32,
    pub(super) name: &'a str,
    pub(super) entry: bool,
    pub(super) results: Vec<Variable<'a>>,
    pub(super) parameters: Vec<Variable<'a>>,
    /// `None`: only declared.
    pub(super) body: Option<Vec<Item<'a>>>,
    pub(super) max_threads: Option<u32>,
}

/// One element of a function body.
#[derive(Debug)]
pub(super) enum Item<'a> {
    Open,
    Close,
    /// `.reg .b32 %r<5>` (with a count) or `.reg .b64 %SP`.
    Register {
        kind: Type,
        name: &'a str,
        count: Option<u32>,
    },
    Variable(Variable<'a>),
    Label(&'a str),
    Targets {
        label: &'a str,
        targets: Vec<&'a str>,
    },
    Statement(Statement<'a>),
}

/// One instruction.
#[derive(Debug)]
pub(super) struct Statement<'a> {
    pub(super) line: u32,
    /// The predicate and whether it is negated.
    pub(super) guard: Option<(&'a str, bool)>,
    pub(super) opcode: &'a str,
    pub(super) modifiers: Vec<&'a str>,
    pub(super) operands: Vec<Operand<'a>>,
}

/// One operand.
#[derive(Debug, Clone)]
pub(super) enum Operand<'a> {
    /// A register, symbol, label or special register (`%tid.x` with its dot).
    Name(&'a str, Option<&'a str>),
    /// `!%p`.
    Not(&'a str),
    /// `symbol+4` outside of brackets.
    Sum(&'a str, i64),
    Integer(u64),
    Single(u32),
    Double(u64),
    /// `[base+offset]`.
    Address(Box<Operand<'a>>, i64),
    /// `{a, b}`.
    Vector(Vec<Operand<'a>>),
    /// `(a, b)` of a call.
    Group(Vec<Operand<'a>>),
    /// `p|q`.
    Pair(&'a str, &'a str),
}
