//! The loop over pairs: one tile of lanes against a list of prepared rows.

use crate::{
    components::Components,
    formula::{Formula, Sink, SourceRow},
    real::Real,
    reduction::Reduction,
};

/// A row of numbers, the same in every lane: a source when lanes run over targets.
pub(super) struct Same<'a, A>(&'a A);

impl<R: Real, A: Components<R::Scalar>> SourceRow<R> for Same<'_, A> {
    #[inline(always)]
    fn get(&self, cx: R::Cx, c: usize) -> R {
        R::splat(cx, self.0.as_slice()[c])
    }
}

/// A row of lanes: [`Real::LANES`] sources when lanes run over sources.
pub(super) struct Own<'a, A>(&'a A);

impl<R: Real, A: Components<R>> SourceRow<R> for Own<'_, A> {
    #[inline(always)]
    fn get(&self, _cx: R::Cx, c: usize) -> R {
        self.0.as_slice()[c]
    }
}

/// Which way the lanes run: how a stored row is read, and which source each lane sees.
pub(super) trait Direction<F: Formula, R: Real> {
    /// What is stored for a row.
    type Stored;
    /// Sources in a row.
    const SOURCES: u32;
    /// The row as the formula reads it.
    fn row(stored: &Self::Stored) -> impl SourceRow<R>;
    /// The sources of the lanes in the row whose first source is `first`.
    fn index(cx: R::Cx, first: u32) -> R::Index;
}

/// Lanes run over targets; every lane sees the same source.
pub(super) struct OverTargets;

impl<F: Formula, R: Real> Direction<F, R> for OverTargets {
    type Stored = F::J<R::Scalar>;
    const SOURCES: u32 = 1;
    #[inline(always)]
    fn row(stored: &Self::Stored) -> impl SourceRow<R> {
        Same(stored)
    }
    #[inline(always)]
    fn index(cx: R::Cx, first: u32) -> R::Index {
        R::index_splat(cx, first)
    }
}

/// Lanes run over sources; every lane sees the same target.
pub(super) struct OverSources;

impl<F: Formula, R: Real> Direction<F, R> for OverSources {
    type Stored = F::J<R>;
    const SOURCES: u32 = R::LANES as u32;
    #[inline(always)]
    fn row(stored: &Self::Stored) -> impl SourceRow<R> {
        Own(stored)
    }
    #[inline(always)]
    fn index(cx: R::Cx, first: u32) -> R::Index {
        R::index_ramp(cx, first)
    }
}

/// Hands the components of a pair to the reduction.
struct Push<'a, F: Formula, R: Real, Red: Reduction> {
    state: &'a mut Red::State<F, R>,
    run: &'a mut Red::Run<F, R>,
    index: R::Index,
}

impl<F: Formula, R: Real, Red: Reduction> Sink<R> for Push<'_, F, R, Red> {
    #[inline(always)]
    fn put(&mut self, cx: R::Cx, c: usize, value: R) {
        Red::push::<F, R>(cx, self.state, self.run, self.index, c, value);
    }
    #[inline(always)]
    fn put_product(&mut self, cx: R::Cx, c: usize, a: R, b: R) {
        Red::push_product::<F, R>(cx, self.state, self.run, self.index, c, a, b);
    }
}

/// Takes the pairs of one tile of lanes with all of `rows`; `first` is the number of the first source in them.
#[inline(always)]
pub(super) fn sweep<F: Formula, R: Real, Red: Reduction, D: Direction<F, R>>(
    cx: R::Cx,
    parameters: &F::P<R>,
    target: &F::I<R>,
    state: &mut Red::State<F, R>,
    rows: &[D::Stored],
    first: u32,
) {
    let mut run = Red::begin::<F, R>(cx, state);
    let mut first = first;
    for stored in rows {
        let row = D::row(stored);
        let contractions = F::contract::<R>(cx, target, &row);
        let mut push = Push::<F, R, Red> { state, run: &mut run, index: D::index(cx, first) };
        F::pair::<R>(cx, parameters, target, &row, &contractions, &mut push);
        first = first.wrapping_add(D::SOURCES);
    }
    Red::flush::<F, R>(cx, state, &run);
}
