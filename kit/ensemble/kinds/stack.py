"""Stacking: a multinomial logistic regression on the members' centred log-probabilities (Wolpert, 1992).

Strongly regularised, the strength chosen over the rows' own folds. The regression is scikit-learn's; what is
kept of it are its coefficients, so that a submission needs neither scikit-learn nor a pickle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kit.ensemble.kinds.combine import Combiner, centred_log
from kit.ensemble.pool import Pool
from kit.ensemble.scoring.ranking import affordable
from kit.ensemble.scoring.scores import log_losses

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

STRENGTHS = (10.0, 100.0, 1000.0)
"""scikit-learn's C times the number of rows, strongest regularisation first; the folds choose."""

MOST_ROWS = 20_000
"""Rows beyond this add seconds, not accuracy, to a few hundred coefficients."""


CHOICE_ROWS = 6_000
"""Rows on which the strength is chosen: it only has to be right within a factor of three."""


@dataclass(frozen=True)
class Stack:
    """Multinomial logistic regression over the members that the rows can pay for."""

    name: str = "stack"
    seed: int = 0
    complexity: int = 4

    def fit(self, pool: Pool) -> Combiner:
        """Chooses the strength, then fits on all rows."""
        members = affordable(pool, numbers_a_member=pool.num_classes)
        proba, labels, folds = thinned(*pool.members(members).fitting(), MOST_ROWS, self.seed)
        few, few_labels, few_folds = thinned(proba, labels, folds, CHOICE_ROWS, self.seed)
        if len(np.unique(labels)) < 2:  # where few rows are left: nothing to tell apart
            return only(int(labels[0]), members, pool.num_classes)
        strength = choose_strength(features(few), few_labels, few_folds)
        model = regression(features(proba), labels, strength)
        return as_combiner(model, members, pool.num_classes)


def features(proba: np.ndarray) -> np.ndarray:
    """Centred log-probabilities side by side: proba (M, R, C) -> (R, M * C)."""
    return np.moveaxis(centred_log(proba), 0, 1).reshape(proba.shape[1], -1)


def thinned(
    proba: np.ndarray, labels: np.ndarray, folds: np.ndarray, most: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """At most so many of the rows, drawn evenly, in their order."""
    if len(labels) <= most:
        return proba, labels, folds
    rows = np.sort(np.random.default_rng(seed).permutation(len(labels))[:most])
    return proba[:, rows], labels[rows], folds[rows]


def regression(x: np.ndarray, labels: np.ndarray, strength: float) -> LogisticRegression:
    """The regression on x (R, F) and labels (R,)."""
    from sklearn.linear_model import LogisticRegression  # a second to import

    return LogisticRegression(C=strength / len(x), max_iter=1000).fit(x, labels)


def choose_strength(x: np.ndarray, labels: np.ndarray, folds: np.ndarray) -> float:
    """The strength of least log loss on rows held out fold by fold; the strongest wins ties.

    The strongest, too, where so few rows came that they make one fold.
    """
    if len(np.unique(folds)) < 2:
        return STRENGTHS[0]
    losses = [
        sum(_held_out_loss(x, labels, folds == fold, strength) for fold in np.unique(folds)) for strength in STRENGTHS
    ]
    return STRENGTHS[int(np.argmin(losses))]


def _held_out_loss(x: np.ndarray, labels: np.ndarray, held: np.ndarray, strength: float) -> float:
    if len(np.unique(labels[~held])) < 2:  # says nothing about the strength
        return 0.0
    model = regression(x[~held], labels[~held], strength)
    proba = np.zeros((int(held.sum()), int(labels.max()) + 1))
    proba[:, model.classes_] = model.predict_proba(x[held])
    return float(log_losses(proba, labels[held]).sum())


def only(label: int, members: tuple[int, ...], classes: int) -> Combiner:
    """The combiner that rows of one class come to: that class, by log-odds of 10, whatever the members predict."""
    odds = np.full(classes, -10.0)
    odds[label] = 0.0
    weights = (1 / len(members),) * len(members)
    return Combiner("stack", members, weights, np.zeros((len(members), classes, classes)), odds)


def as_combiner(model: LogisticRegression, members: tuple[int, ...], classes: int) -> Combiner:
    """The regression as data; a class without a row keeps log-odds 10 below the lowest, and no weight."""
    rows, intercept = model.coef_, model.intercept_
    if len(rows) == 1:  # scikit-learn keeps one row of coefficients for two classes
        rows, intercept = (
            np.concatenate([-rows / 2, rows / 2]),
            np.concatenate([-intercept / 2, intercept / 2]),
        )
    full, odds = np.zeros((classes, rows.shape[1])), np.full(classes, intercept.min() - 10.0)
    full[model.classes_], odds[model.classes_] = rows, intercept
    coef = full.reshape(classes, len(members), classes).transpose(1, 2, 0)
    size = np.abs(coef).sum(axis=(1, 2))
    if not size.any():  # members that predict the same for every row: none counts more than another
        size = np.ones(len(members))
    weights = tuple(float(share) for share in size / size.sum())
    return Combiner("stack", members, weights, coef, odds)
