//! What the calls made by the macro run: a pass of the engine, with its result allocated.

use crate::{
    arguments::View,
    components::Components,
    cpu::{Piece, Shape, reduce, shape},
    error::Error,
    formula::Formula,
    real::Element,
    reduction::Reduction,
    rows::{Rows, ValueRows},
    settings::Settings,
};

/// How a call gets its result; implemented by the macro for each value and derivative.
pub trait Plan {
    /// The result.
    type Output<T: Element>;
    /// Computes the result from the arguments.
    ///
    /// # Errors
    /// Those of [`reduce`].
    fn eval<T: Element>(views: &[View<'_, T>], settings: &Settings) -> Result<Self::Output<T>, Error>;
}

/// A call whose result is rows of values, which can also go into rows of the caller.
pub trait PlanInto: Plan {
    /// A row.
    type Row<T: Element>;
    /// Computes the result into `out`.
    ///
    /// # Errors
    /// Those of [`reduce`].
    fn eval_into<T: Element>(views: &[View<'_, T>], settings: &Settings, out: &mut [Self::Row<T>])
    -> Result<(), Error>;
}

/// A call of one pass whose result is rows of values: its formula, which stands for the call too.
pub trait OnePass: Formula {
    /// How the terms become the result.
    type Reduction: Reduction;
    /// The result.
    type Rows<T: Element>: ValueRows<T>;
    /// Whether the result is one row, the sum over all targets.
    const TOTAL: bool = false;
}

impl<K: OnePass> Plan for K {
    type Output<T: Element> = K::Rows<T>;

    fn eval<T: Element>(views: &[View<'_, T>], settings: &Settings) -> Result<K::Rows<T>, Error> {
        let targets = shape_of::<T, K>(views)?.targets;
        let mut out = K::Rows::<T>::zeros(if K::TOTAL { 1 } else { targets })?;
        one_pass::<T, K>(views, settings, out.as_flat_mut())?;
        Ok(out)
    }
}

impl<K: OnePass> PlanInto for K {
    type Row<T: Element> = <K::Rows<T> as ValueRows<T>>::Row;

    fn eval_into<T: Element>(
        views: &[View<'_, T>],
        settings: &Settings,
        out: &mut [Self::Row<T>],
    ) -> Result<(), Error> {
        one_pass::<T, K>(views, settings, K::Rows::<T>::flatten(out))
    }
}

fn one_pass<T: Element, K: OnePass>(views: &[View<'_, T>], settings: &Settings, out: &mut [T]) -> Result<(), Error> {
    let piece = if K::TOTAL { Piece::total(out) } else { Piece::rows(K::Rows::<T>::WIDTH, out) };
    reduce::<T, K, K::Reduction>(views, settings, &mut [piece], None)
}

/// The shape of a call of `F`.
///
/// # Errors
/// Where the arguments do not fit together.
pub fn shape_of<T: Element, F: Formula>(views: &[View<'_, T>]) -> Result<Shape, Error> {
    shape(F::NAME, F::VARIABLES, views)
}

/// Rows of values; one row, the sum over all targets, if `total`.
///
/// # Errors
/// Those of [`reduce`].
pub fn rows<T: Element, F: Formula, R: Reduction, const D: usize>(
    views: &[View<'_, T>],
    settings: &Settings,
    total: bool,
) -> Result<Rows<T, D>, Error> {
    let targets = shape_of::<T, F>(views)?.targets;
    let mut out = Rows::zeros(if total { 1 } else { targets })?;
    rows_into::<T, F, R, D>(views, settings, total, &mut out)?;
    Ok(out)
}

/// [`rows`] into memory of the caller.
///
/// # Errors
/// Those of [`reduce`]; `out` may have the wrong number of rows.
pub fn rows_into<T: Element, F: Formula, R: Reduction, const D: usize>(
    views: &[View<'_, T>],
    settings: &Settings,
    total: bool,
    out: &mut [[T; D]],
) -> Result<(), Error> {
    let data = out.as_flattened_mut();
    let piece = if total { Piece::total(data) } else { Piece::rows(D, data) };
    reduce::<T, F, R>(views, settings, &mut [piece], None)
}

/// Rows of row numbers.
///
/// # Errors
/// Those of [`reduce`].
pub fn index_rows<T: Element, F: Formula, R: Reduction, const K: usize>(
    views: &[View<'_, T>],
    settings: &Settings,
) -> Result<Rows<u32, K>, Error> {
    let mut out = Rows::zeros(shape_of::<T, F>(views)?.targets)?;
    reduce::<T, F, R>(views, settings, &mut [], Some(out.as_flat_mut()))?;
    Ok(out)
}

/// Rows of values and rows of row numbers.
///
/// # Errors
/// Those of [`reduce`].
pub fn value_and_index_rows<T: Element, F: Formula, R: Reduction, const K: usize>(
    views: &[View<'_, T>],
    settings: &Settings,
) -> Result<(Rows<T, K>, Rows<u32, K>), Error> {
    let targets = shape_of::<T, F>(views)?.targets;
    let (mut values, mut indices) = (Rows::zeros(targets)?, Rows::zeros(targets)?);
    reduce::<T, F, R>(
        views,
        settings,
        &mut [Piece::rows(K, values.as_flat_mut())],
        Some(Rows::as_flat_mut(&mut indices)),
    )?;
    Ok((values, indices))
}

/// The views, and behind them what a first pass over the first `count` of them saves for each target.
///
/// # Errors
/// Those of [`reduce`].
pub fn with_saved<'a, T: Element, F: Formula, R: Reduction>(
    views: &[View<'a, T>],
    count: usize,
    settings: &Settings,
) -> Result<Vec<View<'a, T>>, Error> {
    let first = views.get(..count).unwrap_or(views);
    let targets = shape_of::<T, F>(first)?.targets;
    let width = R::values(<F::Out<T> as Components<T>>::LEN);
    let len = targets.checked_mul(width).ok_or(Error::OutputTooLarge { rows: targets, width })?;
    let mut data = vec![T::zero(); len];
    reduce::<T, F, R>(first, settings, &mut [Piece::rows(width, &mut data)], None)?;
    let mut all = views.to_vec();
    all.push(View::from_owned(data, width));
    Ok(all)
}
