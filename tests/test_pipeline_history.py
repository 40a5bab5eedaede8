from __future__ import annotations

import pytest
from conftest import Toy

from kit.artefact import read_json
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
