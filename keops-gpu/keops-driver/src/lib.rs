//! Internal to the crate `keops`: the functions of the CUDA driver, found when they are first called.
//!
//! `cust` links against the driver, so a program that uses it does not even start on a machine without one. This
//! crate defines every function of the driver that `cust` 0.3.2 calls. The linker takes these; the driver itself is
//! opened when the first of them is called, and each function in it at its own first call. After that a call costs one
//! atomic load more than a call of the driver.
//!
//! - Without a driver `cuInit` returns `CUDA_ERROR_NO_DEVICE`, and every other function `CUDA_ERROR_NOT_INITIALIZED`.
//! - A function that the driver does not have returns `CUDA_ERROR_NOT_FOUND`.
//! - Codes are those of CUDA 11.4, for which `cust` was written: any other code becomes `CUDA_ERROR_UNKNOWN`, because it
//!   would not be a value of `cust`'s enum. [`last_error`] returns the code itself.
//! - `cuGetErrorString` and `cuGetErrorName` have a text for every code, with and without a driver: `cust` panics when
//!   it prints an error that has none.
//!
//! | where | what |
//! |---|---|
//! | `functions` | the functions, and the errors that they return by themselves |
//! | `library` | opens the driver, and finds a function in it |
//! | `codes` | the names of error codes, and the codes that `cust` knows |
//! | `status` | the state of the driver, and the number of its devices |

mod codes;
mod functions;
mod library;
mod status;

pub use codes::name;
pub use functions::last_error;
pub use status::{Status, status};
