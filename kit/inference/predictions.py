"""Predictions for test images that come in batches: flat memory, in time, complete whatever happens.

Imports numpy alone, because it travels in the zip of a notebook beside `decode.py`. Syntax: Python 3.7.
"""

from __future__ import annotations

import time
import traceback
from typing import Any, Callable, Iterator, List, Optional, Sequence

import numpy as np

BATCH_BYTES = 24 << 20
"""Of the images that are held at once."""


def rows_a_batch(size: int) -> int:
    """Images of that height and width that are read at once."""
    return int(min(4096, max(64, BATCH_BYTES // (3 * size * size))))


class Predictions:
    """Probabilities (N, C) of N rows; a row that was never filled has the class prior."""

    def __init__(self, ids: Sequence[Any], prior: Sequence[float], say: Callable[[str], None] = print) -> None:
        self.ids = list(ids)
        self.proba = np.tile(np.asarray(prior, dtype=np.float64), (len(self.ids), 1))
        self.filled = np.zeros(len(self.ids), dtype=bool)
        self.reasons = {}  # type: dict[int, str]
        self.say = say

    def fill(
        self,
        predict: Callable[[np.ndarray, Optional[float]], np.ndarray],
        rows: Sequence[int],
        batches: Iterator[Any],
        seconds: Optional[float] = None,
    ) -> None:
        """Fill `rows`, in the order in which the `batches` of `decode.read_batches` have them.

        predict: from images (n, S, S, 3) and the seconds they may take to probabilities (n, C). A batch that fails
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
            self._predict(predict, batch, places, share)
            done += len(places)

    def _predict(self, predict: Any, batch: Any, places: np.ndarray, seconds: Optional[float]) -> None:
        for what in (batch.lost, batch.repaired):
            self.reasons.update({int(places[place]): reason for place, reason in what.items()})
        good = np.array([place for place in range(len(places)) if place not in batch.lost], dtype=np.int64)
        if not len(good):
            return
        try:
            found = np.asarray(predict(batch.images[good] if len(good) < len(places) else batch.images, seconds))
            if found.shape != (len(good), self.proba.shape[1]) or not np.isfinite(found).all():
                raise ValueError("probabilities must be finite %s, but are %s" % ((len(good), self.proba.shape[1]),
                                                                                  found.shape))  # fmt: skip
        except Exception:
            self.say("FAILED: %d rows are left with the class prior\n%s" % (len(good), traceback.format_exc()))
            return
        self.proba[places[good]] = found
        self.filled[places[good]] = True

    def lines(self) -> List[str]:
        """A line for every image that was damaged or missing: its id, why, and what it got."""
        rows = sorted(set(self.reasons) | set(np.flatnonzero(~self.filled).tolist()))
        got = {True: "decoded as far as it goes", False: "class prior"}
        return ["%s: %s (%s)" % (self.ids[row], got[bool(self.filled[row])], self.reasons.get(row, "not predicted"))
                for row in rows]  # fmt: skip
