"""The toy contest as the harness runs it: fewer epochs, and what every uninterrupted run of it leaves."""

from __future__ import annotations

import shutil
from pathlib import Path

from conftest import Toy, write_toy

TRAIN = ("kit", "train", "tiny", "--contest", "toy")
TWO = ("kit", "train", "tiny", "--contest", "toy", "--workers", "2")
BLEND = ("kit", "blend", "best2", "--contest", "toy")
PACK = ("kit", "package", "best2", "--contest", "toy", "--platform", "toy")
WHOLE = ("make_submission.py", "--contest", "toy", "--ensemble", "best2")
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
