//! The loop over pairs: targets against prepared sources, one of which are lanes.
//!
//! This is compiled for every formula, three or four times. Counted `while` loops are a third of the code for the
//! compiler that iterators are, and it is less than half of the code without checks to remove.

use crate::{
    components::Components,
    cpu::contract::is_long,
    formula::{Formula, Row},
    real::Real,
    reduction::{Push, Reduction},
};

/// Targets against sources.
///
/// One of the two comes in rows of lanes, the other in rows whose numbers every lane sees; see [`Kernel`](super::Kernel).
/// Parameters and states are rows of lanes in either direction, a state for each row of targets.
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
    /// The contractions of all pairs, if they were done before; see the module `contract`.
    pub contracted: &'a [T],
    /// The states.
    pub states: &'a mut [T],
}

/// A row of numbers, the same in every lane: a source when lanes run over targets.
struct Same<'a, A>(&'a A);

impl<R: Real, A: Components<R::Scalar>> Row<R> for Same<'_, A> {
    #[inline(always)]
    fn get(&self, cx: R::Cx, c: usize) -> R {
        R::splat(cx, self.0.as_slice()[c])
    }
}

/// A row of lanes: [`Real::LANES`] sources when lanes run over sources.
struct Own<'a, A>(&'a A);

impl<R: Real, A: Components<R>> Row<R> for Own<'_, A> {
    #[inline(always)]
    fn get(&self, _cx: R::Cx, c: usize) -> R {
        self.0.as_slice()[c]
    }
}

/// Which way the lanes run.
pub(super) trait Direction<F: Formula, R: Real> {
    /// What is stored for a target.
    type Target;
    /// What is stored for a source.
    type Source;
    /// Sources in a row of them.
    const SOURCES: u32;
    /// Whether long contractions were done before.
    const CONTRACTED: bool;
    /// Where a target is kept that is not stored as lanes.
    type Room;
    /// The targets and the sources of a tile.
    fn rows<'a>(tile: &Tile<'a, R::Scalar>) -> (&'a [Self::Target], &'a [Self::Source]);
    /// Room for a target.
    fn room(cx: R::Cx) -> Self::Room;
    /// The target as the formula reads it.
    fn target<'a>(cx: R::Cx, stored: &'a Self::Target, room: &'a mut Self::Room) -> &'a [R];
    /// The source as the formula reads it.
    fn source(stored: &Self::Source) -> impl Row<R>;
    /// The sources of the lanes in the row whose first source is `first`.
    fn index(cx: R::Cx, first: u32) -> R::Index;
}

/// Lanes run over targets; every lane sees the same source.
pub(super) struct OverTargets;

impl<F: Formula, R: Real> Direction<F, R> for OverTargets {
    type Target = F::I<R>;
    type Source = F::J<R::Scalar>;
    type Room = ();
    const SOURCES: u32 = 1;
    const CONTRACTED: bool = true;

