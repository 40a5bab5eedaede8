"""A journey that ends in time: recipes, folds and epochs planned from speeds measured on this machine.

A recipe's `epochs` are what it would like. When all of them do not fit, every recipe gets the same share of its
wish; when that share falls under MIN_SHARE, the last recipe of the list is left out. The plan is renewed after every
recipe, so that what one took too long, the next gives back.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from kit.config import ContestConfig, RecipeConfig
from kit.data.prepared import Prepared
from kit.errors import ConfigError
from kit.shifts.battery import Battery
from kit.train.device import pick_device, pinned
from kit.train.pictures import resized
from kit.train.progress import Echo
from kit.train.run import Trainer, scored_folds
from kit.workspace import Workspace

MIN_SHARE = 0.3
"""Least share of its epochs that a recipe is worth training for."""
MIN_MEMBERS = 5
MIN_FOLDS = 3
REHEARSAL_PICTURES = 6000
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
        """Yields each recipe with the epochs it can have, just before it is to be trained."""
        waiting = list(recipes)
        costs = {recipe.name: self.measure(recipe, echo) for recipe in waiting}
        while waiting:
            share = self._share(waiting, costs, self._rehearsal(costs))
            while share < MIN_SHARE and len(waiting) > 1 and len(costs) > MIN_MEMBERS:
                dropped = waiting.pop()
                del costs[dropped.name]
                echo(f"budget: {dropped.name} is left out, as {share:.0%} of its epochs would be too few")
                share = self._share(waiting, costs, self._rehearsal(costs))
            recipe = waiting.pop(0)
            planned = with_epochs(recipe, recipe.train.epochs * min(1.0, share))
            echo(f"budget: {planned.name} gets {planned.train.epochs:g} of {recipe.train.epochs:g} epochs, "
                 f"{self.clock.remaining() / 60:.1f} minutes left")
            yield planned

    def _share(self, waiting: Sequence[RecipeConfig], costs: dict[str, Cost], fixed: float) -> float:
        wished = sum(costs[r.name].epoch * r.train.epochs * self.folds for r in waiting)
        scoring = sum(costs[r.name].scoring for r in waiting)
        free = self.clock.remaining() - fixed - scoring
        if free <= 0:
            raise ConfigError(
                f"--budget {self.clock.minutes:g}: scoring and rehearsing {len(waiting)} recipes alone would take "
                f"{(fixed + scoring) / 60:.1f} minutes. Give more minutes, or fewer recipes"
            )
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
