"""What a path holds by its suffix, and where contests put training, validation and test images."""

from __future__ import annotations

from pathlib import Path

from kit.data.sources.idx import is_idx

KINDS = {
    ".npz": "npz",
    ".npy": "npz",
    ".h5": "hdf5",
    ".hdf5": "hdf5",
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".json": "csv",
    ".jsonl": "csv",
    ".arrow": "parquet",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".zip": "zip",
}
"""Suffix of a file -> [data] kind of its reader."""

TABLES = tuple(
    f"{name}.{suffix}" for name in ("train", "train_labels", "labels", "metadata") for suffix in ("csv", "parquet")
)
"""Names of the table of labels in a folder, by preference."""

TRAIN = ("train", "training", "train_images", "Train", "Training")
VALIDATION = ("val", "valid", "validation", "Val", "Valid", "Validation")
TEST = ("test", "testing", "test_images", "Test")
"""Folders beside each other, each of class folders or of images."""

BESIDE_TABLE = (*TRAIN[:3], "images", "train.zip", "train_images.zip", "images.zip", ".")
"""Where the images of a table of training labels may lie, seen from the table."""
BESIDE_TEST_TABLE = (*TEST[:3], "test.zip", "test_images.zip", "images", ".")


def kind_of(path: Path) -> str:
    """[data] kind of the reader that takes a file, by its name; "" for a folder and for any other file."""
    if path.is_dir():
        return ""
    return "npz" if is_idx(path) else KINDS.get(path.suffix.lower(), "")


def folders_in(folder: Path, names: tuple[str, ...]) -> list[str]:
    """Those of `names` that are folders in `folder`, each spelling of a file system that folds case once."""
    there = {path.name for path in folder.iterdir() if path.is_dir()}
    return [name for name in names if name in there]
