"""Family occlusion: parts of the image are hidden."""

from __future__ import annotations

import cv2
import numpy as np

from kit.shifts.draws import Image, pixels

MOST_HOLES = 3


def cutout(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """One to three rectangles hide a share `strength` of the image, overlaps aside (DeVries, Taylor 2017),
    all black, white, grey or of the image's mean."""
    image = image.copy()
    height, width = image.shape[:2]
    colour = _colour(image, rng)
    holes = int(rng.integers(1, MOST_HOLES + 1))
    for _ in range(holes):
        aspect = 2.0 ** rng.uniform(-0.5, 0.5)
        h = min(round(height * np.sqrt(strength / holes) * aspect), height)
        w = min(round(width * np.sqrt(strength / holes) / aspect), width)
        top, left = round(rng.random() * (height - h)), round(rng.random() * (width - w))
        image[top : top + h, left : left + w] = colour
    return image


def grid_mask(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """A grid of squares hides a share `strength` of the image (Chen et al. 2020)."""
    image = image.copy()
    height, width = image.shape[:2]
    colour = _colour(image, rng)
    period = min(height, width) / rng.uniform(3.0, 7.0)
    rows, columns = _stripes(height, period, strength, rng), _stripes(width, period, strength, rng)
    image[rows[:, None] & columns[None, :]] = colour
    return image


def dust(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """`strength` specks of dust and a hair for every four of them, soft at the edge, dark in most rows."""
    height, width = image.shape[:2]
    cover = np.zeros((height, width), np.float32)
    scale = pixels(image)
    for _ in range(round(strength)):
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        cv2.circle(cover, centre, max(1, round(scale * rng.uniform(1.0, 4.5))), rng.uniform(0.6, 1.0), -1)
    for _ in range(round(strength / 4)):
        _hair(cover, scale, rng)
    soft = np.asarray(cv2.GaussianBlur(cover, (0, 0), 0.7 * scale))[..., None]
    tone = np.float32(40.0 if rng.random() < 0.7 else 235.0)
    shade = image + (tone - image) * soft
    return shade.astype(np.uint8)


def _hair(cover: np.ndarray, scale: float, rng: np.random.Generator) -> None:
    """An arc of an ellipse, one pixel wide. OpenCV 4.12 and 4.13 draw it differently."""
    height, width = cover.shape
    centre = (int(rng.integers(width)), int(rng.integers(height)))
    axes = (round(scale * rng.uniform(10, 40)), round(scale * rng.uniform(10, 40)))
    start, turn = rng.uniform(0.0, 360.0), np.deg2rad(rng.uniform(0.0, 180.0))
    angles = np.deg2rad(np.linspace(start, start + rng.uniform(40.0, 120.0), 8 * max(axes)))
    across, down = axes[0] * np.cos(angles), axes[1] * np.sin(angles)
    x = np.rint(centre[0] + across * np.cos(turn) - down * np.sin(turn)).astype(np.int64)
    y = np.rint(centre[1] + across * np.sin(turn) + down * np.cos(turn)).astype(np.int64)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    cover[y[inside], x[inside]] = 0.9


def _stripes(length: int, period: float, share: float, rng: np.random.Generator) -> np.ndarray:
    phase = (np.arange(length) + rng.uniform(0.0, period)) % period
    return phase < period * np.sqrt(share)


def _colour(image: Image, rng: np.random.Generator) -> np.ndarray:
    """Black, white, grey or the image's mean, (3,) uint8."""
    plain = (0, 128, 255, -1)[int(rng.integers(4))]
    return np.array(cv2.mean(image)[:3] if plain < 0 else (plain,) * 3).astype(np.uint8)
