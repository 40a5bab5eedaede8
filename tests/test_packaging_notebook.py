"""Kaggle's notebooks: packed with their zip, run in folders like Kaggle's, and what they wrote looked at."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from submit_toy import toy_contest, toy_platform, toy_prepared

from kit.ensemble.blend import Blend
from kit.errors import PackagingError
from kit.packaging import archive
from kit.packaging.notebook import ABOUT, CODE, notebook_files
from kit.packaging.pack import Notebook, package
from kit.rehearsal.checks import Check
from kit.rehearsal.interpreter import this_python
from kit.rehearsal.notebook import TRIED, try_notebook
from kit.rehearsal.reference import make_reference
from kit.rehearsal.rehearse import check, rehearse
from kit.workspace import Workspace

PACKAGES = dict.fromkeys(("torch", "timm", "numpy", "pandas", "pillow"), "")
PLATFORM = toy_platform(artefact="notebook", predictions_file="submission.csv", packages=PACKAGES, label_form="name")


@pytest.fixture(autouse=True)
def small_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kit.rehearsal.calls.MANY", 150)
    monkeypatch.setattr("kit.rehearsal.notebook.MANY", 300)


@pytest.fixture(scope="module")
def zipped(workspace: Workspace, both: Blend) -> Path:
    """The packed zip of the blend."""
    named = Notebook("me/weights", "the-contest")
    path = workspace.submissions / "toy.zip"
    return package(both, toy_contest(), workspace, PLATFORM, path, notebook=named).path


def failures(checks: Sequence[Check]) -> list[str]:
    return [check.name for check in checks if not check.passed]


def test_the_zip_brings_its_notebook_which_predicts_the_contests_files(workspace: Workspace, zipped: Path) -> None:
    with zipfile.ZipFile(zipped) as archived:
        about = json.loads(archived.read(ABOUT))
        assert {CODE, ABOUT} <= json.loads(archived.read("manifest.json"))["files"].keys()
    assert (about["dataset_sources"], about["competition_sources"]) == (["me/weights"], ["the-contest"])
    assert not about["enable_internet"]
    contest, prepared = toy_contest(), toy_prepared()
    found = rehearse(zipped, PLATFORM, contest=contest, prepared=prepared, workspace=workspace, level="run")
    assert failures(found.checks) == []
    figures = {check.name: check.figure for check in found.checks}
    assert figures["notebook: ids"] == "66 rows for 66 images"
    right = float(figures["notebook: predictions"].partition("%")[0])
    assert right > 80


MODEL = b"""import numpy as np
class Model:
    def predict(self, X):
        return self.predict_proba(X).argmax(axis=1)
    def predict_proba(self, X, max_seconds=None):
        scores = np.asarray(X, dtype=float).mean(axis=(1, 2))
        return scores / scores.sum(axis=1, keepdims=True)
"""
"""Right on the toy contest without torch, whose import is most of what a notebook takes."""


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


def of_other_names(files: dict[str, bytes]) -> None:
    files[CODE] = files[CODE].replace(b"match(ids, ", b"match([name + 'x' for name in ids], ")


@pytest.mark.parametrize(
    ("spoil", "name", "words"),
    [
        (without_metadata, "notebook: metadata", "kernel-metadata.json"),
        (of_another_order, "notebook: predictions", "other images"),
        (with_an_index, "notebook: columns", "index=False"),
        (that_fails, "notebook: runs", "Modell"),
        (of_other_names, "notebook: runs", "no id of the sample has an image file"),
    ],
)
def test_a_broken_notebook_is_caught(
    spoil: Callable[[dict[str, bytes]], None],
    name: str,
    words: str,
    zipped: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By what is tried with a notebook alone; the rest of the rehearsal is that of any zip, and so are many images."""
    monkeypatch.setattr("kit.rehearsal.notebook.MANY", TRIED)
    with zipfile.ZipFile(zipped) as archived:
        files = {entry: archived.read(entry) for entry in archived.namelist()}
    files["model.py"] = MODEL
    spoil(files)
    path = tmp_path / "toy.zip"
    archive.write_zip(path, files)
    assert failures(check(path, PLATFORM).checks) == []
    archive.unpack(path, tmp_path / "zip")
    tried = make_reference(toy_prepared(), PLATFORM.rehearsal_rows)
    contest, python = toy_contest(), this_python(PLATFORM)
    found = try_notebook(tmp_path / "zip", tried, contest.classes, contest.metric, PLATFORM, python, tmp_path / "tried")
    assert failures(found) == [name]
    assert words in next(one.wrong for one in found if one.name == name)


@pytest.mark.parametrize(("dataset", "competition"), [("weights", "c"), ("me/weights", "")])
def test_a_notebook_must_be_told_where_its_files_lie(dataset: str, competition: str) -> None:
    with pytest.raises(PackagingError, match="--dataset me/cells-weights --competition cells"):
        notebook_files(toy_contest(), PLATFORM, dataset, competition)


def test_a_contest_whose_test_images_are_no_files_has_no_notebook(tmp_path: Path) -> None:
    """It found no file for any id, and left every row with the class prior."""
    np.save(tmp_path / "test.npy", np.zeros((3, 8, 8), np.uint8))
    pd.DataFrame(np.zeros((3, 64), int), columns=[f"pixel{n}" for n in range(64)]).to_csv(tmp_path / "test.csv")
    for name in ("test.npy", "test.csv"):
        contest = toy_contest()
        contest = contest.model_copy(update={"data": contest.data.model_copy(update={"test": str(tmp_path / name)})})
        with pytest.raises(PackagingError, match="holds the images itself"):
            notebook_files(contest, PLATFORM, "me/weights", "c")
