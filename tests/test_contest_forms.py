"""Three contests as Kaggle has them, of real images that a package ships: from a folder to a rehearsed file."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.metrics import cohen_kappa_score, log_loss, roc_auc_score

from kit.cli import group
from kit.errors import ConfigError, PackagingError
from kit.pipeline import prediction_file
from kit.platforms import ledger
from kit.workspace import PROJECT, Workspace

CONTEST = """
name = "form"
classes = {classes}
image_size = 16
metric = "{metric}"
expects = "clean"
platform = "plain"
[data]
{data}
[clean]
near_duplicates = false
outliers = false
[folds]
n_splits = 2
[shift]
battery = "clean"
[recipes]
cpu = ["small"]
"""
RECIPE = """
size = 16
views = ["identity"]
[net]
name = "kit/residual"
args = { width = 8, depth = [1, 1] }
[augment]
preset = "none"
[train]
epochs = 20
batch_size = 16
lr = 0.01
label_smoothing = 0.0
"""
PLATFORM = """
python = "3.9"
max_seconds = 300
rehearsal_rows = 60
[packages]
torch = ""
timm = ""
numpy = ""
"""
FILE = """
artefact = "predictions"
predictions_file = "submission.csv"
[packages]
numpy = ""
"""
ROWS, TEST = 40, 12
"""Images a class to train on, and of the hidden test."""


@dataclass
class Form:
    """One contest: digits under the names that its organisers have for them."""

    folder: Path
    names: dict[int, str]
    metric: str

    def __post_init__(self) -> None:
        digits, rng = load_digits(), np.random.default_rng(0)
        self.images, self.target = digits.images, digits.target
        chosen = [rng.permutation(np.flatnonzero(self.target == digit))[: ROWS + TEST] for digit in self.names]
        self.train = rng.permutation(np.concatenate([rows[:ROWS] for rows in chosen]))
        self.test = rng.permutation(np.concatenate([rows[ROWS:] for rows in chosen]))

    def save(self, row: int, path: Path) -> None:
        """A digit, enlarged, as a file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray((self.images[row] * 15.9).astype(np.uint8)).resize((16, 16), Image.Resampling.BICUBIC)
        image.convert("RGB").save(path)

    def write(self, classes: list[str], data: str) -> None:
        """The contestant's files."""
        text = CONTEST.format(classes=json.dumps(classes), metric=self.metric, data=data)
        files = {"contests/form": text, "recipes/small": RECIPE, "platforms/plain": PLATFORM, "platforms/csv": FILE}
        for name, content in files.items():
            path = self.folder / "configs" / f"{name}.toml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)

    def submit(self, classes: list[str], data: str) -> pd.DataFrame:
        """Every stage by its command; the submission file, whose rehearsal passed."""
        self.write(classes, data)
        contest = ("--contest", "form")
        file = (*contest, "--platform", "csv", "--sample", "sample_submission.csv")
        run("train", "small", *contest)
        run("blend", "all", *contest)
        run("package", "all", *contest, "--out", "form.zip")
        run("predict", "form.zip", "test", *file, "--out", "submission.csv")
        run("rehearse", "submission.csv", *file, "--level", "check")
        return pd.read_csv("submission.csv", dtype=str, keep_default_na=False)


def run(*arguments: str) -> None:
    found = CliRunner().invoke(group, list(arguments), standalone_mode=False)
    assert found.exit_code == 0, f"{arguments}: {found.output} {found.exception!r}"


