"""Random draws that depend on names alone: never on the batch, the order or the thread that makes them.

Every operator gets its own counter-based generator (Philox; Salmon et al. 2011, "Parallel random numbers: as
easy as 1, 2, 3"), keyed by a hash of the battery's seed, the row's id and the operator's name. The severity
is left out of the key on purpose: one row sees the same blur direction or the same hole at every severity,
so that a severity curve compares strengths and not draws.
"""

from __future__ import annotations

import hashlib
from functools import cache

import numpy as np

Image = np.ndarray
"""(H, W, 3) uint8, RGB."""

REFERENCE_SIDE = 96
"""Side in pixels at which lengths (blur radii, displacements) are given; they grow with the image."""

POOL = 1 << 19


def generator(seed: int, *names: str) -> np.random.Generator:
    """A generator that is a function of `seed` and `names` alone."""
    digest = hashlib.blake2b("\x1f".join((str(seed), *names)).encode(), digest_size=16)
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest.digest(), "little")))


def sign(rng: np.random.Generator) -> float:
    """-1.0 or 1.0."""
    return 1.0 if rng.random() < 0.5 else -1.0


def pixels(image: Image) -> float:
    """How many pixels of `image` one pixel of an image of the reference side is."""
    return min(image.shape[:2]) / REFERENCE_SIDE


@cache
def _pool() -> np.ndarray:
    return generator(0, "normal pool").standard_normal(POOL, dtype=np.float32)


def normals(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Standard normal values, float32, cut from one fixed pool at a random place.

    Drawing 27,648 fresh normals costs more than all else that a noise operator does; a pool of half a million
    values read from a random place, forwards or backwards, is free and as good for an image.
    """
    size = int(np.prod(shape))
    if size * 2 > POOL:
        return rng.standard_normal(shape, dtype=np.float32)
    start = int(rng.integers(POOL - size))
    piece = _pool()[start : start + size].reshape(shape)
    return piece if rng.random() < 0.5 else piece[::-1]
