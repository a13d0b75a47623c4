//! Clusters: labels, order, ranges, centroids and radii, against plain loops, and what is said of bad input.

mod harness;

use harness::{Random, assert_near, assert_rows, squared_distance, wide};
use keops::{Element, cluster::*, prelude::*};

const N: usize = 500;

fn grid<T: Element>() {
    let mut random = Random::new();
    let x: Vec<[T; 3]> = random.cloud(N);
    let edges = [0.5, 0.25, 2.0].map(T::from_f64);
    let labels = grid_cluster(&x, edges).unwrap();
    let cell = |point: &[T; 3]| [0, 1, 2].map(|d| (point[d] / edges[d]).floor().to_i64().unwrap());
    let mut cells: Vec<[i64; 3]> = x.iter().map(cell).collect();
    cells.sort_unstable();
    cells.dedup();
    for (point, &label) in x.iter().zip(&labels) {
        assert_eq!(cells[label], cell(point), "labels count the cells in their order");
    }
    assert!(cells.len() > 20 && cells.len() < N, "{} cells", cells.len());
    // flat rows, and one edge for all
    assert_eq!(grid_cluster::<T, 3>(x.as_flattened(), edges).unwrap(), labels);
    let cubes = grid_cluster(&x, T::from_f64(0.5)).unwrap();
    assert_eq!(cubes, grid_cluster(&x, [T::from_f64(0.5); 3]).unwrap());
}

#[test]
fn cells_of_a_grid() {
    grid::<f32>();
    grid::<f64>();
    assert_eq!(grid_cluster(&[[0.0_f32; 2]; 0], 1.0).unwrap(), []);
    assert_eq!(grid_cluster(&[[-0.1], [0.0], [0.9], [1.0], [-3.0]], 1.0).unwrap(), [1, 2, 2, 3, 0]);
}

#[test]
fn sorting_is_stable_and_can_be_undone() {
    let mut random = Random::new();
    let labels: Vec<usize> = (0..N).map(|_| random.integer(3..17)).collect();
    let order = sort_clusters(&labels).unwrap();
    let mut expected: Vec<usize> = (0..N).collect();
    expected.sort_by_key(|&row| labels[row]);
    assert_eq!(order.order(), expected);
    assert_eq!((order.len(), order.is_empty()), (N, false));
    let names: Vec<String> = (0..N).map(|row| row.to_string()).collect();
    let sorted = order.apply(&names).unwrap();
    assert_ne!(sorted, names);
    assert_eq!(order.apply_inverse(&sorted).unwrap(), names);
    assert_eq!(order.inverse().inverse(), order);

    let ranges = cluster_ranges(&labels).unwrap();
    let sorted = order.apply(&labels).unwrap();
    assert_eq!(ranges.len(), 17);
    assert_eq!(ranges[0], 0..0, "a label that no row has");
    for (label, range) in ranges.iter().enumerate() {
        assert!(sorted[range.clone()].iter().all(|&found| found == label));
    }
    assert_eq!(ranges.iter().map(|range| range.len()).sum::<usize>(), N);
}

