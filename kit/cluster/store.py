"""Files that a unit sends home from a machine that does not share the driver's disk."""

from __future__ import annotations

from pathlib import Path

from kit.artefact import write_bytes
from kit.cluster.unit import Unit
from kit.errors import TrainError

FIT_STATE, DONE = "checkpoint.pt", "fold.json"
"""The state of an unfinished fit, and what marks a fold as finished."""


def store(unit: Unit, name: str, data: bytes) -> None:
    """Writes a file that a unit sent home; a finished fold needs no checkpoint."""
    path = Path(name)
    if path.is_absolute() or ".." in path.parts:
        raise TrainError(f"{unit.name}: sent a file to {name}, which lies outside of the store")
    target = unit.job.fit.root / path  # type: ignore[attr-defined]
    write_bytes(target, data)
    if path.name == DONE:
        (target.parent / FIT_STATE).unlink(missing_ok=True)
