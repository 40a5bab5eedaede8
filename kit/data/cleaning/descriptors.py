"""A description of images in which near duplicates lie close together, learned from the images
themselves.

Numbers that flips and quarter turns leave alone (orbits of Fourier and cosine coefficients, ring means) are
taken of the brightness-normalised thumbnail. Then copies are simulated from a sample of the images, and
the directions kept in which images differ most in proportion to what copying does to them: linear
discriminant analysis with every image its own class (Fisher 1936; within-class whitening as in Hastie,
Tibshirani, Friedman, 4.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from scipy.fft import dctn, fft2
from scipy.linalg import eigh

from kit.data.cleaning import perturb

SIDE = 32
"""Pixels a side of the thumbnail."""
DIMENSIONS = 32
SIMULATED, A_IMAGE = 4000, 10
"""Copies simulated to learn from: at most in all, and of each image."""
MARGIN = 1.35
"""Beyond the simulated copies: of bright ones that clip and are re-encoded, one in 25 lies further out."""
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_FREQUENCIES, _COSINES = 9, 6


def _hann() -> np.ndarray:
    window = np.hanning(SIDE + 2)[1:-1].astype(np.float32)
    return np.outer(window, window)


def _rings() -> np.ndarray:
    """(SIDE * SIDE, 6) float32: each column averages over one ring around the centre."""
    axis = np.arange(SIDE) - (SIDE - 1) / 2
    radius = np.hypot(axis[:, None], axis).ravel()
    edges = np.array([0, 3, 6, 9, 12, 15, 19]) * SIDE / 32
    masks = [(radius >= low) & (radius < high) for low, high in pairwise(edges)]
    return np.stack([mask / mask.sum() for mask in masks], axis=1).astype(np.float32)


def describe(images: np.ndarray) -> np.ndarray:
    """(N, D) float32 numbers of images (N, S, S, 3) uint8, the same for all flips and quarter turns."""
    pieces = [_describe(images[start : start + 1024]) for start in range(0, len(images), 1024)]
    return np.concatenate(pieces).astype(np.float32)


def _describe(images: np.ndarray) -> np.ndarray:
    small = [cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for image in images]
    thumbs = np.stack(small).astype(np.float32)
    luma = thumbs @ _LUMA
    luma = luma - luma.mean((1, 2), keepdims=True)
    contrast = luma.std((1, 2), keepdims=True) + 4
    red, blue = (thumbs[..., 0] - thumbs[..., 1]) / contrast, (thumbs[..., 2] - thumbs[..., 1]) / contrast
    luma = luma / contrast
    edges = np.hypot(*np.gradient(luma, axis=(1, 2)))
    centred = [one - one.mean((1, 2), keepdims=True) for one in (luma, red, blue, edges)]
    parts = [np.log(0.3 + _fourier_orbits(one)) for one in centred]
    parts += [_cosine_orbits(one) for one in centred[:3]]
    parts += [_quantiles(one) for one in (luma, red, blue)]
    parts += [_ring_moments(one) for one in (luma, red, blue, centred[3])]
    return np.concatenate(parts, axis=1)


def _fourier_orbits(maps: np.ndarray) -> np.ndarray:
    """Sorted magnitudes of the frequencies that flips and turns exchange; the window makes shifts
    harmless.
    """
    size = np.abs(fft2(maps * _hann(), axes=(1, 2)))
    orbits = []
    for u in range(1, _FREQUENCIES):
        for v in range(u + 1):
            if u * u + v * v < _FREQUENCIES**2:
                same = np.sort(np.stack([size[:, u, v], size[:, v, u], size[:, u, -v], size[:, v, -u]], 1), axis=1)
                orbits.append(same[:, [0, 3]] if v in (0, u) else same)
    return np.concatenate(orbits, axis=1)


def _cosine_orbits(maps: np.ndarray) -> np.ndarray:
    size = np.abs(dctn(maps, axes=(1, 2), norm="ortho")[:, :_COSINES, :_COSINES])
    upper, lower = np.triu_indices(_COSINES, 1)
    one, other = size[:, upper, lower], size[:, lower, upper]
    diagonal = np.arange(1, _COSINES)
    return np.concatenate([np.minimum(one, other), np.maximum(one, other), size[:, diagonal, diagonal]], axis=1)


def _quantiles(maps: np.ndarray) -> np.ndarray:
    ranks = np.round(np.linspace(0.02, 0.98, 9) * (SIDE * SIDE - 1)).astype(int)
    return np.partition(maps.reshape(len(maps), -1), ranks, axis=1)[:, ranks]


def _ring_moments(maps: np.ndarray) -> np.ndarray:
    flat, rings = maps.reshape(len(maps), -1), _rings()
    means = flat @ rings
    return np.concatenate([means, np.sqrt(np.maximum(flat**2 @ rings - means**2, 0))], axis=1)


@dataclass(frozen=True)
class Metric:
    """Projection in which the distance of near duplicates is about `typical` and that of others is larger."""

    projection: np.ndarray
    """(D, DIMENSIONS) float32."""
    radius: float
    """`MARGIN` times the distance within which 99 % of the simulated copies lie from their original."""

    def project(self, described: np.ndarray) -> np.ndarray:
        """(N, DIMENSIONS) float32 of what `describe` gave."""
        return (described @ self.projection).astype(np.float32)


def learn_metric(images: np.ndarray, described: np.ndarray, seed: int = 0) -> Metric:
    """The metric for `images` (N, S, S, 3), whose descriptions (N, D) are given."""
    rng = np.random.default_rng(seed)
    count = min(SIMULATED, A_IMAGE * len(images))
    rows = rng.choice(len(images), count, replace=len(images) < count)
    change = perturb.simulated(images, rows, rng, describe) - described[rows]
    seen = np.arange(len(change)) % 4 > 0  # the rest shows how far copies lie that were not learned from
    within = change[seen].T @ change[seen] / (2 * seen.sum())
    within[np.diag_indices_from(within)] += 0.01 * np.trace(within) / len(within) + 1e-6
    spread = np.cov(described, rowvar=False)
    _, directions = eigh(spread, within, subset_by_index=[len(within) - DIMENSIONS, len(within) - 1])
    projection = directions[:, ::-1].astype(np.float32)
    distances = np.linalg.norm(change[~seen] @ projection, axis=1)
    return Metric(projection, MARGIN * float(np.quantile(distances, 0.99)))
