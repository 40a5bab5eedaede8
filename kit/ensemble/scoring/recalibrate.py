"""What the platform reported of earlier submissions, turned on the next one's expected score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import stdtrit

from kit.ensemble.scoring.expected import LEVEL, Expected
from kit.metrics.metric import Metric
from kit.metrics.registry import get_metric

LEAST = 3
"""Fewest remote scores that say anything about a spread."""

SMALLEST = 1e-3
"""Scores are kept this far from their metric's bounds, where log-odds and logarithms have no end."""


def recalibrated(
    expected: Expected, local: Sequence[float], remote: Sequence[float], metric: str = "accuracy"
) -> Expected:
    """The expected score moved by what earlier ones missed by; unchanged with fewer than three remote scores.

    local, remote: the scores expected of earlier submissions and those they got. The misses are taken where they
    compare: in log-odds between two bounds (a miss at 0.95 and one at 0.7), in logarithms above one, else as they
    are. The interval is that of a new draw from them (Student's t). The rank correlation of local and remote is
    stated, because a shift alone cannot fix a wrong order.
    """
    if len(remote) < LEAST:
        return expected
    scale = Scale.of(get_metric(metric))
    misses = scale.to(remote) - scale.to(local)
    centre = scale.to([expected.point if expected.local is None else expected.local])[0] + misses.mean()
    noise = min((expected.row_sd * scale.slope(expected.point)) ** 2 / expected.hidden_rows, 1.0)
    spread = np.sqrt(misses.var(ddof=1) * (1 + 1 / len(misses)) + noise)
    reach = float(stdtrit(len(misses) - 1, (1 + LEVEL) / 2)) * spread
    point, low, high = (scale.back(centre + step) for step in (0.0, -reach, reach))
    note = f"recalibrated on {len(remote)} remote scores, {_correlation(local, remote)}"
    return replace(expected, point=point, low=low, high=high, note=note)


@dataclass(frozen=True)
class Scale:
    """Scores between `low` and `high` on a scale without ends; None: no such bound."""

    low: float | None
    high: float | None

    @classmethod
    def of(cls, metric: Metric) -> Scale:
        """That of a metric's bounds."""
        return cls(metric.low, metric.high)

    def to(self, scores: Sequence[float]) -> np.ndarray:
        """Log-odds, logarithms or the scores themselves."""
        values = np.asarray(scores, dtype=np.float64)
        if self.low is None:
            return values
        if self.high is None:
            return np.log(np.maximum(values - self.low, SMALLEST))
        inside = np.clip((values - self.low) / (self.high - self.low), SMALLEST, 1 - SMALLEST)
        return np.log(inside / (1 - inside))

    def back(self, value: float) -> float:
        """The score at a place of the scale."""
        if self.low is None:
            return float(value)
        if self.high is None:
            return float(self.low + np.exp(value))
        return float(self.low + (self.high - self.low) / (1 + np.exp(-value)))

    def slope(self, score: float) -> float:
        """How far the scale moves with the score there."""
        if self.low is None:
            return 1.0
        above = max(score - self.low, SMALLEST)
        return 1 / above if self.high is None else (self.high - self.low) / (above * max(self.high - score, SMALLEST))


def _correlation(local: Sequence[float], remote: Sequence[float]) -> str:
    if len(set(local)) < 2 or len(set(remote)) < 2:
        return "rank correlation unknown: all local or all remote scores are equal"
    from scipy.stats import spearmanr  # a quarter of a second to import, for contests with remote scores

    return f"rank correlation of local and remote {float(spearmanr(local, remote).statistic):.2f}"
