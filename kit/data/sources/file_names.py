"""Labels in the names of image files (cat.12.jpg, 3_0012.png), as `kit init` sees them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np

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
