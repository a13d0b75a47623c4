//! How the work is cut into the blocks of the main kernel: pure functions of its shape and the device.
//!
//! A unit is a block of targets against a range of sources. Blocks of targets alone make enough units for large
//! results. For few targets the sources are split into parts too, whose states the merge kernel joins. There are as many parts
//! as give each multiprocessor several blocks, but none is so short that reading targets and writing states would be most of its
//! work.
//!
//! Each batch has units of its own. A block-sparse pattern has a unit for each block of targets of each of its segments; its
//! sources are not split.
//!
//! The last digits of a result depend on how its sources are split, and so on the device, and on the free memory if there is
//! little.

use core::ops;

use keops_core::{
    data::Pattern,
    launch::{MERGED, Range, Unit},
    problem::Shape,
};

/// Blocks that keep a multiprocessor busy while others of them wait for memory or end early.
const BLOCKS_PER_MULTIPROCESSOR: usize = 8;

/// The fewest tiles of sources in a part, unless there is only one part.
const LEAST_TILES: usize = 2;

/// The most bytes of the state of a target for which the sources are split into parts.
const MOST_STATE_BYTES: usize = 64 << 10;

/// The number of states that a thread of the merge kernel has in local memory.
const MERGE_STATES: usize = 3;

/// The most parts, which two stages of the merge kernel join. Each part adds a state for every target.
const MOST_PARTS: usize = MERGED * MERGED;

/// The most launches of a pass whose caller asked for its progress.
const MOST_LAUNCHES: usize = 64;

/// The fewest blocks of such a launch for each block that the device runs at a time.
const BLOCKS_PER_PLACE: usize = 4;

/// The most blocks of a launch.
pub(crate) const MOST_BLOCKS: usize = (1 << 31) - 1;

/// The sizes that the cut depends on, besides the shape.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CutSizes {
    /// The most targets in a unit.
    pub(crate) block_targets: usize,
    /// Sources in a tile.
    pub(crate) tile_sources: usize,
    /// Bytes of the state of a target.
    pub(crate) state_bytes: usize,
    /// Multiprocessors of the device.
    pub(crate) multiprocessors: usize,
    /// The most memory of all states together, in bytes.
    pub(crate) memory: usize,
    /// The most local memory of a thread, in bytes: the driver reserves it for all threads that the device can have.
    pub(crate) local_bytes: usize,
}

/// The work that is cut.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job<'a> {
    pub(crate) shape: Shape,
    /// The pairs that count, in every batch; all of them if there is none.
    pub(crate) pattern: Option<&'a Pattern>,
    /// The first row of the result, and one past the last; the rows of all batches follow each other.
    pub(crate) rows: [usize; 2],
    /// The number of variables.
    pub(crate) variables: usize,
}

impl Cut {
    /// Consecutive units for launches of their own, after each of which the host reports the progress. Each launch has several
    /// times as many blocks as the device runs at a time, so that little of the device waits for the last block of a launch.
    pub(crate) fn launches(&self, sizes: &CutSizes) -> impl Iterator<Item = ops::Range<usize>> {
        let units = self.units.len();
        let least = sizes.multiprocessors.saturating_mul(BLOCKS_PER_MULTIPROCESSOR * BLOCKS_PER_PLACE);
        let step = units.div_ceil(MOST_LAUNCHES).max(least).max(1);
        (0..units).step_by(step).map(move |first| first..units.min(first + step))
    }

    /// The number of pairs of some units.
    pub(crate) fn pairs(&self, units: ops::Range<usize>) -> u64 {
        let sources = |unit: &Unit| {
            let ranges = &self.ranges[unit.first_range as usize..][..unit.ranges as usize];
            ranges.iter().map(|range| u64::from(range.end - range.first)).sum::<u64>()
        };
        let pairs = |unit: &Unit| u64::from(unit.targets).saturating_mul(sources(unit));
        self.units[units].iter().map(pairs).fold(0, u64::saturating_add)
    }
}

