//! Calls: the passes over the pairs that a call of the macro runs, memory for their results, and the choice of an
//! engine.

pub mod absent;
mod centred;
mod element;
mod engine;
mod generated;
mod over;
mod parts;
mod pass;
mod pieces;
pub mod selection;
mod upload;

pub use centred::{centred, centred_beside, centred_rows, with_centred};
pub use element::Element;
pub use generated::{Accuracy, Approximate, Call, CallInto, Exact, OnDeviceOf, OutputOf, State};
pub(crate) use over::{Remote, Spread};
pub use parts::Part;
pub use pass::{Pass, reduce, reduce_on};
pub use pieces::{InPieces, Partial, U64Rows, in_chunks};

use crate::{
    cpu::FarFormula,
    data::{Array, Buffer, Device, Error, Neighbours, Storage, Stored, To, View, room},
    formula::Formula,
    problem::{Approximation, Settings, Shape, shape, shape_and_batches},
    reduction::Reduction,
};

/// How a call computes its result. The macro implements this trait for each value and derivative.
pub trait Plan {
    /// The result.
    type Output<T: Element, S: Storage>;
    /// The number of passes over all pairs.
    const PASSES: u32 = 1;
    /// Adds what engines need of the formulas of the call's sums, which need not be exact.
    fn approximate(_: &mut Approximation) {}
    /// Computes the result from the arguments.
    ///
    /// # Errors
    /// The errors of [`reduce`].
    fn eval<T: Element, S: Storage>(views: &[View<'_, T>], settings: &Settings) -> Result<Self::Output<T, S>, Error>;
}

/// A call whose result is rows of values, which can also be written to rows of the caller.
pub trait PlanInto: Plan {
    /// A row.
    type Row<T: Element>;
    /// Computes the result into `out`.
    ///
    /// # Errors
    /// The errors of [`reduce`].
    fn eval_into<T: Element>(views: &[View<'_, T>], settings: &Settings, out: &mut [Self::Row<T>])
    -> Result<(), Error>;
}

/// A formula whose value takes one pass and is rows of values. The type stands for the call, too.
pub trait OnePass: Formula {
    /// The reduction of the terms.
    type Reduction: Reduction;
    /// A row of the result.
    type Row<T: Element>: Row<T>;
    /// Numbers in a row of the result.
    const WIDTH: usize = <Self::Row<f32> as Row<f32>>::WIDTH;
    /// The number of the argument that the result is the gradient in, if it is a gradient.
    const GRADIENT: Option<usize> = None;
}

impl<K: OnePass> Plan for K {
    type Output<T: Element, S: Storage> = <K::Row<T> as Row<T>>::In<S>;

    fn approximate(approximation: &mut Approximation) {
        approximate::<K, K::Reduction>(approximation);
    }

    fn eval<T: Element, S: Storage>(views: &[View<'_, T>], settings: &Settings) -> Result<Self::Output<T, S>, Error> {
        rows::<T, K, K::Reduction, _>(views, settings, K::GRADIENT, K::WIDTH)
    }
}

impl<K: OnePass> PlanInto for K {
    type Row<T: Element> = K::Row<T>;

    fn eval_into<T: Element>(
        views: &[View<'_, T>],
        settings: &Settings,
        out: &mut [Self::Row<T>],
    ) -> Result<(), Error> {
        rows_into::<T, K, K::Reduction, _>(views, settings, K::GRADIENT, K::WIDTH, out)
    }
}

/// Adds what engines need of `F`, if `R` is a sum, or one weighted by exponentials.
pub fn approximate<F: Formula, R: Reduction>(approximation: &mut Approximation) {
    if const { R::SUMS } {
        approximation.add::<F>(FarFormula::of::<F>());
    }
    if const { R::WEIGHTS.is_some() } {
        R::WEIGHTS.into_iter().for_each(|weights| approximation.add::<F>(FarFormula::of_exponentials::<F>(weights)));
    }
}

/// A row of values, `[T; D]`; or one number of it, where stable Rust cannot name D in a type.
pub trait Row<T>: Sized {
    /// The rows of a result, in the storage `S`.
    type In<S: Storage>: Buffer<T>;
    /// How many numbers a row has; 1 where `Self` is one number.
    const WIDTH: usize;
    /// The numbers of rows, one after another.
    fn flatten(rows: &mut [Self]) -> &mut [T];
}

impl<T: Stored, const D: usize> Row<T> for [T; D] {
    type In<S: Storage> = S::Rows<T, D>;
    const WIDTH: usize = D;
    fn flatten(rows: &mut [Self]) -> &mut [T] {
        rows.as_flattened_mut()
    }
}

impl<T: Stored> Row<T> for T {
    type In<S: Storage> = S::Matrix<T>;
    const WIDTH: usize = 1;
    fn flatten(rows: &mut [Self]) -> &mut [T] {
        rows
    }
}

/// The shape of a call of `F`.
///
/// # Errors
/// Arguments that do not fit the formula or each other.
pub fn shape_of<T: Element, F: Formula>(views: &[View<'_, T>]) -> Result<Shape, Error> {
    shape(F::NAME, F::VARIABLES, views)
}

/// Runs a pass whose result is rows of `width` values; `gradient` is the number of the argument that they are the
/// gradient in, if they are a gradient.
///
/// # Errors
/// The errors of [`reduce`].
pub fn rows<T: Element, F: Formula, R: Reduction, B: Buffer<T>>(
    views: &[View<'_, T>],
    settings: &Settings,
    gradient: Option<usize>,
    width: usize,
) -> Result<B, Error> {
    let pass = Pass::new::<F, R>(views, settings)?;
    let mut out = B::room(pass.rows_of(gradient), width)?;
    pass.run(&mut [Part { width, gradient, to: out.to() }], None)?;
    Ok(out)
}

/// [`rows`], written to memory of the caller.
///
/// # Errors
/// The errors of [`reduce`]; `out` may have the wrong number of rows.
pub fn rows_into<T: Element, F: Formula, R: Reduction, O: Row<T>>(
    views: &[View<'_, T>],
    settings: &Settings,
    gradient: Option<usize>,
    width: usize,
    out: &mut [O],
) -> Result<(), Error> {
    let to = O::flatten(out).into();
    Pass::new::<F, R>(views, settings)?.run(&mut [Part { width, gradient, to }], None)
}

/// Runs a pass whose result is rows of `width` row numbers.
///
/// # Errors
/// The errors of [`reduce`].
pub fn index_rows<T: Element, F: Formula, R: Reduction, B: Buffer<u32>>(
    views: &[View<'_, T>],
    settings: &Settings,
    width: usize,
) -> Result<B, Error> {
    let pass = Pass::new::<F, R>(views, settings)?;
    let mut out = B::room(pass.rows_of(None), width)?;
    pass.run(&mut [], Some(out.to()))?;
    Ok(out)
}

/// Runs a pass whose result is rows of `width` values and rows of `width` row numbers.
///
/// # Errors
/// The errors of [`reduce`].
pub fn value_and_index_rows<T: Element, F: Formula, R: Reduction, B: Buffer<T>, I: Buffer<u32>>(
    views: &[View<'_, T>],
    settings: &Settings,
    width: usize,
) -> Result<(B, I), Error> {
    let pass = Pass::new::<F, R>(views, settings)?;
    let rows = pass.rows_of(None);
    let (mut values, mut indices) = (B::room(rows, width)?, I::room(rows, width)?);
    pass.run(&mut [Part { width, gradient: None, to: values.to() }], Some(indices.to()))?;
    Ok((values, indices))
}

/// Runs a pass whose result is lists of sources.
///
/// # Errors
/// The errors of [`Pass::new`] and [`Pass::lists`].
pub fn neighbours<T: Element, F: Formula, R: Reduction>(
    views: &[View<'_, T>],
    settings: &Settings,
) -> Result<Neighbours<T>, Error> {
    Pass::new::<F, R>(views, settings)?.lists()
}

/// Runs a pass over the first `count` views and over rows that earlier passes saved, and gives the rows that it saves,
/// one for each target. They stay on the device that the pass ran on.
///
/// # Errors
/// The errors of [`reduce`].
pub fn saved<'a, T: Element, F: Formula, R: Reduction>(
    views: &[View<'a, T>],
    count: usize,
    earlier: &[&View<'a, T>],
    settings: &Settings,
) -> Result<View<'a, T>, Error> {
    let views = &*with_saved(views.get(..count).unwrap_or(views), earlier);
    let pass = Pass::new::<F, R>(views, settings)?;
    if let Some(sweep) = &settings.sweep {
        return T::saved(sweep, &pass);
    }
    let width = pass.problem().signature().values;
    let saved = if settings.device == Device::AllCuda {
        let mut saved: Vec<T> = room(pass.rows_of(None), width)?;
        pass.run(&mut [Part { width, gradient: None, to: To::Host(&mut saved) }], None)?;
        View::from_owned(saved, width)
    } else {
        let mut saved = Array::default();
        pass.run(&mut [Part { width, gradient: None, to: To::Array(&mut saved) }], None)?;
        View::from_array(saved, width)
    };
    Ok(saved.batched(pass.problem().batches().dims()))
}

/// The number of sources that each target is paired with, as rows of one number, for the call of `F` with the first
/// `count` views.
///
/// # Errors
/// The errors of [`shape_of`].
pub fn counts<'a, T: Element, F: Formula>(
    views: &[View<'a, T>],
    count: usize,
    settings: &Settings,
) -> Result<View<'a, T>, Error> {
    let views = views.get(..count).unwrap_or(views);
    let (shape, batches) = shape_and_batches(F::NAME, F::VARIABLES, views)?;
    let one = settings.counts(F::TARGETS, shape)?;
    if let Some(sweep) = &settings.sweep {
        return pieces::counts(sweep, F::NAME, (shape, batches.dims()), &one);
    }
    let mut counts: Vec<T> = room(shape.rows(), 1)?;
    for (to, &n) in counts.iter_mut().zip(one.iter().cycle()) {
        *to = T::from_f64(n as f64);
    }
    Ok(View::from_owned(counts, 1).batched(batches.dims()))
}

/// The views, followed by the rows that passes saved.
#[must_use]
pub fn with_saved<'a, T: Element>(views: &[View<'a, T>], saved: &[&View<'a, T>]) -> Vec<View<'a, T>> {
    views.iter().chain(saved.iter().copied()).cloned().collect()
}
