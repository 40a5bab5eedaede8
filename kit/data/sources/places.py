"""What a path holds by its suffix, and where contests put training, validation and test images."""

from __future__ import annotations

import re
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

TRAIN = ("train", "training", "train_images")
TEST = ("test", "testing", "test_images")
"""Usual names of folders with images of the training and the test set."""
WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "validation"),
    **dict.fromkeys(("test", "testing", "pred", "prediction", "unlabeled", "unlabelled"), "test"),
}
"""A word in a folder's name -> the part of the data set that it holds."""
FILLERS = frozenset(["", "set", "data", "dataset", "images", "image", "img", "imgs", "seg", "simple", "split", "part"])
"""Words beside those."""

SAMPLE = re.compile(r"(?i)sample.*submi|submi.*sample")
"""Names of sample submissions."""
BESIDE_TABLE = (*TRAIN, "images", "train.zip", "train_images.zip", "images.zip", ".")
"""Where the images of a table of training labels may lie, seen from the table."""
BESIDE_TEST_TABLE = (*TEST, "test.zip", "test_images.zip", "images", ".")


def kind_of(path: Path) -> str:
    """[data] kind of the reader that takes a file, by its name; "" for a folder and for any other file."""
    if path.is_dir():
        return ""
    return "npz" if is_idx(path) else KINDS.get(path.suffix.lower(), "")


def part_of(name: str) -> str:
    """Which part of a data set a folder called so holds, "train", "validation" or "test"; "" for any other name.

    Test, training_set, TEST_SIMPLE, seg_pred, test1: all words are known ones, since "freight train" is a class.
    """
    words = re.split(r"[^a-z]+", name.casefold())
    parts = {WORDS[word] for word in words if word in WORDS}
    return parts.pop() if len(parts) == 1 and all(word in WORDS or word in FILLERS for word in words) else ""


def part_folders(folder: Path, part: str) -> list[str]:
    """The folders in `folder` that hold a part of the data set, those of usual names first."""
    found = [path.name for path in folder.iterdir() if path.is_dir() and part_of(path.name) == part]
    return sorted(found, key=lambda name: (name.casefold() not in WORDS, name))
