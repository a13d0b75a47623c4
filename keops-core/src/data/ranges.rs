//! Block-sparse reductions: which pairs (i, j) count.
//!
//! A reduction with [`Ranges`] runs over the pairs in them only, and never looks at the others. What is left out is not
//! small, it is not there: rows i without any j have the result of an empty reduction (0 for a sum, infinity for a
//! smallest value, and so on).
//!
//! Pairs are given as blocks, since the engines work on blocks: consecutive rows i against consecutive rows j. Points are
//! therefore sorted first, so that those of a cluster follow each other.
//!
//! ```
//! use keops::prelude::*;
//!
//! keops! { pub fn total(x: Vi<1>, b: Vj<1>) -> Sum<j> { x * b } }
//!
//! # fn main() -> Result<(), Error> {
//! let (x, b) = ([[1.0_f32]; 4], [[1.0], [2.0], [3.0], [4.0]]);
//! let running = total(&x, &b).ranges(&Ranges::lower_triangle(4)?).eval()?; // j <= i
//! assert_eq!(*running, [[1.0], [3.0], [6.0], [10.0]]);
//! // rows 0 and 1 meet rows 2 and 3; the other rows meet none
//! let some = total(&x, &b).ranges(&Ranges::new([(0..2, 2..4)])?).eval()?;
//! assert_eq!(*some, [[7.0], [7.0], [0.0], [0.0]]);
//! # Ok(())
//! # }
//! ```

mod bucket_sort;
mod builder;
mod memory;
mod pattern;
mod rows;
mod sorting_network;
mod sweep;
mod transpose;

use core::{fmt, ops::Range};
use std::sync::{Arc, OnceLock};

use builder::Builder;
pub use pattern::{Pattern, Segment};

use crate::{
    data::{Error, MAX_ROWS},
    launch,
    number::Scalar,
};

/// A set of pairs (i, j), for block-sparse reductions: the argument of the method `ranges` of a call.
///
/// It is a set: a pair that is in several blocks counts once. The same ranges serve a formula, its derivatives and
/// reductions over i. Cloning copies nothing. What calls on the CPU make of ranges is kept with them, for later calls: of single
/// pairs about four bytes each, for at most four kinds of calls (formulas of other sizes, element types, numbers of rows), and four
/// bytes a row where ranges are so long that selections leave out pairs.
/// Ranges that are dropped leave at most 64 MiB of their memory to the next ones. Many pairs in any order, and the pairs of many
/// single rows from the other side, are sorted on the threads of the caller's pool; the ranges are the same for any number of them.
///
/// ```
/// use keops::Ranges;
///
/// // Rows 0..3 meet rows 0..2 and 5..9, row 7 meets row 0; rows 3..7 meet none.
/// let ranges = Ranges::new([(0..3, 0..2), (0..3, 5..9), (7..8, 0..1)])?;
/// assert_eq!(ranges.pairs(), 3 * 6 + 1);
/// # Ok::<(), keops::Error>(())
/// ```
#[derive(Clone)]
pub struct Ranges {
    by_i: Arc<Pattern>,
    /// The same pairs from the other side.
    by_j: Arc<OnceLock<Arc<Pattern>>>,
}

impl fmt::Debug for Ranges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ranges").field("by_i", &self.by_i).finish_non_exhaustive()
    }
}

impl PartialEq for Ranges {
    /// Whether they are the same pairs.
    fn eq(&self, other: &Self) -> bool {
        self.by_i == other.by_i
    }
}

impl Eq for Ranges {}

impl Ranges {
    /// The pairs of these blocks, rows i against rows j. Blocks may overlap and come in any order.
    ///
    /// # Errors
    /// [`Error::RangeEnd`] for rows that no `u32` can number, or a range that ends before it starts.
    ///
    /// ```
    /// # use keops::Ranges;
    /// let two = Ranges::new([(0..2, 0..3), (2..4, 1..4)])?;
    /// assert_eq!(two.pairs(), 12);
    /// # Ok::<(), keops::Error>(())
    /// ```
    pub fn new(blocks: impl IntoIterator<Item = (Range<usize>, Range<usize>)>) -> Result<Self, Error> {
        let blocks = blocks.into_iter();
        let mut pattern = Builder::with_capacity(blocks.size_hint().0);
        pattern.extend(blocks)?;
        Ok(Self::from_pattern(pattern.finish()))
    }

