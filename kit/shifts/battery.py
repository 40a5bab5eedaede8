"""The battery: which shifts a contest expects, which rows see which of them, and the shifted images."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np

from kit.artefact import sha256_bytes
from kit.config import ShiftConfig
from kit.errors import ConfigError, did_you_mean
from kit.shifts.draws import Image, generator
from kit.shifts.mixture import FAMILY as MIXTURE
from kit.shifts.mixture import MIXTURES
from kit.shifts.operators import OPERATORS, family_of
from kit.shifts.strengths import RANGES, SEVERITIES, STRENGTHS

ALL_OPERATORS = OPERATORS | MIXTURES
FAMILIES = tuple(dict.fromkeys(map(family_of, ALL_OPERATORS)))
ROWS_A_TASK = 32
REVISION = 3
"""Raised when an operator makes other images than before, or rows draw other cells."""
OPENCV = cv2.__version__.partition(".")[0]
"""Versions 4 and 5 interpolate differently: by up to 4 levels, 0.2 on average, where an image is moved or turned.
From 4.11 on no operator differs by more than one level within one of them.
"""


@dataclass(frozen=True)
class Cell:
    """One operator at one severity; the unit in which shifted scores are kept."""

    operator: str
    severity: int

    @property
    def family(self) -> str:
        """The part of the operator's name before the dot."""
        return family_of(self.operator)

    @property
    def name(self) -> str:
        """`family.operator@severity`."""
        return f"{self.operator}@{self.severity}"


@dataclass(frozen=True)
class Battery:
    """A contest's cells, and how they are spread over rows.

    cells_per_row: how many cells a row gets at most; mixture_share: share of all draws that are mixtures,
    where the battery holds both mixtures and single operators; seed: of the draw and of every operator.
    """

    cells: tuple[Cell, ...]
    cells_per_row: int = 4
    mixture_share: float = 0.5
    seed: int = 0

    @classmethod
    def from_config(cls, config: ShiftConfig) -> Battery:
        """The battery that a contest file asks for; ConfigError for an unknown name or severity."""
        if config.battery == "clean":
            return cls((), 0, 0.0, config.seed)
        wanted = ALL_OPERATORS if config.battery == "default" else config.battery
        cells = dict.fromkeys(cell for name in wanted for cell in _cells(name, config.severities))
        return cls(tuple(cells), config.cells_per_row, config.mixture_share, config.seed)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the cells, in the order of their indices."""
        return tuple(cell.name for cell in self.cells)

    @property
    def families(self) -> tuple[str, ...]:
        """Families that occur, in the battery's order."""
        return tuple(dict.fromkeys(cell.family for cell in self.cells))

    @property
    def digest(self) -> str:
        """sha256 over what decides which images rows see: cells, draw, seed, calibrated strengths and ranges, and which
        operators make them.
        """
        strengths = [STRENGTHS[cell.operator][cell.severity - 1] for cell in self.cells]
        what = [self.names, strengths, RANGES, self.cells_per_row, self.mixture_share, self.seed]
        what += [REVISION] if self.cells else []
        return sha256_bytes(json.dumps(what).encode())

    @property
    def identity(self) -> dict[str, str]:
        """What two scores under shifts must share: "battery", the digest, and "opencv", which made the images."""
        return {"battery": self.digest} | ({"opencv": OPENCV} if self.cells else {})

    def draw(self, ids: np.ndarray) -> np.ndarray:
        """Cells for every row: (N, K) int64, K = min(cells_per_row, number of cells), distinct within a row.

        A function of the set of ids and the seed: rows take turns in an order that both give, so every single
        cell is drawn equally often but for one, and so is every mixture. Columns are alike: a part of them is as hard
        as all.
        """
        rows = len(ids)
        mixed = np.array([cell.family == MIXTURE for cell in self.cells], dtype=bool)
        single, mixtures = np.flatnonzero(~mixed), np.flatnonzero(mixed)
        width = min(self.cells_per_row, len(self.cells))
        split = _mixtures_a_row(rows, width, len(single), len(mixtures), self.mixture_share)
        shuffle = generator(self.seed, "draw")
        drawn = np.empty((rows, width), dtype=np.int64)
        from_single = np.arange(width)[None, :] < (width - split)[:, None]
        drawn[from_single] = _turns(shuffle.permutation(single), int(from_single.sum()))
        drawn[~from_single] = _turns(shuffle.permutation(mixtures), int(split.sum()))
        drawn = shuffle.permuted(drawn, axis=1)  # any column alone is a fair draw, mixtures in their share
        result = np.empty_like(drawn)
        result[_hashed_order(ids, self.seed)] = drawn
        return result

    def apply(self, images: np.ndarray, ids: np.ndarray, cells: np.ndarray, threads: int = 0) -> np.ndarray:
        """Row i of `images` under cell `cells[i]`.

        images: (N, H, W, 3) uint8; ids: (N,) str; cells: (N,) int. Returns a new array of the shape and dtype
        of `images`. A function of (seed, id, cell, image) alone, whatever else is in the batch. Runs in
        `threads` threads (0: one a core); OpenCV's own are off meanwhile.
        """
        assert images.dtype == np.uint8, f"images are uint8, but got {images.dtype}"
        assert images.shape[3:] == (3,), f"images are (N, H, W, 3), but got {images.shape}"
        counts = f"{len(images)} images, {len(ids)} ids, {len(cells)} cells"
        assert len(images) == len(ids) == len(cells), counts
        out = np.empty(images.shape, dtype=np.uint8)

        def task(start: int) -> None:
            for row in range(start, min(start + ROWS_A_TASK, len(images))):
                image = np.ascontiguousarray(images[row])
                out[row] = self._shifted(image, str(ids[row]), self.cells[cells[row]])

        before = cv2.getNumThreads()
        cv2.setNumThreads(1)
        try:
            with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
                list(pool.map(task, range(0, len(images), ROWS_A_TASK)))
        finally:
            cv2.setNumThreads(before)
        return out

    def _shifted(self, image: Image, row: str, cell: Cell) -> Image:
        rng = generator(self.seed, row, cell.operator)
        strength = STRENGTHS[cell.operator][cell.severity - 1]
        return ALL_OPERATORS[cell.operator](image, strength, rng)


