//! The decoded form of a PTX module.
//!
//! Contract: everything that an instruction needs is resolved. An operand is the number of a *slot* of the frame of a
//! function; registers, constants, addresses of variables and special registers all have slots, so that an instruction
//! never asks what kind of operand it has. A slot holds its value zero-extended to 64 bits.

use std::collections::HashMap;

/// The number of a slot in a frame.
pub(crate) type Slot = u32;

/// No slot: the guard of an unconditional instruction.
pub(crate) const NO_SLOT: Slot = Slot::MAX;

/// Functions of one to four operands that arithmetic instructions are made of.
pub(crate) type Unary = fn(u64) -> u64;
/// See [`Unary`].
pub(crate) type Binary = fn(u64, u64) -> u64;
/// See [`Unary`].
pub(crate) type Ternary = fn(u64, u64, u64) -> u64;
/// See [`Unary`].
pub(crate) type Quaternary = fn(u64, u64, u64, u64) -> u64;

/// The meaning of the bits of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bits,
    Unsigned,
    Signed,
    Float,
    Predicate,
}

/// A PTX type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Type {
    pub(crate) kind: Kind,
    pub(crate) bits: u32,
}

impl Type {
    /// The type that a directive names.
    pub(crate) fn named(word: &str) -> Option<Self> {
        if word == "pred" {
            return Some(Self { kind: Kind::Predicate, bits: 1 });
        }
        let (kind, bits) = word.split_at_checked(1)?;
        let kind = match kind {
            "b" => Kind::Bits,
            "u" => Kind::Unsigned,
            "s" => Kind::Signed,
            "f" => Kind::Float,
            _ => return None,
        };
        let bits = match (kind, bits) {
            (Kind::Float, "32") | (_, "32") => 32,
            (_, "64") => 64,
            (Kind::Bits | Kind::Unsigned | Kind::Signed, "8") => 8,
            (Kind::Bits | Kind::Unsigned | Kind::Signed, "16") => 16,
            _ => return None,
        };
        Some(Self { kind, bits })
    }

    /// Its size in memory.
    pub(crate) fn bytes(self) -> u64 {
        u64::from(self.bits.div_ceil(8))
    }

    /// The bits that a value of the type may have set.
    pub(crate) fn mask(self) -> u64 {
        mask(self.bits)
    }

    pub(crate) fn signed(self) -> bool {
        self.kind == Kind::Signed
    }

    pub(crate) fn float(self) -> bool {
        self.kind == Kind::Float
    }
}

/// The lowest `bits` bits.
pub(crate) fn mask(bits: u32) -> u64 {
    if bits >= 64 { u64::MAX } else { (1 << bits) - 1 }
}

/// State spaces of loads and stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Space {
    Generic,
    Global,
    Constant,
    Shared,
    Local,
    Parameter,
}

/// Rounding of a conversion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rounding {
    Nearest,
    Zero,
    Down,
    Up,
}

/// A conversion between two types.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conversion {
    pub(crate) to: Type,
    pub(crate) from: Type,
    pub(crate) rounding: Rounding,
    /// Round a float to an integral float.
    pub(crate) integral: bool,
    pub(crate) flush: bool,
    pub(crate) saturate: bool,
    /// The bits of the destination register, which may be wider than the type.
    pub(crate) mask: u64,
}

/// The fields that loads and stores have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Access {
    pub(crate) space: Space,
    /// Bytes of one element.
    pub(crate) bytes: u8,
    /// Number of elements, 1 to 4.
    pub(crate) lanes: u8,
    /// Sign-extend elements that are loaded.
    pub(crate) signed: bool,
    /// The register of the address has 32 bits only, so that the sum with the offset wraps there.
    pub(crate) narrow: bool,
    pub(crate) address: Slot,
    pub(crate) offset: i64,
}

