//! The units of work of lanes over targets: which targets meet which sources.
//!
//! A unit is a block of consecutive targets, with the ranges of sources that all of them meet. Neighbouring segments of
//! a block-sparse pattern, whose targets may not fill their rows of lanes, share a unit where that is less work. The
//! ranges that all of them meet are computed for all lanes. The ranges that only some targets meet are computed for all
//! lanes of their rows, too, and the states of the other lanes are restored afterwards. So a triangle, where each row
//! has another range, is for the most part computed as a dense product is.
//!
//! Where a few targets meet single sources, as in a graph of nearest neighbours, the lanes of a row meet different
//! sources. Such segments make units of another kind, in which each lane has its own source (the module `scattered`).

use core::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::{
    cpu::{groups::KeptGroups, scattered::Lists},
    data::Pattern,
    launch,
};

/// The fewest targets of a segment that mostly fills its rows of lanes.
const SHORT: usize = 32;

/// The most targets of a unit that segments share: if the first segment is shorter than [`SHORT`], and if it is not.
const SHARED: [usize; 2] = [64, 256];

/// The fewest targets of a unit of scattered segments.
const SCATTERED: usize = 32;

/// The most sources that ranges of scattered segments have on average.
const SHORT_RANGE: usize = 16;

/// The time that a range takes, and the time that a row of lanes takes for a source that all lanes meet, in units of
/// the time for a source of a single lane.
const COST: [usize; 2] = [60, 2];

/// Whether it is faster if each lane gathers its own sources for the targets of a segment. This depends on the pattern
/// and the number of lanes only.
fn is_scattered(targets: usize, ranges: &[launch::Range], lanes: usize) -> bool {
    let sources: u64 = ranges.iter().map(|range| u64::from(range.end - range.first)).sum();
    let Ok(sources) = usize::try_from(sources) else { return false };
    // While the pairs of scattered segments are reduced, row numbers stand for places in a list of sources, lane by
    // lane; so lists must not be too long.
    let short = sources <= SHORT_RANGE * ranges.len() && sources <= 1 << 20 && targets <= SHORT;
    short && sources * targets <= COST[0] * ranges.len() + COST[1] * targets.div_ceil(lanes) * sources
}

/// Neighbouring segments that will share a unit.
#[derive(Default)]
struct Group {
    segments: Vec<(Range<usize>, Vec<Range<usize>>)>,
    /// The ranges that all of them meet.
    all: Vec<Range<usize>>,
    /// The number of pairs of a row of lanes and a source, in all.
    cost: usize,
}

impl Group {
    fn targets(&self) -> Range<usize> {
        match (self.segments.first(), self.segments.last()) {
            (Some((first, _)), Some((last, _))) => first.start..last.end,
            _ => 0..0,
        }
    }

    /// The ranges that all segments meet if the group gets one more segment, and the cost of that group.
    fn with(&self, segment: &(Range<usize>, Vec<Range<usize>>), lanes: usize) -> (Vec<Range<usize>>, usize) {
        let all = if self.segments.is_empty() { segment.1.clone() } else { common(&self.all, &segment.1) };
        let first = self.segments.first().unwrap_or(segment).0.start;
        let rows = |targets: &Range<usize>| (targets.end - first).div_ceil(lanes) - (targets.start - first) / lanes;
        let met = length(&all);
        let segments = self.segments.iter().chain([segment]);
        let rest: usize = segments.map(|(targets, ranges)| rows(targets) * (length(ranges) - met)).sum();
        let cost = rows(&(first..segment.0.end)) * met + rest;
        (all, cost)
    }
}

/// The units of a call, which have all targets, in order.
#[derive(Debug, Default)]
pub(crate) struct Units {
    pub(super) units: Vec<Unit>,
    ranges: Vec<Range<usize>>,
    some: Vec<SomeTargets>,
}

/// A block of targets.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) targets: Range<usize>,
    /// The ranges of sources that all of them meet.
    all: Range<usize>,
    /// The further ranges that some of them meet.
    some: Range<usize>,
    /// The scattered segments of the pattern that make this unit; if there are any, its targets meet no other ranges.
    scattered: Range<usize>,
    /// The sources of the scattered segments in the order in which lanes read them, made when they are first needed.
    lists: OnceLock<Lists>,
}

impl Unit {
    fn new(targets: Range<usize>, all: Range<usize>, some: Range<usize>) -> Self {
        Self { targets, all, some, scattered: 0..0, lists: OnceLock::new() }
    }

    pub(super) fn is_scattered(&self) -> bool {
        !self.scattered.is_empty()
    }

