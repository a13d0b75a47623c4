"""NumPy and torch: the whole matrix of pairs, by matrix products where there are any, and in place where it can be.

Squared distances are |x|² + |y|² - 2 x·y, as torch.cdist and scikit-learn compute them: the matrix product makes them
fast, and the differences of large numbers cost some digits.
"""

import os

import numpy as np


class Numpy:
    def versions(self):
        return [f"numpy {np.__version__}"]

    def array(self, a):
        return a

    def exp(self, a):
        return np.exp(a, out=a)

    def sqrt(self, a):
        return np.sqrt(np.maximum(a, 0, out=a), out=a)

    def inverse(self, a):
        return np.reciprocal(a, out=a)

    def log_sum_exp(self, a):
        largest = a.max(axis=1, keepdims=True)
        a -= largest
        return largest + np.log(self.exp(a).sum(axis=1, keepdims=True))

    def soft_max(self, a):
        a -= a.max(axis=1, keepdims=True)
        self.exp(a)
        a /= a.sum(axis=1, keepdims=True)
        return a

    def least(self, a, count):
        chosen = np.argpartition(a, count, axis=1)[:, :count]
        order = np.argsort(np.take_along_axis(a, chosen, axis=1), axis=1)
        return np.take_along_axis(chosen, order, axis=1)

    def load(self, request, arrays):
        arguments = [self.array(a) for a in arrays]
        if request["batches"] > 1:
            g, *rows = arguments
            arguments = [g, *(a.reshape(request["batches"], -1, a.shape[1]) for a in rows)]
        function = getattr(self, request["family"])
        return lambda: function(*arguments)

    def squared_distances(self, x, y):
        d = x @ (y.T * -2)
        d += (x * x).sum(1)[:, None]
        d += (y * y).sum(1)[None, :]
        return d

    def gaussian_kernel(self, g, x, y):
        d = self.squared_distances(x, y)
        d *= -g
        return self.exp(d)

    def gaussian(self, g, x, y, b):
        return [self.gaussian_kernel(g, x, y) @ b]

    def gaussian_batches(self, g, x, y, b):
        d = x @ (y * -2).swapaxes(1, 2)
        d += (x * x).sum(2)[:, :, None]
        d += (y * y).sum(2)[:, None, :]
        d *= -g
        return [(self.exp(d) @ b).reshape(-1, b.shape[2])]

    def gaussian_x(self, g, x, y, b, e):
        k = self.gaussian_kernel(g, x, y)
        return [2 * g * e * (k @ (b * y) - x * (k @ b))]

    def gaussian_all(self, g, x, y, b, e):
        d = self.squared_distances(x, y)
        k = self.exp(d * -g)
        gradient_x = 2 * g * e * (k @ (b * y) - x * (k @ b))
        k_e = k.T @ e
        gradient_y = 2 * g * b * (k.T @ (e * x) - y * k_e)
        d *= k
        return [gradient_x, gradient_y, k_e, -(e.T @ (d @ b))]

    def laplacian(self, g, x, y, b):
        r = self.sqrt(self.squared_distances(x, y))
        r *= -g
        return [self.exp(r) @ b]

    def matern(self, g, x, y, b):
        r = self.sqrt(self.squared_distances(x, y))
        r *= g
        k = self.exp(-r)
        r += 1
        k *= r
        return [k @ b]

    def cauchy(self, g, x, y, b):
        d = self.squared_distances(x, y)
        d *= g
        d += 1
        return [self.inverse(d) @ b]

    def soft_minimum(self, g, x, y):
        d = self.squared_distances(x, y)
        d *= -g
        return [self.log_sum_exp(d)]

    def attention(self, g, x, y, b):
        return [self.soft_max(g * x @ y.T) @ b]

    def neighbours(self, x, y):
        return [self.least(self.squared_distances(x, y), 10)]


class Torch(Numpy):
    def __init__(self):
        import torch

        self.torch = torch
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        torch.set_grad_enabled(False)

    def versions(self):
        return [f"torch {self.torch.__version__}"]

    def array(self, a):
        return self.torch.from_numpy(a)

    def exp(self, a):
        return a.exp_()

    def sqrt(self, a):
        return a.clamp_(min=0).sqrt_()

    def inverse(self, a):
        return a.reciprocal_()

    def log_sum_exp(self, a):
        return a.logsumexp(dim=1, keepdim=True)

    def soft_max(self, a):
        return a.softmax(dim=1)

    def least(self, a, count):
        return a.topk(count, dim=1, largest=False).indices
