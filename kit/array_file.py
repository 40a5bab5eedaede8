"""Arrays of npy and npz files, opened without trusting what their headers promise; nothing is unpickled."""

from __future__ import annotations

import io
import math
import os
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np

BROKEN = (
    *(OSError, ValueError, TypeError, KeyError, EOFError, RuntimeError, SyntaxError, MemoryError, OverflowError),
    *(zipfile.BadZipFile, zlib.error, tokenize.TokenError, RecursionError),
)
"""What reading a spoilt file raises: TypeError and SyntaxError of its header, RuntimeError for zip features that
nobody asked for.
"""

DENSEST = 1040
"""Bytes that one byte of deflate can stand for, with room for its frame."""

HEADERS: dict[tuple[int, int], Callable[..., Any]] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
"""By version; a third one is for structured arrays with names beyond Latin-1, which no file of the kit has."""


def load_arrays(source: Path | bytes) -> np.ndarray | dict[str, np.ndarray]:
    """The array of an npy file, or those of an npz by name, of a path or of its bytes.

    One of `BROKEN` where it is neither, is cut short, holds Python objects, or promises more than it can hold; memory
    is taken only for what is there.
    """
    with io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb") as file, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Reading `.npy`")  # of Python 2: its headers are read a little slower
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        if file.read(2) == b"PK":
            _check_archive(file, size)
        else:
            file.seek(0)
            _check_header(file, size)
        file.seek(0)
        opened = np.load(file, allow_pickle=False)
        if isinstance(opened, np.ndarray):
            return opened
        return {name: opened[name] for name in opened.files}


def _check_archive(file: IO[bytes], size: int) -> None:
    """ValueError where a member of an npz cannot be as long as it is said to be."""
    with zipfile.ZipFile(file) as archive:
        for entry in archive.infolist():
            if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ValueError(f"{entry.filename} is packed in a way that numpy does not write")
            dense = DENSEST if entry.compress_type == zipfile.ZIP_DEFLATED else 1
            if entry.compress_size > size or entry.file_size > dense * entry.compress_size + 64:
                raise ValueError(f"{entry.filename} promises {entry.file_size:,} bytes, more than can be in the file")
            with archive.open(entry) as member:
                _check_header(member, entry.file_size)


def _check_header(file: IO[bytes], size: int) -> None:
    """ValueError where an npy header promises more than `size` bytes hold."""
    version = np.lib.format.read_magic(file)
    if version not in HEADERS:
        raise ValueError(f"npy of version {version}; save plain arrays with numpy.save")
    shape, _, dtype = HEADERS[version](file)
    if dtype.hasobject:
        raise ValueError("Object arrays cannot be loaded when allow_pickle=False")
    promised = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or promised > size - file.tell():
        raise ValueError(f"the header promises {promised:,} bytes, and {max(size - file.tell(), 0):,} are there")
