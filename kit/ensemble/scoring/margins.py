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


AGREE = {"clean": Agreement(0.80, 0.90, 0.76), "shifted": Agreement(0.93, 0.93, 0.86)}
"""By what is scored. Recorded on clean images: two frozen trunks of 0.895 and 0.897 made 0.926 together (0.71); two
fine-tuned architectures on photographs, 0.784 and 0.771, made 0.814 (0.77; three more pairs 0.75, 0.76, 0.80); one of
them at other epochs 0.90, networks from scratch of one architecture 0.99 and more. Under shifts: two pretrained
networks of 0.869 and 0.844 made 0.876 (0.86): what a shift hides from one, it hides from the other; of one
architecture 0.91 to 0.96. Folds: three to five networks gained 4 to 5 points on photographs (0.80), four 1.7 on shifted
cells (0.91), five 1.5 from scratch (0.94)."""

MOST_RECORDED = 0.25
"""Largest share of the wrong predictions that averaging folds puts right. Normal margins promise half of them where few
are left, but those may be images that all networks get wrong. Three to five networks put right 14, 15 and 17 % of them
on photographs (0.52 to 0.77 right), 11 % on shifted cells (0.84), 10 % on handwritten digits (0.98, fourteen epochs
from scratch), about 40 % on those and on clean cells where networks were fine-tuned for one or two epochs (0.98 and
0.96)."""


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
    one = np.array([1.0, agree.others])
    others = np.array([1.0, recipes - 1])
    return float((others @ one / (others @ averaged(one, folds, agree))) ** 0.5)


def averaged(common: np.ndarray, folds: int, agree: Agreement) -> np.ndarray:
    """What means over folds have in common, where networks of one fold have `common` (1: a recipe with itself).

    Networks of different folds have in common what those of one recipe have, or less where recipes differ more: margins
    of two architectures on photographs correlate by 0.69 within a fold and by 0.65 across, of one at other epochs by
    0.84 and 0.76, of its folds by 0.76.
    """
    return np.asarray((common + (folds - 1) * np.minimum(common, agree.folds)) / folds)


def bounded(gain: float, score: float) -> float:
    """What averaging adds to `score`: not less than nothing, and no larger share of the errors than recorded."""
    return min(max(gain, 0.0), MOST_RECORDED * (1 - score))
