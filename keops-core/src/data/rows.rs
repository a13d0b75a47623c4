//! The rows of a result.
//!
//! [`Rows`] is a vector of arrays and no more, so it can do what a vector of arrays can do, and becomes one without
//! copying: iterators, slices and indices, [`From`] and [`Into`], [`FromIterator`] and [`Extend`]. With the features
//! `ndarray`, `nalgebra`, `faer` and `serde` it becomes an array or a matrix of these crates, or is serialized, see
//! [`interfaces`](crate::interfaces).

use core::{
    fmt,
    ops::{Deref, DerefMut, Index, IndexMut},
    slice::{self, SliceIndex},
};

use std::vec;

use crate::data::Error;

/// Rows of `D` numbers each, one after another in memory.
///
/// Derefs to `[[T; D]]`, so that `rows[i][d]`, `rows.len()` and `rows.iter()` work.
///
/// ```
/// use keops::Rows;
///
/// let mut rows: Rows<f32, 2> = [[0.0, 1.0], [2.0, 3.0]].into();
/// rows.extend([[4.0, 5.0]]);
/// assert_eq!((rows[2][1], &rows[1..]), (5.0, &[[2.0, 3.0], [4.0, 5.0]][..]));
/// assert_eq!(rows.as_flat(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
/// for [x, y] in &mut rows {
///     *y -= *x;
/// }
/// let lengths: Vec<f32> = rows.iter().map(|[_, y]| *y).collect();
/// assert_eq!(lengths, [1.0; 3]);
/// let points: Vec<[f32; 2]> = rows.into();
/// assert_eq!(points.len(), 3);
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Rows<T, const D: usize>(Vec<[T; D]>);

impl<T, const D: usize> Rows<T, D> {
    /// `rows` rows of zeros.
    ///
    /// ```
    /// # use keops::Rows;
    /// assert_eq!(Rows::<f64, 3>::zeros(2)?.as_flat(), [0.0; 6]);
    /// # Ok::<(), keops::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutputTooLarge`] if there is no memory for them.
    pub fn zeros(rows: usize) -> Result<Self, Error>
    where
        T: Copy + Default,
    {
        // As in `data::room`: `vec!` would abort.
        Vec::<[T; D]>::new().try_reserve_exact(rows).map_err(|_| Error::OutputTooLarge { rows, width: D })?;
        Ok(Self(vec![[T::default(); D]; rows]))
    }

    /// Adds a row after the others.
    ///
    /// ```
    /// # use keops::Rows;
    /// let mut rows = Rows::default();
    /// rows.push([1.0, 2.0]);
    /// assert_eq!(rows.len(), 1);
    /// ```
    pub fn push(&mut self, row: [T; D]) {
        self.0.push(row);
    }

    /// All numbers, row by row.
    ///
    /// ```
    /// # use keops::Rows;
    /// assert_eq!(Rows::from([[1, 2], [3, 4]]).as_flat(), [1, 2, 3, 4]);
    /// ```
    #[must_use]
    pub fn as_flat(&self) -> &[T] {
        self.0.as_flattened()
    }

    /// All numbers, row by row.
    ///
    /// ```
    /// # use keops::Rows;
    /// let mut rows = Rows::from([[1, 2], [3, 4]]);
    /// rows.as_flat_mut()[2] = 5;
    /// assert_eq!(rows[1], [5, 4]);
    /// ```
    #[must_use]
    pub fn as_flat_mut(&mut self) -> &mut [T] {
        self.0.as_flattened_mut()
    }

    /// The rows as a vector, without copying.
    ///
    /// ```
    /// # use keops::Rows;
    /// assert_eq!(Rows::from([[1, 2], [3, 4]]).into_vec(), vec![[1, 2], [3, 4]]);
    /// ```
    #[must_use]
    pub fn into_vec(self) -> Vec<[T; D]> {
        self.0
    }

    /// All numbers, row by row, without copying.
    ///
    /// ```
    /// # use keops::Rows;
    /// assert_eq!(Rows::from([[1, 2], [3, 4]]).into_flat(), vec![1, 2, 3, 4]);
    /// ```
    #[must_use]
    pub fn into_flat(self) -> Vec<T> {
        self.0.into_flattened()
    }
}

impl<T: fmt::Debug, const D: usize> fmt::Debug for Rows<T, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T, const D: usize> Default for Rows<T, D> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const D: usize> Deref for Rows<T, D> {
    type Target = [[T; D]];
    fn deref(&self) -> &[[T; D]] {
        &self.0
    }
}

impl<T, const D: usize> DerefMut for Rows<T, D> {
    fn deref_mut(&mut self) -> &mut [[T; D]] {
        &mut self.0
    }
}

