"""Which form a contest's data have: the reader that takes them is named, with the keys that it needs."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from kit.data.forms.arrays import look_at_array, look_at_medmnist, look_at_npz, package_names
from kit.data.forms.folders import look_at_files, look_at_splits
from kit.data.forms.form import Form
from kit.data.forms.practice import look_at_practice
from kit.data.forms.tables import look_at_table
from kit.data.sources.columns import refuse_several
from kit.data.sources.files import is_image
from kit.data.sources.idx import idx_files, is_idx
from kit.data.sources.places import TABLES, TEST, TRAIN, VALIDATION, folders_in, kind_of
from kit.data.sources.table_file import shards
from kit.errors import DataError

FORMS = (
    "a folder or zip with one folder a class or labels in file names, a CSV or parquet with or beside its images, an "
    "npz, an npy with its labels, HDF5"
)
LEAST = 2
"""Images of a class, on the average, from which values are taken for labels."""


def recognise(path: Path) -> Form:
    """The form of the data at `path`; DataError names what it holds instead of a form that the kit reads."""
    found = _look(path)
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
    raise DataError(f"{path}: --data must be {FORMS}, but this is a {path.suffix.lower() or 'file without a suffix'}")


def _look_in(folder: Path) -> Form:
    """A folder: of a table and images, of one archive, or of class folders, perhaps below `train` and `val`."""
    folder = _only_folder(folder)
    tables = [folder / name for name in TABLES if (folder / name).is_file()]
    others = _tables_in(folder)
    if tables or len(others) == 1:
        return look_at_table((tables or others)[0])
    train = folders_in(folder, TRAIN)[:1]
    if train:
        validation = folders_in(folder, VALIDATION)[:1]
        found = look_at_splits(folder, [*train, *validation]) if validation else look_at_files(folder / train[0])
        found.test = next((str(folder / name) for name in folders_in(folder, TEST)), "")
        return found
    if (idx := idx_files(folder)) is not None:
        return look_at_array(idx)
    archives = sorted(path for path in folder.iterdir() if kind_of(path) not in ("", "csv"))
    if len(archives) == 1 and not any(is_image(path.name) for path in folder.rglob("*")):
        return _look(archives[0])
    if len(others) > 1:
        listed = ", ".join(path.name for path in others)
        raise DataError(f"{folder}: which of {listed} holds the labels is not clear. Give --data that CSV")
    return look_at_files(folder)


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
        if len(inside) != 1 or not inside[0].is_dir() or inside[0].name in TRAIN:
            return folder
        if any(is_image(path.name) for path in inside[0].iterdir()):
            return folder
        folder = inside[0]


def _tables_in(folder: Path) -> list[Path]:
    """The tables that may hold the labels: those called so where there are several, without samples and test rows."""
    tables = sorted(path for suffix in ("csv", "tsv", "parquet") for path in folder.glob(f"*.{suffix}"))
    tables = [path for path in tables if "submission" not in path.name.lower() and path == shards(path)[0]]
    named = [path for path in tables if "train" in path.name.lower() or "label" in path.name.lower()]
    training = [path for path in tables if not re.match(r"(.*[_-])?test([._-]|$)", path.name.lower())]
    return next((some for some in (named, training) if len(some) == 1), tables)
