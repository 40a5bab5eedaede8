"""What an image looks like apart from what it shows: light, colour, sharpness, noise, edges and flat parts.

Small, cheap and made without a network, so that a classifier on them finds the camera and not the class.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from kit.shifts.draws import Image

THUMBNAIL = 4
JPEG_BLOCK = 8
QUANTILES = np.array([0.05, 0.25, 0.5, 0.95], np.float32) - np.float32(1e-6)
PART = 32
"""Images that a thread takes at once: handing over a small one takes as long as describing it."""


def describe(images: np.ndarray) -> np.ndarray:
    """Descriptors of images (N, H, W, 3) uint8: (N, 59) float32."""
    parts = [images[start : start + PART] for start in range(0, len(images), PART)]
    with ThreadPoolExecutor() as pool:
        rows = [row for found in pool.map(lambda part: [_described(image) for image in part], parts) for row in found]
    return np.array(rows, dtype=np.float32)


def _described(image: Image) -> np.ndarray:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return np.concatenate(
        [_levels(image), _colours(image), _sharpness(grey), _edges(grey), _flat(image), _layout(grey)]
    )


def _levels(image: Image) -> np.ndarray:
    """Per channel: quantiles, mean, spread, and the share of the 256 levels that occur (21)."""
    histograms = [cv2.calcHist([image], [channel], None, [256], [0, 256]).ravel() for channel in range(3)]
    counts = np.stack(histograms, axis=1)
    shares = counts.cumsum(axis=0) / counts[:, 0].sum()
    quantiles = np.argmax(shares[:, None] >= QUANTILES[:, None], axis=0)
    mean, spread = cv2.meanStdDev(image)
    return np.concatenate([quantiles.ravel(), mean.ravel(), spread.ravel(), (counts > 0).mean(axis=0)])


def _colours(image: Image) -> np.ndarray:
    """Mean and spread of saturation, mean hue as a point on the circle (4)."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL)
    mean, spread = cv2.meanStdDev(hsv[..., 1])
    turn = hsv[..., 0].astype(np.float32) * np.float32(2 * np.pi / 256)
    return np.array([mean[0, 0], spread[0, 0], np.cos(turn).mean(), np.sin(turn).mean()])


def _sharpness(grey: np.ndarray) -> np.ndarray:
    """Mean size of the Laplacian at three scales, its median (noise; after Immerkaer 1996) and their ratios (6)."""
    energy, level = [], grey
    for _ in range(3):
        laplacian = cv2.Laplacian(level, cv2.CV_32F)
        energy += [cv2.norm(laplacian, cv2.NORM_L1) / laplacian.size]
        if len(energy) == 1:
            middle = float(np.median(np.abs(laplacian)))
        level = cv2.pyrDown(level)
    return np.array([*energy, middle, energy[0] / (energy[1] + 1.0), energy[1] / (energy[2] + 1.0)])


def _edges(grey: np.ndarray) -> np.ndarray:
    """Mean steps in four directions, and how much larger they are on the borders of JPEG's blocks (6)."""
    across, down = _step(grey[:, 1:], grey[:, :-1]), _step(grey[1:], grey[:-1])
    falling, rising = _step(grey[1:, 1:], grey[:-1, :-1]), _step(grey[1:, :-1], grey[:-1, 1:])
    last = JPEG_BLOCK - 1
    columns = [np.ascontiguousarray(grey[:, start:end:JPEG_BLOCK]) for start, end in ((last, -1), (last + 1, None))]
    rows = [grey[start:end:JPEG_BLOCK] for start, end in ((last, -1), (last + 1, None))]
    block_columns = _step(*columns) - across if columns[0].size else 0.0  # one block has no border inside
    block_rows = _step(*rows) - down if rows[0].size else 0.0
    return np.array([across, down, falling, rising, block_columns, block_rows])


def _step(one: np.ndarray, other: np.ndarray) -> float:
    """Mean difference of two parts of an image; 0 where they hold no pixel."""
    return cv2.norm(one, other, cv2.NORM_L1) / one.size if one.size else 0.0


def _flat(image: Image) -> np.ndarray:
    """Shares of black, white and locally constant pixels, in the image and on its rim (6)."""
    step = cv2.absdiff(np.ascontiguousarray(image[1:, 1:]), np.ascontiguousarray(image[:-1, :-1]))
    masks = [cv2.inRange(image, (0,) * 3, (0,) * 3), cv2.inRange(image, (255,) * 3, (255,) * 3)]
    masks.append(cv2.inRange(step, (0,) * 3, (0,) * 3))
    return np.array([np.count_nonzero(part) / part.size for mask in masks for part in (mask, _rim(mask))])


def _rim(mask: np.ndarray) -> np.ndarray:
    return np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])


def _layout(grey: np.ndarray) -> np.ndarray:
    """A thumbnail of 4x4 less its mean (16)."""
    small = cv2.resize(grey, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    return (small - small.mean()).ravel()
