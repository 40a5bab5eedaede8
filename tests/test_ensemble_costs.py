from dataclasses import replace

import pytest

from kit.ensemble.budget import Cost
from kit.ensemble.costs import measure_costs
from kit.errors import ArtefactError
from kit.oof_store import load_runs


def test_megabytes_are_those_of_the_weights_and_seconds_are_positive(trained):
    runs = load_runs(trained.workspace, "toy")
    found = measure_costs(runs, trained.workspace, "toy", 16)
    for run in runs:
        files = trained.workspace.run("toy", run.recipe).glob("fold*/weights.safetensors")
        assert found[run.recipe].megabytes == pytest.approx(sum(path.stat().st_size for path in files) / 1e6)
        assert found[run.recipe].seconds > 0


def test_seconds_grow_with_the_rows(trained):
    runs = load_runs(trained.workspace, "toy", ["tiny"])
    few, many = (measure_costs(runs, trained.workspace, "toy", 16, rows)["tiny"] for rows in (10, 100_000))
    assert many.seconds > 10 * few.seconds


def test_predictions_made_elsewhere_cost_nothing(trained):
    run = load_runs(trained.workspace, "toy", ["tiny"])[0]
    outside = replace(run, recipe="theirs", info=run.info | {"external": "theirs.csv"})
    assert measure_costs([outside], trained.workspace, "toy", 16) == {"theirs": Cost(0.0, 0.0)}


def test_a_missing_network_is_named(trained):
    (trained.workspace.run("toy", "tiny") / "fold1/member.json").unlink()
    with pytest.raises(ArtefactError, match="kit train tiny --contest toy"):
        measure_costs(load_runs(trained.workspace, "toy", ["tiny"]), trained.workspace, "toy", 16)
