//! Blocks as they come: read some at a time, and put in order by the cheapest way that their order admits.
//!
//! Blocks whose rows come in order, as those of graphs, triangles and clusters do, are joined at once, while they are in the
//! first-level cache. Single pairs in any order are sorted when all are known, and so are all other blocks.

use core::ops;

use super::{
    bucket_sort::of_pairs,
    checked,
    memory::{Part as _, Reused},
    pattern::{Pattern, Segment},
    rows::{Joiner, one},
    sorting_network::LANES,
};
use crate::{
    data::{Error, MAX_ROWS},
    launch::Range,
};

/// So many blocks are read at a time, if rows have fewer.
const CHUNK: usize = 512;

/// Rows as callers number them.
type Blocks = ops::Range<usize>;

/// A pattern in the making.
pub(super) struct Builder {
    /// Columns of the blocks that were read, in the first `count` places.
    ranges: Vec<Range>,
    count: usize,
    /// Their rows in the order in which they came, of which neighbours differ.
    segments: Vec<Segment>,
    /// How many blocks there may be.
    expected: usize,
    /// What came in order.
    joiner: Joiner,
    /// Single pairs that did not, `[first, end]` for row and column.
    pairs: Reused<Range>,
    /// The other blocks.
    rest: Vec<[Range; 2]>,
}

impl Builder {
    /// For about so many blocks.
    pub(super) fn with_capacity(blocks: usize) -> Self {
        /// Iterators may be wrong about what comes.
        const MOST: usize = 1 << 22;
        let expected = blocks.min(MOST);
        Self {
            ranges: vec![Range::ANY; CHUNK],
            count: 0,
            segments: Vec::new(),
            expected,
            joiner: Joiner::new(expected),
            pairs: Reused::default(),
            rest: Vec::new(),
        }
    }

    /// Adds blocks of rows and columns.
    ///
    /// # Errors
    /// Those of [`checked`].
    #[inline(never)]
    pub(super) fn extend(&mut self, mut blocks: impl Iterator<Item = (Blocks, Blocks)>) -> Result<(), Error> {
        loop {
            if let Some(other) = self.read(&mut blocks) {
                // Empty blocks are none.
                checked(other.0)?;
                checked(other.1)?;
            } else if self.count == self.ranges.len() {
                self.take(false);
            } else {
                return Ok(());
            }
        }
    }

    /// Reads blocks while there is room, with no more to look at than stays in registers. The first one that is empty or none.
    #[inline(always)]
    fn read(&mut self, blocks: &mut impl Iterator<Item = (Blocks, Blocks)>) -> Option<(Blocks, Blocks)> {
        let Self { ranges, segments, count: known, .. } = self;
        let (ranges, mut count) = (&mut ranges[..], *known);
        let mut last = segments.last().map_or(0..0, |segment| segment.rows.first as usize..segment.rows.end as usize);
        let mut other = None;
        while count < ranges.len() {
            let Some((rows, columns)) = blocks.next() else { break };
            let is_some = |range: &Blocks| range.start < range.end && range.end <= MAX_ROWS;
            if !is_some(&rows) || !is_some(&columns) {
                other = Some((rows, columns));
                break;
            }
            if rows != last {
                let rows = Range { first: rows.start as u32, end: rows.end as u32 };
                segments.push(Segment { rows, first: count, count: 0 });
            }
            last = rows;
            ranges[count] = Range { first: columns.start as u32, end: columns.end as u32 };
            count += 1;
        }
        *known = count;
        other
    }

    /// Takes what was read. Of rows in order as many are taken as fill lanes, and the others go to the front, for the last one may
    /// go on.
    #[inline(never)]
    fn take(&mut self, is_last: bool) {
        let Self { ranges, count, segments, joiner, .. } = self;
        let (mut is_in_order, mut next, mut end) = (true, u32::MAX, *count);
        for segment in segments.iter_mut().rev() {
            is_in_order &= segment.rows.end <= next;
            next = segment.rows.first;
            segment.count = end - segment.first;
            end = segment.first;
        }
        if !is_in_order || next < joiner.writer.end() {
            return self.set_aside();
        }
        let full = segments.len() - usize::from(!is_last);
        let taken = if is_last || full < LANES { full } else { full / LANES * LANES };
        joiner.add(&segments[..taken], ranges);
        let start = segments.get(taken).map_or(*count, |segment| segment.first);
        segments.copy_within(taken.., 0);
        segments.truncate(segments.len() - taken);
        for segment in segments {
            segment.first -= start;
        }
        ranges.copy_within(start..*count, 0);
        *count -= start;
        if *count > ranges.len() / 2 {
            ranges.resize(2 * ranges.len(), Range::ANY);
        }
    }

