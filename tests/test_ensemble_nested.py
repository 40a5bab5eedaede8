from dataclasses import replace

import numpy as np
import pytest
from ensemble_toy import make_runs

from kit.ensemble.blend import blend
from kit.ensemble.kinds.combine import Combiner, equal
from kit.ensemble.kinds.registry import FITTED, kind
from kit.ensemble.pool import Pool, make_pool
from kit.ensemble.scoring.nested import difference, evaluate, nested_proba
from kit.errors import EnsembleError

NAMES = ["best3", "all", "geometric4", *FITTED]


class Spy:
    """A kind that remembers which rows it was given."""

    name, complexity = "spy", 0

    def __init__(self):
        self.seen = []

    def fit(self, pool):
        self.seen.append(set(pool.folds.tolist()))
        return equal("mean", (0,))


def test_no_fold_takes_part_in_its_own_fit():
    spy = Spy()
    nested_proba(spy, make_pool(make_runs(2)))
    assert [set(range(5)) - seen for seen in spy.seen] == [{0}, {1}, {2}, {3}, {4}]


@pytest.mark.parametrize("name", NAMES)
def test_every_kind_gives_probabilities_and_is_scored_on_both(name):
    found = evaluate(kind(name), make_pool(make_runs(5)))
    np.testing.assert_allclose(found.proba.sum(axis=-1), 1.0)
    assert found.nested.shifted is not None
    assert 0.5 < found.nested.shifted < found.nested.clean < 1.0
    assert found.optimism == pytest.approx(found.resubstitution.shifted - found.nested.shifted)


@pytest.mark.parametrize("name", NAMES)
def test_a_combiner_survives_its_manifest(name):
    pool = make_pool(make_runs(5))
    combiner = kind(name).fit(pool)
    copy = Combiner.from_json(combiner.to_json()).on(combiner.members)
    np.testing.assert_array_equal(copy.apply(pool.proba), combiner.apply(pool.proba))


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_the_pool_does_not_matter(name):
    pool = make_pool(make_runs(5))
    turned = pool.members([3, 1, 4, 0, 2])
    one, other = (kind(name).fit(p).apply(p.proba) for p in (pool, turned))
    np.testing.assert_allclose(one, other, atol=1e-3)


def noise_pool(rng, rows=300, members=12, classes=4):
    """Members of equal skill: whatever a combiner finds to choose among them is noise."""
    labels = rng.integers(classes, size=rows)
    logits = rng.normal(size=(members, rows, 1, classes)) * 1.5
    logits[:, np.arange(rows), 0, labels] += 1.5
    proba = np.exp(logits)
    proba = (proba / proba.sum(-1, keepdims=True)).astype(np.float32)
    folds = rng.permutation(rows) % 5
    names = tuple(f"net{m}" for m in range(members))
    return Pool(names, proba, labels, folds, np.zeros((rows, 0), np.int64), expects="clean")


@pytest.mark.parametrize("name", ["best1", "weights"])
def test_nested_scores_are_unbiased_where_resubstitution_is_not(name):
    """Known truth: the fitted combiners are scored on 4,000 fresh rows of the same kind."""
    rng = np.random.default_rng(0)
    gaps, optimism = [], []
    fresh = noise_pool(rng, rows=4000)
    for _ in range(16):
        pool = noise_pool(rng)
        found = evaluate(kind(name), pool)
        truth = fresh.score(found.combiner.apply(fresh.proba)).clean
        gaps.append(found.nested.clean - truth)
        optimism.append(found.resubstitution.clean - truth)
    error = np.std(gaps) / np.sqrt(len(gaps))
    assert abs(np.mean(gaps)) < 2.5 * error + 0.004
    assert np.mean(optimism) > 0.01
    assert np.mean(optimism) > 2 * abs(np.mean(gaps))


def test_a_paired_difference_is_sharper_than_two_standard_errors():
    pool = make_pool(make_runs(5, rows=1500))
    one, other = (evaluate(kind(name), pool) for name in ("all", "best3"))
    for on in ("clean", "shifted"):
        gap, error = difference(one.proba, other.proba, pool, on)
        assert gap == pytest.approx(one.nested.selection(on) - other.nested.selection(on))
        assert 0 < error < np.hypot(one.nested.clean_se, other.nested.clean_se)
    assert difference(one.proba, one.proba, pool, "shifted") == (0.0, 0.0)


@pytest.mark.parametrize("rows", [40, 600])
@pytest.mark.parametrize("name", ["greedy", "weights", "stack", "best2+bias", "auto"])
def test_two_folds_are_enough(name, rows):
    """Without one of them, the rows of the other are all of one fold, and choosing inside it needs parts."""
    runs = [replace(run, folds=run.folds % 2) for run in make_runs(3, rows=rows)]
    found = blend(runs, name)
    assert 0.4 < found.nested.clean <= 1
    assert np.isfinite(found.nested.shifted_log_loss)


def test_one_fold_cannot_be_nested():
    pool = make_pool(make_runs(2))
    with pytest.raises(EnsembleError, match="at least 2 folds"):
        nested_proba(kind("all"), pool.rows(pool.folds == 0))
