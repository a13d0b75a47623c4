//! Internal to the tests of `keops`: an emulation of NVIDIA's driver library, which interprets PTX on the CPU.
//!
//! Contract: the dynamic library, found under the name `libcuda.so.1`, has the functions of the CUDA driver that the
//! crate `cust` calls. It holds the memory of one or more devices ("keops emulator", compute capability 9.0), reads PTX
//! text and runs kernels as a device would, with checks that no device makes: accesses out of bounds or after a free,
//! shared memory that is read before it is written, data races in shared memory, barriers that not all threads reach.
//! All work is done when a call returns.
//!
//! Rust code can use [`Device`] without going through the C functions.
//!
//! Environment variables: `KEOPS_EMULATOR_DEVICES` (number of devices, 1), `KEOPS_EMULATOR_MEMORY` (bytes of each,
//! 64 GiB), `KEOPS_EMULATOR_STEPS` (instructions that a launch may run, 4e9), `KEOPS_EMULATOR_STRICT_REGISTERS=1`
//! (reading a register that was never written is a fault), `KEOPS_EMULATOR_FORGIVE=1` (calls after a fault work),
//! `KEOPS_EMULATOR_LAUNCHES` (a file to which the name of each kernel is added when it has first run).

mod device;
mod driver;
mod error;
mod execute;
mod machine;
mod memory;
mod parse;
mod program;
mod shared;
mod thread;

pub use device::{Device, Kernel, Module, Needs, Options};
pub use error::{Error, code};
pub use machine::Grid;
