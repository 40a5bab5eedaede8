"""Family geometry: where the object lies, how large it is, and what fills the rest.

Every operator but the three rotations draws its fill: black, white, the reflected image or its last row.
"""

from __future__ import annotations

import cv2
import numpy as np

from kit.shifts.draws import Image, pixels, sign

BLACK, WHITE = (cv2.BORDER_CONSTANT, 0), (cv2.BORDER_CONSTANT, 255)
REFLECTED, LAST_ROW = (cv2.BORDER_REFLECT_101, 0), (cv2.BORDER_REPLICATE, 0)
FILLS = (BLACK, WHITE, REFLECTED, LAST_ROW)
ELASTIC_GRID = 7


def rotate_black(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Turned by `strength` degrees, either way, corners black."""
    return _turned(image, strength * sign(rng), BLACK)


def rotate_white(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Turned by `strength` degrees, either way, corners white."""
    return _turned(image, strength * sign(rng), WHITE)


def rotate_reflect(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Turned by `strength` degrees, either way, corners reflected."""
    return _turned(image, strength * sign(rng), REFLECTED)


def shear(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Sheared along a random axis by the tangent `strength`, either way."""
    linear = np.eye(2)
    axis = int(rng.integers(2))
    linear[axis, 1 - axis] = sign(rng) * strength
    return _warped(image, linear, np.zeros(2), _fill(rng))


def zoom_in(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Magnified 2 ** `strength` times about the centre."""
    return _warped(image, np.eye(2) * 2.0**strength, np.zeros(2), REFLECTED)


def zoom_out(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Shrunk 2 ** `strength` times about the centre."""
    return _warped(image, np.eye(2) * 2.0**-strength, np.zeros(2), _fill(rng))


def translate(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Moved by `strength` of the side in a random direction."""
    angle = rng.uniform(0.0, 2.0 * np.pi)
    shift = strength * min(image.shape[:2]) * np.array([np.cos(angle), np.sin(angle)])
    return _warped(image, np.eye(2), shift, _fill(rng))


def elastic(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Every point moved by a smooth random field of standard deviation `strength` pixels (Simard 2003)."""
    height, width = image.shape[:2]
    coarse = rng.standard_normal((ELASTIC_GRID, ELASTIC_GRID, 2), dtype=np.float32)
    field = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    field = field * np.float32(strength * pixels(image))
    x, y = (
        np.arange(width, dtype=np.float32) + field[..., 0],
        np.arange(height, dtype=np.float32)[:, None] + field[..., 1],
    )
    return cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


def _fill(rng: np.random.Generator) -> tuple[int, int]:
    return FILLS[int(rng.integers(len(FILLS)))]


def _turned(image: Image, degrees: float, fill: tuple[int, int]) -> Image:
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return _warped(image, np.array([[cosine, sine], [-sine, cosine]]), np.zeros(2), fill)


def _warped(image: Image, linear: np.ndarray, shift: np.ndarray, fill: tuple[int, int]) -> Image:
    """`image` under x -> centre + linear (x - centre) + shift."""
    height, width = image.shape[:2]
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    matrix = np.column_stack([linear, centre + shift - linear @ centre])
    mode, value = fill
    return cv2.warpAffine(image, matrix, (width, height), borderMode=mode, borderValue=(value,) * 3)
