"""Contests that are unlike blood cells: each is prepared, its situation found, and a small network learns from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import Toy
from PIL import Image

from kit.config import ContestConfig, load_recipe, parse
from kit.data.prepared import prepare
from kit.oof_store import load_run
from kit.shifts.descriptors import describe
from kit.situation.situation import find_situation
from kit.train.run import train_recipe

QUIET = lambda line: None  # noqa: E731
RECIPE = """
size = {size}
[net]
name = "kit/residual"
args = {{ width = 8, depth = [1, 1] }}
[train]
steps = {steps}
epochs = 1
batch_size = 16
lr = 0.01
"""


def stripes(labels: np.ndarray, classes: int, height: int, width: int) -> np.ndarray:
    """(N, height, width, 3) uint8: a class is the place of a bright bar and its colour, in noise."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 90, (len(labels), height, width, 3))
    for image, label in zip(images, labels):
        place = int(label) % 4 * height // 4
        image[place : place + height // 4] += 60
        image[:, :, int(label) // 4 % 3] += 25 * (int(label) // 12 + 1) if classes > 4 else 0
    return np.clip(images, 0, 255).astype(np.uint8)


def accuracy(toy: Toy, classes: int, images: np.ndarray, labels: np.ndarray, size: int = 16, steps: int = 80) -> float:
    """Out-of-fold accuracy of a tiny network on a contest that says nothing but its classes and image size."""
    np.savez(toy.root / "one.npz", images=images, labels=labels)
    return trained(toy, classes, {"kind": "npz", "path": str(toy.root / "one.npz")}, images.shape[1], size, steps)


def trained(toy: Toy, classes: int, data: dict[str, str], image_size: int, size: int, steps: int) -> float:
    toy.file("recipes", "one").write_text(RECIPE.format(size=size, steps=steps))
    values = {"name": "one", "classes": [f"c{k:02}" for k in range(classes)], "image_size": image_size, "data": data}
    values |= {"folds": {"n_splits": 2}, "shift": {"battery": "clean"}, "clean": {"near_duplicates": False}}
    contest = parse(ContestConfig, values, toy.root / "one.toml")
    prepared = prepare(contest, None, toy.workspace, QUIET)
    find_situation(contest, prepared, toy.workspace)
    train_recipe(contest, prepared, load_recipe("one"), toy.workspace, QUIET)
    run = load_run(toy.workspace.run("one", "one"))
    return float((run.logits.mean(1).argmax(1) == run.labels).mean())


def test_many_classes_of_few_rows_each(toy: Toy) -> None:
    labels = np.arange(24 * 8) % 24
    assert accuracy(toy, 24, stripes(labels, 24, 16, 16), labels, steps=160) > 0.4


def test_few_rows(toy: Toy) -> None:
    labels = np.arange(24) % 4
    assert accuracy(toy, 4, stripes(labels, 4, 16, 16), labels) > 0.6


def test_a_class_of_many_rows_and_one_of_few(toy: Toy) -> None:
    labels = np.repeat([0, 1], [150, 12])
    images = stripes(labels, 2, 16, 16)
    assert accuracy(toy, 2, images, labels, steps=240) > 150 / 162


def test_one_channel(toy: Toy) -> None:
    labels = np.arange(96) % 4
    assert accuracy(toy, 4, stripes(labels, 4, 16, 16)[..., 0], labels) > 0.8


def test_images_of_a_few_pixels_are_cleaned_and_learnt(toy: Toy) -> None:
    labels = np.arange(120) % 4
    assert accuracy(toy, 4, stripes(labels, 4, 8, 8), labels) > 0.6
    assert np.isfinite(describe(stripes(labels, 4, 8, 8))).all()


def test_large_photographs_that_are_not_square(toy: Toy) -> None:
    folder, labels = Path(toy.root / "photos"), np.arange(48) % 4
    for number, (image, label) in enumerate(zip(stripes(labels, 4, 400, 600), labels)):
        (folder / f"c{label:02}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"c{label:02}" / f"{number}.jpg")
    assert trained(toy, 4, {"kind": "folder", "path": str(folder)}, 224, 32, 120) > 0.6


@pytest.mark.parametrize("classes", [2, 5])
def test_rows_too_few_to_ask_still_have_a_policy(toy: Toy, classes: int) -> None:
    labels = np.arange(4 * classes) % classes
    assert accuracy(toy, classes, stripes(labels, 4, 16, 16), labels, steps=4) >= 0