    /// The sources of the scattered segments in the order in which rows of `lanes` lanes read them. The unit must have
    /// been made from this pattern for as many lanes.
    pub(super) fn lists(&self, pattern: &Pattern, lanes: usize) -> &Lists {
        let segments = &pattern.segments()[self.scattered.clone()];
        self.lists.get_or_init(|| Lists::new(pattern, segments, self.targets.clone(), lanes))
    }
}

/// What the units of a pattern depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(super) targets: usize,
    /// How many targets a unit has at most.
    pub(super) step: usize,
    /// The lanes of a row of targets.
    pub(super) lanes: usize,
    /// The lanes of a row of scattered pairs, of which there may be units.
    pub(super) scattered: Option<usize>,
}

/// What calls made of a pattern, kept for later calls: its units, and its groups for selections.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    units: Mutex<Vec<(Cut, Arc<Units>)>>,
    pub(super) groups: KeptGroups,
}

/// The number of cuts of a pattern whose units are kept: enough for a formula and its derivatives.
const KEPT: usize = 4;

impl Kept {
    /// The units of a pattern: those that it keeps, if they were made before.
    pub(super) fn get(pattern: &Pattern, cut: Cut) -> Arc<Units> {
        let Some(Self { units: kept, .. }) = pattern.kept() else { return Arc::new(Units::sparse(pattern, cut)) };
        let lock = || kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, units)) = lock().iter().find(|(of, _)| *of == cut) {
            return Arc::clone(units);
        }
        let units = Arc::new(Units::sparse(pattern, cut));
        let mut kept = lock();
        if kept.len() == KEPT {
            // the oldest
            kept.remove(0);
        }
        kept.push((cut, Arc::clone(&units)));
        units
    }
}

/// Some targets of a unit.
#[derive(Debug)]
struct SomeTargets {
    targets: Range<usize>,
    ranges: Range<usize>,
}

impl Units {
    /// Blocks of `step` targets, each of which meets all sources.
    pub(super) fn dense(targets: usize, sources: Range<usize>, step: usize) -> Self {
        let block = |first| Unit::new(first..targets.min(first + step), 0..1, 0..0);
        Self { units: (0..targets).step_by(step).map(block).collect(), ranges: vec![sources], some: Vec::new() }
    }

    /// Units for the pairs of a pattern.
    fn sparse(pattern: &Pattern, Cut { targets, step, lanes, scattered }: Cut) -> Self {
        let scattered = scattered.is_some();
        let mut units = Self::default();
        let mut group = Group::default();
        let segments = pattern.segments();
        let (mut number, mut end) = (0, 0);
        while number < segments.len() {
            let rows = usize_range(segments[number].rows);
            if rows.start > end {
                units.share(&mut group, step);
                units.own(end..rows.start, &[], step);
                end = rows.start;
            }
            let mut last = number;
            let mut count = 0;
            while scattered && last < segments.len() {
                let segment = &segments[last];
                let (ranges, of_segment) = (pattern.ranges_of(segment), usize_range(segment.rows));
                if of_segment.end - rows.start > step || !is_scattered(of_segment.len(), ranges, lanes) {
                    break;
                }
                count += of_segment.len();
                last += 1;
            }
            if count >= SCATTERED {
                units.share(&mut group, step);
                end = usize_range(segments[last - 1].rows).end;
                units.units.push(Unit { scattered: number..last, ..Unit::new(rows.start..end, 0..0, 0..0) });
                number = last;
                continue;
            }
            // The last of the segments that were looked at may still begin a unit of scattered segments.
            last = if count > 0 { last } else { number + 1 };
            for segment in &segments[number..last] {
                let rows = usize_range(segment.rows);
                if rows.start > end {
                    units.share(&mut group, step);
                    units.own(end..rows.start, &[], step);
                }
                end = rows.end;
                units.group(&mut group, (rows, pattern.ranges_of(segment)), [step, lanes]);
            }
            number = last;
        }
        units.share(&mut group, step);
        units.own(end..targets, &[], step);
        units
    }

    /// Adds a segment to the group that will share a unit, or begins another group with it.
    fn group(
        &mut self,
        group: &mut Group,
        (rows, ranges): (Range<usize>, &[launch::Range]),
        [step, lanes]: [usize; 2],
    ) {
        let segment = (rows, ranges.iter().copied().map(usize_range).collect());
        let (mut all, mut cost) = group.with(&segment, lanes);
        if let Some((first, _)) = group.segments.first() {
            let alone = Group::default().with(&segment, lanes);
            let most = SHARED[usize::from(first.len() >= SHORT)];
            if segment.0.end - first.start > most || cost > group.cost + alone.1 {
                self.share(group, step);
                (all, cost) = alone;
            }
        }
        group.segments.push(segment);
        (group.all, group.cost) = (all, cost);
    }

