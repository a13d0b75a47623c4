//! The CPU engine against plain loops in f64, with formulas written by hand in the form that `keops!` emits.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::needless_borrows_for_generic_args, reason = "references are what is tested")]

mod arguments;
mod contractions;
mod device;
mod errors;
mod exponentials;
mod formulas;
mod harness;
mod min;
mod schemes;
mod sums;
