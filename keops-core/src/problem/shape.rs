//! The arguments of a call, checked against the formula: N, M, and the batches.

use crate::{
    data::{Error, MAX_ROWS, Pattern, View},
    formula::{Index, Role, Variable},
};

/// The numbers of targets, sources and batches of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// N, the rows of the result: 1 if no variable is indexed by targets.
    pub targets: usize,
    /// M, the terms of each reduction: 1 if no variable is indexed by sources.
    pub sources: usize,
    /// The number of batches, each of which has `targets` targets and `sources` sources.
    pub batches: usize,
}

impl Shape {
    /// The number of rows of the result: the targets of all batches.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.targets.saturating_mul(self.batches)
    }
}

/// The batches of a call: which batch of each argument belongs to which batch of the call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batches {
    /// The shape of the batches: the shapes of all arguments, broadcast.
    dims: Vec<usize>,
    /// For each argument, the distance from a batch to the next one along each dimension, in batches; an empty list if
    /// it has one batch. Empty where no argument has batches.
    strides: Vec<Vec<usize>>,
}

impl Batches {
    /// The batches of a call with these arguments.
    ///
    /// # Errors
    /// [`Error::BatchShape`] if the dimensions of two arguments are neither alike nor 1; [`Error::OutputTooLarge`] if
    /// there are more batches than can be counted.
    pub fn new<T>(variables: &[Variable], views: &[View<'_, T>]) -> Result<Self, Error> {
        if views.iter().all(|view| view.batch().is_empty()) {
            return Ok(Self::default());
        }
        let mut dims: Vec<usize> = Vec::new();
        for (variable, view) in variables.iter().zip(views) {
            let batch = view.batch();
            let before = dims.clone();
            if batch.len() > dims.len() {
                dims.splice(0..0, batch[..batch.len() - dims.len()].iter().copied());
            }
            let last = dims.len() - batch.len();
            for (all, &own) in dims[last..].iter_mut().zip(batch) {
                if *all == 1 {
                    *all = own;
                } else if own != 1 && own != *all {
                    let (variable, batch) = (variable.name, batch.to_vec());
                    return Err(Error::BatchShape { variable, batch, other: before });
                }
            }
        }
        if dims.iter().try_fold(1, |product: usize, &size| product.checked_mul(size)).is_none() {
            return Err(Error::OutputTooLarge { rows: usize::MAX, width: 1 });
        }
        let strides = views.iter().map(|view| strides(view.batch(), dims.len())).collect();
        Ok(Self { dims, strides })
    }

    /// The shape of the batches.
    #[must_use]
    pub fn dims(&self) -> &[usize] {
        &self.dims
    }

    /// The number of batches.
    #[must_use]
    pub fn count(&self) -> usize {
        self.dims.iter().product()
    }

    /// The number of the batch of argument `view` that belongs to batch `batch` of the call.
    #[must_use]
    pub fn of(&self, view: usize, batch: usize) -> usize {
        let Some(strides) = self.strides.get(view) else { return 0 };
        let mut rest = batch;
        let mut number = 0;
        for (&size, &stride) in self.dims.iter().zip(strides).rev() {
            number += rest % size * stride;
            rest /= size;
        }
        number
    }
}

/// The distance from a batch to the next one along each of `count` dimensions, the last of which are `batch`, in
/// batches.
fn strides(batch: &[usize], count: usize) -> Vec<usize> {
    let mut strides = vec![0; count];
    let mut step = 1;
    for (stride, &size) in strides.iter_mut().rev().zip(batch.iter().rev()) {
        if size != 1 {
            *stride = step;
        }
        step *= size;
    }
    strides
}

/// Checks `views` against the variables of the formula `name`, in the same order.
///
/// # Errors
/// A view that does not consist of whole rows or has the wrong dimension; row counts that differ between variables of
/// one role; more than [`MAX_ROWS`] rows; the wrong number of views; batches that do not go together.
pub fn shape<T>(name: &'static str, variables: &[Variable], views: &[View<'_, T>]) -> Result<Shape, Error> {
    Ok(shape_and_batches(name, variables, views)?.0)
}

