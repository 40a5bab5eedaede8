"""What happens to an image on its way to being a near duplicate: how copies are simulated to learn from.

Each function takes an image (S, S, 3) uint8 and a generator, and returns one of the same shape.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

Perturb = Callable[[np.ndarray, np.random.Generator], np.ndarray]
MEMORY = 64 << 20
"""Bytes of copies that are held at a time."""
BORDERS = (cv2.BORDER_REFLECT, cv2.BORDER_REPLICATE, cv2.BORDER_CONSTANT)


def reencoded(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """JPEG of quality 35 to 90."""
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(35, 91))])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), dtype=np.uint8)


def resized(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Half to nine tenths of the size, and back."""
    size = image.shape[0]
    small = max(4, round(size * rng.uniform(0.5, 0.9)))
    less = cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA)
    return cv2.resize(less, (size, size), interpolation=cv2.INTER_CUBIC)


def cropped(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Up to 7 % off each side, then stretched to the old size."""
    size = image.shape[0]
    top, bottom, left, right = rng.integers(0, max(1, round(0.07 * size)) + 1, 4)
    inner = image[top : size - bottom, left : size - right]
    return cv2.resize(np.ascontiguousarray(inner), (size, size), interpolation=cv2.INTER_CUBIC)


def shifted(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Up to 6 % along each axis, the gap mirrored, stretched or black."""
    size = image.shape[0]
    reach = max(1, round(0.06 * size))
    matrix = np.array([[1, 0, rng.integers(-reach, reach + 1)], [0, 1, rng.integers(-reach, reach + 1)]], float)
    return cv2.warpAffine(image, matrix, (size, size), borderMode=int(rng.choice(BORDERS)))


def brightened(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gain of 0.7 to 1.3 and offset of up to 15 grey levels, clipped."""
    changed = image.astype(np.float32) * rng.uniform(0.7, 1.3) + rng.uniform(-15, 15)
    return np.clip(np.round(changed), 0, 255).astype(np.uint8)


def turned(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One of the seven quarter turns and flips."""
    number = int(rng.integers(1, 8))
    return oriented(image, number)


def oriented(image: np.ndarray, number: int) -> np.ndarray:
    """Orientation 0..7 of the square: that many quarter turns, from 4 on mirrored; a contiguous copy."""
    quarter = np.rot90(image, number % 4)
    return np.ascontiguousarray(quarter[:, ::-1] if number >= 4 else quarter)


KINDS: dict[str, Perturb] = {
    "re-encoded": reencoded,
    "resized": resized,
    "cropped": cropped,
    "shifted": shifted,
    "brightness": brightened,
    "turned": turned,
}


def several(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Two or three of the kinds, one after the other."""
    for kind in rng.choice(list(KINDS), int(rng.integers(2, 4)), replace=False):
        image = KINDS[kind](image, rng)
    return image


def simulated(
    images: np.ndarray, rows: np.ndarray, rng: np.random.Generator, seen_as: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """What `seen_as` makes of a copy of each of `rows` of the images (N, S, S, 3); of all kinds in turn, crops, hardest
    to see through, a third. Few copies are held at a time: 4,000 of 512 px would be 3 GB.
    """
    kinds = [*KINDS.values(), cropped, several, cropped]
    piece = min(max(MEMORY // images[0].nbytes, 1), 1024)
    found = []
    for start in range(0, len(rows), piece):
        some = enumerate(rows[start : start + piece], start)
        found.append(seen_as(np.stack([kinds[number % len(kinds)](images[row], rng) for number, row in some])))
    return np.concatenate(found)
