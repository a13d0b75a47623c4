//! A formula with a weight.

use core::{any::Any, marker::PhantomData};

use crate::{
    bounds::Bounds,
    cpu::kernel::{Compiled, Kernel, Layout},
    formula::{Chain, Components, Contraction, Differences, Formula, Index, Item, Row, Sink, Variable},
    number::Real,
    reduction::{Sum, Weights},
};

/// Makes the bounds of a formula when they are first asked for.
type BoundsOf = fn() -> &'static Bounds<f64>;

/// A formula as sums within a tolerance need it. It is compiled for calls that have a tolerance.
pub struct FarFormula {
    /// Bounds of what is summed.
    pub(super) bounds: BoundsOf,
    /// Of sums weighted by exponentials, bounds of f itself, and what the result is.
    pub(super) exponents: Option<(BoundsOf, Weights)>,
    pub(super) kernel: &'static dyn Kernel<f64>,
    pub(super) layout: fn() -> Layout,
}

impl FarFormula {
    /// Of sums weighted by exponentials, what the result is.
    pub(in crate::cpu) fn weights(&self) -> Option<Weights> {
        self.exponents.map(|(_, weights)| weights)
    }

    /// That of `F`, as what settings keep.
    #[must_use]
    pub fn of<F: Formula>() -> &'static (dyn Any + Send + Sync) {
        struct Of<F>(PhantomData<F>);
        impl<F: Formula> Of<F> {
            const FORMULA: &'static FarFormula = &FarFormula {
                bounds: Bounds::<f64>::of::<F>,
                exponents: None,
                kernel: &Compiled::<Weighted<F>, Sum>::NEW,
                layout: Layout::of::<f64, Weighted<F>, Sum>,
            };
        }
        Of::<F>::FORMULA
    }

    /// That of `F` in a sum weighted by exponentials of its first component.
    pub fn of_exponentials<F: Formula>(weights: Weights) -> &'static (dyn Any + Send + Sync) {
        struct Of<F>(PhantomData<F>);
        impl<F: Formula> Of<F> {
            const OF_MEAN: &'static FarFormula = &Self::with(Weights::Mean);
            const OF_SUM: &'static FarFormula = &Self::with(Weights::Sum);
            const fn with(weights: Weights) -> FarFormula {
                FarFormula {
                    bounds: Bounds::<f64>::of::<Powers<F>>,
                    exponents: Some((Bounds::<f64>::of::<F>, weights)),
                    kernel: &Compiled::<Weighted<Powers<F>>, Sum>::NEW,
                    layout: Layout::of::<f64, Weighted<Powers<F>>, Sum>,
                }
            }
        }
        match weights {
            Weights::Mean => Of::<F>::OF_MEAN,
            Weights::Sum => Of::<F>::OF_SUM,
        }
    }
}

/// 2^(f_0), and its products with the other components of f.
struct Powers<F>(PhantomData<F>);

impl<F: Formula> Formula for Powers<F> {
    const NAME: &'static str = F::NAME;
    const VARIABLES: &'static [Variable] = F::VARIABLES;
    const TARGETS: Index = F::TARGETS;
    const CONTRACTIONS: &'static [Contraction] = F::CONTRACTIONS;
    const LOCALS: usize = F::LOCALS;

    type Parameters<E: Item> = F::Parameters<E>;
    type Target<E: Item> = F::Target<E>;
    type Source<E: Item> = F::Source<E>;
    type Contractions<E: Item> = F::Contractions<E>;
    type Output<E: Item> = F::Output<E>;

    #[inline(always)]
    fn parameters<R: Real>(cx: R::Cx, x: &[R], out: &mut [R]) {
        F::parameters(cx, x, out);
    }
    #[inline(always)]
    fn target<R: Real>(cx: R::Cx, p: &[R], x: &[R], out: &mut [R]) {
        F::target(cx, p, x, out);
    }
    #[inline(always)]
    fn source<R: Real>(cx: R::Cx, p: &[R], x: &[R], out: &mut [R]) {
        F::source(cx, p, x, out);
    }
    #[inline(always)]
    fn pair<R: Real>(cx: R::Cx, p: &[R], i: &impl Row<R>, j: &impl Row<R>, c: &[R], sink: &mut impl Sink<R>) {
        F::pair(cx, p, i, j, c, &mut TimesPower { power: R::lit(cx, 1.0), sink });
    }
}

