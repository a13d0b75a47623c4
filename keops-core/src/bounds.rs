//! Bounds of a formula on boxes.
//!
//! The stages of a [`Formula`] are generic over [`Real`], and [`Interval`] is one: evaluated on the intervals of the
//! coordinates of a box of targets and a box of sources, a formula gives bounds of f over all pairs of the two. No formula is written for this, and programs that do not ask for bounds do not compile them.
//!
//! *What the bounds hold for* is what the engine computes in f32 or f64, with its roundings: on the CPU with every instruction
//! set, fused or not, also where contractions of many components are matrix products; and on the GPU. They do not hold
//! for the scaled exponents of a GPU ([`Formula::SCALED`]), whose error is absolute, nor for its approximate functions.
//! What the engine makes of the components of f afterwards, such as a sum, has roundings of its own.
//!
//! | where | what |
//! |---|---|
//! | `interval` | the number, and arithmetic |
//! | `functions` | elementary functions |
//! | `contraction` | dot products and squared distances |
//! | `truth` | comparisons, from which selections learn |
//! | `identity` | which intervals are of the same number |
//!
//! *How wide bounds are.* An operand that occurs twice may take different values in the two places, unless it is the same
//! number in both, as in x·x. These are widths of bounds over those of values (f32, D = 3, boxes of edge 0.2 in the unit cube; the
//! median and the 90 % quantile, which `cargo test --test bounds widths` measures again):
//!
//! | formula | [`Bounds::pair`] | [`Bounds::pair_narrow`] |
//! |---|---|---|
//! | distances: squared, Manhattan, Chebyshev, haversine; Gaussian, Laplacian, Cauchy kernels; dot product | 1.0, 1.3 | the same |
//! | `clamp` of a distance | 1.0, 1.2 | the same |
//! | hyperbolic distance; nearest image, by `min(d, 1 - d)` | 1.2, 1.7 | the same |
//! | a Gaussian times a dot product | 1.3, 1.7 | the same |
//! | Huber, by `ifelse` | 1.4, 1.7 | 1.1, 1.1 |
//! | Matérn (1 + r) exp(-r); Wendland | 2.9, 5.2 | 1.5, 2.5 |
//! | r² exp(-g r²) | 5.7, 14 | 1.6, 2.3 |
//! | gradients of a Gaussian, a Laplacian, a hyperbolic distance | 2.8, 4.1; 2.8, 13; 5.7, 35 | the same |
//! | nearest image, by `d - round(d, 0)` | 7.0, 14 | the same |
//! | \|x\|² + \|y\|² - 2 (x \| y) | 4.3, 25 | the same |
//! | cosine distance | 6.5, 28 | the same |
//!
//! A search skips boxes by the first of these, and hardly by the last three: write distances as `sqdist`, and the nearest
//! image by `min`. With more components than 3 boxes themselves are wide, whatever the formula.

mod contraction;
mod functions;
mod identity;
mod interval;
mod truth;

use core::marker::PhantomData;

pub use interval::{Interval, Rounding};
pub use truth::Truth;

use crate::{
    formula::{Components, Formula, Role, Sink},
    number::{Real, Scalar},
};
use contraction::contract;

/// A formula on boxes, for an element type. See the [module](self).
pub trait Bounds<T: Scalar>: Sync {
    /// How many components f has.
    fn components(&self) -> usize;

    /// Prepares the variables of a role: `rows` has all of them one after another, and `to` is replaced by the
    /// components that [`Self::pair`] reads. `parameters` are prepared, and not read for the role of parameters.
    ///
    /// # Panics
    /// If there are fewer intervals than components.
    fn prepare(
        &self,
        cx: Rounding<T>,
        role: Role,
        parameters: &[Interval<T>],
        rows: &[Interval<T>],
        to: &mut Vec<Interval<T>>,
    );

    /// The bounds of all components of f, from prepared intervals.
    ///
    /// # Panics
    /// If there are fewer intervals than components.
    fn pair(
        &self,
        cx: Rounding<T>,
        parameters: &[Interval<T>],
        target: &[Interval<T>],
        source: &[Interval<T>],
        to: &mut [Interval<T>],
    );

    /// [`Self::pair`], narrower and several times as long: the interval of a contraction is cut in eight pieces, and what f
    /// is on the pieces is put together. A formula with two or three contractions has three or two pieces of each; one with
    /// more, or with none, is as by [`Self::pair`].
    ///
    /// # Panics
    /// As [`Self::pair`].
    fn pair_narrow(
        &self,
        cx: Rounding<T>,
        parameters: &[Interval<T>],
        target: &[Interval<T>],
        source: &[Interval<T>],
        to: &mut [Interval<T>],
    );
}

