"""Scores as margins and back, so that scores of several networks can be put together.

A network predicts the class of the largest value, the right class's value being larger by its margin d than the
others, each with a normal deviation of 1: signal detection's model of a choice among m alternatives. Guessing has the
margin 0, whatever the number of classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import ndtr

GRID = np.linspace(0.0, 8.0, 401)


@dataclass(frozen=True)
class Agreement:
    """Correlations of networks."""

    folds: float
    """Of one recipe, each trained without another fold."""
    kin: float
    """Of recipes of one architecture, which differ in size, seed or augmentation."""
    others: float
    """Of recipes of different ones."""


AGREE = {"clean": Agreement(0.80, 0.80, 0.70), "shifted": Agreement(0.93, 0.90, 0.86)}
"""By what is scored. Recorded: two frozen trunks of 0.895 and 0.897 made 0.926 together (0.71); two pretrained networks
of 0.869 and 0.844 under shifts made 0.876 (0.86): what a shift hides from one, it hides from the other. Folds: three to
five networks gained 4 to 5 points on photographs (0.80), four 1.7 on shifted cells (0.91), five 1.5 from scratch
(0.94)."""


@lru_cache(maxsize=64)
def _scores(classes: int) -> np.ndarray:
    """The score of every margin of GRID."""
    x = np.linspace(-8.0, 16.0, 2401)
    others = ndtr(x) ** (classes - 1)
    density = np.exp(-0.5 * (x[None, :] - GRID[:, None]) ** 2) / np.sqrt(2 * np.pi)
    return np.asarray(np.trapezoid(density * others, x, axis=1))


def margin(score: float, classes: int) -> float:
    """The margin of a score (0..1); 0 for guessing and worse."""
    return float(np.interp(score, _scores(classes), GRID))


def score(margin: float, classes: int) -> float:
    """The score of a margin."""
    return float(np.interp(margin, GRID, _scores(classes)))


def fold_factor(recipes: float, folds: int, agree: Agreement) -> float:
    """By what the margin grows when `recipes` blended alike send `folds` networks each instead of one."""
    one = 1 + (recipes - 1) * agree.others
    every = (1 + (folds - 1) * agree.folds) / folds + (recipes - 1) * agree.others
    return float((one / every) ** 0.5)
