"""Numbers at their edges, through the public commands: a right result, or an error that says what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from conftest import CONTEST, RECIPES, SIDE, Toy, write_toy

from kit.artefact import read_json, write_json
from kit.cli import group
from kit.errors import KitError
from kit.oof_store import load_run, load_runs
from kit.train.fit import LOWERED, Fit
from kit.train.stored import CHECKPOINT, file_digests

TOY = ("--contest", "toy")


def kit(*arguments: str) -> Result:
    """A command; anything but an error of the kit's fails the test."""
    result = CliRunner().invoke(group, list(arguments))
    if result.exception and not isinstance(result.exception, SystemExit | KitError):
        raise result.exception
    return result


def said(result: Result) -> str:
    """All that a command printed, and the error it ended in."""
    return f"{result.output}\n{result.exception or ''}"


def short(toy: Toy, name: str = "tiny", **changes: str) -> None:
    """The recipe with one epoch, and lines of its file changed: `lr="1e9"`."""
    text = RECIPES[name]
    for key, value in ({"epochs": "1"} | changes).items():
        lines = [line if not line.startswith(f"{key} =") else f"{key} = {value}" for line in text.splitlines()]
        text = "\n".join(lines)
    toy.file("recipes", name).write_text(text)


def train(toy: Toy, *names: str) -> Result:
    return kit("train", *names, "--contest", "toy", "--data", str(toy.data), "--workers", "1")


def with_labels(toy: Toy, labels: np.ndarray, contest: str = CONTEST) -> None:
    """The toy's images again, one for each of `labels`, told apart by a raised channel."""
    rng = np.random.default_rng(1)
    images = rng.integers(60, 160, (len(labels), SIDE, SIDE, 3))
    images[np.arange(len(labels)), :, :, labels % 3] += 60
    np.savez(toy.data, images=images.astype(np.uint8), labels=labels)
    toy.file("contests", "toy").write_text(contest)


# ------------------------------------------------------------------------------------------------ divergence
def test_a_rate_that_diverges_is_set_aside_and_the_others_are_trained(toy: Toy) -> None:
    short(toy, "tiny", lr="1e30", epochs="2")
    short(toy, "mini")
    result = train(toy, "tiny", "mini")
    assert result.exit_code != 0
    assert "Once more from the last checkpoint, at 30% of the rate" in said(result)
    assert "SET ASIDE" in said(result)
    assert "1 of 2 recipes failed, the others are done" in said(result)
    assert "Lower train.lr" in said(result)
    run = load_run(toy.workspace.run("toy", "mini"))
    assert np.isfinite(run.logits).all()
    assert not (toy.workspace.run("toy", "tiny") / "run.json").exists()


