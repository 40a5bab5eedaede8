"""The symmetries of the square: which are tested, and which may be used together."""

from __future__ import annotations

from collections.abc import Collection

from kit.inference.model import VIEWS

TESTED = ("hflip", "vflip", "rot180", "rot90", "transpose")
"""The other two of the square are products of these."""
SUBGROUPS: tuple[tuple[str, ...], ...] = (
    VIEWS,
    ("identity", "hflip", "vflip", "rot180"),
    ("identity", "rot180", "transpose", "antitranspose"),
    ("identity", "rot90", "rot180", "rot270"),
    ("identity", "hflip"),
    ("identity", "vflip"),
    ("identity", "rot180"),
    ("identity", "transpose"),
    ("identity",),
)
"""Sets of symmetries of the square that hold every product of theirs, those with more before those with fewer."""


def largest_subgroup(kept: Collection[str]) -> tuple[str, ...]:
    """The symmetries that may be used together where each of `kept`, of `TESTED`, keeps the label."""
    return next(group for group in SUBGROUPS if all(name in kept for name in group if name in TESTED))
