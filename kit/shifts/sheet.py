"""A contact sheet of a battery, for people to look at."""

from __future__ import annotations

import numpy as np

from kit.shifts.battery import Battery, Cell
from kit.shifts.strengths import SEVERITIES

GAP = 2


def sheet(images: np.ndarray, battery: Battery, operators: tuple[str, ...] = ()) -> np.ndarray:
    """One line an operator: the untouched image, then a column a severity (blank where there is none).

    images: (N, H, W, 3) uint8, used in turn. Returns (lines * (H + 2), 6 * (W + 2), 3) uint8, RGB; the lines
    are `operators`, or all of the battery in its order.
    """
    lines = operators or tuple(dict.fromkeys(cell.operator for cell in battery.cells))
    height, width = images.shape[1:3]
    page = np.full((len(lines), height + GAP, 1 + len(SEVERITIES), width + GAP, 3), 255, dtype=np.uint8)
    for line, operator in enumerate(lines):
        image = images[line % len(images)]
        page[line, :height, 0, :width] = image
        cells = [i for i, cell in enumerate(battery.cells) if cell.operator == operator]
        row = np.full(len(cells), f"sheet {line}")
        shown = battery.apply(np.stack([image] * len(cells)), row, np.array(cells))
        for cell, shifted in zip(cells, shown):
            page[line, :height, _column(battery.cells[cell]), :width] = shifted
    return page.reshape(len(lines) * (height + GAP), -1, 3)


def _column(cell: Cell) -> int:
    return SEVERITIES.index(cell.severity) + 1
