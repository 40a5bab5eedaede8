"""Temperatures: how far a member's probabilities can be believed, fitted without the rows they are used on.

Guo et al. (2017), "On Calibration of Modern Neural Networks". One number divides a member's logits; it
changes no label of a single network but weighs members against each other in a blend.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar

from kit.ensemble.scoring.scores import FLOOR
from kit.inference.model import merge_views

LIMITS = (0.05, 20.0)
"""Temperatures outside of these mean a broken member, not a calibrated one."""

STENCIL = np.linspace(-0.3, 0.3, 5)
"""Steps in log temperature on which the optima of the folds are interpolated."""


def losses_at(logits: np.ndarray, labels: np.ndarray, temperature: float, merge: str = "mean") -> np.ndarray:
    """Log loss (R,) in nats of logits (R, V, C) at one temperature, the views merged."""
    picked = merge_views(logits, temperature, merge)[np.arange(len(labels)), labels]
    return -np.log(np.maximum(picked, FLOOR))


def fit_temperature(logits: np.ndarray, labels: np.ndarray, merge: str = "mean") -> float:
    """The temperature of least log loss for logits (R, V, C) and labels (R,)."""
    found = minimize_scalar(
        lambda log_t: float(losses_at(logits, labels, float(np.exp(log_t)), merge).mean()),
        bounds=np.log(LIMITS),
        method="bounded",
        options={"xatol": 1e-3},
    )
    return float(np.exp(found.x))


def cross_fit(
    logits: np.ndarray, labels: np.ndarray, folds: np.ndarray, merge: str = "mean"
) -> tuple[float, dict[int, float]]:
    """The temperature over all rows, and for every fold the one fitted on the rows of the other folds.

    logits (R, V, C), labels (R,), folds (R,). The folds' optima lie close to the common one, so its
    neighbourhood is evaluated once for all of them; a fold whose optimum lies beyond is fitted on its own.
    """
    common = fit_temperature(logits, labels, merge)
    numbers = [int(fold) for fold in np.unique(folds)]
    place_of = np.unique(folds, return_inverse=True)[1]
    sums = np.array(
        [np.bincount(place_of, losses_at(logits, labels, common * float(np.exp(step)), merge)) for step in STENCIL]
    )
    temperatures = {}
    for place, fold in enumerate(numbers):
        step = _lowest(sums.sum(axis=1) - sums[:, place])
        rest = folds != fold
        beyond = abs(step) >= STENCIL[-1]
        temperatures[fold] = (
            fit_temperature(logits[rest], labels[rest], merge) if beyond else common * float(np.exp(step))
        )
    return common, temperatures


def _lowest(losses: np.ndarray) -> float:
    curve = np.polyfit(STENCIL, losses, deg=len(STENCIL) - 1)
    steps = np.linspace(STENCIL[0], STENCIL[-1], 601)
    return float(steps[np.polyval(curve, steps).argmin()])
