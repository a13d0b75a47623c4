//! The loop over pairs: targets against prepared sources, one of the two in lanes.
//!
//! With lanes over targets the loop nest of a pass is as follows. The two outer loops are in [`super::over_targets`],
//! and what is here begins with [`sweep`].
//!
//! ```text
//! p = parameters(arguments)                                   once for a call, the same in every lane
//! for each block of targets:                                  blocks are shared out to threads
//!     u[r] = target(p, x_i) for all rows r of lanes           once for each target
//!     state[r] = init
//!     for each tile of sources:                               at most 256, or 2048 where values are only compared
//!         w[j] = source(p, y_j)                               once for a call if there is room, else once for each block
//!         sweep:
//!         for each row r of targets:                          as many targets as a tile of vectors has lanes
//!             run = begin(state[r])
//!             for each source j of the tile:
//!                 c[k] = contraction k of u[r] and w[j]       read, if the module `contract` computed it
//!                 f = pair(p, u[r], w[j], c)
//!                 run = push(run, f)
//!             state[r] = flush(state[r], run)
//! result rows = finish(state)
//! ```
//!
//! *What is in registers.* The run of the reduction and the contractions of one source with a row of targets, for each
//! of the one, two or four vectors of the tile, and the constants of an exponential where there are registers left:
//! `plan::tile_vectors` chooses the number of vectors such that these fit. u\[r\] is read again for each source, from
//! registers if it is short and else from the first-level cache. A component of w\[j\] is loaded from the tile, which
//! stays in the first-level cache for all rows of targets, and broadcast to all lanes. States are read and written once
//! for a tile. Reductions whose push writes to the state work on a copy of it, because the compiler has to assume that
//! a write through the slice of states could change what it holds of u\[r\].
//!
//! *What is hoisted.* The stages `parameters`, `target` and `source` of the formula are outside of this loop, on plain
//! numbers; `pair` is what remains, and depends on both rows.
//!
//! *Bundles.* Where f has many components, its run does not fit into registers, and each push loads and stores a sum.
//! Then [`B`] sources go through `pair` in step, and each component is pushed for all of them, in their order, before
//! the next component is pushed for any: the sum is loaded and stored once for a bundle. Sources that do not fill a
//! bundle go one by one.
//!
//! *Filters.* For the K smallest values, the module `filter` has another loop over sources, and for lists of all sources within
//! a radius the module `collect`.
//!
//! *Lanes over sources.* [`super::over_sources`] runs the same code with other operands: all lanes have the same
//! target, and each lane has another source, so a component of w\[j\] is a load and no broadcast. In the end the states
//! of the lanes are merged in their order. In [`super::scattered`] each lane has another source and another target.
//!
//! *The order of sums, and threads.* A target's terms are pushed in the order in which its block meets the sources, the
//! run is flushed after each tile, and states of several lanes, parts or chunks of sources are merged in a fixed order.
//! The tiles, blocks, parts and chunks are functions of the shape, the formula and the width of the vectors (the module
//! `plan`). Threads only take whole blocks, parts or chunks, and each of these writes states that no other one touches.
//! So results do not depend on the number of threads; with vectors of another width they may differ by roundings.
//!
//! This file is compiled for every formula, three or four times. Counted `while` loops are a third of the code for the
//! compiler that iterators are, and it is less than half of the code without checks to remove.

use crate::{
    cpu::{
        collect::{self, Found},
        contract::{Contracted, is_long},
        filter, plan,
    },
    formula::{Components, Differences, Formula, Row},
    lanes::Vectorized,
    number::{Bundle, Packed, Real},
    reduction::{Centred, Push, PushBundle, Reduction},
};

/// The number of sources of a bundle.
const B: usize = plan::BUNDLE;

/// The run of a reduction, aligned such that none of its vectors lies across two lines of the cache.
#[repr(align(64))]
struct Aligned<T>(T);

