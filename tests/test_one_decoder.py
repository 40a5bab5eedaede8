"""One file of every kind through every path: training, test images, kit predict and the notebook see the same."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from data_toy import contest
from PIL import Image

from kit.cli import group
from kit.data.sources.decoding_record import DecodingRecord
from kit.data.sources.load import load, load_test
from kit.data.sources.stream import open_stream
from kit.inference.decode import Batch
from kit.inference.predictions import BATCH_BYTES, Predictions, rows_a_batch
from kit.packaging.archive import write_zip
from kit.packaging.notebook import CODE, notebook_files
from kit.workspace import Workspace

SIDE, CLASSES = 16, ("cat", "dog")


def photo(wide: int, high: int) -> np.ndarray:
    coarse = np.random.default_rng(wide).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((wide, high), Image.Resampling.BICUBIC))


def kinds() -> dict[str, bytes]:
    """Files by name: 8 and 16 bits of grey, palette, RGBA, CMYK, 1 bit, 12 of 16 bits, floats, int32, turned."""
    colour, grey = photo(20, 14), photo(20, 14)[..., 0]
    turned = Image.Exif()
    turned[0x0112] = 6
    made = {
        "grey8.png": (Image.fromarray(grey), {}),
        "palette.png": (Image.fromarray(colour).quantize(16), {}),
        "rgba.png": (Image.fromarray(np.dstack([colour, grey])), {}),
        "cmyk.jpg": (Image.fromarray(colour).convert("CMYK"), {"quality": 95}),
        "onebit.png": (Image.fromarray(grey).convert("1"), {}),
        "twelve.png": (Image.fromarray(grey.astype(np.uint16) * 16), {}),
        "twelve_dark.png": (Image.fromarray(grey.astype(np.uint16)), {}),
        "whole.tiff": (Image.fromarray(grey.astype(np.int32) * 16), {}),
        "float.tiff": (Image.fromarray(grey.astype(np.float32) * 16), {}),
        "turned.jpg": (Image.fromarray(colour), {"exif": turned}),
        "tall.webp": (Image.fromarray(photo(9, 40)), {"lossless": True}),
        "square.bmp": (Image.fromarray(photo(SIDE, SIDE)), {}),
    }
    files = {}
    for name, (image, options) in made.items():
        buffer = io.BytesIO()
        image.save(buffer, Image.registered_extensions()[Path(name).suffix], **options)
        files[name] = buffer.getvalue()
    return files


ECHO = """import numpy as np
class Model:
    def predict_proba(self, X, max_seconds=None):
        np.save({seen!r}, X)
        return np.full((len(X), 2), 0.5)
