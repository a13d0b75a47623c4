//! Rows of ranges sorted in lanes: sixteen rows at a time, by a network of comparisons (Batcher 1968).
//!
//! A row of a graph has about ten ranges, in whatever order: each wrong guess of a branch would take as long as all of the
//! comparisons.

use pulp::{Arch, Simd, WithSimd};

use crate::{data::Segment, launch::Range};

/// So many rows are sorted at the same time.
pub(super) const LANES: usize = 16;

/// Rows of at most so many ranges: the others are sorted one by one.
pub(super) const FEW: usize = 32;

/// Ranges as numbers of the same order, number n of each row in array n. No vector lies across two lines of the cache.
#[repr(align(64))]
struct Keys([[u64; LANES]; FEW]);

fn key(range: Range) -> u64 {
    u64::from(range.first) << 32 | u64::from(range.end)
}

/// Sorts ranges, or pairs of a row and a column, one after another.
pub(super) fn sort(ranges: &mut [Range]) {
    ranges.sort_unstable_by_key(|&range| key(range));
}

/// Which numbers are to be exchanged, if the first one is the larger, to sort `count` of them.
fn network(count: usize) -> Vec<[u8; 2]> {
    let mut network = Vec::new();
    let mut sorted = 1;
    while sorted < count {
        let mut step = sorted;
        while step > 0 {
            let start = step % sorted;
            for low in start..count - step {
                // Only within twice as many as are sorted already.
                if (low - start) / step % 2 == 0 && low ^ (low + step) < 2 * sorted {
                    network.push([low as u8, (low + step) as u8]);
                }
            }
            step /= 2;
        }
        sorted *= 2;
    }
    network
}

/// The ranges of some rows, in lanes.
pub(super) struct Sorter {
    arch: Arch,
    keys: Keys,
    /// The networks for numbers of ranges, once they are needed.
    networks: [Vec<[u8; 2]>; FEW + 1],
}

impl Default for Sorter {
    fn default() -> Self {
        Self { arch: Arch::new(), keys: Keys([[0; LANES]; FEW]), networks: [const { Vec::new() }; FEW + 1] }
    }
}

impl Sorter {
    /// Takes the ranges of these rows, a row for each lane, of those that have few, and sorts them.
    pub(super) fn sort(&mut self, ranges: &[Range], segments: &[Segment]) {
        let mut most = 0;
        for segment in segments {
            if segment.count <= FEW {
                most = most.max(segment.count);
            }
        }
        self.keys.0[..most].fill([u64::MAX; LANES]);
        for (lane, segment) in segments.iter().enumerate() {
            if segment.count <= FEW {
                for (keys, &range) in self.keys.0.iter_mut().zip(&ranges[segment.first..][..segment.count]) {
                    keys[lane % LANES] = key(range);
                }
            }
        }
        let network = &mut self.networks[most];
        if network.is_empty() {
            *network = self::network(most);
        }
        self.arch.dispatch(SortLanes { keys: &mut self.keys.0, network });
    }

    /// The first ranges of the row in a lane.
    #[inline(always)]
    pub(super) fn ranges(&self, lane: usize, count: usize) -> impl Iterator<Item = Range> {
        let range = |key: u64| Range { first: (key >> 32) as u32, end: key as u32 };
        self.keys.0[..count].iter().map(move |keys| range(keys[lane % LANES]))
    }

    /// How many ranges touch the one before them, and how many begin before it, in these rows.
    pub(super) fn disorder(&self, ranges: &[Range], segments: &[Segment]) -> [u32; 2] {
        let (first, end) = (segments[0].first, segments[segments.len() - 1].first + segments[segments.len() - 1].count);
        let all = self.arch.dispatch(Compare(&ranges[first..end]));
        let mut between = [0; 2];
        for segment in &segments[1..] {
            between = add([ranges[segment.first - 1], ranges[segment.first]], between);
        }
        [all[0] - between[0], all[1] - between[1]]
    }
}

/// Counts a range that overlaps the one before it, follows it or begins before it, and one that begins before it.
#[inline(always)]
fn add([before, range]: [Range; 2], [touching, descents]: [u32; 2]) -> [u32; 2] {
    [touching + u32::from(range.first <= before.end), descents + u32::from(range.first < before.first)]
}

/// Compares each range with the one before it.
struct Compare<'a>(&'a [Range]);

impl WithSimd for Compare<'_> {
    type Output = [u32; 2];

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> [u32; 2] {
        let mut all = [0; 2];
        for (&before, &range) in self.0.iter().zip(self.0.iter().skip(1)) {
            all = add([before, range], all);
        }
        all
    }
}

/// Sorts the first numbers of each lane.
struct SortLanes<'a> {
    keys: &'a mut [[u64; LANES]; FEW],
    network: &'a [[u8; 2]],
}

impl WithSimd for SortLanes<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { keys, network } = self;
        for &[low, high] in network {
            let (low, high) = (usize::from(low) % FEW, usize::from(high) % FEW);
            let (mut a, mut b) = (keys[low], keys[high]);
            let both = S::as_mut_simd_u64s(&mut a).0.iter_mut().zip(S::as_mut_simd_u64s(&mut b).0);
            for (a, b) in both {
                let less = simd.less_than_u64s(*a, *b);
                (*a, *b) = (simd.select_u64s(less, *a, *b), simd.select_u64s(less, *b, *a));
            }
            (keys[low], keys[high]) = (a, b);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_are_sorted_by_all_instruction_sets() {
        let mut all = vec![Arch::Scalar, Arch::new()];
        #[cfg(target_arch = "x86_64")]
        all.extend(pulp::x86::V3::try_new().map(Arch::V3));
        let seed = fastrand::u64(..);
        let mut numbers = fastrand::Rng::with_seed(seed);
        for arch in all {
            let mut sorter = Sorter { arch, ..Sorter::default() };
            for most in 1..=FEW {
                let mut ranges = Vec::new();
                let mut segments = Vec::new();
                for row in 0..LANES as u32 {
                    // One of the rows is too long for a lane.
                    let count = if row == 5 { FEW + 1 } else { numbers.usize(1..=most) };
                    segments.push(Segment { rows: Range { first: row, end: row + 1 }, first: ranges.len(), count });
                    ranges.extend((0..count).map(|_| {
                        let bits = numbers.u32(1..32);
                        let first = numbers.u32(0..1 << bits);
                        Range { first, end: first + numbers.u32(1..5) }
                    }));
                }
                let pairs = segments.iter().flat_map(|segment| ranges[segment.first..][..segment.count].windows(2));
                let touching = pairs.clone().filter(|two| two[1].first <= two[0].end).count();
                let descents = pairs.filter(|two| two[1].first < two[0].first).count();
                let found = sorter.disorder(&ranges, &segments);
                assert_eq!(found.map(|count| count as usize), [touching, descents], "seed {seed}, {arch:?}");
                sorter.sort(&ranges, &segments);
                for (lane, segment) in segments.iter().enumerate().filter(|(_, segment)| segment.count <= FEW) {
                    let mut expected = ranges[segment.first..][..segment.count].to_vec();
                    expected.sort_unstable_by_key(|range| (range.first, range.end));
                    let found: Vec<_> = sorter.ranges(lane, segment.count).collect();
                    assert_eq!(found, expected, "seed {seed}, {arch:?}, up to {most} in lane {lane}");
                }
            }
        }
    }
}
