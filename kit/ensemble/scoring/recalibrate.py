"""What the platform said about earlier submissions, turned on the next one's expected score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.stats import spearmanr, t

from kit.ensemble.scoring.expected import LEVEL, Expected

LEAST = 3
"""Fewest remote scores that say anything about a spread."""

SMALLEST = 1e-3
"""Scores are kept this far from 0 and 1, where log-odds have no end."""


def recalibrated(expected: Expected, local: Sequence[float], remote: Sequence[float]) -> Expected:
    """The expected score moved by what earlier ones missed by; unchanged with fewer than three remote scores.

    local, remote: the scores expected of earlier submissions and those they got. The misses are taken in
    log-odds, where a miss at 0.95 and one at 0.7 compare; the interval is that of a new draw from them
    (Student's t). The rank correlation of local and remote is stated, because a shift alone cannot fix a
    wrong order.
    """
    if len(remote) < LEAST:
        return expected
    misses = _log_odds(remote) - _log_odds(local)
    centre = _log_odds([expected.point if expected.local is None else expected.local])[0] + misses.mean()
    noise = 1.0 / max(expected.hidden_rows * expected.point * (1 - expected.point), 1.0)
    spread = np.sqrt(misses.var(ddof=1) * (1 + 1 / len(misses)) + noise)
    reach = float(t.ppf((1 + LEVEL) / 2, len(misses) - 1)) * spread
    point, low, high = (1 / (1 + np.exp(-(centre + step))) for step in (0.0, -reach, reach))
    note = f"recalibrated on {len(remote)} remote scores, {_correlation(local, remote)}"
    return replace(expected, point=float(point), low=float(low), high=float(high), note=note)


def _log_odds(scores: Sequence[float]) -> np.ndarray:
    inside = np.clip(np.asarray(scores, dtype=np.float64), SMALLEST, 1 - SMALLEST)
    return np.log(inside / (1 - inside))


def _correlation(local: Sequence[float], remote: Sequence[float]) -> str:
    if len(set(local)) < 2 or len(set(remote)) < 2:
        return "rank correlation unknown: all local or all remote scores are equal"
    return f"rank correlation of local and remote {float(spearmanr(local, remote).statistic):.2f}"
