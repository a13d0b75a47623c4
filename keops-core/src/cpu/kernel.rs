//! The code that is compiled for each formula, reduction and element type.
//!
//! Users wait for this code to be compiled. So everything else that the engine does is written for [`Kernel`] objects,
//! and is compiled once, with this crate.

use core::marker::PhantomData;

use pulp::Arch;

use crate::{
    bounds::Stages,
    cpu::{
        instructions::{self, OnLanes},
        sweep::{OverSources, OverTargets, Tile, sweep},
    },
    formula::{Components, Contraction, Formula, Role, width},
    lanes::{Common, Vectorized},
    number::{Packed, Scalar},
    problem::Signature,
    reduction::{Reduction, Selecting, Selects, components},
};

/// The sizes of a kernel.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// The signature of the formula with its reduction.
    pub signature: Signature,
    /// The contractions of a pair.
    pub contractions: &'static [Contraction],
    /// How many numbers the prepared parameters have.
    pub parameters: usize,
    /// How many numbers a prepared target has.
    pub target: usize,
    /// How many numbers a prepared source has.
    pub source: usize,
    /// About how many numbers the arrays inside a stage hold, see [`Formula::LOCALS`].
    pub locals: usize,
    /// How many components f has.
    pub components: usize,
    /// How many numbers the state of a target has.
    pub state: usize,
    /// Whether a typical pair does no more than one comparison, see [`Reduction::COMPARES`].
    pub compares: bool,
    /// What the reduction selects, if it selects values.
    pub selects: Option<Selects>,
    /// Whether it selects all sources within a radius, see [`Reduction::WITHIN`].
    pub within: bool,
    /// Whether it lists them.
    pub lists: bool,
}

impl Layout {
    /// The sizes of the kernel of `F` and `Red`.
    #[must_use]
    pub fn of<T: Scalar, F: Formula, Red: Reduction>() -> Self {
        Self {
            signature: Signature::of::<F, Red>(),
            contractions: F::CONTRACTIONS,
            parameters: <F::Parameters<T> as Components<T>>::LEN,
            target: <F::Target<T> as Components<T>>::LEN,
            source: <F::Source<T> as Components<T>>::LEN,
            locals: F::LOCALS,
            components: components::<F>(),
            state: <Red::State<F, T> as Components<T>>::LEN,
            compares: Red::COMPARES,
            selects: Red::SELECTS,
            within: Red::WITHIN,
            lists: Red::LISTS,
        }
    }

    /// Whether the state or the lists have the row numbers of sources.
    pub(super) fn keeps_numbers(&self) -> bool {
        self.lists || self.selects.is_some_and(|selects| selects.numbered)
    }

    /// How many numbers a prepared row of a role has.
    pub(super) fn prepared(&self, role: Role) -> usize {
        match role {
            Role::Parameter => self.parameters,
            Role::Target => self.target,
            Role::Source => self.source,
        }
    }
}

