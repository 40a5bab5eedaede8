"""Many image files at once: decoded on threads into one array, the unreadable listed."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from kit.data.sources.decode import bombs_refused, decode
from kit.data.sources.files import Files
from kit.errors import DataError

Allocate = Callable[[tuple[int, ...]], np.ndarray]
"""From a shape to a writable uint8 array: in memory, or on disk."""


@dataclass(frozen=True)
class Decoded:
    """What `decode_all` yields; `rows` says which of the names asked for are in it."""

    rows: np.ndarray
    """(n,) int64."""
    images: np.ndarray
    """(n, S, S, 3) uint8."""
    sizes: np.ndarray
    """(n, 2) int64 height and width before resizing."""
    notes: tuple[str, ...]


def decode_all(
    files: Files, names: Sequence[str], size: int, resize: str, on_error: str, allocate: Allocate
) -> Decoded:
    """The images of `names` in that order; DataError lists the unreadable ones unless `on_error` is
    "skip".
    """
    images = allocate((len(names), size, size, 3))
    sizes = np.zeros((len(names), 2), dtype=np.int64)
    counts: Counter[str] = Counter()
    one = partial(_decode_one, files, size=size, resize=resize)
    unreadable: list[str] = []
    rows: list[int] = []
    with bombs_refused(), ThreadPoolExecutor(os.cpu_count()) as pool:
        for row, (name, result) in enumerate(zip(names, pool.map(one, names, chunksize=64))):
            if isinstance(result, str):
                unreadable.append(f"{name} ({result})")
                continue
            images[len(rows)], sizes[len(rows)], its_counts = result
            counts.update(its_counts)
            rows.append(row)
    notes = _notes(counts) + _skipped(unreadable, len(names), on_error)
    return Decoded(np.asarray(rows, np.int64), images[: len(rows)], sizes[: len(rows)], notes)


def _decode_one(
    files: Files, name: str, size: int, resize: str
) -> tuple[np.ndarray, tuple[int, int], Counter[str]] | str:
    counts: Counter[str] = Counter()
    try:
        image, original = decode(files.read(name), size, resize, counts)
    except (DataError, OSError) as error:
        return str(error)
    return image, original, counts


def _notes(counts: Counter[str]) -> tuple[str, ...]:
    return tuple(f"{count:,} images {what}" for what, count in sorted(counts.items()))


def _skipped(unreadable: list[str], total: int, on_error: str) -> tuple[str, ...]:
    if not unreadable:
        return ()
    shown = "; ".join(unreadable[:10]) + ("; ..." if len(unreadable) > 10 else "")
    if on_error == "skip" and len(unreadable) < total:
        return (f"{len(unreadable):,} unreadable images skipped: {shown}",)
    raise DataError(
        f"every image must be readable, but {len(unreadable):,} of {total:,} are not: {shown}. "
        f'Fix or remove them, or set [data] on_error = "skip".'
    )
