from dataclasses import replace

import numpy as np
import pytest
from ensemble_toy import make_runs

from kit.ensemble.kinds.auto import auto, candidates, choose, compare
from kit.ensemble.kinds.combine import equal
from kit.ensemble.kinds.registry import kind
from kit.ensemble.pool import Pool, make_pool
from kit.ensemble.scoring.nested import evaluate


class Fixed:
    """A kind that always takes one member."""

    def __init__(self, name, member, complexity):
        self.name, self.member, self.complexity = name, member, complexity

    def fit(self, pool):
        return equal("mean", (self.member,))


def pool_of(clean, shifted, rows=3000):
    """Members that are right on the given shares of clean and shifted rows, errors independent."""
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=rows)
    right = np.stack([np.stack([rng.random(rows) < c, rng.random(rows) < s], 1) for c, s in zip(clean, shifted)])
    said = np.where(right, labels[None, :, None], (labels[None, :, None] + 1) % 3)
    cells = rng.integers(6, size=(rows, 1))
    names = tuple(f"net{m}" for m in range(len(clean)))
    cell_names = tuple(f"blur.b{n}@1" for n in range(6))
    return Pool(names, np.eye(3, dtype=np.float32)[said], labels, np.arange(rows) % 5, cells, cell_names)


def fixed(pool, *complexities):
    return compare(pool, [Fixed(f"k{m}", m, level) for m, level in enumerate(complexities)])


def test_equal_weights_win_ties():
    pool = pool_of([0.9], [0.8]).members([0, 0, 0])
    assert choose(fixed(pool, 2, 0, 1), pool).kind.name == "k1"


def test_a_clear_gain_beats_simplicity():
    pool = pool_of([0.9, 0.9], [0.8, 0.9])
    assert choose(fixed(pool, 0, 4), pool).kind.name == "k1"


def test_a_gain_within_one_standard_error_does_not():
    pool = pool_of([0.9, 0.9], [0.800, 0.805])
    compared = fixed(pool, 0, 4)
    assert choose(compared, pool).kind.name == "k0"


def test_who_loses_on_the_other_score_is_not_chosen():
    pool = pool_of([0.95, 0.80, 0.95], [0.80, 0.95, 0.90])
    compared = fixed(pool, 0, 1, 2)
    assert [one.loses for one in compared] == [False, True, False]
    assert choose(compared, pool).kind.name == "k2"


def test_the_other_score_follows_what_is_expected():
    pool = replace(pool_of([0.80, 0.95], [0.95, 0.80]), expects="clean")
    assert [one.loses for one in fixed(pool, 0, 1)] == [False, True]


def test_auto_on_a_pool_of_like_members_is_a_plain_mean():
    found = auto(make_pool(make_runs(7)))
    assert found.kind.complexity == 0
    assert found.nested.shifted == pytest.approx(evaluate(found.kind, make_pool(make_runs(7))).nested.shifted, abs=0.02)


def test_choosing_is_paid_for():
    """Kinds of equal skill: the best of twenty looks better than it is, the nested choice does not."""
    rng = np.random.default_rng(1)
    chosen, paid = [], []
    for _ in range(8):
        pool = pool_of([0.8] * 20, [0.8] * 20, rows=400)
        pool = pool.rows(rng.permutation(400))
        shuffled = replace(pool, proba=pool.proba[:, rng.permutation(400)][..., rng.permutation(3)])
        labels = rng.integers(3, size=400)
        pool = replace(shuffled, labels=labels, expects="clean")  # chance level: one in three
        compared = compare(pool, [Fixed(f"k{m}", m, 0) for m in range(20)])
        best = max(one.found.nested.clean for one in compared)
        chosen.append(best)
        paid.append(auto(pool, compared).nested.clean)
    assert np.mean(chosen) > 1 / 3 + 0.02
    assert np.mean(paid) == pytest.approx(1 / 3, abs=0.02)


def test_candidates_begin_with_the_bar_and_differ():
    names = [one.name for one in candidates(make_pool(make_runs(4)))]
    assert names[0] == "best5"
    assert "all" not in names  # the same as best5 of four
    assert len(names) == len(set(names))
    assert kind("best5").fit(make_pool(make_runs(4))).weights == (0.25,) * 4
