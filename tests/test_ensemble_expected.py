import numpy as np
import pytest
from ensemble_toy import CELLS, make_runs

from kit.ensemble.pool import Pool, make_pool
from kit.ensemble.scoring.expected import Expected, expected_score
from kit.ensemble.scoring.recalibrate import recalibrated


def world(rng, rows=1200, cells=4):
    """Nested predictions whose accuracy under each cell is drawn: operators and severities of unequal
    damage.
    """
    damage = rng.uniform(0.0, 0.15, size=4)[:, None] * np.array([0.5, 1.0, 2.0])
    accuracy = 0.95 - damage.ravel()
    drawn = rng.integers(len(CELLS), size=(rows, cells))
    labels = rng.integers(2, size=rows)
    right = np.concatenate([rng.random((rows, 1)) < 0.97, rng.random((rows, cells)) < accuracy[drawn]], axis=1)
    proba = np.eye(2)[np.where(right, labels[:, None], 1 - labels[:, None])]
    pool = Pool(("net",), proba[None].astype(np.float32), labels, np.arange(rows) % 5, drawn, CELLS)
    return pool, proba, accuracy


def covered(expects, contests=150, hidden_rows=500):
    """Share of hidden scores inside their intervals, over contests that mix the battery's cells at random."""
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(contests):
        pool, proba, accuracy = world(rng)
        pool = Pool(**{**vars(pool), "expects": expects})
        found = expected_score(proba, pool, hidden_rows)
        weights = (rng.gamma(1.0, size=(4, 1)) * rng.gamma(1.0, size=(1, 3))).ravel()
        truth = 0.97 if expects == "clean" else float(weights @ accuracy / weights.sum())
        score = rng.binomial(hidden_rows, truth) / hidden_rows
        inside += found.low <= score <= found.high
    return inside / contests


@pytest.mark.parametrize("expects", ["clean", "shifted"])
def test_the_interval_covers_four_contests_in_five(expects):
    assert 0.72 <= covered(expects) <= 0.92


def test_an_interval_grows_with_what_is_not_known():
    pool = make_pool(make_runs(3, rows=2000))
    proba = pool.proba.mean(axis=0)
    few, many = (expected_score(proba, pool, hidden_rows=rows) for rows in (50, 5000))
    assert few.high - few.low > many.high - many.low
    assert few.point == many.point == pool.score(proba).shifted


def right_everywhere(rows, metric="accuracy", groups=None):
    labels = np.arange(rows) % 2
    proba = (np.eye(2)[labels] * 0.8 + 0.1)[:, None]
    pool = Pool(
        ("net",), proba[None], labels, np.zeros(rows, int), np.zeros((rows, 0), int), expects="clean", metric=metric
    )
    return expected_score(proba, Pool(**{**vars(pool), "groups": groups}), hidden_rows=500)


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "roc_auc", "matthews"])
def test_a_blend_that_is_right_on_every_row_need_not_stay_so(metric):
    """Of 100 rows without an error, Jeffreys' interval ends at 0.987."""
    few, many = (right_everywhere(rows, metric) for rows in (100, 10_000))
    assert few.point == many.point == few.high == 1.0
    assert 0.97 < few.low < 0.99
    assert 0.998 < many.low < 1.0
    alike = right_everywhere(1000, metric, np.arange(1000) // 10)
    assert alike.low == pytest.approx(few.low, abs=1e-6), "copies count once"


def test_a_loss_without_end_has_no_worst_row():
    found = right_everywhere(100, "log_loss")
    assert found.high - found.low < 1e-6


def test_the_interval_covers_rates_of_few_errors():
    """Right on 99 % and 99.8 % of all images, told by 100 rows."""
    rng = np.random.default_rng(1)
    for rate in (0.99, 0.998):
        inside = 0
        for _ in range(200):
            labels, right = rng.integers(2, size=100), rng.random(100) < rate
            proba = (np.eye(2)[np.where(right, labels, 1 - labels)])[:, None]
            pool = Pool(("net",), proba[None], labels, np.zeros(100, int), np.zeros((100, 0), int), expects="clean")
            found = expected_score(proba, pool, hidden_rows=500)
            inside += found.low <= rng.binomial(500, rate) / 500 <= found.high
        assert inside >= 150, rate


def test_the_same_blend_gets_the_same_interval():
    pool = make_pool(make_runs(3))
    assert expected_score(pool.proba[0], pool) == expected_score(pool.proba[0], pool)


EXPECTED = Expected(0.90, 0.85, 0.94, "shifted", hidden_rows=2000)


def test_two_remote_scores_change_nothing():
    assert recalibrated(EXPECTED, [0.9, 0.8], [0.7, 0.6]) == EXPECTED


def test_a_constant_miss_is_made_good():
    local, remote = [0.90, 0.85, 0.80, 0.92], [0.80, 0.72, 0.65, 0.83]
    found = recalibrated(EXPECTED, local, remote)
    assert 0.76 < found.point < 0.83
    assert found.low < found.point < found.high < 0.9
    assert "4 remote scores" in found.note
    assert "1.00" in found.note


def test_a_wide_scatter_gives_a_wide_interval():
    local = [0.9, 0.9, 0.91]
    tight, wide = (recalibrated(EXPECTED, local, remote) for remote in ([0.8, 0.81, 0.8], [0.95, 0.6, 0.8]))
    assert wide.high - wide.low > 2 * (tight.high - tight.low)
    assert 0 < wide.low < wide.high < 1


def test_equal_scores_have_no_rank_correlation():
    assert "unknown" in recalibrated(EXPECTED, [0.9, 0.9, 0.9], [0.8, 0.8, 0.8]).note


def test_perfect_scores_stay_below_one():
    found = recalibrated(EXPECTED, [1.0, 1.0, 1.0], [1.0, 1.0, 1.0])
    assert found.high < 1.0
