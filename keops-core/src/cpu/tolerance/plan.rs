//! Which pairs of cells are skipped, interpolated and computed.

use core::ops::Range;
use std::collections::VecDeque;

use super::{
    WORTH,
    certificates::Certificates,
    clouds::{Cloud, Clouds},
};
use crate::problem::{Shape, ToleranceReport};

/// How pairs of cells are decided on.
#[derive(Clone, Copy, Debug)]
struct Rule {
    /// The number of nodes along each axis.
    nodes: usize,
    /// How often its share of the tolerance a pair may take. Most pairs take much less than theirs.
    shares: f64,
}

/// What becomes of a pair of cells.
enum Fate {
    Skipped(f64),
    Interpolated(f64),
    Computed,
    /// It is cut along targets, and along sources.
    Cut([bool; 2]),
}

/// Which pairs of cells are interpolated and which are computed.
pub(super) struct Plan {
    /// The number of nodes along each axis.
    pub(super) nodes: usize,
    pub(super) interpolated: Vec<[u32; 2]>,
    pub(super) computed: Vec<[u32; 2]>,
    /// The largest error of a target, relative to its sum of |f|.
    bound: f64,
    /// The pairs of points that are interpolated, and those that are skipped.
    pairs: [f64; 2],
}

/// The time of a pair of nodes in pairs of points, and that of a node for each point whose cell has it.
const COST: [f64; 2] = [3.0, 0.7];

/// What planning knows.
pub(super) struct Planner<'p, 'a> {
    pub(super) certificates: &'p mut Certificates<'a>,
    pub(super) clouds: &'p Clouds,
    pub(super) tolerance: f64,
    /// For each cell of targets, the least sum of |f| of a target in it.
    pub(super) sums: Vec<f64>,
    /// Targets whose sums may be less than this are computed.
    pub(super) faint: f64,
    /// The number of components of f.
    pub(super) components: usize,
    /// Whether there is a plan for any time it takes: for tests.
    pub(super) always: bool,
}

impl Planner<'_, '_> {
    /// The best plan, if it takes less time than all pairs.
    pub(super) fn best(&mut self) -> Option<Plan> {
        /// The number of targets that are looked at before.
        const SAMPLE: usize = 24;
        /// The part of the time of all pairs in which a way has to be found.
        const PLANNING: f64 = 0.015;
        if self.sums.iter().all(|&sum| sum <= 0.0) {
            return None;
        }
        let targets = self.clouds.0[0].rows();
        let sample: Vec<usize> =
            (0..SAMPLE.min(targets)).map(|k| (2 * k + 1) * targets / (2 * SAMPLE.min(targets))).collect();
        let all = self.clouds.0.iter().map(|cloud| cloud.order.len() as f64).product::<f64>();
        // Looking for a plan takes little of the time that it may save.
        let (all, most_spent) = if self.always { (f64::INFINITY, f64::INFINITY) } else { (all, PLANNING * all) };
        let mut best: Option<(Rule, f64)> = None;
        for nodes in [8_usize, 6, 10, 12, 4, 14, 16, 18, 7, 9, 11, 5, 13, 15, 17, 3] {
            if best.as_ref().is_some_and(|(rule, _)| nodes % 2 == 1 && nodes.abs_diff(rule.nodes) > 1) {
                continue;
            }
            for shares in [256.0, 64.0, 16.0, 4.0, 1.0] {
                if self.certificates.spent() > most_spent {
                    break;
                }
                let rule = Rule { nodes, shares };
                let most = best.as_ref().map_or(WORTH * all, |(_, cost)| *cost);
                let (keeps, cost) = self.sampled(rule, &sample, most);
                if keeps && cost < most {
                    best = Some((rule, cost));
                }
                // With smaller shares it only takes longer.
                if keeps {
                    break;
                }
            }
        }
        let (mut rule, _) = best?;
        loop {
            match self.plan(rule, WORTH * all) {
                Some(plan) => return Some(plan),
                None if rule.shares <= 1.0 => return None,
                None => rule.shares /= 2.0,
            }
        }
    }

    /// The time of a pair of cells that is interpolated.
    fn of_pair(&self, nodes: usize) -> f64 {
        if self.always {
            return 1.0;
        }
        let reads = self.certificates.reads;
        let nodes = [0, 1].map(|side| (nodes as f64).powi(reads.dim(side) as i32));
        COST[0] * nodes[0] * nodes[1] * reads.components(0) as f64
    }

    /// The time that polynomials take, and the rows that are in no cell.
    fn of_points(&self, nodes: usize) -> f64 {
        let reads = self.certificates.reads;
        let [targets, sources] = &self.clouds.0;
        let of = |side: usize, cloud: &Cloud| cloud.rows() as f64 * (nodes as f64).powi(reads.dim(side) as i32);
        let of_targets = of(0, targets) * (self.components * reads.components(0)) as f64;
        COST[1] * (of_targets + of(1, sources) * reads.components(1) as f64)
    }

