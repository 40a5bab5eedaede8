"""A table in a CSV or parquet file, every value as text but pixels and what a parquet holds of images."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kit.errors import DataError

PIXEL = re.compile(r"(pixel|pix|px|p|x|f|feature|v)?[_ -]?\d+|\d+x\d+", re.IGNORECASE)
"""Names of columns that hold one pixel each: pixel0, px_12, 28x28, 5."""

FEWEST_PIXELS = 16
"""So many columns of such names are an image."""


def read_table(path: Path) -> pd.DataFrame:
    """The table with all values as text, but those of pixel columns, which are numbers; DataError where it is none.

    The delimiter of a CSV is the one of , ; and tab that its first line has most of. Missing values are "".
    """
    if path.suffix.lower() in (".parquet", ".pq"):
        return _read_parquet(path)
    header, delimiter = _header(path)
    if pixel_columns(header):
        return _read_pixels(path, header, delimiter)
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            lines = [line for line in csv.reader(file, delimiter=delimiter, strict=True) if line]
    except (UnicodeDecodeError, csv.Error) as error:
        raise _no_csv(path, error) from error
    if len(lines) < 2:
        raise DataError(f"{path}: must hold a header and rows, but has {len(lines)} lines. Give the right table.")
    uneven = [number for number, line in enumerate(lines, 1) if len(line) != len(lines[0])]
    if uneven:
        raise DataError(
            f"{path}: every line must have {len(lines[0])} fields, but {len(uneven):,} have not "
            f"(first: line {uneven[0]}). Fix them."
        )
    return pd.DataFrame(lines[1:], columns=header, dtype=object)


def pixel_columns(names: list[str]) -> list[str]:
    """The columns that hold one pixel each, in their order; none where they are too few to be an image."""
    found = [name for name in names if PIXEL.fullmatch(name)]
    return found if len(found) >= FEWEST_PIXELS else []


def text(column: pd.Series) -> np.ndarray:
    """The values of a column (N,) str, without spaces around them."""
    return column.astype(str).str.strip().to_numpy().astype(str)


def _header(path: Path) -> tuple[list[str], str]:
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            head = file.readline()
            delimiter = max(",;\t", key=head.count)
            lines = list(csv.reader([head], delimiter=delimiter, strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise _no_csv(path, error) from error
    return [name.strip() for name in lines[0]] if lines else [], delimiter


def _no_csv(path: Path, error: Exception) -> DataError:
    with open(path, "rb") as file:
        magic = file.read(8)
    if magic[:4] == b"PAR1":
        return DataError(f"{path}: is a parquet file. Name it {path.stem}.parquet")
    if magic == b"\x89HDF\r\n\x1a\n":
        return DataError(f'{path}: is an HDF5 file. Set [data] kind = "hdf5" and name it {path.stem}.h5')
    return DataError(f"{path}: must be a CSV in UTF-8 ({error}). Save it again as UTF-8.")


def _read_pixels(path: Path, header: list[str], delimiter: str) -> pd.DataFrame:
    """Such tables have hundreds of columns: numbers are read as numbers."""
    kinds = {place: str for place in range(len(header)) if header[place] not in set(pixel_columns(header))}
    try:
        table = pd.read_csv(path, sep=delimiter, header=None, skiprows=1, dtype=kinds, na_filter=False,
                            encoding="utf-8-sig", low_memory=False)  # fmt: skip
    except (ValueError, UnicodeDecodeError, pd.errors.ParserError) as error:
        raise DataError(f"{path}: must be a CSV of pixels ({error}). Fix it.") from error
    if table.shape[1] != len(header) or not len(table):
        raise DataError(f"{path}: every line must have {len(header)} fields, and there must be some. Fix the table.")
    table.columns = pd.Index(header)
    return table


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise DataError(f'{path}: reading parquet needs pyarrow. Run: pip install "submission-kit[parquet]"') from error
    try:
        table: pd.DataFrame = parquet.read_table(path).to_pandas(ignore_metadata=True)
    except (ArrowException, OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable parquet file ({error}). Download it again.") from error
    if not len(table):
        raise DataError(f"{path}: must hold rows, but has none. Give the right table.")
    numbers = set(pixel_columns(list(table.columns)))
    for name in table.columns:
        if name not in numbers and not holds_images(table[name]):
            table[name] = _as_text(table[name])
    return table


def holds_images(column: pd.Series) -> bool:
    """Whether the values are encoded images, or lists of pixels, as parquet files may hold."""
    filled = column.dropna()
    first: Any = filled.iloc[0] if len(filled) else None
    if isinstance(first, dict):
        return isinstance(first.get("bytes"), bytes)
    return isinstance(first, bytes) or (isinstance(first, (list, np.ndarray)) and len(first) > 1)


def _as_text(column: pd.Series) -> pd.Series:
    if column.dtype.kind == "f" and (column.dropna() % 1 == 0).all():  # integers with gaps come as floats
        column = column.astype("Int64")
    return column.astype(object).where(column.notna(), "").astype(str).astype(object)
