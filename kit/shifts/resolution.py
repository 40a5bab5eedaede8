"""Family resolution: fewer pixels, then the old size again. Strength is the factor by which sides shrink."""

from __future__ import annotations

import cv2
import numpy as np

from kit.shifts.draws import Image


def nearest(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Shrunk by picking pixels, grown likewise: jagged, with details lost at random."""
    return _resampled(image, strength, cv2.INTER_NEAREST_EXACT, cv2.INTER_NEAREST_EXACT)


def bilinear(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Shrunk and grown bilinearly, aliases included."""
    return _resampled(image, strength, cv2.INTER_LINEAR, cv2.INTER_LINEAR)


def bicubic(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Shrunk and grown bicubically, with overshoot at edges."""
    return _resampled(image, strength, cv2.INTER_CUBIC, cv2.INTER_CUBIC)


def lanczos(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Shrunk and grown by Lanczos' kernel, with ringing at edges."""
    return _resampled(image, strength, cv2.INTER_LANCZOS4, cv2.INTER_LANCZOS4)


def area(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Shrunk by the mean over areas, grown bilinearly: clean and soft."""
    return _resampled(image, strength, cv2.INTER_AREA, cv2.INTER_LINEAR)


def pixelate(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Shrunk by the mean over areas, grown as blocks."""
    return _resampled(image, strength, cv2.INTER_AREA, cv2.INTER_NEAREST_EXACT)


def _resampled(image: Image, factor: float, down: int, up: int) -> Image:
    height, width = image.shape[:2]
    small = (max(2, round(width / factor)), max(2, round(height / factor)))
    return cv2.resize(cv2.resize(image, small, interpolation=down), (width, height), interpolation=up)
