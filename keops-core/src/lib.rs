//! What the kernels made by `keops!` run on.
//!
//! The base ([`number`], [`formula`], [`reduction`], [`launch`]) is `no_std` and shared by the host and the GPU. With the feature `std` (on by default) come the
//! lanes and the CPU engine. Users reach all of this through the crate `keops`.
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
pub mod call;
#[cfg(feature = "std")]
pub mod cluster;
#[cfg(feature = "std")]
pub mod cpu;
#[cfg(feature = "std")]
pub mod data;
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
