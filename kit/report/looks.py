"""Where the strongest networks looked in the blend's most confident mistakes, for the page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import kit
from kit.artefact import read_npz, sha256_bytes, write_npz
from kit.errors import ArtefactError, KitError
from kit.explain.look import MOST_MEMBERS, Look, strongest
from kit.oof_store import OofRun
from kit.report.album import data_uri, surest_mistakes
from kit.report.material import Material
from kit.workspace import Workspace

MOST_IMAGES = 8
MOST_PARAMETERS = 120_000_000
"""Larger networks are left to `kit explain`: the page should be there in seconds."""


@dataclass(frozen=True)
class Seen:
    """One network's look at one image, ready for the page."""

    recipe: str
    predicted: str
    confidence: float
    uri: str


@dataclass(frozen=True)
class Looks:
    """By id of a mistake, one look a network; `note` says why there are none."""

    seen: dict[str, list[Seen]]
    note: str = ""


def looks_at_mistakes(material: Material, workspace: Workspace) -> Looks:
    """The looks at the first mistakes; computed once, and kept in the workspace's cache."""
    ids = surest_mistakes(material)[:MOST_IMAGES]
    if material.board is None or material.images is None or not ids:
        return Looks({})
    runs = [run for run in strongest(material.blend, material.board.runs, MOST_MEMBERS) if _small(run)]
    if not runs:
        return Looks({}, "The networks are large: kit explain shows where they looked.")
    try:
        found = _remembered(ids, runs, material, workspace)
    except (KitError, OSError) as error:
        return Looks({}, f"Where the networks looked is left out: {error}")
    classes = material.contest.classes
    return Looks(
        {
            one: [Seen(look.recipe, classes[look.predicted], look.confidence, data_uri(look.pixels)) for look in looks]
            for one, looks in found.items()
        }
    )


def _small(run: OofRun) -> bool:
    return int(run.info.get("parameters", 0)) <= MOST_PARAMETERS


def _remembered(
    ids: Sequence[str], runs: Sequence[OofRun], material: Material, workspace: Workspace
) -> dict[str, list[Look]]:
    """The looks of `explain`, by id."""
    made_of: list[Any] = [kit.__version__]
    made_of += [[run.recipe, run.info.get("time"), run.info["digests"]] for run in runs]
    path = workspace.cache / "looks" / f"{sha256_bytes(json.dumps([list(ids), made_of]).encode())[:24]}.npz"
    try:
        kept = read_npz(path)
        return _unpacked(ids, runs, kept)
    except (ArtefactError, KeyError, IndexError):
        pass
    assert material.images is not None
    from kit.explain.explain import explain  # torch and timm, and kept once made

    explained = explain(ids, runs, workspace.oof(material.contest.name), material.images)
    looks = {one.id: list(one.looks) for one in explained}
    flat = [look for one in ids for look in looks[one]]
    arrays = {"predicted": np.array([look.predicted for look in flat])}
    arrays |= {"confidence": np.array([look.confidence for look in flat])}
    write_npz(path, pixels=np.stack([look.pixels for look in flat]), **arrays)
    return looks


def _unpacked(ids: Sequence[str], runs: Sequence[OofRun], kept: dict[str, np.ndarray]) -> dict[str, list[Look]]:
    found: dict[str, list[Look]] = {}
    for place, one in enumerate(ids):
        rows = range(place * len(runs), (place + 1) * len(runs))
        found[one] = [
            Look(run.recipe, int(kept["predicted"][row]), float(kept["confidence"][row]), kept["pixels"][row])
            for run, row in zip(runs, rows)
        ]
    return found
