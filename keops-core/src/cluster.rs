//! Clusters of points, from which block-sparse reductions are made.
//!
//! Points are put into clusters ([`grid_cluster`], or labels of any other origin), and sorted so that each cluster is a
//! range of rows ([`sort_clusters`], [`cluster_ranges`]). A mask over pairs of clusters, made from their [`centroids`]
//! and [`radii`], says which blocks of pairs matter. The names are those of `pykeops.numpy.cluster`.
//!
//! A [`Tree`] is points that are sorted into boxes, for selections such as nearest neighbours.
//!
//! A label is the number of a cluster, smaller than the number of points.
//!
//! ```
//! use keops::{
//!     cluster::{centroids, cluster_ranges, grid_cluster, radii, sort_clusters},
//!     prelude::*,
//! };
//!
//! keops! {
//!     /// a_i = Σ_j exp(-100 |x_i - x_j|²): how many points there are around x_i
//!     pub fn density(x: Vi<1>, y: Vj<1>) -> Sum<j> { exp(-100 * sqdist(x, y)) }
//! }
//!
//! # fn main() -> Result<(), Error> {
//! let x: Vec<[f64; 1]> = (0..100).map(|k| [(0.618 * f64::from(k)).fract()]).collect();
//! // the points, cell after cell
//! let order = sort_clusters(&grid_cluster(&x, 0.1)?)?;
//! let sorted = order.apply(&x)?;
//! // where the cells are, and which of them have points closer than 0.5, where the kernel is exp(-25)
//! let labels = grid_cluster(&sorted, 0.1)?;
//! let (rows, centres) = (cluster_ranges(&labels)?, centroids(&sorted, &labels)?);
//! let radii = radii(&sorted, &labels, &centres)?;
//! let cells = (&rows[..], &centres[..], &radii[..]);
//! let near = Ranges::from_neighbours(cells, cells, 0.5)?;
//! assert!(near.pairs() < 100 * 100);
//! let a = density(&sorted, &sorted).ranges(&near).eval()?;
//! // in the order of x
//! let a = order.apply_inverse(&a)?;
//! let all = density(&x, &x).eval()?;
//! assert!(a.iter().zip(all.iter()).all(|(a, all)| (a[0] - all[0]).abs() < 1e-8));
//! # Ok(())
//! # }
//! ```

mod centroids;
mod sort;
mod tree;

use crate::{
    arguments::AsRows,
    call::Element,
    data::{Error, numbers},
};

pub use centroids::{centroids, radii, weighted_centroids};
pub use sort::{Permutation, cluster_ranges, sort_clusters};
pub use tree::Tree;

/// The edges of the cells of a grid: one number for all dimensions, or one for each.
///
/// ```
/// use keops::cluster::grid_cluster;
///
/// let points = [[0.2, 0.2], [0.2, 1.2], [1.2, 0.2]];
/// assert_eq!(grid_cluster(&points, 1.0)?, [0, 1, 2]); // squares
/// assert_eq!(grid_cluster(&points, [2.0, 1.0])?, [0, 1, 0]); // twice as wide as high
/// # Ok::<(), keops::Error>(())
/// ```
pub trait CellSize<T, const D: usize> {
    /// The edge in each dimension.
    ///
    /// ```
    /// use keops::cluster::CellSize;
    ///
    /// let edges: [f32; 3] = 0.5.edges();
    /// assert_eq!(edges, [0.5; 3]);
    /// ```
    fn edges(self) -> [T; D];
}

impl<T: Element, const D: usize> CellSize<T, D> for T {
    fn edges(self) -> [T; D] {
        [self; D]
    }
}

impl<T: Element, const D: usize> CellSize<T, D> for [T; D] {
    fn edges(self) -> [T; D] {
        self
    }
}

/// Puts points into the cells of a grid, ⌊x_d / size_d⌋ in dimension d: a label for each point.
///
/// Labels are 0, 1, .., without gaps, in the lexicographic order of the cells that have points. The time is O(N log N)
/// in any dimension.
///
/// # Errors
/// [`Error::NotFinite`] for a point with a component that is infinite or NaN; [`Error::CellSize`] for an edge that is
/// not positive and finite, or so small that the cells cannot be counted; [`Error::FlatLength`] for flat rows of a
/// wrong length.
///
/// ```
/// use keops::cluster::grid_cluster;
///
/// let points = [[0.1, 0.9], [1.5, 0.2], [0.3, 0.7], [-0.5, 0.5]];
/// assert_eq!(grid_cluster(&points, 1.0)?, [1, 2, 1, 0]);
/// assert_eq!(grid_cluster(&points, [10.0, 0.6])?, [2, 1, 2, 0]);
/// # Ok::<(), keops::Error>(())
/// ```
pub fn grid_cluster<'a, T: Element, const D: usize>(
    points: impl AsRows<'a, T, D>,
    size: impl CellSize<T, D>,
) -> Result<Vec<usize>, Error> {
    /// From this number on, neighbouring integers are the same f64.
    const COUNTABLE: f64 = (1_u64 << 53) as f64;
    let view = points.as_rows();
    let points = numbers(&view, "points")?;
    let points = points.as_chunks::<D>().0;
    let edges = size.edges().map(Element::to_f64);
    if let Some(dimension) = edges.iter().position(|edge| !(*edge > 0.0 && edge.is_finite())) {
        return Err(Error::CellSize { dimension, size: edges[dimension] });
    }
    let mut cells = Vec::with_capacity(points.len());
    for (row, point) in points.iter().enumerate() {
        let mut cell = [0_i64; D];
        for d in 0..D {
            let x = Element::to_f64(point[d]);
            if !x.is_finite() {
                return Err(Error::NotFinite { what: "points", row, component: d });
            }
            let place = (x / edges[d]).floor();
            if place.abs() >= COUNTABLE {
                return Err(Error::CellSize { dimension: d, size: edges[d] });
            }
            cell[d] = place as i64;
        }
        cells.push(cell);
    }
    let mut order: Vec<usize> = (0..cells.len()).collect();
    order.sort_unstable_by_key(|&row| cells[row]);
    let mut labels = vec![0; cells.len()];
    let mut label = 0;
    for pair in order.windows(2) {
        label += usize::from(cells[pair[0]] != cells[pair[1]]);
        labels[pair[1]] = label;
    }
    Ok(labels)
}

/// Checks labels, and counts the points of each cluster.
fn sizes(labels: &[usize]) -> Result<Vec<usize>, Error> {
    // There are no more clusters than points, so a wrong label is an error, and does not allocate all of the memory.
    let wrong = labels.iter().position(|&label| label >= labels.len());
    if let Some(row) = wrong {
        return Err(Error::Label { row, label: labels[row], limit: labels.len() });
    }
    let mut sizes = vec![0; labels.iter().max().map_or(0, |last| last + 1)];
    labels.iter().for_each(|&label| sizes[label] += 1);
    Ok(sizes)
}

/// Checks that `what` has as many rows as there are labels.
fn check_rows(what: &'static str, rows: usize, labels: &[usize]) -> Result<(), Error> {
    if rows == labels.len() {
        return Ok(());
    }
    Err(Error::RowCount { variable: what, rows, other: "labels", other_rows: labels.len() })
}
