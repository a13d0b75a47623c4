//! The product of all terms.
//!
//! A product of a few factors may be out of the range of the element type even if the product of all of them is in
//! range. So a product is kept as a mantissa in ±[√½, √2) and a whole number as exponent. Factors of 0 are counted
//! apart, because derivatives need the product of the other factors. An infinite or NaN factor makes the mantissa
//! infinite or NaN.

use core::marker::PhantomData;

use num_traits::Float;

use super::{Componentwise, Numbers, compensated};
use crate::number::{Packed, Real, Scalar};

/// Π_j f(p, x_i, y_j), for each component. 1 if there are no sources.
///
/// Each factor is one rounding in the element type; no partial product overflows or underflows.
pub type Prod = Product<Whole>;

/// The saved row that derivatives of [`Prod`] read: for each component the mantissa of the product of all factors that
/// are not 0; then for each component the exponent of that product; then for each component how many factors are 0;
/// then zeros, up to `BLOCKS` numbers for each component.
pub type ProdSaved<const BLOCKS: usize> = Product<Parts<BLOCKS>>;

/// The product of all terms; `O` says what the result row has of it.
#[derive(Clone, Copy, Debug)]
pub struct Product<O>(PhantomData<O>);

/// See [`Prod`].
#[derive(Clone, Copy, Debug)]
pub struct Whole;

/// See [`ProdSaved`].
#[derive(Clone, Copy, Debug)]
pub struct Parts<const BLOCKS: usize>;

/// The result row, as a function of a product.
pub trait Factors: Copy + Send + Sync + 'static {
    /// How many numbers of the result row each component has.
    const BLOCKS: usize;
    /// Number `block` of a component, from the mantissa and the exponent of the product of the factors that are not 0,
    /// and the number of zeros.
    fn number(block: usize, mantissa: f64, exponent: f64, zeros: f64) -> f64;
}

impl Factors for Whole {
    const BLOCKS: usize = 1;

    fn number(_block: usize, mantissa: f64, exponent: f64, zeros: f64) -> f64 {
        // Beyond these exponents the product is 0 or infinite. With two factors no subnormal number is rounded twice.
        let exponent = exponent.clamp(-2040.0, 2040.0);
        let first = Float::floor(exponent * 0.5);
        let power = |n: f64| <f64 as Real>::pow2_integer((), n);
        let product = mantissa * power(first) * power(exponent - first);
        // The product of an infinite factor and 0 is NaN.
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

/// Multiplies by a factor that is not 0.
#[inline(always)]
fn multiply<R: Packed>(cx: R::Cx, mantissa: &mut R, exponent: &mut R, factor: R) {
    let (zero, infinity) = (R::lit(cx, 0.0), R::splat(cx, R::Scalar::infinity()));
    // The factor is scaled so that the product neither overflows nor is subnormal.
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

impl<O: Factors> Componentwise for Product<O> {
    /// The mantissa, the number of zeros, and the exponent in two terms.
    type State = Numbers<4>;
    /// The mantissa and the number of zeros of all terms so far, and the exponent of this run.
    type Run = Numbers<3>;
    const BUNDLES: bool = true;
    const HANDS_NAN_ON: bool = true;
    const VALUES: usize = O::BLOCKS;

    #[inline(always)]
    fn init<R: Packed>(cx: R::Cx) -> [R; 4] {
        let zero = R::lit(cx, 0.0);
        [R::lit(cx, 1.0), zero, zero, zero]
    }

    #[inline(always)]
    fn begin<R: Packed>(cx: R::Cx, [mantissa, zeros, ..]: [R; 4]) -> [R; 3] {
        [mantissa, zeros, R::lit(cx, 0.0)]
    }

    #[inline(always)]
    fn push<R: Packed>(cx: R::Cx, [mantissa, zeros, exponent]: [&mut R; 3], value: R) {
        let (zero, one) = (R::lit(cx, 0.0), R::lit(cx, 1.0));
        let is_zero = R::eq(cx, value, zero);
        *zeros = R::add(cx, *zeros, R::select(cx, is_zero, one, zero));
        multiply(cx, mantissa, exponent, R::select(cx, is_zero, one, value));
    }

    #[inline(always)]
    fn flush<R: Packed>(cx: R::Cx, [_, _, mut high, mut low]: [R; 4], [mantissa, zeros, exponent]: [R; 3]) -> [R; 4] {
        compensated::add(cx, &mut high, &mut low, exponent);
        [mantissa, zeros, high, low]
    }

    fn merge<T: Scalar>([mut mantissa, zeros, mut high, mut low]: [T; 4], other: [T; 4]) -> [T; 4] {
        let [factor, other_zeros, mut exponent, other_low] = other;
        multiply((), &mut mantissa, &mut exponent, factor);
        compensated::add((), &mut high, &mut low, exponent);
        [mantissa, zeros + other_zeros, high, low + other_low]
    }

    fn finish<T: Scalar>([mantissa, zeros, high, low]: [T; 4], number: usize) -> T {
        let exponent = compensated::value(high, low);
        T::of_f64(O::number(number, mantissa.as_f64(), exponent, zeros.as_f64()))
    }
}
