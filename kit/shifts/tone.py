"""Family tone: curves that no camera has, but every augmentation library (and so many a contest)."""

from __future__ import annotations

import cv2
import numpy as np

from kit.shifts.draws import Image

LEVELS = np.arange(256, dtype=np.float64)


def solarize(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """The brightest share `strength` of the range is inverted."""
    table = np.where(255.0 * (1.0 - strength) <= LEVELS, 255.0 - LEVELS, LEVELS)
    return cv2.LUT(image, table.astype(np.uint8))


def posterize(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """`strength` of the eight bits are dropped: 2 ** (8 - `strength`) levels are left, at least two."""
    levels = max(2, round(2.0 ** (8.0 - strength)))
    return cv2.LUT(image, (np.floor(LEVELS * levels / 256.0) * (256.0 / levels)).astype(np.uint8))


def equalize(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """A share `strength` of the image whose channels have flat histograms, the rest as it was."""
    equal = cv2.merge([cv2.equalizeHist(channel) for channel in cv2.split(image)])
    return cv2.addWeighted(equal, strength, image, 1.0 - strength, 0.0)
