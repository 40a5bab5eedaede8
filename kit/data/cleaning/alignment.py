"""Whether two images show the same thing: one is turned, shifted and stretched onto the other, then
compared.

The orientation comes from template matching on small thumbnails; shift, scale and shear from maximising the
enhanced correlation coefficient (Evangelidis and Psarakis 2008), small first, then larger; the likeness is
the correlation of the two in the band that carries shape and texture, away from the borders.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from kit.data.cleaning.perturb import oriented

TINY, SMALL, LARGE = 24, 32, 64
"""Pixels a side of the thumbnails for orientation, first and second alignment."""
_REACH = 3
"""Largest shift in pixels of the tiny thumbnail."""
_COARSE, _ALIGNED = 0.7, 0.85
"""Correlations below which a pair is dropped before the next, dearer step."""


def likeness(images: np.ndarray, pairs: np.ndarray, threads: int = 2) -> np.ndarray:
    """(M,) float32 in 0..1 for pairs (M, 2) of rows of `images` (N, S, S, 3) uint8; 1 is the same image."""
    rows, places = np.unique(pairs, return_inverse=True)
    grey = _Thumbnails(images, rows)
    places = places.reshape(-1, 2)

    def one(pair: np.ndarray) -> float:
        return _likeness(grey, int(pair[0]), int(pair[1]))

    with ThreadPoolExecutor(threads) as pool:
        return np.fromiter(pool.map(one, places, chunksize=64), np.float32, len(places))


class _Thumbnails:
    """Grey thumbnails (rows, s, s) uint8 of three sizes."""

    def __init__(self, images: np.ndarray, rows: np.ndarray) -> None:
        self.large_side = min(LARGE, images.shape[1])
        self.tiny = np.empty((len(rows), TINY, TINY), np.uint8)
        self.small = np.empty((len(rows), SMALL, SMALL), np.uint8)
        self.large = np.empty((len(rows), self.large_side, self.large_side), np.uint8)
        for place, row in enumerate(rows):
            grey = cv2.cvtColor(np.ascontiguousarray(images[row]), cv2.COLOR_RGB2GRAY)
            for out in (self.tiny, self.small, self.large):
                side = out.shape[1]
                out[place] = cv2.resize(grey, (side, side), interpolation=cv2.INTER_AREA)


def _likeness(grey: _Thumbnails, one: int, other: int) -> float:
    orientation, warp, coarse = _orientation(grey.tiny[one], grey.tiny[other])
    if coarse < _COARSE:
        return 0.0
    warp[:, 2] *= SMALL / TINY
    found, warp = _align(grey.small[one], oriented(grey.small[other], orientation), warp, 20)
    if found < _ALIGNED:
        return 0.0
    fixed, moving = grey.large[one], oriented(grey.large[other], orientation)
    warp[:, 2] *= grey.large_side / SMALL
    found, warp = _align(fixed, moving, warp, 12)
    return max(0.0, _band_correlation(fixed, moving, warp)) if found > _ALIGNED else 0.0


def _orientation(one: np.ndarray, other: np.ndarray) -> tuple[int, np.ndarray, float]:
    """Orientation of `other` that fits `one` best, the shift as a warp (2, 3) float32, and their
    correlation.
    """
    template = one[_REACH:-_REACH, _REACH:-_REACH]
    best, orientation, place = -1.0, 0, (0, 0)
    for number in range(8):
        scores = cv2.matchTemplate(oriented(other, number), template, cv2.TM_CCOEFF_NORMED)
        _, score, _, at = cv2.minMaxLoc(scores)
        if score > best and np.isfinite(score):
            best, orientation, place = score, number, (at[0] - _REACH, at[1] - _REACH)
    return orientation, np.array([[1, 0, place[0]], [0, 1, place[1]]], np.float32), best


def _align(fixed: np.ndarray, moving: np.ndarray, warp: np.ndarray, steps: int) -> tuple[float, np.ndarray]:
    """Correlation after alignment, and the affine warp (2, 3) that takes places in `fixed` to places in
    `moving`.
    """
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, steps, 1e-4)
    try:
        found, warp = cv2.findTransformECC(fixed, moving, warp, cv2.MOTION_AFFINE, criteria, _inside(len(fixed)), 3)
    except cv2.error:  # it does not converge: the images have nothing in common
        return 0.0, warp
    return float(found), warp


def _inside(side: int) -> np.ndarray:
    """Mask (side, side) uint8 without the border, where shifted copies may be black."""
    mask = np.zeros((side, side), np.uint8)
    border = round(0.07 * side)
    mask[border : side - border, border : side - border] = 1
    return mask


def _band_correlation(fixed: np.ndarray, moving: np.ndarray, warp: np.ndarray) -> float:
    side = len(fixed)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpAffine(moving, warp, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    border = max(1, round(0.1 * side))
    one, other = (_band(image)[border:-border, border:-border] for image in (fixed, warped))
    one, other = one - one.mean(), other - other.mean()
    return float((one * other).sum() / (np.sqrt((one**2).sum() * (other**2).sum()) + 1e-6))


def _band(image: np.ndarray) -> np.ndarray:
    """Differences of Gaussians of 1 and 4 pixels: neither noise nor slow shading."""
    values = image.astype(np.float32)
    return cv2.GaussianBlur(values, (0, 0), 1) - cv2.GaussianBlur(values, (0, 0), 4)
