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


def describe(images: np.ndarray) -> np.ndarray:
    """Descriptors of images (N, H, W, 3) uint8: (N, 59) float32."""
    with ThreadPoolExecutor() as pool:
        rows = list(pool.map(_described, images))
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
    quantiles = [np.argmax(shares >= share - 1e-6, axis=0) for share in (0.05, 0.25, 0.5, 0.95)]
    mean, spread = cv2.meanStdDev(image)
    return np.concatenate([*quantiles, mean.ravel(), spread.ravel(), (counts > 0).mean(axis=0)])


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
        laplacian = np.abs(cv2.Laplacian(level, cv2.CV_32F))
        energy += [float(laplacian.mean())]
        if len(energy) == 1:
            middle = float(np.median(laplacian))
        level = cv2.pyrDown(level)
    return np.array([*energy, middle, energy[0] / (energy[1] + 1.0), energy[1] / (energy[2] + 1.0)])


def _edges(grey: np.ndarray) -> np.ndarray:
    """Mean steps in four directions, and how much larger they are on the borders of JPEG's blocks (6)."""
    across, down = np.abs(np.diff(grey, axis=1)), np.abs(np.diff(grey, axis=0))
    falling, rising = np.abs(grey[1:, 1:] - grey[:-1, :-1]), np.abs(grey[1:, :-1] - grey[:-1, 1:])
    columns, rows = across[:, JPEG_BLOCK - 1 :: JPEG_BLOCK], down[JPEG_BLOCK - 1 :: JPEG_BLOCK]
    block_columns = columns.mean() - across.mean() if columns.size else 0.0  # one block has no border inside
    block_rows = rows.mean() - down.mean() if rows.size else 0.0
    return np.array([across.mean(), down.mean(), falling.mean(), rising.mean(), block_columns, block_rows])


def _flat(image: Image) -> np.ndarray:
    """Shares of black, white and locally constant pixels, in the image and on its rim (6)."""
    step = cv2.absdiff(np.ascontiguousarray(image[1:, 1:]), np.ascontiguousarray(image[:-1, :-1]))
    masks = [cv2.inRange(image, (0,) * 3, (0,) * 3), cv2.inRange(image, (255,) * 3, (255,) * 3)]
    masks.append(cv2.inRange(step, (0,) * 3, (0,) * 3))
    return np.array([part.mean() / 255.0 for mask in masks for part in (mask, _rim(mask))])


def _rim(mask: np.ndarray) -> np.ndarray:
    return np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])


def _layout(grey: np.ndarray) -> np.ndarray:
    """A thumbnail of 4x4 less its mean (16)."""
    small = cv2.resize(grey, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    return (small - small.mean()).ravel()
