//! The outputs of a call, to which its result is written.

use crate::{
    data::{Error, Neighbours, To},
    problem::{Problem, Shape},
};

/// How the piece of every result row is written to its output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Row i of the piece is row i of the output.
    Rows,
    /// The output is one row, the sum of the piece over all targets: the gradient of a parameter.
    Total,
}

/// The output for a consecutive range of the components of a result row.
#[derive(Debug)]
pub struct Piece<'a, T> {
    /// How many components.
    pub width: usize,
    /// How they are written.
    pub place: Place,
    /// The output: N × `width` numbers for [`Place::Rows`], `width` numbers for [`Place::Total`].
    pub to: To<'a, T>,
}

impl<'a, T: Copy + Default> Piece<'a, T> {
    /// A piece of `width` components, written for every row.
    pub fn rows(width: usize, to: impl Into<To<'a, T>>) -> Self {
        Piece { width, place: Place::Rows, to: to.into() }
    }

    /// A piece of `width` components, summed over all rows.
    pub fn total(width: usize, to: impl Into<To<'a, T>>) -> Self {
        Piece { width, place: Place::Total, to: to.into() }
    }

    /// The number of rows of the output.
    #[must_use]
    pub fn count(&self, shape: Shape) -> usize {
        if self.place == Place::Rows { shape.rows() } else { 1 }
    }

    /// The piece in memory of the host; an array gets its memory here.
    ///
    /// # Errors
    /// [`Error::OutputTooLarge`].
    pub fn host(&mut self, shape: Shape) -> Result<HostPiece<'_, T>, Error> {
        let (width, place, rows) = (self.width, self.place, self.count(shape));
        Ok(HostPiece { width, place, data: self.to.host(rows, width)? })
    }
}

/// A [`Piece`] in memory of the host.
#[derive(Debug)]
pub struct HostPiece<'a, T> {
    /// How many components.
    pub width: usize,
    /// How they are written.
    pub place: Place,
    /// The output.
    pub data: &'a mut [T],
}

/// What the states of the targets are before the first source, where the output of a pass is states and not results.
#[derive(Clone, Copy, Debug)]
pub struct Begin<'o, T> {
    /// The states of all targets, row after row; `None` if they have seen no source.
    pub states: Option<&'o [T]>,
    /// The number of the first source in states that have row numbers.
    pub first: u32,
    /// Whether these states may have the numbers of later sources.
    pub any_order: bool,
}

/// The outputs of a call.
#[derive(Debug)]
pub struct Outputs<'o, 'a, T> {
    /// The outputs for values: consecutive ranges of the components of a result row.
    pub pieces: &'o mut [Piece<'a, T>],
    /// The output for row numbers, row after row.
    pub indices: To<'o, u32>,
    /// The output for lists, for a reduction that has some.
    pub lists: Option<&'o mut Neighbours<T>>,
    /// What the targets begin with, where the one piece is their states and not a result. Only engines that take partial results
    /// are given one.
    pub begin: Option<Begin<'o, T>>,
}

impl<'o, 'a, T: Copy + Default> Outputs<'o, 'a, T> {
    /// Checks the outputs of a call against its problem. `indices` is `None` for a reduction without row numbers.
    ///
    /// # Errors
    /// Pieces that do not make up a row; outputs of another length.
    pub fn new(
        problem: &Problem<'_, T>,
        pieces: &'o mut [Piece<'a, T>],
        indices: Option<To<'o, u32>>,
    ) -> Result<Self, Error> {
        let (signature, shape) = (problem.signature(), problem.shape());
        let (formula, width) = (signature.name, signature.values);
        let found = pieces.iter().fold(0, |sum: usize, piece| sum.saturating_add(piece.width));
        if found != width {
            return Err(Error::OutputWidth { formula, width, found });
        }
        for piece in &*pieces {
            check_length(piece.count(shape), piece.width, &piece.to)?;
        }
        let indices = indices.unwrap_or_default();
        check_length(shape.rows(), signature.indices, &indices)?;
        Ok(Self { pieces, indices, lists: None, begin: None })
    }
}

fn check_length<T>(rows: usize, width: usize, to: &To<'_, T>) -> Result<(), Error> {
    match (rows.checked_mul(width), to) {
        (None, _) => Err(Error::OutputTooLarge { rows, width }),
        (Some(len), To::Host(data)) if len != data.len() => Err(Error::OutputLength { rows, width, found: data.len() }),
        (Some(_), _) => Ok(()),
    }
}
