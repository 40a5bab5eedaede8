"""Tables beside the images or with the images inside, recognised: which column holds what."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from kit.config import DataConfig
from kit.data.forms.embedded import opener_of_columns
from kit.data.forms.folders import opener
from kit.data.forms.form import Form, names_of
from kit.data.forms.groups import group_key
from kit.data.sources.columns import LABEL_COLUMNS, choose_id, choose_label, label_columns, refuse_other_tasks
from kit.data.sources.embedded_images import image_columns
from kit.data.sources.files import open_files
from kit.data.sources.places import TEST, folders_in, kind_of
from kit.data.sources.table_file import read_table, text
from kit.data.sources.tables import match_files, paths
from kit.errors import DataError

ROW = "\0row"
"""Column of the numbers of the table's rows, under a name that no table has."""


def look_at_table(path: Path) -> Form:
    """The table's columns and its images; DataError where ids or labels cannot be told."""
    table = read_table(path)
    refuse_other_tasks(table, path)
    inside = image_columns(table)
    return _inside(table, inside, path) if inside else _beside(table, path)


def _inside(table: pd.DataFrame, columns: list[str], path: Path) -> Form:
    """A table whose `columns` hold the images."""
    notes: list[str] = []
    open_image = opener_of_columns(table, columns, path, notes)
    rest = table.drop(columns=columns).apply(text)
    found, rows = _labelled(path, rest, "")
    numbers = rows.pop(ROW).to_numpy()
    found.open_image = lambda row: open_image(int(numbers[row]))
    found.facts.insert(0, "; ".join([f"{len(table):,} rows that hold their images in {_few(columns)}", *notes]) + ".")
    _find_groups(rows, found)
    return found


def _few(columns: list[str]) -> str:
    return f"{len(columns):,} columns from {columns[0]}" if len(columns) > 1 else f"the column {columns[0]!r}"


def _beside(table: pd.DataFrame, path: Path) -> Form:
    """A table whose ids name the images."""
    table = table.apply(lambda column: column.str.strip())
    place = paths(path, DataConfig(kind="csv"), labelled=True)[1]
    files = open_files(place)
    id_column = choose_id(table, "", files.names, path, [])
    names = np.array(match_files(table[id_column].to_numpy().astype(str), files, place.stem), dtype=object)
    there = np.array([name is not None for name in names])
    if not there.any():
        raise DataError(
            f"{path}: ids must name image files, but none of {len(table):,} does (column {id_column!r}, such as "
            f"{table[id_column].iloc[0]!r}; files in {place}, such as {files.names[0]!r}). Give --data the right CSV"
        )
    found, rows = _labelled(path, table[there].reset_index(drop=True), id_column)
    found.open_image = opener(files, names[there][rows.pop(ROW).to_numpy()].tolist())
    found.facts.insert(0, f"{len(table):,} rows; the images lie in {place} ({len(files.names):,} files).")
    found.data["id_column"] = id_column
    if not there.all():
        found.data["on_error"] = "skip"
        found.doubts.append(f"{np.sum(~there):,} rows have no image and are skipped. Check that nothing is missing.")
    _find_groups(rows.drop(columns=id_column), found)
    found.test = next((str(path.parent / name) for name in folders_in(path.parent, TEST)), "")
    return found


def _find_groups(rows: pd.DataFrame, found: Form) -> None:
    others = [name for name in rows.columns if name != found.data.get("labels")]
    group_key({name: rows[name].to_numpy().astype(str) for name in others}, found)


def _labelled(path: Path, rows: pd.DataFrame, id_column: str) -> tuple[Form, pd.DataFrame]:
    """Labels of one column, or of one column a class with a single 1 a row; and the rows that have one, numbered."""
    kind, others = kind_of(path), [name for name in rows.columns if name != id_column]
    rows = rows.assign(**{ROW: np.arange(len(rows))})
    one_hot = [name for name in others if rows[name].isin(["0", "1", "0.0", "1.0"]).all()]
    values = rows[one_hot].astype(float).to_numpy() if len(one_hot) > 1 else np.zeros((len(rows), 0))
    if len(one_hot) > 1 and (values.sum(axis=1) == 1).all():
        found = Form(kind, str(path), tuple(one_hot), values.argmax(axis=1).astype(np.int64), _no_image)
        found.facts.append(f"The classes are the columns {', '.join(one_hot)}, with a single 1 a row.")
        return found, rows
    candidates = label_columns(rows[others], id_column)
    column = candidates.pop(0) if candidates else choose_label(rows[others], "", id_column, path, [])
    empty = rows[column] == ""
    rows = rows[~empty].reset_index(drop=True)
    classes, labels = names_of(rows[column].to_numpy().astype(str))
    found = Form(kind, str(path), classes, labels, _no_image, {"labels": column})
    if column.lower() not in LABEL_COLUMNS:
        more = f" Other columns with few values: {', '.join(candidates)}." if candidates else ""
        found.doubts.append(f"The labels are taken from the column {column!r}.{more}")
    if empty.any():
        found.data["on_error"] = "skip"
        found.doubts.append(f"{empty.sum():,} rows have no label and are skipped.")
    return found, rows


def _no_image(row: int) -> np.ndarray:
    raise DataError(f"row {row} has no image")