def test_a_loss_that_is_nan_once_goes_back_to_the_last_checkpoint(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    short(toy, "tiny", epochs="4")
    steps: list[tuple[int, float]] = []
    real = Fit.train_step

    def step(fit: Fit, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        loss, score = real(fit, rows)
        steps.append((fit.step, fit.optimizer.param_groups[0]["lr"]))
        return (loss * torch.nan if len(steps) == 8 else loss), score

    monkeypatch.setattr(Fit, "train_step", step)
    result = train(toy, "tiny")
    assert result.exit_code == 0, said(result)
    assert "loss is nan at step 8" in said(result)
    # Three steps an epoch: the eighth is in the third, which begins again after the sixth, at the lower rate.
    assert [number for number, _ in steps[:12]] == [1, 2, 3, 4, 5, 6, 7, 8, 7, 8, 9, 10]
    assert steps[8][1] == pytest.approx(LOWERED * steps[6][1])
    folder = toy.workspace.run("toy", "tiny")
    assert read_json(folder / "fold0" / "fold.json")["rate_share"] == LOWERED
    assert read_json(folder / "fold1" / "fold.json")["rate_share"] == 1.0
    assert np.isfinite(load_run(folder).logits).all()


def test_weights_that_are_not_finite_are_no_checkpoint(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    short(toy, "tiny", epochs="3")
    real, seen = Fit.train_step, []

    def step(fit: Fit, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        found = real(fit, rows)
        seen.append(fit.step)
        if len(seen) == 6:  # the last step of the second epoch, whose loss was still fine
            next(fit.net.parameters()).data[0] = torch.inf
        return found

    monkeypatch.setattr(Fit, "train_step", step)
    result = train(toy, "tiny")
    assert result.exit_code == 0, said(result)
    assert "is not finite at step 6" in said(result)
    assert seen[6] == 4


# --------------------------------------------------------------------------------------------------- memory
def test_a_batch_that_does_not_fit_is_halved(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    short(toy, "tiny")
    real = Fit.train_step

    def step(fit: Fit, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if len(rows) > 5:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(fit, rows)

    monkeypatch.setattr(Fit, "train_step", step)
    result = train(toy, "tiny")
    assert result.exit_code == 0, said(result)
    assert read_json(toy.workspace.run("toy", "tiny") / "fold0" / "fold.json")["batch_size"] == 5


def test_a_network_that_fits_in_no_way_is_set_aside(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    short(toy, "tiny")

    def step(fit: Fit, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes")

    monkeypatch.setattr(Fit, "train_step", step)
    result = train(toy, "tiny")
    assert result.exit_code != 0
    assert "out of memory with half its batch" in said(result)


# ------------------------------------------------------------------------------------------- small, odd, alike
@pytest.mark.parametrize("batch", ["1", "29"])
def test_batches_of_one_image_under_batch_norm(batch: str, toy: Toy) -> None:
    """29 of 30 training rows leave one."""
    short(toy, "tiny", batch_size=batch)
    result = train(toy, "tiny")
    assert result.exit_code == 0, said(result)
    assert np.isfinite(load_run(toy.workspace.run("toy", "tiny")).logits).all()


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "macro_f1", "log_loss", "quadratic_kappa"])
def test_a_class_that_is_missing_in_a_fold(metric: str, toy: Toy) -> None:
    labels = np.append(np.arange(38) % 2, 2)
    with_labels(toy, labels, f'metric = "{metric}"\n{CONTEST}')
    short(toy, "tiny")
    short(toy, "mini")
    for command in (train(toy, "tiny", "mini"), kit("leaderboard", *TOY), kit("blend", "best2", *TOY)):
        assert command.exit_code == 0, said(command)
    made = read_json(toy.workspace.oof("toy") / "blends" / "best2.json")
    assert np.isfinite([made["nested"]["clean"], made["expected"]["point"], made["expected"]["low"]]).all()


def test_labels_all_alike(toy: Toy) -> None:
    with_labels(toy, np.zeros(40, dtype=int))
    short(toy, "tiny")
    result = train(toy, "tiny")
    assert result.exit_code == 2 or isinstance(result.exception, KitError), said(result)
    assert "class" in said(result)


def test_folds_of_few_rows(toy: Toy) -> None:
    with_labels(toy, np.arange(9) % 3, CONTEST.replace("n_splits = 2", "n_splits = 3"))
    short(toy, "tiny", batch_size="4")
    short(toy, "mini", batch_size="4")
    trained = train(toy, "tiny", "mini")
    assert trained.exit_code == 0, said(trained)
    for command in (kit("leaderboard", "--contest", "toy"), kit("blend", "best2", "--contest", "toy")):
        assert command.exit_code == 0, said(command)


def test_a_fold_of_one_row(toy: Toy) -> None:
    contest = CONTEST.replace("[folds]\nn_splits = 2", '[folds]\nkind = "column"').replace(
        'path = "training_set.npz"', 'path = "training_set.npz"\nfold_column = "fold"'
    )
    with_labels(toy, np.arange(20) % 3, contest)
    with np.load(toy.data) as archive:
        arrays = dict(archive)
    np.savez(toy.data, **arrays, fold=np.append(np.arange(19) % 2, 2))
    short(toy, "tiny")
    short(toy, "mini")
    trained = train(toy, "tiny", "mini")
    assert trained.exit_code == 0, said(trained)
    assert sorted(np.bincount(load_run(toy.workspace.run("toy", "tiny")).folds)) == [1, 9, 10]
    for command in (kit("leaderboard", *TOY), kit("blend", "best2", *TOY), kit("blend", "stack", *TOY)):
        assert command.exit_code == 0, said(command)


def constant(folder: Path, value: float) -> None:
    """Every logit of a run becomes `value`."""
    for path in folder.glob("fold*/oof.npz"):
        with np.load(path) as archive:
            arrays = dict(archive)
        for key in ("logits", "shifted"):
            arrays[key] = np.full_like(arrays[key], value)
        np.savez(path, **arrays)
        marker = path.parent / "fold.json"
        write_json(marker, read_json(marker) | file_digests(path.parent))


@pytest.mark.parametrize("both", [False, True])
def test_constant_predictions_and_ties(both: bool, trained: Toy) -> None:
    """A network that says the same of every image; two of them tie in everything."""
    names = ("tiny", "mini") if both else ("mini",)
    for name in names:
        constant(trained.workspace.run("toy", name), 0.0)
        assert train(trained, name).exit_code == 0  # writes run.json again, which knows the files' digests
    board = kit("leaderboard", "--contest", "toy", "--json")
    assert board.exit_code == 0, said(board)
    rows: list[dict[str, Any]] = json.loads(board.output)
    assert all(np.isfinite(row["clean"]) for row in rows)
    for kind in ("best2", "auto", "stack"):
        command = kit("blend", kind, "--contest", "toy")
        assert command.exit_code == 0, said(command)
        made = read_json(trained.workspace.oof("toy") / "blends" / f"{kind}.json")
        assert np.isfinite([made["nested"]["clean"], made["expected"]["point"]]).all()
        if both:  # three classes as often as each other
            assert made["nested"]["clean"] == pytest.approx(1 / 3, abs=0.01)
    assert len(load_runs(trained.workspace, "toy")) == 2


def test_no_checkpoint_is_left_after_a_fit_that_recovered(toy: Toy) -> None:
    short(toy, "tiny")
    assert train(toy, "tiny").exit_code == 0
    assert list(toy.root.rglob(CHECKPOINT)) == []


def test_the_toy_is_what_these_tests_take_it_for(tmp_path: Path) -> None:
    assert "n_splits = 2" in CONTEST
    assert np.load(write_toy(tmp_path).data)["labels"].tolist() == list(np.arange(60) % 3)
