//! The hoisted stages of a formula, on plain numbers.
//!
//! What depends on the parameters, on one target or on one source only costs O(N + M), so it is computed on plain
//! numbers, once for every instruction set and both directions of lanes: less code for each formula than on lanes.
//! The engines copy the results into lanes.

use core::ops::Range;
use std::sync::OnceLock;

use crate::{
    arguments::View,
    components::Components,
    cpu::{Shape, plan},
    formula::{Formula, Role, width},
    real::{Element, Real},
};

/// How many sources are prepared at a time.
const CHUNK: usize = 4096;

/// A call: its arguments, checked, and what is left of the parameters and of the sources.
pub(super) struct Work<'a, T: Element, F: Formula> {
    pub(super) shape: Shape,
    parameters: F::P<T>,
    /// The numbers of each variable, row by row, in the order of `F::VARIABLES`.
    data: Vec<&'a [T]>,
    /// The prepared sources, in chunks that are made when they are first read. None if they are not kept.
    sources: Vec<OnceLock<Vec<F::J<T>>>>,
}

impl<'a, T: Element, F: Formula> Work<'a, T, F> {
    /// Prepares the parameters. `views` were checked to have `shape`. Prepared sources are kept if `reread` and if
    /// they are not too large.
    pub(super) fn new(views: &'a [View<'_, T>], shape: Shape, reread: bool) -> Self {
        let data: Vec<&[T]> = views.iter().map(View::data).collect();
        let parameters = F::parameters::<T>((), &gather::<T, F>(&data, Role::Parameter, 0));
        let kept = reread && shape.sources.saturating_mul(size_of::<F::J<T>>()) <= plan::PREPARED_BYTES;
        let chunks = if kept { shape.sources.div_ceil(CHUNK) } else { 0 };
        Self { shape, parameters, data, sources: (0..chunks).map(|_| OnceLock::new()).collect() }
    }

    /// Prepared sources from the front of a range, at most `most` of them; made in `scratch` if they are not kept.
    #[inline(never)]
    pub(super) fn sources<'s>(
        &'s self,
        range: Range<usize>,
        most: usize,
        scratch: &'s mut Vec<F::J<T>>,
    ) -> &'s [F::J<T>] {
        let Range { start, end } = range;
        let end = end.min(start.saturating_add(most));
        let chunk = start / CHUNK;
        let first = chunk * CHUNK;
        if let Some(kept) = self.sources.get(chunk) {
            let kept = kept.get_or_init(|| {
                let mut made = Vec::new();
                self.make_sources(first..self.shape.sources.min(first + CHUNK), &mut made);
                made
            });
            return &kept[start - first..kept.len().min(end - first)];
        }
        scratch.clear();
        self.make_sources(start..end, scratch);
        scratch
    }

    #[inline(never)]
    fn make_sources(&self, range: Range<usize>, to: &mut Vec<F::J<T>>) {
        let mut row = gather::<T, F>(&self.data, Role::Source, range.start);
        to.reserve_exact(range.len());
        for j in range {
            gather_into::<T, F>(&self.data, Role::Source, j, &mut row);
            to.push(F::source::<T>((), &self.parameters, &row));
        }
    }

    /// The prepared targets of a range.
    #[inline(never)]
    pub(super) fn targets(&self, range: Range<usize>) -> Vec<F::I<T>> {
        let mut row = gather::<T, F>(&self.data, Role::Target, range.start);
        let mut targets = Vec::with_capacity(range.len());
        for i in range {
            gather_into::<T, F>(&self.data, Role::Target, i, &mut row);
            targets.push(F::target::<T>((), &self.parameters, &row));
        }
        targets
    }

    /// The prepared parameters in every lane.
    #[inline(always)]
    pub(super) fn parameters<R: Real<Scalar = T>>(&self, cx: R::Cx) -> F::P<R> {
        let mut parameters = F::P::<R>::splat(R::lit(cx, 0.0));
        splat_into(cx, self.parameters.as_slice(), parameters.as_mut_slice());
        parameters
    }
}

/// A row of all variables of one role, one variable after another.
fn gather<T: Element, F: Formula>(data: &[&[T]], role: Role, row: usize) -> Vec<T> {
    let mut to = vec![T::zero(); width(F::VARIABLES, role)];
    gather_into::<T, F>(data, role, row, &mut to);
    to
}

#[inline(always)]
fn gather_into<T: Element, F: Formula>(data: &[&[T]], role: Role, row: usize, to: &mut [T]) {
    let mut at = 0;
    for (variable, data) in F::VARIABLES.iter().zip(data) {
        if variable.role == role {
            let dim = variable.dim;
            to[at..at + dim].copy_from_slice(&data[row * dim..][..dim]);
            at += dim;
        }
    }
}

/// Writes each number into every lane of the number at the same place.
#[inline(always)]
pub(super) fn splat_into<R: Real>(cx: R::Cx, from: &[R::Scalar], to: &mut [R]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to = R::splat(cx, from);
    }
}

/// Transposes rows into lanes: lane l of component c is component c of row l. The last row, of which there must be
/// one, fills the lanes that are left. `scratch` has [`Real::LANES`] places.
#[inline(always)]
pub(super) fn rows_to_lanes<R: Real, A: Components<R::Scalar>>(
    cx: R::Cx,
    rows: &[A],
    scratch: &mut [R::Scalar],
    to: &mut [R],
) {
    for (c, to) in to.iter_mut().enumerate() {
        column(rows, c, scratch);
        *to = R::load(cx, scratch);
    }
}

/// Component `c` of each row, the last row repeated. Not inlined, so that it is compiled once for all instruction
/// sets.
#[inline(never)]
fn column<T: Element, A: Components<T>>(rows: &[A], c: usize, to: &mut [T]) {
    let last = rows.len() - 1;
    for (lane, to) in to.iter_mut().enumerate() {
        *to = rows[lane.min(last)].as_slice()[c];
    }
}
