//! How the work is cut into the blocks of the main kernel: pure functions of its shape and the device.
//!
//! A unit is a block of targets against a range of sources. Blocks of targets alone make enough units for large
//! results. For few targets the sources are split into parts too, whose states the merge kernel joins: so many that
//! there are some blocks for each multiprocessor, but none so short that reading targets and writing states would be
//! most of its work.
//!
//! A result depends on how its sources are split, in the last digits: so on the device, and on the free memory if there
//! is little.

use keops_core::{
    cpu::Shape,
    device::{Range, Unit},
};

/// Blocks that keep a multiprocessor busy while others of them wait for memory or end early.
const BLOCKS_PER_MULTIPROCESSOR: usize = 4;

/// The fewest tiles of sources in a part, unless there is only one part.
const LEAST_TILES: usize = 4;

/// The most parts: each adds a state for every target.
const MOST_PARTS: usize = 64;

/// The most blocks of a launch.
pub(crate) const MOST_BLOCKS: usize = (1 << 31) - 1;

/// What the cut depends on, besides the shape.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// The most targets in a unit.
    pub(crate) block_targets: usize,
    /// Sources in a tile.
    pub(crate) tile_sources: usize,
    /// Bytes of the state of a target.
    pub(crate) state_bytes: usize,
    /// Multiprocessors of the device.
    pub(crate) multiprocessors: usize,
    /// What all states may take, in bytes.
    pub(crate) memory: usize,
}

/// How many blocks of targets there are.
fn blocks(shape: Shape, sizes: &Sizes) -> usize {
    shape.targets.div_ceil(sizes.block_targets.max(1))
}

/// Into how many parts the sources are split.
pub(crate) fn parts(shape: Shape, sizes: &Sizes) -> usize {
    let blocks = blocks(shape, sizes).max(1);
    let wanted = sizes.multiprocessors.saturating_mul(BLOCKS_PER_MULTIPROCESSOR).div_ceil(blocks).min(MOST_PARTS);
    let by_sources = shape.sources / (LEAST_TILES * sizes.tile_sources.max(1));
    let states = shape.targets.saturating_mul(sizes.state_bytes).max(1);
    wanted.next_power_of_two().min(by_sources).min(sizes.memory / states).max(1)
}

/// Units, and the ranges that they point to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) units: Vec<Unit>,
    pub(crate) ranges: Vec<Range>,
}

/// The numbers of units and ranges that [`cut`] makes for so many parts.
pub(crate) fn counts(shape: Shape, sizes: &Sizes, parts: usize) -> (usize, usize) {
    let ranges = if shape.sources == 0 { 0 } else { parts };
    (blocks(shape, sizes).saturating_mul(parts), ranges)
}

/// Cuts the work. All units of a part follow each other, so that blocks that run at the same time read the same
/// sources. `None` if there are more than a launch can have, or rows that no `u32` can count.
pub(crate) fn cut(shape: Shape, sizes: &Sizes, parts: usize) -> Option<Cut> {
    let (units, ranges) = counts(shape, sizes, parts);
    if units > MOST_BLOCKS {
        return None;
    }
    let (targets, sources) = (u32::try_from(shape.targets).ok()?, u32::try_from(shape.sources).ok()?);
    let step = u32::try_from(sizes.block_targets.max(1)).ok()?;
    let mut cut = Cut { units: Vec::with_capacity(units), ranges: Vec::with_capacity(ranges) };
    for part in 0..u32::try_from(parts).ok()? {
        let first_range = u32::try_from(cut.ranges.len()).ok()?;
        if sources > 0 {
            cut.ranges.push(range(sources, sizes.tile_sources, part, parts)?);
        }
        let ranges = u32::try_from(cut.ranges.len()).ok()? - first_range;
        let mut first_target = 0;
        while first_target < targets {
            let count = step.min(targets - first_target);
            cut.units.push(Unit { first_target, targets: count, first_range, ranges, part });
            first_target += count;
        }
    }
    Some(cut)
}

/// The sources of a part: whole tiles, evenly shared; the last part has the incomplete one too.
fn range(sources: u32, tile: usize, part: u32, parts: usize) -> Option<Range> {
    let (tile, parts) = (u64::try_from(tile.max(1)).ok()?, u64::try_from(parts).ok()?);
    let tiles = u64::from(sources) / tile;
    let start = |part: u64| u32::try_from(tiles * part / parts * tile).ok();
    let part = u64::from(part);
    let end = if part + 1 == parts { sources } else { start(part + 1)? };
    Some(Range { first: start(part)?, end })
}

