"""Scenarios: kinds of hidden test, each a mixture of the battery's cells, and what test images resemble."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from kit.shifts.mixture import FAMILY as MIXTURE

UNTOUCHED = "clean.untouched@0"
"""The cell that clean images are, beside those of the battery."""

CLAIMS = {
    "clean": "like the training images",
    "natural": "one operator of moderate strength: focus, light, stain, compression",
    "contest": "one to four strong operators an image, mixed",
    "laboratory": "another stain, light, optics and scale, the same for all images",
}
"""The scenarios, and what each says of a hidden test."""

NATURAL = {
    "focus": ("blur.defocus", "blur.motion", "blur.gaussian"),
    "light": (
        "illumination.brighten", "illumination.darken", "illumination.contrast_up", "illumination.contrast_down",
        "illumination.gamma", "illumination.vignette", "illumination.uneven",
    ),
    "stain": ("colour.stain", "colour.white_balance"),
    "compression": ("compression.jpeg", "compression.webp"),
}  # fmt: skip
"""Its kinds, equally frequent, and their operators."""
MODERATE = {1: 0.6, 2: 0.4}
"""Severities of a natural test, and how frequent each is."""

LABORATORY = {
    "stain": NATURAL["stain"],
    "light": NATURAL["light"],
    "optics": NATURAL["focus"],
    "scale": ("geometry.zoom_in", "geometry.zoom_out"),
}
"""What differs in another laboratory, all of it at once, and the operators that stand for it."""
FOREIGN = (2, 3, 4)
"""Severities between which each of a laboratory's changes lies."""


def scenario_shares(scenario: str, cell_names: Sequence[str]) -> dict[str, float]:
    """Share of every cell in a test of that kind, by name, sum 1; empty where the battery holds none of its cells.

    A laboratory's changes come together in one image; here each stands for itself.
    """
    if scenario == "clean":
        return {UNTOUCHED: 1.0}
    known = [name for name in cell_names if name != UNTOUCHED]
    if scenario == "contest":
        return _contest(known)
    kinds = NATURAL if scenario == "natural" else LABORATORY
    by_severity = MODERATE if scenario == "natural" else dict.fromkeys(FOREIGN, 1.0)
    found: dict[str, float] = {}
    for operators in kinds.values():
        cells = {
            f"{name}@{severity}": share / len(operators)
            for name in operators
            for severity, share in by_severity.items()
            if f"{name}@{severity}" in known
        }
        found |= {cell: share / sum(cells.values()) for cell, share in cells.items()}
    return _summing_to_one(found)


def _contest(known: Sequence[str]) -> dict[str, float]:
    """One operator an image as often as two, three or four; all cells of a kind alike."""
    sizes = [name.partition("@")[0] if name.startswith(MIXTURE + ".") else "" for name in known]
    return _summing_to_one({name: 1.0 / sizes.count(size) for name, size in zip(known, sizes)})


def _summing_to_one(shares: dict[str, float]) -> dict[str, float]:
    total = sum(shares.values())
    return {name: share / total for name, share in shares.items()} if total else {}


def resemblance(shares: Mapping[str, float], cell_names: Sequence[str]) -> dict[str, float]:
    """How much of the test images each scenario explains (sum 1), from the shares of cells among them.

    The weights of the scenarios' own shares that come nearest to these (least Kullback-Leibler divergence).
    """
    cells = [*cell_names, UNTOUCHED]
    known = {name: scenario_shares(name, cell_names) for name in CLAIMS}
    mixtures = np.array([[known[name].get(cell, 0.0) for cell in cells] for name in CLAIMS])
    seen = np.array([shares.get(cell, 0.0) for cell in cells])
    mixtures = 0.99 * mixtures + 0.01 / len(cells)
    weights = np.full(len(mixtures), 1.0 / len(mixtures))
    for _ in range(200):
        weights = weights * (mixtures @ (seen / (weights @ mixtures)))
        weights = weights / weights.sum()
    return dict(zip(CLAIMS, weights.tolist()))
