"""One image is turned, shifted and stretched onto another, so that the two can be compared pixel by pixel.

The orientation and a first shift come from template matching on thumbnails; shift and scale of either axis from
Gauss-Newton steps on the squared difference, brightness and contrast left free (Lucas and Kanade 1981; Baker and
Matthews 2004), blurred first, then sharp. Shear and rotation are left out on purpose: copies have none, and images
that are merely alike become liker with them. All pairs of a chunk are aligned at once.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from kit.data.cleaning.perturb import oriented

SIDE = 32
"""Pixels a side of the thumbnails."""
BORDER = 4
"""Pixels left out along the border, where shifted copies may be black."""
_REACH = 4
"""Largest shift in pixels that template matching looks for."""
_CHUNK = 256
_STEPS = ((1.5, 8), (0.0, 6))
"""Blur in pixels and number of steps."""
_LIMITS = np.array([0.2, 0.2, _REACH + 1, _REACH + 1], np.float32)
_LARGEST_STEP = np.array([0.08, 0.08, 1.5, 1.5], np.float32)
_AXIS = np.arange(SIDE, dtype=np.float32)
_CENTRE = (SIDE - 1) / 2
INNER = slice(BORDER, SIDE - BORDER)


def thumbnails(images: np.ndarray) -> np.ndarray:
    """(N, SIDE, SIDE) uint8 grey thumbnails of images (N, S, S, 3) uint8."""
    small = np.empty((len(images), SIDE, SIDE), np.uint8)
    how = cv2.INTER_AREA if images.shape[1] >= SIDE else cv2.INTER_CUBIC
    for row, image in enumerate(images):
        grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
        small[row] = cv2.resize(grey, (SIDE, SIDE), interpolation=how)
    return small


def aligned(one: np.ndarray, other: np.ndarray, threads: int = 2) -> np.ndarray:
    """The images `other` (M, SIDE, SIDE) uint8 as they lie on `one`, of the same shape: (M, SIDE, SIDE) float32."""
    starts = range(0, len(one), _CHUNK)

    def part(start: int) -> np.ndarray:
        return _aligned(one[start : start + _CHUNK], other[start : start + _CHUNK])

    with ThreadPoolExecutor(threads) as pool:
        parts = list(pool.map(part, starts))
    return np.concatenate([np.zeros((0, SIDE, SIDE), np.float32), *parts])


def correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(M,) float32 in 0..1: of images (M, SIDE, SIDE), away from the border, in the band of shape and texture."""
    bands = ((_centred(_band(first)[None]), _centred(_band(second)[None])) for first, second in zip(one, other))
    found = [_correlations(*pair)[0] for pair in bands]
    return np.clip(np.array(found, np.float32), 0, 1)


