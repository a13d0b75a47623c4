//! How the work is cut.
//!
//! Every decision is a function of the shape, the formula and the vector width. None looks at the number of threads,
//! so results do not depend on it.

use pulp::Simd;

use crate::{
    cpu::{contract::is_long, kernel::Layout, prepare::CHUNK},
    formula::{Components, Formula},
    problem::{Shape, Signature},
    reduction::{self, Reduction, Total},
};

/// Sources are prepared once for all blocks if that takes at most so many bytes: more go through the second-level cache
/// once for each block anyway. Of a block-sparse pattern a block is small, and its sources may as well be those of the
/// block before.
const PREPARED_BYTES: usize = 16 << 20;
const PREPARED_BYTES_SPARSE: usize = 256 << 20;

/// Problems of fewer pairs run on the calling thread: handing them out would take longer.
const PAIRS_FOR_THREADS: usize = 50_000;

/// Up to how many sources are prepared for scattered pairs in so many ranges.
pub(super) fn sources_for_ranges(ranges: usize) -> usize {
    ranges.saturating_mul(16).saturating_add(1 << 16)
}

/// How much memory prepared sources may take.
pub(super) fn prepared_bytes(sparse: bool) -> usize {
    if sparse { PREPARED_BYTES_SPARSE } else { PREPARED_BYTES }
}

/// What the prepared targets and the states of a block may take: half of a second-level cache.
const BLOCK_BYTES: usize = 256 << 10;

/// What a tile of sources may take, so that it stays in the first-level cache next to what is computed with it.
const SOURCE_TILE_BYTES: usize = 16 << 10;

/// States of more numbers take a while at the end of each run.
const WIDE_STATE: usize = 32;

/// How many sources make a bundle; see [`bundles`].
pub(super) const BUNDLE: usize = 8;

/// The most sources in a run: sums are flushed into their compensated total behind it.
const RUN: usize = 256;

/// The same where nothing is summed. Lists of the smallest values are loaded and stored for each run.
const RUN_COMPARING: usize = 2048;

/// Rows of fewer numbers fit on the stack of any thread, several times and in vectors.
const ON_ANY_STACK: usize = 2048;

/// How many bytes of stack the rows of a kernel need, if these are more than a thread usually has. What a pair touches is on
/// the stack, in vectors of up to 64 bytes: once or twice as optimized code, six times without optimization.
pub(super) fn stack(layout: &Layout) -> Option<usize> {
    const BYTES: usize = 256;
    const LEAST: usize = 2 << 20;
    let Layout { signature: Signature { values, .. }, parameters, target, source, state, locals, .. } = layout;
    // without optimization an array is copied where it is made, and what is computed with it is kept as well
    let locals = locals.saturating_mul(4);
    let numbers =
        [*parameters, *target, *source, *state, *values, locals].into_iter().fold(0_usize, usize::saturating_add);
    (numbers > ON_ANY_STACK).then(|| numbers.saturating_mul(BYTES).saturating_add(LEAST))
}

/// Whether the threads are worth it.
pub(super) fn in_parallel(shape: Shape) -> bool {
    shape.rows().saturating_mul(shape.sources) >= PAIRS_FOR_THREADS
}

/// How many targets make a block, with lanes over targets: a multiple of every number of lanes up to 64.
pub(super) fn block_targets<T>(layout: &Layout, shape: Shape) -> usize {
    const LEAST: usize = 64;
    let bytes = ((layout.target + layout.state) * size_of::<T>()).max(1);
    let wanted = if in_parallel(shape) { shape.targets.div_ceil(128) } else { shape.targets };
    wanted.min(1024).min(BLOCK_BYTES / bytes).next_multiple_of(LEAST).max(LEAST)
}

/// How many blocks run before their totals, of so many numbers each, are added up and let go.
pub(super) fn wave(totals: usize) -> usize {
    const BYTES: usize = 16 << 20;
    (BYTES / (totals * size_of::<Total>()).max(1)).max(64)
}

