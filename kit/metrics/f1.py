"""F1, over classes: their plain mean, or weighted by their rows."""

from __future__ import annotations

import numpy as np

from kit.metrics.metric import ratio


def macro_f1(labels: np.ndarray, proba: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean F1 over the classes that occur among labels or predictions."""
    true, found, hits = _shares(labels, proba, weights)
    size = (true + found) / 2
    there = size > 0
    rate = ratio(hits, size)
    hit, predicted = _hit(labels, proba)
    change = ratio(hit - rate[labels] / 2, size[labels]) - ratio(rate[predicted] / 2, size[predicted])
    return (rate.sum() + change) / there.sum()


def weighted_f1(labels: np.ndarray, proba: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean F1 over the classes, each weighted by its share of the rows."""
    true, found, hits = _shares(labels, proba, weights)
    size = (true + found) / 2
    rate, part = ratio(hits, size), ratio(true, size)
    hit, predicted = _hit(labels, proba)
    return rate[labels] + part[labels] * (hit - rate[labels] / 2) - part[predicted] * rate[predicted] / 2


def _hit(labels: np.ndarray, proba: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    predicted = proba.argmax(-1)
    return (predicted == labels).astype(np.float64), predicted


def _shares(labels: np.ndarray, proba: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """By class (C,): the shares of rows that are of it, that are predicted as it, and both."""
    hit, predicted = _hit(labels, proba)
    counted = [(labels, weights), (predicted, weights), (labels, weights * hit)]
    true, found, hits = (np.bincount(code, part, minlength=proba.shape[1]) for code, part in counted)
    total = weights.sum()
    return true / total, found / total, hits / total
