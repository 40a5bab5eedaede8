"""Kaggle's notebooks: packed with their zip, run in folders like Kaggle's, and what they wrote looked at."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from submit_toy import toy_contest, toy_platform, toy_prepared, write_store

from kit.ensemble.blend import blend
from kit.errors import PackagingError
from kit.oof_store import load_runs
from kit.packaging import archive
from kit.packaging.notebook import ABOUT, CODE, notebook_files
from kit.packaging.pack import Notebook, package
from kit.rehearsal.rehearse import rehearse
from kit.rehearsal.result import Rehearsal
from kit.workspace import Workspace

PACKAGES = dict.fromkeys(("torch", "timm", "numpy", "pandas", "pillow"), "")
PLATFORM = toy_platform(artefact="notebook", predictions_file="submission.csv", packages=PACKAGES, label_form="name")


@pytest.fixture(autouse=True)
def small_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kit.rehearsal.calls.MANY", 150)
    monkeypatch.setattr("kit.rehearsal.notebook.MANY", 300)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A store with the packed zip of its blend."""
    made = Workspace(tmp_path_factory.mktemp("toy"))
    write_store(made, toy_prepared())
    both = blend(load_runs(made, "toy"), "best2")
    named = Notebook("me/weights", "the-contest")
    package(both, toy_contest(), made, PLATFORM, made.submissions / "toy.zip", notebook=named)
    return made


def run(workspace: Workspace, path: Path) -> Rehearsal:
    return rehearse(path, PLATFORM, contest=toy_contest(), prepared=toy_prepared(), workspace=workspace, level="run")


def failures(found: Rehearsal) -> list[str]:
    return [check.name for check in found.checks if not check.passed]


def test_the_zip_brings_its_notebook_which_predicts_the_contests_files(workspace: Workspace) -> None:
    with zipfile.ZipFile(workspace.submissions / "toy.zip") as zipped:
        about = json.loads(zipped.read(ABOUT))
        assert {CODE, ABOUT} <= json.loads(zipped.read("manifest.json"))["files"].keys()
    assert (about["dataset_sources"], about["competition_sources"]) == (["me/weights"], ["the-contest"])
    assert not about["enable_internet"]
    found = run(workspace, workspace.submissions / "toy.zip")
    assert failures(found) == []
    figures = {check.name: check.figure for check in found.checks}
    assert figures["notebook: ids"] == "66 rows for 66 images"
    right = float(figures["notebook: predictions"].partition("%")[0])
    assert right > 80


def without_metadata(files: dict[str, bytes]) -> None:
    del files[ABOUT]


def of_another_order(files: dict[str, bytes]) -> None:
    """Files in the order of the disk beside ids in the order of the sample."""
    code = files[CODE].decode()
    assert "match(ids, " in code
    files[CODE] = code.replace("match(ids, ", "match(sorted(ids), ").encode()


def with_an_index(files: dict[str, bytes]) -> None:
    files[CODE] = files[CODE].replace(b", index=False", b"")


def that_fails(files: dict[str, bytes]) -> None:
    files[CODE] = files[CODE].replace(b"model = Model()", b"model = Modell()")


@pytest.mark.parametrize(
    ("spoil", "name", "words"),
    [
        (without_metadata, "notebook: metadata", "kernel-metadata.json"),
        (of_another_order, "notebook: predictions", "other images"),
        (with_an_index, "notebook: columns", "index=False"),
        (that_fails, "notebook: runs", "Modell"),
    ],
)
def test_a_broken_notebook_is_caught(
    spoil: Callable[[dict[str, bytes]], None], name: str, words: str, workspace: Workspace, tmp_path: Path
) -> None:
    with zipfile.ZipFile(workspace.submissions / "toy.zip") as zipped:
        files = {entry: zipped.read(entry) for entry in zipped.namelist()}
    spoil(files)
    archive.write_zip(tmp_path / "toy.zip", files)
    found = run(workspace, tmp_path / "toy.zip")
    assert failures(found) == [name]
    assert words in next(check.wrong for check in found.checks if check.name == name)


@pytest.mark.parametrize(("dataset", "competition"), [("weights", "c"), ("me/weights", "")])
def test_a_notebook_must_be_told_where_its_files_lie(dataset: str, competition: str) -> None:
    with pytest.raises(PackagingError, match="--dataset me/cells-weights --competition cells"):
        notebook_files(toy_contest(), PLATFORM, dataset, competition)
