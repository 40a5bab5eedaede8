"""The hidden score to expect, with an 80 % interval.

It is the nested out-of-fold score and what averaging the networks of all folds adds to it, which the vault tells.
Besides the noise of finitely many rows, ours and theirs, the organisers' mixture of shifts is unknown: it is
drawn again and again as random weights on the battery's families, operators and severities, and the blend's
nested score is read off for each. Where test images have told the mixture, the draws stay near to it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from kit.ensemble.kinds.combine import Combiner
from kit.ensemble.pool import Pool
from kit.ensemble.scoring.averaging import Gain, fewer_folds, gain_under
from kit.ensemble.scoring.scores import families, numbered, operators, row_se
from kit.metrics.registry import get_metric

LEVEL = 0.8
DRAWS = 4000

CONCENTRATION = {"family": 1.0, "operator": 1.0, "severity": 3.0}
"""Shapes of the gamma weights: 1 is a flat Dirichlet, any mixture of families, and of operators, as likely as another.
Severities vary less from contest to contest, because they vary from image to image: where any mixture of them was
as likely, 94 % of simulated contests lay in the interval of 80 % (`benchmarks/coverage.py`)."""

TOLD = 10.0
"""How many times as much is known of a mixture that test images tell of: with 3, 94 % of simulated contests lay in
the interval; chosen on half of them, it held on the other."""


@dataclass(frozen=True)
class Expected:
    """The hidden score to expect: `low` to `high` holds it with probability `level`.

    local: the point before remote scores moved it. averaging: what averaging the folds adds, in it already; None where
    it is not known.
    """

    point: float
    low: float
    high: float
    expects: str
    level: float = LEVEL
    hidden_rows: int = 2000
    note: str = ""
    local: float | None = None
    averaging: Gain | None = None
    row_sd: float = 0.5
    """Standard deviation of the metric's value of one image: what finitely many hidden images add to the interval."""

    def to_json(self) -> dict[str, Any]:
        """Plain values for blend.json."""
        return asdict(self)


def expected_score(
    proba: np.ndarray,
    pool: Pool,
    hidden_rows: int = 2000,
    row_weights: np.ndarray | None = None,
    seed: int = 0,
    combiner: Combiner | None = None,
) -> Expected:
    """What a blend with nested predictions proba (N, 1 + K, C) will score on `hidden_rows` hidden images.

    row_weights: (N,), mean 1: the hidden test's classes beside ours. combiner: the blend's, to see it with the networks
    of all folds, by the pool's vault or by recorded blends; without it the score is that of one network a recipe.
    """
    shifted, metric = pool.expects == "shifted", get_metric(pool.metric)
    weights = pool.weights() if shifted else None
    seen = proba[:, 1:] if shifted else proba[:, :1]
    values = image_values(seen, pool, row_weights, weights)
    point = float(values.mean() if weights is None else (weights * values).mean())
    gain = None if combiner is None else _gain(combiner, pool, seen, shifted, point)
    rng = np.random.default_rng(seed)
    centres = np.full(DRAWS, point)
    spread = row_se(values.mean(axis=1), pool.groups)  # what the choice of operators adds is in the mixtures
    if shifted:
        centres = _mixtures(values if metric.by_row else values + _by_cell(proba[:, 1:], pool, point), pool, rng)
        centres += point - centres.mean()
    doubt = 0.0
    if gain is not None:
        moved = float(metric.clipped(point + gain.gain))
        centres, point, doubt = centres + (moved - point), moved, gain.se
    rare, row_sd = one_worse(point, float(values.std()), pool)
    noise = np.sqrt(spread**2 + rare**2 + doubt**2 + row_sd**2 / hidden_rows)
    scores = metric.clipped(centres + noise * rng.standard_normal(DRAWS))
    low, high = (float(bound) for bound in np.quantile(scores, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]))
    known: dict[str, Any] = {"local": point, "averaging": gain, "row_sd": row_sd}
    return Expected(point, low, high, pool.expects, hidden_rows=hidden_rows, **known)


