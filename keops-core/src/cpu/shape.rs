//! Checks the arguments of a call against the formula, and finds N and M.

use crate::{
    arguments::{Fault, View},
    error::Error,
    formula::{Role, Variable},
};

/// The largest number of rows: row numbers are `u32`, and [`u32::MAX`] marks a neighbour that there is not.
pub const MAX_ROWS: usize = u32::MAX as usize - 1;

/// How many rows there are on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// N, the rows of the result: 1 if no variable is indexed by targets.
    pub targets: usize,
    /// M, the terms of each reduction: 1 if no variable is indexed by sources.
    pub sources: usize,
}

/// Checks `views` against the variables of the formula `name`, in the same order.
///
/// # Errors
/// A view that does not consist of whole rows or has the wrong dimension; row counts that differ between variables of
/// one role; more than [`MAX_ROWS`] rows; the wrong number of views.
pub fn shape<T>(name: &'static str, variables: &[Variable], views: &[View<'_, T>]) -> Result<Shape, Error> {
    if variables.len() != views.len() {
        return Err(Error::ArgumentCount { formula: name, expected: variables.len(), found: views.len() });
    }
    for (variable, view) in variables.iter().zip(views) {
        check(variable, view)?;
    }
    Ok(Shape { targets: rows(variables, views, Role::Target)?, sources: rows(variables, views, Role::Source)? })
}

/// Checks one view by itself.
fn check<T>(variable: &Variable, view: &View<'_, T>) -> Result<(), Error> {
    let &Variable { name, role, dim } = variable;
    let len = view.len();
    match view.fault() {
        Some(Fault::FlatLength) => return Err(Error::FlatLength { variable: name, len, dim: view.dim() }),
        Some(Fault::ParameterLength) => return Err(Error::ParameterLength { variable: name, len, dim: view.dim() }),
        None => {}
    }
    if view.dim() != dim {
        return Err(Error::Dimension { variable: name, dim, found: view.dim() });
    }
    if role == Role::Parameter && view.rows() != 1 {
        return Err(Error::ParameterLength { variable: name, len, dim });
    }
    if view.rows() > MAX_ROWS {
        return Err(Error::TooManyRows { variable: name, rows: view.rows(), limit: MAX_ROWS });
    }
    Ok(())
}

/// The number of rows that all variables of a role have; 1 if there is none.
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
