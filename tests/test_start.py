from __future__ import annotations

import io
import json
import shutil
import tomllib
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from kit.cli import group
from kit.config import FoldsConfig, load_contest, load_platform
from kit.data.fold_kinds import from_column
from kit.data.forms.recognise import recognise
from kit.data.sources.load import load, load_test
from kit.errors import ConfigError, DataError
from kit.start.init import Started, start
from kit.start.survey import survey
from kit.workspace import Workspace

SIDE, ROWS = 20, 45
CLASSES = ("blue cell", "gr\"een", "réd")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def images(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (ROWS, SIDE, SIDE, 3)).astype(np.uint8)


LABELS = np.arange(ROWS) % 3


def write_folder(folder: Path) -> None:
    for row, image in enumerate(images()):
        path = folder / CLASSES[LABELS[row]] / f"{row}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)


def folder() -> Path:
    write_folder(Path("cells"))
    return Path("cells")


def train_and_test() -> Path:
    write_folder(Path("both/train"))
    write_folder(Path("both/test"))
    return Path("both")


def zipped() -> Path:
    write_folder(Path("train"))
    with zipfile.ZipFile("cells.zip", "w") as made:
        for path in sorted(Path("train").rglob("*.png")):
            made.write(path)
    shutil.rmtree("train")
    return Path("cells.zip")


