//! A matrix in memory.

use core::ops::Index;

/// A matrix, row-major: `m[(i, j)]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix<T> {
    rows: usize,
    cols: usize,
    values: Vec<T>,
}

impl<T> Matrix<T> {
    /// `values` has rows × cols numbers.
    pub(super) fn new(rows: usize, cols: usize, values: Vec<T>) -> Self {
        Self { rows, cols, values }
    }

    /// How many rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many columns.
    #[must_use]
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// A row, if there is one of this number.
    #[must_use]
    pub fn row(&self, row: usize) -> Option<&[T]> {
        (row < self.rows).then(|| &self.values[row * self.cols..][..self.cols])
    }

    /// All numbers, row by row.
    #[must_use]
    pub fn as_flat(&self) -> &[T] {
        &self.values
    }

    /// All numbers, row by row, without copying.
    #[must_use]
    pub fn into_flat(self) -> Vec<T> {
        self.values
    }
}

impl<T> Index<(usize, usize)> for Matrix<T> {
    type Output = T;

    /// # Panics
    /// Out of range, as a slice does.
    fn index(&self, (row, col): (usize, usize)) -> &T {
        assert!(col < self.cols, "column {col} of a matrix with {} columns", self.cols);
        &self.values[row * self.cols + col]
    }
}