/// One operation. The first slot is the destination.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Move(Slot, Slot),
    Unary(Unary, Slot, Slot),
    Binary(Binary, Slot, [Slot; 2]),
    Ternary(Ternary, Slot, [Slot; 3]),
    Quaternary(Quaternary, Slot, [Slot; 4]),
    // the commonest arithmetic, which as an operation of its own costs no call
    AddU32(Slot, [Slot; 2]),
    AddU64(Slot, [Slot; 2]),
    AddF32(Slot, [Slot; 2]),
    SubF32(Slot, [Slot; 2]),
    MulF32(Slot, [Slot; 2]),
    FmaF32(Slot, [Slot; 3]),
    AddF64(Slot, [Slot; 2]),
    SubF64(Slot, [Slot; 2]),
    MulF64(Slot, [Slot; 2]),
    FmaF64(Slot, [Slot; 3]),
    /// An entry of [`Function::conversions`].
    Convert(u32, Slot, Slot),
    /// Joins `count` parts of `bits` bits each, the lowest first.
    Pack {
        to: Slot,
        parts: [Slot; 4],
        count: u8,
        bits: u8,
    },
    /// A load. `mask` has the bits of the destination registers, for elements that are sign-extended.
    Load {
        access: Access,
        to: [Slot; 4],
        mask: u64,
    },
    Store {
        access: Access,
        from: [Slot; 4],
    },
    /// `to = old; memory = function(old, b, c)`.
    Atomic {
        access: Access,
        function: Ternary,
        to: Slot,
        from: [Slot; 2],
    },
    Branch(u32),
    /// A jump through an entry of [`Function::tables`].
    Indexed(Slot, u32),
    /// An entry of [`Function::calls`].
    Call(u32),
    Return,
    Exit,
    Trap,
    Barrier,
    /// Brings a predicate to the next barrier.
    Say(Slot),
    /// Reads whether the predicate of any thread was true at the last barrier.
    AnySaid(Slot),
    Nothing,
}

impl Op {
    /// The slots that are read and written.
    pub(crate) fn slots(&self) -> (Vec<Slot>, Vec<Slot>) {
        match *self {
            Self::Move(d, a) | Self::Unary(_, d, a) | Self::Convert(_, d, a) => (vec![a], vec![d]),
            Self::Binary(_, d, a)
            | Self::AddU32(d, a)
            | Self::AddU64(d, a)
            | Self::AddF32(d, a)
            | Self::SubF32(d, a)
            | Self::MulF32(d, a)
            | Self::AddF64(d, a)
            | Self::SubF64(d, a)
            | Self::MulF64(d, a) => (a.to_vec(), vec![d]),
            Self::Ternary(_, d, a) | Self::FmaF32(d, a) | Self::FmaF64(d, a) => (a.to_vec(), vec![d]),
            Self::Quaternary(_, d, a) => (a.to_vec(), vec![d]),
            Self::Pack { to, parts, count, .. } => (parts[..usize::from(count)].to_vec(), vec![to]),
            Self::Load { access, to, .. } => (vec![access.address], to[..usize::from(access.lanes)].to_vec()),
            Self::Store { access, from } => {
                let mut reads = from[..usize::from(access.lanes)].to_vec();
                reads.push(access.address);
                (reads, Vec::new())
            }
            Self::Atomic { access, to, from, .. } => (vec![access.address, from[0], from[1]], vec![to]),
            Self::Indexed(a, _) | Self::Say(a) => (vec![a], Vec::new()),
            Self::AnySaid(d) => (Vec::new(), vec![d]),
            Self::Branch(_)
            | Self::Call(_)
            | Self::Return
            | Self::Exit
            | Self::Trap
            | Self::Barrier
            | Self::Nothing => (Vec::new(), Vec::new()),
        }
    }
}

/// An operation and its guard.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Instruction {
    /// [`NO_SLOT`], or the predicate.
    pub(crate) guard: Slot,
    /// Run when the predicate is false.
    pub(crate) negate: bool,
    pub(crate) op: Op,
}

/// Registers that the machine fills in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Special {
    /// `%tid`, by axis.
    Thread(u8),
    /// `%ntid`.
    Threads(u8),
    /// `%ctaid`.
    Block(u8),
    /// `%nctaid`.
    Blocks(u8),
    Lane,
    Warp,
    /// The bytes of dynamic shared memory.
    DynamicShared,
}

/// The value that a slot has when a frame begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fixed {
    Value(u64),
    Special(Special),
    /// The address of a variable of [`Program::variables`] and an offset to it.
    Variable(u32, i64),
    /// An offset in the local memory of the frame.
    Local(u64),
    /// An offset in the parameter memory of the frame.
    Parameter(u64),
}

