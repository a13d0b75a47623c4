//! Targets and sources in the orders of their trees, for a search by bounds.
//!
//! Points that keep their tree ([`KeptOrder`](super::prepare::KeptOrder)) are not sorted again.

use core::slice;
use std::borrow::Cow;

use crate::{
    cpu::{
        groups::{Group, Groups},
        plan,
        prepare::Work,
    },
    formula::{Role, width},
    lanes::Vectorized,
    problem::Shape,
    tree::{Apart, CELL, LEAF, Tree},
};

/// Targets and sources in the orders of their trees.
pub(super) struct Sorted<'w, T: Vectorized> {
    pub(super) roles: [OfRole<'w, T>; 2],
    /// Which parts of the sources the targets meet.
    pub(super) groups: Cow<'w, [Group]>,
    /// How many sources there are, of which these may be a sample.
    pub(super) of: usize,
    /// How many pairs there are in all.
    pub(super) pairs: usize,
}

/// The rows of a role in the order of their tree.
pub(super) struct OfRole<'w, T: Vectorized> {
    pub(super) tree: Cow<'w, Tree<T>>,
    /// The number of the row in each place, if the tree has not all rows.
    rows: Option<Vec<u32>>,
    /// The numbers of each variable of a row.
    pub(super) numbers: Vec<Cow<'w, [T]>>,
}

impl<'w, T: Vectorized> OfRole<'w, T> {
    /// Sorts all rows of a role.
    fn sort(work: &Work<'w, T>, role: Role) -> Self {
        let Shape { targets, sources, .. } = work.shape;
        let part = if role == Role::Target { of_targets(targets, sources) } else { of_sources(sources) };
        let dim = width(work.layout.signature.variables, role);
        let (tree, sorted) = Tree::apart_with_points(&work.all_points(role, part.count), dim, slice::from_ref(&part));
        let numbers = Self::numbers(work, role, tree.order(), sorted);
        Self { tree: Cow::Owned(tree), rows: None, numbers }
    }

    /// Sorts the rows of these numbers, in parts that follow each other.
    pub(super) fn new(work: &Work<'_, T>, role: Role, rows: &[u32], parts: &[Apart]) -> Self {
        let dim = width(work.layout.signature.variables, role);
        let (tree, sorted) = Tree::apart_with_points(&work.points(role, rows), dim, parts);
        let order: Vec<u32> = tree.order().iter().map(|&place| rows[place as usize]).collect();
        let numbers = Self::numbers(work, role, &order, sorted);
        Self { tree: Cow::Owned(tree), rows: Some(order), numbers }
    }

    /// The numbers of each variable in this order, of which all are `sorted`, row by row.
    fn numbers<'s>(work: &Work<'_, T>, role: Role, order: &[u32], sorted: Vec<T>) -> Vec<Cow<'s, [T]>> {
        let variables = work.layout.signature.variables.iter().filter(|variable| variable.role == role);
        if variables.count() == 1 { vec![Cow::Owned(sorted)] } else { work.reordered(role, order, None) }
    }

    /// The number of the row in each place.
    pub(super) fn order(&self) -> &[u32] {
        self.rows.as_deref().unwrap_or(self.tree.order())
    }

    /// All rows of a role, in the order of their tree if they keep one: a tree of all coordinates, or also of some of them.
    pub(super) fn all(work: &Work<'w, T>, role: Role, by_some: bool) -> Self {
        let Some(kept) = work.kept(role).filter(|kept| kept.alone || by_some) else { return Self::sort(work, role) };
        let (tree, sorted) = (kept.points.tree(), kept.points.sorted());
        if kept.alone {
            let numbers = vec![Cow::Borrowed(sorted)];
            return Self { tree: Cow::Borrowed(tree), rows: None, numbers };
        }
        let numbers = work.reordered(role, tree.order(), Some((kept.variable, sorted)));
        let dim = width(work.layout.signature.variables, role);
        let count = tree.order().len().max(1);
        let tree = tree.with_coordinates(dim, |place, to| {
            let mut to = to;
            for numbers in &numbers {
                let dim = numbers.len() / count;
                if let Some(to) = to.split_off_mut(..dim) {
                    to.copy_from_slice(&numbers[place * dim..][..dim]);
                }
            }
        });
        Self { tree: Cow::Owned(tree), rows: None, numbers }
    }
}

/// How targets that meet so many sources are sorted.
pub(super) fn of_targets(count: usize, sources: usize) -> Apart {
    Apart { count, leaf: plan::leaf_targets(count, sources), cell: CELL }
}

/// How sources are sorted.
pub(super) fn of_sources(count: usize) -> Apart {
    Apart { count, leaf: LEAF, cell: LEAF }
}

impl<'w, T: Vectorized> Sorted<'w, T> {
    /// All rows, see [`OfRole::all`].
    pub(super) fn all(work: &Work<'w, T>, by_some: bool) -> Self {
        let Shape { targets, sources, .. } = work.shape;
        let roles = [Role::Target, Role::Source].map(|role| move || OfRole::all(work, role, by_some));
        let parallel = plan::in_parallel(work.shape) && !work.kept(Role::Source).is_some_and(|kept| kept.alone);
        Self {
            roles: both(roles, parallel),
            groups: vec![Group::whole(targets, sources)].into(),
            of: sources,
            pairs: targets.saturating_mul(sources),
        }
    }

    /// The rows of some groups.
    pub(super) fn groups(work: &Work<'_, T>, groups: &'w Groups) -> Self {
        let targets: Vec<_> =
            groups.groups.iter().map(|group| of_targets(group.targets.len(), group.sources)).collect();
        let sources: Vec<_> = groups.parts.iter().map(|&count| of_sources(count)).collect();
        let all = [(Role::Target, &groups.targets, &targets), (Role::Source, &groups.sources, &sources)];
        let roles = all.map(|(role, rows, parts)| move || OfRole::new(work, role, rows, parts));
        let of = groups.sources.len();
        Self {
            roles: both(roles, plan::in_parallel(work.shape)),
            groups: Cow::Borrowed(&groups.groups),
            of,
            pairs: groups.pairs(),
        }
    }
}

/// The results of two functions, computed on two threads or one after the other.
fn both<R: Send>([a, b]: [impl FnOnce() -> R + Send; 2], parallel: bool) -> [R; 2] {
    if parallel {
        let (a, b) = rayon::join(a, b);
        return [a, b];
    }
    [a(), b()]
}
