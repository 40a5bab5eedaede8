"""Importances are printed where trials can tell them, with their spread."""

from __future__ import annotations

import numpy as np
import optuna
import pytest
from optuna.trial import FrozenTrial

from kit.sweep.importance import ENOUGH, importance_line, importances


def trials(count: int, score: str = "lr", seed: int = 0) -> list[FrozenTrial]:
    """A random search in which one of three keys decides, or none."""
    rng = np.random.default_rng(seed)
    kinds = {key: optuna.distributions.FloatDistribution(0, 1) for key in ("lr", "wd", "c")}
    found = []
    for _ in range(count):
        params = {key: float(rng.uniform()) for key in kinds}
        value = {"lr": (params["lr"] - 0.3) ** 2, "same": 0.5, "noise": 0.0}[score]
        value += rng.normal(0, 0.0 if score == "same" else 0.02)
        found.append(optuna.trial.create_trial(params=params, distributions=kinds, value=float(value)))
    return found


def value(trial: FrozenTrial) -> float:
    assert trial.value is not None
    return trial.value


def test_few_trials_tell_nothing() -> None:
    line = importance_line(importances(trials(4), value))
    assert line == f"cannot be told yet: 4 finished trials, {ENOUGH} are needed"


def test_trials_that_score_the_same_tell_nothing() -> None:
    assert importances(trials(30, "same"), value) == "cannot be told: all 30 trials scored the same"


@pytest.mark.filterwarnings("ignore")
def test_the_key_that_decides_comes_first_with_its_spread() -> None:
    found = importances(trials(40), value)
    assert not isinstance(found, str)
    assert [found[0].key, len(found)] == ["lr", 3]
    assert found[0].share > 0.6
    assert 0 < found[0].spread < 0.3
    assert importance_line(found).startswith(f"lr {found[0].share:.2f} ± {found[0].spread:.2f}, ")


@pytest.mark.filterwarnings("ignore")
def test_noise_has_no_first_key() -> None:
    """In one of four searches; it is enough to look until it is found."""
    said = (importances(trials(ENOUGH, "noise", seed), value) for seed in range(4))
    assert any(isinstance(one, str) and "another key comes first" in one for one in said)
