import tracemalloc

import numpy as np
import pytest
from imblearn.over_sampling import SMOTE
from sklearn.utils.class_weight import compute_class_weight

from kit.errors import TrainError
from kit.train.balance import class_weights, draw_balanced, oversample, smote, smote_bytes

LABELS = np.repeat([0, 1, 2], [80, 30, 10])


def test_inverse_weights_are_scikit_learns():
    wanted = compute_class_weight("balanced", classes=np.arange(3), y=LABELS)
    np.testing.assert_allclose(class_weights(LABELS, 3, "inverse"), wanted, rtol=1e-6)


def test_effective_weights_lie_between_none_and_inverse():
    effective = class_weights(LABELS, 3, "effective", beta=0.99)
    inverse = class_weights(LABELS, 3, "inverse")
    assert np.all(np.diff(effective) > 0)
    assert 1 < effective[2] / effective[0] < inverse[2] / inverse[0]
    expected = np.array([(1 - 0.01 * 0 - 0.99) / (1 - 0.99**n) for n in (80, 30, 10)])
    np.testing.assert_allclose(effective / effective[0], expected / expected[0], rtol=1e-5)
    np.testing.assert_allclose(class_weights(LABELS, 3, "effective", beta=1 - 1e-9), inverse, rtol=1e-4)


@pytest.mark.parametrize("kind", ["none", "inverse", "effective"])
def test_weights_average_to_one_over_rows_and_absent_classes_get_none(kind):
    weights = class_weights(LABELS, 5, kind)
    assert weights.dtype == np.float32
    assert weights[LABELS].mean() == pytest.approx(1, abs=1e-6)
    assert kind == "none" or (weights[3:] == 0).all()


def test_balanced_draw_evens_the_classes():
    rows = draw_balanced(LABELS, 30_000, 3, "inverse", np.random.default_rng(0))
    np.testing.assert_allclose(np.bincount(LABELS[rows]) / len(rows), 1 / 3, atol=0.02)


def test_oversampling_keeps_every_row_and_evens_the_classes():
    rows = oversample(LABELS, seed=0)
    assert set(rows) == set(range(len(LABELS)))
    assert np.bincount(LABELS[rows]).tolist() == [80, 80, 80]
    np.testing.assert_array_equal(rows, oversample(LABELS, seed=0))


def features(shape, dtype, seed=0):
    values = np.random.default_rng(seed).uniform(0, 255, (len(LABELS), *shape))
    return np.round(values).astype(dtype) if dtype == np.uint8 else values.astype(dtype)


@pytest.mark.parametrize(("shape", "dtype"), [((6, 6, 3), np.uint8), ((20,), np.float32)])
def test_smote_makes_rows_on_lines_between_neighbours_of_one_class(shape, dtype):
    given = features(shape, dtype)
    rows, labels = smote(given, LABELS, seed=1)
    assert rows.dtype == dtype
    assert np.bincount(labels).tolist() == [80, 80, 80]
    np.testing.assert_array_equal(rows[: len(given)], given)
    for new in rows[labels == 2][10:30]:
        own = given[LABELS == 2].reshape(10, -1).astype(float)
        assert min(_off_line(new.reshape(-1).astype(float), a, b) for a in own for b in own) < 1


def _off_line(point, a, b):
    """Largest distance in one value between `point` and the segment from a to b."""
    direction = b - a
    share = np.clip((point - a) @ direction / max(direction @ direction, 1e-9), 0, 1)
    return np.abs(point - a - share * direction).max()


def test_smote_draws_from_the_same_neighbours_as_imbalanced_learn():
    given = features((8,), np.float32)
    rows, labels = smote(given, LABELS, seed=3)
    theirs, their_labels = SMOTE(random_state=3).fit_resample(given, LABELS)
    assert np.bincount(labels).tolist() == np.bincount(their_labels).tolist()
    for label in (1, 2):
        mine, other = rows[labels == label], theirs[their_labels == label]
        np.testing.assert_allclose(mine.mean(0), other.mean(0), atol=20)
        np.testing.assert_allclose(mine.std(0), other.std(0), atol=20)


def test_smote_holds_to_its_memory_and_gives_the_same_classes_in_pieces():
    given = features((32, 32, 3), np.uint8)
    limit = smote_bytes(31, 3072, 8)
    tracemalloc.start()
    rows, labels = smote(given, LABELS, seed=1, max_bytes=limit)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.bincount(labels).tolist() == [80, 80, 80]
    assert peak < limit + 3 * rows.nbytes
    assert len(np.unique(rows[labels == 1].reshape(80, -1), axis=0)) == 80


def test_smote_says_when_the_memory_cannot_do():
    with pytest.raises(TrainError, match="Use SMOTE on embeddings"):
        smote(features((32, 32, 3), np.uint8), LABELS, seed=1, max_bytes=1 << 10)


def test_smote_of_tiny_classes():
    labels = np.array([0] * 6 + [1] * 2 + [2])
    given = np.arange(len(labels) * 4, dtype=np.float32).reshape(-1, 4)
    rows, new_labels = smote(given, labels, seed=0)
    assert np.bincount(new_labels).tolist() == [6, 6, 6]
    assert (rows[new_labels == 2] == given[8]).all()
