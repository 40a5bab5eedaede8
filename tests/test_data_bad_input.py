"""What contests hand out by accident or malice, and what the kit says to it."""

import io
import os
import struct
import sys
import zipfile
import zlib

import numpy as np
import pytest
from data_toy import CLASSES, contest, some_images, write_folder
from PIL import Image

from kit.data.sources.load import load
from kit.errors import DataError
from kit.workspace import Workspace

IMAGES, LABELS = some_images(12), np.arange(12) % 3


@pytest.fixture
def read(tmp_path):
    """Load `tmp_path / name` by the given [data] keys."""
    return lambda name, **data: load(contest(**data), tmp_path / name, Workspace(tmp_path / "work"))


@pytest.fixture
def folder(tmp_path):
    write_folder(tmp_path / "data", IMAGES, LABELS)
    return tmp_path / "data"


def png_header(width, height):
    """A PNG that claims a size and holds one empty line."""
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def encoded(image, form):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, form)
    return buffer.getvalue()


def test_missing_path_and_empty_folder(tmp_path, read):
    with pytest.raises(DataError, match="no such file or folder"):
        read("nowhere", kind="folder")
    with pytest.raises(DataError, match="no such file"):
        read("nowhere.npz", kind="npz")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no image"):
        read("empty", kind="folder")
    with pytest.raises(DataError, match="the place of the data is missing"):
        load(contest(kind="npz"), None, Workspace(tmp_path))


def test_folders_outside_of_the_class_list(folder, read):
    (folder / "cat").rename(folder / "cta")
    with pytest.raises(DataError, match="one is 'cta'. Did you mean 'cat'"):
        read("data", kind="folder")


def test_a_class_without_images(folder, read):
    for file in (folder / "emu").iterdir():
        file.unlink()
    with pytest.raises(DataError, match="every class needs a folder with images, but emu has none"):
        read("data", kind="folder")


def test_images_beside_the_class_folders(folder, read):
    Image.fromarray(IMAGES[0]).save(folder / "stray.png")
    with pytest.raises(DataError, match="some lie outside"):
        read("data", kind="folder")


def test_one_class(tmp_path, read):
    np.savez(tmp_path / "a.npz", images=IMAGES, labels=np.zeros(12, int))
    with pytest.raises(DataError, match="at least two classes must occur, but all 12 images are 'cat'"):
        read("a.npz", kind="npz")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (encoded(IMAGES[0], "JPEG")[:-60], "truncated"),
        (b"", "UnidentifiedImageError"),
        (b"GIF89a rubbish", "Error"),
        (png_header(60_000, 60_000), "decompression bomb"),
        (png_header(12_000, 12_000), "decompression bomb"),
        (png_header(0, 0), "Error"),
    ],
    ids=["truncated", "empty", "rubbish", "bomb", "warned bomb", "zero size"],
)
def test_unreadable_images_are_listed_and_skipped_only_on_request(folder, read, content, message):
    (folder / "dog" / "001.png").write_bytes(content)
    with pytest.raises(DataError, match=rf"1 of 12 are not: dog/001.png \(.*{message}"):
        read("data", kind="folder")
    got = read("data", kind="folder", on_error="skip")
    assert len(got) == 11
    assert "dog/001.png" not in got.ids
    assert any("1 unreadable images skipped: dog/001.png" in note for note in got.notes)


def test_nothing_readable_is_an_error_even_when_skipping(folder, read):
    for file in folder.rglob("*.png"):
        file.write_bytes(b"x")
    with pytest.raises(DataError, match="12 of 12 are not"):
        read("data", kind="folder", on_error="skip")


@pytest.mark.parametrize(
    ("mode", "suffix", "note"),
    [
        ("L", "png", "of mode L converted to RGB"),
        ("RGBA", "png", "of mode RGBA converted to RGB"),
        ("CMYK", "jpg", "of mode CMYK converted to RGB"),
        ("P", "png", "of mode P converted to RGB"),
        ("1", "png", "of mode 1 converted to RGB"),
    ],
)
def test_other_modes_are_converted_with_a_count(folder, read, mode, suffix, note):
    (folder / "cat" / "000.png").unlink()
    image = Image.fromarray(IMAGES[0]).convert(mode)
    image.save(folder / "cat" / f"000.{suffix}")
    got = read("data", kind="folder")
    assert f"1 images {note}" in got.notes
    wanted = np.asarray(image.convert("RGB"))
    assert np.abs(got.images[0].astype(int) - wanted).mean() < (6 if suffix == "jpg" else 1e-9)


def test_sixteen_bits_are_reduced_with_a_count(folder, read):
    Image.fromarray(IMAGES[0, ..., 0].astype(np.uint16) * 257).save(folder / "cat" / "000.png")
    got = read("data", kind="folder")
    assert "1 images of more than 8 bits a channel reduced to 8" in got.notes
    np.testing.assert_array_equal(got.images[0], np.repeat(IMAGES[0, ..., :1], 3, axis=2))


def test_the_cameras_orientation_is_applied(folder, read):
    tags = Image.Exif()
    tags[0x0112] = 6
    tall = np.repeat(IMAGES[0], 2, axis=0)
    Image.fromarray(tall).save(folder / "cat" / "000.png", exif=tags)
    got = read("data", kind="folder")
    assert "1 images turned by their orientation tag" in got.notes
    assert got.sizes[0].tolist() == [16, 32]


@pytest.mark.parametrize("rule", ["squash", "crop", "pad"])
def test_other_shapes_by_the_stated_rule(folder, read, rule):
    wide = np.zeros((16, 32, 3), np.uint8)
    wide[:, 8:24] = 200
    Image.fromarray(wide).save(folder / "cat" / "000.png")
    got = read("data", kind="folder", resize=rule).images[0]
    holds = {
        "squash": got[8, 8, 0] == 200 and got[8, 0, 0] < 40,
        "crop": (got == 200).all(),
        "pad": (got[0] == 0).all(),
    }
    assert holds[rule]


