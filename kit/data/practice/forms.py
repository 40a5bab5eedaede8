"""The forms of the practice contest's hidden test: as it was announced, and as three other organisers would shift it.

Made of the operators of `kit.data.practice.shift`, which neither the battery nor the augmentations use.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kit.data.practice.shift import OPERATORS, draw_mixture, shift_images

FORMS = ("clean", "natural", "contest", "laboratory")
"""Images as they were taken; one moderate fault an image; one to four strong operators; one other laboratory."""

FAULTS = (
    "out_of_focus", "camera_shake", "exposure", "contrast", "tone_curve", "spotlight", "other_stain", "colour_cast",
    "squeezed_file",
)  # fmt: skip
"""What goes wrong with single images: focus, light, stain, compression."""
CHANGES = (
    ("other_stain", "turned_hue", "colour_cast"),
    ("exposure", "tone_curve", "contrast"),
    ("out_of_focus", "low_resolution"),
    ("nearer_or_farther",),
)
"""What another laboratory does otherwise: one of each kind, the same for all of its images."""


def shifted_as(
    form: str, images: np.ndarray, strength: float, mixture_seed: int, rng: np.random.Generator
) -> np.ndarray:
    """Images (N, S, S, 3) uint8 in a form of the hidden test; `mixture_seed` is that of the organiser's choices."""
    if form == "clean" or strength == 0:
        return images
    if form == "natural":
        return _faulty(images, strength, rng)
    if form == "laboratory":
        return _elsewhere(images, strength, np.random.default_rng([mixture_seed, 0x1AB]))
    return shift_images(images, draw_mixture(mixture_seed), strength, rng)


def _faulty(images: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    out = np.empty_like(images)
    for row, image in enumerate(images):
        name = FAULTS[int(rng.integers(len(FAULTS)))]
        out[row] = _changed(image, [name], [strength * rng.uniform(0.1, 0.45)], rng)
    return out


def _elsewhere(images: np.ndarray, strength: float, laboratory: np.random.Generator) -> np.ndarray:
    names = [kinds[int(laboratory.integers(len(kinds)))] for kinds in CHANGES]
    amounts = [strength * laboratory.uniform(0.2, 0.7) for _ in names]
    key = int(laboratory.integers(2**31))
    # The same generator for every image: what it draws belongs to the laboratory.
    return np.stack([_changed(image, names, amounts, np.random.default_rng(key)) for image in images])


def _changed(
    image: np.ndarray, names: Sequence[str], amounts: Sequence[float], rng: np.random.Generator
) -> np.ndarray:
    pixels = image.astype(np.float32)
    for name, amount in zip(names, amounts):
        pixels = np.clip(OPERATORS[name](pixels, amount, rng), 0, 255).astype(np.float32)
    return np.clip(np.round(pixels), 0, 255).astype(np.uint8)
