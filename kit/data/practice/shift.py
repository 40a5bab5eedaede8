"""The practice contest's unseen truth: one to four strong operators an image, many kinds in one batch.

Written apart from the training augmentations and from the battery that scores out-of-fold rows, with formulas
and ranges of its own, because it stands for what a contestant cannot see. The kinds overlap with both, as they
do in real contests. A mixture seed decides which operators occur, how often each, and how many meet in one
image.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

Operator = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]
"""(image (S, S, 3) float32 in 0..255, amount: 1.0 is strong, generator) -> image of the same form."""


def _out_of_focus(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    radius = 0.8 + 1.5 * amount
    reach = int(np.ceil(radius))
    squares = np.arange(-reach, reach + 1) ** 2
    disc = np.clip(radius + 0.5 - np.sqrt(squares[:, None] + squares[None, :]), 0, 1)
    return cv2.filter2D(image, -1, disc / disc.sum(), borderType=cv2.BORDER_REPLICATE)


def _camera_shake(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    length, angle = 3 + 6 * amount, rng.uniform(0, np.pi)
    reach = int(np.ceil(length / 2)) + 1
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    for way in np.linspace(-length / 2, length / 2, 33):
        kernel[reach + round(way * np.sin(angle)), reach + round(way * np.cos(angle))] += 1
    return cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)


def _sensor_noise(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    shape = image.shape if rng.random() < 0.6 else (*image.shape[:2], 1)
    return image + rng.normal(0, 8 + 24 * amount, shape)


def _dead_pixels(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    hit = rng.random(image.shape[:2]) < 0.02 + 0.08 * amount
    return np.where(hit[..., None], rng.choice([0.0, 255.0], (*hit.shape, 1)), image)


def _few_photons(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    photons = 60 / (1 + 4 * amount)
    return rng.poisson(np.clip(image, 0, 255) / 255 * photons) * 255 / photons


def _turned_hue(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Colour turned about the grey axis (Rodrigues' rotation)."""
    angle = _side(rng) * (0.2 + 1.1 * amount)
    axis = np.full(3, 1 / np.sqrt(3))
    cross = np.cross(np.eye(3), axis)
    turn = np.cos(angle) * np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * np.outer(axis, axis)
    return image @ turn.T