#[cfg(test)]
mod tests {
    use super::*;

    const H200: Sizes =
        Sizes { block_targets: 512, tile_sources: 128, state_bytes: 8, multiprocessors: 132, memory: 1 << 30 };

    fn shape(targets: usize, sources: usize) -> Shape {
        Shape { targets, sources }
    }

    #[test]
    fn every_pair_is_covered_once() {
        for (targets, sources) in
            [(1, 1), (1, 5000), (7, 0), (130, 127), (128, 129), (257, 4099), (3, 512), (600, 1025)]
        {
            for (block_targets, tile_sources) in [(128, 128), (512, 1), (128, 3), (256, 100)] {
                for multiprocessors in [1, 3, 132] {
                    let sizes = Sizes { block_targets, tile_sources, multiprocessors, ..H200 };
                    let shape = shape(targets, sources);
                    let parts = parts(shape, &sizes);
                    let cut = cut(shape, &sizes, parts).expect("it is small");
                    let mut seen = vec![0_u8; targets * sources];
                    let mut parts_of = vec![0; targets];
                    for unit in &cut.units {
                        assert!(unit.targets >= 1 && unit.targets as usize <= block_targets);
                        for target in unit.first_target..unit.first_target + unit.targets {
                            assert_eq!(parts_of[target as usize], unit.part, "parts of a target, in ascending order");
                            parts_of[target as usize] += 1;
                            for range in &cut.ranges[unit.first_range as usize..][..unit.ranges as usize] {
                                for source in range.first..range.end {
                                    seen[target as usize * sources + source as usize] += 1;
                                }
                            }
                        }
                    }
                    assert!(parts_of.iter().all(|&count| count as usize == parts), "every part has every target");
                    assert!(seen.iter().all(|&count| count == 1), "{shape:?} {sizes:?}");
                    assert_eq!((cut.units.len(), cut.ranges.len()), counts(shape, &sizes, parts));
                }
            }
        }
    }

    #[test]
    fn parts_are_as_many_as_help() {
        assert_eq!(parts(shape(1_000_000, 1_000_000), &H200), 1, "targets alone make enough blocks");
        assert_eq!(parts(shape(1, 1_000_000), &H200), MOST_PARTS);
        assert_eq!(parts(shape(10_000, 10_000), &H200), 10_000 / (4 * 128), "no part is too short");
        assert_eq!(parts(shape(100_000, 100_000), &H200), 4, "196 blocks of targets, 528 wanted");
        assert_eq!(parts(shape(1, 511), &H200), 1);
        assert_eq!(parts(shape(1, 0), &H200), 1);
        assert_eq!(parts(shape(1, 1_000_000), &Sizes { multiprocessors: 0, ..H200 }), 1);
    }

    #[test]
    fn states_fit_into_memory() {
        let sizes = |memory| Sizes { memory, ..H200 };
        assert_eq!(parts(shape(1000, 1_000_000), &sizes(5 * 8000)), 5);
        assert_eq!(parts(shape(1000, 1_000_000), &sizes(7999)), 1);
        assert_eq!(parts(shape(1000, 1_000_000), &Sizes { state_bytes: usize::MAX, ..H200 }), 1);
        assert_eq!(parts(shape(1000, 1_000_000), &Sizes { state_bytes: 0, ..H200 }), MOST_PARTS);
    }

    #[test]
    fn no_part_is_short() {
        for sources in [512, 1024, 1025, 5000, 12_345, 100_001] {
            let shape = shape(1, sources);
            let parts = parts(shape, &H200);
            let cut = cut(shape, &H200, parts).expect("it is small");
            let lengths: Vec<_> = cut.ranges.iter().map(|range| range.end - range.first).collect();
            assert!(lengths.iter().all(|&length| length >= 4 * 128), "{sources}: {lengths:?}");
            assert!(lengths.iter().max().zip(lengths.iter().min()).is_some_and(|(most, least)| most - least < 2 * 128));
            assert!(cut.ranges.iter().all(|range| range.first % 128 == 0));
        }
    }

    #[test]
    fn what_cannot_be_launched_is_refused() {
        assert_eq!(cut(shape(1 << 33, 1), &H200, 1), None);
        let most = u32::MAX as usize - 1;
        assert_eq!(cut(shape(most, most), &Sizes { block_targets: 1, ..H200 }, 1), None);
        assert!(cut(shape(5, most), &Sizes { block_targets: 0, tile_sources: 0, ..H200 }, 3).is_some());
    }
}
