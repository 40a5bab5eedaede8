"""What a heat is scored by, where accuracy says nothing."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from kit.pipeline.heat_score import drawn, measure_of, measured, worth

RNG = np.random.default_rng(0)
RARE = (RNG.random(4000) < 0.02).astype(np.int64)
EVEN = np.arange(4000) % 2


@pytest.mark.parametrize(
    ("metric", "labels", "classes", "measure"),
    [
        ("accuracy", RARE, 2, "accuracy"),
        ("roc_auc", EVEN, 2, "roc_auc"),
        ("log_loss", RARE, 2, "roc_auc"),
        ("my_metric.py:score", RARE, 2, "roc_auc"),
        ("log_loss", EVEN, 2, "accuracy"),
        ("macro_f1", RARE, 2, "roc_auc"),
        ("macro_f1", EVEN, 2, "balanced_accuracy"),
        ("roc_auc", np.arange(90) % 3, 3, "balanced_accuracy"),
        ("quadratic_kappa", np.arange(90) % 5, 5, "accuracy"),
    ],
)
def test_the_measure_tells_recipes_apart(metric: str, labels: np.ndarray, classes: int, measure: str) -> None:
    assert measure_of(metric, labels, classes) == measure


def test_scores_are_those_of_scikit_learn_over_the_mean_of_views() -> None:
    logits = RNG.normal(size=(4000, 2, 2)).astype(np.float32)
    logits[RARE == 1, :, 1] += 1
    mean = logits.astype(np.float64).mean(1)
    assert measured("accuracy", RARE, logits) == pytest.approx((mean.argmax(1) == RARE).mean())
    assert measured("roc_auc", RARE, logits) == pytest.approx(roc_auc_score(RARE, mean[:, 1] - mean[:, 0]))
    assert measured("balanced_accuracy", RARE, logits) == pytest.approx(balanced_accuracy_score(RARE, mean.argmax(1)))


def test_a_network_that_knows_nothing_of_the_rare_class_guesses() -> None:
    never = np.tile(np.array([3.0, -3.0]), (4000, 1, 1))
    assert measured("accuracy", RARE, never) > 0.97
    assert measured("roc_auc", RARE, never) == 0.5


def test_rows_are_drawn_evenly_and_are_worth_what_the_rare_class_allows() -> None:
    order = RNG.permutation(4000)
    rows = drawn(order, RARE, 100)
    assert len(set(rows.tolist())) == 100
    assert RARE[rows].sum() == 50
    assert worth("accuracy", RARE) == 4000
    assert worth("roc_auc", EVEN) == 4000
    few = np.repeat([0, 1], [390, 10])
    assert worth("roc_auc", few) == 39
    assert worth("roc_auc", np.zeros(9, np.int64)) == 9
