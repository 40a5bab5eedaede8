"""Which array of an npz or HDF5 file holds what, by name, shape and length. Names may be paths: train/images."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from kit.data.sources.group_names import looks_like_group
from kit.data.sources.idx import is_idx
from kit.errors import DataError, did_you_mean

IMAGE_KEYS = ("images", "image", "x_train", "train_images", "x", "data", "arr_0")
LABEL_KEYS = ("labels", "label", "y_train", "train_labels", "y", "targets", "target", "arr_1")
TEST = re.compile(r"(?i)(^|[/_.-])(test|testing)([/_.-]|$)")
"""Names of arrays that belong to the hidden test: x_test, test_images, test/images."""

FEWEST_PIXELS = 64
"""Columns of an array from which its rows may be images."""

Arrays = Mapping[str, np.ndarray]


def of_test(name: str) -> bool:
    """Whether an array is called as those of a test set are."""
    return bool(TEST.search(name))


def a_value_an_image(shape: tuple[int, ...]) -> bool:
    """Whether an array has a value or a row an image, further dimensions of one aside: (N,), (N, C), (N, 1, 1, 1)."""
    return len([size for size in shape[1:] if size != 1]) <= 1


def is_flat(array: np.ndarray) -> bool:
    """Whether an array may hold a square image a row, grey or RGB, as flat pixels."""
    if array.ndim != 2 or array.dtype.kind not in "uif" or array.shape[1] < FEWEST_PIXELS:
        return False
    count = array.shape[1]
    return any(math.isqrt(count // channels) ** 2 * channels == count for channels in (1, 3))


def _deep(array: np.ndarray) -> bool:
    """Whether an array may hold images."""
    return array.ndim >= 3 and not a_value_an_image(array.shape)


def test_images(arrays: Arrays) -> str:
    """The array of test images beside those of training; "" where there is none."""
    return next((name for name, array in arrays.items() if _deep(array) and of_test(name)), "")


def choose_images(arrays: Arrays, wanted: str, path: Path, notes: list[str], test: bool = False) -> str:
    """The array of images: `wanted`, else one of a usual name, else the only one of three or more dimensions.

    test: images of a test set come first, which are left aside otherwise. A guess is told to `notes`.
    """
    if (found := _wanted(arrays, wanted, path)) is not None:
        return found
    deep = [name for name, array in arrays.items() if _deep(array)]
    deep = deep or [name for name, array in arrays.items() if is_flat(array)]
    of_the_test = [name for name in deep if of_test(name)]
    fitting = of_the_test if test and of_the_test else [name for name in deep if test or name not in of_the_test]
    named = _usual(fitting, IMAGE_KEYS) or (fitting if len(fitting) == 1 or (test and of_the_test) else [])
    named = named or _usual([name for name in arrays if not of_test(name)], IMAGE_KEYS)
    return _told(named, "images", arrays, path, notes)


def choose_labels(arrays: Arrays, wanted: str, images: str, path: Path, notes: list[str]) -> str:
    """The array of the labels of the array `images`: `wanted`, else one of a usual name, else the only one that fits.

    One that fits has a value, or a row, an image, and is not called as ids, groups and folds are, unless it is the only
    one in the images' folder: train/animal may be a number of an animal, or its kind.
    """
    if (found := _wanted(arrays, wanted, path)) is not None:
        return found
    rows = len(arrays[images]) if images in arrays else -1
    told = [name for name, array in arrays.items() if a_value_an_image(array.shape)]
    flat = [name for name in told if name != images and not of_test(name)]
    long = [name for name in flat if rows < 0 or len(np.atleast_1d(arrays[name])) == rows] or flat
    beside = [name for name in long if name.rpartition("/")[0] == images.rpartition("/")[0]]
    others = [name for name in beside or long if not looks_like_group(name)]
    others = others or (beside if "/" in images else [])
    named = _usual(beside, LABEL_KEYS) or _usual(long, LABEL_KEYS) or (others if len(others) == 1 else [])
    return _told(named, "labels", arrays, path, notes)


def missing(path: Path, key: str, known: list[str]) -> DataError:
    """The error for a key that the file does not hold."""
    return DataError(
        f"{path}: must hold the key {key!r}, but has {', '.join(known) or 'none'}."
        f"{did_you_mean(key, known)} Set it in [data] of the contest file."
    )


def _wanted(arrays: Arrays, wanted: str, path: Path) -> str | None:
    if wanted and wanted not in arrays and path.suffix != ".npy" and not is_idx(path):
        raise missing(path, wanted, list(arrays))
    return wanted if wanted in arrays else None


def _usual(names: list[str], usual: tuple[str, ...]) -> list[str]:
    """Those of usual names, the most usual first; of a path the last part counts."""
    last = {name: name.rpartition("/")[2].lower() for name in names}
    return [name for one in usual for name in names if last[name] == one]


def _told(found: list[str], what: str, arrays: Arrays, path: Path, notes: list[str]) -> str:
    if not found:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items()) or "nothing"
        raise DataError(
            f"{path}: which array holds the {what} cannot be guessed from {shapes}. Name it {what}, or set [data] "
            f'{what} = "KEY" in the contest file; where it lies in another file, put both into one.'
        )
    if found[0] != what:
        notes.append(f"{what} taken from the key {found[0]!r}")
    return found[0]
