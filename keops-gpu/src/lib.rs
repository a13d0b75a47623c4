//! The CUDA engine of `keops`. It is not built yet.
//!
//! This crate holds its place in the workspace, so that the facade's dependencies do not change when
//! the engine arrives. It exports nothing: a call that asks for `Device::Cuda(n)` gets an error from
//! `keops-core`, and `Device::Auto` takes the CPU.
#![no_std]
