"""Images beside what networks looked at in them, drawn into one file."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kit.explain.explain import Explained

CELL = 1.9
"""Inches of one image."""


def write_sheet(found: Sequence[Explained], classes: tuple[str, ...], path: Path) -> None:
    """A line an image: the image with its label, then a column a network with what it predicted."""
    columns = 1 + max(len(one.looks) for one in found)
    figure = Figure(figsize=(CELL * columns, (CELL + 0.45) * len(found)), layout="constrained")
    grid = figure.subplots(len(found), columns, squeeze=False)
    for line, one in zip(grid, found):
        _draw(line[0], one.image, f"{one.id}\nlabelled {classes[one.label]}")
        for axes, look in zip(line[1:], one.looks):
            _draw(axes, look.pixels, f"{look.recipe}\n{classes[look.predicted]} {look.confidence:.0%}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():  # classes may be called in letters that no font here has: they become boxes
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(path, dpi=130)


def _draw(axes: Axes, pixels: np.ndarray, title: str) -> None:
    axes.imshow(pixels, interpolation="nearest")
    axes.set_title(title, fontsize=7.5, parse_math=False)
    axes.set_axis_off()
