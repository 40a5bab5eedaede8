"""Predictions for test images that come in batches: flat memory, in time, complete whatever happens.

Imports numpy alone, because it travels in the zip of a notebook beside `decode.py`. Syntax: Python 3.7.
"""

from __future__ import annotations

import os
import time
import traceback
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence

import numpy as np

BATCH_BYTES = 48 << 20
"""Of the images that are held at once."""


class Ambiguous(ValueError):
    """An id that leads to several images."""


def rows_a_batch(size: int) -> int:
    """Images of that height and width that are read at once."""
    return int(min(4096, max(64, BATCH_BYTES // (3 * size * size))))


def image_files(folder: str, suffixes: Iterable[str]) -> List[str]:
    """Sorted paths, relative to `folder` with forward slashes, of the image files in it, at any depth.

    Where none has the suffix of an image, those without a suffix are taken. Where some lie in a folder named test
    (test, test_images), those alone: an id may have a training image too.
    """
    found = []
    for where, _, files in os.walk(folder):
        found += [os.path.relpath(os.path.join(where, name), folder).replace(os.sep, "/") for name in files]
    known = set(suffixes)
    images = sorted(name for name in found if os.path.splitext(name)[1].lower() in known)
    images = images or sorted(name for name in found if not os.path.splitext(name)[1])
    tests = [name for name in images if any(part.lower().startswith("test") for part in name.split("/")[:-1])]
    return tests or images


def match(ids: Iterable[Any], names: Iterable[str], folder: str = "") -> List[Optional[str]]:
    """For each id its image: by path, by file name, and by both without suffix; None where there is none.

    An id may begin with the name of the `folder` that holds the images. Ambiguous where an id fits several.
    """
    tables = [{}, {}, {}, {}]  # type: List[Dict[str, List[str]]]
    for name in names:
        bare = os.path.splitext(name)[0]
        for table, key in zip(tables, (name, os.path.basename(name), bare, os.path.basename(bare))):
            table.setdefault(key, []).append(name)
    found = []
    for one in ids:
        plain = str(one).replace("\\", "/")
        plain = plain[2:] if plain.startswith("./") else plain
        inner = plain[len(folder) + 1 :] if folder and plain.startswith(folder + "/") else plain
        found.append(_find(plain, tables) or _find(inner, tables))
    return found


def _find(one: str, tables: Sequence[Dict[str, List[str]]]) -> Optional[str]:
    for table in tables:
        found = table.get(one, [])
        if len(found) > 1:
            shown = ", ".join(found[:5]) + (", ..." if len(found) > 5 else "")
            raise Ambiguous("an id must lead to one image, but %r fits %s" % (one, shown))
        if found:
            return found[0]
    return None


class Answers:
    """Probabilities (N, C) of N rows; a row that was never filled has the class prior."""

    def __init__(self, ids: Sequence[Any], prior: Sequence[float], say: Callable[[str], None] = print) -> None:
        self.ids = list(ids)
        self.proba = np.tile(np.asarray(prior, dtype=np.float64), (len(self.ids), 1))
        self.filled = np.zeros(len(self.ids), dtype=bool)
        self.reasons = {}  # type: Dict[int, str]
        self.say = say

    def fill(
        self,
        ask: Callable[[np.ndarray, Optional[float]], np.ndarray],
        rows: Sequence[int],
        batches: Iterator[Any],
        seconds: Optional[float] = None,
    ) -> None:
        """Fill `rows`, in the order in which the `batches` of `decode.read_batches` have them.

        ask: from images (n, S, S, 3) and the seconds they may take to probabilities (n, C). A batch that fails
        keeps the prior, and what it raised is printed. After `seconds` the rest is left with the prior.
        """
        start, done = time.time(), 0
        for batch in batches:
            places = np.asarray(rows[done : done + len(batch.images)])
            spent = time.time() - start
            if seconds is not None and done and spent * (done + len(places)) / done > seconds:
                self.say("OUT OF TIME: %d rows are left with the class prior" % (len(rows) - done))
                return
            share = None if seconds is None else (seconds - spent) * len(places) / (len(rows) - done)
            self._ask(ask, batch, places, share)
            done += len(places)

    def _ask(self, ask: Any, batch: Any, places: np.ndarray, seconds: Optional[float]) -> None:
        for what in (batch.lost, batch.repaired):
            self.reasons.update({int(places[place]): reason for place, reason in what.items()})
        good = np.array([place for place in range(len(places)) if place not in batch.lost], dtype=np.int64)
        if not len(good):
            return
        try:
            answer = np.asarray(ask(batch.images[good] if len(good) < len(places) else batch.images, seconds))
            if answer.shape != (len(good), self.proba.shape[1]) or not np.isfinite(answer).all():
                raise ValueError("probabilities must be finite %s, but are %s" % ((len(good), self.proba.shape[1]),
                                                                                  answer.shape))  # fmt: skip
        except Exception:
            self.say("FAILED: %d rows are left with the class prior\n%s" % (len(good), traceback.format_exc()))
            return
        self.proba[places[good]] = answer
        self.filled[places[good]] = True

    def lines(self) -> List[str]:
        """A line for every image that was damaged or missing: its id, why, and what it got."""
        rows = sorted(set(self.reasons) | set(np.flatnonzero(~self.filled).tolist()))
        got = {True: "decoded as far as it goes", False: "class prior"}
        return ["%s: %s (%s)" % (self.ids[row], got[bool(self.filled[row])], self.reasons.get(row, "not predicted"))
                for row in rows]  # fmt: skip