/// Targets and sources whose pairs are to be reduced.
///
/// Parameters, targets and states are rows of lanes, with a state for each row of targets. Sources are rows of lanes
/// where lanes run over sources; else they are plain rows, whose numbers are the same in every lane. See
/// [`Kernel`](super::Kernel) for both layouts.
#[derive(Debug)]
pub struct Tile<'a, T: Vectorized> {
    /// The prepared parameters, one row.
    pub parameters: &'a [T],
    /// The prepared targets.
    pub targets: &'a [T],
    /// How many rows of them.
    pub target_rows: usize,
    /// How many targets these are, where lanes run over targets; further lanes of the last row repeat one.
    pub target_count: usize,
    /// The prepared sources.
    pub sources: &'a [T],
    /// How many rows of them.
    pub source_rows: usize,
    /// The numbers of the sources.
    pub numbers: SourceNumbers<'a>,
    /// The contractions of all pairs, if the module `contract` computed them.
    pub contracted: Option<Contracted<'a, T>>,
    /// The states.
    pub states: &'a mut [T],
    /// The pairs that were found, for a reduction that lists them.
    pub found: Option<&'a mut Found<T>>,
}

/// The numbers of the sources of a tile.
#[derive(Clone, Copy, Debug)]
pub struct SourceNumbers<'a> {
    /// The number of the first source. The others follow it, unless they are listed.
    pub first: u32,
    /// The numbers of all sources, where lanes run over targets and the reduction keeps row numbers: the sources may be in an
    /// order of their own.
    pub listed: &'a [u32],
    /// Whether the listed numbers may be in any order.
    pub any_order: bool,
}

/// A row of numbers, the same in every lane: a source when lanes run over targets.
#[derive(Clone, Copy)]
struct Same<'a, A>(&'a A);

impl<R: Packed<Scalar: Vectorized>, A: Components<R::Scalar>> Row<R> for Same<'_, A> {
    #[inline(always)]
    fn get(&self, cx: R::Cx, c: usize) -> R {
        R::splat(cx, self.0.as_slice()[c])
    }
}

/// A row of lanes: [`Packed::LANES`] sources when lanes run over sources.
#[derive(Clone, Copy)]
struct Own<'a, A>(&'a A);

impl<R: Packed<Scalar: Vectorized>, A: Components<R>> Row<R> for Own<'_, A> {
    #[inline(always)]
    fn get(&self, _cx: R::Cx, c: usize) -> R {
        self.0.as_slice()[c]
    }
}

/// The sources of a bundle, each a row of type `S`.
struct Each<S>([S; B]);

impl<R: Packed<Scalar: Vectorized>, S: Row<R>> Row<Bundle<R, B>> for Each<S> {
    #[inline(always)]
    fn get(&self, cx: R::Cx, c: usize) -> Bundle<R, B> {
        let mut numbers = [self.0[0].get(cx, c); B];
        let mut b = 1;
        while b < B {
            numbers[b] = self.0[b].get(cx, c);
            b += 1;
        }
        Bundle(numbers)
    }
}

/// A row that is the same for all sources of a bundle: the target.
struct All<'a, R>(&'a [R]);

impl<R: Packed<Scalar: Vectorized>> Row<Bundle<R, B>> for All<'_, R> {
    #[inline(always)]
    fn get(&self, _cx: R::Cx, c: usize) -> Bundle<R, B> {
        Bundle([self.0[c]; B])
    }
}

/// The contractions of a row of targets with the sources of a tile, and the centred vectors that belong to them.
struct Contractions<'a, C, T: Vectorized>(&'a [C], Option<OfRow<'a, T>>);

/// The contractions of a tile, and the number of a row of its targets.
type OfRow<'a, T> = (Contracted<'a, T>, usize);

/// The centred vectors of a row of targets and the sources of a bundle.
struct OfBundle<'a, T: Vectorized> {
    of_row: OfRow<'a, T>,
    first: usize,
}

