//! A matrix in memory.

use core::ops::Index;

/// A matrix, row-major: `m[(i, j)]`. [`Operator::to_dense`](crate::operator::Operator::to_dense) returns one, and so
/// does a call whose result has a dimension that stable Rust cannot name in a type, as D*D for a const generic D. A
/// matrix is an argument for variables of such a dimension, too.
///
/// ```
/// use keops::prelude::*;
///
/// keops! { pub fn product(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> Sum<j> { x * y * b } }
///
/// # fn main() -> Result<(), Error> {
/// let (x, y) = ([[1.0_f64], [2.0]], [[3.0], [4.0], [5.0]]);
/// let k = product(&x, &y, &[[0.0]; 3]).operator_b()?.to_dense()?; // x yᵀ
/// assert_eq!((k.rows(), k.cols()), (2, 3));
/// assert_eq!(k[(1, 2)], 10.0);
/// assert_eq!(k.row(1), Some(&[6.0, 8.0, 10.0][..]));
/// assert_eq!(k.row(2), None);
/// assert_eq!(k.as_flat()[..3], [3.0, 4.0, 5.0]);
/// assert_eq!(k.into_flat().len(), 6);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matrix<T> {
    rows: usize,
    cols: usize,
    values: Vec<T>,
}

impl<T> Matrix<T> {
    /// `values` has rows × cols numbers.
    pub(crate) fn new(rows: usize, cols: usize, values: Vec<T>) -> Self {
        Self { rows, cols, values }
    }

    /// The number of rows.
    ///
    /// ```
    /// # use keops::prelude::*;
    /// # keops! { pub fn product(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> Sum<j> { x * y * b } }
    /// # let (x, y) = ([[1.0_f64], [2.0]], [[3.0], [4.0], [5.0]]);
    /// let k = product(&x, &y, &[[0.0]; 3]).operator_b()?.to_dense()?; // x yᵀ for x = (1, 2), y = (3, 4, 5)
    /// assert_eq!(k.rows(), 2);
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of columns.
    ///
    /// ```
    /// # use keops::prelude::*;
    /// # keops! { pub fn product(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> Sum<j> { x * y * b } }
    /// # let (x, y) = ([[1.0_f64], [2.0]], [[3.0], [4.0], [5.0]]);
    /// let k = product(&x, &y, &[[0.0]; 3]).operator_b()?.to_dense()?; // x yᵀ for x = (1, 2), y = (3, 4, 5)
    /// assert_eq!(k.cols(), 3);
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Row `row`, or `None` if there is no such row.
    ///
    /// ```
    /// # use keops::prelude::*;
    /// # keops! { pub fn product(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> Sum<j> { x * y * b } }
    /// # let (x, y) = ([[1.0_f64], [2.0]], [[3.0], [4.0], [5.0]]);
    /// let k = product(&x, &y, &[[0.0]; 3]).operator_b()?.to_dense()?; // x yᵀ for x = (1, 2), y = (3, 4, 5)
    /// assert_eq!((k.row(1), k.row(2)), (Some(&[6.0, 8.0, 10.0][..]), None));
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn row(&self, row: usize) -> Option<&[T]> {
        (row < self.rows).then(|| &self.values[row * self.cols..][..self.cols])
    }

    /// All numbers, row by row.
    ///
    /// ```
    /// # use keops::prelude::*;
    /// # keops! { pub fn product(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> Sum<j> { x * y * b } }
    /// # let (x, y) = ([[1.0_f64], [2.0]], [[3.0], [4.0], [5.0]]);
    /// let k = product(&x, &y, &[[0.0]; 3]).operator_b()?.to_dense()?; // x yᵀ for x = (1, 2), y = (3, 4, 5)
    /// assert_eq!(k.as_flat(), [3.0, 4.0, 5.0, 6.0, 8.0, 10.0]);
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn as_flat(&self) -> &[T] {
        &self.values
    }

    /// All numbers, row by row.
    ///
    /// ```
    /// # use keops::prelude::*;
    /// # keops! { pub fn product(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> Sum<j> { x * y * b } }
    /// # let (x, y) = ([[1.0_f64], [2.0]], [[3.0], [4.0], [5.0]]);
    /// let mut k = product(&x, &y, &[[0.0]; 3]).operator_b()?.to_dense()?; // x yᵀ for x = (1, 2), y = (3, 4, 5)
    /// k.as_flat_mut()[1] = 7.0;
    /// assert_eq!(k[(0, 1)], 7.0);
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn as_flat_mut(&mut self) -> &mut [T] {
        &mut self.values
    }

    /// All numbers, row by row, without copying.
    ///
    /// ```
    /// # use keops::prelude::*;
    /// # keops! { pub fn product(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> Sum<j> { x * y * b } }
    /// # let (x, y) = ([[1.0_f64], [2.0]], [[3.0], [4.0], [5.0]]);
    /// let k = product(&x, &y, &[[0.0]; 3]).operator_b()?.to_dense()?; // x yᵀ for x = (1, 2), y = (3, 4, 5)
    /// assert_eq!(k.into_flat(), vec![3.0, 4.0, 5.0, 6.0, 8.0, 10.0]);
    /// # Ok::<(), Error>(())
    /// ```
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
