"""The practice contest: its planted flaws are as told, its cells can be told apart, its hidden test is harder."""

from __future__ import annotations

import ast
import time
from pathlib import Path

import numpy as np
import pytest

from kit.data.practice import contest as practice
from kit.data.practice import planted, shift, traits
from kit.errors import DataError

ROWS, CLASSES = 2_000, 8


@pytest.fixture(scope="module")
def contest() -> tuple[np.ndarray, np.ndarray, planted.Planted]:
    images, labels, _ = practice.training_set()
    return images, labels, practice.planted()


@pytest.fixture(scope="module")
def hidden() -> tuple[np.ndarray, np.ndarray]:
    return practice.hidden_test(n=300)


@pytest.fixture(scope="module")
def unshifted() -> tuple[np.ndarray, np.ndarray]:
    return practice.hidden_test(n=300, strength=0)


def row_bytes(images: np.ndarray) -> list[bytes]:
    return [image.tobytes() for image in images]


def test_training_set_has_the_form_that_a_contest_hands_out(contest):
    images, labels, plan = contest
    assert images.shape == (ROWS, 48, 48, 3)
    assert images.dtype == np.uint8
    assert labels.dtype == np.int64
    np.testing.assert_array_equal(labels, plan.labels)
    assert practice.training_set.__defaults__ == practice.planted.__defaults__


def test_both_sets_are_drawn_within_fifteen_seconds_of_one_core():
    start = time.process_time()
    practice.training_set(seed=5)
    practice.hidden_test(seed=5)
    assert time.process_time() - start < 15


def test_same_seed_same_contest_other_seed_another():
    first, again, other = (practice.hidden_test(seed=seed, n=6) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])


def test_junk_is_two_images_copied_under_all_labels(contest):
    images, labels, plan = contest
    assert 0.10 <= plan.junk.mean() <= 0.15
    assert len(set(row_bytes(images[plan.junk]))) == 2
    assert set(labels[plan.junk]) == set(range(CLASSES))
    assert np.all(plan.true_labels[plan.junk] == -1)


def test_duplicates_are_exactly_the_planted_ones(contest):
    images, labels, plan = contest
    seen: dict[bytes, int] = {}
    cells = np.flatnonzero(~plan.junk)
    original = cells[plan.duplicate_of[cells] < 0]
    for row in original:
        assert seen.setdefault(images[row].tobytes(), row) == row
    copies = np.flatnonzero(plan.duplicate_of >= 0)
    assert len(copies) + len(original) == len(cells)
    for row in copies:
        assert seen[images[row].tobytes()] == plan.duplicate_of[row]
    across = labels[copies] != labels[plan.duplicate_of[copies]]
    assert 0 < across.sum() < len(copies) / 2


def test_about_one_label_in_a_hundred_is_wrong(contest):
    _, labels, plan = contest
    np.testing.assert_array_equal(plan.wrong, ~plan.junk & (labels != plan.true_labels))
    mislabelled = plan.wrong & (plan.duplicate_of < 0)
    assert 0.005 <= mislabelled.sum() / (~plan.junk).sum() <= 0.015


def test_classes_are_slightly_imbalanced(contest):
    plan = contest[2]
    counts = np.bincount(plan.true_labels[~plan.junk], minlength=CLASSES)
    assert 1.5 < counts.max() / counts.min() < 3
    drawn = traits.draw_labels(1_000, np.random.default_rng(0))
    np.testing.assert_allclose(np.bincount(drawn), 1_000 * traits.CLASS_SHARES, atol=1)


def test_training_set_and_phases_share_no_cell(contest, unshifted):
    final, _ = practice.hidden_test(n=300, phase="final", strength=0)
    assert set(row_bytes(unshifted[0])).isdisjoint(row_bytes(final))
    assert set(row_bytes(contest[0])).isdisjoint([*row_bytes(unshifted[0]), *row_bytes(final)])


def test_mixtures_shift_the_same_cells_in_other_ways(hidden, unshifted):
    other, other_labels = practice.hidden_test(n=300, mixture_seed=1)
    np.testing.assert_array_equal(hidden[1], other_labels)
    np.testing.assert_array_equal(hidden[1], unshifted[1])
    assert not np.array_equal(hidden[0], other)


def test_strength_moves_images_away_from_the_clean_ones(unshifted):
    clean = unshifted[0].astype(float)
    away = [
        np.abs(practice.hidden_test(n=300, strength=strength)[0] - clean).mean() for strength in (0.1, 0.5, 1.0)
    ]
    assert 0 < away[0] < away[1] < away[2]


def test_mixtures_of_different_seeds_differ_and_cover_all_operators():
    mixtures = [shift.draw_mixture(seed) for seed in range(30)]
    assert len({(m.operators, m.weights.tobytes()) for m in mixtures}) == 30
    assert set().union(*(m.operators for m in mixtures)) == set(shift.OPERATORS)
    for mixture in mixtures:
        assert len(mixture.operators) > len(shift.OPERATORS) / 2
        np.testing.assert_allclose([mixture.weights.sum(), mixture.counts.sum()], 1)


@pytest.mark.parametrize("name", list(shift.OPERATORS))
def test_operator_changes_the_image_and_not_its_input(name, unshifted):
    image = unshifted[0][0].astype(np.float32)
    before, operator = image.copy(), shift.OPERATORS[name]
    for seed in range(8):
        amount = 0.4 + 0.6 * seed / 7
        out, again = (operator(image, amount, np.random.default_rng(seed)) for _ in range(2))
        np.testing.assert_array_equal(image, before)
        np.testing.assert_array_equal(out, again)
        assert out.shape == image.shape
        assert np.isfinite(out).all()
        assert not np.array_equal(np.clip(out, 0, 255).round(), image)


def test_hidden_shift_shares_no_code_with_training_or_the_battery():
    for path in Path(practice.__file__).parent.glob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        modules = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
        modules |= {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        ours = {module for module in modules if module.split(".")[0] == "kit"}
        assert all(module.startswith(("kit.data.practice", "kit.errors")) for module in ours), path.name


def coarse(images: np.ndarray) -> np.ndarray:
    """Images reduced to 6x6: what a reader without any idea of cells would compare."""
    return images.reshape(len(images), 6, 8, 6, 8, 3).mean(axis=(2, 4)).reshape(len(images), -1)


def neighbour_accuracy(contest, test: tuple[np.ndarray, np.ndarray]) -> float:
    """Accuracy of the seven nearest cleaned training cells."""
    images, labels, plan = contest
    keep = ~plan.junk & (plan.duplicate_of < 0)
    known, asked = coarse(images[keep]), coarse(test[0])
    distance = (known**2).sum(axis=1) - 2 * asked @ known.T
    votes = labels[keep][np.argsort(distance, axis=1)[:, :7]]
    said = np.array([np.bincount(row, minlength=CLASSES).argmax() for row in votes])
    return float((said == test[1]).mean())


def test_cells_can_be_told_apart_and_the_shift_hides_it(contest, hidden, unshifted):
    clean, shifted = neighbour_accuracy(contest, unshifted), neighbour_accuracy(contest, hidden)
    assert clean > 0.6
    assert shifted < clean - 0.2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"phase": "finale"}, "phase must be one of development, final, but is 'finale'"),
        ({"n": 0}, "n is 0"),
        ({"strength": -0.5}, "strength -0.5"),
    ],
)
def test_wrong_arguments_are_refused(arguments, said):
    with pytest.raises(DataError, match=said):
        practice.hidden_test(**arguments)
