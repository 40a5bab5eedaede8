"""Metrics of order: ROC AUC over rows, top-k accuracy and mean average precision at k over classes."""

from __future__ import annotations

import numpy as np

CHANCE = 0.5
"""The AUC where all rows are of one class, and nothing can be ordered."""


def roc_auc(labels: np.ndarray, proba: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """AUC of the second of two classes; of more, the mean over each class against the rest that has rows."""
    classes = [1] if proba.shape[1] == 2 else range(proba.shape[1])
    found = [_one_class(labels == label, proba[:, label], weights) for label in classes]
    there = [values for values in found if values is not None]
    return np.mean(there, axis=0) if there else np.full(len(labels), CHANCE)


def _one_class(positive: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray | None:
    """Values (R,) of one AUC: a row's share of the other side that it is ordered right with, a tie for a half.

    The spread of those is DeLong's variance (1988). None where there are no rows on one side.
    """
    mass = weights[positive].sum(), weights[~positive].sum()
    if min(mass) == 0:
        return None
    right = np.empty(len(scores))
    for side, other, sign in ((positive, ~positive, 1), (~positive, positive, -1)):
        order = np.argsort(sign * scores[other], kind="stable")
        below = np.concatenate([[0.0], np.cumsum(weights[other][order])]) / weights[other].sum()
        sorted_scores = (sign * scores[other])[order]
        left, end = (np.searchsorted(sorted_scores, sign * scores[side], at) for at in ("left", "right"))
        right[side] = (below[left] + below[end]) / 2
    area = float(np.average(right[positive], weights=weights[positive]))
    share = np.where(positive, mass[0], mass[1]) / weights.sum()
    return area + (right - area) / share


def places(labels: np.ndarray, proba: np.ndarray) -> np.ndarray:
    """Place (R,) of the true class among all, the likeliest 0; of equal ones the first in order comes first."""
    own = proba[np.arange(len(labels)), labels][:, None]
    earlier = np.arange(proba.shape[1])[None] < labels[:, None]
    return ((proba > own) | ((proba == own) & earlier)).sum(axis=1)


def top_k(k: int, labels: np.ndarray, proba: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """1 where the true class is among the k likeliest."""
    return (places(labels, proba) < k).astype(np.float64)


def average_precision(k: int, labels: np.ndarray, proba: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """1 over the place of the true class where it is among the k likeliest, else 0: MAP@k of one true label."""
    place = places(labels, proba)
    return np.where(place < k, 1.0 / (place + 1), 0.0)
