#!/usr/bin/env bash
# scikit-learn: points that are far from the origin have other nearest neighbours, without a warning.
#
# One would guess that neighbours do not depend on where the origin is. scikit-learn 1.9.1 computes distances as |x|² - 2 (x|y) + |y|²
# in NearestNeighbors by "brute", which "auto" takes for more than 15 numbers in a row: at coordinates like those of a map in metres,
# 4,600,000, the distances of points in a unit cube are half a unit off in f64, and half of the points have other nearest neighbours.
# The trees are right there, and f32 is computed in f64; so "auto" is right with 15 numbers in a row, and wrong with 16.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1
"$folder/venv/bin/python" - <<'END'
import numpy as np
import sklearn
from scipy.spatial.distance import cdist
from sklearn.metrics import euclidean_distances
from sklearn.neighbors import NearestNeighbors

print("scikit-learn", sklearn.__version__)
rng = np.random.default_rng(0)
wrong = {}
for dim in (2, 15, 16, 20):
    for origin in (0, 4.6e6):
        x = rng.random((500, dim)) + origin
        exact = cdist(x, x)
        order = np.argsort(exact, axis=1, kind="stable")[:, :3]
        expanded = np.abs(euclidean_distances(x) - exact).max()
        fitted = NearestNeighbors(n_neighbors=3).fit(x)
        distances, rows = fitted.kneighbors(x)
        error = np.abs(distances - np.take_along_axis(exact, order, axis=1)).max()
        wrong[dim, origin] = np.mean([set(a) != set(b) for a, b in zip(rows, order)])
        print(
            f"{dim} numbers in a row, from {origin:g} on: euclidean_distances is up to {expanded:.1g} off, kneighbors"
            f" ({fitted._fit_method}) {error:.1g}; {100 * wrong[dim, origin]:.0f} % have other neighbours"
        )
as_described = all(share == 0 for (dim, origin), share in wrong.items() if origin == 0 or dim <= 15)
as_described &= wrong[16, 4.6e6] > 0.3 and wrong[20, 4.6e6] > 0.3
raise SystemExit(0 if as_described else "this has changed")
END
