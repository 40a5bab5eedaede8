"""Nested scores: a combiner is fitted without the fold that it is scored on, choice of members included.

The members' own predictions are out-of-fold already. Their fold models did see the rows on which the combiner
is fitted, as in all stacking; what the nested score leaves out is the optimism of choosing and fitting the
combiner.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from kit.ensemble.kinds.combine import Combiner
from kit.ensemble.pool import Pool
from kit.ensemble.scoring.scores import Score, numbered, operators, row_se, shifted_se
from kit.errors import EnsembleError
from kit.metrics.registry import get_metric


class Kind(Protocol):
    """A kind of ensemble: fits a combiner on a pool's rows."""

    @property
    def name(self) -> str:
        """As `--ensemble` takes it."""
        ...

    @property
    def complexity(self) -> int:
        """Kinds in the order of what they take from the rows; the lower wins where scores do not tell."""
        ...

    def fit(self, pool: Pool) -> Combiner:
        """The combiner for all of the pool's rows."""
        ...


@dataclass(frozen=True)
class Nested:
    """A kind on a pool: its combiner, and how good it looks and is.

    proba: (N, 1 + K, C) nested predictions. optimism: resubstitution less nested, on the selection score.
    """

    kind: Kind
    combiner: Combiner
    proba: np.ndarray
    resubstitution: Score
    nested: Score
    expects: str

    @property
    def optimism(self) -> float:
        """How much better the combiner looks on the rows it was fitted on."""
        return self.resubstitution.gain(self.expects) - self.nested.gain(self.expects)


def nested_proba(kind: Kind, pool: Pool) -> np.ndarray:
    """Predictions (N, 1 + K, C) for every row by the combiner fitted on the other folds' rows."""
    folds = np.unique(pool.folds)
    if len(folds) < 2:
        raise EnsembleError(f"nested scores need at least 2 folds, but got {len(folds)}. Train more: kit train")
    out = np.empty(pool.proba.shape[1:])
    for fold in folds:
        held = pool.folds == fold
        out[held] = kind.fit(pool.rows(~held)).apply(pool.proba[:, held])
    return out


def evaluate(kind: Kind, pool: Pool) -> Nested:
    """Fit on all rows, and score nested, fold by fold, on clean and on shifted rows."""
    combiner = kind.fit(pool)
    proba = nested_proba(kind, pool)
    resubstitution = pool.score(combiner.apply(pool.proba))
    return Nested(kind, combiner, proba, resubstitution, pool.score(proba), pool.expects)


def difference(ours: np.ndarray, theirs: np.ndarray, pool: Pool, on: str) -> tuple[float, float]:
    """By how much `ours` is better than `theirs` (N, 1 + K, C), "clean" or "shifted"; paired standard error."""
    shifted = on == "shifted" and pool.proba.shape[2] > 1
    part, metric = slice(1, None) if shifted else slice(0, 1), get_metric(pool.metric)
    weights = pool.weights() if shifted else None
    values = [metric.row_values(pool.labels, proba[:, part], weights) for proba in (ours, theirs)]
    gap = metric.sign * (values[0] - values[1])
    if not shifted:
        return float(gap.mean()), row_se(gap[:, 0], pool.groups)
    mean = gap.mean() if weights is None else (weights * gap).mean()
    return float(mean), shifted_se(gap, numbered(operators(pool.cell_names))[pool.cells], weights, pool.groups)
