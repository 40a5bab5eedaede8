#!/usr/bin/env bash
# imbalanced-learn 0.14.2: SMOTE, BorderlineSMOTE and ADASYN on uint8 rows, as images are, wrap around without a word.
#
# A made row lies between two rows of the small class by definition, so inside the box that this class fills. On uint8 the
# difference of the two is taken in uint8, where 10 - 20 is 246: half of the made rows and more lie outside of the box, by up to
# 247 grey levels, and the result is uint8 as if nothing were wrong. The same rows as float64 stay inside.
# The kit: oversampling between neighbours is computed in floats and rounded afterwards (kit/train/balance.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet imbalanced-learn==0.14.2 scikit-learn==1.9.1 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import warnings

import imblearn
import numpy as np
from imblearn.over_sampling import ADASYN, SMOTE, BorderlineSMOTE

print("imbalanced-learn", imblearn.__version__)
rng = np.random.default_rng(0)
rows = rng.integers(0, 256, (48, 4)).astype(np.uint8)
labels = np.repeat([0, 1], [40, 8])
low, high = rows[40:].min(axis=0), rows[40:].max(axis=0)


def outside(sampler, given):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        made = sampler.fit_resample(given, labels)[0]
    return made.dtype, float(((made[48:] < low) | (made[48:] > high)).any(axis=1).mean()), len(said)


for sampler in (
    SMOTE(random_state=0, k_neighbors=3),
    BorderlineSMOTE(random_state=0, k_neighbors=3),
    ADASYN(random_state=0, n_neighbors=3),
):
    kind, share, said = outside(sampler, rows)
    plain = outside(sampler, rows.astype(np.float64))[1]
    print(f"{type(sampler).__name__:<16} {kind}: {share:.0%} of the made rows outside; float64: {plain:.0%}; warnings {said}")
    assert kind == np.uint8 and share >= 0.4 and said == 0
    assert plain == 0
PYTHON
