#!/usr/bin/env bash
# scipy, scikit-learn: the tenth nearest neighbour of a point is often not within its own distance.
#
# One would guess that all points within the distance that a query gave for the tenth neighbour are ten or more: the documentation of
# query_ball_point says "within distance r", and that of query_radius too. scipy 1.17.1 and scikit-learn 1.9.1 compute squared
# distances, return their roots, and compare with the square of a radius. A root that was rounded down is less when squared again, so
# that for a quarter of the points the tenth neighbour is left out, and with ten neighbours nine are found.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1
"$folder/venv/bin/python" - <<'END'
import numpy as np
import scipy
import scipy.spatial
import sklearn
import sklearn.neighbors

print("scipy", scipy.__version__, "scikit-learn", sklearn.__version__)
rng = np.random.default_rng(0)
x, y = rng.random((2000, 3)), rng.random((5000, 3))
changed = False


def show(name, rows, lists):
    global changed
    missing = sum(tenth not in found for tenth, found in zip(rows[:, 9], lists)) / len(x)
    changed |= not 0.15 < missing < 0.35
    print(f"{name}: the tenth neighbour is not within its own distance for {100 * missing:.1f} % of the points")


tree = scipy.spatial.KDTree(y)
distances, rows = tree.query(x, k=10)
show("scipy.spatial.KDTree", rows, tree.query_ball_point(x, distances[:, 9]))
for kind in (sklearn.neighbors.KDTree, sklearn.neighbors.BallTree):
    tree = kind(y)
    distances, rows = tree.query(x, k=10)
    show(f"sklearn.neighbors.{kind.__name__}", rows, tree.query_radius(x, distances[:, 9]))
for algorithm in ("kd_tree", "ball_tree", "brute"):
    fitted = sklearn.neighbors.NearestNeighbors(n_neighbors=10, algorithm=algorithm).fit(y)
    distances, rows = fitted.kneighbors(x)
    lists = [fitted.radius_neighbors(x[[i]], radius=distances[i, 9], return_distance=False)[0] for i in range(len(x))]
    show(f"sklearn.neighbors.NearestNeighbors, {algorithm}", rows, lists)
raise SystemExit("this has changed" if changed else 0)
END
