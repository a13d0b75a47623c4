//! Pairs in any order, sorted by buckets of consecutive rows.
//!
//! Pairs go to some hundred buckets at first. Those of a bucket are counted into its rows in the first-level cache, and each row has
//! them in the order in which they came. Threads fill buckets of some of the pairs each, and then put some of the buckets in order.

use core::ops;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::{
    memory::Reused,
    pattern::{Pattern, Segment},
    rows::{Joiner, Writer, one},
    sorting_network::sort,
};
use crate::launch::Range;

/// Rows of a table of so many for each entry are still worth being counted in it.
const SPAN: usize = 16;

/// Whether `count` entries of rows before `end` are counted in a table of the rows.
pub(super) fn is_dense(count: usize, end: u32) -> bool {
    end as usize <= SPAN * count && u32::try_from(count).is_ok()
}

/// Rows with columns that each meets.
pub(super) trait Entries: Copy {
    /// Hands out all of them, always in the same order.
    fn each(self, entry: impl FnMut(u32, Range));
}

/// Single pairs that can be shared out.
pub(super) trait Pairs: Entries + Sync {
    /// Whether the columns of each row come in order, and none twice.
    const IN_ORDER: bool;
    /// Part `number` of so many parts, of about as many pairs.
    fn part(self, number: usize, parts: usize) -> Self;
}

/// Rows and columns, `[first, end]`.
impl Pairs for &[Range] {
    const IN_ORDER: bool = false;

    fn part(self, number: usize, parts: usize) -> Self {
        &self[self.len() * number / parts..self.len() * (number + 1) / parts]
    }
}

impl Entries for &[Range] {
    #[inline(always)]
    fn each(self, mut entry: impl FnMut(u32, Range)) {
        for pair in self {
            entry(pair.first, one(pair.end));
        }
    }
}

/// Blocks `[rows, columns]`.
impl Entries for &[[Range; 2]] {
    #[inline(always)]
    fn each(self, mut entry: impl FnMut(u32, Range)) {
        for [rows, columns] in self {
            for row in rows.first..rows.end {
                entry(row, *columns);
            }
        }
    }
}

/// The pairs `[first, end]` of a row and a column, in whatever order.
pub(super) fn of_pairs(mut pairs: Reused<Range>) -> Pattern {
    let end = pairs.iter().map(|pair| pair.first).max().map_or(0, |row| row + 1);
    if let Some(buckets) = Buckets::new(pairs.len(), end, &pairs[..]) {
        drop(pairs);
        return buckets.join();
    }
    sort(&mut pairs);
    let mut segments: Vec<Segment> = Vec::new();
    for (place, pair) in pairs.iter_mut().enumerate() {
        match segments.last_mut() {
            Some(last) if last.rows.first == pair.first => last.count += 1,
            _ => segments.push(Segment { rows: one(pair.first), first: place, count: 1 }),
        }
        *pair = one(pair.end);
    }
    let mut joiner = Joiner::new(pairs.len());
    joiner.add(&segments, &mut pairs);
    joiner.writer.finish()
}

