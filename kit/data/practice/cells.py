"""The stained cell in the middle of a practice image: body, nucleus with its lobes, granules, vacuoles."""

from __future__ import annotations

import cv2
import numpy as np

from kit.data.practice.brush import CANVAS, SIDE, beside, discs, outline, paint, texture
from kit.data.practice.smear import developed, smear
from kit.data.practice.traits import Traits

_STRANGERS = 0.06
"""Share of the images with a second cell at the border."""


def draw_cells(traits: list[Traits], strangers: list[Traits], rng: np.random.Generator) -> np.ndarray:
    """Images (N, 48, 48, 3) uint8, RGB, one for each of `traits`; `strangers` may peep in at a border."""
    images = np.empty((len(traits), SIDE, SIDE, 3), np.uint8)
    for row, (cell, stranger) in enumerate(zip(traits, strangers, strict=True)):
        images[row] = _image(cell, stranger, rng)
    return images


def _image(cell: Traits, stranger: Traits, rng: np.random.Generator) -> np.ndarray:
    middle = CANVAS / 2 + rng.normal(0, 0.035 * CANVAS, 2)
    canvas = smear(middle, cell["size"] * CANVAS / 2, rng)
    if rng.random() < _STRANGERS:
        _stained_cell(canvas, stranger, beside(middle, 0.55 * CANVAS, rng), rng)
    _stained_cell(canvas, cell, middle, rng)
    return developed(canvas, rng)


def _stained_cell(canvas: np.ndarray, cell: Traits, middle: np.ndarray, rng: np.random.Generator) -> None:
    radius = cell["size"] * CANVAS / 2
    body = outline(middle, radius, cell["aspect"], cell["ragged"], rng)
    nucleus = _nucleus(cell, middle, radius, rng) * body
    coarse, fine = texture(3.0, rng), texture(1.3, rng)
    plasma = _colour(cell, "plasma")
    paint(canvas, body, plasma * (1 + 0.035 * coarse)[..., None])
    rim = body * (1 - cv2.GaussianBlur(body, (0, 0), 2.0))
    paint(canvas, 0.7 * rim, 0.75 * plasma)
    _vacuoles(canvas, cell, body * (1 - nucleus), middle, rng)
    light = cell["chromatin"] * np.tanh(0.5 * coarse + 0.6 * fine)
    cover = nucleus * min(cell["nucleus_cover"], 1.0)
    paint(canvas, cover, _colour(cell, "nucleus") * (1 + light)[..., None])
    _granules(canvas, cell, body, nucleus, rng)


def _nucleus(cell: Traits, middle: np.ndarray, radius: float, rng: np.random.Generator) -> np.ndarray:
    """Mask (96, 96) float32 in 0..1: a sausage bent along an arc and pinched between lobes, else a disc."""
    size, lobes = radius * min(cell["nucleus"], 0.92), max(1, round(cell["lobes"]))
    steps = np.linspace(-0.5, 0.5, 28)
    # A longer sausage is thinner, so that the share of the cell that the nucleus fills stays.
    thick = size / np.sqrt(1 + 0.75 * cell["bend"])
    arc = size - 0.75 * thick + 0.18 * size
    directions = rng.uniform(0, 2 * np.pi) + 1.25 * cell["bend"] * steps
    spine = arc * np.stack([np.cos(directions), np.sin(directions)], axis=1)
    spine += beside(middle, cell["offset"] * radius, rng) - spine.mean(axis=0)
    spine += rng.normal(0, 0.03 * size, spine.shape)
    waist = np.abs(np.sin(np.pi * lobes * (steps + 0.5))) if lobes > 1 else np.ones_like(steps)
    widths = thick * (1 - cell["pinch"] * (1 - waist)) * rng.normal(1, 0.05, len(steps))
    soft = cv2.GaussianBlur(discs(spine, widths), (0, 0), 1.6).astype(np.float32) / 255
    return np.clip((soft - 0.5 + 0.05 * texture(3.0, rng)) * 3 + 0.5, 0, 1)


def _granules(
    canvas: np.ndarray, cell: Traits, body: np.ndarray, nucleus: np.ndarray, rng: np.random.Generator
) -> None:
    """Grains where a texture is above a limit that falls with their density."""
    size, density = min(cell["grain_size"], 1.0), min(cell["grain"], 0.95)
    field = (size * texture(1.7, rng) + (1 - size) * texture(1.0, rng)) / np.hypot(size, 1 - size)
    spots = np.clip((field - 1.6 * (0.5 - density)) * 1.6, 0, 1)
    where = body * (1 - nucleus * (1 - min(cell["grain_over"], 1.0)))
    paint(canvas, 0.85 * density**0.5 * spots * where, _colour(cell, "grain"))


def _vacuoles(
    canvas: np.ndarray, cell: Traits, where: np.ndarray, middle: np.ndarray, rng: np.random.Generator
) -> None:
    count, radius = rng.poisson(cell["vacuoles"]), cell["size"] * CANVAS / 2
    if count:
        places = np.stack([beside(middle, radius * rng.uniform(0.4, 0.9), rng) for _ in range(count)])
        mask = discs(places, rng.uniform(1.5, 4, count)).astype(np.float32) / 255
        paint(canvas, 0.85 * where * mask, np.array([244, 228, 224], np.float32))


def _colour(cell: Traits, part: str) -> np.ndarray:
    return np.array([cell[f"{part}_{channel}"] for channel in ("red", "green", "blue")], np.float32)
