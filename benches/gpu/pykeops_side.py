"""pykeops as one side of run.py: one line of JSON for each request and each answer.

`load` reads the inputs, makes the reduction and computes once (KeOps compiles then), `time` computes and answers with
the seconds, `save` writes the last result, `versions` names what computes.
"""

import faulthandler
import json
import os
import subprocess
import sys
import time

# KeOps prints what it does; that goes to the messages, so that the answers are alone on their stream.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
faulthandler.enable()

# KeOps would import torch, which has CUDA libraries of its own in the same process.
sys.modules["torch"] = None

import numpy as np  # noqa: E402
import pykeops  # noqa: E402
from pykeops.numpy import Genred  # noqa: E402


def load(request):
    def read(file):
        shape = (file["rows"], file["dim"])
        return np.fromfile(file["path"], dtype=request["element"]).reshape(shape)

    def is_parameter(alias):
        return "Pm(" in alias

    arrays = [read(file) for file in request["files"]]
    arguments = [a[0] if is_parameter(alias) else a for a, alias in zip(arrays, request["aliases"])]
    options = {"opt_arg": request["opt_arg"]} if "opt_arg" in request else {}
    reduction = Genred(request["formula"], request["aliases"], reduction_op=request["reduction"], axis=1, **options)
    return lambda: reduction(*arguments, backend=request["backend"])


def versions():
    compiler = os.environ.get("CXX", "g++")
    first_line = subprocess.run([compiler, "--version"], capture_output=True, text=True).stdout.split("\n")[0]
    return f"pykeops {pykeops.__version__}, numpy {np.__version__}, Python {sys.version.split()[0]}, {first_line}"


def main():
    compute, result = None, None
    for line in sys.stdin:
        request = json.loads(line)
        answer = {}
        try:
            match request["request"]:
                case "load":
                    compute = load(request)
                    result = compute()
                case "time":
                    start = time.perf_counter()
                    result = compute()
                    answer["seconds"] = time.perf_counter() - start
                case "save":
                    # row numbers as keops has them
                    integers = np.issubdtype(result.dtype, np.integer)
                    np.ascontiguousarray(result, np.uint32 if integers else None).tofile(request["path"])
                case "versions":
                    answer["versions"] = versions()
        except Exception as error:
            answer["error"] = f"{type(error).__name__}: {error}"
        print(json.dumps(answer), file=answers, flush=True)


main()
