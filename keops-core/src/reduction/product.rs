//! The product of all terms.
//!
//! A product of a few numbers leaves the range of an element type that the whole may be in: each is kept as a mantissa in
//! [√½, √2), with its sign, and an exponent, a whole number. Factors of 0 are counted apart, because derivatives need the
//! product of the others. An infinite or NaN factor becomes the mantissa.

use core::marker::PhantomData;

use num_traits::Float;

use super::{Reduction, compensated, components};
use crate::{
    formula::{Chain, Components, Formula},
    number::{Real, Scalar},
};

/// Π_j f(p, x_i, y_j), for each component. 1 if there are no sources.
///
/// Each factor is one rounding in the element type; no partial product overflows or underflows.
pub type Prod = Product<Whole>;

/// What derivatives need of [`Prod`]: the mantissas of the product of all factors that are not 0, for each component, its
/// exponents, and how many factors are 0; then zeros, up to `BLOCKS` numbers for each component.
pub type ProdSaved<const BLOCKS: usize> = Product<Parts<BLOCKS>>;

/// A product, of which `O` makes the result row.
#[derive(Clone, Copy, Debug)]
pub struct Product<O>(PhantomData<O>);

/// See [`Prod`].
#[derive(Clone, Copy, Debug)]
pub struct Whole;

/// See [`ProdSaved`].
#[derive(Clone, Copy, Debug)]
pub struct Parts<const BLOCKS: usize>;

/// What becomes of a product.
pub trait Factors: Copy + Send + Sync + 'static {
    /// Numbers of the result row for each component.
    const BLOCKS: usize;
    /// Number `block` of a component.
    fn number(block: usize, mantissa: f64, exponent: f64, zeros: f64) -> f64;
}

impl Factors for Whole {
    const BLOCKS: usize = 1;

    fn number(_block: usize, mantissa: f64, exponent: f64, zeros: f64) -> f64 {
        // beyond that it is 0 or infinite, and in two steps no subnormal number is rounded twice
        let exponent = exponent.clamp(-2040.0, 2040.0);
        let first = Float::floor(exponent * 0.5);
        let power = |n: f64| <f64 as Real>::pow2_integer((), n);
        let product = mantissa * power(first) * power(exponent - first);
        // of an infinite factor and 0 it is NaN
        if zeros == 0.0 { product } else { mantissa * 0.0 }
    }
}

impl<const BLOCKS: usize> Factors for Parts<BLOCKS> {
    const BLOCKS: usize = BLOCKS;

    fn number(block: usize, mantissa: f64, exponent: f64, zeros: f64) -> f64 {
        match block {
            0 => mantissa,
            1 => exponent,
            2 => zeros,
            _ => 0.0,
        }
    }
}

/// The product of a run, for each component.
pub struct ProductRun<F: Formula, R: Real> {
    mantissas: F::Output<R>,
    exponents: F::Output<R>,
    zeros: F::Output<R>,
}

/// Multiplies by a factor that is not 0.
#[inline(always)]
fn multiply<R: Real>(cx: R::Cx, mantissa: &mut R, exponent: &mut R, factor: R) {
    let (zero, infinity) = (R::lit(cx, 0.0), R::splat(cx, R::Scalar::infinity()));
    // a factor is scaled so that the product neither overflows nor is subnormal
    let up = if R::Scalar::epsilon().as_f64() > 1e-10 { 24.0 } else { 54.0 };
    let large = R::le(cx, R::lit(cx, 1.0), R::abs(cx, factor));
    let scale = R::select(cx, large, R::lit(cx, 0.25), R::pow2_integer(cx, R::lit(cx, up)));
    let less = R::select(cx, large, R::lit(cx, 2.0), R::lit(cx, -up));
    let product = R::mul(cx, *mantissa, R::mul(cx, factor, scale));
    let size = R::abs(cx, product);
    let (m, e) = R::split_exponent(cx, size);
    let m = R::select(cx, R::lt(cx, product, zero), R::neg(cx, m), m);
    let number = R::lt(cx, size, infinity);
    *mantissa = R::select(cx, number, m, product);
    *exponent = R::add(cx, *exponent, R::select(cx, number, R::add(cx, e, less), zero));
}

