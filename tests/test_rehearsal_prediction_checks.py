"""Files of predictions: what each platform would refuse is refused here, and a scoring program takes the rest."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from submit_toy import toy_contest, toy_platform

from kit.config import PlatformConfig, load_platform
from kit.errors import RehearsalError
from kit.packaging.archive import write_zip
from kit.packaging.form import make_form
from kit.platforms.predictions import write_predictions
from kit.rehearsal.rehearse_predictions import HiddenImages, hidden_images, rehearse_predictions
from kit.rehearsal.result import Rehearsal, report_path

IDS = np.array([f"p{number}" for number in range(30)])
LABELS = np.arange(30) % 3
NAMES = ("red", "green", "blue")
CSV = PlatformConfig(name="csv", artefact="predictions", predictions_file="submission.csv", packages={"numpy": ""})
RESULT = load_platform("codabench-result").model_copy(update={"packages": {"numpy": ""}})


def look(path: Path, platform: PlatformConfig, level: str = "check", labels: np.ndarray | None = None) -> Rehearsal:
    images = HiddenImages(IDS, labels, make_form(platform, NAMES))
    return rehearse_predictions(path, platform, images, level=level)


def failures(found: Rehearsal) -> list[str]:
    return [check.name for check in found.checks if not check.passed]


@pytest.mark.parametrize("platform", [CSV, RESULT])
def test_what_the_kit_writes_passes_and_is_scored_in_a_process_of_its_own(
    platform: PlatformConfig, tmp_path: Path
) -> None:
    path = tmp_path / "predictions"
    order = np.random.default_rng(0).permutation(30) if platform is CSV else np.arange(30)
    write_predictions(IDS[order], LABELS[order], NAMES, platform, path)
    truth = np.where(np.arange(30) < 6, (LABELS + 1) % 3, LABELS)
    found = look(path, platform, "run", truth)
    assert failures(found) == []
    assert found.hidden == pytest.approx(0.8)
    assert json.loads(report_path(path).read_text())["hidden"] == pytest.approx(0.8)
    assert look(path, platform, "run").hidden is None


def array_zip(path: Path, array: np.ndarray, name: str = "predictions.npy", pickled: bool = False) -> Path:
    import io

    buffer = io.BytesIO()
    np.save(buffer, array.astype(object) if pickled else array, allow_pickle=pickled)
    write_zip(path, {name: buffer.getvalue()})
    return path


@pytest.mark.parametrize(
    ("array", "more", "check", "words"),
    [
        (LABELS, {"name": "results/predictions.npy"}, "zip", "at the root"),
        (LABELS, {"name": "prediction.npy"}, "zip", "prediction.npy"),
        (LABELS, {"pickled": True}, "array", "allow_pickle=False"),
        (LABELS.astype(float), {}, "dtype", "integers"),
        (np.eye(3, dtype=int)[LABELS], {}, "shape", "one label an image"),
        (LABELS[:-1], {}, "shape", "(30,)"),
        (LABELS + 1, {}, "labels", "0 to 2"),
        (LABELS * 0, {}, "several classes", "one class"),
    ],
)
def test_results_that_would_be_refused(array: np.ndarray, more: dict, check: str, words: str, tmp_path: Path) -> None:
    found = look(array_zip(tmp_path / "r.zip", array, **more), RESULT)
    assert failures(found) == [check]
    assert words in next(c.wrong + c.figure for c in found.checks if not c.passed)


ROWS = "".join(f"p{number},{number % 3}\n" for number in range(30))


@pytest.mark.parametrize(
    ("text", "check", "words"),
    [
        (",id,label\n" + "".join(f"{n},p{n},0\n" for n in range(30)), "columns", "index=False"),
        ("id,class\n" + ROWS, "columns", "id, label"),
        ("id,label\n" + ROWS + "p3,0\n", "ids", "'p3' is there twice"),
        ("id,label\n" + ROWS.partition("\n")[2], "ids", "'p0'"),
        ("id,label\n" + ROWS.replace("p7,", "p7.png,"), "ids", "1 ids are missing and 1 unknown"),
        ("id,label\n" + ROWS.replace("p7,1", "p7,1.0"), "label form", "whole numbers"),
        ("id,label\n" + ROWS.replace("p7,1", "p7,"), "label form", "whole numbers"),
        ("id,label\n" + ROWS.replace("p7,1", "p7,green"), "label form", "green"),
        ("", "csv", "kit predict"),
    ],
)
def test_tables_that_would_be_refused(text: str, check: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "submission.csv").write_text(text)
    found = look(tmp_path / "submission.csv", CSV)
    assert failures(found) == [check]
    assert words in next(c.wrong + c.figure for c in found.checks if not c.passed)


def test_too_big_a_file_and_no_zip(tmp_path: Path) -> None:
    (tmp_path / "r.zip").write_bytes(b"x" * 2000)
    assert failures(look(tmp_path / "r.zip", RESULT.model_copy(update={"max_mb": 0.001}))) == ["size", "zip"]


def test_which_images_a_file_is_about(tmp_path: Path) -> None:
    contest = toy_contest()
    with pytest.raises(RehearsalError, match="--sample"):
        hidden_images(None, CSV, contest)
    (tmp_path / "sample.csv").write_text("id,label\n007,0\n8,0\n")
    assert list(hidden_images(tmp_path / "sample.csv", CSV, contest).ids) == ["007", "8"]
    (tmp_path / "other.csv").write_text("image,label\nNA,0\nnull,0\n")
    assert list(hidden_images(tmp_path / "other.csv", CSV, contest).ids) == ["NA", "null"]
    np.savez(tmp_path / "hidden.npz", labels=np.arange(3)[:, None])
    found = hidden_images(tmp_path / "hidden.npz", toy_platform(), contest)
    assert found.labels is not None
    assert (list(found.ids), list(found.labels)) == (["0", "1", "2"], [0, 1, 2])
    np.savez(tmp_path / "none.npz", x=np.arange(3))
    with pytest.raises(RehearsalError, match="must hold ids"):
        hidden_images(tmp_path / "none.npz", CSV, contest)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(RehearsalError, match=r"gone.csv: there is no such file. Write it: kit predict"):
        look(tmp_path / "gone.csv", CSV)


# ------------------------------------------------------------------------------------------------ probabilities
def proba() -> np.ndarray:
    right = 0.6 * np.eye(3)[LABELS] + 0.4 / 3
    return right.astype(np.float32)


@pytest.mark.parametrize("platform", [CSV, RESULT])
def test_probabilities_pass_and_are_scored_by_the_metric(platform: PlatformConfig, tmp_path: Path) -> None:
    path = tmp_path / "predictions"
    write_predictions(IDS, proba(), NAMES, platform, path, metric="log_loss")
    images = HiddenImages(IDS, LABELS, make_form(platform, NAMES, "log_loss"))
    found = rehearse_predictions(path, platform, images, metric="log_loss", level="run")
    assert failures(found) == []
    assert found.hidden == pytest.approx(-np.log(0.6 + 0.4 / 3), rel=1e-5)


@pytest.mark.parametrize(
    ("change", "check", "words"),
    [
        (lambda table: table.assign(red=table["red"] * 1.2), "sums", "sum to 1"),
        (lambda table: table.assign(red=table["red"] - 1), "range", "not logits"),
        (lambda table: table.assign(red=""), "numbers", "is no number"),
        (lambda table: table.rename(columns={"red": "rot"}), "columns", "exactly"),
        (lambda table: table[["id", "green", "red", "blue"]], "columns", "exactly"),
        (lambda table: table.assign(red=0.4, green=0.3, blue=0.3), "predictions differ", "alike"),
    ],
)
def test_probabilities_that_would_be_refused(change, check: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "submission.csv"
    write_predictions(IDS, proba(), NAMES, CSV, path, metric="log_loss")
    change(pd.read_csv(path)).to_csv(path, index=False)
    images = HiddenImages(IDS, LABELS, make_form(CSV, NAMES, "log_loss"))
    found = rehearse_predictions(path, CSV, images, metric="log_loss", level="check")
    assert failures(found) == [check]
    assert words in next(c.wrong + c.figure for c in found.checks if not c.passed)
