"""Images unlike all others: junk that does not repeat.

Every image is described by what it looks like (light, colour, sharpness, layout) and by its forms; each
number is scaled by its median and spread, clipped, and the whole reduced to its main directions. How far a
image lies from its ten nearest neighbours is compared with how far images usually lie from theirs.
"""

from __future__ import annotations

import numpy as np

from kit.data.cleaning.neighbours import nearest
from kit.data.cleaning.quality import Suspicion, robust_z
from kit.shifts.descriptors import describe as describe_looks

NEIGHBOURS = 10
DIMENSIONS = 32
FAR = 6.0
"""Robust standard deviations of the log distance beyond the median: of normally spread ones, 1 in a
billion.
"""
LEAST_SPREAD = 0.05
"""Of the log distance: images that all lie equally far apart make nobody an outlier."""
FEWEST = 50
"""Images below which nothing is called unlike the rest."""
_CLIP = 20.0


def neighbours(images: np.ndarray, described: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distances (N, NEIGHBOURS) float32 and rows of the nearest of each image (N, S, S, 3) uint8, described (N, D) by
    `kit.data.cleaning.descriptors.describe`.
    """
    return nearest(_main_directions(images, described), NEIGHBOURS)


def suspicion(distances: np.ndarray) -> Suspicion:
    """The outliers, given the distances that `neighbours` found."""
    mean = distances.mean(axis=1, dtype=np.float64)
    z = robust_z(np.log(mean + 1e-9), floor=LEAST_SPREAD)
    rows = np.flatnonzero(z > FAR)
    rows = rows[np.argsort(-z[rows], kind="stable")]
    ratio = mean / np.median(mean)
    text = [
        f"{ratio[row]:.1f} times as far from its {NEIGHBOURS} nearest as usual, {z[row]:.1f} spreads (over {FAR:g})"
        for row in rows
    ]
    return Suspicion("outlier", rows, np.array(text, dtype=object), z[rows] / FAR)


def _main_directions(images: np.ndarray, described: np.ndarray) -> np.ndarray:
    """(N, DIMENSIONS) float32."""
    from sklearn.decomposition import PCA  # half a second that a second start can do without

    features = np.concatenate([described, describe_looks(images)], axis=1)
    middle = np.median(features, axis=0)
    spread = 1.4826 * np.median(np.abs(features - middle), axis=0) + 0.05 * features.std(axis=0) + 1e-3
    scaled = np.clip((features - middle) / spread, -_CLIP, _CLIP)
    return PCA(min(DIMENSIONS, *scaled.shape), random_state=0).fit_transform(scaled).astype(np.float32)
