"""Which form a contest's data have: the reader that takes them is named, with the keys that it needs."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from kit.data.forms.arrays import look_at_array, look_at_medmnist, look_at_npz, package_names
from kit.data.forms.folders import look_at_files, look_at_splits
from kit.data.forms.form import Form
from kit.data.forms.practice import look_at_practice
from kit.data.forms.tables import NamesNoImage, look_at_table
from kit.data.sources.columns import refuse_several
from kit.data.sources.files import is_image
from kit.data.sources.idx import idx_files, is_idx
from kit.data.sources.places import TABLES, kind_of, part_folders, part_of
from kit.data.sources.table_file import shards
from kit.data.sources.unread import way_out
from kit.errors import DataError

FORMS = (
    "a folder or zip with one folder a class or labels in file names, a CSV or parquet with or beside its images, an "
    "npz, an npy with its labels, HDF5, a JSON of images and labels, arrow"
)
SUFFIXES = ("csv", "tsv", "parquet", "arrow", "jsonl")
"""Of tables."""
JSON = re.compile(r"(?i)train|label|annotation|metadata")
"""Names of JSON files that may be the table, where there is no other."""
LEAST = 2
"""Images of a class, on the average, from which values are taken for labels."""


def recognise(path: Path) -> Form:
    """The form of the data at `path`; DataError names what it holds instead of a form that the kit reads."""
    found = _look(path)
    if len(found.classes) < 2:
        but = f"all {len(found):,} images are {found.classes[0]!r}" if len(found) else "no image has a label"
        raise DataError(f"{path}: at least two classes must occur, but {but}. Give --data all of the training data")
    if len(found) and len(found) < LEAST * len(found.classes):
        raise DataError(
            f"{path}: labels must repeat, but {len(found):,} images have {len(found.classes):,} different ones "
            f"(such as {found.classes[0]!r}). Where a number is to be predicted, this is regression: not supported"
        )
    refuse_several(np.array(found.classes), tuple(name for name in found.classes if len(name.split()) == 1), str(path))
    return found


def _look(path: Path) -> Form:
    if str(path) == "practice" and not path.exists():
        return look_at_practice()
    if path.name in package_names() and not path.exists():
        return look_at_medmnist(path)
    if not path.exists():
        raise DataError(f"{path}: no such file or folder. Give --data the training data: {FORMS}")
    if path.is_dir():
        return _look_in(path)
    kind = kind_of(path)
    if path.suffix.lower() == ".npy" or is_idx(path):
        return look_at_array(path)
    if kind in ("npz", "hdf5"):
        return look_at_npz(path)
    if path.suffix.lower() == ".txt":
        return _look_at_list(path)
    if kind in ("csv", "parquet"):
        return look_at_table(path)
    if kind == "zip":
        return look_at_files(path)
    this = path.suffix.lower() or "file without a suffix"
    raise DataError(f"{path}: --data must be {FORMS}, but this is a {this}{way_out([path.suffix])}")


def _look_in(folder: Path) -> Form:
    """A folder: of a table and images, of one archive, or of class folders, perhaps below `train` and `val`."""
    folder = _only_folder(folder)
    tables = [folder / name for name in TABLES if (folder / name).is_file()]
    others = _tables_in(folder)
    if tables or len(others) == 1:
        return _table_or_folders((tables or others)[0], folder)
    train = [name for name in part_folders(folder, "train") if not _is_class(folder / name)][:1]
    tests = [folder / name for name in part_folders(folder, "test")]
    if train and len(inside := _tables_in(folder / train[0])) == 1 and not _image_folders(folder / train[0]):
        found = look_at_table(inside[0])
        found.test = next((str(one) for test in tests for one in [*_tables_in(test), test]), "")
        return found
    if train:
        validation = part_folders(folder, "validation")[:1]
        found = look_at_splits(folder, [*train, *validation]) if validation else look_at_files(folder / train[0])
        found.test = next(map(str, tests), "")
        if len(tests) > 1:
            found.doubts.append(f"Test images are those in {tests[0]}, not those in {', '.join(map(str, tests[1:]))}.")
        return found
    if (idx := idx_files(folder)) is not None:
        return look_at_array(idx)
    archives = sorted(path for path in folder.iterdir() if kind_of(path) not in ("", "csv"))
    if len(archives) == 1 and not any(is_image(path.name) for path in folder.rglob("*")):
        return _look(archives[0])
    if len(others) > 1:
        listed = ", ".join(path.name for path in others)
        raise DataError(f"{folder}: which of {listed} holds the labels is not clear. Give --data that CSV")
    if (folder / "data").is_dir() and len(_tables_in(folder / "data")) == 1:  # as the hub lays its data sets out
        return _look(folder / "data")
    return look_at_files(folder)


def _table_or_folders(table: Path, folder: Path) -> Form:
    """The table's form; where it names none of the images, and these lie in class folders, theirs."""
    try:
        found = look_at_table(table)
        if len(found) >= LEAST * len(found.classes) or len(_image_folders(folder)) < 2:
            return found
        why = f"it has {len(found):,} rows, with {len(found.classes):,} different labels"
    except NamesNoImage as error:
        if len(_image_folders(folder)) < 2:
            raise
        why = str(error)
    found = look_at_files(folder)
    found.doubts.append(f"{table.name} is left aside, and the folders are taken for the classes: {why}.")
    return found


def _is_class(train: Path) -> bool:
    """Whether a folder called train is a class beside others: buses, cars and trains."""
    loose = any(is_image(path.name) for path in train.iterdir() if path.is_file())
    return loose and any(not part_of(one.name) for one in _image_folders(train.parent) if one != train)


def _image_folders(folder: Path) -> list[Path]:
    """The folders in it with images of their own, at any depth."""
    inner = [one for one in folder.iterdir() if one.is_dir()]
    return [one for one in inner if any(is_image(path.name) for path in one.rglob("*"))]


def _look_at_list(path: Path) -> Form:
    """A text of image names and labels, "001.jpg 3"."""
    try:
        return look_at_table(path)
    except DataError as error:
        raise DataError(f"{path}: --data must be {FORMS}, or a list of image names and labels ({error})") from error


def _only_folder(folder: Path) -> Path:
    """The folder inside, as long as there is nothing else: what unpacking an archive makes."""
    while True:
        inside = [path for path in folder.iterdir() if not path.name.startswith((".", "__MACOSX"))]
        if len(inside) != 1 or not inside[0].is_dir() or part_of(inside[0].name) == "train":
            return folder
        if any(is_image(path.name) for path in inside[0].iterdir()):
            return folder
        folder = inside[0]


def _tables_in(folder: Path) -> list[Path]:
    """The tables that may hold the labels: those called so where there are several, without samples and test rows."""
    tables = sorted(path for suffix in SUFFIXES for path in folder.glob(f"*.{suffix}"))
    tables = [path for path in tables if "submission" not in path.name.lower() and path == shards(path)[0]]
    tables = tables or sorted(path for path in folder.glob("*.json") if JSON.search(path.name))
    named = [path for path in tables if "train" in path.name.lower() or "label" in path.name.lower()]
    training = [path for path in tables if not re.match(r"(.*[_-])?test([._-]|$)", path.name.lower())]
    return next((some for some in (named, training) if len(some) == 1), tables)
