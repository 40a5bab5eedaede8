"""A submission that knows nothing is told from one whose classes are uneven."""

from __future__ import annotations

import numpy as np
import pytest

from kit.rehearsal.knowledge import better_than_guessing, mean_recall

RNG = np.random.default_rng(0)


def truth_of(*counts: int) -> np.ndarray:
    return RNG.permutation(np.repeat(np.arange(len(counts)), counts))


def predicted(truth: np.ndarray, right: float, classes: int) -> np.ndarray:
    """Labels of which each is right with this probability, else drawn evenly."""
    return np.where(RNG.random(len(truth)) < right, truth, RNG.integers(0, classes, len(truth)))


@pytest.mark.parametrize("counts", [(100,) * 10, (1000, 1000), (1960, 40), (1400, 600), (900, 60, 40), (9,) * 40])
def test_guesses_and_labels_in_another_order_are_told_from_knowledge(counts: tuple[int, ...]) -> None:
    truth, classes = truth_of(*counts), len(counts)
    assert better_than_guessing(predicted(truth, 0.6, classes), truth)
    assert not better_than_guessing(predicted(truth, 0.0, classes), truth)
    assert not better_than_guessing((truth + 1) % classes, truth)


def test_two_even_classes_need_not_be_right_three_times_in_four() -> None:
    truth = truth_of(1000, 1000)
    assert better_than_guessing(predicted(truth, 0.3, 2), truth)  # 0.65 right


def test_rare_positives_found_at_the_cost_of_false_alarms_are_knowledge() -> None:
    """As a contest judged by AUC trains for: 86 % right, where predicting none at all would have 98 %."""
    truth = truth_of(1960, 40)
    labels = np.where(truth == 1, RNG.random(2000) < 0.8, RNG.random(2000) < 0.14).astype(np.int64)
    assert 0.84 < (labels == truth).mean() < 0.88
    assert better_than_guessing(labels, truth)


def test_where_nearly_all_are_of_one_class_it_may_be_all_that_is_predicted() -> None:
    truth = truth_of(1960, 40)
    assert better_than_guessing(np.zeros(2000, np.int64), truth)
    assert not better_than_guessing(np.ones(2000, np.int64), truth)
    even = truth_of(700, 650, 650)
    assert not better_than_guessing(np.zeros(2000, np.int64), even)
    assert better_than_guessing(np.zeros(9, np.int64), np.zeros(9, np.int64))


def test_mean_recall_counts_classes_alike() -> None:
    truth = np.repeat([0, 1, 3], [8, 4, 2])
    labels = np.repeat([0, 1, 0, 3], [8, 2, 2, 2])
    assert mean_recall(labels, truth) == pytest.approx(((1 + 0.5 + 1) / 3, np.sqrt(0.25 / 4) / 3))
