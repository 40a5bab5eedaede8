"""Contests that hand out a table of ids and labels, and the images beside it (Kaggle's `train.csv`)."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from kit.config import DataConfig
from kit.data.sources.decoding import decode_all
from kit.data.sources.files import Files, open_files
from kit.data.sources.imageset import ImageSet
from kit.data.sources.labels import to_indices
from kit.data.sources.request import Request
from kit.errors import DataError, did_you_mean
from kit.inference import answering

TABLES = ("train.csv", "train_labels.csv", "labels.csv", "metadata.csv")
TRAIN_FOLDERS = ("train", "train_images", "images", "train.zip", "train_images.zip", "images.zip", ".")
TEST_FOLDERS = ("test", "test_images", "test.zip", "test_images.zip", "images", ".")
ID_COLUMNS = ("id", "image_id", "image", "image_name", "filename", "file_name", "file", "img", "path", "name")
LABEL_COLUMNS = ("label", "labels", "class", "target", "category", "diagnosis", "y")


@dataclass(frozen=True)
class Rows:
    """Rows of the table, as far as they are used; every array has one entry a row."""

    ids: np.ndarray
    """(N,) str, as written in the table."""
    labels: np.ndarray | None
    """(N,) int64."""
    extra: dict[str, np.ndarray]
    """`groups` and `splits`, (N,) str, where the contest file names their columns."""
    notes: tuple[str, ...] = ()

    def take(self, rows: np.ndarray) -> Rows:
        """The rows of those numbers."""
        labels = None if self.labels is None else self.labels[rows]
        extra = {name: values[rows] for name, values in self.extra.items()}
        return Rows(self.ids[rows], labels, extra, self.notes)


def read_csv(request: Request) -> ImageSet:
    """Images named by the table's id column, with or without suffix and folder, in the table's order.

    Ids without an image and rows without a label are errors, or skipped with a note when `on_error` is
    "skip". Images without a row are left out with a note.
    """
    path, place = paths(request.path, request.config, request.labelled)
    files = open_files(place)
    rows = _read_rows(path, request)
    names = match_files(rows.ids, files, place.stem)
    found = np.flatnonzero([name is not None for name in names])
    notes = list(rows.notes)
    _left_out(rows.ids, "row", "an image", np.setdiff1d(np.arange(len(names)), found), path, request, notes)
    used = [name for name in names if name is not None]
    unused = sorted(set(files.names) - set(used))
    if unused:
        notes.append(f"{len(unused):,} images have no row in {path.name} and are left out ({_shown(unused)})")
    decoded = decode_all(files, used, request.spec, request.on_error, request.allocate)
    kept = rows.take(found[decoded.rows])
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
    """A table of test images: ids (N,) str, the name of each one's image (None: there is none), the files, remarks."""
    table_path, place = paths(path, config, labelled=False)
    notes: list[str] = []
    table = read_table(table_path)
    column = _column(table, config.id_column, ID_COLUMNS, "id_column", table_path, notes, first=True)
    ids = table[column].str.strip().to_numpy().astype(str)
    files = open_files(place)
    return ids, match_files(ids, files, place.stem), files, tuple(notes)


def _shown(names: Sequence[str]) -> str:
    return ", ".join(map(str, names[:5])) + (", ..." if len(names) > 5 else "")


def paths(path: Path, config: DataConfig, labelled: bool) -> list[Path]:
    """The table, and the folder or zip of its images; DataError where `path` leads to no table."""
    table = _table_path(path)
    return [table, _images(table, config, labelled)]


def _table_path(path: Path) -> Path:
    if path.is_dir():
        path = next((path / name for name in TABLES if (path / name).is_file()), path)
    if not path.is_file():
        raise DataError(
            f"{path}: no such table ({', '.join(TABLES)} are looked for in a folder). "
            f"Give the CSV by --data or [data] path."
        )
    return path


def _images(table: Path, config: DataConfig, labelled: bool) -> Path:
    """The folder or zip of the images: [data] images, or the usual places beside the table."""
    if labelled and config.images:
        named = Path(config.images).expanduser()
        return named if named.is_absolute() else table.parent / named
    usual = TRAIN_FOLDERS if labelled else TEST_FOLDERS
    return next(table.parent / name for name in usual if (table.parent / name).exists())


