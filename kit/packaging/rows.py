"""The images of a prediction beside the rows of the contest's sample: which belong together, and which to nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from kit.errors import PackagingError

Unmatched = Literal["refuse", "sample", "images"]
"""What becomes of rows without an image and images without a row: refused, or the file has the sample's rows, or those
of the images."""

AS_IDS: tuple[Callable[[str], str], ...] = (
    lambda name: name,
    lambda name: re.sub(r"\.[A-Za-z0-9]+$", "", name),
    lambda name: name.rpartition("/")[2],
    lambda name: re.sub(r"\.[A-Za-z0-9]+$", "", name.rpartition("/")[2]),
    lambda name: re.sub(r"\.[A-Za-z0-9]+$", "", name.rpartition("/")[2]).lstrip("0") or "0",
)
"""How a file's name may stand in a sample: as it is, without its ending, without its folder, without both, and without
leading zeros too.
"""

SHOWN = 5


@dataclass(frozen=True)
class Rows:
    """Images (N,) and a sample's rows (R,), held against each other.

    ids: (R,) the sample's, in its order. place: (R,) of each row's image, -1 where there is none. spare: (N,) bool,
    images that no row is about; spelled: (N,) the images' names as the sample spells ids.
    """

    ids: np.ndarray
    place: np.ndarray
    spare: np.ndarray
    spelled: np.ndarray

    @property
    def whole(self) -> bool:
        """Whether every row has its image, and every image its row."""
        return bool((self.place >= 0).all()) and not self.spare.any()

    def message(self) -> str:
        """What does not belong together, with examples; "" where all does."""
        parts = []
        without, spare = self.ids[self.place < 0], self.spelled[self.spare]
        if len(without):
            parts.append(f"{len(without):,} of {len(self.ids):,} rows of the sample have no image ({_some(without)})")
        if len(spare):
            parts.append(f"{len(spare):,} of {len(self.spelled):,} images have no row in the sample ({_some(spare)})")
        return "; ".join(parts)

    def taken(self, unmatched: Unmatched) -> tuple[np.ndarray, np.ndarray]:
        """Ids (K,) of the file's rows, and the image (K,) of each, -1 for none.

        PackagingError where "refuse" is asked for and something does not belong together.
        """
        if self.whole or unmatched == "sample":
            return self.ids, self.place
        if unmatched == "images":
            matched = self.place >= 0
            more = np.flatnonzero(self.spare)
            return np.concatenate([self.ids[matched], self.spelled[more]]), np.concatenate([self.place[matched], more])
        raise PackagingError(
            f"{self.message()}. Give the images that the sample is about, or choose: --unmatched sample writes the "
            f"sample's rows, those without an image with the shares of the classes; --unmatched images the images' rows"
        )


def match_rows(images: np.ndarray, ids: np.ndarray, numbered: bool = False) -> Rows:
    """Images' names (N,) str beside a sample's ids (R,) str, spelled as most of them are.

    numbered: the images have no names, only their places. PackagingError where an id is there twice, in the sample or
    among the images as it spells them, or where there are more or fewer rows than images without names.
    """
    _check_once(ids, "the sample")
    if numbered:
        return _by_place(len(images), ids)
    best = max(AS_IDS, key=lambda spell: len({spell(name) for name in images} & set(ids)))
    spelled = np.array([best(str(name)) for name in images], dtype=str)
    _check_once(spelled, "the images")
    places = {name: place for place, name in enumerate(spelled)}
    place = np.array([places.get(str(one), -1) for one in ids], dtype=np.int64)
    return Rows(ids.astype(str), place, ~np.isin(spelled, ids), spelled)


def _by_place(count: int, ids: np.ndarray) -> Rows:
    """Images without names are the rows of the sample in order; where its ids count from 0 or 1, they are the order."""
    if len(ids) != count:
        raise PackagingError(
            f"the test images have no names, so the sample must have a row for each, but there are {count:,} images "
            f"and {len(ids):,} rows. Give the sample of these images, or images with ids"
        )
    numbers = [int(one) if one.isascii() and one.isdigit() else -1 for one in map(str, ids)]
    first = min(numbers, default=0)
    counted = first in (0, 1) and sorted(numbers) == list(range(first, first + count))
    place = np.array(numbers, np.int64) - first if counted else np.arange(count)
    spelled = np.empty(count, dtype=ids.astype(str).dtype)
    spelled[place] = ids
    return Rows(ids.astype(str), place, np.zeros(count, bool), spelled)


def _check_once(ids: np.ndarray, where: str) -> None:
    unique, counts = np.unique(ids, return_counts=True)
    if len(unique) < len(ids):
        raise PackagingError(
            f"every id must be there once, but {str(unique[counts.argmax()])!r} is there {_times(counts.max())} among "
            f"{where}. Remove the copies"
        )


def _times(count: int) -> str:
    return "twice" if count == 2 else f"{count} times"


def _some(names: np.ndarray) -> str:
    more = f", ... {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(map(repr, map(str, names[:SHOWN]))) + more
