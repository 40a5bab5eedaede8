#!/usr/bin/env bash
# SciPy 1.17.1: distances between uint8 vectors, as pixels are, wrap around in some functions of one module and not in others.
#
# `scipy.spatial.distance.euclidean`, `cityblock`, `chebyshev` and `cosine` of two uint8 rows are wrong without an error; cosine gives 0, which is
# "the same image". `sqeuclidean`, `correlation` and `cdist` with the same names are right: the square of `euclidean` is not `sqeuclidean`.
# The kit: converts pixels to float before any arithmetic.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet scipy==1.17.1 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import warnings

import numpy as np
import scipy
from scipy.spatial import distance

warnings.simplefilter("ignore")
print("SciPy", scipy.__version__)
rows = np.random.default_rng(0).integers(0, 256, (2, 64)).astype(np.uint8)
exact = rows.astype(np.float64)
for name, right in (
    ("euclidean", False), ("cityblock", False), ("chebyshev", False), ("cosine", False), ("sqeuclidean", True), ("correlation", True)
):
    given, wanted = getattr(distance, name)(*rows), getattr(distance, name)(*exact)
    table = distance.cdist(rows[:1], rows[1:], name)[0, 0]
    print(f"{name:<12} uint8 {given:10.3f}   float64 {wanted:10.3f}   cdist of uint8 {table:10.3f}")
    assert np.isclose(table, wanted) and np.isclose(given, wanted) == right, name
PYTHON