/// Pairs of rows and columns, sorted so far that those of a bucket, which are of some consecutive rows, can be sorted in the
/// first-level cache.
pub(super) struct Buckets {
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
#[derive(Default)]
struct Part {
    /// Rows and columns, `[first, end]`, a bucket after another.
    pairs: Reused<Range>,
    /// Where each bucket begins and ends.
    places: Vec<[usize; 2]>,
}

impl Buckets {
    /// `count` pairs, in order or not, of rows before `end`: none if these are too many to have a table of them.
    pub(super) fn new<P: Pairs>(count: usize, end: u32, pairs: P) -> Option<Self> {
        /// So many buckets at most are written at the same time, of about so many pairs.
        const MOST: usize = 512;
        const SIZE: usize = 2048;
        if !is_dense(count, end) {
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
    pub(super) fn join(&self) -> Pattern {
        let pairs = self.parts.iter().map(|part| part.pairs.len()).sum();
        let threads = threads(pairs);
        // Those of the first buckets, those of the next ones, and so on: which they are does not change the pattern.
        let cut = |number: usize| self.count * number / threads;
        let parts = of_each(threads, &|number| self.join_some(cut(number)..cut(number + 1)));
        let mut pattern = Pattern::default();
        for part in parts {
            if pattern.segments.is_empty() {
                pattern = part;
            } else {
                pattern.append(&part);
            }
        }
        pattern
    }

    /// The pairs of some buckets. Behind the first ones there is room for all others.
    fn join_some(&self, buckets: ops::Range<usize>) -> Pattern {
        let end = if buckets.start == 0 { self.count } else { buckets.end };
        let pairs = |part: &Part| part.places[end - 1][1] - part.places[buckets.start][0];
        let mut joiner = Joiner::new(self.parts.iter().map(pairs).sum());
        let mut counted = Counted::of_rows(1 << self.shift);
        for number in buckets {
            let (first, pairs) = ((number << self.shift) as u32, Bucket { parts: &self.parts, number });
            if self.in_order {
                counted.add_in_order(&mut joiner.writer, first, pairs);
            } else {
                counted.add(&mut joiner, first, pairs);
            }
        }
        joiner.writer.finish()
    }
}

/// The pairs in a bucket.
#[derive(Clone, Copy)]
struct Bucket<'a> {
    parts: &'a [Part],
    number: usize,
}

impl Entries for Bucket<'_> {
    #[inline(always)]
    fn each(self, mut entry: impl FnMut(u32, Range)) {
        for part in self.parts {
            let [start, end] = part.places[self.number];
            part.pairs[start..end].each(&mut entry);
        }
    }
}

impl Part {
    fn new(buckets: usize, shift: u32, pairs: impl Pairs) -> Self {
        // How many there are; then where the next one goes, and in the end where they end.
        let mut all = vec![[0_usize; 2]; buckets];
        let places = &mut all[..];
        pairs.each(|row, _| places[(row >> shift) as usize][1] += 1);
        let mut before = 0;
        for place in &mut *places {
            let count = place[1];
            *place = [before; 2];
            before += count;
        }
        let mut sorted = Reused::any(before);
        let to = &mut sorted[..];
        pairs.each(|row, column| {
            let place = &mut places[(row >> shift) as usize][1];
            to[*place] = Range { first: row, end: column.first };
            *place += 1;
        });
        Self { pairs: sorted, places: all }
    }
}

/// Memory in which the entries of consecutive rows are counted and put in their rows.
pub(super) struct Counted {
    /// How many there are of each row; then where the next one of it goes, and in the end where they end.
    places: Vec<u32>,
    ranges: Reused<Range>,
    segments: Reused<Segment>,
}

impl Counted {
    pub(super) fn of_rows(rows: usize) -> Self {
        Self { places: vec![0; rows], ranges: Reused::default(), segments: Reused::default() }
    }

    /// Counts the entries of rows from the first one on, and puts what is made of them in the places of their rows. How many there are.
    #[inline(always)]
    fn put(&mut self, first: u32, entries: impl Entries, make: impl Fn(u32, Range) -> Range) -> usize {
        let Self { places, ranges, .. } = self;
        let places = &mut places[..];
        places.fill(0);
        entries.each(|row, _| places[(row - first) as usize] += 1);
        let mut before = 0;
        for place in &mut *places {
            before += core::mem::replace(place, before);
        }
        let count = before as usize;
        if ranges.len() < count {
            *ranges = Reused::any(count);
        }
        let ranges = &mut ranges[..];
        entries.each(|row, columns| {
            let place = &mut places[(row - first) as usize];
            ranges[*place as usize] = make(row - first, columns);
            *place += 1;
        });
        count
    }

    /// Joins pairs whose columns come in order in each row, and none twice.
    pub(super) fn add_in_order(&mut self, to: &mut Writer, first: u32, pairs: impl Entries) {
        let count = self.put(first, pairs, |row, column| Range { first: column.first, end: row });
        to.add_columns(first, &self.ranges[..count], &mut self.places);
    }

    /// Joins entries in any order.
    pub(super) fn add(&mut self, to: &mut Joiner, first: u32, entries: impl Entries) {
        self.put(first, entries, |_, columns| columns);
        let Self { places, ranges, segments } = self;
        if segments.capacity() < places.len() {
            *segments = Reused::with_capacity(places.len());
        }
        segments.clear();
        let mut start = 0;
        for (row, &end) in (first..).zip(&*places) {
            let end = end as usize;
            if end > start {
                segments.push(Segment { rows: one(row), first: start, count: end - start });
            }
            start = end;
        }
        to.add(segments, ranges);
    }
}

/// How many threads are worth it for so many pairs.
pub(super) fn threads(pairs: usize) -> usize {
    const LEAST: usize = 1 << 16;
    rayon::current_num_threads().min(pairs / LEAST).max(1)
}

/// What a function makes of each number, on the threads of the caller's pool.
fn of_each<O: Default + Send>(count: usize, make: &(dyn Fn(usize) -> O + Sync)) -> Vec<O> {
    let mut made = Vec::new();
    made.resize_with(count, O::default);
    let made = Mutex::new(made);
    let unit = |number: usize| {
        let part = make(number);
        made.lock().unwrap_or_else(PoisonError::into_inner)[number] = part;
    };
    let unit: &(dyn Fn(usize) + Sync) = &unit;
    if count == 1 {
        unit(0);
    } else {
        (0..count).into_par_iter().for_each(unit);
    }
    made.into_inner().unwrap_or_else(PoisonError::into_inner)
}
