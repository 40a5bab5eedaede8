"""A short race among recipes: each is trained for seconds on part of one fold, the better half for longer.

It measures what a plan needs under the conditions of the fits themselves, in the same places with the same threads,
and shows what each recipe makes of its seconds. Losers cost little, and their scores are printed with the others'.
The networks are thrown away. Fold 0's held-out rows take part as what they are, rows that the networks have not seen.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from kit.cluster.fits import FitJob
from kit.cluster.unit import Talk
from kit.config import RecipeConfig
from kit.data.prepared import Prepared
from kit.inference.model import net_logits, quickened
from kit.lock import alone
from kit.pipeline.curves import Point
from kit.pipeline.heat_score import drawn, measure_of, measured, worth
from kit.shifts.battery import Battery
from kit.train.device import pinned
from kit.train.head_start import ROWS as HEAD_ROWS
from kit.train.images import resized, steps_per_epoch
from kit.train.material import fold_rows
from kit.train.progress import FitDisplay
from kit.train.run import Trainer

FEWEST_ROWS, MOST_ROWS, ROWS_PER_SECOND = 256, 4096, 60
"""Training rows that a heat draws from; few in a short one, as all are resized, and a head may start from them all."""
LEAST_STEPS = 4


@dataclass(frozen=True)
class Heat:
    """What a recipe did in one heat, and what it costs on this machine, in one place."""

    images: float
    """Training images that it saw."""
    rows: int
    """Rows that it was scored on, or fewer where some class has few of them."""
    clean: float
    shifted: float | None
    """None where the battery is clean."""
    image: float
    """Seconds for one training image, augmentation included."""
    scored: float
    """Seconds for one image as it is scored, with all views."""
    shift: float
    """Seconds to shift one image and to score it."""
    load: float
    """Seconds of a fit beside its steps and its scoring."""
    precision: str
    drawn: int = 0
    """Different training rows that there were; 0: all."""

    def point(self, expects: str) -> Point:
        """Its score as a point of a learning curve."""
        score = self.shifted if expects == "shifted" and self.shifted is not None else self.clean
        return Point(self.images, score, self.rows, self.drawn)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


@dataclass(frozen=True)
class HeatJob:
    """Trains for about `seconds` on part of fold `fit.fold`, its schedule annealed, and scores `rows` held-out rows."""

    fit: FitJob
    seconds: float
    rows: int
    step: float | None = None
    """Seconds of a training step, where an earlier heat told."""

    def __call__(self, talk: Talk, share: float) -> Heat:
        prepared = self.fit.data.load()
        recipe = without_watching(self.fit.recipe)
        training = min(max(round(self.seconds * ROWS_PER_SECOND), FEWEST_ROWS), MOST_ROWS)
        contest = self.fit.contest
        measure = measure_of(contest.metric, prepared.labels, len(contest.classes))
        evenly = recipe.train.sampling == "weighted"  # as the fit itself will: few rows would hold few of a rare class
        some = sample(prepared, self.fit.fold, training, self.rows, measure, evenly)
        trainer = replace(self.fit, recipe=recipe).trainer(some, share)
        started = time.perf_counter()
        images = resized(some.images, recipe.size)
        resizing = (time.perf_counter() - started) / len(images)
        batch = recipe.train.batch_size
        with alone(self.fit.cache / "precision.lock"):
            trainer.precision(images[:batch])
        with pinned(recipe.train.seed):
            started = time.perf_counter()
            trainer.new_net()
            building = time.perf_counter() - started
            step = self.step or trainer.time_step(images, 4)[0]
            fit_rows, _ = fold_rows(some, recipe, self.fit.fold)
            steps = max(LEAST_STEPS, round(self.seconds / step))
            short = with_steps(recipe, steps, len(fit_rows))
            started = time.perf_counter()
            fit = replace(trainer, recipe=short).new_fit(self.fit.fold, images)
            whole = time.perf_counter() - started - building
            beginning = max(0.0, whole - fit.matching)  # a head may start from the features of rows
            net = fit.run(lambda state: None, FitDisplay(recipe.name, 1, 0, None, lambda line: None))
            scores = _scored(trainer, net, some, fit.precision.bf16, measure)
        seen = fit.step * batch
        every, here = (min(rows, HEAD_ROWS) for rows in (len(prepared.split(self.fit.fold).train), len(fit_rows)))
        load = building + resizing * len(prepared.ids) + fit.matching + beginning * every / max(1, here)
        image, precision = fit.seconds / seen, fit.precision.name
        return Heat(seen, image=image, load=load, precision=precision, drawn=len(fit_rows), **scores)


def _scored(trainer: Trainer, net: Any, some: Prepared, half: bool, measure: str) -> dict[str, Any]:
    """Scores on the held-out rows of `some`, and seconds for one image and one shift; half: see kit.train.scoring."""
    held = np.flatnonzero(some.folds >= 0)
    images, ids, labels = np.array(some.images[held]), some.ids[held], some.labels[held]
    spec = trainer.spec()
    net = quickened(net.to(trainer.device), spec["size"])  # as it is scored after its fit
    started = time.perf_counter()
    clean = measured(measure, labels, net_logits(net, images, spec))
    scored = (time.perf_counter() - started) / len(held)
    battery = replace(Battery.from_config(trainer.contest.shift), cells_per_row=1)
    cells, rows = battery.draw(ids), worth(measure, labels)
    if not cells.shape[1]:
        return {"rows": rows, "clean": clean, "shifted": None, "scored": scored, "shift": 0.0}
    started = time.perf_counter()
    images = battery.apply(images, ids, cells[:, 0])
    shifted = measured(measure, labels, net_logits(net, images, spec, half=half))
    shift = (time.perf_counter() - started) / len(held)
    return {"rows": rows, "clean": clean, "shifted": shifted, "scored": scored, "shift": shift}


def sample(
    prepared: Prepared,
    fold: int,
    training: int,
    held_out: int,
    measure: str = "accuracy",
    evenly: bool = False,
    seed: int = 0,
) -> Prepared:
    """At most `training` training rows of `fold` and `held_out` of its held-out rows, in memory.

    evenly: training rows are drawn from all classes alike; held-out ones are unless the measure is accuracy.
    """
    rng = np.random.default_rng(seed)
    part = prepared.split(fold)
    train = rng.permutation(part.train)
    train = np.sort(drawn(train, prepared.labels, training) if evenly else train[:training])
    held, count = rng.permutation(part.held_out), max(1, held_out)
    held = np.sort(held[:count] if measure == "accuracy" else drawn(held, prepared.labels, count))
    some = prepared.take(np.concatenate([train, held]))
    return some.with_folds(np.repeat([-1, fold], [len(train), len(held)]))


def without_watching(recipe: RecipeConfig) -> RecipeConfig:
    """The recipe with nothing that needs all rows: no rows made up or watched, no soup chosen on these."""
    kept = recipe.train.sampling if recipe.train.sampling == "weighted" else "natural"
    train = recipe.train.model_copy(update={"sampling": kept, "soup": "none"})
    stopping = recipe.stopping.model_copy(update={"share": 0.0})
    return recipe.model_copy(update={"train": train, "stopping": stopping})


def with_steps(recipe: RecipeConfig, steps: int, rows: int) -> RecipeConfig:
    """The recipe with a fit of so many steps on `rows` training rows."""
    epochs = steps / steps_per_epoch(rows, recipe.train.batch_size)
    return recipe.model_copy(update={"train": recipe.train.model_copy(update={"epochs": epochs})})


def survivors(names: Sequence[str], promise: dict[str, float]) -> list[str]:
    """The better half, rounded up, by what each promises."""
    ranked = sorted(names, key=lambda name: -promise[name])
    return ranked[: (len(ranked) + 1) // 2]
