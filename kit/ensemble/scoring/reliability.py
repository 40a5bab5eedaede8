"""How far probabilities can be believed: calibration error, its uncertainty, and a diagram's data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BINS = 15
DRAWS = 200


@dataclass(frozen=True)
class Reliability:
    """Calibration of the likeliest class, over bins of equal width in confidence.

    confidence, accuracy, count: (B,) of the bins that hold rows. error: expected calibration error (Guo et
    al., 2017); se: its standard error over rows; chance: what a perfectly calibrated predictor with these
    confidences and this many rows would show (Broecker & Smith, 2007), because the error is never 0 on finite
    rows.
    """

    confidence: np.ndarray
    accuracy: np.ndarray
    count: np.ndarray
    error: float
    se: float
    chance: float


def reliability(proba: np.ndarray, labels: np.ndarray, bins: int = BINS, seed: int = 0) -> Reliability:
    """Reliability of proba (R, C) against labels (R,)."""
    top, hit = proba.max(axis=1), proba.argmax(axis=1) == labels
    place = np.minimum((top * bins).astype(int), bins - 1)
    rng = np.random.default_rng(seed)
    rows = len(labels)
    count = np.bincount(place, minlength=bins)
    used = count > 0
    draws = [rng.integers(rows, size=rows) for _ in range(DRAWS)]
    again = [calibration_error(top[draw], hit[draw], place[draw], bins) for draw in draws]
    perfect = [calibration_error(top, rng.random(rows) < top, place, bins) for _ in range(DRAWS)]
    return Reliability(
        confidence=np.bincount(place, top, bins)[used] / count[used],
        accuracy=np.bincount(place, hit, bins)[used] / count[used],
        count=count[used],
        error=calibration_error(top, hit, place, bins),
        se=float(np.std(again, ddof=1)),
        chance=float(np.mean(perfect)),
    )


def calibration_error(top: np.ndarray, hit: np.ndarray, place: np.ndarray, bins: int) -> float:
    """Mean over rows of the gap between confidence and accuracy of their bin: top, hit, place (R,)."""
    gaps = np.bincount(place, top, bins) - np.bincount(place, hit, bins)
    return float(np.abs(gaps).sum() / len(top))