    /// Lists which targets of a unit meet which ranges. With `in_order` each target meets its sources in the order of
    /// their row numbers, which reductions that decide between equal values need.
    pub(super) fn met<'a>(&'a self, unit: &Unit, in_order: bool) -> Vec<(Range<usize>, &'a [Range<usize>])> {
        let all = (unit.targets.clone(), &self.ranges[unit.all.clone()]);
        let some = self.some[unit.some.clone()].iter();
        let some = some.map(|some| (some.targets.clone(), &self.ranges[some.ranges.clone()]));
        let mut met: Vec<_> = [all].into_iter().chain(some).collect();
        if in_order && met.len() > 1 {
            let each = |(targets, ranges): (Range<usize>, &'a [Range<usize>])| {
                ranges.chunks(1).map(move |range| (targets.clone(), range))
            };
            met = met.into_iter().flat_map(each).collect();
            met.sort_by_key(|(_, range)| range[0].start);
        }
        met
    }

    /// The number of pairs of a unit that is not scattered.
    pub(super) fn pairs(&self, unit: &Unit) -> usize {
        let met = self.met(unit, false).into_iter();
        met.map(|(targets, ranges)| targets.len().saturating_mul(length(ranges))).fold(0, usize::saturating_add)
    }

    /// Adds units of targets that all meet the same ranges.
    fn own(&mut self, targets: Range<usize>, ranges: &[Range<usize>], step: usize) {
        let all = self.push(ranges);
        // The units have about the same size, so that they take about the same time.
        let count = targets.len().div_ceil(step).max(1);
        let step = targets.len().div_ceil(count).next_multiple_of(64).max(1);
        for first in targets.clone().step_by(step) {
            let targets = first..targets.end.min(first + step);
            self.units.push(Unit::new(targets, all.clone(), 0..0));
        }
    }

    /// Adds the unit that a group of segments shares, or several units if the group is one long segment, and empties
    /// the group.
    fn share(&mut self, group: &mut Group, step: usize) {
        let targets = group.targets();
        let Group { segments, all, .. } = core::mem::take(group);
        if segments.len() <= 1 {
            return self.own(targets, &all, step);
        }
        let first_some = self.some.len();
        for (targets, ranges) in segments {
            let rest = without(&ranges, &all);
            if !rest.is_empty() {
                let ranges = self.push(&rest);
                self.some.push(SomeTargets { targets, ranges });
            }
        }
        let all = self.push(&all);
        self.units.push(Unit::new(targets, all, first_some..self.some.len()));
    }

    fn push(&mut self, ranges: &[Range<usize>]) -> Range<usize> {
        let first = self.ranges.len();
        self.ranges.extend_from_slice(ranges);
        first..self.ranges.len()
    }
}

fn usize_range(range: launch::Range) -> Range<usize> {
    // A row number fits into `usize` on every machine that has `std`.
    range.first as usize..range.end as usize
}

/// The number of rows in all ranges.
fn length(ranges: &[Range<usize>]) -> usize {
    ranges.iter().map(ExactSizeIterator::len).sum()
}

/// The rows that are in both lists of ranges, which are sorted and disjoint.
fn common(a: &[Range<usize>], b: &[Range<usize>]) -> Vec<Range<usize>> {
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    let mut both = Vec::new();
    while let (Some(x), Some(y)) = (a.peek(), b.peek()) {
        let range = x.start.max(y.start)..x.end.min(y.end);
        if x.end < y.end {
            a.next();
        } else {
            b.next();
        }
        if !range.is_empty() {
            both.push(range);
        }
    }
    both
}