impl Job<'_> {
    /// The number of rows of the result.
    pub(crate) fn count(&self) -> usize {
        self.rows[1] - self.rows[0]
    }
}

/// The number of blocks of targets, if all pairs count.
fn blocks(job: &Job<'_>, sizes: &CutSizes) -> usize {
    let step = sizes.block_targets.max(1);
    if job.shape.batches == 1 {
        return job.count().div_ceil(step);
    }
    job.shape.targets.div_ceil(step).saturating_mul(job.count().div_ceil(job.shape.targets.max(1)))
}

/// The number of parts that the sources are split into.
pub(crate) fn parts(job: &Job<'_>, sizes: &CutSizes) -> usize {
    let merged = sizes.state_bytes.saturating_mul(MERGE_STATES);
    if job.pattern.is_some() || sizes.state_bytes > MOST_STATE_BYTES || merged > sizes.local_bytes {
        return 1;
    }
    let blocks = blocks(job, sizes).max(1);
    let wanted = sizes.multiprocessors.saturating_mul(BLOCKS_PER_MULTIPROCESSOR).div_ceil(blocks).min(MOST_PARTS);
    let by_sources = job.shape.sources / (LEAST_TILES * sizes.tile_sources.max(1));
    let states = job.count().saturating_mul(sizes.state_bytes).max(1);
    wanted.next_power_of_two().min(by_sources).min(sizes.memory / states).max(1)
}

/// Units, and the ranges that they point to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) units: Vec<Unit>,
    pub(crate) ranges: Vec<Range>,
}

/// Cuts the work. All units of a part follow each other, so that blocks that run at the same time read the same
/// sources. `None` if there are more units than a launch can have, or more rows than a `u32` can count.
pub(crate) fn cut(job: &Job<'_>, sizes: &CutSizes, parts: usize) -> Option<Cut> {
    let &Job { shape, pattern, rows, .. } = job;
    if blocks(job, sizes).checked_mul(parts)? > MOST_BLOCKS || u32::try_from(rows[1]).is_err() {
        return None;
    }
    let mut cut = Cut::default();
    let Some(pattern) = pattern else {
        let (targets, sources) = (u32::try_from(shape.targets).ok()?, u32::try_from(shape.sources).ok()?);
        for part in 0..u32::try_from(parts).ok()? {
            let first_range = u32::try_from(cut.ranges.len()).ok()?;
            if sources > 0 {
                cut.ranges.push(range(sources, sizes.tile_sources, part, parts)?);
            }
            let ranges = u32::try_from(cut.ranges.len()).ok()? - first_range;
            let all = Unit { targets, first_range, ranges, part, ..Unit::default() };
            cut.batches(job, sizes, &[all])?;
        }
        return Some(cut);
    };
    cut.ranges.extend_from_slice(pattern.ranges());
    let mut segments = Vec::with_capacity(2 * pattern.segments().len() + 1);
    let (mut end, mut first_range) = (0, 0);
    let none = |first, end| Unit { first_target: first, targets: end - first, ..Unit::default() };
    for segment in pattern.segments() {
        let Range { first, end: next } = segment.rows;
        segments.push(none(end, first));
        let ranges = u32::try_from(pattern.ranges_of(segment).len()).ok()?;
        segments.push(Unit { first_range, ranges, ..none(first, next) });
        first_range = first_range.checked_add(ranges)?;
        end = next;
    }
    segments.push(none(end, u32::try_from(shape.targets).ok()?.max(end)));
    cut.batches(job, sizes, &segments)?;
    Some(cut)
}

