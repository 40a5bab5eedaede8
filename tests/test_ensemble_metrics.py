"""Everything that compares follows the metric and its direction: ranking, choice, blends, errors, expectation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ensemble_toy import make_runs

from kit.ensemble.blend import Blend, blend
from kit.ensemble.kinds.auto import compare
from kit.ensemble.kinds.greedy import bagged
from kit.ensemble.kinds.registry import kind
from kit.ensemble.pool import make_pool
from kit.ensemble.scoring.expected import expected_score
from kit.ensemble.scoring.nested import difference
from kit.ensemble.scoring.ranking import leave_family_out, ranked
from kit.ensemble.scoring.recalibrate import recalibrated
from kit.ensemble.scoring.scores import row_se
from kit.metrics.registry import METRICS, get_metric
from kit.platforms import ledger
from kit.workspace import Workspace

NAMES = [*METRICS, "top2_accuracy", "map@3"]

OWN = """
import numpy as np
def brier(labels, probabilities):
    return float(((probabilities - np.eye(probabilities.shape[1])[labels]) ** 2).sum(1).mean())
brier.greater_is_better = False
"""


@pytest.fixture(scope="module")
def runs():
    """The last member guesses."""
    made = make_runs(5, rows=400)
    worst = replace(made[-1], logits=np.zeros_like(made[-1].logits), shifted=np.zeros_like(made[-1].shifted))
    return [*made[:-1], worst]


@pytest.mark.parametrize("expects", ["clean", "shifted"])
@pytest.mark.parametrize("name", NAMES)
def test_a_member_that_guesses_comes_last_and_loses(runs, name, expects):
    pool = make_pool(runs, expects, name)
    assert ranked(pool)[-1] == 4
    gap, error = difference(pool.proba[0], pool.proba[4], pool, expects)
    assert gap > 3 * error > 0
    values = leave_family_out(replace(pool, trained=(frozenset(),) * 5))
    assert np.argmin(values) == 4


@pytest.mark.parametrize("name", NAMES)
def test_a_blend_is_no_worse_than_its_best_member_and_its_interval_holds_its_point(runs, name):
    made = blend(runs, "best3", "shifted", name)
    assert made.nested.gain("shifted") > max(member.score.gain("shifted") for member in made.members) - 0.01
    expected, metric = made.expected, get_metric(name)
    assert expected.low < expected.point < expected.high
    assert (metric.clipped(np.array([expected.low, expected.high])) == [expected.low, expected.high]).all()
    assert made.nested.worst is not None
    assert metric.sign * made.nested.worst < metric.sign * made.nested.shifted


@pytest.mark.parametrize("name", ["log_loss", "roc_auc", "quadratic_kappa", "matthews", "weighted_f1"])
def test_greedy_by_the_metric_gives_a_guess_no_weight(runs, name):
    pool = make_pool(runs, "clean", name)
    proba, labels, _ = pool.fitting()
    weights = bagged(proba, labels, name, rounds=8, bags=2)
    assert weights[4] < 0.1
    mixed = np.tensordot(weights, proba, axes=1)
    metric = get_metric(name)
    best = max(metric.sign * metric.score(labels, member) for member in proba)
    assert metric.sign * metric.score(labels, mixed) > best


def test_kinds_are_compared_so_that_a_smaller_loss_wins(runs):
    pool = make_pool(runs, "clean", "log_loss")
    bar, alone = compare(pool, [kind("best3"), kind("best1")])
    assert alone.found.nested.clean > bar.found.nested.clean, "the mean of three is less sure where it is wrong"
    assert alone.gap < 0


def test_a_log_loss_is_not_held_to_the_bounds_of_a_share():
    hard = make_runs(2, skill=-1.0)
    made = blend(hard, "all", "clean", "log_loss")
    assert made.nested.clean > 1
    assert made.expected.low < made.expected.point < made.expected.high
    assert made.expected.point == made.nested.clean


def test_the_interval_of_a_mean_is_as_wide_as_its_rows_vary(runs):
    pool = make_pool(runs, "clean", "log_loss")
    proba = pool.proba[0]
    losses = get_metric("log_loss").row_values(pool.labels, proba[:, 0])
    found = expected_score(proba, pool, hidden_rows=500)
    wanted = 2 * 1.2816 * np.sqrt(losses.var() / 500 + row_se(losses) ** 2)
    assert found.high - found.low == pytest.approx(wanted, rel=0.1)


def resampled_by_group(metric, labels, proba, groups, draws=300):
    """Spread of the metric over bootstrap samples of whole groups."""
    rng = np.random.default_rng(0)
    rows_of = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    drawn = rng.integers(len(rows_of), size=(draws, len(rows_of)))
    samples = [np.concatenate([rows_of[group] for group in sample]) for sample in drawn]
    return np.std([metric.score(labels[rows], proba[rows]) for rows in samples])


@pytest.mark.parametrize("name", ["accuracy", "roc_auc", "quadratic_kappa", "macro_f1", "log_loss", "matthews"])
def test_the_standard_error_is_the_bootstraps_over_groups(runs, name):
    pool = make_pool(runs, "clean", name)
    rows = np.tile(np.arange(100), 4)  # every image four times: copies that stay in one fold
    groups, labels, proba = rows, pool.labels[rows], pool.proba[1, rows]
    copied = replace(pool, labels=labels, proba=proba[None], cells=pool.cells[rows], folds=pool.folds[rows],
                     groups=groups)  # fmt: skip
    found = copied.score(proba)
    wanted = resampled_by_group(get_metric(name), labels, proba[:, 0], groups)
    assert found.clean_se == pytest.approx(wanted, rel=0.15)
    assert found.clean_se > 1.8 * replace(copied, groups=None).score(proba).clean_se


def test_misses_of_a_loss_are_compared_in_logarithms(runs):
    expected = blend(runs, "best3", "clean", "log_loss").expected
    moved = recalibrated(expected, [0.5, 0.6, 0.4, 0.5], [1.0, 1.21, 0.8, 0.99], "log_loss")
    assert moved.point == pytest.approx(2 * expected.point, rel=0.02)
    assert 0 < moved.low < moved.point < moved.high


def test_the_ledger_takes_a_loss_and_recommends_the_smaller(tmp_path: Path):
    workspace = Workspace(tmp_path)
    workspace.submissions.mkdir()
    paths = []
    for name, expected in (("a", 1.4), ("b", 1.2)):
        path = workspace.submissions / f"{name}.zip"
        path.write_bytes(name.encode())
        ledger.append(
            workspace, "packed", zip=path.name, sha256=ledger.sha256_file(path), contest="toy", clean=expected,
            expected=expected, low=expected - 0.1, high=expected + 0.1, metric="log_loss", row_sd=1.0,
        )  # fmt: skip
        paths.append(path)
    assert ledger.recommend(workspace, "toy").zip == "b.zip"
    ledger.record_score(workspace, paths[1], "final", 1.9)
    assert ledger.recommend(workspace, "toy").zip == "a.zip"
    assert ledger.remote_scores(workspace, "toy", "clean") == ([1.2], [1.9])


def test_a_users_own_loss_goes_all_the_way(runs, tmp_path: Path):
    (tmp_path / "mine.py").write_text(OWN)
    name = f"{tmp_path / 'mine.py'}:brier"
    pool = make_pool(runs, "shifted", name)
    assert ranked(pool)[-1] == 4
    made = blend(runs, "best3", "shifted", name)
    wanted = np.mean(((made.proba(pool)[:, 0] - np.eye(4)[pool.labels]) ** 2).sum(1))
    assert made.resubstitution.clean == pytest.approx(wanted)
    assert made.expected.low < made.expected.point < made.expected.high
    made.to_json(tmp_path / "blend.json")
    assert Blend.from_json(tmp_path / "blend.json") == made
