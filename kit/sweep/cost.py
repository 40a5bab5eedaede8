"""What one recipe costs on this machine, from a few steps and a few images."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from kit.config import ContestConfig, RecipeConfig
from kit.data.prepared import Prepared
from kit.echo import Echo
from kit.shifts.battery import Battery
from kit.train.device import pick_device, pinned
from kit.train.images import resized
from kit.train.run import Trainer
from kit.train.run_folder import scored_folds
from kit.workspace import Workspace

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


def measure(
    contest: ContestConfig, prepared: Prepared, recipe: RecipeConfig, workspace: Workspace, echo: Echo
) -> Cost:
    """Times a few training steps, a scored sample and its shifts."""
    trainer = Trainer(contest, prepared, recipe, workspace, pick_device())
    sample = np.arange(min(SAMPLE, len(prepared.ids)))
    images, ids = np.array(prepared.images[sample]), prepared.ids[sample]
    with pinned(0):
        step, precision = trainer.time_step(resized(images, recipe.size))
        image = trainer.time_image(images)
    shift, cells = time_shift(contest, images, ids)
    splits = [prepared.split(fold) for fold in scored_folds(prepared)]
    rows = np.mean([len(part.train) for part in splits])
    scored = sum(len(part.held_out) for part in splits) + len(splits) * len(prepared.vault)
    scoring = scored * (image * (1 + cells) + shift * cells)
    speed = recipe.train.batch_size / step
    echo(f"measured: {recipe.name} trains {speed:,.0f} img/s ({precision}), scores {1 / image:,.0f} img/s")
    return Cost(step / recipe.train.batch_size * float(rows), scoring, image)


def time_shift(contest: ContestConfig, images: np.ndarray, ids: np.ndarray) -> tuple[float, int]:
    """Seconds to shift one of `images`, and how often each row is shifted."""
    battery = Battery.from_config(contest.shift)
    drawn = battery.draw(ids)
    started = time.perf_counter()
    for column in drawn.T[:1]:
        battery.apply(images, ids, column)
    return (time.perf_counter() - started) / len(ids), drawn.shape[1]
