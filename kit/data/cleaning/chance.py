"""From which distance on two images count as copies, so that hardly any pair does by chance.

A copy lies as near as simulated copies do (the level), and much nearer than the nearest different image (the ratio).
How often a different image does so by chance follows from how the distances to the first and the second neighbour
relate among images that are no copies: where rows fill m dimensions, their ratio exceeds x with probability x^-m
(Facco, d'Errico, Rodriguez, Laio, "Estimating the intrinsic dimension of datasets by a minimal neighborhood
information", 2017). Rows that have copies are counted by the neighbours beyond these, so copies do not spoil it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CHANCE = 1e-3
"""Share of the rows that may be linked with a different image."""
APART = 0.5
"""Share of simulated copies below which copies and look-alikes count as the same to the eye of the kit."""
LEAST = 0.5
"""Distance that is added before ratios are taken: among images without content all distances are rounding."""
_COPIES, _BEYOND = 0.99, 1.5
_CERTAIN = 2.0
"""Ratio from which a neighbour is taken for a copy while the others are looked at."""
_TAIL = 0.97
"""Quantile of the ratios that their tail is drawn from."""
_RATIOS = np.geomspace(1.2, 20, 200)


@dataclass(frozen=True)
class Threshold:
    """What makes two images copies of one."""

    level: float
    """Largest distance."""
    ratio: float
    """How many times further the nearest different image must lie."""
    recognised: float
    """Share of the simulated copies that pass."""
    chance: float
    """Share of rows expected to pass with a different image."""

    @property
    def apart(self) -> bool:
        """Whether copies and look-alikes can be told apart."""
        return self.recognised >= APART and self.chance <= CHANCE


def gaps(distances: np.ndarray) -> np.ndarray:
    """(n, K - 1): how many times further each neighbour lies than the one before, for ascending distances (n, K)."""
    moved = distances + LEAST
    return moved[:, 1:] / moved[:, :-1]


def learn(distances: np.ndarray, copies: np.ndarray, originals: np.ndarray) -> Threshold:
    """From the ascending distances (n, K) of rows to their nearest, and of simulated copies (M,) to their original,
    whose places among those rows are `originals` (M,) int64.
    """
    level = _BEYOND * float(np.quantile(copies, _COPIES))
    first, second = _different(distances, level)
    ratios = np.log((second + LEAST) / (first + LEAST))
    dimension = -np.log(1 - _TAIL) / max(float(np.quantile(ratios, _TAIL)), 1e-6)
    chances = np.array([_chance(second, level, ratio, dimension) for ratio in _RATIOS])
    fits = np.flatnonzero(chances <= CHANCE)
    place = int(fits[0]) if len(fits) else len(_RATIOS) - 1
    passed = (copies <= level) & ((first[originals] + LEAST) / (copies + LEAST) >= _RATIOS[place])
    return Threshold(level, float(_RATIOS[place]), float(passed.mean()), float(chances[place]))


def _chance(second: np.ndarray, level: float, ratio: float, dimension: float) -> float:
    """Share of rows whose nearest different image passes: below the second one it lies anywhere, by volume."""
    return float((np.minimum(level / (second + LEAST), 1 / ratio) ** dimension).mean())


def _different(distances: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Distances (n,) to the first and the second different image: what follows the last copy."""
    copies = (gaps(distances)[:, :-1] >= _CERTAIN) & (distances[:, :-2] <= level)
    count = np.where(copies.any(axis=1), copies.shape[1] - copies[:, ::-1].argmax(axis=1), 0)
    rows = np.arange(len(distances))
    return distances[rows, count], distances[rows, count + 1]
