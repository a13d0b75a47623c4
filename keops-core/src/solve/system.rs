//! The matrix αI + K, independent of its formula.

use std::sync::OnceLock;

use crate::{
    call::{Element, OnePass},
    data::{Error, View},
    operator::LinearSum,
    problem::Over,
};

/// The type that a product is computed in, and how far it may be off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Precision {
    /// The type of the arguments, within the tolerance of the call.
    Given,
    /// f64, without a tolerance.
    Exact,
}

/// A symmetric matrix αI + K. The solver is written for this trait, and so is compiled once for all formulas.
pub(super) trait System {
    /// The length of a vector.
    #[cfg_attr(not(feature = "nystrom"), allow(dead_code, reason = "only a sketch has vectors before there is b"))]
    fn len(&self) -> usize;
    /// The number of right-hand sides: number k of a vector belongs to side k modulo this number.
    fn columns(&self) -> usize;
    /// α
    fn alpha(&self) -> f64;
    /// Whether products are exact as they are given: the arguments are f64, and the call has no tolerance.
    fn is_exact(&self) -> bool;
    /// The tolerance of products as they are given; 0 if there is none.
    fn tolerance(&self) -> f64;
    /// Computes q = K p, after rounding p to the type of the product.
    fn product(&self, precision: Precision, p: &mut [f64], q: &mut [f64]) -> Result<(), Error>;
    /// The diagonal of K.
    fn diagonal(&self) -> Result<Vec<f64>, Error>;
    /// The number of this rank.
    #[cfg_attr(not(feature = "nystrom"), allow(dead_code, reason = "only a sketch has parts of a rank"))]
    fn rank(&self) -> usize;
    /// The numbers of all ranks, in their order. A vector has its rows on the rank that has them, and every rank decides by the
    /// same numbers.
    fn each(&self, numbers: Vec<f64>) -> Result<Vec<Vec<f64>>, Error>;
}

/// The sums over all ranks, which are the same on each.
pub(super) fn sum(system: &dyn System, numbers: Vec<f64>) -> Result<Vec<f64>, Error> {
    let mut ranks = system.each(numbers)?.into_iter();
    let mut sums = ranks.next().unwrap_or_default();
    ranks.for_each(|rank| sums.iter_mut().zip(rank).for_each(|(sum, number)| *sum += number));
    Ok(sums)
}

/// Products with the matrix of a formula.
pub(super) struct Products<'a, T: Element, F> {
    pub(super) sum: LinearSum<'a, T, F>,
    /// The arguments in f64, once they are needed.
    exact: OnceLock<LinearSum<'static, f64, F>>,
    alpha: f64,
    tolerance: f64,
}

impl<'a, T: Element, F: OnePass> Products<'a, T, F> {
    pub(super) fn new(sum: LinearSum<'a, T, F>, alpha: f64) -> Result<Self, Error> {
        let tolerance = sum.tolerance()?;
        Ok(Self { sum, exact: OnceLock::new(), alpha, tolerance })
    }

    fn in_f64(&self) -> Result<&LinearSum<'static, f64, F>, Error> {
        if let Some(sum) = self.exact.get() {
            return Ok(sum);
        }
        let sum = self.sum.exact()?;
        Ok(self.exact.get_or_init(|| sum))
    }
}

impl<T: Element, F: OnePass> System for Products<'_, T, F> {
    fn len(&self) -> usize {
        self.sum.shape.targets * self.sum.dims[1]
    }

    fn columns(&self) -> usize {
        if self.sum.multiple { self.sum.dims[1] } else { 1 }
    }

    fn alpha(&self) -> f64 {
        self.alpha
    }

    fn is_exact(&self) -> bool {
        size_of::<T>() == size_of::<f64>() && self.tolerance == 0.0
    }

    fn tolerance(&self) -> f64 {
        self.tolerance
    }

    fn product(&self, precision: Precision, p: &mut [f64], q: &mut [f64]) -> Result<(), Error> {
        let dim = self.sum.dims[0];
        if precision == Precision::Exact && !self.is_exact() {
            return self.in_f64()?.apply(View::from_flat(p, dim), q);
        }
        let rounded: Vec<T> = p.iter().map(|&p| T::from_f64(p)).collect();
        p.iter_mut().zip(&rounded).for_each(|(p, &rounded)| *p = Element::to_f64(rounded));
        let mut out = vec![T::zero(); q.len()];
        self.sum.apply(View::from_flat(&rounded, dim), &mut out)?;
        q.iter_mut().zip(out).for_each(|(q, out)| *q = Element::to_f64(out));
        Ok(())
    }

    fn diagonal(&self) -> Result<Vec<f64>, Error> {
        self.sum.diagonal()
    }

    fn rank(&self) -> usize {
        self.sum.settings.over.as_ref().map_or(0, Over::rank)
    }

    fn each(&self, numbers: Vec<f64>) -> Result<Vec<Vec<f64>>, Error> {
        match &self.sum.settings.over {
            Some(over) => over.each("inner products", &numbers),
            None => Ok(vec![numbers]),
        }
    }
}
