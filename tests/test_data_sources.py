import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from data_toy import CLASSES, contest, some_images, write_folder
from PIL import Image

from kit.data.sources.load import load
from kit.errors import DataError
from kit.workspace import Workspace

IMAGES, LABELS = some_images(30), np.arange(30) % 3


@pytest.fixture
def read(tmp_path):
    """Load from a path under tmp_path by the given [data] keys."""
    return lambda path, size=16, **data: load(contest(size=size, **data), path, Workspace(tmp_path / "work"))


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (("images", "labels"), ()),
        (("X", "y"), ("images taken from the key 'X'", "labels taken from the key 'y'")),
        (("pixels", "who"), ("images taken from the key 'pixels'", "labels taken from the key 'who'")),
    ],
)
def test_npz_with_any_keys(tmp_path, read, keys, said):
    np.savez(tmp_path / "a.npz", **{keys[0]: IMAGES, keys[1]: LABELS[:, None]})
    got = read(tmp_path / "a.npz", kind="npz")
    assert got.ids[[0, -1]].tolist() == ["00", "29"]
    np.testing.assert_array_equal(got.images, IMAGES)
    np.testing.assert_array_equal(got.labels, LABELS)
    assert got.notes == said


def test_npz_with_groups_and_folds_of_the_users_own(tmp_path, read):
    patients, parts = np.arange(30)[:, None] // 3, np.array(["a", "b"] * 15)
    np.savez(tmp_path / "a.npz", images=IMAGES, labels=LABELS, patient=patients, part=parts, few=parts[:4])
    got = read(tmp_path / "a.npz", kind="npz", group_column="patient", fold_column="part")
    assert got.groups.tolist() == [str(row // 3) for row in range(30)]
    assert got.splits.tolist() == parts.tolist()
    with pytest.raises(DataError, match=r"must hold the key 'patients'.*Did you mean 'patient'"):
        read(tmp_path / "a.npz", kind="npz", group_column="patients")
    with pytest.raises(DataError, match=r"'few' must hold one value an image, but has shape \(4,\) for 30 images"):
        read(tmp_path / "a.npz", kind="npz", group_column="few")


def test_npy_with_its_labels_beside(tmp_path, read):
    np.save(tmp_path / "x.npy", IMAGES)
    np.save(tmp_path / "y.npy", np.array(CLASSES)[LABELS])
    got = read(tmp_path / "x.npy", kind="npz", labels="y.npy")
    np.testing.assert_array_equal(got.labels, LABELS)
    with pytest.raises(DataError, match="holds no labels"):
        read(tmp_path / "x.npy", kind="npz")


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (IMAGES.astype(np.int64), IMAGES),
        (IMAGES.astype(np.float32), IMAGES),
        (IMAGES.astype(np.float64) / 255, IMAGES),
        (IMAGES.astype(np.uint16) * 257, IMAGES),
        (IMAGES.transpose(0, 3, 1, 2), IMAGES),
        (IMAGES[..., 0], np.repeat(IMAGES[..., :1], 3, axis=3)),
        (IMAGES[..., :1], np.repeat(IMAGES[..., :1], 3, axis=3)),
        (np.concatenate([IMAGES, IMAGES[..., :1]], axis=3), IMAGES),
    ],
    ids=["int64", "float", "unit float", "16 bit", "channels first", "grey", "one channel", "rgba"],
)
def test_arrays_of_every_layout_and_type(tmp_path, read, given, wanted):
    np.savez(tmp_path / "a.npz", images=given, labels=LABELS)
    got = read(tmp_path / "a.npz", kind="npz")
    np.testing.assert_array_equal(got.images, wanted)
    assert (got.notes == ()) == (given.dtype == np.uint8 and given.shape == wanted.shape)