def one_worse(score: float, row_sd: float, pool: Pool) -> tuple[float, float]:
    """How far one more row of our own moves `score` if it is predicted as badly as can be, and `row_sd` with it.

    An error as rare as that was not seen: a blend that is right on every row will not always be. Metrics without a
    worst value are left as they are.
    """
    metric = get_metric(pool.metric)
    worst = metric.low if metric.greater_is_better else metric.high
    if worst is None:
        return 0.0, row_sd
    rows = len(pool.labels) if pool.groups is None else len(np.unique(pool.groups))
    moved = abs(score - worst) / (rows + 1)
    return moved, float(np.hypot(row_sd, moved * np.sqrt(rows)))


def _gain(combiner: Combiner, pool: Pool, seen: np.ndarray, shifted: bool, score: float) -> Gain | None:
    """What averaging the folds adds to `score` on the images `seen` (N, J, C); None where it is not known."""

    def on_vault(cells: np.ndarray) -> np.ndarray:
        images = np.zeros((len(cells), 1 + cells.shape[1]))
        known = pool.cell_weights(cells) if shifted else None
        images[:, slice(1, None) if shifted else slice(0, 1)] = 1.0 if known is None else known
        return images

    known = pool.weights() if shifted else None
    weights = np.ones(seen.shape[:2]) if known is None else known
    return gain_under(combiner, pool, seen, weights, on_vault, score)


def with_folds(expected: Expected, folds: int) -> Expected:
    """What is expected of the blend with the first `folds` networks a recipe; as it is where averaging is unknown."""
    gain = expected.averaging
    if gain is None or folds >= gain.folds:
        return expected
    less = fewer_folds(gain, folds)
    keys = ("point", "low", "high") if expected.local is None else ("point", "low", "high", "local")
    moved = {key: getattr(expected, key) + less.gain - gain.gain for key in keys}
    return replace(expected, **moved, averaging=less)


def read_expected(data: dict[str, Any]) -> Expected:
    """The expected score of `to_json`'s values; KeyError or TypeError where they are none."""
    gain = data.get("averaging")
    return Expected(**data | {"averaging": None if gain is None else Gain(**gain)})


def image_values(
    proba: np.ndarray, pool: Pool, row_weights: np.ndarray | None, weights: np.ndarray | None
) -> np.ndarray:
    """Values (N, J) whose mean, weighted by `weights` (N, J), is the metric of proba (N, J, C)."""
    if row_weights is None:
        return get_metric(pool.metric).row_values(pool.labels, proba, weights)
    by_image = np.repeat(row_weights[:, None], proba.shape[1], axis=1)
    both = by_image if weights is None else by_image * weights
    both = both / both.mean()
    values = get_metric(pool.metric).row_values(pool.labels, proba, both)
    return values * (both if weights is None else by_image / (by_image * weights).mean())


def _by_cell(proba: np.ndarray, pool: Pool, point: float) -> np.ndarray:
    """How far (N, K) the metric of each image's cell lies from `point`, for metrics that are known as a whole only."""
    apart = np.zeros(pool.cells.shape)
    labels, metric = np.repeat(pool.labels, pool.cells.shape[1]).reshape(pool.cells.shape), get_metric(pool.metric)
    for cell in np.unique(pool.cells):
        seen = pool.cells == cell
        apart[seen] = metric.score(labels[seen], proba[seen]) - point
    return apart


def _mixtures(values: np.ndarray, pool: Pool, rng: np.random.Generator) -> np.ndarray:
    """Means (DRAWS,) of values (N, K) under random mixtures of the battery's cells."""
    size, cells = len(pool.cell_names), pool.cells.ravel()
    known = pool.weights()
    each = np.ones(cells.shape) if known is None else known.ravel()
    rows = np.bincount(cells, weights=each, minlength=size)
    sums = np.bincount(cells, weights=each * values.ravel(), minlength=size)
    weights = np.ones((DRAWS, size))
    severity = [name.partition("@")[2] for name in pool.cell_names]
    parts = {
        "family": families(pool.cell_names),
        "operator": operators(pool.cell_names),
        "severity": severity,
    }
    for part, names in parts.items():
        code, shape = numbered(names), CONCENTRATION[part] * (1.0 if known is None else TOLD)
        weights *= rng.gamma(shape, size=(DRAWS, code.max() + 1))[:, code]
    return (weights @ sums) / (weights @ rows)
