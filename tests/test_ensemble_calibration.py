import numpy as np
import pytest
from ensemble_toy import make_runs
from scipy.optimize import minimize_scalar
from sklearn.metrics import log_loss

from kit.ensemble.scoring.calibration import cross_fit, fit_temperature
from kit.inference.model import merge_views, softmax


def scipys(logits, labels):
    """The optimum by another formula and another solver (Brent's)."""

    def loss(temperature):
        return log_loss(labels, softmax(logits.astype(np.float64) / temperature).mean(axis=1))

    return minimize_scalar(loss, bracket=(0.5, 1.0, 3.0), options={"xtol": 1e-6}).x


@pytest.mark.parametrize("views", [1, 3])
def test_temperature_is_scipys_optimum(views):
    run = make_runs(1, views=views)[0]
    assert fit_temperature(run.logits, run.labels) == pytest.approx(scipys(run.logits, run.labels), rel=5e-3)


def test_temperature_undoes_a_known_factor():
    rng = np.random.default_rng(0)
    logits = 2 * rng.normal(size=(20_000, 1, 5))
    labels = np.array([rng.choice(5, p=p) for p in softmax(logits[:, 0])])
    assert fit_temperature(3.0 * logits, labels) == pytest.approx(3.0, rel=0.03)


@pytest.mark.parametrize("odd", [1.0, 6.0])
def test_each_folds_temperature_is_fitted_on_the_others(odd):
    """Also where one fold is so different that leaving it out moves the optimum far."""
    run = make_runs(1, rows=500)[0]
    logits = run.logits.copy()
    logits[run.folds == 2] *= odd
    common, by_fold = cross_fit(logits, run.labels, run.folds)
    assert common == pytest.approx(scipys(logits, run.labels), rel=5e-3)
    for fold, temperature in by_fold.items():
        rest = run.folds != fold
        assert temperature == pytest.approx(scipys(logits[rest], run.labels[rest]), rel=1e-2)


def test_a_folds_own_rows_have_no_say_in_its_temperature():
    run = make_runs(1)[0]
    changed = run.logits.copy()
    changed[run.folds == 0] = np.random.default_rng(1).normal(size=changed[run.folds == 0].shape)
    before, after = (cross_fit(logits, run.labels, run.folds)[1][0] for logits in (run.logits, changed))
    assert before == pytest.approx(after, rel=5e-3)


def test_views_are_averaged_as_probabilities():
    logits = np.random.default_rng(0).normal(size=(7, 3, 4)).astype(np.float32)
    expected = np.mean([softmax(logits[:, view] / 2.0) for view in range(3)], axis=0)
    np.testing.assert_allclose(merge_views(logits, 2.0), expected, rtol=1e-6)
