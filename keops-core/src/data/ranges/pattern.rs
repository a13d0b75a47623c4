//! Pairs as the engines go through them: row after row of one side.

use core::{any::Any, fmt, ops};
use std::{collections::BTreeMap, sync::OnceLock};

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::{
    data::{
        Error, MAX_ROWS,
        ranges::{
            checked,
            memory::{Part as _, Reused},
        },
    },
    launch::Range,
};

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
    segments: Reused<Segment>,
    ranges: Reused<Range>,
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

/// Rows of a table of so many for each entry are still worth being counted in it.
const SPAN: usize = 16;

/// So many ranges are taken at a time, if rows have fewer.
const CHUNK: usize = 512;

/// A pattern in the making, of blocks that come one after another.
pub(super) struct Builder {
    /// The rows before the last ones.
    joiner: Joiner,
    /// The last rows before the present one, a segment each of what is in `ranges`.
    segments: Vec<Segment>,
    /// Their ranges and those of the present row, as they came, in the first `count` places.
    ranges: Vec<Range>,
    count: usize,
    /// The present row.
    row: u32,
    /// Where its ranges begin.
    first: usize,
    /// How many blocks there may be.
    expected: usize,
    /// Single pairs behind one of a later row, `[first, end]` for row and column.
    pairs: Reused<Range>,
    /// Blocks of several rows, and others behind one of a later row.
    rest: Vec<[Range; 2]>,
}

impl Builder {
    /// For about so many blocks.
    pub(super) fn with_capacity(blocks: usize) -> Self {
        /// Iterators may be wrong about what comes.
        const MOST: usize = 1 << 22;
        let expected = blocks.min(MOST);
        Self {
            joiner: Joiner::with_capacity(expected),
            segments: Vec::new(),
            ranges: vec![Range::ANY; CHUNK],
            count: 0,
            row: 0,
            first: 0,
            expected,
            pairs: Reused::default(),
            rest: Vec::new(),
        }
    }

    /// Adds blocks of rows and columns. What comes row after row, as graphs and triangles do, is put in order at once.
    ///
    /// # Errors
    /// Those of [`checked`].
    pub(super) fn extend(&mut self, mut blocks: impl Iterator<Item = (Blocks, Blocks)>) -> Result<(), Error> {
        let mut next = blocks.next();
        while let Some(block) = next {
            let (rows, columns) = (checked(block.0.clone())?, checked(block.1.clone())?);
            let is_row = rows.end - rows.first == 1 && columns.first < columns.end;
            next = if is_row && rows.first >= self.row {
                if self.count == self.ranges.len() {
                    self.make_room();
                }
                self.take_rows(block, &mut blocks)
            } else if is_row && columns.end - columns.first == 1 {
                self.take_pairs(block, &mut blocks)
            } else {
                if rows.first < rows.end && columns.first < columns.end {
                    if self.rest.is_empty() {
                        // As many as are expected may be like that.
                        self.rest.reserve(self.expected);
                    }
                    self.rest.push([rows, columns]);
                }
                blocks.next()
            };
        }
        Ok(())
    }

    /// Takes blocks of the present row and of later ones, one row each, while there is room, and with no more to look at than stays
    /// in registers. The first one of the others.
    #[inline(always)]
    fn take_rows(
        &mut self,
        block: (Blocks, Blocks),
        blocks: &mut impl Iterator<Item = (Blocks, Blocks)>,
    ) -> Option<(Blocks, Blocks)> {
        let Self { segments, ranges, .. } = self;
        let ranges = &mut ranges[..];
        let (mut row, mut first, mut count) = (self.row as usize, self.first, self.count);
        let mut next = Some(block);
        while let Some((rows, columns)) = &next
            && rows.start >= row
            && rows.start < MAX_ROWS
            && rows.end == rows.start + 1
            && columns.start < columns.end
            && columns.end <= MAX_ROWS
            && count < ranges.len()
        {
            if rows.start > row {
                if count > first {
                    segments.push(Segment { rows: one(row as u32), first, count: count - first });
                }
                (row, first) = (rows.start, count);
            }
            ranges[count] = Range { first: columns.start as u32, end: columns.end as u32 };
            count += 1;
            next = blocks.next();
        }
        (self.row, self.first, self.count) = (row as u32, first, count);
        next
    }

