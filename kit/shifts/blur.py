"""Family blur: what focus, movement and optics do to an image.

Strengths are lengths in pixels at the reference side, but for `zoom`, where it is the share by which the
image grows during the exposure.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from kit.shifts.draws import Image, pixels

DIRECTIONS = 32


def gaussian(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Gaussian blur of standard deviation `strength`."""
    return cv2.GaussianBlur(image, (0, 0), strength * pixels(image), borderType=cv2.BORDER_REFLECT_101)


def defocus(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Blur by a disk of radius `strength`, the image of a point out of focus."""
    return cv2.filter2D(image, -1, _disk(round(strength * pixels(image), 3)))


def motion(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Blur along a line of length `strength` in a random direction."""
    direction = int(rng.integers(DIRECTIONS))
    return cv2.filter2D(image, -1, _line(round(strength * pixels(image), 3), direction))


def zoom(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Mean of 16 images magnified from 1 to 1 + `strength` about the centre, by four doublings."""
    height, width = image.shape[:2]
    for doubling in range(4):
        factor = (1.0 + strength) ** (2**doubling / 15)
        matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), 0.0, factor)
        image = cv2.addWeighted(image, 0.5, cv2.warpAffine(image, matrix, (width, height)), 0.5, 0.0)
    return image


@lru_cache(maxsize=256)
def _disk(radius: float) -> np.ndarray:
    reach = int(np.ceil(radius))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    kernel = np.clip(radius + 0.5 - np.hypot(x, y), 0.0, 1.0).astype(np.float32)
    return kernel / kernel.sum()


@lru_cache(maxsize=1024)
def _line(length: float, direction: int) -> np.ndarray:
    reach = int(np.ceil(length / 2))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    angle = np.pi * direction / DIRECTIONS
    along = np.abs(x * np.cos(angle) + y * np.sin(angle))
    across = np.abs(y * np.cos(angle) - x * np.sin(angle))
    kernel = np.clip(length / 2 + 0.5 - along, 0.0, 1.0) * np.clip(1.0 - across, 0.0, 1.0)
    return (kernel / kernel.sum()).astype(np.float32)