    /// Keeps what was read until all is known.
    fn set_aside(&mut self) {
        let Self { ranges, count, segments, pairs, rest, .. } = self;
        let ranges = &ranges[..*count];
        let is_long = |range: Range| range.end - range.first > 1;
        if ranges.iter().any(|&columns| is_long(columns)) || segments.iter().any(|segment| is_long(segment.rows)) {
            if rest.is_empty() {
                // As many as are expected may be like that.
                rest.reserve(self.expected);
            }
            for segment in &*segments {
                for &columns in &ranges[segment.first..][..segment.count] {
                    rest.push([segment.rows, columns]);
                }
            }
        } else {
            if pairs.is_empty() {
                *pairs = Reused::with_capacity(self.expected);
            }
            let start = pairs.len();
            pairs.extend_from_slice(ranges);
            let pairs = &mut pairs[start..];
            if segments.len() == pairs.len() {
                for (pair, segment) in pairs.iter_mut().zip(&*segments) {
                    *pair = Range { first: segment.rows.first, end: pair.first };
                }
            } else {
                for segment in &*segments {
                    for pair in &mut pairs[segment.first..][..segment.count] {
                        *pair = Range { first: segment.rows.first, end: pair.first };
                    }
                }
            }
        }
        segments.clear();
        *count = 0;
    }

    pub(super) fn finish(mut self) -> Pattern {
        if self.count > 0 {
            self.take(true);
        }
        let Self { joiner, mut pairs, mut rest, .. } = self;
        let pattern = joiner.writer.finish();
        if pairs.is_empty() && rest.is_empty() {
            return pattern;
        }
        if rest.is_empty() && pattern.is_of_pairs(pattern.pairs()) {
            for segment in pattern.segments() {
                pattern.pairs_of(segment, |row, column| pairs.push(Range { first: row, end: column }));
            }
            drop(pattern);
            return of_pairs(pairs);
        }
        rest.append(&mut pattern.blocks());
        for pair in &pairs[..] {
            rest.push([one(pair.first), one(pair.end)]);
        }
        Pattern::of_blocks(&rest)
    }
}

#[cfg(test)]
mod tests {
    use crate::data::Ranges;

    #[test]
    fn blocks_of_several_rows_are_the_same_in_any_order() {
        let seed = fastrand::u64(..);
        let mut numbers = fastrand::Rng::with_seed(seed);
        let (mut blocks, mut row, mut expected) = (Vec::new(), 0, Vec::new());
        while blocks.len() < 3000 {
            let rows = row..row + numbers.usize(1..5);
            let mut met = vec![false; 300];
            for _ in 0..numbers.usize(1..60) {
                let first = numbers.usize(0..290);
                let columns = first..first + numbers.usize(1..10);
                met[columns.clone()].fill(true);
                blocks.push((rows.clone(), columns));
            }
            expected.extend(rows.clone().map(|_| met.clone()));
            row = rows.end;
        }
        let in_order = Ranges::new(blocks.iter().cloned()).expect("they are small");
        for (row, met) in expected.iter().enumerate() {
            for (column, &is_met) in met.iter().enumerate() {
                assert_eq!(in_order.by_i().contains(row, column), is_met, "seed {seed}: {row}, {column}");
            }
        }
        // One block comes too late, then all of them.
        let last = blocks.len() - 1;
        blocks.swap(0, last);
        assert_eq!(Ranges::new(blocks.iter().cloned()).expect("they are small"), in_order, "seed {seed}");
        numbers.shuffle(&mut blocks);
        assert_eq!(Ranges::new(blocks).expect("they are small"), in_order, "seed {seed}");
        assert_eq!(in_order.transpose().transpose().by_i(), in_order.by_i(), "seed {seed}");
    }
}
