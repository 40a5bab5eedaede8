"""The nearest rows of every row, at a cost that grows with the rows, not with their pairs.

A search tree alone would not do: among descriptions of images, which fill all their dimensions, it visits
nearly every row for every row. So rows are cut into cells of equal size, and compared with those of the cells
around theirs, as an inverted file does (Jegou, Douze, Schmid, "Product Quantization for Nearest Neighbor
Search", 2011).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.spatial import cKDTree

CELL = 128
"""Rows of a cell, at most."""
CELLS = 64
"""Cells that a row is compared with, those whose centres are nearest; up to 8,192 rows that is all of them."""


def nearest(points: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Distances (N, count) float32 and rows (N, count) int64 of the nearest of `points` (N, D) float32, without itself.

    Unordered; fewer columns where there are not so many other rows.
    """
    count = min(count, len(points) - 1)
    cells = list(_cells(points))
    centres = np.stack([points[cell].mean(axis=0) for cell in cells])
    squares = np.full((len(points), count), np.inf, np.float32)
    rows = np.zeros((len(points), count), np.int64)
    for cell, centre, asking in zip(cells, centres, _asking(points, centres)):
        found = _squares(points[asking] - centre, points[cell] - centre)
        found[asking[:, None] == cell] = np.inf
        closer = found.min(axis=1) < squares[asking].max(axis=1)
        asking, found = asking[closer], found[closer]
        both = np.concatenate([squares[asking], found], axis=1)
        best = np.argpartition(both, count - 1, axis=1)[:, :count]
        numbers = np.concatenate([rows[asking], np.broadcast_to(cell, found.shape)], axis=1)
        squares[asking] = np.take_along_axis(both, best, axis=1)
        rows[asking] = np.take_along_axis(numbers, best, axis=1)
    distances = [np.linalg.norm(points - points[column], axis=1) for column in rows.T]
    return np.stack(distances, axis=1).astype(np.float32), rows


def _cells(points: np.ndarray) -> Iterator[np.ndarray]:
    """Row numbers of each cell; cuts lie at medians, so that no cell holds more than others where rows crowd."""
    waiting = [cKDTree(points, leafsize=CELL, balanced_tree=True).tree]
    while waiting:
        node = waiting.pop()
        if node.split_dim >= 0:
            waiting += [node.greater, node.lesser]
        else:  # a leaf of equal points may hold more than its share
            yield from np.array_split(node.indices, -(-len(node.indices) // CELL))


def _asking(points: np.ndarray, centres: np.ndarray) -> list[np.ndarray]:
    """For each cell, the rows that are compared with it."""
    count = min(CELLS, len(centres))
    chosen = np.empty((len(points), count), np.int32)
    for start in range(0, len(points), 4096):
        squares = _squares(points[start : start + 4096], centres)
        chosen[start : start + 4096] = np.argpartition(squares, count - 1, axis=1)[:, :count]
    order = np.argsort(chosen, axis=None, kind="stable")
    ends = np.cumsum(np.bincount(chosen.ravel(), minlength=len(centres)))
    return np.split(order // count, ends[:-1])


def _squares(own: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Squared distances (n, m) float32."""
    return (own**2).sum(axis=1)[:, None] + (others**2).sum(axis=1) - 2 * own @ others.T
