import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from kit.artefact import read_json, write_json
from kit.ensemble.compress.soup import cook
from kit.errors import EnsembleError
from kit.oof_store import load_run, load_runs


def copy_run(toy, source, name, noise=0.0):
    """A run under another name, its weights moved a little."""
    folder, goal = toy.workspace.run("toy", source), toy.workspace.run("toy", name)
    shutil.copytree(folder, goal)
    write_json(goal / "run.json", read_json(folder / "run.json") | {"recipe": name})
    generator = torch.Generator().manual_seed(0)
    for path in goal.glob("fold*/weights.safetensors"):
        state = load_file(path)
        for key, value in state.items():
            if key.endswith("weight"):
                state[key] = value + noise * torch.randn(value.shape, generator=generator).to(value.dtype)
        save_file(state, path)


def quiet(line):
    pass


def test_a_soup_of_twins_is_the_twin(trained):
    """But for BatchNorm's statistics, which are counted anew."""
    copy_run(trained, "tiny", "twin")
    found = cook(trained.contest(), trained.prepared(), trained.workspace, ["tiny", "twin"], "soup", quiet)
    assert found.gap >= -0.1
    if found.kept:
        soup = trained.workspace.run("toy", "soup")
        for fold in (0, 1):
            paths = [trained.workspace.run("toy", n) / f"fold{fold}/weights.safetensors" for n in ("tiny", "soup")]
            one, other = (load_file(path) for path in paths)
            for key in one:
                if "running" not in key and "num_batches" not in key:
                    torch.testing.assert_close(one[key].float(), other[key].float())
        assert load_run(soup).info["soup"] == ["tiny", "twin"]
        assert {run.recipe for run in load_runs(trained.workspace, "toy")} >= {"soup", "tiny"}


def test_weights_are_averaged_and_the_run_is_whole(trained, monkeypatch):
    monkeypatch.setattr("kit.ensemble.compress.soup._judge", lambda *_: None)  # keep it, however it scores
    copy_run(trained, "tiny", "near", noise=0.05)
    cook(trained.contest(), trained.prepared(), trained.workspace, ["tiny", "near"], "soup", quiet)
    states = [
        load_file(trained.workspace.run("toy", name) / "fold0/weights.safetensors")
        for name in ("tiny", "near", "soup")
    ]
    key = next(key for key in states[0] if key.endswith("weight") and states[0][key].ndim == 4)
    expected = (states[0][key].float() + states[1][key].float()) / 2
    torch.testing.assert_close(states[2][key].float(), expected, atol=2e-3, rtol=1e-2)
    run, other = load_run(trained.workspace.run("toy", "soup")), load_run(trained.workspace.run("toy", "tiny"))
    np.testing.assert_array_equal(run.ids, other.ids)
    np.testing.assert_array_equal(run.cells, other.cells)


def test_a_soup_that_loses_leaves_nothing_behind(trained):
    copy_run(trained, "tiny", "far", noise=5.0)
    found = cook(trained.contest(), trained.prepared(), trained.workspace, ["tiny", "far"], "soup", quiet)
    assert not found.kept
    assert found.best == "tiny"
    assert found.gap < 0
    assert not trained.workspace.run("toy", "soup").exists()


def test_different_networks_do_not_mix(trained):
    with pytest.raises(EnsembleError, match="networks of one kind, but tiny has net"):
        cook(trained.contest(), trained.prepared(), trained.workspace, ["tiny", "mini"], "", quiet)


def test_one_run_is_no_soup_and_a_taken_name_stays(trained):
    with pytest.raises(EnsembleError, match="at least two different runs"):
        cook(trained.contest(), trained.prepared(), trained.workspace, ["tiny", "tiny"], "", quiet)
    with pytest.raises(EnsembleError, match="is there already"):
        cook(trained.contest(), trained.prepared(), trained.workspace, ["tiny", "mini"], "mini", quiet)
