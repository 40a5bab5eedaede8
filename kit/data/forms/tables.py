"""Contests that hand out a CSV beside the images, as `kit init` sees them: which column holds what."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from kit.config import DataConfig
from kit.data.sources.embedded_images import image_columns
from kit.data.sources.files import open_files
from kit.data.sources.tables import ID_COLUMNS, LABEL_COLUMNS, match_files, paths, read_table
from kit.errors import DataError
from kit.data.forms.embedded import look_inside
from kit.data.forms.folders import opener
from kit.data.forms.form import Form, names_of
from kit.data.forms.groups import group_key, looks_like_group

MOST_CLASSES = 1000
"""A column with more values is no label."""
FILE = "\0file"
"""Column of the rows' image files, under a name that no CSV has."""


def look_at_table(path: Path) -> Form:
    """The table's columns and the files that its ids name; DataError where ids or labels cannot be told."""
    table = read_table(path)
    inside = image_columns(table)
    if inside:
        return look_inside(table, inside, path)
    table = table.apply(lambda column: column.str.strip())
    place = paths(path, DataConfig(kind="csv"), labelled=True)[1]
    files = open_files(place)
    id_column = _ids(table, path)
    names = match_files(table[id_column].to_numpy().astype(str), files, place.stem)
    there = np.array([name is not None for name in names])
    if not there.any():
        raise DataError(
            f"{path}: ids must name image files, but none of {len(table):,} does (column {id_column!r}, such as "
            f"{table[id_column].iloc[0]!r}; files in {place}, such as {files.names[0]!r}). Give --data the right CSV"
        )
    rows = table[there].reset_index(drop=True)
    found, rows = _labelled(path, rows.assign(**{FILE: [name for name in names if name is not None]}), id_column)
    found.open_image = opener(files, rows.pop(FILE).tolist())
    found.facts.insert(0, f"{len(table):,} rows; the images lie in {place} ({len(files.names):,} files).")
    found.data["id_column"] = id_column
    if not there.all():
        found.data["on_error"] = "skip"
        found.doubts.append(f"{np.sum(~there):,} rows have no image and are skipped. Check that nothing is missing.")
    used = {id_column, found.data.get("labels", "")}
    group_key({name: rows[name].to_numpy().astype(str) for name in rows.columns if name not in used}, found)
    test = path.parent / "test"
    found.test = str(test) if test.is_dir() else ""
    return found


def _ids(table: pd.DataFrame, path: Path) -> str:
    folded = {name.lower(): name for name in table.columns}
    usual = [folded[name] for name in ID_COLUMNS if name in folded]
    unique = [name for name in table.columns if table[name].is_unique]
    chosen = [name for name in usual if name in unique] or usual or unique
    if not chosen:
        raise DataError(f"{path}: no column of {', '.join(table.columns)} names each image once. Give the right CSV")
    return chosen[0]


def _labelled(path: Path, rows: pd.DataFrame, id_column: str) -> tuple[Form, pd.DataFrame]:
    """Labels of one column, or of one column a class with a single 1 a row; and the rows that have one."""
    others = [name for name in rows.columns if name not in (id_column, FILE)]
    one_hot = [name for name in others if rows[name].isin(["0", "1", "0.0", "1.0"]).all()]
    values = rows[one_hot].astype(float).to_numpy() if len(one_hot) > 1 else np.zeros((len(rows), 0))
    if len(one_hot) > 1 and (values.sum(axis=1) == 1).all():
        found = Form("csv", str(path), tuple(one_hot), values.argmax(axis=1).astype(np.int64), _no_image)
        found.facts.append(f"The classes are the columns {', '.join(one_hot)}, with a single 1 a row.")
        return found, rows
    column, candidates = _label_column(rows, others, path)
    empty = rows[column] == ""
    rows = rows[~empty].reset_index(drop=True)
    classes, labels = names_of(rows[column].to_numpy().astype(str))
    found = Form("csv", str(path), classes, labels, _no_image, {"labels": column})
    if column.lower() not in LABEL_COLUMNS:
        more = f" Other columns with few values: {', '.join(candidates)}." if candidates else ""
        found.doubts.append(f"The labels are taken from the column {column!r}.{more}")
    if empty.any():
        found.data["on_error"] = "skip"
        found.doubts.append(f"{empty.sum():,} rows have no label and are skipped.")
    return found, rows


def _label_column(rows: pd.DataFrame, others: list[str], path: Path) -> tuple[str, list[str]]:
    """The column of the labels, and which others it might have been."""
    folded = {name.lower(): name for name in others}
    usual = [folded[name] for name in LABEL_COLUMNS if name in folded]
    most = max(2, min(MOST_CLASSES, len(rows) // 2))
    few = [name for name in others if not looks_like_group(name) and 2 <= rows[name].nunique() <= most]
    if not (usual or few):
        listed = ", ".join(name for name in rows.columns if name != FILE)
        raise DataError(f"{path}: which column holds the labels is not clear from {listed}. Name it `label`")
    chosen = (usual or few)[0]
    return chosen, [name for name in few if name != chosen]


def _no_image(row: int) -> np.ndarray:
    raise DataError(f"row {row} has no image")
