from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Toy

from kit.artefact import read_json, read_npz, write_json
from kit.config import ContestConfig, RecipeConfig
from kit.errors import ArtefactError, ConfigError, NetError, TrainError
from kit.inference.model import load_net, net_logits
from kit.oof_store import load_run
from kit.shifts import strengths
from kit.situation.resolve import resolve
from kit.train import checkpoint
from kit.train.fit import Fit
from kit.train.fold import Fold
from kit.train.names import check_names
from kit.train.progress import FitDisplay
from kit.train.run import Trainer, train_recipe
from kit.train.run_folder import scored_folds

TINY = "tiny"


def changed(recipe: RecipeConfig, **train: Any) -> RecipeConfig:
    return recipe.model_copy(update={"train": recipe.train.model_copy(update=train)})


def shifted_by(contest: ContestConfig, **shift: Any) -> ContestConfig:
    return contest.model_copy(update={"shift": contest.shift.model_copy(update=shift)})


def train(toy: Toy, recipe: RecipeConfig, contest: ContestConfig | None = None, **options: Any) -> list[str]:
    lines: list[str] = []
    train_recipe(contest or toy.contest(), toy.prepared(), recipe, toy.workspace, lines.append, **options)
    return lines


def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def train_step(*_: object) -> None:
        raise AssertionError("a step was trained")

    monkeypatch.setattr(Fit, "train_step", train_step)


def interrupt_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = FitDisplay.step

    def stop(self: FitDisplay, number: int, *more: Any) -> None:
        shown(self, number, *more)
        if number == step:
            raise KeyboardInterrupt

    monkeypatch.setattr(FitDisplay, "step", stop)


# ------------------------------------------------------------------------------------------------- a whole run
def test_every_kept_row_is_predicted_once_by_a_network_that_never_saw_it(trained: Toy) -> None:
    prepared, folder = trained.prepared(), trained.workspace.run("toy", TINY)
    run = load_run(folder)
    np.testing.assert_array_equal(run.ids, np.sort(prepared.ids))
    order = np.argsort(prepared.ids)
    np.testing.assert_array_equal(run.folds, prepared.folds[order])
    np.testing.assert_array_equal(run.labels, prepared.labels[order])
    for fold in scored_folds(prepared):
        spec = read_json(folder / f"fold{fold}" / "member.json")
        net = load_net(spec, str(folder / f"fold{fold}"))
        held = order[run.folds == fold]
        np.testing.assert_allclose(
            run.logits[run.folds == fold], net_logits(net, prepared.images[held], spec), atol=1e-4
        )


def test_the_toy_contest_is_learnt(trained: Toy) -> None:
    for name in ("tiny", "mini"):
        run = load_run(trained.workspace.run("toy", name))
        assert (run.logits.mean(1).argmax(1) == run.labels).mean() > 0.9


def test_run_json_says_what_made_it_and_what_it_cost(trained: Toy) -> None:
    folder, prepared = trained.workspace.run("toy", TINY), trained.prepared()
    info = read_json(folder / "run.json")
    made = resolve(trained.recipe(TINY), trained.contest(), prepared, trained.workspace)
    assert RecipeConfig.model_validate(info["config"]) == made
    assert made.augment.preset == "strong"
    assert info["digests"] == {"data": prepared.data_digest, "folds": prepared.fold_digest}
    assert info["folds_done"] == [0, 1]
    assert {"kit", "python", "torch", "timm", "numpy", "opencv", "pillow"} == info["versions"].keys()
    markers = [read_json(folder / f"fold{fold}" / "fold.json") for fold in (0, 1)]
    assert info["fold_clean"] == [marker["clean"] for marker in markers]
    assert info["minutes"] == pytest.approx(sum(marker["seconds"] for marker in markers) / 60)
    assert sum(marker["rows"] for marker in markers) == len(prepared.ids)
    spec = read_json(folder / "fold0" / "member.json")
    assert info["parameters"] == sum(p.numel() for p in load_net(spec, str(folder / "fold0")).parameters())


def test_run_json_stays_as_it_is_until_a_fold_changes(trained: Toy) -> None:
    """Its time and versions are those of the fits, not of who looked at them last."""
    path, marker = (trained.workspace.run("toy", TINY) / name for name in ("run.json", "fold0/fold.json"))
    written = path.read_bytes()
    assert train(trained, trained.recipe(TINY)) == []
    assert path.read_bytes() == written
    write_json(marker, read_json(marker) | {"clean": 0.125})
    train(trained, trained.recipe(TINY))
    assert read_json(path)["fold_clean"][0] == 0.125
    for damaged in ("{", "[]"):
        path.write_text(damaged)
        train(trained, trained.recipe(TINY))
        assert read_json(path)["fold_clean"][0] == 0.125


