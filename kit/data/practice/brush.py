"""What the practice contest's images are drawn with: a float canvas, soft masks, textures."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

SIDE = 48
"""Side of an image, pixels."""
CANVAS = 2 * SIDE
"""Side of the canvas: twice the image's, then reduced, which smooths the edges."""
_BITS = 4
"""Fractional bits of the coordinates that are handed to OpenCV."""


def paint(canvas: np.ndarray, cover: np.ndarray, colour: np.ndarray) -> None:
    """Lays `colour` (3,) or (H, W, 3) over `canvas` (H, W, 3) in place, where `cover` (H, W) in 0..1 says so."""
    canvas += cover[..., None] * (colour - canvas)


def discs(centres: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Mask (96, 96) uint8 of filled circles: centres (M, 2) as x and y, radii (M,), canvas pixels."""
    mask = np.zeros((CANVAS, CANVAS), np.uint8)
    widths = np.maximum(np.round(radii * 2**_BITS), 1).astype(int).tolist()
    for place, width in zip(np.round(centres * 2**_BITS).astype(int).tolist(), widths, strict=True):
        cv2.circle(mask, place, width, (255,), -1, cv2.LINE_AA, _BITS)
    return mask


def outline(
    place: np.ndarray, radius: float, aspect: float, ragged: float, rng: np.random.Generator
) -> np.ndarray:
    """Mask (96, 96) float32 in 0..1 of a rounded body whose radius wavers by the share `ragged`."""
    angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    waves = np.arange(2, 8)
    height = rng.normal(0, ragged, len(waves)) / np.sqrt(waves - 1)
    waver = 1 + np.cos(np.outer(angles, waves) + rng.uniform(0, 2 * np.pi, len(waves))) @ height
    turn, stretch = rng.uniform(0, np.pi), np.sqrt(max(aspect, 1.0))
    upright = radius * waver * np.exp(1j * angles)
    turned = (upright.real * stretch + 1j * upright.imag / stretch) * np.exp(1j * turn)
    points = np.stack([turned.real, turned.imag], axis=1) + place
    mask = np.zeros((CANVAS, CANVAS), np.uint8)
    cv2.fillPoly(mask, [np.round(points * 2**_BITS).astype(np.int32)], (255,), cv2.LINE_AA, _BITS)
    return mask.astype(np.float32) / 255


def beside(place: np.ndarray, distance: float, rng: np.random.Generator) -> np.ndarray:
    """A point (2,) at `distance` from `place`, in a random direction."""
    angle = rng.uniform(0, 2 * np.pi)
    return place + distance * np.array([np.cos(angle), np.sin(angle)])


@lru_cache(maxsize=1)
def grid() -> np.ndarray:
    """Coordinates (96, 96, 2) float32, x before y."""
    return np.stack(np.meshgrid(np.arange(CANVAS), np.arange(CANVAS)), axis=-1).astype(np.float32)


def texture(scale: float, rng: np.random.Generator) -> np.ndarray:
    """A window (96, 96) float32 of standard normal values that are alike over `scale` pixels."""
    field = _field(scale)
    top, left = rng.integers(0, len(field) - CANVAS, 2)
    return field[top : top + CANVAS, left : left + CANVAS]


@lru_cache(maxsize=8)
def _field(scale: float) -> np.ndarray:
    """Smoothed noise (768, 768), drawn once: windows of it are much cheaper than new noise an image."""
    noise = np.random.default_rng(round(100 * scale)).normal(0, 1, (768, 768)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), scale)
    return np.asarray((smooth - smooth.mean()) / smooth.std(), np.float32)