"""


@pytest.fixture(params=["squash", "crop", "pad"])
def given(request, tmp_path, monkeypatch):
    """The files as training data, a contest of them, and what training saw: images by name."""
    monkeypatch.chdir(tmp_path)
    for number, (name, content) in enumerate(kinds().items()):
        path = tmp_path / "train" / CLASSES[number % 2] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        (tmp_path / "test").mkdir(exist_ok=True)
        (tmp_path / "test" / name).write_bytes(content)
    config, workspace = contest(CLASSES, SIDE, kind="folder", resize=request.param), Workspace(tmp_path)
    trained = load(config, tmp_path / "train", workspace)
    assert "values 0..4095 (12 bits) become 0..255, for all images alike" in trained.notes
    record = DecodingRecord.of(config, trained.bounds, trained.labels)
    record.write(workspace, config)
    seen = {one.split("/")[1]: image for one, image in zip(trained.ids, trained.images)}
    return tmp_path, config, workspace, record, seen


def same(seen: dict[str, np.ndarray], ids: list[str], images: np.ndarray) -> None:
    assert sorted(ids) == sorted(seen)
    for one, image in zip(ids, images):
        np.testing.assert_array_equal(image, seen[one], err_msg=one)


def test_training_sees_what_the_files_hold(given) -> None:
    *_, seen = given
    assert np.ptp(seen["twelve.png"]) > 50
    assert seen["twelve_dark.png"].max() <= 16
    for one in ("whole.tiff", "float.tiff"):
        np.testing.assert_array_equal(seen[one], seen["twelve.png"])
    assert np.abs(seen["twelve.png"][..., 0].astype(int) - seen["grey8.png"][..., 0]).max() <= 2


def test_test_images_in_a_folder_a_zip_and_a_table(given) -> None:
    folder, config, workspace, record, seen = given
    got = load_test(config, folder / "test", workspace)
    same(seen, got.ids.tolist(), got.images)
    with zipfile.ZipFile(folder / "test.zip", "w") as archive:
        for file in (folder / "test").iterdir():
            archive.write(file, file.name)
    (folder / "sample.csv").write_text("id,label\n" + "".join(f"{name},0\n" for name in sorted(seen, reverse=True)))
    for path in ("test", "test.zip", "sample.csv"):
        stream = open_stream(config, folder / path, workspace, record)
        batches = list(stream.batches(5))
        assert [len(batch.images) for batch in batches] == [5, 5, 2]
        same(seen, stream.ids.tolist(), np.concatenate([batch.images for batch in batches]))


def test_one_kind_of_test_image_alone_is_scaled_as_in_training(given) -> None:
    """Dark images of 12 bits stay dark, whatever company they have."""
    folder, config, workspace, record, seen = given
    for file in (folder / "test").iterdir():
        if file.name != "twelve_dark.png":
            file.unlink()
    stream = open_stream(config, folder / "test", workspace, record)
    np.testing.assert_array_equal(next(stream.batches(9)).images[0], seen["twelve_dark.png"])
    np.testing.assert_array_equal(load_test(config, folder / "test", workspace).images[0], seen["twelve_dark.png"])


def test_the_notebook_decodes_the_same(given) -> None:
    folder, config, _, record, seen = given
    from submit_toy import toy_platform

    platform = toy_platform(artefact="notebook", predictions_file="submission.csv")
    files = notebook_files(config, platform, "me/weights", "the-contest")
    (folder / "weights").mkdir()
    for name, content in files.items():
        (folder / "weights" / name).write_bytes(content)
    (folder / "weights" / "model.py").write_text(ECHO.format(seen=str(folder / "seen.npy")))
    (folder / "weights" / "manifest.json").write_text(json.dumps({"images": record.as_dict()}))
    ids = sorted(seen, reverse=True)
    (folder / "sample_submission.csv").write_text("id,label\n" + "".join(f"{name},0\n" for name in ids))
    code = json.loads(files[CODE])["cells"][0]["source"]
    code = code.replace("/kaggle/input/weights", str(folder / "weights"))
    code = code.replace("/kaggle/input/the-contest", str(folder))
    ended = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert "12 of 12 rows predicted" in ended.stdout, ended
    same(seen, ids, np.load(folder / "seen.npy"))


CONTEST = """
name = "toy"
classes = ["cat", "dog"]
image_size = 16
platform = "plain"
[data]
kind = "folder"
path = "train"
[recipes]
cpu = ["residual_64"]
"""

BRIGHTNESS = b"""
class Model:
    def predict(self, X):
        return (X.reshape(len(X), -1).mean(axis=1) > 100).astype("int64")
