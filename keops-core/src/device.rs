//! What the host and the kernels on a GPU agree on: names, memory layout, and how the work is cut.
//!
//! A formula with its reduction becomes two kernels for each element type, `<name>` and `<name>_merge`, and a module
//! has one `keops_total_f32` and one `keops_total_f64`. All numbers in their parameters are little-endian; pointers are
//! device pointers of 8 bytes, aligned like what they point to.
//!
//! ```text
//! <name>(data: *const *const T, units: *const Unit, ranges: *const Range,
//!        values: *mut T, indices: *mut u32, states: *mut T, targets: u32, parts: u32)
//! <name>_merge(states: *const T, values: *mut T, indices: *mut u32, targets: u32, parts: u32)
//! keops_total_<t>(values: *const T, partial: *mut [f64; 2], rows: u32, width: u32)
//! ```
//!
//! - `data` has the pointer of each variable, in the order of [`Formula::VARIABLES`]; its rows follow each other.
//! - Block b of the main kernel, of [`THREADS`] threads, takes unit b: at most [`block_targets`] targets against a list
//!   of ranges of sources. There are as many blocks as units.
//! - With one part, a unit writes the rows of its targets: [`Reduction::values`] numbers of `values` and
//!   [`Reduction::indices`] of `indices` each. With more, unit after unit leaves states: number w of the state of target
//!   t in part p is number (p * words + w) * targets + t of `states`, where words is [`state_words`]. Then the merge
//!   kernel, a thread for each target in blocks of [`THREADS`], joins them in the order of the parts and writes the rows.
//! - The total kernel has [`TOTAL_BLOCKS`] blocks of [`THREADS`] threads. Block b leaves for each of the `width` columns
//!   c of `values` a sum of some of the rows, in two terms, as number b * width + c of `partial`; the host adds them.
//!
//! The dynamic shared memory of a block of the main kernel is [`shared_bytes`]; the others have none.

use crate::{
    components::Components,
    formula::Formula,
    real::Element,
    reduction::{Reduction, components},
};

/// Threads in a block.
pub const THREADS: usize = 128;

/// Blocks of the total kernel.
pub const TOTAL_BLOCKS: usize = 64;

/// Shared memory for the prepared sources of a tile, in bytes: what every device has without asking for more.
const SHARED_BYTES: usize = 16 << 10;

/// The most sources in a tile. Sums are flushed into their compensated total behind it.
const TILE_SOURCES: usize = 128;

/// A unit of work: consecutive targets against a list of ranges of sources.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unit {
    /// The first target.
    pub first_target: u32,
    /// How many targets.
    pub targets: u32,
    /// The first range, as a number in the list of all ranges.
    pub first_range: u32,
    /// How many ranges.
    pub ranges: u32,
    /// Which part of the sources of its targets it is.
    pub part: u32,
}

/// Consecutive sources.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// The first one.
    pub first: u32,
    /// One past the last one.
    pub end: u32,
}

/// How many targets a thread has.
#[must_use]
pub const fn rows_per_thread<T: Element, F: Formula, R: Reduction>() -> usize {
    let words = size_of::<T>() / 4;
    let target = <F::I<u8> as Components<u8>>::LEN;
    let each = target
        + <F::C<u8> as Components<u8>>::LEN
        + R::REGISTERS
        + (2 + R::REGISTERS_PER_COMPONENT) * components::<F>();
    if each * words <= 12 {
        4
    } else if each * words <= 32 {
        2
    } else {
        1
    }
}

/// How many targets a unit has at most.
#[must_use]
pub const fn block_targets<T: Element, F: Formula, R: Reduction>() -> usize {
    THREADS * rows_per_thread::<T, F, R>()
}

/// Numbers from one prepared source to the next in shared memory: a multiple of 16 bytes.
#[must_use]
pub const fn source_stride<T: Element, F: Formula>() -> usize {
    <F::J<u8> as Components<u8>>::LEN.next_multiple_of(16 / size_of::<T>())
}

/// How many sources a tile has.
#[must_use]
pub const fn tile_sources<T: Element, F: Formula>() -> usize {
    let stride = source_stride::<T, F>() * size_of::<T>();
    match SHARED_BYTES.checked_div(stride) {
        Some(0) => 1,
        Some(fit) if fit < TILE_SOURCES => fit,
        _ => TILE_SOURCES,
    }
}

/// The dynamic shared memory of a block, in bytes.
#[must_use]
pub const fn shared_bytes<T: Element, F: Formula>() -> usize {
    tile_sources::<T, F>() * source_stride::<T, F>() * size_of::<T>()
}

/// Numbers in the state of a target.
#[must_use]
pub const fn state_words<T: Element, F: Formula, R: Reduction>() -> usize {
    <R::State<F, T> as Components<T>>::LEN
}
