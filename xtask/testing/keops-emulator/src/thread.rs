//! A thread: its frames, and the loop that runs its instructions.
//!
//! Contract: [`Thread::run`] runs a thread to its next barrier or its end. After a fault `function` and `at` name the
//! instruction.

use crate::error::{Trouble, code, trouble};
use crate::execute::convert::convert;
use crate::execute::memory::Spaces;
use crate::program::{Fixed, Function, Instruction, NO_SLOT, Op, Program, Slot, Special};

/// The deepest nesting of calls; a recursion that does not end becomes a fault.
const DEEPEST: usize = 512;

/// Frames of local memory begin at multiples of this, the greatest alignment that a local variable can ask for.
pub(crate) const FRAME: u64 = 256;

/// The values of the slots of a function when a frame of it begins.
#[derive(Debug, Default)]
pub(crate) struct Template {
    pub(crate) values: Vec<u64>,
    /// Slots whose value depends on the thread, the block or the frame.
    pub(crate) own: Vec<(Slot, Fixed)>,
    /// Slots that are not registers, and that count as written.
    pub(crate) set: Vec<Slot>,
}

/// The position of a thread in the grid.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Position {
    pub(crate) block: [u32; 3],
    pub(crate) thread: [u32; 3],
    /// The number of the thread in its block.
    pub(crate) number: u32,
}

/// The state of a caller, which is restored when the function that it called returns.
#[derive(Debug)]
struct Frame {
    function: u32,
    at: usize,
    base: usize,
    local: usize,
    parameters: usize,
    call: u32,
}

/// The state of a thread.
#[derive(Debug, Default)]
pub(crate) struct Thread {
    pub(crate) position: Position,
    slots: Vec<u64>,
    written: Vec<bool>,
    local: Vec<u8>,
    parameters: Vec<u8>,
    frames: Vec<Frame>,
    pub(crate) function: u32,
    pub(crate) at: usize,
    base: usize,
    local_base: usize,
    parameter_base: usize,
}

/// The reason why a thread stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// At the barrier of this function and index.
    Barrier(u32, usize),
    Ended,
}

/// The program and the templates, which all threads of a launch share.
pub(crate) struct Code<'a> {
    pub(crate) program: &'a Program,
    /// A template for each function, by its number; empty for functions that the kernel does not reach.
    pub(crate) templates: Vec<Template>,
    pub(crate) strict: bool,
}

/// Computes an operation on slots: their values as numbers of one type, the result of the body, and its bits in the first slot.
macro_rules! arithmetic {
    ($slots:ident, $to:expr, $from:expr, $kind:ident, |$($x:ident),+| $body:expr) => {{
        let [$($x),+] = $from.map(|slot| arithmetic!(@get $kind, $slots[slot as usize]));
        $slots[*$to as usize] = arithmetic!(@put $kind, $body);
    }};
    (@get f32, $v:expr) => { f32::from_bits($v as u32) };
    (@get f64, $v:expr) => { f64::from_bits($v) };
    (@get u32, $v:expr) => { $v as u32 };
    (@get u64, $v:expr) => { $v };
    (@put f32, $v:expr) => { u64::from(($v).to_bits()) };
    (@put f64, $v:expr) => { ($v).to_bits() };
    (@put u32, $v:expr) => { u64::from($v) };
    (@put u64, $v:expr) => { $v };
}

impl Thread {
    /// Puts the thread at the beginning of a kernel.
    pub(crate) fn start(&mut self, code: &Code<'_>, kernel: u32, position: Position, arguments: &[u8]) {
        self.position = position;
        self.frames.clear();
        self.slots.clear();
        self.written.clear();
        self.local.clear();
        self.parameters.clear();
        self.enter(code, kernel);
        self.parameters[..arguments.len()].copy_from_slice(arguments);
    }

