"""Every parser of the kit with valid files for it: what `fuzz` spoils.

Each is a function of a file's bytes, made with a folder that it may write to, and allows the errors it documents.
"""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from conftest import CONTEST, PLATFORM, RECIPES, Toy
from PIL import Image
from safetensors.numpy import save

from kit.array_file import BROKEN, load_arrays
from kit.artefact import read_json, read_npz
from kit.config import ContestConfig, load_contest, load_platform, load_recipe
from kit.data.cleaning import decisions
from kit.data.prepared import _read_folds
from kit.data.sources.arrays import open_arrays
from kit.data.sources.files import ZipFiles
from kit.data.sources.load import load
from kit.ensemble.blend import Blend
from kit.errors import KitError
from kit.inference.decode import Unreadable, bombs_refused, decode
from kit.inference.model import parse_arrays
from kit.oof_store import load_run
from kit.packaging import archive
from kit.packaging.form import read_sample
from kit.platforms import ledger
from kit.rehearsal.manifest import read_manifest
from kit.rehearsal.pickle_checks import check_pickles
from kit.rehearsal.predicted import read_results
from kit.rehearsal.prediction_checks import _read_array
from kit.rehearsal.static import check_zip
from kit.sweep.files import load_sweep
from kit.sweep.storage import JOURNAL, opened
from kit.workspace import Workspace

Parse = Callable[[bytes], object]
Errors = tuple[type[Exception], ...]


@dataclass(frozen=True)
class Parser:
    """Valid files, and what reads them."""

    seeds: list[bytes]
    parse: Parse
    allowed: Errors = (KitError,)
    refuses: bool = True
    """False where what cannot be read counts as absent."""


SWEEP = """
base = "tiny"
objective = "clean"
[space]
"train.lr" = { low = 0.001, high = 0.1, log = true }
"train.epochs" = { choices = [1, 2] }
"""
MODEL = b"import numpy as np\nclass Model:\n    def predict(self, X):\n        return np.zeros(len(X), int)\n"
SAMPLE = b"id,label\n00012,red\nNA,green\n0,blue\n"


def through(path: Path, read: Callable[[Path], object]) -> Parse:
    """A reader of files as a parser of bytes."""

    def parse(data: bytes) -> object:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return read(path)

    return parse


def npz(**arrays: np.ndarray) -> bytes:
    """An npz of arrays."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def npy(array: np.ndarray) -> bytes:
    """An npy of an array."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def zipped(compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A submission with code, weights and metadata."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as made:
        made.writestr("model.py", MODEL)
        made.writestr("weights/net.npy", npy(np.arange(12.0)))
        made.writestr("metadata", "description: none\n")
    return buffer.getvalue()


def images() -> list[bytes]:
    """One image in each common format."""
    rng = np.random.default_rng(0)
    colours = Image.fromarray(rng.integers(0, 255, (12, 16, 3), dtype=np.uint8))
    found = []
    for form, image in (
        *((form, colours) for form in ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "PPM")),
        ("GIF", colours.convert("P")),
        ("PNG", Image.fromarray(rng.integers(0, 60000, (12, 16)).astype(np.uint16))),
    ):
        buffer = io.BytesIO()
        image.save(buffer, form)
        found.append(buffer.getvalue())
    return found


def decoded(data: bytes) -> object:
    """One image as the readers decode it."""
    with bombs_refused():
        return decode(data, {"size": 16, "resize": "squash", "range": (0.0, 60000.0)}, Counter())


def _zip(folder: Path) -> Parse:
    platform_file = folder / "p.toml"
    platform_file.write_text(PLATFORM)
    platform = load_platform(platform_file)

    def read(path: Path) -> object:
        checks = check_zip(path, platform)
        archive.unpack(path, folder / "unpacked")
        return checks

    return through(folder / "s.zip", read)


def image_zip() -> bytes:
    """Two images as a contest hands them out."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("cats/", b"")
        for name in ("cats/a.png", "dogs/b.png"):
            made.writestr(name, images()[0])
    return buffer.getvalue()


def read_image_zip(path: Path) -> object:
    """All of its images; one that cannot be unpacked is said to be unreadable."""
    found = ZipFiles.open(path)
    with found.archive:
        for name in found.names:
            with contextlib.suppress(Unreadable):
                found.read(name)
    return found.names


def result_zip() -> bytes:
    """Predictions as a platform takes them."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("predictions.npy", npy(np.arange(3)))
    return buffer.getvalue()


def _results(folder: Path) -> Parse:
    platform_file = folder / "results.toml"
    platform_file.write_text(PLATFORM)
    platform = load_platform(platform_file).model_copy(update={"predictions_file": "predictions.npy"})
    return through(folder / "results.zip", lambda path: _read_array(path, platform))


def archive_of_torch() -> bytes:
    """Weights with their pickle, as torch saves them."""
    buffer = io.BytesIO()
    torch.save({"a": torch.arange(3)}, buffer)
    return buffer.getvalue()


def _table(folder: Path) -> Parse:
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes(images()[0])
    text = CONTEST.replace('kind = "npz"', 'kind = "csv"').replace("training_set.npz", "t.csv")
    (folder / "c.toml").write_text(text)
    contest: ContestConfig = load_contest(folder / "c.toml")
    return through(folder / "t.csv", lambda path: load(contest, path, Workspace(folder)))


