"""What to do with images that occur more than once.

The rule:
- junk: an image, identical or nearly so, in at least `junk_copies` rows whose labels contradict (the
  commonest has under 80 %); or identical in rows of three or more labels. Nobody labels one image in three
  ways by mistake: all rows are dropped.
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
    groups: np.ndarray,
    config: CleanConfig,
    verdicts: Verdicts,
) -> None:
    """Apply the rule above to `verdicts`.

    `images` (N,) int64 are equal for identical images, `groups` (N,) int64 for near duplicates as well.
    """
    counts = label_counts(groups, labels, int(labels.max()) + 1)
    rows, kinds, commonest = counts.sum(axis=1), (counts > 0).sum(axis=1), counts.max(axis=1)
    same = label_counts(images, labels, counts.shape[1])
    contradictory = (rows >= config.junk_copies) & (kinds > 1) & (commonest < CONTRADICTORY * rows)
    junk = contradictory[groups] | ((same > 0).sum(axis=1) >= 3)[images]
    verdicts.conflict |= (kinds > 1)[groups]
    text = [f"{rows[g]} copies under {kinds[g]} labels" for g in groups[junk]]
    verdicts.against(np.flatnonzero(junk), "junk", np.array(text, dtype=object))
    _outvoted(labels, images, same, verdicts)
    _open_conflicts(ids, labels, groups, verdicts)
    _duplicates(ids, labels, images, config.duplicates == "drop", verdicts)


def _outvoted(labels: np.ndarray, images: np.ndarray, same: np.ndarray, verdicts: Verdicts) -> None:
    """Identical copies under a label that a majority contradicts."""
    rows, winner = same.sum(axis=1), same.argmax(axis=1)
    settled = (same.max(axis=1) < rows) & (same.max(axis=1) >= MAJORITY * rows)
    losers = np.flatnonzero(settled[images] & (labels != winner[images]) & ~verdicts.drop)
    text = [f"{same[p].max()} of {rows[p]} copies have label {winner[p]}" for p in images[losers]]
    verdicts.against(losers, "conflict", np.array(text, dtype=object))


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
