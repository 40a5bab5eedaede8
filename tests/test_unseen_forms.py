"""Data sets as strangers hand them out: nothing that looks like an image or a row is lost without a word."""

from __future__ import annotations

import gzip
import json
import os
import struct
import zipfile
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from data_toy import image_set, some_images, write_folder
from PIL import Image

from kit.config import CleanConfig, ContestConfig, load_contest
from kit.data.cleaning.clean import clean
from kit.data.sources.imageset import ImageSet
from kit.data.sources.load import load, load_test
from kit.errors import DataError
from kit.inference import decode
from kit.inference.model import as_batch
from kit.start.init import start
from kit.workspace import Workspace

SPEC = {"size": 16, "resize": "squash", "range": None}
PAIR = ("cat", "dog")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def init(path: str | Path, **more: Path) -> tuple[ContestConfig, str]:
    """The contest that `kit init` writes, read again, and all that it said."""
    said = start("mine", Path(path), force=True, **more)
    return load_contest("mine"), "\n".join((*said.facts, *said.doubts))


def read(contest: ContestConfig) -> ImageSet:
    return load(contest, None, Workspace(Path("work")))


def counts(image_set: ImageSet) -> dict[str, int]:
    return dict(Counter(image_set.class_names[label] for label in image_set.need_labels()))


def decoded(path: Path, said: Counter[str]) -> np.ndarray:
    return decode.decode(path.read_bytes(), SPEC, said)[0]


def drawn_in_alpha(value: int) -> Image.Image:
    """A flat image of one grey level, whose left half alone is visible."""
    alpha = np.zeros((16, 16), np.uint8)
    alpha[:, :8] = 255
    return Image.merge("LA", [Image.new("L", (16, 16), value), Image.fromarray(alpha)])


@pytest.mark.parametrize("value", [0, 119, 128, 155, 160, 255])
@pytest.mark.parametrize("mode", ["LA", "RGBA", "P"])
def test_what_is_drawn_in_the_transparency_stays_visible(here, value, mode):
    given = drawn_in_alpha(value).convert("RGBA")
    if mode == "P":
        paletted = Image.new("P", (16, 16), 0)
        paletted.putpalette([value] * 6)
        paletted.paste(1, (8, 0, 16, 16))
        paletted.save("one.png", transparency=1)
    else:
        given.convert(mode).save("one.png")
    got = decoded(here / "one.png", said := Counter())
    assert (got[:, :8] == value).all()
    assert (got[:, 8:] == (255 if abs(value - decode.GROUND) < decode.FAINT else decode.GROUND)).all()
    assert said["with transparency laid on grey"] == 1
    array = np.asarray(given)[None]
    spec = {"size": 16, "resize": "squash", "range": None}
    for seen in (decode.from_array(array, spec, Counter()), as_batch(array)):
        np.testing.assert_array_equal(seen[0], got)
    deep = array.astype(np.uint16) * 257
    cv2.imwrite("deep.png", deep[0])
    np.testing.assert_array_equal(decode.decode(Path("deep.png").read_bytes(), spec | {"range": (0, 65535)},
                                                Counter())[0], got)  # fmt: skip


def test_an_opaque_alpha_channel_changes_nothing(here):
    Image.fromarray(some_images(1)[0]).convert("RGBA").save("one.png")
    np.testing.assert_array_equal(decoded(here / "one.png", said := Counter()), some_images(1)[0])
    assert "with transparency laid on grey" not in said


@pytest.mark.parametrize("name", ["one.gif", "one.tif", "one.webp", "one.png"])
def test_further_frames_and_pages_are_counted(here, name):
    frames = [Image.fromarray(one) for one in some_images(3)]
    frames[0].save(name, save_all=True, append_images=frames[1:])
    got = decoded(here / name, said := Counter())
    assert np.abs(got.astype(int) - some_images(1)[0]).mean() < 12
    assert said["of several frames or pages, of which the first is taken"] == 1
    frames[0].save(name)
    decoded(here / name, said := Counter())
    assert "of several frames or pages, of which the first is taken" not in said