    /// The pairs of clusters a of rows i and b of rows j for which `keep` says so, where number a * B + b of `keep` is
    /// that of a and b, and B the number of clusters of rows j: KeOps' `from_matrix`.
    ///
    /// # Errors
    /// [`Error::MaskLength`] if there is not one answer for each pair of clusters; those of [`Self::new`].
    ///
    /// ```
    /// # use keops::Ranges;
    /// let (i, j) = ([0..10, 10..30], [0..5, 5..9, 9..10]);
    /// let some = Ranges::from_matrix(&i, &j, &[true, false, false, false, true, true])?;
    /// assert_eq!(some.pairs(), 10 * 5 + 20 * (4 + 1));
    /// # Ok::<(), keops::Error>(())
    /// ```
    pub fn from_matrix(i: &[Range<usize>], j: &[Range<usize>], keep: &[bool]) -> Result<Self, Error> {
        if i.len().checked_mul(j.len()) != Some(keep.len()) {
            return Err(Error::MaskLength { rows: i.len(), columns: j.len(), found: keep.len() });
        }
        Self::from_clusters(i, j, |a, b| keep[a * j.len() + b])
    }

    /// The pairs of clusters a of rows i and b of rows j for which `keep(a, b)`: [`Self::from_matrix`] without the matrix.
    ///
    /// # Errors
    /// Those of [`Self::new`].
    ///
    /// ```
    /// # use keops::Ranges;
    /// let clusters = [0..10, 10..30, 30..35];
    /// let neighbours = Ranges::from_clusters(&clusters, &clusters, |a, b| a.abs_diff(b) <= 1)?;
    /// assert_eq!(neighbours.pairs(), 10 * 30 + 20 * 35 + 5 * 25);
    /// # Ok::<(), keops::Error>(())
    /// ```
    pub fn from_clusters(
        i: &[Range<usize>],
        j: &[Range<usize>],
        mut keep: impl FnMut(usize, usize) -> bool,
    ) -> Result<Self, Error> {
        let mut blocks = Vec::new();
        for (a, rows) in i.iter().enumerate() {
            let mut last: Option<Range<usize>> = None;
            for (b, columns) in j.iter().enumerate() {
                if !keep(a, b) {
                    continue;
                }
                // Clusters that follow each other are one block.
                match &mut last {
                    Some(last) if last.end == columns.start && columns.start <= columns.end => last.end = columns.end,
                    last => blocks.extend(last.replace(columns.clone()).map(|columns| (rows.clone(), columns))),
                }
            }
            blocks.extend(last.map(|columns| (rows.clone(), columns)));
        }
        Self::new(blocks)
    }

    /// The pairs of clusters that have two points within `reach` of each other, or nearly: those whose centres are not
    /// farther apart than `reach` and both radii together.
    ///
    /// With the centroids and radii of the clusters this keeps every pair of points at a distance of at most `reach`. A
    /// kernel that is as good as 0 farther out is then as good as complete.
    ///
    /// # Errors
    /// [`Error::RowCount`] if there are not as many centres and radii as clusters; those of [`Self::new`].
    ///
    /// ```
    /// # use keops::Ranges;
    /// let clusters = [0..10, 10..30];
    /// let (centres, radii) = ([[0.0, 0.0], [3.0, 4.0]], [1.0, 1.5]);
    /// let side = (&clusters[..], &centres[..], &radii[..]);
    /// assert_eq!(Ranges::from_neighbours(side, side, 2.4)?.pairs(), 10 * 10 + 20 * 20);
    /// assert_eq!(Ranges::from_neighbours(side, side, 2.5)?.pairs(), 30 * 30);
    /// # Ok::<(), keops::Error>(())
    /// ```
    pub fn from_neighbours<T: Scalar, const D: usize>(
        (i, i_centres, i_radii): (&[Range<usize>], &[[T; D]], &[T]),
        (j, j_centres, j_radii): (&[Range<usize>], &[[T; D]], &[T]),
        reach: T,
    ) -> Result<Self, Error> {
        for (clusters, centres, radii) in [(i, i_centres, i_radii), (j, j_centres, j_radii)] {
            for (variable, rows) in [("centres", centres.len()), ("radii", radii.len())] {
                if rows != clusters.len() {
                    return Err(Error::RowCount { variable, rows, other: "clusters", other_rows: clusters.len() });
                }
            }
        }
        // A little farther, since the radii were rounded.
        let slack = 1.0 + 16.0 * Scalar::as_f64(T::epsilon());
        Self::from_clusters(i, j, |a, b| {
            let square = |(&u, &w): (&T, &T)| {
                let difference = Scalar::as_f64(u) - Scalar::as_f64(w);
                difference * difference
            };
            let distance = i_centres[a].iter().zip(&j_centres[b]).map(square).sum::<f64>().sqrt();
            let [reach, a, b] = [reach, i_radii[a], j_radii[b]].map(Scalar::as_f64);
            distance <= (reach + a + b) * slack
        })
    }

