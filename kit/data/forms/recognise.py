"""Which form a contest's data have: the reader that takes them is named, with the keys that it needs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kit.data.forms.arrays import look_at_array, look_at_medmnist, look_at_npz, package_names
from kit.data.forms.folders import look_at_files, look_at_splits
from kit.data.forms.form import Form
from kit.data.forms.practice import look_at_practice
from kit.data.forms.tables import look_at_table
from kit.data.sources.columns import refuse_several
from kit.data.sources.files import is_image
from kit.data.sources.places import TABLES, TEST, TRAIN, VALIDATION, folders_in, kind_of
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
    if path.suffix.lower() == ".npy":
        return look_at_array(path)
    if kind in ("npz", "hdf5"):
        return look_at_npz(path)
    if kind in ("csv", "parquet"):
        return look_at_table(path)
    if kind == "zip":
        return look_at_files(path)
    raise DataError(f"{path}: --data must be {FORMS}, but this is a {path.suffix.lower() or 'file without a suffix'}")


def _look_in(folder: Path) -> Form:
    """A folder: of a table and images, of one archive, or of class folders, perhaps below `train` and `val`."""
    tables = [folder / name for name in TABLES if (folder / name).is_file()]
    others = sorted(path for path in folder.glob("*.csv") if "submission" not in path.name.lower())
    if tables or len(others) == 1:
        return look_at_table((tables or others)[0])
    train = folders_in(folder, TRAIN)[:1]
    if train:
        validation = folders_in(folder, VALIDATION)[:1]
        found = look_at_splits(folder, [*train, *validation]) if validation else look_at_files(folder / train[0])
        found.test = next((str(folder / name) for name in folders_in(folder, TEST)), "")
        return found
    archives = sorted(path for path in folder.iterdir() if kind_of(path) not in ("", "csv"))
    if len(archives) == 1 and not any(is_image(path.name) for path in folder.rglob("*")):
        return _look(archives[0])
    if len(others) > 1:
        listed = ", ".join(path.name for path in others)
        raise DataError(f"{folder}: which of {listed} holds the labels is not clear. Give --data that CSV")
    return look_at_files(folder)
