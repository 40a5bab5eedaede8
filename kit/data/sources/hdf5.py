"""Arrays in an HDF5 file (h5py, an extra)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from kit.errors import DataError
from kit.storage import reading

MAGIC = b"\x89HDF\r\n\x1a\n"


def is_hdf5(path: Path) -> bool:
    """Whether the file is one, whatever its name."""
    with open(path, "rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def read_hdf5(path: Path) -> dict[str, np.ndarray]:
    """All data sets by their name inside, strings as str; DataError where it cannot be read."""
    try:
        import h5py
    except ImportError as error:
        raise DataError(f'{path}: reading HDF5 needs h5py. Run: pip install "submission-kit[hdf5]"') from error
    arrays: dict[str, np.ndarray] = {}

    def take(name: str, node: Any) -> None:
        if isinstance(node, h5py.Dataset) and node.ndim:
            strings = h5py.check_string_dtype(node.dtype) is not None
            arrays[name] = node.asstr()[...].astype(str) if strings else node[...]

    try:
        with reading(path), h5py.File(path, "r") as file:
            file.visititems(take)
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        raise DataError(f"{path}: not a readable HDF5 file ({error}). Copy or download it again.") from error
    if not arrays:
        raise DataError(f"{path}: holds no array. Give the HDF5 file with the images and labels.")
    return arrays
