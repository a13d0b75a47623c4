//! Reductions: how the values of f for the pairs of a target become a row of the result.
//!
//! A reduction is a monoid: it has a *state* for each target, which starts as [`Reduction::init`], takes the components
//! of f pair by pair, and can be merged with a state that has seen other sources. So lanes, tiles, threads, GPU blocks
//! and machines can each reduce a part of the sources. Pairs are taken in short *runs* (a few hundred sources): the
//! numbers that the inner loop changes for every pair are the [`Reduction::Run`], which is small enough to stay in
//! registers, and [`Reduction::flush`] adds them to the state.
//!
//! ```text
//! state = init
//! for each run { run = begin(state); for each pair { push(state, run, ..) }; flush(state, run) }
//! merge(state, other states of the same target); finish(state)
//! ```
//!
//! A state is a list of numbers, as long for every target: between runs the engines keep states as flat memory. With
//! lanes over targets, each lane of a state belongs to another target. With lanes over sources, each lane has seen
//! other sources of the same target, and the engine merges them in the end. Ties between sources go to the lowest row
//! number in every order of merging.
//!
//! | type | row of the result, for f with components f_0, f_1, .. |
//! |---|---|
//! | [`Sum`], [`DirectSum`], [`CompensatedSum`] | Σ_j f; the three differ in how they are rounded |
//! | [`Mean`], [`DirectMean`], [`CompensatedMean`] | these sums divided by the number of sources |
//! | [`Prod`] | Π_j f |
//! | [`ProdSaved`] | the mantissa and the exponent of the product of the factors other than 0, and the number of zeros |
//! | [`Zero`] | 0 |
//! | [`LogSumExp`] | log Σ_j 2^(f_0) (f_1, ..); without f_1: log Σ_j 2^(f_0) |
//! | [`SumSoftMaxWeight`] | Σ_j 2^(f_0) (f_1, ..) / Σ_j 2^(f_0) |
//! | [`LogSumExps`] | log Σ_j 2^f, for each component |
//! | [`LogSumExpsSaved`] | m near max_j f, for each component, then 1 / Σ_j 2^(f - m) for each |
//! | [`LogSumExpSaved`] | m near max_j f_0, then 1 / Σ_j 2^(f_0 - m) (f_1, ..) as there |
//! | [`SoftMaxSaved`] | m, 1 / Σ_j 2^(f_0 - m), then the row of `SumSoftMaxWeight` |
//! | [`MaxSumShiftExp`] | m = log max_j 2^(f_0), then Σ_j 2^(f_0) e^(-m) (f_1, ..) |
//! | [`Min`], [`Max`] | the smallest (largest) value of each component |
//! | [`ArgMin`], [`ArgMax`] | the row number of the smallest (largest) value |
//! | [`MinArgMin`], [`MaxArgMax`] | both |
//! | [`KMin`], [`ArgKMin`], [`KMinArgKMin`] | the K smallest, ascending; their row numbers; both |
//! | [`CountWithin`], [`Within`] | the number of sources with f_0 <= f_1; besides, lists of them |
//!
//! The exponent f_0 is to base 2: the macro folds the factor log2(e) into what it hoists. Logarithms in results are
//! natural.

mod compensated;
mod componentwise;
mod exponential;
mod k_min;
mod log_sum_exp;
mod log_sum_exps;
mod max_sum;
mod mean;
mod min;
mod negated;
mod product;
mod schemes;
mod soft_max;
mod sum;
mod within;
mod zero;

pub use compensated::Total;
pub use componentwise::{Array, Componentwise, Count, Numbers};
pub use exponential::{Exponential, ExponentialRun, Outcome, Weights};
pub use k_min::{ArgKMin, ArgMin, Best, BestRun, KMin, KMinArgKMin, MISSING, MinArgMin};
pub use log_sum_exp::{LogOfSum, LogSumExp, LogSumExpSaved, ShiftAndReciprocals};
pub use log_sum_exps::{Exponentials, LogSumExps, LogSumExpsSaved};
pub use max_sum::MaxSumShiftExp;
pub use mean::{Averaged, CompensatedMean, DirectMean, Mean};
pub use min::Min;
pub use negated::{ArgMax, Max, MaxArgMax, Negated};
pub use product::{Factors, Parts, Prod, ProdSaved, Product, Whole};
pub use schemes::{CompensatedSum, DirectSum};
pub use soft_max::{ShiftReciprocalAndMean, SoftMaxSaved, SumSoftMaxWeight, WeightedMean};
pub use sum::Sum;
pub use within::{CountWithin, Radius, Within};
pub use zero::Zero;

use crate::{
    formula::{Components, Differences, Formula, Row, Sink},
    number::{Bundle, Packed, Real, Scalar},
};

