"""Forms of data beyond class folders, arrays and tables of ids; and tasks that are refused by name."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from data_toy import CLASSES, contest, some_images
from PIL import Image

from kit.config import DataConfig
from kit.data.sources import stream
from kit.data.sources.decoding_record import DecodingRecord
from kit.data.sources.load import load, load_test
from kit.data.sources.stream import look_at_test, open_stream
from kit.data.sources.table_file import read_table
from kit.errors import DataError
from kit.start.init import start
from kit.workspace import Workspace

IMAGES, LABELS = some_images(12), np.arange(12) % 3
GREY = np.repeat(IMAGES[..., :1], 3, axis=3)


@pytest.fixture
def read(tmp_path):
    return lambda name, **data: load(contest(**data), tmp_path / name, Workspace(tmp_path / "work"))


def save(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


def png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("form", ["{}.{}.png", "{}_{}.png", "{}-{}.png", "{} ({}).png", "deep/er/{}{}.png"])
def test_labels_that_file_names_begin_with(tmp_path, read, form):
    for row, (image, label) in enumerate(zip(IMAGES, LABELS)):
        save(tmp_path / "train" / form.format(CLASSES[label].title(), row), image)
    got = read("train", kind="folder")
    order = [int("".join(char for char in one if char.isdigit())) for one in got.ids]
    np.testing.assert_array_equal(got.images, IMAGES[order])
    np.testing.assert_array_equal(got.labels, LABELS[order])
    assert "labels taken from what the file names begin with" in got.notes


def test_labels_by_a_pattern(tmp_path, read):
    for row, (image, label) in enumerate(zip(IMAGES, LABELS)):
        save(tmp_path / "train" / f"scan{row:02d}_of_{label}.png", image)
    np.testing.assert_array_equal(read("train", kind="folder", label_pattern=r"_of_(\d)").labels, LABELS)
    with pytest.raises(DataError, match="must fit every file name, but 12 of 12 do not"):
        read("train", kind="folder", label_pattern=r"_is_(\d)")
    with pytest.raises(DataError, match="label_pattern"):
        read("train", kind="folder")
    for wrong in ("(", "abc"):
        with pytest.raises(ValueError, match="label_pattern must"):
            DataConfig(kind="folder", label_pattern=wrong)


def pixel_table(path: Path, images: np.ndarray, names: str = "pixel{}", **columns: object) -> None:
    flat = images.reshape(len(images), -1)
    pixels = pd.DataFrame(flat, columns=[names.format(number) for number in range(flat.shape[1])])
    pd.concat([pd.DataFrame(columns), pixels], axis=1).to_csv(path, index=False)


@pytest.mark.parametrize("names", ["pixel{}", "{}", "px_{}"])
def test_pixels_in_a_tables_columns(tmp_path, read, names):
    pixel_table(tmp_path / "train.csv", IMAGES[..., 0], names, label=LABELS)
    got = read("train.csv", kind="csv")
    np.testing.assert_array_equal(got.images, GREY)
    np.testing.assert_array_equal(got.labels, LABELS)
    assert got.ids.tolist() == [str(row) for row in range(12)]


@pytest.mark.parametrize("first", [False, True])
def test_pixels_of_three_channels_in_either_order(tmp_path, read, first):
    given = IMAGES.transpose(0, 3, 1, 2) if first else IMAGES
    pixel_table(tmp_path / "train.csv", given, label=np.array(CLASSES)[LABELS], patient=LABELS // 2)
    got = read("train.csv", kind="csv", group_column="patient")
    np.testing.assert_array_equal(got.images, IMAGES)
    assert got.groups.tolist() == (LABELS // 2).astype(str).tolist()


def test_pixels_in_one_column_of_text(tmp_path, read):
    texts = [" ".join(map(str, one.ravel())) for one in IMAGES[..., 0]]
    pd.DataFrame({"emotion": LABELS, "pixels": texts}).to_csv(tmp_path / "train.csv", index=False)
    np.testing.assert_array_equal(read("train.csv", kind="csv").images, GREY)


def test_test_images_in_a_tables_columns_are_scaled_as_in_training(tmp_path, read):
    pixel_table(tmp_path / "test.csv", IMAGES[:3, :, :, 0] // 20)
    got = load_test(contest(kind="csv"), tmp_path / "test.csv", Workspace(tmp_path / "work"))
    assert got.images.max() > 200  # nothing is known of a training set
    workspace = Workspace(tmp_path / "other")
    DecodingRecord(16, "squash", (0.0, 255.0), (0.4, 0.3, 0.3)).write(workspace, contest(kind="csv"))
    got = load_test(contest(kind="csv"), tmp_path / "test.csv", workspace)
    np.testing.assert_array_equal(got.images, GREY[:3] // 20)


def test_test_images_in_a_tables_columns_are_streamed(tmp_path):
    pixel_table(tmp_path / "test.csv", IMAGES[:3, :, :, 0], id=["a", "b", "c"])
    workspace = Workspace(tmp_path / "work")
    record = DecodingRecord(16, "squash", (0.0, 255.0), (0.4, 0.3, 0.3))
    stream = open_stream(contest(kind="csv"), tmp_path / "test.csv", workspace, record)
    assert stream.ids.tolist() == ["a", "b", "c"]
    (batch,) = stream.batches(8)
    np.testing.assert_array_equal(batch.images, GREY[:3])


def test_pixels_that_make_no_square_are_told(tmp_path, read):
    pixel_table(tmp_path / "train.csv", IMAGES[:, :7, :, 0], label=LABELS)
    with pytest.raises(DataError, match="must make a square image, grey or RGB, but there are 112"):
        read("train.csv", kind="csv")


def test_a_test_image_in_a_table_that_cannot_be_read_keeps_its_row(tmp_path):
    pytest.importorskip("pyarrow")
    files = [png(IMAGES[0]), b"no image", None, png(IMAGES[3])]
    table = pd.DataFrame({"id": list("abcd"), "image": files})
    record = DecodingRecord(16, "squash", None, (0.4, 0.3, 0.3))

    def opened(table: pd.DataFrame, **data: str) -> stream.ImageStream:
        table.to_parquet(tmp_path / "test.parquet")
        return open_stream(contest(kind="parquet", **data), tmp_path / "test.parquet", Workspace(tmp_path), record)

    found = opened(table)
    assert (found.ids.tolist(), found.numbered) == (list("abcd"), False)
    (batch,) = found.batches(8)
    assert sorted(batch.lost) == [1, 2]
    np.testing.assert_array_equal(batch.images[[0, 3]], IMAGES[[0, 3]])
    assert opened(table.drop(columns="id")).numbered
    lists = [one.tolist() for one in IMAGES[:4]]
    (batch,) = opened(table.assign(image=lists)).batches(8)
    np.testing.assert_array_equal(batch.images, IMAGES[:4])
    assert opened(table.drop(columns="id").assign(image=lists)).numbered
    with pytest.raises(DataError, match=r"ids must be unique, but 1 occur more than once \(a\)"):
        opened(table.assign(number=list("aabc")), id_column="number")


def test_the_ids_that_a_contest_names_are_taken_or_refused(tmp_path, read):
    pytest.importorskip("pyarrow")
    table = pd.DataFrame({"number": np.arange(12) // 2, "label": LABELS, "image": [png(one) for one in IMAGES]})
    table.to_parquet(tmp_path / "train.parquet")
    with pytest.raises(DataError, match="has no column 'nummer', but number, label. Did you mean 'number'"):
        read("train.parquet", kind="parquet", id_column="nummer")
    with pytest.raises(DataError, match="ids must be unique, but 6 occur more than once"):
        read("train.parquet", kind="parquet", id_column="number")


@pytest.mark.parametrize("form", ["struct", "bytes", "lists", "ids", "pixels"])
def test_parquet_tables(tmp_path, read, form):
    pytest.importorskip("pyarrow")
    table = pd.DataFrame({"label": np.array(CLASSES)[LABELS], "fold": LABELS})
    wanted = IMAGES
    if form == "struct":
        table["image"] = [{"bytes": png(one), "path": None} for one in IMAGES]
    elif form == "bytes":
        table["image"] = [png(one) for one in IMAGES]
    elif form == "lists":
        table["image"] = [one.tolist() for one in IMAGES]
    elif form == "pixels":
        table = pd.concat([table, pd.DataFrame(IMAGES[..., 0].reshape(12, -1)).add_prefix("pixel")], axis=1)
        wanted = GREY
    else:
        table["image_id"] = [f"im{row}" for row in range(12)]
        for row, image in enumerate(IMAGES):
            save(tmp_path / "train" / f"im{row}.png", image)
    table.to_parquet(tmp_path / "train.parquet")
    for kind in ("parquet", "csv"):
        got = read("train.parquet", kind=kind, fold_column="fold")
        np.testing.assert_array_equal(got.images, wanted)
        np.testing.assert_array_equal(got.labels, LABELS)
        assert got.splits.tolist() == LABELS.astype(str).tolist()


def test_long_ids_with_a_gap_keep_all_their_digits(tmp_path):
    """As floats, which pandas makes of integers with gaps, two of these are one."""
    pytest.importorskip("pyarrow")
    table = pd.DataFrame({"id": pd.array([2**53 + 1, 2**53, None], dtype="Int64"), "label": [0, 1, 0]})
    table.to_parquet(tmp_path / "train.parquet")
    assert read_table(tmp_path / "train.parquet")["id"].tolist() == ["9007199254740993", "9007199254740992", ""]


def test_hdf5(tmp_path, read):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "train.h5", "w") as file:
        file["train/x"] = IMAGES
        file["train/y"] = np.array(CLASSES, dtype=object)[LABELS]
    got = read("train.h5", kind="hdf5", images="train/x", labels="train/y")
    np.testing.assert_array_equal(got.images, IMAGES)
    np.testing.assert_array_equal(got.labels, LABELS)
    got = read("train.h5", kind="npz")
    np.testing.assert_array_equal(got.images, IMAGES)


def test_files_of_another_form_than_their_name_are_named(tmp_path, read):
    pytest.importorskip("pyarrow")
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "train.parquet")
    (tmp_path / "train.parquet").rename(tmp_path / "train.csv")
    with pytest.raises(DataError, match="is a parquet file. Name it train.parquet"):
        read("train.csv", kind="csv")


def test_several_folders_of_images(tmp_path, read):
    for row, image in enumerate(IMAGES):
        save(tmp_path / f"part_{row % 2}" / f"im{row}.png", image)
    pd.DataFrame({"id": [f"im{row}" for row in range(12)], "label": LABELS}).to_csv(tmp_path / "train.csv", index=False)
    got = read("train.csv", kind="csv", images=("part_0", "part_1"))
    np.testing.assert_array_equal(got.images, IMAGES)
    np.testing.assert_array_equal(read("train.csv", kind="csv").images, IMAGES)


@pytest.mark.parametrize("form", ["{}", "{}.png", "ab/cd/{}", "train/ab/cd/{}.png"])
def test_nested_ids(tmp_path, read, form):
    for row, image in enumerate(IMAGES):
        save(tmp_path / "train" / "ab" / "cd" / f"im{row}.png", image)
    ids = [form.format(f"im{row}") for row in range(12)]
    pd.DataFrame({"id": ids, "label": LABELS}).to_csv(tmp_path / "train.csv", index=False)
    np.testing.assert_array_equal(read("train.csv", kind="csv").images, IMAGES)


def test_the_column_whose_values_are_files_holds_the_ids(tmp_path, read):
    """`Image,Id` of a contest on whales: Id is the animal."""
    for row, image in enumerate(IMAGES):
        save(tmp_path / "train" / f"im{row}.png", image)
    table = pd.DataFrame({"Image": [f"im{row}.png" for row in range(12)], "Id": np.array(CLASSES)[LABELS]})
    table.to_csv(tmp_path / "train.csv", index=False)
    got = read("train.csv", kind="csv")
    np.testing.assert_array_equal(got.images, IMAGES)
    np.testing.assert_array_equal(got.labels, LABELS)
    with pytest.raises(DataError, match=r"none of the values of column 'Id' \(such as 'cat'\) is an image file"):
        read("train.csv", kind="csv", id_column="Id", labels="Id")


@pytest.mark.parametrize("spelling", ["{}.0", " {}", "{}e0"])
def test_labels_that_are_numbers_in_any_spelling(tmp_path, read, spelling):
    for row, image in enumerate(IMAGES):
        save(tmp_path / "train" / f"im{row}.png", image)
    labels = [spelling.format(label) for label in LABELS]
    pd.DataFrame({"id": [f"im{row}" for row in range(12)], "label": labels}).to_csv(tmp_path / "train.csv", index=False)
    np.testing.assert_array_equal(read("train.csv", kind="csv").labels, LABELS)
    named = load(contest(("7", "8", "9"), kind="csv"), tmp_path / "train.csv", Workspace(tmp_path / "w"))
    np.testing.assert_array_equal(named.labels, LABELS)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"label": ["cat dog", "emu"] * 6}, "this is multi-label \\(such as 'cat dog'\\)"),
        ({"label": ["cat|emu", "cat"] * 6}, "this is multi-label"),
        ({"label": ["[0, 2]", "[1]"] * 6}, "this is multi-label"),
        ({"cat": [1, 0] * 6, "dog": [1, 1] * 6, "emu": [0, 0] * 6}, "this is multi-label: 6 of 12 rows"),
        ({"label": np.linspace(0.5, 9.7, 12)}, "column 'label': labels must be whole numbers.*this is regression"),
        ({"label": LABELS, "xmin": 1, "xmax": 2}, "this is detection \\(xmin, xmax\\)"),
        ({"label": LABELS, "bbox": "[1 2 3 4]"}, "this is detection"),
        ({"label": LABELS, "EncodedPixels": "1 5"}, "this is segmentation"),
    ],
)
def test_other_tasks_are_refused_by_name(tmp_path, read, columns, message):
    for row, image in enumerate(IMAGES):
        save(tmp_path / "train" / f"im{row}.png", image)
    pd.DataFrame({"id": [f"im{row}" for row in range(12)], **columns}).to_csv(tmp_path / "train.csv", index=False)
    with pytest.raises(DataError, match=message):
        read("train.csv", kind="csv")


def test_a_table_without_images_says_so(tmp_path, read):
    pd.DataFrame({"label": LABELS, "height": 3}).to_csv(tmp_path / "train.csv", index=False)
    with pytest.raises(DataError, match="names no image: .*label, height.*holds pixels or encoded images"):
        read("train.csv", kind="csv")


def test_damaged_training_images_are_repaired_on_request(tmp_path, read):
    for row, (image, label) in enumerate(zip(some_images(12, 64), LABELS)):
        save(tmp_path / "train" / CLASSES[label] / f"{row:02d}.png", image)
    cut = tmp_path / "train" / "dog" / "01.png"
    cut.write_bytes(cut.read_bytes()[:-2000])
    (tmp_path / "train" / "dog" / "04.png").write_bytes(b"no image")
    with pytest.raises(DataError, match='on_error = "repair"'):
        read("train", kind="folder", size=64)
    got = read("train", kind="folder", size=64, on_error="repair")
    assert len(got) == 11
    assert any(note.startswith("1 damaged images decoded as far as they go: dog/01.png") for note in got.notes)
    assert any(note.startswith("1 unreadable images skipped: dog/04.png") for note in got.notes)
    row = got.ids.tolist().index("dog/01.png")
    np.testing.assert_array_equal(got.images[row][:16], some_images(12, 64)[1][:16])


def test_a_set_that_comes_out_black_is_told(tmp_path, read):
    for row, label in enumerate(LABELS):
        save(tmp_path / "train" / CLASSES[label] / f"{row}.png", IMAGES[row] // 25)
    assert any(note.startswith("WARNING: most images are nearly black") for note in read("train", kind="folder").notes)


@pytest.mark.parametrize("labels", [(12, 1, 1, 1), (12, 1, 1), (12, 3, 1), (12, 1, 3)])
def test_labels_with_further_dimensions_of_one(tmp_path, read, labels):
    """Some HDF5 files hold labels as images of one pixel; those are no images, and no several labels."""
    h5py = pytest.importorskip("h5py")
    truth = np.arange(12) % 3
    values = np.eye(3)[truth] if 3 in labels else truth
    with h5py.File(tmp_path / "train.h5", "w") as file:
        file["x"], file["y"] = np.moveaxis(some_images(12), 3, 1), values.reshape(labels)
    started = start("mine", tmp_path / "train.h5", folder=tmp_path / "configs").contest
    assert started.classes == ("0", "1", "2")
    got = read("train.h5", kind="hdf5", images=started.data.images, labels=started.data.labels)
    np.testing.assert_array_equal(got.labels, truth)
    np.testing.assert_array_equal(got.images, some_images(12))


def test_test_images_of_tables_and_arrays_without_ids_are_numbered_and_others_named(tmp_path):
    pixel_table(tmp_path / "bare.csv", IMAGES[..., 0])
    pixel_table(tmp_path / "named.csv", IMAGES[..., 0], id=np.arange(12))
    np.save(tmp_path / "bare.npy", IMAGES)
    np.savez(tmp_path / "named.npz", images=IMAGES, ids=np.arange(12) + 7)
    for row, image in enumerate(IMAGES):
        save(tmp_path / "folder" / f"{row}.png", image)
    given = contest(kind="csv")
    record = DecodingRecord(given.image_size, "squash", None, (1.0,))
    found = {
        name: open_stream(given, tmp_path / name, Workspace(tmp_path / "work"), record).numbered
        for name in ("bare.csv", "named.csv", "bare.npy", "named.npz", "folder")
    }
    assert found == {"bare.csv": True, "named.csv": False, "bare.npy": True, "named.npz": False, "folder": False}


def test_a_look_at_many_test_images_decodes_some_of_them(tmp_path, monkeypatch):
    """100,000 images of 224 px were decoded into 15 GB, to look at 3,000."""
    for row, image in enumerate(IMAGES):
        save(tmp_path / "test" / f"{row:02d}.png", image)
    (tmp_path / "test" / "99.png").write_bytes(b"no image")
    pd.DataFrame({"id": [f"{row:02d}" for row in range(12)]}).to_csv(tmp_path / "test.csv", index=False)
    np.save(tmp_path / "test.npy", IMAGES)
    given, workspace = contest(kind="folder"), Workspace(tmp_path / "work")
    assert len(look_at_test(given, tmp_path / "test", workspace)) == 12, "all, where they are few"
    shutil.rmtree(workspace.cache)
    monkeypatch.setattr(stream, "LOOKED_AT", 5)
    for name, most in (("test", 5), ("test.csv", 5), ("test.npy", 12)):
        seen = look_at_test(given, tmp_path / name, workspace)
        assert most - 1 <= len(seen) <= most
        rows = [int(one.removesuffix(".png")) for one in seen.ids]
        np.testing.assert_array_equal(seen.images, IMAGES[rows])
        assert workspace.cache.exists() == (name == "test.npy")
