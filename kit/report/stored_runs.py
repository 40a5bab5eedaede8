"""The runs of a contest that belong together: those of the blend, or of the latest fit where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kit.artefact import read_json
from kit.ensemble.blend import Blend
from kit.errors import KitError
from kit.oof_store import RUN, OofRun, load_run
from kit.storage import holding


def runs_that_belong(folder: Path, blend: Blend | None, notes: list[str]) -> list[OofRun]:
    """Complete runs in oof/<contest> on the same data, folds and battery; `notes` gets a line for each left out."""
    marks = {marker.parent: _mark(marker, notes) for marker in holding(folder, RUN)}
    known = {path: mark for path, mark in marks.items() if mark}
    reference = _reference(known, blend)
    runs = []
    for path, mark in known.items():
        if reference is None or _identity(mark) != _identity(reference):
            notes.append(f"{path.name} is left out: it was trained on other data, folds or shifts than the rest.")
        elif (run := _loaded(path, notes)) is not None:
            runs.append(run)
    return runs


def _mark(marker: Path, notes: list[str]) -> dict[str, Any]:
    try:
        mark = read_json(marker)
        return mark | {"digests": dict(mark["digests"]), "shift": dict(mark["shift"])}
    except (KitError, KeyError, TypeError, ValueError) as error:
        notes.append(f"{marker.parent.name} is left out: {error}")
        return {}


def _reference(marks: dict[Path, dict[str, Any]], blend: Blend | None) -> dict[str, Any] | None:
    """A member of the blend, or else the run that was finished last; None where there is no such run."""
    names = [member.recipe for member in blend.members] if blend else []
    fitting = [
        mark
        for path, mark in marks.items()
        if blend is None or (path.name in names and mark["digests"] == blend.digests)
    ]
    return max(fitting, key=lambda mark: mark.get("time", 0.0), default=None)


def _identity(mark: dict[str, Any]) -> tuple[Any, Any]:
    return mark["digests"], mark["shift"]


def _loaded(path: Path, notes: list[str]) -> OofRun | None:
    try:
        return load_run(path)
    except KitError as error:
        notes.append(f"{path.name} is left out: {error}")
        return None