    /// Adds the frame of a function after the present one.
    fn enter(&mut self, code: &Code<'_>, function: u32) {
        let (template, callee) = (&code.templates[function as usize], &code.program.functions[function as usize]);
        self.function = function;
        self.at = 0;
        self.base = self.slots.len();
        self.local_base = self.local.len();
        self.parameter_base = self.parameters.len();
        self.slots.extend_from_slice(&template.values);
        if callee.local_bytes > 0 {
            // The end is exact, so that accesses after the last variable are found.
            self.local_base = self.local_base.next_multiple_of(FRAME as usize);
            self.local.resize(self.local_base + callee.local_bytes as usize, 0xff);
        }
        self.parameters.resize(self.parameter_base + callee.parameter_bytes.next_multiple_of(16) as usize, 0);
        for &(slot, fixed) in &template.own {
            self.slots[self.base + slot as usize] = match fixed {
                Fixed::Local(offset) => self.local_base as u64 + offset,
                Fixed::Parameter(offset) => self.parameter_base as u64 + offset,
                Fixed::Special(Special::Thread(axis)) => u64::from(self.position.thread[usize::from(axis)]),
                Fixed::Special(Special::Block(axis)) => u64::from(self.position.block[usize::from(axis)]),
                Fixed::Special(Special::Lane) => u64::from(self.position.number % 32),
                Fixed::Special(Special::Warp) => u64::from(self.position.number / 32),
                Fixed::Special(_) | Fixed::Value(_) | Fixed::Variable(..) => 0,
            };
        }
        if code.strict {
            self.written.resize(self.slots.len(), false);
            for slot in &template.set {
                self.written[self.base + *slot as usize] = true;
            }
        }
    }

    fn call(&mut self, code: &Code<'_>, number: u32, at: usize) -> Result<(), Trouble> {
        if self.frames.len() >= DEEPEST {
            self.at = at;
            return Err(trouble(code::LAUNCH_FAILED, format!("more than {DEEPEST} calls in each other")));
        }
        let call = &code.program.functions[self.function as usize].calls[number as usize];
        self.frames.push(Frame {
            function: self.function,
            at: at + 1,
            base: self.base,
            local: self.local_base,
            parameters: self.parameter_base,
            call: number,
        });
        let caller = self.parameter_base;
        self.enter(code, call.function);
        for &(from, to, size) in &call.arguments {
            let from = caller + from as usize;
            self.parameters.copy_within(from..from + size as usize, self.parameter_base + to as usize);
        }
        Ok(())
    }

    /// Returns to the caller. The result is false at the end of the kernel, which has no caller.
    fn leave(&mut self, code: &Code<'_>) -> bool {
        let Some(frame) = self.frames.pop() else { return false };
        let call = &code.program.functions[frame.function as usize].calls[frame.call as usize];
        for &(to, from, size) in &call.results {
            let from = self.parameter_base + from as usize;
            self.parameters.copy_within(from..from + size as usize, frame.parameters + to as usize);
        }
        self.slots.truncate(self.base);
        self.written.truncate(self.base);
        let caller = code.program.functions[frame.function as usize].local_bytes;
        self.local.truncate(frame.local + caller as usize);
        self.parameters.truncate(self.parameter_base);
        self.function = frame.function;
        self.at = frame.at;
        self.base = frame.base;
        self.local_base = frame.local;
        self.parameter_base = frame.parameters;
        true
    }

    /// Runs to the next barrier or the end; `left` is the number of instructions that the launch may still run.
    pub(crate) fn run(&mut self, code: &Code<'_>, spaces: &mut Spaces<'_>, left: &mut u64) -> Result<Stop, Trouble> {
        loop {
            match self.run_function(code, spaces, left)? {
                Pause::Call(number) => self.call(code, number, self.at)?,
                Pause::Return => {
                    if !self.leave(code) {
                        return Ok(Stop::Ended);
                    }
                }
                Pause::Stop(stop) => return Ok(stop),
            }
        }
    }