/// A formal parameter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Formal {
    pub(crate) offset: u64,
    pub(crate) size: u64,
}

/// A call in the code of a function, with the pieces of parameter memory to copy: offset in the caller, offset in the callee, size.
#[derive(Clone, Debug)]
pub(crate) struct CallSite {
    pub(crate) function: u32,
    pub(crate) arguments: Vec<(u64, u64, u64)>,
    pub(crate) results: Vec<(u64, u64, u64)>,
}

/// The slots that an instruction reads and writes, for the check of registers.
pub(crate) type Touched = (Box<[Slot]>, Box<[Slot]>);

/// A function or kernel.
#[derive(Debug, Default)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) entry: bool,
    pub(crate) code: Vec<Instruction>,
    /// The line of each instruction.
    pub(crate) lines: Vec<u32>,
    /// The number of slots of a frame.
    pub(crate) slots: u32,
    pub(crate) fixed: Vec<(Slot, Fixed)>,
    pub(crate) parameters: Vec<Formal>,
    pub(crate) results: Vec<Formal>,
    pub(crate) parameter_bytes: u64,
    pub(crate) local_bytes: u64,
    pub(crate) calls: Vec<CallSite>,
    pub(crate) tables: Vec<Vec<u32>>,
    pub(crate) conversions: Vec<Conversion>,
    /// One entry for each instruction, or none without the check of registers.
    pub(crate) touched: Vec<Touched>,
    pub(crate) max_threads: Option<u32>,
}

/// Eight or fewer bytes of an initialiser.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Initial {
    Number(u64),
    Address { variable: u32, addend: i64, mask: u64 },
}

/// A variable of the module (or of a function, where it is `.shared`).
#[derive(Debug)]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) space: Space,
    pub(crate) size: u64,
    pub(crate) align: u64,
    /// The dynamic shared memory of the launch.
    pub(crate) dynamic: bool,
    /// Offset, size, value.
    pub(crate) initial: Vec<(u64, u64, Initial)>,
}

/// A decoded module.
#[derive(Debug, Default)]
pub(crate) struct Program {
    pub(crate) functions: Vec<Function>,
    pub(crate) names: HashMap<String, u32>,
    pub(crate) variables: Vec<Variable>,
    /// The lines of the text.
    pub(crate) text: Vec<String>,
}

impl Program {
    /// The functions that a kernel can reach, itself first.
    pub(crate) fn reachable(&self, kernel: u32) -> Vec<u32> {
        let mut list = vec![kernel];
        let mut at = 0;
        while at < list.len() {
            for call in &self.functions[list[at] as usize].calls {
                if !list.contains(&call.function) {
                    list.push(call.function);
                }
            }
            at += 1;
        }
        list
    }

    /// Where the shared variables of a kernel lie: (variable, offset) of each, the bytes of the static ones, and the
    /// offset of the dynamic part.
    pub(crate) fn shared_layout(&self, kernel: u32) -> (HashMap<u32, u64>, u64, u64) {
        let mut used: Vec<u32> = Vec::new();
        for function in self.reachable(kernel) {
            for (_, fixed) in &self.functions[function as usize].fixed {
                if let Fixed::Variable(variable, _) = *fixed
                    && self.variables[variable as usize].space == Space::Shared
                    && !used.contains(&variable)
                {
                    used.push(variable);
                }
            }
        }
        used.sort_unstable();
        let (mut offsets, mut end, mut align) = (HashMap::new(), 0u64, 16);
        for &number in &used {
            let variable = &self.variables[number as usize];
            if variable.dynamic {
                align = align.max(variable.align);
            } else {
                let start = end.next_multiple_of(variable.align);
                offsets.insert(number, start);
                end = start + variable.size;
            }
        }
        let dynamic = end.next_multiple_of(align);
        for number in used {
            if self.variables[number as usize].dynamic {
                offsets.insert(number, dynamic);
            }
        }
        (offsets, end, dynamic)
    }

    /// The text of a line, counted from 1.
    pub(crate) fn line(&self, number: u32) -> &str {
        self.text.get((number as usize).wrapping_sub(1)).map_or("", |line| line.trim())
    }
}