impl<O: Factors> Reduction for Product<O> {
    /// Mantissas and numbers of zeros, then exponents in two terms.
    type State<F: Formula, R: Real> = Chain<Chain<F::Output<R>, F::Output<R>>, Chain<F::Output<R>, F::Output<R>>>;
    type Run<F: Formula, R: Real> = ProductRun<F, R>;
    type Kept<R: Real> = ();
    const BUNDLES: bool = true;
    const HANDS_NAN_ON: bool = true;
    const REGISTERS: usize = 0;
    const REGISTERS_PER_COMPONENT: usize = 3;

    #[inline(always)]
    fn init<F: Formula, R: Real>(cx: R::Cx) -> Self::State<F, R> {
        let zeros = F::Output::<R>::splat(R::lit(cx, 0.0));
        Chain(Chain(F::Output::<R>::splat(R::lit(cx, 1.0)), zeros), Chain(zeros, zeros))
    }

    #[inline(always)]
    fn begin<F: Formula, R: Real>(cx: R::Cx, state: &Self::State<F, R>) -> ProductRun<F, R> {
        let Chain(mantissas, zeros) = state.0;
        ProductRun { mantissas, exponents: F::Output::<R>::splat(R::lit(cx, 0.0)), zeros }
    }

    #[inline(always)]
    fn keep<R: Real>(_cx: R::Cx) {}

    #[inline(always)]
    fn push<F: Formula, R: Real>(
        cx: R::Cx,
        _state: &mut Self::State<F, R>,
        run: &mut ProductRun<F, R>,
        _kept: &mut (),
        _index: R::Index,
        c: usize,
        value: R,
    ) {
        let (zero, one) = (R::lit(cx, 0.0), R::lit(cx, 1.0));
        let is_zero = R::eq(cx, value, zero);
        let zeros = &mut run.zeros.as_mut_slice()[c];
        *zeros = R::add(cx, *zeros, R::select(cx, is_zero, one, zero));
        let (mantissa, exponent) = (&mut run.mantissas.as_mut_slice()[c], &mut run.exponents.as_mut_slice()[c]);
        multiply(cx, mantissa, exponent, R::select(cx, is_zero, one, value));
    }

    #[inline(always)]
    fn flush<F: Formula, R: Real>(cx: R::Cx, state: &mut Self::State<F, R>, run: &ProductRun<F, R>) {
        state.0 = Chain(run.mantissas, run.zeros);
        let (high, low) = (state.1.0.as_mut_slice(), state.1.1.as_mut_slice());
        let mut c = 0;
        while c < components::<F>() {
            compensated::add(cx, &mut high[c], &mut low[c], run.exponents.as_slice()[c]);
            c += 1;
        }
    }

    fn merge<T: Scalar>(components: usize, state: &mut [T], other: &[T]) {
        for c in 0..components {
            let (mut mantissa, mut exponent) = (state[c], other[2 * components + c]);
            multiply((), &mut mantissa, &mut exponent, other[c]);
            state[c] = mantissa;
            state[components + c] = state[components + c] + other[components + c];
            let (front, back) = state.split_at_mut(3 * components);
            compensated::add((), &mut front[2 * components + c], &mut back[c], exponent);
            back[c] = back[c] + other[3 * components + c];
        }
    }

    fn values(components: usize) -> usize {
        O::BLOCKS * components
    }

    fn indices(_components: usize) -> usize {
        0
    }

    fn finish<T: Scalar>(components: usize, state: &[T], values: &mut [T], _indices: &mut [u32]) {
        for (k, value) in values.iter_mut().enumerate() {
            let (block, c) = (k / components, k % components);
            let exponent = compensated::value(state[2 * components + c], state[3 * components + c]);
            *value = T::of_f64(O::number(block, state[c].as_f64(), exponent, state[components + c].as_f64()));
        }
    }
}
