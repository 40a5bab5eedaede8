"""The hidden score to expect, with an 80 % interval.

It is the nested out-of-fold score and what averaging the networks of all folds adds to it, which the vault tells.
Besides the noise of finitely many rows, ours and theirs, the organisers' mixture of shifts is unknown: it is
drawn again and again as random weights on the battery's families, operators and severities, and the blend's
nested score is read off for each. Where test images have told the mixture, the draws stay near to it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kit.ensemble.kinds.combine import Combiner
from kit.ensemble.pool import Pool
from kit.ensemble.scoring.averaging import Gain, averaging_gain
from kit.ensemble.scoring.scores import families, numbered, operators, row_se, row_values

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
    there is no vault to tell.
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
    of all folds on the pool's vault; without it, or without a vault, the score is that of one network a recipe.
    """
    shifted = pool.expects == "shifted"
    seen = proba[:, 1:] if shifted else proba[:, :1]
    values = _values(seen, pool, row_weights)
    weights = pool.weights() if shifted else None
    gain = None if combiner is None else _gain(combiner, pool, seen, shifted)
    point = float(values.mean() if weights is None else (weights * values).mean())
    rng = np.random.default_rng(seed)
    centres = np.full(DRAWS, point)
    spread = row_se(values.mean(axis=1))  # what the choice of operators adds is in the mixtures
    if shifted:
        centres = _mixtures(values, pool, rng)
        centres += point - centres.mean()
    doubt = 0.0
    if gain is not None:
        moved = float(np.clip(point + gain.gain, 0.0, 1.0))
        centres, point, doubt = centres + (moved - point), moved, gain.se
    theirs = max(point * (1 - point), 1e-4) / hidden_rows
    noise = np.sqrt(spread**2 + doubt**2 + theirs)
    scores = np.clip(centres + noise * rng.standard_normal(DRAWS), 0.0, 1.0)
    low, high = np.quantile(scores, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Expected(
        point, float(low), float(high), pool.expects, hidden_rows=hidden_rows, local=point, averaging=gain
    )


def _gain(combiner: Combiner, pool: Pool, seen: np.ndarray, shifted: bool) -> Gain | None:
    """What averaging the folds adds on the images `seen` (N, J, C); None without a vault."""
    vault = pool.vault
    if vault is None:
        return None
    images = np.zeros(vault.proba.shape[2:4])
    cells = pool.cell_weights(vault.cells) if shifted else None
    images[:, slice(1, None) if shifted else slice(0, 1)] = 1.0 if cells is None else cells
    known = pool.weights() if shifted else None
    weights = np.ones(seen.shape[:2]) if known is None else known
    return averaging_gain(combiner, pool, vault, seen, weights, images)


def read_expected(data: dict[str, Any]) -> Expected:
    """The expected score of `to_json`'s values; KeyError or TypeError where they are none."""
    gain = data.get("averaging")
    return Expected(**data | {"averaging": None if gain is None else Gain(**gain)})


def _values(proba: np.ndarray, pool: Pool, weights: np.ndarray | None) -> np.ndarray:
    """Values (N, J) whose mean is the metric of proba (N, J, C)."""
    labels = np.repeat(pool.labels, proba.shape[1])
    said = proba.reshape(-1, proba.shape[-1]).argmax(-1)
    values = row_values(pool.metric, labels, said).reshape(proba.shape[:2])
    return values if weights is None else values * weights[:, None]


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
