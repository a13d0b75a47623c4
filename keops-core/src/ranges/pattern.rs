//! Pairs as the engines go through them: row after row of one side.

use core::fmt;
use std::collections::BTreeMap;

use crate::{cpu::Kept, device::Range};

/// For consecutive rows of one side, the ranges of rows of the other one.
///
/// Segments are in order and do not overlap; neither do the ranges of a segment, nor does one end where the next one
/// starts. Rows that are in no pair are in no segment, and neighbouring segments have different ranges. So there is one
/// pattern for each set of pairs.
///
/// ```
/// use keops::Ranges;
///
/// // blocks that overlap and blocks that are neighbours become one range
/// let ranges = Ranges::new([(0..3, 0..2), (0..3, 1..4), (0..3, 6..7), (5..6, 0..1)])?;
/// let pattern = ranges.by_i();
/// let blocks: Vec<_> = pattern.segments().iter().map(|segment| (segment.rows, pattern.ranges_of(segment))).collect();
/// assert_eq!(blocks.len(), 2);
/// assert_eq!((blocks[0].0.first, blocks[0].0.end), (0, 3));
/// assert_eq!(blocks[0].1.iter().map(|range| (range.first, range.end)).collect::<Vec<_>>(), [(0, 4), (6, 7)]);
/// # Ok::<(), keops::Error>(())
/// ```
#[derive(Default)]
pub struct Pattern {
    segments: Vec<Segment>,
    ranges: Vec<Range>,
    /// One past the last row of the other side.
    end: u32,
    /// What calls on the CPU made of it.
    kept: Kept,
}

impl Clone for Pattern {
    fn clone(&self) -> Self {
        Self { segments: self.segments.clone(), ranges: self.ranges.clone(), end: self.end, kept: Kept::default() }
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { segments, ranges, end, .. } = self;
        f.debug_struct("Pattern").field("segments", segments).field("ranges", ranges).field("end", end).finish()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        (&self.segments, &self.ranges) == (&other.segments, &other.ranges)
    }
}

impl Eq for Pattern {}

/// So many rows are taken one by one, for each block or range: where blocks are higher, their borders are swept.
const LOW: usize = 4;

/// Rows of a table of so many for each entry are still worth being counted in it.
const SPAN: usize = 16;

/// A pattern in the making, of blocks that come one after another.
#[derive(Default)]
pub(super) struct Builder {
    /// All blocks but those of `rest` and of the present row, whose ranges are the last ones.
    pattern: Pattern,
    /// The present row.
    row: u32,
    /// Where its ranges begin.
    first: usize,
    /// Whether they are in order and apart.
    in_order: bool,
    /// Blocks of several rows, and those behind one of a later row.
    rest: Vec<[Range; 2]>,
}

impl Builder {
    /// Adds a block. What comes row after row, as graphs and triangles do, is written where it stays.
    pub(super) fn add(&mut self, rows: Range, columns: Range) {
        if rows.first >= rows.end || columns.first >= columns.end {
            return;
        }
        if rows.end - rows.first > 1 || rows.first < self.row {
            self.rest.push([rows, columns]);
            return;
        }
        if rows.first > self.row {
            self.end_row();
            self.row = rows.first;
        }
        self.in_order &= self.pattern.ranges[self.first..].last().is_none_or(|last| last.end < columns.first);
        self.pattern.ranges.push(columns);
    }

    fn end_row(&mut self) {
        let Self { pattern, row, first, in_order, .. } = self;
        let end = if *in_order { pattern.ranges.len() } else { *first + union(&mut pattern.ranges[*first..]) };
        pattern.ranges.truncate(end);
        if pattern.end_segment(*row, *first, end) {
            pattern.ranges.truncate(*first);
        }
        self.first = self.pattern.ranges.len();
        self.in_order = true;
    }

    pub(super) fn finish(mut self) -> Pattern {
        self.end_row();
        let Self { mut pattern, mut rest, .. } = self;
        if rest.is_empty() {
            pattern.ranges.shrink_to_fit();
            return pattern;
        }
        rest.extend(pattern.rectangles());
        drop(pattern);
        Pattern::of_rectangles(&rest)
    }
}