def test_letters_of_black_and_transparency_are_no_junk(here):
    """Black letters on transparent ground were black images, and dropped as dark, a fifth of their class."""
    rng = np.random.default_rng(0)
    for row, image in enumerate(some_images(60, seed=3)):
        path = here / "data" / ("photo" if row < 30 else "letter") / f"{row}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        if row < 40:
            Image.fromarray(image).save(path)
        else:
            shape = (np.kron(rng.random((4, 4)) > 0.5, np.ones((4, 4))) * 255).astype(np.uint8)
            Image.merge("LA", [Image.new("L", (16, 16), 0), Image.fromarray(shape)]).save(path)
    contest, _ = init("data")
    table = clean(read(contest), CleanConfig())
    assert table["keep"].all(), table[~table["keep"]]


def test_rows_that_look_alike_are_counted_as_rows_where_looks_are_all_there_is():
    """Forty black images under one label are forty rows: a bound on distinct images would let them all go."""
    images = some_images(200, seed=1)
    images[:40] = 0
    labels = np.repeat([0, 1], 100)
    table = clean(image_set(images, labels), CleanConfig(max_share=0.5))
    assert table["keep"].all()
    assert table["evidence"][:40].str.contains("40 of 100 images of class 'class0' would go").all()


def test_files_of_any_suffix_that_begin_as_images_are_read_and_others_named(here):
    write_folder(here / "data", some_images(12), np.arange(12) % 2)
    for place, name in enumerate(["000", "000.jpe", "000.dat", "000.JPG_large", "000.webp2"]):
        formats = {"000.jpe": "JPEG", "000.webp2": "WEBP"}
        Image.fromarray(some_images(20)[12 + place]).save(here / "data" / "cat" / name, formats.get(name, "PNG"))
    (here / "data" / "cat" / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    (here / "data" / "notes.txt").write_text("nothing")
    (here / "data" / "cat" / "._000.png").write_bytes(b"\0\5\x16\7")
    with zipfile.ZipFile("data.zip", "w") as archive:
        for file in sorted((here / "data").rglob("*")):
            archive.write(file, file.relative_to(here / "data"))
    for form in ("data", "data.zip"):
        contest, said = init(form)
        got = read(contest)
        assert counts(got) == {"cat": 11, "dog": 6}
        for text in (said, "\n".join(got.notes)):
            assert "1 .db" in text
            assert "1 .txt" in text


def test_a_folder_of_other_files_is_refused_with_what_it_holds(here):
    (here / "data" / "cat").mkdir(parents=True)
    (here / "data" / "cat" / "1.dcm").write_bytes(bytes(140))
    with pytest.raises(DataError, match=r"holds no image .* but 1 \.dcm.*DICOM"):
        init("data")


def test_class_folders_may_be_links_and_links_may_lead_in_circles(here):
    write_folder(here / "real", some_images(12), np.arange(12) % 2)
    (here / "data").mkdir()
    for name in PAIR:
        os.symlink(here / "real" / name, here / "data" / name)
    os.symlink(here / "data", here / "real" / "cat" / "round")
    contest, _ = init("data")
    assert counts(read(contest)) == {"cat": 6, "dog": 6}


@pytest.mark.parametrize("form", ["outer/set", "outer"])
def test_folders_of_parts_are_no_classes(here, form):
    for part, count in {"train": 20, "val": 6, "test": 4}.items():
        write_folder(here / "outer" / "set" / part, some_images(count, seed=count), np.arange(count) % 2)
    contest, _ = init(form)
    assert contest.classes == PAIR
    got = read(contest)
    assert counts(got) == {"cat": 13, "dog": 13}
    assert got.splits is not None
    assert Counter(got.splits.tolist()) == {"train": 20, "val": 6}
    assert len(load_test(contest, None, Workspace(Path("work")))) == 4
    with zipfile.ZipFile("set.zip", "w") as archive:
        for file in sorted((here / "outer").rglob("*.png")):
            archive.write(file, file.relative_to(here / "outer"))
    with pytest.raises(DataError, match="test and train and val are parts of a data set. Unpack it"):
        init("set.zip")


def test_rare_spellings_of_a_class_are_typos_and_letters_are_not(here):
    images = some_images(60)
    write_folder(here / "data", images[:40], np.arange(40) % 2, ("Cat", "Dog"))
    write_folder(here / "data", images[40:44], np.arange(4) % 2, ("cat", "DOG"))
    contest, said = init("data")
    assert contest.classes == ("Cat", "Dog")
    assert counts(read(contest)) == {"Cat": 22, "Dog": 22}
    assert "'Cat' (20), 'cat' (2) are taken for one class" in said
    write_folder(here / "letters", images[:40], np.arange(40) % 2, ("a", "b"))
    write_folder(here / "letters", images[40:42], np.arange(2) % 2, ("A", "B"))
    contest, said = init("letters")
    assert counts(read(contest)) == {"A": 1, "B": 1, "a": 20, "b": 20}
    assert "are taken for different classes" in said


def test_typos_of_a_tables_labels(here):
    table = files_and_table(here)
    table["what"] = [" cat" if row == 2 else "CAT " if row == 4 else value for row, value in enumerate(table["what"])]
    table.to_csv("train.csv", index=False)
    contest, said = init("train.csv")
    assert counts(read(contest)) == {"cat": 12, "dog": 12}
    assert "'cat' (11), 'CAT' (1) are taken for one class" in said


def files_and_table(here: Path, folder: str = "train", count: int = 24) -> pd.DataFrame:
    """Images 0000000.png, 0000007.png, ...; a table of columns no name of which is usual."""
    (here / folder).mkdir(parents=True, exist_ok=True)
    ids = [f"{7 * row:07d}" for row in range(count)]
    for one, image in zip(ids, some_images(count)):
        Image.fromarray(image).save(here / folder / f"{one}.png")
    return pd.DataFrame({"Name": "a", "Scan #": ids, "what": [PAIR[row % 2] for row in range(count)]})


def test_columns_are_found_by_what_they_hold(here):
    """`Name` is a usual name for ids, and holds none."""
    files_and_table(here).to_csv("The Labels.csv", index=False)
    contest, _ = init(here)
    assert (contest.data.id_column, contest.data.labels) == ("Scan #", "what")
    got = read(contest)
    assert counts(got) == {"cat": 12, "dog": 12}
    assert got.ids[1] == "0000007"


def test_training_images_are_told_from_test_images_of_the_same_name(here):
    files_and_table(here, "images/train").to_csv("labels.csv", index=False)
    for row in range(5):
        path = here / "images" / "test" / f"{7 * row:07d}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (16, 16)).save(path)
    contest, said = init(here)
    got = read(contest)
    np.testing.assert_array_equal(got.images, some_images(24))
    assert Path(contest.data.test) == here / "images" / "test"
    assert "Test images are those in" in said


@pytest.mark.parametrize(("name", "line"), [("train.csv", "{}.png,{}"), ("list.txt", "{}.png {}")])
def test_a_table_without_a_header_loses_no_row(here, name, line):
    table = files_and_table(here)
    lines = [line.format(one, label) for one, label in zip(table["Scan #"], table["what"])]
    (here / name).write_text("\n".join(lines) + "\n")
    contest, _ = init(name)
    assert counts(read(contest)) == {"cat": 12, "dog": 12}


@pytest.mark.parametrize(
    ("first", "wrong"),
    [(",".join(["5"] + ["0"] * 16), "its first line holds 17 numbers"), ("id,label,id", "'id' occurs twice")],
)
def test_other_headers_that_are_none_are_refused(here, first, wrong):
    (here / "train.csv").write_text(first + "\n" + first + "\n")
    with pytest.raises(DataError, match=wrong):
        init("train.csv")


def test_a_repeated_id_is_named(here):
    table = files_and_table(here)
    pd.concat([table, table[3:4].assign(Name="b")]).to_csv("train.csv", index=False)
    with pytest.raises(DataError, match=r"1 values of column 'Scan #' occur more than once \(such as '0000021'\)"):
        init("train.csv")


@pytest.mark.parametrize("names", ["pix_{1}_{2}", "{1}x{2}", "r{1}c{2}", "p{0}", "{0}"])
def test_pixel_columns_of_any_usual_name_beside_a_label_and_an_id(here, names):
    images = some_images(24, 8)[..., 0]
    columns = [names.format(8 * row + column, row, column) for row in range(8) for column in range(8)]
    table = pd.DataFrame(images.reshape(24, -1), columns=columns)
    table.insert(0, "digit", np.arange(24) % 2)
    table.insert(0, "ImageId", np.arange(1, 25))
    table.to_csv("mnist_train.csv", index=False)
    table.drop(columns="digit")[:5].to_csv("mnist_test.csv", index=False)
    contest, _ = init(here)
    got = read(contest)
    assert counts(got) == {"0": 12, "1": 12}
    np.testing.assert_array_equal(got.images[..., 0], images)
    assert got.ids[0] == "1"
    assert len(load_test(contest, None, Workspace(Path("work")))) == 5


def test_a_table_in_several_parquet_files(here):
    pytest.importorskip("pyarrow")
    flat = some_images(24, 8)[..., 0].reshape(24, -1)
    whole = pd.DataFrame({"pixels": list(flat), "label": [PAIR[row % 2] for row in range(24)]})
    for part in range(2):
        whole[12 * part : 12 * part + 12].to_parquet(f"train-0000{part}-of-00002.parquet")
    contest, _ = init(here)
    assert counts(read(contest)) == {"cat": 12, "dog": 12}
    (here / "train-00001-of-00002.parquet").unlink()
    with pytest.raises(DataError, match="train-00001-of-00002.parquet is not there"):
        init(here / "train-00000-of-00002.parquet")


def test_arrays_of_training_and_test_data_in_one_file(here):
    images = some_images(30)
    arrays = {"set/train/scans": images[:24], "set/train/kind": np.arange(24) % 2, "set/test/scans": images[24:]}
    np.savez("all.npz", **arrays)
    contest, said = init("all.npz")
    np.testing.assert_array_equal(read(contest).images, images[:24])
    np.testing.assert_array_equal(load_test(contest, None, Workspace(Path("work"))).images, images[24:])
    assert "'set/test/scans'" in said


def write_idx(path: Path, array: np.ndarray, kind: int = 8) -> None:
    head = struct.pack(">HBB", 0, kind, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    data = head + array.tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def test_the_only_array_beside_the_images_holds_the_labels_whatever_its_name(here):
    kinds = np.array([PAIR[row % 2] for row in range(24)])
    np.savez("all.npz", **{"train/scans": some_images(24), "train/animal": kinds, "meta/mean": np.zeros(3)})
    assert counts(read(init("all.npz")[0])) == {"cat": 12, "dog": 12}
    np.savez("two.npz", **{"train/scans": some_images(24), "train/animal": kinds, "train/patient": kinds})
    with pytest.raises(DataError, match="which array holds the labels cannot be guessed"):
        init("two.npz")


@pytest.mark.parametrize("end", ["", ".gz"])
def test_idx_files(here, end):
    grey = some_images(30)[..., 0]
    write_idx(here / f"train-images-idx3-ubyte{end}", grey[:24])
    with pytest.raises(DataError, match="train-labels-idx1-ubyte.* is not there"):
        init(here)
    write_idx(here / f"train-labels-idx1-ubyte{end}", (np.arange(24) % 2).astype(np.uint8))
    write_idx(here / f"t10k-images-idx3-ubyte{end}", grey[24:])
    contest, _ = init(here)
    got = read(contest)
    np.testing.assert_array_equal(got.images[..., 1], grey[:24])
    assert counts(got) == {"0": 12, "1": 12}
    np.testing.assert_array_equal(load_test(contest, None, Workspace(Path("work"))).images[..., 0], grey[24:])
    write_idx(here / f"train-images-idx3-ubyte{end}", np.append(grey[:24].ravel(), np.uint8(0)).reshape(1, 1, -1), 13)
    with pytest.raises(DataError, match="not a whole IDX file"):
        init(here)


def test_idx_files_of_training_are_no_test_images(here):
    """Unpacked files beside the packed ones, and files of several sets in one folder."""
    grey = some_images(30)[..., 0]
    for end in ("", ".gz"):
        write_idx(here / f"set-b-train-images-idx3-ubyte{end}", grey[:24])
        write_idx(here / f"set-b-train-labels-idx1-ubyte{end}", (np.arange(24) % 2).astype(np.uint8))
    assert init(here)[0].data.test == ""
    for name in ("a", "b"):
        write_idx(here / f"set-{name}-test-images-idx3-ubyte", grey[24:])
    assert init(here)[0].data.test.endswith("set-b-test-images-idx3-ubyte")


def test_labels_of_an_idx_file_that_change_are_read_again(here):
    write_idx(here / "train-images-idx4-ubyte", some_images(24))
    write_idx(here / "train-labels-idx1-ubyte", (np.arange(24) % 2).astype(np.uint8))
    contest = init(here / "train-images-idx4-ubyte")[0]
    contest = contest.model_copy(update={"data": contest.data.model_copy(update={"labels": ""})})
    assert counts(read(contest)) == {"0": 12, "1": 12}
    write_idx(here / "train-labels-idx1-ubyte", (np.arange(24) % 3 % 2).astype(np.uint8))
    assert counts(read(contest)) == {"0": 16, "1": 8}


def test_labels_beside_the_images_in_a_file_with_a_scalar(here):
    np.savez("train_images.npz", images=some_images(24))
    np.savez("train_labels.npz", labels=np.arange(24) % 2, version=np.array(3))
    with pytest.raises(DataError, match="which array holds the labels"):
        init("train_images.npz")


def test_names_of_classes_in_bytes(here):
    np.savez("all.npz", images=some_images(24), labels=np.array(["réd".encode(), b"blue"] * 12))
    assert counts(read(init("all.npz")[0])) == {"blue": 12, "réd": 12}


def test_json_of_lists_of_labels(here):
    """A list of one is that label; of several, none is left out without a word."""
    names = files_and_table(here, "images")["Scan #"] + ".png"
    told = {name: [PAIR[row % 2]] if row < 3 else PAIR[row % 2] for row, name in enumerate(names)}
    (here / "train.json").write_text(json.dumps(told | {"classes": list(PAIR)}))
    assert counts(read(init("train.json")[0])) == {"cat": 12, "dog": 12}
    (here / "train.json").write_text(json.dumps(told | {names[7]: list(PAIR)}))
    with pytest.raises(DataError, match=f"multi-label: 1 images have several labels .such as {names[7]}"):
        init("train.json")


def test_what_a_sample_asks_for_and_the_data_lack(here):
    write_folder(here / "data", some_images(12), np.arange(12) % 2)
    pd.DataFrame({"id": ["1", "2"], "label": ["dog", "zeppelin"]}).to_csv("sample.csv", index=False)
    assert "labels that no training image has (zeppelin)" in init("data", sample=Path("sample.csv"))[1]
    pd.DataFrame({"id": ["1", "2"], "label": ["0.5", "0.5"]}).to_csv("sample.csv", index=False)
    contest, said = init("data", sample=Path("sample.csv"))
    assert contest.metric == "roc_auc"
    assert "metric = 'roc_auc' is assumed" in said
    assert "that of the second class, 'dog'" in said
