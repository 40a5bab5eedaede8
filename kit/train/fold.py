"""One fold of a recipe: trained or gone on with, scored, and written; its marker comes last."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.progress import Progress

from kit.artefact import read_json, write_json
from kit.echo import Echo
from kit.shifts.battery import Battery
from kit.train import checkpoint
from kit.train.device import pinned, usable_cores
from kit.train.fit import LOWERED, Diverged, Fit
from kit.train.member import write_member
from kit.train.memory import with_batch_share
from kit.train.precision import BF16, doubt_precision
from kit.train.progress import FitDisplay
from kit.train.provenance import versions
from kit.train.run_folder import RunFolder
from kit.train.scoring import fold_scores, score_fold
from kit.train.setup import Setup
from kit.train.stored import CHECKPOINT, MARKER, SPEC, checked_spec, file_digests

LAYOUT = 2
"""Of what a checkpoint holds: a fit that another version of the kit began is begun again."""
AfterEpoch = Callable[[int, Fit], None]
"""Called with the fold and its fit after every epoch, once the checkpoint is written; may raise to end the fit."""


@dataclass(frozen=True)
class Fold:
    """What is done for one fold of `run`, by one process at a time."""

    setup: Setup
    run: RunFolder
    number: int
    after_epoch: AfterEpoch | None
    bars: Progress | None
    echo: Echo

    @property
    def path(self) -> Path:
        return self.run.fold(self.number)

    @property
    def title(self) -> str:
        return f"{self.setup.recipe.name} fold {self.number}"

    def told(self, result: dict[str, Any]) -> str:
        """Its scores in words."""
        shifted = "" if result["shifted"] is None else f", shifted {result['shifted']:.4f}"
        return f"clean {result['clean']:.4f}{shifted}"

    def score_again(self) -> None:
        """The network stays; the battery is another than the one that it was scored under."""
        checked_spec(self.path, self.run.rerun(self.number))
        display = FitDisplay(self.title, 1, 1, self.bars, self.echo)
        marker = read_json(self.path / MARKER)
        result = self._score(display, str(marker.get("precision", ""))) | file_digests(self.path)
        write_json(self.path / MARKER, marker | self.run.identity() | result | versions())
        display.close(f"scored again, because the shifts changed; {self.told(result)}")

    def train(self, images: torch.Tensor) -> None:
        """From `images` (N, 3, S, S) uint8 of the whole contest, at the size of the recipe, to the marker.

        From the checkpoint where an interrupted fit left one; once more from there, slower, where the loss diverges.
        """
        started = time.perf_counter()
        with pinned(self.setup.recipe.train.seed + self.number):
            fit, before, display = self._begun(images)
            try:
                net = fit.run(lambda state: self._keep(fit, state), display)
            except Diverged as error:
                if fit.rate_share < 1 or self.setup.ranks.size > 1:
                    raise
                display.close(f"{error}. Once more from the last checkpoint, at {LOWERED:.0%} of the rate")
                fit, before, display = self._begun(images)
                fit.rate_share = LOWERED
                net = fit.run(lambda state: self._keep(fit, state), display)
            if not self.setup.ranks.first:
                return
            write_member(self.path, net, self.setup.spec())
            result = self._score(display, fit.precision.name)
        result |= {"parameters": sum(p.numel() for p in net.parameters())}
        result |= self._figures(fit) | {"seconds": before + time.perf_counter() - started, "fold": self.number}
        write_json(self.path / MARKER, self.run.identity() | result | file_digests(self.path) | versions())
        (self.path / CHECKPOINT).unlink(missing_ok=True)
        steps = f"{fit.step} steps" + (f" of {fit.pace.planned}, to end in time" if fit.pace.shortened else "")
        speed = f"{steps}, {fit.seconds:.0f} s, {fit.images_per_second:,.0f} img/s"
        display.close(f"{speed}; {self.told(result)}")
        self._doubt_precision(fit)

    def _figures(self, fit: Fit) -> dict[str, Any]:
        """What the marker tells of how the network was trained."""
        return {
            "train_score": fit.score,
            "train_seconds": fit.seconds,
            "images_per_second": fit.images_per_second,
            "precision": fit.precision.name,
            "batch_size": fit.recipe.train.batch_size,
            "threads": usable_cores(),
            "processes": self.setup.ranks.size,
            "rate_share": fit.rate_share,
            "steps": fit.step,
            "steps_planned": fit.pace.planned,
        }

    def _begun(self, images: torch.Tensor) -> tuple[Fit, float, FitDisplay]:
        """The fit where its checkpoint left it, the seconds that it has taken, and what shows it."""
        state = self._interrupted()
        fit = self.setup.new_fit(self.number, images, begun=state is not None)
        if state is not None:
            fit.resume(state)
        return fit, fit.seconds, FitDisplay(self.title, fit.total, fit.step, self.bars, self.echo)

    def _keep(self, fit: Fit, state: dict[str, Any]) -> None:
        if not self.setup.ranks.first:
            return
        made = self.run.identity() | {"fold": self.number}
        kept = {"made": made, "fit": state, "batch_size": fit.recipe.train.batch_size, "layout": LAYOUT}
        checkpoint.save(self.path / CHECKPOINT, kept)
        if self.after_epoch is not None:
            self.after_epoch(self.number, fit)

    def _interrupted(self) -> dict[str, Any] | None:
        """The state of the fit that an interrupted process left; None where there is none that this one can take."""
        path = self.path / CHECKPOINT
        state = self.setup.ranks.agreed(lambda: checkpoint.load(path, self.run.rerun(self.number)))
        if state is None:
            return None
        self.run.check_made(path, state["made"], self.number)
        batch = with_batch_share(self.setup.recipe, self.setup.batch_share).train.batch_size
        if state.get("batch_size", batch) != batch:  # steps of another size are no part of this fit
            return None
        found: dict[str, Any] = state["fit"]
        return found if state.get("layout") == LAYOUT else None

    def _doubt_precision(self, fit: Fit) -> None:
        """Speeds that no longer hold are measured again; where a step is more than a pass each way, none is known."""
        setup, recipe = self.setup, self.setup.recipe
        more = recipe.contrastive.share or recipe.train.accumulate > 1 or setup.ranks.size > 1
        if setup.device.type != "cpu" or more or not fit.passed_per_second:
            return
        shape = (fit.recipe.train.batch_size, 3, recipe.size, recipe.size)
        key, cache = setup.precision_key(shape), setup.workspace.cache
        if doubt := doubt_precision(cache, key, setup.device, fit.passed_per_second):
            self.echo(f"{recipe.name}: {doubt}")

    def _score(self, display: FitDisplay, precision: str) -> dict[str, Any]:
        """Writes the fold's out-of-fold rows, and those of the vault; the scores of the former.

        precision: the name of the one that it was trained in.
        """
        contest, prepared = self.setup.contest, self.setup.prepared
        battery = Battery.from_config(contest.shift)
        spec = read_json(self.path / SPEC)  # as it was trained: weights that were found then may lie elsewhere now
        half = precision.startswith(BF16)
        arrays = score_fold(self.path, spec, prepared, self.number, battery, self.setup.device, display.note, half)
        return {
            **fold_scores(arrays, contest.metric),
            "metric": contest.metric,
            "rows": len(arrays["ids"]),
            "vault": len(prepared.vault),
            "cell_names": [cell.name for cell in battery.cells],
        }
