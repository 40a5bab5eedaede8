"""What averaging the networks of all folds adds: the zip averages them, an out-of-fold row is predicted by one.

Measured on the vault, twice, where there is one. Directly, as a paired difference of scores, which is noisy: few rows
change sides. And as a flow: averaging moves the margin of an image (log-probability of its class less that of the best
other) by a drift and takes variance off it, which the networks' disagreement shows well on few rows; how many images
cross zero then follows from the density of margins at zero and its slope, which all out-of-fold rows tell.

On 28 simulated sets (multilayer perceptrons, 3 and 5 folds, gains of 2 to 6 points) the direct difference was off by
0.55 of the gain with 100 rows and 0.27 with 400; the flow, 0.9 of the gain in the mean, by a quarter of it with either.
Under shifts it can miss most: on blood cells it told of 0.0015 where four networks together had 0.017 more than one on
478 rows. So it is doubted by half of what it differs by from recorded blends. Where few images are wrong it tells too
much: the images of the vault that lie near the border are then shifted ones, on which networks differ more than on the
clean ones that they all get wrong (of four networks on 2,500 handwritten digits it told of half of the errors, where a
tenth went). So what recorded blends gained is a third estimate, and the three are averaged by precision.

Without a vault (small sets hold no rows back) it is taken from how much networks agreed in recorded blends: margins
grow by a factor (`kit.ensemble.scoring.margins`). On 500 unseen photographs four networks of 188 rows each had 0.611,
together 0.666; promised would be 0.660.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kit.ensemble.kinds.combine import Combiner
from kit.ensemble.pool import Pool
from kit.ensemble.scoring.margins import AGREE, bounded, fold_factor, margin
from kit.ensemble.scoring.margins import score as accuracy
from kit.ensemble.vault import Vault
from kit.inference.model import FLOOR
from kit.metrics.registry import get_metric

BANDWIDTH = 0.7
"""Of the density of margins, in standard deviations of what one network's margin differs from the average's by."""
APART = 0.5
"""Share of the difference between the flow and what recorded blends promise by which the flow is doubted."""
NEAR = 0.2
"""Share of the vault's images, those of the smallest margins, that tell of drift and variance."""
STRETCH, DOUBT = 1.1, 0.22
"""The flow is multiplied by the one, and is off by the other's share of itself: from the simulated sets above."""

MOST_FIXED = 0.5
"""Largest share of the wrong predictions that a vault can tell of as put right: what all networks get wrong stays."""
UNSURE = 0.7
"""Standard error, without a vault, of what recorded blends promise, as a share of it."""
BESIDE = 0.15
"""The same beside a vault, as a share of the errors: so far do those shares lie apart."""
FEWEST = 10
"""Images of the vault from which a score on it is stated; that of a handful says nothing."""

OF_HITS = ("accuracy", "micro_f1", "macro_f1", "weighted_f1", "balanced_accuracy")
"""Metrics that move about as much as the share of images that change sides; for the others the difference speaks."""


@dataclass(frozen=True)
class Gain:
    """What averaging adds to a score, with its standard error; and the score of the average on the vault itself.

    rows: of the vault, 0 without one. folds: networks a recipe that are averaged. single: score of one network a recipe
    there. The scores there are None where the vault holds fewer than FEWEST such images.
    """

    gain: float
    se: float
    single: float | None
    averaged: float | None
    averaged_se: float | None
    rows: int
    folds: int


Weigh = Callable[[np.ndarray], np.ndarray]
"""Cells (n, K) of the vault's images to weights (n, 1 + K), of the clean image and of those."""


def gain_under(
    combiner: Combiner, pool: Pool, proba: np.ndarray, weights: np.ndarray, on_vault: Weigh, score: float
) -> Gain | None:
    """What averaging adds to `score` under a mixture of images: told by the vault, else by recorded blends.

    None where neither tells. proba: (N, J, C) nested predictions; weights: (N, J) of mean 1, of its images.
    """
    if pool.vault is None:
        return assumed_gain(combiner, pool, score)
    return averaging_gain(combiner, pool, pool.vault, proba, weights, on_vault(pool.vault.cells))


