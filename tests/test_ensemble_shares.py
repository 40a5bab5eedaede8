"""Shares of the battery's cells in the hidden test, and what they change."""

from collections import Counter

import numpy as np
import pytest
from ensemble_toy import CELLS, make_runs

from kit.config import ShiftConfig
from kit.ensemble.blend import blend
from kit.ensemble.pool import make_pool
from kit.ensemble.scoring.expected import expected_score
from kit.ensemble.scoring.nested import difference
from kit.ensemble.scoring.scores import shifted_se
from kit.ensemble.scoring.shares import UNTOUCHED, shares_in_test, with_shares
from kit.shifts.battery import Battery

RUNS = make_runs(4, rows=1200)
POOL = make_pool(RUNS)


def only(*names):
    return {name: 1 / len(names) for name in names}


def accuracy(member, names):
    """Mean hit over the cells of that name."""
    hits = POOL.proba[member][:, 1:].argmax(-1) == POOL.labels[:, None]
    return np.mean([hits[POOL.cells == CELLS.index(name)].mean() for name in names])


def test_shares_of_some_cells_score_on_those_alone():
    names = ("blur.motion@5", "noise.shot@1")
    pool = with_shares(POOL, only(*names))
    for member in range(4):
        assert pool.member_scores()[member].shifted == pytest.approx(accuracy(member, names))


def test_an_untouched_test_scores_as_clean_images_do():
    pool = with_shares(POOL, only(UNTOUCHED))
    for score in pool.member_scores():
        assert score.shifted == pytest.approx(score.clean)
        assert score.shifted_se == pytest.approx(score.clean_se, rel=0.05)


def test_the_shares_that_were_drawn_change_nothing():
    drawn = Counter(POOL.cells.ravel().tolist())
    pool = with_shares(POOL, {CELLS[cell]: count for cell, count in drawn.items()})
    for ours, plain in zip(pool.member_scores(), POOL.member_scores()):
        assert ours.shifted == pytest.approx(plain.shifted)
        assert ours.shifted_log_loss == pytest.approx(plain.shifted_log_loss)
    found, plain = expected_score(pool.proba[0], pool), expected_score(POOL.proba[0], POOL)
    assert found.point == pytest.approx(plain.point)
    gap, error = difference(pool.proba[1], pool.proba[0], pool, "shifted")
    expected, expected_error = difference(POOL.proba[1], POOL.proba[0], POOL, "shifted")
    assert gap == pytest.approx(expected)
    assert error == pytest.approx(expected_error, rel=0.05)


def test_rows_of_a_pool_keep_their_shares():
    names = ("colour.hue@3",)
    pool = with_shares(POOL, only(*names)).rows(np.arange(0, 1200, 2))
    hits = (pool.proba[0][:, 1:].argmax(-1) == pool.labels[:, None])[pool.cells == CELLS.index(names[0])]
    assert pool.score(pool.proba[0]).shifted == pytest.approx(hits.mean())


def test_a_weighted_error_is_that_of_the_weighted_mean():
    """Against a bootstrap over rows and operators drawn anew, one value an operator a row."""
    rng = np.random.default_rng(0)
    rows, count = 300, 40
    level = rng.normal(0, 0.1, count)
    operators = np.tile(np.arange(count), (rows, 1))
    weights = np.tile(np.where(np.arange(count) < 10, 2.5, 0.5), (rows, 1))
    found, means = [], []
    for _ in range(300):
        values = 0.8 + rng.choice(level, count)[None] + rng.normal(0, 0.3, (rows, count))
        found.append(shifted_se(values, operators, weights))
        means.append((weights * values).mean())
    assert np.mean(found) == pytest.approx(np.std(means), rel=0.15)


def test_a_blend_is_chosen_and_expected_under_the_shares_and_says_so():
    hard = blend(RUNS, "best2", shares=only("blur.motion@5", "blur.gauss@5"))
    easy = blend(RUNS, "best2", shares=only(UNTOUCHED))
    assert hard.expected.point < easy.expected.point
    assert hard.options["shares"] == only("blur.motion@5", "blur.gauss@5")
    assert {m.recipe for m in hard.members} == {"net2", "net3"}  # best where shifts are strong
    assert "shares" not in blend(RUNS, "best2").options


def test_shares_are_read_off_test_images(monkeypatch):
    monkeypatch.setattr("kit.shifts.reweight.ROUNDS", 3)
    rng = np.random.default_rng(0)
    images = np.repeat(np.repeat(rng.integers(40, 200, (500, 4, 4, 3)), 6, 1), 6, 2)
    images = (images + rng.normal(0, 3, images.shape)).clip(0, 255).astype(np.uint8)
    battery = Battery.from_config(ShiftConfig(battery=["noise.gaussian@4", "illumination.darken@4"]))
    test = battery.apply(images[300:], np.arange(200).astype(str), np.zeros(200, int))
    shares, line = shares_in_test(battery, images[:300], test)
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["noise.gaussian@4"] > 0.8
    assert "like noise.gaussian@4" in line
