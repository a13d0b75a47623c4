#!/usr/bin/env bash
# pykeops: the solution of a linear system is not linear in its right-hand side, and 0 for a small one.
#
# One would guess that the tolerance of conjugate gradients is relative to the right-hand side, as in scipy.sparse.linalg.cg, so
# that K⁻¹ (c b) = c K⁻¹ b for any c. In pykeops 2.3 KernelSolve stops where the mean square of the residual is below eps²
# (1e-6 unless told otherwise), which a right-hand side of 1e-7 is before the first iteration: the result is exactly 0, and nothing
# says so. In a larger unit, with numbers of size 1, the same right-hand side is solved.
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
from pykeops.numpy import KernelSolve

print("pykeops", pykeops.__version__)
solve = KernelSolve("Exp(-SqDist(x, y)) * b", ["x = Vi(1)", "y = Vj(1)", "b = Vj(1)"], "b", axis=1)
x = np.linspace(0, 3, 50)[:, None]
matrix = 0.1 * np.eye(50) + np.exp(-((x - x.T) ** 2))
residuals = []
for size in (1, 1e-3, 1e-5, 1e-7):
    b = size * np.cos(5 * x)
    a = solve(x, x, b, alpha=0.1, backend="CPU")
    residuals.append(np.linalg.norm(b - matrix @ a) / np.linalg.norm(b))
    print(f"b of size {size:g}: relative residual {residuals[-1]:.1e}" + ("" if a.any() else ", the solution is 0"))
as_described = residuals[0] < 1e-5 and residuals[-1] == 1 and all(a <= b for a, b in zip(residuals, residuals[1:]))
raise SystemExit(0 if as_described else "this has changed")
END
