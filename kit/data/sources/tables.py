"""Contests that hand out a table: of ids and labels with the images beside it (Kaggle's `train.csv`), or with the
images inside.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from kit.config import DataConfig
from kit.data.sources.arrays import from_arrays
from kit.data.sources.columns import (
    choose_id,
    choose_label,
    labels_of,
    named,
    one_hot_of,
    refuse_other_tasks,
    shown,
)
from kit.data.sources.decoding import Decoded, decode_all
from kit.data.sources.embedded_images import encoded_files, image_columns, no_image, pixels_of, row_ids
from kit.data.sources.file_names import found_by
from kit.data.sources.files import Files, open_several
from kit.data.sources.imageset import ImageSet
from kit.data.sources.places import BESIDE_TABLE, BESIDE_TEST_TABLE, TABLES
from kit.data.sources.request import Request
from kit.data.sources.table_file import read_table, shards, text
from kit.errors import DataError
from kit.inference import matching


@dataclass(frozen=True)
class Rows:
    """Rows of the table, as far as they are used; every array has one entry a row."""

    numbers: np.ndarray
    """(N,) int64: rows of the table."""
    ids: np.ndarray
    """(N,) str, as written in the table."""
    labels: np.ndarray | None
    """(N,) int64."""
    extra: dict[str, np.ndarray]
    """`groups` and `splits`, (N,) str, where the contest file names their columns."""

    def take(self, rows: np.ndarray) -> Rows:
        """The rows of those numbers."""
        labels = None if self.labels is None else self.labels[rows]
        extra = {name: values[rows] for name, values in self.extra.items()}
        return Rows(self.numbers[rows], self.ids[rows], labels, extra)


def read_csv(request: Request) -> ImageSet:
    """Images named by the table's id column, with or without suffix and folder, or held by it, in its order.

    Ids without an image and rows without a label are errors, or skipped with a note unless `on_error` is
    "raise". Images without a row are left out with a note.
    """
    path = table_path(request.path)
    table = read_table(path)
    if request.labelled:
        refuse_other_tasks(table, path)
    columns = image_columns(table)
    return _inside(table, columns, path, request) if columns else _beside(table, path, request)


def _inside(table: pd.DataFrame, columns: list[str], path: Path, request: Request) -> ImageSet:
    """The images that the table itself holds."""
    notes: list[str] = []
    rest = table.drop(columns=columns)
    if request.labelled and request.config.id_column:
        named(rest, request.config.id_column, path)
    rows = _rows(rest, row_ids(rest, request.config.id_column, [request.config.labels]), "", path, request, notes)
    kept = table.iloc[rows.numbers]
    files = encoded_files(kept[columns[0]], rows.ids) if len(columns) == 1 else None
    if files is not None:
        decoded = decode_all(files, list(rows.ids), request.spec, request.on_error, request.allocate)
        return _image_set(rows.take(decoded.rows), decoded, notes, request)
    images = pixels_of(kept, columns, path, notes)
    made = from_arrays(request, [images], rows.ids, rows.labels, rows.extra.get("splits"), notes)
    return replace(made, groups=rows.extra.get("groups"))


def _beside(table: pd.DataFrame, path: Path, request: Request) -> ImageSet:
    """The images that the table names."""
    places = images_of(path, request.config, request.labelled)
    try:
        files = open_several(places)
    except DataError as error:
        raise error if request.config.images else no_image(table, path, places[0]) from error
    notes: list[str] = []
    if request.labelled:
        table = once(table, notes)
    id_column = choose_id(table, request.config.id_column, files.names, path, notes)
    rows = _rows(table, text(table[id_column]), id_column, path, request, notes)
    names = match_files(rows.ids, files, places[0].stem)
    found = np.flatnonzero([name is not None for name in names])
    if not len(found):
        raise DataError(
            f"{path}: every row must have an image, but {len(names):,} of {len(names):,} have none: none of the values "
            f"of column {id_column!r} (such as {str(rows.ids[0])!r}) is an image file in {', '.join(map(str, places))} "
            f"(such as {files.names[0]!r}). Set [data] id_column or images."
        )
    _left_out(rows.ids, "row", "an image", np.setdiff1d(np.arange(len(names)), found), path, request, notes)
    used = [name for name in names if name is not None]
    unused = sorted(set(files.names) - set(used))
    if unused:
        notes.append(f"{len(unused):,} images have no row in {path.name} and are left out ({_few(unused)})")
    decoded = decode_all(files, used, request.spec, request.on_error, request.allocate)
    return _image_set(rows.take(found[decoded.rows]), decoded, notes, request)


def once(table: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """The table with rows that are equal in every column there once, which is told to `notes`."""
    repeated = table.duplicated()
    if repeated.any():
        notes.append(f"{repeated.sum():,} rows are there twice, equal in every column: each counts once")
    return table[~repeated].reset_index(drop=True)


def _image_set(kept: Rows, decoded: Decoded, notes: list[str], request: Request) -> ImageSet:
    return ImageSet(
        ids=kept.ids,
        images=decoded.images,
        labels=kept.labels,
        class_names=request.contest.classes,
        notes=(*notes, *decoded.notes),
        sizes=decoded.sizes,
        bounds=decoded.bounds,
        groups=kept.extra.get("groups"),
        splits=kept.extra.get("splits"),
    )


def read_ids(path: Path, config: DataConfig) -> tuple[np.ndarray, list[str | None], Files, tuple[str, ...]]:
    """A table that names test images: ids (N,) str, each one's image (None: there is none), the files, remarks."""
    place = table_path(path)
    notes: list[str] = []
    table = read_table(place)
    places = images_of(place, config, labelled=False)
    files = open_several(places)
    column = choose_id(table, config.id_column if config.id_column in table else "", files.names, place, notes)
    ids = text(table[column])
    return ids, match_files(ids, files, places[0].stem), files, tuple(notes)


