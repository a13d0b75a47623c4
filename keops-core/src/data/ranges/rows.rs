//! Rows that come one after another: their ranges are put in order, joined and written behind those before.

use super::{
    memory::{Part as _, Reused},
    pattern::{Pattern, Segment},
    sorting_network::{FEW, LANES, Sorter, sort},
};
use crate::launch::Range;

/// The range of a single row.
pub(super) fn one(row: u32) -> Range {
    // Row numbers are below the largest of all.
    Range { first: row, end: row + 1 }
}

/// Puts the ranges of rows in order and joins them.
pub(super) struct Joiner {
    sorter: Sorter,
    pub(super) writer: Writer,
}

impl Joiner {
    /// For about so many ranges.
    pub(super) fn new(expected: usize) -> Self {
        Self { sorter: Sorter::default(), writer: Writer::new(expected) }
    }

    /// Adds rows, a segment each, of ranges that follow each other, in whatever order within a row. None is empty.
    pub(super) fn add(&mut self, segments: &[Segment], ranges: &mut [Range]) {
        segments.chunks(LANES).for_each(|segments| self.add_group(segments, ranges));
    }

    fn add_group(&mut self, segments: &[Segment], ranges: &mut [Range]) {
        let (Some(front), Some(back)) = (segments.first(), segments.last()) else { return };
        let (first, end) = (front.first, back.first + back.count);
        self.writer.make_room(end - first);
        // Where rows are not in order, the first one tells.
        if !ranges[first..][..front.count].is_sorted_by_key(|range| range.first) {
            return self.sort_rows(segments, ranges);
        }
        let all = &ranges[first..end];
        let [touching, descents] = self.sorter.disorder(ranges, segments);
        if descents > 0 {
            self.sort_rows(segments, ranges);
        } else if touching > 0 || !self.writer.copy(segments, all) {
            for segment in segments {
                self.writer.add_row(segment, ranges[segment.first..][..segment.count].iter().copied());
            }
        }
    }

    /// Adds rows whose ranges are in any order.
    fn sort_rows(&mut self, segments: &[Segment], ranges: &mut [Range]) {
        let Self { sorter, writer } = self;
        sorter.sort(ranges, segments);
        for (lane, segment) in segments.iter().enumerate() {
            if segment.count <= FEW {
                writer.add_row(segment, sorter.ranges(lane, segment.count));
            } else {
                let of_row = &mut ranges[segment.first..][..segment.count];
                sort(of_row);
                writer.add_row(segment, of_row.iter().copied());
            }
        }
    }
}

/// Writes the rows of a pattern.
pub(super) struct Writer {
    /// Behind the first `count` ranges there may be room for others.
    pattern: Pattern,
    count: usize,
    expected: usize,
}

impl Writer {
    /// For about so many ranges.
    pub(super) fn new(expected: usize) -> Self {
        Self { pattern: Pattern::default(), count: 0, expected }
    }

    /// One past the last row.
    pub(super) fn end(&self) -> u32 {
        self.pattern.ends()[0]
    }

    /// Makes room for ranges: for more than these at once, but not for more than stay in the first-level cache until they
    /// are written.
    #[inline(always)]
    pub(super) fn make_room(&mut self, count: usize) {
        const AHEAD: usize = 1024;
        if self.pattern.ranges.capacity() == 0 {
            self.reserve();
        }
        let (ranges, end) = (&mut self.pattern.ranges, self.count + count);
        if end > ranges.len() {
            let ahead = ranges.capacity().min(self.count + AHEAD);
            ranges.resize(end.max(ahead), Range::ANY);
        }
    }

    /// Takes memory for as many as are expected, now that there is one.
    #[inline(never)]
    fn reserve(&mut self) {
        /// Rows of a graph have about so many.
        const OF_ROW: usize = 8;
        self.pattern.ranges = Reused::room(self.expected);
        self.pattern.segments = Reused::with_capacity(self.expected / OF_ROW);
    }

