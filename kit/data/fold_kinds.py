"""The ways of assigning folds: k-fold over groups, a fixed holdout, a column of the user's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kit.config import FoldsConfig
from kit.data.vault import VAULT
from kit.errors import DataError

if TYPE_CHECKING:
    from sklearn.model_selection import StratifiedGroupKFold

TRAIN_ONLY = -1
"""Rows in every training part."""
INNER = -2
"""Rows that early stopping may watch: neither trained on nor scored."""
PART_NAMES = {TRAIN_ONLY: "train only", INNER: "inner validation", VAULT: "vault"}
"""What those fold numbers are called."""


def group_kfold(
    labels: np.ndarray, groups: np.ndarray, n_splits: int, shuffle: bool, seed: int, names: tuple[str, ...]
) -> np.ndarray:
    """Folds (N,) int64: groups of several rows by scikit-learn's StratifiedGroupKFold, single rows to even
    out.

    Where single rows suffice, every class is within one image of even in every fold, which
    StratifiedGroupKFold alone does not promise. Without `shuffle` single rows are taken in blocks, in their
    order. A class of fewer groups than folds is held out in as many folds as it has groups; one of a single group
    stays in training (`keep_trained`). DataError where that leaves a fold empty.
    """
    sizes = np.bincount(groups)
    large = sizes[groups] > 1
    folds = np.full(len(labels), -1, dtype=np.int64)
    if large.any():
        folds[large] = _large_groups(labels[large], groups[large], n_splits, shuffle, seed)
    order = np.random.default_rng(seed).permutation(len(labels)) if shuffle else np.arange(len(labels))
    totals = np.bincount(folds[large], minlength=n_splits)
    for label in range(len(names)):
        taken = np.bincount(folds[large & (labels == label)], minlength=n_splits)
        rows = order[(labels[order] == label) & ~large[order]]
        counts = _fill(taken, len(rows), totals)
        folds[rows] = np.repeat(np.arange(n_splits), counts)
        totals = totals + counts
    folds = keep_trained(folds, labels, groups)
    _enough(folds, groups, n_splits)
    return folds


def keep_trained(folds: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Folds (N,) in which no class is held out whole: where one part holds all its rows, their groups only train.

    A class of few groups is so scored where some of it is left to train on, and else stays in training.
    """
    folds = folds.copy()
    while True:
        lacking = [label for label in np.unique(labels) if _never_trained(folds[labels == label])]
        if not lacking:
            return folds
        folds[np.isin(groups, groups[np.isin(labels, lacking)])] = TRAIN_ONLY


def _never_trained(folds: np.ndarray) -> bool:
    """Whether some network would predict rows of a class of which it saw none, by the folds of its rows."""
    held = np.unique(folds[folds >= 0])
    return len(held) == 1 and not (folds == TRAIN_ONLY).any()


def _enough(folds: np.ndarray, groups: np.ndarray, n_splits: int) -> None:
    filled = len(np.unique(folds[folds >= 0]))
    if filled < n_splits:
        count = len(np.unique(groups))
        what = f"Set [folds] n_splits = {filled}" if filled >= 2 else "Add images that are no copies of each other"
        raise DataError(
            f"folds: n_splits = {n_splits} held-out parts need rows each, but {count:,} groups of rows fill "
            f"{filled} (classes whose rows all hang together stay in training). {what}."
        )


def _large_groups(labels: np.ndarray, groups: np.ndarray, n_splits: int, shuffle: bool, seed: int) -> np.ndarray:
    """Folds of the rows in groups of several; too few groups, or classes, for scikit-learn go round robin."""
    from sklearn.model_selection import StratifiedGroupKFold  # slow to import, and folds are mostly there

    _, numbers = np.unique(groups, return_inverse=True)
    if numbers.max() + 1 < n_splits or np.bincount(labels).max() < n_splits:
        return numbers.astype(np.int64) % n_splits
    splitter = StratifiedGroupKFold(n_splits, shuffle=shuffle, random_state=seed if shuffle else None)
    folds = np.empty(len(labels), dtype=np.int64)
    for fold, (_, held_out) in enumerate(_quiet_split(splitter, labels, numbers)):
        folds[held_out] = fold
    return folds


def _quiet_split(
    splitter: StratifiedGroupKFold, labels: np.ndarray, groups: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """scikit-learn's splits; classes rarer than folds among these rows are joined, since it warns about
    them.
    """
    counts = np.bincount(labels)
    joined = np.where(counts[labels] < splitter.n_splits, int(counts.argmax()), labels)
    return list(splitter.split(np.zeros(len(labels)), joined, groups))


def _fill(taken: np.ndarray, rows: int, totals: np.ndarray) -> np.ndarray:
    """How many of `rows` each fold gets, so that `taken` plus these are even and spare ones go to small
    folds.
    """
    level = (int(taken.sum()) + rows) // len(taken)
    while np.maximum(level - taken, 0).sum() > rows:
        level -= 1
    counts = np.maximum(level - taken, 0)
    for _ in range(rows - int(counts.sum())):
        loads = taken + counts
        lowest = np.flatnonzero(loads == loads.min())
        counts[lowest[np.argmin((totals + counts)[lowest])]] += 1
    return counts


def holdout(
    labels: np.ndarray, groups: np.ndarray, config: FoldsConfig, seed: int, names: tuple[str, ...]
) -> np.ndarray:
    """Folds (N,) int64 of a fixed holdout: 0 is scored, the rest trains; of three shares the second is
    `INNER`.

    Each class is cut by the shares; a group goes where its first row goes, so coarse groups make them rough.
    """
    _, first = np.unique(groups, return_index=True)
    order = np.random.default_rng(seed).permutation(first) if config.shuffle else np.sort(first)
    parts = [TRAIN_ONLY, INNER, 0] if len(config.shares) == 3 else [TRAIN_ONLY, 0]
    of_group = np.empty(len(first), dtype=np.int64)
    for label in range(len(names)):
        rows = order[labels[order] == label]
        cuts = np.round(np.cumsum(config.shares)[:-1] * len(rows)).astype(int)
        for part, piece in zip(parts, np.split(rows, cuts)):
            of_group[groups[piece]] = part
    folds = keep_trained(of_group[groups], labels, groups)
    _enough(folds, groups, 1)
    return folds


def from_column(column: np.ndarray | None, config: FoldsConfig) -> np.ndarray:
    """Folds (N,) int64 from the user's own column: fold numbers, or the names of `held_out` and `inner`
    splits.
    """
    if column is None:
        raise DataError('[folds] kind = "column" needs a column: set [data] fold_column, or splits for MedMNIST.')
    values = np.unique(column)
    if all(value.isdigit() for value in values):
        return np.unique(column.astype(np.int64), return_inverse=True)[1].reshape(-1).astype(np.int64)
    folds = np.full(len(column), TRAIN_ONLY, dtype=np.int64)
    folds[np.isin(column, config.inner)] = INNER
    folds[np.isin(column, config.held_out)] = 0
    if not (folds == 0).any():
        raise DataError(
            f"[folds] held_out must name a value of the fold column ({', '.join(values[:10])}), "
            f"but got {', '.join(config.held_out) or 'nothing'}."
        )
    return folds