def _faded_colour(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    grey = image.mean(axis=2, keepdims=True)
    keep = max(1 - amount, 0.0) if rng.random() < 0.6 else 1 + 1.6 * amount
    return grey + keep * (image - grey)


def _colour_cast(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    return image + rng.uniform(-1, 1, 3) * 55 * amount


def _other_stain(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Optical densities of the channels scaled and mixed, as another laboratory's stain does."""
    density = -np.log(np.clip(image, 3, 255) / 255)
    mixing = np.diag(np.exp(rng.uniform(-0.7, 0.7, 3) * amount)) + rng.uniform(-0.18, 0.18, (3, 3)) * amount
    return 255 * np.exp(-np.clip(density @ mixing, 0, None))


def _exposure(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    return image * 2.0 ** (_side(rng) * (0.2 + 0.65 * amount))


def _contrast(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    factor = max(1 - 0.7 * amount, 0.1) if rng.random() < 0.5 else 1 + 1.3 * amount
    middle = image.mean() if rng.random() < 0.5 else 128.0
    return (image - middle) * factor + middle


def _tone_curve(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    return 255 * (np.clip(image, 0, 255) / 255) ** np.exp(_side(rng) * (0.25 + 0.65 * amount))


def _spotlight(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Light that falls off from a point somewhere in the image."""
    side = image.shape[0]
    lines = np.arange(side)[:, None] - rng.uniform(0, side)
    columns = np.arange(side)[None, :] - rng.uniform(0, side)
    far = (lines**2 + columns**2) / side**2
    return image * (1.25 - min(1.05, 0.35 + 0.8 * amount) * np.clip(far, 0, 1))[..., None]


def _moved(
    image: np.ndarray, linear: np.ndarray, shift: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """`image` under an affine map about its centre; outside of it is black, white, the edge or a mirror."""
    middle = (image.shape[0] - 1) / 2
    offset = middle - linear @ np.array([middle, middle]) + shift
    borders = (cv2.BORDER_CONSTANT, cv2.BORDER_CONSTANT, cv2.BORDER_REPLICATE, cv2.BORDER_REFLECT_101)
    kind = int(rng.integers(len(borders)))
    return cv2.warpAffine(
        image,
        np.column_stack([linear, offset]),
        image.shape[1::-1],
        flags=cv2.INTER_LINEAR,
        borderMode=borders[kind],
        borderValue=(255.0, 255.0, 255.0) if kind else (0.0, 0.0, 0.0),
    )


def _turned(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    angle = rng.uniform(-np.pi, np.pi) * min(amount, 1.0)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return _moved(image, turn, np.zeros(2), rng)


def _skewed(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    return _moved(image, np.eye(2) + rng.uniform(-0.45, 0.45, (2, 2)) * amount, np.zeros(2), rng)


def _nearer_or_farther(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    return _moved(image, np.eye(2) * 2.0 ** (_side(rng) * (0.15 + 0.5 * amount)), np.zeros(2), rng)


def _off_centre(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    return _moved(image, np.eye(2), rng.uniform(-0.25, 0.25, 2) * amount * image.shape[0], rng)


def _covered(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """One to three rectangles of one colour or of noise."""
    out, side = image.copy(), image.shape[0]
    for _ in range(rng.integers(1, 4)):
        height, width = rng.integers(4, max(6, round(side * (0.15 + 0.3 * amount))), 2)
        top, left = rng.integers(0, side - height), rng.integers(0, side - width)
        shape = (1, 1, 3) if rng.random() < 0.7 else (height, width, 3)
        out[top : top + height, left : left + width] = rng.uniform(0, 255, shape)
    return out


def _scratched(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    out, side = image.astype(np.float32), image.shape[0]
    for _ in range(round(2 + 6 * amount)):
        ends = rng.integers(-4, side + 4, 4).tolist()
        shade = float(rng.choice([0, 255, rng.uniform(0, 255)]))
        cv2.line(out, (ends[0], ends[1]), (ends[2], ends[3]), (shade, shade, shade), int(rng.integers(1, 3)))
    return out


def _squeezed_file(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    quality = max(2, round(32 - 26 * amount))
    _, data = cv2.imencode(".jpg", _bytes(image)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None
    return decoded[..., ::-1].astype(np.float32)


def _low_resolution(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    side = image.shape[0]
    small = max(6, round(side / (1.5 + 2.2 * amount)))
    ways = (cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_CUBIC)
    reduced = cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA)
    return cv2.resize(reduced, (side, side), interpolation=ways[int(rng.integers(3))])


def _few_tones(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    step = 255 / max(2, round(8 - 5 * amount))
    return np.round(np.clip(image, 0, 255) / step) * step


def _overexposed_film(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Tones above a limit turned over (solarisation); at full strength a negative."""
    limit = 255 * (0.9 - 0.9 * min(amount, 1.0) * rng.random())
    return np.where(image >= limit, 255 - image, image)


_ALL: tuple[Operator, ...] = (
    _out_of_focus, _camera_shake, _sensor_noise, _dead_pixels, _few_photons, _turned_hue,
    _faded_colour, _colour_cast, _other_stain, _exposure, _contrast, _tone_curve, _spotlight,
    _turned, _skewed, _nearer_or_farther, _off_centre, _covered, _scratched, _squeezed_file,
    _low_resolution, _few_tones, _overexposed_film,
)
OPERATORS = {operator.__name__.strip("_"): operator for operator in _ALL}


@dataclass(frozen=True)
class Mixture:
    """What one organiser might have done to a hidden test."""

    operators: tuple[str, ...]
    weights: np.ndarray
    """(operators,) float64, sums to 1: how often each is taken."""
    counts: np.ndarray
    """(4,) float64, sums to 1: share of the images that meet 1, 2, 3, 4 operators."""


def draw_mixture(seed: int) -> Mixture:
    """The mixture of a seed: at least half of the operators, unequal weights, one to four an image."""
    rng = np.random.default_rng([seed, 0x5317])
    names = list(OPERATORS)
    chosen = rng.permutation(len(names))[: rng.integers(len(names) // 2 + 1, len(names) + 1)]
    weights = rng.dirichlet(np.full(len(chosen), 2.5))
    return Mixture(tuple(names[i] for i in sorted(chosen)), weights, rng.dirichlet(np.full(4, 4.0)))


def shift_images(
    images: np.ndarray, mixture: Mixture, strength: float, rng: np.random.Generator
) -> np.ndarray:
    """`images` (N, S, S, 3) uint8, each under its own one to four operators; `strength` 1.0 is usual."""
    out = np.empty_like(images)
    for row, pixels in enumerate(images):
        image = pixels.astype(np.float32)
        count = 1 + int(rng.choice(4, p=mixture.counts))
        for name in rng.choice(mixture.operators, count, replace=False, p=mixture.weights):
            changed = OPERATORS[str(name)](image, strength * rng.uniform(0.4, 1.0), rng)
            image = np.clip(changed, 0, 255).astype(np.float32)
        out[row] = _bytes(image)
    return out


def _bytes(image: np.ndarray) -> np.ndarray:
    return np.clip(np.round(image), 0, 255).astype(np.uint8)


def _side(rng: np.random.Generator) -> float:
    return float(rng.choice([-1.0, 1.0]))
