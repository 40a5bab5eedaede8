"""Which form a contest's data have: the reader that takes them is named, with the keys that it needs."""

from __future__ import annotations

from pathlib import Path

from kit.data.sources.files import is_image
from kit.data.sources.tables import TABLES
from kit.errors import DataError
from kit.data.forms.arrays import look_at_array, look_at_medmnist, look_at_npz, package_names
from kit.data.forms.folders import look_at_files
from kit.data.forms.form import Form
from kit.data.forms.practice import look_at_practice
from kit.data.forms.tables import look_at_table

FORMS = (
    "a folder or zip with one folder a class or labels in file names, a CSV or parquet with or beside its images, an "
    "npz, an npy with its labels, HDF5"
)
TRAIN, TEST = ("train", "training", "train_images", "Train", "Training"), ("test", "testing", "test_images", "Test")


def look(path: Path) -> Form:
    """The data at `path`; DataError says what it holds instead of a form that the kit reads."""
    if str(path) == "practice" and not path.exists():
        return look_at_practice()
    if path.name in package_names() and not path.exists():
        return look_at_medmnist(path)
    if not path.exists():
        raise DataError(f"{path}: no such file or folder. Give --data the training data: {FORMS}")
    if path.is_dir():
        return _look_in(path)
    suffix = path.suffix.lower()
    if suffix in (".npz", ".h5", ".hdf5"):
        return look_at_npz(path)
    if suffix == ".npy":
        return look_at_array(path)
    if suffix in (".csv", ".tsv", ".parquet", ".pq"):
        return look_at_table(path)
    if suffix == ".zip":
        return look_at_files(path)
    raise DataError(f"{path}: --data must be {FORMS}, but this is a {suffix or 'file without a suffix'}")


def _look_in(folder: Path) -> Form:
    """A folder: of a table and images, of one archive, or of class folders, perhaps below `train`."""
    tables = [folder / name for name in TABLES if (folder / name).is_file()]
    others = sorted(path for path in folder.glob("*.csv") if "submission" not in path.name.lower())
    if tables or len(others) == 1:
        return look_at_table((tables or others)[0])
    inside = [folder / name for name in TRAIN if (folder / name).is_dir()]
    if inside:
        found = look_at_files(inside[0])
        found.test = next((str(folder / name) for name in TEST if (folder / name).is_dir()), "")
        return found
    archives = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".npz", ".zip", ".npy"))
    if len(archives) == 1 and not any(is_image(path.name) for path in folder.rglob("*")):
        return look(archives[0])
    if len(others) > 1:
        listed = ", ".join(path.name for path in others)
        raise DataError(f"{folder}: which of {listed} holds the labels is not clear. Give --data that CSV")
    return look_at_files(folder)