def test_names_that_are_not_utf8(folder, read):
    name = os.path.join(os.fsencode(folder / "cat"), b"caf\xe9, \xff.png")
    os.rename(os.fsencode(folder / "cat" / "000.png"), name)
    got = read("data", kind="folder")
    assert got.ids[-1 + len([one for one in got.ids if one.startswith("cat/")])] == "cat/caf\\xe9, \\xff.png"
    assert all(str(one).encode("utf-8") for one in got.ids)


def make_zip(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def good_members():
    rows = enumerate(zip(IMAGES, LABELS))
    return {f"set/{CLASSES[label]}/{row}.png": encoded(image, "PNG") for row, (image, label) in rows}


def test_a_zip_of_class_folders(tmp_path, read):
    junk = {"__MACOSX/set/cat/._0.png": b"x", "set/.DS_Store": b"x", "set/readme.md": b"x"}
    make_zip(tmp_path / "a.zip", good_members() | junk)
    got = read("a.zip", kind="zip")
    assert len(got) == 12
    for one, image in zip(got.ids, got.images):
        np.testing.assert_array_equal(image, IMAGES[int(one.split("/")[-1][:-4])])


@pytest.mark.parametrize("name", ["../evil.png", "/etc/evil.png", "a/../../evil.png", "..\\evil.png", "C:\\evil.png"])
def test_a_zip_whose_members_escape_is_refused(tmp_path, read, name):
    make_zip(tmp_path / "a.zip", good_members() | {name: b"x"})
    with pytest.raises(DataError, match="members must stay inside the zip"):
        read("a.zip", kind="zip")


def test_a_zip_bomb_is_refused(tmp_path, read, monkeypatch):
    monkeypatch.setattr("kit.data.sources.files.LARGEST_FILE", 2 << 20)
    make_zip(tmp_path / "a.zip", good_members() | {"set/cat/big.png": bytes(3 << 20)})
    with pytest.raises(DataError, match="may unpack to 2 MiB, but 'set/cat/big.png' says 3 MiB"):
        read("a.zip", kind="zip")


def test_a_broken_zip_is_named(tmp_path, read):
    make_zip(tmp_path / "a.zip", good_members())
    whole = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="not a readable zip"):
        read("a.zip", kind="zip")
    spoiled = bytearray(whole)
    spoiled[60:70] = b"0123456789"
    (tmp_path / "a.zip").write_bytes(spoiled)
    with pytest.raises(DataError, match="1 of 12 are not"):
        read("a.zip", kind="zip")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": IMAGES, "labels": LABELS[:5]}, "12 images and 5 labels"),
        ({"images": IMAGES, "labels": LABELS + 1}, "labels must lie in 0..2"),
        ({"images": np.array([{"a": 1}], dtype=object), "labels": LABELS}, "pickled Python objects"),
        ({"images": IMAGES, "labels": LABELS.astype(object)}, "pickled Python objects"),
        ({"images": np.where(IMAGES > 250, np.nan, IMAGES), "labels": LABELS}, "NaN"),
        ({"images": IMAGES.astype(complex), "labels": LABELS}, "dtype complex128"),
        ({"images": IMAGES[:, :, :, :2], "labels": LABELS}, r"1, 3 or 4 channels, but got \(12, 16, 16, 2\)"),
        ({"images": IMAGES.reshape(12, -1)[:, :700], "labels": LABELS}, r"shape \(N, H, W\) or more, but got .12, 700"),
        ({"images": IMAGES[:, :0], "labels": LABELS}, "must not be empty"),
        ({"images": IMAGES[:0], "labels": LABELS[:0]}, "must not be empty"),
        ({"a": IMAGES, "b": IMAGES, "labels": LABELS}, r"cannot be guessed from a \(12, 16, 16, 3\), b"),
        ({"images": IMAGES, "what": LABELS, "who": LABELS}, "which array holds the labels cannot be guessed"),
    ],
    ids=[
        *("lengths", "outside", "objects", "object labels", "nan", "complex", "channels", "flat"),
        *("zero size", "none", "two images", "two labels"),
    ],
)
def test_arrays_that_break_a_rule(tmp_path, read, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=message):
        read("a.npz", kind="npz")


def test_wrong_key_names_the_near_one(tmp_path, read):
    np.savez(tmp_path / "a.npz", images=IMAGES, labels=LABELS)
    with pytest.raises(DataError, match="must hold the key 'imagse', but has images, labels. Did you mean 'images'"):
        read("a.npz", kind="npz", images="imagse")


def test_a_broken_npz_is_named(tmp_path, read):
    np.savez(tmp_path / "a.npz", images=IMAGES, labels=LABELS)
    whole = (tmp_path / "a.npz").read_bytes()
    for content in (whole[:100], b"", b"PK rubbish"):
        (tmp_path / "a.npz").write_bytes(content)
        with pytest.raises(DataError, match="not a readable npz|pickled"):
            read("a.npz", kind="npz")


def test_medmnist_without_file_or_package_says_what_to_do(tmp_path, read, monkeypatch):
    monkeypatch.setitem(sys.modules, "medmnist", None)
    with pytest.raises(DataError, match="pip install medmnist"):
        read("bloodmnist", kind="medmnist")
    np.savez(tmp_path / "m.npz", train_images=IMAGES, train_labels=LABELS)
    with pytest.raises(DataError, match="must hold the key 'val_images'"):
        read("m.npz", kind="medmnist")
