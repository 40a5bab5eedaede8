"""Test images read in batches, whatever their form: no more than one batch is held."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from kit.config import ContestConfig, DataConfig
from kit.data.sources.decoding_record import DecodingRecord
from kit.data.sources.embedded_images import EncodedFiles, encoded_files, image_columns, named_by, row_ids
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
    form = form_of_test(path)
    if form in ("folder", "zip"):
        files = open_files(path)
        return ImageStream(np.array(files.names), _reader(files, files.names, record))
    table = read_table(path) if form in ("csv", "parquet") else None
    columns = [] if table is None else image_columns(table)
    if table is not None and not columns:
        ids, names, files, notes = read_ids(path, contest.data)
        return ImageStream(ids, _reader(files, names, record), notes)
    named = table is not None and bool(named_by(table, contest.data.id_column, [contest.data.labels, *columns]))
    if table is not None and (encoded := _encoded(table, columns, contest.data)) is not None:
        return ImageStream(np.array(encoded.names), _reader(encoded, encoded.names, record), numbered=not named)
    image_set = load_test(contest, path, workspace, record)
    numbered = not named and [one.lstrip("0") for one in image_set.ids] == ["", *map(str, range(1, len(image_set)))]
    return ImageStream(image_set.ids, _slices(image_set), image_set.notes, numbered)


def _encoded(table: pd.DataFrame, columns: list[str], config: DataConfig) -> EncodedFiles | None:
    """The files that a table's rows hold, whether they can be read or not; None where it holds pixels."""
    ids = row_ids(table, config.id_column, [config.labels, *columns])
    files = encoded_files(table[columns[0]], ids) if len(columns) == 1 else None
    if files is not None:
        check_ids(ids)
    return files


def look_at_test(contest: ContestConfig, path: Path | None, workspace: Workspace) -> ImageSet:
    """The test images as `load_test` has them, but no more than `LOOKED_AT`, drawn evenly, where they are files.

    A look needs no more, and 100,000 images of 224 px would be decoded into 15 GB.
    """
    place = Path(path if path is not None else contest.data.test).expanduser()
    if not str(place.name) or form_of_test(place) not in ("folder", "zip", "csv", "parquet") or not place.exists():
        return load_test(contest, path, workspace)
    record = DecodingRecord.read(workspace, contest)
    files = _files_of(contest, place)
    if files is None or len(files[0]) <= LOOKED_AT:
        return load_test(contest, path, workspace)
    ids, reader = files
    rows = np.sort(np.random.default_rng(contest.seed).permutation(len(ids))[:LOOKED_AT])
    batches = list(reader(rows, record)(LOOKED_AT))
    images, sizes = (np.concatenate([getattr(batch, name) for batch in batches]) for name in ("images", "sizes"))
    lost = [row for batch in batches for row in batch.lost]
    kept = np.setdiff1d(np.arange(len(rows)), lost)
    note = f"{len(kept):,} of {len(ids):,} test images are looked at"
    return ImageSet(ids[rows][kept], images[kept], None, tuple(contest.classes), (note,), sizes=sizes[kept])


Batches = Callable[[int], Iterator[Batch]]
Picked = Callable[[np.ndarray, DecodingRecord], Batches]


def _files_of(contest: ContestConfig, path: Path) -> tuple[np.ndarray, Picked] | None:
    """Ids (N,) of test images that are files, and how some rows of them are read; None where a table holds them."""
    names: Sequence[str | None]
    if form_of_test(path) in ("folder", "zip"):
        files = open_files(path)
        ids, names = np.array(files.names), files.names
    elif image_columns(read_table(path)):
        return None
    else:
        ids, names, files, _ = read_ids(path, contest.data)
    return ids, lambda rows, record: _reader(files, [names[row] for row in rows.tolist()], record)


def _reader(files: Files, names: Sequence[str | None], record: DecodingRecord) -> Batches:
    def read(name: str | None) -> bytes:
        if name is None:
            raise Unreadable("no image has this id")
        return files.read(name)

    return lambda rows: read_batches(names, read, record.spec, rows)


def _slices(image_set: ImageSet) -> Batches:
    sizes = image_set.sizes if image_set.sizes is not None else np.zeros((len(image_set), 2), np.int64)

    def batches(rows: int) -> Iterator[Batch]:
        for start in range(0, len(image_set), rows):
            part = slice(start, start + rows)
            yield Batch(np.array(image_set.images[part]), sizes[part], {}, {})

    return batches
