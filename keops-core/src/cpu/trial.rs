//! Whether a search by bounds pays: a few leaves of targets are searched, in calls that are not large of a sample of the points
//! first.

use core::sync::atomic::{AtomicUsize, Ordering};

use crate::{
    cpu::{
        best_first::{Memory, Search},
        by_bounds::FOR_THREADS,
        groups::Group,
        prepare::Work,
        sorted::{OfRole, Sorted, of_sources, of_targets},
        threads,
    },
    formula::Role,
    lanes::Vectorized,
    problem::Shape,
    tree::Apart,
};

/// Where best first meets this share of the pairs, it does not pay.
pub(super) const SHARE: f64 = 0.4;

/// The same where a group of targets meets several parts of the sources, each of which has a part that is close.
const SHARE_OF_PARTS: f64 = 0.2;

/// The fewest pairs for which narrow bounds are tried, and for which a trial may take some milliseconds.
const MANY: usize = 1 << 32;

/// The same with narrow bounds, which take several times as long.
const SHARE_NARROW: f64 = 0.1;

/// The most parts of the targets that are few.
const FEW: usize = 3;

/// The most targets and sources of a sample.
const SAMPLE: [usize; 2] = [1 << 9, 1 << 12];

impl<T: Vectorized> Sorted<'_, T> {
    /// A sample of targets and sources that all meet each other.
    pub(super) fn sample(work: &Work<'_, T>, [targets, sources]: [&[u32]; 2]) -> Self {
        let sample = |rows: &[u32], most: usize| {
            rows.iter().copied().step_by(rows.len().div_ceil(most).max(1)).collect::<Vec<_>>()
        };
        let (some_targets, some_sources) = (sample(targets, SAMPLE[0]), sample(sources, SAMPLE[1]));
        // The boxes of a sample are as large as those of all rows, if there is time for as many boxes.
        let scales = targets.len().saturating_mul(sources.len()) >= MANY;
        let scaled = |part: Apart, some: usize, all: usize| {
            let of_sample = |points: usize| if scales { (points * some).div_ceil(all.max(1)).max(1) } else { points };
            Apart { count: some, leaf: of_sample(part.leaf), cell: of_sample(part.cell) }
        };
        let parts = [
            scaled(of_targets(targets.len(), sources.len()), some_targets.len(), targets.len()),
            scaled(of_sources(sources.len()), some_sources.len(), sources.len()),
        ];
        let roles = [
            OfRole::new(work, Role::Target, &some_targets, &parts[..1]),
            OfRole::new(work, Role::Source, &some_sources, &parts[1..]),
        ];
        let groups = vec![Group::whole(some_targets.len(), some_sources.len())];
        Self { roles, groups: groups.into(), of: sources.len(), pairs: targets.len().saturating_mul(sources.len()) }
    }
}

impl<T: Vectorized> Search<'_, T> {
    /// Whether there are so many pairs that narrow bounds are tried.
    pub(super) fn may_narrow(&self) -> bool {
        self.pairs >= MANY && self.bounds.narrows()
    }

    /// The search, with narrow bounds if these are worth their time, if it pays.
    pub(super) fn that_pays(mut self) -> Option<Self> {
        let leaves: Vec<usize> = self.trees[0].leaves().collect();
        let share = |search: &Self, most: f64| {
            let met = |number: usize, most: f64, memory: &mut Memory<T>| {
                search.of_leaf(leaves[number], most as usize, 0, memory).met
            };
            search.share_met(&leaves, most, leaves.len() >= FOR_THREADS, &met)
        };
        let plain = share(&self, SHARE);
        if plain > 0.5 * SHARE_NARROW && self.may_narrow() {
            self.narrow = true;
            let narrow = share(&self, SHARE_NARROW);
            if narrow < SHARE_NARROW && narrow < 0.4 * plain {
                return Some(self);
            }
            self.narrow = false;
        }
        (plain < SHARE).then_some(self)
    }

    /// The share of the pairs that best first meets, by a few of the leaves of targets, which stop at `most`; `run` says how many
    /// sources the leaf in a place meets, of which it need not meet more than so many. Of a sample, the share of all pairs. Where a
    /// group of targets meets several parts of the sources, a share counts for more.
    pub(super) fn share_met(
        &self,
        leaves: &[usize],
        most: f64,
        parallel: bool,
        run: &(dyn Fn(usize, f64, &mut Memory<T>) -> usize + Sync),
    ) -> f64 {
        /// The leaves that are tried, of few and of many pairs.
        const LEAVES: [usize; 2] = [3, 5];
        /// It does not pay either where it meets so many of a sample.
        const MOST: f64 = 0.8;
        // Of denser points, more are met, but a smaller share of them: neither as many nor the same share.
        let Shape { sources, .. } = self.work.shape;
        let of_all = (self.of as f64 / sources as f64).sqrt().min(MOST / most);
        let of_leaf = |number: usize| {
            let group = self.group(leaves[number]);
            let of_all = if group.parts_met() > 1 { of_all.min(1.0) * SHARE_OF_PARTS / SHARE } else { of_all };
            of_all * group.sources as f64
        };
        let step = leaves.len().div_ceil(LEAVES[usize::from(self.pairs >= MANY)]).max(1);
        let met = AtomicUsize::new(0);
        threads::for_each(0..leaves.len().div_ceil(step), parallel, &|tried| {
            let number = tried * step;
            met.fetch_add(run(number, most * of_leaf(number), &mut Memory::default()), Ordering::Relaxed);
        });
        met.into_inner() as f64 / (0..leaves.len()).step_by(step).map(of_leaf).sum::<f64>()
    }

    /// Whether trying a few leaves of targets would be most of the work.
    pub(super) fn has_few_targets(&self) -> bool {
        self.trees[0].nodes() <= FEW && self.groups.len() == 1
    }
}
