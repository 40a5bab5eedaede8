"""Tables that hold the images themselves, as `kit init` sees them: a column a pixel, lists of pixels, encoded files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from kit.data.sources.columns import choose_label, refuse_other_tasks
from kit.data.sources.embedded_images import encoded_files, pixels_of
from kit.data.sources.table_file import text
from kit.errors import DataError
from kit.inference.decode import Unreadable, read_pixels
from kit.data.forms.form import Form, Opener, names_of


def look_inside(table: pd.DataFrame, columns: list[str], path: Path) -> Form:
    """A table whose `columns` hold the images; DataError where its labels cannot be told."""
    refuse_other_tasks(table, path)
    notes: list[str] = []
    rest = table.drop(columns=columns)
    label = choose_label(rest, "", "", path, notes)
    classes, labels = names_of(text(rest[label]))
    kind = "parquet" if path.suffix.lower() in (".parquet", ".pq") else "csv"
    found = Form(kind, str(path), classes, labels, _opener(table, columns, path, notes), {"labels": label})
    found.facts.append(f"{len(table):,} rows that hold their images ({columns[0]}, ...); {'; '.join(notes) or label}.")
    return found


def _opener(table: pd.DataFrame, columns: list[str], path: Path, notes: list[str]) -> Opener:
    ids = np.arange(len(table)).astype(str)
    files = encoded_files(table[columns[0]], ids) if len(columns) == 1 else None
    if files is None:
        images = pixels_of(table, columns, path, notes)
        return lambda row: images[row]
    encoded = files

    def open_image(row: int) -> np.ndarray:
        try:
            return read_pixels(encoded.read(str(row)), Counter())
        except Unreadable as error:
            raise DataError(f"{path}, row {row}: {error}") from error

    return open_image
