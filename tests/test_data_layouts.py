"""How folders and tables of other people lie: masks beside images, patients above classes, paths of another machine."""

from __future__ import annotations

import io
import json
import unicodedata
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from data_toy import some_images
from PIL import Image

from kit.config import ContestConfig, DataConfig
from kit.data.forms.form import Form
from kit.data.forms.recognise import recognise
from kit.data.sources.companions import companions
from kit.data.sources.imageset import ImageSet
from kit.data.sources.load import load, load_test
from kit.data.sources.unread import WAYS
from kit.errors import DataError
from kit.inference.matching import match
from kit.workspace import Workspace

CLASSES = ("cat", "dog", "emu")
IMAGES, LABELS = some_images(18), np.arange(18) % 3
ROWS = range(18)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def save(path: str, image: np.ndarray) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


def mask(row: int) -> np.ndarray:
    return (IMAGES[row].mean(axis=2) > 128).astype(np.uint8) * 255


def png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def contest_of(found: Form) -> ContestConfig:
    data = DataConfig(kind=found.kind, path=found.path, test=found.test, **found.data)
    return ContestConfig(name="toy", classes=found.classes, image_size=16, data=data)


def read(found: Form) -> ImageSet:
    return load(contest_of(found), None, Workspace(Path("work")))


def check(found: Form, classes: tuple[str, ...] = CLASSES) -> ImageSet:
    """Every image is there once, unchanged, under its label."""
    assert found.classes == classes
    got = read(found)
    expected = sorted((image.tobytes(), label) for image, label in zip(IMAGES, LABELS.tolist()))
    assert sorted((image.tobytes(), label) for image, label in zip(got.images, got.need_labels().tolist())) == expected
    return got


# ------------------------------------------------------------------------------------------------ masks
BESIDE = {
    "a mask's ending": "{c}/{c} ({row})_mask.png",
    "a second mask": "{c}/{c} ({row})_mask_1.png",
    "masks in a folder of the class": "{c}/masks/{c} ({row}).png",
    "a folder of thumbnails": "{c}/Thumbnails/{c} ({row}).png",
    "trimaps": "annotations/trimaps/{c}/{c} ({row}).png",
}


@pytest.mark.parametrize("form", BESIDE.values(), ids=BESIDE)
@pytest.mark.parametrize("zipped", [False, True])
def test_masks_and_thumbnails_are_no_training_images(form: str, zipped: bool) -> None:
    for row in ROWS:
        save(f"d/{CLASSES[LABELS[row]]}/{CLASSES[LABELS[row]]} ({row}).png", IMAGES[row])
        save("d/" + form.format(c=CLASSES[LABELS[row]], row=row), mask(row))
    if zipped:
        with zipfile.ZipFile("d.zip", "w") as made:
            for path in sorted(Path("d").rglob("*.png")):
                made.write(path)
    found = recognise(Path("d.zip" if zipped else "d"))
    got = check(found)
    assert any("18 masks or thumbnails of other images (such as" in note for note in got.notes)
    assert any("18 masks or thumbnails" in doubt for doubt in found.doubts)


def test_images_and_masks_beside_each_other() -> None:
    for row in ROWS:
        save(f"d/images/{CLASSES[LABELS[row]]}/{row}.png", IMAGES[row])
        save(f"d/masks/{CLASSES[LABELS[row]]}/{row}.png", mask(row))
    check(recognise(Path("d")))


@pytest.mark.parametrize(
    "names",
    [
        ["Mask/1.jpg", "Mask/2.jpg", "No Mask/1.jpg", "No Mask/2.jpg"],
        ["images/Mask/1.jpg", "images/Normal/1.jpg"],
        ["with_mask/with_mask_1.jpg", "without_mask/without_mask_1.jpg"],
        ["thumb/1.jpg", "index/1.jpg"],
        ["masks/1.png", "images/2.png"],
        ["a/gt.png", "a/gt_2.png"],
        ["original/1.jpg", "photo/1.jpg"],
    ],
)
def test_images_that_only_seem_to_be_masks_are_kept(names: list[str]) -> None:
    assert companions(names) == []


