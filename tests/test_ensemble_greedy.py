from itertools import combinations_with_replacement

import numpy as np
import pytest
from ensemble_toy import make_runs
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, log_loss

from kit.ensemble.kinds.greedy import Greedy, bagged, select
from kit.ensemble.kinds.greedy_loss import objective
from kit.ensemble.pool import make_pool

PEERS = {
    "log_loss": lambda labels, proba: log_loss(labels, proba, labels=range(proba.shape[1])),
    "accuracy": lambda labels, proba: 1 - accuracy_score(labels, proba.argmax(1)),
    "balanced_accuracy": lambda labels, proba: 1 - balanced_accuracy_score(labels, proba.argmax(1)),
    "macro_f1": lambda labels, proba: 1 - f1_score(labels, proba.argmax(1), average="macro"),
}


def small(members=4, rows=150, seed=0):
    pool = make_pool(make_runs(members, rows=rows, seed=seed, skill=1.0), expects="clean")
    proba = pool.proba[:, :, 0].astype(np.float64)
    return proba / proba.sum(-1, keepdims=True), pool.labels


@pytest.mark.parametrize("metric", PEERS)
@pytest.mark.parametrize("seed", range(3))
def test_every_loss_is_scikit_learns_of_the_mean(metric, seed):
    """Also many rounds in, when most rows are settled and no longer looked at."""
    proba, labels = small(seed=seed)
    state, votes = objective(metric, proba.astype(np.float32), labels), []
    for member in np.random.default_rng(seed).integers(4, size=12):
        expected = [PEERS[metric](labels, proba[[*votes, candidate]].mean(axis=0)) for candidate in range(4)]
        np.testing.assert_allclose(state.losses(), expected, atol=2e-6)
        state.add(int(member))
        votes.append(member)


@pytest.mark.parametrize("metric", ["log_loss", "accuracy"])
@pytest.mark.parametrize("seed", range(4))
def test_greedy_is_as_good_as_brute_force_on_small_pools(metric, seed):
    proba, labels = small(seed=seed)
    votes = select(objective(metric, proba.astype(np.float32), labels), rounds=5)
    ours = PEERS[metric](labels, np.tensordot(votes / votes.sum(), proba, axes=1))
    best = min(
        PEERS[metric](labels, proba[list(chosen)].mean(axis=0))
        for size in range(1, 6)
        for chosen in combinations_with_replacement(range(4), size)
    )
    assert best - 1e-6 <= ours <= best * 1.05 + 1e-9


def test_each_vote_is_the_one_that_brute_force_would_give():
    proba, labels = small(members=5, seed=7)
    votes = select(objective("log_loss", proba.astype(np.float32), labels), rounds=8, start=1)
    first = int(np.argmin([PEERS["log_loss"](labels, p) for p in proba]))
    picks, losses = [first], [PEERS["log_loss"](labels, proba[first])]
    while len(picks) < 8:
        trials = [PEERS["log_loss"](labels, proba[[*picks, m]].mean(axis=0)) for m in range(5)]
        picks.append(int(np.argmin(trials)))
        losses.append(min(trials))
    kept = picks[: int(np.argmin(losses)) + 1]
    np.testing.assert_array_equal(votes, np.bincount(kept, minlength=5))


@pytest.mark.parametrize("metric", PEERS)
def test_selection_never_does_worse_than_the_best_member_on_its_own_rows(metric):
    proba, labels = small(members=6)
    weights = bagged(proba.astype(np.float32), labels, metric, bags=1)
    assert weights.sum() == pytest.approx(1.0)
    assert (
        PEERS[metric](labels, np.tensordot(weights, proba, axes=1))
        <= min(PEERS[metric](labels, p) for p in proba) + 1e-9
    )


def test_a_member_that_says_nothing_gets_no_weight():
    proba, labels = small(members=5)
    junk = np.random.default_rng(0).dirichlet(np.ones(4), size=len(labels))
    weights = bagged(np.concatenate([proba, junk[None]]).astype(np.float32), labels)
    assert weights[-1] < 0.01


def test_the_same_seed_gives_the_same_weights():
    proba, labels = small(members=14)
    first, again, other = (bagged(proba.astype(np.float32), labels, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_bags_spread_the_votes_over_more_members():
    proba, labels = small(members=14)
    one, many = (bagged(proba.astype(np.float32), labels, bags=bags) for bags in (1, 20))
    assert (many > 0).sum() > (one > 0).sum()


def test_greedy_as_a_kind_ships_a_weighted_mean_without_zeros():
    pool = make_pool(make_runs(7))
    combiner = Greedy().fit(pool)
    assert combiner.kind == "mean"
    assert min(combiner.weights) > 0
    assert list(combiner.weights) == sorted(combiner.weights, reverse=True)
    said = combiner.apply(pool.proba)[:, 0].argmax(-1)
    assert np.mean(said == pool.labels) > max(s.clean for s in pool.member_scores())