/// The bounds of a formula.
#[derive(Clone, Copy, Debug)]
pub struct Boxes<F>(PhantomData<F>);

impl<F> Boxes<F> {
    /// The bounds of `F`.
    #[must_use]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<F> Default for Boxes<F> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Scalar, F: Formula> Bounds<T> for Boxes<F> {
    fn components(&self) -> usize {
        <F::Output<T> as Components<T>>::LEN
    }

    fn prepare(
        &self,
        cx: Rounding<T>,
        role: Role,
        parameters: &[Interval<T>],
        rows: &[Interval<T>],
        to: &mut Vec<Interval<T>>,
    ) {
        let len = match role {
            Role::Parameter => <F::Parameters<T> as Components<T>>::LEN,
            Role::Target => <F::Target<T> as Components<T>>::LEN,
            Role::Source => <F::Source<T> as Components<T>>::LEN,
        };
        to.clear();
        to.resize(len, Interval::unknown());
        match role {
            Role::Parameter => F::parameters(cx, rows, to),
            Role::Target => F::target(cx, parameters, rows, to),
            Role::Source => F::source(cx, parameters, rows, to),
        }
        // What a stage prepared is a number of its own: computed on other lanes, the same expression may have other
        // roundings.
        for (number, component) in to.iter_mut().enumerate() {
            component.id = interval::component(role, number);
        }
    }

    #[inline]
    fn pair(
        &self,
        cx: Rounding<T>,
        parameters: &[Interval<T>],
        target: &[Interval<T>],
        source: &[Interval<T>],
        to: &mut [Interval<T>],
    ) {
        let contractions = contract::<T, F>(cx, target, source);
        F::pair(cx, parameters, &target, &source, contractions.as_slice(), &mut Put(to));
    }

    fn pair_narrow(
        &self,
        cx: Rounding<T>,
        parameters: &[Interval<T>],
        target: &[Interval<T>],
        source: &[Interval<T>],
        to: &mut [Interval<T>],
    ) {
        let whole = contract::<T, F>(cx, target, source);
        let count = F::CONTRACTIONS.len();
        let bounded = whole.as_slice().iter().all(|c| c.lo().is_finite() && c.hi().is_finite());
        let pieces: usize = match count {
            1 => 8,
            2 => 3,
            3 => 2,
            _ => 1,
        };
        let pieces = if bounded { pieces } else { 1 };
        for combination in 0..pieces.pow(count as u32) {
            let (mut parts, mut rest) = (whole, combination);
            for part in parts.as_mut_slice() {
                *part = part.piece(rest % pieces, pieces);
                rest /= pieces;
            }
            let mut join = Join { to, first: combination == 0 };
            F::pair(cx, parameters, &target, &source, parts.as_slice(), &mut join);
        }
    }
}

/// Keeps each component.
struct Put<'a, T: Scalar>(&'a mut [Interval<T>]);

impl<T: Scalar> Sink<Interval<T>> for Put<'_, T> {
    #[inline]
    fn put(&mut self, _: Rounding<T>, c: usize, value: Interval<T>) {
        self.0[c] = value;
    }
    #[inline]
    fn put_product(&mut self, cx: Rounding<T>, c: usize, a: Interval<T>, b: Interval<T>) {
        self.0[c] = Interval::mul(cx, a, b);
    }
}

/// Puts each component together with what earlier pieces gave.
struct Join<'a, T: Scalar> {
    to: &'a mut [Interval<T>],
    first: bool,
}

impl<T: Scalar> Sink<Interval<T>> for Join<'_, T> {
    #[inline]
    fn put(&mut self, _: Rounding<T>, c: usize, value: Interval<T>) {
        self.to[c] = if self.first { value } else { self.to[c].hull(value, value.id) };
    }
    #[inline]
    fn put_product(&mut self, cx: Rounding<T>, c: usize, a: Interval<T>, b: Interval<T>) {
        self.put(cx, c, Interval::mul(cx, a, b));
    }
}

impl<T: Scalar> Interval<T> {
    /// One of several pieces of the interval, which are as long as the others; they meet at their ends.
    fn piece(self, number: usize, pieces: usize) -> Self {
        let end = |k: usize| match k {
            0 => self.lo,
            k if k == pieces => self.hi,
            k => {
                let part = k as f64 / pieces as f64;
                self.lo * (1.0 - part) + self.hi * part
            }
        };
        Self { lo: end(number), hi: end(number + 1), ..self }
    }
}
