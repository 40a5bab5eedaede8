"""Labels in the names of image files: cat.12.jpg, 3_0012.png, scan_of_2.png."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from kit.data.sources.columns import shown
from kit.data.sources.labels import to_indices
from kit.errors import DataError

PATTERNS = (r"^(.+?)[ ._(-]+\d+\)?\.\w+$", r"^([^\d]+?)[ ._(-]*\d+\)?\.\w+$")
"""The label, then a number: with something between, or directly."""

LEAST = 3
"""Images of a class, on the average, from which names are taken to hold labels."""


def labels_in_names(names: Sequence[str]) -> tuple[str, np.ndarray] | None:
    """The pattern that every file name fits, and the labels (N,) str by it; None where there is none.

    Two or more labels, each of several images on the average, else the names only number the images.
    """
    bare = [PurePosixPath(name).name for name in names]
    for pattern in PATTERNS:
        matches = [re.match(pattern, name) for name in bare]
        labels = np.array([match.group(1) for match in matches if match])
        if len(labels) == len(names) and 2 <= len(np.unique(labels)) <= len(labels) / LEAST:
            return pattern, labels
    return None


def by_pattern(names: Sequence[str], pattern: str, classes: tuple[str, ...], path: Path) -> np.ndarray:
    """Labels (N,) int64 by the first group of [data] label_pattern."""
    return to_indices(found_by(names, pattern, "label_pattern", path), classes)


def found_by(names: Sequence[str], pattern: str, key: str, path: Path) -> np.ndarray:
    """(N,) str: the first group of a pattern, looked for in the file's name, then in its path; DataError names `key`
    where it does not fit.
    """
    compiled = re.compile(pattern)
    matches = [compiled.search(PurePosixPath(name).name) or compiled.search(name) for name in names]
    silent = [name for name, match in zip(names, matches) if match is None or not match.group(1)]
    if silent:
        raise DataError(
            f"{path}: [data] {key} must fit every file name, but {len(silent):,} of {len(names):,} do "
            f"not ({shown(silent, 5)}). Fix {pattern!r}."
        )
    return np.array([match.group(1) for match in matches if match])


def by_class_name(names: Sequence[str], classes: tuple[str, ...]) -> np.ndarray | None:
    """Labels (N,) int64 of names that begin with a class: cat.12.jpg, Cat 12.jpg; None unless all names and all
    classes are such.
    """
    known = {name.casefold(): index for index, name in enumerate(classes)}
    longest = sorted(known.items(), key=lambda pair: -len(pair[0]))
    labels = []
    for name in names:
        stem = PurePosixPath(name).stem.casefold()
        fits = (label for start, label in longest if stem.startswith(start) and not stem[len(start) :][:1].isalpha())
        label = next(fits, None)
        if label is None:
            return None
        labels.append(label)
    return np.array(labels, dtype=np.int64) if len(set(labels)) == len(longest) else None
