"""Tables that hold the images themselves: a column a pixel, a column of pixel lists, encoded files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from kit.data.sources.columns import ID_COLUMNS, shown
from kit.data.sources.table_file import holds_images, pixel_columns
from kit.errors import DataError

PIXEL_TEXTS = ("pixels", "pixel", "image", "img")
"""Columns whose text may be the pixels of an image, numbers with spaces between."""


@dataclass(frozen=True)
class EncodedFiles:
    """Image files as values of a column."""

    contents: dict[str, bytes]

    @property
    def names(self) -> list[str]:
        """Ids of the rows."""
        return list(self.contents)

    @property
    def others(self) -> str:
        """No other files lie in a table."""
        return ""

    def read(self, name: str) -> bytes:
        """The file of one row; empty where it has none."""
        return self.contents[name]


def image_columns(table: pd.DataFrame) -> list[str]:
    """The columns that hold the images of a table; none where it names files."""
    pixels = pixel_columns(list(table.columns))
    return pixels or [name for name in table.columns if _is_text(name, table[name]) or holds_images(table[name])][:1]


def _is_text(name: str, column: pd.Series) -> bool:
    if name.lower() not in PIXEL_TEXTS or not isinstance(column.iloc[0], str):
        return False
    parts = column.iloc[0].split()
    return len(parts) >= 16 and all(part.replace(".", "", 1).isdigit() for part in parts[:16])


def row_ids(table: pd.DataFrame, wanted: str, used: Sequence[str]) -> np.ndarray:
    """Ids (N,) str of the rows: the column `wanted`, or a usual one, else their numbers from 0."""
    column = named_by(table, wanted, used)
    return table[column].astype(str).to_numpy().astype(str) if column else np.arange(len(table)).astype(str)


def named_by(table: pd.DataFrame, wanted: str, used: Sequence[str]) -> str:
    """The column of the rows' ids: `wanted`, else one of a usual name whose values all differ; "" where none is."""
    if wanted in table.columns:
        return wanted
    folded = {name.lower(): name for name in table.columns if name not in used}
    usual = [folded[name] for name in ID_COLUMNS if name in folded]
    return usual[0] if usual and table[usual[0]].is_unique else ""


def encoded_files(column: pd.Series, ids: np.ndarray) -> EncodedFiles | None:
    """The files in a column of bytes, by id; None where it holds pixels."""
    first = column.dropna().iloc[0]
    if not isinstance(first, (bytes, dict)):
        return None
    contents = [value.get("bytes") if isinstance(value, dict) else value for value in column]
    return EncodedFiles({str(one): content or b"" for one, content in zip(ids, contents)})


def pixels_of(table: pd.DataFrame, columns: Sequence[str], path: Path, notes: list[str]) -> np.ndarray:
    """Images (N, H, W) or (N, H, W, 3) of pixel columns, or of one column of lists; DataError where none fit."""
    if len(columns) > 1:
        values = table[list(columns)].to_numpy()
        if values.dtype.kind not in "iufb":
            bad = [name for name in columns if table[name].dtype.kind not in "iufb"]
            raise DataError(f"{path}: pixels must be numbers, but column {bad[0]!r} holds others. Fix the table.")
        return shaped(values, path, notes)
    column = table[columns[0]]
    try:
        rows = [np.array(one.split(), np.float64) if isinstance(one, str) else _nested(one) for one in column]
        values = np.stack(rows)
    except (ValueError, TypeError) as error:
        raise DataError(f"{path}: images must have one shape, but column {columns[0]!r} has not ({error}).") from error
    return values if values.ndim > 2 else shaped(values, path, notes)


def _nested(value: object) -> np.ndarray:
    """A list of pixels, or of rows of pixels, to any depth, as an array."""
    array = np.asarray(value)
    return np.stack([_nested(one) for one in array]) if array.dtype == object else array


def shaped(values: np.ndarray, path: Path, notes: list[str]) -> np.ndarray:
    """Flat pixels (N, P) as square images, grey or of three channels, whose order the images tell."""
    count = values.shape[1]
    side = round(count**0.5)
    if side * side == count:
        notes.append(f"images of {side}x{side} from {count:,} pixels a row")
        return values.reshape(-1, side, side)
    side = round((count / 3) ** 0.5)
    if 3 * side * side != count:
        raise DataError(
            f"{path}: pixels of a row must make a square image, grey or RGB, but there are {count:,}. "
            f"Name other columns differently, or hand the images over as an npz."
        )
    last, first = values.reshape(-1, side, side, 3), values.reshape(-1, 3, side, side).transpose(0, 2, 3, 1)
    rough = [np.abs(np.diff(one[:200].astype(np.float64), axis=2)).mean() for one in (last, first)]
    notes.append(f"images of {side}x{side} RGB from {count:,} pixels a row, "
                 f"{'channel by channel' if rough[1] < rough[0] else 'three values a pixel'}")  # fmt: skip
    return first if rough[1] < rough[0] else last


def no_image(table: pd.DataFrame, path: Path, place: Path) -> DataError:
    """What to say of a table beside which no image lies."""
    return DataError(
        f"{path}: names no image: no image file lies in {place}, and none of its columns "
        f"({shown(list(table.columns))}) holds pixels or encoded images. Set [data] images to the folder or zip."
    )