def npz() -> Path:
    np.savez("cells.npz", pixels=images(), kind=np.array(CLASSES)[LABELS], patient=np.arange(ROWS) // 3)
    return Path("cells.npz")


def counted_from_one() -> Path:
    np.savez("one.npz", images=images()[..., 0], labels=(LABELS + 1)[:, None], test_images=images(1)[..., 0])
    return Path("one.npz")


def one_hot_npz() -> Path:
    np.savez("hot.npz", x_train=images().transpose(0, 3, 1, 2), y_train=np.eye(3)[LABELS], x_test=images(1))
    return Path("hot.npz")


def npy() -> Path:
    np.save("X.npy", images())
    np.save("y.npy", LABELS)
    return Path("X.npy")


def medmnist() -> Path:
    parts = {"train": slice(0, 30), "val": slice(30, 40), "test": slice(40, None)}
    arrays = {f"{name}_images": images()[part] for name, part in parts.items()}
    arrays |= {f"{name}_labels": LABELS[part, None] for name, part in parts.items()}
    np.savez("someMNIST.npz", **arrays)  # type: ignore[arg-type]
    return Path("someMNIST.npz")


def table(name: str = "train.csv", **columns: object) -> Path:
    Path("images").mkdir(exist_ok=True)
    for row, image in enumerate(images()):
        Image.fromarray(image).save(f"images/img{row}.png")
    ids = [f"img{row}" for row in range(ROWS)]
    pd.DataFrame({"image_id": ids} | (columns or {"label": np.array(CLASSES)[LABELS]})).to_csv(name, index=False)
    return Path(name)


def one_hot_table() -> Path:
    return table(**{name: (label == LABELS).astype(int) for label, name in enumerate(CLASSES)})


def strange_table() -> Path:
    age = np.arange(ROWS) + 0.5
    return table("cells.csv", age=age, **{"Dx name": LABELS + 4, "patient_id": np.arange(ROWS) // 5})


def in_file_names() -> Path:
    Path("flat").mkdir()
    for row, image in enumerate(images()):
        Image.fromarray(image).save(f"flat/{CLASSES[LABELS[row]]}.{row}.png")
    return Path("flat")


def pixel_table() -> Path:
    pixels = pd.DataFrame(images()[..., 0].reshape(ROWS, -1)).add_prefix("pixel")
    pd.concat([pd.DataFrame({"label": LABELS}), pixels], axis=1).to_csv("train.csv", index=False)
    return Path("train.csv")


def parquet() -> Path:
    pytest.importorskip("pyarrow")
    files = []
    for image in images():
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "PNG")
        files.append({"bytes": buffer.getvalue(), "path": None})
    pd.DataFrame({"image": files, "label": LABELS}).to_parquet("train.parquet")
    return Path("train.parquet")


def hdf5() -> Path:
    h5py = pytest.importorskip("h5py")
    with h5py.File("train.h5", "w") as file:
        file["images"], file["labels"] = images(), LABELS
    return Path("train.h5")


def hdf5_groups() -> Path:
    h5py = pytest.importorskip("h5py")
    with h5py.File("grouped.h5", "w") as file:
        file["train/x"], file["train/y"], file["train/patient_id"] = images(), LABELS, np.arange(ROWS) // 3
        file["test/x"] = images(1)
    return Path("grouped.h5")


def parquet_of_pixels() -> Path:
    pytest.importorskip("pyarrow")
    made = pd.DataFrame({"pixels": [image.tolist() for image in images()], "kind": np.array(CLASSES)[LABELS]})
    made.assign(patient=np.arange(ROWS) // 3).to_parquet("cells.parquet")
    return Path("cells.parquet")


def parquet_beside() -> Path:
    pytest.importorskip("pyarrow")
    pd.read_csv(table(), dtype=str).to_parquet("train.parquet")
    Path("train.csv").unlink()
    return Path()


def pixels_as_text() -> Path:
    texts = [" ".join(map(str, image.ravel())) for image in images()[..., 0]]
    pd.DataFrame({"emotion": LABELS, "pixels": texts, "usage": "train"}).to_csv("faces.csv", index=False)
    return Path("faces.csv")


def several_folders() -> Path:
    table()
    for row in range(ROWS):
        place = Path(f"images_{row % 2}")
        place.mkdir(exist_ok=True)
        Path(f"images/img{row}.png").rename(place / f"img{row}.png")
    Path("images").rmdir()
    return Path("train.csv")


def train_and_val() -> Path:
    write_folder(Path("splits/train"))
    for row in range(0, ROWS, 4):
        name = f"{CLASSES[LABELS[row]]}/{row}.png"
        place = Path("splits/val") / name
        place.parent.mkdir(parents=True, exist_ok=True)
        (Path("splits/train") / name).rename(place)
    return Path("splits")


def zip_of_names() -> Path:
    flat = in_file_names()
    with zipfile.ZipFile("flat.zip", "w") as made:
        for path in sorted(flat.iterdir()):
            made.write(path)
    return Path("flat.zip")


def semicolons() -> Path:
    pd.read_csv(table(), dtype=str).to_csv("train.csv", sep=";", index=False)
    return Path("train.csv")


FORMS: dict[str, tuple[Callable[[], Path], str]] = {
    "folder": (folder, "folder"),
    "train and test": (train_and_test, "folder"),
    "zip": (zipped, "zip"),
    "npz": (npz, "npz"),
    "from one": (counted_from_one, "npz"),
    "one-hot npz": (one_hot_npz, "npz"),
    "npy": (npy, "npz"),
    "MedMNIST": (medmnist, "medmnist"),
    "csv": (table, "csv"),
    "one-hot csv": (one_hot_table, "csv"),
    "csv of other columns": (strange_table, "csv"),
    "labels in file names": (in_file_names, "folder"),
    "pixel table": (pixel_table, "csv"),
    "parquet": (parquet, "parquet"),
    "HDF5": (hdf5, "hdf5"),
    "HDF5 groups": (hdf5_groups, "hdf5"),
    "parquet of pixels": (parquet_of_pixels, "parquet"),
    "parquet beside images": (parquet_beside, "parquet"),
    "pixels as text": (pixels_as_text, "csv"),
    "several folders of images": (several_folders, "csv"),
    "train and val": (train_and_val, "folder"),
    "zip of labels in file names": (zip_of_names, "zip"),
    "semicolons": (semicolons, "csv"),
}


@pytest.mark.parametrize("name", FORMS)
def test_the_file_written_for_any_form_reads_every_row(name: str, here: Path) -> None:
    write, kind = FORMS[name]
    made = start("mine", write())
    config = load_contest("mine")
    assert config == made.contest
    assert config.data.kind == kind
    assert config.image_size == SIDE
    assert not config.recipes.cpu, "picked by the situation, as the file's comments say"
    assert "# cpu = [" in (here / "configs/contests/mine.toml").read_text()
    read = load(config, None, Workspace(here))
    expected = ROWS - 5 if kind == "medmnist" else ROWS
    assert len(read) == expected
    assert np.bincount(read.need_labels()).tolist() == np.bincount(LABELS[:expected]).tolist()
    if config.data.test:
        assert len(load_test(config, None, Workspace(here))) == ROWS
    assert bool(config.data.test) == (name in ("train and test", "from one", "one-hot npz", "HDF5 groups"))


@pytest.mark.parametrize("name", ["folder", "zip", "npz", "csv", "one-hot csv"])
def test_classes_are_those_of_the_data_whatever_their_letters(name: str) -> None:
    assert start("mine", FORMS[name][0]()).contest.classes == CLASSES


def test_the_practice_contest_is_a_form_too(here: Path) -> None:
    made = start("mine", Path("practice"))
    assert made.contest.data.kind == "practice"
    assert len(load(made.contest, None, Workspace(here))) == 2000


def test_patients_are_found_and_kept_together() -> None:
    for write in (npz, strange_table, hdf5_groups, parquet_of_pixels):
        made = start("mine", write(), force=True)
        assert made.contest.data.group_column.rpartition("/")[2] in ("patient", "patient_id")
        assert any("stays in one fold" in line for line in made.facts)


def test_the_organisers_validation_folder_may_be_held_out(here: Path) -> None:
    config = start("mine", train_and_val()).contest
    held = config.model_copy(update={"folds": FoldsConfig(kind="column", vault=0)})
    read = load(held, None, Workspace(here))
    assert read.splits is not None
    assert np.unique(read.splits, return_counts=True)[1].tolist() == [ROWS - 12, 12]
    folds = from_column(read.splits, held.folds)
    assert (folds == 0).tolist() == [one.startswith("val/") for one in read.ids]


def test_file_names_of_patients_are_a_doubt() -> None:
    for row, image in enumerate(images()):
        path = Path("cells") / str(LABELS[row]) / f"patient{row // 3}_{row % 3}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    assert any("'patient0'" in line for line in start("mine", Path("cells")).doubts)
    assert not any("begin alike" in line for line in start("other", folder_of_numbers()).doubts)


@pytest.mark.parametrize("name", ["StudyInstanceUID", "seq_id", "burst", "WSI", "PatientID", "clip name"])
def test_columns_that_are_called_as_groups_are(name: str) -> None:
    made = start("mine", table(label=np.array(CLASSES)[LABELS], **{name: np.arange(ROWS) // 5}))
    assert made.contest.data.group_column == name


def test_a_column_whose_values_lie_within_the_labels_may_be_groups() -> None:
    """Frames of a film, images of a plant: whatever such a column is called, nobody else knows that they are alike."""
    labels, row = np.array(CLASSES)[LABELS], np.arange(ROWS)
    unit = [f"unit {one % 3} {one // 12}" for one in row]
    made = start("mine", table(label=labels, unit=unit, age=row % 7, number=row))
    assert [line for line in made.doubts if "group_column" in line] == [
        "'unit' has 12 values for 45 images, and images of one value have one label. If they show one thing, such as "
        'frames of a film, set group_column = "unit" in [data]: else scores are too high.'
    ]
    assert not made.contest.data.group_column


def folder_of_numbers() -> Path:
    for row, image in enumerate(images()):
        path = Path("plain") / str(LABELS[row]) / f"img_{row}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return Path("plain")


def doubts(made: Started) -> str:
    return "\n".join(made.doubts)


def test_what_is_unsure_is_said_and_stands_in_the_file() -> None:
    rng = np.random.default_rng(0)
    same = rng.integers(0, 256, (40, 40)).astype(np.uint8)
    for row in range(60):
        label = "rare" if row < 5 else "common"
        path = Path("xrays") / label / f"{row}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.pad(same, ((0, 0), (0, row % 2 * 40)))).save(path)
    (Path("xrays") / "common" / "broken.png").write_bytes(b"no image")
    made = start("mine", Path("xrays"))
    for words in ("uneven", "near copy", "differ in size", "squash", "cannot be read", "is assumed"):
        assert words in doubts(made), words
    assert made.contest.data.on_error == "skip"
    text = made.files[0].read_text()
    comments = " ".join(line.strip("# ") for line in text.splitlines() if line.startswith("#"))
    for line in (*made.facts, *made.doubts):
        assert " ".join(line.split()) in " ".join(comments.split())
    assert any("grey" in line for line in made.facts)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([(200, 60)], 128),  # captchas: at 32 px, half the shorter side, nothing could be read
        ([(44, 50), (58, 58), (70, 66)], 96),  # letters: not 32
        ([(16, 16), (32, 32), (64, 64), (256, 256)], 128),  # icons: most keep what they show
        ([(20, 24)], 22),
        ([(1000, 100)], 224),  # spectrograms
        ([(320, 240)], 224),
        ([(320, 260)], 256),
        ([(600, 400), (400, 600)], 256),
        ([(60, 60)], 60),
        ([(3000, 2000), (4000, 3000)], 256),  # in memory, 20,000 of 512 px are 16 GB
    ],
)
def test_the_size_keeps_what_images_show(sizes: list[tuple[int, int]], expected: int) -> None:
    for row in range(24):
        path = Path("cells") / "ab"[row % 2] / f"{row}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", sizes[row % len(sizes)]).save(path)
    made = start("mine", Path("cells"))
    assert made.contest.image_size == expected
    assert ("differ in size" in doubts(made)) == (len(sizes) > 1)


def test_no_more_than_one_image_is_held_at_a_time() -> None:
    """400 photographs of a camera at once are 14 GB."""
    side = 1000
    for row in range(20):
        path = Path("cells") / "ab"[row % 2] / f"{row}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (side, side), (row, 0, 0)).save(path)
    found = recognise(Path("cells"))
    tracemalloc.start()
    try:
        survey(found)
        assert tracemalloc.get_traced_memory()[1] < 5 * 3 * side**2
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("classes", [2, 3])
def test_uneven_classes_are_a_doubt_about_the_metric(classes: int) -> None:
    sizes = (36, 9) if classes == 2 else (27, 9, 9)
    made = start("mine", table(label=np.repeat(CLASSES[:classes], sizes)))
    (line,) = [line for line in made.doubts if "uneven" in line]
    assert ('"roc_auc"' in line) == (classes == 2)
    assert 'or "balanced_accuracy".' in line


def test_images_drawn_in_their_transparency_are_not_all_alike() -> None:
    """Black letters: of their colours alone all are one black square."""
    rng = np.random.default_rng(0)
    for row in range(40):
        drawn = np.zeros((20, 20, 4), np.uint8)
        drawn[..., 3] = np.repeat(np.repeat(rng.integers(0, 2, (5, 5)), 4, 0), 4, 1) * 255
        path = Path("cells") / "ab"[row % 2] / f"{row}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(drawn).save(path)
    (line,) = [line for line in start("mine", Path("cells")).facts if "Similarity" in line]
    assert 0.2 < float(line.split("median ")[1].split(";")[0]) < 0.9


def test_a_calm_contest_has_few_doubts() -> None:
    made = start("mine", npz())
    assert len(made.doubts) == 2, made.doubts  # few images a class, and the platform


# ------------------------------------------------------------------------------------------------------- sample
def test_columns_of_the_sample_become_a_platform() -> None:
    pd.DataFrame({"file name": ["a", "b"], "Dx": CLASSES[:2]}).to_csv("sample.csv", index=False)
    made = start("mine", folder(), sample=Path("sample.csv"))
    platform = load_platform(made.contest.platform)
    assert (platform.id_column, platform.label_column, platform.label_form) == ("file name", "Dx", "name")
    assert platform.artefact == "predictions"


def test_the_sample_beside_the_data_is_taken() -> None:
    data = table("train.csv", Dx=np.array(CLASSES)[LABELS])
    pd.DataFrame({"image_id": ["a", "b"], "Dx": CLASSES[:2]}).to_csv("sample_submission.csv", index=False)
    for given in (data, Path()):
        made = start("mine", given, force=True)
        assert load_platform(made.contest.platform).label_column == "Dx"
        assert any(line.startswith("sample_submission.csv: 2 rows") for line in made.facts)


def test_the_sample_beside_the_folder_of_the_data_is_taken_and_kept_in_the_contest_file() -> None:
    pd.DataFrame({"id": ["a", "b"], "label": [0, 1]}).to_csv("sampleSubmission.csv", index=False)
    made = start("mine", folder())
    assert load_contest("mine").sample_file == Path("sampleSubmission.csv")
    assert made.contest.platform == "kaggle-csv"


@pytest.mark.parametrize(("value", "metric"), [("0.3333", "log_loss"), ("0", "accuracy"), ("0.0", "accuracy")])
def test_a_sample_of_fractions_asks_for_probabilities(value: str, metric: str) -> None:
    """Its metric left at accuracy, a file of zeros and ones would be submitted where log loss judges."""
    pd.DataFrame({"id": ["a", "b"], **dict.fromkeys(CLASSES, value)}).to_csv("sample.csv", index=False)
    made = start("mine", folder(), sample=Path("sample.csv"))
    assert load_contest("mine").metric == metric
    assert any("metric" in line for line in made.doubts)


def test_a_column_of_fractions_is_a_probability_of_two_classes() -> None:
    pd.DataFrame({"id": ["a", "b"], "label": 0.5}).to_csv("sample.csv", index=False)
    np.savez("two.npz", images=images(), labels=np.arange(ROWS) % 2)
    start("mine", Path("two.npz"), sample=Path("sample.csv"))
    assert load_contest("mine").metric == "roc_auc"


@pytest.mark.parametrize(("values", "first", "second"), [([0, 1, 2], 0, 1), ([1, 2, 3], 1, 2)])
def test_numbers_for_classes_that_have_names_are_a_doubt(values: list[int], first: int, second: int) -> None:
    pd.DataFrame({"id": range(3), "label": values}).to_csv("sample.csv", index=False)
    made = start("mine", folder(), sample=Path("sample.csv"))
    said = f"{first} is submitted for {CLASSES[0]!r}, {second} for {CLASSES[1]!r}"
    assert any(said in doubt for doubt in made.doubts)


def test_the_column_of_ids_may_come_last() -> None:
    pd.DataFrame({"kind": [CLASSES[1]] * 3, "file": ["a", "b", "c"]}).to_csv("sample.csv", index=False)
    start("mine", folder(), sample=Path("sample.csv"))
    asked = load_platform("mine")
    assert (asked.id_column, asked.label_column, asked.label_form) == ("file", "kind", "name")


def test_a_sample_of_the_kits_own_columns_needs_no_platform_file() -> None:
    pd.DataFrame({"id": ["a", "b"], "label": [0, 0]}).to_csv("sample.csv", index=False)
    made = start("mine", folder(), sample=Path("sample.csv"))
    assert made.contest.platform == "kaggle-csv"
    assert len(made.files) == 1


# ------------------------------------------------------------------------------------------------------- refusals
def test_a_file_that_is_there_is_not_overwritten() -> None:
    first = start("mine", folder()).files[0].read_text()
    with pytest.raises(ConfigError, match="is there already"):
        start("mine", npz())
    assert Path("configs/contests/mine.toml").read_text() == first
    start("mine", npz(), force=True)
    assert tomllib.loads(Path("configs/contests/mine.toml").read_text())["data"]["kind"] == "npz"


def several_labels() -> Path:
    np.savez("several.npz", images=images(), labels=np.ones((ROWS, 3), int))
    return Path("several.npz")


def loose() -> Path:
    write_folder(Path("loose"))
    Image.fromarray(images()[0]).save("loose/outside.png")
    return Path("loose")


def one_class() -> Path:
    Path("one/cat").mkdir(parents=True)
    Image.fromarray(images()[0]).save("one/cat/0.png")
    return Path("one")


def text_file() -> Path:
    Path("notes.txt").write_text("hello")
    return Path("notes.txt")


def no_npz() -> Path:
    Path("broken.npz").write_bytes(b"PK\x03\x04 nothing")
    return Path("broken.npz")


def unlabelled() -> Path:
    np.savez("bare.npz", images=images())
    return Path("bare.npz")


def other_ids() -> Path:
    table(label=LABELS)
    shutil.rmtree("images")
    Path("images").mkdir()
    Image.fromarray(images()[0]).save("images/other.png")
    return Path("train.csv")


def numbers_to_predict() -> Path:
    return table(label=np.arange(ROWS) + 0.5)


def several_words() -> Path:
    return table(label=[("cat", "dog", "cat dog")[row % 3] for row in range(ROWS)])


def boxes() -> Path:
    return table(label=LABELS, xmin=LABELS, ymin=LABELS)


def too_few_labels() -> Path:
    np.savez("short.npz", images=images(), labels=LABELS[:-1])
    return Path("short.npz")


def arrays(**given: np.ndarray) -> Callable[[], Path]:
    def write() -> Path:
        np.savez("odd.npz", **{"images": images(), "labels": LABELS} | given)
        return Path("odd.npz")

    return write


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (arrays(labels=np.array(3)), "45 images and 1 labels"),
        (arrays(labels=np.where(LABELS == 1, np.nan, LABELS)), "odd.npz: labels must be whole numbers, but 15 are not"),
        (arrays(labels=np.where(LABELS == 1, 0.5, LABELS)), "this is regression"),
        (arrays(labels=LABELS * 0), "two classes must occur, but all 45 images are '0'"),
        (arrays(images=images()[:0], labels=LABELS[:0]), "images must not be empty"),
        (arrays(images=images()[..., :2]), "1, 3 or 4 channels"),
        (arrays(images=np.stack([images()] * 8, axis=1)), "1, 3 or 4 channels"),
        (arrays(images=np.where(images() > 254, np.nan, images())), "but 45 of 45 images hold NaN"),
        (lambda: table(label=[""] * ROWS), "two classes must occur, but no image has a label"),
        (lambda: table(label=["cat"] * ROWS), "two classes must occur, but all 45 images are 'cat'"),
        (numbers_to_predict, "this is regression"),
        (several_words, "this is multi-label"),
        (boxes, "this is detection"),
        (too_few_labels, "45 images and 44 labels"),
        (several_labels, "several labels an image"),
        (loose, "1 of 46 lie outside"),
        (one_class, "two or more classes"),
        (text_file, "--data must be a folder or zip"),
        (no_npz, "broken.npz: not a"),
        (unlabelled, "which array holds the labels"),
        (other_ids, "none of 45 does"),
        (lambda: Path("absent"), "absent: no such file or folder"),
    ],
)
def test_data_in_no_form_are_refused_and_nothing_is_written(write: Callable[[], Path], message: str) -> None:
    with pytest.raises(DataError, match=message):
        start("mine", write())
    assert not Path("configs").exists()


@pytest.mark.parametrize("name", ["../out", "a/b", ".hidden", " "])
def test_a_name_that_is_no_folder_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="must do for a folder"):
        start(name, folder())


