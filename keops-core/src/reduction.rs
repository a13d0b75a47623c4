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
//! A state is a list of numbers, as long for every target: between runs the engines keep states as flat memory. Each
//! lane of a state is a target of its own; when lanes run over sources instead, the engine takes them apart and
//! `merge` joins them. Ties between sources go to the lowest row number in every order of merging.
//!
//! | type | row of the result, for f with components f_0, f_1, .. |
//! |---|---|
//! | [`Sum`], [`DirectSum`], [`CompensatedSum`] | Σ_j f, rounded in blocks, at each term, once |
//! | [`Mean`], [`DirectMean`], [`CompensatedMean`] | the same over the number of sources |
//! | [`Prod`] | Π_j f |
//! | [`ProdSaved`] | the mantissa, the exponent and the number of zeros of that |
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
mod zero;

pub use compensated::Total;
pub use componentwise::{Array, Componentwise, Count, Numbers};
pub use exponential::{Exponential, ExponentialRun, Outcome};
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
pub use zero::Zero;

use crate::{
    formula::{Components, Differences, Formula, Row, Sink},
    number::{Bundle, Real, Scalar},
};

/// How the terms of a target become its result.
///
/// The components of one pair arrive in ascending order, each exactly once (the contract of [`crate::formula::Sink`]),
/// so a reduction may use component 0 (an exponent, say) for the components that follow it.
pub trait Reduction: Copy + Send + Sync + 'static {
    /// What is kept for a target between runs, in memory.
    type State<F: Formula, R: Real>: Components<R>;
    /// What every pair touches, in registers.
    type Run<F: Formula, R: Real>;
    /// What component 0 of a pair leaves for the components behind it.
    type Kept<R: Real>: Copy;
    /// Whether the state has a NaN after a component was NaN.
    const HANDS_NAN_ON: bool = false;
    /// Whether most pairs only compare their value, which is less than the operations of a loop.
    const COMPARES: bool = false;
    /// Whether most sources are refused by one comparison, [`Self::admits`], and the others are worth being collected.
    const FILTERS: bool = false;
    /// Whether [`Self::push`] writes to the state, and not only to the run.
    const PUSHES_TO_STATE: bool = false;
    /// Whether a component may be taken of several sources, in their order, before the next component is taken of any.
    const BUNDLES: bool = false;
    /// Whether a component may be taken in parts that add up to it.
    const ADDS: bool = false;
    /// Whether the result is divided by the number of sources: of one pair it is not its part of the whole.
    const DIVIDES: bool = false;
    /// How many numbers of a run every pair writes, whatever the formula: what must stay in registers.
    const REGISTERS: usize;
    /// How many more for each component of the formula.
    const REGISTERS_PER_COMPONENT: usize;

    /// The state that has seen no source.
    fn init<F: Formula, R: Real>(cx: R::Cx) -> Self::State<F, R>;
    /// Begins a short run of sources.
    fn begin<F: Formula, R: Real>(cx: R::Cx, state: &Self::State<F, R>) -> Self::Run<F, R>;
    /// Before component 0 of the next source: something to be written over.
    fn keep<R: Real>(cx: R::Cx) -> Self::Kept<R>;
    /// Comes before component 0 of the next sources is taken, the largest value of which is `largest` (or NaN, if one is).
    #[inline(always)]
    fn lead<F: Formula, R: Real>(_cx: R::Cx, _run: &mut Self::Run<F, R>, _largest: R) {}
    /// Where a component 0 of this value could change the state. Only where [`Self::FILTERS`] says so.
    #[inline(always)]
    fn admits<F: Formula, R: Real>(_cx: R::Cx, _run: &Self::Run<F, R>, _value: R) -> R::Mask {
        unreachable!("every source counts: `FILTERS` is false")
    }
    /// Takes component `c` of source `index`.
    fn push<F: Formula, R: Real>(
        cx: R::Cx,
        state: &mut Self::State<F, R>,
        run: &mut Self::Run<F, R>,
        kept: &mut Self::Kept<R>,
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
        kept: &mut Self::Kept<R>,
        index: R::Index,
        c: usize,
        (a, b): (R, R),
    ) {
        Self::push::<F, R>(cx, state, run, kept, index, c, R::mul(cx, a, b));
    }
    /// Ends a run: sums move what they gathered into their compensated total.
    fn flush<F: Formula, R: Real>(cx: R::Cx, state: &mut Self::State<F, R>, run: &Self::Run<F, R>);
    /// Joins the state of other sources of the same target; both are those of one lane, for a formula of `components`
    /// components.
    fn merge<T: Scalar>(components: usize, state: &mut [T], other: &[T]);

    /// How many values a result row has, for a formula of `components` components.
    fn values(components: usize) -> usize;
    /// How many row numbers a result row has.
    fn indices(_components: usize) -> usize {
        0
    }
    /// Writes the result row from the state of one lane.
    fn finish<T: Scalar>(components: usize, state: &[T], values: &mut [T], indices: &mut [u32]);
}

