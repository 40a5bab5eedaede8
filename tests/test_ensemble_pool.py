from dataclasses import replace

import numpy as np
import pytest
from ensemble_toy import make_runs

from kit.ensemble.pool import check_runs, make_pool
from kit.ensemble.ranking import affordable, ranked, select_members
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
    runs = make_runs(8, rows=4000)
    assert {run.recipe for run in select_members(runs, 3, "shifted")} & {"net0", "net1"} == set()
    assert "net0" in {run.recipe for run in select_members(runs, 3, "clean")}


def test_ranking_is_by_the_selection_score():
    pool = make_pool(make_runs(6))
    scores = [pool.member_scores()[m].shifted for m in ranked(pool)]
    assert scores == sorted(scores, reverse=True)


def test_few_rows_cap_the_pool():
    pool = make_pool(make_runs(8, rows=200))
    assert len(affordable(pool)) == 4
    assert len(affordable(pool, numbers_a_member=4)) == 2
