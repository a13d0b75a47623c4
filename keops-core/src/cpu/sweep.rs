//! The loop over pairs: targets against prepared sources, one of which are lanes.
//!
//! This is compiled for every formula, three or four times. Counted `while` loops are a third of the code for the
//! compiler that iterators are, and it is less than half of the code without checks to remove.

use crate::{
    components::Components,
    formula::{Formula, Sink, SourceRow},
    real::Real,
    reduction::Reduction,
};

/// Targets against sources.
///
/// One of the two comes in rows of lanes, the other in rows whose numbers every lane sees; see [`super::kernel`].
/// States are rows of lanes in either direction, one for each row of targets.
#[derive(Debug)]
pub struct Tile<'a, T> {
    /// The prepared parameters, one row.
    pub parameters: &'a [T],
    /// The prepared targets.
    pub targets: &'a [T],
    /// How many rows of them.
    pub target_rows: usize,
    /// The prepared sources.
    pub sources: &'a [T],
    /// How many rows of them.
    pub source_rows: usize,
    /// The number of the first source.
    pub first: u32,
    /// The states.
    pub states: &'a mut [T],
}

/// A row of numbers, the same in every lane: a source when lanes run over targets.
struct Same<'a, A>(&'a A);

impl<R: Real, A: Components<R::Scalar>> SourceRow<R> for Same<'_, A> {
    #[inline(always)]
    fn get(&self, cx: R::Cx, c: usize) -> R {
        R::splat(cx, self.0.as_slice()[c])
    }
}

/// A row of lanes: [`Real::LANES`] sources when lanes run over sources.
struct Own<'a, T>(&'a [T]);

impl<R: Real> SourceRow<R> for Own<'_, R::Scalar> {
    #[inline(always)]
    fn get(&self, cx: R::Cx, c: usize) -> R {
        R::load(cx, &self.0[c * R::LANES..])
    }
}

/// Which way the lanes run.
pub(super) trait Direction<F: Formula, R: Real> {
    /// All sources of a tile.
    type Sources<'a>: Copy;
    /// Sources in a row.
    const SOURCES: u32;
    /// The sources of a tile.
    fn sources<'a>(tile: &Tile<'a, R::Scalar>) -> Self::Sources<'a>;
    /// A row of them.
    fn source(sources: Self::Sources<'_>, row: usize) -> impl SourceRow<R>;
    /// The sources of the lanes in the row whose first source is `first`.
    fn index(cx: R::Cx, first: u32) -> R::Index;
    /// Reads row `row` of the targets.
    fn target(cx: R::Cx, targets: &[R::Scalar], row: usize, to: &mut F::I<R>);
}

/// Lanes run over targets; every lane sees the same source.
pub(super) struct OverTargets;

impl<F: Formula, R: Real> Direction<F, R> for OverTargets {
    type Sources<'a> = &'a [F::J<R::Scalar>];
    const SOURCES: u32 = 1;

    #[inline(always)]
    fn sources<'a>(tile: &Tile<'a, R::Scalar>) -> Self::Sources<'a> {
        F::J::<R::Scalar>::rows(tile.sources, tile.source_rows)
    }
    #[inline(always)]
    fn source(sources: Self::Sources<'_>, row: usize) -> impl SourceRow<R> {
        Same(&sources[row])
    }
    #[inline(always)]
    fn index(cx: R::Cx, first: u32) -> R::Index {
        R::index_splat(cx, first)
    }
    #[inline(always)]
    fn target(cx: R::Cx, targets: &[R::Scalar], row: usize, to: &mut F::I<R>) {
        load_row(cx, targets, row, to);
    }
}

/// Lanes run over sources; every lane sees the same target.
pub(super) struct OverSources;

impl<F: Formula, R: Real> Direction<F, R> for OverSources {
    type Sources<'a> = &'a [R::Scalar];
    const SOURCES: u32 = R::LANES as u32;

    #[inline(always)]
    fn sources<'a>(tile: &Tile<'a, R::Scalar>) -> Self::Sources<'a> {
        tile.sources
    }
    #[inline(always)]
    fn source(sources: Self::Sources<'_>, row: usize) -> impl SourceRow<R> {
        let width = const { <F::J<R> as Components<R>>::LEN * R::LANES };
        Own(&sources[row * width..][..width])
    }
    #[inline(always)]
    fn index(cx: R::Cx, first: u32) -> R::Index {
        R::index_ramp(cx, first)
    }
    #[inline(always)]
    fn target(cx: R::Cx, targets: &[R::Scalar], row: usize, to: &mut F::I<R>) {
        let width = <F::I<R> as Components<R>>::LEN;
        splat_row(cx, &targets[row * width..][..width], to);
    }
}

// Rows are written where they stay: returned, long ones would be copied.

/// Reads row `row` of rows of lanes.
#[inline(always)]
fn load_row<R: Real, A: Components<R>>(cx: R::Cx, rows: &[R::Scalar], row: usize, to: &mut A) {
    let width = A::LEN * R::LANES;
    let (lanes, to) = (&rows[row * width..][..width], to.as_mut_slice());
    let mut c = 0;
    while c < A::LEN {
        to[c] = R::load(cx, &lanes[c * R::LANES..]);
        c += 1;
    }
}

/// Reads the numbers of a row, each into every lane.
#[inline(always)]
fn splat_row<R: Real, A: Components<R>>(cx: R::Cx, row: &[R::Scalar], to: &mut A) {
    let (row, to) = (&row[..A::LEN], to.as_mut_slice());
    let mut c = 0;
    while c < A::LEN {
        to[c] = R::splat(cx, row[c]);
        c += 1;
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

/// Takes all pairs of a tile.
#[inline(always)]
pub(super) fn sweep<F: Formula, R: Real, Red: Reduction, D: Direction<F, R>>(cx: R::Cx, tile: Tile<'_, R::Scalar>) {
    let mut parameters = F::P::<R>::splat(R::lit(cx, 0.0));
    splat_row(cx, tile.parameters, &mut parameters);
    let sources = D::sources(&tile);
    let mut target = F::I::<R>::splat(R::lit(cx, 0.0));
    let mut state = Red::init::<F, R>(cx);
    let mut row = 0;
    while row < tile.target_rows {
        D::target(cx, tile.targets, row, &mut target);
        load_row(cx, tile.states, row, &mut state);
        let mut run = Red::begin::<F, R>(cx, &state);
        let mut first = tile.first;
        let mut source = 0;
        while source < tile.source_rows {
            let stored = D::source(sources, source);
            let (p, i) = (parameters.as_slice(), target.as_slice());
            let mut contractions = F::C::<R>::splat(R::lit(cx, 0.0));
            let c = contractions.as_mut_slice();
            let mut k = 0;
            while k < F::CONTRACTIONS.len() {
                c[k] = F::CONTRACTIONS[k].of_pair(cx, i, &stored);
                k += 1;
            }
            let mut push = Push::<F, R, Red> { state: &mut state, run: &mut run, index: D::index(cx, first) };
            F::pair::<R>(cx, p, i, &stored, c, &mut push);
            first = first.wrapping_add(D::SOURCES);
            source += 1;
        }
        Red::flush::<F, R>(cx, &mut state, &run);
        let width = const { <Red::State<F, R> as Components<R>>::LEN * R::LANES };
        let (numbers, lanes) = (state.as_slice(), &mut tile.states[row * width..][..width]);
        let mut c = 0;
        while c < numbers.len() {
            numbers[c].store(cx, &mut lanes[c * R::LANES..]);
            c += 1;
        }
        row += 1;
    }
}
