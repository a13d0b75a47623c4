//! Reductions: monoids that make lanes, tiles, threads, GPU blocks and machines agree.
//!
//! A reduction keeps a *state* for each target. It starts from [`Reduction::init`], takes the components of f pair by
//! pair, and merges with a state that saw other sources. Pairs are taken in short *runs* (a few hundred sources):
//! what the inner loop touches for every pair is the [`Reduction::Run`], small enough to stay in registers, and
//! [`Reduction::flush`] ends it.
//!
//! ```text
//! state = init
//! for each run { run = begin(state); for each pair { push(state, run, ..) }; flush(state, run) }
//! merge(state, other states of the same target); finish(state)
//! ```
//!
//! Each lane of a state is a target of its own; when lanes run over sources instead, [`Reduction::unpack`] takes the
//! lanes apart and `merge` joins them. Ties between sources go to the lowest row number in every order of merging.
//!
//! | type | row of the result, for f with components f_0, f_1, .. |
//! |---|---|
//! | [`Sum`] | Σ_j f |
//! | [`LogSumExp`] | log Σ_j 2^(f_0) (f_1, ..); without f_1: log Σ_j 2^(f_0) |
//! | [`SumSoftMaxWeight`] | Σ_j 2^(f_0) (f_1, ..) / Σ_j 2^(f_0) |
//! | [`SoftMaxSaved`] | log Σ_j 2^(f_0), then the row of `SumSoftMaxWeight` |
//! | [`Min`], [`Max`] | the smallest (largest) value of each component |
//! | [`ArgMin`], [`ArgMax`] | the row number of the smallest (largest) value |
//! | [`MinArgMin`], [`MaxArgMax`] | both |
//! | [`KMin`], [`ArgKMin`], [`KMinArgKMin`] | the K smallest, ascending; their row numbers; both |
//!
//! The exponent f_0 is to base 2: the macro folds the factor log2(e) into what it hoists. Logarithms in results are
//! natural.

mod compensated;
mod exponential;
mod k_min;
mod log_sum_exp;
mod min;
mod negated;
mod soft_max;
mod sum;

pub use compensated::Total;
pub use exponential::{Exponential, ExponentialRun, ExponentialState, Outcome};
pub use k_min::{ArgKMin, ArgMin, Best, BestRun, BestState, KMin, KMinArgKMin, MISSING, MinArgMin};
pub use log_sum_exp::{LogOfSum, LogSumExp};
pub use min::{Min, MinState};
pub use negated::{ArgMax, Max, MaxArgMax, Negated};
pub use soft_max::{LogAndMean, Mean, SoftMaxSaved, SumSoftMaxWeight};
pub use sum::{Sum, SumRun, SumState};

use crate::{
    formula::Formula,
    real::{Element, Real},
};

/// How the terms of a target become its result.
///
/// The components of one pair arrive in ascending order, each exactly once (the contract of [`crate::formula::Sink`]),
/// so a reduction may use component 0 (an exponent, say) for the components that follow it.
pub trait Reduction: Copy + Send + Sync + 'static {
    /// What is kept for a target between runs, in memory.
    type State<F: Formula, R: Real>: Copy + Send + Sync;
    /// What every pair touches, in registers.
    type Run<F: Formula, R: Real>: Copy + Send + Sync;
    /// How many numbers of a run every pair writes, whatever the formula: what must stay in registers.
    const REGISTERS: usize;
    /// How many more for each component of the formula.
    const REGISTERS_PER_COMPONENT: usize;

    /// The state that has seen no source.
    fn init<F: Formula, R: Real>(cx: R::Cx) -> Self::State<F, R>;
    /// Begins a short run of sources.
    fn begin<F: Formula, R: Real>(cx: R::Cx, state: &Self::State<F, R>) -> Self::Run<F, R>;
    /// Takes component `c` of source `index`.
    fn push<F: Formula, R: Real>(
        cx: R::Cx,
        state: &mut Self::State<F, R>,
        run: &mut Self::Run<F, R>,
        index: R::Index,
        c: usize,
        value: R,
    );
    /// Takes component `c` of source `index`, given as a product.
    #[inline(always)]
    fn push_product<F: Formula, R: Real>(
        cx: R::Cx,
        state: &mut Self::State<F, R>,
        run: &mut Self::Run<F, R>,
        index: R::Index,
        c: usize,
        a: R,
        b: R,
    ) {
        Self::push::<F, R>(cx, state, run, index, c, R::mul(cx, a, b));
    }
    /// Ends a run: sums move what they gathered into their compensated total.
    fn flush<F: Formula, R: Real>(cx: R::Cx, state: &mut Self::State<F, R>, run: &Self::Run<F, R>);
    /// Takes the state apart into one for each lane; `to` has [`Real::LANES`] places.
    fn unpack<F: Formula, R: Real>(cx: R::Cx, state: &Self::State<F, R>, to: &mut [Self::State<F, R::Scalar>]);
    /// Joins the state of other sources of the same target.
    fn merge<F: Formula, T: Element>(state: &mut Self::State<F, T>, other: &Self::State<F, T>);

    /// How many values a result row has, for a formula of `components` components.
    fn values(components: usize) -> usize;
    /// How many row numbers a result row has.
    fn indices(components: usize) -> usize;
    /// Writes the result row. A slice for a part of the row that there is not (`values` or `indices` is 0) may be
    /// empty.
    fn finish<F: Formula, T: Element>(state: &Self::State<F, T>, values: &mut [T], indices: &mut [u32]);
}

/// The most lanes that [`each_lane`] can take apart.
const MAX_LANES: usize = 128;

/// Calls `put` with component `c` of each lane's state and the lane's number.
#[inline(always)]
fn each_lane<R: Real, S>(cx: R::Cx, number: R, to: &mut [S], c: usize, put: fn(&mut S, usize, R::Scalar)) {
    const { assert!(R::LANES <= MAX_LANES) };
    let mut lanes = [R::Scalar::default(); MAX_LANES];
    number.store(cx, &mut lanes);
    spread(&lanes[..R::LANES], to, c, put);
}

/// [`each_lane`] with the lane's row number.
#[inline(always)]
fn each_index<R: Real, S>(cx: R::Cx, index: R::Index, to: &mut [S], c: usize, put: fn(&mut S, usize, u32)) {
    const { assert!(R::LANES <= MAX_LANES) };
    let mut lanes = [0; MAX_LANES];
    R::index_store(cx, index, &mut lanes);
    spread(&lanes[..R::LANES], to, c, put);
}

/// Not inlined, and with a function pointer, so that it is compiled once for all instruction sets.
#[inline(never)]
fn spread<S, T: Copy>(lanes: &[T], to: &mut [S], c: usize, put: fn(&mut S, usize, T)) {
    for (to, &lane) in to.iter_mut().zip(lanes) {
        put(to, c, lane);
    }
}

/// How many components `F` has.
const fn components<F: Formula>() -> usize {
    <F::Out<u8> as crate::components::Components<u8>>::LEN
}
