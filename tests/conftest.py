"""The toy contest: sixty tiny images of three classes in two folds, from its files to trained runs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from kit.artefact import read_json, sha256_file, write_json
from kit.config import ContestConfig, RecipeConfig, load_contest, load_recipe
from kit.data.prepared import Prepared, prepare
from kit.ensemble.blend import Blend, blend
from kit.oof_store import load_runs
from kit.train.stored import file_digests
from kit.workspace import PROJECT, Workspace

if (given := PROJECT.parent / "shared" / "weights").is_dir():
    os.environ.setdefault("KIT_WEIGHTS", str(given))

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


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toy:
    """The toy contest, untrained, in the current directory."""
    monkeypatch.chdir(tmp_path)
    return write_toy(tmp_path)


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    """The toy contest with both recipes trained; not to be written to."""
    from kit.train.run import train_recipe

    toy = write_toy(tmp_path_factory.mktemp("toy"))
    prepared = toy.prepared()
    for name in RECIPES:
        train_recipe(toy.contest(), prepared, toy.recipe(name), toy.workspace, lambda line: None)
    return toy


@pytest.fixture
def trained(trained_once: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toy:
    """A copy of the trained toy contest, in the current directory."""
    root = tmp_path / "trained"
    shutil.copytree(trained_once.root, root)
    monkeypatch.chdir(root)
    return Toy(root)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The store of the contest in `submit_toy`: two recipes, whose networks differ in the size that they see."""
    from submit_toy import toy_prepared, write_store

    made = Workspace(tmp_path_factory.mktemp("toy"))
    write_store(made, toy_prepared())
    return made


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
