"""Arrays in IDX files, the form of MNIST (train-images-idx3-ubyte.gz), with labels in a file of their own."""

from __future__ import annotations

import gzip
import re
import struct
import zlib
from pathlib import Path

import numpy as np

from kit.errors import DataError
from kit.storage import reading

NAME = re.compile(r".*idx\d[-_.]ubyte(\.gz)?", re.IGNORECASE)
TRAINING = re.compile("train", re.IGNORECASE)
TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def is_idx(path: Path) -> bool:
    """Whether the file is called as such arrays are."""
    return NAME.fullmatch(path.name) is not None


def idx_files(folder: Path) -> Path | None:
    """The file of training images in a folder of IDX files."""
    return next((one for one in sorted(folder.glob("*images*")) if is_idx(one) and TRAINING.search(one.name)), None)


def labels_beside(path: Path) -> Path:
    """The file of the labels that belong to one of images: train-labels-idx1-ubyte; DataError where there is none."""
    wanted = re.sub("images", "labels", re.sub(r"idx\d", "idx1", path.name))
    every = [path.with_name(name) for name in (wanted, wanted.removesuffix(".gz"), wanted.removesuffix(".gz") + ".gz")]
    found = next((one for one in every if one.is_file() and one != path), None)
    if found is None:
        raise DataError(f"{path}: its labels must lie beside it, but {wanted} is not there. Download it too.")
    return found


def test_file(path: Path) -> Path | None:
    """The file of test images beside one of training images; of several sets in the folder, of the same one."""
    every = [one for one in sorted(path.parent.glob("*images*")) if is_idx(one) and one != path]
    others = [one for one in every if not TRAINING.search(one.name)]
    same = [one for one in others if one.name.startswith(TRAINING.split(path.name)[0])]
    return next(iter(same or others), None)


def read_idx(path: Path) -> np.ndarray:
    """The array, of its own shape and type; DataError where the file is no whole IDX file."""
    try:
        with reading(path):
            data = path.read_bytes()
        data = gzip.decompress(data) if path.suffix == ".gz" else data
        zero, kind, dimensions = struct.unpack_from(">HBB", data)
        shape = struct.unpack_from(f">{dimensions}I", data, 4)
        values = np.frombuffer(data, TYPES[kind], offset=4 + 4 * dimensions)
        if zero or len(values) != int(np.prod(shape, dtype=np.int64)):
            raise ValueError(f"{len(values):,} values for a shape of {shape}")
    except (OSError, EOFError, ValueError, KeyError, struct.error, zlib.error) as error:
        raise DataError(f"{path}: not a whole IDX file ({error}). Download it again.") from error
    return values.reshape(shape).astype(values.dtype.newbyteorder("="))