/// How many sources make a tile, with lanes over targets.
pub(super) fn source_tile<T>(layout: &Layout) -> usize {
    let (bytes, least) = if layout.state > WIDE_STATE {
        // The end of a run costs as much as several sources, each of which is a line of the cache for every 16 FMAs.
        (8 * SOURCE_TILE_BYTES, 48)
    } else if is_long(layout.contractions) {
        // Long contractions go through the sources by chunks of components, of which only one is in use.
        (4 * SOURCE_TILE_BYTES, 48)
    } else {
        (SOURCE_TILE_BYTES, BUNDLE)
    };
    let most = if layout.compares { RUN_COMPARING } else { RUN };
    let sources = (bytes / (layout.source * size_of::<T>()).max(1)).clamp(least, most);
    // Sources that are left over by bundles take longer.
    sources / BUNDLE * BUNDLE
}

/// How many sources a block of targets takes in one unit of work, with lanes over targets: all, unless there are few
/// blocks. A multiple of what is prepared at a time.
pub(super) fn part_sources(shape: Shape, blocks: usize) -> usize {
    const LEAST: usize = 16 * CHUNK;
    const UNITS: usize = 128;
    let parts = (UNITS / blocks.max(1)).max(1).min(shape.sources / LEAST).max(1);
    shape.sources.div_ceil(parts).next_multiple_of(CHUNK)
}

/// How many rows of lanes make a tile, with lanes over sources.
pub(super) fn lane_tile<T>(layout: &Layout, lanes: usize) -> usize {
    (2 * SOURCE_TILE_BYTES / (lanes * layout.source * size_of::<T>()).max(1)).clamp(BUNDLE, RUN) / BUNDLE * BUNDLE
}

/// Whether lanes and threads run over sources: few targets would leave most lanes idle.
pub(super) fn lanes_over_sources<T>(layout: &Layout, shape: Shape) -> bool {
    let Shape { targets, sources, .. } = shape;
    // Joining the states of all lanes and chunks must be worth it.
    let states = targets.saturating_mul(layout.state * size_of::<T>());
    targets <= 32 && sources >= 4096 && sources / 64 >= targets && states <= 64 << 10
}

/// How many sources make a chunk, with lanes over sources: a power of two, so that only the last chunk does not
/// consist of whole rows of lanes.
pub(super) fn chunk_sources(shape: Shape) -> usize {
    (shape.sources / 64).next_power_of_two().clamp(8192, 65536)
}

/// Whether a row of targets takes several sources at a time, because a row of f is too long for registers: its sums are
/// then read and written once for all of these sources.
pub(super) const fn bundles<F: Formula, Red: Reduction>() -> bool {
    reduction::bundles::<F, Red>() && reduction::components::<F>() > 8
}

/// How many vectors make a tile.
///
/// Vectors in step hide the latency of the operations and share broadcasts and constants. Against them speaks what
/// must stay in registers for each of them: the run of the reduction and the contractions. The target itself may be
/// read from the first-level cache. With 32 registers the constants of an exponential stay in registers too if there
/// are only two vectors, which is worth more than sharing the loads, unless the target is long. AVX-512 is faster still
/// with one vector, unless a pair is a few operations beside those of the loop: the processor overlaps the pairs of
/// successive sources by itself. Very long rows are kept to one vector, since copies of them go over the stack.
pub(super) const fn tile_vectors<S: Simd, F: Formula, Red: Reduction>() -> usize {
    let components = reduction::components::<F>();
    let contractions = <F::Contractions<u8> as Components<u8>>::LEN;
    let target = <F::Target<u8> as Components<u8>>::LEN;
    // What a reduction makes of a pair is made of its contractions, and takes their place.
    let pair = if contractions > Red::REGISTERS { contractions } else { Red::REGISTERS };
    let each = pair + Red::REGISTERS_PER_COMPONENT * components;
    let many = S::REGISTER_COUNT >= 32;
    let wide = many && size_of::<S::f32s>() == 64;
    if bundles::<F, Red>()
        || target > 256
        || <F::Source<u8> as Components<u8>>::LEN > 256
        || (wide && target < 16 && !Red::COMPARES)
    {
        1
    } else if 8 * each <= S::REGISTER_COUNT && (!many || target >= 16) {
        4
    } else if 2 * each <= S::REGISTER_COUNT {
        2
    } else {
        1
    }
}
