//! The contract between the host and the kernels on a GPU: names, memory layout, and how the work is cut into units.
//!
//! A formula with its reduction becomes two kernels for each element type, `<name>` and `<name>_merge`; all formulas
//! share `keops_total_f32` and `keops_total_f64`. Each kernel is a separate PTX module. All numbers in their
//! parameters are little-endian; pointers are device pointers of 8 bytes, aligned like what they point to.
//!
//! ```text
//! <name>(data: *const *const T, units: *const Unit, ranges: *const Range,
//!        values: *mut T, indices: *mut u32, states: *mut T, targets: u32, parts: u32)
//! <name>_merge(states: *mut T, values: *mut T, indices: *mut u32, targets: u32, parts: u32, apart: u32)
//! keops_total_<t>(values: *const T, partial: *mut [f64; 2], rows: u32, width: u32)
//! ```
//!
//! - `data` has, for each batch, a pointer to each variable, in the order of [`Formula::VARIABLES`]; the rows of a
//!   variable in a batch follow each other.
//! - Block b of the main kernel, of [`THREADS`] threads, takes unit b: at most [`block_targets`] targets of a batch
//!   against a list of ranges of its sources. There are as many blocks as units. The targets of all batches are rows of
//!   the result; there are `targets` of them.
//! - With one part, a unit writes the rows of its targets: [`Reduction::values`] numbers of `values` and
//!   [`Reduction::indices`] of `indices` each. With more parts, each unit writes states: number w of the state of row
//!   t in part p is number (p * words + w) * targets + t of `states`, where words is [`state_words`]. Then the merge
//!   kernel joins them in the order of the parts, [`MERGED`] at a time: launch after launch, thread g * targets + t takes
//!   the states of row t in the g-th [`MERGED`] of those parts whose numbers are multiples of `apart`, which is 1 at first
//!   and then [`MERGED`] times as large each time. It writes the joined state in the place
//!   of the first one, or the row of the result if this is the last launch. Blocks have [`THREADS`] threads.
//! - The total kernel has [`TOTAL_BLOCKS`] blocks of [`THREADS`] threads. Block b writes, for each of the `width` columns
//!   c of `values`, the sum of some of the rows, in two terms, as number b * width + c of `partial`; the host adds these.
//!
//! The dynamic shared memory of a block of the main kernel is [`shared_bytes`]; the others have none.

use crate::{
    formula::{Components, Formula},
    number::Scalar,
    reduction::{Reduction, bundles, components},
};

/// Threads in a block.
pub const THREADS: usize = 128;

/// How many states a thread of the merge kernel joins.
pub const MERGED: usize = 64;

/// Blocks of the total kernel.
pub const TOTAL_BLOCKS: usize = 64;

/// Shared memory for the prepared sources of a tile, in bytes: little enough that several blocks have room on a
/// multiprocessor.
const SHARED_BYTES: usize = 16 << 10;

/// The shared memory that a block has on every device without asking for more, in bytes.
pub(crate) const MOST_SHARED_BYTES: usize = 48 << 10;

/// The most sources in a tile. Sums are flushed into their compensated total after each tile.
const TILE_SOURCES: usize = 256;

/// A unit of work: consecutive targets against a list of ranges of sources.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unit {
    /// The first target of the unit, in its batch.
    pub first_target: u32,
    /// How many targets.
    pub targets: u32,
    /// The first range, as a number in the list of all ranges.
    pub first_range: u32,
    /// How many ranges.
    pub ranges: u32,
    /// The number of the part of the sources that the unit has.
    pub part: u32,
    /// The row of the result of the first target.
    pub first_row: u32,
    /// The number, in `data`, of the pointer to the first variable of the batch.
    pub data: u32,
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

/// The local memory that a thread can have is 512 KiB, by the CUDA Programming Guide's table of compute capabilities;
/// some of them are reserved for what else a kernel needs.
pub const MOST_LOCAL_BYTES: usize = (512 << 10) - 4096;

/// The most bytes of a prepared target that stays in registers.
const LONG_TARGET_BYTES: usize = 128;

/// The fewest components of a contraction that is worth the detour of its results through local memory.
const LONG_CONTRACTION: usize = 16;

/// The most contractions of a formula that are written out one by one for groups of sources.
pub const MOST_CONTRACTIONS: usize = 4;

/// The most sources of a group.
pub const MOST_GROUP_SOURCES: usize = 16;

/// The registers of a thread that hold the contractions of its targets with a group of sources, at most, in bytes: with
/// what else the loop needs a thread has fewer than 128 registers, so that a multiprocessor has room for four blocks.
const CONTRACTED_BYTES: usize = 192;

