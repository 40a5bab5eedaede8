"""A sweep from its first fit to its summary: base recipe, search, test of the winners, winners trained in full."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from optuna.exceptions import StorageInternalError
from optuna.study import Study

from kit.cluster.schedule import Scheduler
from kit.cluster.store import store
from kit.cluster.unit import Backend, Unit
from kit.config import RecipeConfig
from kit.echo import Echo
from kit.errors import DiskError, SweepError
from kit.sweep.config import SweepConfig
from kit.sweep.confirm import Confirmed, confirm, winners
from kit.sweep.hours import Hours
from kit.sweep.maker import Maker
from kit.sweep.noise import Base, measure_base, read_base
from kit.sweep.owners import Owner, is_gone
from kit.sweep.search import Search, trial_recipe
from kit.sweep.space import base_params
from kit.sweep.storage import reachable
from kit.sweep.study import mark

TASKS = "tasks"
LEAST_TRIALS = 2
"""Trials that a budget must have room for beside the base recipe."""
PATIENCE, SELDOM = 1.0, 2.0
"""Seconds to wait for news; and between looks at what others left, which cost a reading of the study."""


@dataclass
class Session:
    """One session of one sweep on one machine."""

    sweep: SweepConfig
    base: RecipeConfig
    study: Study
    maker: Maker
    backend: Backend
    folder: Path
    echo: Echo
    watch: Callable[[Session], None] = lambda session: None
    """Called now and then, to show how it goes."""
    clock: Callable[[], float] = time.monotonic
    hours: Hours = field(init=False)
    owner: Owner = field(init=False)
    search: Search = field(init=False)
    scheduler: Scheduler = field(init=False)
    _ticked: float = float("-inf")

    def __post_init__(self) -> None:
        self.hours = Hours(self.folder / "hours.json", self.sweep.budget.hours, self.clock, mark(self.study))
        self.owner = Owner(self.folder / "owners")
        self.search = Search(self.study, self.sweep, self.base, self.maker, self.owner, self.echo)
        self.scheduler = Scheduler(self.backend, on_report=self.search.on_report, on_keep=store, on_wait=self._tick)

    def run(self) -> list[Confirmed]:
        """Everything that is missing; what was tested. Interrupted, the same again goes on."""
        try:
            with reachable():
                return self._stages()
        except SweepError:  # the storage may be away: what runs is found and resumed by the next session
            self.search.active.clear()
            raise
        finally:
            self.backend.close()
            with suppress(OSError, StorageInternalError, DiskError):  # what is not handed back is found later
                self.search.release("interrupted: its session ended")
                self.hours.note(now=True)
            self.owner.close()

    def _stages(self) -> list[Confirmed]:
        if self.hours.left <= 0:
            self.echo(f"its {self.sweep.budget.hours:g} hours are spent: give more with --hours to go on")
        found = self._base()
        self._search(found)
        return self._close(found) if self._mine("close") else []

    # -------------------------------------------------------------------------------------------------- base
    def _base(self) -> Base | None:
        found = read_base(self.study)
        if found is not None or not self._mine("base"):
            return found
        self._check_budget()
        found = measure_base(self.study, self.sweep, self.base, self.maker, self.scheduler)
        listed = ", ".join(f"{name} {value:.4f}" for name, value in found.scores.items())
        self.echo(f"base {self.base.name}: {listed}; seeds alone move it by {found.noise:.4f}")
        params = base_params(self.base, self.sweep.space)
        if params:
            self.study.enqueue_trial(params, skip_if_exists=True)
        return found

    def _check_budget(self) -> None:
        """SweepError where the base recipe and two trials would take longer than the hours."""
        seconds = self.maker.seconds(self.base, "search", self.echo)
        units = len(self.maker.folds) * (self.sweep.confirm.noise_seeds + LEAST_TRIALS)
        needed = seconds * units / self.scheduler.places
        self.echo(f"one fold takes about {seconds:.0f} s here; {units} of them before anything can be compared")
        if needed > self.hours.allowed:
            raise SweepError(
                f"{self.sweep.name}: {self.sweep.budget.hours:g} hours are too few: the base recipe under "
                f"{self.sweep.confirm.noise_seeds} seeds and {LEAST_TRIALS} trials take {needed / 3600:.2f} hours. "
                f"Give more with --hours, or make trials cheaper with [fidelity]"
            )

    # ------------------------------------------------------------------------------------------------ search
    def _search(self, found: Base | None) -> None:
        search, scheduler = self.search, self.scheduler
        search.tend()  # what dead processes left comes first
        while True:
            left = self.hours.left - self._reserve(found)
            if left > 0:
                search.fill(scheduler)
            if not search.active:
                break
            if left <= 0:
                self.echo("the hours of the search are over; what still runs is put back into the queue")
                self._drop()
                break
            for outcome in scheduler.wait(PATIENCE):
                search.take(outcome, scheduler)

    def _drop(self) -> None:
        self.search.release("interrupted: the hours were over")
        self.scheduler.drop()

    def _tick(self) -> None:
        self.hours.note()
        if self.clock() - self._ticked >= SELDOM:
            self._ticked = self.clock()
            self.search.tend()
            self.watch(self)

    def _reserve(self, found: Base | None) -> float:
        """Seconds kept for the test of the winners, at most the sweep's share of the hours."""
        tests = self.sweep.confirm
        units = (tests.winners + 1) * tests.seeds * min(tests.folds, len(self.maker.folds)) if tests.winners else 0
        needed = units * (found.seconds if found else 0.0) / self.scheduler.places
        return min(needed, self.sweep.reserve * self.hours.allowed)

    # ------------------------------------------------------------------------------------------------- close
    def _close(self, found: Base | None) -> list[Confirmed]:
        if found is None or not winners(self.study, self.sweep, 1):
            return []
        self.echo("testing the best trials on seeds and folds that the search did not see")
        tested = confirm(self.study, self.sweep, self.base, found, self.maker, self.scheduler)
        for one in tested:
            verdict = "holds" if one.holds else "within the noise"
            self.echo(f"trial {one.trial}: fresh gain {one.gain:+.4f} ± {one.se:.4f}: {verdict}")
        self._in_full(tested)
        return tested

    def _in_full(self, tested: list[Confirmed]) -> None:
        """Trains those that hold, best first, on all folds as far as the hours go: members for the blend."""
        for one in (one for one in tested if one.holds):
            trial = next(trial for trial in self.study.trials if trial.number == one.trial)
            recipe = trial_recipe(self.sweep, self.base, trial)
            units = self._full_units(recipe)
            needed = self.maker.seconds(recipe, "full", self.echo) * len(units) / self.scheduler.places
            if needed > self.hours.left:
                self.echo(f"{recipe.name}: {needed / 60:.0f} minutes in full, which are not left. "
                          f"`kit sweep {self.sweep.name} --promote 1`, then `kit train {recipe.name}`")  # fmt: skip
                return
            self.echo(f"{recipe.name}: trained in full")
            self.scheduler.run(units)

    def _full_units(self, recipe: RecipeConfig) -> list[Unit]:
        return [self.maker.unit(recipe, fold, "full") for fold in self.maker.every]

    # ------------------------------------------------------------------------------------------------- tasks
    def _mine(self, task: str) -> bool:
        """Whether this process does what only one of those at work on the study should do."""
        tasks = dict(self.study.user_attrs.get(TASKS, {}))
        other = tasks.get(task)
        if other and other != self.owner.mark and is_gone(other) is False:
            return False
        self.study.set_user_attr(TASKS, tasks | {task: self.owner.mark})
        return True
