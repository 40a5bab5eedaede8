"""Test-time views by name: sets of them on top of ttach's transforms, enumerated without duplicates.

ttach names and composes transforms, but a product of flips and quarter turns holds every symmetry of the
square twice, and each costs a pass. Here a set is what its members do to an image: each distinct view once.
The arithmetic is the shipped file's.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import ttach

from kit.errors import EnsembleError, did_you_mean
from kit.inference.model import TINTS, VIEWS, WINDOWS, apply_view

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

INVERSE = {name: name for name in VIEWS} | {
    "rot90": "rot270",
    "rot270": "rot90",
    "up": "down",
    "down": "up",
    "left": "right",
    "right": "left",
}
"""The view that undoes a view, where one does; shifts are undone but for the edge that they push out."""


def expand(names: Iterable[str]) -> tuple[str, ...]:
    """Views for names of views and of sets, each once, in order; EnsembleError names the near one."""
    views: dict[str, None] = {}
    for name in names:
        if name not in SETS and name not in KNOWN:
            known = (*SETS, *KNOWN)
            raise EnsembleError(f"view must be one of {', '.join(known)}, but got {name!r}.{did_you_mean(name, known)}")
        views |= dict.fromkeys(SETS.get(name, (name,)))
    return tuple(views)


def from_ttach(transforms: ttach.Compose) -> tuple[str, ...]:
    """The distinct views of a ttach composition of flips and quarter turns, in its order.

    Found by what they do to an image in which no two pixels are alike; EnsembleError for a composition that
    does anything else, because the shipped file could not do it.
    """
    image = torch.arange(16.0).reshape(1, 1, 4, 4)
    seen = {_key(apply_view(image, name)): name for name in VIEWS}
    views: dict[str, None] = {}
    for transform in transforms:
        name = seen.get(_key(transform.augment_image(image)))
        if name is None:
            raise EnsembleError(
                f"views must be symmetries of the square ({', '.join(VIEWS)}), but the composition of "
                f"{', '.join(type(one).__name__ for one in transforms.aug_transforms)} does more. Use view names"
            )
        views[name] = None
    return tuple(views)


def _key(image: torch.Tensor) -> tuple[float, ...]:
    return (*map(float, image.shape), *image.flatten().tolist())
