"""What greedy selection lowers: the loss of the mean of all votes and one more, for all members at once."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from kit.ensemble.scoring.scores import FLOOR
from kit.metrics.registry import get_metric


class Objective(Protocol):
    """The loss of the mean of all votes so far and one more."""

    @property
    def size(self) -> int:
        """Number of members."""
        ...

    def part(self, members: np.ndarray, rows: np.ndarray) -> Objective:
        """A fresh objective on some members and rows."""
        ...

    def losses(self) -> np.ndarray:
        """Loss (M,) after one more vote for each member."""
        ...

    def add(self, member: int) -> None:
        """Vote for a member."""
        ...

    def reset(self, votes: np.ndarray) -> None:
        """Start again from votes (M,)."""
        ...


def objective(metric: str, proba: np.ndarray, labels: np.ndarray) -> Objective:
    """The objective of that metric on proba (M, R, C) and labels (R,)."""
    if metric == "log_loss":
        picked = np.take_along_axis(proba, labels[None, :, None], axis=2)[:, :, 0]
        return LogLoss(np.maximum(picked, FLOOR).astype(np.float32))
    if metric in COUNTED:
        return LabelLoss(metric, proba, labels)
    return MetricLoss(metric, proba, labels)


COUNTED = ("accuracy", "micro_f1", "balanced_accuracy", "macro_f1")
"""Metrics that a vote changes on few rows alone, which are counted anew."""

METRIC_ROWS = 3_000
"""Rows that other metrics are taken on at most: each vote costs one of them a member."""


class LogLoss:
    """Log loss in nats, from every member's probability of the true class, picked (M, R) float32."""

    def __init__(self, picked: np.ndarray) -> None:
        self.picked = picked
        self.total = np.zeros(picked.shape[1], dtype=np.float32)
        self.count = 0
        self.buffer: np.ndarray | None = None

    @property
    def size(self) -> int:
        """Number of members."""
        return len(self.picked)

    def part(self, members: np.ndarray, rows: np.ndarray) -> LogLoss:
        """A fresh objective on some members and rows."""
        return LogLoss(self.picked[np.ix_(members, rows)])

    def losses(self) -> np.ndarray:
        """Loss (M,) after one more vote for each member."""
        if self.buffer is None:
            self.buffer = np.empty_like(self.picked)
        np.add(self.picked, self.total, out=self.buffer)
        np.log(self.buffer, out=self.buffer)
        return np.log(self.count + 1) - self.buffer.mean(axis=1, dtype=np.float64)

    def add(self, member: int) -> None:
        """Vote for a member."""
        self.total += self.picked[member]
        self.count += 1

    def reset(self, votes: np.ndarray) -> None:
        """Start again from votes (M,)."""
        self.total = (votes.astype(np.float32) @ self.picked).astype(np.float32)
        self.count = int(votes.sum())


class LabelLoss:
    """One minus a metric of COUNTED of proba (M, R, C) and labels (R,).

    A vote moves every class by at most 1, so rows whose two best classes lie further apart than that keep
    their label whoever is added: only the others are looked at again.
    """

    def __init__(self, metric: str, proba: np.ndarray, labels: np.ndarray) -> None:
        self.metric, self.proba, self.labels = metric, proba, labels
        self.total: np.ndarray = np.zeros(proba.shape[1:], dtype=np.float32)
        self.true = np.bincount(labels, minlength=proba.shape[2])
        share = 1.0 / np.maximum(self.true, 1) / (self.true > 0).sum()
        self.hit_weight = share[labels] if metric == "balanced_accuracy" else np.full(len(labels), 1 / len(labels))

    @property
    def size(self) -> int:
        """Number of members."""
        return len(self.proba)

    def part(self, members: np.ndarray, rows: np.ndarray) -> LabelLoss:
        """A fresh objective on some members and rows."""
        return LabelLoss(self.metric, self.proba[np.ix_(members, rows)], self.labels[rows])

    def losses(self) -> np.ndarray:
        """Loss (M,) after one more vote for each member."""
        before = self.total.argmax(axis=1)
        contested = np.flatnonzero(self._lead(before) <= 1.0)
        predicted = (self.proba[:, contested] + self.total[contested]).argmax(axis=-1)
        if self.metric == "macro_f1":
            return 1.0 - self._macro_f1(before, contested, predicted)
        gained = (predicted == self.labels[contested]) @ self.hit_weight[contested]
        settled = (before == self.labels) * self.hit_weight
        return 1.0 - (settled.sum() - settled[contested].sum() + gained)

    def _lead(self, before: np.ndarray) -> np.ndarray:
        """How far (R,) each row's best class, `before`, lies above its second."""
        rows = np.arange(len(before))
        others = self.total.copy()
        others[rows, before] = -np.inf
        return self.total[rows, before] - others.max(axis=1)

    def _macro_f1(self, before: np.ndarray, contested: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """(M,) from labels before the vote (R,), and predicted (M, S) on the contested rows (S,)."""
        classes = len(self.true)
        settled = np.ones(len(before), dtype=bool)
        settled[contested] = False
        hits, counts = _tally(predicted, self.labels[contested], classes)
        more = _tally(before[None, settled], self.labels[settled], classes)
        counts += more[1] + self.true
        rates = 2.0 * (hits + more[0]) / np.maximum(counts, 1)
        return rates.sum(axis=1) / (counts > 0).sum(axis=1)

    def add(self, member: int) -> None:
        """Vote for a member."""
        self.total += self.proba[member]

    def reset(self, votes: np.ndarray) -> None:
        """Start again from votes (M,)."""
        self.total = np.tensordot(votes.astype(np.float32), self.proba, axes=1).astype(np.float32)


class MetricLoss:
    """Any other metric of proba (M, R, C) and labels (R,), a score negated, on at most METRIC_ROWS rows."""

    def __init__(self, metric: str, proba: np.ndarray, labels: np.ndarray) -> None:
        self.metric, self.whole = metric, (proba, labels)
        rows = np.linspace(0, len(labels) - 1, min(len(labels), METRIC_ROWS)).astype(np.int64)
        self.proba, self.labels = proba[:, rows], labels[rows]
        self.total: np.ndarray = np.zeros(self.proba.shape[1:], dtype=np.float32)
        self.count = 0

    @property
    def size(self) -> int:
        """Number of members."""
        return len(self.proba)

    def part(self, members: np.ndarray, rows: np.ndarray) -> MetricLoss:
        """A fresh objective on some members and rows."""
        proba, labels = self.whole
        return MetricLoss(self.metric, proba[np.ix_(members, rows)], labels[rows])

    def losses(self) -> np.ndarray:
        """Loss (M,) after one more vote for each member."""
        metric = get_metric(self.metric)
        after = ((self.total + member) / (self.count + 1) for member in self.proba)
        return np.array([-metric.sign * metric.score(self.labels, proba) for proba in after])

    def add(self, member: int) -> None:
        """Vote for a member."""
        self.total += self.proba[member]
        self.count += 1

    def reset(self, votes: np.ndarray) -> None:
        """Start again from votes (M,)."""
        self.total = np.tensordot(votes.astype(np.float32), self.proba, axes=1).astype(np.float32)
        self.count = int(votes.sum())


def _tally(predicted: np.ndarray, labels: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Hits and predictions by class, both (M, C), of predicted (M, R) against labels (R,)."""
    hits = np.zeros((len(predicted), classes), dtype=np.int64)
    counts = np.zeros_like(hits)
    for label in range(classes):
        chosen = predicted == label
        counts[:, label] = chosen.sum(axis=1)
        hits[:, label] = chosen[:, labels == label].sum(axis=1)
    return hits, counts