/// What a reduction selects. Its state begins with the smallest values of each component so far: component c of the k-th
/// is number k `components` + c. NaN is a place that no source has taken.
#[derive(Clone, Copy, Debug)]
pub struct Selects {
    /// How many of the smallest values of each component.
    pub count: usize,
    /// Whether they are values of -f, and not of f.
    pub negated: bool,
    /// Whether the state has the row numbers of the sources, too.
    pub numbered: bool,
}

/// What is done for a reduction that selects values; see [`Reduction::if_selecting`].
pub trait Selecting {
    /// The result.
    type Output;
    /// Makes the result.
    fn selects(self) -> Self::Output;
}

/// How the terms of a target become its result.
///
/// The components of one pair arrive in ascending order, each exactly once (the contract of [`crate::formula::Sink`]),
/// so a reduction may use component 0 (an exponent, say) for the components that follow it.
pub trait Reduction: Copy + Send + Sync + 'static {
    /// The numbers of a target between runs, in memory.
    type State<F: Formula, R: Packed>: Components<R>;
    /// The numbers that every pair of a run changes or reads, in registers.
    type Run<F: Formula, R: Packed>;
    /// What component 0 of a pair leaves for the later components of the pair: the weight of an exponential, say.
    type Kept<R: Packed>: Copy;
    /// Whether the result is the sum of f, and nothing else.
    const SUMS: bool = false;
    /// Of a state of sums weighted by exponentials, as [`Exponential`] has it: what the result is made of.
    const WEIGHTS: Option<Weights> = None;
    /// Whether the state has a NaN once a component of f was NaN.
    const HANDS_NAN_ON: bool = false;
    /// True for reductions that do no more than one comparison for a typical pair. The overhead of the loop then
    /// dominates, so plans prefer longer runs and more vectors per tile.
    const COMPARES: bool = false;
    /// True for reductions that refuse most sources by one comparison, [`Self::admits`], and for which it pays to
    /// collect the others before they are pushed.
    const FILTERS: bool = false;
    /// Which of the values it selects, for reductions whose state is the smallest values of each component.
    const SELECTS: Option<Selects> = None;
    /// Whether it selects the sources with f_0 <= f_1, where f_1 depends on the target alone.
    const WITHIN: bool = false;
    /// Whether it lists the sources that it selects.
    const LISTS: bool = false;
    /// Whether [`Self::push`] writes to the state, and not only to the run.
    const PUSHES_TO_STATE: bool = false;
    /// Whether a component may be pushed for several sources, in their order, before the next component is pushed for
    /// any of them.
    const BUNDLES: bool = false;
    /// Whether a component may be pushed as several parts that add up to it.
    const ADDS: bool = false;
    /// Whether the result is divided by the number of sources, so that the result for one pair alone is not the
    /// contribution of that pair to the whole.
    const DIVIDES: bool = false;
    /// How many numbers of a run every pair writes whatever the formula is; these must stay in registers.
    const REGISTERS: usize;
    /// How many numbers of a run every pair writes for each component of f, besides [`Self::REGISTERS`].
    const REGISTERS_PER_COMPONENT: usize;

    /// The state that has seen no source.
    fn init<F: Formula, R: Packed>(cx: R::Cx) -> Self::State<F, R>;
    /// Begins a short run of sources.
    fn begin<F: Formula, R: Packed>(cx: R::Cx, state: &Self::State<F, R>) -> Self::Run<F, R>;
    /// Says that the sources of a run do not come in the order of their row numbers. Called only where [`Self::SELECTS`] has row
    /// numbers.
    #[inline(always)]
    fn in_any_order<F: Formula, R: Packed>(_run: &mut Self::Run<F, R>) {}
    /// The value of [`Self::Kept`] before component 0 of a source is pushed, which overwrites it.
    fn keep<R: Packed>(cx: R::Cx) -> Self::Kept<R>;
    /// Called before component 0 of the next source, or of a whole bundle of sources, is pushed. `largest` is the
    /// largest of these components, or NaN if one is NaN. Reductions with a running shift raise it here, once for the
    /// bundle.
    #[inline(always)]
    fn lead<F: Formula, R: Packed>(_cx: R::Cx, _run: &mut Self::Run<F, R>, _largest: R) {}
    /// The lanes in which a component 0 of this value could change the state. Called only where [`Self::FILTERS`] is
    /// true.
    #[inline(always)]
    fn admits<F: Formula, R: Packed>(_cx: R::Cx, _run: &Self::Run<F, R>, _value: R) -> R::Mask {
        unreachable!("every source counts: `FILTERS` is false")
    }
    /// Adds component `c` of the pair with source `index` to the run, or to the state (see [`Self::PUSHES_TO_STATE`]).
    fn push<F: Formula, R: Packed>(
        cx: R::Cx,
        state: &mut Self::State<F, R>,
        run: &mut Self::Run<F, R>,
        kept: &mut Self::Kept<R>,
        index: R::Index,
        c: usize,
        value: R,
    );
    /// [`Self::push`] of a component that is the product a b: sums add it by a fused operation.
    #[inline(always)]
    fn push_product<F: Formula, R: Packed>(
        cx: R::Cx,
        state: &mut Self::State<F, R>,
        run: &mut Self::Run<F, R>,
        kept: &mut Self::Kept<R>,
        index: R::Index,
        c: usize,
        (a, b): (R, R),
    ) {
        Self::push::<F, R>(cx, state, run, kept, index, c, R::mul(cx, a, b));
    }
    /// Ends a run: its numbers are added to the state. Sums add the sum of the run to their compensated total.
    fn flush<F: Formula, R: Packed>(cx: R::Cx, state: &mut Self::State<F, R>, run: &Self::Run<F, R>);
    /// Merges `other` into `state`, the states of one target after different sources. Both are states of a single lane,
    /// for a formula of `components` components.
    fn merge<T: Scalar>(components: usize, state: &mut [T], other: &[T]);

    /// How many values a result row has, for a formula of `components` components.
    fn values(components: usize) -> usize;
    /// How many row numbers a result row has.
    fn indices(_components: usize) -> usize {
        0
    }
    /// Hands the reduction on if it selects values, and compiles nothing else: for what only these reductions need.
    #[inline(always)]
    fn if_selecting<O>(_selecting: impl Selecting<Output = O>) -> Option<O> {
        None
    }
    /// Writes the result row from the state of one lane.
    fn finish<T: Scalar>(components: usize, state: &[T], values: &mut [T], indices: &mut [u32]);
}