def averaging_gain(
    combiner: Combiner, pool: Pool, vault: Vault, proba: np.ndarray, weights: np.ndarray, on_vault: np.ndarray
) -> Gain:
    """The gain under a mixture of images.

    proba: (N, J, C) nested predictions; weights: (N, J) of mean 1, of its images; on_vault: (n, J) of the vault's.
    """
    single, whole = vault.single(combiner), vault.averaged(combiner, vault.folds)
    metric = get_metric(pool.metric)
    each = np.stack([metric.row_values(vault.labels, one) for one in single])
    average = metric.row_values(vault.labels, whole)
    direct = _mean(average - each.mean(axis=0), on_vault)
    if pool.metric not in OF_HITS:
        gain, se = direct[0], 0.0 if np.isinf(direct[1]) else direct[1]
    elif not (single != single[0]).any():
        gain, se = 0.0, 0.0  # one network, several times
    else:
        right = _mean(get_metric("accuracy").row_values(pool.labels, proba), weights)[0]
        promised = recorded_gain(combiner, pool, right)
        flow = STRETCH * _flow(margins(proba, pool.labels), weights, single, whole, vault.labels)
        least = 0.5 / len(pool.labels)
        flow_se = DOUBT * abs(flow) + APART * abs(flow - promised) + least
        gain, se = by_precision([direct, (flow, flow_se)], (promised, BESIDE * (1 - right) + least))
    there = int((on_vault > 0).sum()) >= FEWEST
    score, score_se = _mean(average, on_vault)
    return Gain(
        gain=gain,
        se=se,
        single=_mean(each.mean(axis=0), on_vault)[0] if there else None,
        averaged=score if there else None,
        averaged_se=score_se if there else None,
        rows=len(vault.labels),
        folds=vault.folds,
    )


def by_precision(same: Sequence[tuple[float, float]], other: tuple[float, float]) -> tuple[float, float]:
    """The mean of estimates (value, standard error), weighted by precision, and its standard error.

    Those of `same` are told by the same images: what they are off by is taken to add up, as if it were one error.
    """
    values, errors = np.array([*same, other]).T
    precision = 1 / errors**2
    parts = 1 / errors / precision.sum()  # each one's error, times its weight
    return float((precision * values).sum() / precision.sum()), float(np.hypot(parts[:-1].sum(), parts[-1]))


def assumed_gain(combiner: Combiner, pool: Pool, score: float) -> Gain | None:
    """The gain of a blend that scores `score` with one network a recipe, where no vault tells.

    None where it is unknown: of a single fold, of predictions made elsewhere, under metrics that do not count hits.
    """
    folds = len(np.unique(pool.folds))
    if folds < 2 or pool.metric not in OF_HITS or any(entry.external for entry in pool.entries):
        return None
    promised = recorded_gain(combiner, pool, score)
    return Gain(promised, UNSURE * promised, None, None, None, rows=0, folds=folds)


def recorded_gain(combiner: Combiner, pool: Pool, score: float) -> float:
    """What all folds add to the share `score` of right predictions, if networks agree as in recorded blends."""
    recipes = 1 / sum(weight**2 for weight in combiner.weights)
    factor = fold_factor(recipes, len(np.unique(pool.folds)), AGREE[pool.expects])
    promised = accuracy(factor * margin(score, pool.num_classes), pool.num_classes) - score
    return bounded(promised, score)


def fewer_folds(gain: Gain, folds: int) -> Gain:
    """The gain with the first `folds` networks a recipe alone: variance falls as one over their number.

    The score of the average on the vault is moved as the gain is.
    """
    kept = (1 - 1 / folds) / (1 - 1 / gain.folds)
    averaged = None if gain.averaged is None else gain.averaged + (kept - 1) * gain.gain
    return replace(gain, gain=kept * gain.gain, se=kept * gain.se, averaged=averaged, folds=folds)


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
    flow = float(drift * density.mean() + 0.5 * variance * (1 - 1 / folds) * slope.mean())
    return min(flow, MOST_FIXED * float((weights * (held < 0)).sum() / weights.sum()))


def _mean(values: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Weighted mean of values (n, J), and its standard error over rows: no less than half a row's change makes."""
    total = weights.sum()
    if total == 0:
        return 0.0, float("inf")
    mean = float((weights * values).sum() / total)
    by_row = (weights * (values - mean)).sum(axis=1)
    least = 0.5 * (weights.sum(axis=1) ** 2).sum() / total
    return mean, float(max(np.sqrt((by_row**2).sum()), least) / total)
