from __future__ import annotations

import pytest
from conftest import Toy

from kit.artefact import read_json, write_json
from kit.config import RecipeConfig
from kit.pipeline.history import known_points


def test_runs_tell_of_curves_in_the_metric_that_they_were_scored_by(trained: Toy) -> None:
    contest, prepared = trained.contest(), trained.prepared()
    info = read_json(trained.workspace.run("toy", "tiny") / "run.json")
    recipe = RecipeConfig.model_validate(info["config"])
    assert info["metric"] == contest.metric == "accuracy"
    (point,) = known_points(contest, prepared, [recipe], trained.workspace)["tiny"]
    scores = info["fold_shifted"] if contest.expects == "shifted" else info["fold_clean"]
    assert point.score == pytest.approx(sum(scores) / 2)
    for metric in ("macro_f1", "log_loss"):
        other = contest.model_copy(update={"metric": metric})
        assert known_points(other, prepared, [recipe], trained.workspace) == {}


def test_runs_scored_under_other_shifts_tell_of_none(trained: Toy) -> None:
    contest, prepared = trained.contest(), trained.prepared()
    recipe = RecipeConfig.model_validate(read_json(trained.workspace.run("toy", "tiny") / "run.json")["config"])
    other = contest.model_copy(update={"shift": contest.shift.model_copy(update={"battery": ("blur",)})})
    assert known_points(other, prepared, [recipe], trained.workspace) == {}
    other = other.model_copy(update={"expects": "clean"})
    (clean,) = known_points(other, prepared, [recipe], trained.workspace)["tiny"]
    assert clean.images == recipe.train.epochs * 30


def test_a_single_fold_was_trained_on_the_rows_that_it_does_not_hold_out(trained: Toy) -> None:
    contest, prepared = trained.contest(), trained.prepared()
    path = trained.workspace.run("toy", "tiny") / "run.json"
    info = read_json(path)
    one = {key: info[key][:1] for key in ("folds_done", "fold_clean", "fold_shifted")}
    write_json(path, info | one)
    held_out = prepared.with_folds((prepared.folds == 0) - 1)  # fold 0, and rows that always train
    recipe = RecipeConfig.model_validate(info["config"])
    (point,) = known_points(contest, held_out, [recipe], trained.workspace)["tiny"]
    assert point.images == recipe.train.epochs * 30
    assert point.rows == 30
