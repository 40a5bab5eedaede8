#!/usr/bin/env bash
# Optuna 5.0.0: of a study whose objective never varied, the default evaluator says that every parameter is equally important.
#
# fANOVA, the default before, refuses with "zero total variance". PED-ANOVA, the default now, gives equal shares, with a warning that is
# easily filtered out; a bar chart of them looks like a result. With four trials in which one parameter alone decides, it is first in few studies.
# The kit: importances from 16 trials on, with their spread over bootstrap samples, or the reason why they cannot be told (kit/sweep/).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet optuna==5.0.0 scikit-learn==1.9.1
"$folder/venv/bin/python" - <<'PYTHON'
import math
import warnings

import optuna
from optuna.importance import FanovaImportanceEvaluator, get_param_importances

optuna.logging.set_verbosity(optuna.logging.ERROR)
print("optuna", optuna.__version__)


def study(trials, seed, score):
    made = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))

    def objective(trial):
        lr = trial.suggest_float("lr", 1e-4, 1e-1, log=True)
        trial.suggest_float("wd", 0, 1)
        trial.suggest_int("copies", 1, 5)
        return score(lr)

    made.optimize(objective, n_trials=trials)
    return made


flat = study(20, 0, lambda lr: 0.5)
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    shares = get_param_importances(flat)
print("default evaluator, no variation:", shares, "warnings:", len(said))
assert len(said) >= 1 and max(shares.values()) - min(shares.values()) < 1e-9 and abs(sum(shares.values()) - 1) < 1e-9
try:
    get_param_importances(flat, evaluator=FanovaImportanceEvaluator(seed=0))
except RuntimeError as error:
    print("fANOVA, no variation: RuntimeError:", error)
else:
    raise AssertionError("fANOVA refused")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    few = [study(4, seed, lambda lr: (math.log10(lr) + 2.5) ** 2) for seed in range(20)]
    first = sum(max(found, key=found.get) == "lr" for found in map(get_param_importances, few))
print(f"four trials, lr alone decides: lr is first in {first} of 20 studies")
assert first < 16
PYTHON
