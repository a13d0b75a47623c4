//! A second opinion: plain `f64` loops over a sample of the points, written without keops.

/// How many points are looked at.
pub(crate) const SAMPLE: usize = 50;
/// The largest error that passes, relative to the size of what was summed.
pub(crate) const BOUND: f64 = 1e-5;

/// The largest errors over the sample, each relative.
#[derive(Debug, Default)]
pub(crate) struct Errors {
    /// Of the distance of the k-th neighbour, to the k-th smallest distance.
    pub(crate) neighbours: f64,
    /// Of the density.
    pub(crate) density: f64,
    /// Of a component of the gradient, to the sum of its terms' absolute values.
    pub(crate) gradient: f64,
}

impl Errors {
    /// Whether all results are as good as they should be; a NaN is not.
    pub(crate) fn pass(&self) -> bool {
        [self.neighbours, self.density, self.gradient].iter().all(|&error| error <= BOUND)
    }
}

/// Checks the neighbours, the densities and the gradients of log density of points `x`, at most [`SAMPLE`] of them.
pub(crate) fn check<const D: usize, const K: usize>(
    g: f32,
    x: &[[f32; D]],
    nearest: &[[u32; K]],
    density: &[[f32; 1]],
    gradient: &[[f32; D]],
) -> Errors {
    let mut errors = Errors::default();
    for i in (0..x.len()).step_by(x.len().div_ceil(SAMPLE)) {
        let distances: Vec<f64> = x.iter().map(|y| squared_distance(&x[i], y)).collect();
        worst(&mut errors.neighbours, neighbour_error(&distances, &nearest[i]));

        let weights: Vec<f64> = distances.iter().map(|d| (-f64::from(g) * d).exp()).collect();
        let sum: f64 = weights.iter().sum();
        worst(&mut errors.density, (f64::from(density[i][0]) - sum).abs() / sum);

        for (d, &component) in gradient[i].iter().enumerate() {
            let terms = x.iter().zip(&weights).map(|(y, k)| 2.0 * f64::from(g) * k / sum * difference(y, &x[i], d));
            let (total, size) = terms.fold((0.0, 0.0), |(total, size), term| (total + term, size + term.abs()));
            let error = (f64::from(component) - total).abs();
            worst(&mut errors.gradient, if size > 0.0 { error / size } else { error });
        }
    }
    errors
}

/// How far the distances of the neighbours are from the smallest distances; infinite if one is named twice.
fn neighbour_error<const K: usize>(distances: &[f64], nearest: &[u32; K]) -> f64 {
    let mut distinct = nearest.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() < K || nearest.iter().any(|&j| j as usize >= distances.len()) {
        return f64::INFINITY;
    }
    let mut sorted = distances.to_vec();
    sorted.sort_by(f64::total_cmp);
    let pairs = nearest.iter().zip(&sorted);
    pairs.map(|(&j, best)| (distances[j as usize] - best).abs() / best.max(f64::MIN_POSITIVE)).fold(0.0, f64::max)
}

fn squared_distance<const D: usize>(x: &[f32; D], y: &[f32; D]) -> f64 {
    (0..D).map(|d| difference(x, y, d).powi(2)).sum()
}

fn difference<const D: usize>(x: &[f32; D], y: &[f32; D], d: usize) -> f64 {
    f64::from(x[d]) - f64::from(y[d])
}

/// Keeps the larger error, and a NaN once there is one.
fn worst(so_far: &mut f64, error: f64) {
    if error.is_nan() || error > *so_far {
        *so_far = error;
    }
}
