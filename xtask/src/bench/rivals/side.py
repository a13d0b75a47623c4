"""A rival of `cargo xtask bench-keops`: one line of JSON for each request and each answer.

`load` reads the inputs and computes once (KeOps compiles then), `time` computes and answers with the seconds, `save`
writes the last result, `versions` names what computes. The first argument says which rival this is.
"""

import json
import os
import sys
import time

# KeOps prints what it does; that goes to the messages, so that the answers are alone on their stream.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

import numpy as np  # noqa: E402

# A timer and the first instructions of a call are not what is to be measured, so short calls are repeated.
SHORTEST = 0.01


def make_rival(name):
    match name:
        case "pykeops":
            import with_pykeops

            return with_pykeops
        case "numpy":
            import dense

            return dense.Numpy()
        case "torch":
            import dense

            return dense.Torch()
        case _:
            import neighbours

            return neighbours.Search(name)


def read(file, element):
    return np.fromfile(file["path"], dtype=element).reshape(file["rows"], file["dim"])


def seconds_of_call(compute):
    calls, start = 0, time.perf_counter()
    while True:
        result = compute()
        calls += 1
        passed = time.perf_counter() - start
        if passed >= SHORTEST:
            return result, passed / calls


def main():
    rival = make_rival(sys.argv[1])
    compute, result = None, None
    for line in sys.stdin:
        request = json.loads(line)
        answer = {}
        try:
            match request["request"]:
                case "load":
                    compute, result = None, None
                    compute = rival.load(request, [read(file, request["element"]) for file in request["files"]])
                    result = compute()
                case "time":
                    result, answer["seconds"] = seconds_of_call(compute)
                case "save":
                    parts = [np.asarray(part, dtype=np.float64).ravel() for part in result]
                    np.concatenate(parts).tofile(request["path"])
                case "versions":
                    answer["versions"] = [*rival.versions(), f"Python {sys.version.split()[0]}"]
        except Exception as error:
            answer["error"] = f"{type(error).__name__}: {error}"
        print(json.dumps(answer), file=answers, flush=True)


main()
