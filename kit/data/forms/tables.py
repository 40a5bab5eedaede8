"""Tables beside the images or with the images inside, recognised: which column holds what."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from kit.config import DataConfig
from kit.data.forms.embedded import opener_of_columns
from kit.data.forms.folders import opener
from kit.data.forms.form import Form, names_of
from kit.data.forms.groups import group_key
from kit.data.forms.name_groups import known_groups
from kit.data.forms.spellings import one_spelling, whole_numbers
from kit.data.sources.columns import (
    LABEL_COLUMNS,
    choose_id,
    choose_label,
    label_columns,
    refuse_marks,
    refuse_other_tasks,
    refuse_shares,
)
from kit.data.sources.embedded_images import image_columns
from kit.data.sources.files import Files, open_files
from kit.data.sources.places import SAMPLE, kind_of, part_folders, part_of
from kit.data.sources.table_file import read_table, text
from kit.data.sources.tables import match_files, once, paths
from kit.errors import DataError

ROW = "\0row"
"""Column of the numbers of the table's rows, under a name that no table has."""

NONE = frozenset(["-1", "nan", "na", "n/a", "null", "none", "?", "unlabeled", "unlabelled", "missing"])
"""Labels that may stand for none."""


class NamesNoImage(DataError):
    """A table that names none of the images beside it."""


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
    beside = re.sub(r"-of-\d{5}.*(?=\.)", "-of-*", path.name).replace("train", "test")
    tests = sorted(path.parent.glob(beside)) if "train" in path.name else []
    found.test = str(tests[0]) if tests else ""
    return found


def _few(columns: list[str]) -> str:
    return f"{len(columns):,} columns from {columns[0]}" if len(columns) > 1 else f"the column {columns[0]!r}"


def _beside(table: pd.DataFrame, path: Path) -> Form:
    """A table whose ids name the images."""
    notes: list[str] = []
    table = once(table.apply(lambda column: column.str.strip()), notes)
    place = paths(path, DataConfig(kind="csv"), labelled=True)[-1]
    files = open_files(place)
    inner = _training_folder(files.names) if place.is_dir() else ""
    if inner:
        place, files = place / inner, open_files(place / inner)
    id_column = choose_id(table, "", files.names, path, [])
    names = np.array(match_files(table[id_column].to_numpy().astype(str), files, place.stem), dtype=object)
    there = np.array([name is not None for name in names])
    if not there.any():
        raise NamesNoImage(
            f"{path}: ids must name image files, but none of {len(table):,} does (column {id_column!r}, such as "
            f"{table[id_column].iloc[0]!r}; files in {place}, such as {files.names[0]!r}). Give --data the right CSV"
        )
    _refuse_twice(table[id_column], path)
    found, rows = _labelled(path, table[there].reset_index(drop=True), id_column)
    labelled = names[there][rows.pop(ROW).to_numpy()].tolist()
    found.open_image = opener(files, labelled)
    found.facts.insert(0, f"{len(table):,} rows; the images lie in {place} ({len(files.names):,} files).")
    found.data["id_column"] = id_column
    found.doubts += [f"{note}." for note in notes]
    if inner:
        found.data["images"] = place.relative_to(path.parent).as_posix()
    tests, of_test = _test_table(path, files, place, set(labelled))
    unused = sorted(set(files.names) - set(names[there].tolist()) - set(of_test))
    if unused:
        found.doubts.append(f"{len(unused):,} images have no row and are left out (such as {unused[0]}).")
    if not there.all():
        found.data["on_error"] = "skip"
        found.doubts.append(f"{np.sum(~there):,} rows have no image and are skipped. Check that nothing is missing.")
    _find_groups(rows.drop(columns=id_column), found)
    if "group_column" not in found.data:
        known_groups(rows[id_column].tolist(), found)
    beside = place.parent if inner else path.parent
    found.test = next((str(beside / name) for name in part_folders(beside, "test")), "")
    if not found.test and of_test:
        found.test = str(tests)
    if found.test:
        found.facts.append(f"Test images are those in {found.test}.")
    return found


def _test_table(path: Path, files: Files, place: Path, labelled: set[str]) -> tuple[Path, list[str]]:
    """The table of test images, or else the sample submission, whose ids are images beside those of training, and these
    images; none where there is no such table.
    """
    samples = [one for one in sorted(path.parent.glob("*.csv")) if SAMPLE.search(one.name)]
    for one in [path.with_name(path.name.replace("train", "test")), *samples]:
        if one == path or not one.is_file():
            continue
        table = read_table(one)
        ids = text(table[choose_id(table, "", files.names, one, [])])
        named = [name for name in match_files(ids, files, place.stem) if name is not None]
        if len(named) == len(ids) and not labelled.intersection(named):
            return one, named
    return path, []


def _training_folder(names: Sequence[str]) -> str:
    """The folder of the training images, where others lie in one of test images; else empty."""
    parents = {PurePosixPath(name).parent for name in names}
    folders = {folder for parent in parents for folder in (parent, *parent.parents)}
    train = sorted((folder for folder in folders if part_of(folder.name) == "train"), key=lambda one: len(one.parts))
    return str(train[0]) if train and any(part_of(folder.name) == "test" for folder in folders) else ""


def _refuse_twice(ids: pd.Series, path: Path) -> None:
    twice = ids[ids.duplicated()].tolist()
    if twice:
        raise DataError(
            f"{path}: every image needs one row, but {len(set(twice)):,} values of column {str(ids.name)!r} occur more "
            f"than once (such as {twice[0]!r}). Remove the repeated rows"
        )


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
        shown_by = values.sum(axis=0) > 0
        classes = tuple(name for name, some in zip(one_hot, shown_by) if some)
        labels = values[:, shown_by].argmax(axis=1).astype(np.int64)
        found = Form(kind, str(path), classes, labels, _no_image)
        found.facts.append(f"The classes are the columns {', '.join(classes)}, with a single 1 a row.")
        if not shown_by.all():
            never = [name for name, some in zip(one_hot, shown_by) if not some]
            found.doubts.append(f"No row has a 1 in {', '.join(never)}: no image shows it, and it is never predicted.")
        return found, rows
    candidates = label_columns(rows[others], id_column)
    if not candidates or candidates[0].lower() not in LABEL_COLUMNS:
        refuse_shares(rows, others, path)
        refuse_marks(rows, candidates, path)
    column = candidates.pop(0) if candidates else choose_label(rows[others], "", id_column, path, [])
    empty = rows[column] == ""
    rows = rows[~empty].reset_index(drop=True)
    values, said = one_spelling(whole_numbers(rows[column].to_numpy().astype(str)))
    classes, labels = names_of(values)
    none = [name for name in classes if name.casefold() in NONE]
    if none:
        count = np.sum(labels == classes.index(none[0]))
        said.append(f"{count:,} rows have the label {none[0]!r}: if it means none, take them out of the table.")
    found = Form(kind, str(path), classes, labels, _no_image, {"labels": column}, doubts=said)
    if column.lower() not in LABEL_COLUMNS:
        more = f" Other columns with few values: {', '.join(candidates)}." if candidates else ""
        found.doubts.append(f"The labels are taken from the column {column!r}.{more}")
    if empty.any():
        found.data["on_error"] = "skip"
        found.doubts.append(f"{empty.sum():,} rows have no label and are skipped.")
    return found, rows


def _no_image(row: int) -> np.ndarray:
    raise DataError(f"row {row} has no image")
