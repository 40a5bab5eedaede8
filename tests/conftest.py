"""The toy contest: sixty tiny images of three classes in two folds, from its files to trained runs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if "PYTEST_XDIST_WORKER" in os.environ:  # before torch is imported; for the processes that tests start, too
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import psutil
import pytest

from kit.artefact import read_json, sha256_file, write_json
from kit.config import ContestConfig, RecipeConfig, load_contest, load_recipe
from kit.data.practice import contest as practice
from kit.data.prepared import Prepared, prepare
from kit.ensemble.blend import Blend, blend
from kit.lock import alone
from kit.oof_store import load_runs
from kit.train.stored import file_digests
from kit.workspace import PROJECT, Workspace

if TYPE_CHECKING:
    from reliability.lives import Lives

if (given := PROJECT.parent / "shared" / "weights").is_dir():
    os.environ.setdefault("KIT_WEIGHTS", str(given))

GIB_A_WORKER = 3
"""Memory that a process of `pytest -n auto` may come to."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Processes of `pytest -n auto`: one a core that may be used, as far as memory goes."""
    memory = psutil.virtual_memory().available >> 30
    return max(1, min(len(os.sched_getaffinity(0)), memory // GIB_A_WORKER))


CLASSES = ("red", "green", "blue")
SIDE, ROWS = 16, 60

CONTEST = """
name = "toy"
classes = ["red", "green", "blue"]
image_size = 16
expects = "shifted"
platform = "toy"
[data]
kind = "npz"
path = "training_set.npz"
[folds]
n_splits = 2
[shift]
battery = ["noise.gaussian", "illumination.darken", "mixture"]
severities = [1, 3]
cells_per_row = 2
[recipes]
cpu = ["tiny", "mini"]
gpu = ["tiny", "mini"]
"""
RECIPES = {
    "tiny": """
size = 16
[net]
name = "kit/residual"
args = { width = 8, depth = [1, 1] }
[train]
epochs = 8
batch_size = 10
lr = 0.01
""",
    "mini": """
size = 16
views = ["identity", "hflip"]
[net]
name = "kit/residual"
args = { width = 8, depth = [1] }
[augment]
preset = "flips"
[train]
epochs = 8
batch_size = 10
lr = 0.01
ema_decay = 0.9
""",
}
PLATFORM = """
python = "3.9"
max_seconds = 300
rehearsal_rows = 60
[packages]
torch = ""
timm = ""
numpy = ""
"""


@dataclass(frozen=True)
class Toy:
    """A folder that holds the contest, its configs and its artefacts."""

    root: Path

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.root)

    @property
    def data(self) -> Path:
        return self.root / "training_set.npz"

    def file(self, kind: str, name: str) -> Path:
        """configs/<kind>/<name>.toml."""
        return self.root / "configs" / kind / f"{name}.toml"

    def contest(self) -> ContestConfig:
        return load_contest(self.file("contests", "toy"))

    def recipe(self, name: str) -> RecipeConfig:
        return load_recipe(self.file("recipes", name))

    def prepared(self) -> Prepared:
        return prepare(self.contest(), self.data, self.workspace, lambda line: None)


def write_toy(root: Path) -> Toy:
    """Images of noise with one channel raised, and the files that a contestant writes."""
    toy = Toy(root)
    rng = np.random.default_rng(0)
    labels = np.arange(ROWS) % len(CLASSES)
    images = rng.integers(60, 160, (ROWS, SIDE, SIDE, 3))
    images[np.arange(ROWS), :, :, labels] += 60
    np.savez(toy.data, images=images.astype(np.uint8), labels=labels)
    texts = {("contests", "toy"): CONTEST, ("platforms", "toy"): PLATFORM}
    texts |= {("recipes", name): text for name, text in RECIPES.items()}
    for (kind, name), text in texts.items():
        toy.file(kind, name).parent.mkdir(parents=True, exist_ok=True)
        toy.file(kind, name).write_text(text)
    return toy


def resealed(run: Path) -> None:
    """Makes a run's markers say that its files, which a test has changed, are as they were written."""
    for marker in run.glob("fold*/fold.json"):
        write_json(marker, read_json(marker) | file_digests(marker.parent))
    if (run / "run.json").exists():
        info = read_json(run / "run.json")
        markers = [sha256_file(run / f"fold{fold}" / "fold.json") for fold in info["folds_done"]]
        write_json(run / "run.json", info | {"markers": markers})


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that `make` fills, once for all processes of a test run; not to be written to."""
    base = factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    root = base / f"once-{name}"
    with alone(base / f"once-{name}.lock"):
        if not (root / "whole").exists():
            shutil.rmtree(root, ignore_errors=True)
            root.mkdir()
            make(root)
            (root / "whole").touch()
    return root


def copied(once: Path, root: Path) -> Toy:
    """A copy of a toy contest that was made once."""
    shutil.copytree(once, root, dirs_exist_ok=True, ignore=shutil.ignore_patterns("whole"))
    return Toy(root)


@pytest.fixture(scope="session", autouse=True)
def quick_measurements() -> Iterator[None]:
    """Precisions are measured in no more rounds than are needed: beside other tests their steps seldom agree."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kit.train.precision.MOST", 3)
        yield


