"""What a fold is trained on, against what it must never hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from kit.config import RecipeConfig
from kit.data.folds import INNER
from kit.data.prepared import Prepared
from kit.train.batches import Material
from kit.train.material import make_material

COUNTS = (24, 12, 6)
HALF = (0.5, 0.5, 0.5)


def prepared(inner: bool = False) -> Prepared:
    labels = np.repeat(np.arange(3), COUNTS)
    count = len(labels)
    folds = np.arange(count) % 3
    if inner:
        folds[::7] = INNER
    images = np.random.default_rng(0).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    ids = np.array([f"{row:03d}" for row in range(count)])
    return Prepared(ids, images, labels, folds, np.arange(count), ("a", "b", "c"), "data", "folds")


def made(given: Prepared, **sections: Any) -> Material:
    recipe = RecipeConfig.model_validate({"name": "r", "net": {"name": "kit/residual"}, "size": 8} | sections)
    images = torch.from_numpy(given.images).permute(0, 3, 1, 2).contiguous()
    return make_material(given, recipe, 0, images, HALF, HALF)


SAMPLINGS = pytest.mark.parametrize("sampling", ["natural", "weighted", "oversample", "smote"])


@SAMPLINGS
def test_no_held_out_row_is_trained_on(sampling: str) -> None:
    given = prepared()
    rows = made(given, train={"sampling": sampling}).rows.numpy()
    own = rows[rows < len(given.labels)]
    assert set(given.folds[own]) == {1, 2}
    assert set(own) == set(np.flatnonzero(given.folds != 0))


@pytest.mark.parametrize("sampling", ["oversample", "smote"])
def test_classes_become_equal(sampling: str) -> None:
    material = made(prepared(), train={"sampling": sampling})
    counts = np.bincount(material.targets[material.rows].argmax(1).numpy())
    assert counts.tolist() == [16, 16, 16]


def test_made_up_images_lie_between_two_of_their_class() -> None:
    given = prepared()
    material = made(given, train={"sampling": "smote"})
    new = material.images[len(given.labels) :].numpy()
    new_labels = material.targets[len(given.labels) :].argmax(1).numpy()
    for image, label in zip(new, new_labels):
        same = given.images[(given.labels == label) & (given.folds != 0)].transpose(0, 3, 1, 2)
        assert (image >= same.min(0)).all()
        assert (image <= same.max(0)).all()


def test_a_row_that_was_weighed_down_says_so_in_its_target() -> None:
    given = prepared()
    assert (made(given).targets.sum(1) == 1).all()
    weights = np.ones(len(given.ids), dtype=np.float32)
    weights[1] = 0.25
    targets = made(replace(given, weights=weights)).targets
    assert targets.sum(1)[:3].tolist() == [1.0, 0.25, 1.0]


def test_watched_rows_are_not_trained_on_nor_scored() -> None:
    given = prepared()
    material = made(given, stopping={"share": 0.25})
    assert material.watched is not None
    watched, rows = set(material.watched.tolist()), set(material.rows.tolist())
    assert watched
    assert not watched & rows
    assert watched | rows == set(np.flatnonzero(given.folds != 0))


def test_the_contests_own_inner_rows_are_watched_where_it_has_some() -> None:
    given = prepared(inner=True)
    material = made(given, stopping={"share": 0.25})
    assert material.watched is not None
    assert material.watched.tolist() == np.flatnonzero(given.folds == INNER).tolist()
    assert made(given).watched is None