# ------------------------------------------------------------------------------------------------ levels
def test_patients_around_the_classes_are_groups() -> None:
    for row in ROWS:
        save(f"d/{8863 + 7 * (row // 2)}/{LABELS[row]}/x{row}.png", IMAGES[row])
    found = recognise(Path("d"))
    got = check(found, ("0", "1", "2"))
    assert got.groups is not None
    assert len(np.unique(got.groups)) == 9
    assert any("'8863'" in doubt and "9 stay in one fold" in doubt for doubt in found.doubts)


def test_classes_of_every_writer() -> None:
    for row in ROWS:
        save(f"d/writer{row // 9}/{CLASSES[LABELS[row]]}/{row}.png", IMAGES[row])
    groups = check(recognise(Path("d"))).groups
    assert groups is not None
    assert len(np.unique(groups)) == 2


@pytest.mark.parametrize("patient", ["patient_{}", "P{:03d}", "Slide {}"])
def test_patients_in_the_class_folders_are_groups(patient: str) -> None:
    for row in ROWS:
        save(f"d/{CLASSES[LABELS[row]]}/{patient.format(row // 6)}/{row}.png", IMAGES[row])
    got = check(recognise(Path("d")))
    assert got.groups is not None
    assert got.groups.tolist() == [name.split("/")[1] for name in got.ids]


def test_numbered_folders_in_the_class_folders_are_a_doubt() -> None:
    for row in ROWS:
        save(f"d/{CLASSES[LABELS[row]]}/{row // 3}/{row}.png", IMAGES[row])
    found = recognise(Path("d"))
    assert check(found).groups is None
    assert any('group_pattern = "^(?:[^/]+/){1}([^/]+)/"' in doubt for doubt in found.doubts)


def test_the_same_images_in_several_forms_are_refused() -> None:
    for row in ROWS:
        for form in ("colour", "grey"):
            save(f"d/{form}/{CLASSES[LABELS[row]]}/{row}.png", IMAGES[row])
    with pytest.raises(DataError, match="colour, grey each hold cat, dog, emu. Give --data one of them"):
        recognise(Path("d"))
    check(recognise(Path("d/grey")))


def test_classes_below_classes_are_a_doubt() -> None:
    for row in ROWS:
        save(f"d/{'bird' if LABELS[row] == 2 else 'beast'}/{CLASSES[LABELS[row]]}/{row}.png", IMAGES[row])
    found = recognise(Path("d"))
    assert found.classes == ("beast", "bird")
    assert any("cat, dog, emu" in doubt and "label_pattern" in doubt for doubt in found.doubts)


def test_accents_of_a_mac_are_those_of_the_sample_and_empty_folders_are_told() -> None:
    names = ("chât", "größe", "réd")
    for row in ROWS:
        save(f"d/{unicodedata.normalize('NFD', names[LABELS[row]])}/{row}.png", IMAGES[row])
    Path("d/whale").mkdir()
    found = recognise(Path("d"))
    check(found, names)
    assert "Folders without an image are no classes: whale." in found.doubts


def test_a_group_pattern_must_fit() -> None:
    for row in ROWS:
        save(f"d/{CLASSES[LABELS[row]]}/p{row // 6}_{row}.png", IMAGES[row])
    found = recognise(Path("d"))
    found.data["group_pattern"] = r"^p(\d+)_"
    assert sorted(np.unique(read(found).groups)) == ["0", "1", "2"]
    found.data["group_pattern"] = r"^q(\d+)_"
    with pytest.raises(DataError, match="group_pattern must fit every file name, but 18 of 18 do not"):
        read(found)


def test_the_current_folder_is_a_path() -> None:
    for row in ROWS:
        save(f"{CLASSES[LABELS[row]]}/{row}.png", IMAGES[row])
    check(recognise(Path(".")))


# ------------------------------------------------------------------------------------------------ tables
def table(name: str, files: str = "images/{}.png", **columns: object) -> Path:
    for row in ROWS:
        save(files.format(row), IMAGES[row])
    pd.DataFrame(columns).to_csv(name, index=False)
    return Path(name)


NAMES = np.array(CLASSES)[LABELS]


