"""Scores as margins and back, so that scores of several networks can be put together.

A network answers with the class of the largest value, the right class's value being larger by its margin d than the
others, each with a normal deviation of 1: signal detection's model of a choice among m alternatives. Guessing has the
margin 0, whatever the number of classes.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.special import ndtr

GRID = np.linspace(0.0, 8.0, 401)


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