    /// What becomes of a pair of cells.
    fn fate(&mut self, rule: Rule, of_pair: f64, pair: [u32; 2]) -> Fate {
        let [a, b] = [0, 1].map(|side| &self.clouds.cells(side)[pair[side] as usize]);
        let count = a.rows.len() as f64 * b.rows.len() as f64;
        let sources = &self.clouds.0[1];
        // What is too small for a number is not 0.
        if self.sums[pair[0] as usize] <= self.faint {
            return if a.is_leaf() { Fate::Computed } else { Fate::Cut([true, false]) };
        }
        let share = rule.shares * self.tolerance * self.sums[pair[0] as usize] / sources.sizes[0];
        let weight = sources.sizes[pair[1] as usize];
        let [most, least] = self.certificates.sizes(pair);
        if most <= share {
            return Fate::Skipped(most * weight);
        }
        if of_pair < count && share > 0.0 {
            let error = self.certificates.error(pair, rule.nodes, share);
            if error <= share {
                return Fate::Interpolated(error * weight);
            }
        }
        let edges = [0, 1].map(|side| self.clouds.0[side].cells.edge([a, b][side].level));
        // Both cells stay about as large.
        match [!a.is_leaf(), !b.is_leaf()] {
            // Nothing in it can be skipped, nor interpolated in less time.
            _ if of_pair >= count && least > share => Fate::Computed,
            [false, false] => Fate::Computed,
            [true, true] if edges[0] != edges[1] => Fate::Cut([edges[0] > edges[1], edges[1] > edges[0]]),
            cut => Fate::Cut(cut),
        }
    }

    /// Whether the error of these targets is within the tolerance, and the time of all targets if each takes as long as these. Times of
    /// `most` and more are all the same.
    fn sampled(&mut self, rule: Rule, sample: &[usize], most: f64) -> (bool, f64) {
        let of_pair = self.of_pair(rule.nodes);
        let (mut cost, mut keeps, mut interpolates) = (0.0, true, false);
        let each = self.clouds.0[0].rows() as f64 / sample.len() as f64;
        for &target in sample {
            let (mut error, mut sum) = (0.0, 0.0_f64);
            let mut open = vec![[0_u32; 2]];
            while let Some(pair) = open.pop() {
                let rows = self.clouds.cells(0)[pair[0] as usize].rows.len() as f64;
                sum = sum.max(self.sums[pair[0] as usize]);
                match self.fate(rule, of_pair, pair) {
                    Fate::Skipped(off) => error += off,
                    Fate::Interpolated(off) => {
                        (error, interpolates) = (error + off, true);
                        cost += each * of_pair / rows;
                    }
                    Fate::Computed => {
                        cost += each * self.clouds.cells(1)[pair[1] as usize].rows.len() as f64;
                    }
                    Fate::Cut([targets, sources]) => {
                        let mut a = pair[0];
                        if targets {
                            let parts = self.clouds.cells(0)[a as usize].parts.clone();
                            let mut parts = parts.filter(|&part| self.clouds.cells(0)[part].rows.contains(&target));
                            a = parts.next().map_or(a, |part| part as u32);
                        }
                        open.extend(self.parts(1, sources, pair[1]).map(|b| [a, b]));
                    }
                }
                if cost > most {
                    return (true, most);
                }
            }
            keeps &= error <= self.tolerance * sum;
            if !keeps {
                return (false, cost);
            }
        }
        (true, if interpolates { cost + self.of_points(rule.nodes) } else { cost })
    }

    /// The cells that a cell is cut into, or the cell itself.
    fn parts(&self, side: usize, cut: bool, number: u32) -> Range<u32> {
        let parts = &self.clouds.cells(side)[number as usize].parts;
        if cut { parts.start as u32..parts.end as u32 } else { number..number + 1 }
    }