/// Hands on 2^(f_0), and multiplies the components behind it by that.
struct TimesPower<'s, R, S> {
    power: R,
    sink: &'s mut S,
}

impl<R: Real, S: Sink<R>> Sink<R> for TimesPower<'_, R, S> {
    #[inline(always)]
    fn put(&mut self, cx: R::Cx, c: usize, value: R) {
        if c == 0 {
            self.power = R::exp2(cx, value);
            self.sink.put(cx, c, self.power);
        } else {
            self.sink.put_product(cx, c, value, self.power);
        }
    }
    #[inline(always)]
    fn put_product(&mut self, cx: R::Cx, c: usize, a: R, b: R) {
        self.put(cx, c, R::mul(cx, a, b));
    }
}

/// The formula times one more variable of sources, the last one.
struct Weighted<F>(PhantomData<F>);

/// The most variables of a formula with a weight.
const VARIABLES: usize = 64;

impl<F: Formula> Weighted<F> {
    /// The variables, and the weight behind them; the rest is not used.
    const WITH_WEIGHT: [Variable; VARIABLES] = {
        assert!(F::VARIABLES.len() < VARIABLES, "a formula with a tolerance has at most 63 variables");
        let mut all = [Variable::source("weight", 1); VARIABLES];
        let mut number = 0;
        while number < F::VARIABLES.len() {
            all[number] = F::VARIABLES[number];
            number += 1;
        }
        all
    };
}

impl<F: Formula> Formula for Weighted<F> {
    const NAME: &'static str = F::NAME;
    const VARIABLES: &'static [Variable] = Self::WITH_WEIGHT.split_at(F::VARIABLES.len() + 1).0;
    const TARGETS: Index = F::TARGETS;
    const CONTRACTIONS: &'static [Contraction] = F::CONTRACTIONS;
    const LOCALS: usize = F::LOCALS;

    type Parameters<E: Item> = F::Parameters<E>;
    type Target<E: Item> = F::Target<E>;
    type Source<E: Item> = Chain<F::Source<E>, [E; 1]>;
    type Contractions<E: Item> = F::Contractions<E>;
    type Output<E: Item> = F::Output<E>;

    #[inline(always)]
    fn parameters<R: Real>(cx: R::Cx, x: &[R], out: &mut [R]) {
        F::parameters(cx, x, out);
    }
    #[inline(always)]
    fn target<R: Real>(cx: R::Cx, p: &[R], x: &[R], out: &mut [R]) {
        F::target(cx, p, x, out);
    }
    #[inline(always)]
    fn source<R: Real>(cx: R::Cx, p: &[R], x: &[R], out: &mut [R]) {
        let (x, weight) = x.split_at(x.len() - 1);
        let (out, to) = out.split_at_mut(out.len() - 1);
        F::source(cx, p, x, out);
        to.copy_from_slice(weight);
    }
    #[inline(always)]
    fn pair<R: Real>(cx: R::Cx, p: &[R], i: &impl Row<R>, j: &impl Row<R>, c: &[R], sink: &mut impl Sink<R>) {
        let weight = j.get(cx, <F::Source<u8> as Components<u8>>::LEN);
        F::pair(cx, p, i, j, c, &mut Times { weight, sink });
    }
}

/// Multiplies all components by a weight.
struct Times<'s, R, S> {
    weight: R,
    sink: &'s mut S,
}

impl<R: Real, S: Sink<R>> Sink<R> for Times<'_, R, S> {
    #[inline(always)]
    fn put(&mut self, cx: R::Cx, c: usize, value: R) {
        self.sink.put_product(cx, c, value, self.weight);
    }
    #[inline(always)]
    fn put_product(&mut self, cx: R::Cx, c: usize, a: R, b: R) {
        self.sink.put_product(cx, c, R::mul(cx, a, b), self.weight);
    }
    #[inline(always)]
    fn put_scaled(&mut self, cx: R::Cx, c: usize, scale: R, row: &impl Row<R>, from: usize, len: usize) {
        self.sink.put_scaled(cx, c, R::mul(cx, scale, self.weight), row, from, len);
    }
    #[inline(always)]
    fn put_differences(
        &mut self,
        cx: R::Cx,
        c: usize,
        scale: R,
        rows: (&impl Row<R>, &impl Row<R>),
        differences: Differences,
    ) {
        self.sink.put_differences(cx, c, R::mul(cx, scale, self.weight), rows, differences);
    }
}
