"""Class names that differ by case or spaces alone, as typos in tables and folder names do."""

from __future__ import annotations

import re

import numpy as np

from kit.data.sources.labels import plain

TYPOS = 0.2
"""Share of the images of a name, in all its spellings, up to which the rarer spellings are typos."""


def whole_numbers(values: np.ndarray) -> np.ndarray:
    """Labels (N,) str with 1.0 and 2.0 as 1 and 2, where all are whole numbers, as tables with gaps write them."""
    unique, inverse = np.unique(values.astype(str), return_inverse=True)
    if not all(re.fullmatch(r"-?\d+(\.0*)?", one) for one in unique):
        return values
    return np.array([one.partition(".")[0] for one in unique])[inverse.reshape(-1)]


def one_spelling(values: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Labels (N,) str with the rare spellings of a name replaced by its commonest one, and a sentence for each name.

    Names of one letter, and spellings that are common, are classes of their own: a and A.
    """
    names, counts = np.unique(values.astype(str), return_counts=True)
    kinds: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        kinds.setdefault(plain(str(name)), []).append(place)
    replaced: dict[str, str] = {}
    said = []
    for kind, places in kinds.items():
        if len(places) == 1:
            continue
        best = max(places, key=lambda place: counts[place])
        rare = [place for place in places if place != best]
        listed = ", ".join(f"{str(names[place])!r} ({counts[place]:,})" for place in [best, *rare])
        if len(kind) > 1 and counts[rare].sum() <= TYPOS * counts[places].sum():
            replaced.update({str(names[place]): str(names[best]) for place in rare})
            said.append(f"{listed} are taken for one class, {str(names[best])!r}: they differ by case or spaces alone.")
        else:
            said.append(f"{listed} are taken for different classes: if they are one, give them one spelling.")
    return np.array([replaced.get(str(value), str(value)) for value in values]), said
