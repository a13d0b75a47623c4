//! The parts of a result, and batches that share an argument.
//!
//! The engines compute rows for every batch, and totals over all rows. The gradient in an argument that several batches
//! share is a sum over these batches, and the gradient in a parameter with a value for each batch is a sum over the
//! rows of the batch. This module computes such sums from the rows of all batches.

use std::sync::Arc;

use crate::{
    call::{Element, Pass, pieces},
    data::{Array, Device, Error, To, View, room},
    problem::{Batches, Piece, Place},
    reduction::{MISSING, Total},
};

/// A part of the result of a pass: a consecutive range of the components of its rows.
#[derive(Debug)]
pub struct Part<'a, T> {
    /// How many components.
    pub width: usize,
    /// The number of the argument that the part is the gradient in, if it is a gradient: the sum over all targets if
    /// the argument is a parameter, and over the batches that share the argument.
    pub gradient: Option<usize>,
    /// The memory that it is written to: as many rows as [`Pass::rows_of`] says.
    pub to: To<'a, T>,
}

/// Runs a pass.
///
/// # Errors
/// The errors of [`Pass::run`].
pub(super) fn run<T: Element>(
    pass: &Pass<'_, T>,
    parts: &mut [Part<'_, T>],
    mut indices: Option<To<'_, u32>>,
) -> Result<(), Error> {
    if let Some(sweep) = &pass.settings.sweep {
        return pieces::run(sweep, pass, parts, indices);
    }
    run_by(pass, parts, indices.as_mut().map(To::reborrow), &|pieces, indices| pass.reduce(pieces, indices))?;
    match (pass.settings.start, indices) {
        (Some(start), Some(to)) if !pass.layout.within => number_from(start, pass, to),
        _ => Ok(()),
    }
}

/// Adds the number of the first source to row numbers.
fn number_from<T: Element>(start: u64, pass: &Pass<'_, T>, to: To<'_, u32>) -> Result<(), Error> {
    let numbers = match to {
        To::Host(numbers) => numbers,
        To::Array(_) if start == 0 => return Ok(()),
        To::Array(array) => match array {
            Array::Host(numbers) => Arc::make_mut(numbers),
            Array::Cuda(..) => return Err(Error::PartialOnlyOnCpu { formula: pass.problem().signature().name }),
        },
    };
    for number in numbers.iter_mut().filter(|number| **number != MISSING) {
        let all = start.saturating_add(u64::from(*number));
        *number = u32::try_from(all).ok().filter(|&all| all != MISSING).ok_or(Error::RowNumber { number: all })?;
    }
    Ok(())
}

/// Computes the pieces of a result and its row numbers.
type Reduce<'f, T> = dyn Fn(&mut [Piece<'_, T>], Option<To<'_, u32>>) -> Result<(), Error> + 'f;

/// Runs a pass by a function that computes the pieces of its result.
///
/// # Errors
/// The errors of that function; a part with another number of rows than the result.
pub(super) fn run_by<T: Element>(
    pass: &Pass<'_, T>,
    parts: &mut [Part<'_, T>],
    indices: Option<To<'_, u32>>,
    reduce: &Reduce<'_, T>,
) -> Result<(), Error> {
    let (problem, settings) = (pass.problem(), pass.settings);
    let (views, shape, batches) = (problem.views(), problem.shape(), problem.batches());
    let is_parameter = |view: usize| problem.is_parameter(view);
    let place = |part: &Part<'_, T>| match part.gradient {
        Some(view) if is_parameter(view) && views[view].batches() == 1 => Some(Place::Total),
        None => Some(Place::Rows),
        Some(view) if !is_parameter(view) && views[view].batches() == shape.batches => Some(Place::Rows),
        Some(_) => None,
    };
    // The ranks over which the gradient in a parameter is summed, too: those that the targets are spread over.
    let ranks = |part: &Part<'_, T>| {
        settings.spread(problem.signature().targets).filter(|_| part.gradient.is_some_and(is_parameter))
    };
    // Where rows or totals are summed here: those of all batches, or of this rank.
    let mut all = Vec::with_capacity(parts.len());
    for part in &*parts {
        let rows = match place(part) {
            None => shape.rows(),
            Some(_) => usize::from(ranks(part).is_some()),
        };
        all.push(room::<T>(rows, part.width)?);
    }
    let mut pieces = Vec::with_capacity(parts.len());
    for (part, all) in parts.iter_mut().zip(&mut all) {
        let (width, place) = (part.width, place(part));
        let to = if place.is_some() && ranks(part).is_none() { part.to.reborrow() } else { To::Host(all) };
        pieces.push(Piece { width, place: place.unwrap_or(Place::Rows), to });
    }
    reduce(&mut pieces, indices)?;
    drop(pieces);
    for (part, all) in parts.iter_mut().zip(&all) {
        let Some(view) = part.gradient else { continue };
        let ranks = ranks(part);
        if place(part).is_some() && ranks.is_none() {
            continue;
        }
        let per_batch = if is_parameter(view) { 1 } else { shape.targets };
        let mut totals = match place(part) {
            None => sums(batches, view, (all, part.width), [shape.targets, per_batch]),
            Some(_) => sums(batches, view, (all, part.width), [1, 1]),
        };
        if let Some(ranks) = ranks {
            ranks.sum(&mut totals)?;
        }
        let sums: Vec<T> = totals.iter().map(|total| T::from_f64(total.value())).collect();
        let rows = views[view].batches() * per_batch;
        match &mut part.to {
            To::Host(to) if to.len() != sums.len() => {
                return Err(Error::OutputLength { rows, width: part.width, found: to.len() });
            }
            To::Host(to) => to.copy_from_slice(&sums),
            To::Array(array) => {
                let mut settings = settings.clone();
                if settings.device == Device::Auto {
                    // The sums are left on the device of the arguments, if they are on one.
                    settings.device = views.iter().find_map(View::device).unwrap_or(Device::Auto);
                }
                **array = settings.upload(&sums)?;
            }
        }
    }
    Ok(())
}

/// Sums rows of `width` numbers over the batches that share a batch of argument `view`; and over the targets of a
/// batch, if the sum has one row for a batch.
fn sums<T: Element>(
    batches: &Batches,
    view: usize,
    (rows, width): (&[T], usize),
    [targets, per_batch]: [usize; 2],
) -> Vec<Total> {
    let size = per_batch * width;
    let count = (0..batches.count()).map(|batch| batches.of(view, batch) + 1).max().unwrap_or(1);
    let mut totals = vec![Total::default(); count * size];
    for (batch, rows) in rows.chunks_exact((targets * width).max(1)).enumerate() {
        let to = &mut totals[batches.of(view, batch) * size..][..size];
        for rows in rows.chunks_exact(size.max(1)) {
            to.iter_mut().zip(rows).for_each(|(sum, &number)| sum.add(Element::to_f64(number)));
        }
    }
    totals
}