/// The rows that are in the first list and not in the second, which is a part of the first.
fn without(all: &[Range<usize>], part: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut part = part.iter().peekable();
    let mut rest = Vec::new();
    for range in all {
        let mut start = range.start;
        while let Some(gap) = part.next_if(|gap| gap.start < range.end) {
            if start < gap.start {
                rest.push(start..gap.start);
            }
            start = gap.end;
        }
        if start < range.end {
            rest.push(start..range.end);
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Ranges;

    /// How often each pair of a target and a source is in the units.
    fn counts(units: &Units, targets: usize, sources: usize) -> Vec<u8> {
        let mut counts = vec![0; targets * sources];
        let mut end = 0;
        for unit in &units.units {
            assert!(unit.targets.start == end && !unit.targets.is_empty(), "all targets, in order: {units:?}");
            end = unit.targets.end;
            let mut last = vec![0; unit.targets.len()];
            for (targets, ranges) in units.met(unit, true) {
                assert!(unit.targets.start <= targets.start && targets.end <= unit.targets.end);
                for target in targets {
                    for source in ranges.iter().cloned().flatten() {
                        counts[target * sources + source] += 1;
                        assert!(
                            last[target - unit.targets.start] <= source,
                            "in the order of their numbers: {units:?}"
                        );
                        last[target - unit.targets.start] = source;
                    }
                }
            }
        }
        assert_eq!(end, targets);
        counts
    }

    #[test]
    fn every_pair_is_met_once() {
        let seed = fastrand::u64(..);
        let mut numbers = fastrand::Rng::with_seed(seed);
        for step in [64, 128] {
            for _ in 0..200 {
                let (targets, sources) = (numbers.usize(1..300), numbers.usize(1..40));
                let mut range = |rows: usize| {
                    let (a, b) = (numbers.usize(0..=rows), numbers.usize(0..=rows));
                    a.min(b)..a.max(b)
                };
                let blocks: Vec<_> = (0..20).map(|_| (range(targets), range(sources))).collect();
                let ranges = Ranges::new(blocks.clone()).expect("they are small");
                let units = Units::sparse(ranges.by_i(), Cut { targets, step, lanes: 16, scattered: None });
                let counts = counts(&units, targets, sources);
                let pairs: usize = units.units.iter().map(|unit| units.pairs(unit)).sum();
                assert_eq!(pairs, counts.iter().map(|&count| usize::from(count)).sum::<usize>());
                for (number, &count) in counts.iter().enumerate() {
                    let (i, j) = (number / sources, number % sources);
                    let expected = blocks.iter().any(|(rows, columns)| rows.contains(&i) && columns.contains(&j));
                    assert_eq!(count, u8::from(expected), "seed {seed}: pair ({i}, {j}) of {blocks:?}");
                }
            }
        }
        assert!(counts(&Units::dense(130, 0..7, 64), 130, 7).iter().all(|&count| count == 1));
    }

    #[test]
    fn most_of_a_triangle_is_met_by_whole_units() {
        let triangle = Ranges::lower_triangle(640).expect("few rows");
        let units = Units::sparse(triangle.by_i(), Cut { targets: 640, step: 128, lanes: 16, scattered: Some(8) });
        assert_eq!(units.units.len(), 10);
        for unit in &units.units {
            let met = units.met(unit, false);
            assert_eq!(met[0], (unit.targets.clone(), std::slice::from_ref(&(0..unit.targets.start + 1))));
            assert_eq!(met.len(), 1 + 63);
        }
    }
    #[test]
    fn scattered_segments_and_others_are_all_segments() {
        let seed = fastrand::u64(..);
        let mut numbers = fastrand::Rng::with_seed(seed);
        for _ in 0..100 {
            let targets = numbers.usize(1..3000);
            let mut blocks = Vec::new();
            for i in 0..targets {
                match numbers.u8(..) {
                    0 => blocks.push((i..(i + 50).min(targets), 0..numbers.usize(30..60))),
                    1 => blocks.push((i..i + 1, 0..1000)),
                    2 => {}
                    _ => blocks
                        .extend((0..numbers.usize(0..6)).map(|_| numbers.usize(..1000)).map(|j| (i..i + 1, j..j + 1))),
                }
            }
            let ranges = Ranges::new(blocks).expect("they are small");
            let pattern = ranges.by_i();
            let units = Units::sparse(pattern, Cut { targets, step: 256, lanes: 16, scattered: Some(8) });
            let (mut end, mut pairs, mut scattered) = (0, 0, 0);
            for unit in &units.units {
                assert!(unit.targets.start == end && !unit.targets.is_empty(), "seed {seed}: all targets, in order");
                end = unit.targets.end;
                for segment in &pattern.segments()[unit.scattered.clone()] {
                    let rows = usize_range(segment.rows);
                    assert!(unit.targets.start <= rows.start && rows.end <= unit.targets.end, "seed {seed}");
                    let sources: u32 = pattern.ranges_of(segment).iter().map(|range| range.end - range.first).sum();
                    scattered += rows.len() * sources as usize;
                }
                pairs += units.pairs(unit);
            }
            assert_eq!(end, targets, "seed {seed}");
            assert_eq!((pairs + scattered) as u64, ranges.pairs(), "seed {seed}");
            assert!(targets < 2000 || scattered > 0, "seed {seed}: nearly all segments are");
        }
    }
}