"""


@pytest.fixture
def brightness(tmp_path, monkeypatch):
    """A zip that says dog of bright images, a record of its training, and a folder of test images, two damaged."""
    monkeypatch.chdir(tmp_path)
    for kind, name, text in (("contests", "toy", CONTEST), ("platforms", "plain", 'python = "3.9"\n')):
        (tmp_path / "configs" / kind).mkdir(parents=True)
        (tmp_path / "configs" / kind / f"{name}.toml").write_text(text)
    images = {"size": 16, "resize": "crop", "range": [0, 4095], "prior": [0.2, 0.8]}
    manifest = {"platform": "plain", "images": images}
    write_zip(tmp_path / "z.zip", {"model.py": BRIGHTNESS, "manifest.json": json.dumps(manifest).encode()})
    (tmp_path / "test" / "a").mkdir(parents=True)
    wide = np.full((40, 80), 4000, np.uint16)
    wide[:, 20:60] = 500
    Image.fromarray(wide).save(tmp_path / "test" / "a" / "00012.png")  # dark in its middle, bright as a whole
    Image.fromarray(wide[:, ::-1] + 95).save(tmp_path / "test" / "00013.png")
    bright = photo(64, 64) // 4 + 190
    Image.fromarray(bright).save(tmp_path / "test" / "cut.jpg", quality=95)
    whole = (tmp_path / "test" / "cut.jpg").read_bytes()
    (tmp_path / "test" / "cut.jpg").write_bytes(whole[:-40])
    (tmp_path / "test" / "gone.jpg").write_bytes(b"no image")
    return tmp_path


def test_kit_predict_costs_no_row_for_a_damaged_image(brightness: Path) -> None:
    common = ["--contest", "toy", "--platform", "kaggle-csv", "--out", "s.csv"]
    made = CliRunner().invoke(group, ["predict", "z.zip", "test", *common], standalone_mode=False)
    assert made.exception is None, made.output
    wanted = "id,label\n00013.png,0\na/00012.png,0\ncut.jpg,1\ngone.jpg,1\n"
    assert (brightness / "s.csv").read_text() == wanted
    assert "1 images could not be read and got the class prior, 1 are damaged" in " ".join(made.output.split())
    listed = (brightness / "s.csv.images.txt").read_text().splitlines()
    assert listed[0].startswith("gone.jpg: class prior (UnidentifiedImageError")
    assert listed[1].startswith("cut.jpg: decoded as far as it goes (OSError: image file is truncated")


def test_kit_predict_takes_a_table_whose_ids_are_digits(brightness: Path) -> None:
    (brightness / "test.csv").write_text("id\n00012\n00099\n")
    common = ["--contest", "toy", "--platform", "kaggle-csv", "--out", "s.csv", "--sample", "test.csv"]
    (brightness / "sample.csv").write_text("id,label\n00099,0\n00012,0\n")
    common[-1] = "sample.csv"
    made = CliRunner().invoke(group, ["predict", "z.zip", "test.csv", *common], standalone_mode=False)
    assert made.exception is None, made.output
    assert (brightness / "s.csv").read_text() == "id,label\n00099,1\n00012,0\n"
    assert "00099: class prior (no image has this id)" in (brightness / "s.csv.images.txt").read_text()


def test_no_more_than_a_few_batches_are_ever_held(brightness: Path) -> None:
    """The submission predicts batch by batch; what was predicted is deleted, what is not yet decoded waits."""
    from kit.config import load_platform
    from kit.rehearsal.batches import AHEAD, probabilities
    from kit.rehearsal.interpreter import this_python

    (brightness / "zip").mkdir()
    (brightness / "zip" / "model.py").write_bytes(BRIGHTNESS)
    waiting = []

    def batches():
        for number in range(20):
            waiting.append(len(list((brightness / "run" / "input").glob("*.npy"))))
            images = np.full((50, 16, 16, 3), 10 * number, np.uint8)
            yield Batch(images, np.zeros((50, 2), np.int64), {3: "lost"} if number == 7 else {}, {})

    platform = load_platform("plain")
    proba, feed = probabilities(
        brightness / "zip", batches(), (0.25, 0.75), platform, this_python(platform), brightness / "run"
    )
    assert max(waiting) <= AHEAD
    assert list(feed.lost) == [353]
    assert proba[353].tolist() == [0.25, 0.75]
    np.testing.assert_array_equal(np.delete(proba, 353, 0).argmax(axis=1), np.delete(np.arange(1000) // 50 > 10, 353))
    for size in (16, 224, 1000):
        assert rows_a_batch(size) * 3 * size * size <= max(BATCH_BYTES, 64 * 3 * size * size)


def test_the_notebook_keeps_what_it_has_when_a_batch_fails() -> None:
    said: list[str] = []
    predictions = Predictions([f"{row:03d}" for row in range(6)], [0.3, 0.7], said.append)
    images = np.zeros((2, 4, 4, 3), np.uint8)

    def ask(batch: np.ndarray, seconds: float | None) -> np.ndarray:
        if predictions.filled.sum() == 2 and not said:
            raise RuntimeError("out of memory")
        return np.tile([0.9, 0.1], (len(batch), 1))

    parts = [Batch(images, np.zeros((2, 2), np.int64), {}, {}) for _ in range(3)]
    predictions.fill(ask, list(range(6)), iter(parts))
    assert predictions.proba.argmax(axis=1).tolist() == [0, 0, 1, 1, 0, 0]
    assert "out of memory" in said[0]
    assert predictions.lines() == [f"{row:03d}: class prior (not predicted)" for row in (2, 3)]
    late = Predictions(range(6), [0.3, 0.7], said.append)
    late.fill(lambda batch, seconds: time.sleep(0.05) or np.tile([0.9, 0.1], (len(batch), 1)), list(range(6)),
              iter(parts), 0.06)  # fmt: skip
    assert late.filled.tolist() == [True, True, False, False, False, False]
    assert said[-1] == "OUT OF TIME: 4 rows are left with the class prior"