def test_arrays_of_another_size_are_resized_with_a_note(tmp_path, read):
    np.savez(tmp_path / "a.npz", images=IMAGES, labels=LABELS)
    got = read(tmp_path / "a.npz", size=8, kind="npz")
    wanted = np.asarray(Image.fromarray(IMAGES[3]).resize((8, 8), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(got.images[3], wanted)
    assert got.notes == ("30 images resized to 8x8 (squash, bicubic)",)
    assert got.sizes[0].tolist() == [16, 16]


def test_folder_of_class_folders_at_any_depth(tmp_path, read):
    write_folder(tmp_path / "data" / "train", IMAGES, LABELS)
    (tmp_path / "data" / "train" / "readme.txt").write_text("no image")
    got = read(tmp_path / "data", kind="folder")
    assert got.ids[0] == "train/cat/000.png"
    for one, image, label in zip(got.ids, got.images, got.labels):
        row = int(one[-7:-4])
        np.testing.assert_array_equal(image, IMAGES[row])
        assert label == LABELS[row]


def test_the_cache_is_used_until_a_file_changes(tmp_path, read, monkeypatch):
    write_folder(tmp_path / "data", IMAGES, LABELS)
    first = read(tmp_path / "data", kind="folder")
    with monkeypatch.context() as patched:
        patched.setattr("kit.data.sources.folders.decode_all", lambda *_: pytest.fail("decoded twice"))
        again = read(tmp_path / "data", kind="folder")
    assert again.digest == first.digest
    assert isinstance(again.images, np.memmap)
    Image.fromarray(IMAGES[29]).save(tmp_path / "data" / "cat" / "000.png")
    changed = read(tmp_path / "data", kind="folder")
    assert changed.digest != first.digest
    np.testing.assert_array_equal(changed.images[0], IMAGES[29])


def test_sources_of_the_same_images_keep_their_own_groups(tmp_path, read):
    slides, sites = np.arange(30) % 5, np.arange(30) % 2
    np.savez(tmp_path / "a.npz", images=IMAGES, labels=LABELS, slide=slides, site=sites)
    for column, wanted in (("slide", slides), ("site", sites), ("slide", slides)):
        np.testing.assert_array_equal(read(tmp_path / "a.npz", group_column=column).groups, wanted.astype(str))
    assert read(tmp_path / "a.npz").groups is None
    np.testing.assert_array_equal(read(tmp_path / "a.npz", group_column="slide").groups, slides.astype(str))


def test_a_broken_cache_is_made_again(tmp_path, read):
    write_folder(tmp_path / "data", IMAGES, LABELS)
    first = read(tmp_path / "data", kind="folder")
    images = np.array(first.images)
    for file in (tmp_path / "work" / "oof" / ".cache" / "data" / first.digest).iterdir():
        content = file.read_bytes()
        file.unlink()
        file.write_bytes(content[:100])
    again = read(tmp_path / "data", kind="folder")
    assert again.digest == first.digest
    np.testing.assert_array_equal(again.images, images)


def medmnist_npz(path):
    cut = {"train": slice(0, 15), "val": slice(15, 24), "test": slice(24, 30)}
    arrays = {f"{name}_images": IMAGES[part] for name, part in cut.items()}
    np.savez(path, **arrays, **{f"{name}_labels": LABELS[part][:, None] for name, part in cut.items()})


def test_medmnist_npz_with_its_own_splits(tmp_path, read):
    medmnist_npz(tmp_path / "m.npz")
    got = read(tmp_path / "m.npz", kind="medmnist")
    assert len(got) == 24
    assert got.ids[[0, 15]].tolist() == ["train/00", "val/00"]
    assert np.unique(got.splits).tolist() == ["train", "val"]
    everything = read(tmp_path / "m.npz", kind="medmnist", splits=("train", "val", "test"))
    np.testing.assert_array_equal(everything.images, IMAGES)
    np.testing.assert_array_equal(everything.labels, LABELS)


class Downloads:
    """Stands for a class of the medmnist package: fetches its npz, or cannot."""

    def __init__(self, split, download, root, size):
        assert (split, download) == ("train", True)
        if size == 224:
            raise RuntimeError("\n   Automatic download failed!\n")
        medmnist_npz(Path(root) / ("bloodmnist.npz" if size == 28 else f"bloodmnist_{size}.npz"))


@pytest.fixture
def package(tmp_path, monkeypatch):
    info = {"bloodmnist": {"python_class": "BloodMNIST"}}
    monkeypatch.setitem(sys.modules, "medmnist", SimpleNamespace(INFO=info, BloodMNIST=Downloads))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.mark.parametrize(("size", "file"), [(16, "bloodmnist.npz"), (29, "bloodmnist_64.npz")])
def test_medmnist_by_name_is_downloaded_by_its_package(package, size, file):
    config = contest(kind="medmnist", path="bloodmnist", size=size)
    assert len(load(config, None, Workspace(package / "work"))) == 24
    assert (package / "home" / ".medmnist" / file).is_file()
    config = contest(kind="medmnist", path="bloodmnist", size=size, images=str(package / "own"))
    assert len(load(config, None, Workspace(package / "work"))) == 24
    assert (package / "own" / file).is_file()


def test_a_medmnist_name_that_cannot_be_had_is_said(package):
    with pytest.raises(DataError, match="got 'blodmnist'. Did you mean 'bloodmnist'"):
        load(contest(kind="medmnist", path="blodmnist"), None, Workspace(package))
    with pytest.raises(DataError, match="bloodmnist: Automatic download failed! Or give the npz by --data"):
        load(contest(kind="medmnist", path="bloodmnist", size=300), None, Workspace(package))


def test_practice_is_loaded_like_any_other(tmp_path):
    from kit.data.practice import contest as practice

    _, labels, names = practice.training_set()
    got = load(contest(names, size=48, kind="practice"), None, Workspace(tmp_path))
    np.testing.assert_array_equal(got.labels, labels)
    assert json.loads(json.dumps(got.class_names)) == list(names)
