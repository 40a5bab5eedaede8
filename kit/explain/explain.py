"""What the strongest members of a blend looked at in given images, each through the network that had not seen them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from kit.artefact import read_json
from kit.data.sources.imageset import ImageSet
from kit.errors import ExplainError, did_you_mean
from kit.explain.heat import heat
from kit.explain.look import Look
from kit.explain.overlay import overlay
from kit.inference.model import load_net, preprocess
from kit.oof_store import OofRun
from kit.train.device import pick_device
from kit.train.stored import SPEC

MOST_IMAGES = 24


@dataclass(frozen=True)
class Explained:
    """One image with its looks."""

    id: str
    label: int
    image: np.ndarray
    """(H, W, 3) uint8."""
    looks: tuple[Look, ...]


def explain(ids: Sequence[str], runs: Sequence[OofRun], folder: Path, images: ImageSet) -> list[Explained]:
    """The images of `ids`, each with one look a run; `folder` is oof/<contest>.

    The network of a row is that of the fold that held it out; a vault row's is that of the first fold. ExplainError for
    an id that no run predicted, and for more than MOST_IMAGES.
    """
    if len(ids) > MOST_IMAGES:
        raise ExplainError(f"at most {MOST_IMAGES} images are explained at once, but got {len(ids)}. Name fewer")
    rows = _rows(ids, images)
    looks: dict[str, list[Look]] = {one: [] for one in ids}
    for run in runs:
        folds = np.array([_fold(run, one) for one in ids], dtype=np.int64)
        for fold in np.unique(folds):
            chosen = np.flatnonzero(folds == fold)
            found = _looks(run.recipe, folder / run.recipe / f"fold{fold}", images.images[rows[chosen]])
            for place, look in zip(chosen.tolist(), found):
                looks[ids[place]].append(look)
    labels = images.need_labels()
    return [
        Explained(one, int(labels[row]), np.array(images.images[row]), tuple(looks[one])) for one, row in zip(ids, rows)
    ]


def _rows(ids: Sequence[str], images: ImageSet) -> np.ndarray:
    place = {str(one): row for row, one in enumerate(images.ids)}
    unknown = [one for one in ids if one not in place]
    if unknown:
        raise ExplainError(
            f"ID must be that of a training image, but got {unknown[0]!r}.{did_you_mean(unknown[0], list(place))} "
            f"clean.csv lists them"
        )
    return np.array([place[one] for one in ids], dtype=np.int64)


def _fold(run: OofRun, one: str) -> int:
    """The fold whose network has not seen the row."""
    where = np.flatnonzero(run.ids == one)
    if len(where):
        return int(run.folds[where[0]])
    if run.vault is not None and one in run.vault.ids:
        return int(run.info["folds_done"][0])
    raise ExplainError(f"{one}: {run.recipe} has no prediction of it, as cleaning dropped it. Name a kept image")


def _looks(recipe: str, folder: Path, images: np.ndarray) -> list[Look]:
    """One network on images (n, H, W, 3) uint8."""
    spec = read_json(folder / SPEC)
    device = pick_device()
    net = load_net(spec, str(folder)).float().to(device).eval()
    x = preprocess(np.ascontiguousarray(images), spec["size"], spec["mean"], spec["std"]).float().to(device)
    with torch.inference_mode():
        proba = torch.softmax(net(x), dim=1)
    confidence, predicted = proba.max(dim=1)
    maps = heat(net, x.clone(), predicted.clone())
    return [
        Look(recipe, int(label), float(sure), overlay(image, hot))
        for label, sure, image, hot in zip(predicted, confidence, images, maps)
    ]
