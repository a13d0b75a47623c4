//! A launch: it runs blocks one after the other, and the threads of a block from barrier to barrier.
//!
//! Contract: the threads of a block run one after the other up to the next barrier; all must meet at the same barrier
//! instruction, or all must have ended. The first fault ends the launch; it is reported with the kernel, the block, the
//! thread, the line and the instruction.

use std::collections::HashMap;

use crate::error::{Error, Trouble, code, trouble};
use crate::execute::memory::Spaces;
use crate::memory::GlobalMemory;
use crate::program::{Fixed, Program, Space, Special};
use crate::shared::SharedMemory;
use crate::thread::{Code, Position, Stop, Template, Thread};

/// The size of a launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Blocks in each direction.
    pub blocks: [u32; 3],
    /// Threads of a block in each direction.
    pub threads: [u32; 3],
    /// Bytes of dynamic shared memory.
    pub shared: u32,
}

impl Grid {
    /// A grid in one direction without dynamic shared memory.
    pub fn line(blocks: u32, threads: u32) -> Self {
        Self { blocks: [blocks, 1, 1], threads: [threads, 1, 1], shared: 0 }
    }
}

/// A kernel with its parameters, grid and limits: everything that a launch needs besides the memory.
pub(crate) struct Launch<'a> {
    pub(crate) program: &'a Program,
    pub(crate) kernel: u32,
    pub(crate) grid: Grid,
    /// The parameter memory of the kernel.
    pub(crate) arguments: &'a [u8],
    /// The addresses of the global variables.
    pub(crate) addresses: &'a HashMap<u32, u64>,
    pub(crate) steps: u64,
    pub(crate) strict: bool,
}

/// Runs a kernel, and returns the number of instructions that it took.
pub(crate) fn launch(launch: &Launch<'_>, memory: &mut GlobalMemory, shared: &mut SharedMemory) -> Result<u64, Error> {
    let code = Code { program: launch.program, templates: templates(launch), strict: launch.strict };
    let (_, _, dynamic) = launch.program.shared_layout(launch.kernel);
    let bytes = dynamic as usize + launch.grid.shared as usize;
    let [width, height, depth] = launch.grid.threads;
    let count = width * height * depth;
    let mut threads: Vec<Thread> = (0..count).map(|_| Thread::default()).collect();
    let mut left = launch.steps;
    let [columns, rows, layers] = launch.grid.blocks;
    for z in 0..layers {
        for y in 0..rows {
            for x in 0..columns {
                shared.begin(bytes);
                for number in 0..count {
                    let thread = [number % width, number / width % height, number / width / height];
                    let position = Position { block: [x, y, z], thread, number };
                    threads[number as usize].start(&code, launch.kernel, position, launch.arguments);
                }
                block(&code, &mut threads, memory, shared, &mut left)
                    .map_err(|(position, function, at, fault)| locate(launch, position, function, at, &fault))?;
            }
        }
    }
    Ok(launch.steps - left)
}

/// A fault with its thread, function and instruction.
type Located = (Position, u32, usize, Trouble);

/// Runs one block to its end.
fn block(
    code: &Code<'_>,
    threads: &mut [Thread],
    memory: &mut GlobalMemory,
    shared: &mut SharedMemory,
    left: &mut u64,
) -> Result<(), Located> {
    loop {
        // where the first thread of the block stopped
        let mut common: Option<Stop> = None;
        for number in 0..threads.len() {
            let thread = &mut threads[number];
            let mut spaces = Spaces { global: memory, shared, thread: number as u32 };
            let stop = match thread.run(code, &mut spaces, left) {
                Ok(stop) => stop,
                Err(fault) => return Err((thread.position, thread.function, thread.at, fault)),
            };
            match common {
                None => common = Some(stop),
                Some(first) if first == stop => {}
                Some(first) => {
                    return Err(divergence(code, first, stop, threads[0].position, threads[number].position));
                }
            }
        }
        match common {
            Some(Stop::Barrier(..)) => shared.barrier(),
            _ => return Ok(()),
        }
    }
}

#[cold]
fn divergence(code: &Code<'_>, first: Stop, second: Stop, one: Position, other: Position) -> Located {
    let name = |stop| match stop {
        Stop::Ended => "has ended".to_owned(),
        Stop::Barrier(function, at) => {
            format!("waits at the barrier in line {}", code.program.functions[function as usize].lines[at])
        }
    };
    let text = format!(
        "barrier divergence: thread {:?} {}, thread {:?} {}",
        one.thread,
        name(first),
        other.thread,
        name(second)
    );
    let (position, at) = if matches!(second, Stop::Barrier(..)) { (other, second) } else { (one, first) };
    let (function, at) = match at {
        Stop::Barrier(function, at) => (function, at),
        Stop::Ended => (0, 0),
    };
    (position, function, at, trouble(code::LAUNCH_FAILED, text))
}

fn locate(launch: &Launch<'_>, position: Position, function: u32, at: usize, fault: &Error) -> Error {
    let kernel = &launch.program.functions[launch.kernel as usize].name;
    let function = &launch.program.functions[function as usize];
    let line = function.lines.get(at).copied().unwrap_or(0);
    let within = if function.entry { String::new() } else { format!(" in function {}", function.name) };
    let text = format!(
        "{} (kernel {kernel}{within}, block {:?}, thread {:?}, PTX line {line}: {})",
        fault.text,
        position.block,
        position.thread,
        launch.program.line(line)
    );
    Error::new(fault.code, text)
}

/// The frames of all functions that the kernel reaches.
fn templates(launch: &Launch<'_>) -> Vec<Template> {
    let program = launch.program;
    let (offsets, _, _) = program.shared_layout(launch.kernel);
    let mut all: Vec<Template> = program.functions.iter().map(|_| Template::default()).collect();
    for number in program.reachable(launch.kernel) {
        let function = &program.functions[number as usize];
        let template = &mut all[number as usize];
        template.values = vec![0; function.slots as usize];
        for &(slot, fixed) in &function.fixed {
            template.set.push(slot);
            let value = match fixed {
                Fixed::Value(value) => Some(value),
                Fixed::Variable(variable, offset) => {
                    let base = match program.variables[variable as usize].space {
                        Space::Shared => offsets.get(&variable),
                        _ => launch.addresses.get(&variable),
                    };
                    Some(base.copied().unwrap_or(0).wrapping_add(offset as u64))
                }
                Fixed::Special(Special::Threads(axis)) => Some(u64::from(launch.grid.threads[usize::from(axis)])),
                Fixed::Special(Special::Blocks(axis)) => Some(u64::from(launch.grid.blocks[usize::from(axis)])),
                Fixed::Special(Special::DynamicShared) => Some(u64::from(launch.grid.shared)),
                Fixed::Special(_) | Fixed::Local(_) | Fixed::Parameter(_) => None,
            };
            match value {
                Some(value) => template.values[slot as usize] = value,
                None => template.own.push((slot, fixed)),
            }
        }
    }
    all
}
