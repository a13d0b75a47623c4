#!/usr/bin/env bash
# pykeops: grid_cluster puts points that are a thousand cells apart into one cluster.
#
# One would guess what its documentation says: two points have the same label if and only if they are in the same cell.
# pykeops 2.3 makes one number of the two or three numbers of a cell, 1024 a + b, without a limit for b: cells that
# differ by 1 in one dimension and by -1024 in the next get one label. Centroids and radii of such a cluster are those of no
# cell, and a block-sparse reduction leaves out pairs that are close.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pykeops==2.3 keopscore==2.3 numpy==2.2.6 pybind11==3.0.1
export KEOPS_CACHE_FOLDER=$folder/cache
cd "$folder"
"$folder/venv/bin/python" - <<'END'
import numpy as np
import pykeops
from pykeops.numpy.cluster import cluster_ranges_centroids, grid_cluster

print("pykeops", pykeops.__version__)
rng = np.random.default_rng(0)
# two clouds, one in the cell (1, 0), the other in the cell (0, 1024)
near, far = rng.uniform(0.1, 0.9, (50, 2)) + [1, 0], rng.uniform(0.1, 0.9, (50, 2)) + [0, 1024]
x = np.concatenate([near, far])
labels = grid_cluster(x, 1.0)
cells = len(np.unique(np.floor(x), axis=0))
_, centroids, _ = cluster_ranges_centroids(x, labels)
apart = np.linalg.norm(x - centroids[labels], axis=1).max()
print(f"{cells} cells of edge 1, labels {sorted(set(labels.tolist()))}; a point is up to {apart:.0f} from its centroid")
# shifted by a cell, they are two clusters
shifted = grid_cluster(np.concatenate([near, far - [0, 1]]), 1.0)
print("one cell closer: labels", sorted(set(shifted.tolist())))
raise SystemExit(0 if len(set(labels)) == 1 and len(set(shifted)) == 2 and apart > 500 else "this has changed")
END
