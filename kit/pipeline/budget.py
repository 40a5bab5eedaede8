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

import numpy as np

from kit.config import ContestConfig, RecipeConfig, list_names, load_recipe
from kit.data.prepared import Prepared
from kit.echo import Echo
from kit.errors import ConfigError
from kit.pipeline.plan import Plan
from kit.shifts.battery import Battery
from kit.train.device import pick_device, pinned
from kit.train.images import resized
from kit.train.run import Trainer, scored_folds
from kit.workspace import Workspace

LEAST, LEAST_OF_FEW = 0.3, 0.1
"""Least share of its epochs that a recipe is worth training for; the second, where only FEW are left."""
FEW = 5
MIN_FOLDS = 3
REHEARSAL_IMAGES = 4500
"""Images that a rehearsal sends through every fold model."""
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
    image: float
    """One image through one fold model with its views."""


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

    def splits(self, recipes: Sequence[RecipeConfig], echo: Echo) -> int:
        """The contest's folds where all recipes can then have all their epochs; else MIN_FOLDS, to fit each longer."""
        wanted = self.contest.folds.n_splits
        if self.contest.folds.kind != "group_kfold" or wanted <= MIN_FOLDS:
            return wanted
        costs = {recipe.name: self.measure(recipe, echo) for recipe in recipes}
        if self._share(recipes, costs, self._rehearsal(costs)) >= 1:
            return wanted
        echo(f"budget: {MIN_FOLDS} folds instead of {wanted}, so that the fits are long enough")
        return MIN_FOLDS

    def _rehearsal(self, costs: dict[str, Cost]) -> float:
        return REHEARSAL_IMAGES * self.folds * sum(cost.image for cost in costs.values())

    def plan(self, recipes: Sequence[RecipeConfig], echo: Echo) -> Iterator[RecipeConfig]:
        """Yields each recipe with the epochs it can have, just before it is to be trained.

        What an interrupted journey of the same budget had planned stays as it was, so that its fits are reused.
        """
        planned = self._recorded()
        yield from (with_epochs(recipe, planned[recipe.name]) for recipe in recipes if recipe.name in planned)
        waiting = [recipe for recipe in recipes if recipe.name not in planned]
        costs = {recipe.name: self.measure(recipe, echo) for recipe in recipes if waiting}
        while waiting:
            share = self._affordable(waiting, costs, echo)
            recipe = waiting.pop(0)
            fitted = with_epochs(recipe, recipe.train.epochs * min(1.0, share))
            planned[recipe.name] = fitted.train.epochs
            self._record(planned)
            left = self.clock.remaining() / 60
            echo(f"budget: {fitted.name} of {recipe.train.epochs:g} epochs wished, {left:.1f} minutes left")
            yield fitted

    def _record(self, epochs: dict[str, float]) -> None:
        assert self.clock.minutes is not None
        splits = self.contest.folds.n_splits
        Plan(self.clock.minutes, splits, self.prepared.fold_digest, epochs).write(self.workspace, self.contest)

    def _recorded(self) -> dict[str, float]:
        """Epochs by recipe that were planned for the same minutes and folds."""
        plan = Plan.read(self.workspace, self.contest)
        same = plan and (plan.minutes, plan.fold_digest) == (self.clock.minutes, self.prepared.fold_digest)
        return dict(plan.epochs) if plan and same else {}

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
            sized = resized(images, recipe.size)
            step, precision = trainer.time_step(sized)
            image = trainer.time_image(images)
        shift, cells = self._time_shift(images, ids)
        splits = [self.prepared.split(fold) for fold in scored_folds(self.prepared)]
        rows = np.mean([len(part.train) for part in splits])
        scored = sum(len(part.held_out) for part in splits) + len(splits) * len(self.prepared.vault)
        scoring = scored * (image * (1 + cells) + shift * cells)
        speed = recipe.train.batch_size / step
        echo(f"measured: {recipe.name} trains {speed:,.0f} img/s ({precision}), scores {1 / image:,.0f} img/s")
        return Cost(step / recipe.train.batch_size * float(rows), scoring, image)

    def _time_shift(self, images: np.ndarray, ids: np.ndarray) -> tuple[float, int]:
        """Seconds to shift one of `images`, and how often each row is shifted."""
        battery = Battery.from_config(self.contest.shift)
        drawn = battery.draw(ids)
        started = time.perf_counter()
        for column in drawn.T[:1]:
            battery.apply(images, ids, column)
        return (time.perf_counter() - started) / len(ids), drawn.shape[1]


def with_epochs(recipe: RecipeConfig, epochs: float) -> RecipeConfig:
    """The recipe for another number of epochs, under a name that says so: `residual-e12.5`."""
    epochs = round(epochs * 2) / 2 if epochs >= 1 else max(0.1, round(epochs, 1))
    train = recipe.train.model_copy(update={"epochs": epochs, "steps": 0})
    return recipe.model_copy(update={"train": train, "name": f"{recipe.name}-e{epochs:g}"})


def find_recipe(name: str) -> RecipeConfig:
    """The recipe of that name or path; `residual-e12.5` is `residual` with the epochs that a budget gave it."""
    match = re.fullmatch(r"(.+)-e(\d+(?:\.\d+)?)", name)
    if match and float(match[2]) > 0 and name not in list_names("recipes"):
        return with_epochs(find_recipe(match[1]), float(match[2]))
    return load_recipe(name)
