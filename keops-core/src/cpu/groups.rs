//! Targets that meet the same ranges of sources, for selections by bounds.
//!
//! Where ranges are long, a selection over them is a few selections over all pairs: one for each *group* of targets, which are
//! those that meet the same ranges. The ranges of all groups are cut where one of them begins or ends, so that each group meets
//! whole *parts* of the sources. The parts are sorted once ([`Tree::apart`](crate::tree::Tree::apart)), however many groups meet
//! them, and a group is searched from all roots of its parts.
//!
//! Targets that meet few sources are left to the loop over all pairs, and so is a pattern whose parts are short, as those of a
//! triangle are, where each target has a range of its own.

use core::ops::Range;
use std::{collections::HashMap, sync::OnceLock};

use crate::{cpu::plan, data::Pattern, launch};

/// Groups of targets and the parts of the sources that they meet.
#[derive(Debug)]
pub(super) struct Groups {
    /// The targets, group after group.
    pub(super) targets: Vec<u32>,
    /// The sources, part after part.
    pub(super) sources: Vec<u32>,
    /// How many sources each part has.
    pub(super) parts: Vec<usize>,
    pub(super) groups: Vec<Group>,
    /// The pairs of the targets that are in no group.
    pub(super) rest: Pattern,
}

/// Targets that meet the same parts of the sources.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// Their places among the targets of all groups.
    pub(super) targets: Range<usize>,
    /// The numbers of the parts.
    pub(super) parts: Vec<Range<usize>>,
    /// How many sources these have.
    pub(super) sources: usize,
}

impl Group {
    /// Targets that meet all of the sources, in one part.
    pub(super) fn whole(targets: usize, sources: usize) -> Self {
        Self { targets: 0..targets, parts: vec![0..1; 1], sources }
    }

    /// How many parts they meet.
    pub(super) fn parts_met(&self) -> usize {
        self.parts.iter().map(Range::len).sum()
    }

    /// The number of pairs.
    pub(super) fn pairs(&self) -> usize {
        self.targets.len().saturating_mul(self.sources)
    }
}

/// The groups of a pattern that may be worth a search, kept for later calls.
#[derive(Debug, Default)]
pub(super) struct KeptGroups(OnceLock<Option<Groups>>);

impl KeptGroups {
    pub(super) fn get(&self, pattern: &Pattern) -> Option<&Groups> {
        let worth_it = || {
            if pattern.pairs() < plan::PAIRS_FOR_SEARCH as u64 {
                return None;
            }
            let groups = Groups::new(pattern, plan::GROUP)?;
            plan::may_search_groups(&groups).then_some(groups)
        };
        self.0.get_or_init(worth_it).as_ref()
    }
}

impl Groups {
    /// The groups of at least so many targets and sources, in the order of their first targets. `None` if there are none.
    pub(super) fn new(pattern: &Pattern, [targets, sources]: [usize; 2]) -> Option<Self> {
        let mut numbers: HashMap<Vec<[u32; 2]>, usize> = HashMap::new();
        let mut found: Vec<OfPattern<'_>> = Vec::new();
        let mut group_of = vec![usize::MAX; pattern.segments().len()];
        for (segment, number) in pattern.segments().iter().zip(&mut group_of) {
            let ranges = pattern.ranges_of(segment);
            let of_each = ranges.iter().map(len).sum::<usize>();
            if of_each < sources {
                continue;
            }
            let key = ranges.iter().map(|range| [range.first, range.end]).collect();
            *number = *numbers.entry(key).or_insert_with(|| {
                found.push(OfPattern { ranges, targets: 0, sources: of_each });
                found.len() - 1
            });
            found[*number].targets += len(&segment.rows);
        }
        drop(numbers);
        let is_large = |number: usize| found.get(number).is_some_and(|group| group.targets >= targets);
        let large = || found.iter().filter(|group| group.targets >= targets);
        let parts = Parts::new(large().flat_map(|group| group.ranges));
        if parts.0.is_empty() {
            return None;
        }
        let mut end = 0;
        let mut starts = vec![0; found.len()];
        let mut groups = Vec::new();
        for (group, start) in found.iter().zip(&mut starts).filter(|(group, _)| group.targets >= targets) {
            (*start, end) = (end, end + group.targets);
            let parts = group.ranges.iter().map(|range| parts.in_range(range)).collect();
            groups.push(Group { targets: *start..end, parts, sources: group.sources });
        }
        let mut of_groups = vec![0; end];
        for (segment, &number) in pattern.segments().iter().zip(&group_of).filter(|&(_, &number)| is_large(number)) {
            let to = &mut of_groups[starts[number]..][..len(&segment.rows)];
            to.iter_mut().zip(segment.rows.first..).for_each(|(to, row)| *to = row);
            starts[number] += len(&segment.rows);
        }
        Some(Self {
            targets: of_groups,
            sources: parts.0.iter().flat_map(|part| part.first..part.end).collect(),
            parts: parts.0.iter().map(len).collect(),
            groups,
            rest: pattern.filtered(|number| !is_large(group_of[number])),
        })
    }

    /// The sources that a group meets.
    pub(super) fn sources_of(&self, group: &Group) -> Vec<u32> {
        let mut of_group = Vec::with_capacity(group.sources);
        let mut start = 0;
        for (part, &count) in self.parts.iter().enumerate() {
            if group.parts.iter().any(|parts| parts.contains(&part)) {
                of_group.extend_from_slice(&self.sources[start..start + count]);
            }
            start += count;
        }
        of_group
    }

