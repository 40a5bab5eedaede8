"""Family colour: hue, saturation, casts and stain."""

from __future__ import annotations

import cv2
import numpy as np

from kit.shifts.draws import Image, sign

LEVELS = np.arange(256, dtype=np.float32)
DENSITY = -np.log((LEVELS + 1.0) / 256.0)
"""Optical density of every byte."""

STAINS = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])
"""Densities in red, green and blue of haematoxylin, eosin and the rest (Ruifrok and Johnston 2001)."""
STAINS /= np.linalg.norm(STAINS, axis=1, keepdims=True)
UNMIXED = np.linalg.inv(STAINS)

LUMA = np.array([0.299, 0.587, 0.114])


def hue(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Hue turned by `strength` degrees, either way."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL)
    turn = round(sign(rng) * strength * 256.0 / 360.0) % 256
    hsv[..., 0] += np.uint8(turn)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL)


def saturation(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Distance from grey times or divided by 2 ** `strength`."""
    factor = 2.0 ** (sign(rng) * strength)
    return cv2.transform(image, factor * np.eye(3) + (1.0 - factor) * LUMA)


def channel_shift(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """An offset on each channel; the largest is `strength` of full white, up or down."""
    offsets = rng.uniform(-1.0, 1.0, 3)
    offsets *= strength * 255.0 / np.abs(offsets).max()
    return cv2.transform(image, np.column_stack([np.eye(3), offsets]))


def white_balance(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Red times 2 ** `strength` and blue divided by it, or the reverse; green up to half as far."""
    warm, tint = sign(rng) * strength, rng.uniform(-0.5, 0.5) * strength
    gains = 2.0 ** np.array([warm, tint, -warm])
    return cv2.transform(image, np.diag(gains / (gains @ LUMA) ** 0.5))


def stain(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Amount of each stain times 2 ** (up to `strength`, either way) in optical density (after Tellez et al.
    2018, "Whole-slide mitosis detection in H&E breast histology using PHH3 as a reference")."""
    exponents = rng.uniform(-1.0, 1.0, 3)
    exponents *= strength / np.abs(exponents).max()
    matrix = (UNMIXED @ np.diag(2.0**exponents) @ STAINS).T
    density = cv2.transform(cv2.LUT(image, DENSITY), matrix)
    return cv2.convertScaleAbs(np.maximum(cv2.exp(-density), np.float32(1 / 256)), alpha=256.0, beta=-1.0)
