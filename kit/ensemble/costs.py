"""What each recipe takes in a submission: megabytes of its weights, and seconds measured on this machine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from kit.ensemble.budget import Cost
from kit.inference.model import load_net, net_logits, quickened
from kit.train.stored import checked_spec
from kit.workspace import Workspace

if TYPE_CHECKING:
    from kit.oof_store import OofRun

IMAGES = 64
"""Images that are timed; the time of an image does not depend on what it shows."""


def measure_costs(
    runs: Sequence[OofRun], workspace: Workspace, contest: str, image_size: int, rows: int = 2000
) -> dict[str, Cost]:
    """Cost by recipe of predicting `rows` images of that height and width through all folds and views.

    Predictions made elsewhere cost nothing: no submission runs them. Timed on the CPU, the slowest machine that
    a platform may have.
    """
    images = np.random.default_rng(0).integers(256, size=(IMAGES, image_size, image_size, 3), dtype=np.uint8)
    return {run.recipe: _cost(run, workspace, contest, images, rows) for run in runs}


def _cost(run: OofRun, workspace: Workspace, contest: str, images: np.ndarray, rows: int) -> Cost:
    if run.info.get("external"):
        return Cost(0.0, 0.0)
    folders = [workspace.run(contest, run.recipe) / f"fold{fold}" for fold in run.info["folds_done"]]
    rerun = f"kit train {run.recipe} --contest {contest}"
    specs = [checked_spec(folder, rerun) for folder in folders]
    megabytes = sum((folder / spec["weights"]).stat().st_size for folder, spec in zip(folders, specs)) / 1e6
    seen = specs[0] | {"views": list(run.views)}
    net = quickened(load_net(specs[0], str(folders[0])), seen["size"])
    return Cost(_seconds(net, images, seen) * rows * len(folders), megabytes)


def _seconds(net: torch.nn.Module, images: np.ndarray, spec: dict[str, object]) -> float:
    """Seconds an image, after a warm-up."""
    net_logits(net, images[:8], spec)
    started = time.perf_counter()
    net_logits(net, images, spec)
    return (time.perf_counter() - started) / len(images)
