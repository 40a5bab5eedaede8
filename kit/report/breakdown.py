"""A score taken apart: by family and severity of shift, by class, by row."""

from __future__ import annotations

import numpy as np

from kit.ensemble.pool import Pool
from kit.ensemble.scoring.scores import family_scores
from kit.metrics.registry import get_metric


def by_family(proba: np.ndarray, pool: Pool) -> dict[str, float]:
    """Shifted score in the pool's metric by family, of proba (N, 1 + K, C)."""
    return family_scores(pool.metric, pool.labels, proba[:, 1:], pool.cells, pool.cell_names)


def by_severity(proba: np.ndarray, pool: Pool) -> dict[int, float]:
    """Score by severity, mildest first, of proba (N, 1 + K, C); severity 0 is the clean image."""
    # Names without a dot are families of their own.
    severities = tuple(name.partition("@")[2] for name in pool.cell_names)
    shifted = family_scores(pool.metric, pool.labels, proba[:, 1:], pool.cells, severities)
    clean = get_metric(pool.metric).score(pool.labels, proba[:, 0])
    return {0: clean} | {int(severity): shifted[severity] for severity in sorted(shifted)}


def shifted_rows(proba: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The shifted part of proba (N, 1 + K, C) as rows of their own: (N * K, C), with their labels (N * K,)."""
    count = proba.shape[1] - 1
    return proba[:, 1:].reshape(-1, proba.shape[-1]), np.repeat(labels, count)


def confusion(proba: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Counts (C, C) int64 of true class, predicted class; proba (R, C), labels (R,)."""
    from sklearn.metrics import confusion_matrix  # a second to import

    classes = np.arange(proba.shape[-1])
    return confusion_matrix(labels, proba.argmax(-1), labels=classes)


def recall(counts: np.ndarray) -> np.ndarray:
    """Recall (C,) of a confusion matrix; NaN for a class without rows."""
    rows = counts.sum(axis=1)
    return np.divide(np.diag(counts), rows, out=np.full(len(counts), np.nan), where=rows > 0)


def confident_mistakes(proba: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Row numbers of the wrong predictions of proba (R, C), most confident first."""
    wrong = np.flatnonzero(proba.argmax(-1) != labels)
    return wrong[np.argsort(-proba[wrong].max(axis=-1), kind="stable")]