def _cells(name: str, severities: Sequence[int]) -> list[Cell]:
    """The cells that a name in a contest file stands for: a family, an operator or an operator@severity."""
    operator, at, severity = name.partition("@")
    chosen = [int(severity)] if at and severity.isdigit() else list(severities) if not at else [0]
    operators = [known for known in ALL_OPERATORS if operator in (known, family_of(known))]
    if not operators:
        known = (*FAMILIES, *ALL_OPERATORS)
        raise ConfigError(
            f"shift.battery must name families ({', '.join(FAMILIES)}), operators (blur.motion) or cells "
            f"(blur.motion@3), but got {name!r}.{did_you_mean(operator, known)}"
        )
    if wrong := [value for value in chosen if value not in SEVERITIES]:
        raise ConfigError(f"shift.battery {name!r}: severities are 1 to 5, but got {wrong}. Fix the file.")
    return [Cell(known, value) for known in operators for value in chosen]


def _mixtures_a_row(rows: int, width: int, singles: int, mixtures: int, share: float) -> np.ndarray:
    """(rows,) number of mixtures of each row: `share` of all draws, rows alike but for one, within what there
    is."""
    wanted = share if singles and mixtures else float(singles == 0)
    total = np.floor(np.arange(rows + 1) * width * wanted + 0.5).astype(np.int64)
    return np.clip(np.diff(total), max(0, width - singles), min(width, mixtures))


def _turns(cells: np.ndarray, count: int) -> np.ndarray:
    """The first `count` of `cells` repeated for ever."""
    return cells[np.arange(count) % max(len(cells), 1)] if count else cells[:0]


def _hashed_order(ids: np.ndarray, seed: int) -> np.ndarray:
    """Positions of `ids` in an order that depends on the set of ids and the seed alone."""
    order = np.argsort(np.asarray(ids), kind="stable")
    return order[generator(seed, "rows").permutation(len(order))]
