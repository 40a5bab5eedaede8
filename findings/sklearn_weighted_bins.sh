#!/usr/bin/env bash
# scikit-learn 1.9.1: HistGradientBoostingClassifier takes some ten times as long to fit as soon as it is given sample weights, ones included.
#
# Its histograms are for speed, and weights only scale gradients there. But the edges of the bins have become weighted quantiles, which are found
# one after another for each feature and each edge, in Python, before the first tree. On tables of a thousand rows and a hundred columns or more that
# is nearly all of the fit, and each fit of a cross-validation pays it again. Columns of no more different values than max_bins escape.
# The kit: features become quantile codes once, and trees are fitted to the codes (kit/shifts/bins.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet scikit-learn==1.9.1 numpy==2.4.6
OMP_NUM_THREADS=1 "$folder/venv/bin/python" - <<'PYTHON'
import cProfile
import pstats
import time

import numpy as np
import sklearn
from sklearn.ensemble import HistGradientBoostingClassifier

print("scikit-learn", sklearn.__version__)
rng = np.random.default_rng(0)
rows = rng.normal(size=(800, 150))
labels = (rows[:, 0] + rng.normal(size=800) > 0).astype(int)


def fitted(weights, given=rows):
    return HistGradientBoostingClassifier(max_iter=30, max_leaf_nodes=8, max_bins=32, random_state=0).fit(given, labels, sample_weight=weights)


def seconds(weights):
    started = time.perf_counter()
    fitted(weights)
    return time.perf_counter() - started


ones = np.ones(800)
fitted(None)
pairs = [(seconds(None), seconds(ones)) for _ in range(5)]
factor = float(np.median([weighted / plain for plain, weighted in pairs]))
print(f"30 trees on 800 rows of 150 features: {1000 * np.median(pairs, axis=0)[0]:.0f} ms, with weights of one {1000 * np.median(pairs, axis=0)[1]:.0f} ms, "
      f"{factor:.1f} times as long")
assert factor > 4


def quantiles(given):
    """Calls of the weighted quantile in a fit with weights, and their share of its time."""
    profile = cProfile.Profile()
    profile.runcall(fitted, ones, given)
    table = pstats.Stats(profile).stats
    whole = max(stat[3] for stat in table.values())
    return next(((stat[0], stat[3] / whole) for (_, _, name), stat in table.items() if name == "_weighted_percentile"), (0, 0.0))


calls, share = quantiles(rows)
few = quantiles(np.digitize(rows, np.linspace(-2, 2, 31)))[0]
print(f"calls of the weighted quantile in one fit: {calls:,}, {share:.0%} of its time; where no column has over 32 values: {few}")
assert calls >= 150 and share > 0.5
assert few == 0
PYTHON
