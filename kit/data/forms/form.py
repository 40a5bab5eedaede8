"""The form of a contest's data: its reader, the keys of [data], the labels, and how to open an image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kit.data.sources.labels import as_text
from kit.errors import DataError
from kit.inference import decode

Opener = Callable[[int], np.ndarray]
"""The image of a row as the file holds it: (H, W) or (H, W, C), any number type; DataError for a broken one."""


@dataclass
class Form:
    """The form of the data and what each row is, before any image is decoded."""

    kind: str
    """[data] kind."""
    path: str
    """[data] path, as it will stand in the file."""
    classes: tuple[str, ...]
    labels: np.ndarray
    """(N,) int64 indices into `classes`."""
    open_image: Opener
    data: dict[str, Any] = field(default_factory=dict)
    """Further keys of [data] that had to be chosen."""
    test: str = ""
    """[data] test, where unlabelled images lie beside the training data."""
    facts: list[str] = field(default_factory=list)
    """What was seen, a sentence each."""
    doubts: list[str] = field(default_factory=list)
    """What a person should look at, a sentence each: what was assumed, and how to change it."""

    def __len__(self) -> int:
        return len(self.labels)


def opener_of(images: np.ndarray, path: Path) -> Opener:
    """Opens row by row an array of images of any usual layout; DataError where it holds none that can be decoded."""
    try:
        last = decode.channels_last(images, Counter())
    except decode.Unreadable as error:
        raise DataError(f"{path}: {error}") from error
    broken = sum(not np.isfinite(image).all() for image in last) if last.dtype.kind == "f" else 0
    if broken:
        raise DataError(
            f"{path}: pixels must be finite, but {broken:,} of {len(last):,} images hold NaN or infinite ones. Fix "
            f"these images, or take them out"
        )
    return lambda row: last[row]


def names_of(values: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    """Class names in their order, whole numbers by value, and the index (N,) int64 of each of `values` (N,) str."""
    unique, inverse = np.unique(as_text(values), return_inverse=True)
    order = sorted(range(len(unique)), key=lambda place: _key(str(unique[place])))
    places = np.empty(len(unique), dtype=np.int64)
    places[order] = np.arange(len(unique))
    return tuple(str(unique[place]) for place in order), places[inverse.reshape(-1)]


def _key(name: str) -> tuple[int, float, str]:
    try:
        return (0, float(name), name)
    except ValueError:
        return (1, 0.0, name)