/// The local memory that the targets and states of a thread take at most, in bytes; a thread has fewer targets where
/// they would take more. The driver reserves local memory for as many threads as the whole device can have.
const LOCAL_BYTES: usize = 16 << 10;

/// The most components of f that a thread with four long targets keeps in registers beside their contractions.
const SHORT_RESULT: usize = 4;

/// The most bytes of a row of f that stays in registers.
const LONG_RESULT_BYTES: usize = 128;

/// The registers of a thread that hold one number for each pair of its targets with the sources of a bundle, at most,
/// in bytes.
const BUNDLE_BYTES: usize = 64;

/// The most sources of a bundle.
const MOST_BUNDLE_SOURCES: usize = 8;

/// Whether the rest of the formula is computed for a bundle of sources at a time, because a row of f is too long for
/// registers: then it is read and written once for all of them.
const fn is_bundled<T: Scalar, F: Formula, R: Reduction>() -> bool {
    bundles::<F, R>() && components::<F>() * size_of::<T>() > LONG_RESULT_BYTES
}

/// Whether the main kernel takes groups of sources, and goes through contractions by chunks of components: prepared
/// targets are too long for registers, and contractions are most of the work; or rows of f are too long.
const fn is_wide<T: Scalar, F: Formula, R: Reduction>() -> bool {
    let (mut longest, mut k) = (0, 0);
    while k < F::CONTRACTIONS.len() {
        if F::CONTRACTIONS[k].len > longest {
            longest = F::CONTRACTIONS[k].len;
        }
        k += 1;
    }
    let is_long =
        <F::Target<u8> as Components<u8>>::LEN * size_of::<T>() > LONG_TARGET_BYTES && longest >= LONG_CONTRACTION;
    (is_long || is_bundled::<T, F, R>())
        && F::CONTRACTIONS.len() <= MOST_CONTRACTIONS
        && 2 * source_bytes::<T, F>() <= MOST_SHARED_BYTES
}

/// How many targets a thread has.
#[must_use]
pub const fn rows_per_thread<T: Scalar, F: Formula, R: Reduction>() -> usize {
    let target = <F::Target<u8> as Components<u8>>::LEN;
    if is_wide::<T, F, R>() {
        // What is read of a source serves all targets of the thread, and one load of 16 bytes reads a component of all
        // of them.
        let most = 16 / size_of::<T>();
        let local = (target + state_words::<T, F, R>()) * size_of::<T>();
        return if most * local <= LOCAL_BYTES && components::<F>() <= SHORT_RESULT {
            most
        } else if 2 * local <= LOCAL_BYTES {
            2
        } else {
            1
        };
    }
    let words = size_of::<T>() / 4;
    let each = numbers_per_target::<F, R>();
    // In f64 there is more room: the unit for f64 is slower, so fewer operations are in flight at a time.
    if each * words <= (if words == 2 { 16 } else { 12 }) {
        4
    } else if each * words <= 32 {
        2
    } else {
        1
    }
}

/// How many sources make a group: the contractions of a thread's targets with a group are computed together, so that
/// the targets are read once for all of these sources. 1 if a thread goes pair by pair.
#[must_use]
pub const fn group_sources<T: Scalar, F: Formula, R: Reduction>() -> usize {
    if !is_wide::<T, F, R>() {
        return 1;
    }
    let group = sources_that_fit::<T, F, R>(CONTRACTED_BYTES, MOST_GROUP_SOURCES);
    let bundle = bundle_sources::<T, F, R>();
    if bundle < group { group / bundle * bundle } else { group }
}

/// How many sources make a bundle, for which a thread computes the rest of the formula in step; 1 if a thread goes pair
/// by pair.
const fn bundle_sources<T: Scalar, F: Formula, R: Reduction>() -> usize {
    if !is_wide::<T, F, R>() || !is_bundled::<T, F, R>() {
        return 1;
    }
    sources_that_fit::<T, F, R>(BUNDLE_BYTES, MOST_BUNDLE_SOURCES)
}

/// How many sources fit into shared memory, such that one number for each of their pairs with the targets of a thread
/// fits into `registers` bytes of registers; at most `most`.
const fn sources_that_fit<T: Scalar, F: Formula, R: Reduction>(registers: usize, most: usize) -> usize {
    let mut fit = registers / (rows_per_thread::<T, F, R>() * size_of::<T>());
    if fit > most {
        fit = most;
    }
    match MOST_SHARED_BYTES.checked_div(source_bytes::<T, F>()) {
        Some(room) if room < fit => room,
        _ => fit,
    }
}