impl Cut {
    /// Adds units for these segments of the targets of every batch.
    fn batches(&mut self, job: &Job<'_>, sizes: &CutSizes, segments: &[Unit]) -> Option<()> {
        let [start, end] = job.rows;
        let targets = job.shape.targets;
        let step = sizes.block_targets.max(1);
        for batch in 0..job.shape.batches {
            let first = batch * targets;
            if first + targets <= start || end <= first {
                continue;
            }
            let data = u32::try_from(batch.checked_mul(job.variables)?).ok()?;
            for segment in segments {
                let from = usize::try_from(segment.first_target).ok()?;
                let to = from + usize::try_from(segment.targets).ok()?;
                // only targets among the rows of the job
                let (from, to) = (from.max(start.saturating_sub(first)), to.min(end - first));
                for target in (from..to).step_by(step) {
                    self.units.push(Unit {
                        first_target: u32::try_from(target).ok()?,
                        targets: u32::try_from(step.min(to - target)).ok()?,
                        first_row: u32::try_from(first + target - start).ok()?,
                        data,
                        ..*segment
                    });
                }
                if self.units.len() > MOST_BLOCKS {
                    return None;
                }
            }
        }
        Some(())
    }
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
    use keops_core::data::Ranges;

    use super::*;

    const H200: CutSizes = CutSizes { local_bytes: 200 << 10, ..SMALL };
    const SMALL: CutSizes = CutSizes {
        block_targets: 512,
        tile_sources: 256,
        state_bytes: 8,
        multiprocessors: 132,
        memory: 1 << 30,
        local_bytes: 16 << 10,
    };