def test_fold_scores_are_those_of_the_stored_logits(trained: Toy) -> None:
    folder = trained.workspace.run("toy", "mini")
    for fold in (0, 1):
        marker, arrays = read_json(folder / f"fold{fold}" / "fold.json"), read_npz(folder / f"fold{fold}" / "oof.npz")
        assert marker["clean"] == np.mean(arrays["logits"].mean(1).argmax(1) == arrays["labels"])
        hit = arrays["shifted"].mean(2).argmax(2) == arrays["labels"][:, None]
        assert marker["shifted"] == hit.mean()


def test_no_checkpoint_outlives_its_fold(trained: Toy) -> None:
    assert list(trained.root.rglob("checkpoint.pt")) == []


# ----------------------------------------------------------------------------------------------------- reusing
def test_finished_folds_are_reused(trained: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    no_training(monkeypatch)
    before = {path: path.read_bytes() for path in trained.workspace.run("toy", TINY).rglob("oof.npz")}
    assert train(trained, trained.recipe(TINY)) == []
    assert {path: path.read_bytes() for path in before} == before


def test_a_lost_fold_alone_is_trained_again_to_the_same_bits(trained: Toy) -> None:
    folder = trained.workspace.run("toy", TINY)
    before = read_npz(folder / "fold1" / "oof.npz")
    kept = (folder / "fold0" / "fold.json").stat().st_mtime_ns
    shutil.rmtree(folder / "fold1")
    lines = train(trained, trained.recipe(TINY))
    assert [line.split(":")[0] for line in lines] == ["tiny fold 1"]
    assert (folder / "fold0" / "fold.json").stat().st_mtime_ns == kept
    after = read_npz(folder / "fold1" / "oof.npz")
    for name, array in before.items():
        np.testing.assert_array_equal(after[name], array)


def test_one_fold_may_be_asked_for_and_the_run_is_complete_with_the_last(toy: Toy) -> None:
    recipe = changed(toy.recipe(TINY), epochs=1)
    folder = toy.workspace.run("toy", TINY)
    train(toy, recipe, folds=[1])
    assert not (folder / "run.json").exists()
    assert not (folder / "fold0").exists()
    train(toy, recipe, folds=[0])
    assert read_json(folder / "run.json")["folds_done"] == [0, 1]


def test_a_fold_that_is_not_there_is_refused(toy: Toy) -> None:
    with pytest.raises(TrainError, match=r"fold must be one of \[0, 1\], but got 2"):
        train(toy, toy.recipe(TINY), folds=[0, 2])


def test_another_config_under_the_same_name_is_refused(trained: Toy) -> None:
    with pytest.raises(TrainError) as error:
        train(trained, changed(trained.recipe(TINY), lr=0.5))
    folder = trained.workspace.run("toy", TINY)
    assert f"{folder}/fold0/fold.json: made with another config than now" in str(error.value)
    assert f"Delete {folder} to train it again (kit train tiny --contest toy --fold 0)" in str(error.value)


def rewritten(toy: Toy, change: Callable[[dict[str, Any]], object]) -> None:
    """The markers of all folds, their recorded recipe changed."""
    for marker in toy.workspace.run("toy", TINY).glob("fold*/fold.json"):
        made = read_json(marker)
        change(made["config"])
        write_json(marker, made)


def test_a_run_that_was_made_before_a_key_existed_is_kept(trained: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    rewritten(trained, lambda config: config["train"].pop("start_size"))
    no_training(monkeypatch)
    train(trained, trained.recipe(TINY))
    with pytest.raises(TrainError, match="made with another config than now"):
        train(trained, changed(trained.recipe(TINY), start_size=8))


@pytest.mark.parametrize("change", [lambda c: c.update(gone=1), lambda c: c.pop("net"), lambda c: c.update(size="x")])
def test_a_run_of_what_is_no_recipe_any_more_is_refused(change: Callable[..., object], trained: Toy) -> None:
    rewritten(trained, change)
    with pytest.raises(TrainError, match="made with another config than now"):
        train(trained, trained.recipe(TINY))


def test_under_other_shifts_the_same_networks_are_scored_again(trained: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = trained.workspace.run("toy", TINY)
    before = load_run(folder)
    weights = {path: path.read_bytes() for path in folder.glob("fold*/*.safetensors")}
    no_training(monkeypatch)
    lines = train(trained, trained.recipe(TINY), shifted_by(trained.contest(), seed=1))
    assert sum("scored again, because the shifts changed" in line for line in lines) == len(weights) > 1
    assert {path: path.read_bytes() for path in weights} == weights
    after = load_run(folder)
    np.testing.assert_array_equal(after.logits, before.logits)
    assert (after.cells != before.cells).any()
    assert after.info["shift"] != before.info["shift"]
    assert train(trained, trained.recipe(TINY), shifted_by(trained.contest(), seed=1)) == []


def test_strengths_calibrated_anew_are_other_shifts(trained: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    name = trained.contest().shift.battery[0].split("@")[0]
    stronger = tuple(0.9 * strength for strength in strengths.STRENGTHS[name])
    monkeypatch.setitem(strengths.STRENGTHS, name, stronger)
    assert any("scored again" in line for line in train(trained, trained.recipe(TINY)))


def test_other_folds_are_refused(trained: Toy) -> None:
    contest, path = trained.contest(), trained.file("contests", "toy")
    path.write_text(path.read_text().replace('name = "toy"', 'name = "toy"\nseed = 7'))
    assert trained.contest().seed != contest.seed
    with pytest.raises(TrainError, match="made with another digests than now"):
        train(trained, trained.recipe(TINY))


def test_a_corrupt_marker_is_named(trained: Toy) -> None:
    marker = trained.workspace.run("toy", TINY) / "fold1" / "fold.json"
    marker.write_text("{")
    with pytest.raises(ArtefactError, match=r"fold1/fold.json: .*: kit train tiny --contest toy --fold 1"):
        train(trained, trained.recipe(TINY))


# -------------------------------------------------------------------------------------------------- interrupted
@pytest.mark.parametrize("step", [2, 7, 24])
def test_a_run_interrupted_anywhere_ends_with_the_same_bits(
    step: int, trained_once: Path, toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What was measured as fastest must not flip between the two.
    recipe = toy.recipe(TINY)
    with monkeypatch.context() as patch:
        interrupt_at(step, patch)
        with pytest.raises(KeyboardInterrupt):
            train(toy, recipe)
    folder = toy.workspace.run("toy", TINY)
    assert not (folder / "fold0" / "fold.json").exists()
    assert (folder / "fold0" / "checkpoint.pt").exists() == (step > 3)
    train(toy, recipe)
    whole, pieces = load_run(Toy(trained_once).workspace.run("toy", TINY)), load_run(folder)
    for name in ("ids", "folds", "logits", "shifted", "cells"):
        np.testing.assert_array_equal(getattr(pieces, name), getattr(whole, name))


def test_a_kill_while_scoring_repeats_no_step_and_keeps_the_training_score(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    recipe = changed(toy.recipe(TINY), epochs=2)
    with monkeypatch.context() as patch:
        patch.setattr(Fold, "_score", stop)
        with pytest.raises(KeyboardInterrupt):
            train(toy, recipe, folds=[0])
    no_training(monkeypatch)
    train(toy, recipe, folds=[0])
    marker = read_json(toy.workspace.run("toy", TINY) / "fold0" / "fold.json")
    assert marker["train_score"] > 0
    assert marker["images_per_second"] > 0
    assert marker["seconds"] > marker["train_seconds"] > 0


def interrupted(toy: Toy, recipe: RecipeConfig, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The checkpoint that an interrupted fit of fold 0 leaves."""
    with monkeypatch.context() as patch:
        interrupt_at(4, patch)
        with pytest.raises(KeyboardInterrupt):
            train(toy, recipe, folds=[0])
    return toy.workspace.run("toy", TINY) / "fold0" / "checkpoint.pt"


def test_a_checkpoint_of_another_config_is_refused(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = changed(toy.recipe(TINY), epochs=2)
    path = interrupted(toy, recipe, monkeypatch)
    with pytest.raises(TrainError, match=rf"{path}: made with another config than now. Delete"):
        train(toy, changed(recipe, lr=0.5), folds=[0])


@pytest.mark.parametrize("content", [b"", b"nonsense"])
def test_a_corrupt_checkpoint_is_named(content: bytes, toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = changed(toy.recipe(TINY), epochs=2)
    path = interrupted(toy, recipe, monkeypatch)
    path.write_bytes(content)
    with pytest.raises(ArtefactError, match=rf"{path}: corrupt checkpoint .* kit train tiny --contest toy --fold 0"):
        train(toy, recipe, folds=[0])


def test_a_full_disk_stops_the_fit_and_keeps_the_last_checkpoint(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = changed(toy.recipe(TINY), epochs=2)
    path = interrupted(toy, recipe, monkeypatch)
    before = path.read_bytes()

    def refuse(*_: object) -> None:
        raise ArtefactError(f"{path}: cannot be written (No space left on device)")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "write_bytes", refuse)
        with pytest.raises(ArtefactError, match="No space left"):
            train(toy, recipe, folds=[0])
    assert path.read_bytes() == before
    train(toy, recipe, folds=[0])
    assert not path.exists()


# ------------------------------------------------------------------------------------------- before it begins
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"views": ["identity", "hflipp"]}, ConfigError, r"tiny: views must be of .*'hflipp'. Did you mean 'hflip'\?"),
        ({"net": {"name": "kit/residul"}}, NetError, r"got 'kit/residul'. Did you mean 'kit/residual'\?"),
        ({"net": {"name": "timm/resnet81"}}, NetError, r"Did you mean 'timm/resnet\d+"),
        ({"net": {"name": "kit/residual", "args": {"widht": 8}}}, NetError, "cannot be built with args"),
        ({"net": {"name": "timm/vgg11"}, "size": 8}, NetError, "takes images of .* px or more, but got size = 8"),
    ],
)
def test_a_wrong_name_costs_no_fit(
    change: dict[str, Any], error: type[Exception], message: str, toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_training(monkeypatch)
    recipe = RecipeConfig.model_validate(toy.recipe(TINY).model_dump() | change)
    with pytest.raises(error, match=message):
        train(toy, recipe)


def test_a_misspelt_shift_costs_no_fit(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    no_training(monkeypatch)
    with pytest.raises(ConfigError, match=r"got 'noise.gausian'. Did you mean 'noise.gaussian'\?"):
        train(toy, toy.recipe(TINY), shifted_by(toy.contest(), battery=["noise.gausian"]))


def test_names_that_are_there_are_passed(toy: Toy) -> None:
    check_names(toy.contest(), toy.recipe(TINY))


def test_a_contest_without_shifts_trains(toy: Toy) -> None:
    train(toy, changed(toy.recipe(TINY), epochs=1), shifted_by(toy.contest(), battery="clean"))
    run = load_run(toy.workspace.run("toy", TINY))
    assert run.shifted.shape[1] == 0
    assert run.info["fold_shifted"] == [None, None]


def test_rows_that_are_never_held_out_are_no_fold(toy: Toy) -> None:
    prepared = replace(toy.prepared(), folds=np.resize([-1, 1, 0, -2, 1, 0], 60))
    assert scored_folds(prepared) == [0, 1]


def test_timings_are_of_one_step_and_one_image(toy: Toy) -> None:
    prepared = toy.prepared()
    trainer = Trainer(toy.contest(), prepared, toy.recipe(TINY), toy.workspace, torch.device("cpu"))
    from kit.train.images import resized

    step, precision = trainer.time_step(resized(prepared.images, 16))
    assert 0 < step < 5
    assert precision
    assert 0 < trainer.time_image(np.array(prepared.images)) < 1


def test_a_marker_without_the_rest_is_found_out(trained: Toy) -> None:
    folder = trained.workspace.run("toy", TINY)
    (folder / "fold0" / "oof.npz").unlink()
    with pytest.raises(ArtefactError, match=r"fold0/oof.npz: missing .*rm -r .*fold0; kit train tiny"):
        load_run(folder)


def test_a_json_value_that_changed_by_itself_is_no_other_config(trained: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    # Written and read again, 2 stays 2 and 0.1 stays 0.1, tuples are lists: identity must not depend on it.
    no_training(monkeypatch)
    marker = trained.workspace.run("toy", TINY) / "fold0" / "fold.json"
    write_json(marker, read_json(marker))
    assert train(trained, trained.recipe(TINY)) == []


def test_a_fold_that_was_made_before_a_key_was_there_is_what_its_default_says(
    trained: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_training(monkeypatch)
    for fold in (0, 1):
        path = trained.workspace.run("toy", TINY) / f"fold{fold}" / "fold.json"
        marker = read_json(path)
        del marker["config"]["augment"]["without"]
        write_json(path, marker)
    assert train(trained, trained.recipe(TINY)) == []


def test_a_fit_that_would_end_too_late_makes_fewer_steps_and_says_so(toy: Toy) -> None:
    lines: list[str] = []
    recipe, prepared = toy.recipe(TINY), toy.prepared()
    plain = Trainer(toy.contest(), prepared, recipe, toy.workspace, torch.device("cpu"))
    replace(plain, deadline=time.monotonic() + 3600).train([0], lines.append)
    assert "of 24" not in lines[0]
    replace(plain, deadline=time.monotonic()).train([1], lines.append)
    assert re.search(r"tiny fold 1: \d+ steps of 24, to end in time", lines[1])
    markers = [read_json(plain.fold_folder(fold) / "fold.json") for fold in (0, 1)]
    assert markers[0]["steps"] == markers[0]["steps_planned"] == 24
    assert markers[1]["steps"] < markers[1]["steps_planned"] == 24
    assert len(load_run(plain.folder).ids) == 60
