"""Winners beside the base recipe on folds and seeds that the search did not see.

The best of many trials looks better than it is: its search score is the largest of many noisy ones. What is left on
fresh folds is the gain; the difference is what selection made up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from kit.cluster.schedule import Scheduler
from kit.config import RecipeConfig
from kit.errors import SweepError
from kit.sweep.config import SweepConfig
from kit.sweep.maker import Maker
from kit.sweep.noise import Base, seeded
from kit.sweep.search import is_full, trial_recipe

CONFIRMED = "confirmed"
FRESH_SEED = 1000


@dataclass(frozen=True)
class Confirmed:
    """One winner, tested."""

    trial: int
    recipe: str
    searched: float
    """Its score in the search."""
    searched_gain: float
    """That over the base recipe's in the search."""
    fresh: float
    base_fresh: float
    gaps: list[float]
    """Its score minus the base recipe's, on each fresh seed and fold."""

    @property
    def gain(self) -> float:
        """Mean of the gaps."""
        return float(np.mean(self.gaps))

    @property
    def se(self) -> float:
        """Standard error of the gain; infinite from one pair."""
        return float(np.std(self.gaps, ddof=1) / len(self.gaps) ** 0.5) if len(self.gaps) > 1 else float("inf")

    @property
    def holds(self) -> bool:
        """Whether it beats the base recipe by more than two standard errors."""
        return self.gain > 2 * self.se

    @property
    def selection(self) -> float:
        """How much of the gain in the search was selection."""
        return self.searched_gain - self.gain


def winners(study: Study, sweep: SweepConfig, count: int) -> list[FrozenTrial]:
    """The best trials by the tested score: of the Pareto front where several objectives are weighed."""
    if len(sweep.objective) > 1:
        found = study.best_trials if _any_complete(study) else []
    else:
        complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        found = [trial for trial in complete if _within_limits(trial)]
    place = sweep.objective.index(sweep.score)
    ordered = sorted(found, key=lambda trial: (-trial.values[place], trial.number))
    distinct = {str(sorted(trial.params.items())): trial for trial in reversed(ordered)}
    return [trial for trial in ordered if distinct[str(sorted(trial.params.items()))] is trial][:count]


def _any_complete(study: Study) -> bool:
    return any(trial.state == TrialState.COMPLETE for trial in study.get_trials(deepcopy=False))


def _within_limits(trial: FrozenTrial) -> bool:
    return all(excess <= 0 for excess in trial.user_attrs.get("excess", []))


def fresh_units(sweep: SweepConfig, recipe: RecipeConfig, maker: Maker) -> list[tuple[RecipeConfig, int, str]]:
    """(recipe, fold, stage) of a recipe's test: every fresh seed on the first of its own folds."""
    found = []
    for number in range(sweep.confirm.seeds):
        reseeded = seeded(recipe, FRESH_SEED + number, f"{recipe.name}-fresh{number}")
        found += [(reseeded, fold, f"fresh{number}") for fold in maker.folds[: sweep.confirm.folds]]
    return found


def confirm(
    study: Study, sweep: SweepConfig, base: RecipeConfig, found: Base, maker: Maker, scheduler: Scheduler
) -> list[Confirmed]:
    """Tests the best trials; written into the study. Best first, by their fresh gain."""
    chosen = winners(study, sweep, sweep.confirm.winners)
    recipes = [base.model_copy(update={"name": f"{sweep.name}-base"})]
    recipes += [trial_recipe(sweep, base, trial) for trial in chosen]
    wanted = [fresh_units(sweep, recipe, maker) for recipe in recipes] if chosen else []
    outcomes = scheduler.run([maker.unit(*one) for units in wanted for one in units])
    full = [outcome for outcome in outcomes if is_full(outcome.failure)]
    if full:  # a test of fewer pairs would be kept as if it were whole
        raise SweepError(f"{sweep.name}: {full[0].failure}")
    step = len(wanted[0]) if wanted else 0
    scores = [[_score(one, sweep.score) for one in outcomes[n * step : (n + 1) * step]] for n in range(len(wanted))]
    place = sweep.objective.index(sweep.score)
    made = [
        _compared(trial, recipe, trial.values[place], found.scores[sweep.score], mine, scores[0])
        for trial, recipe, mine in zip(chosen, recipes[1:], scores[1:])
    ]
    best = sorted((one for one in made if one is not None), key=lambda one: -one.gain)
    study.set_user_attr(CONFIRMED, [asdict(one) for one in best])
    return best


def _score(outcome: Any, name: str) -> float | None:
    """None where the fit failed: that pair is left out."""
    return None if outcome.failure else float(outcome.value.scores[name])


def _compared(
    trial: FrozenTrial,
    recipe: RecipeConfig,
    searched: float,
    base_searched: float,
    mine: Sequence[float | None],
    base: Sequence[float | None],
) -> Confirmed | None:
    pairs = [(one, other) for one, other in zip(mine, base) if one is not None and other is not None]
    if not pairs:
        return None
    fresh, base_fresh = (float(np.mean(column)) for column in zip(*pairs))
    gaps = [one - other for one, other in pairs]
    return Confirmed(trial.number, recipe.name, searched, searched - base_searched, fresh, base_fresh, gaps)


def read_confirmed(study: Study) -> list[Confirmed]:
    """What `confirm` found; empty where it has not run."""
    return [Confirmed(**one) for one in study.user_attrs.get(CONFIRMED, [])]
