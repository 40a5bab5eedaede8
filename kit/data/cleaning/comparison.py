"""How far two aligned images differ, beyond what copying does to an image: learned from the images themselves.

Copies are simulated from a sample and aligned with their originals. What differs then is what copying leaves behind;
the directions are kept in which images differ most in proportion to that (linear discriminant analysis with every
image its own class). So what all images of a set share, say the chest in X-rays, counts for nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

from kit.data.cleaning import perturb
from kit.data.cleaning.alignment import INNER, SIDE, aligned, thumbnails

DIMENSIONS = 32
SIMULATED, A_IMAGE = 2000, 10
"""Copies simulated to learn from: at most in all, and of each image."""
_FAINT = 4.0
"""Grey levels of contrast below which an image is not stretched to that of others: it would be noise."""
_WHITE, _OPEN = 250, 64
"""Grey level from which a pixel counts as clipped, and the pixels below it that it takes to tell the brightness."""
_BLURS = (0.45, 0.65, 0.9, 1.2)
"""Pixels of the thumbnail: what is lost where an image is made half to nine tenths as large, and enlarged again."""
_FAILED = 0.03
"""Share of the simulated copies that are too far gone to learn from: clipped until nothing is left."""


@dataclass(frozen=True)
class Comparison:
    """Projection in which aligned copies of an image differ by about one in each dimension."""

    projection: np.ndarray
    """(pixels, DIMENSIONS) float32."""
    simulated: np.ndarray
    """(M,) float32: how far simulated copies lie from their original that were not learned from."""
    originals: np.ndarray
    """(M,) int64: their rows."""

    def distances(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """(M,) float32 between images (M, SIDE, SIDE), `other` aligned with `one`."""
        return np.linalg.norm(_change(one, other) @ self.projection, axis=1)

    def pairs(self, small: np.ndarray, pairs: np.ndarray) -> np.ndarray:
        """(M,) float32 for pairs (M, 2) of rows of the thumbnails `small` (N, SIDE, SIDE) uint8."""
        found = [np.zeros(0, np.float32)]
        for start in range(0, len(pairs), 8192):
            one, other = small[pairs[start : start + 8192].T]
            found.append(self.distances(one, aligned(one, other)))
        return np.concatenate(found)


def learn(images: np.ndarray, small: np.ndarray, seed: int = 0) -> Comparison:
    """The comparison for images (N, S, S, 3) uint8 with thumbnails `small` (N, SIDE, SIDE) uint8."""
    rng = np.random.default_rng(seed)
    count = min(SIMULATED, A_IMAGE * len(images))
    rows = rng.choice(len(images), count, replace=len(images) < count)
    one = small[rows]
    other = aligned(one, perturb.simulated(images, rows, rng, thumbnails))
    change = _change(one, other)
    seen = np.arange(count) % 4 > 0
    size = np.linalg.norm(change, axis=1)
    usable = seen & (size <= np.quantile(size[seen], 1 - _FAILED))
    within = change[usable].T @ change[usable] / (2 * usable.sum())
    within[np.diag_indices_from(within)] += 0.02 * np.trace(within) / len(within) + 1e-6
    some = small[:: max(1, len(small) // 5000), INNER, INNER].astype(np.float32)
    spread = np.cov(_normalised(some.reshape(len(some), -1)), rowvar=False)
    kept = min(DIMENSIONS, len(within))
    _, directions = eigh(spread, within, subset_by_index=[len(within) - kept, len(within) - 1])
    projection = directions[:, ::-1].astype(np.float32)
    return Comparison(projection, np.linalg.norm(change[~seen] @ projection, axis=1), rows[~seen])


def _change(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(M, pixels) float32: what is left between the two beyond border, sharpness, brightness, contrast and clipping."""
    assert one.shape[1:] == other.shape[1:] == (SIDE, SIDE), (one.shape, other.shape)
    best = size = None
    for first, second in _as_sharp(one.astype(np.float32), other.astype(np.float32)):
        parts = (part[:, INNER, INNER].reshape(len(part), -1) for part in (first, second))
        first, second = _clipped_alike(*parts)
        change = _normalised(second) - _normalised(first)
        norm = np.linalg.norm(change, axis=1)
        if best is None or size is None:
            best, size = change, norm
        else:
            nearer = norm < size
            best[nearer], size[nearer] = change[nearer], norm[nearer]
    assert best is not None
    return best


def _as_sharp(first: np.ndarray, second: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The two (M, SIDE, SIDE) as they are, then the sharper of either pair more and more blurred: a copy that was made
    smaller and enlarged again lost its finest detail.
    """
    yield first, second
    sharper = (_detail(first) >= _detail(second))[:, None, None]
    sharp, soft = np.where(sharper, first, second), np.where(sharper, second, first)
    for blur in map(_gaussian, _BLURS):
        less = blur @ sharp @ blur.T
        yield np.where(sharper, less, soft), np.where(sharper, soft, less)


def _gaussian(deviation: float) -> np.ndarray:
    """(SIDE, SIDE) float32: blurs along one axis, what lies outside left out."""
    away = np.arange(SIDE)[:, None] - np.arange(SIDE)
    weights = np.exp(-(away**2) / (2 * deviation**2))
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _detail(images: np.ndarray) -> np.ndarray:
    """(M,) differences between neighbouring pixels of images (M, SIDE, SIDE), as a share of their contrast."""
    inner = images[:, INNER, INNER]
    size = sum((np.diff(inner, axis=axis) ** 2).mean(axis=(1, 2)) for axis in (1, 2))
    return np.asarray(size / (inner.var(axis=(1, 2)) + _FAINT**2))


def _clipped_alike(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The darker of either two, made as bright as the other and clipped like it; both (M, pixels)."""
    unclipped = ((first < _WHITE) & (second < _WHITE)).astype(np.float32)
    count = unclipped.sum(axis=1, keepdims=True) + 1e-3
    means = [(part * unclipped).sum(axis=1, keepdims=True) / count for part in (first, second)]
    apart = [(part - mean) * unclipped for part, mean in zip((first, second), means)]
    gain = np.sqrt(((apart[1] ** 2).sum(axis=1, keepdims=True) + 1) / ((apart[0] ** 2).sum(axis=1, keepdims=True) + 1))
    usable = (count > _OPEN) & (np.abs(np.log(gain)) < np.log(2))
    brighter = np.clip((first - means[0]) * gain + means[1], 0, 255)
    dimmed = np.clip((second - means[1]) / gain + means[0], 0, 255)
    return np.where(usable & (gain > 1), brighter, first), np.where(usable & (gain < 1), dimmed, second)


def _normalised(values: np.ndarray) -> np.ndarray:
    """(M, pixels) float32 without brightness and contrast."""
    values = values - values.mean(axis=1, keepdims=True)
    return values / (values.std(axis=1, keepdims=True) + _FAINT)