def test_the_column_of_labels_is_known_by_its_name_among_others() -> None:
    other = {"Width": 29 + np.arange(18) % 5, "sex": np.array(["m", "f"])[np.arange(18) % 2]}
    ids = {"Path": [f"images/{row}.png" for row in ROWS]}
    check(recognise(table("Train.csv", **other, ClassId=LABELS, **ids)), ("0", "1", "2"))
    found = recognise(table("Train.csv", **other, tumour_type=NAMES, **ids))
    check(found)
    assert any("Other columns with few values: sex, Width" in doubt for doubt in found.doubts)


@pytest.mark.parametrize("values", [("0", "1"), ("-1", "1"), ("False", "True")])
def test_marks_of_several_classes_are_multi_label(values: tuple[str, str]) -> None:
    rng = np.random.default_rng(0)
    marks = {name: np.array(values)[rng.integers(0, 2, 18)] for name in ("edema", "mass", "nodule")}
    with pytest.raises(DataError, match="multi-label: edema, mass, nodule are marks"):
        recognise(table("train.csv", id=list(ROWS), **marks))


def test_shares_of_classes_are_refused() -> None:
    shares = np.random.default_rng(0).dirichlet([1, 1, 1], 18)
    columns = dict(zip(CLASSES, shares.T))
    with pytest.raises(DataError, match="cat, dog, emu are shares that add up to 1"):
        recognise(table("train.csv", id=list(ROWS), **columns))


def test_a_class_that_no_row_shows_is_told_and_left_out() -> None:
    columns = {name: (label == LABELS).astype(float) for label, name in enumerate((*CLASSES, "unknown"))}
    found = recognise(table("train.csv", id=list(ROWS), **columns))
    check(found)
    assert "No row has a 1 in unknown: no image shows it, and it is never predicted." in found.doubts


def test_whole_numbers_as_floats_are_classes_without_a_point() -> None:
    check(recognise(table("train.csv", id=list(ROWS), label=LABELS + 1.0)), ("1", "2", "3"))


@pytest.mark.parametrize("none", ["-1", "nan", "?"])
def test_labels_that_may_mean_none_are_a_doubt(none: str) -> None:
    found = recognise(table("train.csv", id=list(ROWS), label=np.where(np.arange(18) < 4, none, NAMES)))
    assert any(f"4 rows have the label {none!r}" in doubt for doubt in found.doubts)


@pytest.mark.parametrize("columns", [{"index": range(3), "name": CLASSES}, {"code": ["a", "b", "c"], "name": CLASSES}])
def test_a_table_that_is_not_of_the_images_gives_way_to_class_folders(columns: dict[str, object]) -> None:
    for row in ROWS:
        save(f"d/{CLASSES[LABELS[row]]}/{row}.png", IMAGES[row])
    pd.DataFrame(columns).to_csv("d/names.csv", index=False)
    found = recognise(Path("d"))
    check(found)
    assert any(doubt.startswith("names.csv is left aside") for doubt in found.doubts)


def test_test_images_in_the_folder_of_the_training_images() -> None:
    table("train.csv", image_id=[f"{row}" for row in ROWS], label=NAMES)
    for row in range(4):
        save(f"images/t{row}.png", IMAGES[row, ::-1])
    pd.DataFrame({"image_id": [f"t{row}" for row in (2, 0, 3, 1)]}).to_csv("test.csv", index=False)
    found = recognise(Path("."))
    check(found)
    assert not [doubt for doubt in found.doubts if "left out" in doubt]
    tests = load_test(contest_of(found), None, Workspace(Path("work")))
    np.testing.assert_array_equal(tests.images, IMAGES[[2, 0, 3, 1], ::-1])


def test_a_zip_with_a_table_says_what_to_do() -> None:
    with zipfile.ZipFile("all.zip", "w") as made:
        for row in ROWS:
            made.writestr(f"images/{row}.png", png(IMAGES[row]))
        made.writestr("train.csv", "id,label\n")
    with pytest.raises(DataError, match="unpack it, and give --data that table"):
        recognise(Path("all.zip"))


