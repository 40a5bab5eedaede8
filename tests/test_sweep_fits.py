"""Real fits under a sweep: the toy contest, its scores, its cheaper and its fresh rows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import Toy
from sklearn.metrics import log_loss

from kit.artefact import read_json, read_npz
from kit.cli import group
from kit.cluster.fits import FitJob
from kit.cluster.store import store
from kit.cluster.unit import Unit
from kit.config import AugmentConfig, RecipeConfig
from kit.data.prepared import Prepared
from kit.errors import ConfigError, TrainError
from kit.inference.model import merge_views
from kit.oof_store import load_runs
from kit.shifts.battery import Battery
from kit.sweep.config import SweepConfig
from kit.sweep.fits import FitMaker, TrialJob
from kit.sweep.material import refolded, subset
from kit.sweep.objective import fold_result

SWEEP = """
base = "tiny"
objective = "shifted"
[space]
"train.lr" = { low = 3e-3, high = 3e-2, log = true }
"augment.magnitude" = { low = 0.2, high = 1.0 }
"""
CHEAP = SWEEP + "[fidelity]\nepochs = 1\nsubset = 0.5\n[confirm]\nwinners = 1\nnoise_seeds = 1\nseeds = 1\n"
WHOLE = SWEEP + "[confirm]\nwinners = 0\nnoise_seeds = 1\n"


def sweep(text: str, name: str = "toysweep") -> SweepConfig:
    import tomllib

    return SweepConfig.model_validate(tomllib.loads(text) | {"name": name})


def command(toy: Toy, text: str, *more: str) -> str:
    file = toy.file("sweeps", "toysweep")
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    contest = str(toy.file("contests", "toy"))
    arguments = ["sweep", "toysweep", "--contest", contest, "--data", str(toy.data), *more]
    result = CliRunner().invoke(group, arguments, catch_exceptions=False, standalone_mode=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def fit_of(maker: FitMaker, recipe: RecipeConfig, fold: int, stage: str = "search") -> FitJob:
    job = maker.unit(recipe, fold, stage).job
    assert isinstance(job, TrialJob)
    return job.fit


# ---------------------------------------------------------------------------------------------- a whole sweep
def test_a_tiny_sweep_from_its_file_to_promoted_recipes(toy: Toy) -> None:
    quick = SWEEP.replace('base = "tiny"', 'base = "mini"')
    text = quick + "[fidelity]\nfolds = 1\nepochs = 1\n[confirm]\nwinners = 1\nnoise_seeds = 1\nseeds = 1\nfolds = 1\n"
    said = command(toy, text, "--trials", "2", "--workers", "1")
    assert "base mini: " in said
    assert "trial 0: shifted" in said
    assert "fresh gain" in said
    folder = toy.workspace.oof("toy") / "sweeps" / "toysweep"
    assert (folder / "summary.html").exists()
    state = json.loads(command(toy, text, "--status", "--json"))
    assert state["counts"] == {"complete": 2}
    command(toy, text, "--promote", "1")
    (recipe,) = (toy.root / "configs" / "recipes").glob("toysweep-t*.toml")
    assert toy.recipe(recipe.stem).train.epochs == toy.recipe("mini").train.epochs, "in full, not as it was searched"


@pytest.mark.slow
def test_trials_that_are_trained_as_they_are_enter_the_oof_store(toy: Toy) -> None:
    """About a minute on an idle core."""
    command(toy, WHOLE, "--trials", "2", "--workers", "2")
    runs = load_runs(toy.workspace, "toy")
    assert {"toysweep-t0000", "toysweep-t0001"} <= {run.recipe for run in runs}
    command(toy, WHOLE, "--promote", "2")
    for run in runs:
        if "-t" in run.recipe:
            assert toy.recipe(run.recipe).model_dump(mode="json") == run.info["config"]


# ------------------------------------------------------------------------------------------------------ stages
def test_what_is_searched_cheaply_stays_out_of_the_oof_store(toy: Toy) -> None:
    maker = FitMaker(sweep(CHEAP), toy.contest(), toy.prepared(), toy.workspace)
    assert not maker.whole
    search, fresh, full = (maker.stage(name) for name in ("search", "fresh0", "full"))
    assert full.root == toy.workspace.root
    assert search.root == maker.folder / "search"
    assert fresh.root == maker.folder / "fresh0"
    assert len(search.prepared.ids) < len(full.prepared.ids) == 60
    assert maker.cheap(toy.recipe("tiny")).train.epochs == 1
    assert FitMaker(sweep(WHOLE), toy.contest(), toy.prepared(), toy.workspace).stage("search").root == toy.root


def test_a_fresh_stage_holds_out_other_rows(toy: Toy) -> None:
    maker = FitMaker(sweep(WHOLE), toy.contest(), toy.prepared(), toy.workspace)
    one, other = maker.stage("fresh0").prepared, maker.stage("fresh1").prepared
    for fresh in (one, other):
        np.testing.assert_array_equal(fresh.ids, maker.prepared.ids)
        assert (fresh.folds != maker.prepared.folds).any()
        assert fresh.fold_digest != maker.prepared.fold_digest
    assert (one.folds != other.folds).any()


def grouped() -> Prepared:
    rng = np.random.default_rng(0)
    count = 600
    groups = np.sort(rng.integers(0, 250, count))
    labels = groups % 4
    folds = groups % 3
    return Prepared(np.arange(count).astype(str), np.zeros((count, 2, 2, 3), np.uint8), labels, folds, groups,
                    ("a", "b", "c", "d"), "d", "f")  # fmt: skip


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_subset_has_its_share_of_every_class_and_fold_in_whole_groups(share: float) -> None:
    whole = grouped()
    part = subset(whole, share, 1)
    assert set(part.groups).isdisjoint(set(whole.groups) - set(part.groups))
    assert sum(np.isin(whole.groups, part.groups)) == len(part.ids)
    for label in range(4):
        for fold in range(3):
            mine = whole.groups[(whole.labels == label) & (whole.folds == fold)]
            kept = part.groups[(part.labels == label) & (part.folds == fold)]
            assert len(set(kept)) == int(np.ceil(share * len(set(mine))))
    np.testing.assert_array_equal(subset(whole, share, 1).ids, part.ids)
    assert (len(subset(whole, share, 2).ids) != len(part.ids)) or (subset(whole, share, 2).ids != part.ids).any()


def test_the_whole_is_its_own_subset(toy: Toy) -> None:
    prepared = toy.prepared()
    assert subset(prepared, 1.0, 0) is prepared


def test_folds_of_a_column_are_not_drawn_anew(toy: Toy) -> None:
    contest = toy.contest()
    fixed = contest.model_copy(update={"folds": contest.folds.model_copy(update={"kind": "column"})})
    prepared = toy.prepared()
    assert refolded(prepared, fixed, 5) is prepared


def test_a_fold_is_trained_without_the_family_that_it_is_scored_under(toy: Toy) -> None:
    text = WHOLE.replace('"shifted"', '"left_out_family"')
    maker = FitMaker(sweep(text), toy.contest(), toy.prepared(), toy.workspace)
    assert not maker.whole
    for fold, family in ((0, "noise"), (1, "illumination")):
        fit = fit_of(maker, toy.recipe("tiny"), fold)
        assert fit.recipe.augment.without == (family,)
        assert Battery.from_config(fit.contest.shift).families == (family,)
        assert fit_of(maker, toy.recipe("mini"), fold).recipe.augment.without == ()
    full = fit_of(maker, toy.recipe("tiny"), 0, "full")
    assert (full.recipe, full.contest) == (toy.recipe("tiny"), toy.contest())
    classic = toy.recipe("mini").model_copy(update={"augment": AugmentConfig(preset="classic")})
    with pytest.raises(ConfigError, match="left_out_family needs"):
        maker.unit(classic, 0, "search")


# ------------------------------------------------------------------------------------------------------ scores
def test_scores_are_those_of_the_stored_rows(trained: Toy) -> None:
    folder = trained.workspace.run("toy", "mini") / "fold0"
    arrays, marker = read_npz(folder / "oof.npz"), read_json(folder / "fold.json")
    found = fold_result(arrays, marker["cell_names"], "accuracy", "shifted", {"seconds": 3.0})
    right = merge_views(arrays["logits"], 1.0).argmax(-1) == arrays["labels"]
    assert found.scores["clean"] == pytest.approx(right.mean())
    hit = merge_views(arrays["shifted"], 1.0).argmax(-1) == arrays["labels"][:, None]
    assert found.scores["shifted"] == pytest.approx(hit.mean())
    names = np.array([name.partition(".")[0] for name in marker["cell_names"]])[arrays["cells"]]
    assert found.scores["worst_family"] == min(hit[names == family].mean() for family in np.unique(names))
    assert found.scores["seconds"] == 3.0
    clean = fold_result(arrays, marker["cell_names"], "accuracy", "clean", {})
    assert np.mean(list(clean.blocks.values())) == pytest.approx(clean.scores["clean"], abs=0.2)


def test_a_loss_is_negated_so_that_larger_is_better_in_every_score(trained: Toy) -> None:
    folder = trained.workspace.run("toy", "mini") / "fold0"
    arrays, names = read_npz(folder / "oof.npz"), read_json(folder / "fold.json")["cell_names"]
    found = fold_result(arrays, names, "log_loss", "clean", {})
    wanted = log_loss(arrays["labels"], merge_views(arrays["logits"].astype(np.float64), 1.0), labels=range(3))
    assert found.scores["clean"] == pytest.approx(-wanted, rel=1e-5)
    assert found.scores["worst_family"] <= found.scores["shifted"] < 0
    assert max(found.blocks.values()) <= 0


def test_blocks_hold_every_row_once_whatever_the_order() -> None:
    rng = np.random.default_rng(1)
    count = 500
    arrays = {
        "ids": np.arange(count).astype(str),
        "labels": rng.integers(0, 3, count),
        "logits": rng.normal(size=(count, 2, 3)),
        "shifted": np.zeros((count, 0, 2, 3)),
        "cells": np.zeros((count, 0), int),
    }
    found = fold_result(arrays, (), "accuracy", "shifted", {})
    assert found.scores["shifted"] == found.scores["clean"] == found.scores["worst_family"]
    order = rng.permutation(count)
    shuffled = fold_result({key: array[order] for key, array in arrays.items()}, (), "accuracy", "shifted", {})
    assert found.blocks == pytest.approx(shuffled.blocks)
    assert len(found.blocks) == 16


# ------------------------------------------------------------------------------------------------- files by post
def test_a_file_that_is_sent_home_stays_in_the_store(tmp_path: Path) -> None:
    class Job:
        class fit:
            root = tmp_path

        def __call__(self, talk: object, share: float) -> None: ...

    unit = Unit("u", Job())
    store(unit, "oof/c/r/fold0/checkpoint.pt", b"half")
    store(unit, "oof/c/r/fold0/fold.json", b"{}")
    folder = tmp_path / "oof" / "c" / "r" / "fold0"
    assert [path.name for path in folder.iterdir()] == ["fold.json"], "a finished fold needs no checkpoint"
    for name in ("../outside", "/etc/outside"):
        with pytest.raises(TrainError, match="outside of the store"):
            store(unit, name, b"")