impl<R: Packed<Scalar: Vectorized>> Centred<R> for OfBundle<'_, R::Scalar> {
    #[inline(always)]
    fn target(&self, differences: &Differences) -> &[R] {
        let (contracted, row) = self.of_row;
        contracted.target(differences.number, differences.contraction.len, row)
    }
    #[inline(always)]
    fn source(&self, differences: &Differences, b: usize) -> &[R::Scalar] {
        self.of_row.0.source(differences.number, differences.contraction.len, self.first + b)
    }
}

/// Whether the state of a reduction has the row numbers of sources.
pub(super) const fn keeps_numbers<Red: Reduction>() -> bool {
    matches!(Red::SELECTS, Some(selects) if selects.numbered)
}

/// The direction of lanes: over targets or over sources.
pub(super) trait Direction<F: Formula, R: Packed<Scalar: Vectorized>> {
    /// The type of a stored row of sources.
    type Source;
    /// Whether long contractions are computed before, by the module `contract`.
    const CONTRACTED: bool;
    /// Whether the numbers of sources are listed, for reductions that keep them.
    const LISTED: bool;
    /// The sources of a tile.
    fn sources<'a>(tile: &Tile<'a, R::Scalar>) -> &'a [Self::Source];
    /// A stored row of sources, as the formula reads it.
    fn source<'a>(stored: &'a Self::Source) -> impl Row<R> + Copy + use<'a, Self, F, R>;
    /// The source number of each lane, for row number `row` of a tile.
    fn index<Red: Reduction>(cx: R::Cx, numbers: SourceNumbers<'_>, row: usize) -> R::Index;
    /// The source number of a lane in row number `row` of a tile, for a reduction that keeps row numbers.
    fn number(numbers: SourceNumbers<'_>, row: usize, lane: usize) -> u32;
    /// The number of the target of a lane in row number `row` of the targets of a tile.
    fn target(row: usize, lane: usize) -> u32;
    /// The bits of the lanes in this row that have one of `targets` targets, and do not repeat one to fill up the row.
    fn in_use(targets: usize, row: usize) -> u64;
}

/// Lanes run over targets; every lane sees the same source.
pub(super) struct OverTargets;

impl<F: Formula, R: Packed<Scalar: Vectorized>> Direction<F, R> for OverTargets {
    type Source = F::Source<R::Scalar>;
    const CONTRACTED: bool = true;
    const LISTED: bool = true;

    #[inline(always)]
    fn sources<'a>(tile: &Tile<'a, R::Scalar>) -> &'a [Self::Source] {
        F::Source::<R::Scalar>::rows(tile.sources, tile.source_rows)
    }
    #[inline(always)]
    fn source<'a>(stored: &'a Self::Source) -> impl Row<R> + Copy + use<'a, F, R> {
        Same(stored)
    }
    #[inline(always)]
    fn index<Red: Reduction>(cx: R::Cx, numbers: SourceNumbers<'_>, row: usize) -> R::Index {
        let number =
            if const { keeps_numbers::<Red>() } { numbers.listed[row] } else { numbers.first.wrapping_add(row as u32) };
        R::index_splat(cx, number)
    }
    #[inline(always)]
    fn number(numbers: SourceNumbers<'_>, row: usize, _lane: usize) -> u32 {
        if numbers.any_order { numbers.listed[row] } else { numbers.first.wrapping_add(row as u32) }
    }
    #[inline(always)]
    fn target(row: usize, lane: usize) -> u32 {
        (row * R::LANES + lane) as u32
    }
    #[inline(always)]
    fn in_use(targets: usize, row: usize) -> u64 {
        let lanes = targets.saturating_sub(row * R::LANES).min(R::LANES);
        if lanes < 64 { (1 << lanes) - 1 } else { u64::MAX }
    }
}

/// Lanes run over sources: every lane has its own, whether the target of all lanes is the same or not.
pub(super) struct OverSources;

impl<F: Formula, R: Packed<Scalar: Vectorized>> Direction<F, R> for OverSources {
    type Source = F::Source<R>;
    const CONTRACTED: bool = false;
    const LISTED: bool = false;

