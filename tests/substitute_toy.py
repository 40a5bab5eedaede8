"""Runs that may stand for the blend of the contest in `submit_toy`, and the room that they take in a zip."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from submit_toy import toy_contest, toy_platform

from kit.artefact import read_json, read_npz, write_json, write_npz
from kit.ensemble.blend import Blend, blend
from kit.oof_store import load_runs
from kit.packaging.pack import PackedZip, package
from kit.workspace import Workspace


def teacher(made: Blend) -> dict[str, Any]:
    """What the run of a student of `made` says of its teacher."""
    views = {member.recipe: list(member.views) for member in made.members}
    return {"kind": made.kind, "views": views, "merges": dict.fromkeys(views, "mean"), "share": 0.7}


def add(store: Workspace, name: str, spoilt: int = 0, **info: Any) -> None:
    """Recipe "one" under another name, some of its stored predictions wrong."""
    folder = store.run("toy", name)
    shutil.copytree(store.run("toy", "one"), folder)
    write_json(folder / "run.json", read_json(folder / "run.json") | info)
    for path in folder.glob("fold*/oof.npz"):
        arrays = read_npz(path)
        for key in ("logits", "shifted"):
            arrays[key][:spoilt] = np.roll(arrays[key][:spoilt], 1, axis=-1)
        write_npz(path, **arrays)


def pack(store: Workspace, made: Blend, max_mb: float | None, said: list[str] | None = None) -> PackedZip:
    """The blend within `max_mb`, never in eight bits; `said` takes the lines that packing printed."""
    echo = (said if said is not None else []).append
    return package(made, toy_contest(), store, toy_platform(max_mb=max_mb), store.submissions / "toy.zip", echo=echo)


def contents(path: Path) -> dict[str, float]:
    """Megabytes of every file of a zip."""
    with zipfile.ZipFile(path) as zipped:
        return {info.filename: info.file_size / 1e6 for info in zipped.infolist()}


def room(store: Workspace, made: Blend, less: float) -> float:
    """What `made` takes whole, less so many of its networks, which are all of one size."""
    sizes = contents(pack(store, made, None).path)
    return sum(sizes.values()) - less * max(size for name, size in sizes.items() if name.endswith(".safetensors"))


def alone(store: Workspace, name: str) -> Blend:
    """A run by itself."""
    return blend(load_runs(store, "toy", [name]), "best1")


def steps(said: list[str]) -> list[str]:
    return [line.split(":")[0].strip() for line in said]
