"""Temperatures: how far a member's probabilities can be believed, fitted without the rows they are used on.

Guo et al. (2017), "On Calibration of Modern Neural Networks". One number divides a member's logits; it
changes no label of a single network but weighs members against each other in a blend.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar

from kit.ensemble.scores import FLOOR
from kit.submit.model import softmax

LIMITS = (0.05, 20.0)
"""Temperatures outside of these mean a broken member, not a calibrated one."""

STENCIL = np.linspace(-0.3, 0.3, 5)
"""Steps in log temperature around the optimum over all rows, on which the folds' own optima are
interpolated.
"""


def view_mean(logits: np.ndarray, temperature: np.ndarray | float = 1.0) -> np.ndarray:
    """Member probabilities: logits (..., V, C) -> the mean over views of softmax(logits / temperature), (...,
    C).
    """
    return softmax(logits / temperature).mean(axis=-2)


def losses_at(logits: np.ndarray, labels: np.ndarray, temperature: float) -> np.ndarray:
    """Log loss (R,) in nats of logits (R, V, C) at one temperature."""
    picked = view_mean(logits, temperature)[np.arange(len(labels)), labels]
    return -np.log(np.maximum(picked, FLOOR))


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature of least log loss for logits (R, V, C) and labels (R,)."""
    found = minimize_scalar(
        lambda log_t: float(losses_at(logits, labels, float(np.exp(log_t))).mean()),
        bounds=np.log(LIMITS),
        method="bounded",
        options={"xatol": 1e-3},
    )
    return float(np.exp(found.x))


def cross_fit(logits: np.ndarray, labels: np.ndarray, folds: np.ndarray) -> tuple[float, dict[int, float]]:
    """The temperature over all rows, and for every fold the one fitted on the rows of the other folds.

    logits (R, V, C), labels (R,), folds (R,). The folds' optima lie close to the common one, so its
    neighbourhood is evaluated once for all of them; a fold whose optimum lies beyond is fitted on its own.
    """
    common = fit_temperature(logits, labels)
    numbers = [int(fold) for fold in np.unique(folds)]
    sums = np.array([_fold_sums(logits, labels, folds, common * float(np.exp(step))) for step in STENCIL])
    temperatures = {}
    for place, fold in enumerate(numbers):
        step = _lowest(sums.sum(axis=1) - sums[:, place])
        rest = folds != fold
        beyond = abs(step) >= STENCIL[-1]
        temperatures[fold] = (
            fit_temperature(logits[rest], labels[rest]) if beyond else common * float(np.exp(step))
        )
    return common, temperatures


def _fold_sums(logits: np.ndarray, labels: np.ndarray, folds: np.ndarray, temperature: float) -> np.ndarray:
    _, place = np.unique(folds, return_inverse=True)
    return np.bincount(place, weights=losses_at(logits, labels, temperature))


def _lowest(losses: np.ndarray) -> float:
    curve = np.polyfit(STENCIL, losses, deg=len(STENCIL) - 1)
    steps = np.linspace(STENCIL[0], STENCIL[-1], 601)
    return float(steps[np.polyval(curve, steps).argmin()])