    #[inline(always)]
    fn sources<'a>(tile: &Tile<'a, R::Scalar>) -> &'a [Self::Source] {
        F::Source::<R>::rows(R::view(tile.sources), tile.source_rows)
    }
    #[inline(always)]
    fn source<'a>(stored: &'a Self::Source) -> impl Row<R> + Copy + use<'a, F, R> {
        Own(stored)
    }
    #[inline(always)]
    fn index<Red: Reduction>(cx: R::Cx, numbers: SourceNumbers<'_>, row: usize) -> R::Index {
        R::index_ramp(cx, numbers.first.wrapping_add((row * R::LANES) as u32))
    }
    #[inline(always)]
    fn number(numbers: SourceNumbers<'_>, row: usize, lane: usize) -> u32 {
        numbers.first.wrapping_add((row * R::LANES + lane) as u32)
    }
    #[inline(always)]
    fn target(row: usize, _lane: usize) -> u32 {
        row as u32
    }
    #[inline(always)]
    fn in_use(_targets: usize, _row: usize) -> u64 {
        u64::MAX
    }
}

/// Reduces all pairs of a tile.
#[inline(always)]
pub(super) fn sweep<F: Formula, R: Packed<Scalar: Vectorized>, Red: Reduction, D: Direction<F, R>>(
    cx: R::Cx,
    tile: Tile<'_, R::Scalar>,
) {
    let targets = F::Target::<R>::rows(R::view(tile.targets), tile.target_rows);
    let sources = D::sources(&tile);
    let parameters = &F::Parameters::<R>::rows(R::view(tile.parameters), 1)[0];
    let states = <Red::State<F, R> as Components<R>>::rows_mut(R::view_mut(tile.states), tile.target_rows);
    let contracted: &[F::Contractions<R>] = if const { D::CONTRACTED && is_long(F::CONTRACTIONS) } {
        let results = tile.contracted.map_or(&[][..], |contracted| contracted.results);
        F::Contractions::<R>::rows(R::view(results), targets.len() * sources.len())
    } else {
        &[]
    };
    if const { !collect::collects::<R, Red>() && filter::filters::<F, R, Red>() } {
        let of_tile = (tile.numbers, tile.target_count);
        return filter::sweep::<F, R, Red, D>(cx, parameters, targets, sources, contracted, of_tile, states);
    }
    let mut found = tile.found;
    let mut row = 0;
    while row < targets.len() {
        let target = targets[row].as_slice();
        let contracted =
            if contracted.is_empty() { contracted } else { &contracted[row * sources.len()..][..sources.len()] };
        let state = &mut states[row];
        if const { collect::collects::<R, Red>() } {
            if let Some(found) = found.as_deref_mut() {
                let of_row = (tile.numbers, row);
                collect::sweep_target::<F, R, Red, D>(
                    cx, parameters, target, sources, contracted, of_row, state, found,
                );
            }
        } else if const { Red::PUSHES_TO_STATE } {
            // A copy of the state, so that writing to it does not keep the target out of registers.
            let mut copy = *state;
            sweep_target::<F, R, Red, D>(
                cx,
                parameters,
                target,
                sources,
                Contractions(contracted, None),
                tile.numbers,
                &mut copy,
            );
            *state = copy;
        } else {
            let of_row = tile.contracted.map(|contracted| (contracted, row));
            sweep_target::<F, R, Red, D>(
                cx,
                parameters,
                target,
                sources,
                Contractions(contracted, of_row),
                tile.numbers,
                state,
            );
        }
        row += 1;
    }
}

