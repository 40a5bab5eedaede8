import numpy as np
import pytest
from ensemble_toy import make_runs

from kit.ensemble.kinds.weights import PENALTIES, Weights, choose_penalty, simplex
from kit.ensemble.pool import make_pool


def picked(members=4, rows=800):
    pool = make_pool(make_runs(members, rows=rows), expects="clean")
    proba, labels, folds = pool.fitting()
    return proba[:, np.arange(len(labels)), labels].astype(np.float64), folds


def em(picked, rounds=5000):
    """Maximum-likelihood mixture weights by expectation maximisation, an algorithm of another kind."""
    weights = np.full(len(picked), 1 / len(picked))
    for _ in range(rounds):
        share = weights[:, None] * picked
        weights = (share / share.sum(axis=0)).mean(axis=1)
    return weights


def test_weights_are_the_maximum_likelihood_mixture():
    data, _ = picked()
    ours, theirs = simplex(data, 0.0), em(data)
    assert -np.log(ours @ data).mean() == pytest.approx(-np.log(theirs @ data).mean(), abs=1e-6)
    np.testing.assert_allclose(ours, theirs, atol=5e-3)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_weights_stay_on_the_simplex(penalty):
    weights = simplex(picked()[0], penalty)
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1.0)


def test_a_strong_pull_gives_equal_weights():
    np.testing.assert_allclose(simplex(picked()[0], 1e4), 0.25, atol=1e-3)


def test_the_pull_is_strong_where_members_are_exchangeable_and_weak_where_they_are_not():
    rng = np.random.default_rng(0)
    folds = np.arange(60) % 5
    alike = [choose_penalty(rng.uniform(0.2, 1.0, size=(20, 60)), folds) for _ in range(20)]
    skill = np.linspace(0.1, 0.6, 20)[:, None]
    unlike = [choose_penalty(rng.uniform(0.0, 0.4, size=(20, 60)) + skill, folds) for _ in range(20)]
    assert np.median(alike) >= 0.1
    assert np.median(unlike) <= 0.01


def test_weights_as_a_kind_prefer_the_better_member():
    pool = make_pool(make_runs(6, rows=3000))
    combiner = Weights().fit(pool)
    assert sum(combiner.weights) == pytest.approx(1.0)
    heavy = {pool.names[m] for m in combiner.members[:3]}
    assert "net0" not in heavy  # the worst on shifted rows