def test_a_bad_sample_is_refused_and_nothing_is_written() -> None:
    Path("sample.csv").write_text("id\n1\n")
    with pytest.raises(DataError, match="an id column, a label column"):
        start("mine", folder(), sample=Path("sample.csv"))
    assert not Path("configs").exists()


# ------------------------------------------------------------------------------------------------------- command
def test_the_command_ends_with_the_next_one() -> None:
    result = CliRunner().invoke(group, ["init", "mine", "--data", str(folder())], catch_exceptions=False)
    assert result.output.splitlines()[-1] == "next      python make_submission.py --contest mine --budget 60"
    shown = CliRunner().invoke(group, ["init", "two", "--data", "cells", "--json"], catch_exceptions=False)
    assert json.loads(shown.output)["contest"]["data"]["kind"] == "folder"


def test_a_machine_without_pretrained_weights_is_told_of_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    from kit.errors import NetError
    from kit.start import recipes

    def nothing(name: str) -> None:
        raise NetError(f"{name}: no weights found")

    monkeypatch.setattr(recipes, "locate", nothing)
    (line,) = recipes.weights_doubts()
    assert "from scratch" in line
    assert "pip install -e '.[weights]'" in line
    monkeypatch.setattr(recipes, "locate", lambda name: None)
    assert recipes.weights_doubts() == []