    /// Takes single pairs of rows before the present one. The first block of the others.
    fn take_pairs(
        &mut self,
        block: (Blocks, Blocks),
        blocks: &mut impl Iterator<Item = (Blocks, Blocks)>,
    ) -> Option<(Blocks, Blocks)> {
        let row = self.row as usize;
        let mut some = [Range::ANY; CHUNK];
        let mut count = 0;
        let mut next = Some(block);
        while let Some((rows, columns)) = &next
            && rows.start < row
            && rows.end == rows.start + 1
            && columns.start < MAX_ROWS
            && columns.end == columns.start + 1
            && count < some.len()
        {
            some[count] = Range { first: rows.start as u32, end: columns.start as u32 };
            count += 1;
            next = blocks.next();
        }
        self.add_pairs(&some[..count]);
        next
    }

    /// Adds single pairs that do not come row after row.
    #[inline(never)]
    fn add_pairs(&mut self, pairs: &[Range]) {
        if self.pairs.is_empty() {
            // As many as are expected may be like that, and then there are none of the others.
            self.pairs =
                self.joiner.known.give_room(self.expected).unwrap_or_else(|| Reused::with_capacity(self.expected));
        }
        self.pairs.extend_from_slice(pairs);
    }

    /// Makes room for ranges: rows before the present one are complete. As many of them are taken as fill lanes, and the others
    /// go to the front.
    #[inline(never)]
    fn make_room(&mut self) {
        let full = self.segments.len() / LANES * LANES;
        let taken = if full > 0 { full } else { self.segments.len() };
        self.joiner.add(&self.segments[..taken], &mut self.ranges);
        let start = self.segments.get(taken).map_or(self.first, |segment| segment.first);
        self.segments.drain(..taken);
        self.segments.iter_mut().for_each(|segment| segment.first -= start);
        self.ranges.copy_within(start..self.count, 0);
        self.first -= start;
        self.count -= start;
        if self.count > self.ranges.len() / 2 {
            self.ranges.resize(2 * self.ranges.len(), Range::ANY);
        }
    }

    pub(super) fn finish(mut self) -> Pattern {
        if self.count > self.first {
            self.segments.push(Segment { rows: one(self.row), first: self.first, count: self.count - self.first });
        }
        let Self { mut joiner, segments, mut ranges, mut pairs, mut rest, .. } = self;
        joiner.add(&segments, &mut ranges);
        let pattern = joiner.known.finish();
        if pairs.is_empty() && rest.is_empty() {
            return pattern;
        }
        if rest.is_empty() && pattern.pairs() <= (LOW * pattern.ranges.len()) as u64 {
            Transposed::new(&pattern).each(|end, first| pairs.push(Range { first, end }));
            drop(pattern);
            return Pattern::of_pairs(pairs);
        }
        rest.extend(pattern.rectangles());
        rest.extend(pairs.iter().map(|pair| [one(pair.first), one(pair.end)]));
        drop((pattern, pairs));
        Pattern::of_rectangles(&rest)
    }
}

/// Rows as callers number them.
type Blocks = ops::Range<usize>;

/// The range of a single row.
fn one(row: u32) -> Range {
    // Row numbers are below the largest of all.
    Range { first: row, end: row + 1 }
}

/// So many rows are sorted at the same time, in lanes.
const LANES: usize = 16;

/// Rows of at most so many ranges: the others are sorted one by one.
const FEW: usize = 32;

/// Ranges as numbers of the same order, number n of each row in array n. No vector lies across two lines of the cache.
#[repr(align(64))]
struct Keys([[u64; LANES]; FEW]);

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

/// The ranges of some rows, in lanes.
struct Sorter {
    arch: Arch,
    keys: Keys,
    /// The networks for numbers of ranges, once they are needed.
    networks: [Option<Vec<[u8; 2]>>; FEW + 1],
}

impl Default for Sorter {
    fn default() -> Self {
        Self { arch: Arch::new(), keys: Keys([[0; LANES]; FEW]), networks: [const { None }; FEW + 1] }
    }
}

