import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from kit.ensemble.scoring.reliability import reliability
from kit.inference.model import softmax


def draw(rows=4000, factor=1.0, seed=0):
    """Probabilities whose logits are `factor` times those that the labels were drawn from."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.normal(size=(rows, 4))
    labels = (rng.random(rows)[:, None] > softmax(logits).cumsum(axis=1)).sum(axis=1)
    return softmax(factor * logits), labels


def test_bins_are_scikit_learns():
    proba, labels = draw()
    found = reliability(proba, labels)
    hit = proba.argmax(1) == labels
    accuracy, confidence = calibration_curve(hit, proba.max(1), n_bins=15)
    np.testing.assert_allclose(found.accuracy, accuracy)
    np.testing.assert_allclose(found.confidence, confidence)
    expected = (found.count / found.count.sum() * np.abs(accuracy - confidence)).sum()
    assert found.error == pytest.approx(expected)


def test_a_calibrated_predictor_shows_what_chance_shows():
    found = reliability(*draw())
    assert abs(found.error - found.chance) < 3 * found.se


def test_an_overconfident_one_shows_more():
    found = reliability(*draw(factor=3.0))
    assert found.error > found.chance + 5 * found.se


def test_the_uncertainty_is_the_spread_over_samples():
    errors = [reliability(*draw(rows=1500, factor=2.0, seed=seed)).error for seed in range(25)]
    claimed = reliability(*draw(rows=1500, factor=2.0, seed=99)).se
    assert claimed == pytest.approx(np.std(errors, ddof=1), rel=0.5)
