"""What is submitted, from the command line: predictions made and rehearsed, bundles, scores read off the web page."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result
from PIL import Image
from submit_broken import model

from kit.cli import group
from kit.errors import PackagingError, RehearsalError, UploadError
from kit.packaging.archive import write_zip
from kit.platforms import ledger
from kit.workspace import Workspace

CONTEST = """
name = "colours"
classes = ["red", "green", "blue"]
image_size = 24
platform = "plain"
[data]
kind = "folder"
path = "train"
[recipes]
cpu = ["residual_64"]
"""

PLATFORM = """
python = "3.9"
[packages]
numpy = ""
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a contest, a platform, a zip that predicts, and images to label."""
    monkeypatch.chdir(tmp_path)
    for kind, name, text in (("contests", "colours", CONTEST), ("platforms", "plain", PLATFORM)):
        (tmp_path / "configs" / kind).mkdir(parents=True)
        (tmp_path / "configs" / kind / f"{name}.toml").write_text(text)
    write_zip(tmp_path / "z.zip", model() | {"manifest.json": json.dumps({"platform": "plain"}).encode()})
    (tmp_path / "test").mkdir()
    for number in range(6):
        image = np.full((30, 30, 3), 100, dtype=np.uint8)
        image[:, :, number % 3] += 60
        Image.fromarray(image).save(tmp_path / "test" / f"{number}.png")
    (tmp_path / "sample.csv").write_text("id,label\n" + "".join(f"{number}.png,0\n" for number in range(5, -1, -1)))
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(group, list(arguments), standalone_mode=False)


def predict(platform: str, out: str, *more: str) -> Result:
    return run("predict", "z.zip", "test", "--contest", "colours", "--platform", platform, "--out", out, *more)


def test_images_are_labelled_and_the_file_passes_its_rehearsal(folder: Path) -> None:
    made = predict("kaggle-csv", "submission.csv", "--sample", "sample.csv")
    assert made.exception is None, made.output
    wanted = "id,label\n" + "".join(f"{number}.png,{number % 3}\n" for number in range(5, -1, -1))
    assert (folder / "submission.csv").read_text() == wanted
    common = ("--contest", "colours", "--platform", "kaggle-csv", "--sample", "sample.csv", "--level", "check")
    assert run("rehearse", "submission.csv", *common).exit_code == 0
    (folder / "submission.csv").write_text(wanted.replace("4.png", "44.png"))
    found = run("rehearse", "submission.csv", *common)
    assert found.exit_code == 1
    assert "1 failed" in found.output


def test_an_array_of_labels_is_held_against_the_truth(folder: Path) -> None:
    assert predict("codabench-result", "labels.zip").exception is None
    np.savez(folder / "truth.npz", labels=np.array([0, 1, 2, 0, 1, 0]))
    found = run(
        "rehearse", "labels.zip", "--contest", "colours", "--platform", "codabench-result", "--sample", "truth.npz"
    )
    assert found.exit_code == 0, found.output
    assert json.loads((folder / "labels.rehearsal.json").read_text())["hidden"] == pytest.approx(5 / 6)


def test_what_predicting_needs_is_asked_for(folder: Path) -> None:
    write_zip(folder / "z.zip", model())
    assert isinstance(predict("kaggle-csv", "s.csv").exception, PackagingError)
    write_zip(folder / "z.zip", model(("return scores", "return missing")))
    failed = predict("kaggle-csv", "s.csv", "--runs-on", "plain").exception
    assert isinstance(failed, PackagingError)
    assert "missing" in str(failed)
    nothing = run("rehearse", "z.zip", "--contest", "colours", "--platform", "kaggle-csv")
    assert isinstance(nothing.exception, RehearsalError)


def test_a_bundle_of_the_practice_contest_has_both_phases(folder: Path) -> None:
    made = run("bundle", "--contest", "practice", "--out", "bundle.zip")
    assert made.exception is None, made.output
    with zipfile.ZipFile(folder / "bundle.zip") as zipped:
        competition = yaml.safe_load(zipped.read("competition.yaml"))
    assert [phase["name"] for phase in competition["phases"]] == ["Development", "Final"]


def test_a_score_read_off_the_web_page_is_remembered(folder: Path) -> None:
    ledger.append(
        Workspace(folder), "packed", zip="z.zip", sha256=ledger.sha256_file(folder / "z.zip"), contest="colours",
        members=[], clean=0.9, shifted=0.8, expected=0.8, low=0.75, high=0.85,
    )  # fmt: skip
    assert run("ledger", "--contest", "colours", "add-score", "z.zip", "0.84").exception is None
    shown = run("ledger", "--contest", "colours")
    assert "final phase: send z.zip" in shown.output.replace("\n", " ")
    table = json.loads(run("ledger", "--json").stdout)
    assert [row["score"] for row in table] == [None, 0.84]
    assert isinstance(run("ledger", "add-score", "z.zip", "84").exception, UploadError)


def test_uploading_wants_a_phase_and_a_rehearsal(folder: Path) -> None:
    assert "--phase" in str(run("upload", "z.zip").exception)
    assert "must be rehearsed" in str(run("upload", "z.zip", "--phase", "7").exception)


def test_one_platform_is_explained_and_all_are_listed(folder: Path) -> None:
    listed = run("platforms").output
    assert "plain" in listed
    assert "an2dl2024" in listed
    assert "2.17.0" in run("platforms", "an2dl2024").output
    assert json.loads(run("platforms", "plain", "--json").stdout)[0]["packages"] == {"numpy": ""}