/// A sink that pushes the components of one pair to the reduction `Red`.
pub struct Push<'a, F: Formula, R: Packed, Red: Reduction> {
    state: &'a mut Red::State<F, R>,
    run: &'a mut Red::Run<F, R>,
    kept: Red::Kept<R>,
    index: R::Index,
}

impl<'a, F: Formula, R: Packed, Red: Reduction> Push<'a, F, R, Red> {
    /// A sink for the pair with source `index`.
    #[inline(always)]
    pub fn new(cx: R::Cx, state: &'a mut Red::State<F, R>, run: &'a mut Red::Run<F, R>, index: R::Index) -> Self {
        Self { state, run, kept: Red::keep(cx), index }
    }
}

impl<F: Formula, R: Packed, Red: Reduction> Sink<R> for Push<'_, F, R, Red> {
    #[inline(always)]
    fn put(&mut self, cx: R::Cx, c: usize, value: R) {
        if c == 0 {
            Red::lead::<F, R>(cx, self.run, value);
        }
        Red::push::<F, R>(cx, self.state, self.run, &mut self.kept, self.index, c, value);
    }
    #[inline(always)]
    fn put_product(&mut self, cx: R::Cx, c: usize, a: R, b: R) {
        if c == 0 {
            Red::lead::<F, R>(cx, self.run, R::mul(cx, a, b));
        }
        Red::push_product::<F, R>(cx, self.state, self.run, &mut self.kept, self.index, c, (a, b));
    }
}

/// The vectors of squared distances, of a target and of the sources of a bundle, each less a centre that is near to all
/// of them.
pub trait Centred<R: Packed> {
    /// The centred vector of the target.
    fn target(&self, differences: &Differences) -> &[R];
    /// The centred vector of source `b`.
    fn source(&self, differences: &Differences, b: usize) -> &[R::Scalar];
}

/// A sink that pushes the components of a target's pairs with `B` sources to a reduction with [`Reduction::BUNDLES`].
pub struct PushBundle<'a, F: Formula, R: Packed, Red: Reduction, V, const B: usize> {
    state: &'a mut Red::State<F, R>,
    run: &'a mut Red::Run<F, R>,
    kept: [Red::Kept<R>; B],
    indices: [R::Index; B],
    centred: Option<V>,
}

impl<'a, F: Formula, R: Packed, Red: Reduction, V: Centred<R>, const B: usize> PushBundle<'a, F, R, Red, V, B> {
    /// A sink for the pairs with these sources. `centred` are the centred vectors, given if all sources are so far from
    /// the target that differences of centred vectors keep their digits.
    #[inline(always)]
    pub fn new(
        cx: R::Cx,
        state: &'a mut Red::State<F, R>,
        run: &'a mut Red::Run<F, R>,
        indices: [R::Index; B],
        centred: Option<V>,
    ) -> Self {
        debug_assert!(Red::BUNDLES, "the reduction takes one source after another");
        Self { state, run, kept: [Red::keep(cx); B], indices, centred }
    }

