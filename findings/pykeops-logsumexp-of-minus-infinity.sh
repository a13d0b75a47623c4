#!/usr/bin/env bash
# pykeops: one term of -inf makes a log-sum-exp NaN at some rows, and not at others.
#
# One would guess that a term exp(-inf) = 0 counts for nothing, as in torch.logsumexp and scipy.special.logsumexp, or, if not,
# that it matters no more at one row than at another: scores are masked by -inf. pykeops 2.3, on the processor, gives NaN where the row of
# the term is a multiple of the integer part of √M, for M >= 10 terms, because a partial sum of as many terms begins there
# with the maximum -inf, and -inf - (-inf) is NaN; for M < 10 at row 0 only. So -inf at row 5 is right for M = 16 and NaN
# for M = 25, and moving the points by one row changes the result.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pykeops==2.3 keopscore==2.3 numpy==2.2.6 pybind11==3.0.1
export KEOPS_CACHE_FOLDER=$folder/cache
cd "$folder"
"$folder/venv/bin/python" - <<'END'
import math

import numpy as np
import pykeops
from pykeops.numpy import Genred

log_sum_exp = Genred("X * Y", ["X = Vi(1)", "Y = Vj(1)"], reduction_op="LogSumExp", axis=1)
changed = False
print("pykeops", pykeops.__version__)
for m in (5, 9, 10, 16, 17, 25, 1000):
    is_nan = []
    for row in range(m):
        y = np.zeros((m, 1))
        y[row] = -np.inf
        found = log_sum_exp(np.ones((1, 1)), y, backend="CPU").item()
        if math.isnan(found):
            is_nan.append(row)
        else:
            changed |= abs(found - math.log(m - 1)) > 1e-12
    period = math.isqrt(m) if m >= 10 else m
    changed |= is_nan != list(range(0, m, period))
    shown = ", ".join(map(str, is_nan[:5])) + (", .." if len(is_nan) > 5 else "")
    print(f"M = {m}: NaN for -inf at row {shown}; log(M - 1) at the other {m - len(is_nan)}")
raise SystemExit("this has changed" if changed else 0)
END
