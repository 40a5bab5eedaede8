"""Which column of a table holds what; tasks that are no classification of one label are refused by name."""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from pathlib import Path

import numpy as np
import pandas as pd

from kit.data.sources.group_names import looks_like_group
from kit.data.sources.labels import to_indices
from kit.data.sources.table_file import text
from kit.errors import DataError, did_you_mean

ID_COLUMNS = (
    *("id", "image_id", "image", "image_name", "filename", "file_name", "file", "img", "path", "name"),
    *("imageid", "image id", "img_id", "imgid", "file_id", "fileid", "filepath", "file_path", "image_path", "img_path"),
    *("uid", "uuid", "id_code"),
)
LABEL_COLUMNS = (
    *("label", "labels", "class", "target", "category", "diagnosis", "y", "digit", "species", "class_name"),
    *("classname", "label_name", "category_name", "breed", "dx", "emotion", "classid", "class_id", "label_id"),
    *("labelid", "category_id", "categoryid", "targets", "y_true", "ground_truth"),
)
LIKE_LABELS = re.compile(r"(?i)label|class|categ|target|species|breed|diagnos|disease|grade|type|emotion|truth")
"""Columns that are called so come before others."""
MOST_CLASSES = 1000
"""A column with more values holds no labels, unless it is called so."""
BOXES = frozenset(["bbox", "xmin", "ymin", "xmax", "ymax", "x_min", "y_min", "x_max", "y_max", "predictionstring"])
MARKS = frozenset(["0", "1", "-1", "0.0", "1.0", "-1.0", "True", "False", "true", "false", "TRUE", "FALSE"])
"""Values of columns that say whether something is there."""
MASKS = frozenset(["encodedpixels", "rle", "rle_mask", "segmentation", "annotation"])


def shown(names: Sequence[object], most: int = 8) -> str:
    """The first few of many names."""
    return ", ".join(map(str, names[:most])) + (f", ... ({len(names):,})" if len(names) > most else "")


def named(table: pd.DataFrame, name: str, path: Path) -> np.ndarray:
    """The column that the contest file names, (N,) str; DataError where there is none."""
    if name not in table.columns:
        raise DataError(
            f"{path}: has no column {name!r}, but {shown(list(table.columns))}."
            f"{did_you_mean(name, table.columns)} Fix [data] in the contest file."
        )
    return text(table[name])


def choose_id(table: pd.DataFrame, wanted: str, names: Sequence[str], path: Path, notes: list[str]) -> str:
    """The column of the ids: `wanted`, else one whose values are the image files `names`, else one of a usual name.

    Of columns with usual names the one with the most files wins; a guess is told to `notes`.
    """
    if wanted:
        named(table, wanted, path)
        return wanted
    folded = {name.lower(): name for name in table.columns}
    usual = [folded[name] for name in ID_COLUMNS if name in folded]
    known = {part for name in names for part in (name, re.sub(r"\.[^./]*$", "", name))}
    known |= {name.rpartition("/")[2] for name in known}
    hits = {name: _hits(table[name], known) for name in usual}
    if not any(hits.values()):
        hits = {name: _hits(table[name], known) for name in table.columns}
    best = max(hits, key=lambda name: hits[name])
    return _said(best if hits[best] > 0 else (usual or [str(table.columns[0])])[0], "id", notes)


def _hits(column: pd.Series, known: Set[str]) -> int:
    """How many of the first values are `known` files, with or without folder and suffix."""
    values = (str(value).strip().replace("\\", "/").rpartition("/")[2] for value in column.head(200))
    return sum(value in known for value in values)


def _said(name: str, what: str, notes: list[str]) -> str:
    if name != what:
        notes.append(f"{what} taken from the column {name!r}")
    return name


def choose_label(table: pd.DataFrame, wanted: str, id_column: str, path: Path, notes: list[str]) -> str:
    """The column of the labels: `wanted`, else one of a usual name, else the only other one."""
    if wanted:
        named(table, wanted, path)
        return wanted
    others = [name for name in table.columns if name != id_column]
    usual = [name for name in label_columns(table, id_column) if name.lower() in LABEL_COLUMNS]
    guesses = usual or others[: len(others) == 1]
    if not guesses:
        raise DataError(
            f"{path}: which column holds the labels cannot be guessed from {shown(list(table.columns))} "
            f'(ids: {id_column!r}). Set [data] labels = "COLUMN" in the contest file.'
        )
    return _said(guesses[0], "labels", notes)


