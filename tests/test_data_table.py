import shutil
import zipfile

import numpy as np
import pandas as pd
import pytest
from data_toy import CLASSES, contest, some_images
from PIL import Image

from kit.data.sources.load import load, load_test
from kit.errors import DataError
from kit.workspace import Workspace

IMAGES, LABELS = some_images(12), np.arange(12) % 3


@pytest.fixture
def kaggle(tmp_path):
    """A Kaggle-style folder: train/ and test/ with images, train.csv and sample_submission.csv."""
    for part, count in (("train", 12), ("test", 4)):
        (tmp_path / part).mkdir()
        for row in range(count):
            Image.fromarray(IMAGES[row]).save(tmp_path / part / f"im{row:02d}.png")
    ids = [f"im{row:02d}" for row in range(12)]
    frame = pd.DataFrame({"image_id": ids, "label": np.array(CLASSES)[LABELS]})
    frame.to_csv(tmp_path / "train.csv", index=False)
    frame[["image_id"]].head(4).assign(label="").to_csv(tmp_path / "sample_submission.csv", index=False)
    return tmp_path


def read(folder, path="train.csv", **data):
    return load(contest(kind="csv", **data), folder / path, Workspace(folder / "work"))


def rewrite(folder, change):
    frame = pd.read_csv(folder / "train.csv", dtype=str, keep_default_na=False)
    change(frame).to_csv(folder / "train.csv", index=False)


def test_ids_without_suffix_in_the_order_of_the_table(kaggle):
    rewrite(kaggle, lambda frame: frame.iloc[::-1])
    got = read(kaggle)
    assert got.ids.tolist() == [f"im{row:02d}" for row in range(11, -1, -1)]
    np.testing.assert_array_equal(got.images, IMAGES[::-1])
    np.testing.assert_array_equal(got.labels, LABELS[::-1])
    assert got.notes == ("id taken from the column 'image_id'", "labels taken from the column 'label'")


@pytest.mark.parametrize("form", ["{}.png", "train/{}.png", "./train/{}.png", "train\\{}.png", "train/{}"])
def test_ids_with_suffix_and_folder(kaggle, form):
    rewrite(kaggle, lambda frame: frame.assign(image_id=[form.format(one) for one in frame["image_id"]]))
    np.testing.assert_array_equal(read(kaggle).images, IMAGES)
    if "train" in form:
        np.testing.assert_array_equal(read(kaggle, images=".").images, IMAGES)


def test_an_id_with_another_folder_leads_to_no_image(kaggle):
    rewrite(kaggle, lambda frame: frame.assign(image_id="other/" + frame["image_id"]))
    with pytest.raises(DataError, match="every row must have an image, but 12 of 12 have none"):
        read(kaggle)


