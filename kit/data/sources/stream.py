"""Test images read in batches, whatever their form: no more than one batch is held."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from kit.config import ContestConfig
from kit.data.sources.decoding_record import DecodingRecord
from kit.data.sources.embedded_images import encoded_files, image_columns, named_by, row_ids
from kit.data.sources.files import Files, open_files
from kit.data.sources.imageset import ImageSet, check_ids
from kit.data.sources.load import form_of_test, load_test
from kit.data.sources.table_file import read_table
from kit.data.sources.tables import read_ids
from kit.inference.decode import Batch, Unreadable, read_batches
from kit.workspace import Workspace

LOOKED_AT = 4000
"""Test images, at most, that are held against the training images."""


@dataclass(frozen=True)
class ImageStream:
    """Unlabelled images in the order of their ids."""

    ids: np.ndarray
    """(N,) str."""
    batches: Callable[[int], Iterator[Batch]]
    """Given how many images are held at once."""
    notes: tuple[str, ...] = ()
    numbered: bool = False
    """Whether the ids are the images' places from 0, since the source names none."""


def open_stream(contest: ContestConfig, path: Path, workspace: Workspace, record: DecodingRecord) -> ImageStream:
    """The images of a folder or zip, those that a table names, or those of any other form of [data] test.

    They are decoded as `record` says. An image that cannot be read, or that a table names and nobody has, is
    `lost` in its batch. DataError where there is none at all.
    """
    table = _table_at(path)
    if (found := _files_of(contest, path, table)) is not None:
        return ImageStream(found.ids, found.reader(found.names, record), found.notes, found.numbered)
    image_set = load_test(contest, path, workspace, record)
    used = [contest.data.labels, *([] if table is None else image_columns(table))]
    named = table is not None and named_by(table, contest.data.id_column, used)
    numbered = not named and [one.lstrip("0") for one in image_set.ids] == ["", *map(str, range(1, len(image_set)))]
    return ImageStream(image_set.ids, _slices(image_set), image_set.notes, numbered)


def look_at_test(contest: ContestConfig, path: Path | None, workspace: Workspace) -> ImageSet:
    """The test images as `load_test` has them, but no more than `LOOKED_AT`, drawn evenly, where they are files.

    A look needs no more, and 100,000 images of 224 px would be decoded into 15 GB.
    """
    place = Path(path if path is not None else contest.data.test).expanduser()
    found = _files_of(contest, place, _table_at(place)) if str(place.name) and place.exists() else None
    if found is None or len(found.ids) <= LOOKED_AT:
        return load_test(contest, path, workspace)
    record = DecodingRecord.read(workspace, contest)
    rows = np.sort(np.random.default_rng(contest.seed).permutation(len(found.ids))[:LOOKED_AT])
    batches = list(found.reader([found.names[row] for row in rows.tolist()], record)(LOOKED_AT))
    images, sizes = (np.concatenate([getattr(batch, name) for batch in batches]) for name in ("images", "sizes"))
    lost = [row for batch in batches for row in batch.lost]
    kept = np.setdiff1d(np.arange(len(rows)), lost)
    note = f"{len(kept):,} of {len(found.ids):,} test images are looked at"
    return ImageSet(found.ids[rows][kept], images[kept], None, tuple(contest.classes), (note,), sizes=sizes[kept])


Batches = Callable[[int], Iterator[Batch]]


@dataclass(frozen=True)
class _Listed:
    """Test images that are files, in a place or in a table."""

    ids: np.ndarray
    """(N,) str."""
    names: Sequence[str | None]
    """Of the file of each; None where there is none."""
    files: Files
    notes: tuple[str, ...] = ()
    numbered: bool = False

    def reader(self, names: Sequence[str | None], record: DecodingRecord) -> Batches:
        """Decodes the files of those names as `record` says; what cannot be read is `lost` in its batch."""

        def read(name: str | None) -> bytes:
            if name is None:
                raise Unreadable("no image has this id")
            return self.files.read(name)

        return lambda rows: read_batches(names, read, record.spec, rows)


def _table_at(path: Path) -> pd.DataFrame | None:
    return read_table(path) if form_of_test(path) in ("csv", "parquet") else None


def _files_of(contest: ContestConfig, path: Path, table: pd.DataFrame | None) -> _Listed | None:
    """The test images at a path, where they are files; None for arrays and pixels."""
    if form_of_test(path) in ("folder", "zip"):
        files = open_files(path)
        return _Listed(np.array(files.names), files.names, files)
    if table is None:
        return None
    columns = image_columns(table)
    if not columns:
        return _Listed(*read_ids(path, contest.data))
    used = [contest.data.labels, *columns]
    ids = row_ids(table, contest.data.id_column, used)
    encoded = encoded_files(table[columns[0]], ids) if len(columns) == 1 else None
    if encoded is None:
        return None
    check_ids(ids)
    return _Listed(ids, encoded.names, encoded, (), not named_by(table, contest.data.id_column, used))


def _slices(image_set: ImageSet) -> Batches:
    sizes = image_set.sizes if image_set.sizes is not None else np.zeros((len(image_set), 2), np.int64)

    def batches(rows: int) -> Iterator[Batch]:
        for start in range(0, len(image_set), rows):
            part = slice(start, start + rows)
            yield Batch(np.array(image_set.images[part]), sizes[part], {}, {})

    return batches
