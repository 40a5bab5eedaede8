"""A small classifier that tells training images from test images by their looks (adversarial validation)."""

from __future__ import annotations

import numpy as np

from kit.shifts.bins import binned

FOLDS = 3
BINS = 32


def told_apart(train: np.ndarray, test: np.ndarray, weights: np.ndarray | None = None) -> tuple[np.ndarray, float]:
    """The probability (N + M,) that a row is a test image, from trees that did not learn from it, and the AUC.

    train (N, D) and test (M, D): what `describe` finds. weights: (N,) of the training rows; each side weighs the same.
    A probability of 0.5 for all, and AUC 0.5, where a side has a single row.
    """
    if min(len(train), len(test)) < 2:
        return np.full(len(train) + len(test), 0.5), 0.5
    from sklearn.ensemble import HistGradientBoostingClassifier  # a second to import, for contests with test images
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold

    both, is_test = binned(np.concatenate([train, test]), BINS), np.repeat([0, 1], [len(train), len(test)])
    weights = np.ones(len(train)) if weights is None else weights
    balanced = np.concatenate([weights / weights.sum(), np.full(len(test), 1 / len(test))]) * len(test)
    probability = np.empty(len(both))
    folds = StratifiedKFold(min(FOLDS, len(train), len(test)), shuffle=True, random_state=0)
    for seen, held_out in folds.split(both, is_test):
        trees = HistGradientBoostingClassifier(
            max_iter=30, max_leaf_nodes=8, learning_rate=0.2, max_bins=BINS, random_state=0
        )
        trees.fit(both[seen], is_test[seen], sample_weight=balanced[seen])
        probability[held_out] = trees.predict_proba(both[held_out])[:, 1]
    return probability, float(roc_auc_score(is_test, probability, sample_weight=balanced))
