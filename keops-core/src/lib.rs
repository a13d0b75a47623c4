//! Internal to the crate `keops`, and changes without notice: what the kernels made by `keops!` run on.
//!
//! The modules are floors: each imports only from those that stand above it in this list. The first four are `no_std` and
//! shared by the host and the GPU; the others come with the feature `std`, on by default.
//!
//! | where | what |
//! |---|---|
//! | [`number`] | numbers, and what is computed with them |
//! | [`formula`] | what `keops!` makes of a formula |
//! | [`reduction`] | how the terms of a target become its result |
//! | [`launch`] | what the host and the kernels on a GPU agree on |
//! | `bounds`, `lanes`, `tree` | bounds of formulas on boxes; tiles of SIMD vectors; points in k-d order |
//! | `data` | what goes into calls and comes out of them |
//! | `arguments` | what may become an argument |
//! | `problem` | a checked call, which every engine takes |
//! | `cpu` | the CPU engine |
//! | `call` | passes over the pairs, and the choice of an engine |
//! | `cluster`, `operator` | clusters of points; a linear sum as a matrix |
//! | `solve` | equations |
//! | `interfaces` | other crates' types |
#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(target_arch = "nvptx64", feature(core_intrinsics), allow(internal_features))]

/// Where the sources of this crate are, for the build script that compiles it for GPUs.
#[doc(hidden)]
pub const FOLDER: &str = env!("CARGO_MANIFEST_DIR");

pub mod formula;
pub mod launch;
pub mod number;
pub mod reduction;

#[cfg(feature = "std")]
pub mod arguments;
#[cfg(feature = "std")]
pub mod bounds;
#[cfg(feature = "std")]
pub mod call;
#[cfg(feature = "std")]
pub mod cluster;
#[cfg(feature = "std")]
pub mod cpu;
#[cfg(feature = "std")]
pub mod data;
#[cfg(feature = "std")]
pub mod far;
#[cfg(feature = "std")]
pub mod interfaces;
#[cfg(feature = "std")]
pub mod lanes;
#[cfg(feature = "std")]
pub mod operator;
#[cfg(feature = "std")]
pub mod problem;
#[cfg(feature = "std")]
pub mod solve;
#[cfg(feature = "std")]
pub mod tree;
