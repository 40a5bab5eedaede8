"""Test images read in batches, whatever their form: no more than one batch is held."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kit.config import ContestConfig
from kit.data.sources.decoding_record import DecodingRecord
from kit.data.sources.embedded_images import image_columns, named_by
from kit.data.sources.files import Files, open_files
from kit.data.sources.imageset import ImageSet
from kit.data.sources.load import form_of_test, load_test
from kit.data.sources.table_file import read_table
from kit.data.sources.tables import read_ids
from kit.inference.decode import Batch, Unreadable, read_batches
from kit.workspace import Workspace


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
    if table is not None and not image_columns(table):
        ids, names, files, notes = read_ids(path, contest.data)
        return ImageStream(ids, _reader(files, names, record), notes)
    image_set = load_test(contest, path, workspace, record)
    named = table is not None and named_by(table, contest.data.id_column, [contest.data.labels])
    numbered = not named and [one.lstrip("0") for one in image_set.ids] == ["", *map(str, range(1, len(image_set)))]
    return ImageStream(image_set.ids, _slices(image_set), image_set.notes, numbered)


Batches = Callable[[int], Iterator[Batch]]


def _reader(files: Files, names: list[str] | list[str | None], record: DecodingRecord) -> Batches:
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
