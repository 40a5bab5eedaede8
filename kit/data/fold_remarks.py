"""What there is to know of folds: uneven classes, classes that are too rare, how much scores over them are worth."""

from __future__ import annotations

import numpy as np
import pandas as pd

from kit.data.fold_kinds import INNER

WELL_KNOWN = 2500
"""Scored rows from which an accuracy's standard error is at most one point."""


def uneven(folds: np.ndarray, labels: np.ndarray, class_names: tuple[str, ...]) -> list[str]:
    """Remarks on classes whose share in some fold is more than one image off even."""
    if (folds == INNER).any() or folds.max() < 1:
        return []
    labels, folds = labels[folds >= 0], folds[folds >= 0]
    counts = np.zeros((int(labels.max()) + 1, int(folds.max()) + 1), dtype=np.int64)
    np.add.at(counts, (labels, folds), 1)
    even = counts.sum(axis=1, keepdims=True) / counts.shape[1]
    off = np.abs(counts - even).max(axis=1)
    return [
        f"class {class_names[label] if class_names else label}: {off[label]:.1f} images off even in some fold "
        f"({counts[label].tolist()}); as its groups or the fold column have it"
        for label in np.flatnonzero(off > 1)
    ]


def rare(table: pd.DataFrame, labels: np.ndarray, class_names: tuple[str, ...]) -> list[str]:
    """Remarks on classes of fewer groups than folds: which are scored in some folds, and which in none."""
    folds, groups = table["fold"].to_numpy(), table["group"].to_numpy()
    some, none = [], []
    for label in np.unique(labels):
        own = labels == label
        name = class_names[label] if class_names else str(label)
        held = len(np.unique(folds[own & (folds >= 0)]))
        if not held:
            none.append(f"{name} ({own.sum()})")
        elif len(np.unique(groups[own])) <= folds.max() and held <= folds.max():
            some.append(f"{name} ({own.sum()} rows, {held} folds)")
    remarks = []
    if some:
        remarks.append(f"{len(some):,} classes of fewer rows than folds are scored in some folds only: {_few(some)}")
    if none:
        remarks.append(
            f"{len(none):,} classes stay in training and are not scored, as their rows hang together or are too few: "
            f"{_few(none)}"
        )
    return remarks


def _few(names: list[str]) -> str:
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")


def worth(table: pd.DataFrame, labels: np.ndarray) -> str:
    """How much a score over the held-out rows can say, in words; empty where that is enough."""
    held = table["fold"].to_numpy() >= 0
    rows = int(held.sum())
    if rows >= WELL_KNOWN:
        return ""
    counts = np.bincount(labels[held])
    least = int(counts[counts > 0].min())
    error, of_class = 50 / rows**0.5, 50 / least**0.5
    return (
        f"{rows:,} rows are scored: an accuracy has a standard error of up to {error:.1f} points, that of a class of "
        f"{least:,} rows up to {of_class:.0f}; recipes less than {2.8 * error:.0f} points apart cannot be told apart "
        "for sure"
    )
