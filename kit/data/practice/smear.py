"""What lies around the cell and what takes its image: glass, red cells, dirt, stain and scanner."""

from __future__ import annotations

import cv2
import numpy as np

from kit.data.practice.brush import CANVAS, SIDE, beside, grid, outline, paint

_BLUISH = 0.07
"""Share of the slides that another scanner took."""


def smear(middle: np.ndarray, reach: float, rng: np.random.Generator) -> np.ndarray:
    """A slide (96, 96, 3) float32 in 0..255, RGB, with room for a cell of radius `reach` at `middle`."""
    canvas = _glass(rng)
    for _ in range(rng.integers(3, 10)):
        _red_cell(canvas, middle, reach, rng)
    if rng.random() < 0.12:
        _speck(canvas, beside(middle, reach + 0.14 * CANVAS, rng), rng)
    return canvas


def developed(canvas: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The image (48, 48, 3) uint8 of a canvas: strength and mixture of the stain and the light vary."""
    density = -np.log(np.clip(canvas, 4, 255) / 255)
    mixing = np.eye(3) * rng.normal(1, 0.06) + rng.normal(0, 0.012, (3, 3))
    light = 1 + rng.normal(0, 0.008, 3)
    if rng.random() < _BLUISH:
        light *= (0.89, 0.94, 1.12)
    image = np.exp(-(density @ mixing.astype(np.float32))) * (255 * light).astype(np.float32)
    small = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.clip(np.round(small + rng.normal(0, 1.5, small.shape)), 0, 255).astype(np.uint8)


def _glass(rng: np.random.Generator) -> np.ndarray:
    """Empty glass, its light slightly uneven."""
    colour = np.array([252, 229, 208], np.float32) + rng.normal(0, 2, 3).astype(np.float32)
    slope = (grid() / CANVAS - 0.5) @ rng.normal(0, 5, 2).astype(np.float32)
    return colour + slope[..., None]


def _red_cell(canvas: np.ndarray, middle: np.ndarray, reach: float, rng: np.random.Generator) -> None:
    """A red cell with its pale centre somewhere beside the stained cell, now and then pushed under it."""
    radius = rng.normal(0.18, 0.018) * CANVAS
    distance = reach + radius * rng.uniform(0.75, 1.2) + abs(rng.normal(0, 0.22)) * CANVAS
    place = beside(middle, distance, rng)
    low = np.clip(np.floor(place - 1.1 * radius), 0, CANVAS).astype(int)
    high = np.clip(np.ceil(place + 1.1 * radius), 0, CANVAS).astype(int)
    window = slice(low[1], high[1]), slice(low[0], high[0])
    away = grid()[window] - place.astype(np.float32)
    angle, squeeze = rng.uniform(0, np.pi), rng.uniform(0.8, 1.0)
    along = away @ np.array([np.cos(angle), np.sin(angle)], np.float32)
    across = away @ np.array([-np.sin(angle), np.cos(angle)], np.float32) / np.float32(squeeze)
    out = np.sqrt(along**2 + across**2) / np.float32(radius)
    paleness = np.float32(rng.uniform(0.3, 0.95)) * np.exp(-((out / np.float32(0.42)) ** 4))
    cover = np.clip((1 - out) * np.float32(radius / 1.6), 0, 1) * (1 - paleness)
    colour = np.array([206, 170, 166], np.float32) + rng.normal(0, 4, 3).astype(np.float32)
    paint(canvas[window], cover, colour)


def _speck(canvas: np.ndarray, place: np.ndarray, rng: np.random.Generator) -> None:
    """Dirt or a small platelet beside the cell."""
    mask = outline(place, rng.uniform(0.03, 0.07) * CANVAS, 1.2, 0.15, rng)
    paint(canvas, mask * np.float32(rng.uniform(0.5, 0.9)), np.array([140, 84, 150], np.float32))
