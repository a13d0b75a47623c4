//! Rows in the order of their clusters, and back.

use core::ops::Range;

use super::sizes;
use crate::error::Error;

/// The order of the rows when they are sorted by their labels; see [`sort_clusters`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permutation {
    /// The old row at each new place.
    order: Vec<usize>,
}

impl Permutation {
    /// The row of the caller that comes to each place.
    #[must_use]
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// How many rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Rows in the order of the caller, sorted by cluster. Rows are of any kind: points, weights, labels.
    ///
    /// # Errors
    /// [`Error::RowCount`] if there are more or fewer of them than labels.
    pub fn apply<R: Clone>(&self, rows: &[R]) -> Result<Vec<R>, Error> {
        self.check(rows)?;
        Ok(self.order.iter().map(|&row| rows[row].clone()).collect())
    }

    /// Sorted rows, back in the order of the caller: what [`Self::apply`] undoes.
    ///
    /// # Errors
    /// [`Error::RowCount`] if there are more or fewer of them than labels.
    pub fn apply_inverse<R: Clone>(&self, rows: &[R]) -> Result<Vec<R>, Error> {
        self.inverse().apply(rows)
    }

    /// The permutation from the sorted order to that of the caller.
    #[must_use]
    pub fn inverse(&self) -> Self {
        let mut order = vec![0; self.order.len()];
        self.order.iter().enumerate().for_each(|(place, &row)| order[row] = place);
        Self { order }
    }

    fn check<R>(&self, rows: &[R]) -> Result<(), Error> {
        if rows.len() == self.order.len() {
            return Ok(());
        }
        Err(Error::RowCount { variable: "rows", rows: rows.len(), other: "labels", other_rows: self.order.len() })
    }
}

/// Sorts rows by their labels; rows of a cluster keep their order. A counting sort, O(N).
///
/// ```
/// # use keops_core::{cluster::*, error::Error};
/// # fn main() -> Result<(), Error> {
/// let x = [[0.9_f32], [0.1], [0.8]];
/// let labels = grid_cluster(&x, 0.5)?;
/// let order = sort_clusters(&labels)?;
/// let sorted = order.apply(&x)?;
/// assert_eq!(sorted, [[0.1], [0.9], [0.8]]);
/// assert_eq!(cluster_ranges(&labels)?, [0..1, 1..3]);
/// assert_eq!(order.apply_inverse(&sorted)?, x);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Label`] for a label that is not smaller than the number of rows.
pub fn sort_clusters(labels: &[usize]) -> Result<Permutation, Error> {
    let mut next: Vec<usize> = cluster_ranges(labels)?.iter().map(|range| range.start).collect();
    let mut order = vec![0; labels.len()];
    for (row, &label) in labels.iter().enumerate() {
        order[next[label]] = row;
        next[label] += 1;
    }
    Ok(Permutation { order })
}

/// The rows of each cluster, once they are sorted; the labels may be in any order. A label that no row has gives an
/// empty range.
///
/// # Errors
/// [`Error::Label`] for a label that is not smaller than the number of rows.
pub fn cluster_ranges(labels: &[usize]) -> Result<Vec<Range<usize>>, Error> {
    let mut start = 0;
    let ranges = sizes(labels)?.into_iter().map(|size| {
        let range = start..start + size;
        start = range.end;
        range
    });
    Ok(ranges.collect())
}
