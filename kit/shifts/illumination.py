"""Family illumination: how much light there was, and where."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from kit.shifts.draws import Image, sign

LEVELS = np.arange(256, dtype=np.float64)


def brighten(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Middle grey moves up by `strength` of full white: by an offset in some rows, a gain in others."""
    return _mapped(image, _brightness(strength, rng))


def darken(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Middle grey moves down by `strength` (below 0.5) of full white, by an offset or a gain."""
    return _mapped(image, _brightness(-strength, rng))


def contrast_up(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Distance from the image's mean times 2 ** `strength`."""
    return _mapped(image, _contrast(image, 2.0**strength))


def contrast_down(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Distance from the image's mean divided by 2 ** `strength`."""
    return _mapped(image, _contrast(image, 2.0**-strength))


def gamma(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Gamma of 2 ** `strength` or its inverse."""
    return _mapped(image, 255.0 * (LEVELS / 255.0) ** (2.0 ** (sign(rng) * strength)))


def vignette(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Light falls off from a place near the centre; the farthest corner loses a share `strength`."""
    y, x = _axes(*image.shape[:2])
    x0, y0 = rng.uniform(-0.25, 0.25, 2).astype(np.float32)
    squares = ((x - x0) ** 2)[None, :] + ((y - y0) ** 2)[:, None]
    return _lit(image, np.float32(1.0) - np.float32(strength) * squares / squares.max())


def uneven(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """A smooth field of light between 2 ** -`strength` and 2 ** `strength`."""
    height, width = image.shape[:2]
    coarse = rng.standard_normal((3, 3), dtype=np.float32)
    field = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    low, high = float(field.min()), float(field.max())
    field = (field - np.float32(low)) * np.float32(2.0 / (high - low)) - np.float32(1.0)
    return _lit(image, cv2.exp(field * np.float32(strength * np.log(2.0))))


def _brightness(shift: float, rng: np.random.Generator) -> np.ndarray:
    return LEVELS + 255.0 * shift if rng.random() < 0.5 else LEVELS * (1.0 + 2.0 * shift)


def _contrast(image: Image, factor: float) -> np.ndarray:
    mean = sum(cv2.mean(image)[:3]) / 3.0
    return mean + factor * (LEVELS - mean)


def _mapped(image: Image, table: np.ndarray) -> Image:
    return cv2.LUT(image, np.clip(table, 0.0, 255.0).round().astype(np.uint8))


def _lit(image: Image, gain: np.ndarray) -> Image:
    return cv2.multiply(image, cv2.merge([gain] * 3), dtype=cv2.CV_8U)


@lru_cache(maxsize=8)
def _axes(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    return np.linspace(-1, 1, height, dtype=np.float32), np.linspace(-1, 1, width, dtype=np.float32)