impl<T, const D: usize> AsRef<[[T; D]]> for Rows<T, D> {
    fn as_ref(&self) -> &[[T; D]] {
        &self.0
    }
}

impl<T, const D: usize> AsMut<[[T; D]]> for Rows<T, D> {
    fn as_mut(&mut self) -> &mut [[T; D]] {
        &mut self.0
    }
}

// Indices are those of a vector: a number gives a row, a range gives rows.
impl<T, const D: usize, I: SliceIndex<[[T; D]]>> Index<I> for Rows<T, D> {
    type Output = I::Output;
    fn index(&self, index: I) -> &I::Output {
        &self.0[index]
    }
}

impl<T, const D: usize, I: SliceIndex<[[T; D]]>> IndexMut<I> for Rows<T, D> {
    fn index_mut(&mut self, index: I) -> &mut I::Output {
        &mut self.0[index]
    }
}

impl<T, const D: usize> From<Vec<[T; D]>> for Rows<T, D> {
    fn from(rows: Vec<[T; D]>) -> Self {
        Self(rows)
    }
}

impl<T, const D: usize, const N: usize> From<[[T; D]; N]> for Rows<T, D> {
    fn from(rows: [[T; D]; N]) -> Self {
        Self(rows.into())
    }
}

impl<T: Clone, const D: usize> From<&[[T; D]]> for Rows<T, D> {
    fn from(rows: &[[T; D]]) -> Self {
        Self(rows.to_vec())
    }
}

/// Makes rows of numbers that are stored row by row, as in flat arguments. The numbers are copied, because an
/// allocation of single numbers may end within a row.
///
/// ```
/// # use keops::{Error, Rows};
/// let rows = Rows::<f32, 2>::try_from(vec![0.0, 1.0, 2.0, 3.0])?;
/// assert_eq!(rows[1], [2.0, 3.0]);
/// let error = Rows::<f32, 2>::try_from(vec![0.0; 5]).unwrap_err();
/// assert_eq!(error.to_string(), "`rows` holds 5 numbers, which is not a multiple of its dimension 2");
/// # Ok::<(), Error>(())
/// ```
impl<T: Copy, const D: usize> TryFrom<Vec<T>> for Rows<T, D> {
    type Error = Error;
    fn try_from(numbers: Vec<T>) -> Result<Self, Error> {
        Self::try_from(&numbers[..])
    }
}

/// Makes rows of numbers that are stored row by row, by copying them.
impl<T: Copy, const D: usize> TryFrom<&[T]> for Rows<T, D> {
    type Error = Error;
    fn try_from(numbers: &[T]) -> Result<Self, Error> {
        match numbers.len().checked_rem(D) {
            Some(0) => Ok(Self(numbers.chunks_exact(D).filter_map(|row| row.try_into().ok()).collect())),
            _ => Err(Error::FlatLength { variable: "rows", len: numbers.len(), dim: D }),
        }
    }
}

impl<T, const D: usize> From<Rows<T, D>> for Vec<[T; D]> {
    fn from(rows: Rows<T, D>) -> Self {
        rows.0
    }
}

impl<T, const D: usize> FromIterator<[T; D]> for Rows<T, D> {
    fn from_iter<I: IntoIterator<Item = [T; D]>>(rows: I) -> Self {
        Self(rows.into_iter().collect())
    }
}

impl<'a, T: Clone, const D: usize> FromIterator<&'a [T; D]> for Rows<T, D> {
    fn from_iter<I: IntoIterator<Item = &'a [T; D]>>(rows: I) -> Self {
        Self(rows.into_iter().cloned().collect())
    }
}

impl<T, const D: usize> Extend<[T; D]> for Rows<T, D> {
    fn extend<I: IntoIterator<Item = [T; D]>>(&mut self, rows: I) {
        self.0.extend(rows);
    }
}

impl<'a, T: Clone, const D: usize> Extend<&'a [T; D]> for Rows<T, D> {
    fn extend<I: IntoIterator<Item = &'a [T; D]>>(&mut self, rows: I) {
        self.0.extend(rows.into_iter().cloned());
    }
}

impl<T, const D: usize> IntoIterator for Rows<T, D> {
    type Item = [T; D];
    type IntoIter = vec::IntoIter<[T; D]>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, T, const D: usize> IntoIterator for &'a Rows<T, D> {
    type Item = &'a [T; D];
    type IntoIter = slice::Iter<'a, [T; D]>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<'a, T, const D: usize> IntoIterator for &'a mut Rows<T, D> {
    type Item = &'a mut [T; D];
    type IntoIter = slice::IterMut<'a, [T; D]>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter_mut()
    }
}
