"""Searches for nearest neighbours. Building the tree is part of the call, as it is for a new set of points."""

import os

import scipy
import sklearn
from scipy.spatial import cKDTree
from sklearn.neighbors import NearestNeighbors

COUNT = 10

# What scikit-learn calls the distances of the families that are not Euclidean.
METRICS = {"neighbours_manhattan": "manhattan", "neighbours_haversine": "haversine"}


class Search:
    def __init__(self, name):
        self.name = name
        self.threads = int(os.environ["OMP_NUM_THREADS"])

    def versions(self):
        return [f"scipy {scipy.__version__}" if self.name == "ckdtree" else f"scikit-learn {sklearn.__version__}"]

    def load(self, request, arrays):
        x, y = arrays
        metric = METRICS.get(request["family"], "euclidean")
        if self.name == "ckdtree":
            if request["family"] == "neighbours_one_by_one":
                tree = cKDTree(y)
                return lambda: [[tree.query(row, k=COUNT)[1] for row in x]]
            power = 1 if metric == "manhattan" else 2
            return lambda: [cKDTree(y).query(x, k=COUNT, p=power, workers=self.threads)[1]]

        def search():
            points = NearestNeighbors(n_neighbors=COUNT, algorithm=self.name, metric=metric, n_jobs=self.threads).fit(y)
            return [points.kneighbors(x, return_distance=False)]

        return search
