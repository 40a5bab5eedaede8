"""Whether predicted labels tell more than guessing would, however uneven the classes are."""

from __future__ import annotations

import numpy as np

SURELY = 3.0
"""Standard errors by which the mean recall must lie above that of guessing."""
COMMON, NEAR = 0.75, 0.05
"""Share of one class from which a good submission may predict little else, and how far below it may be right."""


def mean_recall(labels: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Mean over the classes that are there of the share that is right, and its standard error; both (N,) int64.

    Guessing has 1 over the number of classes, whatever their rows.
    """
    counts = np.bincount(truth)
    present = counts > 0
    recall = np.bincount(truth[labels == truth], minlength=len(counts))[present] / counts[present]
    error = np.sqrt((recall * (1 - recall) / counts[present]).sum()) / present.sum()
    return float(recall.mean()), float(error)


def better_than_guessing(labels: np.ndarray, truth: np.ndarray) -> bool:
    """Whether labels (N,) say more of `truth` (N,) than guessing, as far as can be told.

    Where nearly all images are of one class, a submission that is scored by ranks or by all rows may predict it alone.
    """
    recall, error = mean_recall(labels, truth)
    guess = np.bincount(truth).max() / len(truth)
    common = guess >= COMMON and (labels == truth).mean() >= guess - NEAR
    return bool(recall - SURELY * error > 1 / len(np.unique(truth)) or common)
