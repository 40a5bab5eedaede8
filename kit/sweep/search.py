"""The search: trials drawn, run fold by fold, pruned or finished, whatever happens to the others."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar, cast

from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from kit.cluster.schedule import Scheduler
from kit.cluster.unit import Outcome, Unit
from kit.config import RecipeConfig
from kit.echo import Echo
from kit.errors import DiskError, KitError, SweepError
from kit.sweep.config import COSTS, SweepConfig
from kit.sweep.maker import Maker
from kit.sweep.objective import FoldResult
from kit.sweep.owners import Owner, Watcher, requeue
from kit.sweep.pruning import BLOCKS, EPOCHS, best_trial
from kit.sweep.space import changed, decode, draw
from kit.sweep.storage import patiently, settled
from kit.sweep.study import EXCESS, make_sampler

Value = TypeVar("Value")
SAME_FAILURES = 10
"""So often the same reason ends the session."""
SEARCH = "search"


@dataclass
class Active:
    """A trial on its way."""

    trial: Trial
    recipe: RecipeConfig
    waiting: list[int]
    """Folds that are still to be run."""
    unit: Unit
    results: dict[int, FoldResult] = field(default_factory=dict)

    @property
    def fold(self) -> int:
        """The one that runs."""
        return self.waiting[0]


class Search:
    """One process's part in the search; others may work on the same study."""

    def __init__(
        self,
        study: Study,
        sweep: SweepConfig,
        base: RecipeConfig,
        maker: Maker,
        owner: Owner,
        echo: Echo,
    ) -> None:
        self.study, self.sweep, self.base, self.maker, self.owner, self.echo = study, sweep, base, maker, owner, echo
        self.watcher = Watcher()
        self.active: dict[str, Active] = {}
        self.failures: Counter[str] = Counter()

    # ------------------------------------------------------------------------------------------------ asking
    def fill(self, scheduler: Scheduler) -> None:
        """Draws trials while there is a free place and the budget allows more."""
        while len(self.active) < scheduler.places and self.affordable():
            self._ask(scheduler)

    def affordable(self) -> bool:
        """Whether the study may have another trial; failed ones do not count."""
        states = [trial.state for trial in self._trials()]
        counted = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
        return sum(states.count(state) for state in counted) < self.sweep.budget.trials

    def _trials(self) -> list[FrozenTrial]:
        return self._stored(lambda: self.study.get_trials(deepcopy=False))

    def _stored(self, call: Callable[[], Value]) -> Value:
        return patiently(call, echo=self.echo)

    def _ask(self, scheduler: Scheduler) -> None:
        trial = self._stored(self.study.ask)
        with settled():  # a seed of its own for every trial: processes that start together would draw the same
            sampler = make_sampler(self.sweep, trial.number)
            # Optuna 4.3 asked this of the sampler that was there before, and then expects that this one knows it.
            sampler.infer_relative_search_space(self.study, cast(FrozenTrial, trial))
            self.study.sampler = sampler
        self._stored(partial(self.owner.claim, trial))
        try:
            values = self._stored(partial(draw, trial, self.sweep.space))
            recipe = changed(self.base, values, recipe_name(self.sweep, trial.number, trial.user_attrs))
            folds = list(self.maker.folds)
            unit = self.maker.unit(recipe, folds[0], SEARCH)
        except SweepError:
            raise
        except KitError as error:
            self._fail(trial, f"{type(error).__name__}: {error}")
            return
        self._begin(Active(trial, recipe, folds, unit), scheduler)

    def _begin(self, active: Active, scheduler: Scheduler) -> None:
        self.active[active.unit.name] = active
        scheduler.submit(active.unit)

    # ------------------------------------------------------------------------------------------------- events
    def on_report(self, unit: Unit, step: int, value: float) -> bool:
        """A score after an epoch of the first fold; whether the trial goes on."""
        active = self.active.get(unit.name)
        if active is None:
            return True
        self._stored(lambda: active.trial.report(value, EPOCHS + step))
        return not self._stored(active.trial.should_prune)

    def take(self, outcome: Outcome, scheduler: Scheduler) -> bool:
        """What came of a unit; whether it was one of the search's."""
        active = self.active.pop(outcome.unit.name, None)
        if active is None:
            return False
        if is_full(outcome.failure):
            self.active[outcome.unit.name] = active
            self.release("interrupted: the disk is full")
            raise SweepError(f"{self.study.study_name}: {outcome.failure} The trial goes on from its last epoch then")
        if outcome.failure:
            self._fail(active.trial, outcome.failure)
        elif outcome.value.stopped is not None:
            self._prune(active, f"epoch {outcome.value.stopped} of the first fold: behind other trials at that epoch")
        else:
            self._scored(active, outcome.value, scheduler)
        return True

    def _scored(self, active: Active, result: FoldResult, scheduler: Scheduler) -> None:
        fold = active.waiting.pop(0)
        active.results[fold] = result
        self._stored(lambda: active.trial.set_user_attr(f"fold{fold}", result.scores))
        if len(self.sweep.objective) == 1:
            for block, value in result.blocks.items():
                self._stored(partial(active.trial.report, value, fold * BLOCKS + block))
        if not active.waiting:
            self._complete(active)
        elif len(self.sweep.objective) == 1 and self._stored(active.trial.should_prune):
            self._prune(active, self._behind(active))
        else:
            active.unit = self.maker.unit(active.recipe, active.fold, SEARCH)
            self._begin(active, scheduler)

    def _behind(self, active: Active) -> str:
        best = best_trial(self.study)
        assert best is not None
        mine = {fold: found.scores[self.sweep.score] for fold, found in active.results.items()}
        gaps = [best.user_attrs[f"fold{fold}"][self.sweep.score] - score for fold, score in mine.items()]
        return f"fold {max(mine)}: {sum(gaps) / len(gaps):.4f} behind trial {best.number} on the same rows"

    def _complete(self, active: Active) -> None:
        found = means([result.scores for result in active.results.values()])
        excess = self._excess(found)
        self._stored(lambda: active.trial.set_user_attr(EXCESS, list(excess.values())))
        if hasattr(active.trial, "set_constraint"):
            for name, value in excess.items():
                self._stored(partial(active.trial.set_constraint, name, value))
        self._tell(active.trial, [found[name] for name in self.sweep.objective], TrialState.COMPLETE)
        listed = ", ".join(f"{name} {found[name]:.4f}" for name in self.sweep.objective)
        self.echo(f"trial {active.trial.number}: {listed}  {shown(active.trial.params)}")

    def _excess(self, found: Mapping[str, float]) -> dict[str, float]:
        limits = {"megabytes": self.sweep.limits.max_megabytes, "seconds": self.sweep.limits.max_seconds}
        return {name: found[name] / limit - 1 for name in COSTS if (limit := limits[name])}

    def _prune(self, active: Active, reason: str) -> None:
        self._stored(lambda: active.trial.set_user_attr("reason", reason))
        self._tell(active.trial, None, TrialState.PRUNED)
        self.echo(f"trial {active.trial.number}: pruned, {reason}")

    def _fail(self, trial: Trial, reason: str) -> None:
        """Records why; SweepError where the same has happened too often."""
        self._stored(lambda: trial.set_user_attr("reason", reason))
        self._tell(trial, None, TrialState.FAIL)
        self.echo(f"trial {trial.number}: FAILED, {reason}")
        self.failures[signature(reason)] += 1
        if self.failures[signature(reason)] >= SAME_FAILURES:
            raise SweepError(
                f"{self.study.study_name}: {SAME_FAILURES} trials failed for the same reason ({reason}). "
                f"Fix it, and run the same command again: finished trials are kept"
            )

    def _tell(self, trial: Trial, values: list[float] | None, state: TrialState) -> None:
        tries = 0

        def tell() -> None:
            nonlocal tries
            tries += 1
            try:
                self.study.tell(trial, values, state)
            except ValueError:
                if tries == 1:  # else the storage had taken it before it fell silent
                    raise

        self._stored(tell)

    # ------------------------------------------------------------------------------------------- other owners
    def tend(self) -> None:
        """Says that this process lives, and resumes what dead ones left."""
        self._stored(lambda: self.owner.beat([active.trial for active in self.active.values()]))
        for trial in self.watcher.stale(self._trials()):
            if requeue(self.study, trial, "its process ended in mid-trial"):
                self.echo(f"trial {trial.number}: its process is gone; queued again, its finished folds are kept")

    def release(self, reason: str) -> None:
        """Hands back what runs: another session goes on from the last epoch."""
        for active in self.active.values():
            trial = next(one for one in self._trials() if one.number == active.trial.number)
            requeue(self.study, trial, reason, counts=False)
        self.active.clear()


