"""Which recipes adapt to the pictures of a call: measured, decided once a run, and read when a zip is packed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kit.artefact import read_json, write_json
from kit.errors import ArtefactError
from kit.oof import finished_at

FILE = "adaptation.json"
OFF = "off"


@dataclass(frozen=True)
class Adaptation:
    """`adaptation.json` of a run."""

    of: float
    """When the run that it was measured on was finished."""
    method: str
    """One of `kit.submit.adapt.METHODS`, or "off"."""
    prior: tuple[float, ...]
    """(C,) shares of the classes among the training rows."""
    gains: dict[str, dict[str, float]]
    """Method -> situation -> accuracy less that of the network as it is."""

    def write(self, folder: Path) -> None:
        """Beside run.json."""
        write_json(folder / FILE, asdict(self))


def chosen(folder: Path) -> dict[str, Any] | None:
    """A member's "adapt" for the manifest; None where the run in `folder` is not to adapt, or was made anew since."""
    path = folder / FILE
    if not path.exists():
        return None
    rerun = f"kit adapt {folder.name} --contest {folder.parent.name}"
    try:
        found = Adaptation(**read_json(path, rerun))
    except TypeError as error:
        raise ArtefactError(f"{path}: not a decision ({error}). Make it again: {rerun}") from error
    if found.method == OFF or found.of != finished_at(folder):
        return None
    return {"method": found.method, "prior": list(found.prior)}
