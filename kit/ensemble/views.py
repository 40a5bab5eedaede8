"""Test-time views by name, and names of sets of them: each distinct view once. The arithmetic is the shipped file's."""

from __future__ import annotations

from collections.abc import Iterable

from kit.errors import EnsembleError, did_you_mean
from kit.inference.model import TINTS, VIEWS, WINDOWS

SETS: dict[str, tuple[str, ...]] = {
    "flips": ("identity", "hflip", "vflip", "rot180"),
    "turns": ("identity", "rot90", "rot180", "rot270"),
    "d4": VIEWS,
    "five_crop": ("crop_tl", "crop_tr", "crop_bl", "crop_br", "crop_centre"),
    "scales": ("identity", *(name for name in WINDOWS if name.startswith("scale"))),
    "shifts": ("identity", "up", "down", "left", "right"),
    "colour": ("identity", *TINTS),
}
"""Names that stand for several views."""

KNOWN = (*VIEWS, *WINDOWS, *TINTS)


def expand(names: Iterable[str]) -> tuple[str, ...]:
    """Views for names of views and of sets, each once, in order; EnsembleError names the near one."""
    views: dict[str, None] = {}
    for name in names:
        if name not in SETS and name not in KNOWN:
            known = (*SETS, *KNOWN)
            raise EnsembleError(f"view must be one of {', '.join(known)}, but got {name!r}.{did_you_mean(name, known)}")
        views |= dict.fromkeys(SETS.get(name, (name,)))
    return tuple(views)
