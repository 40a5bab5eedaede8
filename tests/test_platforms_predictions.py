"""Predictions as files: the form that each platform wants, and what it would refuse."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kit.config import PlatformConfig, load_platform
from kit.errors import PackagingError
from kit.platforms.predictions import as_in_sample, write_predictions

IDS = np.array(["b", "a", "c"])
LABELS = np.array([0, 2, 1])
NAMES = ("red", "green", "blue")
CSV = PlatformConfig(name="csv", artefact="predictions", predictions_file="submission.csv")


def test_a_csv_has_exactly_the_samples_columns_ids_and_order(tmp_path: Path) -> None:
    sample = pd.DataFrame({"id": ["a", "b", "c"], "label": 0})
    write_predictions(IDS, LABELS, NAMES, CSV, tmp_path / "s.csv", sample)
    assert (tmp_path / "s.csv").read_text() == "id,label\na,2\nb,0\nc,1\n"


def test_ids_may_be_file_names_without_their_endings(tmp_path: Path) -> None:
    files = np.array(["00002.png", "00001.png", "00003.jpg"])
    sample = pd.DataFrame({"id": ["00001", "00002", "00003"], "label": 0})
    assert as_in_sample(files, sample, CSV).tolist() == ["00002", "00001", "00003"]
    write_predictions(files, LABELS, NAMES, CSV, tmp_path / "s.csv", sample)
    assert (tmp_path / "s.csv").read_text() == "id,label\n00001,2\n00002,0\n00003,1\n"
    whole = sample.assign(id=["00001.png", "00002.png", "00003.jpg"])
    assert as_in_sample(files, whole, CSV).tolist() == files.tolist()


def test_a_sample_of_other_columns_is_told(tmp_path: Path) -> None:
    with pytest.raises(PackagingError, match="no column 'id', but file, label"):
        as_in_sample(IDS, pd.DataFrame({"file": ["a"], "label": 0}), CSV)


def test_labels_may_be_names(tmp_path: Path) -> None:
    platform = CSV.model_copy(update={"label_form": "name", "id_column": "file", "label_column": "class"})
    write_predictions(IDS, LABELS, NAMES, platform, tmp_path / "s.csv")
    assert (tmp_path / "s.csv").read_text() == "file,class\nb,red\na,blue\nc,green\n"


def test_a_result_zip_holds_the_labels_in_order(tmp_path: Path) -> None:
    write_predictions(IDS, LABELS, NAMES, load_platform("codabench-result"), tmp_path / "s.zip")
    with zipfile.ZipFile(tmp_path / "s.zip") as archive, archive.open("predictions.npy") as file:
        np.testing.assert_array_equal(np.load(file), LABELS)


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        (pd.DataFrame({"id": ["a", "b", "c"], "target": 0}), "columns must be id, target, but are id, label"),
        (pd.DataFrame({"id": ["a", "b", "c", "d"], "label": 0}), r"1 of 4 ids are missing \(such as 'd'\)"),
        (pd.DataFrame({"id": ["a", "b"], "label": 0}), r"1 ids are unknown \(such as 'c'\)"),
    ],
)
def test_what_kaggle_would_refuse_is_refused_here(sample: pd.DataFrame, message: str, tmp_path: Path) -> None:
    with pytest.raises(PackagingError, match=message):
        write_predictions(IDS, LABELS, NAMES, CSV, tmp_path / "s.csv", sample)


def test_ids_that_are_there_twice_are_refused(tmp_path: Path) -> None:
    sample = pd.DataFrame({"id": ["a", "b"], "label": 0})
    with pytest.raises(PackagingError, match="'a' is there twice"):
        write_predictions(np.array(["a", "a", "b"]), LABELS, NAMES, CSV, tmp_path / "s.csv", sample)


@pytest.mark.parametrize("labels", [np.array([0, 1]), np.array([0.0, 1.0, 2.0]), np.array([0, 1, 3])])
def test_unfit_labels_are_refused(labels: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(PackagingError, match="labels must be"):
        write_predictions(IDS, labels, NAMES, CSV, tmp_path / "s.csv")
