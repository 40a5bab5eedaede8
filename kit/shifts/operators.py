"""Every operator by name: `family.operator`, a function of (image, strength, generator)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from kit.shifts import (
    blur,
    colour,
    compression,
    geometry,
    illumination,
    noise,
    occlusion,
    resolution,
    tone,
)
from kit.shifts.draws import Image

Operator = Callable[[Image, float, np.random.Generator], Image]

_NAMES = {
    blur: "defocus motion gaussian zoom",
    noise: "gaussian shot impulse speckle",
    colour: "hue saturation channel_shift white_balance stain",
    illumination: "brighten darken contrast_up contrast_down gamma vignette uneven",
    geometry: "rotate_black rotate_white rotate_reflect shear zoom_in zoom_out translate elastic",
    occlusion: "cutout grid_mask dust",
    compression: "jpeg webp",
    resolution: "nearest bilinear bicubic lanczos area pixelate",
    tone: "solarize posterize equalize",
}


def _collected() -> dict[str, Operator]:
    named: dict[str, Operator] = {}
    for module, names in _NAMES.items():
        family = module.__name__.rsplit(".", 1)[-1]
        named |= {f"{family}.{name}": getattr(module, name) for name in names.split()}
    return named


OPERATORS = _collected()
"""The single operators; mixtures are made of them."""


def family_of(name: str) -> str:
    """Family of an operator ("blur.motion") or a cell ("blur.motion@3")."""
    return name.split(".", 1)[0]


@cache
def members(family: str) -> tuple[str, ...]:
    """The single operators of `family`."""
    return tuple(name for name in OPERATORS if family_of(name) == family)