#[test]
fn centroids_and_radii() {
    let mut random = Random::new();
    let x: Vec<[f32; 3]> = random.cloud(N);
    let (mut weights, zero): (Vec<[f32; 1]>, usize) = (random.rows(N, 0.1..1.0), 7);
    let labels: Vec<usize> = (0..N).map(|_| random.integer(1..17)).collect();
    for (weight, &label) in weights.iter_mut().zip(&labels) {
        if label == zero {
            *weight = [0.0];
        }
    }
    let points = wide(&x);
    let mean = |of: usize, weight: &dyn Fn(usize) -> f64| -> [f64; 3] {
        let rows: Vec<usize> = (0..N).filter(|&row| labels[row] == of).collect();
        let total: f64 = rows.iter().map(|&row| weight(row)).sum();
        std::array::from_fn(|d| rows.iter().map(|&row| weight(row) * points[row][d]).sum::<f64>() / total)
    };
    let plain: Vec<[f64; 3]> = (0..17).map(|label| mean(label, &|_| 1.0)).collect();
    let weighted: Vec<[f64; 3]> = (0..17)
        .map(|label| if label == zero { plain[label] } else { mean(label, &|row| f64::from(weights[row][0])) })
        .collect();
    let found = centroids(&x, &labels).unwrap();
    assert_rows(&found, &plain, 1e-7, "centroids");
    assert!(found[0][0].is_nan(), "no point, no centroid");
    assert_rows(&weighted_centroids(&x, &weights, &labels).unwrap(), &weighted, 1e-7, "with weights");

    let radius = radii(&x, &labels, &found).unwrap();
    for (label, &radius) in radius.iter().enumerate() {
        let of_cluster = (0..N).filter(|&row| labels[row] == label);
        let exact = of_cluster.map(|row| squared_distance(&points[row], &found[label].map(f64::from)).sqrt());
        let exact = exact.fold(0.0, f64::max);
        assert!(f64::from(radius) >= exact, "{radius} is no bound of {exact}");
        assert_near(f64::from(radius), exact, 1e-6, label);
    }
}

#[test]
fn what_is_wrong_is_said() {
    let says = |error: Error, text: &str| assert_eq!(error.to_string(), text);
    let x = [[0.0, 1.0], [f64::NAN, 2.0]];
    says(grid_cluster(&x, 1.0).unwrap_err(), "component 0 of row 1 of `points` is not a finite number");
    says(centroids(&x, &[0, 0]).unwrap_err(), "component 0 of row 1 of `points` is not a finite number");
    let x = [[0.0, 1.0], [-f64::INFINITY, 2.0]];
    says(grid_cluster(&x, 1.0).unwrap_err(), "component 0 of row 1 of `points` is not a finite number");
    let x = [[0.0, 1.0], [3.0, 2.0]];
    for size in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-300] {
        assert!(matches!(grid_cluster(&x, [1.0, size]), Err(Error::CellSize { dimension: 1, .. })), "{size}");
    }
    let text = "cells of size -2 in dimension 0 are not positive and finite, or too many to be counted";
    says(grid_cluster(&x, -2.0).unwrap_err(), text);
    says(
        grid_cluster::<f64, 2>(&[1.0; 3], 1.0).unwrap_err(),
        "`points` holds 3 numbers, which is not a multiple of its dimension 2",
    );
    let text = "row 1 has the label 2, but labels are smaller than the number of rows, 2";
    says(sort_clusters(&[0, 2]).unwrap_err(), text);
    says(cluster_ranges(&[0, 2]).unwrap_err(), text);
    says(centroids(&x, &[0, 2]).unwrap_err(), text);
    assert!(cluster_ranges(&[0, usize::MAX]).is_err());
    says(centroids(&x, &[0]).unwrap_err(), "`points` has 2 rows, but `labels`, which is indexed alike, has 1");
    says(
        radii(&x, &[0, 1], &[[0.0; 2]]).unwrap_err(),
        "`centroids` has 1 rows, but `clusters`, which is indexed alike, has 2",
    );
    let weight = |weights: [[f64; 1]; 2]| weighted_centroids(&x, &weights, &[0, 0]).unwrap_err();
    says(weight([[1.0], [-0.5]]), "row 1 has the weight -0.5, which is negative");
    says(weight([[f64::NAN], [0.5]]), "component 0 of row 0 of `weights` is not a finite number");
    let error = weighted_centroids(&x, &[[1.0]], &[0, 0]).unwrap_err();
    says(error, "`weights` has 1 rows, but `labels`, which is indexed alike, has 2");
    let error = sort_clusters(&[0, 0]).unwrap().apply(&[1, 2, 3]).unwrap_err();
    says(error, "`rows` has 3 rows, but `labels`, which is indexed alike, has 2");
}
