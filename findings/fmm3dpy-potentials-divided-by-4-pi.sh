#!/usr/bin/env bash
# fmm3dpy: the same call gives potentials that are 4 pi times smaller in the next version.
#
# One would guess that the fast multipole method for charges gives sums of q / r, as it did: fmm3dpy 1.0.0 does, to the last digits. The next
# version on PyPI, 2.1.0, has the kernels 1 / (4 pi r) and exp(i k r) / (4 pi r), under the same names of functions and arguments
# and without a warning. Its docstrings say so. The two versions ask for different versions of numpy, so that an upgrade of numpy
# brings the change with it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/potentials.py" <<'END'
import sys
from importlib.metadata import version

import fmm3dpy
import numpy as np

rng = np.random.default_rng(1)
x, q = rng.random((3, 2000)), rng.random(2000)
r = np.linalg.norm(x[:, :, None] - x[:, None, :], axis=0)
np.fill_diagonal(r, np.inf)
laplace = (q / r).sum(1)
np.fill_diagonal(r, 1.0)
helmholtz = (q * np.exp(1j * r) / r).sum(1) - q * np.exp(1j)

found = {
    "lfmm3d over the sum of q / r": fmm3dpy.lfmm3d(eps=1e-9, sources=x, charges=q, pg=1).pot / laplace,
    "hfmm3d over the sum of q exp(i r) / r": fmm3dpy.hfmm3d(eps=1e-9, zk=1.0 + 0j, sources=x, charges=q, pg=1).pot / helmholtz,
}
print("fmm3dpy", version("fmm3dpy"), "numpy", np.__version__)
for name, ratios in found.items():
    print(f"{name}: {abs(ratios).min():.9f} to {abs(ratios).max():.9f}")
expected = {"1.0.0": 1.0, "2.1.0": 1.0 / (4.0 * np.pi)}[version("fmm3dpy")]
same = all(np.allclose(ratios, expected, rtol=1e-7) for ratios in found.values())
sys.exit(0 if same else "this has changed")
END
for pair in "1.0.0 1.26.4" "2.1.0 2.4.6"; do
    read -r fmm3dpy numpy <<<"$pair"
    python3 -m venv "$folder/$fmm3dpy"
    "$folder/$fmm3dpy/bin/pip" install --quiet --disable-pip-version-check "fmm3dpy==$fmm3dpy" "numpy==$numpy"
    "$folder/$fmm3dpy/bin/python" "$folder/potentials.py"
done
