"""pykeops: its formulas as they are."""

import os
import subprocess

import numpy as np
import pykeops
from pykeops.numpy import Genred


def load(request, arrays):
    aliases = request["aliases"]
    arguments = [a[0] if "Pm(" in alias else a for a, alias in zip(arrays, aliases)]
    if request["batches"] > 1:
        arguments = [a if a.ndim == 1 else a.reshape(request["batches"], -1, a.shape[1]) for a in arguments]

    def reduction(call):
        options = {"formula2": call["weight"], "opt_arg": call["count"]}
        options = {name: value for name, value in options.items() if value is not None}
        function = Genred(call["formula"], aliases, reduction_op=call["reduction"], axis=call["axis"], **options)
        # KeOps has no reduction over both i and j, which the gradient in a parameter is.
        finish = (lambda rows: rows.sum(axis=0)) if call["total"] else (lambda rows: rows)
        return lambda: finish(function(*arguments, backend="CPU"))

    reductions = [reduction(call) for call in request["calls"]]
    return lambda: [compute() for compute in reductions]


def versions():
    compiler = os.environ.get("CXX", "g++")
    first_line = subprocess.run([compiler, "--version"], capture_output=True, text=True).stdout.split("\n")[0]
    return [f"pykeops {pykeops.__version__}", f"numpy {np.__version__}", first_line]