# ------------------------------------------------------------------------------------------------ JSON, arrow, shards
def coco(several: bool = False) -> dict[str, object]:
    annotations = [{"id": row, "image_id": row, "category_id": int(LABELS[row]) + 5} for row in ROWS]
    annotations += [{"id": 90, "image_id": 3, "category_id": 6 if several else int(LABELS[3]) + 5}]
    return {
        "images": [{"id": row, "file_name": f"images/{row}.png", "height": 16} for row in ROWS],
        "annotations": annotations,
        "categories": [{"id": label + 5, "name": name} for label, name in enumerate(CLASSES)],
    }


def rows(key: str) -> list[dict[str, object]]:
    return [{key: f"{row}.png", "label": NAMES[row], "more": [1]} for row in ROWS]


JSONS = {
    "COCO": ("train.json", lambda: json.dumps(coco())),
    "rows": ("train.json", lambda: json.dumps(rows("image"))),
    "by file": ("labels.json", lambda: json.dumps({one["file"]: one["label"] for one in rows("file")})),
    "rows by file": ("metadata.json", lambda: json.dumps({one.pop("file"): one for one in rows("file")})),
    "lines": ("metadata.jsonl", lambda: "\n".join(map(json.dumps, rows("file_name")))),
}


@pytest.mark.parametrize("name", JSONS)
@pytest.mark.parametrize("whole", [False, True])
def test_tables_in_json(name: str, whole: bool) -> None:
    for row in ROWS:
        save(f"d/images/{row}.png", IMAGES[row])
    path = Path("d") / JSONS[name][0]
    path.write_text(JSONS[name][1]())
    Path("d/sample_submission.csv").write_text("id,label\n1,cat\n")
    check(recognise(Path("d") if whole else path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (lambda: json.dumps(coco(several=True)), "detection or multi-label: 1 of 18 images have several"),
        (lambda: json.dumps([{"image": "0.png", "label": "cat", "bbox": [1, 2, 3, 4]}]), "this is detection"),
        (lambda: "[1, 2]", "must be a list of rows"),
        (lambda: '"cat"', "must be a list of rows"),
        (lambda: '{"images": [{"name": 1}]}', "not COCO's"),
        (lambda: "{", "not a readable JSON file"),
        (lambda: "[" * 100_000, "not a readable JSON file"),
    ],
)
def test_json_that_holds_no_labels_is_refused(text, message: str) -> None:
    save("0.png", IMAGES[0])
    Path("train.json").write_text(text())
    with pytest.raises(DataError, match=message):
        recognise(Path("train.json"))


def arrow(path: str, rows: range, stream: bool) -> None:
    pa = pytest.importorskip("pyarrow")
    made = pa.table({"image": [{"bytes": png(IMAGES[row]), "path": None} for row in rows], "label": LABELS[list(rows)]})
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with pa.OSFile(path, "wb") as file, (pa.ipc.new_stream if stream else pa.ipc.new_file)(file, made.schema) as out:
        out.write_table(made)


@pytest.mark.parametrize("stream", [True, False])
def test_data_sets_saved_as_arrow(stream: bool) -> None:
    for part in range(2):
        arrow(f"d/train/data-{part:05d}-of-00002.arrow", range(part, 18, 2), stream)
    arrow("d/test/data-00000-of-00001.arrow", range(5), stream)
    Path("d/train/state.json").write_text("{}")
    found = recognise(Path("d"))
    check(found, ("0", "1", "2"))
    tests = load_test(contest_of(found), None, Workspace(Path("work")))
    np.testing.assert_array_equal(tests.images, IMAGES[:5])


def test_shards_with_digests_in_their_names_are_all_read() -> None:
    pytest.importorskip("pyarrow")
    Path("d/data").mkdir(parents=True)
    Path("d/README.md").write_text("")
    for part in range(2):
        rows = range(part, 18, 2)
        files = [{"bytes": png(IMAGES[row]), "path": None} for row in rows]
        made = pd.DataFrame({"image": files, "label": LABELS[rows]})
        made.to_parquet(f"d/data/train-{part:05d}-of-00002-3f{part}bcd.parquet")
    made.drop(columns="label").to_parquet("d/data/test-00000-of-00001-77aa.parquet")
    found = recognise(Path("d"))
    check(found, ("0", "1", "2"))
    assert found.test == "d/data/test-00000-of-00001-77aa.parquet"
    Path("d/data/train-00001-of-00002-3f1bcd.parquet").unlink()
    with pytest.raises(DataError, match="train-00001-of-00002.parquet is not there"):
        recognise(Path("d/data/train-00000-of-00002-3f0bcd.parquet"))


