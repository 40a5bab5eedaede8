"""Adversarial validation: how well a small classifier tells training images from unlabelled test images.

If it cannot, the clean out-of-fold score is what the test will show. If it can, the test is shifted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold

from kit.shifts.descriptors import describe

ROWS = 4000
"""At most so many images of each side are looked at."""
SEEN_THROUGH = 0.6
"""AUC up to which train and test count as alike."""
OBVIOUS = 0.8
"""AUC from which the clean score says little."""


@dataclass(frozen=True)
class Adversarial:
    """How far train and test differ."""

    auc: float
    interval: tuple[float, float]
    """95 %, by Hanley and McNeil (1982)."""
    train_rows: np.ndarray
    """Row numbers of training images, those most like the test first."""
    test_rows: np.ndarray
    """Row numbers of test images, those least like the training first."""
    test_probability: np.ndarray
    """Probability of being a test image, in the order of `test_rows`."""

    @property
    def advice(self) -> str:
        """Which score to trust."""
        if self.interval[0] <= 0.5 or self.auc < SEEN_THROUGH:
            return "train and test look alike: trust the clean out-of-fold score"
        if self.auc < OBVIOUS:
            return "the test differs somewhat: weigh clean and shifted scores, and prefer recipes good at both"
        return "the test is plainly shifted: trust the shifted score, the clean one says little"


def compare(train: np.ndarray, test: np.ndarray, seed: int = 0) -> Adversarial:
    """Tell images `train` (N, S, S, 3) from `test` (M, S, S, 3) uint8 by looks, five-fold out of fold."""
    rng = np.random.default_rng(seed)
    rows = [np.sort(rng.permutation(len(images))[:ROWS]) for images in (train, test)]
    features = np.concatenate([describe(images[some]) for images, some in zip((train, test), rows)])
    is_test = np.repeat([0, 1], [len(some) for some in rows])
    probability = _out_of_fold(features, is_test, seed)
    auc = float(roc_auc_score(is_test, probability))
    of_train, of_test = probability[is_test == 0], probability[is_test == 1]
    first = np.argsort(-of_test, kind="stable")
    return Adversarial(
        auc=auc,
        interval=_interval(auc, len(of_test), len(of_train)),
        train_rows=rows[0][np.argsort(-of_train, kind="stable")],
        test_rows=rows[1][first],
        test_probability=of_test[first],
    )


def _out_of_fold(features: np.ndarray, is_test: np.ndarray, seed: int) -> np.ndarray:
    probability = np.empty(len(features))
    splitter = StratifiedKFold(min(5, int(np.bincount(is_test).min())), shuffle=True, random_state=seed)
    for seen, held_out in splitter.split(features, is_test):
        trees = HistGradientBoostingClassifier(
            max_iter=80, max_leaf_nodes=15, class_weight="balanced", random_state=seed
        )
        trees.fit(features[seen], is_test[seen])
        probability[held_out] = trees.predict_proba(features[held_out])[:, 1]
    return probability


def _interval(auc: float, positives: int, negatives: int) -> tuple[float, float]:
    one, two = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (positives - 1) * (one - auc**2) + (negatives - 1) * (two - auc**2)
    reach = 1.96 * np.sqrt(max(variance, 0) / (positives * negatives))
    return max(0.0, auc - reach), min(1.0, auc + reach)