def _few(names: list[str]) -> str:
    return ", ".join(map(str, names[:5])) + (", ..." if len(names) > 5 else "")


def paths(path: Path, config: DataConfig, labelled: bool) -> list[Path]:
    """The table, and the folders or zips of its images; DataError where `path` leads to no table."""
    table = table_path(path)
    return [*shards(table), *images_of(table, config, labelled)]


def table_path(path: Path) -> Path:
    """The table at `path`, or the usual one in a folder; DataError where there is none."""
    if path.is_dir():
        path = next((path / name for name in TABLES if (path / name).is_file()), path)
    if path.is_dir():
        path = next(iter(sorted(path.glob("train-00000-of-*.parquet"))), path)
    if not path.is_file():
        raise DataError(
            f"{path}: no such table ({', '.join(TABLES)} are looked for in a folder). "
            f"Give the table by --data or [data] path."
        )
    return path


def images_of(table: Path, config: DataConfig, labelled: bool) -> list[Path]:
    """The folders or zips of the images: [data] images, or the usual place beside the table."""
    if labelled and config.images:
        given = [Path(one).expanduser() for one in config.image_places]
        return [one if one.is_absolute() else table.parent / one for one in given]
    usual = BESIDE_TABLE if labelled else BESIDE_TEST_TABLE
    return [next(table.parent / name for name in usual if (table.parent / name).exists())]


def _rows(
    table: pd.DataFrame, ids: np.ndarray, id_column: str, path: Path, request: Request, notes: list[str]
) -> Rows:
    """The rows that have a label, with what the contest file names of them."""
    config, classes = request.config, request.contest.classes
    wanted = {"groups": config.group_column, "splits": config.fold_column} if request.labelled else {}
    extra = {key: named(table, name, path) for key, name in wanted.items() if name}
    if request.labelled and config.group_pattern and not config.group_column:
        extra["groups"] = found_by(ids.tolist(), config.group_pattern, "group_pattern", path)
    rows = Rows(np.arange(len(table)), ids, None, extra)
    if not request.labelled:
        return rows
    if not config.labels and all(name in table.columns for name in classes):
        return replace(rows, labels=one_hot_of(table, classes, path))
    column = choose_label(table, config.labels, id_column, path, notes)
    raw = text(table[column])
    _left_out(ids, "row", "a label", np.flatnonzero(raw == ""), path, request, notes)
    there = np.flatnonzero(raw != "")
    return replace(rows.take(there), labels=labels_of(table.iloc[there], column, classes, path))


def match_files(ids: np.ndarray, files: Files, folder: str) -> list[str | None]:
    """`kit.inference.matching.match` over image files; DataError where an id fits several."""
    try:
        return matching.match(ids, files.names, folder)
    except matching.Ambiguous as error:
        raise DataError(
            f"{error}. Write ids with their folder and suffix, or name one folder in [data] images."
        ) from error


def _left_out(
    ids: np.ndarray, what: str, lacks: str, rows: np.ndarray, path: Path, request: Request, notes: list[str]
) -> None:
    """Rows that lack something: a note unless `on_error` is "raise", else DataError."""
    if not len(rows):
        return
    listed = shown(ids[rows].tolist(), 5)
    if request.on_error != "raise" and len(rows) < len(ids):
        notes.append(f"{len(rows):,} {what}s of {path.name} without {lacks} skipped ({listed})")
        return
    raise DataError(
        f"{path}: every {what} must have {lacks}, but {len(rows):,} of {len(ids):,} have none ({listed}). "
        f'Fix them, or set [data] on_error = "skip".'
    )
