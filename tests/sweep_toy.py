"""A sweep whose fits are a formula: the score has its best at lr = 0.01, a known noise, and units that can fail."""

from __future__ import annotations

import math
import queue
import threading
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from optuna.storages import BaseStorage
from optuna.study import Study

from kit.cluster.unit import Device, Done, Event, Failure, Talk, Unit
from kit.config import NetConfig, RecipeConfig
from kit.errors import KitError
from kit.sweep.config import SweepConfig
from kit.sweep.objective import FoldResult
from kit.sweep.pruning import BLOCKS
from kit.sweep.session import Session
from kit.sweep.storage import opened
from kit.sweep.study import identity, open_study

NOISE = 0.002
BASE = RecipeConfig(name="toybase", net=NetConfig(name="kit/residual"), size=16)
SPACE: dict[str, Any] = {
    "train.lr": {"low": 1e-4, "high": 1e-1, "log": True},
    "augment.mixup": {"choices": [0.0, 0.2]},
    "augment.mix_share": {"low": 0.1, "high": 1.0, "when": {"augment.mixup": [0.2]}},
}


def toy_sweep(**changes: Any) -> SweepConfig:
    """The sweep with changes, as if read from its file."""
    values: dict[str, Any] = {"name": "toy", "base": "toybase", "space": SPACE, "budget": {"trials": 12}}
    return SweepConfig.model_validate(values | changes)


def true_score(recipe: RecipeConfig) -> float:
    """What a recipe is worth without noise: at most 0.9."""
    return 0.9 - 0.1 * (math.log10(recipe.train.lr) + 2) ** 2 - 0.05 * (recipe.augment.mixup > 0)


def noise(*what: object, scale: float = NOISE) -> float:
    """The same for the same `what`."""
    seed = zlib.crc32(repr(what).encode())
    return float(np.random.default_rng(seed).normal(0, scale))


@dataclass(frozen=True)
class FakeFit:
    """Scores of a fold in no time; `epochs` reports on the way."""

    recipe: RecipeConfig
    fold: int
    stage: str
    epochs: int = 0

    def __call__(self, talk: Talk, share: float) -> FoldResult:
        recipe, fold = self.recipe, self.fold
        for epoch in range(1, self.epochs + 1):
            if not talk.report(epoch, true_score(recipe) - 0.1 / epoch):
                return FoldResult(stopped=epoch)
        level = true_score(recipe) + noise(recipe.train.seed, recipe.train.lr, fold, self.stage)
        blocks = {n: level + noise("block", fold, n, scale=0.03) for n in range(BLOCKS)}
        score = float(np.mean(list(blocks.values())))
        costs = {"seconds": 10.0 + 5 * (recipe.augment.mixup > 0), "megabytes": 1.0}
        scores = {"clean": score + 0.05, "shifted": score, "worst_family": score - 0.1}
        return FoldResult(scores | costs, blocks)


@dataclass
class FakeMaker:
    """Makes FakeFits; recipes of a learning rate above `breaks` fail."""

    folds: list[int] = field(default_factory=lambda: [0, 1, 2])
    epochs: int = 0
    breaks: float = math.inf
    fold_seconds: float = 0.0
    made: list[tuple[str, int, str]] = field(default_factory=list)

    @property
    def every(self) -> list[int]:
        return self.folds

    def unit(self, recipe: RecipeConfig, fold: int, stage: str) -> Unit:
        self.made.append((recipe.name, fold, stage))
        epochs = self.epochs if stage == "search" and fold == self.folds[0] else 0
        job: Any = FakeFit(recipe, fold, stage, epochs)
        if recipe.train.lr > self.breaks:
            job = broken
        return Unit(f"{recipe.name} {stage} fold {fold}", job)

    def seconds(self, recipe: RecipeConfig, stage: str, echo: Any) -> float:
        return self.fold_seconds


def broken(talk: Talk, share: float) -> None:
    """Fails for good."""
    raise KitError("loss is nan at step 17")


class Inline:
    """A backend in this process: a thread a unit, one at a time on every place."""

    forgives = 1

    def __init__(self, places: int = 1) -> None:
        self.devices = (Device("inline", "cpu", 0, places, 1, 1000.0),)
        self.said: queue.Queue[Event] = queue.Queue()
        self.replies: dict[int, queue.Queue[bool]] = {}

    def start(self, device: Device, key: int, unit: Unit, share: float) -> None:
        self.replies[key] = queue.Queue()
        threading.Thread(target=self._run, args=(key, unit, share), daemon=True).start()

    def _run(self, key: int, unit: Unit, share: float) -> None:
        try:
            self.said.put(Event(key, "done", Done(unit.job(InlineTalk(self, key), share), 1.0, 1.0)))
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            self.said.put(Event(key, "failed", Failure(reason, isinstance(error, KitError))))

    def reply(self, key: int, go_on: bool) -> None:
        self.replies[key].put(go_on)

    def events(self, timeout: float) -> list[Event]:
        try:
            return [self.said.get(timeout=timeout)]
        except queue.Empty:
            return []

    def cancel(self) -> None:
        """Threads end by themselves."""

    def close(self) -> None:
        """Holds nothing."""


@dataclass(frozen=True)
class InlineTalk:
    """`Talk` to an `Inline`."""

    backend: Inline
    key: int

    def line(self, text: str) -> None:
        self.backend.said.put(Event(self.key, "line", text))

    def report(self, step: int, value: float) -> bool:
        self.backend.said.put(Event(self.key, "report", (step, value)))
        return self.backend.replies[self.key].get(timeout=60)

    def keep(self, name: str, data: bytes) -> None:
        self.backend.said.put(Event(self.key, "keep", (name, data)))


def open_toy(sweep: SweepConfig, folder: Path, storage: BaseStorage | None = None) -> Study:
    """Its study, in `storage` or a journal in `folder`, of which nothing stays open."""
    if storage is None:
        with opened(None, folder) as journal:
            return open_toy(sweep, folder, journal)
    return open_study(sweep, identity(sweep, BASE, {"name": "c"}), storage, f"c/{sweep.name}")


def sweep_session(sweep: SweepConfig, folder: Path, maker: FakeMaker, said: list[str], **more: Any) -> Session:
    """A session that tells `said`."""
    study = open_toy(sweep, folder, more.pop("storage", None))
    return Session(sweep, BASE, study, maker, more.pop("backend", Inline()), folder, said.append, **more)
