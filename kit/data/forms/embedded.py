"""Images that a table holds itself, one by one: a column a pixel, lists of pixels, encoded files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from kit.data.forms.form import Opener, opener_of
from kit.data.sources.embedded_images import encoded_files, pixels_of
from kit.errors import DataError
from kit.inference.decode import Unreadable, read_pixels


def opener_of_columns(table: pd.DataFrame, columns: list[str], path: Path, notes: list[str]) -> Opener:
    """Opens row by row the images that `columns` of the table hold; what was guessed is told to `notes`."""
    ids = np.arange(len(table)).astype(str)
    files = encoded_files(table[columns[0]], ids) if len(columns) == 1 else None
    if files is None:
        return opener_of(pixels_of(table, columns, path, notes), path)
    encoded = files

    def open_image(row: int) -> np.ndarray:
        try:
            return read_pixels(encoded.read(str(row)), Counter()).values
        except Unreadable as error:
            raise DataError(f"{path}, row {row}: {error}") from error

    return open_image
