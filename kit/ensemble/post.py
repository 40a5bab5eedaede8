"""Post-processing that a metric rewards, fitted on a blend's nested predictions and scored without the fold it is for.

Class offsets where classes count alike whatever their rows (F1, balanced accuracy, Matthews), cuts on the expected
grade for quadratic kappa, a temperature and a floor for log loss. The arithmetic is the shipped file's. It is kept
where it earns more than its own paired standard error, nested.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from kit.ensemble.pool import Pool
from kit.ensemble.scoring.nested import Nested, difference
from kit.inference.model import post_processed
from kit.metrics.metric import Metric
from kit.metrics.registry import get_metric

MOST_ROWS = 20_000
"""Images that it is fitted on at most."""
MOST_CLASSES = 30
"""Classes up to which every one gets an offset of its own; of more, one number scales what their rarity takes."""

RARITY = np.linspace(0.0, 1.5, 7)
"""Shares of a class's negative log-frequency that its offset may be; 1 undoes the training set's shares."""
STEPS = np.array([-0.8, -0.4, -0.2, 0.2, 0.4, 0.8])
"""Changes of one class's offset that are tried, in nats."""
ROUNDS = 3

FLOORS = (1e-6, 1e-5, 1e-4, 1e-3, 3e-3, 1e-2)
"""Least probabilities of a class that are tried."""
CUTS = 60
"""Places on the expected grade that a cut is tried at: quantiles of what the rows have there."""

Post = dict[str, Any]


def with_post(found: Nested, pool: Pool) -> Nested:
    """The ensemble with its metric's post-processing where that earns its place; as it was where not."""
    metric = get_metric(pool.metric)
    if not metric.post or len(np.unique(pool.folds)) < 2:
        return found
    proba = np.empty_like(found.proba)
    for fold in np.unique(pool.folds):
        held = pool.folds == fold
        rest = pool.rows(~held)
        proba[held] = post_processed(_fit(metric, found.proba[~held], rest), found.proba[held])
    gap, error = difference(proba, found.proba, pool, pool.expects)
    if gap <= error:
        return found
    combiner = replace(found.combiner, post=_fit(metric, found.proba, pool))
    seen = pool.score(combiner.apply(pool.proba))
    return replace(found, combiner=combiner, proba=proba, nested=pool.score(proba), resubstitution=seen)


def _fit(metric: Metric, proba: np.ndarray, pool: Pool) -> Post:
    """What `post_processed` of the shipped file takes, from a pool's labels and proba (N, 1 + K, C)."""
    seen = proba[:, :1] if pool.expects == "clean" else proba
    flat, labels = seen.reshape(-1, seen.shape[-1]), np.repeat(pool.labels, seen.shape[1])
    if len(labels) > MOST_ROWS:
        rows = np.sort(np.random.default_rng(0).permutation(len(labels))[:MOST_ROWS])
        flat, labels = flat[rows], labels[rows]
    fits: dict[str, Callable[[Metric, np.ndarray, np.ndarray], Post]] = {
        "offsets": fit_offsets, "grades": fit_grades, "calibration": fit_calibration,
    }  # fmt: skip
    return fits[metric.post](metric, flat, labels)


def _gain(metric: Metric, post: Post, proba: np.ndarray, labels: np.ndarray) -> float:
    return metric.sign * metric.score(labels, post_processed(post, proba))


def fit_offsets(metric: Metric, proba: np.ndarray, labels: np.ndarray) -> Post:
    """Offsets (C,) of log-probabilities, sum 0, for the best metric of proba (R, C) and labels (R,)."""
    classes = proba.shape[1]
    share = (np.bincount(labels, minlength=classes) + 1) / (len(labels) + classes)
    rarity = np.log(share).mean() - np.log(share)

    def gain(offsets: np.ndarray) -> float:
        return _gain(metric, {"kind": "offsets", "offsets": offsets}, proba, labels)

    offsets = max((scale * rarity for scale in RARITY), key=gain)
    best = gain(offsets)
    for _ in range(ROUNDS if classes <= MOST_CLASSES else 0):
        for label in range(classes):
            tried = [offsets + step * (np.arange(classes) == label) for step in STEPS]
            gains = [gain(one) for one in tried]
            if max(gains) > best:
                best, offsets = max(gains), tried[int(np.argmax(gains))]
    return {"kind": "offsets", "offsets": (offsets - offsets.mean()).tolist()}


def fit_grades(metric: Metric, proba: np.ndarray, labels: np.ndarray) -> Post:
    """Cuts (C - 1,), ascending, on the expected grade, for the best metric of proba (R, C) and labels (R,)."""
    classes = proba.shape[1]
    expected = proba @ np.arange(classes) / proba.sum(axis=1)
    places = np.unique(np.quantile(expected, (np.arange(CUTS) + 0.5) / CUTS))
    cuts = np.arange(classes - 1) + 0.5

    def gain(some: np.ndarray) -> float:
        return _gain(metric, {"kind": "grades", "cuts": some}, proba, labels)

    best = gain(cuts)
    for _ in range(ROUNDS):
        for number in range(classes - 1):
            low = cuts[number - 1] if number else -np.inf
            high = cuts[number + 1] if number + 2 < classes else np.inf
            for place in places[(places > low) & (places < high)]:
                tried = np.where(np.arange(classes - 1) == number, place, cuts)
                if (found := gain(tried)) > best:
                    best, cuts = found, tried
    return {"kind": "grades", "cuts": cuts.tolist()}


def fit_calibration(metric: Metric, proba: np.ndarray, labels: np.ndarray) -> Post:
    """Temperature, and the least probability of a class, for the best metric of proba (R, C) and labels (R,)."""

    def post(temperature: float, floor: float) -> Post:
        return {"kind": "calibration", "temperature": temperature, "floor": floor}

    found = minimize_scalar(
        lambda log_t: -_gain(metric, post(float(np.exp(log_t)), FLOORS[1]), proba, labels),
        bounds=(-1.5, 1.5),
        method="bounded",
        options={"xatol": 1e-2},
    )
    temperature = float(np.exp(found.x))
    return max((post(temperature, floor) for floor in FLOORS), key=lambda one: _gain(metric, one, proba, labels))


def described(post: Post) -> str:
    """What it does, in words."""
    if post["kind"] == "offsets":
        return "offsets a class " + ", ".join(f"{one:+.2f}" for one in post["offsets"][:10])
    if post["kind"] == "grades":
        return "cuts on the expected grade at " + ", ".join(f"{one:.2f}" for one in post["cuts"])
    return f"temperature {post['temperature']:.2f}, no class below {post['floor']:g}"