    #[inline(always)]
    fn lead(&mut self, cx: R::Cx, values: &[R; B]) {
        let mut largest = values[0];
        let mut b = 1;
        while b < B {
            largest = R::max(cx, largest, values[b]);
            b += 1;
        }
        Red::lead::<F, R>(cx, self.run, largest);
    }
}

impl<F: Formula, R: Packed, Red: Reduction, V: Centred<R>, const B: usize> Sink<Bundle<R, B>>
    for PushBundle<'_, F, R, Red, V, B>
{
    #[inline(always)]
    fn put(&mut self, cx: R::Cx, c: usize, value: Bundle<R, B>) {
        if c == 0 {
            self.lead(cx, &value.0);
        }
        let mut b = 0;
        while b < B {
            let (kept, index) = (&mut self.kept[b], self.indices[b]);
            Red::push::<F, R>(cx, self.state, self.run, kept, index, c, value.0[b]);
            b += 1;
        }
    }
    #[inline(always)]
    fn put_product(&mut self, cx: R::Cx, c: usize, x: Bundle<R, B>, y: Bundle<R, B>) {
        if c == 0 {
            self.lead(cx, &Bundle::mul(cx, x, y).0);
        }
        let mut b = 0;
        while b < B {
            let (kept, index) = (&mut self.kept[b], self.indices[b]);
            Red::push_product::<F, R>(cx, self.state, self.run, kept, index, c, (x.0[b], y.0[b]));
            b += 1;
        }
    }
    /// Σ_b s_b (u_d - w_bd), computed as (Σ_b s_b) u_d - Σ_b s_b w_bd of centred vectors, which takes half of the
    /// operations.
    #[inline(always)]
    fn put_differences(
        &mut self,
        cx: R::Cx,
        c: usize,
        scale: Bundle<R, B>,
        (i, j): (&impl Row<Bundle<R, B>>, &impl Row<Bundle<R, B>>),
        differences: Differences,
    ) {
        let Some(centred) = self.centred.as_ref().filter(|_| Red::ADDS) else {
            return differences.put_each(cx, c, scale, (i, j), self);
        };
        let (mut total, mut squares) = (R::lit(cx, 0.0), R::lit(cx, 0.0));
        let mut b = 0;
        while b < B {
            total = R::add(cx, total, scale.0[b]);
            squares = R::mul_add(cx, scale.0[b], scale.0[b], squares);
            b += 1;
        }
        // The squares of centred vectors are finite, and with scales below this bound the products are finite, too.
        // With an infinite scale they would be NaN.
        let most = <R::Scalar as num_traits::Float>::max_value() * Scalar::of_f64(1e-6);
        if R::any(cx, R::not(cx, R::lt(cx, squares, R::splat(cx, most)))) {
            return differences.put_each(cx, c, scale, (i, j), self);
        }
        let mut scales = scale.0;
        if differences.flipped {
            total = R::neg(cx, total);
        } else {
            scales = Bundle::neg(cx, scale).0;
        }
        let target = centred.target(&differences);
        let mut sources: [&[R::Scalar]; B] = [&[]; B];
        let mut b = 0;
        while b < B {
            sources[b] = centred.source(&differences, b);
            b += 1;
        }
        let mut d = 0;
        while d < differences.contraction.len {
            let (kept, index) = (&mut self.kept[0], self.indices[0]);
            Red::push_product::<F, R>(cx, self.state, self.run, kept, index, c + d, (total, target[d]));
            let mut b = 0;
            while b < B {
                let (kept, index) = (&mut self.kept[b], self.indices[b]);
                let product = (scales[b], R::splat(cx, sources[b][d]));
                Red::push_product::<F, R>(cx, self.state, self.run, kept, index, c + d, product);
                b += 1;
            }
            d += 1;
        }
    }
}

/// How many components `F` has.
#[must_use]
pub const fn components<F: Formula>() -> usize {
    <F::Output<u8> as Components<u8>>::LEN
}

/// The most prepared parameters of a formula whose pairs go in bundles: more of them do not stay in registers, where
/// the pairs of a bundle share them.
const FEW_PARAMETERS: usize = 16;

/// The most numbers in the arrays of a pair that goes in bundles. A pair with larger arrays gains little from sums that
/// are read once for a bundle, and is a lot of code, which a bundle repeats for each of its pairs.
const FEW_LOCALS: usize = 256;

/// Whether the pairs of a target with the sources of a bundle may go through the formula in step.
pub(crate) const fn bundles<F: Formula, Red: Reduction>() -> bool {
    Red::BUNDLES && <F::Parameters<u8> as Components<u8>>::LEN <= FEW_PARAMETERS && F::LOCALS <= FEW_LOCALS
}
