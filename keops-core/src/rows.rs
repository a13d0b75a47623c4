//! The rows of a result.

use core::{
    fmt,
    ops::{Deref, DerefMut},
    slice,
};

use std::vec;

use crate::error::Error;

/// Rows of `D` numbers each, one after another in memory.
///
/// Derefs to `[[T; D]]`, so that `rows[i][d]`, `rows.len()` and `rows.iter()` work.
#[derive(Clone, PartialEq)]
pub struct Rows<T, const D: usize>(Vec<[T; D]>);

impl<T, const D: usize> Rows<T, D> {
    /// `rows` rows of zeros.
    ///
    /// # Errors
    /// [`Error::OutputTooLarge`] if they cannot be addressed.
    pub fn zeros(rows: usize) -> Result<Self, Error>
    where
        T: Copy + Default,
    {
        let bytes = rows.checked_mul(size_of::<[T; D]>()).filter(|&bytes| isize::try_from(bytes).is_ok());
        match bytes {
            Some(_) => Ok(Self(vec![[T::default(); D]; rows])),
            None => Err(Error::OutputTooLarge { rows, width: D }),
        }
    }

    /// All numbers, row by row.
    #[must_use]
    pub fn as_flat(&self) -> &[T] {
        self.0.as_flattened()
    }

    /// All numbers, row by row.
    #[must_use]
    pub fn as_flat_mut(&mut self) -> &mut [T] {
        self.0.as_flattened_mut()
    }

    /// The rows as a vector, without copying.
    #[must_use]
    pub fn into_vec(self) -> Vec<[T; D]> {
        self.0
    }

    /// All numbers, row by row, without copying.
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

impl<T, const D: usize> From<Vec<[T; D]>> for Rows<T, D> {
    fn from(rows: Vec<[T; D]>) -> Self {
        Self(rows)
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
