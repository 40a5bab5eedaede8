"""Agreement beyond chance: quadratic weighted kappa, and Matthews' correlation."""

from __future__ import annotations

import numpy as np

from kit.metrics.metric import shares


def quadratic_kappa(labels: np.ndarray, proba: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Cohen's kappa of ordered classes, a miss weighted by its squared distance; 0 where there is but one class."""
    classes = proba.shape[1]
    predicted = proba.argmax(-1)
    true, found = shares(labels, weights, classes), shares(predicted, weights, classes)
    apart = np.subtract.outer(np.arange(classes), np.arange(classes)).astype(np.float64) ** 2
    missed = apart[labels, predicted]
    seen = float(np.average(missed, weights=weights))
    chance = float(true @ apart @ found)
    if chance == 0:
        return np.zeros(len(labels))
    by_chance = (apart @ found)[labels] + (true @ apart)[predicted]
    return 1 - seen / chance - (missed - seen) / chance + seen * (by_chance - 2 * chance) / chance**2


def matthews(labels: np.ndarray, proba: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Correlation of labels and predictions (Gorodkin, 2004, of many classes); 0 where one of them is constant."""
    classes = proba.shape[1]
    predicted = proba.argmax(-1)
    hit = (predicted == labels).astype(np.float64)
    true, found = shares(labels, weights, classes), shares(predicted, weights, classes)
    both = float(np.average(hit, weights=weights) - true @ found)
    spread = 1 - float(true @ true), 1 - float(found @ found)
    if min(spread) <= 1e-12:
        return np.zeros(len(labels))
    scale = (spread[0] * spread[1]) ** 0.5
    mean = both / scale
    change = hit - np.average(hit, weights=weights) - found[labels] - true[predicted] + 2 * float(true @ found)
    narrower = (true[labels] - true @ true) / spread[0] + (found[predicted] - found @ found) / spread[1]
    return mean + change / scale + mean * narrower