    /// The number of pairs of all groups.
    pub(super) fn pairs(&self) -> usize {
        self.groups.iter().map(Group::pairs).fold(0, usize::saturating_add)
    }
}

/// A group as the pattern has it: its ranges, and the numbers of its targets and sources.
struct OfPattern<'p> {
    ranges: &'p [launch::Range],
    targets: usize,
    sources: usize,
}

/// Disjoint ranges of sources, in order.
struct Parts(Vec<launch::Range>);

impl Parts {
    /// What is in some ranges, cut where one of them begins or ends.
    fn new<'p>(ranges: impl Iterator<Item = &'p launch::Range>) -> Self {
        // Where they begin and end, with the number of ranges that begin there, or -1 for each that ends.
        let mut ends: Vec<(u32, i64)> = ranges.flat_map(|range| [(range.first, 1), (range.end, -1)]).collect();
        ends.sort_unstable();
        let (mut parts, mut open) = (Vec::new(), 0);
        for pair in ends.windows(2) {
            let [(first, step), (end, _)] = [pair[0], pair[1]];
            open += step;
            if open > 0 && first < end {
                parts.push(launch::Range { first, end });
            }
        }
        Self(parts)
    }

    /// The numbers of the parts of one of the ranges.
    fn in_range(&self, range: &launch::Range) -> Range<usize> {
        let before = |row: u32| self.0.partition_point(|part| part.first < row);
        before(range.first)..before(range.end)
    }
}

fn len(range: &launch::Range) -> usize {
    // A row number fits into `usize` on every machine that has `std`.
    (range.end - range.first) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Ranges;

    #[test]
    fn every_pair_is_in_a_group_or_in_the_rest() {
        let seed = fastrand::u64(..);
        let mut numbers = fastrand::Rng::with_seed(seed);
        for least in [[1, 1], [1, 9], [5, 1], [7, 12]] {
            for _ in 0..300 {
                let (targets, sources) = (numbers.usize(1..60), numbers.usize(1..40));
                // A few ranges, so that some targets meet the same.
                let some: Vec<_> = (0..4).map(|_| [numbers.usize(0..=sources), numbers.usize(0..=sources)]).collect();
                let blocks: Vec<_> = (0..numbers.usize(0..30))
                    .map(|_| {
                        let (first, rows) = (numbers.usize(0..targets), numbers.usize(0..8));
                        let [a, b] = some[numbers.usize(0..some.len())];
                        (first..(first + rows).min(targets), a.min(b)..a.max(b))
                    })
                    .collect();
                let ranges = Ranges::new(blocks.clone()).expect("they are small");
                let expected = |i: usize, j: usize| blocks.iter().any(|(a, b)| a.contains(&i) && b.contains(&j));
                let message = format!("seed {seed}: {blocks:?}, {least:?}");
                let Some(found) = Groups::new(ranges.by_i(), least) else { continue };
                let starts: Vec<usize> = (0..=found.parts.len()).map(|part| found.parts[..part].iter().sum()).collect();
                assert_eq!(starts[found.parts.len()], found.sources.len(), "{message}");
                let mut seen = vec![0; targets * sources];
                for group in &found.groups {
                    assert!(group.targets.len() >= least[0] && group.sources >= least[1], "{message}");
                    let parts = group.parts.iter().cloned().flatten();
                    let rows: Vec<u32> =
                        parts.flat_map(|part| &found.sources[starts[part]..starts[part + 1]]).copied().collect();
                    assert_eq!(rows.len(), group.sources, "{message}");
                    for &i in &found.targets[group.targets.clone()] {
                        rows.iter().for_each(|&j| seen[i as usize * sources + j as usize] += 1);
                    }
                }
                let in_groups: u64 = seen.iter().sum();
                assert_eq!(in_groups, found.pairs() as u64, "{message}");
                assert_eq!(in_groups + found.rest.pairs(), ranges.pairs(), "{message}");
                for (pair, count) in seen.into_iter().enumerate() {
                    let (i, j) = (pair / sources, pair % sources);
                    let count = count + u64::from(found.rest.contains(i, j));
                    assert_eq!(count, u64::from(expected(i, j)), "{message}: ({i}, {j})");
                }
            }
        }
    }

    #[test]
    fn what_is_not_worth_it_is_told_from_sizes() {
        let of = |ranges: &Ranges| KeptGroups::default().get(ranges.by_i()).map(|groups| groups.groups.len());
        // five clusters, each with the sources of two
        let five = [0, 1, 2, 3, 4].map(|k| (k * 20_000..(k + 1) * 20_000, k * 20_000..(k + 2) * 20_000));
        assert_eq!(of(&Ranges::new(five).expect("few rows")), Some(5));
        // the same, of which one meets no more than some of its own
        let some = [(90_000..100_000, 0..100), (0..90_000, 0..50_000)];
        assert_eq!(of(&Ranges::new(some).expect("few rows")), Some(1));
        let every = |step: usize| (0..40_000).map(move |k| (k..k + 1, k % step * 10_000..(k % step + 1) * 10_000));
        assert_eq!(of(&Ranges::new(every(4)).expect("few rows")), Some(4), "targets in any order");
        assert_eq!(of(&Ranges::lower_triangle(30_000).expect("few rows")), None);
        assert_eq!(of(&Ranges::band([100_000; 2], 5, 5).expect("few rows")), None);
        assert_eq!(of(&Ranges::new([(0..1000, 0..1000)]).expect("few rows")), None);
    }
}
