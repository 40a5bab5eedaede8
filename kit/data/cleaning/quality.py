"""Images that cannot show what they should: blank, far too dark or bright, of an odd shape.

Brightness and contrast are judged twice: by themselves, and against the rest, because whole data sets are dark
(X-rays, digits) or hold many images of plain ground.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

BLANK_RANGE = 8
"""Grey levels between the 2 % and the 98 % quantile below which an image is blank."""
GAP = 4.0
"""Factor by which the contrast of blank images, or the light of dark ones, is below that of all others."""
DARK, BRIGHT = 40, 225
"""Grey level that 98 % of a dark image lie under, and 98 % of a bright one over."""
SPREADS = 5.0
"""How many robust standard deviations from the median image it must lie as well."""
ASPECT = 1.5
"""Factor by which width over height differs from the usual one."""
COMMON = 0.9
"""Share of images that must have the usual shape before another counts as odd."""


@dataclass(frozen=True)
class Suspicion:
    """Rows held to be of one kind of bad, the worst first."""

    reason: str
    rows: np.ndarray
    """(M,) int64."""
    evidence: np.ndarray
    """(M,) object, str."""
    excess: np.ndarray
    """(M,) float64: how far beyond the threshold, comparable between kinds; 1 is at the threshold."""

    def without(self, rows: np.ndarray) -> Suspicion:
        """What is left when `rows` are left out."""
        left = ~np.isin(self.rows, rows)
        return Suspicion(self.reason, self.rows[left], self.evidence[left], self.excess[left])


def suspicions(images: np.ndarray, sizes: np.ndarray | None) -> list[Suspicion]:
    """What is held against images (N, S, S, 3) uint8 of the original `sizes` (N, 2), height and width."""
    low, high = _grey_range(images)
    kinds = [_blank(low, high), _dark(high), _bright(low)]
    kinds += [] if sizes is None else [_odd_shape(sizes)]
    return [kind for kind in kinds if len(kind.rows)]


def _grey_range(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The 2 % and 98 % quantiles (N,) float64 of each image's grey levels."""
    quantiles = np.empty((len(images), 2))
    for row, image in enumerate(images):
        grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
        shares = np.cumsum(np.bincount(grey.ravel(), minlength=256)) / grey.size
        quantiles[row] = np.searchsorted(shares, (0.02, 0.98))
    return quantiles[:, 0], quantiles[:, 1]


def robust_z(values: np.ndarray, floor: float = 1e-9) -> np.ndarray:
    """Distances from the median in robust standard deviations (1.4826 times the median absolute
    deviation).
    """
    middle = np.median(values)
    return (values - middle) / max(1.4826 * float(np.median(np.abs(values - middle))), floor)


def _apart(levels: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Those of the `rows` whose levels (N,) stand apart from all higher ones, the lowest first.

    Where contrast or light dwindles step by step, plain ground is what the images show.
    """
    rows = rows[np.argsort(levels[rows], kind="stable")]
    steps = np.append(np.sort(levels), np.inf) + 1
    counts = [count for count in range(len(rows), 0, -1) if steps[count] >= GAP * steps[count - 1]]
    return rows[: next(iter(counts), 0)]


def _blank(low: np.ndarray, high: np.ndarray) -> Suspicion:
    span = high - low
    rows = np.flatnonzero((span < BLANK_RANGE) & (robust_z(np.log(span + 1), floor=0.2) < -SPREADS))
    rows = _apart(span, rows)
    text = [f"grey levels span {span[row]:.0f} of 255 (under {BLANK_RANGE})" for row in rows]
    return Suspicion("blank", rows, np.array(text, dtype=object), BLANK_RANGE / (span[rows] + 0.5))


def _dark(high: np.ndarray) -> Suspicion:
    z = robust_z(high, floor=4.0)
    rows = _apart(high, np.flatnonzero((high < DARK) & (z < -SPREADS)))
    text = [f"98 % of it under grey level {high[row]:.0f}, {-z[row]:.0f} spreads below the median" for row in rows]
    return Suspicion("dark", rows, np.array(text, dtype=object), -z[rows] / SPREADS)


def _bright(low: np.ndarray) -> Suspicion:
    z = robust_z(low, floor=4.0)
    rows = _apart(255 - low, np.flatnonzero((low > BRIGHT) & (z > SPREADS)))
    text = [f"98 % of it over grey level {low[row]:.0f}, {z[row]:.0f} spreads above the median" for row in rows]
    return Suspicion("bright", rows, np.array(text, dtype=object), z[rows] / SPREADS)


def _odd_shape(sizes: np.ndarray) -> Suspicion:
    """Only where nearly all images share one shape; otherwise no shape is odd."""
    aspect = np.log(sizes[:, 1] / sizes[:, 0])
    off = np.abs(aspect - np.median(aspect))
    rows = np.flatnonzero(off > np.log(ASPECT))
    if (off < 0.05).mean() < COMMON:
        rows = rows[:0]
    usual = np.exp(np.median(aspect))
    text = [f"{sizes[row, 1]}x{sizes[row, 0]} pixels, the rest has width {usual:.2f} times height" for row in rows]
    return Suspicion("shape", rows, np.array(text, dtype=object), off[rows] / np.log(ASPECT))
