"""Many images at once into one array, by the decoder that ships (`kit.inference.decode`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from kit.data.sources.files import Files
from kit.errors import DataError
from kit.inference import decode
from kit.inference.decode import NO_RANGE, Range, Spec

Allocate = Callable[[tuple[int, ...]], np.ndarray]
"""From a shape to a writable uint8 array: in memory, or on disk."""

OnError = Literal["raise", "skip", "repair"]

PIECE = 256
"""Images in memory beside the result."""


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
    bounds: Range | None = None
    """The values that became 0 and 255 in images of more than 8 bits."""


def decode_all(files: Files, names: Sequence[str], spec: Spec, on_error: OnError, allocate: Allocate) -> Decoded:
    """The images of `names` in that order.

    DataError lists the unreadable ones unless `on_error` is "skip", which leaves them out, or "repair", which
    decodes them as far as they go. A range that the spec lacks is observed over all images.
    """
    images = allocate((len(names), spec["size"], spec["size"], 3))
    sizes = np.zeros((len(names), 2), dtype=np.int64)
    counts: Counter[str] = Counter()
    lost: dict[int, str] = {}
    repaired: dict[int, str] = {}

    def fill(rows: np.ndarray, spec: Spec) -> None:
        for start in range(0, len(rows), PIECE):
            piece = rows[start : start + PIECE]
            batch = decode.read_batch([names[row] for row in piece], files.read, spec, counts, on_error == "repair")
            images[piece], sizes[piece] = batch.images, batch.sizes
            lost.update({int(piece[place]): reason for place, reason in batch.lost.items()})
            repaired.update({int(piece[place]): reason for place, reason in batch.repaired.items()})

    fill(np.arange(len(names)), spec)
    deep = np.array(sorted(row for row, reason in lost.items() if reason == NO_RANGE), np.int64)
    if len(deep):
        spec = dict(spec, range=decode.find_range([names[row] for row in deep], files.read))
        lost = {row: reason for row, reason in lost.items() if reason != NO_RANGE}
        fill(deep, spec)
    rows = np.array([row for row in range(len(names)) if row not in lost], np.int64)
    notes = conversions(counts) + _damaged(names, lost, repaired, on_error)
    if len(rows) < len(names):
        images, sizes = _closed_up(images, rows), sizes[rows]
    bounds = spec["range"] if "of more than 8 bits a channel reduced to 8" in counts else None
    return Decoded(rows, images, sizes, notes + scaling(bounds, images), bounds)


def conversions(counts: Counter[str]) -> tuple[str, ...]:
    """A line for each kind of conversion."""
    return tuple(f"{count:,} images {what}" for what, count in sorted(counts.items()))


def scaling(bounds: Range | None, images: np.ndarray) -> tuple[str, ...]:
    """What was done to the values of the whole set, and a warning where it came out nearly black or white."""
    notes = [] if bounds is None else [f"values {decode.range_text(bounds)} become 0..255, for all images alike"]
    wrong = decode.looks_wrong(images) if len(images) else ""
    if wrong:
        notes.append(
            f"WARNING: most images are {wrong} (mean {np.mean(images[:: max(1, len(images) // 500)]):.1f} of 255). "
            "Look at them: kit data. Where their values span another range, rescale them to 0..255"
        )
    return tuple(notes)


def _closed_up(images: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The images of the sorted `rows` moved to the front, a few at a time, for the array may be on disk."""
    for start in range(0, len(rows), PIECE):
        images[start : start + len(rows[start : start + PIECE])] = images[rows[start : start + PIECE]]
    return images[: len(rows)]


def _damaged(
    names: Sequence[str], lost: dict[int, str], repaired: dict[int, str], on_error: OnError
) -> tuple[str, ...]:
    notes = []
    if repaired:
        notes.append(f"{len(repaired):,} damaged images decoded as far as they go: {_listed(names, repaired)}")
    if not lost:
        return tuple(notes)
    shown = _listed(names, lost)
    if on_error != "raise" and len(lost) < len(names):
        return (*notes, f"{len(lost):,} unreadable images skipped: {shown}")
    raise DataError(
        f"every image must be readable, but {len(lost):,} of {len(names):,} are not: {shown}. "
        f'Fix or remove them, or set [data] on_error = "repair" (decode what is there) or "skip".'
    )


def _listed(names: Sequence[str], reasons: dict[int, str]) -> str:
    some = [f"{names[row]} ({reasons[row]})" for row in sorted(reasons)[:10]]
    return "; ".join(some) + ("; ..." if len(reasons) > 10 else "")