/// A formula with a reduction, compiled for an element type, as an object.
///
/// Rows and states are handed to it as flat memory:
///
/// - a *row* is [`Layout::target`] (or `source`, `parameters`, `state`) numbers; rows follow each other;
/// - a *row of lanes* has the same component of each lane side by side: component c of lane l is number c * lanes + l.
pub trait Kernel<T: Vectorized>: Sync {
    /// Runs the stage of a role for `count` rows of all its variables, given the prepared parameters.
    fn prepare(&self, role: Role, parameters: &[T], rows: &[T], count: usize, to: &mut [T]);
    /// How many lanes a tile has.
    fn lanes(&self, arch: Arch) -> usize;
    /// The state that has seen no source.
    fn init(&self, state: &mut [T]);
    /// Reduces all pairs of a tile, with lanes over targets.
    fn over_targets(&self, arch: Arch, tile: Tile<'_, T>);
    /// Reduces all pairs of a tile, with lanes over sources.
    fn over_sources(&self, common: Common, tile: Tile<'_, T>);
    /// Joins the state of other sources of the same target.
    fn merge(&self, state: &mut [T], other: &[T]);
    /// The stages that bounds are made of, if the reduction selects values.
    fn stages(&self) -> Option<&'static Stages<T>>;
    /// Writes the result rows of the first `count` states, given as rows of `lanes` lanes.
    fn finish(&self, states: &[T], lanes: usize, count: usize, values: &mut [T], indices: &mut [u32]);
}

/// The kernel of `F` and `Red`.
pub struct Compiled<F, Red>(PhantomData<(F, Red)>);

impl<F, Red> Compiled<F, Red> {
    /// The only value of this type.
    pub const NEW: Self = Self(PhantomData);
}

impl<T: Vectorized, F: Formula, Red: Reduction> Kernel<T> for Compiled<F, Red> {
    fn prepare(&self, role: Role, parameters: &[T], rows: &[T], count: usize, to: &mut [T]) {
        let from = width(F::VARIABLES, role);
        match role {
            Role::Parameter => {
                each_row(rows, from, to, <F::Parameters<T> as Components<T>>::LEN, count, |row, to| {
                    F::parameters((), row, to)
                });
            }
            Role::Target => each_row(rows, from, to, <F::Target<T> as Components<T>>::LEN, count, |row, to| {
                F::target((), parameters, row, to);
            }),
            Role::Source => each_row(rows, from, to, <F::Source<T> as Components<T>>::LEN, count, |row, to| {
                F::source((), parameters, row, to);
            }),
        }
    }

    fn lanes(&self, arch: Arch) -> usize {
        instructions::lanes::<T, F, Red>(arch)
    }

    fn init(&self, state: &mut [T]) {
        state.copy_from_slice(Red::init::<F, T>(()).as_slice());
    }

    fn over_targets(&self, arch: Arch, tile: Tile<'_, T>) {
        OnLanes::<T, F, Red>::dispatch(SweepTargets(tile), arch);
    }

    fn over_sources(&self, common: Common, tile: Tile<'_, T>) {
        OnLanes::<T, F, Red>::dispatch_common(SweepSources(tile), common);
    }

    fn merge(&self, state: &mut [T], other: &[T]) {
        Red::merge(components::<F>(), state, other);
    }

    fn stages(&self) -> Option<&'static Stages<T>> {
        Red::if_selecting(StagesOf::<T, F>(PhantomData))
    }

    fn finish(&self, states: &[T], lanes: usize, count: usize, values: &mut [T], indices: &mut [u32]) {
        let mut state = <Red::State<F, T> as Components<T>>::splat(T::of_f64(0.0));
        let state = (components::<F>(), state.as_mut_slice());
        if const { <Red::State<F, T> as Components<T>>::LEN > SHORT } {
            finish_long::<T, Red>(state, (states, lanes, count), values, indices);
        } else {
            finish::<T, Red>(state, (states, lanes, count), values, indices);
        }
    }
}

/// The most numbers of a state that is written out for a formula.
const SHORT: usize = 8;

/// [`finish`], compiled once for all formulas that have the reduction.
#[inline(never)]
fn finish_long<T: Scalar, Red: Reduction>(
    state: (usize, &mut [T]),
    states: (&[T], usize, usize),
    values: &mut [T],
    indices: &mut [u32],
) {
    finish::<T, Red>(state, states, values, indices);
}

/// Writes the result rows of the first `count` states of a formula of `components` components, by means of memory for one of them.
#[inline(always)]
fn finish<T: Scalar, Red: Reduction>(
    (components, state): (usize, &mut [T]),
    (states, lanes, count): (&[T], usize, usize),
    values: &mut [T],
    indices: &mut [u32],
) {
    let widths = [Red::values(components), Red::indices(components)];
    let (mut first, mut row) = (0, 0);
    while row < count {
        let lanes_in_use = lanes.min(count - row);
        let mut number = 0;
        while number < lanes_in_use {
            let mut c = 0;
            while c < state.len() {
                state[c] = states[first + c * lanes + number];
                c += 1;
            }
            let values = &mut values[row * widths[0]..][..widths[0]];
            let indices = &mut indices[row * widths[1]..][..widths[1]];
            Red::finish(components, state, values, indices);
            number += 1;
            row += 1;
        }
        first += state.len() * lanes;
    }
}

/// The stages of a formula, which are compiled for reductions that select values only.
struct StagesOf<T, F>(PhantomData<(T, F)>);

impl<T: Scalar, F: Formula> Selecting for StagesOf<T, F> {
    type Output = &'static Stages<T>;
    #[inline(always)]
    fn selects(self) -> &'static Stages<T> {
        const { &Stages::of::<F>() }
    }
}

/// Calls `prepare` for each of `count` rows of `from` numbers, with a row of `left` numbers to write to.
#[inline(always)]
fn each_row<T>(rows: &[T], from: usize, to: &mut [T], left: usize, count: usize, prepare: impl Fn(&[T], &mut [T])) {
    let mut n = 0;
    while n < count {
        prepare(&rows[n * from..][..from], &mut to[n * left..][..left]);
        n += 1;
    }
}

/// All pairs of a tile, with lanes over targets.
struct SweepTargets<'a, T: Vectorized>(Tile<'a, T>);

impl<T: Vectorized, F: Formula, Red: Reduction> OnLanes<T, F, Red> for SweepTargets<'_, T> {
    #[inline(always)]
    fn run<R: Packed<Scalar = T>>(self, cx: R::Cx) {
        sweep::<F, R, Red, OverTargets>(cx, self.0);
    }
}

/// All pairs of a tile, with lanes over sources.
struct SweepSources<'a, T: Vectorized>(Tile<'a, T>);

impl<T: Vectorized, F: Formula, Red: Reduction> OnLanes<T, F, Red> for SweepSources<'_, T> {
    #[inline(always)]
    fn run<R: Packed<Scalar = T>>(self, cx: R::Cx) {
        sweep::<F, R, Red, OverSources>(cx, self.0);
    }
}
