//! Rows copied from an argument.

use super::AsRows;
use crate::{
    data::{Error, Rows, Stored, numbers},
    number::Scalar,
};

impl<T, const D: usize> Rows<T, D> {
    /// Copies rows from any type that is an argument of a call, see [`AsRows`].
    ///
    /// ```
    /// # use keops::Rows;
    /// assert_eq!(Rows::<f32, 2>::copied_from(&[0.0, 1.0, 2.0, 3.0])?[1], [2.0, 3.0]);
    /// # Ok::<(), keops::Error>(())
    /// ```
    ///
    /// # Errors
    /// The errors of [`View::check`](crate::data::View::check), for a variable `rows`; [`Error::Cuda`] if the rows are
    /// on a device that fails.
    pub fn copied_from<'a>(rows: impl AsRows<'a, T, D>) -> Result<Self, Error>
    where
        T: Scalar + Stored,
    {
        let view = rows.as_rows();
        let numbers = numbers(&view, "rows")?;
        let rows = view.rows().saturating_mul(view.batches());
        let row = |row: usize| core::array::from_fn(|d| numbers[row * D + d]);
        Ok((0..rows).map(row).collect())
    }
}
