//! How the work is cut.
//!
//! Every decision is a function of the shape, the formula and the vector width. None looks at the number of threads,
//! so results do not depend on it.

use pulp::Simd;

use crate::{
    cpu::{contract::is_long, groups::Groups, kernel::Layout, prepare::CHUNK},
    formula::{Components, Formula, Role, width},
    problem::{Shape, Signature},
    reduction::{self, Reduction, Total},
    tree::LEAF,
};

/// The most bytes of prepared sources that are kept for all blocks: more of them would go through the second-level
/// cache once for each block anyway. With a block-sparse pattern a block is small, and often has the sources of the
/// block before, so more are kept.
const PREPARED_BYTES: usize = 16 << 20;
const PREPARED_BYTES_SPARSE: usize = 256 << 20;

/// The fewest pairs of a problem that runs on several threads: for fewer, handing the units out would take longer.
const PAIRS_FOR_THREADS: usize = 50_000;

/// The fewest pairs of a problem that is searched best first: with fewer, trying it takes longer than it may gain.
pub(super) const PAIRS_FOR_SEARCH: usize = 1 << 28;

/// The most sources that are all prepared for scattered pairs, given the number of ranges.
pub(super) fn sources_for_ranges(ranges: usize) -> usize {
    ranges.saturating_mul(16).saturating_add(1 << 16)
}

/// The most bytes of prepared sources that are kept.
pub(super) fn prepared_bytes(sparse: bool) -> usize {
    if sparse { PREPARED_BYTES_SPARSE } else { PREPARED_BYTES }
}

/// The most bytes of the prepared targets and states of a block: half of a second-level cache.
const BLOCK_BYTES: usize = 256 << 10;

/// The bytes of a tile of sources, which stays in the first-level cache beside the numbers that are computed with it.
const SOURCE_TILE_BYTES: usize = 16 << 10;

/// The most numbers of a state whose flush at the end of a run takes little time.
const WIDE_STATE: usize = 32;

/// How many sources make a bundle; see [`bundles`].
pub(super) const BUNDLE: usize = 8;

/// The most sources in a run, after which sums are flushed into their compensated total.
const RUN: usize = 256;

/// The most sources in a run where values are only compared. It is longer, because lists of the smallest values are
/// loaded and stored for each run.
const RUN_COMPARING: usize = 2048;

/// The most numbers of all rows of a kernel that fit on the stack of any thread, several times and as vectors.
const ON_ANY_STACK: usize = 2048;

/// The bytes of stack that the rows of a kernel need, if these are more than a thread usually has. All numbers of a
/// pair are on the stack, as vectors of up to 64 bytes: once or twice in optimized code, six times without
/// optimization.
pub(super) fn stack(layout: &Layout) -> Option<usize> {
    const BYTES: usize = 256;
    const LEAST: usize = 2 << 20;
    let Layout { signature: Signature { values, .. }, parameters, target, source, state, locals, .. } = layout;
    // Without optimization an array is copied where it is made, and intermediate results are on the stack as well.
    let locals = locals.saturating_mul(4);
    let numbers =
        [*parameters, *target, *source, *state, *values, locals].into_iter().fold(0_usize, usize::saturating_add);
    (numbers > ON_ANY_STACK).then(|| numbers.saturating_mul(BYTES).saturating_add(LEAST))
}

/// Whether a call of this shape runs on several threads.
pub(super) fn in_parallel(shape: Shape) -> bool {
    shape.rows().saturating_mul(shape.sources) >= PAIRS_FOR_THREADS
}

/// Whether targets and sources have coordinates, and so boxes.
pub(super) fn has_boxes(layout: &Layout, shape: Shape) -> bool {
    coordinates(layout).iter().all(|&count| count > 0) && shape.sources > 0
}

/// Whether best first may pay for a call of this shape, if its bounds are good.
pub(super) fn may_search(layout: &Layout, shape: Shape) -> bool {
    /// With fewer targets, a source is sorted no faster than it meets all of them.
    const TARGETS: usize = 4096;
    let Shape { targets, sources, .. } = shape;
    has_boxes(layout, shape)
        && has_small_boxes(layout)
        && targets >= TARGETS
        && sources >= 4096
        && targets.saturating_mul(sources) >= PAIRS_FOR_SEARCH
}

/// Whether best first may pay for sources of several variables, one of which lends its order: all of their rows are put in
/// this order, but not sorted.
pub(super) fn may_search_sorted(shape: Shape) -> bool {
    shape.targets >= 512 && shape.sources >= 4096 && shape.targets.saturating_mul(shape.sources) >= PAIRS_FOR_SEARCH / 4
}

/// The fewest sources that keep their tree for which a few rows are searched best first: of fewer, each row meets most.
pub(super) const SORTED: usize = 16 * LEAF;

/// The fewest targets that meet the same ranges, and the fewest sources in these, for which best first may pay.
pub(super) const GROUP: [usize; 2] = [LEAF, 4096];

/// Whether a sum within a tolerance may be faster than all pairs: with fewer, finding out takes too long.
pub(super) fn may_approximate(shape: Shape) -> bool {
    const PAIRS: usize = 1 << 24;
    shape.targets >= 256 && shape.sources >= 256 && shape.targets.saturating_mul(shape.sources) >= PAIRS
}

/// Whether best first may pay for groups of targets, as [`may_search`] says of one group.
pub(super) fn may_search_groups(groups: &Groups) -> bool {
    /// The fewest pairs for each row that is sorted.
    const PAIRS: usize = 4096;
    /// The fewest sources of a part on average: each part has some that are close to a target, so that of many short ones more is
    /// met than of a long one.
    const SOURCES: usize = 64 * LEAF;
    let Groups { targets, sources, parts, .. } = groups;
    let pairs = groups.pairs();
    pairs >= PAIRS_FOR_SEARCH
        && pairs / (targets.len() + sources.len()) >= PAIRS
        && sources.len() / parts.len() >= SOURCES
}

