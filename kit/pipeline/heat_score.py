"""What a heat is scored by: a share like accuracy, of which learning curves can be drawn, and that tells recipes apart.

Where nearly all rows are of one class, every network is right about them, whatever it has learnt: two classes are then
scored by the AUC, and a contest that counts classes alike by the mean of their recalls. Guessing has 1 over the number
of classes under each.
"""

from __future__ import annotations

import numpy as np

from kit.metrics.registry import get_metric
from kit.situation.balance import BY_CLASSES

BY_ROWS = ("accuracy", "micro_f1", "weighted_f1")
"""Metrics in which a class counts by its rows."""
UNEVEN = 0.75
"""Share of the larger of two classes from which accuracy says little."""


def measure_of(metric: str, labels: np.ndarray, classes: int) -> str:
    """accuracy, balanced_accuracy or roc_auc, for a contest judged by `metric` with labels (N,)."""
    uneven = np.bincount(labels).max() > UNEVEN * len(labels)
    if classes == 2 and (metric == "roc_auc" or (uneven and metric not in BY_ROWS)):
        return "roc_auc"
    return "balanced_accuracy" if metric in BY_CLASSES else "accuracy"


def measured(measure: str, labels: np.ndarray, logits: np.ndarray) -> float:
    """The measure of logits (n, V, C), the mean of the views taken."""
    mean = logits.astype(np.float64).mean(axis=1)
    proba = np.exp(mean - mean.max(axis=1, keepdims=True))
    return get_metric(measure).score(labels, proba / proba.sum(axis=1, keepdims=True))


def worth(measure: str, labels: np.ndarray) -> int:
    """How many rows of accuracy a score of these rows is worth: with few of one class, not many."""
    if measure == "accuracy":
        return len(labels)
    counts = np.unique(labels, return_counts=True)[1]
    return max(1, round(len(counts) ** 2 / float((1 / counts).sum())))


def drawn(rows: np.ndarray, labels: np.ndarray, count: int) -> np.ndarray:
    """`count` of `rows`, whose order is random, with labels (N,) of all, evenly from all classes."""
    own = labels[rows]
    turn = np.zeros(len(rows), dtype=np.int64)
    for label in np.unique(own):
        turn[own == label] = np.arange((own == label).sum())
    return rows[np.argsort(turn, kind="stable")][:count]