def recipe_name(sweep: SweepConfig, number: int, attrs: Mapping[str, Any]) -> str:
    """That of a trial's recipe: one that is tried again goes on in the folder of the first."""
    return f"{sweep.name}-t{int(attrs.get('retry_of', number)):04d}"


def trial_recipe(sweep: SweepConfig, base: RecipeConfig, trial: FrozenTrial) -> RecipeConfig:
    """The recipe of a trial, as it would be trained in full."""
    values = {key: decode(value) for key, value in trial.params.items()}
    return changed(base, values, recipe_name(sweep, trial.number, trial.user_attrs))


def means(scores: list[dict[str, float]]) -> dict[str, float]:
    """Mean of each score over folds."""
    return {name: sum(one[name] for one in scores) / len(scores) for name in scores[0]}


def is_full(failure: str) -> bool:
    """Whether a unit failed for want of space, which says nothing of its recipe."""
    return failure.startswith(f"{DiskError.__name__}: ")


def signature(reason: str) -> str:
    """A reason without what differs from trial to trial: numbers, and the names that hold them."""
    return re.sub(r"\S*\d\S*", "#", reason)


def shown(params: Mapping[str, Any]) -> str:
    """Parameters on one line."""
    return ", ".join(
        f"{key.split('.', 1)[-1]} {value:.4g}" if isinstance(value, float) else f"{key.split('.', 1)[-1]} {value}"
        for key, value in params.items()
    )
