"""Small images and contests for the tests of kit.data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kit.config import CleanConfig, ContestConfig, DataConfig, FoldsConfig, RecipeSets
from kit.data.sources.imageset import ImageSet

CLASSES = ("cat", "dog", "emu")


def contest(
    classes: tuple[str, ...] = CLASSES,
    size: int = 16,
    clean: dict[str, Any] | None = None,
    folds: dict[str, Any] | None = None,
    **data: Any,
) -> ContestConfig:
    """A contest with the given [data] keys."""
    return ContestConfig(
        name="toy",
        classes=classes,
        image_size=size,
        data=DataConfig(**data),
        clean=CleanConfig(**(clean or {})),
        folds=FoldsConfig(**({"n_splits": 3} | (folds or {}))),
        recipes=RecipeSets(),
    )


def some_images(count: int, size: int = 16, seed: int = 0) -> np.ndarray:
    """(count, size, size, 3) uint8: smooth random images, all different."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(one).resize((size, size), Image.BICUBIC)) for one in coarse])


def image_set(images: np.ndarray, labels: np.ndarray, **more: Any) -> ImageSet:
    """An ImageSet with row numbers for ids."""
    ids = np.array([f"{row:04d}" for row in range(len(images))])
    names = tuple(f"class{label}" for label in range(int(labels.max()) + 1))
    return ImageSet(ids, images, np.asarray(labels, np.int64), names, **more)


def write_folder(folder: Path, images: np.ndarray, labels: np.ndarray, classes: tuple[str, ...] = CLASSES) -> None:
    """<folder>/<class>/<row>.png."""
    for row, (image, label) in enumerate(zip(images, labels)):
        path = folder / classes[label] / f"{row:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
