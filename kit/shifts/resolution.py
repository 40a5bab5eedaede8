"""Family resolution: fewer pixels, then the old size again. Strength is the factor by which sides shrink."""

from __future__ import annotations

import cv2
import numpy as np

from kit.shifts.draws import Image


def nearest(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Shrunk by picking pixels, grown likewise: jagged, with details lost at random."""
    height, width = image.shape[:2]
    return _picked(_picked(image, *_small(image, strength)), height, width)


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
    high, wide = _small(image, strength)
    return _picked(cv2.resize(image, (wide, high), interpolation=cv2.INTER_AREA), *image.shape[:2])


def _resampled(image: Image, factor: float, down: int, up: int) -> Image:
    (height, width), (high, wide) = image.shape[:2], _small(image, factor)
    return cv2.resize(cv2.resize(image, (wide, high), interpolation=down), (width, height), interpolation=up)


def _small(image: Image, factor: float) -> tuple[int, int]:
    """Height and width of the image with fewer pixels."""
    return max(2, round(image.shape[0] / factor)), max(2, round(image.shape[1] / factor))


def _picked(image: Image, height: int, width: int) -> Image:
    """(height, width, 3) of the pixels whose areas hold the new ones' centres. OpenCV 4 and 5 pick differently."""
    rows, columns = _nearest(image.shape[0], height), _nearest(image.shape[1], width)
    return np.asarray(image[rows[:, None], columns])


def _nearest(old: int, new: int) -> np.ndarray:
    return (2 * np.arange(new) + 1) * old // (2 * new)