def _arrays(folder: Path) -> Parse:
    (folder / "c.toml").write_text(CONTEST)
    contest = load_contest(folder / "c.toml")
    return through(folder / "training_set.npz", lambda path: load(contest, path, Workspace(folder)))


def _journal(folder: Path) -> tuple[list[bytes], Parse]:
    def read(path: Path) -> object:
        with opened(None, folder) as storage:
            return storage.get_all_studies()

    import optuna

    with opened(None, folder) as storage:
        study = optuna.create_study(storage=storage, study_name="s")
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    return [(folder / JOURNAL).read_bytes()], through(folder / JOURNAL, read)


def make_parsers(toy: Toy, blend: Path) -> dict[str, Parser]:
    """All of them; `toy` is trained and may be written to, `blend` is its blend.json."""
    scratch = toy.root / "fuzz"
    folders = {name: scratch / name for name in ("text", "zip", "table", "arrays", "journal", "runs")}
    for folder in folders.values():
        folder.mkdir(parents=True)
    text, oof = folders["text"], toy.workspace.oof("toy")
    prepared = toy.prepared()
    run = oof / "tiny"
    journal, read_journal = _journal(folders["journal"])
    ledger.append(toy.workspace, "packed", zip="a.zip", sha256="0" * 64, contest="toy", clean=0.5, members=["tiny"])
    ledger_file = ledger.ledger_path(toy.workspace)
    manifest = {
        "recipes": ["tiny"], "members": [{"recipe": "tiny", "fold": 0, "views": ["identity"]}],
        "digests": {"data": "x"},
        "expected": {"point": 0.5, "low": 0.4, "high": 0.6}, "images": {"arrays": True, "range": [0, 255]},
    }  # fmt: skip
    results = {"load": {"seconds": 1.0}, "all": {"error": "Died", "message": "x"}}
    rgb = np.arange(4 * 8 * 8 * 3, dtype=np.uint8).reshape(4, 8, 8, 3)
    weights = save({"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.arange(3, dtype=np.float16)})
    table = b"id,label\na.png,red\nb.png,green\n"
    return {
        "contest": Parser([CONTEST.encode()], through(text / "c.toml", load_contest)),
        "recipe": Parser([one.encode() for one in RECIPES.values()], through(text / "r.toml", load_recipe)),
        "platform": Parser([PLATFORM.encode()], through(text / "p.toml", load_platform)),
        "sweep": Parser([SWEEP.encode()], through(text / "s.toml", load_sweep)),
        "clean.csv": Parser([(oof / "clean.csv").read_bytes()], through(text / "clean.csv", decisions.read)),
        "folds.csv": Parser(
            [(oof / "folds.csv").read_bytes()], through(text / "f.csv", lambda path: _read_folds(path, prepared.ids))
        ),
        "blend.json": Parser([blend.read_bytes()], through(text / "b.json", Blend.from_json)),
        "run.json": Parser([(run / "run.json").read_bytes()], through(run / "run.json", lambda path: load_run(run))),
        "oof.npz": Parser(
            [(oof / "mini" / "fold0" / "oof.npz").read_bytes()],
            through(oof / "mini" / "fold0" / "oof.npz", lambda path: load_run(oof / "mini")),
        ),
        "manifest": Parser([json.dumps(manifest).encode()], through(text / "manifest.json", read_manifest)),
        "results": Parser(
            [json.dumps(results).encode()],
            through(text / "results.json", lambda path: read_results(text)),
            refuses=False,
        ),
        "json": Parser([b'{"a": [1, 2.5, "x", null]}'], through(text / "x.json", read_json)),
        "ledger": Parser(
            [ledger_file.read_bytes()], through(ledger_file, lambda path: ledger.read(toy.workspace)), refuses=False
        ),
        "journal": Parser(journal, read_journal),
        "npz": Parser([npz(images=rgb, labels=np.arange(4))], through(text / "x.npz", read_npz)),
        "arrays": Parser([npz(images=rgb, labels=np.arange(4)), npy(rgb)], through(text / "a.npz", open_arrays)),
        "npy": Parser([npy(rgb), npy(np.arange(3.0)), npy(np.array(["a", "bc"]))], load_arrays, BROKEN),
        "training data": Parser(
            [npz(images=np.repeat(rgb, 3, 0), labels=np.arange(12) % 3)], _arrays(folders["arrays"])
        ),
        "table": Parser([table], _table(folders["table"])),
        "sample": Parser([SAMPLE], through(text / "sample.csv", read_sample)),
        "images": Parser(images(), decoded, (Unreadable,)),
        "zip": Parser([zipped(), zipped(zipfile.ZIP_STORED)], _zip(folders["zip"])),
        "image zip": Parser([image_zip()], through(folders["zip"] / "images.zip", read_image_zip)),
        "result zip": Parser([result_zip()], _results(folders["zip"]), refuses=False),
        "pickles": Parser(
            [archive_of_torch(), pickle.dumps({"a": Fraction(1, 2)})],
            lambda data: check_pickles({"weights.pt": data}, {"torch"}),
            refuses=False,
        ),
        "safetensors": Parser([weights], lambda data: parse_arrays(data, "w.safetensors"), (ValueError,)),
    }
