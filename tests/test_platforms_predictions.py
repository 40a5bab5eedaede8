"""Predictions as files: the form that each platform wants, and what it would refuse."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pytest

from kit.config import PlatformConfig, load_platform
from kit.errors import PackagingError
from kit.inference.columns import spelled
from kit.packaging.form import label_values, make_form, read_predictions, read_sample
from kit.packaging.rows import match_rows
from kit.platforms.predictions import write_predictions
from kit.rehearsal.prediction_checks import check_predictions

IDS = np.array(["b", "a", "c"])
LABELS = np.array([0, 2, 1])
NAMES = ("red", "green", "blue")
CSV = PlatformConfig(name="csv", artefact="predictions", predictions_file="submission.csv")


def test_a_csv_has_exactly_the_samples_columns_ids_and_order(tmp_path: Path) -> None:
    sample = pd.DataFrame({"id": ["a", "b", "c"], "label": "0"})
    write_predictions(IDS, LABELS, NAMES, CSV, tmp_path / "s.csv", sample)
    assert (tmp_path / "s.csv").read_text() == "id,label\na,2\nb,0\nc,1\n"


def test_ids_may_be_file_names_without_their_endings(tmp_path: Path) -> None:
    files = np.array(["00002.png", "00001.png", "00003.jpg"])
    sample = pd.DataFrame({"id": ["00001", "00002", "00003"], "label": "0"})
    assert match_rows(files, sample["id"].to_numpy(str)).spelled.tolist() == ["00002", "00001", "00003"]
    write_predictions(files, LABELS, NAMES, CSV, tmp_path / "s.csv", sample)
    assert (tmp_path / "s.csv").read_text() == "id,label\n00001,2\n00002,0\n00003,1\n"
    whole = np.array(["00001.png", "00002.png", "00003.jpg"])
    assert match_rows(files, whole).spelled.tolist() == files.tolist()
    assert match_rows(np.array(["test/a/00001.png"]), whole[:1]).whole


def test_the_samples_columns_win_over_the_profiles(tmp_path: Path) -> None:
    sample = pd.DataFrame({"target": ["red", "red", "red"], "id": ["a", "b", "c"]})
    write_predictions(IDS, LABELS, NAMES, CSV, tmp_path / "s.csv", sample)
    assert (tmp_path / "s.csv").read_text() == "target,id\nblue,a\nred,b\ngreen,c\n"
    other = pd.DataFrame({"image_id": ["a", "b", "c"], "diagnosis": "0"})
    write_predictions(IDS, LABELS, NAMES, CSV, tmp_path / "s.csv", other)
    assert (tmp_path / "s.csv").read_text() == "image_id,diagnosis\na,2\nb,0\nc,1\n"


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
        (pd.DataFrame({"id": ["a", "b", "c"]}), "a column of ids and one more, but has id"),
        (pd.DataFrame({"id": ["a", "b", "c"], "red": 0, "blue": 0}), "no column for green"),
        (pd.DataFrame({"id": ["a", "b", "c", "d"], "label": "0"}), r"1 of 4 rows of the sample have no image \('d'\)"),
        (pd.DataFrame({"id": ["a", "b"], "label": "0"}), r"1 of 3 images have no row in the sample \('c'\)"),
        (pd.DataFrame({"id": ["a", "b", "x"], "label": "0"}), r"no image \('x'\); 1 of 3 images have no row"),
    ],
)
def test_what_kaggle_would_refuse_is_refused_here(sample: pd.DataFrame, message: str, tmp_path: Path) -> None:
    with pytest.raises(PackagingError, match=message):
        write_predictions(IDS, LABELS, NAMES, CSV, tmp_path / "s.csv", sample)


def test_ids_that_are_there_twice_are_refused(tmp_path: Path) -> None:
    sample = pd.DataFrame({"id": ["a", "b"], "label": "0"})
    with pytest.raises(PackagingError, match="'a' is there twice"):
        write_predictions(np.array(["a", "a", "b"]), LABELS, NAMES, CSV, tmp_path / "s.csv", sample)


@pytest.mark.parametrize("labels", [np.array([0, 1]), np.array([0.0, 1.0, 2.0]), np.array([0, 1, 3])])
def test_unfit_labels_are_refused(labels: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(PackagingError, match="labels must be"):
        write_predictions(IDS, labels, NAMES, CSV, tmp_path / "s.csv")


# ------------------------------------------------------------------------------------------------ probabilities
PROBA = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8], [0.25, 0.5, 0.25]], dtype=np.float32)


def write(tmp_path: Path, sample: pd.DataFrame | None, predicted: np.ndarray = PROBA, **more: object) -> pd.DataFrame:
    names = more.pop("names", NAMES)
    write_predictions(IDS, predicted, names, CSV, tmp_path / "s.csv", sample, **more)  # type: ignore[arg-type]
    return pd.read_csv(tmp_path / "s.csv", dtype={"id": str}, keep_default_na=False)


def test_probabilities_stand_in_the_samples_columns_order_and_spelling(tmp_path: Path) -> None:
    sample = pd.DataFrame({"Blue": "0.3", "id": ["a", "b", "c"], "GREEN ": "0.3", "re-d": "0.3"})
    found = write(tmp_path, sample, metric="log_loss")
    assert list(found.columns) == ["Blue", "id", "GREEN ", "re-d"]
    assert found["id"].tolist() == ["a", "b", "c"]
    assert np.allclose(found[["re-d", "GREEN ", "Blue"]].to_numpy(), PROBA[[1, 0, 2]])


@pytest.mark.parametrize("columns", [["2", "0", "1"], ["class_3", "class_1", "class_2"], ["c2", "c0", "c1"]])
def test_columns_may_be_numbers(columns: list[str], tmp_path: Path) -> None:
    found = write(tmp_path, pd.DataFrame({"id": ["b"], **dict.fromkeys(columns, "0")}), metric="roc_auc",
                  unmatched="sample")  # fmt: skip
    assert np.allclose(found[columns].to_numpy()[0], PROBA[0][[2, 0, 1]])


def test_two_classes_and_one_column_are_the_probability_of_the_second(tmp_path: Path) -> None:
    two = np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]], dtype=np.float32)
    sample = pd.DataFrame({"id": ["a", "b", "c"], "p": "0.5"})
    found = write(tmp_path, sample, two, names=("no", "yes"), metric="roc_auc")
    assert np.allclose(found["p"], [0.8, 0.1, 0.5])


def test_the_metric_says_what_is_submitted_and_the_profile_may_say_otherwise(tmp_path: Path) -> None:
    columns = pd.DataFrame({"id": ["a", "b", "c"], "red": "0", "green": "0", "blue": "0"})
    assert make_form(CSV, NAMES, "log_loss", columns).holds == "probabilities"
    assert make_form(CSV, NAMES, "macro_f1", columns).holds == "one_hot"
    assert make_form(CSV, NAMES, "quadratic_kappa", columns[["id", "red"]]).holds == "label"
    labels = CSV.model_copy(update={"submits": "labels"})
    assert make_form(labels, NAMES, "roc_auc", columns[["id", "red"]]).holds == "label"
    with pytest.raises(PackagingError, match="takes the probabilities of 3 classes"):
        make_form(CSV, NAMES, "log_loss", columns[["id", "red"]])
    found = write(tmp_path, columns, LABELS, metric="macro_f1")
    assert found[["red", "green", "blue"]].to_numpy().tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0]]


def test_map_at_k_lists_the_likeliest_labels(tmp_path: Path) -> None:
    sample = pd.DataFrame({"id": ["a", "b", "c"], "Id": "red green"})
    assert write(tmp_path, sample, metric="map@2")["Id"].tolist() == ["blue red", "red green", "green red"]


def test_a_stale_sample_is_told_exactly_and_the_user_chooses(tmp_path: Path) -> None:
    sample = pd.DataFrame({"id": ["d", "a", "b"], "red": "0", "green": "0", "blue": "0"})
    with pytest.raises(PackagingError, match=r"no image \('d'\).*no row in the sample \('c'\).*--unmatched sample"):
        write(tmp_path, sample, metric="log_loss")
    kept = write(tmp_path, sample, metric="log_loss", unmatched="sample", prior=np.array([0.5, 0.25, 0.25]))
    assert kept["id"].tolist() == ["d", "a", "b"]
    assert kept.loc[0, ["red", "green", "blue"]].tolist() == [0.5, 0.25, 0.25]
    ours = write(tmp_path, sample, metric="log_loss", unmatched="images")
    assert ours["id"].tolist() == ["a", "b", "c"]


def test_ids_stay_text_whatever_they_look_like(tmp_path: Path) -> None:
    ids = np.array(["NA", "00012", "null"])
    (tmp_path / "sample.csv").write_text("id,label\n00012,0\nnull,0\nNA,0\n")
    write_predictions(ids, LABELS, NAMES, CSV, tmp_path / "s.csv", read_sample(tmp_path / "sample.csv"))
    assert (tmp_path / "s.csv").read_text() == "id,label\n00012,2\nnull,1\nNA,0\n"


@pytest.mark.parametrize("broken", [PROBA * 2, PROBA[:2], np.full((3, 3), np.nan), LABELS])
def test_unfit_probabilities_are_refused(broken: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(PackagingError, match="probabilities must be"):
        write_predictions(IDS, broken, NAMES, CSV, tmp_path / "s.csv", metric="log_loss")


@pytest.mark.parametrize("first", [0, 1])
def test_images_without_names_are_the_samples_numbers_from_0_or_1(first: int) -> None:
    """By name, image 1 of a table without ids was row 1 of a sample that counts from 1: each prediction one row off."""
    order = np.array([2, 0, 3, 1])
    rows = match_rows(np.arange(4).astype(str), (order + first).astype(str), numbered=True)
    assert rows.whole
    assert rows.place.tolist() == order.tolist()
    assert rows.spelled.tolist() == [str(number + first) for number in range(4)]


def test_images_without_names_are_the_samples_rows_in_order_where_its_ids_are_no_numbers() -> None:
    rows = match_rows(np.array(["00", "01", "02"]), np.array(["b", "a", "7"]), numbered=True)
    assert rows.place.tolist() == [0, 1, 2]
    assert rows.taken("refuse")[0].tolist() == ["b", "a", "7"]


@pytest.mark.parametrize("ids", [["1", "2"], ["0", "1", "2", "3"]])
def test_images_without_names_need_a_row_each(ids: list[str]) -> None:
    with pytest.raises(PackagingError, match="no names, so the sample must have a row for each, but there are 3"):
        match_rows(np.arange(3).astype(str), np.array(ids), numbered=True)


@pytest.mark.parametrize(
    ("values", "classes", "expected"),
    [
        (["0"], ("1", "2", "3"), ["1", "2", "3"]),  # a filler, and training labels from 1
        (["0", "1", "2"], ("10", "20", "30"), ["0", "1", "2"]),
        (["2"], ("1", "2", "3"), ["1", "2", "3"]),
        (["1"], ("001", "002"), ["1", "2"]),
        ([], ("4", "5"), ["4", "5"]),
        ([], ("cat", "dog"), ["0", "1"]),
        (["0"], ("cat", "dog"), ["0", "1"]),
        (["1", "2"], ("cat", "dog"), ["1", "2"]),
        (["1"], ("cat", "dog"), ["0", "1"]),
        (["dog"], ("cat", "dog"), ["cat", "dog"]),
        (["Shih Tzu"], ("shih-tzu", "boston_bull"), ["Shih Tzu", "boston_bull"]),
        (["?"], ("cat", "dog"), ["cat", "dog"]),
        (["0.0"], ("0", "1"), ["0", "1"]),
        (["2 1"], ("1", "2"), ["1", "2"]),
    ],
)
def test_labels_are_spelled_as_the_training_labels_or_the_samples(
    values: list[str], classes: tuple[str, ...], expected: list[str]
) -> None:
    assert spelled(values, classes) == expected


def test_a_column_of_a_class_without_a_training_image_stays_0(tmp_path: Path) -> None:
    sample = pd.DataFrame({"id": ["a", "b"], "UNK": "0.25", "dog": "0.25", "cat": "0.25", "extra 1": "0.25"})
    proba = np.array([[0.9, 0.1], [0.2, 0.8]])
    ids = np.array(["a", "b"])
    write_predictions(ids, proba, ("cat", "dog"), CSV, tmp_path / "out.csv", sample, metric="log_loss")
    table = pd.read_csv(tmp_path / "out.csv", dtype={"id": str})
    assert table.columns.tolist() == sample.columns.tolist()
    np.testing.assert_allclose(table[["cat", "dog"]].to_numpy(), proba)
    assert (table[["UNK", "extra 1"]] == 0).all(axis=None)
    form = make_form(CSV, ("cat", "dog"), "log_loss", sample)
    again, wrong = read_predictions(form, pd.read_csv(tmp_path / "out.csv", dtype=str))
    assert not wrong
    np.testing.assert_allclose(again, proba)


def test_ids_may_have_lost_their_zeros() -> None:
    rows = match_rows(np.array(["test/0001.png", "test/0012.png"]), np.array(["12", "1"]))
    assert rows.whole
    assert rows.place.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("classes", "form", "values"),
    [
        (("1", "2", "5"), "auto", (1, 2, 5)),
        (("1", "2", "5"), "index", None),
        (("01", "02"), "name", (1, 2)),
        (("0", "1", "2"), "auto", None),
        (("1", "2", "cat"), "auto", None),
    ],
)
def test_labels_submitted_as_an_array_are_those_of_the_training_data(
    classes: tuple[str, ...], form: Literal["auto", "index", "name"], values: tuple[int, ...] | None, tmp_path: Path
) -> None:
    platform = load_platform("codabench-result").model_copy(update={"label_form": form})
    assert label_values(platform, classes) == values
    labels = np.array([1, 0, len(classes) - 1])
    write_predictions(IDS, labels, classes, platform, tmp_path / "out.zip")
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        written = np.load(archive.open("predictions.npy"))
    assert written.tolist() == [values[label] if values else label for label in labels]
    asked = make_form(platform, classes)
    checks, found = check_predictions(tmp_path / "out.zip", platform, asked, IDS)
    assert all(check.passed for check in checks)
    assert found is not None
    assert found.tolist() == labels.tolist()