impl Sorter {
    /// Takes the ranges of these rows, a row for each lane, of those that have few, and sorts them.
    fn sort(&mut self, ranges: &[Range], segments: &[Segment]) {
        let few = |segment: &Segment| segment.count <= FEW;
        let most = segments.iter().filter(|segment| few(segment)).map(|segment| segment.count).max().unwrap_or(0);
        self.keys.0[..most].fill([u64::MAX; LANES]);
        for (lane, segment) in segments.iter().enumerate().filter(|(_, segment)| few(segment)) {
            let ranges = &ranges[segment.first..][..segment.count];
            self.keys.0.iter_mut().zip(ranges).for_each(|(keys, &range)| keys[lane % LANES] = key(range));
        }
        let network = self.networks[most].get_or_insert_with(|| network(most));
        self.arch.dispatch(SortLanes { keys: &mut self.keys.0, network });
    }

    /// The first ranges of the row in a lane.
    #[inline(always)]
    fn ranges(&self, lane: usize, count: usize) -> impl Iterator<Item = Range> {
        self.keys.0[..count].iter().map(move |keys| range_of(keys[lane % LANES]))
    }
}

/// What of rows, whose ranges follow each other, is not in order.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Disorder {
    /// How many ranges begin before the one before them.
    descents: u32,
    /// How many overlap the one before them or follow it.
    touching: u32,
}

impl Disorder {
    const NONE: Self = Self { descents: 0, touching: 0 };

    #[inline(always)]
    fn add(&mut self, before: Range, range: Range) {
        self.descents += u32::from(range.first < before.first);
        self.touching += u32::from(range.first <= before.end);
    }

    /// Of rows that begin at these places.
    fn of(arch: Arch, ranges: &[Range], starts: impl Iterator<Item = usize>) -> Self {
        let mut all = arch.dispatch(Compare(ranges));
        let mut between = Self::NONE;
        starts.filter(|&start| start > 0).for_each(|start| between.add(ranges[start - 1], ranges[start]));
        all.descents -= between.descents;
        all.touching -= between.touching;
        all
    }
}

/// Compares each range with the one before it.
struct Compare<'a>(&'a [Range]);

impl WithSimd for Compare<'_> {
    type Output = Disorder;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Disorder {
        let mut all = Disorder::NONE;
        for (&before, &range) in self.0.iter().zip(self.0.iter().skip(1)) {
            all.add(before, range);
        }
        all
    }
}

/// Sorts the first numbers of each lane. A row of a graph has about ten, in whatever order: each wrong guess of a branch
/// would take as long as all of the comparisons.
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

/// Rows one after another, whose ranges are put in order and joined.
#[derive(Default)]
struct Joiner {
    sorter: Sorter,
    known: Known,
}

/// The first rows of a pattern.
#[derive(Default)]
struct Known {
    /// Behind the first `count` ranges there may be room for others.
    pattern: Pattern,
    count: usize,
}

impl Joiner {
    /// For about so many ranges.
    fn with_capacity(ranges: usize) -> Self {
        Self { known: Known::with_capacity(ranges), ..Self::default() }
    }

    /// Adds rows, a segment each, of ranges that follow each other, in whatever order within a row. None is empty.
    fn add(&mut self, segments: &[Segment], ranges: &mut [Range]) {
        segments.chunks(LANES).for_each(|segments| self.add_group(segments, ranges));
    }

