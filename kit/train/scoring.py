"""Out-of-fold scoring: held-out rows and the vault through the code that the submission ships, clean and shifted.

A network that a CPU trained in bfloat16, which is therefore quick there, predicts shifted rows in it too: they are up
to a third of the time of a short run. Of shifted cells 0.3 to 0.5% get another label by it, of photographs that are
mostly not recognised 3%, as many to the better as to the worse.
Clean rows are predicted in float32 always, as they are what a submission is compared with.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from kit.artefact import write_npz
from kit.data.prepared import Prepared
from kit.echo import Echo
from kit.inference.model import load_net, merge_views, net_logits, quickened
from kit.metrics.registry import get_metric
from kit.shifts.battery import Battery
from kit.train.stored import OOF, VAULT_ROWS

PIECE = 1000
"""Rows shifted and scored at a time: bounds memory, and lets the display move."""


def score_fold(
    folder: Path,
    spec: dict[str, Any],
    prepared: Prepared,
    fold: int,
    battery: Battery,
    device: torch.device,
    note: Echo,
    half: bool = False,
) -> dict[str, np.ndarray]:
    """Writes what the fold model in `folder` predicts of the rows that `fold` holds out, and of the vault.

    Arrays of the held-out rows, as `score_rows` gives them.
    """
    arrays = score_rows(folder, spec, prepared, np.flatnonzero(prepared.folds == fold), battery, device, note, half)
    write_npz(folder / OOF, **arrays)
    (folder / VAULT_ROWS).unlink(missing_ok=True)
    if len(prepared.vault):
        vault = score_rows(folder, spec, prepared, prepared.vault, battery, device, note, half)
        write_npz(folder / VAULT_ROWS, **vault)
    return arrays


def score_rows(
    folder: Path,
    spec: dict[str, Any],
    prepared: Prepared,
    rows: np.ndarray,
    battery: Battery,
    device: torch.device,
    note: Echo,
    half: bool = False,
) -> dict[str, np.ndarray]:
    """Arrays of `oof.npz` for `rows` (n,) of the contest, predicted by the fold model in `folder`.

    ids (n,) str, labels (n,) int64, logits (n, V, C) float32, shifted (n, K, V, C) float32, cells (n, K) int64.
    The cells are drawn over all rows of the contest, so every fold and every recipe sees the same images.
    half: whether shifted rows are predicted in bfloat16.
    """
    net = quickened(load_net(spec, str(folder)).to(device), spec["size"])
    cells = battery.draw(prepared.ids)[rows]
    clean, shifted = [], []
    for start in range(0, len(rows), PIECE):
        part = rows[start : start + PIECE]
        images, ids = np.array(prepared.images[part]), prepared.ids[part]
        clean.append(net_logits(net, images, spec))
        shifted.append(_shifted(net, images, ids, cells[start : start + PIECE], battery, spec, half))
        note(f"scoring held-out rows {start + len(part):,} of {len(rows):,}")
    return {
        "ids": prepared.ids[rows],
        "labels": prepared.labels[rows],
        "logits": np.concatenate(clean),
        "shifted": np.concatenate(shifted),
        "cells": cells,
    }


def fold_scores(arrays: dict[str, np.ndarray], metric: str) -> dict[str, float | None]:
    """The metric of a fold's arrays, "clean" and "shifted", by the mean probability over views; None: no such rows."""
    parts = {"clean": arrays["logits"], "shifted": arrays["shifted"]}
    wanted, labels = get_metric(metric), arrays["labels"]
    return {
        name: wanted.score(labels, merge_views(logits, 1.0)) if logits.size else None for name, logits in parts.items()
    }


def _shifted(
    net: torch.nn.Module,
    images: np.ndarray,
    ids: np.ndarray,
    cells: np.ndarray,
    battery: Battery,
    spec: dict[str, Any],
    half: bool,
) -> np.ndarray:
    """(n, K, V, C) logits under each of the K cells of a row; a clean battery has none."""
    count, width = cells.shape
    seen = [net_logits(net, battery.apply(images, ids, cells[:, k]), spec, half=half) for k in range(width)]
    nothing = np.zeros((count, 0, len(spec["views"]), spec["net"]["num_classes"]), dtype=np.float32)
    return np.stack(seen, 1) if seen else nothing