@pytest.mark.parametrize("first", [True, False])
def test_flat_pixels_in_an_npz(first: bool) -> None:
    flat = (IMAGES.transpose(0, 3, 1, 2) if first else IMAGES).reshape(18, -1)
    np.savez("d.npz", data=flat, labels=LABELS)
    check(recognise(Path("d.npz")), ("0", "1", "2"))


def test_an_array_that_is_no_image_is_refused() -> None:
    np.savez("d.npz", data=np.zeros((18, 50)), labels=LABELS)
    with pytest.raises(DataError, match=r"shape \(N, H, W\) or more, but got \(18, 50\)"):
        recognise(Path("d.npz"))


@pytest.mark.parametrize("suffix", WAYS)
def test_files_that_the_kit_does_not_read_come_with_a_way_out(suffix: str) -> None:
    Path("d").mkdir()
    for name in "xy":
        Path(f"d/{name}{suffix}").write_bytes(b"x" * 99)
    if suffix == ".csv":
        with zipfile.ZipFile("d.zip", "w") as made:
            made.writestr("train.csv", "id,label\n")
    known = (".zip", ".json", ".npy", ".npz", ".csv")
    for path in [Path("d.zip" if suffix == ".csv" else "d")] + [Path(f"d/x{suffix}")] * (suffix not in known):
        with pytest.raises(DataError) as error:
            recognise(path)
        assert WAYS[suffix] in str(error.value)


# ------------------------------------------------------------------------------------------------ ids
FILES = ["cat/1.jpg", "cat/2.jpg", "dog/1.jpg"]


def test_paths_of_another_machine_lead_to_their_images() -> None:
    ids = ["../input/contest/cat/1.jpg", "../input/contest/dog/1.jpg", "../input/contest/cat/2.jpg"]
    assert match(ids, FILES) == ["cat/1.jpg", "dog/1.jpg", "cat/2.jpg"]
    windows = [f"C:\\data\\images\\{one}" for one in ("2.jpg", "7.jpg")]
    assert match(windows, ["1.jpg", "2.jpg"], "images") == ["2.jpg", None]
    assert match(windows, ["more/2.jpg", "images/2.jpg"]) == ["images/2.jpg", None]


@pytest.mark.parametrize("ids", [["x/1.jpg", "x/2.jpg"], ["/data/x/1.jpg", "/data/x/2.jpg"], ["part2/1.jpg"]])
def test_another_folder_holds_other_images(ids: list[str]) -> None:
    assert match(ids, ["1.jpg", "2.jpg"], "part1") == [None] * len(ids)


def test_paths_of_test_images_never_lead_to_training_images() -> None:
    assert match(["test/1.jpg", "test/2.jpg"], ["1.jpg", "2.jpg"], "train") == [None, None]
    assert match(["in/train/1.jpg", "in/train/2.jpg"], ["1.jpg", "2.jpg"], "train") == ["1.jpg", "2.jpg"]


def test_one_ending_that_no_image_has_is_left_aside() -> None:
    assert match(["a.dcm", "b.dcm"], ["a.png", "b.png"]) == ["a.png", "b.png"]
    assert match(["a.dcm", "b.png"], ["a.png", "b.png"]) == [None, "b.png"]
    assert match(["a.jpg", "b.jpg"], ["a.png", "b.png", "c.jpg"]) == [None, None]


def test_numbers_may_have_lost_their_zeros() -> None:
    files = ["00001.png", "00012.png", "12345.png"]
    assert match(["1", "12", "12345"], files) == files
    assert match(["1", "3"], ["01.png", "1.png", "3.png"]) == ["1.png", "3.png"]
    assert match(["1", "x"], ["01.png", "x.png"]) == [None, "x.png"]


