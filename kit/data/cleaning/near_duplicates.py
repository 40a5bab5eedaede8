"""Rows that show nearly the same image: candidates from a learned metric, each checked by aligning the two.

No step looks at all pairs: candidates are the few nearest neighbours, within the distance that simulated
copies keep from their originals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kit.data.cleaning.alignment import likeness
from kit.data.cleaning.descriptors import Metric
from kit.data.cleaning.neighbours import nearest

NEIGHBOURS = 4
"""Candidates a row."""


@dataclass(frozen=True)
class NearDuplicates:
    """Pairs of rows that show one image."""

    pairs: np.ndarray
    """(M, 2) int64, first the smaller row."""
    scores: np.ndarray
    """(M,) float32 likeness."""
    candidates: int
    """Pairs that were aligned."""


def find(images: np.ndarray, described: np.ndarray, metric: Metric, threshold: float) -> NearDuplicates:
    """Near duplicates among `images` (N, S, S, 3) uint8, described by `kit.data.cleaning.descriptors.describe`.

    threshold: likeness from which two images count as one.
    """
    pairs = _candidates(metric.project(described), metric.radius)
    scores = likeness(images, pairs) if len(pairs) else np.zeros(0, np.float32)
    alike = scores >= threshold
    return NearDuplicates(pairs[alike], scores[alike], len(pairs))


def _candidates(points: np.ndarray, radius: float) -> np.ndarray:
    """Pairs (M, 2) int64 of rows among each other's nearest within `radius`, each pair once."""
    distances, rows = nearest(points, NEIGHBOURS)
    own, place = np.nonzero(distances < radius)
    pairs = np.stack([own, rows[own, place]], axis=1)
    return np.unique(np.sort(pairs, axis=1), axis=0)