@pytest.fixture(scope="session", autouse=True)
def drawn_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The practice contest's training set is drawn once for all processes of a test run: it takes seconds."""
    draw = practice._training_set

    @cache
    def drawn(seed: int) -> tuple[np.ndarray, np.ndarray]:
        def make(root: Path) -> None:
            images, labels = draw(seed)
            np.savez(root / "set.npz", images=images, labels=labels)

        with np.load(made_once(tmp_path_factory, f"practice-{seed}", make) / "set.npz") as kept:
            return kept["images"], kept["labels"]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(practice, "_training_set", drawn)
        yield


@pytest.fixture
def untouched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toy:
    """The toy contest in the current directory, nothing done yet."""
    monkeypatch.chdir(tmp_path)
    return write_toy(tmp_path)


@pytest.fixture(scope="session")
def cleaned_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy contest, its rows cleaned and in folds, and the recipes' precision measured."""
    return made_once(tmp_path_factory, "cleaned", _clean)


@pytest.fixture(scope="session")
def trained_once(cleaned_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy contest with both recipes trained."""
    return made_once(tmp_path_factory, "trained", lambda root: _train(copied(cleaned_once, root)))


def _clean(root: Path) -> None:
    from kit.train.device import pick_device
    from kit.train.images import resized
    from kit.train.setup import Setup

    toy = write_toy(root)
    prepared = toy.prepared()
    for name in RECIPES:
        setup = Setup(toy.contest(), prepared, toy.recipe(name), toy.workspace, pick_device())
        setup.precision(resized(prepared.images, SIDE))


def _train(toy: Toy) -> None:
    from kit.train.run import train_recipe

    for name in RECIPES:
        train_recipe(toy.contest(), toy.prepared(), toy.recipe(name), toy.workspace, lambda line: None)


@pytest.fixture
def toy(cleaned_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toy:
    """The toy contest, cleaned and untrained, in the current directory."""
    monkeypatch.chdir(tmp_path)
    return copied(cleaned_once, tmp_path)


@pytest.fixture
def trained(trained_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toy:
    """A copy of the trained toy contest, in the current directory."""
    toy = copied(trained_once, tmp_path / "trained")
    monkeypatch.chdir(toy.root)
    return toy


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The store of the contest in `submit_toy`: two recipes, whose networks differ in the size that they see."""
    from submit_toy import toy_prepared, write_store

    once = made_once(tmp_path_factory, "packed", lambda root: write_store(Workspace(root), toy_prepared()))
    return Workspace(copied(once, tmp_path_factory.mktemp("toy")).root)


@pytest.fixture(scope="module")
def both(workspace: Workspace) -> Blend:
    """Both of its recipes, blended."""
    return blend(load_runs(workspace, "toy"), "best2")


@pytest.fixture(scope="module")
def small_calls() -> Iterator[None]:
    """The largest call of a rehearsal is 300 images."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kit.rehearsal.calls.MANY", 300)
        yield


# ------------------------------------------------------------------------------- the harness of tests/reliability
@pytest.fixture(scope="session")
def full_once(trained_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trained toy contest with a file of every kind that the kit keeps; not to be written to."""
    from full_store import make_full

    def make(root: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(root)
            make_full(copied(trained_once, root))

    return made_once(tmp_path_factory, "full", make)


@pytest.fixture(scope="session")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lives]:
    """A process that has imported the kit and forks for every command."""
    from lives import lives

    with lives(tmp_path_factory.mktemp("lives")) as started:
        yield started


@pytest.fixture(scope="session")
def trained_store(process: Lives, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store that `kit train` of both recipes leaves; not to be written to."""
    from toy_store import write_store

    def make(root: Path) -> None:
        write_store(root / "store")
        for recipe in RECIPES:
            life = process.live(root / "store", "kit", "train", recipe, "--contest", "toy")
            assert life.code == 0, life.output

    return made_once(tmp_path_factory, "trained-store", make) / "store"


@pytest.fixture(scope="session")
def whole_store(process: Lives, trained_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store that an uninterrupted run leaves, with the speeds of `trained_store`; not to be written to."""
    from toy_store import WHOLE, fresh

    def make(root: Path) -> None:
        fresh(root / "store", trained_store)
        life = process.live(root / "store", *WHOLE)
        assert life.code == 0, life.output

    return made_once(tmp_path_factory, "whole-store", make) / "store"
