"""Post-processing: fitted out of fold, kept where it earns its place, and the same arithmetic in the zip."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ensemble_toy import make_runs

from kit.ensemble.blend import blend
from kit.ensemble.kinds.combine import Combiner, equal
from kit.ensemble.kinds.registry import kind
from kit.ensemble.pool import make_pool
from kit.ensemble.post import fit_calibration, fit_grades, fit_offsets, with_post
from kit.ensemble.scoring.nested import evaluate
from kit.inference.model import Model, contribution, finish, post_processed
from kit.metrics.registry import get_metric


def graded(rows=3000, classes=5, seed=0):
    """Ordinal grades, most of them 0, and probabilities that lean to the frequent ones as cross-entropy does."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(classes, size=rows, p=[0.55, 0.1, 0.2, 0.08, 0.07])
    seen = labels + rng.normal(size=rows)
    logs = -0.5 * (seen[:, None] - np.arange(classes)) ** 2 + np.log([0.55, 0.1, 0.2, 0.08, 0.07])
    proba = np.exp(logs)
    return labels, proba / proba.sum(axis=1, keepdims=True)


def pool_of(labels, proba, metric, folds=5):
    """A clean pool of one member."""
    runs = make_runs(1, rows=len(labels), classes=proba.shape[1], cells=0)
    logits = np.log(np.maximum(proba, 1e-9)).astype(np.float32)[:, None]
    run = replace(runs[0], labels=labels, logits=logits, folds=np.arange(len(labels)) % folds)
    return make_pool([run], "clean", metric, temperature=False), run


@pytest.mark.parametrize("name", ["quadratic_kappa", "macro_f1", "balanced_accuracy", "matthews", "weighted_f1"])
def test_it_wins_on_rows_that_it_was_not_fitted_on(name):
    metric, fits = get_metric(name), {"grades": fit_grades, "offsets": fit_offsets}
    post = fits[metric.post](metric, graded()[1], graded()[0])
    labels, proba = graded(seed=1)
    before, after = metric.score(labels, proba), metric.score(labels, post_processed(post, proba))
    assert after > before - 0.005
    if name != "weighted_f1" and name != "matthews":
        assert after > before + 0.02


def test_calibration_undoes_overconfidence_and_keeps_off_zero():
    labels, proba = graded()
    sure = proba**3 / (proba**3).sum(axis=1, keepdims=True)
    post = fit_calibration(get_metric("log_loss"), sure, labels)
    assert post["temperature"] == pytest.approx(3.0, rel=0.1)
    loss = get_metric("log_loss")
    assert loss.score(labels, post_processed(post, sure)) == pytest.approx(loss.score(labels, proba), rel=0.02)
    never = post_processed(post, np.array([[1.0, 0, 0, 0, 0]]))
    assert never.min() >= 0.9 * post["floor"]
    assert never.sum() == pytest.approx(1)


def test_the_nested_score_is_that_of_cuts_fitted_without_the_fold():
    pool, _ = pool_of(*graded(), "quadratic_kappa")
    plain = evaluate(kind("all"), pool)
    found = with_post(plain, pool)
    assert found.combiner.post["kind"] == "grades"
    fold = pool.folds == 2
    alone = fit_grades(get_metric("quadratic_kappa"), plain.proba[~fold, 0], pool.labels[~fold])
    assert np.allclose(post_processed(alone, plain.proba[fold]), found.proba[fold])
    assert found.nested.clean > plain.nested.clean + 0.01
    assert found.resubstitution.clean >= found.nested.clean - 0.01


def test_labels_at_random_earn_no_post_processing():
    labels, proba = graded(rows=200)
    scores = []
    for seed in range(12):
        pool, _ = pool_of(np.random.default_rng(seed).permutation(labels), proba, "quadratic_kappa")
        scores.append(with_post(evaluate(kind("all"), pool), pool).nested.clean)
    assert abs(np.mean(scores)) < 0.06, "chance of twelve draws, whose spread is 0.07 each"
    accurate, _ = pool_of(labels, proba, "accuracy")
    assert with_post(evaluate(kind("all"), accurate), accurate).combiner.post is None


@pytest.mark.parametrize("name", ["quadratic_kappa", "macro_f1", "log_loss"])
def test_a_blend_keeps_it_and_the_shipped_file_does_the_same(name, tmp_path):
    labels, proba = graded()
    if name == "log_loss":
        proba = proba**3 / (proba**3).sum(axis=1, keepdims=True)
    pool, run = pool_of(labels, proba, name)
    made = blend([run], "all", "clean", name, pool)
    assert made.combiner["post"]["kind"] == get_metric(name).post
    made.to_json(tmp_path / "blend.json")
    read = type(made).from_json(tmp_path / "blend.json")
    ours = read.proba(pool)[:, 0]
    theirs = finish(read.combiner, contribution(read.combiner, 0, pool.proba[0, :, 0].astype(np.float64)))
    assert np.array_equal(ours, theirs)
    assert get_metric(name).score(labels, ours) == pytest.approx(made.resubstitution.clean)
    assert np.array_equal(theirs.astype(np.float32).argmax(-1), ours.argmax(-1)), "labels survive float32"


def test_a_decided_grade_is_the_likeliest_even_where_it_had_nothing():
    post = {"kind": "grades", "cuts": [0.5, 1.5]}
    found = post_processed(post, np.array([[0.5, 0.0, 0.5], [1.0, 0.0, 0.0], [0.1, 0.1, 0.8]])).astype(np.float32)
    assert found.argmax(-1).tolist() == [1, 0, 2]
    assert np.allclose(found.sum(-1), 1)


def test_a_combiner_without_it_is_written_as_before():
    assert "post" not in equal("mean", (0, 1)).to_json()
    assert Combiner.from_json(equal("mean", (0, 1)).to_json()).post is None


@pytest.mark.parametrize(("submits", "shape"), [("labels", (3,)), ("probabilities", (3, 4))])
def test_the_class_returns_what_the_platform_takes(submits, shape, monkeypatch):
    model = Model.__new__(Model)
    model.manifest = {"output": "labels", "submits": submits, "combiner": {"kind": "mean", "weights": [1.0]}}
    monkeypatch.setattr(model, "blended", lambda X, end, half: np.full((len(X), 4), 0.25, dtype=np.float32))
    found = model.predict(np.zeros((3, 8, 8, 3), dtype=np.uint8))
    assert found.shape == shape
    assert found.dtype == (np.int64 if submits == "labels" else np.float32)


def test_labels_are_the_numbers_of_the_training_labels(monkeypatch):
    model = Model.__new__(Model)
    model.manifest = {"output": "labels", "labels": [1, 2, 5], "combiner": {"kind": "mean", "weights": [1.0]}}
    monkeypatch.setattr(model, "blended", lambda X, end, half: np.eye(3, dtype=np.float32)[[2, 0, 1]])
    assert model.predict(np.zeros((3, 8, 8, 3), dtype=np.uint8)).tolist() == [5, 1, 2]