/// Reduces all pairs of a row of targets with the sources of a tile.
#[inline(always)]
fn sweep_target<F: Formula, R: Packed<Scalar: Vectorized>, Red: Reduction, D: Direction<F, R>>(
    cx: R::Cx,
    parameters: &F::Parameters<R>,
    target: &[R],
    sources: &[D::Source],
    contracted: Contractions<'_, F::Contractions<R>, R::Scalar>,
    numbers: SourceNumbers<'_>,
    state: &mut Red::State<F, R>,
) {
    let Contractions(contracted, of_row) = contracted;
    let mut run = Aligned(Red::begin::<F, R>(cx, state));
    let run = &mut run.0;
    if const { keeps_numbers::<Red>() && D::LISTED } && numbers.any_order {
        Red::in_any_order::<F, R>(run);
    }
    let (mut source, count) = (0, sources.len());
    // one check of the length, and none for each source
    let listed = if const { keeps_numbers::<Red>() && D::LISTED } { &numbers.listed[..count] } else { &[] };
    let numbers = SourceNumbers { listed, ..numbers };
    if const { plan::bundles::<F, Red>() } {
        let mut every = F::Parameters::<Bundle<R, B>>::splat(Bundle::lit(cx, 0.0));
        let (to, from) = (every.as_mut_slice(), parameters.as_slice());
        let mut c = 0;
        while c < from.len() {
            to[c] = Bundle([from[c]; B]);
            c += 1;
        }
        while source + B <= count {
            let stored = &sources[source..source + B];
            let mut contractions = F::Contractions::<Bundle<R, B>>::splat(Bundle::lit(cx, 0.0));
            let mut indices = [D::index::<Red>(cx, numbers, source); B];
            let mut b = 0;
            while b < B {
                let one = contract::<F, R, D>(cx, target, &stored[b], contracted, source + b);
                let (to, from) = (contractions.as_mut_slice(), one.as_slice());
                let mut k = 0;
                while k < from.len() {
                    to[k].0[b] = from[k];
                    k += 1;
                }
                indices[b] = D::index::<Red>(cx, numbers, source + b);
                b += 1;
            }
            let rows = Each([
                D::source(&stored[0]),
                D::source(&stored[1]),
                D::source(&stored[2]),
                D::source(&stored[3]),
                D::source(&stored[4]),
                D::source(&stored[5]),
                D::source(&stored[6]),
                D::source(&stored[7]),
            ]);
            let mut push =
                PushBundle::<F, R, Red, _, B>::new(cx, state, run, indices, of_bundle(of_row, source, count));
            F::pair::<Bundle<R, B>>(cx, every.as_slice(), &All(target), &rows, contractions.as_slice(), &mut push);
            source += B;
        }
    }
    while source < count {
        let stored = D::source(&sources[source]);
        let contractions = contract::<F, R, D>(cx, target, &sources[source], contracted, source);
        let mut push = Push::<F, R, Red>::new(cx, state, run, D::index::<Red>(cx, numbers, source));
        F::pair::<R>(cx, parameters.as_slice(), &target, &stored, contractions.as_slice(), &mut push);
        source += 1;
    }
    Red::flush::<F, R>(cx, state, run);
}

/// The centred vectors of a row of targets and of the bundle whose first source is number `first` of `count`, if no
/// pair of them is close.
#[inline(always)]
fn of_bundle<T: Vectorized>(of_row: Option<OfRow<'_, T>>, first: usize, count: usize) -> Option<OfBundle<'_, T>> {
    let (contracted, row) = of_row?;
    let close = &contracted.close[row * count + first..][..B];
    let mut b = 0;
    while b < B {
        if close[b] {
            return None;
        }
        b += 1;
    }
    Some(OfBundle { of_row: (contracted, row), first })
}

/// The contractions of a row of targets with source number `source` of a tile.
#[inline(always)]
pub(super) fn contract<F: Formula, R: Packed<Scalar: Vectorized>, D: Direction<F, R>>(
    cx: R::Cx,
    target: &[R],
    stored: &D::Source,
    contracted: &[F::Contractions<R>],
    source: usize,
) -> F::Contractions<R> {
    if const { D::CONTRACTED && is_long(F::CONTRACTIONS) } {
        return contracted[source];
    }
    let stored = D::source(stored);
    let mut contractions = F::Contractions::<R>::splat(R::lit(cx, 0.0));
    let c = contractions.as_mut_slice();
    let mut k = 0;
    while k < F::CONTRACTIONS.len() {
        c[k] = F::CONTRACTIONS[k].of_pair(cx, target, &stored);
        k += 1;
    }
    contractions
}
