//! Internal to the crate `keops`: its kernels on NVIDIA GPUs, generic over a formula and a reduction. Changes without notice.
//!
//! A device crate, written by `keops-build`, has the formulas of a user's crate and an entry point for each kernel; the
//! entry points call `pairs`, `merge` and `total`. The contract with the host (names, parameters, memory layout)
//! is the module `launch` of keops-core. On targets other than `nvptx64` this crate has two constants and nothing else.
//!
//! | where | what |
//! |---|---|
//! | `thread` | the numbers of a thread in its grid, and barriers |
//! | `shared` | loads and stores of shared memory |
//! | `fast` | `f32` with the hardware's elementary functions |
//! | `rows` | several targets of a thread as one number |
//! | `pairs` | the main kernel |
//! | `wide` | the loop over pairs for long targets and long rows of f |
//! | `bundle` | the pairs of several sources as one number |
//! | `merge` | joins the states of several parts |
//! | `total` | sums over all targets |
#![no_std]
#![cfg_attr(target_arch = "nvptx64", feature(abi_ptx, stdarch_nvptx, asm_experimental_arch))]

/// The folder of this crate, for the build script that compiles the crate for GPUs.
pub const FOLDER: &str = env!("CARGO_MANIFEST_DIR");

/// The folder of keops-core, for the same build script.
pub const CORE_FOLDER: &str = keops_core::FOLDER;

#[cfg(target_arch = "nvptx64")]
mod bundle;
#[cfg(target_arch = "nvptx64")]
mod fast;
#[cfg(target_arch = "nvptx64")]
mod merge;
#[cfg(target_arch = "nvptx64")]
mod pairs;
#[cfg(target_arch = "nvptx64")]
mod rows;
#[cfg(target_arch = "nvptx64")]
pub mod shared;
#[cfg(target_arch = "nvptx64")]
pub mod thread;
#[cfg(target_arch = "nvptx64")]
mod total;
#[cfg(target_arch = "nvptx64")]
mod wide;

#[cfg(target_arch = "nvptx64")]
pub use fast::Fast;
#[cfg(target_arch = "nvptx64")]
pub use merge::merge;
#[cfg(target_arch = "nvptx64")]
pub use pairs::{Arguments, pairs};
#[cfg(target_arch = "nvptx64")]
pub use rows::Rows;
#[cfg(target_arch = "nvptx64")]
pub use total::total;

/// The items that formulas and entry points name.
#[cfg(target_arch = "nvptx64")]
#[doc(hidden)]
pub mod __private {
    pub use keops_core::{
        formula::{
            Chain, Components, Contraction, Cuda, Differences, Formula, Grid, Index, Item, Row, Scaled, Sink, Variable,
        },
        launch::{Range, Unit, bundle_pairs, group_sources, rows_per_thread},
        number::{Real, ops},
        reduction::{
            ArgKMin, ArgMax, ArgMin, CompensatedMean, CompensatedSum, DirectMean, DirectSum, KMin, KMinArgKMin,
            LogSumExp, LogSumExpSaved, LogSumExps, LogSumExpsSaved, Max, MaxArgMax, MaxSumShiftExp, Mean, Min,
            MinArgMin, Prod, ProdSaved, SoftMaxSaved, Sum, SumSoftMaxWeight, Zero,
        },
    };
}