    fn add_group(&mut self, segments: &[Segment], ranges: &mut [Range]) {
        let [front, .., back] = segments else { return self.add_rows(segments, ranges) };
        let all = front.first..back.first + back.count;
        // Where rows are not in order, the first one tells.
        if ranges[front.first..][..front.count].windows(2).any(|two| two[1].first < two[0].first) {
            return self.add_rows(segments, ranges);
        }
        let starts = segments.iter().map(|segment| segment.first - all.start);
        let disorder = Disorder::of(self.sorter.arch, &ranges[all.clone()], starts);
        if disorder.descents > 0 {
            return self.add_rows(segments, ranges);
        }
        let Self { known, .. } = self;
        known.make_room(all.len());
        let begins_as = |a: &Segment, b: &Segment| ranges[a.first] == ranges[b.first];
        let alike = segments.iter().zip(&segments[1..]).any(|(a, b)| begins_as(a, b));
        let Pattern { segments: before, ranges: of_before, .. } = &known.pattern;
        if disorder.touching > 0
            || alike
            || before.last().is_some_and(|before| of_before[before.first] == ranges[front.first])
        {
            for segment in segments {
                let of_row = &ranges[segment.first..][..segment.count];
                known.add_row(segment, |to| join(to, of_row.iter().copied()));
            }
            return;
        }
        let Known { pattern: Pattern { segments: before, ranges: to, end, .. }, count: start } = known;
        to[*start..][..all.len()].copy_from_slice(&ranges[all.clone()]);
        for &Segment { rows, first, count } in segments {
            *end = (*end).max(ranges[first + count - 1].end);
            before.push(Segment { rows, first: *start + first - all.start, count });
        }
        *start += all.len();
    }

    /// Adds rows whose ranges are in any order.
    fn add_rows(&mut self, segments: &[Segment], ranges: &mut [Range]) {
        let Self { sorter, known } = self;
        known.make_room(segments.iter().map(|segment| segment.count).sum());
        sorter.sort(ranges, segments);
        for (lane, segment) in segments.iter().enumerate() {
            if segment.count <= FEW {
                known.add_row(segment, |to| join(to, sorter.ranges(lane, segment.count)));
            } else {
                let of_row = &mut ranges[segment.first..][..segment.count];
                of_row.sort_unstable_by_key(|range| range.first);
                known.add_row(segment, |to| join(to, of_row.iter().copied()));
            }
        }
    }
}

impl Known {
    /// For about so many ranges.
    fn with_capacity(ranges: usize) -> Self {
        /// Rows of a graph have about so many.
        const OF_ROW: usize = 8;
        let mut known = Self::default();
        known.pattern.ranges = Reused::room(ranges);
        known.pattern.segments = Reused::with_capacity(ranges / OF_ROW);
        known
    }

    /// Adds a row, or several that are alike, whose ranges `write` writes. There is room for them.
    #[inline(always)]
    fn add_row(&mut self, segment: &Segment, write: impl FnOnce(&mut [Range]) -> usize) {
        let count = write(&mut self.pattern.ranges[self.count..][..segment.count]);
        self.end_row(segment.rows, count);
    }

