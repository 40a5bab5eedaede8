"""Another laboratory: every image of it has the same stain, light, white balance and optics.

A battery draws anew for every row; here the draw is the laboratory's, so that a batch has one kind of shift.
"""

from __future__ import annotations

import numpy as np

from kit.shifts.draws import generator
from kit.shifts.operators import OPERATORS
from kit.shifts.strengths import STRENGTHS

CHANGES = ("colour.stain", "colour.white_balance", "illumination.gamma", "blur.gaussian")
MILDEST, HARSHEST = 2, 4
"""Severities between which every change of a laboratory is drawn."""


def in_laboratory(images: np.ndarray, number: int, seed: int = 0) -> np.ndarray:
    """images (N, H, W, 3) uint8 as laboratory `number` would have taken them; a new array of the same shape."""
    drawn = generator(seed, "laboratory", str(number)).integers(MILDEST, HARSHEST + 1, len(CHANGES))
    out = np.empty_like(images)
    for row, image in enumerate(images):
        shifted = np.ascontiguousarray(image)
        for name, severity in zip(CHANGES, drawn):
            # The same generator for every image: what it draws belongs to the laboratory.
            shifted = OPERATORS[name](shifted, STRENGTHS[name][severity - 1], generator(seed, name, str(number)))
        out[row] = shifted
    return out