/// [`shape`], with the [`Batches`] of the call.
pub(crate) fn shape_and_batches<T>(
    name: &'static str,
    variables: &[Variable],
    views: &[View<'_, T>],
) -> Result<(Shape, Batches), Error> {
    if variables.len() != views.len() {
        return Err(Error::ArgumentCount { formula: name, expected: variables.len(), found: views.len() });
    }
    for (variable, view) in variables.iter().zip(views) {
        check(variable, view)?;
    }
    let of_batches = Batches::new(variables, views)?;
    let batches = of_batches.count();
    let (targets, sources) = (rows(variables, views, Role::Target)?, rows(variables, views, Role::Source)?);
    if targets.checked_mul(batches).is_none() {
        return Err(Error::OutputTooLarge { rows: usize::MAX, width: 1 });
    }
    Ok((Shape { targets, sources, batches }, of_batches))
}

/// Checks that the ranges of a call of the formula `name` do not go beyond its rows, for targets of this index.
///
/// # Errors
/// [`Error::RangeBeyond`].
pub(crate) fn check_ranges(name: &'static str, targets: Index, pattern: &Pattern, shape: Shape) -> Result<(), Error> {
    let indices = if targets == Index::I { ['i', 'j'] } else { ['j', 'i'] };
    for ((end, rows), index) in pattern.ends().into_iter().zip([shape.targets, shape.sources]).zip(indices) {
        let end = usize::try_from(end).unwrap_or(usize::MAX);
        if end > rows {
            return Err(Error::RangeBeyond { formula: name, index, end, rows });
        }
    }
    Ok(())
}

/// Checks one view by itself.
fn check<T>(variable: &Variable, view: &View<'_, T>) -> Result<(), Error> {
    let &Variable { name, role, dim } = variable;
    view.check(name)?;
    if view.dim() != dim {
        return Err(Error::Dimension { variable: name, dim, found: view.dim() });
    }
    if role == Role::Parameter && view.rows() != 1 {
        return Err(Error::ParameterLength { variable: name, len: view.len(), dim });
    }
    if view.rows() > MAX_ROWS {
        return Err(Error::TooManyRows { variable: name, rows: view.rows(), limit: MAX_ROWS });
    }
    Ok(())
}

/// The number of rows that all variables of a role have; 1 if no variable has this role.
fn rows<T>(variables: &[Variable], views: &[View<'_, T>], role: Role) -> Result<usize, Error> {
    let mut of_role = variables.iter().zip(views).filter(|(variable, _)| variable.role == role);
    let Some((first, view)) = of_role.next() else { return Ok(1) };
    let rows = view.rows();
    match of_role.find(|(_, view)| view.rows() != rows) {
        None => Ok(rows),
        Some((variable, view)) => {
            Err(Error::RowCount { variable: variable.name, rows: view.rows(), other: first.name, other_rows: rows })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VARIABLES: [Variable; 3] = [Variable::target("x", 2), Variable::source("y", 2), Variable::parameter("p", 1)];

    fn batches(dims: [&[usize]; 3]) -> Result<Batches, Error> {
        let numbers = vec![0.0_f32; 720];
        let views: Vec<_> = dims.iter().map(|dims| View::from_flat(&numbers, 2).batched(dims)).collect();
        Batches::new(&VARIABLES, &views)
    }

    #[test]
    fn dimensions_are_broadcast() {
        let batches = batches([&[3, 1], &[4], &[2, 1, 1]]).expect("they go together");
        assert_eq!((batches.dims(), batches.count()), (&[2, 3, 4][..], 24));
        for (number, [p, x, y]) in
            (0..2).flat_map(|p| (0..3).flat_map(move |x| (0..4).map(move |y| [p, x, y]))).enumerate()
        {
            assert_eq!([0, 1, 2].map(|view| batches.of(view, number)), [x, y, p]);
        }
    }

    #[test]
    fn dimensions_that_differ_are_refused() {
        let error = batches([&[3, 1], &[2, 4], &[]]).expect_err("2 and 3");
        assert_eq!(error.to_string(), "`y` has batches of shape [2, 4], which do not broadcast with [3, 1]");
    }

    #[test]
    fn rows_are_shared_out() {
        let numbers = [0.0_f32; 12];
        let shape_of = |batch: &[usize]| shape("f", &VARIABLES[..1], &[View::from_flat(&numbers, 2).batched(batch)]);
        assert_eq!(shape_of(&[3]), Ok(Shape { targets: 2, sources: 1, batches: 3 }));
        for batch in [&[4][..], &[0], &[usize::MAX, 2]] {
            let expected = Error::BatchRows { variable: "x", rows: 6, batch: batch.to_vec() };
            assert_eq!(shape_of(batch), Err(expected));
        }
    }
}
