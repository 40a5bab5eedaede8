"""Scores on clean and shifted rows, with standard errors that own up to how the rows hang together.

Every metric is written as the mean of one value a row (see `kit/metrics/metric.py`), so that one formula gives the
standard error of a score, and of a difference of two scores. Rows of one group (patient, copies) count together.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kit.metrics.registry import get_metric

FLOOR = 1e-7
"""Smallest probability a log loss sees; float32 networks predict exactly 0 of impossible classes."""


@dataclass(frozen=True)
class Score:
    """One predictor's scores; those on shifted rows are None where the pool has none.

    `clean` and `shifted` are in the contest's metric, `*_se` their standard errors over rows (and, shifted,
    over operators); `log_loss` in nats; `worst_family` has the worst shifted score, `worst`.
    """

    clean: float
    clean_se: float
    macro_f1: float
    log_loss: float
    shifted: float | None = None
    shifted_se: float | None = None
    shifted_macro_f1: float | None = None
    shifted_log_loss: float | None = None
    worst_family: str | None = None
    worst: float | None = None
    greater_is_better: bool = True
    """Whether the larger `clean`, `shifted` and `worst` are better."""

    def gain(self, expects: str) -> float:
        """The selection score so that larger is better: a loss negated."""
        return self.selection(expects) if self.greater_is_better else -self.selection(expects)

    def selection(self, expects: str) -> float:
        """The score that members and kinds are chosen by: what the hidden test is expected to look like.

        Not a mean of clean and shifted: clean scores of good recipes differ by less than their noise, so
        mixing them in only blurs the one score that told hidden ranks apart; they guard the choice instead.
        """
        return self.shifted if expects == "shifted" and self.shifted is not None else self.clean

    def to_json(self) -> dict[str, Any]:
        """Plain values for blend.json."""
        return asdict(self)


def row_se(values: np.ndarray, groups: np.ndarray | None = None) -> float:
    """Standard error of the mean of values (R,) over rows, or over groups (R,) int of rows that hang together."""
    if groups is None:
        groups = np.arange(len(values))
    sums = np.bincount(groups, values - values.mean())
    count = len(np.unique(groups))
    return float(np.sqrt((sums**2).sum() * count / (count - 1)) / len(values)) if count > 1 else 0.0


def shifted_se(
    values: np.ndarray, operators: np.ndarray, weights: np.ndarray | None = None, groups: np.ndarray | None = None
) -> float:
    """Standard error of the mean of values (N, K) over rows *and* operators (N, K) int, clustered both ways.

    weights: (N, K) of mean 1, where it is a weighted mean. groups: (N,) int, of rows that hang together.

    Cameron, Gelbach & Miller (2011): variance over rows, plus over operators, less over single values, which
    both count. Never below the larger of the two.
    """
    size = values.size
    error = (values - values.mean()) / size
    counted = operators
    if weights is not None:
        error = weights * (values - (weights * values).mean()) / size
        counted = operators[weights > 0]
    by_row = error.sum(axis=1) if groups is None else np.bincount(groups, error.sum(axis=1))
    by_operator = np.bincount(operators.ravel(), weights=error.ravel())
    rows, count = float((by_row**2).sum()), len(np.unique(counted))
    over_operators = float((by_operator**2).sum()) * count / max(count - 1, 1) if count > 1 else 0.0
    both = rows + over_operators - float((error**2).sum())
    return float(np.sqrt(max(both, rows, over_operators)))


def log_losses(proba: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Log loss in nats of every row: proba (..., R, C), labels (R,) -> (..., R)."""
    picked = np.take_along_axis(proba, labels[..., None].reshape((1,) * (proba.ndim - 2) + (-1, 1)), axis=-1)
    return -np.log(np.maximum(picked[..., 0], FLOOR))


def families(cell_names: tuple[str, ...]) -> list[str]:
    """The family of each cell: "blur.motion@3" -> "blur"."""
    return [name.partition(".")[0] for name in cell_names]


def operators(cell_names: tuple[str, ...]) -> list[str]:
    """The operator of each cell, its severity cut off: "blur.motion@3" -> "blur.motion"."""
    return [name.partition("@")[0] for name in cell_names]


def numbered(names: list[str]) -> np.ndarray:
    """Names as integers, equal names alike."""
    return np.unique(names, return_inverse=True)[1]


def family_scores(
    metric: str, labels: np.ndarray, proba: np.ndarray, cells: np.ndarray, cell_names: tuple[str, ...]
) -> dict[str, float]:
    """The metric of labels (N,) and proba (N, K, C) by shift family of cells (N, K)."""
    found, wanted = families(cell_names), get_metric(metric)
    code = numbered(found)[cells]
    scores = {}
    for number, family in enumerate(sorted(set(found))):
        seen = code == number
        if seen.any():
            scores[family] = wanted.score(np.repeat(labels, cells.shape[1])[seen.ravel()], proba[seen])
    return scores


def score(
    proba: np.ndarray,
    labels: np.ndarray,
    cells: np.ndarray,
    cell_names: tuple[str, ...],
    metric: str = "accuracy",
    weights: np.ndarray | None = None,
    groups: np.ndarray | None = None,
) -> Score:
    """Scores of proba (N, 1 + K, C): each row's clean image, then its K shifted ones, cells (N, K).

    weights: (N, K) of mean 1, of the shifted images in the shifted scores; families are not weighed inside.
    groups: (N,) int, of rows that hang together.
    """
    clean, wanted = proba[:, 0], get_metric(metric)
    values = wanted.row_values(labels, clean)
    base: dict[str, Any] = {
        "clean": float(values.mean()),
        "clean_se": row_se(values, groups),
        "macro_f1": get_metric("macro_f1").score(labels, clean),
        "log_loss": float(log_losses(clean, labels).mean()),
        "greater_is_better": wanted.greater_is_better,
    }
    if proba.shape[1] == 1:
        return Score(**base)
    return Score(**base, **_shifted(proba[:, 1:], labels, cells, cell_names, metric, weights, groups))


def _shifted(
    proba: np.ndarray,
    labels: np.ndarray,
    cells: np.ndarray,
    cell_names: tuple[str, ...],
    metric: str,
    weights: np.ndarray | None,
    groups: np.ndarray | None,
) -> dict[str, Any]:
    wanted = get_metric(metric)
    share = np.ones(cells.shape) if weights is None else weights
    flat, repeated = proba.reshape(-1, proba.shape[-1]), np.repeat(labels, proba.shape[1])
    values = wanted.row_values(labels, proba, weights)
    by_family = family_scores(metric, labels, proba, cells, cell_names)
    worst = min(by_family, key=lambda family: wanted.sign * by_family[family])
    return {
        "shifted": float((share * values).mean()),
        "shifted_se": shifted_se(values, numbered(operators(cell_names))[cells], weights, groups),
        "shifted_macro_f1": get_metric("macro_f1").score(labels, proba, weights),
        "shifted_log_loss": float((share.ravel() * log_losses(flat, repeated)).mean()),
        "worst_family": worst,
        "worst": by_family[worst],
    }
