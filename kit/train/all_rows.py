"""A network of a recipe on every row, those of the vault too; and one on half of the rows, to see what rows are worth.

No row is left to score the first on. What vouches for it are its out-of-fold twins, the networks of the folds, which
have the same recipe and fewer rows. Both lie beside the folds of the run; a fit that was interrupted goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kit.artefact import read_json, write_npz
from kit.config import ContestConfig, RecipeConfig
from kit.data.cleaning.grouping import by_key
from kit.data.fold_kinds import TRAIN_ONLY
from kit.data.prepared import Prepared
from kit.data.vault import VAULT, draw_vault
from kit.echo import Echo
from kit.inference.model import load_net, merge_views, net_logits, quickened
from kit.lock import alone
from kit.metrics.registry import get_metric
from kit.train.device import pick_device
from kit.train.fold import Fold
from kit.train.images import resized
from kit.train.names import check_names
from kit.train.progress import FitDisplay, fit_bars
from kit.train.run_folder import RunFolder
from kit.train.setup import Setup
from kit.train.stored import OOF, SPEC
from kit.workspace import Workspace

WHOLE, HALF = "all_rows", "half_of_rows"
"""Their folders in that of the run."""


@dataclass(frozen=True)
class Beside(RunFolder):
    """The folder of one network that belongs to no fold."""

    name: str = WHOLE

    @property
    def path(self) -> Path:
        return self.workspace.run(self.contest.name, self.recipe.name) / self.name

    def fold(self, fold: int) -> Path:
        return self.path

    def rerun(self, fold: int) -> str:
        return f"kit package --final --contest {self.contest.name}"


@dataclass(frozen=True)
class Whole(Fold):
    """The fit on all rows."""

    @property
    def title(self) -> str:
        return f"{self.setup.recipe.name}, all rows"

    def told(self, result: dict[str, Any]) -> str:
        return "no row is left to score it on"

    def _score(self, display: FitDisplay, precision: str) -> dict[str, Any]:
        return {"rows": 0}


@dataclass(frozen=True)
class Half(Fold):
    """The fit on half of a fold's rows, scored on the rows that the fold holds out, as they are."""

    @property
    def title(self) -> str:
        return f"{self.setup.recipe.name}, half of the rows"

    def told(self, result: dict[str, Any]) -> str:
        return f"clean {result['clean']:.4f}"

    def _score(self, display: FitDisplay, precision: str) -> dict[str, Any]:
        prepared = self.setup.prepared
        rows = prepared.split(self.number).held_out
        display.note(f"scoring {len(rows):,} held-out rows")
        spec = read_json(self.path / SPEC)
        net = quickened(load_net(spec, str(self.path)).to(self.setup.device), spec["size"])  # as its twins were
        logits = net_logits(net, np.array(prepared.images[rows]), spec)
        write_npz(self.path / OOF, ids=prepared.ids[rows], labels=prepared.labels[rows], logits=logits)
        metric = get_metric(self.setup.contest.metric)
        return {"clean": metric.score(prepared.labels[rows], merge_views(logits, 1.0)), "rows": len(rows)}


def train_on_all_rows(
    contest: ContestConfig, prepared: Prepared, recipe: RecipeConfig, workspace: Workspace, echo: Echo = print
) -> Path:
    """The folder of the recipe's network on all rows; trained, or gone on with, where it is not there yet.

    recipe: as its folds were trained. TrainError where one lies there that was made from something else.
    """
    every = prepared.with_folds(np.where(prepared.folds == VAULT, TRAIN_ONLY, prepared.folds))
    setup = Setup(contest, every, recipe, workspace, pick_device())
    return _trained(Whole, WHOLE, setup, len(every.fold_numbers), echo)


def train_on_half(
    contest: ContestConfig, prepared: Prepared, recipe: RecipeConfig, workspace: Workspace, echo: Echo = print
) -> Path | None:
    """The same of a network on half of the rows that fold 0 trains on, for as many steps; None where they are few.

    Every class is halved, and groups stay whole. Its `oof.npz` holds ids, labels and clean logits of the held-out rows.
    """
    part = prepared.split(0)
    chosen = draw_vault(prepared.labels[part.train], by_key(prepared.groups[part.train]), 0.5, 2, recipe.train.seed)
    if not chosen.any():
        return None
    some = prepared.take(np.sort(np.concatenate([part.train[chosen], part.held_out])))
    longer = recipe.train.model_copy(update={"epochs": recipe.train.epochs / float(chosen.mean())})
    as_long = recipe.model_copy(update={"train": longer})
    setup = Setup(contest, some, as_long, workspace, pick_device())
    return _trained(Half, HALF, setup, 0, echo)


def _trained(kind: type[Fold], name: str, setup: Setup, number: int, echo: Echo) -> Path:
    """number: of the fold that is held out, or one that no row is in."""
    folder = Beside(setup.contest, setup.prepared, setup.recipe, setup.workspace, name)
    title = f"{setup.recipe.name}, {name}"
    with alone(folder.path.parent / f".{name}.lock", lambda: echo(f"{title}: another process trains it; waiting")):
        if not folder.trained(number):
            check_names(setup.contest, setup.recipe)
            with fit_bars() as bars:
                kind(setup, folder, number, None, bars, echo).train(resized(setup.prepared.images, setup.recipe.size))
    return folder.path
