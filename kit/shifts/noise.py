"""Family noise: what sensors and transmission add. Strengths are shares of full white, but for `impulse`."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from kit.shifts.draws import Image, normals


def gaussian(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Independent normal noise of standard deviation `strength` on every value."""
    return _bytes(image + normals(rng, image.shape) * np.float32(255.0 * strength))


def shot(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Photon noise: Poisson counts of 1 / `strength`**2 photons at full white.

    Drawn through the square root, under which a Poisson count is nearly normal with variance 1/4 (Bartlett
    1936); the mean is exact, the variance too large by 1/8 of a photon.
    """
    photons = 1.0 / strength**2
    root = np.sqrt(image * np.float32(photons / 255.0)) + np.float32(0.5) * normals(rng, image.shape)
    np.maximum(root, np.float32(0.0), out=root)
    return _bytes((root * root - np.float32(0.25)) * np.float32(255.0 / photons))


def impulse(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """A share `strength` of the values becomes black or white: whole pixels in one half of the rows, single
    channels in the other."""
    limit = np.float32(NormalDist().inv_cdf(1.0 - strength / 2.0))
    height, width = image.shape[:2]
    channels = 3 if rng.random() < 0.5 else 1
    values = normals(rng, (height, width, channels))
    return np.where(values > limit, np.uint8(255), np.where(values < -limit, np.uint8(0), image))


def speckle(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Noise in proportion to the light: every value times 1 + `strength` times a normal value."""
    return _bytes(image * (np.float32(1.0) + np.float32(strength) * normals(rng, image.shape)))


def _bytes(values: np.ndarray) -> Image:
    return np.clip(values + np.float32(0.5), 0.0, 255.0).astype(np.uint8)