    /// Adds a row, or several that are alike, of the next ranges in the room, if they are not those of the row before.
    #[inline(always)]
    fn end_row(&mut self, rows: Range, count: usize) {
        let Self { pattern: Pattern { segments, ranges, end, .. }, count: first } = self;
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
    fn add_columns(&mut self, front: u32, columns: &[Range], ends: &mut [u32]) {
        ends.fill(0);
        self.make_room(columns.len());
        let start = self.count;
        let to = &mut self.pattern.ranges[start..][..columns.len()];
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

    /// Makes room for ranges: for more than these at once, but not for more than stay in the first-level cache until they
    /// are written.
    #[inline(always)]
    fn make_room(&mut self, count: usize) {
        const AHEAD: usize = 1024;
        let ranges = &mut self.pattern.ranges;
        if self.count + count > ranges.len() {
            ranges.resize(self.count + count.max(AHEAD), Range::ANY);
        }
    }

    /// The room for ranges, of about so many, if nearly all of it is left.
    fn give_room(&mut self, expected: usize) -> Option<Reused<Range>> {
        if self.count >= expected / 16 {
            return None;
        }
        let ranges = &mut self.pattern.ranges;
        let mut room = core::mem::replace(ranges, Reused::room(self.count));
        ranges.clear();
        ranges.extend_from_slice(&room[..self.count]);
        room.clear();
        Some(room)
    }

    fn finish(self) -> Pattern {
        let Self { mut pattern, count } = self;
        pattern.ranges.truncate(count);
        pattern.ranges.shrink();
        pattern.segments.shrink();
        pattern
    }
}

/// Writes ranges that are in order, as many as there is room for, but joined where they overlap or follow each other. How many
/// there are then. Without a branch: whether neighbours of a point follow each other cannot be guessed.
#[inline(always)]
fn join(to: &mut [Range], mut from: impl Iterator<Item = Range>) -> usize {
    let Some(mut last) = from.next() else { return 0 };
    let mut end = 0;
    for range in from {
        to[end] = last;
        let apart = range.first > last.end;
        end += usize::from(apart);
        last = Range { first: if apart { range.first } else { last.first }, end: last.end.max(range.end) };
    }
    to[end] = last;
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
    /// Adds the rows of a pattern behind those that there are.
    fn append(&mut self, other: &Self) {
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
        self.segments.extend(rest.iter().map(|segment| Segment { first: segment.first - shift + start, ..*segment }));
    }

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
        let mut ranges = Reused::any(entries);
        rectangles().for_each(|[rows, columns]| {
            for place in &mut places[rows.first as usize..rows.end as usize] {
                ranges[*place as usize] = columns;
                *place += 1;
            }
        });
        let mut segments = Reused::with_capacity(places.len());
        let mut first = 0;
        for (row, &end) in (0_u32..).zip(&places) {
            let count = end as usize - first;
            if count > 0 {
                segments.push(Segment { rows: Range { first: row, end: row + 1 }, first, count });
            }
            first = end as usize;
        }
        Some(Self::of_rows(&segments, &mut ranges))
    }

    /// The pairs of rows, a segment each, whose ranges follow each other, in whatever order within a row; none is empty.
    fn of_rows(segments: &[Segment], ranges: &mut [Range]) -> Self {
        let mut joiner = Joiner::with_capacity(ranges.len());
        joiner.add(segments, ranges);
        joiner.known.finish()
    }

    /// The pairs `[first, end]` of a row and a column, in whatever order.
    fn of_pairs(mut pairs: Reused<Range>) -> Self {
        let end = pairs.iter().map(|pair| pair.first).max().map_or(0, |row| row + 1);
        if let Some(buckets) = Buckets::new(pairs.len(), end, &pairs[..]) {
            drop(pairs);
            return buckets.join();
        }
        pairs.sort_unstable_by_key(|&pair| key(pair));
        let mut segments = Reused::default();
        let mut first = 0;
        for of_row in pairs.chunk_by(|a, b| a.first == b.first) {
            segments.push(Segment { rows: one(of_row[0].first), first, count: of_row.len() });
            first += of_row.len();
        }
        pairs.iter_mut().for_each(|pair| *pair = one(pair.end));
        Self::of_rows(&segments, &mut pairs)
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
        for segment in self.segments.iter() {
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
        let count = self.pairs();
        if count <= (LOW * self.ranges.len()) as u64 {
            let pairs = Transposed::new(self);
            let end = self.end as usize;
            if end <= SPAN * count as usize
                && u32::try_from(count).is_ok()
                && threads(count as usize) == 1
                && pairs.is_near()
            {
                // Buckets would be filled one after another, and each pair would wait for the place of the one before.
                let mut known = Known::with_capacity(count as usize);
                Counted::of_rows(end).add_in_order(&mut known, 0, pairs);
                return known.finish();
            }
            return match Buckets::new(count as usize, self.end, pairs) {
                // Each row has its columns in the order in which they came.
                Some(buckets) => buckets.join(),
                None => {
                    let mut pairs = Reused::with_capacity(count as usize);
                    Transposed::new(self).each(|first, end| pairs.push(Range { first, end }));
                    Self::of_pairs(pairs)
                }
            };
        }
        let transposed = || self.rectangles().map(|[rows, columns]| [columns, rows]);
        match Self::by_rows(transposed, self.ranges.len()) {
            Some(pattern) => pattern,
            None => Self::by_borders(&transposed().collect::<Vec<_>>()),
        }
    }
}

/// Pairs that can be shared out.
trait Pairs: EachPair + Sync {
    /// Whether the columns of each row come in order, and none twice.
    const IN_ORDER: bool;
    /// Part `number` of so many parts, of about as many pairs.
    fn part(self, number: usize, parts: usize) -> Self;
}

/// Pairs of a row and a column.
trait EachPair: Copy {
    /// Hands out all of them, always in the same order.
    fn each(self, pair: impl FnMut(u32, u32));
}

/// Rows and columns, `[first, end]`.
impl Pairs for &[Range] {
    const IN_ORDER: bool = false;

    fn part(self, number: usize, parts: usize) -> Self {
        &self[self.len() * number / parts..self.len() * (number + 1) / parts]
    }
}

impl EachPair for &[Range] {
    #[inline(always)]
    fn each(self, mut pair: impl FnMut(u32, u32)) {
        self.iter().for_each(|of| pair(of.first, of.end));
    }
}

/// The pairs of some segments of a pattern, as its other side has them.
#[derive(Clone, Copy)]
struct Transposed<'a>(&'a Pattern, &'a [Segment]);

impl<'a> Transposed<'a> {
    fn new(pattern: &'a Pattern) -> Self {
        Self(pattern, &pattern.segments)
    }

    /// Whether consecutive segments meet rows that are near each other, for nearly all of those that are looked at.
    fn is_near(self) -> bool {
        /// So many segments at so many places.
        const SEGMENTS: usize = 16;
        const PLACES: usize = 32;
        /// What is done with so many rows stays in the first-level cache, or nearly.
        const ROWS: u32 = 1 << 12;
        let Self(pattern, segments) = self;
        let is_near = |place: usize| {
            let first = segments.len() * place / PLACES;
            let some = &segments[first..segments.len().min(first + SEGMENTS)];
            let of = |segment| pattern.ranges_of(segment);
            let first = some.iter().filter_map(|segment| of(segment).first()).map(|range| range.first).min();
            let end = some.iter().filter_map(|segment| of(segment).last()).map(|range| range.end).max();
            end.unwrap_or(0) - first.unwrap_or(0) <= ROWS
        };
        (0..PLACES).filter(|&place| is_near(place)).count() >= PLACES / 8 * 7
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

impl EachPair for Transposed<'_> {
    #[inline(always)]
    fn each(self, mut pair: impl FnMut(u32, u32)) {
        let Self(pattern, segments) = self;
        for segment in segments {
            let ranges = pattern.ranges_of(segment);
            for row in segment.rows.first..segment.rows.end {
                for range in ranges {
                    // None is empty, and most have one.
                    pair(range.first, row);
                    for column in range.first + 1..range.end {
                        pair(column, row);
                    }
                }
            }
        }
    }
}

/// Pairs of rows and columns, sorted so far that those of a bucket, which are of some consecutive rows, can be sorted in the
/// first-level cache. Each row has them in the order in which they came.
struct Buckets {
    /// The pairs of each bucket that came first, then those that came next, and so on.
    parts: Vec<Part>,
    /// How many buckets there are.
    count: usize,
    /// A bucket has two to the power of so many rows.
    shift: u32,
    /// Whether the columns of each row come in order, and none twice.
    in_order: bool,
}

/// Some of the pairs in buckets.
struct Part {
    /// Rows and columns, `[first, end]`, a bucket after another.
    pairs: Reused<Range>,
    /// Where each bucket begins and ends.
    places: Vec<[usize; 2]>,
}

impl Buckets {
    /// `count` pairs, in order or not, of rows before `end`: none if these are too many to have a table of them.
    fn new<P: Pairs>(count: usize, end: u32, pairs: P) -> Option<Self> {
        /// So many buckets at most are written at the same time, of about so many pairs.
        const MOST: usize = 512;
        const SIZE: usize = 2048;
        if end as usize > SPAN * count || u32::try_from(count).is_err() {
            return None;
        }
        let bits = u32::BITS - end.saturating_sub(1).leading_zeros();
        let shift = bits.saturating_sub((count / SIZE).clamp(1, MOST).next_power_of_two().ilog2());
        let buckets = (end >> shift) as usize + 1;
        let threads = threads(count);
        let parts = of_each(threads, &|number| Part::new(buckets, shift, pairs.part(number, threads)));
        Some(Self { parts, count: buckets, shift, in_order: P::IN_ORDER })
    }

    /// The pairs.
    fn join(&self) -> Pattern {
        let pairs = self.parts.iter().map(|part| part.pairs.len()).sum();
        let threads = threads(pairs);
        // Those of the first buckets, those of the next ones, and so on: which they are does not change the pattern.
        let cut = |number: usize| self.count * number / threads;
        let parts = of_each(threads, &|number| self.join_some(cut(number)..cut(number + 1), pairs / threads));
        let parts = parts.into_iter().reduce(|mut first, next| {
            first.append(&next);
            first
        });
        parts.unwrap_or_default()
    }

    /// The pairs of some buckets, about so many.
    fn join_some(&self, buckets: ops::Range<usize>, count: usize) -> Pattern {
        let mut joiner = Joiner::with_capacity(count);
        let (mut counted, mut segments) = (Counted::of_rows(1 << self.shift), Vec::new());
        for number in buckets {
            let (first, pairs) = ((number << self.shift) as u32, Bucket { parts: &self.parts, number });
            if self.in_order {
                counted.add_in_order(&mut joiner.known, first, pairs);
            } else {
                counted.add(&mut joiner, &mut segments, first, pairs);
            }
        }
        joiner.known.finish()
    }
}

/// The pairs in a bucket.
#[derive(Clone, Copy)]
struct Bucket<'a> {
    parts: &'a [Part],
    number: usize,
}

impl EachPair for Bucket<'_> {
    #[inline(always)]
    fn each(self, mut pair: impl FnMut(u32, u32)) {
        for part in self.parts {
            part.bucket(self.number).iter().for_each(|of| pair(of.first, of.end));
        }
    }
}

/// Memory in which pairs of consecutive rows are counted and put in their rows.
struct Counted {
    /// How many there are of each row; then where the next one of it goes.
    places: Vec<u32>,
    ranges: Reused<Range>,
}

impl Counted {
    fn of_rows(rows: usize) -> Self {
        Self { places: vec![0; rows], ranges: Reused::default() }
    }