def _read_rows(path: Path, request: Request) -> Rows:
    table = read_table(path)
    config = request.config
    notes: list[str] = []
    id_column = _column(table, config.id_column, ID_COLUMNS, "id_column", path, notes, first=True)
    ids = table[id_column].str.strip().to_numpy().astype(str)
    wanted = {"groups": config.group_column, "splits": config.fold_column} if request.labelled else {}
    extra = {key: _named(table, name, path) for key, name in wanted.items() if name}
    if not request.labelled:
        return Rows(ids, None, extra, tuple(notes))
    if all(name in table.columns for name in request.contest.classes):
        one_hot = table[list(request.contest.classes)].apply(pd.to_numeric, errors="coerce").to_numpy()
        return Rows(ids, to_indices(one_hot, request.contest.classes), extra, tuple(notes))
    column = _column(table, config.labels, LABEL_COLUMNS, "labels", path, notes, taken=id_column)
    raw = table[column].str.strip().to_numpy().astype(str)
    empty = np.flatnonzero(raw == "")
    _left_out(ids, "row", "a label", empty, path, request, notes)
    there = np.flatnonzero(raw != "")
    rows = Rows(ids, None, extra, tuple(notes)).take(there)
    return Rows(rows.ids, to_indices(raw[there], request.contest.classes), rows.extra, rows.notes)


def read_table(path: Path) -> pd.DataFrame:
    """The table with all values as text; the delimiter is the one of , ; and tab that its first line has
    most of.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            head = file.readline()
            delimiter = max(",;\t", key=head.count)
            file.seek(0)
            lines = list(csv.reader(file, delimiter=delimiter, strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: must be a CSV in UTF-8 ({error}). Save it again as UTF-8.") from error
    lines = [line for line in lines if line]
    if len(lines) < 2:
        raise DataError(f"{path}: must hold a header and rows, but has {len(lines)} lines. Give the right table.")
    uneven = [number for number, line in enumerate(lines, 1) if len(line) != len(lines[0])]
    if uneven:
        raise DataError(
            f"{path}: every line must have {len(lines[0])} fields, but {len(uneven):,} have not "
            f"(first: line {uneven[0]}). Fix them."
        )
    return pd.DataFrame(lines[1:], columns=[name.strip() for name in lines[0]], dtype=object)


def _named(table: pd.DataFrame, name: str, path: Path) -> np.ndarray:
    if name not in table.columns:
        raise DataError(
            f"{path}: has no column {name!r}, but {', '.join(table.columns)}."
            f"{did_you_mean(name, table.columns)} Fix [data] in the contest file."
        )
    return table[name].str.strip().to_numpy().astype(str)


def _column(
    table: pd.DataFrame,
    wanted: str,
    usual: tuple[str, ...],
    key: str,
    path: Path,
    notes: list[str],
    first: bool = False,
    taken: str = "",
) -> str:
    """The column `wanted`, else a usual name, else the first or the only other one; a guess is said in
    `notes`.
    """
    if wanted:
        _named(table, wanted, path)
        return wanted
    folded = {name.lower(): name for name in table.columns if name != taken}
    guesses = [folded[name] for name in usual if name in folded]
    if not guesses and (first or len(folded) == 1):
        guesses = list(folded.values())[:1]
    if not guesses:
        raise DataError(
            f"{path}: which column holds the {key.removesuffix('_column')} cannot be guessed from "
            f'{", ".join(table.columns)}. Set [data] {key} = "COLUMN" in the contest file.'
        )
    if guesses[0] != key.removesuffix("_column"):
        notes.append(f"{key.removesuffix('_column')} taken from the column {guesses[0]!r}")
    return guesses[0]


def match_files(ids: np.ndarray, files: Files, folder: str) -> list[str | None]:
    """`kit.inference.answering.match` over image files; DataError where an id fits several."""
    try:
        return answering.match(ids, files.names, folder)
    except answering.Ambiguous as error:
        raise DataError(
            f"{error}. Write ids with their folder and suffix, or name one folder in [data] images."
        ) from error


def _left_out(
    ids: np.ndarray, what: str, lacks: str, rows: np.ndarray, path: Path, request: Request, notes: list[str]
) -> None:
    """Rows that lack something: a note when `on_error` is "skip", else DataError."""
    if not len(rows):
        return
    shown = _shown(ids[rows].tolist())
    if request.on_error != "raise" and len(rows) < len(ids):
        notes.append(f"{len(rows):,} {what}s of {path.name} without {lacks} skipped ({shown})")
        return
    raise DataError(
        f"{path}: every {what} must have {lacks}, but {len(rows):,} of {len(ids):,} have none ({shown}). "
        f'Fix them, or set [data] on_error = "skip".'
    )
