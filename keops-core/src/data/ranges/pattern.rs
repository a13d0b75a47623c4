//! Pairs as the engines go through them: row after row of one side.

use core::{any::Any, fmt};
use std::{collections::BTreeMap, sync::OnceLock};

use pulp::{Arch, Simd, WithSimd};

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
    segments: Vec<Segment>,
    ranges: Vec<Range>,
    /// One past the last row of the other side.
    end: u32,
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
    /// The rows before the present one: a segment each.
    segments: Vec<Segment>,
    /// Their ranges and those of the present row, as they came.
    ranges: Vec<Range>,
    /// The present row.
    row: u32,
    /// Where its ranges begin.
    first: usize,
    /// Where the last one of them ends.
    last: u32,
    /// Whether those of some row are not in order.
    mixed: bool,
    /// Blocks of several rows, and those behind one of a later row.
    rest: Vec<[Range; 2]>,
}

impl Builder {
    /// For about so many blocks.
    pub(super) fn with_capacity(blocks: usize) -> Self {
        /// Iterators may be wrong about what comes.
        const MOST: usize = 1 << 22;
        Self { ranges: Vec::with_capacity(blocks.min(MOST)), ..Self::default() }
    }

    /// Adds a block. What comes row after row, as graphs and triangles do, is written where it stays.
    #[inline]
    pub(super) fn add(&mut self, rows: Range, columns: Range) {
        if rows.first == self.row && rows.end == self.row + 1 && columns.first < columns.end {
            self.mixed |= columns.first < self.last;
            self.last = columns.end;
            self.ranges.push(columns);
        } else {
            self.add_elsewhere(rows, columns);
        }
    }

    #[inline(never)]
    fn add_elsewhere(&mut self, rows: Range, columns: Range) {
        if rows.first >= rows.end || columns.first >= columns.end {
            return;
        }
        if rows.end - rows.first > 1 || rows.first < self.row {
            if self.rest.is_empty() {
                // As many as are still expected may be like that.
                self.rest.reserve(self.ranges.capacity() - self.ranges.len());
            }
            self.rest.push([rows, columns]);
            return;
        }
        self.end_row();
        self.row = rows.first;
        self.last = columns.end;
        self.ranges.push(columns);
    }

    fn end_row(&mut self) {
        let Self { segments, ranges, row, first, .. } = self;
        if ranges.len() > *first {
            let rows = Range { first: *row, end: *row + 1 };
            segments.push(Segment { rows, first: *first, count: ranges.len() - *first });
        }
        *first = ranges.len();
    }

    pub(super) fn finish(mut self) -> Pattern {
        self.end_row();
        let Self { segments, ranges, mixed, mut rest, .. } = self;
        if rest.is_empty() {
            return Pattern::of_rows(segments, ranges, mixed);
        }
        let pattern = Pattern { segments, ranges, ..Pattern::default() };
        rest.extend(pattern.rectangles());
        drop(pattern);
        Pattern::of_rectangles(&rest)
    }
}

/// So many rows are sorted at the same time, in lanes.
const LANES: usize = 8;

/// Rows of at most so many ranges: the others are sorted one by one.
const FEW: usize = 32;

/// Ranges as numbers of the same order, number n of each row in array n.
type Keys = [[u64; LANES]; FEW];

fn key(range: Range) -> u64 {
    u64::from(range.first) << 32 | u64::from(range.end)
}

fn range_of(key: u64) -> Range {
    Range { first: (key >> 32) as u32, end: key as u32 }
}

/// Which numbers are to be exchanged, if the first one is the larger, to sort `count` of them (Batcher 1968).
fn network(count: usize) -> Vec<[u8; 2]> {
    let mut network = Vec::new();
    let mut sorted = 1;
    while sorted < count {
        let mut step = sorted;
        while step > 0 {
            for start in (step % sorted..count - step).step_by(2 * step) {
                let lows = start..(start + step).min(count - step);
                // Only within twice as many as are sorted already.
                let pairs = lows.map(|low| [low, low + step]).filter(|[low, high]| low ^ high < 2 * sorted);
                network.extend(pairs.map(|pair| pair.map(|number| number as u8)));
            }
            step /= 2;
        }
        sorted *= 2;
    }
    network
}

/// Sorts the first numbers of each lane. A row of a graph has about ten, in whatever order: each wrong guess of a branch
/// would take as long as all of the comparisons.
struct SortLanes<'a> {
    keys: &'a mut Keys,
    network: &'a [[u8; 2]],
}

