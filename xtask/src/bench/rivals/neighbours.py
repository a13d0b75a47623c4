"""Searches for nearest neighbours. Building the tree is part of the call, as it is for a new set of points."""

import os

import scipy
import sklearn
from scipy.spatial import cKDTree
from sklearn.neighbors import NearestNeighbors

COUNT = 10


class Search:
    def __init__(self, name):
        self.name = name
        self.threads = int(os.environ["OMP_NUM_THREADS"])

    def versions(self):
        return [f"scipy {scipy.__version__}" if self.name == "ckdtree" else f"scikit-learn {sklearn.__version__}"]

    def load(self, request, arrays):
        x, y = arrays
        if self.name == "ckdtree":
            return lambda: [cKDTree(y).query(x, k=COUNT, workers=self.threads)[1]]

        def search():
            points = NearestNeighbors(n_neighbors=COUNT, algorithm=self.name, n_jobs=self.threads).fit(y)
            return [points.kneighbors(x, return_distance=False)]

        return search
