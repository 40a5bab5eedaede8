"""How the base recipe does under several seeds: what chance alone makes of a score."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from optuna.study import Study

from kit.cluster.schedule import Scheduler
from kit.config import RecipeConfig
from kit.errors import SweepError
from kit.sweep.config import SweepConfig
from kit.sweep.maker import Maker
from kit.sweep.pruning import NOISE
from kit.sweep.search import SEARCH, means

BASE = "base"


@dataclass(frozen=True)
class Base:
    """The base recipe on the search's own folds."""

    scores: dict[str, float]
    """Means over seeds and folds."""
    by_seed: list[list[float]]
    """The tested score by seed and fold."""
    seconds: float
    """Of one fold."""

    @property
    def noise(self) -> float:
        """Standard deviation over seeds of a mean over folds; 0 where there was one seed."""
        means_by_seed = np.mean(self.by_seed, axis=1)
        return float(np.std(means_by_seed, ddof=1)) if len(means_by_seed) > 1 else 0.0

    @property
    def fold_noise(self) -> float:
        """Standard deviation over seeds of the score on one fold, pooled over folds; 0 where there was one seed."""
        variances = np.var(self.by_seed, axis=0, ddof=1) if len(self.by_seed) > 1 else np.zeros(1)
        return float(np.sqrt(variances.mean()))


def seeded(recipe: RecipeConfig, seed: int, name: str) -> RecipeConfig:
    """The recipe with its seed moved on by `seed`."""
    train = recipe.train.model_copy(update={"seed": recipe.train.seed + seed})
    return recipe.model_copy(update={"train": train, "name": name})


def measure_base(
    study: Study, sweep: SweepConfig, base: RecipeConfig, maker: Maker, scheduler: Scheduler
) -> Base:
    """Runs the base recipe under the sweep's noise seeds, once a study."""
    known = read_base(study)
    if known is not None:
        return known
    seeds = range(sweep.confirm.noise_seeds)
    recipes = [seeded(base, seed, f"{sweep.name}-base-s{seed}") for seed in seeds]
    outcomes = scheduler.run([maker.unit(recipe, fold, SEARCH) for recipe in recipes for fold in maker.folds])
    failed = [outcome for outcome in outcomes if outcome.failure]
    if failed:
        raise SweepError(f"base recipe {base.name}: cannot be trained ({failed[0].failure}). Fix it first")
    scores = [outcome.value.scores for outcome in outcomes]
    step = len(maker.folds)
    tested = [[one[sweep.score] for one in scores[start : start + step]] for start in range(0, len(scores), step)]
    made = Base(means(scores), tested, float(np.mean([one["seconds"] for one in scores])))
    study.set_user_attr(NOISE, made.fold_noise)
    study.set_user_attr(BASE, asdict(made))
    return made


def read_base(study: Study) -> Base | None:
    """What `measure_base` found; None where it has not run."""
    stored: dict[str, Any] | None = study.user_attrs.get(BASE)
    return None if stored is None else Base(**stored)
