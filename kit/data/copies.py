"""What to do with pictures that occur more than once.

The rule, for a group of rows that show one picture (identical, or near duplicates):
- junk: at least `junk_copies` rows whose labels contradict (the commonest has under 80 %), or at least three
  rows with three different labels. Nobody labels one picture in three ways by mistake; all rows are dropped.
- conflict: other groups with several labels; flagged. A label with at least two thirds of the rows wins, the
  rows of the others are dropped. Without such a majority all rows are kept in one fold, unless the pictures
  most like it decide (see `neighbours`): two rows with one label each may both be wrong, and dropping a hard
  cell costs more than keeping it.
- duplicates: identical pictures with one label; the first row is kept, since the others add weight and no
  information. Near duplicates are only grouped: they are different pictures, and harm nothing as long as one
  fold holds them.
"""

from __future__ import annotations

import numpy as np

from kit.config import CleanConfig
from kit.data.decisions import Verdicts
from kit.data.grouping import label_counts

MAJORITY = 2 / 3
"""Share of a group's rows that decides its label."""
CONTRADICTORY = 0.8
"""A much repeated picture whose commonest label has less than this share is junk."""


def judge(
    ids: np.ndarray,
    labels: np.ndarray,
    pictures: np.ndarray,
    groups: np.ndarray,
    config: CleanConfig,
    verdicts: Verdicts,
) -> None:
    """Apply the rule above to `verdicts`; `groups` and `pictures` are (N,) int64 numbers."""
    counts = label_counts(groups, labels, int(labels.max()) + 1)
    rows, kinds, commonest = counts.sum(axis=1), (counts > 0).sum(axis=1), counts.max(axis=1)
    contradictory = (rows >= config.junk_copies) & (kinds > 1) & (commonest < CONTRADICTORY * rows)
    junk = contradictory | (kinds >= 3)
    verdicts.conflict |= (kinds > 1)[groups]
    members = np.flatnonzero(junk[groups])
    text = [f"{rows[g]} copies under {kinds[g]} labels" for g in groups[members]]
    verdicts.against(members, "junk", np.array(text, dtype=object))
    settled = ~junk & (kinds > 1) & (commonest >= MAJORITY * rows)
    losers = np.flatnonzero(settled[groups] & (labels != counts.argmax(axis=1)[groups]))
    text = [f"{commonest[g]} of {rows[g]} copies have label {counts[g].argmax()}" for g in groups[losers]]
    verdicts.against(losers, "conflict", np.array(text, dtype=object))
    _open_conflicts(ids, labels, groups, ~junk & (kinds > 1) & ~settled, verdicts)
    _duplicates(ids, labels, pictures, verdicts)


def _open_conflicts(
    ids: np.ndarray, labels: np.ndarray, groups: np.ndarray, still: np.ndarray, verdicts: Verdicts
) -> None:
    for group in np.flatnonzero(still):
        rows = np.flatnonzero(groups == group)
        shown = ", ".join(f"{ids[row]}: {labels[row]}" for row in rows[:6])
        verdicts.note(rows, f"one picture, labels differ ({shown})")


def _duplicates(ids: np.ndarray, labels: np.ndarray, pictures: np.ndarray, verdicts: Verdicts) -> None:
    """Identical pictures with one label: the first that is not dropped stays."""
    left = np.flatnonzero(~verdicts.drop)
    _, first, inverse = np.unique(
        np.stack([pictures[left], labels[left]], axis=1), axis=0, return_index=True, return_inverse=True
    )
    original = left[first[inverse.reshape(-1)]]
    repeats = left[original != left]
    text = [f"identical to {ids[row]}" for row in original[original != left]]
    verdicts.against(repeats, "duplicate", np.array(text, dtype=object))