    /// Counts the pairs of rows from the first one on, and calls `row` with the number of each one of them that has some,
    /// where these begin, and how many they are.
    #[inline(always)]
    fn count(&mut self, first: u32, pairs: impl EachPair, mut row: impl FnMut(u32, usize, usize)) {
        self.places.fill(0);
        pairs.each(|row, _| self.places[(row - first) as usize] += 1);
        let mut before = 0;
        for (number, place) in (first..).zip(&mut self.places) {
            let count = core::mem::replace(place, before);
            if count > 0 {
                row(number, before as usize, count as usize);
            }
            before += count;
        }
        if self.ranges.len() < before as usize {
            self.ranges = Reused::any(before as usize);
        }
    }

    /// Puts what is made of the rows' numbers and of columns in the next place of each row. How many there are.
    #[inline(always)]
    fn put(&mut self, first: u32, pairs: impl EachPair, make: impl Fn(u32, u32) -> Range) {
        let Self { places, ranges } = self;
        let ranges = &mut ranges[..];
        pairs.each(|row, column| {
            let place = &mut places[(row - first) as usize];
            ranges[*place as usize] = make(row - first, column);
            *place += 1;
        });
    }

    /// Joins pairs whose columns come in order in each row, and none twice.
    fn add_in_order(&mut self, to: &mut Known, first: u32, pairs: impl EachPair) {
        let mut all = 0;
        self.count(first, pairs, |_, _, count| all += count);
        self.put(first, pairs, |row, column| Range { first: column, end: row });
        to.add_columns(first, &self.ranges[..all], &mut self.places);
    }

