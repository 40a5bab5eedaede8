"""A journey that ends in time: recipes, folds and epochs planned from speeds measured on this machine.

A recipe's `epochs` are what it would like. When all of them do not fit, every recipe gets the same share of its
wish; when that share falls under LEAST, the last recipe of the list is left out. The plan is renewed after every
recipe, so that what one took too long, the next gives back.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kit.artefact import read_json, write_json
from kit.config import ContestConfig, RecipeConfig
from kit.data.prepared import Prepared
from kit.errors import ConfigError
from kit.shifts.battery import Battery
from kit.train.device import pick_device, pinned
from kit.train.pictures import resized
from kit.train.progress import Echo
from kit.train.run import Trainer, scored_folds
from kit.workspace import Workspace

LEAST, LEAST_OF_FEW = 0.3, 0.1
"""Least share of its epochs that a recipe is worth training for; the second, where only FEW are left."""
FEW = 5
MIN_FOLDS = 3
REHEARSAL_PICTURES = 4500
"""Pictures that a rehearsal sends through every fold model."""
RESERVE = 0.06
"""Share of the budget kept back for what no measurement foresees."""
SAMPLE = 192


@dataclass(frozen=True)
class Cost:
    """Seconds that one recipe takes on this machine."""

    epoch: float
    """One epoch of one fold."""
    scoring: float
    """All held-out rows of all folds, clean and shifted."""
    picture: float
    """One picture through one fold model with its views."""


@dataclass(frozen=True)
class Clock:
    """When a journey began, and the minutes it may take; None for as long as it takes."""

    minutes: float | None = None
    started: float = field(default_factory=time.monotonic)

    def remaining(self) -> float:
        """Seconds left of the budget, RESERVE kept back."""
        assert self.minutes is not None
        return self.minutes * 60 * (1 - RESERVE) - (time.monotonic() - self.started)


@dataclass(frozen=True)
class Budget:
    """Plans one contest's recipes against a clock."""

    contest: ContestConfig
    prepared: Prepared
    workspace: Workspace
    clock: Clock

    @property
    def folds(self) -> int:
        return len(scored_folds(self.prepared))

    def fits(self, recipes: Sequence[RecipeConfig], echo: Echo) -> bool:
        """Whether all recipes can have all their epochs with the contest's folds."""
        costs = {recipe.name: self.measure(recipe, echo) for recipe in recipes}
        return self._share(recipes, costs, self._rehearsal(costs)) >= 1

    def _rehearsal(self, costs: dict[str, Cost]) -> float:
        return REHEARSAL_PICTURES * self.folds * sum(cost.picture for cost in costs.values())

    def plan(self, recipes: Sequence[RecipeConfig], echo: Echo) -> Iterator[RecipeConfig]:
        """Yields each recipe with the epochs it can have, just before it is to be trained.

        What an interrupted journey of the same budget had planned stays as it was, so that its fits are reused.
        """
        path = self.workspace.oof(self.contest.name) / "plan.json"
        planned = self._recorded(path)
        yield from (with_epochs(recipe, planned[recipe.name]) for recipe in recipes if recipe.name in planned)
        waiting = [recipe for recipe in recipes if recipe.name not in planned]
        costs = {recipe.name: self.measure(recipe, echo) for recipe in waiting}
        while waiting:
            share = self._affordable(waiting, costs, echo)
            recipe = waiting.pop(0)
            fitted = with_epochs(recipe, recipe.train.epochs * min(1.0, share))
            planned[recipe.name] = fitted.train.epochs
            write_json(path, {"key": self._key(), "epochs": planned})
            left = self.clock.remaining() / 60
            echo(f"budget: {fitted.name} of {recipe.train.epochs:g} epochs wished, {left:.1f} minutes left")
            yield fitted

    def _key(self) -> list[Any]:
        return [self.clock.minutes, self.prepared.data_digest, self.prepared.fold_digest]

    def _recorded(self, path: Path) -> dict[str, float]:
        """Epochs by recipe that were planned for the same budget, data and folds."""
        if not path.exists():
            return {}
        recorded = read_json(path, rerun=f"rm {path}")
        return dict(recorded["epochs"]) if recorded["key"] == self._key() else {}

    def _affordable(self, waiting: list[RecipeConfig], costs: dict[str, Cost], echo: Echo) -> float:
        """The share of their epochs that `waiting` can have; takes recipes off its end until it is enough."""
        share = self._share(waiting, costs, self._rehearsal(costs))
        while len(waiting) > 1 and share < (LEAST if len(costs) > FEW else LEAST_OF_FEW):
            dropped = waiting.pop()
            del costs[dropped.name]
            echo(f"budget: {dropped.name} is left out: each would have {max(0, share):.0%} of its epochs")
            share = self._share(waiting, costs, self._rehearsal(costs))
        if share <= 0:
            raise ConfigError(
                f"--budget {self.clock.minutes:g}: scoring and rehearsing {waiting[0].name} alone takes longer. "
                f"Give more minutes"
            )
        return share

    def _share(self, waiting: Sequence[RecipeConfig], costs: dict[str, Cost], fixed: float) -> float:
        wished = sum(costs[r.name].epoch * r.train.epochs * self.folds for r in waiting)
        scoring = sum(costs[r.name].scoring for r in waiting)
        free = self.clock.remaining() - fixed - scoring
        return free / wished

    def measure(self, recipe: RecipeConfig, echo: Echo) -> Cost:
        """Times a few training steps, a scored sample and its shifts."""
        trainer = Trainer(self.contest, self.prepared, recipe, self.workspace, pick_device())
        sample = np.arange(min(SAMPLE, len(self.prepared.ids)))
        images, ids = np.array(self.prepared.images[sample]), self.prepared.ids[sample]
        with pinned(0):
            pictures = resized(images, recipe.size)
            step, precision = trainer.time_step(pictures)
            picture = trainer.time_picture(images)
        battery = Battery.from_config(self.contest.shift)
        started = time.perf_counter()
        battery.apply(images, ids, battery.draw(ids)[:, 0])
        shift = (time.perf_counter() - started) / len(sample)
        kept, cells = len(self.prepared.ids), self.contest.shift.cells_per_row
        rows = kept * (self.folds - 1) / self.folds
        scoring = kept * (picture * (1 + cells) + shift * cells)
        speed = recipe.train.batch_size / step
        echo(f"measured: {recipe.name} trains {speed:,.0f} img/s ({precision}), scores {1 / picture:,.0f} img/s")
        return Cost(step / recipe.train.batch_size * rows, scoring, picture)


def with_epochs(recipe: RecipeConfig, epochs: float) -> RecipeConfig:
    """The recipe for another number of epochs, under a name that says so: `residual-e12.5`."""
    epochs = max(0.5, round(epochs * 2) / 2) if epochs >= 1 else max(0.1, round(epochs, 1))
    train = recipe.train.model_copy(update={"epochs": epochs})
    name = f"{re.sub(r'-e[0-9.]+$', '', recipe.name)}-e{epochs:g}"
    return recipe.model_copy(update={"train": train, "name": name})
