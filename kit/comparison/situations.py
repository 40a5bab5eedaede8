"""Batches of held-out images as a hidden test may pass them: of one shift, of many, of another laboratory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kit.data.prepared import Prepared
from kit.shifts.battery import Battery
from kit.shifts.draws import generator
from kit.shifts.laboratory import in_laboratory
from kit.shifts.mixture import FAMILY as MIXTURE

ONE_SHIFT, MIXED, LABORATORY, ONE_CLASS = "one shift", "mixed", "laboratory", "one class"
SITUATIONS = (ONE_SHIFT, MIXED, LABORATORY, ONE_CLASS)
COUNTS = {ONE_SHIFT: 12, MIXED: 6, LABORATORY: 5, ONE_CLASS: 2}
"""Batches of each situation a fold. One shift a batch varies most from batch to batch."""


@dataclass(frozen=True)
class Batch:
    """Images that are passed together."""

    situation: str
    shift: str
    """What was done to them, for people."""
    rows: np.ndarray
    """(B,) int64, of the contest."""
    images: np.ndarray
    """(B, H, W, 3) uint8."""


def batches(prepared: Prepared, fold: int, battery: Battery, size: int) -> Iterator[Batch]:
    """Every batch of `fold`, up to `size` of its held-out rows each; the same for every recipe.

    One shift: every image under one cell of a single operator, families in turn. Mixed: every image under
    the cell that scoring draws for it. One class: the largest ones, under one shift.
    """
    held = prepared.split(fold).held_out
    rng = generator(battery.seed, "adaptation", str(fold))
    drawn = battery.draw(prepared.ids)[:, 0]
    for number, cell in enumerate(_in_turn(battery, rng, COUNTS[ONE_SHIFT])):
        yield _under(prepared, _some(held, size, rng), battery, cell, ONE_SHIFT)
        if number < COUNTS[MIXED]:
            rows = _some(held, size, rng)
            yield Batch(MIXED, "each its own", rows, _shifted(prepared, rows, battery, drawn[rows]))
    for number in range(COUNTS[LABORATORY]):
        rows = _some(held, size, rng)
        yield Batch(LABORATORY, f"laboratory {number}", rows, in_laboratory(prepared.images[rows], number))
    largest = np.argsort(-np.bincount(prepared.labels[held]))[: COUNTS[ONE_CLASS]]
    for label, cell in zip(largest, _in_turn(battery, rng, COUNTS[ONE_CLASS])):
        yield _under(prepared, _some(held[prepared.labels[held] == label], size, rng), battery, cell, ONE_CLASS)


def _some(rows: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    return np.sort(rng.permutation(rows)[:size])


def _in_turn(battery: Battery, rng: np.random.Generator, count: int) -> list[int]:
    """`count` cells of single operators (of mixtures where there are no others), from one family after the other."""
    every = list(range(len(battery.cells)))
    cells = [place for place in every if battery.cells[place].family != MIXTURE] or every
    by_family: dict[str, list[int]] = {}
    for place in rng.permutation(np.array(cells)).tolist():
        by_family.setdefault(battery.cells[place].family, []).append(place)
    turns = [pool[turn] for turn in range(len(cells)) for pool in by_family.values() if turn < len(pool)]
    return [turns[place % len(turns)] for place in range(count)]


def _under(prepared: Prepared, rows: np.ndarray, battery: Battery, cell: int, situation: str) -> Batch:
    images = _shifted(prepared, rows, battery, np.full(len(rows), cell))
    return Batch(situation, battery.cells[cell].name, rows, images)


def _shifted(prepared: Prepared, rows: np.ndarray, battery: Battery, cells: np.ndarray) -> np.ndarray:
    return battery.apply(np.array(prepared.images[rows]), prepared.ids[rows], cells)
