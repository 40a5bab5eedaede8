"""Accuracy on the rows that a fold's network was trained on: what the overfitting gap is measured from."""

from __future__ import annotations

import numpy as np
import torch

from kit.artefact import read_json, write_json
from kit.config import RecipeConfig
from kit.data.prepared import Prepared
from kit.inference.model import load_net, merge_views, net_logits
from kit.oof_store import OofRun, finished_at
from kit.storage import exists
from kit.train.device import pick_device, pinned
from kit.train.material import fold_rows
from kit.train.stored import checked_spec, run_of
from kit.workspace import Workspace

FILE = "training_rows.json"
MOST = 1000
"""Training rows of each fold that are predicted."""


def training_accuracy(run: OofRun, contest: str, prepared: Prepared, workspace: Workspace) -> float:
    """Share of right predictions of the fold networks on rows that they saw, unaugmented; kept beside the run.

    Unlike the accuracy that a fit shows while it trains, it is of the final weights and of whole images, so that
    it differs from the out-of-fold accuracy by the rows alone.
    """
    folder = workspace.run(contest, run.recipe)
    made = finished_at(folder)
    if exists(folder / FILE):
        known = read_json(folder / FILE, f"rm {folder / FILE}, and the same command again")
        if known["of"] == made:
            return float(known["accuracy"])
    recipe = RecipeConfig.model_validate(run.info["config"])
    scores = [_of_fold(recipe, prepared, fold, workspace, contest) for fold in run.info["folds_done"]]
    accuracy = float(np.mean(scores))
    write_json(folder / FILE, {"of": made, "accuracy": accuracy})
    return accuracy


def _of_fold(recipe: RecipeConfig, prepared: Prepared, fold: int, workspace: Workspace, contest: str) -> float:
    folder = workspace.run(contest, recipe.name) / f"fold{fold}"
    rows, _ = fold_rows(prepared, recipe, fold)
    rows = np.sort(np.random.default_rng(fold).permutation(rows)[:MOST])
    spec = checked_spec(folder, run_of(folder))
    with pinned(0), torch.inference_mode():
        net = load_net(spec, str(folder)).to(pick_device())
        logits = net_logits(net, np.array(prepared.images[rows]), spec)
    return float((merge_views(logits, 1.0).argmax(1) == prepared.labels[rows]).mean())
