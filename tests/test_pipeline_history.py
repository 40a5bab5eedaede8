from __future__ import annotations

from conftest import Toy

from kit.artefact import read_json
from kit.pipeline.history import known_points


def test_runs_tell_of_curves_in_the_metric_that_they_were_scored_by(trained: Toy) -> None:
    contest, recipes = trained.contest(), [trained.recipe(name) for name in ("tiny", "mini")]
    info = read_json(trained.workspace.run("toy", "tiny") / "run.json")
    assert info["metric"] == contest.metric == "accuracy"
    found = known_points(contest, trained.prepared(), recipes, trained.workspace)
    assert [point.score for point in found["tiny"]] == [sum(info["fold_clean"]) / 2]
    other = contest.model_copy(update={"metric": "macro_f1"})
    assert known_points(other, trained.prepared(), recipes, trained.workspace) == {}