    fn job(targets: usize, sources: usize) -> Job<'static> {
        let shape = Shape { targets, sources, batches: 1 };
        Job { shape, pattern: None, rows: [0, targets], variables: 2 }
    }

    /// Checks that the units of all shares together have each pair of each batch once, in every part all rows in order.
    fn check(job: &Job<'_>, sizes: &CutSizes, shares: usize, counts: impl Fn(u32, u32) -> bool) {
        let Shape { targets, sources, batches } = job.shape;
        let all = targets * batches;
        let mut seen = vec![0_u8; all * sources];
        let mut pairs = 0;
        for share in 0..shares {
            let job = Job { rows: [all * share / shares, all * (share + 1) / shares], ..*job };
            let parts = parts(&job, sizes);
            let cut = cut(&job, sizes, parts).expect("it is small");
            let mut parts_of = vec![0; job.count()];
            let launches: Vec<_> = cut.launches(sizes).collect();
            assert_eq!(
                launches.iter().cloned().flatten().collect::<Vec<_>>(),
                (0..cut.units.len()).collect::<Vec<_>>()
            );
            pairs += launches.into_iter().map(|units| cut.pairs(units)).sum::<u64>();
            for unit in &cut.units {
                assert!(unit.targets >= 1 && unit.targets as usize <= sizes.block_targets);
                let batch = unit.data as usize / job.variables;
                for number in 0..unit.targets {
                    let (row, target) = ((unit.first_row + number) as usize, unit.first_target + number);
                    assert_eq!(job.rows[0] + row, batch * targets + target as usize);
                    assert_eq!(parts_of[row], unit.part, "parts of a row, in ascending order");
                    parts_of[row] += 1;
                    for range in &cut.ranges[unit.first_range as usize..][..unit.ranges as usize] {
                        for source in range.first..range.end {
                            seen[(job.rows[0] + row) * sources + source as usize] += 1;
                        }
                    }
                }
            }
            assert!(parts_of.iter().all(|&count| count as usize == parts), "every part has every row");
        }
        for (number, &count) in seen.iter().enumerate() {
            let (row, source) = (number / sources, number % sources);
            let expected = counts((row % targets) as u32, source as u32);
            assert_eq!(count, u8::from(expected), "row {row}, source {source} of {job:?}, {sizes:?}");
        }
        assert_eq!(pairs, seen.iter().map(|&count| u64::from(count)).sum::<u64>());
    }

    #[test]
    fn every_pair_is_covered_once() {
        for (targets, sources) in
            [(1, 1), (1, 5000), (7, 0), (130, 127), (128, 129), (257, 4099), (3, 512), (600, 1025)]
        {
            for (block_targets, tile_sources) in [(128, 128), (512, 1), (128, 3), (256, 100)] {
                for multiprocessors in [1, 3, 132] {
                    let sizes = CutSizes { block_targets, tile_sources, multiprocessors, ..H200 };
                    check(&job(targets, sources), &sizes, 1, |_, _| true);
                }
            }
        }
    }

    #[test]
    fn batches_and_shares_are_covered_once() {
        let sizes = CutSizes { block_targets: 4, tile_sources: 8, ..H200 };
        for (targets, sources, batches) in [(1, 40, 5), (10, 3, 7), (13, 70, 3), (4, 1, 1)] {
            let shape = Shape { targets, sources, batches };
            let job = Job { shape, pattern: None, rows: [0, targets * batches], variables: 3 };
            for shares in [1, 2, 3] {
                check(&job, &sizes, shares, |_, _| true);
                let ranges = Ranges::new([(0..1, 0..sources), (targets / 2..targets, 0..1)]).expect("they are short");
                let job = Job { pattern: Some(ranges.by_i()), ..job };
                check(&job, &sizes, shares, |i, j| i == 0 || i >= targets as u32 / 2 && j == 0);
            }
        }
    }

    #[test]
    fn parts_are_as_many_as_help() {
        assert_eq!(parts(&job(1_000_000, 1_000_000), &H200), 1, "targets alone make enough blocks");
        assert_eq!(parts(&job(1, 300_000_000), &H200), 2048, "eight blocks for each multiprocessor, or some more");
        assert_eq!(parts(&job(1, 1 << 28), &CutSizes { multiprocessors: 10_000, ..H200 }), MOST_PARTS);
        assert_eq!(parts(&job(10_000, 10_000), &H200), 10_000 / (2 * 256), "no part is too short");
        assert_eq!(parts(&job(100_000, 100_000), &H200), 8, "196 blocks of targets, 1056 wanted");
        assert_eq!(parts(&job(1, 511), &H200), 1);
        assert_eq!(parts(&job(1, 0), &H200), 1);
        assert_eq!(parts(&job(1, 1_000_000), &CutSizes { multiprocessors: 0, ..H200 }), 1);
    }

    #[test]
    fn states_fit_into_memory() {
        let sizes = |memory| CutSizes { memory, ..H200 };
        assert_eq!(parts(&job(1000, 1_000_000), &sizes(5 * 8000)), 5);
        assert_eq!(parts(&job(1000, 1_000_000), &sizes(7999)), 1);
        assert_eq!(parts(&job(1000, 1_000_000), &CutSizes { state_bytes: usize::MAX, ..H200 }), 1);
        assert_eq!(parts(&job(1000, 1_000_000), &CutSizes { state_bytes: 0, ..H200 }), 1024);
    }

    #[test]
    fn merging_fits_into_local_memory() {
        let of = |state_bytes, sizes| parts(&job(1, 1_000_000), &CutSizes { state_bytes, ..sizes });
        assert_eq!([5_461, 5_462].map(|bytes| of(bytes, SMALL)), [1953, 1]);
        assert_eq!([5_462, 64 << 10, (64 << 10) + 1].map(|bytes| of(bytes, H200)), [1953, 1953, 1]);
    }

    #[test]
    fn no_part_is_short() {
        for sources in [512, 1024, 1025, 5000, 12_345, 100_001] {
            let job = job(1, sources);
            let parts = parts(&job, &H200);
            let cut = cut(&job, &H200, parts).expect("it is small");
            let lengths: Vec<_> = cut.ranges.iter().map(|range| range.end - range.first).collect();
            assert!(lengths.iter().all(|&length| length >= 2 * 256), "{sources}: {lengths:?}");
            assert!(lengths.iter().max().zip(lengths.iter().min()).is_some_and(|(most, least)| most - least < 2 * 256));
            assert!(cut.ranges.iter().all(|range| range.first % 256 == 0));
        }
    }

    #[test]
    fn what_cannot_be_launched_is_refused() {
        assert_eq!(cut(&job(1 << 33, 1), &H200, 1), None);
        let most = u32::MAX as usize - 1;
        assert_eq!(cut(&job(most, most), &CutSizes { block_targets: 1, ..H200 }, 1), None);
        assert!(cut(&job(5, most), &CutSizes { block_targets: 0, tile_sources: 0, ..H200 }, 3).is_some());
    }
}
