"""What averaging the networks of all folds adds: the zip averages them, an out-of-fold row is predicted by one.

Measured on the vault, twice. Directly, as a paired difference of scores, which is noisy: few rows change sides. And as
a flow: averaging moves the margin of an image (log-probability of its class less that of the best other) by a drift and
takes variance off it, which the networks' disagreement shows well on few rows; how many images cross zero then follows
from the density of margins at zero and its slope, which all out-of-fold rows tell. The two are averaged by precision.

On 28 simulated sets (multilayer perceptrons, 3 and 5 folds, gains of 2 to 6 points) the direct difference was off by
0.55 of the gain with 100 rows and 0.27 with 400; the flow, 0.9 of the gain in the mean, by a quarter of it with either.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kit.ensemble.kinds.combine import Combiner
from kit.ensemble.pool import Pool
from kit.ensemble.scoring.scores import row_values
from kit.ensemble.vault import Vault
from kit.inference.model import FLOOR

BANDWIDTH = 0.7
"""Of the density of margins, in standard deviations of what one network's margin differs from the average's by."""
NEAR = 0.2
"""Share of the vault's images, those of the smallest margins, that tell of drift and variance."""
STRETCH, DOUBT = 1.1, 0.22
"""The flow is multiplied by the one, and is off by the other's share of itself: from the simulated sets above."""


@dataclass(frozen=True)
class Gain:
    """What averaging adds to a score, with its standard error; and the score of the average on the vault itself.

    rows: of the vault. folds: networks a recipe that are averaged. single: score of one network a recipe there.
    """

    gain: float
    se: float
    single: float
    averaged: float
    averaged_se: float
    rows: int
    folds: int


def averaging_gain(
    combiner: Combiner, pool: Pool, vault: Vault, proba: np.ndarray, weights: np.ndarray, on_vault: np.ndarray
) -> Gain:
    """The gain under a mixture of images.

    proba: (N, J, C) nested predictions; weights: (N, J) of mean 1, of its images; on_vault: (n, J) of the vault's.
    """
    single, whole = vault.single(combiner), vault.averaged(combiner, vault.folds)
    each = np.stack([_values(one, pool.metric, vault.labels) for one in single])
    average = _values(whole, pool.metric, vault.labels)
    direct, direct_se = _mean(average - each.mean(axis=0), on_vault)
    flow = STRETCH * _flow(margins(proba, pool.labels), weights, single, whole, vault.labels)
    flow_se = DOUBT * abs(flow) + 0.5 / len(pool.labels)
    share = 1.0 if np.isinf(direct_se) else direct_se**2 / (direct_se**2 + flow_se**2)
    score, score_se = _mean(average, on_vault)
    return Gain(
        gain=float(share * flow + (1 - share) * direct),
        se=float(np.sqrt(share) * flow_se),
        single=_mean(each.mean(axis=0), on_vault)[0],
        averaged=score,
        averaged_se=score_se,
        rows=len(vault.labels),
        folds=vault.folds,
    )


def margins(proba: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Log-probability of labels (R,) less that of the best other class: proba (..., R, J, C) -> (..., R, J)."""
    logs = np.log(np.maximum(proba, FLOOR))
    true = np.broadcast_to(labels[:, None, None], (*logs.shape[:-1], 1))
    own = np.take_along_axis(logs, true, -1)[..., 0]
    np.put_along_axis(logs, true, -np.inf, -1)
    return own - logs.max(axis=-1)


def _flow(
    held: np.ndarray, weights: np.ndarray, single: np.ndarray, whole: np.ndarray, labels: np.ndarray
) -> float:
    """Share of the images of margins `held` (N, J) that averaging takes to the right side of zero."""
    average, each = margins(whole, labels), margins(single, labels)
    near = np.abs(average) <= np.quantile(np.abs(average), NEAR)
    folds = len(each)
    variance = float(each.var(axis=0, ddof=1)[near].mean())
    if variance == 0:
        return 0.0
    drift = float((average - each.mean(axis=0))[near].mean())
    width = BANDWIDTH * np.sqrt(variance)
    place = held / width
    density = weights * np.exp(-(place**2) / 2) / np.sqrt(2 * np.pi) / width
    slope = place / width * density
    return float(drift * density.mean() + 0.5 * variance * (1 - 1 / folds) * slope.mean())


def _values(proba: np.ndarray, metric: str, labels: np.ndarray) -> np.ndarray:
    """Values (n, J) whose mean is the metric of proba (n, J, C)."""
    count = proba.shape[1]
    return row_values(metric, np.repeat(labels, count), proba.argmax(-1).ravel()).reshape(-1, count)


def _mean(values: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Weighted mean of values (n, J), and its standard error over rows: no less than half an image's change makes."""
    total = weights.sum()
    if total == 0:
        return 0.0, float("inf")
    mean = float((weights * values).sum() / total)
    by_row = (weights * (values - mean)).sum(axis=1)
    least = 0.5 * np.sqrt((weights.sum(axis=1) ** 2).sum()) / np.sqrt(len(values))
    return mean, float(max(np.sqrt((by_row**2).sum()), least) / total)
