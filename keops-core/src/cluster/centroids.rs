//! The centroids and the radii of clusters.

use super::{check_rows, sizes};
use crate::{
    arguments::AsRows,
    call::Element,
    data::{Error, Rows, numbers},
};

/// The mean of the points of each cluster, summed in f64; NaN for a label that no point has.
///
/// # Errors
/// [`Error::RowCount`] if there are more or fewer labels than points; [`Error::Label`] for a label that is not smaller
/// than the number of points; [`Error::NotFinite`] for a point with a component that is infinite or NaN;
/// [`Error::FlatLength`] for flat rows of a wrong length.
///
/// ```
/// use keops::cluster::centroids;
///
/// let points = [[0.0, 1.0], [2.0, 3.0], [5.0, 5.0]];
/// assert_eq!(*centroids(&points, &[0, 0, 1])?, [[1.0, 2.0], [5.0, 5.0]]);
/// # Ok::<(), keops::Error>(())
/// ```
pub fn centroids<'a, T: Element, const D: usize>(
    points: impl AsRows<'a, T, D>,
    labels: &[usize],
) -> Result<Rows<T, D>, Error> {
    let view = points.as_rows();
    let points = numbers(&view, "points")?;
    let sums = Sums::<D>::of(points.as_chunks().0, &[], labels)?;
    sums.iter().map(|sums| Ok(sums.plain())).collect()
}

/// The mean of the points of each cluster, with a weight for each point: Σ w x / Σ w, summed in f64. Where all weights
/// of a cluster are 0 it is the mean without weights; NaN for a label that no point has.
///
/// # Errors
/// The errors of [`centroids`]; [`Error::Weight`] for a negative weight.
///
/// ```
/// use keops::cluster::weighted_centroids;
///
/// let points = [[0.0], [4.0]];
/// assert_eq!(*weighted_centroids(&points, &[[1.0], [3.0]], &[0, 0])?, [[3.0]]);
/// # Ok::<(), keops::Error>(())
/// ```
pub fn weighted_centroids<'a, 'w, T: Element, const D: usize>(
    points: impl AsRows<'a, T, D>,
    weights: impl AsRows<'w, T, 1>,
    labels: &[usize],
) -> Result<Rows<T, D>, Error> {
    let (points, weights) = (points.as_rows(), weights.as_rows());
    let (points, weights) = (numbers(&points, "points")?, numbers(&weights, "weights")?);
    check_rows("weights", weights.len(), labels)?;
    if let Some(row) = weights.iter().position(|weight| !weight.is_finite()) {
        return Err(Error::NotFinite { what: "weights", row, component: 0 });
    }
    if let Some(row) = weights.iter().position(|weight| *weight < T::zero()) {
        return Err(Error::Weight { row, weight: Element::to_f64(weights[row]) });
    }
    let sums = Sums::<D>::of(points.as_chunks().0, &weights, labels)?;
    sums.iter().map(|sums| Ok(sums.weighted())).collect()
}

/// The largest distance of a point of each cluster to the cluster's centroid, or to any other point that is given in
/// place of the centroid; 0 for a label that no point has.
///
/// Two clusters with centroids c and d and radii r and s are at least |c - d| - r - s apart: a mask may leave out pairs
/// of clusters for which the kernel is negligible at that distance. The radii are rounded up by 4 units in the last
/// place, so that such bounds hold in spite of rounding.
///
/// # Errors
/// The errors of [`centroids`]; [`Error::RowCount`] if there are more or fewer centroids than clusters.
///
/// ```
/// use keops::cluster::{centroids, radii};
///
/// let points = [[0.0, 0.0], [6.0, 8.0]];
/// let centres = centroids(&points, &[0, 0])?;
/// let radii = radii(&points, &[0, 0], &centres)?;
/// assert!((radii[0] - 5.0_f64).abs() < 1e-14);
/// # Ok::<(), keops::Error>(())
/// ```
pub fn radii<'a, 'c, T: Element, const D: usize>(
    points: impl AsRows<'a, T, D>,
    labels: &[usize],
    centroids: impl AsRows<'c, T, D>,
) -> Result<Vec<T>, Error> {
    let (points, centroids) = (points.as_rows(), centroids.as_rows());
    let (points, centroids) = (numbers(&points, "points")?, numbers(&centroids, "centroids")?);
    let (points, centroids) = (points.as_chunks::<D>().0, centroids.as_chunks::<D>().0);
    let clusters = sizes(labels)?.len();
    check_points(points, labels)?;
    if centroids.len() != clusters {
        return Err(Error::RowCount {
            variable: "centroids",
            rows: centroids.len(),
            other: "clusters",
            other_rows: clusters,
        });
    }
    let mut largest = vec![0.0_f64; clusters];
    for (point, &label) in points.iter().zip(labels) {
        let squares = point.iter().zip(&centroids[label]).map(|(x, c)| {
            let difference = Element::to_f64(*x) - Element::to_f64(*c);
            difference * difference
        });
        // A centroid that is NaN must not give a radius of 0.
        let squared: f64 = squares.sum();
        if squared.is_nan() || squared > largest[label] {
            largest[label] = squared;
        }
    }
    let up = 1.0 + 4.0 * Element::to_f64(T::epsilon());
    Ok(largest.into_iter().map(|squared| T::from_f64(squared.sqrt() * up)).collect())
}

/// The weighted and the plain sum of the points of a cluster.
#[derive(Clone)]
struct Sums<const D: usize> {
    points: [f64; D],
    weighted_points: [f64; D],
    weight: f64,
    count: usize,
}

impl<const D: usize> Sums<D> {
    /// The sums of all clusters; an empty `weights` counts as weights of 0.
    fn of<T: Element>(points: &[[T; D]], weights: &[T], labels: &[usize]) -> Result<Vec<Self>, Error> {
        let none = Self { points: [0.0; D], weighted_points: [0.0; D], weight: 0.0, count: 0 };
        let mut sums = vec![none; sizes(labels)?.len()];
        check_points(points, labels)?;
        for (row, (point, &label)) in points.iter().zip(labels).enumerate() {
            let weight = weights.get(row).map_or(0.0, |weight| Element::to_f64(*weight));
            let sums = &mut sums[label];
            for (d, x) in point.iter().enumerate() {
                let x = Element::to_f64(*x);
                sums.points[d] += x;
                sums.weighted_points[d] += weight * x;
            }
            sums.weight += weight;
            sums.count += 1;
        }
        Ok(sums)
    }

    fn plain<T: Element>(&self) -> [T; D] {
        self.points.map(|sum| T::from_f64(sum / self.count as f64))
    }

    fn weighted<T: Element>(&self) -> [T; D] {
        if self.weight == 0.0 {
            return self.plain();
        }
        self.weighted_points.map(|sum| T::from_f64(sum / self.weight))
    }
}

fn check_points<T: Element, const D: usize>(points: &[[T; D]], labels: &[usize]) -> Result<(), Error> {
    check_rows("points", points.len(), labels)?;
    for (row, point) in points.iter().enumerate() {
        if let Some(component) = point.iter().position(|x| !x.is_finite()) {
            return Err(Error::NotFinite { what: "points", row, component });
        }
    }
    Ok(())
}