/// Hands the components of a pair to the reduction.
pub struct Push<'a, F: Formula, R: Real, Red: Reduction> {
    state: &'a mut Red::State<F, R>,
    run: &'a mut Red::Run<F, R>,
    kept: Red::Kept<R>,
    index: R::Index,
}

impl<'a, F: Formula, R: Real, Red: Reduction> Push<'a, F, R, Red> {
    /// Those of a pair with source `index`.
    #[inline(always)]
    pub fn new(cx: R::Cx, state: &'a mut Red::State<F, R>, run: &'a mut Red::Run<F, R>, index: R::Index) -> Self {
        Self { state, run, kept: Red::keep(cx), index }
    }
}

impl<F: Formula, R: Real, Red: Reduction> Sink<R> for Push<'_, F, R, Red> {
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

/// The vectors of squared distances of a target and of the sources of a bundle, less a centre that is near them.
pub trait Centred<R: Real> {
    /// The target's vector.
    fn target(&self, differences: &Differences) -> &[R];
    /// That of source `b`.
    fn source(&self, differences: &Differences, b: usize) -> &[R::Scalar];
}

/// Hands the components of the pairs with `B` sources to a reduction that takes [`Reduction::BUNDLES`].
pub struct PushBundle<'a, F: Formula, R: Real, Red: Reduction, V, const B: usize> {
    state: &'a mut Red::State<F, R>,
    run: &'a mut Red::Run<F, R>,
    kept: [Red::Kept<R>; B],
    indices: [R::Index; B],
    centred: Option<V>,
}

impl<'a, F: Formula, R: Real, Red: Reduction, V: Centred<R>, const B: usize> PushBundle<'a, F, R, Red, V, B> {
    /// Those of the pairs with these sources, whose vectors are centred if they are far enough from the target.
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

impl<F: Formula, R: Real, Red: Reduction, V: Centred<R>, const B: usize> Sink<Bundle<R, B>>
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
    /// Σ_b s_b (u_d - w_bd) as (Σ_b s_b) u_d - Σ_b s_b w_bd, which is half of the operations.
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
        // The square of a centred vector is finite, so these products are. Of an infinite scale they would be NaN.
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

/// With more parameters the pairs of a bundle, each of which has them, do not share a copy of them in registers.
const FEW_PARAMETERS: usize = 16;

/// A pair that keeps more numbers than this in arrays of its own gains nothing from sums that are read once for a bundle, and
/// is a lot of code, which a bundle has as often as it has pairs.
const FEW_LOCALS: usize = 256;

/// Whether a target may meet the sources of a bundle at once.
pub(crate) const fn bundles<F: Formula, Red: Reduction>() -> bool {
    Red::BUNDLES && <F::Parameters<u8> as Components<u8>>::LEN <= FEW_PARAMETERS && F::LOCALS <= FEW_LOCALS
}