/// So many ranges are sorted without a branch.
const FEW: usize = 16;

/// Sorts at most [`FEW`] ranges: the place of each is the number of those before it. A row of a graph has about ten, in
/// whatever order, and each wrong guess of a branch takes as long as all comparisons with one of them.
fn sort_few(ranges: &mut [Range]) {
    let mut copies = [Range { first: u32::MAX, end: u32::MAX }; FEW];
    copies[..ranges.len()].copy_from_slice(ranges);
    let firsts = copies.map(|range| range.first);
    for (number, range) in copies[..ranges.len()].iter().enumerate() {
        let before = |(other, &first): (usize, &u32)| {
            u32::from((first < range.first) | ((first == range.first) & ((other as u32) < number as u32)))
        };
        let place: u32 = firsts.iter().enumerate().map(before).sum();
        ranges[place as usize] = *range;
    }
}

/// Sorts ranges and joins those that overlap or follow each other; how many are left at the front.
fn union(ranges: &mut [Range]) -> usize {
    if !ranges.is_sorted_by_key(|range| range.first) {
        if ranges.len() <= FEW {
            sort_few(ranges);
        } else {
            ranges.sort_unstable_by_key(|range| range.first);
        }
    }
    let mut count = 0;
    for number in 0..ranges.len() {
        let range = ranges[number];
        match ranges[..count].last_mut() {
            Some(last) if range.first <= last.end => last.end = last.end.max(range.end),
            _ => {
                ranges[count] = range;
                count += 1;
            }
        }
    }
    count
}

/// Rows that all meet the same ranges of the other side.
///
/// ```
/// use keops::Ranges;
///
/// let ranges = Ranges::new([(0..3, 0..2), (5..6, 0..1)])?;
/// let rows: Vec<_> = ranges.by_i().segments().iter().map(|segment| (segment.rows.first, segment.rows.end)).collect();
/// assert_eq!(rows, [(0, 3), (5, 6)]);
/// # Ok::<(), keops::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The rows.
    pub rows: Range,
    /// Where their ranges start among those of the pattern.
    pub(crate) first: usize,
    /// How many ranges.
    pub(crate) count: usize,
}

impl Pattern {
    /// The pairs in these rectangles `[rows, columns]`, of which none is empty and which may overlap.
    fn of_rectangles(rectangles: &[[Range; 2]]) -> Self {
        match Self::by_rows(|| rectangles.iter().copied(), rectangles.len()) {
            Some(pattern) => pattern,
            None => Self::by_borders(rectangles),
        }
    }

    /// The pairs of `count` rectangles, if nearly all are of a few rows: their columns are counted for each row and put in
    /// their places, which takes as long as there are rows and columns, whatever their order.
    fn by_rows<I: Iterator<Item = [Range; 2]>>(rectangles: impl Fn() -> I, count: usize) -> Option<Self> {
        let (mut entries, mut end) = (0_u64, 0);
        rectangles().for_each(|[rows, _]| {
            entries += u64::from(rows.end - rows.first);
            end = end.max(rows.end);
        });
        let entries = usize::try_from(entries).ok().filter(|&entries| entries <= LOW * count)?;
        if end as usize > SPAN * entries || u32::try_from(entries).is_err() {
            return None;
        }
        // Where the ranges of each row begin; then, as they come, where the next one goes; in the end where they end.
        let mut places = vec![0_u32; end as usize];
        rectangles().for_each(|[rows, _]| {
            places[rows.first as usize..rows.end as usize].iter_mut().for_each(|count| *count += 1);
        });
        let mut before = 0;
        for place in &mut places {
            before += core::mem::replace(place, before);
        }
        let mut ranges = vec![Range { first: 0, end: 0 }; entries];
        rectangles().for_each(|[rows, columns]| {
            for place in &mut places[rows.first as usize..rows.end as usize] {
                ranges[*place as usize] = columns;
                *place += 1;
            }
        });
        let mut pattern = Self::default();
        let (mut first, mut write) = (0, 0);
        for (row, &end) in places.iter().enumerate() {
            let end = end as usize;
            let count = union(&mut ranges[first..end]);
            ranges.copy_within(first..first + count, write);
            first = end;
            // The pattern has them for as long as it looks at them.
            pattern.ranges = ranges;
            let known = pattern.end_segment(row as u32, write, write + count);
            ranges = core::mem::take(&mut pattern.ranges);
            write += if known { 0 } else { count };
        }
        ranges.truncate(write);
        ranges.shrink_to_fit();
        pattern.ranges = ranges;
        Some(pattern)
    }

