//! Pairs as the engines go through them: row after row of one side.

use std::collections::BTreeMap;

use crate::device::Range;

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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pattern {
    segments: Vec<Segment>,
    ranges: Vec<Range>,
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
    /// The pairs in these rectangles `[rows, columns]`, which may overlap.
    ///
    /// The border of a row moves over the rectangles: it keeps how many more of them there are behind each column than
    /// before it, and no columns where that is as many. So rectangles that lie side by side are one range.
    pub(super) fn of_rectangles(rectangles: Vec<[Range; 2]>) -> Self {
        let mut events = Vec::with_capacity(2 * rectangles.len());
        for [rows, columns] in rectangles {
            if rows.first < rows.end && columns.first < columns.end {
                events.push((rows.first, columns, 1));
                events.push((rows.end, columns, -1));
            }
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
        let count = self.ranges.len() - first;
        if count == 0 {
            return;
        }
        if let Some(last) = self.segments.last_mut() {
            let same = self.ranges[last.first..first] == self.ranges[first..];
            if last.rows.end == rows.first && same {
                last.rows.end = rows.end;
                self.ranges.truncate(first);
                return;
            }
        }
        self.segments.push(Segment { rows, first, count });
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
        [rows, self.ranges.iter().map(|range| range.end).max().unwrap_or(0)]
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
        let of_segment = |segment: &Segment| {
            let rows = segment.rows;
            self.ranges_of(segment).iter().map(move |&columns| [columns, rows])
        };
        Self::of_rectangles(self.segments.iter().flat_map(of_segment).collect())
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
