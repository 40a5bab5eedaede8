"""Which keys of a search decide its score, as far as its trials can tell."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

ENOUGH = 16
"""Finished trials from which the order of importances is stable.

With one key of three that decides, beside noise of a tenth of its range, it came first in 1, 3, 4, 6, 6 and 8 of 8
random searches of 4, 8, 12, 16, 24 and 40 trials.
"""

DRAWS, STEADY = 12, 0.6
"""Bootstrap samples of the trials, and the share of them in which the first key has to be the first."""

Score = Callable[[FrozenTrial], float]


@dataclass(frozen=True)
class Importance:
    """A key's share of the score's variation, and its standard deviation over bootstrap samples of the trials."""

    key: str
    share: float
    spread: float


def importances(trials: Sequence[FrozenTrial], score: Score) -> list[Importance] | str:
    """Of the complete ones of `trials`, the largest first; a sentence where they cannot be told, which says why."""
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    if len(complete) < ENOUGH:
        return f"cannot be told yet: {len(complete)} finished trials, {ENOUGH} are needed"
    scores = np.array([score(trial) for trial in complete])
    if np.ptp(scores) <= 1e-9 * max(1.0, float(np.abs(scores).max())):
        return f"cannot be told: all {len(complete)} trials scored the same"
    found = _shares(complete, scores)
    if not found:
        return "cannot be told: no key is shared by all trials and varies"
    rng = np.random.default_rng(0)
    draws = [rng.integers(len(complete), size=len(complete)) for _ in range(DRAWS)]
    again = [_shares([complete[i] for i in rows], scores[rows]) for rows in draws]
    first = max(found, key=lambda key: found[key])
    steady = float(np.mean([bool(one) and max(one, key=lambda key: one[key]) == first for one in again]))
    if steady < STEADY:
        return f"cannot be told yet: over samples of the {len(complete)} trials another key comes first"
    spread = {key: float(np.std([one.get(key, 0.0) for one in again])) for key in found}
    return [Importance(key, found[key], spread[key]) for key in sorted(found, key=lambda key: -found[key])]


def _shares(trials: Sequence[FrozenTrial], scores: np.ndarray) -> dict[str, float]:
    """By Optuna's evaluator; empty where it finds no key that all trials share, or no variation."""
    if np.ptp(scores) == 0:
        return {}
    study = optuna.create_study(storage=optuna.storages.InMemoryStorage())
    study.add_trials(
        [
            optuna.trial.create_trial(params=trial.params, distributions=trial.distributions, value=-float(score))
            for trial, score in zip(trials, scores, strict=True)
        ]
    )
    try:
        with warnings.catch_warnings():  # one evaluator or the other is always announced to change
            warnings.simplefilter("ignore")
            evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
            return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))
    except (ValueError, RuntimeError):
        return {}


def importance_line(found: list[Importance] | str) -> str:
    """"train.lr 0.92 ± 0.04, ...", or the sentence."""
    return found if isinstance(found, str) else ", ".join(f"{x.key} {x.share:.2f} ± {x.spread:.2f}" for x in found)