    #[inline(always)]
    fn rows<'a>(tile: &Tile<'a, R::Scalar>) -> (&'a [Self::Target], &'a [Self::Source]) {
        let targets = F::I::<R>::rows(R::view(tile.targets), tile.target_rows);
        (targets, F::J::<R::Scalar>::rows(tile.sources, tile.source_rows))
    }
    #[inline(always)]
    fn room(_cx: R::Cx) {}
    #[inline(always)]
    fn target<'a>(_cx: R::Cx, stored: &'a Self::Target, _room: &'a mut ()) -> &'a [R] {
        stored.as_slice()
    }
    #[inline(always)]
    fn source(stored: &Self::Source) -> impl Row<R> {
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
    type Target = F::I<R::Scalar>;
    type Source = F::J<R>;
    type Room = F::I<R>;
    const SOURCES: u32 = R::LANES as u32;
    const CONTRACTED: bool = false;

    #[inline(always)]
    fn rows<'a>(tile: &Tile<'a, R::Scalar>) -> (&'a [Self::Target], &'a [Self::Source]) {
        let targets = F::I::<R::Scalar>::rows(tile.targets, tile.target_rows);
        (targets, F::J::<R>::rows(R::view(tile.sources), tile.source_rows))
    }
    #[inline(always)]
    fn room(cx: R::Cx) -> Self::Room {
        F::I::<R>::splat(R::lit(cx, 0.0))
    }
    #[inline(always)]
    fn target<'a>(cx: R::Cx, stored: &'a Self::Target, room: &'a mut Self::Room) -> &'a [R] {
        let (from, to) = (stored.as_slice(), room.as_mut_slice());
        let mut c = 0;
        while c < from.len() {
            to[c] = R::splat(cx, from[c]);
            c += 1;
        }
        to
    }
    #[inline(always)]
    fn source(stored: &Self::Source) -> impl Row<R> {
        Own(stored)
    }
    #[inline(always)]
    fn index(cx: R::Cx, first: u32) -> R::Index {
        R::index_ramp(cx, first)
    }
}

/// Takes all pairs of a tile.
#[inline(always)]
pub(super) fn sweep<F: Formula, R: Real, Red: Reduction, D: Direction<F, R>>(cx: R::Cx, tile: Tile<'_, R::Scalar>) {
    let (targets, sources) = D::rows(&tile);
    let parameters = &F::P::<R>::rows(R::view(tile.parameters), 1)[0];
    let states = <Red::State<F, R> as Components<R>>::rows_mut(R::view_mut(tile.states), tile.target_rows);
    let contracted: &[F::C<R>] = if const { D::CONTRACTED && is_long(F::CONTRACTIONS) } {
        F::C::<R>::rows(R::view(tile.contracted), targets.len() * sources.len())
    } else {
        &[]
    };
    let mut room = D::room(cx);
    let mut row = 0;
    while row < targets.len() {
        let target = D::target(cx, &targets[row], &mut room);
        let contracted =
            if contracted.is_empty() { contracted } else { &contracted[row * sources.len()..][..sources.len()] };
        let state = &mut states[row];
        if const { Red::PUSHES_TO_STATE } {
            // A copy of its own, so that writing it does not stop the target from being kept in registers.
            let mut copy = *state;
            sweep_target::<F, R, Red, D>(cx, parameters, target, sources, contracted, tile.first, &mut copy);
            *state = copy;
        } else {
            sweep_target::<F, R, Red, D>(cx, parameters, target, sources, contracted, tile.first, state);
        }
        row += 1;
    }
}

/// Takes all pairs of a row of targets.
#[inline(always)]
fn sweep_target<F: Formula, R: Real, Red: Reduction, D: Direction<F, R>>(
    cx: R::Cx,
    parameters: &F::P<R>,
    target: &[R],
    sources: &[D::Source],
    contracted: &[F::C<R>],
    first: u32,
    state: &mut Red::State<F, R>,
) {
    let mut run = Red::begin::<F, R>(cx, state);
    let mut first = first;
    let mut source = 0;
    while source < sources.len() {
        let stored = D::source(&sources[source]);
        let contractions = if const { D::CONTRACTED && is_long(F::CONTRACTIONS) } {
            contracted[source]
        } else {
            let mut contractions = F::C::<R>::splat(R::lit(cx, 0.0));
            let c = contractions.as_mut_slice();
            let mut k = 0;
            while k < F::CONTRACTIONS.len() {
                c[k] = F::CONTRACTIONS[k].of_pair(cx, target, &stored);
                k += 1;
            }
            contractions
        };
        let mut push = Push::<F, R, Red> { state, run: &mut run, index: D::index(cx, first) };
        F::pair::<R>(cx, parameters.as_slice(), &target, &stored, contractions.as_slice(), &mut push);
        first = first.wrapping_add(D::SOURCES);
        source += 1;
    }
    Red::flush::<F, R>(cx, state, &run);
}
