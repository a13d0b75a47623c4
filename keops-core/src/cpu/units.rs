//! Which targets meet which sources: the units of work of lanes over targets.
//!
//! A unit is a block of consecutive targets and ranges of sources that all of them meet. Neighbouring segments of a
//! block-sparse pattern, whose targets may not fill their rows of lanes, share a unit where that is less work: what all of
//! them meet is met by all lanes, and what only some meet is met by all lanes of their rows too, the others of which then
//! forget it. A triangle, where each row has a range of its own, is so for the most part computed as a dense product is.

use core::ops::Range;

use crate::{device, ranges::Pattern};

/// A segment of fewer targets does not fill its rows of lanes.
const SHORT: usize = 32;

/// How many targets share a unit at most, if the first segment is short and if it is not.
const SHARED: [usize; 2] = [64, 256];

/// Neighbouring segments that are to share a unit.
#[derive(Default)]
struct Group {
    segments: Vec<(Range<usize>, Vec<Range<usize>>)>,
    /// What all of them meet.
    all: Vec<Range<usize>>,
    /// How many rows of lanes meet a source, in all.
    cost: usize,
}

impl Group {
    fn targets(&self) -> Range<usize> {
        match (self.segments.first(), self.segments.last()) {
            (Some((first, _)), Some((last, _))) => first.start..last.end,
            _ => 0..0,
        }
    }

    /// What all meet if it gets one more segment, and the cost then.
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

/// All units of a call, in the order of their targets, which are all targets.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Units {
    pub(super) units: Vec<Unit>,
    ranges: Vec<Range<usize>>,
    some: Vec<Some>,
}

/// A block of targets.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) targets: Range<usize>,
    /// The ranges of sources that all of them meet.
    all: Range<usize>,
    /// What some of them meet besides.
    some: Range<usize>,
}

/// Some targets of a unit.
#[derive(Debug, PartialEq, Eq)]
struct Some {
    targets: Range<usize>,
    ranges: Range<usize>,
}

impl Units {
    /// Blocks of `step` targets, each of which meets all sources.
    pub(super) fn dense(targets: usize, sources: Range<usize>, step: usize) -> Self {
        let block = |first| Unit { targets: first..targets.min(first + step), all: 0..1, some: 0..0 };
        Self { units: (0..targets).step_by(step).map(block).collect(), ranges: vec![sources], some: Vec::new() }
    }

    /// The pairs of a pattern, in blocks of at most `step` targets, for rows of so many lanes.
    pub(super) fn sparse(pattern: &Pattern, targets: usize, step: usize, lanes: usize) -> Self {
        let mut units = Self::default();
        let mut group = Group::default();
        let mut end = 0;
        for segment in pattern.segments() {
            let rows = usize_range(segment.rows);
            if rows.start > end {
                units.share(&mut group, step);
                units.own(end..rows.start, &[], step);
            }
            end = rows.end;
            let segment = (rows, pattern.ranges_of(segment).iter().copied().map(usize_range).collect());
            let (mut all, mut cost) = group.with(&segment, lanes);
            if let Some((first, _)) = group.segments.first() {
                let alone = Group::default().with(&segment, lanes);
                let most = SHARED[usize::from(first.len() >= SHORT)];
                if segment.0.end - first.start > most || cost > group.cost + alone.1 {
                    units.share(&mut group, step);
                    (all, cost) = alone;
                }
            }
            group.segments.push(segment);
            (group.all, group.cost) = (all, cost);
        }
        units.share(&mut group, step);
        units.own(end..targets, &[], step);
        units
    }

    /// Which targets of a unit meet which ranges. `in_order`: so that each target meets its sources in the order of their row
    /// numbers, which decides between equal values.
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

    /// How many pairs a unit has.
    pub(super) fn pairs(&self, unit: &Unit) -> usize {
        let met = self.met(unit, false).into_iter();
        met.map(|(targets, ranges)| targets.len().saturating_mul(length(ranges))).fold(0, usize::saturating_add)
    }

    /// Adds units of targets that all meet the same ranges.
    fn own(&mut self, targets: Range<usize>, ranges: &[Range<usize>], step: usize) {
        let all = self.push(ranges);
        // Of about the same size, so that they take about as long.
        let count = targets.len().div_ceil(step).max(1);
        let step = targets.len().div_ceil(count).next_multiple_of(64).max(1);
        for first in targets.clone().step_by(step) {
            self.units.push(Unit { targets: first..targets.end.min(first + step), all: all.clone(), some: 0..0 });
        }
    }

    /// Adds a unit of neighbouring segments, or several if it is one long segment, and forgets them.
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
                self.some.push(Some { targets, ranges });
            }
        }
        let all = self.push(&all);
        self.units.push(Unit { targets, all, some: first_some..self.some.len() });
    }

    fn push(&mut self, ranges: &[Range<usize>]) -> Range<usize> {
        let first = self.ranges.len();
        self.ranges.extend_from_slice(ranges);
        first..self.ranges.len()
    }
}

fn usize_range(range: device::Range) -> Range<usize> {
    // Row numbers are memory addresses' smaller brothers on every machine that has `std`.
    range.first as usize..range.end as usize
}

/// How many rows.
fn length(ranges: &[Range<usize>]) -> usize {
    ranges.iter().map(ExactSizeIterator::len).sum()
}

/// What is in both; ranges are in order and apart.
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

/// What is in the first and not in the second, of which all is in the first.
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
    use crate::ranges::Ranges;

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
                let units = Units::sparse(ranges.by_i(), targets, step, 16);
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
        let units = Units::sparse(triangle.by_i(), 640, 128, 16);
        assert_eq!(units.units.len(), 10);
        for unit in &units.units {
            let met = units.met(unit, false);
            assert_eq!(met[0], (unit.targets.clone(), std::slice::from_ref(&(0..unit.targets.start + 1))));
            assert_eq!(met.len(), 1 + 63);
        }
    }
}
