"""Training sets of `benchmarks/coverage.py`, and the hidden tests of contests that none of them holds an image of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from sklearn.datasets import load_digits

from kit.artefact import read_npz, write_npz
from kit.config import ContestConfig, load_contest
from kit.data.cleaning.grouping import image_keys
from kit.data.practice.contest import hidden_test, planted, training_set
from kit.data.practice.forms import shifted_as

HIDDEN_SHARE = 0.28
"""Share of real images that no recipe is trained on."""
SIDE = 48
PRACTICE = 3_000
"""Seed of the first practice set."""
Labelled = tuple[np.ndarray, np.ndarray]
"""Images (N, SIDE, SIDE, 3) uint8 and labels (N,) int64."""


@dataclass(frozen=True)
class Source:
    """A contest with a training set of its own, and what draws so many clean hidden images by a seed."""

    contest: ContestConfig
    clean: Callable[[int, int], Labelled]

    def hidden(self, form: str, seed: int, rows: int) -> Labelled:
        """The hidden test of the contest of that seed in that form; the images of all forms are the same."""
        images, labels = self.clean(seed, rows)
        return shifted_as(form, images, 1.0, 20_000 + seed, np.random.default_rng([seed, 0xC0])), labels


def make_source(data: str, npz: Path | None, seed: int, train_rows: int, root: Path) -> Source:
    """The training set of that seed; practice draws its cells, real images are split anew.

    Labels that practice plants wrong are right here, as those of its hidden tests are: no promise can know of two kinds
    of labels.
    """
    if data == "practice":
        images, labels, _ = training_set(PRACTICE + seed)
        truth = planted(PRACTICE + seed).true_labels
        return Source(_contest(data, seed, images, np.where(truth < 0, labels, truth), root), _drawn)
    images, labels = _digits() if npz is None else _stored(npz)
    order = np.random.default_rng([seed, 0x5E7]).permutation(len(labels))
    cut = round(HIDDEN_SHARE * len(labels))
    hidden, seen = order[:cut], order[cut:][: train_rows or None]

    def clean(contest: int, rows: int) -> Labelled:
        chosen = np.random.default_rng([contest, 0xD0]).permutation(hidden)[:rows]
        return images[chosen], labels[chosen]

    return Source(_contest(data, seed, images[seen], labels[seen], root), clean)


def _contest(data: str, seed: int, images: np.ndarray, labels: np.ndarray, root: Path) -> ContestConfig:
    path, practice = root / f"{data}{seed}.npz", load_contest("practice")
    if not path.exists():
        write_npz(path, images=images, labels=labels)
    told = {
        "name": f"{data}{seed}",
        "classes": [f"class {label}" for label in range(int(labels.max()) + 1)],
        "image_size": SIDE,
        "expects": "shifted",
        "data": {"kind": "npz", "path": str(path)},
        "folds": {"n_splits": 3},
        "recipes": {"cpu": practice.recipes.cpu},
    }
    return ContestConfig.model_validate(told)


@lru_cache(maxsize=1)
def _drawn(seed: int, rows: int) -> Labelled:
    """The cells of one contest, of which all forms are made."""
    return hidden_test(seed=10_000 + seed, n=rows, form="clean")


@lru_cache(maxsize=1)
def _digits() -> Labelled:
    found = load_digits()
    small = found.images.astype(np.float32)
    large = [cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) for image in small]
    grey = np.clip(np.stack(large) / 16 * 220 + 15, 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=3), found.target.astype(np.int64)


@lru_cache(maxsize=1)
def _stored(path: Path) -> Labelled:
    """The images of an npz that occur once: copies would lie on both sides."""
    arrays = read_npz(path)
    keys = image_keys(arrays["images"])
    _, place, counts = np.unique(keys, return_inverse=True, return_counts=True)
    once = np.flatnonzero(counts[place] == 1)
    images = [cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for image in arrays["images"][once]]
    return np.stack(images), arrays["labels"].reshape(-1)[once].astype(np.int64)