def test_cameras_write_endings_in_capitals() -> None:
    files = ["a/IMG_1.JPG", "a/img_2.jpg", "a/x.PNG", "b/X.png"]
    assert match(["img_1.jpg", "img_2.jpg", "a/X.png"], files) == ["a/IMG_1.JPG", "a/img_2.jpg", "a/x.PNG"]
    assert match(["img_1.jpg", "x.png"], files) == ["a/IMG_1.JPG", None]


@pytest.mark.parametrize("form", ["npz", "h5"])
def test_labels_in_a_file_beside_that_of_the_images(form: str) -> None:
    arrays = {"train-imgs": IMAGES, "train-labels": LABELS, "test-imgs": IMAGES[:4], "test-labels": LABELS[:4]}
    for name, array in arrays.items():
        if form == "npz":
            np.savez(f"{name}.npz", array)
            continue
        with pytest.importorskip("h5py").File(f"{name}.h5", "w") as file:
            file[name[-1]] = array.reshape(-1, 1, 1, 1) if array.ndim == 1 else array
    found = recognise(Path(f"train-imgs.{form}"))
    check(found, ("0", "1", "2"))
    assert found.data["labels"] == f"train-labels.{form}"
    found.data["labels"] = f"test-labels.{form}"
    with pytest.raises(DataError, match="18 images and 4 labels"):
        read(found)


# ------------------------------------------------------------------------------------------------ parts, copies
PARTS = {"Training": "Testing", "seg_train/seg_train": "seg_pred/seg_pred", "train_set": "test_set", "TRAIN": "test1"}


@pytest.mark.parametrize(("train", "test"), PARTS.items())
def test_parts_of_a_data_set_are_no_classes(train: str, test: str) -> None:
    for row in ROWS:
        save(f"d/{train}/{CLASSES[LABELS[row]]}/{row}.png", IMAGES[row])
    for row in range(4):
        save(f"d/{test}/{row}.png", IMAGES[row])
    found = recognise(Path("d"))
    check(found)
    assert found.test == f"d/{test.partition('/')[0]}"
    with zipfile.ZipFile("d.zip", "w") as made:
        for path in sorted(Path("d").rglob("*.png")):
            made.write(path)
    with pytest.raises(DataError, match="are parts of a data set. Unpack it"):
        recognise(Path("d.zip"))


@pytest.mark.parametrize("classes", [("bus", "car", "train"), ("bullet train", "freight train", "test train car")])
def test_trains_may_be_classes(classes: tuple[str, ...]) -> None:
    for row in ROWS:
        save(f"d/{classes[LABELS[row]]}/{row}.png", IMAGES[row])
    check(recognise(Path("d")), classes)


def test_class_folders_that_are_there_twice_are_refused() -> None:
    for row in ROWS:
        save(f"d/{CLASSES[LABELS[row]]}/{row}.png", IMAGES[row])
        save(f"d/cells/{CLASSES[LABELS[row]]}/{row}.png", IMAGES[row])
    with pytest.raises(DataError, match=r"cells holds folders called as those beside it \(cat, dog, emu\)"):
        recognise(Path("d"))
    check(recognise(Path("d/cells")))


