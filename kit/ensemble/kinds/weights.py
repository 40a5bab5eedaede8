"""Weights on the simplex: the weighted mean of least log loss, held back towards equal weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from kit.ensemble.kinds.combine import Combiner, weighted
from kit.ensemble.pool import Pool
from kit.ensemble.scoring.ranking import affordable
from kit.ensemble.scoring.scores import FLOOR

PENALTIES = (1.0, 0.1, 0.01, 0.001)
"""Strengths of the pull towards equal weights, strongest first; the folds choose."""


@dataclass(frozen=True)
class Weights:
    """Weights (M,) >= 0 with sum 1; the strength of the pull is chosen over the rows' own folds."""

    name: str = "weights"
    complexity: int = 3

    def fit(self, pool: Pool) -> Combiner:
        """Least mean log loss plus penalty * |weights - 1/M|^2."""
        members = affordable(pool)
        proba, labels, folds = pool.members(members).fitting()
        picked = np.take_along_axis(proba, labels[None, :, None], axis=2)[:, :, 0]
        picked = np.maximum(picked, FLOOR).astype(np.float64)
        found = simplex(picked, choose_penalty(picked, folds))
        return weighted(members, np.where(found < 1e-4, 0.0, found))


def simplex(picked: np.ndarray, penalty: float) -> np.ndarray:
    """Weights (M,) for the members' probabilities of the true class, picked (M, R)."""
    size = len(picked)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        mixed = weights @ picked
        away = weights - 1.0 / size
        value = -np.log(mixed).mean() + penalty * away @ away
        return float(value), -(picked @ (1.0 / mixed)) / len(mixed) + 2.0 * penalty * away

    found = minimize(
        loss,
        np.full(size, 1.0 / size),
        jac=True,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * size,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1.0, "jac": lambda w: np.ones(size)},
        options={"maxiter": 200, "ftol": 1e-9},
    )
    weights = np.clip(found.x, 0.0, None)
    return weights / weights.sum()


def choose_penalty(picked: np.ndarray, folds: np.ndarray) -> float:
    """The penalty of least log loss on rows (R,) that were held out fold by fold; the strongest wins ties.

    The strongest, too, where so few rows came that they make one fold.
    """
    if len(np.unique(folds)) < 2:
        return PENALTIES[0]
    losses = [sum(_held_out_loss(picked, folds == fold, penalty) for fold in np.unique(folds)) for penalty in PENALTIES]
    return PENALTIES[int(np.argmin(losses))]


def _held_out_loss(picked: np.ndarray, held: np.ndarray, penalty: float) -> float:
    return float(-np.log(simplex(picked[:, ~held], penalty) @ picked[:, held]).sum())
