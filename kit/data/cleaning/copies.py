"""What to do with images that occur more than once.

The rule:
- junk: one image in at least `junk_copies` rows whose labels contradict (the commonest has under 80 %), or identical
  in rows of three or more labels. Nobody labels one image in three ways by mistake. Only identical pixels and
  re-encodings that were verified count as one image here: near copies alone never drop a row.
- conflict: other images under several labels are flagged. Where the copies are identical and one label has
  at least two thirds of them, it wins, and the rows of the others are dropped. Without such a majority all
  rows are kept, in one fold: which label is wrong is for a person to say, or for the recipes' out-of-fold
  predictions (`kit labels`).
- duplicate: copies of an image under one label are noted and kept, since in one fold they do no harm; with
  `duplicates = "drop"` the first is kept. Near duplicates are only grouped: they are different images.
"""

from __future__ import annotations

import numpy as np

from kit.config import CleanConfig
from kit.data.cleaning.bounds import Bounds, Charge
from kit.data.cleaning.decisions import Verdicts
from kit.data.cleaning.grouping import label_counts

MAJORITY = 2 / 3
"""Share of identical copies that decides their label."""
CONTRADICTORY = 0.8
"""A much repeated image whose commonest label has less than this share is junk."""


def judge(
    ids: np.ndarray,
    labels: np.ndarray,
    images: np.ndarray,
    certain: np.ndarray,
    groups: np.ndarray,
    config: CleanConfig,
    bounds: Bounds,
    verdicts: Verdicts,
) -> None:
    """Apply the rule above to `verdicts`.

    Rows of one image have equal numbers: `images` (N,) int64 for identical pixels, `certain` for verified re-encodings
    as well, `groups` for near duplicates as well.
    """
    count = int(labels.max()) + 1
    verdicts.conflict |= ((label_counts(groups, labels, count) > 0).sum(axis=1) > 1)[groups]
    bounds.apply(_junk(labels, images, certain, config.junk_copies, count), verdicts)
    bounds.apply(_outvoted(labels, images, label_counts(images, labels, count), verdicts), verdicts)
    _open_conflicts(ids, labels, groups, verdicts)
    _duplicates(ids, labels, images, config.duplicates == "drop", verdicts)


def _junk(labels: np.ndarray, images: np.ndarray, certain: np.ndarray, least: int, count: int) -> Charge:
    counts = label_counts(certain, labels, count)
    rows, kinds, commonest = counts.sum(axis=1), (counts > 0).sum(axis=1), counts.max(axis=1)
    contradictory = (rows >= least) & (kinds > 1) & (commonest < CONTRADICTORY * rows)
    thrice = (label_counts(images, labels, count) > 0).sum(axis=1) >= 3
    junk = np.flatnonzero(contradictory[certain] | thrice[images])
    text = [f"{rows[number]} copies under {kinds[number]} labels" for number in certain[junk]]
    return Charge("junk", junk, np.array(text, dtype=object), proved=True)


def _outvoted(labels: np.ndarray, images: np.ndarray, same: np.ndarray, verdicts: Verdicts) -> Charge:
    """Identical copies under a label that a majority contradicts."""
    rows, winner = same.sum(axis=1), same.argmax(axis=1)
    settled = (same.max(axis=1) < rows) & (same.max(axis=1) >= MAJORITY * rows)
    losers = np.flatnonzero(settled[images] & (labels != winner[images]) & (verdicts.reason == ""))
    text = [f"{same[p].max()} of {rows[p]} copies have label {winner[p]}" for p in images[losers]]
    return Charge("conflict", losers, np.array(text, dtype=object), proved=True)


def _open_conflicts(ids: np.ndarray, labels: np.ndarray, groups: np.ndarray, verdicts: Verdicts) -> None:
    left = np.flatnonzero(verdicts.conflict & ~verdicts.drop)
    left = left[np.argsort(groups[left], kind="stable")]
    for rows in np.split(left, np.flatnonzero(np.diff(groups[left])) + 1):
        if len(np.unique(labels[rows])) > 1:
            shown = ", ".join(f"{ids[row]}: {labels[row]}" for row in rows[:6])
            verdicts.note(rows, f"one image, labels differ ({shown})")


def _duplicates(
    ids: np.ndarray, labels: np.ndarray, images: np.ndarray, drop: bool, verdicts: Verdicts
) -> None:
    """Identical images with one label, but for the first that is not dropped."""
    left = np.flatnonzero(~verdicts.drop)
    _, first, inverse = np.unique(
        np.stack([images[left], labels[left]], axis=1), axis=0, return_index=True, return_inverse=True
    )
    original = left[first[inverse.reshape(-1)]]
    repeats = left[original != left]
    text = [f"identical to {ids[row]}" for row in original[original != left]]
    verdicts.against(repeats, "duplicate", np.array(text, dtype=object), drop)