    /// The pairs in these rectangles.
    ///
    /// The border of a row moves over the rectangles: it keeps how many more of them there are behind each column than
    /// before it, and no columns where that is as many. So rectangles that lie side by side are one range.
    fn by_borders(rectangles: &[[Range; 2]]) -> Self {
        let mut events = Vec::with_capacity(2 * rectangles.len());
        for &[rows, columns] in rectangles {
            events.push((rows.first, columns, 1));
            events.push((rows.end, columns, -1));
        }
        events.sort_unstable_by_key(|event| event.0);
        let mut pattern = Self::default();
        let mut borders: BTreeMap<u32, i64> = BTreeMap::new();
        let add = |column: u32, change: i64, borders: &mut BTreeMap<u32, i64>| {
            let count = borders.entry(column).or_insert(0);
            *count += change;
            if *count == 0 {
                borders.remove(&column);
            }
        };
        let mut rest = &events[..];
        while let Some(&(row, ..)) = rest.first() {
            let here = rest.partition_point(|event| event.0 == row);
            for &(_, columns, change) in &rest[..here] {
                add(columns.first, change, &mut borders);
                add(columns.end, -change, &mut borders);
            }
            rest = &rest[here..];
            if let Some(&(end, ..)) = rest.first() {
                pattern.push(Range { first: row, end }, runs(&borders));
            }
        }
        pattern
    }

    /// Adds rows behind those that there are.
    fn push(&mut self, rows: Range, ranges: impl Iterator<Item = Range>) {
        let first = self.ranges.len();
        self.ranges.extend(ranges);
        if self.end_segment(rows.first, first, self.ranges.len()) {
            self.ranges.truncate(first);
        }
        if let Some(last) = self.segments.last_mut().filter(|last| last.rows.end == rows.first + 1) {
            last.rows.end = rows.end;
        }
    }

    /// Adds a row behind those that there are, with these ranges. Whether they are those of the row before, which
    /// it is added to, or none, so that they are not needed.
    fn end_segment(&mut self, row: u32, first: usize, end: usize) -> bool {
        let Some(range) = self.ranges[first..end].last() else { return true };
        self.end = self.end.max(range.end);
        if let Some(last) = self.segments.last_mut().filter(|last| last.rows.end == row)
            && self.ranges[last.first..][..last.count] == self.ranges[first..end]
        {
            last.rows.end += 1;
            return true;
        }
        self.segments.push(Segment { rows: Range { first: row, end: row + 1 }, first, count: end - first });
        false
    }

    /// The blocks `[rows, columns]` that it consists of.
    fn rectangles(&self) -> impl Iterator<Item = [Range; 2]> {
        let of_segment = |segment: &Segment| {
            let rows = segment.rows;
            self.ranges_of(segment).iter().map(move |&columns| [rows, columns])
        };
        self.segments.iter().flat_map(of_segment)
    }

    /// The segments, in order.
    ///
    /// ```
    /// # use keops::Ranges;
    /// let ranges = Ranges::lower_triangle(4)?;
    /// assert_eq!(ranges.by_i().segments().len(), 4); // each row meets others
    /// # Ok::<(), keops::Error>(())
    /// ```
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The ranges of a segment of this pattern.
    ///
    /// ```
    /// # use keops::Ranges;
    /// let ranges = Ranges::new([(0..3, 0..2), (0..3, 6..7)])?;
    /// let pattern = ranges.by_i();
    /// let columns = pattern.ranges_of(&pattern.segments()[0]);
    /// assert_eq!(columns.iter().map(|range| (range.first, range.end)).collect::<Vec<_>>(), [(0, 2), (6, 7)]);
    /// # Ok::<(), keops::Error>(())
    /// ```
    #[must_use]
    pub fn ranges_of(&self, segment: &Segment) -> &[Range] {
        &self.ranges[segment.first..][..segment.count]
    }

