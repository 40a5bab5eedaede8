"""A metric: what it makes of labels and probabilities, row by row, and which way is better.

Every metric is written as the weighted mean of one value a row: the metric itself plus the row's influence on it
(Hampel, 1974). For a mean over rows, such as accuracy, that is exact; for the others it is the delta method. The
mean of the values is the metric, their spread its standard error, and the spread of a difference that of two
predictors on the same rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

Values = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""Labels (R,), probabilities (R, C) and weights (R,) of mean 1 to values (R,), whose weighted mean is the metric."""


@dataclass(frozen=True)
class Metric:
    """One metric.

    title: in words. low, high: its bounds, None where it has none. takes: what is submitted under it. post: the
    post-processing of a blend that it rewards, "" for none (`kit/ensemble/kinds/post.py`).
    """

    name: str
    title: str
    values: Values
    greater_is_better: bool = True
    low: float | None = 0.0
    high: float | None = 1.0
    takes: Literal["labels", "probabilities"] = "labels"
    by_row: bool = True
    """Whether `values` tell how a row's own prediction moves the score, and not only how far rows move it."""
    post: Literal["", "offsets", "grades", "calibration"] = ""

    def row_values(self, labels: np.ndarray, proba: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        """Values (N, ...) of images with labels (N,), seen as proba (N, ..., C); weights (N, ...) of mean 1."""
        shape = proba.shape[:-1]
        repeated = np.repeat(labels, int(np.prod(shape[1:])))
        share = np.ones(len(repeated)) if weights is None else weights.reshape(-1)
        return self.values(repeated, proba.reshape(-1, proba.shape[-1]), share).reshape(shape)

    def score(self, labels: np.ndarray, proba: np.ndarray, weights: np.ndarray | None = None) -> float:
        """The metric of labels (N,) and proba (N, ..., C)."""
        values = self.row_values(labels, proba, weights)
        return float(values.mean() if weights is None else (weights * values).mean())

    @property
    def sign(self) -> int:
        """What a score is multiplied by so that larger is better."""
        return 1 if self.greater_is_better else -1

    def clipped(self, scores: np.ndarray | float) -> np.ndarray:
        """Scores kept within the metric's bounds."""
        low, high = (-np.inf if self.low is None else self.low), (np.inf if self.high is None else self.high)
        return np.clip(scores, low, high)


def shares(codes: np.ndarray, weights: np.ndarray, classes: int) -> np.ndarray:
    """Weighted share (C,) of each class among codes (R,)."""
    return np.bincount(codes, weights, minlength=classes) / weights.sum()


def ratio(over: np.ndarray, under: np.ndarray) -> np.ndarray:
    """Quotients; 0 where nothing is divided by nothing."""
    return np.divide(over, under, out=np.zeros_like(over), where=under > 0)
