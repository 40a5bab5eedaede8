"""Which recipes adapt to the images of a call: measured, decided once a run, and read when a zip is to adapt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from kit.artefact import read_json, write_json
from kit.config import PlatformConfig
from kit.errors import ArtefactError, PackagingError
from kit.oof_store import finished_at
from kit.packaging.members import Member
from kit.storage import exists

FILE = "adaptation.json"
OFF = "off"


@dataclass(frozen=True)
class Adaptation:
    """`adaptation.json` of a run."""

    of: float
    """When the run that it was measured on was finished."""
    method: str
    """One of `kit.inference.adapt.METHODS`, or "off"."""
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
    if not exists(path):
        return None
    rerun = f"kit adapt {folder.name} --contest {folder.parent.name}"
    try:
        found = Adaptation(**read_json(path, rerun))
    except TypeError as error:
        raise ArtefactError(f"{path}: not a decision ({error}). Make it again: {rerun}") from error
    if found.method == OFF or found.of != finished_at(folder):
        return None
    return {"method": found.method, "prior": list(found.prior)}


def adapting(members: Sequence[Member], platform: PlatformConfig) -> tuple[list[Member], PlatformConfig]:
    """The members of a zip that adapts, and the platform with the one runtime whose networks can.

    PackagingError where the platform does not run it, or no recipe is to adapt.
    """
    if "timm" not in platform.runtimes:
        raise PackagingError(
            f"{platform.name} runs {', '.join(platform.runtimes)}, where no network can adapt. Pack without --adapt"
        )
    methods = [chosen(member.folder.parent) for member in members]
    if not any(methods):
        raise PackagingError("no recipe of the blend adapts: kit adapt found no winner. Pack without --adapt")
    found = [
        replace(member, entry=member.entry | {"adapt": method}) if method else member
        for member, method in zip(members, methods, strict=True)
    ]
    return found, platform.model_copy(update={"runtimes": ("timm",)})