    /// All ranges, those of a segment one after another.
    ///
    /// ```
    /// # use keops::Ranges;
    /// let ranges = Ranges::new([(0..3, 0..2), (0..3, 6..7), (3..4, 0..1)])?;
    /// assert_eq!(ranges.by_i().ranges().iter().map(|range| range.end).collect::<Vec<_>>(), [2, 7, 1]);
    /// # Ok::<(), keops::Error>(())
    /// ```
    #[must_use]
    pub fn ranges(&self) -> &[Range] {
        &self.ranges
    }

    /// One past the last row on this side and on the other one.
    ///
    /// ```
    /// # use keops::Ranges;
    /// assert_eq!(Ranges::new([(0..3, 6..7), (5..6, 0..1)])?.by_i().ends(), [6, 7]);
    /// # Ok::<(), keops::Error>(())
    /// ```
    #[must_use]
    pub fn ends(&self) -> [u32; 2] {
        let rows = self.segments.last().map_or(0, |segment| segment.rows.end);
        [rows, self.end]
    }

    /// Whether a row meets a row of the other side.
    ///
    /// ```
    /// # use keops::Ranges;
    /// let ranges = Ranges::band([4, 4], 1, 0)?; // i - 1 <= j <= i
    /// assert!(ranges.by_i().contains(2, 1) && !ranges.by_i().contains(1, 2));
    /// # Ok::<(), keops::Error>(())
    /// ```
    #[must_use]
    pub fn contains(&self, row: usize, other: usize) -> bool {
        let (Ok(row), Ok(other)) = (u32::try_from(row), u32::try_from(other)) else { return false };
        let in_range = |ranges: &[Range]| {
            let after = ranges.partition_point(|range| range.end <= other);
            ranges.get(after).is_some_and(|range| range.first <= other)
        };
        let after = self.segments.partition_point(|segment| segment.rows.end <= row);
        let segment = self.segments.get(after).filter(|segment| segment.rows.first <= row);
        segment.is_some_and(|segment| in_range(self.ranges_of(segment)))
    }

    /// How many rows of the other side each of so many rows meets.
    pub(crate) fn counts(&self, rows: usize) -> Vec<u64> {
        let mut counts = vec![0; rows];
        for segment in &self.segments {
            let met = self.ranges_of(segment).iter().map(|range| u64::from(range.end - range.first)).sum();
            let [first, end] = [segment.rows.first, segment.rows.end].map(|row| (row as usize).min(rows));
            counts[first..end].fill(met);
        }
        counts
    }

    /// What calls on the CPU made of it.
    pub(crate) fn kept(&self) -> &Kept {
        &self.kept
    }

    /// How many pairs.
    pub(crate) fn pairs(&self) -> u64 {
        let length = |range: &Range| u64::from(range.end - range.first);
        let of_segment = |segment: &Segment| {
            let columns: u64 = self.ranges_of(segment).iter().map(length).sum();
            length(&segment.rows).saturating_mul(columns)
        };
        self.segments.iter().map(of_segment).fold(0, u64::saturating_add)
    }

    /// The same pairs from the other side.
    pub(super) fn transpose(&self) -> Self {
        let transposed = || self.rectangles().map(|[rows, columns]| [columns, rows]);
        match Self::by_rows(transposed, self.ranges.len()) {
            Some(pattern) => pattern,
            None => Self::by_borders(&transposed().collect::<Vec<_>>()),
        }
    }
}

/// The ranges in which the count is not 0, given how it changes.
fn runs(borders: &BTreeMap<u32, i64>) -> impl Iterator<Item = Range> {
    let mut count = 0;
    let mut start = None;
    borders.iter().filter_map(move |(&column, &change)| {
        count += change;
        if count == 0 {
            return start.take().map(|first| Range { first, end: column });
        }
        start.get_or_insert(column);
        None
    })
}