    /// Runs the instructions of one frame, up to a call, a return or a barrier. One `match` has all operations: with one for
    /// arithmetic in a function of its own, which is inlined, the loop was an eighth slower.
    fn run_function(&mut self, code: &Code<'_>, spaces: &mut Spaces<'_>, left: &mut u64) -> Result<Pause, Trouble> {
        let function = &code.program.functions[self.function as usize];
        let mut at = self.at;
        let mut steps = *left;
        let slots = &mut self.slots[self.base..];
        let (local, parameters) = (&mut self.local[..], &mut self.parameters[..]);
        let written = &mut self.written;
        // Every way out of the loop goes through here, so that the position is known.
        let result = loop {
            let Some(Instruction { guard, negate, op }) = function.code.get(at) else { break Ok(Pause::Return) };
            if steps == 0 {
                break Err(trouble(code::LAUNCH_TIMEOUT, "more instructions than a launch may run"));
            }
            steps -= 1;
            if *guard != NO_SLOT && (slots[*guard as usize] & 1 == 1) == *negate {
                at += 1;
                continue;
            }
            if code.strict
                && let Err(fault) = touch(function, at, *guard, &mut written[self.base..])
            {
                break Err(fault);
            }
            match op {
                Op::Move(d, a) => slots[*d as usize] = slots[*a as usize],
                Op::Unary(f, d, a) => slots[*d as usize] = f(slots[*a as usize]),
                Op::Binary(f, d, from) => arithmetic!(slots, d, from, u64, |a, b| f(a, b)),
                Op::Ternary(f, d, from) => arithmetic!(slots, d, from, u64, |a, b, c| f(a, b, c)),
                Op::Quaternary(f, d, from) => arithmetic!(slots, d, from, u64, |a, b, c, e| f(a, b, c, e)),
                Op::AddU32(d, from) => arithmetic!(slots, d, from, u32, |a, b| a.wrapping_add(b)),
                Op::AddU64(d, from) => arithmetic!(slots, d, from, u64, |a, b| a.wrapping_add(b)),
                Op::AddF32(d, from) => arithmetic!(slots, d, from, f32, |a, b| a + b),
                Op::SubF32(d, from) => arithmetic!(slots, d, from, f32, |a, b| a - b),
                Op::MulF32(d, from) => arithmetic!(slots, d, from, f32, |a, b| a * b),
                Op::FmaF32(d, from) => arithmetic!(slots, d, from, f32, |a, b, c| a.mul_add(b, c)),
                Op::AddF64(d, from) => arithmetic!(slots, d, from, f64, |a, b| a + b),
                Op::SubF64(d, from) => arithmetic!(slots, d, from, f64, |a, b| a - b),
                Op::MulF64(d, from) => arithmetic!(slots, d, from, f64, |a, b| a * b),
                Op::FmaF64(d, from) => arithmetic!(slots, d, from, f64, |a, b, c| a.mul_add(b, c)),
                Op::Convert(number, d, a) => {
                    slots[*d as usize] = convert(&function.conversions[*number as usize], slots[*a as usize]);
                }
                Op::Pack { to, parts, count, bits } => {
                    let joined = |value: u64, part: &Slot| value << bits | slots[*part as usize];
                    slots[*to as usize] = parts[..usize::from(*count)].iter().rev().fold(0, joined);
                }
                Op::Load { access, to, mask } => {
                    if let Err(fault) = spaces.load(access, to, *mask, slots, local, parameters) {
                        break Err(fault);
                    }
                }
                Op::Store { access, from } => {
                    if let Err(fault) = spaces.store(access, from, slots, local, parameters) {
                        break Err(fault);
                    }
                }
                Op::Atomic { access, function, to, from } => {
                    let operands = from.map(|slot| slots[slot as usize]);
                    match spaces.atomic(access, *function, operands, slots) {
                        Ok(old) => slots[*to as usize] = old,
                        Err(fault) => break Err(fault),
                    }
                }
                Op::Branch(target) => {
                    at = *target as usize;
                    continue;
                }
                Op::Indexed(a, table) => match entry(&function.tables[*table as usize], slots[*a as usize]) {
                    Ok(target) => {
                        at = target;
                        continue;
                    }
                    Err(fault) => break Err(fault),
                },
                Op::Call(number) => break Ok(Pause::Call(*number)),
                Op::Return => break Ok(Pause::Return),
                Op::Exit => break Ok(Pause::Stop(Stop::Ended)),
                Op::Trap => break Err(trouble(code::LAUNCH_FAILED, "trap")),
                Op::Barrier => {
                    let stop = Stop::Barrier(self.function, at);
                    at += 1;
                    break Ok(Pause::Stop(stop));
                }
                Op::Say(a) => spaces.shared.say(slots[*a as usize] & 1 == 1),
                Op::AnySaid(d) => slots[*d as usize] = u64::from(spaces.shared.any_said()),
                Op::Nothing => {}
            }
            at += 1;
        };
        *left = steps;
        self.at = at;
        result
    }
}

/// The reason why the loop within a frame stopped.
enum Pause {
    Call(u32),
    Return,
    Stop(Stop),
}

/// The instruction to which a jump through a table goes.
fn entry(table: &[u32], index: u64) -> Result<usize, Trouble> {
    match table.get(index as usize) {
        Some(target) => Ok(*target as usize),
        None => Err(trouble(code::LAUNCH_FAILED, format!("jump to entry {index} of a shorter table"))),
    }
}

/// Checks that the registers that an instruction reads are written, and marks those that it writes.
fn touch(function: &Function, at: usize, guard: Slot, written: &mut [bool]) -> Result<(), Trouble> {
    let (reads, writes) = &function.touched[at];
    let guard = Some(guard).filter(|guard| *guard != NO_SLOT);
    if reads.iter().copied().chain(guard).any(|slot| !written[slot as usize]) {
        return Err(trouble(code::LAUNCH_FAILED, "read of a register that the thread has not written"));
    }
    for slot in writes {
        written[*slot as usize] = true;
    }
    Ok(())
}