    /// The plan by a rule, unless an error is above the tolerance, or it takes too long.
    fn plan(&mut self, rule: Rule, most_cost: f64) -> Option<Plan> {
        let of_pair = self.of_pair(rule.nodes);
        let mut plan = Plan { nodes: rule.nodes, interpolated: vec![], computed: vec![], bound: 0.0, pairs: [0.0; 2] };
        let mut errors = vec![0.0_f64; self.clouds.cells(0).len()];
        let mut cost = 0.0;
        let mut open = vec![[0_u32; 2]];
        while let Some(pair) = open.pop() {
            let count = [0, 1].map(|side| self.clouds.cells(side)[pair[side] as usize].rows.len() as f64);
            let count = count[0] * count[1];
            match self.fate(rule, of_pair, pair) {
                Fate::Skipped(off) => {
                    errors[pair[0] as usize] += off;
                    plan.pairs[1] += count;
                }
                Fate::Interpolated(off) => {
                    errors[pair[0] as usize] += off;
                    plan.pairs[0] += count;
                    plan.interpolated.push(pair);
                    cost += of_pair;
                }
                Fate::Computed => {
                    plan.computed.push(pair);
                    cost += count;
                }
                Fate::Cut([targets, sources]) => {
                    for a in self.parts(0, targets, pair[0]) {
                        open.extend(self.parts(1, sources, pair[1]).map(|b| [a, b]));
                    }
                }
            }
            if cost > most_cost {
                return None;
            }
        }
        // The errors of a target are those of all cells that it is in.
        for (number, cell) in self.clouds.cells(0).iter().enumerate() {
            cell.parts.clone().for_each(|part| errors[part] += errors[number]);
            if cell.is_leaf() && errors[number] > 0.0 {
                plan.bound = plan.bound.max(errors[number] / self.sums[number]);
            }
        }
        (plan.bound <= self.tolerance).then_some(plan)
    }
}

impl Plan {
    /// What is computed pair by pair: places of targets and of sources.
    pub(super) fn blocks<'c>(&'c self, clouds: &'c Clouds) -> impl Iterator<Item = (Range<usize>, Range<usize>)> + 'c {
        self.computed.iter().map(|pair| {
            let [a, b] = [0, 1].map(|side| clouds.cells(side)[pair[side] as usize].rows.clone());
            (a, b)
        })
    }

    pub(super) fn report(&self, shape: Shape) -> ToleranceReport {
        let [interpolated, skipped] = self.pairs.map(|pairs| pairs as u64);
        let all = shape.targets as u64 * shape.sources as u64;
        ToleranceReport { skipped, interpolated, computed: all - skipped - interpolated, bound: self.bound }
    }
}

/// For each cell of targets, the least sum of |f| of a target in it, for a linear argument of size 1.
pub(super) fn sums(certificates: &mut Certificates<'_>, clouds: &Clouds, most_spent: f64) -> Vec<f64> {
    /// Where the least |f| is this part of the largest, a pair of cells is not cut.
    const CLOSE: f64 = 0.5;
    /// Where the least sum is this part of the largest, a cell is not cut.
    const ENOUGH: f64 = 0.1;
    let (cells, sources) = (clouds.cells(0), &clouds.0[1]);
    let mut sums = vec![0.0_f64; cells.len()];
    // a cell, the least and the largest of what is known of its sum, and the cells of sources of which more may be known
    let mut open = VecDeque::from([(0_u32, [0.0_f64; 2], vec![0_u32])]);
    // Large cells come first, and small ones where there is time for them.
    while let Some((cell, known, rest)) = open.pop_front() {
        if certificates.spent() > most_spent {
            break;
        }
        let a = &cells[cell as usize];
        let edge = clouds.0[0].cells.edge(a.level);
        let (mut known, mut left, mut of_left) = (known, Vec::new(), [0.0_f64; 2]);
        let mut stack = rest;
        while let Some(number) = stack.pop() {
            let b = &clouds.cells(1)[number as usize];
            let (sizes, weight) = (certificates.sizes([cell, number]), sources.sizes[number as usize]);
            let [most, least] = sizes.map(|size| size * weight);
            if least >= CLOSE * most || most <= 1e-3 * known[0] {
                known = [known[0] + least, known[1] + most];
            } else if !b.is_leaf() && sources.cells.edge(b.level) > edge {
                stack.extend(b.parts.start as u32..b.parts.end as u32);
            } else {
                of_left = [of_left[0] + least, of_left[1] + most];
                left.push((number, most));
            }
        }
        sums[cell as usize] = (known[0] + of_left[0]) * (1.0 - 1e-9);
        let matters = 1e-3 * (known[1] + of_left[1]) / left.len().max(1) as f64;
        left.retain(|&(_, most)| most >= matters);
        if known[0] + of_left[0] < ENOUGH * (known[1] + of_left[1]) {
            let rest: Vec<u32> = left
                .iter()
                .flat_map(|&(number, _)| {
                    let Range { start, end } = clouds.cells(1)[number as usize].parts;
                    if start == end { number..number + 1 } else { start as u32..end as u32 }
                })
                .collect();
            open.extend(a.parts.clone().map(|part| (part as u32, known, rest.clone())));
        }
    }
    // What holds for a cell holds for those in it, and what holds for all of these holds for the cell.
    for (number, cell) in cells.iter().enumerate() {
        cell.parts.clone().for_each(|part| sums[part] = sums[part].max(sums[number]));
    }
    for (number, cell) in cells.iter().enumerate().rev().filter(|(_, cell)| !cell.is_leaf()) {
        let least = cell.parts.clone().map(|part| sums[part]).fold(f64::INFINITY, f64::min);
        sums[number] = sums[number].max(least);
    }
    sums
}
