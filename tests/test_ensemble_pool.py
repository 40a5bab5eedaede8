from dataclasses import replace

import numpy as np
import pytest
from ensemble_toy import make_runs

from kit.ensemble.pool import check_runs, make_pool
from kit.ensemble.scoring.ranking import affordable, leave_family_out, ranked
from kit.errors import EnsembleError


def test_rows_are_aligned_by_id_whatever_their_order():
    runs = make_runs(3)
    order = np.random.default_rng(5).permutation(len(runs[1].ids))
    fields = ("ids", "folds", "labels", "logits", "shifted", "cells")
    mixed = replace(runs[1], **{key: getattr(runs[1], key)[order] for key in fields})
    np.testing.assert_array_equal(make_pool([runs[0], mixed, runs[2]]).proba, make_pool(runs).proba)


def broken_nan(run):
    logits = run.logits.copy()
    logits[run.folds == 3] = np.nan
    return replace(run, logits=logits)


def broken_rows(run, rows):
    fields = ("ids", "folds", "labels", "logits", "shifted", "cells")
    return replace(run, **{key: getattr(run, key)[rows] for key in fields})


BROKEN = {
    "--fold 3": broken_nan,
    "occurs 2 times": lambda run: broken_rows(run, np.r_[0, np.arange(len(run.ids))]),
    "folds 2": lambda run: broken_rows(run, run.folds != 2),
    "different data": lambda run: replace(run, info={"digests": {"data": "e" * 64, "folds": "f" * 64}}),
    "different folds: digests": lambda run: replace(run, info={"digests": {"data": "d" * 64, "folds": "0"}}),
    "different labels": lambda run: replace(run, labels=run.labels[::-1].copy()),
    "different cells": lambda run: replace(run, cells=run.cells[::-1].copy()),
}


@pytest.mark.parametrize("words", BROKEN)
def test_a_broken_candidate_is_refused_by_name(words):
    runs = make_runs(3)
    runs[1] = BROKEN[words](runs[1])
    with pytest.raises(EnsembleError, match=words) as caught:
        check_runs(runs)
    assert "net1" in str(caught.value)
    assert "kit train net1" in str(caught.value)


def test_a_recipe_enters_once():
    runs = make_runs(2)
    with pytest.raises(EnsembleError, match="net0: a recipe may enter once"):
        check_runs([*runs, runs[0]])


def test_an_empty_pool_says_what_to_do():
    with pytest.raises(EnsembleError, match="kit train"):
        check_runs([])


def test_members_are_chosen_by_what_the_contest_expects():
    best = {}
    for expects in ("shifted", "clean"):
        pool = make_pool(make_runs(8, rows=4000), expects, temperature=False)
        best[expects] = {pool.names[member] for member in ranked(pool)[:3]}
    assert best["shifted"] & {"net0", "net1"} == set()
    assert "net0" in best["clean"]


def test_ranking_is_by_the_selection_score():
    pool = make_pool(make_runs(6))
    scores = [pool.member_scores()[m].shifted for m in ranked(pool)]
    assert scores == sorted(scores, reverse=True)


def test_few_rows_cap_the_pool():
    pool = make_pool(make_runs(8, rows=200))
    assert len(affordable(pool)) == 4
    assert len(affordable(pool, numbers_a_member=4)) == 2


def test_training_on_the_battery_buys_no_rank():
    """A member made better on blur alone ranks first, and not when blur is left out of its score."""
    runs = make_runs(4, rows=2000)
    blurred = np.array([name.startswith("blur") for name in runs[0].cell_names])[runs[0].cells]
    logits = runs[0].shifted.copy()
    logits[blurred] += 4 * np.eye(4, dtype=np.float32)[np.repeat(runs[0].labels, 3)[blurred.ravel()]][:, None]
    runs[0] = replace(runs[0], shifted=logits)
    plain = make_pool(runs)
    fair = make_pool(runs, trained={"net0": ["blur"]})
    assert plain.names[ranked(plain)[0]] == "net0"
    assert fair.names[ranked(fair)[0]] != "net0"


def test_a_leave_family_out_score_is_on_the_scale_of_the_others():
    pool = make_pool(make_runs(4), trained={"net1": ["blur"], "net2": ["blur", "noise", "colour"]})
    found = leave_family_out(pool)
    assert found[2] is None
    assert ranked(pool)[-1] == 2
    for value, score in zip(found, pool.member_scores()):
        assert value is None or value == pytest.approx(score.shifted, abs=0.05)


def test_a_fixed_holdout_is_nested_in_parts_of_itself():
    runs = [replace(run, folds=np.zeros_like(run.folds)) for run in make_runs(3)]
    pool = make_pool(runs)
    assert np.bincount(pool.folds).tolist() == [120] * 5
    by_class = np.array([np.bincount(pool.labels[pool.folds == fold]) for fold in range(5)])
    assert np.ptp(by_class, axis=0).max() <= 1
    np.testing.assert_array_equal(pool.folds, make_pool(runs).folds)
