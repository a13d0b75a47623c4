//! Pairs as the engines go through them: row after row of one side.

use core::{any::Any, fmt};
use std::sync::OnceLock;

use super::{
    bucket_sort::{Counted, is_dense},
    memory::Reused,
    rows::Joiner,
    sweep,
};
use crate::launch::Range;

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
    pub(super) segments: Reused<Segment>,
    pub(super) ranges: Reused<Range>,
    /// One past the last row of the other side.
    pub(super) end: u32,
    /// What an engine made of it.
    kept: OnceLock<Box<dyn Any + Send + Sync>>,
}

impl Clone for Pattern {
    fn clone(&self) -> Self {
        Self { segments: self.segments.clone(), ranges: self.ranges.clone(), end: self.end, kept: OnceLock::new() }
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { segments, ranges, end, .. } = self;
        f.debug_struct("Pattern").field("segments", &**segments).field("ranges", &**ranges).field("end", end).finish()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        (&self.segments[..], &self.ranges[..]) == (&other.segments[..], &other.ranges[..])
    }
}

impl Eq for Pattern {}

/// So many rows are taken one by one, for each block or range: where blocks are higher, their borders are swept.
const LOW: usize = 4;

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

    /// How many rows of the other side the rows of a segment meet.
    fn count(&self, segment: &Segment) -> u64 {
        self.ranges_of(segment).iter().map(|range| u64::from(range.end - range.first)).sum()
    }

    /// How many rows of the other side each of so many rows meets.
    pub(crate) fn counts(&self, rows: usize) -> Vec<u64> {
        let mut counts = vec![0; rows];
        for segment in &self.segments[..] {
            let end = rows.min(segment.rows.end as usize);
            counts[end.min(segment.rows.first as usize)..end].fill(self.count(segment));
        }
        counts
    }

    /// What an engine made of the pattern and keeps with it for later calls: of one type, that which was asked for first.
    pub(crate) fn kept<K: Default + Send + Sync + 'static>(&self) -> Option<&K> {
        self.kept.get_or_init(|| Box::<K>::default()).downcast_ref()
    }

    /// How many pairs.
    pub(crate) fn pairs(&self) -> u64 {
        let mut pairs = 0_u64;
        for segment in &self.segments[..] {
            let rows = u64::from(segment.rows.end - segment.rows.first);
            pairs = pairs.saturating_add(rows.saturating_mul(self.count(segment)));
        }
        pairs
    }

    /// The pairs of some of the segments, those whose numbers are kept.
    pub(crate) fn filtered(&self, keep: impl Fn(usize) -> bool) -> Self {
        let mut pattern = Self::default();
        for (_, segment) in self.segments.iter().enumerate().filter(|&(number, _)| keep(number)) {
            let ranges = self.ranges_of(segment);
            pattern.segments.push(Segment { first: pattern.ranges.len(), ..*segment });
            pattern.ranges.extend_from_slice(ranges);
            pattern.end = ranges.iter().fold(pattern.end, |end, range| end.max(range.end));
        }
        pattern.shrink()
    }

    /// The blocks `[rows, columns]` that it consists of.
    pub(super) fn blocks(&self) -> Vec<[Range; 2]> {
        let mut blocks = Vec::with_capacity(self.ranges.len());
        for segment in &self.segments[..] {
            for &columns in self.ranges_of(segment) {
                blocks.push([segment.rows, columns]);
            }
        }
        blocks
    }

    /// The pairs in these blocks `[rows, columns]`, of which none is empty and which may overlap.
    pub(super) fn of_blocks(blocks: &[[Range; 2]]) -> Self {
        let (mut entries, mut end) = (0_u64, 0);
        for [rows, _] in blocks {
            entries += u64::from(rows.end - rows.first);
            end = end.max(rows.end);
        }
        if entries > (LOW * blocks.len()) as u64 || !is_dense(entries as usize, end) {
            return sweep::of_blocks(blocks);
        }
        // Columns are put in their rows, which takes as long as there are rows and columns, whatever their order.
        let mut joiner = Joiner::new(entries as usize);
        Counted::of_rows(end as usize).add(&mut joiner, 0, blocks);
        joiner.writer.finish()
    }

    /// Whether so many pairs are about as many as there are ranges.
    pub(super) fn is_of_pairs(&self, pairs: u64) -> bool {
        pairs <= (LOW * self.ranges.len()) as u64
    }

    /// The pairs of a segment: rows and columns.
    #[inline(always)]
    pub(super) fn pairs_of(&self, segment: &Segment, mut pair: impl FnMut(u32, u32)) {
        let ranges = self.ranges_of(segment);
        for row in segment.rows.first..segment.rows.end {
            for range in ranges {
                // None is empty, and most have one.
                pair(row, range.first);
                for column in range.first + 1..range.end {
                    pair(row, column);
                }
            }
        }
    }

    /// Lets memory go that is much more than is used.
    pub(super) fn shrink(mut self) -> Self {
        self.ranges.shrink();
        self.segments.shrink();
        self
    }

    /// Adds the rows of a pattern behind those that there are.
    pub(super) fn append(&mut self, other: &Self) {
        self.end = self.end.max(other.end);
        let mut rest = &other.segments[..];
        if let (Some(last), Some(front)) = (self.segments.last_mut(), rest.first())
            && last.rows.end == front.rows.first
            && self.ranges[last.first..][..last.count] == *other.ranges_of(front)
        {
            last.rows.end = front.rows.end;
            rest = &rest[1..];
        }
        let Some(front) = rest.first() else { return };
        let (start, shift) = (self.ranges.len(), front.first);
        self.ranges.extend_from_slice(&other.ranges[shift..]);
        for segment in rest {
            self.segments.push(Segment { first: segment.first - shift + start, ..*segment });
        }
    }
}