    /// The room for the next ranges, which was made.
    fn room(&mut self, count: usize) -> &mut [Range] {
        &mut self.pattern.ranges[self.count..][..count]
    }

    /// Adds rows as they are, if none may be like the one before it. Whether they were added.
    fn copy(&mut self, rows: &[Segment], all: &[Range]) -> bool {
        let Self { pattern: Pattern { segments, ranges, end, .. }, count, .. } = self;
        let start = rows[0].first;
        let mut before = segments.last().map_or(Range::ANY, |before| ranges[before.first]);
        for row in rows {
            let first = all[row.first - start];
            if first == before {
                return false;
            }
            before = first;
        }
        ranges[*count..][..all.len()].copy_from_slice(all);
        for row in rows {
            let first = row.first - start;
            *end = (*end).max(all[first + row.count - 1].end);
            segments.push(Segment { first: *count + first, ..*row });
        }
        *count += all.len();
        true
    }

    /// Adds the rows of a segment, whose ranges are in order, joined where they overlap or follow each other. There is room for them.
    ///
    /// Without a branch: whether neighbours of a point follow each other cannot be guessed.
    #[inline(always)]
    pub(super) fn add_row(&mut self, segment: &Segment, mut from: impl Iterator<Item = Range>) {
        let Some(mut last) = from.next() else { return };
        let to = self.room(segment.count);
        let mut end = 0;
        for range in from {
            to[end] = last;
            let apart = range.first > last.end;
            end += usize::from(apart);
            last = Range { first: if apart { range.first } else { last.first }, end: last.end.max(range.end) };
        }
        to[end] = last;
        self.end_row(segment.rows, end + 1);
    }

    /// Adds a row, or several that are alike, of the next ranges in the room, if they are not those of the row before.
    #[inline(always)]
    fn end_row(&mut self, rows: Range, count: usize) {
        let Self { pattern: Pattern { segments, ranges, end, .. }, count: first, .. } = self;
        let (known, of_row) = ranges.split_at(*first);
        let of_row = &of_row[..count];
        *end = (*end).max(of_row[count - 1].end);
        match segments.last_mut() {
            Some(before)
                if before.rows.end == rows.first
                    && known[before.first] == of_row[0]
                    && known[before.first..][..before.count] == *of_row =>
            {
                before.rows.end = rows.end;
            }
            _ => {
                segments.push(Segment { rows, first: *first, count });
                *first += count;
            }
        }
    }

    /// Adds consecutive rows from the first one on of single columns, which are in order: `[first, end]` for a column and the number
    /// of its row. All of them are joined by one loop, since how many a row has cannot be guessed. `ends` is memory for a number of each row.
    pub(super) fn add_columns(&mut self, front: u32, columns: &[Range], ends: &mut [u32]) {
        ends.fill(0);
        self.make_room(columns.len());
        let start = self.count;
        let to = self.room(columns.len());
        let (mut row, mut last, mut count) = (u32::MAX, Range::ANY, 0);
        for &Range { first: column, end: of } in columns {
            let apart = (of != row) | (column > last.end);
            count += usize::from(apart);
            last = Range { first: if apart { column } else { last.first }, end: column + 1 };
            to[count - 1] = last;
            // Where the ranges of the row end, so far.
            ends[of as usize] = count as u32;
            row = of;
        }
        let mut from = start;
        for (row, &mut end) in (front..).zip(ends).filter(|(_, end)| **end > 0) {
            let end = start + end as usize;
            if from > self.count {
                // A row before was like the one before that.
                self.pattern.ranges.copy_within(from..end, self.count);
            }
            self.end_row(one(row), end - from);
            from = end;
        }
    }

    pub(super) fn finish(self) -> Pattern {
        let Self { mut pattern, count, .. } = self;
        pattern.ranges.truncate(count);
        pattern
    }
}
