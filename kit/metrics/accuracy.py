"""Accuracy, and its mean over classes."""

from __future__ import annotations

import numpy as np

from kit.metrics.metric import ratio, shares


def accuracy(labels: np.ndarray, proba: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """1 where the likeliest class is the true one, else 0."""
    return (proba.argmax(-1) == labels).astype(np.float64)


def balanced_accuracy(labels: np.ndarray, proba: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean recall over the classes that have rows."""
    classes = proba.shape[1]
    hit = (proba.argmax(-1) == labels).astype(np.float64)
    true = shares(labels, weights, classes)
    recall = ratio(np.bincount(labels, weights * hit, minlength=classes) / weights.sum(), true)
    there = (true > 0).sum()
    return (recall.sum() + ratio(hit - recall[labels], true[labels])) / there
