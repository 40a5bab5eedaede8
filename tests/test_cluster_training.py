from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import Toy
from warm_workers import warm_workers

from kit.artefact import read_json, read_npz
from kit.cluster.devices import cpu_device
from kit.cluster.fits import FitJob
from kit.cluster.local import LocalBackend
from kit.cluster.shared import share
from kit.cluster.training import train_on
from kit.config import RecipeConfig
from kit.errors import TrainError
from kit.oof_store import load_run
from kit.train.memory import with_batch_share
from kit.train.run import Trainer


class Silent:
    """A Talk that nobody hears; reports get a yes."""

    def line(self, text: str) -> None: ...

    def report(self, step: int, value: float) -> bool:
        return True

    def keep(self, name: str, data: bytes) -> None: ...


def quick(toy: Toy, name: str, **train: object) -> RecipeConfig:
    recipe = toy.recipe(name)
    return recipe.model_copy(update={"train": recipe.train.model_copy(update={"epochs": 2, **train})})


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBackend]:
    """Two workers on this machine's cores, started as users' are, which takes longer than a fit."""
    backend = LocalBackend((cpu_device(2),), tmp_path_factory.mktemp("logs"))
    yield backend
    backend.close()


@pytest.fixture
def warm(tmp_path: Path) -> Iterator[LocalBackend]:
    """Two that have imported what they need."""
    with warm_workers():
        backend = LocalBackend((cpu_device(2),), tmp_path / "logs")
        yield backend
        backend.close()


def test_units_at_once_give_the_bits_of_units_in_a_row(
    toy: Toy, one: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", str(one.devices[0].threads))
    prepared, recipes = toy.prepared(), [quick(toy, "tiny"), quick(toy, "mini")]
    train_on(one, toy.contest(), prepared, recipes, toy.workspace, lambda line: None)
    together = {name: load_run(toy.workspace.run("toy", name)) for name in ("tiny", "mini")}
    for recipe in recipes:
        shutil.rmtree(toy.workspace.run("toy", recipe.name))
        for fold in (0, 1):
            data = share(prepared, toy.workspace.cache)
            job = FitJob(toy.contest(), recipe, fold, data, toy.root, toy.workspace.cache)
            job(Silent(), 1.0)
        alone = load_run(toy.workspace.run("toy", recipe.name))
        np.testing.assert_array_equal(alone.ids, together[recipe.name].ids)
        np.testing.assert_array_equal(alone.logits, together[recipe.name].logits)
        np.testing.assert_array_equal(alone.shifted, together[recipe.name].shifted)


def test_what_is_there_is_reused_and_a_failing_recipe_does_not_stop_the_others(toy: Toy, warm: LocalBackend) -> None:
    lines: list[str] = []
    bad = quick(toy, "tiny", lr=1e30, clip_grad=0.0).model_copy(update={"name": "bad"})
    with pytest.raises(TrainError, match=r"2 of 4 units failed, the others are done. bad fold 0: Diverged: bad: "):
        train_on(warm, toy.contest(), toy.prepared(), [bad, quick(toy, "mini")], toy.workspace, lines.append)
    assert len(load_run(toy.workspace.run("toy", "mini")).ids) == 60
    assert not any("half the batch" in line for line in lines), "a loss that diverges is the recipe's"
    before = (toy.workspace.run("toy", "mini") / "fold0" / "fold.json").stat().st_mtime_ns
    train_on(warm, toy.contest(), toy.prepared(), [quick(toy, "mini")], toy.workspace, lines.append)
    assert (toy.workspace.run("toy", "mini") / "fold0" / "fold.json").stat().st_mtime_ns == before


# ---------------------------------------------------------------------------------------------- half the batch
def test_half_the_batch_keeps_the_epochs_and_lowers_the_rate(toy: Toy) -> None:
    recipe = toy.recipe("tiny")
    half = with_batch_share(recipe, 0.5)
    assert half.train.batch_size == 5
    assert half.train.epochs == recipe.train.epochs
    assert half.train.lr == pytest.approx(recipe.train.lr * 0.5**0.5)
    plain = recipe.model_copy(update={"train": recipe.train.model_copy(update={"optimizer": "sgd"})})
    assert with_batch_share(plain, 0.5).train.lr == pytest.approx(recipe.train.lr * 0.5)
    assert with_batch_share(recipe, 1.0) is recipe


def test_a_fold_of_half_the_batch_belongs_to_its_recipe_and_says_so(toy: Toy) -> None:
    prepared, recipe = toy.prepared(), quick(toy, "tiny")
    data = share(prepared, toy.workspace.cache)
    for fold, portion in ((0, 0.5), (1, 1.0)):
        FitJob(toy.contest(), recipe, fold, data, toy.root, toy.workspace.cache)(Silent(), portion)
    folder = toy.workspace.run("toy", "tiny")
    assert [read_json(folder / f"fold{fold}" / "fold.json")["batch_size"] for fold in (0, 1)] == [5, 10]
    assert len(load_run(folder).ids) == 60


def test_a_checkpoint_of_another_batch_is_left(toy: Toy) -> None:
    from kit.train.device import pick_device

    class Interrupted(Exception):
        pass

    def stop(fold: int, fit: object) -> None:
        raise Interrupted

    prepared, recipe = toy.prepared(), quick(toy, "tiny")
    first = Trainer(toy.contest(), prepared, recipe, toy.workspace, pick_device(), after_epoch=stop)
    with pytest.raises(Interrupted):
        first.train([0], lambda line: None)
    assert (first.fold_folder(0) / "checkpoint.pt").exists()
    Trainer(toy.contest(), prepared, recipe, toy.workspace, pick_device(), 0.5).train([0], lambda line: None)
    assert read_json(first.fold_folder(0) / "fold.json")["batch_size"] == 5


# ------------------------------------------------------------------------------------------------- shared rows
def test_shared_rows_are_those_that_were_prepared(toy: Toy) -> None:
    prepared = toy.prepared()
    shared = share(prepared, toy.workspace.cache)
    loaded = shared.load()
    for name in ("ids", "images", "labels", "folds", "groups"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(prepared, name))
    assert (loaded.class_names, loaded.data_digest, loaded.fold_digest) == (
        prepared.class_names, prepared.data_digest, prepared.fold_digest,
    )  # fmt: skip
    assert isinstance(loaded.images, np.memmap)
    before = (shared.folder / "images.npy").stat().st_mtime_ns
    assert share(prepared, toy.workspace.cache) == shared
    assert (shared.folder / "images.npy").stat().st_mtime_ns == before
    assert not read_npz(shared.folder / "rows.npz")["ids"].dtype.hasobject