def _aligned(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    moving = np.empty(other.shape, np.float32)
    warp = np.zeros((len(one), 4), np.float32)
    for row, (fixed, image) in enumerate(zip(one, other)):
        moving[row], warp[row, 2:] = _orientation(fixed, image)
    fixed = one.astype(np.float32)
    for blur, steps in _STEPS:
        warp = _nearest(_blurred(fixed, blur), _blurred(moving, blur), warp, steps)
    return _warped(moving, warp, cubic=True)


def _nearest(fixed: np.ndarray, moving: np.ndarray, warp: np.ndarray, steps: int) -> np.ndarray:
    """The best of the warps (M, 4) that so many steps from `warp` lead to."""
    wanted, lying = _centred(fixed), _warped(moving, warp)
    best, score = warp, _correlations(wanted, _centred(lying))
    for _ in range(steps):
        warp = _step(wanted, lying, warp)
        lying = _warped(moving, warp)
        now = _correlations(wanted, _centred(lying))
        better = now > score
        best, score = np.where(better[:, None], warp, best), np.where(better, now, score)
    return best


def _orientation(fixed: np.ndarray, image: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """`image` in the orientation that fits `fixed` best, and its shift along height and width."""
    template = fixed[_REACH:-_REACH, _REACH:-_REACH]
    best, chosen, place = -2.0, image, (0, 0)
    for number in range(8):
        turned = oriented(image, number)
        _, score, _, at = cv2.minMaxLoc(cv2.matchTemplate(turned, template, cv2.TM_CCOEFF_NORMED))
        if np.isfinite(score) and score > best:
            best, chosen, place = score, turned, (at[1] - _REACH, at[0] - _REACH)
    return chosen, place


def _step(wanted: np.ndarray, lying: np.ndarray, warp: np.ndarray) -> np.ndarray:
    """The warps (M, 4) after one Gauss-Newton step: scales less 1 and shifts, of height and width.

    wanted: (M, pixels), what `_centred` gives of the fixed images; lying: the others (M, SIDE, SIDE) under `warp`.
    """
    behind, before = (slice(BORDER + by, SIDE - BORDER + by) for by in (-1, 1))
    down = (lying[:, before, INNER] - lying[:, behind, INNER]) / 2
    right = (lying[:, INNER, before] - lying[:, INNER, behind]) / 2
    place = (_AXIS - _CENTRE)[INNER]
    columns = [down * place[:, None], right * place, down, right, lying[:, INNER, INNER]]
    slopes = np.stack(columns, axis=1).reshape(len(lying), 5, -1)
    slopes = slopes - slopes.mean(axis=2, keepdims=True)
    normal = slopes @ slopes.transpose(0, 2, 1)
    # A little ridge: in flat images nothing says where they lie.
    diagonal = np.einsum("kii->ki", normal)
    diagonal += 1e-3 * diagonal + 0.01 * slopes.shape[2] * np.array([10, 10, 0.1, 0.1, 1e-3], np.float32)
    found = np.linalg.solve(normal, slopes @ wanted[..., None])[..., 0]
    change = found[:, :4] / np.maximum(found[:, 4:], 0.2)
    moved = warp + np.clip(change, -_LARGEST_STEP, _LARGEST_STEP)
    return np.clip(moved, -_LIMITS, _LIMITS).astype(np.float32)


def _warped(images: np.ndarray, warp: np.ndarray, cubic: bool = False) -> np.ndarray:
    """Each image, stretched and shifted; both axes apart, since nothing is turned. Borders are repeated."""
    down, right = (_interpolation(warp[:, axis, None], warp[:, 2 + axis, None], cubic) for axis in (0, 1))
    return down @ images @ right.transpose(0, 2, 1)


def _interpolation(scale: np.ndarray, shift: np.ndarray, cubic: bool) -> np.ndarray:
    """(M, SIDE, SIDE) float32: what each place takes of each pixel along one axis."""
    places = np.clip(_CENTRE + (1 + scale) * (_AXIS - _CENTRE) + shift, 0, SIDE - 1)
    away = np.abs(places[..., None] - _AXIS)
    if not cubic:
        return np.maximum(0, 1 - away)
    near, far = 1.5 * away**3 - 2.5 * away**2 + 1, -0.5 * away**3 + 2.5 * away**2 - 4 * away + 2
    weights = np.where(away < 1, near, np.where(away < 2, far, 0))
    return weights / weights.sum(axis=-1, keepdims=True)


def _blurred(images: np.ndarray, sigma: float) -> np.ndarray:
    return images if sigma == 0 else np.stack([cv2.GaussianBlur(image, (0, 0), sigma) for image in images])


def _centred(images: np.ndarray) -> np.ndarray:
    """(M, pixels) of images (M, SIDE, SIDE), away from the border and less their mean."""
    inner = images[:, INNER, INNER].reshape(len(images), -1)
    return inner - inner.mean(axis=1, keepdims=True)


def _correlations(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(M,) of what `_centred` gave of either side."""
    return (first * second).sum(axis=1) / (np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1)) + 1e-6)


def _band(image: np.ndarray) -> np.ndarray:
    """Differences of Gaussians: neither noise nor slow shading."""
    values = image.astype(np.float32)
    return cv2.GaussianBlur(values, (0, 0), 0.7) - cv2.GaussianBlur(values, (0, 0), 4)