COPIES = {
    "Roboflow": ("{}_jpg.rf.{:032x}.png", lambda row: 77 * row),
    "turned": ("{}{}.png", lambda row: ("", "_90deg", "_new30degFlipLR")[row // 6]),
    "numbered": ("{}{}.png", lambda row: ("", "_aug_1", " flip 2")[row // 6]),
}


@pytest.mark.parametrize("name", COPIES)
def test_augmented_copies_stay_in_one_fold(name: str) -> None:
    form, copy = COPIES[name]
    for row in ROWS:
        save(f"d/{CLASSES[LABELS[row]]}/" + form.format(f"image {row % 6}", copy(row)), IMAGES[row])
    got = check(recognise(Path("d")))
    assert got.groups is not None
    assert len(np.unique(got.groups)) == 6
    numbers = [name.partition("image ")[2][0] for name in got.ids]
    assert len(set(zip(numbers, got.groups))) == 6


def test_augmented_copies_in_a_table_stay_in_one_fold() -> None:
    names = [f"{row % 6}_jpg.rf.{77 * row:032x}" for row in ROWS]
    for row in ROWS:
        save(f"d/images/{names[row]}.png", IMAGES[row])
    pd.DataFrame({"filename": names, "label": NAMES}).to_csv("d/_classes.csv", index=False)
    assert check(recognise(Path("d"))).groups.tolist() == [f"{row % 6}_jpg" for row in ROWS]


@pytest.mark.parametrize("form", ["apple_{}_rotten.png", "noise_{}.png", "img_rot{}ten.png"])
def test_names_that_tell_of_no_copies_make_no_groups(form: str) -> None:
    for row in ROWS:
        save(f"d/{CLASSES[LABELS[row]]}/{form.format(row)}", IMAGES[row])
    assert check(recognise(Path("d"))).groups is None


@pytest.mark.parametrize(("slides", "kept"), [(9, True), (3, False)])
@pytest.mark.parametrize("form", ["s{}_x{:02d}_y512.png", "s{} frame{:04d}.png", "s{}_Slice_{}.png"])
def test_tiles_and_frames_stay_in_one_fold_where_slides_and_films_are_many(form: str, slides: int, kept: bool) -> None:
    for row in ROWS:
        save(f"d/{CLASSES[LABELS[row]]}/{form.format(row % slides, row)}", IMAGES[row])
    found = recognise(Path("d"))
    groups = check(found).groups
    assert (groups is not None and len(np.unique(groups)) == slides) == kept
    assert any("set group_pattern" in doubt for doubt in found.doubts) != kept


@pytest.mark.parametrize("table", ["sample_submission.csv", "test.csv"])
def test_rows_without_a_label_that_the_sample_is_about_are_the_test_images(table: str) -> None:
    for row in ROWS:
        save(f"images/{row:02d}.png", IMAGES[row])
    rows = pd.DataFrame({"id": [f"{row:02d}" for row in ROWS], "label": [*NAMES[:12], *[""] * 6]})
    rows.to_csv("metadata.csv" if table[0] == "s" else "train.csv", index=False)
    pd.DataFrame({"id": [f"{row:02d}" for row in (17, 12, 14)], "label": "cat"}).to_csv(table, index=False)
    found = recognise(Path("."))
    assert found.test == table
    assert len(read(found)) == 12
    tests = load_test(contest_of(found), None, Workspace(Path("work")))
    np.testing.assert_array_equal(tests.images, IMAGES[[17, 12, 14]])


def test_a_sample_about_training_images_is_no_test() -> None:
    table("train.csv", image_id=[f"{row}" for row in ROWS], label=NAMES)
    pd.DataFrame({"image_id": ["1", "2"], "label": "cat"}).to_csv("sample_submission.csv", index=False)
    assert recognise(Path(".")).test == ""


@pytest.mark.parametrize(("first", "told"), [(0, True), (1, False)])
def test_only_labels_that_count_from_0_may_get_names_of_ones_own(first: int, told: bool) -> None:
    np.savez("d.npz", images=IMAGES, labels=LABELS + first)
    assert any("put their real names into" in doubt for doubt in recognise(Path("d.npz")).doubts) == told


def test_rows_that_are_there_twice_count_once_unless_they_differ() -> None:
    path = table("train.csv", id=list(ROWS), label=NAMES, age=np.arange(18) % 4)
    rows = pd.read_csv(path)
    pd.concat([rows, rows[:3]]).to_csv(path, index=False)
    found = recognise(path)
    assert "3 rows are there twice, equal in every column: each counts once" in check(found).notes
    assert "3 rows are there twice, equal in every column: each counts once." in found.doubts
    pd.concat([rows, rows[:3].assign(age=9)]).to_csv(path, index=False)
    with pytest.raises(DataError, match="every image needs one row, but 3 values of column 'id' occur more than once"):
        recognise(path)


def test_of_several_marks_the_one_that_is_called_a_class_is_the_label() -> None:
    marks = {"sex": np.arange(18) // 2 % 2, "tumour_class": LABELS % 2}
    found = recognise(table("train.csv", id=list(ROWS), **marks))
    assert found.data["labels"] == "tumour_class"
    assert any("Other columns with few values: sex" in doubt for doubt in found.doubts)
