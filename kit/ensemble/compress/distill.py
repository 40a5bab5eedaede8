"""Distillation of a blend into one recipe (Hinton et al., 2015), where a platform's limits forbid the ensemble.

What keeps the student's out-of-fold score honest: the student of fold k learns from the members' networks of fold
k, combined by a blend whose temperatures and weights were fitted without the rows of fold k. Nothing that teaches
it has seen a label of the rows it is scored on. (The stored out-of-fold probabilities of its training rows would
not do: they come from the other folds' networks, and those were trained on fold k.) The price is that a teacher
predicts images that it was trained on; the temperatures, fitted on held-out rows, are those of the blend.
Which recipes teach was chosen on all rows, as for any blend.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from kit.artefact import read_npz, sha256_bytes, write_npz
from kit.config import ContestConfig, RecipeConfig
from kit.data.prepared import Prepared
from kit.echo import Echo
from kit.ensemble.blend import Blend
from kit.ensemble.kinds.combine import Combiner
from kit.ensemble.kinds.registry import kind
from kit.ensemble.pool import Pool, make_pool
from kit.ensemble.view_choice import use_views
from kit.errors import EnsembleError
from kit.inference.model import load_net, merge_views, net_logits
from kit.oof_store import OofRun, load_run
from kit.storage import exists
from kit.train.batches import Material
from kit.train.device import pick_device
from kit.train.run import Trainer
from kit.train.run_folder import RunFolder, scored_folds
from kit.train.stored import checked_spec, run_of
from kit.workspace import Workspace

ROW_FIELDS = ("ids", "folds", "labels", "logits", "shifted", "cells")


@dataclass(frozen=True)
class Teacher:
    """A blend whose predictions are learned: its kind, its members' runs through their views, and how those merge.

    share: of the target that is the teacher's prediction; the rest is the label.
    """

    kind: str
    runs: tuple[OofRun, ...]
    merges: dict[str, str]
    share: float

    def describe(self) -> dict[str, Any]:
        """Plain values that a finished fold must agree with to be reused."""
        views = {run.recipe: list(run.views) for run in self.runs}
        return {"kind": self.kind, "views": views, "merges": self.merges, "share": self.share}

    def without(self, fold: int, contest: ContestConfig) -> tuple[Pool, Combiner]:
        """The blend fitted on the rows of the other folds, and the pool that it was fitted on."""
        runs = [_rows(run, run.folds != fold) for run in self.runs]
        pool = make_pool(runs, contest.expects, contest.metric, merges=self.merges)
        return pool, kind(self.kind).fit(pool)


def _rows(run: OofRun, chosen: np.ndarray) -> OofRun:
    groups = None if run.groups is None else run.groups[chosen]
    return replace(run, groups=groups, **{key: getattr(run, key)[chosen] for key in ROW_FIELDS})


@dataclass(frozen=True)
class StudentFolder(RunFolder):
    """The folder of a student's run: it is its teacher's, too."""

    teacher: Teacher = field(kw_only=True)

    def identity(self) -> dict[str, Any]:
        return super().identity() | {"teacher": self.teacher.describe()}

    def rerun(self, fold: int) -> str:
        return f"kit distill, with the arguments that made {self.recipe.name}"


@dataclass(frozen=True)
class Student(Trainer):
    """A recipe whose training rows have the teacher's predictions for labels."""

    teacher: Teacher = field(kw_only=True)

    @property
    def run(self) -> StudentFolder:
        return StudentFolder(self.contest, self.prepared, self.recipe, self.workspace, teacher=self.teacher)

    def material(self, fold: int, images: torch.Tensor) -> Material:
        """The recipe's material with soft targets; rows beyond the contest's are never made up."""
        material = super().material(fold, images)
        rows = np.unique(material.rows.numpy())
        targets = material.targets.clone()
        share = self.teacher.share
        taught = torch.from_numpy(self.predictions(fold, rows)).to(targets.dtype)
        targets[rows] = share * taught + (1 - share) * targets[rows]
        return replace(material, targets=targets)

    def predictions(self, fold: int, rows: np.ndarray) -> np.ndarray:
        """The teacher's probabilities (n, C) for training rows of `fold`; stored, so that a resumed fit goes on."""
        what = [self.run.identity(), fold, sha256_bytes(rows.astype(np.int64).tobytes())]
        path = self.fold_folder(fold) / f"teacher-{sha256_bytes(json.dumps(what).encode())[:12]}.npz"
        if exists(path):
            return read_npz(path)["proba"]
        pool, combiner = self.teacher.without(fold, self.contest)
        proba = combiner.apply(np.stack([self._member(pool, place, fold, rows) for place in range(len(pool.names))]))
        write_npz(path, proba=proba.astype(np.float32))
        return proba

    def _member(self, pool: Pool, place: int, fold: int, rows: np.ndarray) -> np.ndarray:
        """Probabilities (n, C) of one member's network of `fold`."""
        folder = self.workspace.run(self.contest.name, pool.names[place]) / f"fold{fold}"
        entry = pool.entries[place]
        spec = checked_spec(folder, run_of(folder)) | {"views": list(entry.views)}
        net = load_net(spec, str(folder)).to(self.device)
        logits = net_logits(net, np.array(self.prepared.images[rows]), spec)
        return merge_views(logits, entry.temperature, entry.merge)


def distill(
    contest: ContestConfig,
    prepared: Prepared,
    workspace: Workspace,
    blend: Blend,
    recipe: RecipeConfig,
    share: float = 0.7,
    echo: Echo = print,
) -> OofRun:
    """Trains every fold of `recipe` on what `blend` predicts; the run `<recipe>-of-<blend>`, scored like any other.

    EnsembleError where a member has no network, or the recipe makes up rows that no teacher has seen.
    """
    _check(blend, recipe)
    runs = [use_views(load_run(workspace.run(contest.name, one.recipe)), one.views) for one in blend.members]
    _check_folds(runs, prepared)
    teacher = Teacher(blend.kind, tuple(runs), {one.recipe: one.merge for one in blend.members}, share)
    named = recipe.model_copy(update={"name": f"{recipe.name}-of-{blend.name}"})
    Student(contest, prepared, named, workspace, pick_device(), teacher=teacher).train(scored_folds(prepared), echo)
    return load_run(workspace.run(contest.name, named.name))


def _check(blend: Blend, recipe: RecipeConfig) -> None:
    for member in blend.members:
        if member.external:
            raise EnsembleError(
                f"{member.recipe}: a teacher must be a network, but its predictions come from {member.external}. "
                f"Blend without it"
            )
    if recipe.train.sampling == "smote":
        raise EnsembleError(f'{recipe.name}: train.sampling = "smote" makes rows without a prediction. Choose another')


def _check_folds(runs: Sequence[OofRun], prepared: Prepared) -> None:
    ours = {"data": prepared.data_digest, "folds": prepared.fold_digest}
    if runs[0].info["digests"] != ours:
        raise EnsembleError(
            f"the blend's members were trained on other data or folds than these: digests {runs[0].info['digests']} "
            f"and {ours}. Train them again: kit train {runs[0].recipe}"
        )
