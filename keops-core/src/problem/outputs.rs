//! Where the result of a call goes.

use crate::{
    data::{Error, To},
    problem::{Problem, Shape},
};

/// What becomes of a piece of the result rows.
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
    /// What becomes of them.
    pub place: Place,
    /// Where they go: N × `width` numbers for [`Place::Rows`], `width` for [`Place::Total`].
    pub to: To<'a, T>,
}

impl<'a, T: Copy + Default> Piece<'a, T> {
    /// `width` components of every row.
    pub fn rows(width: usize, to: impl Into<To<'a, T>>) -> Self {
        Piece { width, place: Place::Rows, to: to.into() }
    }

    /// `width` components, summed over all rows.
    pub fn total(width: usize, to: impl Into<To<'a, T>>) -> Self {
        Piece { width, place: Place::Total, to: to.into() }
    }

    /// How many rows of a result go there.
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
    /// What becomes of them.
    pub place: Place,
    /// Where they go.
    pub data: &'a mut [T],
}

/// The outputs of a call, which hold its result.
#[derive(Debug)]
pub struct Outputs<'o, 'a, T> {
    /// For the values of a row of the result, consecutive ranges of its components.
    pub pieces: &'o mut [Piece<'a, T>],
    /// For the row numbers, row after row.
    pub indices: To<'o, u32>,
}

impl<'o, 'a, T: Copy + Default> Outputs<'o, 'a, T> {
    /// The outputs of this call. A reduction without row numbers takes `None`.
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
        Ok(Self { pieces, indices })
    }
}

fn check_length<T>(rows: usize, width: usize, to: &To<'_, T>) -> Result<(), Error> {
    match (rows.checked_mul(width), to) {
        (None, _) => Err(Error::OutputTooLarge { rows, width }),
        (Some(len), To::Host(data)) if len != data.len() => Err(Error::OutputLength { rows, width, found: data.len() }),
        (Some(_), _) => Ok(()),
    }
}