def test_what_the_kit_writes_beside_the_table_is_no_data(kaggle, monkeypatch):
    config, workspace = contest(kind="csv", images="."), Workspace(kaggle)
    shutil.rmtree(kaggle / "test")
    first = load(config, kaggle / "train.csv", workspace)
    for name in ("oof/toy/clean.png", "submissions/page.png"):
        (kaggle / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(IMAGES[0]).save(kaggle / name)
    monkeypatch.setattr("kit.data.sources.tables.decode_all", lambda *_: pytest.fail("decoded twice"))
    assert load(config, kaggle / "train.csv", workspace).notes == first.notes
    assert first.notes == ("id taken from the column 'image_id'", "labels taken from the column 'label'")


def test_a_folder_leads_to_its_table_and_a_zip_holds_the_images(kaggle):
    with zipfile.ZipFile(kaggle / "train.zip", "w") as archive:
        for file in (kaggle / "train").iterdir():
            archive.write(file, f"train/{file.name}")
            file.unlink()
    got = read(kaggle, path=".", images="train.zip")
    np.testing.assert_array_equal(got.images, IMAGES)


def test_one_hot_columns_named_after_classes(kaggle):
    one_hot = pd.DataFrame(np.eye(3, dtype=int)[LABELS], columns=CLASSES)
    rewrite(kaggle, lambda frame: pd.concat([frame[["image_id"]], one_hot], axis=1))
    np.testing.assert_array_equal(read(kaggle).labels, LABELS)


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters_and_a_byte_order_mark(kaggle, delimiter):
    text = (kaggle / "train.csv").read_text().replace(",", delimiter)
    (kaggle / "train.csv").write_text(text, encoding="utf-8-sig")
    np.testing.assert_array_equal(read(kaggle).labels, LABELS)


def test_groups_and_folds_of_the_users_own(kaggle):
    rewrite(kaggle, lambda frame: frame.assign(patient=[f"p{row // 2}" for row in range(12)], part=["a", "b"] * 6))
    got = read(kaggle, group_column="patient", fold_column="part", labels="label")
    assert got.groups.tolist() == [f"p{row // 2}" for row in range(12)]
    assert got.splits.tolist() == ["a", "b"] * 6
    with pytest.raises(DataError, match="no column 'patiemt'.*Did you mean 'patient'"):
        read(kaggle, group_column="patiemt")


def test_rows_without_a_image_are_refused_or_skipped(kaggle):
    (kaggle / "train" / "im03.png").unlink()
    with pytest.raises(DataError, match=r"every row must have an image, but 1 of 12 have none \(im03\)"):
        read(kaggle)
    got = read(kaggle, on_error="skip")
    assert len(got) == 11
    np.testing.assert_array_equal(got.labels, np.delete(LABELS, 3))
    assert any("1 rows of train.csv without an image skipped" in note for note in got.notes)


def test_images_without_a_row_are_left_out_with_a_note(kaggle):
    rewrite(kaggle, lambda frame: frame.drop(index=[0, 5]))
    got = read(kaggle)
    assert len(got) == 10
    assert "2 images have no row in train.csv and are left out (im00.png, im05.png)" in got.notes


def test_rows_without_a_label_are_refused_or_skipped(kaggle):
    rewrite(kaggle, lambda frame: frame.assign(label=frame["label"].where(frame.index != 2, "")))
    with pytest.raises(DataError, match="every row must have a label, but 1 of 12"):
        read(kaggle)
    assert len(read(kaggle, on_error="skip")) == 11


def test_unreadable_images_are_listed_or_skipped_with_their_labels(kaggle):
    (kaggle / "train" / "im04.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"1 of 12 are not: im04.png \(UnidentifiedImageError"):
        read(kaggle)
    got = read(kaggle, on_error="skip")
    np.testing.assert_array_equal(got.labels, np.delete(LABELS, 4))
    np.testing.assert_array_equal(got.images, np.delete(IMAGES, 4, axis=0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda frame: pd.concat([frame, frame.head(1).assign(label="emu")]),
            r"ids must be unique, but 1 occur more than once \(im00\)",
        ),
        (lambda frame: frame.replace("dog", "wolf"), "labels must be in the class list.*'wolf'"),
        (lambda frame: frame.assign(label="cat"), "at least two classes must occur"),
        (lambda frame: frame.rename(columns={"label": "a"}).assign(b=1), "cannot be guessed from"),
        (lambda frame: frame.head(0), "must hold a header and rows"),
    ],
    ids=["twice", "unknown class", "one class", "no label column", "empty"],
)
def test_tables_that_break_a_rule(kaggle, change, message):
    rewrite(kaggle, change)
    with pytest.raises(DataError, match=message):
        read(kaggle)


def test_broken_tables_are_named(kaggle):
    with pytest.raises(DataError, match="no such table"):
        read(kaggle, path="nowhere.csv")
    file = kaggle / "train.csv"
    text = file.read_text()
    file.write_bytes(text.replace("im03", "im\xe9").encode("latin-1"))
    with pytest.raises(DataError, match="must be a CSV in UTF-8"):
        read(kaggle)
    file.write_text(text.replace("im03,", "im03,x,"))
    with pytest.raises(DataError, match=r"every line must have 2 fields, but 1 have not \(first: line 5\)"):
        read(kaggle)
    file.write_text(text.replace("im03,", "\n\nim03,x,"))
    with pytest.raises(DataError, match=r"\(first: line 7\)"):
        read(kaggle)


def test_an_id_that_fits_two_images_is_refused(kaggle):
    for folder in ("a", "b"):
        (kaggle / "train" / folder).mkdir()
        Image.fromarray(IMAGES[0]).save(kaggle / "train" / folder / "im00.png")
    (kaggle / "train" / "im00.png").unlink()
    with pytest.raises(DataError, match="'im00' fits a/im00.png, b/im00.png"):
        read(kaggle)


@pytest.mark.parametrize("form", ["test", "sample_submission.csv", "test.zip", "test.npz"])
def test_unlabelled_test_images_in_every_form(kaggle, form):
    if form == "test.zip":
        with zipfile.ZipFile(kaggle / form, "w") as archive:
            for file in (kaggle / "test").iterdir():
                archive.write(file, file.name)
    if form == "test.npz":
        np.savez(kaggle / form, X=IMAGES[:4])
    got = load_test(contest(kind="csv", test=str(kaggle / form)), None, Workspace(kaggle / "work"))
    assert got.labels is None
    assert len(got) == 4
    np.testing.assert_array_equal(got.images, IMAGES[:4])


def test_no_test_images_is_said(kaggle):
    with pytest.raises(DataError, match="has no test images"):
        load_test(contest(kind="csv"), None, Workspace(kaggle))
