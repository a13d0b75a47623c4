//! The functions of the CUDA driver, as C calls them.
//!
//! Contract: names, arguments and numbers are those of `cuda.h`; every function returns a `CUresult`. Handles are
//! numbers that are looked up, never addresses, so that a wrong handle is an error and not a crash. `pointer`
//! has the only code that touches memory of the caller.

mod context;
mod event;
mod memory;
mod module;
mod names;
mod pointer;
mod query;
mod state;
mod stream;
mod unsupported;
