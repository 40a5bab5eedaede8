"""A bias a class, added to a blend's log-probabilities; and the correction for another class prior."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize

from kit.ensemble.kinds.combine import Combiner
from kit.ensemble.pool import Pool
from kit.ensemble.scoring.nested import Kind
from kit.errors import EnsembleError
from kit.inference.model import FLOOR, softmax

PENALTY = 1e-2
"""Pull of every bias to zero, in nats of mean log loss for a bias of 1."""


@dataclass(frozen=True)
class Biased:
    """Another kind with a bias a class, fitted to least log loss behind it."""

    inner: Kind

    @property
    def name(self) -> str:
        """The inner kind's, and "+bias"."""
        return f"{self.inner.name}+bias"

    @property
    def complexity(self) -> int:
        """One more than without: it fits as many numbers as there are classes."""
        return self.inner.complexity + 1

    def fit(self, pool: Pool) -> Combiner:
        """Fits the inner kind, then the bias on the same rows."""
        combiner = self.inner.fit(pool)
        proba, labels, _ = pool.fitting()
        return replace(combiner, bias=tuple(map(float, fit_bias(combiner.apply(proba), labels))))


def fit_bias(proba: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Bias (C,), sum 0, of least log loss of softmax(log proba + bias); proba (R, C), labels (R,)."""
    logs, truth = np.log(np.maximum(proba, FLOOR)), np.eye(proba.shape[1])[labels]

    def loss(bias: np.ndarray) -> tuple[float, np.ndarray]:
        mixed = softmax(logs + bias)
        value = -np.log(np.maximum(mixed[np.arange(len(labels)), labels], FLOOR)).mean()
        return float(value + PENALTY * bias @ bias), (mixed - truth).mean(axis=0) + 2 * PENALTY * bias

    found = minimize(loss, np.zeros(proba.shape[1]), jac=True, method="L-BFGS-B")
    return found.x - found.x.mean()


def with_prior(combiner: Combiner, labels: np.ndarray, hidden_prior: Sequence[float]) -> Combiner:
    """The combiner for a hidden test whose class shares (C,) differ from those of `labels` (N,).

    Bayes' rule on the outputs (Saerens et al., 2002): each class gains the log of the ratio of its shares.
    EnsembleError unless the shares are positive, one a class, and sum to 1.
    """
    prior = check_prior(hidden_prior, labels)
    change = np.log(prior * len(labels) / np.bincount(labels, minlength=len(prior)))
    bias = (np.asarray(combiner.bias) if combiner.bias else 0.0) + change
    return replace(combiner, bias=tuple(map(float, bias)))


def corrected(proba: np.ndarray, labels: np.ndarray, hidden_prior: Sequence[float]) -> np.ndarray:
    """Probabilities (..., C) under the hidden test's class shares, as `with_prior` makes them."""
    none = Combiner("mean", (0,), (1.0,))
    return with_prior(none, labels, hidden_prior).apply(proba[None])


def check_prior(hidden_prior: Sequence[float], labels: np.ndarray) -> np.ndarray:
    """The shares as an array; EnsembleError where they are none, or a class of theirs has no rows."""
    prior = np.asarray(hidden_prior, dtype=np.float64)
    classes = int(labels.max()) + 1
    if prior.ndim != 1 or len(prior) < classes or prior.min() <= 0 or abs(prior.sum() - 1) > 1e-3:
        raise EnsembleError(
            f"the hidden prior must be {classes} positive shares that sum to 1, but got {list(hidden_prior)}. "
            f"Give a share a class, in the order of the contest's classes"
        )
    empty = np.bincount(labels, minlength=len(prior)) == 0
    if empty.any():
        raise EnsembleError(f"class {int(empty.argmax())} has no rows to correct from, but a hidden prior. Drop it")
    return prior / prior.sum()


def row_weights(labels: np.ndarray, hidden_prior: Sequence[float]) -> np.ndarray:
    """Weights (N,) of mean 1 that give the rows the hidden test's class shares."""
    prior = check_prior(hidden_prior, labels)
    return (prior * len(labels) / np.bincount(labels, minlength=len(prior)))[labels]
