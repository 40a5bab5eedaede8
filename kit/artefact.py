"""Files that are whole or absent: written beside their place, synced, then renamed onto it.

JSON objects carry a digest of themselves (`kit.seal`). A reader names the file that is broken and the command that
makes it again.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from kit.array_file import BROKEN, load_arrays
from kit.errors import ArtefactError, DiskError
from kit.lock import remove_left_overs, take
from kit.seal import sealed, unsealed
from kit.storage import reading, remedy

PART = ".kit-part"
"""Ends the name of a file that is being written."""
HOST = hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]
"""Whose locks can tell whether such a file is still being written."""


def write_bytes(path: Path, data: bytes) -> None:
    """Replace `path` by `data` atomically; DiskError when it cannot be written, the old file intact."""
    with replacing(path) as file:
        file.write(data)


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file beside `path`, to be written, which then takes its place; DiskError as in `write_bytes`.

    It is locked meanwhile, so that the next writer in the folder removes it if this process is killed.
    """
    path = Path(path)
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_left_overs(path.parent, f".*.{HOST}.*{PART}")
        temporary, descriptor = _part(path)
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
    except OSError as error:
        raise _not_written(path, error) from error
    finally:
        if temporary:
            Path(temporary).unlink(missing_ok=True)


def _part(path: Path) -> tuple[str, int]:
    """A new file beside `path`, locked, and its descriptor; its name says which machine's locks tell of it."""
    while True:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.{HOST}.", suffix=PART)
        if take(descriptor, temporary):
            return temporary, descriptor
        os.close(descriptor)  # taken for a left-over in the moment before it was locked
        Path(temporary).unlink(missing_ok=True)


def _not_written(path: Path, error: OSError) -> DiskError:
    return DiskError(
        f"{path}: cannot be written ({error.strerror or error}). What stood there before is intact. "
        f"{remedy(error.errno)}, then run the same command again."
    )


def write_text(path: Path, text: str) -> None:
    """`write_bytes` of UTF-8 text."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """`write_bytes` of indented JSON; NaN is refused, because not every reader takes it. Objects get a seal."""
    value = sealed(value) if isinstance(value, dict) else value
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def as_json(value: Any) -> Any:
    """`value` as it is read again after `write_json`: tuples are lists."""
    return json.loads(json.dumps(value, allow_nan=False))


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """`write_bytes` of a table without its index."""
    write_text(path, table.to_csv(index=False))


def write_npz(path: Path, **arrays: np.ndarray) -> None:
    """`write_bytes` of a compressed npz; object arrays are refused, as they would be pickled."""
    for name, array in arrays.items():
        assert array.dtype != object, f"{name} holds Python objects"
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    write_bytes(path, buffer.getvalue())


def read_json(path: Path, rerun: str = "") -> Any:
    """The JSON value in `path`, without its seal; ArtefactError names the file and the command `rerun` when it is
    broken.
    """
    try:
        with reading(path):
            text = Path(path).read_text(encoding="utf-8")
        value = json.loads(text)
        return unsealed(value) if isinstance(value, dict) else value
    except (OSError, ValueError, RecursionError) as error:
        raise _not_read(path, error, rerun) from error


def read_npz(path: Path, rerun: str = "") -> dict[str, np.ndarray]:
    """All arrays in `path`, nothing unpickled; ArtefactError as in `read_json`."""
    try:
        with reading(path):
            found = load_arrays(Path(path))
        if not isinstance(found, dict):
            raise TypeError("a bare array, where an npz was written")
        return found
    except BROKEN as error:
        raise _not_read(path, error, rerun) from error


def _not_read(path: Path, error: Exception, rerun: str) -> ArtefactError:
    what_to_do = f" Make it again: {rerun}" if rerun else ""
    return ArtefactError(f"{path}: missing or corrupt ({type(error).__name__}: {error}).{what_to_do}")


def check_digest(path: Path, digest: str, rerun: str) -> None:
    """ArtefactError, with the command `rerun`, where the file's content is not that of the digest."""
    try:
        found = sha256_file(path)
    except OSError as error:
        raise _not_read(path, error, rerun) from error
    if found != digest:
        raise ArtefactError(
            f"{path}: changed since it was written (sha256 {found[:12]}, must be {digest[:12]}). Make it again: {rerun}"
        )


def sha256_bytes(data: bytes) -> str:
    """Hex digest of `data`."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Hex digest of a file, read in pieces of 1 MiB; StorageError where the storage fails."""
    digest = hashlib.sha256()
    with reading(path), open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def sha256_sources(folder: Path) -> str:
    """Hex digest of the code in a folder of the kit, and of what it reads beside: another one may do something else."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.suffix in (".py", ".html", ".css", ".js")):
        digest.update(f"{path.relative_to(folder)} {path.stat().st_size}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def sha256_arrays(*arrays: np.ndarray) -> str:
    """Hex digest of arrays: dtype, shape and content of each, so that a reshape or a cast changes it."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        if array.size:
            digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