def script() -> ModuleType:
    """make_submission.py."""
    found = importlib.util.spec_from_file_location("make_submission", PROJECT / "make_submission.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def submission(*arguments: str) -> int:
    """`python make_submission.py` in this process; its exit code."""
    result = CliRunner().invoke(script().main, list(arguments), standalone_mode=False)
    assert isinstance(result.exception, SystemExit | None), result.exception
    return result.exit_code


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_table_of_ids_and_a_column_of_probabilities_a_class_by_log_loss(folder: Path) -> None:
    form = Form(folder, {0: "boston_bull", 1: "dingo", 4: "african_hunting_dog"}, "log_loss")
    ids = {row: f"{row:05d}" for row in (*form.train, *form.test)}
    for part, rows in (("train", form.train), ("test", form.test)):
        for row in rows:
            form.save(row, folder / part / f"{ids[row]}.jpg")
    breeds = [form.names[form.target[row]] for row in form.train]
    pd.DataFrame({"id": [ids[row] for row in form.train], "breed": breeds}).to_csv("labels.csv", index=False)
    columns = ["African Hunting Dog", "Boston Bull", "dingo"]
    sample = pd.DataFrame({"id": sorted(ids[row] for row in form.test), **dict.fromkeys(columns, 1 / 3)})
    sample.to_csv("sample_submission.csv", index=False)
    data = 'kind = "csv"\npath = "labels.csv"\nimages = "train"\nid_column = "id"\nlabels = "breed"'
    made = form.submit(["boston_bull", "dingo", "african_hunting_dog"], data)
    assert list(made.columns) == ["id", *columns]
    assert made["id"].tolist() == sample["id"].tolist()
    truth = [{0: 1, 1: 2, 4: 0}[form.target[int(name)]] for name in made["id"]]
    assert log_loss(truth, made[columns].astype(float), labels=[0, 1, 2]) < 0.6 * np.log(3)


def test_grades_by_number_by_kappa(folder: Path) -> None:
    form = Form(folder, {grade: str(grade) for grade in range(4)}, "quadratic_kappa")
    ids = {row: f"{row:04x}" for row in (*form.train, *form.test)}
    for part, rows in (("train_images", form.train), ("test", form.test)):
        for row in rows:
            form.save(row, folder / part / f"{ids[row]}.png")
    table = pd.DataFrame({"id_code": [ids[row] for row in form.train], "diagnosis": form.target[form.train]})
    table.to_csv("train.csv", index=False)
    sample = pd.DataFrame({"id_code": [ids[row] for row in form.test], "diagnosis": 0})
    sample.to_csv("sample_submission.csv", index=False)
    data = 'kind = "csv"\npath = "train.csv"\nimages = "train_images"\nid_column = "id_code"\nlabels = "diagnosis"'
    made = form.submit(["0", "1", "2", "3"], data)
    assert made["id_code"].tolist() == [ids[row] for row in form.test]
    truth = form.target[form.test]
    assert cohen_kappa_score(truth, made["diagnosis"].astype(int), weights="quadratic") > 0.6


def test_labels_in_file_names_and_one_probability_by_auc(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is predicted once, and again where an image is another one."""
    form = Form(folder, {3: "cat", 8: "dog"}, "roc_auc")
    for number, row in enumerate(form.train):
        form.save(row, folder / "train" / f"{form.names[form.target[row]]}.{number}.jpg")
    for number, row in enumerate(form.test):
        form.save(row, folder / "test" / f"{number + 1}.jpg")
    sample = pd.DataFrame({"id": np.arange(len(form.test)) + 1, "label": 0.5})
    sample.to_csv("sample_submission.csv", index=False)
    pattern = "label_pattern = '^(cat|dog)\\.'"
    data = f'kind = "folder"\npath = "train"\n{pattern}\ntest = "test"\nsample = "sample_submission.csv"'
    form.write(["cat", "dog"], data)
    contest = form.folder / "configs" / "contests" / "form.toml"
    contest.write_text(contest.read_text().replace('"plain"', '"csv"'))
    assert submission("--contest", "form", "--ensemble", "best1", "--out", "made/submission.csv") == 0
    made = pd.read_csv("made/submission.csv", dtype=str, keep_default_na=False)
    table = ledger.read(Workspace(folder))
    assert table["zip"].tolist() == ["form-best1-local.zip", "submission.csv"]
    assert table["expected"].nunique() == 1
    assert made["id"].tolist() == [str(number + 1) for number in range(len(form.test))]
    assert roc_auc_score(form.target[form.test] == 8, made["label"].astype(float)) > 0.8

    monkeypatch.setattr(prediction_file, "predict_file", lambda *_: pytest.fail("predicted again"))
    again = ("--contest", "form", "--ensemble", "best1", "--out", "made/submission.csv")
    assert submission(*again) == 0
    form.save(form.test[1], folder / "test" / "1.jpg")
    with pytest.raises(pytest.fail.Exception, match="predicted again"):
        submission(*again)
    pd.testing.assert_frame_equal(ledger.read(Workspace(folder))[["zip", "sha256"]][:2], table[["zip", "sha256"]])


def test_what_a_file_of_predictions_lacks_is_said_before_anything_is_trained(folder: Path) -> None:
    """An hour of training used to end in "takes predictions, not code"."""
    form = Form(folder, {3: "cat", 8: "dog"}, "roc_auc")
    for row in form.train[:20]:
        form.save(row, folder / "train" / f"{form.names[form.target[row]]}" / f"{row}.png")
    form.write(["cat", "dog"], 'kind = "folder"\npath = "train"')
    arguments = ("--contest", "form", "--platform", "csv")

    def refusal() -> Exception | None:
        return CliRunner().invoke(script().main, list(arguments), standalone_mode=False).exception

    assert isinstance(found := refusal(), ConfigError)
    assert "names no test images" in str(found)
    arguments = ("--contest", "form", "--platform", "kaggle-notebook")
    assert isinstance(found := refusal(), ConfigError)
    assert "kit package best5 --contest form --platform kaggle-notebook --dataset" in str(found)
    arguments = ("--contest", "form", "--platform", "csv")
    data = 'kind = "folder"\npath = "train"\ntest = "test"\nsample = "sample.csv"'
    form.write(["cat", "dog"], data)
    assert isinstance(found := refusal(), ConfigError)
    assert "test: no such file or folder" in str(found)
    for row in form.test:
        form.save(row, folder / "test" / f"{row}.png")
    pd.DataFrame({"id": form.test, "cat": 0.1, "emu": 0.9}).to_csv("sample.csv", index=False)
    assert isinstance(found := refusal(), PackagingError)
    assert "no class for emu" in str(found)
    pd.DataFrame({"id": [*form.test[1:], 99999], "label": 0.5}).to_csv("sample.csv", index=False)
    assert isinstance(found := refusal(), PackagingError)
    assert "1 of 24 rows of the sample have no image ('99999'); 1 of 24 images have no row" in str(found)
    assert "--unmatched sample" in str(found)
    assert not list((folder / "oof").rglob("fold*.json"))
