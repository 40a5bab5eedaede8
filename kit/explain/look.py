"""One network's look at one image, and which networks are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kit.ensemble.blend import Blend
from kit.oof_store import OofRun

MOST_MEMBERS = 2
"""Members that are shown beside an image, the heaviest of the blend first."""


@dataclass(frozen=True)
class Look:
    """What one member predicted for an image, and where it looked for that class."""

    recipe: str
    predicted: int
    confidence: float
    pixels: np.ndarray
    """(H, W, 3) uint8: the image under its heat."""


def strongest(blend: Blend | None, runs: Sequence[OofRun], most: int = MOST_MEMBERS) -> list[OofRun]:
    """The heaviest members of the blend, or the first of `runs`, best first; none of predictions made elsewhere."""
    own = {run.recipe: run for run in runs if not run.info.get("external")}
    if blend is None:
        return list(own.values())[:most]
    places = {run.recipe: place for place, run in enumerate(runs)}
    members = [member for member in blend.members if member.recipe in own]
    members.sort(key=lambda member: (-member.weight, places[member.recipe]))
    return [own[member.recipe] for member in members[:most]]
