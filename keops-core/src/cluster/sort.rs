//! Rows in the order of their clusters, and back.

use core::ops::Range;

use super::sizes;
use crate::data::Error;

/// The order of the rows when they are sorted by their labels; see [`sort_clusters`].
///
/// ```
/// use keops::cluster::sort_clusters;
///
/// let order = sort_clusters(&[1, 0, 1, 0])?;
/// // points and weights are sorted alike; what is computed from them goes back
/// let (points, weights) = (order.apply(&["a", "b", "c", "d"])?, order.apply(&[1, 2, 3, 4])?);
/// assert_eq!((&points[..], &weights[..]), (&["b", "d", "a", "c"][..], &[2, 4, 1, 3][..]));
/// assert_eq!(order.apply_inverse(&weights)?, [1, 2, 3, 4]);
/// # Ok::<(), keops::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permutation {
    /// For each place in the sorted order, the number of the row in the caller's order.
    order: Vec<usize>,
}

impl Permutation {
    /// For each place in the sorted order, the number of the row in the caller's order.
    ///
    /// ```
    /// # use keops::cluster::sort_clusters;
    /// assert_eq!(sort_clusters(&[1, 0, 1, 0])?.order(), [1, 3, 0, 2]);
    /// # Ok::<(), keops::Error>(())
    /// ```
    #[must_use]
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// The number of rows.
    ///
    /// ```
    /// # use keops::cluster::sort_clusters;
    /// assert_eq!(sort_clusters(&[1, 0, 1, 0])?.len(), 4);
    /// # Ok::<(), keops::Error>(())
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there are no rows.
    ///
    /// ```
    /// # use keops::cluster::sort_clusters;
    /// assert!(sort_clusters(&[])?.is_empty());
    /// # Ok::<(), keops::Error>(())
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Sorts rows that are in the caller's order by their clusters. The rows may be of any type: points, weights,
    /// labels.
    ///
    /// # Errors
    /// [`Error::RowCount`] if there are more or fewer of them than labels.
    ///
    /// ```
    /// # use keops::cluster::sort_clusters;
    /// let order = sort_clusters(&[1, 0, 1])?;
    /// assert_eq!(order.apply(&[[0.5], [1.5], [2.5]])?, [[1.5], [0.5], [2.5]]);
    /// assert!(order.apply(&[[0.5]]).is_err()); // for 3 rows
    /// # Ok::<(), keops::Error>(())
    /// ```
    pub fn apply<R: Clone>(&self, rows: &[R]) -> Result<Vec<R>, Error> {
        self.check(rows)?;
        Ok(self.order.iter().map(|&row| rows[row].clone()).collect())
    }

    /// Puts sorted rows back into the caller's order: the inverse of [`Self::apply`].
    ///
    /// # Errors
    /// [`Error::RowCount`] if there are more or fewer of them than labels.
    ///
    /// ```
    /// # use keops::cluster::sort_clusters;
    /// let order = sort_clusters(&[1, 2, 0])?;
    /// let sorted = order.apply(&["a", "b", "c"])?;
    /// assert_eq!(sorted, ["c", "a", "b"]);
    /// assert_eq!(order.apply_inverse(&sorted)?, ["a", "b", "c"]);
    /// # Ok::<(), keops::Error>(())
    /// ```
    pub fn apply_inverse<R: Clone>(&self, rows: &[R]) -> Result<Vec<R>, Error> {
        self.inverse().apply(rows)
    }

    /// The permutation from the sorted order to the caller's order.
    ///
    /// ```
    /// # use keops::cluster::sort_clusters;
    /// let order = sort_clusters(&[1, 2, 0])?;
    /// assert_eq!((order.order(), order.inverse().order()), (&[2, 0, 1][..], &[1, 2, 0][..]));
    /// # Ok::<(), keops::Error>(())
    /// ```
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
/// use keops::cluster::{cluster_ranges, grid_cluster, sort_clusters};
///
/// let x = [[0.9_f32], [0.1], [0.8]];
/// let labels = grid_cluster(&x, 0.5)?;
/// let order = sort_clusters(&labels)?;
/// let sorted = order.apply(&x)?;
/// assert_eq!(sorted, [[0.1], [0.9], [0.8]]);
/// assert_eq!(cluster_ranges(&labels)?, [0..1, 1..3]);
/// assert_eq!(order.apply_inverse(&sorted)?, x);
/// # Ok::<(), keops::Error>(())
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

/// The range of rows of each cluster after sorting. The labels themselves may be in any order. A label that no row has
/// gives an empty range.
///
/// # Errors
/// [`Error::Label`] for a label that is not smaller than the number of rows.
///
/// ```
/// use keops::cluster::cluster_ranges;
///
/// assert_eq!(cluster_ranges(&[2, 0, 2, 0])?, [0..2, 2..2, 2..4]);
/// let error = cluster_ranges(&[0, 7]).unwrap_err();
/// assert_eq!(error.to_string(), "row 1 has the label 7, but labels are smaller than the number of rows, 2");
/// # Ok::<(), keops::Error>(())
/// ```
pub fn cluster_ranges(labels: &[usize]) -> Result<Vec<Range<usize>>, Error> {
    let mut start = 0;
    let ranges = sizes(labels)?.into_iter().map(|size| {
        let range = start..start + size;
        start = range.end;
        range
    });
    Ok(ranges.collect())
}