impl WithSimd for SortLanes<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { keys, network } = self;
        for &[low, high] in network {
            let [low, high] = [low, high].map(|number| usize::from(number) % FEW);
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

/// Writes the ranges of a row behind the first `end` ones of all, in order, and joined where they overlap or follow each
/// other. How many there are then. They are read from all of them, where nothing is written before it is read.
#[inline(always)]
fn join(ranges: &mut [Range], mut end: usize, count: usize, read: impl Fn(&[Range], usize) -> Range) -> usize {
    let mut last = read(ranges, 0);
    for number in 1..count {
        let range = read(ranges, number);
        if range.first <= last.end {
            last.end = last.end.max(range.end);
        } else {
            ranges[end] = last;
            end += 1;
            last = range;
        }
    }
    ranges[end] = last;
    end + 1
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
        match Self::by_rows(|| rectangles.iter().copied(), rectangles.len(), true) {
            Some(pattern) => pattern,
            None => Self::by_borders(rectangles),
        }
    }

    /// The pairs of `count` rectangles, if nearly all are of a few rows: their columns are counted for each row and put in
    /// their places, which takes as long as there are rows and columns, whatever their order. Columns of a row are in order
    /// if they are not `mixed`.
    fn by_rows<I: Iterator<Item = [Range; 2]>>(rectangles: impl Fn() -> I, count: usize, mixed: bool) -> Option<Self> {
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
        let mut segments = Vec::with_capacity(places.len());
        let mut first = 0;
        for (row, &end) in (0_u32..).zip(&places) {
            let count = end as usize - first;
            if count > 0 {
                segments.push(Segment { rows: Range { first: row, end: row + 1 }, first, count });
            }
            first = end as usize;
        }
        Some(Self::of_rows(segments, ranges, mixed))
    }

    /// The pairs of rows, a segment each, whose ranges follow each other, in whatever order within a row if they are
    /// `mixed`; none is empty.
    fn of_rows(mut segments: Vec<Segment>, mut ranges: Vec<Range>, mixed: bool) -> Self {
        let arch = Arch::new();
        let mut keys = [[0; LANES]; FEW];
        let mut networks = [const { None }; FEW + 1];
        let (mut known, mut last, mut end) = (0, 0, 0);
        for start in (0..segments.len()).step_by(LANES) {
            let lanes = start..segments.len().min(start + LANES);
            let few = |segment: &Segment| mixed && (2..=FEW).contains(&segment.count);
            let counts = segments[lanes.clone()].iter().filter(|segment| few(segment)).map(|segment| segment.count);
            let most = counts.max().unwrap_or(0);
            if most > 0 {
                keys[..most].fill([u64::MAX; LANES]);
                for (lane, segment) in segments[lanes.clone()].iter().enumerate().filter(|(_, segment)| few(segment)) {
                    let ranges = &ranges[segment.first..][..segment.count];
                    keys.iter_mut().zip(ranges).for_each(|(keys, &range)| keys[lane] = key(range));
                }
                let network = networks[most].get_or_insert_with(|| network(most));
                arch.dispatch(SortLanes { keys: &mut keys, network });
            }
            for number in lanes {
                let Segment { rows, first, count } = segments[number];
                let write = end;
                end = if few(&segments[number]) {
                    let lane = number - start;
                    join(&mut ranges, write, count, |_, number| range_of(keys[number % FEW][lane]))
                } else {
                    if mixed && count > FEW {
                        ranges[first..][..count].sort_unstable_by_key(|range| range.first);
                    }
                    join(&mut ranges, write, count, |ranges, number| ranges[first + number])
                };
                last = last.max(ranges[end - 1].end);
                match segments[..known].last_mut() {
                    Some(before)
                        if before.rows.end == rows.first
                            && ranges[before.first] == ranges[write]
                            && ranges[before.first..][..before.count] == ranges[write..end] =>
                    {
                        before.rows.end += 1;
                        end = write;
                    }
                    _ => {
                        segments[known] = Segment { rows, first: write, count: end - write };
                        known += 1;
                    }
                }
            }
        }
        ranges.truncate(end);
        ranges.shrink_to_fit();
        segments.truncate(known);
        segments.shrink_to_fit();
        Self { segments, ranges, end: last, ..Self::default() }
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

    /// What an engine made of the pattern and keeps with it for later calls: of one type, that which was asked for first.
    pub(crate) fn kept<K: Default + Send + Sync + 'static>(&self) -> Option<&K> {
        self.kept.get_or_init(|| Box::<K>::default()).downcast_ref()
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
        match Self::by_rows(transposed, self.ranges.len(), false) {
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
