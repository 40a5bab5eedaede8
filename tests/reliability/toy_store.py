"""The toy contest as the harness runs it: fewer epochs, and what every uninterrupted run of it leaves."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from conftest import Toy, write_toy

from kit.sweep.storage import opened

TRAIN = ("kit", "train", "tiny", "--contest", "toy")
TWO = ("kit", "train", "tiny", "--contest", "toy", "--workers", "2")
BLEND = ("kit", "blend", "best2", "--contest", "toy")
PACK = ("kit", "package", "best2", "--contest", "toy", "--platform", "toy")
SEARCH = ("kit", "sweep", "little", "--contest", "toy", "--workers", "1")
WHOLE = ("make_submission.py", "--contest", "toy", "--ensemble", "best2")
TRIALS = 4
LITTLE = f"""
base = "tiny"
objective = "clean"
[space]
"train.lr" = {{ low = 0.003, high = 0.03, log = true }}
[budget]
trials = {TRIALS}
[fidelity]
epochs = 1
[confirm]
winners = 1
seeds = 1
folds = 1
noise_seeds = 1
"""
MEASURED = ("precision", "places", "runtimes.json")
"""Speeds in the cache: who measures again may decide otherwise."""


def write_store(root: Path) -> Toy:
    """The contest's files, nothing done yet."""
    root.mkdir(parents=True)
    toy = write_toy(root)
    for name in ("tiny", "mini"):
        recipe = toy.file("recipes", name)
        recipe.write_text(recipe.read_text().replace("epochs = 8", "epochs = 2"))
    platform = toy.file("platforms", "toy")
    platform.write_text(platform.read_text().replace("rehearsal_rows = 60", "rehearsal_rows = 20"))
    toy.file("sweeps", "little").parent.mkdir(parents=True)
    toy.file("sweeps", "little").write_text(LITTLE)
    return toy


def fresh(root: Path, measured: Path) -> Toy:
    """The contest, nothing done yet but the speeds of another store."""
    toy = write_store(root)
    for name in MEASURED:
        source, target = measured / "oof" / ".cache" / name, root / "oof" / ".cache" / name
        if source.is_dir():
            shutil.copytree(source, target)
        elif source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    return toy


def finished_folds(root: Path) -> dict[str, tuple[int, bytes]]:
    """Path of every fold's marker -> when it was written, and its content."""
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in root.glob("oof/*/*/fold*/fold.json")}


def finished_trials(root: Path) -> dict[str, tuple[Any, ...]]:
    """Journal and number of every trial that has ended -> how, with which values and parameters; nothing is touched."""
    found = {}
    for journal in root.glob("oof/*/sweeps/*/journal.log"):
        with tempfile.TemporaryDirectory() as copy:
            shutil.copy(journal, copy)
            with opened(None, Path(copy)) as storage:
                for study in storage.get_all_studies():
                    for trial in storage.get_all_trials(study._study_id):
                        if trial.state.is_finished():
                            ended = (trial.state.name, trial.values, trial.params)
                            found[f"{journal.parent.name} trial {trial.number}"] = ended
    return found