def label_columns(table: pd.DataFrame, id_column: str) -> list[str]:
    """Columns that may hold the labels: those of usual names, then those of few values that are not called as groups,
    of which names and words come before numbers.

    Few: at least two, at most one for every two rows.
    """
    others = {name.lower(): name for name in table.columns if name != id_column}
    usual = [others[name] for name in LABEL_COLUMNS if name in others]
    most = max(2, min(MOST_CLASSES, len(table) // 2))
    few = [name for name in others.values() if not looks_like_group(name) and 2 <= table[name].nunique() <= most]
    few.sort(key=lambda name: (not LIKE_LABELS.search(name), _numbers(table[str(name)])))
    return list(dict.fromkeys([*usual, *few]))


def _numbers(column: pd.Series) -> bool:
    return bool(pd.to_numeric(column, errors="coerce").notna().all())


def refuse_shares(table: pd.DataFrame, columns: Sequence[str], path: Path) -> None:
    """DataError where some of the columns are shares of classes that add up to 1."""
    values = table[list(columns)].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
    inside = ((values >= 0) & (values <= 1)).all(axis=0)
    shares = values[:, inside]
    names = [name for name, fits in zip(columns, inside) if fits]
    if len(names) > 1 and (np.abs(shares.sum(axis=1) - 1) < 0.02).all() and ((shares > 0) & (shares < 1)).any():
        raise DataError(
            f"{path}: images must have one label, but {shown(names)} are shares that add up to 1 (soft labels). Write "
            f"a column with the name of the largest, and give that table"
        )


def refuse_marks(table: pd.DataFrame, columns: Sequence[str], path: Path) -> None:
    """DataError where all columns that may be labels are marks, several or none a row, and not one is called as labels
    are.
    """
    marks = [name for name in columns if set(table[name]) <= MARKS and table[name].nunique() > 1]
    named = [name for name in marks if LIKE_LABELS.search(name)]
    if len(marks) > 1 and len(marks) == len(columns) and len(named) != 1:
        raise DataError(
            f"{path}: this is multi-label: {shown(marks)} are marks of their own, several or none a row, and the kit "
            f"predicts one label an image. If one of them is the label, give a table of that column and the ids alone"
        )


def refuse_other_tasks(table: pd.DataFrame, path: Path) -> None:
    """DataError for boxes and masks: detection and segmentation are not what the kit does."""
    folded = [str(name).lower() for name in table.columns]
    for columns, task in ((BOXES, "detection"), (MASKS, "segmentation")):
        found = [name for name in folded if name in columns]
        if found:
            raise DataError(
                f"{path}: this is {task} ({shown(found)}), and the kit classifies whole images, one label each. "
                f"Give a table without these columns if the images have labels of their own."
            )


def labels_of(table: pd.DataFrame, column: str, classes: tuple[str, ...], path: Path) -> np.ndarray:
    """Labels (N,) int64 of a column; DataError names multi-label and regression tasks, and the column."""
    raw = text(table[column])
    refuse_several(raw, classes, f"{path}, column {column!r}")
    try:
        return to_indices(raw, classes)
    except DataError as error:
        raise DataError(f"{path}, column {column!r}: {error}") from error


def one_hot_of(table: pd.DataFrame, classes: tuple[str, ...], path: Path) -> np.ndarray:
    """Labels (N,) int64 of one column a class; DataError names multi-label tasks."""
    values = table[list(classes)].apply(pd.to_numeric, errors="coerce").to_numpy()
    several = np.isin(values, (0, 1)).all(axis=1) & (values.sum(axis=1) > 1)
    if several.any():
        raise DataError(
            f"{path}: this is multi-label: {several.sum():,} of {len(values):,} rows have more than one class, and "
            f"the kit predicts one label an image. Such contests are not supported."
        )
    return to_indices(values, classes)


def refuse_several(raw: np.ndarray, classes: tuple[str, ...], where: str) -> None:
    """Refuse labels that join several classes: "cat dog", "cat|dog", "[1, 5]"."""
    known = {name.casefold() for name in classes} | {str(number) for number in range(len(classes))}
    joined = []
    for value in np.unique(raw):
        parts = [part.casefold() for part in re.split(r"[\s,;|]+", str(value).strip("[](){} ")) if part]
        if len(parts) > 1 and str(value).casefold() not in known and all(part in known for part in parts):
            joined.append(str(value))
    if joined:
        raise DataError(
            f"{where}: this is multi-label (such as {joined[0]!r}), and the kit predicts one label an image. "
            f"Such contests are not supported."
        )
