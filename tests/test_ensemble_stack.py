import numpy as np
import pytest
from ensemble_toy import make_runs
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, PredefinedSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from kit.ensemble.kinds.stack import MOST_ROWS, STRENGTHS, Stack, as_combiner, features, regression, thinned
from kit.ensemble.pool import make_pool
from kit.ensemble.scoring.nested import nested_proba


def toy(classes=4, **more):
    return make_pool(make_runs(3, classes=classes, **more), expects="clean")


def test_stacking_is_scikit_learns_on_the_same_folds(monkeypatch):
    """Coefficients as data, applied by the shipped file, against scikit-learn's own cross-validation."""
    monkeypatch.setattr("kit.ensemble.kinds.stack.STRENGTHS", (100.0,))
    pool = toy()
    logs = np.log(np.maximum(pool.proba[:, :, 0].astype(np.float64), 1e-6))
    flat = (logs - logs.mean(-1, keepdims=True)).transpose(1, 0, 2).reshape(len(pool.labels), -1)
    model = make_pipeline(FunctionTransformer(), LogisticRegression(C=100.0 / 480, max_iter=1000))
    split = PredefinedSplit(pool.folds)
    theirs = cross_val_predict(model, flat, pool.labels, cv=split, method="predict_proba")
    order = Stack().fit(pool).members  # ranking permutes features, not the fit
    assert sorted(order) == [0, 1, 2]
    np.testing.assert_allclose(nested_proba(Stack(), pool)[:, 0], theirs, atol=2e-3)


def test_the_strength_is_the_one_that_grid_search_finds():
    pool = toy()
    proba, labels, folds = pool.fitting()
    x = features(proba)
    grid = GridSearchCV(
        LogisticRegression(max_iter=1000),
        {"C": [strength / (0.8 * len(x)) for strength in STRENGTHS]},
        cv=PredefinedSplit(folds),
        scoring="neg_log_loss",
    ).fit(x, labels)
    from kit.ensemble.kinds.stack import choose_strength

    assert choose_strength(x, labels, folds) == STRENGTHS[int(grid.best_index_)]


@pytest.mark.parametrize("classes", [2, 4])
def test_coefficients_as_data_give_the_regressions_predictions(classes):
    pool = toy(classes)
    proba, labels, _ = pool.fitting()
    model = regression(features(proba), labels, 100.0)
    combiner = as_combiner(model, (0, 1, 2), classes)
    theirs = model.predict_proba(features(proba.astype(np.float64)))
    np.testing.assert_allclose(combiner.apply(proba), theirs, atol=1e-6)


def test_a_class_without_rows_is_never_said():
    pool = toy()
    kept = pool.rows(pool.labels != 2)
    proba = Stack().fit(kept).apply(pool.proba)
    assert np.isfinite(proba).all()
    assert (proba[:, 0].argmax(-1) != 2).all()


def test_many_rows_are_thinned_evenly():
    rows = MOST_ROWS + 5000
    proba, labels, folds = thinned(np.zeros((1, rows, 2)), np.arange(rows), np.arange(rows) % 5, MOST_ROWS, 0)
    assert proba.shape[1] == len(labels) == MOST_ROWS
    assert (np.diff(labels) > 0).all()
    assert np.bincount(folds).min() > 0.18 * MOST_ROWS