    /// Joins pairs in any order.
    fn add(&mut self, to: &mut Joiner, segments: &mut Vec<Segment>, first: u32, pairs: impl EachPair) {
        segments.clear();
        self.count(first, pairs, |row, first, count| segments.push(Segment { rows: one(row), first, count }));
        self.put(first, pairs, |_, column| one(column));
        to.add(segments, &mut self.ranges);
    }
}

impl Part {
    fn new(buckets: usize, shift: u32, pairs: impl Pairs) -> Self {
        // How many there are; then where the next one goes, and in the end where they end.
        let mut places = vec![[0_usize; 2]; buckets];
        pairs.each(|row, _| places[(row >> shift) as usize][1] += 1);
        let mut before = 0;
        for place in &mut places {
            let count = place[1];
            *place = [before; 2];
            before += count;
        }
        let mut sorted = Reused::any(before);
        pairs.each(|row, column| {
            let place = &mut places[(row >> shift) as usize][1];
            sorted[*place] = Range { first: row, end: column };
            *place += 1;
        });
        Self { pairs: sorted, places }
    }

    fn bucket(&self, number: usize) -> &[Range] {
        let [start, end] = self.places[number];
        &self.pairs[start..end]
    }
}

/// How many threads are worth it for so many pairs.
fn threads(pairs: usize) -> usize {
    const LEAST: usize = 1 << 16;
    rayon::current_num_threads().min(pairs / LEAST).max(1)
}

/// What a function makes of each number, on the threads of the caller's pool.
fn of_each<O: Send>(count: usize, make: &(dyn Fn(usize) -> O + Sync)) -> Vec<O> {
    if count == 1 { vec![make(0)] } else { (0..count).into_par_iter().map(make).collect() }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// All instruction sets of this machine.
    fn all() -> Vec<Arch> {
        let mut all = vec![Arch::Scalar, Arch::new()];
        #[cfg(target_arch = "x86_64")]
        all.extend(pulp::x86::V3::try_new().map(Arch::V3));
        all
    }

    #[test]
    fn lanes_are_sorted_by_all_instruction_sets() {
        let seed = fastrand::u64(..);
        let mut numbers = fastrand::Rng::with_seed(seed);
        for arch in all() {
            let mut sorter = Sorter { arch, ..Sorter::default() };
            for most in 1..=FEW {
                let mut ranges = Vec::new();
                let mut segments = Vec::new();
                for row in 0..LANES as u32 {
                    // One of the rows is too long for a lane.
                    let count = if row == 5 { FEW + 1 } else { numbers.usize(1..=most) };
                    segments.push(Segment { rows: one(row), first: ranges.len(), count });
                    ranges.extend((0..count).map(|_| {
                        let bits = numbers.u32(1..32);
                        let first = numbers.u32(0..1 << bits);
                        Range { first, end: first + numbers.u32(1..5) }
                    }));
                }
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

    #[test]
    fn disorder_is_that_within_rows() {
        let seed = fastrand::u64(..);
        let mut numbers = fastrand::Rng::with_seed(seed);
        for arch in all() {
            for _ in 0..100 {
                let mut starts = Vec::new();
                let mut ranges = Vec::new();
                let mut expected = Disorder::NONE;
                for _ in 0..numbers.usize(1..20) {
                    starts.push(ranges.len());
                    let row: Vec<_> = (0..numbers.usize(1..9)).map(|_| one(numbers.u32(0..40))).collect();
                    expected.descents += row.windows(2).filter(|two| two[1].first < two[0].first).count() as u32;
                    expected.touching += row.windows(2).filter(|two| two[1].first <= two[0].end).count() as u32;
                    ranges.extend(row);
                }
                assert!(Disorder::of(arch, &ranges, starts.into_iter()) == expected, "seed {seed}, {arch:?}");
            }
        }
    }

    #[test]
    fn near_is_what_meets_few_rows_at_most_places() {
        let graph = |other: &dyn Fn(u32) -> u32| {
            let pairs = (0..100_000).map(|row| [row, other(row)].map(|row| row as usize));
            super::super::Ranges::new(pairs.map(|[i, j]| (i..i + 1, j..j + 1))).expect("they are in order")
        };
        let is_near = |other: &dyn Fn(u32) -> u32| Transposed::new(graph(other).by_i()).is_near();
        assert!(is_near(&|row| 2 * row));
        assert!(is_near(&|row| 100_000 - row));
        assert!(!is_near(&|row| row * 7919 % 100_000));
        assert!(is_near(&|row| if row % 5000 == 3000 { 0 } else { row + 50_000 }), "one far away here and there");
        assert!(Transposed::new(&Pattern::default()).is_near(), "none is far away");
    }
}