    /// The pairs with j <= i, of `rows` rows each: what a causal or cumulative reduction runs over.
    ///
    /// # Errors
    /// Those of [`Self::new`].
    ///
    /// ```
    /// # use keops::Ranges;
    /// assert_eq!(Ranges::lower_triangle(4)?.pairs(), 1 + 2 + 3 + 4);
    /// # Ok::<(), keops::Error>(())
    /// ```
    pub fn lower_triangle(rows: usize) -> Result<Self, Error> {
        Self::band([rows, rows], rows, 0)
    }

    /// The pairs with i - below <= j <= i + above, of `i` rows and `j` rows.
    ///
    /// # Errors
    /// Those of [`Self::new`].
    ///
    /// ```
    /// # use keops::Ranges;
    /// assert_eq!(Ranges::band([4, 4], 1, 0)?.pairs(), 1 + 2 + 2 + 2);
    /// # Ok::<(), keops::Error>(())
    /// ```
    pub fn band([i, j]: [usize; 2], below: usize, above: usize) -> Result<Self, Error> {
        checked(0..i)?;
        checked(0..j)?;
        // those below have no columns
        let rows = 0..i.min(j.saturating_add(below));
        Self::new(rows.map(|row| {
            let columns = row.saturating_sub(below)..row.saturating_add(above).saturating_add(1).min(j);
            (row..row + 1, columns)
        }))
    }

    /// The same pairs with i and j exchanged. Copies nothing.
    ///
    /// ```
    /// # use keops::Ranges;
    /// let ranges = Ranges::new([(0..2, 0..3)])?;
    /// assert_eq!(ranges.transpose(), Ranges::new([(0..3, 0..2)])?);
    /// # Ok::<(), keops::Error>(())
    /// ```
    #[must_use]
    pub fn transpose(&self) -> Self {
        let by_j = Arc::new(OnceLock::from(Arc::clone(&self.by_i)));
        Self { by_i: Arc::clone(self.other()), by_j }
    }

    /// How many pairs there are.
    ///
    /// ```
    /// # use keops::Ranges;
    /// // where blocks overlap, a pair counts once
    /// assert_eq!(Ranges::new([(0..2, 0..3), (1..2, 0..4)])?.pairs(), 3 + 4);
    /// # Ok::<(), keops::Error>(())
    /// ```
    #[must_use]
    pub fn pairs(&self) -> u64 {
        self.by_i.pairs()
    }

    /// Row after row of i, which rows j there are.
    ///
    /// ```
    /// # use keops::Ranges;
    /// let ranges = Ranges::new([(0..2, 0..3), (0..2, 5..6)])?;
    /// assert!(ranges.by_i().contains(1, 5) && !ranges.by_i().contains(1, 4));
    /// # Ok::<(), keops::Error>(())
    /// ```
    #[must_use]
    pub fn by_i(&self) -> &Pattern {
        &self.by_i
    }

    /// Row after row of j, which rows i there are.
    ///
    /// ```
    /// # use keops::Ranges;
    /// let ranges = Ranges::new([(0..2, 0..3), (0..2, 5..6)])?;
    /// assert!(ranges.by_j().contains(5, 1) && !ranges.by_j().contains(4, 1));
    /// assert_eq!(ranges.by_j(), ranges.transpose().by_i());
    /// # Ok::<(), keops::Error>(())
    /// ```
    #[must_use]
    pub fn by_j(&self) -> &Pattern {
        self.other()
    }

    fn other(&self) -> &Arc<Pattern> {
        if let Some(known) = self.by_j.get() {
            return known;
        }
        // Not while others wait for it: a thread that waits for others may take up a call of the same ranges.
        let made = Arc::new(self.by_i.transpose().shrink());
        self.by_j.get_or_init(|| made)
    }

    fn from_pattern(by_i: Pattern) -> Self {
        Self { by_i: Arc::new(by_i.shrink()), by_j: Arc::default() }
    }
}

/// A range of rows that can be numbered.
fn checked(range: Range<usize>) -> Result<launch::Range, Error> {
    let Range { start, end } = range;
    if start > end || end > MAX_ROWS {
        return Err(Error::RangeEnd { start, end, rows: MAX_ROWS });
    }
    Ok(launch::Range { first: start as u32, end: end as u32 })
}

#[cfg(test)]
mod tests;
