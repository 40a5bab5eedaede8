"""A table in a CSV or parquet file, every value as text but pixels and what a parquet holds of images."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from kit.data.sources.json_table import SUFFIXES as SUFFIXES_OF_JSON
from kit.data.sources.json_table import read_json
from kit.errors import DataError
from kit.inference.decode import SUFFIXES
from kit.storage import reading

PIXEL = re.compile(
    r"(pixel|pix|px|p|x|f|feature|feat|v|val|value|at|r|row)?[_ -]?\d+([x_,. -]*(c|col|y)?[_ -]?\d+)?", re.IGNORECASE
)
"""Names of columns that hold one pixel each: pixel0, px_12, pix_3_4, r1c2, 28x28, 5."""

SHARD = re.compile(r"(?P<name>.+)-\d{5}-of-(?P<count>\d{5})(-[0-9a-f]+)?\.(parquet|pq|arrow)")
"""Names of the files that make up one table; some have a digest of their own."""

FEWEST_PIXELS = 16
"""So many columns of such names are an image."""


def read_table(path: Path) -> pd.DataFrame:
    """The table with all values as text, but those of pixel columns, which are numbers; DataError where it is none,
    StorageError where the storage fails.

    The delimiter of a CSV is the one of , ; | and tab that its first line has most of, or a space where it has none
    of these. Missing values are "". Columns of a table without a header, whose first line names an image file, are
    called "column 1" and so on.
    """
    with reading(path):
        if path.suffix.lower() in (".parquet", ".pq", ".arrow"):
            return _read_parquet(path)
        return read_json(path) if path.suffix.lower() in SUFFIXES_OF_JSON else _read_text(path)


def _read_text(path: Path) -> pd.DataFrame:
    header, delimiter = _header(path)
    bare = _no_header(header, path)
    if pixel_columns(header) and not bare:
        return _read_pixels(path, header, delimiter)
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            lines = [(reader.line_num, line) for line in reader if line]
    except (UnicodeDecodeError, csv.Error) as error:
        raise _no_csv(path, error) from error
    rows = lines if bare else lines[1:]
    if not rows:
        raise DataError(f"{path}: must hold a header and rows, but has {len(lines)} lines. Give the right table.")
    uneven = [number for number, row in rows if len(row) != len(header)]
    if uneven:
        raise DataError(
            f"{path}: every line must have {len(header)} fields, but {len(uneven):,} have not "
            f"(first: line {uneven[0]}). Fix them."
        )
    header = [f"column {number}" for number in range(1, len(header) + 1)] if bare else header
    return pd.DataFrame([row for _, row in rows], columns=header, dtype=object)


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
            head = next((line for line in file if line.strip()), "")
            delimiter = max(",;|\t", key=head.count)
            delimiter = delimiter if delimiter in head or " " not in head.strip() else " "
            lines = list(csv.reader([head], delimiter=delimiter, strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise _no_csv(path, error) from error
    return [name.strip() for name in lines[0]] if lines else [], delimiter


def _no_header(first: list[str], path: Path) -> bool:
    """Whether the first line is a row: one of its fields names an image file. DataError for rows of numbers alone, and
    for a header that has one name twice.
    """
    if any(PurePosixPath(field.replace("\\", "/")).suffix.lower() in SUFFIXES for field in first):
        return True
    twice = [name for name, count in Counter(first).items() if count > 1]
    if twice and all(re.fullmatch(r"-?\d+(\.\d+)?", field) for field in first):
        raise DataError(
            f"{path}: must begin with a line of column names, but its first line holds {len(first):,} numbers. Put one "
            f"above it, such as label,pixel0,pixel1,... where the first column is the label."
        )
    if twice:
        raise DataError(f"{path}: columns must have different names, but {twice[0]!r} occurs twice. Rename one.")
    return False


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
        from pyarrow import ArrowException
    except ImportError as error:
        raise DataError(f'{path}: reading parquet needs pyarrow. Run: pip install "submission-kit[parquet]"') from error
    try:
        parts = [_frame(_read_arrow(one)) for one in shards(path)]
        table: pd.DataFrame = pd.concat(parts, ignore_index=True)
    except (ArrowException, OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable parquet file ({error}). Download it again.") from error
    if not len(table):
        raise DataError(f"{path}: must hold rows, but has none. Give the right table.")
    numbers = set(pixel_columns(list(table.columns)))
    for name in table.columns:
        if name not in numbers and not holds_images(table[name]):
            table[name] = _as_text(table[name])
    return table


def _read_arrow(path: Path) -> Any:
    """The pyarrow table of a parquet file, or of an Arrow file or stream, as `datasets` saves it."""
    from pyarrow import ArrowInvalid, ipc, memory_map, parquet

    if path.suffix.lower() != ".arrow":
        return parquet.read_table(path)
    with memory_map(str(path)) as file:
        try:
            return ipc.open_stream(file).read_all()
        except ArrowInvalid:
            file.seek(0)
            return ipc.open_file(file).read_all()


def _frame(table: Any) -> pd.DataFrame:
    """Integers with gaps as they are: as floats, ids beyond 2**53 would fall together."""
    made: pd.DataFrame = table.to_pandas(ignore_metadata=True, integer_object_nulls=True)
    return made


def shards(path: Path) -> list[Path]:
    """The files of a table: `train-00000-of-00002.parquet` and its others; DataError where one is absent."""
    match = SHARD.fullmatch(path.name)
    if not match:
        return [path]
    count = int(match["count"])
    every, absent = [], []
    for number in range(count):
        name = f"{match['name']}-{number:05d}-of-{count:05d}"
        found = [one for one in sorted(path.parent.glob(f"*{path.suffix}")) if _is_shard(one, name)]
        every += found[:1]
        absent += [] if found else [name + path.suffix]
    if absent:
        raise DataError(f"{path}: is one of {count} files of a table, but {absent[0]} is not there. Download it too.")
    return every


def _is_shard(path: Path, name: str) -> bool:
    """Whether a file is the one called `name`, a digest aside."""
    return re.fullmatch(re.escape(name) + r"(-[0-9a-f]+)?", path.stem) is not None


def holds_images(column: pd.Series) -> bool:
    """Whether the values are encoded images, or lists of pixels, as parquet files may hold."""
    filled = column.dropna()
    first: Any = filled.iloc[0] if len(filled) else None
    if isinstance(first, dict):
        return isinstance(first.get("bytes"), bytes)
    return isinstance(first, bytes) or (isinstance(first, (list, np.ndarray)) and len(first) > 1)


def _as_text(column: pd.Series) -> pd.Series:
    if column.dtype.kind == "f" and (column.dropna() % 1 == 0).all():  # as pandas writes integers with gaps
        column = column.astype("Int64")
    return column.astype(object).where(column.notna(), "").astype(str).astype(object)
