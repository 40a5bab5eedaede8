"""Adversarial validation: how well a small classifier tells training images from unlabelled test images.

If it cannot, the clean out-of-fold score is what the test will show. If it can, the test is shifted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kit.shifts.apart import told_apart
from kit.shifts.descriptors import describe

ROWS = 4000
"""At most so many images of each side are looked at."""
ALIKE = 0.6
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
    def alike(self) -> bool:
        """Whether the classifier tells them apart no better than by chance, or little better."""
        return self.interval[0] <= 0.5 or self.auc < ALIKE

    @property
    def advice(self) -> str:
        """Which score to trust."""
        if self.alike:
            return "train and test look alike: trust the clean out-of-fold score"
        if self.auc < OBVIOUS:
            return "the test differs somewhat: weigh clean and shifted scores, and prefer recipes good at both"
        return "the test is plainly shifted: trust the shifted score, the clean one says little"


def compare(train: np.ndarray, test: np.ndarray, seed: int = 0) -> Adversarial:
    """Tell images `train` (N, S, S, 3) from `test` (M, S, S, 3) uint8 by their looks."""
    rng = np.random.default_rng(seed)
    rows = [np.sort(rng.permutation(len(images))[:ROWS]) for images in (train, test)]
    of_train, of_test = (describe(images[some]) for images, some in zip((train, test), rows))
    probability, auc = told_apart(of_train, of_test)
    of_train, of_test = np.split(probability, [len(rows[0])])
    first = np.argsort(-of_test, kind="stable")
    return Adversarial(
        auc=auc,
        interval=_interval(auc, len(of_test), len(of_train)),
        train_rows=rows[0][np.argsort(-of_train, kind="stable")],
        test_rows=rows[1][first],
        test_probability=of_test[first],
    )


def _interval(auc: float, positives: int, negatives: int) -> tuple[float, float]:
    one, two = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (positives - 1) * (one - auc**2) + (negatives - 1) * (two - auc**2)
    reach = 1.96 * np.sqrt(max(variance, 0) / (positives * negatives))
    return max(0.0, auc - reach), min(1.0, auc + reach)