/// Pairs that one thread evaluates per bundle: the sources of a bundle times [`rows_per_thread`].
#[must_use]
pub const fn bundle_pairs<T: Scalar, F: Formula, R: Reduction>() -> usize {
    bundle_sources::<T, F, R>() * rows_per_thread::<T, F, R>()
}

/// The most registers that a thread of the main kernel may have; 0 if the assembler decides.
///
/// A kernel with [`Formula::SCALED`] has its loop twice, for scaled coordinates and for the other ones, and the
/// assembler gives the second loop more registers than the first one needs. 64 registers leave room for eight blocks on
/// a multiprocessor. With 48 registers there is room for ten, but then the loads and exponentials of a source cannot
/// begin before the loads and exponentials of the previous source end, which is slower on an H200.
#[must_use]
pub const fn most_registers<T: Scalar, F: Formula, R: Reduction>() -> u32 {
    let is_sum = R::HANDS_NAN_ON && R::REGISTERS == 0;
    if F::SCALED.is_some() && is_sum && size_of::<T>() == 4 && numbers_per_target::<F, R>() <= 7 { 64 } else { 0 }
}

/// How many numbers a thread holds in registers for each of its targets.
const fn numbers_per_target<F: Formula, R: Reduction>() -> usize {
    <F::Target<u8> as Components<u8>>::LEN
        + <F::Contractions<u8> as Components<u8>>::LEN
        + R::REGISTERS
        + (2 + R::REGISTERS_PER_COMPONENT) * components::<F>()
}

/// How the kernels of a formula with its reduction are launched, for an element type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Numbers in the state of a target.
    pub state_words: usize,
    /// How many targets a block has at most.
    pub block_targets: usize,
    /// How many sources a tile has.
    pub tile_sources: usize,
    /// The dynamic shared memory of a block of the main kernel, in bytes.
    pub shared_bytes: usize,
    /// The bytes that a thread of the main kernel needs for its targets: where they do not fit into registers, local
    /// memory of that size.
    pub local_bytes: usize,
}

impl Sizes {
    /// How the kernels of `F` and `R` are launched.
    #[must_use]
    pub const fn of<T: Scalar, F: Formula, R: Reduction>() -> Self {
        Self {
            state_words: state_words::<T, F, R>(),
            block_targets: block_targets::<T, F, R>(),
            tile_sources: tile_sources::<T, F, R>(),
            shared_bytes: shared_bytes::<T, F, R>(),
            local_bytes: local_bytes::<T, F, R>(),
        }
    }
}

/// How many targets a unit has at most.
#[must_use]
pub const fn block_targets<T: Scalar, F: Formula, R: Reduction>() -> usize {
    THREADS * rows_per_thread::<T, F, R>()
}

/// How many numbers lie between the beginnings of two prepared sources in shared memory: a multiple of 16 bytes.
#[must_use]
pub const fn source_stride<T: Scalar, F: Formula>() -> usize {
    <F::Source<u8> as Components<u8>>::LEN.next_multiple_of(16 / size_of::<T>())
}

/// How many bytes lie between the beginnings of two prepared sources in shared memory.
const fn source_bytes<T: Scalar, F: Formula>() -> usize {
    source_stride::<T, F>() * size_of::<T>()
}

/// How many sources a tile has: a multiple of [`group_sources`].
#[must_use]
pub const fn tile_sources<T: Scalar, F: Formula, R: Reduction>() -> usize {
    let group = group_sources::<T, F, R>();
    match SHARED_BYTES.checked_div(source_bytes::<T, F>()) {
        Some(fit) if fit < group => group,
        Some(fit) if fit < TILE_SOURCES => fit / group * group,
        _ => TILE_SOURCES / group * group,
    }
}

/// The dynamic shared memory of a block, in bytes. It has room for one source at least, which may be more than any
/// device has.
#[must_use]
pub const fn shared_bytes<T: Scalar, F: Formula, R: Reduction>() -> usize {
    tile_sources::<T, F, R>() * source_bytes::<T, F>()
}

/// The bytes that a thread of the main kernel needs for its targets, all of which are in local memory where they are
/// too many for registers. A thread can have no more than [`MOST_LOCAL_BYTES`], whatever the memory of the device.
#[must_use]
pub const fn local_bytes<T: Scalar, F: Formula, R: Reduction>() -> usize {
    let numbers = <F::Target<u8> as Components<u8>>::LEN + state_words::<T, F, R>();
    rows_per_thread::<T, F, R>() * (numbers * size_of::<T>() + size_of::<R::Run<F, T>>())
}

/// Numbers in the state of a target.
#[must_use]
pub const fn state_words<T: Scalar, F: Formula, R: Reduction>() -> usize {
    <R::State<F, T> as Components<T>>::LEN
}
