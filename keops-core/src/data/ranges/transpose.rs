//! The same pairs from the other side.

use super::{
    bucket_sort::{Buckets, Counted, Entries, Pairs, is_dense, of_pairs, threads},
    memory::Reused,
    pattern::{Pattern, Segment},
    rows::{Writer, one},
};
use crate::launch::Range;

impl Pattern {
    /// The same pairs from the other side.
    pub(super) fn transpose(&self) -> Self {
        let count = self.pairs();
        if !self.is_of_pairs(count) {
            let mut blocks = self.blocks();
            for block in &mut blocks {
                block.reverse();
            }
            return Self::of_blocks(&blocks);
        }
        let (count, transposed) = (count as usize, Transposed(self, &self.segments));
        if is_dense(count, self.end) && threads(count) == 1 && transposed.is_near() {
            // Buckets would be filled one after another, and each pair would wait for the place of the one before.
            let mut writer = Writer::new(count);
            Counted::of_rows(self.end as usize).add_in_order(&mut writer, 0, transposed);
            return writer.finish();
        }
        match Buckets::new(count, self.end, transposed) {
            Some(buckets) => buckets.join(),
            None => {
                let mut pairs = Reused::with_capacity(count);
                transposed.each(|row, column| pairs.push(Range { first: row, end: column.first }));
                of_pairs(pairs)
            }
        }
    }
}

/// The pairs of some segments of a pattern, as its other side has them: each row has its columns in order.
#[derive(Clone, Copy)]
struct Transposed<'a>(&'a Pattern, &'a [Segment]);

impl Transposed<'_> {
    /// Whether consecutive segments meet rows that are near each other, for nearly all of those that are looked at.
    fn is_near(self) -> bool {
        /// So many segments at so many places.
        const SEGMENTS: usize = 16;
        const PLACES: usize = 32;
        /// What is done with so many rows stays in the first-level cache, or nearly.
        const ROWS: u32 = 1 << 12;
        let Self(pattern, segments) = self;
        let mut near = 0;
        for place in 0..PLACES {
            let start = segments.len() * place / PLACES;
            let (mut first, mut end) = (u32::MAX, 0);
            for segment in &segments[start..segments.len().min(start + SEGMENTS)] {
                let ranges = pattern.ranges_of(segment);
                first = first.min(ranges[0].first);
                end = end.max(ranges[ranges.len() - 1].end);
            }
            near += usize::from(end.saturating_sub(first) <= ROWS);
        }
        near >= PLACES / 8 * 7
    }
}

impl Pairs for Transposed<'_> {
    const IN_ORDER: bool = true;

    fn part(self, number: usize, parts: usize) -> Self {
        let Self(pattern, segments) = self;
        let border = |number| {
            let first = pattern.ranges.len() * number / parts;
            segments.partition_point(|segment| segment.first < first)
        };
        Self(pattern, &segments[border(number)..border(number + 1)])
    }
}

impl Entries for Transposed<'_> {
    #[inline(always)]
    fn each(self, mut entry: impl FnMut(u32, Range)) {
        let Self(pattern, segments) = self;
        for segment in segments {
            pattern.pairs_of(segment, |row, column| entry(column, one(row)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_is_what_meets_few_rows_at_most_places() {
        let graph = |other: &dyn Fn(u32) -> u32| {
            let pairs = (0..100_000).map(|row| [row, other(row)].map(|row| row as usize));
            super::super::Ranges::new(pairs.map(|[i, j]| (i..i + 1, j..j + 1))).expect("they are in order")
        };
        let is_near = |other: &dyn Fn(u32) -> u32| {
            let graph = graph(other);
            Transposed(graph.by_i(), graph.by_i().segments()).is_near()
        };
        assert!(is_near(&|row| 2 * row));
        assert!(is_near(&|row| 100_000 - row));
        assert!(!is_near(&|row| row * 7919 % 100_000));
        assert!(is_near(&|row| if row % 5000 == 3000 { 0 } else { row + 50_000 }), "one far away here and there");
        assert!(Transposed(&Pattern::default(), &[]).is_near(), "none is far away");
    }
}