/// Whether boxes of so many coordinates may be small.
pub(super) fn has_small_boxes(layout: &Layout) -> bool {
    /// With many coordinates, boxes of points that are not on a surface of few dimensions are as large as all of them. Up to this
    /// number, finding that out takes a small part of the time of all pairs.
    const COORDINATES: usize = 64;
    coordinates(layout).iter().all(|&count| count <= COORDINATES)
}

/// The numbers of all variables of a target, and those of a source.
fn coordinates(layout: &Layout) -> [usize; 2] {
    [Role::Target, Role::Source].map(|role| width(layout.signature.variables, role))
}

/// How many targets make a leaf: as many as have a box in which there are the sources of some eight leaves.
pub(super) fn leaf_targets(targets: usize, sources: usize) -> usize {
    (targets.saturating_mul(8 * LEAF) / sources.max(1)).clamp(1, LEAF)
}

/// Whether best first is tried on a sample before all rows are sorted, which would take too long if it does not pay.
pub(super) fn tries_sample(pairs: usize, rows: usize) -> bool {
    pairs / rows.max(1) < 40_000
}

/// How many targets make a block, with lanes over targets: a multiple of every number of lanes up to 64.
pub(super) fn block_targets<T>(layout: &Layout, shape: Shape) -> usize {
    const LEAST: usize = 64;
    let bytes = ((layout.target + layout.state) * size_of::<T>()).max(1);
    let wanted = if in_parallel(shape) { shape.targets.div_ceil(128) } else { shape.targets };
    wanted.min(1024).min(BLOCK_BYTES / bytes).next_multiple_of(LEAST).max(LEAST)
}

/// The most targets of a block whose pairs are listed, which may be all: a multiple of every number of lanes up to 64.
pub(super) fn listing_targets(shape: Shape) -> usize {
    const LEAST: usize = 64;
    const PAIRS: usize = 1 << 26;
    (PAIRS / shape.sources.max(1)).max(LEAST) / LEAST * LEAST
}

/// How many blocks run before their totals, of `totals` numbers each, are added up and freed.
pub(super) fn wave(totals: usize) -> usize {
    const BYTES: usize = 16 << 20;
    (BYTES / (totals * size_of::<Total>()).max(1)).max(64)
}

/// How many sources make a tile, with lanes over targets.
pub(super) fn source_tile<T>(layout: &Layout) -> usize {
    let (bytes, least) = if layout.state > WIDE_STATE {
        // The end of a run takes as long as several sources, so tiles are larger. They are read from the second-level
        // cache, one line for every 16 FMAs.
        (8 * SOURCE_TILE_BYTES, 48)
    } else if is_long(layout.contractions) {
        // Long contractions go through the sources by chunks of components, of which only one is in use.
        (4 * SOURCE_TILE_BYTES, 48)
    } else {
        (SOURCE_TILE_BYTES, BUNDLE)
    };
    let most = if layout.compares { RUN_COMPARING } else { RUN };
    let sources = (bytes / (layout.source * size_of::<T>()).max(1)).clamp(least, most);
    // A multiple of a bundle, since sources that do not fill a bundle take longer.
    sources / BUNDLE * BUNDLE
}

/// How many sources a unit of work has, with lanes over targets: all of them, unless there are few blocks of targets. A
/// multiple of the number of sources that are prepared at a time.
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

/// Whether lanes and threads run over sources: where there are few targets, most lanes over targets would be idle.
pub(super) fn lanes_over_sources<T>(layout: &Layout, shape: Shape) -> bool {
    let Shape { targets, sources, .. } = shape;
    // There must be so many sources that merging the states of all lanes and chunks takes little of the time.
    let states = targets.saturating_mul(layout.state * size_of::<T>());
    targets <= 32 && sources >= 4096 && sources / 64 >= targets && states <= 64 << 10
}

/// How many sources make a chunk, with lanes over sources: a power of two, so that only the last chunk does not
/// consist of whole rows of lanes.
pub(super) fn chunk_sources(shape: Shape) -> usize {
    (shape.sources / 64).next_power_of_two().clamp(8192, 65536)
}

/// Whether the pairs of a row of targets go in bundles of [`BUNDLE`] sources, because a row of f is too long for
/// registers: its sums are then read and written once for each bundle.
pub(super) const fn bundles<F: Formula, Red: Reduction>() -> bool {
    reduction::bundles::<F, Red>() && reduction::components::<F>() > 8
}

/// How many vectors make a tile.
///
/// Vectors in step hide the latency of the operations and share broadcasts and constants. But each vector takes
/// registers: for the run of the reduction and the contractions. The target itself may be read from the first-level
/// cache. With 32 registers the constants of an exponential stay in registers too if there are only two vectors, which
/// is worth more than sharing the loads, unless the target is long. AVX-512 is faster still with one vector, unless a
/// pair takes few operations beside the overhead of the loop: the processor overlaps the pairs of successive sources by
/// itself. Very long rows are kept to one vector, since copies of them go over the stack.
pub(super) const fn tile_vectors<S: Simd, F: Formula, Red: Reduction>() -> usize {
    let components = reduction::components::<F>();
    let contractions = <F::Contractions<u8> as Components<u8>>::LEN;
    let target = <F::Target<u8> as Components<u8>>::LEN;
    // The contractions of a pair and the numbers that the reduction makes of them are not needed at the same time, and
    // share registers.
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
